# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes the rehearsal on a host a reduced one, and a site that says something else than ours."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import private_mounts, sandbox
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from host import Host

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

# A program that would be started a second time.
PIPED = 'CustomLog "|$/bin/cat >/dev/null" common\n'
WHYS = ["a piped logger", "no namespaces"]


def forbid_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kernel, as it seems, refuse the world of its own that a full rehearsal needs."""

    def unavailable(*_arguments: object) -> None:
        raise private_mounts.Unavailable("the kernel forbids it")

    monkeypatch.setattr(sandbox, "run", unavailable)


@contextmanager
def reduced(host: Host, why: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a host on which the rehearsal is reduced, for one reason or the other."""
    if why == "a piped logger":
        host.add(PIPED)
        host.restart()
    else:
        forbid_namespaces(monkeypatch)
    yield


def edited(wish: SiteWish, pattern: str, instead: str = "") -> SiteWish:
    """Return a wish whose site says something else, as the operator's own template may."""
    assert wish.release
    text = wish.release.public[SITE].decode()
    other = re.sub(pattern, instead, text, flags=re.MULTILINE)
    assert other != text
    return replace(wish, release=replace(wish.release, public={**wish.release.public, SITE: other.encode()}))
