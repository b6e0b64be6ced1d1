# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Paths from a server's certificate to a trust anchor: built by cryptography, explained here."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import signed_by
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.odd_encoding import EXTENSIONS

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import verification
except ImportError:
    # parsing.HAS_CRYPTOGRAPHY tells, and nobody comes here without asking it.
    pass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import Union

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate

    Name = Union[x509.DNSName, x509.IPAddress]  # by which a server is looked for

MAXIMUM_MEMBERS = 32  # certificates between the server's and an anchor that a path is looked for in
MAXIMUM_DEPTH = 8  # intermediates in a path; the Web PKI uses one or two
MAXIMUM_WAYS = 500  # to go by the names of issuers; each costs a signature check or more


class PathRefusedError(Exception):
    """No path is valid; the text is what cryptography says of it."""


@dataclass(frozen=True)
class Path:
    """A valid path, the server's certificate first and the anchor last."""

    certificates: tuple[x509.Certificate, ...]
    objection: str = ""  # what the Web PKI's profile has against it, though RFC 5280 and OpenSSL have nothing


@dataclass(frozen=True)
class Terms:
    """By what a path is judged: the anchors, an aware moment, and whether it is of a private authority."""

    trusted: verification.Store
    at: datetime
    private: bool


def store(anchors: Sequence[x509.Certificate]) -> verification.Store | None:
    """Return the anchors as cryptography wants them; None if there are none."""
    return verification.Store(list(anchors)) if anchors else None


def reachable(leaf: Certificate, pool: Sequence[Certificate]) -> list[Certificate]:
    """Return those of a pool that the names of issuers lead to from a certificate; an authority may publish many."""
    names = {leaf.issuer_key}
    while True:
        found = [one for one in pool if one.subject_key in names]
        if names.issuperset(one.issuer_key for one in found):
            return found
        names.update(one.issuer_key for one in found)


def too_many_ways(leaf: Certificate, pool: Sequence[Certificate]) -> bool:
    """Return whether certificates that issue each other offer more ways than can be tried soon.

    cryptography before 50 tries them all: thirty that issue each other take it for ever. By names there are more than
    by signatures, as among the certificates of a CA for its next key and for the one before (RFC 4210, 4.4).
    """
    if len(pool) < 2:
        return False

    def by_name(one: Certificate) -> list[Certificate]:
        return [each for each in pool if each.subject_key == one.issuer_key]

    def by_signature(one: Certificate) -> list[Certificate]:
        return [each for each in by_name(one) if signed_by(one, each)]

    return _ways(leaf, pool, by_name) > MAXIMUM_WAYS and _ways(leaf, pool, by_signature) > MAXIMUM_WAYS


def _ways(leaf: Certificate, pool: Sequence[Certificate], issuers: Callable[[Certificate], list[Certificate]]) -> int:
    """Return how many ways there are from a certificate upwards, each counted at each of its steps."""
    above = {one: issuers(one) for one in (leaf, *pool)}
    below = {leaf: 1}
    total = 1
    for _depth in range(MAXIMUM_DEPTH):
        reached: dict[Certificate, int] = {}
        for one, ways in below.items():
            for each in above[one]:
                reached[each] = reached.get(each, 0) + ways
        below = reached
        total += sum(below.values())
    return total


def build(leaf: x509.Certificate, pool: Sequence[x509.Certificate], terms: Terms, name: Name) -> Path:
    """Return the shortest valid path of a TLS server with this name; raises PathRefusedError if there is none.

    Tried first is the profile of the Web PKI, then the same without what authorities often omit; of a private one, all
    that OpenSSL accepts.
    """
    builder = verification.PolicyBuilder().store(terms.trusted).time(terms.at)
    try:
        return Path(_shortest(builder, leaf, pool, name))
    except PathRefusedError as refused:
        objection = str(refused)
    ca, server = _lenient(terms.private)
    return Path(_shortest(builder.extension_policies(ca_policy=ca, ee_policy=server), leaf, pool, name), objection)


def build_regardless_of_leaf(leaf: x509.Certificate, pool: Sequence[x509.Certificate], terms: Terms) -> Path:
    """Return a path that holds if the server's own certificate were fit for its use; raises PathRefusedError."""
    ca, _server = _lenient(terms.private)
    ca = ca.may_be_present(x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, None)
    anything = verification.ExtensionPolicy.permit_all()
    builder = verification.PolicyBuilder().store(terms.trusted).time(terms.at)
    verifier = builder.extension_policies(ca_policy=ca, ee_policy=anything).build_client_verifier()
    try:
        return Path(tuple(verifier.verify(leaf, list(pool)).chain))
    except (verification.VerificationError, ValueError, UnsupportedAlgorithm) as error:
        raise PathRefusedError(_sentence(error)) from None


