# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options together: each two values of any two options meet in a site, and every kind of client tries it.

What is to happen is worked out here from the wish alone. The sites replace each other on one server.
"""

from __future__ import annotations

import itertools
import random
import socket
import ssl
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backend import Backend, get, send
from demo_material import CHAT_CA_NAME, Authority, Issued, new_key, write
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, VERSIONS, until
from playing import sending

from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction import report

ALIAS = "api.example.com"
HEALTH, CALLBACK, PAGE = "/healthz", "/callback", "/page"
LIMIT = 1000
PREFACE = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n"

FACTORS: dict[str, list[Any]] = {
    "behind": ["nothing", "files", "http", "https", "unix"],
    "clients": [None, "subject", "san", "certificate"],
    "where": ["everything", "but open paths", "protected paths alone"],
    "verify": ["require", "optional", "optional_no_ca"],
    "crl": [None, "leaf", "chain"],
    "tls": ["intermediate", "modern", "TLSv1.2"],
    "key": ["ec", "rsa"],
    "told": [False, True],
    "proxied": [False, True],
    "websocket": [False, True],
    "http2": [False, True],
    "hsts": [0, 63072000],
    "limit": [None, LIMIT],
    "alias": [False, True],
    "logs": [True, False],
}


@dataclass(frozen=True)
class Case:
    """A wish for a site, as the operator's choices."""

    behind: str
    clients: str | None
    where: str
    verify: str
    crl: str | None
    tls: str
    key: str
    told: bool
    proxied: bool
    websocket: bool
    http2: bool
    hsts: int
    limit: int | None
    alias: bool
    logs: bool

    @property
    def has_backend(self) -> bool:
        return self.behind in ("http", "https", "unix") or self.where == "protected paths alone"

    @property
    def versions(self) -> tuple[str, ...]:
        return {"intermediate": VERSIONS, "modern": ("TLSv1.3",)}.get(self.tls, (self.tls,))

    def shakes_hands(self, client: str) -> bool:
        """Whether a client's handshake is completed, and its requests are heard."""
        if client == "none":
            return self.verify != "require" or self.where != "everything"
        if client in ("foreign", "impostor"):
            # Of a CA of our client CA's name, OpenSSL looks into that one's list, which the CA did not sign.
            return self.verify == "optional_no_ca" and not (client == "impostor" and self.crl)
        return client != "revoked" or not self.crl

    def lets_in(self, client: str, path: str) -> bool:
        """Whether a client that was heard gets what is behind a path."""
        if self.where == "everything" and self.verify != "require":
            return True
        if path == HEALTH if self.where == "but open paths" else self.where != "everything" and path != CALLBACK:
            return True
        return client == "chat" or (client in ("other", "revoked") and not self.clients)


def possible(case: Case) -> bool:
    """Whether the choices go together; an operator who makes others is told so."""
    if case.verify != "require" and (case.clients or case.where != "everything"):
        return False
    return case.has_backend or not (case.told or case.websocket or case.limit)


def pairs(case: Case) -> set[tuple[str, object, str, object]]:
    return {(one, getattr(case, one), two, getattr(case, two)) for one, two in itertools.combinations(FACTORS, 2)}


def covering() -> list[Case]:
    """Return few cases in which all pairs of choices occur: of many, always the one that adds the most."""
    chance = random.Random(1)
    many = [Case(*map(chance.choice, FACTORS.values())) for _number in range(3000)]
    left = {case: pairs(case) for case in many if possible(case)}
    missing = set().union(*left.values())
    found = []
    while missing:
        found.append(max(left, key=lambda case: len(left[case] & missing)))
        missing -= left[found[-1]]
    return found


CASES = covering()


