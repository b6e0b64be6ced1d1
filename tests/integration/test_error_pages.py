# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages of errors whose path a request fills in, at the open paths of a site, in a rehearsal with a real httpd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from host import DOMAIN, Host

if TYPE_CHECKING:
    from pathlib import Path

QUERY = "%{unescape:%{QUERY_STRING}}"


@pytest.fixture
def root(host: Host) -> Path:
    """Return the folder of the site's files, of which one is open in some tests."""
    root = host.httpd.root / "srv"
    root.mkdir()
    (root / "healthz").write_text("ok\n")
    (root / "secret.html").write_text("the secret\n")
    return root


@pytest.mark.parametrize("level", ["the site's own", "the server's"])
@pytest.mark.parametrize("page", [f"/{QUERY}", "/%{HTTP:X-Page}", "/%{req:X-Page}"])
def test_a_page_of_errors_that_shows_what_a_request_says_is_refused(
    host: Host, root: Path, level: str, page: str
) -> None:
    line, options = f"ErrorDocument 404 {page}\n", {}
    if level == "the server's":
        host.add(line)
        host.restart()
    else:
        options = {"extra": line}
    message = host.refused(host.wish(document_root=str(root), open_paths=["/gone"], **options))
    assert f"{DOMAIN}: a client without a certificate got in by ErrorDocument at " in message


SECTIONS = {"location": "<Location />\n%s</Location>\n", "if": '<If "true">\n%s</If>\n'}


@pytest.mark.parametrize(("level", "section"), [("site", "location"), ("site", "if"), ("server", "location")])
@pytest.mark.parametrize("is_filled", [True, False])
def test_one_of_a_section_takes_the_place_of_a_plain_one_behind_it(
    host: Host, root: Path, level: str, section: str, *, is_filled: bool
) -> None:
    """As httpd merges sections: the healthy neighbour is one whose section names a page of its own."""
    filled, own = f"ErrorDocument 404 /{QUERY}\n", "ErrorDocument 404 /plain.html\n"
    in_section, plain = (filled, own) if is_filled else (own, filled)
    before = SECTIONS[section] % in_section
    if level == "server":
        host.add(before)
        host.restart()
        before = ""
    wish = host.wish(document_root=str(root), open_paths=["/gone"], extra=before + plain)
    if is_filled:
        assert f"{DOMAIN}: a client without a certificate got in by ErrorDocument at " in host.refused(wish)
    else:
        assert not [each for each in host.apply(wish).limits if "ErrorDocument" in each]


def test_one_that_nobody_here_fills_in_is_told(host: Host, root: Path) -> None:
    host.add("ErrorDocument 404 /pages/%{reqenv:PAGE}.html\n")
    host.restart()
    report = host.apply(host.wish(document_root=str(root), open_paths=["/healthz"]))
    told = f"ErrorDocument at {host.httpd.conf}:"
    assert [each for each in report.limits if told in each and f"may lead to what {DOMAIN} protects" in each]


def test_one_that_a_field_fills_in_that_no_request_has_is_told(host: Host, root: Path) -> None:
    host.add("ErrorDocument 404 /%{req:Ключ}\n")
    host.restart()
    report = host.apply(host.wish(document_root=str(root), open_paths=["/healthz"]))
    assert [each for each in report.limits if "ErrorDocument at " in each]


@pytest.mark.parametrize(
    ("section", "before", "is_told"),
    [
        ("Location /other", "", False),
        ('Location "/other/"', "", False),
        ("Location /other", "Redirect 404 /other\n", True),  # It answers before any rule.
        ("Location /healthz", "", True),
        ("Location /*z", "", True),
        ('LocationMatch "^/healthz$"', "", True),
    ],
)
def test_one_of_a_section_is_told_where_an_open_path_may_lie_in_it_or_no_rule_is_asked(
    host: Host, root: Path, section: str, before: str, *, is_told: bool
) -> None:
    kind = section.partition(" ")[0]
    extra = f"{before}<{section}>\nErrorDocument 404 /pages/%{{reqenv:PAGE}}.html\n</{kind}>\n"
    report = host.apply(host.wish(document_root=str(root), open_paths=["/healthz"], extra=extra))
    assert bool([each for each in report.limits if "ErrorDocument at " in each]) is is_told


def test_one_that_the_site_replaces_is_no_matter(host: Host, root: Path) -> None:
    host.add(f"ErrorDocument 405 /{QUERY}\n")
    host.restart()
    report = host.apply(host.wish(document_root=str(root), open_paths=["/healthz"]))
    assert not [each for each in report.limits if "ErrorDocument" in each]


@pytest.mark.parametrize("page", ["/secret.html", "/error.html?%{QUERY_STRING}", '"no such page: %{REQUEST_URI}"'])
def test_one_whose_path_is_its_own_is_no_matter(host: Host, root: Path, page: str) -> None:
    host.add(f"ErrorDocument 404 {page}\n")
    host.restart()
    report = host.apply(host.wish(document_root=str(root), open_paths=["/healthz"]))
    assert not [each for each in report.limits if "ErrorDocument" in each]


def test_one_that_is_filled_in_is_no_matter_where_nothing_is_open(host: Host, root: Path) -> None:
    host.add(f"ErrorDocument 404 /{QUERY}\n")
    host.restart()
    report = host.apply(host.wish(document_root=str(root)))
    assert not [each for each in report.limits if "ErrorDocument" in each]
    assert host.enforces()
