# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands behind a site: real backends over HTTP, HTTPS and a Unix socket, and what they learn of the client."""

from __future__ import annotations

import base64
import itertools
import os
import re
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from backend import Backend, get, send
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from demo_material import Authority, Issued, write
from host import DOMAIN, VERSIONS, Host, until

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import client_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import LocalOperator

NAMES = {
    "subject": "X-Client-Subject",
    "serial": "X-Client-Serial",
    "verification": "X-Client-Verify",
    "certificate": "X-Client-Certificate",
    "client_cert": True,
}


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend("behind").serving() as backend:
        yield backend


@pytest.fixture
def client(chat: Authority) -> Issued:
    return chat.issue(client=True, common_name='Chat "of" Zoë, Inc.')


def spellings(name: str) -> list[str]:
    """Return a header's name in both cases and each mixture of hyphens and underscores."""
    words = name.split("-")
    mixed = [
        "".join(part for pair in zip(words, (*marks, ""), strict=True) for part in pair)
        for marks in itertools.product("-_", repeat=len(words) - 1)
    ]
    return [spelling for each in mixed for spelling in (each, each.upper(), each.lower())]


def test_neither_the_rehearsal_nor_a_probe_calls_the_backend(host: Host, backend: Backend, client: Issued) -> None:
    wish = host.wish(proxy_pass=f"http://127.0.0.1:{backend.port}/")
    host.apply(wish)
    host.apply(wish)
    assert host.enforces()
    assert backend.asked == []
    assert get(host.port, DOMAIN, "/callback", client)[0] == 200
    assert [head.partition(" HTTP/")[0] for head in backend.asked] == ["GET /callback"]


def test_the_backend_learns_who_the_client_is_and_no_client_can_tell_it_otherwise(
    host: Host, backend: Backend, client: Issued
) -> None:
    url = f"http://127.0.0.1:{backend.port}/"
    host.apply(host.wish(proxy_pass=url, forwarded=NAMES, open_paths=("/healthz",)))
    assert backend.asked == []
    der = client.certificate.public_bytes(Encoding.DER)
    forged = [*[str(name) for name in NAMES.values() if name is not True], "Client-Cert", "Client-Cert-Chain"]
    headers = [f"{spelling}: forged" for name in forged for spelling in spellings(name)]
    headers.append(f"Connection: close, {', '.join(forged)}")
    for version in VERSIONS:
        assert get(host.port, DOMAIN, "/callback", client, *headers, version=version)[0] == 200
        known = {name: value for name, value in backend.headers() if "client" in name.lower()}
        assert known == {
            "X-Client-Subject": 'CN=Chat \\"of\\" Zoë\\, Inc.'.encode().decode("latin-1"),
            "X-Client-Serial": client.serial,
            "X-Client-Verify": "SUCCESS",
            "X-Client-Certificate": base64.b64encode(der).decode(),
            "Client-Cert": f":{base64.b64encode(der).decode()}:",
        }
        assert x509.load_der_x509_certificate(base64.b64decode(known["Client-Cert"].strip(":"))) == client.certificate
        assert get(host.port, DOMAIN, "/healthz", None, *headers, version=version)[0] == 200
        assert "forged" not in backend.asked[-1].replace(headers[-1], "")
        known = {name: value for name, value in backend.headers() if "client" in name.lower()}
        assert known == {"X-Client-Verify": "NONE"}
    trailers = "POST /callback HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client-Subject\r\n"
    body = "Connection: close\r\n\r\n1\r\nx\r\n0\r\nX-Client-Subject: forged\r\n\r\n"
    assert send(host.port, DOMAIN, (trailers.format(DOMAIN) + body).encode(), client)[0] == 200
    assert "forged" not in backend.asked[-1] + backend.bodies[-1].decode()


