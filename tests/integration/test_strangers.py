# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nobody else is let in: through no door of the server, by no name, session, cache or spelling of a path.

The rehearsal asks as those who are to be refused, and a canary that comes out is a door. Each way in stands beside a
neighbour that looks like it and is none.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import Authority, write
from embedded_httpd import free_port
from host import DOMAIN
from identities import identity
from rehearsing import edited

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Question
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import Kept
from ansible_collections.mtls.httpd.plugins.module_utils._site import asking

if TYPE_CHECKING:
    from host import Host


BACKEND = "http://127.0.0.1:9/"
OPEN: dict[str, Any] = {"open_paths": ("/healthz",)}
PINNED: dict[str, Any] = {"allowed": [{"subject": "CN=Chat"}]}
PROTECTED: dict[str, Any] = {"protected": {"/callback": "http://127.0.0.1:10/callback"}}


def load(host: Host, *modules: str) -> None:
    """Load modules that the server has not, by their names without C(_module)."""
    text = host.httpd.conf.read_text()
    for name in modules:
        if f"mod_{name}.so" not in text:
            host.add(f"LoadModule {name}_module modules/mod_{name}.so\n")


def say(host: Host, text: str) -> str:
    """Have the server say something more; return the place of its first line."""
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add(text + "\n")
    host.restart()
    return f"{host.httpd.conf}:{line}"


def files(host: Host) -> dict[str, Any]:
    """Return the option of a site of files that nothing else serves."""
    folder = host.httpd.root / "own"
    if not folder.exists():
        folder.mkdir(mode=0o755)
        (folder / "index.html").write_text("content")
    return {"document_root": str(folder)}


# -- doors


WAYS = {
    "a variable": f"RewriteEngine on\nRewriteRule ^/?(.*) {BACKEND[:-1]}%{{ENV:BASE}}/$1 [P]",
    "a map": "RewriteEngine on\nRewriteMap low int:tolower\nRewriteRule ^/?(.*) http://${low:127.0.0.1}:9/$1 [P]",
}


@pytest.mark.parametrize("port", ["its own", "the server's"])
@pytest.mark.parametrize("way", WAYS)
def test_a_virtual_host_that_leads_to_the_backend_is_found_by_a_canary_until_it_is_accepted(
    host: Host, way: str, port: str
) -> None:
    load(host, "proxy", "proxy_http", "rewrite")
    number = free_port() if port == "its own" else host.httpd.port
    listen = f"Listen {number}\n" if port == "its own" else ""
    place = say(host, f"{listen}<VirtualHost *:{number}>\nServerName o.example.net\n{WAYS[way]}\n</VirtualHost>")
    if listen:
        place = f"{host.httpd.conf}:{int(place.rpartition(':')[2]) + 1}"
    wish = host.wish(proxy_pass=BACKEND)
    message = host.refused(wish)
    assert "a client without a certificate got in at" in message or "serves its content too" in message
    assert place in message
    assert host.apply(replace(wish, allow_bypass=(str(host.httpd.conf),))).rehearsal == "full"


@pytest.mark.parametrize(
    "lines",
    [
        "RewriteEngine on\nRewriteRule ^/?(.*) http://127.0.0.1:11%{ENV:BASE}/$1 [P]",
        f"RewriteEngine on\nRewriteRule ^ https://{DOMAIN}%{{REQUEST_URI}} [R=301,L]",
        "ErrorDocument 404 https://status.example.net/\nDocumentRoot /nowhere",
        "ErrorDocument 404 /index.html",
    ],
    ids=["another backend", "a redirect", "a redirect of errors", "a page"],
)
def test_a_virtual_host_that_answers_otherwise_is_no_door(host: Host, lines: str) -> None:
    load(host, "proxy", "proxy_http", "rewrite")
    say(host, f"<VirtualHost *:{host.httpd.port}>\nServerName o.example.net\n{lines}\n</VirtualHost>")
    report = host.apply(host.wish(proxy_pass=BACKEND))
    assert report.rehearsal == "full"
    assert not [each for each in report.limits if "were not asked" in each]


def test_plain_http_at_the_port_of_tls_does_not_reach_the_backend_by_an_error_page(host: Host) -> None:
    load(host, "proxy", "proxy_http")
    place = say(host, "ErrorDocument 400 /errors/400.html")
    wish = host.wish(proxy_pass=BACKEND)
    message = host.refused(edited(wish, r"^ *ErrorDocument .*\n", ""))
    assert f"a client without a certificate got in at 127.0.0.1:{host.port}" in message
    assert f"ErrorDocument at {place}" in message
    assert host.apply(wish).rehearsal == "full"


# -- sessions


@pytest.mark.parametrize("same", [True, False], ids=["the site's name and port", "a port of its own"])
def test_the_session_of_a_virtual_host_elsewhere_is_resumed_at_the_site(host: Host, same: bool) -> None:
    load(host, "socache_shmcb", "ssl")
    issued, own = host.public.issue(DOMAIN), Authority("A neighbour's client CA")
    for name, data in (("own.crt", issued.full_pem), ("own.key", issued.key_pem), ("own-ca.crt", own.pem)):
        write(host.conf, name, data)
    port = free_port()
    named = f"ServerName {DOMAIN}:{host.port if same else port}"
    place = say(
        host,
        f"<VirtualHost *:{port}>\n{named}\nSSLEngine on\nSSLCertificateFile conf/own.crt\n"
        "SSLCertificateKeyFile conf/own.key\nSSLCACertificateFile conf/own-ca.crt\nSSLVerifyClient require\n"
        f"</VirtualHost>\nListen {port} https\nSSLSessionTickets off\n"
        f"SSLSessionCache shmcb:{host.httpd.root}/sessions(512000)",
    )
    wish = host.wish(**files(host))
    if same:
        assert f"got in by a TLS session of the virtual host at {place} (" in host.refused(wish)
    else:
        assert host.apply(wish).rehearsal == "full"


