# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is said of certificates and revocation lists that are not of their time, or soon will not be.

By the standard library alone, so that a host says it of material that lies there in the words of the controller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import (
    ERROR,
    WARNING,
    Finding,
    command,
    finding,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A client CA is somebody else's to renew.
_PRESENT = "the one that Chat publishes now"
_RENEW_LIST = "Fetch the present CRL from the CA, and see to it that it is renewed in time."


@dataclass(frozen=True)
class Span:
    """From when to when something is valid, what people call it, and where it lies. A list may have no end."""

    label: str
    source: str
    begin: datetime
    end: datetime | None

    def holds(self, at: datetime) -> bool:
        """Return whether it is valid at a moment."""
        return self.begin <= at and (self.end is None or at < self.end)


def iso(moment: datetime) -> str:
    """Return an aware moment in UTC, as ISO 8601 with seconds."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def of_certificate(one: Span, at: datetime, warn: timedelta) -> Iterator[Finding]:
    """Yield that it is not valid yet, or any more, or soon not (RFC 5280, 4.1.2.5).

    OpenSSL's last valid second is the one before the end.
    """
    if at < one.begin:
        message = f"'{one.label}' is valid from {iso(one.begin)} on, and it is {iso(at)}; until then it is refused."
        yield finding("not-yet-valid", one.source, message, "Wait, or check the clocks: timedatectl")
    elif one.end is None:
        return
    elif at >= one.end:
        message = f"'{one.label}' ended at {iso(one.end)}, {_days(at - one.end)} ago; it is refused."
        yield finding("expired", one.source, message, f"Renew it, then look: {_look(one)}")
    elif one.end - at < warn:
        message = f"'{one.label}' ends at {iso(one.end)}, in {_days(one.end - at)}."
        yield finding("expires-soon", one.source, message, "Renew it, and run this again with the new one.")


def of_client_ca(one: Span, at: datetime, warn: timedelta) -> Iterator[Finding]:
    """The same of a client CA, which is not the operator's to renew."""
    for each in of_certificate(one, at, warn):
        if each.code == "expired":
            yield replace(each, remedy=f"Take it out, and give {_PRESENT}. To see this one: {_look(one)}")
        elif each.code == "expires-soon":
            both = f"Download {_PRESENT}, and give both for as long as clients of either call."
            yield replace(each, remedy=f"{both} To see this one: {_look(one)}")
        else:
            yield each


def as_of_no_account(one: Finding) -> Finding:
    """Turn an error on a client CA's time into a warning: another certificate of the same CA lets its clients in."""
    if one.code not in ("expired", "not-yet-valid"):
        return one
    reason = one.message.partition(";")[0]
    message = f"{reason}; another certificate of the same CA is valid, by which httpd lets its clients in."
    return finding(one.code, one.subject, message, "Take the one that is out of its time out.", WARNING)


def as_of_no_client(one: Finding, *, lets_others_in: bool) -> Finding:
    """Turn an error on a client CA's time into a warning: clients of other client CAs are let in.

    On the day that the old one ends, what is deployed to both would otherwise be refused everywhere.
    """
    if one.severity != ERROR or not lets_others_in or one.code not in ("expired", "not-yet-valid"):
        return one
    reason = one.message.partition(";")[0].rstrip(".")
    until = "none of its clients in" + (" any more" if one.code == "expired" else " until then")
    message = f"{reason}; httpd lets {until}, and those of the other client CAs it does."
    remedy = "Take it out." if one.code == "expired" else "Nothing, if it is to come: clients of it are let in then."
    return replace(one, message=message, remedy=remedy, severity=WARNING)


def lets_others_in(names: Sequence[tuple[object, object]], accepted: Sequence[bool]) -> bool:
    """Return whether httpd lets clients in, but for those of CAs above a refused one, which may have none of their own.

    names: of each client CA, its own and its issuer's; accepted: of each, whether a client of it would get in.
    """
    above: set[object] = set()
    more = {issuer for (own, issuer), is_accepted in zip(names, accepted) if not is_accepted and own != issuer}
    while more - above:
        above |= more
        more = {issuer for own, issuer in names if own in above}
    return any(is_accepted and own not in above for (own, _issuer), is_accepted in zip(names, accepted))


def of_list(one: Span, at: datetime, *, newer: bool, warn: timedelta = timedelta(0)) -> Iterator[Finding]:
    """A revocation list of its time (RFC 5280, 5.1.2.4), and not near its end: with a fifth of its time left.

    OpenSSL's last valid second is the one before the next update. An ended list, or one that lies ahead, is a warning
    alone beside a present one (`newer`). The label is the issuer's name.
    """
    name = f"the CRL of '{one.label}'"
    if one.begin > at and newer:
        message = f"{name} that begins at {iso(one.begin)} is beside the present one."
        yield finding("crl-not-yet-valid", one.source, message, "Nothing: it is of no account until then.", WARNING)
    elif one.begin > at:
        message = f"{name} begins at {iso(one.begin)}; until then httpd would refuse every client."
        yield finding("crl-not-yet-valid", one.source, message, _renew_list(one))
    if one.end is None:
        return
    if one.end <= at and newer:
        message = f"{name} that was to be renewed at {iso(one.end)} is beside a newer one."
        yield finding("crl-expired", one.source, message, "Take the old one out.", WARNING)
    elif one.end <= at:
        message = f"{name} was to be renewed at {iso(one.end)}; httpd would refuse every client."
        yield finding("crl-expired", one.source, message, _renew_list(one))
    elif (one.end - at) * 5 < one.end - one.begin or one.end - at < warn:
        yield finding("crl-expires-soon", one.source, f"{name} is to be renewed at {iso(one.end)}.", _renew_list(one))


def _days(span: timedelta) -> str:
    return f"{span.days} day{'' if span.days == 1 else 's'}"


def _renew_list(one: Span) -> str:
    return f"{_RENEW_LIST} To see this one: {command(one.source, 'crl', '-noout -issuer -lastupdate -nextupdate')}"


def _look(one: Span) -> str:
    return command(one.source, "x509", "-noout -enddate")
