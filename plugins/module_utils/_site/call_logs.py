# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who called, and who was refused the handshake, as the lines of httpd's logs tell it: lines in, callers out.

Nothing of a line is repeated but what a caller is known by: the name, issuer and serial number of the certificate, and
the address. What was asked for, the query too, is not read.
"""

from __future__ import annotations

import bisect
import calendar
import re
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

# What a LogFormat has to hold, so that its lines tell who called; the rest of it may be anything, before or behind.
NEEDED_FORMAT = (
    '%h %l %u %t \\"%r\\" %>s %b %{SSL_PROTOCOL}x %{SSL_CLIENT_VERIFY}x \\"%{SSL_CLIENT_S_DN}x\\" '
    '%{SSL_CLIENT_M_SERIAL}x \\"%{SSL_CLIENT_I_DN}x\\" \\"%{User-Agent}i\\"'
)
_BEFORE = (
    '%h %l %u %t "%r" %>s %b %D %{SSL_PROTOCOL}x %{SSL_CIPHER}x %{SSL_CLIENT_VERIFY}x "%{SSL_CLIENT_S_DN}x" '
    "%{SSL_CLIENT_M_SERIAL}x"
)
_RESUMED, _ISSUED = " %{SSL_SESSION_RESUMED}x", ' "%{SSL_CLIENT_I_DN}x" "%{User-Agent}i"'
# Those of the role's own template: today's, and from before there was an issuer in them.
SITE_FORMATS = (_BEFORE + _ISSUED, _BEFORE + _RESUMED + _ISSUED, _BEFORE, _BEFORE + _RESUMED)

# The authorities of throwaway clients (_handshake/probes.py), by which a refused one of ours is known.
OWN_ISSUERS = ("CN=mtls.httpd stranger CA", "CN=mtls.httpd probe CA")
# Ours without a certificate comes together with one of an unknown authority.
_TOGETHER = 15
_ONE_CONNECTION = 60  # seconds: a port that is used again later is of another one
FORBIDDEN = 403  # by which a client of the client CA is refused that is not among the pins

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
# What a directive of a LogFormat is: conditions, a name in braces, and letters ("Custom Log Formats" of httpd's
# mod_log_config).
_TOKEN = re.compile(r"%(?:[<>]|!?\d{3}(?:,!?\d{3})*)*(?:\{([^}]*)\})?(\^..|[A-Za-z%])")
# Unrolled, as logs are long: the usual alternation takes twice the time.
_TEXT = r'[^"\\]*(?:\\.[^"\\]*)*'
_QUOTED = f"({_TEXT})"
_VALUES = {
    "time": r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]",
    "status": r"(\d{3}|-)",
    "verify": r'(SUCCESS|NONE|GENEROUS|FAILED:[^"]*?|-)',
    # Of a request, nothing else is kept: its query is nobody's to read.
    "method": r'([A-Z]{1,20}|[^\s"\\]?)[^"\\]*(?:\\.[^"\\]*)*',
    "version": r"(TLSv1(?:\.\d)?|SSLv\d|-)",
}
_VARIABLES = {
    "SSL_PROTOCOL": "version",
    "SSL_CLIENT_VERIFY": "verify",
    "SSL_CLIENT_S_DN": "subject",
    "SSL_CLIENT_I_DN": "issuer",
    "SSL_CLIENT_M_SERIAL": "serial",
}
_MANDATORY = {"time", "status", "subject", "serial"}
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "v": b"\v"}
_MOST_CALLERS = 10_000  # in one log, as a client CA may have issued to many

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
class Caller:
    """A client that got a request through the handshake, by its certificate.

    issuer: None where no line tells it. first, last: in UTC, as 2026-11-28T19:45:00Z. versions: of TLS. statuses: how
    often it got each. admitted, last_admitted: how often, and when last, it got another status than 403, by which who
    is not allowed is refused. addresses: some that it came from. verified: httpd said SUCCESS of it each time.
    """

    subject: str
    issuer: str | None
    serial: str
    first: str
    last: str
    calls: int
    versions: tuple[str, ...]
    statuses: Mapping[str, int]
    admitted: int
    last_admitted: str
    addresses: tuple[str, ...]
    verified: bool = True


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


@dataclass(frozen=True)
class Calls:
    """What the lines of an access log tell.

    own: calls of this collection, which are in no figure. strange: lines of another form. without: calls without a
    certificate.
    """

    callers: tuple[Caller, ...] = ()
    own: int = 0
    strange: int = 0
    without: int = 0

    @property
    def known(self) -> int:
        """How many calls were told, of whatever kind."""
        return self.own + self.without + sum(each.calls for each in self.callers)


@dataclass(frozen=True)
class Pattern:
    """A LogFormat, compiled: an expression, and what each of its groups is."""

    expression: re.Pattern[str]
    groups: tuple[str, ...]


@lru_cache(maxsize=64)
def compile_format(log_format: str) -> Pattern | None:
    """Return what reads the lines of a LogFormat, as httpd has it (its quotes not escaped).

    None where they do not tell who called.
    """
    parts, groups, at = ["^"], [], 0
    for token in _TOKEN.finditer(log_format):
        before = log_format[at : token.start()]
        parts.append(re.escape(before))
        at = token.end()
        quoted = before.endswith('"') and log_format[at : at + 1] == '"'
        name, letter = token.group(1), token.group(2)
        what = _meaning(name, letter)
        if what in groups or (what in ("subject", "method") and not quoted):
            what = ""
        if letter == "%":
            parts.append("%")
        elif what:
            groups.append(what)
            parts.append(_VALUES.get(what) or (_QUOTED if quoted else r"(\S*)"))
        elif letter == "t" and name is None:
            parts.append(r"\[[^\]]*\]")
        else:
            # The name of a user may have blanks in it.
            parts.append(_TEXT if quoted else ".*?" if letter == "u" else r"\S*")
    parts.append(re.escape(log_format[at:]) + r"\s*$")
    if not _MANDATORY.issubset(groups):
        return None
    return Pattern(re.compile("".join(parts)), tuple(groups))


def _meaning(name: str | None, letter: str) -> str:
    """Return what a directive of a LogFormat tells of a call; empty for what is not needed."""
    if name is None:
        return {"h": "address", "a": "address", "t": "time", "s": "status", "r": "method"}.get(letter, "")
    if letter == "x":
        return _VARIABLES.get(name.upper(), "")
    if letter == "i" and name.lower() == "user-agent":
        return "agent"
    return "address" if (name, letter) == ("c", "a") else ""


class CallReader:
    """Takes the lines of an access log, and tells who called since a moment (seconds since 1970)."""

    def __init__(self, formats: Sequence[str], since: float) -> None:
        found = (compile_format(each) for each in dict.fromkeys(formats))
        self._patterns = [each for each in found if each]
        self._since = since
        self._found: dict[tuple[str, str, str | None], _Tally] = {}
        self._own = self._strange = self._without = 0

    def read(self, lines: Iterable[str]) -> None:
        """Take lines in, in any order."""
        for line in lines:
            for number, pattern in enumerate(self._patterns):
                match = pattern.expression.match(line)
                if match:
                    self._take(dict(zip(pattern.groups, match.groups())))
                    if number:  # The next line will be of the same form.
                        self._patterns.insert(0, self._patterns.pop(number))
                    break
            else:
                self._strange += bool(line.strip())

    def calls(self) -> Calls:
        """Return what the lines told."""
        callers = [each.told(subject, issuer, serial) for (subject, serial, issuer), each in self._found.items()]
        callers = sorted(with_known_issuers(callers), key=lambda each: each.last, reverse=True)
        return Calls(tuple(callers), self._own, self._strange, self._without)

    def _take(self, told: Mapping[str, str]) -> None:
        moment = parse_access_time(told["time"])
        if moment < self._since:
            return
        issuer = unescape(told["issuer"]) if "issuer" in told else None
        subject, serial = unescape(told["subject"]), told["serial"]
        verify = told.get("verify", "SUCCESS")
        named = unescape(told.get("agent", "")) == USER_AGENT
        # Anybody can give that name. Who has a certificate hides no call by it: ours ask by OPTIONS alone.
        if issuer in OWN_ISSUERS or (named and (verify != "SUCCESS" or told.get("method") == "OPTIONS")):
            self._own += 1
            return
        if subject in ("", "-") or verify in ("NONE", "-"):
            self._without += 1
            return
        key = (subject, serial, None if issuer in ("", "-") else issuer)
        if key not in self._found and len(self._found) >= _MOST_CALLERS:
            return
        tally = self._found.setdefault(key, _Tally())
        tally.add(moment, told.get("version", "-"), told["status"])
        tally.addresses.setdefault(told.get("address", ""), None)
        tally.verified = tally.verified and verify == "SUCCESS"


@dataclass
class _Tally:
    """What is known so far of one caller."""

    first: float = float("inf")
    last: float = 0.0
    calls: int = 0
    versions: set[str] = field(default_factory=set)
    statuses: dict[str, int] = field(default_factory=dict)
    admitted: int = 0
    last_admitted: float = 0.0
    addresses: dict[str, None] = field(default_factory=dict)
    verified: bool = True

    def add(self, moment: float, version: str, status: str) -> None:
        """Count one call."""
        self.first, self.last = min(self.first, moment), max(self.last, moment)
        self.calls += 1
        if version != "-":
            self.versions.add(version)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status not in (str(FORBIDDEN), "-"):
            self.admitted += 1
            self.last_admitted = max(self.last_admitted, moment)

    def told(self, subject: str, issuer: str | None, serial: str) -> Caller:
        """Return the caller."""
        return Caller(
            subject=subject,
            issuer=issuer,
            serial=serial,
            first=iso(self.first),
            last=iso(self.last),
            calls=self.calls,
            versions=tuple(sorted(self.versions)),
            statuses=dict(sorted(self.statuses.items())),
            admitted=self.admitted,
            last_admitted=iso(self.last_admitted) if self.admitted else "",
            addresses=tuple(filter(None, self.addresses))[:5],
            verified=self.verified,
        )


def read_calls(lines: Iterable[str], formats: Sequence[str] = SITE_FORMATS, since: float = 0.0) -> Calls:
    """Return who called, by the lines of an access log of these formats. The latest comes first."""
    reader = CallReader(formats, since)
    reader.read(lines)
    return reader.calls()


# -- refused handshakes

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


def unescape(text: str) -> str:
    """Return what httpd wrote in a quoted field of a log (ap_escape_logitem), with nothing that a terminal obeys."""
    if "\\" in text:
        parts = re.sub(r"\\(x[0-9a-fA-F]{2}|.)", _byte_of, text)
        text = parts.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return plain(text)


def _byte_of(match: re.Match[str]) -> str:
    one = match.group(1)
    if len(one) == 3:
        return bytes([int(one[1:], 16)]).decode("utf-8", "surrogateescape")
    return _ESCAPES.get(one, one.encode()).decode()


@lru_cache(maxsize=4096)
def parse_access_time(text: str) -> float:
    """Return seconds since 1970 for a moment as httpd's %t has it; 0 for what is none."""
    day, month, year, hour, minute, second = text[:2], text[3:6], text[7:11], text[12:14], text[15:17], text[18:20]
    offset = (int(text[22:24]) * 60 + int(text[24:26])) * 60 * (-1 if text[21] == "-" else 1)
    moment = (int(year), _MONTHS.get(month, 1), int(day), int(hour), int(minute), int(second))
    return _believed(lambda: calendar.timegm((*moment, 0, 0, 0)) - offset)


