# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The logs that tell who called a site of this host, found by httpd's own configuration, and what they tell.

Measured on httpd 2.4: mod_ssl logs why it refused a handshake where the first virtual host of the connection's address
and port logs, by that host's LogLevel, and under its name; the site's own error log has but the end of the connection.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds, LogFiles
from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import (
    NEEDED_FORMAT,
    SITE_FORMATS,
    Caller,
    CallReader,
    Calls,
    Pattern,
    compile_format,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.log_lines import ISO_FORMAT
from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import RefusalReader, Refused
from ansible_collections.mtls.httpd.plugins.module_utils._site.standing import (
    find_host,
    find_sharing,
    find_source,
    host_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import WATCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        Directive,
        VirtualHost,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

# From the most silent on (LogLevel of httpd's core).
_LEVELS = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", *(f"trace{n}" for n in range(1, 9)))
_USUAL_LEVEL = "warn"
_SSL = ("ssl", "ssl_module", "mod_ssl.c")
_SERVICES = re.compile(r"(syslog|journald)([:\"]|$)")
ALL, SOME, NONE = "all", "some", "none"
# As a watchman has it (watch_program.py): seconds from look to look, and what is far from here.
_BETWEEN_LOOKS = 5 * 60
_FAR, _UNSENT = ("192.0.2.1", "2001:db8::1"), 9


@dataclass(frozen=True)
class RefusalLog:
    """Where the reason of a refused handshake with a site is logged.

    path: of the error log. host: the virtual host whose log it is, by its name, and its place. level: its LogLevel
    for mod_ssl. shared: the other names that are served at the same address and port, whose refusals stand there too.
    """

    path: str
    host: str
    place: str
    level: str
    shared: tuple[str, ...]

    @property
    def tells(self) -> str:
        """Whose refusals are logged: C(all); C(some), those with a certificate, without its name; or C(none)."""
        at = _LEVELS.index(self.level) if self.level in _LEVELS else _LEVELS.index(_USUAL_LEVEL)
        if at >= _LEVELS.index("info"):
            return ALL
        return SOME if at >= _LEVELS.index("error") else NONE


@dataclass(frozen=True)
class SiteCalls:
    """Who called a site, and who was refused at its address and port.

    own_calls, own_refusals: knocks of this collection, which are in no figure. access_log: the path, empty where none
    tells who called. refusal_logs: where refusals are logged. faults: what could not be read, or does not tell it.
    """

    callers: tuple[Caller, ...] = ()
    without_certificate: int = 0
    own_calls: int = 0
    refusals: tuple[Refused, ...] = ()
    own_refusals: int = 0
    access_log: str = ""
    refusal_logs: tuple[RefusalLog, ...] = ()
    faults: tuple[Fault, ...] = ()


class ErrorLogs:
    """The error logs of a server, each read once, however many sites are refused in it."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._known: dict[str, tuple[RefusalReader, list[Fault]]] = {}

    def read(self, path: str) -> tuple[RefusalReader, list[Fault]]:
        """Return what the lines of a log told, and what of it was not read."""
        if path not in self._known:
            files, reader = LogFiles(path, self._bounds), RefusalReader(self._bounds.since)
            reader.read(files.lines())
            self._known[path] = reader, files.faults
        return self._known[path]


def read_sites(
    described: Description, store: Store, sites: Sequence[SiteFacts], bounds: Bounds
) -> dict[str, SiteCalls]:
    """Return by domain who called each site, and who was refused, as far as the bounds allow for all of them.

    described: the configuration as it is, with the sites in it.
    """
    logs = ErrorLogs(bounds)
    calls = {site.domain: read_callers(described, store, site, bounds) for site in sites}
    hosts = {site.domain: host for site in sites for host in [find_host(store, described, site)] if host}
    told = {
        site.domain: _add_refusals(calls[site.domain], described, hosts, site, logs)
        if site.domain in hosts
        else calls[site.domain]
        for site in sites
    }
    knocks = _read_knocks(store)
    return {domain: _leave_out_watchman(domain, each, knocks) for domain, each in told.items()}


def read_site(described: Description, store: Store, site: SiteFacts, bounds: Bounds) -> SiteCalls:
    """Return who called one site, and who was refused."""
    return read_sites(described, store, [site], bounds)[site.domain]


def _add_refusals(
    calls: SiteCalls,
    described: Description,
    hosts: Mapping[str, VirtualHost],
    site: SiteFacts,
    error_logs: ErrorLogs,
) -> SiteCalls:
    mine = hosts[site.domain]
    logs, faults = find_refusal_logs(described, mine, site.port)
    others = [_error_log(described, host) for host in hosts.values() if host != mine]
    refusals, own, more = _read_refusals(_refusal_log(described, mine, ()), logs, others, error_logs)
    told = tuple(dict.fromkeys((*calls.faults, *_of(site, [*faults, *more]))))
    return replace(calls, refusals=refusals, own_refusals=own, refusal_logs=logs, faults=told)


def read_callers(described: Description, store: Store, site: SiteFacts, bounds: Bounds) -> SiteCalls:
    """Return who called a site, and no refusals.

    Where the configuration is one without the sites in it, their logs are found by their facts.
    """
    host = find_host(store, described, site)
    if host is None and site.access_log:
        path = os.path.join(described.log_folder, site.access_log)
        calls, unread = _read_calls(path, SITE_FORMATS, bounds)
        return SiteCalls(calls.callers, calls.without, calls.own, access_log=path, faults=tuple(_of(site, unread)))
    if host is None:
        words = f"{site.domain}: it has no access log of its own, or no virtual host, so its callers are not known"
        remedy = "take 'access_log: server' out, or deploy the site"
        return SiteCalls(faults=(Fault("log-unread", site.domain, words, remedy),))
    logs, faults = _access_logs(described, host)
    # Of several, one that tells it is enough, and each call stands in all of them.
    telling = next(filter(lambda each: any(map(compile_format, each[1])), logs.items()), None)
    calls, path = Calls(), ""
    if telling is None:
        faults += [_says_nobody(each, host) for each in logs]
    else:
        path, formats = telling
        calls, unread = _read_calls(path, [*formats, *SITE_FORMATS], bounds)
        faults = [*unread, *([_says_nobody(path, host)] if calls.strange and not calls.known else [])]
    return SiteCalls(calls.callers, calls.without, calls.own, access_log=path, faults=tuple(_of(site, faults)))


def find_logs(
    described: Description, site: SiteFacts, addresses: Sequence[str]
) -> tuple[str, list[Pattern], dict[str, str]]:
    """Return a site's access log with the forms of its lines, and the error logs that tell who was refused, by path.

    An error log is with the site that its lines are of, where they do not tell it; empty for another's. They are found
    by the site's facts, so that C(described) may be the configuration without the sites, and by who stands first at
    their addresses. What is no file is left out.
    """
    access, formats = os.path.join(described.log_folder, site.access_log) if site.access_log else "", [*SITE_FORMATS]
    including = host_of(site, described) if site.included else None
    if including:
        logs = {
            path: each for path, each in _access_logs(described, including)[0].items() if any(map(compile_format, each))
        }
        access, formats = next(iter(logs.items()), ("", []))
    first = [find_sharing(described, address, str(site.port))[:1] for address in addresses]
    refusals = {_error_log(described, host): "" for hosts in first for host in hosts}
    own = _error_log(described, including) if including else os.path.join(described.log_folder, site.error_log)
    if including or site.error_log:
        refusals[own] = site.domain
    return (
        access,
        [each for each in map(compile_format, formats) if each],
        {path: name for path, name in refusals.items() if path},
    )


def _leave_out_watchman(domain: str, calls: SiteCalls, knocks: Mapping[tuple[str, str], int]) -> SiteCalls:
    """Return what was told without the knocks of this host's watchman, which a log without issuers tells as others'.

    Behind a proxy on this host everybody comes from the same address as the watchman. So of each entry no more is left
    out than the watchman can have knocked in its time.
    """
    refusals, own = [], 0
    for each in calls.refusals:
        is_alike = not each.issuer and each.reason == "unknown-issuer"
        names = [domain] if each.sure else {name for name, _address in knocks}
        a_look = sum(knocks.get((name, each.address), 0) for name in names) if is_alike else 0
        left_out = min(each.count, a_look * _looks(each))
        own += left_out
        if each.count > left_out:
            refusals.append(replace(each, count=each.count - left_out))
    return replace(calls, refusals=tuple(refusals), own_refusals=calls.own_refusals + own)


def _looks(refused: Refused) -> int:
    """Return how often a watchman can have looked while the same was refused: one more at each end."""
    first, last = (calendar.timegm(time.strptime(each, ISO_FORMAT)) for each in (refused.first, refused.last))
    return (last - first) // _BETWEEN_LOOKS + 2


def _read_knocks(store: Store) -> dict[tuple[str, str], int]:
    """Return how often this host's watchman knocks at a look as a stranger, by site and by where it comes from.

    By what the watchman itself goes by (watchman.json): it knocks so once at each door of a site, and once at the
    address by which this machine reaches others.
    """
    found: dict[tuple[str, str], int] = {}
    try:
        with open(store.path(WATCH), encoding="utf-8") as stream:
            for site in json.load(stream)["sites"]:
                addresses = [str(door[0]) for door in site["doors"]]
                own = {find_source(far, _UNSENT) for far in _FAR} if site["everywhere"] else set()
                sources = [find_source(address, _UNSENT) for address in addresses]
                for source in [*sources, *(own - {"", *addresses})]:
                    found[site["domain"], source] = found.get((site["domain"], source), 0) + 1
    except (OSError, ValueError, KeyError, TypeError, IndexError):  # One that cannot be read leaves nothing out.
        return {}
    return found


def _of(site: SiteFacts, faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults as those of a site."""
    return [replace(each, domain=site.domain, message=f"{site.domain}: {each.message}") for each in faults]


def _says_nobody(path: str, host: VirtualHost) -> Fault:
    remedy = f'give the virtual host at {host.place} a log of this format: CustomLog … "{NEEDED_FORMAT}"'
    return Fault("log-format", "", f"the lines of {path} do not tell who called", remedy)


def _read_calls(path: str, formats: Sequence[str], bounds: Bounds) -> tuple[Calls, list[Fault]]:
    files, reader = LogFiles(path, bounds), CallReader(formats, bounds.since)
    reader.read(files.lines())
    return reader.calls(), files.faults


def _access_logs(described: Description, host: VirtualHost) -> tuple[dict[str, list[str]], list[Fault]]:
    """Return the files that a virtual host's calls are logged in, each with its formats; and what is no file.

    One without logs of its own has those of the server level.
    """
    own = [each for each in described.of_host(host.place) if _is_log(each)]
    found: dict[str, list[str]] = {}
    faults: list[Fault] = []
    for each in own or [each for each in described.of_host("") if _is_log(each)]:
        if each.words[0].startswith("|"):
            words = f"the log at {each.place} goes to a program, so it is not read"
            faults.append(Fault("log-unread", "", words, "see there, or log to a file too"))
        else:
            found.setdefault(described.path(each.words[0]), []).append(_format(described, host, each))
    if not found and not faults:
        faults.append(Fault("log-unread", "", "its calls are logged nowhere", "add a CustomLog"))
    return found, faults


def _is_log(each: Directive) -> bool:
    return each.name.lower() in ("customlog", "transferlog", "globallog") and bool(each.words)


def _format(described: Description, host: VirtualHost, log: Directive) -> str:
    """Return the format of a log, by its name or as it stands there."""
    named = log.words[1] if log.name.lower() != "transferlog" and len(log.words) > 1 else ""
    found = named
    for each in (*described.of_host(""), *described.of_host(host.place)):
        if each.name.lower() == "logformat" and each.words and each.words[1:2] == ([named] if named else []):
            found = each.words[0]
    return found


def find_refusal_logs(
    described: Description, mine: VirtualHost, site_port: int
) -> tuple[tuple[RefusalLog, ...], list[Fault]]:
    """Return where refused handshakes with a virtual host are logged, and what is no file."""
    found: dict[tuple[str, str], RefusalLog] = {}
    faults: list[Fault] = []
    for address, port in map(endpoint, mine.addresses):
        sharing = find_sharing(described, address, str(site_port) if port == "*" else port) or [mine]
        names = tuple(dict.fromkeys(host.name for host in sharing if host != mine and host.name))
        log = _refusal_log(described, sharing[0], names)
        if log.path:
            found[log.path, log.place] = log
        else:
            words = (
                f"the virtual host at {log.place}, the first of its address and port, logs refused handshakes to a "
                "program or a service, so they are not read"
            )
            faults.append(Fault("log-unread", "", words, "see there"))
    return tuple(found.values()), faults


def _refusal_log(described: Description, host: VirtualHost, shared: tuple[str, ...]) -> RefusalLog:
    return RefusalLog(_error_log(described, host), host.name, host.place, _level(described, host), shared)


def _error_log(described: Description, host: VirtualHost) -> str:
    """Return the path of a virtual host's error log, or of the server's; empty where that is no file."""
    named = [each.words[0] for each in described.of_host(host.place) if _is_error_log(each)]
    log = named[-1] if named else described.error_log
    return "" if not log or log.startswith("|") or _SERVICES.match(log) else described.path(log)


def _is_error_log(each: Directive) -> bool:
    return each.name.lower() == "errorlog" and bool(each.words)


def _level(described: Description, host: VirtualHost) -> str:
    """Return the LogLevel of mod_ssl in a virtual host. A bare level takes those of single modules back."""
    level, own = _USUAL_LEVEL, ""
    for place, depth in (("", 0), (host.place, 1)):
        for each in described.of_host(place):
            if each.name.lower() == "loglevel" and len(each.sections) == depth:
                for module, colon, said in (word.lower().rpartition(":") for word in each.words):
                    if not colon:
                        level, own = said, ""
                    elif module in _SSL:
                        own = said
    return own or level


def _read_refusals(
    own: RefusalLog, logs: Sequence[RefusalLog], others: Sequence[str], error_logs: ErrorLogs
) -> tuple[tuple[Refused, ...], int, list[Fault]]:
    """Return the refusals at a site's address and port, how many knocks of our own there were, and what was not read.

    own: the site's own error log. A connection that was led to the site by its name leaves its end there. others: the
    error logs of other sites, where those that were led to them leave theirs.
    """
    reader, faults = RefusalReader(0.0), []
    for path in dict.fromkeys(log.path for log in (*logs, own) if log.path):
        read, unread = error_logs.read(path)
        reader.add(read)
        faults += unread
    for path in filter(None, others):
        reader.add_ends(error_logs.read(path)[0])
    is_shared = any(log.shared or log.place != own.place for log in logs)
    is_first = own.tells == ALL and all(log.place == own.place for log in logs)
    refusals, knocks = reader.refusals(own.host, first=is_first) if is_shared else reader.refusals()
    return refusals, knocks, faults
