# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The server's half of a verdict: its names, its certificate and its private key. The path is in `server_path`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import bare_rules, pairs, rules
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.contents import read_own, read_shared
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules, printable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import command, finding, some
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptography import x509

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, Judgement
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import PrivateKey
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet

_HOST_NAME = re.compile(r"(?:[a-z0-9-]+\.)*[a-z0-9-]*[a-z-][a-z0-9-]*", re.IGNORECASE)
_UNUSABLE = frozenset({"empty", "ip-address", "space", "special-character", "empty-label"})


@dataclass(frozen=True)
class ServerMaterial:
    """What is given for the server."""

    leaf: Certificate  # its own
    others: tuple[Certificate, ...]  # that may lead from its own to an anchor, in the order given
    known: Mapping[x509.Certificate, Certificate]  # all of these, by their parsed form
    keys: tuple[PrivateKey, ...] = field(repr=False)  # that of its certificate first
    domains: tuple[str, ...]  # that its certificate is to be for


def judge_domains(given: MaterialSet) -> Judgement[tuple[str, ...]]:
    """Judge the domain and the aliases.

    Yields a finding for each rule that keeps a name out of certificates. Returns the other names, in lower case.
    """
    usable = []
    for name in (*([] if given.domain is None else [given.domain]), *given.aliases):
        # A quick look first: most names are fine.
        problems = [] if _HOST_NAME.fullmatch(name) else broken_rules(name)
        problems = [problem for problem in problems if problem.rule in _UNUSABLE]
        for problem in problems:
            message = problem.message.removeprefix(f"'{printable(name)}': ")
            yield finding("invalid-domain", printable(name), message, "Name the domain of the webhook URL.")
        if not problems:
            usable.append(name.lower())
    return tuple(usable)


def judge_server(shared: Shared, given: MaterialSet, domains: tuple[str, ...]) -> Judgement[ServerMaterial | None]:
    """Judge the server's certificate and private key, for the domains.

    Yields what is wrong with them. Returns them, and what is given as chain; None if there is no certificate.
    """
    server = yield from _read_server(shared, given, domains)
    if server is None:
        return None
    leaf = server.leaf
    yield from rules.time(leaf, shared.at, shared.warn)
    if pairs.spells_its_curve_out(leaf):
        message = (
            "the curve of its key is spelled out instead of named (RFC 5480, 2.1.1), which OpenSSL's clients refuse."
        )
        remedy = "Order a certificate for a key on a named curve: openssl ecparam -name prime256v1 -genkey -out new.key"
        yield finding("weak-key", leaf.source, message, remedy)
    elif not server.keys or leaf.key is None or not pairs.fits(server.keys[0], leaf):
        yield from rules.strength(leaf.key, leaf.source, "its key", leaf.key_kind)
    for rule in (rules.form, rules.signature, rules.encoding, rules.server_use):
        yield from rule(leaf)
    if given.issued_by == "public":
        yield from bare_rules.lifetime(leaf.span)
    yield from rules.server_names(leaf, domains, chat=given.issued_by == "chat")
    return server


def _read_server(shared: Shared, given: MaterialSet, domains: tuple[str, ...]) -> Judgement[ServerMaterial | None]:
    """Read what is given for the server, and judge its keys; returns None if there is no certificate."""
    if given.bundle and (given.certificate or given.private_key):
        message = "'bundle' holds certificate and key, and is given beside 'certificate' or 'private_key'."
        yield finding("ambiguous", given.bundle.name, message, "Give 'bundle' alone, or the two without it.")
        return None
    main, option = (given.bundle, "bundle") if given.bundle else (given.certificate, "certificate")
    # A key beside the certificate is not needed where another one is given, and nobody asks for its passphrase.
    contents = yield from read_own(main, option, given.private_key_passphrase, wants_key=given.private_key is None)
    keys, source = contents.keys, main
    if given.private_key:
        keys = (yield from read_own(given.private_key, "private_key", given.private_key_passphrase)).keys
        source = given.private_key
    chain = yield from read_shared(shared, given.chain, "chain")
    leaf = yield from _choose_leaf(contents.certificates, keys, domains)
    if given.chain and leaf is not None and leaf.is_ca and given.certificate:
        servers = [one for one in chain.certificates if not one.is_ca]
        if servers:
            yield _swapped(leaf, servers[0])
            return None
    if leaf is not None:
        own = leaf
        keys = tuple(sorted(keys, key=lambda key: not pairs.fits(key, own)))
    if given.bundle and contents.certificates and not keys:
        message = f"'bundle' holds {contents} and no private key; httpd needs both."
        yield finding("unreadable", given.bundle.name, message, "Download it from the console again, with its key.")
    if keys and source:
        yield from _judge_keys(keys, source, leaf)
    if leaf is None:
        return None
    known: dict[x509.Certificate, Certificate] = {}
    for one in (*contents.certificates, *chain.certificates):
        known.setdefault(one.parsed, one)
    others = tuple(one for one in known.values() if one != leaf)
    return ServerMaterial(leaf, others, known, keys, domains)


