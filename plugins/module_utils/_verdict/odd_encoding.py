# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates and CRLs whose encoding OpenSSL reads, and DER forbids: copied as they should have been written.

The copy is for judging alone, and its signature no longer fits it. What is deployed, compared and checked by signature
is what was given. Where nothing is odd, nothing of this is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError, Element

if TYPE_CHECKING:
    from collections.abc import Callable

# RFC 5280, 4.2: how messages call an extension.
EXTENSIONS = {
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.33": "policyMappings",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.36": "policyConstraints",
    "2.5.29.37": "extendedKeyUsage",
    "2.5.29.54": "inhibitAnyPolicy",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
}
# What OpenSSL reads of every certificate, whether it is critical or not, and refuses it for (measured: OpenSSL 3.0).
_READ_BY_OPENSSL = frozenset(f"2.5.29.{number}" for number in (14, 15, 17, 19, 30, 31, 35, 37))
_BASIC_CONSTRAINTS, _DISTRIBUTION_POINT = "2.5.29.19", "2.5.29.28"
# RFC 4055, 5: the parameters of these are NULL. RFC 5758, 3.2: those of the others are absent.
_RSA = "1.2.840.113549.1.1."
_WITH_NULL = {f"{_RSA}{number}" for number in (2, 4, 5, 11, 12, 13, 14)}
_WITHOUT = "1.2.840.10045.4."
_PRINTABLE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
# The field of a curve that is written out in numbers, in place of its name (RFC 5480, 2.1.1, forbids it).
WRITTEN_OUT = bytes.fromhex("06072a8648ce3d01")
_TIMES = {der.UTC_TIME: re.compile(rb"\d{12}Z"), der.GENERALIZED_TIME: re.compile(rb"\d{14}Z")}
_TRUE, _EMPTY = b"\xff", b"\x30\x00"
# General names (RFC 5280, 4.2.1.6): texts, addresses, and those that no library reads.
_TEXTS_OF_NAMES, _ADDRESS_OF_WEB, _ADDRESS, _ADDRESSES = (0x81, 0x82, 0x86), 0x86, 0x87, (4, 16)
_UNKNOWN_NAMES = (0xA3, 0xA5)
_ISSUER_AND_SERIAL = {0xA1, 0x82}  # in an authority key identifier (RFC 5280, 4.2.1.1)
# The parts of a certificate in their order, behind its version; what can stand in the place of some.
_HARMLESS = (
    ("a serial number", b"\x02\x01\x01"),
    ("", b""),  # the algorithm
    ("an issuer", b"\x30\x00"),
    ("a time", der.written(der.SEQUENCE, *[der.written(der.UTC_TIME, b"260101000000Z")] * 2)),
    ("a subject", b"\x30\x00"),
)
_V3 = 2
MAXIMUM_EXTENSIONS = 64  # of which one that is odd is looked for; certificates have some ten


@dataclass(frozen=True)
class SignedParts:
    """What every signed thing is made of (RFC 5280, 4.1 and 5.1): what is signed, and the signature."""

    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass
class _Copy:
    """What was found odd so far, which extensions are to be left out, and of which what cannot be parsed is."""

    spare: frozenset[str]
    mended: frozenset[str] = frozenset()
    oddities: dict[str, None] = field(default_factory=dict)

    def note(self, oddity: str) -> None:
        self.oddities[oddity] = None


def signed_parts(given: bytes) -> SignedParts:
    """Return what of a certificate or CRL is signed, and the signature; raises DerError."""
    signed, _algorithm, signature = _three(given)
    return SignedParts(signed.raw, signature.body[1:])


