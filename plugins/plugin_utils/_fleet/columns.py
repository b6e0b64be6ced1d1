# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Columns of text that fit a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCREEN = 120  # columns of a terminal
WIDTH = 106  # of them, what is left of a line by what Ansible's callbacks put around one of a list
_GAP = "  "
_LEAST = 8  # what no column is made narrower than
_CUT = "…"


def lay_out(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int = WIDTH,
    least: Mapping[str, int] | None = None,
) -> list[str]:
    """Return the lines of a table, its header first. The widest columns are cut where all do not fit.

    A row of fewer cells than the header ends in one that may go on to the end of the line. ``least``: the columns that
    may be cut, by their headings, and to what; all where it is not given.
    """
    printable = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in (header, *rows)]
    wide = [row if len(row) == len(header) else row[:-1] for row in printable]
    widths = [max(len(row[column]) for row in wide if len(row) > column) for column in range(len(header))]
    spare = {
        column: widths[column] - (_LEAST if least is None else least[name])
        for column, name in enumerate(header)
        if least is None or name in least
    }
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(spare.values()) > 0:
        widest = max(spare, key=lambda column: (spare[column], widths[column]))
        widths[widest] -= 1
        spare[widest] -= 1
    lines = []
    for row in printable:
        cells = [_fit(cell, width_).ljust(width_) for cell, width_ in zip(row, widths, strict=False)]
        if len(row) < len(header):
            cells[-1] = row[-1]
        lines.append(_fit(_GAP.join(cells).rstrip(), width))
    return lines


def _fit(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + _CUT
