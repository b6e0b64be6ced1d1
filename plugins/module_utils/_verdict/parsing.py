# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates, keys and revocation lists out of every form that people hold. The content decides, never the name."""

from __future__ import annotations

import warnings

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.containers import from_pkcs7, from_pkcs12, from_zip
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import first_element, header
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import MAXIMUM_SIZE, Contents, FormError, merged
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.keys import loaded_key, private_key
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.pem import blocks, decoded, without_mark
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.x509_parsing import parse_certificate, parse_crl


def read(data: bytes, source: str, passphrase: bytes | None = None) -> Contents:
    """Return what PEM, DER, PKCS#7, PKCS#12 or a zip of these holds. Messages call it by its source.

    Raises FormError for what is empty, too large, damaged, none of these, or encrypted and not opened.
    """
    if len(data) > MAXIMUM_SIZE:
        raise FormError(f"has {len(data)} bytes; at most {MAXIMUM_SIZE} are read.")
    if not data.strip():
        raise FormError("is empty.")
    with warnings.catch_warnings():
        # Such as a negative serial number. What matters of it becomes a finding.
        warnings.simplefilter("ignore")
        if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return from_zip(data, lambda content: _single(content, source, passphrase))
        return _single(data, source, passphrase)


def _single(data: bytes, source: str, passphrase: bytes | None) -> Contents:
    if data[:1] == b"\x30":
        return _from_der(data, source, passphrase)
    text = without_mark(data)
    if b"-----BEGIN " in text:
        return merged(_from_block(label, body, source, passphrase) for label, body in blocks(text))
    raise FormError("is neither PEM, DER, PKCS#7, PKCS#12 nor a zip.")


def _from_block(label: str, body: bytes, source: str, passphrase: bytes | None) -> Contents:
    if label.endswith("PRIVATE KEY"):
        if label == "OPENSSH PRIVATE KEY":
            return Contents(others=("an SSH key",))
        return Contents(keys=(private_key(label, body, passphrase),))
    if label in ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
        der = decoded(body)
        # OpenSSL puts its trust settings behind a TRUSTED CERTIFICATE.
        return Contents(
            certificates=(parse_certificate(first_element(der) if label.startswith("TRUSTED") else der, source),)
        )
    if label == "X509 CRL":
        return Contents(crls=(parse_crl(decoded(body)),))
    if label in ("PKCS7", "CMS"):
        return from_pkcs7(decoded(body), source)
    names = {"CERTIFICATE REQUEST": "a certificate request", "NEW CERTIFICATE REQUEST": "a certificate request"}
    return Contents(others=(names.get(label, "something else in PEM"),))


def _from_der(data: bytes, source: str, passphrase: bytes | None) -> Contents:
    """Return what is in DER, told apart by how each form starts (RFC 5280, 2315, 7292, 5958, 5915, 8017)."""
    _length, inner = header(data, 0)
    head = data[inner : inner + 32]
    if head.startswith(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"):
        return from_pkcs7(data, source)
    if head.startswith(b"\x02\x01\x03"):
        return from_pkcs12(data, source, passphrase)
    if head.startswith((b"\x02\x01\x00", b"\x02\x01\x01")):
        return Contents(keys=(loaded_key(data, passphrase, pem=False),))
    if b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05" in head[:16] or b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c" in head:
        return Contents(keys=(loaded_key(data, passphrase, pem=False),))
    try:
        return Contents(certificates=(parse_certificate(data, source),))
    except FormError as not_a_certificate:
        try:
            return Contents(crls=(parse_crl(data),))
        except FormError:
            raise not_a_certificate from None
