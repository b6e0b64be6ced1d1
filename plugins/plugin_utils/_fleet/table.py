# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet on a screen of 120 columns: a table, the worst first, what is amiss, and a line that sums it up."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import SCREEN, lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import CRITICAL, LOOKED, WARNING, WELL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet, Reason, Row

ROWS_SHOWN = 40  # of a fleet in which all is well there; others are counted
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
    cells = [_cells(row) for row in (shown + well if fits else shown)]
    lines = lay_out(_HEADINGS, cells, SCREEN, _LEAST) if cells else []
    if well and not fits:
        lines.append(f"And {count_of(len(well), 'row')} in which all is well: -e status_all=true shows them.")
    reasons = list(_reasons(fleet.reasons))
    return [*lines, *([""] if lines else []), *reasons, *([""] if reasons else []), *_wrap(sum_up(fleet))]


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
    first = fleet.first_to_end
    if first:
        when = f"in {count_of(first.days, 'day')}" if first.days >= 0 else "which is over"
        said += f" First to end: the {first.kind} of {first.domain} on {first.host}, {first.ends[:10]}, {when}."
    return said


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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


def _reasons(reasons: Sequence[Reason]) -> Iterator[str]:
    """Yield what is amiss, once for all hosts of which the same is so."""
    hosts: dict[tuple[str, str, str], list[str]] = {}
    for each in reasons:
        hosts.setdefault((each.severity, each.message, each.remedy), []).append(each.host)
    for (severity, message, remedy), names in hosts.items():
        known = [name for name in names if name]
        where = f"{name_some(known, 5)}: " if known else ""
        said = plain(f"{severity.upper()} {where}{message}{' ' + remedy if remedy else ''}")
        yield from _wrap(said)


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, SCREEN, subsequent_indent=" " * 4, break_on_hyphens=False)
