# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's backend is asked for is told apart, by whatever it is called: another path of it, a balancer's look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from backend import Backend, get, send
from demo_material import write
from embedded_httpd import free_port
from host import DOMAIN, Host
from rehearsing import edited

if TYPE_CHECKING:
    from collections.abc import Iterator


APP = "app.example.com"
OPEN = "/healthz"
PROXYING = ("proxy", "proxy_http", "ssl", "rewrite")


@pytest.fixture
def site() -> Iterator[Backend]:
    with Backend("the site's own").serving() as backend:
        yield backend


def beside(host: Host, *lines: str, modules: tuple[str, ...] = PROXYING) -> None:
    """Add a host of an application behind another one, which is the default."""
    host.load(*modules)
    text = "".join(f"{line}\n" for line in lines)
    host.add(f"<VirtualHost *:{host.httpd.port}>\nServerName first.example.com\n</VirtualHost>\n")
    host.add(f"<VirtualHost *:{host.httpd.port}>\nServerName {APP}\nSSLProxyEngine on\n{text}</VirtualHost>\n")
    host.restart()


def over_tls(host: Host, site: Backend, path: str = "/", **options: Any) -> dict[str, Any]:
    return {"proxy_pass": f"https://localhost:{site.port}{path}", "proxy_ca": host.public.pem, **options}


@pytest.mark.parametrize("open_paths", [(), (OPEN,)], ids=["all is closed", "one path is open"])
@pytest.mark.parametrize(
    "line",
    [
        "ProxyPass /app https://localhost:%d/app",
        "ProxyPass / https://127.0.0.1:%d/app/",
        "ProxyPassMatch ^/app/(.*)$ https://localhost:%d/app/$1",
        "RewriteEngine on\nRewriteRule ^/app/(.*)$ https://localhost:%d/app/$1 [P]",
        "Define TO_BACKEND https://localhost:%d\nProxyPass /app ${TO_BACKEND}/app",
    ],
)
def test_an_application_at_another_path_of_a_backend_that_speaks_tls_is_no_door(
    host: Host, site: Backend, line: str, open_paths: tuple[str, ...]
) -> None:
    beside(host, line % site.port)
    report = host.apply(host.wish(**over_tls(host, site, "/chat/", open_paths=open_paths)))
    assert (report.rehearsal, report.findings) == ("full", [])


@pytest.mark.parametrize(
    "line",
    [
        "RewriteEngine on\nRewriteCond %%{QUERY_STRING} (.+)\nRewriteRule ^/app https://localhost:%d/%%1 [P]",
        "RewriteEngine on\nRewriteRule ^/app https://localhost:%d%%{HTTP:X-Path} [P]",
    ],
)
def test_a_rule_that_leads_to_the_sites_path_there_is_one(host: Host, site: Backend, line: str) -> None:
    beside(host, line % site.port)
    message = host.refused(host.wish(**over_tls(host, site, "/chat/")))
    assert "got in at 127.0.0.1:" in message or "serves its content too" in message


@pytest.mark.parametrize("called", [("/",), ("/cb",), ("/cb", "/other")])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_path_that_is_called_may_be_open_where_no_file_stands_for_what_is_not(
    host: Host, site: Backend, scheme: str, called: tuple[str, ...]
) -> None:
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text("".join(line for line in text.splitlines(True) if "DocumentRoot" not in line))
    host.load(*PROXYING)
    options = over_tls(host, site, open_paths=called[:1], callback_paths=called)
    if scheme == "http":
        options = {**options, "proxy_pass": options["proxy_pass"].replace("https", "http"), "proxy_ca": b""}
    assert host.apply(host.wish(**options)).rehearsal == "full"
    # What is closed is asked for all the same.
    extra = f"RewriteEngine on\nRewriteCond %{{QUERY_STRING}} ^/?(.+)\nRewriteRule ^{called[0]}$ "
    extra += f"{scheme}://localhost:{site.port}/%1 [P]"
    assert "got in at 127.0.0.1:" in host.refused(host.wish(extra=extra, **options))


@pytest.mark.parametrize("called", [("/cb",), ("/cb", "/other")])
def test_a_path_that_is_called_may_be_open_where_others_are_for_listed_clients(
    host: Host, site: Backend, called: tuple[str, ...]
) -> None:
    options = over_tls(host, site, open_paths=("/cb",), callback_paths=called, allowed=[{"subject": "CN=Chat"}])
    assert host.apply(host.wish(**options)).rehearsal == "full"
    chat, other = (host.chat.issue(client=True, common_name=name) for name in ("Chat", "Other"))
    asked = [get(host.port, DOMAIN, "/other", client)[0] for client in (chat, other, None)]
    assert asked[1:] == [403, 403]
    assert asked[0] != 403


