# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Steps 2 to 6 of a run: staged, switched, reloaded, confirmed, kept; or all the way back."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import handshakes, misplaced, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.bypasses import find_openings
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    StoreError,
    explain_os_error,
    explain_unwritable,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import watch_units, watchman
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import in_force
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.obstacles import (
    find_taken,
    find_unrehearsed,
    find_unwritable,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.proof import name_site
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import (
    Circumstances,
    Refused,
    amend,
    refusal_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen

    Workers = set[tuple[int, int]]

CONFIRM_SECONDS = 15.0
# Modules that take the first pass over the configuration in a process for a dry run, as a start makes two. A graceful
# reload makes one: measured on httpd 2.4, each child that speaks HTTP/2 over TLS 1.2 is then ended by a signal.
DRY_AT_FIRST = {"http2_module", "md_module"}


def switch(seen: Seen, dressed: Mapping[str, str]) -> bool:
    """Put the plan in place. Returns whether httpd was reloaded, or started. C(dressed): as the rehearsal tells it.

    Raises Refused. Then the old state is back, unless the message says otherwise: the way back did not come to its end,
    or the new state could not be kept.
    """
    wrote = watchman.read_folder(seen.store)
    with _uninterrupted():
        with _way_back(seen) as way:
            _stage(seen)  # 2.
            way.switched = True
            seen.store.switch(seen.plan.changes)  # 3.
            seen.server.forget()
            reloaded = _reload(seen, dressed)  # 4. and 5.
            _settle_watchman(seen)
        _keep(seen, dressed)  # 6.
        if wrote and wrote != watchman.read_folder(seen.store):
            watchman.forget_metrics(seen.store, wrote)
    return reloaded


def reload_alone(seen: Seen, dressed: Mapping[str, str]) -> bool:
    """Reload, or start, with nothing to switch. Returns whether that was done. Raises Refused.

    C(dressed): as the rehearsal tells it.
    """
    log = _logs(seen)
    with _uninterrupted():
        try:
            reloaded = _reload(seen, dressed)
            _note_refusals(seen, dressed)
            return reloaded
        except (HttpdError, Refused) as error:
            said = log.complaint() or "nothing"
            if not seen.was_running:
                seen.server.stop()
            elif not seen.server.running():
                with suppress(HttpdError):
                    seen.server.start()
            down = seen.was_running and not seen.server.running()
            further = Fault("not-running", "", "httpd is down", "look after this host now") if down else None
            raise amend(error, said=said, further=further) from None


def _stage(seen: Seen) -> None:
    """Write the journal, then the new releases, each whole before it has its name. Raises Refused for a full disk."""
    seen.store.note(seen.plan.changes)
    for release, folder in seen.plan.staged:
        seen.store.stage(release, folder)
    full = find_unwritable(seen, seen.store.conf)
    if full:
        raise Refused(*full)


def _reload(seen: Seen, dressed: Mapping[str, str]) -> bool:
    """Reload or start httpd, if it is to read what changes, and confirm it. Returns whether it was. Raises Refused."""
    if not seen.runs_after or seen.changes_nothing_that_is_read:
        return False
    server = seen.server
    server.refresh()  # Somebody may have restarted it, as an upgrade does.
    test = server.test()
    if test.code != 0:
        raise Refused(Fault("unsound", "", f"`httpd -t` fails: {test.complaint}", ""))
    faults = find_taken(seen) + find_unwritable(seen)
    # Seen in a full rehearsal too, but for what the live server alone reads (<IfFile>).
    described = server.describe()
    faults += misplaced.find_misplaced(seen.store, described, seen.sites)
    faults += find_openings(described, seen.store, seen.sites) + find_unrehearsed(seen, described)
    if faults:
        raise Refused(*faults)
    before, missing = server.workers(), DRY_AT_FIRST & set(described.modules) - server.loaded()
    if seen.was_running:
        server.reload()
    else:
        server.start()
    if seen.was_running and missing:
        before = _reload_again(seen, before, missing)
    _confirm(seen, before, dressed)
    return True


def _settle_watchman(seen: Seen) -> None:
    """Have systemd run the watchman, or no longer, where that changed. Raises Refused where it does not."""
    faults = watch_units.settle(seen.store) if watchman.is_new(seen.store, seen.plan.changes) else []
    folder = watchman.read_folder(seen.store)
    if faults and not watchman.find_hindrances(seen.server, seen.store, folder):  # Those are warned of.
        raise Refused(*faults)


def _reload_again(seen: Seen, before: Workers, missing: set[str]) -> Workers:
    """Give modules that a reload brought in their second pass. Returns the workers that were there before it.

    C(before), C(missing): the workers that were there before the first reload, and those modules.
    """
    server = seen.server
    deadline = time.monotonic() + CONFIRM_SECONDS
    _await_workers(seen, before, deadline)  # A signal that comes while the parent reads would be lost.
    if not missing & server.loaded():  # linked in
        return before
    known: Workers = set()
    while server.workers() - known and time.monotonic() < deadline:
        known |= server.workers()
        time.sleep(0.01)  # They come several at once.
    server.signal()  # The manager would let them serve for longer, and has seen the change already.
    return known


def _confirm(seen: Seen, before: Workers, dressed: Mapping[str, str]) -> None:
    """See that a new generation of workers serves the sites as wished, and refuses strangers. Raises Refused."""
    described = seen.server.describe()  # with us, as a template may claim more addresses
    deadline = time.monotonic() + CONFIRM_SECONDS
    occasion = handshakes.Occasion(described, handshakes.Stage.LIVE, deadline, dressed=dressed)
    _await_workers(seen, before, deadline)
    while True:
        faults: list[Fault] = []
        for site in seen.sites:
            for address in standing.addresses(site, described):
                door = standing.find_door(described, address, site.port)
                faults += handshakes.try_site(occasion, site, door, seen.request.probes)
            if faults:
                break
        if not faults:
            return
        if not seen.server.running() or time.monotonic() > deadline:
            raise Refused(*faults, circumstances=Circumstances(stage="on the live server"))
        time.sleep(0.05)


def _await_workers(seen: Seen, before: Workers, deadline: float) -> None:
    """Wait for a new generation of workers. Raises Refused where none comes."""
    while not seen.server.workers() - before:
        if not seen.server.running():
            raise Refused(Fault("not-reloaded", "", "httpd's parent process ended at the reload", ""))
        if time.monotonic() > deadline:
            words = f"no new worker process within {CONFIRM_SECONDS:.0f} seconds of the reload"
            raise Refused(Fault("not-reloaded", "", words, ""))
        time.sleep(0.005)


def _note_refusals(seen: Seen, dressed: Mapping[str, str]) -> None:
    """Write down by which pages sites refuse, for runs that rehearse nothing."""
    for site in seen.sites:
        if site.domain in dressed or seen.store.refusal(site.domain):
            seen.store.note_refusal(site.domain, dressed.get(site.domain, ""))


def _keep(seen: Seen, dressed: Mapping[str, str]) -> None:
    """Have the new state hold: the journal goes, and older releases. Raises Refused where that cannot be."""
    try:
        seen.store.done()
        _note_refusals(seen, dressed)
        seen.store.prune()
    except OSError as error:
        fault = explain_os_error(error)
        words = f"the new state is in place, but could not be kept: {fault.message}"
        remedy = f"{fault.remedy or 'run again'}, which undoes it and begins anew"
        raise Refused(Fault("not-kept", "", words, remedy)) from None


# -- the way back


@dataclass
class _Way:
    """How far a switch has come. switched: a path that httpd reads may have changed."""

    switched: bool = False


@contextmanager
def _way_back(seen: Seen) -> Iterator[_Way]:
    """Go back as the journal says where what is within fails, and say so: that is Refused."""
    log, way = _logs(seen), _Way()
    sockets = seen.server.sockets()  # What a way back has to bring back.
    try:
        yield way
    except (OSError, HttpdError, StoreError, Refused) as error:
        said = log.complaint()
        refused = amend(error, said=name_site(seen.store, said))
        _go_back(seen, refused, sockets, switched=way.switched)
        state = f"The old state is back{' and serving' if seen.was_running else ''}"
        if not way.switched:
            state = "httpd was not reloaded, and nothing of this run is left"
        raise amend(refused, state=state) from None


def _go_back(seen: Seen, refused: Refused, sockets: set[tuple[str, int]], *, switched: bool) -> None:
    """Put the old state back. Raises C(refused) and what is wrong besides where that did not come to its end."""
    server, store = seen.server, seen.store
    try:
        store.undo()
        server.forget()
        if watchman.is_new(store, seen.plan.changes):
            watch_units.settle(store)
        if not seen.was_running:
            server.stop()
        elif switched or not server.running():
            _serve_again(seen, sockets)
        store.done()
        store.prune()
    except (OSError, HttpdError, StoreError, Refused) as error:
        if seen.was_running and not server.running():
            with suppress(HttpdError):  # With what is there: each site's release is whole.
                server.start()
        state = "runs" if server.running() else "is down"
        words = "The way back did not come to its end, which the next run sees to first. Look after this host now"
        further = Fault("way-back-failed", "", f"{words}, httpd {state}: {refusal_of(error)}", "")
        raise amend(refused, further=further) from None


def _serve_again(seen: Seen, sockets: set[tuple[str, int]]) -> None:
    """Reload or start with the old state, and see that it serves. Raises HttpdError where it does not."""
    server, store = seen.server, seen.store
    taken = _take_old_state(seen)
    deadline = time.monotonic() + CONFIRM_SECONDS
    without_us = server.describe(without_us=True)
    old = [store.facts(domain) for domain in store.domains()]
    old = [site for site in old if not site.included or standing.host_of(site, without_us)]
    described = in_force(server, without_us, seen.wishes)
    while True:
        missing = [f"[{address}]:{port}" for address, port in sorted(sockets - server.sockets())]
        hidden = [
            site.domain
            for site in old
            if not handshakes.shows_site(
                described, site, standing.addresses(site, without_us)[0], store.refusal(site.domain)
            )
        ]
        if server.running() and not missing and not hidden:
            if not taken and not old:
                words = "it took no reload within 5 seconds, so nothing shows what it serves"
                raise HttpdError(Fault("not-as-before", "", words, ""))
            return
        if time.monotonic() > deadline:
            words = f"httpd does not serve {', '.join(missing + hidden) or 'anything'} as before"
            raise HttpdError(Fault("not-as-before", "", words, ""))
        time.sleep(0.05)


def _take_old_state(seen: Seen) -> bool:
    """Reload or start with the old state. Returns whether workers of a new generation came. Raises HttpdError."""
    server = seen.server
    before = server.workers()
    if server.running():
        test = server.test()
        if test.code != 0:
            words = f"`httpd -t` fails with the old files too, so it was not reloaded: {test.complaint}"
            raise HttpdError(Fault("unsound", "", words, ""))
        full = explain_unwritable(os.path.dirname(server.describe().pid_file), 1)
        if full:
            words = f"it was not reloaded, as it would end: {full[0].message}"
            raise HttpdError(replace(full[0], message=words))
        server.signal()  # Not by its manager, which may be what fails.
    else:
        server.start()
        before = set()
    with suppress(Refused):  # One that takes no reload serves the old state still, which handshakes show.
        _await_workers(seen, before, time.monotonic() + 5)
        return True
    return False


def _logs(seen: Seen) -> commands.Logs:
    """What is written from now on to the server's and the sites' error logs: httpd's words on a site go there."""
    own = [os.path.join(seen.without_us.log_folder, site.error_log) for site in seen.sites if site.error_log]
    return commands.Logs([seen.without_us.error_log, *own])


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
