# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The verdict on certificate, key, chain, client CA and CRL together. Pure: it knows neither files nor Ansible."""

from __future__ import annotations

import functools
import re
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils import _findings, _paths
from ansible_collections.mtls.httpd.plugins.module_utils._domain import broken_rules, printable
from ansible_collections.mtls.httpd.plugins.module_utils._findings import CODES, ERROR, WARNING, Finding, finding
from ansible_collections.mtls.httpd.plugins.module_utils._forms import (
    CRYPTOGRAPHY_ERROR,
    HAS_CRYPTOGRAPHY,
    MAXIMUM_SIZE,
    Contents,
    FormError,
    public_bytes,
    read,
)

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
    from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.x509 import verification

    from ansible_collections.mtls.httpd.plugins.module_utils._forms import PrivateKey

__all__ = [
    "CODES",
    "CRYPTOGRAPHY_ERROR",
    "ERROR",
    "HAS_CRYPTOGRAPHY",
    "MAXIMUM_SIZE",
    "WARNING",
    "Deployable",
    "Finding",
    "Material",
    "Verdict",
    "Wish",
    "default_store",
    "describe",
    "finding",
    "judge",
    "report",
]

# What OpenSSL's security level 2 asks for (Debian's and RHEL's default), and the CA/Browser Forum (6.1.5).
MINIMUM_RSA_BITS = 2048
MAXIMUM_RSA_BITS = 16384  # OpenSSL verifies no longer ones
CURVES = ("secp256r1", "secp384r1", "secp521r1")
# CA/Browser Forum, Baseline Requirements 6.3.2: issued from this day on, at most so many days.
LIFETIMES = (
    (datetime(2029, 3, 15, tzinfo=timezone.utc), 47),
    (datetime(2027, 3, 15, tzinfo=timezone.utc), 100),
    (datetime(2026, 3, 15, tzinfo=timezone.utc), 200),
    (datetime(2020, 9, 1, tzinfo=timezone.utc), 398),
    (datetime(2018, 3, 1, tzinfo=timezone.utc), 825),
    (datetime(2015, 4, 1, tzinfo=timezone.utc), 1186),
)
_CLIENT_PURPOSES = frozenset({"1.3.6.1.5.5.7.3.2", "2.5.29.37.0"})  # clientAuth, anyExtendedKeyUsage
_CLIENT_CA_REMEDY = "Give the CA certificate that Chat publishes, TencentQQAuthCA.crt."
_UNUSABLE_DOMAIN = frozenset({"empty", "ip-address", "space", "special-character", "empty-label"})


@dataclass(frozen=True)
class Material:
    """The bytes of a file or of inline material, and what messages call it."""

    data: bytes = field(repr=False)
    name: str


@dataclass(frozen=True)
class Wish:
    """What is to be judged together: the material of one site, or any part of it."""

    domain: str | None = None
    aliases: tuple[str, ...] = ()
    certificate: Material | None = None
    private_key: Material | None = None
    chain: Material | None = None
    bundle: Material | None = None
    client_ca: tuple[Material, ...] = ()
    crl: tuple[Material, ...] = ()
    trust_anchors: tuple[Material, ...] = ()
    client_ca_sha256: tuple[str, ...] = ()
    issued_by: str = "public"
    private_key_passphrase: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Deployable:
    """What httpd wants: PEM with LF and no text around it. The same material always gives the same bytes."""

    certificate: bytes  # the server's, then the chain without a root
    private_key: bytes = field(repr=False)  # PKCS#8, not encrypted
    client_ca: bytes
    crl: bytes | None


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one wish."""

    domain: str | None
    findings: tuple[Finding, ...]
    certificates: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()
    first_end: dict[str, Any] | None = None
    deployable: Deployable | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(one.severity != ERROR for one in self.findings)


def judge(
    wishes: Iterable[Wish], *, at: datetime, warn_days: int, default_anchors: Material | None = None
) -> list[Verdict]:
    """Return the verdict on each wish, as of an aware moment.

    A public path ends at the wish's trust anchors, else at `default_anchors`, else at the controller's own store, which
    is read when first needed. What is given to many wishes is looked at once.
    """
    session = _Session(at, timedelta(days=warn_days), default_anchors)
    return [_Case(session, wish).verdict() for wish in wishes]


def report(verdicts: Iterable[Verdict]) -> str:
    """Return all findings for people: errors before warnings, grouped by site, at most 80 columns wide."""
    ordered = sorted(verdicts, key=lambda verdict: verdict.ok)
    return _findings.report((verdict.domain or "", verdict.findings) for verdict in ordered)


@functools.cache
def default_store() -> Material:
    """Return the roots that the controller trusts: the file that its OpenSSL is set to, SSL_CERT_FILE first."""
    paths = ssl.get_default_verify_paths()
    known = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    for path in (paths.cafile, paths.openssl_cafile, *known):
        if path and Path(path).is_file():
            return Material(Path(path).read_bytes(), path)
    return Material(b"", "the controller's store (none was found)")


def describe(certificate: x509.Certificate, at: datetime, use: str, source: str) -> dict[str, Any]:
    """Return the documented fields of a certificate, as of an aware moment."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = end - at
    percent = 100 * left / (end - begin) if end > begin else 0.0
    return {
        "use": use,
        "source": source,
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": _names(certificate),
        "serial": f"{certificate.serial_number:x}",
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "not_before": _iso(begin),
        "not_after": _iso(end),
        "days_left": left.days,
        "lifetime_left_percent": int(min(100.0, max(0.0, percent))),
    }


