# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.release_info on the controller: what is no path is not sent, as it may be a secret."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._target_paths import ask_target

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("release_info")


class ActionModule(ActionBase):
    """Ask which releases the target keeps."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module on the target does; failed, and nothing sent, where an option is no path."""
        super().run(tmp, task_vars)
        return ask_target(self, "release_info", OPTIONS, task_vars)
