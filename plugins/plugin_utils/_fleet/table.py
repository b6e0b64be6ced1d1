# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet on a screen of 120 columns: a table, the worst first, what is amiss, and a line that sums it up."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import SCREEN, lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.folding import ALIKE_SHOWN, fold, fold_reasons
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import CRITICAL, LOOKED, WARNING, WELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.folding import Group
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet, Row

ROWS_SHOWN = 40  # of a fleet; where there are more, those in which all is well are counted, and others folded
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
    groups = [[row] for row in shown + well] if fits else fold(shown, _kind_of)
    lines = lay_out(_HEADINGS, list(map(_fold_cells, groups)), SCREEN, _LEAST) if groups else []
    if well and not fits:
        lines.append(f"And {count_of(len(well), 'row')} in which all is well: -e status_all=true shows them.")
    when = "" if fleet.oldest == fleet.newest else f" Looked at {fleet.when}."
    told = fold_reasons(fleet.reasons, everything=everything)
    reasons = [line for group in told for line in _wrap(plain(_tell_reasons(group)))]
    if len(groups) < len(shown) or any(group.others for group in told):
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
            folded.append(f"{len(values)}: {name_some(values, ALIKE_SHOWN)}")
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


def _tell_reasons(group: Group) -> str:
    first = group.first
    where = f"{name_some(first.hosts, ALIKE_SHOWN)}: " if first.hosts else ""
    words = f"{first.reason.severity.upper()} {where}{first.reason.message} {first.reason.remedy}".rstrip()
    return f"{words} {group.tell_others()}".rstrip()


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, SCREEN, subsequent_indent=" " * 4, break_on_hyphens=False)
