# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a graceful reload finds room for new children while the old ones still serve somebody.

Measured on httpd 2.4.67: an old child keeps its slot of the scoreboard until all that it serves has ended, and httpd
starts a new one in a free slot alone. With the event MPM one slow download is enough to keep a slot, and idle
connections are let go at once. With worker and prefork each connection keeps a thread, or a process, an idle one too;
worker has new children take the threads that the old ones no longer need.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import connections
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.processes import inodes

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.connections import Connection

# Most requests have ended by then, and connections that stay open for more, by KeepAliveTimeout's default of 5 seconds.
# A reload waits for a new child for 15, and who calls meanwhile waits as long: this is to stay below.
ROOM_SECONDS = 10.0
# How long connections that seem idle are looked at, where these are all that there are: streams send now and then.
_LOOK_SECONDS = 1.0
_MARGIN = 2.0  # httpd ends idle connections a little later than it says
_PAUSE = 0.1
# Defaults of httpd 2.4 (mpm_default.h, http_core.h).
_CHILDREN = {"event": 16, "worker": 16, "prefork": 256}
_THREADS, _KEEP_ALIVE = 25, 5.0


@dataclass(frozen=True)
class _Limits:
    """How many children there may be, and how many connections keep one of them from making room.

    names: the directives that say how many, for a message. places: where they stand.
    """

    mpm: str
    children: int
    threads: int
    keep_alive: float
    names: str
    places: tuple[str, ...]

    @property
    def keeping(self) -> int:
        """How many connections keep a child's slot from being used again."""
        return self.threads if self.mpm == "worker" else 1


def find_crowded(server: Server, described: Description) -> list[Fault]:
    """Return why httpd would be without workers after a reload, for as long as the present ones serve somebody.

    Waits for up to C(ROOM_SECONDS) for one of them to have ended that.
    """
    limits = _limits(server, described)
    if limits is None or not server.running():
        return []
    watch, began = _Watch(limits.keep_alive), time.monotonic()
    while True:
        kept = _kept(server, limits, watch, time.monotonic() - began)
        if kept < limits.children:
            return []
        if time.monotonic() - began >= ROOM_SECONDS:
            break
        time.sleep(_PAUSE)
    places = f" ({', '.join(limits.places)})" if limits.places else ""
    words = (
        f"each of httpd's {kept} processes still serves somebody after {ROOM_SECONDS:.0f} seconds, and there may be no "
        f"more by {limits.names}{places}: a reload would leave the whole server without workers until one has ended"
    )
    remedy = (
        f"run again when it is less busy; or raise {limits.names} and restart httpd, as a reload does not change it"
    )
    return [Fault("no-room", "", words, remedy)]


def _limits(server: Server, described: Description) -> _Limits | None:
    """What the configuration says; None for an MPM that is not known here."""
    named = [server.mpm(), *(name for name in described.modules if name.startswith("mpm_"))]
    mpm = next(filter(None, named), "").replace("mpm_", "").replace("_module", "")
    if mpm not in _CHILDREN or server.parent is None:
        return None
    # Another name of the same, and what is said last holds.
    aliases = {"maxclients": "maxrequestworkers"}
    said = {
        aliases.get(each.name.lower(), each.name.lower()): each
        for each in described.directives
        if each.words and not each.host
    }

    def number(name: str, default: int) -> int:
        with suppress(KeyError, ValueError):
            return int(said[name].words[0])
        return default

    most, threads = number("serverlimit", _CHILDREN[mpm]), number("threadsperchild", _THREADS)
    names, holding = "ServerLimit", ["serverlimit"]
    if mpm != "event":
        per_child = 1 if mpm == "prefork" else threads
        most = min(most, max(1, number("maxrequestworkers", most * per_child) // per_child))
        names, holding = "MaxRequestWorkers and ServerLimit", ["serverlimit", "maxrequestworkers"]
    found = [said[name] for name in holding if name in said]
    if any(_is_newer(each.file, server.parent.started) for each in found):
        # What it says may not be in force before a restart: there is no more room for sure than is taken.
        most = min(most, len(server.workers()))
    # Of any virtual host, as all are served by the same children; in seconds, where no unit is said.
    told = [each.words[0] for each in described.directives if each.name.lower() == "keepalivetimeout" and each.words]
    keep_alive = max([_KEEP_ALIVE, *(float(word) for word in told if word.isdigit())])
    return _Limits(mpm, most, threads, keep_alive, names, tuple(each.place for each in found))


def _is_newer(path: str, started: int) -> bool:
    """Whether a file was changed after a moment, in clock ticks since boot."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    with suppress(OSError):
        return os.stat(path).st_mtime > booted + started / os.sysconf("SC_CLK_TCK")
    return False


@dataclass
class _Watch:
    """What went over connections since they were first looked at.

    streams: those over which something was sent although nothing had come.
    """

    keep_alive: float
    _known: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    _streams: set[str] = field(default_factory=set)

    def is_idle(self, each: Connection) -> bool:
        """Return whether a connection waits for a request: answered, with nothing on its way, and not for too long."""
        now = time.monotonic()
        sent, received, since = self._known.get(each.inode, (each.sent, each.received, now))
        if each.received == received and each.sent > sent:
            self._streams.add(each.inode)
        if (each.sent, each.received) != (sent, received):
            since = now
        self._known[each.inode] = (each.sent, each.received, since)
        if each.unread or each.unsent or not each.answered or each.inode in self._streams:
            return False
        return now - since < self.keep_alive + _MARGIN


def _kept(server: Server, limits: _Limits, watch: _Watch, looked: float) -> int:
    """Return how many slots stay taken at a reload. C(looked): for how long that has been looked at."""
    children = [pid for pid, _started in server.workers()]
    if len(children) < limits.children or server.parent is None:
        return 0
    try:
        every = connections.list_connections()
    except OSError:
        return 0  # The kernel does not tell.
    ports = {port for _address, port in server.sockets()}
    clients = {each.inode: each for each in every if each.port in ports and each.inode != "0"}
    idle = {each.inode for each in clients.values() if watch.is_idle(each)} if limits.mpm == "event" else set()
    # Those that seem idle may be streams, which is seen when they are looked at again.
    busy = set(clients) if looked < _LOOK_SECONDS else set(clients) - idle
    held = {pid: inodes(pid) for pid in children}
    if not any(held[pid] for pid in children):
        # Another user's, into which nobody may look here: as many may be kept as there are connections for.
        return min(len(children), len(busy) // limits.keeping)
    listening = inodes(server.parent.pid) - set(clients)
    # Not such as mod_cgid's daemon, which neither listens nor serves, and has no slot.
    slots = [pid for pid in children if held[pid] & (listening | set(clients))]
    if len(slots) < limits.children:
        return 0
    return sum(len(held[pid] & busy) >= limits.keeping for pid in slots)
