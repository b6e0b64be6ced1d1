# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store: what a release is named, how it is written, and how one goes back."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.quoting import RELEASE
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Change,
    Disk,
    Entry,
    File,
    Link,
    StoreError,
    entry_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, EMPTY, FACTS, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.history import (
    HISTORY,
    Kept,
    choose_kept,
    read_history,
    write_history,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import locked
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

DOMAIN = "www.example.com"
FILES = st.dictionaries(st.text(max_size=4), st.binary(max_size=4), max_size=4)


def release(text: str = "") -> Release:
    return Release(
        DOMAIN,
        {
            f"{DOMAIN}.crt": b"certificate",
            CLIENT_CA: b"ca",
            FACTS: b"{}",
            SITE: f'SSLCertificateFile "{RELEASE}/{DOMAIN}.crt" {text}'.encode(),
        },
        Secret(b"key"),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def put(store: Store, wanted: Release) -> str:
    """Write a release, and make it the current one."""
    folder = store.place(wanted)
    store.stage(wanted, folder)
    store.disk.put(store.path(DOMAIN, "current"), Link(f"releases/{os.path.basename(folder)}"))
    return folder


# -- names


@given(FILES, FILES)
def test_releases_have_one_name_when_all_names_and_contents_are_equal(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (Release("a", one).name == Release("a", other).name) == (one == other)


@given(FILES)
def test_the_order_of_the_files_makes_no_difference(files: dict[str, bytes]) -> None:
    assert Release("a", files).name == Release("a", dict(reversed(list(files.items())))).name


def test_bytes_that_move_from_a_name_to_a_content_make_another_release() -> None:
    assert Release("a", {"ab": b"c"}).name != Release("a", {"a": b"bc"}).name


def test_the_private_key_is_a_part_of_the_name_as_the_file_that_it_becomes() -> None:
    one, other, without = (Release("a", {"b": b"c"}, key) for key in (Secret(b"1"), Secret(b"2"), None))
    assert len({one.name, other.name, without.name}) == 3
    # Not by what this collection does now: releases on hosts have such names.
    parts = (b"a.key", b"1", b"b", b"c")
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts))
    assert one.name == digest.hexdigest()[:16]


def test_the_private_key_is_no_public_file() -> None:
    with pytest.raises(ValueError, match="not a public one"):
        Release("a", {"a.key": b"1"})
    assert Release("a", {"b.crt": b"1"}, Secret(b"2")).key_file == "a.key"


def test_the_folder_of_a_release_does_not_change_its_name(tmp_path: Path) -> None:
    assert release().filled(str(tmp_path))[SITE].content != release().public[SITE]
    assert release().name == release().name


# -- writing


def test_a_staged_release_is_whole_with_the_key_for_its_owner_alone(store: Store) -> None:
    folder = Path(put(store, release()))
    assert store.whole(release(), str(folder))
    assert (folder / f"{DOMAIN}.key").stat().st_mode & 0o777 == 0o600
    assert (folder / f"{DOMAIN}.crt").stat().st_mode & 0o777 == 0o644
    assert (folder / SITE).read_text() == f'SSLCertificateFile "{folder}/{DOMAIN}.crt" '
    assert os.listdir(folder / EMPTY) == []
    assert store.domains() == [DOMAIN]


def test_modes_do_not_depend_on_the_umask(store: Store) -> None:
    before = os.umask(0o077)
    try:
        folder = Path(put(store, release()))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent, folder.parent.parent, folder / EMPTY)} == {
        0o755
    }
    assert (folder / SITE).stat().st_mode & 0o777 == 0o644


