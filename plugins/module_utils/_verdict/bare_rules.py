# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules that ask for little of a certificate or list, so that a host asks them as well, in the words of the controller.

By the standard library alone. Each yields what it finds fault with.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import WARNING, command, finding, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.validity import Span

# What OpenSSL's security level 2 asks for (the default of Debian and RHEL), and the CA/Browser Forum (BR 6.1.5).
MINIMUM_RSA_BITS = 2048
# By digests that OpenSSL's security level 1 refuses already.
WEAK_DIGESTS = ("sha1", "md5")
# CA/Browser Forum, BR 6.3.2: issued from this day on, at most so many days.
LIFETIMES = (
    (datetime(2029, 3, 15, tzinfo=timezone.utc), 47),
    (datetime(2027, 3, 15, tzinfo=timezone.utc), 100),
    (datetime(2026, 3, 15, tzinfo=timezone.utc), 200),
    (datetime(2020, 9, 1, tzinfo=timezone.utc), 398),
    (datetime(2018, 3, 1, tzinfo=timezone.utc), 825),
    (datetime(2015, 4, 1, tzinfo=timezone.utc), 1186),
)
USES = "basicConstraints,keyUsage,extendedKeyUsage"  # as OpenSSL's command calls them
CHAT_CA = "Give the CA certificate that Chat publishes, TencentQQAuthCA.crt."
# Of two client CAs of one name: why no client of one is let in, and what to do.
TAKEN_FOR_ANOTHER = (
    "OpenSSL takes another client CA of its name for it, as they do not say which key they have (key identifier)",
    "Give the one alone that Chat's clients have now, or ask the CA for certificates with key identifiers.",
)
# Of a client CA that is on the list of its issuer, or below one that is: what to do.
REVOKED_CA = "Take it out, and those below it, and give the CA that Chat's clients have now."
_ANOTHER_CA = "Ask whoever runs the CA for the certificate of a stronger one."
_V3 = 3


def form(source: str, version: int, serial: int) -> Iterator[Finding]:
    """Version 3 (RFC 5280, 4.1.2.1) with a serial number of 1 to 20 octets (4.1.2.2)."""
    wrong = []
    if version != _V3:
        wrong.append("it is of version 1, which has no subject alternative names")
    if serial <= 0:
        wrong.append("its serial number is not positive")
    if serial.bit_length() >= 20 * 8:
        wrong.append("its serial number has more than 20 octets")
    for reason in wrong:
        remedy = f"Order one that follows RFC 5280. To see it: {command(source, 'x509', '-noout -text')}"
        yield finding("bad-form", source, f"{reason}; strict clients refuse it.", remedy)


def server_use(source: str, *, is_ca: bool, certifies: bool, signs: bool, serves: bool) -> Iterator[Finding]:
    """No CA, and usable for a TLS server (RFC 5280, 4.2.1.3 and 4.2.1.12)."""
    wrong = []
    if is_ca:
        wrong.append("it is a CA's certificate, not a server's")
    elif certifies:
        wrong.append("its key usage is a CA's (keyCertSign)")
    if not signs:
        wrong.append("its key usage lacks digitalSignature, which TLS 1.3 and ECDHE need")
    if not serves:
        wrong.append("its extended key usage lacks serverAuth")
    for reason in wrong:
        remedy = f"Order one for a TLS server. To see this one: {command(source, 'x509', '-noout -ext ' + USES)}"
        yield finding("wrong-usage", source, f"{reason}; clients refuse it.", remedy)


def lifetime(one: Span) -> Iterator[Finding]:
    """No longer than the CA/Browser Forum allows for certificates of its date."""
    if one.end is None:
        return
    days = (one.end - one.begin + timedelta(seconds=1)) / timedelta(days=1)
    limit = next((limit for start, limit in LIFETIMES if one.begin >= start), days)
    if days > limit:
        message = f"it is valid for {int(days)} days; certificates of its date may be for {limit}. Strict clients mind."
        yield finding("long-lifetime", one.source, message, "Order the next one for a shorter time.")


def stapling(source: str, *, demanded: bool) -> Iterator[Finding]:
    """Not such that OCSP answers must come with it (RFC 7633)."""
    if demanded:
        message = "it demands stapled OCSP answers (must-staple). Clients that mind it refuse a server without them."
        remedy = "Order one without must-staple, or have the site send them ('ocsp_stapling')."
        yield finding("must-staple", source, message, remedy)


