# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""PEM: text that holds blocks of base64 (RFC 7468)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError

if TYPE_CHECKING:
    from collections.abc import Iterator


def without_mark(data: bytes) -> bytes:
    """Return text without its byte order mark, and UTF-16 as ASCII: Windows' editors write both."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("ascii", "replace")
    return data[3:] if data[:3] == b"\xef\xbb\xbf" else data


def blocks(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield label and body of each PEM block (RFC 7468); text around them is skipped. Linear in the size."""
    start = text.find(b"-----BEGIN ")
    while start >= 0:
        label, mark, _rest = text[start + 11 : start + 80].partition(b"-----")
        end = text.find(b"-----END ", start)
        if not mark or not text.startswith(label + b"-----", end + 9) or end < 0:
            raise FormError("is cut off or damaged: a line '-----BEGIN …-----' has no '-----END …-----' of its kind.")
        yield label.decode("ascii", "replace"), text[start + 11 + len(label) + 5 : end]
        start = text.find(b"-----BEGIN ", end)


def decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise FormError("is damaged: what stands between BEGIN and END is no base64.") from None
