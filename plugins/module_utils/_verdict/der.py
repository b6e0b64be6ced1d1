# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Elements of DER: where each begins and ends, and what a key derivation in them would cost."""

from __future__ import annotations

import math

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError

MAXIMUM_ITERATIONS = 2_000_000  # of a key derivation; OWASP's advice of 2023 is 600,000
MAXIMUM_SCRYPT = 2**20  # N * r * p: 128 MiB; OpenSSL writes 2**17
MAXIMUM_ELEMENTS = 20_000  # of DER that is encrypted

_INTEGER, _OCTET_STRING, _CONSTRUCTED = 0x02, 0x04, 0x20


def header(data: bytes, at: int) -> tuple[int, int]:
    """Return the content's length and offset of the DER element at an offset; raises FormError for none."""
    first = data[at + 1] if at + 1 < len(data) else 0x80
    if first < 0x80:
        return first, at + 2
    size = first & 0x7F
    length = int.from_bytes(data[at + 2 : at + 2 + size], "big")
    if not 1 <= size <= 4 or at + 2 + size + length > len(data):
        raise FormError("is cut off or damaged: it starts as DER does, and has not the length that it says.")
    return length, at + 2 + size


def first_element(der: bytes) -> bytes:
    length, inner = header(der, 0)
    return der[: inner + length]


def refuse_costly(der: bytes) -> None:
    """Refuse key derivations that would take long: a hostile iteration count hangs whoever tries the passphrase.

    PBKDF2, scrypt, PKCS#12's own derivation and its MAC all state their cost in the integers that follow the salt,
    an octet string (RFC 8018, 7914, 7292). PKCS#12 nests them in further octet strings.
    """
    pending = [(0, len(der))]
    elements = 0
    while pending:
        at, end = pending.pop()
        salted = False
        costs: list[int] = []
        while at + 2 <= end:
            try:
                length, inner = header(der, at)
            except FormError:
                break
            if inner + length > end:
                break
            if salted and der[at] == _INTEGER:
                costs.append(int.from_bytes(der[inner : inner + min(length, 16)], "big"))
            salted = salted or der[at] == _OCTET_STRING
            if der[at] == _OCTET_STRING or der[at] & _CONSTRUCTED:
                pending.append((inner, inner + length))
            at = inner + length
            elements += 1
        scrypt = len(costs) >= 3  # N, r, p; PBKDF2 has iterations and at most the key's length
        if (scrypt and math.prod(costs[:3]) > MAXIMUM_SCRYPT) or (costs and costs[0] > MAXIMUM_ITERATIONS):
            raise FormError("asks for a key derivation of excessive cost.")
        if elements > MAXIMUM_ELEMENTS:
            raise FormError("is DER of too many parts.")
