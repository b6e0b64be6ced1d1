# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Why a change is not made: as faults, and in one line for an operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import (
    Fault,
    OperatorError,
    plain,
    tell_fault,
    tell_faults,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import explain_os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

UNTOUCHED = "Nothing was touched"


@dataclass(frozen=True)
class Circumstances:
    """What is told of a refusal beside its reasons.

    stage: at what they showed. said: what httpd says of it. further: what is wrong besides, as after a way back that
    did not come to its end. state: how the host is left, as a sentence without its full stop. healed: what was amiss
    before, and is good now.
    """

    stage: str = ""
    said: str = ""
    further: Fault | None = None
    state: str = ""
    healed: tuple[str, ...] = ()


class Refused(OperatorError):
    """The change is not made. The host is as it was, unless the circumstances say otherwise."""

    def __init__(self, *reasons: Fault, circumstances: Circumstances | None = None) -> None:
        self.reasons, self.circumstances = reasons, circumstances or Circumstances()
        further = self.circumstances.further
        super().__init__(*reasons, *([further] if further else []))

    def __str__(self) -> str:
        about = self.circumstances
        sentences = [
            self._tell_reasons(),
            f"httpd says: {about.said}" if about.said else "",
            tell_fault(about.further) if about.further else "",
            "" if self._is_told_untouched_at_once() else about.state,
            f"Before that: {'; '.join(about.healed)}" if about.healed else "",
        ]
        return plain(". ".join(filter(None, sentences)))

    def _is_told_untouched_at_once(self) -> bool:
        """Whether that stands before the reasons, which may go on for long."""
        return bool(self.circumstances.stage) and self.circumstances.state == UNTOUCHED

    def _tell_reasons(self) -> str:
        reasons, stage = tell_faults(self.reasons), self.circumstances.stage
        if not stage:
            return reasons
        if not self._is_told_untouched_at_once():
            return f"{stage}, {reasons}"
        # "httpd says:" has a colon of its own.
        return f"{stage}, {UNTOUCHED.lower()}{'.' if self.reasons[0].code == 'unsound' else ':'} {reasons}"


# What is told to an operator as it is.
REASONS = (OperatorError, OSError)


def refusal_of(error: OperatorError | OSError) -> Refused:
    """The error as a refusal."""
    if isinstance(error, Refused):
        return error
    return Refused(*error.faults) if isinstance(error, OperatorError) else Refused(explain_os_error(error))


def amend(error: OperatorError | OSError, **circumstances: Any) -> Refused:
    """The error as a refusal, with these `Circumstances` in the place of those that it had."""
    refused = refusal_of(error)
    return Refused(*refused.reasons, circumstances=replace(refused.circumstances, **circumstances))


def change_each(wishes: Iterable[SiteWish], act: Callable[[SiteWish], SiteWish]) -> list[SiteWish]:
    """What is made of each wish. Raises Refused with what is said against any of them."""
    made, reasons = [], []
    for wish in wishes:
        try:
            made.append(act(wish))
        except REASONS as error:
            reasons += [replace(each, domain=each.domain or wish.domain) for each in refusal_of(error).reasons]
    if reasons:
        raise Refused(*reasons)
    return made
