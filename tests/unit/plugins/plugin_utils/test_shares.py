# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work is shared among processes, and nothing of it is lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Deployable, Verdict
from ansible_collections.mtls.httpd.plugins.plugin_utils._shares import LEAST, in_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

MANY = list(range(20 * LEAST + 7))


@pytest.fixture(autouse=True)
def four_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be four processors, whatever the machine has."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


def squares(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return [(number * number, os.getpid()) for number in numbers]


def test_many_items_are_done_by_several_processes_and_come_back_in_order() -> None:
    results = in_shares(squares, MANY)
    assert [square for square, _process in results] == [number * number for number in MANY]
    assert len({process for _square, process in results}) == 4


@pytest.mark.parametrize("number", [0, 1, LEAST, 2 * LEAST - 1])
def test_few_items_are_done_here(number: int) -> None:
    assert in_shares(squares, MANY[:number]) == squares(MANY[:number])


@pytest.mark.parametrize(("number", "processes"), [(19, 1), (20, 2), (40, 4)])
def test_work_that_takes_longer_is_shared_from_fewer_items_on(number: int, processes: int) -> None:
    results = in_shares(squares, MANY[:number], least=10)
    assert [square for square, _process in results] == [each * each for each in range(number)]
    assert len({process for _square, process in results}) == processes


def test_a_verdict_with_its_private_key_comes_back_whole() -> None:
    def judged(numbers: Sequence[int]) -> list[Verdict]:
        return [
            Verdict(f"site-{each}", (), (), deployable=Deployable(b"crt", Secret(b"key %d" % each), b"ca", None))
            for each in numbers
        ]

    assert in_shares(judged, MANY[:40], least=10) == judged(MANY[:40])


def test_what_fails_in_a_process_is_raised_here() -> None:
    def fails(numbers: Sequence[int]) -> list[int]:
        if MANY[-1] in numbers:
            raise ValueError("the last one")
        return list(numbers)

    with pytest.raises(ValueError, match="the last one"):
        in_shares(fails, MANY)


def test_the_share_of_a_process_that_was_killed_is_done_here() -> None:
    here = os.getpid()

    def dies(numbers: Sequence[int]) -> list[int]:
        if MANY[-1] in numbers and os.getpid() != here:
            os.kill(os.getpid(), 9)
        return list(numbers)

    assert in_shares(dies, MANY) == MANY
