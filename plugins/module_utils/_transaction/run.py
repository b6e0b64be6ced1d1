# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The transaction: all sites of a host go from the old state to the new one, or stay as they were.

    0. look      the server, how it is called, its configuration without us; heal what a killed run left; plan the
                 changes. Nothing to change, and the live server shows it by a handshake: done.
    1. rehearse  the whole configuration with the change in it, in a private world; handshakes decide (rehearsal).
                 Nothing is on the disk yet. Last, httpd must have room for new workers beside those that still serve
                 somebody. In check mode the run ends here.
    2. stage     the journal, then the new releases, each whole before it has its name.
    3. switch    host-level file, each site's `current`, the page's own paths; one rename each.
    4. reload    `httpd -t`, then gracefully, through the service manager; or start, and enable. A second time
                 where modules came in that need it.
    5. confirm   a new generation of workers; handshakes on the live address until the new certificate is served and
                 strangers are refused.
    6. keep      the journal goes: the new state holds. The previous release and some before it stay, older ones go.

Step 0 is in look.py; the others, which are imported only where there is something to do (change.py): what a rehearsal
does not see in obstacles.py, step 1 in proof.py, the rest in switch.py.

Whatever fails from 2 on: back as the journal says, reloaded or started again, and the run fails with the reason. A run
that was killed leaves the journal, and the next run goes back by it before it begins.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError, entry_of
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import locked, rehearsal_folder
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import HOST_FILE, Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import renewal
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.diff import tell_unplaced
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import find_amiss, look, refuse_untimely
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import (
    REASONS,
    UNTOUCHED,
    Refused,
    amend,
    change_each,
    refusal_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report, tell, tell_site

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Disk
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, SiteWish

LOCK_SECONDS = 60.0


def carry_out(request: Request, *, check: bool = False, disk: Disk | None = None) -> Report:
    """Put the wishes of a request in place, as one transaction. Raises Refused; the host is then as it was before.

    C(check): change nothing. C(disk): what writes, in the place of the machine's own.
    """
    run = _Run(check)
    try:
        wishes = change_each(request.wishes, lambda wish: _complete_wish(wish, request))
        request = replace(request, wishes=tuple(wishes))
        skew = 0.0 if request.clock is None else round(time.time() - request.clock, 1)
        server = find.find(request.binary, request.config)
        if server is None:
            return replace(_without_httpd(request, check, skew), findings=_findings(wishes))
        store = Store(server.folder_with(HOST_FILE), disk)
        store.check()
        with locked(store.conf, LOCK_SECONDS):
            server.refresh()  # Another run may have started or ended it while we waited.
            server.join()
            meant = tuple(wish for wish in wishes if _is_meant(wish, store, request.ending_within))
            report = run.carry_out(server, store, replace(request, wishes=meant), skew)
            left = sorted({wish.domain for wish in wishes} - {wish.domain for wish in meant})
            return replace(report, findings=_findings(meant), left_alone=left)
    except REASONS as error:
        refused = refusal_of(error)
        state = refused.circumstances.state if run.touched else UNTOUCHED
        raise amend(refused, state=state, healed=tuple(run.healed)) from None


class _Run:
    """What has to be known of a run where it fails.

    touched: something was changed, and what an error says of that holds. healed: what was amiss before.
    """

    def __init__(self, check: bool) -> None:
        self.check, self.touched = check, False
        self.healed: list[str] = []

    def carry_out(self, server: Server, store: Store, request: Request, skew: float) -> Report:
        """Carry the steps out, one after the other, as they stand at the top."""
        # Of a run that was killed, if there was one.
        shutil.rmtree(rehearsal_folder(store.conf), ignore_errors=True)  # What stays is said where it is needed.
        interrupted = self._heal(store)
        seen = look(server, store, request, interrupted=interrupted, skew=skew)  # 0.
        self.healed += find_amiss(seen)
        result, reloaded = None, False
        if seen.acts:
            change = _import_change()
            result = change.prove(seen)  # 1.
            if not self.check:
                self.touched = True
                reloaded = change.make(seen, result.dressed)  # 2. to 6.
        if seen.enables and not any(seen.plan.changed.values()):
            self.healed.append(f"{server.supervision.unit} was not enabled")
        if seen.enables and not self.check:
            server.enable()
        if not self.check and not seen.plan.changes and (interrupted or seen.leftovers):
            store.done()
            store.prune()
        return tell(seen, result, reloaded=reloaded, check=self.check, healed=self.healed)

    def _heal(self, store: Store) -> bool:
        """Go back by the journal of a run that was killed. Returns whether there was one.

        Journal and new releases stay until a reload has shown the old state, or a new one: the live server may serve
        from them, and a run that is refused before that reloads nothing.
        """
        journal = store.path("journal")
        if not os.path.lexists(journal):
            return False
        if self.check:
            remedy = "run without check mode, which first undoes what that run left"
            raise Refused(Fault("killed-run", "", f"{journal} tells of a run that was killed", remedy))
        entry_of(journal)  # Raises for what is no journal.
        self.touched = True
        watched = "/mtls-httpd-watch-" in commands.read(journal)
        store.undo()
        if watched:
            _import_change().settle_watchman(store)
        self.touched = False
        self.healed.append("a run that was killed was undone by its journal")
        return True


def _import_change() -> ModuleType:
    """What only a host needs that is to be changed, or to be judged by what lies on it."""
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction import change

    return change


def _complete_wish(wish: SiteWish, request: Request) -> SiteWish:
    """The wish with the material that lies on this host, and the program that does the same again for it alone."""
    if wish.release is None or wish.sources is None:
        return wish
    path = wish.release.facts.renewal_hook
    again = replace(request, wishes=(wish,), start=False, required=True, adopt=False, clock=None, ending_within=None)
    again = replace(again, metrics_folder=None)  # The watchman is kept as it is by then.
    program = renewal.program(path, again) if path else None
    complete_release, alone = _import_change().complete_release, request.clock is None
    release, findings = complete_release(wish.release, wish.sources, request.warn_days, alone=alone)
    return replace(wish, release=release, renewal_program=program, findings=findings)


def _is_meant(wish: SiteWish, store: Store, days: int | None) -> bool:
    """Whether a run is about a site: where C(days) is given, one that ends within so many of them on the host.

    One that is not there, or does not tell when it ends, is meant too.
    """
    if days is None or wish.release is None:
        return True
    try:
        ends = store.facts(wish.domain).ends
    except StoreError:
        return True
    return ends <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86400))


