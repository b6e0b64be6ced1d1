# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Elliptic curves in whole numbers: as much of them as it takes to sign with a key that is thrown away."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

# In Jacobian coordinates: x is x/z², y is y/z³; z is 0 for the point at infinity.
Point = tuple[int, int, int]


@dataclass(frozen=True)
class Curve:
    """A curve y² = x³ + ax + b over a prime field: its prime, a, and the order and coordinates of its base point."""

    prime: int
    a: int
    order: int
    x: int
    y: int

    @property
    def size(self) -> int:
        """How many octets a coordinate has."""
        return (self.prime.bit_length() + 7) // 8

    def multiplied(self, factor: int) -> tuple[int, int]:
        """Return the base point taken so many times, in its own two coordinates; the factor is 1 to the order less 1.

        The time it takes tells of the factor, which is of no account with a key that is thrown away.
        """
        total: Point = (1, 1, 0)
        base: Point = (self.x, self.y, 1)
        for bit in f"{factor:b}":
            total = self._doubled(total)
            if bit == "1":
                total = self._added(total, base)
        x, y, z = total
        inverse = pow(z, -1, self.prime)
        return x * inverse**2 % self.prime, y * inverse**3 % self.prime

    def _doubled(self, point: Point) -> Point:
        x, y, z = point
        prime = self.prime
        square = y * y % prime
        s = 4 * x * square % prime
        m = (3 * x * x + self.a * pow(z, 4, prime)) % prime
        x2 = (m * m - 2 * s) % prime
        return x2, (m * (s - x2) - 8 * square * square) % prime, 2 * y * z % prime

    def _added(self, one: Point, other: Point) -> Point:
        if not one[2]:
            return other
        x1, y1, z1 = one
        x2, y2, _z2 = other  # always the base point, so its z is 1
        prime = self.prime
        z1z1 = z1 * z1 % prime
        h = (x2 * z1z1 - x1) % prime
        r = (y2 * z1 * z1z1 - y1) % prime
        if not h:
            return self._doubled(one) if not r else (1, 1, 0)
        hh = h * h % prime
        hhh, v = h * hh % prime, x1 * hh % prime
        x3 = (r * r - hhh - 2 * v) % prime
        return x3, (r * (v - x3) - y1 * hhh) % prime, z1 * h % prime


def small_number() -> int:
    """Return a number that takes a quarter of the time of one as long as the order, for a key that guards nothing."""
    return secrets.randbits(64) | 1 << 63


def sign(curve: Curve, private: int, digest: bytes) -> bytes:
    """Return the ECDSA signature (DER) of a digest (FIPS 186-4, 6.4)."""
    number = int.from_bytes(digest, "big") >> max(0, len(digest) * 8 - curve.order.bit_length())
    while True:
        nonce = small_number()
        r = curve.multiplied(nonce)[0] % curve.order
        s = pow(nonce, -1, curve.order) * (number + r * private) % curve.order
        if r and s:
            return der.sequence(der.integer(r), der.integer(s))


def curve_of(parameters: bytes) -> Curve:
    """Return the curve of the parameters (DER) in an algorithm identifier: named, or spelled out (RFC 3279, 2.3.5).

    Raises ValueError for a curve that is not known, or not over a prime field.
    """
    if parameters[:1] == bytes([der.OID]):
        known = _NAMED.get(der.oid_text(parameters))
        if known is None:
            raise ValueError("a curve that is not known here")
        return Curve(*(int(number, 16) for number in known))
    _version, field, coefficients, base, order, *_rest = der.children(parameters)
    prime = der.children(field)[1]
    point = der.content(base)
    size = (len(point) - 1) // 2
    if point[:1] != b"\x04":
        raise ValueError("a curve whose base point is compressed")
    return Curve(
        prime=der.number(prime),
        a=int.from_bytes(der.content(der.children(coefficients)[0]), "big"),
        order=der.number(order),
        x=int.from_bytes(point[1 : 1 + size], "big"),
        y=int.from_bytes(point[1 + size :], "big"),
    )


