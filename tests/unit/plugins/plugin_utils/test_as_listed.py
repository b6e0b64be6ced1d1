# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites that go back get what the inventory accepts past them."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.filter.as_listed import as_listed

BACK = {"domain": "www.example.com", "state": "previous"}


def test_what_the_inventory_accepts_goes_along_and_nothing_else_does() -> None:
    listed = [{"domain": "WWW.example.com", "allow_bypass": ["/etc/a.conf"], "private_key": "a.key"}]
    assert as_listed([BACK], listed) == [BACK | {"allow_bypass": ["/etc/a.conf"]}]


@pytest.mark.parametrize("listed", [[], None, "text", [{"domain": "other.example.com", "allow_bypass": ["x"]}], [BACK]])
def test_a_site_of_which_nothing_is_accepted_stays_as_it_is(listed: object) -> None:
    assert as_listed([BACK], listed) == [BACK]
