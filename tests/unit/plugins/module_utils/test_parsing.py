# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every form that people hold is read, and nothing hostile gets through, hangs or falls over."""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import resource
import subprocess
import time
import tracemalloc
import zipfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from demo_material import Authority, key_pem, new_key, pem, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_certificates import Pair, ca, dns, leaf, limits, named
from speed import is_at_once

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der as twin_der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import forms
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Contents, FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge, report
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = bool(os.environ.get("LONG"))  # as `make test-long` sets it
DOMAIN = "www.example.com"
NOW = datetime.now(timezone.utc)
ROOT = Authority("Test Root CA")
CHAT = Authority("Test Chat CA")
SERVER = Authority("Test Issuing CA", issuer=ROOT).issue(DOMAIN)
BOTH = [SERVER.certificate, *SERVER.intermediates]
PASSPHRASE = b"correct horse"
RSA = new_key("rsa")


def found(data: bytes, passphrase: bytes | None = None) -> Contents:
    return read(data, "some.file", passphrase)


def certificates(data: bytes, passphrase: bytes | None = None) -> list[object]:
    return [one.parsed for one in found(data, passphrase).certificates]


def refused(data: bytes, passphrase: bytes | None = None) -> FormError:
    with pytest.raises(FormError) as caught:
        found(data, passphrase)
    assert str(caught.value).isprintable()
    return caught.value


def zipped_as(entries: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return data.getvalue()


FULL = SERVER.full_pem
CERTIFICATES = {
    "PEM": FULL,
    "PEM with text around": b"Bag Attributes\n  friendlyName: x\n"
    + FULL.replace(b"-----BEGIN", b"subject=x\n-----BEGIN"),
    "PEM with line ends of Windows": FULL.replace(b"\n", b"\r\n"),
    "PEM with line ends of old Macs": FULL.replace(b"\n", b"\r"),
    "PEM with a byte order mark": b"\xef\xbb\xbf" + FULL,
    "PEM in UTF-16": FULL.decode().encode("utf-16"),
    "PEM with indented lines": b"".join(b"    " + line + b"  \n" for line in FULL.splitlines()),
    "PEM without a last line end": FULL.rstrip(),
    "PEM in one long line each": re.sub(rb"(?<=[^-])\n(?=[^-])", b"", FULL),
    "PEM of OpenSSL's old label": FULL.replace(b" CERTIFICATE-", b" X509 CERTIFICATE-"),
    "PEM, each twice": FULL + FULL,
    "PKCS#7 in PEM": pkcs7.serialize_certificates(BOTH, Encoding.PEM),
    "PKCS#7 in DER": pkcs7.serialize_certificates(BOTH, Encoding.DER),
    "PKCS#12 without a passphrase": pkcs12.serialize_key_and_certificates(None, None, None, BOTH, NoEncryption()),
    "zip": zipped_as({"site.crt": SERVER.pem, "chain.crt": SERVER.chain_pem}),
    "zip in a zip": zipped_as({"site.zip": zipped_as({"site.crt": SERVER.pem, "chain.crt": SERVER.chain_pem})}),
    "zip with folders and litter": zipped_as(
        {
            "site/": b"",
            "site/readme.txt": b"Put it there.",
            "site/Nginx/1_bundle.crt": FULL,
            "site/Apache/2_root.crt": FULL.replace(b"\n", b"\r\n"),
            "__MACOSX/site/._1_bundle.crt": b"\x00\x05\x16\x07" + os.urandom(80),
            "site/.DS_Store": b"\x00\x00\x00\x01Bud1" + FULL[:40],
            "site/empty.crt": b"",
        }
    ),
}


@pytest.mark.parametrize("form", CERTIFICATES)
def test_certificates_are_read_from_every_form(form: str) -> None:
    assert sorted(map(repr, certificates(CERTIFICATES[form]))) == sorted(map(repr, BOTH))


def test_der_and_the_trusted_form_of_openssl_are_read() -> None:
    der = SERVER.certificate.public_bytes(Encoding.DER)
    assert certificates(der) == [SERVER.certificate]
    trusted = subprocess.run(
        ["openssl", "x509", "-trustout", "-addtrust", "serverAuth"], input=SERVER.pem, capture_output=True, check=True
    ).stdout
    assert b"BEGIN TRUSTED CERTIFICATE" in trusted
    assert certificates(trusted) == [SERVER.certificate]


def test_crls_are_read_in_pem_and_der() -> None:
    crl = CHAT.crl(SERVER)
    assert len(found(crl).crls) == 1
    assert found(found(crl).crls[0].given).crls == found(crl).crls
    assert found(found(crl).crls[0].pem).crls == found(crl).crls


KEYS = {
    "rsa": RSA,
    "ec": new_key(),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


PLAIN, ENCRYPTED = NoEncryption(), BestAvailableEncryption(PASSPHRASE)
PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL
KEY_FORMS = [
    (kind, encoding, form, protection)
    for kind in KEYS
    for encoding in (Encoding.PEM, Encoding.DER)
    for form in (PKCS8, TRADITIONAL)
    for protection in (PLAIN, ENCRYPTED)
    # Ed25519 has no traditional form, and the traditional ones are encrypted in PEM alone.
    if form is PKCS8 or (kind != "ed25519" and (encoding is Encoding.PEM or protection is PLAIN))
]


@pytest.mark.parametrize(("kind", "encoding", "form", "protection"), KEY_FORMS)
def test_keys_are_read_from_every_form(
    kind: str, encoding: Encoding, form: PrivateFormat, protection: KeySerializationEncryption
) -> None:
    data = KEYS[kind].private_bytes(encoding, form, protection)
    assert [key.public_key() for key in found(data, PASSPHRASE).keys] == [KEYS[kind].public_key()]
    if protection is ENCRYPTED:
        assert refused(data).code == "encrypted-key"
        assert refused(data, b"wrong").code == "encrypted-key"
        assert found(data.replace(b"\n", b"\r\n") if encoding is Encoding.PEM else data, PASSPHRASE).keys


def test_a_key_with_its_curve_before_it_is_read() -> None:
    sec1 = KEYS["ec"].private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert len(found(parameters + sec1).keys) == 1


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "encrypted"])
def test_pkcs12_gives_key_and_certificates(passphrase: bytes | None) -> None:
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    data = pkcs12.serialize_key_and_certificates(b"x", SERVER.key, SERVER.certificate, SERVER.intermediates, protection)
    assert certificates(data, passphrase) == BOTH
    assert len(found(data, passphrase).keys) == 1
    if passphrase:
        assert refused(data).code == "encrypted-key"
        assert refused(data, b"wrong").code == "encrypted-key"


