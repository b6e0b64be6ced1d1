# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that are cut short: stopped, killed or looked at before each change that they make to the disk."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any

from host import forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host import Host

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.symlink", "os.chmod", "os.rmdir", "os.chown")


def watched(root: Path, act: Any) -> None:
    """In this process, which is to end, call `act` before each change below `root` (PEP 578's audit events)."""
    process, busy = os.getpid(), False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal busy
        if busy or event not in _CHANGES or os.getpid() != process:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        paths = [os.fsdecode(each) for each in arguments if isinstance(each, (str, bytes))]
        if event == "os.chmod" or any(path.startswith(str(root)) or "/" not in path for path in paths):
            busy = True
            act()
            busy = False

    sys.addaudithook(hook)


def killed_at(at: int, root: Path, act: Callable[[], object]) -> None:
    """In this process, which is to end, call `act`, and kill it before its change number `at` below `root`."""
    numbers = itertools.count(1)
    watched(root, lambda: next(numbers) == at and os.kill(os.getpid(), signal.SIGKILL))
    act()


def snapshots(host: Host, wish: SiteWish) -> list[Path]:
    """Carry out `wish`, and return copies of the configuration folder as it was before each change to it."""
    folder = host.httpd.root.with_name("snapshots")
    folder.mkdir()

    def act() -> None:
        names = (folder / f"{number:03}" for number in itertools.count())
        watched(host.conf, lambda: shutil.copytree(host.conf, next(names), symlinks=True))
        host.apply(wish, start=False, adopt=True)

    assert forked(act) == 0
    return sorted(folder.iterdir())
