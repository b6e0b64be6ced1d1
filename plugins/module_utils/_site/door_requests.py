# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The requests by which a site is asked for at the doors of a server, and how what they show is known."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.calls import USER_AGENT, make_call
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_requests import TUNNEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import Reply
    from ansible_collections.mtls.httpd.plugins.module_utils._site.templates import Made
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

BEGINNING = 1024  # bytes of a file by which it is known


@dataclass(frozen=True)
class Asked:
    """A request, the name by which httpd finds a virtual host for it, and how it is told.

    C(shown): how a file of the site's own begins, which is content too. C(runs): it may be a program, whatever that
    answers. C(sni): the name that hands are shaken by.
    """

    raw: bytes = field(repr=False)
    name: str
    told: str
    path: str = ""
    shown: bytes = field(default=b"", repr=False)
    remedy: str = ""
    sni: str = ""
    runs: bool = False

    def is_shown(self, reply: Reply) -> bool:
        """Whether an answer is that file; of a small one, `shown` is all, as any page may begin so."""
        page = reply.received.partition(b"\r\n\r\n")[2]
        is_same = page.startswith(self.shown) if len(self.shown) == BEGINNING else page == self.shown
        return bool(self.shown) and reply.status == 200 and (is_same or self.runs)


def find_requests(
    site: SiteFacts, port: int, others: Sequence[str], targets: Sequence[str], *, over_tls: bool
) -> Iterator[Asked]:
    """The requests by which a site is asked for at a port, also beside the names of other virtual hosts there."""
    domain = site.domain
    ports = dict.fromkeys((port, site.port, 443))
    hosts = [domain, *(f"{domain}:{each}" for each in ports), domain.upper(), f"{domain}.", *site.aliases[:1]]
    beside = next(iter(others), "localhost")
    for target in targets:
        for host in hosts:
            yield Asked(make_request(f"GET {target} HTTP/1.1", host), domain, f"GET {target} with Host {host}")
        call = make_call("POST", target)
        fields = "".join(f"{name}: {value}\r\n" for name, value in (("Host", domain), *call.fields))
        raw = f"POST {call.target} HTTP/1.1\r\n{fields}\r\n".encode("ascii") + call.body
        yield Asked(raw, domain, f"POST {target} with Host {domain}")
        for host in others:
            yield Asked(make_request(f"GET {target} HTTP/1.1", host), host, f"GET {target} with Host {host}")
        for scheme in ("http", "https"):
            url = f"{scheme}://{domain}{target}"
            # Measured on httpd 2.4: by the other scheme, Host decides.
            name = domain if (scheme == "https") == over_tls else beside
            yield Asked(make_request(f"GET {url} HTTP/1.1", beside), name, f"GET {url} with Host {beside}")
    for target in targets:
        yield Asked(make_request(f"GET {target} HTTP/1.0", ""), "", f"GET {target} of HTTP/1.0")
        url = f"https://{domain}{target}"
        yield Asked(make_request(f"GET {url} HTTP/1.0", ""), domain if over_tls else "", f"GET {url} of HTTP/1.0")


def write_lead(made: Made, host: str) -> bytes:
    """The request that a lead is, as it is sent."""
    tunnels = made.method == TUNNEL
    # The name of a file may be no text.
    target = quote(made.path, safe="/:;@&=+$,~!*'()[]|", errors="surrogateescape") + (
        f"?{quote(made.query, safe='/:;@&=+$,~!*()?')}" if made.query and not tunnels else ""
    )
    fields = "".join(f"{name}: {value}\r\n" for name, value in made.fields)
    line = f"{made.method or 'GET'} {target} HTTP/1.1"
    request = make_request(line, host)
    if any(name.lower() == "user-agent" for name, _value in made.fields):
        request = request.replace(f"User-Agent: {USER_AGENT}\r\n".encode("latin-1"), b"")
    request = request[:-2] + f"{fields}\r\n".encode("latin-1", "replace")
    # Through a tunnel a request of its own goes on at once.
    return request + make_request(f"GET {quote(made.query)} HTTP/1.1", host) if tunnels else request


def make_request(line: str, host: str) -> bytes:
    """A request without a body, of its first line and its Host; without one where that is empty."""
    fields = (f"Host: {host}\r\n" if host else "") + f"User-Agent: {USER_AGENT}\r\n"
    return f"{line}\r\n{fields}\r\n".encode("latin-1")


def authority(name: str, port: int) -> str:
    """What a request calls a server (RFC 9110, section 7.2)."""
    return name if port == 443 else f"{name}:{port}"


def plain_path(target: str) -> str:
    """The path of a request to a backend, without what nobody tells apart."""
    return re.sub("//+", "/", target.partition("?")[0])
