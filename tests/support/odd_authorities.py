# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Odd client CAs and their revocation lists, as people hold them: whether httpd lets their clients in, and why not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from odd_certificates import (
    CRITICAL,
    DAY,
    NO_CA,
    NOW,
    PAST,
    PLAIN,
    UNKNOWN,
    Changes,
    Extension,
    Pair,
    alternatives,
    ca,
    crl,
    distribution,
    dns,
    issuer_id,
    key_id,
    leaf,
    limits,
    named,
    new_key,
    usage,
)

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

CLIENT, ANY = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
SHA1_WITH_RSA = der.sequence(der.oid("1.2.840.113549.1.1.5"), der.NOTHING)
PSS_OF_NOTHING = der.sequence(der.oid("1.2.840.113549.1.1.10"))


@dataclass(frozen=True)
class ClientCase:
    """Client CAs, the one of them whose client calls, and the lists, all as PEM but for that one."""

    name: str
    accepted: bool
    client_cas: bytes
    issuer: Pair
    crls: bytes = b""
    code: str = ""  # of the error
    words: str = ""  # what its message has to say
    warned: str = ""  # the code of a warning, where it is accepted
    client: Changes = field(default_factory=dict)  # the changes of its client


CLIENT_CASES: list[ClientCase] = []


def pem(*ones: Any) -> bytes:
    """Return certificates and lists as PEM; those that cryptography would not make are bytes already."""
    return b"".join(one if isinstance(one, bytes) else one.public_bytes(Encoding.PEM) for one in ones)


def note(name: str, accepted: bool, *client_cas: Pair | bytes, **more: Any) -> None:
    """Note a case; its client is of the last CA that is a pair, unless the issuer is given."""
    pairs = [one for one in client_cas if isinstance(one, Pair)]
    issuer = more.pop("issuer", None) or pairs[-1]
    crls = pem(*more.pop("crls", ()))
    certificates = pem(*(one.certificate if isinstance(one, Pair) else one for one in client_cas))
    CLIENT_CASES.append(ClientCase(name, accepted, certificates, issuer, crls, **more))


def client_of(issuer: Pair, **changes: Any) -> Pair:
    """Return a client of the CA, but for `changes`."""
    return leaf(issuer, "a client", **{"eku": purposes(CLIENT), "san": None, **changes})


def of_organization(organization: str, common: str = "") -> x509.Name:
    """Return a name within an organization; the organization's own without a common name."""
    kinds = ((x509.NameOID.ORGANIZATION_NAME, organization), (x509.NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in kinds if text])


def purposes(*kinds: x509.ObjectIdentifier, critical: bool = False) -> tuple[x509.ExtendedKeyUsage, bool]:
    """Return an extended key usage of these."""
    return x509.ExtendedKeyUsage(kinds), critical


def signed_anew(whole: bytes, key: rsa.RSAPrivateKey, algorithm: bytes) -> bytes:
    """Return a certificate or list (DER) with another algorithm for its signature, signed by SHA-1."""
    fields = der.children(der.children(whole)[0])
    at = next(number for number, one in enumerate(fields) if one[0] == der.SEQUENCE)
    body = der.sequence(*fields[:at], algorithm, *fields[at + 1 :])
    return der.sequence(body, algorithm, der.bits(key.sign(body, padding.PKCS1v15(), hashes.SHA1())))


def link(key: Any, issuer: str, serial: int) -> tuple[x509.AuthorityKeyIdentifier, bool]:
    """Return an authority key identifier with all of its fields."""
    return x509.AuthorityKeyIdentifier(key_id(key).digest, [x509.DirectoryName(named(issuer))], serial), False


KEY, OTHER, RSA = new_key(), new_key(), rsa.generate_private_key(65537, 2048)
CHAT = {"subject": named("Chat CA"), "key": KEY}
SOUND = ca(**CHAT)

# Critical extensions: OpenSSL processes some kinds (RFC 5280, 4.2), and refuses the path of any other
note("sound", True, SOUND)
UNPROCESSED = {"code": "clients-refused", "words": "critical extension"}
note("subject key identifier: critical", False, ca(**CHAT, ski=(key_id(KEY), True)), **UNPROCESSED)
note("authority key identifier: critical", False, ca(**CHAT, aki=(issuer_id(KEY), True)), **UNPROCESSED)
note("of its own, critical", False, ca(**CHAT, x=CRITICAL), **UNPROCESSED)
note("of its own, not critical", True, ca(**CHAT, x=PLAIN))
PLACE = x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/")], None, None, None)
note("distribution points: critical", True, ca(**CHAT, cdp=(x509.CRLDistributionPoints([PLACE]), True)))
note("critical in the root above", False, TOP := ca(x=CRITICAL), ca(TOP), **UNPROCESSED)

