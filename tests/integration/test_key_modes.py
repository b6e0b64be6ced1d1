# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys on a host, watched by inotify(7) while a run is under way: at no moment are they open to others."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from embedded_httpd import free_port
from host import DOMAIN, Host
from searching import secret_key, written_since
from watching import watching

from ansible_collections.mtls.httpd.plugins.module_utils._payload import Wish
from ansible_collections.mtls.httpd.plugins.module_utils._rehearsal import rehearsal_folder
from ansible_collections.mtls.httpd.plugins.module_utils._release import Store

if TYPE_CHECKING:
    from demo_material import Authority
    from embedded_httpd import EmbeddedHttpd

    from ansible_collections.mtls.httpd.plugins.module_utils import _handshake


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_key_is_its_owners_alone_from_the_first_byte_on(
    embedded: EmbeddedHttpd, authority: Authority, chat: Authority, probes: _handshake.Probes, rehearsal: str
) -> None:
    host = Host(embedded, authority, chat, free_port(), probes)
    if rehearsal == "reduced":
        host.add('CustomLog "|/bin/cat >/dev/null" common\n')
        host.restart()
    scratch = rehearsal_folder(Store(str(host.conf)))
    seen: dict[str, set[tuple[int, int]]] = {}

    def look(path: Path) -> None:
        if ".key" in path.name:
            status = path.stat()
            seen.setdefault(str(path), set()).add((status.st_mode & 0o777, status.st_uid))

    with watching(look, host.conf, Path(scratch).parent):
        for _renewal in range(3):
            assert host.apply(host.wish()).rehearsal == rehearsal
    stored = {path: modes for path, modes in seen.items() if path.startswith(str(host.conf))}
    tried = {path: modes for path, modes in seen.items() if path.startswith(scratch)}
    assert stored
    assert bool(tried) == (rehearsal == "reduced")
    assert {each for modes in (stored | tried).values() for each in modes} == {(0o600, os.geteuid())}


def test_keys_go_with_their_releases(
    embedded: EmbeddedHttpd, authority: Authority, chat: Authority, probes: _handshake.Probes
) -> None:
    host, begin = Host(embedded, authority, chat, free_port(), probes), time.time() - 0.1
    renewals = [host.public.issue(DOMAIN) for _renewal in range(3)]
    keys = [secret_key(str(number), issued.key) for number, issued in enumerate(renewals)]

    def stored() -> list[str]:
        files = list(written_since(begin, embedded.root))
        return [key.name for key in keys if any(key.within(content) for _path, content in files)]

    for issued in renewals:
        host.apply(host.wish(issued=issued))
    assert stored() == ["1", "2"]
    host.apply(Wish(DOMAIN))
    assert stored() == []
