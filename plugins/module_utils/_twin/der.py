# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""DER taken apart and put together (X.690): no more than certificates, keys and revocation lists need.

What is taken apart stays as the bytes that it was, so that what is odd in them is kept.
"""

from __future__ import annotations

import base64

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
NOTHING = b"\x05\x00"  # NULL, whole


def element(tag: int, *parts: bytes) -> bytes:
    """Return one element of the tag, with the parts as its content."""
    body = b"".join(parts)
    length = len(body)
    if length < 0x80:
        return bytes([tag, length]) + body
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + body


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of the parts."""
    return element(SEQUENCE, *parts)


def integer(value: int) -> bytes:
    """Return an INTEGER that is not negative."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bits(content: bytes) -> bytes:
    """Return a BIT STRING of whole octets."""
    return element(BIT_STRING, b"\0", content)


def oid(text: str) -> bytes:
    """Return an OBJECT IDENTIFIER of the numbers in the text."""
    first, second, *rest = (int(number) for number in text.split("."))
    encoded = b""
    for number in (first * 40 + second, *rest):
        group = [number & 0x7F]
        while number > 0x7F:
            number >>= 7
            group.append(number & 0x7F | 0x80)
        encoded += bytes(reversed(group))
    return element(OID, encoded)


def oid_text(whole: bytes) -> str:
    """Return the numbers of an OBJECT IDENTIFIER; raises ValueError for what is none."""
    if whole[:1] != bytes([OID]):
        raise ValueError("no object identifier")
    numbers, number = [], 0
    for octet in content(whole):
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise ValueError("an empty object identifier")
    first = min(2, numbers[0] // 40)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def number(whole: bytes) -> int:
    """Return the value of an INTEGER."""
    return int.from_bytes(content(whole), "big", signed=True)


def content(whole: bytes) -> bytes:
    """Return the content of an element; raises ValueError where it has not the length that it says."""
    start, end = _limits(whole, 0)
    if end != len(whole):
        raise ValueError("something behind the element")
    return whole[start:end]


def children(whole: bytes) -> list[bytes]:
    """Return the elements within an element, each of them whole; raises ValueError for what is not DER."""
    inside = content(whole)
    found, at = [], 0
    while at < len(inside):
        _start, end = _limits(inside, at)
        found.append(inside[at:end])
        at = end
    return found


def pem(label: str, whole: bytes) -> bytes:
    """Return DER as PEM (RFC 7468)."""
    text = base64.b64encode(whole)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    mark = label.encode()
    return b"\n".join([b"-----BEGIN " + mark + b"-----", *lines, b"-----END " + mark + b"-----", b""])


def _limits(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at an offset begins and ends; raises ValueError for none."""
    if at + 2 > len(data):
        raise ValueError("an element that is cut off")
    if data[at] & 0x1F == 0x1F:
        raise ValueError("no element")
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or start + size > len(data):
            raise ValueError("a length that cannot be")
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise ValueError("an element that is cut off")
    return start, start + length
