# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a TLS server asks of its clients, found out by trying. Standard library only: runs on targets too."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from ansible_collections.mtls.httpd.plugins.module_utils import _http2, _wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
# Given up by RFC 8996; tried only where a site is to speak them.
LEGACY_VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1}
NOT_OFFERED = "protocol not offered"
SERVER_NAME = re.compile(r"[A-Za-z0-9._:-]*\Z")
# A path that httpd, backends and proxies read alike: nothing in it is escaped, merged, or taken for a parameter.
PATH = re.compile(r"/(?:(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*[A-Za-z0-9_~-][A-Za-z0-9._~-]*/?)?\Z")

_MESSAGE_CALLBACK = "_msg_callback"  # private to the ssl module: used where it is there
_HANDSHAKE = 22  # content type, RFC 8446, section 5.1
_LONGEST_LINE = 4096
_LONGEST_ANSWER = 1 << 16  # bytes: frames that may come before the one that has the status
_PATIENCE = 0.5  # seconds
_RESET, _ENDED = "connection reset", "connection ended without an answer"
_PIPE_HOLDS = 65536  # bytes, pipe(7)
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: |\r?$)")
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)")


@dataclass(frozen=True)
class Identity:
    """A client's certificate (leaf first) and its unencrypted private key, both PEM."""

    certificate: bytes
    private_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Probes:
    """A throwaway authority (PEM), a client of it, and a stranger: a client of yet another authority.

    And a client of the throwaway authority that its revocation list (PEM) names. pinned: further clients of it, by the
    pin of a site's facts that they fulfil.
    """

    ca: bytes
    trusted: Identity
    stranger: Identity
    crl: bytes
    revoked: Identity
    pinned: Mapping[str, Identity] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """How a server answered one client.

    ``version`` is TLSv1.2 or TLSv1.3, or an older one. ``client`` is none, untrusted or trusted, or what the caller
    calls it. ``path`` is what was asked for.
    ``result`` is accepted (a status line other than 403), refused (an alert after the server asked for a certificate,
    or 403) or unproven (anything else). ``detail`` is the status line, the alert, or what happened instead.
    ``certificate`` is the leaf served (DER). ``asked`` says whether the server asked for a certificate, and
    ``client_ca_names`` of which authorities. Each of the last three is None where it cannot be known.
    ``protocol`` is what the server chose of those that the client offered by ALPN; empty where it chose none.
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

    @property
    def certificate_sha256(self) -> str | None:
        """SHA-256 of the leaf served, lower-case hexadecimal."""
        return None if self.certificate is None else hashlib.sha256(self.certificate).hexdigest()

    @property
    def offered(self) -> bool:
        """False when the server does not speak this version at all."""
        return not self.detail.startswith(NOT_OFFERED)


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
    def client_ca_names(self) -> list[str] | None:
        """The authorities whose clients the server asks for; none when it asks for none; None when it is not known."""
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
        tried = [answer for answer in self.answers if answer.client != "trusted" and answer.offered]
        if any(answer.result == "accepted" for answer in tried):
            return "optional" if any(answer.asked or answer.result == "refused" for answer in tried) else "off"
        refused = all(answer.result == "refused" and answer.asked is not False for answer in tried)
        return "enforced" if refused and {"none", "untrusted"} <= {answer.client for answer in tried} else "unproven"


@lru_cache(maxsize=32)  # Loading a key takes as long as a handshake.
def client_context(identity: Identity | None, version: str, *, http2: bool = False) -> ssl.SSLContext:
    """Return the context that speaks one version and presents ``identity``.

    The server is not verified: what it serves is compared by fingerprint. Security level 0, so that what is weak about
    the server, or about the client it is to judge, does not end the handshake on this side.
    ``http2`` has it offer HTTP/2 before HTTP/1.1.
    Raises ValueError when certificate and key do not load.
    """
    context = _own_context(identity, version)
    if http2:
        context.set_alpn_protocols([_http2.NAME, "http/1.1"])
    return context


def _own_context(identity: Identity | None, version: str) -> ssl.SSLContext:
    """Return such a context that nobody shares."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version in VERSIONS:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    else:
        with warnings.catch_warnings():  # Python's, that these versions are old.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = LEGACY_VERSIONS[version]
    context.set_ciphers("ALL:!aNULL:@SECLEVEL=0")
    context.sslsocket_class = _Channel
    if hasattr(context, _MESSAGE_CALLBACK):
        setattr(context, _MESSAGE_CALLBACK, _overheard)
    if identity:
        present(context, identity)
    return context


