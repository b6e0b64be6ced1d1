# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether anybody who is to be refused reaches a site's content through any door of the server, in a full rehearsal.

A door is an address and port where httpd listens, plain or TLS, and a kind of virtual host there. Before all, who is
let in is served, so that what caches keep is asked for too. Only a canary is admission: its word, its file, or a
connection to the stand-in of a backend.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    SERVER_NAME,
    VERSIONS,
    Identity,
    Question,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT, make_call
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.http2 import ALPN_NAME
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import Kept, Reply
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import endpoint, join_endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import closings, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.bypasses import used_at
from ansible_collections.mtls.httpd.plugins.module_utils._site.handshakes import find_admitted
from ansible_collections.mtls.httpd.plugins.module_utils._site.in_the_way import find_address_rules, find_shortcuts
from ansible_collections.mtls.httpd.plugins.module_utils._site.kinds import find_kinds
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_requests import TUNNEL
from ansible_collections.mtls.httpd.plugins.module_utils._site.leads import Lead, Leads
from ansible_collections.mtls.httpd.plugins.module_utils._site.spellings import spell_beside_open, spell_protected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Probes
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Directive, VirtualHost
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.stand_ins import Arrival
    from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import Canaries
    from ansible_collections.mtls.httpd.plugins.module_utils._site.templates import Made
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# Bounds: of names that are shaken hands by, of sites that are asked for at each door, of doors, of paths, and of leads.
NAMES = 64
SITES = 8
_DOORS = 64
_PATHS = 16
_LEADS = 128
_INHERITING = 16  # kinds of virtual hosts at a door, which are asked by what all inherit
_SECONDS = 3.0
# For all: a virtual host of others may keep each question waiting.
_SECONDS_IN_ALL = 15.0
# How who asks for too much is turned away, if he is answered at all, and how often that is doubted, of one connection.
_TURNED_AWAY = (0, 403, 429, 503)
_FIRM = 3
_BEGINNING = 1024  # bytes of a file by which it is known
_NO_NAME = "mtls-httpd.invalid"  # RFC 6761: of nobody, so that the default answers
_NOBODY = "a client without a certificate"
_STRANGER = "a client of another CA"
_UNLISTED = "a client of the client CA that is not among 'allowed_clients'"


@dataclass(frozen=True)
class _Asked:
    """A request, the name by which httpd finds a virtual host for it, and how it is told."""

    raw: bytes = field(repr=False)
    name: str
    told: str
    path: str = ""
    shown: bytes = field(default=b"", repr=False)  # how a file of the site's own begins, which is content too
    remedy: str = ""


class _Place(NamedTuple):
    """An address and port, and the virtual hosts among which a request's name decides there, the default first."""

    address: str
    port: int
    sharing: Sequence[VirtualHost]


