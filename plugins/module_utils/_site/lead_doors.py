# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Asking for sites as the directives of all virtual hosts would lead to their content, at each door of the server."""

from __future__ import annotations

import os
from itertools import product
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    VERSIONS,
    Identity,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import Kept
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import join_endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.plain_files import read_beginning
from ansible_collections.mtls.httpd.plugins.module_utils._site import rule_files, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.asking import (
    NOBODY,
    SECONDS,
    UNLISTED,
    Asker,
    Place,
    find_answering,
    find_name,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import find_document_root
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import find_contents
from ansible_collections.mtls.httpd.plugins.module_utils._site.door_requests import (
    BEGINNING,
    Asked,
    authority,
    write_lead,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.in_the_way import (
    asks_unsaid,
    find_address_rules,
    find_setters,
    find_takers,
    find_unsaid_rules,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_requests import MISSING, TUNNEL
from ansible_collections.mtls.httpd.plugins.module_utils._site.leads import Lead, Leads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Directive, VirtualHost
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

_LEADS = 128
_DENIED = (401, 403)
_NO_NAME = "mtls-httpd.invalid"  # RFC 6761: of nobody, so that the default answers


def ask_leads(asker: Asker, sites: Sequence[SiteFacts]) -> Iterator[Fault]:
    """Ask for sites as the directives of all virtual hosts would lead to their content."""
    by_domain = {site.domain: site for site in sites}
    leads = Leads(asker.canaries.described)
    leads.search([_goal(asker, site) for site in sites])
    for domain, each in leads.doubtful:
        host = asker.canaries.described.host_at(each.host)
        if not asker.is_accepted(by_domain[domain], host) and not _is_shut(asker, by_domain[domain], host):
            asker.note(
                f"{each.name} at {each.place} may lead to what {domain} protects by what no request says, so "
                "whether it does was not tried"
            )
    for words in leads.tell_unseen():
        asker.note(words)
    leading: set[tuple[str, Directive]] = set()  # One request that does tells enough.
    asked = dict.fromkeys(leads.found)
    asker.note_left_out(len(asked) - _LEADS, "requests that rules lead on")
    for lead in list(asked)[:_LEADS]:
        if lead.domain not in asker.content and not asker.serve_admitted(by_domain[lead.domain]):
            continue
        is_own = lead.host == asker.canaries.hosts[lead.domain]
        names_nothing = lead.shown or not (lead.request.query or lead.request.fields)
        if is_own and names_nothing and lead.request.path in by_domain[lead.domain].open_paths:
            continue  # What the operator's own rule has there for everybody.
        if (lead.domain, lead.said) not in leading:
            found = list(_ask_lead(asker, lead, by_domain[lead.domain]))
            leading |= {(lead.domain, lead.said)} if found else set()
            yield from found


def _goal(asker: Asker, site: SiteFacts) -> Goal:
    """What stands for the closed content of a site, and where."""
    closed = asker.canaries.closed[site.domain]
    files = asker.canaries.files.get(site.domain, ()) if asker.canaries.names.get(site.domain) in closed else ()
    below = dict(asker.content.get(site.domain, ()))
    listening = tuple(
        (each.place, below.get(mark, "")) for each, mark in asker.canaries.taken.items() if mark in closed
    )
    root = asker.canaries.roots.get(site.domain, "") if files else ""
    opened = tuple(os.path.normpath(f"{root}/{path}") for path in site.open_paths if root)
    described = asker.canaries.described
    written = find_document_root(described, asker.canaries.hosts[site.domain])
    names = (written, *asker.canaries.mounts.other_paths(root)) if root else ()
    return Goal(site.domain, files, listening, root, opened, asker.canaries.named.get(site.domain, {}), names)


def _is_shut(asker: Asker, site: SiteFacts, host: VirtualHost | None) -> bool:
    """Whether all of a virtual host is the site's own, and asks everybody for a certificate."""
    return host == asker.canaries.hosts[site.domain] and site.verify_client == "require"


def _ask_lead(asker: Asker, lead: Lead, site: SiteFacts) -> Iterator[Fault]:
    """Ask as a directive would lead on, at each door of its virtual host; of what all inherit, of each kind there.

    As one of them may close what another leaves open.
    """
    callers: list[tuple[str, Identity | None]] = [(NOBODY, None)]
    if _is_shut(asker, site, lead.host):
        callers = [(UNLISTED, asker.probes.trusted)] if site.pins else []
    for (address, port), sharing in asker.shared.items():
        hosts = [each for each in sharing if each == lead.host]
        if not lead.host:
            hosts = list(asker.kinds_at(address, port))[: 1 if lead.is_guess else None]
        for host in hosts:
            for who, identity in callers:
                yield from _ask_by(asker, lead, site, Place(address, port, [host, *sharing]), (who, identity))


def _ask_by(
    asker: Asker, lead: Lead, site: SiteFacts, place: Place, caller: tuple[str, Identity | None]
) -> Iterator[Fault]:
    who, identity = caller
    address, port, (host, *sharing) = place
    with_tls = host.place in asker.with_tls
    made = lead.request
    own = find_name(host, sharing)
    name = made.host or own or (site.domain if find_answering(sharing, site.domain) == host else _NO_NAME)
    sni = own if with_tls else ""
    if find_answering(sharing, name.partition(":")[0], sni) != host:
        return
    request = write_lead(made, authority(name, port) if not made.host else name)
    rest = made.query and (f" and GET {made.query} through it" if made.method == TUNNEL else f"?{made.query}")
    path = made.path.encode("utf-8", "backslashreplace").decode("utf-8")
    told = f"{made.method or 'GET'} {path}{rest} with Host {name}"
    told += "".join(f" and {field}: {value}" for field, value in made.fields)
    told += f", by {lead.said.name} at {lead.said.place}"
    # What is filled in right behind a host and port makes them a user and password.
    remedy = "put a slash behind the host and port there" if "@" in made.path else ""
    shown = read_beginning(lead.shown, BEGINNING) if lead.shown else b""
    # It may be a program, which answers anything; but so may what another folder has for what is missing.
    runs = made.path in MISSING and _is_of_site(asker, host, site, made.path)
    asked = Asked(request, name.partition(":")[0], told, made.path, shown, remedy, sni, runs)
    versions = tuple(reversed(VERSIONS)) if with_tls else ("",)
    if with_tls and not identity:
        versions = tuple(each for each in versions if not asker.refuses_strangers(address, port, sni, each))
    for version in versions:
        kept = asker.connect(address, port, sni, identity, version)
        faults = list(asker.judge(kept, site, [asked], sharing, f"{who} got in at {join_endpoint(address, port)}"))
        kept.close()
        yield from faults
        if faults:
            return
    if versions and not (identity or lead.is_guess):
        _note_let_in(asker, lead, site, place, asked)
        _note_unsaid(asker, lead, site, place, asked)


def _is_of_site(asker: Asker, host: VirtualHost, site: SiteFacts, path: str) -> bool:
    """Whether a virtual host serves a site's folder at a path: as its DocumentRoot, with no alias nor backend there."""
    described, root = asker.canaries.described, asker.canaries.roots.get(site.domain, "")
    return described.real_path(find_document_root(described, host)) == root and not any(
        content.backend or not trusted_paths.lies_within(described.real_path(content.path), root)
        for each in find_takers(described, host, path)
        for content in find_contents(described, each)
    )


def _note_let_in(asker: Asker, lead: Lead, site: SiteFacts, place: Place, asked: Asked) -> None:
    """Note where a rule lets in some addresses, by which a directive leads who calls from there to the content."""
    address, port, (host, *_sharing) = place
    described = asker.canaries.described
    if asker.is_accepted(site, host) or not find_address_rules(described, host, [asked.path]):
        return
    versions = tuple(reversed(VERSIONS)) if host.place in asker.with_tls else ("",)
    for source, version in product(asker.canaries.known_sources(address), versions):
        door = standing.find_door(described, address, port, source)
        kept = Kept(door, version, asked.sni, None, source, SECONDS)
        reply, reached = asker.reach(kept, asked.raw)
        kept.close()
        if asked.is_shown(reply) or asker.is_content(site, reached):
            who = f"clients at {source}" if source else "clients on this machine"
            asker.note(
                f"{lead.said.name} at {lead.said.place} leads {who} to what {site.domain} protects, and asks them "
                "for no certificate"
            )
            return


def _note_unsaid(asker: Asker, lead: Lead, site: SiteFacts, place: Place, asked: Asked) -> None:
    """Note where a directive leads to the content whom a rule lets in by what no request here says."""
    address, port, (host, *_sharing) = place
    described = asker.canaries.described
    if asker.is_accepted(site, host) or host in asker.canaries.hosts.values():
        return
    folders = [described.path(word) for word in lead.said.words if "/" in word and "://" not in word]
    rules = find_unsaid_rules(described, host, asked.path, [*folders, find_document_root(described, host)])
    is_granting = lead.said.name.lower() in rule_files.GRANTING and asks_unsaid(
        lead.said, find_setters(described, rule_files.read_setters(lead.said.file))
    )
    if not rules and not is_granting:
        return
    kept = asker.connect(address, port, asked.sni, None, list(VERSIONS)[-1] if host.place in asker.with_tls else "")
    status = kept.ask(asked.raw).status
    kept.close()
    if status in _DENIED and is_granting:
        asker.note(
            f"{lead.said.name} at {lead.said.place} lets in who says what is not known here, such as a secret, to what "
            f"{site.domain} protects, and asks for no certificate"
        )
    elif status in _DENIED:
        asker.note(
            f"{lead.said.name} at {lead.said.place} leads who is let in by Require at {', '.join(rules[:3])} to what "
            f"{site.domain} protects, and asks for no certificate"
        )
