# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a status is worth, and what an examination says something of."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Answer, Examination, weigh_statuses

ALERT = 0


def answer(client: str, status: int, version: str = "TLSv1.3", *, method: str = "GET", asked: bool = True) -> Answer:
    """Return what a client met: a status, or an alert."""
    result = "accepted" if status not in (ALERT, 403) else "refused"
    return Answer(version, client, result, "", asked=asked, status=status, method=method)


def results(*answers: Answer) -> list[str]:
    """Return what is made of the answers."""
    return [each.result for each in weigh_statuses(answers)]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_status_is_a_refusal_where_a_trusted_client_got_another_and_unproven_else(status: int) -> None:
    nobody, stranger = answer("none", status), answer("untrusted", status)
    assert results(nobody, stranger) == ["unproven", "unproven"]
    assert results(nobody, stranger, answer("trusted", status)) == ["unproven"] * 3
    assert results(nobody, stranger, answer("trusted", ALERT)) == ["unproven", "unproven", "refused"]
    assert results(nobody, stranger, answer("trusted", 200)) == ["refused", "refused", "accepted"]
    assert results(nobody, stranger, answer("trusted", 404)) == ["refused", "refused", "accepted"]


def test_what_the_trusted_client_gets_is_compared_for_the_same_request() -> None:
    assert results(answer("none", 403), answer("trusted", 200, method="OPTIONS")) == ["unproven", "accepted"]


def test_what_the_trusted_client_gets_over_the_same_version_counts_where_it_was_tried_there() -> None:
    over_both = answer("trusted", 403, "TLSv1.2"), answer("trusted", 200)
    assert results(answer("none", 403, "TLSv1.2"), *over_both) == ["unproven", "unproven", "accepted"]
    assert results(answer("none", 403), *over_both) == ["refused", "unproven", "accepted"]
    # In brief, nobody asks over one version, and the trusted client over the other.
    assert results(answer("none", 403, "TLSv1.2"), answer("trusted", 200)) == ["refused", "accepted"]


@pytest.mark.parametrize("status", [200, 302, 404, 405, 421, 500, 503])
def test_any_other_status_is_accepted_whatever_a_trusted_client_gets(status: int) -> None:
    assert results(answer("none", status), answer("trusted", 200)) == ["accepted", "accepted"]


def test_a_status_without_a_certificate_asked_for_is_no_mutual_tls() -> None:
    clients = (
        answer("none", 403, asked=False),
        answer("untrusted", 403, asked=False),
        answer("trusted", 200, asked=False),
    )
    assert Examination(weigh_statuses(clients)).mutual_tls == "unproven"


@pytest.mark.parametrize(
    ("nobody", "stranger", "verdict", "holds_for"),
    [
        (ALERT, ALERT, "enforced", "any_request"),
        (403, ALERT, "enforced", "this_request"),
        (403, 403, "enforced", "this_request"),
        (200, ALERT, "optional", "this_request"),
        (200, 200, "optional", "this_request"),
    ],
)
def test_a_verdict_by_a_status_holds_for_the_request_alone(
    nobody: int, stranger: int, verdict: str, holds_for: str
) -> None:
    clients = answer("none", nobody), answer("untrusted", stranger), answer("trusted", 200)
    found = Examination(weigh_statuses(clients))
    assert (found.mutual_tls, found.holds_for) == (verdict, holds_for)


def test_an_unproven_verdict_holds_for_nothing() -> None:
    found = Examination(weigh_statuses((answer("none", 403), answer("untrusted", ALERT))))
    assert (found.mutual_tls, found.holds_for) == ("unproven", None)
    assert found.if_statuses_refuse.mutual_tls == "enforced"


def test_that_a_certificate_was_asked_for_is_known_where_no_authority_is_named() -> None:
    def asks(*asked: bool | None) -> bool | None:
        return Examination(tuple(Answer("TLSv1.3", "none", "accepted", "", asked=each) for each in asked)).asked

    assert [asks(True, False), asks(False, None), asks(None), asks()] == [True, False, None, None]
