# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which releases are on which host, since when, and what differs from the one before: a table for the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.kept import SHOWN_DIGITS, tell_pins

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.kept import Answer, KeptSite, Release

_HEADER = ("host", "site", "release", "content", "current since", "until", "otherwise than before")
_DAY, _MINUTE = 10, 16  # characters of a moment


def tabulate_releases(answers: Sequence[Answer], domains: Collection[str] = ()) -> list[str]:
    """Return the lines of the table, and below it what to read of it.

    ``domains``: the sites that are asked for; all where there is none.
    """
    rows = [row for answer in answers for row in _list_rows(answer, domains)]
    return [*lay_out(_HEADER, rows), *_sum_up(answers, domains)]


def _list_rows(answer: Answer, domains: Collection[str]) -> Iterator[tuple[str, ...]]:
    if answer.problem:
        yield (answer.host, answer.problem)
        return
    sites = [site for domain, site in answer.sites.items() if not domains or domain in domains]
    if not sites:
        yield (answer.host, "no such site" if domains else "no site")
    for site in sites:
        for release, before in zip(site.releases, [*site.releases[1:], None], strict=True):
            yield _row(answer.host, site, release, before)


def _row(host: str, site: KeptSite, release: Release, before: Release | None) -> tuple[str, ...]:
    since = release.since[:_MINUTE].replace("T", " ") or "-"
    mark = " now" if release.current else " back" if release.name == site.previous else ""
    if not release.whole:
        differs = f"damaged: {release.damage}"
    elif before is None:
        differs = f"(the oldest) {tell_pins(release.pins)}"
    else:
        differs = ", ".join(find_differences(release, before)) or "other lines alone"
    name, content = release.name[:SHOWN_DIGITS] + mark, release.content[:SHOWN_DIGITS] or "-"
    return host, site.domain, name, content, since, release.ends[:_DAY] or "-", differs


def find_differences(release: Release, before: Release) -> list[str]:
    """Return what a release has otherwise than one before it, in words."""
    if not (release.content and before.content):
        return ["what cannot be read"]
    found = []
    if release.certificate_sha256 != before.certificate_sha256:
        found.append("certificate")  # its end stands in the line below
    new, gone = (len({*one} - {*other}) for one, other in _both_ways(release.client_cas, before.client_cas))
    if new or gone:
        found.append("client CA" + f" +{new}" * bool(new) + f" -{gone}" * bool(gone))
    if release.crl_ends != before.crl_ends:
        found.append("CRL")
    if release.verify_client != before.verify_client:
        found.append(f"verify_client {release.verify_client}")
    if {*release.pins} != {*before.pins}:
        found.append(f"pins ({tell_pins(before.pins)} before)")
    if {*release.open_paths} != {*before.open_paths}:
        found.append("open paths")
    if {*release.protected_paths} != {*before.protected_paths}:
        found.append("protected paths")
    if not found and release.content != before.content:
        found.append("chain or CRL")
    return found


def _both_ways(
    one: Sequence[str], other: Sequence[str]
) -> tuple[tuple[Sequence[str], Sequence[str]], tuple[Sequence[str], Sequence[str]]]:
    return (one, other), (other, one)


def _sum_up(answers: Sequence[Answer], domains: Collection[str]) -> Iterator[str]:
    """Yield a line for each site: whether all hosts that have it serve the same."""
    served: dict[str, set[str]] = {}
    for answer in answers:
        for domain, site in answer.sites.items():
            if (not domains or domain in domains) and site.current:
                served.setdefault(domain, set()).add(site.current.key)
    for domain, contents in served.items():
        same = "all of its hosts serve the same" if len(contents) == 1 else f"{len(contents)} different ones are served"
        yield f"{domain}: {same}."
    silent = [answer.host for answer in answers if answer.problem]
    if silent:
        yield f"Not known: {', '.join(silent)}."
