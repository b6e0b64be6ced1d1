# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back to the previous release."""

from __future__ import annotations

import time

import pytest
from host import DOMAIN, Host, fingerprint

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish


def test_the_previous_release_comes_back_without_its_material(host: Host) -> None:
    first, second = host.wish(), host.wish()
    host.apply(first)
    host.apply(second)
    report = host.apply(SiteWish(DOMAIN, previous=True))
    assert first.release
    assert (report.changed, report.rehearsal, report.sites[0]["release"]) == (True, "full", first.release.name)
    assert host.served() == first.release.facts.certificate_sha256


def test_going_back_twice_is_going_back_once(host: Host) -> None:
    host.apply(host.wish())
    host.apply(host.wish())
    host.apply(SiteWish(DOMAIN, previous=True))
    before = host.state()
    assert not host.apply(SiteWish(DOMAIN, previous=True)).changed
    assert host.state() == before


def test_the_release_to_go_back_to_is_never_one_that_a_hand_has_edited(host: Host) -> None:
    first, second, third = host.wish(), host.wish(), host.wish()
    assert first.release
    for wish in (first, second):
        host.apply(wish)
    for wish in (second, third):  # Healed, and replaced.
        (host.store / DOMAIN / "current" / SITE).write_text("# nothing\n")
        host.apply(wish)
        assert (host.store / DOMAIN / "previous").samefile(host.store / DOMAIN / "releases" / first.release.name)
    host.apply(SiteWish(DOMAIN, previous=True))
    (host.store / DOMAIN / "current" / SITE).write_text("# nothing\n")
    host.apply(first)
    assert not host.apply(SiteWish(DOMAIN, previous=True)).changed
    (host.store / DOMAIN / "current" / SITE).write_text("# nothing\n")
    host.apply(second)
    assert "no previous release" in host.refused(SiteWish(DOMAIN, previous=True))
    assert len(list((host.store / DOMAIN / "releases").iterdir())) == 1


def test_a_site_with_one_release_has_none_to_go_back_to(host: Host) -> None:
    host.apply(host.wish())
    assert "no previous release" in host.refused(SiteWish(DOMAIN, previous=True))


def test_a_misspelt_domain_to_go_back_with_is_told_from_one_with_a_single_release(host: Host) -> None:
    words = "www.exmaple.com: there is no such site on this host, whose sites are: "
    assert f"{words}none" in host.refused(SiteWish("www.exmaple.com", previous=True))
    host.apply(host.wish())
    assert f"{words}{DOMAIN}. Correct the name" in host.refused(SiteWish("www.exmaple.com", previous=True))


@pytest.mark.parametrize("what", ["ends", "crl_ends"])
def test_a_previous_release_that_has_ended_is_refused_unless_forced(
    host: Host, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = host.wish(crl=host.chat.crl(), **{what: "2030-01-31T23:59:59Z"})
    host.apply(old)
    host.apply(host.wish())
    with monkeypatch.context() as later:
        moment = time.gmtime(2_000_000_000)
        later.setattr(run.time, "gmtime", lambda: moment)
        message = host.refused(SiteWish(DOMAIN, previous=True))
        assert "2030-01-31T23:59:59Z" in message
        assert "set 'force'" in message
        host.apply(SiteWish(DOMAIN, previous=True, force=True))
    assert host.served() == fingerprint(old)


def test_a_previous_release_that_a_hand_changed_is_refused(host: Host) -> None:
    host.apply(host.wish())
    host.apply(host.wish())
    site = next((host.store / DOMAIN).glob("previous/site.conf"))
    site.write_text(site.read_text().replace("SSLVerifyClient require", "SSLVerifyClient none"))
    assert "not as it was written" in host.refused(SiteWish(DOMAIN, previous=True))