@dataclass
class Site:
    """A server, what stands behind its site, and who calls."""

    httpd: EmbeddedHttpd
    plugin: Callable[[dict[str, Any]], dict[str, str]]
    folder: Path
    port: int
    backends: dict[str, Backend]
    clients: dict[str, Issued | None]

    def apply(self, case: Case) -> report.Report:
        """Carry out a wish as the action plugin sends it."""
        answer = self.plugin({
            "sites": [{name: value for name, value in self.options(case).items() if value is not None}],
            "httpd_binary": str(self.httpd.binary),
            "httpd_config": str(self.httpd.conf),
        })  # fmt: skip
        assert not answer["msg"]
        return run.carry_out(unpacked(answer["payload"]))

    def options(self, case: Case) -> dict[str, Any]:
        urls = {
            "http": f"http://127.0.0.1:{self.backends['http'].port}/",
            "https": f"https://localhost:{self.backends['https'].port}/",
            "unix": f"unix:{self.folder}/app.sock|http://localhost/",
        }
        pins = {"subject": "CN=Chat", "san": "chat.example.com", "certificate": f"{self.folder}/chat.crt"}
        names = {"subject": "X-Client-Subject", "verification": "X-Client-Verify", "client_cert": True}
        guarded = f"http://127.0.0.1:{self.backends['guarded'].port}{CALLBACK}"
        return {
            "domain": DOMAIN,
            "port": self.port,
            "listen": ["127.0.0.1"],
            "aliases": [ALIAS] if case.alias else [],
            "certificate": f"{self.folder}/site.{case.key}.crt",
            "private_key": f"{self.folder}/site.{case.key}.key",
            "trust_anchors": [f"{self.folder}/root.crt"],
            "client_ca": [f"{self.folder}/ca.crt"],
            "verify_client": case.verify,
            "allowed_clients": [{case.clients: pins[case.clients]}] if case.clients else None,
            "open_paths": [HEALTH] if case.where == "but open paths" else [],
            "protected_paths": (
                [{"path": CALLBACK, "proxy_pass": guarded}] if case.where == "protected paths alone" else None
            ),
            "proxy_pass": urls.get(case.behind),
            "proxy_ca": [f"{self.folder}/root.crt"] if case.behind == "https" else None,
            "proxy_websocket": case.websocket,
            "proxy_timeout": 1 if case.has_backend else None,
            "document_root": f"{self.folder}/files" if case.behind == "files" else None,
            "forward_client_identity": names if case.told else None,
            "request_body_limit": case.limit,
            "crl": [f"{self.folder}/chat.crl"] if case.crl else None,
            "crl_check": case.crl,
            "tls_profile": "custom" if case.tls in VERSIONS else case.tls,
            "tls_protocols": [case.tls] if case.tls in VERSIONS else [],
            "http2": case.http2,
            "hsts": case.hsts,
            "proxy_protocol": case.proxied,
            "access_log": None if case.logs else "server",
            "error_log": None if case.logs else "server",
        }


@pytest.fixture(scope="module")
def site(collections_path: Path, chat: Authority) -> Iterator[Site]:
    root = Authority("Test Root CA")
    clients: dict[str, Issued | None] = {
        "none": None,
        "chat": chat.issue("chat.example.com", client=True, common_name="Chat"),
        "other": chat.issue("other.example.com", client=True, common_name="Other"),
        "revoked": chat.issue("gone.example.com", client=True, common_name="Gone"),
        "foreign": Authority("Another CA").issue("chat.example.com", client=True, common_name="Chat"),
        "impostor": Authority(CHAT_CA_NAME).issue("chat.example.com", client=True, common_name="Chat"),
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="m")))
        folder.chmod(0o755)
        files = {"root.crt": root.pem, "ca.crt": chat.pem}
        for name, issued in {
            "site.ec": root.issue(DOMAIN, ALIAS),
            "site.rsa": root.issue(DOMAIN, ALIAS, key=new_key("rsa")),
            "backend": root.issue("localhost"),
            "chat": clients["chat"],
        }.items():
            assert issued
            files |= {f"{name}.crt": issued.full_pem, f"{name}.key": issued.key_pem}
        assert clients["revoked"]
        files["chat.crl"] = chat.crl(clients["revoked"])
        for name, content in files.items():
            write(folder, name, content)
        pages = folder / "files"
        pages.mkdir(mode=0o755)
        for path in (HEALTH, CALLBACK, PAGE):
            (pages / path.lstrip("/")).write_text("files")
        httpd = EmbeddedHttpd(folder / "httpd")
        stack.callback(httpd.stop)
        httpd.lay_out()
        with httpd.conf.open("a") as stream:
            stream.write("Timeout 1\n")  # for tunnels
        httpd.start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "backend.crt", folder / "backend.key")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{folder}/app.sock")
        (folder / "app.sock").chmod(0o777)
        listener.listen()
        backends = {
            "http": Backend("http", echo=True),
            "https": Backend("https", tls=context, echo=True),
            "unix": Backend("unix", listener, echo=True),
            "guarded": Backend("guarded", echo=True),
        }
        for backend in backends.values():
            stack.enter_context(backend.serving())
        plugin = stack.enter_context(sending(collections_path))
        yield Site(httpd, plugin, folder, free_port(), backends, clients)


