# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Names that this machine's resolver is asked for, all at once, and for no longer than is said."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MANY = 64  # as many threads at most


def look_up(names: Iterable[str], seconds: float) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each name that was answered for within so many seconds; none for one that has none.

    getaddrinfo(3) has no time limit, and a resolver that does not answer costs it ten seconds for each name. So a child
    asks, which is ended.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            _ask_all(wanted, write)
        finally:
            os._exit(0)
    os.close(write)
    try:
        said = _read_until(read, time.monotonic() + seconds)
    finally:
        os.close(read)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    lines = said.decode().split("\n")[:-1]  # what stands behind the last end of line was cut off
    return {name: tuple(addresses) for name, addresses in map(json.loads, lines)}


def resolve(name: str) -> list[str]:
    """Return the addresses of a name, in the resolver's order and time; none for one that has none."""
    with suppress(OSError, ValueError):
        return list(dict.fromkeys(str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)))
    return []


def _ask_all(names: list[str], pipe: int) -> None:
    lock, left = threading.Lock(), list(reversed(names))

    def ask() -> None:
        while True:
            with lock:
                if not left:
                    return
                name = left.pop()
            addresses = resolve(name)
            with lock:
                os.write(pipe, json.dumps([name, addresses]).encode() + b"\n")

    threads = [threading.Thread(target=ask) for _number in range(min(_MANY, len(names)))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _read_until(pipe: int, deadline: float) -> bytes:
    said = b""
    while True:
        ready, _writable, _failed = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        more = os.read(pipe, 65536) if ready else b""
        if not more:
            return said
        said += more