# Purposes
note("purposes: client, critical", True, ca(**CHAT, eku=purposes(CLIENT, critical=True)))
note("purposes: any", False, ca(**CHAT, eku=purposes(ANY)), code="wrong-usage", words="clientAuth")
note("purposes: any and client", True, ca(**CHAT, eku=purposes(ANY, CLIENT)))
note(
    "purposes: server",
    False,
    ca(**CHAT, eku=purposes(ExtendedKeyUsageOID.SERVER_AUTH)),
    code="wrong-usage",
    words="clientAuth",
)

# Links: OpenSSL compares all that an authority key identifier holds (RFC 5280, 4.2.1.1), with the root itself too
UNFOUND = {"code": "client-ca-incomplete", "words": "authority key identifier"}
note(
    "renewed: with the old serial number",
    False,
    ca(**CHAT, aki=link(KEY, "Chat CA", 0x1111), serial=0x2222),
    **UNFOUND,
)
note("renewed: with all its own", True, ca(**CHAT, aki=link(KEY, "Chat CA", 0x2222), serial=0x2222))
note("renewed: with the key alone", True, ca(**CHAT, aki=(issuer_id(KEY), False), serial=0x2222))
note("renewed: without a link", True, ca(**CHAT, aki=None))
note("root: of another key", False, ca(**CHAT, aki=(issuer_id(OTHER), False)), **UNFOUND)
note("intermediate: of another key", False, SOUND, ca(SOUND, aki=(issuer_id(OTHER), False)), **UNFOUND)
note("intermediate: with its root", True, SOUND, ca(SOUND))
note(
    "intermediate: with a root of its name alone",
    False,
    SOUND,
    ca(SOUND, signer=OTHER, aki=None),
    code="client-ca-incomplete",
    words="of another key than the one that is given",
)
NAMESAKE = ca(subject=named("Namesake"))
note(
    "intermediate: with a root of its name and another kind of key",
    False,
    ca(subject=named("Namesake"), key=RSA, ski=None, aki=None),
    ca(NAMESAKE, aki=None),
    code="client-ca-incomplete",
    words="of another key than the one that is given",
)
NEXT = ca(SOUND, subject=named("Chat CA"))
note("next key: signed by the one before", True, SOUND, NEXT)
note("next key: of another kind", True, SOUND, ca(SOUND, subject=named("Chat CA"), key=RSA))
note(
    "edition: with another key identifier, and a link to the other edition",
    True,
    ca(**CHAT, ski=(key_id(OTHER), False), aki=(issuer_id(KEY), False)),
    SOUND,
)
FIRST, SECOND = (ca(subject=named("Chat CA"), ski=None, aki=None) for _time in range(2))
note(
    "two of one name: without key identifiers",
    False,
    FIRST,
    SECOND,
    code="clients-refused",
    words="takes another client CA of its name for it",
)
note("two of one name: with key identifiers", True, ca(subject=named("Chat CA")), SOUND)
FOR_LISTS = ca(SOUND, subject=named("Chat CA"), ku=(usage("crl_sign"), True))
note("a key for lists apart", True, FOR_LISTS, SOUND, warned="not-a-ca")
note("a key for lists alone", False, FOR_LISTS, code="not-a-ca")
note("intermediate: alone", False, ca(SOUND), code="client-ca-incomplete", words="without its issuer")

# Basic constraints, key usage, the length of a path
for length, accepted in (0, False), (1, True):
    limited = ca(path_length=length)
    note(
        f"path length: {length}, and an intermediate",
        accepted,
        limited,
        ca(limited),
        **({} if accepted else {"code": "clients-refused", "words": "path length"}),
    )
note("path length: 0, and clients of its own", True, ca(path_length=0))
note("no CA", False, ca(**CHAT, bc=NO_CA), code="not-a-ca")
note("no basic constraints, but key usage", True, ca(**CHAT, bc=None))
note("no keyCertSign", False, ca(**CHAT, ku=(usage("crl_sign"), True)), code="not-a-ca")

# Kinds of keys: clients do not negotiate their CA's
for curve in (ec.SECP256K1(), ec.SECP224R1(), ec.SECP384R1(), ec.SECP521R1()):
    note(f"key: {curve.name}", True, ca(key=ec.generate_private_key(curve)))
