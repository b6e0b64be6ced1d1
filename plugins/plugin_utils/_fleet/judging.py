# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is amiss with a fleet, and how much."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.codes import MINOR, WORST_FIRST
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    CRITICAL,
    FAILED,
    LOOKED,
    NOT_ASKED,
    SEVERITIES,
    UNREACHABLE,
    WARNING,
    WITHOUT_HTTPD,
    Fleet,
    Host,
    Reason,
    Row,
    Thresholds,
    days_between,
    moment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

_CONDITIONS = {
    UNREACHABLE: ("unreachable", "See that it is up, and that Ansible may connect."),
    FAILED: ("not-looked-at", ""),
    WITHOUT_HTTPD: ("httpd-not-found", "Deploy, which installs it, or take the host out of the group."),
    NOT_ASKED: ("not-asked", "Run without --limit, or without the tags that left it out."),
}


def judge_fleet(hosts: Sequence[Host], at: datetime, thresholds: Thresholds) -> Fleet:
    """Return the fleet with what is amiss, the worst first, and what ends first before what ends later."""
    found = [reason for host in hosts for reason in _judge_host(host, at, thresholds)]
    found += _judge_together(hosts)
    rows = [
        Row(host, site, tuple(_sorted(_of_row(found, host, site))), at)
        for host in hosts
        for site in (host.sites or [{}])
    ]
    well = (len(SEVERITIES), 0)
    rows.sort(
        key=lambda row: (
            *min(map(_badness, row.reasons), default=well),
            row.served_until or "9",
            row.host.name,
            row.domain,
        )
    )
    return Fleet(at, thresholds, tuple(hosts), tuple(rows), tuple(_sorted(found)))


def _of_row(found: Sequence[Reason], host: Host, site: Mapping[str, Any]) -> Iterator[Reason]:
    """What is told in a row: of its site; and what is amiss with the host, in each of its rows."""
    domain = site.get("domain", "")
    for reason in found:
        if reason.host in ("", host.name) and reason.domain in ("", domain) and (reason.host or reason.domain):
            yield reason


def _sorted(reasons: Iterator[Reason] | Sequence[Reason]) -> list[Reason]:
    return sorted(dict.fromkeys(reasons), key=lambda each: (*_badness(each), each.host, each.domain))


def _badness(reason: Reason) -> tuple[int, int]:
    """How bad it is, the worst first: who lets others in comes before who will be down."""
    known = reason.code in WORST_FIRST
    return SEVERITIES.index(reason.severity), WORST_FIRST.index(reason.code) if known else len(WORST_FIRST)


def _judge_host(host: Host, at: datetime, thresholds: Thresholds) -> Iterator[Reason]:
    def reason(severity: str, code: str, message: str, remedy: str = "", domain: str = "") -> Reason:
        return Reason(severity, code, host.name, domain, _sentence(message), _sentence(remedy))

    if host.condition != LOOKED:
        code, remedy = _CONDITIONS[host.condition]
        # Nobody asked: that is what was called for.
        yield reason(WARNING if host.condition == NOT_ASKED else CRITICAL, code, host.message, remedy)
        return
    told = host.told
    if not told["server"]["running"] and host.sites:
        yield reason(CRITICAL, "not-running", "httpd does not run.", "Start it, or deploy, which does.")
    if told["next_reload"]["survives"] is False:
        words = f"httpd would end at its next reload: {told['next_reload']['message']}"
        yield reason(CRITICAL, "reload-fails", words, "Mend that before logrotate, or a run, reloads it.")
    open_here = {site["domain"] for site in host.sites if site["known"] and site["mutual_tls"] in ("optional", "off")}
    for fault in told["faults"]:
        # Said more plainly below.
        if fault["code"] != "stranger-let-in" or fault["domain"] not in open_here:
            severity = WARNING if fault["code"] in MINOR else CRITICAL
            yield reason(severity, fault["code"], fault["message"], fault["remedy"], fault["domain"])
    for words in told["amiss"]:
        yield reason(WARNING, "drift", words, "Deploy, which makes it good, or see who changes it.")
    for domain in told["unlisted"] or ():
        words = f"{domain} is served, and not listed in the inventory."
        yield reason(WARNING, "not-listed", words, "List it, or take it away: mtls.httpd.remove.", domain)
    for domain in told["missing"] or ():
        words = f"{domain} is listed in the inventory, and is not on the host."
        yield reason(CRITICAL, "not-deployed", words, "Deploy it, or take it out of the list.")
    for site in host.sites:
        if site["known"]:
            yield from _judge_site(host.name, site, at, thresholds)


