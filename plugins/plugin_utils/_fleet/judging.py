# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is amiss with a fleet, and how much."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.codes import MINOR, WORST_FIRST
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.ending import End, find_ends
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.naming import name_some
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    CLIENT_CA,
    CRITICAL,
    CRL,
    FAILED,
    LOOKED,
    NOT_ASKED,
    NOT_DEPLOYED,
    PINNED,
    SEVERITIES,
    UNREACHABLE,
    WARNING,
    WELL,
    WITHOUT_HTTPD,
    FirstEnd,
    Fleet,
    Host,
    Judged,
    Reason,
    Row,
    Thresholds,
    find_same,
    sort_by_host,
    tell_pins,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

_OUTSIDE = "the controller"
_SHOWN_NAMES = 3  # of a group of hosts, in a sentence
_SHOWN_GROUPS = 5  # of hosts that differ, in a sentence
_SKEW_SECONDS = 60  # no certificate is that exact
_ENDED = {CRL: "; no client of that CA is let in", PINNED: "; no client is let in"}
_CONDITIONS = {
    UNREACHABLE: ("unreachable", "See that it is up, and that Ansible may connect."),
    FAILED: ("not-looked-at", ""),
    WITHOUT_HTTPD: ("httpd-not-found", "Deploy, which installs it, or take the host out of the group."),
    NOT_ASKED: ("not-asked", "Run without --limit, or without the tags that left it out."),
}


def judge_fleet(
    looked_at: Sequence[Host], at: datetime, thresholds: Thresholds, judged_before: Sequence[Judged] = ()
) -> Fleet:
    """Return the fleet with what is amiss, the worst first, and what ends first before what ends later.

    judged_before: hosts that another run looked at, and judged, by its own thresholds.
    """
    hosts = [*looked_at, *(each.host for each in judged_before)]
    found = [reason for host in looked_at for reason in _judge_host(host, at, thresholds)]
    found += [reason for each in judged_before for reason in each.reasons]
    found += _judge_together(hosts)
    of_host = sort_by_host(found, hosts)
    rows = [row for host in hosts for row in _make_rows(of_host.get(host.name, ()), host, at)]
    well = (len(SEVERITIES), 0, "")
    rows.sort(
        key=lambda row: (
            *min(map(_urgency, row.reasons), default=well),
            row.served_until or "9",
            row.host.name,
            row.domain,
        )
    )
    ends = ((end, row) for row in rows if row.known for end in find_ends(row.site, at, thresholds))
    first = min(ends, key=lambda each: (each[0].ends, each[1].host.name, each[1].domain), default=None)
    first_end = first and FirstEnd(first[0].kind, first[1].host.name, first[1].domain, first[0].ends, first[0].days)
    looked = {host.name: at for host in looked_at} | {each.host.name: each.at for each in judged_before}
    return Fleet(at, looked, thresholds, tuple(hosts), tuple(rows), tuple(_sorted(found)), first_end)


def _make_rows(found: Sequence[Reason], host: Host, at: datetime) -> Iterator[Row]:
    """Yield a row for each site that is on a host, or is to be; one for a host without any.

    In each is what is amiss with its site, and what is with the host and with a site that has no row.
    ``found``: what is amiss with the host and its sites.
    """
    listed = [each.domain for each in found if each.code == NOT_DEPLOYED and each.domain]
    sites: list[Mapping[str, Any]] = [*host.sites, *({"domain": domain} for domain in listed)] or [{}]
    of_site: dict[str, list[Reason]] = {site.get("domain", ""): [] for site in sites}
    of_all: list[Reason] = []
    for each in found:
        of_site.get(each.domain, of_all).append(each)
    for site in sites:
        yield Row(host, site, tuple(_sorted([*of_site[site.get("domain", "")], *of_all])), at)


def _sorted(reasons: Iterator[Reason] | Sequence[Reason]) -> list[Reason]:
    return sorted(dict.fromkeys(reasons), key=lambda each: (*_urgency(each), each.host, each.domain))


def _urgency(reason: Reason) -> tuple[int, int, str]:
    """How bad it is, the worst first: who lets others in comes before who will be down, and what ends first before."""
    rank = WORST_FIRST.index(reason.code) if reason.code in WORST_FIRST else len(WORST_FIRST)
    return SEVERITIES.index(reason.severity), rank, reason.ends or "9"