def tidy_certificate(
    given: bytes, spare: frozenset[str] = frozenset(), mended: frozenset[str] = frozenset()
) -> tuple[bytes, tuple[str, ...]]:
    """Return a certificate as DER wants it, and what was odd; without the extensions to spare, by their numbers.

    Of the extensions to be `mended`, what OpenSSL reads and no other does is left out. Raises DerError, with the part
    that is beyond reading.
    """
    signed, algorithm, signature = _three(given)
    copy = _Copy(spare, mended)
    parts = signed.children()
    version = b""
    if parts and parts[0].tag == 0xA0:
        version = _version(parts.pop(0), copy)
    if len(parts) < 6 or parts[0].tag != der.INTEGER:
        raise DerError("is not made as a certificate is")
    serial, inner, issuer, times, subject, key, *rest = parts
    _check_times(times)
    told = [
        version,
        serial.raw,
        _algorithm(inner, copy),
        _name(issuer, "issuer", copy),
        times.raw,
        _name(subject, "subject", copy),
        key.raw,
        *(_extensions(one, copy) if one.tag == 0xA3 else one.raw for one in rest),
    ]
    whole = der.written(der.SEQUENCE, der.written(der.SEQUENCE, *told), _algorithm(algorithm, copy), signature.raw)
    return whole, tuple(copy.oddities)


