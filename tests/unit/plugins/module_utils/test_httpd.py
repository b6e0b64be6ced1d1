# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of httpd's words, and of its processes, without a server."""

from __future__ import annotations

import os
import socket

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils import _httpd
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import Description, Directive, VirtualHost

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
    return _httpd._described(DUMP, "/built/root")


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
    assert _httpd.endpoint(text) == (address, port)


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
    assert _httpd.split(arguments) == words


def test_httpds_own_words_are_one_line_without_times_and_remarks() -> None:
    said = [
        "[Mon Nov 23 16:37:56.123456 2026] [ssl:emerg] [pid 17:tid 18] AH02565: do not match",
        "[Mon Nov 23 16:37:56.123456 2026] [mpm_event:notice] [pid 17:tid 18] AH00489: configured",
        "AH00558: apache2: Could not reliably determine the server's fully qualified domain name",
        "AH00526: Syntax error on line 3 of /x:",
        "Invalid command 'Foo'",
        "Invalid command 'Foo'",
        "Syntax OK",
    ]
    assert (
        _httpd.own_words(said)
        == "[ssl:emerg] AH02565: do not match; AH00526: Syntax error on line 3 of /x: Invalid command 'Foo'"
    )


def test_httpds_own_words_are_bounded() -> None:
    assert len(_httpd.own_words([str(number) * 50 for number in range(1000)])) <= 1200


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["-k", "start"], ()),
        (["-d", "/r", "-f", "c", "-k", "start"], ("-d", "/r", "-f", "c")),
        (["-DFOREGROUND", "-DSSL"], ("-D", "FOREGROUND", "-D", "SSL")),
        (["-C", "Listen 1", "-c", "Listen 2", "-X"], ("-C", "Listen 1", "-c", "Listen 2")),
        (["-e", "debug", "-E", "/log", "-D", "X"], ("-D", "X")),
        (["-D"], ("-D", "")),
    ],
)
def test_of_a_command_line_what_says_which_configuration_is_kept(words: list[str], kept: tuple[str, ...]) -> None:
    assert _httpd._arguments(words) == kept


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_listening_socket_is_found_with_its_holder(family: socket.AddressFamily) -> None:
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        [inode] = [inode for where, number, inode in _httpd.listening() if (where, number) == (address, port)]
        assert inode in _httpd.inodes(os.getpid())
        assert f"(process {os.getpid()})" in _httpd.holder(inode)
    assert port not in [number for where, number, _inode in _httpd.listening() if where == address]


def test_a_process_that_is_gone_was_started_never() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert _httpd.started(child) == -1
    assert _httpd.started(os.getpid()) > 0


def test_a_binary_that_is_no_httpd_is_refused() -> None:
    with pytest.raises(_httpd.HttpdError, match="/bin/true does not answer"):
        _httpd.find("/bin/true")
    with pytest.raises(_httpd.HttpdError, match="httpd_binary: /nonexistent is not an executable file"):
        _httpd.find("/nonexistent")
    with pytest.raises(_httpd.HttpdError, match="httpd_config: /nonexistent is not a file"):
        _httpd.find(None, "/nonexistent")
