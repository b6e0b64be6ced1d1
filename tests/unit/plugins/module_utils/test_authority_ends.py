# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when somebody is let in, by the ends of client CAs."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._site.authority_ends import find_last_end

SOON, LATER = "2027-01-01T00:00:00Z", "2036-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("authorities", "end"),
    [
        pytest.param([], "", id="none"),
        pytest.param([("r", "r", SOON)], SOON, id="a root"),
        pytest.param([("i", "r", SOON)], SOON, id="an intermediate alone"),
        pytest.param([("old", "old", SOON), ("new", "new", LATER)], LATER, id="a rollover"),
        pytest.param([("r", "r", SOON), ("r", "r", LATER)], LATER, id="a root that was renewed"),
        pytest.param([("r", "r", LATER), ("i", "r", SOON)], SOON, id="an intermediate that ends before its root"),
        pytest.param([("i", "r", LATER), ("r", "r", SOON)], SOON, id="a root that ends before its intermediate"),
        pytest.param([("r", "r", LATER), ("i", "r", SOON), ("n", "r", LATER)], LATER, id="a renewed intermediate"),
        pytest.param([("a", "b", LATER), ("b", "a", SOON)], SOON, id="two that signed each other"),
    ],
)
def test_the_last_end_is_that_of_a_whole_path(authorities: list[tuple[str, str, str]], end: str) -> None:
    assert find_last_end(authorities) == end
