# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What material holds, how much of it is looked at, and why it cannot be taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate

    PrivateKey = Union[
        rsa.RSAPrivateKey,
        ec.EllipticCurvePrivateKey,
        ed25519.Ed25519PrivateKey,
        ed448.Ed448PrivateKey,
        dsa.DSAPrivateKey,
    ]

MAXIMUM_SIZE = 1024 * 1024  # bytes of one file, and of all that a zip unpacks to
MAXIMUM_ENTRIES = 64  # files in a zip
MAXIMUM_CERTIFICATES = 512  # in one file; a whole trust store has some 150


class FormError(Exception):
    """Material cannot be taken. The text says why; the code is that of the finding to make of it."""

    def __init__(self, message: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Contents:
    """What one piece of material holds, each thing once, in the order found."""

    certificates: tuple[Certificate, ...] = ()
    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    others: tuple[str, ...] = ()  # such as 'a certificate request'
    entries: tuple[str, ...] = ()  # of a zip: those that something was found in

    def __str__(self) -> str:
        """Say what is in it, as the end of 'holds …'."""
        counted = ((len(self.certificates), "certificate"), (len(self.keys), "private key"), (len(self.crls), "CRL"))
        words = [f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in counted if number]
        return " and ".join([*words, *self.others]) or "nothing known"


def merged(parts: Iterable[Contents]) -> Contents:
    """Return all parts as one, duplicates left out."""
    certificates: dict[Certificate, None] = {}
    keys: dict[bytes, PrivateKey] = {}
    crls: list[x509.CertificateRevocationList] = []
    others: dict[str, None] = {}
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        certificates.update(dict.fromkeys(part.certificates))
        keys.update((public_bytes(key.public_key()), key) for key in part.keys)
        crls += [crl for crl in part.crls if crl not in crls]
        others.update(dict.fromkeys(part.others))
        if len(certificates) > MAXIMUM_CERTIFICATES or len(crls) + len(keys) > MAXIMUM_ENTRIES:
            raise FormError(f"holds more than {MAXIMUM_CERTIFICATES} certificates, or {MAXIMUM_ENTRIES} keys and CRLs.")
    return Contents(tuple(certificates), tuple(keys.values()), tuple(crls), tuple(others))


def public_bytes(key: PublicKeyTypes) -> bytes:
    """Return a public key as DER (SubjectPublicKeyInfo), by which keys are compared."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def words(error: BaseException) -> str:
    """Return what a library said, on one short line."""
    return printable(" ".join(str(error).split()))[:160] or type(error).__name__


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
