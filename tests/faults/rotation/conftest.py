# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of molecule's scenario `rotation`, after the role's first deployment to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from container import Container

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Remote

# Each is one worker's: its tests come one after the other.
HOSTS = [pytest.param(image, marks=pytest.mark.xdist_group(image)) for image in ("debian12", "source")]


@pytest.fixture(params=HOSTS)
def remote(request: pytest.FixtureRequest, deploying: Callable[..., Remote]) -> Remote:
    """Give an operator each host, with new material for one of its sites."""
    return deploying(Container(f"mtls-httpd-rotation-{request.param}", request.param))