def _choose_leaf(
    certificates: Sequence[Certificate], keys: Sequence[PrivateKey], domains: Sequence[str]
) -> Judgement[Certificate | None]:
    """Choose the server's certificate: that of the key, else one that is no CA's, for the domains, the last to end.

    Yields a finding if several with different keys could be it. Returns None if there is no certificate at all.
    """
    if len(certificates) < 2:
        return certificates[0] if certificates else None
    public = [key.public_key() for key in keys]

    def rank(one: Certificate) -> tuple[bool, bool, bool]:
        return one.key in public, not one.is_ca, all(one.covers(domain) for domain in domains)

    best = max(map(rank, certificates))
    fitting = [one for one in certificates if rank(one) == best]
    if best[1] and any(one.key != fitting[0].key for one in fitting):
        message = f"holds several certificates that could be the server's: {some(one.label for one in fitting)}."
        remedy = "Give a file with that of this server alone."
        if not domains:
            remedy = "Give 'domain', or a file with that of this server alone."
        yield finding("ambiguous", fitting[0].source, message, remedy)
    return max(fitting, key=lambda one: one.end) if best[1] else fitting[0]


def _swapped(leaf: Certificate, server: Certificate) -> Finding:
    """Return the finding on a certificate and a chain of which each is given in the place of the other."""
    message = (
        f"'certificate' holds the CA '{leaf.label}', and 'chain' ({server.source}) holds the server's "
        f"'{server.label}': the two are swapped."
    )
    look = command(server.source, "x509", "-noout -subject -issuer")
    return finding("chain-swapped", leaf.source, message, f"Give each under the option of the other. To see it: {look}")


def _judge_keys(keys: Sequence[PrivateKey], source: Material, leaf: Certificate | None) -> Iterator[Finding]:
    """Judge the first of the keys: strong enough for TLS, and the one of the server's certificate, if there is one."""
    yield from rules.strength(keys[0].public_key(), source.name, "the private key")
    if leaf is None:
        return
    if pairs.fits(keys[0], leaf):
        yield from _judge_kind(source, leaf)
    elif not any(rules.strength(leaf.key, "", "")):  # Where nobody could use the certificate's, no key would help.
        which = "the private key is not that" if len(keys) == 1 else f"none of {len(keys)} private keys is that"
        message = f"{which} of the certificate in {leaf.source}; httpd would not start again."
        look = f"{command(leaf.source, 'x509', '-noout -pubkey')}; {command(source.name, 'pkey', '-pubout')}"
        remedy = f"Give the key with which both of these print the same: {look}"
        yield finding("key-mismatch", source.name, message, remedy)


def _judge_kind(source: Material, leaf: Certificate) -> Iterator[Finding]:
    """A key for RSASSA-PSS and one for RSA are two kinds to httpd, even of the same numbers (RFC 4055, 1.2)."""
    for_pss = pairs.is_for_pss(leaf)
    written = pairs.written_for_pss(source) if isinstance(leaf.key, rsa.RSAPublicKey) else None
    if written is not None and written is not for_pss:
        kinds = ("RSASSA-PSS", "RSA")
        key, own = kinds if written else reversed(kinds)
        message = (
            f"the private key has the numbers of the certificate in {leaf.source}, and is written as one for {key}, "
            f"where that is for {own}; httpd would not start again."
        )
        look = command(leaf.source, "x509", "-noout -pubkey | openssl pkey -pubin -noout -text")
        yield finding("key-mismatch", source.name, message, f"Give the key as it was made for this: {look}")
