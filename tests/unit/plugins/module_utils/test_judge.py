# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on real certificates, rule by rule."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from demo_material import Authority, Issued, key_pem, new_key, pem, zipped
from odd_forms import FALSE, armoured, changed, with_extension
from speed import is_at_once

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    CODES,
    ERROR,
    WARNING,
    Finding,
    collect,
    has_errors,
    report_findings,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge, report
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import default_store
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Judgement

DOMAIN = "www.example.com"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)

ROOT = Authority("Test Root CA")
ISSUING = Authority("Test Issuing CA", issuer=ROOT, path_length=0)
CHAT = Authority("Test Chat CA")
SERVER = ISSUING.issue(DOMAIN)
GOOD = MaterialSet(
    domain=DOMAIN,
    certificate=Material(SERVER.pem, "site.crt"),
    private_key=Material(SERVER.key_pem, "site.key"),
    chain=Material(SERVER.chain_pem, "chain.crt"),
    client_ca=(Material(CHAT.pem, "chat.crt"),),
    trust_anchors=(Material(ROOT.pem, "root.crt"),),
)


def verdict(given: MaterialSet, *, at: datetime = NOW, warn_days: int = 30) -> Verdict:
    return judge([given], at=at, warn_days=warn_days)[0]


def codes(given: MaterialSet, *, at: datetime = NOW, warn_days: int = 30) -> list[str]:
    return [finding.code for finding in verdict(given, at=at, warn_days=warn_days).findings]


def served(issued: Issued, **changes: Any) -> MaterialSet:
    """Return the good set with another server's certificate and its key."""
    given = replace(
        GOOD, certificate=Material(issued.pem, "site.crt"), private_key=Material(issued.key_pem, "site.key")
    )
    return replace(given, **changes)


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


SAN = (x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), False)
IS_CA = (x509.BasicConstraints(ca=True, path_length=None), True)
AKI = (x509.AuthorityKeyIdentifier.from_issuer_public_key(ISSUING.key.public_key()), False)


def usage(*uses: str) -> tuple[x509.KeyUsage, bool]:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{one: one in uses for one in names.split()}), True


def made(
    *extensions: tuple[x509.ExtensionType, bool],
    key: Any = None,
    common: str = DOMAIN,
    issuer: Authority = ISSUING,
    serial: int = 7,
    algorithm: Any = None,
    days: float = 90,
) -> Issued:
    """Issue exactly this: nothing is added to the extensions, each with whether it is critical."""
    key = key or new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Issued(builder.sign(issuer.key, algorithm or hashes.SHA256()), key)


def signed_by_openssl(*options: str) -> bytes:
    """Return a certificate for the server's key, of a form that cryptography refuses to make."""
    request = x509.CertificateSigningRequestBuilder().subject_name(name(DOMAIN)).add_extension(*SAN)
    pems = {
        "request": request.sign(SERVER.key, hashes.SHA256()).public_bytes(Encoding.PEM),
        "ca": ISSUING.pem,
        "key": key_pem(ISSUING.key),
    }
    with tempfile.TemporaryDirectory() as folder:
        for file, content in pems.items():
            (Path(folder) / file).write_bytes(content)
        command = ["openssl", "x509", "-req", "-in", "request", "-CA", "ca", "-CAkey", "key", "-days", "90", *options]
        return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


def crl(issuer: Authority, *extensions: x509.ExtensionType, begin: float = -1, end: float = 7) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.name)
    builder = builder.last_update(NOW + begin * DAY).next_update(NOW + end * DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def with_crl(*crls: bytes, given: MaterialSet = GOOD) -> MaterialSet:
    return replace(given, crl=tuple(Material(one, f"{number}.crl") for number, one in enumerate(crls)))


def with_client_ca(*cas: bytes, **changes: Any) -> MaterialSet:
    return replace(GOOD, client_ca=tuple(Material(one, f"ca{number}.crt") for number, one in enumerate(cas)), **changes)


def public_root() -> bytes:
    store = default_store().data
    end = store.index(b"-----END CERTIFICATE-----") + 26
    return store[store.index(b"-----BEGIN CERTIFICATE-----") : end]


def indirect() -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("http://crl.example/")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=True,
        only_contains_attribute_certs=False,
    )


LIMITED = made(
    IS_CA,
    usage("key_cert_sign"),
    (x509.NameConstraints([x509.DNSName("example.org")], None), True),
    issuer=ROOT,
    common="Limited CA",
)


class _Limited(Authority):
    """The authority that may issue for example.org alone."""

    def __init__(self) -> None:
        self.name, self.key, self.issuer, self.certificate = (
            LIMITED.certificate.subject,
            LIMITED.key,
            ROOT,
            LIMITED.certificate,
        )


ODD = changed(SERVER.certificate, ISSUING.key, with_extension("2.16.840.1.113730.1.13", b"\x16\x01x", FALSE))
COPY = ("-copy_extensions", "copyall")  # without it, openssl makes version 1
MIDDLE = Authority("Test Middle CA", issuer=ROOT)
DEEP = Authority("Test Lower CA", issuer=MIDDLE).issue(DOMAIN)

