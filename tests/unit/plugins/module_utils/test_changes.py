# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change makes of a site, in words."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from demo_material import Authority

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.changes import State, describe_changes, find_older
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

FACTS = SiteFacts(
    domain="www.example.com",
    port=443,
    listen=(),
    aliases=(),
    modules=(),
    welcome=(),
    versions=("TLSv1.2", "TLSv1.3"),
    certificate_sha256="ab" * 32,
    client_ca_names=(),
    verify_client="require",
    open_paths=(),
    protected_paths=(),
    pins=(),
    backend_ca=False,
    access_log="",
    error_log="",
    included=False,
    begins="2026-11-28T00:00:00Z",
    ends="2027-02-27T00:00:00Z",
)


def pem(*members: bytes) -> bytes:
    """Return blocks that stand for these bytes."""
    begin, end = b"-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----\n"
    return b"".join(begin + base64.b64encode(each) + end for each in members)


def state(key: bytes = b"a key", files: dict[str, bytes] | None = None, **facts: Any) -> State:
    """Return a site with what is given in the place of what a plain one has."""
    return State(replace(FACTS, **facts), {CLIENT_CA: pem(b"one"), SITE: b"text", **(files or {})}, Secret(key))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        pytest.param(
            state(b"other", certificate_sha256="cd" * 32), "certificate another -> another (new key)", id="key"
        ),
        pytest.param(
            state(certificate_sha256="cd" * 32), "certificate another -> another (the same key)", id="same key"
        ),
        pytest.param(state(pins=("subject:CN=Chat,O=Tencent",)), "may call now: CN=Chat,O=Tencent", id="pin"),
        pytest.param(state(open_paths=("/healthz",)), "open without a certificate now: /healthz", id="open path"),
        pytest.param(state(protected_paths=("/callback",)), "protected now: /callback", id="protected path"),
        pytest.param(state(port=8443), "port 443 -> 8443", id="port"),
        pytest.param(state(verify_client="optional"), "verify_client require -> optional", id="verify_client"),
        pytest.param(state(listen=("192.0.2.1",)), "listen now: 192.0.2.1", id="listen"),
        pytest.param(state(versions=("TLSv1.3",)), "versions now: TLSv1.3", id="versions"),
        pytest.param(state(files={SITE: b"other"}), "its virtual host", id="text"),
        pytest.param(state(backend_ca=True), "what it is made of", id="other files"),
        pytest.param(
            state(files={CRL: b"list"}, crl_check="chain", crl_ends="2026-12-24T00:00:00Z"),
            "CRL until 2026-12-24; revocation lists are asked: chain",
            id="CRL",
        ),
        pytest.param(state(files={CLIENT_CA: pem(b"one", b"two")}), "client CA + 3F:C4:CC:FE:…", id="a client CA more"),
        pytest.param(
            state(files={CLIENT_CA: pem(b"two")}), "client CA + 3F:C4:CC:FE:…, - 76:92:C3:AD:…", id="another client CA"
        ),
    ],
)
def test_a_change_is_told_by_what_is_other(after: State, words: str) -> None:
    assert "; ".join(describe_changes(state(), after)) == words


def test_what_is_taken_back_is_told_too() -> None:
    pinned = state(pins=("subject:CN=Chat",), open_paths=("/healthz",))
    words = ("may call now: any client of the client CA", "open without a certificate now: nothing")
    assert describe_changes(pinned, state()) == words


def test_many_are_counted() -> None:
    many = state(open_paths=tuple(f"/{number}" for number in range(9)))
    assert describe_changes(state(), many) == ("open without a certificate now: /0, /1, /2, /3, /4 and 4 more",)


def test_a_site_that_comes_or_goes_is_told() -> None:
    assert describe_changes(None, state()) == ("new",)
    assert describe_changes(state(), None) == ("taken away",)


def test_a_damaged_file_is_no_obstacle() -> None:
    damaged = state(files={CLIENT_CA: b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"})
    assert describe_changes(damaged, state()) == ("client CA + 76:92:C3:AD:…",)


def test_no_name_of_others_steers_a_terminal() -> None:
    assert describe_changes(state(), state(pins=("subject:CN=\x1b[2J",))) == ("may call now: CN=?[2J",)


def issued(hour: int, begins: int = 1) -> dict[str, bytes]:
    """Return the files of a site whose certificate and client CA end on one day, at this hour."""
    times = {
        "not_before": datetime(2026, 11, begins, tzinfo=timezone.utc),
        "not_after": datetime(2036, 11, 1, hour, 30, tzinfo=timezone.utc),
    }
    return {
        "www.example.com.crt": Authority("R").issue("www.example.com", **times).pem,
        CLIENT_CA: Authority("C", **times).pem,
    }


def test_what_is_older_by_hours_is_told_to_the_second() -> None:
    newer = state(files=issued(9, begins=2), certificate_sha256="cd" * 32)
    said = [each.message for each in find_older(newer, state(files=issued(8)))]
    assert [words.partition(": ")[2] for words in said] == [
        f"its {what} is older than the one that is served now: it ends on 2036-11-01T08:30:00Z, "
        "and that on 2036-11-01T09:30:00Z"
        for what in ("certificate", "client CA")
    ]
    changes = describe_changes(state(files=issued(8)), newer)
    assert changes[0] == "certificate 2036-11-01T08:30:00Z -> 2036-11-01T09:30:00Z (the same key)"
    assert find_older(state(files=issued(8)), newer) == []


def test_what_is_older_by_days_is_told_by_the_day() -> None:
    older = issued(8)
    newer = {**issued(8), CLIENT_CA: Authority("C", not_after=datetime(2046, 11, 2, 8, tzinfo=timezone.utc)).pem}
    (found,) = find_older(state(files=newer), state(files=older))
    assert found.message.endswith("it ends on 2036-11-01, and that on 2046-11-02")
