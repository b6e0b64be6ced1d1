# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A private world on this machine.

User, mount, PID, network and IPC namespaces, from the standard library (namespaces(7)).

What runs inside sees the machine's files, but can change none, reaches no network and no socket of the machine's, and
ends with all its children when the caller ends. As an ordinary user too, who is then mapped alone.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.mtls.httpd.plugins.module_utils._machine import loopback, private_mounts, processes
from ansible_collections.mtls.httpd.plugins.module_utils._machine.private_mounts import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# sched.h, sys/prctl.h
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _CAP_SYS_ADMIN = 1, 4, 24, 21

# The first port that an ordinary user may listen on, of each network namespace (ip-sysctl).
_LOWEST_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class World:
    """What is to be different inside.

    overlays: folders that may be written, and whose changes vanish. hidden: folders that are empty but for their
    subfolders.
    kept: files and folders below /run that are there inside too.
    addresses: IP addresses that the loopback interface is given. added: text at the end of files, by path, such as
    names in /etc/hosts that no DNS tells inside, or users in /etc/passwd that no service does.
    limits: resource limits by number (getrlimit(2)). lacking: capabilities that no program inside has, by number.
    sealed: Unavailable where the kernel cannot make all else unwritable (5.12 can), as nobody knows what will run.
    """

    overlays: Sequence[str] = ()
    hidden: Sequence[str] = ()
    addresses: Sequence[str] = ()
    added: Mapping[str, str] = field(default_factory=dict)
    kept: Sequence[str] = ()
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    lacking: frozenset[int] = frozenset()
    sealed: bool = False


