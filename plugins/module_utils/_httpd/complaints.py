# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What httpd says, made into data that a run decides by: the one room that looks for words in its words for that.

There is no other source. By the number of a message (AH02562) where it has one; it is the same in each language.
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

# "httpd: Syntax error on line 3 of …/mtls/www.example.com/current/site.conf", in a release's or a rehearsal's folder
_LINE = re.compile(r"line (\d+) of \S*?/([^/\s]+)/(?:current/|releases/[0-9a-f.]+/)?site\.conf")
# ssl_engine_init.c; the reason is OpenSSL's, of SSL_R_CA_KEY_TOO_SMALL and SSL_R_CA_MD_TOO_WEAK
_WEAK = re.compile(r"AH02562: .*?/([^/]+)\.crt;.*::(ca (?:key|md) too (?:small|weak))")
# A line of an error log, of a warning and above: which module says it, and the number that it goes by, if it has one.
_SAID = re.compile(r"^\[[^\]]*\] \[(\w+):(?:emerg|alert|crit|error|warn)\](?:.*?\b(AH\d{5}):)?")
_OF_ITSELF = re.compile(r"core|http2?|ssl|proxy\w*")
# A file and a line of it, however a module writes that: [file "/etc/a.conf"] [line "12"], /etc/a.conf:12.
_FILE_LINE = re.compile(r"(/[^\s\"'\]:,()]+)[\"'\])]*[\s:,]*\[?(?:(?:on |at )?line )?[\"']?(\d+)\b")


def writes_to_read_only(words: str) -> bool:
    """Whether httpd could not write where nothing can be written. APR puts the system's words before its own."""
    return os.strerror(errno.EROFS) in words


def find_folders(words: str) -> list[str]:
    """The folders of the paths that httpd names in its words."""
    return list(dict.fromkeys(os.path.dirname(path) for path in re.findall(r"(?<![\w.])/[^\s:;,'\"]+(?<!\.)", words)))


def find_weak_ca(words: str) -> tuple[str, str] | None:
    """The name before .crt of the chain whose CA OpenSSL refuses by its security level, and its reason; or None."""
    found = _WEAK.search(words)
    return (found[1], found[2]) if found else None


def has_loaded_already(words: str, module: str) -> bool:
    """Whether a LoadModule said nothing new (mod_so, AH01574)."""
    return f"AH01574: module {module} is already loaded" in words


def find_line(words: str) -> tuple[str, int] | None:
    """The site in whose site.conf httpd stopped, by the name of its folder, and the number of the line; or None."""
    found = _LINE.search(words)
    return (found[2], int(found[1])) if found else None


def find_named(words: str, domains: Iterable[str]) -> set[str]:
    """Those of the sites that httpd names, as a server's name or in a path."""
    return {each for each in domains if re.search(rf"(?<![\w.-]){re.escape(each)}(?![\w.-])", words)}


def find_tellers(lines: Iterable[str], files: Container[str]) -> list[str]:
    """The modules that say something in lines of an error log, each with the lines of C(files) that it names there.

    With the number of its message, where it names none. Nothing else of what it says: that may be anybody's. What httpd
    says of a connection or a backend, and of no line, is no rule's.
    """
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        said = _SAID.match(line)
        if said:
            module, number = said.groups()
            places = [f"{path}:{at}" for path, at in _FILE_LINE.findall(line) if path in files]
            if not places and _OF_ITSELF.fullmatch(module):
                continue
            found.setdefault(module, {}).update(dict.fromkeys(places or filter(None, [number])))
    return [
        f"mod_{module} ({', '.join(list(places)[:3])})" if places else f"mod_{module}"
        for module, places in found.items()
    ]
