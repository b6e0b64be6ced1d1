# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Paths on the host that root reads, writes or runs: whether somebody else could change what lies there."""

from __future__ import annotations

import os
import stat

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError


class Untrusted(OperatorError):
    """A path is not used: others could change what it leads to, or it leads nowhere."""


def follow_path(path: str, *, group: bool = False) -> str:
    """Return where an absolute path leads, each folder and link on the way judged by `refuse_unsafe`: Untrusted."""
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
            refuse_unsafe(at, status, group=group)
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(at)
                at, rest = "/" if target.startswith("/") else os.path.dirname(at), target.split("/") + rest
        except OSError as error:
            raise Untrusted(
                Fault("disk-refuses", "", f"{path} cannot be used on this host: {error.strerror}", "")
            ) from None
    raise Untrusted(Fault("untrusted-path", "", f"{path} leads from link to link without end", "name the file itself"))


def refuse_unsafe(path: str, status: os.stat_result, *, group: bool = False) -> None:
    """See that nobody but root or the server's user could change what lies there. Raises Untrusted.

    C(group): a group may, as one does in the folders of logs.
    """
    others = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid and not group else 0)
    open_to_others = status.st_mode & others and not stat.S_ISLNK(status.st_mode)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_uid not in (0, os.geteuid()) or (open_to_others and not sticky):
        raise Untrusted(
            Fault(
                "untrusted-path",
                "",
                f"{path} can be changed by others than the server's user (owner {status.st_uid}, mode "
                f"{stat.S_IMODE(status.st_mode):04o}), so it is not used",
                "correct its owner and mode",
            )
        )


def lies_below(path: str, folder: str) -> bool:
    """Whether a path lies in a folder, at any depth, by their names alone."""
    return path.startswith(folder.rstrip("/") + "/")


def lies_within(path: str, folder: str) -> bool:
    """Whether a path is a folder, or lies below it."""
    return path == folder or lies_below(path, folder)
