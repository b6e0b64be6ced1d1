# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's templates as an operator reads them: each directive stands once."""

from __future__ import annotations

import itertools
from pathlib import Path

import jinja2
from jinja2 import nodes

TEMPLATES = sorted((Path(__file__).resolve().parents[2] / "roles/mutual_tls/templates").glob("*.j2"))
# Both kinds of a site say it, the whole virtual host on conditions of its own.
COMMON = {"SSLSessionTickets off"}


def directives(path: Path) -> set[str]:
    """Return the lines of a template that are a directive's or a comment's."""
    lines = map(str.strip, path.read_text().splitlines())
    return {line for line in lines if line and not line.startswith(("{", "<"))}


def test_no_template_repeats_what_stands_in_another() -> None:
    repeated = {
        (one.name, other.name): directives(one) & directives(other) - COMMON
        for one, other in itertools.combinations(TEMPLATES, 2)
    }
    assert {pair: lines for pair, lines in repeated.items() if lines} == {}


def test_a_loop_is_no_condition() -> None:
    parse = jinja2.Environment(autoescape=True).parse
    loops = [(path.name, each) for path in TEMPLATES for each in parse(path.read_text()).find_all(nodes.For)]
    assert loops
    assert [name for name, each in loops if each.else_] == []
