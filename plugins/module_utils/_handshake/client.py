# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a TLS server asks of its clients, found out by trying. Standard library only: runs on targets too."""

from __future__ import annotations

import codecs
import re
import socket
import ssl
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    LEGACY_VERSIONS,
    NO_METHOD,
    VERSIONS,
    Answer,
    Clients,
    Door,
    Examination,
    Identity,
    Inquiry,
    Met,
    Question,
    weigh_statuses,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import make_call
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.connecting import Deadline, connect
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.http2 import (
    ALPN_NAME,
    first_line,
    is_over,
    make_request,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.transcript import (
    ENDED,
    Channel,
    Transcript,
    overhear,
    reason_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._twin.memory import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

# The ssl module encodes each server name by it: looked up by Ansible's parent once, not by each of its workers.
codecs.lookup("idna")
_MESSAGE_CALLBACK = "_msg_callback"  # private to the ssl module: used where it is there
_LONGEST_LINE = 4096
_LONGEST_ANSWER = 1 << 16  # bytes: frames that may come before the one that has the status
_PATIENCE = 0.5  # seconds
_KINDS = ("none", "untrusted", "trusted")
_OLDER, _NEWER = VERSIONS
# As each kind of client over each version.
_IN_FULL = tuple((client, (version,)) for version in VERSIONS for client in _KINDS)
# As each kind over one version, and over the other where that is not offered: half the handshakes, for a server that
# was asked in full when it was last changed.
_IN_BRIEF = tuple((client, (_OLDER, _NEWER) if client == "none" else (_NEWER, _OLDER)) for client in _KINDS)
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: |\r?$)")


class Way(NamedTuple):
    """Where a session is made that is tried elsewhere: the name that goes as SNI, empty for none, and the door."""

    name: str
    door: Door


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
        context.set_alpn_protocols([ALPN_NAME, "http/1.1"])
    return context


def load_contexts(stranger: Identity) -> None:
    """Load what nobody and a stranger ask with, for all processes that are forked from this one."""
    for version in VERSIONS:
        client_context(None, version)
        client_context(stranger, version)


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
    context.sslsocket_class = Channel
    if hasattr(context, _MESSAGE_CALLBACK):
        setattr(context, _MESSAGE_CALLBACK, overhear)
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
            f"client certificate and key do not load ({reason_of(error).lower()}): "
            "give a PEM certificate and its unencrypted PEM key"
        ) from None
    except OSError as error:
        raise ValueError(f"client certificate and key do not load: {error.strerror}") from None


