# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rooms of the collection, and that imports point one way: downwards in the list of them."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PACKAGE = "ansible_collections.mtls.httpd.plugins"
# From the top. A room may import from itself and from each room below it.
ROOMS = ("_transaction", "_site", "_store", "_httpd", "_machine", "_handshake", "_verdict", "_twin")
# What each kind of plugin may import from. Nothing imports from a plugin.
MAY_IMPORT = {
    "action": {"module_utils", "plugin_utils"},
    "doc_fragments": set(),
    "filter": {"module_utils", "plugin_utils"},
    "module_utils": {"module_utils"},
    "modules": {"module_utils"},
    "plugin_utils": {"module_utils", "plugin_utils"},
    "test": {"module_utils", "plugin_utils"},
}


def imports_below(plugins: Path) -> dict[str, set[str]]:
    """Return, for each file of the collection, the files of it that it imports, for types alone or not."""
    files = {".".join(path.relative_to(plugins).with_suffix("").parts): path for path in plugins.rglob("*.py")}
    found: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                parent = ".".join([PACKAGE, *name.split(".")[: -node.level]]) if node.level else ""
                base = ".".join(filter(None, [parent, node.module]))
                names = [f"{base}.{each.name}" for each in node.names]
            else:
                continue
            for own in (each[len(PACKAGE) + 1 :] for each in names if each.startswith(f"{PACKAGE}.")):
                found[name].add(own if own in files else own.rpartition(".")[0])
    return found


def upwards(imports: dict[str, set[str]]) -> list[str]:
    """Return the imports of module_utils that point at a room above, one line each."""

    def floor(name: str) -> int:
        kind, *room = name.split(".")[:-1]
        return ROOMS.index(room[0]) if kind == "module_utils" and room else len(ROOMS)

    return [
        f"{name} -> {other}"
        for name, others in imports.items()
        for other in others
        if name.startswith("module_utils.") and floor(other) < floor(name)
    ]


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return the files of one circle of imports, or nothing."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def parameters(function: ast.FunctionDef) -> list[str]:
    """Return the names of the parameters of a function, but for self and cls."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [each.arg for each in named if each and each.arg not in ("self", "cls")]


IMPORTS = imports_below(PLUGINS)
# What would be many pieces there is an object, such as a question to a door. The exception is called by OpenSSL.
OF_FEW_PARAMETERS = ("_site", "_store", "_httpd", "_machine", "_handshake", "_twin")
CALLED_BY_OPENSSL = "_handshake/transcript.py: overhear"


def test_each_file_of_module_utils_but_one_lies_in_a_room() -> None:
    of_modules = [name.split(".") for name in IMPORTS if name.startswith("module_utils.")]
    assert {parts[1] for parts in of_modules if len(parts) > 2} == set(ROOMS)
    assert [parts[1] for parts in of_modules if len(parts) == 2] == ["_python"]


def test_a_room_imports_from_those_below_it_alone() -> None:
    assert not upwards(IMPORTS)


def test_no_file_imports_itself_by_way_of_others_not_even_for_types() -> None:
    assert not circle(IMPORTS)


def test_no_function_takes_more_than_five_parameters() -> None:
    many = [
        f"{room}/{path.name}: {function.name}"
        for room in OF_FEW_PARAMETERS
        for path in (PLUGINS / "module_utils" / room).glob("*.py")
        for function in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(function, ast.FunctionDef) and len(parameters(function)) > 5
    ]
    assert many == [CALLED_BY_OPENSSL]


def test_parameters_are_counted_in_whatever_way_they_are_given() -> None:
    (function,) = ast.parse("def ask(self, door, /, question, *names, timeout=5, **more): ...").body
    assert isinstance(function, ast.FunctionDef)
    assert parameters(function) == ["door", "question", "timeout", "names", "more"]


@pytest.mark.parametrize("kind", MAY_IMPORT)
def test_a_plugin_imports_what_its_kind_may(kind: str) -> None:
    assert {path.name for path in PLUGINS.iterdir() if any(path.glob("**/*.py"))} == set(MAY_IMPORT)
    used = {
        other.partition(".")[0]
        for name, others in IMPORTS.items()
        if name.partition(".")[0] == kind
        for other in others
    }
    assert used <= MAY_IMPORT[kind]


@pytest.mark.parametrize(
    "line",
    [
        f"from {PACKAGE}.module_utils._store import store",
        f"from {PACKAGE}.module_utils._store.store import Store",
        f"import {PACKAGE}.module_utils._store.store",
        "from .._store import store",
        f"if TYPE_CHECKING:\n    from {PACKAGE}.module_utils._store.store import Store",
        f"def late():\n    from {PACKAGE}.module_utils._store.store import Store",
    ],
)
def test_an_import_is_seen_however_it_is_written(tmp_path: Path, line: str) -> None:
    for room, text in (("_machine", line), ("_store", "from .._machine import below")):
        (tmp_path / "module_utils" / room).mkdir(parents=True)
        (tmp_path / "module_utils" / room / ("below.py" if room == "_machine" else "store.py")).write_text(text)
    found = imports_below(tmp_path)
    below, store = "module_utils._machine.below", "module_utils._store.store"
    assert found == {below: {store}, store: {below}}
    assert upwards(found) == [f"{below} -> {store}"]
    assert set(circle(found)) == {below, store}
