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

from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import read

# linux/capability.h, sched.h
NET_BIND_SERVICE = 10
_EVERY_RIGHT = range(64)
_NEWNET = 0x40000000
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
    """Whether systemd opened the sockets that a process listens on, and gave them to it (sd_listen_fds(3))."""
    words = read(f"/proc/{pid}/environ").split("\0")
    return f"LISTEN_PID={pid}" in words and any(word.startswith("LISTEN_FDS=") for word in words)


def lowest_port() -> int:
    """The first port that a process may listen on without a right (ip_unprivileged_port_start)."""
    text = read(_LOWEST_PORT).strip()
    return int(text) if text.isdigit() else 1024


def _is_elsewhere(pid: int, kind: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    except OSError:  # gone, or another user's
        return False
