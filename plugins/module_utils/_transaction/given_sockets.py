# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether httpd outlives a reload where systemd opens its sockets and gives them to it (sd_listen_fds(3)).

Measured on httpd 2.4.71: at its start, mod_systemd takes away the environment that tells of the sockets. At a reload it
reads that again, finds none (AH02487), and httpd ends. Later releases remember them. So it is tried in a private world,
by an httpd that reads next to nothing.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.parents import REHEARSAL
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import list_socket_units
from ansible_collections.mtls.httpd.plugins.module_utils._machine import private_mounts, sandbox, seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import own_words, read
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.reduced import list_module_lines

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

_NEEDED = re.compile(r"LoadModule (mpm_\w+|unixd_module|systemd_module) ")
_FIRST = 3  # SD_LISTEN_FDS_START
_SECONDS = 15.0  # for the start, and for the reload
_LOADED = "resuming normal operations"


def find_forgotten_sockets(server: Server, described: Description) -> list[Fault]:
    """Say why a reload would end a running httpd to which systemd gives its sockets; nothing for any other.

    Where that could not be tried, it is told with the code C(rehearsal-failed).
    """
    if server.parent is None or not server.running() or "systemd_module" not in described.modules:
        return []
    if not seclusion.is_given_sockets(server.parent.pid):
        return []
    try:
        outlives, said = sandbox.run(sandbox.World(), lambda: _reload_once(server, described), 3 * _SECONDS)
    except (private_mounts.Unavailable, TimeoutError, RuntimeError) as error:
        outlives, said = None, str(error)
    if outlives:
        return []
    unit = server.supervision.unit or "httpd.service"
    units = " ".join(list_socket_units(unit)) or "httpd.socket"
    words = f"systemd opens the sockets of httpd ({units}), and "
    way = f"have httpd open its own: `systemctl disable --now {units} && systemctl restart {unit}`, then run again"
    if outlives is None:
        words += f"a reload ends an httpd that forgets them; whether this one does could not be tried: {said}"
        return [Fault("rehearsal-failed", "", words, way)]
    return [Fault("service-refuses", "", f"{words}httpd forgets them at a reload, which would end it ({said})", way)]


def _reload_once(server: Server, described: Description) -> tuple[bool | None, str]:
    """Inside: start httpd with a socket that it is given, and reload it.

    Return whether it outlives that, None where it does not even start, and what it says if it ends.
    """
    scratch = os.path.join(private_mounts.SCRATCH, "given")
    os.mkdir(scratch, 0o755)
    config, said, log = (os.path.join(scratch, name) for name in ("httpd.conf", "said", "error.log"))
    listener = socket.create_server(("127.0.0.1", 0))
    with open(config, "w", encoding="utf-8") as stream:
        stream.write(_configuration(described, scratch, listener.getsockname()[1]))
    pid = os.fork()
    if pid == 0:
        try:
            _become(server, config, said, listener.fileno())
        finally:
            os._exit(1)
    if not _await_loading(pid, log, 1):
        return None, _last_words(said, log)
    os.kill(pid, signal.SIGUSR1)
    return (True, "") if _await_loading(pid, log, 2) else (False, _last_words(said, log))


def _configuration(described: Description, scratch: str, port: int) -> str:
    quoted = quoting.directive
    lines = [line for line in list_module_lines(described, described.files) if _NEEDED.match(line)]
    lines += [f"PidFile {quoted(scratch + '/pid')}", f"ErrorLog {quoted(scratch + '/error.log')}", "LogLevel notice"]
    lines += [f"Mutex {quoted('file:' + scratch)} default", f"DefaultRuntimeDir {quoted(scratch)}"]
    lines += ["ServerName localhost", f"Listen 127.0.0.1:{port}"]
    if os.geteuid() == 0:
        lines += [f"User {described.user}", f"Group {described.group}"]
    return "\n".join(lines) + "\n"


def _become(server: Server, config: str, said: str, listener: int) -> None:
    """Become an httpd that is given a socket, as systemd starts one (sd_listen_fds(3))."""
    output = os.open(said, os.O_WRONLY | os.O_CREAT, 0o600)
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(listener, _FIRST)
    os.set_inheritable(_FIRST, True)
    environment = {**server.environment, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execve(server.binary, [server.binary, "-f", config, "-D", "FOREGROUND", "-D", REHEARSAL], environment)


def _await_loading(pid: int, log: str, times: int) -> bool:
    """Whether httpd says in time that it has read its configuration so many times, and has not ended."""
    deadline = time.monotonic() + _SECONDS
    while read(log).count(_LOADED) < times:
        if os.waitpid(pid, os.WNOHANG)[0] or time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _last_words(said: str, log: str) -> str:
    lines = [*read(said).splitlines(), *read(log).rpartition(_LOADED)[2].splitlines()]
    return own_words(lines) or "it ended and said nothing"
