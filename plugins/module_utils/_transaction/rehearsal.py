# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A change tried on the host, by its own httpd, before the live server hears of it.

In full: the whole real configuration with the change in it, as the live server would read it, in a private world
(sandbox), where handshakes decide. Reduced, where the kernel allows no such world or where httpd's start would have
effects outside it: the sites alone on loopback, and every certificate, key, CA and CRL that the live configuration
names is loaded.
"""

from __future__ import annotations

import grp
import ipaddress
import itertools
import os
import pwd
import re
import secrets
import ssl
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import complaints, quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import sandbox, trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError, Logs
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.names import resolve
from ansible_collections.mtls.httpd.plugins.module_utils._machine.stand_ins import StandIns
from ansible_collections.mtls.httpd.plugins.module_utils._site import (
    bypasses,
    canaries,
    conflicts,
    handshakes,
    material,
    protocols,
    standing,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.detours import try_detours
from ansible_collections.mtls.httpd.plugins.module_utils._site.doors import Doors
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import (
    LOG_DIRECTIVES,
    log_rules,
    named_logs,
    opened_logs,
    served_paths,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError, explain_os_error
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.effects import find_forbidden
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.reduced import find_untried, rehearse_reduced
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.second_httpd import (
    guarded,
    read_lines,
    resource_limits,
    serving,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.trial import (
    Draft,
    Result,
    Scratch,
    Trial,
    admit_probes,
    find_escapes,
    list_untwinned,
    refused_as_weak,
    unreadable_client_ca,
)
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Parts, hash_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers

SECONDS = 60.0
_MOST_IN_FOLDER = 4096  # of CAs, which may have to be copied

# File systems of the kernel's, and folders that hold more than logs: not emptied for a log that stands right in them.
_KERNEL = ("/dev", "/proc", "/sys")
_NEVER_HIDDEN = (*_KERNEL, "/", "/etc", "/usr", "/var", "/run", "/home", "/root", "/opt", "/srv")

# Directives that name a file which httpd writes, or a folder for such files.
_STATE = ("scriptlog", "scriptsock", "pidfile", "scoreboardfile", "sslsessioncache", "sslstaplingcache", "cacheroot")
_OTHERS = ("secauditlog", "secdebuglog", "jklogfile", "jkshmfile", "davlockdb", "fcgidipcdir")
_STORES = ("mdstoredir",)  # folders from which httpd reads as it starts, too
_MOST_STORES = 8
_WRITTEN = {*LOG_DIRECTIVES, *_STATE, *_OTHERS, "fcgidprocesstablefile", "wsgisocketprefix", "defaultruntimedir"}


def rehearse(trial: Trial) -> Result:
    """Try the change. Nothing on the disk is touched, and nothing is left."""
    reason = effects.find_effects(trial.server.binary, trial.without_us)
    if not reason:
        try:
            result = _full(trial)
            if result.programs and not trial.change.allowed:
                before = _full(replace(trial, change=Draft(), sites=())).programs
                more = dict.fromkeys(path for path in result.programs if path not in before)
                result = replace(result, unpermitted=tuple(more))
            hosted = effects.find_hosted(trial.without_us) if result.broken else None
            if not hosted or _starts_without_change(trial):
                return result
            reason = f"httpd does not start where it reaches nobody, perhaps because of {hosted.name} ({hosted.place})"
        except sandbox.Unavailable as error:
            reason = f"no private namespaces are to be had here ({error})"
        except _StartsPrograms as error:
            reason = str(error)
    return rehearse_reduced(trial, reason + find_untried(trial.without_us))


def _starts_without_change(trial: Trial) -> bool:
    """Whether httpd starts in a private world as it is."""
    return trial.change != Draft() and not _full(replace(trial, change=Draft(), sites=())).broken


class _StartsPrograms(Exception):
    """httpd does not start without programs that it starts itself. The message is the reason."""


def _full(trial: Trial, logs_told: Sequence[str] = (), stores_told: Sequence[str] = ()) -> Result:
    """Try it in a private world, where C(logs_told) may be written besides what the texts of the change name.

    C(stores_told): folders where httpd would write, and may read too.
    """
    server, store, without_us = trial.server, trial.store, trial.without_us
    change, sites, probes = trial.change, trial.sites, trial.probes

    def act() -> dict[str, Any]:
        private = Store(store.conf, Scratch())
        try:
            for release, folder in change.releases:
                private.stage(release, folder)
            private.switch(change.changes)
        except OSError as error:
            return asdict(_End(faults=[explain_os_error(error)], complete=True))
        faults = [
            fault
            for site in sites
            for fault in unreadable_client_ca(site, store.path(site.domain, "current", CLIENT_CA))
        ]
        if faults:
            return asdict(_End(faults=faults))
        twins = {
            site.domain: admit_probes(private.disk, site, store.path(site.domain, "current"), probes) for site in sites
        }
        server.forget()
        try:
            described = server.describe()
        except HttpdError as error:
            return asdict(_End(str(error)))
        places = {store.path(site.domain, "current", SITE): site for site in sites}
        opened, served = opened_logs(described, places), served_paths(described)
        beyond = find_escapes(server, private.disk, described, places, _texts(change))
        beyond += find_forbidden(server, without_us, described, places, change.allowed)
        beyond += conflicts.find_added_names(without_us, described, places, {})
        if beyond:
            return asdict(_End(faults=beyond))
        # A read-only mount stops no writes to a FIFO or a device, so these are refused here, and explained outside.
        irregular = [log for log in opened if os.path.exists(log) and not os.path.isfile(log) and log != os.devnull]
        if irregular:
            return asdict(_End(logs=irregular, served=served))
        faults = standing.find_misplaced(store, described, sites) + bypasses.find_openings(described, store, sites)
        tried = [(site, address) for site in sites for address in standing.addresses(site, described)]
        _welcome(private, described, tried, probes)
        scratch = os.path.join(sandbox.SCRATCH, "run")
        os.mkdir(scratch, 0o755)
        instead = [
            f'PidFile "{scratch}/pid"',
            f'ErrorLog "{scratch}/error.log"',
            f'Mutex "file:{scratch}" default',
            f'DefaultRuntimeDir "{scratch}"',
            "MaxConnectionsPerChild 0",  # One process is all that there is here: nobody would take its place.
        ]
        arguments = [word for each in instead for word in ("-c", each)]
        logs = Logs([os.path.join(without_us.log_folder, site.error_log) for site in sites if site.error_log])
        with guarded(scratch) as guard, serving(server, arguments, guard, logs) as start:
            programs = list(start.programs)
            if start.broken:
                weak = refused_as_weak(start.broken, sites)
                broken = "" if weak else start.broken
                every = opened_logs(described, [store.path(domain, "current", SITE) for domain in store.domains()])
                every += _written_files(described)
                return asdict(_End(broken, faults + weak, False, programs, opened, every, served))
            with _standing_in(private, described, sites, os.path.join(scratch, "error.log")) as content:
                occasion = handshakes.Occasion(described, handshakes.Stage.REHEARSAL, twins=twins, canaries=content)
                for site, address in tried:
                    door = standing.find_door(described, address, site.port)
                    found = handshakes.try_site(occasion, site, door, probes)
                    # A site that is open by its own door needs no search for ways around it.
                    faults += found or try_detours(private, content, site, address, probes)
                # Nor are other doors tried then.
                faults += [] if faults else Doors(content, tried, trial.accepted, probes).find_open()
        faults = protocols.name_limits(private, described, sites, faults)
        end = _End(faults=faults, complete=True, programs=programs, logs=opened, served=served)
        warnings = tuple(dict.fromkeys([*list_untwinned(twins), *content.warnings]))
        return asdict(replace(end, warnings=warnings, dressed=content.dressed))

    try:
        value = sandbox.run(_world(trial, logs_told, stores_told), act, SECONDS + len(sites))
    except (TimeoutError, RuntimeError) as error:
        fault = Fault("rehearsal-failed", "", f"the rehearsal itself failed: {error}", "")
        return Result("full", "", (fault,), "", True)
    rules = log_rules(server, store, without_us, value["served"])  # Out here, as log folders are empty inside.
    faults = [Fault(**each) for each in value["faults"]]
    misplaced = [fault for log in value["logs"] for fault in rules.faults(log)]
    if complaints.writes_to_read_only(value["broken"]):
        if misplaced:
            return Result("full", "", (*faults, *misplaced), "", False)
        if set(value["written"]) - set(logs_told):  # Of variables, macros and included files.
            return _full(trial, value["written"], stores_told)
        # What a module keeps where no directive says.
        stores = [path for path in complaints.find_folders(value["broken"]) if os.path.isdir(path)]
        if set(stores) - {*stores_told, *_NEVER_HIDDEN} and len(stores_told) < _MOST_STORES:
            return _full(trial, logs_told, [*stores_told, *stores])
        if change == Draft():
            raise sandbox.Unavailable(f"the configuration writes where a rehearsal may not: {value['broken']}")
        # Raises Unavailable where that is so without the change too. Else a site could choose how it is rehearsed.
        _full(replace(trial, change=Draft(), sites=()))
    if value["broken"] and value["programs"]:
        raise _StartsPrograms(f"httpd does not start without what it starts itself ({', '.join(value['programs'])})")
    faults += misplaced
    warnings = tuple(Fault(**each) for each in value["warnings"])
    return Result(
        "full",
        "",
        tuple(faults),
        value["broken"],
        value["complete"],
        tuple(value["programs"]),
        warnings=warnings,
        dressed=value["dressed"],
    )


@dataclass(frozen=True)
class _End:
    """How a rehearsal ended inside.

    broken, complete, programs, warnings, dressed: as in a `Result`. logs: those that httpd would open for the sites
    that are tried; written: for these and all others that are there. served: what served_paths tells.
    """

    broken: str = ""
    faults: Sequence[Fault] = ()
    complete: bool = False
    programs: Sequence[str] = ()
    logs: Sequence[str] = ()
    written: Sequence[str] = ()
    served: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[Fault] = ()
    dressed: Mapping[str, str] = field(default_factory=dict)


def _texts(change: Draft) -> dict[str, bytes]:
    """Each site.conf without extra_directives, by domain, as it would lie in the release's folder."""
    return {
        release.domain: quoting.filled(change.without_extra[release.domain].decode(), folder).encode()
        for release, folder in change.releases
        if release.domain in change.without_extra
    }


