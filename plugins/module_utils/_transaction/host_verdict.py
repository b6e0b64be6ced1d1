# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The verdict on material that lies on a host, by the standard library alone, with the codes of the controller's.

Handshakes in memory decide: the server's material is served to a client that trusts the uppermost certificate of its
path, and a client of each client CA's twin knocks. What the files say explains a refusal, and tells what ends soon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, plain
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der, memory
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import KeyRing
from ansible_collections.mtls.httpd.plugins.module_utils._twin.signers import is_signed
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import (
    Bearer,
    Parts,
    comparable,
    issue,
    make_twins,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import validity
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.chain_order import Chain, judge_chain
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import WARNING, Finding, finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.refusals import codes_of, explained
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.validity import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._twin.memory import Refusal
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_BASIC_CONSTRAINTS = "2.5.29.19"
_INFORMATION, _CA_ISSUERS = "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.48.2"  # RFC 5280, 4.2.2.1
_TRUE = b"\x01\x01\xff"
# OpenSSL's numbers (x509_vfy.h) where an issuer is not found, or did not sign.
_DID_NOT_SIGN = (2, 6, 7, 18, 19, 20, 21, 24, 29, 30, 31, 32, 76)
_RING = KeyRing()  # a process's, as a key of RSA takes some milliseconds to make


@dataclass(frozen=True)
class Member:
    """One certificate (DER) of a file on the host."""

    source: str = field(compare=False)  # the path of the file, or the option
    certificate: bytes = field(repr=False)

    @classmethod
    def read(cls, source: str, certificate: bytes) -> Member:
        """Return the certificate; raises ValueError for what is none that can be judged."""
        told = wire.read_certificate(certificate)
        _moment(told.not_before), _moment(told.not_after)
        return cls(source, certificate)

    @property
    def pem(self) -> bytes:
        """It as PEM, with LF and no text around it."""
        return der.pem("CERTIFICATE", self.certificate)

    @property
    def told(self) -> wire.BareCertificate:
        """What it says of itself."""
        return wire.read_certificate(self.certificate)

    @property
    def label(self) -> str:
        """Its subject, for people."""
        return plain(wire.rfc4514(self.told.subject))

    @property
    def span(self) -> Span:
        """From when to when it is valid."""
        return Span(self.label, self.source, _moment(self.told.not_before), _moment(self.told.not_after))


@dataclass(frozen=True)
class Listed:
    """One revocation list (DER) of a file."""

    source: str
    content: bytes = field(repr=False)

    @property
    def told(self) -> wire.BareList:
        """What it says of itself."""
        return wire.read_list(self.content)

    @property
    def span(self) -> Span:
        """From when to when it is valid, as of its issuer."""
        told = self.told
        end = _moment(told.next_update) if told.next_update else None
        return Span(plain(wire.rfc4514(told.issuer)), self.source, _moment(told.this_update), end)


@dataclass(frozen=True)
class HostMaterial:
    """What a site takes from its host, and what of the controller's is deployed with it.

    names: those that the site is asked for by. server: the server's certificate, and behind it the others of its files.
    key: the server's, which lies in the file key_source. crls: those of the client CAs, asked about the `whole` path
    of a client or about its own certificate alone. list_warning: how long before its end a list is warned of even where
    more than a fifth of its time is left. anchors: what the server's path must end at, where that is known.
    """

    names: tuple[str, ...]
    server: tuple[Member, ...]
    key: Secret
    key_source: str
    client_cas: tuple[Member, ...] = ()
    crls: tuple[Listed, ...] = ()
    whole: bool = True
    list_warning: timedelta = timedelta(0)
    anchors: tuple[Member, ...] = ()


@dataclass(frozen=True)
class HostVerdict:
    """What is wrong with material of a host, errors and warnings, and which certificates the server is to send."""

    findings: tuple[Finding, ...]
    sent: tuple[Member, ...]


def judge_host_material(material: HostMaterial, warn_days: int) -> HostVerdict:
    """Return what is wrong with the material now, or will be in so many days."""
    now, warn = datetime.now(timezone.utc), timedelta(days=warn_days)
    chain = _read_chain(material)
    of_server = _judge_server(material, chain, now, warn)
    sent = (material.server[0], *chain.kept, *chain.sent)
    return HostVerdict((*of_server, *_judge_client_cas(material, now, warn)), sent)


def as_fault(one: Finding, domain: str) -> Fault:
    """Return an error of the verdict as a fault of the host, with the code that it has on the controller."""
    message = f"{plain(one.subject)}: {one.message.rstrip('.')}"
    return Fault(code=one.code, domain=domain, message=message, remedy=one.remedy.rstrip("."))


def _judge_server(material: HostMaterial, chain: Chain[Member], now: datetime, warn: timedelta) -> list[Finding]:
    leaf, *others = material.server
    path = _path(material)
    findings = [each for one in path for each in validity.of_certificate(one.span, now, warn)]
    if material.anchors:
        findings += judge_chain(chain) if path[-1] in material.anchors else ()
    elif len(path) == 1 and others and not _is_self_issued(leaf):
        message = f"none of the certificates beside '{leaf.label}' issued it, so clients may find no path to a root."
        remedy = "Give the certificate of its issuer as 'chain'."
        findings.append(finding("chain-incomplete", leaf.source, message, remedy, WARNING))
    else:
        findings += judge_chain(chain)
    sent = b"".join(one.pem for one in (leaf, *chain.kept, *chain.sent))
    try:
        server = memory.serving(Bearer(sent, material.key.reveal()))
        # Without anchors, the uppermost certificate that is there may stand for a root that clients have.
        anchors, partial = [one.certificate for one in material.anchors or path[-1:]], not material.anchors
        client, strict = (memory.trusting(anchors, strict=how, partial=partial) for how in (False, True))
        refusals = [memory.meet(server, client, name) for name in material.names]
        objection = memory.meet(server, strict) if not any(refusals) else None
    except memory.RefusedError as refused:
        refusals, objection = [refused.refusal], None
    for refusal in filter(None, dict.fromkeys(refusals)):
        findings = explained(findings, refusal, _refused_server(refusal, material, path[-1]))
    if objection is not None:
        message = f"OpenSSL's clients accept the path, and strict ones do not: {objection.words.rstrip('.')}."
        remedy = "Ask the authority for a certificate and chain that follow RFC 5280."
        findings.append(finding("outside-profile", leaf.source, message, remedy))
    return findings


def _judge_client_cas(material: HostMaterial, now: datetime, warn: timedelta) -> list[Finding]:
    findings: list[Finding] = []
    present = [comparable(one.told.issuer) for one in material.crls if validity.is_present(one.span, now)]
    lists: list[Finding] = []
    for one in material.crls:
        newer = comparable(one.told.issuer) in present
        lists += validity.of_list(one.span, now, newer=newer, warn=material.list_warning)
    for ca, refusal in zip(material.client_cas, _try_client_cas(material)):
        of_this = list(validity.of_client_ca(ca.span, now, warn))
        if refusal is None:
            findings += map(validity.as_of_no_account, of_this)
        else:
            known = len(of_this)
            told = explained([*of_this, *lists], refusal, _refused_client_ca(refusal, ca))
            findings += [*told[:known], *told[known + len(lists) :]]
            lists = told[known : known + len(lists)]
    return [*findings, *lists]


def _try_client_cas(material: HostMaterial) -> list[Refusal | None]:
    """Return, for each client CA, why httpd would let no client of it in; nothing where it can have no twin."""
    crls = [one.content for one in material.crls]
    try:
        twins = make_twins([one.certificate for one in material.client_cas], crls, ring=_RING, signed=is_signed)
        clients = [twins.issue_client(one, crls) for one in twins.certificates]
        trusted = [one.certificate for one in twins.certificates]
        nobody = issue(None, _RING, client=False)
        server = memory.serving_clients_of(nobody, trusted, twins.crls, whole=material.whole)
        return [memory.meet(server, memory.calling(one)) for one in clients]
    except memory.RefusedError as refused:
        return [refused.refusal for _one in material.client_cas]
    except (ValueError, LookupError):
        return [None for _one in material.client_cas]


def _read_chain(material: HostMaterial) -> Chain[Member]:
    """Return what becomes of the certificates beside the server's.

    Those that are not on the way are sent all the same where it is not known which roots clients have: an issuer may
    have several certificates. A root is never sent.
    """
    _leaf, *others = material.server
    roots = [one for one in others if _is_self_issued(one)]
    kept = [one for one in _path(material)[1:] if one in others and one not in roots]
    sent = [one for one in others if one not in kept and one not in roots]
    return Chain(others, kept, roots, () if material.anchors else sent)


def _path(material: HostMaterial) -> list[Member]:
    """Return the certificate, its issuer, the issuer's, and so on, as far as they are there."""
    leaf, *others = material.server
    path = [leaf]
    pool = (*material.anchors, *others)
    while path[-1] not in material.anchors and not _is_self_issued(path[-1]):
        name = comparable(path[-1].told.issuer)
        named = [one for one in pool if one not in path and comparable(one.told.subject) == name]
        if not named:
            break
        # Of one that also signed itself, the certificate by another root is what leads clients further.
        named.sort(key=lambda one: (one not in material.anchors, _is_self_issued(one)))
        path.append(_find_signer(material, path, list(dict.fromkeys(named))))
    return path


def _find_signer(material: HostMaterial, path: Sequence[Member], named: Sequence[Member]) -> Member:
    """Return which of those of the issuer's name signed the last of a path: a client that trusts it alone tells."""
    if len(named) == 1:
        return named[0]
    ranks: list[int] = []
    for one in named:
        try:
            server = memory.serving(Bearer(b"".join(each.pem for each in path), material.key.reveal()))
            refusal = memory.meet(server, memory.trusting([one.certificate], partial=True))
        except memory.RefusedError:
            return named[0]
        ranks.append(0 if refusal is None else 2 if refusal.number in _DID_NOT_SIGN else 1)
    return named[ranks.index(min(ranks))]


def _moment(text: str) -> datetime:
    # A year 0, which DER can write and Python has not, is as long ago as any.
    return datetime.strptime(max(text, "0001-01-01T00:00:00Z"), _MOMENT).replace(tzinfo=timezone.utc)


def _is_self_issued(one: Member) -> bool:
    return comparable(one.told.subject) == comparable(one.told.issuer)


def _refused_server(refusal: Refusal, material: HostMaterial, last: Member) -> Finding:
    """Return the finding for what OpenSSL's clients refuse; the path ends at the last certificate."""
    code, source, words = codes_of(refusal)[0], material.server[0].source, refusal.words.rstrip(".")
    if code == "key-mismatch":
        subject = f"{source} with {material.key_source}"
        return finding(code, subject, "the private key does not match the certificate.", "Put a good pair there.")
    if code == "untrusted-issuer" and material.anchors and last not in material.anchors:
        return _not_anchored(words, last, material)
    if code == "name-mismatch":
        return finding(code, source, f"{words}.", "Order one for all names of the site, or correct 'aliases'.")
    if not refusal.number:
        subject = f"{source} with {material.key_source}"
        message = f"OpenSSL cannot serve them, and neither can httpd: {words}."
        return finding(code, subject, message, "Put a good pair there.")
    return finding(code, source, f"OpenSSL's clients refuse it: {words}.", "Put a good one there.")


def _not_anchored(words: str, last: Member, material: HostMaterial) -> Finding:
    """Return the finding on a path that ends at no trust anchor, with the code that it has on the controller."""
    anchors = "Give the root of its authority as 'trust_anchors'"
    if _is_self_issued(last):
        message = f"the path ends at '{last.label}', which signed itself and is no trust anchor ({words})."
        return finding("untrusted-issuer", last.source, message, f"{anchors}, or a certificate of another.")
    issuer = plain(wire.rfc4514(last.told.issuer))
    message = f"'{last.label}' was issued by '{issuer}', which is neither given nor a trust anchor ({words})."
    published = der.oid(_CA_ISSUERS) in Parts.of(last.certificate).extension(_INFORMATION)
    code = "chain-incomplete" if last == material.server[0] or published else "untrusted-issuer"
    return finding(code, last.source, message, f"Put the certificate of '{issuer}' into 'chain'. Else: {anchors}.")


def _refused_client_ca(refusal: Refusal, one: Member) -> Finding:
    """Return the finding for a client CA of which httpd lets no client in."""
    words = refusal.words.rstrip(".")
    if not _is_ca(one):
        message = f"'{one.label}' is no CA by its basic constraints, so httpd lets no client in by it ({words})."
        return finding("not-a-ca", one.source, message, "Give the certificate of the CA that issues to the clients.")
    code = codes_of(refusal)[1]
    remedy = "Give the certificate as the CA publishes it."
    if code == "client-ca-incomplete":
        remedy = "Put the certificates of its issuers, up to the root, into the file with it."
    return finding(code, one.source, f"httpd would let no client of '{one.label}' in: {words}.", remedy)


def _is_ca(one: Member) -> bool:
    """Return whether its basic constraints say so, or it is of a version without such (RFC 5280, 4.2.1.9)."""
    parts = Parts.of(one.certificate)
    constraints = parts.extension(_BASIC_CONSTRAINTS)
    return constraints[2:5] == _TRUE if constraints else len(parts.head) == 1
