# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A program that runs and can start no other: what it tries to start is told instead (seccomp(2), seccomp_unotify(2)).

The kernel asks us about each execve(2) of the program and of all its children, and gets a no. It needs no right and no
namespace, so that it holds wherever httpd is started for a trial.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# linux/audit.h, and the numbers of execve, execveat and seccomp in asm/unistd.h, of 64-bit machines.
_MACHINES = {
    "x86_64": (0xC000003E, 59, 322, 317),
    "aarch64": (0xC00000B7, 221, 281, 277),
    "riscv64": (0xC00000F3, 221, 281, 277),
    "s390x": (0x80000016, 11, 354, 348),
    "ppc64le": (0xC0000015, 11, 362, 358),
}
# linux/filter.h, linux/seccomp.h, linux/prctl.h
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _TELL, _REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.EACCES
_SET_MODE_FILTER, _GET_ACTION_AVAIL, _NEW_LISTENER, _PR_SET_NO_NEW_PRIVS = 1, 2, 8, 38
_RECEIVE, _SEND = 0xC0502100, 0xC0182101

_libc = ctypes.CDLL(None, use_errno=True)


class _Piece(ctypes.Structure):
    """A stretch of memory: struct iovec of process_vm_readv(2)."""

    _fields_ = (("address", ctypes.c_void_p), ("length", ctypes.c_size_t))


