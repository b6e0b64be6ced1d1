# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of httpd's words about its configuration."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import description
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, VirtualHost

DUMP = """\
# In file: /etc/httpd.conf
#   1:
ServerAdmin you@example.com
#   2:
Listen 80
#   3:
<IfModule mod_x.c>
  #   4:
  Foo "a  b" c
#   3:
</IfModule>
#   6:
<VirtualHost *:443 192.0.2.1:8443>
  #   7:
  ServerName https://www.example.com:443
# In file: /etc/extra.conf
  #   1:
  ServerAlias a.example.com *.b.example.com
  #   2:
  <Directory "/srv/a b">
    #   3:
    Require all granted
  #   2:
  </Directory>
# In file: /etc/httpd.conf
  #   9:
  SSLEngine on
#   6:
</VirtualHost>
#  11:
<VirtualHost [2001:db8::1]:443>
  #  12:
  Mutex default
#  11:
</VirtualHost>
#  14:
Listen 443 https
ServerRoot: "/etc/root"
Main DocumentRoot: "/srv/www"
Main ErrorLog: "/var/log/error_log"
Mutex default: dir="/run/httpd/" mechanism=default
PidFile: "/run/httpd/httpd.pid"
Define: DUMP_CONFIG
User: name="www-data" id=33
Group: name="www-group" id=33
Loaded Modules:
 core_module (static)
 ssl_module (shared)
Included configuration files:
  (*) /etc/httpd.conf
    (8) /etc/extra.conf
"""


@pytest.fixture
def described() -> Description:
    return description.parsed(DUMP, "/built/root")


def directive(described: Description, name: str) -> Directive:
    return next(each for each in described.directives if each.name == name)


def test_the_layout_is_read_from_what_httpd_says(described: Description) -> None:
    assert described.server_root == "/etc/root"
    assert described.pid_file == "/run/httpd/httpd.pid"
    assert described.error_log == "/var/log/error_log"
    assert described.runtime_folder == "/run/httpd"
    assert (described.user, described.group) == ("www-data", "www-group")
    assert described.modules == ("core_module", "ssl_module")
    assert list(described.files) == ["/etc/httpd.conf", "/etc/extra.conf"]


def test_a_directive_knows_its_file_line_and_sections(described: Description) -> None:
    found = directive(described, "Require")
    assert found.place == "/etc/extra.conf:3"
    assert found.sections == ("VirtualHost *:443 192.0.2.1:8443", 'Directory "/srv/a b"')
    assert found.words == ["all", "granted"]


def test_a_directive_behind_an_include_in_a_virtual_host_belongs_to_it_still(described: Description) -> None:
    for name in ("ServerAlias", "SSLEngine", "Require"):
        assert directive(described, name).host == "/etc/httpd.conf:6"
    assert directive(described, "ServerAdmin").host == ""


def test_what_follows_the_sections_is_at_the_server_level(described: Description) -> None:
    last = described.listens[-1]
    assert (last.place, last.sections, last.host) == ("/etc/httpd.conf:14", (), "")
    assert [each.words[0] for each in described.listens] == ["80", "443"]


def test_the_next_dump_holds_no_directive(described: Description) -> None:
    assert "ServerRoot:" not in {each.name for each in described.directives}
    assert described.directives[-1].name == "Listen"


def test_virtual_hosts_have_their_names_and_addresses(described: Description) -> None:
    first, second = described.virtual_hosts
    assert first.addresses == ("*:443", "192.0.2.1:8443")
    assert first.name == "www.example.com"
    assert first.aliases == ("a.example.com", "*.b.example.com")
    assert first.place == "/etc/httpd.conf:6"
    assert (second.addresses, second.name) == (("[2001:db8::1]:443",), "")


@pytest.mark.parametrize(
    ("domain", "answers"),
    [
        ("www.example.com", True),
        ("WWW.EXAMPLE.COM", True),
        ("a.example.com", True),
        ("x.b.example.com", True),
        ("b.example.com", False),
        ("example.com", False),
    ],
)
def test_a_virtual_host_answers_by_name_and_by_alias_without_case(
    described: Description, domain: str, answers: bool
) -> None:
    assert described.virtual_hosts[0].answers(domain) is answers


def test_a_virtual_host_without_names_answers_to_none() -> None:
    assert not VirtualHost(("*:443",), "", (), "f", 1).answers("")


def test_a_relative_path_is_taken_from_the_server_root(described: Description) -> None:
    assert described.path("logs/x") == "/etc/root/logs/x"
    assert described.path("/logs/../x") == "/x"


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("443", "", "443"),
        ("*:443", "", "443"),
        ("*", "", "*"),
        ("_default_:443", "", "443"),
        ("0.0.0.0:443", "", "443"),
        ("192.0.2.1:443", "192.0.2.1", "443"),
        ("192.0.2.1", "192.0.2.1", "*"),
        ("192.0.2.1:*", "192.0.2.1", "*"),
        ("[2001:db8::1]:443", "2001:db8::1", "443"),
        ("[2001:db8::1]", "2001:db8::1", "*"),
        ("www.example.com:443", "www.example.com", "443"),
        ("www.example.com", "www.example.com", "*"),
    ],
)
def test_an_address_and_port_are_told_apart(text: str, address: str, port: str) -> None:
    assert description.endpoint(text) == (address, port)


@pytest.mark.parametrize("address", ["127.0.0.1", "2001:db8::1"])
def test_an_address_and_a_port_are_joined_as_they_are_split(address: str) -> None:
    assert description.endpoint(description.join_endpoint(address, 443)) == (address, "443")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", []),
        ("a b", ["a", "b"]),
        ('"a b" c', ["a b", "c"]),
        ("'a b' c", ["a b", "c"]),
        (r'"a \"b\" \c"', ['a "b" \\c']),
        ('""', [""]),
        ('a"b c', ['a"b', "c"]),
        ("  a   b  ", ["a", "b"]),
    ],
)
def test_arguments_are_split_as_httpd_splits_them(arguments: str, words: list[str]) -> None:
    assert description.split(arguments) == words
