# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a deployment would do to each host of a fleet: a table for the screen, hosts of the same in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some
from ansible_collections.mtls.httpd.plugins.plugin_utils._summary import would_be

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.deployment import Outcome

_HEADER = ("hosts", "rehearsed", "site", "would be")
_LEAST = {"hosts": 12, "site": 12, "would be": 30}
_NAMED = 3  # hosts of a line, at most


def tabulate_dry_run(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the lines of the table: who would fail first, then who would change, then who is as wished."""
    hosts: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for outcome in outcomes:
        hosts.setdefault(tuple(_list_cells(outcome)), []).append(outcome.host)
    groups = sorted(hosts.items(), key=lambda group: _order(group[0]))
    rows = [
        (name_some(names, _NAMED) if not number else "", *cells)
        for alike, names in groups
        for number, cells in enumerate(alike)
    ]
    return lay_out(_HEADER, rows, least=_LEAST)


def _list_cells(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    """Yield what is said of a host: a line for each of its sites that would change, or one for the host."""
    applied = outcome.applied
    if outcome.reason:
        yield (f"would fail: {' '.join(outcome.reason.split())}",)
    elif applied is None:
        yield ("was not begun",)
    elif not applied["httpd_found"]:
        yield ("not", "", "given an httpd, and then the sites")
    elif outcome.left_alone:
        yield ("", "", "as it is: no site of it was asked for")
    elif not applied["changed"]:
        yield ("", "", "as it is: all is as wished")
    else:
        changed = [site for site in applied["sites"] if site["changed"]]
        for site in changed:
            yield (applied["rehearsal"].replace("none", "not"), site["domain"], would_be(site))
        if not changed:
            yield ("", "", "reloaded" if applied["reloaded"] else "rid of what is left over")


def _order(cells: tuple[tuple[str, ...], ...]) -> int:
    return 0 if len(cells[0]) == 1 else 2 if cells[0][0] == "" else 1
