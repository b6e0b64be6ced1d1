# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What opening a PKCS#12 would cost, told from its numbers before it is tried."""

from __future__ import annotations

import math

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.decryption import (
    MAXIMUM_ITERATIONS,
    MAXIMUM_SCRYPT,
    costly,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError

MAXIMUM_NESTED = 64  # times that a byte is looked at, once for each element that it is in


def refuse_costly(given: bytes) -> None:
    """Refuse key derivations that would take long: a hostile iteration count hangs whoever tries the passphrase.

    PBKDF2, scrypt, PKCS#12's own derivation and its MAC all state their cost in the integers that follow the salt,
    an octet string (RFC 8018, 7914, 7292). PKCS#12 nests them in further octet strings. Raises FormError.
    """
    pending = [given]
    elements, room = 0, MAXIMUM_NESTED * len(given)
    while pending:
        data, at = pending.pop(), 0
        room -= len(data)
        if room < 0:
            raise FormError("is DER of too many parts.")
        if der.is_indefinite(data):
            data = _definite(data)
        salted = False
        costs: list[int] = []
        while at + 2 <= len(data):
            try:
                length, inner = der.header(data, at)
            except DerError:
                break
            if salted and data[at] == der.INTEGER:
                costs.append(int.from_bytes(data[inner : inner + min(length, 16)], "big"))
            salted = salted or data[at] == der.OCTET_STRING
            if data[at] == der.OCTET_STRING or data[at] & der.CONSTRUCTED:
                pending.append(data[inner : inner + length])
            at = inner + length
            elements += 1
            if elements > der.MAXIMUM_ELEMENTS:
                raise FormError("is DER of too many parts.")
        scrypt = len(costs) >= 3  # N, r, p; PBKDF2 has iterations and at most the key's length
        if (scrypt and math.prod(costs[:3]) > MAXIMUM_SCRYPT) or (costs and costs[0] > MAXIMUM_ITERATIONS):
            raise costly()


def _definite(data: bytes) -> bytes:
    """Return BER with definite lengths; where it is none, as random bytes may begin so, what is in it."""
    try:
        return der.definite(data)
    except DerError:
        at = 0
        while der.is_indefinite(data[at : at + 2]):
            at += 2
        return data[at:]
