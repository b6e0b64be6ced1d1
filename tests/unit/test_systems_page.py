# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of systems tells what the tests found on every host that they boot."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from systems import RECORDED, SYSTEMS

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "tests" / "faults"


def test_the_page_is_made_of_what_was_recorded() -> None:
    program = [sys.executable, ROOT / "tests" / "support" / "systems.py"]
    made = subprocess.run(program, capture_output=True, check=True).stdout.decode()
    assert made == (ROOT / "docs" / "systems.md").read_text(encoding="utf-8"), "run: make generate"


def test_each_host_that_is_booted_is_told_and_no_other() -> None:
    images = re.findall(
        r"(?m)^(?:names='|passing=\")(.*)['\"]$", (ROOT / "tests" / "support" / "containers").read_text()
    )
    assert len(images) == 2
    layouts, stock = ((FAULTS / f"test_{name}.py").read_text() for name in ("layouts", "stock_layouts"))
    hosts = re.findall(r'(?m)^    "([a-z0-9 ]+)": \(', layouts)
    files = re.findall(r'"([a-z0-9-]+)": "', re.findall(r"(?m)^IMAGES = .*$", stock)[0])
    assert len(hosts) == 4
    assert len(files) == 3
    assert set(SYSTEMS) == {*re.findall(r"[a-z]+[0-9]*", " ".join(images).replace("LONG:+", "")), *hosts, *files}
    assert set(json.loads(RECORDED.read_text())) == set(SYSTEMS)


def test_the_page_is_found_from_the_index_and_from_the_front() -> None:
    assert "(systems.md)" in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert "(docs/systems.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
