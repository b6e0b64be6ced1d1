# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Findings of a verdict: every code with its severity and meaning, and how they are told to people."""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import TypeVar

    Value = TypeVar("Value")
    # A judge is a generator: it yields findings, and returns what it has read.
    Judgement = Generator["Finding", None, Value]

ERROR = "error"
WARNING = "warning"
# The libraries whose words a message may quote.
CRYPTOGRAPHY = "cryptography"
OPENSSL = "OpenSSL"

# Code: severity and meaning. The table in docs/verdict.md is generated from here.
CODES: dict[str, tuple[str, str]] = {
    "unreadable": (ERROR, "Material is missing, empty, too large, damaged, or not what its option wants."),
    "unknown-form": (
        ERROR,
        "The material is sound, but the library here does not know its form. The remedy turns it into another.",
    ),
    "member-unreadable": (WARNING, "A member of a file cannot be read, and was passed over. The others count."),
    "odd-encoding": (
        ERROR,
        "OpenSSL reads a certificate of the server's path, strict clients do not. A warning for one of a private CA.",
    ),
    "store-unreadable": (ERROR, "Nothing could be read from the store that a public path must end at."),
    "chain-swapped": (ERROR, "`certificate` holds the chain, and `chain` the server's certificate."),
    "encrypted-key": (ERROR, "A key or PKCS#12 is encrypted, and no passphrase, or a wrong one, is given."),
    "ambiguous": (ERROR, "Two options, or two entries of a zip, give the same thing, and they may differ."),
    "invalid-domain": (ERROR, "The domain or alias is no name that a certificate can be issued for."),
    "key-mismatch": (ERROR, "The private key is not the one of the certificate."),
    "expired": (
        ERROR,
        "A certificate has expired. A warning for client CAs, `allowed_clients` and `proxy_ca`, if another is valid.",
    ),
    "not-yet-valid": (ERROR, "A certificate is not valid yet. A warning where `expired` is one."),
    "expires-soon": (WARNING, "A certificate ends within `warn_days`."),
    "name-mismatch": (
        ERROR,
        "The domain is not among the subject alternative names (RFC 9525). A warning if Chat has it as common name.",
    ),
    "weak-key": (ERROR, "RSA under 2048 bits, or a kind of key or curve that TLS clients refuse."),
    "weak-signature": (
        ERROR,
        "Signed with SHA-1, MD5 or something unknown. A warning for a CRL, and for a client CA that signed itself so.",
    ),
    "wrong-usage": (ERROR, "Key usage, extended key usage or basic constraints forbid what the certificate is for."),
    "bad-form": (
        ERROR,
        "The certificate or its root is not of version 3, or its serial number is 0, negative or over 20 octets.",
    ),
    "long-lifetime": (WARNING, "Valid for longer than the CA/Browser Forum allows for certificates of its date."),
    "must-staple": (WARNING, "The certificate demands stapled OCSP answers, which the site does not send."),
    "chain-incomplete": (ERROR, "The certificate of an issuer is missing between the server's and a trust anchor."),
    "untrusted-issuer": (ERROR, "The path ends at an issuer that is no trust anchor, or that did not sign."),
    "name-constraints": (ERROR, "An issuer in the path may not issue for the certificate's names."),
    "path-refused": (ERROR, "A path to a trust anchor exists, and breaks a rule that has no code of its own."),
    "outside-profile": (
        WARNING,
        "OpenSSL accepts the path, yet it breaks a rule of the Web PKI that strict clients check.",
    ),
    "chain-order": (WARNING, "The chain was not in the order that TLS wants. It is put in order."),
    "chain-superfluous": (
        WARNING,
        "Certificates that clients do not need are in the chain. They are left out, or sent as `remote_src` has them.",
    ),
    "not-a-ca": (
        ERROR,
        "By its basic constraints or key usage, a client CA is none. A warning if it signs CRLs beside the CA's own.",
    ),
    "clients-refused": (
        ERROR,
        "OpenSSL, and so httpd, lets no client of a client CA in, for a reason that has no code of its own.",
    ),
    "client-ca-incomplete": (ERROR, "A client CA is an intermediate without its root, which httpd refuses."),
    "public-client-ca": (
        ERROR,
        "The client CA has a public root's key: everybody with a certificate of it would be let in.",
    ),
    "wrong-fingerprint": (
        ERROR,
        "A client CA has none of the pinned SHA-256 fingerprints, or a pin is not a fingerprint.",
    ),
    "crl-expired": (
        ERROR,
        "A CRL's next update is past. httpd would refuse every client. Only a warning if there is a newer one.",
    ),
    "crl-expires-soon": (
        WARNING,
        "Less than a fifth of a CRL's time is left, or, for a `renewal_hook`, less than `warn_days`.",
    ),
    "crl-not-yet-valid": (
        ERROR,
        "A CRL's time has not begun. httpd would refuse every client. Only a warning if there is a present one.",
    ),
    "crl-wrong-issuer": (
        ERROR,
        "Neither a client CA nor an issuer of the server's signed a CRL, or may sign one. A warning beside a good one.",
    ),
    "crl-missing": (
        ERROR,
        "CRLs are given, none by this client CA: httpd refuses its clients. A warning of roots with `crl_check: leaf`.",
    ),
    "crl-unsupported": (
        ERROR,
        "A CRL is a delta, indirect, or not for all certificates of its CA. A warning if others let clients in.",
    ),
    "revoked": (ERROR, "The server's own certificate, or a client CA, is on one of the CRLs."),
}

