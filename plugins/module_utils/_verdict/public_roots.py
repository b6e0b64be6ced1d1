# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The roots that this machine trusts, and whether a key is one of theirs: by the standard library alone.

A root is its key, whatever edition of its certificate it comes in: issued anew, or by another root, or with the key
written in another way. The store is searched as bytes, since it takes a while to be parsed, and may hold what cannot
be.
"""

from __future__ import annotations

import binascii
import contextlib
import functools
import re
import ssl
from pathlib import Path

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material

_BLOCK = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END")
_RSA, _EC = ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"), "1.2.840.10045.2.1"
_UNCOMPRESSED = b"\x04"


@functools.cache
def default_store() -> Material:
    """Return the roots that this machine trusts: the file that its OpenSSL is set to, SSL_CERT_FILE first."""
    paths = ssl.get_default_verify_paths()
    known = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    for path in (paths.cafile, paths.openssl_cafile, *known):
        if path and Path(path).is_file():
            return Material(Path(path).read_bytes(), path)
    return Material(b"", "the controller's store (none was found)")


def contents(store: bytes) -> bytes:
    """Return what all blocks of a store (PEM) hold, one behind the other."""
    found = []
    for block in _BLOCK.findall(store):
        with contextlib.suppress(binascii.Error):
            found.append(binascii.a2b_base64(block))
    return b"".join(found)


def key_content(public: bytes) -> bytes:
    """Return what is in every way of writing a key (SubjectPublicKeyInfo; RFC 3279, 2.3).

    Of RSA that is the modulus, of a point its first half, else all of it.
    """
    try:
        algorithm, key = der.children(public)
        kind, bits = der.oid_text(der.children(algorithm)[0]), der.content(key)[1:]
        if kind in _RSA:
            return der.content(der.children(bits)[0]).lstrip(b"\0") or public
        if kind == _EC:
            return (bits[1 : 1 + (len(bits) - 1) // 2] if bits[:1] == _UNCOMPRESSED else bits[1:]) or public
    except (ValueError, IndexError):
        pass
    return public
