# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast this machine is just now, for tests that something is done at once."""

from __future__ import annotations

import time

_STEPS, _ORDINARY = 2_000_000, 0.1  # seconds of the processor that an ordinary machine takes for so many


def at_once() -> float:
    """Return for how many seconds of the processor something is still done at once: two, and more on a slow machine."""
    began, total = time.process_time(), 0
    for number in range(_STEPS):
        total += number
    return 2 * max(1.0, (time.process_time() - began) / _ORDINARY)
