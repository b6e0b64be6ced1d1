# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module `sites`, as typed values.

The module's documentation decides what there is and what the defaults are; `_arguments.checked` reads the values by
it. The fields here give mypy the types. A test keeps both the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import checked, documented_options

if TYPE_CHECKING:
    from collections.abc import Mapping

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("sites")
SITE_OPTIONS: dict[str, Any] = OPTIONS["sites"]["suboptions"]


@dataclass(frozen=True)
class ProtectedPath:
    """One of C(protected_paths), with the backend that it leads to."""

    path: str
    proxy_pass: str


@dataclass(frozen=True)
class AllowedClient:
    """One of C(allowed_clients). Exactly one of the fields is given."""

    subject: str | None
    san: str | None
    certificate: str | None
    certificate_content: str | None


@dataclass(frozen=True)
class ForwardedIdentity:
    """The option C(forward_client_identity): names of headers, and whether those of RFC 9440 are sent."""

    subject: str | None
    serial: str | None
    verification: str | None
    certificate: str | None
    client_cert: bool


@dataclass(frozen=True)
class Site:
    """The options of one site, each by its documented name. Nothing is added to them.

    What may hold a private key, or what opens one, is left out of its text.
    """

    domain: str
    aliases: tuple[str, ...]
    state: str
    manage: str
    allow_bypass: tuple[str, ...]
    allow_programs: bool
    release: str | None
    force: bool
    certificate: str | None
    certificate_content: str | None
    private_key: str | None
    private_key_content: str | None = field(repr=False)
    private_key_passphrase: str | None = field(repr=False)
    chain: str | None
    chain_content: str | None
    bundle: str | None
    bundle_content: str | None = field(repr=False)
    client_ca: tuple[str, ...] | None
    client_ca_content: tuple[str, ...] | None
    client_ca_sha256: tuple[str, ...]
    remote_src: bool
    renewal_hook: str | None
    crl: tuple[str, ...] | None
    crl_content: tuple[str, ...] | None
    crl_check: str
    client_ocsp: str
    client_ocsp_responder: str | None
    client_ocsp_required: bool
    client_ocsp_timeout: int
    issued_by: str
    trust_anchors: tuple[str, ...] | None
    trust_anchors_content: tuple[str, ...] | None
    port: int
    listen: tuple[str, ...]
    document_root: str | None
    proxy_pass: str | None
    proxy_ca: tuple[str, ...] | None
    proxy_ca_content: tuple[str, ...] | None
    proxy_timeout: int
    proxy_websocket: bool
    request_body_limit: int
    forward_client_identity: ForwardedIdentity | None
    verify_client: str
    allowed_clients: tuple[AllowedClient, ...] | None
    verify_depth: int
    tls_profile: str
    tls_protocols: tuple[str, ...]
    tls_ciphers: tuple[str, ...]
    tls_ciphersuites: tuple[str, ...]
    tls_curves: tuple[str, ...]
    ocsp_stapling: bool
    http2: bool
    proxy_protocol: bool
    hsts: int
    callback_paths: tuple[str, ...]
    open_paths: tuple[str, ...]
    protected_paths: tuple[ProtectedPath, ...] | None
    access_log: str | None
    error_log: str | None
    extra_directives: str | None
    template: str | None

    @property
    def is_present(self) -> bool:
        """Whether the site is to be put in place, not taken away or back."""
        return self.state == "present"

    @property
    def is_included(self) -> bool:
        """Whether the operator's own virtual host includes what is rendered for the site."""
        return self.manage == "directives"


@dataclass(frozen=True)
class Options:
    """The options of one task, each by its documented name."""

    sites: tuple[Site, ...]
    only: tuple[str, ...]
    ending_within: int | None
    judge_only: bool
    summary: bool
    httpd_binary: str | None
    httpd_config: str | None
    adopt: bool
    accept: tuple[str, ...]
    protect_callers: bool
    require_httpd: bool
    service_state: str
    warn_days: int
    keep_releases: int
    metrics_folder: str | None

    @property
    def present(self) -> tuple[Site, ...]:
        """The sites that are to be put in place."""
        return tuple(site for site in self.sites if site.is_present)


def read_options(given: Mapping[str, Any]) -> Options:
    """Return the options of a task, with the documented defaults. Domains are in lower case.

    The sites are those that the run is about (C(only)).
    Raises ArgumentsError where one is unknown, or is not of its type.
    """
    values = checked(OPTIONS, given)
    only = tuple(_lowered(domain) for domain in values["only"])
    sites = tuple(site for site in map(_site, values["sites"]) if not only or site.domain in only)
    return Options(**{**values, "sites": sites, "only": only})


def read_site(given: Mapping[str, Any]) -> Site:
    """Return the options of one site, with the documented defaults. Domains are in lower case.

    Raises ArgumentsError where one is unknown, or is not of its type.
    """
    return _site(checked(SITE_OPTIONS, given))


def _site(values: Mapping[str, Any]) -> Site:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    clients, paths, identity = (
        values[name] for name in ("allowed_clients", "protected_paths", "forward_client_identity")
    )
    fields |= {
        "domain": _lowered(values["domain"]),
        "aliases": tuple(_lowered(alias) for alias in values["aliases"]),
        "allowed_clients": None if clients is None else tuple(AllowedClient(**each) for each in clients),
        "protected_paths": None if paths is None else tuple(ProtectedPath(**each) for each in paths),
        "forward_client_identity": None if identity is None else ForwardedIdentity(**identity),
    }
    return Site(**fields)


def _lowered(name: str) -> str:
    """Return a domain in lower case; what is none stays as it is, as the Kelvin sign would become a k."""
    return name.lower() if name.isascii() else name