@dataclass
class Doors:
    """Asks at every door for the content of sites.

    C(tried): sites, each with an address of its own. C(accepted): the places, files and sites whose ways to a site's
    content its operator accepts, by domain. C(probes): who asks.
    """

    canaries: Canaries
    tried: Sequence[tuple[SiteFacts, str]]
    accepted: Mapping[str, Sequence[str]]
    probes: Probes

    def __post_init__(self) -> None:
        """Begin without any content: by domain, a mark, and below which target of its backend it lies."""
        self._content: dict[str, set[tuple[str, str]]] = {}
        self._kinds: dict[tuple[str, int], Sequence[VirtualHost]] = {}
        self._end = time.monotonic() + _SECONDS_IN_ALL

    @cached_property
    def _with_tls(self) -> set[str]:
        return standing.find_tls_hosts(self.canaries.described)

    @cached_property
    def _shared(self) -> dict[tuple[str, int], Sequence[VirtualHost]]:
        """The virtual hosts at each address and port that is asked."""
        described = self.canaries.described
        doors = self._find_doors()
        self._note_left_out(len(doors) - _DOORS, "addresses and ports")
        return {
            (address, port): standing.find_sharing(described, address, str(port)) for address, port in doors[:_DOORS]
        }

    def find_open(self) -> list[Fault]:
        """Serve who is let in, then ask as everybody else. What is left out for its number is noted as a warning."""
        sites = list({site.domain: site for site, _address in self.tried if self._closed(site)}.values())
        if not sites:
            return []
        described = self.canaries.described
        hosts = [self.canaries.hosts[site.domain] for site in sites]
        first = {host.place for host in find_kinds(described, hosts)}
        asked = [site for site, host in zip(sites, hosts) if host.place in first]
        self._note_left_out(len(asked) - SITES, "kinds of sites")
        asked = asked[:SITES]
        asked = [site for site in asked if self._serve_admitted(site)]
        if not asked:
            return []
        faults = [fault for site in asked for fault in self._spelled(site)]
        names = 0
        for (address, port), sharing in self._shared.items():
            kinds = find_kinds(described, sharing)
            own = {self.canaries.hosts[site.domain].place for site in asked}
            kinds = [host for host in kinds if host == sharing[0] or host.name or host.aliases or host.place in own]
            self._note_left_out(names + len(kinds) - NAMES, "kinds of virtual hosts")
            kinds = kinds[: max(0, NAMES - names)]
            names += len(kinds)
            faults += self._ask_at(_Place(address, port, sharing), kinds, asked)
        # One that is open needs no search for further ways.
        faults += [] if faults else self._ask_leads(sites)
        return list(dict.fromkeys(faults))

    def _ask_leads(self, sites: Sequence[SiteFacts]) -> Iterator[Fault]:
        """Ask for sites as the directives of all virtual hosts would lead to their content."""
        by_domain = {site.domain: site for site in sites}
        leads = Leads(self.canaries.described)
        leads.search([self._goal(site) for site in sites])
        for domain, each in leads.doubtful:
            host = self.canaries.described.host_at(each.host)
            if not self._is_accepted(by_domain[domain], host) and not self._is_shut(by_domain[domain], host):
                self._note(
                    f"{each.name} at {each.place} may lead to what {domain} protects by what no request says, so "
                    "whether it does was not tried"
                )
        if leads.folders.unseen:
            folders = leads.folders.unseen
            more = f" and of {len(folders) - 1} more" if len(folders) > 1 else ""
            self._note(
                f"links and .htaccess files of {folders[0]}{more} were not all looked for, as these hold so much"
            )
        leading: set[tuple[str, Directive]] = set()  # One request that does tells enough.
        asked = dict.fromkeys(leads.found)
        self._note_left_out(len(asked) - _LEADS, "requests that rules lead on")
        for lead in list(asked)[:_LEADS]:
            if lead.domain not in self._content and not self._serve_admitted(by_domain[lead.domain]):
                continue
            is_own = lead.host == self.canaries.hosts[lead.domain]
            if lead.shown and is_own and lead.request.path in by_domain[lead.domain].open_paths:
                continue
            if (lead.domain, lead.said) not in leading:
                found = list(self._ask_lead(lead, by_domain[lead.domain]))
                leading |= {(lead.domain, lead.said)} if found else set()
                yield from found

    def _goal(self, site: SiteFacts) -> Goal:
        """What stands for the closed content of a site, and where."""
        closed = self.canaries.closed[site.domain]
        files = self.canaries.files.get(site.domain, ()) if self.canaries.names.get(site.domain) in closed else ()
        below = dict(self._content.get(site.domain, ()))
        listening = tuple(
            (each.place, below.get(mark, "")) for each, mark in self.canaries.taken.items() if mark in closed
        )
        root = self.canaries.roots.get(site.domain, "") if files else ""
        opened = tuple(os.path.normpath(f"{root}/{path}") for path in site.open_paths if root)
        return Goal(site.domain, files, listening, root, opened, self.canaries.named.get(site.domain, {}))

    def _is_shut(self, site: SiteFacts, host: VirtualHost | None) -> bool:
        """Whether all of a virtual host is the site's own, and asks everybody for a certificate."""
        return host == self.canaries.hosts[site.domain] and site.verify_client == "require"

    def _ask_lead(self, lead: Lead, site: SiteFacts) -> Iterator[Fault]:
        """Ask as a directive would lead on, at each door of its virtual host; of what all inherit, of each kind there.

        As one of them may close what another leaves open.
        """
        callers: list[tuple[str, Identity | None]] = [(_NOBODY, None)]
        if self._is_shut(site, lead.host):
            callers = [(_UNLISTED, self.probes.trusted)] if site.pins else []
        for (address, port), sharing in self._shared.items():
            hosts = [each for each in sharing if each == lead.host]
            if not lead.host:
                hosts = list(self._kinds_at(address, port))[: 1 if lead.is_guess else None]
            for host in hosts:
                for who, identity in callers:
                    yield from self._ask_by(lead, site, _Place(address, port, [host, *sharing]), (who, identity))

    def _kinds_at(self, address: str, port: int) -> Sequence[VirtualHost]:
        """The first virtual hosts, each of another kind, at an address and port; also the first that serves anything.

        A kind goes by no path, and one that sends everything away may be of the same.
        """
        if (address, port) not in self._kinds:
            described, sharing = self.canaries.described, self._shared[address, port]
            serving = (host for host in sharing if not closings.sends_all_away(described, host.place))
            hosts = [*sharing[:1], *islice(serving, 1), *find_kinds(described, sharing)]
            kinds = list({host.place: host for host in hosts}.values())
            self._note_left_out(len(kinds) - _INHERITING, "kinds of virtual hosts, by what all inherit,")
            self._kinds[address, port] = kinds[:_INHERITING]
        return self._kinds[address, port]

    def _ask_by(
        self, lead: Lead, site: SiteFacts, place: _Place, caller: tuple[str, Identity | None]
    ) -> Iterator[Fault]:
        who, identity = caller
        address, port, (host, *sharing) = place
        with_tls = host.place in self._with_tls
        made = lead.request
        own = _find_name(host, sharing)
        name = made.host or own or (site.domain if _find_answering(sharing, site.domain) == host else _NO_NAME)
        sni = own if with_tls else ""
        if _find_answering(sharing, name.partition(":")[0], sni) != host:
            return
        request = _write(made, _authority(name, port) if not made.host else name)
        rest = made.query and (f" and GET {made.query} through it" if made.method == TUNNEL else f"?{made.query}")
        told = f"{made.method or 'GET'} {made.path}{rest} with Host {name}"
        told += "".join(f" and {field}: {value}" for field, value in made.fields)
        told += f", by {lead.said.name} at {lead.said.place}"
        # What is filled in right behind a host and port makes them a user and password.
        remedy = "put a slash behind the host and port there" if "@" in made.path else ""
        asked = _Asked(request, name.partition(":")[0], told, made.path, _read_beginning(lead.shown), remedy)
        for version in reversed(VERSIONS) if with_tls else ("",):
            kept = self._connect(address, port, sni, identity, version)
            faults = list(self._judge(kept, site, [asked], sharing, f"{who} got in at {join_endpoint(address, port)}"))
            kept.close()
            yield from faults
            if faults:
                return
        if not (identity or lead.is_guess):
            self._note_let_in(lead, site, place, asked, sni if with_tls else None)

    def _note_let_in(self, lead: Lead, site: SiteFacts, place: _Place, asked: _Asked, sni: str | None) -> None:
        """Note where a rule lets in some addresses, by which a directive leads who calls from there to the content.

        C(sni): the name to shake hands by, None where TLS is not spoken.
        """
        address, port, (host, *_sharing) = place
        described = self.canaries.described
        if self._is_accepted(site, host) or not find_address_rules(described, host, [asked.path]):
            return
        versions = ("",) if sni is None else tuple(reversed(VERSIONS))
        for source, version in product(self.canaries.known_sources(address), versions):
            door = standing.find_door(described, address, port, source)
            kept = Kept(door, version, sni or "", None, source, _SECONDS)
            reply, reached = self._reach(kept, asked.raw)
            kept.close()
            is_shown = reply.status == 200 and asked.shown and _is_shown(asked.shown, reply.received)
            if is_shown or self._is_content(site, reached):
                who = f"clients at {source}" if source else "clients on this machine"
                self._note(
                    f"{lead.said.name} at {lead.said.place} leads {who} to what {site.domain} protects, and asks them "
                    "for no certificate"
                )
                return

    def _closed(self, site: SiteFacts) -> bool:
        return bool(self.canaries.closed.get(site.domain)) and site.domain in self.canaries.hosts

    def _find_doors(self) -> list[tuple[str, int]]:
        """Each address and port where httpd listens, and those of virtual hosts there, as this machine reaches them."""
        described = self.canaries.described
        found = [(address, site.port) for site, address in self.tried]
        listens = [endpoint(each.words[0]) for each in described.listens]
        found += [(standing.locally(address), int(port)) for address, port in listens if port.isdigit()]
        ports = {port for _address, port in listens}
        for host in described.virtual_hosts:
            for address, port in map(endpoint, host.addresses):
                if standing.numeric(address):
                    found += [(address, int(each)) for each in ports if port in ("*", each) and each.isdigit()]
        return list(dict.fromkeys(found))

    def _serve_admitted(self, site: SiteFacts) -> bool:
        """Serve who is let in, and learn what is the site's closed content by that. Returns whether there is any."""
        address = self._address_of(site)
        kept = self._connect(address, site.port, site.domain, find_admitted(site, self.probes))
        host = _authority(site.domain, site.port)
        content: set[tuple[str, str]] = set()
        for path in self._targets(site):
            for mark, target in self._reach(kept, _request(f"GET {path} HTTP/1.1", host))[1]:
                if mark in self.canaries.closed[site.domain]:
                    # A protected path has a backend of its own. Else content lies below the target of the site's root.
                    is_below = site.mutual_tls == "enforced" and target
                    content.add((mark, _plain(target).removesuffix(path) if is_below else ""))
        for path in site.open_paths[:_PATHS]:
            kept.ask(_request(f"GET {path} HTTP/1.1", host))
        kept.close()
        self._content[site.domain] = content
        return bool(content)

    def _reach(self, kept: Kept, request: bytes) -> tuple[Reply, list[Arrival]]:
        """Ask, and return the reply with what it shows to have been reached, or a stand-in knows to have been."""
        known = len(self.canaries.stand_ins.arrivals)
        reply = kept.ask(request)
        return reply, [*self.canaries.find_reached(reply.received), *self.canaries.stand_ins.arrivals[known:]]

    def _address_of(self, site: SiteFacts) -> str:
        return next(address for known, address in self.tried if known.domain == site.domain)

    def _targets(self, site: SiteFacts) -> list[str]:
        """Where what stands for the closed content of a site is found."""
        return self.canaries.find_targets(site)[:_PATHS]

    def _connect(
        self, address: str, port: int, name: str = "", identity: Identity | None = None, version: str = "TLSv1.3"
    ) -> Kept:
        source = self.canaries.choose_source(address)
        door: Door = standing.find_door(self.canaries.described, address, port, source)
        name = name if SERVER_NAME.match(name) else ""
        return Kept(door, version, name, identity, source, _SECONDS)

    def _move(self, kept: Kept) -> None:
        """Go on from another address: who asks for much may be turned away for a while, whatever he asks for."""
        kept.close()
        kept.source = self.canaries.choose_source(kept.door.address)
        kept.door = standing.find_door(self.canaries.described, kept.door.address, kept.door.port, kept.source)

    def _callers(self, sites: Sequence[SiteFacts]) -> Iterator[tuple[str, Identity | None]]:
        yield _NOBODY, None
        yield _STRANGER, self.probes.stranger
        if any(site.pins for site in sites):
            yield _UNLISTED, self.probes.trusted

    def _ask_at(self, place: _Place, kinds: Sequence[VirtualHost], sites: Sequence[SiteFacts]) -> Iterator[Fault]:
        """Ask at one address and port: plainly, and over TLS where that is spoken, by each kind's name and without."""
        address, port, sharing = place
        tls = not {host.place for host in sharing}.isdisjoint(self._with_tls)
        own = list(filter(None, (_find_name(host, sharing) for host in kinds)))
        where = join_endpoint(address, port)
        kept = self._connect(address, port, version="")
        for site in sites:
            # What speaks TLS answers any plain request alike.
            asked = list(_forms(site, port, own[:1] if tls else own, self._targets(site)[:2], over_tls=False))
            yield from self._judge(kept, site, asked[:2] if tls else asked, sharing, f"{_NOBODY} got in at {where}")
        kept.close()
        if not tls:
            return
        for who, identity in self._callers(sites):
            # By its own name each site was asked already.
            known = {site.domain for site in sites if (site, address) in self.tried and site.verify_client == "require"}
            for name in dict.fromkeys(("", *(name for name in own if name not in known))):
                yield from self._ask_over_tls(place, name, sites, (who, identity))

    def _ask_over_tls(
        self, place: _Place, name: str, sites: Sequence[SiteFacts], caller: tuple[str, Identity | None]
    ) -> Iterator[Fault]:
        who, identity = caller
        address, port, sharing = place
        sites = [site for site in sites if site.pins or who != _UNLISTED]
        for version in reversed(VERSIONS):
            kept = self._connect(address, port, name, identity, version)
            by = f"SNI {name}" if name else "no SNI"
            said = f"{who} got in at {join_endpoint(address, port)} over {version} by {by}"
            came = False
            for site in sites:
                asked = list(_forms(site, port, [name] if name else [], self._targets(site)[:2], over_tls=True))
                # One question tells whether a handshake is to be had at all.
                if not came and (time.monotonic() > self._end or not kept.ask(asked[0].raw).status):
                    break
                came = True
                yield from self._judge(kept, site, asked, sharing, said)
            kept.close()
            if came:
                yield from self._ask_over_http2(kept, sharing, sites, said)
                return

    def _ask_over_http2(
        self, kept: Kept, sharing: Sequence[VirtualHost], sites: Sequence[SiteFacts], said: str
    ) -> Iterator[Fault]:
        """Ask for sites by another authority than SNI names, where HTTP/2 is spoken to that."""
        for site in sites if self.canaries.described.has_http2 else ():
            path = self._targets(site)[0]
            mark, _below = min(self._content[site.domain])
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
                awaited=self.canaries.word + b"-" + mark.encode() + b" ",
            )
            known = len(self.canaries.stand_ins.arrivals)
            answer = ask(kept.door, question, _SECONDS)
            reached = self.canaries.stand_ins.arrivals[known:]
            host = _find_answering(sharing, site.domain, kept.server_name)
            if answer.protocol != ALPN_NAME:
                return
            if (answer.found or self._is_content(site, reached)) and not self._is_accepted(site, host):
                place = f" by the virtual host at {host.place}" if host else ""
                words = f"{site.domain}: {said}{place}, to GET {path} over HTTP/2 with the authority {site.domain}"
                yield Fault("stranger-let-in", site.domain, f"{words} ({answer.status})", "")

    def _spelled(self, site: SiteFacts) -> Iterator[Fault]:
        """Ask for the closed paths of a site in spellings that proxies read in different ways, over one connection."""
        opened, closed = site.open_paths[:_PATHS], site.protected_paths[:_PATHS]
        self._note_left_out(len(site.open_paths) - _PATHS, f"open_paths of {site.domain}")
        self._note_left_out(len(site.protected_paths) - _PATHS, f"protected_paths of {site.domain}")
        paths = [path for each in closed for path in spell_protected(each)]
        targets = self._targets(site)[:1]
        paths += [path for each in opened for target in targets for path in spell_beside_open(each, target)]
        address = self._address_of(site)
        host = _authority(site.domain, site.port)
        asked = [_Asked(_request(f"GET {path} HTTP/1.1", host), site.domain, f"GET {path}") for path in paths]
        callers: list[tuple[str, Identity | None]] = []
        callers += [(_NOBODY, None)] if site.verify_client != "require" or site.open_paths else []
        callers += [(_UNLISTED, self.probes.trusted)] if site.pins else []
        for who, identity in callers if asked else ():
            kept = self._connect(address, site.port, site.domain, identity)
            said = f"{who} got in at {join_endpoint(address, site.port)}"
            mine = [self.canaries.hosts[site.domain]]
            yield from self._judge(kept, site, asked, mine, said)
            kept.close()

    def _judge(
        self, kept: Kept, site: SiteFacts, asked: Sequence[_Asked], sharing: Sequence[VirtualHost], said: str
    ) -> Iterator[Fault]:
        """Ask for a site over a connection, and tell the first request by which its content is reached."""
        is_served, firm = False, 0
        for each in asked:
            if time.monotonic() > self._end:
                self._note("some doors were not asked for sites, as others let them wait for too long")
                return
            reply, reached = self._reach(kept, each.raw)
            if is_served and reply.status in _TURNED_AWAY and firm < _FIRM:
                status = reply.status
                self._move(kept)
                reply, reached = self._reach(kept, each.raw)
                firm += reply.status == status
            is_served = is_served or reply.status not in _TURNED_AWAY
            host = _find_answering(sharing, each.name, kept.server_name)
            is_shown = reply.status == 200 and each.shown and _is_shown(each.shown, reply.received)
            if (is_shown or self._is_content(site, reached)) and not self._is_accepted(site, host):
                place = f" by the virtual host at {host.place}" if host else ""
                shortcuts = find_shortcuts(self.canaries.described, host)
                also = f", perhaps by {', '.join(shortcuts[:3])}" if shortcuts else ""
                words = f"{site.domain}: {said}{place}, to {each.told} ({reply.status}{also})"
                remedy = each.remedy or "take out what leads to the site's content there"
                if host != self.canaries.hosts[site.domain]:
                    remedy += ", or accept it by 'allow_bypass'"
                yield Fault("stranger-let-in", site.domain, words, remedy)
                return

    def _is_content(self, site: SiteFacts, reached: Sequence[Arrival]) -> bool:
        """Whether something that was reached is closed content of a site, and no path that is open."""
        return any(
            mark == known and _plain(target).startswith(below) and _plain(target)[len(below) :] not in site.open_paths
            for mark, target in reached
            for known, below in self._content[site.domain]
        )

    def _is_accepted(self, site: SiteFacts, host: VirtualHost | None) -> bool:
        """Whether the operator accepts that a virtual host serves a site's content to all, by what stands in it."""
        if host == self.canaries.hosts[site.domain]:
            return False
        place = host.place if host else ""
        accepted = set(self.accepted.get(site.domain, ()))
        known = [domain for domain, own in self.canaries.hosts.items() if own == host]
        return (
            bool(accepted & set(known))
            or any(site.domain in self.accepted.get(domain, ()) for domain in known)
            or any(
                accepted & {each.place, each.file, used_at(each), used_at(each).rpartition(":")[0]}
                for each in (self.canaries.described.directives if accepted else ())
                if each.host in ("", place)
            )
        )

    def _note_left_out(self, number: int, what: str) -> None:
        if number > 0:
            self._note(f"{number} further {what} were not asked at every door, as there are so many")

    def _note(self, words: str) -> None:
        fault = Fault("not-tried", "", words, "")
        if fault not in self.canaries.warnings:
            self.canaries.warnings.append(fault)


