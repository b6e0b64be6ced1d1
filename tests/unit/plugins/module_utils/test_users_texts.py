# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that ordinary users write are read where httpd reads them, and none of them holds a run up or hides others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
from ansible_collections.mtls.httpd.plugins.module_utils._site import leads
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