# Each code, and a set that provokes it.
PROVOKED: dict[str, Callable[[], MaterialSet]] = {
    "unreadable": lambda: replace(GOOD, certificate=Material(b"", "site.crt")),
    "unknown-form": lambda: replace(GOOD, certificate=Material(b"\xfe\xed\xfe\xed" + bytes(9), "site.jks")),
    "member-unreadable": lambda: replace(GOOD, chain=Material(SERVER.chain_pem + ROOT.pem[:200], "chain.crt")),
    "odd-encoding": lambda: replace(GOOD, certificate=Material(armoured(ODD), "site.crt"), trust_anchors=()),
    "chain-swapped": lambda: replace(
        GOOD, certificate=Material(SERVER.chain_pem, "site.crt"), chain=Material(SERVER.pem, "chain.crt")
    ),
    "encrypted-key": lambda: replace(GOOD, private_key=Material(key_pem(SERVER.key, b"secret"), "site.key")),
    "ambiguous": lambda: replace(GOOD, bundle=Material(SERVER.pem + SERVER.key_pem, "bundle")),
    "invalid-domain": lambda: replace(GOOD, domain="192.0.2.1"),
    "key-mismatch": lambda: replace(GOOD, private_key=Material(key_pem(new_key()), "other.key")),
    "expired": lambda: served(ISSUING.issue(DOMAIN, not_after=NOW - DAY)),
    "not-yet-valid": lambda: served(ISSUING.issue(DOMAIN, not_before=NOW + DAY)),
    "expires-soon": lambda: served(ISSUING.issue(DOMAIN, not_after=NOW + 29 * DAY)),
    "name-mismatch": lambda: replace(GOOD, domain="www.example.org"),
    "weak-key": lambda: served(ISSUING.issue(DOMAIN, key_type="rsa1024")),
    "weak-signature": lambda: replace(
        GOOD, certificate=Material(signed_by_openssl("-sha1", "-set_serial", "9", *COPY), "site.crt")
    ),
    "wrong-usage": lambda: served(ISSUING.issue(DOMAIN, client=True)),
    "bad-form": lambda: replace(
        GOOD, certificate=Material(signed_by_openssl("-set_serial", "0x01" + "00" * 20, *COPY), "site.crt")
    ),
    "long-lifetime": lambda: served(ISSUING.issue(DOMAIN, not_after=NOW + 400 * DAY)),
    "must-staple": lambda: served(made(SAN, AKI, (x509.TLSFeature([x509.TLSFeatureType.status_request]), False))),
    "chain-incomplete": lambda: replace(GOOD, chain=None),
    "untrusted-issuer": lambda: replace(GOOD, trust_anchors=(Material(Authority("Other").pem, "other.crt"),)),
    "name-constraints": lambda: served(_Limited().issue(DOMAIN), chain=Material(pem(LIMITED.certificate), "chain.crt")),
    "path-refused": lambda: served(
        made(SAN, AKI, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True))
    ),
    "outside-profile": lambda: served(made(SAN)),
    "chain-order": lambda: served(DEEP, chain=Material(pem(*reversed(DEEP.intermediates)), "chain.crt")),
    "chain-superfluous": lambda: replace(GOOD, chain=Material(SERVER.chain_pem + ROOT.pem, "chain.crt")),
    "not-a-ca": lambda: with_client_ca(SERVER.pem),
    "clients-refused": lambda: with_client_ca(
        odd_ca(IS_CA, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True)).pem
    ),
    "client-ca-incomplete": lambda: with_client_ca(ISSUING.pem),
    "public-client-ca": lambda: with_client_ca(public_root()),
    "wrong-fingerprint": lambda: replace(GOOD, client_ca_sha256=("0" * 64,)),
    "crl-expired": lambda: with_crl(crl(CHAT, begin=-9, end=-1)),
    "crl-expires-soon": lambda: with_crl(crl(CHAT, begin=-9, end=1)),
    "crl-not-yet-valid": lambda: with_crl(crl(CHAT, begin=1, end=9)),
    "crl-wrong-issuer": lambda: with_crl(crl(Authority("Test Chat CA"))),
    "crl-missing": lambda: with_crl(crl(CHAT), given=with_client_ca(CHAT.pem, ROOT.pem)),
    "crl-unsupported": lambda: with_crl(crl(CHAT, x509.DeltaCRLIndicator(1))),
    "revoked": lambda: with_crl(crl(CHAT), ISSUING.crl(SERVER)),
}


@pytest.mark.parametrize("code", PROVOKED)
def test_each_code_is_found_where_its_rule_is_broken(code: str) -> None:
    found = [finding for finding in verdict(PROVOKED[code]()).findings if finding.code == code]
    assert found, report([verdict(PROVOKED[code]())])
    assert found[0].severity == CODES[code][0]
    assert found[0].subject
    assert all(text.isprintable() and text for text in (found[0].message, found[0].remedy))


def test_no_code_is_without_a_set_that_provokes_it() -> None:
    assert {*PROVOKED, "store-unreadable"} == set(CODES)  # test_odd_forms has a store of which nothing can be read


ALONE = {
    "wrong-fingerprint",
    "untrusted-issuer",
    "chain-incomplete",
    "expired",
    "not-yet-valid",
    "key-mismatch",
    "weak-key",
}


@pytest.mark.parametrize("code", sorted(ALONE))
def test_one_fault_makes_one_finding(code: str) -> None:
    assert codes(PROVOKED[code]()) == [code]


def test_good_material_has_no_findings() -> None:
    assert verdict(GOOD).findings == ()
    assert verdict(GOOD).ok


def test_what_is_deployed_is_pem_of_leaf_then_chain_and_the_same_bytes_every_time() -> None:
    deployable = verdict(GOOD).deployable
    assert deployable is not None
    assert deployable.certificate == SERVER.pem + pem(ISSUING.certificate)
    assert deployable.private_key == Secret(SERVER.key_pem)
    assert deployable.client_ca == CHAT.pem
    assert deployable.crl is None
    assert verdict(GOOD).deployable == deployable


