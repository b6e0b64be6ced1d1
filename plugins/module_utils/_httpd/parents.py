# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which processes are an httpd's parent, and how it was called.

No table of distributions stands here: where an httpd runs, its process tells.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError, run
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.processes import (
    inodes,
    listening,
    process,
    processes,
    started,
    uids,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._machine.processes import Stat

# Defined in a rehearsal alone, where nothing outside is reached.
REHEARSAL = "MTLS_HTTPD_REHEARSAL"

_PROCESS_NAME = re.compile(r"(httpd|apache2)([.-].*)?$")
# What a service manager hands to its child alone.
_PRIVATE_ENVIRONMENT = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC")


@dataclass(frozen=True)
class Parent:
    """httpd's parent process.

    Its number, and when it started (clock ticks since boot), so that a reused number is told apart. Its process group,
    by which what it leaves behind is known.
    """

    pid: int
    started: int
    group: int


@dataclass(frozen=True)
class Built:
    """What `httpd -V` says."""

    version: str
    root: str
    config: str
    suexec: str


def is_httpd(pid: int, stat: Stat) -> bool:
    """Whether a process is one of httpd's, by its name, or by its program where a module has renamed it.

    As mod_perl does: C(/usr/sbin/apach), which is the path of the program as far as a name holds it.
    """
    if _PROCESS_NAME.match(stat.name):
        return True
    try:
        return bool(_PROCESS_NAME.match(os.path.basename(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))))
    except OSError:  # It is gone, another user's, or the kernel's own.
        return False


def running_parents() -> list[tuple[int, str]]:
    """Process number and binary of each httpd parent of our own user, root folder and process namespace.

    Another user's process is none, whatever it is named: what it names would be run with our rights.
    """
    table = dict(processes())
    named = {pid for pid, stat in table.items() if is_httpd(pid, stat)}
    with_children = {table[pid].parent for pid in named}
    found = {}
    for pid, stat in table.items():
        if pid not in named or stat.state == "Z" or uids(pid) != {os.geteuid()}:
            continue
        if _is_left_behind(pid, table, with_children):
            continue
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
            # A service may have mounts of its own (PrivateTmp=); one in a container has another root.
            ours = os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid") and os.path.samefile(
                f"/proc/{pid}/root", "/"
            )
        except OSError:
            continue
        exe = exe.removesuffix(" (deleted)")
        if ours and _PROCESS_NAME.match(os.path.basename(exe)):
            found[pid] = exe
    return [(pid, exe) for pid, exe in sorted(found.items()) if found.get(table[pid].parent) != exe]


def _is_left_behind(pid: int, table: Mapping[int, Stat], with_children: Container[int]) -> bool:
    """Whether it is a worker of a parent that was killed: they outlive it, in its process group, and are no parent.

    A parent that a script left in the foreground has lost the leader of its group too, but has workers.
    """
    leader = table.get(table[pid].group)
    return (leader is None or leader.state in "ZX") and pid not in with_children


def server_of_another_user(socket_owner: int) -> str:
    """Name the httpd whose parent is another user's, not ours, for a message: the one that opened a socket of his.

    C(socket_owner): the user number of the socket. Empty where there is no such httpd.
    """
    if socket_owner == os.geteuid():
        return ""
    table = {pid: stat for pid, stat in processes() if is_httpd(pid, stat)}
    for pid, stat in sorted(table.items()):
        if stat.parent not in table and uids(pid) == {socket_owner}:
            return f"httpd itself (process {pid}), which was started as {user_name(socket_owner)}"
    return ""


def other_httpd(socket: str) -> tuple[int, list[int]]:
    """The httpd of our own user that holds a socket, by its inode, and the workers that do so whose parent has ended.

    0 for no such httpd.
    """
    table = dict(processes())
    named = {pid for pid, stat in table.items() if is_httpd(pid, stat)}
    with_children = {table[pid].parent for pid in named}
    found = [pid for pid in sorted(named) if table[pid].parent not in named and socket in inodes(pid)]
    left = [pid for pid in found if _is_left_behind(pid, table, with_children)]
    return next((pid for pid in found if pid not in left), 0), left


