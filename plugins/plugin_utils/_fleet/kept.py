# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The releases that the hosts of a fleet keep, as mtls.httpd.release_info has told them on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.registered import last_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN_DIGITS = 8  # of a name in a table, which may be typed so, too


@dataclass(frozen=True)
class Release:
    """A release on a host, by the fields that M(mtls.httpd.release_info) documents."""

    name: str
    current: bool
    since: str
    content: str
    whole: bool
    damage: str
    certificate_sha256: str
    certificate_ends: str
    ends: str
    client_cas: tuple[str, ...]
    crl_ends: str
    verify_client: str
    pins: tuple[str, ...]
    open_paths: tuple[str, ...]
    protected_paths: tuple[str, ...]

    @property
    def key(self) -> str:
        """What tells it from others on all hosts: its content, or where that cannot be read, its name."""
        return self.content or self.name

    def is_called(self, name: str) -> bool:
        """Whether it, or its content, has this name, or one that begins so."""
        return self.name.startswith(name) or self.content.startswith(name)


@dataclass(frozen=True)
class KeptSite:
    """A site on a host. previous: the name of the release that a plain way back leads to; empty for none.

    releases: the current one first, then by when each was current last.
    """

    domain: str
    previous: str
    releases: tuple[Release, ...]

    @property
    def current(self) -> Release | None:
        return next((each for each in self.releases if each.current), None)

    def find(self, name: str) -> Release | None:
        """The release that is called so: the current one before others, and one that is whole before damaged ones."""
        found = [each for each in self.releases if name and each.is_called(name)]
        return min(found, key=lambda each: (not each.current, not each.whole), default=None)


@dataclass(frozen=True)
class Answer:
    """What became of asking a host. problem: why it told nothing; unreachable: as it was not reached."""

    host: str
    problem: str
    unreachable: bool
    sites: Mapping[str, KeptSite]


def read_answers(answers: Mapping[str, Any]) -> list[Answer]:
    """Return what the hosts told, each by what M(mtls.httpd.release_info) returned there, in their order."""
    return [_read_answer(host, answer if isinstance(answer, dict) else {}) for host, answer in answers.items()]


def _read_answer(host: str, answer: Mapping[str, Any]) -> Answer:
    words = " ".join(str(answer.get("msg", "")).removeprefix("Task failed: ").split())
    if answer.get("unreachable"):
        return Answer(host, f"cannot be reached: {words}" if words else "cannot be reached", True, {})
    if answer.get("failed"):
        return Answer(host, f"{words} {last_words(answer)}".strip() or "it told nothing", False, {})
    if "found" not in answer:
        return Answer(host, "it was not asked", False, {})
    if not answer["found"]:
        return Answer(host, "no httpd is found on it", False, {})
    return Answer(host, "", False, {each["domain"]: _read_site(each) for each in answer["sites"]})


def _read_site(told: Mapping[str, Any]) -> KeptSite:
    return KeptSite(told["domain"], told["previous"] or "", tuple(_read_release(each) for each in told["releases"]))


def _read_release(told: Mapping[str, Any]) -> Release:
    values = {name: told[name] for name in Release.__dataclass_fields__ if name != "client_cas"}
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else "" if value is None else value
        for name, value in values.items()
    }
    return Release(**fields, client_cas=tuple(sorted(each["sha256"] for each in told["client_cas"])))


def tell_pins(pins: Sequence[str]) -> str:
    """Return who may call, in a word or two."""
    if not pins:
        return "no pin"
    kind, _colon, value = pins[0].partition(":")
    first = value[:SHOWN_DIGITS] if kind == "certificate" else value
    return f"{first} +{len(pins) - 1}" if len(pins) > 1 else first
