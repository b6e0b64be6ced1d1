# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a rehearsal is given, what it adds to that so that throwaway clients are let in, and what it returns."""

from __future__ import annotations

import os
import shutil
import ssl
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import complaints
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import containment, material
from ansible_collections.mtls.httpd.plugins.module_utils._site.twin_clients import TwinnedCAs, twin_client_cas
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Change, Disk, File
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, SiteFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store


@dataclass(frozen=True)
class Draft:
    """What is tried: releases with the folders they get, and the switch. Empty for the configuration as it stands.

    without_extra: site.conf without the site's extra_directives, by domain.
    """

    releases: Sequence[tuple[Release, str]] = ()
    changes: Sequence[Change] = ()
    # Domains of the sites that may start programs.
    allowed: frozenset[str] = frozenset()
    without_extra: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Trial:
    """A change that is to be rehearsed, of a server and its store, the sites that are tried, and who tries them.

    without_us: the configuration as it is without us. accepted: the ways past a site that its operator accepts, by
    domain.
    """

    server: Server
    store: Store
    without_us: Description
    change: Draft
    sites: Sequence[SiteFacts]
    probes: answers.Probes = field(repr=False)
    accepted: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """How a rehearsal ended.

    C(full) or C(reduced) and why; the faults found; what httpd said when it did not start; whether each site was tried;
    the programs that it would have started, by path, and those of them that no site of the change may; the faults that
    were found, and are none to this run. C(warnings): what an operator is to see to, though nothing is wrong for sure.
    C(locked_out): callers of late that would not get in any more. C(dressed): by domain, the SHA-256 of the page that a
    site refuses with, where its status says otherwise.
    """

    mode: str
    reason: str
    faults: tuple[Fault, ...]
    broken: str
    complete: bool
    programs: tuple[str, ...] = ()
    unpermitted: tuple[str, ...] = ()
    accepted: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    locked_out: tuple[Fault, ...] = ()
    dressed: Mapping[str, str] = field(default_factory=dict)


def find_escapes(
    server: Server,
    disk: Disk,
    described: Description,
    places: Mapping[str, SiteFacts],
    texts: Mapping[str, bytes],
) -> list[Fault]:
    """What extra_directives do outside of their site's virtual host: the configuration is described without them too.

    First without those of all sites. Then without those of some, chosen so that of any two sites each is seen without
    the other: the one's may change the other's host.
    C(places): the sites by the path of their site.conf. C(texts): that without extra_directives, by domain.
    """
    extended = {path: site for path, site in places.items() if site.domain in texts}
    if not extended:
        return []

    @cache
    def describe_without(*paths: str) -> Description:
        kept = {path: File(Path(path).read_bytes()) for path in paths}
        try:
            for path in paths:
                disk.put(path, File(texts[places[path].domain]))
            server.forget()
            return server.describe()
        finally:
            for path, file in kept.items():
                disk.put(path, file)
            server.forget()

    def judge(*paths: str) -> list[Fault]:
        """What those of some sites do, told of as few of these as it can be."""
        some = {path: extended[path] for path in paths}
        try:
            without = describe_without(*paths)
            fewer = {name: value for name, value in without.defines.items() if name in known}
            found = containment.find_reaching(described, replace(without, defines=fewer), some)
        except HttpdError as error:
            names = ", ".join(site.domain for site in some.values())
            words = f"{names}: without the option 'extra_directives', on which something else may lean: {error}"
            found = [Fault("reaches-beyond", names if len(some) == 1 else "", words, "")]
        middle = len(paths) // 2
        parts = (paths[:middle], paths[middle:]) if found and middle else ()
        return next(filter(None, (judge(*part) for part in parts)), found)

    every: list[str] = list(extended)
    known: set[str] = set()
    with suppress(HttpdError):
        # A variable that sites alone define may have another value for each of them.
        known = set(describe_without(*every).defines)
    halves = [
        [path for number, path in enumerate(every) if number >> bit & 1 == wanted]
        for bit in range((len(every) - 1).bit_length())
        for wanted in (0, 1)
    ]
    return next(filter(None, (judge(*paths) for paths in (every, *halves))), [])


class Scratch(Disk):
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


def unreadable_client_ca(site: SiteFacts, path: str) -> list[Fault]:
    """What OpenSSL says against a client CA file, before the throwaway CA in it would make any file a good one."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        words = f"{site.domain}: httpd cannot read the client CA file: {material.explain_openssl_error(error)}"
        return [Fault("client-ca-unreadable", site.domain, words, "")]
    return []


def admit_probes(disk: Disk, site: SiteFacts, folder: str, probes: answers.Probes) -> TwinnedCAs:
    """Ready a site's files for the rehearsal. They are written anew, as files of an unmapped owner take no more.

    The client CA file: each CA is replaced by its twin, and the throwaway CA is added. Clients of each are returned.
    The CRL file: each list is replaced by its twin, and the throwaway CA's is added.
    Certificates that are pinned whole: replaced by those of the throwaway CA's clients.
    The chain: the client CAs are added behind the certificate, where OpenSSL holds keys and signatures against its
    security level (SSL_CTX_set_security_level(3)) at once, and not only when Chat comes.
    """
    authorities, chain = os.path.join(folder, CLIENT_CA), os.path.join(folder, f"{site.domain}.crt")
    known, revoked = Path(authorities).read_bytes(), os.path.join(folder, CRL)
    lists = Path(revoked).read_bytes() if site.crl_check != "none" else b""
    try:
        # A certificate that is pinned as a whole is replaced below, by one of the throwaway CA.
        by_name = [(number, pin) for number, pin in enumerate(site.pins) if pin not in site.pinned_files]
        names = {number: probes.pinned[pin] for number, pin in by_name if pin in probes.pinned}
        twinned = twin_client_cas(known, lists, site.crl_ends, names)
    except ValueError as error:
        twinned = TwinnedCAs(known, lists, untried=str(error))
    disk.put(authorities, File(twinned.authorities + probes.ca))
    if lists:
        disk.put(revoked, File(twinned.crls + probes.crl))
    disk.put(chain, File(Path(chain).read_bytes() + b"\n" + known))
    for pin, name in site.pinned_files.items():
        if pin in probes.pinned:
            disk.put(os.path.join(folder, name), File(probes.pinned[pin].certificate))
    return twinned


def list_untwinned(twins: Mapping[str, TwinnedCAs]) -> tuple[Fault, ...]:
    """Whose client CAs, by the domain of their site, were not tried by clients of twins of theirs, and why."""
    words = "whether httpd lets clients of its client CAs in was not tried by twins of them"
    untried = ((domain, twinned.untried) for domain, twinned in twins.items() if twinned.untried)
    return tuple(Fault("not-tried", domain, f"{domain}: {words}: {reason}", "") for domain, reason in untried)


def refused_as_weak(broken: str, sites: Sequence[SiteFacts]) -> list[Fault]:
    """The fault, where httpd did not start because of a client CA that `admit_probes` showed to it."""
    domain, reason = complaints.find_weak_ca(broken) or ("", "")
    if domain not in {site.domain for site in sites}:
        return []
    told = f"{domain}: OpenSSL on this host refuses a client CA, or a CA in the certificate's chain"
    words = f"{told}, by its security level ({reason}), and so every client of it"
    return [Fault("client-ca-weak", domain, words, "have a stronger one issued")]
