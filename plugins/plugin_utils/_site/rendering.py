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
    from collections.abc import Mapping

# Options that a template is handed as they are.
_TEMPLATED = (
    "domain",
    "aliases",
    "open_paths",
    "proxy_timeout",
    "proxy_websocket",
    "request_body_limit",
    "port",
    "listen",
    "proxy_pass",
    "verify_client",
    "verify_depth",
    "extra_directives",
    "client_ocsp",
    "client_ocsp_responder",
    "client_ocsp_required",
    "client_ocsp_timeout",
    "ocsp_stapling",
    "http2",
    "hsts",
    "proxy_protocol",
)


def template_variables(site: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a template is handed of a site."""
    hosts = [f"[{address}]" if ":" in address else address for address in site["listen"]] or ["*"]
    return {
        **{name: site[name] for name in _TEMPLATED},
        "tls": protocol(site).words,
        "crl_check": crl_check(site),
        "addresses": [f"{host}:{site['port']}" for host in hosts],
        "document_root": site["document_root"] or f"{quoting.RELEASE}/{EMPTY}",
        "release": quoting.RELEASE,
        **log_files(site),
        "verify_client": asked_of_clients(site),
        "backend_ca": speaks_tls(site),
        "identity": identity(site),
        "protected_paths": site["protected_paths"] or [],
        "client_rules": [rule(pin) for pin in site["pins"]],
    }


def crl_check(site: Mapping[str, Any]) -> str:
    return site["crl_check"] if site["crl"] or site["crl_content"] else "none"


def asked_of_clients(site: Mapping[str, Any]) -> str:
    """Return the SSLVerifyClient for the site.

    Where paths differ, a rule decides for each of them: to ask anew within a connection (SSLVerifyClient in <Location>)
    fails with TLS 1.3 for clients without post-handshake authentication.
    """
    verify: str = site["verify_client"]
    return "optional" if site["open_paths"] or site["protected_paths"] else verify


def log_files(site: Mapping[str, Any]) -> dict[str, str]:
    """Return the site's own logs by option, as a name in the server's folder or a path; empty for the server's own."""
    if site["manage"] == "directives":
        return {"access_log": "", "error_log": ""}
    logs = {name: site[name] or f"{site['domain']}-{name[:-4]}.log" for name in ("access_log", "error_log")}
    return {name: "" if log == "server" else log for name, log in logs.items()}