def test_nothing_is_deployed_where_there_is_an_error_or_no_key() -> None:
    assert verdict(replace(GOOD, domain="www.example.org")).deployable is None
    assert verdict(replace(GOOD, private_key=None)).deployable is None


def test_no_key_is_shown_by_any_repr() -> None:
    secret = SERVER.key_pem.splitlines()[1].decode()
    given = replace(GOOD, private_key_passphrase=b"hunter2")
    shown = repr(given) + repr(verdict(GOOD)) + repr(given.private_key)
    assert secret not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "part",
    [
        MaterialSet(certificate=Material(SERVER.full_pem, "site.crt"), trust_anchors=GOOD.trust_anchors),
        MaterialSet(private_key=Material(SERVER.key_pem, "site.key")),
        MaterialSet(client_ca=GOOD.client_ca),
        MaterialSet(crl=(Material(CHAT.crl(), "chat.crl"),)),
        MaterialSet(domain=DOMAIN),
    ],
)
def test_rules_that_need_what_is_not_given_are_left_out(part: MaterialSet) -> None:
    assert codes(part) == []


def test_the_fields_of_a_certificate_are_told_as_of_the_moment() -> None:
    issued = ISSUING.issue("WWW.example.com", "*.example.com", not_before=NOW - 10 * DAY, not_after=NOW + 30 * DAY)
    fields = verdict(served(issued)).certificates[0]
    assert fields["use"] == "server"
    assert fields["source"] == "site.crt"
    assert fields["names"] == ["www.example.com", "*.example.com"]
    assert fields["issuer"] == "CN=Test Issuing CA"
    assert fields["serial"] == f"{issued.certificate.serial_number:x}"
    assert fields["sha256"] == issued.sha256
    assert fields["not_after"] == (NOW + 30 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (fields["days_left"], fields["lifetime_left_percent"]) == (30, 75)


def test_what_ends_first_is_named_even_if_it_is_an_intermediate() -> None:
    short = Authority("Short CA", issuer=ROOT, not_after=NOW + 40 * DAY)
    issued = short.issue(DOMAIN)
    first = verdict(served(issued, chain=Material(issued.chain_pem, "chain.crt"))).first_end
    assert first is not None
    assert first["subject"] == "'Short CA' in chain.crt"
    assert first["days_left"] == 40


# Time


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (SERVER.certificate.not_valid_before_utc - timedelta(seconds=1), ["not-yet-valid"]),
        (SERVER.certificate.not_valid_before_utc, []),
        (SERVER.certificate.not_valid_after_utc - timedelta(seconds=1), ["expires-soon"]),
        (SERVER.certificate.not_valid_after_utc, ["expired"]),
    ],
)
def test_a_certificate_is_valid_until_the_second_before_its_end(moment: datetime, expected: list[str]) -> None:
    given = MaterialSet(certificate=GOOD.certificate, issued_by="chat")
    assert codes(given, at=moment) == expected


def test_warn_days_says_from_when_to_warn() -> None:
    issued = ISSUING.issue(DOMAIN, not_after=NOW + 20 * DAY)
    assert codes(served(issued), warn_days=21) == ["expires-soon"]
    assert codes(served(issued), warn_days=20) == []


