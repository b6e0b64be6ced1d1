# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long work on many items, shared among the processors."""

from __future__ import annotations

import contextlib
import os
import pickle
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")

LEAST = 250  # items that are worth a process


def in_shares(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], *, least: int = LEAST
) -> list[Result]:
    """Return what `work` makes of the items, one result for each, in their order.

    `least`: items that are worth a process. Where there are many, forked processes do a share each. The items go
    nowhere, and the results come back by pipes, so nothing secret leaves memory. What `work` raises in a process is
    raised again here, by doing its share once more.
    """
    number = max(1, min(os.cpu_count() or 1, len(items) // least))
    size = -(-len(items) // number)
    own, *others = (items[at : at + size] for at in range(0, max(1, len(items)), size or 1))
    started = [(share, *_started(work, share)) for share in others]
    results = work(own)
    for share, process, pipe in started:
        with open(pipe, "rb") as answer:
            told = answer.read()
        _process, status = os.waitpid(process, 0)
        results += pickle.loads(told) if status == 0 else work(share)
    return results


def _started(work: Callable[[Sequence[Item]], list[Result]], share: Sequence[Item]) -> tuple[int, int]:
    """Start a process that does the share; return its id, and the end of a pipe where its results arrive."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    status = 1
    with contextlib.suppress(BaseException):
        with open(writing, "wb") as answer:
            pickle.dump(work(share), answer, pickle.HIGHEST_PROTOCOL)
        status = 0
    os._exit(status)
