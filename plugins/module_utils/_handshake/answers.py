# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who asks a TLS server what, where; what it answers, and what is made of its answers."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
# Given up by RFC 8996; tried only where a site is to speak them.
LEGACY_VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1}
NOT_OFFERED = "protocol not offered"
SERVER_NAME = re.compile(r"[A-Za-z0-9._:-]*\Z")
# A path that httpd, backends and proxies read alike: nothing in it is escaped, merged, or taken for a parameter.
PATH = re.compile(r"/(?:(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*[A-Za-z0-9_~-][A-Za-z0-9._~-]*/?)?\Z")
# What can stand in a request as it is, the query too: visible ASCII, but for # (RFC 9112, sections 3 and 3.2).
TARGET = re.compile(r"/[!-\"$-~]{0,7999}\Z")
METHODS = ("GET", "HEAD", "OPTIONS", "POST")
# By these a server may refuse who has no certificate: or a request, a password that is missing, or everybody.
OPEN_STATUSES = (400, 401, 403)
# What a request gets for its method alone, before any rule is asked.
NO_METHOD = (405, 501)


@dataclass(frozen=True)
class Identity:
    """A client's certificate (leaf first) and its unencrypted private key, both PEM."""

    certificate: bytes = field(repr=False)
    private_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Probes:
    """A throwaway authority (PEM), a client of it, and a stranger: a client of yet another authority.

    And a client of the throwaway authority that its revocation list (PEM) names. pinned: further clients of it, by the
    pin of a site's facts that they fulfil.
    """

    ca: bytes = field(repr=False)
    trusted: Identity
    stranger: Identity
    crl: bytes = field(repr=False)
    revoked: Identity
    pinned: Mapping[str, Identity] = field(default_factory=dict)


@dataclass(frozen=True)
class Clients:
    """The clients that `examine` asks as, beside one without a certificate; None where there is no such client.

    ``untrusted`` is of an authority that the server cannot know; ``trusted`` is one that it is to accept.
    """

    untrusted: Identity | None = None
    trusted: Identity | None = None


@dataclass(frozen=True)
class Door:
    """Where a server is reached. ``address`` is an IPv4 or IPv6 address or a name.

    ``proxied``: the connection begins with a PROXY header, as a load balancer's does.
    """

    address: str
    port: int
    proxied: bool = False


@dataclass(frozen=True)
class Question:
    """What one client asks a server: one request, over one version of TLS.

    ``server_name`` goes as SNI and as Host; it may be empty. ``host`` is the name in the request, where it is another
    than SNI, and ``path`` what is asked for. ``client`` is what the caller calls the client whose ``identity`` is
    presented (None: no certificate). ``http2`` offers HTTP/2 too, which is then spoken where the server chooses it.
    ``method`` is one of `METHODS`, where POST is Chat's own request. ``source`` is the address that is called from,
    where the machine's choice will not do. ``awaited``: what the answer is read for, beyond its status.
    Raises ValueError for a malformed name or path.
    """

    server_name: str
    version: str
    client: str
    identity: Identity | None = None
    path: str = "/"
    host: str = ""
    http2: bool = False
    method: str = "OPTIONS"
    source: str = ""
    awaited: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        """Check what is sent as it is."""
        if not SERVER_NAME.match(self.server_name):
            raise ValueError("server_name has a character that no host name has")
        if not TARGET.match(self.path):
            raise ValueError("path has a character that stands in none as it is")


@dataclass(frozen=True)
class Inquiry:
    """What every client asks in one examination. ``server_name`` goes as SNI and as Host; it may be empty.

    ``brief``: over one version each. GET is the method that every server answers, each in its own way: measured,
    ``openssl s_server`` and ``gnutls-serv`` answer no other.
    """

    server_name: str
    method: str = "GET"
    path: str = "/"
    brief: bool = False


@dataclass(frozen=True)
class Met:
    """What a client met with: as in an C(Answer), before it is known who asked for what."""

    result: str
    detail: str
    status: int = 0
    offered: bool = True
    cut: bool = False
    found: bool = False


