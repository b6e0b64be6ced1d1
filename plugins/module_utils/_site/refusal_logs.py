# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who was refused the handshake, and why, as the lines of httpd's error logs tell it: lines in, refusals out.

Nothing of a line is repeated but what a client is known by: the name, issuer and serial number of the certificate, and
the address.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT
from ansible_collections.mtls.httpd.plugins.module_utils._site.log_lines import iso, parse_error_time, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The authorities of throwaway clients (_handshake/probes.py), by which a refused one of ours is known.
OWN_ISSUERS = ("CN=mtls.httpd stranger CA", "CN=mtls.httpd probe CA")
# Ours without a certificate comes together with one of an unknown authority.
_TOGETHER = 15
_ONE_CONNECTION = 60  # seconds: a port that is used again later is of another one

# What OpenSSL's numbers of verification errors (x509_vfy.h) come to for an operator. In REASONS each has its words.
_BY_NUMBER = {
    2: "unknown-issuer",
    3: "crl-unusable",
    9: "not-yet-valid",
    10: "ended",
    11: "crl-unusable",
    12: "crl-unusable",
    18: "unknown-issuer",
    19: "unknown-issuer",
    20: "unknown-issuer",
    21: "unknown-issuer",
    22: "chain-too-long",
    23: "revoked",
    26: "wrong-purpose",
    66: "weak",
    67: "weak",
    68: "weak",
}
_BY_WORDS = (
    ("did not return a certificate", "no-certificate"),
    ("unsupported protocol", "protocol"),
    ("version too low", "protocol"),
    ("no protocols available", "protocol"),
    ("no shared cipher", "protocol"),
    ("no suitable signature algorithm", "protocol"),
    ("http request", "no-tls"),
    ("wrong version number", "no-tls"),
    ("unknown protocol", "no-tls"),
    ("certificate verify failed", "other"),
)
# Why a client was refused, by a stable word, and what that means.
REASONS = {
    "no-certificate": "it showed no certificate",
    "unknown-issuer": "its certificate is of no client CA",
    "ended": "its certificate, or one above it, has ended",
    "not-yet-valid": "its certificate, or one above it, is not valid yet",
    "revoked": "its certificate is revoked",
    "crl-unusable": "no valid CRL is there for its issuer",
    "chain-too-long": "its chain is longer than verify_depth allows",
    "wrong-purpose": "its certificate is not for clients",
    "weak": "a key or a signature of its chain is too weak",
    "protocol": "no version of TLS, or cipher, that both speak",
    "no-tls": "it did not speak TLS",
    "other": "another reason, in OpenSSL's words",
}


@dataclass(frozen=True)
class Refused:
    """Handshakes that were refused for one reason, to one client as far as it is known.

    reason: of REASONS. detail: OpenSSL's own words. address: where it came from. subject, issuer, serial: of the
    certificate that was refused, or of the one above it; empty where the log does not tell it. sure: that it was at the
    site, not at another of its address and port.
    """

    reason: str
    detail: str
    address: str
    subject: str
    issuer: str
    serial: str
    first: str
    last: str
    count: int
    sure: bool = True


_ERROR_LINE = re.compile(
    r"\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] \[ssl:[a-z0-9]+\] "
    r"\[pid (?P<process>[\d:tid ]+)\] (?:\[(?:client|remote) (?P<client>[0-9A-Fa-f.:%\w]+)\] )?(?P<words>.*)"
)
_VERIFICATION = re.compile(
    r"AH(?:02276|02039): Certificate Verification: Error \((?P<number>\d{1,4})\): (?P<detail>[\w ,.'()/-]{1,120}?)"
    r"(?: \[subject: (?P<subject>.*) / issuer: (?P<issuer>.*) / serial: (?P<serial>[0-9A-Fa-f]+) / notbefore: .*)?$"
)
_TOO_LONG = re.compile(r"AH02040: Certificate Verification: Certificate Chain too long")
_ENDED = re.compile(r"AH02008: SSL library error \d+ in handshake")
_NO_TLS = re.compile(r"AH01996: SSL handshake failed: HTTP spoken on HTTPS port")
_CLOSED = re.compile(r"AH01998: Connection closed to child \d+ with \w+ shutdown \(server (?P<name>[\w.-]+):\d+\)")
_LIBRARY = re.compile(
    r"SSL Library Error: error:[0-9A-F]+:[\w ()-]*:[\w ()-]*:(?P<detail>[\w ,.'()/-]{1,120}?)(?: -- .*)?$"
)


def tell_rules() -> dict[str, Any]:
    """Return how refusals and our own knocks are told, as data, for a program that has none of this collection."""
    return {
        "line": _ERROR_LINE.pattern,
        "verification": _VERIFICATION.pattern,
        "known": [[_TOO_LONG.pattern, "chain-too-long"], [_NO_TLS.pattern, "no-tls"], [_ENDED.pattern, ""]],
        "closed": _CLOSED.pattern,
        "library": _LIBRARY.pattern,
        "by_number": {str(number): reason for number, reason in _BY_NUMBER.items()},
        "by_words": [list(each) for each in _BY_WORDS],
        "reasons": list(REASONS),
        "own_issuers": list(OWN_ISSUERS),
        "agent": USER_AGENT,
    }


@dataclass
class _Event:
    """A handshake that came to no good, as far as the lines so far tell."""

    moment: float
    reason: str = ""
    detail: str = ""
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    ended: bool = False


