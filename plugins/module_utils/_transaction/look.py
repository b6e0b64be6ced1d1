# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Step 0 of a run: what is there, looked at once, beside what is wished for."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, tell_fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import handshakes, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.bypasses import find_bypasses
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Link, StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._store.history import HISTORY
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import host_file
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.plan import Found, Plan, make_plan
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import Refused, change_each

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, SiteWish

ASKING_SECONDS = 15.0
_AT_ONCE = 4


@dataclass(frozen=True)
class Seen:
    """What a run found before it changed anything.

    server, store: the httpd, and its releases. request: what is asked for, with wishes as they came.
    without_us: the server's configuration without us. with_ssl: the same, with mod_ssl loaded before it.
    wishes: with the releases that they go back to. sites: the wished ones that httpd is to serve. pending: those whose
    directives no virtual host of the user's includes yet.
    was_running: whether httpd ran. interrupted: whether a killed run was undone before.
    plan: what is to be done. differing: how the live server differs from sites that are as wished on the disk, each
    with its site. leftovers: paths that no site needs. skew: this host's clock less the controller's, in seconds.
    enables: whether the service is to be enabled.
    """

    server: Server
    store: Store
    request: Request
    without_us: Description
    with_ssl: Description
    wishes: tuple[SiteWish, ...]
    sites: tuple[SiteFacts, ...]
    pending: tuple[SiteFacts, ...]
    was_running: bool
    interrupted: bool
    plan: Plan
    differing: tuple[tuple[SiteFacts, Fault], ...]
    leftovers: tuple[str, ...]
    skew: float
    enables: bool

    @property
    def found(self) -> Found:
        """What the plan was made of."""
        return Found(self.server, self.store, self.without_us, self.with_ssl)

    @property
    def starts(self) -> bool:
        """Whether httpd, which does not run, is to be started."""
        return self.request.start and not self.was_running and bool(self.sites)

    @property
    def acts(self) -> bool:
        """Whether anything is to be switched, reloaded or started."""
        stale = self.was_running and not self.plan.changes and bool(self.interrupted or self.differing)
        return bool(self.plan.changes or self.starts or stale)

    @property
    def may_start_programs(self) -> frozenset[str]:
        """The domains of sites that may. A release that is gone back to was served before, with what it starts."""
        return frozenset(wish.domain for wish in self.wishes if wish.allow_programs or wish.previous)

    @property
    def runs_after(self) -> bool:
        """Whether the server is to run when all is done."""
        return self.was_running or (self.request.start and bool(self.sites))

    @property
    def changes_watchman_alone(self) -> bool:
        """Whether nothing changes but the watchman, which httpd has no part in."""
        return bool(self.plan.changes) and not self.plan.touches_server

    @property
    def changes_nothing_that_is_read(self) -> bool:
        """Whether httpd has nothing to read anew: what changes is its watchman, or directives that nobody includes yet.

        To those belong links to them, and a history.
        """
        if self.interrupted or self.differing or self.starts:
            return False
        folders = [self.store.path(site.domain) for site in self.pending]
        return self.changes_watchman_alone or (
            bool(folders)
            and all(
                change.path in self.plan.unread
                or (
                    (isinstance(change.after, Link) or os.path.basename(change.path) == HISTORY)
                    and os.path.dirname(change.path) in (*folders, self.store.conf)
                )
                for change in self.plan.changes
            )
        )


