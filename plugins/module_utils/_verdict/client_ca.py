# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The clients' half of a verdict: the CA that issues their certificates, and its revocation lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import bare_rules, rules, validity
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.contents import read_shared
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    collect,
    finding,
    some,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.signature import name_key
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.validity import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate, RevocationList
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, Judgement
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import MaterialSet


def judge_client_cas(shared: Shared, given: MaterialSet) -> Judgement[tuple[Certificate, ...]]:
    """Judge all client CAs together; what other sets give too is judged once.

    Yields what is wrong with them. Returns their certificates.
    """
    if not given.client_ca:
        return ()
    key = (given.client_ca, given.client_ca_sha256)
    if key not in shared.client_cas:
        shared.client_cas[key] = collect(_judge_together(shared, given))
    certificates, findings = shared.client_cas[key]
    yield from findings
    for one in certificates:
        yield from validity.of_client_ca(one.span, shared.at, shared.warn)
    return certificates


def _judge_together(shared: Shared, given: MaterialSet) -> Judgement[tuple[Certificate, ...]]:
    """Read the client CAs, and judge all of them but their times; returns those that are worth describing."""
    found: dict[Certificate, None] = {}
    for material in given.client_ca:
        contents = yield from read_shared(shared, material, "client_ca")
        if len(contents.entries) > 1 and len(contents.certificates) > 1:
            message = f"is a zip in which {some(contents.entries)} could each be the client CA."
            yield finding("ambiguous", material.name, message, "Unpack it, and give the client CA itself.")
        found.update(dict.fromkeys(contents.certificates))
    roots = [one for one in found if not given.client_ca_sha256 and shared.is_public(one)]
    yield from rules.pins(given.client_ca_sha256, tuple(found))
    yield from rules.public(roots, shared.default.name)
    for one in found:
        if one not in roots:
            yield from rules.client_ca(one, [other for other in found if other != one])
    # That it is a store of public roots is all that there is to say of it.
    return tuple(one for one in found if len(roots) < 2 or one not in roots)


def judge_crls(
    shared: Shared, given: MaterialSet, path: Sequence[Certificate], client_cas: Sequence[Certificate]
) -> Judgement[tuple[RevocationList, ...]]:
    """Judge the revocation lists, of the client CAs and of those that issued the server's path (RFC 5280, 5).

    `path` is the server's certificate and its issuers; empty without one. Yields what is wrong with the lists, and with
    what they revoke. Returns them, in the order given.
    """
    found: list[RevocationList] = []
    for material in given.crl:
        contents = yield from read_shared(shared, material, "crl")
        found += contents.crls
    issuers = [*client_cas, *path[1:]]
    crls = tuple(found)
    present = {name_key(crl.parsed.issuer) for crl in crls if crl.span.holds(shared.at)}
    for crl in found:
        issuer = name_key(crl.parsed.issuer)
        known = [one for one in [*path[:1], *client_cas] if one.issuer_key == issuer]
        yield from rules.crl_itself(crl, issuers, known, shared.at, newer=issuer in present)
        for leaf in path[:1]:
            yield from _judge_revoked(leaf, crl)
    for one in client_cas if crls else ():
        yield from rules.crl_signer(one)
        # A list of its name that it did not sign was told as one.
        if not rules.names_as_issuer(crls, one):
            below = [] if given.crl_check != "leaf" else [each.label for each in rules.issued_by(one, client_cas)]
            yield from bare_rules.missing_list(one.source, one.label, below)
    return crls


def _judge_revoked(leaf: Certificate, crl: RevocationList) -> Iterator[Finding]:
    """The server's certificate is not on the list of its issuer (RFC 5280, 5.1.2.6)."""
    since = crl.revoked.get(leaf.serial)
    if since is not None and name_key(crl.parsed.issuer) == leaf.issuer_key:
        message = f"the server's certificate is on the CRL {crl.source}, since {iso(since)}."
        yield finding("revoked", leaf.source, message, "Order a new certificate with a new key.")
