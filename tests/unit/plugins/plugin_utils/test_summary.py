# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A few lines tell what handshakes have shown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Verdict
from ansible_collections.mtls.httpd.plugins.plugin_utils._summary import judged, summary

TRUSTED = "Accepted: the client_certificate given."
BOTH, END = "TLSv1.2 and TLSv1.3", "The certificate ends on 2027-02-01."


def endpoint(number: int = 1, *, mutual_tls: str = "enforced", **answered: str) -> dict[str, Any]:
    """Return an endpoint as the module returns it; `answered` says what each kind of client met."""
    return {
        "address": "192.0.2.10",
        "port": 443,
        "server_name": f"site{number}.example",
        "run_on": "controller",
        "method": "OPTIONS",
        "path": "/callback",
        "brief": False,
        "note": "",
        "mutual_tls": mutual_tls,
        "holds_for": "any_request",
        "status_sufficed": False,
        "answers": [
            {"version": version, "client": client, "method": "OPTIONS", "result": result, "detail": "", "status": None}
            for version in ("TLSv1.2", "TLSv1.3")
            for client, result in answered.items()
        ],
        "certificate": {"not_after": f"2027-02-{number:02}T23:59:59Z"},
        "client_ca_names": [],
    }


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (
            endpoint(none="refused", untrusted="refused", trusted="accepted"),
            f"enforced over {BOTH}. Refused: no certificate, one of an unknown authority. {TRUSTED} {END}",
        ),
        (
            endpoint(mutual_tls="optional", none="accepted", untrusted="refused") | {"certificate": None},
            f"optional over {BOTH}. Refused: one of an unknown authority. Accepted: no certificate.",
        ),
        (
            endpoint(mutual_tls="unproven") | {"certificate": None},
            "unproven over no version of TLS.",
        ),
    ],
)
def test_a_site_is_told_in_one_line(one: dict[str, Any], line: str) -> None:
    assert summary([one]) == f"site1.example at 192.0.2.10:443: mutual TLS is {line}"


def test_a_verdict_that_holds_for_one_request_says_which() -> None:
    one = endpoint(none="accepted", untrusted="refused", mutual_tls="optional") | {"holds_for": "this_request"}
    assert "mutual TLS is optional for OPTIONS /callback over" in summary([one])
    one["answers"][0]["method"] = one["answers"][2]["method"] = "GET"
    assert "mutual TLS is optional for GET /callback over" in summary([one])


def test_what_the_handshakes_on_the_host_have_decided_is_told_so() -> None:
    one = endpoint(mutual_tls="unproven", none="unproven", untrusted="refused") | {"status_sufficed": True}
    for answer in one["answers"]:
        answer["status"] = 403 if answer["client"] == "none" else None
    decided = "That the status is a refusal, the handshakes on the host have shown."
    assert summary([one]) == (
        f"site1.example at 192.0.2.10:443: mutual TLS is unproven over {BOTH}. Refused: one of an unknown authority. "
        f"Unproven: no certificate. No certificate got 403 for OPTIONS /callback. {decided} {END}"
    )
    many = summary([one, *(endpoint(number) for number in range(2, 8))])
    assert f" At 1, clients without a certificate get a status. {decided} The first certificate" in many


def test_half_the_handshakes_are_called_a_spot_check() -> None:
    one = endpoint(none="refused", untrusted="refused") | {"brief": True}
    del one["answers"][1:3]
    assert f"over {BOTH}. Refused (spot check): no certificate, one of an unknown authority." in summary([one])


def test_what_is_known_otherwise_is_said_last() -> None:
    one = endpoint(none="refused", untrusted="refused") | {"note": "Open without a certificate: /healthz."}
    assert str(summary([one])).endswith(f"{END} Open without a certificate: /healthz.")


def test_few_sites_have_a_line_each_and_many_have_one() -> None:
    assert len(summary([endpoint(number) for number in range(1, 6)])) == 5
    many = [*(endpoint(number) for number in range(20, 0, -1)), endpoint(21, mutual_tls="optional")]
    assert summary(many) == (
        "21 sites: mutual TLS is enforced at 20, optional at 1. The first certificate to end is that of site1.example, "
        "on 2027-02-01."
    )


def test_what_was_asked_on_the_host_itself_is_told_so() -> None:
    inside, outside = endpoint(1) | {"run_on": "target"}, endpoint(2)
    loopback = endpoint(3) | {"address": "127.0.0.1"}
    words = "Asked on the host itself."
    assert [line.endswith(words) for line in summary([inside, outside, loopback])] == [True, False, False]
    # The loopback of a controller is that of a host where it is the host, and else a tunnel's end.
    assert [line.endswith(words) for line in summary([inside, outside, loopback], itself=True)] == [True, False, True]
    assert summary([inside] * 6).endswith(f"on 2027-02-01. {words}")
    assert summary([inside, *[outside] * 6]).endswith(" 1 of them were asked on the host itself.")


def verdict(day: int | None) -> Verdict:
    """Return a sound verdict on material of which the first to end does so on that day."""
    first = {"not_after": f"2027-02-{day:02}T23:59:59Z", "subject": "'CN' in a file"} if day else None
    return Verdict("www.example.com", (), (), (), first)


def test_what_was_judged_good_is_told_with_the_first_end_of_it() -> None:
    end, nothing = "The first to end is 'CN' in a file, on 2027-02-03.", "Nothing was sent to the host."
    found = "no error was found in its material."
    assert judged({"a.example": verdict(3)}, ()) == f"a.example: {found} {end} {nothing}"
    assert judged({"a.example": verdict(3), "b.example": verdict(None)}, {"b.example"}) == [
        f"a.example: {found} {end} {nothing}",
        "b.example: its certificate and key lie on the host, and are judged there. No error was found in the rest. "
        + nothing,
    ]
    many = {f"site{number}.example": verdict(number) for number in range(9, 2, -1)}
    assert judged(many, ()) == (
        "7 sites: no error was found in their material. The first to end is that of site3.example, on 2027-02-03. "
        + nothing
    )
    assert judged({}, ()) == f"There was no material to judge: no site is to be present. {nothing}"
