# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The watchman of a server: a program that tells node_exporter every five minutes what strangers meet at the sites.

    <conf>/mtls/watchman.py                        the program (watch_program.py)
    <conf>/mtls/watchman.json                      what it needs to know, sites and logs; no secret
    <conf>/mtls/watchman.pem                       the stranger that it is, of a throwaway authority (0600)
    /etc/systemd/system/mtls-httpd-watch-….service  and .timer, with a link that starts the timer; as root, with systemd
    <metrics folder>/mtls-httpd-watch-….prom       what it writes, and remembers

It runs as a user of its own that there is only then. A right of root's is left to it, to read logs and to write where
root alone may (CAP_DAC_OVERRIDE); so all but programs, logs and that folder is hidden from it: it could read no key.
"""

from __future__ import annotations

import json
import os
import pkgutil
import stat
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import has_systemd
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.trusted_paths import Untrusted, refuse_unsafe
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Change,
    Entry,
    File,
    change_to,
    entry_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import PRIVATE
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import (
    WATCH,
    WATCH_PROGRAM,
    WATCH_STRANGER,
    Store,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import watch_program, watch_units
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import METRICS_FOLDER
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.watch_wish import (
    list_ends,
    make_wish,
    metrics_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release

_DEAD = 15 * 60.0  # seconds without a look, as MutualTlsWatchmanDead has it


def plan_watchman(
    server: Server,
    store: Store,
    described: Description,
    sites: Sequence[SiteFacts],
    releases: Mapping[str, Release],
    folder: str,
    stranger: Identity | None = None,
) -> list[Change]:
    """The changes by which a watchman of these sites comes, stays as it is to be, or goes, for an empty folder.

    C(described): the configuration without the sites. C(releases): those that are new, by domain. C(stranger): who it
    is to knock as, where none is on the host yet.
    """
    changes = []
    for path, entry in _list_entries(server, store, described, sites, releases, folder, stranger).items():
        changes += change_to(path, entry)
    return changes


def _list_entries(
    server: Server,
    store: Store,
    described: Description,
    sites: Sequence[SiteFacts],
    releases: Mapping[str, Release],
    folder: str,
    stranger: Identity | None,
) -> dict[str, Entry]:
    paths = [*(store.path(each) for each in (WATCH_PROGRAM, WATCH_STRANGER, WATCH)), *watch_units.list_units(store)]
    wanted: dict[str, Entry] = dict.fromkeys(paths)
    if not folder or not sites:
        return wanted
    wish = make_wish(store, described, sites, releases, folder)
    wanted[store.path(WATCH_PROGRAM)] = File(pkgutil.get_data(watch_program.__name__, "watch_program.py") or b"")
    wanted[store.path(WATCH)] = File((json.dumps(wish, indent=1, sort_keys=True) + "\n").encode())
    known = entry_of(store.path(WATCH_STRANGER))
    if isinstance(known, File) and b"PRIVATE KEY" in known.content and not (stranger and _is_over(known.content)):
        wanted[store.path(WATCH_STRANGER)] = File(known.content, PRIVATE)
    elif stranger:
        wanted[store.path(WATCH_STRANGER)] = File(stranger.certificate + stranger.private_key, PRIVATE)
    if watch_units.has_units():
        wanted.update(watch_units.plan_units(server, store, wish, folder))
    return wanted


def _is_over(pem: bytes) -> bool:
    """Whether a certificate has ended, or does not tell: of its owner, httpd would refuse the dates alone."""
    ends = min(list_ends(pem), default=0)
    return ends < time.time()


def read_folder(store: Store) -> str:
    """The folder that the watchman on the host writes to; empty where there is no watchman, or it does not tell."""
    try:
        entry = entry_of(store.path(WATCH))
        folder = os.path.dirname(json.loads(entry.content)["path"]) if isinstance(entry, File) else ""
    except (ValueError, KeyError, TypeError):
        return ""
    return folder if METRICS_FOLDER.fullmatch(folder) else ""


# -- whether it can be had


def find_hindrances(server: Server, store: Store, folder: str) -> list[Fault]:
    """Why there can be no watchman that writes to C(folder), an absolute path."""
    if not watch_units.find_network(server).known:
        words = (
            "httpd has a network of its own, in which nothing starts the watchman: that takes a unit of systemd's for "
            "httpd with NetworkNamespacePath= or PrivateNetwork="
        )
        remedy = "have its unit name the network, or make 'metrics_folder' an empty text for this host"
        return [Fault("metrics-refused", "", words, remedy)]
    remedy = "make it as root, as node_exporter's package does, or make 'metrics_folder' an empty text for this host"
    if not os.path.isdir(folder):
        return [Fault("metrics-refused", "", f"the folder for metrics, {folder}, is not there", remedy)]
    # Of the folder itself: one above it may be node_exporter's own, as with Debian's package. That user could have the
    # metrics, which are his to read, written elsewhere, and into a file of this one name.
    real = os.path.realpath(folder)
    try:
        refuse_unsafe(real, os.stat(real))
    except Untrusted as error:
        words = "; ".join(each.message for each in error.faults)
        remedy = "`chown root:root` it, take write permission from others, or make 'metrics_folder' an empty text here"
        return [Fault("metrics-refused", "", f"the folder for metrics cannot be used: {words}", remedy)]
    status = os.stat(real)
    if status.st_mode & stat.S_IWOTH:  # As in /tmp, where others could put a file in the way.
        words = f"the folder for metrics, {folder}, can be written by everybody"
        return [Fault("metrics-refused", "", words, "name another one, such as node_exporter's")]
    if not os.access(real, os.W_OK):
        words = f"the folder for metrics, {folder}, cannot be written by user {os.geteuid()}"
        return [
            Fault(
                "metrics-refused",
                "",
                words,
                "give it to that user, or make 'metrics_folder' an empty text for this host",
            )
        ]
    return watch_units.find_hindrances(store) if watch_units.has_units() else []


def find_unread(folder: str) -> list[Fault]:
    """What keeps node_exporter, which has a user of its own, from what the watchman writes to C(folder)."""
    path = os.path.realpath(folder)
    while not _is_for_root_alone(path):
        if path == "/":
            return []
        path = os.path.dirname(path)
    words = f"only root gets to {path}, so that a node_exporter of another user cannot read the metrics"
    return [Fault("metrics-unread", "", words, f"`chmod o+rx {path}`; there is no secret in the metrics")]


def _is_for_root_alone(path: str) -> bool:
    with suppress(OSError):
        status = os.stat(path)
        acl = status.st_mode & stat.S_IXGRP and (status.st_gid or "system.posix_acl_access" in os.listxattr(path))
        return status.st_uid == 0 and not status.st_mode & stat.S_IXOTH and not acl
    return False


def find_missing_timer(store: Store) -> list[Fault]:
    """What is to be done by the operator where no timer of systemd runs the program."""
    if watch_units.has_units():
        return []
    why = "has an httpd that is not root's" if has_systemd() else "has no systemd"
    command = f"{sys.executable} -I -S -B {store.path(WATCH_PROGRAM)} {store.path(WATCH)}"
    words = f"this host {why}, so that nothing runs the watchman that 'metrics_folder' asks for"
    return [Fault("metrics-untimed", "", words, f"have cron run `{command}` every five minutes")]


def find_dead(store: Store) -> list[Fault]:
    """Whether the watchman on the host has not looked for a while, since it was told what to look at, or a start."""
    folder = read_folder(store)
    if not folder:
        return []
    path = metrics_file(store, folder)
    moments = [os.stat(each).st_mtime for each in (path, store.path(WATCH)) if os.path.exists(each)]
    last = max(moments, default=0.0)
    if min(time.time() - last, time.clock_gettime(time.CLOCK_BOOTTIME)) < _DEAD:
        return []
    words = f"the watchman has written nothing to {path} since {time.strftime('%Y-%m-%d %H:%M', time.gmtime(last))} UTC"
    remedy = "see why cron does not run it"
    if watch_units.has_units():
        name = watch_units.name_units(store)
        remedy = f"see why: `journalctl -u {name}`; then `systemctl restart {name}.timer`"
    return [Fault("watchman-dead", "", words, remedy)]


def is_new(store: Store, changes: Iterable[Change]) -> bool:
    """Whether changes are to the watchman's program or units, not just to what it needs to know."""
    return any(watch_units.is_unit(change.path) or change.path == store.path(WATCH_PROGRAM) for change in changes)


def forget_metrics(store: Store, folder: str) -> None:
    """Remove what a watchman wrote that is gone, or writes elsewhere now."""
    for path in (metrics_file(store, folder), f"{metrics_file(store, folder)}.new"):
        with suppress(OSError):
            os.unlink(path)
