# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who signed what: names compared as OpenSSL compares them, signatures checked on the bytes that were given."""

from __future__ import annotations

import enum
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY

if HAS_CRYPTOGRAPHY:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

    _CHECKED = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)
    _OF_RSA = (padding.PSS, padding.PKCS1v15)

if TYPE_CHECKING:
    from typing import Union

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.odd_encoding import SignedParts

    # What tells two names apart: the attributes of each set, each with its number and its folded text.
    NameKey = tuple[frozenset[tuple[str, Union[str, bytes]]], ...]

# OpenSSL folds ASCII alone (X509_NAME_cmp, in its canonical form).
_FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Signature(enum.Enum):
    """What came of a check."""

    RIGHT = "right"
    WRONG = "wrong"
    UNCHECKED = "unchecked"  # the library knows not the algorithm, or not the key: nothing is said of the signer


@dataclass(frozen=True)
class Algorithm:
    """By what something says that it was signed."""

    digest: hashes.HashAlgorithm | None = None
    parameters: object = None  # cryptography's padding of RSA, or its ECDSA
    is_known: bool = False  # to the library, with these parameters


def algorithm_of(parsed: x509.Certificate | x509.CertificateRevocationList) -> Algorithm:
    """Return by what a certificate or CRL says that it was signed; never raises."""
    try:
        return Algorithm(parsed.signature_hash_algorithm, parsed.signature_algorithm_parameters, True)
    except DAMAGED:
        return Algorithm()


def name_key(name: x509.Name) -> NameKey:
    """Return what names are compared by (RFC 5280, 7.1): not case, nor repeated blanks, nor the type of the texts."""
    return tuple(frozenset((one.oid.dotted_string, _folded(one.value)) for one in rdn) for rdn in name.rdns)


def _folded(text: str | bytes) -> str | bytes:
    return " ".join(text.translate(_FOLDED).split()) if isinstance(text, str) else text


def check(parts: SignedParts, algorithm: Algorithm, key: object) -> Signature:
    """Return whether the key made the signature. SHA-1 and MD5 are checked too: what is weak may yet be right."""
    digest, parameters = algorithm.digest, algorithm.parameters
    try:
        if not algorithm.is_known:
            return Signature.UNCHECKED
        # Of some old algorithms cryptography knows no parameters.
        if isinstance(key, rsa.RSAPublicKey) and digest is not None and not isinstance(parameters, ec.ECDSA):
            filling = parameters if isinstance(parameters, _OF_RSA) else padding.PKCS1v15()
            key.verify(parts.signature, parts.signed, filling, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None and not isinstance(parameters, _OF_RSA):
            key.verify(parts.signature, parts.signed, ec.ECDSA(digest))
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)) and digest is None:
            key.verify(parts.signature, parts.signed)
        else:
            # A key of one kind makes no signature of another.
            return Signature.WRONG if isinstance(key, _CHECKED) else Signature.UNCHECKED
    except InvalidSignature:
        return Signature.WRONG
    except DAMAGED:
        return Signature.UNCHECKED
    return Signature.RIGHT