def look(server: Server, store: Store, request: Request, *, interrupted: bool, skew: float) -> Seen:
    """Look at the host. Raises Refused where it could not be changed as wished, whatever a rehearsal showed.

    C(interrupted): a killed run was undone before. C(skew): this host's clock less the controller's, in seconds.
    """
    was_running = server.running()
    wishes = change_each(request.wishes, lambda wish: _add_release(store, wish) if wish.previous else wish)
    refuse_untimely(wishes, skew)
    without_us, with_ssl = describe_without_us(server, store, ". This was so before")
    _refuse_still_included(server, store, without_us, wishes)
    sites = [wish.release.facts for wish in wishes if wish.release]
    pending = [site for site in sites if site.included and not standing.host_of(site, without_us)]
    sites = [site for site in sites if site not in pending]
    for site in pending:
        if store.current(site.domain):
            raise Refused(standing.to_include(store, without_us, site))
    releases = {wish.domain: wish.release for wish in wishes}
    bypasses = find_bypasses(without_us, store, releases, {wish.domain: wish.allow_bypass for wish in wishes})
    if bypasses:
        # A site whose name is another host's has to settle that first, which may leave nothing to accept.
        from ansible_collections.mtls.httpd.plugins.module_utils._site.conflicts import find_taken_names

        taken = list(find_taken_names(without_us, sites))
        named = {fault.domain for fault in taken}
        raise Refused(*taken, *(fault for fault in bypasses if fault.domain not in named))
    as_found = Found(server, store, without_us, with_ssl)
    plan = make_plan(as_found, wishes, adopt=request.adopt, keep=request.keep_releases, watch=request.watch)
    asked = was_running and not interrupted and not plan.touches_server
    return Seen(
        server=server,
        store=store,
        request=request,
        without_us=without_us,
        with_ssl=with_ssl,
        wishes=tuple(wishes),
        sites=tuple(sites),
        pending=tuple(pending),
        was_running=was_running,
        interrupted=interrupted,
        plan=plan,
        differing=tuple(_differing(server, store, without_us, wishes, sites)) if asked else (),
        leftovers=() if interrupted else tuple(find_leftovers(store, wishes)),
        skew=skew,
        enables=request.start and server.supervision.enabled is False and bool(sites),
    )


def find_amiss(seen: Seen) -> list[str]:
    """Name what was not as an earlier run left it, so that nobody has to guess why there is something to do.

    A virtual host of the user's that includes a site may be new, or just edited: httpd has not read it yet.
    """
    amiss = list(seen.plan.amiss)
    if seen.plan.amiss and seen.was_running:
        faults = _differing(seen.server, seen.store, seen.without_us, seen.wishes, list(_before(seen)))
        amiss += [f"until this run, {tell_fault(each)}" for _site, each in faults if each.code == "stranger-let-in"]
    if seen.leftovers:
        amiss.append(f"left over: {', '.join(seen.leftovers)}")
    shown = [tell_fault(fault) for site, fault in seen.differing if not site.included]
    if shown:
        more = f"; and {len(shown) - 3} more" if len(shown) > 3 else ""
        amiss.append(f"the live server did not show the sites as they are on the disk: {'; '.join(shown[:3])}{more}")
    if seen.starts and any(seen.store.current(wish.domain) for wish in seen.wishes if wish.release):
        amiss.append("httpd did not run")
    return amiss


def in_force(server: Server, without_us: Description, wishes: Sequence[SiteWish]) -> Description:
    """The configuration with us, where it may say of PROXY headers what the one without us does not."""
    ours = any("remoteip" in wish.release.facts.modules for wish in wishes if wish.release)
    return server.describe() if ours or "remoteip_module" in without_us.modules else without_us


