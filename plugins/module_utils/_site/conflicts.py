# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What others on a host forbid: their names, their ports, and the addresses that there are."""

from __future__ import annotations

import fnmatch
import os
import re
import socket
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import parents, selinux_ports
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
    Description,
    Directive,
    covers,
    endpoint,
    listened,
)
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.listen import with_ssl_alone
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import list_socket_units
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes, seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.names import resolve
from ansible_collections.mtls.httpd.plugins.module_utils._site import standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import VirtualHost
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

_ALL = {"0.0.0.0", "::"}
# Kinds of SSLSessionCache that a reload leaves nothing of.
_EMPTIED = ("none", "nonenotnull", "shmcb", "dbm")
_MANAGED = ("mdomain", "<mdomainset", "mdmember")


def find_conflicts(
    without_us: Description, sites: Sequence[SiteFacts], beside: Sequence[SiteFacts], listens: Sequence[tuple[str, int]]
) -> list[Fault]:
    """What in the user's configuration, and among our own sites, the wished sites cannot stand beside.

    C(beside): all sites of ours that will be there, the wished ones too. C(listens): addresses (empty for all) and
    ports that we add.
    """
    found = [
        *find_taken_names(without_us, sites),
        *_twice(beside),
        *_listens(without_us, listens),
        *_caches(without_us, sites),
    ]
    for site in sites:
        if not site.included and not any({"*", str(site.port)} & host.ports() for host in without_us.virtual_hosts):
            found += _main_server(without_us, site)
        if not site.included and not site.listen:
            found += _before_it(without_us, site)
    return list(dict.fromkeys(found))


def find_taken_names(without_us: Description, sites: Sequence[SiteFacts]) -> Iterator[Fault]:
    """Find the names of sites that a virtual host of the user's has on their port, or that mod_md manages."""
    for site in sites:
        if not site.included:
            yield from _nameless(without_us, site)
        names = (site.domain, *site.aliases)
        for host in without_us.virtual_hosts:
            named = [name for name in names if host.answers(name)]
            if named and not site.included and {"*", str(site.port)} & host.ports():
                words = f"{site.domain}: the virtual host at {host.place} has the name {named[0]} on port {site.port}"
                wide = [each for each in (host.name, *host.aliases) if re.search(r"[*?]", each)]
                by = f" by {', '.join(wide)}" if wide and named[0] not in (host.name, *host.aliases) else ""
                way = "remove it, or that name from it; or have it include the site, by 'manage: directives'"
                yield Fault("name-taken", site.domain, f"{words} already{by}", way)
        for each in without_us.directives:
            if each.name.lower() in _MANAGED and any(
                fnmatch.fnmatch(name, word.lower()) for name in names for word in each.words
            ):
                words = (
                    f"{site.domain}: mod_md manages a name of it ({each.place}), and would put its own certificate in"
                )
                yield Fault("name-taken", site.domain, f"{words} place", f"take it out of {each.name.lstrip('<')}")


def find_added_names(
    without_us: Description, described: Description, places: Mapping[str, SiteFacts], moved: Mapping[int, int]
) -> Iterator[Fault]:
    """Find names that the text of a site gives it beside its own, and that other virtual hosts, or sites, have.

    C(described): the configuration with the sites, C(places): these by the path of their site.conf in it. C(moved): the
    ports at which they are rehearsed, by their own, where these are others.
    """
    for path, site in places.items():
        for own in described.virtual_hosts:
            added = {own.name, *own.aliases} - {site.domain, *site.aliases, ""} if path in own.file else set()
            if not added or not {"*", str(moved.get(site.port, site.port))} & own.ports():
                continue
            others = [each for each in without_us.virtual_hosts if {"*", str(site.port)} & each.ports()]
            taken = [f"the virtual host at {each.place}" for each in others if _share_name(own, each)]
            taken += [
                f"the site {each.domain}" for each in places.values() if each != site and own.answers(each.domain)
            ]
            for other in taken:
                words = f"{site.domain}: its text gives it the name of {other} ({', '.join(sorted(added))})"
                yield Fault("name-taken", site.domain, words, "take it out; the option 'aliases' is for its own names")


