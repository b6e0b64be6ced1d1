# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who called, as the lines of httpd's access logs tell it: lines in, callers out.

Nothing of a line is repeated but what a caller is known by: the name, issuer and serial number of the certificate, and
the address. What was asked for, the query too, is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT
from ansible_collections.mtls.httpd.plugins.module_utils._site.log_lines import (
    iso,
    parse_access_time,
    unescape,
    unescape_name,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import OWN_ISSUERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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

FORBIDDEN = 403  # by which a client of the client CA is refused that is not among the pins

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
_MOST_CALLERS = 10_000  # in one log, as a client CA may have issued to many


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
        """Return what the lines told, who called last before others."""
        callers = [each.told(subject, issuer, serial) for (subject, serial, issuer), each in self._found.items()]
        callers = sorted(with_known_issuers(callers), key=lambda each: each.last, reverse=True)
        return Calls(tuple(callers), self._own, self._strange, self._without)

    def _take(self, told: Mapping[str, str]) -> None:
        moment = parse_access_time(told["time"])
        if moment < self._since:
            return
        issuer = unescape_name(told["issuer"]) if "issuer" in told else None
        subject, serial = unescape_name(told["subject"]), told["serial"]
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
