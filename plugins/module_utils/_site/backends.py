# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which backend a URL of mod_proxy means: one spelling for all that lead to the same."""

from __future__ import annotations

import ipaddress
import os
import posixpath
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import names

if TYPE_CHECKING:
    from collections.abc import Iterable

# By scheme, where a URL names none (mod_proxy).
PORTS = {"http": 80, "ws": 80, "h2c": 80, "https": 443, "wss": 443, "h2": 443}
PORTS.update({"ajp": 8009, "fcgi": 8000, "scgi": 4000, "uwsgi": 3031})
_LOOPBACK = "127.0.0.1"


def backend(url: str, *, here: bool = False) -> tuple[str, str]:
    """The backend of a URL, as C(host:port) or the path of a socket, and the path in it before what a request fills in.

    Every loopback address, and the unspecified one, is C(127.0.0.1). C(here): links to a socket are followed.
    """
    place = ""
    if url[:5].lower() == "unix:":
        place, _bar, url = url[5:].partition("|")
        place = os.path.realpath(place) if here else "/" + posixpath.normpath(place).lstrip("/")
    scheme, _colon, rest = url.rpartition("://")
    start = re.split(r"[$%]", rest.partition("/")[2])
    path = start[0] if len(start) == 1 else start[0].rpartition("/")[0]
    return place or _address(scheme.lower(), rest.partition("/")[0]), "/" + posixpath.normpath(f"/{path}").lstrip("/")


def same(one: str, other: str) -> bool:
    """Whether two backends, as of C(backend), are one, by what names and addresses mean on this machine."""
    (host, _colon, port), (another, _colon, its_port) = one.rpartition(":"), other.rpartition(":")
    if one == other or not host or not another or port != its_port or "/" in host + another:
        return one == other
    return bool(_addresses(host) & _addresses(another))


def _address(scheme: str, authority: str) -> str:
    # What a request fills in behind the port may lead to it, as it may begin with a slash.
    authority = re.split(r"[$%]", authority.rpartition("@")[2])[0]
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d*))?", authority)
    host, port = (found[1], found[2]) if found else (authority, "")
    _LOOKUPS.note(_host(host))
    return f"{_host(host)}:{int(port or PORTS.get(scheme, 0))}"


@lru_cache(maxsize=4096)  # Many virtual hosts have one backend.
def _host(text: str) -> str:
    """A host's name in lower case, or its address as it is usually written."""
    text = text.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(text))  # 2130706433, 127.1, 0x7f.1
        except (OSError, ValueError):
            return _LOOPBACK if text == "localhost" or text.endswith(".localhost") else text
    address = getattr(address, "ipv4_mapped", None) or address
    return _LOOPBACK if address.is_loopback or address.is_unspecified else str(address)


# For all names of a run together. A resolver of the same network answers in some milliseconds.
LOOKUP_SECONDS = 1.0


@dataclass
class _Lookups:
    """What the names of backends mean on this machine, as far as a resolver tells in the time that there is for all.

    Those that were read are asked for all at once, when the first of them is needed: httpd itself asks for none of them
    before somebody calls, and a dead resolver would cost ten seconds for each.
    """

    left: float = LOOKUP_SECONDS
    _waiting: set[str] = field(default_factory=set)
    _known: dict[str, frozenset[str]] = field(default_factory=dict)

    def note(self, host: str) -> None:
        """Ask for a host too, once one is needed."""
        if host not in self._known:
            self._known[host] = frozenset()
            if re.fullmatch(r"[\w.:-]+", host):  # not what a request fills in
                self._waiting.add(host)

    def addresses(self, host: str) -> frozenset[str]:
        """Return the addresses of a host; of one that nobody answered for in time, none."""
        self.note(host)
        if self._waiting:
            began = time.monotonic()
            numbers = {each for each in self._waiting if _is_number(each)}
            told = names.look_up(self._waiting - numbers, self.left)
            self.left = max(0.0, self.left - (time.monotonic() - began))
            self._known.update({each: frozenset({each}) for each in numbers})
            self._known.update({each: frozenset(told.get(each, ())) for each in self._waiting - numbers})
            self._waiting.clear()
        return self._known[host]


_LOOKUPS = _Lookups()  # a process's, which makes one run


def addresses_of(hosts: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the addresses that hosts of backends have on this machine, all asked for together."""
    wanted = list(hosts)
    for each in wanted:
        _LOOKUPS.note(each)
    return {each: _LOOKUPS.addresses(each) for each in wanted}


def _is_number(host: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


def _addresses(host: str) -> frozenset[str]:
    """The host itself and its addresses; all of this machine's own are the one of loopback."""
    found = {host, *map(_host, _LOOKUPS.addresses(host))}
    return frozenset(_LOOPBACK if _is_own(each) else each for each in found)


def _is_own(address: str) -> bool:
    """Whether an address is one of this machine: only to such can a socket be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError, ValueError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        ipaddress.ip_address(address.partition("%")[0])
        probe.bind((address, 0))
        return True
    return False
