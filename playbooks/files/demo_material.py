# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for the demo and the tests: authorities, and what they issue.

From the command line it writes all that the demo needs into a folder:

    demo_material.py FOLDER [--domain DOMAIN]

Nothing of it is Tencent's: the TencentQQAuthCA.crt in the zip is a stand-in, made here, and its subject says so.
"""

from __future__ import annotations

import argparse
import io
import os
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

PrivateKey = Union[ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey]

CHAT_CA_NAME = "TencentQQAuthCA (stand-in, made by the demo)"
CHAT_CA_FILE = "TencentQQAuthCA.crt"


def new_key(kind: str = "ec") -> PrivateKey:
    """Return a new private key: `ec` (P-256, made at once) or `rsa` (2048 bits; `rsa1024` is one of 1024)."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:] or 2048))


def key_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return `key` as PEM of PKCS#8, encrypted where there is a passphrase."""
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def pem(*certificates: x509.Certificate) -> bytes:
    """Return `certificates` as PEM, in the order given."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def zipped(name: str, content: bytes) -> bytes:
    """Return a zip of one file, as the download of TencentQQAuthCA.crt is."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def sha256(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint of `certificate`, as lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True)
class Issued:
    """A certificate, its private key, and the intermediates up to the root, nearest first."""

    certificate: x509.Certificate
    key: PrivateKey
    intermediates: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate alone, as PEM: what `certificate` takes."""
        return pem(self.certificate)

    @property
    def chain_pem(self) -> bytes:
        """The intermediates, as PEM: what `chain` takes."""
        return pem(*self.intermediates)

    @property
    def full_pem(self) -> bytes:
        """The certificate, then the intermediates, as PEM: what httpd and `ssl` send."""
        return self.pem + self.chain_pem

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PEM: what `private_key` takes."""
        return key_pem(self.key)

    @property
    def serial(self) -> str:
        """The serial number as OpenSSL writes it: hexadecimal, two digits a byte."""
        return self.certificate.serial_number.to_bytes(20, "big").lstrip(b"\0").hex().upper()

    @property
    def sha256(self) -> str:
        """The certificate's SHA-256 fingerprint, as lower-case hex."""
        return sha256(self.certificate)


class Authority:
    """A certificate authority: a root, or where there is an `issuer`, an intermediate of it.

    Times are aware; the default is from yesterday on, for ten years. `ocsp` is the URL of the responder that an
    intermediate names.
    """

    def __init__(
        self,
        name: str,
        *,
        issuer: Authority | None = None,
        key_type: str = "ec",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        path_length: int | None = None,
        ocsp: str = "",
    ) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = new_key(key_type)
        self.issuer = issuer
        signer = issuer or self
        builder = (
            _builder(self.name, self.key, signer.name, signer.key, not_before, not_after, timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        )
        builder = _named(builder, ocsp)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """Its certificate as PEM: what `client_ca` and `trust_anchors` take, if it is a root."""
        return pem(self.certificate)

    @property
    def sha256(self) -> str:
        """Its certificate's SHA-256 fingerprint, as lower-case hex."""
        return sha256(self.certificate)

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """What stands between what it issues and the root: itself and its issuers, but for the root."""
        return (self.certificate, *self.issuer.intermediates) if self.issuer else ()

    def issue(
        self,
        *names: str,
        client: bool = False,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        key: PrivateKey | None = None,
        key_type: str = "ec",
        common_name: str | None = None,
        organization: str = "",
        usages: tuple[x509.ObjectIdentifier, ...] | None = None,
        ocsp: str = "",
    ) -> Issued:
        """Issue a certificate for `names` (domains or addresses; the first one is the common name), for 90 days.

        A server's, or with `client` a client's. `usages` are the extended key usages instead, none if empty.
        `ocsp` is the URL of the responder that it names.
        """
        if usages is None:
            usages = (ExtendedKeyUsageOID.CLIENT_AUTH,) if client else (ExtendedKeyUsageOID.SERVER_AUTH,)
        key = key or new_key(key_type)
        told = ((NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name or names[0]))
        subject = x509.Name([x509.NameAttribute(kind, text) for kind, text in told if text])
        builder = (
            _builder(subject, key, self.name, self.key, not_before, not_after, timedelta(days=90))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage("digital_signature"), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = _named(builder, ocsp)
        return Issued(builder.sign(self.key, hashes.SHA256()), key, self.intermediates)

    def crl(self, *revoked: Issued, next_update: datetime | None = None) -> bytes:
        """Return its revocation list of `revoked`, as PEM; it is due again in a week, or at `next_update`."""
        now = datetime.now(timezone.utc)
        due = next_update or now + timedelta(days=7)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(min(now, due) - timedelta(days=1)).next_update(due)
        for issued in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def self_signed(name: x509.Name) -> Issued:
    """Return a client's certificate that says `name` issued it, signed by its own key: what an impostor brings."""
    key = new_key()
    return Issued(_builder(name, key, name, key, None, None, timedelta(days=90)).sign(key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    key: PrivateKey,
    issuer_name: x509.Name,
    issuer_key: PrivateKey,
    not_before: datetime | None,
    not_after: datetime | None,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    end = not_after or now + lifetime
    start = not_before or min(now, end) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _named(builder: x509.CertificateBuilder, ocsp: str) -> x509.CertificateBuilder:
    """Have a certificate name the OCSP responder at the URL `ocsp`, none if empty."""
    if not ocsp:
        return builder
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
    return builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)


def _key_usage(*uses: str) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in uses for name in names.split()})


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write(folder: Path, name: str, content: bytes) -> None:
    """Write a file of `folder`; a key is its owner's alone from the first byte."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if name.endswith(".key") else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def make(folder: Path, domain: str) -> None:
    """Write the demo's material for `domain` into `folder`."""
    now = datetime.now(timezone.utc)
    root = Authority("Demo Root CA", path_length=1)
    public = Authority("Demo Issuing CA", issuer=root, path_length=0)
    chat = Authority(CHAT_CA_NAME)
    impostor = Authority(CHAT_CA_NAME)

    write(folder, "root-ca.crt", root.pem)
    write(folder, f"{CHAT_CA_FILE}.zip", zipped(CHAT_CA_FILE, chat.pem))
    servers = {
        "first": public.issue(domain),
        "expiring": public.issue(domain, not_before=now - timedelta(days=85), not_after=now + timedelta(days=5.5)),
        "renewed": public.issue(domain),
    }
    for version, server in servers.items():
        write(folder, f"{version}/{domain}.crt", server.pem)
        write(folder, f"{version}/{domain}.key", server.key_pem)
        write(folder, f"{version}/{domain}.chain.crt", server.chain_pem)
    write(folder, f"mismatched/{domain}.key", key_pem(new_key()))
    clients = {
        "chat": chat.issue(client=True, common_name="Chat (stand-in, made by the demo)"),
        "stranger": impostor.issue(client=True, common_name="Chat (stand-in, made by the demo)"),
        "expired": chat.issue(client=True, common_name="Chat, expired", not_after=now - timedelta(days=1)),
        "self-signed": self_signed(chat.name),
    }
    for kind, client in clients.items():
        write(folder, f"clients/{kind}.crt", client.full_pem)
        write(folder, f"clients/{kind}.key", client.key_pem)


def main() -> None:
    """Write the demo's material."""
    parser = argparse.ArgumentParser(description="Write the material of the demo into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--domain", default="www.example.com")
    given = parser.parse_args()
    make(given.folder, given.domain)


if __name__ == "__main__":
    main()
