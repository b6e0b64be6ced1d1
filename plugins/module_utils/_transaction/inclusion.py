# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How httpd comes to read the host-level file: by a link in a folder that it reads whole, or by a line in a file."""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import endpoint, join_endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Change,
    File,
    Link,
    StoreError,
    change_to,
    entry_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, VirtualHost
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

INCLUSION = "zz-mtls.conf"
_SECTION = re.compile(r"\s*<(/?)[A-Za-z]")
_INCLUDES_ALL = re.compile(r'(?i)\s*Include(?:Optional)?\s+"?([^"$*?\[]*)/\*\.conf"?\s*$')
_INCLUDES_SOME = re.compile(r'(?i)\s*Include(?:Optional)?\s+"?([^"$]*[*?\[][^"$]*?)"?\s*$')
_INCLUDES_ONE = re.compile(r'(?i)\s*Include(?:Optional)?\s+"?([^"$*?\[]+?)"?\s*$')
# What a file that is generated says of itself, in whatever words. That settles where our line stands, and a warning.
_GENERATED = re.compile(
    r"auto[\w-]*\s+(generated|created|managed)|generated\s+automatically|\bthis\b.{0,40}\bgenerated\b|"
    r"(?<!\bbe\s)\bmanaged\s+by\b|\b(?!be\b)\w+\s+managed\b|do\s+not\s+(edit|modify|change|touch)\b|"
    r"(changes|modifications|edits)\b.{0,99}\b(lost|overwritten|destroyed|reverted)",
    re.IGNORECASE,
)
# What is said in a folder of a server's configuration, beside sections.
_OF_SERVERS = {"alias", "define", "documentroot", "listen", "loadmodule", "servername", "servertokens", "sslprotocol"}
_NAMED = re.compile(r"/[^\s\"'*]+\.conf\b")


@dataclass(frozen=True)
class _Place:
    """Where the server can come to read host.conf: a link in a folder that it reads whole, or a line in a file.

    path: of the link, or of the file. entry: the link; none for a line. later: the virtual hosts that come behind it.
    """

    path: str
    entry: Link | None
    later: tuple[VirtualHost, ...]


def plan_inclusion(server: Server, store: Store, without_us: Description, sites: Iterable[SiteFacts]) -> list[Change]:
    """The changes by which the server comes to read host.conf for these sites, or for none of them no longer does.

    A link in the folder of the server's configuration of which its main file includes all of *.conf, the last such, if
    no virtual host of the user's comes after it, whose place we would take; else one line at the end of that file.
    Where the main file says that it is generated, such a line goes when that is done again: so a place that outlasts it
    is taken, if there is one.
    """
    main, host = os.path.realpath(server.config), store.path("host.conf")
    found = _read_file(main)
    text, line = _text(found), _line(store)
    wanted = [(address, site.port) for site in sites for address in (site.listen or ("",))]
    in_main = line in text and line in map(str.strip, text.splitlines())
    if wanted and in_main:
        return []
    folders, files = _folders(text, without_us, host), _named_files(text, without_us)
    there = [place for place in folders if entry_of(place.path) == place.entry]
    lined = [place.path for place in files if line in map(str.strip, _text(entry_of(place.path)).splitlines())]
    lined += [main] if in_main else []
    if not wanted:
        gone = [change for place in there for change in change_to(place.path, None)]
        return gone + [_edit(path, lambda text: _without(text, line)) for path in lined]
    if there or lined or host in map(os.path.realpath, without_us.files):  # A hand may have written the line otherwise.
        return []
    if _reads_of_itself(text, without_us, host):
        return []
    usable = [place for place in folders if _is_servers_own(place.path, without_us)]
    if _says_generated(text):
        firsts = [without_us.defaults.get(endpoint(join_endpoint(*each))) for each in wanted]
        lasting = [*usable, *(place for place in reversed(files) if _may_hold(place.path, text))]
        place = next((place for place in lasting if not any(first in place.later for first in firsts if first)), None)
    else:
        place = next((place for place in usable[:1] if not place.later), None)
    if place is None or place.entry is None:
        return [_edit(place.path if place else main, lambda text: _with(text, line))]
    if entry_of(place.path) is not None:
        words = f"{place.path} is not this collection's, and stands where it puts its own"
        raise StoreError(Fault("in-the-way", "", words, "move it away"))
    return change_to(place.path, place.entry)


def tell_passing_line(server: Server, store: Store, changes: Iterable[Change]) -> list[str]:
    """That our line is in a main file that is made anew by others, once C(changes) are made; none where it is not."""
    main, line = os.path.realpath(server.config), _line(store)
    text = _text(next((each.after for each in changes if each.path == main), entry_of(main)))
    if line not in map(str.strip, text.splitlines()) or not _says_generated(text):
        return []
    named = ", ".join(dict.fromkeys(_NAMED.findall(_head(text))))
    words = f"{main} says that it is generated, and loses our line when that is done again: put `{line}` into a file "
    place = f"such as {named}" if named else "that outlasts it and is included behind the virtual hosts of others"
    return [f"{words}{place}"]


def _line(store: Store) -> str:
    return f"IncludeOptional {quoting.directive(quoting.path(store.path('host.conf')))}"


