# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that are cut short at any point: what they leave serves, and the next run heals."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from pathlib import Path

import pytest
from host import DOMAIN, Host, fingerprint, forked, processes_in, tree, until
from interrupting import killed_at, snapshots
from rehearsing import reduced
from users import manual_installation

from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Disk, Entry
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import rehearsal_folder
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

LONG = bool(os.environ.get("LONG"))


def put_back(host: Host, saved: Path) -> None:
    shutil.rmtree(host.conf)
    shutil.copytree(saved, host.conf, symlinks=True)


def whole(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Leave out unfinished files, which no name that httpd reads leads to, and folders of nothing else."""
    found = {path: entry for path, entry in found.items() if not path.endswith(".mtls-new")}
    full = {str(parent) for path, entry in found.items() if entry[3] is not None for parent in Path(path).parents}
    return {path: entry for path, entry in found.items() if entry[3] is not None or path in full}


@pytest.mark.parametrize(
    "case", ["first deployment", "renewal", "removal", "adoption", "giving back", "way back", "way on"]
)
def test_a_run_cut_at_any_point_leaves_a_server_that_starts_and_the_next_run_heals(stopped: Host, case: str) -> None:
    host = stopped
    first, second = host.wish(), host.wish()
    assert first.release
    before, old, new = {
        "first deployment": (None, SiteWish(DOMAIN), first),
        "renewal": (None, first, second),
        "removal": (None, first, SiteWish(DOMAIN)),
        "adoption": (None, SiteWish(DOMAIN), first),
        "giving back": (None, first, SiteWish(DOMAIN)),
        "way back": (first, second, SiteWish(DOMAIN, previous=True)),
        "way on": (first, second, SiteWish(DOMAIN, previous=True, back_to=first.release.name)),
    }[case]
    there = fingerprint(before or new)
    if case in ("adoption", "giving back"):
        manual_installation(host)
    for wish in filter(None, (before, old)):
        host.apply(wish, start=False, adopt=True)
    if case == "way on":  # to a release that is not the previous one, with one that is to go
        for wish in (host.wish(), host.wish(), second):
            host.apply(wish, start=False, adopt=True)
    old_tree = tree(host.conf.parent)
    cuts = snapshots(host, new)
    new_tree = tree(host.conf.parent)
    assert len(cuts) > 10
    for cut in cuts if LONG or case in ("first deployment", "renewal", "removal") else cuts[2::5]:
        put_back(host, cut)
        told = f"cut before change {cut.name} of {case}"
        host.httpd.start()
        served = host.served()
        host.httpd.stop()
        assert served in {fingerprint(old), there}, told
        switched = not (host.store / "journal").exists() and served == there
        wish, wanted = (new, new_tree) if switched else (old, old_tree)
        host.apply(wish, start=False, adopt=True)
        assert whole(tree(host.conf.parent)) == whole(wanted), told


@pytest.mark.parametrize("at", [8, 20, 30, 36])
def test_a_run_that_is_killed_beside_a_live_server_is_healed_by_the_next(host: Host, at: int) -> None:
    first, second = host.wish(), host.wish()
    host.apply(first)
    assert forked(lambda: killed_at(at, host.conf, lambda: host.apply(second))) == -signal.SIGKILL
    assert host.served() in {fingerprint(first), fingerprint(second)}
    host.apply(second)
    assert host.served() == fingerprint(second)
    assert host.enforces()
    assert not (host.store / "journal").exists()
    assert not host.apply(second).changed


def journal_of_a_killed_run(host: Host, wish: SiteWish, *, reloaded: bool = False) -> None:
    """Leave what a run leaves that is killed after its switch, before it reloads, or as late as it can be."""

    class Cut(Disk):
        def put(self, path: str, entry: Entry) -> None:
            if reloaded and path.endswith("journal") and entry is None:
                os.kill(os.getpid(), signal.SIGKILL)
            super().put(path, entry)
            if not reloaded and path.endswith(CLIENT_CA):
                os.kill(os.getpid(), signal.SIGKILL)

    assert forked(lambda: host.apply(wish, disk=Cut())) == -signal.SIGKILL
    assert (host.store / "journal").exists()


def test_check_mode_leaves_a_killed_run_to_the_next_real_one(host: Host) -> None:
    wish = host.wish()
    journal_of_a_killed_run(host, wish)
    assert "run without check mode" in host.refused(wish, check=True)
    report = host.apply(wish)
    assert report.healed == ["a run that was killed was undone by its journal"]
    assert host.enforces()


def test_a_run_that_is_killed_once_it_has_started_httpd_is_healed_beside_the_live_server(stopped: Host) -> None:
    wish = stopped.wish()
    journal_of_a_killed_run(stopped, wish, reloaded=True)
    parent = stopped.httpd.pid
    assert parent
    assert stopped.apply(wish).healed == ["a run that was killed was undone by its journal"]
    assert stopped.enforces()
    assert stopped.httpd.pid == parent
    assert not stopped.apply(wish).changed


def test_a_run_that_heals_and_is_refused_leaves_what_the_live_server_serves_from(host: Host) -> None:
    first, second = host.wish(), host.wish()
    host.apply(first)
    before = tree(host.httpd.root)
    journal_of_a_killed_run(host, second, reloaded=True)
    assert host.served() == fingerprint(second)
    with pytest.raises(Refused, match="was undone by its journal"):
        host.apply(host.wish(extra="SSLVerifyClient none"))
    assert host.served() == fingerprint(second)
    assert host.enforces()
    assert host.apply(first).reloaded
    assert host.served() == fingerprint(first)
    assert tree(host.httpd.root) == before


def test_a_reduced_rehearsal_that_is_killed_at_any_change_leaves_no_key_and_no_process(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = host.wish()
    folder = Path(rehearsal_folder(str(host.conf)))
    before = processes_in(host.httpd.root)
    with reduced(host, "no namespaces", monkeypatch):
        for at in itertools.count(1):
            killed = forked(lambda at=at: killed_at(at, folder, lambda: host.apply(wish, check=True)))
            assert until(lambda: not folder.exists() and not processes_in(folder)), f"killed at change {at}"
            if killed == 0:
                break
            assert killed == -signal.SIGKILL
    assert at > 10
    assert processes_in(host.httpd.root) == before
