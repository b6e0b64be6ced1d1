# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a host serves where a CA looks for its token (RFC 8555, section 8.3), or anybody for what is known of a host.

Where it sends all other requests away, that is all of it.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_fillings import pattern_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
    from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import Content

KNOWN = "/.well-known"  # RFC 8615
TOKENS = f"{KNOWN}/acme-challenge"
# As the patterns are that except it: in any case, often with a dot that stands for any character, and no slash behind.
_AT_KNOWN = {url: re.compile(f"/.{url[2:]}", re.IGNORECASE) for url in (KNOWN, TOKENS)}
# What CAs have a host show, and nobody else: tokens (also of the CA/Browser Forum's, 3.2.2.4.18).
_OF_TOKENS = {"acme-challenge", "pki-validation"}
_A_TARGET = re.compile(r"(?i)unix:|\w+://")
_ALIASES = ("alias", "scriptalias", "aliasmatch", "scriptaliasmatch")
# How a pattern begins, as far as that is the same for each path that it matches; and what in it is no alternative.
_BEGINNING = re.compile(r"\^((?:(?:\\\W|[^\\^$.|?*+()\[\]{}])(?![?*{]))*)")
_WITHIN = re.compile(r"\\.|\[\^?\]?[^\]]*\]|\((?:[^()]|\([^()]*\))*\)")


def holds_tokens(path: str) -> bool:
    """Whether a folder is one of tokens, which are for everybody, by its name, or lies in one."""
    return f"{TOKENS}/" in f"{path}/"


def is_for_tokens(said: Directive) -> bool:
    """Whether an alias is for a CA's tokens alone, whatever its folder is called."""
    if said.name.lower() not in _ALIASES:
        return False
    url, pattern = find_url(said)
    return bool(_AT_KNOWN[TOKENS].match(_find_beginning(pattern) if pattern else url))


def find_spared(without_us: Description, content: Content, spared: str) -> Iterator[Content]:
    """Yield what of C(content) a host serves at TOKENS, or in all of KNOWN; not tokens, which are for everybody."""
    name = content.said.name.lower()
    if name not in (*_ALIASES, "documentroot"):
        return
    url, pattern = find_url(content.said) if name in _ALIASES else ("/", "")
    if pattern:
        start = _find_beginning(pattern)
        is_met = bool(_AT_KNOWN[spared].match(start)) or spared.startswith(start.lower())
    else:
        is_met = bool(_AT_KNOWN[spared].match(url))
        if trusted_paths.lies_below(spared, url.lower()):
            is_met, content = True, content.below(spared[len(url.rstrip("/")) :])
    path = without_us.real_path(content.path)
    if not is_met or holds_tokens(path):
        return
    content = replace(content, path=path)
    parts = _find_parts(path) if path.endswith(KNOWN) else None
    yield from [content] if parts is None else (content.below(f"/{part}") for part in parts)


def _find_parts(folder: str) -> list[str] | None:
    """What a folder holds beside tokens; None where that is not to be seen."""
    try:
        return sorted(name for name in os.listdir(folder) if not (_is_tokens(folder, name) or name.startswith(".ht")))
    except FileNotFoundError:
        return []
    except OSError:
        return None


def _is_tokens(folder: str, name: str) -> bool:
    return name in _OF_TOKENS and not os.path.islink(os.path.join(folder, name))


def find_url(said: Directive) -> tuple[str, str]:
    """The URL that an alias, or a proxy, is for, or the pattern of such."""
    if len(said.words) > 1 and not _A_TARGET.match(said.words[0]):
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
