# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logs are read with what a rotation made of them, within bounds, and by no link that somebody else could have set."""

from __future__ import annotations

import gzip
import os
import time
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds, LogFiles

if TYPE_CHECKING:
    from pathlib import Path

NAME = "www.example.com-access.log"


@pytest.fixture
def logs(short_path: Path) -> Path:
    folder = short_path / "logs"
    folder.mkdir()
    return folder


def read(logs: Path, *, since: float = 0.0, size: int = 1 << 20, seconds: float = 10.0) -> tuple[list[str], list[str]]:
    """Return the lines of the log, and what could not be read."""
    files = LogFiles(str(logs / NAME), Bounds(since, size=size, seconds=seconds))
    lines = list(files.lines())
    return lines, [fault.message for fault in files.faults]


def write(path: Path, text: str, *, days: float = 0.0) -> None:
    """Write a log that was written to last so many days ago."""
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    moment = time.time() - days * 86400
    os.utime(path, (moment, moment))


@pytest.mark.parametrize(
    "name",
    [
        f"{NAME}.1",
        f"{NAME}.2.gz",
        f"{NAME}-20261128",
        f"{NAME}-20261128.gz",
        f"{NAME}-2026-11-28",
        f"{NAME}.1795449600",
        "www.example.com-access-20261128.log",
        "www.example.com-access-20261128.log.gz",
    ],
)
def test_what_a_rotation_made_of_a_log_is_read_after_it(logs: Path, name: str) -> None:
    write(logs / NAME, "third\nfourth\n")
    write(logs / name, "first\nsecond\n", days=1)
    assert read(logs) == (["third", "fourth", "first", "second"], [])


@pytest.mark.parametrize(
    "name",
    [
        f"{NAME}.old",
        f"{NAME}~",
        f"{NAME}.1.txt",
        f"a{NAME}",
        "www.example.com-access-2.log",
        "www.example.com.example.com-access.log",
        "shop.example.com-access.log",
        "www.example.com-error.log",
    ],
)
def test_the_log_of_another_is_not(logs: Path, name: str) -> None:
    write(logs / NAME, "mine\n")
    write(logs / name, "theirs\n")
    assert read(logs) == (["mine"], [])


def test_a_log_that_was_not_written_to_since_is_not_opened(logs: Path) -> None:
    write(logs / NAME, "new\n")
    write(logs / f"{NAME}.1", "old\n", days=40)
    assert read(logs, since=time.time() - 30 * 86400) == (["new"], [])


def test_of_a_log_that_is_too_long_the_end_is_read_and_that_is_said(logs: Path) -> None:
    write(logs / NAME, "".join(f"line {number}\n" for number in range(1000)))
    write(logs / f"{NAME}.1", "older\n", days=1)
    lines, faults = read(logs, size=50)
    assert lines == [f"line {number}" for number in range(995, 1000)]
    assert [f"{logs / NAME}: not all of it was read" in fault for fault in faults] == [True]


def test_a_packed_log_is_unpacked_no_further_than_the_bounds_allow(logs: Path) -> None:
    write(logs / NAME, "")
    write(logs / f"{NAME}.1.gz", "0" * 100 + "\n" + "\n" * 50_000_000)
    bounds = Bounds(0.0, size=1 << 20, seconds=10)
    files = LogFiles(str(logs / NAME), bounds)
    assert next(files.lines()) == "0" * 100
    assert sum(1 for _line in files.lines()) < 1 << 20
    assert bounds.left == 0
    assert "not all of it was read" in files.faults[0].message


def test_what_takes_too_long_is_left_and_that_is_said(logs: Path) -> None:
    write(logs / NAME, "line\n")
    lines, faults = read(logs, seconds=-1)
    assert lines == []
    assert "not all of it was read" in faults[0]