def run(world: World, act: Callable[[], Any], seconds: float) -> Any:
    """Call C(act) inside, and return what it returns, which must be fit for JSON.

    Raises Unavailable where there can be no such world, TimeoutError after C(seconds), and RuntimeError with the text
    of whatever C(act) raised. All processes inside are dead when this returns.
    """
    ours, theirs = socket.socketpair()
    sockets = _sockets()
    child = os.fork()
    if child == 0:
        ours.close()
        _outer(theirs, world, sockets, act)
    theirs.close()
    try:
        return _answer(ours, child, seconds)
    finally:
        ours.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _answer(ours: socket.socket, child: int, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    received = b""
    mapped = False
    while True:
        ready, _w, _x = select.select([ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"the rehearsal did not end within {seconds:.0f} seconds")
        part = ours.recv(65536)
        if part:
            received += part
            if not mapped and received.startswith(b"map\n"):
                received, mapped = received[4:], True
                try:
                    _map(child)
                except OSError as error:
                    raise Unavailable(f"a user namespace cannot be mapped: {error.strerror}") from None
                ours.sendall(b"go\n")
            continue
        try:
            answer: dict[str, Any] = json.loads(received)
        except ValueError:
            raise Unavailable("the rehearsal's process ended without an answer") from None
        if "unavailable" in answer:
            raise Unavailable(answer["unavailable"])
        if "raised" in answer:
            raise RuntimeError(answer["raised"])
        return answer["value"]


def _map(child: int) -> None:
    """Write the identity map of user and group numbers, as far as we have them ourselves (user_namespaces(7))."""
    for kind, number in (("uid", os.geteuid()), ("gid", os.getegid())):
        if os.geteuid() == 0:
            with open(f"/proc/self/{kind}_map", encoding="ascii") as stream:
                lines = [line.split() for line in stream]
            text = "".join(f"{first} {first} {count}\n" for first, _outside, count in lines)
        else:
            if kind == "gid":
                with open(f"/proc/{child}/setgroups", "w", encoding="ascii") as stream:
                    stream.write("deny")
            text = f"{number} {number} 1\n"
        with open(f"/proc/{child}/{kind}_map", "w", encoding="ascii") as stream:
            stream.write(text)


def _sockets() -> list[str]:
    """The paths of Unix sockets on this machine: root inside is root to who listens there, such as D-Bus.

    Each network namespace tells its own (proc(5), /proc/net/unix), and a path means what it means in another's root
    folder, so that not each of them is one here. A relative one is told as it was bound: it is looked for in the
    folder where any process works, which is mostly that of who bound it, or of who started that.
    """
    found: set[str] = set()
    told: set[str] = set()
    folders: set[str] = set()
    for pid in ("self", *(each for each in os.listdir("/proc") if each.isdigit())):
        with suppress(OSError):
            folders.add(os.readlink(f"/proc/{pid}/cwd"))
        try:
            network = os.readlink(f"/proc/{pid}/ns/net")
            if network in told:
                continue
            told.add(network)
            with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="surrogateescape") as stream:
                fields = [line.rstrip("\n").split(None, 7) for line in stream]
        except OSError:  # It has ended, or is another user's.
            continue
        found |= {each[7] for each in fields if len(each) == 8 and not each[7].startswith("@")}
    relative = {path for path in found if not path.startswith("/")}
    beside = {os.path.join(folder, path) for path in relative for folder in folders}
    return sorted(found - relative | set(filter(private_mounts.is_socket, beside)))


def _outer(channel: socket.socket, world: World, sockets: Sequence[str], act: Callable[[], Any]) -> None:
    """First child: enters the namespaces, and waits for process 1 inside, which is its own child."""
    answer: dict[str, Any]
    lowest = ""
    os.umask(0o022)  # What is made inside is for httpd's workers too; a hardened root's own mask may be 027 or 077.
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError), open(_LOWEST_PORT, encoding="ascii") as stream:
            lowest = stream.read()
        if _libc.unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC) != 0:
            code = ctypes.get_errno()
            full = "this machine allows no more of them (user.max_user_namespaces and the like, sysctl(8))"
            raise Unavailable(full if code == errno.ENOSPC else f"unshare: {os.strerror(code)}")
        # Entering a user namespace may clear both.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.prctl(_PR_SET_DUMPABLE, 1)
        channel.sendall(b"map\n")
        if channel.recv(3) != b"go\n":
            os._exit(1)
        with suppress(OSError):  # Where /proc/sys is read-only, the kernel's own 1024 stays.
            private_mounts.write(_LOWEST_PORT, lowest)
        first = os.fork()
        if first:
            channel.close()
            os.waitpid(first, 0)
            os._exit(0)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if select.select([channel], [], [], 0)[0]:
            os._exit(1)  # The caller ended before that: nothing else is to be heard.
        try:
            _furnish(world, sockets)
        except OSError as error:
            raise Unavailable(f"{error.filename or 'a socket'}: {error.strerror}") from None
        # What is started inside could unmount what hides and protects; our own mounts go on (capabilities(7)).
        for number in sorted({_CAP_SYS_ADMIN, *world.lacking}):
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        answer = {"value": act()}
    except Unavailable as error:
        answer = {"unavailable": str(error)}
    except BaseException as error:  # every end of the child is told to its parent
        answer = {"raised": f"{type(error).__name__}: {error}"}
    try:
        channel.sendall(json.dumps(answer).encode())
        channel.close()
    finally:
        os._exit(0)


def _furnish(world: World, sockets: Sequence[str]) -> None:
    private_mounts.begin(sealed=world.sealed)
    private_mounts.hide_run(world.kept)
    for number, folder in enumerate(world.overlays):
        private_mounts.overlay(folder, os.path.join(private_mounts.SCRATCH, f".overlay-{number}"))
    for folder in world.hidden:
        private_mounts.hide(folder)
    private_mounts.hide_sockets(sockets)  # last, as an overlay shows what a mount below its folder hides
    for path, text in world.added.items():
        with open(path, "rb") as stream:
            known = stream.read()
        private_mounts.replace(path, known + b"\n" * (not known.endswith(b"\n")) + os.fsencode(text))
    loopback.bring_up(world.addresses)
    processes.limit(world.limits)  # One that we may not have ourselves cannot be had inside either.
