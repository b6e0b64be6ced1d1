# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""DER and BER (X.690): elements read and written, without a view of what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
UTF8_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING = 0x0C, 0x13, 0x14, 0x16
VISIBLE_STRING = 0x1A
SEQUENCE, SET = 0x30, 0x31
CONSTRUCTED = 0x20

MAXIMUM_DEPTH = 32  # of elements in elements; certificates, keys and PKCS#12 have some ten
MAXIMUM_ELEMENTS = 20_000  # in one go

_INDEFINITE = 0x80
_END_OF_CONTENTS = b"\x00\x00"


class DerError(ValueError):
    """What was given is not what was to be read. The text says what is wrong with it, or which part."""


@dataclass(frozen=True)
class Element:
    """One element: its tag, its content, and all of it as it was given."""

    tag: int
    body: bytes = field(repr=False)  # it may be a key's
    raw: bytes = field(repr=False)

    def children(self) -> list[Element]:
        """Return the elements in it; raises DerError."""
        return elements(self.body)


def header(data: bytes, at: int = 0) -> tuple[int, int]:
    """Return the content's length and offset of the element at an offset.

    Raises DerError where none begins there, where more is announced than there is, or where the length is indefinite.
    """
    length, inner = _announced(data, at)
    if length < 0:
        raise DerError("has a length that cannot be")
    if inner + length > len(data):
        raise DerError(f"announces {inner - at + length} bytes, and {len(data) - at} are there")
    return length, inner


def _announced(data: bytes, at: int) -> tuple[int, int]:
    """Return the content's length that an element announces, or -1 for one that cannot be; and its offset."""
    octet = data[at + 1] if at + 1 < len(data) else _INDEFINITE
    if octet < _INDEFINITE:
        return octet, at + 2
    size = octet & 0x7F
    inner = at + 2 + size
    return int.from_bytes(data[at + 2 : inner], "big") if 1 <= size <= 4 else -1, inner


def opening(data: bytes) -> list[Element]:
    """Return up to four of the elements in the one that the data begins with, also of BER, and where it is cut off."""
    found: list[Element] = []
    at = _announced(data, 0)[1]
    while at + 1 < len(data) and len(found) < 4:
        length, inner = _announced(data, at)
        end = inner + length if length >= 0 else len(data)
        found.append(Element(data[at], data[inner:end], data[at:end]))
        at = end
    return found


def elements(data: bytes) -> list[Element]:
    """Return the elements that the data is made of, one behind the other; raises DerError."""
    found, at = [], 0
    while at < len(data):
        length, inner = header(data, at)
        found.append(Element(data[at], data[inner : inner + length], data[at : inner + length]))
        at = inner + length
        if len(found) > MAXIMUM_ELEMENTS:
            raise DerError("has too many parts")
    return found


def first(data: bytes) -> Element:
    """Return the element that the data begins with, whatever stands behind it; raises DerError."""
    length, inner = header(data)
    return Element(data[0], data[inner : inner + length], data[: inner + length])


def is_whole(data: bytes) -> bool:
    """Whether the data is one element, and nothing else."""
    try:
        return len(first(data).raw) == len(data)
    except DerError:
        return False


def written(tag: int, *parts: bytes) -> bytes:
    """Return an element of these parts, its length as short as can be."""
    body = b"".join(parts)
    if len(body) < _INDEFINITE:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, _INDEFINITE | len(length)]) + length + body


def dotted(body: bytes) -> str:
    """Return an object identifier's content as numbers with dots; raises DerError."""
    if not body or body[-1] & 0x80 or len(body) > 64:
        raise DerError("has an object identifier that cannot be")
    numbers = [0]
    for octet in body:
        numbers[-1] = numbers[-1] << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(0)
    arcs = numbers[:-1]
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))


def is_indefinite(data: bytes) -> bool:
    """Whether the data begins as an element of indefinite length does, which BER knows and DER forbids."""
    return len(data) > 1 and bool(data[0] & CONSTRUCTED) and data[1] == _INDEFINITE


def definite(data: bytes) -> bytes:
    """Return the first element of BER with definite lengths, its octet strings in one piece each.

    NSS, Java and `openssl cms -stream` write lengths that end where their end is met. Raises DerError.
    """
    text, _end = _definite(data, 0, MAXIMUM_DEPTH)
    return text


def _definite(data: bytes, at: int, depth: int) -> tuple[bytes, int]:
    """Return the element at an offset with definite lengths, and where it ends."""
    if depth == 0:
        raise DerError("has elements in elements without end")
    if not is_indefinite(data[at : at + 2]):
        length, inner = header(data, at)
        end = inner + length
        if data[at] != OCTET_STRING | CONSTRUCTED:
            return data[at:end], end
        parts, inner = _until(data, inner, end, depth)
    else:
        parts, end = _until(data, at + 2, None, depth)
    if data[at] == OCTET_STRING | CONSTRUCTED:
        return written(OCTET_STRING, *(first(part).body for part in parts)), end
    return written(data[at], *parts), end


def _until(data: bytes, at: int, end: int | None, depth: int) -> tuple[list[bytes], int]:
    """Return the elements from an offset to another, or to the mark of their end; and where that is."""
    parts: list[bytes] = []
    while at < (len(data) if end is None else end):
        if end is None and data.startswith(_END_OF_CONTENTS, at):
            return parts, at + 2
        part, at = _definite(data, at, depth - 1)
        parts.append(part)
        if len(parts) > MAXIMUM_ELEMENTS:
            raise DerError("has too many parts")
    if end is None or at != end:
        raise DerError("has no end")
    return parts, at