def test_a_line_without_end_fills_no_memory(logs: Path) -> None:
    write(logs / NAME, "x" * 5_000_000 + "\nnext\n")
    lines, faults = read(logs, size=1 << 23)
    assert [len(line) for line in lines] == [1 << 16, 4]
    assert faults == []


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"line\n" * 1000, mtime=0)[:-20], b"\x1f\x8b\x08\x00" + b"\xff" * 99],
    ids=["none", "cut off", "nonsense"],
)
def test_a_damaged_packed_log_hides_nothing_else(logs: Path, content: bytes) -> None:
    write(logs / NAME, "line\n")
    (logs / f"{NAME}.2.gz").write_bytes(content)
    write(logs / f"{NAME}.3.gz", "older\n", days=3)
    lines, faults = read(logs)
    assert [lines[0], lines[-1]] == ["line", "older"]
    assert [f"{NAME}.2.gz: " in fault for fault in faults] == [True]


def test_a_packed_log_of_several_members_is_read_whole(logs: Path) -> None:
    write(logs / NAME, "line\n")
    (logs / f"{NAME}.2.gz").write_bytes(gzip.compress(b"one\n" * 90_000) + gzip.compress(b"two\n"))
    lines, faults = read(logs)
    assert (len(lines), lines[-1], faults) == (90_002, "two", [])


def test_what_pads_a_packed_log_takes_no_time(logs: Path) -> None:
    write(logs / NAME, "line\n")
    with (logs / f"{NAME}.2.gz").open("wb") as packed:
        packed.write(gzip.compress(b"older\n"))
        packed.truncate(1 << 36)
    begun = time.monotonic()
    lines, faults = read(logs)
    assert (lines, faults) == (["line", "older"], [])
    assert time.monotonic() - begun < 5


def test_one_that_is_packed_otherwise_is_named(logs: Path) -> None:
    write(logs / NAME, "line\n")
    (logs / f"{NAME}.2.xz").write_bytes(b"")
    lines, faults = read(logs)
    assert lines == ["line"]
    assert "packed in a way that is not read" in faults[0]


def test_a_link_of_roots_or_the_servers_own_user_is_followed(logs: Path, short_path: Path) -> None:
    write(short_path / "elsewhere", "line\n", days=2)
    (logs / NAME).symlink_to(short_path / "elsewhere")
    assert read(logs, since=time.time() - 86400 * 30) == (["line"], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("theirs", ["the link", "its target", "a folder on the way"])
def test_a_link_that_somebody_else_could_set_is_not_followed(logs: Path, short_path: Path, theirs: str) -> None:
    secret = short_path / "private" / "secret"
    secret.parent.mkdir()
    write(secret, "a secret line\n")
    (logs / NAME).symlink_to(secret)
    given = {"the link": logs / NAME, "its target": secret, "a folder on the way": secret.parent}[theirs]
    os.lchown(given, 65534, 65534)
    lines, faults = read(logs)
    assert lines == []
    assert "can be changed by others" in faults[0]
    assert "a secret" not in faults[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_in_a_folder_of_the_servers_other_user_logs_are_read_and_links_are_not(logs: Path, short_path: Path) -> None:
    write(short_path / "secret", "a secret line\n")
    write(logs / NAME, "line\n")
    (logs / f"{NAME}.1").symlink_to(short_path / "secret")
    for path in (logs, logs / NAME, logs / f"{NAME}.1"):
        os.lchown(path, 65534, 65534)
    lines, faults = read(logs)
    assert lines == ["line"]
    assert "can be changed by others" in faults[0]


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_plain_file_is_not_read_and_holds_nothing_up(logs: Path, kind: str) -> None:
    os.mkfifo(logs / NAME) if kind == "pipe" else (logs / NAME).mkdir()
    lines, faults = read(logs)
    assert lines == []
    assert "it is no plain file" in faults[0]


def test_a_log_that_is_not_there_is_said(logs: Path) -> None:
    assert read(logs) == ([], [f"{logs / NAME}: there is no such file"])
    assert read(logs / "none") == ([], [f"{logs / 'none' / NAME}: there is no such file"])
