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

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import endpoint
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
# What httpd calls a backend by. What else may name it, such as a condition, is about what a request says.
_NAMING = ("proxypass", "proxypassmatch", "balancermember", "sethandler", "rewriterule")
_LINE = re.compile(
    rb"(?im)^[ \t]*(?P<name>ProxyPass(?:Match)?|BalancerMember|SetHandler|RewriteRule|Define)[ \t]+"
    rb"(?P<said>(?:\\\r?\n|[^\n])*)"
)
_PROXIES = re.compile(rb"\[[^\]]*\b(P|proxy)\b[^\]]*\]", re.IGNORECASE)
# It is chosen by the URL that is called.
_BY_URL = re.compile(rb"(?im)^[ \t]*<Proxy(?:Match\b|[ \t]+\"?(?!balancer:)[^>\n]*:/)")


def find_plain_texts(
    described: Description, own: Iterable[tuple[SiteFacts, VirtualHost]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a configuration by which httpd calls backends of sites by TLS, with what names them without.

    None where a section of the proxy is for such URLs alone. C(own): the sites, each with its virtual host.
    """
    known: set[str] = set()
    for site, host in own:
        if any(_OVER_TLS.search(os.fsencode(each.arguments)) for each in described.of_host(host.place)):
            opened, closed = find_own_backends(described, site, host)
            known |= {backends.backend(f"https://{each.place}")[0] for each in (*opened, *closed) if not each.socket}
    # Where this httpd listens itself, nothing stands in for it.
    own_ports = {endpoint(each.words[0])[1] for each in described.listens}
    known = {each for each in known if each.rpartition(":")[2] not in own_ports}
    texts = dict(_read_all(described)) if known else {}
    if any(map(_BY_URL.search, texts.values())):
        return

    def name_plainly(found: re.Match[bytes]) -> bytes:
        port = found["port"] or b"443"
        place = backends.backend(f"https://{os.fsdecode(found['host'])}:{port.decode()}")[0]
        if not any(backends.same(place, each) for each in known):
            return found[0]
        return _PLAIN[found["scheme"].lower()] + found["to"] + found["host"] + b":" + port

    others = [
        each.arguments for each in described.directives if each.name.lower() not in (*_NAMING, "proxypassreverse")
    ]
    others += [section for each in described.directives for section in each.sections]
    is_defined_for_more = any(_OVER_TLS.sub(name_plainly, each) != each for each in map(os.fsencode, set(others)))

    def change(line: re.Match[bytes]) -> bytes:
        name, said = line["name"].lower(), line["said"]
        start = line[0][: -len(said)] if said else line[0]
        if (name == b"define" and is_defined_for_more) or (name == b"rewriterule" and not _PROXIES.search(said)):
            return line[0]
        return start + _OVER_TLS.sub(name_plainly, said)

    for path, content in texts.items():
        plain = _LINE.sub(change, content)
        if plain != content:
            yield path, plain


def _read_all(described: Description) -> Iterator[tuple[str, bytes]]:
    for path in dict.fromkeys(map(os.path.realpath, described.files)):
        with suppress(OSError), open(path, "rb") as stream:
            yield path, stream.read()