def _judge_host(host: Host, at: datetime, thresholds: Thresholds) -> Iterator[Reason]:
    def reason(severity: str, code: str, message: str, remedy: str = "", domain: str = "") -> Reason:
        return Reason(severity, code, host.name, domain, _sentence(message), _sentence(remedy))

    if host.condition != LOOKED:
        code, remedy = _CONDITIONS[host.condition]
        # Nobody asked: that is what was called for.
        yield reason(WARNING if host.condition == NOT_ASKED else CRITICAL, code, host.message, host.remedy or remedy)
        return
    told = host.told
    if not told["server"]["running"] and host.sites:
        remedy = "Deploy, which starts it, or says why it cannot."
        yield reason(CRITICAL, "not-running", "httpd does not run.", remedy)
    if told["next_reload"]["survives"] is False:
        words = f"httpd would end at its next reload: {told['next_reload']['message']}"
        yield reason(CRITICAL, "reload-fails", words, "Mend that before logrotate, or a run, reloads it.")
    # Of a site that is open at some paths on purpose, only the fault tells that a protected one is open too.
    open_here = {
        site["domain"]
        for site in host.sites
        if site["known"] and site["wanted"] == "enforced" and site["mutual_tls"] in ("optional", "off")
    }
    reload = told["next_reload"]["message"] if told["next_reload"]["survives"] is False else ""
    for fault in told["faults"]:
        # Said already, or said more plainly below.
        said = bool(fault["message"]) and not fault["domain"] and fault["message"] in reload
        if not said and (fault["code"] != "stranger-let-in" or fault["domain"] not in open_here):
            severity = WARNING if fault["code"] in MINOR else CRITICAL
            yield reason(severity, fault["code"], fault["message"], fault["remedy"], fault["domain"])
    if abs(told.get("clock_skew", 0)) >= _SKEW_SECONDS:
        way = "ahead of" if told["clock_skew"] > 0 else "behind"
        words = f"Its clock is {abs(told['clock_skew']):.0f} seconds {way} the controller's"
        remedy = "Set it: httpd judges certificates and revocation lists by it, and may refuse everybody."
        yield reason(WARNING, "clock-off", words, remedy)
    for words in told["amiss"]:
        yield reason(WARNING, "drift", words, "Deploy, which makes it good, or see who changes it.")
    for domain in told["unlisted"] or ():
        words = f"{domain} is served, and not listed in the inventory."
        yield reason(WARNING, "not-listed", words, "List it, or take it away: mtls.httpd.remove.", domain)
    for domain in told["missing"] or ():
        words = f"{domain} is listed in the inventory, and is not on the host."
        yield reason(CRITICAL, NOT_DEPLOYED, words, "Deploy it, or take it out of the list.", domain)
    for site in host.sites:
        if site["known"]:
            yield from _judge_site(host.name, site, at, thresholds)


def _judge_site(host: str, site: Mapping[str, Any], at: datetime, thresholds: Thresholds) -> Iterator[Reason]:
    domain = site["domain"]
    yield from _judge_handshakes(host, site)
    for end in find_ends(site, at, thresholds):
        if end.severity != WELL:
            yield _tell_end(host, site, end)
    if site["differs"]:
        words = f"{domain}: the inventory says otherwise than what is served, by {', '.join(site['differs'])}."
        yield Reason(WARNING, "not-as-listed", host, domain, words, "Deploy, or correct the inventory.")


