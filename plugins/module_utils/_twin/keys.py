# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Keys that take the place of others, are known to nobody, and are thrown away.

They are made and used in whole numbers, by the standard library alone, since a host has nothing else. Their kind and
strength are those of the key whose place they take, as far as OpenSSL looks at them. They guard nothing: what they sign
is trusted in memory, for the moment of one handshake, and whoever lets it be trusted where others come by, has to know
that they could find the keys out. So an RSA key is made of small primes, which are found in milliseconds, where the two
large ones of an honest key take a tenth of a second and more; and the number of an EC key is a short one.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

from ansible_collections.mtls.httpd.plugins.module_utils._twin import curves, der

RSA_BITS = 2048  # of a twin, at most: OpenSSL's security level 2 asks for no more
# Of a longer key, OpenSSL takes no exponent of more bits (rsa_local.h): such a key's twin is of that kind, too.
LARGE_RSA_BITS, EXPONENT_BITS = 3072, 64
_LEAST_RSA_BITS = 512
_PRIME_BITS = 64
_EXPONENT = 65537
_SIEVE = math.prod(
    number for number in range(3, 300, 2) if all(number % odd for odd in range(3, 18, 2) if odd < number)
)

_RSA, _RSA_PSS, _EC = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"
# Kinds of one strength, which leave nothing to look at: RFC 8410's. A key on P-256 stands for them.
_OF_ONE_STRENGTH = ("1.3.101.112", "1.3.101.113")
_P256 = der.sequence(der.oid(_EC), der.oid("1.2.840.10045.3.1.7"))
_SHA3 = ("sha3_224", "sha3_256", "sha3_384", "sha3_512")
_HASHES = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    **{f"2.16.840.1.101.3.4.2.{number}": name for number, name in zip((7, 8, 9, 10), _SHA3)},
}
_NUMBERS = {name: number for number, name in _HASHES.items()}
_WITH_RSA = {
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.14": "sha224",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    **{f"2.16.840.1.101.3.4.3.{number}": name for number, name in zip((13, 14, 15, 16), _SHA3)},
}
_WITH_EC = {
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    **{f"2.16.840.1.101.3.4.3.{number}": name for number, name in zip((9, 10, 11, 12), _SHA3)},
}
_SHA256 = der.sequence(der.oid(_NUMBERS["sha256"]), der.NOTHING)
_PSS_WITH_SHA256 = der.sequence(
    der.element(0xA0, _SHA256),
    der.element(0xA1, der.sequence(der.oid("1.2.840.113549.1.1.8"), _SHA256)),  # MGF1
    der.element(0xA2, der.integer(32)),
)


class Key(ABC):
    """A key that takes another's place, with that one's algorithm identifier (DER), parameters and all."""

    def __init__(self, algorithm: bytes) -> None:
        self.algorithm = algorithm

    @property
    def public(self) -> bytes:
        """Its SubjectPublicKeyInfo (DER)."""
        return der.sequence(self.algorithm, der.bits(self._public()))

    @property
    def private(self) -> bytes:
        """It as PEM of PKCS#8, not encrypted."""
        inner = der.element(der.OCTET_STRING, self._private())
        return der.pem("PRIVATE KEY", der.sequence(der.integer(0), self.algorithm, inner))

    @property
    def own(self) -> bytes:
        """The signature algorithm (DER) that it signs by where it may choose, with SHA-256 where it has the choice."""
        return signature_algorithm_of(self.algorithm)

    @abstractmethod
    def fitting(self, algorithm: bytes) -> bytes:
        """Return the signature algorithm (DER) that takes the place of one: itself, but for a kind that it stands for.

        Raises ValueError for one by which it cannot sign.
        """

    @abstractmethod
    def sign(self, data: bytes, algorithm: bytes) -> bytes:
        """Return its signature by an algorithm that is fitting."""

    @abstractmethod
    def _public(self) -> bytes:
        """Its content of subjectPublicKey, as its kind has it (RFC 3279, 2.3)."""

    @abstractmethod
    def _private(self) -> bytes:
        """Its content of PKCS#8's privateKey, as its kind has it (RFC 5958, 2)."""


