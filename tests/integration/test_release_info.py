# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What release_info tells of the releases that a host keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import CHAT_CA_NAME, Authority
from host import DOMAIN, OTHER, Host

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, FACTS, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ask(collections_path: Path, host: Host) -> Any:
    """Return a function that runs the module as Ansible does, in a process of its own, and gives back its result."""

    def run(**options: Any) -> dict[str, Any]:
        given = {"httpd_binary": str(host.httpd.binary), "httpd_config": str(host.httpd.conf), **options}
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.mtls.httpd.plugins.modules.release_info"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            env={**os.environ, "PYTHONPATH": str(collections_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


def test_each_release_is_told_with_what_it_serves_and_to_whom(host: Host, ask: Any) -> None:
    assert (ask()["found"], ask()["sites"]) == (True, [])
    first = host.wish()
    second = host.wish(
        open_paths=["/healthz"], allowed=[{"subject": "CN=Chat"}], crl=host.chat.crl(), crl_ends="2030-01-31T23:59:59Z"
    )
    host.apply(first)
    host.apply(second)
    before = host.state()
    (site,) = ask()["sites"]
    assert host.state() == before
    assert first.release
    assert second.release
    names = [second.release.name, first.release.name]
    assert (site["domain"], site["current"], site["previous"]) == (DOMAIN, *names)
    assert [each["name"] for each in site["releases"]] == names
    new, old = site["releases"]
    assert (new["current"], old["current"], new["whole"], old["whole"]) == (True, False, True, True)
    assert new["since"] >= old["since"]
    assert new["certificate_sha256"] == second.release.facts.certificate_sha256
    assert new["certificate_ends"].endswith("Z")
    assert (new["ends"], new["crl_ends"], old["crl_ends"]) == ("2999-12-31T23:59:59Z", "2030-01-31T23:59:59Z", None)
    assert new["client_cas"] == [{"subject": second.release.facts.client_ca_names[0], "sha256": host.chat.sha256}]
    assert (new["pins"], old["pins"]) == (["subject:CN=Chat"], [])
    assert (new["open_paths"], old["open_paths"]) == (["/healthz"], [])
    assert new["content"] != old["content"]


def test_a_content_is_the_same_where_the_name_differs_and_another_where_what_it_names_does(
    host: Host, ask: Any
) -> None:
    issued = host.public.issue(DOMAIN)
    other = Authority(CHAT_CA_NAME)

    def content(**options: Any) -> tuple[str, str]:
        host.apply(host.wish(issued=issued, **options))
        release = ask()["sites"][0]["releases"][0]
        return release["name"], release["content"]

    plain = content()
    same = content(extra="# of this host\n")
    assert plain[0] != same[0]
    assert plain[1] == same[1]
    more = host.chat.pem + other.pem
    others = [
        content(client_ca=more),
        content(crl=host.chat.crl(), crl_ends="2030-01-31T23:59:59Z"),
        content(allowed=[{"subject": "CN=Chat"}]),
        content(open_paths=["/healthz"]),
        content(verify_client="optional"),
    ]
    issued = host.public.issue(DOMAIN)
    others.append(content())
    assert len({plain[1], *(each for _name, each in others)}) == 1 + len(others)
    issued_again = content(client_ca=other.pem + host.chat.pem)
    assert issued_again[1] == content(client_ca=more)[1], "the order of client CAs says nothing"


def test_a_release_that_a_hand_changed_is_told_as_damaged_and_its_neighbours_as_whole(host: Host, ask: Any) -> None:
    wishes = [host.wish() for _number in range(3)]
    for wish in wishes:
        host.apply(wish)
    folders = [host.store / DOMAIN / "releases" / wish.release.name for wish in wishes if wish.release]
    (folders[0] / SITE).write_text("# nothing\n")
    (folders[1] / FACTS).write_text("{}")
    last, facts, text = ask()["sites"][0]["releases"]
    assert (last["whole"], last["damage"]) == (True, None)
    assert (facts["whole"], facts["content"], facts["pins"]) == (False, None, [])
    assert "not as it was written" in facts["damage"]
    assert (text["whole"], bool(text["content"])) == (False, True)
    (folders[2] / f"{DOMAIN}.key").chmod(0o644)
    assert ask()["sites"][0]["releases"][0]["damage"] == f"{DOMAIN}.key has mode 0644"
    (folders[2] / CLIENT_CA).unlink()
    assert ask()["sites"][0]["releases"][0]["content"] is None


def test_each_site_of_a_host_is_told_and_one_that_is_gone_is_not(host: Host, ask: Any) -> None:
    host.apply(host.wish(), host.wish(OTHER))
    assert [site["domain"] for site in ask()["sites"]] == [OTHER, DOMAIN]
    host.apply(SiteWish(OTHER))
    assert [(site["domain"], site["previous"]) for site in ask()["sites"]] == [(DOMAIN, None)]


def test_a_host_without_that_httpd_says_so(ask: Any, tmp_path: Path) -> None:
    assert "nowhere.conf" in ask(httpd_config=str(tmp_path / "nowhere.conf"))["msg"]
