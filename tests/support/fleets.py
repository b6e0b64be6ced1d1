# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of site_info, as hosts give them, for what is made of them."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.judging import judge_fleet
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import LOOKED, Host, Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=timezone.utc)
HOSTILE = """<script>document.title="owned"</script>'"&=cmd|x"""


def after(days: float) -> str:
    """Return the moment so many days from NOW, as certificates' dates are told."""
    return f"{NOW + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def certificate(subject: str, days: float, sha256: str = "ab" * 32) -> dict[str, str]:
    """Return what is told of a certificate that ends so many days from NOW."""
    return {
        "subject": subject,
        "issuer": "CN=Example CA,O=Example",
        "sha256": sha256,
        "not_before": after(-10),
        "not_after": after(days),
    }


def caller(subject: str, hours: float) -> dict[str, Any]:
    """Return what is told of a client that called last so many hours before NOW."""
    last = after(-hours / 24)
    return {"subject": subject, "issuer": None, "last": last, "calls": 3, "statuses": {"200": 2, "503": 1}}


def site(domain: str = "www.example.com", days: float = 90, **told: Any) -> dict[str, Any]:
    """Return what is told of a sound site whose certificate ends so many days from NOW, with what is given instead."""
    served = {
        "certificate": certificate(f"CN={domain}", days),
        "client_ca": [certificate("CN=Chat CA,O=Tencent", 3000)],
        "pins": ["subject:CN=Chat,O=Tencent"],
        "open_paths": [],
        "protected_paths": [],
    }
    served |= {name: value for name, value in told.items() if name in served}
    return {
        "domain": domain,
        "release": hashlib.sha256(repr((domain, served)).encode()).hexdigest()[:16],
        "previous": None,
        "since": after(-9),
        "whole": True,
        "known": True,
        "port": 443,
        "listen": [],
        "aliases": [],
        "chain": [certificate("CN=Issuing CA", 3000)],
        "crls": [],
        "crl_ends": None,
        "ends": after(days),
        "verify_client": "require",
        "wanted": "enforced",
        "mutual_tls": "enforced",
        "from_controller": "enforced",
        "served": None,
        "pinned": [],
        "callback_paths": ["/"],
        "versions": ["TLSv1.2", "TLSv1.3"],
        "proxy_protocol": False,
        "callers": [],
        "renewal_hook": None,
        "include": None,
        "remote_src": False,
        "differs": [],
        **served,
        **told,
    }


def host(name: str, *sites: dict[str, Any], **told: Any) -> Host:
    """Return a host that was looked at, with these sites, and what is given instead of what a sound one tells."""
    server = {
        "binary": "/usr/sbin/apache2",
        "version": "2.4.68",
        "openssl": "OpenSSL 3.0.19 27 Jan 2026",
        "config": "/etc/apache2/apache2.conf",
        "running": True,
        "supervised_by": "systemd",
        "unit": "apache2.service",
        "enabled": True,
    }
    sound = {
        "found": True,
        "python": "3.11.2",
        "server": server,
        "next_reload": {"survives": True, "decided_by": "files", "message": ""},
        "amiss": [],
        "faults": [],
        "unlisted": [],
        "missing": [],
        "sites": list(sites),
    }
    return Host(name, LOOKED, "", {**sound, **told})


def judged(hosts: Sequence[Host], warn_days: int = 30, critical_days: int = 7) -> Fleet:
    """Return the fleet of these hosts, as it is at NOW."""
    return judge_fleet(hosts, NOW, Thresholds(warn_days, critical_days))


def varied() -> Fleet:
    """Return a fleet in which much is amiss, and which others had a say in."""
    failed = [
        Host("down", "unreachable", "Connection timed out", {}),
        Host("bare", "no-httpd", "There is no httpd on it.", {"python": "3.9.2"}),
        Host("snakeless", "failed", "The module interpreter '/nowhere/python' was not found.", {}, "Install Python."),
    ]
    hostile = site(
        "odd.example.com",
        20,
        certificate=certificate(HOSTILE, 20),
        client_ca=[certificate(HOSTILE, 2)],
        pins=[f"subject:{HOSTILE}"],
        open_paths=["/healthz|x"],
        callers=[caller(HOSTILE, 2)],
    )
    crl = {"issuer": "CN=Chat CA,O=Tencent", "this_update": after(-9), "next_update": after(1.5)}
    return judged(
        [
            host("d1", site(callers=[caller("CN=Chat,O=Tencent", 1)]), site("hooks.example.com", 200)),
            host("d2", site(days=3, certificate=certificate("CN=www.example.com", 3, "cd" * 32))),
            host("n1", site(mutual_tls="optional", from_controller="optional", pins=[])),
            host("n2", hostile, unlisted=["odd.example.com"], missing=["www.example.com"]),
            host("n3", site(crls=[crl], crl_ends=after(1.5), differs=["certificate", "open_paths"])),
            host(
                "n4",
                site(),
                next_reload={"survives": False, "decided_by": "files", "message": "/etc/x.key: no such file"},
                amiss=["/etc/apache2/mtls/host.conf was edited"],
            ),
            *failed,
        ]
    )
