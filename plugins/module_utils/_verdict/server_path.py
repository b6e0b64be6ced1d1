# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The path of the server's certificate: what it must end at, what is wrong with it, and why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import certification_path, rules
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import (
    Certificate,
    called,
    signed_by,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.chain_order import Chain, judge_chain
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.contents import read_shared
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    CRYPTOGRAPHY,
    collect,
    command,
    finding,
    has_errors,
    in_shell,
    some,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY

if HAS_CRYPTOGRAPHY:
    from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, Judgement
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server import ServerMaterial
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Anchors, Shared
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import MaterialSet

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True)
class ServerPath:
    """How far one comes from the server's certificate."""

    certificates: tuple[Certificate, ...] = ()  # the valid path to an anchor; without one, the server's alone
    issuers: tuple[tuple[Certificate, str], ...] = ()  # those looked at, each with its use: chain or trust_anchor
    notes: tuple[str, ...] = ()  # what it was judged by
    anchors: Anchors | None = None  # what it must end at; None where that is not known, or it was not looked for
    leading: tuple[Certificate, ...] = ()  # all that was given and may lead to one, in the order given
    objection: str = ""  # what cryptography has against it, or against any

    @property
    def beyond_library(self) -> bool:
        """Whether the objection is to what cryptography does not know, and not to what is wrong."""
        return "unsupported" in self.objection.lower()


@dataclass(frozen=True)
class _Search:
    """The search for a path: from where, by way of what, to where."""

    shared: Shared
    given: MaterialSet
    server: ServerMaterial
    client_cas: Sequence[Certificate]
    anchors: Anchors

    def certificate(self, parsed: x509.Certificate) -> Certificate:
        """Return the certificate, with the source that it was given in; else with the anchors' name."""
        return self.server.known.get(parsed) or Certificate(parsed, self.anchors.name)

    def used(self, issuer: Certificate) -> tuple[Certificate, str]:
        """Return the issuer with its use."""
        return issuer, "chain" if issuer.parsed in self.server.known else "trust_anchor"


def judge_path(
    shared: Shared,
    given: MaterialSet,
    server: ServerMaterial,
    client_cas: Sequence[Certificate],
    said: Sequence[Finding],
) -> Judgement[ServerPath]:
    """Judge the path from the server's certificate to an anchor (RFC 5280, 6).

    `said` are the findings on all else: what a path is refused for is said if they do not explain it. Yields what is
    wrong with the path, or why there is none. Returns it, or the server's certificate alone.
    """
    leaf = server.leaf
    # A root that is no anchor leads nowhere.
    leading = [one for one in server.others if not one.self_signed]
    if len(leading) > certification_path.MAXIMUM_MEMBERS:
        leading = certification_path.reachable(leaf, leading)
    if len(leading) > certification_path.MAXIMUM_MEMBERS or certification_path.too_many_ways(leaf, leading):
        message = f"{len(leading)} further certificates offer too many ways to a trust anchor to be tried."
        remedy = "Leave only those that lead from the server's to its root."
        yield finding("path-refused", leaf.source, message, remedy)
        return ServerPath((leaf,))
    (anchors, notes), faults = collect(_find_anchors(shared, given, server, client_cas))
    yield from faults
    if anchors is None:
        return ServerPath((leaf,), notes=notes)
    search = _Search(shared, given, server, client_cas, anchors)
    said = [*said, *faults]
    path, objection = _build(search, leading)
    if path is None:
        members: tuple[Certificate, ...] = (leaf,)
        issuers = yield from _explain(search, objection, said)
    else:
        members = yield from _judge_members(search, path, objection, said)
        issuers = members[1:]
    return ServerPath(members, tuple(map(search.used, issuers)), notes, anchors, tuple(leading), objection)


# What a path must end at


def _find_anchors(
    shared: Shared, given: MaterialSet, server: ServerMaterial, client_cas: Sequence[Certificate]
) -> Judgement[tuple[Anchors | None, tuple[str, ...]]]:
    """Return what the path must end at, and the notes that say so.

    There are no anchors where nothing but the server's certificate is known of its path.
    """
    if given.trust_anchors:
        name = some(one.name for one in given.trust_anchors)
        certificates: list[Certificate] = []
        for material in given.trust_anchors:
            contents = yield from read_shared(shared, material, "trust_anchors")
            certificates += contents.certificates
        return shared.anchors(certificates, name) if certificates else None, (f"The path was judged to end at {name}.",)
    if given.issued_by == "public":
        default = shared.default_anchors
        if not default.certificates:
            message = "nothing in it could be read: OpenSSL takes blocks of PEM there, and no path can end at it."
            look = f"head -c 300 {in_shell(default.name)}"
            remedy = f"Set SSL_CERT_FILE to a store, or give 'trust_anchors'. To see this one: {look}"
            yield finding("store-unreadable", default.name, message, remedy)
            return None, ()
        note = f"The path was judged to end at the store {default.name}, of {len(default.certificates)} roots."
        passed_over = f"{default.unread} more in {default.name} cannot be read, and were passed over."
        return default, (note, *([passed_over] if default.unread else []))
    return _find_anchor_of_chat(shared, server.leaf, [*server.others, *client_cas])


