# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A second httpd beside the live one: it never outlives the run."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.parents import REHEARSAL
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import Logs, own_words
from ansible_collections.mtls.httpd.plugins.module_utils._machine.programs import Solitary, can_confine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Callable

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

_READY = 20.0
# A program is tried to be started by a child of httpd's, which may come to it after httpd is ready: the later, the
# slower this machine is just now, as the start shows.
_SOON, _LATER, _LATEST = 0.01, 0.1, 0.3
_PART_OF_START = 0.3
_LAST = 3  # lines of a log


@dataclass(frozen=True)
class _Start:
    """How httpd started: what it said where it did not, and the programs that it would have started, by path.

    ended: tells what it said last where it has ended since.
    """

    broken: str
    programs: tuple[str, ...]
    ended: Callable[[], str]


@dataclass(frozen=True)
class _Guard:
    """A folder that is removed at the end, and the end of a pipe at which it is told what else is to end."""

    scratch: str
    pipe: int


@contextmanager
def guarded(scratch: str) -> Iterator[_Guard]:
    """Keep a child that cleans up when we end, however we do: it removes C(scratch), and all that _serving started.

    PR_SET_PDEATHSIG would not do: httpd loses it when it changes its user
    (prctl(2)).
    """
    read, write = os.pipe()
    guard = os.fork()
    if guard == 0:
        try:
            os.setsid()
            os.close(write)
            with open(read, "rb") as stream:
                groups = stream.read().split()  # to its end, which is ours
            for group in groups:
                # With what httpd's modules started, such as mod_cgid's daemon.
                with suppress(ProcessLookupError):
                    os.killpg(int(group), signal.SIGKILL)
            # Nobody is left to tell; the next run removes what stays.
            shutil.rmtree(scratch, ignore_errors=True)
        finally:
            os._exit(0)
    os.close(read)
    try:
        yield _Guard(scratch, write)
    finally:
        os.close(write)
        os.waitpid(guard, 0)


@contextmanager
def serving(
    server: Server,
    arguments: Sequence[str],
    guard: _Guard,
    logs: Logs,
    limits: Mapping[int, tuple[int, int]] | None = None,
) -> Iterator[_Start]:
    """Run httpd as one process group, its PidFile being C(pid) in the guard's folder.

    It starts no program: none is of the rehearsal. Yields how it started; ends it afterwards.
    C(logs) are the sites' own error logs, C(limits) its resource limits by number, where they are not ours already.
    """
    words = [server.binary, *server.arguments, *arguments, "-D", REHEARSAL, "-X"]
    alone = Solitary(words, server.environment) if can_confine(server.binary) else None

    def told() -> None:
        # By httpd itself before it is httpd, so that at no moment it runs unknown to the guard.
        os.setsid()
        os.write(guard.pipe, b"%d\n" % os.getpid())
        processes.limit(limits or {})
        if alone:
            alone.become()

    scratch, said, began = guard.scratch, os.path.join(guard.scratch, "said"), time.monotonic()
    with open(said, "wb") as stream:
        # AnsibleModule.run_command waits for the end.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            words,
            env=dict(server.environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            preexec_fn=told,
        )
    try:
        deadline = time.monotonic() + _READY
        broken, programs = "", []
        # Listening comes before keys and certificates are read, the PidFile after it.
        while not os.path.exists(os.path.join(scratch, "pid")):
            programs += alone.tried(0.003) if alone else []
            if process.poll() is not None or time.monotonic() > deadline:
                lines = [line for name in ("said", "error.log") for line in read_lines(os.path.join(scratch, name))]
                broken = (
                    own_words(lines + logs.lines()) or f"httpd ended with code {process.returncode} and said nothing"
                )
                break
            if not alone:
                time.sleep(0.003)
        if alone:
            slow = min(_LATEST, _PART_OF_START * (time.monotonic() - began))
            programs += alone.tried(max(slow, _LATER if programs else _SOON))
            alone.close()  # What a request starts is not of the configuration: it is refused, and not waited for.
        log = os.path.join(scratch, "error.log")
        yield _Start(
            broken,
            tuple(programs),
            lambda: "" if process.poll() is None else own_words(read_lines(log)[-_LAST:]) or "nothing",
        )
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def resource_limits(server: Server) -> dict[int, tuple[int, int]]:
    if server.parent is None or not server.running():
        return {}
    numbers = {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    found = {}
    for number in numbers:
        try:
            found[number] = resource.prlimit(server.parent.pid, number)
        except (OSError, ValueError):
            continue
    return found
