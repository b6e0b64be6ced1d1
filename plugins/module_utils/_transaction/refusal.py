# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Why a change is not made: one line, for an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError, explain_os_error
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import host_material

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish


class Refused(Exception):
    """The change is not made. The host is as it was. The message says why, in one line."""


# What is told to an operator as it is.
REASONS = (
    HttpdError,
    StoreError,
    host_material.SourceError,
    trusted_paths.Untrusted,
    quoting.NotQuotable,
    OSError,
    Refused,
)


def reason_of(error: Exception) -> str:
    """What an error says, in words for an operator."""
    return explain_os_error(error) if isinstance(error, OSError) else str(error)


def each(wishes: Iterable[SiteWish], act: Callable[[SiteWish], SiteWish]) -> list[SiteWish]:
    """What is made of each wish. Raises Refused with what is said against any of them."""
    made, reasons = [], []
    for wish in wishes:
        try:
            made.append(act(wish))
        except REASONS as error:
            reasons.append(reason_of(error))
    if reasons:
        raise Refused("; ".join(dict.fromkeys(reasons)))
    return made