def test_an_expired_intermediate_is_named_and_not_the_server_certificate() -> None:
    old = Authority("Old Issuing CA", issuer=ROOT, not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    issued = old.issue(DOMAIN)
    findings = verdict(served(issued, chain=Material(issued.chain_pem, "chain.crt"))).findings
    assert [(one.code, one.subject) for one in findings] == [("expired", "chain.crt")]


# Names


@pytest.mark.parametrize(
    ("names", "domain", "covered"),
    [
        (["www.example.com"], "WWW.EXAMPLE.COM", True),
        (["WWW.Example.com"], "www.example.com", True),
        (["*.example.com"], "www.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], "a.b.example.com", False),
        (["w*.example.com"], "www.example.com", False),
        (["*.*.com"], "www.example.com", False),
        (["www.*.com"], "www.example.com", False),
        (["example.com"], "www.example.com", False),
        (["www.example.com.evil.example"], "www.example.com", False),
    ],
)
def test_names_match_as_rfc_9525_says(names: list[str], domain: str, covered: bool) -> None:
    found = codes(replace(served(ISSUING.issue(*names)), domain=domain))
    assert ("name-mismatch" not in found) is covered
    if covered:
        assert found == []


def test_a_common_name_alone_is_refused_with_its_own_remedy() -> None:
    issued = ISSUING.issue(common_name=DOMAIN)
    findings = verdict(served(issued)).findings
    assert [one.code for one in findings] == ["name-mismatch"]
    assert "subjectAltName" in findings[0].remedy


def test_every_alias_must_be_covered() -> None:
    issued = ISSUING.issue(DOMAIN, "example.com")
    assert codes(served(issued, aliases=("example.com",))) == []
    assert codes(served(issued, aliases=("example.com", "api.example.com"))) == ["name-mismatch"]


# Path


def test_the_default_trust_anchors_are_the_store_of_the_controller_and_it_is_named() -> None:
    public = verdict(replace(GOOD, trust_anchors=()))
    assert [one.code for one in public.findings] == ["untrusted-issuer"]
    assert default_store().name in public.notes[0]
    own = judge([replace(GOOD, trust_anchors=())], at=NOW, warn_days=30, default_anchors=Material(ROOT.pem, "my-roots"))
    assert own[0].ok
    assert "my-roots" in own[0].notes[0]


def test_a_missing_issuer_is_named_with_the_address_that_the_certificate_gives() -> None:
    url = "http://ca.example/issuing.crt"
    access = x509.AccessDescription(x509.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
    issued = made(SAN, AKI, (x509.AuthorityInformationAccess([access]), False))
    finding = verdict(served(issued, chain=None)).findings[0]
    assert finding.code == "chain-incomplete"
    assert "Test Issuing CA" in finding.message
    assert url in finding.remedy


def test_an_issuer_of_the_same_name_with_another_key_does_not_count() -> None:
    impostor = Authority("Test Issuing CA", issuer=ROOT)
    assert codes(replace(GOOD, chain=Material(pem(impostor.certificate), "chain.crt"))) == ["untrusted-issuer"]
    same_name = Authority("Test Root CA")
    assert codes(replace(GOOD, trust_anchors=(Material(same_name.pem, "root.crt"),))) == ["untrusted-issuer"]


def test_a_chain_that_is_anothers_is_named_with_what_it_holds() -> None:
    other = Material(pem(Authority("Other Issuing CA", issuer=ROOT).certificate), "other.chain.crt")
    finding = verdict(replace(GOOD, chain=other)).findings[0]
    assert finding.code == "chain-incomplete"
    assert "was issued by 'Test Issuing CA'" in finding.message
    assert "other.chain.crt holds 'Other Issuing CA' instead" in finding.message


def test_what_to_do_first_about_an_authority_that_nobody_knows_is_said_first() -> None:
    [finding] = verdict(replace(GOOD, chain=Material(SERVER.chain_pem + ROOT.pem, "c.crt"), trust_anchors=())).findings
    assert finding.code == "untrusted-issuer"
    assert finding.remedy == (
        "If 'Test Root CA' is an authority of your own, give its certificate as 'trust_anchors'. If not, get one of a "
        "public authority."
    )


def test_a_self_signed_certificate_is_untrusted_unless_it_is_the_anchor() -> None:
    key = new_key()
    alone = Authority("x")
    alone.name, alone.key = name(DOMAIN), key
    issued = made(SAN, key=key, issuer=alone)
    assert codes(served(issued, chain=None)) == ["untrusted-issuer"]
    assert "untrusted-issuer" not in codes(served(issued, chain=None, trust_anchors=(Material(issued.pem, "own.crt"),)))


def test_chain_before_or_after_the_certificate_in_one_file_and_litter_are_sorted_out() -> None:
    other = Authority("Unrelated CA")
    everything = pem(other.certificate, ROOT.certificate, MIDDLE.certificate, *DEEP.intermediates) + DEEP.pem
    found = verdict(served(DEEP, certificate=Material(everything + DEEP.pem, "all.crt"), chain=None))
    assert found.ok
    assert found.deployable is not None
    assert found.deployable.certificate == DEEP.pem + pem(*DEEP.intermediates)
    assert [one.code for one in found.findings] == ["chain-superfluous", "chain-order"]
    assert "Unrelated CA" in found.findings[0].message
    assert "A root is never sent" in found.findings[0].message


def test_of_several_certificates_that_of_the_key_is_the_servers_and_else_that_of_the_domain() -> None:
    other = ISSUING.issue("other.example.com")
    both = Material(other.pem + SERVER.pem, "both.crt")
    for given in (replace(GOOD, certificate=both), replace(GOOD, certificate=both, private_key=None)):
        assert verdict(given).certificates[0]["names"] == [DOMAIN]
    assert "ambiguous" in codes(replace(GOOD, certificate=both, private_key=None, domain=None))


def test_of_two_certificates_of_one_key_the_last_to_end_is_taken() -> None:
    old = ISSUING.issue(DOMAIN, key=SERVER.key, not_after=NOW + 3 * DAY)
    found = verdict(replace(GOOD, certificate=Material(old.pem + SERVER.pem, "both.crt")))
    assert found.certificates[0]["sha256"] == SERVER.sha256
    assert [one.code for one in found.findings] == ["chain-superfluous"]


def test_a_bundle_of_two_sites_is_decided_by_the_domain() -> None:
    other = ISSUING.issue("other.example.com")
    data = b"".join([other.pem, other.key_pem, SERVER.pem, SERVER.key_pem])
    given = replace(GOOD, certificate=None, private_key=None, bundle=Material(data, "bundle.zip"))
    found = verdict(given)
    assert found.ok
    assert found.deployable is not None
    assert found.deployable.private_key == Secret(SERVER.key_pem)
    assert "ambiguous" in codes(replace(given, domain=None))


def test_the_shortest_path_is_deployed_where_a_cross_certificate_offers_a_longer_one() -> None:
    cross = made(IS_CA, usage("key_cert_sign"), issuer=MIDDLE, common="Test Issuing CA", key=ISSUING.key)
    chain = pem(cross.certificate, MIDDLE.certificate, ISSUING.certificate)
    found = verdict(replace(GOOD, chain=Material(chain, "chain.crt")))
    assert found.ok
    assert found.deployable is not None
    assert found.deployable.certificate == SERVER.pem + pem(ISSUING.certificate)


def test_a_certificate_of_chat_needs_no_public_trust_and_the_verdict_says_so() -> None:
    issued = CHAT.issue(DOMAIN)
    found = verdict(served(issued, chain=None, trust_anchors=(), issued_by="chat"))
    assert found.findings == ()
    assert any("no public client trusts it" in note for note in found.notes)


def test_a_certificate_of_chat_must_be_signed_by_the_issuer_that_was_given() -> None:
    impostor = Authority("Test Chat CA").issue(DOMAIN)
    given = served(impostor, chain=None, trust_anchors=(), issued_by="chat")
    assert codes(given) == ["untrusted-issuer"]


def test_a_certificate_of_chat_ends_at_the_trust_anchors_where_they_are_given() -> None:
    issued = CHAT.issue(DOMAIN)
    assert codes(served(issued, chain=None, issued_by="chat")) == ["chain-incomplete"]
    anchors = (Material(CHAT.pem, "chat.crt"),)
    assert codes(served(issued, chain=None, issued_by="chat", trust_anchors=anchors)) == []


def test_of_a_private_authority_marks_may_be_wrong_where_openssl_does_not_mind() -> None:
    unmarked = made((x509.BasicConstraints(ca=True, path_length=None), False), common="Old CA", issuer=ROOT)
    issuer = Authority("Old CA")
    issuer.key = unmarked.key
    old = served(made(SAN, issuer=issuer), chain=Material(unmarked.pem, "chain.crt"))
    assert codes(old) == ["outside-profile"]
    assert codes(replace(old, issued_by="chat")) == ["outside-profile"]
    marked = served(made(SAN, (AKI[0], True)), issued_by="chat")
    assert codes(marked) == ["path-refused"]


@pytest.mark.parametrize("number", [2, 30, 60])
def test_a_pile_of_roots_of_one_name_is_judged_at_once(number: int) -> None:
    again = [
        made(IS_CA, usage("key_cert_sign"), issuer=CHAT, common="Test Chat CA", key=CHAT.key) for _time in range(number)
    ]
    pile = Material(b"".join(pem(one.certificate) for one in again), "chain.crt")
    began = time.process_time()
    assert codes(served(CHAT.issue(DOMAIN), chain=pile)) == ["untrusted-issuer"]
    assert is_at_once(time.process_time() - began)


def test_a_pile_of_certificates_that_issue_each_other_is_judged_at_once() -> None:
    cas = [Authority(f"CA {number}") for number in range(6)]
    pairs = [(one, other) for one in cas for other in cas if one is not other]
    crossed = [made(IS_CA, issuer=one, common=f"CA {cas.index(other)}", key=other.key) for one, other in pairs]
    pile = Material(b"".join(pem(one.certificate) for one in crossed), "chain.crt")
    began = time.process_time()
    assert codes(served(cas[0].issue(DOMAIN), chain=pile)) == ["path-refused"]
    assert is_at_once(time.process_time() - began)


def test_openssl_agrees_on_paths(tmp_path: Path) -> None:
    """What OpenSSL's clients accept is no error here, and what they refuse is one."""
    bare_root = Authority("Bare Root")
    cases = {
        "good": GOOD,
        "bare": served(made(SAN)),
        "limited": PROVOKED["name-constraints"](),
        "expired": PROVOKED["expired"](),
        "no chain": replace(GOOD, chain=None),
        "other root": replace(GOOD, trust_anchors=(Material(bare_root.pem, "bare.crt"),)),
        "client's": PROVOKED["wrong-usage"](),
        "other name": replace(GOOD, domain="www.example.org"),
        "weak": PROVOKED["weak-key"](),
    }
    for case, given in cases.items():
        assert given.certificate
        files = {"leaf": given.certificate, "chain": given.chain, "root": given.trust_anchors[0]}
        for file, material in files.items():
            (tmp_path / file).write_bytes(material.data if material else b"")
        command = [
            "openssl",
            "verify",
            "-auth_level",
            "2",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            str(given.domain),
        ]
        command += ["-CAfile", "root", *(["-untrusted", "chain"] if given.chain else []), "leaf"]
        accepted = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
        assert verdict(given).ok is accepted, case


def test_a_certificate_of_the_client_ca_is_said_to_be_case_2() -> None:
    found = verdict(served(CHAT.issue(DOMAIN), chain=None)).findings
    assert [one.code for one in found] == ["untrusted-issuer"]
    assert "issued_by: chat" in found[0].remedy


@pytest.mark.parametrize("domain", ["https://www.example.com/hook", "192.0.2.1", "2001:db8::1"])
def test_what_is_no_domain_is_said_once(domain: str) -> None:
    assert codes(replace(GOOD, domain=domain)) == ["invalid-domain"]


# Strength and use


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_the_curves_of_tls_are_fine(curve: ec.EllipticCurve) -> None:
    assert codes(served(made(SAN, AKI, key=ec.generate_private_key(curve)))) == []


def test_ed25519_is_fine_and_other_curves_and_dsa_are_weak() -> None:
    assert codes(served(made(SAN, AKI, key=ed25519.Ed25519PrivateKey.generate()))) == []
    assert codes(served(made(SAN, AKI, key=ec.generate_private_key(ec.SECP256K1())))) == ["weak-key"]
    assert codes(served(made(SAN, AKI, key=dsa.generate_private_key(2048)))) == ["weak-key"]


@pytest.mark.parametrize(
    "extensions",
    [
        (IS_CA, usage("key_cert_sign", "digital_signature")),
        (usage("key_cert_sign", "digital_signature"),),
        (usage("key_encipherment"),),
        ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False),),
    ],
    ids=["a CA", "keyCertSign", "no digitalSignature", "any usage"],
)
def test_what_is_not_for_a_tls_server_is_refused(extensions: tuple[tuple[x509.ExtensionType, bool], ...]) -> None:
    assert set(codes(served(made(SAN, AKI, *extensions)))) == {"wrong-usage"}


def test_an_intermediate_that_is_no_ca_may_not_issue() -> None:
    fake = made(usage("digital_signature"), issuer=ROOT, common="No CA")
    issuer = Authority("No CA")
    issuer.key = fake.key
    given = served(made(SAN, issuer=issuer), chain=Material(fake.pem, "chain.crt"))
    assert [(one.code, one.subject) for one in verdict(given).findings] == [("wrong-usage", "chain.crt")]


def test_a_serial_number_of_21_octets_is_refused() -> None:
    oversized = signed_by_openssl("-set_serial", "0x01" + "00" * 20, *COPY)
    assert "bad-form" in codes(replace(GOOD, certificate=Material(oversized, "site.crt")))


@pytest.mark.parametrize(("days", "long"), [(199, False), (201, True)])
def test_a_lifetime_over_the_limit_of_its_date_is_a_warning(days: int, long: bool) -> None:
    issued = ISSUING.issue(DOMAIN, not_before=NOW, not_after=NOW + days * DAY)
    assert codes(served(issued)) == (["long-lifetime"] if long else [])


# Client CA


def test_chats_zip_is_taken_as_it_is_downloaded() -> None:
    assert codes(with_client_ca(zipped("TencentQQAuthCA.crt", CHAT.pem))) == []


def test_an_intermediate_with_its_root_is_a_client_ca() -> None:
    assert codes(with_client_ca(ISSUING.pem, ROOT.pem)) == []


def version_1_ca() -> Authority:
    """Return an authority with a self-signed certificate of version 1, as openssl made them once."""
    authority = Authority("Old style CA")
    request = x509.CertificateSigningRequestBuilder().subject_name(authority.name).sign(authority.key, hashes.SHA256())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "request").write_bytes(request.public_bytes(Encoding.PEM))
        (Path(folder) / "key").write_bytes(key_pem(authority.key))
        command = ["openssl", "x509", "-req", "-in", "request", "-signkey", "key", "-days", "90"]
        made_so = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    authority.certificate = x509.load_pem_x509_certificate(made_so)
    return authority


