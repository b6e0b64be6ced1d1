# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a private world (sandbox) sees of the machine's files: mounts over them, which nobody sees outside (mount(2)).

All of this is done inside such a world.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import stat
import struct
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# sys/mount.h
_MS_RDONLY, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY = 442, -100, 0x8000, 0x1

# A tmpfs is put here for all that is written inside. Shared memory of the machine is hidden by it, which is wanted too.
SCRATCH = "/dev/shm"
# Holds the sockets by which services are commanded, whichever network namespace they were made in. Nothing of it is
# needed that is not named.
RUN = "/run"

_MONTH = 30 * 86400.0

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """The kernel, or what confines us, allows no such world. The message is the reason."""


def begin(*, sealed: bool) -> None:
    """Part from the machine's mounts, and make everything unwritable but for what is mounted over it from now on.

    C(sealed): raise Unavailable where the kernel cannot make it so (5.12 can).
    """
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE, None)
    if not _guard() and sealed:
        raise Unavailable("the kernel cannot make a world unwritable")
    _mount("tmpfs", SCRATCH, "tmpfs", 0, "mode=1777")


def _guard() -> bool:
    """Make everything unwritable. Returns whether the kernel can."""
    attributes = struct.pack("=QQQQ", _ATTR_RDONLY, 0, 0, 0)
    return bool(_libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes)) == 0)


def hide_run(kept: Sequence[str]) -> None:
    """Hide what lies in /run but for its folders, and what is to be kept, which stays as it was."""
    if not os.path.isdir(RUN):
        return
    stored = []
    for number, path in enumerate(each for each in kept if os.path.isfile(each) or os.path.isdir(each)):
        aside = os.path.join(SCRATCH, f".kept-{number}")
        _make_like(path, aside)
        _mount(path, aside, None, _MS_BIND | _MS_REC, None)
        stored.append((aside, path))
    hide(os.path.realpath(RUN))
    for aside, path in stored:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.lexists(path):
            _make_like(aside, path)
        _mount(aside, path, None, _MS_BIND | _MS_REC, None)


def _make_like(path: str, place: str) -> None:
    """Make a folder or an empty file for C(path) to be mounted on."""
    if os.path.isdir(path):
        os.mkdir(place)
    else:
        write(place, "")


def hide_sockets(paths: Sequence[str]) -> None:
    """Have an empty file lie where a socket does. Of a random name, so that what runs inside sees nothing of this."""
    empty = os.path.join(tempfile.mkdtemp(dir=SCRATCH), "empty")
    write(empty, "")
    for path in paths:
        if is_socket(path):
            _mount(empty, os.path.realpath(path), None, _MS_BIND, None)


