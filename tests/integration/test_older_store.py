# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What commit 92ab8a6 left on a host, before there was a release of the collection, is read by the code of today.

It was made once, by that commit's own code: see tests/fixtures/left_by_92ab8a6/make.py.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from embedded_httpd import EmbeddedHttpd
from host import COLLECTION, DOMAIN, Host, tree

from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import entry_of
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, FACTS
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release, key_file
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import renewal
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish, Sources
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo_material import Authority

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Probes

LEFT = COLLECTION / "tests" / "fixtures" / "left_by_92ab8a6"
ROOT = Path("/tmp/mtls-left-by-92ab8a6")  # written in what was left
RENEWED = "renewed.example.com"
ADDRESS, PORT = "127.92.8.6", 10443
HOST_FILE = "conf/mtls/host.conf"
PROGRAM = ROOT / "own" / "renew"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what was left belongs to root")


def unpack(name: str) -> None:
    # An older Python knows no filter, and a newer one warns where none is named.
    whole: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    with tarfile.open(LEFT / f"{name}.tar.xz") as archive:
        archive.extractall(ROOT, **whole)


@pytest.fixture
def host(authority: Authority, chat: Authority, probes: Probes) -> Iterator[Host]:
    """Give a host as that commit left it: two sites, one of them with material of the host, and an adopted key."""
    with Path(f"{ROOT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # There is one such path, whoever else runs this.
        shutil.rmtree(ROOT, ignore_errors=True)
        httpd = EmbeddedHttpd(ROOT)
        httpd.lay_out()
        text = httpd.conf.read_text()
        unpack("settled")
        httpd.conf.write_text(text + httpd.conf.read_text().splitlines(keepends=True)[-1])
        try:
            httpd.start()
            yield Host(httpd, authority, chat, PORT, probes)
        finally:
            httpd.stop()
            shutil.rmtree(ROOT)


def releases_by_name() -> dict[str, Release]:
    """Return the releases that were wished for, by what they are called in the archive."""
    told = json.loads((ROOT / "own" / "wishes.json").read_text())
    found = {}
    for name, files in told.items():
        domain = RENEWED if name == "renewed" else DOMAIN
        public = {each: base64.b64decode(content) for each, content in files.items()}
        key = public.pop(key_file(domain), None)
        found[name] = Release(domain, public, None if key is None else Secret(key))
    return found


def same(host: Host) -> SiteWish:
    """Return the wish that is in force."""
    return SiteWish(DOMAIN, releases_by_name()["second"])


def changed(before: dict[str, tuple[object, ...]]) -> set[str]:
    """Return the files that are others than before."""
    after = tree(ROOT)
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}


def of_this_host() -> set[str]:
    """Return what a run may change for this host's sake: its OpenSSL may know curves that the one of then did not."""
    return {HOST_FILE} if "MTLS_HTTPD_X25519MLKEM768" in (ROOT / HOST_FILE).read_text() else set()


def test_its_releases_are_read_under_the_names_that_they_have(host: Host) -> None:
    store, wished = Store(str(host.conf)), releases_by_name()
    assert store.domains() == [RENEWED, DOMAIN]
    for link, name in ("current", "second"), ("previous", "first"):
        release = store.read(DOMAIN, link)
        assert release == wished[name]
        assert release.name == os.path.basename(os.readlink(store.path(DOMAIN, link)))
        assert store.whole(release, store.path(DOMAIN, "releases", release.name))
    facts = store.facts(RENEWED)
    assert (facts.domain, facts.listen, facts.renewal_hook) == (RENEWED, (ADDRESS,), str(PROGRAM))
    assert store.read(RENEWED, "current").private_key == Secret((ROOT / "own" / "own.key").read_bytes())


def test_the_same_wish_changes_nothing(host: Host) -> None:
    before = tree(ROOT)
    report = host.apply(same(host), adopt=True)
    assert [(site["changed"], site["mutual_tls"]) for site in report.sites] == [(False, "enforced")]
    assert changed(before) == of_this_host()
    assert report.changed == bool(of_this_host())
    assert report.healed == []