def _reads_of_itself(text: str, without_us: Description, host: str) -> bool:
    """Whether a main file of this text includes host.conf by a pattern, such as conf/*/*.conf, as soon as it is there.

    A line for it would have httpd read it twice.
    """
    for words in _outside(text):
        found = _INCLUDES_SOME.match(words) if words else None
        parts = _real_parts(without_us.path(found.group(1))) if found else []
        names = host.split("/")
        if len(parts) == len(names) and all(map(fnmatch.fnmatchcase, names, parts)):
            return True
    return False


def _real_parts(pattern: str) -> list[str]:
    """The names in a pattern of paths, before whose first that is one itself links are followed."""
    parts = pattern.split("/")
    plain = next((number for number, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    return [*os.path.realpath("/".join(parts[:plain]) or "/").rstrip("/").split("/"), *parts[plain:]]


def _folders(text: str, without_us: Description, host: str) -> list[_Place]:
    """Our links in the folders of which a main file of this text includes all of *.conf, the last such first."""
    places: list[_Place] = []
    for number, words in enumerate(_outside(text), 1):
        found = _INCLUDES_ALL.match(words) if words else None
        written = without_us.path(found.group(1)) if found else ""
        folder = os.path.realpath(written) if written else ""
        if folder and os.path.isdir(folder):
            later = _later(without_us, number, behind=os.path.join(written, INCLUSION))
            places.insert(0, _Place(os.path.join(folder, INCLUSION), Link(os.path.relpath(host, folder)), later))
    return places


def _is_servers_own(path: str, without_us: Description) -> bool:
    """Whether the folder of a path is one of the server's configuration, for all that httpd reads there.

    Other folders are read whole too, such as that of the OWASP core rule set, where all is said to one module. They
    belong to who made them, and may be replaced as a whole.
    """
    folder = os.path.dirname(path)
    files = {each.file for each in without_us.directives}
    within = {file for file in files if os.path.dirname(os.path.realpath(file)) == folder}
    said = {each.name.lower() for each in without_us.directives if each.file in within}
    return not said or any(name.startswith("<") or name in _OF_SERVERS for name in said)


def _named_files(text: str, without_us: Description) -> list[_Place]:
    """The files that a main file of this text includes by their names."""
    places = []
    for number, words in enumerate(_outside(text), 1):
        found = _INCLUDES_ONE.match(words) if words else None
        path = without_us.path(found.group(1)) if found else ""
        if path in without_us.files and isinstance(entry_of(path), File):
            places.append(_Place(path, None, _later(without_us, number)))
    return places


def _later(without_us: Description, line: int, behind: str = "") -> tuple[VirtualHost, ...]:
    """The virtual hosts behind a line of the main file.

    C(behind): and behind this file, of those that the line includes; httpd takes them in the order of their names.
    """
    included = [file for file, number in without_us.files.items() if number == line]
    folder, name = os.path.split(behind)
    follow = (file for file in included if os.path.dirname(file) == folder and os.path.basename(file) > name)
    first = next(follow, None) if behind else None
    files = set(included[included.index(first) :]) if first else set()

    def is_later(each: VirtualHost) -> bool:
        return (without_us.files.get(each.file) or each.line) > line or each.file in files

    return tuple(filter(is_later, without_us.virtual_hosts))


def _head(text: str) -> str:
    """The comment with which a file begins, as one line."""
    lines = itertools.takewhile(lambda line: not line.strip() or line.lstrip().startswith("#"), text.splitlines())
    return " ".join(line.strip("# \t\ufeff") for line in lines)


def _says_generated(text: str) -> bool:
    return bool(_GENERATED.search(_head(text)))


def _may_hold(path: str, main: str) -> bool:
    """Whether a main file of this text names a file as one for what is one's own, and nobody else could change it."""
    if path not in _NAMED.findall(_head(main)):
        return False
    with suppress(trusted_paths.Untrusted):
        return trusted_paths.follow_path(path) == path
    return False


def _read_file(path: str) -> File:
    found = entry_of(path)
    if not isinstance(found, File):
        raise StoreError(Fault("in-the-way", "", f"{path} is not a plain file", ""))
    return found


def _text(entry: Entry | None) -> str:
    return entry.content.decode(errors="surrogateescape") if isinstance(entry, File) else ""


def _edit(path: str, change: Callable[[str], str]) -> Change:
    found = _read_file(path)
    return Change(path, found, replace(found, content=change(_text(found)).encode(errors="surrogateescape")))


def _outside(text: str) -> list[str]:
    """The lines of C(text), empty where they are of a section: what stands in one is read there, or not at all."""
    lines, depth = [], 0
    for line in text.splitlines():
        bracket = _SECTION.match(line)
        lines.append("" if bracket or depth else line)
        if bracket:
            depth += -1 if bracket.group(1) else 1
    return lines


# A last line that goes on: ours would be a part of it, and of a comment if that is one.
_GOES_ON = re.compile(r"\\\r?\n?\Z")


def _with(text: str, line: str) -> str:
    gap = "\n" if _GOES_ON.search(text) else ""
    return f"{text}{gap}{line}\n" if not text or text.endswith("\n") else f"{text}\n{gap}{line}"


def _without(text: str, line: str) -> str:
    """C(text) without our line: as it was, also where it had no end of line at its end."""
    before = text.removesuffix("\n").removesuffix(f"\n{line}")
    if before != text.removesuffix("\n") and _GOES_ON.search(before):
        return before if text.endswith("\n") else before.removesuffix("\n")
    if text.endswith("\n" + line):
        return text[: -len(line) - 1]
    return "".join(each for each in text.splitlines(keepends=True) if each.strip() != line)
