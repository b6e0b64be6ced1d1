# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Backends that speak TLS, which a rehearsal calls without it: what stands in for one hears what it is asked for then.

Else one path of a backend could not be told from another, such as that of an application beside the site's.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._site import backends
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import find_own_backends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, VirtualHost
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

_PLAIN = {b"https": b"http", b"wss": b"ws"}
# Right behind a port may stand what a request fills in.
_OVER_TLS = re.compile(
    rb"(?i)\b(?P<scheme>https|wss)(?P<to>://(?:[^\s/@\"']*@)?)(?P<host>\[[0-9a-f:.]+\]|[^\s/:\"'|$%\[\]<>]+)"
    rb"(?::(?P<port>\d+)(?=[/\"'\s|>$%]|\Z)|(?=[/\"'\s|>]|\Z))"
)


def find_plain_texts(
    described: Description, own: Iterable[tuple[SiteFacts, VirtualHost]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a configuration that name backends of sites by TLS, with what names them without.

    C(own): the sites, each with its virtual host.
    """
    known: set[str] = set()
    for site, host in own:
        if any(_OVER_TLS.search(os.fsencode(each.arguments)) for each in described.of_host(host.place)):
            opened, closed = find_own_backends(described, site, host)
            known |= {backends.backend(f"https://{each.place}")[0] for each in (*opened, *closed) if not each.socket}

    def name_plainly(found: re.Match[bytes]) -> bytes:
        port = found["port"] or b"443"
        place = backends.backend(f"https://{os.fsdecode(found['host'])}:{port.decode()}")[0]
        if not any(backends.same(place, each) for each in known):
            return found[0]
        return _PLAIN[found["scheme"].lower()] + found["to"] + found["host"] + b":" + port

    for path in dict.fromkeys(map(os.path.realpath, described.files)) if known else ():
        with suppress(OSError):
            with open(path, "rb") as stream:
                content = stream.read()
            plain = _OVER_TLS.sub(name_plainly, content)
            if plain != content:
                yield path, plain
