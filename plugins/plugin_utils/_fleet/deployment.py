# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a deployment to a fleet: who is done, who failed, who was not begun, and how to go on."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.call import leave_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMED = 20  # hosts in a sentence, at most
_REASON = 160  # characters of a reason, at most: all of it stands where the host failed
_UNREACHABLE = "it cannot be reached, so what it serves is not known"
_UNCONFIRMED = "it could not be reached any more, so it was not confirmed"
_NO_HTTPD = "there is no httpd on it, and the tags that were given left its installation out"


@dataclass(frozen=True)
class Outcome:
    """What became of a host.

    judged: why its material was found bad; empty where it was not. applied: what M(mtls.httpd.sites) returned; None
    where the host was not begun. failed: why it failed; empty where it did not.
    """

    host: str
    judged: str = ""
    applied: Mapping[str, Any] | None = None
    failed: str = ""

    @property
    def reason(self) -> str:
        """Why the host is not as wished; empty where it is, or was not begun."""
        return self.failed or self.judged

    @property
    def changed(self) -> bool:
        """Whether it serves something else than before."""
        return bool((self.applied or {}).get("changed"))

    @property
    def left_alone(self) -> bool:
        """Whether no site of it was asked for, so that nothing was done there."""
        applied = self.applied or {}
        found = applied.get("httpd_found", True)
        return bool(not self.reason and found and applied.get("sites") == [] and not applied["changed"])

    @property
    def way_back(self) -> list[dict[str, Any]]:
        """The sites by which it goes back to what it served, as M(mtls.httpd.sites) takes them."""
        return [
            {"domain": each["domain"], "state": "previous", "release": each["replaced"], "force": True}
            for each in (self.applied or {}).get("sites", ())
            if each["changed"] and each["replaced"] and each["state"] == "present"
        ]

    @property
    def stays(self) -> list[str]:
        """The sites that it serves since this run, and has no release of before to go back to."""
        ways = {each["domain"] for each in self.way_back}
        return [
            each["domain"]
            for each in (self.applied or {}).get("sites", ())
            if each["changed"] and each["domain"] not in ways
        ]


def find_why_not_done(applied: Mapping[str, Any] | str, confirmed: Mapping[str, Any], *, check: bool) -> str:
    """Return why a host of which no task failed is not as wished all the same; empty where it is.

    ``applied``: what M(mtls.httpd.sites) returned, empty text for nothing. ``confirmed``: what the confirmation did.
    """
    if confirmed.get("unreachable"):
        return _UNCONFIRMED
    if isinstance(applied, str):
        return ""
    if applied.get("unreachable"):
        return _UNREACHABLE
    return _NO_HTTPD if applied.get("httpd_found") is False and not check else ""


def tell_deployment(
    outcomes: Sequence[Outcome],
    answers: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    limit: str = "",
    check: bool = False,
) -> list[str]:
    """Return who is done, who failed and why, who was not begun, and how to go on, a line each.

    ``answers``: what M(mtls.httpd.sites) returned for the way back, by host. None where no host was to go back.
    ``limit``: what stood behind -l.
    """
    gone_back = [] if answers is None else _sort_put_back(outcomes, answers)[0]
    done = [each for each in outcomes if each.applied is not None and not each.reason]
    alone = [each.host for each in done if each.left_alone]
    names = [each.host for each in done if each.host not in {*alone, *gone_back}]
    failed = [each for each in outcomes if each.reason]
    left = [each.host for each in outcomes if each.applied is None and not each.reason]
    said = [f"{'Would be deployed' if check else 'Deployed'}: {_name(names) or 'none'}."]
    if alone:
        said.append(f"Left alone, as no site of {'theirs' if len(alone) > 1 else 'its'} was asked for: {_name(alone)}.")
    stay = [] if check else [each.host for each in failed if each.changed and each.host not in gone_back]
    said += _tell_failed(failed, stay)
    said += _tell_unlisted(outcomes)
    others = bool(left or gone_back or (check and names))
    return [*said, *_tell_how_to_go_on(failed, left, limit, others=others)]