DAMAGE = {
    "a changed file": lambda folder: (folder / SITE).write_text("x"),
    "a missing file": lambda folder: (folder / CLIENT_CA).unlink(),
    "a file more": lambda folder: (folder / "more").write_text(""),
    "a changed mode": lambda folder: (folder / f"{DOMAIN}.key").chmod(0o640),
    "a link for a file": lambda folder: ((folder / CLIENT_CA).unlink(), (folder / CLIENT_CA).symlink_to("/dev/null")),
    "something in the empty folder": lambda folder: (folder / EMPTY / "x").write_text(""),
    "no empty folder": lambda folder: (folder / EMPTY).rmdir(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_release_is_noticed_and_replaced_beside_it(store: Store, damage: object) -> None:
    assert callable(damage)
    folder = put(store, release())
    assert store.place(release()) == folder
    damage(Path(folder))
    assert store.place(release()) == folder + ".1"
    assert store.whole(release(), put(store, release()))


def test_what_a_killed_run_left_half_written_is_written_anew(store: Store) -> None:
    folder = Path(store.place(release()))
    half = folder.with_name("." + folder.name)
    half.mkdir(parents=True)
    (half / "rest").write_text("x")
    store.stage(release(), str(folder))
    assert store.whole(release(), str(folder))
    assert not half.exists()


def test_pruning_keeps_the_current_and_the_previous_release_alone(store: Store) -> None:
    folders = [put(store, release(text)) for text in ("a", "b", "c")]
    store.disk.put(store.path(DOMAIN, "previous"), Link(f"releases/{os.path.basename(folders[1])}"))
    assert store.leftovers()
    store.prune()
    assert not store.leftovers()
    assert sorted(os.listdir(store.path(DOMAIN, "releases"))) == sorted(os.path.basename(each) for each in folders[1:])


def test_pruning_keeps_what_the_history_names_too(store: Store) -> None:
    names = [os.path.basename(put(store, release(text))) for text in ("a", "b", "c")]
    store.disk.put(store.path(DOMAIN, HISTORY), File(write_history([Kept(names[0]), Kept(names[2])])))
    store.prune()
    assert not store.leftovers()
    assert sorted(os.listdir(store.path(DOMAIN, "releases"))) == sorted([names[0], names[2]])


NAMES = st.integers(0, 30).map(lambda number: f"{number:016x}")
RELEASES = st.lists(NAMES, unique=True, max_size=8).map(
    lambda names: [Kept(name, f"2026-11-23T16:39:{second:02}Z" if second else "") for second, name in enumerate(names)]
)


@given(RELEASES)
def test_a_history_is_read_as_it_was_written(kept: list[Kept]) -> None:
    assert read_history(write_history(kept)) == kept


@given(st.binary())
def test_no_bytes_are_a_history_that_cannot_be_read(content: bytes) -> None:
    assert all(len(each.name) == 16 for each in read_history(content))


@given(RELEASES, NAMES, NAMES, st.integers(1, 5))
def test_the_newest_are_kept_in_their_order_and_the_way_back_among_them(
    before: list[Kept], current: str, previous: str, keep: int
) -> None:
    chosen = choose_kept(before, Kept(current), previous, keep)
    others = [each for each in before if each.folder != current]
    assert chosen[-1] == Kept(current)
    assert [each for each in others if each in chosen] == chosen[:-1]
    assert len(chosen) == 1 + min(keep, len(others))
    left = [each for each in others if each not in chosen]
    assert previous not in {each.folder for each in left}
    newer = [each for each in chosen[:-1] if each.folder != previous]
    assert all(others.index(one) < others.index(two) for one in left for two in newer)


def test_pruning_takes_away_what_no_link_leads_to_and_what_is_empty(store: Store) -> None:
    store.stage(release(), store.place(release()))
    assert store.leftovers()
    store.prune()
    assert not os.path.lexists(store.root)


# -- going back


ENTRIES = {
    "nothing": None,
    "a link": Link("releases/0123456789abcdef"),
    "a file": File(b"\x00old\xff", 0o640),
}


@pytest.mark.parametrize("before", ENTRIES.values(), ids=ENTRIES.keys())
@pytest.mark.parametrize("after", ENTRIES.values(), ids=ENTRIES.keys())
def test_every_entry_comes_back_by_the_journal(store: Store, tmp_path: Path, before: Entry, after: Entry) -> None:
    path = str(tmp_path / "entry")
    store.disk.put(path, before)
    found = entry_of(path)
    changes = [Change(path, found, after)]
    store.note(changes)
    assert os.stat(store.path("journal")).st_mode & 0o777 == 0o600
    store.switch(changes)
    assert store.undo()
    assert entry_of(path) == found
    assert store.undo()
    assert entry_of(path) == found
    store.done()
    assert not store.undo()


def test_several_changes_of_one_path_are_undone_in_their_order(store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "host.conf")
    one, two = File(b"1"), File(b"2")
    changes = [Change(path, None, one), Change(path, one, two)]
    store.note(changes)
    store.switch(changes)
    store.undo()
    assert entry_of(path) is None


def test_a_journal_holds_no_content_of_a_release(store: Store) -> None:
    put(store, release())
    path = store.path(DOMAIN, "current")
    store.note([Change(path, entry_of(path), Link("releases/0123456789abcdef"))])
    told = json.loads(Path(store.path("journal")).read_text())
    assert [entry[0] for entry in told] == [path]
    assert "content" not in json.dumps(told)


def test_a_put_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / "x").write_text("")
    with pytest.raises(OSError, match="directory"):
        Disk().put(str(tmp_path / "entry"), File(b"new"))
    assert (tmp_path / "entry" / "x").exists()


def test_a_release_gets_its_name_when_all_that_is_in_it_is_durable(tmp_path: Path) -> None:
    class Noted(Disk):
        def __init__(self) -> None:
            self.unsynced: set[str] = set()

        def write(self, path: str, file: File) -> None:
            super().write(path, file)
            self.unsynced.add(os.path.dirname(path))

        def _sync(self, folder: str) -> None:
            super()._sync(folder)
            self.unsynced.discard(folder)

        def rename(self, old: str, new: str) -> None:
            assert old not in self.unsynced
            super().rename(old, new)

    put(Store(str(tmp_path), Noted()), release())


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("stays")
    (tmp_path / "entry").symlink_to("target")
    Disk().put(str(tmp_path / "entry"), File(b"new", 0o600))
    assert (tmp_path / "target").read_text() == "stays"
    assert entry_of(str(tmp_path / "entry")) == File(b"new", 0o600, os.geteuid(), os.getegid())


# -- what is refused


def test_a_folder_where_a_file_of_ours_belongs_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is neither a file nor a link"):
        entry_of(str(tmp_path))


def test_a_folder_that_everybody_can_change_is_refused(store: Store, tmp_path: Path) -> None:
    store.check()
    (tmp_path / "mtls").mkdir()
    (tmp_path / "mtls").chmod(0o777)
    with pytest.raises(StoreError, match="can be changed by others"):
        store.check()


def test_a_link_in_the_place_of_the_store_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mtls").symlink_to("elsewhere")
    with pytest.raises(StoreError, match="is not a directory"):
        store.check()


@pytest.mark.parametrize("target", ["/etc", "../..", "releases/../x", "releases/0123456789abcdef/..", "releases/x"])
def test_a_current_link_that_leads_elsewhere_is_none(store: Store, target: str) -> None:
    store.disk.folder(store.root)
    store.disk.folder(store.path(DOMAIN))
    os.symlink(target, store.path(DOMAIN, "current"))
    assert store.current(DOMAIN) == ""


def test_a_lock_is_one_runs_alone_and_its_holder_is_named(tmp_path: Path) -> None:
    with locked(str(tmp_path), 0):
        with pytest.raises(StoreError, match=f"process {os.getpid()}"), locked(str(tmp_path), 0.1):
            pass
        assert os.listdir(tmp_path) == []
    with locked(str(tmp_path), 0):
        pass