# By object identifier: prime, a, order, and the base point's x and y (FIPS 186-4, SEC 2, RFC 5639).
_NAMED: dict[str, tuple[str, str, str, str, str]] = {
    "1.2.840.10045.3.1.1": (  # P-192
        "fffffffffffffffffffffffffffffffeffffffffffffffff",
        "fffffffffffffffffffffffffffffffefffffffffffffffc",
        "ffffffffffffffffffffffff99def836146bc9b1b4d22831",
        "188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
        "07192b95ffc8da78631011ed6b24cdd573f977a11e794811",
    ),
    "1.3.132.0.33": (  # P-224
        "ffffffffffffffffffffffffffffffff000000000000000000000001",
        "fffffffffffffffffffffffffffffffefffffffffffffffffffffffe",
        "ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d",
        "b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21",
        "bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34",
    ),
    "1.2.840.10045.3.1.7": (  # P-256
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    ),
    "1.3.132.0.34": (  # P-384
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
        "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    ),
    "1.3.132.0.35": (  # P-521
        (
            "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
            "ffffffffffffffffffffffffffffffff"
        ),
        (
            "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
            "fffffffffffffffffffffffffffffffc"
        ),
        (
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d0"
            "3bb5c9b8899c47aebb6fb71e91386409"
        ),
        (
            "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de"
            "3348b3c1856a429bf97e7e31c2e5bd66"
        ),
        (
            "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761"
            "353c7086a272c24088be94769fd16650"
        ),
    ),
    "1.3.132.0.10": (  # secp256k1
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    ),
    "1.3.36.3.3.2.8.1.1.5": (  # brainpoolP224r1
        "d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ff",
        "68a5e62ca9ce6c1c299803a6c1530b514e182ad8b0042a59cad29f43",
        "d7c134aa264366862a18302575d0fb98d116bc4b6ddebca3a5a7939f",
        "0d9029ad2c7e5cf4340823b2a87dc68c9e4ce3174c1e6efdee12c07d",
        "58aa56f772c0726f24c6b89e4ecdac24354b9e99caa3f6d3761402cd",
    ),
    "1.3.36.3.3.2.8.1.1.7": (  # brainpoolP256r1
        "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
        "7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
        "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
        "8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262",
        "547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997",
    ),
    "1.3.36.3.3.2.8.1.1.9": (  # brainpoolP320r1
        "d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e27",
        "3ee30b568fbab0f883ccebd46d3f3bb8a2a73513f5eb79da66190eb085ffa9f492f375a97d860eb4",
        "d35e472036bc4fb7e13c785ed201e065f98fcfa5b68f12a32d482ec7ee8658e98691555b44c59311",
        "43bd7e9afb53d8b85289bcc48ee5bfe6f20137d10a087eb6e7871e2a10a599c710af8d0d39e20611",
        "14fdd05545ec1cc8ab4093247f77275e0743ffed117182eaa9c77877aaac6ac7d35245d1692e8ee1",
    ),
    "1.3.36.3.3.2.8.1.1.11": (  # brainpoolP384r1
        "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
        "7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
        "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
        "1d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e",
        "8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864e19c054ff99129280e4646217791811142820341263c5315",
    ),
    "1.3.36.3.3.2.8.1.1.13": (  # brainpoolP512r1
        (
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881"
            "ff2f2d82c68528aa6056583a48f3"
        ),
        (
            "7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f11"
            "17a72bf2c7b9e7c1ac4d77fc94ca"
        ),
        (
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1"
            "d381085ddaddb58796829ca90069"
        ),
        (
            "81aee4bdd82ed9645a21322e9c4c6a9385ed9f70b5d916c1b43b62eef4d0098eff3b1f78e2d0d48d50d1687b93b97d5f7c6d"
            "5047406a5e688b352209bcb9f822"
        ),
        (
            "7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111b2dcde494a5f485e5bca4bd88a2763aed1ca"
            "2b2fa8f0540678cd1e0f3ad80892"
        ),
    ),
}
