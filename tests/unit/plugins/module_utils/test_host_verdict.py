# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict of a host, which has the standard library alone: the same codes as the controller's."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from demo_material import Authority, key_pem, pem
from odd_authorities import CLIENT_CASES, ClientCase
from odd_certificates import Pair, ca, crl

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_verdict import (
    HostMaterial,
    Listed,
    Member,
    as_fault,
    judge_host_material,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, WARNING, Finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet

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
    crls: tuple[x509.CertificateRevocationList, ...] = (),
    **more: Any,
) -> tuple[Finding, ...]:
    """Return what a host finds, 30 days ahead."""
    server = (*members("/host/www.pem", issued.certificate), *members("/host/chain.pem", *chain))
    material = HostMaterial(
        names=names,
        server=server,
        key=Secret(key or issued.key_pem),
        key_source="/host/www.key",
        client_cas=members("/host/ca.pem", *client_cas),
        crls=tuple(Listed("/host/ca.crl", each.public_bytes(Encoding.DER)) for each in crls),
        **more,
    )
    return judge_host_material(material, 30).findings


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, str, str]]:
    return [(one.severity, one.code, one.subject) for one in findings]


def test_sound_material_has_no_findings() -> None:
    assert judged() == ()
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


# What a host cannot say, as it knows no strengths but what OpenSSL refuses.
CONTROLLERS_ALONE = {
    "key: brainpoolP256r1",
    "key: RSA of 2047 bits",
    "signature: root's, SHA-1",
    "list: signed by another",
    "list: of another CA",
    "list: beside a stranger's",
    "list: signed by SHA-1",
}


def blocks(label: str, content: bytes) -> list[bytes]:
    """Return the members of PEM, as DER."""
    found = re.findall(f"-----BEGIN {label}-----(.*?)-----END {label}-----".encode(), content, re.DOTALL)
    return [base64.b64decode(each) for each in found]


@pytest.mark.parametrize("case", CLIENT_CASES, ids=lambda case: case.name)
def test_a_host_says_of_client_cas_and_lists_what_the_controller_says(case: ClientCase) -> None:
    given = MaterialSet(client_ca=(Material(case.client_cas, "/host/ca.pem"),))
    given = replace(given, crl=(Material(case.crls, "/host/ca.crl"),) if case.crls else ())
    (verdict,) = judge([given], at=datetime.now(timezone.utc), warn_days=30)
    material = HostMaterial(
        names=(DOMAIN,),
        server=members("/host/www.pem", SOUND.certificate, *ISSUING.intermediates),
        key=Secret(SOUND.key_pem),
        key_source="/host/www.key",
        client_cas=tuple(Member("/host/ca.pem", each) for each in blocks("CERTIFICATE", case.client_cas)),
        crls=tuple(Listed("/host/ca.crl", each) for each in blocks("X509 CRL", case.crls)),
    )
    found = judge_host_material(material, 30).findings
    assert (set(codes(found)) == set(codes(verdict.findings))) is (case.name not in CONTROLLERS_ALONE)
    timely = {(one.code, one.remedy) for one in verdict.findings if one.code in ("expired", "not-yet-valid")}
    assert timely <= {(one.code, one.remedy) for one in found}


