# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of a peer's answer: accepted, refused or unproven, in bounded time."""

from __future__ import annotations

import os
import pickle
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Callable

import pytest
from cryptography.hazmat.primitives import serialization
from demo_material import Authority, Issued, key_pem, new_key
from identities import identity

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    VERSIONS,
    Answer,
    Clients,
    Door,
    Examination,
    Identity,
    Inquiry,
    Question,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask, client_context, examine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "www.example.com"
INQUIRY = Inquiry(NAME)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FORBIDDEN_REPLY = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
Talk = Callable[[socket.socket], None]

CLIENT_CA = Authority("Client CA, with a comma")
SERVER = Authority("Server CA").issue(NAME)
TRUSTED = CLIENT_CA.issue(client=True, common_name="trusted")
STRANGER = Authority("Another CA").issue(client=True, common_name="stranger")


@contextmanager
def listening(talk: Talk, *, host: str = "127.0.0.1") -> Iterator[int]:
    """Listen, and lend the port; each connection is given to `talk` in a thread, and closed when that ends."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.create_server((host, 0), family=family)
    threads = []

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=answer, args=(server.accept()[0],)))
                threads[-1].start()

    listener = threading.Thread(target=serve)
    listener.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (listener, *threads):
            thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the server's and the client CA's files, for those who take files only."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "server.pem").write_bytes(SERVER.full_pem + SERVER.key_pem)
    (folder / "client-ca.pem").write_bytes(CLIENT_CA.pem)
    return folder


def server_context(served: Path, verify: ssl.VerifyMode = ssl.CERT_NONE, version: str | None = None) -> ssl.SSLContext:
    """Return a server's context that asks for a client's certificate as `verify` says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served / "server.pem")
    context.load_verify_locations(served / "client-ca.pem")
    context.verify_mode = verify
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def over_tls(context: ssl.SSLContext, talk: Talk) -> Talk:
    """Return what makes the handshake, then gives the TLS connection to `talk`."""

    def shake_hands(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as channel:
            talk(channel)

    return shake_hands


def replying(reply: bytes) -> Talk:
    """Return what reads the request and sends `reply`."""

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(reply)

    return talk


def asked(
    port: int,
    *,
    address: str = "127.0.0.1",
    timeout: float = 5,
    client: Issued | None = None,
    context: ssl.SSLContext | None = None,
    **options: Any,
) -> Answer:
    """Ask on the loopback address. options: of the question."""
    options = {"server_name": NAME, "version": "TLSv1.3", **options}
    question = Question(client="none", identity=client and identity(client), **options)
    return ask(Door(address, port), question, timeout, context=context)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "421 Misdirected Request", "503", "500 "])
def test_any_status_line_but_403_says_accepted(served: Path, version: str, status: str) -> None:
    reply = f"HTTP/1.1 {status}\r\n\r\n".encode()
    with listening(over_tls(server_context(served, version=version), replying(reply))) as port:
        answer = asked(port, version=version)
    assert (answer.version, answer.result) == (version, "accepted")
    assert answer.detail == f"HTTP/1.1 {status}".strip()


def test_a_403_says_refused(served: Path) -> None:
    with listening(over_tls(server_context(served), replying(b"HTTP/1.1 403 Forbidden\r\n\r\n"))) as port:
        answer = asked(port)
    assert (answer.result, answer.detail, answer.status) == ("refused", "HTTP/1.1 403 Forbidden", 403)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("client", "alert"), [(None, "handshake_failure|certificate_required"), (STRANGER, "unknown_ca"), (TRUSTED, None)]
)
def test_who_is_let_in_and_who_is_refused(served: Path, version: str, client: Issued | None, alert: str | None) -> None:
    with listening(over_tls(server_context(served, ssl.CERT_REQUIRED, version), replying(OK))) as port:
        answer = asked(port, version=version, client=client)
    if alert:
        assert answer.result == "refused"
        assert re.fullmatch(f"alert ({alert})", answer.detail)
    else:
        assert (answer.result, answer.detail) == ("accepted", "HTTP/1.1 200 OK")
    # A handshake that ends in a refusal tells these all the same.
    assert answer.asked is True
    assert answer.certificate_sha256 == SERVER.sha256


