# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How a site stands among the other virtual hosts of a server."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import replace
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
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, EMPTY, SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import FOLDER, Store

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

_CONDITION = re.compile("(If|ElseIf|Else)( |$)", re.IGNORECASE)

# What the directives that a user's virtual host includes take the place of.
_PAIR = ("sslcertificatefile", "sslcertificatekeyfile", "sslcertificatechainfile")
_OWN = (*_PAIR, "sslcacertificatefile", "sslcacertificatepath", "sslverifyclient")
# Commands of OpenSSL's own that say which CAs a client may be issued by (SSL_CONF_cmd).
_TRUST = ("verifycafile", "verifycapath", "verifycastore")
# How many virtual hosts of a site's own address and port, and how many kinds elsewhere, a site is tried by way of.
_BESIDE, _ELSEWHERE = 3, 16
# How much of a client's chain SSLCARevocationCheck and SSLOCSPEnable look at.
_EXTENT = {"leaf": 1, "chain": 2, "on": 2}


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
    mine = next((host for host in hosts if _of_site(store, host, site)), None) or host_of(site, described)
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
        for name, each in _effective_directives(described, other, wanted).items()
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


def _of_site(store: Store, host: VirtualHost, site: SiteFacts) -> bool:
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
    places = {each.host for each in described.directives if _is_site(each.file, site) and len(each.sections) == 1}
    return next((host for host in described.virtual_hosts if host.place in places), None)


def _is_site(path: str, site: SiteFacts) -> bool:
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
    own = (host for host in described.virtual_hosts if _of_site(store, host, site))
    return next(own, None) or host_of(site, described)


def find_misplaced(store: Store, described: Description, sites: Sequence[SiteFacts]) -> list[Fault]:
    """Faults in the configuration as httpd reads it with our change, that no handshake would show, or not clearly.

    A site that is not included; that stands before another's on the same address and port, and so becomes their
    default; that lets clients of more CAs in than its own.
    """
    faults: list[Fault] = []
    hosts = described.virtual_hosts
    theirs = tuple(each for each in described.directives if not each.file.startswith(store.root + "/"))
    without = replace(described, directives=theirs)

    def foreign(host: VirtualHost) -> bool:
        return not host.file.startswith(store.root + "/")

    for site in sites:
        mine = next((host for host in hosts if _of_site(store, host, site)), None) or host_of(site, described)
        if site.included and mine:
            faults += _hidden(described, site, mine)
            faults += _doors(store, described, site, mine)
            continue
        if mine is None:
            path = store.path(site.domain, "current", SITE)
            words = f"{site.domain}: no virtual host of this name comes from {path}"
            remedy = f"check the template's ServerName, and that {store.path('host.conf')} is included"
            faults.append(Fault("not-in-force", site.domain, words, remedy))
            continue
        faults += _headers(described, without, site, mine)
        for address in map(endpoint, mine.addresses):
            same = [host for host in hosts if address in map(endpoint, host.addresses)]
            if not foreign(same[0]) and any(map(foreign, same)):
                other = next(filter(foreign, same))
                words = (
                    f"{site.domain}: it would become the default of its address and port in the place of the virtual"
                )
                remedy = "have the other's file included before it"
                faults.append(Fault("takes-the-default", site.domain, f"{words} host at {other.place}", remedy))
            for other in filter(foreign, hosts) if address[0] and not any(map(foreign, same)) else ():
                if any(not known and port in ("*", address[1]) for known, port in map(endpoint, other.addresses)):
                    words = f"{site.domain}: on {address[0]} it would stand before the virtual host at {other.place}"
                    remedy = "leave 'listen' out, or take another port"
                    faults.append(
                        Fault("takes-the-default", site.domain, f"{words}, which is for all addresses", remedy)
                    )
        # extra_directives, or a template, may have brought another of them, for an address of its own.
        for host in hosts:
            if _of_site(store, host, site) and {"*", str(site.port)} & host.ports():
                faults += _doors(store, described, site, host)
    return list(dict.fromkeys(faults))