# -- caches


@pytest.mark.parametrize("options", [{**OPEN, **PINNED}, {"proxy_pass": BACKEND, **PROTECTED}, PINNED])
@pytest.mark.parametrize("path", ["/", "/elsewhere"])
def test_a_cache_answers_nobody_before_a_rule_is_asked(host: Host, options: dict[str, Any], path: str) -> None:
    """Where the site's text would let it, that is found after the client was served."""
    load(host, "cache", "cache_disk")
    (host.httpd.root / "cache").mkdir(mode=0o777)
    (host.httpd.root / "cache").chmod(0o777)
    place = say(host, f"CacheRoot {host.httpd.root}/cache\nCacheEnable disk {path}")
    line = f"{host.httpd.conf}:{int(place.rpartition(':')[2]) + 1}"
    wish = host.wish(**({} if "proxy_pass" in options else files(host)), **options)
    if path == "/":
        message = host.refused(edited(wish, r'^ *CacheDisable "/"\n', ""))
        assert " got in " in message
        assert f"CacheEnable at {line}" in message
    assert host.apply(wish).rehearsal == "full"


@pytest.mark.parametrize("options", [OPEN, PINNED])
def test_what_chat_gets_is_kept_by_no_cache(host: Host, options: dict[str, Any]) -> None:
    load(host, "cache", "cache_disk", "ssl", "socache_shmcb")
    (host.httpd.root / "cache").mkdir(mode=0o777)
    (host.httpd.root / "cache").chmod(0o777)
    port, issued = free_port(), host.public.issue("own.example.net")
    write(host.conf, "own.pem", issued.full_pem + issued.key_pem)
    say(
        host,
        f"CacheRoot {host.httpd.root}/cache\nCacheEnable disk /kept\nListen 127.0.0.1:{port} https\n"
        f"<VirtualHost 127.0.0.1:{port}>\nServerName own.example.net\nSSLEngine on\n"
        "SSLCertificateFile conf/own.pem\n</VirtualHost>",
    )
    own = files(host)
    kept = Path(own["document_root"]) / "kept/page"
    kept.parent.mkdir()
    kept.write_text("kept\n")
    os.utime(kept, (time.time() - 10_000_000,) * 2)
    assert host.apply(host.wish(**own, **options)).rehearsal == "full"
    chat, other = (identity(host.chat.issue(client=True, common_name=name)) for name in ("Chat", "Another"))
    refused = None if options == OPEN else other
    for client, status in ((chat, 200), (refused, 403), (chat, 200), (refused, 403)):
        question = Question(DOMAIN, "TLSv1.3", "trusted", client, path="/kept/page", method="GET")
        assert ask(Door("127.0.0.1", host.port), question, 5).status == status
    # By the name and port of the site, another host would give what the cache has of it.
    request = f"GET /kept/page HTTP/1.1\r\nHost: {DOMAIN}:{host.port}\r\n\r\n".encode()
    kept = Kept(Door("127.0.0.1", port), "TLSv1.3", "own.example.net")
    assert kept.ask(request).status == 404
    kept.close()


# -- spellings


def test_a_path_that_a_proxy_reads_otherwise_is_found_by_a_canary(host: Host) -> None:
    load(host, "proxy", "proxy_http", "rewrite")
    wish = host.wish(proxy_pass=BACKEND, **OPEN)
    message = host.refused(edited(wish, r"-in \{'/healthz'\}", "=~ m#^/healthz#"))
    assert "a client without a certificate got in" in message
    assert "GET /healthz" in message
    assert host.apply(wish).rehearsal == "full"


def test_a_rule_that_leads_other_spellings_to_a_protected_path_is_found(host: Host) -> None:
    load(host, "proxy", "proxy_http", "rewrite")
    rule = r'RewriteRule "^/x/\.\.;(/.*)" "http://127.0.0.1:10%{ENV:NONE}$1" [P]'
    rule = rf'RewriteEngine on\n{rule}\n\1<Location "/callback">'
    wish = host.wish(proxy_pass=BACKEND, **PROTECTED)
    message = host.refused(edited(wish, r'^( *)<Location "/callback">', rule.replace("\\.", "\\\\.")))
    assert "GET /x/..;/callback" in message or "leads to the backend of a protected path too" in message
    assert host.apply(wish).rehearsal == "full"


def test_a_virtual_host_that_lets_everybody_wait_is_left_out_and_told(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(host, "proxy", "proxy_http")
    say(host, f"<VirtualHost *:{host.httpd.port}>\nServerName o.example.net\n</VirtualHost>")
    monkeypatch.setattr(asking, "_SECONDS_IN_ALL", 0.0)
    report = host.apply(host.wish(proxy_pass=BACKEND))
    assert [each for each in report.limits if "let them wait for too long" in each]
