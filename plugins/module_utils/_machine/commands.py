# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What commands, log files and other files of this machine say."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import OperatorError, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PLAIN_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


class HttpdError(OperatorError):
    """httpd, or the machine, cannot do what is needed."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, and what it said on both streams."""

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """Httpd's own words in one line, without its remarks about names and its timestamps."""
        lines = [line.strip() for line in (self.errors + "\n" + self.output).splitlines()]
        return own_words(lines)


# Remarks that accompany every start, what our own probes cause, and levels below a warning.
_NOISE = re.compile(
    r"AH00558|AH00557|AH01574|AH01906|AH01909|AH00112|AH01873|AH02039|AH02008|AH02261|did not return a certificate"
    r"|:(notice|info|debug)\]|^(Action|The Apache error log)|Syntax OK"
)


# Where a message of httpd's says to stand; a file that includes another is named before it, so the last one counts.
_PLACE = re.compile(r'line (\d+) of (?:macro [^"]*"([^"]*)"\) used on line \d+ of )?"?(/[^"]*?)"?: ')
# What we have written ourselves: the site's own lines, and those that its host needs.
_OURS = re.compile(r"/(mtls|\.mtls-rehearsal|mtls-httpd\.[0-9a-f]+\.rehearsal)/([^/]+/){0,3}(site|host|httpd)\.conf$")
# Sentences about a section, whose name is what the file says, a directive of httpd's or not.
_UNKNOWN = re.compile(r"Invalid command|was not closed|without matching|Expected </")


# Modules whose messages quote no file but by its path. Others may repeat the lines of one that a directive names
# (mod_mime_magic), and so do compilers of scripts.
_PLAIN_MODULES = r"core|ssl|mpm_\w+|unixd|so|http2?|proxy\w*|rewrite|log_config|socache_\w+|slotmem_\w+|cgid?|md"
_OF_OTHERS = re.compile(rf"^\[(?!(?:{_PLAIN_MODULES}):)(\w+):\w+\](?:.*?(AH\d+):)?.*")
_COMPILED = re.compile(r"(Failed to compile script \S+).*")


def _without_foreign(line: str) -> str:
    """A line of httpd's without what it may have from a file that is no configuration."""
    line = _OF_OTHERS.sub(lambda it: f"mod_{it[1]} has an error {it[2] or ''} (not repeated)", line)
    return _COMPILED.sub(r"\1 (not repeated)", line)


def own_words(lines: Iterable[str]) -> str:
    """The lines of a console or error log that say what is wrong, in one line of at most 1,200 characters.

    Without what stands in a file that is not ours: it may be no configuration at all, but a file of passwords.
    """
    bare = (re.sub(r"^\[[^\]]*\d{4}\] |\[pid [^\]]*\] ", "", line.strip()) for line in lines)
    said = dict.fromkeys(_without_foreign(line) for line in bare if line and not _NOISE.search(line))
    return plain(_unquoted("; ".join(said).replace(":; ", ": "))[:1200])


def _unquoted(words: str) -> str:
    """Httpd's words, without those of the lines of somebody else's files that they are about."""
    places = list(_PLACE.finditer(words))
    if not places:
        return words
    said = words[: places[0].end()]
    for place, following in zip(places, [*places[1:], None]):
        tail, beginning, end = words[place.end() : following.start() if following else len(words)], "", ""
        if following:
            tail, beginning, end = *tail.partition("Syntax error on ")[:2], following.group()
        said += (tail if _OURS.search(place.group(3)) else _without_line(place, tail)) + beginning + end
    return said


def _without_line(place: re.Match[str], words: str) -> str:
    """What httpd says on a line of a file, without the words of that line.

    What httpd says of its own stays, and so do paths, which tell what to mend, and the name of a directive that it
    knows. One that it does not know stays where it can be nothing else, by its looks, and is no secret on this host.
    Nothing stays of what is said on a file that cannot be read to tell one from the other.
    """
    number, macro, path = place.groups()
    text = read(path) if os.path.isfile(path) else ""
    if not text:
        return "(not repeated)"
    if macro:
        text = line = text + read(macro)  # The line is one of the macro's, as it was filled in.
    else:
        lines = text.split("\n")[: int(number)]
        first = len(lines) - 1
        while first > 0 and lines[first - 1].rstrip("\r").endswith("\\"):  # The number is that of its last part.
            first -= 1
        line = " ".join(lines[first:])
    unknown = _UNKNOWN.search(words)
    directive = "".join(line.split()[:1])
    if unknown and not (re.match(r"\s*[A-Z][A-Za-z]+\s+\S", line) and os.stat(path).st_mode & stat.S_IROTH):
        directive = ""

    def shown(match: re.Match[str]) -> str:
        word = match.group()
        bare = word.strip("'\"`<>()[],;:.").lstrip("/" if unknown else "")
        if not bare or re.match("/[^/]", bare) or bare == directive:
            return word
        marked = word[0] in "'\"<"
        if marked and unknown:
            return word.replace(word[1:-1], "…")
        # A part of a word is enough, as of a URL's. Logs write other characters than ASCII's in ways of their own.
        part = bare in (text if marked else line) if marked or len(bare) > 3 else bare in re.split(r"\W+", line)
        return word.replace(bare, "…") if part or not bare.isascii() or "\\" in bare else word

    return re.sub(r"'[^']*'|\"[^\"]*\"|<[^>]*>|[^\s'\"<]+", shown, words)


class Logs:
    """What is written to log files from now on."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._sizes = {path: self._size(path) for path in paths}

    def lines(self) -> list[str]:
        """The new lines, of at most 64 KiB a file."""
        found = []
        for path, size in self._sizes.items():
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                stream.seek(size)
                found += stream.read(65536).splitlines()
        return found

    def complaint(self) -> str:
        """Httpd's own words among the new lines, in one line."""
        return own_words(self.lines())

    @staticmethod
    def _size(path: str) -> int:
        with suppress(OSError):
            return os.path.getsize(path)
        return 0


def read_bytes(path: str) -> bytes:
    """The bytes of a file, none where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def read(path: str) -> str:
    """The text of a file, empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def run(words: Sequence[str], environment: Mapping[str, str], timeout: float) -> Outcome:
    """Run a command of this machine with this environment alone, for C(timeout) seconds at most."""
    try:
        # AnsibleModule.run_command has no timeout, and there is no module here.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(words),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            start_new_session=True,  # What ends us at a terminal, such as Ctrl-C, is not for httpd.
        )
    except OSError as error:
        return Outcome(127, "", f"{error.filename or words[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Outcome(124, "", f"{words[0]} gave no answer within {timeout:.0f} seconds")
    return Outcome(
        done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape")
    )
