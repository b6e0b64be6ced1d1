# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What OpenSSL reads is read, one bad member spoils no other, and what cannot be read is called by its name."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import random
import re
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from demo_material import key_pem, pem, zipped
from odd_authorities import client_of
from odd_certificates import DOMAIN, NOW, ca, crl, key_id, leaf, skip_if_judged_anew
from odd_forms import (
    ECDSA_SHA1,
    ECDSA_SHA256,
    FALSE,
    RSA_PSS_BARE,
    RSA_SHA1,
    RSA_SHA256_BARE,
    TRUE,
    TRUE_AS_ONE,
    apart,
    armoured,
    begun,
    called,
    changed,
    common_name,
    ec_key_of,
    element,
    indefinite,
    kept,
    mutated,
    number_of,
    numbered,
    of_issuer,
    of_subject,
    openssl,
    pkcs8,
    pkcs8_of_version_2,
    sequence,
    versioned,
    with_extension,
    with_key,
    without_extensions,
)

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from odd_forms import Change

PASSPHRASE = "correct horse"
FOR_MAKERS = re.compile(r"ParseError|PhantomData|\{ ?[a-z_]+:")  # what a library tells those who make it
ROOT = ca()
ISSUING = ca(ROOT)
SERVER = leaf(ISSUING)
RSA_ISSUING = ca(ROOT, key=rsa.generate_private_key(65537, 2048))
RSA_SERVER = leaf(RSA_ISSUING)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
CHAT = ca()
KEY = key_pem(SERVER.key)
NOTHING = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
SUBJECT_KEY, BASIC, COMMENT = "2.5.29.14", "2.5.29.19", "2.16.840.1.113730.1.13"


def verdict(store: bytes | None = None, **given: Any) -> Verdict:
    """Judge material by the names of the options, each given as bytes or as several."""
    parts: dict[str, Any] = {}
    for option, value in given.items():
        if isinstance(value, bytes) and option != "private_key_passphrase":
            parts[option] = Material(value, f"{option}.file")
        elif isinstance(value, list):
            parts[option] = tuple(Material(one, f"{option}{number}.file") for number, one in enumerate(value))
        else:
            parts[option] = value
    default = None if store is None else Material(store, "store.pem")
    return judge([MaterialSet(**parts)], at=NOW, warn_days=30, default_anchors=default)[0]


def site(**changes: Any) -> dict[str, Any]:
    """Return what is sound of a site, but for the changes."""
    sound = {
        "domain": DOMAIN,
        "certificate": pem(SERVER.certificate),
        "private_key": KEY,
        "chain": pem(ISSUING.certificate),
        "trust_anchors": [pem(ROOT.certificate)],
    }
    return {option: value for option, value in {**sound, **changes}.items() if value is not None}


def bundle(data: bytes, **changes: Any) -> dict[str, Any]:
    """Return a site whose certificate and key are in a bundle."""
    return site(bundle=data, certificate=None, private_key=None, **changes)


def zip_of(**files: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return data.getvalue()


def told(of: Verdict) -> list[str]:
    return [finding.code for finding in of.findings]


def words(of: Verdict) -> str:
    return " ".join(f"{finding.message} {finding.remedy}" for finding in of.findings)


def verified(certificate: bytes, anchors: bytes, folder: Path, *more: bytes, purpose: str = "sslserver") -> bool:
    """Whether OpenSSL's command finds a path, as httpd's clients and httpd itself do."""
    for name, content in {"leaf": certificate, "anchors": anchors, "more": b"".join(more)}.items():
        (folder / name).write_bytes(content)
    command = ["openssl", "verify", "-auth_level", "2", "-purpose", purpose, "-no-CApath", "-no-CAstore"]
    command += ["-CAfile", "anchors", *(["-untrusted", "more"] if more else []), "leaf"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


# What OpenSSL reads, and DER forbids (X.690, 11; RFC 5280)

GBK = ("2.5.4.10", 0x14, "腾讯".encode("gbk"))
MARKED = ("2.5.4.10", 0x13, b"A*B@C_D&E")
ENCODINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], Callable[[list[bytes]], list[bytes]], str]] = {
    # name: what is done to a server's certificate, to a client CA, and what part is named
    "cA FALSE written out": (with_extension(BASIC, sequence(FALSE)), kept, "cA"),
    "critical FALSE written out": (
        with_extension(COMMENT, b"\x16\x01x", FALSE),
        with_extension(SUBJECT_KEY, element(0x04, key_id(CHAT.key).digest), FALSE),
        COMMENT,
    ),
    "critical TRUE as 01": (
        with_extension(BASIC, sequence(), TRUE_AS_ONE),
        with_extension(BASIC, sequence(TRUE), TRUE_AS_ONE),
        "TRUE as 01",
    ),
    "cA TRUE as 01": (kept, with_extension(BASIC, sequence(TRUE_AS_ONE), TRUE), ""),
    "a T61String": (of_subject(called(GBK)), of_subject(called(GBK), root=True), "T61String"),
    "a PrintableString of more": (of_subject(called(MARKED)), of_subject(called(MARKED), root=True), "PrintableString"),
    "a broken extension that nobody needs": (
        with_extension("1.3.6.1.5.5.7.1.1", b"\x30\x03\x02\x01"),
        with_extension("1.3.6.1.5.5.7.1.1", b"\x30\x03\x02\x01"),
        "authorityInfoAccess",
    ),
}


def alternative(name: bytes) -> Change:
    """Return the change to alternative names with one more."""
    return with_extension("2.5.29.17", sequence(element(0x82, DOMAIN.encode()), name))


# What OpenSSL reads of an extension, and cryptography does not: the change, and what has to be named.
EXTENSIONS: dict[str, tuple[Change, str]] = {
    "a name of Latin-1": (alternative(element(0x82, b"b\xfccher.example")), "subjectAltName"),
    "an address of five octets": (alternative(element(0x87, b"12345")), "subjectAltName"),
    "a name of X.400": (alternative(element(0xA3, b"")), "subjectAltName"),
    "a path length of no CA": (with_extension(BASIC, sequence(b"\x02\x01\x00"), TRUE), "basicConstraints"),
    "limits of nothing": (with_extension("2.5.29.30", sequence(), TRUE), "nameConstraints"),
    "a place of Latin-1": (
        with_extension("2.5.29.31", sequence(sequence(element(0xA0, element(0xA0, element(0x86, b"http://\xfc/")))))),
        "cRLDistributionPoints",
    ),
}