@dataclass(frozen=True)
class _Anchors:
    certificates: tuple[x509.Certificate, ...]
    store: verification.Store | None
    name: str


class _Session:
    """What many wishes share, looked at once."""

    def __init__(self, at: datetime, warn: timedelta, default_anchors: Material | None) -> None:
        self.at = at
        self.warn = warn
        self._default = default_anchors
        self.contents: dict[Material, Contents | FormError] = {}
        self.anchors: dict[object, _Anchors] = {}
        self.descriptions: dict[tuple[x509.Certificate, str, str], dict[str, Any]] = {}
        self.client_cas: dict[object, tuple[tuple[x509.Certificate, ...], tuple[Finding, ...]]] = {}

    @property
    def default(self) -> Material:
        return self._default or default_store()

    def read(self, material: Material) -> Contents:
        """Return what shared material holds; keys never come this way, so nothing secret is kept."""
        if material not in self.contents:
            try:
                self.contents[material] = read(material.data)
            except FormError as fault:
                self.contents[material] = fault
        found = self.contents[material]
        if isinstance(found, FormError):
            raise found
        return found

    def trusted(self, key: object, certificates: Sequence[x509.Certificate], name: str) -> _Anchors:
        if key not in self.anchors:
            self.anchors[key] = _Anchors(tuple(certificates), _paths.store(certificates), name)
        return self.anchors[key]


