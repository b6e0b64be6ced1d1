# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Asking whether a page of errors whose path a request fills in shows a site's closed content at its open paths.

Measured on httpd 2.4: ErrorDocument with a path makes a request within httpd for which no rule is asked again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site.asking import NOBODY, Asker
from ansible_collections.mtls.httpd.plugins.module_utils._site.door_requests import Asked, authority, make_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import Kept
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        Directive,
        VirtualHost,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

_PATHS = 4  # open ones that are asked for
_METHODS = {"405": "PUT"}  # by which a file is asked for, so that the answer is of the status
_BY_RULES = (401, 403)
_OF_ALL = re.compile(r"(?i)virtualhost |location \"?/\"?$|if \"true\"$")  # sections of all that is served
_FIELD = re.compile(r"(?i)%\{(?:HTTP|req|http)(?::|_(?=[A-Z]))([\w-]+)", re.ASCII)


def ask_by_error_pages(asker: Asker, site: SiteFacts) -> Iterator[Fault]:
    """Ask for what a site protects by pages of errors that a request fills in, as a client without a certificate.

    Where nothing comes of it, that it may lead there is noted, as another request may.
    """
    if not site.open_paths:
        return
    host = asker.canaries.hosts[site.domain]
    for each in _find_filled(asker.canaries.described, host):
        beside = _find_beside(each, site.open_paths)
        kept = asker.connect(asker.address_of(site), site.port, site.domain)
        if beside and _is_refused(asker, kept, site, beside):
            kept.close()
            continue
        asked = list(_find_requests(asker, site, each, [beside] if beside else site.open_paths[:_PATHS]))
        found = list(asker.judge(kept, site, asked, [host], f"{NOBODY} got in by ErrorDocument at {each.place}"))
        kept.close()
        yield from found
        if not found:
            asker.note(
                f"ErrorDocument at {each.place} may lead to what {site.domain} protects, as its path is filled in by "
                "what a request says"
            )


def _find_filled(described: Description, host: VirtualHost) -> list[Directive]:
    """The pages in force in a virtual host whose paths a request fills in."""
    said = [each for place in dict.fromkeys(("", host.place)) for each in described.of_host(place)]
    pages = [each for each in said if each.name.lower() == "errordocument" and each.words]
    some = [each for each in pages if not all(map(_OF_ALL.match, each.sections))]
    whole = [each for each in pages if all(map(_OF_ALL.match, each.sections))]
    # By status, those of all that it serves: what is merged later takes an earlier one's place.
    in_force = {each.words[0]: each for each in sorted(whole, key=_find_rank)}
    return list(filter(_is_filled, (*in_force.values(), *some)))


def _find_rank(each: Directive) -> tuple[bool, bool]:
    """When httpd merges a section: what stands in none, then <Location>, then <If>, wherever it stands."""
    names = [section.partition(" ")[0].lower() for section in each.sections]
    return "if" in names, "location" in names


def _is_filled(each: Directive) -> bool:
    page = "".join(each.words[1:2])
    return page.startswith("/") and "%{" in page.partition("?")[0]


def _find_beside(each: Directive, open_paths: Sequence[str]) -> str:
    """The path of a <Location> without a pattern that a page of errors is for, where no open path lies in it."""
    for section in each.sections:
        name, _space, said = section.partition(" ")
        said = said.strip().strip("\"'")
        is_plain = name.lower() == "location" and said.startswith("/") and not re.search(r"[*?\[]", said)
        if is_plain and not any(trusted_paths.lies_within(path, said) for path in open_paths):
            return quote(said)
    return ""


def _is_refused(asker: Asker, kept: Kept, site: SiteFacts, path: str) -> bool:
    """Whether a rule refuses, for which the site has pages of its own, before any other error can come.

    A module may answer before rules are asked, such as Redirect by a status.
    """
    reply, _reached = asker.reach(kept, make_request(f"GET {path} HTTP/1.1", authority(site.domain, site.port)))
    return reply.status in _BY_RULES


def _find_requests(asker: Asker, site: SiteFacts, each: Directive, paths: Sequence[str]) -> Iterator[Asked]:
    method = _METHODS.get(each.words[0], "GET")
    begins = each.words[1].partition("%{")[0]
    target = asker.find_targets(site)[0]
    rest = target[len(begins) :] if target.startswith(begins) else target.lstrip("/")
    fields = "".join(f"{name.replace('_', '-')}: {rest}\r\n" for name in _FIELD.findall(each.words[1]))
    for path in paths:
        raw = make_request(f"{method} {path}?{rest} HTTP/1.1", authority(site.domain, site.port))
        raw = raw[:-2] + fields.encode("latin-1") + (b"Content-Length: 0\r\n\r\n" if method == "PUT" else b"\r\n")
        yield Asked(raw, site.domain, f"{method} {path}?{rest}", path)
