# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client CA without an error is one whose clients OpenSSL lets in, and any other has an error that says why not."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from demo_material import Authority, zipped
from odd_authorities import CLIENT_CASES, ClientCase, client_of, pem
from odd_certificates import (
    DAY,
    NOW,
    Pair,
    ca,
    crl,
    distribution,
    issuer_id,
    named,
    new_key,
    skip_if_judged_anew,
)

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Parts
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import shared
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, WARNING
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.handshakes import Handshakes
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet, Verdict

if TYPE_CHECKING:
    from pathlib import Path


def verdict(client_cas: bytes, crls: bytes = b"", at: datetime = NOW + DAY / 86400, **more: object) -> Verdict:
    given = MaterialSet(client_ca=(Material(client_cas, "chat.crt"),))
    given = replace(given, crl=(Material(crls, "chat.crl"),) if crls else (), **more)
    return judge([given], at=at, warn_days=0)[0]


def whole(*pairs: Pair) -> bytes:
    return pem(*(one.certificate for one in pairs))


@pytest.mark.parametrize("case", CLIENT_CASES, ids=lambda case: case.name)
def test_the_verdict_on_a_client_ca_is_openssls(case: ClientCase, tmp_path: Path) -> None:
    skip_if_judged_anew(case.name)
    (tmp_path / "client").write_bytes(whole(client_of(case.issuer, **case.client)))
    (tmp_path / "cas").write_bytes(case.client_cas)
    command = ["openssl", "verify", "-auth_level", "2", "-purpose", "sslclient", "-no-CApath", "-no-CAstore"]
    command += ["-attime", str(int(NOW.timestamp()) + 1), "-CAfile", "cas"]
    if case.crls:
        (tmp_path / "crls").write_bytes(case.crls)
        command += ["-crl_check_all", "-CRLfile", "crls"]
    told = subprocess.run([*command, "client"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (told.returncode == 0) is case.accepted, told.stderr
    found = verdict(case.client_cas, case.crls)
    assert found.ok is case.accepted, found.findings
    assert found.decided_by == "handshake"
    if case.code:
        errors = [one for one in found.findings if one.code == case.code and one.severity == ERROR]
        assert errors, found.findings
        assert case.words in errors[0].message
        assert all("key is" not in one.remedy and "Order" not in one.remedy for one in errors)
    if case.warned:
        assert (case.warned, WARNING) in [(one.code, one.severity) for one in found.findings]


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CLIENT_CASES}) == len(CLIENT_CASES)


def test_openssls_words_stand_beside_the_rule_that_explains_them() -> None:
    (found,) = verdict(whole(ca(key=new_key(), path_length=0, ku=None, bc=None))).findings
    assert found.code == "not-a-ca"
    assert "(OpenSSL: " in found.message


def test_openssls_words_stand_once_where_two_cas_of_a_file_are_refused_for_one_reason() -> None:
    odd = [ca(key=new_key(), path_length=0, ku=None, bc=None) for _each in range(2)]
    messages = [one.message for one in verdict(whole(*odd)).findings]
    assert max(message.count("(OpenSSL: ") for message in messages) == 1


def test_a_client_ca_and_its_renewed_twin_are_not_told_to_be_renewed() -> None:
    (case,) = (one for one in CLIENT_CASES if one.name.startswith("ended, and renewed"))
    (found,) = verdict(case.client_cas).findings
    assert found.severity == WARNING
    assert "Renew" not in found.remedy


def test_of_a_ca_of_which_there_is_no_twin_the_rules_decide_and_the_verdict_says_so() -> None:
    for bits, severity in ((2048, WARNING), (1024, ERROR)):
        found = verdict(whole(ca(key=dsa.generate_private_key(bits))))
        assert found.decided_by == "rules"
        assert [(one.code, one.severity) for one in found.findings] == [("weak-key", severity)]


