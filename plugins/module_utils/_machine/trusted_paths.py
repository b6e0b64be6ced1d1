# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Paths on the host that root reads, writes or runs: whether somebody else could change what lies there."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Untrusted(Exception):
    """A path is not used: others could change what it leads to, or it leads nowhere. One line, for an operator."""


def followed(path: str, *, group: bool = False) -> str:
    """Return where an absolute path leads, each folder and link on the way judged by `safe`. Raises Untrusted."""
    at, rest = "/", path.split("/")
    for _step in range(256):
        if not rest:
            return at
        name = rest.pop(0)
        if name in ("", "."):
            continue
        at = os.path.dirname(at) if name == ".." else os.path.join(at, name)
        try:
            status = os.lstat(at)
            safe(at, status, group=group)
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(at)
                at, rest = "/" if target.startswith("/") else os.path.dirname(at), target.split("/") + rest
        except OSError as error:
            raise Untrusted(f"{path} cannot be used on this host: {error.strerror}") from None
    raise Untrusted(f"{path} leads from link to link without end: name the file itself")


def safe(path: str, status: os.stat_result, *, group: bool = False) -> None:
    """See that nobody but root or the server's user could change what lies there. Raises Untrusted.

    C(group): a group may, as one does in the folders of logs.
    """
    others = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid and not group else 0)
    open_to_others = status.st_mode & others and not stat.S_ISLNK(status.st_mode)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_uid not in (0, os.geteuid()) or (open_to_others and not sticky):
        raise Untrusted(
            f"{path} can be changed by others than the server's user (owner {status.st_uid}, mode "
            f"{stat.S_IMODE(status.st_mode):04o}), so it is not used: mend its owner and mode"
        )


# Where files are read, or run, by root without anybody's asking; by the names that links lead to, and by others.
_CLOSED = ("/etc", "/root", "/usr", "/boot", "/proc", "/sys", "/dev", "/run", "/bin", "/sbin", "/lib", "/lib64")
_CLOSED_TOO = ("/var/spool",)
_LOG_NAME = re.compile(r"(?i)(^|[._-])logs?([._-]|$)")


@dataclass(frozen=True)
class LogRules:
    """Where a site's logs may lie. httpd's parent opens them as root, and what clients say stands in them.

    own: the folder of the server's own logs, empty where there is none; what is there is the operator's word. conf: the
    server's configuration folder. folders: all that hold files of its configuration. known: the paths of the logs that
    it writes today.
    """

    own: str
    conf: str
    folders: frozenset[str]
    known: Callable[[], Collection[str]]

    def faults(self, path: str) -> list[str]:
        """Why httpd should not open C(path), an absolute one, as a log: in one line, or none."""
        if path == os.devnull:  # Nothing stands in it.
            return []
        try:
            folder = followed(os.path.dirname(path), group=True)
            at = os.path.join(folder, os.path.basename(path))
            there = os.path.lexists(at)
            if there:
                at = followed(at, group=True)
                # It hangs on a FIFO, or ends, at the reload.
                if not stat.S_ISREG(os.lstat(at).st_mode):
                    raise Untrusted(f"{path} is no plain file, which a log must be: move it away, or name another")
            if _everybodys(os.path.dirname(at)):
                reason = "lies in a folder where anybody may put a link or a FIFO"
            else:
                reason = "" if self._among_own(at) else self._misplaced(at)
            if not reason and there:
                reason = self._no_log(at)
            if reason:
                raise Untrusted(f"{path} {reason}: name a new file in a folder of logs, such as /var/log")
        except Untrusted as reason:
            return [f"a site's log: {reason}"]
        return []

    def _among_own(self, at: str) -> bool:
        """Whether it lies among the server's own logs. Beside files of the configuration, by its name too."""
        own = os.path.realpath(self.own) if self.own else ""
        if not own or any(lies_within(folder, own) for folder in self.folders):
            return bool(own) and os.path.dirname(at) == own and at.endswith("log")
        return lies_within(at, own)

    def _misplaced(self, at: str) -> str:
        """Why it may lie neither there nor below; what is so of the configuration folder is the operator's choice."""
        folder = os.path.dirname(at)
        for closed in (*_CLOSED, *_CLOSED_TOO):
            if lies_within(at, closed):
                return f"lies below {closed}, where files are read, or run, by root"
        if folder in self.folders or lies_within(at, os.path.join(self.conf, "mtls")):
            return "lies beside files of httpd's configuration, of which it might become one"
        conf = os.path.realpath(self.conf)
        parents = [at]
        while parents[-1] != "/":
            parents.append(os.path.dirname(parents[-1]))
        for each in (each for each in parents if not lies_within(conf, each)):
            if os.path.basename(each).startswith("."):
                return "is hidden, as files are that programs read at their start"
        for each in (each for each in parents[1:] if not lies_within(conf, each)):
            if _everybodys(each):
                return f"lies below {each}, where anybody may make its folder when that is gone"
        return ""

    def _no_log(self, at: str) -> str:
        """Why a file that is there is not taken for a log: clients' words would stand behind what it holds."""
        if self._among_own(at) or lies_within(at, "/var/log"):
            return ""
        if _LOG_NAME.search(os.path.basename(at)) and not os.lstat(at).st_mode & 0o111:
            return ""
        return "" if at in map(os.path.realpath, self.known()) else "is there, and no log of this server's"


def _everybodys(folder: str) -> bool:
    status = os.stat(folder)
    return bool(status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH)


def lies_below(path: str, folder: str) -> bool:
    """Whether a path lies in a folder, at any depth, by their names alone."""
    return path.startswith(folder.rstrip("/") + "/")


def lies_within(path: str, folder: str) -> bool:
    """Whether a path is a folder, or lies below it."""
    return path == folder or lies_below(path, folder)
