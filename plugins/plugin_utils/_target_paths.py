# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that are paths on the target: what is none may be a secret, and is not sent, as it would be logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, checked
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import failure, find_why_not_started, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible.plugins.action import ActionBase

# Not each text with a dollar: a password's hash and vaulted text begin with one too.
_PATH = re.compile(r"(~|\$\w+|\$\{\w+\})?/")


def ask_target(
    action: ActionBase, module: str, options: Mapping[str, Any], task_vars: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what a module of the collection answers on the target, all of whose options are paths there.

    Failed, and nothing sent, where an option is no path.
    """
    try:
        given = {name: path for name, path in checked(options, action._task.args).items() if path}
        refuse_no_paths(given)
    except ArgumentsError as error:
        return refusal(error)
    answer: dict[str, Any] = action._execute_module(
        module_name=f"mtls.httpd.{module}", module_args=given, task_vars=task_vars
    )
    not_started = find_why_not_started(answer)
    return failure([not_started]) if not_started else answer


def refuse_no_paths(given: Mapping[str, object]) -> None:
    """Raise ArgumentsError, without a value, for options that are no absolute path on the target."""
    wrong = [name for name, path in given.items() if not _PATH.match(str(path))]
    if wrong:
        message = "option '{}' is not an absolute path on the target. Correct it."
        raise ArgumentsError([message.format(name) for name in wrong])