def _welcome(
    store: Store, described: Description, tried: Sequence[tuple[SiteFacts, str]], probes: answers.Probes
) -> None:
    """Have the virtual hosts beside the sites let the throwaway CA's client in too, so that it has a session there.

    What is theirs stays beside it, and so is loaded by the same start. Where it cannot be, `try_detours` tells.
    """
    folders: dict[str, dict[str, bytes]] = {}
    for path, name in standing.their_clients(store, described, tried).items():
        is_list = "revocation" in name
        more = probes.crl if is_list else probes.ca
        if name.endswith("path"):
            files = folders.setdefault(os.path.realpath(path), {})
            files.update(_name_in_folder(path, probes.ca, more, "r" if is_list else ""))
            continue
        # httpd itself says best what it cannot read, and ours in it would make any file a good one.
        with suppress(OSError):
            material.read_as(name, path)
            known = Path(path).read_bytes()
            if more not in known:
                sandbox.replace(path, known + b"\n" + more)
    for folder, files in folders.items():
        with suppress(OSError, sandbox.Unavailable):
            if len(os.listdir(folder)) <= _MOST_IN_FOLDER:
                sandbox.plant(folder, files, copies=True)


def _name_in_folder(folder: str, authority: bytes, content: bytes, kind: str) -> dict[str, bytes]:
    """A throwaway CA (PEM), or what it issued, as a file by the name under which OpenSSL looks for it in a folder."""
    subject = Parts.of(ssl.PEM_cert_to_DER_cert(authority.decode("ascii"))).subject
    names = (f"{hash_name(subject)}.{kind}{number}" for number in itertools.count())
    return {next(name for name in names if not os.path.lexists(os.path.join(folder, name))): content}