def _hidden(described: Description, site: SiteFacts, mine: VirtualHost) -> Iterator[Fault]:
    """Why requests for a site do not come to the user's virtual host that includes it."""
    if not mine.answers(site.domain):
        words = f"{site.domain}: the virtual host at {mine.place} includes it, and has not its name"
        yield Fault("not-in-force", site.domain, words, "set ServerName there")
    if str(site.port) not in mine.ports():
        words = f"{site.domain}: the virtual host at {mine.place} includes it on another port"
        yield Fault("not-in-force", site.domain, words, "set the option 'port'")
    for address, port in map(endpoint, mine.addresses):
        first = next((host for host in find_sharing(described, address, port) if host.answers(site.domain)), mine)
        if first != mine:
            words = f"{site.domain}: the virtual host at {first.place} has its name too, and stands before {mine.place}"
            yield Fault("not-in-force", site.domain, words, "")


def _headers(described: Description, without: Description, site: SiteFacts, mine: VirtualHost) -> Iterator[Fault]:
    """Where a site's RemoteIPProxyProtocol holds for others, or theirs for the site. C(without): as if without us."""
    for other in without.virtual_hosts if described.proxy_headers else ():
        for address, port in map(endpoint, other.addresses):
            if port in ("*", str(site.port)) and (
                expects_proxy_header(described, address, site.port) != expects_proxy_header(without, address, site.port)
            ):
                yield Fault(
                    "proxy-protocol-conflict",
                    site.domain,
                    f"{site.domain}: its RemoteIPProxyProtocol would hold for the virtual host at {other.place} too, "
                    "as it goes by address and port",
                    "take another port, or say the same there",
                )
    saying = {each.host for each in described.named("remoteipproxyprotocol")}
    for other in described.virtual_hosts if mine.place in saying else ():
        ports = {port for _address, port in map(endpoint, other.addresses)}
        # Another site of ours; a host of the user's was asked about above.
        if other.place not in saying and str(site.port) in ports and other not in without.virtual_hosts:
            yield Fault(
                "proxy-protocol-conflict",
                site.domain,
                f"{site.domain}: its RemoteIPProxyProtocol would hold for the site {other.name} too, as it goes by "
                "address and port",
                "take another port, or say the same there",
            )
    wished = "remoteip" in site.modules
    if wished and not all(
        expects_proxy_header(described, known, site.port) for known, _port in map(endpoint, mine.addresses)
    ):
        words = f"{site.domain}: RemoteIPProxyProtocol Off for its address and port takes 'proxy_protocol' back"
        yield Fault("proxy-protocol-conflict", site.domain, words, "take that line out")


def _doors(store: Store, described: Description, site: SiteFacts, mine: VirtualHost) -> Iterator[Fault]:
    """Directives in force for the site by which others than the clients of its client CAs would get in."""
    release = os.path.realpath(store.path(site.domain, "current"))
    wanted = {
        "sslverifyclient": site.verify_client,
        "sslcacertificatefile": os.path.join(release, CLIENT_CA),
        "sslcacertificatepath": os.path.join(release, EMPTY),
    }
    if site.crl_check != "none":
        wanted["sslcarevocationfile"] = os.path.join(release, CRL)
    in_force = _effective_directives(described, mine, wanted)
    inside = described.of_host(mine.place)
    foreign = [each for each in inside if not _is_site(each.file, site)]
    for each in foreign if site.included else ():
        if each.name.lower() in _PAIR:
            words = f"{site.domain}: {each.name} at {each.place} stands beside the site's own"
            yield Fault("others-get-in", site.domain, words, "take it out")
    if "sslverifyclient" not in in_force:
        words = f"{site.domain}: the virtual host at {mine.place} has no SSLVerifyClient, so that others would get in"
        yield Fault("others-get-in", site.domain, words, "")
    for name, each in in_force.items():
        value = each.words[0] if each.words else ""
        if (os.path.realpath(described.path(value)) if "ca" in name else value.lower()) != wanted[name]:
            words = f"{site.domain}: {each.name} at {each.place} is not the site's own, so that others would get in"
            yield Fault("others-get-in", site.domain, words, "")
    # What OpenSSL is told past mod_ssl: CAs in the place of SSLCACertificateFile's.
    for each in described.named("sslopensslconfcmd"):
        if each.host not in ("", mine.place):
            continue
        if "".join(each.words[:1]).lower() in _TRUST:
            yield Fault(
                "others-get-in",
                site.domain,
                f"{site.domain}: {each.name} {each.words[0]} at {each.place} takes the place of the site's client CA, "
                "so that others would get in",
                "take that line out",
            )
    yield from _taken_back(described, site, mine)
    yield from _lasting(described, site, mine)
    # The site's own rule stands in an <If>; what is in one within another is merged later still.
    for each in (*described.of_host(""), *inside) if site.pins or site.open_paths or site.protected_paths else ():
        within = len(list(filter(_CONDITION.match, each.sections))) > 1
        if within and each.name.lower() in ("require", "satisfy", "authmerging"):
            words = f"{site.domain}: {each.name} at {each.place} is in an <If> within another, and could let others in"
            yield Fault("others-get-in", site.domain, words, "take it out of the inner one")