def _judge_handshakes(host: str, site: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield where strangers are asked for less than they are to be, by whom that was seen."""
    domain, wanted = site["domain"], site["wanted"]
    # From there, the protected paths themselves were asked for.
    if site["protected_paths"] and site["from_controller"] == "optional":
        words = f"{domain} lets strangers in at a protected path, seen from {_OUTSIDE}."
        yield Reason(CRITICAL, "not-enforced", host, domain, words, "Look for what else decides there, and deploy.")
    seen: dict[str, list[str]] = {}
    for name, place in (("mutual_tls", "the host"), ("from_controller", _OUTSIDE)):
        seen.setdefault(site[name], []).append(place)
    for mutual_tls, places in seen.items():
        if mutual_tls == "unproven" and places == [_OUTSIDE]:
            words = f"{domain}: what is asked of strangers could not be seen from the controller."
            remedy = "See what is between the controller and the host's port."
            yield Reason(WARNING, "not-shown-outside", host, domain, words, remedy)
        elif mutual_tls not in (wanted, "enforced", "unproven", None):  # of what the host could not see, a fault tells
            alone = "" if len(places) == 2 else f", seen from {places[0]}"
            words = f"{domain} {_tell_opening(mutual_tls, wanted, alone)}."
            yield Reason(CRITICAL, "not-enforced", host, domain, words, "Look for what else answers there, and deploy.")


def _tell_opening(mutual_tls: str, wanted: str, alone: str) -> str:
    if wanted != "enforced":
        return f"asks nobody for a client certificate{alone} (it must be {wanted})"
    asked = "the client certificate is optional" if mutual_tls == "optional" else "no client certificate is asked for"
    return f"lets strangers in{alone} ({asked}, and must be required)"


def _tell_end(host: str, site: Mapping[str, Any], end: End) -> Reason:
    domain, remedy = site["domain"], _renew(end.kind, site["renewal_hook"])
    words = f"{domain}: the {end.kind} '{end.subject}'"
    code = "expired" if end.days < 0 else "expires-soon"
    if end.days < 0:
        words = f"{words} ended on {end.ends[:10]}{_ENDED.get(end.kind, '')}."
    elif end.kind == CRL:
        moment = f"{end.ends[:16].replace('T', ' ')} UTC"
        words = f"{words} is to be renewed by {moment}; from then on no client of that CA is let in."
    else:
        words = f"{words} ends on {end.ends[:10]}, in {end.days} day{'' if end.days == 1 else 's'}."
    return Reason(end.severity, code, host, domain, words, remedy, ends=end.ends, kind=end.kind)


def _sentence(text: str) -> str:
    """Return the text with its full stop, and its first letter as a sentence has it, if it is a plain word's."""
    word = text.partition(" ")[0]
    begun = text[:1].upper() + text[1:] if word.isalpha() and word != "httpd" else text
    return begun if not begun or begun.endswith(".") else f"{begun}."


def _renew(kind: str, hook: str | None) -> str:
    if kind == CRL:
        return "Fetch the present one from the CA, and deploy."
    if kind == PINNED:
        return "List the one that the client shows now beside it (docs/clients.md), and deploy."
    if kind == CLIENT_CA:
        return "Deploy the one that Chat publishes now beside it (docs/client-ca.md)."
    return f"Renew it on the host, or see why that failed; {hook} then deploys it." if hook else "Renew it, and deploy."


@dataclass(frozen=True)
class Difference:
    """A site that hosts serve differently. what: in which respect. groups: the hosts, by what they serve of it."""

    domain: str
    what: str
    groups: Mapping[str, Sequence[str]]

    @property
    def minority(self) -> tuple[str, ...]:
        """The hosts that differ from what most serve; empty where no group is the largest."""
        first, second, *_others = sorted(self.groups.values(), key=len, reverse=True)
        if len(first) == len(second):
            return ()
        return tuple(name for names in self.groups.values() if names is not first for name in names)

    def tell(self, shown: int) -> str:
        """Return each group with what it serves, by so many of its hosts' names; of many groups, the largest."""
        largest = sorted(self.groups.items(), key=lambda group: -len(group[1]))[: max(shown, _SHOWN_GROUPS)]
        said = "; ".join(f"{name_some(names, shown)}: {value}" for value, names in sorted(largest))
        others = sum(len(names) for names in self.groups.values()) - sum(len(names) for _value, names in largest)
        more = len(self.groups) - len(largest)
        hosts = f"{others} host{'' if others == 1 else 's'}"
        return f"{said}; and {more} more on {hosts}" if more else said


def _judge_together(hosts: Sequence[Host]) -> Iterator[Reason]:
    """Yield which hosts are one, and where some serve a site otherwise than others do, of those that are fewer."""
    for names in find_same(hosts):
        words = f"{', '.join(names)} are one httpd: the inventory has several names for it."
        remedy = (
            "Take all but one out of the group, and give that one the sites of each: deploy, remove and rollback do"
        )
        yield Reason(
            WARNING, "same-httpd", "", "", words, f"{remedy} everything there once for each name.", tuple(names)
        )
    for each in find_differences(hosts):
        words = f"{each.domain}: hosts serve different {each.what} ({each.tell(_SHOWN_NAMES)})."
        remedy = "Deploy to those that are behind, unless you are trying a change on some of them first."
        yield Reason(WARNING, "differs-between-hosts", "", each.domain, words, remedy, each.minority)


def find_differences(hosts: Sequence[Host]) -> Iterator[Difference]:
    """Yield where hosts serve one site otherwise than others do."""
    by_domain: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for host in hosts:
        for site in host.sites:
            if site["known"]:
                by_domain[site["domain"]].append((host.name, site))
    for domain, served in by_domain.items():
        for what, tell in _COMPARED.items():
            if what == "certificates" and any(site["remote_src"] for _host, site in served):
                continue  # Each host renews its own.
            groups: dict[str, list[str]] = defaultdict(list)
            for name, one in served:
                groups[tell(one)].append(name)
            if len(groups) > 1:
                yield Difference(domain, what, groups)


def _tell_certificate(site: Mapping[str, Any]) -> str:
    one = site["certificate"]
    return f"SHA-256 {one['sha256'][:8]}… until {one['not_after'][:10]}" if one else "none"


_COMPARED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "certificates": _tell_certificate,
    "client CAs": lambda site: ", ".join(sorted(f"SHA-256 {one['sha256'][:8]}…" for one in site["client_ca"])),
    "pins": lambda site: "; ".join(tell_pins(site["pins"])) if site["pins"] else "none",
    "paths without a certificate": lambda site: ", ".join(site["open_paths"]) or "none",
    "protected paths": lambda site: ", ".join(site["protected_paths"]) or "none",
}