def test_clients_with_more_above_them_than_verify_depth_allows_are_named() -> None:
    root = ca()
    middle = ca(root)
    for depth, codes in (1, ["clients-refused"]), (2, []), (None, []):
        found = verdict(whole(root, middle), verify_depth=depth).findings
        assert [one.code for one in found] == codes
    assert verdict(whole(root), verify_depth=1).ok


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not tell the path; controllers have 3.11")
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_the_path_that_openssl_follows_is_what_verify_depth_is_about(order: tuple[int, ...], tmp_path: Path) -> None:
    top, one = ca(), ca()
    # The same CA, with two issuers: itself, and another.
    crossed = ca(top, subject=one.certificate.subject, key=one.key)
    given = whole(*((one, crossed, top)[at] for at in order))
    (tmp_path / "client").write_bytes(whole(client_of(one)))
    (tmp_path / "cas").write_bytes(given)
    command = ["openssl", "verify", "-show_chain", "-purpose", "sslclient", "-CAfile", "cas", "client"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    above = shown.count("depth=") - 1
    for depth in (1, 2):
        refused = [each for each in verdict(given, verify_depth=depth).findings if "of 'Root CA" in each.message]
        named = [each for each in refused if f"'{one.certificate.subject.rfc4514_string()[3:]}'" in each.message]
        assert bool(named) is (above > depth), (shown, refused)


def test_lists_are_asked_about_a_clients_own_certificate_alone_where_the_site_asks_so() -> None:
    root = ca()
    middle = ca(root)
    cas = [one.certificate.public_bytes(Encoding.DER) for one in (middle, root)]
    lists = [crl(middle).public_bytes(Encoding.DER)]
    handshakes = Handshakes(NOW + DAY / 86400)
    assert [one.refusal is None for one in handshakes.let_in(cas, lists)] == [False, False]
    assert [one.refusal is None for one in handshakes.let_in(cas, lists, whole=False)] == [True, False]


@pytest.mark.parametrize("listed", [("middle",), ("root",), ("middle", "root"), ("root's name",)])
def test_with_crl_check_leaf_a_root_above_others_needs_no_list(listed: tuple[str, ...], tmp_path: Path) -> None:
    root = ca()
    middle = ca(root)
    lists = {"middle": crl(middle), "root": crl(root), "root's name": crl(root, aki=(issuer_id(middle.key), False))}
    crls = b"".join(lists[one].public_bytes(Encoding.PEM) for one in listed)
    for name, content in ("client", whole(client_of(middle))), ("cas", whole(root, middle)), ("crls", crls):
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "verify", "-purpose", "sslclient", "-CAfile", "cas", "-crl_check", "-CRLfile", "crls"]
    told = subprocess.run([*command, "client"], cwd=tmp_path, capture_output=True, check=False)
    found = verdict(whole(root, middle), crls, crl_check="leaf")
    assert found.ok is (told.returncode == 0)
    assert found.decided_by == "handshake"
    warned = [one for one in found.findings if (one.code, one.severity) == ("crl-missing", WARNING)]
    assert bool(warned) is (listed == ("middle",))


def test_a_list_that_is_not_the_cas_is_told_once() -> None:
    one = ca()
    found = verdict(whole(one), crl(one, signer=new_key()).public_bytes(Encoding.PEM)).findings
    assert [each.code for each in found] == ["crl-wrong-issuer"]


def test_a_zip_of_one_file_holds_what_the_file_holds_and_of_two_files_one_has_to_be_chosen() -> None:
    root = ca()
    issuing = ca(root)
    assert verdict(zipped("chat.crt", whole(root, issuing))).findings == ()
    both = io.BytesIO()
    with zipfile.ZipFile(both, "w") as archive:
        archive.writestr("root.crt", whole(root))
        archive.writestr("issuing.crt", whole(issuing))
    (found,) = verdict(both.getvalue()).findings
    assert (found.code, found.severity) == ("ambiguous", ERROR)
    assert "root.crt, issuing.crt" in found.message


def test_a_list_of_users_alone_does_where_it_is_asked_about_clients_alone() -> None:
    root = ca()
    of_users = pem(crl(root, place=distribution(only_contains_user_certs=True)))
    (found,) = verdict(whole(root), of_users, crl_check="leaf").findings
    assert (found.code, found.severity) == ("crl-unsupported", WARNING)
    assert found.message.endswith("OpenSSL lets clients in all the same.")
    skip_if_judged_anew("list: of users alone")
    assert [one.severity for one in verdict(whole(root), of_users).findings] == [ERROR]


@pytest.mark.parametrize(("second", "found"), [(-1, []), (0, ["crl-expired"]), (1, ["crl-expired"])])
def test_the_last_second_of_a_list_is_openssls(second: int, found: list[str], tmp_path: Path) -> None:
    root, end = ca(), NOW + 2 * DAY
    lists = pem(crl(root, begin=NOW, end=end))
    at = end + timedelta(seconds=second)
    for _each in range(20):  # A verdict that took a second was about another one.
        begun = time.monotonic()
        told = verdict(whole(root), lists, at=at).findings
        if time.monotonic() - begun < 0.5:
            break
    assert [one.code for one in told if one.severity == ERROR] == found
    assert all(one.subject == "chat.crl" for one in told)
    for name, content in (("ca", whole(root)), ("list", lists), ("client", whole(client_of(root)))):
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "verify", "-attime", str(int(at.timestamp())), "-crl_check_all", "-CRLfile", "list"]
    accepted = subprocess.run([*command, "-CAfile", "ca", "client"], cwd=tmp_path, capture_output=True, check=False)
    assert (accepted.returncode == 0) is not bool(found)