def odd_ca(*extensions: tuple[x509.ExtensionType, bool]) -> Authority:
    """Return an authority whose self-signed certificate has exactly these extensions."""
    authority = Authority("Odd CA")
    authority.certificate = made(*extensions, issuer=authority, key=authority.key, common="Odd CA").certificate
    return authority


CLIENT_CAS: dict[str, Callable[[], tuple[Authority, list[Authority]]]] = {
    "root": lambda: (CHAT, [CHAT]),
    "intermediate alone": lambda: (ISSUING, [ISSUING]),
    "intermediate and root": lambda: (ISSUING, [ISSUING, ROOT]),
    "RSA of 1024 bits": lambda: _alone(Authority("Weak", key_type="rsa1024")),
    "no basic constraints": lambda: _alone(odd_ca()),
    "key usage alone": lambda: _alone(odd_ca(usage("key_cert_sign"))),
    "may not sign certificates": lambda: _alone(odd_ca(IS_CA, usage("crl_sign"))),
    "for servers alone": lambda: _alone(
        odd_ca(IS_CA, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    ),
    "version 1": lambda: _alone(version_1_ca()),
}


def _alone(authority: Authority) -> tuple[Authority, list[Authority]]:
    return authority, [authority]


@pytest.mark.parametrize("case", CLIENT_CAS)
def test_openssl_agrees_on_client_cas(case: str, tmp_path: Path) -> None:
    """A client CA without an error is one whose clients OpenSSL accepts, as httpd does at its default level."""
    issuer, listed = CLIENT_CAS[case]()
    (tmp_path / "ca").write_bytes(b"".join(one.pem for one in listed))
    (tmp_path / "client").write_bytes(issuer.issue(client=True, common_name="client").pem)
    command = [
        "openssl",
        "verify",
        "-auth_level",
        "2",
        "-purpose",
        "sslclient",
        "-attime",
        str(int(NOW.timestamp()) + 60),
    ]
    told = subprocess.run([*command, "-CAfile", "ca", "client"], cwd=tmp_path, capture_output=True, check=False)
    found = judge([with_client_ca(*(one.pem for one in listed))], at=NOW + timedelta(minutes=1), warn_days=30)[0]
    assert found.ok is (told.returncode == 0), (told.stderr, found.findings)


def test_pins_are_taken_in_the_form_that_openssl_prints() -> None:
    pin = CHAT.sha256.upper()
    printed = ":".join(pin[at : at + 2] for at in range(0, 64, 2))
    assert codes(replace(GOOD, client_ca_sha256=(printed,))) == []
    assert codes(replace(GOOD, client_ca_sha256=(CHAT.sha256, "abc"))) == ["wrong-fingerprint"]


def test_every_client_ca_must_match_a_pin() -> None:
    other = Authority("New Chat CA")
    assert codes(with_client_ca(CHAT.pem, other.pem, client_ca_sha256=(CHAT.sha256, other.sha256))) == []
    assert codes(with_client_ca(CHAT.pem, other.pem, client_ca_sha256=(CHAT.sha256,))) == ["wrong-fingerprint"]


def test_a_public_root_that_is_pinned_was_asked_for() -> None:
    root = public_root()
    pin = x509.load_pem_x509_certificate(root).fingerprint(hashes.SHA256()).hex()
    assert "public-client-ca" not in codes(with_client_ca(root, client_ca_sha256=(pin,)))


def test_a_file_of_public_roots_as_client_ca_is_one_error() -> None:
    found = verdict(replace(GOOD, client_ca=(default_store(),))).findings
    assert [one.code for one in found] == ["public-client-ca"]
    assert "public roots, such as" in found[0].message


def test_a_key_where_a_certificate_belongs_is_not_told_to_be_opened() -> None:
    found = verdict(with_client_ca(key_pem(CHAT.key, b"secret"))).findings
    assert [one.code for one in found] == ["encrypted-key"]
    assert "No key belongs there" in found[0].remedy


def test_a_client_ca_out_of_its_time_is_refused() -> None:
    assert codes(with_client_ca(Authority("Old", not_before=NOW - 9 * DAY, not_after=NOW - DAY).pem)) == ["expired"]
    assert codes(with_client_ca(Authority("New", not_before=NOW + DAY).pem)) == ["not-yet-valid"]


@pytest.mark.parametrize("together", [True, False], ids=["in one file", "in two"])
def test_a_client_ca_out_of_its_time_is_a_warning_beside_one_that_is_of_it(together: bool) -> None:
    ended = Authority("Old", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    begins = Authority("New", not_before=NOW + DAY)
    for other, code, words in ((ended, "expired", "any more"), (begins, "not-yet-valid", "until then")):
        (found,) = verdict(with_client_ca(*([other.pem + CHAT.pem] if together else [CHAT.pem, other.pem]))).findings
        assert (found.severity, found.code) == (WARNING, code)
        assert found.message.endswith(
            f"httpd lets none of its clients in {words}, and those of the other client CAs it does."
        )
    assert codes(with_client_ca(ended.pem, begins.pem)) == ["expired", "not-yet-valid"]
    assert has_errors(verdict(with_client_ca(ended.pem, begins.pem)).findings)


def test_a_client_ca_out_of_its_time_is_an_error_where_all_others_are_above_it() -> None:
    root = Authority("Chat Root")
    middle = Authority("Chat Middle", issuer=root)
    past, soon = {"not_before": NOW - 9 * DAY, "not_after": NOW - DAY}, {"not_before": NOW + DAY}
    for dates, code in ((past, "expired"), (soon, "not-yet-valid")):
        for above in ([root], [root, middle]):
            lowest = Authority("Chat Clients", issuer=above[-1], **dates)
            (found,) = verdict(with_client_ca(*(one.pem for one in (*above, lowest)))).findings
            assert (found.severity, found.code) == (ERROR, code)
            for other in (Authority("Chat Clients 2", issuer=above[-1]), CHAT):
                (found,) = verdict(with_client_ca(*(one.pem for one in (*above, lowest, other)))).findings
                assert (found.severity, found.code) == (WARNING, code)
        renamed = Authority("Chat Root", **dates)  # A root is below nobody, were it of the name of another.
        (found,) = verdict(with_client_ca(root.pem, renamed.pem)).findings
        assert (found.severity, found.code) == (WARNING, code)


def test_a_client_ca_of_rsa_1024_is_refused_as_openssl_does() -> None:
    assert codes(with_client_ca(Authority("Weak", key_type="rsa1024").pem)) == ["weak-key"]


def test_a_key_beside_a_client_ca_is_refused() -> None:
    assert codes(with_client_ca(CHAT.pem + key_pem(CHAT.key))) == ["unreadable"]


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (b"", "Download or copy it again, whole."),
        (
            b"PK\x03\x04 cut off",
            "Where it is damaged, download it again; else give the file itself. To test it: unzip -t ca.zip",
        ),
        (b"<!DOCTYPE html><title>Log in</title>", "It looks like a web page. Download the file itself again"),
        (CHAT.pem[:200], "Look at it: tail -n 3 ca.zip"),
    ],
    ids=["empty", "zip", "web page", "PEM"],
)
def test_a_download_that_went_wrong_is_to_be_made_again(data: bytes, remedy: str) -> None:
    (found,) = verdict(replace(GOOD, client_ca=(Material(data, "ca.zip"),))).findings
    assert found.code == "unreadable"
    assert remedy in found.remedy


