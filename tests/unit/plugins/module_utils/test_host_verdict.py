# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict of a host, which has the standard library alone: the same codes as the controller's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from demo_material import Authority, key_pem

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_verdict import (
    HostMaterial,
    Member,
    as_fault,
    judge_host_material,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, WARNING, Finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from demo_material import Issued

DOMAIN = "www.example.com"
NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)
ROOT = Authority("Root CA")
ISSUING = Authority("Issuing CA", issuer=ROOT)
CHAT = Authority("Chat CA")
SOUND = ISSUING.issue(DOMAIN)


def members(source: str, *certificates: x509.Certificate) -> tuple[Member, ...]:
    return tuple(Member(source, one.public_bytes(Encoding.DER)) for one in certificates)


def judged(
    issued: Issued = SOUND,
    *,
    chain: tuple[x509.Certificate, ...] = ISSUING.intermediates,
    client_cas: tuple[x509.Certificate, ...] = (CHAT.certificate,),
    key: bytes = b"",
    names: tuple[str, ...] = (DOMAIN,),
) -> tuple[Finding, ...]:
    """Return what a host finds, 30 days ahead."""
    server = (*members("/host/www.pem", issued.certificate), *members("/host/chain.pem", *chain))
    material = HostMaterial(
        names=names,
        server=server,
        key=Secret(key or issued.key_pem),
        key_source="/host/www.key",
        client_cas=members("/host/ca.pem", *client_cas),
    )
    return judge_host_material(material, 30)


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, str, str]]:
    return [(one.severity, one.code, one.subject) for one in findings]


def test_sound_material_has_no_findings() -> None:
    assert judged() == ()
    assert judged(chain=(*ISSUING.intermediates, ROOT.certificate)) == ()
    assert judged(ROOT.issue(DOMAIN), chain=()) == ()


def test_what_ends_soon_is_warned_of_wherever_it_lies() -> None:
    soon = NOW + 6 * DAY
    (of_leaf,) = judged(ISSUING.issue(DOMAIN, not_after=soon))
    assert (of_leaf.severity, of_leaf.code, of_leaf.subject) == (WARNING, "expires-soon", "/host/www.pem")
    assert f"ends at {soon:%Y-%m-%dT%H:%M:%SZ}, in 5 days" in of_leaf.message
    short = Authority("Issuing CA", issuer=ROOT, not_after=soon)
    assert codes(judged(short.issue(DOMAIN), chain=short.intermediates)) == [
        (WARNING, "expires-soon", "/host/chain.pem")
    ]
    ending = Authority("Chat CA", not_after=soon)
    assert codes(judged(client_cas=(ending.certificate,))) == [(WARNING, "expires-soon", "/host/ca.pem")]
    assert judged(ISSUING.issue(DOMAIN, not_after=NOW + 31 * DAY)) == ()


@pytest.mark.parametrize(
    ("begin", "end", "code"), [(-9, -1, "expired"), (2, 9, "not-yet-valid")], ids=["ended", "not begun"]
)
def test_what_is_out_of_its_time_is_an_error_with_openssls_words(begin: int, end: int, code: str) -> None:
    dates = {"not_before": NOW + begin * DAY, "not_after": NOW + end * DAY}
    (of_leaf,) = judged(ISSUING.issue(DOMAIN, **dates))
    assert (of_leaf.severity, of_leaf.code) == (ERROR, code)
    assert "(OpenSSL: certificate " in of_leaf.message
    odd = Authority("Issuing CA", issuer=ROOT, **dates)
    assert codes(judged(odd.issue(DOMAIN), chain=odd.intermediates)) == [(ERROR, code, "/host/chain.pem")]
    odd = Authority("Chat CA", **dates)
    assert codes(judged(client_cas=(odd.certificate,))) == [(ERROR, code, "/host/ca.pem")]


def test_key_and_names_must_be_the_certificates() -> None:
    ((severity, code, subject),) = codes(judged(key=key_pem(CHAT.key)))
    assert (severity, code, subject) == (ERROR, "key-mismatch", "/host/www.pem with /host/www.key")
    (of_name,) = judged(names=(DOMAIN, "shop.example.com"))
    assert (of_name.severity, of_name.code) == (ERROR, "name-mismatch")
    assert "'shop.example.com'" in of_name.message
    assert judged(ISSUING.issue(DOMAIN, "shop.example.com"), names=(DOMAIN, "shop.example.com")) == ()


def test_a_weak_key_and_a_wrong_usage_are_refused_as_openssl_does() -> None:
    assert codes(judged(ISSUING.issue(DOMAIN, key_type="rsa1024")))[0][:2] == (ERROR, "weak-key")
    client = ISSUING.issue(DOMAIN, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    assert codes(judged(client)) == [(ERROR, "wrong-usage", "/host/www.pem")]


def test_an_issuer_that_is_not_there_is_warned_of_where_others_are() -> None:
    assert codes(judged(chain=(CHAT.certificate,))) == [(WARNING, "chain-incomplete", "/host/www.pem")]


def test_an_issuer_of_the_name_that_did_not_sign_is_an_error() -> None:
    other = Authority("Issuing CA", issuer=ROOT)
    ((severity, code, _subject),) = codes(judged(chain=other.intermediates))
    assert (severity, code) == (ERROR, "untrusted-issuer")


def test_a_client_ca_is_what_openssl_makes_of_its_clients() -> None:
    assert codes(judged(client_cas=(SOUND.certificate,))) == [(ERROR, "not-a-ca", "/host/ca.pem")]
    between = Authority("Chat Issuing CA", issuer=CHAT)
    assert codes(judged(client_cas=between.intermediates)) == [(ERROR, "client-ca-incomplete", "/host/ca.pem")]
    assert judged(client_cas=(*between.intermediates, CHAT.certificate)) == ()
    weak = Authority("Chat CA", key_type="rsa1024")
    assert codes(judged(client_cas=(weak.certificate,))) == [(ERROR, "weak-key", "/host/ca.pem")]


def test_an_error_is_a_fault_of_the_same_code() -> None:
    (of_name,) = judged(names=("shop.example.com",))
    fault = as_fault(of_name, "shop.example.com")
    assert (fault.code, fault.domain) == ("name-mismatch", "shop.example.com")
    assert fault.message.startswith("/host/www.pem: ")
    assert not fault.message.endswith(".")
    assert fault.remedy