def test_a_delta_is_refused_beside_a_whole_list_too() -> None:
    root = ca()
    delta = crl(root, delta=(x509.DeltaCRLIndicator(1), True), number=(x509.CRLNumber(2), False))
    for lists in ((delta,), (crl(root), delta), (delta, crl(root))):
        found = verdict(whole(root), pem(*lists)).findings
        assert [(one.code, one.severity) for one in found] == [("crl-unsupported", ERROR)]


@pytest.mark.parametrize(("days", "codes"), [(-2, ["not-yet-valid"]), (0, []), (800, []), (901, ["expired"])])
def test_a_client_ca_is_tried_as_of_the_moment(days: int, codes: list[str]) -> None:
    found = verdict(whole(ca()), at=NOW + days * DAY)
    assert [one.code for one in found.findings] == codes
    assert found.decided_by == "handshake"


def test_a_list_is_tried_as_of_the_moment() -> None:
    one = ca()
    listed = crl(one).public_bytes(Encoding.PEM)
    assert verdict(whole(one), listed).ok
    late = verdict(whole(one), listed, at=NOW + 8 * DAY)
    assert [finding.code for finding in late.findings] == ["crl-expired"]
    assert "(OpenSSL: CRL has expired)" in late.findings[0].message


KEY = new_key()
ROOT = ca(subject=named("Public Root"), key=KEY)


RSA_ROOT = ca(subject=named("RSA Root"), key=rsa.generate_private_key(65537, 2048))


def with_key_written_as(one: Pair, public: bytes) -> bytes:
    """Return a certificate as DER with another way of writing its key; nobody checks what a root signed itself."""
    parts = Parts.of(one.certificate.public_bytes(Encoding.DER))
    body = (*parts.head, parts.inner, parts.issuer, parts.validity, parts.subject, public, *parts.tail)
    return der.pem("CERTIFICATE", der.sequence(der.sequence(*body), parts.algorithm, parts.signature))


def without_null(public: bytes) -> bytes:
    kind, content = der.children(public)
    return der.sequence(der.sequence(der.children(kind)[0]), content)


@pytest.mark.parametrize("kind", ["a compressed point", "RSA without its NULL"])
def test_a_public_root_is_known_however_its_key_is_written(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = ROOT if kind == "a compressed point" else RSA_ROOT
    public = one.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if one is ROOT:
        point = one.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        other = der.sequence(der.children(public)[0], der.bits(point))
    else:
        other = without_null(public)
    assert other != public
    (tmp_path / "store").write_bytes(whole(one))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "store"))
    shared.default_store.cache_clear()
    try:
        found = verdict(with_key_written_as(one, other))
    finally:
        shared.default_store.cache_clear()
    assert "public-client-ca" in [finding.code for finding in found.findings]


@pytest.mark.parametrize(
    ("one", "public"),
    [
        (ROOT, True),
        (ca(subject=named("Public Root"), key=KEY, serial=9), True),
        (ca(ca(), subject=named("Public Root"), key=KEY), True),
        (ca(subject=named("Public Root")), False),
    ],
    ids=["itself", "issued anew", "issued by another root", "of its name, with another key"],
)
def test_a_public_root_is_known_by_its_key(
    one: Pair, public: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "store").write_bytes(whole(ca(), ROOT))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "store"))
    shared.default_store.cache_clear()
    try:
        found = verdict(whole(one))
    finally:
        shared.default_store.cache_clear()
    assert ("public-client-ca" in [finding.code for finding in found.findings]) is public


def test_what_is_judged_of_a_client_ca_once_is_said_of_each_set() -> None:
    odd = Material(CLIENT_CASES[1].client_cas, "chat.crt")
    given = MaterialSet(client_ca=(odd,))
    found = judge([given, MaterialSet(domain="www.example.com"), given], at=datetime.now(timezone.utc), warn_days=0)
    assert [one.ok for one in found] == [False, True, False]


def test_a_moment_between_is_no_whole_second() -> None:
    chat = Authority("Chat CA", not_before=NOW)
    assert verdict(chat.pem, at=NOW + timedelta(seconds=0.7)).ok


def test_what_shows_a_client_ca_in_a_zip_shows_it_and_nobody_is_told_to_renew_it(tmp_path: Path) -> None:
    ended = ca(end=NOW - DAY)
    path = tmp_path / "Chat's CA.zip"
    path.write_bytes(zipped("TencentQQAuthCA.crt", whole(ended)))
    given = MaterialSet(client_ca=(Material(path.read_bytes(), str(path)),))
    (found,) = [one for one in judge([given], at=NOW, warn_days=0)[0].findings if one.code == "expired"]
    said, _colon, command = found.remedy.partition(" To see this one: ")
    assert "Renew" not in said
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("notAfter=")