# CRLs


def test_a_good_crl_of_the_client_ca_is_deployed_as_pem() -> None:
    found = verdict(with_crl(x509.load_pem_x509_crl(crl(CHAT)).public_bytes(Encoding.DER)))
    assert found.findings == ()
    assert found.deployable is not None
    assert found.deployable.crl is not None
    assert found.deployable.crl.startswith(b"-----BEGIN X509 CRL-----\n")


def test_a_crl_with_the_name_of_the_client_ca_and_another_signature_is_refused() -> None:
    assert "crl-wrong-issuer" in codes(with_crl(crl(Authority("Test Chat CA"))))


def test_an_indirect_crl_is_refused() -> None:
    assert codes(with_crl(crl(CHAT, indirect()))) == ["crl-unsupported"]


def test_a_newer_crl_makes_an_ended_one_harmless() -> None:
    found = verdict(with_crl(crl(CHAT, begin=-9, end=-1), crl(CHAT))).findings
    assert [(one.code, one.severity) for one in found] == [("crl-expired", "warning")]


def test_a_crl_of_tomorrow_is_harmless_beside_the_present_one_and_not_beside_an_ended_one() -> None:
    ahead = crl(CHAT, begin=1, end=9)
    found = verdict(with_crl(crl(CHAT), ahead)).findings
    assert [(one.code, one.severity) for one in found] == [("crl-not-yet-valid", "warning")]
    assert codes(with_crl(crl(CHAT, begin=-9, end=-1), ahead)) == ["crl-expired", "crl-not-yet-valid"]


