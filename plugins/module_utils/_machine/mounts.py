# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Folders that are mounted at more than one place, as volumes of containers are: all the paths that lead to one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths

_TABLE = "/proc/self/mountinfo"
_MOST = 16  # paths that are told of one folder


class _Mount(NamedTuple):
    """What is mounted at a place: a file system, and which folder of it."""

    device: str
    root: str
    place: str


@dataclass(frozen=True)
class Mounts:
    """What is mounted where (proc_pid_mountinfo(5)), of which the last at each place is the one that is seen."""

    at: dict[str, _Mount] = field(default_factory=dict)
    _told: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _parts: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict, repr=False)
    _mounts: dict[str, _Mount | None] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls) -> Mounts:
        """Read this process's mounts: none where the kernel does not tell of them."""
        found: dict[str, _Mount] = {}
        try:
            with open(_TABLE, encoding="utf-8", errors="surrogateescape") as stream:
                for line in stream:
                    words = line.split()
                    place = _unescape(words[4])
                    found[place] = _Mount(words[2], _unescape(words[3]), place)
        except (OSError, IndexError):
            return cls()
        return cls(found)

    def other_paths(self, path: str) -> tuple[str, ...]:
        """Return by which further paths a folder is reached: C(path) is absolute, and has no links in it.

        Each is seen to be the same by device and inode.
        """
        if path not in self._told:  # Many virtual hosts have one folder.
            self._told[path] = tuple(self._find_others(path)[:_MOST])
        return self._told[path]

    def find_parts(self, path: str) -> tuple[tuple[str, str], ...]:
        """Return what of a folder, a file or a folder below it, is mounted elsewhere: where that is, and its own path.

        As it was when this was first asked: what is mounted over the folder later makes it look like another.
        """
        if path not in self._parts:
            self._parts[path] = tuple(self._find_parts(path)[:_MOST])
        return self._parts[path]

    def _find_parts(self, path: str) -> list[tuple[str, str]]:
        own = self._mount_of(path)
        if own is None:
            return []
        inside = _join(own.root, path[len(own.place.rstrip("/")) :])
        below = [each for each in self._by_device[own.device] if trusted_paths.lies_below(each.root, inside)]
        found = [(each.place, _join(path, each.root[len(inside.rstrip("/")) :])) for each in below]
        return [(place, original) for place, original in found if place != original and _is_same(place, original)]

    def _find_others(self, path: str) -> list[str]:
        own = self._mount_of(path)
        if own is None or len(self._by_device[own.device]) < 2:
            return []
        inside = _join(own.root, path[len(own.place.rstrip("/")) :])
        found = []
        for other in self._by_device[own.device]:
            if trusted_paths.lies_within(inside, other.root):
                alias = _join(other.place, inside[len(other.root.rstrip("/")) :])
                if alias != path and _is_same(alias, path):
                    found.append(alias)
        return found

    @cached_property
    def _by_device(self) -> dict[str, list[_Mount]]:
        found: dict[str, list[_Mount]] = {}
        for each in self.at.values():
            found.setdefault(each.device, []).append(each)
        return found

    def _mount_of(self, path: str) -> _Mount | None:
        if path in self.at or path == "/":
            return self.at.get(path)
        folder = path.rpartition("/")[0] or "/"
        if folder not in self._mounts:  # Many paths lie in one folder.
            self._mounts[folder] = self._mount_of(folder)
        return self._mounts[folder]


def _join(folder: str, rest: str) -> str:
    return folder.rstrip("/") + rest.rstrip("/") or "/"


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except OSError:
        return False


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
