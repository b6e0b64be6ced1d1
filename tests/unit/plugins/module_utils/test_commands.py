# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words of httpd's in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands

if TYPE_CHECKING:
    from pathlib import Path


def test_httpds_own_words_are_one_line_without_times_and_remarks(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("\n\nFoo bar\n")
    said = [
        "[Mon Nov 23 16:37:56.123456 2026] [ssl:emerg] [pid 17:tid 18] AH02565: do not match",
        "[Mon Nov 23 16:37:56.123456 2026] [mpm_event:notice] [pid 17:tid 18] AH00489: configured",
        "AH00558: apache2: Could not reliably determine the server's fully qualified domain name",
        "[Mon Nov 23 16:37:56.123456 2026] [so:warn] [pid 17:tid 18] AH01574: module ssl_module is already loaded",
        f"AH00526: Syntax error on line 3 of {file}:",
        "Invalid command 'Foo'",
        "Invalid command 'Foo'",
        "Syntax OK",
    ]
    assert (
        commands.own_words(said)
        == f"[ssl:emerg] AH02565: do not match; AH00526: Syntax error on line 3 of {file}: Invalid command 'Foo'"
    )


# What modules and compilers say that quote the files which they read, and what of that is repeated.
QUOTING = {
    "[mime_magic:error] AH01521: mod_mime_magic: offset root:S3CRET:19000 invalid": (
        "mod_mime_magic has an error AH01521 (not repeated)"
    ),
    "[:error] ModSecurity: Failed to compile script /etc/app.lua: /etc/app.lua:3: '=' expected near 'S3CRET'": (
        "[:error] ModSecurity: Failed to compile script /etc/app.lua: (not repeated)"
    ),
    "[proxy:error] AH00526: ProxyPass worker timeout": "[proxy:error] AH00526: ProxyPass worker timeout",
    "[core:error] AH00037: Symbolic link not allowed: /x": "[core:error] AH00037: Symbolic link not allowed: /x",
}


@pytest.mark.parametrize("said", QUOTING)
def test_what_quotes_a_file_is_not_repeated(said: str) -> None:
    assert commands.own_words([said]) == QUOTING[said]


def test_httpds_own_words_are_bounded() -> None:
    assert len(commands.own_words([str(number) * 50 for number in range(1000)])) <= 1200


def test_httpds_own_words_tell_a_terminal_to_do_nothing() -> None:
    said = "\x1b[2J\x9b31m\udc80 a CGI program\u2028said so\x07"
    assert commands.own_words([said]) == "?[2J?31m? a CGI program?said so?"


# What stands in a file in its last line, what httpd says on it, and what of that is shown.
LINES = {
    "a password": (
        "DB_PASSWORD=S3CRET",
        "Invalid command 'DB_PASSWORD=S3CRET', perhaps",
        "Invalid command '…', perhaps",
    ),
    "a word alone": ("Swordfish", "Invalid command 'Swordfish'", "Invalid command '…'"),
    "words": ("swordfish is it", "Invalid command 'swordfish'", "Invalid command '…'"),
    "a quote": ("pass'S3CRET x", "Invalid command 'pass'S3CRET', perhaps", "Invalid command '…'…', perhaps"),
    "what looks like a path": ("/S3CRET x", "Invalid command '/S3CRET'", "Invalid command '…'"),
    "what looks like a directive": (
        "NoSuch on",
        "Invalid command 'NoSuch', perhaps",
        "Invalid command 'NoSuch', perhaps",
    ),
    "two lines": ("Se\\\nCRET x=y", "Invalid command 'SeCRET'", "Invalid command '…'"),
    "an argument": ("SSLProtocol +S3", "SSLProtocol: Illegal protocol 'S3'", "SSLProtocol: Illegal protocol '…'"),
    "a part of one": (
        "ProxyPass / http://u:S3CRET@b:x/",
        "Invalid port: u:S3CRET@b:x in URL",
        "Invalid port: … in URL",
    ),
    "a path": ("SSLCACertificateFile /x/a.crt", "file '/x/a.crt' does not exist", "file '/x/a.crt' does not exist"),
    "another alphabet": ("Error pä", "p\\xc3\\xa4", "…"),
    "a section": ("<S3CRET>", "Expected </S3CRET> but saw </VirtualHost>", "Expected <…> but saw <…>"),
    "httpd's own": ("Listen 80", "Listen cannot occur within <VirtualHost> section", None),
}


@pytest.mark.parametrize("what", LINES)
def test_httpds_words_do_not_repeat_a_line_of_somebody_elses_file(tmp_path: Path, what: str) -> None:
    line, said, shown = LINES[what]
    file = tmp_path / "their.conf"
    file.write_text(f"A b\n{line}\n")
    place = f"AH00526: Syntax error on line {2 + line.count(chr(10))} of {file}: "
    main = tmp_path / "main.conf"
    main.write_text(f"Include {file}\n")
    before = f"httpd: Syntax error on line 1 of {main}: "
    assert commands.own_words([place + said]) == place + (shown or said)
    # Neither behind the file that includes it, nor before what is said on another.
    nested = before + place.removeprefix("AH00526: ")
    assert commands.own_words([nested + said, f"{before}x"]) == f"{nested}{shown or said}; {before}x"


def test_a_directive_that_httpd_does_not_know_is_not_repeated_from_a_file_that_few_may_read(tmp_path: Path) -> None:
    file = tmp_path / "their.conf"
    file.write_text("NoSuch on\n")
    file.chmod(0o640)
    assert (
        commands.own_words([f"line 1 of {file}: Invalid command 'NoSuch'"]) == f"line 1 of {file}: Invalid command '…'"
    )


def test_httpds_words_on_a_file_that_is_gone_are_not_repeated(tmp_path: Path) -> None:
    assert commands.own_words([f"line 1 of {tmp_path}/a: S3CRET"]) == f"line 1 of {tmp_path}/a: (not repeated)"


@pytest.mark.parametrize("path", ["mtls/www.example.com/current/site.conf", "mtls/host.conf"])
def test_httpds_words_on_our_own_lines_are_repeated(tmp_path: Path, path: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text("DB=S3CRET\n")
    words = f"line 1 of {file}: Invalid command 'DB=S3CRET'"
    assert commands.own_words([words]) == words


def test_httpds_words_in_a_macro_are_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "their.conf"
    file.write_text("<Macro A $x>\nDB=$x\n</Macro>\nUse A S3CRET\n")
    place = f'line 2 of macro \'a\' (defined on line 1 of "{file}") used on line 4 of "{file}": '
    assert commands.own_words([f"{place}Invalid command 'DB=S3CRET'"]) == f"{place}Invalid command '…'"
