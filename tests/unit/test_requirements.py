# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How old cryptography may be is the same wherever it is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import OLDEST_CRYPTOGRAPHY

ROOT = Path(__file__).resolve().parents[2]
PLACES = [
    path
    for pattern in ("README.md", "docs/**/*.md", "meta/*", "plugins/**/*.py", "plugins/**/*.yml", "pyproject.toml")
    for path in sorted(ROOT.glob(pattern))
]
NEED = re.compile(r"cryptography[`)']*,?\s*(?:>=|==|~=|<)?\s*(\d+)(?:\.\d+)*", re.IGNORECASE)
SAYS = [path for path in PLACES if NEED.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("place", SAYS, ids=lambda path: path.name)
def test_every_place_names_the_version_that_the_code_asks_for(place: Path) -> None:
    assert set(NEED.findall(place.read_text(encoding="utf-8"))) == {str(OLDEST_CRYPTOGRAPHY)}


@pytest.mark.parametrize(
    "place",
    [
        "README.md",
        "meta/ee-requirements.txt",
        "plugins/filter/certificate.yml",
        *(f"plugins/modules/{name}.py" for name in ("handshake_info", "sites", "validate_certificate")),
    ],
)
def test_whoever_needs_it_says_so(place: str) -> None:
    assert ROOT / place in SAYS
