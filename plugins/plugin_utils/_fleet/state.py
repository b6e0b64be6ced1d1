# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as it was looked at: its hosts, their sites, and what is amiss with either."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._site.authority_ends import find_last_end

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

CRITICAL, WARNING, WELL = "critical", "warning", "well"
SEVERITIES = (CRITICAL, WARNING, WELL)  # from the worst
LOOKED, UNREACHABLE, FAILED, WITHOUT_HTTPD, NOT_ASKED = "looked", "unreachable", "failed", "no-httpd", "not-asked"
# What ends.
CERTIFICATE, CHAIN, CLIENT_CA, CRL = "certificate", "certificate of the chain", "client CA", "CRL"
PINNED = "certificate in allowed_clients"
NOT_DEPLOYED = "not-deployed"  # the code of a site that the inventory lists, and the host does not have
# For people, where programs read another word.
_OF_WHAT = {CLIENT_CA: "CA ", CRL: "CRL ", PINNED: "client "}
_WORDS = {WELL: "ok", FAILED: "not looked at", WITHOUT_HTTPD: "no httpd"}


@dataclass(frozen=True)
class Reason:
    """Why something is amiss.

    code: stable, one of `codes.CODES` or of a host's faults. host: a name of the inventory, empty for what several have
    together. domain: of the site, empty for the host. message, remedy: for people. hosts: of several, those that differ
    from what most serve; empty where no group is the largest. ends: when what is told of ends, UTC, and kind: what
    that is; empty for others.
    """

    severity: str
    code: str
    host: str
    domain: str
    message: str
    remedy: str = ""
    hosts: tuple[str, ...] = ()
    ends: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Host:
    """What a look at a host came to. told: the result of site_info.

    message: why nothing is known of it, if so. remedy: what to do, where that is known better than by its condition.
    """

    name: str
    condition: str
    message: str
    told: Mapping[str, Any]
    remedy: str = ""

    @property
    def sites(self) -> list[dict[str, Any]]:
        """What is told of each of its sites."""
        return list(self.told.get("sites", ()))

    @property
    def identity(self) -> str:
        """What tells its httpd from every other, whatever the inventory calls it; empty where that is not known."""
        return str((self.told.get("server") or self.told).get("identity") or "")


@dataclass(frozen=True)
class Judged:
    """A host, and what was amiss with it and its sites when it was looked at, but for what it has with others.

    at: when that was.
    """

    host: Host
    reasons: tuple[Reason, ...]
    at: datetime


@dataclass(frozen=True)
class Row:
    """A site of a host, or a host of which no site is known, with what is amiss with it, the worst first.

    site: one of the RV(sites) of site_info; its domain alone where it is listed, and not on the host; empty for a host.
    """

    host: Host
    site: Mapping[str, Any]
    reasons: tuple[Reason, ...]
    at: datetime

    @property
    def severity(self) -> str:
        """The worst of its reasons."""
        return worst(reason.severity for reason in self.reasons)

    @property
    def domain(self) -> str:
        """The site's; empty where none is known."""
        return str(self.site.get("domain", ""))

    @property
    def known(self) -> bool:
        """Whether it is a site of which all is known that is served."""
        return bool(self.site.get("known"))

    @property
    def lacks(self) -> str:
        """Why nothing is known of it, in a word or two; empty where it is."""
        if self.host.condition != LOOKED:
            return words_of(self.host.condition)
        if not self.domain:
            return "no site"
        return "" if self.known else "damaged" if "known" in self.site else words_of(NOT_DEPLOYED)

    @property
    def why(self) -> str:
        """The code of the first that is amiss, in words, and of what, if not of a certificate; empty if all is well."""
        if not self.reasons:
            return ""
        first = self.reasons[0]
        return f"{_OF_WHAT.get(first.kind, '')}{words_of(first.code)}"

    @property
    def lets_strangers_in(self) -> bool:
        """Whether anybody may call, where clients of the client CA alone are to."""
        return self.known and self.site["wanted"] == "enforced" and self.mutual_tls in ("optional", "off")

    @property
    def served_until(self) -> str:
        """When the first of its certificate and chain ends, as 2027-02-21T16:39:00Z; empty where that is not known."""
        chain = [self.site.get("certificate"), *self.site.get("chain", ())]
        return min((one["not_after"] for one in chain if one and one["not_after"]), default="")

    @property
    def client_ca_ends(self) -> str:
        """When the last of its client CAs ends: until then somebody is let in. Empty where that is not known."""
        told = (one for one in self.site.get("client_ca", ()) if one["not_after"])
        return find_last_end((one["subject"], one["issuer"], one["not_after"]) for one in told)

    @property
    def last_call(self) -> str:
        """When a client called last, as 2026-11-28T19:45:00Z; empty where none did, or where that is not known."""
        return max((one["last"] for one in self.site.get("callers") or ()), default="")

    @property
    def last_call_told(self) -> str:
        """`last_call` for people; a log is read 30 days back. Empty where no log tells it."""
        none = "none in 30 days" if self.known and self.site["callers"] is not None else ""
        return self.last_call[:16].replace("T", " ") or none

    @property
    def may_call(self) -> tuple[str, ...]:
        """Who may call, for people: whom it lets in, whatever it is to do. Empty where that is not known."""
        if not self.known:
            return ()
        if self.lets_strangers_in:
            return ("anybody",)
        return tell_pins(self.site["pins"])

    @property
    def days_left(self) -> int | None:
        """Whole days until `served_until`, negative when it is over."""
        return days_between(self.at, self.served_until)

    @property
    def lifetime_left_percent(self) -> int | None:
        """How much of its certificate's time is left."""
        certificate = self.site.get("certificate")
        if not certificate or not certificate["not_after"]:
            return None
        begins, ends = (moment(certificate[name]) for name in ("not_before", "not_after"))
        return max(0, round(100 * ((ends - self.at) / (ends - begins)))) if ends > begins else 0

    @property
    def mutual_tls(self) -> str:
        """What is asked of strangers, by the worse of what the host and the controller saw; empty without a site."""
        return tell_worse({self.site.get("mutual_tls"), self.site.get("from_controller")})


