# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a directive makes a host serve: files of a folder, or a backend."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site import backends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive

# What is filled in for each name, or for each request.
_FILLED = re.compile(r"%(?:-?\d+\+?(?:\.-?\d+\+?)?|p)|\$\d|%\{(?:[^{}]|%\{[^{}]*\})*\}|\$\{[^}]*\}")
_WITH_NAMES = (
    "virtualdocumentroot",
    "virtualdocumentrootip",
    "virtualscriptalias",
    "virtualscriptaliasip",
)
_ROOTS = ("documentroot", *_WITH_NAMES)
_ALIASES = ("alias", "aliasmatch", "scriptalias", "scriptaliasmatch")
_PROXIES = ("proxypass", "proxypassmatch", "balancermember")
_HANDLERS = ("sethandler", "addhandler")
_RUN_BY = re.compile(r"proxy:(?:unix:[^|]*\|)?fcgi://", re.IGNORECASE)
_REMOTES = ("proxyremote", "proxyremotematch")  # what is proxied goes there, whatever backend is meant
SERVING = {*_ROOTS, *_ALIASES, *_PROXIES, *_REMOTES, *_HANDLERS, "rewriterule"}


@dataclass(frozen=True)
class Content:
    """Something that a host serves: the backend (empty for files), a path in it, and the directive that says so.

    C(written): the path as the host's configuration has it, with links in it. C(elsewhere): where the folder is mounted
    besides. C(filled): the whole path, where a request fills something in.
    """

    backend: str
    path: str
    said: Directive
    written: str = ""
    elsewhere: tuple[str, ...] = ()
    filled: str = ""

    def overlaps(self, other: Content) -> bool:
        """Whether one is the other, or within it."""
        if not backends.same(self.backend, other.backend):
            return False
        if self.filled and not other.filled:
            return any(
                trusted_paths.lies_within(self.path, path) or _may_be_filled(self.filled, path) for path in other.paths
            )
        return any(
            trusted_paths.lies_within(one, another) or trusted_paths.lies_within(another, one)
            for one in self.paths
            for another in other.paths
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """All the paths that lead to it."""
        return (self.path, *self.elsewhere)

    def below(self, path: str) -> Content:
        """What is served at a path of the site, where this is what is served at its root."""
        return replace(
            self,
            path=self.path.rstrip("/") + path,
            written=self.written.rstrip("/") + path,
            elsewhere=tuple(each.rstrip("/") + path for each in self.elsewhere),
        )


def find_contents(without_us: Description, each: Directive) -> Iterator[Content]:
    """What a directive makes a host serve."""
    name = each.name.lower()
    words = each.words if name in SERVING else []
    if not words:
        return
    if name in _ROOTS and words[0].lower() != "none":
        yield _as_files(without_us, words[0], each)
    elif name in _ALIASES:
        yield _as_files(without_us, words[-1], each)
    elif name in _PROXIES:
        # BalancerMember names the balancer first, where it stands in no section of that.
        found = [word for word in words[:2] if re.match(r"unix:|(?!balancer:)\w+://", word, re.IGNORECASE)]
        yield from (_as_proxied(word, each) for word in found[:1])
    elif name in _REMOTES:
        yield from (_as_proxied(word, each) for word in words[1:2])
    elif name == "rewriterule" and len(words) > 1:
        handler = has_flag(words, "H|handler")
        if has_flag(words, "P|proxy"):
            yield _as_proxied(words[1], each)
        elif handler and (handler[2] or "").lower().startswith("=proxy:"):
            yield _as_proxied(handler[2][len("=proxy:") :], each)
        elif _names_file(without_us, words[1]) and not has_flag(words, "PT|passthrough"):
            yield _as_files(without_us, words[1], each)
    elif name in _HANDLERS and words[0].lower().startswith("proxy:"):
        yield _as_proxied(words[0][len("proxy:") :], each)


def runs_files(each: Directive) -> bool:
    """Whether a directive has a backend run the file that a host's folder has for a URL, as PHP-FPM does for many."""
    return each.name.lower() in (*_HANDLERS, "rewriterule") and bool(_RUN_BY.search(each.arguments))


def has_flag(words: Sequence[str], names: str) -> re.Match[str] | None:
    """Whether a RewriteRule has one of the flags: its second group is the value, with an equals sign before it."""
    return re.search(rf"[\[,]\s*({names})\s*(=[^,\]]*)?[,\]]", words[2], re.IGNORECASE) if words[2:] else None


def _names_file(without_us: Description, text: str) -> bool:
    """Whether a RewriteRule leads to a file by its whole path: one whose first folder is there (mod_rewrite).

    What else begins with a slash is a URL, of the files that the host serves anyway, such as /index.php.
    """
    if not text.startswith("/") or _fixed_part(text) == "/":
        return False
    first = "/" + text[1:].partition("/")[0]
    return bool(_FILLED.search(first) or without_us.named("chrootdir")) or os.path.lexists(first)


def _fixed_part(text: str) -> str:
    """The part of a path before what is filled in for each request."""
    start = re.split(r"[$%]", text)[0]
    return start if start == text else start.rpartition("/")[0] or "/"


def _as_files(without_us: Description, text: str, each: Directive) -> Content:
    name = each.name.lower()
    # In a <Location>, where it has no path of its own, what an Alias leads to is an expression.
    is_literal = name == "documentroot" or (name in ("alias", "scriptalias") and len(each.words) > 1)
    literal = is_literal or not _FILLED.search(text)
    written = without_us.path(text if literal else _fixed_part(text))
    path = without_us.real_path(written)
    filled = "" if literal else path.rstrip("/") + without_us.path(text)[len(written.rstrip("/")) :]
    return Content("", path, each, written, without_us.mounts.other_paths(path), filled)


def _as_proxied(url: str, each: Directive) -> Content:
    return Content(*backends.backend(url, here=True), each)


def _may_be_filled(filled: str, path: str) -> bool:
    """Whether a path that a request fills in may be a folder, one above it, or one that there is below it.

    C(%1) and its like are parts of names, and hold no slash.
    """
    pieces = _FILLED.split(filled)
    if not path.startswith(pieces[0]) and not pieces[0].startswith(path):
        return False
    holes = _FILLED.findall(filled)
    pattern = "".join(
        re.escape(piece) + ("" if hole is None else "[^/]*" if re.match(r"%[-\dp]", hole) else ".*")
        for piece, hole in zip(pieces, [*holes, None])
    )
    above = path
    while above != "/":
        if re.fullmatch(pattern, above) or re.fullmatch(pattern, above + "/"):
            return True
        above = os.path.dirname(above)
    parts, known = _FILLED.sub("*", filled).split("/"), path.split("/")
    begin = "/".join(parts[: len(known)])
    if len(parts) <= len(known) or not glob_matches(begin, path):
        return False
    rest = "/".join(parts[len(known) :])
    return next(glob.iglob(glob.escape(path) + "/" + rest), None) is not None


def glob_matches(pattern: str, path: str) -> bool:
    """Whether a path of as many parts is like a pattern with stars."""
    return bool(re.fullmatch("[^/]*".join(map(re.escape, pattern.split("*"))), path))
