# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who of the last days' callers would not get in any more, before a change of pins, client CAs, CRL or depth.

Read from the site's own access log, and only where the change is one of these.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import read_callers
from ansible_collections.mtls.httpd.plugins.module_utils._site.entry_rules import (
    EntryRules,
    are_alike,
    find_locking_out,
    rules_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import Caller
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen

DAYS = 30
# For all sites of a change together.
_SIZE, _SECONDS = 64 << 20, 5.0
_FEW = 5
_WHY = {
    "allowed_clients": "it is not among 'allowed_clients'",
    "client_ca": "its issuer is not among 'client_ca'",
    "crl": "its serial number is in 'crl'",
    "verify_depth": "its chain is longer than 'verify_depth' allows",
}


def find_locked_out(seen: Seen) -> tuple[list[Fault], list[Fault]]:
    """Return a fault for each site of the change whose callers of late would not all get in any more.

    And what of the logs could not be read, so that nobody takes silence for an answer.
    """
    bounds = Bounds(time.time() - DAYS * 86400, size=_SIZE, seconds=_SECONDS)
    found: list[Fault] = []
    unread: list[Fault] = []
    for before, after in _changed(seen):
        try:
            old, new = (rules_of(each.facts, each.public) for each in (before, after))
        except (ValueError, IndexError):  # OpenSSL reads odder encodings than this does.
            continue
        calls = read_callers(seen.without_us, seen.store, before.facts, bounds)
        unread += calls.faults
        callers = [each for each in calls.callers if each.admitted and each.verified]
        lost = [(each, why) for each in callers for why in [find_locking_out(old, new, each)] if why]
        if lost:
            told = "; ".join(_tell(new, caller, why) for caller, why in lost[:_FEW])
            more = f"; and {len(lost) - _FEW} more" if len(lost) > _FEW else ""
            few = "the one client" if len(callers) == 1 else f"the {len(callers)} clients"
            words = (
                f"{after.domain}: of {few} that got in within the last {DAYS} days, {len(lost)} would not get in any "
                f"more: {told}{more}"
            )
            found.append(Fault("callers-locked-out", after.domain, words, "see that this is meant"))
    return found, unread


def _changed(seen: Seen) -> Iterator[tuple[Release, Release]]:
    """Yield the release that is and the one that is to be, of each site that will let others in than today.

    Of one that was edited nothing is said, as it is not known what it does.
    """
    for wish in seen.wishes:
        if wish.release and seen.plan.changed.get(wish.domain) and seen.store.current(wish.domain):
            try:
                before = seen.store.read(wish.domain, "current")
                same = are_alike(before.facts, before.public, wish.release.facts, wish.release.public)
            except (StoreError, OSError, ValueError):  # Its folder may be gone, too.
                continue
            if not same:
                yield before, wish.release


def _tell(rules: EntryRules, caller: Caller, why: str) -> str:
    near = rules.find_near(caller.subject) if why == "allowed_clients" else ""
    nearest = f"; the nearest pin, {near}, has the same parts otherwise" if near else ""
    issuer = f" of {caller.issuer}" if caller.issuer else ""
    return f"{caller.subject[:200]}{issuer[:200]} (last {caller.last_admitted}: {_WHY[why]}{nearest})"