@pytest.mark.parametrize("case", EXTENSIONS)
def test_of_an_extension_what_openssl_alone_reads_is_passed_over_and_told(case: str, tmp_path: Path) -> None:
    change, part = EXTENSIONS[case]
    odd = armoured(changed(SERVER.certificate, ISSUING.key, change))
    assert verified(odd, pem(ROOT.certificate), tmp_path, pem(ISSUING.certificate))
    found = verdict(**site(certificate=odd))
    assert (found.ok, found.decided_by) == (True, "handshake"), words(found)
    assert told(found)[:1] == ["odd-encoding"]
    assert part in words(found)


def test_names_that_are_not_the_domains_are_no_others_where_one_is_passed_over() -> None:
    other = with_extension("2.5.29.17", sequence(element(0x82, b"www.example.org"), element(0x82, b"\xfc.example")))
    found = verdict(**site(certificate=armoured(changed(SERVER.certificate, ISSUING.key, other))))
    assert "name-mismatch" in told(found)


def test_ber_without_a_length_is_read_as_openssl_reads_it(tmp_path: Path) -> None:
    ber = b"\x30\x80" + b"".join(apart(DER)) + b"\x00\x00"
    assert verified(armoured(ber), pem(ROOT.certificate), tmp_path, pem(ISSUING.certificate))
    for form in (ber, armoured(ber), ber + b"\n"):
        found = verdict(**site(certificate=form))
        assert found.findings == ()
        assert found.deployable is not None
        assert found.deployable.certificate.startswith(pem(SERVER.certificate))
    assert "damaged" in words(verdict(certificate=ber[:-2]))


@pytest.mark.parametrize("case", [case for case in ENCODINGS if ENCODINGS[case][0] is not kept])
def test_of_the_servers_certificate_it_is_said_that_openssl_reads_it_and_what_is_odd(case: str, tmp_path: Path) -> None:
    change, _of_ca, part = ENCODINGS[case]
    odd = armoured(changed(SERVER.certificate, ISSUING.key, change))
    assert verified(odd, pem(ROOT.certificate), tmp_path, pem(ISSUING.certificate))
    found = verdict(**site(certificate=odd))
    assert told(found) == ["odd-encoding"]
    assert "OpenSSL" in words(found)
    assert part in words(found)


@pytest.mark.parametrize("case", [case for case in ENCODINGS if ENCODINGS[case][1] is not kept])
def test_a_client_ca_that_httpd_reads_passes_and_is_deployed_as_it_was_given(case: str, tmp_path: Path) -> None:
    odd = changed(CHAT.certificate, CHAT.key, ENCODINGS[case][1])
    subject = next(part for part in reversed(apart(apart(odd)[0])[:6]) if part[0] == 0x30)
    client = armoured(changed(leaf(CHAT, eku=None).certificate, CHAT.key, of_issuer(subject)))
    assert verified(client, armoured(odd), tmp_path, purpose="sslclient")
    found = verdict(**site(client_ca=[armoured(odd)]))
    assert found.findings == ()
    assert found.deployable is not None
    assert read(found.deployable.client_ca, "deployed").certificates[0].given == odd
    described = next(one for one in found.certificates if one["use"] == "client_ca")
    assert described["sha256"] == hashlib.sha256(odd).hexdigest()


def test_an_odd_intermediate_that_is_needed_is_named_and_one_that_is_not_is_left_out() -> None:
    odd = changed(ISSUING.certificate, ROOT.key, with_extension(COMMENT, b"\x16\x01x", FALSE))
    needed = verdict(**site(chain=armoured(odd)))
    assert told(needed) == ["odd-encoding"]
    assert needed.findings[0].subject == "chain.file"
    beside = verdict(**site(chain=pem(ISSUING.certificate) + armoured(odd)))
    assert beside.ok, words(beside)
    other = changed(CHAT.certificate, CHAT.key, with_extension(COMMENT, b"\x16\x01x", FALSE))
    assert told(verdict(**site(chain=pem(ISSUING.certificate) + armoured(other)))) == ["chain-superfluous"]


def test_an_odd_trust_anchor_is_one() -> None:
    odd = changed(ROOT.certificate, ROOT.key, with_extension(COMMENT, b"\x16\x01x", FALSE))
    assert verdict(**site(trust_anchors=[armoured(odd)])).findings == ()


def test_an_odd_client_ca_that_is_an_intermediate_is_known_by_its_root() -> None:
    middle = ca(CHAT)
    odd = armoured(changed(middle.certificate, CHAT.key, with_extension(COMMENT, b"\x16\x01x", FALSE)))
    assert verdict(client_ca=[odd + pem(CHAT.certificate)]).findings == ()
    assert told(verdict(client_ca=[odd])) == ["client-ca-incomplete"]


def test_an_odd_crl_is_read_and_deployed_as_it_was_given() -> None:
    odd = changed(crl(CHAT), CHAT.key, with_extension("2.5.29.20", b"\x02\x01\x01", FALSE))
    assert b"X509 CRL" in openssl("crl", data=armoured(odd, "X509 CRL"))
    found = verdict(**site(client_ca=[pem(CHAT.certificate)], crl=[armoured(odd, "X509 CRL")]))
    assert found.findings == ()
    assert found.deployable is not None
    assert read(found.deployable.crl or b"", "deployed").crls[0].given == odd


def test_a_signature_algorithm_without_its_null_or_with_one_too_many_is_told_in_words() -> None:
    bare = changed(RSA_SERVER.certificate, RSA_ISSUING.key, kept, RSA_SHA256_BARE)
    found = verdict(
        **site(certificate=armoured(bare), private_key=key_pem(RSA_SERVER.key), chain=pem(RSA_ISSUING.certificate))
    )
    assert told(found) == ["odd-encoding"]
    assert "NULL" in words(found)
    more = changed(SERVER.certificate, ISSUING.key, kept, ECDSA_SHA256[:1] + b"\x0c" + ECDSA_SHA256[2:] + b"\x05\x00")
    found = verdict(**site(certificate=armoured(more)))
    assert told(found) == ["odd-encoding"]
    assert "NULL" in words(found)


def test_a_name_that_is_spelled_otherwise_is_said_to_be_so_and_not_unsigned(tmp_path: Path) -> None:
    name = ISSUING.certificate.subject.rfc4514_string().removeprefix("CN=")
    for spelled in (common_name(name, 0x13), common_name(f" {name.upper()} ".replace(" ", "  "))):
        one = armoured(changed(SERVER.certificate, ISSUING.key, of_issuer(spelled)))
        assert verified(one, pem(ROOT.certificate), tmp_path, pem(ISSUING.certificate))
        found = verdict(**site(certificate=one))
        assert told(found) == ["outside-profile"]
        assert "writes the name of its issuer" in words(found)


BROKEN = {
    "a broken name": with_extension("2.5.29.17", b"\x04\x00"),
    "a broken place of CRLs": with_extension("2.5.29.31", b"\x30\x03\x02\x01"),
    "an extension twice": lambda parts: [
        *parts[:-1],
        element(0xA3, sequence(*apart(apart(parts[-1])[0]), apart(apart(parts[-1])[0])[0])),
    ],
    "a time without seconds": begun(b"\x17\x0b2611010000Z"),
    "a time of a zone": begun(b"\x17\x11261101000000+0000"),
}


