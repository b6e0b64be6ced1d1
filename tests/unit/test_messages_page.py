# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about messages tells every code that a run can return, with what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.mtls.httpd.plugins.module_utils._machine import fault
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.code_remedies import REMEDIES
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import CODES, SITE_CODES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")


def test_the_page_is_made_of_the_tables_as_they_are() -> None:
    program = [sys.executable, ROOT / "tests" / "support" / "messages_page.py"]
    made = subprocess.run(program, capture_output=True, check=True).stdout.decode()
    assert made == PAGE, "run: make generate"


def test_every_code_has_its_line_with_what_to_do() -> None:
    for code, (_meaning, remedy) in fault.CODES.items():
        assert f"| `{code}` |" in PAGE
        assert f"| {remedy} |" in PAGE
    for code in (*CODES, *SITE_CODES):
        assert f"| `{code}` |" in PAGE
        assert f"| {REMEDIES[code]} |" in PAGE


def test_nothing_is_said_to_do_about_a_code_that_there_is_not() -> None:
    assert set(REMEDIES) == {*CODES, *SITE_CODES}


def test_no_code_means_two_things() -> None:
    assert not set(fault.CODES) & {*CODES, *SITE_CODES}


def test_the_page_is_found_from_the_index() -> None:
    assert "(messages.md)" in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
