# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that would take without end is left."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._machine.bounds import bounded


def test_a_regular_expression_without_end_is_left_and_that_is_told() -> None:
    begun = time.monotonic()
    with bounded(0.2) as in_time:
        re.match("(x+)+y", "x" * 60)
    assert time.monotonic() - begun < 5
    assert not in_time()


def test_what_comes_to_its_end_in_time_is_told_so_and_no_alarm_is_left() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with bounded(5) as in_time:
        pass
    assert in_time()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_fails_in_it_fails() -> None:
    with pytest.raises(KeyError), bounded(5):
        raise KeyError
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_another_thread_works_without_a_bound() -> None:
    told: list[bool] = []

    def work() -> None:
        with bounded(5) as in_time:
            pass
        told.append(in_time())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [True]