class RsaKey(Key):
    """A key for RSA, of any number of bits, or for RSASSA-PSS where its algorithm identifier says so."""

    def __init__(self, algorithm: bytes, numbers: RsaNumbers) -> None:
        super().__init__(algorithm)
        self._numbers = numbers
        self._pss = der.oid_text(der.children(algorithm)[0]) == _RSA_PSS

    def fitting(self, algorithm: bytes) -> bytes:
        """Return the signature algorithm; raises ValueError for one by which it cannot sign."""
        identifier, *parameters = der.children(algorithm)
        kind = der.oid_text(identifier)
        if kind == _RSA_PSS and parameters:
            return self._with_less_salt(algorithm)
        if kind in _WITH_RSA and not self._pss:
            return algorithm
        raise ValueError(f"a signature of the kind {kind}")

    def sign(self, data: bytes, algorithm: bytes) -> bytes:
        """Return its signature by an algorithm that is fitting (RFC 8017, 8.1 and 8.2)."""
        identifier, *parameters = der.children(algorithm)
        kind = der.oid_text(identifier)
        bits = self._numbers.modulus.bit_length()
        if kind == _RSA_PSS:
            encoded = _encoded_for_pss(data, bits - 1, parameters[0])
        else:
            encoded = _encoded_for_pkcs1(data, (bits + 7) // 8, _WITH_RSA[kind])
        signature = self._numbers.power(int.from_bytes(encoded, "big"))
        return signature.to_bytes((bits + 7) // 8, "big")

    def _with_less_salt(self, algorithm: bytes) -> bytes:
        """Return an algorithm of RSASSA-PSS with no more salt than there is room for.

        The key whose place this one takes may be longer, and `openssl` salts with all that there is room for. How much
        salt there is, OpenSSL minds only where the key itself says how much is the least. Raises ValueError there.
        """
        identifier, parameters = der.children(algorithm)
        scheme = _Pss.of(parameters)
        room = (self._numbers.modulus.bit_length() + 6) // 8 - len(_digest(scheme.digest, b"")) - 2
        if scheme.salt <= room:
            return algorithm
        least = [_Pss.of(one).salt for one in der.children(self.algorithm)[1:]] if self._pss else []
        if room < max([0, *least]):
            raise ValueError(f"a signature with {scheme.salt} octets of salt")
        others = [one for one in der.children(parameters) if one[0] < 0xA2]
        return der.sequence(identifier, der.sequence(*others, der.element(0xA2, der.integer(room))))

    def _public(self) -> bytes:
        return der.sequence(der.integer(self._numbers.modulus), der.integer(self._numbers.exponent))

    def _private(self) -> bytes:
        return self._numbers.pkcs1()


@dataclass(frozen=True)
class RsaNumbers:
    """A modulus of many primes."""

    primes: tuple[int, ...] = field(repr=False)
    modulus: int
    exponent: int = _EXPONENT

    @classmethod
    def make(cls, bits: int, exponent: int = _EXPONENT) -> RsaNumbers:
        """Return numbers of which the modulus has exactly so many bits."""
        number = bits // _PRIME_BITS
        while True:
            primes = [_prime(1 << bits // number - 1, 1 << bits // number, exponent) for _time in range(number - 1)]
            others = math.prod(primes)
            primes.append(_prime((1 << bits - 1) // others + 1, (1 << bits) // others, exponent))
            if len(set(primes)) == number:
                return cls(tuple(primes), math.prod(primes), exponent)

    def power(self, base: int) -> int:
        """Return the base to the private exponent: for each prime alone, and then put together."""
        total = 0
        for prime in self.primes:
            rest = self.modulus // prime
            part = pow(base % prime, pow(self.exponent, -1, prime - 1), prime)
            total += part * pow(rest, -1, prime) * rest
        return total % self.modulus

    def pkcs1(self) -> bytes:
        """Return an RSAPrivateKey (DER; RFC 8017, A.1.2) with two factors, each of many primes.

        OpenSSL takes the two for primes, and its results are right, as the exponents are for what they are.
        """
        halves = self.primes[::2], self.primes[1::2]
        p, q = map(math.prod, halves)
        exponents = [pow(self.exponent, -1, math.lcm(*(prime - 1 for prime in half))) for half in halves]
        whole = pow(self.exponent, -1, math.lcm(*(prime - 1 for prime in self.primes)))
        numbers = (0, self.modulus, self.exponent, whole, p, q, *exponents, pow(q, -1, p))
        return der.sequence(*map(der.integer, numbers))


class EcKey(Key):
    """A key for ECDSA, on the curve of its algorithm identifier."""

    def __init__(self, algorithm: bytes, curve: curves.Curve) -> None:
        super().__init__(algorithm)
        self._curve = curve
        self._number = curves.small_number()
        self._point = b"\x04" + b"".join(one.to_bytes(curve.size, "big") for one in curve.multiplied(self._number))

    def fitting(self, algorithm: bytes) -> bytes:
        """Return the signature algorithm, or its own for a kind that it stands for; raises ValueError for others."""
        kind = der.oid_text(der.children(algorithm)[0])
        if kind in _OF_ONE_STRENGTH:
            return self.own
        if kind in _WITH_EC:
            return algorithm
        raise ValueError(f"a signature of the kind {kind}")

    def sign(self, data: bytes, algorithm: bytes) -> bytes:
        """Return its signature by an algorithm that is fitting."""
        digest = _digest(_WITH_EC[der.oid_text(der.children(algorithm)[0])], data)
        return curves.sign(self._curve, self._number, digest)

    def _public(self) -> bytes:
        return self._point

    def _private(self) -> bytes:
        number = self._number.to_bytes((self._curve.order.bit_length() + 7) // 8, "big")
        return der.sequence(
            der.integer(1), der.element(der.OCTET_STRING, number), der.element(0xA1, der.bits(self._point))
        )


class KeyRing:
    """Throwaway keys, made when they are first wanted, and lent again to the next set of certificates."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, int], RsaNumbers | EcKey] = {}

    def lend(self, public: bytes, number: int) -> Key:
        """Return a key that can take the place of that in a SubjectPublicKeyInfo (DER).

        The same one for the same number and a key of the same kind and size. Raises ValueError for a kind of key that
        none here can take the place of.
        """
        algorithm, key = der.children(public)
        identifier, *parameters = der.children(algorithm)
        kind = der.oid_text(identifier)
        if kind in _OF_ONE_STRENGTH:
            return self._on_curve(_P256, number)
        if kind == _EC and parameters:
            return self._on_curve(algorithm, number)
        if kind not in (_RSA, _RSA_PSS):
            raise ValueError(f"a key of the kind {kind}")
        bits = _modulus(key).bit_length()
        if bits < _LEAST_RSA_BITS:
            raise ValueError(f"an RSA key of {bits} bits")
        exponent = _exponent(key)
        if bits > LARGE_RSA_BITS and exponent.bit_length() > EXPONENT_BITS:
            bits = LARGE_RSA_BITS + _PRIME_BITS
            if not exponent & 1:
                raise ValueError("an RSA key with an even exponent")
        else:
            bits, exponent = min(bits, RSA_BITS), _EXPONENT
        found = self._made.get(((bits, exponent), number))
        if not isinstance(found, RsaNumbers):
            found = self._made[(bits, exponent), number] = RsaNumbers.make(bits, exponent)
        return RsaKey(algorithm, found)

    def _on_curve(self, algorithm: bytes, number: int) -> EcKey:
        found = self._made.get((algorithm, number))
        if not isinstance(found, EcKey):
            found = EcKey(algorithm, curves.curve_of(der.children(algorithm)[1]))
            self._made[algorithm, number] = found
        return found

    @property
    def plain(self) -> EcKey:
        """A key on P-256, for what takes nobody's place."""
        return self._on_curve(_P256, -1)


def rsa_bits(public: bytes) -> int:
    """Return how many bits a key of RSA has (SubjectPublicKeyInfo); 0 for one of another kind, or of none."""
    try:
        algorithm, key = der.children(public)
        return _modulus(key).bit_length() if der.oid_text(der.children(algorithm)[0]) in (_RSA, _RSA_PSS) else 0
    except (ValueError, IndexError):
        return 0


def digest_of(algorithm: bytes) -> str:
    """Return the name of the digest by which a signature algorithm (DER) signs; empty where it is not known."""
    try:
        identifier, *parameters = der.children(algorithm)
        kind = der.oid_text(identifier)
        if kind == _RSA_PSS and parameters:
            named = [der.children(der.children(one)[0])[0] for one in der.children(parameters[0]) if one[0] == 0xA0]
            return _HASHES.get(der.oid_text(named[0]), "") if named else "sha1"
    except (ValueError, IndexError):
        return ""
    return _WITH_RSA.get(kind) or _WITH_EC.get(kind) or ""


def is_of_another_kind(public: bytes, algorithm: bytes) -> bool:
    """Return whether a key (SubjectPublicKeyInfo) signs by no such algorithm (DER); false for kinds not known here."""
    try:
        kind = der.oid_text(der.children(der.children(public)[0])[0])
        sort = der.oid_text(der.children(algorithm)[0])
    except (ValueError, IndexError):
        return False
    if sort in _WITH_RSA:
        return kind != _RSA
    if sort in _WITH_EC:
        return kind != _EC
    if sort == _RSA_PSS:
        return kind not in (_RSA, _RSA_PSS)
    return sort in _OF_ONE_STRENGTH and kind != sort


def _modulus(key: bytes) -> int:
    return der.number(der.children(der.content(key)[1:])[0])


def _exponent(key: bytes) -> int:
    return der.number(der.children(der.content(key)[1:])[1])


def signature_algorithm_of(algorithm: bytes) -> bytes:
    """Return by what a key of an algorithm (both DER) signs, with SHA-256 where it has the choice.

    A kind of key that is not known here is taken for one of those that sign in one way alone, as Ed25519 does: such
    have one number for both (RFC 8410, 3).
    """
    identifier, *parameters = der.children(algorithm)
    kind = der.oid_text(identifier)
    if kind == _RSA:
        return der.sequence(der.oid("1.2.840.113549.1.1.11"), der.NOTHING)
    if kind == _RSA_PSS:
        return der.sequence(identifier, *(parameters or [_PSS_WITH_SHA256]))
    return der.sequence(der.oid("1.2.840.10045.4.3.2")) if kind == _EC else algorithm


def _prime(least: int, end: int, exponent: int) -> int:
    """Return a probable prime of a range, to whose group order the public exponent is prime."""
    number = least + secrets.randbelow(end - least) | 1
    while math.gcd(number, _SIEVE) != 1 or math.gcd(number - 1, exponent) != 1 or pow(2, number - 1, number) != 1:
        number += 2
    return number if number < end else _prime(least, end, exponent)


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


def _encoded_for_pkcs1(data: bytes, size: int, name: str) -> bytes:
    """Return the data's digest with its padding (RFC 8017, 9.2)."""
    identifier = der.sequence(der.oid(_NUMBERS[name]), der.NOTHING)
    info = der.sequence(identifier, der.element(der.OCTET_STRING, _digest(name, data)))
    return b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info


@dataclass(frozen=True)
class _Pss:
    """What the parameters of RSASSA-PSS say (RFC 8017, A.2.3): two digests, and how many octets of salt."""

    digest: str = "sha1"
    mask: str = "sha1"
    salt: int = 20

    @classmethod
    def of(cls, parameters: bytes) -> _Pss:
        """Return what they say (DER); raises ValueError for what is not known here."""
        found = cls()
        try:
            for part in der.children(parameters):
                value = der.children(part)[0]
                if part[0] == 0xA0:
                    found = replace(found, digest=_HASHES[der.oid_text(der.children(value)[0])])
                elif part[0] == 0xA1:
                    found = replace(found, mask=_HASHES[der.oid_text(der.children(der.children(value)[1])[0])])
                elif part[0] == 0xA2:
                    found = replace(found, salt=der.number(value))
        except LookupError:
            raise ValueError("a signature of RSASSA-PSS of another kind") from None
        return found


def _encoded_for_pss(data: bytes, bits: int, parameters: bytes) -> bytes:
    """Return the data's digest with its padding, as the parameters want it (RFC 8017, 9.1.1)."""
    scheme = _Pss.of(parameters)
    size = (bits + 7) // 8
    salt = secrets.token_bytes(scheme.salt)
    digest = _digest(scheme.digest, b"\0" * 8 + _digest(scheme.digest, data) + salt)
    block = b"\0" * (size - len(salt) - len(digest) - 2) + b"\1" + salt
    masked = bytearray(one ^ other for one, other in zip(block, _mask(digest, len(block), scheme.mask)))
    masked[0] &= 0xFF >> 8 * size - bits
    return bytes(masked) + digest + b"\xbc"


def _mask(seed: bytes, size: int, name: str) -> bytes:
    """Return the mask of the seed (MGF1; RFC 8017, B.2.1)."""
    found = b""
    while len(found) < size:
        found += _digest(name, seed + (len(found) // len(_digest(name, b""))).to_bytes(4, "big"))
    return found[:size]
