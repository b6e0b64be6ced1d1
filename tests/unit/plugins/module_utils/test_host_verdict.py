# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict of a host, which has the standard library alone: the same codes as the controller's."""

from __future__ import annotations

import base64
import random
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from demo_material import Authority, Issued, key_pem, pem
from odd_authorities import CLIENT_CASES, ClientCase
from odd_certificates import CASES, Case, Pair, ca, crl, leaf, named, skip_if_judged_anew, usage

from ansible_collections.mtls.httpd.plugins.module_utils._transaction import host_material
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_certificates import (
    HostMaterial,
    Listed,
    Member,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_verdict import as_fault, judge_host_material
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, WARNING, Finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet

if TYPE_CHECKING:
    from pathlib import Path

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


# What a host does not say: whether another one's OpenSSL knows the curve, and what of a list does no harm.
CONTROLLERS_ALONE = {
    "key: brainpoolP256r1",
    "list: of users, and one of CAs",
    "list: an indirect one behind the whole one",
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


@pytest.mark.parametrize("kind", ["EC", "RSA"])
@pytest.mark.parametrize("linked", [True, False])
def test_the_certificate_of_a_ca_for_its_next_key_is_no_root(linked: bool, kind: str) -> None:
    more: dict[str, Any] = {} if linked else {"ski": None, "aki": None}
    more |= {"key": rsa.generate_private_key(65537, 2048)} if kind == "RSA" else {}
    next_key = ca(Pair(ROOT.certificate, ROOT.key), subject=ROOT.certificate.subject, **more).certificate
    found = members("/host/chain.pem", ROOT.certificate, next_key, ISSUING.certificate)
    assert [one.is_root for one in found] == [True, False, False]


def test_an_ended_edition_of_a_root_beside_the_present_one_is_of_no_account() -> None:
    ended = ca(key=ROOT.key, subject=ROOT.certificate.subject, begin=NOW - 9 * DAY, end=NOW - DAY).certificate
    assert judged(anchors=members("trust_anchors", ended, ROOT.certificate)) == ()
    assert [one.code for one in judged(anchors=members("trust_anchors", ended))] == ["expired"]


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
    assert (found.severity, found.code) == (WARNING, "expired")
    assert found.message.endswith(
        "httpd lets none of its clients in any more, and those of the other client CAs it does."
    )
    assert found.remedy == "Take it out."
    (found,) = judged(client_cas=(other,))
    assert (found.severity, found.code) == (ERROR, "expired")
    assert found.remedy.startswith("Take it out, and give")
    for each in (ended, other):
        assert all("Renew" not in one.remedy for one in judged(client_cas=(each, CHAT.certificate)))
        assert all("Renew" not in one.remedy for one in judged(client_cas=(each,)))


def test_an_ended_client_ca_is_an_error_where_all_others_are_above_it() -> None:
    middle = Authority("Middle CA", issuer=ROOT)
    for above in ([ROOT], [ROOT, middle]):
        ended = Authority("Client CA", issuer=above[-1], not_after=NOW - DAY)
        trusted = tuple(one.certificate for one in (*above, ended))
        (found,) = judged(client_cas=trusted)
        assert (found.severity, found.code) == (ERROR, "expired")
        for other in (Authority("Client CA 2", issuer=above[-1]), CHAT):
            (found,) = judged(client_cas=(*trusted, other.certificate))
            assert (found.severity, found.code) == (WARNING, "expired")
    renamed = Authority("Root CA", not_after=NOW - DAY)  # A root is below nobody, were it of the name of another.
    (found,) = judged(client_cas=(ROOT.certificate, renamed.certificate))
    assert (found.severity, found.code) == (WARNING, "expired")


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


SERVED = [case for case in CASES if not case.crls and hasattr(case.server.key, "private_bytes")]
# Where the controller refuses a kind of key that OpenSSL's clients follow in a root, or says two things of one.
STRICTER = {"key: of the root, DSA", "key: of the root, secp256k1", "signature: sha3-256"}
# What OpenSSL has no word of its own for, or cryptography does not read: an error all the same, by another code.
OTHERWISE_CALLED = {
    "names: text for an extension",
    "twice: names",
    "algorithm: not the one that is signed",
    "key: DSA",
    "key: secp256k1",
    "limits: a wildcard as limit",
    "limits: of the root, a wildcard as limit",
    "limits: a limit that is no network",
    "limits: for a self-issued server",
    "limits: thousands for thousands of names",
}


@pytest.mark.parametrize("issued_by", ["public", "chat"])
@pytest.mark.parametrize("case", SERVED, ids=lambda case: case.name)
def test_a_host_refuses_of_odd_certificates_what_the_controller_refuses(case: Case, issued_by: str) -> None:
    skip_if_judged_anew(case.name)
    key = case.server.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    given = MaterialSet(
        domain=case.domain,
        certificate=Material(pem(case.server.certificate), "/host/www.pem"),
        private_key=Material(key, "/host/www.key"),
        chain=Material(pem(*(one.certificate for one in case.chain)), "/host/chain.pem") if case.chain else None,
        trust_anchors=tuple(Material(pem(one.certificate), "trust_anchors") for one in case.anchors),
        issued_by=issued_by,
    )
    (verdict,) = judge([given], at=datetime.now(timezone.utc), warn_days=30)
    material = HostMaterial(
        names=(case.domain,) if case.domain else (),
        server=tuple(
            dict.fromkeys(
                (
                    *members("/host/www.pem", case.server.certificate),
                    *members("/host/chain.pem", *(one.certificate for one in case.chain)),
                )
            )
        ),
        key=Secret(key),
        key_source="/host/www.key",
        anchors=members("trust_anchors", *(one.certificate for one in case.anchors)),
        issued_by=issued_by,
    )
    found = judge_host_material(material, 30).findings
    wanted, errors = ({one.code for one in findings if one.severity == ERROR} for findings in (verdict.findings, found))
    if case.name in STRICTER:
        assert errors <= wanted
    elif case.name in OTHERWISE_CALLED:
        assert bool(errors) is bool(wanted)
        assert errors != wanted
    else:
        assert errors == wanted
    told = ("bad-form", "long-lifetime", "must-staple", "expires-soon")
    assert {one.code for one in found if one.code in told} == {one.code for one in verdict.findings if one.code in told}


def server_with(**changes: Any) -> Issued:
    """Return a server's certificate of the issuing CA's, but for changes."""
    made = leaf(Pair(ISSUING.certificate, ISSUING.key), DOMAIN, **changes)
    return Issued(made.certificate, made.key)


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_key_that_may_sign_nothing_is_refused_of_chat_too_where_tls_1_2_does_not_work(kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
    odd = server_with(key=key, ku=(usage("key_agreement", "key_encipherment"), True))
    severity = ERROR if kind == "EC" else WARNING
    assert codes(judged(odd, issued_by="chat")) == [(severity, "wrong-usage", "/host/www.pem")]


def test_a_certificate_that_demands_stapling_is_warned_of_where_the_site_sends_none() -> None:
    demanding = server_with(feature=(x509.TLSFeature([x509.TLSFeatureType.status_request]), False))
    assert codes(judged(demanding)) == [(WARNING, "must-staple", "/host/www.pem")]
    assert judged(demanding, stapled=True) == ()
    other = server_with(feature=(x509.TLSFeature([x509.TLSFeatureType.status_request_v2]), False))
    assert judged(other) == ()


def test_a_lifetime_is_too_long_for_a_public_authority_alone() -> None:
    long = ISSUING.issue(DOMAIN, not_after=NOW + 400 * DAY)
    assert codes(judged(long)) == [(WARNING, "long-lifetime", "/host/www.pem")]
    assert judged(long, issued_by="chat") == ()


def test_an_odd_encoding_is_warned_of_by_its_part() -> None:
    made = leaf(Pair(ISSUING.certificate, ISSUING.key), DOMAIN, subject=named("A*B"))
    whole = made.certificate.public_bytes(Encoding.DER)
    body = der.children(whole)[0].replace(b"\x0c\x03A*B", b"\x13\x03A*B")
    signature = ISSUING.key.sign(body, ec.ECDSA(hashes.SHA256()))
    odd = Member("/host/www.pem", der.sequence(body, der.children(whole)[1], der.bits(signature)))
    server = (odd, *members("/host/chain.pem", *ISSUING.intermediates))
    (found,) = judge_host_material(
        HostMaterial((DOMAIN,), server, Secret(key_pem(made.key)), "/host/www.key"), 30
    ).findings
    assert (found.severity, found.code) == (WARNING, "odd-encoding")
    assert "its subject holds a PrintableString with characters that it may not have" in found.message


def test_a_client_ca_with_the_key_of_a_root_that_the_host_trusts_is_refused_unless_it_is_pinned() -> None:
    store = Material(pem(ROOT.certificate, CHAT.certificate), "/etc/ssl/certs/ca-certificates.crt")
    (found,) = judged(public=store)
    assert (found.severity, found.code, found.subject) == (ERROR, "public-client-ca", "/host/ca.pem")
    assert "pin it: client_ca_sha256: [" in found.remedy
    reissued = ca(key=CHAT.key, subject=CHAT.certificate.subject, serial=9).certificate
    assert [one.code for one in judged(client_cas=(reissued,), public=store)] == ["public-client-ca"]
    (found,) = judged(client_cas=(ROOT.certificate, CHAT.certificate), public=store)
    assert found.message.startswith("holds 2 public roots")
    assert judged(public=Material(pem(ROOT.certificate), "store")) == ()
    assert judged(public=Material(b"", "store")) == ()
    assert judged(client_cas=(Authority("Chat CA").certificate,), public=store) == ()


def test_a_root_without_a_list_above_a_ca_with_one_is_warned_of_where_clients_alone_are_asked_about() -> None:
    top, below = Pair(CHAT.certificate, CHAT.key), Pair(OF_CHAT.certificate, OF_CHAT.key)
    both = (CHAT.certificate, OF_CHAT.certificate)
    found = codes(judged(client_cas=both, crls=(crl(below),), whole=False))
    assert found == [(WARNING, "crl-missing", "/host/ca.pem")]
    assert [one[:2] for one in codes(judged(client_cas=both, crls=(crl(below),)))] == [(ERROR, "crl-missing")] * 2
    assert judged(client_cas=both, crls=(crl(top), crl(below))) == ()
    assert (ERROR, "crl-missing", "/host/ca.pem") in codes(
        judged(client_cas=(CHAT.certificate, Authority("Another").certificate), crls=(crl(top),), whole=False)
    )


@pytest.mark.parametrize("number", range(200))
def test_no_mutation_of_what_lies_on_a_host_ends_the_verdict(number: int) -> None:
    source = random.Random(number)
    server, root, listed = SOUND.certificate, CHAT.certificate, crl(Pair(CHAT.certificate, CHAT.key))
    whole = bytearray(source.choice([server, root, listed]).public_bytes(Encoding.DER))
    for _time in range(source.randrange(1, 4)):
        whole[source.randrange(len(whole))] = source.randrange(256)
    try:
        odd = Member.read("/host/odd.pem", bytes(whole))
    except ValueError:
        return  # which is told of the file
    good = members("/host/www.pem", server, *ISSUING.intermediates)
    rest = {"key": Secret(SOUND.key_pem), "key_source": "/host/www.key", "public": Material(CHAT.pem, "store")}
    assert judge_host_material(HostMaterial((DOMAIN,), (odd, *good[1:]), **rest), 30).sent
    assert judge_host_material(HostMaterial((DOMAIN,), (good[0], odd), client_cas=(odd,), **rest), 30).sent


def test_a_file_of_beginnings_alone_is_soon_read_through(tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" * (host_material.MAXIMUM_SIZE // 28))
    begun = time.process_time()
    with pytest.raises(host_material.SourceError, match="holds no PEM certificate"):
        host_material.read_certificates(str(path))
    assert time.process_time() - begun < 5
