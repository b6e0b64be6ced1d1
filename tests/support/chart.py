# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw measured costs against the amount of work, as a picture like those of pictures.py."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log10

from pictures import Picture

Line = Mapping[int, float]  # what was measured, by the amount of work

_WIDTH, _HEIGHT = 880, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 640, 70, 360  # of the plot; right of it stand the names of the lines
_NAMES_APART, _MARKS_APART = 40, 30


def chart(title: str, words: str, across: str, upward: str, lines: Mapping[str, Line]) -> Picture:
    """Return a picture with a line for each of `lines`, by its name, which stands at the line's end.

    `words` say what is seen, for those who do not see it. `across` and `upward` name the axes, with their units. Both
    begin at 0.
    """
    picture = Picture(title, words, _WIDTH, _HEIGHT)
    most = max(work for line in lines.values() for work in line)
    step = _step(max(cost for line in lines.values() for cost in line.values()))
    highest = step * ceil(max(cost for line in lines.values() for cost in line.values()) / step)

    def place(work: float, cost: float) -> tuple[int, int]:
        x = _LEFT + (_RIGHT - _LEFT) * work / most
        return round(x), round(_BOTTOM - (_BOTTOM - _TOP) * cost / highest)

    picture.text(_LEFT - 50, 40, upward, kind="bold")
    picture.text((_LEFT + _RIGHT) // 2, _HEIGHT - 14, across, kind="middle bold")
    for number in range(round(highest / step) + 1):
        _x, y = place(0, step * number)
        picture.shapes.append(f'<path class="grid" d="M{_LEFT} {y} L{_RIGHT} {y}"/>')
        picture.text(_LEFT - 10, y + 5, f"{step * number:g}", kind="small end")
    marked = -_MARKS_APART
    for work in sorted({0, *(work for line in lines.values() for work in line)}):
        x = place(work, 0)[0]
        if x - marked >= _MARKS_APART:
            picture.text(x, _BOTTOM + 22, f"{work}", kind="small middle")
            marked = x
    free = _HEIGHT  # where names may stand, from below upwards
    for number, (name, line) in enumerate(sorted(lines.items(), key=lambda each: each[1][max(each[1])])):
        points = [place(work, line[work]) for work in sorted(line)]
        way = " L".join(f"{x} {y}" for x, y in points)
        picture.shapes.append(f'<path class="line series{number % 4}" d="M{way}"/>')
        picture.shapes += [f'<circle class="dot{number % 4}" cx="{x}" cy="{y}" r="4"/>' for x, y in points]
        x, y = points[-1]
        free = min(y, free - _NAMES_APART)
        picture.text(x + 14, free, name, kind="bold")
        picture.text(x + 14, free + 18, f"{line[max(line)]:.3g}", kind="small")
    return picture


def _step(highest: float) -> float:
    """Return between which values lines are drawn: some five of them, in round numbers."""
    size = 10.0 ** int(log10(highest / 5) // 1)
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor * 5 >= highest)