def present(context: ssl.SSLContext, identity: Identity) -> None:
    """Have a context present ``identity`` from now on. Raises ValueError when certificate and key do not load."""
    try:
        with readable(identity.certificate) as certificate, readable(identity.private_key) as key:
            context.load_cert_chain(certificate, key, password=lambda: b"")  # never ask at a terminal
    except ssl.SSLError as error:
        raise ValueError(
            f"client certificate and key do not load ({_reason(error).lower()}): "
            "give a PEM certificate and its unencrypted PEM key"
        ) from None
    except OSError as error:
        raise ValueError(f"client certificate and key do not load: {error.strerror}") from None


def ask(
    address: str,
    port: int,
    server_name: str,
    *,
    version: str,
    client: str,
    identity: Identity | None = None,
    timeout: float,
    context: ssl.SSLContext | None = None,
    host: str = "",
    sessions: list[ssl.SSLSession] | None = None,
    path: str = "/",
    proxied: bool = False,
) -> Answer:
    """Send one request as one kind of client, and return the server's answer.

    ``address`` is an IPv4 or IPv6 address or a name. ``server_name`` goes as SNI and as Host; it may be empty.
    ``timeout`` (seconds) bounds everything: resolving, connecting, the handshake, the answer.
    ``context`` is a `client_context` built beforehand, for use where ``/dev/fd`` is out of reach, or one that offers
    HTTP/2, which is then spoken where the server chooses it.
    ``host`` is the name in the request, where it is another than SNI, and ``path`` what is asked for. The last of
    ``sessions``, which are of the same context, is resumed if the server lets us, and what it grants is put behind it.
    ``proxied``: the connection begins with a PROXY header, as a load balancer's does.
    Raises ValueError for an identity that does not load and for a malformed name or path, and nothing for what a peer
    does.
    """
    if not SERVER_NAME.match(server_name):
        raise ValueError("server_name has a character that no host name has")
    if not PATH.match(path):
        raise ValueError("path has a character that stands in none as it is")
    context = context or client_context(identity, version)
    deadline = _Deadline(timeout)

    def once(patience: float = 0) -> Answer:
        heard = _Transcript(version, listens=hasattr(context, _MESSAGE_CALLBACK))
        certificate = None
        result, protocol = "unproven", ""
        try:
            with (
                _connected(address, port, deadline, proxied) as plain,
                context.wrap_socket(
                    plain,
                    server_hostname=server_name or None,
                    do_handshake_on_connect=False,
                    session=sessions[-1] if sessions else None,
                ) as connection,
            ):
                cast("_Channel", connection).transcript = heard
                connection.settimeout(deadline.left())
                try:
                    connection.do_handshake()
                finally:  # Over TLS 1.2 the server chooses before it judges the client (RFC 7301, section 3.2).
                    protocol = connection.selected_alpn_protocol() or ""
                certificate = connection.getpeercert(True)
                early = _early(connection, min(patience, deadline.left())) if patience else b""
                # In TLS 1.3 the server judges the client only now, and may close before we write: read all the same.
                with suppress(OSError):
                    connection.sendall(_request(_authority(address, port, host or server_name), path, protocol))
                result, detail = _judged_line(_first_line(connection, deadline, early, protocol))
                if sessions is not None and connection.session and result != "unproven":
                    sessions.append(connection.session)  # TLS 1.3 grants it after the handshake.
        except socket.timeout:
            detail = f"no answer within {timeout:g} s"
        except ssl.SSLError as error:
            result, detail = heard.judged_error(error)
        except ConnectionResetError:
            detail = _RESET
        except OSError as error:
            detail = (error.strerror or "connection failed").lower()
        except ValueError:  # UnicodeError among them, of the ssl module
            detail = "the address or the server name is no host name"
        if identity and heard.withheld:
            result, detail = "unproven", f"the client's certificate fits no algorithm that the server takes ({detail})"
        seen = certificate or heard.certificate
        return Answer(version, client, result, detail, seen, heard.asked, heard.client_ca_names, path, protocol)

    answer = once()
    if answer.detail in (_RESET, _ENDED) and answer.certificate and version == "TLSv1.3":
        # It judged the client while our request was on its way, which it did not read any more. The reset that follows
        # from that can overtake its alert. So nothing is sent before that had its time to come.
        again = once(patience=_PATIENCE)
        return answer if again.result == "unproven" else again
    return answer


