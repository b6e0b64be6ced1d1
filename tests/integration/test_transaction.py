# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction on a real httpd: a site is deployed, renewed, shown in check mode, and taken away again."""

from __future__ import annotations

import json
from pathlib import Path

from demo_material import Authority, key_pem, new_key
from host import DOMAIN, Host, tree

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish


def test_a_first_deployment_is_rehearsed_in_full_and_enforced_afterwards(host: Host) -> None:
    issued = host.public.issue(DOMAIN)
    parent = host.httpd.pid
    report = host.apply(host.wish(issued=issued))
    assert (report.changed, report.rehearsal, report.reloaded) == (True, "full", True)
    assert [(site["domain"], site["changed"], site["mutual_tls"]) for site in report.sites] == [
        (DOMAIN, True, "enforced")
    ]
    assert host.enforces()
    assert host.served() == issued.sha256
    assert host.httpd.pid == parent


def test_the_paths_of_the_reference_page_lead_to_the_current_release(host: Host) -> None:
    issued = host.public.issue(DOMAIN)
    host.apply(host.wish(issued=issued))
    assert (host.conf / f"{DOMAIN}.crt").read_bytes() == issued.full_pem
    assert (host.conf / f"{DOMAIN}.key").read_bytes() == issued.key_pem
    assert (host.conf / CLIENT_CA).read_bytes() == host.chat.pem
    assert (host.conf / f"{DOMAIN}.key").stat().st_mode & 0o777 == 0o600


def test_a_second_run_changes_not_a_byte_and_no_worker(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    before = host.state()
    report = host.apply(wish)
    assert (report.changed, report.reloaded, report.rehearsal) == (False, False, "none")
    assert report.sites[0]["mutual_tls"] == "enforced"
    assert host.state() == before


def test_a_renewal_serves_the_new_certificate_and_keeps_three_releases_to_go_back_to(host: Host) -> None:
    issued = [host.public.issue(DOMAIN) for _number in range(5)]
    sites = [host.apply(host.wish(issued=each)).sites[0] for each in issued]
    releases = [each["release"] for each in sites]
    assert host.served() == issued[-1].sha256
    assert {path.name for path in (host.store / DOMAIN / "releases").iterdir()} == set(releases[1:])
    assert (host.store / DOMAIN / "previous").resolve().name == releases[-2]
    assert [each["replaced"] for each in sites] == [None, *releases[:-1]]


def test_check_mode_rehearses_and_changes_nothing(host: Host) -> None:
    before = host.state()
    report = host.apply(host.wish(), check=True)
    assert (report.changed, report.rehearsal, report.reloaded) == (True, "full", True)
    assert report.sites[0]["mutual_tls"] == "unproven"
    assert host.state() == before
    assert "SSLVerifyClient require" in "".join(part["after"] for part in report.diff)


def test_check_mode_tells_of_a_fault_too(host: Host) -> None:
    assert "do not match" in host.refused(host.wish(key=key_pem(new_key())), check=True)


def test_check_mode_says_what_is_served_now(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    assert host.apply(host.wish(), check=True).sites[0]["mutual_tls"] == "unproven"


def test_the_diff_shows_which_client_cas_and_crls_come_and_go(host: Host) -> None:
    def shown(wish: SiteWish) -> dict[str, tuple[list[str], list[str]]]:
        report = host.apply(wish, check=True)
        return {
            Path(part["after_header"]).name: (part["before"].split("\n")[:-1], part["after"].split("\n")[:-1])
            for part in report.diff
            if "SHA-256" in part["before"] + part["after"]
        }

    issued, new = host.public.issue(DOMAIN), Authority("Chat's next CA")
    known, added = f"SHA-256 {host.chat.sha256}", f"SHA-256 {new.sha256}"
    first = host.wish(issued=issued)
    assert shown(first)[CLIENT_CA] == ([], [known])
    host.apply(first)
    crls = host.chat.crl() + new.crl()
    both = host.wish(issued=issued, client_ca=host.chat.pem + new.pem, crl=crls, crl_ends="2999-12-31T23:59:59Z")
    told = shown(both)
    assert told[CLIENT_CA] == ([known], [known, added])
    assert [len(lines) for lines in told[CRL]] == [0, 2]
    assert CLIENT_CA not in shown(host.wish())


def test_the_diff_shows_no_private_key(host: Host) -> None:
    report = host.apply(host.wish())
    assert report.diff
    assert "PRIVATE KEY" not in json.dumps(report.diff)


def test_a_removal_gives_back_every_byte(host: Host) -> None:
    before = tree(host.httpd.root)
    host.apply(host.wish())
    report = host.apply(SiteWish(DOMAIN))
    assert report.changed
    assert report.sites[0]["mutual_tls"] == "absent"
    assert tree(host.httpd.root) == before
    assert host.served() is None


def test_a_removal_gives_back_a_file_without_a_final_line_end(host: Host) -> None:
    host.httpd.conf.write_bytes(host.httpd.conf.read_bytes() + b"# the end")
    before = tree(host.httpd.root)
    host.apply(host.wish())
    assert host.enforces()
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


def test_a_removal_of_what_is_not_there_changes_nothing(host: Host) -> None:
    before = host.state()
    assert not host.apply(SiteWish(DOMAIN)).changed
    assert host.state() == before


def test_the_mode_of_the_users_file_stays(host: Host) -> None:
    host.httpd.conf.chmod(0o640)
    host.apply(host.wish())
    assert host.httpd.conf.stat().st_mode & 0o777 == 0o640
