# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys on a host, watched by inotify(7) while a run is under way: at no moment are they open to others."""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from embedded_httpd import free_port
from host import Host

from ansible_collections.mtls.httpd.plugins.module_utils._rehearsal import rehearsal_folder
from ansible_collections.mtls.httpd.plugins.module_utils._release import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo_material import Authority
    from embedded_httpd import EmbeddedHttpd

    from ansible_collections.mtls.httpd.plugins.module_utils import _handshake

_MODIFY, _ATTRIB, _MOVED_TO, _CREATE, _ONLYDIR = 0x2, 0x4, 0x80, 0x100, 0x1000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Watch:
    """What was seen of keys: by path, each mode and owner at the moments of a change."""

    seen: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    _folders: dict[int, Path] = field(default_factory=dict)
    _queue: int = field(default_factory=lambda: _libc.inotify_init1(os.O_CLOEXEC))

    def add(self, folder: Path) -> None:
        """Watch a folder and all below it; what was made in it before the watch began is looked at now."""
        events = _MODIFY | _ATTRIB | _MOVED_TO | _CREATE | _ONLYDIR
        number = _libc.inotify_add_watch(self._queue, os.fsencode(folder), events)
        if number < 0:
            return
        self._folders[number] = folder
        with suppress(FileNotFoundError):
            for path in folder.iterdir():
                self._look(path)

    def _look(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                self.add(path)
            elif ".key" in path.name and not path.is_symlink():
                status = path.stat()
                self.seen.setdefault(str(path), set()).add((status.st_mode & 0o777, status.st_uid))

    def run(self) -> None:
        """Look at each path of which an event tells, until the queue is ended by a file of the name `end`."""
        while True:
            events = os.read(self._queue, 1 << 16)
            while events:
                number, _mask, _cookie, length = struct.unpack_from("iIII", events)
                name = events[16 : 16 + length].rstrip(b"\0").decode()
                events = events[16 + length :]
                if name == "end":
                    return
                if number in self._folders and name:
                    self._look(self._folders[number] / name)


@contextmanager
def watching(*folders: Path) -> Iterator[Watch]:
    """Watch the folders as long as the context lasts."""
    watch = Watch()
    for folder in folders:
        watch.add(folder)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        (folders[0] / "end").touch()
        thread.join()
        (folders[0] / "end").unlink()


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_key_is_its_owners_alone_from_the_first_byte_on(
    embedded: EmbeddedHttpd, authority: Authority, chat: Authority, probes: _handshake.Probes, rehearsal: str
) -> None:
    host = Host(embedded, authority, chat, free_port(), probes)
    if rehearsal == "reduced":
        host.add('CustomLog "|/bin/cat >/dev/null" common\n')
        host.restart()
    scratch = rehearsal_folder(Store(str(host.conf)))
    with watching(host.conf, Path(scratch).parent) as watch:
        for _renewal in range(3):
            assert host.apply(host.wish()).rehearsal == rehearsal
    stored = {path: modes for path, modes in watch.seen.items() if path.startswith(str(host.conf))}
    tried = {path: modes for path, modes in watch.seen.items() if path.startswith(scratch)}
    assert stored
    assert bool(tried) == (rehearsal == "reduced")
    assert {each for modes in (stored | tried).values() for each in modes} == {(0o600, os.geteuid())}
