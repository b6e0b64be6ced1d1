# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.fleet_report: in the controller's process. Its documentation is in plugins/modules/fleet_report.py."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_bytecode

with kept_bytecode():
    from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import (
        ArgumentsError,
        checked,
        documented_options,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import on_controller, say
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.formats import FORMATS
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.judging import judge_fleet
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.merging import read_reports
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.registered import read_hosts
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.report_file import replace_file
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import SEVERITIES, Thresholds
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import sum_up, tabulate_fleet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("fleet_report")


class ActionModule(ActionBase):
    """Tell how a fleet is."""

    _requires_connection = False

    @on_controller
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what is amiss, after it was printed and written; failed where that is as bad as was said."""
        options = checked(OPTIONS, self._task.args)
        for name in ("files", "reports"):
            options[name] = [os.path.expanduser(each) for each in options[name]]
        _refuse_odd(options)
        now = datetime.now(timezone.utc)
        others = read_reports(options["reports"], now)
        hosts = []
        if options["hosts"] or not others:
            hosts = read_hosts(options["hosts"], (task_vars or {})["hostvars"], options["variable"])
        names = {host.name for host in hosts}
        others = [each for each in others if each.host.name not in names]
        thresholds = Thresholds(options["warn_days"], options["critical_days"])
        fleet = judge_fleet(hosts, now, thresholds, others)
        lines = tabulate_fleet(fleet, everything=options["everything"])
        say(lines)
        _write({path: FORMATS[os.path.splitext(path)[1]](fleet) for path in options["files"]})
        bad = options["fail_on"] != "never" and _is_as_bad(fleet, options["fail_on"])
        result = {"changed": False, "failed": bad, "msg": sum_up(fleet)}
        if options["summary"]:
            return result
        return {
            **result,
            "severity": fleet.severity,
            "table": lines,
            "reasons": [asdict(reason) for reason in fleet.reasons],
        }


def _is_as_bad(fleet: Fleet, threshold: str) -> bool:
    return SEVERITIES.index(fleet.severity) <= SEVERITIES.index(threshold)


def _refuse_odd(options: Mapping[str, Any]) -> None:
    """Raise ArgumentsError for files that could not be written, before anything is printed."""
    wrong = []
    if options["critical_days"] > options["warn_days"]:
        wrong.append("option 'critical_days' is more than 'warn_days', and is to be less. Correct one of them.")
    for index, path in enumerate(options["files"]):
        where = f"option 'files[{index}]', {path},"
        if os.path.splitext(path)[1] not in FORMATS:
            wrong.append(
                f"{where} has none of the endings {', '.join(FORMATS)}, by which the form is chosen. Give one."
            )
        elif not os.path.isdir(os.path.dirname(os.path.abspath(path))):
            wrong.append(f"{where} is in a folder that is not there, on the controller. Make it, or name another.")
        elif os.path.isdir(path):
            wrong.append(f"{where} is a folder. Name a file in it.")
    if wrong:
        raise ArgumentsError(wrong)


def _write(reports: Mapping[str, str]) -> None:
    """Write each report to its path. Raises ArgumentsError with what could not be written, once all was tried."""
    wrong = []
    for path, report in reports.items():
        try:
            replace_file(path, report)
        except OSError as error:
            wrong.append(f"option 'files': {path} cannot be written on the controller: {error.strerror}.")
    if wrong:
        raise ArgumentsError(wrong)
