# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.fleet_callers: in the controller's process. Its documentation is in plugins/modules/fleet_callers.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, checked, documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import on_controller
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.caller_table import lay_out_callers, sum_up_callers
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    FAILED,
    LOOKED,
    NOT_ASKED,
    UNREACHABLE,
    WITHOUT_HTTPD,
    Host,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("fleet_callers")


class ActionModule(ActionBase):
    """Tell who called a fleet's sites."""

    _requires_connection = False

    @on_controller
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the table, after it was printed."""
        options = checked(OPTIONS, self._task.args)
        if not options["hosts"]:
            raise ArgumentsError(["option 'hosts' is an empty list, so there is nothing to tell. Name the hosts."])
        hostvars = (task_vars or {})["hostvars"]
        hosts = [
            _read_host(name, hostvars[name].get(options["variable"]) if name in hostvars else None)
            for name in dict.fromkeys(options["hosts"])
        ]
        lines = lay_out_callers(hosts)
        # By itself, as a result would show it as one line with marks in the place of its ends.
        Display().display("\n".join(lines))
        result = {"changed": False, "msg": sum_up_callers(hosts)}
        return result if options["summary"] else {**result, "table": lines}


def _read_host(name: str, result: Mapping[str, Any] | None) -> Host:
    """Return what a registered result of caller_info tells of a host."""
    if not result or result.get("skipped"):
        return Host(name, NOT_ASKED, "it was not asked in this run", {})
    words = str(result.get("msg") or "nothing was said of why").strip().splitlines()[0][:500]
    if result.get("unreachable"):
        return Host(name, UNREACHABLE, words, {})
    if result.get("failed") or "found" not in result:
        return Host(name, FAILED, words, {})
    return Host(name, LOOKED, "", result) if result["found"] else Host(name, WITHOUT_HTTPD, "it has no httpd", {})
