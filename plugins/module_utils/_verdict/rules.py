# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The rules for single certificates and revocation lists. Each yields what it finds fault with."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import EXPONENT_BITS, LARGE_RSA_BITS
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import bare_rules, validity
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.bare_rules import CHAT_CA, MINIMUM_RSA_BITS, USES
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import (
    called,
    signed_by,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    ERROR,
    WARNING,
    Finding,
    command,
    finding,
    some,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.keys import MAXIMUM_RSA_BITS
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.signature import Signature, algorithm_of, name_key

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate, RevocationList

# What OpenSSL's security level 2 asks for, the default of Debian and RHEL.
MINIMUM_EC_BITS = 224
CURVES = ("secp256r1", "secp384r1", "secp521r1")
# Server Gated Crypto, as Netscape and Microsoft called it (OpenSSL: XKU_SGC).
_GATED = ("2.16.840.1.113730.4.1", "1.3.6.1.4.1.311.10.3.3")
_FROM_GENERALIZED = 2050  # RFC 5280, 4.1.2.5: from then on times are GeneralizedTime, before that UTCTime
_NEW_KEY = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key"


def time(one: Certificate, at: datetime, warn: timedelta) -> Iterator[Finding]:
    """Not before its begin, not at its end (RFC 5280, 4.1.2.5, but that OpenSSL's last second is the one before)."""
    yield from validity.of_certificate(one.span, at, warn)


def times(
    ones: Sequence[Certificate], at: datetime, warn: timedelta, remedy: str, *, needed: bool
) -> Iterator[Finding]:
    """Their times, as C(time) has it; a mere warning where they are not C(needed), as others do as well."""
    for one in ones:
        for each in time(one, at, warn):
            yield replace(each, severity=each.severity if needed else WARNING, remedy=remedy)


def strength(key: object, source: str, whose: str, kind: str = "") -> Iterator[Finding]:
    """A key of a kind and size that TLS clients and OpenSSL's default security level take.

    Of a key that is not known, `kind` says what it is.
    """
    weak = ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            weak = f"is on the curve {key.curve.name}, which clients do not know"
    elif isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MINIMUM_RSA_BITS:
            least = f"{MINIMUM_RSA_BITS} are the least by the CA/Browser Forum (BR 6.1.5)"
            weak = f"has {key.key_size} bits of RSA; {least}, and many clients refuse it"
        elif key.key_size > MAXIMUM_RSA_BITS:
            weak = f"has {key.key_size} bits of RSA; OpenSSL takes at most {MAXIMUM_RSA_BITS}"
    elif isinstance(key, dsa.DSAPublicKey):
        weak = "is a DSA key, which TLS knows no more"
    elif not isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        weak = f"is {kind or 'of a kind that is not known'}, which TLS clients do not take"
    if weak:
        yield finding("weak-key", source, f"{whose} {weak}.", f"Order a certificate for a new key: {_NEW_KEY}")


def signature(one: Certificate) -> Iterator[Finding]:
    """Not signed by way of SHA-1 or MD5, which OpenSSL's security level 1 refuses already, nor in an unknown way."""
    digest, weak = one.algorithm.digest, ""
    if isinstance(digest, (hashes.SHA1, hashes.MD5)):
        weak = f"by {digest.name.upper()}, which clients and OpenSSL refuse"
    elif not one.algorithm.is_known:
        weak = "in a way that is not known, or that lacks its parameters; clients refuse it, and httpd does not start"
    if weak:
        message = f"'{one.label}' is signed {weak}."
        look = command(one.source, "x509", "-noout -text")
        remedy = f"Ask the authority for one signed by SHA-256. To see it: {look}"
        yield finding("weak-signature", one.source, message, remedy)


def encoding(one: Certificate) -> Iterator[Finding]:
    """In DER, as X.690 has it, and not only as OpenSSL reads it."""
    yield from bare_rules.encoding(one.source, one.label, one.oddities)


def spelling(one: Certificate, issuer: Certificate) -> Iterator[Finding]:
    """The issuer's name, written as the issuer itself writes it; OpenSSL does not mind (RFC 5280, 7.1)."""
    if (
        not (one.oddities or issuer.oddities)
        and one.parsed.issuer.public_bytes() != issuer.parsed.subject.public_bytes()
    ):
        message = (
            f"'{one.label}' writes the name of its issuer '{issuer.label}' otherwise than that one does (case, blanks "
            "or type of text); OpenSSL's clients follow it, strict ones do not."
        )
        remedy = f"Ask the authority for one that names it alike: {command(one.source, 'x509', '-noout -issuer')}"
        yield finding("path-refused", one.source, message, f"{remedy} -nameopt multiline,show_type")


def root_form(one: Certificate) -> Iterator[Finding]:
    """A root of version 3, with a serial number and times as RFC 5280 writes them: strict clients ask for it.

    A certificate of the path is not to be looked at for a fault of its root.
    """
    wrong = []
    if one.version != x509.Version.v3:
        wrong.append("it is of version 1")
    if one.serial <= 0:
        wrong.append("its serial number is not positive")
    if one.serial.bit_length() >= 20 * 8:
        wrong.append("its serial number has more than 20 octets")
    if any(moment.year < _FROM_GENERALIZED for moment in one.generalized_times):
        wrong.append(f"it writes a time before {_FROM_GENERALIZED} as GeneralizedTime")
    if wrong:
        message = f"of the root '{one.label}', {some(wrong)}; strict clients refuse it, though OpenSSL's follow it."
        look = command(one.source, "x509", "-noout -text")
        yield finding(
            "bad-form", one.source, message, f"Ask the authority for a root without the fault. To see it: {look}"
        )


def form(one: Certificate) -> Iterator[Finding]:
    """Version 3 with a serial number of 1 to 20 octets."""
    yield from bare_rules.form(one.source, one.version.value + 1, one.serial)


def server_use(one: Certificate) -> Iterator[Finding]:
    """No CA, and usable for a TLS server (RFC 5280, 4.2.1.3 and 4.2.1.12)."""
    usage, purposes = one.extension(x509.KeyUsage), one.extension(x509.ExtendedKeyUsage)
    yield from bare_rules.server_use(
        one.source,
        is_ca=one.is_ca,
        certifies=usage is not None and usage.key_cert_sign,
        signs=one.may_sign,
        serves=purposes is None or ExtendedKeyUsageOID.SERVER_AUTH in purposes,
    )
    features = one.extension(x509.TLSFeature)
    demanded = features is not None and x509.TLSFeatureType.status_request in features
    yield from bare_rules.stapling(one.source, demanded=demanded)


def server_names(one: Certificate, domains: Sequence[str], *, chat: bool = False) -> Iterator[Finding]:
    """All domains are among the subject alternative names, the only ones that count (RFC 9525).

    Of a certificate that Chat issued, Chat alone is the client, and knows what it put where.
    """
    if one.extension(x509.SubjectAlternativeName) is None:
        if chat and all(one.has_common_name(domain) for domain in domains):
            message = "it names its domain as common name alone, where clients other than Chat do not look (RFC 9525)."
            yield finding("name-mismatch", one.source, message, "Nothing, as Chat issued it for itself.", WARNING)
            return
        message = "it has no subject alternative name, and clients do not look at the common name (RFC 9525)."
        order = "openssl req -new -newkey rsa:2048 -nodes -keyout new.key -out new.csr"
        names = ",".join(f"DNS:{domain}" for domain in domains) or "DNS:www.example.com"
        remedy = f"Order it anew, with the names in the request: {order} -subj / -addext subjectAltName={names}"
        yield finding("name-mismatch", one.source, message, remedy)
        return
    missing = [domain for domain in domains if not one.covers(domain)]
    if missing:
        message = f"it is not for {some(missing)}. Its names: {some(one.names)}. Clients would refuse it."
        look = command(one.source, "x509", "-noout -ext subjectAltName")
        remedy = f"Give the certificate of that domain, or order one. To see the names: {look}"
        yield finding("name-mismatch", one.source, message, remedy)


def issuing(one: Certificate) -> Iterator[Finding]:
    """A CA by basic constraints and key usage (RFC 5280, 4.2.1.9 and 4.2.1.3)."""
    if not one.may_issue:
        message = f"'{one.label}' is no CA by basic constraints and key usage, and so may not issue certificates."
        yield finding("wrong-usage", one.source, message, "Give the chain that the authority published.")


def wrong_links(one: Certificate, issuer: Certificate) -> Iterator[str]:
    """What of an authority key identifier is not the issuer's, as OpenSSL compares all that it holds (4.2.1.1)."""
    named, own = one.extension(x509.AuthorityKeyIdentifier), issuer.extension(x509.SubjectKeyIdentifier)
    if named is None:
        return
    if named.key_identifier and own is not None and named.key_identifier != own.digest:
        yield "names another key"
    if named.authority_cert_serial_number not in (None, issuer.parsed.serial_number):
        yield "names another serial number"
    directory = [each.value for each in named.authority_cert_issuer or () if isinstance(each, x509.DirectoryName)]
    if directory and directory[0] != issuer.issuer:
        yield "names another issuer of the issuer's"


def link(one: Certificate, issuer: Certificate) -> Iterator[Finding]:
    """What OpenSSL's clients ask of an issuer beyond RFC 5280: its key identifier, and its purpose by name."""
    wrong = list(wrong_links(one, issuer))
    if wrong:
        whose = f"than that of '{issuer.label}', which signed it" if one != issuer else "than its own"
        message = (
            f"the authority key identifier of '{one.label}' {' and '.join(wrong)} {whose}; "
            "OpenSSL's clients find no path."
        )
        look = command(one.source, "x509", "-noout -ext authorityKeyIdentifier")
        remedy = f"Ask the authority for a certificate without the fault. To see it: {look}"
        yield finding("untrusted-issuer", one.source, message, remedy)
    if one == issuer:
        return
    purposes = issuer.extension(x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
        is_gated = any(each.dotted_string in _GATED for each in purposes)
        refused = "OpenSSL's clients take SGC for it, and others refuse" if is_gated else "OpenSSL's clients refuse"
        message = f"the extended key usage of '{issuer.label}' lacks serverAuth; {refused} the path."
        yield finding("wrong-usage", issuer.source, message, "Ask the authority for a chain that is for TLS servers.")


def client_ca_strength(one: Certificate) -> Iterator[Finding]:
    """A key of a size that OpenSSL's security level 2 takes. Which curves it knows, differs from one to another."""
    if isinstance(one.key, rsa.RSAPublicKey):
        yield from bare_rules.rsa_of_client_ca(one.source, one.label, one.key.key_size)
    elif isinstance(one.key, ec.EllipticCurvePublicKey) and one.key.key_size < MINIMUM_EC_BITS:
        message = f"the key of '{one.label}' has {one.key.key_size} bits; OpenSSL lets no client of it in."
        yield finding("weak-key", one.source, message, "Ask whoever runs the CA for the certificate of a stronger one.")
    elif isinstance(one.key, ec.EllipticCurvePublicKey) and one.key.curve.name.startswith("brainpool"):
        message = f"the key of '{one.label}' is on the curve {one.key.curve.name}, which RHEL's OpenSSL lacks."
        yield finding("weak-key", one.source, message, "On such a host, give a CA on another curve.", WARNING)
    elif isinstance(one.key, dsa.DSAPublicKey):
        # Measured on OpenSSL 3.0: TLS knows DSA no more as a client's own key, and a chain may still be signed by one.
        is_short = one.key.key_size < MINIMUM_RSA_BITS
        why = (
            f" of {one.key.key_size} bits; OpenSSL lets no client of it in" if is_short else ", which few clients know"
        )
        message = f"the key of '{one.label}' is a DSA key{why}."
        remedy = "Ask whoever runs the CA for one with a key of another kind."
        yield finding("weak-key", one.source, message, remedy, ERROR if is_short else WARNING)
    elif one.key is None:
        kind = one.key_kind or "of a kind that is not known"
        message = f"the key of '{one.label}' is {kind}, which httpd takes of no client's CA."
        yield finding("weak-key", one.source, message, "Ask whoever runs the CA for one with a key of another kind.")


def has_long_exponent(one: Certificate) -> bool:
    """Return whether OpenSSL checks no signature by a certificate's key of RSA, as that would take it long."""
    if not isinstance(one.key, rsa.RSAPublicKey) or one.key.key_size <= LARGE_RSA_BITS:
        return False
    return one.key.public_numbers().e.bit_length() > EXPONENT_BITS


def _chat_ca(one: Certificate) -> str:
    """Return what to do about a client CA that is none."""
    return f"{CHAT_CA} To see this one: {command(one.source, 'x509', '-noout -subject -ext ' + USES)}"


def no_client_ca(one: Certificate) -> Finding:
    """Return the finding on a client CA that is none."""
    message = f"'{one.label}' is no CA by basic constraints and key usage; httpd would refuse every client."
    return finding("not-a-ca", one.source, message, _chat_ca(one))


def client_ca(one: Certificate, together: Sequence[Certificate]) -> Iterator[Finding]:
    """A CA that httpd takes for a trust anchor of clients, by itself or with the others."""
    if not one.may_issue:
        yield no_client_ca(one)
        return
    yield from client_ca_strength(one)
    digest = one.algorithm.digest
    own = bare_rules.own_signature(one.source, one.label, digest.name if digest else "")
    yield from own if one.self_issued else signature(one)
    purposes = one.extension(x509.ExtendedKeyUsage)
    accepted = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purposes is not None and not accepted & set(purposes):
        message = f"the extended key usage of '{one.label}' lacks clientAuth; httpd would refuse every client."
        yield finding("wrong-usage", one.source, message, _chat_ca(one))
    if not one.self_issued and not any(signed_by(one, other) for other in together):
        issuer = called(one.issuer)
        message = f"'{one.label}' is an intermediate without its issuer '{issuer}'"
        if any(other.subject_key == one.issuer_key for other in together):
            message = f"'{one.label}' was issued by a '{issuer}' of another key than the one that is given"
        message += "; httpd refuses the clients of an intermediate alone."
        yield finding("client-ca-incomplete", one.source, message, "Give its root as 'client_ca' too.")


def fingerprint(text: str) -> str:
    """Return a fingerprint as lower-case hexadecimal, also of all that `openssl x509 -fingerprint` prints."""
    return re.sub(r"^[^=]*=|[\s:]", "", text).lower()


def pins(given: Sequence[str], cas: Sequence[Certificate]) -> Iterator[Finding]:
    """Every client CA has a pinned fingerprint, where there are pins."""
    wanted = [fingerprint(pin) for pin in given]
    for number, pin in enumerate(wanted):
        if not re.fullmatch("[0-9a-f]{64}", pin):
            message = "is no SHA-256 fingerprint, which has 64 hexadecimal digits."
            remedy = "Take it from a trusted copy: openssl x509 -in TencentQQAuthCA.crt -noout -fingerprint -sha256"
            yield finding("wrong-fingerprint", f"client_ca_sha256[{number}]", message, remedy)
    for one in cas if wanted else ():
        if one.sha256 not in wanted:
            message = (
                f"'{one.label}' has the SHA-256 fingerprint {one.sha256}, which is not pinned; it may not be Chat's."
            )
            remedy = "Compare it with a copy from another source, and only then change 'client_ca_sha256'."
            yield finding("wrong-fingerprint", one.source, message, remedy)


def public(roots: Sequence[Certificate], store: str) -> Iterator[Finding]:
    """No client CA is a public root, unless it is pinned; one finding for all that a file holds."""
    for source in dict.fromkeys(one.source for one in roots):
        yield from bare_rules.public_roots(
            source, [(one.label, one.sha256) for one in roots if one.source == source], store
        )


def signed_crl(crl: RevocationList, issuer: Certificate) -> bool:
    """Return whether the issuer's name fits, and its key is not known to be another than the one that signed."""
    return name_key(crl.parsed.issuer) == issuer.subject_key and crl.signature(issuer) is not Signature.WRONG


def names_as_issuer(crls: Sequence[RevocationList], one: Certificate) -> bool:
    """Return whether one of the lists says that a CA issued it."""
    return any(name_key(each.parsed.issuer) == one.subject_key for each in crls)


def is_delta(crl: RevocationList) -> bool:
    """Return whether a list says what has changed since another one (RFC 5280, 5.2.4)."""
    return any(isinstance(each.value, x509.DeltaCRLIndicator) for each in crl.parsed.extensions)


def issued_by(one: Certificate, together: Sequence[Certificate]) -> list[Certificate]:
    """Return the others that name a CA as their issuer."""
    return [each for each in together if each != one and each.issuer_key == one.subject_key]


def crl_signer(one: Certificate) -> Iterator[Finding]:
    """A client CA whose key usage lets it sign CRLs (RFC 5280, 4.2.1.3)."""
    usage = one.extension(x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        message = (
            f"the key usage of the client CA '{one.label}' lacks cRLSign; with its CRL httpd refuses every client."
        )
        yield finding("crl-wrong-issuer", one.source, message, "Give no CRL, or a client CA that may sign them.")


def crl_itself(
    given: RevocationList,
    issuers: Sequence[Certificate],
    known: Sequence[Certificate],
    at: datetime,
    *,
    newer: bool,
) -> Iterator[Finding]:
    """Complete, direct, of its time (RFC 5280, 5), and signed by one of the issuers.

    `known` are the certificates of its issuer that it is for, as far as they are given. With a newer one beside it, an
    ended CRL is of no account.
    """
    crl, source = given.parsed, given.source
    issuer = called(crl.issuer)
    known_signer = not issuers or any(signed_crl(given, one) for one in issuers)
    yield from bare_rules.list_signer(source, issuer, known=known_signer)
    digest = algorithm_of(crl).digest
    yield from bare_rules.list_signature(source, issuer, digest.name if digest else "")
    yield from validity.of_list(given.span, at, newer=newer)
    for severity, kind, or_else in _odd_kinds(crl, known):
        refused = "all others" if severity else "every client"
        message = f"it {kind}; httpd would refuse {refused}" + (f", or, {or_else}." if or_else else ".")
        remedy = f"Give the CA's complete, direct CRL. To see this one: {command(source, 'crl', '-noout -text')}"
        yield finding("crl-unsupported", source, message, remedy, severity)


def _odd_kinds(crl: x509.CertificateRevocationList, known: Sequence[Certificate]) -> Iterator[tuple[str, str, str]]:
    """Yield what keeps OpenSSL from taking the CRL for all certificates of its issuer, its own among them.

    And what some versions of it do instead.
    """
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            # Measured: OpenSSL 3.0.19 takes it for the whole list, where others refuse it.
            yield "", "is a delta CRL", "with an older OpenSSL, let in whom the CRL before it revokes"
        elif isinstance(value, x509.IssuingDistributionPoint):
            scoped = value.only_contains_user_certs or value.only_contains_ca_certs
            if value.indirect_crl:
                yield "", "is an indirect CRL, which httpd does not take", ""
            elif scoped or value.only_contains_attribute_certs or value.only_some_reasons:
                yield "", "is not for all certificates of its CA (issuing distribution point)", ""
            elif value.full_name or value.relative_name:
                names = some(str(one.value) for one in value.full_name or ())
                apart = next((one for one in known if not one.names_place(value)), None)
                which = f", and '{apart.label}' does not" if apart else ""
                severity = "" if apart else WARNING
                yield severity, f"is for those certificates alone that name its place ({names}){which}", ""
        elif extension.critical and not isinstance(value, x509.AuthorityKeyIdentifier):
            yield "", f"has a critical extension that OpenSSL does not know ({extension.oid.dotted_string})", ""
