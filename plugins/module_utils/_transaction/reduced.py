# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A change tried on loopback, where the kernel allows no private world.

The sites alone, in an httpd of their own; and every certificate, key, CA and CRL that the live configuration names is
loaded.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
    WORD,
    Description,
    Directive,
    join_endpoint,
    split,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError, Logs
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, tell_faults
from ansible_collections.mtls.httpd.plugins.module_utils._site import (
    canaries,
    conflicts,
    handshakes,
    leads,
    material,
    protocols,
    standing,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.folders import find_hard_linked
from ansible_collections.mtls.httpd.plugins.module_utils._site.includes import Includes
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import (
    LOG_LINE,
    log_of,
    log_rules,
    named_logs,
    opened_logs,
    served_paths,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import File
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, EMPTY, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import rehearsal_folder
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.effects import find_forbidden
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_file import available_modules, defines
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.second_httpd import (
    guarded,
    read_lines,
    resource_limits,
    serving,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.trial import (
    Result,
    Scratch,
    Trial,
    admit_probes,
    find_escapes,
    list_untwinned,
    refused_as_weak,
    unreadable_client_ca,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._site.twin_clients import TwinnedCAs
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# Sections that, outside of virtual hosts, hold for requests to each of them.
_REACHING = re.compile("(Location|LocationMatch|If|ElseIf|Else)( |$)", re.IGNORECASE)


def find_untried(without_us: Description) -> str:
    """What is to be said of rules of the server level that hold for the sites too, by path or condition.

    Rules for httpd's own pages, such as server-status, are left out.
    """
    own = {(each.file, each.sections) for each in without_us.directives if each.name.lower() == "sethandler"}
    places = [
        each.place
        for each in without_us.directives
        if each.name.lower() in ("require", "deny", "sslrequire")
        and each.arguments.lower() != "all granted"
        and not each.host
        and _REACHING.match("".join(each.sections[:1]))
        and (each.file, each.sections[:1]) not in own
    ]
    if not places:
        return ""
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return (
        "; rules of the server's own that hold for its sites too were not tried, see that Chat gets in: "
        f"{', '.join(places[:3])}{more}"
    )


class _Laid(NamedTuple):
    """The sites as they were laid into the folder of the rehearsal.

    faults: what is wrong with them so far. texts: each without extra_directives, by domain. named: the logs that their
    texts name. opened: those that httpd opens as soon as it is asked what it reads.
    """

    faults: list[Fault]
    texts: dict[str, bytes]
    named: list[str]
    opened: list[str]
    twins: dict[str, TwinnedCAs]


def rehearse_reduced(trial: Trial, reason: str) -> Result:
    """Try the sites in an httpd of their own, on loopback. C(reason): why that is not done in full."""
    server, store, without_us, sites = trial.server, trial.store, trial.without_us, trial.sites
    broken = material.find_material_faults(without_us)
    if broken or not sites:
        return Result("reduced", reason, (), tell_faults(broken), not broken)
    scratch = rehearsal_folder(store.conf)
    shutil.rmtree(scratch, ignore_errors=True)  # Of a killed run; what stays is said where the folder is made.
    disk = Scratch()
    with guarded(scratch) as guard, ExitStack() as to_the_end:  # before a key is written
        disk.folder(scratch)
        here, numbers = standing.locally(""), sorted({site.port for site in sites})
        ports = dict(zip(numbers, _free_ports(here, len(numbers))))
        laid = _lay_out(trial, disk, scratch, {port: join_endpoint(here, instead) for port, instead in ports.items()})
        rules = log_rules(server, store, without_us)
        faults = [*laid.faults, *(fault for log in laid.opened for fault in rules.faults(log))]
        if faults:
            return Result("reduced", reason, tuple(faults), "", False)
        to_the_end.enter_context(_made_for_questions(laid.opened))
        config = os.path.join(scratch, "httpd.conf")
        places = {os.path.join(scratch, site.domain, SITE): site for site in sites}
        minimal = _minimal(trial, scratch, [join_endpoint(here, port) for port in ports.values()])
        disk.write(config, File((minimal + _including(places)).encode()))
        alone = replace(server, arguments=("-f", config), parent=None, config=config, _descriptions={})
        try:
            described = alone.describe()
        except HttpdError as error:
            return Result("reduced", reason, (), str(error), False)
        faults += find_escapes(alone, disk, described, places, laid.texts)
        faults += find_forbidden(server, without_us, described, places, trial.change.allowed)
        faults += conflicts.find_added_names(without_us, described, places, ports)
        rules = log_rules(server, store, without_us, served_paths(described))
        opened = [log for log in opened_logs(described, places) if not trusted_paths.lies_below(log, scratch)]
        for log in dict.fromkeys([*(os.path.join(without_us.log_folder, log) for log in laid.named), *opened]):
            faults += rules.faults(log)
        if faults:
            return Result("reduced", reason, tuple(faults), "", False)
        theirs = [each for each in described.directives if each.file != config]
        if not all(trusted_paths.lies_below(described.path(log), scratch) for log in map(log_of, theirs) if log):
            # A log of a variable, a macro or an included file: httpd is to read what it told, with that log moved.
            told = os.path.join(scratch, "sites.conf")
            # Readable to nobody else, as what it holds may stand in a file that is so too.
            disk.write(told, File(_retold(theirs, scratch).encode("utf-8", "surrogateescape"), 0o600))
            loading = "\n".join(list_module_lines(described, described.files)) + "\n"
            disk.put(config, File((minimal + loading + _including([told])).encode()))
        logs = Logs([os.path.join(scratch, os.path.basename(site.error_log)) for site in sites if site.error_log])
        with serving(alone, [], guard, logs, resource_limits(server)) as start:
            said = start.broken
            weak = refused_as_weak(said, sites)
            if weak:
                faults, said = faults + weak, ""
            elif not said:
                occasion = handshakes.Occasion(described, handshakes.Stage.REHEARSAL, twins=laid.twins)
                for site in sites:
                    door = standing.find_door(described, here, ports[site.port])
                    faults += handshakes.try_site(occasion, site, door, trial.probes)
        return Result(
            "reduced",
            reason,
            tuple(protocols.name_limits(store, without_us, sites, faults)),
            said,
            not (weak or said),
            start.programs,
            () if trial.change.allowed else tuple(dict.fromkeys(start.programs)),
            warnings=(*list_untwinned(laid.twins), *_unled(trial, described)),
        )


def _lay_out(trial: Trial, disk: Scratch, scratch: str, places: Mapping[int, str]) -> _Laid:
    """Put the sites into the folder. C(places): where each is to listen, by the port that it is for."""
    server, without_us, change = trial.server, trial.without_us, trial.change
    laid = _Laid([], {}, [], [], {})
    planned = {release.domain: release for release, _folder in change.releases}
    for site in trial.sites:
        folder, place = os.path.join(scratch, site.domain), places[site.port]
        release = planned.get(site.domain) or trial.store.read(site.domain, "current")
        files = release.filled(folder)
        text = files[SITE].content.decode()
        hidden, opened = _included_logs(site.domain, text, server, without_us)
        laid.faults.extend([*_opened_at_once(site.domain, text), *hidden])
        laid.opened.extend(opened)
        laid.named.extend([*site.logs, *map(without_us.path, named_logs(text))])
        if site.included:
            name = quoting.directive(site.domain)
            text = f"<VirtualHost *:{site.port}>\nServerName {name}\n{text}</VirtualHost>\n"
        files[SITE] = File(_moved(text.encode(), site.port, place, scratch))
        if site.domain in change.without_extra:
            shorter = quoting.filled(change.without_extra[site.domain].decode(), folder).encode()
            laid.texts[site.domain] = _moved(shorter, site.port, place, scratch)
        for each in (folder, os.path.join(folder, EMPTY)):
            disk.folder(each)
        for name, file in files.items():
            disk.write(os.path.join(folder, name), file)
        laid.faults.extend(unreadable_client_ca(site, os.path.join(folder, CLIENT_CA)))
        laid.twins[site.domain] = admit_probes(disk, site, folder, trial.probes)
    return laid


def _moved(text: bytes, port: int, place: str, scratch: str) -> bytes:
    """A site's text with the virtual hosts of its port at C(place), of the loopback; others keep theirs, unheard.

    Its logs go to C(scratch).
    """
    moved = re.sub(rf"(?im)^(\s*<VirtualHost)\s[^>]*:{port}\s*>", rf"\1 {place}>", text.decode())

    def instead(found: re.Match[str]) -> str:
        log = os.path.basename(split(found.group(2))[0])
        return found.group(1) + quoting.directive(os.path.join(scratch, log))

    return LOG_LINE.sub(instead, moved).encode()


# mod_security opens its logs as it reads their lines, in a question (-t) too.
_AT_ONCE = re.compile(rf"(?im)^\s*(Sec(?:Audit|Debug)Log2?)\s[^\n]*\$(?!\{{{quoting.LOGS}\}})")


def _unled(trial: Trial, described: Description) -> list[Fault]:
    """What of the server's own may lead to what sites protect, and would be asked in a full rehearsal."""
    goals = list(_goals(described, trial.sites))
    found, unseen = leads.find_unasked(trial.without_us, goals, trial.accepted)
    own = {host.place for site in trial.sites for host in [standing.host_of(site, trial.without_us)] if host}
    told = [Fault("not-tried", "", words, "") for words in unseen]
    return told + [
        Fault(
            "not-tried",
            domain,
            f"{each.name} at {each.place} may lead to what {domain} protects, and whether it does is asked in a full "
            "rehearsal alone",
            "",
        )
        for domain, each in found
        if each.host not in own
    ]


def _goals(described: Description, sites: Sequence[SiteFacts]) -> Iterator[Goal]:
    """Where what the sites protect lies. C(described): the configuration of the sites alone."""
    for site in sites:
        host = next((each for each in described.virtual_hosts if each.answers(site.domain)), None)
        if host and (site.mutual_tls == "enforced" or site.protected_paths):
            opened, closed = canaries.find_own_backends(described, site, host)
            folder = canaries.find_document_root(described, host) if site.mutual_tls == "enforced" else ""
            listening = tuple((each.place, "") for each in closed if each not in opened)
            if not folder:
                yield Goal(site.domain, (), listening)
                continue
            root = os.path.realpath(folder)
            parts = [place for place, _original in described.mounts.find_parts(root) if os.path.isdir(place)]
            names = (folder, *described.mounts.other_paths(root))
            yield Goal(site.domain, (root, *parts), listening, root, named=find_hard_linked(root), names=names)


def _opened_at_once(domain: str, text: str) -> list[Fault]:
    """Why httpd cannot be asked about a site's text beside the live server: it would open a log where that lies."""
    words = "names its file by a variable, and would be opened as soon as httpd is asked what it reads"
    named = [found.group(1) for found in _AT_ONCE.finditer(text)]
    return [Fault("log-refused", domain, f"{domain}: {name} {words}", "name the path itself") for name in named]


def _included_logs(domain: str, text: str, server: Server, without_us: Description) -> tuple[list[Fault], list[str]]:
    """Why httpd cannot be asked about what a site includes, and the logs that it would open there when it is asked."""
    includes = Includes(domain, without_us, server.environment)
    includes.faults(text)  # told already, for what is new
    words = "names its file by a variable, and would be opened as soon as httpd is asked what it reads"
    hidden = [
        Fault("log-refused", domain, f"{domain}: {name} {words}", "name the path itself")
        for name, path in includes.opened
        if not path
    ]
    return hidden, [path for _name, path in includes.opened if path]


@contextmanager
def _made_for_questions(logs: Iterable[str]) -> Iterator[None]:
    """Take those logs away at the end that were not there before: httpd makes them when it is asked.

    The live server has none of them open, as it would have made them.
    """
    new = [log for log in logs if not os.path.lexists(log)]
    try:
        yield
    finally:
        for log in new:
            with suppress(FileNotFoundError):
                os.unlink(log)


def _minimal(trial: Trial, scratch: str, listens: Sequence[str]) -> str:
    """A configuration with the live server's modules and its server-level SSL directives, for the sites to follow."""
    server, without_us = trial.server, trial.without_us
    needed = [name for site in trial.sites for name in (*site.modules, *available_modules(server, without_us, site))]
    quoted = quoting.directive
    lines = [
        f"ServerRoot {quoted(without_us.server_root)}",
        f"PidFile {quoted(scratch + '/pid')}",
        f"ErrorLog {quoted(scratch + '/error.log')}",
    ]
    lines += [
        f"Mutex {quoted('file:' + scratch)} default",
        f"DefaultRuntimeDir {quoted(scratch)}",
        "ServerName localhost",
        f"Define {quoting.LOGS} {quoted(scratch)}",
    ]
    lines += [f"Listen {place}" for place in listens]
    # The variables of the server's own, which sites may use. Without a value it is a flag, of our questions too.
    for name, value in without_us.defines.items():
        with suppress(quoting.NotQuotable):
            lines += [f"Define {name} {quoted(value)}"] if value else []
    lines += list_module_lines(without_us, without_us.files)
    for name in dict.fromkeys(["ssl", *needed]):
        loaded = f"LoadModule {name}_module {quoted(server.module(f'mod_{name}.so'))}"
        lines += [f"<IfModule !{name}_module>", loaded, "</IfModule>"]
    lines += defines(server, without_us)
    lines += ["<IfModule mime_module>", "TypesConfig /dev/null", "</IfModule>"]
    lines += ["<IfModule md_module>", f"MDStoreDir {quoted(scratch + '/md')}", "</IfModule>"]  # made at the start
    if os.geteuid() == 0:
        lines += [f"User {without_us.user}", f"Group {without_us.group}"]
    for each in without_us.directives:
        if (
            not each.sections
            and each.name.lower().startswith("ssl")
            and each.name.lower() not in ("sslsessioncache", "sslstaplingcache", "sslrandomseed")
        ):
            lines.append(f"{each.name} {each.arguments}")
    return "\n".join(lines) + "\n"


def list_module_lines(described: Description, files: Iterable[str]) -> list[str]:
    """The lines that load the modules which C(files) of a configuration load."""
    lines = []
    for path in files:
        for name, file in re.findall(
            r'^\s*LoadModule\s+(\w+)\s+"?([^"\n]+?)"?\s*$', "\n".join(read_lines(path)), re.MULTILINE | re.IGNORECASE
        ):
            if name in described.modules:
                loaded = f"LoadModule {name} {quoting.directive(described.path(file))}"
                lines += [f"<IfModule !{name}>", loaded, "</IfModule>"]
    return lines


def _including(paths: Iterable[str]) -> str:
    return "".join(f"Include {quoting.directive(quoting.path(path))}\n" for path in paths)


def _retold(directives: Sequence[Directive], scratch: str) -> str:
    """Directives as httpd told them, macros, variables and included files resolved, with their logs in C(scratch)."""
    lines: list[str] = []
    sections: list[str] = []

    def close(depth: int) -> None:
        while len(sections) > depth:
            lines.append(f"</{sections.pop().split()[0]}>")

    for each in directives:
        if each.name.startswith("<"):
            close(len(each.sections) - 1)
            sections.append(each.sections[-1])
            lines.append(f"<{sections[-1]}>")
            continue
        close(len(each.sections))
        log, arguments = log_of(each), each.arguments
        if log:
            first = WORD.match(arguments)
            kept = quoting.directive(os.path.join(scratch, os.path.basename(log)))
            arguments = kept + arguments[first.end() if first else 0 :]
        lines.append(f"{each.name} {arguments}")
    close(0)
    return "\n".join(lines) + "\n"


def _free_ports(address: str, count: int) -> list[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sockets = [socket.create_server((address, 0), family=family) for _number in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
