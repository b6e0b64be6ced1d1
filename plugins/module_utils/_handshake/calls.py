# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is sent for a question: Chat's own request, or one that leaves backends alone."""

from __future__ import annotations

from dataclasses import dataclass, field

# Rules against bots refuse an empty one, and those of well-known programs.
USER_AGENT = "mtls.httpd"
# As Chat's backend calls: what it asks for stands in the query, what happened in the body.
_QUERY = (
    "SdkAppid=1400000000&CallbackCommand=State.StateChange&contenttype=json&ClientIP=203.0.113.1&OptPlatform=RESTAPI"
)
_BODY = b'{"CallbackCommand":"State.StateChange","Info":{"Action":"Login","To_Account":"mtls","Reason":"Register"}}'


@dataclass(frozen=True)
class Call:
    """A request: its target, and its fields and body beside what names the server."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", repr=False)


def make_call(method: str, path: str) -> Call:
    """Return the request for a path: POST as Chat calls; GET or HEAD for a file; OPTIONS that calls no backend.

    mod_proxy answers the last itself (RFC 9110, section 7.6.2).
    """
    agent = ("User-Agent", USER_AGENT)
    if method == "POST":
        fields = (agent, ("Content-Type", "application/json"), ("Content-Length", str(len(_BODY))))
        return Call(method, f"{path}?{_QUERY}", fields, _BODY)
    if method in ("GET", "HEAD"):
        return Call(method, path, (agent,))
    return Call(method, path, (agent, ("Max-Forwards", "0")))
