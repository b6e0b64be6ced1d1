# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is wrong with a site's place among the other virtual hosts of a server, and with what holds for it there.

Found in the configuration as httpd reads it, where no handshake would show it, or not clearly.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
    Description,
    Directive,
    VirtualHost,
    endpoint,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.includes import find_including_line
from ansible_collections.mtls.httpd.plugins.module_utils._site.standing import (
    PAIR,
    expects_proxy_header,
    find_effective,
    find_sharing,
    host_of,
    is_file_of,
    is_host_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, EMPTY, SITE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

_CONDITION = re.compile("(If|ElseIf|Else)( |$)", re.IGNORECASE)
# Commands of OpenSSL's own that say which CAs a client may be issued by (SSL_CONF_cmd).
_TRUST = ("verifycafile", "verifycapath", "verifycastore")
# How much of a client's chain SSLCARevocationCheck and SSLOCSPEnable look at.
_EXTENT = {"leaf": 1, "chain": 2, "on": 2}


def find_misplaced(store: Store, described: Description, sites: Sequence[SiteFacts]) -> list[Fault]:
    """Faults in the configuration as httpd reads it with our change, that no handshake would show, or not clearly.

    A site that is not included; that stands before another's on the same address and port, and so becomes their
    default; that lets clients of more CAs in than its own.
    """
    faults: list[Fault] = []
    hosts = described.virtual_hosts
    theirs = tuple(each for each in described.directives if not each.file.startswith(store.root + "/"))
    without = replace(described, directives=theirs)
    for site in sites:
        mine = next((host for host in hosts if is_host_of(store, host, site)), None) or host_of(site, described)
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
        faults += _defaults(store, described, site, mine)
        # extra_directives, or a template, may have brought another of them, for an address of its own.
        for host in hosts:
            if is_host_of(store, host, site) and {"*", str(site.port)} & host.ports():
                faults += _doors(store, described, site, host)
    return list(dict.fromkeys(faults))


def _defaults(store: Store, described: Description, site: SiteFacts, mine: VirtualHost) -> Iterator[Fault]:
    """Where a site would be the default in the place of another's virtual host."""

    def is_foreign(host: VirtualHost) -> bool:
        return not host.file.startswith(store.root + "/")

    for address, port in map(endpoint, mine.addresses):
        same = [host for host in described.virtual_hosts if (address, port) in map(endpoint, host.addresses)]
        theirs = next(filter(is_foreign, same), None)
        if theirs and not is_foreign(same[0]):
            words = f"{site.domain}: it would become the default of its address and port in the place of the virtual"
            line = find_including_line(described, store.path("host.conf"))
            by = f", which line {line} of the main file includes, perhaps with others by a pattern" if line else ""
            remedy = f"have the other's file included before it{by}"
            yield Fault("takes-the-default", site.domain, f"{words} host at {theirs.place}", remedy)
        for other in filter(is_foreign, described.virtual_hosts) if address and not theirs else ():
            if any(not known and number in ("*", port) for known, number in map(endpoint, other.addresses)):
                words = f"{site.domain}: on {address} it would stand before the virtual host at {other.place}"
                remedy = "leave 'listen' out, or take another port"
                yield Fault("takes-the-default", site.domain, f"{words}, which is for all addresses", remedy)


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
    in_force = find_effective(described, mine, wanted)
    inside = described.of_host(mine.place)
    foreign = [each for each in inside if not is_file_of(each.file, site)]
    for each in foreign if site.included else ():
        if each.name.lower() in PAIR:
            words = f"{site.domain}: {each.name} at {each.place} stands beside the site's own"
            yield Fault("others-get-in", site.domain, words, "take it out")
    if "sslverifyclient" not in in_force:
        words = f"{site.domain}: the virtual host at {mine.place} has no SSLVerifyClient, so that others would get in"
        yield Fault("others-get-in", site.domain, words, "")
    for name, each in in_force.items():
        value = each.words[0] if each.words else ""
        if (os.path.realpath(described.path(value)) if "ca" in name else value.lower()) != wanted[name]:
            words = f"{site.domain}: {each.name} at {each.place} is not the site's own, so that others would get in"
            remedy = "take it out, or put the `Include` of the site behind it" if site.included else ""
            yield Fault("others-get-in", site.domain, words, remedy)
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
        wanted, exempt = next((_extent(each) for each in asked if is_file_of(each.file, site)), (0, set()))
        if not wanted:
            continue
        extent, spared = _extent(asked[-1])
        if extent < wanted or spared - exempt:
            words = f"{site.domain}: {asked[-1].name} at {asked[-1].place} takes '{option}' back"
            yield Fault("others-get-in", site.domain, words, "take that line out")
        unproven = find_effective(described, mine, ("sslocspnoverify",)).values() if option == "client_ocsp" else ()
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
    switch = find_effective(described, mine, ("sslsessiontickets",)).get("sslsessiontickets")
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
