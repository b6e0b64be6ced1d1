# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugin of `sites` would send: it runs as Ansible runs it, but for the trip.

Reads the module's options, a line of JSON each; answers with one of its own: `payload`, or `msg` where it refuses.
A process of its own, as Ansible takes over the import of collections.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import ansible.plugins.loader as plugins
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar

MODULE = "mtls.httpd.sites"


def main() -> None:
    """Answer until the input ends."""
    plugins.init_plugin_loader([os.environ["ANSIBLE_COLLECTIONS_PATH"]])
    plugin = plugins.action_loader.get(MODULE, class_only=True)
    sent: list[str] = []

    def send(_action: object, **call: Any) -> dict[str, Any]:
        sent.append(call["module_args"]["payload"])
        return {}

    sending = type("Sending", (plugin,), {"_execute_module": send})
    for line in sys.stdin:
        loader, context = DataLoader(), PlayContext()
        task = Task.load({MODULE: {}})
        task.args = json.loads(line)
        action = sending(
            task=task,
            connection=plugins.connection_loader.get("local", context),
            play_context=context,
            loader=loader,
            templar=Templar(loader=loader),
            shared_loader_obj=plugins,
        )
        result = action.run(task_vars={})
        print(json.dumps({"payload": "".join(sent), "msg": result.get("msg", "")}), flush=True)
        sent.clear()


if __name__ == "__main__":
    main()
