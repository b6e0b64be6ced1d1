# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ways to a protected site's content past its client verification: the user's own hosts that serve the same.

The same files (DocumentRoot, Alias), or the same backend (ProxyPass, RewriteRule with P), by the server's own dump of
its configuration. What .htaccess files and expressions do is not seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils import _probing
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import Description, Directive, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._release import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._plan import Wish

_PORTS = {"http": "80", "ws": "80", "https": "443", "wss": "443", "ajp": "8009", "fcgi": "8000", "scgi": "4000"}
_LOCAL = re.compile(r"localhost|127\.[0-9.]+|\[::1\]")


@dataclass(frozen=True)
class Content:
    """Something that a host serves: the backend (empty for files), a path in it, and the directive that says so."""

    backend: str
    path: str
    said: Directive

    def overlaps(self, other: Content) -> bool:
        """Whether one is the other, or within it."""
        return self.backend == other.backend and (_within(self.path, other.path) or _within(other.path, self.path))


def bypasses(user: Description, wishes: Sequence[Wish]) -> list[str]:
    """What serves an enforced site's content to clients without a certificate, and is not accepted by its wish.

    C(user) is the configuration without us.
    """
    found = []
    for wish in wishes:
        facts = wish.release.facts if wish.release else None
        if wish.release is None or facts is None or facts.mutual_tls != "enforced":
            continue
        mine = _probing.host_of(facts, user)
        if mine:
            own = [content for each in _of_host(user, mine.place) for content in _contents(user, each)]
        else:
            text = wish.release.files[SITE].decode(errors="replace")
            own = [content for each in _lines(text) for content in _contents(user, each)]
        for place in ["", *(host.place for host in user.virtual_hosts if not mine or host.place != mine.place)]:
            for said in _ways(user, place, own):
                accepted = {each for where in (place, said.place) for each in (where, where.rpartition(":")[0])}
                if not accepted & set(wish.allow_bypass):
                    host = f"the virtual host at {place}" if place else "the main server"
                    found.append(
                        f"{wish.domain}: {host} serves its content too, and asks for no client certificate "
                        f"({said.name} at {said.place}): take that out, or accept it by 'allow_bypass: [{said.file}]'"
                    )
    return list(dict.fromkeys(found))


def _ways(user: Description, place: str, own: Sequence[Content]) -> Iterator[Directive]:
    """The directives by which a host, the main server for an empty C(place), serves what a site does."""
    if _verifies(user, place) or (not place and not _main_is_reached(user)):
        return
    redirects, rewrites = _turned_away(user, place)
    for each in () if rewrites else _of_host(user, place):
        for content in _contents(user, each):
            for mine in own:
                if content.overlaps(mine) and (
                    content.backend or (not redirects and _granted(user, place, max(content.path, mine.path, key=len)))
                ):
                    yield each


def _of_host(user: Description, place: str) -> list[Directive]:
    """The directives of a host, with those of the server level that it inherits."""
    own = [each for each in user.directives if each.host == place]
    if not place:
        return own
    base = [each for each in user.directives if not each.host and each.name.lower() != "rewriterule"]
    if any(each.name.lower() == "documentroot" for each in own):
        base = [each for each in base if each.name.lower() != "documentroot"]
    return own + base


def _lines(text: str) -> Iterator[Directive]:
    """The directives of a rendered virtual host."""
    for number, line in enumerate(text.splitlines(), 1):
        name, _space, arguments = line.strip().partition(" ")
        if name and name[0] not in "#<":
            yield Directive(name, arguments.strip(), SITE, number, (), "")


