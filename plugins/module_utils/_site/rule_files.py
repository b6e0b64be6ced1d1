# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules and maps that httpd reads from files which others may write: .htaccess files, and maps of texts."""

from __future__ import annotations

import fnmatch
import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Directive
from ansible_collections.mtls.httpd.plugins.module_utils._machine import plain_files
from ansible_collections.mtls.httpd.plugins.module_utils._site.patterns import may_match

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description

_LINES, _BYTES = 4096, 1 << 20  # of a map, or of a .htaccess file
_DEEP = 16  # sections within one another in a .htaccess file
_IN_HTACCESS = ("rewriterule", "rewritecond", "sethandler", "addhandler", "fallbackresource")
GRANTING = ("require", "allow", "satisfy")  # which count here where they may be for single files alone
_OF_SOME = re.compile(r"(?i)files|(?:else)?if\s|else$")  # sections that may be so
_BY_REQUEST = re.compile(r"(?i)(?:not\s+)?(?:expr|env)\s|from\s+env=")  # rules that may be so, wherever they stand
_A_PATH = re.compile(r"(?<![\w./-])/[\w./@+~-]+")
# Functions of mod_rewrite's own that leave lower case and digits as they are.
_KEEPING = ("int:tolower", "int:escape", "int:unescape")


def read_rules(path: str, place: str, served: str = "") -> tuple[list[Directive], bool]:
    """The rules in a .htaccess file of a folder that the virtual host at a place serves, with their sections.

    And whether these are all of its rules. C(served): the folder that is served, where the file's is above it.
    """
    found: list[Directive] = []
    text = _read_text(path)
    lines = text.splitlines()
    inside: list[tuple[str, ...]] = [
        (f'Directory "{served or os.path.dirname(path)}"',)
    ]  # one for each section that is open
    for number, line in _join_continued(lines[:_LINES]):
        name, *arguments = line.split(None, 1) or [""]
        if name.startswith("</"):
            inside = inside[:-1] or inside
        elif name.startswith("<"):
            if len(inside) > _DEEP:
                return found, False
            inside.append((*inside[-1], line.strip()[1:].removesuffix(">")))
        else:
            said = "".join(arguments).strip()
            if name.lower() in _IN_HTACCESS or (name.lower() in GRANTING and _is_of_some(said, inside[-1])):
                found.append(Directive(name, said, path, number, inside[-1], place))
    return found, len(text.encode()) < _BYTES and len(lines) <= _LINES


def read_setters(path: str) -> list[Directive]:
    """The directives of a .htaccess file that are no sections, as those that set variables are."""
    lines = (line.split(None, 1) for _number, line in _join_continued(_read_lines(path)))
    return [Directive(words[0], words[1].strip(), path, 0, (), "") for words in lines if len(words) > 1]


def _is_of_some(arguments: str, sections: Sequence[str]) -> bool:
    """Whether a rule may let clients get at some files of its folder, and not at others."""
    return bool(_BY_REQUEST.match(arguments)) or any(map(_OF_SOME.match, sections))


def is_for_file(name: str, sections: Sequence[str]) -> bool:
    """Whether the sections of files that a directive stands in are for a file of this name."""
    for section in sections:
        kind, _space, said = section.partition(" ")
        said, is_pattern = said.strip(), kind.lower() == "filesmatch"
        if kind.lower() == "files" and said.startswith("~"):
            said, is_pattern = said[1:].strip(), True
        said = said.strip("\"'")
        if is_pattern:
            if not may_match(said, name):
                return False
        elif kind.lower() == "files" and not fnmatch.fnmatchcase(name, said):
            return False
    return True


@lru_cache(maxsize=64)
def read_script(path: str) -> frozenset[str]:
    """The paths in a program that a directive names; none of what is no text."""
    text = _read_text(path)
    return find_paths("" if "\0" in text else text)


def find_paths(text: str) -> frozenset[str]:
    """The absolute paths in a text, as they are written, but for dots and slashes that mean nothing."""
    return frozenset("/" + os.path.normpath(path).lstrip("/") for path in _A_PATH.findall(text))


def read_maps(described: Description, said: Sequence[Directive]) -> dict[str, Sequence[tuple[str, str]]]:
    """The maps of texts that a virtual host may use, and the functions that keep what they are given."""
    found: dict[str, Sequence[tuple[str, str]]] = {}
    for each in said:
        if each.name.lower() != "rewritemap" or len(each.words) < 2:
            continue
        kind, _colon, path = each.words[1].partition(":")
        if each.words[1].lower() in _KEEPING:
            found[each.words[0]] = ()
        elif kind.lower() in ("txt", "rnd"):
            found[each.words[0]] = _read_map(described.path(path))
    return found


@lru_cache(maxsize=64)
def _read_map(path: str) -> tuple[tuple[str, str], ...]:
    """The keys and values of a map of texts; of a random one each value (RewriteMap)."""
    found = []
    for line in _read_lines(path):
        words = line.partition("#")[0].split()
        found += [(words[0], value) for value in words[1].split("|")] if len(words) > 1 else []
    return tuple(found) or (("", ""),)


def _join_continued(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield lines as httpd reads them, each with its number: one that ends with a backslash goes on in the next."""
    first, text = 0, ""
    for number, line in enumerate(lines, 1):
        first = first or number
        text += line
        if text.endswith("\\") and number < len(lines):
            text = text[:-1]
            continue
        yield first, text
        first, text = 0, ""


def _read_lines(path: str) -> list[str]:
    """The first lines of a plain file that others may write."""
    return _read_text(path).splitlines()[:_LINES]


def _read_text(path: str) -> str:
    return plain_files.read_beginning(path, _BYTES).decode("utf-8", "replace")


def forget() -> None:
    """Read maps anew when they are asked for next."""
    _read_map.cache_clear()
    read_script.cache_clear()
