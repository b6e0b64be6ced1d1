# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates, CRLs and keys as no library writes them: sound ones, taken apart, changed and signed anew.

`odd_certificates` breaks rules; this breaks the encoding. `openssl` is the judge of what is read all the same.
"""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Parts = list[bytes]
    Change = Callable[[Parts], Parts]

_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x14, 0x17, 0x18, 0x1E, 0x30, 0x31, 0x80, 0xA0, 0xA3)
TRUE, FALSE, TRUE_AS_ONE = b"\x01\x01\xff", b"\x01\x01\x00", b"\x01\x01\x01"
RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
RSA_SHA256_BARE = bytes.fromhex("300b06092a864886f70d01010b")
RSA_SHA1 = bytes.fromhex("300d06092a864886f70d0101050500")
RSA_PSS_BARE = bytes.fromhex("300b06092a864886f70d01010a")
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_SHA1 = bytes.fromhex("300906072a8648ce3d0401")


def element(tag: int, *parts: bytes) -> bytes:
    """Return one element of DER."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of these."""
    return element(0x30, *parts)


def apart(whole: bytes) -> Parts:
    """Return the elements in an element."""
    start, end = _inside(whole, 0)
    parts = []
    while start < end:
        _from, to = _inside(whole, start)
        parts.append(whole[start:to])
        start = to
    return parts


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at an offset begins, and where it ends."""
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        start += length - 0x80
        length = int.from_bytes(data[at + 2 : start], "big")
    return start, start + length


def changed(given: Any, signer: Any, change: Change, algorithm: bytes = b"") -> bytes:
    """Return a certificate's or CRL's DER with other parts of what is signed, signed again.

    With an algorithm, by that; else by the one that it names.
    """
    signed, named, _signature = apart(given.public_bytes(Encoding.DER))
    parts = apart(signed)
    if algorithm:
        parts = [algorithm if part == named else part for part in parts]
    told = sequence(*change(parts))
    return sequence(told, algorithm or named, element(0x03, b"\0", signature(told, signer, algorithm or named)))


def signature(told: bytes, signer: Any, algorithm: bytes) -> bytes:
    """Return what the key makes of it, by SHA-1 where the algorithm says so."""
    digest = hashes.SHA1() if algorithm in (RSA_SHA1, ECDSA_SHA1) else hashes.SHA256()
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(told, padding.PKCS1v15(), digest)
    if isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return signer.sign(told)
    return bytes(signer.sign(told, ec.ECDSA(digest)))


def kept(parts: Parts) -> Parts:
    """Change nothing: what is wanted is the signature alone."""
    return parts


def versioned(number: int) -> Change:
    """Say another version, counted from 0."""
    return lambda parts: [element(0xA0, element(0x02, bytes([number]))), *parts[1:]]


def numbered(serial: int) -> Change:
    """Give it another serial number, also a negative one."""
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return lambda parts: [parts[0], element(0x02, octets), *parts[2:]]


def begun(time: bytes) -> Change:
    """Let it begin at a time that is written so."""
    return lambda parts: [*parts[:4], sequence(time, apart(parts[4])[1]), *parts[5:]]


def of_issuer(name: bytes) -> Change:
    """Let it name its issuer so."""
    return lambda parts: [*parts[:3], name, *parts[4:]]


def of_subject(name: bytes, *, root: bool = False) -> Change:
    """Let it be named so; a root names its issuer so too."""
    return lambda parts: [*parts[:3], name if root else parts[3], parts[4], name, *parts[6:]]


def with_key(public: bytes) -> Change:
    """Let it be for another key, given as SubjectPublicKeyInfo."""
    return lambda parts: [*parts[:6], public, *parts[7:]]


def without_extensions(parts: Parts) -> Parts:
    """Leave the extensions out."""
    return [part for part in parts if part[0] != 0xA3]


def with_extension(number: str, value: bytes, critical: bytes = b"") -> Change:
    """Put an extension in, in the place of the one of its number if there is one. `critical` is written as it is."""
    kind = number_of(number)

    def change(parts: Parts) -> Parts:
        at = next(index for index, part in enumerate(parts) if part[0] in (0xA3, 0xA0) and index > 1)
        others = [one for one in apart(apart(parts[at])[0]) if apart(one)[0] != kind]
        one = sequence(kind, critical, element(0x04, value))
        return [*parts[:at], element(parts[at][0], sequence(*others, one)), *parts[at + 1 :]]

    return change


def number_of(dotted: str) -> bytes:
    """Return an object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        octets = [arc & 0x7F]
        while arc > 0x7F:
            arc >>= 7
            octets.insert(0, arc & 0x7F | 0x80)
        body += bytes(octets)
    return element(0x06, body)


