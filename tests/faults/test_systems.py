# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that most tests break, as docs/systems.md has them; test_layouts.py and test_stock_layouts.py have more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Remote


_HOSTS = ["debian11", "debian12", "debian13", "testing", "source"]


@pytest.mark.parametrize("machine", _HOSTS, indirect=True, scope="module")
def test_the_page_of_systems_tells_what_is_found_on_the_host(remote: Remote, find_system: Callable[..., None]) -> None:
    find_system(remote)
