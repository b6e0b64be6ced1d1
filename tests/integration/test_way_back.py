# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back to the previous release."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from host import DOMAIN, Host, fingerprint

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.history import HISTORY
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish


def release_of(wish: SiteWish) -> str:
    """Return the name of the release that is wished for."""
    assert wish.release
    return wish.release.name


def kept(host: Host) -> list[str]:
    """Return the names of the releases that the host keeps, the current one last."""
    return [each.name for each in Store(str(host.conf)).kept(DOMAIN)]


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
    kept = {path.name.partition(".")[0] for path in (host.store / DOMAIN / "releases").iterdir()}
    assert kept == {release_of(second), release_of(third)}, "what was edited is gone, what is whole is kept"


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


def test_each_release_that_is_kept_comes_back_by_its_name_and_leads_forward_again(host: Host) -> None:
    wishes = [host.wish() for _number in range(4)]
    for wish in wishes:
        host.apply(wish)
    names = [release_of(wish) for wish in wishes]
    assert kept(host) == names
    for wish in (wishes[0], wishes[2], wishes[3]):
        report = host.apply(SiteWish(DOMAIN, previous=True, back_to=release_of(wish)))
        assert (report.changed, report.rehearsal, report.sites[0]["release"]) == (True, "full", release_of(wish))
        assert host.served() == fingerprint(wish)
        assert host.enforces()
    assert kept(host) == [names[1], names[0], names[2], names[3]]


def test_going_back_to_the_release_that_is_current_changes_nothing(host: Host) -> None:
    first, second = host.wish(), host.wish()
    host.apply(first)
    host.apply(second)
    before = host.state()
    assert not host.apply(SiteWish(DOMAIN, previous=True, back_to=release_of(second))).changed
    assert host.state() == before


def test_a_release_that_is_not_kept_is_refused_and_those_that_are_there_are_named(host: Host) -> None:
    wishes = [host.wish() for _number in range(3)]
    for wish in wishes:
        host.apply(wish, keep_releases=1)
    first, second, third = map(release_of, wishes)
    message = host.refused(SiteWish(DOMAIN, previous=True, back_to=first))
    assert (
        f"{DOMAIN}: there is no release {first} on this host, whose releases are: {third} (current), {second}"
        in message
    )
    assert host.apply(SiteWish(DOMAIN, previous=True, back_to=second)).changed


def test_a_release_that_a_hand_changed_is_refused_by_its_name_and_its_neighbour_is_not(host: Host) -> None:
    wishes = [host.wish() for _number in range(3)]
    for wish in wishes:
        host.apply(wish)
    first, second, _third = map(release_of, wishes)
    (host.store / DOMAIN / "releases" / first / SITE).write_text("# nothing\n")
    assert "not as it was written" in host.refused(SiteWish(DOMAIN, previous=True, back_to=first))
    assert host.apply(SiteWish(DOMAIN, previous=True, back_to=second)).changed


def test_a_release_that_has_ended_is_refused_by_its_name_unless_it_is_forced(host: Host) -> None:
    old = host.wish(ends="2020-01-31T23:59:59Z")
    host.apply(replace(old, force=True))
    for _number in range(2):
        host.apply(host.wish())
    assert "2020-01-31T23:59:59Z" in host.refused(SiteWish(DOMAIN, previous=True, back_to=release_of(old)))
    assert host.apply(SiteWish(DOMAIN, previous=True, back_to=release_of(old), force=True)).changed


def test_the_release_of_a_plain_way_back_is_kept_however_few_are(host: Host) -> None:
    first, second, third = host.wish(), host.wish(), host.wish()
    for wish in (first, second):
        host.apply(wish, keep_releases=1)
    (host.store / DOMAIN / "current" / SITE).write_text("# nothing\n")
    host.apply(third, keep_releases=1)
    assert kept(host) == [release_of(first), release_of(third)]
    assert host.apply(SiteWish(DOMAIN, previous=True)).sites[0]["release"] == release_of(first)


def test_what_is_kept_follows_the_order_of_the_changes_whatever_the_clock_said(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes = [host.wish() for _number in range(3)]
    host.apply(wishes[0])
    with monkeypatch.context() as earlier:
        moment = time.gmtime(1_700_000_000)
        earlier.setattr(run.time, "gmtime", lambda *_given: moment)
        host.apply(wishes[1])
    host.apply(wishes[2], keep_releases=1)
    assert kept(host) == [release_of(wishes[1]), release_of(wishes[2])]
    assert Store(str(host.conf)).kept(DOMAIN)[0].since == "2023-11-14T22:13:20Z"


def test_a_history_that_a_hand_spoilt_costs_the_older_releases_alone(host: Host) -> None:
    wishes = [host.wish() for _number in range(3)]
    for wish in wishes:
        host.apply(wish)
    (host.store / DOMAIN / HISTORY).write_bytes(b"\xff nothing\n")
    report = host.apply(wishes[2])
    assert "left over" in report.healed[0]
    assert host.served() == fingerprint(wishes[2])
    assert kept(host) == [release_of(wishes[1]), release_of(wishes[2])]
    assert host.apply(SiteWish(DOMAIN, previous=True)).changed
