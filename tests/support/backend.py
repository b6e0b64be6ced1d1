# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backend that takes down what it is asked, and a client that sends any bytes over TLS."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from identities import identity

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from demo_material import Issued

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@dataclass
class Backend:
    """A server on `listener` that answers each connection's first request with 200 and its own `name`.

    `asked`: heads of the requests. `bodies`: what came behind them. With `echo`, it agrees to upgrade, and then sends
    back what it gets. `delay`: seconds before the answer.
    """

    name: str
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    tls: ssl.SSLContext | None = None
    echo: bool = False
    delay: float = 0
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[Backend]:
        """Serve as long as the context lasts."""
        threading.Thread(target=self._serve, daemon=True).start()
        try:
            yield self
        finally:
            with suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.asked]

    def headers(self) -> list[tuple[str, str]]:
        """The headers of the last request, names as they were sent."""
        lines = self.asked[-1].split("\r\n")[1:]
        return [(name, value) for name, _colon, value in (line.partition(": ") for line in lines)]

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _address = self.listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with (
            suppress(OSError),
            connection,
            self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as channel,
        ):
            data = b""
            while b"\r\n\r\n" not in data:
                more = channel.recv(65536)
                if not more:
                    return
                data += more
            head, _end, body = data.partition(b"\r\n\r\n")
            self.asked.append(head.decode("latin-1"))
            self.bodies.append(body)
            time.sleep(self.delay)
            if self.echo and b"upgrade: websocket" in head.lower():
                channel.sendall(UPGRADED)
                while more := channel.recv(65536):
                    channel.sendall(more)
                return
            answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.name)}\r\nConnection: close\r\n\r\n{self.name}"
            channel.sendall(answer.encode())


def send(
    port: int,
    domain: str,
    request: bytes,
    client: Issued | None = None,
    *,
    version: str = "TLSv1.3",
    preface: bytes = b"",
    address: str = "127.0.0.1",
) -> tuple[int, str]:
    """Send any bytes to a site; return the status and the rest of the answer. 0 and the reason where there is none.

    The `preface` goes before the handshake, which names no `domain` (SNI) if that is empty.
    """
    context = client_context(identity(client) if client else None, version)
    answer = b""
    try:
        with (
            socket.create_connection((address, port), timeout=10) as plain,
            _prefaced(context, plain, domain, preface) as channel,
        ):
            channel.sendall(request)
            while more := channel.recv(65536):
                answer += more
    except OSError as error:  # A tunnel may end without a word.
        if not answer:
            return 0, str(error)
    line, _end, rest = answer.decode("latin-1").partition("\r\n")
    return int(line.split(" ")[1]) if line.startswith("HTTP/") else 0, rest


def _prefaced(context: ssl.SSLContext, plain: socket.socket, domain: str, preface: bytes) -> ssl.SSLSocket:
    plain.sendall(preface)
    return context.wrap_socket(plain, server_hostname=domain or None)


def get(
    port: int, domain: str, target: str, client: Issued | None = None, *headers: str, **how: Any
) -> tuple[int, str]:
    """Ask for a target as it is, nothing in it escaped or made plain; `how` as in `send`."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {domain}", "Connection: close", *headers, "", ""]
    return send(port, domain, "\r\n".join(lines).encode("latin-1"), client, **how)
