# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""PEM: text that holds blocks of base64 (RFC 7468), in the shapes that copying gives it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Form, FormError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Five hyphens, unless somebody counted otherwise or a word processor made dashes of some.
_MARKS = re.compile(rb"-{3,12} ?(BEGIN|END) ([^-\r\n]{0,80}?) *-{3,12}")
_BEGIN = b"--BEGIN "
_QUOTED = re.compile(rb"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)  # as an answer to a mail quotes it
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_\s-]*")
# What web pages and word processors put where there was a space, or nothing.
_BLANKS = {0xA0: " ", 0x202F: " ", 0x2007: " ", 0x200B: None, 0x200C: None, 0x200D: None, 0x2060: None, 0xFEFF: None}
_DASHES = {
    **dict.fromkeys((0x96, 0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-"),
    **dict.fromkeys((0x97, 0x2014, 0x2015), "--"),
}
# In UTF-16 of plain text, each second byte of the beginning is NUL.
_LOOKED_AT = 64


@dataclass(frozen=True)
class Block:
    """One block: its label, what stands between its marks, and the line that it begins in."""

    label: str
    body: bytes = field(repr=False)  # it may be a key's
    line: int


def plain_text(data: bytes) -> bytes:
    """Return text as ASCII, without what editors, web pages and variables leave in it.

    A byte order mark and UTF-16 come from Windows, no-break spaces from web pages, dashes from word processors, marks
    of quotation from mails, and a backslash with an n in place of a line's end from JSON and environment variables;
    PHP's JSON has one before each slash, too. Base64 has none of these.
    """
    start = data[:_LOOKED_AT]
    encoding = "utf-8"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif len(start) > 3 and not start[1::2].strip(b"\0") and b"\0" not in start[::2]:
        encoding = "utf-16-le"
    elif len(start) > 3 and not start[::2].strip(b"\0") and b"\0" not in start[1::2]:
        encoding = "utf-16-be"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1" if encoding == "utf-8" else encoding, "replace")
    if not text.isascii():
        text = text.translate({**_BLANKS, **_DASHES})
    plain = text.encode("ascii", "replace")
    if _BEGIN in plain and b"\\" in plain:
        plain = plain.replace(b"\\r", b"").replace(b"\\n", b"\n").replace(b"\\/", b"/")
    return _QUOTED.sub(b"", plain) if b">" in plain and _BEGIN in plain else plain


def blocks(text: bytes) -> Iterator[Block | FormError]:
    """Yield each block, and a fault for each that has no end; text around them is skipped. Linear in the size."""
    begun: re.Match[bytes] | None = None
    line, counted = 1, 0
    for mark in _MARKS.finditer(text):
        is_end = mark[1] == b"END"
        if begun is not None and is_end and mark[2] == begun[2]:
            yield Block(begun[2].decode("ascii", "replace"), text[begun.end() : mark.start()], line)
        elif begun is not None:
            yield _without_end(begun[2], line)
        begun = None if is_end else mark
        line, counted = line + text.count(b"\n", counted, mark.start()), mark.start()
    if begun is not None or (not counted and _BEGIN in text):
        yield _without_end(begun[2] if begun else b"", line)


def _without_end(label: bytes, line: int) -> FormError:
    reason = f"is cut off or damaged: line {line}, '-----BEGIN …-----', has no '-----END …-----' of its kind."
    return FormError(reason, form=Form.KEY if label.endswith(b"PRIVATE KEY") else Form.CUT_OFF)


def decoded(body: bytes, form: Form) -> bytes:
    """Return what base64 stands for, in a block of this form; raises FormError."""
    found = from_base64(body)
    if found is None:
        lines = body.strip().splitlines()
        odd = next((number for number, line in enumerate(lines, 1) if not _BASE64.fullmatch(line)), None)
        which = f" (line {odd} of it)" if odd and len(lines) > 1 else ""
        reason = f"holds a {form.value} that is damaged: what stands between BEGIN and END is no base64{which}."
        raise FormError(reason, form=form if form is Form.KEY else Form.NO_BASE64)
    return found


def from_base64(text: bytes) -> bytes | None:
    """Return what base64 stands for, also that of URLs, which has '-' and '_' (RFC 4648, 5); None for other text."""
    joined = b"".join(text.split())
    if b"-" in joined or b"_" in joined:
        joined = joined.replace(b"-", b"+").replace(b"_", b"/")
        joined += b"=" * (-len(joined) % 4)
    try:
        return base64.b64decode(joined, validate=True)
    except binascii.Error:
        return None
