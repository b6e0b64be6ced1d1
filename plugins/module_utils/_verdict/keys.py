# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private keys in every form that people hold, encrypted or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import header, refuse_costly
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.pem import decoded

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import PrivateKey

MAXIMUM_RSA_BITS = 16384  # OpenSSL takes no longer ones


def private_key(label: str, body: bytes, passphrase: bytes | None) -> PrivateKey:
    """Return the key of a PEM block, encrypted or not, in PKCS#8, PKCS#1, SEC1 or the traditional encrypted form."""
    if b"DEK-Info" in body:
        lines = b"\n".join(line.strip() for line in body.replace(b"\r", b"\n").split(b"\n") if line.strip())
        headers, _mark, encoded = lines.rpartition(b"DEK-Info:")
        first, _line, rest = encoded.partition(b"\n")
        armour = b"-----BEGIN %b-----\n%bDEK-Info:%b\n\n%b\n-----END %b-----\n"
        name = label.encode()
        return loaded_key(armour % (name, headers, first, rest, name), passphrase, pem=True)
    return loaded_key(decoded(body), passphrase, pem=False)


def loaded_key(data: bytes, passphrase: bytes | None, *, pem: bool) -> PrivateKey:
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    encrypted = pem
    if not pem:
        _length, inner = header(data, 0)
        encrypted = data[inner : inner + 1] == b"\x30"
    if encrypted and not passphrase:
        raise not_opened("a private key", None)
    if encrypted and not pem:
        refuse_costly(data)
    try:
        # The test of RSA's primes takes 30 ms. That the numbers fit each other is checked below; of other kinds, here.
        key = load(data, passphrase if encrypted else None, unsafe_skip_rsa_key_validation=True)
    except DAMAGED:
        if encrypted:
            raise not_opened("a private key", passphrase) from None
        raise FormError("holds a private key that is damaged.") from None
    return usable_key(key)


def usable_key(key: object) -> PrivateKey:
    """Return the key if TLS servers can use its kind, and its numbers fit each other."""
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size > MAXIMUM_RSA_BITS:  # their arithmetic takes seconds
            raise FormError(
                f"holds a private key of {key.key_size} bits of RSA; OpenSSL takes {MAXIMUM_RSA_BITS} at most."
            )
        numbers = key.private_numbers()
        p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
        fits = p > 1 and q > 1 and p * q == public.n and d * public.e % (p - 1) == 1 == d * public.e % (q - 1)
        if not (fits and numbers.dmp1 == d % (p - 1) and numbers.dmq1 == d % (q - 1) and numbers.iqmp * q % p == 1):
            raise FormError("holds a private key that is damaged: its numbers do not fit each other.")
        return key
    if isinstance(
        key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey, dsa.DSAPrivateKey)
    ):
        return key
    raise FormError("holds a private key of a kind that no TLS server uses.")


def not_opened(what: str, passphrase: bytes | None) -> FormError:
    if passphrase:
        return FormError(f"holds {what} that the given passphrase does not open, or that is damaged.", "encrypted-key")
    return FormError(f"holds {what} that is encrypted, and no passphrase is given.", "encrypted-key")
