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

import itertools
import os
import secrets
import ssl
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import complaints, quoting
from ansible_collections.mtls.httpd.plugins.module_utils._machine import private_mounts, sandbox
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError, Logs
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.stand_ins import StandIns
from ansible_collections.mtls.httpd.plugins.module_utils._site import (
    bypasses,
    canaries,
    conflicts,
    handshakes,
    material,
    misplaced,
    protocols,
    standing,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.asking import Asker
from ansible_collections.mtls.httpd.plugins.module_utils._site.detours import try_detours
from ansible_collections.mtls.httpd.plugins.module_utils._site.doors import find_open
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import (
    log_rules,
    opened_logs,
    served_paths,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.plain_backends import find_plain_texts
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import explain_os_error
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.effects import find_forbidden
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.reduced import find_untried, rehearse_reduced
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.second_httpd import (
    guarded,
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
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.world import (
    NEVER_HIDDEN,
    plan_world,
    written_files,
)
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Parts, hash_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description

SECONDS = 60.0
_MOST_IN_FOLDER = 4096  # of CAs, which may have to be copied
_MOST_STORES = 8


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
        except private_mounts.Unavailable as error:
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
    try:
        world = plan_world(trial, logs_told, stores_told)
        end = _End.read(sandbox.run(world, lambda: asdict(_carry_out(trial)), SECONDS + len(trial.sites)))
    except (TimeoutError, RuntimeError) as error:
        fault = Fault("rehearsal-failed", "", f"the rehearsal itself failed: {error}", "")
        return Result("full", "", (fault,), "", True)
    rules = log_rules(trial.server, trial.store, trial.without_us, end.served)  # As log folders are empty inside.
    faults = (*end.faults, *(fault for log in end.logs for fault in rules.faults(log)))
    if complaints.writes_to_read_only(end.broken):
        if len(faults) > len(end.faults):
            return Result("full", "", faults, "", False)
        if set(end.written) - set(logs_told):  # Of variables, macros and included files.
            return _full(trial, end.written, stores_told)
        # What a module keeps where no directive says.
        stores = [path for path in complaints.find_folders(end.broken) if os.path.isdir(path)]
        if set(stores) - {*stores_told, *NEVER_HIDDEN} and len(stores_told) < _MOST_STORES:
            return _full(trial, logs_told, [*stores_told, *stores])
        if trial.change == Draft():
            raise private_mounts.Unavailable(f"the configuration writes where a rehearsal may not: {end.broken}")
        # Raises Unavailable where that is so without the change too. Else a site could choose how it is rehearsed.
        _full(replace(trial, change=Draft(), sites=()))
    if end.broken and end.programs:
        raise _StartsPrograms(f"httpd does not start without what it starts itself ({', '.join(end.programs)})")
    return Result(
        "full",
        "",
        faults,
        end.broken,
        end.complete,
        tuple(end.programs),
        warnings=tuple(end.warnings),
        dressed=end.dressed,
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

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> _End:
        """Return one that has come out as data."""
        faults = {name: [Fault(**each) for each in told[name]] for name in ("faults", "warnings")}
        return cls(**{**told, **faults})


def _carry_out(trial: Trial) -> _End:
    """Inside: put the change there, have httpd read it, start it, and ask."""
    server, store, without_us, sites = trial.server, trial.store, trial.without_us, trial.sites
    private = Store(store.conf, Scratch())
    try:
        for release, folder in trial.change.releases:
            private.stage(release, folder)
        private.switch(trial.change.changes)
    except OSError as error:
        return _End(faults=[explain_os_error(error)], complete=True)
    client_cas = ((site, store.path(site.domain, "current", CLIENT_CA)) for site in sites)
    unreadable = [fault for each in client_cas for fault in unreadable_client_ca(*each)]
    if unreadable:
        return _End(faults=unreadable)
    twins = {
        site.domain: admit_probes(private.disk, site, store.path(site.domain, "current"), trial.probes)
        for site in sites
    }
    server.forget()
    try:
        described = server.describe()
    except HttpdError as error:
        return _End(str(error))
    places = {store.path(site.domain, "current", SITE): site for site in sites}
    opened, served = opened_logs(described, places), served_paths(described)
    beyond = find_escapes(server, private.disk, described, places, _texts(trial.change))
    beyond += find_forbidden(server, without_us, described, places, trial.change.allowed)
    beyond += conflicts.find_added_names(without_us, described, places, {})
    if beyond:
        return _End(faults=beyond)
    # A read-only mount stops no writes to a FIFO or a device, so these are refused here, and explained outside.
    irregular = [log for log in opened if os.path.exists(log) and not os.path.isfile(log) and log != os.devnull]
    if irregular:
        return _End(logs=irregular, served=served)
    faults = misplaced.find_misplaced(store, described, sites) + bypasses.find_openings(described, store, sites)
    tried = [(site, address) for site in sites for address in standing.addresses(site, described)]
    _welcome(private, described, tried, trial.probes)
    _call_plainly(private, described, sites)
    scratch = os.path.join(private_mounts.SCRATCH, "run")
    os.mkdir(scratch, 0o755)
    logs = Logs([os.path.join(without_us.log_folder, site.error_log) for site in sites if site.error_log])
    with guarded(scratch) as guard, serving(server, _arguments(scratch), guard, logs) as start:
        programs = list(start.programs)
        if start.broken:
            weak = refused_as_weak(start.broken, sites)
            every = opened_logs(described, [store.path(domain, "current", SITE) for domain in store.domains()])
            every += written_files(described)
            broken = "" if weak else start.broken
            return _End(broken, faults + weak, False, programs, opened, every, served)
        with _standing_in(private, described, sites, os.path.join(scratch, "error.log")) as content:
            occasion = handshakes.Occasion(described, handshakes.Stage.REHEARSAL, twins=twins, canaries=content)
            for site, address in tried:
                door = standing.find_door(described, address, site.port)
                found = handshakes.try_site(occasion, site, door, trial.probes)
                # A site that is open by its own door needs no search for ways around it.
                faults += found or try_detours(private, content, site, address, trial.probes)
            # Nor are other doors tried then.
            faults += [] if faults else find_open(Asker(content, tried, trial.accepted, trial.probes))
        said = start.ended() if faults else ""
        if said:
            faults.insert(0, _tell_end(described, said))
    return _End(
        faults=protocols.name_limits(private, described, sites, faults),
        complete=True,
        programs=programs,
        logs=opened,
        served=served,
        warnings=tuple(dict.fromkeys([*list_untwinned(twins), *content.warnings])),
        dressed=content.dressed,
    )


def _tell_end(described: Description, said: str) -> Fault:
    """Say why there was no answer, and what to do."""
    jails = described.named("chrootdir")
    more = f": behind ChrootDir ({jails[-1].place}) it finds no library that LoadFile has not loaded" if jails else ""
    return Fault("unsound", "", f"httpd ended while it was asked, and said last: {said}", f"mend that first{more}")


def _arguments(scratch: str) -> list[str]:
    """What has httpd leave nothing but in a folder of the rehearsal's."""
    instead = [
        f'PidFile "{scratch}/pid"',
        f'ErrorLog "{scratch}/error.log"',
        f'Mutex "file:{scratch}" default',
        f'DefaultRuntimeDir "{scratch}"',
        "MaxConnectionsPerChild 0",  # One process is all that there is here: nobody would take its place.
    ]
    return [word for each in instead for word in ("-c", each)]


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
                private_mounts.replace(path, known + b"\n" + more)
    for folder, files in folders.items():
        with suppress(OSError, private_mounts.Unavailable):
            if len(os.listdir(folder)) <= _MOST_IN_FOLDER:
                private_mounts.plant(folder, files, copies=True)


def _call_plainly(store: Store, described: Description, sites: Sequence[SiteFacts]) -> None:
    """Have httpd call the backends of sites without TLS. Of others, no more is known than that they are."""
    hosts = [(site, standing.find_host(store, described, site)) for site in sites]
    for path, text in find_plain_texts(described, [(site, host) for site, host in hosts if host]):
        with suppress(OSError, private_mounts.Unavailable):
            private_mounts.replace(path, text)


def _name_in_folder(folder: str, authority: bytes, content: bytes, kind: str) -> dict[str, bytes]:
    """A throwaway CA (PEM), or what it issued, as a file by the name under which OpenSSL looks for it in a folder."""
    subject = Parts.of(ssl.PEM_cert_to_DER_cert(authority.decode("ascii"))).subject
    names = (f"{hash_name(subject)}.{kind}{number}" for number in itertools.count())
    return {next(name for name in names if not os.path.lexists(os.path.join(folder, name))): content}


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
