# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The verdict on certificate, key, chain, client CA and CRL together. Pure: it knows neither files nor Ansible."""

from __future__ import annotations

import functools
import re
import ssl
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import certification_path, rules
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import (
    Certificate,
    called,
    iso,
    signed_by,
    some,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules, printable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    ERROR,
    Finding,
    finding,
    in_shell,
    report_findings,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import (
    HAS_CRYPTOGRAPHY,
    Contents,
    FormError,
    read,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import (
    Deployable,
    Material,
    MaterialSet,
    Verdict,
)

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.x509 import verification

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import PrivateKey

_HOST_NAME = re.compile(r"(?:[a-z0-9-]+\.)*[a-z0-9-]*[a-z-][a-z0-9-]*", re.IGNORECASE)
_UNUSABLE = frozenset({"empty", "ip-address", "space", "special-character", "empty-label"})


def judge(
    wishes: Iterable[MaterialSet],
    *,
    at: datetime,
    warn_days: int,
    default_anchors: Material | None = None,
    deploy: bool = True,
) -> list[Verdict]:
    """Return the verdict on each wish, as of an aware moment; with what to deploy, unless that is not wanted.

    A public path ends at the wish's trust anchors, else at `default_anchors`, else at the controller's own store, which
    is read when first needed. What is given to many wishes is looked at once.
    """
    session = _Session(at, timedelta(days=warn_days), default_anchors)
    with warnings.catch_warnings():
        # cryptography warns of odd serial numbers. Those that matter become findings.
        warnings.simplefilter("ignore")
        return [_Case(session, wish).verdict(deploy=deploy) for wish in wishes]


def report(verdicts: Iterable[Verdict]) -> str:
    """Return all findings for people: errors before warnings, grouped by site, at most 80 columns wide."""
    ordered = sorted(verdicts, key=lambda verdict: verdict.ok)
    return report_findings((verdict.domain or "", verdict.findings) for verdict in ordered)


@functools.cache
def default_store() -> Material:
    """Return the roots that the controller trusts: the file that its OpenSSL is set to, SSL_CERT_FILE first."""
    paths = ssl.get_default_verify_paths()
    known = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    for path in (paths.cafile, paths.openssl_cafile, *known):
        if path and Path(path).is_file():
            return Material(Path(path).read_bytes(), path)
    return Material(b"", "the controller's store (none was found)")


@dataclass(frozen=True)
class _Anchors:
    """What a path may end at, and what messages call it."""

    certificates: tuple[x509.Certificate, ...]
    store: verification.Store | None
    name: str


class _Session:
    """What many wishes share, looked at once. Keys never come here, so nothing secret is kept."""

    def __init__(self, at: datetime, warn: timedelta, default_anchors: Material | None) -> None:
        self.at = at
        self.warn = warn
        self._default = default_anchors
        self._contents: dict[Material, Contents | FormError] = {}
        self._anchors: dict[object, _Anchors] = {}
        self.client_cas: dict[object, tuple[tuple[Certificate, ...], tuple[Finding, ...]]] = {}
        self.descriptions: dict[tuple[Certificate, str], dict[str, Any]] = {}

    @property
    def default(self) -> Material:
        """The store that a public path ends at where no anchors are given."""
        return self._default or default_store()

    def read(self, material: Material) -> Contents:
        """Return what shared material holds; raises FormError."""
        if material not in self._contents:
            try:
                self._contents[material] = read(material.data, material.name)
            except FormError as fault:
                self._contents[material] = fault
        found = self._contents[material]
        if isinstance(found, FormError):
            raise found
        return found

    def anchors(self, certificates: Sequence[x509.Certificate], name: str) -> _Anchors:
        """Return the anchors; the same for the same certificates."""
        key = tuple(certificates)
        if key not in self._anchors:
            self._anchors[key] = _Anchors(key, certification_path.store(key), name)
        return self._anchors[key]

    @functools.cached_property
    def default_anchors(self) -> _Anchors:
        """The default store, parsed."""
        return _Anchors(found := _readable(self.default), certification_path.store(found), self.default.name)

    def description(self, one: Certificate, use: str) -> dict[str, Any]:
        """Return the documented fields of a certificate that many wishes may share."""
        if (one, use) not in self.descriptions:
            self.descriptions[one, use] = one.description(self.at, use)
        return self.descriptions[one, use]


class _Case:
    """One wish under judgement."""

    def __init__(self, session: _Session, wish: MaterialSet) -> None:
        self.session = session
        self.wish = wish
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.certificates: list[dict[str, Any]] = []
        self.ends: list[tuple[datetime, str]] = []
        self.known: dict[x509.Certificate, Certificate] = {}  # what was given for the server, by certificate

    def verdict(self, *, deploy: bool) -> Verdict:
        """Judge everything that is given, and leave out the rules that need what is not."""
        domains = self._domains()
        leaf, pool, keys = self._server(domains)
        if leaf is not None:
            self._judge_server(leaf, domains, keys)
        client_cas = self._client_cas()
        path = self._judge_path(leaf, pool, client_cas, domains) if leaf is not None else []
        crls = self._crls(leaf, path, client_cas)
        deployable = None
        if deploy and (keys if leaf is not None else client_cas) and self._errors() == 0:
            others = (one for one in path[1:] if not one.self_signed and one.parsed in self.known)
            sent = [] if leaf is None else [leaf, *others]
            deployable = Deployable(
                certificate=b"".join(one.pem for one in sent),
                private_key=_key_pem(keys[0]) if leaf is not None else None,
                client_ca=b"".join(one.pem for one in client_cas),
                crl=b"".join(crl.public_bytes(serialization.Encoding.PEM) for crl in crls) or None,
                crl_ends=min((iso(crl.next_update_utc) for crl in crls if crl.next_update_utc), default=""),
            )
        return Verdict(
            domain=self.wish.domain,
            findings=tuple(dict.fromkeys(self.findings)),
            certificates=tuple(self.certificates),
            notes=tuple(self.notes),
            first_end=self._first_end(),
            deployable=deployable,
        )

    def _add(self, code: str, subject: str, message: str, remedy: str) -> None:
        self.findings.append(finding(code, subject, message, remedy))

    def _errors(self, subject: str | None = None) -> int:
        return sum(one.severity == ERROR and subject in (None, one.subject) for one in self.findings)

    def _first_end(self) -> dict[str, Any] | None:
        if not self.ends:
            return None
        end, subject = min(self.ends)
        return {"not_after": iso(end), "subject": subject, "days_left": (end - self.session.at).days}

    def _describe(self, one: Certificate, use: str) -> None:
        """Put the certificate into the result, and judge its time."""
        shared = use != "server"
        self.certificates.append(
            self.session.description(one, use) if shared else one.description(self.session.at, use)
        )
        self.ends.append((one.end, f"'{one.label}' in {one.source}"))
        self.findings += rules.time(one, self.session.at, self.session.warn)

    # What is given

    def _domains(self) -> list[str]:
        """Return the domain and aliases that a certificate can be issued for; the others become findings."""
        given = [*([] if self.wish.domain is None else [self.wish.domain]), *self.wish.aliases]
        usable = []
        for name in given:
            # A quick look first: most names are fine.
            problems = [] if _HOST_NAME.fullmatch(name) else broken_rules(name)
            problems = [problem for problem in problems if problem.rule in _UNUSABLE]
            for problem in problems:
                message = problem.message.removeprefix(f"'{printable(name)}': ")
                self._add("invalid-domain", printable(name), message, "Name the domain of the webhook URL.")
            if not problems:
                usable.append(name.lower())
        return usable

    def _contents(self, material: Material | None, option: str, *, shared: bool = False) -> Contents:
        """Return what the material holds; what cannot be read, or is something else, becomes a finding."""
        if material is None:
            return Contents()
        try:
            passphrase = self.wish.private_key_passphrase
            contents = self.session.read(material) if shared else read(material.data, material.name, passphrase)
        except FormError as fault:
            self._add(fault.code, material.name, f"'{option}' {fault}", _look_at(fault, option, material))
            return Contents()
        wanted = {"private_key": contents.keys, "crl": contents.crls}.get(option, contents.certificates)
        word = {"private_key": "a private key", "crl": "a CRL"}.get(option, "a certificate")
        if not wanted:
            message = f"'{option}' holds {contents}, and {word} belongs there."
            self._add("unreadable", material.name, message, f"Give the file that holds {word}.")
            return Contents()
        if shared and contents.keys:
            message = f"'{option}' holds a private key beside {word}, and would be readable by everybody."
            self._add(
                "unreadable",
                material.name,
                message,
                f"Keep the key out of it: openssl x509 -in {in_shell(material.name)}",
            )
        return contents

    def _server(self, domains: Sequence[str]) -> tuple[Certificate | None, list[Certificate], list[PrivateKey]]:
        """Return the server's certificate, those that may lead from it to an anchor, and the keys, its own first."""
        wish = self.wish
        if wish.bundle and (wish.certificate or wish.private_key):
            message = "'bundle' holds certificate and key, and is given beside 'certificate' or 'private_key'."
            self._add("ambiguous", wish.bundle.name, message, "Give 'bundle' alone, or the two without it.")
            return None, [], []
        main, option = (wish.bundle, "bundle") if wish.bundle else (wish.certificate, "certificate")
        contents = self._contents(main, option)
        keys = list(contents.keys)
        source = main
        if wish.private_key:
            keys, source = list(self._contents(wish.private_key, "private_key").keys), wish.private_key
        given = [*contents.certificates, *self._contents(wish.chain, "chain", shared=True).certificates]
        for one in given:
            self.known.setdefault(one.parsed, one)
        leaf = self._leaf(contents.certificates, keys, domains)
        if leaf is not None:
            keys.sort(key=lambda key: key.public_key() != leaf.key)
        if wish.bundle and contents.certificates and not keys:
            message = f"'bundle' holds {contents} and no private key; httpd needs both."
            self._add("unreadable", wish.bundle.name, message, "Download it from the console again, with its key.")
        if keys and source:
            self.findings += rules.strength(keys[0].public_key(), source.name, "the private key")
            if leaf is not None and leaf.key != keys[0].public_key():
                which = "the private key is not that" if len(keys) == 1 else f"none of {len(keys)} private keys is that"
                message = f"{which} of the certificate in {leaf.source}; httpd would not start again."
                look = f"openssl x509 -in {in_shell(leaf.source)} -noout -pubkey"
                remedy = f"Find the key whose public half (pkey -pubout) is the one that this prints: {look}"
                self._add("key-mismatch", source.name, message, remedy)
        return leaf, [one for one in self.known.values() if one != leaf], keys

    def _leaf(
        self, certificates: Sequence[Certificate], keys: Sequence[PrivateKey], domains: Sequence[str]
    ) -> Certificate | None:
        """Return the certificate of the key, else that is no CA's, for the domains, and of those the last to end."""
        if len(certificates) < 2:
            return certificates[0] if certificates else None
        public = [key.public_key() for key in keys]

        def rank(one: Certificate) -> tuple[bool, bool, bool]:
            return one.key in public, not one.is_ca, all(one.covers(domain) for domain in domains)

        best = max(map(rank, certificates))
        fitting = [one for one in certificates if rank(one) == best]
        if best[1] and any(one.key != fitting[0].key for one in fitting):
            message = f"holds several certificates that could be the server's: {some(one.label for one in fitting)}."
            self._add(
                "ambiguous", fitting[0].source, message, "Give 'domain', or a file with that of this server alone."
            )
        return max(fitting, key=lambda one: one.end) if best[1] else fitting[0]

    def _judge_server(self, leaf: Certificate, domains: Sequence[str], keys: Sequence[PrivateKey]) -> None:
        self._describe(leaf, "server")
        if not keys:
            self.findings += rules.strength(leaf.key, leaf.source, "its key")
        for rule in (rules.form, rules.signature, rules.server_use):
            self.findings += rule(leaf)
        if self.wish.issued_by == "public":
            self.findings += rules.lifetime(leaf)
        self.findings += rules.server_names(leaf, domains)

    # The path

    def _judge_path(
        self, leaf: Certificate, pool: list[Certificate], client_cas: Sequence[Certificate], domains: Sequence[str]
    ) -> list[Certificate]:
        """Return the path to an anchor, and find fault with it; only the server's certificate where there is none."""
        # A root that is no anchor leads nowhere.
        leading = [one for one in pool if not one.self_signed]
        if len(leading) > certification_path.MAXIMUM_MEMBERS or certification_path.too_many_ways(leaf, leading):
            message = f"{len(leading)} further certificates offer too many ways to a trust anchor to be tried."
            self._add("path-refused", leaf.source, message, "Leave only those that lead from the server's to its root.")
            return [leaf]
        anchors = self._anchors(leaf, [*pool, *client_cas])
        if anchors is None:
            return [leaf]
        path, objection = self._built(leaf, leading, anchors, domains)
        if path is None:
            self._explain(leaf, pool, client_cas, anchors, objection)
            return [leaf]
        members = [self._facts(one, anchors) for one in path.certificates]
        for one, issuer in zip(members, members[1:]):
            self._describe(issuer, "chain" if issuer.parsed in self.known else "trust_anchor")
            self.findings += rules.link(one, issuer)
        if objection:
            self._path_refused(leaf, objection)
        if path.objection and self.wish.issued_by == "public":
            message = f"the path breaks the Web PKI's profile, and strict clients refuse it: {path.objection}."
            remedy = "Ask the authority for a certificate that follows the CA/Browser Forum's requirements."
            self._add("outside-profile", leaf.source, message, remedy)
        self._judge_order(pool, members)
        return members

    def _anchors(self, leaf: Certificate, given: Sequence[Certificate]) -> _Anchors | None:
        """Return what the path must end at; None where nothing but the server's certificate is known of it."""
        wish = self.wish
        if wish.trust_anchors:
            name = some(one.name for one in wish.trust_anchors)
            found = [self._contents(one, "trust_anchors", shared=True) for one in wish.trust_anchors]
            self.notes.append(f"The path was judged to end at {name}.")
            certificates = [one.parsed for contents in found for one in contents.certificates]
            return self.session.anchors(certificates, name) if certificates else None
        if wish.issued_by == "public":
            default = self.session.default_anchors
            number = len(default.certificates)
            self.notes.append(f"The path was judged to end at the store {default.name}, of {number} roots.")
            return default
        self.notes.append("Issued by Chat for its own use: no public client trusts it, which is as it should be.")
        walk = certification_path.walk(leaf.parsed, [one.parsed for one in given], ())
        top = walk.certificates[-1]
        if walk.impostor is not None:
            top = walk.impostor
        elif top == leaf.parsed and not leaf.self_issued:
            self.notes.append("Its issuer was not given, so its signature was not checked.")
            return None
        return self.session.anchors([top], next(one.source for one in [leaf, *given] if one.parsed == top))

    def _built(
        self, leaf: Certificate, pool: Sequence[Certificate], anchors: _Anchors, domains: Sequence[str]
    ) -> tuple[certification_path.Path | None, str]:
        """Return the path, or one that would hold if it were not for the server's certificate, and what is wrong."""
        if anchors.store is None:
            return None, "there are no trust anchors"
        # A certificate out of its time, or of other names, is said to be so. Its path is judged as if it were not.
        moment = min(max(self.session.at, leaf.begin), max(leaf.begin, leaf.end))
        own = [name.replace("*", "any", 1) for name in leaf.names]
        name = next((domain for domain in domains if leaf.covers(domain)), own[0] if own else "none.invalid")
        others = [one.parsed for one in pool]
        private = self.wish.issued_by == "chat"
        try:
            return certification_path.build(leaf.parsed, others, anchors.store, moment, name, private=private), ""
        except certification_path.PathRefusedError as refused:
            objection = str(refused)
        try:
            path = certification_path.build_regardless_of_leaf(
                leaf.parsed, others, anchors.store, moment, private=private
            )
        except certification_path.PathRefusedError:
            return None, objection
        return path, objection

    def _facts(self, certificate: x509.Certificate, anchors: _Anchors) -> Certificate:
        return self.known.get(certificate) or Certificate(certificate, anchors.name)

    def _path_refused(self, leaf: Certificate, objection: str) -> None:
        """Say why a path that leads to an anchor is refused, unless its own faults were said already."""
        if self._errors(leaf.source):
            return
        said = objection.lower()
        code = "name-constraints" if "name constraint" in said else "path-refused"
        if "eku" in said or "keyusage" in said or "basicconstraints" in said:
            code = "wrong-usage"
        message = f"clients refuse its path to the trust anchor: {objection}."
        remedy = "Ask the authority for a certificate and chain that follow RFC 5280."
        if "unsupported" in said:
            message = f"its path to the trust anchor cannot be judged: {objection}."
            remedy = "Give a certificate of a CA without that constraint; only some clients understand it."
        self._add(code, leaf.source, message, remedy)

    def _explain(
        self,
        leaf: Certificate,
        pool: Sequence[Certificate],
        client_cas: Sequence[Certificate],
        anchors: _Anchors,
        objection: str,
    ) -> None:
        """Say why there is no path, by following the issuers' names."""
        way = certification_path.walk(leaf.parsed, [one.parsed for one in pool], anchors.certificates)
        before = self._errors()
        for certificate in way.certificates[1:]:
            one = self._facts(certificate, anchors)
            self._describe(one, "chain" if certificate in self.known else "trust_anchor")
            self.findings += rules.strength(one.key, one.source, f"the key of '{one.label}'")
            self.findings += rules.issuing(one)
            if certificate not in anchors.certificates:
                self.findings += rules.signature(one)
        if not way.anchored:
            impostor = self._facts(way.impostor, anchors) if way.impostor is not None else None
            last = self._facts(way.certificates[-1], anchors)
            chat = next((one for one in client_cas if signed_by(last.parsed, one.parsed)), None)
            if chat is not None and self.wish.issued_by == "public":
                message = f"the path ends at the client CA, '{chat.label}', which no public client trusts."
                remedy = "If Chat issued it for your domain (case 2 of its page), set 'issued_by: chat'."
                self._add("untrusted-issuer", last.source, message, remedy)
            else:
                others = [one for one in pool if one.parsed not in way.certificates]
                self._not_anchored(leaf, last, impostor, anchors, others)
        elif self._errors() == before:
            self._path_refused(leaf, objection)

    def _not_anchored(
        self,
        leaf: Certificate,
        last: Certificate,
        impostor: Certificate | None,
        anchors: _Anchors,
        others: Sequence[Certificate],
    ) -> None:
        own = "" if self.wish.trust_anchors else " If the authority is your own, give its root as 'trust_anchors' too."
        issuer = called(last.issuer)
        missing = f"which is neither given nor a trust anchor ({anchors.name})"
        if others:
            missing += f"; {others[0].source} holds {some(repr(one.label) for one in others)} instead"
        if impostor is not None:
            code = "untrusted-issuer"
            message = f"'{last.label}' names '{issuer}' as issuer, and the one in {impostor.source} did not sign it."
            remedy = "Give the certificate of that name whose key signed it; an authority may have several."
        elif last.self_issued:
            code = "untrusted-issuer"
            message = f"the path ends at '{last.label}', which signed itself and is no trust anchor ({anchors.name})."
            remedy = (
                f"If '{last.label}' is an authority of your own, give its certificate as 'trust_anchors'. If not, get "
            )
            remedy += "a certificate of one that is." if self.wish.trust_anchors else "one of a public authority."
        elif last == leaf or last.issuer_url:
            code = "chain-incomplete"
            message = f"'{last.label}' was issued by '{issuer}', {missing}; clients cannot build a path."
            remedy = f"Get the certificate of '{issuer}' from the authority, and give it as 'chain'.{own}"
            if last.issuer_url:
                remedy = f"Fetch the issuer, and give it as 'chain': curl -sO {last.issuer_url}"
        else:
            code = "untrusted-issuer"
            message = f"the path ends at '{last.label}', issued by '{issuer}', {missing}."
            remedy = f"If '{issuer}' is an authority of your own, give its certificate as 'trust_anchors'. If not, "
            remedy += "give it in 'chain'."
        self._add(code, last.source, message, remedy)

    def _judge_order(self, pool: Sequence[Certificate], path: Sequence[Certificate]) -> None:
        """Warn of what was left out of the chain, and of an order that was put right."""
        kept = [one for one in path[1:] if one.parsed in self.known and not one.self_signed]
        left_out = [one for one in pool if one not in kept]
        if left_out:
            root = " A root is never sent." if any(one.self_signed for one in left_out) else ""
            message = f"left out of the chain, as clients need it not: {some(one.label for one in left_out)}.{root}"
            self._add("chain-superfluous", left_out[0].source, message, "To silence this, take it out of the file.")
        if [one for one in pool if one in kept] != kept:
            message = f"the chain was out of order, and is put right: {some(one.label for one in kept)}."
            remedy = "To silence this, let each certificate stand before its issuer's."
            self._add("chain-order", kept[0].source, message, remedy)

    # The client CA and its revocation lists

    def _client_cas(self) -> tuple[Certificate, ...]:
        wish = self.wish
        key = (wish.client_ca, wish.client_ca_sha256)
        if wish.client_ca and key not in self.session.client_cas:
            before, self.findings = self.findings, []
            found: dict[Certificate, None] = {}
            for material in wish.client_ca:
                contents = self._contents(material, "client_ca", shared=True)
                if contents.entries and len(contents.certificates) > 1:
                    message = f"is a zip in which {some(contents.entries)} could each be the client CA."
                    self._add("ambiguous", material.name, message, "Unpack it, and give the client CA itself.")
                found.update(dict.fromkeys(contents.certificates))
            store = self.session.default
            roots = [one for one in found if not wish.client_ca_sha256 and one.pem.strip() in store.data]
            self.findings += rules.pins(wish.client_ca_sha256, tuple(found))
            self.findings += rules.public(roots, store.name)
            for one in found:
                if one not in roots:
                    self.findings += rules.client_ca(one, [other for other in found if other != one])
            # That it is a store of public roots is all that there is to say of it.
            told = [one for one in found if len(roots) < 2 or one not in roots]
            self.session.client_cas[key] = (tuple(told), tuple(self.findings))
            self.findings = before
        certificates, findings = self.session.client_cas.get(key, ((), ()))
        self.findings += findings
        for one in certificates:
            self._describe(one, "client_ca")
        return certificates

    def _crls(
        self, leaf: Certificate | None, path: Sequence[Certificate], client_cas: Sequence[Certificate]
    ) -> list[x509.CertificateRevocationList]:
        found = [(crl, given) for given in self.wish.crl for crl in self._contents(given, "crl", shared=True).crls]
        issuers = [*client_cas, *path[1:]]
        present = {crl.issuer for crl, _given in found if rules.is_present(crl, self.session.at)}
        for crl, given in found:
            known = [one for one in [*([leaf] if leaf else []), *client_cas] if one.issuer == crl.issuer]
            newer = crl.issuer in present
            self.findings += rules.crl_itself(crl, given.name, issuers, known, self.session.at, newer=newer)
            entry = crl.get_revoked_certificate_by_serial_number(leaf.parsed.serial_number) if leaf else None
            if leaf and entry is not None and crl.issuer == leaf.issuer:
                message = (
                    f"the server's certificate is on the CRL {given.name}, since {iso(entry.revocation_date_utc)}."
                )
                self._add("revoked", leaf.source, message, "Order a new certificate with a new key.")
        for one in client_cas if found else ():
            self.findings += rules.crl_signer(one)
            if not any(rules.signed_crl(crl, one) for crl, _given in found):
                message = f"no CRL is of the client CA '{one.label}'; httpd would refuse all its clients."
                self._add("crl-missing", one.source, message, "Give a CRL of each client CA, or none at all.")
        return [crl for crl, _given in found]


def _look_at(fault: FormError, option: str, material: Material) -> str:
    if fault.code == "encrypted-key":
        if option not in ("certificate", "private_key", "bundle"):
            return f"Give the file that holds a {'CRL' if option == 'crl' else 'certificate'}. No key belongs there."
        return "Give the right 'private_key_passphrase', vaulted. The key is decrypted in memory, as httpd cannot ask."
    name = in_shell(material.name)
    if not material.data.strip():
        return "Download or copy it again, whole."
    if material.data[:2] == b"PK":
        return f"Test the zip: unzip -t {name}. Where it is damaged, download it again; else give the file itself."
    if option == "private_key":
        return f"Look at it: openssl pkey -in {name} -noout"
    kind, forms = ("crl", "PEM or DER") if option == "crl" else ("x509", "PEM, DER, PKCS#7, PKCS#12 or a zip of these")
    if material.data[:1] == b"<":  # A console that wants a login, or a mirror without the file, answers with a page.
        return f"It looks like a web page. Download the file itself again: {forms}."
    return f"Give {forms}. Look at it: openssl {kind} -in {name} -noout -text"


def _readable(store: Material) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a trust store; none if it cannot be read."""
    try:
        return tuple(x509.load_pem_x509_certificates(store.data))
    except ValueError:
        return ()


def _key_pem(key: PrivateKey) -> Secret:
    return Secret(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
