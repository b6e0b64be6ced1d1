# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports (JSON) of other runs, such as those of the slices of an inventory, read back to be told as one."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from jinja2 import UndefinedError

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.formats import FORMATS, SCHEMA
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.judging import judge_fleet
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    LOOKED,
    NOT_ASKED,
    WARNING,
    Host,
    Judged,
    Reason,
    Thresholds,
    moment,
    sort_by_host,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

_CLOCKS = timedelta(minutes=5)  # by which those of two controllers may differ
_OLD = timedelta(hours=12)  # The slices of one run are looked at together; yesterday's report is of one that failed.
_ODD = (ValueError, LookupError, TypeError, AttributeError, UndefinedError)


@dataclass(frozen=True)
class _Report:
    at: datetime
    hosts: tuple[Judged, ...]


def read_reports(paths: Sequence[str], now: datetime) -> list[Judged]:
    """Return the hosts of all reports, each with what was amiss with it; one that is in several, as it was last.

    Where that was long ago, it is amiss.
    Raises ArgumentsError, by the option 'reports', for what is no report.
    """
    wrong: list[str] = []
    found: list[_Report] = []
    for index, path in enumerate(paths):
        where = f"option 'reports[{index}]'"
        try:
            with open(path, encoding="utf-8") as stream:
                told = json.load(stream)
            if told["schema"] != SCHEMA:
                wrong.append(f"{where}, {path}, is no report of the form {SCHEMA}. Have status write it anew.")
                continue
            report = _read_report(told)
            if report.at > now + _CLOCKS:
                wrong.append(f"{where}, {path}, is of the future, {told['made_at']}. Set the clock, and write it anew.")
            found.append(report)
        except OSError as error:
            wrong.append(f"{where}, {path}, cannot be read on the controller: {error.strerror}. Correct it.")
        except _ODD:
            wrong.append(f"{where}, {path}, is no report that status has written (.json). Name one.")
    if wrong:
        raise ArgumentsError(wrong)
    told_of = sorted((one for report in found for one in report.hosts), key=lambda one: one.at)
    return list({one.host.name: _tell_age(one, now) for one in told_of}.values())


def _tell_age(one: Judged, now: datetime) -> Judged:
    if now - one.at < _OLD:
        return one
    verb = {LOOKED: "looked at", NOT_ASKED: "left out"}.get(one.host.condition, "asked")
    words = f"It was {verb} on {one.at:%Y-%m-%d at %H:%M} UTC, so that what is told of it may be so no longer."
    remedy = "Look at it again; or see why the job of its slice wrote no new report."
    return replace(one, reasons=(*one.reasons, Reason(WARNING, "old-report", one.host.name, "", words, remedy)))


def _read_report(told: dict[str, Any]) -> _Report:
    """Read a report, and see that all can be told of it that is told of a fleet. Raises one of _ODD where not."""
    at = moment(told["made_at"])
    reasons = list(map(_read_reason, told["reasons"]))
    hosts = list(map(_read_host, told["hosts"]))
    # What hosts have together is judged anew.
    own = sort_by_host((each for each in reasons if each.host), hosts)
    # A report that was put together of others tells by host when that was.
    looked = [min(at, moment(one.get("looked_at", told["made_at"]))) for one in told["hosts"]]
    judged = (Judged(host, tuple(own.get(host.name, ())), each) for host, each in zip(hosts, looked, strict=True))
    report = _Report(at, tuple(judged))
    fleet = judge_fleet((), report.at, Thresholds(0, 0), report.hosts)
    for render in FORMATS.values():
        render(fleet)
    return report


def _read_host(one: dict[str, Any]) -> Host:
    return Host(str(one["host"]), str(one["condition"]), str(one["message"]), {**one, "sites": list(one["sites"])})


def _read_reason(told: dict[str, Any]) -> Reason:
    # Of a later version, there may be more.
    texts = {each.name: str(told[each.name]) for each in fields(Reason) if each.name in told and each.name != "hosts"}
    return Reason(**texts, hosts=tuple(map(str, told.get("hosts", ()))))
