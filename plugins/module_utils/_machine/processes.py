# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Processes and sockets of this machine, as /proc tells them (proc(5))."""

from __future__ import annotations

import os
import re
import resource
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True)
class Stat:
    name: str
    state: str
    parent: int
    group: int
    started: int


def processes() -> Iterator[tuple[int, Stat]]:
    """Every process that /proc shows (proc(5), stat)."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = process(int(entry))
            if stat is not None:
                yield int(entry), stat


def process(pid: int) -> Stat | None:
    """One process, None where it is gone."""
    text = read(f"/proc/{pid}/stat")
    left, right = text.find("("), text.rfind(")")
    fields = text[right + 2 :].split()
    if left < 0 or len(fields) < 20:
        return None
    return Stat(text[left + 1 : right], fields[0], int(fields[1]), int(fields[2]), int(fields[19]))


def stopped(pid: int) -> bool:
    """Whether the process was stopped by a signal, and does nothing until it is continued."""
    stat = process(pid)
    return stat is not None and stat.state in "Tt"


def blocks(pid: int, number: int) -> bool:
    """Whether a signal does not reach the process, as it, or who started it, blocked that (proc(5), SigBlk)."""
    match = re.search(r"^SigBlk:\s*([0-9a-f]+)", read(f"/proc/{pid}/status"), re.MULTILINE)
    return bool(match and int(match.group(1), 16) >> (number - 1) & 1)


def started(pid: int) -> int:
    """When the process started, in clock ticks since boot; -1 where it is gone or a zombie."""
    stat = process(pid)
    return -1 if stat is None or stat.state in "ZX" else stat.started


def limit(limits: Mapping[int, tuple[int, int]]) -> None:
    """Take resource limits, soft and hard ones by number (setrlimit(2)), as far as our own hard ones let us."""
    for number, (soft, hard) in limits.items():
        with suppress(ValueError, OSError):
            try:
                resource.setrlimit(number, (soft, hard))
            except ValueError:
                most = resource.getrlimit(number)[1]
                resource.setrlimit(number, (most if soft == resource.RLIM_INFINITY else min(soft, most), most))


def listening() -> list[tuple[str, int, str]]:
    """Address, port and inode of every listening TCP socket of this network namespace."""
    found = []
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in read(f"/proc/net/{name}").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == "0A":
                raw, port = fields[1].split(":")
                packed = b"".join(struct.pack("=I", int(raw[at : at + 8], 16)) for at in range(0, len(raw), 8))
                found.append((socket.inet_ntop(family, packed), int(port, 16), fields[9]))
    return found


def opener(inode: str) -> int:
    """Return the user who opened a listening TCP socket; -1 where it is gone."""
    for name in ("tcp", "tcp6"):
        for line in read(f"/proc/net/{name}").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[9] == inode:
                return int(fields[7])
    return -1


def inodes(pid: int, numbers: Iterable[int] = ()) -> set[str]:
    """Inodes of the sockets that a process holds, C(numbers): by these descriptors; empty where we may not look."""
    found = set()
    try:
        for entry in map(str, numbers) if numbers else os.listdir(f"/proc/{pid}/fd"):
            try:
                match = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{entry}"))
            except OSError:
                continue
            if match:
                found.add(match.group(1))
    except OSError:
        return set()
    return found


def holder(inode: str) -> str:
    """Name and number of the process that holds a socket, for a message."""
    for pid, stat in processes():
        if inode in inodes(pid):
            return f"{stat.name} (process {pid})"
    return "another process"


def writer(path: str, but: str) -> str:
    """Name and number of a process that writes to a file, for a message; empty where none is seen to.

    Processes of the program C(but) do not count.
    """
    for pid, stat in processes():
        folder = f"/proc/{pid}/fd"
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(but):
                continue
            for number in os.listdir(folder):
                with suppress(OSError):
                    if os.readlink(os.path.join(folder, number)) == path and _writes(pid, number):
                        return f"{stat.name} (process {pid})"
    return ""


def _writes(pid: int, number: str) -> bool:
    """Whether a descriptor of a process is one to write by (proc(5), fdinfo)."""
    found = re.search(r"^flags:\s*([0-7]+)", read(f"/proc/{pid}/fdinfo/{number}"), re.MULTILINE)
    return bool(found and int(found.group(1), 8) & os.O_ACCMODE != os.O_RDONLY)


def recording() -> str:
    """The file to which a sudo above us writes what it is sent (sudoers(5), log_input, log_stdin); empty for none."""
    pid, stat = os.getpid(), process(os.getpid())
    while stat is not None:
        with suppress(OSError):
            folder = f"/proc/{pid}/fd"
            for each in os.listdir(folder) if stat.name == "sudo" else ():
                if os.readlink(os.path.join(folder, each)).endswith("/stdin"):
                    return os.readlink(os.path.join(folder, each))
        pid = stat.parent
        stat = process(pid)
    return ""


def uids(pid: int) -> set[int]:
    """Real, effective, saved and file system user (proc(5), status)."""
    match = re.search(r"^Uid:((?:\s+\d+){4})", read(f"/proc/{pid}/status"), re.MULTILINE)
    return set(map(int, match.group(1).split())) if match else set()
