# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts of a fleet are to serve the same."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.filter.alike import alike

SITE = {"domain": "www.example.com", "port": 443, "names": ["a.example.com", "b.example.com"]}


def second(**variables: object) -> str:
    """Return which host a second one is like, of two, where it has these variables."""
    hosts: dict[str, dict[str, Any]] = {"one": {"mutual_tls_sites": [SITE]}, "two": variables}
    return alike(list(hosts), hosts)["two"]


def test_hosts_of_equal_sites_are_alike_whatever_else_they_have() -> None:
    assert second(mutual_tls_sites=[dict(reversed(SITE.items()))], rack="b4") == "one"


@pytest.mark.parametrize(
    "variables",
    [
        {"mutual_tls_sites": [SITE | {"port": 8443}]},
        {"mutual_tls_sites": [SITE | {"port": "443"}]},
        {"mutual_tls_sites": [SITE | {"names": ["b.example.com", "a.example.com"]}]},
        {"mutual_tls_sites": [SITE, SITE]},
        {"mutual_tls_sites": [SITE], "mutual_tls_warn_days": 3},
        {"mutual_tls_sites": {}},
        {"mutual_tls_sites": None},
        {"mutual_tls_sites": "www.example.com"},
        {},
    ],
)
def test_a_host_of_other_wishes_is_like_no_other(variables: dict[str, Any]) -> None:
    assert second(**variables) == "two"


def test_a_template_may_come_out_otherwise_on_each_host() -> None:
    hosts = {name: {"mutual_tls_sites": [SITE | {"template": "own.conf.j2"}]} for name in ("one", "two")}
    assert alike(list(hosts), hosts) == {"one": "one", "two": "two"}


def test_hosts_whose_variables_cannot_be_read_are_judged_each() -> None:
    assert alike(["one", "two"], {}) == {"one": "one", "two": "two"}
