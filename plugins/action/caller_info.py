# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.caller_info on the controller: its options are checked here, as what is none of them may be a secret."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, checked, documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import failure, find_why_not_started, refusal
from ansible_collections.mtls.httpd.plugins.plugin_utils._target_paths import refuse_no_paths

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("caller_info")
_PATHS = ("httpd_binary", "httpd_config")
_LARGEST = {"since_days": 3650, "max_entries": 10_000, "max_megabytes": 4096, "max_seconds": 600}


class ActionModule(ActionBase):
    """Ask the target who called its sites."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module on the target does; failed, and nothing sent, where an option is wrong."""
        super().run(tmp, task_vars)
        try:
            given = {name: value for name, value in checked(OPTIONS, self._task.args).items() if value is not None}
            refuse_no_paths({name: given[name] for name in _PATHS if name in given})
            wrong = [
                f"option '{name}' must be from 1 to {most}. Correct it."
                for name, most in _LARGEST.items()
                if not 0 < given[name] <= most
            ]
            if any(broken_rules(domain) for domain in given["domains"]):
                wrong.append("option 'domains' holds what is no name of a site. Correct it.")
            if wrong:
                raise ArgumentsError(wrong)
        except ArgumentsError as error:
            return refusal(error)
        result: dict[str, Any] = self._execute_module(
            module_name="mtls.httpd.caller_info", module_args=given, task_vars=task_vars
        )
        not_started = find_why_not_started(result)
        return failure([not_started]) if not_started else result
