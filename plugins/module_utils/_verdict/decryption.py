# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private keys that are encrypted: PKCS#8 (RFC 5958, 8018) and OpenSSL's traditional form.

Decrypted here and not by the library's reader of keys, because that says of a cipher, a derivation or an encoding that
it does not know what it says of a wrong passphrase, and each version of it knows others.
"""

from __future__ import annotations

import binascii
import hashlib
import math
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError, Element
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Form, FormError, Kind
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

MAXIMUM_ITERATIONS = 2_000_000  # of a key derivation; OWASP's advice of 2023 is 600,000
MAXIMUM_SCRYPT = 2**20  # N * r * p: 128 MiB; OpenSSL writes 2**17

_PBES2, _PBKDF2, _SCRYPT = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11"
_DIGESTS = {  # of PBKDF2 (RFC 8018, B.1); the first one is meant where none is said
    f"1.2.840.113549.2.{number}": name
    for number, name in ((7, "sha1"), (8, "sha224"), (9, "sha256"), (10, "sha384"), (11, "sha512"))
}
_OLD = {"1.2.840.113549.1.5.3": "md5", "1.2.840.113549.1.5.10": "sha1"}  # PBES1 with DES, and its digest
OF_LIBRARY = ("1.2.840.113549.1.12.1.3", "1.2.840.113549.1.12.1.6")  # that each version of it opens: 3DES, RC2-40

# Number or name of a cipher: its name, the length of its key, and what it is in cryptography.
_CIPHERS: dict[str, tuple[int, Callable[[bytes], BlockCipherAlgorithm]]] = {}
if HAS_CRYPTOGRAPHY:

    def _des(key: bytes) -> BlockCipherAlgorithm:
        return TripleDES(key * 3)

    _CIPHERS = {
        "2.16.840.1.101.3.4.1.2": (16, algorithms.AES),
        "2.16.840.1.101.3.4.1.22": (24, algorithms.AES),
        "2.16.840.1.101.3.4.1.42": (32, algorithms.AES),
        "1.2.840.113549.3.7": (24, TripleDES),
        "1.3.14.3.2.7": (8, _des),
        "AES-128-CBC": (16, algorithms.AES),
        "AES-192-CBC": (24, algorithms.AES),
        "AES-256-CBC": (32, algorithms.AES),
        "DES-EDE3-CBC": (24, TripleDES),
        "DES-CBC": (8, _des),
    }

# How messages call what is not known here.
_NAMES = {
    "1.2.410.200046.1.1.2": "ARIA-128-CBC",
    "1.2.410.200046.1.1.7": "ARIA-192-CBC",
    "1.2.410.200046.1.1.12": "ARIA-256-CBC",
    "1.2.392.200011.61.1.1.1.2": "CAMELLIA-128-CBC",
    "1.2.392.200011.61.1.1.1.3": "CAMELLIA-192-CBC",
    "1.2.392.200011.61.1.1.1.4": "CAMELLIA-256-CBC",
    "1.2.156.10197.1.104.2": "SM4-CBC",
    "1.2.840.113549.3.2": "RC2",
    "1.2.840.113549.1.12.1.1": "RC4 of 128 bits",
    "1.2.840.113549.1.12.1.2": "RC4 of 40 bits",
    "1.2.840.113549.1.12.1.5": "RC2 of 128 bits",
}
_OLD_CIPHERS = ("RC2", "RC4", "IDEA", "BF", "CAST5", "SEED")  # of OpenSSL's provider `legacy`


def not_opened(what: Form, passphrase: bytes | None) -> FormError:
    """Return the fault of something that is encrypted, and that no passphrase, or not the given one, opens."""
    if passphrase:
        reason = f"holds a {what.value} that the given passphrase does not open."
    else:
        reason = f"holds a {what.value} that is encrypted, and no passphrase is given."
    return FormError(reason, Kind.LOCKED, what)


def unknown_cipher(what: Form, by: str) -> FormError:
    """Return the fault of something that is encrypted in a way that is not known here."""
    called = _NAMES.get(by, by)
    reason = f"holds a {what.value} that is encrypted by what the library here does not know ({called})."
    is_old = what is Form.KEY and called.startswith(_OLD_CIPHERS)
    return FormError(reason, Kind.UNKNOWN, Form.OLD_CIPHER if is_old else what)


def costly() -> FormError:
    """Return the fault of a key derivation that would take long: a hostile one hangs whoever tries the passphrase."""
    return FormError("asks for a key derivation of excessive cost.")


def encrypted_by(key: bytes) -> str:
    """Return the number of the scheme that a PKCS#8 key is encrypted by; raises DerError."""
    return _number(_part(_part(der.first(key).children(), 0).children(), 0))


