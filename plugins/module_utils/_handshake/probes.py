# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Throwaway clients with which a server is probed, made anew on the controller for each run."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity, Probes
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.subjects import encoded_subject
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

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

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of each, before and after its making: a host's clock may be years off, and its watchman and its program for renewals
# go on as them for long. What is theirs is trusted in rehearsals alone.
_LIFETIME = datetime.timedelta(days=3650)


def make_probes(now: datetime.datetime | None = None, pins: Iterable[str] = ()) -> Probes:
    """Return fresh probes, valid from ten years before ``now`` (aware; default: this moment) to ten years after.

    ``pins`` are those of the sites' facts: each gets a client that fulfils it, and no other.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    probe, stranger = _Authority("mtls.httpd probe", now), _Authority("mtls.httpd stranger", now)
    revoked = probe.client()
    return Probes(
        ca=probe.certificate,
        trusted=probe.client(),
        stranger=stranger.client(),
        crl=probe.crl(revoked),
        revoked=revoked,
        pinned={pin: probe.client(pin) for pin in dict.fromkeys(pins)},
    )


def alternative_name(text: str) -> x509.GeneralName:
    """Return an e-mail address, if there is an @ in it, else a DNS name. Raises ValueError for what is neither."""
    if not text.isprintable() or " " in text:
        raise ValueError("a space or an unprintable character")
    if "@" in text:
        if not all(text.split("@")):
            raise ValueError("nothing on one side of the @")
        return x509.RFC822Name(text)
    if not re.fullmatch(r"(\*\.)?[A-Za-z0-9._-]+", text):
        raise ValueError("a character that no DNS name has")
    return x509.DNSName(text)


def renamed(certificate: bytes, subject: bytes, issuer_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a certificate with another subject, and signed anew; all DER. Its maker refuses names that are odd."""
    signed, algorithm, _signature = der.children(certificate)
    version, serial, inner, issuer, validity, _subject, *others = der.children(signed)
    body = der.sequence(version, serial, inner, issuer, validity, subject, *others)
    return der.sequence(body, algorithm, der.bits(issuer_key.sign(body, ec.ECDSA(hashes.SHA256()))))


class _Authority:
    """A throwaway authority. `certificate` is its own (PEM)."""

    def __init__(self, name: str, now: datetime.datetime) -> None:
        self._name, self._now = name, now
        self._subject = _name(f"{name} CA")
        self._key = ec.generate_private_key(ec.SECP256R1())
        authority = (
            _builder(self._subject, self._key.public_key(), now)
            .issuer_name(self._subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = authority.public_bytes(Encoding.PEM)

    def client(self, pin: str = "") -> Identity:
        """Return a client, with the subject or alternative name of the pin if that is for one."""
        kind, _colon, value = pin.partition(":")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(f"{self._name} client"), key.public_key(), self._now)
            .issuer_name(self._subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if kind in ("dns", "email"):
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative_name(value)]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.DER)
        if kind == "subject":
            certificate = renamed(certificate, encoded_subject(value), self._key)
        return Identity(
            der.pem("CERTIFICATE", certificate),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )

    def crl(self, client: Identity) -> bytes:
        """Return its revocation list (PEM), which names one client."""
        serial = x509.load_pem_x509_certificate(client.certificate).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self._now - _LIFETIME).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._subject).add_revoked_certificate(entry)
        builder = builder.last_update(self._now - _LIFETIME).next_update(self._now + _LIFETIME)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _builder(name: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFETIME)
        .not_valid_after(now + _LIFETIME)
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