class _Case:
    """One wish under judgement."""

    def __init__(self, session: _Session, wish: Wish) -> None:
        self.session = session
        self.at = session.at
        self.wish = wish
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.certificates: list[dict[str, Any]] = []
        self.sources: dict[x509.Certificate, str] = {}
        self.ends: list[tuple[datetime, str]] = []

    def verdict(self) -> Verdict:
        """Judge everything that is given, and leave out the rules that need what is not."""
        names = self._domains()
        leaf, pool, keys = self._server()
        path: tuple[x509.Certificate, ...] = ()
        client_cas = self._client_cas()
        if leaf is not None:
            self._judge_key(leaf, keys)
            self._judge_leaf(leaf)
            self._judge_names(leaf, names)
            path = self._judge_path(leaf, pool, client_cas, names)
        crls = self._judge_crls(leaf, path, client_cas)
        deployable = None
        if leaf is not None and keys and all(one.severity != ERROR for one in self.findings):
            deployable = Deployable(
                certificate=_pem(leaf, *(one for one in path[1:] if not _self_issued(one) and one in self.sources)),
                private_key=_key_pem(keys[0]),
                client_ca=_pem(*client_cas),
                crl=b"".join(crl.public_bytes(serialization.Encoding.PEM) for crl in crls) or None,
            )
        first = min(self.ends, default=None)
        first_end = None
        if first:
            first_end = {"not_after": _iso(first[0]), "subject": first[1], "days_left": (first[0] - self.at).days}
        findings = tuple(dict.fromkeys(self.findings))
        return Verdict(self.wish.domain, findings, tuple(self.certificates), tuple(self.notes), first_end, deployable)

    def _add(self, code: str, subject: str, message: str, remedy: str, severity: str = "") -> None:
        self.findings.append(finding(code, subject, message, remedy, severity))

    # What is given

    def _domains(self) -> list[str]:
        """Return the domain and aliases that a certificate can be issued for; the others become findings."""
        good = []
        for name in (*([self.wish.domain] if self.wish.domain is not None else []), *self.wish.aliases):
            broken = [one for one in broken_rules(name) if one.rule in _UNUSABLE_DOMAIN]
            for problem in broken:
                self._add("invalid-domain", printable(name), problem.message, "Name the domain of the webhook URL.")
            if not broken:
                good.append(name.lower())
        return good

    def _contents(self, material: Material, option: str, *, shared: bool = False) -> Contents:
        """Return what the material holds; what cannot be read becomes a finding."""
        try:
            contents = self.session.read(material) if shared else read(material.data, self.wish.private_key_passphrase)
        except FormError as fault:
            self._add(fault.code, material.name, f"'{option}' {fault}", _remedy_unreadable(fault, option, material))
            return Contents()
        wanted = {"private_key": contents.keys, "crl": contents.crls}.get(option, contents.certificates)
        word = {"private_key": "a private key", "crl": "a CRL"}.get(option, "a certificate")
        if not wanted:
            self._add(
                "unreadable",
                material.name,
                f"'{option}' holds {contents}, and {word} belongs there.",
                f"Give the file that holds {word}.",
            )
            return Contents()
        if shared and contents.keys:
            self._add(
                "unreadable",
                material.name,
                f"'{option}' holds a private key beside {word}. Such a file may be read by everybody.",
                f"Keep the key out of it: openssl x509 -in {material.name} -out without-key.crt",
            )
        return contents

    def _server(self) -> tuple[x509.Certificate | None, list[x509.Certificate], list[PrivateKey]]:
        """Return the server's certificate, those that may lead from it to an anchor, and the keys given for it."""
        wish = self.wish
        if wish.bundle and (wish.certificate or wish.private_key):
            self._add(
                "ambiguous",
                wish.bundle.name,
                "'bundle' holds certificate and key, and is given beside 'certificate' or 'private_key'.",
                "Give 'bundle' alone, or the two without it.",
            )
            return None, [], []
        main = wish.bundle or wish.certificate
        contents = self._contents(main, "bundle" if wish.bundle else "certificate") if main else Contents()
        keys = list(contents.keys)
        key_source = main
        if wish.private_key:
            keys, key_source = list(self._contents(wish.private_key, "private_key").keys), wish.private_key
        chain = self._contents(wish.chain, "chain", shared=True).certificates if wish.chain else ()
        if main:
            self.sources.update(dict.fromkeys(contents.certificates, main.name))
        if wish.chain:
            self.sources = {**dict.fromkeys(chain, wish.chain.name), **self.sources}
        leaf = self._leaf(contents.certificates, keys)
        if leaf is not None:
            keys.sort(key=lambda key: public_bytes(key.public_key()) != _spki(leaf))
        matching = [key for key in keys if leaf is not None and public_bytes(key.public_key()) == _spki(leaf)]
        if len(keys) > 1 and not matching and key_source:
            self._add(
                "ambiguous",
                key_source.name,
                f"holds {len(keys)} private keys, and none is that of the certificate.",
                "Keep the one key that belongs to the certificate.",
            )
        if wish.bundle and contents.certificates and not keys:
            self._add(
                "unreadable",
                wish.bundle.name,
                f"'bundle' holds {contents} and no private key.",
                "Download the certificate from the console again, with its key.",
            )
        for key in keys[:1]:
            self._judge_strength(key.public_key(), key_source.name if key_source else "", "the private key")
        pool = [one for one in (*contents.certificates, *chain) if one != leaf]
        return leaf, list(dict.fromkeys(pool)), keys

    @staticmethod
    def _leaf(certificates: Sequence[x509.Certificate], keys: Sequence[PrivateKey]) -> x509.Certificate | None:
        """Return the server's certificate: the one of the key, else the first that is no CA, else the first."""
        known = {public_bytes(key.public_key()) for key in keys}
        of_key = [one for one in certificates if _spki(one) in known] if len(certificates) > 1 else []
        if of_key:
            return max(of_key, key=lambda one: one.not_valid_after_utc)
        return next((one for one in certificates if not _is_ca(one)), certificates[0] if certificates else None)

    # The server's certificate

    def _judge_key(self, leaf: x509.Certificate, keys: Sequence[PrivateKey]) -> None:
        if keys and public_bytes(keys[0].public_key()) != _spki(leaf):
            source = self.sources[leaf]
            key_source = (self.wish.private_key or self.wish.bundle or self.wish.certificate or Material(b"", "")).name
            self._add(
                "key-mismatch",
                key_source,
                f"the private key is not that of the certificate in {source}; httpd would not start again.",
                f"Find the key whose public half is that of: openssl x509 -in {source} -noout -pubkey",
            )

    def _judge_leaf(self, leaf: x509.Certificate) -> None:
        source = self.sources[leaf]
        self._describe(leaf, "server", source)
        self._judge_time(leaf, source)
        self._judge_form(leaf, source)
        self._judge_signature(leaf, source)
        key = _public_key(leaf)
        if not self.wish.private_key and not self.wish.bundle:
            self._judge_strength(key, source, "its key")
        usage = _extension(leaf, x509.KeyUsage)
        purposes = _extension(leaf, x509.ExtendedKeyUsage)
        wrong = []
        if _is_ca(leaf):
            wrong.append("it is a CA's certificate, not a server's")
        elif usage is not None and usage.key_cert_sign:
            wrong.append("its key usage is a CA's (keyCertSign)")
        if usage is not None and not usage.digital_signature:
            wrong.append("its key usage lacks digitalSignature, which TLS 1.3 and ECDHE need")
        if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
            wrong.append("its extended key usage lacks serverAuth")
        for reason in wrong:
            self._add("wrong-usage", source, f"{reason}; clients refuse it.", "Order a certificate for a TLS server.")
        features = _extension(leaf, x509.TLSFeature)
        if features is not None and x509.TLSFeatureType.status_request in features:
            self._add(
                "must-staple",
                source,
                "it demands stapled OCSP answers (must-staple). Clients that mind it refuse a server without them.",
                "Order one without must-staple, or set SSLUseStapling in 'extra_directives'.",
            )
        lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1)
        limit = next((days for start, days in LIFETIMES if leaf.not_valid_before_utc >= start), None)
        if self.wish.issued_by == "public" and limit and lifetime > timedelta(days=limit):
            self._add(
                "long-lifetime",
                source,
                f"it is valid for {lifetime.days} days; certificates of its date may be for {limit}. "
                "Strict clients refuse it.",
                "Order the next one for a shorter time.",
            )

    def _judge_names(self, leaf: x509.Certificate, wanted: Sequence[str]) -> None:
        names = _names(leaf)
        source = self.sources[leaf]
        if _extension(leaf, x509.SubjectAlternativeName) is None:
            self._add(
                "name-mismatch",
                source,
                "it has no subject alternative name, and clients look at nothing else (RFC 9525), least of all "
                "at the common name.",
                "Order it anew with the domain as DNS name: openssl req -addext subjectAltName=DNS:<domain> …",
            )
            return
        missing = [name for name in wanted if not any(_covers(pattern, name) for pattern in names)]
        if missing:
            self._add(
                "name-mismatch",
                source,
                f"it is not for {', '.join(missing)}. Its names: {_some(names)}.",
                "Give the certificate of that domain, or order one with all names.",
            )

    def _judge_path(
        self,
        leaf: x509.Certificate,
        pool: list[x509.Certificate],
        client_cas: Sequence[x509.Certificate],
        names: Sequence[str],
    ) -> tuple[x509.Certificate, ...]:
        """Return the path to an anchor, and find fault with it; only the server's certificate where none is judged."""
        if len(pool) > _paths.MAXIMUM_MEMBERS:
            self._add(
                "chain-incomplete",
                self.sources[leaf],
                f"{len(pool)} further certificates are given; a path is looked for in {_paths.MAXIMUM_MEMBERS}.",
                "Leave only those that lead from the server's certificate to its root.",
            )
            return (leaf,)
        anchors = self._anchors(leaf, pool, client_cas)
        if anchors is None:
            return (leaf,)
        begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        # Where the server's certificate is out of its time, its path is judged at the nearest moment of it.
        moment = min(max(self.at, begin), max(begin, end))
        covered = [name for name in names if any(_covers(pattern, name) for pattern in _names(leaf))]
        own = [re.sub(r"^\*\.", "any.", name) for name in _names(leaf)]
        objection = "none of the trust anchors is to be had"
        path = None
        if anchors.store:
            try:
                path = _paths.build(leaf, pool, anchors.store, moment, (covered or own or ["none.invalid"])[0])
            except _paths.PathRefusedError as refused:
                objection = str(refused)
                try:
                    path = _paths.build_regardless_of_leaf(leaf, pool, anchors.store, moment)
                    self._refused(leaf, objection)
                except _paths.PathRefusedError:
                    pass
        if path is None:
            self._explain(leaf, pool, anchors, objection)
            return (leaf,)
        for one in path.certificates[1:]:
            source = self.sources.get(one, anchors.name)
            self._describe(one, "chain" if one in self.sources else "trust_anchor", source)
            self._judge_time(one, source)
        if path.objection and self.wish.issued_by == "public":
            self._add(
                "outside-profile",
                self.sources[leaf],
                f"the path breaks the Web PKI's profile, and strict clients refuse it: {path.objection}.",
                "Ask the authority for a certificate that follows the CA/Browser Forum's requirements.",
            )
        self._judge_order(pool, path.certificates)
        return path.certificates

    def _anchors(
        self, leaf: x509.Certificate, pool: Sequence[x509.Certificate], client_cas: Sequence[x509.Certificate]
    ) -> _Anchors | None:
        """Return what the path must end at; None where nothing but the server's certificate is known of it."""
        wish = self.wish
        if wish.trust_anchors:
            key = wish.trust_anchors
            certificates = [
                one for each in key for one in self._contents(each, "trust_anchors", shared=True).certificates
            ]
            name = ", ".join(each.name for each in key)
            self.notes.append(f"The path was judged to end at {name}.")
            return self.session.trusted(key, certificates, name) if certificates else None
        if wish.issued_by == "chat":
            self.notes.append(
                "The certificate is issued by Chat for its own use. No public client trusts it, as it should be."
            )
            top = _paths.walk(leaf, (*pool, *client_cas), ()).certificates[-1]
            impostor = _paths.walk(leaf, (*pool, *client_cas), ()).impostor
            if top == leaf and not _self_issued(leaf):
                if impostor is None:
                    self.notes.append("Its issuer was not given, so its signature was not checked.")
                    return None
                return self.session.trusted(impostor, [impostor], "what was given")
            return self.session.trusted(top, [top], self.sources.get(top, "client_ca"))
        store = self.session.default
        if "default" not in self.session.anchors:
            certificates = _readable(store.data)
            self.session.trusted("default", certificates, store.name)
        anchors = self.session.anchors["default"]
        self.notes.append(
            f"The path was judged to end at the store {anchors.name}, of {len(anchors.certificates)} roots."
        )
        return anchors

    def _refused(self, leaf: x509.Certificate, objection: str) -> None:
        """Say why a path that leads to an anchor is refused, unless that was said of the server's certificate."""
        if any(one.severity == ERROR and one.subject == self.sources[leaf] for one in self.findings):
            return
        self._path_refused(leaf, objection)

    def _path_refused(self, leaf: x509.Certificate, objection: str) -> None:
        lowered = objection.lower()
        code = "path-refused"
        if "name constraint" in lowered:
            code = "name-constraints"
        elif "eku" in lowered or "keyusage" in lowered or "basicconstraints" in lowered:
            code = "wrong-usage"
        self._add(
            code,
            self.sources[leaf],
            f"clients refuse its path to the trust anchor: {objection}.",
            "Ask the authority for a certificate and chain that follow RFC 5280.",
        )

    def _explain(
        self, leaf: x509.Certificate, pool: Sequence[x509.Certificate], anchors: _Anchors, objection: str
    ) -> None:
        """Find out why there is no path, by following the issuers' names."""
        way = _paths.walk(leaf, pool, anchors.certificates)
        faults = sum(one.severity == ERROR for one in self.findings)
        for one in way.certificates[1:]:
            source = self.sources.get(one, anchors.name)
            self._describe(one, "chain" if one in self.sources else "trust_anchor", source)
            self._judge_time(one, source)
            self._judge_strength(_public_key(one), source, f"the key of '{_label(one)}'")
            if one not in anchors.certificates:
                self._judge_signature(one, source)
            if not _may_issue(one):
                self._add(
                    "wrong-usage",
                    source,
                    f"'{_label(one)}' is no CA by basic constraints and key usage, and so may not issue certificates.",
                    "Give the chain that the authority published for the certificate.",
                )
        last = way.certificates[-1]
        if way.anchored:
            if faults == sum(one.severity == ERROR for one in self.findings):
                self._refused(leaf, objection)
            return
        self._not_anchored(leaf, last, way.impostor, anchors)

    def _not_anchored(
        self, leaf: x509.Certificate, last: x509.Certificate, impostor: x509.Certificate | None, anchors: _Anchors
    ) -> None:
        source = self.sources[last]
        url = _issuer_url(last)
        own = "" if self.wish.trust_anchors else " If the authority is your own, give its root as 'trust_anchors'."
        if impostor is not None:
            self._add(
                "untrusted-issuer",
                source,
                f"'{_label(last)}' names '{_label(impostor)}' as its issuer, and the one of that name in "
                f"{self.sources.get(impostor, anchors.name)} did not sign it; clients refuse it.",
                "Give the issuer's certificate whose key signed it; its name may have been used by several.",
            )
        elif _self_issued(last):
            self._add(
                "untrusted-issuer",
                source,
                f"the path ends at '{_label(last)}', which signed itself and is not among the trust anchors "
                f"({anchors.name}); public clients refuse it.",
                f"Order a certificate of an authority that everybody trusts.{own}",
            )
        elif last == leaf or url:
            where = f" It is published at {url}" if url else ""
            fetch = f"Fetch it: curl -sO {url}" if url else "Get the issuer's certificate from the authority"
            self._add(
                "chain-incomplete",
                source,
                f"the certificate of '{_name(last.issuer)}', which issued '{_label(last)}', is neither given nor a "
                f"trust anchor ({anchors.name}); clients cannot build a path.{where}",
                f"{fetch}, and give it as 'chain'.{own}",
            )
        else:
            self._add(
                "untrusted-issuer",
                source,
                f"the path ends at '{_label(last)}', issued by '{_name(last.issuer)}', which is neither given nor a "
                f"trust anchor ({anchors.name}); clients refuse it.",
                f"Give the missing issuer in 'chain', or a certificate of an authority that everybody trusts.{own}",
            )

    def _judge_order(self, pool: Sequence[x509.Certificate], path: Sequence[x509.Certificate]) -> None:
        """Warn of what was left out of the chain, and of an order that was put right."""
        kept = [one for one in path[1:] if one in self.sources and not _self_issued(one)]
        left_out = [one for one in pool if one not in kept]
        if left_out:
            roots = " A root is never sent." if any(_self_issued(one) for one in left_out) else ""
            self._add(
                "chain-superfluous",
                self.sources[left_out[0]],
                f"left out of the chain, as clients do not need it: {_some([_label(one) for one in left_out])}.{roots}",
                "Nothing must be done; to silence this, take it out of the file.",
            )
        if [one for one in pool if one in kept] != kept:
            self._add(
                "chain-order",
                self.sources[kept[0]],
                f"the chain was not in the order that TLS wants; now it is {_some([_label(one) for one in kept])}.",
                "Nothing must be done; to silence this, let each certificate follow the one that it issued.",
            )

    # The client CA and its revocation lists

    def _client_cas(self) -> tuple[x509.Certificate, ...]:
        wish = self.wish
        if not wish.client_ca:
            return ()
        key = (wish.client_ca, wish.client_ca_sha256)
        if key not in self.session.client_cas:
            before, self.findings = self.findings, []
            found: dict[x509.Certificate, str] = {}
            for material in wish.client_ca:
                contents = self._contents(material, "client_ca", shared=True)
                if contents.entries and len(contents.certificates) > 1:
                    self._add(
                        "ambiguous",
                        material.name,
                        f"is a zip with {len(contents.certificates)} certificates ({_some(contents.entries)}), and "
                        "each could be the client CA.",
                        "Unpack it, and give the client CA itself.",
                    )
                found.update(dict.fromkeys(contents.certificates, material.name))
            for certificate, source in found.items():
                self._judge_client_ca(certificate, source, tuple(found))
            self.session.client_cas[key] = (tuple(found), tuple(self.findings))
            self.findings = before
        certificates, findings = self.session.client_cas[key]
        self.findings += findings
        for material in wish.client_ca:
            cached = self.session.contents.get(material)
            if isinstance(cached, Contents):
                for certificate in cached.certificates:
                    self._describe(certificate, "client_ca", material.name)
        return certificates

    def _judge_client_ca(
        self, certificate: x509.Certificate, source: str, together: Sequence[x509.Certificate]
    ) -> None:
        self._judge_time(certificate, source)
        self._judge_strength(_public_key(certificate), source, f"the key of '{_label(certificate)}'")
        self._judge_signature(certificate, source, WARNING)
        self._judge_pins(certificate, source)
        if not _may_issue(certificate):
            self._add(
                "not-a-ca",
                source,
                f"'{_label(certificate)}' is no CA by basic constraints and key usage; httpd would refuse all clients.",
                _CLIENT_CA_REMEDY,
            )
            return
        purposes = _extension(certificate, x509.ExtendedKeyUsage) or ()
        if purposes and not _CLIENT_PURPOSES & {purpose.dotted_string for purpose in purposes}:
            self._add(
                "wrong-usage",
                source,
                f"the extended key usage of '{_label(certificate)}' lacks clientAuth; httpd would refuse every client.",
                _CLIENT_CA_REMEDY,
            )
        alone = not any(one != certificate and _paths.signed_by(certificate, one) for one in together)
        if alone and not _self_issued(certificate):
            self._add(
                "client-ca-incomplete",
                source,
                f"'{_label(certificate)}' is an intermediate without its issuer '{_name(certificate.issuer)}'; "
                "httpd refuses clients of an intermediate alone.",
                "Give its root as 'client_ca' too.",
            )

    def _judge_pins(self, certificate: x509.Certificate, source: str) -> None:
        pins = [re.sub(r"[\s:]", "", pin).lower() for pin in self.wish.client_ca_sha256]
        for number, pin in enumerate(pins):
            if not re.fullmatch("[0-9a-f]{64}", pin):
                self._add(
                    "wrong-fingerprint",
                    f"client_ca_sha256[{number}]",
                    "is no SHA-256 fingerprint, which has 64 hexadecimal digits.",
                    f"Take it from a trusted copy: openssl x509 -in {source} -noout -fingerprint -sha256",
                )
        actual = certificate.fingerprint(hashes.SHA256()).hex()
        if pins and actual not in pins:
            self._add(
                "wrong-fingerprint",
                source,
                f"'{_label(certificate)}' has the SHA-256 fingerprint {actual}, which is not pinned; it may be "
                "another CA than Chat's.",
                "Compare it with a copy from another source, and only then change 'client_ca_sha256'.",
            )
        body = certificate.public_bytes(serialization.Encoding.PEM).strip()
        if not pins and body in self.session.default.data:
            self._add(
                "public-client-ca",
                source,
                f"'{_label(certificate)}' is a public root of {self.session.default.name}: everybody who buys a "
                "certificate of it would be let in.",
                f"Give Chat's own CA. If this is what you want, pin it: client_ca_sha256: [{actual}]",
            )

    def _judge_crls(
        self, leaf: x509.Certificate | None, path: Sequence[x509.Certificate], client_cas: Sequence[x509.Certificate]
    ) -> list[x509.CertificateRevocationList]:
        given = [
            (crl, material.name)
            for material in self.wish.crl
            for crl in self._contents(material, "crl", shared=True).crls
        ]
        issuers = [*client_cas, *path[1:]]
        for crl, source in given:
            self._judge_crl(crl, source, issuers)
            entry = crl.get_revoked_certificate_by_serial_number(leaf.serial_number) if leaf is not None else None
            if leaf is not None and entry is not None and crl.issuer == leaf.issuer:
                self._add(
                    "revoked",
                    self.sources[leaf],
                    f"the server's certificate is on the CRL {source}, since {_iso(entry.revocation_date_utc)}.",
                    "Order a new certificate with a new key.",
                )
        if given:
            for ca in client_cas:
                if not any(_signed_crl(crl, ca) for crl, _source in given):
                    self._add(
                        "crl-missing",
                        ", ".join(dict.fromkeys(source for _crl, source in given)),
                        f"no CRL is of the client CA '{_label(ca)}'; httpd would refuse all its clients.",
                        "Give a CRL of each client CA, or none at all.",
                    )
        return [crl for crl, _source in given]

    def _judge_crl(self, crl: x509.CertificateRevocationList, source: str, issuers: Sequence[x509.Certificate]) -> None:
        issuer = _name(crl.issuer)
        fetch = "Fetch the present CRL from the CA, and see to it that it is renewed in time."
        if issuers and not any(_signed_crl(crl, one) for one in issuers):
            self._add(
                "crl-wrong-issuer",
                source,
                f"the CRL says that '{issuer}' issued it, and no client CA of that name signed it.",
                "Give the CRL of the client CA.",
            )
        begin, end = crl.last_update_utc, crl.next_update_utc
        if begin > self.at:
            self._add("crl-not-yet-valid", source, f"the CRL of '{issuer}' begins at {_iso(begin)}.", fetch)
        if end is not None and end <= self.at:
            self._add(
                "crl-expired",
                source,
                f"the CRL of '{issuer}' was due to be renewed at {_iso(end)}; httpd would refuse every client.",
                fetch,
            )
        elif end is not None and (end - self.at) * 5 < end - begin:
            self._add("crl-expires-soon", source, f"the CRL of '{issuer}' is to be renewed at {_iso(end)}.", fetch)
        distribution = _extension(crl, x509.IssuingDistributionPoint)
        kinds = []
        if _extension(crl, x509.DeltaCRLIndicator) is not None:
            kinds.append("a delta CRL")
        if distribution is not None and distribution.indirect_crl:
            kinds.append("an indirect CRL")
        for kind in kinds:
            self._add(
                "crl-unsupported",
                source,
                f"it is {kind}, which httpd does not take.",
                "Give the CA's complete, direct CRL.",
            )

    # What holds for every certificate

    def _describe(self, certificate: x509.Certificate, use: str, source: str) -> None:
        key = (certificate, use, source)
        description = self.session.descriptions.get(key)
        if description is None:
            description = describe(certificate, self.at, use, source)
            if use != "server":
                self.session.descriptions[key] = description
        self.certificates.append(description)
        self.ends.append((certificate.not_valid_after_utc, f"'{_label(certificate)}' in {source}"))

    def _judge_time(self, certificate: x509.Certificate, source: str) -> None:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        label = _label(certificate)
        if self.at < begin:
            self._add(
                "not-yet-valid",
                source,
                f"'{label}' is valid from {_iso(begin)} on, and it is {_iso(self.at)}; until then it is refused.",
                "Wait, or check the clocks: timedatectl",
            )
        elif self.at > end:
            self._add(
                "expired",
                source,
                f"'{label}' ended at {_iso(end)}, {(self.at - end).days} days ago; it is refused.",
                f"Renew it, then look: openssl x509 -in {source} -noout -enddate",
            )
        elif end - self.at < self.session.warn:
            self._add(
                "expires-soon",
                source,
                f"'{label}' ends at {_iso(end)}, in {(end - self.at).days} days.",
                "Renew it, and run this again with the new one.",
            )

    def _judge_form(self, certificate: x509.Certificate, source: str) -> None:
        serial = certificate.serial_number
        wrong = []
        if certificate.version != x509.Version.v3:
            wrong.append("it is of version 1, which has no subject alternative names")
        if serial <= 0:
            wrong.append("its serial number is not positive (RFC 5280, 4.1.2.2)")
        if serial.bit_length() >= 20 * 8:
            wrong.append("its serial number has more than 20 octets (RFC 5280, 4.1.2.2)")
        for reason in wrong:
            self._add("bad-form", source, f"{reason}; clients refuse it.", "Order a certificate that follows RFC 5280.")

    def _judge_signature(self, certificate: x509.Certificate, source: str, severity: str = "") -> None:
        try:
            algorithm = certificate.signature_hash_algorithm
        except UnsupportedAlgorithm:
            return
        if isinstance(algorithm, (hashes.SHA1, hashes.MD5)):
            name = "SHA-1" if isinstance(algorithm, hashes.SHA1) else "MD5"
            self._add(
                "weak-signature",
                source,
                f"'{_label(certificate)}' is signed by way of {name}, which clients and OpenSSL's default security "
                "level refuse.",
                "Ask the authority for one that is signed by way of SHA-256.",
                severity,
            )

    def _judge_strength(self, key: object, source: str, whose: str) -> None:
        weak = ""
        if isinstance(key, rsa.RSAPublicKey):
            if key.key_size < MINIMUM_RSA_BITS:
                weak = f"has {key.key_size} bits of RSA; {MINIMUM_RSA_BITS} are the least that clients and OpenSSL take"
            elif key.key_size > MAXIMUM_RSA_BITS:
                weak = f"has {key.key_size} bits of RSA; OpenSSL takes at most {MAXIMUM_RSA_BITS}"
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if key.curve.name not in CURVES:
                weak = f"is on the curve {key.curve.name}, which clients do not know"
        elif isinstance(key, dsa.DSAPublicKey):
            weak = "is a DSA key, which TLS knows no more"
        elif not isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            weak = "is of a kind that TLS clients do not know"
        if weak:
            self._add(
                "weak-key",
                source,
                f"{whose} {weak}.",
                "Make a new key, and order a certificate for it: openssl genpkey -algorithm EC -pkeyopt "
                "ec_paramgen_curve:P-256 -out new.key",
            )