def _shortest(
    builder: verification.PolicyBuilder, leaf: x509.Certificate, pool: Sequence[x509.Certificate], name: Name
) -> tuple[x509.Certificate, ...]:
    path = _verified(builder, leaf, pool, name, MAXIMUM_DEPTH)
    # cryptography returns the first path that it finds, not the shortest.
    if len(pool) > 1:
        for depth in range(len(path) - 2):
            try:
                return _verified(builder, leaf, pool, name, depth)
            except PathRefusedError:
                continue
    return path


def _verified(
    builder: verification.PolicyBuilder,
    leaf: x509.Certificate,
    pool: Sequence[x509.Certificate],
    name: Name,
    depth: int,
) -> tuple[x509.Certificate, ...]:
    try:
        verifier = builder.max_chain_depth(depth).build_server_verifier(name)
        return tuple(verifier.verify(leaf, list(pool)))
    except (verification.VerificationError, ValueError, UnsupportedAlgorithm) as error:
        raise PathRefusedError(_sentence(error)) from None


@functools.cache
def _lenient(private: bool) -> tuple[verification.ExtensionPolicy, verification.ExtensionPolicy]:
    """Return the policies, for CAs and for servers, that take what RFC 5280 forbids and no client minds.

    A CA's key usage and a server's authority key identifier may be missing, and its names be critical. Of a private
    authority, basic constraints may be not critical, and the authority key identifier have any content.
    """
    either, plain = verification.Criticality.AGNOSTIC, verification.Criticality.NON_CRITICAL
    ca = verification.ExtensionPolicy.webpki_defaults_ca().may_be_present(x509.KeyUsage, either, _may_sign_certificates)
    server = (
        verification.ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.AuthorityKeyIdentifier, plain, None)
        .require_present(x509.SubjectAlternativeName, either, None if private else _names_stand_for_an_empty_subject)
    )
    if private:
        ca = ca.may_be_present(x509.AuthorityKeyIdentifier, plain, None)
        ca = ca.require_present(x509.BasicConstraints, either, None)
    return ca, server


def _names_stand_for_an_empty_subject(
    _policy: verification.Policy, certificate: x509.Certificate, _names: x509.SubjectAlternativeName
) -> None:
    critical = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    if not critical and not list(certificate.subject):
        raise ValueError("subjectAltName must be critical where the subject is empty")


def _may_sign_certificates(
    _policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("keyUsage.keyCertSign must be asserted in a CA certificate")


def _sentence(error: Exception) -> str:
    """Return cryptography's words without what it repeats."""
    text = " ".join(str(error).partition(" (encountered processing")[0].split())
    # cryptography names extensions by number (RFC 5280, 4.2).
    text = re.sub(r"\d+(\.\d+){3,}", lambda number: EXTENSIONS.get(number[0], number[0]), text)
    # The last is that of our own policies.
    for prefix in ("validation failed: ", "candidates exhausted: ", "Python extension validator failed: ValueError: "):
        text = text.removeprefix(prefix)
    # Some end with what is for the makers of cryptography alone.
    return re.sub(r":?\s*\w*\s*\{.*", "", text)[:200]


@dataclass(frozen=True)
class Walk:
    """How far one comes from a certificate by the names of issuers: what to say where no path is valid."""

    certificates: tuple[Certificate, ...]  # each signed by the next
    anchored: bool  # the last one is a trust anchor
    impostor: Certificate | None = None  # has the name of the last one's issuer, and did not sign it


def walk(leaf: Certificate, pool: Sequence[Certificate], anchors: Sequence[Certificate]) -> Walk:
    """Follow the issuers upwards, trust anchors first, then the longest valid."""
    way = [leaf]
    impostor = None
    while way[-1] not in anchors and len(way) <= MAXIMUM_DEPTH + 2:
        last = way[-1]
        named = [one for one in (*anchors, *pool) if one.subject_key == last.issuer_key and one not in way]
        named.sort(key=lambda one: (one not in anchors, -one.end.timestamp()))
        signer = next((one for one in named[:MAXIMUM_MEMBERS] if signed_by(last, one)), None)
        if signer is None:
            impostor = named[0] if named else None
            break
        way.append(signer)
    return Walk(tuple(way), way[-1] in anchors, impostor)
