# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was registered on the hosts of a fleet by a task that looked at each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    FAILED,
    LOOKED,
    NOT_ASKED,
    UNREACHABLE,
    WITHOUT_HTTPD,
    Host,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_NOT_FOUND = 127  # what a shell ends with where a program is not there (POSIX): modules start by the host's Python
_NO_PYTHON = "Install Python, or set ansible_python_interpreter."
SAID = ("module_stdout", "module_stderr")
_OF_SSH = re.compile(r"(Shared connection|Connection) to .* closed|Warning: Permanently added ")
_LONGEST = 500  # characters of a reason: Ansible's own words may go on for pages


def read_hosts(names: Sequence[str], hostvars: Mapping[str, Any], variable: str) -> list[Host]:
    """Return what the variable of each host holds, the result of site_info or caller_info.

    Raises ArgumentsError, without a value, for names that are no host's.
    """
    if not names:
        raise ArgumentsError(["option 'hosts' is an empty list, so there is nothing to tell. Name the hosts."])
    wrong = [f"option 'hosts[{number}]'" for number, name in enumerate(names) if name not in hostvars]
    if wrong:
        raise ArgumentsError([f"{each} is no host of the inventory. Correct it." for each in wrong])
    return [_read_host(name, hostvars[name].get(variable)) for name in dict.fromkeys(names)]


def _read_host(name: str, result: Mapping[str, Any] | None) -> Host:
    if not result or result.get("skipped"):
        return Host(name, NOT_ASKED, "It was not looked at in this run.", {})
    if result.get("unreachable"):
        return Host(name, UNREACHABLE, _first_line(result), {})
    if result.get("failed") or "found" not in result:
        return Host(name, FAILED, _first_line(result), {}, _NO_PYTHON if result.get("rc") == _NOT_FOUND else "")
    if not result["found"]:
        return Host(name, WITHOUT_HTTPD, "There is no httpd on it.", {"python": result.get("python")})
    return Host(name, LOOKED, "", result)


def _first_line(result: Mapping[str, Any]) -> str:
    """Return why nothing is told, in one line: of a module that died, with the last line that it had to say."""
    words = str(result.get("msg") or "nothing was said of why").strip().removeprefix("Task failed: ").splitlines()[0]
    return f"{words} {last_words(result)}".strip()[:_LONGEST]


def last_words(result: Mapping[str, Any]) -> str:
    """Return the last line that a module had to say which died; empty for none.

    By a terminal (ssh -tt), what Python said is in its output, and ssh alone says that it goes, or whom it met.
    """
    lines = [line.strip() for name in SAID for line in str(result.get(name) or "").splitlines()]
    return next((line for line in reversed(lines) if line and not _OF_SSH.match(line)), "")