def ask_by_way_of(
    address: str,
    port: int,
    other: str,
    server_name: str,
    *,
    version: str,
    identity: Identity,
    stranger: Identity,
    timeout: float,
    path: str = "/",
    proxied: bool = False,
) -> list[Answer]:
    """Ask for ``server_name`` by way of another name of the server, ``other`` (empty for no SNI).

    First on a connection made to ``other`` as ``identity``, by its name in the request. Then, where that was granted a
    session, as ``stranger`` on two connections that resume it, with SNI and without (CVE-2025-23048).
    ``timeout`` (seconds) bounds each; ``path`` and ``proxied`` as in `ask`. Raises ValueError as `ask` does.
    """
    context = _own_context(identity, version)
    asked: dict[str, Any] = {"version": version, "timeout": timeout, "context": context}
    asked |= {"path": path, "proxied": proxied}
    granted: list[ssl.SSLSession] = []
    answers = [ask(address, port, other, client="trusted", host=server_name, sessions=granted, **asked)]
    present(context, stranger)
    for name in (server_name, "") if granted else ():
        # Each resumes the first one's own, not what the one before was granted.
        session = granted[:1]
        answers.append(ask(address, port, name, client="untrusted", host=server_name, sessions=session, **asked))
    return answers


def examine(
    address: str,
    port: int,
    server_name: str,
    *,
    untrusted: Identity | None,
    trusted: Identity | None = None,
    timeout: float,
    brief: bool = False,
    proxied: bool = False,
) -> Examination:
    """Ask as each kind of client over TLS 1.2 and 1.3, all at once, so that ``timeout`` (seconds) bounds the whole.

    ``untrusted`` is a client of an authority that the server cannot know; ``trusted`` one that it is to accept.
    A kind without an identity is left out. ``brief`` asks as each kind over one version, and over the other where that
    is not offered: half the handshakes, for a server that was asked in full when it was last changed. ``proxied`` as in
    `ask`.
    Raises ValueError as `ask` does.
    """
    clients = {"none": None, "untrusted": untrusted, "trusted": trusted}
    kinds = [client for client in clients if client == "none" or clients[client] is not None]
    older, newer = VERSIONS

    def tried(client: str, version: str) -> Answer:
        return ask(
            address,
            port,
            server_name,
            version=version,
            client=client,
            identity=clients[client],
            timeout=timeout,
            proxied=proxied,
        )

    def tried_briefly(client: str) -> Answer:
        first, second = (older, newer) if client == "none" else (newer, older)
        answer = tried(client, first)
        return answer if answer.offered else tried(client, second)

    with ThreadPoolExecutor(len(kinds) * len(VERSIONS)) as pool:
        if brief:
            return Examination(tuple(pool.map(tried_briefly, kinds)))
        pairs = [(client, version) for version in VERSIONS for client in kinds]
        return Examination(tuple(pool.map(tried, *zip(*pairs))))


