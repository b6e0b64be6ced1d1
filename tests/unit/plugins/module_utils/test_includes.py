# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which line of the main file includes a file, by what httpd tells (-D DUMP_INCLUDES)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
from ansible_collections.mtls.httpd.plugins.module_utils._site.includes import find_including_line

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "ServerName x\nInclude \\\n  /one.conf\nUse READ\n<IfModule x>\n  IncludeOptional /two.conf\n</IfModule>\n"


@pytest.mark.parametrize(
    ("told", "line"),
    [(3, 2), (6, 6), (1, 0), (5, 0)],
    ids=["goes on in the next", "in a section", "the first of a macro or an argument", "another of a macro"],
)
def test_a_line_is_told_where_it_includes_something(tmp_path: Path, told: int, line: int) -> None:
    main = tmp_path / "httpd.conf"
    main.write_text(MAIN)
    files = {str(main): 0, "/one.conf": told}
    described = Description("/", "", "", "", "", "", (), files, ())
    assert find_including_line(described, "/one.conf") == line
    assert find_including_line(described, "/unknown.conf") == 0
