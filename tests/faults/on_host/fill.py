# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run on a host: carry a request out with ever more space, or inodes, free on a tmpfs, until there is enough.

    fill.py CONF blocks|inodes <REQUEST

REQUEST is what the action plugin sends. Prints a JSON list: what was said each time, and whether all in CONF was as
before and the site of the disk was shown by a handshake.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from filling import leave

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._site import handshakes
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import unpacked


def tree(folder: Path) -> list[tuple[object, ...]]:
    """Return every path below `folder` but the filler, with its mode, owner and content."""
    return [
        (
            str(path),
            path.lstat().st_mode,
            path.lstat().st_uid,
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
        if "filler" not in path.parts
    ]


def main() -> None:
    """Fill, try, look; with one more free each time."""
    conf, what = Path(sys.argv[1]), sys.argv[2]
    request = unpacked(sys.stdin.read())
    store = Store(str(conf))
    old = [store.facts(domain) for domain in store.domains()]
    server = find.find(None, None)
    assert server
    described = server.describe()
    filler = conf / "filler"
    filler.mkdir()
    found: list[tuple[str, bool, bool]] = []
    for count in range(100):
        leave(filler, what, count)
        before = tree(conf)
        try:
            run.carry_out(replace(request, start=True))
            break
        except run.Refused as error:
            shown = all(handshakes.shows_site(described, site, "127.0.0.1") for site in old)
            found.append((str(error), tree(conf) == before, shown))
    print(json.dumps(found))


main()