class _Deadline:
    """A moment by which all has to be over."""

    def __init__(self, timeout: float) -> None:
        self._end = time.monotonic() + timeout

    def left(self) -> float:
        """Return the seconds left. Raises socket.timeout when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout
        return left


class _Transcript:
    """The handshake messages of one connection, as far as the ssl module lets us see them.

    Over TLS 1.2 a refusal ends the handshake, and nothing else tells what the server asked for and served.
    """

    def __init__(self, version: str, *, listens: bool) -> None:
        self._version = version
        self._messages: dict[tuple[str, int], bytes] = {}
        self._listens = listens

    def note(self, direction: str, data: bytes) -> None:
        """Keep the first message of each kind and direction."""
        self._messages.setdefault((direction, data[0]), data)

    @property
    def asked(self) -> bool | None:
        """Whether the server asked for a certificate; None when it is not known."""
        if ("read", _wire.CERTIFICATE_REQUEST) in self._messages:
            return True
        return False if ("read", _wire.SERVER_HELLO) in self._messages else None

    @property
    def client_ca_names(self) -> tuple[str, ...] | None:
        """The authorities that the server named; none when it did not ask; None when it is not known."""
        if not self.asked:
            return () if self.asked is False else None
        try:
            names = _wire.certificate_authorities(self._messages["read", _wire.CERTIFICATE_REQUEST], self._version)
            return tuple(_wire.rfc4514(name) for name in names)
        except ValueError:
            return None

    @property
    def certificate(self) -> bytes | None:
        """The leaf that the server sent (DER)."""
        return self._leaf("read")

    @property
    def withheld(self) -> bool:
        """Whether OpenSSL sent no certificate though it was asked for one."""
        return ("write", _wire.CERTIFICATE) in self._messages and self._leaf("write") is None

    def _leaf(self, direction: str) -> bytes | None:
        try:
            return _wire.leaf_certificate(self._messages[direction, _wire.CERTIFICATE], self._version)
        except (KeyError, ValueError):
            return None

    def judged_error(self, error: ssl.SSLError) -> tuple[str, str]:
        """Return result and detail for an error of the TLS connection."""
        reason = _reason(error)
        alert = _ALERT.match(reason)
        if not alert:
            if isinstance(error, ssl.SSLEOFError) or "EOF" in reason:
                return "unproven", _ENDED
            if reason in ("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"):
                return "unproven", NOT_OFFERED
            if reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
                return "unproven", "the answer is not TLS"
            return "unproven", f"TLS failed: {reason.lower()}"
        name = alert[1].lower()
        if name == "protocol_version":
            return "unproven", NOT_OFFERED
        if self.asked or not self._listens:
            return "refused", f"alert {name}"
        if self.asked is None and name in ("handshake_failure", "insufficient_security"):
            return "unproven", f"{NOT_OFFERED}, or not with ciphers in common (alert {name})"
        return "unproven", f"alert {name}, before any certificate was asked for"


class _Channel(ssl.SSLSocket):
    """A connection with its transcript: contexts are shared, and the callback is the context's."""

    transcript: _Transcript | None = None


def _overheard(connection: object, direction: str, _version: int, content_type: int, _kind: int, data: bytes) -> None:
    if content_type == _HANDSHAKE and data and isinstance(connection, _Channel) and connection.transcript:
        connection.transcript.note(direction, data)


