# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What commands, log files and other files of this machine say."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PLAIN_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


class HttpdError(Exception):
    """httpd, or the machine, cannot do what is needed. One line, for an operator."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, and what it said on both streams."""

    code: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """Httpd's own words in one line, without its remarks about names and its timestamps."""
        lines = [line.strip() for line in (self.errors + "\n" + self.output).splitlines()]
        return own_words(lines)


# Remarks that accompany every start, what our own probes cause, and levels below a warning.
_NOISE = re.compile(
    r"AH00558|AH00557|AH01906|AH01909|AH00112|AH01873|AH02039|AH02008|AH02261|did not return a certificate"
    r"|:(notice|info|debug)\]|^(Action|The Apache error log)|Syntax OK"
)


def own_words(lines: Iterable[str]) -> str:
    """The lines of a console or error log that say what is wrong, in one line of at most 1,200 characters."""
    bare = (re.sub(r"^\[[^\]]*\d{4}\] |\[pid [^\]]*\] ", "", line.strip()) for line in lines)
    said = dict.fromkeys(line for line in bare if line and not _NOISE.search(line))
    return plain("; ".join(said).replace(":; ", ": ")[:1200])


def plain(text: str) -> str:
    """The text on one line, with nothing that a terminal obeys: others on the machine have a say in names and logs."""
    return "".join(character if character.isprintable() else "?" for character in text)


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

    def words(self) -> str:
        return own_words(self.lines())

    @staticmethod
    def _size(path: str) -> int:
        with suppress(OSError):
            return os.path.getsize(path)
        return 0


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
        done = subprocess.run(
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