def _share_name(one: VirtualHost, other: VirtualHost) -> bool:
    names = [name for name in (one.name, *one.aliases) if name]
    return any(one.answers(name) for name in (other.name, *other.aliases) if name) or any(map(other.answers, names))


def _nameless(without_us: Description, site: SiteFacts) -> Iterator[Fault]:
    """Virtual hosts without a ServerName, for all addresses: httpd gives them the server's own."""
    own = [each for each in without_us.directives if each.name.lower() == "servername" and not each.host and each.words]
    name = re.sub(r"^\w+://|:\d+$", "", own[-1].words[0]) if own else socket.gethostname()
    if name.lower() not in (site.domain, *site.aliases):
        return
    for host in without_us.virtual_hosts:
        if not host.name and any(
            not address and port in ("*", str(site.port)) for address, port in map(endpoint, host.addresses)
        ):
            whose = f"the server's ({own[-1].place})" if own else "this machine's"
            words = f"{site.domain}: the virtual host at {host.place} has no ServerName, so it takes {whose}, {name}"
            yield Fault(
                "name-taken", site.domain, f"{words}, on port {site.port} too", "give it a ServerName of its own"
            )


def _before_it(without_us: Description, site: SiteFacts) -> Iterator[Fault]:
    """Virtual hosts for one address of the site's port: httpd looks for no others there, by whatever name."""
    ours = {address for address, port in map(listened, without_us.listens) if port == str(site.port)} or {""}
    for host in without_us.virtual_hosts:
        for written, port in map(endpoint, host.addresses):
            if not written or port not in ("*", str(site.port)):
                continue
            for address in [written] if standing.numeric(written) else resolve(written):
                if any(covers(each, address) for each in ours):
                    is_for_all = any(
                        not other and end in ("*", str(site.port)) for other, end in map(endpoint, host.addresses)
                    )
                    named = f"names {written} beside all addresses" if is_for_all else f"is for {written} alone"
                    words = (
                        f"{site.domain}: the virtual host at {host.place} {named}, and comes before "
                        f"those for all addresses, so that at {address} nobody would reach the site on port {site.port}"
                    )
                    # A site for that address alone would not be reached at the others.
                    remedy = (
                        f"take {written} out of its <VirtualHost>"
                        if is_for_all
                        else f"set 'listen: [\"{address}\"]' for the site"
                    )
                    yield Fault("listen-conflict", site.domain, words, remedy)


def _twice(sites: Sequence[SiteFacts]) -> Iterator[Fault]:
    """Names, and addresses of a port, that several sites of ours claim."""
    for number, site in enumerate(sites):
        for other in sites[:number]:
            if site.port != other.port or site.included or other.included:
                continue
            if ("remoteip" in site.modules) != ("remoteip" in other.modules):
                yield Fault(
                    "proxy-protocol-conflict",
                    site.domain,
                    f"{site.domain}: it and {other.domain} share port {site.port}, and one alone has 'proxy_protocol', "
                    "which goes for all that is served there",
                    "give both the same, or ports of their own",
                )
            both = {site.domain, *site.aliases} & {other.domain, *other.aliases}
            if both:
                words = f"{site.domain}: {other.domain} has the name {min(both)} too, and one would hide the other"
                yield Fault("name-taken", site.domain, words, "")
            if bool(site.listen) != bool(other.listen):
                yield Fault(
                    "listen-conflict",
                    site.domain,
                    f"{site.domain}: it and {other.domain} share port {site.port}, one on all addresses, one on some, "
                    "and httpd would serve only the latter there",
                    "give both the same 'listen', or ports of their own",
                )


def _caches(without_us: Description, sites: Sequence[SiteFacts]) -> Iterator[Fault]:
    """Caches of TLS sessions that a reload does not empty: who is in one is let in without being looked at again."""
    for each in without_us.directives:
        kind = each.arguments.strip('"').partition(":")[0].lower()
        if each.name.lower() == "sslsessioncache" and sites and kind not in _EMPTIED:
            words = f"{each.place}: sessions in SSLSessionCache {kind} outlive the removal of a client CA"
            yield Fault("sessions-outlast", "", words, "take shmcb, and restart httpd")


