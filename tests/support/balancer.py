# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A load balancer of layer 4: it passes bytes on, and may say in a PROXY header whose they are."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def balancing(address: str, backend: str, port: int, *, header: bool) -> Iterator[None]:
    """Pass on what comes to a port of `address`, from there, to the same port of `backend`; both are IPv4."""
    with socket.create_server((address, port)) as front:
        threading.Thread(target=_accept, args=(front, backend, port, header), daemon=True).start()
        try:
            yield
        finally:
            front.shutdown(socket.SHUT_RDWR)


def _accept(front: socket.socket, backend: str, port: int, header: bool) -> None:
    with suppress(OSError):  # Its end is the front's.
        while True:
            client, _source = front.accept()
            threading.Thread(target=_pass_on, args=(client, backend, port, header), daemon=True).start()


def _pass_on(client: socket.socket, backend: str, port: int, header: bool) -> None:
    (source, source_port), (address, _port) = client.getpeername(), client.getsockname()
    with suppress(OSError), client, socket.create_connection((backend, port), source_address=(address, 0)) as server:
        if header:
            server.sendall(f"PROXY TCP4 {source} {address} {source_port} {port}\r\n".encode())
        other = {client: server, server: client}
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                other[ready].sendall(data)
