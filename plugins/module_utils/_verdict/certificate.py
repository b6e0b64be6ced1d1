# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is to be known of one certificate, each thing worked out once."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Parts, comparable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import printable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.key_kinds import EC, kind_of_no_use
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.odd_encoding import (
    WRITTEN_OUT,
    SignedParts,
    signed_parts,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.signature import (
    Signature,
    algorithm_of,
    check,
    name_key,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.validity import Span, iso

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
    from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

    _KINDS = (
        rsa.RSAPublicKey,
        ec.EllipticCurvePublicKey,
        ed25519.Ed25519PublicKey,
        ed448.Ed448PublicKey,
        dsa.DSAPublicKey,
    )

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.signature import NameKey

    Extension = TypeVar("Extension", bound=x509.ExtensionType)


class Certificate:
    """A certificate, and what messages call the file or option that it came from.

    It is written `Certificate` wherever it stands, and that of cryptography, which it holds as `parsed`, is always
    written `x509.Certificate`. Where OpenSSL reads the encoding and cryptography does not, `parsed` is a copy for
    judging alone, and `oddities` says why; `given` is always what was given. Two are equal if what was given is.

    All that is used later is read as one is made, which raises what cryptography raises for what it cannot parse.
    """

    def __init__(
        self, certificate: x509.Certificate, source: str, given: bytes = b"", oddities: tuple[str, ...] = ()
    ) -> None:
        self.trust_settings = b""  # that stood behind it
        self.parsed = certificate
        self.source = source
        self.given = given or certificate.public_bytes(serialization.Encoding.DER)
        self.oddities = oddities
        self.begin = certificate.not_valid_before_utc
        self.end = certificate.not_valid_after_utc
        self.subject = certificate.subject  # the name of its holder
        self.issuer = certificate.issuer  # the name of who signed it
        self.version = certificate.version
        self.serial = certificate.serial_number
        self.algorithm = algorithm_of(certificate)
        self.key = _known_key(certificate)
        self._extensions: dict[type[x509.ExtensionType], Any] = {
            type(extension.value): extension.value for extension in certificate.extensions
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.given == other.given

    def __hash__(self) -> int:
        return hash(self.given)

    def extension(self, kind: type[Extension]) -> Extension | None:
        """Return the value of the extension, or None."""
        return self._extensions.get(kind)

    @cached_property
    def subject_key(self) -> NameKey:
        """What its subject is compared by."""
        return name_key(self.subject)

    @cached_property
    def issuer_key(self) -> NameKey:
        """What its issuer is compared by."""
        return name_key(self.issuer)

    @cached_property
    def parts(self) -> SignedParts:
        """What of it is signed, and the signature, as they were given."""
        if self.oddities:
            return signed_parts(self.given)
        return SignedParts(self.parsed.tbs_certificate_bytes, self.parsed.signature)

    @cached_property
    def key_kind(self) -> str:
        """What to say of a public key that is not known, behind 'its key is'; empty for one that is."""
        if self.key is not None:
            return ""
        if WRITTEN_OUT in self.given:
            return "on a curve that is written out in numbers instead of named"
        kind, *curve = *_numbers_of_key(self.given), ""
        return kind_of_no_use(curve[0] if kind == EC and curve[0] else kind, on_curve=kind == EC)

    @cached_property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same."""
        return self.subject_key == self.issuer_key

    @cached_property
    def self_signed(self) -> bool:
        """Whether its own key signed it, as a root's. A CA's certificate for its next key is self-issued alone."""
        return signed_by(self, self)

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

    @property
    def may_sign(self) -> bool:
        """Whether its key usage lets a server sign with its key."""
        usage = self.extension(x509.KeyUsage)
        return usage is None or usage.digital_signature

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

    def has_common_name(self, domain: str) -> bool:
        """Return whether one of its common names is the domain's."""
        common = [str(one.value).lower() for one in self.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        _first, _dot, rest = domain.partition(".")
        return domain in common or ("." in rest and f"*.{rest}" in common)

    def names_place(self, point: x509.IssuingDistributionPoint) -> bool:
        """Return whether a CRL with this distribution point is one that it names (RFC 5280, 6.3.3)."""
        places = set(point.full_name or ())
        return any(places & set(one.full_name or ()) for one in self.extension(x509.CRLDistributionPoints) or ())

    @cached_property
    def label(self) -> str:
        """What messages call it: its common name, else its subject, else its first DNS name."""
        return called(self.subject) or next(iter(self.names), "a certificate without a name")

    @property
    def span(self) -> Span:
        """From when to when it is valid."""
        return Span(self.label, self.source, self.begin, self.end)

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
    def generalized_times(self) -> list[datetime]:
        """Those of its times that are written as GeneralizedTime."""
        parts = [one for one in der.first(self.parts.signed).children() if one.tag == der.SEQUENCE]
        times = parts[2].children() if len(parts) > 2 else []  # behind algorithm and issuer
        return [moment for one, moment in zip(times, (self.begin, self.end)) if one.tag == der.GENERALIZED_TIME]

    def read_all(self) -> Certificate:
        """Work out what of it may raise, and return it: whatever cryptography raises for what it cannot parse."""
        _worked_out = self.label, self.names, self.key_kind
        return self

    @cached_property
    def sha256(self) -> str:
        """Its SHA-256 fingerprint, in lower-case hexadecimal."""
        return hashlib.sha256(self.given).hexdigest()

    def signature(self, issuer: Certificate) -> Signature:
        """Return whether the issuer's key signed it."""
        return check(self.parts, self.algorithm, issuer.key)

    @cached_property
    def der(self) -> bytes:
        """It as DER, as it was given."""
        return self.given

    @cached_property
    def fields(self) -> Parts:
        """It taken apart, each part as the bytes that it is."""
        return Parts.of(self.der)

    @cached_property
    def issuer_compared(self) -> object:
        """The name of its issuer, as OpenSSL compares names."""
        return comparable(self.fields.issuer)

    @cached_property
    def pem(self) -> bytes:
        """It as PEM, with LF and no text around it."""
        return ssl.DER_cert_to_PEM_cert(self.given).encode()

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
            "serial": f"{self.serial:x}",
            "sha256": self.sha256,
            "not_before": iso(self.begin),
            "not_after": iso(self.end),
            "days_left": left.days,
            "lifetime_left_percent": min(100, max(0, percent)),
        }


@dataclass(frozen=True)
class RevocationList:
    """A CRL as cryptography parsed it, and what messages call the file or option that it came from.

    Where OpenSSL reads the encoding and cryptography does not, `parsed` is a copy for judging alone; `given` is what
    was given. Two are equal if that is.
    """

    parsed: x509.CertificateRevocationList = field(compare=False)
    source: str = field(compare=False)
    given: bytes = field(repr=False)
    revoked: Mapping[int, datetime] = field(compare=False, repr=False)  # serial numbers, and since when

    @property
    def pem(self) -> bytes:
        """It as PEM, with LF and no text around it."""
        text = ssl.DER_cert_to_PEM_cert(self.given)
        return text.replace(" CERTIFICATE-", " X509 CRL-").encode()

    @property
    def span(self) -> Span:
        """From when to when it is valid, as of its issuer."""
        begin, end = self.parsed.last_update_utc, self.parsed.next_update_utc
        return Span(called(self.parsed.issuer), self.source, begin, end)

    def signature(self, issuer: Certificate) -> Signature:
        """Return whether the issuer's key signed it."""
        return check(signed_parts(self.given), algorithm_of(self.parsed), issuer.key)


def signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Return whether the issuer's name fits, and its key is not known to be another than the one that signed.

    What cannot be checked here counts as signed: that somebody did not sign is said where a check failed alone.
    """
    if certificate.issuer_key != issuer.subject_key:
        return False
    return certificate.signature(issuer) is not Signature.WRONG


def _known_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """Return the public key; None where no TLS server has keys of its kind, whatever the library makes of it.

    Some versions of cryptography take a curve that is written out for the one of these numbers; OpenSSL refuses it.
    """
    if WRITTEN_OUT in certificate.tbs_certificate_bytes:
        return None
    try:
        key = certificate.public_key()
    except DAMAGED:
        return None
    return key if isinstance(key, _KINDS) else None


def _numbers_of_key(given: bytes) -> Iterator[str]:
    """Yield the numbers by which a certificate says what kind of key it has, the kind before the curve."""
    fields = signed_parts(given).signed
    parts = [one for one in der.first(fields).children() if one.tag == der.SEQUENCE]
    # Algorithm, issuer, times, subject, key (RFC 5280, 4.1).
    for one in parts[4].children()[0].children() if len(parts) > 4 else ():
        if one.tag == der.OID:
            yield der.dotted(one.body)


def called(name: x509.Name) -> str:
    """Return how messages call a subject or issuer: its common name, else all of it; printable."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return (text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text))[:80]
