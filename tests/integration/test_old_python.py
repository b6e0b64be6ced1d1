# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose Python is too old for the modules: one sentence says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import LocalOperator


def interpreter(version: str) -> str:
    """Return the path of a version manager's Python; skip where there is none."""
    for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"):
        return str(path)
    pytest.skip(f"there is no Python {version} here")


@pytest.mark.parametrize("module", ["the role", "server_info"])
def test_python_3_8_is_told_from_what_is_needed(operator: LocalOperator, module: str) -> None:
    python = interpreter("3.8")
    plays = None if module == "the role" else [{"tasks": [{"mtls.httpd.server_info": {}}]}]
    output = operator.refused("-e", f"ansible_python_interpreter={python}", plays=plays).output
    words = " ".join(output.split())
    assert f"{python} on this host is Python 3.8, and 3.9 or newer is needed" in words
    assert "Nothing was touched" in words
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("version", "module"),
    [
        ("3.6", "the role"),
        ("3.7", "the role"),
        *(("3.6", name) for name in ("site_info", "caller_info", "release_info", "server_info")),
    ],
)
def test_a_python_too_old_for_ansible_itself_is_told_from_what_is_needed(
    operator: LocalOperator, version: str, module: str
) -> None:
    plays = None if module == "the role" else [{"tasks": [{f"mtls.httpd.{module}": {}}]}]
    output = operator.refused("-e", f"ansible_python_interpreter={interpreter(version)}", plays=plays).output
    assert "does not understand the module: 3.9 or newer is needed" in " ".join(output.split())
    assert "Traceback" not in output
