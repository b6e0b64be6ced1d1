# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about the verdict tells what the code does."""

from __future__ import annotations

import runpy
from pathlib import Path

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import CODES

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_of_the_page_are_those_of_the_code_and_the_tests() -> None:
    tool = runpy.run_path(str(ROOT / "tests/support/verdict_tables.py"))
    page = (ROOT / "docs/verdict.md").read_text(encoding="utf-8")
    assert all(f"| `{code}` |" in page for code in CODES)
    assert tool["renewed"](page) == page, "run: python tests/support/verdict_tables.py"