def _listens(without_us: Description, listens: Sequence[tuple[str, int]]) -> Iterator[Fault]:
    for address, port in listens:
        for each in without_us.listens:
            if _excludes(each, address, port):
                words = (
                    f"port {port}: `Listen {each.arguments}` at {each.place} and one for {address or 'all addresses'}"
                )
                remedy = "set 'listen' of the site to the address there"
                yield Fault("listen-conflict", "", f"{words} exclude each other", remedy)


def _excludes(listen: Directive, address: str, port: int) -> bool:
    """Whether the user's Listen and one of ours exclude each other: one is for all addresses, the other for some."""
    known, number = listened(listen)
    return number == str(port) and (not known or not address)


def _main_server(without_us: Description, site: SiteFacts) -> Iterator[Fault]:
    """A port that the main server serves plainly: the first virtual host on it would take all of it."""
    engine = [each for each in without_us.directives if each.name.lower() == "sslengine" and not each.host]
    for each in without_us.listens:
        address, port = listened(each)
        if port != str(site.port) or not any(covers(address, wanted) for wanted in site.listen or (address,)):
            continue
        plain = site.port != 443 and not with_ssl_alone(each) and "https" not in each.words[1:]
        if plain or any(directive.arguments.lower() == "on" for directive in engine):
            words = f"{site.domain}: port {site.port} is the main server's ({each.place}), whose own pages would vanish"
            yield Fault("takes-the-port", site.domain, f"{words} from it", "choose another port")


def find_changed_mpm(server: Server, without_us: Description) -> list[Fault]:
    """Why the running server would end at a reload, whatever it is told: another MPM than in its files."""
    loaded = server.mpm()
    named = [name for name in without_us.modules if name.startswith("mpm_")]
    if not loaded or not named or loaded in named:
        return []
    told = f"httpd runs with {loaded}, and its files now load {named[0]}, which cannot change while it runs"
    return [Fault("mpm-changed", "", f"{told}, so that a reload would end it", "restart httpd, then run again")]


def find_upgraded(server: Server) -> list[Fault]:
    """Why the program that runs would end at a reload, where an upgrade put another in its place, and modules."""
    older = server.test_running()
    if older is None or older.code == 0:
        return []
    words = (
        "httpd was upgraded since it was started, and the program that runs does not take what is on the disk by now"
    )
    return [
        Fault("upgraded", "", f"{words} ({older.complaint}): a reload would end it", "restart httpd, then run again")
    ]


