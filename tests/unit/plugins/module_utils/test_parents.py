# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an httpd is called, and what is none, without a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find, parents
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands, processes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["-k", "start"], ()),
        (["-d", "/r", "-f", "c", "-k", "start"], ("-d", "/r", "-f", "c")),
        (["-DFOREGROUND", "-DSSL"], ("-D", "FOREGROUND", "-D", "SSL")),
        (["-C", "Listen 1", "-c", "Listen 2", "-X"], ("-C", "Listen 1", "-c", "Listen 2")),
        (["-e", "debug", "-E", "/log", "-D", "X"], ("-D", "X")),
        (["-Xf", "c", "-XDSSL"], ("-f", "c", "-D", "SSL")),
        (["-D"], ("-D", "")),
    ],
)
def test_of_a_command_line_what_says_which_configuration_is_kept(words: list[str], kept: tuple[str, ...]) -> None:
    assert parents.configuration_arguments(words) == kept


@pytest.mark.parametrize(
    ("words", "serves"),
    [
        ("", True),
        ("-k start", True),
        ("-DFOREGROUND -k start -f t.conf -d /S -D DUMP_VHOSTS", True),
        ("-t", False),
        ("-f a.conf -tD DUMP_VHOSTS", False),
        ("-S", False),
        ("-k stop", False),
        ("-kgraceful-stop", False),
        ("-k restart", False),  # of a process that listens nowhere
        ("-X -D MTLS_HTTPD_REHEARSAL", False),
        ("-DMTLS_HTTPD_REHEARSAL -X", False),
        ("-X", True),
        ("-XDVHOSTS -f t.conf", True),
        ("-XDMTLS_HTTPD_REHEARSAL", False),
    ],
)
def test_a_command_line_tells_a_server_from_a_question(words: str, serves: bool) -> None:
    assert parents._serves(0, words.split()) is serves


def test_a_binary_that_is_no_httpd_is_refused() -> None:
    with pytest.raises(commands.HttpdError, match="/bin/true does not answer"):
        find.find("/bin/true")
    with pytest.raises(commands.HttpdError, match="httpd_binary: /nonexistent is not an executable file"):
        find.find("/nonexistent")
    with pytest.raises(commands.HttpdError, match="httpd_config: /nonexistent is not a file"):
        find.find(None, "/nonexistent")


@pytest.mark.parametrize("name", ["httpd_binary", "httpd_config"])
def test_what_is_no_absolute_path_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(commands.HttpdError, match=f"^{name}: what is given is not an absolute path,"):
        find.find(**{name.removeprefix("httpd_"): "correct horse battery"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another user's file")
def test_a_binary_that_somebody_else_could_change_is_not_run(tmp_path: Path) -> None:
    mark, binary = tmp_path / "mark", tmp_path / "theirs" / "httpd"
    binary.parent.mkdir()
    binary.write_text(f"#!/bin/sh\ntouch {mark}\necho Server version: Apache/2.4.99\n")
    binary.chmod(0o755)
    os.chown(binary.parent, 65534, -1)
    with pytest.raises(commands.HttpdError, match=r"httpd_binary: .*/theirs can be changed by others"):
        find.find(str(binary))
    (tmp_path / "link").symlink_to(binary)
    with pytest.raises(commands.HttpdError, match=r"httpd_binary: .*/theirs can be changed by others"):
        find.find(str(tmp_path / "link"))
    assert not mark.exists()
    os.chown(binary.parent, 0, -1)
    with suppress(commands.HttpdError):
        find.find(str(binary))
    assert mark.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another user's file")
def test_a_configuration_that_somebody_else_could_change_is_not_read(tmp_path: Path) -> None:
    mark, binary, config = tmp_path / "mark", tmp_path / "httpd", tmp_path / "theirs" / "httpd.conf"
    binary.write_text(f"#!/bin/sh\ntouch {mark}\necho Server version: Apache/2.4.99\n")
    binary.chmod(0o755)
    config.parent.mkdir()
    config.write_text("")
    os.chown(config.parent, 65534, -1)
    with pytest.raises(commands.HttpdError, match=r"httpd_config: .*/theirs can be changed by others"):
        find.find(str(binary), str(config))
    assert not mark.exists()
    os.chown(config.parent, 0, -1)
    with suppress(commands.HttpdError):
        find.find(str(binary), str(config))
    assert mark.exists()


@pytest.mark.parametrize(("program", "known"), [("apache2", True), ("apache_exporter", False)])
def test_a_process_that_a_module_has_renamed_is_known_by_its_program(tmp_path: Path, program: str, known: bool) -> None:
    shutil.copy(shutil.which("sleep") or "", tmp_path / program)
    (tmp_path / "renamed").symlink_to(tmp_path / program)
    with subprocess.Popen([tmp_path / "renamed", "60"]) as process:
        try:
            deadline = time.monotonic() + 5
            while (stat := processes.process(process.pid)) and stat.name != "renamed" and time.monotonic() < deadline:
                time.sleep(0.01)
            assert stat is not None
            assert stat.name == "renamed"
            assert parents.is_httpd(process.pid, stat) == known
        finally:
            process.kill()
