# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that ordinary users write are read where httpd reads them, and none of them holds a run up or hides others."""

from __future__ import annotations

import os
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
from ansible_collections.mtls.httpd.plugins.module_utils._machine.plain_files import read_beginning
from ansible_collections.mtls.httpd.plugins.module_utils._site import leads, rule_files
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal
from ansible_collections.mtls.httpd.plugins.module_utils._site.leads import Leads

if TYPE_CHECKING:
    from pathlib import Path

HOST = "/etc/httpd.conf:1"


def description(*lines: str) -> Description:
    """Return a configuration with one virtual host that says so."""
    inside = ("VirtualHost *:80",)
    said = [
        Directive(*line.split(" ", 1), "/etc/httpd.conf", number, inside, HOST) for number, line in enumerate(lines, 2)
    ]
    section = Directive("<VirtualHost", "*:80", "/etc/httpd.conf", 1, inside, HOST)
    return Description("/etc", "", "", "", "", "", (), {}, (section, *said))


def search(folder: Path, *lines: str, names: tuple[str, ...] = ()) -> Leads:
    """Look for ways to what lies in a folder."""
    found = Leads(description(*lines))
    found.search([Goal("www.example.com", (f"{folder}/file",), (), str(folder), names=names)])
    return found


@pytest.mark.parametrize("named", ["hooks", "hooks//", "other/../hooks/", "hooks2", "hooks/below", "x/hooks"])
def test_a_program_that_names_very_many_paths_is_looked_through_in_time(tmp_path: Path, named: str) -> None:
    (tmp_path / "a").symlink_to(".")
    (tmp_path / "k").symlink_to("a/" * 2000)
    program = tmp_path / "program.lua"
    program.write_text(
        " ".join(f"{tmp_path}/k/{number}/x" for number in range(9000)) + 9000 * "\n" + f'"{tmp_path}/{named}"\n'
    )
    begun = time.monotonic()
    found = search(tmp_path / "hooks", f"LuaHookTranslateName {program} lead")
    assert time.monotonic() - begun < 3
    is_site = named in ("hooks", "hooks//", "other/../hooks/")
    assert [each.name for _domain, each in found.doubtful] == ["LuaHookTranslateName"] * is_site
    assert found.tell_unseen() == []


def test_a_program_may_name_the_folder_as_the_configuration_does(tmp_path: Path) -> None:
    program = tmp_path / "program.lua"
    program.write_text('"/srv/www/"')
    line = f"LuaHookTranslateName {program} lead"
    assert search(tmp_path / "hooks", line, names=("/srv/www/",)).doubtful
    assert not search(tmp_path / "hooks", line).doubtful


def test_a_directive_may_name_the_folder_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("hooks")
    assert search(tmp_path / "hooks", f"XSendFilePath {tmp_path}/link").doubtful
    assert not search(tmp_path / "other", f"XSendFilePath {tmp_path}/link").doubtful


def test_that_time_ended_is_told_whatever_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leads, "_SECONDS", 0.2)
    rules = ("ServerName a.example.com", r"RewriteRule ^/(?:x+)+y|^/x{60}(.*)$ $1")
    found = search(tmp_path, *rules)
    assert [each.name for _domain, each in found.doubtful] == ["RewriteRule"]
    told = "not all directives were looked through for ways to what sites protect, as that took too long"
    assert found.tell_unseen() == [f"{told}, at /etc/httpd.conf:3"]
    goals = [Goal("www.example.com", (f"{tmp_path}/file",), (), str(tmp_path))]
    assert leads.find_unasked(description(*rules), goals, {"www.example.com": ["/etc/httpd.conf"]})[1]
    assert search(tmp_path, rules[0], r"RewriteRule ^/(?:x+)y|^/x{60}(.*)$ $1").tell_unseen() == []


@pytest.mark.parametrize("depth", [16, 17, 2048])
def test_sections_of_a_htaccess_file_take_little_memory_however_deep_they_lie(tmp_path: Path, depth: int) -> None:
    rules = tmp_path / ".htaccess"
    rules.write_text("<If x>\n" * depth + "RewriteRule a b\n" * 2048 + "</If>\n" * depth)
    tracemalloc.start()
    found, are_all = rule_files.read_rules(str(rules), HOST)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20
    assert are_all is (depth == 16)
    assert [each.sections for each in found] == ([(f'Directory "{tmp_path}"', *["If x"] * 16)] * 2048 * are_all)


def test_sections_of_a_htaccess_file_end_where_they_end(tmp_path: Path) -> None:
    (tmp_path / ".htaccess").write_text("</If>\n<If x>\nRewriteRule a b\n</If>\nRewriteRule c d\n")
    found, are_all = rule_files.read_rules(f"{tmp_path}/.htaccess", HOST)
    folder = f'Directory "{tmp_path}"'
    assert [(each.arguments, each.sections) for each in found] == [("a b", (folder, "If x")), ("c d", (folder,))]
    assert are_all


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("RewriteRule a b\n" * 4096, False),
        ("RewriteRule a b\n" * 4097, True),
        ("<If x>\n" * 17 + "RewriteRule a b\n", True),
        ("# \u00e9" + "\u00e9" * (1 << 19), True),
    ],
)
def test_a_htaccess_file_of_which_not_all_was_read_is_told(tmp_path: Path, text: str, is_told: bool) -> None:
    (tmp_path / "pub/a").mkdir(parents=True)
    (tmp_path / "pub/a/.htaccess").write_text(text)
    found = search(tmp_path / "hooks", f"DocumentRoot {tmp_path}/pub", "AllowOverride All")
    told = f"links and .htaccess files of {tmp_path}/pub/a were not all looked for, as these hold so much"
    assert found.tell_unseen() == [told] * is_told


@pytest.mark.parametrize("number", [64, 65])
def test_htaccess_files_beyond_those_that_are_read_are_told(tmp_path: Path, number: int) -> None:
    for each in range(number):
        (tmp_path / f"pub/{each}").mkdir(parents=True)
        (tmp_path / f"pub/{each}/.htaccess").touch()
    found = search(tmp_path / "hooks", f"DocumentRoot {tmp_path}/pub", "AllowOverride All")
    assert bool(found.tell_unseen()) is (number == 65)


@pytest.mark.parametrize("what", ["/proc/self/status", "/proc/kmsg", "/sys/kernel/mm", "/dev/zero", "itself", "fifo"])
def test_what_lies_on_no_disk_is_not_read(tmp_path: Path, what: str) -> None:
    link = tmp_path / "itself"
    link.symlink_to(what)
    os.mkfifo(tmp_path / "fifo")
    assert read_beginning(str(link), 16) == b""
    assert rule_files.read_rules(str(link), HOST) == ([], True)


def test_a_plain_file_is_read_by_a_link_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("RewriteRule a b")
    (tmp_path / "link").symlink_to("file")
    assert read_beginning(str(tmp_path / "link"), 11) == b"RewriteRule"
    assert len(rule_files.read_rules(str(tmp_path / "link"), HOST)[0]) == 1
    assert read_beginning(str(tmp_path / "nothing"), 11) == b""
