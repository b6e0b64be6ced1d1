# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write docs/growth.md and its pictures into a folder, of what `make bench-growth` measured last."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chart import chart

MEASURED = Path(__file__).resolve().with_suffix(".json")
HTTPD = "httpd -t, with dumps"  # what the runs are measured by
STEEPEST = 2.2  # times as long for twice the work
_PICTURES = {"sites": "growth-sites", "virtual hosts": "growth-virtual-hosts"}


@dataclass(frozen=True)
class Measured:
    """The seconds of each call: by what grows, by the call, by how much there is of it. C(setting): of the machine."""

    costs: dict[str, dict[str, dict[int, float]]]
    setting: dict[str, Any]


def read() -> Measured:
    """Return what was measured last."""
    told = json.loads(MEASURED.read_text(encoding="utf-8"))
    costs = {
        grown: {what: {int(number): cost for number, cost in line.items()} for what, line in lines.items()}
        for grown, lines in told["costs"].items()
    }
    return Measured(costs, told["setting"])


def steepness(line: dict[int, float]) -> float:
    """Return how many times as long the most takes as half of it, without what the least takes."""
    most, least = max(line), min(line)
    return (line[most] - line[least]) / (line[most // 2] - line[least])


def list_steep(measured: Measured) -> list[str]:
    """Return what of ours takes more than 2.2 times as long for twice the work, one line each."""
    return [
        f"{what}: {steepness(line):.2f} times as long for twice the {grown}"
        for grown, lines in measured.costs.items()
        for what, line in lines.items()
        if steepness(line) > STEEPEST and what != HTTPD
    ]


def page(measured: Measured) -> str:
    """Return the page."""
    sites, hosts = (_table(measured.costs[grown], grown) for grown in _PICTURES)
    setting = measured.setting
    return f"""# What more sites and more virtual hosts cost

Made by `make bench-growth`, which measures it again, on an httpd of its own on the controller. It fails if a run with
twice the work takes more than {STEEPEST} times as long; what the least work takes is left out of both.

## Sites

A play with the role, on the wall. The sites have a certificate each, and one client CA.

![Seconds by the number of sites](pictures/growth-sites.svg)

{sites}

## Virtual hosts of others

One site beside so many other virtual hosts, half of them with TLS. What the host's half of a run takes, beside what
httpd itself takes to tell its configuration, without Ansible.

![Seconds by the number of other virtual hosts](pictures/growth-virtual-hosts.svg)

{hosts}

Measured with {setting["processors"]} processors, ansible-core {setting["core"]}, Python {setting["python"]}.
"""


def _table(lines: dict[str, dict[int, float]], grown: str) -> str:
    numbers = sorted(next(iter(lines.values())))
    head = f"| s, with so many {grown} | {' | '.join(map(str, numbers))} | for twice the work |"
    rows = [
        f"| {what} | {' | '.join(f'{line[number]:.2f}' for number in numbers)} | {steepness(line):.2f} times |"
        for what, line in lines.items()
    ]
    return "\n".join([head, "|".join(["", *[" --- "] * (len(numbers) + 2), ""]), *rows])


def write(docs: Path) -> None:
    """Write the page and its pictures below C(docs)."""
    measured = read()
    (docs / "pictures").mkdir(parents=True, exist_ok=True)
    (docs / "growth.md").write_text(page(measured), encoding="utf-8")
    for grown, name in _PICTURES.items():
        lines = measured.costs[grown]
        ends = ", ".join(f"{what} {line[max(line)]:.1f} s for {max(line)}" for what, line in lines.items())
        words = f"The time grows evenly with the number of {grown}: {ends}."
        drawn = chart(f"What more {grown} cost", words, grown, "seconds", lines)
        (docs / "pictures" / f"{name}.svg").write_text(drawn.svg(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
