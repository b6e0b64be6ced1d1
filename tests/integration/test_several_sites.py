# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several sites of one host: one transaction for all that a run names, and the others stay."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import pytest
from demo_material import Authority, Issued, key_pem, new_key
from embedded_httpd import free_port
from host import DOMAIN, OTHER, Host
from rehearsing import reduced

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish


def test_several_sites_are_one_transaction(host: Host) -> None:
    report = host.apply(host.wish(), host.wish(OTHER))
    assert [site["changed"] for site in report.sites] == [True, True]
    assert host.enforces()
    assert host.enforces(OTHER)


def test_of_several_sites_one_that_is_bad_stops_all(host: Host) -> None:
    message = host.refused(host.wish(), host.wish(OTHER, key=key_pem(new_key())))
    assert OTHER in message
    assert DOMAIN not in message


def test_faults_of_all_sites_are_named_at_once(host: Host) -> None:
    message = host.refused(host.wish(extra="SSLVerifyClient none"), host.wish(OTHER, extra="SSLVerifyClient optional"))
    assert DOMAIN in message
    assert OTHER in message


SEVERAL: dict[str, tuple[tuple[str, Any], tuple[str, Any]]] = {
    "lines that httpd does not read": (("extra", "Bogus one"), ("extra", "Bogus two")),
    "keys of other certificates": (("key", key_pem(new_key())), ("key", key_pem(new_key()))),
    "a client CA that is none": (("client_ca", b"none"), ("key", key_pem(new_key()))),
    "a door that is open": (("extra", "Bogus one"), ("extra", "SSLVerifyClient none")),
}


@pytest.mark.parametrize(
    ("faults", "why"),
    [*((name, "") for name in SEVERAL), ("a door that is open", "no namespaces")],
)
def test_faults_at_which_httpd_ends_hide_no_other_sites_faults_and_nothing_of_several_changes(
    host: Host, faults: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, third = "good.example.com", "third.example.com"
    issued = {domain: host.public.issue(domain) for domain in (DOMAIN, OTHER, good)}
    host.apply(*(host.wish(domain, issued=issued[domain]) for domain in issued))
    (name, value), (other, instead) = SEVERAL[faults]
    wishes = (host.wish(**{name: value}), host.wish(good), host.wish(OTHER, **{other: instead}), host.wish(third))
    with reduced(host, why, monkeypatch) if why else nullcontext():
        message = host.refused(*wishes, times=not why)
    assert [domain in message for domain in (DOMAIN, OTHER, good, third)] == [True, True, False, False]
    assert {domain: host.served(domain) for domain in issued} == {
        domain: each.sha256 for domain, each in issued.items()
    }


def test_certificates_that_are_late_by_the_hosts_clock_are_all_named(host: Host) -> None:
    message = host.refused(host.wish(ends="2001-01-01T00:00:00Z"), host.wish(OTHER, begins="2998-01-01T00:00:00Z"))
    assert f"{DOMAIN}: a certificate ended" in message
    assert f"{OTHER}: a certificate is not valid before" in message


def test_sites_without_a_release_to_go_back_to_are_all_named(host: Host) -> None:
    host.apply(host.wish())
    message = host.refused(SiteWish(DOMAIN, previous=True), SiteWish(OTHER, previous=True))
    assert DOMAIN in message
    assert f"{OTHER}: there is no such site on this host" in message


def test_a_site_that_is_not_among_the_wishes_stays(host: Host) -> None:
    kept = host.wish()
    host.apply(kept)
    host.apply(host.wish(OTHER))
    assert host.enforces()
    assert host.enforces(OTHER)
    host.apply(SiteWish(OTHER))
    assert host.enforces()
    assert not host.apply(kept).changed


def test_sites_with_different_client_cas_publish_none(host: Host) -> None:
    second = Authority("Another client CA")
    host.apply(host.wish(), host.wish(OTHER, client_ca=second.pem))
    assert not os.path.lexists(host.conf / CLIENT_CA)
    host.apply(SiteWish(OTHER))
    assert (host.conf / CLIENT_CA).read_bytes() == host.chat.pem


def test_sites_of_one_run_have_a_client_ca_a_policy_and_a_port_of_their_own(host: Host) -> None:
    cas = {domain: Authority(f"Client CA of {domain}") for domain in (DOMAIN, OTHER, "third.example.com")}
    third = free_port()
    policies: dict[str, dict[str, Any]] = {
        DOMAIN: {"tls_profile": "modern"},
        OTHER: {"verify_client": "optional"},
        "third.example.com": {"allowed": [{"subject": "CN=Chat"}], "port": third},
    }
    wishes = [host.wish(domain, client_ca=cas[domain].pem, **policies[domain]) for domain in cas]
    assert [site["changed"] for site in host.apply(*wishes).sites] == [True, True, True]

    def answers(domain: str, client: Issued | None) -> list[str]:
        port = third if domain == "third.example.com" else host.port
        return [answer.result for answer in host.answers(client, domain=domain, port=port).values()]

    got_in, refused, modern = ["accepted"] * 2, ["refused"] * 2, ["unproven", "accepted"]
    for domain, ca in cas.items():
        chat, other = (ca.issue(client=True, common_name=name) for name in ("Chat", "Other"))
        for each in cas:
            own = modern if each == DOMAIN else got_in
            no = ["unproven", "refused"] if each == DOMAIN else refused
            assert (domain, each, answers(each, chat)) == (domain, each, own if each == domain else no)
            wanted = own if each == domain and each != "third.example.com" else no
            assert (domain, each, answers(each, other)) == (domain, each, wanted)
    assert [answers(each, None) for each in cas] == [["unproven", "refused"], got_in, refused]
    assert not host.apply(*wishes).changed


def test_two_sites_of_ours_with_one_name_are_refused(host: Host) -> None:
    one, other = host.wish(aliases=(OTHER,)), host.wish(OTHER)
    assert f"has the name {OTHER} too" in host.refused(one, other)
    host.apply(one)
    assert f"has the name {OTHER} too" in host.refused(other)