def user_name(number: int) -> str:
    """Return the name of a user, or the number where nobody knows it."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def end_orphans(parent: Parent) -> None:
    """End the workers that a dead parent left behind, as they hold its ports."""
    if started(parent.pid) == parent.started:
        return
    for pid in _orphans(parent.group):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _orphans(parent.group) and time.monotonic() < deadline:
        time.sleep(0.01)


def _orphans(group: int) -> list[int]:
    """The workers of a process group that no httpd is the parent of. Another httpd may be in the same group."""
    table = {pid: stat for pid, stat in processes() if is_httpd(pid, stat)}
    with_children = {stat.parent for stat in table.values()}
    return [
        pid
        for pid, stat in table.items()
        if stat.group == group and stat.state != "Z" and stat.parent not in table and pid not in with_children
    ]


def parent_of(pid: int) -> Parent | None:
    stat = process(pid)
    return None if stat is None else Parent(pid, stat.started, stat.group)


def call_of(pid: int) -> tuple[tuple[str, ...], Mapping[str, str]] | None:
    """Arguments and environment by which a serving parent was called; None for one that is gone, or does not serve."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = [word.decode("utf-8", "surrogateescape") for word in stream.read().split(b"\0")[:-1]]
        with open(f"/proc/{pid}/environ", "rb") as stream:
            pairs = [
                pair.decode("utf-8", "surrogateescape").partition("=")
                for pair in stream.read().split(b"\0")
                if b"=" in pair
            ]
    except OSError:
        return None
    if not _serves(pid, words[1:]):
        return None
    return _as_called(pid, configuration_arguments(words[1:])), {
        key: value for key, _equals, value in pairs if key not in _PRIVATE_ENVIRONMENT
    }


def _as_called(pid: int, arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments with a server root that is absolute: one that is not was meant from where the process works."""
    told = list(arguments)
    for place, flag in enumerate(told[::2]):
        if flag == "-d" and not told[2 * place + 1].startswith("/"):
            with suppress(OSError):
                told[2 * place + 1] = os.path.join(os.readlink(f"/proc/{pid}/cwd"), told[2 * place + 1])
    return tuple(told)


def ask_build(binary: str, arguments: tuple[str, ...], environment: Mapping[str, str]) -> tuple[Built, str]:
    """What a binary says of itself, and the configuration that it reads when called so. Raises HttpdError."""
    # The quickest way to ask: it would read the whole configuration otherwise.
    outcome = run([binary, "-f", os.devnull, "-V"], environment, 10)
    if "Server version" not in outcome.output:
        raise HttpdError(
            Fault("httpd-odd", "", f"{binary} does not answer `-V` as httpd does: {outcome.complaint}", "")
        )

    def said(pattern: str) -> str:
        match = re.search(pattern, outcome.output, re.MULTILINE)
        return match.group(1) if match else ""

    root = value_of(arguments, "-d") or said(r'HTTPD_ROOT="([^"]*)"')
    built = Built(
        version=said(r"Server version: \S+?/(\S+)"),
        root=root,
        config=said(r'SERVER_CONFIG_FILE="([^"]*)"'),
        suexec=said(r'SUEXEC_BIN="([^"]*)"'),
    )
    return built, os.path.normpath(os.path.join(root, value_of(arguments, "-f") or built.config))


def value_of(arguments: Sequence[str], option: str) -> str:
    """The value of an option such as C(-f), empty where it is not among the arguments."""
    values = [value for flag, value in zip(arguments, arguments[1:]) if flag == option]
    return values[-1] if values else ""


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options of a server's command line, by letter, each with its value if it is one that has a value."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        letters = word[1:] if word.startswith("-") else ""
        while letters:
            letter, letters = letters[0], letters[1:]
            value = ""
            if letter in "dfDCcekE":  # the rest of the word, or the next one
                value, letters = letters or (rest.pop(0) if rest else ""), ""
            yield letter, value


def configuration_arguments(words: Sequence[str]) -> tuple[str, ...]:
    """What of a server's command line says which configuration it reads.

    -d, -f, -D, -C, -c, each apart from its value.
    """
    return tuple(part for letter, value in _options(words) if letter in "dfDCc" for part in (f"-{letter}", value))


def _serves(pid: int, words: Sequence[str]) -> bool:
    """Whether a httpd that was called so serves: it does not just ask (-t, -S), command (-k stop), or rehearse."""
    options = set(_options(words))
    commands = {value for letter, value in options if letter == "k"}
    if {letter for letter, _value in options} & set("tSMvVlLh?") or ("D", REHEARSAL) in options:
        return False
    if commands & {"restart", "graceful"}:
        # httpd sends a signal, or starts where none runs.
        return not inodes(pid).isdisjoint(inode for _address, _port, inode in listening())
    return commands.isdisjoint({"stop", "graceful-stop"})
