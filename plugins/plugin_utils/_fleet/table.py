# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet on a screen of 120 columns: a table, the worst first, what is amiss, and a line that sums it up."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import SCREEN, lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import CRITICAL, LOOKED, WARNING, WELL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet, Reason, Row

ROWS_SHOWN = 40  # of a fleet; where there are more, those in which all is well are counted, and others folded
_REASONS_SHOWN = 20  # of sites that differ by their names alone; where there are more, by their gists
_NAMES = re.compile(r"\S*\d\S*|\S*\w\.\w\S*")  # addresses, hosts, files, numbers: what differs where the fault is one
_ALIKE_SHOWN = 5  # rows, or findings, of one kind: where there are more, they are one
_T = TypeVar("_T")
_MARKS = {CRITICAL: "!!", WARNING: "! ", WELL: "  "}
_HEADINGS = (
    *("", "host", "site", "serves until", "days", "mutual TLS", "may call", "CA ends", "last call UTC", "why"),
)
_LEAST = {"host": 8, "site": 12, "may call": 8, "why": 12}  # what these are shortened to where a line is too long


def tabulate_fleet(fleet: Fleet, *, everything: bool = False) -> list[str]:
    """Return the lines to print. ``everything``: also the rows of a large fleet in which all is well."""
    shown = [row for row in fleet.rows if row.severity != WELL]
    well = [row for row in fleet.rows if row.severity == WELL]
    fits = everything or len(fleet.rows) <= ROWS_SHOWN
    groups = [[row] for row in shown + well] if fits else _fold(shown, _kind_of)
    lines = lay_out(_HEADINGS, list(map(_fold_cells, groups)), SCREEN, _LEAST) if groups else []
    if well and not fits:
        lines.append(f"And {count_of(len(well), 'row')} in which all is well: -e status_all=true shows them.")
    when = "" if fleet.oldest == fleet.newest else f" Looked at {fleet.when}."
    told = _sort_reasons(fleet.reasons, everything=everything)
    reasons = [line for group in told for line in _wrap(plain(_tell_reasons(group)))]
    if len(groups) < len(shown) or any(len(group) > 1 for group in told):
        reasons.append("What is alike is one here, with the first of its dates: -e status_all=true shows each.")
    return [*lines, *([""] if lines else []), *reasons, *([""] if reasons else []), *_wrap(sum_up(fleet) + when)]


def sum_up(fleet: Fleet) -> str:
    """Return the line that says how the fleet is."""
    sites = len({row.domain for row in fleet.rows if row.domain})
    said = f"{count_of(len(fleet.hosts), 'host')}, {count_of(sites, 'site')}: "
    counts: list[str] = []
    for severity, noun in ((CRITICAL, "critical finding"), (WARNING, "warning")):
        if fleet.count(severity):
            # Rows are counted by the worst that is amiss there: warnings of a critical row are in none of theirs.
            rows = "" if counts else f" on {count_of(fleet.count_rows(severity), 'row')}"
            counts.append(f"{count_of(fleet.count(severity), noun)}{rows}")
    said += f"{' and '.join(counts) or 'all is well'}."
    dying = [each.host for each in fleet.reasons if each.code == "reload-fails"]
    if dying:
        said += f" httpd would end at its next reload, such as logrotate's at midnight, on {name_some(dying, 3)}."
    first = fleet.first_to_end
    if first:
        when = f"in {count_of(first.days, 'day')}" if first.days >= 0 else "which is over"
        said += f" First to end: the {first.kind} of {first.domain} on {first.host}, {first.ends[:10]}, {when}."
    return said


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _kind_of(row: Row) -> tuple[object, ...]:
    """Return in which way a row is amiss."""
    return (row.severity, row.lacks, row.why, bool(row.domain), row.mutual_tls, row.lets_strangers_in)


