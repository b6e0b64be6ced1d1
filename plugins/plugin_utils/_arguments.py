# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of an action plugin, checked by the module's documentation, in words that never repeat a value.

Ansible's own validator prints the offending value for choices and numbers. That value may be a key in the wrong place.
"""

from __future__ import annotations

import ast
import binascii
import contextlib
import difflib
import functools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules

# The options that may hold a private key, or what opens one. Under any other, key text is refused.
KEY_OPTIONS = frozenset(
    {"private_key_content", "private_key_passphrase", "bundle_content", "client_key_content", "confirm_key_content"}
)
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
# PKCS#8, PKCS#1 and SEC1 keys start with SEQUENCE { INTEGER 0 or 1; a certificate's first member is a SEQUENCE.
_DER_KEY = re.compile(rb"\x30(\x81.|\x82..|[\x00-\x7f])\x02\x01[\x00\x01]", re.DOTALL)
_LARGEST = (1 << 31) - 1  # no port, depth, number of bytes or seconds is beyond
_MOST_DAYS = 1_000_000  # what Python's calendar can add to today
_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})
_KINDS = {dict: "a dictionary", list: "a list", bool: "a boolean", int: "a number", float: "a number", str: "text"}


class ArgumentsError(OperatorError):
    """Everything that is wrong with the options of a task, one line each."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(*(Fault("bad-option", "", each, "") for each in messages))
        self.messages = messages

    def __str__(self) -> str:
        return "\n".join(self.messages)


class _WrongError(Exception):
    """One value cannot be taken; the text says what is expected, and ends the sentence 'the option x …'."""


@functools.cache
def documented_options(module_name: str) -> dict[str, Any]:
    """Return the options of mtls.httpd.<module_name> as the module's own documentation states them."""
    path = Path(__file__).parent.parent / "modules" / f"{module_name}.py"
    texts = (node.value for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.Assign))
    documentation = ast.literal_eval(next(texts))  # It stands first.
    options: dict[str, Any] = yaml_load(documentation)["options"]
    return options


