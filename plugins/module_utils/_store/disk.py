# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Entries of the disk, and the one room that writes them: durable, and no link is followed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Union

from ansible_collections.mtls.httpd.plugins.module_utils._machine import selinux
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError


def change_to(path: str, after: Entry) -> list[Change]:
    """The change that makes C(path) the entry, if it is not that already.

    Owner and group of a file of ours are our own.
    """
    before = entry_of(path)
    if isinstance(after, File) and isinstance(before, File):
        if (before.content, before.mode, before.uid) == (after.content, after.mode, os.geteuid()):
            return []
    elif before == after:
        return []
    return [Change(path, before, after)]


NEW_SUFFIX = ".mtls-new"

_FULL = "free space, or inodes (`df`, `df -i`), and run again"
_IN_THE_WAY = "move away what stands there, and run again"
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "the kernel's log says why; mount it writable, and run again",
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.EPERM: "is it immutable (`lsattr`), or does a security module forbid it?",
    errno.EACCES: "run with become, or see whether a security module forbids it",
}


class StoreError(OperatorError):
    """The store, or a path of ours, is not as it must be."""


def explain_os_error(error: OSError, place: str = "a system call") -> Fault:
    """What the kernel refused, where, and what to do. C(place): where the error names no path."""
    where = error.filename2 or error.filename or place
    return Fault("disk-refuses", "", f"{where}: {error.strerror}", _ADVICE.get(error.errno or 0, ""))


def explain_unwritable(folder: str, files: int) -> list[Fault]:
    """Why httpd could not make so many new files of a block each in C(folder)."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        fault = explain_os_error(error)
        remedy = "httpd makes files there, so make it again, and run again"
        return [replace(fault, remedy=f"{fault.remedy}: {remedy}" if fault.remedy else remedy)]
    root = os.geteuid() == 0  # what is kept back for root is ours too
    blocks, inodes = (disk.f_bfree, disk.f_ffree) if root else (disk.f_bavail, disk.f_favail)
    # A small one, such as a tmpfs for a PidFile, need not have more free than half; none in all means no limit.
    full = blocks < min(files, (disk.f_blocks + 1) // 2) or inodes < min(files, (disk.f_files + 1) // 2)
    number = errno.EROFS if disk.f_flag & os.ST_RDONLY else errno.ENOSPC if full else 0
    return [explain_os_error(OSError(number, os.strerror(number), folder))] if number else []


@dataclass(frozen=True)
class Link:
    """A symbolic link, with its target as written."""

    target: str


@dataclass(frozen=True)
class File:
    """A plain file: its bytes, mode, and owner (-1 leaves owner or group).

    Its bytes are never printed, as those of any file on a host may be a private key's.
    """

    content: bytes = field(repr=False)
    mode: int = 0o644
    uid: int = -1
    gid: int = -1


Entry = Union[Link, File, None]


@dataclass(frozen=True)
class Change:
    """A path that goes from one entry to another; None is nothing there."""

    path: str
    before: Entry
    after: Entry


class Disk:
    """Every write to the disk, one primitive action a method. Each is durable when it returns, and follows no link."""

    def put(self, path: str, entry: Entry) -> None:
        """Make C(path) the entry, by one rename, or remove it."""
        new = self.tidy(path)
        if entry is None:
            try:
                os.unlink(path)
            except FileNotFoundError:
                return
        elif isinstance(entry, Link):
            os.symlink(entry.target, new)
            os.rename(new, path)
        else:
            self.write(new, entry)
            os.rename(new, path)
        self._sync(os.path.dirname(path))

    def write(self, path: str, file: File) -> None:
        """Write a new file. It is 0600 from its first byte until it has its owner and mode."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb", closefd=False) as stream:
                stream.write(file.content)
            if (file.uid, file.gid) != (-1, -1):
                os.fchown(handle, file.uid, file.gid)
            os.fchmod(handle, file.mode)
            os.fsync(handle)
        except OSError as error:
            os.unlink(path)
            error.filename = path  # A write(2) that fails names none.
            raise
        finally:
            os.close(handle)

    def folder(self, path: str) -> None:
        """Make a folder where there is none yet."""
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
            if folder_is_open(path):
                return
        os.chmod(path, 0o755)
        self._sync(os.path.dirname(path))

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)
        self._sync(os.path.dirname(new))

    def label(self, *paths: str) -> None:
        """Give paths, and what is below them, the labels of SELinux's policy, where it is on."""
        failed = selinux.relabel(paths)
        if failed:
            words = f"{failed}, so httpd might not read what is there"
            raise StoreError(Fault("not-labelled", "", words, "mend the policy, then run again"))

    def remove(self, path: str) -> None:
        """Remove a folder and all in it."""
        shutil.rmtree(path)
        self._sync(os.path.dirname(path))

    @staticmethod
    def tidy(path: str) -> str:
        """The name under which C(path) is made before it is renamed; what a killed run left there is removed."""
        new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{NEW_SUFFIX}")
        with suppress(FileNotFoundError):
            os.unlink(new)
        return new

    @staticmethod
    def _sync(folder: str) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def folder_is_open(path: str) -> bool:
    """Whether a folder of ours lets httpd's workers in: a run that was killed, or a hand, may have left it closed."""
    return stat.S_IMODE(os.lstat(path).st_mode) == 0o755


def entry_of(path: str) -> Entry:
    """What lies at C(path), not following a link. Raises StoreError for a folder or device there."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return Link(os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        words = f"{path} is neither a file nor a link, and stands where this collection puts one"
        raise StoreError(Fault("in-the-way", "", words, "move it away"))
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        return File(stream.read(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def describe_difference(found: Entry, wanted: Entry) -> str:
    """What was done to a path where C(wanted) had been put, as the end of a sentence; empty for nothing."""
    if found is None or wanted is None:
        return "is gone" if wanted else "does not belong there" if found else ""
    if isinstance(found, File) and isinstance(wanted, File):
        if found.content != wanted.content:
            return "was edited"
        if found.mode != wanted.mode:
            return f"has mode {found.mode:04o}"
        owner = os.geteuid() if wanted.uid == -1 else wanted.uid
        return "" if found.uid == owner else f"belongs to user {found.uid}"
    if isinstance(found, Link):
        return "" if found == wanted else "leads elsewhere"
    return "is a plain file"


def are_alike(one: Entry, other: Entry) -> bool:
    """Whether two entries are the same to a reader; owners may be left open."""
    if isinstance(one, File) and isinstance(other, File):
        return (one.content, one.mode) == (other.content, other.mode)
    return one == other