def open_pkcs8(key: bytes, passphrase: bytes) -> bytes:
    """Return the key in an encrypted PKCS#8, of a scheme that is none of the library's; raises FormError, DerError."""
    scheme, sealed = der.first(key).children()[:2]
    number, parameters = _algorithm(scheme)
    if number in _OLD:
        salt, rounds = parameters.children()[:2]
        return _opened_old(_OLD[number], passphrase, salt.body, _cost(rounds), sealed.body)
    if number != _PBES2:
        raise unknown_cipher(Form.KEY, number)
    derivation, encryption = parameters.children()[:2]
    cipher, vector = _algorithm(encryption)
    if cipher not in _CIPHERS:
        raise unknown_cipher(Form.KEY, cipher)
    return _opened(cipher, _derived(derivation, passphrase, _CIPHERS[cipher][0]), vector.body, sealed.body)


def open_traditional(cipher: str, vector: str, sealed: bytes, passphrase: bytes) -> bytes:
    """Return the key of a PEM block with the headers of OpenSSL's traditional form (`DEK-Info`); raises FormError."""
    if cipher not in _CIPHERS:
        raise unknown_cipher(Form.KEY, "".join(c for c in cipher if c.isalnum() or c == "-")[:30])
    try:
        start = binascii.unhexlify(vector)
    except (binascii.Error, ValueError):
        raise FormError("holds a private key that is damaged: its line 'DEK-Info' is none.", form=Form.KEY) from None
    # OpenSSL's EVP_BytesToKey, by MD5 and once: as this form has always been.
    key, last = b"", b""
    while len(key) < _CIPHERS[cipher][0]:
        last = hashlib.md5(last + passphrase + start[:8], usedforsecurity=False).digest()
        key += last
    return _opened(cipher, key[: _CIPHERS[cipher][0]], start, sealed)


def _derived(derivation: Element, passphrase: bytes, length: int) -> bytes:
    """Return the key that the passphrase gives, by PBKDF2 or scrypt (RFC 8018, 5.2; RFC 7914, 7)."""
    number, parameters = _algorithm(derivation)
    parts = parameters.children()
    salt, costs = _part(parts, 0).body, [_cost(one) for one in parts[1:] if one.tag == der.INTEGER]
    if number == _SCRYPT and len(costs) >= 3:
        if math.prod(costs[:3]) > MAXIMUM_SCRYPT:
            raise costly()
        n, r, p = costs[:3]
        return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=256 * MAXIMUM_SCRYPT, dklen=length)
    if number != _PBKDF2 or not costs:
        raise unknown_cipher(Form.KEY, number)
    if costs[0] > MAXIMUM_ITERATIONS:
        raise costly()
    # The digest may be said also where it is the one that is meant without a word; Java does so.
    said = [_number(_part(one.children(), 0)) for one in parts[1:] if one.tag == der.SEQUENCE]
    digest = _DIGESTS.get(said[0]) if said else "sha1"
    if digest is None:
        raise unknown_cipher(Form.KEY, said[0])
    return hashlib.pbkdf2_hmac(digest, passphrase, salt, costs[0], length)


def _opened_old(digest: str, passphrase: bytes, salt: bytes, rounds: int, sealed: bytes) -> bytes:
    """Return what PBES1 with DES sealed (RFC 8018, 5.1 and 6.1)."""
    if rounds > MAXIMUM_ITERATIONS:
        raise costly()
    key = passphrase + salt
    for _round in range(rounds):
        key = hashlib.new(digest, key, usedforsecurity=False).digest()
    return _opened("DES-CBC", key[:8], key[8:16], sealed)


def _opened(cipher: str, key: bytes, vector: bytes, sealed: bytes) -> bytes:
    """Return what the cipher sealed; raises FormError where the padding, or what is there, tells of a wrong key."""
    algorithm = _CIPHERS[cipher][1](key)
    try:
        decryptor = Cipher(algorithm, modes.CBC(vector)).decryptor()
        unpadder = padding.PKCS7(algorithm.block_size).unpadder()
        padded = decryptor.update(sealed) + decryptor.finalize()
    except DAMAGED:
        raise FormError("holds a private key that is damaged: it is not encrypted as it says.", form=Form.KEY) from None
    try:
        key = unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise not_opened(Form.KEY, passphrase=b"given") from None
    if not der.is_whole(key) or key[0] != der.SEQUENCE:
        raise not_opened(Form.KEY, passphrase=b"given")
    return key


def _algorithm(part: Element) -> tuple[str, Element]:
    """Return the number of an algorithm, and its parameters; raises DerError."""
    parts = part.children()
    return _number(_part(parts, 0)), _part(parts, 1)


def _number(part: Element) -> str:
    if part.tag != der.OID:
        raise DerError("has no number where one belongs")
    return der.dotted(part.body)


def _cost(part: Element) -> int:
    return int.from_bytes(part.body[:16], "big")


def _part(parts: list[Element], index: int) -> Element:
    if index >= len(parts):
        raise DerError("lacks a part")
    return parts[index]
