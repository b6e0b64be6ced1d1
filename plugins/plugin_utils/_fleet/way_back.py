# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the hosts of a fleet would go back to, looked at together, and whether that is what was meant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.kept import SHOWN_DIGITS, tell_pins
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.call import Call
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.kept import Answer, KeptSite, Release

_NAME = re.compile(r"[0-9a-f]{8,16}")
_DAY = 10  # characters of a moment
_SEVERAL = 5  # hosts that are named
_LEAST = {"host": 8, "site": 12, "pins": 8}


@dataclass(frozen=True)
class Wanted:
    """What was asked for.

    domains: the sites. undone: the release, or content, that is to be gone back from wherever it is served; empty for
    all. target: the one to go back to; empty for that before the current one. differ: hosts may end in different ones.
    """

    domains: tuple[str, ...]
    undone: str = ""
    target: str = ""
    differ: bool = False


@dataclass(frozen=True)
class Step:
    """A site of a host: what it serves, and what it would go back to. after: None where it stays as it is."""

    host: str
    domain: str
    before: Release
    after: Release | None

    @property
    def end(self) -> Release:
        """What it would serve in the end."""
        return self.after or self.before


@dataclass
class WayBack:
    """What would be done, why it must not be, and how to say what is meant. choices: options behind -e, each with why.

    alone: hosts to leave out, as nobody knows of them. unable: those that have nothing to go back to; stuck: what they
    serve, by host and site, or None where they have no such site.
    """

    steps: list[Step] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    choices: list[tuple[str, str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    unable: list[str] = field(default_factory=list)
    stuck: list[tuple[str, str, Release | None]] = field(default_factory=list)

    @property
    def left_out(self) -> list[str]:
        """The hosts without which the others could go back; none where there are no others."""
        hosts = [*dict.fromkeys([*self.alone, *self.unable])]
        return hosts if any(step.host not in hosts for step in self.steps) else []


def plan_way_back(answers: Sequence[Answer], wanted: Wanted) -> WayBack:
    """Return what each host would go back to, and what speaks against it."""
    way = WayBack()
    for option, name in (("rollback_from", wanted.undone), ("rollback_to", wanted.target)):
        if name and not _NAME.fullmatch(name):
            way.refusals.append(f"{option} is no name of a release or content, which are 8 to 16 hexadecimal digits")
    if way.refusals:
        return way
    _refuse_silent(way, answers)
    for domain in wanted.domains:
        steps = [step for answer in answers if not answer.problem for step in _plan_site(way, answer, domain, wanted)]
        way.steps += steps
        if wanted.undone and not way.alone and not any(domain in answer.sites for answer in answers):
            words = f"{domain}: no host has such a site. Their sites are: {_name_sites(answers)}. Correct the name"
            way.refusals.append(words)
        elif wanted.undone and steps and not any(step.after for step in steps):
            served = sorted({step.before.key[:SHOWN_DIGITS] for step in steps})
            words = (
                f"{domain}: no host serves {wanted.undone}, which rollback_from names. Served are {', '.join(served)}"
            )
            way.refusals.append(words)
        elif not (wanted.undone or wanted.target or wanted.differ) and len({step.end.key for step in steps}) > 1:
            way.refusals.append(f"{domain}: the hosts would not end in the same release")
            way.choices += _list_choices(steps, [answer.sites[domain] for answer in answers if domain in answer.sites])
    return way


def _refuse_silent(way: WayBack, answers: Sequence[Answer]) -> None:
    for answer in answers:
        if answer.problem:
            way.refusals.append(f"{answer.host}: {answer.problem.rstrip('.')}")
            way.alone.append(answer.host)


def _plan_site(way: WayBack, answer: Answer, domain: str, wanted: Wanted) -> Iterator[Step]:
    """Yield what a host would do with a site, or note why it cannot."""
    site = answer.sites.get(domain)
    before = site.current if site else None
    if not site or not before:
        if not wanted.undone:
            known = ", ".join([*answer.sites][:_SEVERAL]) or "none"
            words = f"{domain}: there is no such site on this host, whose sites are: {known}. Correct the name,"
            way.refusals.append(f"{answer.host}: {words} or deploy it")
            way.unable.append(answer.host)
            way.stuck.append((answer.host, domain, None))
        return
    if wanted.undone and not before.is_called(wanted.undone):
        yield Step(answer.host, domain, before, None)
        return
    after = site.find(wanted.target or site.previous)
    if after is None or not after.whole:
        way.unable.append(answer.host)
        way.stuck.append((answer.host, domain, before))
    if after is None and wanted.target:
        has = ", ".join(each.key[:SHOWN_DIGITS] for each in site.releases)
        way.refusals.append(f"{answer.host}: {domain}: it has no {wanted.target}, which rollback_to names, but {has}")
    elif after is None:
        way.refusals.append(f"{answer.host}: {domain}: there is no previous release on this host: deploy instead")
    elif not after.whole:
        way.refusals.append(f"{answer.host}: {domain}: the release {after.name} cannot be gone back to: {after.damage}")
    else:
        yield Step(answer.host, domain, before, after)


def _name_sites(answers: Sequence[Answer]) -> str:
    """Return the sites of all hosts."""
    return name_some(sorted({domain for answer in answers for domain in answer.sites}), _SEVERAL) or "none"


def _list_choices(steps: Sequence[Step], sites: Sequence[KeptSite]) -> Iterator[tuple[str, str]]:
    """Yield what may have been meant: to undo what came last, or to have all serve what all of them have."""
    last = max((step.before for step in steps), key=lambda each: each.since)
    if len({step.before.key for step in steps}) > 1:
        where = ", ".join(step.host for step in steps if step.before.key == last.key)
        yield f"rollback_from={last.key}", f"undoes that one alone, which is served by {where}"
    common = set.intersection(*({each.key for each in site.releases if each.whole} for site in sites))
    for release in sites[0].releases:
        if release.key in common and {step.before.key for step in steps} != {release.key}:
            yield f"rollback_to={release.key}", f"has all serve that one, until {release.ends[:_DAY]}"
            break
    yield "rollback_differ=true", "has each go back to the one that it had before"


def tabulate_way_back(way: WayBack, answers: Sequence[Answer], wanted: Wanted) -> list[str]:
    """Return the table of what each host serves and would go back to."""
    several = len(wanted.domains) > 1
    header = ["host", *(["site"] if several else []), "serves now", "release", "until", "pins"]
    header += ["would go back to", "release", "until", "pins"]
    ends = [step.end.key for step in way.steps]
    usual = max(ends, key=ends.count) if ends else ""
    rows = []
    for step in way.steps:
        after = _cells(step.after) if step.after else ("stays", "", "", "")
        if len({*ends}) > 1 and step.end.key != usual and not several:
            after = (f"{after[0]} another", *after[1:])
        elif step.after is step.before:
            after = (f"{after[0]} (same)", *after[1:])
        rows.append((step.host, *((step.domain,) if several else ()), *_cells(step.before), *after))
    for host, domain, before in way.stuck if rows else ():
        served = _cells(before) if before else ("no such site", "", "", "")
        rows.append((host, *((domain,) if several else ()), *served, "nothing", "", "", ""))
    rows += [(answer.host, answer.problem) for answer in answers if answer.problem]
    return lay_out(header, rows, least=_LEAST) if rows else []


def _cells(release: Release) -> tuple[str, str, str, str]:
    content, name = release.content[:SHOWN_DIGITS] or "-", release.name[:SHOWN_DIGITS]
    return content, name, release.ends[:_DAY] or "-", tell_pins(release.pins)


def tell_refusal(way: WayBack, call: Call) -> str:
    """Return why nothing goes back, and what to type; empty where nothing speaks against it.

    ``call``: the call as it was made.
    """
    if not way.refusals:
        return ""
    said = "; ".join(way.refusals[:_SEVERAL])
    if len(way.refusals) > _SEVERAL:
        said += f"; and {len(way.refusals) - _SEVERAL} more"
    ways = [f"`{call.tell(option)}` {why}" for option, why in dict(way.choices).items()]
    if way.left_out:
        ways.append(f"`{call.without(way.left_out).tell()}` leaves {name_some(way.left_out, _SEVERAL)} out")
    return ". ".join([said, *ways, "Nothing went back."])
