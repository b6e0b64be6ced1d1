# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a server's watchman (watchman.py) needs to know: where to knock, what to ask, whose logs to read."""

from __future__ import annotations

import calendar
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import make_call
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import listened
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import read_bytes
from ansible_collections.mtls.httpd.plugins.module_utils._site import standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.authority_ends import (
    find_last_end,
    find_root_end,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import find_logs
from ansible_collections.mtls.httpd.plugins.module_utils._site.metrics import METRICS
from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import tell_rules
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import list_blocks
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import WATCH_STRANGER, Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.watch_units import name_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release

_MOST_PATHS = 10  # that are asked for at each check


def metrics_file(store: Store, folder: str) -> str:
    """The path of what a server's watchman writes."""
    return os.path.join(folder, f"{name_units(store)}.prom")


def make_wish(
    store: Store,
    described: Description,
    sites: Sequence[SiteFacts],
    releases: Mapping[str, Release],
    folder: str,
) -> dict[str, Any]:
    error_logs: dict[str, str] = {}
    told = []
    for site in sites:
        addresses = standing.addresses(site, described)
        access_log, formats, refusals = find_logs(described, site, addresses)
        for path, domain in refusals.items():
            error_logs[path] = error_logs.get(path) or domain
        release = releases.get(site.domain)
        certificates, client_cas, lists = (
            release.public.get(name, b"") if release else read_bytes(store.path(site.domain, "current", name))
            for name in (f"{site.domain}.crt", CLIENT_CA, CRL)
        )
        chain = list(list_ends(certificates))
        authorities = [(each.subject, each.issuer, each.not_after) for each in _list_certificates(client_cas)]
        last_end, root_end = find_last_end(authorities), find_root_end(authorities)
        told.append(
            {
                "domain": site.domain,
                "doors": [_tell_door(described, site, address) for address in addresses],
                "everywhere": _is_everywhere(described, site, addresses),
                "client_cas": _list_names(site, client_cas),
                "requests": [_request(site, path) for path in _list_closed(site)],
                "elsewhere": "" if site.protected_paths else _request(site, "/mtls-httpd-what-nobody-has"),
                "by": _refused_by(site),
                "release": release.name if release else store.current(site.domain).partition(".")[0],
                "leaf_ends": chain[0] if chain else 0,
                "ends": _moment(site.ends),
                "told": {
                    "client_ca_not_after_timestamp_seconds": _moment(last_end) if last_end else 0,
                    "client_ca_root_not_after_timestamp_seconds": _moment(root_end) if root_end else 0,
                    "crl_this_update_timestamp_seconds": _find_list(lists, site.crl_ends),
                    "crl_next_update_timestamp_seconds": _moment(site.crl_ends) if site.crl_ends else 0,
                },
                "access_log": access_log,
                "formats": [[each.expression.pattern, each.groups] for each in formats],
            }
        )
    return {
        "path": metrics_file(store, folder),
        "server": store.conf,
        "stranger": WATCH_STRANGER,
        "metrics": METRICS,
        "rules": tell_rules(),
        "sites": told,
        "error_logs": error_logs,
    }


def _tell_door(described: Description, site: SiteFacts, address: str) -> list[Any]:
    """Where to knock, and whether the connection has to begin with a PROXY header."""
    proxied = "remoteip" in site.modules or standing.find_door(described, address, site.port).proxied
    return [address, site.port, proxied]


def _list_closed(site: SiteFacts) -> list[str]:
    """The paths at which strangers are to be refused, some of many."""
    closed = site.protected_paths or [path for path in ("/", *site.callback_paths) if path not in site.open_paths]
    return list(dict.fromkeys(closed))[:_MOST_PATHS] or ["/"]


def _is_everywhere(described: Description, site: SiteFacts, addresses: Sequence[str]) -> bool:
    """Whether a site is reached at each address of this machine, as no virtual host has one to itself."""
    ours = {address for address, port in map(listened, described.listens) if port == str(site.port)}
    anywhere = not ours or "" in ours or "0.0.0.0" in ours
    local = list(addresses) in (["127.0.0.1"], ["::1"])
    return anywhere and local and not site.listen and not described.proxy_headers and "remoteip" not in site.modules


def _list_names(site: SiteFacts, client_cas: bytes) -> list[str]:
    """The names of a site's client CAs as they are asked for (DER, hexadecimal); none where one is not known so."""
    try:
        names = {wire.read_certificate(each).subject for each in list_blocks(client_cas, "CERTIFICATE")}
        known = {wire.rfc4514(each) for each in names} == set(site.client_ca_names)
    except ValueError:
        return []
    return sorted(each.hex() for each in names) if known else []


def _request(site: SiteFacts, path: str) -> str:
    """What is asked for, as status asks: what calls no backend, and bears our mark."""
    call = make_call("OPTIONS", path)
    host = site.domain if site.port == 443 else f"{site.domain}:{site.port}"
    # Where paths refuse, the next one is asked for over the same connection.
    end = () if _refused_by(site) == "path" else (("Connection", "close"),)
    fields = (("Host", host), *call.fields, *end)
    return (
        f"{call.method} {call.target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    )


def _refused_by(site: SiteFacts) -> str:
    """Where strangers are refused, as the program knows it."""
    if site.verify_client == "require":
        return "handshake"
    if site.open_paths or site.protected_paths:
        return "path"
    return "asked" if site.verify_client == "optional" else "unchecked"


def list_ends(pem: bytes) -> Iterator[int]:
    """When the certificates of a release's own file end; nothing of one that is written oddly."""
    for each in _list_certificates(pem):
        with suppress(ValueError):
            yield _moment(each.not_after)


def _list_certificates(pem: bytes) -> Iterator[wire.BareCertificate]:
    with suppress(ValueError):
        for each in list_blocks(pem, "CERTIFICATE"):
            with suppress(ValueError):
                yield wire.read_certificate(each)


def _find_list(pem: bytes, next_update: str) -> int:
    """When the revocation list of a release's own file was made that is to be renewed then; 0 where none tells it."""
    made = 0
    with suppress(ValueError):
        for each in list_blocks(pem, "X509 CRL"):
            with suppress(ValueError):
                told = wire.read_list(each)
                if told.next_update and told.next_update == next_update:
                    made = max(made, _moment(told.this_update))
    return made


def _moment(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
