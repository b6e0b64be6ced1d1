# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be printed: a secret, and so a private key in any dataclass of the collection."""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import importlib
import inspect
import json
import sys
import traceback
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PACKAGE = "ansible_collections.mtls.httpd.plugins"
MARKER = "s3cret-marker"
# A union of cryptography's own classes, named for types alone; these print none of their numbers.
OPAQUE = {"PrivateKey": object}


def dataclasses_below(plugins: Path) -> list[type]:
    """Return every dataclass of the collection."""
    names = [".".join([PACKAGE, *path.relative_to(plugins).with_suffix("").parts]) for path in plugins.rglob("*.py")]
    found = [each for name in sorted(names) for each in vars(importlib.import_module(name)).values()]
    classes = {each for each in found if isinstance(each, type) and dataclasses.is_dataclass(each)}
    return sorted(
        (each for each in classes if each.__module__.startswith(PACKAGE)), key=lambda each: (each.__module__, str(each))
    )


def types_of(cls: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields, also of those whose names are imported for types alone."""
    module = sys.modules[cls.__module__]
    names = OPAQUE | vars(module)
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                if each.name not in OPAQUE:
                    found = importlib.import_module(node.module)
                    names.setdefault(each.asname or each.name, getattr(found, each.name, object))  # one for types alone
    return typing.get_type_hints(cls, names)


def made(kind: Any) -> Any:
    """Return a value of a type that holds the marker wherever it can hold bytes or a secret."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if kind is bytes:
        return MARKER.encode()
    if kind is Secret:
        return Secret(MARKER.encode())
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return instance(kind)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return kind(*map(made, types_of(kind).values()))
    if origin in (typing.Union, types.UnionType):
        return next((value for value in map(made, of) if holds(value)), made(of[0]))
    if origin in (tuple, collections.abc.Sequence, list):
        return tuple(made(each) for each in of if each is not ...)
    if origin in (dict, collections.abc.Mapping):
        return {made(of[0]): made(of[1])}
    return kind() if kind in (str, int, float, bool) else None


def instance(cls: type) -> Any:
    """Return one with the marker wherever it fits; what has a default and holds none keeps it, as it may be checked."""
    wanted = types_of(cls)
    values = {each.name: made(wanted[each.name]) for each in dataclasses.fields(cls) if each.init}
    optional = {each.name for each in dataclasses.fields(cls) if each.default is not dataclasses.MISSING}
    return cls(**{name: value for name, value in values.items() if holds(value) or name not in optional})


def holds(value: object) -> bool:
    """Whether the marker is in a value, however deep, and whether it prints or not."""
    if isinstance(value, Secret):
        return MARKER.encode() in value.reveal()
    if isinstance(value, bytes):
        return MARKER.encode() in value
    if isinstance(value, dict):
        return any(map(holds, [*value, *value.values()]))
    if isinstance(value, tuple):
        return any(map(holds, value))
    return dataclasses.is_dataclass(value) and any(map(holds, vars(value).values()))


def printed(value: object) -> str:
    """Return all that a careless line, or a traceback with its locals, would show of a value."""
    shown = [repr(value), str(value), f"{value}", format(value), repr([value]), repr({"key": value})]
    try:
        raise RuntimeError(value)
    except RuntimeError as error:
        shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    return "\n".join(shown)


CLASSES = dataclasses_below(PLUGINS)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__[len(PACKAGE) + 1 :]}.{cls.__name__}")
def test_a_dataclass_prints_no_bytes_that_it_holds_and_so_no_private_key(cls: type) -> None:
    assert MARKER not in printed(instance(cls))


def test_all_that_carries_a_private_key_is_among_them_and_was_made_with_one() -> None:
    carriers = {cls.__name__ for cls in CLASSES if holds(instance(cls))}
    assert {"Release", "File", "Change", "SiteWish", "Request", "Identity", "Probes"} <= carriers
    assert {"Material", "Deployable", "Verdict", "Plan", "Draft"} <= carriers


def test_what_would_print_is_found() -> None:
    @dataclass(frozen=True)
    class Careless:
        private_key: bytes
        certificate: bytes = field(default=b"", repr=False)

    assert MARKER in printed(Careless(MARKER.encode()))
    assert MARKER not in printed(Careless(b"", MARKER.encode()))


def test_a_secret_prints_as_one_and_has_one_way_out() -> None:
    secret = Secret(MARKER.encode())
    assert f"{secret}" == repr(secret) == "<secret>"
    assert secret.reveal() == MARKER.encode()
    assert MARKER not in repr(dataclasses.asdict(instance(Release))["private_key"])
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        bytes(typing.cast("Any", secret))
    with pytest.raises(TypeError):
        vars(secret)


def test_secrets_are_equal_by_what_they_hold() -> None:
    one, same, other = Secret(b"1"), Secret(b"1"), Secret(b"2")
    assert {one: "found"}[same] == "found"
    assert one != other
    assert typing.cast("object", one) != b"1"
