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

import ipaddress
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
    Description,
    Directive,
    endpoint,
    join_endpoint,
    split,
)
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.parents import REHEARSAL
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes, sandbox, trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError, Logs, own_words
from ansible_collections.mtls.httpd.plugins.module_utils._machine.programs import Solitary, available
from ansible_collections.mtls.httpd.plugins.module_utils._plan import defines, had
from ansible_collections.mtls.httpd.plugins.module_utils._site import (
    bypasses,
    containment,
    handshakes,
    material,
    standing,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import (
    LOG_DIRECTIVES,
    LOG_LINE,
    log_rules,
    named_logs,
    opened_logs,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Change, Disk, File, StoreError, why
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, EMPTY, SITE, Facts
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import lock_path
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release, mode_of
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

SECONDS = 60.0
_READY = 20.0
# A program is tried to be started by a child of httpd's, which may come to it after httpd is ready.
_SOON, _LATER = 0.01, 0.1

# File systems of the kernel's, and folders that hold more than logs: not emptied for a log that stands right in them.
_KERNEL = ("/dev", "/proc", "/sys")
_NEVER_HIDDEN = (*_KERNEL, "/", "/etc", "/usr", "/var", "/run", "/home", "/root", "/opt", "/srv")

# Directives that name a file which httpd writes, or a folder for such files.
_STATE = ("scriptlog", "scriptsock", "pidfile", "scoreboardfile", "sslsessioncache", "sslstaplingcache", "cacheroot")
_OTHERS = ("secauditlog", "secdebuglog", "jklogfile", "jkshmfile", "davlockdb", "fcgidipcdir", "wsgisocketprefix")
_WRITTEN = {*LOG_DIRECTIVES, *_STATE, *_OTHERS, "fcgidprocesstablefile", "defaultruntimedir"}
# Directives that name a program to start with httpd: how their word for it begins, and what it is.
_LOGGERS = (*LOG_DIRECTIVES, "secauditlog", "secdebuglog", "secguardianlog", "jklogfile")
_PROGRAMS: dict[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(_LOGGERS, (("|",), "a piped logger")),
    "rewritemap": (("prg:",), "a rewriting program"),
    "sslpassphrasedialog": (("exec:", "|"), "a program that tells a passphrase"),
    "sslrandomseed": (("exec:",), "a program that makes random numbers"),
}
# Directives that start processes, or reach out, as soon as httpd starts.
_EFFECTS = {
    "wsgidaemonprocess",
    "passengerroot",
    "perlrequire",
    "perlmodule",
    "perlpostconfigrequire",
    "fastcgiserver",
    "mdomain",
    "<mdomainset",
}

# Sections that, outside of virtual hosts, hold for requests to each of them.
_REACHING = re.compile("(Location|LocationMatch|If|ElseIf|Else)( |$)", re.IGNORECASE)


@dataclass(frozen=True)
class Draft:
    """What is tried: releases with the folders they get, and the switch. Empty for the configuration as it stands.

    without_extra: site.conf without the site's extra_directives, by domain.
    """

    releases: Sequence[tuple[Release, str]] = ()
    changes: Sequence[Change] = ()
    # Domains of the sites that may start programs.
    allowed: frozenset[str] = frozenset()
    without_extra: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """How a rehearsal ended.

    C(full) or C(reduced) and why; the faults found, one line each; what httpd said when it did not start; whether each
    site was tried; the programs that it would have started, by path.
    """

    mode: str
    reason: str
    faults: tuple[str, ...]
    broken: str
    complete: bool
    programs: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Start:
    """How httpd started: what it said where it did not, and the programs that it would have started, by path."""

    broken: str
    programs: tuple[str, ...]


# -- the full rehearsal


def rehearse(
    server: Server, store: Store, user: Description, change: Draft, sites: Sequence[Facts], probes: answers.Probes
) -> Result:
    """Try the change. C(user) is the configuration without us. Nothing on the disk is touched, and nothing is left."""
    reason = effects(user)
    if not reason:
        try:
            result = _full(server, store, user, change, sites, probes)
            if result.programs and not change.allowed:
                before = _full(server, store, user, Draft(), [], probes).programs
                more = dict.fromkeys(path for path in result.programs if path not in before)
                unseen = [f"httpd would start {path}, which it does not without this change" for path in more]
                result = replace(result, faults=(*result.faults, *unseen))
            return result
        except sandbox.Unavailable as error:
            reason = f"no private namespaces are to be had here ({error})"
        except _StartsPrograms as error:
            reason = str(error)
    return _reduced(server, store, user, change, sites, probes, reason + _untried(user))


class _StartsPrograms(Exception):
    """httpd does not start without programs that it starts itself. The message is the reason."""


def effects(user: Description) -> str:
    """Why the live configuration is not started in full beside the live server; empty where it can be."""
    return next((f"{words} ({each.place})" for each, words in _effective(user)), "")


def _effective(described: Description) -> Iterator[tuple[Directive, str]]:
    """Each directive that has effects as soon as httpd starts, and which."""
    for each in described.directives:
        name = each.name.lower()
        beginnings, words = _PROGRAMS.get(name, ((), ""))
        if any(word.lstrip().startswith(beginnings) for word in each.words):
            yield each, f"{words} would be started"
        elif name in _EFFECTS:
            yield each, f"{each.name.lstrip('<')} has effects as soon as httpd starts"


def _forbidden(
    server: Server,
    user: Description,
    described: Description,
    places: Mapping[str, Facts],
    allowed: Container[str],
) -> list[str]:
    """What sites would start and may not, or may, and this host could not keep a rehearsal from it; one fault each.

    C(described): the changed configuration. C(places): the sites by the path of their site.conf in it. C(allowed): the
    domains of sites that may.
    """
    known = {(each.place, each.name, each.arguments) for each in user.directives}
    faults = []
    for each, words in _effective(described):
        if (each.place, each.name, each.arguments) in known:
            continue
        for path, site in places.items():
            including = standing.host_of(site, described)
            own = path in each.file  # or in the macro that it is of
            inside = own or path in each.host or (including and each.host == including.place)
            place = f"line {each.line} of its site.conf" if own else each.place
            if inside and site.domain not in allowed:
                faults.append(f"{site.domain}: {words} ({place}): take it out, or set 'allow_programs' for this site")
            elif inside and not _is_confined(server):
                faults.append(f"{site.domain}: {words} ({place}), from which this host could not keep a rehearsal")
    return list(dict.fromkeys(faults))


def _full(
    server: Server, store: Store, user: Description, change: Draft, sites: Sequence[Facts], probes: answers.Probes
) -> Result:
    def act() -> dict[str, Any]:
        private = Store(store.conf, _Scratch())
        try:
            for release, folder in change.releases:
                private.stage(release, folder)
            private.switch(change.changes)
        except OSError as error:
            return _ended(faults=[why(error)], complete=True)
        faults = [fault for site in sites for fault in _unread(site, store.path(site.domain, "current", CLIENT_CA))]
        if faults:
            return _ended(faults=faults)
        for site in sites:
            _furnish(private.disk, site, store.path(site.domain, "current"), probes)
        server.forget()
        try:
            described = server.describe()
        except HttpdError as error:
            return _ended(str(error))
        places = {store.path(site.domain, "current", SITE): site for site in sites}
        opened = opened_logs(described, places)
        beyond = _beyond(server, private.disk, described, places, _texts(change), {})
        beyond += _forbidden(server, user, described, places, change.allowed)
        if beyond:
            return _ended(faults=beyond)
        faults = standing.misplaced(store, described, sites) + bypasses.find_openings(described, store, sites)
        tried = [(site, address) for site in sites for address in standing.addresses(site, described)]
        _welcome(private, described, tried, probes)
        scratch = os.path.join(sandbox.SCRATCH, "run")
        os.mkdir(scratch, 0o755)
        instead = [
            f'PidFile "{scratch}/pid"',
            f'ErrorLog "{scratch}/error.log"',
            f'Mutex "file:{scratch}" default',
            f'DefaultRuntimeDir "{scratch}"',
        ]
        arguments = [word for each in instead for word in ("-c", each)]
        logs = Logs([os.path.join(user.log_folder, site.error_log) for site in sites if site.error_log])
        with _guarded(scratch) as guard, _serving(server, arguments, scratch, guard, logs) as start:
            programs = list(start.programs)
            if start.broken:
                weak = _weak(start.broken, sites)
                broken = "" if weak else start.broken
                return _ended(broken, faults + weak, programs=programs)
            for site, address in tried:
                found = handshakes.try_site(described, site, address, probes, throwaway=True)
                # Where the door itself is open, a way around it says nothing.
                faults += found or handshakes.try_detours(private, described, site, address, probes)
        return _ended(faults=faults, complete=True, programs=programs, logs=opened)

    try:
        value = sandbox.run(_world(server, store, user, change, sites), act, SECONDS + len(sites))
    except (TimeoutError, RuntimeError) as error:
        return Result("full", "", (f"the rehearsal itself failed: {error}",), "", True)
    if "Read-only file system" in value["broken"]:
        raise sandbox.Unavailable(f"the configuration writes where a rehearsal may not: {value['broken']}")
    if value["broken"] and value["programs"]:
        raise _StartsPrograms(f"httpd does not start without what it starts itself ({', '.join(value['programs'])})")
    rules = log_rules(server, store, user)  # What is there is hidden inside.
    faults = [*value["faults"], *(fault for log in value["logs"] for fault in rules.faults(log))]
    return Result("full", "", tuple(faults), value["broken"], value["complete"], tuple(value["programs"]))


def _ended(
    broken: str = "",
    faults: Sequence[str] = (),
    *,
    complete: bool = False,
    programs: Sequence[str] = (),
    logs: Sequence[str] = (),
) -> dict[str, Any]:
    """How it ended inside, as it comes out: all of it is fit for JSON."""
    return {"broken": broken, "faults": [*faults], "complete": complete, "programs": [*programs], "logs": [*logs]}


def _texts(change: Draft) -> dict[str, bytes]:
    """Each site.conf without extra_directives, by domain, as it would lie in the release's folder."""
    return {
        release.domain: quoting.filled(change.without_extra[release.domain].decode(), folder).encode()
        for release, folder in change.releases
        if release.domain in change.without_extra
    }


def _beyond(
    server: Server,
    disk: Disk,
    described: Description,
    places: Mapping[str, Facts],
    texts: Mapping[str, bytes],
    defines: Mapping[str, str],
) -> list[str]:
    """What extra_directives do outside of their sites' virtual hosts: the configuration is described without them too.

    C(places): the sites by the path of their site.conf. C(texts): that without extra_directives, by domain. C(defines):
    the variables that the server's own configuration defines, with their values; a reduced one does not.
    """
    extended = {path: site for path, site in places.items() if site.domain in texts}
    if not extended:
        return []
    kept = {path: File(Path(path).read_bytes(), mode_of(path)) for path in extended}
    try:
        for path, site in extended.items():
            disk.put(path, File(texts[site.domain], mode_of(path)))
        server.forget()
        without = server.describe()
    except HttpdError as error:
        return [f"without the option 'extra_directives', on which something else may lean: {error}"]
    finally:
        for path, file in kept.items():
            disk.put(path, file)
        server.forget()
    told = [replace(each, defines={**defines, **each.defines}) for each in (described, without)]
    return containment.escapes(told[0], told[1], extended)


class _Scratch(Disk):
    """Writes to what is gone when the rehearsal ends."""

    def rename(self, old: str, new: str) -> None:
        # An overlay renames no folder (EXDEV).
        shutil.copytree(old, new)
        shutil.rmtree(old)

    def label(self, *paths: str) -> None:
        pass

    @staticmethod
    def _sync(folder: str) -> None:
        pass


def _unread(site: Facts, path: str) -> list[str]:
    """What OpenSSL says against a client CA file, before the throwaway CA in it would make any file a good one."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        return [f"{site.domain}: httpd cannot read the client CA file: {material.why(error)}"]
    return []


def _furnish(disk: Disk, site: Facts, folder: str, probes: answers.Probes) -> None:
    """Ready a site's files for the rehearsal. They are written anew, as files of an unmapped owner take no more.

    The throwaway CA joins the client CAs, its revocation list theirs, and its clients are those that are compared
    whole. The client CAs join the chain behind the certificate, where OpenSSL holds keys and signatures against its
    security level (SSL_CTX_set_security_level(3)) at once, and not only when Chat comes.
    """
    authorities, chain = os.path.join(folder, CLIENT_CA), os.path.join(folder, f"{site.domain}.crt")
    known = Path(authorities).read_bytes()
    disk.put(authorities, File(known + probes.ca, mode_of(authorities)))
    if site.crl_check != "none":
        revoked = os.path.join(folder, CRL)
        disk.put(revoked, File(Path(revoked).read_bytes() + probes.crl, mode_of(revoked)))
    disk.put(chain, File(Path(chain).read_bytes() + b"\n" + known, mode_of(chain)))
    for pin, name in site.pinned_files.items():
        if pin in probes.pinned:
            disk.put(os.path.join(folder, name), File(probes.pinned[pin].certificate, mode_of(name)))


def _welcome(store: Store, described: Description, tried: Sequence[tuple[Facts, str]], probes: answers.Probes) -> None:
    """Have the virtual hosts beside the sites let the throwaway CA's client in too, so that it has a session there."""
    for path, name in standing.their_clients(store, described, tried).items():
        more = probes.ca if name == "sslcacertificatefile" else probes.crl
        # httpd itself says best what it cannot read, and ours in it would make any file a good one.
        with suppress(OSError):
            material.read_as(name, path)
            known = Path(path).read_bytes()
            if more not in known:
                sandbox.replace(path, known + b"\n" + more)


def _weak(broken: str, sites: Sequence[Facts]) -> list[str]:
    """The fault, where httpd did not start because of a client CA that `_furnish` showed to it."""
    found = re.search(r"AH02562: .*?/([^/]+)\.crt;.*::(ca (?:key|md) too (?:small|weak))", broken)
    if found is None or found[1] not in {site.domain for site in sites}:
        return []
    told = f"{found[1]}: OpenSSL on this host refuses a client CA, or a CA in the certificate's chain"
    return [f"{told}, by its security level ({found[2]}), and so every client of it: have a stronger one issued"]


@contextmanager
def _guarded(scratch: str) -> Iterator[int]:
    """Keep a child that cleans up when we end, however we do: it removes C(scratch), and all that _serving started.

    Yields the end of a pipe that it listens to. PR_SET_PDEATHSIG would not do: httpd loses it when it changes its user
    (prctl(2)).
    """
    read, write = os.pipe()
    guard = os.fork()
    if guard == 0:
        try:
            os.setsid()
            os.close(write)
            with open(read, "rb") as stream:
                groups = stream.read().split()  # to its end, which is ours
            for group in groups:
                # With what httpd's modules started, such as mod_cgid's daemon.
                with suppress(ProcessLookupError):
                    os.killpg(int(group), signal.SIGKILL)
            # Nobody is left to tell; the next run removes what stays.
            shutil.rmtree(scratch, ignore_errors=True)
        finally:
            os._exit(0)
    os.close(read)
    try:
        yield write
    finally:
        os.close(write)
        os.waitpid(guard, 0)


@contextmanager
def _serving(
    server: Server,
    arguments: Sequence[str],
    scratch: str,
    guard: int,
    logs: Logs,
    limits: Mapping[int, tuple[int, int]] | None = None,
) -> Iterator[_Start]:
    """Run httpd as one process group, its PidFile being C(scratch)/pid. It starts no program: none is of the rehearsal.

    Yields how it started; ends it afterwards. C(guard) is what _guarded yields.
    C(logs) are the sites' own error logs, C(limits) its resource limits by number, where they are not ours already.
    """
    words = [server.binary, *server.arguments, *arguments, "-D", REHEARSAL, "-X"]
    alone = Solitary(words, server.environment) if _is_confined(server) else None

    def told() -> None:
        # By httpd itself before it is httpd, so that at no moment it runs unknown to the guard.
        os.setsid()
        os.write(guard, b"%d\n" % os.getpid())
        processes.limit(limits or {})
        if alone:
            # A logger that was not started reads nothing, by which httpd would end before it ignores the signal itself.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            alone.become()

    said = os.path.join(scratch, "said")
    with open(said, "wb") as stream:
        process = subprocess.Popen(
            words,
            env=dict(server.environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            preexec_fn=told,
        )
    try:
        deadline = time.monotonic() + _READY
        broken, programs = "", []
        # Listening comes before keys and certificates are read, the PidFile after it.
        while not os.path.exists(os.path.join(scratch, "pid")):
            programs += alone.tried(0.003) if alone else []
            if process.poll() is not None or time.monotonic() > deadline:
                lines = [line for name in ("said", "error.log") for line in _lines(os.path.join(scratch, name))]
                broken = (
                    own_words(lines + logs.lines()) or f"httpd ended with code {process.returncode} and said nothing"
                )
                break
            if not alone:
                time.sleep(0.003)
        if alone:
            programs += alone.tried(_LATER if programs else _SOON)
            alone.close()  # What a request starts is not of the configuration: it is refused, and not waited for.
        yield _Start(broken, tuple(programs))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_confined(server: Server) -> bool:
    """Whether httpd can be kept from starting programs. A script that is called in its place starts it itself."""
    with open(server.binary, "rb") as stream:
        return stream.read(4) == b"\x7fELF" and available()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def _world(server: Server, store: Store, user: Description, change: Draft, sites: Sequence[Facts]) -> sandbox.World:
    folders = {store.conf} | {
        os.path.dirname(each.path)
        for each in change.changes
        if not each.path.startswith(store.conf + "/") or trusted_paths.lies_below(each.path, store.root)
    }
    folders = {folder for folder in folders if folder == store.conf or not trusted_paths.lies_below(folder, store.conf)}
    needed = {server.binary, server.config, user.server_root, *user.files, *server.module_folders(), *folders}
    written = {os.path.dirname(user.pid_file), user.runtime_folder, os.path.dirname(user.error_log), "/tmp", "/var/tmp"}
    for each in user.directives:
        for number, word in enumerate(each.words):
            if each.name.lower() not in _WRITTEN:
                if "/" in word:
                    needed.add(user.path(word))
            elif number == 0 and not word.startswith(("|", "syslog")):
                path = user.path(re.sub(r"\(.*\)$|^\w+:", "", word))
                written.add(path if os.path.isdir(path) else os.path.dirname(path))
    present = list(sites)
    for domain in set(store.domains()) - {site.domain for site in sites}:
        with suppress(StoreError):  # One that is damaged is tried as far as it is read.
            present.append(store.facts(domain))
    written |= {user.log_folder} | {os.path.dirname(log) for site in present for log in site.logs}
    texts = [release.files[SITE].decode() for release, _folder in change.releases]
    written |= {os.path.dirname(user.path(log)) for text in texts for log in named_logs(text)}
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
    listens = [endpoint(each.words[0])[0] for each in user.listens]
    listens += [endpoint(address)[0] for host in user.virtual_hosts for address in host.addresses]
    listens += [address for site in present for address in site.listen]
    wanted = [each for each in dict.fromkeys(listens) if standing.numeric(each)]
    # A name that stands in /etc/hosts is known inside too; told twice, it would be listened on twice.
    told = {word for line in _lines("/etc/hosts") for word in line.partition("#")[0].lower().split()}
    names = [each for each in dict.fromkeys(listens) if each and not standing.numeric(each)]
    names = [each for each in names if each.lower() not in told]
    return sandbox.World(
        overlays=sorted(overlays, key=len),
        hidden=hidden,
        addresses=[each for each in wanted if not ipaddress.ip_address(each).is_loopback],
        hosts="".join(f"{address} {name}\n" for name in names for address in _resolved(name)),
        kept=sorted(path for path in map(os.path.realpath, needed) if trusted_paths.lies_below(path, sandbox.RUN)),
        limits=_limits(server),
    )


def _resolved(name: str) -> list[str]:
    try:
        return list(
            dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
        )
    except OSError:
        return []


def _limits(server: Server) -> dict[int, tuple[int, int]]:
    if server.parent is None or not server.running():
        return {}
    numbers = {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    found = {}
    for number in numbers:
        try:
            found[number] = resource.prlimit(server.parent.pid, number)
        except (OSError, ValueError):
            continue
    return found


# -- the reduced rehearsal


def _untried(user: Description) -> str:
    """What is to be said of rules of the server level that hold for the sites too, by path or condition.

    Left out is what guards a page of httpd's own, such as server-status.
    """
    own = {(each.file, each.sections) for each in user.directives if each.name.lower() == "sethandler"}
    places = [
        each.place
        for each in user.directives
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


def _reduced(
    server: Server,
    store: Store,
    user: Description,
    change: Draft,
    sites: Sequence[Facts],
    probes: answers.Probes,
    reason: str,
) -> Result:
    broken = material.material_faults(user)
    if broken or not sites:
        return Result("reduced", reason, (), "; ".join(broken), not broken)
    scratch = rehearsal_folder(store)
    shutil.rmtree(scratch, ignore_errors=True)
    disk = _Scratch()
    with _guarded(scratch) as guard:  # before a key is written
        disk.folder(scratch)
        here = standing.locally("")
        ports = dict(zip(sorted({site.port for site in sites}), _free_ports(here, len({site.port for site in sites}))))
        planned = {release.domain: release for release, _folder in change.releases}
        faults: list[str] = []
        texts: dict[str, bytes] = {}
        for site in sites:
            folder = os.path.join(scratch, site.domain)
            release = planned.get(site.domain) or store.read(site.domain, "current")
            files = release.filled(folder)
            place = join_endpoint(here, ports[site.port])
            if site.included:
                name = quoting.directive(site.domain)
                host = f"<VirtualHost *:{site.port}>\nServerName {name}\n{files[SITE].decode()}</VirtualHost>\n"
                files[SITE] = host.encode()
            files[SITE] = _moved(files[SITE], site.port, place, scratch)
            if site.domain in change.without_extra:
                text = quoting.filled(change.without_extra[site.domain].decode(), folder).encode()
                texts[site.domain] = _moved(text, site.port, place, scratch)
            for each in (folder, os.path.join(folder, EMPTY)):
                disk.folder(each)
            for name, content in files.items():
                disk.write(os.path.join(folder, name), File(content, mode_of(name)))
            faults += _unread(site, os.path.join(folder, CLIENT_CA))
            _furnish(disk, site, folder, probes)
        if faults:
            return Result("reduced", reason, tuple(faults), "", False)
        needed = [name for site in sites for name in (*site.modules, *had(server, user, site))]
        modules = list(dict.fromkeys(["ssl", *needed]))
        config = os.path.join(scratch, "httpd.conf")
        paths = [os.path.join(scratch, site.domain, SITE) for site in sites]
        listens = [join_endpoint(here, port) for port in ports.values()]
        disk.write(config, File(_minimal(server, user, scratch, listens, modules, paths).encode()))
        alone = replace(server, arguments=("-f", config), parent=None, config=config, _descriptions={})
        try:
            described = alone.describe()
        except HttpdError as error:
            return Result("reduced", reason, (), str(error), False)
        places = dict(zip(paths, sites))
        faults += _beyond(alone, disk, described, places, texts, user.defines)
        faults += _forbidden(server, user, described, places, change.allowed)
        rules = log_rules(server, store, user)
        for log in opened_logs(described, places):
            faults += rules.faults(log) if not trusted_paths.lies_below(log, scratch) else []
        if faults:
            return Result("reduced", reason, tuple(faults), "", False)
        logs = Logs([os.path.join(scratch, os.path.basename(site.error_log)) for site in sites if site.error_log])
        with _serving(alone, [], scratch, guard, logs, _limits(server)) as start:
            said = start.broken
            weak = _weak(said, sites)
            if weak:
                faults, said = faults + weak, ""
            elif not said:
                for site in sites:
                    port = ports[site.port]
                    faults += handshakes.try_site(described, site, here, probes, throwaway=True, port=port)
        return Result("reduced", reason, tuple(faults), said, not (weak or said), start.programs)


def rehearsal_folder(store: Store) -> str:
    """The folder of a reduced rehearsal: for root in memory (/run), as private keys lie in it."""
    if os.geteuid() == 0 and os.path.isdir("/run"):
        return lock_path(store.conf).removesuffix(".lock") + ".rehearsal"
    return os.path.join(store.conf, ".mtls-rehearsal")


def _moved(text: bytes, port: int, place: str, scratch: str) -> bytes:
    """A site's text with the virtual hosts of its port at C(place), of the loopback; others keep theirs, unheard.

    Its logs go to C(scratch).
    """
    moved = re.sub(rf"(?im)^(\s*<VirtualHost)\s[^>]*:{port}\s*>", rf"\1 {place}>", text.decode())

    def instead(found: re.Match[str]) -> str:
        log = os.path.basename(split(found.group(2))[0])
        return found.group(1) + quoting.directive(os.path.join(scratch, log))

    return LOG_LINE.sub(instead, moved).encode()


def _minimal(
    server: Server,
    user: Description,
    scratch: str,
    listens: Sequence[str],
    modules: Sequence[str],
    sites: Sequence[str],
) -> str:
    """A configuration with the live server's modules and its server-level SSL directives, and the sites."""

    def quoted(value: object) -> str:
        return quoting.directive(value)

    lines = [
        f"ServerRoot {quoted(user.server_root)}",
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
    for path in user.files:
        for name, file in re.findall(
            r'^\s*LoadModule\s+(\w+)\s+"?([^"\n]+?)"?\s*$', "\n".join(_lines(path)), re.MULTILINE | re.IGNORECASE
        ):
            if name in user.modules:
                lines += [f"<IfModule !{name}>", f"LoadModule {name} {quoted(user.path(file))}", "</IfModule>"]
    for name in modules:
        loaded = f"LoadModule {name}_module {quoted(server.module(f'mod_{name}.so'))}"
        lines += [f"<IfModule !{name}_module>", loaded, "</IfModule>"]
    lines += defines(server, user)
    lines += ["<IfModule mime_module>", "TypesConfig /dev/null", "</IfModule>"]
    if os.geteuid() == 0:
        lines += [f"User {user.user}", f"Group {user.group}"]
    for each in user.directives:
        if (
            not each.sections
            and each.name.lower().startswith("ssl")
            and each.name.lower() not in ("sslsessioncache", "sslstaplingcache", "sslrandomseed")
        ):
            lines.append(f"{each.name} {each.arguments}")
    lines += [f"Include {quoted(quoting.path(site))}" for site in sites]
    return "\n".join(lines) + "\n"


def _free_ports(address: str, count: int) -> list[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sockets = [socket.create_server((address, 0), family=family) for _number in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