def find_taken_ports(
    server: Server, without_us: Description, sites: Sequence[SiteFacts], listens: Sequence[tuple[str, int]]
) -> list[Fault]:
    """Why the machine does not let httpd listen where it must: an end of httpd at the next reload.

    The user's own Listen directives too, as one that is not yet in force would fail at our reload.
    """
    found: list[Fault] = []
    for site in sites:
        for address in site.listen:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                with socket.socket(family, socket.SOCK_STREAM) as probe:
                    probe.bind((address, 0))
            except OSError as error:
                place = f"{address} is no address of this host ({os.strerror(error.errno or 0)})"
                words = f"{site.domain}: listen: {place}"
                found.append(Fault("address-missing", site.domain, words, "correct 'listen', or add it"))
    held = processes.listening()
    by_systemd = processes.inodes(1)
    own = processes.inodes(server.parent.pid) if server.parent and server.running() else set()
    theirs = [listened(each) for each in without_us.listens]
    # Those that exclude each other are refused as that, and need no stop, nor the end of anybody.
    possible = [each for each in listens if not any(_excludes(listen, *each) for listen in without_us.listens)]
    wanted = [*possible, *((address, int(port)) for address, port in theirs if port.isdigit())]
    for address, port in dict.fromkeys(wanted):
        mine = {each for each, number, inode in held if number == port and inode in own}
        if address in mine or (not address and mine & _ALL) or re.search(r"[^0-9a-f:.]", address):
            continue
        # Of Listen 0.0.0.0:80 beside [::]:80 httpd opens one socket for both, where :: takes IPv4 too; else it has two.
        if address == "0.0.0.0" and "::" in mine and ("", port) in wanted:
            continue
        if any(_overlap(address, each) for each in mine):
            words = f"port {port}: httpd listens on {', '.join(sorted(mine))} now, and cannot change to"
            remedy = "choose another port, or stop httpd and run again"
            found.append(Fault("port-taken", "", f"{words} {address or 'all addresses'} without a stop", remedy))
        for other, number, inode in held:
            if number == port and inode not in own and _overlap(address, other):
                words, way = f"{processes.holder(inode)} ({other})", "end it, or choose another port"
                itself = parents.server_of_another_user(processes.opener(inode))
                another, left = parents.other_httpd(inode)
                if left and not another:
                    numbers = " ".join(map(str, left))
                    words = f"workers that an httpd left behind as it ended ({numbers}, {other})"
                    way = f"`kill -KILL {numbers}`, run again; or choose another port"
                if another:
                    words = f"another httpd (process {another}), as it seems ({other})"
                    way = "choose another port; or, if that is the one that is meant, start it by absolute paths, or"
                    way += " name its main file by httpd_config"
                if itself:
                    words, way = (
                        itself,
                        f"run its parent as {parents.user_name(os.geteuid())}, as its unit does without",
                    )
                    way += " User=: httpd gives that up itself, by its directive User; then run again"
                sockets = _socket_units(server) if inode in by_systemd else ""
                if sockets:
                    words = f"systemd for {sockets}, which would start httpd at the first call"
                    way = f"have httpd open its own sockets, by `systemctl disable --now {sockets}`; then run again"
                words = f"port {port} is held by {words}, so httpd could not listen there"
                found.append(Fault("port-taken", "", words, way))
    heard = {number for _address, number, inode in held if inode in own}
    found += _find_unpermitted_ports(server, sorted({port for _address, port in wanted} - heard))
    found += selinux_ports.find_forbidden_ports(server, sorted({port for _address, port in wanted} - heard))
    return list(dict.fromkeys(found))


def _socket_units(server: Server) -> str:
    """The units for which systemd listens in the place of httpd, which does not run."""
    unit = server.supervision.unit
    return " ".join(list_socket_units(unit)) if unit and not server.running() else ""


def _find_unpermitted_ports(server: Server, ports: Sequence[int]) -> Iterator[Fault]:
    """Find those of the ports that the running parent cannot listen on anew, by what its unit gives it."""
    if server.parent is None or not server.running():
        return
    if seclusion.is_given_sockets(server.parent.pid):
        for port in ports:
            words = f"port {port}: systemd opens the sockets of httpd, and none for this port, so that a reload would"
            way = f"add `ListenStream={port}` to its socket unit (`systemctl edit httpd.socket`), and restart both"
            yield Fault("port-forbidden", "", f"{words} end it", way)
    lowest = seclusion.lowest_port()
    low = [port for port in ports if port < lowest]
    if not low or seclusion.NET_BIND_SERVICE not in seclusion.lacking_rights(server.parent.pid):
        return
    way = "give that to its unit (CapabilityBoundingSet=) and restart httpd, or choose another port"
    if seclusion.is_helped_to_ports(server.parent.pid):
        low = seclusion.find_unhelped_ports(server.parent.pid, low)
        if os.geteuid() != 0:
            way = "let httpd's user do so by authbind(1), in /etc/authbind, then run again; or choose another port"
    for port in low:
        words = f"port {port}: httpd runs without the right to listen on ports below {lowest}"
        yield Fault("port-forbidden", "", f"{words} (CAP_NET_BIND_SERVICE), so that a reload would end it", way)


def _overlap(address: str, other: str) -> bool:
    """Whether the kernel lets only one listen on them at a port; empty and C(::) are all addresses."""
    one, two = address or "::", other
    return "::" in (one, two) or covers(one, two) or covers(two, one)
