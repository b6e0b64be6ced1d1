# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options on TLS mean, and which make no sense."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from demo_material import Authority

from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site, read_site
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import VERSIONS, protocol, unfit, wrong_protocol

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "custom options without custom": ({"tls_curves": ["X25519"]}, "with tls_profile=custom alone"),
    "custom without versions": ({"tls_profile": "custom"}, "'tls_protocols' is missing"),
    "a gap": ({"tls_profile": "custom", "tls_protocols": ["TLSv1", "TLSv1.2"]}, "leaves out a version"),
    "a gap at the other end": (
        {"tls_profile": "custom", "tls_protocols": ["TLSv1.3", "TLSv1.1"]},
        "leaves out a version",
    ),
    "a string for OpenSSL": (
        {"tls_profile": "custom", "tls_protocols": ["TLSv1.2"], "tls_ciphers": ["HIGH:!aNULL"]},
        "'tls_ciphers[0]' is not a name",
    ),
    "a line of its own": (
        {"tls_profile": "custom", "tls_protocols": ["TLSv1.2"], "tls_curves": ["X25519\nSSLVerifyClient none"]},
        "'tls_curves[0]' is not a name",
    ),
}


def site(**given: Any) -> Site:
    return read_site({"domain": "www.example.com", **given})


@pytest.mark.parametrize(("given", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_makes_no_sense_is_said_without_its_value(given: dict[str, Any], words: str) -> None:
    (fault,) = wrong_protocol(site(**given))
    assert words in fault
    assert "aNULL" not in fault
    assert "none" not in fault


@pytest.mark.parametrize("versions", [VERSIONS, VERSIONS[1:3], VERSIONS[:1], VERSIONS[::-1], ("TLSv1.2", "TLSv1.2")])
def test_versions_without_a_gap_are_taken_in_any_order(versions: tuple[str, ...]) -> None:
    given = site(tls_profile="custom", tls_protocols=list(versions))
    assert list(wrong_protocol(given)) == []
    assert protocol(given).versions == tuple(version for version in VERSIONS if version in versions)


def found(certificate: bytes, **given: Any) -> list[tuple[str, str]]:
    return [(each.code, each.message) for each in unfit(site(**given), certificate)]


def test_stapling_for_a_certificate_that_names_no_responder_is_warned_of() -> None:
    authority = Authority("CA")
    plain = authority.issue("www.example.com")
    responding = authority.issue("www.example.com", ocsp="http://ocsp.example.com/")
    assert [code for code, _message in found(plain.full_pem, ocsp_stapling=True)] == ["no-responder"]
    for certificate, stapling in ((responding.full_pem, True), (plain.full_pem, False), (b"", True)):
        assert found(certificate, ocsp_stapling=stapling) == []


@pytest.mark.parametrize(
    ("key", "issuers_key", "days", "differs"),
    [
        ("ec", "ec", 88, ""),
        ("rsa2048", "ec", 88, "its key."),
        ("ec", "rsa2048", 88, "its signature."),
        ("ec", "ec", 100, "its 101 days."),
        ("rsa2048", "rsa2048", 100, "its key and its signature and its 101 days."),
    ],
)
def test_what_the_guideline_does_not_want_of_a_modern_sites_certificate_is_named(
    key: str, issuers_key: str, days: int, differs: str
) -> None:
    end = datetime.now(timezone.utc) + timedelta(days=days)
    issued = Authority("CA", key_type=issuers_key).issue("www.example.com", key_type=key, not_after=end)
    assert found(issued.full_pem) == []
    told = found(issued.full_pem, tls_profile="modern")
    assert [code for code, _message in told] == (["outside-guideline"] if differs else [])
    assert all(message.endswith(f"differs by {differs}") for _code, message in told)
