# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twins of certificates, their throwaway keys, and handshakes in memory, each beside what OpenSSL says."""

from __future__ import annotations

import ssl
import subprocess
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from demo_material import Authority, key_pem
from odd_certificates import ca, crl, leaf, named, usage
from speed import is_at_once

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der, memory
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import KeyRing
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import (
    Bearer,
    Parts,
    Twins,
    comparable,
    hash_name,
    issue,
    make_twins,
)

if TYPE_CHECKING:
    from pathlib import Path

RING = KeyRing()
NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
DOMAIN = "www.example.com"
SHA256 = hashes.SHA256()


def public(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def der_of(*pairs: Any) -> list[bytes]:
    return [one.certificate.public_bytes(Encoding.DER) for one in pairs]


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "subject",
    [
        "CN=mtls.httpd probe CA",
        "CN=Two   Blanks,O=ÄÖ Gmbh",
        "CN=Two+serialNumber=1,O=Parts",
        "UID=a@example.com,DC=org",
    ],
)
def test_a_name_is_called_in_a_folder_as_openssl_calls_it(subject: str) -> None:
    pair = ca(subject=x509.Name.from_rfc4514_string(subject, {"serialNumber": x509.NameOID.SERIAL_NUMBER}))
    whole = der_of(pair)[0]
    told = openssl("x509", "-inform", "DER", "-noout", "-subject_hash", data=whole)
    assert hash_name(Parts.of(whole).subject) == told.decode().strip()


def spelled_out() -> bytes:
    return openssl("ec", "-pubout", "-param_enc", "explicit", "-outform", "DER", data=key_pem(rooted().key))


def rooted() -> Authority:
    return Authority("A root")


KEYS = {
    "P-256": lambda: public(ec.generate_private_key(ec.SECP256R1())),
    "P-384": lambda: public(ec.generate_private_key(ec.SECP384R1())),
    "P-521": lambda: public(ec.generate_private_key(ec.SECP521R1())),
    "P-224": lambda: public(ec.generate_private_key(ec.SECP224R1())),
    "secp256k1": lambda: public(ec.generate_private_key(ec.SECP256K1())),
    "brainpoolP512r1": lambda: public(ec.generate_private_key(ec.BrainpoolP512R1())),
    "a curve spelled out": spelled_out,
    "RSA of 1024 bits": lambda: public(rsa.generate_private_key(65537, 1024)),
    "RSA of 2047 bits": lambda: public(rsa.generate_private_key(65537, 2047)),
    "RSA of 3072 bits": lambda: public(rsa.generate_private_key(65537, 3072)),
    "RSASSA-PSS": lambda: openssl(
        "pkey",
        "-pubout",
        "-outform",
        "DER",
        data=openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    ),
}


@pytest.mark.parametrize("kind", KEYS)
def test_what_a_throwaway_key_signs_openssl_verifies_and_openssl_signs_with_it(kind: str, tmp_path: Path) -> None:
    key = RING.lend(KEYS[kind](), 0)
    (tmp_path / "public").write_bytes(der.pem("PUBLIC KEY", key.public))
    (tmp_path / "private").write_bytes(key.private)
    (tmp_path / "data").write_bytes(b"data")
    (tmp_path / "signature").write_bytes(key.sign(b"data", key.own))
    pss = ["-sigopt", "rsa_padding_mode:pss"] if kind == "RSASSA-PSS" else []
    verify = ["openssl", "dgst", "-sha256", *pss, "-verify", "public", "-signature", "signature", "data"]
    assert b"Verified OK" in subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).stdout
    sign = ["openssl", "dgst", "-sha256", *pss, "-sign", "private", "-out", "signature", "data"]
    subprocess.run(sign, cwd=tmp_path, check=True, capture_output=True)
    assert b"Verified OK" in subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).stdout


