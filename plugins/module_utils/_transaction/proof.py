# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Step 1 of a run: the change is rehearsed, and refused where the rehearsal shows a fault."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import complaints
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, tell_faults
from ansible_collections.mtls.httpd.plugins.module_utils._site import material
from ansible_collections.mtls.httpd.plugins.module_utils._site.handshakes import list_unasked
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import File
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import rehearsal, trial
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_file import list_loading
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.plan import Plan, make_plan
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import Circumstances, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

FURTHER_SECONDS = 30.0


def rehearse_change(seen: Seen) -> trial.Result:
    """Rehearse the change. Raises Refused where it would do harm, or where httpd would not start even without it.

    What is wrong, and accepted, is told by the result.
    """
    result = _rehearsed(seen, seen.plan, seen.sites, seen.may_start_programs)
    if result.broken:
        _refuse_broken_before(seen, result)
    accepted = tuple(each for each in result.faults if each.code in seen.request.accepted)
    result = replace(
        result,
        faults=tuple(each for each in result.faults if each not in accepted),
        accepted=accepted,
        warnings=(*result.warnings, *list_unasked(seen.sites)),
    )
    faults = _faults(seen, result)
    faults += _further(seen, result) if faults else _started_without_leave(seen, result)
    if faults:
        raise Refused(*faults, circumstances=Circumstances(stage="the rehearsal failed"))
    supervision = seen.server.supervision
    if result.mode == "reduced" and seen.was_running and (supervision.kind == "container" or supervision.waited_for):
        what = "what process 1 of its container waits for" if supervision.waited_for else "process 1 of its container"
        raise Refused(
            Fault(
                "rehearsal-needed",
                "",
                f"httpd is {what}, which would end with it, so it is not reloaded without a full rehearsal, and that "
                f"cannot be had: {result.reason}",
                'see "In a container" in docs/transaction.md',
            )
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
        said = result.broken if result.mode == "full" else ""
        words = f"{sentence}: {tell_faults(already)}. A reload would end it"
        reason = Fault("broken-before", "", words, "mend this first")
        raise Refused(reason, circumstances=Circumstances(said=said))
    before = _rehearse(seen, trial.Draft(), ())
    if before.broken:
        raise Refused(Fault("broken-before", "", f"{sentence}: {before.broken}", "mend this first"))


def _rehearsed(seen: Seen, plan: Plan, sites: Sequence[SiteFacts], allowed: frozenset[str]) -> trial.Result:
    without_extra = {wish.domain: wish.without_extra for wish in seen.wishes if wish.without_extra}
    draft = trial.Draft(plan.staged, plan.changes, allowed, without_extra)
    return _rehearse(seen, draft, sites)


def _rehearse(seen: Seen, draft: trial.Draft, sites: Sequence[SiteFacts]) -> trial.Result:
    accepted = {wish.domain: wish.allow_bypass for wish in seen.wishes}
    result = rehearsal.rehearse(
        trial.Trial(seen.server, seen.store, seen.without_us, draft, sites, seen.request.probes, accepted)
    )
    seen.server.forget()
    return result


def _faults(seen: Seen, result: trial.Result) -> list[Fault]:
    """What is wrong, httpd's own words first."""
    found = [*result.faults]
    if result.broken:
        named = complaints.find_named(result.broken, [wish.domain for wish in seen.wishes])
        said = f"httpd says: {name_site(seen.store, result.broken)}{_quote_line(seen, result.broken)}"
        found.insert(0, Fault("unsound", named.pop() if len(named) == 1 else "", said, _load_it_first(seen)))
    remedy = "take out what starts it, or set that for its site"
    words = (f"httpd would start {path}, and no site has 'allow_programs'" for path in result.unpermitted)
    return found + [Fault("starts-program", "", each, remedy) for each in words]


def _load_it_first(seen: Seen) -> str:
    """What to do first where lines of the operator's lean on modules that our file is to load no longer."""
    path = seen.store.path("host.conf")
    files = [change.after for change in seen.plan.changes if change.path == path]
    kept = list_loading(files[-1].content.decode()) if files and isinstance(files[-1], File) else []
    gone = [line.split()[1].removesuffix("_module") for line in seen.server.lent if line not in kept] if files else []
    if not gone:
        return ""
    own = f"lines of the server's own may lean on modules that {path} alone loads, and would no longer"
    return f"{own}: load them in its own configuration first (`a2enmod {' '.join(gone)}` on Debian)"


def _started_without_leave(seen: Seen, result: trial.Result) -> list[Fault]:
    """What sites would start that may not, where others of this run may: those that may not are rehearsed alone.

    Who starts a program is not told by the kernel.
    """
    allowed = seen.may_start_programs
    wishes = tuple(wish for wish in seen.wishes if wish.domain not in allowed)
    sites = [site for site in seen.sites if site.domain not in allowed]
    if not (result.programs and allowed and sites):
        return []
    plan = make_plan(
        seen.found, wishes, adopt=seen.request.adopt, keep=seen.request.keep_releases, watch=seen.request.watch
    )
    alone = _rehearsed(seen, plan, sites, frozenset())
    domain, names = sites[0].domain if len(sites) == 1 else "", ", ".join(site.domain for site in sites)
    if not alone.complete:
        words = (
            f"{names}: whether httpd would start a program for a site without 'allow_programs' was not to be told, as "
            f"the sites without it could not be rehearsed alone ({tell_faults(_faults(seen, alone))})"
        )
        return [Fault("starts-program", domain, words, "deploy them in another run")]
    remedy = "take out what starts it, or set that"
    words_of = "httpd would start {} for a site without 'allow_programs'"
    return [Fault("starts-program", domain, f"{names}: {words_of.format(path)}", remedy) for path in alone.unpermitted]


def _further(seen: Seen, result: trial.Result) -> list[Fault]:
    """What is wrong with other sites than httpd ended at: they are rehearsed without those that were named."""
    found: list[Fault] = []
    left = seen.wishes
    deadline = time.monotonic() + FURTHER_SECONDS
    while not result.complete:
        named = complaints.find_named(result.broken, [wish.domain for wish in left])
        named |= {fault.domain for fault in result.faults}
        rest = tuple(wish for wish in left if wish.domain not in named)
        sites = [wish.release.facts for wish in rest if wish.release and wish.release.facts in seen.sites]
        if not sites or len(rest) == len(left):
            break
        if time.monotonic() > deadline:
            return [*found, Fault("not-tried", "", f"{len(sites)} more sites were not tried", "")]
        left = rest
        plan = make_plan(
            seen.found, left, adopt=seen.request.adopt, keep=seen.request.keep_releases, watch=seen.request.watch
        )
        result = _rehearsed(seen, plan, sites, seen.may_start_programs)
        found += _faults(seen, result)
    return found


def _quote_line(seen: Seen, words: str) -> str:
    """The line of a refused virtual host that httpd speaks of: the file that it names is not on the host."""
    domain, number = complaints.find_line(words) or ("", 0)
    for wish in seen.wishes:
        if wish.release and wish.domain == domain:
            lines = wish.release.public[SITE].decode(errors="replace").splitlines()
            option = ", of its option 'extra_directives'," if _is_extra(wish, lines, number) else ""
            return "".join(
                f" (line {number} of the refused virtual host{option} is: {text.strip()})"
                for text in lines[number - 1 : number]
            )
    return ""


def _is_extra(wish: SiteWish, lines: Sequence[str], number: int) -> bool:
    """Whether a line, counted from 1, of a site's text stands only there with its extra_directives."""
    without = wish.without_extra.decode(errors="replace").splitlines()
    before = next((at for at, pair in enumerate(zip(lines, without)) if pair[0] != pair[1]), len(without))
    return bool(without) and before < number <= before + len(lines) - len(without)