@pytest.mark.parametrize(("line_break", "said"), [(rb"\n", True), (b"\n", False)], ids=["two characters", "one"])
def test_line_breaks_of_two_characters_are_said_to_be_these(line_break: bytes, said: bool) -> None:
    cut_off = line_break.join((b"-----BEGIN CERTIFICATE-----", b"MIIB", b"-----END CERTIFICATE-----", b""))
    found = verdict(client_ca=[cut_off])
    assert told(found) == ["unreadable"]
    assert ("two characters each, a backslash and an n" in words(found)) == said


@pytest.mark.parametrize("case", BROKEN)
def test_what_openssl_refuses_is_not_said_to_be_read_by_it_and_the_part_is_named(case: str, tmp_path: Path) -> None:
    odd = armoured(changed(CHAT.certificate, CHAT.key, BROKEN[case]))
    assert not verified(pem(leaf(CHAT, eku=None).certificate), odd, tmp_path, purpose="sslclient")
    found = verdict(client_ca=[odd])
    assert told(found) == ["unreadable"]
    assert "extension" in words(found) or "a time" in words(found)


# Nothing that a file holds ends the task


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda parts: [parts[0], b"\x02\x02\x00\x05", *parts[2:]], "a serial number"),
        (of_subject(called(("2.5.4.3", 0x1E, b"abc"))), "a subject"),
        (of_issuer(called(("2.5.4.3", 0x0C, b"\xff"))), "an issuer"),
    ],
)
def test_the_part_that_nobody_reads_is_named(change: Any, part: str) -> None:
    odd = armoured(changed(SERVER.certificate, ISSUING.key, change))
    assert subprocess.run(["openssl", "x509", "-noout"], input=odd, capture_output=True, check=False).returncode
    assert f"has {part} that cannot be parsed" in words(verdict(certificate=odd))


def test_what_is_worked_out_late_brings_a_verdict() -> None:
    skip_if_judged_anew("signature: bare RSASSA-PSS")
    bare = armoured(changed(RSA_SERVER.certificate, RSA_ISSUING.key, kept, RSA_PSS_BARE))
    given = {"private_key": key_pem(RSA_SERVER.key), "chain": pem(RSA_ISSUING.certificate)}
    assert told(verdict(**site(certificate=bare, **given))) == ["weak-signature"]
    chat = ca(key=RSA_ISSUING.key)
    assert verdict(client_ca=[armoured(changed(chat.certificate, chat.key, kept, RSA_PSS_BARE))]).findings == ()
    negative = armoured(changed(leaf(CHAT, key=SERVER.key).certificate, CHAT.key, numbered(-55)))
    chats = {"issued_by": "chat", "client_ca": [pem(CHAT.certificate)], "chain": None, "trust_anchors": None}
    lists = [crl(CHAT).public_bytes(Encoding.PEM)]
    assert told(verdict(**site(certificate=negative, crl=lists, **chats))) == ["bad-form"]


def without_anchors(**changes: Any) -> dict[str, Any]:
    return site(trust_anchors=None, **changes)


STORES = {
    "one of a version that there is not": armoured(changed(CHAT.certificate, CHAT.key, versioned(7))),
    "one that is odd": armoured(changed(CHAT.certificate, CHAT.key, with_extension(COMMENT, b"\x16\x01x", FALSE))),
    "one that is damaged": armoured(sequence(b"\x02\x01\x05")),
    "one that is cut off": pem(CHAT.certificate)[:300],
    "a CRL": crl(CHAT).public_bytes(Encoding.PEM),
}


@pytest.mark.parametrize("beside", STORES)
def test_the_store_is_read_certificate_by_certificate(beside: str) -> None:
    for store in (STORES[beside] + pem(ROOT.certificate), pem(ROOT.certificate) + STORES[beside]):
        found = verdict(store, **without_anchors())
        assert found.findings == (), words(found)
        assert any("passed over" in note for note in found.notes) is (beside == "one that is damaged")


def test_a_root_whose_name_is_left_unread_at_first_ends_no_task() -> None:
    # cryptography loads it, finds the path by it, and raises when somebody asks for the name of its issuer.
    nameless = armoured(changed(ROOT.certificate, ROOT.key, of_issuer(called(("2.5.4.3", 0x01, b"x")))))
    assert told(verdict(nameless, **without_anchors())) == ["store-unreadable"]
    assert verdict(nameless + pem(ROOT.certificate), **without_anchors()).ok


def test_a_store_with_trust_settings_is_read() -> None:
    trusted = openssl("x509", "-trustout", "-addtrust", "serverAuth", data=pem(ROOT.certificate))
    assert b"TRUSTED" in trusted
    assert verdict(trusted, **without_anchors()).findings == ()


SETTINGS = {
    "none": (),
    "for clients": ("-addtrust", "clientAuth"),
    "for servers": ("-addtrust", "serverAuth"),
    "for all": ("-addtrust", "anyExtendedKeyUsage"),
    "not for clients": ("-addreject", "clientAuth"),
    "not for servers": ("-addreject", "serverAuth"),
    "not at all": ("-addreject", "anyExtendedKeyUsage"),
    "a name alone": ("-setalias", "x"),
}


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_the_owner_of_a_ca_trusts_it_for_is_what_it_is_taken_for(settings: str, tmp_path: Path) -> None:
    given = openssl("x509", "-trustout", *SETTINGS[settings], data=pem(ROOT.certificate))
    for_clients = verified(pem(client_of(ROOT).certificate), given, tmp_path, purpose="sslclient")
    assert verdict(client_ca=[given]).ok is for_clients
    for_servers = verified(pem(SERVER.certificate), given, tmp_path, pem(ISSUING.certificate))
    assert verdict(**site(trust_anchors=[given])).ok is for_servers
    # In the store, others count all the same.
    assert verdict(given + pem(CHAT.certificate), **without_anchors()).ok is for_servers
    plain = openssl("x509", data=given)  # as the remedy has it
    assert verdict(client_ca=[plain]).ok
    assert for_clients or told(verdict(client_ca=[given])) == ["unreadable"]


@pytest.mark.parametrize(
    "store", [b"", b"garbage", ROOT.certificate.public_bytes(Encoding.DER)], ids=["empty", "garbage", "one certificate"]
)
def test_a_store_of_which_nothing_can_be_read_is_a_finding_of_its_own(store: bytes) -> None:
    found = verdict(store, **without_anchors())
    assert told(found) == ["store-unreadable"]
    assert found.findings[0].subject == "store.pem"


