# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long site_info asks from the controller where somebody listens and says nothing."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import Authority, write

from ansible_collections.mtls.httpd.plugins.action import site_info
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Clients
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT = 0.5
PATHS = [f"/p{number}" for number in range(16)]


@contextmanager
def listening(
    context: ssl.SSLContext | None = None, answered: str = "", delay: float = 0
) -> Iterator[tuple[int, list[str]]]:
    """Listen and say nothing; with a context, answer at paths with that in them, after a while.

    Yield the port, and what was asked.
    """
    heard: list[str] = []
    kept: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        if context is None:
            return
        try:
            channel = context.wrap_socket(connection, server_side=True)
            kept.append(channel)
            path = channel.recv(2000).split()[1].decode()
            heard.append(path)
            time.sleep(delay)
            if answered in path:
                channel.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                channel.close()
        except (OSError, IndexError):
            pass

    def accept() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            kept.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
        for each in kept:
            each.close()


def examine(port: int, sites: int, paths: list[str]) -> tuple[dict[str, set[str]], float]:
    """Return what is found at so many sites, and in how many seconds."""
    asked: list[dict[str, Any]] = [
        {
            "address": "127.0.0.1",
            "port": port,
            "server_name": f"s{number}.example.com",
            "path": path,
            "expect": "enforced",
            "status_suffices": True,
        }
        for path in paths
        for number in range(sites)
    ]
    begun = time.monotonic()
    found = site_info._examine(asked, Clients(untrusted=make_probes().stranger), TIMEOUT)
    return dict(found), time.monotonic() - begun


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """Return what serves any name, and asks for a client certificate without needing one."""
    authority = Authority("Root CA")
    issued = authority.issue("s0.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    write(tmp_path, "s.crt", issued.full_pem)
    write(tmp_path, "s.key", issued.key_pem)
    context.load_cert_chain(tmp_path / "s.crt", tmp_path / "s.key")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def test_a_site_whose_sixteen_paths_hang_costs_its_time_once() -> None:
    with listening() as (port, _heard):
        found, spent = examine(port, 1, PATHS)
    assert found == {"s0.example.com": {"unproven"}}
    assert spent < 2.5 * TIMEOUT + 1


def test_a_site_of_which_the_first_path_alone_answers_costs_its_time_once(context: ssl.SSLContext) -> None:
    with listening(context, "/p0") as (port, heard):
        found, spent = examine(port, 1, [PATHS[0], *PATHS])
    assert "unproven" in found["s0.example.com"]
    assert "/p0" in heard
    assert spent < 3.5 * TIMEOUT + 1


def test_three_hundred_sites_that_hang_are_given_up_and_none_is_forgotten() -> None:
    with listening() as (port, _heard):
        found, spent = examine(port, 300, PATHS)
    assert found == {f"s{number}.example.com": {"unproven"} for number in range(300)}
    assert spent < 6 * TIMEOUT + 3


def test_each_path_of_sites_that_answer_is_asked_for(context: ssl.SSLContext) -> None:
    with listening(context) as (port, heard):
        found, _spent = examine(port, 3, PATHS)
    assert {*heard} == {*PATHS}
    assert len(found) == 3


def test_sites_that_are_healthy_by_their_status_are_asked_to_the_end_however_slow_they_are(
    context: ssl.SSLContext,
) -> None:
    with listening(context, delay=TIMEOUT / 3) as (port, _heard):
        found, spent = examine(port, 10, PATHS)
    assert found == {f"s{number}.example.com": {"enforced"} for number in range(10)}
    assert spent > site_info._PATIENCE * TIMEOUT
