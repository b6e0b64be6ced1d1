# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostile and odd certificates, each with what the standards say of it, and where.

They cover the ground of the corpora that browsers and TLS libraries are tried with (x509-limbo, BetterTLS, PKITS).
RFC 5280 is the profile of certificates, RFC 9525 the rules for names, BR the CA/Browser Forum's Baseline Requirements.
"""

from __future__ import annotations

import itertools
import ssl
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID
from demo_material import pem

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
DOMAIN = "www.example.com"
# What OpenSSL judges otherwise from 3.6 on, and the verdict with it: a root is no longer looked for on its own list.
_JUDGED_ANEW = frozenset(
    {
        "CRL: a delta",
        "list: for no place in particular",
        "list: of users alone",
        "list: with the root on it",
        "names: text for an extension",
        "signature: bare RSASSA-PSS",
        "signature: sha3-256",
    }
)
UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")

Extension = tuple[x509.ExtensionType, bool]  # and whether it is critical
Names = list[x509.GeneralName]
Changes = dict[str, Any]
_numbers = itertools.count(1)


def skip_if_judged_anew(case: str) -> None:
    """Leave a test out where this machine's OpenSSL is newer than what the test expects of it."""
    if case in _JUDGED_ANEW and ssl.OPENSSL_VERSION_INFO >= (3, 6):
        pytest.skip(
            f"the verdict is OpenSSL's, and this one, of 3.6 or later, takes or refuses what 3.0 did not: {case}"
        )


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any


@dataclass(frozen=True)
class Case:
    """What a server has, what its client knows, and whether the client must accept it."""

    name: str
    sound: bool  # by the standard
    source: str  # where the standard says so
    server: Pair
    anchors: tuple[Pair, ...]
    chain: tuple[Pair, ...] = ()
    domain: str | None = DOMAIN
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    differs: str = ""  # why our verdict is the opposite, on purpose

    @property
    def accepted(self) -> bool:
        """Whether our verdict is to have no error."""
        return self.sound is not bool(self.differs)

    def options(self) -> dict[str, Any]:
        """Return it as options of validate_certificate."""
        given = {
            "domain": self.domain,
            "certificate_content": pem(self.server.certificate).decode(),
            "chain_content": pem(*(one.certificate for one in self.chain)).decode(),
            "trust_anchors_content": [pem(one.certificate).decode() for one in self.anchors],
            "crl_content": [crl.public_bytes(Encoding.PEM).decode() for crl in self.crls],
        }
        return {name: value for name, value in given.items() if value}


CASES: list[Case] = []


def note(
    name: str, sound: bool, source: str, server: Pair, anchors: Pair | tuple[Pair, ...], *chain: Pair, **more: Any
) -> None:
    """Note a case."""
    CASES.append(
        Case(name, sound, source, server, anchors if isinstance(anchors, tuple) else (anchors,), chain, **more)
    )


# The makers


def named(common: str) -> x509.Name:
    """Return a name of this common name; an empty one for an empty text."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)] if common else [])


def usage(*uses: str) -> x509.KeyUsage:
    """Return a key usage of exactly these."""
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{one: one in uses for one in names.split()})


def dns(name: str) -> x509.DNSName:
    """Return a DNS name; also one that cannot be."""
    return x509.DNSName._init_without_validation(name)


def alternatives(*names: str | x509.GeneralName) -> x509.SubjectAlternativeName:
    """Return subject alternative names; texts are DNS names."""
    return x509.SubjectAlternativeName([dns(name) if isinstance(name, str) else name for name in names])


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_id(key: Any) -> x509.SubjectKeyIdentifier:
    """Return the subject key identifier of a key."""
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def issuer_id(key: Any) -> x509.AuthorityKeyIdentifier:
    """Return the authority key identifier of a key."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def raw(oid: x509.ObjectIdentifier, value: bytes) -> x509.UnrecognizedExtension:
    """Return an extension with any content."""
    return x509.UnrecognizedExtension(oid, value)


def ca(issuer: Pair | None = None, *, path_length: int | None = None, **changes: Any) -> Pair:
    """Issue a sound CA's certificate, self-signed where there is no issuer, but for `changes` (see `_issue`)."""
    key = changes.pop("key", None) or new_key()
    above = issuer.key if issuer else key
    extensions: dict[str, Extension] = {
        "bc": (x509.BasicConstraints(ca=True, path_length=path_length), True),
        "ku": (usage("key_cert_sign", "crl_sign"), True),
        "ski": (key_id(key), False),
        "aki": (issuer_id(above), False),
    }
    common = f"{'Issuing' if issuer else 'Root'} CA {next(_numbers)}"
    defaults = {"subject": named(common), "end": NOW + 900 * DAY}
    return _issue(issuer, key, extensions, {**defaults, **changes})


def leaf(issuer: Pair, *names: str, **changes: Any) -> Pair:
    """Issue a sound server's certificate for the names, but for `changes` (see `_issue`)."""
    names = names or (DOMAIN,)
    extensions: dict[str, Extension] = {
        "bc": (x509.BasicConstraints(ca=False, path_length=None), True),
        "ku": (usage("digital_signature"), True),
        "eku": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        "san": (alternatives(*names), False),
        "aki": (issuer_id(issuer.key), False),
    }
    subject = named(names[0].encode("ascii", "replace").decode() or "none")
    return _issue(issuer, changes.pop("key", None) or new_key(), extensions, {"subject": subject, **changes})


