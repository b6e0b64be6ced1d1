# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is to be known of one certificate, each thing worked out once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import printable

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
except ImportError:
    # parsing.HAS_CRYPTOGRAPHY tells, and nobody comes here without asking it.
    pass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    Extension = TypeVar("Extension", bound=x509.ExtensionType)


class Certificate:
    """A certificate, and what messages call the file or option that it came from.

    It is written `Certificate` wherever it stands, and that of cryptography, which it holds as `parsed`, is always
    written `x509.Certificate`. Two are equal if what is parsed is. Making one raises what cryptography raises for an
    extension that it cannot parse.
    """

    def __init__(self, certificate: x509.Certificate, source: str) -> None:
        self.parsed = certificate
        self.source = source
        self.begin = certificate.not_valid_before_utc
        self.end = certificate.not_valid_after_utc
        self.subject = certificate.subject  # the name of its holder
        self.issuer = certificate.issuer  # the name of who signed it
        self.version = certificate.version
        self._extensions: dict[type[x509.ExtensionType], Any] = {
            type(extension.value): extension.value for extension in certificate.extensions
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.parsed == other.parsed

    def __hash__(self) -> int:
        return hash(self.parsed)

    def extension(self, kind: type[Extension]) -> Extension | None:
        """Return the value of the extension, or None."""
        return self._extensions.get(kind)

    @cached_property
    def key(self) -> CertificatePublicKeyTypes | None:
        """Its public key; None if it is of a kind that is not known."""
        try:
            return self.parsed.public_key()
        except (ValueError, UnsupportedAlgorithm):
            return None

    @cached_property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same."""
        return self.subject == self.issuer

    @cached_property
    def self_signed(self) -> bool:
        """Whether its own key signed it, as a root's. A CA's certificate for its next key is self-issued alone."""
        return self.self_issued and signed_by(self.parsed, self.parsed)

    @cached_property
    def is_ca(self) -> bool:
        """Whether its basic constraints say that it is a CA."""
        constraints = self.extension(x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @cached_property
    def may_issue(self) -> bool:
        """Whether OpenSSL takes it for a CA (X509_check_ca): also a self-signed one of version 1."""
        usage = self.extension(x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            return False
        if self.extension(x509.BasicConstraints) is not None:
            return self.is_ca
        return usage is not None or (self.version == x509.Version.v1 and self.self_issued)

    @cached_property
    def names(self) -> list[str]:
        """The DNS names among the subject alternative names, in lower case."""
        alternatives = self.extension(x509.SubjectAlternativeName)
        if alternatives is None:
            return []
        return [printable(name).lower() for name in alternatives.get_values_for_type(x509.DNSName)]

    def covers(self, domain: str) -> bool:
        """Return whether one of its names is the domain's (RFC 9525, 6.3).

        A wildcard is a whole first label, with two labels or more behind it: OpenSSL and browsers take no '*.com'.
        """
        first, _dot, rest = domain.partition(".")
        return domain in self.names or (bool(first) and "." in rest and f"*.{rest}" in self.names)

    def names_place(self, point: x509.IssuingDistributionPoint) -> bool:
        """Return whether a CRL with this distribution point is one that it names (RFC 5280, 6.3.3)."""
        places = set(point.full_name or ())
        return any(places & set(one.full_name or ()) for one in self.extension(x509.CRLDistributionPoints) or ())

    @cached_property
    def label(self) -> str:
        """What messages call it: its common name, else its subject, else its first DNS name."""
        return called(self.subject) or next(iter(self.names), "a certificate without a name")

    @cached_property
    def issuer_url(self) -> str:
        """Where its authority says that the issuer's certificate is published; empty if it does not, or oddly."""
        for access in self.extension(x509.AuthorityInformationAccess) or ():
            is_issuers = access.access_method == AuthorityInformationAccessOID.CA_ISSUERS
            url = access.access_location.value
            if is_issuers and isinstance(url, str) and re.fullmatch(r"https?://[\w.~:/?@=,%-]{1,200}", url, re.ASCII):
                return url
        return ""

    @cached_property
    def sha256(self) -> str:
        """Its SHA-256 fingerprint, in lower-case hexadecimal."""
        return self.parsed.fingerprint(hashes.SHA256()).hex()

    @cached_property
    def pem(self) -> bytes:
        """It as PEM, with LF and no text around it."""
        return self.parsed.public_bytes(serialization.Encoding.PEM)

    def description(self, at: datetime, use: str) -> dict[str, Any]:
        """Return the fields that validate_certificate documents, as of an aware moment."""
        left, lifetime = self.end - at, self.end - self.begin
        percent = int(100 * left / lifetime) if lifetime else 0
        return {
            "use": use,
            "source": self.source,
            "subject": self.subject.rfc4514_string(),
            "issuer": self.issuer.rfc4514_string(),
            "names": self.names,
            "serial": f"{self.parsed.serial_number:x}",
            "sha256": self.sha256,
            "not_before": iso(self.begin),
            "not_after": iso(self.end),
            "days_left": left.days,
            "lifetime_left_percent": min(100, max(0, percent)),
        }


@dataclass(frozen=True)
class RevocationList:
    """A CRL as cryptography parsed it, and what messages call the file or option that it came from."""

    parsed: x509.CertificateRevocationList
    source: str


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether the issuer's name and key are those that signed the certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def called(name: x509.Name) -> str:
    """Return how messages call a subject or issuer: its common name, else all of it; printable."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return (text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text))[:80]


def iso(moment: datetime) -> str:
    """Return an aware moment in UTC, as ISO 8601 with seconds."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def some(texts: Iterable[str]) -> str:
    """Return the first five of the texts, and how many there are besides."""
    listed = list(texts)
    shown = ", ".join(listed[:5]) or "none"
    return f"{shown} and {len(listed) - 5} more" if len(listed) > 5 else shown
