# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code of the target's half: all of it is sent, nothing else, and Python imports it from memory.

How the controller packs it is tested in tests/unit/plugins/plugin_utils/test_code_to_send.py.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._transaction import sent_code
from ansible_collections.mtls.httpd.plugins.plugin_utils._code_to_send import code_to_send, list_sent

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "ansible_collections.mtls.httpd.plugins.module_utils"
MODULE_UTILS = Path(sent_code.__file__).parents[1]
# What Ansible sends with the module, by the imports that it finds there.
BY_ANSIBLE = ("_python", "_transaction.sent_code")


def imported_by(path: Path) -> set[str]:
    """Return the modules of the collection that a file imports when it runs, at once or later."""
    found = set()
    for node in running(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            base = (node.module or "")[len(PACKAGE) + 1 :]
            names = [".".join(filter(None, [base, each.name])) for each in node.names]
            found |= {
                name if MODULE_UTILS.joinpath(*name.split(".")).with_suffix(".py").exists() else base for name in names
            }
    return found


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs of a file: all but what is for types alone."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from running(child)


def needed(*names: str) -> set[str]:
    """Return these modules, and whatever they import."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imported_by(MODULE_UTILS.joinpath(*name.split(".")).with_suffix(".py"))
    return found


def test_what_is_sent_is_what_a_call_imports() -> None:
    assert {*list_sent(), *BY_ANSIBLE} == needed("_transaction.call") | set(BY_ANSIBLE)


@pytest.mark.parametrize("name", ["transaction", "site_info"])
def test_ansible_finds_no_more_than_what_reads_the_code(name: str) -> None:
    module = MODULE_UTILS.parent / "modules" / f"{name}.py"
    assert imported_by(module) == set(BY_ANSIBLE)
    assert needed(*BY_ANSIBLE) == set(BY_ANSIBLE)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return a folder of modules with what Ansible sends, and nothing else of the collection."""
    for name in BY_ANSIBLE:
        own = Path(*PACKAGE.split("."), *name.split(".")).with_suffix(".py")
        (tmp_path / own).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODULE_UTILS.joinpath(*name.split(".")).with_suffix(".py"), tmp_path / own)
    return tmp_path


PROGRAM = f"""
import json, pkgutil, sys
sys.path.insert(0, sys.argv[1])
from {PACKAGE}._transaction import sent_code

compiled = []
sys.addaudithook(lambda event, arguments: event == "compile" and compiled.append(str(arguments[1])))
call = sent_code.import_sent(sys.stdin.read(), "_transaction.call")
from {PACKAGE}._machine import fault, sandbox
from {PACKAGE} import _python
try:
    from {PACKAGE}._verdict import judge
    missing = False
except ImportError:
    missing = True
own = [name for name in compiled if "{PACKAGE.replace(".", "/")}" in name]
text = pkgutil.get_data(fault.__name__, "fault.py").decode()
answer = call.answer("no payload", check=True)
print(json.dumps([own, text, missing, answer.failed, answer.result["msg"], _python.__file__]))
"""


def run(program: str, target: Path) -> subprocess.CompletedProcess[str]:
    """Run a program on what is sent."""
    command = [sys.executable, "-I", "-c", program, str(target)]
    return subprocess.run(command, input=code_to_send(), capture_output=True, text=True, check=False)


def test_the_code_is_imported_from_memory_and_each_file_compiled_once(target: Path) -> None:
    done = run(PROGRAM, target)
    assert done.stderr == ""
    own, text, missing, failed, message, python = json.loads(done.stdout)
    assert len(own) == len(set(own)) > 10
    assert text == (MODULE_UTILS / "_machine" / "fault.py").read_text()
    assert missing
    assert failed
    assert "no payload" not in message
    assert python.startswith(str(target))


def test_a_fault_in_what_was_sent_names_file_and_line(target: Path) -> None:
    done = run(PROGRAM.replace('"_transaction.call")', '"_transaction.call").answer(None, check=True)'), target)
    assert f'"{target}/{PACKAGE.replace(".", "/")}/_transaction/call.py", line ' in done.stderr
