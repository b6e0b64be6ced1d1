# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words of httpd's in one line."""

from __future__ import annotations

from ansible_collections.mtls.httpd.plugins.module_utils import _said


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
        _said.own_words(said)
        == "[ssl:emerg] AH02565: do not match; AH00526: Syntax error on line 3 of /x: Invalid command 'Foo'"
    )


def test_httpds_own_words_are_bounded() -> None:
    assert len(_said.own_words([str(number) * 50 for number in range(1000)])) <= 1200


def test_httpds_own_words_tell_a_terminal_to_do_nothing() -> None:
    said = "\x1b[2J\x9b31m\udc80 a CGI program\u2028said so\x07"
    assert _said.own_words([said]) == "?[2J?31m? a CGI program?said so?"
