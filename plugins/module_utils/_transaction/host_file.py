# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The host-level file: modules, Listen, and the sites. How httpd comes to read it is in C(inclusion)."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
    Description,
    Directive,
    covers,
    listened,
)
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.listen import find_listen_flags, with_ssl_alone
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import OFF
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE, SiteFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

# Curves by the OpenSSL that is the first to have them; a virtual host names them under <IfDefine MTLS_HTTPD_…>.
CURVES = {"X25519MLKEM768": (3, 5)}
# Defined while the host-level file includes the sites.
IN_HOST_FILE = "MTLS_HTTPD_HOST_FILE"
_ASKING = re.compile(rb"(?m)^\s*SSLOCSPEnable (on|leaf)\b")


def render_host_file(
    server: Server, store: Store, without_us: Description, with_ssl: Description, sites: Iterable[SiteFacts]
) -> tuple[list[tuple[str, int]], bytes]:
    """Addresses and ports that we add to the server's own, and the host-level file.

    It holds the modules that the sites need and the user's configuration does not load, Listen, and the sites. What
    comes with mod_ssl in the user's configuration (Debian's ports.conf) stays inside <IfModule !ssl_module>, so that
    the configuration is sound before and after the operator's own a2enmod or a2dismod.
    """
    everyone = sorted(sites, key=lambda site: site.domain)
    sites = [site for site in everyone if not site.included]
    wanted = sorted({(_usual(address), site.port) for site in sites for address in (site.listen or ("",))})
    always = [each for each in without_us.listens if not with_ssl_alone(each)]
    missing = [each for each in wanted if not _covered(each, with_ssl.listens)]
    with_us = [each for each in wanted if each not in missing and not _covered(each, always)]
    lines = [
        f"# `httpd -D {OFF}` runs the server without it.",
        f"<IfDefine !{OFF}>",
        "    <IfModule !ssl_module>",
        *_load(server, without_us, "ssl"),
        *[f"        Listen {_listen(*each)}" for each in with_us],
        "    </IfModule>",
    ]
    for name in dict.fromkeys(
        name for site in sites for name in (*site.modules, *available_modules(server, without_us, site))
    ):
        lines += [f"    <IfModule !{name}_module>", *_load(server, without_us, name), "    </IfModule>"]
    lines += [f"    {line}" for line in defines(server, without_us)]
    for each in missing:
        # Where one of these flags is set, the user's own Listen is in force, so ours is left out.
        flags = find_listen_flags(without_us, each[1])
        lines += [f"    <IfDefine !{flag}>" for flag in flags]
        lines += [f"    Listen {_listen(*each)}", *["    </IfDefine>" for _flag in flags]]
    if any(not log.startswith("/") for site in sites for log in site.logs):
        lines.append(f"    Define {quoting.LOGS} {quoting.directive(_log_folder(without_us))}")
    include = [f"    IncludeOptional {quoting.directive(quoting.path(store.root) + '/*/current/' + SITE)}"]
    if len(sites) < len(everyone):
        # What is for a virtual host of the user's is skipped here.
        include = [f"    Define {IN_HOST_FILE}", *include, f"    UnDefine {IN_HOST_FILE}"]
    lines += include
    added = missing if "ssl_module" in without_us.modules else missing + with_us
    return added, _sealed("\n".join([*lines, "</IfDefine>", ""]))


def list_loading(text: str) -> list[str]:
    """The lines of a host-level file that load modules."""
    return [line.strip() for line in text.splitlines() if re.match(r"\s*LoadModule \w+ \S", line)]


def _sealed(text: str) -> bytes:
    """A host-level file that tells by itself whether a hand has edited it."""
    seal = hashlib.sha256(text.encode()).hexdigest()
    return f"# Made by Ansible (mtls.httpd.sites), and made anew by its next run. Seal: {seal[:16]}\n{text}".encode()


def is_sealed(content: bytes) -> bool:
    return content == _sealed(content.decode(errors="replace").partition("\n")[2])


def defines(server: Server, without_us: Description) -> list[str]:
    """The lines that tell virtual hosts what this host has.

    Caches are the operator's to set: httpd ends at a reload where a cache directive that it had is gone.
    """
    version = _openssl(server)
    had = [curve for curve, first in CURVES.items() if version >= first]
    given = without_us.directive_names
    # Without a key file, the keys of tickets are made anew by each reload, so that no ticket outlives its client CA.
    if not given & {"sslsessioncache", "sslsessionticketkeyfile"}:
        had.append("TICKETS")
    if "sslstaplingcache" in given:
        had.append("STAPLING")
    return [f"Define MTLS_HTTPD_{name}" for name in had]


