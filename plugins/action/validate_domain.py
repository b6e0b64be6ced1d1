# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.validate_domain, in the controller's process. Its documentation is in plugins/modules/."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules, printable
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import checked, documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import on_controller

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("validate_domain")


class ActionModule(ActionBase):
    """Check domains against the rules of Chat's console."""

    _requires_connection = False

    @on_controller
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the problems of every domain; failed where there is one."""
        domains = checked(OPTIONS, self._task.args)["domain"]
        found = [(domain, broken_rules(domain)) for domain in domains]
        messages = [problem.message for _domain, problems in found for problem in problems]
        if not domains:
            messages = ["option 'domain' is an empty list, so nothing was checked. Give at least one domain."]
        return {
            "changed": False,
            "failed": bool(messages),
            "msg": "\n".join(messages) or "All domains are valid.",
            "domains": [
                {
                    "domain": printable(domain).lower(),
                    "valid": not problems,
                    "problems": [{"rule": problem.rule, "message": problem.message} for problem in problems],
                }
                for domain, problems in found
            ],
        }
