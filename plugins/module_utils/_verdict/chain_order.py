# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is said of a chain that holds more than clients need, or in another order, on the controller as on a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, finding, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Link(Protocol):
    """A certificate as messages name it."""

    @property
    def label(self) -> str:
        """Its subject, for people."""

    @property
    def source(self) -> str:
        """The file that it lies in."""


One = TypeVar("One", bound=Link)


@dataclass(frozen=True)
class Chain(Generic[One]):
    """What is given beside the server's certificate, in its order, and what becomes of it.

    kept: those on the way to an anchor, each before its issuer. roots: those that signed themselves. sent: those that
    are not on the way, and are sent all the same.
    """

    given: Sequence[One]
    kept: Sequence[One]
    roots: Sequence[One]
    sent: Sequence[One] = ()


def judge_chain(chain: Chain[One]) -> Iterator[Finding]:
    """The chain is what clients need and no more, each certificate before its issuer's (RFC 5246, 7.4.2)."""
    left_out = [one for one in chain.given if one not in (*chain.kept, *chain.sent)]
    silence = "To silence this, take it out of the file."
    if left_out:
        root = " A root is never sent." if any(one in chain.roots for one in left_out) else ""
        message = f"left out of the chain, as clients need it not: {some(one.label for one in left_out)}.{root}"
        yield finding("chain-superfluous", left_out[0].source, message, silence)
    if chain.sent:
        names = some(one.label for one in chain.sent)
        message = f"sent with the chain, though not on the way up from the server's certificate: {names}."
        yield finding("chain-superfluous", chain.sent[0].source, message, silence)
    if [one for one in chain.given if one in chain.kept] != list(chain.kept):
        message = f"the chain was out of order, and is put right: {some(one.label for one in chain.kept)}."
        remedy = "To silence this, let each certificate stand before its issuer's."
        yield finding("chain-order", chain.kept[0].source, message, remedy)