def _taken_back(described: Description, site: SiteFacts, mine: VirtualHost) -> Iterator[Fault]:
    """Directives by which less is asked about revoked clients than the site's own ask.

    No handshake of a run shows each: a rehearsal reaches no responder, and revokes no intermediate; the live server
    knows no revoked client of ours.
    """
    for name, option in (("sslcarevocationcheck", "crl_check"), ("sslocspenable", "client_ocsp")):
        asked = [each for each in described.of_host(mine.place) if each.name.lower() == name]
        wanted, exempt = next((_extent(each) for each in asked if _is_site(each.file, site)), (0, set()))
        if not wanted:
            continue
        extent, spared = _extent(asked[-1])
        if extent < wanted or spared - exempt:
            words = f"{site.domain}: {asked[-1].name} at {asked[-1].place} takes '{option}' back"
            yield Fault("others-get-in", site.domain, words, "take that line out")
        unproven = (
            _effective_directives(described, mine, ("sslocspnoverify",)).values() if option == "client_ocsp" else ()
        )
        for each in unproven:
            if each.words[0].lower() == "on":
                words = f"{site.domain}: {each.name} at {each.place} lets anybody answer for the CA"
                yield Fault("others-get-in", site.domain, words, "take that line out")


def _extent(each: Directive) -> tuple[int, set[str]]:
    """How much of a client's chain a directive looks at, and the flags by which it spares some."""
    words = [word.lower() for word in each.words]
    return _EXTENT.get("".join(words[:1]), 0), set(words[1:])


def _lasting(described: Description, site: SiteFacts, mine: VirtualHost) -> Iterator[Fault]:
    """Keys of tickets that outlive a reload, and with it the removal of a client CA, where the site gives tickets."""
    keys = described.named("sslsessionticketkeyfile")
    switch = _effective_directives(described, mine, ("sslsessiontickets",)).get("sslsessiontickets")
    commands = [each.words for each in described.named("sslopensslconfcmd") if each.host in ("", mine.place)]
    options = {
        option.strip().lower()
        for command, *values in commands
        if command.lower() == "options"
        for value in values
        for option in value.split(",")
    }
    given = switch is None or switch.words[0].lower() == "on" or options & {"sessionticket", "+sessionticket"}
    if keys and given:
        yield Fault(
            "sessions-outlast",
            site.domain,
            f"{site.domain}: {keys[0].name} at {keys[0].place} would let clients of a removed client CA in by their "
            "sessions",
            "take that line out, or whatever has tickets given (SSLSessionTickets, SSLOpenSSLConfCmd Options)",
        )


def _effective_directives(described: Description, host: VirtualHost, names: Container[str]) -> dict[str, Directive]:
    """The directives of these names (lower case) that hold for all of a virtual host, by name."""
    found: dict[str, Directive] = {}
    for place in ("", host.place):
        for each in described.of_host(place):
            if len(each.sections) == (1 if place else 0) and each.name.lower() in names:
                found[each.name.lower()] = each
    return found
