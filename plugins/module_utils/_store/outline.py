# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is told of the releases that a store keeps. Reads only."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import tell_faults
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import File, StoreError, entry_of
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, FACTS, PINNED, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import list_blocks

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._store.history import Kept
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

_CERTIFICATE, _LIST = "CERTIFICATE", "X509 CRL"
# What is not known of a release whose files cannot be read.
_UNREADABLE: dict[str, Any] = {
    "content": None,
    "certificate_sha256": None,
    "certificate_ends": None,
    "ends": None,
    "client_cas": [],
    "crl_ends": None,
    "verify_client": None,
    "pins": [],
    "open_paths": [],
    "protected_paths": [],
}


def outline_site(store: Store, domain: str) -> dict[str, Any]:
    """What is told of a site: its releases, the current one first, and then by when each was current last."""
    kept = list(reversed(store.kept(domain)))
    current, previous = store.current(domain), store.current(domain, "previous")
    return {
        "domain": domain,
        "current": current.partition(".")[0] or None,
        "previous": previous.partition(".")[0] or None,
        "releases": [_outline_release(store, domain, each) | {"current": each.folder == current} for each in kept],
    }


def _outline_release(store: Store, domain: str, kept: Kept) -> dict[str, Any]:
    damage = _find_damage(store, domain, kept.folder)
    told = {"name": kept.name, "since": kept.since or None, "whole": not damage, "damage": damage or None}
    try:
        return {**told, **_outline_content(store.path(domain, "releases", kept.folder), domain)}
    except (OSError, ValueError, StoreError):
        return {**told, **_UNREADABLE}


def _find_damage(store: Store, domain: str, folder: str) -> str:
    """Why a release is not as it was written, or cannot be gone back to by this user; empty where it is whole."""
    try:
        release = store.read_folder(domain, folder)
        return ", ".join(store.list_damage(release, store.path(domain, "releases", folder)))
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except StoreError as error:
        return tell_faults(error.faults)


def _outline_content(folder: str, domain: str) -> dict[str, Any]:
    """What a release serves, and to whom. Raises OSError, ValueError or StoreError where that cannot be read."""
    facts = SiteFacts.read(_read(folder, FACTS))
    chain = list_blocks(_read(folder, f"{domain}.crt"), _CERTIFICATE)
    client_cas = list_blocks(_read(folder, CLIENT_CA), _CERTIFICATE)
    crls = list_blocks(_read(folder, CRL), _LIST) if facts.crl_check != "none" else []
    if not chain:
        raise ValueError("no certificate in it")
    pins = sorted(tell_pin(folder, pin, facts) for pin in facts.pins)
    compared = {
        "chain": [wire.sha256(each) for each in chain],
        "client_cas": sorted(wire.sha256(each) for each in client_cas),
        "crl_check": facts.crl_check,
        "crls": sorted(wire.sha256(each) for each in crls),
        "verify_client": facts.verify_client,
        "pins": pins,
        "open_paths": sorted(facts.open_paths),
        "protected_paths": sorted(facts.protected_paths),
    }
    return {
        "content": hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()[:16],
        "certificate_sha256": wire.sha256(chain[0]),
        "certificate_ends": wire.read_certificate(chain[0]).not_after,
        "ends": facts.ends,
        "client_cas": [
            {"subject": wire.rfc4514(wire.read_certificate(each).subject), "sha256": wire.sha256(each)}
            for each in client_cas
        ],
        "crl_ends": facts.crl_ends or None,
        "verify_client": facts.verify_client,
        "pins": pins,
        "open_paths": list(facts.open_paths),
        "protected_paths": list(facts.protected_paths),
    }


def tell_pin(folder: str, pin: str, facts: SiteFacts) -> str:
    """A pin, with the fingerprint of its certificate in the place of a file's name that says nothing elsewhere.

    C(folder): of the release whose facts these are. Raises OSError, ValueError or StoreError where its certificate
    cannot be read.
    """
    if pin not in facts.pinned_files:
        return pin
    blocks = list_blocks(_read(folder, facts.pinned_files[pin]), _CERTIFICATE)
    return PINNED + ",".join(wire.sha256(each) for each in blocks)


def _read(folder: str, name: str) -> bytes:
    entry = entry_of(os.path.join(folder, name))
    if not isinstance(entry, File):
        raise ValueError(f"{name} is no file")
    return entry.content
