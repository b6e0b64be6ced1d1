# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.server_info on the controller: what is no path may be a secret, and is not sent, as it would be logged."""

from __future__ import annotations

import re
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, checked, documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import refusal

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("server_info")
# Not each text with a dollar: a password's hash and vaulted text begin with one too.
_PATH = re.compile(r"(~|\$\w+|\$\{\w+\})?/")


class ActionModule(ActionBase):
    """Ask the httpd of the target."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module on the target does; failed, and nothing sent, where an option is no path."""
        super().run(tmp, task_vars)
        try:
            given = {name: path for name, path in checked(OPTIONS, self._task.args).items() if path}
            wrong = [name for name, path in given.items() if not _PATH.match(path)]
            if wrong:
                message = "option '{}' is not an absolute path on the target. Correct it."
                raise ArgumentsError([message.format(name) for name in wrong])
        except ArgumentsError as error:
            return refusal(error)
        result: dict[str, Any] = self._execute_module(
            module_name="mtls.httpd.server_info", module_args=given, task_vars=task_vars
        )
        return result
