# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a site's logs may lie."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import LogRules

if TYPE_CHECKING:
    from pathlib import Path


def rules(conf: Path, own: str = "", *folders: str, known: tuple[str, ...] = ()) -> LogRules:
    return LogRules(own, str(conf), frozenset(folders), lambda: known, "/usr/sbin/apache2")


def test_a_server_that_keeps_its_logs_below_usr_has_its_sites_there_too(tmp_path: Path) -> None:
    assert rules(tmp_path, "/usr/share").faults("/usr/share/mtls-httpd.log") == []
    assert rules(tmp_path, "/usr/share").faults("/usr/share/doc/mtls-httpd.log") == []
    assert rules(tmp_path, "/usr/share").faults("/usr/bin/mtls-httpd.log")
    assert rules(tmp_path).faults("/usr/share/mtls-httpd.log")


@pytest.mark.parametrize("name", ["site.log", "site_log"])
def test_beside_the_configuration_a_log_lies_where_the_servers_own_do_and_is_named_like_them(
    tmp_path: Path, name: str
) -> None:
    folder = str(tmp_path)
    assert rules(tmp_path, folder, folder).faults(f"{folder}/{name}") == []
    assert rules(tmp_path, folder, folder).faults(f"{folder}/site.conf")
    assert rules(tmp_path, folder).faults(f"{folder}/site.conf") == []
    (tmp_path / "more").mkdir()
    assert rules(tmp_path, "", folder, f"{folder}/more").faults(f"{folder}/more/{name}")
    assert rules(tmp_path, "", folder).faults(f"{folder}/more/{name}") == []


def test_a_file_that_is_there_is_a_log_by_its_folder_by_its_name_or_by_the_servers_word(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("calls", "error.log", "access_log.1", "catalog"):
        (folder / name).write_text("")
    other = rules(tmp_path)
    assert [name for name in sorted(os.listdir(folder)) if other.faults(f"{folder}/{name}")] == ["calls", "catalog"]
    assert rules(tmp_path, known=(f"{folder}/calls",)).faults(f"{folder}/calls") == []
    assert rules(tmp_path, str(folder)).faults(f"{folder}/calls") == []


def test_what_keeps_nothing_is_taken_for_a_log_and_nothing_else_below_dev(tmp_path: Path) -> None:
    assert rules(tmp_path).faults("/dev/null") == []
    assert rules(tmp_path).faults("/dev/zero")
    assert rules(tmp_path).faults("/dev/new.log")


def test_a_link_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    for name in ("a.log", "config.php"):
        (tmp_path / name).write_text("")
    (tmp_path / "one.log").symlink_to("config.php")
    (tmp_path / "other.log").symlink_to("a.log")
    assert rules(tmp_path).faults(f"{tmp_path}/one.log")
    assert rules(tmp_path).faults(f"{tmp_path}/other.log") == []