CUT_OFF = pem(CHAT.certificate)[:300]
DAMAGED = armoured(CHAT.certificate.public_bytes(Encoding.DER)[:-40])


@pytest.mark.parametrize("bad", [CUT_OFF, DAMAGED], ids=["cut off", "damaged"])
def test_a_member_that_cannot_be_read_is_named_and_the_others_count(bad: bytes) -> None:
    for option, sound in (
        ("chain", pem(ISSUING.certificate)),
        ("certificate", pem(SERVER.certificate)),
        ("trust_anchors", pem(ROOT.certificate)),
        ("client_ca", pem(CHAT.certificate)),
        ("crl", crl(CHAT).public_bytes(Encoding.PEM)),
    ):
        several = option in ("trust_anchors", "client_ca", "crl")
        given = site(**{"client_ca": [pem(CHAT.certificate)], option: [sound + bad] if several else sound + bad})
        found = verdict(**given)
        assert (option, told(found)) == (option, ["member-unreadable"])
        assert found.ok
        assert "line" in words(found) or "announces" in words(found)


def test_many_members_that_cannot_be_read_are_told_in_few_sentences() -> None:
    found = verdict(**site(chain=pem(ISSUING.certificate) + DAMAGED * 3 + CUT_OFF * 40))
    assert found.ok
    assert 2 <= len(found.findings) <= 7


def test_a_damaged_file_in_a_zip_is_never_passed_over_in_silence() -> None:
    old = pem(leaf(ISSUING, key=SERVER.key).certificate)
    found = verdict(**bundle(zip_of(old_crt=old, new_crt=pem(SERVER.certificate)[:400], www_key=KEY)))
    assert "'new.crt'" in words(found)
    found = verdict(**bundle(zip_of(www_crt=old, between_crt=pem(ISSUING.certificate)[:400], k_key=KEY), chain=None))
    assert "'between.crt'" in words(found)


# Who signed


def test_what_is_signed_by_sha_1_is_weak_and_was_signed_all_the_same() -> None:
    weak = armoured(changed(SERVER.certificate, ISSUING.key, kept, ECDSA_SHA1))
    assert told(verdict(**site(certificate=weak))) == ["weak-signature"]
    between = armoured(changed(RSA_ISSUING.certificate, ROOT.key, kept, ECDSA_SHA1))
    given = {"certificate": pem(RSA_SERVER.certificate), "private_key": key_pem(RSA_SERVER.key)}
    assert told(verdict(**site(chain=between, **given))) == ["weak-signature"]
    listed = armoured(changed(crl(CHAT), CHAT.key, kept, ECDSA_SHA1), "X509 CRL")
    found = verdict(client_ca=[pem(CHAT.certificate)], crl=[listed])
    assert (told(found), found.ok) == (["weak-signature"], True)
    forged = armoured(changed(crl(CHAT), ISSUING.key, kept, ECDSA_SHA1), "X509 CRL")
    assert "crl-wrong-issuer" in told(verdict(client_ca=[pem(CHAT.certificate)], crl=[forged]))


def test_a_wrong_signature_by_sha_1_is_told_as_a_wrong_one() -> None:
    forged = armoured(changed(SERVER.certificate, CHAT.key, kept, ECDSA_SHA1))
    found = verdict(**site(certificate=forged))
    assert "untrusted-issuer" in told(found)
    assert "did not sign" in words(found)
    chat = ca(key=RSA_ISSUING.key)
    forged = armoured(changed(crl(chat), OTHER_RSA, kept, RSA_SHA1), "X509 CRL")
    assert "crl-wrong-issuer" in told(verdict(client_ca=[pem(chat.certificate)], crl=[forged]))


# Keys


def of_key(key: Any, given: bytes, passphrase: str = "") -> Verdict:
    """Judge a site whose certificate is for the key, which is given as these bytes."""
    one = pem(leaf(ISSUING, key=key).certificate)
    secret = {"private_key_passphrase": passphrase.encode()} if passphrase else {}
    return verdict(**site(certificate=one, private_key=given, **secret))


@pytest.mark.parametrize("octets", [31, 33])
def test_an_ec_key_with_a_zero_too_few_or_too_many_is_the_key(octets: int) -> None:
    key, given = ec_key_of(octets)
    assert b"PUBLIC" in openssl("pkey", "-pubout", data=armoured(given, "PRIVATE KEY"))
    for form in (given, armoured(given, "PRIVATE KEY")):
        found = of_key(key, form)
        assert found.findings == ()
        assert found.deployable is not None
        assert found.deployable.private_key is not None
        assert openssl("pkey", "-pubout", data=found.deployable.private_key.reveal()) == key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )


def test_ed25519_in_pkcs8_of_version_2_is_the_key() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert of_key(key, armoured(pkcs8_of_version_2(key), "PRIVATE KEY")).findings == ()


def test_a_key_that_nobody_needs_does_no_harm() -> None:
    sm2 = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2")
    assert verdict(**site(private_key=KEY + sm2)).ok
    locked = key_pem(ROOT.key, PASSPHRASE.encode())
    assert verdict(**site(certificate=locked + pem(SERVER.certificate))).findings == ()
    assert told(verdict(**site(certificate=locked + pem(SERVER.certificate), private_key=None))) == ["encrypted-key"]


def sealed_by_java(key: Any, passphrase: str) -> bytes:
    """Return an encrypted PKCS#8 that says which digest its derivation uses, though that is the default one."""
    salt, vector = os.urandom(8), os.urandom(16)
    derived = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), salt, 2048, 32)
    encryptor = Cipher(algorithms.AES(derived), modes.CBC(vector)).encryptor()
    plain = pkcs8(key)
    padded = plain + bytes([16 - len(plain) % 16]) * (16 - len(plain) % 16)
    digest = sequence(number_of("1.2.840.113549.2.7"), b"\x05\x00")
    rounds = element(0x02, (2048).to_bytes(2, "big"))
    derivation = sequence(number_of("1.2.840.113549.1.5.12"), sequence(element(0x04, salt), rounds, digest))
    cipher = sequence(number_of("2.16.840.1.101.3.4.1.42"), element(0x04, vector))
    scheme = sequence(number_of("1.2.840.113549.1.5.13"), sequence(derivation, cipher))
    return sequence(scheme, element(0x04, encryptor.update(padded) + encryptor.finalize()))


def sealed_by_openssl(*options: str) -> bytes:
    arguments = ("-topk8", *options, "-passout", f"pass:{PASSPHRASE}")
    return openssl("pkcs8", *arguments, data=KEY)


def traditional(cipher: str) -> bytes:
    return openssl("ec", f"-{cipher}", "-passout", f"pass:{PASSPHRASE}", data=KEY)


