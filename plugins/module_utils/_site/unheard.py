# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Backends of sites that nobody listens at, by one connection to each: it may be started later, so that is a warning.

A rehearsal stands in for all of them, and so does not show it.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.backends import addresses_of
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import Backend, find_backends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# For all of them together. Who listens on this machine, or in its network, takes a connection in milliseconds; nothing
# is said of one that is silent, as a packet may have been lost.
CONNECT_SECONDS = 0.5
_SURE = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}
_NO_SOCKET = {errno.ECONNREFUSED, errno.ENOENT}
# Directives by which a request is passed on; of RewriteRule those with the flag P.
_PASSING = re.compile(
    r"(?i)\s*(ProxyPass|ProxyPassMatch|BalancerMember|SetHandler|RewriteRule(?=.*\[(?:[^\]]*,)?P[,\]]))\s"
)
_LOCATION = re.compile(r"(?i)\s*<Location\s+\"?([^\">]*)\"?")


def find_unheard(texts: Sequence[tuple[SiteFacts, str]], parent: int = 0) -> list[Fault]:
    """Return a warning for each backend of a site that takes no connection now. C(texts): sites, each with its text.

    C(parent): the process of the httpd that is to reach them, by mounts of its own; 0 for none.
    """
    wanted = [(site, option, each) for site, text in texts for option, each in _options(site, text)]
    refused = _connect({each for _site, _option, each in wanted})
    sockets = {each for _site, _option, each in wanted if each.socket and each not in refused}
    hidden = _find_hidden(sockets, parent) if parent and sockets and seclusion.has_own_mounts(parent) else set()
    found = []
    for site, option, each in wanted:
        if each in refused:
            place = each.socket or f"{each.host}:{each.port}"
            words = f"{site.domain}: {option}: nobody listens at {place} ({refused[each]}), so that callers get 503"
            found.append(Fault("backend-unheard", site.domain, words, "start it, or correct the option"))
        elif each in hidden:
            words = f"{site.domain}: {option}: {each.socket} is hidden from httpd by its unit (such as PrivateTmp=)"
            way = "have it lie elsewhere, such as below /run"
            found.append(Fault("backend-unheard", site.domain, f"{words}, so that callers get 503", way))
    return list(dict.fromkeys(found))


def _options(site: SiteFacts, text: str) -> Iterator[tuple[str, Backend]]:
    """The backends that a site's text leads to, each with the option that names it."""
    path = ""
    for line in text.splitlines():
        entered, passing = _LOCATION.match(line), _PASSING.match(line)
        if entered or line.strip().lower().startswith("</location"):
            path = entered.group(1) if entered else ""
        if passing is None:
            continue
        option = f"'proxy_pass' of 'protected_paths' for {path}" if path in site.protected_paths else "'proxy_pass'"
        if passing.group(1).lower() != "proxypass":
            option = passing.group(1)
        # Behind a socket's path stands how it is spoken to, and no other backend.
        for each in find_backends([re.sub(r"(?i)(unix:[^|\s]*\|)[^\s\"]*", r"\1", line)]):
            yield option, each


def _connect(backends: set[Backend]) -> dict[Backend, str]:
    """Return why those of the backends that take no connection do not: one for each address, all at once."""
    refused = {each: reason for each in backends if each.socket for reason in [_refused_socket(each.socket)] if reason}
    addresses = addresses_of({each.host for each in backends if each.host})
    deadline, waiting = time.monotonic() + CONNECT_SECONDS, {}
    said: dict[Backend, list[int]] = {}
    with ExitStack() as open_until_the_end:
        for each in backends:
            for address in addresses.get(each.host, ()):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                client = open_until_the_end.enter_context(socket.socket(family, socket.SOCK_STREAM))
                client.setblocking(False)
                code = client.connect_ex((address, each.port))
                said.setdefault(each, [])
                if code == errno.EINPROGRESS:
                    waiting[client] = each
                else:
                    said[each].append(code)
        while waiting and time.monotonic() < deadline:
            left = max(0.0, deadline - time.monotonic())
            for client in select.select([], list(waiting), [], left)[1]:
                said[waiting.pop(client)].append(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        silent = set(waiting.values())
    for each, codes in said.items():
        if codes and each not in silent and all(code in _SURE for code in codes):
            refused[each] = os.strerror(codes[0])
    return refused


def _find_hidden(backends: set[Backend], parent: int) -> set[Backend]:
    """Return those of the Unix sockets that take connections from us, and that a process does not reach."""
    return {each for each in backends if _refused_socket(seclusion.as_seen_by(parent, each.socket))}


def _refused_socket(path: str) -> str:
    """Return why a Unix socket takes no connection; nothing where it does, or that is not for sure."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            code = client.connect_ex(path)
        except (OSError, ValueError):  # a path that is too long, say
            return ""
    return os.strerror(code) if code in _NO_SOCKET else ""
