# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is to be done on a host: wishes, disk and the server's own configuration compared. Reads only."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Change,
    Entry,
    File,
    Link,
    StoreError,
    change_to,
    describe_difference,
    entry_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import (
    BACKEND_CA,
    CLIENT_CA,
    CRL,
    EMPTY,
    SITE,
    SiteFacts,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.history import (
    HISTORY,
    KEEP_RELEASES,
    Kept,
    choose_kept,
    write_history,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import WATCH, WATCH_PROGRAM
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.diff import (
    dates_of,
    diff_of,
    fingerprints_of,
    outline_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_file import (
    is_sealed,
    render_host_file,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.inclusion import plan_inclusion
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.published import (
    KEPT,
    is_ours,
    is_tampered,
    plan_published,
    plan_renewal_programs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish, Watch


@dataclass(frozen=True)
class Found:
    """A server and its store as they were found.

    without_us, with_ssl: the server's configuration without us, as it is, and with mod_ssl loaded before it.
    """

    server: Server
    store: Store
    without_us: Description
    with_ssl: Description


@dataclass(frozen=True)
class Plan:
    """What would be done.

    staged: releases with the folders they get. changes: the switch. changed: which sites change. told: what is other at
    each of these than before, in words. replaced: the releases that those had, by domain; empty for one that had none,
    or one that is damaged. diff: for the operator. sites: all that will be there, listed or not.
    listens: addresses (empty for all) and ports that we add. amiss: what is not as an earlier run left it, in words.
    damaged: the sites whose release is not. taken: those that are to go, as they are. unread: the paths of changes that
    httpd has no part in, of its watchman.
    """

    staged: tuple[tuple[Release, str], ...]
    changes: tuple[Change, ...]
    changed: Mapping[str, bool]
    told: Mapping[str, tuple[str, ...]]
    replaced: Mapping[str, str]
    diff: tuple[dict[str, str], ...]
    sites: tuple[SiteFacts, ...]
    listens: tuple[tuple[str, int], ...]
    amiss: tuple[str, ...]
    damaged: frozenset[str]
    taken: tuple[SiteFacts, ...] = ()
    unread: frozenset[str] = frozenset()

    @property
    def touches_server(self) -> bool:
        """Whether anything changes that httpd has a part in."""
        return any(change.path not in self.unread for change in self.changes)


def make_plan(
    found: Found,
    wishes: Sequence[SiteWish],
    *,
    adopt: bool = False,
    keep: int = KEEP_RELEASES,
    watch: Watch | None = None,
) -> Plan:
    """Compare the wishes with the disk, and say what is to be done.

    C(adopt): a user's plain files may be moved aside. C(keep): how many releases of a site that changes are kept beside
    its current one. C(watch): the watchman that is to be; None for the one that is there.
    Raises StoreError where a path is taken.
    """
    store = found.store
    listed = {wish.domain for wish in wishes}
    before = {domain: store.facts(domain) for domain in store.domains() if domain not in listed}
    after = dict(before)
    staged: list[tuple[Release, str]] = []
    currents: list[Change] = []
    changed: dict[str, bool] = {}
    told: dict[str, tuple[str, ...]] = {}
    replaced: dict[str, str] = {}
    diff: list[dict[str, str]] = []
    damages = {wish.domain: damage for wish in wishes for damage in [_damage(store, wish)] if damage}
    for wish in wishes:
        domain, release = wish.domain, wish.release
        with suppress(StoreError):  # The facts on the disk may be damaged.
            before[domain] = store.facts(domain)
        if release:
            after[domain] = release.facts
        was = store.current(domain) if release and domain not in damages else ""
        folder = _place(store, release, was) if release else ""
        switch = _switch(store, wish, folder, was, keep)
        currents += switch
        changed[domain] = bool(switch)
        if switch and release:
            staged.append((release, folder))
            replaced[domain] = was.partition(".")[0]
        if switch:
            told[domain] = _describe_change(store, wish, before.get(domain))
            diff += _diff_of_site(store, wish, folder, before.get(domain))

    releases = {wish.domain: wish.release for wish in wishes if wish.release}
    published = plan_published(store, {*before, *after, *listed}, releases, set(after), adopt)
    programs = {wish.domain: wish.renewal_program for wish in wishes if wish.renewal_program}
    published += plan_renewal_programs(before, after, programs)
    watched = _plan_watchman(found, after, releases, watch)
    inclusion = plan_inclusion(found.server, store, found.without_us, _with_hosts(after))
    listens, host_file, until_then = _plan_host_file(found, before, after, switches=bool(currents))
    # At no moment does a site lack what it needs, so that a start in between reads a sound configuration.
    changes = [*host_file, *inclusion, *currents, *published, *watched, *until_then]
    if not _with_hosts(after):  # What includes the file goes before it does.
        changes = [*inclusion, *host_file, *currents, *published, *watched]
    diff += _diff_of_rest(store.path("host.conf"), changes, inclusion, currents)
    amiss = [f"the release of {domain} was not as it was written: {damage}" for domain, damage in damages.items()]
    # Where nothing is to be changed, nothing has drifted.
    drifted = _drifted(found, before, programs, watch, adopt=adopt) if changes else []
    if drifted:
        amiss.append(f"not as they were left: {', '.join(drifted)}")
    return Plan(
        tuple(staged),
        tuple(changes),
        changed,
        told,
        replaced,
        tuple(diff),
        tuple(after.values()),
        tuple(listens),
        tuple(amiss),
        frozenset(damages),
        tuple(before[wish.domain] for wish in wishes if wish.release is None and wish.domain in before),
        frozenset(change.path for change in watched),
    )


def _place(store: Store, release: Release, was: str) -> str:
    """The folder that a release is to have. C(was): that of the present one; empty where that is damaged or none."""
    if was.partition(".")[0] == release.name:  # It was looked through already.
        return store.path(release.domain, "releases", was)
    return store.place(release)


def _switch(store: Store, wish: SiteWish, folder: str, was: str, keep: int) -> list[Change]:
    """The changes by which a site has its wanted release, in C(folder), or none; none where that is so.

    C(was): the folder of the present release; empty where that is damaged or there is none.
    """
    link = store.path(wish.domain, "current")
    if wish.release is None:
        return change_to(link, None)
    switch = change_to(link, Link(f"releases/{os.path.basename(folder)}"))
    current = Kept(os.path.basename(folder), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    return [*_kept(store, wish, current, was, keep), *switch] if switch else []


def _with_hosts(sites: Mapping[str, SiteFacts]) -> list[SiteFacts]:
    """The sites that have virtual hosts of their own, which the server's configuration is to include."""
    return [site for site in sites.values() if not site.included]


def _plan_host_file(
    found: Found, before: Mapping[str, SiteFacts], after: Mapping[str, SiteFacts], *, switches: bool
) -> tuple[Sequence[tuple[str, int]], list[Change], list[Change]]:
    """What we listen on besides, and the changes to the host-level file: before the sites are switched, and after.

    C(switches): some are. Between the two it has what is needed before and after.
    """
    server, store = found.server, found.store
    host = store.path("host.conf")
    sites = list(after.values())
    listens, wanted = render_host_file(server, store, found.without_us, found.with_ssl, sites)
    if not _with_hosts(after):
        return listens, change_to(host, None), []
    both = [*before.values(), *sites]
    between = render_host_file(server, store, found.without_us, found.with_ssl, both)[1] if switches else wanted
    later = [Change(host, File(between), File(wanted))] if between != wanted else []
    return listens, change_to(host, File(between)), later


def _diff_of_site(store: Store, wish: SiteWish, folder: str, before: SiteFacts | None) -> Iterator[dict[str, str]]:
    """What is shown of a site that changes: its text, the dates of its certificate, and which CAs and CRLs it has."""
    link, release = store.path(wish.domain, "current"), wish.release
    text = release.filled(folder)[SITE].content.decode() if release else ""
    yield diff_of(os.path.join(link, SITE), text)
    if before or release:
        path = os.path.join(link, f"{wish.domain}.crt")
        yield _in_short(path, dates_of(before), dates_of(release.facts if release else None))
    for name in (CLIENT_CA, CRL, BACKEND_CA):
        path, content = os.path.join(link, name), release.public.get(name, b"") if release else b""
        old, new = fingerprints_of(commands.read(path)), fingerprints_of(content.decode(errors="replace"))
        if old != new:
            yield _in_short(path, old, new)


def _diff_of_rest(
    host: str, changes: Sequence[Change], inclusion: Sequence[Change], currents: Sequence[Change]
) -> Iterator[dict[str, str]]:
    """What is shown of the rest: the texts of the host-level file and of what includes it, and all else in short.

    C(currents): those of the sites, which are shown already.
    """
    edited = [host, *(change.path for change in inclusion if isinstance(change.after, File))]
    last = {change.path: change.after for change in changes}
    for path in edited:
        if path in last:
            after = last[path]
            yield diff_of(path, after.content.decode(errors="replace") if isinstance(after, File) else "")
    for change in changes:
        if change.path not in edited and change not in currents:
            yield _in_short(change.path, outline_of(change.before), outline_of(change.after))


def _in_short(path: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def _describe_change(store: Store, wish: SiteWish, before: SiteFacts | None) -> tuple[str, ...]:
    """What is other at a site than before, in words."""
    # Of a change alone, so not compiled elsewhere.
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.changes import State, describe_changes

    after = State.of_release(wish.release) if wish.release else None
    return describe_changes(State.on_disk(store, before) if before else None, after)


def _damage(store: Store, wish: SiteWish) -> str:
    """What was done to the current release of a site that is to stay since it was written; empty for nothing."""
    if wish.release is None:
        return ""
    name, link = store.current(wish.domain), store.path(wish.domain, "current")
    if not name:
        # A first deployment that was killed has made the folder, and its journal is still there.
        if os.path.lexists(store.path("journal")):
            return ""
        if os.path.isdir(store.path(wish.domain, "releases")):
            return f"{link} leads to none"
        published = os.path.join(store.conf, f"{wish.domain}.crt")
        return f"{store.path(wish.domain)} is gone" if is_ours(entry_of(published)) else ""
    folder = store.path(wish.domain, "releases", name)
    if not os.path.isdir(folder):
        return f"{folder} is gone"
    try:
        same = wish.release.name == name.partition(".")[0]
        damages = store.list_damage(wish.release if same else store.read(wish.domain, "current"), folder)
    except (OSError, StoreError):  # Not the one wished for, and no longer what its name says.
        damages = [f"{each} was edited" for each in _younger(folder)]
        return f"in {folder}, {', '.join(damages) or 'a file was edited'}"
    return f"in {folder}, {', '.join(damages)}" if damages else ""


def _younger(folder: str) -> list[str]:
    """The files of a release that were written to after the last of it, the empty folder, was made."""
    with suppress(OSError):
        made = os.lstat(os.path.join(folder, EMPTY)).st_mtime
        names = sorted(os.listdir(folder))
        return [name for name in names if os.lstat(os.path.join(folder, name)).st_mtime > made]
    return []


def _plan_watchman(
    found: Found, sites: Mapping[str, SiteFacts], releases: Mapping[str, Release], watch: Watch | None
) -> list[Change]:
    """The changes to the watchman of these sites. C(watch): None for the one that is there, and no stranger for it."""
    store = found.store
    there = any(os.path.lexists(store.path(each)) for each in (WATCH, WATCH_PROGRAM))
    if not (watch and watch.folder) and not there:
        return []
    # Of few hosts, so not compiled for others.
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.watchman import plan_watchman, read_folder

    folder = watch.folder if watch else None
    if folder is None:
        folder = read_folder(store)
        if sites and not folder:
            return []  # It was edited so that it tells no more where to. Who wants it mended names the folder.
    stranger = watch.stranger if watch else None
    listed = list(sites.values())
    return plan_watchman(found.server, store, found.without_us, listed, releases, folder, stranger)


def _drifted(
    as_found: Found,
    before: Mapping[str, SiteFacts],
    programs: Mapping[str, Entry],
    watch: Watch | None,
    *,
    adopt: bool,
) -> list[str]:
    """Paths outside the releases that a run with no other wish than for what is there would change, and why.

    C(programs): programs for renewals, which are made anew where what they do, or this collection, is another.
    """
    if not before:
        return []
    server, store, without_us = as_found.server, as_found.store, as_found.without_us
    host = store.path("host.conf")
    needed = [site for site in before.values() if not site.included]
    words: dict[str, str] = {}
    drifts: list[Change] = []
    with suppress(StoreError, commands.HttpdError):  # What is in the way is said where it is in the way.
        drifts += plan_published(store, before, {}, before, adopt)
        content = render_host_file(server, store, without_us, as_found.with_ssl, before.values())[1]
        drifts += change_to(host, File(content) if needed else None)
        inclusion = plan_inclusion(server, store, without_us, needed)
        drifts += inclusion
        edited = [change.path for change in inclusion if isinstance(change.after, File)]
        words = dict.fromkeys(edited, "lacks our line" if needed else "has a line of ours")
        known = {name: one for name, one in programs.items() if name in before and before[name].renewal_hook}
        drifts += [each for each in plan_renewal_programs({}, before, known) if is_tampered(each)]
        if os.path.lexists(store.path(WATCH)):
            drifts += [each for each in _plan_watchman(as_found, before, {}, None) if is_tampered(each)]
    found = entry_of(host)
    if isinstance(found, File) and (found.mode, found.uid) == (0o644, os.geteuid()) and is_sealed(found.content):
        words[host] = "no longer fits the server's own configuration"
    return [
        f"{change.path} {words.get(change.path) or describe_difference(change.before, change.after)}"
        for change in drifts
        if not change.path.endswith(KEPT)
    ]


def _kept(store: Store, wish: SiteWish, current: Kept, was: str, keep: int) -> list[Change]:
    """The changes by which C(previous) and the history fit what is to be current.

    C(was): the folder of the present release, which C(previous) then leads to; empty where that is damaged or there is
    none, so that C(previous) leads to the one before it.
    """
    now, before = store.current(wish.domain), store.current(wish.domain, "previous")
    if wish.previous:
        previous = current.folder  # After a rollback both are the same, so that a second rollback changes nothing.
    elif was or not now:
        previous = was
    elif before != now:
        previous = before
    else:
        previous = current.folder if now.partition(".")[0] == current.name else ""
    damaged = "" if was else now
    kept = [each for each in store.kept(wish.domain) if each.folder != damaged]
    history = File(write_history(choose_kept(kept, current, previous, keep)))
    return [
        *change_to(store.path(wish.domain, "previous"), Link(f"releases/{previous}") if previous else None),
        *change_to(store.path(wish.domain, HISTORY), history),
    ]
