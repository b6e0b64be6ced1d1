# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run did, for the operator."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import VERSIONS, Question
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import list_faults, plain, tell_fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.material import find_material_faults
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_file import (
    list_missing_curves,
    list_unavailable,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.inclusion import tell_passing_line
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import in_force

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.trial import Result

_ASKING_SECONDS = 5.0


@dataclass
class Report:
    """What was done, for the module's result."""

    changed: bool = False
    httpd_found: bool = True
    sites: list[dict[str, Any]] = field(default_factory=list)
    rehearsal: str = "none"
    rehearsal_reason: str = ""
    reloaded: bool = False
    server: dict[str, Any] = field(default_factory=dict)
    accepted: list[dict[str, str]] = field(default_factory=list)
    locked_out: list[dict[str, str]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    unasked_limits: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    unlisted: list[dict[str, str]] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    clock_skew: float = 0.0
    diff: list[dict[str, str]] = field(default_factory=list)
    findings: list[dict[str, str]] = field(default_factory=list)


def tell_site(wish: SiteWish, changed: bool, shown: str, changes: Sequence[str] = ()) -> dict[str, Any]:
    """What is told of a site. C(changes): what is other than before, in words."""
    facts = wish.release.facts if wish.release else None
    return {
        "domain": wish.domain,
        "port": facts.port if facts else None,
        "listen": list(facts.listen) if facts else [],
        "state": "present" if wish.release else "absent",
        "changed": changed,
        "changes": list(changes),
        "answers_now": None,
        "release": wish.release.name if wish.release else None,
        "replaced": None,
        "certificate_sha256": facts.certificate_sha256 if facts else None,
        "ends": facts.ends if facts else None,
        "crl_ends": (facts.crl_ends or None) if facts else None,
        "previous": wish.previous,
        "remote_src": wish.sources is not None,
        "mutual_tls": shown,
        "pins": [pin.partition(":")[2] for pin in facts.pins] if facts else [],
        "open_paths": list(facts.open_paths) if facts else [],
        "protected_paths": list(facts.protected_paths) if facts else [],
        "versions": list(facts.versions) if facts else [],
        "include": None,
        "proxy_protocol": False,
    }


def tell(seen: Seen, result: Result | None, *, reloaded: bool, check: bool, healed: Sequence[str]) -> Report:
    """What was done, or would be in check mode.

    C(result): how the rehearsal ended, if there was one. C(reloaded): httpd was reloaded, or started. C(healed): what
    was amiss before.
    """
    running, curves = seen.server.running(), list_missing_curves(seen.server, seen.wishes)
    serves_on = seen.changes_watchman_alone and seen.changes_nothing_that_is_read
    report = Report(
        changed=bool(seen.acts or seen.enables or seen.interrupted or seen.leftovers),
        sites=[_site(seen, wish, running and not (check and seen.acts and not serves_on)) for wish in seen.wishes],
        reloaded=seen.acts and seen.runs_after and not seen.changes_nothing_that_is_read if check else reloaded,
        server={"binary": seen.server.binary, "config": seen.server.config, "running": running},
        limits=[
            *list_unavailable(seen.server, seen.without_us, seen.wishes),
            *curves,
            *tell_passing_line(seen.server, seen.store, seen.plan.changes),
        ],
        unasked_limits=curves,
        healed=list(healed),
        unlisted=list(_list_others(seen)),
        pending=[tell_fault(standing.to_include(seen.store, seen.without_us, site)) for site in seen.pending],
        clock_skew=seen.skew,
        diff=list(seen.plan.diff),
    )
    if running and not check:
        for site in seen.plan.taken:
            one = next(told for told in report.sites if told["domain"] == site.domain)
            one["answers_now"] = _who_answers(seen, site)
    if result is None and running:
        # Of a change, the rehearsal tells.
        report.broken = [tell_fault(each) for each in find_material_faults(seen.without_us, strict=False)]
    if seen.request.metrics_folder:
        from ansible_collections.mtls.httpd.plugins.module_utils._transaction import watchman

        folder = seen.request.metrics_folder
        hindrances = [
            *watchman.find_hindrances(seen.server, seen.store, folder),
            *watchman.find_missing_timer(seen.store),
        ]
        report.limits += map(tell_fault, hindrances + watchman.find_unread(folder))
    if result:
        report.rehearsal, report.rehearsal_reason = result.mode, result.reason
        report.accepted = list_faults(result.accepted)
        report.locked_out = list_faults(result.locked_out)
        report.limits += [tell_fault(each) for each in result.warnings]
        if result.programs:
            report.limits.append(f"not started in the rehearsal, as no program is: {', '.join(result.programs)}")
    return report


def _list_others(seen: Seen) -> Iterator[dict[str, str]]:
    """Yield the sites of ours on the host that the run was not asked for, with the first end of what they serve."""
    asked = {wish.domain for wish in seen.wishes}
    for domain in seen.store.domains():
        if domain not in asked:
            with suppress(StoreError):  # One that is damaged is not known to be served; status tells of it.
                yield {"domain": domain, "ends": seen.store.facts(domain).ends}


def _who_answers(seen: Seen, site: SiteFacts) -> str:
    """The subject of the certificate that the name of a site that is gone gets at its port; empty for none."""
    door = standing.find_door(seen.without_us, standing.addresses(site, seen.without_us)[0], site.port)
    for version in VERSIONS:
        certificate = ask(door, Question(site.domain, version, "none"), _ASKING_SECONDS).certificate
        if certificate:
            with suppress(ValueError):
                return plain(wire.rfc4514(wire.read_certificate(certificate).subject)) or wire.sha256(certificate)
            return wire.sha256(certificate)
    return ""


def _site(seen: Seen, wish: SiteWish, shown: bool) -> dict[str, Any]:
    """What is told of one site. C(shown): handshakes on the live server have shown the sites."""
    state = "absent" if wish.release is None else "unproven"
    if wish.release and shown and wish.release.facts not in seen.pending:
        state = wish.release.facts.mutual_tls
    told = tell_site(wish, seen.plan.changed.get(wish.domain, False), state, seen.plan.told.get(wish.domain, ()))
    told["replaced"] = seen.plan.replaced.get(wish.domain) or None
    if wish.release and wish.release.facts.included:
        told["include"] = seen.store.path(wish.domain, "current", SITE)
    if wish.release and state != "unproven":
        facts, described = wish.release.facts, in_force(seen.server, seen.without_us, seen.wishes)
        address = standing.addresses(facts, described)[0]
        told["proxy_protocol"] = standing.expects_proxy_header(described, address, facts.port)
    return told
