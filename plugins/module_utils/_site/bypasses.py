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

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands, trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.bounds import bounded
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site import backends, closings, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import (
    SERVING,
    Content,
    find_contents,
    runs_files,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.folders import Folders
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_requests import LeadingHost
from ansible_collections.mtls.httpd.plugins.module_utils._site.own_backends import OwnBackend, find_own_hosts
from ansible_collections.mtls.httpd.plugins.module_utils._site.patterns import may_match
from ansible_collections.mtls.httpd.plugins.module_utils._site.token_folders import (
    KNOWN,
    TOKENS,
    find_spared,
    find_url,
    is_for_tokens,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

_SECONDS = 5.0  # for all patterns, which are the operators'
_BEARING = {"sslproxymachinecertificatefile", "sslproxymachinecertificatepath"}


@dataclass(frozen=True)
class _Site:
    """A site of ours: what it serves to callers with a certificate alone, and what to others."""

    guarded: tuple[Content, ...]
    opened: tuple[Content, ...]
    place: str  # of the user's virtual host that includes it
    past: Directive | None  # what leads to the backend of a protected path, and stands not in that path's section
    behind: tuple[OwnBackend, ...] = ()  # hosts of this server that are its backends


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
            text = release.filled(store.path(domain, "current"))[SITE].content
            site = _site(without_us, release.facts, text.decode(errors="replace"))
            behind = tuple(find_own_hosts(without_us, domain, site.guarded))
            served = [content for each in behind for content in each.contents]
            sites[domain] = replace(site, guarded=(*site.guarded, *served), behind=behind)
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
                if content.overlaps(mine) and not closings.is_denied(without_us, place, content, mine)
            }
            its_own = {each.place for each in site.behind}
            ways = {(place, said): None for place, said in ways if place not in its_own}
            for each in site.behind:
                if each.listen and _is_open_to_others(without_us, each):
                    ways[each.place, each.listen] = None
            release = releases[domain]
            if release:
                ways.update(dict.fromkeys(_find_bearers(without_us, release.facts)))
            for place, said in ways:
                used = used_at(said)
                named = {each for where in (place, said.place, used) for each in (where, where.rpartition(":")[0])}
                if not named & set(accepted[domain]):
                    host = f"the virtual host at {place}" if place else "the main server"
                    words = f"{domain}: {host} serves its content too, and asks for no client certificate"
                    way = _find_way(without_us, place, said, site)
                    remedy = f"{way}, or accept it by 'allow_bypass: [{used or said.file}]'"
                    found.append(Fault("bypass", domain, f"{words} ({said.name} at {said.place})", remedy))
        for other in opening:
            listing, name = (domain, other) if domain in releases else (other, domain)
            if other != domain and _opens(sites[other], site) and not _accepted(accepted, domain, other):
                words = f"{domain}: your site {other} serves its content too, and asks for no client certificate there"
                remedy = f"protect it alike, or accept it by 'allow_bypass: [{name}]' of {listing}"
                found.append(Fault("bypass", domain, words, remedy))
    return list(dict.fromkeys(found))


def _find_way(without_us: Description, place: str, said: Directive, site: _Site) -> str:
    """What to do about a way past a site."""
    if not said.host and site.place:
        return "have that stand in your own virtual host alone"
    is_left = closings.sends_files_away(without_us, place) and said.name.lower() in ("documentroot", "alias")
    if is_left and closings.spares_known(without_us, place):
        return f"have it send all but {TOKENS}/ away"
    return "take that out"


def _is_open_to_others(without_us: Description, own: OwnBackend) -> bool:
    """Whether clients without a certificate get what a host of this server serves to a site, from elsewhere."""
    if own.listen is None or closings.denies_all(
        without_us, own.place, backend=any(each.backend for each in own.contents)
    ):
        return False
    contents = own.contents or (Content("", "/", own.listen),)
    return bool(_leave_open(without_us, own.place, list(contents)))


def _find_bearers(without_us: Description, facts: SiteFacts) -> Iterator[tuple[str, Directive]]:
    """Yield the places of hosts that call a site for anybody, with a client certificate of their own, and by what."""
    if not _BEARING & without_us.directive_names:
        return
    doors = [f"{each}:{facts.port}" for each in (*(facts.listen or ("127.0.0.1",)), facts.domain, *facts.aliases)]
    goal = Goal(facts.domain, listening=tuple((door, "") for door in doors))
    bearing = {each.host for each in without_us.directives if each.name.lower() in _BEARING}
    places = ["", *(host.place for host in without_us.virtual_hosts)]
    bearers = [place for place in places if "" in bearing or place in bearing]
    conditions: dict[str, list[Directive]] = {}
    end = time.monotonic() + _SECONDS
    for each in without_us.named(*sorted(SERVING), "proxyrequests", "rewritecond"):
        name = each.name.lower()
        if name == "rewritecond":
            conditions.setdefault(each.host, []).append(each)
            continue
        held = conditions.pop(each.host, []) if name == "rewriterule" else []
        contents = [
            content
            for content in find_contents(without_us, each)
            if content.backend and any(backends.same(content.backend, door) for door in doors)
        ]
        # What the server level says, each host may do.
        for place in [each.host] if each.host in bearers else bearers if not each.host else []:
            host = LeadingHost(without_us, without_us.host_at(place), {}, (), Folders())
            called = contents
            if not called and _may_call(host, each, held, goal, end):
                called = [Content(doors[0], "/", each)]
            if _leave_open(without_us, place, called) and not closings.denies_all(without_us, place, backend=True):
                yield place, each
                break


def _may_call(host: LeadingHost, each: Directive, conditions: Sequence[Directive], goal: Goal, end: float) -> bool:
    """Whether a request can have a host's directive call a site by TLS, or that is not known by the end of the time."""
    if not re.search(r"(?i)\b(https|wss|h2)://", each.arguments) and each.name.lower() != "proxyrequests":
        return False
    found = False
    with bounded(max(end - time.monotonic(), 0.01)) as in_time:
        found = next(host.find_requests(each, goal, conditions), None) is not None
    return found or not in_time()


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
    directives = [each for each in directives if each.host or not mine or not _is_nobodys(each, facts)]
    if not mine and facts.mutual_tls != "enforced":
        # Its own DocumentRoot or ProxyPass stands before that of the server level.
        directives += [each for each in _inherited(without_us) if each.name.lower() != "documentroot"]
    guarded, opened, past = _divided(without_us, facts, directives)
    return _Site(tuple(guarded), tuple(opened), mine.place if mine else "", past)


def _is_nobodys(each: Directive, facts: SiteFacts) -> bool:
    """Whether what the server level gives to each host is none of what a site's own callers ask for."""
    name = each.name.lower()
    if name not in ("proxypass", "proxypassmatch"):
        return "alias" in name
    url, pattern = find_url(each)
    called = (*facts.called, *facts.protected_paths)
    return not any(may_match(pattern, path) if pattern else trusted_paths.lies_within(path, url) for path in called)


def _divided(
    without_us: Description, facts: SiteFacts, directives: Sequence[Directive]
) -> tuple[list[Content], list[Content], Directive | None]:
    """What directives of a site serve to callers with a certificate alone, what to others, and _Site.past."""
    sections = {f'Location "{path}"' for path in facts.protected_paths}
    guarded, opened = [], []
    for each in directives:
        # What is there for a CA is for everybody, whatever its folder is called.
        for found in () if is_for_tokens(each) else find_contents(without_us, each):
            content = _rooted(without_us, found, directives)
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
    running: list[Content] = []  # by what each host inherits, which runs the files of its own folder
    for each in without_us.named(*sorted(SERVING)):
        if each.name.lower() == "documentroot":
            rooted.add(each.host)
        said = list(find_contents(without_us, each))
        if not each.host and runs_files(each) and each.name.lower() != "rewriterule":
            running += said
        contents = [one for one in _find_rooted(without_us, said, each.host) if any(map(one.overlaps, wanted))]
        if contents:
            found.setdefault(each.host, []).extend(contents)
    inherited = [each for each in found[""] if each.said.name.lower() != "rewriterule" and not runs_files(each.said)]
    for place in [host.place for host in without_us.virtual_hosts] if inherited or running else ():
        more = [each for each in inherited if not (place in rooted and each.said.name.lower() == "documentroot")]
        more += [one for one in _find_rooted(without_us, running, place) if any(map(one.overlaps, wanted))]
        if more:
            found.setdefault(place, []).extend(more)
    # Of most hosts there is nothing, so that nothing more is to be asked of them.
    return {place: _leave_open(without_us, place, contents) for place, contents in found.items() if contents}


def _comes_before_files(content: Content) -> bool:
    """Whether httpd finds a content before it looks for files."""
    is_rule = content.said.name.lower() == "rewriterule"
    return is_rule or (bool(content.backend) and not runs_files(content.said))


def _find_rooted(without_us: Description, contents: Sequence[Content], place: str) -> Iterator[Content]:
    """Yield contents of a host, those that run files by its folder.

    Of the server level's, none where no DocumentRoot names one: they run files of httpd's own default then.
    """
    directives = _of_host(without_us, place) if any(runs_files(each.said) for each in contents) else []
    has_folder = any(each.name.lower() == "documentroot" for each in directives)
    for content in contents:
        if has_folder or content.said.host or not runs_files(content.said):
            yield _rooted(without_us, content, directives)


def _rooted(without_us: Description, content: Content, directives: Sequence[Directive]) -> Content:
    """C(content), by the folder whose files it runs, if it does, of these directives."""
    if not runs_files(content.said):
        return content
    said = [each for each in directives if each.name.lower() == "documentroot"]
    roots = [root.path for each in said for root in find_contents(without_us, each)]
    return replace(content, path=roots[0]) if roots else content


def _leave_open(without_us: Description, place: str, found: list[Content]) -> list[Content]:
    """What a client without a certificate gets of a host's contents, of the main server's for an empty C(place)."""
    if (
        closings.verifies(without_us, place)
        or (not place and not _main_is_reached(without_us))
        or closings.rewrites_away(without_us, place)
    ):
        return []
    if closings.sends_files_away(without_us, place):
        # A backend, and a path of RewriteRule, are found before a Redirect is; a handler of files is not.
        before = [content for content in found if _comes_before_files(content)]
        if not closings.redirects_away(without_us, place):  # Then it is all but those for what anybody may look for.
            spared = KNOWN if closings.spares_known(without_us, place) else TOKENS
            before += [served for content in found for served in find_spared(without_us, content, spared)]
        return before
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


def _main_is_reached(without_us: Description) -> bool:
    """Whether a connection can come to the main server: one that no virtual host claims."""
    claimed = {endpoint(address) for host in without_us.virtual_hosts for address in host.addresses}
    listens = {endpoint(each.words[0]) for each in without_us.listens}
    return any(
        not claimed & {(host, number) for host in ("", address) for number in ("*", port)} for address, port in listens
    )
