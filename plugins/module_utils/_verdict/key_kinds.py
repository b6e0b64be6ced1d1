# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Kinds of keys by their numbers: what messages call those that no TLS server uses."""

from __future__ import annotations

EC = "1.2.840.10045.2.1"  # the kind of key, whatever its curve (RFC 5480, 2.1.1)
# Kinds of keys that certificates may have and that no TLS server uses, or that some version of cryptography lacks.
NAMES = {
    "1.2.156.10197.1.301": "on the curve SM2",
    "1.3.101.110": "of the kind X25519",
    "1.3.101.111": "of the kind X448",
    "2.16.840.1.101.3.4.3.17": "of the kind ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "of the kind ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "of the kind ML-DSA-87",
    **{f"2.16.840.1.101.3.4.3.{number}": "of the kind SLH-DSA" for number in range(20, 32)},
    "1.2.643.2.2.19": "of the kind GOST R 34.10-2001",
    "1.2.643.7.1.1.1.1": "of the kind GOST R 34.10-2012",
    "1.2.643.7.1.1.1.2": "of the kind GOST R 34.10-2012",
}


def kind_of_no_use(number: str, *, on_curve: bool = False) -> str:
    """Return how messages call a kind of key, or a curve, that no TLS server uses, behind 'a key'."""
    whatever = "on a curve" if on_curve else "of a kind"
    return NAMES.get(number, f"{whatever} that is not known here ({number or 'without a number'})")
