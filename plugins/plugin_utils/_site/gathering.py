# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options of the sites name: their material, their backends' authorities, their clients' certificates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.contents import read_shared
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import collect
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import read_material_set
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import authorities
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import pins_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import MaterialSet
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site


@dataclass(frozen=True)
class Gathered:
    """A site with what its options name.

    material: what is to be judged together. backend_ca: the CA certificates of its backends as PEM, empty for none.
    trust_anchors: what the path of a certificate on the host must end at, as PEM; empty for nothing of the kind.
    pins: the clients that may call, as in the facts of a release. pinned_files: their certificates, by name of the file
    in the release. findings: what could not be had, or is wrong with backend_ca and the clients' certificates.
    """

    site: Site
    material: MaterialSet
    backend_ca: bytes = field(repr=False)
    trust_anchors: bytes = field(repr=False)
    pins: tuple[str, ...]
    pinned_files: Mapping[str, bytes] = field(repr=False)
    findings: tuple[Finding, ...]

    @property
    def without_extra(self) -> Gathered:
        """The same with no extra_directives."""
        return replace(self, site=replace(self.site, extra_directives=None))


def gather(finder: Finder, sites: Iterable[Site], at: datetime, warn: timedelta) -> list[Gathered]:
    """Return each site with its material. Ends of certificates are judged for the moment C(at), or C(warn) later."""
    return [_gather_site(finder, site, at, warn) for site in sites]


def _gather_site(finder: Finder, site: Site, at: datetime, warn: timedelta) -> Gathered:
    material, findings = read_material_set(finder, vars(_on_controller(site)))
    backend_ca = authorities(finder, site, findings, at, warn)
    pins, pinned_files = pins_of(finder, site.allowed_clients or (), findings, at, warn)
    trust_anchors = _read_anchors(material, findings, at, warn) if site.remote_src else b""
    return Gathered(site, material, backend_ca, trust_anchors, pins, pinned_files, tuple(findings))


def _read_anchors(given: MaterialSet, findings: list[Finding], at: datetime, warn: timedelta) -> bytes:
    """Return the trust anchors as PEM, for the host that judges by them; what is wrong with them becomes a finding."""
    shared, found = Shared(at, warn, None), []
    for material in given.trust_anchors:
        contents, faults = collect(read_shared(shared, material, "trust_anchors"))
        findings += faults
        found += [one.pem for one in contents.certificates]
    return b"".join(dict.fromkeys(found))


def _on_controller(site: Site) -> Site:
    """Return the site without the material that lies on the host."""
    if not site.remote_src:
        return site
    client_ca = tuple(path for path in site.client_ca or () if not path.startswith("/"))
    return replace(
        site,
        certificate=None,
        private_key=None,
        chain=None,
        client_ca=client_ca,
        client_ca_sha256=site.client_ca_sha256 if client_ca or site.client_ca_content else (),
    )
