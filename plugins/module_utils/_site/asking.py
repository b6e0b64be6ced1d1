# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Asking for the content of sites in a full rehearsal, over connections of any client to any door of the server."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    SERVER_NAME,
    Identity,
    Question,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import Kept, Reply
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import closings, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.bypasses import used_at
from ansible_collections.mtls.httpd.plugins.module_utils._site.door_requests import (
    Asked,
    authority,
    make_request,
    plain_path,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.handshakes import find_admitted
from ansible_collections.mtls.httpd.plugins.module_utils._site.in_the_way import find_shortcuts
from ansible_collections.mtls.httpd.plugins.module_utils._site.kinds import find_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Probes
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import VirtualHost
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.stand_ins import Arrival
    from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import Canaries
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# Bounds: of paths, of seconds for a question, and of doors.
PATHS = 16
SECONDS = 3.0
_DOORS = 64
_INHERITING = 16  # kinds of virtual hosts at a door, which are asked by what all inherit
# For all: a virtual host of others may keep each question waiting.
_SECONDS_IN_ALL = 15.0
# How who asks for too much is turned away, if he is answered at all, and how often that is doubted, of one connection.
_TURNED_AWAY = (0, 403, 429, 503)
_FIRM = 3
NOBODY = "a client without a certificate"
STRANGER = "a client of another CA"
UNLISTED = "a client of the client CA that is not among 'allowed_clients'"


class Place(NamedTuple):
    """An address and port, and the virtual hosts among which a request's name decides there, the default first."""

    address: str
    port: int
    sharing: Sequence[VirtualHost]


@dataclass
class Asker:
    """Asks for the content of sites at the doors of a server, and knows it when it comes.

    C(tried): sites, each with an address of its own. C(accepted): the places, files and sites whose ways to a site's
    content its operator accepts, by domain. C(probes): who asks. content: by domain, once who is let in was served, a
    mark of what is closed, and below which target of its backend it lies. end: when all has to be over.
    """

    canaries: Canaries
    tried: Sequence[tuple[SiteFacts, str]]
    accepted: Mapping[str, Sequence[str]]
    probes: Probes
    content: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    end: float = field(default_factory=lambda: time.monotonic() + _SECONDS_IN_ALL)
    _kinds: dict[tuple[str, int], Sequence[VirtualHost]] = field(default_factory=dict)
    _refusing: dict[tuple[str, int, str, str], bool] = field(default_factory=dict)

    @cached_property
    def with_tls(self) -> set[str]:
        """The places of the virtual hosts that may shake hands."""
        return standing.find_tls_hosts(self.canaries.described)

    @cached_property
    def shared(self) -> dict[tuple[str, int], Sequence[VirtualHost]]:
        """The virtual hosts at each address and port that is asked."""
        described = self.canaries.described
        doors = self._find_doors()
        self.note_left_out(len(doors) - _DOORS, "addresses and ports")
        return {
            (address, port): standing.find_sharing(described, address, str(port)) for address, port in doors[:_DOORS]
        }

    def kinds_at(self, address: str, port: int) -> Sequence[VirtualHost]:
        """The first virtual hosts, each of another kind, at an address and port; also the first that serves anything.

        A kind goes by no path, and one that sends everything away may be of the same.
        """
        if (address, port) not in self._kinds:
            described, sharing = self.canaries.described, self.shared[address, port]
            serving = (host for host in sharing if not closings.sends_all_away(described, host.place))
            hosts = [*sharing[:1], *islice(serving, 1), *find_kinds(described, sharing)]
            kinds = list({host.place: host for host in hosts}.values())
            self.note_left_out(len(kinds) - _INHERITING, "kinds of virtual hosts, by what all inherit,")
            self._kinds[address, port] = kinds[:_INHERITING]
        return self._kinds[address, port]

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

    def has_closed(self, site: SiteFacts) -> bool:
        """Whether anything stands for closed content of a site."""
        return bool(self.canaries.closed.get(site.domain)) and site.domain in self.canaries.hosts

    def serve_admitted(self, site: SiteFacts) -> bool:
        """Serve who is let in, and learn what is the site's closed content by that. Returns whether there is any."""
        address = self.address_of(site)
        kept = self.connect(address, site.port, site.domain, find_admitted(site, self.probes))
        host = authority(site.domain, site.port)
        content: set[tuple[str, str]] = set()
        for path in self.find_targets(site):
            for mark, target in self.reach(kept, make_request(f"GET {path} HTTP/1.1", host))[1]:
                if mark in self.canaries.closed[site.domain]:
                    # A protected path has a backend of its own. Else content lies below the target of the site's root.
                    is_below = site.mutual_tls == "enforced" and target
                    content.add((mark, plain_path(target).removesuffix(path) if is_below else ""))
        for path in site.open_paths[:PATHS]:
            kept.ask(make_request(f"GET {path} HTTP/1.1", host))
        kept.close()
        self.content[site.domain] = content
        return bool(content)

    def find_targets(self, site: SiteFacts) -> list[str]:
        """Where what stands for the closed content of a site is found."""
        return self.canaries.find_targets(site)[:PATHS]

    def address_of(self, site: SiteFacts) -> str:
        """The first address at which a site is tried."""
        return next(address for known, address in self.tried if known.domain == site.domain)

    def connect(
        self, address: str, port: int, name: str = "", identity: Identity | None = None, version: str = "TLSv1.3"
    ) -> Kept:
        """Return a connection to be made as one client, from an address that rules let in as far as that is known."""
        source = self.canaries.choose_source(address)
        door: Door = standing.find_door(self.canaries.described, address, port, source)
        name = name if SERVER_NAME.match(name) else ""
        return Kept(door, version, name, identity, source, SECONDS)

    def refuses_strangers(self, address: str, port: int, name: str, version: str) -> bool:
        """Whether who has no certificate is refused as hands are shaken, and so comes to ask for nothing.

        C(name): SNI, empty for none. What follows is not looked at before, so that one question tells it of all.
        """
        door = address, port, name, version
        if door not in self._refusing:
            kept = self.connect(address, port, name, version=version)
            answer = ask(kept.door, Question(kept.server_name, version, NOBODY, source=kept.source), SECONDS)
            refused = answer.result == "refused" and answer.asked and not (answer.status or answer.asked_late)
            self._refusing[door] = bool(refused) or not answer.offered
        return self._refusing[door]

    def _move(self, kept: Kept) -> None:
        """Go on from another address: who asks for much may be turned away for a while, whatever he asks for."""
        kept.close()
        kept.source = self.canaries.choose_source(kept.door.address)
        kept.door = standing.find_door(self.canaries.described, kept.door.address, kept.door.port, kept.source)

    def reach(self, kept: Kept, request: bytes) -> tuple[Reply, list[Arrival]]:
        """Ask, and return the reply with what it shows to have been reached, or a stand-in knows to have been."""
        known = len(self.canaries.stand_ins.arrivals)
        reply = kept.ask(request)
        return reply, [*self.canaries.find_reached(reply.received), *self.canaries.stand_ins.arrivals[known:]]

    def judge(
        self, kept: Kept, site: SiteFacts, asked: Sequence[Asked], sharing: Sequence[VirtualHost], said: str
    ) -> Iterator[Fault]:
        """Ask for a site over a connection, and tell the first request by which its content is reached."""
        is_served, firm = False, 0
        for each in asked:
            if time.monotonic() > self.end:
                self.note("some doors were not asked for sites, as others let them wait for too long")
                return
            reply, reached = self.reach(kept, each.raw)
            if is_served and reply.status in _TURNED_AWAY and firm < _FIRM:
                status = reply.status
                self._move(kept)
                reply, reached = self.reach(kept, each.raw)
                firm += reply.status == status
            is_served = is_served or reply.status not in _TURNED_AWAY
            host = find_answering(sharing, each.name, kept.server_name)
            if (each.is_shown(reply) or self.is_content(site, reached)) and not self.is_accepted(site, host):
                place = f" by the virtual host at {host.place}" if host else ""
                shortcuts = find_shortcuts(self.canaries.described, host)
                also = f", perhaps by {', '.join(shortcuts[:3])}" if shortcuts else ""
                words = f"{site.domain}: {said}{place}, to {each.told} ({reply.status}{also})"
                remedy = each.remedy or "take out what leads to the site's content there"
                if host != self.canaries.hosts[site.domain]:
                    remedy += ", or accept it by 'allow_bypass'"
                yield Fault("stranger-let-in", site.domain, words, remedy)
                return

    def is_content(self, site: SiteFacts, reached: Sequence[Arrival]) -> bool:
        """Whether something that was reached is closed content of a site, and no path that is open."""
        return any(
            mark == known
            and plain_path(target).startswith(below)
            and plain_path(target)[len(below) :] not in site.open_paths
            for mark, target in reached
            for known, below in self.content[site.domain]
        )

    def is_accepted(self, site: SiteFacts, host: VirtualHost | None) -> bool:
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

    def note_left_out(self, number: int, what: str) -> None:
        """Note what was left out for its number, if anything was."""
        if number > 0:
            self.note(f"{number} further {what} were not asked at every door, as there are so many")

    def note(self, words: str) -> None:
        """Note what was not tried, as a warning."""
        fault = Fault("not-tried", "", words, "")
        if fault not in self.canaries.warnings:
            self.canaries.warnings.append(fault)


def find_answering(sharing: Sequence[VirtualHost], *names: str) -> VirtualHost | None:
    """The virtual host that httpd finds: the first that has the request's name, else that of SNI, else the default."""
    found = (next((host for host in sharing if host.answers(name)), None) for name in filter(None, names))
    return next(filter(None, found), sharing[0] if sharing else None)


def find_name(host: VirtualHost, sharing: Sequence[VirtualHost]) -> str:
    """A name by which httpd finds a virtual host, and no other before it; empty where there is none."""
    names = (re.sub(r"[*?]", "x", name) for name in (host.name, *host.aliases) if name)
    return next((name for name in names if SERVER_NAME.match(name) and find_answering(sharing, name) == host), "")
