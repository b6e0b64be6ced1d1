# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Until when somebody is let in, by the ends of a site's client CAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Authority = tuple[object, object, str]


def find_last_end(authorities: Iterable[Authority]) -> str:
    """When the last of the client CAs ends, or one above it that is in the same file; empty for none.

    C(authorities): subject, issuer and end of each. One that issued another of them is there for that one's sake: the
    clients of an intermediate are locked out by its end, however long its root goes on. One that signed a root of the
    same file is not: with such a cross certificate an old CA hands over to a new one, which has clients of its own.
    """
    known = list(authorities)
    roots = {subject for subject, issuer, _end in known if issuer == subject}
    issuers = {issuer for subject, issuer, _end in known if subject not in roots}
    lowest = [each for each in known if each[0] not in issuers] or known
    ends = _follow(known)
    return max((_end_of(each, ends) for each in lowest), default="")


def find_root_end(authorities: Iterable[Authority]) -> str:
    """When the last of all client CAs ends, where that is after the end above; else empty.

    It is that of a root beside its intermediates. Whether it has clients of its own too, no certificate tells.
    """
    known = list(authorities)
    ends = _follow(known)
    last = max((_end_of(each, ends) for each in known), default="")
    return last if last > find_last_end(known) else ""


def _follow(known: Sequence[Authority]) -> dict[object, str]:
    """When those of each subject end, or the last of those above them, by the best way up."""
    ends: dict[object, str] = {}
    for subject, _issuer, end in known:
        ends[subject] = max(end, ends.get(subject, ""))
    # Each round takes the ends of one step further up: never a later one, so that it comes to rest.
    while True:
        after: dict[object, str] = {}
        for each in known:
            after[each[0]] = max(_end_of(each, ends), after.get(each[0], ""))
        if after == ends:
            return ends
        ends = after


def _end_of(one: Authority, ends: Mapping[object, str]) -> str:
    """When one ends, or those above it, as far as that is known."""
    subject, issuer, end = one
    return end if subject == issuer else min(end, ends.get(issuer, end))
