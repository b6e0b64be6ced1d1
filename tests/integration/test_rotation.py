# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and client CAs replaced under load: no request is lost, and no stranger gets in."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from demo_material import CHAT_CA_NAME, Authority, Issued, write
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, Host, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.module_utils import _handshake

ROTATIONS = 50 if os.environ.get("LONG") else 6
PAUSE = 0.02  # between two requests of one client: a steady rate that leaves the machine to the server


@dataclass
class Load:
    """Clients of one client CA that ask without end, in all the ways in which clients do, and strangers beside them."""

    port: int
    folder: Path
    answered: int = 0
    turned_away: int = 0
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, *clients: Issued) -> None:
        """Start each client, keep-alive and anew, over TLS 1.2 and 1.3, and strangers without a certificate."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for number, client in enumerate(clients):
                context = self._context(version)
                write(self.folder, f"{number}.crt", client.full_pem)
                write(self.folder, f"{number}.key", client.key_pem)
                context.load_cert_chain(self.folder / f"{number}.crt", self.folder / f"{number}.key")
                self._threads += [
                    threading.Thread(target=self._keep_alive, args=(context,)),
                    threading.Thread(target=self._anew, args=(context,)),
                ]
            self._threads.append(threading.Thread(target=self._stranger, args=(self._context(version),)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop all clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _context(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
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
        while not self._stop.wait(PAUSE):
            connection = self._connection(context)
            try:
                connection.request("GET", "/", headers={"Connection": "close"})
                self._count(connection.getresponse())
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
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)

    def _count(self, response: http.client.HTTPResponse) -> None:
        response.read()
        if response.status == 200:
            self.answered += 1
        else:
            self.wrong.append(f"answered {response.status}")


@pytest.fixture(params=["event", "prefork"])
def host(
    request: pytest.FixtureRequest, short_path: Path, chat: Authority, probes: _handshake.Probes, authority: Authority
) -> Iterator[Host]:
    httpd = EmbeddedHttpd(short_path / "httpd", mpm=request.param)
    try:
        httpd.start()
        yield Host(httpd, authority, chat, free_port(), probes)
    finally:
        httpd.stop()


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid: int) -> int:
    """Return a process's resident memory in KiB."""
    with open(f"/proc/{pid}/status") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS:"))


def test_no_request_is_lost_and_no_stranger_gets_in_while_certificates_and_cas_are_replaced(
    host: Host, tmp_path: Path
) -> None:
    root = str(host.httpd.root / "site")
    other = Authority("Chat's next CA")
    host.apply(host.wish(document_root=root))
    load = Load(host.port, tmp_path)
    load.start(host.chat.issue(client=True, common_name="Chat"))
    try:
        time.sleep(0.5)
        pid = host.httpd.pid
        assert pid
        before = descriptors(pid), resident(pid)
        for number in range(ROTATIONS):
            # The certificate, then the CA (with the present one still in it), then both.
            cas = host.chat.pem + (other.pem if number % 3 else b"")
            wish = host.wish(document_root=root, client_ca=cas)
            host.apply(wish)
            assert host.served() == fingerprint(wish)
        time.sleep(0.5)
        after = descriptors(pid), resident(pid)
    finally:
        load.stop()
    assert load.wrong == []
    assert load.answered > 20 * ROTATIONS
    assert load.turned_away > 10 * ROTATIONS
    assert host.httpd.pid == pid, "the parent is the same process"
    assert after[0] <= before[0] + 2
    assert after[1] < before[1] + 20_000 + 200 * ROTATIONS


def test_a_ca_rollover_serves_the_clients_of_both_and_then_of_the_new_one_alone(host: Host, tmp_path: Path) -> None:
    root = str(host.httpd.root / "site")
    new = Authority(CHAT_CA_NAME + " 2")
    old_client, new_client = (ca.issue(client=True, common_name="Chat") for ca in (host.chat, new))
    issued = host.public.issue(DOMAIN)

    def let_in() -> list[bool]:
        return [
            all(answer.result == "accepted" for answer in host.answers(client).values())
            for client in (old_client, new_client)
        ]

    for cas, wanted in (
        (host.chat.pem, [True, False]),
        (host.chat.pem + new.pem, [True, True]),
        (new.pem, [False, True]),
    ):
        host.apply(host.wish(issued=issued, document_root=root, client_ca=cas))
        assert let_in() == wanted
