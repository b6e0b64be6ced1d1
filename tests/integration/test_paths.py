# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a certificate is wanted: no spelling of an open path leads to another, and none of another around its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from backend import Backend, get, send
from demo_material import Authority, Issued, write
from host import DOMAIN, VERSIONS, Host, LateDisk

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN = "/healthz"
CLOSED = "/callback"
# The spellings that name just the open path once they are decoded and cleaned, as httpd does before it decides.
SAME = (
    "/healthz",
    "/healthz?x=/callback",
    "/%68ealthz",
    "//healthz",
    "/./healthz",
    "/callback/../healthz",
)
OTHERS = (
    "/", "/healthz/", "/healthz;x", "/healthz;/../callback", "/healthz.json", "/healthz.html", "/healthz%00",
    "/healthz/../callback", "/healthz/..%2fcallback", "/healthz/%2e%2e/callback", "/healthz%2f..%2fcallback",
    "/healthz/..;/callback", "/healthz/callback", "/healthz%3f", "/healthz%20", "/HEALTHZ", "/healthz%2f", "/healthz\\",
    "/callback", "/callback?/healthz", "/callback;/healthz", "/callback#/healthz", "/callback%23/healthz", "/healthzz",
    "/.healthz", "/healthz/.", "/healthz/..", "/x/..;/healthz", "/healthz~", "*", "/icons/healthz", "/healthz%0a",
)  # fmt: skip
EVASIONS = (
    "/Callback", "/callback;x", "/callback.json", "/a/..;/callback", "//callback", "/%63allback", "/./callback",
    "/callback/", "/callback/x", "/a/../callback", "/a/%2e%2e/callback", "/callback%2f", "/callback%2fx",
    "/callback%00", "/callback%0a",
    "/callback?x", "/callback%20", "/CALLBACK", "/callback/..;/callback", "/callback/.", "/callback%3b", "/callback\\",
    "/a%2f..%2fcallback", "/callback;/../callback", "///callback", "/callback/../callback", "/callback%3fx",
    "/callback#x",
)  # fmt: skip


@pytest.fixture
def site() -> Iterator[Backend]:
    with Backend("the site's own").serving() as backend:
        yield backend


@pytest.fixture
def guarded() -> Iterator[Backend]:
    with Backend("the protected one").serving() as backend:
        yield backend


@pytest.fixture
def client(chat: Authority) -> Issued:
    return chat.issue(client=True, common_name="Chat")


def asked(host: Host, target: str, client: Issued | None = None, *headers: str, version: str = "TLSv1.3") -> int:
    return get(host.port, DOMAIN, target, client, *headers, version=version)[0]


# -- open paths


def test_a_client_without_certificate_reaches_the_open_path_and_nothing_else(
    host: Host, site: Backend, client: Issued
) -> None:
    report = host.apply(host.wish(proxy_pass=f"http://127.0.0.1:{site.port}/", open_paths=(OPEN,)))
    assert (report.sites[0]["mutual_tls"], report.sites[0]["open_paths"]) == ("enforced", [OPEN])
    assert site.asked == []
    for version in VERSIONS:
        for target in SAME:
            assert asked(host, target, version=version) == 200, target
        for target in OTHERS:
            assert asked(host, target, version=version) in (200 if target == "*" else 403, 400, 404), target
        assert asked(host, CLOSED, client, version=version) == 200
    assert {path.partition("?")[0] for path in site.paths} == {OPEN, CLOSED}
    assert site.paths.count(CLOSED) == len(VERSIONS)
    stranger = Authority("Another CA").issue(client=True, common_name="Chat")
    assert {asked(host, OPEN, stranger, version=version) for version in VERSIONS} == {0}


