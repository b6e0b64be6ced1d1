# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That what the action plugins import is compiled once, by Ansible's loader and Python's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COLLECTIONS = Path(__file__).resolve().parents[7]
PROGRAM = """
import gc, json, sys
import ansible.plugins.loader as plugins

plugins.init_plugin_loader([sys.argv[1]])
finders, compiled = list(sys.meta_path), []
sys.addaudithook(lambda event, arguments: event == "compile" and compiled.append(str(arguments[1])))
plugins.action_loader.get(sys.argv[2], class_only=True)
own = [name.partition("/plugins/")[2] for name in compiled if "/mtls/httpd/plugins/" in name]
print(json.dumps([own, sys.meta_path == finders, gc.isenabled()]))
"""
# What has all the rest loaded so. Ansible keeps the bytecode of plugins, but of nothing that they import.
BY_ANSIBLE = {"plugin_utils/_bytecode.py"}


def compiled_for(action: str, cache: Path, **environment: str) -> set[str]:
    """Have Ansible load an action plugin in a process of its own; return the files of ours that Python compiled."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(COLLECTIONS), f"mtls.httpd.{action}"],
        env={**inherited, "PYTHONPYCACHEPREFIX": str(cache), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    own, as_before, collects = json.loads(done.stdout)
    assert as_before
    assert collects
    return set(own)


@pytest.mark.parametrize("action", ["sites", "handshake_info", "validate_certificate"])
def test_what_an_action_imports_is_compiled_in_the_first_run_alone(action: str, tmp_path: Path) -> None:
    first = compiled_for(action, tmp_path)
    assert len(first) > 20
    assert compiled_for(action, tmp_path) == BY_ANSIBLE


def test_what_was_changed_is_compiled_again(tmp_path: Path) -> None:
    compiled_for("validate_certificate", tmp_path)
    (kept,) = tmp_path.rglob("judge.*.pyc")
    kept.write_bytes(kept.read_bytes()[:8] + bytes(8) + kept.read_bytes()[16:])  # of another time and size
    assert "module_utils/_verdict/judge.py" in compiled_for("validate_certificate", tmp_path)


def test_where_no_bytecode_is_to_be_kept_none_is(tmp_path: Path) -> None:
    for _run in range(2):
        assert len(compiled_for("sites", tmp_path, PYTHONDONTWRITEBYTECODE="1")) > 20
    assert list(tmp_path.iterdir()) == []
