# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Step 1 of a run: the change is rehearsed, and refused where the rehearsal shows a fault."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._site import material
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import rehearsal, trial
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.plan import Plan, make_plan
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen

FURTHER_SECONDS = 30.0


def rehearse_change(seen: Seen) -> trial.Result:
    """Rehearse the change. Raises Refused where it would do harm, or where httpd would not start even without it."""
    result = _rehearsed(seen, seen.plan, seen.sites, seen.may_start_programs)
    if result.broken:
        _refuse_broken_before(seen, result)
    faults = _faults(seen, result)
    faults += _further(seen, result) if faults else _started_without_leave(seen, result)
    if faults:
        stop = "." if result.broken else ":"
        raise Refused(f"the rehearsal failed, nothing was touched{stop} {'; '.join(faults)}")
    if result.mode == "reduced" and seen.was_running and seen.server.supervision.kind == "container":
        raise Refused(
            "httpd is process 1 of its container, which would end with it, so it is not reloaded without a full "
            f'rehearsal, and that cannot be had: {result.reason}. Nothing was touched: see "In a container" in '
            "docs/transaction.md"
        )
    return result


def name_site(store: Store, words: str) -> str:
    """Httpd's words, with our releases' folders named by what the operator knows: the site."""
    return re.sub(re.escape(store.root) + r"/([^/]+)/releases/[0-9a-f.]+/", r"(\1) ", words)


def _refuse_broken_before(seen: Seen, result: trial.Result) -> None:
    """Raise Refused where httpd would not start without the change either."""
    sentence = "httpd would not start again with the configuration as it stands, without this change"
    already = material.find_material_faults(seen.without_us)
    if already:
        said = f". httpd says: {result.broken}" if result.mode == "full" else ""
        raise Refused(
            f"{sentence}: {'; '.join(already)}. A reload would end it. Nothing was touched: mend this first{said}"
        )
    before = rehearsal.rehearse(seen.server, seen.store, seen.without_us, trial.Draft(), [], seen.request.probes)
    seen.server.forget()
    if before.broken:
        raise Refused(f"{sentence}: {before.broken}. Nothing was touched: mend this first")


def _rehearsed(seen: Seen, plan: Plan, sites: Sequence[SiteFacts], allowed: frozenset[str]) -> trial.Result:
    without_extra = {wish.domain: wish.without_extra for wish in seen.wishes if wish.without_extra}
    draft = trial.Draft(plan.staged, plan.changes, allowed, without_extra)
    result = rehearsal.rehearse(seen.server, seen.store, seen.without_us, draft, sites, seen.request.probes)
    seen.server.forget()
    return result


def _faults(seen: Seen, result: trial.Result) -> list[str]:
    said = f"httpd says: {name_site(seen.store, result.broken)}{_line(seen, result.broken)}"
    started = [
        f"httpd would start {path}, and no site has 'allow_programs': take out what starts it, or set that for its site"
        for path in result.unpermitted
    ]
    return [*([said] if result.broken else []), *result.faults, *started]


def _started_without_leave(seen: Seen, result: trial.Result) -> list[str]:
    """What sites would start that may not, where others of this run may: those that may not are rehearsed alone.

    Who starts a program is not told by the kernel.
    """
    allowed = seen.may_start_programs
    wishes = tuple(wish for wish in seen.wishes if wish.domain not in allowed)
    sites = [site for site in seen.sites if site.domain not in allowed]
    if not (result.programs and allowed and sites):
        return []
    plan = make_plan(seen.server, seen.store, seen.without_us, seen.with_ssl, wishes, adopt=seen.request.adopt)
    alone = _rehearsed(seen, plan, sites, frozenset())
    names = ", ".join(site.domain for site in sites)
    if not alone.complete:
        reason = "; ".join(_faults(seen, alone))
        told = f"{names}: whether httpd would start a program for a site without 'allow_programs' was not to be told"
        return [f"{told}, as the sites without it could not be rehearsed alone: {reason}. Deploy them in another run"]
    return [
        f"{names}: httpd would start {path} for a site without 'allow_programs': take out what starts it, or set that"
        for path in alone.unpermitted
    ]


def _further(seen: Seen, result: trial.Result) -> list[str]:
    """What is wrong with other sites than httpd ended at: they are rehearsed without those that were named."""
    found: list[str] = []
    left = seen.wishes
    deadline = time.monotonic() + FURTHER_SECONDS
    while not result.complete:
        words = "; ".join(_faults(seen, result))
        rest = tuple(wish for wish in left if not re.search(rf"(?<![\w.-]){re.escape(wish.domain)}(?![\w.-])", words))
        sites = [wish.release.facts for wish in rest if wish.release and wish.release.facts in seen.sites]
        if not sites or len(rest) == len(left):
            break
        if time.monotonic() > deadline:
            return [*found, f"{len(sites)} more sites were not tried"]
        left = rest
        plan = make_plan(seen.server, seen.store, seen.without_us, seen.with_ssl, left, adopt=seen.request.adopt)
        result = _rehearsed(seen, plan, sites, seen.may_start_programs)
        found += _faults(seen, result)
    return found


def _line(seen: Seen, words: str) -> str:
    """The line of a refused virtual host that httpd speaks of: the file that it names is not on the host."""
    found = re.search(r"line (\d+) of \S*?/([^/\s]+)/(?:current/|releases/[0-9a-f.]+/)?site\.conf", words)
    for wish in seen.wishes:
        if found and wish.release and wish.domain == found.group(2):
            lines = wish.release.public[SITE].decode(errors="replace").splitlines()
            line = lines[int(found.group(1)) - 1 : int(found.group(1))]
            return "".join(f" (line {found.group(1)} of the refused virtual host is: {text.strip()})" for text in line)
    return ""