note("key: brainpoolP256r1", True, ca(key=ec.generate_private_key(ec.BrainpoolP256R1())), warned="weak-key")
note("key: Ed25519", True, ca(key=ed25519.Ed25519PrivateKey.generate()))
note("key: Ed448", True, ca(key=ed448.Ed448PrivateKey.generate()))
note("key: RSA of 1024 bits", False, ca(key=rsa.generate_private_key(65537, 1024)), code="weak-key", words="1024 bits")
note("key: P-192", False, ca(key=ec.generate_private_key(ec.SECP192R1())), code="weak-key", words="192 bits")
note("key: RSA of 2047 bits", True, ca(key=rsa.generate_private_key(65537, 2047)), warned="weak-key")
note("key: RSA of 3072 bits", True, ca(key=rsa.generate_private_key(65537, 3072)))


def with_exponent(bits: int, exponent: int) -> rsa.RSAPrivateKey:
    """Return a key of RSA with a public exponent near one, such as cryptography makes none."""
    made = rsa.generate_private_key(65537, bits).private_numbers()
    group = (made.p - 1) * (made.q - 1)
    while math.gcd(exponent, group) != 1:
        exponent += 2
    private = pow(exponent, -1, group)
    public = rsa.RSAPublicNumbers(exponent, made.public_numbers.n)
    parts = (made.p, made.q, private, private % (made.p - 1), private % (made.q - 1), made.iqmp)
    return rsa.RSAPrivateNumbers(*parts, public).private_key()


note("key: RSA with a long exponent", True, ca(key=with_exponent(2048, 1 << 70 | 1)))
note(
    "key: long RSA with a long exponent",
    False,
    ca(key=with_exponent(3136, 1 << 70 | 1)),
    code="client-ca-incomplete",
    words="the exponent of its key is longer than OpenSSL takes",
)
note("key: long RSA with a shorter exponent", True, ca(key=with_exponent(3136, 1 << 40 | 1)))

# Limits on names: a client whose names are within them is let in
TENCENT = of_organization("Tencent")
WITHIN = {"subject": of_organization("Tencent", "Chat")}
LIMITED: dict[str, tuple[Extension, Changes]] = {
    "DNS": (limits([dns("tencent.com")]), {"san": (alternatives("chat.tencent.com"), False)}),
    "a directory": (limits([x509.DirectoryName(TENCENT)]), WITHIN),
    "e-mail": (
        limits([x509.RFC822Name("tencent.com")]),
        {"san": (alternatives(x509.RFC822Name("a@tencent.com")), False)},
    ),
    "addresses": (
        limits([x509.IPAddress(ip_network("192.0.2.0/24"))]),
        {"san": (alternatives(x509.IPAddress(ip_address("192.0.2.1"))), False)},
    ),
    "a directory, not critical": (limits([x509.DirectoryName(TENCENT)], critical=False), WITHIN),
    "all but DNS": (limits(None, [dns("example.com")]), {"san": (alternatives("chat.tencent.com"), False)}),
    "all but a directory": (limits(None, [x509.DirectoryName(of_organization("Another"))]), WITHIN),
    "all of these": (
        limits([dns("tencent.com"), x509.DirectoryName(TENCENT)], [dns("shop.tencent.com")]),
        {**WITHIN, "san": (alternatives("chat.tencent.com"), False)},
    ),
}
NOBODY = limits(None, [dns(""), x509.DirectoryName(x509.Name([]))])
note("limits: nobody who has a name", True, ca(nc=NOBODY), client={"subject": named("")})
for name, (limit, client) in LIMITED.items():
    note(f"limits: {name}", True, ca(nc=limit), client=client)
ABOVE = ca(nc=limits([x509.DirectoryName(TENCENT)]))
BELOW = ca(ABOVE, subject=of_organization("Tencent", "Issuing CA"))
note("limits: of the root, and an intermediate within", True, ABOVE, BELOW, client=WITHIN)
note(
    "limits: of the root, and an intermediate without",
    False,
    ABOVE,
    ca(ABOVE),
    client=WITHIN,
    code="clients-refused",
    words="permitted subtree violation",
)

# Signatures: nobody looks at a root's own
BY_RSA = ca(key=RSA, subject=named("Chat CA"))
for name, algorithm, warned in ("SHA-1", SHA1_WITH_RSA, "weak-signature"), ("PSS of nothing", PSS_OF_NOTHING, ""):
    odd = signed_anew(BY_RSA.certificate.public_bytes(Encoding.DER), RSA, algorithm)
    note(f"signature: root's, {name}", True, der.pem("CERTIFICATE", odd), issuer=BY_RSA, warned=warned)
LOWER = ca(BY_RSA)
BY_SHA1 = signed_anew(LOWER.certificate.public_bytes(Encoding.DER), RSA, SHA1_WITH_RSA)
note(
    "signature: intermediate's, SHA-1",
    False,
    BY_RSA,
    der.pem("CERTIFICATE", BY_SHA1),
    issuer=LOWER,
    code="weak-signature",
    words="SHA1",
)
# `openssl x509 -sigopt rsa_padding_mode:pss` salts with all that there is room for
SALTED = {"padding": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)}
LONG = ca(key=rsa.generate_private_key(65537, 3072), **SALTED)
note("signature: intermediate's, PSS with the most salt", True, LONG, ca(LONG, **SALTED))

