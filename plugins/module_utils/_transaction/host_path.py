# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The way from a server's certificate on a host to an anchor, or as far as it goes: what the server is to send."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._twin import memory
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Bearer, comparable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.chain_order import Chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_certificates import HostMaterial, Member

MAXIMUM_WAYS = 32  # that are tried, each by a handshake; hardly anybody has more than one
MAXIMUM_LENGTH = 10
# OpenSSL's numbers (x509_vfy.h): an issuer is not found, or did not sign.
_DID_NOT_SIGN = (2, 6, 7, 18, 19, 20, 21, 24, 29, 30, 31, 32, 76)


def find_path(material: HostMaterial) -> list[Member]:
    """Return the certificate, its issuer, the issuer's, and so on, as far as they are there.

    By the names of issuers there may be several ways, and a client tells which of them holds. Where none does, it is
    the first of those on which each signed the one before.
    """
    ways = list(itertools.islice(_ways(material, [material.server[0]]), MAXIMUM_WAYS))
    if len(ways) == 1:
        return ways[0]
    ranks: list[int] = []
    for way in ways:
        rank = _rank(material, way)
        if not rank:
            return way
        ranks.append(rank)
    return ways[ranks.index(min(ranks))]


def _ways(material: HostMaterial, path: list[Member]) -> Iterator[list[Member]]:
    """Yield each way on from the last of a path, until it ends at an anchor or a root, or no issuer is there."""
    last, pool = path[-1], dict.fromkeys((*material.anchors, *material.server))
    name = comparable(last.told.issuer)
    named = [one for one in pool if one not in path and comparable(one.told.subject) == name]
    if last in material.anchors or last.is_root or not named or len(path) >= MAXIMUM_LENGTH:
        yield path
        return
    now = datetime.now(timezone.utc)
    # Of one that also signed itself, the certificate by another root is what leads clients further. Of several editions
    # they take one that is of its time.
    named.sort(key=lambda one: (one not in material.anchors, one.is_root, not one.span.holds(now)))
    for one in named:
        yield from _ways(material, [*path, one])


def _rank(material: HostMaterial, way: Sequence[Member]) -> int:
    """Return 0 for a way that a client follows, 2 where somebody on it did not sign, 1 for what else there may be."""
    sent = b"".join(one.pem for one in way if one not in material.anchors[1:])
    try:
        server = memory.serving(Bearer(sent, material.key.reveal()))
        anchors = [one.certificate for one in material.anchors or way[-1:]]
        refusal = memory.meet(server, memory.trusting(anchors, partial=not material.anchors))
    except memory.RefusedError:
        return 1
    return 0 if refusal is None else 2 if refusal.number in _DID_NOT_SIGN else 1


def read_chain(material: HostMaterial, path: Sequence[Member]) -> Chain[Member]:
    """Return what becomes of the certificates beside the server's, of which some are on the path.

    Those that are not are sent all the same where it is not known which roots clients have: an issuer may have several
    certificates. A root is never sent.
    """
    _leaf, *others = material.server
    roots = [one for one in others if one.is_root]
    kept = [one for one in path[1:] if one in others and one not in roots]
    sent = [one for one in others if one not in kept and one not in roots]
    return Chain(others, kept, roots, () if material.anchors else sent)
