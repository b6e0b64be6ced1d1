# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a certificate and a private key are one pair to httpd, and the key as httpd is given it.

cryptography reads a key for RSASSA-PSS as one for RSA, and a curve that is spelled out as one that is named. OpenSSL
tells them apart by their algorithm identifiers, so that is done here.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import PrivateKey
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material

_RSA, _PSS = (der.oid(f"1.2.840.113549.1.1.{number}") for number in (1, 10))
_EC = der.oid("1.2.840.10045.2.1")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END")


def algorithm_of(one: Certificate) -> bytes:
    """Return the algorithm identifier of a certificate's key (DER)."""
    return der.children(one.fields.public)[0]


def is_for_pss(one: Certificate) -> bool:
    """Return whether a certificate's key is for RSASSA-PSS alone (RFC 4055, 1.2)."""
    return der.children(algorithm_of(one))[0] == _PSS


def spells_its_curve_out(one: Certificate) -> bool:
    """Return whether a certificate's key is on a curve that is spelled out (RFC 3279, 2.3.5), whichever that is."""
    kind, *parameters = der.children(algorithm_of(one))
    return kind == _EC and bool(parameters) and parameters[0][0] == der.SEQUENCE


def fits(key: PrivateKey, one: Certificate) -> bool:
    """Return whether the numbers of a private key are those of a certificate's, in whatever way these are written."""
    if one.key == key.public_key():
        return True
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    own = der.children(key.public_key().public_bytes(*form))
    other = der.children(one.fields.public)
    # The kind alone, for a curve that is spelled out is one that cryptography may not know.
    return own[1] == other[1] and der.children(own[0])[0] == der.children(other[0])[0]


def written_for_pss(material: Material) -> bool | None:
    """Return whether the material's key of RSA is written as one for RSASSA-PSS; None where it cannot be seen.

    That is where it is encrypted, or in a container.
    """
    if material.data[:1] == b"\x30":
        found = [(b"", material.data)]
    else:
        found = [(label, _decoded(body)) for label, body in _BLOCK.findall(material.data)]
    for label, whole in found:
        head = whole[:64]
        if _PSS in head:
            return True
        if label == b"RSA " or _RSA in head:
            return False
    return None


def key_pem(key: PrivateKey, one: Certificate) -> Secret:
    """Return the key as PEM of PKCS#8, not encrypted, of the kind that its certificate is of."""
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if not is_for_pss(one):
        return Secret(key.private_bytes(serialization.Encoding.PEM, *form))
    version, _plain, *rest = der.children(key.private_bytes(serialization.Encoding.DER, *form))
    return Secret(der.pem("PRIVATE KEY", der.sequence(version, algorithm_of(one), *rest)))


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()))
    except binascii.Error:
        return b""