def tell_rollback(
    outcomes: Sequence[Outcome], others: Sequence[str], lacking: Sequence[str], *, limit: str = "", check: bool = False
) -> list[str]:
    """Return who went back, who failed and why, who was not begun, and how to go on, a line each.

    ``others``: the hosts that serve another release than the one to go back from. ``lacking``: those that have no such
    site. ``limit``: what stood behind -l.
    """
    done = [each for each in outcomes if each.applied is not None and not each.reason]
    names = [each.host for each in done if each.changed]
    there = [each.host for each in done if not each.changed]
    failed = [each for each in outcomes if each.reason]
    alone = {*others, *lacking}
    left = [each.host for each in outcomes if each.applied is None and not each.reason and each.host not in alone]
    said = [f"{'Would go back' if check else 'Went back'}: {_name(names) or 'none'}."]
    said += [f"Served that already: {_name(there)}."] if there else []
    said += [f"Left alone, as another release is served: {_name(others)}."] if others else []
    said += [f"{'Has' if len(lacking) == 1 else 'Have'} no such site: {_name(lacking)}."] if lacking else []
    said += _tell_failed(failed, [] if check else [each.host for each in failed if each.changed])
    return [*said, *_tell_how_to_go_on(failed, left, limit, others=bool(left or (check and names)))]


def _tell_failed(failed: Sequence[Outcome], stay: Sequence[str]) -> list[str]:
    """Return a line on those that failed, each reason once. ``stay``: those that serve the new state all the same."""
    alike: dict[str, list[str]] = {}
    for each in failed:
        alike.setdefault(_tell_reason(each, stays=each.host in stay), []).append(each.host)
    return [f"Failed: {_name([f'{_name(names)} ({why})' for why, names in alike.items()])}."] if failed else []


def _tell_how_to_go_on(failed: Sequence[Outcome], left: Sequence[str], limit: str, *, others: bool) -> list[str]:
    """Return lines on those that were not begun, and on what to do. ``others``: whether any is to be gone on with."""
    said = []
    if left:
        said.append(f"Not begun: {_name(left)}. {'They serve' if len(left) > 1 else 'It serves'} as before.")
    if failed:
        names = [each.host for each in failed]
        them = "it" if len(names) == 1 else "them"
        without = f"; or go on without {them}: -l {quote(leave_out(limit, names))}" if others else ""
        said.append(f"Mend {_name(names)} and run the same again{without}.")
    return said


def _tell_unlisted(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line for each site that is served on hosts whose inventory does not list it."""
    hosts: dict[str, list[str]] = {}
    ends: dict[str, str] = {}
    for outcome in outcomes:
        for each in (outcome.applied or {}).get("unlisted", ()):
            hosts.setdefault(each["domain"], []).append(outcome.host)
            ends[each["domain"]] = min(ends.get(each["domain"], each["ends"]), each["ends"])
    return [
        f"Served, and not listed in mutual_tls_sites: {domain} on {_name(names)}, until {ends[domain][:10]}. "
        "List it, or take it away with mtls.httpd.remove."
        for domain, names in sorted(hosts.items())
    ]


def _tell_reason(outcome: Outcome, *, stays: bool) -> str:
    reason = " ".join(outcome.reason.removeprefix("Task failed: ").split()).rstrip(".")
    reason = reason if len(reason) <= _REASON else reason[: _REASON - 1] + "…"
    return f"{reason}{'; it serves the new state all the same' if stays else ''}"


def tell_put_back(outcomes: Sequence[Outcome], answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return which hosts were put back to what they served, and which were not; nothing where none was to be.

    ``answers``: what M(mtls.httpd.sites) returned for the way back, by host.
    """
    good, bad = _sort_put_back(outcomes, answers)
    new = [f"{each.host} ({', '.join(each.stays)})" for each in outcomes if each.changed and each.stays]
    lost = [each.host for each in outcomes if (each.applied or {}).get("unreachable")]
    said = [f"Put back to what they served before: {_name(good)}."] if good else []
    said += [f"Not put back, so look after them: {_name(bad)}."] if bad else []
    said += [f"Not known what they serve, so look after them: {_name(lost)}."] if lost else []
    return [*said, *([f"Served for the first time, or taken away, and left so: {_name(new)}."] if new else [])]


def _sort_put_back(
    outcomes: Sequence[Outcome], answers: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], list[str]]:
    """Return the hosts that were put back, and those that were to be and were not, each with its reason."""
    why_not = {each.host: _why_not(answers.get(each.host, {})) for each in outcomes if each.way_back}
    return (
        [host for host, why in why_not.items() if not why],
        [f"{host} ({why})" for host, why in why_not.items() if why],
    )


def _why_not(answer: Mapping[str, Any]) -> str:
    if answer.get("unreachable"):
        return "cannot be reached"
    if answer.get("failed"):
        return " ".join(str(answer.get("msg", "it failed")).split())[:_REASON]
    return "" if "sites" in answer else "it was left out"


def _name(hosts: Sequence[str]) -> str:
    return name_some(hosts, _NAMED)
