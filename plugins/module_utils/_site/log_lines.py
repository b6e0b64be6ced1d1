# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the lines of httpd's logs have in common: moments, and texts as httpd escapes them."""

from __future__ import annotations

import calendar
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
ISO_FORMAT = "%Y-%m-%dT%H:%M:%SZ"  # of moments as they are told, in UTC
# A field with httpd's escapes, and a name in the form of RFC 4514 (section 2.4), whose escapes are others.
_LOGGED = re.compile(r"""(?:[^\\]|\\(?:[bnrtv"\\]|x[0-9a-fA-F]{2}))*""", re.DOTALL)
_A_NAME = re.compile(r"""(?:[^\\"<>;]|\\(?:[ "#+,;<=>\\]|[0-9a-fA-F]{2}))*""", re.DOTALL)
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "v": b"\v"}


def unescape(text: str) -> str:
    """Return what httpd wrote in a quoted field of a log (ap_escape_logitem), with nothing that a terminal obeys."""
    if "\\" in text:
        parts = re.sub(r"\\(x[0-9a-fA-F]{2}|.)", _byte_of, text)
        text = parts.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return plain(text)


def unescape_name(text: str) -> str:
    """Return a name of a certificate (RFC 4514) that mod_ssl wrote in a quoted field of a log.

    From 2.4.64 on, and where a distribution mended an older one (CVE-2024-47252), httpd's escapes are on top of the
    name's own. Before, the name stood there as it is.
    """
    told = unescape(text)
    return told if _LOGGED.fullmatch(text) and _A_NAME.fullmatch(told) else plain(text)


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
    return time.strftime(ISO_FORMAT, time.gmtime(moment))
