# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that are paths on the target: what is none may be a secret, and is not sent, as it would be logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, checked

if TYPE_CHECKING:
    from collections.abc import Mapping

# Not each text with a dollar: a password's hash and vaulted text begin with one too.
_PATH = re.compile(r"(~|\$\w+|\$\{\w+\})?/")


def checked_paths(options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options, all of which are paths, that are given. Raises ArgumentsError, without a value."""
    found = {name: path for name, path in checked(options, given).items() if path}
    refuse_no_paths(found)
    return found


def refuse_no_paths(given: Mapping[str, object]) -> None:
    """Raise ArgumentsError, without a value, for options that are no absolute path on the target."""
    wrong = [name for name, path in given.items() if not _PATH.match(str(path))]
    if wrong:
        message = "option '{}' is not an absolute path on the target. Correct it."
        raise ArgumentsError([message.format(name) for name in wrong])
