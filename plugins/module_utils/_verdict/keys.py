# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private keys in every form that people hold, encrypted or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.decryption import (
    OF_LIBRARY,
    encrypted_by,
    not_opened,
    open_pkcs8,
    open_traditional,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError, Element
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Form, FormError, Kind
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.key_kinds import EC, NAMES, kind_of_no_use
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.odd_encoding import WRITTEN_OUT
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.pem import decoded
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.pkcs12_costs import refuse_costly

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import PrivateKey

MAXIMUM_RSA_BITS = 16384  # OpenSSL takes no longer ones

# The octets of a key on each curve that OpenSSL 3.0 knows by name and that somebody has keys on (RFC 5915, 3).
_OCTETS = {
    "1.2.840.10045.3.1.7": 32,
    "1.3.132.0.34": 48,
    "1.3.132.0.35": 66,
    "1.3.132.0.10": 32,
    "1.3.132.0.33": 28,
    "1.3.36.3.3.2.8.1.1.7": 32,
    "1.3.36.3.3.2.8.1.1.11": 48,
    "1.3.36.3.3.2.8.1.1.13": 64,
}
_KINDS = ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", EC, "1.3.101.112", "1.3.101.113", "1.2.840.10040.4.1")


def key_of_pem(label: str, body: bytes, passphrase: bytes | None) -> PrivateKey:
    """Return the key of a PEM block, in PKCS#8, PKCS#1, SEC1 or the traditional encrypted form; raises FormError."""
    if b"DEK-Info" not in body:
        return key_of_der(decoded(body, Form.KEY), passphrase)
    if not passphrase:
        raise not_opened(Form.KEY, None)
    lines = [line.strip() for line in body.replace(b"\r", b"\n").split(b"\n")]
    at = next((number for number, line in enumerate(lines) if line.startswith(b"DEK-Info:")), len(lines) - 1)
    cipher, _comma, vector = lines[at].decode("ascii", "replace").partition(":")[2].strip().partition(",")
    sealed = decoded(b"".join(lines[at + 1 :]), Form.KEY)
    return key_of_der(open_traditional(cipher.strip(), vector.strip(), sealed, passphrase), None)


def key_of_der(given: bytes, passphrase: bytes | None) -> PrivateKey:
    """Return the key that the DER begins with; raises FormError."""
    try:
        key = der.first(given)
        if der.first(key.body).tag == der.SEQUENCE:
            return _opened(key.raw, passphrase)
        if (kind := _kind_of(key)) in NAMES:  # whether this version of the library knows it or not
            raise _of_no_use(kind)
        if WRITTEN_OUT not in key.raw:
            try:
                return usable_key(_load(key.raw, None))
            except DAMAGED:
                pass
        return _loaded(_tidy(key), None)
    except DerError as error:
        raise FormError(f"holds a private key that is cut off or damaged: it {error}.", form=Form.KEY) from None


def _kind_of(key: Element) -> str:
    """Return the number of a key's kind in PKCS#8, or of its curve; nothing for what is written otherwise."""
    lists = [part for part in key.children()[1:2] if part.tag == der.SEQUENCE]
    numbers = [der.dotted(one.body) for part in lists for one in part.children() if one.tag == der.OID]
    return numbers[-1] if numbers else ""


def _opened(key: bytes, passphrase: bytes | None) -> PrivateKey:
    """Return the key in an encrypted PKCS#8; raises FormError and DerError."""
    scheme = encrypted_by(key)
    if not passphrase:
        raise not_opened(Form.KEY, None)
    if scheme in OF_LIBRARY:
        refuse_costly(key)
        return _loaded(key, passphrase)
    try:
        opened = open_pkcs8(key, passphrase)
    except FormError:
        raise
    except (ValueError, OverflowError, MemoryError):
        raise FormError("holds a private key that is damaged: it is not encrypted as it says.", form=Form.KEY) from None
    return key_of_der(opened, None)


def _loaded(key: bytes, passphrase: bytes | None) -> PrivateKey:
    try:
        return usable_key(_load(key, passphrase))
    except DAMAGED:
        if passphrase:
            raise not_opened(Form.KEY, passphrase) from None
        raise FormError("holds a private key that is damaged.", form=Form.KEY) from None


def _load(key: bytes, passphrase: bytes | None) -> object:
    # The test of RSA's primes takes 30 ms. That the numbers fit each other is checked below; of other kinds, here.
    return serialization.load_der_private_key(key, passphrase, unsafe_skip_rsa_key_validation=True)


