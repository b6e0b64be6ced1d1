# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast this machine is just now, for tests that something is done at once."""

from __future__ import annotations

import time

_STEPS, _ORDINARY = 2_000_000, 0.1  # seconds of the processor that an ordinary machine takes for so many


def is_at_once(seconds: float, allowed: float = 2) -> bool:
    """Whether so many seconds of the processor are still at once: `allowed` ones, and more on a slow machine.

    How slow it is takes longer to find than most of what is tried takes: it is asked only where that decides.
    """
    return seconds < allowed or seconds < allowed * _slowness()


def _slowness() -> float:
    """Return how many times longer than an ordinary machine this one takes, at least 1."""
    began, total = time.process_time(), 0
    for number in range(_STEPS):
        total += number
    return max(1.0, (time.process_time() - began) / _ORDINARY)
