# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where what a host serves is not what the inventory wishes.

By what can be compared without judging and rendering: names, places, clients, paths and certificates. A dry run
compares all, at the cost of a run.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import PINNED
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import materials
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import pins_of
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import protocol
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.variables import asked_of_clients

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site


def find_differences(finder: Finder, site: Site, told: Mapping[str, Any]) -> list[str]:
    """Return the options of a site that say otherwise than what the host has.

    ``told``: one of the RV(sites) of site_info whose release is whole. What the controller cannot read is compared
    with nothing: a judgement says what is wrong with it.
    """
    protected = [each.path for each in site.protected_paths or ()]
    wished = {
        "port": site.port,
        "listen": [str(ipaddress.ip_address(address)) for address in site.listen],
        "aliases": list(site.aliases),
        "verify_client": asked_of_clients(site),
        "open_paths": list(site.open_paths),
        "protected_paths": protected,
        "callback_paths": list(site.callback_paths) or protected or ["/"],
        "tls_profile": [] if site.is_included else list(protocol(site).versions),
    }
    names = {"tls_profile": "versions"}
    differing = [option for option, value in wished.items() if told[names.get(option, option)] != value]
    return [*differing, *_differing_material(finder, site, told)]


def _differing_material(finder: Finder, site: Site, told: Mapping[str, Any]) -> Iterator[str]:
    findings: list[Finding] = []
    now = datetime.now(timezone.utc)
    pins, files = pins_of(finder, site.allowed_clients or (), findings, now, timedelta(0))
    shown = [_tell_pin(pin, files) for pin in pins]
    if not findings and shown != told["pins"]:
        yield "allowed_clients"
    for option, served in (("certificate", [told["certificate"]]), ("client_ca", told["client_ca"])):
        if site.remote_src and option == "certificate":
            continue
        given = _fingerprints(finder, site, option)
        if option == "certificate" and given is None:
            given = _fingerprints(finder, site, "bundle")
        present = {each["sha256"] for each in served if each}
        # Of a certificate's file, others are its chain. Each client CA that is given is to be served.
        if given is not None and (
            present - given.keys() if option == "certificate" else present ^ _authorities(given, present)
        ):
            yield option


def _authorities(given: Mapping[str, bool], shown: set[str]) -> set[str]:
    """Return those of the given certificates that may be client CAs, or are served as such."""
    return {sha256 for sha256, is_ca in given.items() if is_ca or sha256 in shown}


def _fingerprints(finder: Finder, site: Site, option: str) -> dict[str, bool] | None:
    """Return the SHA-256 of the certificates that an option gives, and whether each is a CA's.

    None where they cannot be known here.
    """
    found: dict[str, bool] = {}
    findings: list[Finding] = []
    values = vars(site)
    paths = [path for path in _listed(values[option]) if not (site.remote_src and path.startswith("/"))]
    for material in materials(finder, {**values, option: paths or None}, option, findings):
        try:
            contents = read(material.data, material.name, (site.private_key_passphrase or "").encode() or None)
        except FormError:
            return None
        found |= {hashlib.sha256(one.der).hexdigest(): one.is_ca for one in contents.certificates}
    return None if findings else found or None


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in (value if isinstance(value, tuple) else [value])]


def _tell_pin(pin: str, files: Mapping[str, bytes]) -> str:
    """Return a pin as site_info tells it: a certificate by its fingerprint."""
    if not pin.startswith(PINNED):
        return pin
    certificate = next(iter(read(files[pin[len(PINNED) :]], pin).certificates))
    return f"{PINNED}{hashlib.sha256(certificate.der).hexdigest()}"
