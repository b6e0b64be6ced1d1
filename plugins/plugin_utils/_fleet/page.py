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
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.ending import End, find_ends
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import CRITICAL, WARNING, WELL
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import sum_up

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet

_FOLDER = Path(__file__).parent
_MARGIN_DAYS = 400  # what ends later is drawn as an arrow
_WIDTH = 1000  # units of the drawing


@dataclass(frozen=True)
class Bar:
    """Something that ends, the hosts and sites that have it, and the bar that is drawn for it."""

    end: End
    hosts: tuple[str, ...]
    domains: tuple[str, ...]

    @property
    def width(self) -> int:
        """The length of its bar, in units of the drawing."""
        return max(4, min(_WIDTH, round(_WIDTH * self.end.days / _MARGIN_DAYS)))

    @property
    def is_far(self) -> bool:
        """Whether it ends beyond the drawing."""
        return self.end.days > _MARGIN_DAYS


def render_page(fleet: Fleet) -> str:
    """Return the page. Every value is text in it, whatever it holds; the policy of its head allows its own script."""
    style, script = ((_FOLDER / f"page.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = plain
    template = environment.from_string((_FOLDER / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        fleet=fleet,
        summary=sum_up(fleet),
        bars=list_bars(fleet),
        margin_days=_MARGIN_DAYS,
        severities=(CRITICAL, WARNING, WELL),
        rows={severity: sum(row.severity == severity for row in fleet.rows) for severity in (CRITICAL, WARNING, WELL)},
        style=Markup(style),  # our own files, which hold no value
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def list_bars(fleet: Fleet) -> list[Bar]:
    """Return what ends, the first first: each certificate, client CA and list once, however many hosts have it."""
    hosts: dict[End, dict[str, None]] = defaultdict(dict)
    domains: dict[End, dict[str, None]] = defaultdict(dict)
    for row in fleet.rows:
        if row.site.get("known"):
            for end in find_ends(row.site, fleet.at, fleet.thresholds):
                hosts[end][row.host.name] = domains[end][row.domain] = None
    order = sorted(hosts, key=lambda end: (end.ends, end.kind, end.subject))
    return [Bar(end, tuple(hosts[end]), tuple(domains[end])) for end in order]


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline style or script by (CSP Level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
