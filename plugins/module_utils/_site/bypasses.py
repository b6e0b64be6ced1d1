# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ways to a protected site's content past its client verification: other hosts that serve the same.

The same files (DocumentRoot, Alias, RewriteRule), or the same backend (ProxyPass, RewriteRule with P), by the server's
own dump of its configuration, and by the sites of ours that ask for less. What .htaccess files and expressions do is
not seen, nor are links below a folder: a full rehearsal asks for these (leads). What is not surely closed counts as
open.
"""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands, trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import SERVING, Content, find_contents, has_flag
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

_STATUS = re.compile(r"\d+|permanent|temp|seeother|gone", re.IGNORECASE)
# What matches every path, which begins with a slash, for RewriteRule and RedirectMatch.
_ALL = re.compile(r"\^?(/\??)?(\.\*|\(\.\*\))\$?|\^?\(/\??\.\*\)\$?|\^/?|/")
# Conditions that hold for every request to a host without TLS: for RewriteCond, and as an expression of <If>.
_WITHOUT_TLS = {
    ("%{HTTPS}", "off"),
    ("%{HTTPS}", "!on"),
    ("%{HTTPS}", "!=on"),
    ("%{HTTPS}", "=off"),
    ("%{HTTPS}", "^off$"),
}
_IF_WITHOUT_TLS = re.compile(r"""If\s+"?%\{HTTPS\}\s*(==?\s*'off'|-eq\s*'off'|!=\s*'on'|-ne\s*'on')"?""", re.IGNORECASE)


@dataclass(frozen=True)
class _Site:
    """A site of ours: what it serves to callers with a certificate alone, and what to others."""

    guarded: tuple[Content, ...]
    opened: tuple[Content, ...]
    place: str  # of the user's virtual host that includes it
    past: Directive | None  # what leads to the backend of a protected path, and stands not in that path's section


def find_bypasses(
    without_us: Description,
    store: Store,
    releases: Mapping[str, Release | None],
    accepted: Mapping[str, Sequence[str]],
) -> list[Fault]:
    """What serves a protected site's content to clients without a certificate, and is not accepted by its wish.

    C(releases) has what each listed domain is to get, or None; C(accepted) has
    its 'allow_bypass'. C(store) knows the sites of ours that are not listed.
    """
    sites = {}
    for domain, release in releases.items():
        if release:
            text = release.filled(store.place(release))[SITE].content
            sites[domain] = _site(without_us, release.facts, text.decode(errors="replace"))
    for domain in store.domains():
        if domain not in releases:
            sites[domain] = _site(without_us, store.facts(domain), commands.read(store.path(domain, "current", SITE)))
    included = {site.place for site in sites.values()} - {""}  # one that is not there yet has no place
    wanted = [mine for domain, site in sites.items() if domain in releases for mine in site.guarded]
    hosts = {place: contents for place, contents in _find_open(without_us, wanted).items() if place not in included}
    opening = [domain for domain, site in sites.items() if site.opened]
    found = []
    for domain, site in sites.items():
        if domain in releases:
            if site.past:
                found.append(_leads(domain, site.past))
            ways = {
                (place, content.said): None
                for place, contents in hosts.items()
                for content in contents
                for mine in site.guarded
                if content.overlaps(mine) and (content.backend or not _denied(without_us, place, content, mine))
            }
            for place, said in ways:
                used = used_at(said)
                named = {each for where in (place, said.place, used) for each in (where, where.rpartition(":")[0])}
                if not named & set(accepted[domain]):
                    host = f"the virtual host at {place}" if place else "the main server"
                    words = f"{domain}: {host} serves its content too, and asks for no client certificate"
                    remedy = f"take that out, or accept it by 'allow_bypass: [{used or said.file}]'"
                    found.append(Fault("bypass", domain, f"{words} ({said.name} at {said.place})", remedy))
        for other in opening:
            listing, name = (domain, other) if domain in releases else (other, domain)
            if other != domain and _opens(sites[other], site) and not _accepted(accepted, domain, other):
                words = f"{domain}: your site {other} serves its content too, and asks for no client certificate there"
                remedy = f"protect it alike, or accept it by 'allow_bypass: [{name}]' of {listing}"
                found.append(Fault("bypass", domain, words, remedy))
    return list(dict.fromkeys(found))


def used_at(each: Directive) -> str:
    """Return where the macro is used that a directive is of, by file and line, outermost; empty where it is of none."""
    found = re.findall(r'used on line (\d+) of "(/[^"]*)"', each.file)
    return "{1}:{0}".format(*found[-1]) if found else ""


def find_openings(described: Description, store: Store, sites: Sequence[SiteFacts]) -> list[Fault]:
    """What else of a site leads to the backend of its protected path, in the configuration as httpd reads it with us.

    Unlike the text of a virtual host, that shows what Include, Define and Use bring in.
    """
    found = []
    inherited = [each for each in _inherited(described) if each.name.lower() != "documentroot"]
    for site in sites:
        text = store.path(site.domain, "current", SITE)
        places = [place for place in described.by_host if place.rpartition(":")[0] == text]
        own = [each for place in places if site.protected_paths for each in described.of_host(place)]
        past = _divided(described, site, own + inherited)[2] if site.protected_paths else None
        if past:
            found.append(_leads(site.domain, past))
    return found


def _leads(domain: str, past: Directive) -> Fault:
    return Fault(
        "bypass",
        domain,
        f"{domain}: {past.name} at {past.place} leads to the backend of a protected path too, and asks for no "
        "certificate",
        "take that out (of extra_directives, where it stands there), or give the protected path a backend of its own",
    )


def _accepted(listed: Mapping[str, Sequence[str]], one: str, other: str) -> bool:
    """Whether that two sites of ours share content is accepted by one of them, or is no matter of this run."""
    if not {one, other} & set(listed):
        return True
    return any(name in listed[domain] for domain, name in ((one, other), (other, one)) if domain in listed)


def _opens(site: _Site, other: _Site) -> bool:
    """Whether a site opens what another guards, and does not open itself."""
    if not site.opened or not other.guarded:
        return False
    own = {(content.backend, content.path) for content in other.opened}
    return any(
        content.overlaps(mine)
        for content in site.opened
        if (content.backend, content.path) not in own
        for mine in other.guarded
    )


def _site(without_us: Description, facts: SiteFacts, text: str) -> _Site:
    mine = standing.host_of(facts, without_us)
    directives = _of_host(without_us, mine.place) if mine else _lines(text)
    # What the server level gives to each host, such as a distribution's /icons/, is nobody's own.
    directives = [each for each in directives if each.host or not mine or "alias" not in each.name.lower()]
    if not mine and facts.mutual_tls != "enforced":
        # Its own DocumentRoot or ProxyPass stands before that of the server level.
        directives += [each for each in _inherited(without_us) if each.name.lower() != "documentroot"]
    guarded, opened, past = _divided(without_us, facts, directives)
    return _Site(tuple(guarded), tuple(opened), mine.place if mine else "", past)


def _divided(
    without_us: Description, facts: SiteFacts, directives: Sequence[Directive]
) -> tuple[list[Content], list[Content], Directive | None]:
    """What directives of a site serve to callers with a certificate alone, what to others, and _Site.past."""
    sections = {f'Location "{path}"' for path in facts.protected_paths}
    guarded, opened = [], []
    for each in directives:
        for content in find_contents(without_us, each):
            if facts.mutual_tls == "enforced":
                guarded.append(content)
                opened += [content.below(path) for path in facts.open_paths]
            elif sections & set(each.sections):
                # All of a backend: /other/..;/callback is /callback to many.
                guarded.append(replace(content, path="/") if content.backend else content)
            else:
                opened.append(content)
    past = [content.said for content in opened if facts.protected_paths and any(map(content.overlaps, guarded))]
    return guarded, opened, next(iter(past), None)


def _find_open(without_us: Description, wanted: Sequence[Content]) -> dict[str, list[Content]]:
    """What of C(wanted) hosts, and the main server under no place, serve to clients without a certificate."""
    if not wanted:
        return {}
    found: dict[str, list[Content]] = {"": []}
    rooted: set[str] = set()
    for each in without_us.named(*sorted(SERVING)):
        if each.name.lower() == "documentroot":
            rooted.add(each.host)
        contents = [one for one in find_contents(without_us, each) if any(map(one.overlaps, wanted))]
        if contents:
            found.setdefault(each.host, []).extend(contents)
    inherited = [each for each in found[""] if each.said.name.lower() != "rewriterule"]
    for place in [host.place for host in without_us.virtual_hosts] if inherited else ():
        more = [each for each in inherited if not (place in rooted and each.said.name.lower() == "documentroot")]
        found.setdefault(place, []).extend(more)
    # Of most hosts there is nothing, so that nothing more is to be asked of them.
    return {place: _leave_open(without_us, place, contents) for place, contents in found.items() if contents}


def _leave_open(without_us: Description, place: str, found: list[Content]) -> list[Content]:
    """What a client without a certificate gets of a host's contents, of the main server's for an empty C(place)."""
    if (
        _verifies(without_us, place)
        or (not place and not _main_is_reached(without_us))
        or _rewrites_away(without_us, place)
    ):
        return []
    if _redirects_away(without_us, place):
        # A backend, and a path of RewriteRule, are found before a Redirect is.
        return [content for content in found if content.backend or content.said.name.lower() == "rewriterule"]
    return found


def _of_host(without_us: Description, place: str) -> list[Directive]:
    """The directives of a host, with those of the server level that it inherits."""
    own = list(without_us.of_host(place))
    if not place:
        return own
    base = _inherited(without_us)
    if any(each.name.lower() == "documentroot" for each in own):
        base = [each for each in base if each.name.lower() != "documentroot"]
    return own + base


def _inherited(without_us: Description) -> list[Directive]:
    """What each host has of the server level, if it says nothing else itself."""
    return [each for each in without_us.of_host("") if each.name.lower() != "rewriterule"]


def _lines(text: str) -> list[Directive]:
    """The directives of a rendered virtual host."""
    found = []
    sections: list[str] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        name, _space, arguments = line.partition(" ")
        if line.startswith("</"):
            del sections[-1:]
        elif line.startswith("<"):
            sections.append(line[1:].rstrip(">"))
        elif name and not name.startswith("#"):
            found.append(Directive(name, arguments.strip(), SITE, number, tuple(sections), ""))
    return found


def _effective_value(without_us: Description, place: str, name: str) -> str:
    """The value of a directive for a whole host, in lower case: its own, or that of the server level."""
    values = {
        where: each.arguments.strip('"').lower()
        for where in ("", place)
        for each in without_us.of_host(where)
        if each.name.lower() == name and len(each.sections) == bool(where)
    }
    return values.get(place, values.get("", ""))


def _verifies(without_us: Description, place: str) -> bool:
    return (
        _effective_value(without_us, place, "sslengine") == "on"
        and _effective_value(without_us, place, "sslverifyclient") == "require"
    )


def _main_is_reached(without_us: Description) -> bool:
    """Whether a connection can come to the main server: one that no virtual host claims."""
    claimed = {endpoint(address) for host in without_us.virtual_hosts for address in host.addresses}
    listens = {endpoint(each.words[0]) for each in without_us.listens}
    return any(
        not claimed & {(host, number) for host in ("", address) for number in ("*", port)} for address, port in listens
    )


def _direct(without_us: Description, place: str) -> list[Directive]:
    """The directives that hold for all of a host, without those that it inherits."""
    return [each for each in without_us.of_host(place) if len(each.sections) == bool(place)]


def sends_all_away(without_us: Description, place: str) -> bool:
    """Whether a virtual host turns every request away before any of its files or programs is looked for."""
    return _rewrites_away(without_us, place) or _redirects_away(without_us, place)


def _redirects_away(without_us: Description, place: str) -> bool:
    """Whether a Redirect of a host sends every request away before it looks for files."""
    directives = _direct(without_us, place)
    if place and not _has_tls(without_us, place):
        directives += [
            each
            for each in without_us.of_host(place)
            if len(each.sections) == 2 and _IF_WITHOUT_TLS.fullmatch(each.sections[1])
        ]
    for each in directives:
        name, words = each.name.lower(), each.words
        if name in ("redirect", "redirectmatch") and words and _STATUS.fullmatch(words[0]):
            words = words[1:]
        if name in ("redirect", "redirectpermanent", "redirecttemp") and words[:1] == ["/"]:
            return True
        if name == "redirectmatch" and words and _ALL.fullmatch(words[0]):
            return True
    return False


def _rewrites_away(without_us: Description, place: str) -> bool:
    """Whether a RewriteRule of a host turns every request away before all else: the first that does not do so alone."""
    if [each.arguments.lower() for each in _direct(without_us, place) if each.name.lower() == "rewriteengine"][-1:] != [
        "on"
    ]:
        return False
    always = set() if _has_tls(without_us, place) else _WITHOUT_TLS
    names = _only_names(without_us, place)
    conditions: list[list[str]] = []
    for each in _direct(without_us, place):
        name, words = each.name.lower(), each.words
        if name == "rewritecond":
            conditions.append(words)
        elif name == "rewriterule":
            # One that is chained, or skips others, decides about those that come after it.
            if not has_flag(words, "R|redirect|F|forbidden|G|gone") or has_flag(words, "C|chain|S|skip"):
                return False
            # httpd does nothing for "-" with a redirect: it closes nothing, and hides nothing that comes after it.
            idle = words[1:2] == ["-"] and not has_flag(words, "F|forbidden|G|gone")
            if _ALL.fullmatch(words[0]) and not idle and _hold_always(conditions, always, names):
                return True
            conditions = []
    return False


def _has_tls(without_us: Description, place: str) -> bool:
    return _effective_value(without_us, place, "sslengine") not in ("", "off")


def _hold_always(conditions: Sequence[list[str]], always: Container[tuple[str, ...]], names: set[str]) -> bool:
    """Whether the conditions of a RewriteRule hold for every request.

    C(always): those that do. C(names): what %{SERVER_NAME} is one of, empty where it may be anything.
    """
    compared: set[str] = set()
    held = False
    for words in conditions:
        flags = {flag.strip().upper() for flag in "".join(words[2:]).strip("[]").split(",") if flag.strip()}
        if flags - {"NC", "NOCASE", "OR", "ORNEXT"}:
            return False
        held = held or tuple(words[:2]) in always
        if words[0] == "%{SERVER_NAME}" and words[1].startswith("="):
            compared.add(words[1].lstrip("=").lower())
        if not flags & {"OR", "ORNEXT"}:
            if not held and not (names and names <= compared):
                return False
            compared, held = set(), False
    return not (compared or held)


def _only_names(without_us: Description, place: str) -> set[str]:
    """The names that requests to a host have, for %{SERVER_NAME}: none where it is a default, which gets any name."""
    host = without_us.host_at(place)
    if host is None or not host.name:
        return set()
    for address in map(endpoint, host.addresses):
        if without_us.defaults[address] == host:
            return set()
    names = {name.lower() for name in (host.name, *host.aliases)}
    return set() if any(re.search(r"[*?]", name) for name in names) else names


def _denied(without_us: Description, place: str, content: Content, mine: Content) -> bool:
    """Whether a host surely lets nobody get at C(mine) by way of C(content).

    The longest <Directory> that says so with nothing in between decides; what grants anywhere else opens.
    """
    path = content.written
    if trusted_paths.lies_within(mine.path, content.path):
        path = os.path.normpath(os.path.join(path, os.path.relpath(mine.path, content.path)))
    directives = [each for where in dict.fromkeys(("", place)) for each in without_us.of_host(where)]
    shown = {
        each.sections
        for each in directives
        if each.name.lower() == "sethandler" and each.arguments.lower() in ("server-status", "server-info")
    }
    best, denied = (-1, False), False
    for each in directives:
        name, arguments = each.name.lower(), each.arguments.lower()
        if (name, arguments) in (("authmerging", "or"), ("satisfy", "any")):
            return False
        if name != "require" or each.sections in shown:
            continue
        denies = arguments == "all denied"
        sections = [each for each in each.sections if not each.lower().startswith(("virtualhost ", "require"))]
        folders = [_folder(section) for section in sections]
        if folders[:1] != [None] and folders and not _meets(folders[0] or "", path):
            continue
        if any(each.lower().startswith("limit") for each in sections):
            # It takes the place of what is said farther up, and lets all other methods in.
            return False
        if len(folders) != 1 or folders[0] is None or not trusted_paths.lies_within(path, folders[0]):
            if not denies:
                return False
            continue
        direct = len(each.sections) == 1 + bool(each.host)
        rank = (len(folders[0].rstrip("/")), bool(each.host))
        if rank > best and (direct or not denies):
            best, denied = rank, denies
        elif rank == best:
            denied = denied and denies
    return denied


def _folder(section: str) -> str | None:
    """The folder of a <Directory>, or its pattern with wildcards; None for any other section, or an expression."""
    name, _space, argument = section.partition(" ")
    argument = argument.strip()
    return argument.strip('"') if name.lower() == "directory" and not argument.startswith("~") else None


def _meets(folder: str, path: str) -> bool:
    """Whether a <Directory> says something of a path, or of one below it."""
    if re.search(r"[*?\[]", folder):
        parents = [path]
        while parents[-1] != "/":
            parents.append(os.path.dirname(parents[-1]))
        return any(fnmatch.fnmatchcase(each, folder.rstrip("/")) for each in parents)
    above, below = sorted((folder, path), key=len)
    return trusted_paths.lies_within(below, above)