def _find_anchor_of_chat(
    shared: Shared, leaf: Certificate, given: Sequence[Certificate]
) -> tuple[Anchors | None, tuple[str, ...]]:
    """Return the uppermost issuer that is given, as anchor of what Chat issued, and the notes that say so."""
    note = "Issued by Chat for its own use: no public client trusts it, which is as it should be."
    walk = certification_path.walk(leaf, given, ())
    top = walk.certificates[-1]
    if walk.impostor is not None:
        top = walk.impostor
    elif top == leaf and not leaf.self_issued:
        return None, (note, "Its issuer was not given, so its signature was not checked.")
    return shared.anchors([top], top.source), (note,)


# A path that there is


def _build(search: _Search, leading: Sequence[Certificate]) -> tuple[certification_path.Path | None, str]:
    """Return the path, or one that would hold if it were not for the server's certificate, and what is wrong."""
    anchors, server = search.anchors, search.server
    leaf = server.leaf
    if anchors.store is None:
        return None, "there are no trust anchors"
    # A certificate out of its time, or of other names, is said to be so. Its path is judged as if it were not.
    moment = min(max(search.shared.at, leaf.begin), max(leaf.begin, leaf.end))
    name = _sought(leaf, server.domains)
    pool = [one.parsed for one in leading]
    terms = certification_path.Terms(anchors.store, moment, search.given.issued_by == "chat")
    try:
        return certification_path.build(leaf.parsed, pool, terms, name), ""
    except certification_path.PathRefusedError as refused:
        objection = str(refused)
    try:
        path = certification_path.build_regardless_of_leaf(leaf.parsed, pool, terms)
    except certification_path.PathRefusedError:
        return None, objection
    return path, objection


def _sought(leaf: Certificate, domains: Sequence[str]) -> certification_path.Name:
    """Return by what name the path's server is looked for: a domain of the site's, else one that the certificate has.

    Of names that cannot be a host's, others that are beside them say so; an address will do where there is no name.
    """
    own = [re.sub(r"^\*\.", "any.", name) for name in leaf.names]
    for name in (*(domain for domain in domains if leaf.covers(domain)), *own):
        if _HOST_NAME.fullmatch(name):
            return x509.DNSName(name)
    alternatives = leaf.extension(x509.SubjectAlternativeName)
    addresses = alternatives.get_values_for_type(x509.IPAddress) if alternatives is not None and not own else []
    return x509.IPAddress(addresses[0]) if addresses else x509.DNSName("none.invalid")


def _judge_members(
    search: _Search, path: certification_path.Path, objection: str, said: Sequence[Finding]
) -> Judgement[tuple[Certificate, ...]]:
    """Judge the path, which may hold but for an objection to the server's certificate; returns its certificates."""
    shared, leaf = search.shared, search.server.leaf
    members = tuple(map(search.certificate, path.certificates))
    faults: list[Finding] = []
    for one, issuer in zip(members, members[1:]):
        faults += rules.time(issuer, shared.at, shared.warn)
        faults += rules.link(one, issuer)
    if members[-1].self_issued and len(members) > 1:
        faults += rules.link(members[-1], members[-1])
    yield from faults
    # That the certificate has no names to go by was said, be it as a warning.
    nameless = any(one.code == "name-mismatch" for one in said)
    if objection and not nameless and not has_errors(faults) and not has_errors(said, leaf.source):
        yield _refused(leaf, objection)
    if path.objection and search.given.issued_by == "public":
        message = f"the path breaks the Web PKI's profile, and strict clients refuse it: {path.objection}."
        look = command(leaf.source, "x509", "-noout -text")
        remedy = f"Ask the authority for one that follows the CA/Browser Forum's requirements. To see this one: {look}"
        yield finding("outside-profile", leaf.source, message, remedy)
    yield from _judge_order(search.server, members)
    return members


def _judge_order(server: ServerMaterial, path: Sequence[Certificate]) -> Iterator[Finding]:
    """The chain is what clients need and no more, each certificate before its issuer's (RFC 5246, 7.4.2)."""
    kept = [one for one in path[1:] if one.parsed in server.known and not one.self_signed]
    roots = [one for one in server.others if one.self_signed]
    yield from judge_chain(Chain(server.others, kept, roots))


