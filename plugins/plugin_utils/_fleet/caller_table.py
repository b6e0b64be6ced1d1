# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who called the sites of a fleet, and who was refused, on a screen of 120 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import yaml

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import SCREEN, lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import LOOKED, find_same, words_of
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Host

_CALLERS = ("host", "site", "client", "issuer", "last (UTC)", "calls", "TLS", "statuses")
_REFUSED = ("host", "site", "from", "client", "why", "last (UTC)", "times")
_LEAST = {"host": 8, "site": 12, "client": 16, "issuer": 12, "statuses": 7, "from": 15, "why": 18}


def lay_out_callers(hosts: Sequence[Host]) -> list[str]:
    """Return the lines to print: callers, refusals, what the logs do not tell, and what would let callers in."""
    rows = [row for host in hosts for row in _caller_rows(host)]
    refused = sorted((row for host in hosts for row in _refusal_rows(host)), key=lambda row: row[-2], reverse=True)
    lines = ["Who called:", *lay_out(_CALLERS, rows, SCREEN, _LEAST)]
    if refused:
        lines += ["", "Who was refused the handshake:", *lay_out(_REFUSED, refused, SCREEN, _LEAST)]
        if any(not each["sure"] for host in hosts for site in host.sites for each in site["refusals"]):
            lines.append("(?) One of the names at that address and port; the log does not tell which.")
    remarks = list(_remarks(hosts))
    for remark in [*([""] if remarks else []), *remarks]:
        lines += textwrap.wrap(plain(remark), SCREEN, subsequent_indent="    ", break_on_hyphens=False) or [""]
    for domain, subjects in _allowed(hosts).items():
        lines += ["", f"What would let just these into {domain}; see first that each is Chat, or yours:"]
        text = yaml.safe_dump(
            {"allowed_clients": [{"subject": each} for each in subjects]}, allow_unicode=True, width=10_000
        )
        lines += textwrap.indent(text, "  ").splitlines()
    return [*lines, "", sum_up_callers(hosts)]


def sum_up_callers(hosts: Sequence[Host]) -> str:
    """Return the line that says how many called, and how many were refused. What has several names counts once."""
    again = {name for names in find_same(hosts) for name in names[1:]}
    hosts = [host for host in hosts if host.name not in again]
    sites = [site for host in hosts for site in host.sites]
    clients = {_name(each) for site in sites for each in site["callers"]}
    calls = sum(each["calls"] for site in sites for each in site["callers"])
    refused = sum(map(_count_refusals, hosts))
    own = sum(site["own_calls"] + site["own_refusals"] for site in sites)
    since = min((str(host.told["since"]) for host in hosts if host.condition == LOOKED), default="")
    said = (
        f"{count_of(len(clients), 'client')} made {count_of(calls, 'call')}{f' since {since[:10]}' if since else ''}; "
    )
    said += f"{count_of(refused, 'handshake')} refused."
    said += f" Left out: {count_of(own, 'knock')} of this collection's own." if own else ""
    silent = [host.name for host in hosts if host.condition != LOOKED]
    return said + (f" Not known: {count_of(len(silent), 'host')}." if silent else "")


def _count_refusals(host: Host) -> int:
    """Return how many handshakes a host refused. One that may have been with any of its sites stands at each."""
    sure, unsure = 0, dict[tuple[str, ...], int]()
    for each in (each for site in host.sites for each in site["refusals"]):
        told = tuple(each[name] for name in ("reason", "detail", "address", "subject", "issuer", "last"))
        if each["sure"]:
            sure += each["count"]
        else:
            unsure[told] = max(each["count"], unsure.get(told, 0))
    return sure + sum(unsure.values())


def _name(caller: Mapping[str, Any]) -> tuple[str, ...]:
    return (caller["subject"], caller["issuer"] or "", caller["serial"])


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")


def _caller_rows(host: Host) -> Iterator[tuple[str, ...]]:
    if host.condition != LOOKED or not host.sites:
        yield (host.name, "no site" if host.condition == LOOKED else words_of(host.condition), *[""] * 6)
    for site in host.sites:
        for each in site["callers"]:
            yield (
                host.name,
                site["domain"],
                plain(each["subject"]) + ("" if each["verified"] else " (not verified)"),
                plain(each["issuer"] or "unknown"),
                _moment(each["last"]),
                f"{each['calls']:,}",
                plain(" ".join(version.removeprefix("TLSv") for version in each["versions"])),
                " ".join(f"{status}x{count}" if count > 1 else status for status, count in each["statuses"].items()),
            )
        if not site["callers"]:
            yield (host.name, site["domain"], "nobody", *[""] * 5)


def _refusal_rows(host: Host) -> Iterator[tuple[str, ...]]:
    for site in host.sites:
        for each in site["refusals"]:
            client = f"{each['subject']}, of {each['issuer']}" if each["subject"] else ""
            yield (
                host.name,
                site["domain"] + ("" if each["sure"] else " (?)"),
                plain(each["address"]),
                plain(client),
                (each["reason"] == "other" and each["detail"]) or each["reason"].replace("-", " "),
                _moment(each["last"]),
                f"{each['count']:,}",
            )


def _remarks(hosts: Sequence[Host]) -> Iterator[str]:
    """Yield which hosts are one, why nothing is known of a host, and what the logs of a site do not tell."""
    for names in find_same(hosts):
        yield f"{', '.join(names)} are one httpd: the inventory has several names for it. Its calls count once below."
    for host in hosts:
        if host.message:
            yield f"{host.name}: {host.message}"
        for site in host.sites:
            yield from (f"{host.name}: {each['message']}: {each['remedy']}" for each in site["problems"])
            for log in site["refusal_logs"]:
                if log["tells"] != "all":
                    who = "no refusal is logged"
                    if log["tells"] == "some":
                        who = "not all refusals are logged, and knocks of this collection's own are among them"
                    yield (
                        f"{host.name}: {site['domain']}: {who}, as refusals stand in the error log of "
                        f"{log['host'] or 'the first virtual host of the port'}, whose LogLevel for ssl is "
                        f"{log['level']}: set `LogLevel ssl:info` in the virtual host at {log['place']}"
                    )
            left = site["callers_left_out"] + site["refusals_left_out"]
            if left:
                yield f"{host.name}: {site['domain']}: {left:,} older entries are left out"


def _allowed(hosts: Sequence[Host]) -> dict[str, list[str]]:
    """Return the subjects that were let in, by site, on any of the hosts."""
    found: dict[str, dict[str, None]] = {}
    for site in (site for host in hosts for site in host.sites):
        for each in site["allowed_clients"]:
            found.setdefault(site["domain"], {})[each["subject"]] = None
    return {domain: sorted(subjects) for domain, subjects in sorted(found.items())}
