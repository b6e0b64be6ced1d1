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

# mod_perl compiles what its handlers name, and reads lines that begin with = as Perl's own documentation; mod_php loads
# what the php.ini of a folder says.
_CODE = re.compile(r"(?i)loadfile|loadmodule|<?perl(?!((set|add)var|(set|pass)env)$)\w*|=\w+|phpinidir")
# They hold for the whole server wherever they stand, and httpd does not say so.
_GENERAL = ("bufferedlogs", "mdstoredir")
# mod_security opens its logs as it reads their lines, in a question (-t) too.
_OPENED_AT_ONCE = re.compile(r"(?i)sec(audit|debug)log2?")
# What is defined where httpd is only asked (-t -D DUMP_…), or does not run as a service (-X).
_OF_QUESTIONS = re.compile(r"(?i)DUMP_.*|DEBUG|ONE_PROCESS|NO_DETACH|FOREGROUND")
# What we define; our own text has it, and the controller sees that no option of a site has.
_OURS = re.compile(r"(?i)MTLS_.*")
# What is otherwise in a rehearsal than for the live server, besides its logs.
_OTHERWISE_INSIDE = ("/dev", "/proc", "/run", "/var/run", "/sys")
_HIDDEN_INSIDE = ("/tmp", "/var/tmp")  # unless something of the server's lies there
_STORE = "/mtls/"
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WILDCARD = re.compile(r"[*?]")
# apr_fnmatch and Python's glob take these differently.
_READ_DIFFERENTLY = re.compile(r"[\[\]\\]")
_UNKNOWN = "${}"


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


