# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A connection that is kept for many requests of HTTP/1, each sent as it is, and read to the end of its answer."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import client_context
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.connecting import Deadline, connect

if TYPE_CHECKING:
    import socket

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Identity, Question

_LONGEST = 1 << 20
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:[^\r]*chunked")
_ENDS = re.compile(rb"(?i)\r\nconnection:\s*close")


class Reply(NamedTuple):
    """What came for a request: the status, 0 where none came, and all that was received."""

    status: int
    received: bytes


@dataclass
class Kept:
    """A connection to a server, which is made anew where the server ended it.

    C(version): of TLS, empty for plain HTTP. C(server_name): goes as SNI, unless it is empty. C(source): the address to
    call from. C(seconds): for each request.
    """

    door: Door
    version: str = ""
    server_name: str = ""
    identity: Identity | None = None
    source: str = ""
    seconds: float = 5.0

    def __post_init__(self) -> None:
        """Begin without a connection."""
        self._connection: socket.socket | None = None

    def ask(self, request: bytes) -> Reply:
        """Send a request, and return what comes. Nothing that a peer does is an error: it is no answer then."""
        was_kept = self._connection is not None
        reply = self._ask(request)
        # The server may end a kept connection at any time (RFC 9112, section 9.3.1).
        return self._ask(request) if was_kept and not reply.status else reply

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _ask(self, request: bytes) -> Reply:
        deadline = Deadline(self.seconds)
        received = b""
        ends = True
        try:
            connection = self._connection or self._connect(deadline)
            connection.settimeout(deadline.left())
            with suppress(OSError):  # It may have answered already, and read no more.
                connection.sendall(request)
            while len(received) < _LONGEST and not _is_whole(received):
                connection.settimeout(deadline.left())
                more = connection.recv(1 << 16)
                if not more:
                    break
                received += more
            else:
                ends = bool(_ENDS.search(received)) or received.startswith(b"HTTP/1.0")
        except (OSError, ValueError):
            pass
        if ends:
            self.close()
        found = _STATUS_LINE.match(received)
        return Reply(int(found[1]) if found else 0, received)

    def _connect(self, deadline: Deadline) -> socket.socket:
        plain = connect(self.door, deadline, self.source)
        self._connection = plain
        if self.version:
            plain.settimeout(deadline.left())
            context = client_context(self.identity, self.version)
            try:
                self._connection = context.wrap_socket(plain, server_hostname=self.server_name or None)
            except (OSError, ValueError):
                plain.close()
                self._connection = None
                raise
        return self._connection


def _is_whole(received: bytes) -> bool:
    """Whether an answer has come to its end, as far as it tells itself where that is (RFC 9112, section 6.3)."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    status = _STATUS_LINE.match(head)
    if status and status[1] in (b"204", b"304"):
        return True
    if _CHUNKED.search(head):
        return body.endswith(b"0\r\n\r\n")
    length = _LENGTH.search(head)
    return length is not None and len(body) >= int(length[1])


def digest_page(door: Door, question: Question, seconds: float) -> str:
    """Return the SHA-256 of what a client is answered with, by GET and over HTTP/1.1; empty for nothing.

    An empty page, or one of httpd's own about an error, is none by which a refusal is to be told from an answer.
    """
    host = question.server_name if door.port == 443 else f"{question.server_name}:{door.port}"
    kept = Kept(door, question.version, question.server_name, question.identity, question.source or "", seconds)
    lines = (f"GET {question.path} HTTP/1.1", f"Host: {host}", f"User-Agent: {USER_AGENT}", "Connection: close", "", "")
    reply = kept.ask("\r\n".join(lines).encode("ascii", "replace"))
    kept.close()
    _head, _end, page = reply.received.partition(b"\r\n\r\n")
    return hashlib.sha256(page).hexdigest() if page and 200 <= reply.status < 300 else ""
