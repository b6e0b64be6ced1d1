# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Requests that one virtual host's directives would lead to a site's content by: rules choose the questions."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site import backends, closings, rule_files
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import find_contents, has_flag
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import (
    LEADING,
    as_backend,
    names_backend,
    names_backend_at,
    names_folder,
    names_path,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_fillings import (
    as_variables,
    fill_below,
    fill_for_backend,
    fill_for_file,
    fill_in_section,
    fill_name,
    find_wanted,
    fit_handled,
    join,
    pattern_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.patterns import find_example
from ansible_collections.mtls.httpd.plugins.module_utils._site.templates import Condition, Filling, Made, parse
from ansible_collections.mtls.httpd.plugins.module_utils._site.token_folders import KNOWN, TOKENS
from ansible_collections.mtls.httpd.plugins.module_utils._site.user_folders import find_requests_of_users

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        Directive,
        VirtualHost,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._site.folders import Folders
    from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal

BELOW = "mtls-httpd"
# What is not there, where hosts answer that send all else away.
MISSING = (f"{TOKENS}/{BELOW}", f"{KNOWN}/{BELOW}")
TUNNEL = "CONNECT"
_FILES = 16  # of a site that are asked for in one folder: those that lie farthest up, or where .htaccess files are
GRANTED = 16  # files that one rule of a .htaccess file is for
_ENDING = 4  # files whose names end as a pattern's do
_A_PATH = re.compile(r"(?:(?<=[\s\"'^])|^)(/[\w./~-]*)")
_IN_IF = re.compile(r"(?i)(?:else)?if\s|else\b")
_IN_EXPRESSION = re.compile(r"%\{(?:[^{}]|%\{[^{}]*\})*\}")
_NO_FILE = "R|redirect|F|forbidden|G|gone|PT|passthrough"  # flags by which a RewriteRule names none


@dataclass(frozen=True)
class LeadingHost:
    """A virtual host, the maps that it may use, and the folders that it serves, each with its URL.

    written: the folders as they are written, by links too.
    """

    described: Description
    host: VirtualHost | None
    maps: Mapping[str, Sequence[tuple[str, str]]]
    served: Sequence[tuple[str, str]]
    folders: Folders
    written: Sequence[tuple[str, str]] = ()

    def find_requests(self, each: Directive, goal: Goal, conditions: Sequence[Directive]) -> Iterator[Made]:
        """Yield requests by which a directive would lead to what stands for a site's content."""
        name, words = each.name.lower(), each.words
        if not words:
            return
        base = self._base(each)
        if name == "proxyrequests":
            if words[0].lower() == "on":
                listening = [(place, below) for place, below in goal.listening if not place.startswith("/")]
                yield from (Made(path=f"http://{place}{below}/{BELOW}", host=place) for place, below in listening)
                inner = ((place, f"{below.rstrip('/')}/{BELOW}") for place, below in listening)
                yield from (Made(path=place, host=place, query=path, method=TUNNEL) for place, path in inner)
        elif name == "userdir":
            for word in words:
                paths = self._find_paths(goal, word if "*" in word else f"{word}/*")
                yield from (made for path in paths for made in find_requests_of_users(word, path))
        elif name in ("aliasmatch", "scriptaliasmatch") and len(words) > 1:
            rule = Filling(words[0])
            paths = self._find_paths(goal, words[1])
            yield from (made for path in paths for made in fill_for_file(rule, words[1], path))
        elif name in ("alias", "scriptalias") and len(words) == 1 and "%{" in words[0]:
            rule, template = fill_in_section(each, as_variables(words[0]), base)
            yield from (made for path in goal.files for made in fill_for_file(rule, template, path))
        elif name == "rewriterule" and len(words) > 1:
            yield from self._by_rule(each, goal, conditions)
        elif name == "proxypassmatch":
            # In a section the pattern is that of the section.
            pattern = next(filter(None, map(pattern_of, reversed(each.sections))), "")
            pattern, target = words[:2] if len(words) > 1 and "://" not in words[0] else (pattern, words[0])
            rule = Filling(pattern)
            yield from fill_for_backend(rule, target, goal)
        elif name == "sethandler" and re.match(r"(?i)proxy:.*%\{", words[0]):
            rule, target = fill_in_section(each, as_variables(words[0][len("proxy:") :]), base)
            yield from (fit_handled(each, made) for made in fill_for_backend(rule, target, goal))
        elif name in ("virtualdocumentroot", "virtualscriptalias") and "%" in words[0]:
            folder = self.described.path(words[0])
            yield from (made for path in self._find_paths(goal, folder) for made in fill_name(folder, path))
        elif name in LEADING:
            yield from self._plainly(each, goal, base)
            yield from self._by_joining(each, goal, base)
        elif names_backend(each, [goal]):
            below = next((below for place, below in goal.listening if names_backend_at(each, place)), "")
            urls = [join(base, "").rstrip("/"), *(found.rstrip("/") for found in _A_PATH.findall(each.arguments))]
            yield from (
                Made(path=f"{path}{rest}/{BELOW}")
                for path in dict.fromkeys(urls)
                for rest in dict.fromkeys(("", below.rstrip("/")))
            )

    def find_guesses(self, each: Directive, goal: Goal) -> Iterator[Made]:
        """Yield requests for a site's content below the path at which some module answers, by a directive of its own.

        As by a program of the operator's (WSGIScriptAlias, LuaMapHandler, SetHandler in a section), or by a map of URLs
        to backends (JkMount): what it answers nobody knows who has not asked.
        """
        name, words = each.name.lower(), each.words
        if name == "sethandler" and words and words[0].lower() != "none":
            patterns = [pattern for pattern in map(pattern_of, each.sections) if pattern]
            base = self._base(each)
            bases = patterns or ([base] if base != "/" else [])  # There it is asked at every door.
        else:
            bases = words[:1] if names_path(each) else []
        rests = [f"{below.strip('/')}/{BELOW}".lstrip("/") for _place, below in goal.listening]
        if goal.files:
            folder, file = os.path.split(min(goal.files, key=len))
            rests += [file, f"{os.path.basename(folder)}/{file}"]
        for rest in dict.fromkeys(rests):
            yield from (made for base in bases for made in fill_below(base, rest))

    def _find_paths(self, goal: Goal, template: str) -> Iterator[str]:
        """Yield the paths of what stands for files, also by links in the folder that a template begins with."""
        yield from goal.files
        folder = re.split(r"[$%*]", template)[0].rpartition("/")[0]
        for link, target in self.folders.look_into(folder).links if goal.files and folder.strip("/") else ():
            below = next((path for path in goal.files if trusted_paths.lies_below(path, target)), "")
            if below:
                yield f"{folder}/{link}/{os.path.relpath(below, target)}"

    def _plainly(self, each: Directive, goal: Goal, base: str) -> Iterator[Made]:
        """By a directive that no request fills in: what it serves, and what lies there."""
        name, words = each.name.lower(), each.words
        at = words[0] if len(words) > 1 and name in ("alias", "scriptalias", "proxypass") else base
        for content in find_contents(self.described, each):
            if content.backend:
                for place, below in goal.listening:
                    rest = below[len(content.path.rstrip("/")) :] if below.startswith(content.path.rstrip("/")) else ""
                    if backends.same(content.backend, as_backend(place)):
                        path = join(at, f"{rest.lstrip('/')}/{BELOW}" if rest.strip("/") else BELOW)
                        yield fit_handled(each, Made(path=path))
            elif not content.filled:
                found = (path for path in goal.files if trusted_paths.lies_below(path, content.path))
                yield from (Made(path=join(at, os.path.relpath(path, content.path))) for path in islice(found, _FILES))
                for link, target in self.folders.look_into(content.path).links:
                    below = next((path for path in goal.files if trusted_paths.lies_below(path, target)), "")
                    if below:
                        yield Made(path=join(at, f"{link}/{os.path.relpath(below, target)}"))
                    elif _is_unasked(goal) and trusted_paths.lies_below(target, goal.folder):
                        yield Made(path=join(at, f"{link}/{BELOW}"))

    def _by_joining(self, each: Directive, goal: Goal, base: str) -> Iterator[Made]:
        """By what ends without the slash that its URL ends with: httpd joins its last word and what a request says.

        So C(/srv/web) becomes C(/srv/webhook), and C(http://app:80) becomes C(http://app:80@another:81/).
        """
        name, words = each.name.lower(), each.words
        is_short = "://" in words[0] or len(words) == 1
        if name not in ("alias", "scriptalias", "proxypass") or any(map(pattern_of, each.sections)):
            return
        url, target = (base, words[0]) if is_short else words[:2]
        if not url.endswith("/") or target.endswith("/"):
            return
        rule = Filling(f"^{re.escape(url)}(.*)")
        if name == "proxypass":
            target = _escape(target) + "$1"
            yield from fill_for_backend(rule, target, goal)
        else:
            target = _escape(self.described.path(target)) + "$1"
            yield from (made for path in goal.files for made in rule.find_requests(target, path, exactly=True))

    def find_shown(
        self, each: Directive, goal: Goal, conditions: Sequence[Directive] = ()
    ) -> Iterator[tuple[Made, str]]:
        """Yield requests for single files of a site, each with the file: by links, hard links, mounts, and patterns."""
        name, words = each.name.lower(), each.words
        if name in ("require", "allow", "satisfy"):
            yield from self._by_grant(each, goal)
        if name in ("rewriterule", "aliasmatch", "scriptaliasmatch") and goal.folder and len(words) > 1:
            yield from self._by_ending(each, goal, conditions)
        is_within = name == "rewriterule" and any(map(_is_section, each.sections))
        if (name == "fallbackresource" or is_within) and goal.folder:
            yield from self._by_fallback(each, goal, words[1:2] if is_within else words[:1])
        if is_within:
            return  # What it names is a URL.
        at = words[0] if len(words) > 1 and name in ("alias", "scriptalias") else self._base(each)
        for content in find_contents(self.described, each) if goal.folder else ():
            if not content.backend and not content.filled:
                lying = self.folders.look_into(content.path)
                for link, target in (*lying.files, *lying.named, *self._mounted(content.path, goal.folder)):
                    is_own = trusted_paths.lies_below(os.path.join(content.path, link), goal.folder)
                    if trusted_paths.lies_below(target, goal.folder) and target not in goal.opened and not is_own:
                        yield Made(path=join(at, link)), target

    def _by_ending(self, each: Directive, goal: Goal, conditions: Sequence[Directive]) -> Iterator[tuple[Made, str]]:
        """By a pattern whose path goes on behind what is filled in, such as C($1.html), as no canary's name does."""
        is_rule = each.name.lower() == "rewriterule"
        if is_rule and (_proxied(each.words) or any(map(_is_section, each.sections))):
            return
        template = self._rooted(each.words[1]) if is_rule else each.words[1]
        parts = parse(template)
        if len(parts) < 2 or parts[-1].kind != "text" or "/" in parts[-1].text:
            return
        rule = self._rules(each, conditions)[0] if is_rule else Filling(each.words[0])
        for path in islice(glob.iglob(f"{glob.escape(goal.folder)}/*{glob.escape(parts[-1].text)}"), _ENDING):
            if path not in goal.opened and os.path.isfile(path):
                yield from ((made, path) for made in fill_for_file(rule, template, path))

    def _by_fallback(self, each: Directive, goal: Goal, target: Sequence[str]) -> Iterator[tuple[Made, str]]:
        """By what answers for a file that is not there, where a host sends all away but who asks below TOKENS or KNOWN.

        By [END], and by some other rules, httpd does not send that inner request away. C(target): what answers, if it
        is named.
        """
        named = "".join(target).partition("?")[0]
        file = os.path.normpath(f"{goal.folder}/{named}")
        place = self.host.place if self.host else ""
        serves = not self.host or any(folder == goal.folder for folder, _url in self.served)
        leaves = not self.host or (
            closings.sends_files_away(self.described, place) and not closings.sends_all_away(self.described, place)
        )
        # A FallbackResource is a URL; a rule of a folder may name a file of it.
        is_one = named.startswith("/") or each.name.lower() == "rewriterule"
        if serves and leaves and is_one and file not in goal.opened and os.path.isfile(file):
            at = KNOWN if self.host and closings.spares_known(self.described, place) else TOKENS
            yield Made(path=join(at, BELOW)), file

    def _by_grant(self, each: Directive, goal: Goal) -> Iterator[tuple[Made, str]]:
        """By a rule of a .htaccess file for some files, as what stands for the content is none of them.

        Those come first that the rule or its sections may name. One more than are asked for tells that these are not
        all.
        """
        if not goal.folder or each.arguments.lower() == "all denied":
            return
        folder = os.path.realpath(each.sections[0].partition(" ")[2].strip('"'))
        named = re.findall(r"\w{3,}", " ".join((each.arguments, *each.sections[1:])))
        within = [goal.folder] if trusted_paths.lies_below(goal.folder, folder) else []
        for place in (*within, folder):
            files = [
                (path, real)
                for path, real in self._find_files(place)
                if trusted_paths.lies_below(real, goal.folder)
                and real not in goal.opened
                and rule_files.is_for_file(os.path.basename(path), each.sections)
            ]
            files.sort(key=lambda one: not any(word in os.path.basename(one[0]) for word in named))
            yield from ((Made(path=self._find_url(path)), real) for path, real in files[: GRANTED + 1])

    def _find_files(self, folder: str) -> Iterator[tuple[str, str]]:
        """The files of a folder and below it, as far as it is looked into, each with its own path: also by links."""
        tops = [top for top, _url in self.served if trusted_paths.lies_within(folder, top)]
        top = max(tops, key=len, default=folder)
        lying = self.folders.look_into(top)
        for path in sorted(lying.plain, key=lambda path: (path.count("/"), path)):
            whole = os.path.join(top, path)
            if trusted_paths.lies_below(whole, folder):
                yield whole, whole
        for path, real in lying.files:
            if trusted_paths.lies_below(os.path.join(top, path), folder):
                yield os.path.join(top, path), real

    def _find_url(self, path: str) -> str:
        """The URL of a file in one of the folders that are served."""
        tops = [(top, url) for top, url in self.served if trusted_paths.lies_below(path, top)]
        top, url = max(tops, key=lambda one: len(one[0]), default=("/", "/"))
        return join(url, os.path.relpath(path, top))

    def _mounted(self, served: str, folder: str) -> Iterator[tuple[str, str]]:
        """The files of a folder that are mounted in a served one too, by their paths in it, each with its own path."""
        for place, original in self.described.mounts.find_parts(folder):
            if trusted_paths.lies_below(place, served) and os.path.isfile(place):
                yield os.path.relpath(place, served), original

    def _by_rule(self, each: Directive, goal: Goal, conditions: Sequence[Directive]) -> Iterator[Made]:
        words = each.words
        target = _proxied(words)
        for rule in self._rules(each, conditions):
            if target:
                yield from fill_for_backend(rule, target, goal)
            elif words[1].startswith(("/", "$", "%")):
                templates = self._aliased(self._rooted(words[1]))
                for template in templates:
                    paths = self._find_paths(goal, template)
                    yield from (made for path in paths for made in fill_for_file(rule, template, path))

    def _rules(self, each: Directive, conditions: Sequence[Directive]) -> list[Filling]:
        """What a RewriteRule may be filled with: for each folder that is served, where it stands above several."""
        held, after_another = [], False
        for said in conditions:
            tested, pattern = (*said.words, "", "")[:2]
            if pattern:
                has_other = bool(has_flag(said.words, "OR|ornext"))
                nocase = bool(re.search(r"(?i)[\[,]NC", "".join(said.words[2:])))
                held.append(Condition(tested, pattern, nocase, has_other or after_another))
                after_another = has_other
        nocase = bool(has_flag(each.words, "NC|nocase"))
        return [
            Filling(each.words[0], nocase, held, self.maps, f"{base.rstrip('/')}/" if base else "", above)
            for base, above in self._find_bases(each)
        ]

    def is_conditional(self, each: Directive, conditions: Sequence[Directive]) -> bool:
        """Whether what a directive leads to depends on more than requests say, or on an expression."""
        if any(_IN_IF.match(section) for section in each.sections):
            return not self._sends_away()
        if each.name.lower() != "rewriterule":
            return False
        if not _proxied(each.words):
            if has_flag(each.words, _NO_FILE) or any(map(_is_section, each.sections)):
                return False
            if each.words[1].startswith("%{ENV:"):
                return True
        return self._rules(each, conditions)[0].is_conditional()

    def _rooted(self, template: str) -> str:
        """A path with the host's DocumentRoot in it, where that is how it begins."""
        root = next((folder for folder, url in self.served if url == "/"), "")
        found = re.sub(r"^%\{(?:CONTEXT_)?DOCUMENT_ROOT\}", lambda _found: root, template) if root else template
        return template if found == template else os.path.normpath(found)

    def _aliased(self, template: str) -> list[str]:
        """A path as it is, and as one of the host's URLs to which an Alias gives a folder."""
        aliases = [(folder, url.rstrip("/") + "/") for folder, url in self.served if url != "/"]
        found = [f"{_escape(folder)}/{template[len(url) :]}" for folder, url in aliases if template.startswith(url)]
        return [template, *found]

    def may_lead(self, each: Directive, goal: Goal) -> bool:
        """Whether a directive that no request was made for may lead to a site's content by what it does not say."""
        name, words = each.name.lower(), each.words
        if goal.folder and names_folder(self.described, each, goal.folders):
            return not self._sends_away()
        if name == "proxyexpressdbmfile":  # backends by the name of the request, in a file that only httpd reads
            return bool(goal.listening) and self._has_express()
        target = _proxied(words) if name == "rewriterule" and len(words) > 1 else ""
        if name == "sethandler" and words and words[0].lower().startswith("proxy:") and not self._sends_away():
            target = _IN_EXPRESSION.sub("%{ENV:any}", words[0][len("proxy:") :])
        if name == "proxypass" and "interpolate" in [word.lower() for word in words]:
            target = next((re.sub(r"\$\{(\w+)\}", r"%{ENV:\1}", word) for word in words if "://" in word), "")
        rule = Filling("^", maps=self.maps)
        if name == "rewriterule" and not target and _names_file(each):
            return any(rule.may_become(words[1], path) for path in goal.files)
        return any(rule.may_become(target, wanted) for wanted in find_wanted(target, goal)) if target else False

    def _sends_away(self) -> bool:
        return bool(self.host and closings.sends_all_away(self.described, self.host.place))

    def _has_express(self) -> bool:
        places = ("", self.host.place if self.host else "")
        said = [each for place in dict.fromkeys(places) for each in self.described.of_host(place)]
        return [each.arguments.lower() for each in said if each.name.lower() == "proxyexpressenable"][-1:] == ["on"]

    def _find_bases(self, each: Directive) -> list[tuple[str, str]]:
        """Where the folders lie that a RewriteRule is for, each with what the rule sees before the path below that.

        The rule sees the path below the folder in whose .htaccess file or section it stands (mod_rewrite).
        """
        if not any(map(_is_section, each.sections)):
            return [("", "")]
        name, _space, said = each.sections[-1].partition(" ")
        folders = [said.strip().strip("\"'") for said in (each.sections[0].partition(" ")[2], said)]
        if os.path.basename(each.file) in self.folders.names:
            return [(self._base(each), _path_below(folders[0], os.path.dirname(each.file)))]
        above = folders[1].rstrip("/") or "/"
        below = [(url, folder) for folder, url in self.written if trusted_paths.lies_below(folder, above)]
        if name.lower() != "directory" or not below:
            return [(self._base(each), "")]
        is_served = any(trusted_paths.lies_within(os.path.realpath(above), folder) for folder, _url in self.served)
        own = [(self._base(each), "")] if is_served else []
        return own + [(url, _path_below(folder, above)) for url, folder in below]

    def _base(self, each: Directive) -> str:
        """Where the sections lie in which a directive stands."""
        base = "/"
        for section in each.sections:
            name, _space, said = section.partition(" ")
            name, said = name.lower(), said.strip().strip("\"'")
            if pattern_of(section):
                example = find_example(pattern_of(section), {}, before="/")
                base = example[0] if example else base
            elif name == "location":
                base = said
            elif name == "directory":
                folder = os.path.realpath(said)
                above = [(each, url) for each, url in self.served if trusted_paths.lies_within(folder, each)]
                if above:
                    nearest, url = max(above, key=lambda one: len(one[0]))
                    base = join(url, os.path.relpath(folder, nearest)) if folder != nearest else url
        return base


def _path_below(path: str, folder: str) -> str:
    """A folder's path in one above it, with a slash behind it; empty for that itself."""
    return "" if os.path.normpath(path) == os.path.normpath(folder) else f"{os.path.relpath(path, folder)}/"


def _names_file(each: Directive) -> bool:
    """Whether a RewriteRule may name a file by a variable or a map: in a section it would be a URL."""
    words = each.words
    return (
        len(words) > 1
        and words[1].startswith(("%{ENV:", "${"))
        and not any(map(_is_section, each.sections))
        and not has_flag(words, _NO_FILE)
    )


def _is_section(section: str) -> bool:
    return section.lower().startswith(("location", "directory"))


def _proxied(words: Sequence[str]) -> str:
    """Where a RewriteRule leads by mod_proxy; empty where it does not."""
    handler = has_flag(words, "H|handler")
    if handler and (handler[2] or "").lower().startswith("=proxy:"):
        return handler[2][len("=proxy:") :]
    return words[1] if has_flag(words, "P|proxy") else ""


def _is_unasked(goal: Goal) -> bool:
    """Whether no file stands for the content, as nothing is asked."""
    return any(os.path.basename(path) == BELOW for path in goal.files)


def _escape(text: str) -> str:
    """A text in which nothing is filled in, as a template."""
    return re.sub(r"([\\$%])", r"\\\1", text)
