# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of a fleet's callers fits the screen, whatever clients are called, and obeys nobody's escapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.caller_table import lay_out_callers, sum_up_callers
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    FAILED,
    LOOKED,
    UNREACHABLE,
    WITHOUT_HTTPD,
    Host,
)


def caller(subject: str = "CN=Chat,O=Tencent", **more: Any) -> dict[str, Any]:
    return {
        "subject": subject,
        "issuer": "CN=TencentQQAuthCA",
        "serial": "01",
        "last": "2026-11-28T19:45:00Z",
        "calls": 2023,
        "versions": ["TLSv1.2", "TLSv1.3"],
        "statuses": {"200": 2022, "503": 1},
        "verified": True,
    } | more


def refusal(**more: Any) -> dict[str, Any]:
    return {
        "reason": "unknown-issuer",
        "meaning": "its certificate is of no client CA",
        "detail": "unable to get local issuer certificate",
        "address": "192.0.2.9",
        "subject": "CN=Chat,O=Tencent",
        "issuer": "CN=Other CA",
        "last": "2026-11-28T19:45:00Z",
        "count": 3,
        "sure": True,
    } | more


def host(name: str = "d1", *callers: dict[str, Any], **more: Any) -> Host:
    site = {
        "domain": "www.example.com",
        "callers": list(callers),
        "callers_left_out": 0,
        "refusals": [],
        "refusals_left_out": 0,
        "allowed_clients": [{"subject": each["subject"]} for each in callers],
        "own_calls": 2,
        "own_refusals": 4,
        "refusal_logs": [],
        "problems": [],
    } | more
    return Host(name, LOOKED, "", {"found": True, "since": "2026-10-30T00:00:00Z", "sites": [site]})


def test_callers_refusals_and_silent_hosts_are_rows() -> None:
    lines = lay_out_callers(
        [
            host("d1", caller(), refusals=[refusal()]),
            host("d2"),
            Host("t1", UNREACHABLE, "Failed to connect: timed out", {}),
            Host("n1", WITHOUT_HTTPD, "it has no httpd", {}),
            Host("n2", FAILED, "it has no Python", {}),
        ]
    )
    assert lines[2].split() == [
        *("d1", "www.example.com", "CN=Chat,O=Tencent", "CN=TencentQQAuthCA"),
        *("2026-11-28", "19:45", "2,023", "1.2", "1.3", "200x2022", "503"),
    ]
    assert [line.split() for line in lines[3:7]] == [
        ["d2", "www.example.com", "nobody"],
        ["t1", "unreachable"],
        ["n1", "no", "httpd"],
        ["n2", "not", "looked", "at"],
    ]
    text = "\n".join(lines)
    (refused,) = (line for line in lines if "192.0.2.9" in line)
    assert "192.0.2.9  CN=Chat,O=Tencent, of CN=Other CA  unknown issuer  2026" in refused
    assert refused.endswith("  2026-11-28 19:45  3")
    assert "t1: Failed to connect: timed out" in text
    assert lines[-1] == (
        "1 client made 2,023 calls since 2026-10-30; 3 handshakes refused. Left out: 12 knocks of this collection's "
        "own. Not known: 3 hosts."
    )


def test_what_would_let_them_in_can_be_pasted() -> None:
    odd = "CN=Zoë\\, \"x: {y}\" #1,O='T'"
    lines = lay_out_callers([host("d1", caller(), caller(odd)), host("d2", caller())])
    start = next(number for number, line in enumerate(lines) if line.startswith("What would let just these into"))
    pasted = yaml.safe_load("\n".join(lines[start + 1 : -2]))
    assert pasted == {"allowed_clients": [{"subject": "CN=Chat,O=Tencent"}, {"subject": odd}]}


@pytest.mark.parametrize("length", [1, 60, 400])
def test_no_line_of_a_table_is_wider_than_the_screen(length: int) -> None:
    long = {"subject": "CN=" + "x" * length, "issuer": "CN=" + "y" * length}
    problem = {"message": "a log " * length, "remedy": "read it"}
    lines = lay_out_callers(
        [host("h" * 40, caller(**long), refusals=[refusal(**long, sure=False)], problems=[problem])]
    )
    assert max(len(line) for line in lines[:-1] if "subject:" not in line) <= 120


def test_no_name_steers_the_terminal() -> None:
    hostile = "CN=\x1b[31m\nd1 www.example.com CN=Forged"
    lines = lay_out_callers([host("d1", caller(hostile), refusals=[refusal(subject=hostile, issuer=hostile)])])
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("d1 www") for line in lines)


def test_what_the_level_of_a_log_hides_is_said_with_the_place() -> None:
    log = {"tells": "some", "host": "first.example.com", "level": "warn", "place": "/etc/apache2/a.conf:1"}
    text = " ".join(lay_out_callers([host("d1", refusal_logs=[log])]))
    assert "not all refusals are logged, and knocks of this collection's own are among them" in text
    assert "set `LogLevel ssl:info` in the virtual host at /etc/apache2/a.conf:1" in " ".join(text.split())
    assert "LogLevel" not in " ".join(lay_out_callers([host("d1", refusal_logs=[{**log, "tells": "all"}])]))


def test_a_refusal_that_may_have_been_with_either_site_is_counted_once() -> None:
    one = host("d1", refusals=[refusal(sure=False)])
    other = host("d1", refusals=[refusal(sure=False), refusal(count=2)])
    both = Host("d1", LOOKED, "", {**one.told, "sites": [*one.sites, *other.sites]})
    assert "; 5 handshakes refused." in sum_up_callers([both])


def test_what_has_several_names_counts_once() -> None:
    plain = [host("d1", caller()), host("d2", caller()), host("again", caller())]
    hosts = [
        replace(each, told={**each.told, "identity": one}) for each, one in zip(plain, ("x", "y", "x"), strict=True)
    ]
    assert sum_up_callers(hosts) == sum_up_callers(hosts[:2])
    assert any("d1, again are one httpd" in line for line in lay_out_callers(hosts))
    assert not any("are one httpd" in line for line in lay_out_callers(hosts[:2]))