def _findings(wishes: Iterable[SiteWish]) -> list[dict[str, str]]:
    """What the verdicts of this host warn of, for the module's result, each with its domain."""
    return [{"domain": wish.domain, **each.as_data()} for wish in wishes for each in wish.findings]


def _without_httpd(request: Request, check: bool, skew: float) -> Report:
    """What is to be said of a host without httpd. Raises Refused for what would fail on it with one."""
    if request.required and not check:
        remedy = "install it, or name it by httpd_binary"
        raise Refused(Fault("httpd-not-found", "", "no httpd is found on this host", remedy))
    wishes = request.wishes
    report = Report(httpd_found=False, rehearsal_reason="no httpd is on this host yet", clock_skew=skew)
    refuse_untimely(wishes, skew)
    gone = [wish.domain for wish in wishes if wish.previous]
    if gone:
        words = f"{', '.join(gone)}: there is no previous release on this host, nor an httpd"
        raise Refused(Fault("no-previous-release", gone[0] if len(gone) == 1 else "", words, "deploy instead"))
    if check:
        report.rehearsal_reason += ", so this is a prediction"
        report.sites = [
            tell_site(wish, True, "unproven", _import_change().describe_new(wish.release))
            if wish.release
            else tell_site(wish, False, "absent")
            for wish in wishes
        ]
        report.changed = any(wish.release for wish in wishes)
        report.reloaded = request.start and report.changed
        report.diff = [
            {"before_header": name, "after_header": name, "before": "", "after": tell_unplaced(wish.release)}
            for wish in wishes
            if wish.release
            for name in (f"{SITE} of {wish.domain}",)
        ]
    return report
