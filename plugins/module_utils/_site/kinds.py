# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Kinds of virtual hosts: those that differ in names and paths alone are one, of which one is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        Directive,
        VirtualHost,
    )

_NAMING = ("servername", "serveralias", "<virtualhost")
_PATH = re.compile(r"(?<![\w:/])/[\w./@%+~-]*")
_OF_URL = re.compile(r"(://[^/\s\"']*)/[^\s\"']*")


def find_kinds(described: Description, hosts: Iterable[VirtualHost]) -> list[VirtualHost]:
    """The first virtual host of each kind, in their order."""
    wanted = {host.place: host for host in hosts}
    said: dict[str, list[tuple[str, ...]]] = {place: [] for place in wanted}
    for each in described.directives:
        if each.host in said:
            said[each.host].append(_sketch(each, wanted[each.host]))
    kinds: dict[tuple[tuple[str, ...], ...], VirtualHost] = {}
    for place, sketch in said.items():
        kinds.setdefault(tuple(sketch), wanted[place])
    return list(kinds.values())


def _sketch(each: Directive, host: VirtualHost) -> tuple[str, ...]:
    """A directive without its host's names, and the paths in it. Its sections are directives of their own."""
    name = each.name.lower()
    if name in _NAMING:
        return (name,)
    text = _PATH.sub("/", _OF_URL.sub(r"\1/", each.arguments))
    for known in filter(None, (host.name, *host.aliases)):
        text = text.replace(known, "N")
    return name, text
