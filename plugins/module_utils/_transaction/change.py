# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""All that is needed only where something changes.

It is half of the code, which Python compiles anew in each run on a target. So run.py imports this late, and the program
for renewals holds it always.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._site.unheard import find_unheard
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import changes, watch_units, watchman
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_material import complete_release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.locked_out import find_locked_out
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.obstacles import find_crowd, find_obstacles
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.proof import rehearse_change
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import Refused
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.secluded import find_unlike
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.switch import reload_alone, switch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.trial import Result

__all__ = ["complete_release", "describe_new", "make", "prove", "settle_watchman"]


def prove(seen: Seen) -> Result:
    """Step 1, after what a rehearsal does not see. Raises Refused where the change would do harm."""
    _refuse_if(find_obstacles(seen))
    folder = seen.request.metrics_folder
    if folder and folder != watchman.read_folder(seen.store):  # No renewal is to fail for a folder that is gone.
        _refuse_if(watchman.find_hindrances(seen.server, seen.store, folder))
    locked_out, unread = find_locked_out(seen)
    if seen.request.protect_callers:
        _refuse_if(locked_out)
    warnings = unread if seen.request.protect_callers else []
    result = rehearse_change(seen)
    _refuse_if(find_crowd(seen))  # last, as it may be another one a moment later
    # What a template or the operator's own text has, as well as what the options say.
    releases = [wish.release for wish in seen.wishes if wish.release]
    texts = [(each.facts, each.public[SITE].decode(errors="replace")) for each in releases]
    warnings = [*result.warnings, *warnings, *find_unheard(texts, _parent_of(seen)), *find_unlike(seen)]
    warnings += _find_older(seen)
    return replace(result, warnings=tuple(warnings), locked_out=tuple(locked_out))


def _parent_of(seen: Seen) -> int:
    return seen.server.parent.pid if seen.was_running and seen.server.parent else 0


def _find_older(seen: Seen) -> Iterator[Fault]:
    """What is older than what is served, but for a way back, which is to be."""
    for wish in seen.wishes:
        if wish.release and not wish.previous and seen.plan.changed.get(wish.domain):
            try:
                before = changes.State.on_disk(seen.store, seen.store.facts(wish.domain))
            except StoreError:
                continue
            yield from changes.find_older(before, changes.State.of_release(wish.release))


def describe_new(release: Release) -> tuple[str, ...]:
    """What is told of a site that comes with this release."""
    return changes.describe_changes(None, changes.State.of_release(release))


def _refuse_if(faults: Sequence[Fault]) -> None:
    if faults:
        raise Refused(*faults)


def settle_watchman(store: Store) -> None:
    """Have systemd do what the watchman's units say that a killed run's journal put back."""
    watch_units.settle(store)


def make(seen: Seen, dressed: Mapping[str, str]) -> bool:
    """Steps 2 to 6. Returns whether httpd was reloaded, or started. Raises Refused, after the way back.

    C(dressed): as the rehearsal tells it.
    """
    return switch(seen, dressed) if seen.plan.changes else reload_alone(seen, dressed)