def _remedy_unreadable(fault: FormError, option: str, material: Material) -> str:
    if fault.code == "encrypted-key":
        return "Give 'private_key_passphrase', vaulted. The key is decrypted in memory, as httpd cannot ask."
    if option == "private_key":
        return f"Look at it: openssl pkey -in {material.name} -noout -text"
    kind = "crl" if option == "crl" else "x509"
    return (
        f"Give PEM, DER, PKCS#7, PKCS#12 or a zip of these. Look at it: openssl {kind} -in {material.name} -noout -text"
    )


def _readable(data: bytes) -> list[x509.Certificate]:
    """Return the certificates of a trust store without those that cannot be parsed."""
    try:
        return list(read(data).certificates)
    except FormError:
        return []


def _extension(holder: Any, kind: Any) -> Any:
    """Return the value of the extension, or None."""
    try:
        return holder.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _public_key(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _spki(certificate: x509.Certificate) -> bytes:
    """Return the certificate's public key as DER; none for a kind that is not known."""
    try:
        return public_bytes(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and bool(constraints.ca)


def _may_issue(certificate: x509.Certificate) -> bool:
    """Return whether OpenSSL takes the certificate for a CA (X509_check_ca): also a self-signed one of version 1."""
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return False
    if _extension(certificate, x509.BasicConstraints) is not None:
        return _is_ca(certificate)
    return usage is not None or (certificate.version == x509.Version.v1 and _self_issued(certificate))


def _self_issued(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer


def _signed_crl(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = _public_key(issuer)
    if crl.issuer != issuer.subject or not isinstance(
        key,
        (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey, dsa.DSAPublicKey),
    ):
        return False
    try:
        return crl.is_signature_valid(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names of the subject alternative names, lower case, printable."""
    alternatives = _extension(certificate, x509.SubjectAlternativeName)
    if alternatives is None:
        return []
    return [printable(name).lower() for name in alternatives.get_values_for_type(x509.DNSName)]


def _covers(pattern: str, domain: str) -> bool:
    """Return whether a certificate's DNS name covers the domain (RFC 9525, 6.3): a wildcard is a whole first label."""
    if pattern.startswith("*."):
        first, _dot, rest = domain.partition(".")
        return bool(first) and rest == pattern[2:]
    return pattern == domain


def _issuer_url(certificate: x509.Certificate) -> str:
    """Return where the authority says that the issuer's certificate is published, if it is a plain URL."""
    for access in _extension(certificate, x509.AuthorityInformationAccess) or ():
        is_issuers = access.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        url = access.access_location.value
        if is_issuers and isinstance(url, str) and re.fullmatch(r"https?://[\w.~:/?@!&=+,%-]{1,200}", url, re.ASCII):
            return url
    return ""


def _label(certificate: x509.Certificate) -> str:
    return _name(certificate.subject) if list(certificate.subject) else (_names(certificate) or ["no name"])[0]


def _name(name: x509.Name) -> str:
    """Return how messages call a subject or issuer: its common name, else all of it."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return "".join(c if c.isprintable() else "?" for c in text)[:80]


def _some(texts: Sequence[str]) -> str:
    shown = ", ".join(texts[:5]) or "none"
    return f"{shown} and {len(texts) - 5} more" if len(texts) > 5 else shown


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
