# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a process does not share with us: mounts, its network, rights (namespaces(7), capabilities(7)).

A service manager takes them from a service: systemd's PrivateTmp=, ProtectHome=, PrivateNetwork= and so on.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import read, run

if TYPE_CHECKING:
    from collections.abc import Sequence

# linux/capability.h, sched.h
NET_BIND_SERVICE = 10
_EVERY_RIGHT = range(64)
_NEWNET = 0x40000000
_FIRST_GIVEN = 3  # SD_LISTEN_FDS_START
_LOWEST_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

_libc = ctypes.CDLL(None, use_errno=True)


def enter_network(pid: int) -> str:
    """Go on in the network of a process, where that is another than ours. Return why that cannot be, or nothing."""
    if not _is_elsewhere(pid, "net"):
        return ""
    try:
        handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    except OSError as error:
        return os.strerror(error.errno or 0)
    try:
        return os.strerror(ctypes.get_errno()) if _libc.setns(handle, _NEWNET) != 0 else ""
    finally:
        os.close(handle)


def has_changed_network() -> bool:
    """Whether we went into another network than the one that we were started in."""
    return _own_network() != _FIRST_NETWORK


def has_own_mounts(pid: int) -> bool:
    """Whether a process may see other files at a path than we do."""
    return _is_elsewhere(pid, "mnt")


def as_seen_by(pid: int, path: str) -> str:
    """The path by which we reach what a process sees at C(path), whose links are followed as we see them."""
    return f"/proc/{pid}/root{os.path.realpath(path)}"


def lacking_rights(pid: int) -> frozenset[int]:
    """The capabilities that a process has not, by number; none where nothing is told of it."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", read(f"/proc/{pid}/status"), re.MULTILINE)
    held = int(found.group(1), 16) if found else -1
    return frozenset(number for number in _EVERY_RIGHT if not held >> number & 1)


def is_given_sockets(pid: int) -> bool:
    """Whether systemd opened the sockets that a process listens on, and gave them to it (sd_listen_fds(3)).

    A process that does not know of these has sockets of its own behind them.
    """
    told = _environment(pid)
    if told.get("LISTEN_PID") != str(pid) or not told.get("LISTEN_FDS", "").isdigit():
        return False
    given = processes.inodes(pid, range(_FIRST_GIVEN, _FIRST_GIVEN + int(told["LISTEN_FDS"])))
    heard = processes.inodes(pid) & {inode for _address, _port, inode in processes.listening()}
    return bool(heard) and heard <= given


def is_helped_to_ports(pid: int) -> bool:
    """Whether another process opens ports for it that it has no right to: authbind(1), where that lets its user."""
    return "/libauthbind.so" in _environment(pid).get("LD_PRELOAD", "")


def find_unhelped_ports(pid: int, ports: Sequence[int]) -> list[int]:
    """The ports that such another process does not open for a process of our own user: tried by a program in its place.

    Each is held for a moment, and nobody listens there. All where that cannot be tried.
    """
    if os.geteuid() == 0:  # What root was denied, the helper is denied too: its bounding set is inherited.
        return list(ports)
    words = [sys.executable, "-I", "-c", _BINDING, *map(str, ports)]
    outcome = run(words, _environment(pid), 20)
    opened = outcome.output.split() if outcome.code == 0 else []
    return [port for port in ports if str(port) not in opened]


# A kernel without IPv6 makes no such socket. A port that is in use was opened: the right to it is looked at first.
_BINDING = """
import errno, socket, sys
for port in sys.argv[1:]:
    for family, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
        try:
            with socket.socket(family) as one:
                one.bind((address, int(port)))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                continue
        print(port)
        break
"""


def _environment(pid: int) -> dict[str, str]:
    pairs = (word.partition("=") for word in read(f"/proc/{pid}/environ").split("\0"))
    return {name: value for name, _equals, value in pairs}


def lowest_port() -> int:
    """The first port that a process may listen on without a right (ip_unprivileged_port_start)."""
    text = read(_LOWEST_PORT).strip()
    return int(text) if text.isdigit() else 1024


def _is_elsewhere(pid: int, kind: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    except OSError:  # gone, or another user's
        return False


def _own_network() -> str:
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:  # no Linux
        return ""


_FIRST_NETWORK = _own_network()