NEXT = Authority("Issuing CA", issuer=ROOT)  # of the same name, with another key
LOWER = Authority("Lower CA", issuer=ISSUING)
BELOW = LOWER.issue(DOMAIN)
TWO = (LOWER.certificate, ISSUING.certificate)
CROSSED = ca(Pair(CHAT.certificate, CHAT.key), subject=ROOT.certificate.subject, key=ROOT.key).certificate
OF_CHAT = Authority("Chat Issuing CA", issuer=CHAT)
SUPERFLUOUS, DISORDER = (WARNING, "chain-superfluous"), (WARNING, "chain-order")
CHAINS: dict[str, tuple[Issued, tuple[x509.Certificate, ...], set[tuple[str, str]]]] = {
    "in order": (BELOW, TWO, set()),
    "with the root": (BELOW, (*TWO, ROOT.certificate), {SUPERFLUOUS}),
    "upside down": (BELOW, TWO[::-1], {DISORDER}),
    "upside down, with the root": (BELOW, (ROOT.certificate, *TWO[::-1]), {SUPERFLUOUS, DISORDER}),
    "with another root": (SOUND, (ISSUING.certificate, CHAT.certificate), {SUPERFLUOUS}),
    "with another's intermediate": (SOUND, (OF_CHAT.certificate, ISSUING.certificate), {SUPERFLUOUS}),
    "twice": (BELOW, (*TWO, BELOW.certificate, *TWO), set()),
    "with another of the name before": (SOUND, (NEXT.certificate, ISSUING.certificate), {SUPERFLUOUS}),
    "with another of the name behind": (SOUND, (ISSUING.certificate, NEXT.certificate), {SUPERFLUOUS}),
    "with the root by another too": (SOUND, (ISSUING.certificate, ROOT.certificate, CROSSED), {SUPERFLUOUS}),
}


@pytest.mark.parametrize("case", CHAINS)
def test_a_host_says_of_a_chain_what_the_controller_says(case: str) -> None:
    issued, chain, wanted = CHAINS[case]
    given = MaterialSet(
        domain=DOMAIN,
        certificate=Material(issued.pem, "/host/www.pem"),
        private_key=Material(issued.key_pem, "/host/www.key"),
        chain=Material(pem(*chain), "/host/chain.pem"),
        trust_anchors=(Material(ROOT.pem, "root.crt"),),
    )
    (verdict,) = judge([given], at=datetime.now(timezone.utc), warn_days=30)
    once = tuple(one for one in dict.fromkeys(chain) if one != issued.certificate)
    anchors = members("trust_anchors", ROOT.certificate)
    for findings in (verdict.findings, judged(issued, chain=once), judged(issued, chain=once, anchors=anchors)):
        assert {(one.severity, one.code) for one in findings} == wanted, findings


SAME_NAME = Authority("Root CA")
ANCHORED: dict[str, tuple[Issued, tuple[x509.Certificate, ...], x509.Certificate, list[str]]] = {
    "to the root": (SOUND, (ISSUING.certificate,), ROOT.certificate, []),
    "of the root itself": (ROOT.issue(DOMAIN), (), ROOT.certificate, []),
    "without the issuer": (SOUND, (), ROOT.certificate, ["chain-incomplete"]),
    "with another's issuer": (SOUND, (OF_CHAT.certificate,), ROOT.certificate, ["chain-incomplete"]),
    "to another root": (SOUND, (ISSUING.certificate,), CHAT.certificate, ["untrusted-issuer"]),
    "to another, with its root": (
        SOUND,
        (ISSUING.certificate, ROOT.certificate),
        CHAT.certificate,
        ["untrusted-issuer"],
    ),
    "by one that did not sign": (SOUND, (NEXT.certificate,), ROOT.certificate, ["untrusted-issuer"]),
    "to what is no root": (SOUND, (), ISSUING.certificate, ["untrusted-issuer"]),
    "to another of the root's name": (
        SOUND,
        (ISSUING.certificate,),
        Authority("Root CA").certificate,
        ["untrusted-issuer"],
    ),
}


@pytest.mark.parametrize("case", ANCHORED)
def test_a_host_says_of_a_path_to_the_trust_anchors_what_the_controller_says(case: str) -> None:
    issued, chain, anchor, wanted = ANCHORED[case]
    given = MaterialSet(
        domain=DOMAIN,
        certificate=Material(issued.pem, "/host/www.pem"),
        private_key=Material(issued.key_pem, "/host/www.key"),
        chain=Material(pem(*chain), "/host/chain.pem") if chain else None,
        trust_anchors=(Material(pem(anchor), "trust_anchors"),),
    )
    (verdict,) = judge([given], at=datetime.now(timezone.utc), warn_days=30)
    for findings in (verdict.findings, judged(issued, chain=chain, anchors=members("trust_anchors", anchor))):
        assert [one.code for one in findings if one.severity == ERROR] == wanted, findings


