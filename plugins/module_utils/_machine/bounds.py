# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Work that may take without end, such as a regular expression of somebody else's, bounded in time."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _TimeIsOver(Exception):
    pass


@contextmanager
def bounded(seconds: float) -> Iterator[Callable[[], bool]]:
    """Leave the block after so many seconds; what it yields tells afterwards whether it came to its end.

    By a signal (setitimer(2)), which Python's regular expressions mind too. A thread other than the main one cannot be
    called so, and is not bounded.
    """
    ended = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: True
        return

    def end(_number: int, _frame: object) -> None:
        raise _TimeIsOver

    before = signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield lambda: ended
            ended = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeIsOver:
        pass
    finally:
        signal.signal(signal.SIGALRM, before)