OPENED = {
    "traditional AES-128": lambda: traditional("aes128"),
    "traditional AES-192": lambda: traditional("aes192"),
    "traditional AES-256": lambda: traditional("aes256"),
    "traditional 3DES": lambda: traditional("des3"),
    "PKCS#8 of OpenSSL": sealed_by_openssl,
    "PKCS#8 with AES-192": lambda: sealed_by_openssl("-v2", "aes192"),
    "PKCS#8 with 3DES": lambda: sealed_by_openssl("-v2", "des3"),
    "PKCS#8 with SHA-1": lambda: sealed_by_openssl("-v2", "aes256", "-v2prf", "hmacWithSHA1"),
    "PKCS#8 with SHA-512": lambda: sealed_by_openssl("-v2", "aes256", "-v2prf", "hmacWithSHA512"),
    "PKCS#8 with scrypt": lambda: sealed_by_openssl("-scrypt"),
    "PKCS#8 of PKCS#12's kind": lambda: sealed_by_openssl("-v1", "PBE-SHA1-3DES"),
    "PKCS#8 of Java": lambda: armoured(sealed_by_java(SERVER.key, PASSPHRASE), "ENCRYPTED PRIVATE KEY"),
    "PKCS#8 of Java in DER": lambda: sealed_by_java(SERVER.key, PASSPHRASE),
}


@pytest.mark.parametrize("form", OPENED)
def test_a_right_passphrase_opens_and_only_a_wrong_one_is_called_wrong(form: str) -> None:
    given = OPENED[form]()
    assert verdict(**site(private_key=given, private_key_passphrase=PASSPHRASE.encode())).findings == ()
    for wrong in (b"wrong", b"w", b"another"):
        found = verdict(**site(private_key=given, private_key_passphrase=wrong))
        assert told(found) == ["encrypted-key"]
        assert "does not open" in words(found)
    assert "no passphrase is given" in words(verdict(**site(private_key=given)))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: traditional("aria256"), "ARIA-256-CBC"),
        (lambda: traditional("camellia128"), "CAMELLIA-128-CBC"),
        (lambda: sealed_by_openssl("-v2", "aria-256-cbc"), "ARIA-256-CBC"),
        (lambda: sealed_by_openssl("-v2", "camellia-192-cbc"), "CAMELLIA-192-CBC"),
    ],
)
def test_a_cipher_that_the_library_lacks_is_named_with_the_way_out(
    make: Callable[[], bytes], name: str, tmp_path: Path
) -> None:
    given = make()
    found = verdict(**site(private_key=given, private_key_passphrase=PASSPHRASE.encode()))
    assert told(found) == ["unknown-form"]
    assert name in words(found)
    carried_out(found.findings[0].remedy, {"private_key.file": given}, tmp_path)
    assert verdict(**site(private_key=(tmp_path / "new.key").read_bytes())).findings == ()


