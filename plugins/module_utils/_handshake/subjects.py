# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Subjects as httpd writes them, made into the names that they stand for (DER).

httpd writes RFC 4514, with OpenSSL's short names of attributes. A value whose attribute has no name there is written as
its encoding, behind a '#'. Names may be longer than RFC 5280 allows, as OpenSSL does not mind.
"""

from __future__ import annotations

import re
import ssl

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

_UTF8_STRING = 0x0C
_KIND = re.compile(r"([0-9]+(?:\.[0-9]+)+|[A-Za-z][A-Za-z0-9-]*)=")
_ENCODED = re.compile(r"#((?:[0-9A-Fa-f]{2})+)")
# What has to be escaped: NUL, '"', '+', ',', ';', '<', '>', the backslash; a blank at one end, a '#' at the beginning.
_TEXT = re.compile(r'(?![ #])(?:[^\x00"+,;<>\\]|\\[0-9A-Fa-f]{2}|\\[ "#+,;<=>\\])*(?<!(?<!\\) )')
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)


def encoded_subject(text: str) -> bytes:
    """Return the name that httpd writes as the text; raises ValueError for what it never writes."""
    relatives: list[list[bytes]] = [[]]
    at = 0
    while True:
        kind = _KIND.match(text, at)
        if kind is None:
            raise ValueError("no attribute where one belongs")
        value = _ENCODED.match(text, kind.end()) or _TEXT.match(text, kind.end())
        if value is None:
            raise ValueError("a value that cannot be")
        relatives[-1].append(der.sequence(der.oid(_number_of(kind[1])), _encoded_value(value[0])))
        at = value.end()
        if at == len(text):
            break
        if text[at] == ",":
            relatives.append([])
        elif text[at] != "+":
            raise ValueError("something behind a value")
        at += 1
    return der.sequence(*(der.element(der.SET, *sorted(pairs)) for pairs in reversed(relatives)))


def _number_of(kind: str) -> str:
    """Return the number of a kind of attribute, by its number or OpenSSL's name for it."""
    return kind if "." in kind else ssl._ASN1Object.fromname(kind).oid


def _encoded_value(value: str) -> bytes:
    if value.startswith("#"):
        whole = bytes.fromhex(value[1:])
        der.content(whole)  # raises ValueError for what is none
        return whole
    plain = _ESCAPED.sub(lambda one: bytes.fromhex(one[1].decode()) if len(one[1]) == 2 else one[1], value.encode())
    return der.element(_UTF8_STRING, plain.decode().encode())
