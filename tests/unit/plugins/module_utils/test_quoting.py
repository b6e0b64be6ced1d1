# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What reaches httpd's configuration is what was meant, or is refused. httpd itself is asked."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from embedded_httpd import EmbeddedHttpd, HttpdError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRICKY = (
    '"',
    "\\",
    '\\"',
    "a b",
    "%{env}",
    "$",
    "${HOME}",
    "{}",
    "#",
    "<VirtualHost>",
    "\u00fc",
    "\u2028",
    "'",
    "\t",
    "\n",
)
VALUES = st.lists(st.one_of(st.sampled_from(TRICKY), st.text(max_size=5)), max_size=8).map("".join)
ARGUMENTS = VALUES.filter(bool)  # httpd takes an empty argument for a missing one


def quoted(value: str) -> str | None:
    try:
        return quoting.directive(value)
    except quoting.NotQuotable:
        return None


@pytest.fixture(scope="module")
def dumped() -> Iterator[Callable[[list[str]], list[str]]]:
    """Return a function that has httpd read lines of a configuration, and gives back what it made of them."""
    with tempfile.TemporaryDirectory(prefix="m") as folder:
        httpd = EmbeddedHttpd(Path(folder) / "httpd")
        try:
            httpd.lay_out()
        except HttpdError as error:
            pytest.skip(str(error))
        modules = re.findall(
            r"^LoadModule (mpm_\w+|authz_core_module|unixd_module) (\S+)$", httpd.conf.read_text(), re.MULTILINE
        )
        config = Path(folder) / "httpd.conf"
        base = [f'ServerRoot "{httpd.root}"', "ServerName localhost", "Listen 127.0.0.1:1"]
        base += [f"LoadModule {name} {file}" for name, file in modules if (httpd.root / file).exists()]
        base += ["LoadModule info_module modules/mod_info.so"]

        def read(lines: list[str]) -> list[str]:
            config.write_bytes("\n".join([*base, *lines, ""]).encode("utf-8", "surrogatepass"))
            said = subprocess.run(
                [httpd.binary, "-f", config, "-t", "-D", "DUMP_CONFIG"], capture_output=True, check=True
            ).stdout.decode("utf-8", "surrogatepass")
            return re.findall(r"^ServerAdmin (.*)$", said, re.MULTILINE)

        yield read


@settings(max_examples=15, deadline=None)
@given(st.lists(ARGUMENTS, min_size=1, max_size=40))
@example([*TRICKY, "x" * 5000, "\\" * 9, '"' * 9, "a\\"])
def test_httpd_reads_the_value_that_was_quoted_or_it_is_refused(
    dumped: Callable[[list[str]], list[str]], values: list[str]
) -> None:
    kept = [(value, text) for value in values for text in [quoted(value)] if text is not None]
    told = dumped([f"ServerAdmin {text}" for _value, text in kept])
    assert [split(arguments) for arguments in told] == [[value] for value, _text in kept]


@given(VALUES)
def test_only_control_characters_and_variables_are_refused(value: str) -> None:
    controls = any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029" for char in value)
    harmful = "${" in value or controls
    assert (quoted(value) is None) == harmful


@pytest.mark.parametrize("value", ["s3cret\n", "s3cret${x}", "s3cret\0"])
def test_the_message_does_not_hold_the_value(value: str) -> None:
    with pytest.raises(quoting.NotQuotable) as caught:
        quoting.directive(value)
    assert "s3cret" not in str(caught.value)


def test_the_position_of_a_control_character_is_told() -> None:
    with pytest.raises(quoting.NotQuotable, match="character 3 is a control character"):
        quoting.directive("ab\ncd")


def test_numbers_are_taken_as_text() -> None:
    assert quoting.directive(443) == '"443"'


def test_the_folder_of_a_release_is_filled_in_escaped() -> None:
    text = f"SSLCertificateFile {quoting.directive(quoting.RELEASE + '/x.crt')}"
    assert quoting.filled(text, '/a "quoted" \\ folder') == 'SSLCertificateFile "/a \\"quoted\\" \\\\ folder/x.crt"'
    assert split(quoting.filled(text, '/a "quoted" \\ folder'))[1] == '/a "quoted" \\ folder/x.crt'


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("CN=Chat", "'CN=Chat'"),
        ("x' || true || 'y", r"'x\' || true || \'y'"),
        ("a\\", r"'a\\'"),
        ("${PATH} %{HTTP_HOST} $1", r"'\$\{PATH} \%\{HTTP_HOST} \$1'"),
    ],
)
def test_a_string_of_an_expression_ends_where_it_ends(value: str, quoted: str) -> None:
    assert quoting.expression(value) == quoted


@pytest.mark.parametrize("value", ["s3cret\n", "s3cret\0", "s3cret\x7f"])
def test_a_string_of_an_expression_holds_no_control_character(value: str) -> None:
    with pytest.raises(quoting.NotQuotable) as caught:
        quoting.expression(value)
    assert "s3cret" not in str(caught.value)


def test_a_file_of_the_release_is_named_as_an_expression_wants_it() -> None:
    text = f'Require expr "%{{SSL_CLIENT_CERT}} == {quoting.released("client-1.crt")}"\nInclude {quoting.RELEASE}'
    filled = quoting.filled(text, "/it's 100%")
    assert filled == "Require expr \"%{SSL_CLIENT_CERT} == file('/it\\'s 100\\%/client-1.crt')\"\nInclude /it's 100%"
    assert quoting.emptied(filled, "/it's 100%") == text


@pytest.mark.parametrize("path", ["/", "/etc/apache2", "/srv/an httpd/conf", "/a/b.c-d"])
def test_an_absolute_path_is_taken(path: str) -> None:
    assert quoting.path(path) == path


@pytest.mark.parametrize(
    "path", ["", "etc", "./x", "/a/../b", "/a/./b", "/a//b", "/a*", "/a?", "/a[b]", "/a\n", "/${a}"]
)
def test_a_path_that_httpd_would_take_otherwise_is_refused(path: str) -> None:
    with pytest.raises(quoting.NotQuotable):
        quoting.path(path)


@pytest.mark.parametrize("name", ["www.example.com", "a", "A-1.b"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert quoting.name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "-x", "a/b", "a b", "a\0", "\u00fc", "x" * 256, "a\n"])
def test_a_name_that_could_climb_or_hide_is_refused(name: str) -> None:
    with pytest.raises(quoting.NotQuotable):
        quoting.name(name)