def _find_answering(sharing: Sequence[VirtualHost], *names: str) -> VirtualHost | None:
    """The virtual host that httpd finds: the first that has the request's name, else that of SNI, else the default."""
    found = (next((host for host in sharing if host.answers(name)), None) for name in filter(None, names))
    return next(filter(None, found), sharing[0] if sharing else None)


def _find_name(host: VirtualHost, sharing: Sequence[VirtualHost]) -> str:
    """A name by which httpd finds a virtual host, and no other before it; empty where there is none."""
    names = (re.sub(r"[*?]", "x", name) for name in (host.name, *host.aliases) if name)
    return next((name for name in names if SERVER_NAME.match(name) and _find_answering(sharing, name) == host), "")


def _read_beginning(path: str) -> bytes:
    """How a plain file begins, whole lines of text or not; nothing where there is none, or nothing in it."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            return stream.read(_BEGINNING)
    except OSError:
        return b""


def _is_shown(beginning: bytes, received: bytes) -> bool:
    """Whether an answer is a file that begins so; of a small file, C(beginning) is all, as any page may begin so."""
    page = received.partition(b"\r\n\r\n")[2]
    return page.startswith(beginning) if len(beginning) == _BEGINNING else page == beginning


def _plain(target: str) -> str:
    """The path of a request to a backend, without what nobody tells apart."""
    return re.sub("//+", "/", target.partition("?")[0])


def _authority(name: str, port: int) -> str:
    return name if port == 443 else f"{name}:{port}"


def _forms(
    site: SiteFacts, port: int, others: Sequence[str], targets: Sequence[str], *, over_tls: bool
) -> Iterator[_Asked]:
    """The requests by which a site is asked for at a port, also beside the names of other virtual hosts there."""
    domain = site.domain
    ports = dict.fromkeys((port, site.port, 443))
    hosts = [domain, *(f"{domain}:{each}" for each in ports), domain.upper(), f"{domain}.", *site.aliases[:1]]
    beside = next(iter(others), "localhost")
    for target in targets:
        for host in hosts:
            yield _Asked(_request(f"GET {target} HTTP/1.1", host), domain, f"GET {target} with Host {host}")
        call = make_call("POST", target)
        fields = "".join(f"{name}: {value}\r\n" for name, value in (("Host", domain), *call.fields))
        raw = f"POST {call.target} HTTP/1.1\r\n{fields}\r\n".encode("ascii") + call.body
        yield _Asked(raw, domain, f"POST {target} with Host {domain}")
        for host in others:
            yield _Asked(_request(f"GET {target} HTTP/1.1", host), host, f"GET {target} with Host {host}")
        for scheme in ("http", "https"):
            url = f"{scheme}://{domain}{target}"
            # Measured on httpd 2.4: by the other scheme, Host decides.
            name = domain if (scheme == "https") == over_tls else beside
            yield _Asked(_request(f"GET {url} HTTP/1.1", beside), name, f"GET {url} with Host {beside}")
    for target in targets:
        yield _Asked(_request(f"GET {target} HTTP/1.0", ""), "", f"GET {target} of HTTP/1.0")
        url = f"https://{domain}{target}"
        yield _Asked(_request(f"GET {url} HTTP/1.0", ""), domain if over_tls else "", f"GET {url} of HTTP/1.0")


def _write(made: Made, host: str) -> bytes:
    """The request that a lead is, as it is sent."""
    tunnels = made.method == TUNNEL
    target = quote(made.path, safe="/:;@&=+$,~!*'()[]|") + (
        f"?{quote(made.query, safe='/:;@&=+$,~!*()?')}" if made.query and not tunnels else ""
    )
    fields = "".join(f"{name}: {value}\r\n" for name, value in made.fields)
    line = f"{made.method or 'GET'} {target} HTTP/1.1"
    request = _request(line, host)
    if any(name.lower() == "user-agent" for name, _value in made.fields):
        request = request.replace(f"User-Agent: {USER_AGENT}\r\n".encode("latin-1"), b"")
    request = request[:-2] + f"{fields}\r\n".encode("latin-1", "replace")
    # Through a tunnel a request of its own goes on at once.
    return request + _request(f"GET {quote(made.query)} HTTP/1.1", host) if tunnels else request


def _request(line: str, host: str) -> bytes:
    fields = (f"Host: {host}\r\n" if host else "") + f"User-Agent: {USER_AGENT}\r\n"
    return f"{line}\r\n{fields}\r\n".encode("latin-1")
