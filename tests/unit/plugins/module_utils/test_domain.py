# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of Chat's console, case by case. The table in docs/verdict.md is made from CASES."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules
from ansible_collections.mtls.httpd.plugins.test.domain import domain as is_domain

CASES: list[tuple[str, str, list[str]]] = [
    ("an ordinary name", "www.example.com", []),
    ("capital letters", "WWW.Example.COM", []),
    ("one label", "localhost", []),
    ("digits only", "12345", []),
    ("labels of digits only", "123.456.example", []),
    ("63 characters", "a" * 51 + ".example.com", []),
    ("64 characters", "a" * 52 + ".example.com", ["too-long"]),
    ("nothing", "", ["empty"]),
    ("a dot alone", ".", ["empty-label", "empty-label"]),
    ("a trailing dot", "www.example.com.", ["empty-label"]),
    ("a leading dot", ".example.com", ["empty-label"]),
    ("an empty label", "www..example.com", ["empty-label"]),
    ("a hyphen inside", "my-shop.example.com", []),
    ("two hyphens in a row", "my--shop.example.com", ["consecutive-hyphens"]),
    ("an internationalised name", "xn--bcher-kva.example", ["consecutive-hyphens"]),
    ("a label that is a hyphen", "www.-.example.com", ["lone-hyphen"]),
    ("a hyphen alone", "-", ["lone-hyphen"]),
    ("two hyphens alone", "--", ["leading-hyphen", "trailing-hyphen", "consecutive-hyphens"]),
    ("a hyphen at a label's start", "www.-example.com", ["leading-hyphen"]),
    ("a hyphen at a label's end", "www-.example.com", ["trailing-hyphen"]),
    ("a hyphen at the end of all", "www.example.com-", ["trailing-hyphen"]),
    ("an underscore", "my_shop.example.com", ["special-character"]),
    ("a wildcard", "*.example.com", ["special-character"]),
    ("the page's special characters", "a!$&?.example.com", ["special-character"] * 4),
    ("a space", "www example.com", ["space"]),
    ("a trailing line break", "www.example.com\n", ["space"]),
    ("a no-break space", "www\u00a0.example.com", ["space"]),
    ("full-width letters", "\uff57\uff57\uff57.example.com", ["special-character"]),
    ("an umlaut", "b\u00fccher.example.com", ["special-character"]),
    ("a Cyrillic a", "ex\u0430mple.com", ["special-character"]),
    ("Arabic digits", "\u0661.example.com", ["special-character"]),
    ("an ideographic full stop", "www\u3002example.com", ["special-character"]),
    ("a NUL", "www\0.example.com", ["special-character"]),
    ("a port", "www.example.com:443", ["special-character"]),
    ("a URL", "https://www.example.com", ["special-character"]),
    ("an IPv4 address", "192.0.2.1", ["ip-address"]),
    ("an IPv6 address", "2001:db8::1", ["ip-address"]),
    ("no IPv4 address", "192.0.2.256", []),
]


@pytest.mark.parametrize(("name", "domain", "rules"), CASES, ids=[case[0] for case in CASES])
def test_each_boundary_case_breaks_the_rules_that_the_table_says(name: str, domain: str, rules: list[str]) -> None:
    assert [problem.rule for problem in broken_rules(domain)] == rules, name
    assert is_domain(domain) is (not rules)


def test_every_broken_rule_is_named_with_the_domain_and_the_position_counted_from_one() -> None:
    allowed = "only letters a-z, digits, hyphens and dots between them are allowed."
    messages = [problem.message for problem in broken_rules("a_b!.c!-")]
    assert messages == [
        f"'a_b!.c!-': has '_' at position 2; {allowed}",
        f"'a_b!.c!-': has '!' at positions 4 and 7; {allowed}",
        "'a_b!.c!-': has a name that ends with a hyphen at position 8; end it with another.",
    ]


@pytest.mark.parametrize("text", ["correct horse battery", "Correct. Horse", "aB3/x9+k"])
def test_what_no_domain_is_meant_by_is_described_as_it_may_be_a_passphrase(text: str) -> None:
    messages = [problem.message for problem in broken_rules(text)]
    assert messages
    assert all(message.startswith(f"'a text of {len(text)} characters': ") for message in messages)


def test_a_message_is_one_line_whatever_the_domain_holds() -> None:
    for problem in broken_rules("a\nb\u2028c\x1b[31m.example.com"):
        assert problem.message.isprintable()


@pytest.mark.parametrize("pasted", ["MIIEvQIBADANBgkq" * 8, "-----BEGIN PRIVATE KEY-----", "A" * 64, "a.b" * 100_000])
def test_what_may_be_a_pasted_key_is_described_and_not_shown(pasted: str) -> None:
    for problem in broken_rules(pasted):
        assert pasted[:12] not in problem.message
        assert len(problem.message) < 300


@pytest.mark.parametrize("value", [None, 5, ["www.example.com"], {}, b"www.example.com"])
def test_what_is_not_text_is_no_domain(value: object) -> None:
    assert not is_domain(value)