def _tidy(key: Element) -> bytes:
    """Return a key that is not encrypted as the library reads it; raises DerError, and FormError for a kind of no use.

    OpenSSL takes an EC key without the zeros in front, or with one more; newer versions of the library do not. No
    version takes PKCS#8 of version 2, with the public key in it.
    """
    parts = key.children()
    if len(parts) < 3 or parts[0].tag != der.INTEGER:
        return key.raw
    if _has_more_primes(key.raw):
        raise _of_more_primes()
    if parts[1].tag == der.OCTET_STRING:
        return _padded(key, _named_curve([one for one in parts[2:] if one.tag == 0xA0]))
    if parts[1].tag != der.SEQUENCE or parts[2].tag != der.OCTET_STRING:
        return key.raw
    if _has_more_primes(parts[2].body):
        raise _of_more_primes()
    algorithm = parts[1].children()
    kind = der.dotted(algorithm[0].body) if algorithm and algorithm[0].tag == der.OID else ""
    secret = parts[2]
    if kind == EC:
        padded = _padded(der.first(secret.body), _named_curve(algorithm[1:]))
        secret = der.first(der.written(der.OCTET_STRING, padded))
    elif kind not in _KINDS:
        raise _of_no_use(kind)
    first_version = der.written(der.INTEGER, b"\x00")
    kept = [one.raw for one in parts[3:] if one.tag != 0x81]
    return der.written(der.SEQUENCE, first_version, parts[1].raw, secret.raw, *kept)


def _has_more_primes(key: bytes) -> bool:
    """Whether it is an RSA key with a list of further primes behind its numbers (RFC 8017, A.1.2)."""
    try:
        tags = [one.tag for one in der.first(key).children()]
    except DerError:
        return False
    return tags == [der.INTEGER] * 9 + [der.SEQUENCE]


def _of_more_primes() -> FormError:
    reason = "holds a private key of RSA with more than two primes, which the library here does not know."
    return FormError(reason, Kind.UNFIT, Form.KEY)


def _named_curve(parameters: list[Element]) -> str:
    """Return the number of the curve; raises FormError for one that is written out, or that TLS does not know."""
    one = parameters[0] if parameters else None
    if one is not None and one.tag == 0xA0:
        one = der.first(one.body)
    if one is None or one.tag == der.NULL:
        return ""
    if one.tag == der.SEQUENCE:
        reason = "holds a private key on a curve that is written out in numbers instead of named."
        raise FormError(reason, Kind.UNKNOWN, Form.CURVE_IN_NUMBERS)
    number = der.dotted(one.body)
    if number not in _OCTETS:
        raise _of_no_use(number, on_curve=True)
    return number


def _padded(key: Element, curve: str) -> bytes:
    """Return an EC key (RFC 5915) whose number has as many octets as its curve wants."""
    parts = key.children()
    size = _OCTETS.get(curve)
    if size is None or len(parts) < 2 or parts[1].tag != der.OCTET_STRING or len(parts[1].body) == size:
        return key.raw
    number = parts[1].body.lstrip(b"\0").rjust(size, b"\0")
    return der.written(key.tag, parts[0].raw, der.written(der.OCTET_STRING, number), *(one.raw for one in parts[2:]))


def _of_no_use(number: str, *, on_curve: bool = False) -> FormError:
    kind = kind_of_no_use(number, on_curve=on_curve)
    return FormError(f"holds a private key {kind}; TLS clients do not know it.", Kind.UNFIT, Form.KEY)


def usable_key(key: object) -> PrivateKey:
    """Return the key if TLS servers can use its kind, and its numbers fit each other."""
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size > MAXIMUM_RSA_BITS:  # their arithmetic takes seconds
            reason = f"holds a private key of {key.key_size} bits of RSA; OpenSSL takes {MAXIMUM_RSA_BITS} at most."
            raise FormError(reason, Kind.UNFIT, Form.KEY)
        numbers = key.private_numbers()
        p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
        fits = p > 1 and q > 1 and p * q == public.n and d * public.e % (p - 1) == 1 == d * public.e % (q - 1)
        if not (fits and numbers.dmp1 == d % (p - 1) and numbers.dmq1 == d % (q - 1) and numbers.iqmp * q % p == 1):
            raise FormError("holds a private key that is damaged: its numbers do not fit each other.", form=Form.KEY)
        return key
    if isinstance(
        key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey, dsa.DSAPrivateKey)
    ):
        return key
    raise FormError("holds a private key of a kind that no TLS server uses.", Kind.UNFIT, Form.KEY)
