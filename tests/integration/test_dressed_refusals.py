# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A refusal that is dressed as something else lets nobody in, and one that leads on to the content is none.

By ErrorDocument a refusal may be answered by a redirect, or by another path within httpd, where no rule is asked again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from backend import Backend
from host import DOMAIN
from rehearsing import edited

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from host import Host

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

URL = "ErrorDocument 403 https://status.example.net/denied"
PATH = "ErrorDocument 403 /errors/403.html"
OPEN: dict[str, Any] = {"open_paths": ("/healthz",)}
PINNED: dict[str, Any] = {"allowed": [{"subject": "CN=Chat"}]}


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend("the backend").serving() as serving:
        yield serving


def url(backend: Backend) -> str:
    return f"http://127.0.0.1:{backend.port}/"


def say(host: Host, *lines: str) -> None:
    """Have the server level say something more."""
    host.add("\n" + "\n".join(lines) + "\n")
    host.restart()


def without_own(wish: SiteWish) -> SiteWish:
    """Return a wish whose site leaves refusals to what the server says of them."""
    return edited(wish, r"^ *ErrorDocument .*\n")


@pytest.mark.parametrize(
    "lines", [URL, PATH, f"<Location />\n{URL}\n</Location>", f"<Location />\n{PATH}\n</Location>"]
)
@pytest.mark.parametrize("options", [OPEN, PINNED, {**OPEN, **PINNED}], ids=["open", "pinned", "both"])
def test_a_site_refuses_in_httpds_own_words(host: Host, backend: Backend, lines: str, options: dict[str, Any]) -> None:
    say(host, lines)
    before = len(backend.asked)
    report = host.apply(host.wish(proxy_pass=url(backend), **options))
    assert report.rehearsal == "full"
    answers = host.answers(host.chat.issue(client=True, common_name="Another") if "allowed" in options else None)
    assert {(each.result, each.status) for each in answers.values()} == {("refused", 403)}
    assert len(backend.asked) == before


@pytest.mark.parametrize("options", [OPEN, {"protected": {"/callback": "http://127.0.0.1:9/callback"}}])
def test_a_redirect_in_the_place_of_a_refusal_is_no_admission(host: Host, options: dict[str, Any]) -> None:
    say(host, URL)
    wish = without_own(host.wish(**options))
    assert host.apply(wish).rehearsal == "full"
    path = next(iter(options.get("protected", ["/"])))
    assert {each.status for each in host.answers(path=path).values()} == {302}
    assert not host.apply(wish).changed


def test_a_refusal_that_leads_on_to_the_backend_is_found_by_its_line(host: Host, backend: Backend) -> None:
    say(host, PATH)
    message = host.refused(without_own(host.wish(proxy_pass=url(backend), **OPEN)))
    assert "a client without a certificate got in" in message
    assert f"200 OK, perhaps by ErrorDocument at {host.httpd.conf}:" in message


def test_a_refusal_that_leads_on_to_a_page_beside_the_site_is_none(host: Host, backend: Backend) -> None:
    say(host, f"Alias /errors {host.httpd.root}/site", "ErrorDocument 403 /errors/index.html")
    (host.httpd.root / "site/index.html").write_text("denied")
    wish = without_own(
        edited(host.wish(proxy_pass=url(backend), **OPEN), "^( *)ProxyPass ", r'ProxyPass "/errors" !\n\1ProxyPass ')
    )
    assert host.apply(wish).rehearsal == "full"


@pytest.mark.parametrize("more", ["", 'RedirectMatch "^/$" https://elsewhere.example.net/\n'])
def test_a_site_that_is_open_on_the_live_server_alone_is_found_there(host: Host, more: str) -> None:
    say(host, URL)
    wish = without_own(host.wish(document_root=f"{host.httpd.root}/site", **OPEN))
    wish = edited(wish, '^( *)<Location "/">', rf"{more}<IfDefine MTLS_HTTPD_REHEARSAL>\n<Location />")
    wish = edited(wish, "^( *)</Location>", "</Location>\n</IfDefine>")
    with pytest.raises(Refused) as caught:
        host.apply(wish)
    assert "on the live server" in str(caught.value)
    assert "a client without a certificate got in" in str(caught.value)