def checked(options: Mapping[str, Any], given: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
    """Return all documented options with the given values in their types, or the documented defaults.

    A lone text where a list is documented is a list of one; it is not split at commas.
    `where` stands before each message, such as "www.example.com: ".
    Raises ArgumentsError with every fault at once; no message repeats a value.
    """
    faults: list[str] = []
    result = _dictionary(options, given, where, faults)
    if faults:
        raise ArgumentsError(faults)
    return result


def holds_key(text: str) -> bool:
    """Return whether the text is, or is base64 of, a private key in PEM, or base64 of one in DER."""
    if "PRIVATE KEY" in text:
        return True
    text = "".join(text.split()).strip("'\"\ufeff")
    if not text.startswith(("LS0t", "MI", "MC", "MH")):  # base64 of '-----' and of the DER headers that keys have
        return False
    try:
        head = binascii.a2b_base64(text[:4096] if len(text) % 4 == 0 else text[:2048][: len(text[:2048]) // 4 * 4])
    except ValueError:  # also for what is not ASCII
        return False
    return b"PRIVATE KEY" in head or _DER_KEY.match(head) is not None


def _dictionary(options: Mapping[str, Any], given: Mapping[str, Any], where: str, faults: list[str]) -> dict[str, Any]:
    names, defaults = _names_and_defaults(options)
    result = dict(defaults)
    for name, value in given.items():
        option = names.get(name) if isinstance(name, str) else None
        if option is None:
            faults.append(where + _unknown(name, names))
        elif value is not None:
            try:
                result[option] = _value(options[option], option, value, where, faults)
            except _WrongError as wrong:
                faults.append(f"{where}option '{option}' {wrong}")
    meant = {near for name in given if name not in names for near in _near(name, names)}
    faults += [
        f"{where}option '{name}' is required. Set it."
        for name, option in options.items()
        if option.get("required")
        and name not in meant  # which was said
        and all(given.get(known) is None for known in (name, *option.get("aliases", ())))
    ]
    return result


def _names_and_defaults(options: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    names = {alias: name for name, option in options.items() for alias in (name, *option.get("aliases", ()))}
    return names, {name: option.get("default") for name, option in options.items()}


def _unknown(name: object, names: Mapping[str, str]) -> str:
    if not isinstance(name, str) or not _OPTION_NAME.match(name):
        return (
            "one option has a name that none can have (not shown, as it may be pasted material). Check the indentation."
        )
    near = _near(name, names)
    hint = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(sorted(set(names.values())))}."
    return f"there is no option '{name}'. {hint}"


def _near(name: object, names: Mapping[str, str]) -> list[str]:
    """The option that a name was probably meant to be, if any is near."""
    return difflib.get_close_matches(name, names, n=1) if isinstance(name, str) and _OPTION_NAME.match(name) else []


def _value(option: Mapping[str, Any], name: str, value: object, where: str, faults: list[str]) -> object:
    kind = option.get("type", "str")
    if kind == "list":
        return _list(option, name, value, where, faults)
    if kind == "dict":
        return _suboptions(option, name, value, where, faults)
    if name not in KEY_OPTIONS and isinstance(value, str) and holds_key(value):
        raise _WrongError(
            "holds a private key, which does not belong there and could be shown. "
            "Take it out; the server's own belongs under 'private_key_content', vaulted."
        )
    choices = option.get("choices")
    if choices and isinstance(value, bool):
        # YAML takes a plain yes or off for a boolean.
        value = next((choice for choice in choices if choice in (_TRUE if value else _FALSE)), str(value))
    value = _SCALARS[kind](value)
    if name.endswith("_days") and isinstance(value, int) and abs(value) > _MOST_DAYS:
        raise _WrongError(f"must be at most {_MOST_DAYS}, and is larger.")
    if choices and value not in choices:
        raise _WrongError(f"must be one of {', '.join(map(str, choices))}.")
    return value


def _list(option: Mapping[str, Any], name: str, value: object, where: str, faults: list[str]) -> list[Any]:
    element = {**option, "type": option.get("elements", "raw")}
    if isinstance(value, str) and element["type"] != "dict":
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise _WrongError(f"must be a list, not {_kind(value)}.")
    members: list[object] = []
    for index, (domain, member) in enumerate(zip(_domains(value), value)):
        label = f"{name}[{index}]"
        try:
            if element["type"] == "dict":
                members.append(_suboptions(element, domain or label, member, where, faults))
            else:
                members.append(_value(element, name, member, where, faults))
        except _WrongError as wrong:
            faults.append(f"{where}option '{label}' {wrong}")
            members.append(None)
    return members


def _domains(members: Sequence[object]) -> list[str]:
    """The domain by which an operator knows each member of the list; empty where it is none, or another's too."""
    domains = [each.get("domain") if isinstance(each, Mapping) else None for each in members]
    times = Counter(each for each in domains if isinstance(each, str))
    return [each if isinstance(each, str) and times[each] == 1 and not broken_rules(each) else "" for each in domains]


def _suboptions(option: Mapping[str, Any], name: str, value: object, where: str, faults: list[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _WrongError(f"must be a dictionary of options, not {_kind(value)}.")
    if not option.get("suboptions"):
        return dict(value)
    return _dictionary(option["suboptions"], value, f"{where}{name}: ", faults)


def _text(value: object) -> str:
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _WrongError("must be text, and holds bytes that are no characters (UTF-8).")
        return value
    if isinstance(value, bool):
        raise _WrongError("must be text, not a boolean. Put quotes around it.")
    if isinstance(value, (int, float)):
        return str(value)
    raise _WrongError(f"must be text, not {_kind(value)}.")


def _path(value: object) -> str:
    text = _text(value)
    if not text or "\0" in text:
        raise _WrongError("must be a path, and is empty or has a NUL in it.")
    return text


def _integer(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
        value = int(value.strip())
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _LARGEST:
            raise _WrongError(f"must be at most {_LARGEST}, and is larger.")
        return value
    raise _WrongError(f"must be a whole number, and is {_kind(value)} that is none.")


def _number(value: object) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    raise _WrongError(f"must be a number, and is {_kind(value)} that is none.")


def _boolean(value: object) -> bool:
    text = str(value).strip().lower() if isinstance(value, (bool, int, str)) else ""
    if text not in _TRUE | _FALSE:
        raise _WrongError("must be true or false.")
    return text in _TRUE


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "something else")


_SCALARS: dict[str, Callable[[object], object]] = {
    "str": _text,
    "path": _path,
    "int": _integer,
    "float": _number,
    "bool": _boolean,
    "raw": lambda value: value,
}
