# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which endpoints the options name, and where one is not as expected."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Answer, Examination, weigh_statuses
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.endpoints import (
    Endpoint,
    read_endpoints,
    shortfalls,
)

DEFAULTS: dict[str, Any] = {
    "address": None,
    "port": 443,
    "server_name": None,
    "expect": None,
    "certificate_sha256": None,
    "brief": False,
    "proxy_protocol": False,
    "method": "GET",
    "path": "/",
    "status_suffices": False,
    "run_on": "controller",
    "endpoints": None,
    "client_certificate": None,
    "client_key": None,
    "timeout": 5.0,
}
REFUSED = ("refused", "alert unknown_ca")
ACCEPTED = ("accepted", "HTTP/1.1 200 OK")
SILENT = ("unproven", "no answer within 5 s")
NOT_OFFERED = ("unproven", "protocol not offered")
WRONG_PATH = (
    "must begin with / and be what stands in a request: at most 8000 visible ASCII characters without #, others "
    "escaped by %."
)
SERVED_SHA256 = hashlib.sha256(b"DER").hexdigest()


def endpoints(**options: Any) -> list[Endpoint]:
    """Return the endpoints of these options."""
    return read_endpoints({**DEFAULTS, **options}, "192.0.2.1")


def found(*, trusted: tuple[str, str] | None = None, strangers: tuple[str, str] = REFUSED) -> Examination:
    """Return an examination over TLS 1.3 in which strangers, and the trusted client, met these."""
    met = {"none": strangers, "untrusted": strangers, **({"trusted": trusted} if trusted else {})}
    return Examination(
        tuple(
            Answer("TLSv1.3", client, *answer, b"DER", asked=True, offered=answer is not NOT_OFFERED)
            for client, answer in met.items()
        )
    )


@pytest.mark.parametrize(
    ("options", "address", "name"),
    [
        ({}, "192.0.2.1", ""),
        ({"server_name": "www.example.com"}, "192.0.2.1", "www.example.com"),
        ({"address": "www.example.com"}, "www.example.com", "www.example.com"),
        ({"address": "::1"}, "::1", ""),
        ({"address": "fe80::1%eth0"}, "fe80::1%eth0", ""),
        ({"address": "www.example.com", "server_name": "b.example.com"}, "www.example.com", "b.example.com"),
    ],
)
def test_the_site_asked_for_is_the_one_named_else_that_of_the_address(
    options: dict[str, Any], address: str, name: str
) -> None:
    assert endpoints(**options) == [Endpoint(address, 443, name, None, None)]


def test_what_an_endpoint_leaves_out_is_taken_from_beside_it() -> None:
    several = [
        {"server_name": "a.example.com"},
        {"server_name": "b.example.com", "port": 8443, "address": None, "expect": "off"},
    ]
    assert endpoints(endpoints=several, address="::1", expect="enforced") == [
        Endpoint("::1", 443, "a.example.com", "enforced", None),
        Endpoint("::1", 8443, "b.example.com", "off", None),
    ]


def test_what_is_asked_on_the_target_is_asked_at_its_own_loopback_beside_what_is_not() -> None:
    several = [{}, {"run_on": "target"}, {"run_on": "target", "address": "192.0.2.7"}]
    assert [(each.address, each.run_on) for each in endpoints(endpoints=several)] == [
        ("192.0.2.1", "controller"),
        ("127.0.0.1", "target"),
        ("192.0.2.7", "target"),
    ]


def test_a_host_without_an_address_needs_one_or_is_asked_itself() -> None:
    nowhere: dict[str, Any] = {**DEFAULTS, "endpoints": [{"address": "192.0.2.7"}, {}, {"run_on": "target"}]}
    with pytest.raises(ValueError, match=r"\Aendpoints\[1\]: option 'address' is missing.* set 'run_on' to target\.\Z"):
        read_endpoints(nowhere, None)
    nowhere["endpoints"].pop(1)
    assert [each.address for each in read_endpoints(nowhere, None)] == ["192.0.2.7", "127.0.0.1"]


def test_a_fingerprint_is_taken_in_any_usual_form() -> None:
    written = ":".join(["AB"] * 32)
    assert endpoints(certificate_sha256=written)[0].certificate_sha256 == "ab" * 32


def test_every_fault_is_named_at_once_and_no_value_is_repeated() -> None:
    with pytest.raises(ValueError, match="port") as caught:
        endpoints(
            endpoints=[
                {"port": 77777},
                {"certificate_sha256": "secret"},
                {"server_name": "a secret"},
                {"address": "a secret"},
                {"method": "secret"},
                {"path": "a secret"},
            ],
            client_key="secret",
            timeout=0.0,
        )
    assert str(caught.value).splitlines() == [
        "endpoints[0]: option 'port' must be between 1 and 65535.",
        "endpoints[1]: option 'certificate_sha256' must be 64 hexadecimal digits.",
        "endpoints[2]: option 'server_name' has a character that no host name has.",
        "endpoints[3]: option 'address' is neither an IP address nor a host's name.",
        "endpoints[4]: option 'method' must be one of GET, HEAD, OPTIONS, POST.",
        f"endpoints[5]: option 'path' {WRONG_PATH}",
        "options 'client_certificate' and 'client_key' belong together. Give both or neither.",
        "option 'timeout' must be more than 0 and at most 3600 seconds.",
    ]


