# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One request over HTTP/2, and the status of its answer: no more of RFC 9113 and RFC 7541 than that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import Call

ALPN_NAME = "h2"  # as ALPN knows it (RFC 9113, section 3.1)

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113, section 3.4
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY, _CONTINUATION = 0x0, 0x1, 0x3, 0x4, 0x7, 0x9  # section 6
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20  # section 6.2
_HEADER = 9  # bytes before a frame's content, section 4.1
_LONGEST = 16384  # bytes of content, section 4.2: we allow no more
_STREAM = 1
# Section 6.5.2: no table of fields, so that none is known from before, and nothing that we did not ask for.
_OURS = b"\x00\x01\x00\x00\x00\x00" + b"\x00\x02\x00\x00\x00\x00"

# RFC 7541, appendix A: names that fields are written with, a field that is known whole, and the whole statuses.
_AUTHORITY, _METHOD, _PATH = 1, 2, 4
_NAMES = {"content-length": 28, "content-type": 31, "max-forwards": 47, "user-agent": 58}
_HTTPS = b"\x87"
_STATUSES = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
# RFC 7541, appendix B: of the Huffman code, the digits.
_DIGITS = {format(code, "05b"): str(code) for code in range(3)}
_DIGITS.update({format(0x19 + more, "06b"): str(3 + more) for more in range(7)})


def make_request(authority: str, call: Call) -> bytes:
    """Return all that a client sends who makes one call. Raises UnicodeError for non-ASCII."""
    block = _field(_METHOD, call.method) + _HTTPS + _field(_AUTHORITY, authority) + _field(_PATH, call.target)
    block += b"".join(_field(_NAMES[name.lower()], value) for name, value in call.fields)
    last = _END_HEADERS if call.body else _END_STREAM | _END_HEADERS
    request = _PREFACE + _frame(_SETTINGS, 0, 0, _OURS) + _frame(_HEADERS, last, _STREAM, block)
    return request + (_frame(_DATA, _END_STREAM, _STREAM, call.body) if call.body else b"")


def is_over(answer: bytes) -> bool:
    """Return whether C(answer), all that was received, holds the end of our request's answer, or of the connection."""
    return any(
        kind == _GOAWAY
        or (stream == _STREAM and (kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM)))
        for kind, flags, stream in _frames(answer)
    )


def _frames(answer: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, flags and stream of each frame that was received whole."""
    at = 0
    while len(answer) >= at + _HEADER:
        length = int.from_bytes(answer[at : at + 3], "big")
        if len(answer) < at + _HEADER + length:
            break
        yield answer[at + 3], answer[at + 4], int.from_bytes(answer[at + 5 : at + _HEADER], "big") & 0x7FFFFFFF
        at += _HEADER + length


def first_line(answer: bytes) -> bytes:
    """Return what the first line of HTTP/1.1 would say, such as C(HTTP/2 200), or what became of the request instead.

    That is empty as long as C(answer), all that was received, does not say it yet. Statuses such as 103 are no answer.
    """
    at, block = 0, b""
    while len(answer) >= at + _HEADER:
        length, kind, flags = int.from_bytes(answer[at : at + 3], "big"), answer[at + 3], answer[at + 4]
        stream = int.from_bytes(answer[at + 5 : at + _HEADER], "big") & 0x7FFFFFFF
        content = answer[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        if length > _LONGEST:
            return b"HTTP/2 was agreed on, and something else is spoken"
        if len(content) < length:
            break
        if kind == _GOAWAY and any(content[4:8]):  # With error 0, it goes on with what it has (section 6.8).
            return b"HTTP/2 connection ended by error %d" % int.from_bytes(content[4:8], "big")
        if stream == _STREAM and kind == _RST_STREAM:
            return b"HTTP/2 stream ended by error %d" % int.from_bytes(content[:4], "big")
        if stream == _STREAM and kind in (_HEADERS, _CONTINUATION):
            block += content if kind == _CONTINUATION else _unpadded(content, flags)
            if flags & _END_HEADERS:
                status, block = _status(block), b""
                if not status.startswith("1"):
                    return f"HTTP/2 {status}".encode("ascii", "replace")
    return b""


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


def _unpadded(content: bytes, flags: int) -> bytes:
    """Return the fields of a HEADERS frame, without what may stand around them (RFC 9113, section 6.2)."""
    if flags & _PADDED:
        content = content[1 : max(1, len(content) - content[0])] if content else b""
    return content[5:] if flags & _PRIORITY else content


def _field(name: int, value: str) -> bytes:
    """Return a literal field that is put into no table (RFC 7541, section 6.2.2)."""
    return _encode_number(name, 4) + _encode_number(len(value), 7) + value.encode("ascii")


def _encode_number(value: int, bits: int) -> bytes:
    """Return an integer that begins in the last bits of a byte of zeros (RFC 7541, section 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((value,))
    encoded, value = [most], value - most
    while value >= 0x80:
        encoded, value = [*encoded, value & 0x7F | 0x80], value >> 7
    return bytes((*encoded, value))


def _read_number(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """Return such an integer, and where it ends. Raises IndexError where the block ends first."""
    value, at, shift = block[at] & ((1 << bits) - 1), at + 1, 0
    if value < (1 << bits) - 1:
        return value, at
    while True:
        value, at, shift = value + ((block[at] & 0x7F) << shift), at + 1, shift + 7
        if not block[at - 1] & 0x80:
            return value, at


def _status(block: bytes) -> str:
    """Return the value of `:status`, or words where there is none that can be read.

    It is the first field (RFC 9113, section 8.3). Before it may stand the table's new size (RFC 7541, section 6.3).
    """
    try:
        at = 0
        while block[at] & 0xE0 == 0x20:
            _size, at = _read_number(block, at, 5)
        if block[at] & 0x80:  # section 6.1
            return _STATUSES[_read_number(block, at, 7)[0]]
        name, at = _read_number(block, at, 6 if block[at] & 0x40 else 4)  # section 6.2
        is_coded, (length, at) = block[at] & 0x80, _read_number(block, at, 7)  # section 5.2
        value = block[at : at + length]
        if name in _STATUSES and len(value) == length <= 3:
            return _decode_digits(value) if is_coded else value.decode("ascii", "replace")
    except (IndexError, KeyError):
        pass
    return "answer without a status that could be read"


def _decode_digits(value: bytes) -> str:
    """Return digits that are Huffman-coded. Raises KeyError where something else is, but for ones at the end."""
    bits, digits = "".join(format(byte, "08b") for byte in value), ""
    while "0" in bits:
        length = 5 if bits[:5] in _DIGITS else 6
        digits, bits = digits + _DIGITS[bits[:length]], bits[length:]
    return digits