def _fold_cells(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the cells of a row, or of several as one: how many hosts and sites, and the first of their dates."""
    every = list(map(_cells, rows))
    if len(rows) == 1:
        return every[0]
    folded = []
    for name, column in zip(_HEADINGS, zip(*every, strict=True), strict=True):
        values = list(dict.fromkeys(each for each in column if each))
        if len(values) < 2:
            folded.append("".join(values))
        elif name in ("host", "site"):
            folded.append(f"{len(values)}: {name_some(values, _ALIKE_SHOWN)}")
        elif name == "days":
            folded.append(min(values, key=int))
        else:
            folded.append("various" if name == "may call" else min(values))
    return tuple(folded)


def _cells(row: Row) -> tuple[str, ...]:
    site = row.site
    begun = (_MARKS[row.severity], row.host.name)
    if row.host.condition != LOOKED:
        return (*begun, row.lacks, *[""] * 7)
    why = "" if row.why == row.lacks else row.why
    if not row.domain:
        return (*begun, row.lacks, *[""] * 6, why)
    if not row.known:
        return (*begun, row.domain, row.lacks, *[""] * 5, why)
    days = "" if row.days_left is None else str(row.days_left)
    mutual_tls = row.mutual_tls if row.mutual_tls == site["wanted"] else row.mutual_tls.upper()
    return (
        *begun,
        row.domain,
        row.served_until[:10],
        days,
        mutual_tls,
        plain("anybody" if row.lets_strangers_in else _tell_pins(site["pins"])),
        row.client_ca_ends[:10],
        _tell_last_call(row),
        why,
    )


def _tell_last_call(row: Row) -> str:
    """Return when somebody called last, without the year: nothing older than 30 days is known."""
    if row.last_call:
        return row.last_call[5:16].replace("T", " ")
    return "" if row.site["callers"] is None else "none (30 d)"


def _tell_pins(pins: Sequence[str]) -> str:
    """Return who may call, in as few characters as tell it."""
    if not pins:
        return "any client"
    kind, _colon, value = pins[0].partition(":")
    first = value[:12] if kind == "certificate" else value
    return first + (f" +{len(pins) - 1}" if len(pins) > 1 else "")


@dataclass(frozen=True)
class _Said:
    """What is amiss, and with which hosts. Both texts are as of one of them."""

    reason: Reason
    hosts: tuple[str, ...]

    @property
    def kind(self) -> tuple[str, str, str]:
        """What it is, of whatever."""
        return self.reason.severity, self.reason.code, self.reason.kind

    @property
    def wording(self) -> tuple[str, ...]:
        """What it is, whichever the site."""
        texts = (self.reason.message, self.reason.remedy)
        domain = self.reason.domain
        return (*self.kind, *(each.replace(domain, "\0") if domain else each for each in texts))

    @property
    def gist(self) -> tuple[str, ...]:
        """What it is, whichever the site and the host: by its words without any name, where it has no kind."""
        if self.reason.kind:
            return self.kind
        words = self.reason.message
        for name in (self.reason.domain, *self.hosts):
            words = words.replace(name, "\0") if name else words
        return (*self.kind, _NAMES.sub("\0", words))


def _sort_reasons(reasons: Sequence[Reason], *, everything: bool) -> list[list[_Said]]:
    """Return what is amiss, once for all hosts of which the same is so, and what is alike together if it is much."""
    hosts: dict[tuple[str, str, str], list[Reason]] = {}
    for each in reasons:
        hosts.setdefault((each.severity, each.message, each.remedy), []).append(each)
    said = [_Said(same[0], tuple(each.host for each in same if each.host)) for same in hosts.values()]
    if everything:
        return [[each] for each in said]
    groups = _fold(said, lambda each: each.wording)
    return groups if len(groups) <= _REASONS_SHOWN else _fold(said, lambda each: each.gist)


def _fold(items: Sequence[_T], tell: Callable[[_T], tuple[object, ...]]) -> list[list[_T]]:
    """Return what is alike together, where the first of it stands; what is so of a few stays apart, in its place."""
    alike: dict[tuple[object, ...], list[_T]] = {}
    for each in items:
        alike.setdefault(tell(each), []).append(each)
    groups = []
    for each in items:
        group = alike[tell(each)]
        if len(group) <= _ALIKE_SHOWN:
            groups.append([each])
        elif each is group[0]:
            groups.append(group)
    return groups


def _tell_reasons(group: Sequence[_Said]) -> str:
    first, *others = group
    where = f"{name_some(first.hosts, _ALIKE_SHOWN)}: " if first.hosts else ""
    words = f"{first.reason.severity.upper()} {where}{first.reason.message} {first.reason.remedy}".rstrip()
    if not others:
        return words
    one_host = len({each.hosts for each in group}) == 1
    names = [
        " ".join(filter(None, ["" if one_host else name_some(each.hosts, 1), each.reason.domain])) for each in others
    ]
    named = name_some(list(filter(None, dict.fromkeys(names))), _ALIKE_SHOWN)
    return f"{words} And {len(others):,} more like it{f': {named}' if named else ''}."


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, SCREEN, subsequent_indent=" " * 4, break_on_hyphens=False)