def is_socket(path: str) -> bool:
    """Whether a socket is there, and is to be seen from here."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:  # gone, hidden already, or not to be reached by us
        return False


def replace(path: str, content: bytes) -> None:
    """Have a file hold something else, wherever it is. Raises Unavailable where that cannot be."""
    with tempfile.NamedTemporaryFile(dir=SCRATCH, delete=False) as instead:
        os.fchmod(instead.fileno(), stat.S_IMODE(os.stat(path).st_mode))
        instead.write(content)
    _mount(instead.name, path, None, _MS_BIND, None)


def put_over(source: str, path: str) -> None:
    """Have a path lead to another file, such as a socket. Raises OSError, Unavailable where that cannot be."""
    if trusted_paths.lies_below(path, RUN) and not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, "")
    _mount(source, os.path.realpath(path), None, _MS_BIND, None)


def plant(
    folder: str, files: Mapping[str, bytes], further: Mapping[str, bytes] | None = None, *, copies: bool = False
) -> None:
    """Have a folder hold files more, by their names in it. What is mounted below it stays.

    They are a month old, so that caches keep them, which go by that. C(further): those that may be wanting, as where a
    folder within is shut. C(copies): where the kernel allows no overlay over the folder, a copy takes its place.
    Raises OSError, Unavailable where that cannot be: a folder of others may be shut to an ordinary user.
    """
    folder = os.path.realpath(folder)
    below = _mounted_below(folder)
    aside = [tempfile.mkdtemp(dir=SCRATCH) if os.path.isdir(path) else "" for path in below]
    for path, place in zip(below, aside):
        if place:
            _mount(path, place, None, _MS_BIND | _MS_REC, None)
    scratch = tempfile.mkdtemp(dir=SCRATCH)
    overlay(folder, os.path.join(scratch, "overlay"), copies=copies)
    for path, place in zip(below, aside):
        if place:
            _mount(place, path, None, _MS_BIND | _MS_REC, None)
    for name, content in files.items():
        _write_aged(os.path.join(folder, name), content)
    for name, content in (further or {}).items():
        with suppress(OSError):
            _write_aged(os.path.join(folder, name), content)


def _write_aged(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path, "xb") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(content)
    os.utime(path, (time.time() - _MONTH,) * 2)


def _mounted_below(folder: str) -> list[str]:
    """What is mounted below a folder, the uppermost alone (proc_pid_mountinfo(5))."""
    found: list[str] = []
    with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        places = {re.sub(r"\\([0-7]{3})", lambda it: chr(int(it[1], 8)), line.split()[4]) for line in stream}
        for place in sorted(places):
            if place.startswith(folder.rstrip("/") + "/") and not any(place.startswith(f"{each}/") for each in found):
                found.append(place)
    return found


def overlay(folder: str, scratch: str, *, copies: bool = True) -> None:
    """Have what is written to a folder go elsewhere. C(copies): where the kernel allows no overlay, by a copy."""
    for each in (scratch, scratch + "/upper", scratch + "/work"):
        os.mkdir(each, 0o700)
    status = os.stat(folder)
    upper = scratch + "/upper"
    if os.geteuid() == 0:
        os.chown(upper, status.st_uid, status.st_gid)
    os.chmod(upper, stat.S_IMODE(status.st_mode))
    if not any(char in folder for char in ",:\\"):
        try:
            _mount("overlay", folder, "overlay", 0, f"lowerdir={folder},upperdir={upper},workdir={scratch}/work")
            return
        except Unavailable:
            if not copies:
                raise
    if not copies:
        raise Unavailable(f"{folder}: a name that no overlay takes")
    # A copy serves where the kernel allows no overlay.
    for root, folders, files in os.walk(folder):
        target = os.path.join(upper, os.path.relpath(root, folder))
        for name in folders + files:
            source, copy = os.path.join(root, name), os.path.join(target, name)
            if os.path.islink(source):
                os.symlink(os.readlink(source), copy)
            elif name in folders:
                os.mkdir(copy)
            elif os.path.isfile(source):
                shutil.copy2(source, copy)
            _owned(source, copy)
    _mount(upper, folder, None, _MS_BIND, None)


def hide(folder: str) -> None:
    """Put an empty tmpfs over a folder, with its subfolders; without them where anybody may make some."""
    status = os.stat(folder)
    skeleton: list[tuple[str, os.stat_result]] = []
    for root, folders, _files in os.walk(folder):
        if status.st_mode & stat.S_IWOTH or len(skeleton) > 5000:
            break
        for path in (os.path.join(root, name) for name in folders):
            with suppress(OSError):  # gone, or another user's mount, into which not even root may look
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    skeleton.append((path, os.lstat(path)))
    _mount("tmpfs", folder, "tmpfs", 0, f"mode={stat.S_IMODE(status.st_mode):o}")
    _give(folder, status)
    for path, status in skeleton:
        os.mkdir(path)
        _give(path, status)


def _owned(source: str, copy: str) -> None:
    status = os.lstat(source)
    if not stat.S_ISLNK(status.st_mode):
        _give(copy, status)


def _give(path: str, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))


def write(path: str, text: str) -> None:
    """Write a file of this world's own."""
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)


def _mount(source: Any, target: str, kind: Any, flags: int, data: Any) -> None:
    words = [None if each is None else os.fsencode(each) for each in (source, target, kind, data)]
    if _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        raise Unavailable(f"mount of {kind or 'a bind'} on {target}: {os.strerror(ctypes.get_errno())}")
