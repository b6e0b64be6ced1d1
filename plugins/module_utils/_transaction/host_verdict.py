# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The verdict on material that lies on a host, by the standard library alone, with the codes of the controller's.

Handshakes in memory decide: the server's material is served to a client that trusts the uppermost certificate of its
path, and a client of each client CA's twin knocks. What the files say explains a refusal, and tells what ends soon.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, plain
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der, memory
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import KeyRing
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import (
    Bearer,
    Parts,
    comparable,
    issue,
    make_twins,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    ERROR,
    WARNING,
    Finding,
    finding,
    in_shell,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.refusals import codes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._twin.memory import Refusal
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_BASIC_CONSTRAINTS = "2.5.29.19"
_TRUE = b"\x01\x01\xff"
_RING = KeyRing()  # a process's, as a key of RSA takes some milliseconds to make


@dataclass(frozen=True)
class Member:
    """One certificate (DER) of a file on the host."""

    source: str  # the path of the file
    certificate: bytes = field(repr=False)

    @property
    def told(self) -> wire.BareCertificate:
        """What it says of itself."""
        return wire.read_certificate(self.certificate)

    @property
    def label(self) -> str:
        """Its subject, for people."""
        return plain(wire.rfc4514(self.told.subject))


@dataclass(frozen=True)
class HostMaterial:
    """What a site takes from its host.

    names: those that the site is asked for by. server: the server's certificate, and behind it the others of its files.
    key: the server's, which lies in the file key_source. client_cas: those that lie on the host.
    """

    names: tuple[str, ...]
    server: tuple[Member, ...]
    key: Secret
    key_source: str
    client_cas: tuple[Member, ...] = ()


def judge_host_material(material: HostMaterial, warn_days: int) -> tuple[Finding, ...]:
    """Return what is wrong with the material now, or will be in so many days, errors and warnings."""
    now = datetime.now(timezone.utc)
    return (*_judge_server(material, now, warn_days), *_judge_client_cas(material.client_cas, now, warn_days))


def as_fault(one: Finding, domain: str) -> Fault:
    """Return an error of the verdict as a fault of the host, with the code that it has on the controller."""
    message = f"{plain(one.subject)}: {one.message.rstrip('.')}"
    return Fault(code=one.code, domain=domain, message=message, remedy=one.remedy.rstrip("."))


def _judge_server(material: HostMaterial, now: datetime, warn_days: int) -> list[Finding]:
    leaf, *others = material.server
    path = _path(leaf, others)
    findings = [each for one in path for each in _dates(one, now, warn_days)]
    if len(path) == 1 and others and not _is_self_issued(leaf):
        message = f"none of the certificates beside '{leaf.label}' issued it, so clients may find no path to a root."
        remedy = "Give the certificate of its issuer as 'chain'."
        findings.append(finding("chain-incomplete", leaf.source, message, remedy, WARNING))
    sent = b"".join(der.pem("CERTIFICATE", one.certificate) for one in material.server)
    try:
        server = memory.serving(Bearer(sent, material.key.reveal()))
        client, strict = (memory.trusting([path[-1].certificate], strict=how, partial=True) for how in (False, True))
        refusals = [memory.meet(server, client, name) for name in material.names]
        objection = memory.meet(server, strict) if not any(refusals) else None
    except memory.RefusedError as refused:
        refusals, objection = [refused.refusal], None
    for refusal in filter(None, dict.fromkeys(refusals)):
        findings = _explained(findings, refusal, _refused_server(refusal, material))
    if objection is not None:
        message = f"OpenSSL's clients accept the path, and strict ones do not: {objection.words.rstrip('.')}."
        remedy = "Ask the authority for a certificate and chain that follow RFC 5280."
        findings.append(finding("outside-profile", leaf.source, message, remedy))
    return findings


def _judge_client_cas(client_cas: Sequence[Member], now: datetime, warn_days: int) -> list[Finding]:
    told = _try_client_cas(client_cas)
    findings: list[Finding] = []
    for one, refusal in zip(client_cas, told):
        of_this = list(_dates(one, now, warn_days))
        if refusal is None:
            # A client gets in all the same where another certificate of the same CA is valid.
            findings += [replace(each, severity=WARNING) for each in of_this]
        else:
            findings += _explained(of_this, refusal, _refused_client_ca(refusal, one))
    return findings


def _try_client_cas(client_cas: Sequence[Member]) -> list[Refusal | None]:
    """Return, for each client CA, why httpd would let no client of it in; nothing where it can have no twin."""
    try:
        twins = make_twins([one.certificate for one in client_cas], ring=_RING)
        clients = [twins.issue_client(one) for one in twins.certificates]
        server = memory.serving_clients_of(
            issue(None, _RING, client=False), [one.certificate for one in twins.certificates]
        )
        return [memory.meet(server, memory.calling(one)) for one in clients]
    except memory.RefusedError as refused:
        return [refused.refusal for _one in client_cas]
    except (ValueError, LookupError):
        return [None for _one in client_cas]


def _path(leaf: Member, others: Sequence[Member]) -> list[Member]:
    """Return the certificate, its issuer, the issuer's, and so on, as far as they are there, by their names."""
    path = [leaf]
    while not _is_self_issued(path[-1]):
        name = comparable(path[-1].told.issuer)
        issuer = next((one for one in others if one not in path and comparable(one.told.subject) == name), None)
        if issuer is None:
            break
        path.append(issuer)
    return path


def _is_self_issued(one: Member) -> bool:
    return comparable(one.told.subject) == comparable(one.told.issuer)


def _dates(one: Member, now: datetime, warn_days: int) -> Iterator[Finding]:
    """Not before its begin, not at its end, and not soon at its end (RFC 5280, 4.1.2.5)."""
    told, moment = one.told, now.strftime(_MOMENT)
    soon = (now + timedelta(days=warn_days)).strftime(_MOMENT)
    if moment < told.not_before:
        message = f"'{one.label}' is valid from {told.not_before} on, and it is {moment}; until then it is refused."
        yield finding("not-yet-valid", one.source, message, "Wait, or check the clock: timedatectl")
    elif moment >= told.not_after:
        message = f"'{one.label}' ended at {told.not_after}; it is refused."
        look = f"openssl x509 -in {in_shell(one.source)} -noout -enddate"
        yield finding("expired", one.source, message, f"Renew it, then look: {look}")
    elif soon > told.not_after:
        ends = datetime.strptime(told.not_after, _MOMENT).replace(tzinfo=timezone.utc)
        message = f"'{one.label}' ends at {told.not_after}, in {(ends - now).days} days."
        yield finding("expires-soon", one.source, message, "Renew it, and run this again with the new one.")


def _explained(findings: Sequence[Finding], refusal: Refusal, otherwise: Finding) -> list[Finding]:
    """Return the findings with OpenSSL's words beside the first error that explains them, or with another one."""
    explaining = codes_of(refusal)[2]
    for at, each in enumerate(findings):
        if each.severity == ERROR and each.code in explaining:
            message = f"{each.message.rstrip('.')} (OpenSSL: {refusal.words.rstrip('.')})."
            return [*findings[:at], replace(each, message=message), *findings[at + 1 :]]
    return [*findings, otherwise]


def _refused_server(refusal: Refusal, material: HostMaterial) -> Finding:
    """Return the finding for what OpenSSL's clients refuse."""
    code, source, words = codes_of(refusal)[0], material.server[0].source, refusal.words.rstrip(".")
    if code == "key-mismatch":
        subject = f"{source} with {material.key_source}"
        return finding(code, subject, "the private key does not match the certificate.", "Put a good pair there.")
    if code == "name-mismatch":
        return finding(code, source, f"{words}.", "Order one for all names of the site, or correct 'aliases'.")
    if not refusal.number:
        subject = f"{source} with {material.key_source}"
        message = f"OpenSSL cannot serve them, and neither can httpd: {words}."
        return finding(code, subject, message, "Put a good pair there.")
    return finding(code, source, f"OpenSSL's clients refuse it: {words}.", "Put a good one there.")


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