@lru_cache(maxsize=4096)
def parse_error_time(text: str) -> float:
    """Return seconds since 1970 for a moment as an error log has it, which is in this machine's time."""
    _weekday, month, day, clock, year = text.split()
    hour, minute, second = clock.partition(".")[0].split(":")
    moment = (int(year), _MONTHS.get(month, 1), int(day), int(hour), int(minute), int(second))
    return _believed(lambda: time.mktime((*moment, 0, 0, -1)))


def _believed(count: Callable[[], float]) -> float:
    """Return a moment; 0 for one that is none, or is not yet, as whoever can write a line may say any."""
    try:
        moment = count()
    except (ValueError, OverflowError):
        return 0.0
    return moment if moment < time.time() + 86400 else 0.0


def iso(moment: float) -> str:
    """Return a moment in UTC, as 2026-11-28T19:45:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def with_known_issuers(callers: Iterable[Caller]) -> Iterator[Caller]:
    """Yield the callers; one without an issuer is taken together with the same one that has one, if it is known."""
    known: dict[tuple[str, str], list[Caller]] = {}
    for each in callers:
        known.setdefault((each.subject, each.serial), []).append(each)
    for same in known.values():
        named = [each for each in same if each.issuer is not None]
        if len(named) == 1 and len(same) == 2:
            yield merge(*same)
        else:
            yield from same


def merge(one: Caller, other: Caller) -> Caller:
    """Return what two entries of one caller tell together."""
    names = {*one.statuses, *other.statuses}
    return replace(
        one,
        issuer=one.issuer if one.issuer is not None else other.issuer,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        calls=one.calls + other.calls,
        versions=tuple(sorted({*one.versions, *other.versions})),
        statuses={name: one.statuses.get(name, 0) + other.statuses.get(name, 0) for name in sorted(names)},
        admitted=one.admitted + other.admitted,
        last_admitted=max(one.last_admitted, other.last_admitted),
        addresses=tuple(dict.fromkeys((*one.addresses, *other.addresses)))[:5],
        verified=one.verified and other.verified,
    )
