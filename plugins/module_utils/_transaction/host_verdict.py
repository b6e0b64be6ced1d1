# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The verdict on material that lies on a host, by the standard library alone, with the codes of the controller's.

Handshakes in memory decide: the server's material is served to a client that trusts the uppermost certificate of its
path, and a client of each client CA's twin knocks. What the files say explains a refusal, and tells what ends soon.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, plain
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_certificates import (
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_path import find_path, read_chain
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der, memory
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import KeyRing, digest_of, rsa_bits
from ansible_collections.mtls.httpd.plugins.module_utils._twin.signers import is_signed
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import (
    Bearer,
    Parts,
    comparable,
    issue,
    make_twins,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import bare_rules, validity
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.chain_order import judge_chain
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import WARNING, Finding, finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.odd_encoding import tidy_certificate
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.public_roots import contents, key_content
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.refusals import codes_of, explained, softened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_certificates import (
        HostMaterial,
        Listed,
        Member,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._twin.memory import Refusal
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.chain_order import Chain

_INFORMATION, _CA_ISSUERS = "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.48.2"  # RFC 5280, 4.2.2.1
_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
_NO_LIST, _WRONG_SIGNATURE, _REVOKED = 3, 7, 23  # OpenSSL's numbers (x509_vfy.h)
_RING = KeyRing()  # a process's, as a key of RSA takes some milliseconds to make


@dataclass(frozen=True)
class HostVerdict:
    """What is wrong with material of a host, errors and warnings, and which certificates the server is to send."""

    findings: tuple[Finding, ...]
    sent: tuple[Member, ...]


def judge_host_material(material: HostMaterial, warn_days: int) -> HostVerdict:
    """Return what is wrong with the material now, or will be in so many days."""
    now, warn = datetime.now(timezone.utc), timedelta(days=warn_days)
    path = find_path(material)
    chain = read_chain(material, path)
    sent = (material.server[0], *chain.kept, *chain.sent)
    of_server = _judge_server(material, path, chain, now, warn)
    return HostVerdict((*of_server, *_judge_client_cas(material, path, now, warn)), sent)


def as_fault(one: Finding, domain: str) -> Fault:
    """Return an error of the verdict as a fault of the host, with the code that it has on the controller."""
    message = f"{plain(one.subject)}: {one.message.rstrip('.')}"
    return Fault(code=one.code, domain=domain, message=message, remedy=one.remedy.rstrip("."))


def _judge_server(
    material: HostMaterial, path: Sequence[Member], chain: Chain[Member], now: datetime, warn: timedelta
) -> list[Finding]:
    leaf, *others = material.server
    findings = [each for one in path for each in validity.of_certificate(one.span, now, warn)]
    if material.anchors:
        findings += judge_chain(chain) if path[-1] in material.anchors else ()
    elif len(path) == 1 and others and not leaf.is_root:
        message = f"none of the certificates beside '{leaf.label}' issued it, so clients may find no path to a root."
        remedy = "Give the certificate of its issuer as 'chain'."
        findings.append(finding("chain-incomplete", leaf.source, message, remedy, WARNING))
    else:
        findings += judge_chain(chain)
    may_sign = leaf.is_used_for(DIGITAL_SIGNATURE, otherwise=True)
    findings += bare_rules.server_use(
        leaf.source,
        is_ca=leaf.says_ca,
        certifies=leaf.is_used_for(KEY_CERT_SIGN, otherwise=False),
        signs=may_sign,
        serves=leaf.is_for(_SERVER_AUTH),
    )
    sent = b"".join(one.pem for one in (leaf, *chain.kept, *chain.sent))
    try:
        server = memory.serving(Bearer(sent, material.key.reveal()))
        # Without anchors, the uppermost certificate that is there may stand for a root that clients have.
        anchors, partial = [one.certificate for one in material.anchors or path[-1:]], not material.anchors
        client, strict = (memory.trusting(anchors, strict=how, partial=partial) for how in (False, True))
        # By TLS 1.2, OpenSSL signs with no EC key whose usage forbids it; by TLS 1.3 it does not look.
        older = [] if may_sign else [memory.trusting(anchors, partial=partial, older=True)]
        refusals = [memory.meet(server, one, name) for one in (*older, client) for name in material.names]
        objection = memory.meet(server, strict) if not any(refusals) else None
    except memory.RefusedError as refused:
        refusals, objection = [refused.refusal], None
    for refusal in filter(None, dict.fromkeys(refusals)):
        findings = explained(findings, refusal, _refused_server(refusal, material, path[-1]))
    if objection is not None:
        message = f"OpenSSL's clients accept the path, and strict ones do not: {objection.words.rstrip('.')}."
        remedy = "Ask the authority for a certificate and chain that follow RFC 5280."
        findings.append(finding("outside-profile", leaf.source, message, remedy))
    findings += [*_judge_names(material, refusals), *_judge_form(material, path)]
    if material.issued_by == "chat" and not any(refusals):  # whom nobody holds to what public authorities may do
        findings = [softened(one, ("bad-form", "wrong-usage")) for one in findings]
    return findings


def _judge_names(material: HostMaterial, refusals: Sequence[Refusal | None]) -> Iterator[Finding]:
    """Whether it has alternative names: without any, OpenSSL's clients go by its common name, and others do not."""
    leaf = material.server[0]
    named = [one for one in refusals if one and "name-mismatch" in codes_of(one)[:1]]
    if material.names and not leaf.names and not named:
        by_chat = material.issued_by == "chat" and not leaf.has_alternative_names
        message = "it names its domain as common name alone, where clients do not look (RFC 9525)."
        remedy = (
            "Nothing, as Chat issued it for itself." if by_chat else "Order it anew, with the names in the request."
        )
        yield finding("name-mismatch", leaf.source, message, remedy, WARNING if by_chat else "")


def _judge_form(material: HostMaterial, path: Sequence[Member]) -> Iterator[Finding]:
    """How the server's certificate is made, and what of its path is not in DER.

    Whether it ends at a public authority, which everybody holds to DER, is not known here. So that is a warning.
    """
    leaf = material.server[0]
    yield from bare_rules.form(leaf.source, leaf.version, leaf.serial)
    for one in path:
        if one not in material.anchors and not one.is_root:
            for odd in bare_rules.encoding(one.source, one.label, _oddities(one)):
                yield replace(odd, severity=WARNING)
    yield from bare_rules.stapling(leaf.source, demanded=leaf.demands_stapling and not material.stapled)
    yield from bare_rules.lifetime(leaf.span) if material.issued_by == "public" else ()


def _oddities(one: Member) -> tuple[str, ...]:
    """Return what of a certificate is not written as DER wants it; of what cannot be read at all, OpenSSL tells."""
    try:
        return tidy_certificate(one.certificate)[1]
    except DerError:
        return ()


def _judge_client_cas(material: HostMaterial, path: Sequence[Member], now: datetime, warn: timedelta) -> list[Finding]:
    roots = _public_roots(material)
    findings: list[Finding] = []
    for source in dict.fromkeys(one.source for one in roots):
        found = [(one.label, wire.sha256(one.certificate)) for one in roots if one.source == source]
        findings += bare_rules.public_roots(source, found, material.public.name if material.public else "")
    # That it is a store of public roots is all that there is to say of it.
    client_cas = [one for one in material.client_cas if len(roots) < 2 or one not in roots]
    lists = _judge_lists(material, path, now)
    refusals = _try_client_cas(material, client_cas)
    accepted = [comparable(ca.told.subject) for ca, refusal in zip(client_cas, refusals) if refusal is None]
    is_let_in = len(accepted) == len(client_cas)
    names = [(comparable(ca.told.subject), comparable(ca.told.issuer)) for ca in client_cas]
    lets_others_in = validity.lets_others_in(names, [refusal is None for refusal in refusals])
    for ca, refusal in zip(client_cas, refusals):
        if refusal and ca.is_for_lists and comparable(ca.told.subject) in accepted:
            findings.append(bare_rules.key_for_lists(ca.source, ca.label))
            continue
        of_this = [*validity.of_client_ca(ca.span, now, warn), *(() if ca in roots else _judge_strength(ca))]
        if material.crls and not _lists_of(material, ca):
            below = [] if material.whole else [each.label for each in _issued_by(ca, client_cas)]
            of_this += bare_rules.missing_list(ca.source, ca.label, below)
            # Who issues to CAs alone has no clients of its own to keep out.
            refusal = None if below and refusal and refusal.number == _NO_LIST else refusal
        if refusal is None:
            findings += [softened(validity.as_of_no_account(each), ("weak-key",)) for each in of_this]
        else:
            known = len(of_this)
            told = explained([*of_this, *lists], refusal, _refused_client_ca(refusal, ca, client_cas))
            own = [*told[:known], *told[known + len(lists) :]]
            findings += [validity.as_of_no_client(each, lets_others_in=lets_others_in) for each in own]
            lists = told[known : known + len(lists)]
    if is_let_in:  # under the lists, so that one which is nobody's does no harm
        lists = [softened(each, ("crl-wrong-issuer",)) for each in lists]
    return [*findings, *lists]


def _public_roots(material: HostMaterial) -> list[Member]:
    """Return the client CAs whose key is a public root's."""
    held = contents(material.public.data) if material.public else b""
    return [one for one in material.client_cas if key_content(one.parts.public) in held]


def _lists_of(material: HostMaterial, ca: Member) -> list[Listed]:
    """Return the lists that say that a CA issued them."""
    name = comparable(ca.told.subject)
    return [one for one in material.crls if comparable(one.told.issuer) == name]


def _issued_by(ca: Member, together: Sequence[Member]) -> list[Member]:
    """Return the others that name a CA as their issuer."""
    name = comparable(ca.told.subject)
    return [one for one in together if one != ca and comparable(one.told.issuer) == name]


def _judge_strength(one: Member) -> Iterator[Finding]:
    """The key of a client CA, and what a root signed itself by."""
    bits = rsa_bits(one.parts.public)
    yield from bare_rules.rsa_of_client_ca(one.source, one.label, bits) if bits else ()
    if one.is_self_issued:
        yield from bare_rules.own_signature(one.source, one.label, digest_of(one.parts.algorithm))


def _judge_lists(material: HostMaterial, path: Sequence[Member], now: datetime) -> list[Finding]:
    issuers = [*material.client_cas, *path[1:]]
    present = [comparable(one.told.issuer) for one in material.crls if one.span.holds(now)]
    findings: list[Finding] = []
    for one in material.crls:
        label, name = one.span.label, comparable(one.told.issuer)
        named = [each for each in issuers if comparable(each.told.subject) == name]
        known = not issuers or any(is_signed(one.content, each.certificate) is not False for each in named)
        findings += bare_rules.list_signer(one.source, label, known=known)
        findings += bare_rules.list_signature(one.source, label, digest_of(one.algorithm))
        findings += validity.of_list(one.span, now, newer=name in present, warn=material.list_warning)
    return findings


def _try_client_cas(material: HostMaterial, client_cas: Sequence[Member]) -> list[Refusal | None]:
    """Return, for each client CA, why httpd would let no client of it in; nothing where it can have no twin."""
    crls = [one.content for one in material.crls]
    try:
        twins = make_twins([one.certificate for one in client_cas], crls, ring=_RING, signed=is_signed)
        clients = [twins.issue_client(one, crls) for one in twins.certificates]
        trusted = [one.certificate for one in twins.certificates]
        nobody = issue(None, _RING, client=False)
        server = memory.serving_clients_of(nobody, trusted, twins.crls, whole=material.whole)
        return [memory.meet(server, memory.calling(one)) for one in clients]
    except memory.RefusedError as refused:
        return [refused.refusal for _one in client_cas]
    except (ValueError, LookupError):
        return [None for _one in client_cas]


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
    if last.is_self_issued:
        message = f"the path ends at '{last.label}', which signed itself and is no trust anchor ({words})."
        return finding("untrusted-issuer", last.source, message, f"{anchors}, or a certificate of another.")
    issuer = plain(wire.rfc4514(last.told.issuer))
    message = f"'{last.label}' was issued by '{issuer}', which is neither given nor a trust anchor ({words})."
    published = der.oid(_CA_ISSUERS) in Parts.of(last.certificate).extension(_INFORMATION)
    code = "chain-incomplete" if last == material.server[0] or published else "untrusted-issuer"
    return finding(code, last.source, message, f"Put the certificate of '{issuer}' into 'chain'. Else: {anchors}.")


def _refused_client_ca(refusal: Refusal, one: Member, together: Sequence[Member]) -> Finding:
    """Return the finding for a client CA of which httpd lets no client in."""
    words = refusal.words.rstrip(".")
    if not one.may_issue:
        who = f"'{one.label}' is no CA by its basic constraints and key usage"
        message = f"{who}, so httpd lets no client of it in ({words})."
        return finding("not-a-ca", one.source, message, "Give the certificate of the CA that issues to the clients.")
    code = codes_of(refusal)[1]
    remedy = "Give the certificate as the CA publishes it."
    name = comparable(one.told.subject)
    namesakes = [each for each in together if comparable(each.told.subject) == name]
    if refusal.number == _WRONG_SIGNATURE and len({each.parts.public for each in namesakes}) > 1:
        code, (why, remedy) = "clients-refused", bare_rules.TAKEN_FOR_ANOTHER
        words = f"{why} (OpenSSL: {words})"
    if refusal.number == _REVOKED:
        remedy = bare_rules.REVOKED_CA
    if code == "client-ca-incomplete":
        remedy = "Put the certificates of its issuers, up to the root, into the file with it."
    return finding(code, one.source, f"httpd would let no client of '{one.label}' in: {words}.", remedy)