# Odd links
HALF = x509.AuthorityKeyIdentifier(key_id(KEY).digest, None, None)
HALF._authority_cert_issuer = [x509.DirectoryName(named("Chat CA"))]
note("renewed: with an issuer, and no serial number", True, ca(**CHAT, aki=(HALF, False)))

# Time
note("ended", False, ca(**CHAT, **PAST), code="expired", words="ended at")
note("ended, and renewed with the same key", True, ca(**CHAT, **PAST), SOUND, warned="expired")
note("begins tomorrow", False, ca(**CHAT, begin=NOW + DAY), code="not-yet-valid")

# Lists
LISTED = ca(**CHAT)
note("list: sound", True, LISTED, crls=(crl(LISTED),))
note(
    "list: of another key",
    False,
    LISTED,
    crls=(crl(LISTED, aki=(issuer_id(OTHER), False)),),
    code="crl-missing",
    words="of another key",
)
note("list: signed by another", False, LISTED, crls=(crl(LISTED, signer=OTHER),), code="crl-wrong-issuer")
note("list: beside a stranger's", True, LISTED, crls=(crl(LISTED), crl(ca())), warned="crl-wrong-issuer")
OF_USERS = crl(LISTED, place=distribution(only_contains_user_certs=True))
OF_CAS = crl(LISTED, place=distribution(only_contains_ca_certs=True))
note("list: of users, and one of CAs", True, LISTED, crls=(OF_USERS, OF_CAS), warned="crl-unsupported")
note(
    "list: an indirect one behind the whole one",
    True,
    LISTED,
    crls=(crl(LISTED), crl(LISTED, place=distribution(indirect_crl=True))),
    warned="crl-unsupported",
)
ODD_ENTRY = crl(LISTED, entry=x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"))
note(
    "list: an entry with a critical extension",
    False,
    LISTED,
    crls=(ODD_ENTRY,),
    code="crl-unsupported",
    words="chat.crl",
)
note("list: ended", False, LISTED, crls=(crl(LISTED, **PAST),), code="crl-expired")
AHEAD = crl(LISTED, begin=NOW + DAY, end=NOW + 9 * DAY, number=(x509.CRLNumber(2), False))
note("list: of tomorrow", False, LISTED, crls=(AHEAD,), code="crl-not-yet-valid")
note("list: of tomorrow, behind the present one", True, LISTED, crls=(crl(LISTED), AHEAD), warned="crl-not-yet-valid")
note("list: of tomorrow, before the present one", True, LISTED, crls=(AHEAD, crl(LISTED)), warned="crl-not-yet-valid")
note("list: of another CA", False, LISTED, crls=(crl(ca()),), code="crl-missing")
note("list: of the intermediate alone", False, TOP := ca(), MID := ca(TOP), crls=(crl(MID),), code="crl-missing")
note(
    "list: with the intermediate on it",
    False,
    TOP,
    MID,
    crls=(crl(TOP, MID), crl(MID)),
    code="revoked",
    words=f"'Issuing CA {MID.certificate.subject.rfc4514_string().split()[-1]}' on chat.crl",
)
note("list: with the root on it", False, LISTED, crls=(crl(LISTED, LISTED),), code="revoked")
note("list: with a client on it", True, LISTED, crls=(crl(LISTED, client_of(LISTED)),))
note("list: of both", True, TOP, MID, crls=(crl(TOP), crl(MID)))
note(
    "list: of a CA that may sign none",
    False,
    UNLISTED := ca(ku=(usage("key_cert_sign"), True)),
    crls=(crl(UNLISTED),),
    code="crl-wrong-issuer",
)
LIST_BY_SHA1 = signed_anew(crl(Pair(BY_RSA.certificate, RSA)).public_bytes(Encoding.DER), RSA, SHA1_WITH_RSA)
NUMBERED = crl(LISTED, again=(x509.UnrecognizedExtension(x509.CRLNumber.oid, b"\x02\x01\x02"), False))
note("list: numbered twice", True, LISTED, crls=(NUMBERED,))
EVERYWHERE = x509.UnrecognizedExtension(x509.IssuingDistributionPoint.oid, b"\x30\x00")
note("list: for no place in particular", True, LISTED, crls=(crl(LISTED, place=(EVERYWHERE, True)),))
note("list: signed by SHA-1", True, BY_RSA, crls=(der.pem("X509 CRL", LIST_BY_SHA1),))
