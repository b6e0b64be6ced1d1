# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as one HTML page that fetches nothing, and runs no other script than its own."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.ending import End, find_ends
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.folding import ALIKE_SHOWN, fold_reasons
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.judging import find_differences
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    SEVERITIES,
    moment,
    tell_pins,
    words_of,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import sum_up

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet, Row

_FOLDER = Path(__file__).parent
_MARGIN_DAYS = 400  # what ends later is drawn as an arrow
_WIDTH = 1000  # units of the drawing
_TICKS = {1: "1 day", 7: "7", 30: "30", 90: "90", 365: "365 days"}
_AXIS = 1030  # units with the arrow's
# A column's heading, how it is sorted, and whether what is largest comes first by the first click.
_COLUMNS = (
    *(("State", "number", False), ("Host", "text", False), ("Site", "text", False), ("Why", "text", False)),
    *(("Serves until", "number", False), ("Days", "number", False), ("Mutual TLS", "text", False)),
    *(("May call", "text", False), ("Client CA ends", "number", False), ("Last call (UTC)", "number", True)),
    ("Release, since", "number", True),
)
_NO_END = 10**12  # of what has none, behind all that has


@dataclass(frozen=True)
class Bar:
    """Something that ends, the hosts and sites that have it, and the bar that is drawn for it."""

    end: End
    hosts: tuple[str, ...]
    domains: tuple[str, ...]

    @property
    def width(self) -> int:
        """The length of its bar, in units of the drawing."""
        return max(4, _place(self.end.days))

    @property
    def is_far(self) -> bool:
        """Whether it ends beyond the drawing."""
        return self.end.days > _MARGIN_DAYS


@dataclass(frozen=True)
class Tick:
    """A mark of the axis: what stands there, and where, in units of the drawing and in percent with the arrow's."""

    text: str
    place: int
    percent: float


def render_page(fleet: Fleet) -> str:
    """Return the page. Every value is text in it, whatever it holds; the policy of its head allows its own script."""
    style, script = ((_FOLDER / f"page.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"plain": plain, "words": words_of, "pins": tell_pins, "breakable": _breakable}
    environment.filters["found_by"] = _found_by
    template = environment.from_string((_FOLDER / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        fleet=fleet,
        summary=sum_up(fleet),
        groups=fold_reasons(fleet.reasons),
        alike_shown=ALIKE_SHOWN,
        bars=list_bars(fleet),
        columns=_COLUMNS,
        margin_days=_MARGIN_DAYS,
        seconds=_seconds,
        no_end=_NO_END,
        ticks=[Tick(text, _place(days), round(100 * _place(days) / _AXIS, 1)) for days, text in _TICKS.items()],
        differences=_list_differences(fleet),
        rows={(row.host.name, row.domain): row for row in fleet.rows},
        severities=SEVERITIES,
        style=Markup(style),  # our own files, which hold no value
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def list_bars(fleet: Fleet) -> list[Bar]:
    """Return what ends, the first first: each certificate, client CA and list once, however many hosts have it."""
    hosts: dict[End, dict[str, None]] = defaultdict(dict)
    domains: dict[End, dict[str, None]] = defaultdict(dict)
    for row in fleet.rows:
        if row.site.get("known"):
            for end in find_ends(row.site, fleet.at, fleet.thresholds):
                hosts[end][row.host.name] = domains[end][row.domain] = None
    order = sorted(hosts, key=lambda end: (end.ends, end.kind, end.subject))
    return [Bar(end, tuple(hosts[end]), tuple(domains[end])) for end in order]


def _list_differences(fleet: Fleet) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
    """Return by site what hosts serve differently, all hosts by what they serve, and those that most differ from."""
    found: dict[str, list[tuple[str, str, tuple[str, ...]]]] = defaultdict(list)
    for each in find_differences(fleet.hosts):
        found[each.domain].append((each.what, each.tell(len(fleet.hosts)), each.minority))
    return found


def _place(days: int) -> int:
    """Return where on the axis a number of days is: logarithmic, so that a day and two are told apart beside a year."""
    return round(_WIDTH * min(1, math.log1p(max(0, days)) / math.log1p(_MARGIN_DAYS)))


def _seconds(end: str | None) -> int:
    """Return a moment as a number to sort by, and 0 for none."""
    return int(moment(end).timestamp()) if end else 0


def _found_by(row: Row) -> str:
    """Return by what a row is found: its host, its site by any of its names, and each of its findings."""
    findings = (words_of(each.code) for each in row.reasons)
    names = (row.host.name, row.domain, *row.site.get("aliases", ()))
    return " ".join(dict.fromkeys([*names, row.why, *findings])).lower()


def _breakable(text: str) -> Markup:
    """Return text that may go on in the next line behind each comma, as names of certificates have many."""
    return Markup(",<wbr>").join(plain(text).split(","))


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline style or script by (CSP Level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
