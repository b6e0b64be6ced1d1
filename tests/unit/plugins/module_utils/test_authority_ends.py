# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when somebody is let in, by the ends of client CAs."""

from __future__ import annotations

import time
from itertools import permutations

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._site.authority_ends import find_last_end, find_root_end

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
        pytest.param(
            [("old", "old", SOON), ("new", "new", LATER), ("old", "new", SOON)], LATER, id="a root signs the old one"
        ),
        pytest.param(
            [("old", "old", SOON), ("new", "new", LATER), ("new", "old", SOON)], LATER, id="a root signs the new one"
        ),
        pytest.param(
            [("r", "r", LATER), ("i", "r", LATER), ("j", "i", SOON)], SOON, id="the lowest of two intermediates"
        ),
    ],
)
def test_the_last_end_is_that_of_a_whole_path(authorities: list[tuple[str, str, str]], end: str) -> None:
    assert find_last_end(authorities) == end


@pytest.mark.parametrize(
    ("authorities", "end"),
    [
        pytest.param([], "", id="none"),
        pytest.param([("r", "r", LATER), ("i", "r", SOON)], LATER, id="beside an intermediate that ends"),
        pytest.param([("r", "r", SOON), ("i", "r", LATER)], "", id="an intermediate that ends with it"),
        pytest.param([("old", "old", SOON), ("new", "new", LATER), ("old", "new", SOON)], "", id="a rollover"),
    ],
)
def test_a_root_that_lasts_longer_than_its_intermediates_is_told(
    authorities: list[tuple[str, str, str]], end: str
) -> None:
    assert find_root_end(authorities) == end


def test_many_that_signed_each_other_take_no_long_time() -> None:
    names = [str(number) for number in range(30)]
    authorities = [(subject, issuer, LATER) for subject, issuer in permutations(names, 2)]
    begun = time.process_time()
    assert find_last_end([*authorities, ("client", "0", SOON)]) == SOON
    assert time.process_time() - begun < 1
