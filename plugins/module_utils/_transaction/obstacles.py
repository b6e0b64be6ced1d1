# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Why a reload would do harm that a rehearsal, which starts afresh and writes elsewhere, does not see."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.room import find_crowded
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes, seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import find_jail
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
    OTHER_LOGS,
    find_unopened,
    find_unopened_of_others,
    is_kernels,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.unread import find_passed_over
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError, explain_unwritable
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.effects import find_forbidden
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.given_sockets import find_forgotten_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
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
        *_find_beside_jail(seen),
        *find_unwritable(seen),
        *_log_faults(seen),
        *_found_alive(
            seen, lambda: [*_find_secluded(seen), *_find_unopened(seen), *_find_hidden_files(seen, seen.without_us)]
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


def find_unlike(seen: Seen) -> list[Fault]:
    """Warn of what httpd, by mounts of its own, has otherwise than it was rehearsed, or not at all.

    That a document root is hidden is no fault of a site that had it before: no reload makes it worse for callers.
    """
    found = []
    for domain, path in _document_roots(seen) if _has_own_mounts(seen) else ():
        is_seen = _as_httpd_sees(seen, path)
        if is_seen == _REPLACED:
            words = f"{domain}: for httpd, whose unit has mounts of its own, {path} is another folder than the host's"
            found.append(Fault("secluded", domain, f"{words}, which is the one that was rehearsed", ""))
        elif is_seen == _HIDDEN:
            found.append(_hidden_root(domain, path))
    for path in sorted(_hidden_files(seen, seen.without_us)[1]) if _has_own_mounts(seen) else ():
        words = f"{path} is not read by httpd, from which its unit hides it (such as by ProtectHome= or PrivateTmp=)"
        found.append(Fault("secluded", "", f"{words}, but was in the rehearsal", "put the file elsewhere"))
    return found


def find_unrehearsed(seen: Seen, described: Description) -> list[Fault]:
    """What of the sites only the live server reads (<IfFile>, <IfDefine>): programs to start, and logs to open.

    C(described): the live configuration with the change.
    """
    places = {seen.store.path(site.domain, "current", SITE): site for site in seen.sites}
    rules = log_rules(seen.server, seen.store, seen.without_us, served_paths(described))
    programs = find_forbidden(seen.server, seen.without_us, described, places, seen.may_start_programs)
    logs = opened_logs(described, places)
    found = [*programs, *(fault for log in logs for fault in rules.faults(log))]
    return found + _found_alive(seen, lambda: [*find_unopened(seen.server, logs), *_find_hidden_files(seen, described)])


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


_DOCUMENT_ROOT = re.compile(r'(?im)^\s*DocumentRoot\s+"?([^"\n]+)"?')
# That all of a virtual host goes to a backend, and what says that some of it does not.
_PASSES_ALL = re.compile(r'(?im)^\s*ProxyPass\s+"?/"?\s+"?\w|^\s*<Location\s+"?/"?\s*>\s*^\s*ProxyPass\s+"?\w')
_PASSES_NOT = re.compile(r"(?im)^\s*(ProxyPass(Match)?\s[^\n]*!|ProxyPassMatch\s|Alias|RewriteRule)")
_SAME, _REPLACED, _HIDDEN = "same", "replaced", "hidden"


def _find_secluded(seen: Seen) -> Iterator[Fault]:
    """Why httpd would not see, or not write, what sites need: its unit may give it mounts of its own."""
    if not _has_own_mounts(seen):
        return
    if _as_httpd_sees(seen, seen.store.conf) != _SAME:
        words = f"{seen.store.conf} is another folder for httpd, whose unit has mounts of its own"
        yield Fault("secluded", "", f"{words}: it would not read what is put there", "take that folder out of these")
    for domain, path in _document_roots(seen):
        if _as_httpd_sees(seen, path) == _HIDDEN and path not in _roots_before(seen, domain):
            yield _hidden_root(domain, path)
    logs = [os.path.realpath(log) for log in _list_logs(seen) if not is_kernels(log)]
    for folder in dict.fromkeys(os.path.dirname(log) for log in logs if _is_closed_to_httpd(seen, log)):
        words = f"httpd's unit does not let it write to {folder} (such as by ProtectSystem=)"
        way = f"add `ReadWritePaths={folder}` to the unit (`systemctl edit`) and restart httpd; or {OTHER_LOGS}"
        yield Fault("secluded", "", f"{words}, where a site has a log, so that a reload would end it", way)


def _find_beside_jail(seen: Seen) -> Iterator[Fault]:
    """Why workers that ChrootDir locks up would not find a document root that is there for all others."""
    jail = find_jail(seen.without_us)
    for domain, path in _document_roots(seen) if jail else ():
        if os.path.isdir(path) and not os.path.isdir(jail + path) and path not in _roots_before(seen, domain):
            place = seen.without_us.named("chrootdir")[-1].place
            words = (
                f"{domain}: httpd's workers look for {path} below {jail} (ChrootDir at {place}), and it is not there"
            )
            yield Fault("secluded", domain, f"{words}, so that callers get 403 or 404", f"put it at {jail}{path}")


def _is_closed_to_httpd(seen: Seen, log: str) -> bool:
    """Whether httpd's unit does not let it write a log, which may be one that it may in a folder where it may not."""
    folder = os.path.dirname(log)
    for path in (log, folder):
        try:
            return bool(os.statvfs(seclusion.as_seen_by(_parent(seen), path)).f_flag & os.ST_RDONLY)
        except FileNotFoundError:
            continue
        except OSError:  # another user's
            return False
    return os.path.isdir(folder)


def _find_hidden_files(seen: Seen, described: Description) -> Iterator[Fault]:
    """Find what a configuration is made of, or names for TLS, and httpd would not find as it reloads."""
    if not _has_own_mounts(seen):
        return
    hidden, passed_over = _hidden_files(seen, described)
    read = [each for each in described.directives if each.file not in passed_over]
    named = (each for each in read if _TLS_FILE.fullmatch(each.name.lower()) and each.words)
    hidden |= {
        path
        for path in {described.path(each.words[0]) for each in named}
        if path not in hidden and _as_httpd_sees(seen, path) == _HIDDEN
    }
    for path in sorted(hidden - passed_over):
        words = f"{path} is hidden from httpd by its unit (such as ProtectHome= or PrivateTmp=)"
        yield Fault("secluded", "", f"{words}, so that a reload would end it", "put the file elsewhere")


def _hidden_files(seen: Seen, described: Description) -> tuple[set[str], set[str]]:
    """The files of a configuration that httpd does not see, and those of all that it passes over therefore."""
    hidden = {path for path in described.files if _as_httpd_sees(seen, path) == _HIDDEN}
    if not hidden:
        return set(), set()

    def is_entry(path: str) -> bool:
        folder, name = os.path.split(path)
        return os.path.lexists(os.path.join(seclusion.as_seen_by(_parent(seen), folder), name))

    return hidden, find_passed_over(described, hidden, is_entry)


_TLS_FILE = re.compile(r"ssl\w+file")


def _find_unopened(seen: Seen) -> Iterator[Fault]:
    if seen.runs_after and not seen.changes_nothing_that_is_read:
        yield from find_unopened(seen.server, _list_logs(seen))
        yield from find_unopened_of_others(seen.server, seen.without_us) if seen.was_running else ()


def _parent(seen: Seen) -> int:
    return seen.server.parent.pid if seen.server.parent else 0


def _has_own_mounts(seen: Seen) -> bool:
    return seen.was_running and not seen.changes_nothing_that_is_read and seclusion.has_own_mounts(_parent(seen))


def _document_roots(seen: Seen) -> Iterator[tuple[str, str]]:
    """Yield the document roots that sites' texts name, each behind its domain."""
    for release in (wish.release for wish in seen.wishes if wish.release):
        for path in _roots_of(seen, release):
            yield release.domain, path


def _roots_before(seen: Seen, domain: str) -> set[str]:
    """The document roots that a site has on the disk already; all that an earlier release names, which was served."""
    wishes = {wish.domain: wish for wish in seen.wishes}
    try:
        before = wishes[domain].release if wishes[domain].previous else seen.store.read(domain, "current")
    except StoreError:  # none, or a damaged one
        return set()
    return set(_roots_of(seen, before)) if before else set()


def _roots_of(seen: Seen, release: Release) -> Iterator[str]:
    text = release.public[SITE].decode(errors="replace")
    if _PASSES_ALL.search(text) and not _PASSES_NOT.search(text):  # No file of it is asked for.
        return
    for path in dict.fromkeys(_DOCUMENT_ROOT.findall(text)):
        yield seen.without_us.path(path)


def _hidden_root(domain: str, path: str) -> Fault:
    words = f"{domain}: {path} is hidden from httpd by its unit (such as ProtectHome= or PrivateTmp=)"
    return Fault("secluded", domain, f"{words}, so that callers get 403 or 404", "put the content elsewhere")


def _as_httpd_sees(seen: Seen, folder: str) -> str:
    """Whether a folder that is there is the same for httpd, another, or hidden from it."""
    try:
        here = os.stat(folder)
    except OSError:
        return _SAME
    try:
        there = os.stat(seclusion.as_seen_by(_parent(seen), folder))
    except FileNotFoundError:
        return _HIDDEN
    except OSError:  # another user's
        return _SAME
    if os.path.samestat(here, there):
        return _SAME
    return _REPLACED if stat.S_IMODE(there.st_mode) else _HIDDEN


def _include_faults(seen: Seen) -> list[Fault]:
    """Why httpd should not read what sites include, before it reads anything of it."""
    return [
        fault
        for release in [wish.release for wish in seen.wishes if wish.release]
        for fault in Includes(release.domain, seen.without_us, seen.server.environment).faults(
            release.public[SITE].decode()
        )
    ]
