# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates and revocation lists out of DER: by cryptography, and where that refuses, as OpenSSL reads them.

All that is used later is read here, inside one `try`. What a file holds can raise nowhere else.
"""

from __future__ import annotations

import re

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate, RevocationList
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Form, FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.odd_encoding import (
    EXTENSIONS,
    extension_numbers,
    part_at_fault,
    tidy_certificate,
    tidy_crl,
)

if HAS_CRYPTOGRAPHY:
    from cryptography import x509

# A signature algorithm of RSA without its NULL, or of ECDSA with one, which some versions of cryptography read, and
# then do not follow.
_ODD_ALGORITHM = re.compile(
    rb"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01[\x02\x04\x05\x0b-\x0e]"
    rb"|\x06\x08\x2a\x86\x48\xce\x3d\x04\x03[\x01-\x04]\x05\x00|\x06\x07\x2a\x86\x48\xce\x3d\x04\x01\x05\x00"
)
MAXIMUM_TRIED = 32  # extensions of a certificate that are tried one by one


def parse_certificate(given: bytes, source: str) -> Certificate:
    """Return the certificate that the DER begins with; raises FormError."""
    given = _whole(given, Form.CERTIFICATE)
    if not _ODD_ALGORITHM.search(given):
        try:
            return Certificate(x509.load_der_x509_certificate(given), source, given).read_all()
        except DAMAGED:
            pass
    try:
        return _parse_oddly_encoded(given, source)
    except DerError as error:
        raise FormError(
            f"holds a certificate that is damaged, or wrongly made: it {error}.", form=Form.CERTIFICATE
        ) from None
    except DAMAGED:
        raise _unknown(Form.CERTIFICATE) from None


def _parse_oddly_encoded(given: bytes, source: str) -> Certificate:
    """Return the certificate with a copy of it for judging, made as DER wants it; raises DAMAGED."""
    copy, oddities = tidy_certificate(given)
    if _is_read(copy):
        return Certificate(x509.load_der_x509_certificate(copy), source, given, oddities).read_all()
    numbers, spare = extension_numbers(given)
    bare = tidy_certificate(given, frozenset(numbers))[0]
    if not _is_read(bare):
        raise DerError(f"has {part_at_fault(bare, _is_read)} that cannot be parsed")
    broken = [one for one in numbers[:MAXIMUM_TRIED] if not _loads_with(given, one, numbers)]
    needed = [one for one in broken if one not in spare]
    called = ", ".join(EXTENSIONS.get(one, one) for one in needed)
    beyond = DerError(f"has an extension that cannot be parsed, or that stands there twice ({called})")
    try:
        copy, oddities = tidy_certificate(given, frozenset(broken) & spare, frozenset(needed))
    except DerError:
        raise beyond from None
    if needed and not _is_read(copy):
        raise beyond
    return Certificate(x509.load_der_x509_certificate(copy), source, given, oddities).read_all()


def _is_read(copy: bytes) -> bool:
    """Whether all can be read that is used of a certificate."""
    try:
        Certificate(x509.load_der_x509_certificate(copy), "", copy).read_all()
    except DAMAGED:
        return False
    return True


def _loads_with(given: bytes, number: str, numbers: list[str]) -> bool:
    """Whether the certificate's extension of this number parses, the others left out."""
    return _is_read(tidy_certificate(given, frozenset(numbers) - {number})[0])


def parse_crl(given: bytes, source: str) -> RevocationList:
    """Return the revocation list that the DER begins with; raises FormError."""
    given = _whole(given, Form.CRL)
    try:
        return _parse_crl(given, source, given)
    except DAMAGED:
        pass
    try:
        return _parse_crl(tidy_crl(given)[0], source, given)
    except DerError as error:
        raise FormError(f"holds a CRL that is damaged, or wrongly made: it {error}.", form=Form.CRL) from None
    except DAMAGED:
        raise _unknown(Form.CRL) from None


def _parse_crl(copy: bytes, source: str, given: bytes) -> RevocationList:
    crl = x509.load_der_x509_crl(copy)
    _read = crl.extensions, crl.issuer, crl.next_update_utc, crl.last_update_utc
    # Newer versions of cryptography keep the entries of a list unread until they are asked for.
    return RevocationList(crl, source, given, {one.serial_number: one.revocation_date_utc for one in crl})


def _whole(given: bytes, form: Form) -> bytes:
    """Return the first element; raises FormError where less is there than it announces.

    Of BER, whose length is not written, OpenSSL makes DER on the way out too: what is signed is the same.
    """
    try:
        return _closed(given) if der.is_indefinite(given) else der.first(given).raw
    except DerError as error:
        raise FormError(f"holds a {form.value} that is cut off or damaged: it {error}.", form=form) from None


def _closed(given: bytes) -> bytes:
    """Return the three parts that BER without a length begins with, with their length; raises DerError."""
    parts, at = [], 2
    for _part in range(3):
        parts.append(der.first(given[at:]).raw)
        at += len(parts[-1])
    if given[at : at + 2] != b"\x00\x00":
        raise DerError("has no end")
    return der.written(der.SEQUENCE, *parts)


def _unknown(form: Form) -> FormError:
    reason = (
        f"holds a {form.value} that is damaged, or made in a way that the library here (cryptography) does not know."
    )
    return FormError(reason, form=form)
