# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the target: the release of each site, of what was gathered, judged and rendered for it."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import time
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import (
    BACKEND_CA,
    CLIENT_CA,
    CRL,
    FACTS,
    SITE,
    SiteFacts,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, SiteWish, Sources
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import validity
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.rules import fingerprint
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import modules
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import protocol
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.variables import asked_of_clients, crl_check, log_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Deployable, Verdict
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.gathering import Gathered
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Options, Site

_END = "-----END CERTIFICATE-----"


def pack_request(
    options: Options,
    gathered: Sequence[Gathered],
    verdicts: Mapping[str, Verdict],
    texts: Mapping[str, str],
    without_extra: Mapping[str, str],
) -> Request:
    """Return what is asked of the target, with throwaway identities to try the sites by.

    By domain: the verdicts, the virtual hosts, and those without extra_directives of the sites that have such.
    """
    by_domain = {each.site.domain: each for each in gathered}
    releases = {name: _pack_release(each, verdicts[name], texts[name]) for name, each in by_domain.items()}
    return Request(
        wishes=tuple(
            _pack_site(site, by_domain.get(site.domain), releases.get(site.domain), without_extra.get(site.domain, ""))
            for site in options.sites
        ),
        probes=make_probes(pins=[pin for each in gathered for pin in each.pins]),
        binary=options.httpd_binary,
        config=options.httpd_config,
        start=options.service_state == "started",
        required=options.require_httpd,
        adopt=options.adopt,
        accepted=options.accept,
        clock=time.time(),
        warn_days=options.warn_days,
        ending_within=options.ending_within,
        keep_releases=options.keep_releases,
        protect_callers=options.protect_callers,
        metrics_folder=options.metrics_folder,
    )


def _pack_site(site: Site, gathered: Gathered | None, release: Release | None, without_extra: str) -> SiteWish:
    """Return the wish for a site: with its release, or for one to be taken away or back, with none."""
    return SiteWish(
        site.domain,
        release,
        previous=site.state == "previous",
        back_to=site.release or "",
        force=site.force and not release,
        sources=_sources(gathered) if gathered else None,
        allow_bypass=site.allow_bypass,
        allow_programs=site.allow_programs,
        without_extra=without_extra.encode(),
    )


def _pack_release(gathered: Gathered, verdict: Verdict, text: str) -> Release:
    """Return the release of a site, with the rendered text as its site.conf."""
    material, site = verdict.deployable, gathered.site
    files, private_key = {SITE: text.encode(), **gathered.pinned_files}, None
    if gathered.backend_ca:
        files[BACKEND_CA] = gathered.backend_ca
    facts = _facts(gathered, material)
    if material and material.client_ca:
        files[CLIENT_CA] = material.client_ca
    if material and material.crl:
        files[CRL] = material.crl
    if material and not site.remote_src and verdict.first_end:
        files[f"{site.domain}.crt"], private_key = material.certificate, material.private_key
        leaf = ssl.PEM_cert_to_DER_cert(material.certificate.decode().partition(_END)[0] + _END)
        facts = replace(
            facts,
            certificate_sha256=hashlib.sha256(leaf).hexdigest(),
            client_ca_names=tuple(sorted(_subjects(material.client_ca))),
            begins=max(each["not_before"] for each in _of_account(verdict)),
            ends=min(each["not_after"] for each in _of_account(verdict)),
        )
    return Release(site.domain, {**files, FACTS: facts.content}, private_key)


def _of_account(verdict: Verdict) -> list[dict[str, Any]]:
    """Return the certificates of a verdict without an error that are valid now; all, where none is any longer.

    One that is not is left out: another one beside it lets its clients in.
    """
    now = validity.iso(datetime.now(timezone.utc))
    valid = [each for each in verdict.certificates if each["not_before"] <= now < each["not_after"]]
    return valid or list(verdict.certificates)


def _sources(gathered: Gathered) -> Sources | None:
    """Return where on the host the material of a site with remote_src lies, None for others."""
    site = gathered.site
    if not site.remote_src:
        return None
    authorities = tuple(path for path in site.client_ca or () if path.startswith("/"))
    pins = tuple(fingerprint(pin) for pin in site.client_ca_sha256) if authorities else ()
    anchors = gathered.trust_anchors.decode()
    return Sources(
        site.certificate or "", site.private_key or "", site.chain, authorities, pins, anchors, site.issued_by
    )


def _facts(gathered: Gathered, material: Deployable | None) -> SiteFacts:
    """Return the facts of a site, but for those of the certificate that it serves."""
    site = gathered.site
    logs = log_files(site)
    return SiteFacts(
        domain=site.domain,
        port=site.port,
        listen=tuple(str(ipaddress.ip_address(address)) for address in site.listen),
        aliases=site.aliases,
        modules=modules(site),
        welcome=("http2",) if site.http2 else (),
        versions=() if site.is_included else protocol(site).versions,
        certificate_sha256="",
        client_ca_names=(),
        verify_client=asked_of_clients(site),
        open_paths=site.open_paths,
        callback_paths=site.callback_paths,
        protected_paths=tuple(each.path for each in site.protected_paths or ()),
        pins=gathered.pins,
        backend_ca=bool(gathered.backend_ca),
        access_log=logs["access_log"],
        error_log=logs["error_log"],
        included=site.is_included,
        begins="",
        ends="",
        renewal_hook=site.renewal_hook or "",
        crl_check=crl_check(site),
        crl_ends=material.crl_ends if material else "",
        stapling=site.ocsp_stapling,
    )


def _subjects(client_ca: bytes) -> set[str]:
    """Return the names that httpd asks clients for, as a handshake shows them: read as they are written, even oddly."""
    blocks = [f"{block.strip()}{_END}" for block in client_ca.decode().split(_END)[:-1]]
    return {wire.rfc4514(wire.read_certificate(ssl.PEM_cert_to_DER_cert(block)).subject) for block in blocks}
