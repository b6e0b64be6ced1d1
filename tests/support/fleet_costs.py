# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write docs/fleet-costs.md and its picture into a folder, of what `make bench-fleet` measured last."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chart import chart

MEASURED = Path(__file__).resolve().with_suffix(".json")
EVERY_DAY = ("ping", "status", "deploy, converged")


@dataclass(frozen=True)
class Cost:
    """What one call took: seconds on the wall, seconds of the controller's processors, the largest process in MiB."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Measured:
    """The costs of each call by its number of hosts, and with what they were measured."""

    costs: dict[str, dict[int, Cost]]
    setting: dict[str, Any]

    @property
    def few(self) -> int:
        """The fewest hosts of a call."""
        return min(self.costs["ping"])

    @property
    def most(self) -> int:
        """The most hosts for which every day's calls were measured."""
        return max(set.intersection(*(set(self.costs[what]) for what in EVERY_DAY)))

    def further(self, what: str) -> float:
        """Return the controller's processor time for one host more, in seconds."""
        few, many = self.costs[what][self.few], self.costs[what][self.most]
        return (many.cpu - few.cpu) / (self.most - self.few)


def read() -> Measured:
    """Return what was measured last."""
    told = json.loads(MEASURED.read_text(encoding="utf-8"))
    costs = {
        what: {int(hosts): Cost(**cost) for hosts, cost in by_hosts.items()} for what, by_hosts in told["costs"].items()
    }
    return Measured(costs, told["setting"])


def page(measured: Measured) -> str:
    """Return the page."""
    costs, few, many = measured.costs, measured.few, measured.most
    rows = "\n".join(
        f"| {what} | {hosts} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.cpu / hosts:.3f} | {cost.memory:.0f} |"
        for what, by_hosts in costs.items()
        for hosts, cost in sorted(by_hosts.items())
    )
    ping, status, converged = costs["ping"], costs["status"], costs["deploy, converged"]
    times = many / few
    compared = [
        (
            "a further host, converged: controller's processors, in a ping's",
            3,
            measured.further("deploy, converged") / measured.further("ping"),
        ),
        (
            f"`status` of {many} hosts: controller's processors, in a play of pings",
            1.3,
            status[many].cpu / ping[many].cpu,
        ),
        (f"`status` of {many} hosts: on the wall, in a play of pings", 1.3, status[many].wall / ping[many].wall),
        (
            f"{times:g} times the hosts, converged: on the wall, in {times:g} times as long",
            1.1,
            converged[many].wall / converged[few].wall / times,
        ),
        (
            f"{times:g} times the hosts, converged: memory of the largest process, in that of {few}",
            1.1,
            converged[many].memory / converged[few].memory,
        ),
    ]
    table = "\n".join(
        f"| {what} | {limit} | {value:.3g} | {'yes' if value <= limit else 'no'} |" for what, limit, value in compared
    )
    setting = measured.setting
    return (
        f"""# What a fleet costs its controller

Made by `make bench-fleet`, which measures it again, one call after the other, with {setting["forks"]} forks.
`HOSTS=100 make bench-fleet` measures fewer hosts. What one run costs is on [a page of its own](performance.md).

A host is an httpd with a configuration of its own, in one of {setting["containers"]} containers of Debian 12. Each has
an SSH connection of its own, with pipelining.

Hosts and controller share the machine, so the time on the wall is that of both. Each run looks through the processes of
all hosts in its container, which real hosts would not have. Ansible's main process asks again and again whether a
worker has ended, so a host that takes longer costs the controller more, although it only waits.

![The controller's processor time, by the number of hosts](pictures/fleet-costs.svg)

## Against the aims

| what | at most | measured | kept |
| --- | --- | --- | --- |
{table}

## What was measured

| call | hosts | wall, s | controller's processors, s | a host, s | largest process, MiB |
| --- | --- | --- | --- | --- | --- |
{rows}

Measured with {setting["processors"]} processors, ansible-core {setting["core"]}, Python {setting["python"]}.
{setting["remark"]}
""".rstrip()
        + "\n"
    )


def picture(measured: Measured) -> str:
    """Return what every day's calls cost the controller, as SVG."""
    lines = {what: {hosts: cost.cpu for hosts, cost in measured.costs[what].items()} for what in EVERY_DAY}
    ends = ", ".join(f"{what} {line[measured.most]:.0f} s" for what, line in lines.items())
    return chart(
        "What a fleet costs its controller",
        f"The controller's processor time grows evenly with the number of hosts. For {measured.most} hosts: {ends}.",
        "hosts",
        "the controller's processors, s",
        lines,
    ).svg()


def write(docs: Path) -> None:
    """Write the page and its picture below C(docs)."""
    measured = read()
    (docs / "pictures").mkdir(parents=True, exist_ok=True)
    (docs / "fleet-costs.md").write_text(page(measured), encoding="utf-8")
    (docs / "pictures" / "fleet-costs.svg").write_text(picture(measured), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