@pytest.mark.parametrize(
    "member",
    [
        "http://127.0.0.1:%d hcmethod=TCP hcinterval=100ms",
        "http://127.0.0.1:%d hcmethod=HEAD hcinterval=100ms",
        "https://127.0.0.1:%d hcmethod=HEAD hcinterval=100ms",
        "ajp://127.0.0.1:%d hcmethod=CPING hcinterval=100ms",
    ],
)
def test_a_balancer_that_looks_after_its_members_lets_nobody_in(host: Host, site: Backend, member: str) -> None:
    host.load(*PROXYING, "proxy_ajp", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests", "proxy_hcheck")
    extra = f"SSLProxyEngine on\n<Proxy balancer://app>\nBalancerMember {member % site.port}\n</Proxy>\n"
    extra += "RewriteEngine on\nRewriteRule ^/(.*)$ balancer://app/$1 [P]"
    options = {"proxy_pass": "http://127.0.0.1:9/", "open_paths": (OPEN,)}
    assert host.apply(host.wish(extra=extra, **options)).rehearsal == "full"


@pytest.mark.parametrize("ping", ["", " ping=1"])
def test_paths_of_a_backend_that_speaks_ajp_are_told_apart(host: Host, site: Backend, ping: str) -> None:
    beside(host, f"ProxyPass /app ajp://localhost:{site.port}/app{ping}", modules=(*PROXYING, "proxy_ajp"))
    options = {"proxy_pass": "http://127.0.0.1:9/", "open_paths": (OPEN,)}
    extra = f"<Location />\nProxyPass ajp://localhost:{site.port}/chat/{ping}\n</Location>"
    report = host.apply(host.wish(extra=extra, **options))
    assert (report.rehearsal, report.findings) == ("full", [])
    door = f"RewriteEngine on\nRewriteCond %{{QUERY_STRING}} ^/?(.+)\nRewriteRule ^{OPEN}$ "
    door += f"ajp://localhost:{site.port}/chat/%1 [P]\n"
    assert "got in at 127.0.0.1:" in host.refused(host.wish(extra=door + extra, **options))


# -- a method that is answered before any rule is asked

PREFLIGHT = "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} OPTIONS\nRewriteRule ^ - [R=204,L]"


def options_of(host: Host, path: str) -> int:
    request = f"OPTIONS {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n"
    return send(host.port, DOMAIN, request.encode())[0]


@pytest.mark.parametrize("status", ["204", "200"])
def test_a_preflight_that_the_server_answers_for_all_paths_lets_nobody_in(
    host: Host, site: Backend, status: str
) -> None:
    host.load("rewrite")
    wish = host.wish(
        proxy_pass=f"http://127.0.0.1:{site.port}/", open_paths=(OPEN,), extra=PREFLIGHT.replace("204", status)
    )
    assert host.apply(wish).rehearsal == "full"
    assert options_of(host, "/") == int(status)
    assert get(host.port, DOMAIN, "/")[0] == 403
    assert not host.apply(wish).changed
    assert site.asked == []


def test_a_preflight_that_reaches_the_backend_is_refused(host: Host, site: Backend) -> None:
    wish = host.wish(proxy_pass=f"http://127.0.0.1:{site.port}/", open_paths=(OPEN,))
    let_in = "<RequireAny>", "<RequireAny>\n        Require method OPTIONS"
    message = host.refused(edited(wish, *let_in))
    assert "a client without a certificate got in at 127.0.0.1:" in message
    assert "to OPTIONS /" in message
    assert site.asked == []


@pytest.mark.parametrize("rest", ["callback", "%1"])
def test_a_condition_that_names_the_backend_is_asked_as_it_is_written(host: Host, site: Backend, rest: str) -> None:
    host.load(*PROXYING)
    url = f"https://localhost:{site.port}"
    conditions = f"RewriteCond %{{HTTP:Origin}} ={url}\nRewriteCond %{{QUERY_STRING}} (.*)"
    extra = f"RewriteEngine on\n{conditions}\nRewriteRule ^{OPEN}$ {url}/{rest} [P]"
    wish = host.wish(**over_tls(host, site, open_paths=(OPEN,)), extra=extra)
    message = host.refused(wish)
    assert "a client without a certificate got in at 127.0.0.1:" in message


@pytest.mark.parametrize(
    ("section", "is_for_some"),
    [
        ('<Proxy "https://*">\nRequire ip 192.0.2.1\n</Proxy>', True),
        (
            '<Proxy "*">\nRequire all denied\n</Proxy>\n<ProxyMatch "^https://">\nRequire all granted\n</ProxyMatch>',
            False,
        ),
    ],
    ids=["by address", "granted"],
)
def test_a_section_for_urls_over_tls_holds_in_the_rehearsal_too(
    host: Host, site: Backend, section: str, *, is_for_some: bool
) -> None:
    host.load(*PROXYING)
    host.add(f"{section}\n")
    host.restart()
    report = host.apply(host.wish(**over_tls(host, site)))
    assert report.rehearsal == "full"
    assert any("does not let in gets 403" in each for each in report.limits) is is_for_some


def test_a_backend_that_is_a_host_of_this_httpd_is_called_as_it_listens(host: Host) -> None:
    port = free_port()
    issued = host.public.issue("localhost")
    write(host.conf, "inner.crt", issued.full_pem)
    write(host.conf, "inner.key", issued.key_pem)
    host.load(*PROXYING)
    folder = host.httpd.root / "inner"
    folder.mkdir()
    lines = (
        f"SSLEngine on\nSSLCertificateFile conf/inner.crt\nSSLCertificateKeyFile conf/inner.key\nDocumentRoot {folder}"
    )
    granted = f"<Directory {folder}>\nRequire all granted\n</Directory>"
    host.add(f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{lines}\n{granted}\n</VirtualHost>\n")
    host.restart()
    report = host.apply(host.wish(proxy_pass=f"https://localhost:{port}/", proxy_ca=host.public.pem))
    assert not [each for each in report.limits if "400" in each]
