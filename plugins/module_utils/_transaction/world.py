# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The private world of a full rehearsal: what of the machine is seen in it, hidden in it, and added to it."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import (
    private_mounts,
    sandbox,
    seclusion,
    trusted_paths,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine.names import resolve
from ansible_collections.mtls.httpd.plugins.module_utils._site import canaries, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import LOG_DIRECTIVES, named_logs
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.second_httpd import read_lines, resource_limits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.trial import Trial

# File systems of the kernel's, and folders that hold more than logs: not emptied for a log that stands right in them.
_KERNEL = ("/dev", "/proc", "/sys")
NEVER_HIDDEN = (*_KERNEL, "/", "/etc", "/usr", "/var", "/run", "/home", "/root", "/opt", "/srv")

# Directives that name a file which httpd writes, or a folder for such files.
_CACHES = ("sslsessioncache", "sslstaplingcache")  # behind its kind, such as in shmcb:/run/cache(512000)
_STATE = ("scriptlog", "scriptsock", "pidfile", "scoreboardfile", "cacheroot", *_CACHES)
_OTHERS = ("secauditlog", "secdebuglog", "jklogfile", "jkshmfile", "davlockdb", "fcgidipcdir")
_STORES = ("mdstoredir",)  # folders from which httpd reads as it starts, too
_WRITTEN = {*LOG_DIRECTIVES, *_STATE, *_OTHERS, "fcgidprocesstablefile", "wsgisocketprefix", "defaultruntimedir"}
_BELOW_RUN = re.compile(r"(?<![\w.])(?:/var)?/run/[^\s\"'|]+")


def plan_world(trial: Trial, logs_told: Sequence[str], stores_told: Sequence[str]) -> sandbox.World:
    """Plan the world in which a change is tried.

    C(logs_told): logs that are written besides those that a text names. C(stores_told): folders where httpd writes, and
    may read too.
    """
    without_us = trial.without_us
    sites, texts = _list_sites(trial), _list_texts(trial)
    changed = _find_changed(trial)
    needed = _find_needed(trial, changed, texts)
    logs = [*logs_told, *(log for text in texts for log in named_logs(text))]
    overlaid, hidden = _divide(_find_written(trial, sites, logs), changed, needed)
    stores = [without_us.path(each.words[0]) for each in without_us.named(*_STORES) if each.words]
    for folder in dict.fromkeys(map(os.path.realpath, [*stores, *stores_told])):
        if os.path.isdir(folder) and folder not in (*hidden, *changed, *overlaid, *NEVER_HIDDEN):
            overlaid.append(folder)
    addresses, names = _find_listened(without_us, sites)
    around = canaries.plan_surroundings(without_us, texts, _known_hosts(), ipv6=any(":" in each for each in addresses))
    told = [(address, name) for name in names for address in resolve(name)]
    told += [(address, name) for address, name in around.names if name not in names]
    added = {"/etc/hosts": "".join(f"{address} {name}\n" for address, name in told), **_accounts(without_us)}
    server = trial.server
    outside = (each for each in addresses if not ipaddress.ip_address(each).is_loopback)
    return sandbox.World(
        overlays=sorted([*sorted(changed), *overlaid], key=len),
        hidden=hidden,
        addresses=list(dict.fromkeys([*outside, *around.addresses])),
        added={path: text for path, text in added.items() if text and os.path.isfile(path)},
        kept=sorted(
            path for path in map(os.path.realpath, needed) if trusted_paths.lies_below(path, private_mounts.RUN)
        ),
        limits=resource_limits(server),
        lacking=seclusion.lacking_rights(server.parent.pid) if server.parent and server.running() else frozenset(),
        sealed=effects.find_hosted(without_us) is not None,  # Nobody knows what the operator's code does.
    )


def written_files(described: Description) -> list[str]:
    """The files that directives name to be written, or folders for such files."""
    named = [each for each in described.directives if each.name.lower() in _WRITTEN and each.words]
    paths = (re.sub(r"\(.*\)$|^\w+:", "", each.words[0]) for each in named if _names_file(each))
    return [described.path(path) for path in paths]


def _names_file(each: Directive) -> bool:
    """Whether a log or a cache is a file: neither a program, the system's log, nothing, nor another server."""
    if each.name.lower() in _CACHES:
        return bool(re.match(r"(?!memcache|redis)\w+:", each.words[0]))
    return not each.words[0].startswith(("|", "syslog"))


def _list_sites(trial: Trial) -> list[SiteFacts]:
    """The sites that are tried, and those that are there besides."""
    present = list(trial.sites)
    for domain in set(trial.store.domains()) - {site.domain for site in trial.sites}:
        with suppress(StoreError):  # One that is damaged is tried as far as it is read.
            present.append(trial.store.facts(domain))
    return present


def _list_texts(trial: Trial) -> list[str]:
    """Each site.conf of the change, and each that is there."""
    store = trial.store
    present = ["\n".join(read_lines(store.path(domain, "current", SITE))) for domain in store.domains()]
    return [*(release.public[SITE].decode() for release, _folder in trial.change.releases), *present]


