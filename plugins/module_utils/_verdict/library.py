# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The library cryptography: whether it is there and new enough, and what it raises for what it cannot parse."""

from __future__ import annotations

OLDEST_CRYPTOGRAPHY = 45  # that version brought the policies for extensions that certification_path needs

try:
    import cryptography
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    CRYPTOGRAPHY_ERROR = ""
    if int(cryptography.__version__.partition(".")[0]) < OLDEST_CRYPTOGRAPHY:
        CRYPTOGRAPHY_ERROR = f"version {cryptography.__version__} is too old"
except ImportError as error:
    CRYPTOGRAPHY_ERROR = str(error)
HAS_CRYPTOGRAPHY = not CRYPTOGRAPHY_ERROR

DAMAGED = (
    (
        ValueError,
        TypeError,
        OverflowError,
        LookupError,  # of a text in a name that is of no type of text
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )
    if HAS_CRYPTOGRAPHY
    else ()
)
