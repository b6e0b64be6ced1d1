# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a host's clock is off, from what two clocks said when a question went and when its answer came."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import tell_skew


@pytest.mark.parametrize(
    ("skew", "way_there", "way_back", "told"),
    [
        (0.0, 0.1, 0.1, 0.0),
        (0.0, 6.2, 0.1, 0.0),
        (0.0, 0.1, 6.2, 0.0),
        (60.0, 0.3, 0.2, 59.8),
        (-60.0, 0.3, 0.2, -59.7),
        (1.0, 6.0, 6.0, 0.0),
    ],
)
def test_what_the_ways_took_is_no_skew(skew: float, way_there: float, way_back: float, told: float) -> None:
    went, run = 1_796_000_000.0, 2.5
    begun = went + way_there + skew
    ended, came = begun + run, went + way_there + run + way_back
    assert tell_skew(ended - came, begun - went) == told