def _openssl(server: Server) -> tuple[int, ...]:
    """The version of its OpenSSL as numbers, none where it is another library or cannot be known."""
    found = re.match(r"OpenSSL (\d+)\.(\d+)", server.openssl())
    return tuple(map(int, found.groups())) if found else ()


def available_modules(server: Server, without_us: Description, site: SiteFacts) -> list[str]:
    """The modules that are welcome to a site and can be had here."""
    return [name for name in site.welcome if not _lacking(server, without_us, name)]


def _lacking(server: Server, without_us: Description, name: str) -> str:
    """Why a module cannot be had here; empty where it can."""
    if name == "http2" and "mpm_prefork_module" in without_us.modules:
        return "mod_http2 does not work with the MPM prefork"
    try:
        _load(server, without_us, name)
    except commands.HttpdError as error:
        return str(error)
    return ""


def list_unavailable(server: Server, without_us: Description, wishes: Sequence[SiteWish]) -> list[str]:
    """What is wished for and cannot be had here, one line each; the sites work without it."""
    found = []
    releases = [wish.release for wish in wishes if wish.release]
    for name in dict.fromkeys(name for release in releases for name in release.facts.welcome):
        reason = _lacking(server, without_us, name)
        if reason:
            found.append(f"{name} is not served: {reason}")
    given = without_us.directive_names
    if "sslsessionticketkeyfile" in given and "sslsessioncache" not in given:
        found.append(
            "sessions are not resumed: tickets would outlive the removal of a client CA, as the server sets "
            "SSLSessionTicketKeyFile, and it has no SSLSessionCache"
        )
    asking = any(_ASKING.search(release.public[SITE]) for release in releases)
    if asking:
        found.append(
            "client_ocsp is in force without having been tried, as a rehearsal reaches no responder: try it with a "
            "client of your own"
        )
    if asking and "sslsessioncache" in given:
        found.append(
            "a client whom the OCSP responder calls revoked can resume a session that it has, until httpd is reloaded, "
            "as the server sets SSLSessionCache"
        )
    if "sslstaplingcache" not in given and any(release.facts.stapling for release in releases):
        found.append("OCSP answers are not stapled: the server has no SSLStaplingCache")
    return found


def list_missing_curves(server: Server, wishes: Sequence[SiteWish]) -> list[str]:
    """The curves that this httpd's OpenSSL is too old for, one line each. No option asks for one of them."""
    found = []
    texts = [wish.release.public[SITE] for wish in wishes if wish.release]
    version = _openssl(server)
    for curve, first in CURVES.items():
        if version < first and any(f"MTLS_HTTPD_{curve}".encode() in text for text in texts):
            needed = ".".join(map(str, first))
            found.append(
                f"{curve} is not offered: this httpd has {server.openssl() or 'an unknown TLS library'}, and OpenSSL "
                f"{needed} is the first that knows it"
            )
    return found


def _log_folder(without_us: Description) -> str:
    if not without_us.log_folder:
        words = (
            f"no log of this server is a file ({without_us.error_log}), so that there is no folder for the sites' own"
        )
        raise StoreError(Fault("no-log-folder", "", words, "set their access_log and error_log to server, or to paths"))
    return without_us.log_folder


def _load(server: Server, without_us: Description, name: str) -> list[str]:
    """The line that loads a module, none where it is linked in. Raises HttpdError where this httpd has none."""
    try:
        return [f"        LoadModule {name}_module {quoting.directive(server.module(f'mod_{name}.so'))}"]
    except commands.HttpdError:
        if f"{name}_module" in without_us.modules:
            return []
        raise


def _usual(address: str) -> str:
    return str(ipaddress.ip_address(address)) if address else ""


def _listen(address: str, port: int) -> str:
    # Listen takes https for granted on port 443 alone (mpm_common's ap_set_listener); said for all.
    host = f"[{address}]" if ":" in address else address
    return quoting.directive(f"{host}:{port}" if host else port) + " https"


def _covered(wanted: tuple[str, int], listens: Sequence[Directive]) -> bool:
    address, port = wanted
    known = map(listened, listens)
    return any(number == str(port) and covers(listen, address) for listen, number in known)