def ask(
    door: Door,
    question: Question,
    timeout: float,
    *,
    context: ssl.SSLContext | None = None,
    sessions: list[ssl.SSLSession] | None = None,
) -> Answer:
    """Send one request as one kind of client, and return the server's answer.

    ``timeout`` (seconds) bounds everything: resolving, connecting, the handshake, the answer.
    ``context`` is a `client_context` built beforehand, for use where ``/dev/fd`` is out of reach; it then decides what
    is presented and offered. The last of ``sessions``, which are of the same context, is resumed if the server lets us,
    and what it grants is put behind it.
    Raises ValueError for an identity that does not load, and nothing for what a peer does.
    """
    version = question.version
    context = context or client_context(question.identity, version, http2=question.http2)
    deadline = Deadline(timeout)

    def once(patience: float = 0) -> Answer:
        heard = Transcript(version, listens=hasattr(context, _MESSAGE_CALLBACK))
        certificate = None
        protocol = ""
        try:
            with (
                connect(door, deadline, question.source) as plain,
                context.wrap_socket(
                    plain,
                    server_hostname=question.server_name or None,
                    do_handshake_on_connect=False,
                    session=sessions[-1] if sessions else None,
                ) as connection,
            ):
                cast("Channel", connection).transcript = heard
                connection.settimeout(deadline.left())
                try:
                    connection.do_handshake()
                finally:  # Over TLS 1.2 the server chooses before it judges the client (RFC 7301, section 3.2).
                    protocol = connection.selected_alpn_protocol() or ""
                certificate = connection.getpeercert(True)
                early = _early(connection, min(patience, deadline.left())) if patience else b""
                # In TLS 1.3 the server judges the client only now, and may close before we write: read all the same.
                with suppress(OSError):
                    connection.sendall(_request(_authority(door, question), question, protocol))
                received = _first_line(connection, deadline, early, protocol)
                met = _judge_line(_line_of(received, protocol))
                if question.awaited:
                    met = replace(met, found=_awaits(connection, deadline, received, question.awaited, protocol))
                if sessions is not None and connection.session and met.result != "unproven":
                    sessions.append(connection.session)  # TLS 1.3 grants it after the handshake.
        except socket.timeout:
            met = Met("unproven", f"no answer within {timeout:g} s")
        except ssl.SSLError as error:
            met = heard.judge_error(error)
        except (ConnectionResetError, BrokenPipeError):  # The second is the first, met as we write once more.
            met = Met("unproven", "connection reset", cut=True)
        except OSError as error:
            met = Met("unproven", (error.strerror or "connection failed").lower())
        except ValueError:  # UnicodeError among them, of the ssl module
            met = Met("unproven", "the address or the server name is no host name")
        if question.identity and heard.withheld:
            words = f"the client's certificate fits no algorithm that the server takes ({met.detail})"
            met = replace(met, result="unproven", detail=words, offered=True, cut=False)
        return Answer(
            version,
            question.client,
            met.result,
            met.detail,
            certificate or heard.certificate,
            heard.asked,
            heard.client_ca_names,
            question.path,
            protocol,
            met.status,
            met.offered,
            met.cut,
            question.method,
            met.found,
            heard.asked_late,
        )

    answer = once()
    if answer.cut and answer.certificate and version == "TLSv1.3":
        # It judged the client while our request was on its way, which it did not read any more. The reset that follows
        # from that can overtake its alert. So nothing is sent before that had its time to come.
        again = once(patience=_PATIENCE)
        return answer if again.result == "unproven" else again
    return answer


def ask_by_way_of(way: Way, door: Door, question: Question, stranger: Identity, timeout: float) -> Iterator[Answer]:
    """Ask a question by way of another name of the server, or another door of it, than the question's.

    First on a connection made there as the question's client, by its name in the request. Then, where that was granted
    a session, as ``stranger`` on two connections to ``door`` that resume it, with SNI and without (CVE-2025-23048).
    ``timeout`` (seconds) bounds each. Raises ValueError as `ask` does.
    """
    context = _own_context(question.identity, question.version)
    # The context presents who asks, and its identity changes on the way.
    asked = replace(question, server_name=way.name, host=question.server_name, identity=None)
    granted: list[ssl.SSLSession] = []
    yield ask(way.door, asked, timeout, context=context, sessions=granted)
    present(context, stranger)
    for name in (question.server_name, "") if granted else ():
        # Each resumes the first one's own, not what the one before was granted.
        session = granted[:1]
        resuming = replace(asked, server_name=name, client="untrusted")
        yield ask(door, resuming, timeout, context=context, sessions=session)