@dataclass(frozen=True)
class Thresholds:
    """How many days before its end something is warned of, and is critical."""

    warn_days: int
    critical_days: int


@dataclass(frozen=True)
class FirstEnd:
    """What of a fleet ends first: what it is, of which site on which host, when (UTC), and in how many whole days."""

    kind: str
    host: str
    domain: str
    ends: str
    days: int


@dataclass(frozen=True)
class Fleet:
    """All hosts that were asked about, at a moment. rows: the worst first. reasons: what is amiss, the worst first.

    looked_at: when each host was looked at, by its name.
    """

    at: datetime
    looked_at: Mapping[str, datetime]
    thresholds: Thresholds
    hosts: tuple[Host, ...]
    rows: tuple[Row, ...]
    reasons: tuple[Reason, ...]
    first_to_end: FirstEnd | None

    @property
    def oldest(self) -> datetime:
        """When the host was looked at of which that is longest ago."""
        return min(self.looked_at.values(), default=self.at)

    @property
    def newest(self) -> datetime:
        """When the host was looked at of which that is shortest ago."""
        return max(self.looked_at.values(), default=self.at)

    @property
    def when(self) -> str:
        """When the hosts were looked at, for people: of several runs told as one, from when to when."""
        first, last = (f"{each:%Y-%m-%d, %H:%M}" for each in (self.oldest, self.newest))
        return f"on {last} UTC" if first == last else f"from {first} to {last} UTC, in several runs"

    @property
    def severity(self) -> str:
        """The worst of all."""
        return worst(reason.severity for reason in self.reasons)

    def count(self, severity: str) -> int:
        """How many reasons have this severity."""
        return sum(reason.severity == severity for reason in self.reasons)

    def count_rows(self, severity: str) -> int:
        """How many rows are this bad, and no worse."""
        return sum(row.severity == severity for row in self.rows)

    def reasons_of(self, host: str) -> Sequence[Reason]:
        """Return what is amiss with a host and its sites, also what they have with others."""
        return self._reasons_by_host.get(host, ())

    @cached_property
    def _reasons_by_host(self) -> Mapping[str, Sequence[Reason]]:
        return sort_by_host(self.reasons, self.hosts)


def sort_by_host(reasons: Iterable[Reason], hosts: Iterable[Host]) -> Mapping[str, Sequence[Reason]]:
    """Return what is amiss with each host, by itself or together with others, in the order given."""
    serving: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        for site in host.sites:
            serving[site["domain"]].append(host.name)
    found: dict[str, list[Reason]] = defaultdict(list)
    for reason in reasons:
        for name in [reason.host] if reason.host else reason.hosts or serving[reason.domain]:
            found[name].append(reason)
    return found


def find_same(hosts: Iterable[Host]) -> list[list[str]]:
    """Return the names of the inventory that mean one httpd, where several do."""
    names: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        if host.condition == LOOKED and host.identity:
            names[host.identity].append(host.name)
    return [each for each in names.values() if len(each) > 1]


def tell_worse(seen: Collection[str | None]) -> str:
    """Return the worst of what was seen to be asked of strangers; empty for nothing."""
    return next((each for each in ("off", "optional", "unproven", "enforced") if each in seen), "")


def tell_pins(pins: Sequence[str]) -> tuple[str, ...]:
    """Return who may call by some pins, as people read them: a subject says by its form that it is one."""
    return tuple(each.removeprefix("subject:") for each in pins) or ("any client of the client CA",)


def words_of(word: str) -> str:
    """Return a severity, a condition or a code as people read it."""
    return _WORDS.get(word, word.replace("-", " "))


def worst(severities: Iterator[str]) -> str:
    """Return the worst of some severities; `WELL` for none."""
    return min(severities, key=SEVERITIES.index, default=WELL)


def moment(text: str) -> datetime:
    """Return the moment that a text such as 2027-02-21T16:39:00Z tells."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def days_between(at: datetime, end: str) -> int | None:
    """Return the whole days from a moment to another, negative when that is over; None for none."""
    if not end:
        return None
    left = moment(end) - at
    return left.days if left.total_seconds() >= 0 else -((-left).days) or -1
