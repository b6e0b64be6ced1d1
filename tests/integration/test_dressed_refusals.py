# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A refusal that is dressed as something else lets nobody in, and one that leads on to the content is none.

By ErrorDocument a refusal may be answered by a redirect, or by another path within httpd, where no rule is asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from backend import Backend
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
