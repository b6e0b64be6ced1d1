# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Logs that httpd could not open at a reload, by which it would end.

The kernel tells (access(2)). A rehearsal writes logs elsewhere, and the live server has those open that it has.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import LOG_DIRECTIVES, log_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

OTHER_LOGS = "set 'access_log' and 'error_log' to 'server'"
_KERNELS = ("/dev/", "/proc/")  # such as /dev/stderr, which is another file for each process


def is_kernels(log: str) -> bool:
    """Whether a log is no file of a disk, but one that the kernel makes up."""
    return log.startswith(_KERNELS) or os.path.realpath(log).startswith(_KERNELS)


def find_unopened(server: Server, logs: Iterable[str]) -> Iterator[Fault]:
    """Find those of the logs of sites, by their paths, that httpd could not open."""
    pid = _find_apart(server)
    for log in logs:
        if _is_refused(log, pid):
            words = f"{log} could not be written by httpd, so that a reload would end it"
            way = "see `lsattr -d` and `ls -ld` of its folder, and whether that is of another machine"
            yield Fault("disk-refuses", "", words, f"{way}; or {OTHER_LOGS}")


def find_unopened_of_others(server: Server, described: Description) -> Iterator[Fault]:
    """Find those of the logs of a configuration that httpd, which has them open, could not open again."""
    places: dict[str, str] = {}
    for each in described.named(*LOG_DIRECTIVES):
        log = log_of(each)
        if log:
            places.setdefault(described.path(log), each.place)
    pid = _find_apart(server)
    for log, place in places.items():
        if _is_refused(log, pid, told=False):
            words = f"{log} ({place}) could not be opened again by httpd, so that any reload would end it"
            yield Fault("disk-refuses", "", words, "see `mount`, and `lsattr -d` and `ls -ld` of its folder")


def _find_apart(server: Server) -> int:
    """The parent process that runs, where it has mounts of its own; else 0."""
    pid = server.parent.pid if server.parent is not None and server.running() else 0
    return pid if pid and seclusion.has_own_mounts(pid) else 0


def _is_refused(log: str, pid: int, *, told: bool = True) -> bool:
    """Whether httpd could not open a log. C(pid): who sees other mounts than we, 0 for nobody.

    C(told): of a file system that takes nothing more is told.
    """
    at = os.path.realpath(log)
    if is_kernels(log):
        return False
    folder = os.path.dirname(at)
    path, mode = (at, os.W_OK) if os.path.exists(at) else (folder, os.W_OK | os.X_OK)
    if pid:
        folder, path = (seclusion.as_seen_by(pid, each) for each in (folder, path))
    with suppress(OSError):  # A folder that is not there: a rehearsal shows that too.
        return (
            not (told and os.statvfs(folder).f_flag & os.ST_RDONLY)
            and os.path.isdir(folder)
            and not os.access(path, mode)
        )
    return False