def test_no_method_and_no_header_opens_another_path(host: Host, site: Backend) -> None:
    host.apply(host.wish(proxy_pass=f"http://127.0.0.1:{site.port}/", open_paths=(OPEN,)))
    for header in (
        f"X-Original-URL: {OPEN}", f"X-Rewrite-URL: {OPEN}", f"X-Forwarded-Path: {OPEN}", "X-HTTP-Method-Override: GET",
        "Upgrade: websocket", "SSL_CLIENT_VERIFY: SUCCESS", "SSL-Client-Verify: SUCCESS", "Expect: 100-continue",
    ):  # fmt: skip
        assert asked(host, CLOSED, None, header) in (403, 417), header
    for method in ("HEAD", "POST", "PUT", "OPTIONS", "TRACE", "PROPFIND", "NONE", "get"):
        request = f"{method} {CLOSED} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n"
        assert send(host.port, DOMAIN, request.encode())[0] in (400, 403, 405, 501), method
    absolute = f"GET https://{DOMAIN}{CLOSED} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n"
    assert send(host.port, DOMAIN, absolute.encode())[0] == 403
    connect = f"CONNECT 127.0.0.1:{site.port} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n"
    assert send(host.port, DOMAIN, connect.encode())[0] in (400, 403, 405)
    heads = [f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\n" for path in (OPEN, CLOSED)]
    assert "HTTP/1.1 403" in send(host.port, DOMAIN, f"{heads[0]}\r\n{heads[1]}Connection: close\r\n\r\n".encode())[1]
    assert set(site.paths) == {OPEN}


def test_of_files_too_the_open_path_alone_is_served(host: Host, client: Issued) -> None:
    folder = host.httpd.root / "pages"
    folder.mkdir()
    folder.chmod(0o755)
    for name in ("healthz", "healthz.html", "healthz.json", "callback"):
        (folder / name).write_text(name)
    (folder / "status").mkdir()
    (folder / "status" / "index.html").write_text("inside")
    host.add("<IfModule !negotiation_module>\nLoadModule negotiation_module modules/mod_negotiation.so\n</IfModule>\n")
    extra = "<Location />\nOptions +MultiViews\n</Location>"
    host.apply(host.wish(document_root=str(folder), open_paths=(OPEN, "/status"), extra=extra))
    for target in SAME:
        assert get(host.port, DOMAIN, target)[1].endswith("healthz"), target
    for target in (*OTHERS, "/status/", "/status/index.html", "/healthz.var"):
        assert asked(host, target) in (200 if target == "*" else 403, 400, 404), target
    assert asked(host, "/status") == 301
    assert get(host.port, DOMAIN, CLOSED, client)[1].endswith("callback")


def test_pins_hold_on_all_paths_but_the_open_ones(host: Host, client: Issued) -> None:
    host.apply(host.wish(open_paths=(OPEN,), allowed=[{"subject": "CN=Chat"}]))
    other = host.chat.issue(client=True, common_name="Somebody else")
    assert [asked(host, CLOSED, each) for each in (client, other, None)] == [404, 403, 403]
    assert [asked(host, OPEN, each) for each in (client, other, None)] == [404, 404, 404]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("<Location /healthz>\nRequire all denied\n</Location>", "a client without a certificate was locked out"),
        ("Redirect 204 /", "a client without a certificate got in over TLSv1.2 and TLSv1.3"),
        ("SSLVerifyClient require", "a client without a certificate was"),
        ("SSLVerifyClient optional_no_ca", "a client of another CA"),
    ],
)
def test_what_an_extra_directive_makes_of_open_paths_is_seen(host: Host, extra: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        host.apply(host.wish(open_paths=(OPEN,), extra=extra))


# Ways of httpd to take slashes, beside its own.
SLASHES = ("MergeSlashes Off", "AllowEncodedSlashes On", "AllowEncodedSlashes NoDecode")
SLASHED = (
    "//callback", "/callback//x", "//callback/x", "/%2fcallback", "/%2e/callback", "/x%2f..%2fcallback",
    "/x%2f../callback", "/healthz%2f..%2fcallback", "/healthz%2f", "/healthz%2fx", "//healthz/callback", "/healthz//",
)  # fmt: skip


@pytest.mark.parametrize("slashes", [*SLASHES, "\n".join(SLASHES[:2])])
def test_however_a_server_takes_slashes_no_certificate_opens_no_more(
    host: Host, site: Backend, guarded: Backend, slashes: str
) -> None:
    host.add(f"{slashes}\n")
    host.restart()
    url = f"http://127.0.0.1:{site.port}/"
    for wish in (
        host.wish(proxy_pass=url, open_paths=(OPEN,)),
        host.wish(proxy_pass=url, protected={CLOSED: f"http://127.0.0.1:{guarded.port}{CLOSED}"}),
    ):
        host.apply(wish)
        for target in (*SAME, *OTHERS, *EVASIONS, *SLASHED):
            asked(host, target)
        assert guarded.asked == []
        if wish.release and wish.release.facts.open_paths:
            assert {path.partition("?")[0] for path in site.paths} == {OPEN}
        site.asked.clear()


# -- protected paths


@pytest.mark.parametrize("proxied", [True, False])
def test_no_spelling_reaches_a_protected_backend_without_a_certificate(
    host: Host, site: Backend, guarded: Backend, client: Issued, proxied: bool
) -> None:
    own = {"proxy_pass": f"http://127.0.0.1:{site.port}/"} if proxied else {}
    wish = host.wish(protected={CLOSED: f"http://127.0.0.1:{guarded.port}{CLOSED}"}, **own)
    report = host.apply(wish)
    assert (report.sites[0]["mutual_tls"], report.sites[0]["protected_paths"]) == ("optional", [CLOSED])
    for version in VERSIONS:
        assert asked(host, CLOSED, version=version) == 403
        for target in EVASIONS:
            asked(host, target, version=version)
        assert guarded.asked == [], guarded.paths
        for target in (CLOSED, f"{CLOSED}/x?y", f"{CLOSED}?SdkAppid=1"):
            assert asked(host, target, client, version=version) == 200
        assert guarded.paths == [CLOSED, f"{CLOSED}/x?y", f"{CLOSED}?SdkAppid=1"]
        guarded.asked.clear()
    assert asked(host, "/", version="TLSv1.3") == (200 if proxied else 403)
    assert CLOSED not in site.paths


def test_pins_hold_on_protected_paths(host: Host, guarded: Backend, client: Issued) -> None:
    protected = {CLOSED: f"http://127.0.0.1:{guarded.port}/"}
    host.apply(host.wish(protected=protected, allowed=[{"subject": "CN=Chat"}]))
    other = host.chat.issue(client=True, common_name="Somebody else")
    assert [asked(host, CLOSED, each) for each in (client, other, None)] == [200, 403, 403]


@pytest.mark.parametrize("section", ["{}", "<Location /x>\n{}\n</Location>"])
def test_no_condition_of_the_servers_own_opens_a_path(
    host: Host, site: Backend, guarded: Backend, client: Issued, section: str
) -> None:
    host.add(section.format('<If "%{REQUEST_URI} =~ m#^/x#">\nRequire all granted\n</If>\n'))
    host.restart()
    urls = [f"http://127.0.0.1:{each.port}/" for each in (site, guarded)]
    for wish in (host.wish(open_paths=(OPEN,), proxy_pass=urls[0]), host.wish(protected={"/x": urls[1]})):
        host.apply(wish)
        assert [asked(host, path, each) for path in ("/x", "/x/y") for each in (client, None)] == [200, 403] * 2


def test_a_protected_path_that_an_extra_directive_opens_is_seen(host: Host, guarded: Backend) -> None:
    host.add("LoadModule rewrite_module modules/mod_rewrite.so\n")
    host.restart()
    extra = f"RewriteEngine on\nRewriteRule ^{CLOSED}$ - [R=204]"
    message = host.refused(host.wish(protected={CLOSED: f"http://127.0.0.1:{guarded.port}/"}, extra=extra))
    assert f"a client without a certificate got in at {CLOSED} over TLSv1.2 and TLSv1.3" in message


# In the server's configuration, in extra_directives, and where it is said to stand.
PAST = {
    "extra_directives": ("", "ProxyPass /x http://127.0.0.1:{port}/", " site.conf:"),
    "extra_directives in another place of the backend": ("", "ProxyPass /x http://localhost:{port}/in/", " site.conf:"),
    "a rewriting proxy": ("", "RewriteEngine on\nRewriteRule ^/x(.*) http://127.0.0.1:{port}/$1 [P]", " site.conf:"),
    "the server's own": ("ProxyPass /x http://127.0.0.1:{port}/\n", "", "/httpd.conf:"),
    "a file": ("", "Include conf/mine.conf", "/mine.conf:1"),
    "a variable": ("", "Define THERE http://127.0.0.1:{port}/\nProxyPass /x ${{THERE}}", "/current/site.conf:"),
    "a macro": ("<Macro Way $to>\nProxyPass /x $to\n</Macro>\n", "Use Way http://127.0.0.1:{port}/", "macro 'way'"),
}


@pytest.mark.parametrize("proxied", [True, False])
@pytest.mark.parametrize(("server", "extra", "place"), PAST.values(), ids=PAST)
def test_a_protected_backend_that_another_path_reaches_is_refused(
    host: Host, site: Backend, guarded: Backend, server: str, extra: str, place: str, proxied: bool
) -> None:
    for name in ("proxy", "proxy_http", "rewrite", "macro"):
        host.add(f"LoadModule {name}_module modules/mod_{name}.so\n")
    host.add(server.format(port=guarded.port))
    write(host.conf, "mine.conf", f"ProxyPass /x http://127.0.0.1:{guarded.port}/\n".encode())
    host.restart()
    own = {"proxy_pass": f"http://127.0.0.1:{site.port}/"} if proxied else {}
    wish = host.wish(
        protected={CLOSED: f"http://127.0.0.1:{guarded.port}{CLOSED}"}, extra=extra.format(port=guarded.port), **own
    )
    message = host.refused(wish)
    assert "leads to the backend of a protected path too, and asks for no certificate" in message
    assert place in message


def test_a_way_to_a_protected_backend_that_the_live_server_alone_reads_is_refused_before_the_reload(
    host: Host, guarded: Backend
) -> None:
    host.apply(host.wish())
    late = LateDisk(host.conf / "way.inc", "ProxyPass /x ${THERE}\n")
    there = f"Define THERE http://127.0.0.1:{guarded.port}/\nIncludeOptional conf/way.inc"
    with pytest.raises(Refused, match="leads to the backend of a protected path too"):
        host.apply(host.wish(protected={CLOSED: f"http://127.0.0.1:{guarded.port}{CLOSED}"}, extra=there), disk=late)
    assert host.enforces()
    assert guarded.asked == []


@pytest.mark.parametrize(
    ("number", "left_out"), [(64, []), (3000, [f"{DOMAIN}: 2936 of 3000 open_paths were not asked for"])]
)
def test_more_open_paths_than_are_asked_for_work_and_are_told(host: Host, number: int, left_out: list[str]) -> None:
    paths = tuple(f"/healthz/{each}" for each in range(number))
    report = host.apply(host.wish(open_paths=paths))
    assert report.rehearsal == "full"
    assert [each for each in report.limits if "were not asked for" in each] == left_out


@pytest.mark.parametrize("included", ["$QUERY_STRING", "/page.html"])
def test_an_open_page_that_shows_any_path_that_is_asked_for_is_refused(host: Host, included: str) -> None:
    """The page is a program of mod_include; one that shows a page of its author's choice is its content."""
    pages = host.httpd.root / "pages"
    pages.mkdir()
    (pages / "open.shtml").write_text(f'<!--#include virtual="{included}" -->\n')
    (pages / "page.html").write_text("page\n")
    host.load("include", "mime")
    lines = f"<Directory {pages}>\nOptions +Includes\nAddOutputFilter INCLUDES .shtml\n</Directory>"
    wish = host.wish(document_root=str(pages), open_paths=["/open.shtml"], extra_directives=lines)
    if included == "/page.html":
        assert host.apply(wish).rehearsal == "full"
    else:
        assert "a client without a certificate got in at 127.0.0.1:" in host.refused(wish)


def test_an_open_path_of_a_backend_that_hides_what_it_was_asked_for_is_no_door(
    host: Host, site: Backend, client: Issued
) -> None:
    url = f"https://localhost:{site.port}/"
    report = host.apply(host.wish(proxy_pass=url, proxy_ca=host.public.pem, open_paths=(OPEN,)))
    assert report.rehearsal == "full"
    host.load("rewrite")
    url = url.replace("https", "http")
    extra = f"RewriteEngine on\nRewriteRule ^{OPEN}$ {url}status [P]"
    report = host.apply(host.wish(proxy_pass=url, open_paths=(OPEN,), extra=extra))
    assert report.rehearsal == "full"
    assert [asked(host, path, each) for path in (OPEN, CLOSED) for each in (client, None)] == [200, 200, 200, 403]
    assert set(site.paths) == {"/status", CLOSED}
    extra = f"RewriteEngine on\nRewriteRule ^{OPEN}$ {url}%{{QUERY_STRING}} [P]"
    assert "got in at 127.0.0.1:" in host.refused(host.wish(proxy_pass=url, open_paths=(OPEN,), extra=extra))
