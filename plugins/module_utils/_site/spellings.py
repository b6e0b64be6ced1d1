# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Spellings of a path that servers and proxies read in different ways.

RFC 3986, section 6.2.2, tells what is the same; servers disagree about the rest: parameters, escaped slashes and dots,
slashes that are doubled or backward, other case.
"""

from __future__ import annotations


def spell_protected(path: str) -> list[str]:
    """Requests that somebody may read as one for a path that is protected, and somebody else as one for another."""
    name = path.strip("/")
    parent, _slash, last = path.rstrip("/").rpartition("/")
    escaped = f"%{ord(last[0]):02x}{last[1:]}" if last else last
    return [
        path,
        f"{path}/",
        f"/{path}",
        f"/.{path}",
        f"/x/..{path}",
        f"/x/..;{path}",
        f"/x/..;/{name}",
        f"/x/%2e%2e/{name}",
        f"/x/..%2f{name}",
        f"/x%2f..%2f{name}",
        f"/;{path}",
        f"/;/{name}",
        f"{path};x",
        f"{path}%3bx",
        f"{path}%2f",
        f"{path}/.",
        f"{path}%20",
        f"{path}%00",
        f"{path}?x",
        f"{path}%3f",
        f"{path}%23",
        f"{parent}/{escaped}",
        f"{parent}/%25{escaped[1:]}",
        f"{parent}/x\\..\\{last}",
        f"{parent}/x%5c..%5c{last}",
        f"{parent}/%2f{last}",
        path.upper(),
        path.swapcase(),
    ]


def spell_beside_open(opened: str, target: str) -> list[str]:
    """Requests that somebody may read as one for a path that is open, and somebody else as one for C(target)."""
    name = target.strip("/")
    up = "/".join([".."] * opened.rstrip("/").count("/"))
    return [
        target,
        f"{opened}/{up}/{name}",
        f"{opened}/{up};/{name}",
        f"{opened};/{up}/{name}",
        f"{opened};/{up};/{name}",
        f"{opened}/%2e%2e/{name}",
        f"{opened}/..%2f{name}",
        f"{opened}%2f..%2f{name}",
        f"{opened}\\..\\{name}",
        f"{opened}%5c..%5c{name}",
        f"{opened}%00{target}",
        f"{opened}%23/../{name}",
        f"{opened}%3f/../{name}",
        f"{opened}/{name}",
        f"{opened};{target}",
        f"{target};{opened}",
        f"{target}/..;{opened}",
        f"{target}%2f..{opened}",
        f"{target}?{opened}",
        f"{target}#{opened}",
        f"/{target}",
    ]


def spell_in_query(opened: str, target: str) -> str:
    """The request for a page that is open which names C(target) behind a question mark.

    Measured on httpd 2.4: of a request within httpd that comes by an open path, no rule of the same section is asked
    again, so that a page of mod_include may show C(target) to who names it so.
    """
    return f"{opened}?{target}"