# Several


@pytest.mark.parametrize("code", PROVOKED)
def test_each_remedy_is_one_line_and_its_command_is_one_for_a_shell(code: str, tmp_path: Path) -> None:
    for finding in verdict(PROVOKED[code]()).findings:
        assert "\n" not in finding.remedy
        command = finding.remedy.partition("openssl ")[2]
        if command:
            check = subprocess.run(["sh", "-n", "-c", f"openssl {command}"], cwd=tmp_path, check=False)
            assert check.returncode == 0, finding.remedy


# Those whose remedy ends in a command that shows what is well, or what is wrong with it.
SHOWN = [
    *("expired", "name-mismatch", "weak-signature", "wrong-usage", "bad-form", "not-a-ca", "clients-refused"),
    *("crl-expired", "crl-not-yet-valid", "crl-wrong-issuer", "crl-missing", "crl-unsupported", "key-mismatch"),
    *("odd-encoding", "outside-profile", "chain-swapped"),
]


@pytest.mark.parametrize("code", SHOWN)
def test_the_command_of_a_remedy_shows_the_file_that_it_is_about(code: str, tmp_path: Path) -> None:
    given = PROVOKED[code]()
    files = (given.certificate, given.chain, given.private_key, *given.client_ca, *given.crl, *given.trust_anchors)
    for one in files:
        if one is not None:
            (tmp_path / one.name).write_bytes(one.data)
    finding = next(each for each in verdict(given).findings if each.code == code)
    command = "openssl " + finding.remedy.partition("openssl ")[2]
    run = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert (run.returncode, bool(run.stdout)) == (0, True), (command, run.stderr)