def test_no_client_can_tell_it_otherwise_on_paths_that_are_open_in_an_upgrade_or_over_http2(
    host: Host, client: Issued, tmp_path: Path
) -> None:
    write(tmp_path, "client.crt", client.full_pem)
    write(tmp_path, "client.key", client.key_pem)
    shown_by = ["--cert", f"{tmp_path}/client.crt", "--key", f"{tmp_path}/client.key"]
    host.add("Timeout 1\n")
    host.restart()
    sent = [f"{spelling}: forged" for name in ("X-Client-Subject", "Client-Cert") for spelling in spellings(name)]

    def told(backend: Backend) -> dict[str, str]:
        assert "forged" not in backend.asked[-1]
        return {name: value for name, value in backend.headers() if name in ("X-Client-Subject", "X-Client-Verify")}

    good = {"X-Client-Subject": 'CN=Chat \\"of\\" Zoë\\, Inc.'.encode().decode("latin-1"), "X-Client-Verify": "SUCCESS"}
    with Backend("open").serving() as own, Backend("guarded", echo=True).serving() as guarded:
        urls = [f"http://127.0.0.1:{each.port}/" for each in (own, guarded)]
        options = {"forwarded": NAMES, "proxy_websocket": True, "proxy_timeout": 1, "http2": True}
        host.apply(host.wish(proxy_pass=urls[0], protected={"/callback": urls[1]}, **options))
        assert get(host.port, DOMAIN, "/Callback", None, *sent)[0] == 200
        assert told(own) == {"X-Client-Verify": "NONE"}
        upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
        head = "\r\n".join(["GET /callback HTTP/1.1", f"Host: {DOMAIN}", *sent, *upgrade, "", "hello"])
        assert send(host.port, DOMAIN, head.encode(), client)[0] == 101
        assert told(guarded) == good
        named = [word for line in (*sent, f"Host: {DOMAIN}") for word in ("-H", line)]
        shown = ["-o", os.devnull, "-w", "%{http_version} %{http_code}"]
        for path, who, backend, known in (
            ("/", [], own, {"X-Client-Verify": "NONE"}),
            ("/callback", shown_by, guarded, good),
        ):
            to = f"{DOMAIN}:{host.port}:127.0.0.1:{host.port}"
            command = ["curl", "-sk", "--http2", "--connect-to", to, *who, *named, *shown]
            said = subprocess.check_output([*command, f"https://{DOMAIN}:{host.port}{path}"], text=True)
            assert said == "2 200"
            assert told(backend) == known


def test_without_a_wish_the_backend_is_told_nothing(host: Host, backend: Backend, client: Issued) -> None:
    host.apply(host.wish(proxy_pass=f"http://127.0.0.1:{backend.port}/"))
    assert get(host.port, DOMAIN, "/x?Sign=1&RequestTime=2", client)[0] == 200
    assert backend.paths == ["/x?Sign=1&RequestTime=2"]
    assert not [name for name, _value in backend.headers() if "client" in name.lower() or "ssl" in name.lower()]


def test_where_anybody_gets_in_the_backend_learns_that_nothing_was_verified(host: Host, backend: Backend) -> None:
    url = f"http://127.0.0.1:{backend.port}/"
    host.apply(host.wish(proxy_pass=url, forwarded=NAMES, verify_client="optional_no_ca"))
    stranger = Authority("Another CA").issue(client=True, common_name="Chat")
    assert get(host.port, DOMAIN, "/", stranger)[0] == 200
    known = dict(backend.headers())
    assert known["X-Client-Subject"] == "CN=Chat"
    assert known["X-Client-Verify"].startswith("FAILED:")


