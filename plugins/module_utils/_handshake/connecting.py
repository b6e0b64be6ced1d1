# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Reaching a server within a time: resolvers are patient, and of several addresses one may not answer."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door


class Deadline:
    """A moment by which all has to be over."""

    def __init__(self, timeout: float) -> None:
        self._end = time.monotonic() + timeout

    def left(self) -> float:
        """Return the seconds left. Raises socket.timeout when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout
        return left


def connect(door: Door, deadline: Deadline, source: str = "") -> socket.socket:
    """Return a socket connected to the first address that takes it, with its PROXY header sent. Raises OSError.

    It is bound to ``source`` first, where that is of the address's kind.
    """
    endpoints = _resolve(door, deadline)
    failure = OSError(0, "name does not resolve")
    for tried, (family, endpoint) in enumerate(endpoints):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            if source and (":" in source) == (family == socket.AF_INET6):
                connection.bind((source, 0))
            connection.settimeout(deadline.left() / (len(endpoints) - tried))
            connection.connect(endpoint)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if door.proxied:
                connection.sendall(_proxy_header(connection))
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _proxy_header(connection: socket.socket) -> bytes:
    """Return the header that tells the connection's own ends (PROXY protocol, section 2.1: version 1)."""
    (source, source_port), (address, port) = connection.getsockname()[:2], connection.getpeername()[:2]
    family = "TCP6" if connection.family == socket.AF_INET6 else "TCP4"
    return f"PROXY {family} {source} {address} {source_port} {port}\r\n".encode("ascii")


def _resolve(door: Door, deadline: Deadline) -> list[tuple[int, Any]]:
    """Return family and socket address of each address of a host, in the time there is: resolvers are patient."""
    with suppress(OSError, UnicodeError):
        return _look_up(door, socket.AI_NUMERICHOST)
    found: list[tuple[int, Any]] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(_look_up(door))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(deadline.left())
    deadline.left()
    return found


def _look_up(door: Door, flags: int = 0) -> list[tuple[int, Any]]:
    entries = socket.getaddrinfo(door.address, door.port, type=socket.SOCK_STREAM, flags=flags)
    return [(entry[0], entry[4]) for entry in entries]
