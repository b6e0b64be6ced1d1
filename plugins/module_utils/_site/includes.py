# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The files that a site's text includes, before httpd reads any of it.

Code that a LoadModule, LoadFile or <Perl> names runs as root as soon as httpd reads the line, in a mere question (-t)
too. So httpd cannot be asked what is in these files: they are read here, as httpd would, as far as that matters.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import split
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands, trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description

_CODE = re.compile(r"(?i)loadfile|loadmodule|<perl|perlloadmodule|perlconfigrequire")
# mod_security opens its logs as it reads their lines, in a question (-t) too.
_OPENED_AT_ONCE = re.compile(r"(?i)sec(audit|debug)log2?")
_WILDCARD = re.compile(r"[*?\[]")


def joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number, as httpd reads them: a backslash joins lines (ap_cfg_getline)."""
    joined, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        first = first if joined else number
        joined += line.rstrip("\r")
        if joined.endswith("\\"):
            joined = joined[:-1] or " "
            continue
        yield first, joined
        joined = ""


class Includes:
    """What a site's text includes, and what speaks against that httpd reads it.

    domain: the site's. described: the configuration without it; what is read or loaded for that is neither looked at
    nor new. environment: httpd's variables.

    opened: once faults() was gone through, the logs that httpd opens as soon as it is asked about the text, each with
    the words for its directive and place; the path is empty where only httpd could tell it.
    """

    def __init__(self, domain: str, described: Description, environment: Mapping[str, str]) -> None:
        self._domain = domain
        self._described = described
        self._variables = {name: {value} for name, value in {**environment, **described.defines}.items()}
        self._seen = set(described.files)
        self.opened: list[tuple[str, str]] = []

    def faults(self, text: str, path: str = "") -> Iterator[Fault]:
        """Yield why httpd is not to read C(text), the content of the file C(path), or of the site's site.conf."""
        parameters: list[str] = []
        for number, line in joined_lines(text):
            place = f"{path}:{number}" if path else f"line {number} of its site.conf"
            name, *words = split(line.strip().rstrip(">") if line.lstrip().startswith("<") else line) or [""]
            directive = name.lower()
            if directive in ("<macro", "</macro"):
                parameters = words[1:]
            elif any(each in name for each in parameters):
                yield self._fault(f"{place} makes a directive's name of a parameter of its macro", "write the name")
            elif _CODE.fullmatch(directive) and not (directive == "loadmodule" and self._is_loaded(words)):
                words_of = f"{place} has {name.lstrip('<')}, whose code would run as soon as httpd reads it"
                yield self._fault(words_of, "say that in the server's own configuration, and leave it out")
            elif directive == "serverroot":
                yield self._fault(
                    f"{place} has ServerRoot, by which other files would be read than it says", "leave it out"
                )
            elif directive == "define" and words:
                # httpd minds sections, which are not followed here: it may have the one value or the other.
                self._variables.setdefault(words[0], set()).add(self._filled("".join(words[1:2])))
            elif directive in ("include", "includeoptional") and words:
                yield from self._include(place, words[0], parameters)
            elif self._opens(directive) and words and not words[0].startswith("|"):
                log = self._filled(words[0])
                known = not any(each in log for each in ("${", *parameters))
                self.opened.append((f"{name} ({place})", self._described.path(log) if known else ""))

    def _is_loaded(self, words: list[str]) -> bool:
        return bool(words) and words[0] in self._described.modules

    def _opens(self, directive: str) -> bool:
        return bool(_OPENED_AT_ONCE.fullmatch(directive)) and "security2_module" in self._described.modules

    def _filled(self, text: str) -> str:
        """The text with the values of its variables, but for those that have none, or several."""

        def value(match: re.Match[str]) -> str:
            values = self._variables.get(match.group(1), set())
            return next(iter(values)) if len(values) == 1 else match.group()

        return re.sub(r"\$\{([^}]*)\}", value, text)

    def _fault(self, words: str, remedy: str) -> Fault:
        return Fault("include-refused", self._domain, f"{self._domain}: {words}", remedy)

    def _include(self, place: str, word: str, parameters: list[str]) -> Iterator[Fault]:
        path = self._filled(word)
        if any(each in word for each in parameters) or "${" in path:
            yield self._fault(f"{place} includes a file by a name that only httpd could tell", "write the path")
            return
        path = self._described.path(path)
        try:
            found = _matching(path)
        except trusted_paths.Untrusted as error:
            yield self._fault(f"{place} includes what httpd is not to read: {error}", "")
            return
        for file in found:
            if file not in self._seen:
                self._seen.add(file)
                yield from self.faults(commands.read(file), file)


def _matching(path: str) -> list[str]:
    """The files that httpd includes by this path, each judged with its folders. Raises Untrusted.

    A folder stands for all files in it, at any depth (Include).
    """
    wildcard = _WILDCARD.search(path)
    if wildcard:
        _refuse_shared(path[: wildcard.start()].rpartition("/")[0] or "/")
        return [file for match in sorted(glob.glob(path)) for file in _matching_literally(match)]
    return _matching_literally(path)


def _matching_literally(path: str) -> list[str]:
    if not os.path.lexists(path):
        return []
    _refuse_shared(path)
    trusted_paths.follow_path(path)
    if not os.path.isdir(path):
        return [path] if os.path.isfile(path) else []
    return [file for name in sorted(os.listdir(path)) for file in _matching_literally(os.path.join(path, name))]


def _refuse_shared(folder: str) -> None:
    """Raise Untrusted for a folder where anybody may put a file, as in /tmp. What lies there is not judged."""
    if not os.path.isdir(folder):
        return
    trusted_paths.follow_path(folder)
    if os.stat(folder).st_mode & stat.S_IWOTH:
        words = f"{folder} is a folder where anybody may put files"
        raise trusted_paths.Untrusted(Fault("untrusted-path", "", words, "name the file itself"))
