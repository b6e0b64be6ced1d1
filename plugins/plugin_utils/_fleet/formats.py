# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as a file: for programs (JSON, CSV, Prometheus' text) and for people (Markdown; HTML is in page.py)."""

from __future__ import annotations

import csv
import html
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.module_utils._site.metrics import METRICS
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.page import render_page
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import LOOKED, NOT_ASKED, moment, words_of
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import sum_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet, Host, Row

SCHEMA = "mtls.httpd/status/1"  # docs/status.schema.json; another number where a reader of this one would err
_COLUMNS = (
    *("severity", "host", "condition", "domain", "port", "served_until", "days_left", "lifetime_left_percent"),
    *("mutual_tls", "wanted", "pins", "open_paths", "protected_paths", "client_ca_ends", "crl_ends", "release"),
    *("previous", "certificate_sha256", "last_call", "amiss", "looked_at"),
)
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(fleet: Fleet) -> str:
    """Return the fleet as JSON, by the schema `SCHEMA`."""
    rows = {(row.host.name, row.domain): row for row in fleet.rows}
    told = {
        "schema": SCHEMA,
        "made_at": _as_text(fleet.at),
        "looked_at": {"oldest": _as_text(fleet.oldest), "newest": _as_text(fleet.newest)},
        "severity": fleet.severity,
        "summary": sum_up(fleet),
        "first_to_end": fleet.first_to_end and asdict(fleet.first_to_end),
        "reasons": [asdict(reason) for reason in fleet.reasons],
        "hosts": [_host_as_data(rows, host, fleet.looked_at[host.name]) for host in fleet.hosts],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _as_text(at: datetime) -> str:
    return f"{at.year:04}-{at:%m-%dT%H:%M:%SZ}"  # %Y of the C library has no zeros before a year, which readers need


def _host_as_data(rows: Mapping[tuple[str, str], Row], host: Host, looked_at: datetime) -> dict[str, Any]:
    return {
        "host": host.name,
        "looked_at": _as_text(looked_at),
        "condition": host.condition,
        "message": host.message,
        "python": host.told.get("python"),
        "server": host.told.get("server"),
        "next_reload": host.told.get("next_reload"),
        "amiss": host.told.get("amiss", []),
        "sites": [
            {
                **site,
                "severity": row.severity,
                "served_until": row.served_until or None,
                "days_left": row.days_left,
                "lifetime_left_percent": row.lifetime_left_percent,
            }
            for site in host.sites
            for row in [rows[host.name, site["domain"]]]
        ],
    }


def as_csv(fleet: Fleet) -> str:
    """Return a line for each row (RFC 4180). What begins as a formula gets an apostrophe before it."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(_COLUMNS)
    for row in fleet.rows:
        asked = row.host.condition != NOT_ASKED
        told = {**_row_as_data(row), "looked_at": _as_text(fleet.looked_at[row.host.name]) if asked else ""}
        writer.writerow(_safe(told.get(name, "")) for name in _COLUMNS)
    return written.getvalue()


def _safe(value: object) -> str:
    text = plain("" if value is None else str(value))
    return f"'{text}" if text.startswith(_FORMULA) and not text.lstrip("-").isdigit() else text


def _row_as_data(row: Row) -> dict[str, Any]:
    site = row.site
    certificate = site.get("certificate") or {}
    return {
        **{name: site.get(name) for name in ("port", "wanted", "crl_ends", "release", "previous")},
        **{name: " ".join(site.get(name) or ()) for name in ("open_paths", "protected_paths")},
        "pins": "; ".join(site.get("pins") or ()),
        "severity": row.severity,
        "host": row.host.name,
        "condition": row.host.condition,
        "domain": row.domain,
        "served_until": row.served_until,
        "days_left": row.days_left,
        "lifetime_left_percent": row.lifetime_left_percent,
        "mutual_tls": row.mutual_tls,
        "client_ca_ends": row.client_ca_ends,
        "certificate_sha256": certificate.get("sha256"),
        "last_call": row.last_call,
        "amiss": " ".join(reason.message for reason in row.reasons),
    }


def as_markdown(fleet: Fleet) -> str:
    """Return a page for a wiki or a ticket."""
    headings = (
        *("", "host", "site", "serves until", "days", "mutual TLS", "may call", "client CA ends", "last call (UTC)"),
        *("release", "why"),
    )
    lines = [f"# Mutual TLS, {fleet.at:%Y-%m-%d %H:%M} UTC", "", _marked(sum_up(fleet)), ""]
    if fleet.oldest != fleet.newest:
        lines += [f"Looked at {fleet.when}.", ""]
    lines += [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    for row in fleet.rows:
        told = _row_as_data(row)
        values = (
            *(words_of(row.severity), row.host.name, row.domain or row.lacks, row.served_until[:10], told["days_left"]),
            *(row.mutual_tls, "; ".join(row.may_call), row.client_ca_ends[:10]),
            *(row.last_call_told, (told["release"] or "")[:8], row.why),
        )
        lines.append(f"| {' | '.join(_marked('' if value is None else str(value)) for value in values)} |")
    if fleet.reasons:
        lines += ["", "## What is amiss", ""]
        lines += [
            f"- **{each.severity}** {_marked(each.host + ': ' if each.host else '')}{_marked(each.message)} "
            f"{_marked(each.remedy)}".rstrip()
            for each in fleet.reasons
        ]
    return "\n".join(lines) + "\n"


def _marked(text: str) -> str:
    """Return text that stays text in Markdown, and in the HTML that is made of it."""
    escaped = html.escape(plain(text), quote=False)
    return "".join(f"\\{character}" if character in r"\`*_[]|#~" else character for character in escaped)


def as_metrics(fleet: Fleet) -> str:
    """Return the fleet for node_exporter's textfile folder (Prometheus' text format)."""
    samples: dict[str, list[str]] = {name: [] for name in METRICS}
    for name, labels, value in _samples(fleet):
        written = ",".join(f'{label}="{_label(text)}"' for label, text in labels.items())
        samples[name].append(f"{name}{f'{{{written}}}' if written else ''} {value}")
    lines = []
    for name, found in samples.items():
        if found:
            kind, words = METRICS[name]
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *found]
    return "\n".join(lines) + "\n"


def _samples(fleet: Fleet) -> Iterator[tuple[str, dict[str, str], int]]:
    yield "mtls_httpd_last_check_timestamp_seconds", {}, int(fleet.oldest.timestamp())
    for host in fleet.hosts:
        of_host = {"host": host.name}
        yield "mtls_httpd_host_looked_at", of_host, int(host.condition == LOOKED)
        if host.condition == LOOKED and host.told["next_reload"]["survives"] is not None:
            yield "mtls_httpd_survives_reload", of_host, int(host.told["next_reload"]["survives"])
        for severity in ("critical", "warning"):
            number = sum(reason.severity == severity for reason in fleet.reasons_of(host.name))
            yield "mtls_httpd_amiss", {**of_host, "severity": severity}, number
    for row in fleet.rows:
        if not row.known:
            continue
        labels = {"host": row.host.name, "site": row.domain}
        crl_ends = row.site["crl_ends"]
        made = (each["this_update"] for each in row.site["crls"] if each["next_update"] == crl_ends)
        ends = {
            "certificate_not_after": row.served_until,
            "client_ca_not_after": row.client_ca_ends,
            "crl_this_update": max(made, default="") if crl_ends else "",
            "crl_next_update": crl_ends,
        }
        for name, end in ends.items():
            if end:
                yield f"mtls_httpd_{name}_timestamp_seconds", labels, int(moment(end).timestamp())
        if row.last_call:
            yield "mtls_httpd_last_call_timestamp_seconds", labels, int(moment(row.last_call).timestamp())
        if row.mutual_tls != "unproven":
            yield "mtls_httpd_enforced", labels, int(_is_enforced(row))
        yield "mtls_httpd_release_info", {**labels, "release": row.site["release"] or ""}, 1


def _is_enforced(row: Row) -> bool:
    """Return whether strangers are asked for what they are to be, also at each path where others are open."""
    let_in = any(reason.code in ("stranger-let-in", "not-enforced") for reason in row.reasons)
    return not let_in and row.mutual_tls in (row.site["wanted"], "enforced")


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# By the ending of the file's name.
FORMATS: dict[str, Callable[[Fleet], str]] = {
    ".csv": as_csv,
    ".html": render_page,
    ".json": as_json,
    ".md": as_markdown,
    ".prom": as_metrics,
}
