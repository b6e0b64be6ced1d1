# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What OpenSSL makes of material: handshakes in memory, with it or with twins of it. See `_twin` for both.

OpenSSL's clock cannot be set. So where a date lies between the moment that is judged by and now, all dates of a twin of
the whole path are moved by as much. Without the private key of a certificate, its twin has one.
"""

from __future__ import annotations

import functools
import math
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._twin import memory
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import KeyRing
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Bearer, issue, make_twins
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.signature import Signature
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.x509_parsing import parse_certificate, parse_crl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._twin.memory import Refusal
    from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Twins
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import RevocationList
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

# More client CAs than anybody has who knows whom they let in.
MAXIMUM_CLIENT_CAS = 32
# How long before a date a handshake may still be going on that began before it.
_LEEWAY = timedelta(seconds=60)


_RING = KeyRing()  # a process's, as a key of RSA takes some milliseconds to make


class NoHandshakeError(Exception):
    """There can be none, as some certificate is such that it can have no twin."""


@dataclass(frozen=True)
class Offer:
    """What a server sends, and to whom."""

    leaf: Certificate
    issuers: tuple[Certificate, ...]  # that are sent with it
    key: Secret | None  # of the leaf, as PEM; None where it is not at hand
    name: str | None  # that the client asks for
    anchors: tuple[Certificate, ...]  # those of the client that can end the path
    partial: bool = False  # whether an anchor need not be a root


@dataclass(frozen=True)
class Answer:
    """What became of an offer: None where OpenSSL has nothing against it."""

    refusal: Refusal | None
    strict: Refusal | None = None  # what a strict client has against it


@dataclass(frozen=True)
class Entry:
    """What became of a client of a client CA's: no refusal where it is let in."""

    refusal: Refusal | None
    above: int = 0  # certificates of its path but its own, up to the root; 0 where that is not known


class Handshakes:
    """Handshakes as of an aware moment. What many of them share is made once: keys, twins of CAs, contexts."""

    def __init__(self, at: datetime) -> None:
        self._at, self._now = at, datetime.now(timezone.utc)
        # By how many seconds dates are moved, if they are: whole ones, as dates have no parts of them.
        self._later = int(self._now.timestamp()) - math.floor(at.timestamp())
        self._twins: dict[object, Twins] = {}
        self._clients: dict[object, ssl.SSLContext] = {}

    def serve(self, offer: Offer) -> Answer:
        """Serve what is offered to a client as most are, and to a strict one. Raises NoHandshakeError."""
        path = (offer.leaf, *offer.issuers, *offer.anchors)
        later = self._later if any(self._is_between(one) for one in path) else 0
        anchors = [one.der for one in offer.anchors]
        if offer.key is None or later:
            bearer, anchors = self._twinned(offer, later)
        else:
            bearer = Bearer(b"".join(one.pem for one in (offer.leaf, *offer.issuers)), offer.key.reveal())
        try:
            server = memory.serving(bearer)
            # By TLS 1.2, OpenSSL signs with no EC key whose usage forbids it; by TLS 1.3 it does not look.
            if not offer.leaf.may_sign:
                refusal = memory.meet(server, memory.trusting(anchors, partial=offer.partial, older=True), offer.name)
                if refusal is not None:
                    return Answer(refusal)
            # What a strict client accepts, the others do, so that these need seldom be asked.
            strict = memory.meet(server, self._client(anchors, offer, strict=True), offer.name)
            if strict is None:
                return Answer(None)
            return Answer(memory.meet(server, self._client(anchors, offer, strict=False), offer.name), strict)
        except memory.RefusedError as refused:
            return Answer(refused.refusal)

    def let_in(self, client_cas: Sequence[bytes], crls: Sequence[bytes], *, whole: bool = True) -> list[Entry]:
        """Return, for each client CA (DER), whether a server that has them all, and the lists, lets a client of it in.

        Lists are asked about the `whole` path of a client, or about its own certificate alone. Raises NoHandshakeError.
        """
        try:
            twins = make_twins(client_cas, crls, ring=_RING, signed=_whether_signed, later=self._later)
            clients = [twins.issue_client(one, crls) for one in twins.certificates]
        except (ValueError, LookupError) as error:
            raise NoHandshakeError(str(error)) from None
        try:
            trusted = [one.certificate for one in twins.certificates]
            server = memory.serving_clients_of(issue(None, _RING, client=False), trusted, twins.crls, whole=whole)
        except memory.RefusedError as refused:
            return [Entry(refused.refusal)] * len(client_cas)
        followed: list[int] = []
        server.sslobject_class = _counting(followed)
        return [Entry(memory.meet(server, memory.calling(one)), followed.pop() if followed else 0) for one in clients]

    def _is_between(self, one: Certificate) -> bool:
        """Return whether one of its dates is between the moment and now, or near."""
        first, last = sorted((self._at, self._now))
        return any(first - _LEEWAY <= date <= last + _LEEWAY for date in (one.begin, one.end))

    def _twinned(self, offer: Offer, later: int) -> tuple[Bearer, list[bytes]]:
        """Return twins of what is offered, with a key, and of the anchors."""
        cas = tuple(one.der for one in (*offer.issuers, *offer.anchors))
        try:
            if (cas, later) not in self._twins:
                self._twins[cas, later] = make_twins(cas, ring=_RING, signed=_whether_signed, later=later)
            twins = self._twins[cas, later]
            leaf = twins.join(offer.leaf.der)
        except (ValueError, LookupError) as error:
            raise NoHandshakeError(str(error)) from None
        sent, anchors = twins.certificates[: len(offer.issuers)], twins.certificates[len(offer.issuers) :]
        trusted = [
            leaf.certificate if one == offer.leaf else twin.certificate for one, twin in zip(offer.anchors, anchors)
        ]
        return Bearer(b"".join(one.pem for one in (leaf, *sent)), leaf.key.private), trusted

    def _client(self, anchors: Sequence[bytes], offer: Offer, *, strict: bool) -> ssl.SSLContext:
        key = (tuple(anchors), offer.partial, strict, offer.name is None)
        if key not in self._clients:
            self._clients[key] = memory.trusting(anchors, strict=strict, partial=offer.partial)
        return self._clients[key]


def _counting(followed: list[int]) -> type[ssl.SSLObject]:
    """Return a server's side that notes, where a client is let in, how many certificates it followed above that one's.

    OpenSSL tells its path by a method that the `ssl` module shows since Python 3.13, and had before.
    """

    class Counting(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            verified_chain = getattr(getattr(self, "_sslobj", None), "get_verified_chain", None)
            path = verified_chain() if verified_chain else None
            followed[:] = [max(0, len(path or ()) - 1)]

    return Counting


_KNOWN = {Signature.RIGHT: True, Signature.WRONG: False, Signature.UNCHECKED: None}


def _whether_signed(signed: bytes, issuer: bytes) -> bool | None:
    """Return whether the issuer's key signed a certificate or a CRL, all DER; None if that cannot be known."""
    try:
        signer = _read(issuer)
        return _KNOWN[_read(signed).signature(signer)] if isinstance(signer, Certificate) else None
    except FormError:
        return None


@functools.lru_cache(maxsize=1024)  # Each of many is looked at beside each other one.
def _read(whole: bytes) -> Certificate | RevocationList:
    try:
        return parse_certificate(whole, "")
    except FormError:
        return parse_crl(whole, "")