def _contents(user: Description, each: Directive) -> Iterator[Content]:
    """What a directive makes a host serve."""
    name, words = each.name.lower(), each.words
    if not words:
        return
    if name in ("documentroot", "virtualdocumentroot"):
        yield Content("", user.path(_plain(words[0])), each)
    elif name in ("alias", "aliasmatch", "scriptalias", "scriptaliasmatch"):
        yield Content("", user.path(_plain(words[-1])), each)
    elif name in ("proxypass", "proxypassmatch", "balancermember"):
        found = [word for word in words[:2] if re.match(r"unix:|\w+://", word)]
        yield from (_backend(word, each) for word in found[:1])
    elif name == "rewriterule" and len(words) > 2 and re.search(r"[\[,](P|proxy)[,\]]", words[2]):
        yield _backend(words[1], each)
    elif name == "sethandler" and words[0].startswith("proxy:"):
        yield _backend(words[0][len("proxy:") :], each)


def _plain(text: str) -> str:
    """The part of a path before what is filled in for each request."""
    start = re.split(r"[$%]", text)[0]
    return start if start == text else start.rpartition("/")[0] or "/"


def _backend(url: str, each: Directive) -> Content:
    socket, _bar, url = url.rpartition("|") if url.startswith("unix:") else ("", "", url)
    match = re.match(r"(\w+)://([^/$%]*)([^$%]*)", url)
    scheme, host, path = match.groups() if match else ("", url, "")
    if not re.search(r":\d+$", host):
        host += ":" + _PORTS.get(scheme, "")
    host = re.sub(rf"^(?:{_LOCAL.pattern})(?=:)", "127.0.0.1", host.lower())
    return Content(socket or host, path.rstrip("/") or "/", each)


def _within(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _in_force(user: Description, place: str, name: str) -> str:
    """The value of a directive for a whole host, in lower case: its own, or that of the server level."""
    values = {
        each.host: each.arguments.strip('"').lower()
        for each in user.directives
        if each.name.lower() == name and each.host in ("", place) and len(each.sections) == bool(each.host)
    }
    return values.get(place, values.get("", ""))


def _verifies(user: Description, place: str) -> bool:
    return (
        _in_force(user, place, "sslengine") not in ("", "off")
        and _in_force(user, place, "sslverifyclient") == "require"
    )


def _main_is_reached(user: Description) -> bool:
    """Whether a connection can come to the main server: one that no virtual host claims."""
    claimed = {endpoint(address) for host in user.virtual_hosts for address in host.addresses}
    listens = {endpoint(each.words[0]) for each in user.listens}
    return any(
        not claimed & {(host, number) for host in ("", address) for number in ("*", port)} for address, port in listens
    )


def _turned_away(user: Description, place: str) -> tuple[bool, bool]:
    """Whether a host redirects every request before it looks for files, and whether it does before all else."""
    redirects = rewrites = False
    conditions: list[str] = []
    for each in user.directives:
        name, words = each.name.lower(), each.words
        if each.host != place or len(each.sections) != bool(place):
            continue
        if name == "rewritecond":
            conditions.append(words[0].upper() if words else "")
        elif name == "rewriterule" and len(words) > 2:
            everything = words[0] in (
                "^",
                ".*",
                "^.*",
                "^.*$",
                "(.*)",
                "^(.*)$",
                "^/",
                "^/?(.*)",
                "^/?(.*)$",
                "^/(.*)$",
            )
            away = re.search(r"[\[,](R|redirect|F|forbidden|G|gone)(=\d+|=permanent|=temp)?[,\]]", words[2])
            rewrites |= bool(everything and away and set(conditions) <= {"%{HTTPS}"})
            conditions = []
        elif name.startswith("redirect"):
            redirects |= any(word in ("/", "^", "^/", "^/(.*)$", ".*", "^(.*)$") for word in words[:2])
    return redirects, rewrites


def _granted(user: Description, place: str, path: str) -> bool:
    """Whether a host's <Directory> sections let requests to a path in: the longest that has a Require decides."""
    best, granted = (0, False), True
    for each in user.directives:
        inside = [section for section in each.sections if section.lower().startswith("directory ")]
        if each.host not in ("", place) or each.name.lower() != "require" or not inside:
            continue
        folder = inside[-1].partition(" ")[2].strip('"')
        rank = (len(folder.rstrip("/")), bool(each.host))
        if _within(folder, path) and rank >= best:
            best, granted = rank, each.arguments.lower() != "all denied"
    return granted