def called(*texts: tuple[str, int, bytes]) -> bytes:
    """Return a name of these: the number of an attribute, the tag of its text, and the text's octets."""
    return sequence(*(element(0x31, sequence(number_of(kind), element(tag, text))) for kind, tag, text in texts))


def common_name(text: str, tag: int = 0x0C) -> bytes:
    """Return a name that is a common name."""
    return called(("2.5.4.3", tag, text.encode()))


def armoured(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """Return DER as PEM."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def pkcs8(key: Any) -> bytes:
    """Return a key as DER of PKCS#8."""
    return bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def ec_key_of(octets: int) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """Return a key on P-256, and PKCS#8 in which its number has so many octets, without its public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    while key.private_numbers().private_value >> (8 * min(octets, 32)):
        key = ec.generate_private_key(ec.SECP256R1())
    number = key.private_numbers().private_value.to_bytes(octets, "big")
    inner = sequence(element(0x02, b"\x01"), element(0x04, number))
    algorithm = sequence(number_of("1.2.840.10045.2.1"), number_of("1.2.840.10045.3.1.7"))
    return key, sequence(element(0x02, b"\x00"), algorithm, element(0x04, inner))


def pkcs8_of_version_2(key: ed25519.Ed25519PrivateKey) -> bytes:
    """Return PKCS#8 with the public key in it (RFC 5958), as ring and Java write it."""
    public = element(0x81, b"\0" + key.public_key().public_bytes_raw())
    secret = element(0x04, element(0x04, key.private_bytes_raw()))
    return sequence(element(0x02, b"\x01"), sequence(number_of("1.3.101.112")), secret, public)


def indefinite(whole: bytes, depth: int = 2) -> bytes:
    """Return DER as BER whose outer elements have lengths that end where their end is met."""
    if depth == 0 or not whole[0] & 0x20:
        return whole
    return bytes([whole[0], 0x80]) + b"".join(indefinite(part, depth - 1) for part in apart(whole)) + b"\0\0"


def mutated(whole: bytes, chance: random.Random) -> bytes:
    """Return DER in which one element is another, all lengths around it right: what reaches the depths of a reader."""
    try:
        parts = apart(whole) if whole[0] & 0x20 else []
    except IndexError:
        parts = []
    if parts and chance.random() < 0.85:
        at = chance.randrange(len(parts))
        return element(whole[0], *parts[:at], mutated(parts[at], chance), *parts[at + 1 :])
    body = whole[_inside(whole, 0)[0] :]
    inner = body[:1] == b"\x30" and whole[0] == 0x04
    if inner and chance.random() < 0.8:  # an extension's value, or a key in its wrapping
        return element(0x04, mutated(body, chance))
    return chance.choice(
        (
            lambda: b"",
            lambda: whole + whole,
            lambda: element(chance.choice(_TAGS), body),
            lambda: element(whole[0], bytes(chance.randrange(256) for _octet in range(chance.choice((0, 1, 2, 20))))),
            lambda: element(whole[0], bytes(octet ^ (chance.random() < 0.1) for octet in body)),
            lambda: element(whole[0], body[: len(body) // 2]),
            lambda: element(whole[0], body, body[:1]),
            lambda: element(whole[0] ^ 0x20, body),
            lambda: bytes([whole[0], 0x80]) + body + b"\0\0",
            lambda: element(whole[0], *parts[::-1]),
            lambda: element(whole[0], b"\xff" * len(body)),
        )
    )()


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    """Return what the command prints; raises where it fails."""
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout
