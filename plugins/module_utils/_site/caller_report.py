# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who called the sites of a host, as the result of a module tells it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError, list_faults
from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import REASONS
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import SiteCalls, read_sites

if TYPE_CHECKING:
    from collections.abc import Collection

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store


def report_callers(
    server: Server, store: Store, domains: Collection[str], bounds: Bounds, most: int
) -> list[dict[str, Any]]:
    """Return who called each of the sites; all of the host, where none is named. most: entries of a kind and site.

    Raises HttpdError where httpd does not tell its configuration, and OperatorError for a site that is not there.
    """
    known = store.domains()
    missing = sorted(set(domains) - set(known))
    if missing:
        raise OperatorError(*(_missing(domain, known) for domain in missing))
    sites = [store.facts(domain) for domain in known if domain in domains or not domains]
    if not sites:
        return []
    found = read_sites(server.describe(), store, sites, bounds)
    return [_tell_site(domain, calls, most) for domain, calls in found.items()]


def _missing(domain: str, known: Collection[str]) -> Fault:
    few = ", ".join(sorted(known)[:5]) or "none"
    words = f"{domain}: there is no such site on this host, whose sites are: {few}"
    return Fault("no-such-site", domain, words, "correct the name, or leave 'domains' out")


def _tell_site(domain: str, calls: SiteCalls, most: int) -> dict[str, Any]:
    subjects = dict.fromkeys(each.subject for each in calls.callers if each.admitted and each.verified)
    return {
        "domain": domain,
        "callers": [asdict(each) for each in calls.callers[:most]],
        "callers_left_out": max(0, len(calls.callers) - most),
        "without_certificate": calls.without_certificate,
        "refusals": [{**asdict(each), "meaning": REASONS[each.reason]} for each in calls.refusals[:most]],
        "refusals_left_out": max(0, len(calls.refusals) - most),
        "allowed_clients": [{"subject": subject} for subject in list(subjects)[:most]],
        "own_calls": calls.own_calls,
        "own_refusals": calls.own_refusals,
        "access_log": calls.access_log,
        "refusal_logs": [{**asdict(each), "tells": each.tells} for each in calls.refusal_logs],
        "problems": list_faults(calls.faults),
    }
