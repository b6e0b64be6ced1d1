# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files of a configuration that httpd passes over as it reloads, where it does not see what we see.

IncludeOptional takes what there is; of a pattern for names of Include one file is enough. All else must be there.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import split
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description

_INCLUDE = re.compile(r"(?im)^[ \t]*Include(Optional)?[ \t]+(\S.*)$")
# Where a folder is meant by a pattern, the file must be in each such folder.
_IN_NAMES = re.compile(r"(?:[^*?\[]*/)?[^/]*[*?\[][^/]*")
_PARTS = re.compile(r"(\$\{[^}]*\}|\*|\?|\[[^\]]*\])")


class _Include(NamedTuple):
    """A line that includes files: an expression for their paths, and what httpd does where it sees none of them."""

    paths: re.Pattern[str]
    is_optional: bool
    in_names: bool


def find_passed_over(described: Description, hidden: Iterable[str], is_entry: Callable[[str], bool]) -> set[str]:
    """Find the files that httpd would not read, and do without, and all that they alone include.

    C(hidden): those that it does not see. C(is_entry): whether it sees something by the name of one: a link to it.
    """
    unseen, found = set(hidden), set[str]()
    ways: dict[str, set[str]] = {}
    beside: dict[str, list[str]] = {}
    for path, by in described.inclusions:
        ways.setdefault(path, set()).add(by)
        beside.setdefault(by, []).append(path)
    lines = {by: list(_includes(described, by)) for by in beside}

    def is_passed_over(path: str, by: str) -> bool:
        if by in found or path not in unseen:
            return by in found
        # httpd does not tell for sure by which line it came to a file of several.
        leading = [each for each in lines[by] if each.paths.fullmatch(os.path.normpath(path))]
        return bool(leading) and all(
            each.is_optional
            or (
                each.in_names
                and not is_entry(path)
                and any(each.paths.fullmatch(os.path.normpath(other)) for other in beside[by] if other not in unseen)
            )
            for each in leading
        )

    more = {""}
    while more:
        more = {
            path for path, each in ways.items() if path not in found and all(is_passed_over(path, by) for by in each)
        }
        found |= more
    return found


def _includes(described: Description, file: str) -> Iterator[_Include]:
    for optional, words in _INCLUDE.findall(re.sub(r"\\\r?\n", "", read(file))):
        named = (split(words) or [""])[0]
        parts = _PARTS.split(described.path(named))
        known = {"*": "[^/]*", "?": "[^/]"}
        wild = (known.get(each, ".*" if each[0] == "$" else "[^/]") for each in parts[1::2])
        first, *others = map(re.escape, parts[::2])
        paths = first + "".join(one + other for one, other in zip(wild, others))
        # Of a folder all that is in it is read.
        yield _Include(re.compile(f"{paths}(/.*)?"), bool(optional), bool(_IN_NAMES.fullmatch(named)))
