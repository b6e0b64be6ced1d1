# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Programs that stand in for others inside a private world: each answers any request of HTTP with a word of its own.

Who speaks something else to them, such as TLS or FastCGI, is hung up on: that he spoke tells enough. Who says nothing
only looks whether somebody listens, as balancers do.
"""

from __future__ import annotations

import os
import re
import select
import socket
import tempfile
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._machine import private_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

# A request of HTTP/1, not the preface of HTTP/2.
_BEGINS = re.compile(rb"(?!PRI )[A-Z]{3}")
# Its target, which is empty where a balancer is told of none for its looks; and that of AJP, which is plain too.
_TARGET = re.compile(rb"[A-Z]{3,} (\S*) ")
_AJP_TARGET = re.compile(rb"\x12\x34..\x02.\x00\x08HTTP/1\.\d\x00..([^\x00]*)\x00", re.DOTALL)
_AJP_PING, _AJP_PONG = b"\x12\x34\x00\x01\x0a", b"AB\x00\x01\x09"
# For a cache between to keep: what it gives to whom is asked too.
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=600\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n"
)
_LONGEST = 1 << 16
_SECONDS = 2.0


class Arrival(NamedTuple):
    """A connection that came to a stand-in: to which, by its mark, and the request's target, empty where none came."""

    mark: str
    target: str


class StandIns:
    """Listeners, which a thread serves: with a word, a mark of each one's own, and the request's target.

    C(arrivals): the connections that came, but for requests without C(sign), which nobody asked for: of balancers that
    look after their members, say.
    """

    def __init__(self, word: bytes, sign: bytes) -> None:
        self.arrivals: list[Arrival] = []
        self._word, self._sign = word, sign
        self._listeners: dict[socket.socket, str] = {}
        self._ends = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def listen(self, host: str, port: int, mark: str) -> bool:
        """Listen at each address of a host. Returns whether that could be at one of them at least."""
        done = False
        with suppress(OSError, UnicodeError):
            for family, _kind, _protocol, _name, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                done = self._listen(family, place, mark) or done
        return done

    def listen_at(self, path: str, mark: str) -> bool:
        """Listen at a Unix socket in the place of whoever does. Returns whether that could be."""
        with suppress(OSError, private_mounts.Unavailable):
            instead = os.path.join(tempfile.mkdtemp(dir=private_mounts.SCRATCH), "socket")
            if self._listen(socket.AF_UNIX, instead, mark):
                os.chmod(os.path.dirname(instead), 0o755)
                os.chmod(instead, 0o666)
                private_mounts.put_over(instead, path)
                return True
        return False

    def _listen(self, family: int, place: Any, mark: str) -> bool:
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if family != socket.AF_UNIX:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(64)
        except OSError:
            listener.close()
            return False
        self._listeners[listener] = mark
        return True

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve for as long as this is entered."""
        self._thread.start()
        try:
            yield
        finally:
            self._ends[1].close()
            self._thread.join()
            for each in (self._ends[0], *self._listeners):
                each.close()

    def _serve(self) -> None:
        while True:
            ready, _writable, _failed = select.select([self._ends[0], *self._listeners], [], [])
            if self._ends[0] in ready:
                return
            for listener in ready:
                with suppress(OSError):
                    connection, _peer = listener.accept()
                    with connection:
                        connection.settimeout(_SECONDS)
                        self._answer(connection, self._listeners[listener])

    def _answer(self, connection: socket.socket, mark: str) -> None:
        received = _receive(connection)
        if received == _AJP_PING:
            connection.sendall(_AJP_PONG)
            received = _receive(connection)
        is_plain = bool(_BEGINS.match(received))
        target = (_TARGET if is_plain else _AJP_TARGET).match(received)
        # Noted before httpd hears of it, so that who got httpd's answer finds it here.
        if received and (not target or self._sign in received):
            self.arrivals.append(Arrival(mark, target[1].decode("latin-1") if target else ""))
        if not target or not is_plain:
            return
        answer = b"%b-%b %b\n" % (self._word, mark.encode(), target[1])
        connection.sendall(_ANSWER % len(answer) + answer)


def _receive(connection: socket.socket) -> bytes:
    """Return a request, or what else is said, as far as it came."""
    received = b""
    with suppress(OSError):
        while b"\r\n\r\n" not in received and len(received) < _LONGEST:
            more = connection.recv(_LONGEST)
            received += more
            if not more or not _BEGINS.match(received):
                return received
        head, _end, body = received.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while found and len(body) < min(int(found[1]), _LONGEST):
            more = connection.recv(_LONGEST)
            if not more:
                break
            body += more
    return received
