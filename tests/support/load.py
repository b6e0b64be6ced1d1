# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that ask a site at a steady rate, in all the ways in which clients do."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from demo_material import CHAT_CA_NAME, Authority, Issued, write
from host import DOMAIN

if TYPE_CHECKING:
    from pathlib import Path

PAUSE = 0.02  # between two requests of one client: a steady rate that leaves the machine to the server


@dataclass
class Load:
    """Clients of one client CA that ask without end, in all the ways in which clients do, and strangers beside them."""

    port: int
    folder: Path
    address: str = "127.0.0.1"
    status: int = 200  # what clients are to be answered
    answered: int = 0
    resumed: Counter[str | None] = field(default_factory=Counter)  # by version of the protocol
    turned_away: int = 0
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, *clients: Issued) -> None:
        """Start each client, keep-alive and anew, over TLS 1.2 and 1.3, and strangers.

        These have no certificate, or one of another CA with the client CA's name.
        """
        other = Authority(CHAT_CA_NAME).issue(client=True, common_name="Chat")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for number, client in enumerate(clients):
                context = self._context(version, client, str(number))
                self._threads += [
                    threading.Thread(target=self._keep_alive, args=(context,)),
                    threading.Thread(target=self._anew, args=(context,)),
                ]
            for context in (self._context(version), self._context(version, other, "stranger")):
                self._threads.append(threading.Thread(target=self._stranger, args=(context,)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop all clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _context(self, version: ssl.TLSVersion, client: Issued | None = None, name: str = "") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if client:
            write(self.folder, f"{name}.crt", client.full_pem)
            write(self.folder, f"{name}.key", client.key_pem)
            context.load_cert_chain(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        return context

    def _keep_alive(self, context: ssl.SSLContext) -> None:
        """Ask again on one connection. One that the server closed while it idled is opened anew (RFC 9112, 9.3.1)."""
        connection = self._connection(context)
        while not self._stop.wait(PAUSE):
            for used in (connection.sock is not None, False):
                try:
                    connection.request("GET", "/")
                    self._count(connection.getresponse())
                    break
                except (
                    http.client.RemoteDisconnected,
                    BrokenPipeError,
                    ConnectionResetError,
                    ssl.SSLEOFError,
                ) as error:
                    connection.close()
                    if not used:
                        self.wrong.append(f"keep-alive: {error!r}")
                        break
                except OSError as error:
                    self.wrong.append(f"keep-alive: {error!r}")
                    connection.close()
                    break
        connection.close()

    def _anew(self, context: ssl.SSLContext) -> None:
        """Ask on a connection of its own each time, which resumes the session of the one before it."""
        session = None
        while not self._stop.wait(PAUSE):
            connection = self._connection(context)
            try:
                plain = socket.create_connection((self.address, self.port), timeout=10)
                connection.sock = channel = context.wrap_socket(plain, server_hostname=DOMAIN, session=session)
                self.resumed[channel.version()] += bool(channel.session_reused)
                connection.request("GET", "/", headers={"Host": DOMAIN, "Connection": "close"})
                response = connection.getresponse()
                session = channel.session  # TLS 1.3 grants it after the handshake.
                self._count(response)
            except OSError as error:
                self.wrong.append(f"a new connection: {error!r}")
            finally:
                connection.close()

    def _stranger(self, context: ssl.SSLContext) -> None:
        while not self._stop.wait(PAUSE):
            connection = self._connection(context)
            try:
                connection.request("GET", "/")
                self.wrong.append(f"a stranger got in: {connection.getresponse().status}")
            except OSError:
                self.turned_away += 1
            finally:
                connection.close()

    def _connection(self, context: ssl.SSLContext) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.address, self.port, context=context, timeout=10)

    def _count(self, response: http.client.HTTPResponse) -> None:
        response.read()
        if response.status == self.status:
            self.answered += 1
        else:
            self.wrong.append(f"answered {response.status}")
