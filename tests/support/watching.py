# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at files at the moments of a change, by inotify(7), also at those that are gone a moment later."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MODIFY, _ATTRIB, _MOVED_TO, _CREATE, _ONLYDIR = 0x2, 0x4, 0x80, 0x100, 0x1000000
_EVENTS = _MODIFY | _ATTRIB | _MOVED_TO | _CREATE | _ONLYDIR
LARGEST = 16 << 20
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class _Watch:
    look: Callable[[Path], None]
    _folders: dict[int, Path] = field(default_factory=dict)
    queue: int = field(default_factory=lambda: _libc.inotify_init1(os.O_CLOEXEC))

    def add(self, folder: Path, *, news_alone: bool = False) -> None:
        """Watch a folder and all below it; what was made in it before the watch began is looked at now."""
        number = _libc.inotify_add_watch(self.queue, os.fsencode(folder), _EVENTS)
        if number < 0:
            return
        self._folders[number] = folder
        with suppress(OSError):
            for path in () if news_alone else folder.iterdir():
                self._changed(path)

    def _changed(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            if path.is_symlink():
                return
            if path.is_dir():
                self.add(path)
            elif path.is_file():
                self.look(path)

    def run(self, end: int) -> None:
        """Follow the events until `end` can be read."""
        while end not in select.select([self.queue, end], [], [])[0]:
            events = os.read(self.queue, 1 << 16)
            while events:
                number, _mask, _cookie, length = struct.unpack_from("iIII", events)
                name = events[16 : 16 + length].rstrip(b"\0")
                events = events[16 + length :]
                if number in self._folders and name:
                    self._changed(self._folders[number] / os.fsdecode(name))


@contextmanager
def watching(look: Callable[[Path], None], *folders: Path, shallow: tuple[Path, ...] = ()) -> Iterator[None]:
    """Call `look` with each file below `folders`, now and whenever one is made, moved, written or changed.

    Of the `shallow` ones, what lies there now is left out, with all below it.
    """
    watch = _Watch(look)
    end, ended = os.pipe()
    for folder in folders:
        watch.add(folder)
    for folder in shallow:
        watch.add(folder, news_alone=True)
    thread = threading.Thread(target=watch.run, args=(end,))
    thread.start()
    try:
        yield
    finally:
        os.close(ended)
        thread.join()
        os.close(end)
        os.close(watch.queue)


@contextmanager
def keeping(*folders: Path, shallow: tuple[Path, ...] = ()) -> Iterator[list[tuple[Path, bytes]]]:
    """Return, when it ends, each file that was made or written below the folders, with its content, also if it is gone.

    The folders are those of `watching`.
    """
    begin = time.time() - 0.01  # the kernel's clock for files is a little behind
    held: dict[tuple[int, int], tuple[Path, int]] = {}
    found: list[tuple[Path, bytes]] = []

    def hold(path: Path) -> None:
        with suppress(OSError):
            status = path.stat()
            if (status.st_dev, status.st_ino) not in held and status.st_ctime >= begin:
                held[status.st_dev, status.st_ino] = path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    try:
        with watching(hold, *folders, shallow=shallow):
            yield found
    finally:
        for path, descriptor in held.values():
            with open(descriptor, "rb") as file:
                found.append((path, file.read(LARGEST)))
