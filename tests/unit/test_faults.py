# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of a host are data: each has a code of the one table, and each code of the table is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.quoting import NotQuotable
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import (
    CODES,
    Fault,
    OperatorError,
    list_faults,
    tell_fault,
    tell_faults,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine.trusted_paths import Untrusted
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_material import SourceError
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import Refused
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import NotARequest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
# What makes a fault: the class, and the function of handshakes.py that fills in the site.
MAKERS = {"Fault", "fault"}


def codes_in(source: str) -> dict[str, str]:
    """Return the code of each fault that the source makes, by its place; what is no literal as it is written.

    Left out are C(Fault(**…)), which comes from a fault, and the maker that hands its own parameter on.
    """
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS and node.args:
            code = node.args[0]
            if not (isinstance(code, ast.Name) and code.id == "code"):
                found[f"{node.lineno}"] = code.value if isinstance(code, ast.Constant) else ast.unparse(code)
    return found


SOURCES = {str(path.relative_to(PLUGINS)): path.read_text(encoding="utf-8") for path in PLUGINS.rglob("*.py")}
USED = {f"{path}:{line}": code for path, text in SOURCES.items() for line, code in codes_in(text).items()}


def test_each_fault_has_a_code_of_the_table() -> None:
    assert {place: code for place, code in USED.items() if code not in CODES} == {}


def test_each_code_of_the_table_is_used() -> None:
    assert set(CODES) - set(USED.values()) == set()


def test_a_code_that_the_table_lacks_is_seen_however_the_fault_is_raised() -> None:
    text = (
        'raise StoreError(Fault("unheard-of", "", f"{path}", ""))\nyield fault("locked", "x")\nFault(name, "", "", "")'
    )
    assert codes_in(text) == {"1": "unheard-of", "2": "locked", "3": "name"}
    assert codes_in('Fault(**each)\nreplace(each, message="x")') == {}


@pytest.mark.parametrize("code", CODES)
def test_what_a_code_means_and_what_to_do_are_sentences(code: str) -> None:
    assert all(text[0].isupper() or text.startswith("httpd ") for text in CODES[code])
    assert all(text.endswith(".") for text in CODES[code])


# Where it is read what a program of the machine says, as there is no other source: httpd on its build, on its
# configuration and on what is wrong, and sudo. The library cryptography says only in words why it refuses a path.
READERS = {
    *(f"module_utils/_httpd/{name}.py" for name in ("parents", "description", "server", "complaints")),
    "plugin_utils/_controller.py",
    "module_utils/_verdict/server_path.py",
}


def words_looked_for(source: str) -> list[str]:
    """Return the texts of several words that the source looks for in another text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        texts: list[ast.expr] = []
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            texts = [node.left]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            texts = node.args[:1] if node.func.attr in ("startswith", "endswith", "find", "index") else []
        found += [
            each.value
            for each in texts
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and re.search("[a-z] +[a-z]", each.value)
        ]
    return found


def test_nothing_decides_by_the_words_of_a_message() -> None:
    assert {path for path, text in SOURCES.items() if words_looked_for(text)} <= READERS


def messages_looked_into(source: str) -> list[str]:
    """Return each place where the source looks for anything in the message of a fault or finding, or compares it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            sides = [node.func.value] if node.func.attr in ("startswith", "endswith", "find", "index") else []
        if any(isinstance(each, ast.Attribute) and each.attr == "message" for each in sides):
            found.append(ast.unparse(node))
    return found


def test_no_message_of_a_fault_or_finding_is_looked_into() -> None:
    looked = {path: messages_looked_into(text) for path, text in SOURCES.items()}
    assert {path: places for path, places in looked.items() if places} == {}


def test_looking_into_a_message_is_seen_and_telling_it_is_not() -> None:
    for text in ("'OpenSSL:' in each.message", "path.objection in one.message", "one.message == 'x'"):
        assert messages_looked_into(text) == [text]
    assert messages_looked_into("one.message.startswith('x')") == ["one.message.startswith('x')"]
    assert messages_looked_into("print(one.message.rstrip('.'), 'x' in one.code)") == []


def test_looking_for_words_is_seen_in_each_form() -> None:
    assert words_looked_for('"got in" in fault or "was touched" not in str(error)') == ["got in", "was touched"]
    assert words_looked_for('each.startswith("not offered")') == ["not offered"]
    assert words_looked_for('"ssl_module" in modules or each.startswith("/") or " " in name') == []


@pytest.mark.parametrize(
    "error",
    [HttpdError, Untrusted, NotQuotable, StoreError, SourceError, NotARequest, Refused],
    ids=lambda one: one.__name__,
)
def test_all_errors_that_an_operator_sees_have_one_base(error: type[Exception]) -> None:
    assert issubclass(error, OperatorError)


def test_no_other_class_of_the_target_is_raised_to_an_operator() -> None:
    rooms = ("_transaction", "_store", "_httpd", "_machine")
    classes = {
        node.name: [ast.unparse(base) for base in node.bases]
        for path, text in SOURCES.items()
        if path.startswith(tuple(f"module_utils/{room}/" for room in rooms))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    }
    bare = {name for name, bases in classes.items() if {"Exception", "ValueError", "OSError"} & {*bases[:1]}}
    # The root itself; what ends a rehearsal in full, whose reason is told of the reduced one; and what ends a block
    # that is bounded in time, and is not seen outside of it.
    assert bare == {"OperatorError", "Unavailable", "_StartsPrograms", "_TimeIsOver"}


def test_a_fault_is_told_in_one_sentence_and_several_are_told_once_each() -> None:
    full, bare = Fault("locked", "", "the lock is held", "run again"), Fault("bad-value", "", "it is odd", "")
    assert tell_fault(full) == "the lock is held: run again"
    assert tell_fault(bare) == "it is odd"
    assert tell_faults([full, bare, full]) == "the lock is held: run again; it is odd"
    assert str(OperatorError(full, bare)) == tell_faults([full, bare])


def test_a_fault_without_a_remedy_of_its_own_has_that_of_its_code_in_a_result() -> None:
    faults = [Fault("locked", "", "the lock is held", "wait"), Fault("locked", "a.example.com", "the lock is held", "")]
    told = list_faults([*faults, *faults])
    assert [each["remedy"] for each in told] == ["wait", CODES["locked"][1]]
    assert told[1] == {
        "code": "locked",
        "domain": "a.example.com",
        "message": "the lock is held",
        "remedy": CODES["locked"][1],
    }
