# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether anybody who is to be refused reaches a site's content through any door of the server, in a full rehearsal.

A door is an address and port where httpd listens, plain or TLS, and a kind of virtual host there. Before all, who is
let in is served, so that what caches keep is asked for too. Only a canary is admission: its word, its file, or a
connection to the stand-in of a backend.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    VERSIONS,
    Identity,
    Question,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.http2 import ALPN_NAME
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import join_endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.asking import (
    NOBODY,
    PATHS,
    SECONDS,
    STRANGER,
    UNLISTED,
    Asker,
    Place,
    find_answering,
    find_name,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.door_requests import (
    Asked,
    authority,
    find_requests,
    make_request,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.error_pages import ask_by_error_pages
from ansible_collections.mtls.httpd.plugins.module_utils._site.kinds import find_kinds
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_doors import ask_leads
from ansible_collections.mtls.httpd.plugins.module_utils._site.spellings import (
    spell_beside_open,
    spell_in_query,
    spell_protected,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import Kept
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import VirtualHost
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# Bounds: of names that are shaken hands by, and of sites that are asked for at each door.
NAMES = 64
SITES = 8


def find_open(asker: Asker) -> list[Fault]:
    """Serve who is let in, then ask as everybody else. What is left out for its number is noted as a warning."""
    sites = list({site.domain: site for site, _address in asker.tried if asker.has_closed(site)}.values())
    if not sites:
        return []
    described = asker.canaries.described
    hosts = [asker.canaries.hosts[site.domain] for site in sites]
    first = {host.place for host in find_kinds(described, hosts)}
    asked = [site for site, host in zip(sites, hosts) if host.place in first]
    asker.note_left_out(len(asked) - SITES, "kinds of sites")
    asked = asked[:SITES]
    asked = [site for site in asked if asker.serve_admitted(site)]
    if not asked:
        return []
    faults = [fault for site in asked for fault in (*_spelled(asker, site), *ask_by_error_pages(asker, site))]
    names = 0
    for (address, port), sharing in asker.shared.items():
        kinds = find_kinds(described, sharing)
        own = {asker.canaries.hosts[site.domain].place for site in asked}
        kinds = [host for host in kinds if host == sharing[0] or host.name or host.aliases or host.place in own]
        asker.note_left_out(names + len(kinds) - NAMES, "kinds of virtual hosts")
        kinds = kinds[: max(0, NAMES - names)]
        names += len(kinds)
        faults += _ask_at(asker, Place(address, port, sharing), kinds, asked)
    # One that is open needs no search for further ways.
    faults += [] if faults else ask_leads(asker, sites)
    return list(dict.fromkeys(faults))


def _callers(asker: Asker, sites: Sequence[SiteFacts]) -> Iterator[tuple[str, Identity | None]]:
    yield NOBODY, None
    yield STRANGER, asker.probes.stranger
    if any(site.pins for site in sites):
        yield UNLISTED, asker.probes.trusted


def _ask_at(asker: Asker, place: Place, kinds: Sequence[VirtualHost], sites: Sequence[SiteFacts]) -> Iterator[Fault]:
    """Ask at one address and port: plainly, and over TLS where that is spoken, by each kind's name and without."""
    address, port, sharing = place
    tls = not {host.place for host in sharing}.isdisjoint(asker.with_tls)
    own = list(filter(None, (find_name(host, sharing) for host in kinds)))
    where = join_endpoint(address, port)
    kept = asker.connect(address, port, version="")
    for site in sites:
        # What speaks TLS answers any plain request alike.
        asked = list(find_requests(site, port, own[:1] if tls else own, asker.find_targets(site)[:2], over_tls=False))
        yield from asker.judge(kept, site, asked[:2] if tls else asked, sharing, f"{NOBODY} got in at {where}")
    kept.close()
    if not tls:
        return
    for who, identity in _callers(asker, sites):
        # By its own name each site was asked already.
        known = {site.domain for site in sites if (site, address) in asker.tried and site.verify_client == "require"}
        for name in dict.fromkeys(("", *(name for name in own if name not in known))):
            yield from _ask_over_tls(asker, place, name, sites, (who, identity))


def _ask_over_tls(
    asker: Asker, place: Place, name: str, sites: Sequence[SiteFacts], caller: tuple[str, Identity | None]
) -> Iterator[Fault]:
    who, identity = caller
    address, port, sharing = place
    sites = [site for site in sites if site.pins or who != UNLISTED]
    for version in reversed(VERSIONS):
        kept = asker.connect(address, port, name, identity, version)
        by = f"SNI {name}" if name else "no SNI"
        said = f"{who} got in at {join_endpoint(address, port)} over {version} by {by}"
        came = False
        for site in sites:
            asked = list(find_requests(site, port, [name] if name else [], asker.find_targets(site)[:2], over_tls=True))
            # One question tells whether a handshake is to be had at all.
            if not came and (time.monotonic() > asker.end or not kept.ask(asked[0].raw).status):
                break
            came = True
            yield from asker.judge(kept, site, asked, sharing, said)
        kept.close()
        if came:
            yield from _ask_over_http2(asker, kept, sharing, sites, said)
            return


def _ask_over_http2(
    asker: Asker, kept: Kept, sharing: Sequence[VirtualHost], sites: Sequence[SiteFacts], said: str
) -> Iterator[Fault]:
    """Ask for sites by another authority than SNI names, where HTTP/2 is spoken to that."""
    for site in sites if asker.canaries.described.has_http2 else ():
        path = asker.find_targets(site)[0]
        mark, _below = min(asker.content[site.domain])
        question = Question(
            kept.server_name,
            kept.version,
            said,
            kept.identity,
            path=path,
            host=site.domain,
            http2=True,
            method="GET",
            source=kept.source,
            awaited=asker.canaries.word + b"-" + mark.encode() + b" ",
        )
        known = len(asker.canaries.stand_ins.arrivals)
        answer = ask(kept.door, question, SECONDS)
        reached = asker.canaries.stand_ins.arrivals[known:]
        host = find_answering(sharing, site.domain, kept.server_name)
        if answer.protocol != ALPN_NAME:
            return
        if (answer.found or asker.is_content(site, reached)) and not asker.is_accepted(site, host):
            place = f" by the virtual host at {host.place}" if host else ""
            words = f"{site.domain}: {said}{place}, to GET {path} over HTTP/2 with the authority {site.domain}"
            yield Fault("stranger-let-in", site.domain, f"{words} ({answer.status})", "")


def _spelled(asker: Asker, site: SiteFacts) -> Iterator[Fault]:
    """Ask for the closed paths of a site in spellings that proxies read in different ways, over one connection."""
    opened, closed = site.open_paths[:PATHS], site.protected_paths[:PATHS]
    asker.note_left_out(len(site.open_paths) - PATHS, f"open_paths of {site.domain}")
    asker.note_left_out(len(site.protected_paths) - PATHS, f"protected_paths of {site.domain}")
    paths = [path for each in closed for path in spell_protected(each)]
    targets = asker.find_targets(site)[:1]
    paths += [path for each in opened for target in targets for path in spell_beside_open(each, target)]
    address = asker.address_of(site)
    host = authority(site.domain, site.port)
    asked = [_to_get(path, host, site) for path in paths]
    # Rules often make an exception of what browsers ask before they call another server.
    asked += [_to_ask("OPTIONS", path, host, site) for path in targets]
    callers: list[tuple[str, Identity | None]] = []
    callers += [(NOBODY, None)] if site.verify_client != "require" or site.open_paths else []
    callers += [(UNLISTED, asker.probes.trusted)] if site.pins else []
    for who, identity in callers:
        kept = asker.connect(address, site.port, site.domain, identity)
        said = f"{who} got in at {join_endpoint(address, site.port)}"
        mine = [asker.canaries.hosts[site.domain]]
        # An open path may lead to the site's backend as the operator wishes, and that may hide what it was asked for.
        apart = [
            each for each in opened if not asker.is_content(site, asker.reach(kept, _to_get(each, host, site).raw)[1])
        ]
        named = [_to_get(spell_in_query(each, target), host, site) for each in apart for target in targets]
        yield from asker.judge(kept, site, [*asked, *named], mine, said)
        kept.close()


def _to_get(path: str, host: str, site: SiteFacts) -> Asked:
    return _to_ask("GET", path, host, site)


def _to_ask(method: str, path: str, host: str, site: SiteFacts) -> Asked:
    return Asked(make_request(f"{method} {path} HTTP/1.1", host), site.domain, f"{method} {path}")