@contextmanager
def readable(content: bytes) -> Iterator[str]:
    """Lend a path that reads as ``content``, since the ssl module takes keys from files only: of one in memory.

    A pipe's where the system has none such. Raises OSError when ``content`` is larger than a pipe holds.
    """
    if len(content) > _PIPE_HOLDS:
        raise OSError(0, "larger than 64 KiB")
    if hasattr(os, "memfd_create"):
        # With a pipe, the ssl module blames a seek for a key that does not match.
        reader = os.memfd_create("mtls")
        os.write(reader, content)
    else:
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def _connected(address: str, port: int, deadline: _Deadline, proxied: bool) -> socket.socket:
    """Return a socket connected to the first address that takes it, with its PROXY header sent. Raises OSError."""
    endpoints = _resolved(address, port, deadline)
    failure = OSError(0, "name does not resolve")
    for tried, (family, endpoint) in enumerate(endpoints):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(deadline.left() / (len(endpoints) - tried))
            connection.connect(endpoint)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxied:
                connection.sendall(_proxy_header(connection))
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _proxy_header(connection: socket.socket) -> bytes:
    """Return the header that tells the connection's own ends (PROXY protocol, section 2.1: version 1)."""
    (source, source_port), (address, port) = connection.getsockname()[:2], connection.getpeername()[:2]
    family = "TCP6" if connection.family == socket.AF_INET6 else "TCP4"
    return f"PROXY {family} {source} {address} {source_port} {port}\r\n".encode("ascii")


def _resolved(address: str, port: int, deadline: _Deadline) -> list[tuple[int, Any]]:
    """Return family and socket address of each address of a host, in the time there is: resolvers are patient."""
    with suppress(OSError, UnicodeError):
        return _look_up(address, port, socket.AI_NUMERICHOST)
    found: list[tuple[int, Any]] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(_look_up(address, port))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(deadline.left())
    deadline.left()
    return found


def _look_up(address: str, port: int, flags: int = 0) -> list[tuple[int, Any]]:
    return [(entry[0], entry[4]) for entry in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)]


def _authority(address: str, port: int, server_name: str) -> str:
    host = server_name or address
    host = f"[{host}]" if ":" in host else host
    return host if port == 443 else f"{host}:{port}"


def _request(authority: str, path: str, protocol: str) -> bytes:
    """Return a request that mod_proxy answers itself, without calling a backend (RFC 9110, section 7.6.2)."""
    if protocol == _http2.NAME:
        return _http2.request(authority, path)
    request = f"OPTIONS {path} HTTP/1.1\r\nHost: {authority}\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n"
    return request.encode("ascii")


def _early(connection: ssl.SSLSocket, patience: float) -> bytes:
    """Return what a server says without having been asked, in this time (seconds). Raises OSError, as for its alert."""
    connection.settimeout(patience)
    try:
        return connection.recv(_LONGEST_LINE)
    except socket.timeout:
        return b""


def _first_line(connection: ssl.SSLSocket, deadline: _Deadline, answer: bytes, protocol: str) -> bytes:
    """Return the answer's first line, or what came of it before the connection ended. ``answer``: its beginning."""
    is_http2 = protocol == _http2.NAME
    longest = _LONGEST_ANSWER if is_http2 else _LONGEST_LINE
    while not (_http2.first_line(answer) if is_http2 else b"\n" in answer) and len(answer) < longest:
        connection.settimeout(deadline.left())
        more = connection.recv(_LONGEST_LINE)
        if not more:
            break
        answer += more
    return _http2.first_line(answer) if is_http2 else answer.split(b"\n", 1)[0]


def _judged_line(line: bytes) -> tuple[str, str]:
    """Return result and detail for the first line of an answer."""
    status = _STATUS_LINE.match(line)
    if status:
        return "refused" if status[1] == b"403" else "accepted", _shown(line)
    if line.startswith(b"HTTP/2 "):
        return "unproven", _shown(line)
    return "unproven", f"the answer is not HTTP: {_shown(line)}" if line else _ENDED


def _shown(line: bytes) -> str:
    """Return at most 80 characters of a peer's line, none of which steers a terminal."""
    text = line.decode("ascii", "replace").strip()[:80]
    return "".join(character if character.isprintable() else "?" for character in text)


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason, such as TLSV1_ALERT_UNKNOWN_CA; Python knows the newer ones only as text."""
    return error.reason or str(error).upper().replace(" ", "_")
