# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes and sockets of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_listening_socket_is_found_with_its_holder(family: socket.AddressFamily) -> None:
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        [inode] = [inode for where, number, inode in processes.listening() if (where, number) == (address, port)]
        assert inode in processes.inodes(os.getpid())
        assert f"(process {os.getpid()})" in processes.holder(inode)
    assert port not in [number for where, number, _inode in processes.listening() if where == address]


def test_a_process_that_is_gone_was_started_never() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert processes.started(child) == -1
    assert processes.started(os.getpid()) > 0


@pytest.mark.parametrize("name", ["stdin", "ttyout"])
def test_what_a_sudo_above_records_of_its_input_is_found(name: str, tmp_path: Path) -> None:
    shutil.copy("/bin/sh", tmp_path / "sudo")
    asks = (
        "import sys; sys.path[:0] = sys.argv[1:]; "
        "from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes; "
        "print(processes.recording())"
    )
    words = f'exec 7>>{tmp_path}/{name}; (/bin/sh -c \'"$@"; true\' sh "$@"); true'
    asked = subprocess.run(
        [tmp_path / "sudo", "-c", words, "sudo", sys.executable, "-c", asks, *sys.path],
        check=True,
        capture_output=True,
        text=True,
    )
    assert asked.stdout == (f"{tmp_path}/stdin\n" if name == "stdin" else "\n")