def find_including_line(described: Description, path: str) -> int:
    """The line of the main file that includes a file, 0 where httpd does not surely tell it.

    Measured on httpd 2.4: of what a macro or an argument (-c) includes, it tells the line of the macro or argument; of
    a directive that goes on in further lines, the last.
    """
    main = next((each for each, line in described.files.items() if not line), "")
    told = described.files.get(path, 0)
    before = [each for each in joined_lines(commands.read(main)) if each[0] <= told]
    first, text = before[-1] if before else (0, "")
    return first if re.match(r"(?i)\s*Include(Optional)?\s", text) else 0


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
        # What is defined without a value is left as it stands.
        known = {**environment, **described.defines}
        self._variables = {name: {value or _UNKNOWN} for name, value in known.items()}
        self._seen = set(described.files)
        self.opened: list[tuple[str, str]] = []

    def faults(self, text: str, path: str = "") -> list[Fault]:
        """Why httpd is not to read C(text), the content of the file C(path), or of the site's site.conf."""
        # Once to know each value that a variable may have, then with all of them: a file may be read again later.
        found = list(self._read(text, path))
        for seen in (self._seen, self.opened):
            seen.clear()
        self._seen |= set(self._described.files)
        return list(dict.fromkeys([*found, *self._read(text, path)]))

    def _read(self, text: str, path: str) -> Iterator[Fault]:
        # Of all macros, wherever they end: one may hold another.
        parameters: list[str] = []
        for number, line in joined_lines(text):
            place = f"{path}:{number}" if path else f"line {number} of its site.conf"
            if _CONTROL.search(line):
                yield self._fault(f"{place} has a control character, at which httpd ends the line", "take it out")
                continue
            # httpd cuts the last > off the name of a directive too, be it a section's or not.
            name, *words = split(line.strip().rstrip(">") if line.lstrip().startswith("<") else line) or [""]
            name = name.rstrip(">")
            directive = name.lower()
            if directive == "<macro":
                parameters += words[1:]
            elif "${" in name or any(each in name for each in parameters):
                yield self._fault(f"{place} makes a directive's name of a variable or a parameter", "write the name")
            elif _CODE.fullmatch(directive) and not (directive == "loadmodule" and self._is_loaded(words)):
                words_of = f"{place} has {name.lstrip('<')}, whose code would run as soon as httpd reads it"
                yield self._fault(words_of, "say that in the server's own configuration, and leave it out")
            elif directive == "serverroot":
                yield self._fault(
                    f"{place} has ServerRoot, by which other files would be read than it says", "leave it out"
                )
            elif directive in _GENERAL:
                yield self._fault(
                    f"{place} has {name}, which holds for the whole server",
                    "say that in the server's own configuration, and leave it out",
                )
            elif directive == "<iffile":
                yield from self._condition(place, " ".join(words), parameters)
            elif directive == "<ifdefine" and (
                self._tells_questions_apart("".join(words), parameters)
                or (path and _OURS.fullmatch("".join(words).lstrip("!")))
            ):
                yield self._fault(
                    f"{place} has IfDefine of a name by which httpd knows that it is only asked, or rehearsed",
                    "say what is to hold always",
                )
            elif directive in ("define", "undefine") and words:
                if any(each in words[0] for each in ("${", *parameters)):
                    yield self._fault(f"{place} defines a variable whose name only httpd could tell", "write the name")
                # httpd minds sections, which are not followed here: it may have the one value or the other.
                value = self._filled("".join(words[1:2]))
                vague = directive == "undefine" or len(words) == 1 or any(each in value for each in parameters)
                self._variables.setdefault(words[0], set()).update({value, _UNKNOWN} if vague else {value})
            elif directive in ("include", "includeoptional") and words:
                yield from self._include(place, words[0], parameters, named_in_text=not path)
            elif self._opens(directive) and words and not words[0].startswith("|"):
                log = self._filled(words[0])
                known = not any(each in log for each in ("${", *parameters))
                self.opened.append((f"{name} ({place})", self._described.path(log) if known else ""))

    def _condition(self, place: str, word: str, parameters: list[str]) -> Iterator[Fault]:
        """Why a file is no condition: it is there for the live server and not in a rehearsal, or somebody makes it."""
        path = self._filled(word.lstrip("!"))
        if "${" in path or any(each in word for each in parameters):
            yield self._fault(f"{place} asks for a file by a name that only httpd could tell", "write the path")
            return
        path = os.path.normpath(self._described.path(path))
        if self._is_otherwise_inside(path):
            yield self._fault(f"{place} asks for a file that a rehearsal has not, or alone has", "ask for another")
            return
        try:
            if os.path.lexists(path):
                trusted_paths.follow_path(path)
            _refuse_shared(os.path.dirname(path))
        except trusted_paths.Untrusted as error:
            yield self._fault(f"{place} asks for a file that others could make or take away: {error}", "")

    def _is_otherwise_inside(self, path: str) -> bool:
        """Whether a rehearsal may have something else at a path than the live server, whatever links lead there."""
        described = self._described
        own = (described.log_folder, described.runtime_folder, os.path.dirname(described.pid_file))
        hidden = (each for each in _HIDDEN_INSIDE if not trusted_paths.lies_below(described.server_root, each))
        folders = [each for each in (*_OTHERWISE_INSIDE, *own, *hidden) if each]
        return any(
            _STORE in each or any(trusted_paths.lies_within(each, folder) for folder in folders)
            for each in (path, os.path.realpath(path))
        )

    def _is_loaded(self, words: list[str]) -> bool:
        """Whether it is a module that the server has, and nobody's file: the server may come to its own line later."""
        if len(words) != 2 or words[0] not in self._described.modules or "${" in self._filled(words[1]):
            return False
        try:
            trusted_paths.follow_path(self._described.path(self._filled(words[1])))
        except trusted_paths.Untrusted:
            return False
        return True

    @staticmethod
    def _tells_questions_apart(name: str, parameters: list[str]) -> bool:
        if "${" in name or any(each in name for each in parameters):
            return True
        return bool(_OF_QUESTIONS.fullmatch(name.lstrip("!")))

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

    def _include(self, place: str, word: str, parameters: list[str], *, named_in_text: bool) -> Iterator[Fault]:
        path = self._filled(word)
        if any(each in word for each in parameters) or "${" in path or _READ_DIFFERENTLY.search(path):
            yield self._fault(f"{place} includes a file by a name that only httpd could tell", "write the path")
            return
        path = self._described.path(path)
        # What the text itself names below /run is there in a rehearsal too (rehearsal.py).
        is_kept = named_in_text and trusted_paths.lies_below(path, "/run") and not _WILDCARD.search(path)
        if self._is_otherwise_inside(os.path.normpath(path)) and not is_kept:
            yield self._fault(f"{place} includes a file that a rehearsal has not, or alone has", "keep it elsewhere")
            return
        try:
            found = _matching(path)
        except trusted_paths.Untrusted as error:
            yield self._fault(f"{place} includes what httpd is not to read: {error}", "")
            return
        for file in found:
            if file not in self._seen:
                self._seen.add(file)
                yield from self._read(commands.read(file), file)


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
        # Whoever may make it later has it read then.
        _refuse_shared(os.path.dirname(path))
        return []
    if os.path.isdir(path):
        _refuse_shared(path)
    trusted_paths.follow_path(path)
    if not os.path.isdir(path):
        return [path] if os.path.isfile(path) else []
    return [file for name in sorted(os.listdir(path)) for file in _matching_literally(os.path.join(path, name))]


def _refuse_shared(folder: str) -> None:
    """Raise Untrusted for a folder where anybody may put a file, as in /tmp. What lies there is not judged.

    One that is not there yet is made in the nearest that is.
    """
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder) or "/"
    trusted_paths.follow_path(folder)
    if os.stat(folder).st_mode & stat.S_IWOTH:
        words = f"{folder} is a folder where anybody may put files"
        raise trusted_paths.Untrusted(Fault("untrusted-path", "", words, "name the file itself"))
