# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Requests that would lead to a site's content, made of each directive that may lead there: rules choose the questions.

Whether one does is asked in a full rehearsal. Where a directive may lead there by what no request says, such as a
variable or a program, that is told instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.bounds import bounded
from ansible_collections.mtls.httpd.plugins.module_utils._site import backends, lead_requests, rule_files, user_folders
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import find_contents
from ansible_collections.mtls.httpd.plugins.module_utils._site.folders import (
    Folders,
    are_ruled,
    find_overrides,
    is_ruled,
    names_of_rules,
    tell_unseen,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import (
    LEADING,
    as_backend,
    names_backend,
    names_folder,
    names_path,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        Directive,
        VirtualHost,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_directives import Goal
    from ansible_collections.mtls.httpd.plugins.module_utils._site.lead_requests import LeadingHost
    from ansible_collections.mtls.httpd.plugins.module_utils._site.templates import Made

_RULED = 64  # .htaccess files of a folder and what is below it that are read
_REQUESTS = 8  # by one directive, for one site
_PLAIN = ("documentroot", "alias", "scriptalias")  # of which each request is another way
_PLAIN_REQUESTS = 48
_SECONDS = 5.0  # for all patterns, which are the operators', or of who may write a .htaccess file


class Lead(NamedTuple):
    """A request that would lead to a site's content by a directive of a virtual host, none for the main server.

    C(is_guess): nothing but that a module answers there tells so, whatever it answers. C(shown): the file of the site's
    own that it would show, where what stands for the content is not to be had by it.
    """

    domain: str
    said: Directive
    host: VirtualHost | None
    request: Made
    is_guess: bool = False
    shown: str = ""


@dataclass
class Leads:
    """Those that were made, and directives that may lead to a site's content by what no request says, by its domain."""

    described: Description
    found: list[Lead] = field(default_factory=list)
    doubtful: list[tuple[str, Directive]] = field(default_factory=list)
    folders: Folders = field(init=False)
    is_cut: bool = False  # whether time ended before all directives were looked through
    _at: list[Directive] = field(default_factory=list)  # the directive that is looked at

    def __post_init__(self) -> None:
        """Begin without any folder."""
        self.folders = Folders(names_of_rules(self.described))

    def search(self, goals: Sequence[Goal]) -> None:
        """Look through all directives of all virtual hosts. What lies on the disk is read anew for each search."""
        user_folders.forget()
        rule_files.forget()
        ruled = are_ruled(self.described)
        of_all = find_overrides(self.described.of_host(""))
        folders = {folder for goal in goals for folder in goal.folders}
        self.folders.sought = {known: path for goal in goals for known, path in goal.named.items()}
        with bounded(_SECONDS) as in_time:
            for place, directives in self.described.by_host.items():
                said = [each for each in directives if self._may_lead(each, folders, goals)]
                if said or place:
                    host = self.described.host_at(place)
                    maps = rule_files.read_maps(self.described, [*self.described.of_host(""), *said])
                    written = _find_served(self.described, directives)
                    served = [(os.path.realpath(folder), url) for folder, url in written]
                    if ruled:
                        overrides = [*of_all, *(find_overrides(directives) if place else ())]
                        said += [*self._of_htaccess(place, served), *self._of_parents(place, directives, overrides)]
                    self._search_host(
                        lead_requests.LeadingHost(self.described, host, maps, served, self.folders, written),
                        said,
                        goals,
                    )
        self.is_cut = not in_time()
        if self.is_cut:  # A pattern that took so long may lead there.
            self.doubtful += [(goal.domain, each) for goal in goals for each in self._at]

    def tell_unseen(self) -> list[str]:
        """Say what was not looked through, by a sentence for each kind."""
        found = [tell_unseen(self.folders.unseen)] if self.folders.unseen else []
        jails = self.described.named("chrootdir")
        if jails:  # Where links lead to there is not what they lead to here.
            found.append(f"links and .htaccess files below ChrootDir ({jails[-1].place}) were not looked for")
        if self.is_cut:
            at = f", at {self._at[0].place}" if self._at else ""
            found.append(
                f"not all directives were looked through for ways to what sites protect, as that took too long{at}"
            )
        return found

    def _may_lead(self, each: Directive, folders: Collection[str], goals: Sequence[Goal]) -> bool:
        """Whether a directive is one of those that may lead to a site's content."""
        self._at = [each]
        return (
            each.name.lower() in LEADING
            or names_path(each)
            or bool(folders and names_folder(self.described, each, folders))
            or names_backend(each, goals)
        )

    def _search_host(self, host: LeadingHost, said: Sequence[Directive], goals: Sequence[Goal]) -> None:
        conditions: list[Directive] = []
        for each in said:
            self._at = [each]
            if each.name.lower() == "rewritecond":
                conditions.append(each)
                continue
            for goal in goals:
                made = list(host.find_requests(each, goal, conditions))
                most = _PLAIN_REQUESTS if each.name.lower() in _PLAIN else _REQUESTS
                self.found += [Lead(goal.domain, each, host.host, request) for request in made[:most]]
                shown = {file: request for request, file in host.find_shown(each, goal, conditions)}
                few = lead_requests.GRANTED if each.name.lower() in rule_files.GRANTING else _REQUESTS
                some = list(shown.items())[:few]
                self.found += [Lead(goal.domain, each, host.host, request, False, file) for file, request in some]
                if not made:
                    guessed = list(host.find_guesses(each, goal))[:_REQUESTS]
                    self.found += [Lead(goal.domain, each, host.host, request, True) for request in guessed]
                if (
                    (not made and host.may_lead(each, goal))
                    or (made and each.name.lower() not in LEADING)
                    or (made and host.is_conditional(each, conditions))
                    or len(shown) > few
                    or (len(made) > most and each.name.lower() in _PLAIN)
                ):
                    self.doubtful.append((goal.domain, each))
            if each.name.lower() == "rewriterule":
                conditions = []

    def _of_htaccess(self, place: str, served: Sequence[tuple[str, str]]) -> list[Directive]:
        """The rules that stand in .htaccess files of the folders that a virtual host serves."""
        found = []
        for folder in dict.fromkeys(folder for folder, _url in served):
            ruled = self.folders.look_into(folder).ruled
            for path in (os.path.join(folder, each) for each in ruled[:_RULED]):
                rules, are_all = rule_files.read_rules(path, place)
                found += rules
                self._note_unseen(os.path.dirname(path), is_seen=are_all)
            self._note_unseen(folder, is_seen=len(ruled) <= _RULED)
        return found

    def _of_parents(
        self, place: str, directives: Sequence[Directive], overrides: Sequence[Directive]
    ) -> list[Directive]:
        """The rules that stand in .htaccess files above the folders that a virtual host serves, as for these."""
        found = []
        served = _find_served(self.described, directives)
        for written, _url in served:
            for parent in _find_parents(written):
                if any(trusted_paths.lies_within(parent, folder) for folder, _url in served):
                    continue  # Its rules are found as those of that folder.
                for path in (os.path.join(parent, name) for name in self.folders.names):
                    if is_ruled(overrides, parent) and os.path.lexists(path):
                        rules, are_all = rule_files.read_rules(path, place, written)
                        found += rules
                        self._note_unseen(parent, is_seen=are_all)
        return found

    def _note_unseen(self, folder: str, *, is_seen: bool) -> None:
        if not is_seen and folder not in self.folders.unseen:
            self.folders.unseen.append(folder)


def find_unasked(
    without_us: Description, goals: Sequence[Goal], accepted: Mapping[str, Sequence[str]]
) -> tuple[list[tuple[str, Directive]], list[str]]:
    """What may lead to a site's content where nothing can be asked, and is not seen by its text: with its domain.

    And what was not looked through, in sentences.
    C(goals): folders in the place of files. C(accepted): the places and files that operators accept, by domain.
    """
    leads = Leads(without_us)
    leads.search([replace(goal, files=tuple(f"{path}/{lead_requests.BELOW}" for path in goal.files)) for goal in goals])
    by_domain = {goal.domain: goal for goal in goals}
    made = [
        (lead.domain, lead.said)
        for lead in leads.found
        if not lead.is_guess and not _is_seen(without_us, lead, by_domain[lead.domain])
    ]
    found = [
        (domain, each)
        for domain, each in dict.fromkeys([*made, *leads.doubtful])
        if not {each.host, each.host.rpartition(":")[0], each.place, each.file} & set(accepted.get(domain, ()))
    ]
    return found, leads.tell_unseen()


def _is_seen(without_us: Description, lead: Lead, goal: Goal) -> bool:
    """Whether a directive tells by its text where it leads, which is judged already (bypasses)."""
    contents = list(find_contents(without_us, lead.said))
    return any(
        any(backends.same(content.backend, as_backend(place)) for place, _below in goal.listening)
        if content.backend
        else any(trusted_paths.lies_within(path, content.path) for path in goal.files)
        for content in contents
    )


def _find_served(described: Description, directives: Sequence[Directive]) -> list[tuple[str, str]]:
    """The folders that a virtual host serves, as they are written, by DocumentRoot and Alias, each with its URL."""
    found = []
    for said in (directives, described.of_host("")):
        named = [each.words[0] for each in said if each.name.lower() == "documentroot" and each.words]
        if named:
            found.append((described.path(named[-1]), "/"))
            break
    aliases = [each.words for each in directives if each.name.lower() == "alias" and len(each.words) > 1]
    return found + [(described.path(folder), url) for url, folder, *_more in aliases]


def _find_parents(path: str) -> list[str]:
    found = [os.path.dirname(path)]
    while found[-1] != os.path.dirname(found[-1]):
        found.append(os.path.dirname(found[-1]))
    return found