def examine(door: Door, inquiry: Inquiry, clients: Clients, timeout: float) -> Examination:
    """Ask as each kind of client over TLS 1.2 and 1.3, all at once, so that ``timeout`` (seconds) bounds the whole.

    A kind without an identity is left out. A stranger who is refused OPTIONS by a status asks again by GET: rules about
    OPTIONS are usual, and say nothing of other requests. Where that is accepted, it is the answer; and always where the
    server has no such method.
    Raises ValueError as `ask` does, and for a malformed name or path.
    """
    identities = {"none": None, "untrusted": clients.untrusted, "trusted": clients.trusted}
    deadline = Deadline(timeout)

    def asked(client: str, version: str, method: str, seconds: float) -> Answer:
        identity = identities[client]
        question = Question(inquiry.server_name, version, client, identity, path=inquiry.path, method=method)
        return ask(door, question, seconds)

    def tried(client: str, versions: tuple[str, ...]) -> Answer:
        # Of the versions, the first that is offered is the last tried.
        for version in versions:
            answer = asked(client, version, inquiry.method, timeout)
            if answer.offered:
                break
        no_method = answer.status in NO_METHOD
        if inquiry.method == "OPTIONS" and client != "trusted" and (answer.is_open or no_method):
            with suppress(socket.timeout):
                again = asked(client, answer.version, "GET", deadline.left())
                if no_method:
                    return again if again.status else answer
                return again if again.result == "accepted" and not again.is_open else answer
        return answer

    attempts = _IN_BRIEF if inquiry.brief else _IN_FULL
    possible = [(client, versions) for client, versions in attempts if client == "none" or identities[client]]
    with ThreadPoolExecutor(len(possible)) as pool:
        return Examination(weigh_statuses(list(pool.map(tried, *zip(*possible)))))


def _authority(door: Door, question: Question) -> str:
    """Return what the request calls the server (RFC 9110, section 7.2)."""
    host = question.host or question.server_name or door.address
    host = f"[{host}]" if ":" in host else host
    return host if door.port == 443 else f"{host}:{door.port}"


def _request(authority: str, question: Question, protocol: str) -> bytes:
    """Return what is sent for a question."""
    call = make_call(question.method, question.path)
    if protocol == ALPN_NAME:
        return make_request(authority, call)
    fields = [("Host", authority), *call.fields, ("Connection", "close")]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{call.method} {call.target} HTTP/1.1\r\n{head}\r\n".encode("ascii") + call.body


def _early(connection: ssl.SSLSocket, patience: float) -> bytes:
    """Return what a server says without having been asked, in this time (seconds). Raises OSError, as for its alert."""
    connection.settimeout(patience)
    try:
        return connection.recv(_LONGEST_LINE)
    except socket.timeout:
        return b""


def _first_line(connection: ssl.SSLSocket, deadline: Deadline, answer: bytes, protocol: str) -> bytes:
    """Return what came up to the answer's first line, or before the connection ended. ``answer``: its beginning."""
    is_http2 = protocol == ALPN_NAME
    longest = _LONGEST_ANSWER if is_http2 else _LONGEST_LINE
    while not (first_line(answer) if is_http2 else b"\n" in answer) and len(answer) < longest:
        connection.settimeout(deadline.left())
        more = connection.recv(_LONGEST_LINE)
        if not more:
            break
        answer += more
    return answer


def _line_of(answer: bytes, protocol: str) -> bytes:
    return first_line(answer) if protocol == ALPN_NAME else answer.split(b"\n", 1)[0]


def _awaits(connection: ssl.SSLSocket, deadline: Deadline, answer: bytes, word: bytes, protocol: str) -> bool:
    """Return whether a word is in an answer, of which ``answer`` came already. What comes late is not waited for."""
    with suppress(OSError):
        while word not in answer and len(answer) < _LONGEST_ANSWER:
            if protocol == ALPN_NAME and is_over(answer):
                break
            connection.settimeout(min(_PATIENCE, deadline.left()))
            more = connection.recv(_LONGEST_LINE)
            if not more:
                break
            answer += more
    return word in answer


def _judge_line(line: bytes) -> Met:
    """Return what the first line of an answer shows."""
    found = _STATUS_LINE.match(line)
    if found:
        status = int(found[1])
        return Met("refused" if status == 403 else "accepted", _printable_line(line), status)
    if line.startswith(b"HTTP/2 "):
        return Met("unproven", _printable_line(line))
    if not line:
        return Met("unproven", ENDED, cut=True)
    return Met("unproven", f"the answer is not HTTP: {_printable_line(line)}")


def _printable_line(line: bytes) -> str:
    """Return at most 80 characters of a peer's line, none of which steers a terminal."""
    text = line.decode("ascii", "replace").strip()[:80]
    return "".join(character if character.isprintable() else "?" for character in text)
