# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.fleet_callers: in the controller's process. Its documentation is in plugins/modules/fleet_callers.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import checked, documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import on_controller, say
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.caller_table import lay_out_callers, sum_up_callers
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.registered import read_hosts

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("fleet_callers")


class ActionModule(ActionBase):
    """Tell who called a fleet's sites."""

    _requires_connection = False

    @on_controller
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the table, after it was printed."""
        options = checked(OPTIONS, self._task.args)
        hosts = read_hosts(options["hosts"], (task_vars or {})["hostvars"], options["variable"])
        lines = lay_out_callers(hosts)
        say(lines)
        result = {"changed": False, "msg": sum_up_callers(hosts)}
        return result if options["summary"] else {**result, "table": lines}
