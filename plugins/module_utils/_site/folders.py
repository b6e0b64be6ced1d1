# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What lies in folders that httpd serves, as far down as their number allows: links to others, and .htaccess files.

Hard links too: files that have another name elsewhere.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive

# Entries that are looked at: of one folder, with all that is below it, and of all.
_MOST, _MOST_IN_ALL = 10_000, 50_000
_FOUND = 256  # links, and as many files, of one folder
_FILES = 4096  # links to files, which programs are installed by
_RULES = ".htaccess"
_OVERRIDES = ("allowoverride", "allowoverridelist")


class Lying(NamedTuple):
    """What lies in a folder and below it, by paths in that folder, those farther up first.

    links: to folders, each with where it leads. files: the same of links to plain files, but for many. ruled: the
    .htaccess files, by whatever name. named: files that are sought, each with which of these it is. plain: all others
    that are no links.
    """

    links: tuple[tuple[str, str], ...] = ()
    ruled: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    plain: tuple[str, ...] = ()


@dataclass
class Folders:
    """Looks into folders, into each once.

    names: how .htaccess files are called. unseen: the folders that hold too much to be looked through. sought: files by
    device and inode, which may have further names.
    """

    names: Collection[str] = (_RULES,)
    unseen: list[str] = field(default_factory=list)
    sought: Mapping[tuple[int, int], str] = field(default_factory=dict)
    _left: int = _MOST_IN_ALL
    _known: dict[str, Lying] = field(default_factory=dict)

    def look_into(self, folder: str) -> Lying:
        """Return what lies in a folder. Links are not followed, and what cannot be read is left out."""
        if folder not in self._known:
            self._known[folder] = self._walk(folder)
        return self._known[folder]

    def _walk(self, top: str) -> Lying:
        links: list[tuple[str, str]] = []
        ruled: list[str] = []
        files: list[tuple[str, str]] = []
        named: list[tuple[str, str]] = []
        plain: list[str] = []
        inodes = {inode for _device, inode in self.sought}
        waiting, left = deque([""]), _MOST
        while waiting:
            below = waiting.popleft()
            try:
                with os.scandir(os.path.join(top, below)) as listed:
                    entries = list(itertools.islice(listed, _MOST + 1))
            except OSError:
                continue
            for entry in entries:
                left, self._left = left - 1, self._left - 1
                if min(left, self._left) < 0 or max(len(links), len(ruled)) >= _FOUND:
                    self.unseen.append(top)
                    return Lying(tuple(links), tuple(ruled), tuple(files), tuple(named), tuple(plain))
                path = os.path.join(below, entry.name)
                with suppress(OSError):  # such as a link to itself, which leads nowhere
                    if entry.name in self.names:
                        ruled.append(path)
                    elif entry.is_symlink():
                        if entry.is_dir():
                            links.append((path, os.path.realpath(entry.path)))
                        elif entry.is_file() and len(files) < _FILES:
                            files.append((path, os.path.realpath(entry.path)))
                        elif entry.is_file() and top not in self.unseen:
                            self.unseen.append(top)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        plain.append(path)
                        if entry.inode() in inodes:
                            status = entry.stat(follow_symlinks=False)
                            known = self.sought.get((status.st_dev, status.st_ino))
                            named += [(path, known)] if known else []
        return Lying(tuple(links), tuple(ruled), tuple(files), tuple(named), tuple(plain))


def tell_unseen(folders: Sequence[str]) -> str:
    """Say of which folders not all was looked for."""
    more = f" and of {len(folders) - 1} more" if len(folders) > 1 else ""
    return f"links and .htaccess files of {folders[0]}{more} were not all looked for, as these hold so much"


def find_hard_linked(folder: str) -> dict[tuple[int, int], str]:
    """The plain files in a folder and below it that have another name, there or elsewhere, by device and inode."""
    found: dict[tuple[int, int], str] = {}
    waiting, left = deque([folder]), _MOST
    while waiting and left > 0:
        try:
            with os.scandir(waiting.popleft()) as listed:
                entries = list(itertools.islice(listed, left))
        except OSError:
            continue
        left -= len(entries)
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink > 1:
                        found[status.st_dev, status.st_ino] = entry.path
    return found


def names_of_rules(described: Description) -> list[str]:
    """How the files are called that httpd reads as .htaccess files, in any virtual host (AccessFileName)."""
    return list(dict.fromkeys([_RULES, *(word for each in described.named("accessfilename") for word in each.words)]))


def are_ruled(described: Description) -> bool:
    """Whether httpd reads .htaccess files anywhere: by default it does not (AllowOverride)."""
    return any(map(_reads, described.named(*_OVERRIDES)))


def find_overrides(directives: Sequence[Directive]) -> list[Directive]:
    """What directives say of where .htaccess files are read."""
    return [each for each in directives if each.name.lower() in _OVERRIDES]


def is_ruled(overrides: Sequence[Directive], folder: str) -> bool:
    """Whether httpd may read a .htaccess file in a folder itself: the longest <Directory> decides."""
    for name in _OVERRIDES:
        best, is_read = 0, False
        for each in (each for each in overrides if each.name.lower() == name and each.sections):
            said = each.sections[-1].partition(" ")[2].strip().strip("\"'")
            if re.search(r"[*?\[~]", said):
                if _reads(each):
                    return True
            elif trusted_paths.lies_within(folder, os.path.normpath(said)) and len(said) >= best:
                best, is_read = len(said), _reads(each)
        if is_read:
            return True
    return False


def _reads(each: Directive) -> bool:
    return any(word.lower() != "none" for word in each.words)