@dataclass(frozen=True)
class Answer:
    """How a server answered one client.

    ``version`` is TLSv1.2 or TLSv1.3, or an older one. ``client`` is none, untrusted or trusted, or what the caller
    calls it. ``path`` is what was asked for.
    ``result`` is accepted (a status line other than 403), refused (an alert after the server asked for a certificate,
    or 403) or unproven (anything else); after `weigh_statuses`, 400, 401 and 403 are what the other answers make of
    them. ``detail`` is the status line, the alert, or what happened instead, in words;
    as data, ``status`` is that of HTTP, 0 where none came, ``offered`` is false where the server does not speak this
    version at all, and ``cut`` is true where the connection ended without an answer.
    ``certificate`` is the leaf served (DER). ``asked`` says whether the server asked for a certificate, and
    ``client_ca_names`` of which authorities. Each of the last three is None where it cannot be known.
    ``protocol`` is what the server chose of those that the client offered by ALPN; empty where it chose none.
    ``method`` is what was asked by. ``found`` says whether what was awaited is in the answer.
    ``asked_late``: the server shook hands anew before it answered, and so asked for this request alone.
    """

    version: str
    client: str
    result: str
    detail: str
    certificate: bytes | None = field(default=None, repr=False)
    asked: bool | None = None
    client_ca_names: tuple[str, ...] | None = None
    path: str = "/"
    protocol: str = ""
    status: int = 0
    offered: bool = True
    cut: bool = False
    method: str = "OPTIONS"
    found: bool = False
    asked_late: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its status may be a refusal, and may be none."""
        return self.status in OPEN_STATUSES

    @property
    def certificate_sha256(self) -> str | None:
        """SHA-256 of the leaf served, lower-case hexadecimal."""
        return None if self.certificate is None else hashlib.sha256(self.certificate).hexdigest()


def weigh_statuses(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Return the answers of one examination, with each status that may be a refusal judged by the others.

    400, 401 and 403 are a refusal where a trusted client got another status for the same request, over the same version
    if it was tried there. What nobody else got otherwise, or nobody else asked for, is unproven.
    """

    def weighed(answer: Answer) -> Answer:
        if not answer.is_open:
            return answer
        same = [each for each in answers if (each.method, each.path) == (answer.method, answer.path) and each.status]
        trusted = [] if answer.client == "trusted" else [each for each in same if each.client == "trusted"]
        trusted = [each for each in trusted if each.version == answer.version] or trusted
        refused = bool(trusted) and all(each.status != answer.status for each in trusted)
        return replace(answer, result="refused" if refused else "unproven")

    return tuple(map(weighed, answers))


@dataclass(frozen=True)
class Examination:
    """The answers to every kind of client in every version, and what they add up to."""

    answers: tuple[Answer, ...]

    @property
    def certificate(self) -> bytes | None:
        """The leaf served (DER), of the first answer that has one."""
        return next((answer.certificate for answer in self.answers if answer.certificate), None)

    @property
    def certificate_sha256(self) -> str | None:
        """SHA-256 of that leaf, lower-case hexadecimal."""
        return next((answer.certificate_sha256 for answer in self.answers if answer.certificate), None)

    @property
    def asked(self) -> bool | None:
        """Whether the server asked any client for a certificate; None when it is not known."""
        known = {answer.asked for answer in self.answers} - {None}
        return any(known) if known else None

    @property
    def client_ca_names(self) -> list[str] | None:
        """The authorities whose clients the server asks for; none when it names none; None when it is not known."""
        known = [answer.client_ca_names for answer in self.answers if answer.client_ca_names is not None]
        longest = max(known, key=len, default=None)
        return None if longest is None else list(longest)

    @property
    def mutual_tls(self) -> str:
        """What the answers to clients without a certificate of the server's authorities add up to.

        enforced: in every version offered, both kinds were refused, and by a server that asked for a certificate.
        optional: one was accepted, and the server asked for a certificate or refused another.
        off: one was accepted, and the server never asked. unproven: all else.
        """
        tried = self._strangers
        if any(answer.result == "accepted" for answer in tried):
            return "optional" if any(answer.asked or answer.result == "refused" for answer in tried) else "off"
        refused = all(answer.result == "refused" and answer.asked is not False for answer in tried)
        return "enforced" if refused and {"none", "untrusted"} <= {answer.client for answer in tried} else "unproven"

    @property
    def holds_for(self) -> str | None:
        """What `mutual_tls` says something of: any request, the one that was sent, or None, where it is unproven.

        Any request is refused where each handshake was. All else is one request's: a status, a certificate that was
        asked for by path only, and that a client was let in.
        """
        if self.mutual_tls == "unproven":
            return None
        by_request = any(answer.status or answer.asked_late for answer in self._strangers)
        return "this_request" if by_request else "any_request"

    @property
    def if_statuses_refuse(self) -> Examination:
        """The same, if what a client without a certificate got by a status that may be a refusal were one."""
        return Examination(
            tuple(
                replace(answer, result="refused") if answer.client == "none" and answer.is_open else answer
                for answer in self.answers
            )
        )

    @property
    def _strangers(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.client != "trusted" and answer.offered]


def tell_over(versions: Sequence[str], *, http2: bool) -> str:
    """Return over what answers came, in words: C(TLSv1.2, TLSv1.3 and HTTP/2)."""
    *first, last = [*dict.fromkeys(versions), *(["HTTP/2"] if http2 else [])]
    return f"{', '.join(first)} and {last}" if first else last