def test_an_empty_list_of_endpoints_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was tried"):
        endpoints(endpoints=[])


@pytest.mark.parametrize("strangers", [REFUSED, ACCEPTED, SILENT])
def test_nothing_falls_short_where_nothing_is_expected(strangers: tuple[str, str]) -> None:
    assert shortfalls(endpoints()[0], found(strangers=strangers, trusted=REFUSED)) == []


@pytest.mark.parametrize(
    ("expect", "strangers", "said"),
    [
        ("enforced", ACCEPTED, "mutual TLS is optional, and expected to be enforced (accepted: HTTP/1.1 200 OK). Set "),
        ("enforced", SILENT, "mutual TLS is unproven, and expected to be enforced (unproven: no answer within 5 s). "),
        ("off", REFUSED, "mutual TLS is enforced, and expected to be off (refused: alert unknown_ca). Correct"),
    ],
)
def test_what_is_not_as_expected_is_said_with_place_reason_and_remedy(
    expect: str, strangers: tuple[str, str], said: str
) -> None:
    (message,) = shortfalls(endpoints(server_name="www.example.com", expect=expect)[0], found(strangers=strangers))
    assert message.startswith(f"www.example.com at 192.0.2.1:443: {said}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("trusted", "fails"), [(ACCEPTED, False), (REFUSED, True), (SILENT, True), (NOT_OFFERED, False)]
)
def test_a_client_that_should_be_accepted_must_have_been(trusted: tuple[str, str], fails: bool) -> None:
    messages = shortfalls(endpoints(expect="enforced")[0], found(trusted=trusted))
    assert len(messages) == fails
    assert all("the client of 'client_certificate' was not accepted" in message for message in messages)


@pytest.mark.parametrize(("sha256", "fails"), [(SERVED_SHA256, False), ("ab" * 32, True)])
def test_the_certificate_expected_must_be_the_one_served(sha256: str, fails: bool) -> None:
    messages = shortfalls(endpoints(certificate_sha256=sha256)[0], found())
    assert len(messages) == fails
    assert all(SERVED_SHA256 in message and sha256 in message for message in messages)


def test_a_certificate_that_was_not_seen_is_not_the_one_expected() -> None:
    nothing = Examination((Answer("TLSv1.3", "none", *SILENT),))
    (message,) = shortfalls(endpoints(certificate_sha256="ab" * 32)[0], nothing)
    assert "serves no certificate that could be seen" in message
    (message,) = shortfalls(endpoints(certificate_sha256="ab" * 32, expect="enforced")[0], nothing)
    assert "See that the server answers at this address" in message


def by_status(none: int, untrusted: int = 0, trusted: int | None = None, *, asked: bool = True) -> Examination:
    """Return an examination in which clients got these statuses, 0 for an alert."""
    met = {"none": none, "untrusted": untrusted, **({} if trusted is None else {"trusted": trusted})}
    answers = [
        Answer("TLSv1.3", client, "accepted" if status else "refused", f"{status}", b"DER", asked=asked, status=status)
        for client, status in met.items()
    ]
    return Examination(weigh_statuses(answers))


@pytest.mark.parametrize("expect", ["enforced", "optional"])
def test_a_status_meets_what_is_expected_where_it_is_said_to_suffice(expect: str) -> None:
    for status in (400, 401, 403):
        assert shortfalls(endpoints(expect=expect, status_suffices=True)[0], by_status(status)) == []
    (message,) = shortfalls(endpoints(expect=expect)[0], by_status(403))
    assert "mutual TLS is unproven" in message
    assert message.endswith(
        "Such a status is a refusal only where a client of the client CA gets another: give 'client_certificate', or a "
        "'path' that the server answers."
    )


@pytest.mark.parametrize(
    "found",
    [by_status(200), by_status(403, 403), by_status(403, 200), by_status(403, asked=False), by_status(404)],
    ids=["let in", "no alert to a stranger", "a stranger let in", "not asked", "another status"],
)
def test_a_status_suffices_for_nothing_else(found: Examination) -> None:
    (message,) = shortfalls(endpoints(expect="enforced", status_suffices=True)[0], found)
    assert "expected to be enforced" in message


def test_a_status_does_not_suffice_for_what_is_expected_to_be_off() -> None:
    assert shortfalls(endpoints(expect="off", status_suffices=True)[0], by_status(403))


def test_a_trusted_client_that_is_asked_for_a_password_was_let_in() -> None:
    expecting = endpoints(expect="enforced")[0]
    assert shortfalls(expecting, by_status(0, trusted=401)) == []
    for found in (by_status(0, trusted=403), by_status(401, trusted=401)):
        assert "the client of 'client_certificate' was not accepted" in shortfalls(expecting, found)[-1]