class RefusalReader:
    """Takes the lines of error logs, and tells who was refused the handshake since a moment (seconds since 1970).

    ends: by the address and port of a client, when its connections ended, and by which name of a virtual host.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._events: dict[str, list[_Event]] = {}
        self._of_process: dict[str, _Event] = {}
        self.ends: dict[str, list[tuple[float, str]]] = {}

    def read(self, lines: Iterable[str]) -> None:
        """Take lines in; those of one file in their order."""
        for line in lines:
            match = "ssl:" in line and _ERROR_LINE.match(line)
            if match:
                moment = parse_error_time(match["time"])
                if moment >= self._since:
                    self._take(moment, match["process"], match["client"] or "", match["words"])

    def add(self, other: RefusalReader) -> None:
        """Take in what another has read, of another log."""
        for client, events in other._events.items():
            self._events.setdefault(client, []).extend(events)
        self.add_ends(other)

    def add_ends(self, other: RefusalReader) -> None:
        """Take in where connections ended that another log tells of."""
        for client, ends in other.ends.items():
            self.ends.setdefault(client, []).extend(ends)

    def _take(self, moment: float, process: str, client: str, words: str) -> None:
        if not client:
            library, event = _LIBRARY.search(words), self._of_process.get(process)
            if library and event and not event.detail:
                event.detail = library["detail"].strip()
                event.reason = event.reason or reason_of_words(event.detail)
            return
        closed = _CLOSED.match(words)
        if closed:
            self.ends.setdefault(client, []).append((moment, closed["name"]))
            return
        verification = _VERIFICATION.match(words)
        if verification:
            event = self._event(moment, client, process)
            event.reason = _BY_NUMBER.get(int(verification["number"]), "other")
            event.detail = verification["detail"].strip()
            event.subject, event.issuer = (unescape(verification[name] or "") for name in ("subject", "issuer"))
            event.serial, event.ended = verification["serial"] or "", True
        elif _TOO_LONG.match(words):
            event = self._event(moment, client, process)
            event.reason, event.detail, event.ended = "chain-too-long", "certificate chain too long", True
        elif _NO_TLS.match(words):
            event = self._event(moment, client, process)
            event.reason, event.detail, event.ended = "no-tls", "http request", True
        elif _ENDED.match(words):
            self._event(moment, client, process).ended = True

    def _event(self, moment: float, client: str, process: str) -> _Event:
        """Return the event of a connection; a new one where its port was used long before."""
        events = self._events.setdefault(client, [])
        if not events or moment - events[-1].moment > _ONE_CONNECTION:
            events.append(_Event(moment))
        self._of_process[process] = events[-1]
        return events[-1]

    def refusals(self, name: str = "", *, first: bool = False) -> tuple[tuple[Refused, ...], int]:
        """Return what was refused, the latest first, and how many refusals were those of this collection's knocks.

        ``name``: that of the virtual host, where others share the log, so that what is surely theirs is left out.
        ``first``: it is the first of its address and port, and logs the ends of all of its connections: those without
        one ended elsewhere, but for who did not speak TLS.
        """
        events = [(client, each) for client, some in self._events.items() for each in some if each.ended]
        ours: dict[str, list[float]] = {}
        for client, each in events:
            if each.issuer in OWN_ISSUERS:
                bisect.insort(ours.setdefault(address_of(client), []), each.moment)
        ends = {client: sorted(some) for client, some in self.ends.items()}
        own = 0
        found: dict[tuple[object, ...], Refused] = {}
        for client, each in events:
            address, end = address_of(client), _find_end(ends.get(client, ()), each.moment)
            if first and each.reason == "no-tls":
                end = name
            if name and end != name and (end or first):
                continue
            if each.issuer in OWN_ISSUERS or (
                each.reason == "no-certificate" and _is_near(ours.get(address, []), each.moment)
            ):
                own += 1
                continue
            sure, moment = not name or end == name, iso(each.moment)
            told = (each.reason or "other", each.detail, address, each.subject, each.issuer, each.serial)
            one = found.get((told, sure)) or Refused(*told, first=moment, last=moment, count=0, sure=sure)
            begun, ended = min(one.first, moment), max(one.last, moment)
            found[told, sure] = replace(one, first=begun, last=ended, count=one.count + 1)
        return tuple(sorted(found.values(), key=lambda each: each.last, reverse=True)), own


def _find_end(ends: Sequence[tuple[float, str]], moment: float) -> str:
    """Return at which name the connection of a moment ended, of ends that are sorted; empty where none tells it."""
    at = bisect.bisect_left(ends, (moment, ""))
    return ends[at][1] if at < len(ends) and ends[at][0] <= moment + _ONE_CONNECTION else ""


def _is_near(moments: Sequence[float], moment: float) -> bool:
    """Return whether one of the moments, which are sorted, is near another."""
    at = bisect.bisect_left(moments, moment - _TOGETHER)
    return at < len(moments) and moments[at] <= moment + _TOGETHER


def reason_of_words(detail: str) -> str:
    """Return the reason, of REASONS, that OpenSSL's words on an error in a handshake come to."""
    return next((reason for words, reason in _BY_WORDS if words in detail), "other")


def address_of(client: str) -> str:
    """Return the address of a client as an error log tells it, with its port."""
    return client.rpartition(":")[0] or client
