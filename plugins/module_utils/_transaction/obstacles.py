# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Why a reload would do harm that a rehearsal, which starts afresh and writes elsewhere, does not see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.room import find_crowded
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.conflicts import (
    find_changed_mpm,
    find_conflicts,
    find_taken_ports,
    find_upgraded,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.includes import Includes
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import (
    log_rules,
    named_logs,
    opened_logs,
    served_paths,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.unopened import (
    find_unopened,
    find_unopened_of_others,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import explain_unwritable
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.effects import find_forbidden
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.given_sockets import find_forgotten_sockets
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.secluded import (
    find_beside_jail,
    find_hidden_files,
    find_secluded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen

SPARE = 16  # blocks and inodes that are to be free besides those that are needed: others write too


def find_obstacles(seen: Seen) -> list[Fault]:
    """All that stands in the way, before anything is rehearsed."""
    forgotten = _find_forgotten(seen)
    # One more socket of systemd's would be of no use to an httpd that forgets them.
    taken = [each for each in find_taken(seen) if not forgotten or each.code != "port-forbidden"]
    return [
        *find_conflicts(seen.without_us, seen.sites, seen.plan.sites, seen.plan.listens),
        *taken,
        *forgotten,
        *_hindrances(seen),
        *find_beside_jail(seen),
        *find_unwritable(seen),
        *_log_faults(seen),
        *_found_alive(
            seen,
            lambda: [
                *find_secluded(seen, _list_logs(seen)),
                *_find_unopened(seen),
                *find_hidden_files(seen, seen.without_us),
            ],
        ),
        *_include_faults(seen),
    ]


def find_taken(seen: Seen) -> list[Fault]:
    """Why httpd would end at a reload that the rehearsal takes well. Asked again right before the reload."""
    if not seen.runs_after:
        return []
    found = find_changed_mpm(seen.server, seen.without_us) + find_upgraded(seen.server) if seen.was_running else []
    return found + find_taken_ports(seen.server, seen.without_us, seen.sites, seen.plan.listens)


def find_crowd(seen: Seen) -> list[Fault]:
    """Why a reload would leave the server without workers for a while; may wait for that to pass."""
    if not seen.was_running or not seen.runs_after or seen.changes_nothing_that_is_read:
        return []
    return find_crowded(seen.server, seen.without_us)


def find_unwritable(seen: Seen, *folders: str) -> list[Fault]:
    """Why C(folders) do not take the switch, or those where httpd makes files at a reload do not take these.

    It would end then. A rehearsal writes elsewhere, so it does not see that.
    """
    without_us, made = seen.without_us, []
    if seen.runs_after and not seen.changes_nothing_that_is_read:
        logs = [os.path.join(without_us.log_folder, log) for site in seen.sites for log in site.logs]
        made = [without_us.pid_file, *(log for log in logs if not os.path.lexists(log))]
    needed = {without_us.log_folder: 0} if made else {}
    needed |= {os.path.dirname(path): len(made) + SPARE for path in made}
    needed |= dict.fromkeys(folders, len(seen.plan.changes) + len(made) + 2 * SPARE)
    # What starts a stopped server may make its folders.
    there = [folder for folder in needed if folder and (seen.was_running or os.path.isdir(folder))]
    return [fault for folder in there for fault in explain_unwritable(folder, needed[folder])]


def find_unrehearsed(seen: Seen, described: Description) -> list[Fault]:
    """What of the sites only the live server reads (<IfFile>, <IfDefine>): programs to start, and logs to open.

    C(described): the live configuration with the change.
    """
    places = {seen.store.path(site.domain, "current", SITE): site for site in seen.sites}
    rules = log_rules(seen.server, seen.store, seen.without_us, served_paths(described))
    programs = find_forbidden(seen.server, seen.without_us, described, places, seen.may_start_programs)
    logs = opened_logs(described, places)
    found = [*programs, *(fault for log in logs for fault in rules.faults(log))]
    return found + _found_alive(seen, lambda: [*find_unopened(seen.server, logs), *find_hidden_files(seen, described)])


def _found_alive(seen: Seen, find: Callable[[], list[Fault]]) -> list[Fault]:
    """What is found by what httpd's process sees: of one that ended meanwhile, all is hidden, or nothing.

    Another one may be there by then, as after an upgrade. Where there is none, a reload tells so.
    """
    for _each in range(_LOOKS):
        found = find()
        if not seen.was_running or seen.server.running():
            return found
        seen.server.refresh()
    return []


_LOOKS = 3


def _find_forgotten(seen: Seen) -> list[Fault]:
    if seen.changes_nothing_that_is_read:
        return []
    return find_forgotten_sockets(seen.server, seen.without_us)


def _hindrances(seen: Seen) -> list[Fault]:
    """Why httpd could not be reloaded, or started, although its configuration is sound."""
    found = []
    unit = seen.server.supervision.unit
    if seen.server.supervision.masked and seen.runs_after:
        words = f"{unit} is masked, so systemd neither starts nor reloads it"
        found.append(Fault("service-refuses", "", words, f"`systemctl unmask {unit}`, run again"))
    if seen.server.parent is None or seen.changes_nothing_that_is_read:
        return found
    pid = seen.server.parent.pid
    if processes.stopped(pid):
        words = "httpd's parent process was stopped by a signal, so it takes no reload"
        found.append(Fault("service-refuses", "", words, f"`kill -CONT {pid}`, run again"))
    sent = seen.server.reload_signal()
    if processes.blocks(pid, sent):
        words = f"httpd's parent process was started with {sent.name} blocked, so it takes no reload"
        found.append(Fault("service-refuses", "", words, "restart httpd by what does not block it, run again"))
    return found


def _log_faults(seen: Seen) -> list[Fault]:
    """Why httpd should not open logs of the sites, before anything does. A rehearsal sees those that are left."""
    rules = log_rules(seen.server, seen.store, seen.without_us)
    return [fault for log in _list_logs(seen) for fault in rules.faults(log)]


def _list_logs(seen: Seen) -> list[str]:
    """The logs that sites name, by their options and in their texts."""
    logs = [os.path.join(seen.without_us.log_folder, log) for site in seen.sites for log in site.logs]
    texts = [wish.release.public[SITE].decode() for wish in seen.wishes if wish.release]
    logs += [seen.without_us.path(log) for text in texts for log in named_logs(text)]
    return list(dict.fromkeys(logs))


def _find_unopened(seen: Seen) -> Iterator[Fault]:
    if seen.runs_after and not seen.changes_nothing_that_is_read:
        yield from find_unopened(seen.server, _list_logs(seen))
        yield from find_unopened_of_others(seen.server, seen.without_us) if seen.was_running else ()


def _include_faults(seen: Seen) -> list[Fault]:
    """Why httpd should not read what sites include, before it reads anything of it."""
    return [
        fault
        for release in [wish.release for wish in seen.wishes if wish.release]
        for fault in Includes(release.domain, seen.without_us, seen.server.environment).faults(
            release.public[SITE].decode()
        )
    ]
