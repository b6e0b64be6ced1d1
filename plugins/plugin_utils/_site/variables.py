# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's template is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import EMPTY
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import identity, speaks_tls
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import rule
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site


def template_variables(site: Site, pins: Sequence[str]) -> dict[str, Any]:
    """Return what a template is handed of a site whose clients have these pins. Lists are lists, as operators wrote."""
    hosts = [f"[{address}]" if ":" in address else address for address in site.listen] or ["*"]
    protected = [{"path": each.path, "proxy_pass": each.proxy_pass} for each in site.protected_paths or ()]
    return {
        "domain": site.domain,
        "aliases": list(site.aliases),
        "port": site.port,
        "listen": list(site.listen),
        "addresses": [f"{host}:{site.port}" for host in hosts],
        "release": quoting.RELEASE,
        "tls": protocol(site).words,
        "http2": site.http2,
        "hsts": site.hsts,
        "proxy_protocol": site.proxy_protocol,
        "ocsp_stapling": site.ocsp_stapling,
        "verify_client": asked_of_clients(site),
        "verify_depth": site.verify_depth,
        "crl_check": crl_check(site),
        "client_ocsp": site.client_ocsp,
        "client_ocsp_responder": site.client_ocsp_responder,
        "client_ocsp_required": site.client_ocsp_required,
        "client_ocsp_timeout": site.client_ocsp_timeout,
        "client_rules": [rule(pin) for pin in pins],
        "open_paths": list(site.open_paths),
        "protected_paths": protected,
        "document_root": site.document_root or f"{quoting.RELEASE}/{EMPTY}",
        "proxy_pass": site.proxy_pass,
        "proxy_timeout": site.proxy_timeout,
        "proxy_websocket": site.proxy_websocket,
        "request_body_limit": site.request_body_limit,
        "backend_ca": speaks_tls(site),
        "identity": identity(site),
        **log_files(site),
        "extra_directives": site.extra_directives,
    }


def crl_check(site: Site) -> str:
    """Return what of a client's certification path is looked up in revocation lists: none, leaf or chain."""
    return site.crl_check if site.crl or site.crl_content else "none"


def asked_of_clients(site: Site) -> str:
    """Return the SSLVerifyClient for the site.

    Where paths differ, a rule decides for each of them: to ask anew within a connection (SSLVerifyClient in <Location>)
    fails with TLS 1.3 for clients without post-handshake authentication.
    """
    return "optional" if site.open_paths or site.protected_paths else site.verify_client


def log_files(site: Site) -> dict[str, str]:
    """Return the site's own logs by option, as a name in the server's folder or a path; empty for the server's own."""
    if site.is_included:
        return {"access_log": "", "error_log": ""}
    logs = {
        "access_log": site.access_log or f"{site.domain}-access.log",
        "error_log": site.error_log or f"{site.domain}-error.log",
    }
    return {name: "" if log == "server" else log for name, log in logs.items()}