@pytest.mark.parametrize("case", CASES, ids=[str(number) for number in range(len(CASES))])
def test_a_site_of_several_wishes_lets_in_who_is_wished_and_nobody_else(site: Site, case: Case) -> None:
    log = site.httpd.root / "logs" / f"{DOMAIN}-access.log"
    before = len(log.read_text()) if log.exists() else 0
    assert site.apply(case).changed
    rendered = (site.httpd.conf.parent / "mtls" / DOMAIN / "current" / "site.conf").read_text()
    assert len(rendered.splitlines()) < 150
    assert ill_indented(rendered) == []
    how: dict[str, Any] = {"preface": PREFACE if case.proxied else b""}
    for version in VERSIONS:
        for client, issued in site.clients.items():
            for path in (HEALTH, CALLBACK, PAGE):
                status, said = get(site.port, DOMAIN, path, issued, version=version, **how)
                where = (case, client, path, version, status, said)
                if version not in case.versions or not case.shakes_hands(client):
                    assert status == 0, where
                elif not case.lets_in(client, path):
                    assert status == 403, where
                elif path == CALLBACK and case.where == "protected paths alone":
                    assert (status, said.endswith("guarded")) == (200, True), where
                elif case.behind == "nothing":
                    assert status == 404, where
                else:
                    assert (status, said.endswith(case.behind)) == (200, True), where
                if status:
                    assert ("Strict-Transport-Security: max-age=63072000" in said) == bool(case.hsts), where
    version = case.versions[-1]
    chat = site.clients["chat"]
    how["version"] = version
    if case.alias:
        assert get(site.port, ALIAS, CALLBACK, chat, **how)[0] == get(site.port, DOMAIN, CALLBACK, chat, **how)[0]
    assert chosen_protocol(site, case) == ("h2" if case.http2 else "http/1.1")
    if case.has_backend:
        backend = site.backends["guarded" if case.where == "protected paths alone" else case.behind]
        try_backend(site, case, backend, how)
    if case.logs:
        assert until(lambda: '"CN=Chat"' in log.read_text()[before:])
        called = [line.split(" ")[0] for line in log.read_text()[before:].splitlines() if "OPTIONS" not in line]
        assert set(called) == {"192.0.2.7" if case.proxied else "127.0.0.1"}
    assert not site.apply(case).changed


def ill_indented(text: str) -> list[str]:
    """Return the lines that do not stand four spaces further in than the section around them, or end in spaces."""
    found, depth = [], 0
    for line in text.splitlines():
        words = line.strip()
        depth -= words.startswith("</")
        if line != " " * 4 * (depth if words else 0) + words:
            found.append(line)
        depth += words.startswith("<") and not words.startswith("</")
    return found


def chosen_protocol(site: Site, case: Case) -> str | None:
    """Return what the server takes of HTTP/2 and HTTP/1.1 (ALPN)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(site.folder / "chat.crt", site.folder / "chat.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as plain:
        plain.sendall(PREFACE if case.proxied else b"")
        with context.wrap_socket(plain, server_hostname=DOMAIN) as channel:
            return channel.selected_alpn_protocol()


def try_backend(site: Site, case: Case, backend: Backend, how: dict[str, Any]) -> None:
    """Try what the site says to its backend, and which requests it keeps from it."""
    chat = site.clients["chat"]
    assert get(site.port, DOMAIN, CALLBACK, chat, "X_Client-Subject: forged", "Client-Cert: forged", **how)[0] == 200
    headers = dict(backend.headers())
    if case.told:
        assert "forged" not in headers.values()
        assert (headers["X-Client-Subject"], headers["X-Client-Verify"]) == ("CN=Chat", "SUCCESS")
        assert headers["Client-Cert"].startswith(":MII")
    else:
        assert not {"X-Client-Subject", "X-Client-Verify"} & set(headers)
    lines = [
        f"POST {CALLBACK} HTTP/1.1",
        f"Host: {DOMAIN}",
        "Connection: close",
        f"Content-Length: {LIMIT + 1}",
        "",
        "",
    ]
    request = "\r\n".join(lines).encode() + b"x" * (LIMIT + 1)
    assert send(site.port, DOMAIN, request, chat, **how)[0] == (413 if case.limit else 200)
    upgrade = (
        "Connection: upgrade, close",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: eA==",
    )
    lines = [f"GET {CALLBACK} HTTP/1.1", f"Host: {DOMAIN}", *upgrade, "", "hello"]
    status, said = send(site.port, DOMAIN, "\r\n".join(lines).encode(), chat, **how)
    assert (status, said.endswith("hello")) == ((101, True) if case.websocket else (200, False))
