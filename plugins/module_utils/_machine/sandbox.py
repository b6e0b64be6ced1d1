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
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes, trusted_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# sched.h, sys/mount.h, sys/prctl.h, net/if.h, bits/ioctls.h
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY = 442, -100, 0x8000, 0x1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _CAP_SYS_ADMIN = 1, 4, 24, 21
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCGIFINDEX, _IFF_UP = 0x8913, 0x8914, 0x8916, 0x8933, 0x1

# A tmpfs is put here for all that is written inside. Shared memory of the machine is hidden by it, which is wanted too.
SCRATCH = "/dev/shm"
# Holds the sockets by which services are commanded, whichever network namespace they were made in. Nothing of it is
# needed that is not named.
RUN = "/run"
# The first port that an ordinary user may listen on, of each network namespace (ip-sysctl).
_LOWEST_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

_MONTH = 30 * 86400.0

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """The kernel, or what confines us, allows no such world. The message is the reason."""


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
    return sorted(found - relative | set(filter(_is_socket, beside)))


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
            _write(_LOWEST_PORT, lowest)
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
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE, None)
    if not _guard() and world.sealed:
        raise Unavailable("the kernel cannot make a world unwritable")
    _mount("tmpfs", SCRATCH, "tmpfs", 0, "mode=1777")
    _hide_run(world.kept)
    for number, folder in enumerate(world.overlays):
        _overlay(folder, os.path.join(SCRATCH, f".overlay-{number}"))
    for folder in world.hidden:
        _hide(folder)
    # Of a random name, as what runs inside is not to tell by it where it runs.
    empty = os.path.join(tempfile.mkdtemp(dir=SCRATCH), "empty")
    _write(empty, "")
    for path in sockets:  # last, as an overlay shows what a mount below its folder hides
        if _is_socket(path):
            _mount(empty, os.path.realpath(path), None, _MS_BIND, None)
    for path, text in world.added.items():
        with open(path, "rb") as stream:
            known = stream.read()
        replace(path, known + b"\n" * (not known.endswith(b"\n")) + os.fsencode(text))
    _network(world.addresses)
    processes.limit(world.limits)  # One that we may not have ourselves cannot be had inside either.


def _hide_run(kept: Sequence[str]) -> None:
    """Hide what lies in /run but for its folders, and what is to be kept, which stays as it was."""
    if not os.path.isdir(RUN):
        return
    stored = []
    for number, path in enumerate(each for each in kept if os.path.isfile(each) or os.path.isdir(each)):
        aside = os.path.join(SCRATCH, f".kept-{number}")
        _make_like(path, aside)
        _mount(path, aside, None, _MS_BIND | _MS_REC, None)
        stored.append((aside, path))
    _hide(os.path.realpath(RUN))
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
        _write(place, "")


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:  # gone, hidden already, or not to be reached by us
        return False


def replace(path: str, content: bytes) -> None:
    """Inside: have a file hold something else, wherever it is. Raises Unavailable where that cannot be."""
    with tempfile.NamedTemporaryFile(dir=SCRATCH, delete=False) as instead:
        os.fchmod(instead.fileno(), stat.S_IMODE(os.stat(path).st_mode))
        instead.write(content)
    _mount(instead.name, path, None, _MS_BIND, None)


def put_over(source: str, path: str) -> None:
    """Inside: have a path lead to another file, such as a socket. Raises OSError, Unavailable where that cannot be."""
    if trusted_paths.lies_below(path, RUN) and not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, "")
    _mount(source, os.path.realpath(path), None, _MS_BIND, None)


def plant(
    folder: str, files: Mapping[str, bytes], further: Mapping[str, bytes] | None = None, *, copies: bool = False
) -> None:
    """Inside: have a folder hold files more, by their names in it. What is mounted below it stays.

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
    _overlay(folder, os.path.join(scratch, "overlay"), copies=copies)
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


def _guard() -> bool:
    """Make everything unwritable, where the kernel can. What may be written is mounted over it."""
    attributes = struct.pack("=QQQQ", _ATTR_RDONLY, 0, 0, 0)
    return bool(_libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes)) == 0)


def _overlay(folder: str, scratch: str, *, copies: bool = True) -> None:
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


def _hide(folder: str) -> None:
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


def _network(addresses: Sequence[str]) -> None:
    """Bring the loopback interface up, and give it the addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.unpack("16sh22x", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0)))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
    add_addresses(addresses, "lo:")


def add_addresses(addresses: Sequence[str], label: str = "lo:more") -> None:
    """Inside, give the loopback interface addresses, each by a label of its own (netdevice(7)).

    One of IPv4 brings its whole network of old (class A, B or C) with it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        index = struct.unpack("16si20x", fcntl.ioctl(control, _SIOCGIFINDEX, struct.pack("16si20x", b"lo", 0)))[1]
        for number, address in enumerate(addresses):
            if ":" in address:
                with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control6:
                    fcntl.ioctl(
                        control6,
                        _SIOCSIFADDR,
                        struct.pack("=16sIi", socket.inet_pton(socket.AF_INET6, address), 128, index),
                    )
            else:
                packed = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(address))
                fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s8x", f"{label}{number + 1}".encode(), packed))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)


def _mount(source: Any, target: str, kind: Any, flags: int, data: Any) -> None:
    words = [None if each is None else os.fsencode(each) for each in (source, target, kind, data)]
    if _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        raise Unavailable(f"mount of {kind or 'a bind'} on {target}: {os.strerror(ctypes.get_errno())}")