def encoding(source: str, label: str, oddities: Sequence[str]) -> Iterator[Finding]:
    """In DER, as X.690 has it, and not only as OpenSSL reads it."""
    if oddities:
        message = (
            f"'{label}' is read by OpenSSL, and so by httpd, but not by strict clients, nor by the library here "
            f"(cryptography): {some(oddities)}."
        )
        remedy = f"Ask the authority for one in DER. To see it: {command(source, 'x509', '-noout -text')}"
        yield finding("odd-encoding", source, message, remedy)


def own_signature(source: str, label: str, digest: str) -> Iterator[Finding]:
    """A root not signed by way of SHA-1 or MD5, though nobody checks what it signed itself."""
    if digest in WEAK_DIGESTS:
        message = f"'{label}' signed itself by {digest.upper()}; of a root nobody checks that, httpd neither."
        look = command(source, "x509", "-noout -text")
        yield finding("weak-signature", source, message, f"Nothing today. To see it: {look}", WARNING)


def rsa_of_client_ca(source: str, label: str, bits: int) -> Iterator[Finding]:
    """A key of RSA of a size that OpenSSL's security level 2 takes."""
    if bits < MINIMUM_RSA_BITS:
        message = f"the key of '{label}' has {bits} bits of RSA; OpenSSL lets no client of it in."
        yield finding("weak-key", source, message, _ANOTHER_CA)


def list_signer(source: str, issuer: str, *, known: bool) -> Iterator[Finding]:
    """A revocation list that one of the CAs signed that are `known`; its issuer is called so by itself."""
    if not known:
        message = f"the CRL says that '{issuer}' issued it, and no client CA of that name signed it."
        look = command(source, "crl", "-noout -issuer -lastupdate -nextupdate")
        yield finding("crl-wrong-issuer", source, message, f"Give the CRL of the client CA. To see this one: {look}")


def list_signature(source: str, issuer: str, digest: str) -> Iterator[Finding]:
    """A revocation list not signed by way of SHA-1 or MD5, though httpd takes it."""
    if digest in WEAK_DIGESTS:
        message = f"the CRL of '{issuer}' is signed by {digest.upper()}; httpd takes it today."
        text = command(source, "crl", "-noout -text")
        yield finding("weak-signature", source, message, f"Ask the CA for one signed by SHA-256: {text}", WARNING)


def key_for_lists(source: str, label: str) -> Finding:
    """Return the warning on a certificate of a client CA's for a key that signs its lists alone."""
    message = (
        f"a certificate of '{label}' is for lists alone by its key usage; by another one beside it httpd lets its "
        "clients in."
    )
    return finding("not-a-ca", source, message, "Nothing, or take it out: httpd takes no list by such a key.", WARNING)


def missing_list(source: str, label: str, below: Sequence[str]) -> Iterator[Finding]:
    """A client CA that has no list where others have; a warning where lists are asked about clients alone.

    C(below): then the CAs that it issued to, as it may have no clients itself.
    """
    look = command(source, "x509", "-noout -subject -ext crlDistributionPoints")
    remedy = f"Give a CRL of each client CA, or none at all. Where the CA may publish it: {look}"
    message = f"no CRL is of the client CA '{label}'; httpd would refuse "
    if below:
        message += f"clients that it issued itself, and with 'crl_check: leaf' not those of '{below[0]}'."
        yield finding("crl-missing", source, message, remedy, WARNING)
    else:
        yield finding("crl-missing", source, f"{message}all its clients.", remedy)


def public_roots(source: str, found: Sequence[tuple[str, str]], store: str) -> Iterator[Finding]:
    """No client CA of a file is a public root; those that are `found` have a label and a SHA-256 fingerprint each."""
    if not found:
        return
    label, fingerprint = found[0]
    who, remedy = f"'{label}' is a public root", CHAT_CA
    if len(found) > 1:
        who = f"holds {len(found)} public roots, such as '{label}'"
    else:
        remedy = f"Give Chat's own CA. If this is what you want, pin it: client_ca_sha256: [{fingerprint}]"
    message = f"{who} ({store}): everybody who buys a certificate of it would be let in."
    yield finding("public-client-ca", source, message, remedy)