@pytest.mark.parametrize(("bits", "twin"), [(1024, 1024), (2047, 2047), (2048, 2048), (4096, 2048)])
def test_a_key_of_rsa_keeps_its_size_up_to_2048_bits(bits: int, twin: int) -> None:
    odd = der.sequence(der.integer(1 << bits - 1 | 1), der.integer(65537))
    spki = der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NOTHING), der.bits(odd))
    modulus = der.children(der.content(der.children(RING.lend(spki, 0).public)[1])[1:])[0]
    assert der.number(modulus).bit_length() == twin


def test_a_key_of_one_strength_alone_is_stood_for_by_one_on_p256() -> None:
    for key in (ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()):
        assert RING.lend(public(key), 0).public == RING.lend(KEYS["P-256"](), 0).public


def test_keys_are_lent_again_and_another_number_is_another_key() -> None:
    for kind in ("P-256", "RSA of 3072 bits"):
        assert (
            RING.lend(KEYS[kind](), 0).public == RING.lend(KEYS[kind](), 0).public != RING.lend(KEYS[kind](), 1).public
        )


def salted(least: int) -> bytes:
    """Return a key for RSASSA-PSS that says how much salt is the least."""
    options = ("rsa_keygen_bits:3072", "rsa_pss_keygen_md:sha256", f"rsa_pss_keygen_saltlen:{least}")
    made = openssl("genpkey", "-algorithm", "RSA-PSS", *(word for one in options for word in ("-pkeyopt", one)))
    return openssl("pkey", "-pubout", "-outform", "DER", data=made)


