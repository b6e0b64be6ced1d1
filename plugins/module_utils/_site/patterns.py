# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Texts that a pattern of httpd's takes, with groups that hold what they are to hold.

httpd's patterns are Perl's (pcrepattern(3)). What of them is not read here makes a text that does not match, and so
none: each text is tried on the pattern before it is returned.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What is tried for a class of characters, such as [^/] or [0-9], in this order.
_CHARACTERS = "x0a-_.A/ "
_ESCAPES = {"d": "0", "w": "x", "s": " ", "D": "x", "W": "-", "S": "x", "b": "", "B": "", "A": "", "z": "", "Z": ""}
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(?:,\d*)?\})[?+]?")
# The classes of POSIX, which Python does not know.
_POSIX = {
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:alnum:]": "a-zA-Z0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:space:]": r"\s",
    "[:xdigit:]": "0-9a-fA-F",
    "[:word:]": r"\w",
}
_UNREAD = re.compile(r"\[:\^?[a-z]+:\]")  # a class that is none of these, or all but one
_MOST = 512  # characters of a pattern: longer ones are lists of names or of agents
_LONGEST = 4096  # characters of a text that is made of one


class _TooLongError(Exception):
    """A pattern within a pattern asks for more than a request may have."""


def find_example(
    pattern: str, groups: Mapping[int, str], *, nocase: bool = False, before: str = ""
) -> tuple[str, list[str]] | None:
    """Return a text in which a pattern is found, and all its groups, where these are as C(groups) has them by number.

    C(before): with what the text has to begin. None where no such text was made.
    """
    compiled = compile_pattern(pattern, nocase=nocase) if len(pattern) <= _MOST else None
    if compiled is None or any(number > compiled.groups for number in groups):
        return None
    try:
        texts = list(_Maker(compiled.pattern, groups).texts())
    except (RecursionError, _TooLongError):
        return None
    for text in texts:
        inner = before + "".join(text.split("/", before.count("/"))[before.count("/") :])  # in the place of folders
        for each in dict.fromkeys((text, before + text, f"{before}x{text}", inner)):
            found = compiled.search(each) if each.startswith(before) else None
            if found and all((found[number] or "") == value for number, value in groups.items()):
                return each, [found[0], *(value or "" for value in found.groups())]
    return None


def may_match(pattern: str, text: str) -> bool:
    """Whether a pattern may be found in a text: one that cannot be read here may."""
    compiled = compile_pattern(pattern)
    return compiled is None or bool(compiled.search(text))


def compile_pattern(pattern: str, *, nocase: bool = False) -> re.Pattern[str] | None:
    """Read a pattern of httpd's as Python does; none where that cannot."""
    for name, characters in _POSIX.items():
        pattern = pattern.replace(name, characters)
    if _UNREAD.search(pattern):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what a later Python may read otherwise
            return re.compile(pattern, re.IGNORECASE if nocase else 0)
    except (re.error, OverflowError, RecursionError):
        return None


class _Maker:
    """Reads a pattern once, and makes a text of it as it reads: a short one, and one of each other alternative."""

    def __init__(self, pattern: str, groups: Mapping[int, str]) -> None:
        self._pattern, self._groups = pattern, groups
        self._at = self._number = 0

    def texts(self) -> Iterator[str]:
        yield from dict.fromkeys(self._alternatives())

    def _alternatives(self) -> list[str]:
        """Read up to the end of a group, or of the pattern."""
        found = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            found.append(self._sequence())
        return found

    def _sequence(self) -> str:
        made = ""
        while self._peek() not in ("", "|", ")"):
            text, wanted = self._atom()
            made += self._repeat(text, wanted=wanted)
        return made

    def _repeat(self, text: str, *, wanted: bool) -> str:
        """As often as the least that a quantifier asks for; C(wanted): once at least."""
        found = _QUANTIFIER.match(self._pattern, self._at)
        if not found:
            return text
        self._at = found.end()
        least = int(found[1]) if found[1] else int(found[0][0] == "+")
        made = text * min(max(least, int(wanted)), 64)
        if len(made) > _LONGEST:
            raise _TooLongError
        return made

    def _atom(self) -> tuple[str, bool]:
        """One that may be repeated, and whether something is wanted of it."""
        char = self._pattern[self._at]
        self._at += 1
        if char == "(":
            return self._group()
        if char == "[":
            return self._class(), False
        if char == "\\":
            escaped = self._peek()
            self._at += 1
            return _ESCAPES.get(escaped, escaped), False
        if char in "^$":
            return "", False
        return ("x" if char == "." else char), False

    def _group(self) -> tuple[str, bool]:
        number, is_shown = 0, True
        if self._peek() == "?":
            kind = re.compile(r"\?(?:[a-zA-Z]*:|<[^=!>]+>|P<[^>]+>|<?[=!]|[a-zA-Z]+(?=\)))").match(
                self._pattern, self._at
            )
            self._at = kind.end() if kind else self._at + 1
            is_shown = bool(kind) and not kind[0].endswith(("=", "!")) if kind else True
            if kind and kind[0].endswith(">"):
                self._number += 1
                number = self._number
        else:
            self._number += 1
            number = self._number
        text = next(filter(None, self._alternatives()), "")
        self._at += 1
        if number in self._groups:
            return self._groups[number], bool(self._groups[number])
        return (text if is_shown else ""), False

    def _class(self) -> str:
        start = self._at - 1
        self._at += self._pattern[self._at : self._at + 1] == "^"
        self._at += self._pattern[self._at : self._at + 1] == "]"
        while self._peek() not in ("", "]"):
            self._at += 1 + (self._peek() == "\\")
        self._at += 1
        text = self._pattern[start : self._at]
        compiled = compile_pattern(text)
        return next((each for each in _CHARACTERS if compiled and compiled.fullmatch(each)), text[1:2])

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]
