# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as one HTML page that fetches nothing, and runs no other script than its own."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import CRITICAL, WARNING, WELL, days_between
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import sum_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet

_FOLDER = Path(__file__).parent
_MARGIN_DAYS = 400  # what ends later is drawn as an arrow
_WIDTH = 1000  # units of the drawing


@dataclass(frozen=True)
class End:
    """Something that ends, the hosts and sites that have it, and where its bar ends in the drawing."""

    kind: str
    subject: str
    ends: str
    days: int
    hosts: tuple[str, ...]
    domains: tuple[str, ...]
    severity: str

    @property
    def width(self) -> int:
        """The length of its bar, in units of the drawing."""
        return max(4, min(_WIDTH, round(_WIDTH * self.days / _MARGIN_DAYS)))

    @property
    def is_far(self) -> bool:
        """Whether it ends beyond the drawing."""
        return self.days > _MARGIN_DAYS


def render_page(fleet: Fleet) -> str:
    """Return the page. Every value is text in it, whatever it holds; the policy of its head allows its own script."""
    style, script = ((_FOLDER / f"page.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = plain
    template = environment.from_string((_FOLDER / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        fleet=fleet,
        summary=sum_up(fleet),
        ends=list_ends(fleet),
        margin_days=_MARGIN_DAYS,
        severities=(CRITICAL, WARNING, WELL),
        rows={severity: sum(row.severity == severity for row in fleet.rows) for severity in (CRITICAL, WARNING, WELL)},
        style=Markup(style),  # our own files, which hold no value
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def list_ends(fleet: Fleet) -> list[End]:
    """Return what ends, the first first: each certificate, client CA and list once, however many hosts have it."""
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for row in fleet.rows:
        site = row.site
        if not site.get("known"):
            continue
        for kind, subject, end in _ends(site):
            if end:
                found[kind, subject, end].append((row.host.name, row.domain))
    return sorted(
        (_end(fleet, key, places) for key, places in found.items()), key=lambda end: (end.ends, end.kind, end.subject)
    )


def _ends(site: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what of a site ends: its kind, subject, and when."""
    if site["certificate"]:
        yield "certificate", site["certificate"]["subject"], site["certificate"]["not_after"]
    for one in site["chain"]:
        yield "chain", one["subject"], one["not_after"]
    for one in site["client_ca"]:
        yield "client CA", one["subject"], one["not_after"]
    for one in site["crls"]:
        yield "CRL", one["issuer"], one["next_update"]


def _end(fleet: Fleet, key: tuple[str, str, str], places: list[tuple[str, str]]) -> End:
    kind, subject, ends = key
    hosts = tuple(dict.fromkeys(host for host, _domain in places))
    domains = tuple(dict.fromkeys(domain for _host, domain in places))
    days = days_between(fleet.at, ends) or 0
    soon = kind != "CRL" and days < fleet.thresholds.warn_days
    severity = CRITICAL if days < fleet.thresholds.critical_days and soon else WARNING if soon else WELL
    return End(kind, subject, ends, days, hosts, domains, CRITICAL if days < 0 else severity)


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline style or script by (CSP Level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
