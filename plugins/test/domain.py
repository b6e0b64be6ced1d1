# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test mtls.httpd.domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules

if TYPE_CHECKING:
    from collections.abc import Callable


def domain(value: object) -> bool:
    """Return whether the value is a text that breaks none of the rules."""
    return isinstance(value, str) and not broken_rules(value)


class TestModule:
    """Ansible asks this class for the tests."""

    def tests(self) -> dict[str, Callable[[object], bool]]:
        return {"domain": domain}