# A refusal in the operator's own template: a page, and no status that says so.
PAGE = r"""
    RewriteEngine on
    RewriteCond "%{SSL:SSL_CLIENT_VERIFY}" "!=SUCCESS"
    RewriteCond "%{REQUEST_URI}" "!=/healthz"
    RewriteRule "^" "/denied/index.html" [PT,END]
"""


def with_page(host: Host, *, rule: str = PAGE, **options: Any) -> SiteWish:
    """Return a wish for a site that refuses by a page with status 200."""
    host.load("rewrite")
    (host.httpd.root / "denied").mkdir(mode=0o755, exist_ok=True)
    (host.httpd.root / "denied/index.html").write_text("You are not Chat")
    beside = f"Alias /denied {host.httpd.root}/denied\n"
    granted = f"<Directory {host.httpd.root}/denied>\nRequire all granted\n</Directory>\n"
    wish = edited(host.wish(**OPEN, **options), r'^ *<Location "/">(.|\n)*?^ *</Location>\n', "")
    if "proxy_pass" in options:
        wish = edited(wish, "^( *)ProxyPass ", r'\1ProxyPass "/denied" !\n\1ProxyPass ')
    return edited(wish, "^</VirtualHost>", (rule + beside + granted).replace("\\", "\\\\") + "</VirtualHost>")


@pytest.mark.parametrize("kind", ["files", "a backend"])
def test_a_page_in_the_place_of_a_refusal_is_no_admission_on_the_live_server(
    host: Host, backend: Backend, kind: str
) -> None:
    options = {"document_root": f"{host.httpd.root}/site"} if kind == "files" else {"proxy_pass": url(backend)}
    wish = with_page(host, **options)
    assert host.apply(wish).rehearsal == "full"
    before = len(backend.asked)
    assert {each.status for each in host.answers(path="/").values()} == {200}
    assert not host.apply(wish).changed
    assert len(backend.asked) == before
    line = (host.store / DOMAIN / "history").read_text().splitlines()[-1]
    assert hashlib.sha256(b"You are not Chat").hexdigest() in line
    # A refusal that tells by its status needs no page to be known by.
    host.apply(host.wish(**OPEN, **options))
    assert (
        hashlib.sha256(b"You are not Chat").hexdigest()
        not in ((host.store / DOMAIN / "history").read_text().splitlines()[-1])
    )


def test_a_site_with_such_a_page_that_is_open_on_the_live_server_alone_is_found_there(host: Host) -> None:
    rule = f"<IfDefine MTLS_HTTPD_REHEARSAL>{PAGE}</IfDefine>\n"
    (host.httpd.root / "site/index.html").write_text("the content")
    with pytest.raises(Refused) as caught:
        host.apply(with_page(host, rule=rule, document_root=f"{host.httpd.root}/site"))
    assert "on the live server" in str(caught.value)
    assert "a client without a certificate got in" in str(caught.value)


def test_a_page_that_is_another_than_before_is_no_refusal(host: Host) -> None:
    wish = with_page(host, document_root=f"{host.httpd.root}/site")
    host.apply(wish)
    (host.httpd.root / "denied/index.html").write_text("the content")
    report = host.apply(wish)
    assert any("a client without a certificate got in" in each for each in report.healed)
    assert not host.apply(wish).changed


def test_a_page_that_who_is_let_in_gets_too_tells_no_refusal(host: Host) -> None:
    """As where an application answers everything, and its landing page is the refusal."""
    rule = PAGE.replace("/denied/index.html", "/index.html")
    (host.httpd.root / "site/index.html").write_text("the content")
    with pytest.raises(Refused) as caught:
        host.apply(with_page(host, rule=rule, document_root=f"{host.httpd.root}/site"))
    assert "a client without a certificate got in" in str(caught.value)
    assert not host.store.joinpath(DOMAIN).exists()


def test_a_site_that_was_opened_and_serves_that_very_page_is_found_open(host: Host) -> None:
    """Its landing page is the refusal's, but only on the live server; what nobody has tells the two apart."""
    rule = f"<IfDefine MTLS_HTTPD_REHEARSAL>{PAGE}    DirectoryIndex other.html\n</IfDefine>\n"
    (host.httpd.root / "site/index.html").write_text("You are not Chat")
    (host.httpd.root / "site/other.html").write_text("the content")
    with pytest.raises(Refused) as caught:
        host.apply(with_page(host, rule=rule, document_root=f"{host.httpd.root}/site"))
    assert "on the live server" in str(caught.value)
    assert "a client without a certificate got in" in str(caught.value)