def available() -> bool:
    """Whether this kernel and machine can keep a program from starting others."""
    if sys.maxsize < 1 << 32 or platform.machine() not in _MACHINES:
        return False
    action = ctypes.c_uint32(_REFUSE & 0xFFFF0000)
    number = _MACHINES[platform.machine()][3]
    return bool(_libc.syscall(number, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def can_confine(binary: str) -> bool:
    """Whether the program at this path can be kept from starting others. A script is started by another itself."""
    with suppress(OSError), open(binary, "rb") as stream:
        return stream.read(4) == b"\x7fELF" and available()
    return False


def ask(calls: Sequence[Sequence[str]], environment: Mapping[str, str], timeout: float) -> list[Outcome]:
    """Run commands at once, for C(timeout) seconds at most, and wait for all. None of them starts another program.

    Reading a configuration may: mod_security starts a piped log as it reads the line. Where one cannot be kept from
    it, it is run as it is.
    """
    return [running.outcome(timeout) for running in [_Running(words, environment) for words in calls]]


class _Running:
    """A command that runs, and writes what it says into memory, so that nobody needs to read along."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._words = words
        self._started = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._streams = [os.fdopen(os.memfd_create(name), "r+b") for name in ("output", "errors")]
        alone = Solitary(words, environment) if can_confine(words[0]) else None
        try:
            # AnsibleModule.run_command waits for the end.
            self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                words,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=self._streams[0],
                stderr=self._streams[1],
                preexec_fn=alone.become if alone else None,
                start_new_session=True,  # What ends us at a terminal, such as Ctrl-C, is not for httpd.
            )
        except OSError as error:
            self._streams[1].write(os.fsencode(f"{words[0]}: {error.strerror}"))
        except subprocess.SubprocessError:
            self._streams[1].write(os.fsencode(f"{words[0]}: cannot be run, or not so that it starts no other program"))
        finally:
            if alone:
                alone.close()

    def outcome(self, timeout: float) -> Outcome:
        """How it ended; what runs for longer than C(timeout) seconds is ended."""
        if self._process is None:
            return Outcome(127, "", self._said()[1])
        _await_end(self._process.pid, self._started + timeout - time.monotonic())
        try:
            code = self._process.wait(max(0.0, self._started + timeout - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._said()
            return Outcome(124, "", f"{self._words[0]} gave no answer within {timeout:.0f} seconds")
        return Outcome(code, *self._said())

    def _said(self) -> tuple[str, str]:
        said = []
        for stream in self._streams:
            with stream:
                stream.seek(0)
                said.append(stream.read().decode("utf-8", "surrogateescape"))
        return said[0], said[1]


def _await_end(pid: int, seconds: float) -> None:
    """Wait until a child has ended, and no longer (pidfd_open(2)). Does not wait where the kernel cannot tell of it.

    subprocess looks whether it has, with pauses of up to 50 ms, which is as long as httpd takes to read its files.
    """
    try:
        ending = os.pidfd_open(pid)
    except (AttributeError, OSError):  # Before Linux 5.3, or a Python that was built for such a one.
        return
    try:
        waiting = select.poll()
        waiting.register(ending, select.POLLIN)
        waiting.poll(max(0.0, seconds) * 1000)
    finally:
        os.close(ending)


class Solitary:
    """A program that is to be started as the only one.

    The process that is to become it calls C(become). Its parent calls C(tried) for what it has tried to start since,
    and C(close) when that is of no interest any more: from then on, it is refused without being told.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._listener = -1
        # Its own call is told from all others by where its path lies, in memory that goes with the call.
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._memory.write(os.fsencode(words[0]) + b"\0")
        self._path = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._arguments = _texts(words)
        self._environment = _texts([f"{key}={value}" for key, value in environment.items()])

    def become(self) -> None:
        """Become the program. Does not return. Raises OSError where it cannot be, or cannot be kept from others."""
        # A program that was not started reads nothing, by which this one would end before it ignores the signal itself.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # Without it, only who has CAP_SYS_ADMIN may set a filter.
        listener = self._confine(_TELL, _NEW_LISTENER)
        # Before Linux 5.0, and where a container's manager listens already, there is nobody to tell.
        if listener < 0 and self._confine(_REFUSE, 0) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if listener >= 0:
            socket.send_fds(self._theirs, [b"."], [listener])
        _libc.execve(ctypes.c_void_p(self._path), self._arguments, self._environment)
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def tried(self, seconds: float) -> list[str]:
        """The paths of the programs that were to be started since the last call. Waits C(seconds) for each more.

        Nothing is known, so nothing is told, where the kernel does not tell it.
        """
        if self._listener < 0:
            self._ours.setblocking(False)
            with suppress(BlockingIOError):
                _data, (self._listener,), _flags, _address = socket.recv_fds(self._ours, 1, 1)
        found: list[str] = []
        waiting = [self._listener] if self._listener >= 0 else []
        while select.select(waiting, [], [], seconds)[0]:
            request = bytearray(80)
            try:
                fcntl.ioctl(self._listener, _RECEIVE, request, True)
                identity, pid, _flags, number, _machine, _at, first, second = struct.unpack_from("=QIIiIQQQ", request)
                found.append(_path_in(pid, first if number == _MACHINES[platform.machine()][1] else second))
                fcntl.ioctl(self._listener, _SEND, bytearray(struct.pack("=QqiI", identity, 0, -errno.EACCES, 0)))
            except OSError:  # It ended meanwhile.
                break
        return found

    def close(self) -> None:
        """Listen no longer."""
        self._ours.close()
        self._theirs.close()
        if self._listener >= 0:
            os.close(self._listener)
            self._listener = -1

    def _confine(self, verdict: int, flags: int) -> int:
        """Have C(verdict) on each execve but our own from now on. Returns a listener, 0 for none, -1 for a failure."""
        architecture, execve, execveat, seccomp = _MACHINES[platform.machine()]
        low, high = (16, 20) if sys.byteorder == "little" else (20, 16)  # of args[0] in struct seccomp_data
        steps = [
            (_LOAD, 0, 0, 4),
            (_EQUAL, 0, 8, architecture),
            (_LOAD, 0, 0, 0),
            (_EQUAL, 5, 0, execveat),
            (_EQUAL, 0, 5, execve),
            (_LOAD, 0, 0, low),
            (_EQUAL, 0, 2, self._path & 0xFFFFFFFF),
            (_LOAD, 0, 0, high),
            (_EQUAL, 1, 0, self._path >> 32),
            (_RETURN, 0, 0, verdict),
            (_RETURN, 0, 0, _ALLOW),
        ]
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
        program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
        return int(_libc.syscall(seccomp, _SET_MODE_FILTER, flags, program))


def _texts(words: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(words) + 1))(*map(os.fsencode, words), None)


def _path_in(pid: int, address: int) -> str:
    """The text that lies at an address of a process, of at most a page and what is left of the one before."""
    content = b""
    while b"\0" not in content and len(content) < mmap.PAGESIZE:
        here = address + len(content)
        part = ctypes.create_string_buffer(mmap.PAGESIZE - here % mmap.PAGESIZE)
        ours, theirs = _Piece(ctypes.addressof(part), len(part)), _Piece(here, len(part))
        if _libc.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) <= 0:
            break
        content += part.raw
    return os.fsdecode(content.partition(b"\0")[0])
