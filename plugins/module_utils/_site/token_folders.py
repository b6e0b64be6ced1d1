# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a host serves where a CA looks for its token (RFC 8555, section 8.3), if it sends all other requests away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_fillings import pattern_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
    from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import Content

TOKENS = "/.well-known/acme-challenge"
# As the patterns are that except it: in any case, often with a dot that stands for any character, and no slash behind.
_AT_TOKENS = re.compile(r"/.well-known/acme-challenge", re.IGNORECASE)
_ALIASES = ("alias", "scriptalias", "aliasmatch", "scriptaliasmatch")
# How a pattern begins, as far as that is the same for each path that it matches; and what in it is no alternative.
_BEGINNING = re.compile(r"\^((?:(?:\\\W|[^\\^$.|?*+()\[\]{}])(?![?*{]))*)")
_WITHIN = re.compile(r"\\.|\[\^?\]?[^\]]*\]|\((?:[^()]|\([^()]*\))*\)")


def holds_tokens(path: str) -> bool:
    """Whether a folder is one of tokens, which are for everybody, by its name, or lies in one."""
    return f"{TOKENS}/" in f"{path}/"


def find_at_tokens(without_us: Description, content: Content) -> Iterator[Content]:
    """Yield what of C(content) an alias serves there; not the folder of tokens, which is for everybody.

    Of a DocumentRoot that folder is all.
    """
    if content.said.name.lower() not in _ALIASES:
        return
    url, pattern = _find_url(content.said)
    if pattern:
        start = _find_beginning(pattern)
        is_met = bool(_AT_TOKENS.match(start)) or TOKENS.startswith(start.lower())
    else:
        is_met = bool(_AT_TOKENS.match(url))
        if trusted_paths.lies_below(TOKENS, url.lower()):
            is_met, content = True, content.below(TOKENS[len(url.rstrip("/")) :])
    path = without_us.real_path(content.path)
    if is_met and not holds_tokens(path):
        yield replace(content, path=path)


def _find_url(said: Directive) -> tuple[str, str]:
    """The URL that an alias is for, or the pattern of such."""
    if len(said.words) > 1:
        return ("", said.words[0]) if said.name.lower().endswith("match") else (said.words[0], "")
    for section in reversed(said.sections):
        name, _space, url = section.partition(" ")
        if pattern_of(section):
            return "", pattern_of(section)
        if name.lower() == "location":
            return url.strip().strip("\"'"), ""
    return "/", ""


def _find_beginning(pattern: str) -> str:
    found = _BEGINNING.match(pattern)
    has_others = "|" in _WITHIN.sub("", pattern)
    return re.sub(r"\\(.)", r"\1", found[1]) if found and not has_others else ""