def _issue(issuer: Pair | None, key: Any, extensions: dict[str, Extension], changes: Changes) -> Pair:
    """Issue a certificate. Changes are its parts, and extensions by short names: with the criticality, or None."""
    subject = changes.pop("subject")
    parent = issuer.certificate.subject if issuer else subject
    signer = changes.pop("signer", issuer.key if issuer else key)
    algorithm = changes.pop("algorithm", _digest(signer))
    filling = changes.pop("padding", None)  # of a signature of RSA
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(changes.pop("issuer_name", parent))
        .public_key(key.public_key())
        .not_valid_before(changes.pop("begin", NOW - DAY))
        .not_valid_after(changes.pop("end", NOW + 90 * DAY))
    )
    # Set so, as the builder refuses what is odd.
    builder._serial_number = changes.pop("serial", x509.random_serial_number())
    kept = [one for one in {**extensions, **changes}.values() if one is not None]
    builder._extensions = [x509.Extension(value.oid, critical, value) for value, critical in kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a serial number of 0
        return Pair(builder.sign(signer, algorithm, rsa_padding=filling), key)


def _digest(signer: Any) -> hashes.SHA256 | None:
    """Return the digest that a key signs by; None where it has its own."""
    return None if isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()


def rewritten(pair: Pair, issuer: Pair, old: bytes, new: bytes) -> Pair:
    """Return the certificate with other bytes of the same length in what is signed, signed again."""
    signed = pair.certificate.tbs_certificate_bytes
    assert signed.count(old) == 1
    signed = signed.replace(old, new)
    algorithm = _der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    signature = issuer.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    whole = _der(0x30, signed + algorithm + _der(0x03, b"\0" + signature))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a negative serial number
        return Pair(x509.load_der_x509_certificate(whole), pair.key)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = bytes([length]) if length < 0x80 else b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + size + content


def limits(permitted: Names | None = None, excluded: Names | None = None, *, critical: bool = True) -> Extension:
    """Return name constraints; also such as cannot be."""
    value = x509.NameConstraints([x509.DNSName("x")], None)
    value._permitted_subtrees, value._excluded_subtrees = permitted, excluded
    return value, critical


def crl(issuer: Pair, *revoked: Pair, **changes: Any) -> x509.CertificateRevocationList:
    """Return a sound revocation list of the issuer's, but for `changes`."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(changes.pop("begin", NOW - DAY)).next_update(changes.pop("end", NOW + 7 * DAY))
    signer = changes.pop("signer", issuer.key)
    odd = changes.pop("entry", None)  # a critical extension of an entry
    if odd is not None:
        entry = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(NOW - DAY)
        builder = builder.add_revoked_certificate(entry.add_extension(odd, critical=True).build())
    extensions = {"aki": (issuer_id(issuer.key), False), "number": (x509.CRLNumber(1), False), **changes}
    # Set so, as the builder refuses one that stands there twice.
    builder._extensions = [x509.Extension(value.oid, critical, value) for value, critical in extensions.values()]
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(NOW - DAY).build())
    return builder.sign(signer, _digest(signer))


def distribution(**changes: Any) -> Extension:
    """Return an issuing distribution point (RFC 5280, 5.2.5)."""
    given: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**given, **changes}), True


def alone(
    name: str,
    sound: bool,
    source: str,
    *names: str,
    root: Changes | None = None,
    server: Changes | None = None,
    **more: Any,
) -> None:
    """Note a case of a root and what it issued to the server."""
    top = ca(**(root or {}))
    note(name, sound, source, leaf(top, *names, **(server or {})), top, **more)


def between(name: str, sound: bool, source: str, *names: str, **changes: Any) -> None:
    """Note a case with an intermediate that has these changes."""
    more = {option: changes.pop(option) for option in ("domain", "differs") if option in changes}
    top = ca()
    middle = ca(top, **changes)
    note(name, sound, source, leaf(middle, *names), top, middle, **more)


# What is sound

BY_WARNING = "OpenSSL accepts it unless it is told to be strict; the warning `outside-profile` says so"
ODDLY_ENCODED = "OpenSSL reads it, and its clients accept it; the warning `odd-encoding` says so"
LIMITS_NOTHING = "OpenSSL's clients accept it, and it limits nothing"
ACCEPTED = "OpenSSL and `cryptography` accept it"
ROOT_WANTED = "OpenSSL's clients want a root at the end, unless they are told that a part of the path will do"
LAST_SECOND = "OpenSSL's last second is the one before it"

CRITICAL, PLAIN = (raw(UNKNOWN, b"\x05\x00"), True), (raw(UNKNOWN, b"\x05\x00"), False)
AIA = x509.AuthorityInformationAccess(
    [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.DNSName("example.com"))]
)
ANY_POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)])

alone("sound", True, "RFC 5280, 6.1")
between("sound, with an intermediate", True, "RFC 5280, 6.1")
alone("no key usage", True, "RFC 5280, 4.2.1.3", server={"ku": None})
alone("no basic constraints", True, "RFC 5280, 4.2.1.9", server={"bc": None})
alone("no extended key usage", True, "RFC 5280, 4.2.1.12", server={"eku": None})
alone("an unknown extension", True, "RFC 5280, 4.2", server={"x": PLAIN})
alone("a self-signed root without AKI", True, "RFC 5280, 4.2.1.1", root={"aki": None})
alone("an AIA", True, "RFC 5280, 4.2.2.1", server={"aia": (AIA, False)})
alone(
    "no subject, critical names",
    True,
    "RFC 5280, 4.2.1.6",
    server={"subject": named(""), "san": (alternatives(DOMAIN), True)},
)
alone(
    "an e-mail address beside",
    True,
    "RFC 5280, 4.2.1.6",
    server={"san": (alternatives(x509.RFC822Name("a@example.com"), DOMAIN), False)},
)
between("policies", True, "RFC 5280, 4.2.1.4", policies=(ANY_POLICY, False))

# Names

for name, sound, presented, domain in (
    ("the name", True, "example.com", "example.com"),
    ("the name in capitals", True, "WWW.EXAMPLE.COM", "www.example.com"),
    ("another domain", False, "example.com", "example2.com"),
    ("another subdomain", False, "abc.example.com", "def.example.com"),
    ("the domain above", False, "example.com", "abc.example.com"),
    ("a subdomain", False, "abc.example.com", "example.com"),
    ("a wildcard", True, "*.example.com", "foo.example.com"),
    ("a wildcard for the domain itself", False, "*.example.com", "example.com"),
    ("a wildcard for two labels", False, "*.example.com", "foo.bar.example.com"),
    ("a wildcard of a top-level domain", False, "*.com", "example.com"),
    ("a wildcard alone", False, "*", "localhost"),
    ("a wildcard at a label's end", False, "ba*.example.com", "baz.example.com"),
    ("a wildcard at a label's start", False, "*az.example.com", "baz.example.com"),
    ("a wildcard in an A-label", False, "xn--*-1b3c148a.example.com", "xn--bliss-1b3c148a.example.com"),
    ("a wildcard in the second label", False, "foo.*.example.com", "foo.bar.example.com"),
    ("two wildcards", False, "*.*.example.com", "foo.bar.example.com"),
    ("an emoji", False, "\U0001f61c.example.com", "xn--628h.example.com"),
    ("a trailing dot", False, "www.example.com.", "www.example.com"),
    ("a leading dot", False, ".example.com", "www.example.com"),
    ("a NUL", False, "www.example.com\0.evil.example", "www.example.com"),
    ("a space", False, "www.example.com ", "www.example.com"),
    ("an empty name", False, "", "www.example.com"),
    ("an address as name", False, "192.0.2.1", "www.example.com"),
):
    alone(f"names: {name}", sound, "RFC 9525, 6.3", presented, domain=domain)
for name, only in (
    ("a common name", None),
    ("an address", x509.IPAddress(ip_address("192.0.2.1"))),
    ("an e-mail address", x509.RFC822Name("www@example.com")),
    ("a URI", x509.UniformResourceIdentifier("https://www.example.com/")),
):
    alone(f"names: {name} alone", False, "RFC 9525, 2", server={"san": (alternatives(only), False) if only else None})
for name, content, differs in ("text", b"example.com", ""), ("nothing", b"\x30\x00", BY_WARNING):
    odd = raw(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, content)
    alone(
        f"names: {name} for an extension",
        False,
        "RFC 5280, 4.2.1.6",
        server={"san": (odd, False)},
        domain=None,
        differs=differs,
    )
alone("names: no subject, not critical", False, "RFC 5280, 4.2.1.6", server={"subject": named("")}, differs=BY_WARNING)
alone(
    "names: critical, with a subject",
    False,
    "BR 7.1.2.7.12",
    server={"san": (alternatives(DOMAIN), True)},
    differs=BY_WARNING,
)
for name, common in ("another", "other.example.com"), ("in capitals", "WWW.example.com"):
    alone(
        f"names: common name {name}",
        False,
        "BR 7.1.4.3",
        server={"subject": named(common)},
        differs="no client looks at the common name",
    )

# Extensions and their marks

alone("unknown critical: server", False, "RFC 5280, 4.2", server={"x": CRITICAL})
alone("unknown critical: root", False, "RFC 5280, 4.2", root={"x": CRITICAL})
between("unknown critical: intermediate", False, "RFC 5280, 4.2", x=CRITICAL)
alone("AIA: critical", False, "RFC 5280, 4.2.2.1", server={"aia": (AIA, True)})
alone(
    "AIA: damaged",
    False,
    "RFC 5280, 4.2.2.1",
    server={"aia": (raw(ExtensionOID.AUTHORITY_INFORMATION_ACCESS, b"text"), False)},
    differs=ODDLY_ENCODED,
)
alone("twice: names", False, "RFC 5280, 4.2", server={"again": (alternatives(DOMAIN), False)})
alone("twice: unknown", False, "RFC 5280, 4.2", server={"x": PLAIN, "again": PLAIN}, differs=ODDLY_ENCODED)
alone("no issuer", False, "RFC 5280, 4.1.2.4", server={"issuer_name": named("")})
alone("no subject: root", False, "RFC 5280, 4.1.2.6", root={"subject": named("")}, differs=BY_WARNING)
between("no subject: intermediate", False, "RFC 5280, 4.1.2.6", subject=named(""), differs=BY_WARNING)
between(
    "policy constraints: not critical",
    False,
    "RFC 5280, 4.2.1.11",
    pc=(x509.PolicyConstraints(3, None), False),
    differs=ACCEPTED,
)
between(
    "policy constraints: critical",
    True,
    "RFC 5280, 4.2.1.11",
    pc=(x509.PolicyConstraints(3, None), True),
)
between(
    "policy constraints: broken",
    False,
    "RFC 5280, 6.1.5",
    pc=(x509.PolicyConstraints(0, None), True),
    differs=BY_WARNING,
)

SHARED = new_key()
STRANGE = x509.AuthorityKeyIdentifier(b"1" * 20, None, None)
alone(
    "AKI: critical in the server's",
    False,
    "RFC 5280, 4.2.1.1",
    root={"key": SHARED},
    server={"aki": (issuer_id(SHARED), True)},
)
alone("AKI: missing", False, "RFC 5280, 4.2.1.1", server={"aki": None}, differs=BY_WARNING)
alone(
    "AKI: another",
    True,
    "RFC 5280, 4.2.1.1",
    server={"aki": (STRANGE, False)},
    differs="OpenSSL's clients find no path",
)
between("AKI: missing in the intermediate", False, "RFC 5280, 4.2.1.1", aki=None, differs=ACCEPTED)
alone("AKI: critical", False, "RFC 5280, 4.2.1.1", root={"key": SHARED, "aki": (issuer_id(SHARED), True)})
alone(
    "AKI: without a key's",
    False,
    "BR 7.1.2.1.3",
    root={"aki": (x509.AuthorityKeyIdentifier(None, None, None), False)},
    differs=BY_WARNING,
)
alone(
    "AKI: all fields",
    False,
    "BR 7.1.2.1.3",
    root={"aki": (x509.AuthorityKeyIdentifier(b"1" * 20, [x509.DirectoryName(named("x"))], 1234), False)},
)
alone("AKI: not the root's own SKI", False, "BR 7.1.2.1.3", root={"aki": (STRANGE, False)})
alone("SKI: missing in the root", False, "RFC 5280, 4.2.1.2", root={"ski": None}, differs=ACCEPTED)
between("SKI: missing in the intermediate", False, "RFC 5280, 4.2.1.2", ski=None, differs=ACCEPTED)
alone("SKI: critical", False, "RFC 5280, 4.2.1.2", root={"key": SHARED, "ski": (key_id(SHARED), True)})

# Who is a CA

NO_CA = (x509.BasicConstraints(ca=False, path_length=None), True)
UNMARKED_CA = (x509.BasicConstraints(ca=True, path_length=None), False)
for name, change, differs, of_root in (
    ("no CA", {"bc": NO_CA}, "", ""),
    ("basic constraints missing", {"bc": None}, "", BY_WARNING),
    ("basic constraints not critical", {"bc": UNMARKED_CA}, BY_WARNING, BY_WARNING),
    ("basic constraints and key usage missing", {"bc": None, "ku": None}, "", ""),
    ("key usage missing", {"ku": None}, BY_WARNING, BY_WARNING),
    ("no keyCertSign", {"ku": (usage("crl_sign"), True)}, "", ""),
):
    between(f"intermediate: {name}", False, "RFC 5280, 4.2.1.9", differs=differs, **change)
    alone(f"root: {name}", False, "RFC 5280, 4.2.1.9", root=change, differs=of_root)
alone(
    "server: keyCertSign",
    False,
    "RFC 5280, 4.2.1.9",
    server={"ku": (usage("digital_signature", "key_cert_sign"), True)},
)
alone("server: a CA", False, "BR 7.1.2.7.8", server={"bc": (x509.BasicConstraints(ca=True, path_length=None), True)})
alone(
    "server: a path length and no CA",
    False,
    "RFC 5280, 4.2.1.9",
    server={"bc": (raw(ExtensionOID.BASIC_CONSTRAINTS, bytes.fromhex("3003020100")), True)},
    differs=ODDLY_ENCODED,
)

ROOT, OTHER = ca(), ca()
MIDDLE = ca(ROOT)
SERVER = leaf(ROOT)
BELOW = leaf(MIDDLE)
note("server: an intermediate", False, "BR 7.1.2.7.8", ca(ROOT, san=(alternatives(DOMAIN), False)), ROOT)
note("anchor: an intermediate", True, "RFC 5280, 6.1", BELOW, MIDDLE, ROOT, differs=ROOT_WANTED)
note("anchor: the server's own", True, "RFC 5280, 6.1", SERVER, SERVER, differs=ROOT_WANTED)
note("anchor: another", False, "RFC 5280, 6.1", BELOW, OTHER, MIDDLE, ROOT)
note("chain: missing", False, "RFC 5280, 6.1", BELOW, ROOT)
note("chain: out of order, with what is of no use", True, "RFC 4158, 2.4", BELOW, ROOT, OTHER, ROOT, MIDDLE)
alone("signature: another key's", False, "RFC 5280, 6.1.3", server={"signer": new_key()})
between("signature: another key's on the intermediate", False, "RFC 5280, 6.1.3", signer=new_key())


def lengths(name: str, sound: bool, *between: int | None, root: int | None = None, differs: str = "") -> None:
    """Note a case of a root and intermediates with these path lengths, from the root down."""
    path = [ca(path_length=root)]
    for length in between:
        path.append(ca(path[-1], path_length=length))
    note(
        f"path length: {name}",
        sound,
        "RFC 5280, 4.2.1.9",
        leaf(path[-1]),
        path[0],
        *reversed(path[1:]),
        differs=differs,
    )


lengths("0", True, 0)
lengths("0 twice", False, 0, 0)
lengths("1, then 0", True, 1, 0)
lengths("1, then 0 twice", False, 1, 0, 0)
lengths("1, then 2", True, 1, 2)
lengths("0 in the root", True, root=0)
lengths("0 in the root, and an intermediate", False, None, root=0)
lengths("seven intermediates", True, *[None] * 7)
SELF = ca(MIDDLE_ONE := ca(ROOT, path_length=1), path_length=1, subject=MIDDLE_ONE.certificate.subject)
LAST = ca(SELF, path_length=0)
note(
    "path length: a self-issued CA",
    True,
    "RFC 5280, 4.2.1.9",
    leaf(LAST),
    ROOT,
    LAST,
    SELF,
    MIDDLE_ONE,
)

# Extended key usage

Purposes = ExtendedKeyUsageOID
for name, sound, purposes, differs in (
    ("server and client", True, [Purposes.SERVER_AUTH, Purposes.CLIENT_AUTH], ""),
    ("client", False, [Purposes.CLIENT_AUTH], ""),
    ("any", False, [Purposes.ANY_EXTENDED_KEY_USAGE], ""),
    ("server and any", False, [Purposes.SERVER_AUTH, Purposes.ANY_EXTENDED_KEY_USAGE], ACCEPTED),
    ("server and code signing", False, [Purposes.SERVER_AUTH, Purposes.CODE_SIGNING], ACCEPTED),
    ("server and e-mail", False, [Purposes.SERVER_AUTH, Purposes.EMAIL_PROTECTION], ACCEPTED),
):
    alone(
        f"purposes: {name}",
        sound,
        "BR 7.1.2.7.10",
        server={"eku": (x509.ExtendedKeyUsage(purposes), False)},
        differs=differs,
    )
alone(
    "purposes: critical",
    False,
    "BR 7.1.2.7.6",
    server={"eku": (x509.ExtendedKeyUsage([Purposes.SERVER_AUTH]), True)},
    differs=BY_WARNING,
)
for name, sound, purpose in (
    ("server", True, Purposes.SERVER_AUTH),
    ("any", False, Purposes.ANY_EXTENDED_KEY_USAGE),
    ("client", False, Purposes.CLIENT_AUTH),
):
    between(
        f"purposes: of the intermediate, {name}", sound, "BR 7.1.2.10.6", eku=(x509.ExtendedKeyUsage([purpose]), False)
    )
for purpose, differs in (Purposes.SERVER_AUTH, ACCEPTED), (Purposes.CLIENT_AUTH, ""):
    alone(
        f"purposes: of the root, {purpose._name}",
        False,
        "BR 7.1.2.1.2",
        root={"eku": (x509.ExtendedKeyUsage([purpose]), False)},
        differs=differs,
    )
RSA = rsa.generate_private_key(65537, 2048)
alone("key usage: none at all", False, "BR 7.1.2.7.11", server={"ku": (usage(), True), "key": RSA})

# Serial number, version, time

alone("serial: 0", False, "RFC 5280, 4.1.2.2", server={"serial": 0})
alone("serial: 20 octets", True, "RFC 5280, 4.1.2.2", server={"serial": (1 << 159) - 1})
alone("serial: 22 octets", False, "RFC 5280, 4.1.2.2", server={"serial": 1 << 170})
alone("serial: 22 octets in the root", False, "RFC 5280, 4.1.2.2", root={"serial": 1 << 170}, differs=BY_WARNING)
between("serial: 22 octets in the intermediate", False, "RFC 5280, 4.1.2.2", serial=1 << 170, differs=BY_WARNING)
note(
    "serial: negative",
    False,
    "RFC 5280, 4.1.2.2",
    rewritten(leaf(ROOT, serial=0x11223344), ROOT, bytes.fromhex("11223344"), bytes.fromhex("91223344")),
    ROOT,
)
note(
    "algorithm: not the one that is signed",
    False,
    "RFC 5280, 4.1.1.2",
    rewritten(SERVER, ROOT, bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d040303")),
    ROOT,
)

PAST = {"begin": NOW - 9 * DAY, "end": NOW - DAY}
FUTURE = {"begin": NOW + DAY}
SECOND = timedelta(seconds=1)
EVER = {"begin": datetime(1970, 1, 1, tzinfo=timezone.utc), "end": datetime(2969, 5, 3, tzinfo=timezone.utc)}
for name, sound, time in (
    ("past", False, PAST),
    ("future", False, FUTURE),
    ("begins now", True, {"begin": NOW}),
    ("begins in a second", False, {"begin": NOW + SECOND}),
    ("ends now", True, {"end": NOW}),
    ("ended a second ago", False, {"end": NOW - SECOND}),
    ("a thousand years", True, EVER),
):
    differs = LAST_SECOND if name == "ends now" else ""
    alone(f"time: {name}", sound, "RFC 5280, 4.1.2.5", server=time, differs=differs)
    alone(f"time: of the root, {name}", sound, "RFC 5280, 4.1.2.5", root=time, differs=differs)
    between(f"time: of the intermediate, {name}", sound, "RFC 5280, 4.1.2.5", **time, differs=differs)
IN_2055 = leaf(ROOT, end=datetime(2055, 3, 4, 5, 6, 7, tzinfo=timezone.utc))
note("time: after 2049 as GeneralizedTime", True, "RFC 5280, 4.1.2.5.2", IN_2055, ROOT)
note(
    "time: before 2050 as GeneralizedTime",
    False,
    "RFC 5280, 4.1.2.5.1",
    rewritten(IN_2055, ROOT, b"20550304050607Z", b"20450304050607Z"),
    ROOT,
    differs=BY_WARNING,
)

# Strength

DSA = dsa.generate_private_key(2048)
RSA_1024 = rsa.generate_private_key(65537, 1024)
for name, sound, key in (
    ("RSA of 2048 bits", True, RSA),
    ("RSA of 1024 bits", False, RSA_1024),
    ("DSA", False, DSA),
    ("P-192", False, ec.generate_private_key(ec.SECP192R1())),
    ("P-521", True, ec.generate_private_key(ec.SECP521R1())),
    ("secp256k1", False, ec.generate_private_key(ec.SECP256K1())),
):
    alone(f"key: {name}", sound, "BR 6.1.5", server={"key": key})
    alone(f"key: of the root, {name}", sound, "BR 6.1.5", root={"key": key})
alone(
    "key: Ed25519",
    False,
    "BR 6.1.5",
    server={"key": ed25519.Ed25519PrivateKey.generate()},
    differs="TLS 1.3 and OpenSSL's clients take it (RFC 8446, 4.2.3)",
)
alone(
    "key: of the root, Ed25519",
    False,
    "BR 6.1.5",
    root={"key": ed25519.Ed25519PrivateKey.generate()},
    differs=BY_WARNING,
)
for algorithm, sound, differs in (
    (hashes.SHA384(), True, ""),
    (hashes.SHA512(), True, ""),
    (hashes.SHA224(), False, BY_WARNING),
    (hashes.SHA3_256(), False, ""),
):
    alone(f"signature: {algorithm.name}", sound, "BR 7.1.3.2", server={"algorithm": algorithm}, differs=differs)

# Name constraints (RFC 5280, 4.2.1.10)

EXAMPLE = dns("example.com")
OTHER_NAME = x509.OtherName(UNKNOWN, b"\x05\x00")
NET = x509.IPAddress(ip_network("192.0.2.0/24"))
for name, sound, limit, presented, differs in (
    ("permitted", True, limits([EXAMPLE]), "example.com", ""),
    ("permitted, below", True, limits([EXAMPLE]), "foo.bar.example.com", ""),
    ("permitted, in capitals", True, limits([dns("EXAMPLE.com")]), "www.example.com", ""),
    ("permitted, a wildcard", True, limits([EXAMPLE]), "*.example.com", ""),
    ("not permitted", False, limits([EXAMPLE]), "not-example.com", ""),
    ("not permitted, a part of a label", False, limits([dns("ample.com")]), "example.com", ""),
    ("excluded", False, limits(None, [EXAMPLE]), "example.com", ""),
    ("excluded, below", False, limits(None, [EXAMPLE]), "www.example.com", ""),
    ("excluded, not critical", False, limits(None, [EXAMPLE], critical=False), "example.com", ""),
    ("excluded and permitted", False, limits([EXAMPLE], [EXAMPLE]), "example.com", ""),
    ("excluded, everything", False, limits(None, [dns("")]), "example.com", ""),
    ("excluded, a wildcard covers it", False, limits([EXAMPLE], [dns("bar.example.com")]), "*.example.com", BY_WARNING),
    ("permitted, a wildcard covers more", False, limits([dns("foo.example.com")]), "*.example.com", ""),
    ("a wildcard as limit", False, limits([dns("*.example.com")]), "foo.example.com", ""),
    ("a leading dot", False, limits([dns(".example.com")]), "foo.example.com", BY_WARNING),
    ("none", False, limits(None, None), "example.com", LIMITS_NOTHING),
    ("empty", False, limits([], []), "example.com", LIMITS_NOTHING),
    ("of addresses", True, limits([NET]), "example.com", ""),
    ("of addresses, excluded", True, limits(None, [NET]), "example.com", ""),
    ("of another kind", True, limits([EXAMPLE], [OTHER_NAME]), "example.com", ""),
    ("of e-mail", True, limits([x509.RFC822Name("example.com")]), "example.com", ""),
    ("of directory names", True, limits([x509.DirectoryName(named("example.com"))]), "example.com", ""),
    ("of other directory names", False, limits([x509.DirectoryName(named("foo"))]), "example.com", ""),
    ("excluded directory names", False, limits(None, [x509.DirectoryName(named("example.com"))]), "example.com", ""),
):
    domain = presented.replace("*", "bar")
    between(f"limits: {name}", sound, "RFC 5280, 4.2.1.10", presented, nc=limit, domain=domain, differs=differs)
    alone(
        f"limits: of the root, {name}",
        sound,
        "RFC 5280, 4.2.1.10",
        presented,
        root={"nc": limit},
        domain=domain,
        differs=differs,
    )
alone("limits: permitted, not critical", True, "BR 7.1.2.5.2", root={"nc": limits([EXAMPLE], critical=False)})
alone(
    "limits: in the server's certificate",
    False,
    "RFC 5280, 4.2.1.10",
    server={"nc": limits([EXAMPLE])},
    differs=BY_WARNING,
)
alone(
    "limits: another name of the server is excluded",
    False,
    "RFC 5280, 4.2.1.10",
    DOMAIN,
    "no.example.com",
    root={"nc": limits(None, [dns("no.example.com")])},
)
alone(
    "limits: another name of the server cannot be",
    False,
    "RFC 5280, 4.2.1.10",
    DOMAIN,
    ".example.com",
    root={"nc": limits([EXAMPLE])},
    differs=BY_WARNING,
)
ADDRESS = x509.IPAddress(ip_address("192.0.2.1"))
for name, sound, limit, beside in (
    ("an address, permitted", True, limits([NET]), ADDRESS),
    ("an address, not permitted", False, limits([NET]), x509.IPAddress(ip_address("192.0.3.1"))),
    ("an address, excluded", False, limits(None, [NET]), ADDRESS),
    (
        "an address of IPv6, excluded",
        False,
        limits(None, [x509.IPAddress(ip_network("::1/128"))]),
        x509.IPAddress(ip_address("::1")),
    ),
    ("a limit that is no network", False, limits([ADDRESS]), ADDRESS),
    ("another kind, excluded", False, limits([EXAMPLE], [OTHER_NAME]), OTHER_NAME),
    ("e-mail, excluded", False, limits(None, [x509.RFC822Name("example.com")]), x509.RFC822Name("a@example.com")),
    (
        "a URI, excluded",
        False,
        limits(None, [x509.UniformResourceIdentifier("example.com")]),
        x509.UniformResourceIdentifier("https://example.com/"),
    ),
):
    alone(
        f"limits: {name}",
        sound,
        "RFC 5280, 4.2.1.10",
        root={"nc": limit},
        server={"san": (alternatives(DOMAIN, beside), False)},
    )


def limited(name: str, sound: bool, first: Extension, second: Changes, presented: str) -> None:
    """Note a case of two intermediates, the upper one limited, the lower one changed."""
    upper = ca(ROOT, nc=first)
    lower = ca(upper, **second)
    note(f"limits: {name}", sound, "RFC 5280, 4.2.1.10", leaf(lower, presented), ROOT, lower, upper, domain=presented)


FOO, BAR = dns("foo.example.com"), dns("bar.example.com")
limited("two, the lower narrower", True, limits([EXAMPLE]), {"nc": limits([FOO])}, "foo.example.com")
limited("two, the lower narrower, and broken", False, limits([FOO, BAR]), {"nc": limits([BAR])}, "foo.example.com")
limited("two, the lower wider", False, limits([BAR]), {"nc": limits([FOO, BAR])}, "foo.example.com")
limited(
    "the intermediate's own name", False, limits([FOO], [BAR]), {"san": (alternatives(BAR), False)}, "foo.example.com"
)
OUTSIDE = {"subject": named("not-example.com"), "san": (alternatives("not-example.com"), False)}
TOP = ca(nc=limits([EXAMPLE]), **OUTSIDE)
NEXT = ca(TOP, **OUTSIDE)
note("limits: not for a self-issued CA", True, "RFC 5280, 4.2.1.10", leaf(NEXT), TOP, NEXT)
STRICT = ca(nc=limits([EXAMPLE]))
NEXT = ca(STRICT, **OUTSIDE)
note(
    "limits: for a self-issued server",
    False,
    "RFC 5280, 4.2.1.10",
    leaf(NEXT, "not-example.com", subject=named("not-example.com")),
    STRICT,
    NEXT,
    domain="not-example.com",
)
TESTS = [f"t{number}.test" for number in range(600)]
alone(
    "limits: hundreds for hundreds of names",
    True,
    "RFC 5280, 4.2.1.10",
    *TESTS,
    root={"nc": limits([dns(name) for name in TESTS])},
    domain="t0.test",
)
MANY_TESTS = [f"t{number}.test" for number in range(2000)]
alone(
    "limits: thousands for thousands of names",
    False,
    "CVE-2018-16875",
    *MANY_TESTS,
    root={"nc": limits([dns(name) for name in MANY_TESTS])},
    domain="t0.test",
)

# Several ways (RFC 4158)

KEY, SAME = new_key(), {"subject": named("Issuing CA")}
GOOD = ca(ROOT, key=KEY, **SAME)
for name, bad in (
    ("ended", ca(ROOT, key=KEY, **SAME, **PAST)),
    ("no CA", ca(ROOT, key=KEY, **SAME, bc=NO_CA)),
    ("for clients", ca(ROOT, key=KEY, **SAME, eku=(x509.ExtendedKeyUsage([Purposes.CLIENT_AUTH]), False))),
    ("limited to others", ca(ROOT, key=KEY, **SAME, nc=limits([dns("example.org")]))),
    ("of an unknown root", ca(OTHER, key=KEY, **SAME)),
    ("with another key", ca(ROOT, **SAME)),
    ("with a wrong signature", ca(ROOT, key=KEY, **SAME, signer=new_key())),
):
    for order, chain in ("first", (bad, GOOD)), ("last", (GOOD, bad)):
        note(f"ways: one that is {name}, {order}", True, "RFC 4158, 2.4", leaf(GOOD), ROOT, *chain)
note(
    "ways: a root's ended certificate of another root",
    True,
    "RFC 4158, 2.4",
    SERVER,
    (ROOT, OTHER),
    ca(OTHER, subject=ROOT.certificate.subject, key=ROOT.key, **PAST),
)
TRIO = [ca(), ca(), ca()]
CROSSED = [ca(one, subject=other.certificate.subject, key=other.key) for one, other in itertools.permutations(TRIO, 2)]
UNDER = [ca(one) for one in TRIO]
note("ways: three roots that issue each other", True, "CVE-2024-0567", leaf(UNDER[0]), TRIO[0], *UNDER, *CROSSED)
for name, first, second in ("of two names", named("One"), named("Two")), ("of one name", named("One"), named("One")):
    keys = new_key(), new_key()
    one = ca(Pair(ROOT.certificate, keys[1]), issuer_name=second, subject=first, key=keys[0])
    two = ca(Pair(ROOT.certificate, keys[0]), issuer_name=first, subject=second, key=keys[1])
    note(f"ways: a circle {name}", False, "RFC 4158, 2.4.2", leaf(one), ROOT, one, two)
UPPER = ca(ROOT, nc=limits([FOO], [BAR]))
note(
    "ways: one that breaks a limit",
    True,
    "RFC 5280, 4.2.1.10",
    leaf(GOOD, "foo.example.com"),
    ROOT,
    UPPER,
    ca(UPPER, key=KEY, **SAME, san=(alternatives(BAR), False)),
    ca(UPPER, key=KEY, **SAME),
    domain="foo.example.com",
)

# Revocation lists (RFC 5280, 5)

for name, sound, given, differs in (
    ("empty", True, crl(ROOT), ""),
    ("another is revoked", True, crl(ROOT, MIDDLE), ""),
    ("revoked", False, crl(ROOT, SERVER), ""),
    ("a wrong signature", False, crl(ROOT, signer=new_key()), ""),
    ("of another CA", False, crl(OTHER), ""),
    ("ended", False, crl(ROOT, **PAST), ""),
    ("not begun", False, crl(ROOT, **FUTURE), ""),
    ("an unknown extension", True, crl(ROOT, x=PLAIN), ""),
    ("an unknown critical extension", False, crl(ROOT, x=CRITICAL), ""),
    ("a critical number", False, crl(ROOT, number=(x509.CRLNumber(1), True)), ""),
    ("a critical AKI", True, crl(ROOT, aki=(issuer_id(ROOT.key), True)), ""),
    ("one number twice", False, crl(ROOT, MIDDLE, MIDDLE), ACCEPTED),
    ("a delta", False, crl(ROOT, delta=(x509.DeltaCRLIndicator(1), True)), ""),
    (
        "a place that the server does not name",
        False,
        crl(ROOT, point=distribution(full_name=[x509.UniformResourceIdentifier("http://crl.example/")])),
        "",
    ),
    ("indirect", False, crl(ROOT, point=distribution(indirect_crl=True)), ""),
    (
        "for users",
        True,
        crl(ROOT, point=distribution(only_contains_user_certs=True)),
        "httpd asks for its CA's own too (`SSLCARevocationCheck chain`)",
    ),
    ("for CAs", False, crl(ROOT, point=distribution(only_contains_ca_certs=True)), ""),
    ("for attributes", False, crl(ROOT, point=distribution(only_contains_attribute_certs=True)), ""),
    (
        "for some reasons",
        False,
        crl(ROOT, point=distribution(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise]))),
        "",
    ),
):
    note(f"CRL: {name}", sound, "RFC 5280, 5.2", SERVER, ROOT, crls=(given,), differs=differs)
PLACE = distribution(full_name=[x509.UniformResourceIdentifier("http://crl.example/")])
NAMED = x509.CRLDistributionPoints([x509.DistributionPoint(PLACE[0].full_name, None, None, None)])
PLACED = leaf(ROOT, places=(NAMED, False))
note("CRL: a place that the server names", True, "RFC 5280, 6.3.3", PLACED, ROOT, crls=(crl(ROOT, point=PLACE),))
