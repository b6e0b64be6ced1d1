# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a site ends, when, and how bad that is: certificates, client CAs, their revocation lists, and clients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import (
    CERTIFICATE,
    CHAIN,
    CLIENT_CA,
    CRITICAL,
    CRL,
    PINNED,
    WARNING,
    WELL,
    Thresholds,
    days_between,
    moment,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from typing import Any

_LAST_HOURS = 24  # of a list, in which it must be renewed now


@dataclass(frozen=True)
class End:
    """One thing that ends. kind: what it is. subject: of its issuer, for a list. begins, ends: in UTC."""

    kind: str
    subject: str
    begins: str
    ends: str
    severity: str
    days: int  # until then, negative when it is over


def find_ends(site: Mapping[str, Any], at: datetime, thresholds: Thresholds) -> Iterator[End]:
    """Yield what of a site ends and counts: of client CAs and lists of one name, the last alone.

    Of certificates of clients, that is the last of all, and none where others than these may call.

    ``site``: one of the RV(sites) of site_info that is known.
    """
    for kind, certificates in ((CERTIFICATE, [site["certificate"]]), (CHAIN, site["chain"])):
        for one in certificates:
            if one and one["not_after"]:
                yield _end(kind, one["subject"], (one["not_before"], one["not_after"]), at, thresholds)
    last = _last_of_each(site["client_ca"], "subject", "not_after")
    some_valid = any(moment(one["not_after"]) > at for one in last)
    for one in last:
        end = _end(CLIENT_CA, one["subject"], (one["not_before"], one["not_after"]), at, thresholds)
        # Beside a valid one of another name, an ended one may be what nobody calls by any more, or Chat's.
        yield replace(end, severity=WARNING) if end.days < 0 and some_valid else end
    pinned = [one for one in site.get("pinned", ()) if one["not_after"]]
    if pinned and len(pinned) == len(site["pins"]):
        one = max(pinned, key=lambda each: each["not_after"])
        yield _end(PINNED, one["subject"], (one["not_before"], one["not_after"]), at, thresholds)
    for one in _last_of_each(site["crls"], "issuer", "next_update"):
        yield _end(CRL, one["issuer"], (one["this_update"], one["next_update"]), at, thresholds)


def _last_of_each(given: list[Mapping[str, Any]], name: str, end: str) -> list[Mapping[str, Any]]:
    """Return those that end, of each name the one that does so last."""
    last: dict[str, Mapping[str, Any]] = {}
    for one in given:
        if one[end] and one[end] >= last.get(one[name], one)[end]:
            last[one[name]] = one
    return list(last.values())


def _end(kind: str, subject: str, span: tuple[str, str], at: datetime, thresholds: Thresholds) -> End:
    begins, ends = span
    days = days_between(at, ends) or 0
    left = moment(ends) - at
    if kind == CRL:
        # Lists are short-lived: a fifth of their time is near the end, however many days that is.
        soon = bool(begins) and left * 5 < moment(ends) - moment(begins)
        near = soon and left.total_seconds() <= _LAST_HOURS * 3600
    else:
        soon, near = days < thresholds.warn_days, days < thresholds.critical_days
    severity = CRITICAL if days < 0 or near else WARNING if soon else WELL
    return End(kind, subject, begins, ends, severity, days)
