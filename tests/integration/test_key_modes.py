# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys on a host, watched while a run is under way: at no moment are they open to others, or in other files."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo_material import key_pem, new_key, write
from host import DOMAIN, Host
from interrupting import snapshots
from searching import secret_key, written_since
from watching import watching

from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import rehearsal_folder
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish, Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = (0o600, os.geteuid())


@contextmanager
def keys_in(*folders: Path) -> Iterator[dict[str, set[tuple[int, int]]]]:
    """Return the modes and owners that each file of a key has while it lasts, and the journal, which can hold one."""
    seen: dict[str, set[tuple[int, int]]] = {}

    def look(path: Path) -> None:
        if ".key" in path.name or "journal" in path.name:
            status = path.stat()
            seen.setdefault(str(path), set()).add((status.st_mode & 0o777, status.st_uid))

    with watching(look, *folders):
        yield seen


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_key_is_its_owners_alone_from_the_first_byte_on(host: Host, rehearsal: str) -> None:
    if rehearsal == "reduced":
        host.add('CustomLog "|/bin/cat >/dev/null" common\n')
        host.restart()
    scratch = rehearsal_folder(str(host.conf))
    with keys_in(host.conf, Path(scratch).parent) as seen:
        for _renewal in range(3):
            assert host.apply(host.wish()).rehearsal == rehearsal
    stored = {path: modes for path, modes in seen.items() if path.startswith(str(host.conf))}
    tried = {path: modes for path, modes in seen.items() if path.startswith(scratch)}
    assert stored
    assert bool(tried) == (rehearsal == "reduced")
    assert {each for modes in (stored | tried).values() for each in modes} == {OWN}


def test_so_is_one_that_lay_on_the_host_already(host: Host) -> None:
    taken, adopted = host.public.issue(DOMAIN), host.public.issue(DOMAIN)
    write(host.conf, "live.crt", taken.full_pem)
    write(host.conf, "live.key", taken.key_pem)
    write(host.conf, f"{DOMAIN}.key", adopted.key_pem)
    wish = host.wish()
    assert wish.release
    public = {name: content for name, content in wish.release.public.items() if not name.startswith(DOMAIN)}
    sources = Sources(f"{host.conf}/live.crt", f"{host.conf}/live.key")
    with keys_in(host.conf) as seen:
        host.apply(SiteWish(DOMAIN, Release(DOMAIN, public), sources=sources), adopt=True)
    assert {f"{host.store}/journal", f"{host.conf}/{DOMAIN}.key.before-mtls"} <= {*seen}
    assert {each for modes in seen.values() for each in modes} == {OWN}


def test_a_private_key_is_its_owners_alone_from_its_first_byte(stopped: Host) -> None:
    for cut in snapshots(stopped, stopped.wish()):
        modes = {path.stat().st_mode & 0o777 for path in cut.rglob("*") if b"PRIVATE KEY" in content_of(path)}
        assert modes <= {0o600}, cut.name
    assert modes == {0o600}


def content_of(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else b""


def test_no_log_and_no_other_file_holds_key_bytes(host: Host) -> None:
    issued = host.public.issue(DOMAIN)
    other = key_pem(new_key())
    host.apply(host.wish(issued=issued))
    message = host.refused(host.wish(issued=issued, key=other))
    for key in (issued.key_pem, other):
        body = key.splitlines()[1]
        assert body.decode() not in message
        holders = [path for path in host.httpd.root.rglob("*") if path.is_file() and body in path.read_bytes()]
        assert {path.resolve().name for path in holders} <= {f"{DOMAIN}.key"}


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_no_process_is_started_with_a_key_in_its_arguments_or_environment(
    host: Host, rehearsal: str, tmp_path: Path
) -> None:
    if rehearsal == "reduced":
        host.add('CustomLog "|/bin/cat >/dev/null" common\n')
        host.restart()
    started, issued = tmp_path / "started", host.public.issue(DOMAIN)
    # Heard by Python itself (PEP 578), also in a process that forked: even one that ends at once is not missed.
    with started.open("ab", buffering=0) as file:
        listening = [file.fileno()]

        def hear(event: str, details: tuple[object, ...]) -> None:
            if listening and event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
                os.write(listening[0], f"{details} {dict(os.environ)}\n".encode())

        sys.addaudithook(hear)
        try:
            assert host.apply(host.wish(issued=issued)).rehearsal == rehearsal
        finally:
            listening.clear()
    seen = started.read_bytes()
    assert b"'MTLS_HTTPD_REHEARSAL', '-X'" in seen, "the rehearsal's httpd is heard of"
    assert b"PRIVATE KEY" not in seen
    assert not secret_key("the site's", issued.key).within(seen)


def test_keys_go_with_their_releases(host: Host) -> None:
    begin = time.time() - 0.1
    renewals = [host.public.issue(DOMAIN) for _renewal in range(5)]
    keys = [secret_key(str(number), issued.key) for number, issued in enumerate(renewals)]

    def stored() -> list[str]:
        files = list(written_since(begin, host.httpd.root))
        return [key.name for key in keys if any(key.within(content) for _path, content in files)]

    for issued in renewals[:4]:
        host.apply(host.wish(issued=issued))
    assert stored() == ["0", "1", "2", "3"]
    host.apply(host.wish(issued=renewals[4]), keep_releases=1)
    assert stored() == ["3", "4"]
    host.apply(SiteWish(DOMAIN))
    assert stored() == []
