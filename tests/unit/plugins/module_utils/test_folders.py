# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found in folders that httpd serves, and where the looking ends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
from ansible_collections.mtls.httpd.plugins.module_utils._machine.mounts import Mounts
from ansible_collections.mtls.httpd.plugins.module_utils._machine.stand_ins import StandIns
from ansible_collections.mtls.httpd.plugins.module_utils._site import folders
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import Canaries
from ansible_collections.mtls.httpd.plugins.module_utils._site.folders import Folders, Lying, find_hard_linked, is_ruled

if TYPE_CHECKING:
    from pathlib import Path


def test_links_to_folders_and_ruled_folders_are_found_at_every_depth(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a/b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "file").touch()
    (top / "first").symlink_to("../elsewhere")
    (top / "a/b/second").symlink_to(tmp_path / "elsewhere")
    (top / "a/to-a-file").symlink_to(tmp_path / "file")
    (top / "a/nowhere").symlink_to(tmp_path / "nothing")
    (top / "a/b/plain").touch()
    (top / ".htaccess").touch()
    (top / "a/b/.htaccess").symlink_to(tmp_path / "file")
    known = Folders()
    found = known.look_into(str(top))
    elsewhere = str(tmp_path / "elsewhere")
    assert found.links == (("first", elsewhere), ("a/b/second", elsewhere))
    assert found.ruled == (".htaccess", "a/b/.htaccess")
    assert found.files == (("a/to-a-file", str(tmp_path / "file")),)
    assert found.plain == ("a/b/plain",)
    assert not known.unseen


def test_rules_are_found_by_the_names_that_httpd_reads(tmp_path: Path) -> None:
    (tmp_path / ".acl").touch()
    assert Folders().look_into(str(tmp_path)).ruled == ()
    assert Folders([".htaccess", ".acl"]).look_into(str(tmp_path)).ruled == (".acl",)


def test_a_link_to_what_is_above_it_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/again").symlink_to(tmp_path)
    assert Folders().look_into(str(tmp_path)).links == (("a/again", str(tmp_path)),)


def test_a_folder_that_holds_too_much_is_told_and_each_is_looked_into_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (tmp_path / "one" / str(number)).mkdir(parents=True)
        (tmp_path / "other" / str(number)).mkdir(parents=True)
    monkeypatch.setattr(folders, "_MOST", 20)
    known = Folders(_left=30)
    known.look_into(str(tmp_path / "one"))
    assert not known.unseen
    known.look_into(str(tmp_path / "other"))
    known.look_into(str(tmp_path / "other"))
    assert known.unseen == [str(tmp_path / "other")]


def test_what_is_not_there_or_not_to_be_read_holds_nothing(tmp_path: Path) -> None:
    known = Folders()
    assert known.look_into(str(tmp_path / "nowhere")) == Lying()
    assert not known.unseen


def test_a_link_to_itself_hides_nothing_of_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "aside").mkdir()
    links = [f"link{number}" for number in range(20)]
    for name in links:
        (tmp_path / name).symlink_to("aside")
    (tmp_path / "aaa").symlink_to("aaa")
    assert sorted(name for name, _target in Folders().look_into(str(tmp_path)).links) == sorted(links)


def test_files_with_another_name_are_found_by_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own/a").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for name in ("own/a/kept", "own/a/single"):
        (tmp_path / name).touch()
    os.link(tmp_path / "own/a/kept", tmp_path / "other/again")
    (tmp_path / "other/link").symlink_to(tmp_path / "own/a/kept")
    sought = find_hard_linked(str(tmp_path / "own"))
    assert list(sought.values()) == [str(tmp_path / "own/a/kept")]
    assert Folders(sought=sought).look_into(str(tmp_path / "other")).named == (("again", str(tmp_path / "own/a/kept")),)
    monkeypatch.setattr(folders, "_MOST", 1)
    assert find_hard_linked(str(tmp_path / "own")) == {}


@pytest.mark.parametrize(("most", "is_told"), [(2, False), (1, True)])
def test_folders_that_are_served_and_hold_too_much_are_told_by_what_plants_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, *, is_told: bool
) -> None:
    for name in ("hooks", "pub/a", "pub/b"):
        (tmp_path / name).mkdir(parents=True)
    said = Directive("DocumentRoot", f"{tmp_path}/pub", "/etc/httpd.conf", 1, (), "")
    described = Description("/etc", "", "", "", "", "", (), {}, (said,))
    monkeypatch.setattr(folders, "_MOST", most)
    stand_ins = StandIns(b"word", b"sign")
    with stand_ins.serving():
        known = Canaries(described, b"word", stand_ins, Mounts())
        assert known._linked == []
    told = f"links and .htaccess files of {tmp_path}/pub were not all looked for, as these hold so much"
    assert [each.message for each in known.warnings] == [told] * is_told


@pytest.mark.parametrize(
    ("lines", "is_read"),
    [
        ((), False),
        ((("/", "All"),), True),
        ((("/", "All"), ("/srv", "None")), False),
        ((("/srv", "None"), ("/", "All")), False),
        ((("/srv/", "AuthConfig"),), True),
        ((("/srv/hooks", "All"),), False),
        ((("/srv2", "All"),), False),
        ((("/s*", "All"), ("/srv", "None")), True),
        ((("/s*", "None"),), False),
    ],
)
def test_rules_are_read_in_a_folder_where_the_longest_section_says_so(
    lines: tuple[tuple[str, str], ...], *, is_read: bool
) -> None:
    said = [
        Directive("AllowOverride", word, "/etc/httpd.conf", number, (f'Directory "{folder}"',), "")
        for number, (folder, word) in enumerate(lines)
    ]
    assert is_ruled(said, "/srv") is is_read
