# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which directives hold for a site and say what of TLS is offered: where what it asks for is not, they may be why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._site import standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

# Commands that OpenSSL is given past mod_ssl (SSL_CONF_cmd(3)).
_COMMANDS = ("protocol", "minprotocol", "maxprotocol", "cipherstring", "ciphersuites", "options")
_FEW = 3


def name_limits(
    store: Store, described: Description, sites: Sequence[SiteFacts], faults: Sequence[Fault]
) -> list[Fault]:
    """Return the faults, with the lines that limit the protocol by file and line where it is not offered as wished."""
    known = {site.domain: site for site in sites}

    def named(fault: Fault) -> Fault:
        site = known.get(fault.domain) if fault.code == "not-offered" else None
        places = [_tell(each) for each in _find_limits(store, described, site)] if site else []
        if not places:
            return fault
        words = f"{fault.message}; what is offered is limited by {', '.join(places[:_FEW])}"
        return replace(fault, message=words, remedy="take that out, or have 'tls_profile' ask for what it lets through")

    return [named(fault) for fault in faults]


def _find_limits(store: Store, described: Description, site: SiteFacts) -> Iterator[Directive]:
    """Find them at the server level, in the site's own virtual host, and in those that share its port.

    By the first of these, a version may have been chosen before the name is known. What a site's text itself says of
    SSLProtocol is what is wished.
    """
    mine = standing.find_host(store, described, site)
    sharing = {host.place for host in described.virtual_hosts if {"*", str(site.port)} & host.ports()}
    hosts = {"", *sharing, *([mine.place] if mine else [])}
    for each in described.directives:
        name, first = each.name.lower(), "".join(each.words[:1]).lower()
        if each.host in hosts and (
            (name == "sslopensslconfcmd" and first in _COMMANDS)
            or (name == "sslprotocol" and each.host and not each.file.startswith(store.root + "/"))
        ):
            yield each


def _tell(each: Directive) -> str:
    return f"{each.name} {each.words[0]} at {each.place}"