def test_a_command_names_files_as_a_shell_wants_them() -> None:
    damaged = Material(CHAT.certificate.public_bytes(Encoding.DER)[:-9], "my site's.crt")
    assert """-in 'my site'"'"'s.crt'""" in verdict(replace(GOOD, certificate=damaged)).findings[0].remedy
    climbing = Material(zipped("../x.crt", b"x"), "site.zip")
    assert "unzip -t site.zip" in verdict(replace(GOOD, certificate=climbing)).findings[0].remedy
    inline = Material(damaged.data, "client_ca_content[1]")
    assert "-in FILE" in verdict(replace(GOOD, client_ca=(inline,))).findings[0].remedy


def test_all_faults_of_all_sets_are_reported_errors_first_within_80_columns() -> None:
    soon = replace(served(ISSUING.issue("soon.example.com", not_after=NOW + DAY)), domain="soon.example.com")
    bad = replace(GOOD, domain="bad.example.com", aliases=("a" * 50 + ".example.com",), client_ca_sha256=("00",))
    several = judge([GOOD, soon, bad], at=NOW, warn_days=30)
    text = report(several)
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("bad.example.com:") < text.index("soon.example.com:") < text.index("WARNING")
    assert text.count("ERROR name-mismatch") == 1
    assert text.count("ERROR wrong-fingerprint") == 2


def test_what_was_found_of_several_sets_is_reported_once_below_their_names() -> None:
    sites = [with_client_ca(SERVER.pem, domain=f"s{number}.example.com") for number in range(7)]
    text = report(judge(sites, at=NOW, warn_days=30))
    shared = text.index(
        "s0.example.com, s1.example.com, s2.example.com, s3.example.com, s4.example.com,\ns5.example.com"
    )
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("s0.example.com:\n  ERROR name-mismatch") < shared < text.index("ERROR not-a-ca")
    assert (text.count("ERROR name-mismatch"), text.count("ERROR not-a-ca")) == (7, 1)


def test_a_finding_about_the_site_itself_has_its_name_above_alone() -> None:
    one = Finding("client-not-pinned", WARNING, "a.example.com", "everybody may call.", "Pin Chat.")
    told = report_findings([("a.example.com", [one])])
    assert told == "a.example.com:\n  WARNING client-not-pinned: everybody may call.\n    -> Pin Chat."
    assert "client-not-pinned, a.example.com:" in report_findings([("", [one])])
    other = Finding("expired", ERROR, "a.crt", "it ended.", "Renew it.")
    assert report_findings([("", [other]), ("b.example.com", [other])]).startswith("b.example.com:\n  ERROR expired")


def test_what_is_wrong_with_a_client_ca_is_said_of_each_set_that_gives_it() -> None:
    several = [with_client_ca(SERVER.pem), GOOD, with_client_ca(SERVER.pem, domain="other.example.com")]
    found = [[one.code for one in each.findings] for each in judge(several, at=NOW, warn_days=30)]
    assert found == [["not-a-ca"], [], ["name-mismatch", "not-a-ca"]]


def test_a_path_that_is_refused_for_what_was_said_of_its_certificate_brings_no_second_finding() -> None:
    refused = served(made(SAN, AKI, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)))
    assert codes(refused) == ["wrong-usage"]


def test_a_judges_findings_are_collected_in_their_order_with_what_it_returns() -> None:
    def judged() -> Judgement[str]:
        yield Finding("expired", ERROR, "a.crt", "it ended.", "Renew it.")
        yield Finding("chain-order", WARNING, "b.crt", "it was out of order.", "Put it in order.")
        return "value"

    value, findings = collect(judged())
    assert (value, [one.subject for one in findings]) == ("value", ["a.crt", "b.crt"])
    assert [has_errors(findings, subject) for subject in (None, "a.crt", "b.crt")] == [True, True, False]


def test_the_verdict_on_each_set_is_the_one_that_it_has_alone() -> None:
    sets = [make() for make in PROVOKED.values()]
    together = judge(sets, at=NOW, warn_days=30)
    assert [one.findings for one in together] == [verdict(given).findings for given in sets]
