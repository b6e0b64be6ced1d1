# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run did, for the operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Wish


@dataclass
class Report:
    """What was done, for the module's result."""

    changed: bool = False
    httpd_found: bool = True
    sites: list[dict[str, Any]] = field(default_factory=list)
    rehearsal: str = "none"
    rehearsal_reason: str = ""
    reloaded: bool = False
    server: dict[str, Any] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    clock_skew: float = 0.0
    diff: list[dict[str, str]] = field(default_factory=list)


def tell_site(wish: Wish, changed: bool, shown: str) -> dict[str, Any]:
    facts = wish.release.facts if wish.release else None
    return {
        "domain": wish.domain,
        "port": facts.port if facts else None,
        "listen": list(facts.listen) if facts else [],
        "state": "present" if wish.release else "absent",
        "changed": changed,
        "release": wish.release.name if wish.release else None,
        "certificate_sha256": facts.certificate_sha256 if facts else None,
        "ends": facts.ends if facts else None,
        "crl_ends": (facts.crl_ends or None) if facts else None,
        "previous": wish.previous,
        "remote_src": wish.sources is not None,
        "mutual_tls": shown,
        "open_paths": list(facts.open_paths) if facts else [],
        "protected_paths": list(facts.protected_paths) if facts else [],
        "versions": list(facts.versions) if facts else [],
        "include": None,
        "proxy_protocol": False,
    }
