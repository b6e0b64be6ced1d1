# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is alike in a fleet, as one: who reads of five hundred hosts is to find what to do first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Reason

ALIKE_SHOWN = 5  # rows, or findings, of one kind: where there are more, they are one
_REASONS_SHOWN = 20  # of sites that differ by their names alone; where there are more, by their gists
_NAMES = re.compile(r"\S*\d\S*|\S*\w\.\w\S*")  # addresses, hosts, files, numbers: what differs where the fault is one
_NUMBER = re.compile(r"\d+([.]\d+)?")
_PUNCTUATION = ".,;:()'\""
_OTHERS_SHOWN = 3  # of what stands in a place in which findings differ
_SHORT = 40  # characters of what is told with others of its place
_T = TypeVar("_T")


@dataclass(frozen=True)
class Said:
    """What is amiss, and with which hosts. Both texts are as of one of them."""

    reason: Reason
    hosts: tuple[str, ...]

    @property
    def kind(self) -> tuple[str, str, str]:
        """What it is, of whatever."""
        return self.reason.severity, self.reason.code, self.reason.kind

    @property
    def wording(self) -> tuple[str, ...]:
        """What it is, whichever the site."""
        texts = (self.reason.message, self.reason.remedy)
        domain = self.reason.domain
        return (*self.kind, *(each.replace(domain, "\0") if domain else each for each in texts))

    @property
    def gist(self) -> tuple[str, ...]:
        """What it is, whichever the site and the host: by its words without any name, where it has no kind."""
        return self.kind if self.reason.kind else (*self.kind, mask_names(self._nameless))

    @property
    def particulars(self) -> list[tuple[str, str]]:
        """Each word of it that is none of its gist: without names of its own, to compare it, and as it is."""
        words = zip(mask_names(self._nameless).split(), self._nameless.split(), self.reason.message.split())
        return [
            (compared.strip(_PUNCTUATION), shown.strip(_PUNCTUATION)) for gist, compared, shown in words if "\0" in gist
        ]

    @property
    def _nameless(self) -> str:
        words = self.reason.message
        for name in (self.reason.domain, *self.hosts):
            words = words.replace(name, "\0") if name else words
        return words


@dataclass(frozen=True)
class Group:
    """What is amiss and alike: the first to be told, and those that are told by their names."""

    first: Said
    others: tuple[Said, ...] = ()

    @property
    def names(self) -> list[str]:
        """The others, by host and site; by site alone where all are of one host."""
        one_host = len({each.hosts for each in (self.first, *self.others)}) == 1
        told = (
            " ".join(filter(None, ["" if one_host else name_some(each.hosts, 1), each.reason.domain]))
            for each in self.others
        )
        return list(filter(None, dict.fromkeys(told)))

    @property
    def apart(self) -> str:
        """In what the others differ from the first but for their names, if it is not told by their dates."""
        if self.first.reason.kind:
            return ""
        said = []
        for (own, shown), *others in zip(*(each.particulars for each in (self.first, *self.others)), strict=False):
            values = dict.fromkeys(value for compared, value in others if compared != own)
            if values:
                said.append(f"{_tell_values(list(values))} in the place of {shown}")
        return "; ".join(dict.fromkeys(said))

    def tell_others(self) -> str:
        """Return how many more there are, in what they differ, and which; empty where there are none."""
        if not self.others:
            return ""
        apart = f", with {self.apart}" if self.apart else ""
        named = name_some(self.names, ALIKE_SHOWN)
        return f"And {len(self.others):,} more like it{apart}{f': {named}' if named else ''}."


def _tell_values(values: Sequence[str]) -> str:
    if len(values) > 1 and all(map(_NUMBER.fullmatch, values)):
        return f"{min(values, key=float)} to {max(values, key=float)}"
    return name_some(values, _OTHERS_SHOWN if max(map(len, values)) <= _SHORT else 1)


def fold_reasons(reasons: Sequence[Reason], *, everything: bool = False) -> list[Group]:
    """Return what is amiss, once for all hosts of which the same is so, and what is alike together if it is much.

    ``everything``: nothing together, but what is the same.
    """
    hosts: dict[tuple[str, str, str], list[Reason]] = {}
    for each in reasons:
        hosts.setdefault((each.severity, each.message, each.remedy), []).append(each)
    said = [Said(same[0], tuple(each.host for each in same if each.host)) for same in hosts.values()]
    if everything:
        return [Group(each) for each in said]
    groups = fold(said, lambda each: each.wording)
    if len(groups) > _REASONS_SHOWN:
        groups = fold(said, lambda each: each.gist)
    return [Group(first, tuple(others)) for first, *others in groups]


def mask_names(text: str) -> str:
    """Return text without what differs where what is said is the same: addresses, hosts, files, numbers."""
    return _NAMES.sub("\0", text)


def fold(items: Sequence[_T], tell: Callable[[_T], tuple[object, ...]]) -> list[list[_T]]:
    """Return what is alike together, where the first of it stands; what is so of a few stays apart, in its place."""
    alike: dict[tuple[object, ...], list[_T]] = {}
    for each in items:
        alike.setdefault(tell(each), []).append(each)
    groups = []
    for each in items:
        group = alike[tell(each)]
        if len(group) <= ALIKE_SHOWN:
            groups.append([each])
        elif each is group[0]:
            groups.append(group)
    return groups
