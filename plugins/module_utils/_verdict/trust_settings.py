# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What OpenSSL writes behind a TRUSTED CERTIFICATE: what its owner trusts it for, and what not (X509_CERT_AUX)."""

from __future__ import annotations

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError

FOR_SERVERS, FOR_CLIENTS = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"  # RFC 5280, 4.2.1.12
_ANY = "2.5.29.37.0"
_REJECTED = 0xA0


def behind(given: bytes) -> bytes:
    """Return what stands behind the first element of DER: the settings, where it is a TRUSTED CERTIFICATE."""
    try:
        return given[len(der.first(given).raw) :]
    except DerError:
        return b""


def is_trusted_for(settings: bytes, purpose: str) -> bool:
    """Return whether the settings leave a CA trusted for a purpose, as OpenSSL takes them (X509_check_trust)."""
    try:
        lists = der.first(settings).children() if settings else []
        rejected = [_purposes(one) for one in lists if one.tag == _REJECTED]
        trusted = [_purposes(one) for one in lists[:1] if one.tag == der.SEQUENCE]
    except DerError:
        return True  # of which OpenSSL reads nothing either
    if any({purpose, _ANY} & each for each in rejected):
        return False
    return all({purpose, _ANY} & each for each in trusted)


def _purposes(one: der.Element) -> set[str]:
    return {der.dotted(each.body) for each in one.children() if each.tag == der.OID}