def refuse_untimely(wishes: Sequence[SiteWish], skew: float) -> None:
    """Judge the certificates' dates by this host's clock, as httpd does. Raises Refused."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    late = []
    for wish in wishes:
        if wish.release is None or wish.force:
            continue
        facts = wish.release.facts
        if facts.ends <= now:
            way = "deploy a valid one, or set 'force' for this site" if wish.previous else "set its clock"
            words = f"{wish.domain}: a certificate ended at {facts.ends}, by this host's clock ({now}), so it would be"
            late.append(Fault("untimely", wish.domain, f"{words} refused", way))
        if facts.crl_ends and facts.crl_ends <= now:
            way = "deploy a new one, or set 'force' for this site" if wish.previous else "give a new one"
            words = (
                f"{wish.domain}: a CRL was to be renewed at {facts.crl_ends}, by this host's clock ({now}), so every"
            )
            late.append(Fault("untimely", wish.domain, f"{words} client would be refused", way))
        if facts.begins > now:
            clock = f"by this host's clock ({now}, {skew:+.0f} s from the controller's)"
            words = f"{wish.domain}: a certificate is not valid before {facts.begins}, {clock}"
            late.append(Fault("untimely", wish.domain, words, "set its clock"))
    if late:
        raise Refused(*late)


def _add_release(store: Store, wish: SiteWish) -> SiteWish:
    """The wish for an earlier release, with the release as it lies on the host."""
    if not os.path.isdir(store.path(wish.domain, "releases")):
        known = store.domains()
        few = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
        words = (
            f"{wish.domain}: there is no such site on this host, whose sites are: {few or 'none'}. Correct the name,"
        )
        raise Refused(Fault("no-such-site", wish.domain, f"{words} or deploy it", ""))
    if wish.back_to:
        return replace(wish, release=store.read_named(wish.domain, wish.back_to))
    return replace(wish, release=store.read(wish.domain, "previous"))


def describe_without_us(server: Server, store: Store, further: str = "") -> tuple[Description, Description]:
    """The configuration without the sites: as it is, and with mod_ssl loaded. Raises Refused for a broken one.

    C(further): what is said of that besides.
    """
    try:
        return server.describe_without_us(host_file.list_loading(commands.read(store.path("host.conf"))))
    except HttpdError as error:
        raise Refused(Fault("broken-before", "", f"{error}{further}", "mend it first")) from None


def _refuse_still_included(server: Server, store: Store, without_us: Description, wishes: Sequence[SiteWish]) -> None:
    """Raise Refused where directives of a site that is to go are included by a virtual host of the user's still."""
    first = {each.file: each for each in reversed(without_us.directives)}  # of each file, as there are few
    for wish in wishes:
        if wish.release is None or not wish.release.facts.included:
            folder = store.path(wish.domain, "current") + "/"
            still = next((each for file, each in first.items() if file.startswith(folder)), None)
            if still:
                words = f"{wish.domain}: the virtual host at {still.host or server.config} includes {still.file} still"
                raise Refused(Fault("still-included", wish.domain, words, "take that line out of it first"))


def find_leftovers(store: Store, wishes: Sequence[SiteWish]) -> list[str]:
    """What no site needs, but for the folders of the wished sites: those are made good."""
    kept = [store.path(wish.domain) + "/" for wish in wishes if wish.release]
    return [path for path in store.leftovers() if not any(folder.startswith(path + "/") for folder in kept)]


def _before(seen: Seen) -> Iterator[SiteFacts]:
    """The wished sites as they were before this run; but for those whose facts were edited, or that are the user's."""
    for site in seen.sites:
        damaged = site.domain in seen.plan.damaged
        try:
            before = seen.store.facts(site.domain)
        except StoreError:
            before = site
        if damaged or (before is not site and not before.included):
            yield before


def _differing(
    server: Server, store: Store, without_us: Description, wishes: Sequence[SiteWish], sites: Sequence[SiteFacts]
) -> Iterator[tuple[SiteFacts, Fault]]:
    """How the live server differs from the sites, each in one handshake at each address."""
    deadline = time.monotonic() + ASKING_SECONDS
    described = in_force(server, without_us, wishes)
    places = [(site, address) for site in sites for address in standing.addresses(site, without_us)]

    def ask(place: tuple[SiteFacts, str]) -> list[Fault]:
        site, address = place
        if time.monotonic() < deadline:
            return handshakes.differs_from_live(described, site, address, store.refusal(site.domain))
        words = f"{site.domain}: not asked, as {ASKING_SECONDS:.0f} seconds were over"
        return [Fault("not-tried", site.domain, words, "")]

    # While httpd answers one, the next is asked.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for (site, _address), faults in zip(places, pool.map(ask, places)):
            yield from ((site, fault) for fault in faults)