def test_a_site_of_the_hosts_own_material_gets_the_program_of_today_and_nothing_else(host: Host) -> None:
    sources = Sources(str(ROOT / "own" / "own.crt"), str(ROOT / "own" / "own.key"))
    wish = SiteWish(RENEWED, releases_by_name()["renewed"], sources=sources)
    before = tree(ROOT)
    report = host.apply(wish, adopt=True)
    assert [site["changed"] for site in report.sites] == [False]
    assert changed(before) - of_this_host() == {str(PROGRAM.relative_to(ROOT))}
    assert renewal.request(str(PROGRAM)).wishes[0].sources == sources


def test_it_goes_back_to_the_release_before(host: Host) -> None:
    wished = releases_by_name()
    first = (wished["first"].facts.certificate_sha256, wished["second"].facts.certificate_sha256)
    assert host.served(address=ADDRESS) == first[1]
    report = host.apply(SiteWish(DOMAIN, previous=True))
    assert report.sites[0]["release"] == wished["first"].name
    assert host.served(address=ADDRESS) == first[0]


def test_its_two_releases_are_kept_beside_a_new_one_and_their_moments_are_told_where_they_are_known(host: Host) -> None:
    store, wished = Store(str(host.conf)), releases_by_name()
    first, second = wished["first"].name, wished["second"].name
    before = store.kept(DOMAIN)
    assert [each.name for each in before] == [first, second]
    made = os.lstat(store.path(DOMAIN, "current")).st_mtime
    assert [each.since for each in before] == ["", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made))]
    facts = replace(wished["second"].facts, aliases=("more.example.com",))
    new = replace(wished["second"], public={**wished["second"].public, FACTS: facts.content})
    host.apply(SiteWish(DOMAIN, new), adopt=True)
    assert [each.name for each in store.kept(DOMAIN)] == [first, second, new.name]
    assert store.kept(DOMAIN)[:2] == before
    assert host.apply(SiteWish(DOMAIN, previous=True, back_to=first)).sites[0]["release"] == first


def test_what_it_switches_after_a_history_was_written_is_told_by_its_links(host: Host) -> None:
    store = Store(str(host.conf))
    host.apply(SiteWish(DOMAIN, previous=True))
    first, second = (releases_by_name()[name].name for name in ("first", "second"))
    assert [each.name for each in store.kept(DOMAIN)] == [second, first]
    current = store.path(DOMAIN, "current")
    os.unlink(current)
    os.symlink(f"releases/{second}", current)
    assert [each.name for each in store.kept(DOMAIN)] == [first, second]


def test_a_run_of_it_that_was_killed_is_undone_by_its_journal(host: Host) -> None:
    settled = tree(ROOT)
    unpack("killed")
    store = Store(str(host.conf))
    assert os.path.lexists(store.path("journal"))
    assert store.current(DOMAIN) not in {release.name for release in releases_by_name().values()}
    report = host.apply(same(host), adopt=True)
    assert report.healed[0] == "a run that was killed was undone by its journal"
    assert changed(settled) == of_this_host()
    assert host.served(address=ADDRESS) == releases_by_name()["second"].facts.certificate_sha256


def test_its_program_is_known_as_ours_and_goes_with_its_site(host: Host) -> None:
    assert renewal.is_ours(entry_of(str(PROGRAM)))
    host.apply(SiteWish(RENEWED))
    assert not PROGRAM.exists()
    assert Store(str(host.conf)).domains() == [DOMAIN]


def test_its_sites_are_removed_and_what_was_adopted_comes_back(host: Host) -> None:
    adopted = (host.conf / f"{DOMAIN}.key.before-mtls").read_bytes()
    host.apply(SiteWish(DOMAIN), SiteWish(RENEWED))
    assert not host.store.exists()
    assert {path.name for path in host.conf.iterdir()} == {"httpd.conf", "mime.types", f"{DOMAIN}.key"}
    assert (host.conf / f"{DOMAIN}.key").read_bytes() == adopted
    assert not (host.conf / CLIENT_CA).exists()
    assert "mtls" not in host.httpd.conf.read_text().replace(str(ROOT), "")