def _find_changed(trial: Trial) -> set[str]:
    """The folders in which the change puts anything."""
    store = trial.store
    folders = {store.conf} | {
        os.path.dirname(each.path)
        for each in trial.change.changes
        if not each.path.startswith(store.conf + "/") or trusted_paths.lies_below(each.path, store.root)
    }
    return {folder for folder in folders if folder == store.conf or not trusted_paths.lies_below(folder, store.conf)}


def _find_needed(trial: Trial, changed: Collection[str], texts: Iterable[str]) -> set[str]:
    """What httpd reads, which is not to be hidden."""
    server, without_us = trial.server, trial.without_us
    needed = {server.binary, server.config, without_us.server_root}
    needed |= {*without_us.files, *server.module_folders(), *changed}
    for each in without_us.directives:
        if each.name.lower() not in _WRITTEN:
            needed |= {without_us.path(word) for word in each.words if "/" in word}
    # What sites name below /run is there inside too, as what the server's own configuration names.
    needed |= {path for text in texts for path in _BELOW_RUN.findall(text)}
    # What a link leads to may lie beside logs: sites-enabled/ often leads into somebody's home.
    return needed | {without_us.real_path(os.path.normpath(path)) for path in needed}


def _find_written(trial: Trial, sites: Iterable[SiteFacts], logs: Iterable[str]) -> set[str]:
    """The folders that httpd writes in."""
    without_us = trial.without_us
    written = {without_us.runtime_folder, without_us.log_folder, "/tmp", "/var/tmp"}
    written |= {os.path.dirname(path) for path in (without_us.pid_file, without_us.error_log)}
    written |= {path if os.path.isdir(path) else os.path.dirname(path) for path in written_files(without_us)}
    written |= {os.path.dirname(log) for site in sites for log in site.logs}
    return written | {os.path.dirname(without_us.path(log)) for log in logs}


def _divide(written: Iterable[str], changed: Collection[str], needed: Collection[str]) -> tuple[list[str], list[str]]:
    """Which of the folders that httpd writes in lie under an overlay, as it reads there too, and which are hidden."""
    overlaid: list[str] = []
    hidden: list[str] = []
    for folder in sorted({os.path.realpath(folder) for folder in written if folder}):
        if trusted_paths.lies_below(folder, private_mounts.RUN):  # empty inside, and to be written to
            continue
        if not os.path.isdir(folder) or folder in (*changed, *NEVER_HIDDEN):
            continue
        if any(trusted_paths.lies_within(folder, each) for each in (*hidden, *_KERNEL)):
            continue
        if not any(trusted_paths.lies_below(path, folder) and os.path.lexists(path) for path in needed):
            hidden.append(folder)
        elif folder not in ("/tmp", "/var/tmp"):
            overlaid.append(folder)
    return overlaid, hidden


def _find_listened(without_us: Description, sites: Iterable[SiteFacts]) -> tuple[list[str], list[str]]:
    """The addresses that httpd listens on or has virtual hosts at, and the names in the place of such addresses."""
    found = [endpoint(each.words[0])[0] for each in without_us.listens]
    found += [endpoint(address)[0] for host in without_us.virtual_hosts for address in host.addresses]
    found += [address for site in sites for address in site.listen]
    # A name that stands in /etc/hosts is known inside too; told twice, it would be listened on twice.
    told = {word for line in read_lines("/etc/hosts") for word in line.partition("#")[0].lower().split()}
    addresses = [each for each in dict.fromkeys(found) if standing.numeric(each)]
    names = [each for each in dict.fromkeys(found) if each and not standing.numeric(each) and each.lower() not in told]
    return addresses, names


def _known_hosts() -> list[tuple[str, str]]:
    """The names of /etc/hosts, each behind its address."""
    lines = [line.partition("#")[0].split() for line in read_lines("/etc/hosts")]
    return [(words[0], name) for words in lines for name in words[1:] if standing.numeric(words[0])]


def _accounts(without_us: Description) -> dict[str, str]:
    """Lines by which users and groups of the configuration are known where no service is reached that tells of them.

    As sssd and winbind do, by a socket. A user's further groups may be told so although he stands in a file.
    """
    words = [(each.name.lower(), word) for each in without_us.directives for word in each.words]
    users = {word for name, word in words if name in ("user", "suexecusergroup", "assignuserid")}
    groups = {word for name, word in words if name in ("group", "suexecusergroup", "assignuserid")}
    passwd, group = (read_lines(path) for path in ("/etc/passwd", "/etc/group"))
    members = [line.split(":") for line in group if line.count(":") == 3]
    listed = {(number, name) for _group, _password, number, names in members for name in names.split(",")}
    added: dict[str, list[str]] = {"/etc/passwd": [], "/etc/group": []}
    for name in sorted(users):
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            if not any(line.startswith(f"{name}:") for line in passwd):
                added["/etc/passwd"].append(f"{name}:x:{found.pw_uid}:{found.pw_gid}::/:/bin/false\n")
            for number in os.getgrouplist(name, found.pw_gid):
                if number != found.pw_gid and (str(number), name) not in listed:
                    added["/etc/group"].append(f"{_group_name(number)}:x:{number}:{name}\n")
    for name in sorted(groups):
        with suppress(KeyError):
            if not any(line.startswith(f"{name}:") for line in group):
                added["/etc/group"].append(f"{name}:x:{grp.getgrnam(name).gr_gid}:\n")
    return {path: "".join(lines) for path, lines in added.items()}


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
