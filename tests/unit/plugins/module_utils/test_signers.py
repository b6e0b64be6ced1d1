# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who signed what, without cryptography: what OpenSSL says on the way to a handshake is what cryptography says."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timezone
from typing import Any, Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from odd_authorities import CLIENT_CASES, SHA1_WITH_RSA, ClientCase, purposes, signed_anew
from odd_certificates import CRITICAL, DAY, NOW, PAST, UNKNOWN, Pair, ca, crl, key_id, limits, named, new_key

from ansible_collections.mtls.httpd.plugins.module_utils._twin.signers import is_signed
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.handshakes import _whether_signed

KEYS: dict[str, Callable[[], Any]] = {
    "RSA of 2048 bits": lambda: rsa.generate_private_key(65537, 2048),
    "RSA of 1024 bits": lambda: rsa.generate_private_key(65537, 1024),
    "P-256": new_key,
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "brainpoolP256r1": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}
TENCENT = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Tencent")])
# What OpenSSL minds before it comes to a signature, or behind it.
ODD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "ended": PAST,
    "begins tomorrow": {"begin": NOW + DAY},
    "begins in 1971": {"begin": datetime(1971, 1, 1, tzinfo=timezone.utc)},
    "a critical extension": {"x": CRITICAL},
    "without key identifiers": {"ski": None, "aki": None},
    "limits on names": {"nc": limits([x509.DirectoryName(TENCENT)])},
    "for clients": {"eku": purposes(ExtendedKeyUsageOID.CLIENT_AUTH)},
}


def der_of(one: Any) -> bytes:
    content: bytes = (one.certificate if isinstance(one, Pair) else one).public_bytes(Encoding.DER)
    return content


@pytest.mark.parametrize("kind", KEYS)
def test_a_signature_of_any_kind_of_key_is_told_from_that_of_another_key_of_the_kind(kind: str) -> None:
    key, other = KEYS[kind](), KEYS[kind]()
    root = ca(key=key)
    # Of the same name and key identifier, so that OpenSSL takes it for the issuer until it looks at the signature.
    namesake = ca(key=other, subject=root.certificate.subject, ski=(key_id(key), False))
    between = ca(root)
    assert is_signed(der_of(between), der_of(root)) is True
    assert is_signed(der_of(between), der_of(namesake)) is False
    assert is_signed(der_of(root), der_of(root)) is True
    assert is_signed(der_of(ca(key=key, signer=other)), der_of(root)) is not True
    assert is_signed(der_of(crl(root)), der_of(root)) is True
    assert is_signed(der_of(crl(root)), der_of(namesake)) is False


@pytest.mark.parametrize("kind", ["RSA of 2048 bits", "P-256"])
@pytest.mark.parametrize("odd", ODD)
def test_what_else_is_odd_about_a_ca_keeps_its_signature_not_from_being_checked(odd: str, kind: str) -> None:
    changes = ODD[odd]
    key, other = KEYS[kind](), KEYS[kind]()
    top = ca(key=key, **{name: value for name, value in changes.items() if name != "eku"})
    assert is_signed(der_of(ca(top, **changes)), der_of(top)) is True
    assert is_signed(der_of(ca(top, signer=other, **changes)), der_of(top)) is False
    assert is_signed(der_of(crl(top)), der_of(top)) is True
    assert is_signed(der_of(crl(top, signer=other)), der_of(top)) is False
    assert is_signed(der_of(crl(top, **PAST)), der_of(top)) is True


def test_a_list_is_checked_though_it_is_for_one_place_alone_or_has_an_entry_that_is_odd() -> None:
    top = ca()
    odd = x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00")
    for one, expected in ((crl(top, entry=odd), True), (crl(top, entry=odd, signer=new_key()), False)):
        assert is_signed(der_of(one), der_of(top)) is expected


def test_sha1_is_checked_as_well() -> None:
    key, other = KEYS["RSA of 2048 bits"](), KEYS["RSA of 2048 bits"]()
    root = ca(key=key)
    by_sha1 = signed_anew(der_of(ca(root)), key, SHA1_WITH_RSA)
    by_another = signed_anew(der_of(ca(root)), other, SHA1_WITH_RSA)
    assert is_signed(by_sha1, der_of(root)) is True
    assert is_signed(by_another, der_of(root)) is False


def test_what_cannot_be_checked_is_not_known() -> None:
    root = ca()
    old = ca(root, begin=datetime(1960, 1, 1, tzinfo=timezone.utc))
    assert is_signed(der_of(old), der_of(root)) is None
    assert is_signed(der_of(ca(root, subject=root.certificate.subject, ski=None)), der_of(root)) is None
    assert is_signed(der_of(ca(root, aki=None)), der_of(ca(subject=named("Another")))) is None
    for garbage in (b"", b"\x30\x00", der_of(root)[:-9]):
        assert is_signed(garbage, der_of(root)) is None
        assert is_signed(der_of(root), garbage) is None


@pytest.mark.parametrize("case", CLIENT_CASES, ids=lambda case: case.name)
def test_openssl_and_cryptography_never_contradict_each_other(case: ClientCase) -> None:
    def blocks(label: str, content: bytes) -> list[bytes]:
        found = re.findall(f"-----BEGIN {label}-----(.*?)-----END {label}-----".encode(), content, re.DOTALL)
        return [base64.b64decode(each) for each in found]

    client_cas = blocks("CERTIFICATE", case.client_cas)
    for one in (*client_cas, *blocks("X509 CRL", case.crls)):
        for issuer in client_cas:
            assert None in (answers := {is_signed(one, issuer), _whether_signed(one, issuer)}) or len(answers) == 1
