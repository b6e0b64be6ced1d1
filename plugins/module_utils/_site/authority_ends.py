# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Until when somebody is let in, by the ends of a site's client CAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def find_last_end(authorities: Iterable[tuple[object, object, str]]) -> str:
    """When the last of the client CAs ends, or one above it that is in the same file; empty for none.

    C(authorities): subject, issuer and end of each. One that issued another of them is there for that one's sake: the
    clients of an intermediate are locked out by its end, however long its root goes on.
    """
    known = list(authorities)
    issuers = {issuer for subject, issuer, _end in known if issuer != subject}
    lowest = [each for each in known if each[0] not in issuers] or known
    return max((_follow(known, each, frozenset()) for each in lowest), default="")


def _follow(
    known: Sequence[tuple[object, object, str]], one: tuple[object, object, str], below: frozenset[object]
) -> str:
    """When one ends, or the last of those above it."""
    subject, issuer, end = one
    above = [each for each in known if each[0] == issuer != subject and issuer not in below]
    return min(end, max((_follow(known, each, below | {subject}) for each in above), default=end))
