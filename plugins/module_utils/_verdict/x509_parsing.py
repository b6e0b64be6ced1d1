# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates and revocation lists out of DER."""

from __future__ import annotations

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError, words
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY

if HAS_CRYPTOGRAPHY:
    from cryptography import x509


def parse_certificate(der: bytes, source: str) -> Certificate:
    try:
        return Certificate(x509.load_der_x509_certificate(der), source)
    except DAMAGED as error:
        raise FormError(f"holds a certificate that cannot be parsed ({words(error)}).") from None


def parse_crl(der: bytes) -> x509.CertificateRevocationList:
    try:
        crl = x509.load_der_x509_crl(der)
        _read = crl.extensions, crl.issuer, crl.next_update_utc, crl.last_update_utc
    except DAMAGED as error:
        raise FormError(f"holds a CRL that cannot be parsed ({words(error)}).") from None
    return crl
