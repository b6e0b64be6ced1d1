# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Backends that are this very server: which of its virtual hosts answers a site, and who else is answered there.

A rehearsal cannot stand in for such a backend, as httpd itself listens there.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._site import backends
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import Content, find_contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOOPBACK = "127.0.0.1"
_BY_ADDRESS = re.compile(r"(not )?(ip|local|host|forward-dns)\b", re.IGNORECASE)


class OwnBackend(NamedTuple):
    """A virtual host that is a site's backend, the main server for an empty place, and what it serves to the site.

    C(listen): by which others come there too, None where this machine alone does.
    """

    place: str
    contents: tuple[Content, ...]
    listen: Directive | None


def find_own_hosts(without_us: Description, domain: str, guarded: Sequence[Content]) -> Iterator[OwnBackend]:
    """Yield the hosts of this server that are backends of a site, by what it serves to callers with a certificate."""
    for content in guarded:
        port = content.backend.rpartition(":")[2]
        listens = [
            each
            for each in without_us.listens
            if endpoint(each.words[0])[1] == port and _leads_to(endpoint(each.words[0])[0], port, content.backend)
        ]
        if not content.backend or not listens:
            continue
        for place, addresses in _find_answering(without_us, port, {domain, *_named(content)}):
            open_by = (
                [] if _is_by_address(without_us, place) else [each for each in listens if _is_open(each, addresses)]
            )
            contents = tuple(_find_served(without_us, place, content))
            yield OwnBackend(place, contents, next(iter(open_by), None))


def _leads_to(address: str, port: str, backend: str) -> bool:
    return backends.same(f"{_LOOPBACK if not address or _is_loopback(address) else address}:{port}", backend)


def _named(content: Content) -> list[str]:
    """The name that a site calls its backend by."""
    return re.findall(r"://(?:[^/@]*@)?([\w.-]+)", content.said.arguments)


def _find_answering(without_us: Description, port: str, names: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the places of the hosts that answer at a port by one of the names, with their addresses, else the first."""
    there = [
        (host, addresses)
        for host in without_us.virtual_hosts
        for addresses in [[at for at, its in map(endpoint, host.addresses) if its in ("*", port)]]
        if addresses
    ]
    by_name = [each for each in there if any(map(each[0].answers, names))]
    if not there:
        yield "", [""]
    yield from ((host.place, addresses) for host, addresses in by_name or there[:1])


def _is_open(listen: Directive, addresses: Sequence[str]) -> bool:
    """Whether others than this machine come to a host by a Listen."""
    at = endpoint(listen.words[0])[0]
    return not _is_loopback(at) and any(not _is_loopback(each) for each in addresses)


def _is_loopback(address: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return address == "localhost"


def _is_by_address(without_us: Description, place: str) -> bool:
    """Whether a host says who may come by his address: that he lets in whom he should, nobody else can tell."""
    return any(
        each.name.lower() == "require" and _BY_ADDRESS.match(each.arguments) for each in without_us.of_host(place)
    )


def _find_served(without_us: Description, place: str, by: Content) -> Iterator[Content]:
    """What a host of ours serves to a site whose backend it is: its own backend, or its folder."""
    own = [content for each in without_us.of_host(place) for content in find_contents(without_us, each)]
    behind = [each for each in own if each.backend and each.said.name.lower().startswith("proxypass")]
    yield from behind or (each.below(by.path) for each in own if each.said.name.lower() == "documentroot")
