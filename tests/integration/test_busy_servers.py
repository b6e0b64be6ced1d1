# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers whose children all serve somebody: a reload without room for new ones is not made, and any other is."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from host import Host

SLOTS = 2
THREADS = 5
THREADED = (
    f"StartServers {SLOTS}\nServerLimit {{limit}}\nThreadLimit {THREADS}\nThreadsPerChild {THREADS}\n"
    f"MinSpareThreads 1\nMaxSpareThreads {THREADS * SLOTS}\nMaxRequestWorkers {THREADS * SLOTS}\n"
)
FORKED = f"StartServers {SLOTS}\nMinSpareServers 1\nMaxSpareServers {SLOTS}\nMaxRequestWorkers {{limit}}\n"
SETTINGS = {"event": THREADED, "worker": THREADED, "prefork": FORKED}


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> float:
    """Wait less long than a run does."""
    seconds = 2.0
    monkeypatch.setattr(room, "ROOM_SECONDS", seconds)
    return seconds


def limit(host: Host, mpm: str, slots: int = SLOTS, more: str = "") -> None:
    """Have the server run with an MPM and so many slots for children."""
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(
        re.sub(r"mpm_\w+_module modules/mod_mpm_\w+", f"mpm_{mpm}_module modules/mod_mpm_{mpm}", text)
    )
    host.add(f"{SETTINGS[mpm].format(limit=slots)}KeepAliveTimeout 20\n{more}")
    host.restart()


@contextmanager
def downloads(host: Host, count: int) -> Iterator[None]:
    """Have so many clients ask for a large file and read nothing of it."""
    large = host.httpd.root / "htdocs" / "large"
    large.touch()
    os.truncate(large, 100 << 20)
    with connections(host, count, "/large"):
        yield


@contextmanager
def connections(host: Host, count: int, path: str) -> Iterator[list[socket.socket]]:
    """Have so many clients ask for a path, each over a connection that stays."""
    with ExitStack() as open_until_the_end:
        clients = []
        for _number in range(count):
            client = open_until_the_end.enter_context(socket.create_connection(("127.0.0.1", host.httpd.port), 10))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            clients.append(client)
            time.sleep(0.05)  # so that the children take turns
        time.sleep(0.2)
        yield clients


def longest_wait(host: Host, until: threading.Event) -> float:
    """Return the longest time that a request took, of one after the other."""
    longest = 0.0
    while not until.is_set():
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", host.httpd.port), 30) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.recv(100)
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.1)
    return longest


def test_a_reload_without_room_for_new_children_is_not_made(host: Host, patience: float) -> None:
    limit(host, "event")
    with downloads(host, 8):
        began, over, waits = time.monotonic(), threading.Event(), []
        asking = threading.Thread(target=lambda: waits.append(longest_wait(host, over)))
        asking.start()
        message = host.refused(host.wish())
        over.set()
        asking.join()
    assert time.monotonic() - began > patience
    assert max(waits) < patience
    assert "a reload would leave the whole server without workers" in message
    assert f"ServerLimit ({host.httpd.conf}:" in message
    assert "Nothing was touched" in message
    report = host.apply(host.wish())
    assert report.reloaded
    assert not report.healed
    assert host.enforces()


def test_a_download_that_ends_in_time_is_waited_for(host: Host) -> None:
    limit(host, "event")
    with ExitStack() as held:
        held.enter_context(downloads(host, 8))
        ending = threading.Timer(1.5, held.close)
        ending.start()
        assert host.apply(host.wish()).reloaded
        ending.join()
    assert host.enforces()


@pytest.mark.parametrize(
    ("mpm", "slots", "clients"), [("event", 3, 8), ("event", SLOTS, 1), ("worker", SLOTS, 6), ("prefork", SLOTS, 1)]
)
def test_a_reload_is_made_where_there_is_room_for_one_child_more(
    host: Host, mpm: str, slots: int, clients: int
) -> None:
    limit(host, mpm, slots)
    with downloads(host, clients):
        assert host.apply(host.wish()).reloaded
        assert host.enforces()


@pytest.mark.parametrize(("mpm", "clients"), [("worker", SLOTS * THREADS), ("prefork", SLOTS)])
def test_every_thread_and_every_process_is_taken_where_each_connection_takes_one(
    host: Host, patience: float, mpm: str, clients: int
) -> None:
    limit(host, mpm)
    with downloads(host, clients):
        assert "MaxRequestWorkers and ServerLimit" in host.refused(host.wish())
    assert host.apply(host.wish()).reloaded


def test_idle_connections_are_let_go_by_a_reload(host: Host) -> None:
    limit(host, "event")
    with connections(host, 8, "/") as clients:
        for client in clients:
            client.recv(10000)
        assert host.apply(host.wish()).reloaded
        assert host.enforces()


def test_a_limit_that_a_restart_has_not_brought_in_yet_is_none(host: Host, patience: float) -> None:
    limit(host, "event")
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(text.replace(f"ServerLimit {SLOTS}", f"ServerLimit {SLOTS + 2}"))
    os.utime(host.httpd.conf, (time.time() + 1, time.time() + 1))
    with downloads(host, 8):
        assert "restart httpd" in host.refused(host.wish())
