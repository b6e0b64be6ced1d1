# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is new in which version: the changelog lists a plugin in the release that its documentation names."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
FIRST = (1, 0, 0)
INTERNAL = "transaction"  # carries out on a host what another module has made ready; no release lists it


def documentations() -> dict[str, dict[str, Any]]:
    """Return the documentation of each module, filter and test, by kind and name."""
    found = {}
    for path in sorted(PLUGINS.glob("*/*.yml")):
        found[f"{path.parent.name} {path.stem}"] = yaml.safe_load(path.read_text())["DOCUMENTATION"]
    for path in [*sorted(PLUGINS.glob("modules/*.py")), *sorted(PLUGINS.glob("filter/*.py"))]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
                found[f"{path.parent.name} {path.stem}"] = yaml.safe_load(ast.literal_eval(node.value))
    return found


DOCUMENTED = documentations()


@pytest.mark.parametrize("name", [name for name in DOCUMENTED if name != f"modules {INTERNAL}"])
def test_everything_that_is_documented_says_which_release_brought_it(name: str) -> None:
    number = re.fullmatch(r"(\d+)\.(\d+)\.0", DOCUMENTED[name].get("version_added", ""))
    assert number, "a version of the collection that may bring something new, such as 1.1.0"
    assert (*map(int, number.groups()), 0) >= FIRST


def test_no_release_lists_the_module_that_is_not_for_playbooks() -> None:
    assert "version_added" not in DOCUMENTED[f"modules {INTERNAL}"]