@pytest.mark.parametrize("version", VERSIONS)
def test_so_it_learns_of_a_resumed_session(host: Host, backend: Backend, version: str) -> None:
    url = f"http://127.0.0.1:{backend.port}/"
    host.apply(host.wish(proxy_pass=url, forwarded=NAMES, verify_client="optional_no_ca"))
    stranger = Authority("Another CA").issue(client=True, common_name="Chat")
    context = client_context(answers.Identity(stranger.full_pem, stranger.key_pem), version)
    session = None
    for resumed in (False, True):
        with (
            socket.create_connection(("127.0.0.1", host.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=DOMAIN, session=session) as channel,
        ):
            channel.sendall(f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
            assert channel.recv(12) == b"HTTP/1.1 200"
            assert channel.session_reused == resumed
            session = channel.session
        assert dict(backend.headers())["X-Client-Verify"] != "SUCCESS"
    log = host.httpd.root / "logs" / f"{DOMAIN}-access.log"
    assert until(lambda: re.search(r" Initial \"CN=Another CA\" .*\n.* Resumed \"", log.read_text()))


@pytest.mark.parametrize("ca", ["its own", "another", "ended"])
def test_a_backend_over_https_must_show_a_certificate_of_its_ca(
    host: Host, client: Issued, tmp_path: Path, ca: str
) -> None:
    trusted = ca == "its own"
    end = datetime.now(timezone.utc) + timedelta(days=-1 if ca == "ended" else 9)
    root = Authority("Backend root", not_after=end)
    issued = Authority("Backend CA", issuer=root).issue("localhost")
    write(tmp_path, "b.pem", issued.full_pem + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "b.pem")
    with Backend("behind", tls=context).serving() as backend:
        authority = Authority("Backend root") if ca == "another" else root
        urls = {name: f"https://{name}:{backend.port}/" for name in ("localhost", "127.0.0.1")}
        host.apply(host.wish(proxy_pass=urls["localhost"], proxy_ca=authority.pem))
        assert get(host.port, DOMAIN, "/x", client)[0] == (200 if trusted else 500)
        assert backend.paths == (["/x"] if trusted else [])
        if trusted:
            host.apply(host.wish(proxy_pass=urls["127.0.0.1"], proxy_ca=authority.pem))
            assert get(host.port, DOMAIN, "/x", client)[0] in (500, 502)
            assert backend.paths == ["/x"]


def test_a_backend_on_a_unix_socket_is_reached_and_not_by_the_rehearsal(
    host: Host, client: Issued, short_path: Path
) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(short_path / "app.sock"))
    listener.listen()
    (short_path / "app.sock").chmod(0o777)
    with Backend("behind", listener).serving() as backend:
        host.apply(host.wish(proxy_pass=f"unix:{short_path}/app.sock|http://localhost/"))
        assert backend.asked == []
        assert get(host.port, DOMAIN, "/callback?x", client)[0] == 200
        assert backend.paths == ["/callback?x"]


def test_a_websocket_is_passed_on_where_that_is_wished_and_not_from_open_paths(host: Host, client: Issued) -> None:
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
    other = host.chat.issue(client=True, common_name="Another customer")
    host.add("Timeout 1\n")
    host.restart()
    with Backend("behind", echo=True).serving() as backend:
        options = {"proxy_pass": f"http://127.0.0.1:{backend.port}/", "open_paths": ("/healthz",), "proxy_timeout": 1}
        for wished, refused in ((True, 403), (False, 200)):
            host.apply(
                host.wish(proxy_websocket=wished, allowed=[{"certificate_content": client.pem.decode()}], **options)
            )
            for path in ("/chat", "/healthz"):
                head = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {DOMAIN}", *upgrade, "", "hello"])
                status, rest = send(host.port, DOMAIN, head.encode(), client)
                assert (status, rest.endswith("hello")) == ((101, True) if wished else (200, False))
            for each in (other, None):
                assert send(host.port, DOMAIN, head.encode(), each)[0] == refused
                assert get(host.port, DOMAIN, "/healthz", each)[0] == 200
                assert not [name for name, _value in backend.headers() if name.lower() == "upgrade"]


@pytest.mark.parametrize(("server", "proxy"), [(1, 3), (3, 1)])
def test_silence_on_a_websocket_is_borne_for_the_longer_time(
    host: Host, client: Issued, server: int, proxy: int
) -> None:
    host.add(f"Timeout {server}\n")
    host.restart()
    head = f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    with Backend("behind", echo=True).serving() as backend:
        url = f"http://127.0.0.1:{backend.port}/"
        host.apply(host.wish(proxy_pass=url, proxy_websocket=True, proxy_timeout=proxy))
        begun = time.monotonic()
        assert send(host.port, DOMAIN, head.encode(), client)[0] == 101
        assert 2.9 < time.monotonic() - begun < 8


def test_a_slow_backend_is_given_up_and_a_dead_one_is_asked_again_at_once(host: Host, client: Issued) -> None:
    with Backend("behind", delay=3).serving() as backend:
        host.apply(host.wish(proxy_pass=f"http://127.0.0.1:{backend.port}/", proxy_timeout=1))
        assert get(host.port, DOMAIN, "/x", client)[0] in (502, 504)
        port = backend.port
    # Each of httpd's children has to learn by itself that it is dead, or is not.
    assert {get(host.port, DOMAIN, "/x", client)[0] for _number in range(20)} == {503}
    listener = socket.create_server(("127.0.0.1", port))
    with Backend("behind", listener).serving():
        assert {get(host.port, DOMAIN, "/x", client)[0] for _number in range(20)} == {200}


def test_a_backend_that_takes_no_connection_is_given_up(host: Host, client: Issued) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _number in range(3):  # More than wait for accept(): the kernel answers nobody else.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        host.apply(host.wish(proxy_pass=f"http://127.0.0.1:{listener.getsockname()[1]}/", proxy_timeout=1))
        begun = time.monotonic()
        assert get(host.port, DOMAIN, "/x", client)[0] == 503
        assert 0.9 < time.monotonic() - begun < 5


@pytest.mark.parametrize("kind", ["http", "https", "unix", "files"])
def test_a_body_beyond_the_limit_gets_413_where_its_length_is_stated_or_files_are_served(
    host: Host, client: Issued, kind: str, tmp_path: Path, short_path: Path
) -> None:
    root = Authority("Backend root")
    issued = root.issue("localhost")
    write(tmp_path, "b.pem", issued.full_pem + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "b.pem")
    listener = socket.socket(socket.AF_UNIX) if kind == "unix" else socket.create_server(("127.0.0.1", 0))
    if kind == "unix":
        listener.bind(str(short_path / "app.sock"))
        listener.listen()
        (short_path / "app.sock").chmod(0o777)
    url = f"unix:{short_path}/app.sock|http://localhost/"
    if kind != "unix":
        url = f"{kind}://localhost:{listener.getsockname()[1]}/"
    behind = {"proxy_pass": url} | ({"proxy_ca": root.pem} if kind == "https" else {})
    with Backend("behind", listener, tls=context if kind == "https" else None).serving():
        host.apply(host.wish(request_body_limit=10, **(behind if kind != "files" else {})))
        head = f"POST / HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n"
        stated, chunked = (
            [
                send(host.port, DOMAIN, request.encode(), client)[0] == 413
                for size in (10, 11)
                for request in [f"{head}{header.format(size)}\r\n\r\n{body.format(size, 'x' * size)}"]
            ]
            for header, body in (
                ("Content-Length: {}", "{1}"),
                ("Transfer-Encoding: chunked", "{:x}\r\n{}\r\n0\r\n\r\n"),
            )
        )
    # httpd's own limit leaves out what is proxied (modules/http/http_filters.c: proxyreq). The docs say so.
    assert (stated, chunked) == ([False, True], [False, kind == "files"])


def test_the_role_takes_a_backend_with_its_ca_and_the_names_of_headers(operator: LocalOperator, tmp_path: Path) -> None:
    root = Authority("Backend root")
    issued = root.issue("localhost")
    write(tmp_path, "b.pem", issued.full_pem + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "b.pem")
    with Backend("behind", tls=context).serving() as backend:
        options = {
            "document_root": None,
            "proxy_pass": f"https://localhost:{backend.port}/",
            "proxy_ca_content": [root.pem.decode()],
            "forward_client_identity": {"subject": "X-Client-Subject", "client_cert": True},
        }
        operator.deploy(mutual_tls_sites=[operator.site | options])
        assert backend.asked == []
        assert get(operator.port, operator.material.domain, "/x", operator.material.client)[0] == 200
        known = dict(backend.headers())
        assert (known["X-Client-Subject"], known["Client-Cert"][:3]) == ("CN=Chat", ":MI")
    ended = Authority("Backend root", not_after=datetime.now(timezone.utc) - timedelta(days=1)).pem.decode()
    both = {"proxy_ca_content": [root.pem.decode(), ended]}
    run = operator.deploy("--tags", "judge", mutual_tls_sites=[operator.site | options | both])
    assert "'Backend root' ended at" in " ".join(run.output.split())
    for wrong, words in (
        ({"proxy_ca_content": None}, "'proxy_ca' is missing"),
        ({"proxy_ca_content": [ended]}, "ERROR expired, proxy_ca_content: 'Backend root' ended at"),
        ({"forward_client_identity": {"subject": "s3cret: x"}}, "'forward_client_identity.subject' is no name"),
        ({"forward_client_identity": {"subject": "X_Forwarded_For"}}, "is a header with another meaning"),
        ({"forward_client_identity": {"subject": "a-b", "serial": "A_B"}}, "gives two things one name"),
        ({"forward_client_identity": {}}, "forwards nothing"),
        ({"proxy_timeout": 0}, "'proxy_timeout' is not between"),
    ):
        run = operator.refused(mutual_tls_sites=[operator.site | options | wrong])
        assert words in " ".join(run.output.split())
        assert "s3cret" not in run.output