def _judge_site(host: str, site: Mapping[str, Any], at: datetime, thresholds: Thresholds) -> Iterator[Reason]:
    domain = site["domain"]
    yield from _judge_handshakes(host, site)
    for kind, subject, begins, ends in _ending(site, at):
        days = days_between(at, ends)
        if days is None:
            continue
        words = f"{domain}: {kind} '{subject}'"
        if days < 0:
            yield Reason(CRITICAL, "expired", host, domain, f"{words} ended on {ends[:10]}.", _renew(kind))
        elif kind == "the CRL":
            # Lists are short-lived: a fifth of their time is near the end, however many days that is.
            if begins and (moment(ends) - at) * 5 < moment(ends) - moment(begins):
                words = f"{words} is to be renewed by {ends[:16].replace('T', ' ')} UTC."
                yield Reason(WARNING, "expires-soon", host, domain, words, _renew(kind))
        elif days < thresholds.warn_days:
            severity = CRITICAL if days < thresholds.critical_days else WARNING
            words = f"{words} ends on {ends[:10]}, in {days} day{'' if days == 1 else 's'}."
            yield Reason(severity, "expires-soon", host, domain, words, _renew(kind))
    if site["differs"]:
        words = f"{domain}: the inventory says otherwise than what is served, by {', '.join(site['differs'])}."
        yield Reason(WARNING, "not-as-listed", host, domain, words, "Deploy, or correct the inventory.")


def _judge_handshakes(host: str, site: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield where strangers are asked for less than they are to be, by whom that was seen."""
    domain, wanted = site["domain"], site["wanted"]
    seen: dict[str, list[str]] = {}
    for name, place in (("mutual_tls", "the host"), ("from_controller", "the controller")):
        seen.setdefault(site[name], []).append(place)
    for mutual_tls, places in seen.items():
        if mutual_tls == "unproven" and "the controller" in places and site["mutual_tls"] != "unproven":
            words = f"{domain}: what is asked of strangers could not be seen from the controller."
            remedy = "See what is between the controller and the host's port."
            yield Reason(WARNING, "not-shown-outside", host, domain, words, remedy)
        elif mutual_tls not in (wanted, "enforced", "unproven", None):  # of what the host could not see, a fault tells
            words = f"{domain}: mutual TLS is {mutual_tls}, seen from {' and '.join(places)}, and is to be {wanted}."
            yield Reason(CRITICAL, "not-enforced", host, domain, words, "Look for what else answers there, and deploy.")


def _ending(site: Mapping[str, Any], at: datetime) -> Iterator[tuple[str, str, str, str]]:
    """Yield what of a site ends: its kind, subject, and dates. Of client CAs of one name, the last to end counts."""
    for kind, certificates in (("the certificate", [site["certificate"]]), ("the chain's", site["chain"])):
        for one in certificates:
            if one:
                yield kind, one["subject"], one["not_before"], one["not_after"]
    last: dict[str, Mapping[str, Any]] = {}
    for one in site["client_ca"]:
        if one["not_after"] >= last.get(one["subject"], one)["not_after"]:
            last[one["subject"]] = one
    alive = [one for one in last.values() if one["not_after"] and moment(one["not_after"]) > at]
    for one in last.values():
        # An ended CA beside valid ones locks nobody out who is not locked out already.
        if one in alive or not alive:
            yield "the client CA", one["subject"], one["not_before"], one["not_after"]
    newest: dict[str, Mapping[str, Any]] = {}
    for one in site["crls"]:
        if one["next_update"] >= newest.get(one["issuer"], one)["next_update"]:
            newest[one["issuer"]] = one
    for one in newest.values():
        yield "the CRL", one["issuer"], one["this_update"], one["next_update"]


def _sentence(text: str) -> str:
    """Return the text with its full stop, and its first letter as a sentence has it, if it is a plain word's."""
    word = text.partition(" ")[0]
    begun = text[:1].upper() + text[1:] if word.isalpha() and word != "httpd" else text
    return begun if not begun or begun.endswith(".") else f"{begun}."


def _renew(kind: str) -> str:
    if kind == "the CRL":
        return "Fetch the present one from the CA, and deploy."
    if kind == "the client CA":
        return "Deploy the one that Chat publishes now beside it (docs/client-ca.md)."
    return "Renew it, and deploy."


def _judge_together(hosts: Sequence[Host]) -> Iterator[Reason]:
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
                parts = "; ".join(f"{_some(names)}: {value}" for value, names in sorted(groups.items()))
                words = f"{domain}: hosts serve different {what} ({parts})."
                remedy = "Deploy to those that are behind; a canary's difference is one too."
                yield Reason(WARNING, "differs-between-hosts", "", domain, words, remedy)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _tell_certificate(site: Mapping[str, Any]) -> str:
    one = site["certificate"]
    return f"{one['sha256'][:8]} until {one['not_after'][:10]}" if one else "none"


_COMPARED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "certificates": _tell_certificate,
    "client CAs": lambda site: ", ".join(sorted(one["sha256"][:8] for one in site["client_ca"])),
    "pins": lambda site: ", ".join(site["pins"]) or "none",
    "paths without a certificate": lambda site: ", ".join(site["open_paths"]) or "none",
    "protected paths": lambda site: ", ".join(site["protected_paths"]) or "none",
}