def _refused(leaf: Certificate, objection: str) -> Finding:
    """Return the finding on a path that leads to an anchor, and that is refused all the same."""
    said = objection.lower()
    code = "name-constraints" if "name constraint" in said else "path-refused"
    if "eku" in said or "keyusage" in said or "basicconstraints" in said:
        code = "wrong-usage"
    message = f"clients refuse its path to the trust anchor: {objection}."
    look = command(leaf.source, "x509", "-noout -text")
    remedy = f"Ask the authority for a certificate and chain that follow RFC 5280. To see this one: {look}"
    if "unsupported" in said:
        message = f"its path to the trust anchor cannot be judged: {objection}."
        remedy = "Give a certificate of a CA without that constraint; only some clients understand it."
    return replace(finding(code, leaf.source, message, remedy), quotes=CRYPTOGRAPHY)


# Why there is none


def _explain(search: _Search, objection: str, said: Sequence[Finding]) -> Judgement[tuple[Certificate, ...]]:
    """Say why there is no path, by following the issuers' names; returns the issuers that were come to."""
    shared, server, anchors = search.shared, search.server, search.anchors
    way = certification_path.walk(server.leaf, server.others, anchors.members)
    issuers = way.certificates[1:]
    faults: list[Finding] = []
    for one in issuers:
        faults += rules.time(one, shared.at, shared.warn)
        for weak in rules.strength(one.key, one.source, f"the key of '{one.label}'", one.key_kind):
            faults.append(replace(weak, remedy="Ask the authority for a chain in which all keys are strong."))
        faults += rules.issuing(one)
        if one not in anchors.members:
            faults += [*rules.signature(one), *rules.encoding(one)]
    for one, issuer in zip(way.certificates, issuers):
        faults += rules.spelling(one, issuer)
    if way.anchored and issuers and not has_errors([*said, *faults], server.leaf.source):
        faults += rules.root_form(issuers[-1])
    yield from faults
    if not way.anchored:
        yield _not_anchored(search, way)
    elif not has_errors(faults) and not has_errors(said, server.leaf.source):
        yield _refused(server.leaf, objection)
    return issuers


def _not_anchored(search: _Search, way: certification_path.Walk) -> Finding:
    """Return the finding on a way that ends at no anchor."""
    last = way.certificates[-1]
    chat = next((one for one in search.client_cas if signed_by(last, one)), None)
    if chat is not None and search.given.issued_by == "public":
        message = f"the path ends at the client CA, '{chat.label}', which no public client trusts."
        remedy = "If Chat issued it for your domain (case 2 of its page), set 'issued_by: chat'."
        return finding("untrusted-issuer", last.source, message, remedy)
    if chat is not None:
        message = (
            f"'{last.label}' was issued by '{chat.label}', which is given as client CA alone; httpd would not send it."
        )
        return finding("chain-incomplete", last.source, message, f"Give '{chat.label}' as 'chain' too.")
    if way.impostor is not None:
        impostor = way.impostor
        message = (
            f"'{last.label}' names '{called(last.issuer)}' as issuer, and the one in {impostor.source} did not sign it."
        )
        remedy = "Give the certificate of that name whose key signed it; an authority may have several."
        return finding("untrusted-issuer", last.source, message, remedy)
    if last.self_issued:
        name, own = search.anchors.name, search.given.trust_anchors
        message = f"the path ends at '{last.label}', which signed itself and is no trust anchor ({name})."
        remedy = f"If '{last.label}' is an authority of your own, give its certificate as 'trust_anchors'. If not, get "
        remedy += "a certificate of one that is." if own else "one of a public authority."
        return finding("untrusted-issuer", last.source, message, remedy)
    return _without_issuer(search, way, last)


def _without_issuer(search: _Search, way: certification_path.Walk, last: Certificate) -> Finding:
    """Return the finding on a way whose last certificate has an issuer that is neither given nor an anchor."""
    issuer = called(last.issuer)
    missing = f"which is neither given nor a trust anchor ({search.anchors.name})"
    others = [one for one in search.server.others if one not in way.certificates]
    if others:
        missing += f"; {others[0].source} holds {some(repr(one.label) for one in others)} instead"
    if last == search.server.leaf or last.issuer_url:
        message = f"'{last.label}' was issued by '{issuer}', {missing}; clients cannot build a path."
        remedy = f"Get the certificate of '{issuer}' from the authority, and give it as 'chain'."
        if not search.given.trust_anchors:
            remedy += " If the authority is your own, give its root as 'trust_anchors' too."
        if last.issuer_url:
            remedy = f"Fetch the issuer, and give it as 'chain': curl -sO {last.issuer_url}"
        return finding("chain-incomplete", last.source, message, remedy)
    message = f"the path ends at '{last.label}', issued by '{issuer}', {missing}."
    remedy = f"If '{issuer}' is an authority of your own, give its certificate as 'trust_anchors'. If not, "
    return finding("untrusted-issuer", last.source, message, f"{remedy}give it in 'chain'.")
