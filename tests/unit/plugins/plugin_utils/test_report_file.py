# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report replaces the one before it as a whole, or not at all."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.report_file import replace_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_report_that_finds_no_room_leaves_the_old_one_and_nothing_beside_it(size: int, tmp_path: Path) -> None:
    report = tmp_path / "fleet.md"
    replace_file(str(report), "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, hard))  # Python takes no signal for it.
    try:
        with pytest.raises(OSError, match="File too large"):
            replace_file(str(report), "x" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert report.read_text() == "old"
    assert list(tmp_path.iterdir()) == [report]
    replace_file(str(report), "x" * size)
    assert report.stat().st_size == size


def test_a_byte_that_is_no_character_does_not_lose_the_report(tmp_path: Path) -> None:
    report = tmp_path / "fleet.json"
    replace_file(str(report), json.dumps("/etc/h\udcf6st", ensure_ascii=False))
    assert json.loads(report.read_text(encoding="utf-8")) == "/etc/h\udcf6st"