def test_a_chain_is_sent_in_order_without_roots_and_with_what_may_lead_elsewhere() -> None:
    def sent(*chain: x509.Certificate, issued: Issued = BELOW) -> tuple[Member, ...]:
        server = (*members("/host/www.pem", issued.certificate), *members("/host/chain.pem", *chain))
        return judge_host_material(HostMaterial((DOMAIN,), server, Secret(issued.key_pem), "/host/www.key"), 30).sent

    in_order = sent(*TWO)
    assert sent(ROOT.certificate, *TWO[::-1]) == in_order
    assert [one.label for one in in_order] == [f"CN={DOMAIN}", "CN=Lower CA", "CN=Issuing CA"]
    by_another = members("/host/chain.pem", CROSSED)[0]
    assert sent(CROSSED, ROOT.certificate, *TWO) == (*in_order, by_another)
    first, second = members("/host/chain.pem", ISSUING.certificate, NEXT.certificate)
    assert sent(NEXT.certificate, ISSUING.certificate, issued=SOUND)[1:] == (first, second)


def test_an_ended_client_ca_is_to_be_taken_out_and_never_to_be_renewed() -> None:
    ended = ca(key=CHAT.key, subject=CHAT.certificate.subject, end=NOW - DAY, begin=NOW - 9 * DAY).certificate
    (found,) = judged(client_cas=(ended, CHAT.certificate))
    assert (found.severity, found.code) == (WARNING, "expired")
    assert found.message.endswith("another certificate of the same CA is valid, by which httpd lets its clients in.")
    other = Authority("Chat's former CA", not_after=NOW - DAY).certificate
    (found,) = judged(client_cas=(other, CHAT.certificate))
    assert (found.severity, found.code) == (ERROR, "expired")
    assert found.remedy.startswith("Take it out")
    for each in (ended, other):
        assert all("Renew" not in one.remedy for one in judged(client_cas=(each, CHAT.certificate)))
        assert all("Renew" not in one.remedy for one in judged(client_cas=(each,)))


@pytest.mark.parametrize(
    ("begin", "end", "more", "found"),
    [
        (-1, 30, {}, []),
        (-30, 5, {}, [(WARNING, "crl-expires-soon", "/host/ca.crl")]),
        (-1, 20, {"list_warning": 30 * DAY}, [(WARNING, "crl-expires-soon", "/host/ca.crl")]),
        (-1, 40, {"list_warning": 30 * DAY}, []),
        (-9, -1, {}, [(ERROR, "crl-expired", "/host/ca.crl")]),
        (1, 9, {}, [(ERROR, "crl-not-yet-valid", "/host/ca.crl")]),
    ],
)
def test_the_end_of_a_list_is_told_before_it_locks_all_clients_out(
    begin: int, end: int, more: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    listed = crl(Pair(CHAT.certificate, CHAT.key), begin=NOW + begin * DAY, end=NOW + end * DAY)
    told = judged(crls=(listed,), **more)
    assert codes(told) == found
    assert all("(OpenSSL: " in one.message for one in told if one.severity == ERROR)


def test_an_ended_list_beside_a_newer_one_is_of_no_account() -> None:
    chat = Pair(CHAT.certificate, CHAT.key)
    listed = (crl(chat, begin=NOW - 9 * DAY, end=NOW - DAY), crl(chat))
    assert codes(judged(crls=listed)) == [(WARNING, "crl-expired", "/host/ca.crl")]


def test_an_error_is_a_fault_of_the_same_code() -> None:
    (of_name,) = judged(names=("shop.example.com",))
    fault = as_fault(of_name, "shop.example.com")
    assert (fault.code, fault.domain) == ("name-mismatch", "shop.example.com")
    assert fault.message.startswith("/host/www.pem: ")
    assert not fault.message.endswith(".")
    assert fault.remedy
