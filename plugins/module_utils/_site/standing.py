# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How a site stands among the other virtual hosts of a server."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
    Description,
    Directive,
    VirtualHost,
    covers,
    endpoint,
    listened,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.kinds import find_kinds
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import FOLDER, Store

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

# What the directives that a user's virtual host includes take the place of.
PAIR = ("sslcertificatefile", "sslcertificatekeyfile", "sslcertificatechainfile")
_OWN = (*PAIR, "sslcacertificatefile", "sslcacertificatepath", "sslverifyclient")
# How many virtual hosts of a site's own address and port, and how many kinds elsewhere, a site is tried by way of.
_BESIDE, _ELSEWHERE = 3, 16


class Neighbour(NamedTuple):
    """A virtual host by way of which a site is tried: the name that leads there, empty for no SNI, and where it is."""

    host: VirtualHost
    name: str
    address: str
    port: int


def find_neighbours(store: Store, described: Description, site: SiteFacts, address: str) -> list[Neighbour]:
    """The virtual hosts by way of which a site that protects anything is tried.

    These are the default and up to two more at its address and port, and one of each kind elsewhere: httpd tells
    sessions apart by name alone, so that those of the site's name are a kind of their own.
    """
    hosts = find_sharing(described, address, str(site.port))
    mine = next((host for host in hosts if is_host_of(store, host, site)), None) or host_of(site, described)
    if mine is None or not (site.mutual_tls == "enforced" or site.protected_paths):
        return []
    with_tls = find_tls_hosts(described)
    named = [host for host in hosts if host == hosts[0] or _is_plain(host.name)]
    others = [host for host in named if host != mine and host.place in with_tls][:_BESIDE]
    found = [Neighbour(host, "" if host == hosts[0] else host.name, address, site.port) for host in others]
    beside = {host.place for host in hosts}
    apart = [host for host in described.virtual_hosts if host.place in with_tls and host.place not in beside]
    alike = [host for host in apart if host.answers(site.domain)]
    rest = [host for host in apart if host not in alike]
    for host in [*find_kinds(described, alike), *find_kinds(described, rest)][:_ELSEWHERE]:
        known, port = endpoint(host.addresses[0])
        if port.isdigit():
            first = find_sharing(described, known, port)[0] == host
            found.append(
                Neighbour(host, "" if first or not _is_plain(host.name) else host.name, locally(known), int(port))
            )
    return found


def _is_plain(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9.-]+", name))


def find_tls_hosts(described: Description) -> set[str]:
    """The places of the virtual hosts that may shake hands, and so have sessions.

    By default mod_ssl does so on Listen's word.
    """
    engines: dict[str, bool] = {}
    certified: set[str] = set()
    for each in described.named("sslengine", "sslcertificatefile"):
        if len(each.sections) == bool(each.host):
            if each.name.lower() == "sslengine":
                engines[each.host] = each.words[:1] != ["off"]
            else:
                certified.add(each.host)
    return {
        host.place
        for host in described.virtual_hosts
        if engines.get(host.place, engines.get("", bool(certified & {"", host.place})))
    }


def their_clients(store: Store, described: Description, tried: Sequence[tuple[SiteFacts, str]]) -> dict[str, str]:
    """The files and folders of the neighbouring virtual hosts' client CAs and CRLs, each with its directive's name.

    C(tried): sites, each with an address. What is a site's own is left out, but for its files.
    """
    found = [each for site, address in tried for each in find_neighbours(store, described, site, address)]
    others = {each.host.place: each.host for each in found}
    wanted = ("sslcacertificatefile", "sslcarevocationfile", "sslcacertificatepath", "sslcarevocationpath")
    return {
        described.path(each.words[0]): name
        for other in others.values()
        for name, each in find_effective(described, other, wanted).items()
        if each.words
        and not (name.endswith("path") and trusted_paths.lies_below(described.path(each.words[0]), store.root))
    }


def expects_proxy_header(described: Description, address: str, port: int, client: str = "") -> bool:
    """Whether httpd takes only connections that begin with a PROXY header (RemoteIPProxyProtocol).

    Measured on httpd 2.4: it goes by address and port, before any name is known; Off wins over On; exceptions hold for
    every address, wherever they stand. C(client): the address of who connects, empty to leave exceptions aside.
    """
    said = {
        word
        for word, (known, number) in described.proxy_headers
        if known in ("", address) and number in ("*", str(port))
    }
    return said == {"on"} and not (client and any(_is_among(client, network) for network in described.proxy_exempt))