def test_where_a_longer_key_salted_more_than_there_is_room_for_its_twin_salts_less(tmp_path: Path) -> None:
    key = RING.lend(salted(32), 0)
    parameters = der.children(der.children(key.algorithm)[1])
    wanted = der.sequence(*parameters[:2], der.element(0xA2, der.integer(3072 // 8 - 32 - 2)))
    fitting = key.fitting(der.sequence(der.oid("1.2.840.113549.1.1.10"), wanted))
    (tmp_path / "public").write_bytes(der.pem("PUBLIC KEY", key.public))
    (tmp_path / "signature").write_bytes(key.sign(b"data", fitting))
    verify = ["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-verify", "public"]
    verify += ["-signature", "signature", "-sigopt", f"rsa_pss_saltlen:{2048 // 8 - 32 - 2}"]
    told = subprocess.run(verify, cwd=tmp_path, input=b"data", capture_output=True, check=False)
    assert b"Verified OK" in told.stdout
    assert key.fitting(key.algorithm) == key.algorithm


def test_where_a_key_itself_asks_for_more_salt_than_there_is_room_for_it_has_no_twin() -> None:
    key = RING.lend(salted(300), 0)
    with pytest.raises(ValueError, match="300 octets of salt"):
        key.fitting(key.algorithm)


@pytest.mark.parametrize("key", [dsa.generate_private_key(2048)])
def test_of_another_kind_of_key_there_is_no_twin(key: Any) -> None:
    with pytest.raises(ValueError, match=r"1\.2\.840\.10040\.4\.1"):
        RING.lend(public(key), 0)


def test_a_key_of_rsa_is_made_and_used_at_once() -> None:
    original = KEYS["RSA of 3072 bits"]()
    began = time.process_time()
    key = KeyRing().lend(original, 0)
    key.sign(b"data", key.own)
    assert is_at_once(time.process_time() - began, 0.2)


def test_a_twin_keeps_every_byte_but_those_of_key_and_signature() -> None:
    root = ca(key=rsa.generate_private_key(65537, 2048), serial=0)
    originals = der_of(root, ca(root, key=rsa.generate_private_key(65537, 2048)))
    differing = []
    for original, twin in zip(originals, make_twins(originals, ring=RING).certificates):
        own, other = Parts.of(original), Parts.of(twin.certificate)
        differing.append({name for name in vars(own) if getattr(own, name) != getattr(other, name)})
        assert len(original) == len(twin.certificate)
    assert differing == [{"public", "signature"}] * 2


def chained(*, later: int = 0) -> tuple[Twins, bytes]:
    root = ca(key=rsa.generate_private_key(65537, 2048))
    between = ca(root)
    server = leaf(between)
    signed = {(server, between), (between, root), (root, root)}
    whole = {der_of(one)[0]: one for one in (root, between, server)}
    twins = make_twins(
        der_of(between, root), ring=RING, signed=lambda one, by: (whole[one], whole[by]) in signed, later=later
    )
    return twins, der_of(server)[0]


def test_a_twin_is_signed_by_the_twin_of_who_signed_the_original() -> None:
    twins, server = chained()
    between, root = twins.certificates
    joined = twins.join(server)
    bearer = Bearer(joined.pem + between.pem, joined.key.private)
    assert memory.meet(memory.serving(bearer), memory.trusting([root.certificate]), DOMAIN) is None
    alone = Bearer(joined.pem, joined.key.private)
    refusal = memory.meet(memory.serving(alone), memory.trusting([root.certificate]), DOMAIN)
    assert refusal is not None
    assert refusal.number == 20


def test_what_nobody_signed_has_a_twin_that_nobody_signed() -> None:
    root = ca()
    server = leaf(root, signer=ec.generate_private_key(ec.SECP256R1()))
    twins = make_twins(der_of(root), ring=RING, signed=lambda one, by: one == by)
    joined = twins.join(der_of(server)[0])
    serving = memory.serving(Bearer(joined.pem, joined.key.private))
    refusal = memory.meet(serving, memory.trusting([twins.certificates[0].certificate]), DOMAIN)
    assert refusal is not None
    assert refusal.number == 7


@pytest.mark.parametrize(("days", "number"), [(0, 0), (50, 9), (-50, 0), (-100, 10)])
def test_all_dates_of_a_path_are_moved_by_as_much(days: int, number: int) -> None:
    twins, server = chained(later=days * 86400)
    joined, (between, root) = twins.join(server), twins.certificates
    bearer = Bearer(joined.pem + between.pem, joined.key.private)
    refusal = memory.meet(memory.serving(bearer), memory.trusting([root.certificate]), DOMAIN)
    assert (refusal.number if refusal else 0) == number


def test_a_date_keeps_its_form_where_it_can_and_its_moment() -> None:
    for end in (NOW + 40 * DAY, datetime(2055, 3, 4, 5, 6, 7, tzinfo=timezone.utc)):
        (twin,) = make_twins(der_of(ca(end=end)), ring=RING, later=3600).certificates
        moved = x509.load_der_x509_certificate(twin.certificate)
        assert moved.not_valid_after_utc == end + timedelta(hours=1)
        assert Parts.of(twin.certificate).validity[2] == twin.parts.validity[2]


def test_a_client_of_a_twin_is_let_in_and_one_on_the_list_or_of_another_ca_is_not() -> None:
    for kind in ("ec", "rsa"):
        chat = Authority("Chat CA", key_type=kind)
        issued = chat.issue(client=True, common_name="client")
        listed = x509.load_pem_x509_crl(chat.crl(issued)).public_bytes(Encoding.DER)
        twins = make_twins([chat.certificate.public_bytes(Encoding.DER)], [listed], ring=RING)
        (twin,) = twins.certificates
        server = memory.serving_clients_of(issue(None, RING, client=False), [twin.certificate], twins.crls)
        assert memory.meet(server, memory.calling(issue(twin, RING, client=True))) is None
        stranger = make_twins(der_of(ca()), ring=RING).certificates[0]
        refusal = memory.meet(server, memory.calling(issue(stranger, RING, client=True)))
        assert refusal is not None
        assert refusal.number in (20, 21)


def test_a_server_without_the_list_of_a_ca_lets_no_client_of_it_in() -> None:
    one, other = ca(), ca()
    twins = make_twins(der_of(one, other), [crl(one).public_bytes(Encoding.DER)], ring=RING)
    trusted = [twin.certificate for twin in twins.certificates]
    server = memory.serving_clients_of(issue(None, RING, client=False), trusted, twins.crls)
    told = [memory.meet(server, memory.calling(issue(twin, RING, client=True))) for twin in twins.certificates]
    assert [None if refusal is None else refusal.number for refusal in told] == [None, 3]


def test_a_list_larger_than_a_pipe_is_read() -> None:
    one = ca()
    given = x509.CertificateRevocationListBuilder().issuer_name(one.certificate.subject)
    given = given.last_update(NOW - DAY).next_update(NOW + DAY)
    for number in range(4000):
        entry = x509.RevokedCertificateBuilder().serial_number(number + 1).revocation_date(NOW - DAY).build()
        given = given.add_revoked_certificate(entry)
    whole = given.sign(one.key, SHA256).public_bytes(Encoding.DER)
    assert len(whole) > 65536
    twins = make_twins(der_of(one), [whole], ring=RING)
    (twin,) = twins.certificates
    server = memory.serving_clients_of(issue(None, RING, client=False), [twin.certificate], twins.crls)
    assert memory.meet(server, memory.calling(issue(twin, RING, client=True))) is None


def test_what_openssl_does_not_load_is_a_refusal_in_its_words() -> None:
    weak = Authority("A root").issue(DOMAIN, key_type="rsa1024")
    with pytest.raises(memory.RefusedError, match="ee key too small"):
        memory.serving(Bearer(weak.pem, weak.key_pem))
    with pytest.raises(memory.RefusedError, match="key values mismatch"):
        memory.serving(Bearer(rooted().pem, key_pem(rooted().key)))
    with pytest.raises(memory.RefusedError):
        memory.trusting([b"no certificate"])


def test_flags_are_those_that_are_asked_for_whatever_python_sets() -> None:
    (root,) = der_of(ca())
    plain, strict = memory.trusting([root]), memory.trusting([root], strict=True)
    assert not plain.verify_flags & (ssl.VERIFY_X509_STRICT | 0x80000)
    assert strict.verify_flags & ssl.VERIFY_X509_STRICT
    assert memory.trusting([root], partial=True).verify_flags & 0x80000


def test_names_are_compared_as_openssl_does() -> None:
    def name(tag: int, text: str, encoding: str = "utf-8") -> bytes:
        pair = der.sequence(der.oid("2.5.4.3"), der.element(tag, text.encode(encoding)))
        return der.sequence(der.element(der.SET, pair))

    plain = comparable(name(0x0C, "Issuing CA"))
    assert plain == comparable(name(0x13, "Issuing CA")) == comparable(name(0x0C, " issuing   ca "))
    assert plain == comparable(name(0x1E, "ISSUING CA", "utf-16-be"))
    assert plain != comparable(name(0x0C, "Issuing CA 2"))
    assert comparable(named("x").public_bytes()) == comparable(named("X").public_bytes())
    assert comparable(name(0x14, "腾讯", "gbk")) == comparable(name(0x14, "腾讯", "gbk"))


def test_critical_extensions_are_named_by_their_numbers() -> None:
    one = ca(ku=(usage("key_cert_sign"), False))
    assert Parts.of(der_of(one)[0]).critical() == ["2.5.29.19"]


@pytest.mark.parametrize("whole", [b"", b"0", b"\x30\x82", b"\x30\x05\x02\x01", b"\x30\x80\x00\x00", b"\x1f\x01\x01"])
def test_what_is_no_der_is_an_error(whole: bytes) -> None:
    with pytest.raises(ValueError, match=r"element|length"):
        der.children(whole)
    with pytest.raises(ValueError, match=r"element|length"):
        make_twins([whole], ring=RING)
