# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File systems that are nearly full."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def leave(filler: Path, what: str, count: int) -> None:
    """Fill the file system that `filler`, a folder, lies on, so that `count` blocks or inodes are free."""
    for path in filler.iterdir():
        path.unlink()
    room = os.statvfs(filler)
    if what == "blocks":
        with (filler / "0").open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, (room.f_bavail - count) * room.f_bsize)
    else:
        for number in range(room.f_favail - count):
            (filler / str(number)).touch()
    room = os.statvfs(filler)
    assert (room.f_bavail if what == "blocks" else room.f_favail) == count, room