# What `sites` finds beside the material.
SITE_CODES: dict[str, tuple[str, str]] = {
    "client-not-pinned": (WARNING, "Every client of the client CA may call, as `allowed_clients` is not set."),
    "not-enforced": (WARNING, "`verify_client` or `protected_paths` let clients without a certificate in."),
    "nothing-served": (WARNING, "There is neither a backend nor a folder to answer callbacks with."),
    "no-responder": (WARNING, "`ocsp_stapling` is set, and the certificate names no OCSP responder."),
    "outside-guideline": (WARNING, "The certificate is not what Mozilla's guideline wants for `tls_profile: modern`."),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or soon will be: a stable code, what it concerns, why it matters, what to do.

    C(quotes): the library whose words the message has: C(CRYPTOGRAPHY), or C(OPENSSL) beside a reason of our own.
    """

    code: str
    severity: str
    subject: str
    message: str
    remedy: str
    quotes: str = ""

    def as_data(self) -> dict[str, str]:
        """Return it for a result, where whom it quotes is of no use."""
        told = asdict(self)
        del told["quotes"]
        return told


def finding(code: str, subject: str, message: str, remedy: str, severity: str = "") -> Finding:
    """Return the finding; its severity is that of its code where none is given."""
    return Finding(code, severity or {**CODES, **SITE_CODES}[code][0], subject, message, remedy)


def collect(judgement: Judgement[Value]) -> tuple[Value, tuple[Finding, ...]]:
    """Return what a judge returns, and all findings that it yields before, in their order."""
    findings: list[Finding] = []
    while True:
        try:
            findings.append(next(judgement))
        except StopIteration as end:
            return end.value, tuple(findings)


def has_errors(findings: Iterable[Finding], subject: str | None = None) -> bool:
    """Return whether one of the findings is an error; if a subject is given, an error that concerns it."""
    return any(one.severity == ERROR and subject in (None, one.subject) for one in findings)


def in_shell(source: str) -> str:
    """Return the file as an argument of a command in a remedy; FILE for material that is in no file."""
    return "FILE" if re.search(r"_content(\[\d+\])?$", source) else shlex.quote(source)


def some(texts: Iterable[str]) -> str:
    """Return the first five of the texts, and how many there are besides."""
    listed = list(texts)
    shown = ", ".join(listed[:5]) or "none"
    return f"{shown} and {len(listed) - 5} more" if len(listed) > 5 else shown


def command(source: str, name: str, options: str) -> str:
    """Return openssl's command by `name` that looks at a file; at the first member of a zip, which it does not read."""
    if source.lower().endswith(".zip"):
        return f"unzip -p {in_shell(source)} | openssl {name} {options}"
    return f"openssl {name} -in {in_shell(source)} {options}"


def report_findings(sites: Iterable[tuple[str, Iterable[Finding]]]) -> str:
    """Return the findings of all named sites for people: errors before warnings, at most 80 columns wide.

    What was found of several sites is told once, below their names.
    """
    told = [(one, site) for site, findings in sites for one in findings]
    found: dict[str, list[str]] = {}
    for one, site in sorted(told, key=lambda each: each[0].severity != ERROR):
        found.setdefault(_paragraph(one, site), []).append(site)
    sections: dict[tuple[str, ...], list[str]] = {}
    for paragraph, named in found.items():
        sections.setdefault(tuple(dict.fromkeys(named)), []).append(paragraph)
    return "\n\n".join(
        "\n".join([*(_wrapped(f"{', '.join(filter(None, named))}:", "", "") if any(named) else []), *paragraphs])
        for named, paragraphs in sections.items()
    )


def _paragraph(one: Finding, site: str) -> str:
    subject = "" if one.subject == site else f", {one.subject}"  # The site's name stands above it.
    head = f"{one.severity.upper()} {one.code}{subject}: {one.message}"
    return "\n".join([*_wrapped(head, "  ", "    "), *_wrapped(one.remedy, "    -> ", "       ")])


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, 80, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
