# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which virtual hosts are of one kind, and which spellings of a path are asked for."""

from __future__ import annotations

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import parsed
from ansible_collections.mtls.httpd.plugins.module_utils._site.kinds import find_kinds
from ansible_collections.mtls.httpd.plugins.module_utils._site.spellings import spell_beside_open, spell_protected


def kinds(*inside: str) -> list[str]:
    """Return the names of the first virtual host of each kind of those with such lines."""
    lines = ["# In file: /etc/httpd.conf"]
    for number, text in enumerate(inside):
        place = number * 10 + 1
        lines += [f"# {place:3}:", "<VirtualHost *:80>", f"# {place + 1:3}:", f"  ServerName n{number}.example.net"]
        for offset, line in enumerate(text.split("\n")):
            lines += [f"# {place + 2 + offset:3}:", f"  {line}"]
        lines.append("</VirtualHost>")
    described = parsed("\n".join(lines) + "\n", "/etc")
    assert len(described.virtual_hosts) == len(inside)
    return [host.name for host in find_kinds(described, described.virtual_hosts)]


def test_hosts_that_differ_in_names_and_paths_alone_are_one_kind() -> None:
    assert kinds(*(f"DocumentRoot /srv/n{number}.example.net/www" for number in range(40))) == ["n0.example.net"]
    away = (f"Redirect / https://n{number}.example.net/x{number}" for number in range(2))
    assert kinds(*away) == ["n0.example.net"]
    assert kinds(*(f"ProxyPass / http://127.0.0.1:81/{number}/" for number in range(2))) == ["n0.example.net"]


def test_hosts_that_differ_in_anything_else_are_kinds_of_their_own() -> None:
    assert len(kinds("DocumentRoot /srv/a", "DocumentRoot /srv/a\nSSLEngine on", "ProxyPass / http://a:81/")) == 3
    assert len(kinds("ProxyPass / http://127.0.0.1:81/", "ProxyPass / http://127.0.0.1:82/")) == 2
    assert len(kinds("ProxyPass / http://a.internal/", "ProxyPass / http://b.internal/")) == 2


def test_spellings_are_requests_of_one_line() -> None:
    for path in ("/callback", "/a/b", "/x"):
        for each in (*spell_protected(path), *spell_beside_open(path, "/secret")):
            assert each.startswith("/")
            assert " " not in each
            assert each.isprintable()
