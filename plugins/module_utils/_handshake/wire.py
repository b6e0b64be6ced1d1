# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a TLS handshake says and the ssl module does not show: certificate messages, and the names in them.

Every function raises ValueError for bytes that do not have the form expected.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_HELLO = 2
CERTIFICATE = 11
CERTIFICATE_REQUEST = 13

_VERSION = 0xA0  # RFC 5280, section 4.1: [0], before the serial number
_CERTIFICATE_AUTHORITIES = 47  # RFC 8446, section 4.2

# RFC 4514, section 3
_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}

# X.690, section 8.23: the tags of the string types in which names are written
_ENCODINGS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as it is used
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


class _Reader:
    """Takes integers and length-prefixed vectors from bytes (RFC 8446, section 3.4)."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def __bool__(self) -> bool:
        return bool(self._rest)

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        if len(self._rest) < count:
            raise ValueError("message is cut off")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def number(self, width: int) -> int:
        """Return the next integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> _Reader:
        """Return a reader of the next vector, whose length stands before it in ``width`` bytes."""
        return _Reader(self.take(self.number(width)))

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._rest))


def leaf_certificate(message: bytes, version: str) -> bytes | None:
    """Return the first certificate (DER) of a Certificate message, None when it has none.

    Source: RFC 5246, section 7.4.2, and RFC 8446, section 4.4.2.
    """
    body = _body(message, CERTIFICATE)
    if version == "TLSv1.3":
        body.vector(1)  # certificate_request_context
    certificates = body.vector(3)
    return certificates.vector(3).rest() if certificates else None


def certificate_authorities(message: bytes, version: str) -> tuple[bytes, ...]:
    """Return the names (DER) of the authorities that a CertificateRequest message lists.

    Source: RFC 4346 and RFC 5246, section 7.4.4, and RFC 8446, sections 4.2.4 and 4.3.2.
    """
    body = _body(message, CERTIFICATE_REQUEST)
    body.vector(1)  # certificate_types; certificate_request_context in TLS 1.3
    if version == "TLSv1.3":
        extensions = body.vector(2)
        names = _Reader(b"")
        while extensions:
            kind, content = extensions.number(2), extensions.vector(2)
            if kind == _CERTIFICATE_AUTHORITIES:
                names = content.vector(2)
    else:
        if version == "TLSv1.2":
            body.vector(2)  # supported_signature_algorithms
        names = body.vector(2)
    return tuple(_vectors(names))


class BareCertificate(NamedTuple):
    """What a certificate says: subject and issuer (DER names), and when it begins and ends, as 2026-11-23T16:39:00Z."""

    subject: bytes
    issuer: bytes
    not_before: str
    not_after: str


def read_certificate(certificate: bytes) -> BareCertificate:
    """Return what a certificate (DER) says. Source: RFC 5280, section 4.1."""
    try:
        fields = der.children(der.children(certificate)[0])
        _serial, _algorithm, issuer, validity, subject = fields[fields[0][0] == _VERSION :][:5]
    except IndexError:
        raise ValueError("certificate is cut off") from None
    begins, ends = map(_read_time, der.children(validity))
    return BareCertificate(subject, issuer, begins, ends)


class BareList(NamedTuple):
    """What a revocation list says: its issuer (a DER name), and its updates, as moments are written above.

    The next update is empty where it names none.
    """

    issuer: bytes
    this_update: str
    next_update: str


def read_list(crl: bytes) -> BareList:
    """Return what a revocation list (DER) says. Source: RFC 5280, section 5.1."""
    signed = next(iter(der.children(crl)), b"")
    fields = der.children(signed)
    names = [one for one in fields if one[0] == der.SEQUENCE]  # its algorithm, its issuer, whom it revokes
    times = [_read_time(one) for one in fields if one[0] in (der.UTC_TIME, der.GENERALIZED_TIME)]
    if len(names) < 2 or not times:
        raise ValueError("revocation list is cut off")
    return BareList(names[1], times[0], times[1] if len(times) > 1 else "")


def read_serial(certificate: bytes) -> int:
    """Return the serial number of a certificate (DER). Source: RFC 5280, section 4.1."""
    fields = der.children(next(iter(der.children(certificate)), b""))
    if len(fields) < 2:
        raise ValueError("certificate is cut off")
    return der.number(fields[fields[0][0] == _VERSION])


def read_revoked(crl: bytes) -> set[int]:
    """Return the serial numbers that a revocation list (DER) names. Source: RFC 5280, section 5.1."""
    fields = der.children(next(iter(der.children(crl)), b""))
    # Its algorithm, its issuer, whom it revokes; its extensions are tagged.
    names = [one for one in fields if one[0] == der.SEQUENCE]
    return {der.number(der.children(each)[0]) for each in der.children(names[2])} if len(names) > 2 else set()


def _read_time(time: bytes) -> str:
    """Return a UTCTime or GeneralizedTime as text that sorts (RFC 5280, section 4.1.2.5)."""
    digits = der.content(time).decode("ascii")
    if time[0] == der.UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", digits)
    if not found:
        raise ValueError("a time in another form")
    return "{}-{}-{}T{}:{}:{}Z".format(*found.groups())


def sha256(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate (DER), lower-case hexadecimal."""
    return hashlib.sha256(certificate).hexdigest()


def rfc4514(name: bytes) -> str:
    """Return a distinguished name (DER) as text, last attribute first, other than printable characters escaped.

    Source: RFC 4514, section 2; X.690 for the encoding.
    """
    parts = []
    for relative in der.children(name):
        pairs = []
        for attribute in der.children(relative):
            kind, value = der.children(attribute)
            identifier = der.oid_text(kind)
            pairs.append(f"{_ATTRIBUTES.get(identifier, identifier)}={_read_value(value)}")
        parts.append("+".join(pairs))
    return ",".join(reversed(parts))


def _body(message: bytes, kind: int) -> _Reader:
    """Return a reader of a handshake message's body (RFC 8446, section 4)."""
    reader = _Reader(message)
    if reader.number(1) != kind:
        raise ValueError("another kind of message")
    return reader.vector(3)


def _vectors(reader: _Reader) -> Iterator[bytes]:
    while reader:
        yield reader.vector(2).rest()


def _read_value(value: bytes) -> str:
    """Return an attribute's value: text, or where it is none, its encoding."""
    encoding = _ENCODINGS.get(value[0])
    if encoding is None:
        return "#" + value.hex()
    # Some authorities write more into a type of text than it may hold; OpenSSL takes such a name as it is.
    return _escape_value(der.content(value).decode(encoding, "backslashreplace"))


def _escape_value(text: str) -> str:
    """Return a value as RFC 4514, section 2.4, writes it; a name from a peer must not steer a terminal."""
    last = len(text) - 1
    escaped: list[str] = []
    for index, character in enumerate(text):
        if not character.isprintable():
            escaped.extend(f"\\{octet:02X}" for octet in character.encode("utf-8"))
        elif character in '"+,;<>\\' or (index == 0 and character in " #") or (index == last and character == " "):
            escaped.append("\\" + character)
        else:
            escaped.append(character)
    return "".join(escaped)