def carried_out(remedy: str, files: dict[str, bytes], folder: Path) -> str:
    """Run the command that a remedy ends in, as an operator who knows the passphrase; return what it prints."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = remedy.rpartition(": ")[2]
    # Without a terminal, OpenSSL and keytool ask on the standard input.
    answers = f"{PASSPHRASE}\n" * 3
    run = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        input=answers,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert run.returncode == 0, (command, run.stderr)
    return run.stdout


def test_a_key_that_no_client_takes_is_said_to_be_one_and_no_other_is_sought() -> None:
    sm2 = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2")
    public = openssl("pkey", "-pubout", "-outform", "DER", data=sm2)
    one = armoured(changed(SERVER.certificate, ISSUING.key, with_key(public)))
    found = verdict(**site(certificate=one, private_key=sm2))
    assert set(told(found)) == {"weak-key"}
    assert "SM2" in words(found)
    lattice = sequence(sequence(number_of("2.16.840.1.101.3.4.3.17")), element(0x03, b"\0" + b"\1" * 1312))
    found = verdict(**site(certificate=armoured(changed(SERVER.certificate, ISSUING.key, with_key(lattice)))))
    assert told(found) == ["weak-key"]
    assert "ML-DSA-44" in words(found)
    assert "Find the key" not in words(found)
    for curve in ec.SECP256K1(), ec.SECP192R1(), ec.SECP224R1():
        public = (
            ec.generate_private_key(curve).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        one = armoured(changed(SERVER.certificate, ISSUING.key, with_key(public)))
        for given in (KEY, key_pem(OTHER_RSA)):
            assert told(verdict(**site(certificate=one, private_key=given))) == ["weak-key"]
    assert told(verdict(**site(private_key=key_pem(OTHER_RSA)))) == ["key-mismatch"]


@pytest.mark.parametrize("number", [17, 18, 19, 20])
def test_a_key_of_a_kind_to_come_is_named_whether_the_library_knows_it_or_not(number: int) -> None:
    kind = number_of(f"2.16.840.1.101.3.4.3.{number}")
    name = {17: "ML-DSA-44", 18: "ML-DSA-65", 19: "ML-DSA-87", 20: "SLH-DSA"}[number]
    seed = armoured(sequence(b"\x02\x01\x00", sequence(kind), element(0x04, b"\x80\x20" + bytes(32))), "PRIVATE KEY")
    (found,) = verdict(private_key=seed, client_ca=[pem(CHAT.certificate)]).findings
    assert found.code == "weak-key"
    assert name in found.message


@pytest.mark.parametrize("kind", ["X25519", "X448"])
def test_a_certificate_for_a_key_that_signs_nothing_names_its_kind(kind: str) -> None:
    public = openssl("pkey", "-pubout", "-outform", "DER", data=openssl("genpkey", "-algorithm", kind))
    found = verdict(**site(certificate=armoured(changed(SERVER.certificate, ISSUING.key, with_key(public)))))
    assert told(found) == ["weak-key"]
    assert f"of the kind {kind}" in words(found)


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha224", "sha384", "sha512", "sha3-256", "sha3-512"])
def test_a_wrong_passphrase_of_pkcs12_is_told_as_one_whatever_digest_checks_it(digest: str, tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_bytes(pem(SERVER.certificate) + KEY)
    sealed = ["-in", f"{tmp_path}/both.pem", "-passout", f"pass:{PASSPHRASE}", "-macalg", digest]
    given = openssl("pkcs12", "-export", *sealed)
    assert told(verdict(**bundle(given), private_key_passphrase=b"wrong")) == ["encrypted-key"]
    assert verdict(**bundle(given), **OPEN).findings == ()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (("ecparam", "-name", "secp224k1", "-genkey", "-noout"), "on a curve"),
        (("ecparam", "-name", "brainpoolP256t1", "-genkey", "-noout"), "on a curve"),
        (("genpkey", "-algorithm", "X25519"), "of the kind X25519"),
        (("genrsa", "-primes", "3", "2048"), "more than two primes"),
    ],
)
def test_a_key_that_openssl_reads_and_nobody_here_knows_is_not_called_damaged(make: tuple[str, ...], name: str) -> None:
    given = openssl(*make)
    for form in (given, openssl("pkey", data=given), openssl("pkey", "-outform", "DER", data=given)):
        found = verdict(private_key=form)
        assert told(found) == ["weak-key"]
        assert name in words(found)


def test_a_curve_in_numbers_is_told_as_such_with_the_command_that_names_it(tmp_path: Path) -> None:
    public = openssl("ec", "-pubout", "-param_enc", "explicit", "-outform", "DER", data=KEY)
    one = armoured(changed(SERVER.certificate, ISSUING.key, with_key(public)))
    found = verdict(**site(certificate=one))
    assert told(found) == ["weak-key"]
    assert "is spelled out instead of named" in words(found)
    given = openssl("ec", "-param_enc", "explicit", data=KEY)
    found = verdict(**site(private_key=given))
    assert told(found) == ["unknown-form"]
    carried_out(found.findings[0].remedy, {"private_key.file": given}, tmp_path)
    assert verdict(**site(private_key=(tmp_path / "new.key").read_bytes())).findings == ()


def test_rsa_a_bit_too_short_is_weak_by_the_rule_that_says_so() -> None:
    key = rsa.generate_private_key(65537, 2047)
    found = of_key(key, key_pem(key))
    assert told(found) == ["weak-key"]
    assert "BR 6.1.5" in words(found)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda parts: without_extensions(parts)[1:], "version 1"),
        (numbered(-77), "serial number"),
        (begun(element(0x18, f"{NOW:%Y%m%d}000000Z".encode())), "GeneralizedTime"),
    ],
)
def test_a_fault_of_the_root_is_told_of_the_root(change: Any, part: str, tmp_path: Path) -> None:
    root = armoured(changed(ROOT.certificate, ROOT.key, change))
    assert verified(pem(SERVER.certificate), root, tmp_path, pem(ISSUING.certificate))
    found = verdict(**site(trust_anchors=[root]))
    assert [finding.subject for finding in found.findings] == ["trust_anchors0.file"]
    assert part in words(found)


# Text and containers as they come

FULL = pem(SERVER.certificate, ISSUING.certificate)
DER = SERVER.certificate.public_bytes(Encoding.DER)
TEXTS = {
    "a figure in front": b"0 s:CN = www.example.com\n" + FULL,
    "no-break spaces": FULL.replace(b"\n", "\u00a0\n".encode()),
    "no-break spaces of Latin-1": FULL.replace(b"\n", b"\xa0\n"),
    "zero-width spaces": FULL.replace(b"\n", "\u200b\n".encode()),
    "a no-break space in the marks": FULL.replace(b" CERT", "\u00a0CERT".encode()),
    "backslash n": FULL.replace(b"\n", b"\\n"),
    "backslash r n": FULL.replace(b"\n", b"\\r\\n"),
    "backslash n in quotes": b'"' + FULL.replace(b"\n", b"\\n") + b'"',
    "JSON of PHP, which escapes slashes": FULL.replace(b"\n", b"\\n").replace(b"/", b"\\/"),
    "UTF-16 without a mark": FULL.decode().encode("utf-16-le"),
    "UTF-16 of the other order": FULL.decode().encode("utf-16-be"),
    "quoted by a mail": b"> " + FULL.replace(b"\n", b"\n> "),
    "quoted twice": b">> " + FULL.replace(b"\n", b"\n>> "),
    "dashes of a word processor": FULL.replace(b"-----", "\u2013\u2013\u2014-".encode()),
    "dashes of Windows": FULL.replace(b"-----", b"\x97\x97\x96"),
    "a hyphen too few": FULL.replace(b"-----", b"----"),
    "blanks at the marks": FULL.replace(b"-----BEGIN", b"----- BEGIN"),
    "base64 once more": base64.b64encode(FULL),
    "base64 once more, in lines": base64.encodebytes(FULL),
    "of PKCS#7, by its older mark": armoured(
        openssl("crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER", data=FULL), "PKCS #7 SIGNED DATA"
    ),
    "of PKCS#7, by a certificate's mark": armoured(
        openssl("crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER", data=FULL)
    ),
}
BARE = {
    "a line's end behind": DER + b"\n",
    "Windows' line's end behind": DER + b"\r\n",
    "base64": base64.encodebytes(DER),
    "base64 in one line": base64.b64encode(DER),
    "base64 of URLs": base64.urlsafe_b64encode(DER).rstrip(b"="),
}


@pytest.mark.parametrize("form", TEXTS)
def test_text_is_read_whatever_copying_did_to_it(form: str) -> None:
    assert verdict(**site(certificate=TEXTS[form], chain=None)).findings == ()


@pytest.mark.parametrize("form", BARE)
def test_der_is_read_also_bare(form: str) -> None:
    assert verdict(**site(certificate=BARE[form])).findings == ()


def test_what_stands_behind_der_is_said() -> None:
    found = verdict(**site(certificate=DER + ISSUING.certificate.public_bytes(Encoding.DER)))
    assert (told(found), found.ok) == (["member-unreadable"], True)
    assert "bytes behind the first certificate" in words(found)


def test_a_crl_with_a_lines_end_behind_is_read() -> None:
    given = crl(CHAT).public_bytes(Encoding.DER) + b"\n"
    assert verdict(client_ca=[pem(CHAT.certificate)], crl=[given]).findings == ()


SEALED = BestAvailableEncryption(PASSPHRASE.encode())
PKCS12 = pkcs12.serialize_key_and_certificates(b"x", SERVER.key, SERVER.certificate, [ISSUING.certificate], SEALED)
OPEN = {"private_key_passphrase": PASSPHRASE.encode()}


def test_pkcs12_is_read_in_ber_and_in_the_armour_of_pem(tmp_path: Path) -> None:
    for given in (PKCS12, indefinite(PKCS12), armoured(PKCS12, "PKCS12")):
        assert verdict(**bundle(given, chain=None), **OPEN).findings == ()
        wrong = verdict(**bundle(given, chain=None), private_key_passphrase=b"wrong")
        assert told(wrong) == ["encrypted-key"]
        carried_out(wrong.findings[0].remedy, {"bundle.file": given}, tmp_path)


def test_pkcs7_is_read_in_ber_and_one_odd_member_spoils_no_other(tmp_path: Path) -> None:
    odd = armoured(changed(CHAT.certificate, CHAT.key, with_extension(COMMENT, b"\x16\x01x", FALSE)))
    (tmp_path / "all.pem").write_bytes(pem(ISSUING.certificate) + odd)
    bag = openssl("crl2pkcs7", "-nocrl", "-certfile", f"{tmp_path}/all.pem", "-outform", "DER")
    for given in (bag, indefinite(bag, 3), armoured(bag, "PKCS7"), armoured(indefinite(bag, 4), "PKCS7")):
        assert told(verdict(**site(chain=given))) == ["chain-superfluous"]


def test_a_zip_in_a_zip_is_unpacked() -> None:
    inner = zipped("TencentQQAuthCA.crt", pem(CHAT.certificate))
    assert verdict(client_ca=[zipped("TencentQQAuthCA.crt.zip", inner)]).findings == ()


def test_certificate_and_chain_that_are_swapped_are_one_finding() -> None:
    found = verdict(**site(certificate=pem(ISSUING.certificate), chain=pem(SERVER.certificate)))
    assert told(found) == ["chain-swapped"]
    alone = verdict(certificate=pem(ISSUING.certificate), trust_anchors=[pem(ROOT.certificate)])
    assert "chain-swapped" not in told(alone)


def test_the_zip_of_a_server_as_client_ca_is_one_error() -> None:
    console = zip_of(www_crt=pem(SERVER.certificate), www_key=KEY, ca_crt=pem(ISSUING.certificate))
    found = verdict(client_ca=[console])
    assert told(found) == ["unreadable"]
    assert "private key" in words(found)
    assert "openssl x509" not in words(found)


def keystore(folder: Path, kind: str) -> bytes:
    """Return the keystore of a Java server with its key, of a kind."""
    command = ["keytool", "-genkeypair", "-keystore", "made", "-storetype", kind, "-storepass", PASSPHRASE]
    command += ["-keypass", PASSPHRASE, "-alias", "x", "-keyalg", "EC", "-dname", f"CN={DOMAIN}"]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return (folder / "made").read_bytes()


HAS_KEYTOOL = subprocess.run(["sh", "-c", "command -v keytool"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not HAS_KEYTOOL, reason="keytool, of a Java, is not installed")
def test_the_remedy_for_a_java_keystore_turns_it_into_what_is_read(tmp_path: Path) -> None:
    store = keystore(tmp_path, "jks")
    for given, name in (store, "bundle.file"), (zip_of(a_jks=store), "bundle.file"):
        found = verdict(bundle=given, **OPEN)
        assert told(found) == ["unknown-form"]
        carried_out(found.findings[0].remedy, {name: given}, tmp_path)
        assert read((tmp_path / "new.p12").read_bytes(), "new.p12", PASSPHRASE.encode()).keys
        (tmp_path / "new.p12").unlink()


def test_a_java_keystore_is_named_with_the_command_that_turns_it() -> None:
    for given in (b"\xfe\xed\xfe\xed" + bytes(99), zip_of(a_jks=b"\xfe\xed\xfe\xed" + bytes(99))):
        found = verdict(certificate=given)
        assert told(found) == ["unknown-form"]
        assert "keytool -importkeystore" in words(found)
        assert "-deststoretype pkcs12" in words(found)


def test_a_truststore_is_not_said_to_hold_a_key_and_the_remedy_opens_it(tmp_path: Path) -> None:
    given = pkcs12.serialize_key_and_certificates(None, None, None, [CHAT.certificate], SEALED)
    found = verdict(client_ca=[given])
    assert told(found) == ["encrypted-key"]
    assert "No key belongs there" not in words(found)
    carried_out(found.findings[0].remedy, {"client_ca0.file": given}, tmp_path)
    assert verdict(client_ca=[(tmp_path / "new.pem").read_bytes()]).findings == ()


def test_pkcs12_whose_passphrase_is_right_is_not_said_to_be_locked(tmp_path: Path) -> None:
    odd = armoured(changed(SERVER.certificate, ISSUING.key, with_extension(COMMENT, b"\x16\x01x", FALSE)))
    (tmp_path / "both.pem").write_bytes(odd + KEY)
    given = openssl("pkcs12", "-export", "-in", f"{tmp_path}/both.pem", "-passout", f"pass:{PASSPHRASE}")
    found = verdict(**bundle(given), **OPEN)
    assert told(found) == ["unknown-form"]
    assert "the passphrase is right" in words(found)
    carried_out(found.findings[0].remedy, {"bundle.file": given}, tmp_path)
    assert told(verdict(**bundle((tmp_path / "new.pem").read_bytes()))) == ["odd-encoding"]


REQUEST = openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/CN=x", "-outform", "DER", data=KEY)
# What is none of our forms, what it is called, and what its remedy shows of it.
NAMED = {
    "a web page with a mark": (b"\xef\xbb\xbf<!DOCTYPE html><title>Log in", "web page", "Log in"),
    "a web page behind blank lines": (b"\n\r\n <html><title>Log in", "web page", "Log in"),
    "a certificate request": (armoured(REQUEST, "CERTIFICATE REQUEST"), "certificate request", "Subject: CN"),
    "a certificate request in DER": (REQUEST, "certificate request", "Subject: CN"),
    "a public key": (openssl("pkey", "-pubout", data=KEY), "public key", "Public-Key"),
    "gzip": (gzip.compress(b"what is in it"), "packed (gzip)", ""),
    "PKCS#7 of nothing": (openssl("crl2pkcs7", "-nocrl", data=b""), "PKCS#7 without a certificate", ""),
    "a request by a certificate's mark": (armoured(REQUEST), "a certificate request is in it", "MI"),
    "other text": (b"hello", "neither PEM", "hello"),
    "PEM that is cut off": (pem(SERVER.certificate)[:300], "cut off", ""),
}


@pytest.mark.parametrize("case", NAMED)
def test_what_is_none_of_our_forms_is_called_by_its_name_and_shown(case: str, tmp_path: Path) -> None:
    given, name, shown = NAMED[case]
    found = verdict(**site(certificate=given))
    assert told(found) == ["unreadable"]
    assert name in words(found)
    assert shown in carried_out(found.findings[0].remedy, {"certificate.file": given}, tmp_path)


@pytest.mark.parametrize(("magic", "name"), [(b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!", "RAR"), (b"BZh9", "bzip2")])
def test_what_is_packed_is_named_with_the_command_that_unpacks_it(magic: bytes, name: str) -> None:
    (found,) = verdict(certificate=magic + bytes(30)).findings
    assert f"is packed ({name})" in found.message
    assert found.remedy.startswith("Unpack it, and give the file itself: ")


def test_what_is_packed_by_gzip_is_unpacked_by_its_remedy(tmp_path: Path) -> None:
    packed = gzip.compress(FULL)
    (found,) = verdict(certificate=packed).findings
    carried_out(found.remedy, {"certificate.file": packed}, tmp_path)
    assert verdict(**site(certificate=(tmp_path / "new").read_bytes(), chain=None)).findings == ()


def test_a_key_of_ssh_is_turned_into_one_that_is_read_by_its_remedy(tmp_path: Path) -> None:
    given = SERVER.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (found,) = verdict(**site(private_key=given)).findings
    assert "a key of SSH" in found.message
    (tmp_path / "private_key.file").write_bytes(given)
    command = found.remedy.rpartition(": ")[2].replace("ssh-keygen ", "ssh-keygen -N '' ")
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True, capture_output=True)
    assert verdict(**site(private_key=(tmp_path / "new.key").read_bytes())).findings == ()


def test_a_cipher_that_openssl_keeps_apart_is_opened_by_the_remedy(tmp_path: Path) -> None:
    old = ["-v1", "PBE-SHA1-RC4-128", "-provider", "legacy", "-provider", "default", "-passout", f"pass:{PASSPHRASE}"]
    given = openssl("pkcs8", "-topk8", *old, data=KEY)
    (found,) = verdict(**site(private_key=given), **OPEN).findings
    assert found.code == "unknown-form"
    carried_out(found.remedy, {"private_key.file": given}, tmp_path)
    assert verdict(**site(private_key=(tmp_path / "new.key").read_bytes())).findings == ()


def test_pkcs12_by_an_old_cipher_is_opened_by_the_command_to_try_a_passphrase(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_bytes(pem(SERVER.certificate) + KEY)
    given = openssl("pkcs12", "-export", "-legacy", "-in", f"{tmp_path}/both.pem", "-passout", f"pass:{PASSPHRASE}")
    found = verdict(**bundle(given))
    assert told(found) == ["encrypted-key"]
    carried_out(found.findings[0].remedy, {"bundle.file": given}, tmp_path)


def test_a_keystore_of_java_of_the_other_kind_is_told_as_one() -> None:
    (found,) = verdict(certificate=b"\xce\xce\xce\xce" + bytes(99)).findings
    assert "JCEKS" in found.message
    assert "-srcstoretype jceks" in found.remedy


def test_a_key_of_putty_is_named() -> None:
    (found,) = verdict(private_key=b"PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n").findings
    assert "a key of PuTTY" in found.message
    assert "puttygen" in found.remedy


def test_the_line_that_is_no_base64_is_named() -> None:
    lines = FULL.split(b"\n")
    (found, *_path) = verdict(certificate=b"\n".join([*lines[:3], b"!" + lines[3], *lines[4:]])).findings
    assert "no base64 (line 3 of it)" in found.message


def test_a_pointer_of_git_lfs_is_named() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n"
    found = verdict(**site(certificate=pointer))
    assert told(found) == ["unreadable"]
    assert "Git LFS" in words(found)


def test_pkcs12_that_is_cut_off_is_called_so() -> None:
    found = verdict(**bundle(PKCS12[:-100]), **OPEN)
    assert told(found) == ["unreadable"]
    assert "PKCS#12 that is cut off" in words(found)
    assert "openssl x509" not in words(found)


def test_nobody_is_told_what_the_library_tells_its_makers() -> None:
    for data in (
        armoured(b"\x30\x03\x02\x01\x05"),
        armoured(DER[:-50]),
        armoured(b"\x30" + DER[1:].replace(b"\x55", b"\x54")),
    ):
        found = verdict(**site(certificate=data))
        assert not found.ok
        assert not FOR_MAKERS.search(words(found))


def test_equal_sets_are_judged_alike_whatever_else_is_in_the_task() -> None:
    odd = armoured(changed(SERVER.certificate, ISSUING.key, with_extension(BASIC, sequence(FALSE))))
    sets = [
        MaterialSet(certificate=Material(one, "site.crt"), trust_anchors=(Material(pem(ROOT.certificate), "root.crt"),))
        for one in (FULL, odd + pem(ISSUING.certificate), FULL)
    ]
    first, second, third = judge(sets, at=NOW, warn_days=30)
    assert [bool(one.findings) for one in (first, second, third)] == [False, True, False]
    assert first == third


# Fuzzed: whatever element of sound material is another, there is a verdict

LISTED = crl(CHAT, SERVER).public_bytes(Encoding.DER)
ROLES: dict[str, list[tuple[bytes, str]]] = {
    "certificate": [(DER, "CERTIFICATE"), (RSA_SERVER.certificate.public_bytes(Encoding.DER), "CERTIFICATE")],
    "chain": [(ISSUING.certificate.public_bytes(Encoding.DER), "CERTIFICATE")],
    "private_key": [
        (pkcs8(SERVER.key), "PRIVATE KEY"),
        (pkcs8(RSA_SERVER.key), "PRIVATE KEY"),
        (sealed_by_java(SERVER.key, PASSPHRASE), "ENCRYPTED PRIVATE KEY"),
        (pkcs8_of_version_2(ed25519.Ed25519PrivateKey.generate()), "PRIVATE KEY"),
    ],
    "client_ca": [(CHAT.certificate.public_bytes(Encoding.DER), "CERTIFICATE")],
    "crl": [(LISTED, "X509 CRL")],
    "trust_anchors": [(ROOT.certificate.public_bytes(Encoding.DER), "CERTIFICATE")],
    "bundle": [(PKCS12, "PKCS12")],
    "store": [(ROOT.certificate.public_bytes(Encoding.DER), "CERTIFICATE")],
}
TIMES = int(os.environ.get("MUTATIONS", "0")) or (20_000 if os.environ.get("LONG") else 400)


def offered(data: bytes, label: str, beside: tuple[bytes, str], chance: random.Random) -> bytes:
    """Return the data in one of the forms that people hold, by itself or beside what is sound."""
    whole = armoured(data, label)
    forms = (data, whole, whole + armoured(*beside), zip_of(a_crt=whole, b_pem=pem(CHAT.certificate)))
    return chance.choice(forms)


@pytest.mark.parametrize("role", ROLES)
def test_whatever_element_of_sound_material_is_another_there_is_a_verdict(role: str) -> None:
    chance = random.Random(f"20261129 {role}")
    sound = site(client_ca=[pem(CHAT.certificate)], crl=[crl(CHAT).public_bytes(Encoding.PEM)], **OPEN)
    for _time in range(TIMES // len(ROLES)):
        data, label = chance.choice(ROLES[role])
        for _change in range(chance.choice((1, 1, 2, 4))):
            data = mutated(data, chance) or b"\x30\x00"
        given = offered(data, label, ROLES[role][0], chance)
        if role == "store":
            found = verdict(armoured(data), **{**sound, "trust_anchors": []})
        elif role == "bundle":
            found = verdict(**bundle(given), client_ca=sound["client_ca"], **OPEN)
        else:
            found = verdict(**{**sound, role: [given] if isinstance(sound.get(role), list) else given})
        assert all(one.message.isprintable() and one.remedy.isprintable() for one in found.findings), data.hex()
        assert not FOR_MAKERS.search(words(found)), (words(found), data.hex())