def _written_files(described: Description) -> list[str]:
    """The files that directives name to be written, or folders for such files."""
    named = [each.words[0] for each in described.directives if each.name.lower() in _WRITTEN and each.words]
    paths = (re.sub(r"\(.*\)$|^\w+:", "", word) for word in named if not word.startswith(("|", "syslog")))
    return [described.path(path) for path in paths]


_BELOW_RUN = re.compile(r"(?<![\w.])(?:/var)?/run/[^\s\"'|]+")


def _world(trial: Trial, logs_told: Sequence[str], stores_told: Sequence[str]) -> sandbox.World:
    server, store, without_us = trial.server, trial.store, trial.without_us
    change, sites = trial.change, trial.sites
    folders = {store.conf} | {
        os.path.dirname(each.path)
        for each in change.changes
        if not each.path.startswith(store.conf + "/") or trusted_paths.lies_below(each.path, store.root)
    }
    folders = {folder for folder in folders if folder == store.conf or not trusted_paths.lies_below(folder, store.conf)}
    needed = {
        server.binary,
        server.config,
        without_us.server_root,
        *without_us.files,
        *server.module_folders(),
        *folders,
    }
    written = {
        os.path.dirname(without_us.pid_file),
        without_us.runtime_folder,
        os.path.dirname(without_us.error_log),
        "/tmp",
        "/var/tmp",
    }
    for path in _written_files(without_us):
        written.add(path if os.path.isdir(path) else os.path.dirname(path))
    for each in without_us.directives:
        if each.name.lower() not in _WRITTEN:
            needed |= {without_us.path(word) for word in each.words if "/" in word}
    present = list(sites)
    for domain in set(store.domains()) - {site.domain for site in sites}:
        with suppress(StoreError):  # One that is damaged is tried as far as it is read.
            present.append(store.facts(domain))
    written |= {without_us.log_folder} | {os.path.dirname(log) for site in present for log in site.logs}
    texts = [release.public[SITE].decode() for release, _folder in change.releases]
    present_texts = ["\n".join(read_lines(store.path(domain, "current", SITE))) for domain in store.domains()]
    # What sites name below /run is there inside too, as what the server's own configuration names.
    needed |= {path for text in texts + present_texts for path in _BELOW_RUN.findall(text)}
    # What a link leads to may lie beside logs: sites-enabled/ often leads into somebody's home.
    needed |= {without_us.real_path(os.path.normpath(path)) for path in needed}
    logs = [*logs_told, *(log for text in texts + present_texts for log in named_logs(text))]
    written |= {os.path.dirname(without_us.path(log)) for log in logs}
    hidden: list[str] = []
    overlays = sorted(folders)
    for folder in sorted({os.path.realpath(folder) for folder in written if folder}):
        if trusted_paths.lies_below(folder, sandbox.RUN):  # empty inside, and to be written to
            continue
        known = [*hidden, *folders, *_NEVER_HIDDEN]
        if (
            not os.path.isdir(folder)
            or folder in known
            or any(trusted_paths.lies_below(folder, each) for each in (*hidden, *_KERNEL))
        ):
            continue
        if not any(trusted_paths.lies_below(path, folder) and os.path.lexists(path) for path in needed):
            hidden.append(folder)
        elif folder not in ("/tmp", "/var/tmp"):
            overlays.append(folder)
    named = [without_us.path(each.words[0]) for each in without_us.named(*_STORES) if each.words]
    for folder in dict.fromkeys(map(os.path.realpath, [*named, *stores_told])):
        if os.path.isdir(folder) and folder not in (*hidden, *overlays, *_NEVER_HIDDEN):
            overlays.append(folder)
    listens = [endpoint(each.words[0])[0] for each in without_us.listens]
    listens += [endpoint(address)[0] for host in without_us.virtual_hosts for address in host.addresses]
    listens += [address for site in present for address in site.listen]
    wanted = [each for each in dict.fromkeys(listens) if standing.numeric(each)]
    # A name that stands in /etc/hosts is known inside too; told twice, it would be listened on twice.
    told = {word for line in read_lines("/etc/hosts") for word in line.partition("#")[0].lower().split()}
    names = [each for each in dict.fromkeys(listens) if each and not standing.numeric(each)]
    names = [each for each in names if each.lower() not in told]
    hosts = "".join(f"{address} {name}\n" for name in names for address in resolve(name))
    ipv6 = any(":" in each for each in wanted)
    around = canaries.plan_surroundings(without_us, texts + present_texts, _known_hosts(), ipv6=ipv6)
    hosts += "".join(f"{address} {name}\n" for address, name in around.names if name not in names)
    added = {"/etc/hosts": hosts, **_accounts(without_us)}
    return sandbox.World(
        overlays=sorted(overlays, key=len),
        hidden=hidden,
        addresses=list(
            dict.fromkeys([*(each for each in wanted if not ipaddress.ip_address(each).is_loopback), *around.addresses])
        ),
        added={path: text for path, text in added.items() if text and os.path.isfile(path)},
        kept=sorted(path for path in map(os.path.realpath, needed) if trusted_paths.lies_below(path, sandbox.RUN)),
        limits=resource_limits(server),
        sealed=effects.find_hosted(without_us) is not None,  # Nobody knows what the operator's code does.
    )


def _known_hosts() -> list[tuple[str, str]]:
    """The names of /etc/hosts, each behind its address."""
    lines = [line.partition("#")[0].split() for line in read_lines("/etc/hosts")]
    return [(words[0], name) for words in lines for name in words[1:] if standing.numeric(words[0])]


@contextmanager
def _standing_in(
    store: Store, described: Description, sites: Sequence[SiteFacts], log: str
) -> Iterator[canaries.Canaries]:
    """Inside, once httpd serves: have canaries stand for the content of the sites. C(log): the server's error log."""
    word = secrets.token_hex(16).encode()
    stand_ins = StandIns(word, USER_AGENT.encode())
    places = [store.path(site.domain, "current", SITE) for site in sites]
    content = canaries.Canaries(described, word, stand_ins, described.mounts, [log, *opened_logs(described, places)])
    for site in sites:
        host = standing.find_host(store, described, site)
        if host:
            content.hosts[site.domain] = host
            content.plant(site, host)
            content.replace_backends(site, host)
    with stand_ins.serving():
        yield content


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
