# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chat is let in: the rehearsal makes Chat's own request, and only a canary's word shows that the site answered.

Each configuration that keeps Chat from the site is refused by the line that does, beside a neighbour that is sound.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from rehearsing import forbid_namespaces

if TYPE_CHECKING:
    from pathlib import Path

    from host import Host

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report

BACKEND = {"proxy_pass": "http://127.0.0.1:9/"}
# What stands at server level: modules, lines, options of the site, and what stands in the way of it.
IN_THE_WAY: dict[str, tuple[tuple[str, ...], str, dict[str, Any], str]] = {
    "redirect": (("alias",), "Redirect permanent / https://www.example.com/", {}, "Redirect at "),
    "redirect by pattern": (("alias",), "RedirectMatch 301 ^/(.*)$ https://a.example/$1", {}, "RedirectMatch at "),
    "redirect of the root alone": (("alias",), "RedirectMatch ^/$ https://a.example/", {}, "RedirectMatch at "),
    "redirect of a callback": (
        ("alias",),
        "Redirect /hooks https://a.example/",
        {"callback_paths": ["/hooks/chat"]},
        "Redirect at ",
    ),
    "redirect in a section": (
        ("alias",),
        "<Location />\nRedirect permanent https://a.example/\n</Location>",
        {},
        "Redirect at ",
    ),
    "another backend": (
        ("proxy", "proxy_http"),
        "ProxyPassMatch ^(/.*)$ http://127.0.0.1:10$1",
        {},
        "ProxyPassMatch at ",
    ),
    "another folder": (("alias",), "AliasMatch ^/(.*)$ /nowhere/$1", {}, "AliasMatch at "),
    "methods without Chat's": (
        ("allowmethods",),
        "<Location />\nAllowMethods GET HEAD\n</Location>",
        {},
        "AllowMethods at ",
    ),
    "methods without Chat's before a backend": (
        ("allowmethods",),
        "<Location />\nAllowMethods GET HEAD\n</Location>",
        BACKEND,
        "AllowMethods at ",
    ),
    "a rule by method": ((), "<Location />\n<Limit POST>\nRequire all denied\n</Limit>\n</Location>", {}, "403"),
}
ELSEWHERE = "<Location /server-status>\nRequire local\n</Location>"
AGENT_ASKED_FOR = """\
SetEnvIf User-Agent ^$ bad
<Location />
    <RequireAll>
        Require all granted
        Require not env bad
    </RequireAll>
</Location>
"""
SOUND: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {
    "redirect of another path": (("alias",), "Redirect permanent /old https://a.example/new", {}),
    "redirect beside a callback": (
        ("alias",),
        "Redirect /hooks https://a.example/",
        {"callback_paths": ["/chat"]},
    ),
    "redirect behind a backend": (("alias",), "Redirect permanent / https://www.example.com/", BACKEND),
    "another backend of another path": (
        ("proxy", "proxy_http"),
        "ProxyPassMatch ^(/app/.*)$ http://127.0.0.1:10$1",
        {},
    ),
    "methods with Chat's": (("allowmethods",), "<Location />\nAllowMethods GET POST\n</Location>", {}),
    "methods with Chat's before a backend": (
        ("allowmethods",),
        "<Location />\nAllowMethods GET POST\n</Location>",
        BACKEND,
    ),
    "methods of another path": (("allowmethods",), "<Location /old>\nAllowMethods GET\n</Location>", {}),
    "Chat's methods alone": (
        (),
        "<Location />\n<LimitExcept GET POST HEAD>\nRequire all denied\n</LimitExcept>\n</Location>",
        {},
    ),
    "POST alone": ((), "<Location />\n<LimitExcept POST>\nRequire all denied\n</LimitExcept>\n</Location>", {}),
    "Chat's method alone": (("allowmethods",), "<Location />\nAllowMethods POST\n</Location>", {}),
    "an agent is asked for": (
        ("setenvif",),
        AGENT_ASKED_FOR,
        {},
    ),
}


def furnish(host: Host, tmp_path: Path, modules: tuple[str, ...], lines: str, options: dict[str, Any]) -> None:
    """Give a host modules and lines at server level, and the site files of its own unless it has a backend."""
    if "proxy_pass" not in options:
        folder = tmp_path / "content"
        folder.mkdir()
        for each in (tmp_path, folder, *tmp_path.parents):
            if each.stat().st_uid == os.getuid():
                each.chmod(each.stat().st_mode | 0o111)
        (folder / "index.html").write_text("content")
        options["document_root"] = str(folder)
    text = host.httpd.conf.read_text()
    host.load(*(name for name in modules if f"mod_{name}.so" not in text))
    (host.conf / "own.conf").write_text(lines + "\n")
    host.add(f"\nInclude {host.conf}/own.conf\n")
    host.restart()


def told_of_addresses(report: Report) -> list[str]:
    """Return what a run says of rules by address."""
    return [each for each in report.limits if "Chat's addresses" in each]


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_answers_chat_in_the_place_of_the_site_is_refused_by_its_line(
    host: Host, tmp_path: Path, case: str
) -> None:
    modules, lines, options, said = IN_THE_WAY[case]
    options = dict(options)
    furnish(host, tmp_path, modules, lines, options)
    message = host.refused(host.wish(**options))
    assert message.count("locked out over TLSv1.2 and TLSv1.3: POST /") == 1  # for all versions, and for all clients
    assert message.count("locked out") == 1
    assert said in message
    assert said == "403" or "own.conf:" in message


@pytest.mark.parametrize("case", SOUND)
def test_what_lets_chat_through_to_the_site_is_no_matter(host: Host, tmp_path: Path, case: str) -> None:
    modules, lines, options = SOUND[case]
    options = dict(options)
    furnish(host, tmp_path, modules, lines, options)
    report = host.apply(host.wish(**options))
    assert report.rehearsal == "full"
    assert not told_of_addresses(report)
    assert host.enforces() or "LimitExcept" in lines or "AllowMethods" in lines or "User-Agent" in lines


@pytest.mark.parametrize("rule", ["local", "ip 127.0.0.1 10.99.0.0/16", "ip 10.99.0.0/16", "ip 172.16"])
def test_a_rule_by_address_is_told_by_its_line_as_nobody_knows_chats_addresses(
    host: Host, tmp_path: Path, rule: str
) -> None:
    options: dict[str, Any] = {}
    furnish(host, tmp_path, (), f"<Location />\nRequire {rule}\n</Location>\n{ELSEWHERE}", options)
    (warning,) = told_of_addresses(host.apply(host.wish(**options)))
    assert "own.conf:2" in warning
    assert "own.conf:5" not in warning
    assert "Chat's addresses" in warning
    assert "was locked out" not in warning


def test_a_rule_that_lets_nobody_in_is_a_lock_out(host: Host, tmp_path: Path) -> None:
    options: dict[str, Any] = {}
    furnish(host, tmp_path, (), "<Location />\nRequire all denied\n</Location>", options)
    assert "was locked out" in host.refused(host.wish(**options))


def test_nothing_of_the_canaries_is_left(host: Host, tmp_path: Path) -> None:
    options: dict[str, Any] = {}
    furnish(host, tmp_path, (), "", options)
    host.apply(host.wish(**options))
    assert [each.name for each in (tmp_path / "content").iterdir()] == ["index.html"]


def test_a_reduced_rehearsal_calls_no_backend_and_takes_the_rules_as_before(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_namespaces(monkeypatch)
    options: dict[str, Any] = {}
    furnish(host, tmp_path, (), "", options)
    assert host.apply(host.wish(**options)).rehearsal == "reduced"
