# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Throwaway clients with which a server is probed, made anew on the controller for each run."""

from __future__ import annotations

import datetime

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import Identity, Probes

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    HAS_CRYPTOGRAPHY = False
    CRYPTOGRAPHY_IMPORT_ERROR = str(error)
else:
    HAS_CRYPTOGRAPHY = True
    CRYPTOGRAPHY_IMPORT_ERROR = ""

_DAY = datetime.timedelta(days=1)


def make_probes(now: datetime.datetime | None = None) -> Probes:
    """Return fresh probes, valid from a day before ``now`` (aware; default: this moment) to two days after.

    The days leave room for a target whose clock is off.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    authority, trusted = _authority_with_client("mtls.httpd probe", now)
    _stranger_authority, stranger = _authority_with_client("mtls.httpd stranger", now)
    return Probes(authority, trusted, stranger)


def _authority_with_client(name: str, now: datetime.datetime) -> tuple[bytes, Identity]:
    """Return a new authority's certificate (PEM) and a client of it."""
    authority_name = _name(f"{name} CA")
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        _builder(authority_name, authority_key.public_key(), now)
        .issuer_name(authority_name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    client_key = ec.generate_private_key(ec.SECP256R1())
    client = (
        _builder(_name(f"{name} client"), client_key.public_key(), now)
        .issuer_name(authority_name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    identity = Identity(
        client.public_bytes(Encoding.PEM),
        client_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    return authority.public_bytes(Encoding.PEM), identity


def _builder(name: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 2 * _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
