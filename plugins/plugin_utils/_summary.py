# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verdict or handshakes have shown of a host's sites, in as few lines as an operator of many hosts reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import NOT_OFFERED
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.endpoints import Endpoint, tell_request
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Verdict

_SITES = 5  # at most, with a line each
_INSIDE = "Asked on the host itself."
_DECIDED = "That the status is a refusal, the handshakes on the host have shown."
_CLIENTS = {
    "none": "no certificate",
    "untrusted": "one of an unknown authority",
    "trusted": "the client_certificate given",
}


def summary(endpoints: Sequence[Mapping[str, Any]], *, itself: bool = False) -> str | list[str]:
    """Return a line for each of the module's RV(endpoints), or one for all where they are many.

    ``itself``: the controller is the host, so that its loopback is the host's.
    """
    inside = [each["run_on"] == "target" or (itself and is_loopback(each["address"])) for each in endpoints]
    if len(endpoints) <= _SITES:
        lines = [
            _line(each) + (f" {_INSIDE}" if within else "") for each, within in zip(endpoints, inside, strict=True)
        ]
        return lines if len(lines) > 1 else lines[0]
    results = Counter(each["mutual_tls"] for each in endpoints)
    said = (
        f"{len(endpoints)} sites: mutual TLS is {', '.join(f'{kind} at {number}' for kind, number in results.items())}."
    )
    sufficed = sum(each["status_sufficed"] for each in endpoints)
    said += f" At {sufficed}, clients without a certificate get a status. {_DECIDED}" if sufficed else ""
    ends = [(_end(each), each["server_name"]) for each in endpoints if _end(each)]
    said += f" The first certificate to end is that of {min(ends)[1]}, on {min(ends)[0]}." if ends else ""
    if any(inside):
        said += f" {_INSIDE}" if all(inside) else f" {sum(inside)} of them were asked on the host itself."
    return said


def judged(verdicts: Mapping[str, Verdict], elsewhere: Collection[str]) -> str | list[str]:
    """Return what was found good: a line for each domain, or one for all where they are many.

    ``elsewhere``: the domains whose certificate and key lie on the host, where a verdict has not seen them.
    """
    if not verdicts:
        return "There was no material to judge: no site is to be present. Nothing was sent to the host."
    ends = {domain: verdict.first_end for domain, verdict in verdicts.items()}
    if len(ends) > _SITES:
        known = [(end["not_after"][:10], domain) for domain, end in ends.items() if end]
        first = f" The first to end is that of {min(known)[1]}, on {min(known)[0]}." if known else ""
        return f"{len(ends)} sites: no error was found in their material.{first} Nothing was sent to the host."
    lines = [
        f"{domain}: "
        + (
            "its certificate and key lie on the host, and are judged there. No error was found in the rest."
            if domain in elsewhere
            else "no error was found in its material."
        )
        + (f" The first to end is {end['subject']}, on {end['not_after'][:10]}." if end else "")
        + " Nothing was sent to the host."
        for domain, end in ends.items()
    ]
    return lines if len(lines) > 1 else lines[0]


def tell_prediction(result: Mapping[str, Any]) -> str:
    """Return what a run in check mode has shown of a host, of its result: how it was tried, and what would change."""
    changed = [site for site in result["sites"] if site["changed"]]
    parts = [f"{site['domain']} would be {would_be(site)}" for site in changed[:_SITES]]
    parts += [f"and {len(changed) - _SITES} more sites would change"] if len(changed) > _SITES else []
    if not result["changed"]:
        return "all is as wished, on the disk and by a handshake with each site. Nothing would be changed."
    if result["rehearsal"] == "none":
        how = f"not rehearsed ({result['rehearsal_reason']})" if result["rehearsal_reason"] else "nothing to rehearse"
    else:
        why = f" ({result['rehearsal_reason']})" if result["rehearsal_reason"] else ""
        how = f"rehearsed in {'full' if result['rehearsal'] == 'full' else 'a reduced form'}{why}"
    what = "; ".join(parts) or ("httpd would be reloaded" if result["reloaded"] else "what is left over would go")
    return f"{how}: {what}. Nothing was kept."


def tell_removed(sites: Iterable[Mapping[str, Any]], listed: Collection[str]) -> Iterator[str]:
    """Yield, for each site that was taken away, who answers to its name now.

    ``listed``: the domains that the host's inventory still lists.
    """
    for site in sites:
        if site["answers_now"] is None or not site["changed"]:
            continue
        now = site["answers_now"]
        who = f"its name gets the certificate of {now} now" if now else "nobody answers TLS at its port any more"
        still = (
            " It still stands in mutual_tls_sites of this host, and the next deployment brings it back: take it out."
        )
        yield f"{site['domain']} is no longer served; {who}.{still if site['domain'] in listed else ''}"


def would_be(site: Mapping[str, Any]) -> str:
    """Return what would be done to a site, of the entry of the result of a run in check mode."""
    if site["state"] == "absent":
        return "taken away"
    end = f", served until {site['ends'][:10]}" if site["ends"] else ""
    return f"{'put in place' if site['changes'][:1] == ['new'] else 'changed'}{end} ({'; '.join(site['changes'])})"


def _line(one: Mapping[str, Any]) -> str:
    place = Endpoint(one["address"], one["port"], one["server_name"], None, None)
    answers = [each for each in one["answers"] if each["detail"] != NOT_OFFERED]
    versions = sorted({each["version"] for each in answers})
    spoken = " and ".join(versions) or "no version of TLS"
    said = [f"{place}: mutual TLS is {one['mutual_tls']}{tell_request(one)} over {spoken}."]
    for result in ("refused", "accepted", "unproven"):
        words = []
        for client, word in _CLIENTS.items():
            over = [each["version"] for each in answers if (each["client"], each["result"]) == (client, result)]
            words += [word if over == versions or one["brief"] else f"{word} ({' and '.join(over)})"] if over else []
        few = " (spot check)" if one["brief"] and words else ""
        said += [f"{result.capitalize()}{few}: {', '.join(words)}."] if words else []
    if one["status_sufficed"]:
        statuses = sorted({each["status"] for each in answers if each["client"] == "none" and each["status"]})
        said += [f"No certificate got {' and '.join(map(str, statuses))} for {one['method']} {one['path']}. {_DECIDED}"]
    said += [f"The certificate ends on {_end(one)}."] if _end(one) else []
    said += [one["note"]] if one["note"] else []
    return " ".join(said)


def _end(one: Mapping[str, Any]) -> str:
    """Return the day on which the certificate that was served ends; empty where that is not known."""
    end: str = (one["certificate"] or {}).get("not_after", "")
    return end[:10]
