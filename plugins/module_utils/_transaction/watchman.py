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

import calendar
import json
import os
import pkgutil
import re
import stat
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import make_call
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import listened
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import has_systemd, network_of
from ansible_collections.mtls.httpd.plugins.module_utils._machine import seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import PLAIN_ENVIRONMENT, own_words, run
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.trusted_paths import Untrusted, refuse_unsafe
from ansible_collections.mtls.httpd.plugins.module_utils._site import standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.authority_ends import (
    find_last_end,
    find_root_end,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import find_logs
from ansible_collections.mtls.httpd.plugins.module_utils._site.metrics import METRICS
from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import tell_rules
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Change,
    Entry,
    File,
    Link,
    change_to,
    entry_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import PRIVATE, list_blocks
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import (
    WATCH,
    WATCH_PROGRAM,
    WATCH_STRANGER,
    Store,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import watch_program
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import METRICS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release

UNITS = "/etc/systemd/system"
# What a timer is started with; of these, the first that the host has a folder of.
_STARTS = ("timers.target", "multi-user.target")
# What is not hidden: programs with their libraries, what is the kernel's, and what systemd gives the service anew.
_SEEN = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "proc", "sys", "dev", "tmp")
_DEAD = 15 * 60.0  # seconds without a look, as MutualTlsWatchmanDead has it
_MOST_PATHS = 10  # that are asked for at each check
# What a unit names as it is: without what systemd reads otherwise, such as a blank, a colon, or % (systemd.unit(5)).
_NAMEABLE = re.compile(r"(/[A-Za-z0-9_.@+-]+)+")
_SERVICE = """\
# Made by Ansible (mtls.httpd.sites), and made anew by its next run.
[Unit]
Description=What strangers meet at the mutual TLS sites of {conf}
{joins}
[Service]
Type=oneshot
ExecStart={python} -I -S -B {program} {wish}
TimeoutStartSec=4min
Nice=10
DynamicUser=yes
User={user}
# Reads logs, and writes where root alone may: of what is not hidden.
AmbientCapabilities=CAP_DAC_OVERRIDE
CapabilityBoundingSet=CAP_DAC_OVERRIDE
TemporaryFileSystem={hidden}
BindReadOnlyPaths=-/etc/localtime -/etc/ld.so.cache -/etc/ssl/openssl.cnf {read}
BindPaths={folder}
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0022
{network}"""
_TIMER = """\
# Made by Ansible (mtls.httpd.sites), and made anew by its next run.
[Unit]
Description=Every five minutes, what strangers meet at the mutual TLS sites of {conf}

[Timer]
OnCalendar=*:0/5
RandomizedDelaySec=30

[Install]
WantedBy={start}
"""


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
    name = name_units(store)
    units = [f"{UNITS}/{name}.service", f"{UNITS}/{name}.timer"]
    links = [f"{UNITS}/{start}.wants/{name}.timer" for start in _STARTS]
    paths = [*(store.path(each) for each in (WATCH_PROGRAM, WATCH_STRANGER, WATCH)), *units, *links]
    wanted: dict[str, Entry] = dict.fromkeys(paths)
    if not folder or not sites:
        return wanted
    wish = _make_wish(store, described, sites, releases, folder)
    wanted[store.path(WATCH_PROGRAM)] = File(pkgutil.get_data(watch_program.__name__, "watch_program.py") or b"")
    wanted[store.path(WATCH)] = File((json.dumps(wish, indent=1, sort_keys=True) + "\n").encode())
    known = entry_of(store.path(WATCH_STRANGER))
    if isinstance(known, File) and b"PRIVATE KEY" in known.content and not (stranger and _is_over(known.content)):
        wanted[store.path(WATCH_STRANGER)] = File(known.content, PRIVATE)
    elif stranger:
        wanted[store.path(WATCH_STRANGER)] = File(stranger.certificate + stranger.private_key, PRIVATE)
    if _has_units():
        service, timer = _render_units(store, wish, folder, _find_network(server))
        wanted[units[0]], wanted[units[1]] = File(service.encode()), File(timer.encode())
        wanted[next((link for link in links if os.path.isdir(os.path.dirname(link))), links[0])] = Link(units[1])
    return wanted


def _is_over(pem: bytes) -> bool:
    """Whether a certificate has ended, or does not tell: of its owner, httpd would refuse the dates alone."""
    ends = min(_list_ends(pem), default=0)
    return ends < time.time()


def name_units(store: Store) -> str:
    """The name of the units of a server's watchman: by its configuration folder, as systemd-escape(1) writes it."""
    path = os.path.realpath(store.conf).strip("/")
    return "mtls-httpd-watch-" + "".join(
        character if re.match(r"[A-Za-z0-9_.]", character) else "-" if character == "/" else f"_{ord(character):x}_"
        for character in path
    )


def metrics_file(store: Store, folder: str) -> str:
    """The path of what a server's watchman writes."""
    return os.path.join(folder, f"{name_units(store)}.prom")


def read_folder(store: Store) -> str:
    """The folder that the watchman on the host writes to; empty where there is no watchman, or it does not tell."""
    try:
        entry = entry_of(store.path(WATCH))
        folder = os.path.dirname(json.loads(entry.content)["path"]) if isinstance(entry, File) else ""
    except (ValueError, KeyError, TypeError):
        return ""
    return folder if METRICS_FOLDER.fullmatch(folder) else ""


def _has_units() -> bool:
    return has_systemd() and os.geteuid() == 0


def _list_hidden() -> list[str]:
    """The folders of this machine that the watchman has no business in: all but where programs lie, and the kernel's.

    Not "/" itself, as systemd takes that for what ProtectSystem says of it (seen with 252).
    """
    paths = (f"/{name}" for name in os.listdir("/") if name not in _SEEN)
    return [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]


@dataclass(frozen=True)
class _Network:
    """What a service needs so that it is in httpd's network, in the two sections of its unit. known: it is told."""

    joins: str = ""
    lines: str = ""
    known: bool = True


def _find_network(server: Server) -> _Network:
    """The network of httpd, which a run has joined (Server.join), as httpd's unit names it."""
    unit = server.supervision.unit
    is_elsewhere = seclusion.has_changed_network()
    if server.running() and not is_elsewhere:
        return _Network()
    path, is_own = network_of(unit) if unit and _has_units() else ("", False)
    if path and _NAMEABLE.fullmatch(path):
        return _Network(lines=f"NetworkNamespacePath={path}\n")
    if is_own and not path:
        # Who joins a unit gets its /tmp too, where both have one of their own; but has no business there.
        lines = "PrivateNetwork=yes\nInaccessiblePaths=-/tmp -/var/tmp\n"
        return _Network(f"JoinsNamespaceOf={unit}\n", lines)
    return _Network(known=not is_elsewhere)


def _render_units(store: Store, wish: dict[str, Any], folder: str, network: _Network) -> tuple[str, str]:
    """Service and timer."""
    logs = {*wish["error_logs"], *(site["access_log"] for site in wish["sites"] if site["access_log"])}
    read = [store.path(each) for each in (WATCH_PROGRAM, WATCH, WATCH_STRANGER)]
    read += [f"-{path}" for path in sorted({os.path.dirname(log) for log in logs}) if _NAMEABLE.fullmatch(path)]
    # Python may be elsewhere than in /usr.
    read += sorted({f"-{each}" for each in (sys.prefix, sys.base_prefix) if not each.startswith("/usr")})
    start = next((each for each in _STARTS if os.path.isdir(f"{UNITS}/{each}.wants")), _STARTS[0])
    known = {
        "conf": store.conf,
        "python": sys.executable,
        "program": store.path(WATCH_PROGRAM),
        "wish": store.path(WATCH),
        "user": "mtls-httpd-watch",
        "hidden": " ".join(f"{path}:ro" for path in sorted({*_list_hidden(), store.conf})),
        "read": " ".join(read),
        "folder": folder,
        "start": start,
        "joins": network.joins,
        "network": network.lines,
    }
    return _SERVICE.format(**known), _TIMER.format(**known)


# -- what it needs to know


def _make_wish(
    store: Store,
    described: Description,
    sites: Sequence[SiteFacts],
    releases: Mapping[str, Release],
    folder: str,
) -> dict[str, Any]:
    error_logs: dict[str, str] = {}
    told = []
    for site in sites:
        addresses = standing.addresses(site, described)
        access_log, formats, refusals = find_logs(described, site, addresses)
        for path, domain in refusals.items():
            error_logs[path] = error_logs.get(path) or domain
        release = releases.get(site.domain)
        certificates, client_cas, lists = (
            release.public.get(name, b"") if release else _read(store.path(site.domain, "current", name))
            for name in (f"{site.domain}.crt", CLIENT_CA, CRL)
        )
        chain = list(_list_ends(certificates))
        authorities = [(each.subject, each.issuer, each.not_after) for each in _list_certificates(client_cas)]
        last_end, root_end = find_last_end(authorities), find_root_end(authorities)
        told.append(
            {
                "domain": site.domain,
                "doors": [_tell_door(described, site, address) for address in addresses],
                "everywhere": _is_everywhere(described, site, addresses),
                "client_cas": _list_names(site, client_cas),
                "requests": [_request(site, path) for path in _list_closed(site)],
                "elsewhere": "" if site.protected_paths else _request(site, "/mtls-httpd-what-nobody-has"),
                "by": _refused_by(site),
                "release": release.name if release else store.current(site.domain).partition(".")[0],
                "leaf_ends": chain[0] if chain else 0,
                "ends": _moment(site.ends),
                "told": {
                    "client_ca_not_after_timestamp_seconds": _moment(last_end) if last_end else 0,
                    "client_ca_root_not_after_timestamp_seconds": _moment(root_end) if root_end else 0,
                    "crl_this_update_timestamp_seconds": _find_list(lists, site.crl_ends),
                    "crl_next_update_timestamp_seconds": _moment(site.crl_ends) if site.crl_ends else 0,
                },
                "access_log": access_log,
                "formats": [[each.expression.pattern, each.groups] for each in formats],
            }
        )
    return {
        "path": metrics_file(store, folder),
        "server": store.conf,
        "stranger": WATCH_STRANGER,
        "metrics": METRICS,
        "rules": tell_rules(),
        "sites": told,
        "error_logs": error_logs,
    }


def _tell_door(described: Description, site: SiteFacts, address: str) -> list[Any]:
    """Where to knock, and whether the connection has to begin with a PROXY header."""
    proxied = "remoteip" in site.modules or standing.find_door(described, address, site.port).proxied
    return [address, site.port, proxied]


def _list_closed(site: SiteFacts) -> list[str]:
    """The paths at which strangers are to be refused, some of many."""
    closed = site.protected_paths or [path for path in ("/", *site.callback_paths) if path not in site.open_paths]
    return list(dict.fromkeys(closed))[:_MOST_PATHS] or ["/"]


def _is_everywhere(described: Description, site: SiteFacts, addresses: Sequence[str]) -> bool:
    """Whether a site is reached at each address of this machine, as no virtual host has one to itself."""
    ours = {address for address, port in map(listened, described.listens) if port == str(site.port)}
    anywhere = not ours or "" in ours or "0.0.0.0" in ours
    local = list(addresses) in (["127.0.0.1"], ["::1"])
    return anywhere and local and not site.listen and not described.proxy_headers and "remoteip" not in site.modules


def _list_names(site: SiteFacts, client_cas: bytes) -> list[str]:
    """The names of a site's client CAs as they are asked for (DER, hexadecimal); none where one is not known so."""
    try:
        names = {wire.read_certificate(each).subject for each in list_blocks(client_cas, "CERTIFICATE")}
        known = {wire.rfc4514(each) for each in names} == set(site.client_ca_names)
    except ValueError:
        return []
    return sorted(each.hex() for each in names) if known else []


def _request(site: SiteFacts, path: str) -> str:
    """What is asked for, as status asks: what calls no backend, and bears our mark."""
    call = make_call("OPTIONS", path)
    host = site.domain if site.port == 443 else f"{site.domain}:{site.port}"
    # Where paths refuse, the next one is asked for over the same connection.
    end = () if _refused_by(site) == "path" else (("Connection", "close"),)
    fields = (("Host", host), *call.fields, *end)
    return (
        f"{call.method} {call.target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    )


def _refused_by(site: SiteFacts) -> str:
    """Where strangers are refused, as the program knows it."""
    if site.verify_client == "require":
        return "handshake"
    if site.open_paths or site.protected_paths:
        return "path"
    return "asked" if site.verify_client == "optional" else "unchecked"


def _list_ends(pem: bytes) -> Iterator[int]:
    """When the certificates of a release's own file end; nothing of one that is written oddly."""
    for each in _list_certificates(pem):
        with suppress(ValueError):
            yield _moment(each.not_after)


def _list_certificates(pem: bytes) -> Iterator[wire.BareCertificate]:
    with suppress(ValueError):
        for each in list_blocks(pem, "CERTIFICATE"):
            with suppress(ValueError):
                yield wire.read_certificate(each)


def _find_list(pem: bytes, next_update: str) -> int:
    """When the revocation list of a release's own file was made that is to be renewed then; 0 where none tells it."""
    made = 0
    with suppress(ValueError):
        for each in list_blocks(pem, "X509 CRL"):
            with suppress(ValueError):
                told = wire.read_list(each)
                if told.next_update and told.next_update == next_update:
                    made = max(made, _moment(told.this_update))
    return made


def _moment(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


# -- whether it can be had


def find_hindrances(server: Server, store: Store, folder: str) -> list[Fault]:
    """Why there can be no watchman that writes to C(folder), an absolute path."""
    if not _find_network(server).known:
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
    if _has_units():
        odd = next(
            (path for path in (store.conf, sys.executable, *_list_hidden()) if not _NAMEABLE.fullmatch(path)), ""
        )
        if odd:
            words = f"{odd} cannot be named in a unit of systemd"
            return [Fault("metrics-refused", "", words, "make 'metrics_folder' an empty text for this host")]
        if not any(os.path.isdir(f"{UNITS}/{each}.wants") for each in _STARTS):
            words = f"{UNITS}/timers.target.wants is not there"
            return [Fault("metrics-refused", "", words, "make it, as systemd's package does")]
    return []


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
    if _has_units():
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
    name = name_units(store)
    words = f"the watchman has written nothing to {path} since {time.strftime('%Y-%m-%d %H:%M', time.gmtime(last))} UTC"
    remedy = f"see why: `journalctl -u {name}`; then `systemctl restart {name}.timer`" if _has_units() else ""
    return [Fault("watchman-dead", "", words, remedy or "see why cron does not run it")]


# -- systemd


def is_unit(path: str) -> bool:
    """Whether a path is one of a watchman's units, or the link that starts it."""
    return path.startswith(f"{UNITS}/") and os.path.basename(path).startswith("mtls-httpd-watch-")


def is_new(store: Store, changes: Iterable[Change]) -> bool:
    """Whether changes are to the watchman's program or units, not just to what it needs to know."""
    return any(is_unit(change.path) or change.path == store.path(WATCH_PROGRAM) for change in changes)


def settle(store: Store) -> list[Fault]:
    """Have systemd do what the units on the disk say. Returns why it does not.

    The program is run once, which shows that it can, and has come to its end when this returns.
    """
    name = name_units(store)
    if not _has_units():
        return []
    both = (f"{name}.timer", f"{name}.service")
    if not os.path.lexists(f"{UNITS}/{name}.timer"):
        _systemctl("stop", *both)  # while systemd knows them still: else it says that they failed
    _systemctl("daemon-reload")
    if not os.path.lexists(f"{UNITS}/{name}.timer"):
        for each in both:
            _systemctl("reset-failed", each)
        return []
    for words in (("restart", f"{name}.timer"), ("start", f"{name}.service")):
        outcome = _systemctl(*words)
        if outcome:
            journal = ["journalctl", "--unit", f"{name}.service", "--lines", "20", "--output", "cat", "--no-pager"]
            said = own_words(run(journal, PLAIN_ENVIRONMENT, 10).output.splitlines()).rstrip(".")
            words_ = f"the watchman that 'metrics_folder' asks for does not run (`systemctl {' '.join(words)}`): {said}"
            return [
                Fault("metrics-refused", "", words_, "mend that, or make 'metrics_folder' an empty text for this host")
            ]
    return []


def _systemctl(*words: str) -> int:
    return run(["systemctl", *words], PLAIN_ENVIRONMENT, 120).code


def forget_metrics(store: Store, folder: str) -> None:
    """Remove what a watchman wrote that is gone, or writes elsewhere now."""
    for path in (metrics_file(store, folder), f"{metrics_file(store, folder)}.new"):
        with suppress(OSError):
            os.unlink(path)