def test_a_refusal_is_heard_though_the_server_closes_before_the_request_is_read(served: Path) -> None:
    with listening(over_tls(server_context(served, ssl.CERT_REQUIRED, "TLSv1.3"), replying(OK))) as port:
        answers = {asked(port, client=STRANGER).detail for _time in range(50)}
    assert answers == {"alert unknown_ca"}


def test_a_refusal_is_heard_though_a_reset_overtakes_its_alert(served: Path) -> None:
    context = server_context(served, ssl.CERT_REQUIRED, "TLSv1.3")
    resets: list[bool] = []

    def talk(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        with suppress(ssl.SSLCertVerificationError):
            while True:
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        time.sleep(0.1)
        came = incoming.pending
        with suppress(BlockingIOError):
            came += len(connection.recv(65536, socket.MSG_DONTWAIT))
        resets.append(came > 4000)
        if resets[-1]:  # The request is here, and nobody will read it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.sendall(outgoing.read())

    with listening(talk) as port:
        answer = asked(port, client=STRANGER, path="/" + "x" * 4000)
    assert (answer.result, answer.detail) == ("refused", "alert unknown_ca")
    assert resets == [True, False]


def test_a_server_that_asks_for_no_certificate_is_known_to_name_no_authorities(served: Path) -> None:
    with listening(over_tls(server_context(served), replying(OK))) as port:
        answer = asked(port, client=STRANGER)
    assert (answer.asked, answer.client_ca_names) == (False, ())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bare_end_of_connection_proves_nothing(served: Path, version: str) -> None:
    with listening(over_tls(server_context(served, version=version), lambda channel: None)) as port:
        answer = asked(port, version=version)
    assert answer.result == "unproven"
    assert answer.detail in ("connection ended without an answer", "connection reset")
    assert answer.certificate_sha256 == SERVER.sha256


def test_an_end_of_connection_in_the_handshake_proves_nothing() -> None:
    with listening(lambda connection: connection.recv(4096) and None) as port:
        answer = asked(port)
    assert (answer.result, answer.detail) == ("unproven", "connection ended without an answer")


def test_a_reset_proves_nothing() -> None:
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with listening(reset) as port:
        answer = asked(port)
    assert (answer.result, answer.detail) == ("unproven", "connection reset")


def test_an_answer_that_is_not_http_proves_nothing_and_does_not_steer_a_terminal(served: Path) -> None:
    with listening(over_tls(server_context(served), replying(b"\x1b[2J no HTTP/1.1 200 OK\r\n"))) as port:
        answer = asked(port)
    assert (answer.result, answer.detail) == ("unproven", "the answer is not HTTP: ?[2J no HTTP/1.1 200 OK")


def test_a_plain_http_port_proves_nothing() -> None:
    with listening(replying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        answer = asked(port)
    assert (answer.result, answer.detail) == ("unproven", "the answer is not TLS")


def test_a_closed_port_proves_nothing() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        answer = asked(holder.getsockname()[1])
    assert (answer.result, answer.detail) == ("unproven", "connection refused")


def test_an_alert_before_any_certificate_was_asked_for_proves_nothing(served: Path) -> None:
    context = server_context(served, ssl.CERT_REQUIRED)
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    with listening(over_tls(context, replying(OK))) as port:
        answer = asked(port)
    assert answer.result == "unproven"
    assert answer.detail == "alert unrecognized_name, before any certificate was asked for"
    assert answer.offered


@pytest.mark.parametrize(("spoken", "tried"), [("TLSv1.2", "TLSv1.3"), ("TLSv1.3", "TLSv1.2")])
def test_a_version_that_is_not_offered_is_unproven_and_said_to_be_so(served: Path, spoken: str, tried: str) -> None:
    with listening(over_tls(server_context(served, ssl.CERT_REQUIRED, spoken), replying(OK))) as port:
        answer = asked(port, version=tried)
    assert (answer.result, answer.detail, answer.offered) == ("unproven", "protocol not offered", False)


def test_a_version_without_ciphers_in_common_counts_as_not_offered(served: Path) -> None:
    context = server_context(served, ssl.CERT_REQUIRED, "TLSv1.2")
    context.set_ciphers("aNULL:@SECLEVEL=0")
    with listening(over_tls(context, replying(OK))) as port:
        answer = asked(port, version="TLSv1.2")
    assert (answer.result, answer.offered) == ("unproven", False)
    assert answer.detail.endswith("(alert handshake_failure)")


def trickle(connection: socket.socket) -> None:
    """Send a long record, or a long status line, byte by byte."""
    for octet in b"\x16\x03\x03\x40\x00" + bytes(1000) if not isinstance(connection, ssl.SSLSocket) else b"H" * 1000:
        connection.sendall(bytes([octet]))
        time.sleep(0.02)


def hold(connection: socket.socket) -> None:
    """Say nothing until the other side ends."""
    while connection.recv(4096):
        pass


@pytest.mark.parametrize("talk", [hold, trickle])
@pytest.mark.parametrize("after_handshake", [False, True])
def test_a_peer_that_is_silent_or_trickles_does_not_prolong_it(served: Path, talk: Talk, after_handshake: bool) -> None:
    with listening(over_tls(server_context(served), talk) if after_handshake else talk) as port:
        begun = time.monotonic()
        answer = asked(port, timeout=0.4)
        took = time.monotonic() - begun
    assert (answer.result, answer.detail) == ("unproven", "no answer within 0.4 s")
    assert 0.3 < took < 0.8


def test_an_examination_of_a_silent_peer_takes_no_longer_than_one_question() -> None:
    with listening(hold) as port:
        begun = time.monotonic()
        found = examine(Door("127.0.0.1", port), INQUIRY, Clients(identity(STRANGER), identity(TRUSTED)), timeout=0.4)
        took = time.monotonic() - begun
    assert len(found.answers) == 6
    assert found.mutual_tls == "unproven"
    assert took < 0.8


def test_a_name_that_does_not_resolve_proves_nothing() -> None:
    answer = asked(443, address="nothing.invalid", timeout=5)
    assert answer.result == "unproven"
    assert answer.detail in ("name does not resolve", "no answer within 5 s")


def listening_at(address: str, talk: Talk) -> AbstractContextManager[int]:
    """Listen where `address` leads to; skip the test where there is no IPv6."""
    if ":" in address:
        try:
            socket.create_server((address, 0), family=socket.AF_INET6).close()
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
    return listening(talk, host=address if ":" in address else "127.0.0.1")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_addresses_of_both_families_and_names_are_reached(served: Path, address: str) -> None:
    with listening_at(address, over_tls(server_context(served), replying(OK))) as port:
        assert asked(port, address=address).result == "accepted"


@pytest.mark.parametrize(
    ("address", "name", "sni", "host"),
    [
        ("127.0.0.1", NAME, NAME, NAME),
        ("127.0.0.1", "", None, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", None, "127.0.0.1"),
        ("localhost", "", None, "localhost"),
        ("::1", "", None, "[::1]"),
    ],
)
def test_the_servers_name_goes_as_sni_and_as_host(
    served: Path, address: str, name: str, sni: str | None, host: str
) -> None:
    heard: list[Any] = []
    context = server_context(served)
    context.sni_callback = lambda _connection, server_name, _context: heard.append(server_name)

    def talk(connection: socket.socket) -> None:
        heard.append(connection.recv(4096).decode())
        connection.sendall(OK)

    with listening_at(address, over_tls(context, talk)) as port:
        asked(port, address=address, server_name=name)
    lines = heard[1].split("\r\n")
    assert heard[0] == sni
    assert lines[0] == "OPTIONS / HTTP/1.1"
    assert set(filter(None, lines[1:])) == {
        f"Host: {host}:{port}",
        "User-Agent: mtls.httpd",
        "Max-Forwards: 0",
        "Connection: close",
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("sent", "result", "detail"),
    [
        ("00000c 01 05 00000001 20 0803343033 0f0d03323339", "refused", "HTTP/2 403"),
        ("000002 01 05 00000001 20 88", "accepted", "HTTP/2 200"),
        ("000004 03 00 00000001 0000000d", "unproven", "HTTP/2 stream ended by error 13"),
        ("000000 04 00 00000000", "unproven", "connection ended without an answer"),
    ],
)
def test_a_server_that_chooses_http2_is_asked_in_it(
    served: Path, version: str, sent: str, result: str, detail: str
) -> None:
    heard = []
    context = server_context(served)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def talk(connection: socket.socket) -> None:
        heard.append(connection.recv(4096))
        connection.sendall(bytes.fromhex("000000 04 00 00000000" + sent))

    with listening(over_tls(context, talk)) as port:
        answer = asked(port, version=version, http2=True, path="/hook")
    assert heard[0].startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"/hook" in heard[0]
    assert (answer.protocol, answer.result, answer.detail) == ("h2", result, detail)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chosen", ["http/1.1", ""])
def test_a_server_that_does_not_choose_http2_is_asked_in_the_other(served: Path, version: str, chosen: str) -> None:
    context = server_context(served)
    if chosen:
        context.set_alpn_protocols([chosen])
    with listening(over_tls(context, replying(OK))) as port:
        answer = asked(port, version=version, http2=True)
    assert (answer.protocol, answer.result) == (chosen, "accepted")


def test_http2_is_offered_by_a_question_that_says_so_or_a_context_made_beforehand(served: Path) -> None:
    context = server_context(served)
    context.set_alpn_protocols(["h2", "http/1.1"])
    made = client_context(None, "TLSv1.3", http2=True)
    with listening(over_tls(context, replying(OK))) as port:
        chosen = [asked(port, **offer).protocol for offer in ({}, {"http2": True}, {"context": made})]
    assert chosen == ["", "h2", "h2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_server_chooses_is_known_where_it_refuses_the_client(served: Path, version: str) -> None:
    context = server_context(served, ssl.CERT_REQUIRED)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with listening(over_tls(context, replying(OK))) as port:
        answer = asked(port, version=version, http2=True)
    assert (answer.protocol, answer.result) == ("h2", "refused")


@pytest.mark.parametrize("name", ["", "www.example.com", "127.0.0.1", "::1"])
@pytest.mark.parametrize("path", ["/", "/hook", "/a/b_c/", "/a//b;c?d=e%20f"])
def test_a_question_holds_what_is_sent_as_it_is(name: str, path: str) -> None:
    question = Question(name, "TLSv1.3", "none", path=path)
    assert (question.server_name, question.path) == (name, path)


def test_neither_a_server_name_nor_a_path_can_smuggle_a_header() -> None:
    with pytest.raises(ValueError, match="server_name"):
        Question("a\r\nX: y", "TLSv1.3", "none")
    with pytest.raises(ValueError, match="path"):
        Question(NAME, "TLSv1.3", "none", path="/ HTTP/1.1\r\nX: y")
    for path in ("", "a", "/a b", "/a#b", "/\u00e9", "/a\n", "/" * 8001, "/\x7f"):
        with pytest.raises(ValueError, match="path"):
            Question(NAME, "TLSv1.3", "none", path=path)


def test_a_weak_client_is_for_the_server_to_judge(served: Path) -> None:
    weak = CLIENT_CA.issue(client=True, common_name="weak", key_type="rsa1024")
    with listening(over_tls(server_context(served, ssl.CERT_REQUIRED), replying(OK))) as port:
        answer = asked(port, client=weak)
    assert answer.asked
    assert answer.result == "refused"


def test_a_client_that_was_not_presented_was_not_judged(served: Path) -> None:
    options = {"-cert": served / "server.pem", "-CAfile": served / "client-ca.pem", "-client_sigalgs": "RSA+SHA256"}
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-Verify", "1", *sum(options.items(), ())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as server:
        try:
            assert server.stdout
            port = next(int(line.rsplit(b":", 1)[1]) for line in server.stdout if line.startswith(b"ACCEPT"))
            answer = asked(port, version="TLSv1.2", client=TRUSTED)
        finally:
            server.terminate()
    assert answer.result == "unproven"
    assert answer.detail.startswith("the client's certificate fits no algorithm that the server takes")
    assert answer.client_ca_names == (r"CN=Client CA\, with a comma",)


def test_the_key_of_an_identity_is_not_shown() -> None:
    assert repr(identity(TRUSTED)) == "Identity()"


def test_a_key_that_does_not_fit_is_an_error_that_shows_neither() -> None:
    with pytest.raises(ValueError, match="do not load") as caught:
        client_context(Identity(TRUSTED.full_pem, STRANGER.key_pem), "TLSv1.3")
    assert "BEGIN" not in str(caught.value)
    assert caught.value.__cause__ is None


LOADING = """
import sys
sys.path[:] = {path!r}
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import client_context
client_context(Identity({certificate!r}, {key!r}), "TLSv1.3")
"""


def test_an_encrypted_key_is_an_error_and_not_a_question_at_the_terminal(tmp_path: Path) -> None:
    key = key_pem(TRUSTED.key, b"secret")
    (tmp_path / "loading.py").write_text(LOADING.format(path=sys.path, certificate=TRUSTED.full_pem, key=key))
    command = [sys.executable, str(tmp_path / "loading.py")]
    at_terminal = [sys.executable, "-c", f"import pty; pty.spawn({command!r})"]
    plain = {**os.environ, "PYTHON_COLORS": "0"}
    with subprocess.Popen(at_terminal, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=plain) as process:
        try:
            said, _errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert b"ValueError: client certificate and key do not load" in said
    assert b"pass phrase" not in said


def test_an_identity_too_large_for_memory_is_an_error() -> None:
    with pytest.raises(ValueError, match="larger than 64 KiB"):
        client_context(Identity(TRUSTED.full_pem * 1000, TRUSTED.key_pem), "TLSv1.3")


def test_a_long_chain_and_a_large_key_load() -> None:
    key = new_key("rsa4096")
    client = CLIENT_CA.issue(client=True, common_name="large", key=key)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    assert client_context(Identity(client.full_pem + CLIENT_CA.pem * 10, text), "TLSv1.2")


def test_no_file_descriptor_stays_open_after_a_key_was_loaded() -> None:
    before = os.listdir("/dev/fd")
    client_context(identity(TRUSTED), "TLSv1.3")
    assert os.listdir("/dev/fd") == before


def test_what_the_ssl_module_hides_is_unknown_and_the_answer_stands(served: Path) -> None:
    class Mute(ssl.SSLContext):
        @property
        def _msg_callback(self) -> None:
            raise AttributeError

    context = Mute(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with listening(over_tls(server_context(served, ssl.CERT_REQUIRED), replying(OK))) as port:
        answer = asked(port, context=context)
    assert (answer.result, answer.detail) == ("refused", "alert certificate_required")
    assert (answer.asked, answer.client_ca_names) == (None, None)
    assert answer.certificate_sha256 == SERVER.sha256


INSIDE = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask, client_context
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Question
identity, port = pickle.load(sys.stdin.buffer)
context = client_context(identity, "TLSv1.3")
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if hide_proc:
    assert libc.mount(None, b"/", None, 0x44000, None) == 0  # MS_REC | MS_PRIVATE
    assert libc.mount(b"tmpfs", b"/proc", b"tmpfs", 0, None) == 0
    given = {"context": context}
else:
    given = {}
print(ask(Door("127.0.0.1", port), Question("", "TLSv1.3", "trusted", identity), 5, **given).result)
"""


@pytest.mark.parametrize("hide_proc", [False, True])
def test_a_key_is_at_hand_in_namespaces_of_their_own(served: Path, hide_proc: bool) -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("the kernel allows no user namespaces here")
    with listening(over_tls(server_context(served, ssl.CERT_REQUIRED), replying(OK))) as port:
        done = subprocess.run(
            [*unshare, sys.executable, "-c", INSIDE.replace("hide_proc", str(hide_proc))],
            input=pickle.dumps(sys.path) + pickle.dumps((identity(TRUSTED), port)),
            stdout=subprocess.PIPE,
            check=True,
        )
    assert done.stdout == b"accepted\n"


REFUSED = ("refused", "alert unknown_ca", True)
FORBIDDEN = ("refused", "HTTP/1.1 403 Forbidden", True)
FORBIDDEN_UNASKED = ("refused", "HTTP/1.1 403 Forbidden", False)
ACCEPTED = ("accepted", "HTTP/1.1 200 OK", True)
ACCEPTED_UNASKED = ("accepted", "HTTP/1.1 200 OK", False)
SILENT = ("unproven", "no answer within 5 s", None)
NOT_OFFERED = ("unproven", "protocol not offered", None)


@pytest.mark.parametrize(
    ("mutual_tls", "answers"),
    [
        # none and untrusted over TLS 1.2, then over TLS 1.3
        ("enforced", (REFUSED, REFUSED, REFUSED, REFUSED)),
        ("enforced", (NOT_OFFERED, NOT_OFFERED, REFUSED, REFUSED)),
        ("enforced", (FORBIDDEN, REFUSED, FORBIDDEN, REFUSED)),
        ("optional", (ACCEPTED, REFUSED, ACCEPTED, REFUSED)),
        ("optional", (ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED)),
        ("optional", (REFUSED, REFUSED, ACCEPTED_UNASKED, ACCEPTED_UNASKED)),
        ("optional", (REFUSED, ACCEPTED, REFUSED, ACCEPTED)),
        ("optional", (SILENT, SILENT, ACCEPTED, REFUSED)),
        ("off", (ACCEPTED_UNASKED, ACCEPTED_UNASKED, NOT_OFFERED, NOT_OFFERED)),
        ("unproven", (REFUSED, REFUSED, SILENT, SILENT)),
        ("unproven", (REFUSED, SILENT, REFUSED, REFUSED)),
        ("unproven", (NOT_OFFERED, NOT_OFFERED, NOT_OFFERED, NOT_OFFERED)),
        ("unproven", (FORBIDDEN_UNASKED, FORBIDDEN_UNASKED, FORBIDDEN_UNASKED, FORBIDDEN_UNASKED)),
    ],
)
def test_what_the_answers_to_strangers_add_up_to(mutual_tls: str, answers: tuple[Any, ...]) -> None:
    kinds = [(version, client) for version in VERSIONS for client in ("none", "untrusted")]
    found = Examination(
        tuple(
            Answer(version, client, *met[:2], asked=met[2], offered=met is not NOT_OFFERED)
            for (version, client), met in zip(kinds, answers)
        )
    )
    assert found.mutual_tls == mutual_tls


def test_that_the_trusted_client_is_refused_takes_nothing_from_what_strangers_meet() -> None:
    kinds = [("none", REFUSED), ("untrusted", REFUSED), ("trusted", REFUSED)]
    answers = [Answer("TLSv1.3", client, result, detail, asked=asked) for client, (result, detail, asked) in kinds]
    assert Examination(tuple(answers)).mutual_tls == "enforced"


def test_without_an_untrusted_client_nothing_is_enforced_for_certain(served: Path) -> None:
    with listening(over_tls(server_context(served, ssl.CERT_REQUIRED), replying(OK))) as port:
        found = examine(Door("127.0.0.1", port), INQUIRY, Clients(), timeout=5)
    assert {answer.result for answer in found.answers} == {"refused"}
    assert found.mutual_tls == "unproven"


@pytest.mark.parametrize(
    ("only", "versions"),
    [(None, ["TLSv1.2", "TLSv1.3"]), ("TLSv1.2", ["TLSv1.2", "TLSv1.2"]), ("TLSv1.3", ["TLSv1.3", "TLSv1.3"])],
)
def test_a_brief_examination_asks_as_each_kind_once_over_a_version_that_is_offered(
    served: Path, only: str | None, versions: list[str]
) -> None:
    context = server_context(served, ssl.CERT_REQUIRED, version=only)
    with listening(over_tls(context, replying(OK))) as port:
        found = examine(Door("127.0.0.1", port), Inquiry(NAME, brief=True), Clients(identity(STRANGER)), 5)
    assert [(answer.client, answer.version) for answer in found.answers] == list(zip(("none", "untrusted"), versions))
    assert found.mutual_tls == "enforced"


def deciding(by_method: dict[bytes, bytes]) -> Talk:
    """Return what replies by the method that it is asked by."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(by_method[connection.recv(4096).split(b" ")[0]])

    return talk


@pytest.mark.parametrize(
    ("by_get", "method", "status"), [(OK, "GET", 200), (FORBIDDEN_REPLY, "OPTIONS", 403)], ids=["open", "closed"]
)
def test_a_stranger_who_is_refused_options_by_a_status_tries_get(
    served: Path, by_get: bytes, method: str, status: int
) -> None:
    replies = {b"OPTIONS": FORBIDDEN_REPLY, b"GET": by_get}
    with listening(over_tls(server_context(served, ssl.CERT_OPTIONAL), deciding(replies))) as port:
        found = examine(Door("127.0.0.1", port), Inquiry(NAME, "OPTIONS"), Clients(trusted=identity(TRUSTED)), 5)
    nobody = {(answer.method, answer.status) for answer in found.answers if answer.client == "none"}
    assert nobody == {(method, status)}
    assert {answer.method for answer in found.answers if answer.client == "trusted"} == {"OPTIONS"}


def test_connections_that_share_a_context_keep_their_transcripts_apart(served: Path) -> None:
    strict = over_tls(server_context(served, ssl.CERT_REQUIRED, "TLSv1.3"), replying(OK))
    lax = over_tls(server_context(served, version="TLSv1.3"), replying(OK))
    with listening(strict) as asking, listening(lax) as not_asking, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda port: asked(port).asked, [asking, not_asking] * 20))
    assert answers == [True, False] * 20
