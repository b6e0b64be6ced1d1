# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Programs that stand in for others inside a private world: they answer any request of HTTP with one word.

Who speaks something else to them, such as TLS or FastCGI, is hung up on: that a connection came tells enough.
"""

from __future__ import annotations

import os
import re
import select
import socket
import tempfile
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._machine import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

# A request of HTTP/1, not the preface of HTTP/2.
_BEGINS = re.compile(rb"(?!PRI )[A-Z]{3}")
_LONGEST = 1 << 16
_SECONDS = 2.0


class StandIns:
    """Listeners of one word, which a thread serves. C(arrivals): how many connections came."""

    def __init__(self, word: bytes) -> None:
        self.arrivals = 0
        self._word = word
        self._listeners: list[socket.socket] = []
        self._ends = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def listen(self, host: str, port: int) -> bool:
        """Listen at each address of a host. Returns whether that could be at one of them at least."""
        done = False
        with suppress(OSError, UnicodeError):
            for family, _kind, _protocol, _name, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                done = self._listen(family, place) or done
        return done

    def listen_at(self, path: str) -> bool:
        """Listen at a Unix socket in the place of whoever does. Returns whether that could be."""
        with suppress(OSError, sandbox.Unavailable):
            instead = os.path.join(tempfile.mkdtemp(dir=sandbox.SCRATCH), "socket")
            if self._listen(socket.AF_UNIX, instead):
                os.chmod(os.path.dirname(instead), 0o755)
                os.chmod(instead, 0o666)
                sandbox.put_over(instead, path)
                return True
        return False

    def _listen(self, family: int, place: Any) -> bool:
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if family != socket.AF_UNIX:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(64)
        except OSError:
            listener.close()
            return False
        self._listeners.append(listener)
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
                    self.arrivals += 1
                    with connection:
                        connection.settimeout(_SECONDS)
                        self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received and len(received) < _LONGEST:
            more = connection.recv(_LONGEST)
            received += more
            if not more or not _BEGINS.match(received):
                return
        head, _end, body = received.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while found and len(body) < min(int(found[1]), _LONGEST):
            more = connection.recv(_LONGEST)
            if not more:
                return
            body += more
        said = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        connection.sendall(said % len(self._word) + self._word)