def tidy_crl(given: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a CRL as DER wants it, and what was odd; raises DerError, with the part that is beyond reading."""
    signed, algorithm, signature = _three(given)
    copy = _Copy(frozenset())
    parts = signed.children()
    told = [parts.pop(0).raw] if parts and parts[0].tag == der.INTEGER else []
    if len(parts) < 3:
        raise DerError("is not made as a CRL is")
    told += [_algorithm(parts[0], copy), _name(parts[1], "issuer", copy)]
    told += [_extensions(_told_once(one, copy), copy) if one.tag == 0xA0 else one.raw for one in parts[2:]]
    whole = der.written(der.SEQUENCE, der.written(der.SEQUENCE, *told), _algorithm(algorithm, copy), signature.raw)
    return whole, tuple(copy.oddities)


def _told_once(part: Element, copy: _Copy) -> Element:
    """Return a CRL's extensions without those that say nothing, or what was said: OpenSSL goes by the first."""
    kept: dict[str, bytes] = {}
    for one in part.children()[0].children():
        number, _critical, value = _extension(one)
        if number in kept or (number == _DISTRIBUTION_POINT and value == _EMPTY):
            copy.note(f"its extension {EXTENSIONS.get(number, number)} stands there twice, or is empty")
        else:
            kept[number] = one.raw
    return der.first(der.written(part.tag, der.written(der.SEQUENCE, *kept.values())))


def extension_numbers(given: bytes) -> tuple[list[str], frozenset[str]]:
    """Return the numbers of a certificate's extensions, and of those that OpenSSL passes over where they are broken."""
    found: dict[str, bool] = {}
    for part in _three(given)[0].children():
        extensions = part.children()[0].children() if part.tag == 0xA3 else []
        if len(extensions) > MAXIMUM_EXTENSIONS:
            raise DerError(f"has more than {MAXIMUM_EXTENSIONS} extensions, and one that cannot be parsed")
        for one in extensions:
            number, critical, _value = _extension(one)
            found[number] = found.get(number, True) and not any(critical) and number not in _READ_BY_OPENSSL
    return list(found), frozenset(number for number, is_spare in found.items() if is_spare)


def _three(given: bytes) -> tuple[Element, Element, Element]:
    whole = der.first(given)
    parts = whole.children() if whole.tag == der.SEQUENCE else []
    if [part.tag for part in parts] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise DerError("is not made as a certificate or CRL is")
    return parts[0], parts[1], parts[2]


def _version(part: Element, copy: _Copy) -> bytes:
    number = part.children()
    if len(number) != 1 or number[0].tag != der.INTEGER or len(number[0].body) != 1:
        raise DerError("has a version that cannot be")
    version = number[0].body[0]
    if version <= _V3:
        return part.raw if version else b""
    copy.note(f"its version is {version + 1}, and there are three")
    return der.written(0xA0, der.written(der.INTEGER, bytes([_V3])))


def _algorithm(part: Element, copy: _Copy) -> bytes:
    """Return the signature's algorithm with the parameters that it must have."""
    known, *parameters = part.children() or [part]
    number = der.dotted(known.body) if known.tag == der.OID else ""
    if number in _WITH_NULL and not parameters:
        copy.note("its signature algorithm lacks the NULL behind it (RFC 4055, 5)")
        return der.written(der.SEQUENCE, known.raw, der.written(der.NULL))
    if number.startswith(_WITHOUT) and [one.tag for one in parameters] == [der.NULL]:
        copy.note("its signature algorithm has a NULL behind it (RFC 5758, 3.2)")
        return der.written(der.SEQUENCE, known.raw)
    return part.raw


def _name(part: Element, whose: str, copy: _Copy) -> bytes:
    """Return a name in which each text is of a type that may hold it, and each set in its order."""
    if part.tag != der.SEQUENCE:
        raise DerError(f"has {whose}: that is no name")
    sets = []
    for one in part.children():
        texts = []
        for pair in one.children():
            kind, value = _pair(pair, whose)
            texts.append(der.written(der.SEQUENCE, kind.raw, _text(value, whose, copy)))
        if sorted(texts) != texts:
            copy.note(f"a set in its {whose} is out of order (X.690, 11.6)")
        sets.append(der.written(der.SET, *sorted(texts)))
    return der.written(der.SEQUENCE, *sets)


def _pair(part: Element, whose: str) -> tuple[Element, Element]:
    two = part.children()
    if len(two) != 2 or two[0].tag != der.OID:
        raise DerError(f"has an {whose} that is no name")
    return two[0], two[1]


def _check_times(times: Element) -> None:
    """Raise DerError for times that OpenSSL does not take either: without seconds, with a part of one, or of a zone."""
    for one in times.children():
        pattern = _TIMES.get(one.tag)
        if pattern is None or not pattern.fullmatch(one.body):
            raise DerError("has a time that is written as no client reads it (RFC 5280, 4.1.2.5)")


def _text(value: Element, whose: str, copy: _Copy) -> bytes:
    """Return a text as it is, or, where its type may not hold it, in UTF-8. OpenSSL takes T61 for Latin-1."""
    body, odd = value.body, ""
    if value.tag == der.T61_STRING:
        odd = "T61String"
    elif value.tag == der.PRINTABLE_STRING and not _PRINTABLE.issuperset(body):
        odd = "PrintableString with characters that it may not have"
    elif value.tag in (der.IA5_STRING, der.VISIBLE_STRING) and not body.isascii():
        odd = "ASCII string with other characters"
    if not odd:
        return value.raw
    copy.note(f"its {whose} holds a {odd}")
    return der.written(der.UTF8_STRING, (body if _is_utf8(body) else body.decode("latin-1").encode()))


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _extensions(part: Element, copy: _Copy) -> bytes:
    inner = part.children()
    if len(inner) != 1 or inner[0].tag != der.SEQUENCE:
        raise DerError("has extensions that are none")
    kept = []
    for one in inner[0].children():
        number, critical, value = _extension(one)
        called = EXTENSIONS.get(number, number)
        if number in copy.spare:
            copy.note(f"its extension {called} cannot be parsed, or stands there twice; it is passed over")
            continue
        flag = _boolean(critical, f"the mark 'critical' of its extension {called}", copy)
        if number in (_BASIC_CONSTRAINTS, _DISTRIBUTION_POINT):
            value = _with_booleans(value, called, copy)
        if number in copy.mended and number in _MENDERS:
            value = _MENDERS[number](der.first(value), copy)
            if not value:
                continue
        kept.append(der.written(der.SEQUENCE, one.children()[0].raw, flag, der.written(der.OCTET_STRING, value)))
    return der.written(part.tag, der.written(der.SEQUENCE, *kept))


def _named_by_all(value: Element, copy: _Copy) -> bytes:
    """Return alternative names without those that are none, and that no client looks for (RFC 5280, 4.2.1.6)."""
    kept = [one.raw for one in value.children() if _is_name(one)]
    copy.note("its extension subjectAltName holds a name that is none; it is passed over")
    return der.written(value.tag, *kept)


def _is_name(one: Element) -> bool:
    if one.tag in _TEXTS_OF_NAMES:
        return one.body.isascii()
    return len(one.body) in _ADDRESSES if one.tag == _ADDRESS else one.tag not in _UNKNOWN_NAMES


def _without_length(value: Element, copy: _Copy) -> bytes:
    """Return basic constraints without the path length of what is no CA (RFC 5280, 4.2.1.9)."""
    parts = value.children()
    if any(one.tag == der.BOOLEAN for one in parts):
        return value.raw
    copy.note("its extension basicConstraints has a path length, and is no CA's")
    return der.written(value.tag, *(one.raw for one in parts if one.tag != der.INTEGER))


def _with_limits(value: Element, copy: _Copy) -> bytes:
    """Return name constraints; nothing where they limit nothing (RFC 5280, 4.2.1.10)."""
    if any(one.body for one in value.children()):
        return value.raw
    copy.note("its extension nameConstraints limits nothing")
    return b""


def _without_half_a_link(value: Element, copy: _Copy) -> bytes:
    """Return an authority key identifier without an issuer or a serial number that is alone (RFC 5280, 4.2.1.1)."""
    parts = value.children()
    if {one.tag for one in parts} >= _ISSUER_AND_SERIAL:
        return value.raw
    copy.note("its extension authorityKeyIdentifier names an issuer, or a serial number, without the other")
    return der.written(value.tag, *(one.raw for one in parts if one.tag not in _ISSUER_AND_SERIAL))


def _in_ascii(value: Element, copy: _Copy) -> bytes:
    """Return distribution points with addresses of ASCII (RFC 5280, 4.2.1.6)."""
    copy.note("its extension cRLDistributionPoints has an address with other characters than those of ASCII")
    return _only_ascii(value)


def _only_ascii(value: Element) -> bytes:
    if value.tag == _ADDRESS_OF_WEB:
        return der.written(value.tag, bytes(octet if octet < 0x80 else ord("?") for octet in value.body))
    return der.written(value.tag, *map(_only_ascii, value.children())) if value.tag & der.CONSTRUCTED else value.raw


# What can be left out of an extension that OpenSSL reads, and that fails the whole certificate for others.
_MENDERS: dict[str, Callable[[Element, _Copy], bytes]] = {
    "2.5.29.17": _named_by_all,
    "2.5.29.19": _without_length,
    "2.5.29.30": _with_limits,
    "2.5.29.31": _in_ascii,
    "2.5.29.35": _without_half_a_link,
}


def part_at_fault(given: bytes, is_read: Callable[[bytes], bool]) -> str:
    """Return which part of a certificate, but for its extensions, keeps the rest of it from being read."""
    signed, algorithm, signature = _three(given)
    parts = [one.raw for one in signed.children() if one.tag != 0xA3]
    first = 1 if parts[0][0] == 0xA0 else 0
    for at, (name, harmless) in enumerate(_HARMLESS, first):
        if harmless:
            told = der.written(der.SEQUENCE, *parts[:at], harmless, *parts[at + 1 :])
            if is_read(der.written(der.SEQUENCE, told, algorithm.raw, signature.raw)):
                return name
    return "a part"


def _extension(part: Element) -> tuple[str, bytes, bytes]:
    """Return an extension's number, the content of its mark of criticality (empty without one), and its value."""
    parts = part.children()
    tags = [one.tag for one in parts]
    if tags not in ([der.OID, der.OCTET_STRING], [der.OID, der.BOOLEAN, der.OCTET_STRING]):
        raise DerError("has an extension that is none")
    return der.dotted(parts[0].body), parts[1].body if len(parts) == 3 else b"", parts[-1].body


def _boolean(body: bytes, what: str, copy: _Copy, tag: int = der.BOOLEAN) -> bytes:
    """Return a BOOLEAN whose default is FALSE as DER has it: FF, or absent (X.690, 11.1 and 11.5)."""
    if body in (b"", _TRUE):
        return der.written(tag, body) if body else b""
    if any(body):
        copy.note(f"{what} is TRUE as {body[:4].hex().upper()}, which must be FF")
        return der.written(tag, _TRUE)
    copy.note(f"{what} is FALSE and written out, which must be absent")
    return b""


def _with_booleans(value: bytes, called: str, copy: _Copy) -> bytes:
    """Return basic constraints, or an issuing distribution point, with its BOOLEANs as DER has them."""
    whole = der.first(value)
    told = b""
    for one in whole.children():
        is_boolean = one.tag == der.BOOLEAN or 0x81 <= one.tag <= 0x85
        flag = called == EXTENSIONS[_BASIC_CONSTRAINTS] and one.tag == der.BOOLEAN
        what = f"{'cA' if flag else 'a mark'} in its extension {called}"
        told += _boolean(one.body, what, copy, one.tag) if is_boolean and one.tag != 0x83 and one.body else one.raw
    return der.written(whole.tag, told)