def test_a_passphrase_that_is_not_needed_does_no_harm() -> None:
    assert found(SERVER.key_pem, PASSPHRASE).keys


def test_the_consoles_zip_gives_key_and_certificate_once() -> None:
    data = zipped_as({"a/1.crt": SERVER.pem, "a/2.key": SERVER.key_pem, "b/both.pem": SERVER.pem + SERVER.key_pem})
    contents = found(data)
    assert (len(contents.certificates), len(contents.keys)) == (1, 1)
    assert contents.entries == ("a/1.crt", "b/both.pem")


def test_a_key_in_a_zip_that_cannot_be_opened_is_said_to_be_encrypted() -> None:
    data = zipped_as({"a.crt": SERVER.pem, "a.key": key_pem(SERVER.key, PASSPHRASE)})
    assert [fault.code for fault in found(data).faults] == ["encrypted-key"]
    finding = judge([MaterialSet(bundle=Material(data, "site.zip"))], at=NOW, warn_days=30)[0].findings[0]
    assert (finding.code, finding.severity) == ("encrypted-key", "error")
    assert found(data, PASSPHRASE).keys


REFUSED = {
    "nothing": (b"", "is empty"),
    "spaces": (b" \r\n\t", "is empty"),
    "garbage": (b"\x00\x01garbage", "is neither"),
    "text": (b"hello", "is neither"),
    "cut off PEM": (SERVER.pem[:200], "is cut off or damaged"),
    "other end": (SERVER.pem.replace(b"END CERTIFICATE", b"END X509 CRL"), "is cut off or damaged"),
    "damaged base64": (SERVER.pem.replace(b"MII", b"M*I"), "is no base64"),
    "damaged certificate": (pem(SERVER.certificate).replace(b"MII", b"MIJ"), "is cut off or damaged: it announces"),
    "cut off DER": (SERVER.certificate.public_bytes(Encoding.DER)[:-9], "is cut off or damaged"),
    "too large": (b"x" * (forms.MAXIMUM_SIZE + 1), "bytes; at most"),
    "damaged key": (SERVER.key_pem.replace(b"MIG", b"MIH"), "damaged"),
    "damaged zip": (zipped("a.crt", FULL)[:-30], "cannot be unpacked"),
    "zip of nothing": (zipped_as({}), "without a certificate"),
    "zip of litter": (zipped_as({"a.txt": b"x", "__MACOSX/._a.crt": FULL}), "without a certificate"),
    "zip that climbs": (zipped_as({"../../etc/a.crt": FULL}), "climbs out"),
    "zip with a drive": (zipped_as({"C:\\a.crt": FULL}), "climbs out"),
    "zip with a root": (zipped_as({"/etc/a.crt": FULL}), "climbs out"),
    "zip in a zip in a zip": (zipped_as({"a.zip": zipped("a.zip", zipped("a.crt", FULL))}), "in a zip in a zip"),
    "zip of too many": (zipped_as({f"{number}.crt": FULL for number in range(65)}), "at most 64"),
    "bomb": (zipped("a.crt", b"0" * 50_000_000), "unpacks to more than"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_with_a_reason(case: str) -> None:
    data, words = REFUSED[case]
    assert words in str(refused(data))


def test_a_bomb_that_lies_about_its_size_is_refused_before_it_unfolds() -> None:
    data = zipped("a.crt", b"0" * 100_000_000)
    honest = (100_000_000).to_bytes(4, "little")
    tracemalloc.start()
    refused(data.replace(honest, (1000).to_bytes(4, "little")))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_an_rsa_key_whose_numbers_do_not_fit_is_damaged() -> None:
    other = new_key("rsa").private_numbers()
    numbers = RSA.private_numbers()
    modulus = numbers.public_numbers.n.to_bytes(256, "big")
    wrong = RSA.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    wrong = wrong.replace(modulus, other.public_numbers.n.to_bytes(256, "big"))
    assert "do not fit" in str(refused(wrong))


def test_an_ec_key_with_the_public_half_of_another_is_damaged() -> None:
    point = (Encoding.X962, PublicFormat.UncompressedPoint)
    der = SERVER.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    mine, others = SERVER.key.public_key().public_bytes(*point), new_key().public_key().public_bytes(*point)
    assert "damaged" in str(refused(der.replace(mine, others)))


def der(tag: int, *parts: bytes) -> bytes:
    """Return one element of DER."""
    body = b"".join(parts)
    return bytes([tag, 0x82]) + len(body).to_bytes(2, "big") + body


def integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encrypted_key(*derivation: bytes) -> bytes:
    """Return an encrypted PKCS#8 key (RFC 8018) with this key derivation."""
    pbes2 = bytes.fromhex("06092a864886f70d01050d")
    aes = der(0x30, bytes.fromhex("060960864801650304012a"), der(0x04, b"0" * 16))
    return der(0x30, der(0x30, pbes2, der(0x30, der(0x30, *derivation), aes)), der(0x04, b"0" * 64))


SALT = der(0x04, b"saltsalt")
PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
SCRYPT = bytes.fromhex("06092b06010401da47040b")
DIGEST = der(0x30, der(0x30, bytes.fromhex("0609608648016503040201")), der(0x04, b"0" * 32))
DATA = der(0x30, bytes.fromhex("06092a864886f70d010701"), der(0xA0, der(0x04, der(0x30))))
COSTLY = {
    "PBKDF2": encrypted_key(PBKDF2, der(0x30, SALT, integer(2**31 - 1))),
    "scrypt": encrypted_key(SCRYPT, der(0x30, SALT, integer(2**20), integer(8), integer(1))),
    "PKCS#12": der(0x30, b"\x02\x01\x03", DATA, der(0x30, DIGEST, SALT, integer(2**31 - 1))),
}


@pytest.mark.parametrize("kind", COSTLY)
def test_a_key_derivation_of_excessive_cost_is_refused_at_once(kind: str) -> None:
    with within_limits():
        assert "excessive cost" in str(refused(COSTLY[kind], PASSPHRASE))


def test_the_cost_that_openssl_asks_for_is_taken() -> None:
    for options in (["-scrypt"], ["-v2", "aes-256-cbc", "-iter", "600000"]):
        command = ["openssl", "pkcs8", "-topk8", *options, "-passout", "pass:correct horse"]
        data = subprocess.run(command, input=SERVER.key_pem, capture_output=True, check=True).stdout
        assert found(data, PASSPHRASE).keys


LABELS = b"-----BEGIN A-----\n-----END A-----\n" * 30_000


def extended(number: int) -> bytes:
    """Return the server's certificate (DER) with so many more extensions, the last two of one kind."""
    signed, algorithm, signature = twin_der.children(SERVER.certificate.public_bytes(Encoding.DER))
    *fields, extensions = twin_der.children(signed)
    kinds = [f"1.3.6.1.4.1.99999.{each}" for each in (*range(number - 1), number - 2)]
    more = [twin_der.sequence(twin_der.oid(kind), twin_der.element(0x04, twin_der.NOTHING)) for kind in kinds]
    kept = twin_der.children(twin_der.children(extensions)[0])
    body = twin_der.sequence(*fields, twin_der.element(0xA3, twin_der.sequence(*kept, *more)))
    return twin_der.sequence(body, algorithm, signature)


def test_an_odd_extension_is_looked_for_among_those_that_certificates_have() -> None:
    assert found(extended(10)).certificates
    assert "has more than 64 extensions" in str(refused(extended(65)))


def test_a_passphrase_is_tried_on_so_many_keys_and_no_more() -> None:
    keys = [key_pem(new_key(), PASSPHRASE) for _key in range(forms.MAXIMUM_OPENED + 1)]
    contents = found(b"".join(keys), PASSPHRASE)
    assert len(contents.keys) == forms.MAXIMUM_OPENED
    assert "more than 16 encrypted keys" in str(contents.faults[0])
    clear = b"".join(key_pem(new_key()) for _key in keys)
    assert len(found(clear).keys) == len(keys)


HOSTILE = {
    "many begins": b"-----BEGIN CERTIFICATE-----" * 38_000,
    "many labels": LABELS,
    "long label": b"-----BEGIN " + b"A" * 1_000_000 + b"-----",
    "one long body": b"-----BEGIN CERTIFICATE-----\n" + b"A" * 1_000_000 + b"\n-----END CERTIFICATE-----",
    "many certificates": SERVER.pem * 1300,
    "nested DER": b"\x30\x83\x0f\xff\xfb" * 200_000,
    "nested PKCS#12": b"\x30\x83\x0f\x42\x30\x02\x01\x03" + b"\x30\x80" * 490_000,
    "octets in octets": b"\x30\x83\x0f\x42\x40\x02\x01\x03" + b"\x04\x82\xff\xff" * 250_000,
    "many small parts": b"\x30\x83\x0f\x42\x43\x02\x01\x03" + b"\x04\x00" * 500_000,
    "spaces": b" " * 1_000_000 + b"x",
    "zips in a zip": zipped_as({f"{number}.zip": zipped("a", LABELS) for number in range(60)}),
    "extensions": extended(15_000),
}


@contextlib.contextmanager
def within_limits() -> Iterator[None]:
    """Allow no more than is done at once, and 200 MiB of memory more than there was ever used before."""
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert is_at_once(time.process_time() - began)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200 * 1024


@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_under_a_mebibyte_takes_long(case: str) -> None:
    data = HOSTILE[case][: forms.MAXIMUM_SIZE]
    for passphrase in (None, PASSPHRASE):
        with within_limits():
            try:
                found(data, passphrase)
            except FormError:
                continue


def piled() -> dict[str, MaterialSet]:
    """Return material that is well formed, and much."""
    top = ca()
    names = [f"{number}.example.com" for number in range(15_000)]
    limited = ca(nc=limits([dns(name) for name in names]))
    one = {"subject": named("One name")}
    same = [ca(top, **one) for _number in range(500)]
    issued = leaf(ca(top, **one), *names[:20])
    roots = Material(pem(top.certificate), "root")

    def der_of(pair: Pair) -> Material:
        return Material(pair.certificate.public_bytes(Encoding.DER), "file")

    def pems(pairs: list[Pair]) -> Material:
        return Material(pem(*(pair.certificate for pair in pairs)), "file")

    number = (1 << 900_000) + 1
    parts = (0, number * number, 65537, number, number, number, number, number, number)
    key = b"".join(der_of_any_length(0x02, octets(part)) for part in parts)
    return {
        "names": MaterialSet(domain="1.example.com", certificate=der_of(leaf(top, *names)), trust_anchors=(roots,)),
        "limits": MaterialSet(
            domain="1.example.com", certificate=der_of(leaf(limited, *names)), trust_anchors=(der_of(limited),)
        ),
        "intermediates of one name": MaterialSet(certificate=der_of(issued), chain=pems(same), trust_anchors=(roots,)),
        "anchors of one name": MaterialSet(certificate=der_of(issued), trust_anchors=(pems(same),)),
        "client CAs of one name": MaterialSet(client_ca=(pems(same),)),
        "certificates and keys": MaterialSet(
            certificate=pems(same), private_key=Material(b"".join(key_pem(new_key()) for _key in range(60)), "keys")
        ),
        "RSA": MaterialSet(private_key=Material(der_of_any_length(0x30, key), "key")),
    }


def octets(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def der_of_any_length(tag: int, body: bytes) -> bytes:
    length = octets(len(body)).lstrip(b"\0")
    return bytes([tag]) + (length if len(body) < 0x80 else bytes([0x80 | len(length)]) + length) + body


PILED = piled()


@pytest.mark.parametrize("case", PILED)
def test_much_material_is_judged_at_once(case: str) -> None:
    assert all(len(one.data) <= forms.MAXIMUM_SIZE for one in (PILED[case].certificate, PILED[case].private_key) if one)
    with within_limits():
        assert judge([PILED[case]], at=NOW, warn_days=30)


def test_an_rsa_key_that_is_too_long_for_openssl_is_refused_before_its_arithmetic() -> None:
    finding = judge([PILED["RSA"]], at=NOW, warn_days=30)[0].findings[0]
    assert "1800001 bits of RSA" in finding.message


GOOD = {
    "certificate": [SERVER.pem, FULL, SERVER.certificate.public_bytes(Encoding.DER), CERTIFICATES["PKCS#7 in DER"]],
    "private_key": [SERVER.key_pem, key_pem(SERVER.key, PASSPHRASE), key_pem(RSA)],
    "chain": [SERVER.chain_pem, SERVER.intermediates[0].public_bytes(Encoding.DER)],
    "bundle": [
        zipped_as({"a.crt": SERVER.pem, "a.key": SERVER.key_pem}),
        pkcs12.serialize_key_and_certificates(None, SERVER.key, SERVER.certificate, None, NoEncryption()),
    ],
    "client_ca": [CHAT.pem, zipped("TencentQQAuthCA.crt", CHAT.pem), CHAT.certificate.public_bytes(Encoding.DER)],
    "crl": [CHAT.crl(SERVER), x509.load_pem_x509_crl(CHAT.crl(SERVER)).public_bytes(Encoding.DER)],
    "trust_anchors": [ROOT.pem, ROOT.certificate.public_bytes(Encoding.DER)],
    "store": [ROOT.pem + CHAT.pem],
}
SECRETS = [line for one in (SERVER.key_pem, key_pem(RSA)) for line in one.decode().splitlines()[1:-1] if len(line) > 8]


def answered(option: str, data: bytes) -> None:
    """Judge the data under the option, beside good material: the answer is a verdict, soon, without a key in it."""
    material = Material(data, option)
    several = option in ("client_ca", "crl", "trust_anchors")
    good = {} if option in ("bundle", "certificate") else {"certificate": Material(FULL, "good.crt")}
    anchors = {} if option == "store" else {"trust_anchors": (Material(ROOT.pem, "root"),)}
    mutated = {} if option == "store" else {option: (material,) if several else material}
    given_set = MaterialSet(domain=DOMAIN, private_key_passphrase=PASSPHRASE, **{**anchors, **good, **mutated})
    with within_limits():
        store = material if option == "store" else None
        verdict = judge([given_set], at=NOW, warn_days=30, default_anchors=store)[0]
    told = repr(verdict) + report([verdict])
    assert all(finding.message.isprintable() and finding.subject.isprintable() for finding in verdict.findings)
    # What a library says to its own makers is for nobody else.
    assert not re.search(r"ParseError|PhantomData|\{ ?[a-z_]+:", report([verdict]))
    assert not any(secret in told for secret in SECRETS)


@settings(max_examples=2000 if LONG else 200, deadline=None)
@given(option=st.sampled_from(sorted(GOOD)), data=st.binary(max_size=2000))
def test_whatever_bytes_are_given_the_answer_is_a_verdict(option: str, data: bytes) -> None:
    answered(option, data)


@settings(max_examples=2000 if LONG else 200, deadline=None)
@given(texts=st.lists(st.text(), min_size=3, max_size=3))
def test_whatever_names_and_pins_are_given_the_answer_is_a_verdict(texts: list[str]) -> None:
    chat = Material(CHAT.pem, "chat")
    given_set = MaterialSet(domain=texts[0], aliases=(texts[1],), client_ca=(chat,), client_ca_sha256=(texts[2],))
    verdict = judge([given_set], at=NOW, warn_days=30)[0]
    assert all(finding.message.isprintable() and finding.subject.isprintable() for finding in verdict.findings)


def test_whatever_byte_of_good_material_is_changed_the_answer_is_a_verdict() -> None:
    chance = random.Random(20260315)
    for _time in range(20_000 if LONG else 1000):
        option = chance.choice(sorted(GOOD))
        data = bytearray(chance.choice(GOOD[option]))
        for _change in range(chance.choice([1, 1, 1, 2, 5])):
            at = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                data[at] = chance.randrange(256)
            elif kind == 2:
                del data[at : at + chance.choice([1, 4, 60])]
            else:
                data[at:at] = data[at : at + chance.choice([1, 30])]
            data = data or bytearray(b"x")
        answered(option, bytes(data))