def find_door(described: Description, address: str, port: int, source: str = "") -> Door:
    """Where this machine reaches a server: proxied where its connection has to begin with a PROXY header.

    C(source): the address that it connects from, where that is not its own choice.
    """
    proxied = expects_proxy_header(described, address, port) and expects_proxy_header(
        described, address, port, source or find_source(address, port)
    )
    return Door(address, port, proxied)


def find_source(address: str, port: int) -> str:
    """The address that this machine connects from to another; empty where it cannot."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as unsent:
            unsent.connect((address, port))
            return str(unsent.getsockname()[0])
    except OSError:
        return ""


def _is_among(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def find_sharing(described: Description, address: str, port: str) -> list[VirtualHost]:
    """The virtual hosts among which a connection's name decides, the default first (those of the address alone)."""

    def at(wanted: str) -> list[VirtualHost]:
        return [
            host
            for host in described.virtual_hosts
            if any(known == wanted and number in ("*", port) for known, number in map(endpoint, host.addresses))
        ]

    return at(address) or at("")


def is_host_of(store: Store, host: VirtualHost, site: SiteFacts) -> bool:
    """Whether a virtual host is that of a site's own file."""
    return host.file.startswith(store.path(site.domain) + "/") and host.answers(site.domain)


def addresses(site: SiteFacts, description: Description) -> list[str]:
    """The addresses at which a site is tried.

    Its own, or the loopback, and those that other virtual hosts claim on its port.
    """
    if site.listen:
        return list(site.listen)
    including = host_of(site, description)
    if including:
        own = [address for address, port in map(endpoint, including.addresses) if numeric(address)]
        return own or [locally("")]
    listens = {listened(each) for each in description.listens}
    ours = {address for address, port in listens if port == str(site.port)}
    local = [locally(address) for address in sorted(ours)] or [locally("")]
    claimed = [endpoint(address) for host in description.virtual_hosts for address in host.addresses]
    return list(
        dict.fromkeys(
            local[:1]
            + [
                address
                for address, port in claimed
                if numeric(address) and port in ("*", str(site.port)) and any(covers(each, address) for each in ours)
            ]
        )
    )


def locally(address: str) -> str:
    """Where who listens on C(address) is reached from this machine; one without IPv4 has no 127.0.0.1."""
    if address not in ("", "0.0.0.0"):
        return address
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError:
        return "::1"
    return "127.0.0.1"


@lru_cache(maxsize=4096)  # Many virtual hosts have one address.
def numeric(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False


def host_of(site: SiteFacts, described: Description) -> VirtualHost | None:
    """The user's virtual host that includes the directives of a site, None where there is none."""
    if not site.included:
        return None
    places = {each.host for each in described.directives if is_file_of(each.file, site) and len(each.sections) == 1}
    return next((host for host in described.virtual_hosts if host.place in places), None)


def is_file_of(path: str, site: SiteFacts) -> bool:
    """Whether a path is that of the directives of a site, as httpd names it."""
    return path.endswith(os.path.join("/", FOLDER, site.domain, "current", SITE))


def to_include(store: Store, without_us: Description, site: SiteFacts) -> Fault:
    """That the directives of a site are not in force, and what the user has to do so that they are."""
    line = f"Include {quoting.directive(store.path(site.domain, 'current', SITE))}"
    mine = [host for host in without_us.virtual_hosts if host.answers(site.domain) and str(site.port) in host.ports()]
    where = f"the virtual host at {mine[0].place}" if mine else f"your virtual host of that name on port {site.port}"
    own = [each for each in without_us.directives if mine and each.host == mine[0].place and each.name.lower() in _OWN]
    instead = ", in the place of " + ", ".join(f"{each.name} (line {each.line})" for each in own) if own else ""
    remedy = f"put `{line}` into {where} as its last line{instead}, and run again"
    return Fault("not-included", site.domain, f"{site.domain} is not in force", remedy)


def find_host(store: Store, described: Description, site: SiteFacts) -> VirtualHost | None:
    """The virtual host that serves a site: its own, or the user's that includes it."""
    own = (host for host in described.virtual_hosts if is_host_of(store, host, site))
    return next(own, None) or host_of(site, described)


def find_effective(described: Description, host: VirtualHost, names: Container[str]) -> dict[str, Directive]:
    """The directives of these names (lower case) that hold for all of a virtual host, by name."""
    found: dict[str, Directive] = {}
    for place in ("", host.place):
        for each in described.of_host(place):
            if len(each.sections) == (1 if place else 0) and each.name.lower() in names:
                found[each.name.lower()] = each
    return found
