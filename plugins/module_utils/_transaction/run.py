# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The transaction: all sites of a host go from the old state to the new one, or stay as they were.

    0. look      the server, how it is called, its configuration without us; heal what a killed run left; plan the
                 changes. Nothing to change, and the live server shows it by a handshake: done.
    1. rehearse  the whole configuration with the change in it, in a private world; handshakes decide (rehearsal).
                 Nothing is on the disk yet. In check mode the run ends here.
    2. stage     the journal, then the new releases, each whole before it has its name.
    3. switch    host-level file, each site's `current`, the page's own paths; one rename each.
    4. reload    `httpd -t`, then gracefully, through the service manager; or start, and enable. A second time
                 where modules came in that need it.
    5. confirm   a new generation of workers; handshakes on the live address until the new certificate is served and
                 strangers are refused.
    6. keep      the journal goes: the new state holds. The previous release stays, older ones go.

Whatever fails from 2 on: back as the journal says, reloaded or started again, and the run fails with the reason. A run
that was killed leaves the journal, and the next run goes back by it before it begins.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find, quoting
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands, processes, trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError
from ansible_collections.mtls.httpd.plugins.module_utils._site import handshakes, material, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.bypasses import find_bypasses, find_openings
from ansible_collections.mtls.httpd.plugins.module_utils._site.conflicts import (
    find_changed_mpm,
    find_conflicts,
    find_taken_ports,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import log_rules, named_logs
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Disk,
    Link,
    StoreError,
    entry_of,
    unwritable,
    why,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE, Facts
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import locked
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import (
    host_material,
    reduced,
    rehearsal,
    renewal,
    trial,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_file import limits
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.plan import Plan, planned
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report, tell_site
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

LOCK_SECONDS = 60.0
CONFIRM_SECONDS = 15.0
FURTHER_SECONDS = 30.0
# Modules that take the first pass over the configuration in a process for a dry run, as a start makes two. A graceful
# reload makes one: measured on httpd 2.4, each child that speaks HTTP/2 over TLS 1.2 is then ended by a signal.
DRY_AT_FIRST = {"http2_module", "md_module"}
ROOM = 16  # blocks and inodes that are to be free besides those that are needed: others write too


class Refused(Exception):
    """The change is not made. The host is as it was. The message says why, in one line."""


_REASONS = (
    HttpdError,
    StoreError,
    host_material.SourceError,
    trusted_paths.Untrusted,
    quoting.NotQuotable,
    OSError,
    Refused,
)


def carry_out(
    wishes: Sequence[Wish],
    probes: answers.Probes,
    *,
    binary: str | None = None,
    config: str | None = None,
    start: bool = True,
    required: bool = True,
    adopt: bool = False,
    clock: float | None = None,
    check: bool = False,
    disk: Disk | None = None,
) -> Report:
    """Put the wishes in place, as one transaction. Raises Refused; the host is then as it was before.

    C(binary), C(config): paths that say which httpd. C(start): start and enable it where it does not run. C(required):
    refuse where there is none. C(adopt): keep a user's plain files at the published paths beside. C(clock): the
    controller's time, in seconds since 1970. C(check): change nothing.
    """
    run = None
    skew = 0.0 if clock is None else round(time.time() - clock, 1)
    try:
        wishes = _each(wishes, lambda wish: _completed(wish, Request((wish,), probes, binary, config)))
        server = find.find(binary, config)
        if server is None:
            if required and not check:
                raise Refused("no httpd is found on this host: install it, or name it by httpd_binary")
            return _without_httpd(wishes, start, check, skew)
        store = Store(os.path.dirname(os.path.realpath(server.config)), disk)
        store.check()
        with locked(store.conf, LOCK_SECONDS):
            server.refresh()  # Another run may have started or ended it while we waited.
            run = _Run(server, store, probes, start, adopt)
            run.report.clock_skew = skew
            return run.carry_out(wishes, check)
    except _REASONS as error:
        reason = _reason(error)
        if not (run and run.touched) and "othing was touched" not in reason:
            reason += ". Nothing was touched"
        healed = f". Before that: {'; '.join(run.report.healed)}" if run and run.report.healed else ""
        raise Refused(commands.plain(reason + healed)) from None


def renew(request: Request) -> Report:
    """Carry out what a program for renewals holds. Raises Refused."""
    return carry_out(request.wishes, request.probes, binary=request.binary, config=request.config, start=request.start)


def _each(wishes: Sequence[Wish], act: Callable[[Wish], Wish]) -> list[Wish]:
    """What is made of each wish. Raises Refused with what is said against any of them."""
    made, reasons = [], []
    for wish in wishes:
        try:
            made.append(act(wish))
        except _REASONS as error:
            reasons.append(_reason(error))
    if reasons:
        raise Refused("; ".join(dict.fromkeys(reasons)))
    return made


def _completed(wish: Wish, again: Request) -> Wish:
    """The wish with the material that lies on this host, and the program that does C(again) what is done now."""
    if wish.release is None or wish.sources is None:
        return wish
    path = wish.release.facts.renewal_hook
    hook = renewal.program(path, again) if path else None
    return replace(wish, release=host_material.completed(wish.release, wish.sources), hook=hook)


def _reason(error: Exception) -> str:
    return why(error) if isinstance(error, OSError) else str(error)


def _without_httpd(wishes: Sequence[Wish], start: bool, check: bool, skew: float) -> Report:
    """What is to be said of a host without httpd. Raises Refused for what would fail on it with one."""
    report = Report(httpd_found=False, rehearsal_reason="no httpd is on this host yet", clock_skew=skew)
    _timely(wishes, skew)
    gone = ", ".join(wish.domain for wish in wishes if wish.previous)
    if gone:
        raise Refused(f"{gone}: there is no previous release on this host, nor an httpd: deploy instead")
    if check:
        report.rehearsal_reason += ", so this is predicted, and unrehearsed"
        report.sites = [
            tell_site(wish, wish.release is not None, "unproven" if wish.release else "absent") for wish in wishes
        ]
        report.changed = any(wish.release for wish in wishes)
        report.reloaded = start and report.changed
        report.diff = [
            {"before_header": name, "after_header": name, "before": "", "after": wish.release.files[SITE].decode()}
            for wish in wishes
            if wish.release
            for name in (f"{SITE} of {wish.domain}",)
        ]
    return report


def _timely(wishes: Sequence[Wish], skew: float) -> None:
    """Judge the certificates' dates by this host's clock, as httpd does. Raises Refused."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    late = []
    for wish in wishes:
        if wish.release is None or wish.force:
            continue
        facts = wish.release.facts
        if facts.ends <= now:
            way = "deploy a valid one, or set 'force' for this site" if wish.previous else "set its clock"
            late.append(
                f"{wish.domain}: a certificate ended at {facts.ends}, by this host's clock ({now}), so it would be "
                f"refused: {way}"
            )
        if facts.crl_ends and facts.crl_ends <= now:
            way = "deploy a new one, or set 'force' for this site" if wish.previous else "give a new one"
            late.append(
                f"{wish.domain}: a CRL was to be renewed at {facts.crl_ends}, by this host's clock ({now}), so every "
                f"client would be refused: {way}"
            )
        if facts.begins > now:
            late.append(
                f"{wish.domain}: a certificate is not valid before {facts.begins}, by this host's clock ({now}, "
                f"{skew:+.0f} s from the controller's): set its clock"
            )
    if late:
        raise Refused("; ".join(late))


class _Run:
    def __init__(self, server: Server, store: Store, probes: answers.Probes, start: bool, adopt: bool) -> None:
        self.server, self.store, self.probes, self.start, self.adopt = server, store, probes, start, adopt
        self.report = Report()
        self.touched = False
        self.was_running = server.running()
        self.sockets: set[tuple[str, int]] = set()
        self.wishes: list[Wish] = []
        self.sites: list[Facts] = []
        self.pending: list[Facts] = []

    def carry_out(self, wishes: Sequence[Wish], check: bool) -> Report:
        # 0. look
        # Of a run that was killed, if there was one; what cannot be removed is said where a rehearsal needs the place.
        shutil.rmtree(reduced.rehearsal_folder(self.store), ignore_errors=True)
        interrupted = self._heal(check)
        self.wishes = _each(wishes, lambda wish: self._found(wish) if wish.previous else wish)
        self.sites = [wish.release.facts for wish in self.wishes if wish.release]
        _timely(self.wishes, self.report.clock_skew)
        user, with_ssl = self._described()
        self._included(user)
        releases = {wish.domain: wish.release for wish in self.wishes}
        accepted = {wish.domain: wish.allow_bypass for wish in self.wishes}
        bypasses = find_bypasses(user, self.store, releases, accepted)
        if bypasses:
            raise Refused("; ".join(bypasses) + ". Nothing was touched")
        plan = planned(self.server, self.store, user, with_ssl, self.wishes, adopt=self.adopt)
        self.report.diff = list(plan.diff)
        self.report.limits = limits(self.server, user, self.wishes)
        starts = self.start and not self.was_running and bool(self.sites)
        enables = self.start and self.server.supervision.enabled is False and bool(self.sites)
        unlike = self._unlike(user, self.sites) if self.was_running and not plan.changes and not interrupted else []
        stale = self.was_running and not plan.changes and bool(interrupted or unlike)
        acts = bool(plan.changes or starts or stale)
        leftovers = [] if interrupted else self._leftovers()
        self._amiss(user, plan, starts, unlike, leftovers)
        if acts:
            conflicts = find_conflicts(user, self.sites, plan.sites, plan.listens)
            conflicts += self._taken(user, plan) + self._hindrances() + self._unwritable(user, plan)
            conflicts += self._log_faults(user)
            if conflicts:
                raise Refused("; ".join(conflicts) + ". Nothing was touched")
            # 1. rehearse
            self._rehearse(user, with_ssl, plan)
        if not check and plan.changes:
            self._switch(user, plan)  # 2. to 6.
        elif not check and acts:
            self._renew(user, plan)
        if enables and not any(plan.changed.values()):
            self.report.healed.append(f"{self.server.supervision.unit} was not enabled")
        if not check and enables:
            self.server.enable()
        if not check and not plan.changes and (interrupted or leftovers):
            self.store.done()
            self.store.prune()
        if check:
            self.report.reloaded = acts and self._wanted() and not self._unread(plan)
        self._tell(user, plan, bool(acts or enables or interrupted or leftovers), not acts or not check)
        return self.report

    # -- 0. look

    def _amiss(
        self,
        user: Description,
        plan: Plan,
        starts: bool,
        unlike: Sequence[tuple[Facts, str]],
        leftovers: Sequence[str],
    ) -> None:
        """Name what was not as an earlier run left it, so that nobody has to guess why there is something to do.

        A virtual host of the user's that includes a site may be new, or just edited: httpd has not read it yet.
        """
        known = any(self.store.current(wish.domain) for wish in self.wishes if wish.release)
        self.report.healed += plan.amiss
        if plan.amiss and self.was_running:
            faults = [fault for _site, fault in self._unlike(user, list(self._before(plan)))]
            self.report.healed += [f"until this run, {fault}" for fault in faults if " got in " in fault]
        if leftovers:
            self.report.healed.append(f"left over: {', '.join(leftovers)}")
        shown = [fault for site, fault in unlike if not site.included]
        if shown:
            more = f"; and {len(shown) - 3} more" if len(shown) > 3 else ""
            self.report.healed.append(
                f"the live server did not show the sites as they are on the disk: {'; '.join(shown[:3])}{more}"
            )
        if starts and known:
            self.report.healed.append("httpd did not run")

    def _leftovers(self) -> list[str]:
        """What no site needs, but for the folders of the wished sites: those are made good."""
        kept = [self.store.path(wish.domain) + "/" for wish in self.wishes if wish.release]
        return [path for path in self.store.leftovers() if not any(each.startswith(path + "/") for each in kept)]

    def _heal(self, check: bool) -> bool:
        """Go back by the journal of a run that was killed. Returns whether there was one.

        Journal and new releases stay until a reload has shown the old state, or a new one: the live server may serve
        from them, and a run that is refused before that reloads nothing.
        """
        if not os.path.lexists(self.store.path("journal")):
            return False
        if check:
            raise Refused(
                f"{self.store.path('journal')} tells of a run that was killed: run without check "
                "mode, which goes back by it first"
            )
        entry_of(self.store.path("journal"))  # Raises for what is no journal.
        self.touched = True
        self.store.undo()
        self.report.healed.append("a run that was killed was undone by its journal")
        return True

    def _found(self, wish: Wish) -> Wish:
        """The wish for a previous release, with the release as it lies on the host."""
        if not os.path.isdir(self.store.path(wish.domain, "releases")):
            known = self.store.domains()
            few = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
            raise Refused(
                f"{wish.domain}: there is no such site on this host, whose sites are: {few or 'none'}. Correct the "
                "name, or deploy it"
            )
        release = self.store.read(wish.domain, "previous")
        return replace(wish, release=release)

    def _included(self, user: Description) -> None:
        """Set apart the sites whose directives no virtual host of the user's includes yet.

        They are staged once, as the file must be there before it can be included; after that, it is an error. Raises
        Refused, also where one that is to go is included still.
        """
        for wish in self.wishes:
            if wish.release is None or not wish.release.facts.included:
                folder = self.store.path(wish.domain, "current") + "/"
                still = next((each for each in user.directives if each.file.startswith(folder)), None)
                if still:
                    raise Refused(
                        f"{wish.domain}: the virtual host at {still.host or self.server.config} includes {still.file} "
                        "still: take that line out of it first. Nothing was touched"
                    )
        self.pending = [site for site in self.sites if site.included and not standing.host_of(site, user)]
        self.sites = [site for site in self.sites if site not in self.pending]
        for site in self.pending:
            sentence = standing.to_include(self.store, user, site)
            if self.store.current(site.domain):
                raise Refused(f"{sentence}. Nothing was touched")
            self.report.pending.append(sentence)

    def _described(self) -> tuple[Description, Description]:
        try:
            return self.server.describe_without_us()
        except HttpdError as error:
            raise Refused(f"{error}. This was so before, nothing was touched: mend it first") from None

    def _before(self, plan: Plan) -> Iterator[Facts]:
        """The wished sites as they were before this run, where that was ours to say."""
        for site in self.sites:
            damaged = site.domain in plan.damaged
            try:
                before = self.store.facts(site.domain)
            except StoreError:
                before = site
            if damaged or (before is not site and not before.included):
                yield before

    def _unlike(self, user: Description, sites: Sequence[Facts]) -> list[tuple[Facts, str]]:
        """How the live server differs from the sites, each in one handshake at each address."""
        deadline = time.monotonic() + CONFIRM_SECONDS
        described = self._in_force(user)
        return [
            (site, fault)
            for site in sites
            for address in standing.addresses(site, user)
            for fault in (
                handshakes.unlike(described, site, address)
                if time.monotonic() < deadline
                else [f"{site.domain}: not asked, as {CONFIRM_SECONDS:.0f} seconds were over"]
            )
        ]

    def _in_force(self, user: Description) -> Description:
        """The configuration with us, where it may say of PROXY headers what C(user), the one without us, does not."""
        ours = any("remoteip" in wish.release.facts.modules for wish in self.wishes if wish.release)
        return self.server.describe() if ours or "remoteip_module" in user.modules else user

    def _taken(self, user: Description, plan: Plan) -> list[str]:
        """Why httpd would end at a reload that the rehearsal takes well. Asked again right before the reload."""
        if not self._wanted():
            return []
        found = find_changed_mpm(self.server, user) if self.was_running else []
        return found + find_taken_ports(self.server, user, self.sites, plan.listens)

    def _wanted(self) -> bool:
        """Whether the server is to run when all is done."""
        return self.was_running or (self.start and bool(self.sites))

    def _unread(self, plan: Plan) -> bool:
        """Whether httpd reads nothing of what changes: directives that nobody includes yet, and links to them."""
        folders = [self.store.path(site.domain) for site in self.pending]
        return bool(folders) and all(
            isinstance(change.after, Link) and os.path.dirname(change.path) in (*folders, self.store.conf)
            for change in plan.changes
        )

    def _hindrances(self) -> list[str]:
        """Why httpd could not be reloaded, or started, although its configuration is sound."""
        found = []
        unit = self.server.supervision.unit
        if self.server.supervision.masked and (self.was_running or (self.start and self.sites)):
            found.append(
                f"{unit} is masked, so systemd neither starts nor reloads it: `systemctl unmask {unit}`, run again"
            )
        if self.server.parent is not None and processes.stopped(self.server.parent.pid):
            pid = self.server.parent.pid
            found.append(
                f"httpd's parent process was stopped by a signal, so it takes no reload: `kill -CONT {pid}`, run again"
            )
        return found

    def _unwritable(self, user: Description, plan: Plan, *folders: str) -> list[str]:
        """Why C(folders) do not take the switch, or those where httpd makes files at a reload do not take these.

        It would end then. A rehearsal writes elsewhere, so it does not see that.
        """
        made = []
        if self._wanted() and not self._unread(plan):
            logs = [os.path.join(user.log_folder, log) for site in self.sites for log in site.logs]
            made = [user.pid_file, *(log for log in logs if not os.path.lexists(log))]
        needed = {user.log_folder: 0} if made else {}
        needed |= {os.path.dirname(path): len(made) + ROOM for path in made}
        needed |= dict.fromkeys(folders, len(plan.changes) + len(made) + 2 * ROOM)
        # What starts a stopped server may make its folders.
        there = [folder for folder in needed if folder and (self.was_running or os.path.isdir(folder))]
        return [fault for folder in there for fault in unwritable(folder, needed[folder])]

    def _log_faults(self, user: Description) -> list[str]:
        """Why httpd should not open logs of the sites, before anything does. A rehearsal sees those that are left."""
        rules = log_rules(self.server, self.store, user)
        logs = [os.path.join(user.log_folder, log) for site in self.sites for log in site.logs]
        texts = [wish.release.files[SITE].decode() for wish in self.wishes if wish.release]
        logs += [user.path(log) for text in texts for log in named_logs(text)]
        return [fault for log in dict.fromkeys(logs) for fault in rules.faults(log)]

    # -- 1. rehearse

    def _rehearse(self, user: Description, with_ssl: Description, plan: Plan) -> None:
        result = self._rehearsed(user, plan, self.sites)
        self.report.rehearsal, self.report.rehearsal_reason = result.mode, result.reason
        if result.programs:
            self.report.limits.append(f"not started in the rehearsal, as no program is: {', '.join(result.programs)}")
        if result.broken:
            already = material.material_faults(user)
            before = (
                rehearsal.rehearse(self.server, self.store, user, trial.Draft(), [], self.probes)
                if not already
                else None
            )
            self.server.forget()
            if already:
                said = f". httpd says: {result.broken}" if result.mode == "full" else ""
                raise Refused(
                    "httpd would not start again with the configuration as it stands, without this "
                    f"change: {'; '.join(already)}. "
                    f"A reload would end it. Nothing was touched: mend this first{said}"
                )
            if before is not None and before.broken:
                raise Refused(
                    "httpd would not start again with the configuration as it stands, without this "
                    f"change: {before.broken}. Nothing was touched: mend this first"
                )
        if result.broken or result.faults:
            faults = self._faults(result) + self._further(user, with_ssl, result)
            stop = "." if result.broken else ":"
            raise Refused(f"the rehearsal failed, nothing was touched{stop} {'; '.join(faults)}")
        if result.mode == "reduced" and self.was_running and self.server.supervision.kind == "container":
            raise Refused(
                "httpd is process 1 of its container, which would end with it, so it is not reloaded without a full "
                f'rehearsal, and that cannot be had: {result.reason}. Nothing was touched: see "In a container" in '
                "docs/transaction.md"
            )

    def _rehearsed(self, user: Description, plan: Plan, sites: Sequence[Facts]) -> trial.Result:
        # A release that is gone back to was served before, with what it starts.
        allowed = frozenset(wish.domain for wish in self.wishes if wish.allow_programs or wish.previous)
        without_extra = {wish.domain: wish.without_extra for wish in self.wishes if wish.without_extra}
        draft = trial.Draft(plan.staged, plan.changes, allowed, without_extra)
        result = rehearsal.rehearse(self.server, self.store, user, draft, sites, self.probes)
        self.server.forget()
        return result

    def _faults(self, result: trial.Result) -> list[str]:
        said = f"httpd says: {self._plain(result.broken)}{self._line(result.broken)}"
        return [*([said] if result.broken else []), *result.faults]

    def _further(self, user: Description, with_ssl: Description, result: trial.Result) -> list[str]:
        """What is wrong with other sites than httpd ended at: they are rehearsed without those that were named."""
        found: list[str] = []
        left = self.wishes
        deadline = time.monotonic() + FURTHER_SECONDS
        while not result.complete:
            words = "; ".join(self._faults(result))
            rest = [wish for wish in left if not re.search(rf"(?<![\w.-]){re.escape(wish.domain)}(?![\w.-])", words)]
            sites = [wish.release.facts for wish in rest if wish.release and wish.release.facts in self.sites]
            if not sites or len(rest) == len(left):
                break
            if time.monotonic() > deadline:
                return [*found, f"{len(sites)} more sites were not tried"]
            left = rest
            plan = planned(self.server, self.store, user, with_ssl, left, adopt=self.adopt)
            result = self._rehearsed(user, plan, sites)
            found += self._faults(result)
        return found

    def _line(self, words: str) -> str:
        """The line of a refused virtual host that httpd speaks of: the file that it names is not on the host."""
        found = re.search(r"line (\d+) of \S*?/([^/\s]+)/(?:current/|releases/[0-9a-f.]+/)?site\.conf", words)
        for wish in self.wishes:
            if found and wish.release and wish.domain == found.group(2):
                lines = wish.release.files[SITE].decode(errors="replace").splitlines()
                line = lines[int(found.group(1)) - 1 : int(found.group(1))]
                return "".join(
                    f" (line {found.group(1)} of the refused virtual host is: {text.strip()})" for text in line
                )
        return ""

    def _plain(self, words: str) -> str:
        """Httpd's words, with our releases' folders named by what the operator knows: the site."""
        return re.sub(re.escape(self.store.root) + r"/([^/]+)/releases/[0-9a-f.]+/", r"(\1) ", words)

    # -- 2. to 6.

    def _logs(self, user: Description) -> commands.Logs:
        """What is written from now on to the server's and the sites' error logs: httpd's words on a site go there."""
        own = [os.path.join(user.log_folder, site.error_log) for site in self.sites if site.error_log]
        return commands.Logs([user.error_log, *own])

    def _switch(self, user: Description, plan: Plan) -> None:
        log = self._logs(user)
        self.touched, switched = True, False
        self.sockets = self.server.sockets()  # What a way back has to bring back.
        with _uninterrupted():
            try:
                self.store.note(plan.changes)  # 2. stage
                for release, folder in plan.staged:
                    self.store.stage(release, folder)
                full = self._unwritable(user, plan, self.store.conf)
                if full:
                    raise Refused("; ".join(full))
                switched = True
                self.store.switch(plan.changes)  # 3. switch
                self.server.forget()
                self._reload(user, plan)  # 4. and 5.
            except (OSError, HttpdError, StoreError, Refused) as error:
                self._back(_reason(error), log.words(), switched)
            try:
                self.store.done()  # 6. keep
                self.store.prune()
            except OSError as error:
                raise Refused(
                    f"the new state is in place, but could not be kept: {why(error)}, which undoes it and begins anew"
                ) from None

    def _renew(self, user: Description, plan: Plan) -> None:
        """Reload, or start, with nothing to switch."""
        log = self._logs(user)
        self.touched = True
        with _uninterrupted():
            try:
                self._reload(user, plan)
            except (HttpdError, Refused) as error:
                said = log.words() or "nothing"
                if not self.was_running:
                    self.server.stop()
                elif not self.server.running():
                    with suppress(HttpdError):
                        self.server.start()
                down = self.was_running and not self.server.running()
                state = ". httpd is down: look after this host now" if down else ""
                raise Refused(f"{error}. httpd says: {said}{state}") from None

    def _reload(self, user: Description, plan: Plan) -> None:
        if not self._wanted() or self._unread(plan):
            return
        test = self.server.test()
        if test.code != 0:
            raise Refused(f"`httpd -t` fails: {test.words}")
        faults = self._taken(user, plan) + self._unwritable(user, plan)
        # Seen in a full rehearsal too, but for what the live server alone reads (<IfFile>).
        described = self.server.describe()
        faults += standing.misplaced(self.store, described, self.sites)
        faults += find_openings(described, self.store, self.sites)
        if faults:
            raise Refused("; ".join(faults))
        before, missing = self.server.workers(), DRY_AT_FIRST & set(described.modules) - self.server.loaded()
        if self.was_running:
            self.server.reload()
        else:
            self.server.start()
        self.report.reloaded = True
        if self.was_running and missing:
            before = self._reload_again(before, missing)
        self._confirm(before)

    def _reload_again(self, before: set[tuple[int, int]], missing: set[str]) -> set[tuple[int, int]]:
        """Give modules that a reload brought in their second pass. Returns the workers that were there before it.

        C(before), C(missing): the workers that were there before the first reload, and those modules.
        """
        deadline = time.monotonic() + CONFIRM_SECONDS
        self._await_workers(before, deadline)  # A signal that comes while the parent reads would be lost.
        if not missing & self.server.loaded():  # linked in
            return before
        known: set[tuple[int, int]] = set()
        while self.server.workers() - known and time.monotonic() < deadline:
            known |= self.server.workers()
            time.sleep(0.01)  # They come several at once.
        self.server.signal()  # The manager would let them serve for longer, and has seen the change already.
        return known

    def _confirm(self, before: set[tuple[int, int]]) -> None:
        described = self.server.describe()  # with us, as a template may claim more addresses
        deadline = time.monotonic() + CONFIRM_SECONDS
        self._await_workers(before, deadline)
        while True:
            faults: list[str] = []
            for site in self.sites:
                for address in standing.addresses(site, described):
                    faults += handshakes.try_site(
                        described, site, address, self.probes, throwaway=False, deadline=deadline
                    )
                if faults:
                    break
            if not faults:
                return
            if not self.server.running() or time.monotonic() > deadline:
                raise Refused("on the live server, " + "; ".join(faults))
            time.sleep(0.05)

    def _await_workers(self, before: set[tuple[int, int]], deadline: float) -> None:
        """Wait for a new generation of workers. Raises Refused where none comes."""
        while not self.server.workers() - before:
            if not self.server.running():
                raise Refused("httpd's parent process ended at the reload")
            if time.monotonic() > deadline:
                raise Refused(f"no new worker process within {CONFIRM_SECONDS:.0f} seconds of the reload")
            time.sleep(0.005)

    def _back(self, reason: str, said: str, switched: bool) -> None:
        """Go back, and say so. Always raises Refused. C(switched): a path that httpd reads may have changed."""
        words = f"{reason}. httpd says: {self._plain(said)}" if said else reason
        try:
            self.store.undo()
            self.server.forget()
            if not self.was_running:
                self.server.stop()
            elif switched or not self.server.running():
                self._serve_again()
            self.store.done()
            self.store.prune()
        except (OSError, HttpdError, StoreError, Refused) as error:
            if self.was_running and not self.server.running():
                with suppress(HttpdError):  # With what is there: each site's release is whole.
                    self.server.start()
            state = "runs" if self.server.running() else "is down"
            raise Refused(
                f"{words}. The way back did not come to its end, which the next run sees to first. Look after this "
                f"host now, httpd {state}: {_reason(error)}"
            ) from None
        if not switched:
            raise Refused(f"{words}. httpd was not reloaded, and nothing of this run is left")
        raise Refused(f"{words}. The old state is back{' and serving' if self.was_running else ''}")

    def _serve_again(self) -> None:
        """Reload or start with the old state, and see that it serves. Raises HttpdError where it does not."""
        before = self.server.workers()
        if self.server.running():
            test = self.server.test()
            if test.code != 0:
                raise HttpdError(f"`httpd -t` fails with the old files too, so it was not reloaded: {test.words}")
            full = unwritable(os.path.dirname(self.server.describe().pid_file), 1)
            if full:
                raise HttpdError(f"it was not reloaded, as it would end: {full[0]}")
            self.server.signal()  # Not by its manager, which may be what fails.
        else:
            self.server.start()
            before = set()
        deadline = time.monotonic() + CONFIRM_SECONDS
        taken = False
        with suppress(Refused):  # One that takes no reload serves the old state still, which handshakes show.
            self._await_workers(before, time.monotonic() + 5)
            taken = True
        user = self.server.describe(without_us=True)
        old = [self.store.facts(domain) for domain in self.store.domains()]
        old = [site for site in old if not site.included or standing.host_of(site, user)]
        described = self._in_force(user)
        while True:
            missing = [f"[{address}]:{port}" for address, port in sorted(self.sockets - self.server.sockets())]
            hidden = [
                site.domain for site in old if not handshakes.shown(described, site, standing.addresses(site, user)[0])
            ]
            if self.server.running() and not missing and not hidden:
                if not taken and not old:
                    raise HttpdError("it took no reload within 5 seconds, so nothing shows what it serves")
                return
            if time.monotonic() > deadline:
                raise HttpdError(f"httpd does not serve {', '.join(missing + hidden) or 'anything'} as before")
            time.sleep(0.05)

    # -- the report

    def _tell(self, user: Description, plan: Plan, changed: bool, seen: bool) -> None:
        """Fill the report. C(seen): handshakes on the live server have shown the sites."""
        running = self.server.running()
        self.report.changed = changed
        for wish in self.wishes:
            shown = "unproven"
            if wish.release is None:
                shown = "absent"
            elif running and seen and wish.release.facts not in self.pending:
                shown = wish.release.facts.mutual_tls
            told = tell_site(wish, plan.changed.get(wish.domain, False), shown)
            if wish.release and wish.release.facts.included:
                told["include"] = self.store.path(wish.domain, "current", SITE)
            if wish.release and shown != "unproven":
                facts, described = wish.release.facts, self._in_force(user)
                address = standing.addresses(facts, described)[0]
                told["proxy_protocol"] = standing.expects_proxy_header(described, address, facts.port)
            self.report.sites.append(told)
        self.report.server = {"binary": self.server.binary, "config": self.server.config, "running": running}


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A switch that was begun is ended: a lost connection or a polite end does not cut it.

    By a handler, as an httpd that is started meanwhile would inherit what is ignored (execve(2)), and keep it.
    """

    def stay(_number: int, _frame: object) -> None:
        pass

    kept = {number: signal.signal(number, stay) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
