# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Where the user's own configuration listens, or would: what the dump of it no longer tells."""

from __future__ import annotations

import re

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands

_IF_DEFINE = re.compile(r"\s*<(/?)IfDefine\b\s*([^>]*)>", re.IGNORECASE)
_IF_MODULE = re.compile(r"\s*<(/?)IfModule\b\s*([^>]*)>", re.IGNORECASE)
_LISTEN = re.compile(r"\s*Listen\s+(\S+)", re.IGNORECASE)
_CONDITIONS = re.compile(r"^\s*<IfDefine\b", re.IGNORECASE | re.MULTILINE)


def find_listen_flags(without_us: Description, port: int) -> list[str]:
    """The flags that would bring the user's own Listen for a port: <IfDefine SSL> in SUSE's listen.conf."""
    found = []
    for path in without_us.files:
        text = commands.read(path)
        depth: list[str] = []
        # Of most files, which have many lines, none is looked at.
        for line in text.splitlines() if _CONDITIONS.search(text) else ():
            section, listen = _IF_DEFINE.match(line), _LISTEN.match(line)
            if section and not section[1]:
                depth.append(section[2].strip())
            elif section:
                del depth[-1:]
            elif listen and endpoint(listen.group(1))[1] == str(port):
                found += [name for name in depth[:1] if re.fullmatch(r"\w+", name)]
    return list(dict.fromkeys(found))


def with_ssl_alone(listen: Directive) -> bool:
    """Whether a Listen stands within <IfModule …ssl…>.

    As in Debian's ports.conf; the dump of the configuration no longer tells.
    """
    depth: list[str] = []
    for number, line in enumerate(commands.read(listen.file).splitlines(), 1):
        if number == listen.line:
            return any("ssl" in condition for condition in depth)
        section = _IF_MODULE.match(line)
        if section and not section[1]:
            depth.append(section[2].lower())
        elif section:
            del depth[-1:]
    return False
