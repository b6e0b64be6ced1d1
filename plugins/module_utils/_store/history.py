# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The history of a site: which of its releases are kept, in the order in which each was last made current, and when.

A file of its own beside the links, as a release never changes once it has its name. The line of a release tells the
moment by the host's clock, and the folder, as C(2026-11-23T16:39:00Z 3f9c0a6de1b2c4f7). The order of the lines counts,
as clocks go back too. Behind them stands the SHA-256 of the page by which that release refuses, where it has a status
that refuses nobody, and a rehearsal has shown what it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HISTORY = "history"
KEEP_RELEASES = 3  # beside the current one, where nobody says how many
_UNKNOWN = "-"
_LINE = re.compile(r"(-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([0-9a-f]{16}(?:\.\d+)?)(?: ([0-9a-f]{64}))?")


@dataclass(frozen=True)
class Kept:
    """A release that is kept.

    folder: its name among the site's releases. since: when it was last made current, in UTC, as 2026-11-23T16:39:00Z;
    empty where that is not known, as of the older one of two that were left by a version without a history.
    refusal: the SHA-256 of the page that who is refused gets, where that comes with a status that refuses nobody.
    """

    folder: str
    since: str = ""
    refusal: str = ""

    @property
    def name(self) -> str:
        """The name of the release, which several folders share where one was damaged."""
        return self.folder.partition(".")[0]


def read_history(content: bytes) -> list[Kept]:
    """The releases that the bytes of a history name, the oldest first. A line that is none says nothing."""
    found = [_LINE.fullmatch(line) for line in content.decode("ascii", errors="replace").splitlines()]
    return [Kept(each[2], "" if each[1] == _UNKNOWN else each[1], each[3] or "") for each in found if each]


def write_history(kept: Iterable[Kept]) -> bytes:
    """The bytes of the history of these releases, the oldest first."""
    lines = (" ".join(filter(None, (each.since or _UNKNOWN, each.folder, each.refusal))) for each in kept)
    return "".join(f"{line}\n" for line in lines).encode()


def choose_kept(before: Sequence[Kept], current: Kept, previous: str, keep: int) -> list[Kept]:
    """The releases to keep once C(current) is: it, and beside it the C(keep) newest of those before, the oldest first.

    C(previous): the folder that a way back leads to, which is among them however old it is. What has the name of the
    current one is the same release, or was damaged.
    """
    others = [each for each in before if each.name != current.name]
    needed = [each for each in others if each.folder == previous]
    room = keep - len(needed)
    newest = [each for each in others if each not in needed][-room:] if room > 0 else []
    return [*(each for each in others if each in needed or each in newest), current]
