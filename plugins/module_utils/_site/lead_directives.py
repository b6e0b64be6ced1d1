# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which directives may lead to a site's content, by what they say of paths, folders and backends."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site import backends, rule_files
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import SERVING
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import LOG_DIRECTIVES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive

LEADING = {*SERVING, "rewritecond", "rewritemap", "userdir", "proxyrequests", "proxyexpressdbmfile", "fallbackresource"}
# Directives that may name a path, or a backend by its URL, and lead nobody there: what they say is for clients or logs,
# or of answers. What begins so is one.
_TELLING = (
    *LOG_DIRECTIVES,
    "action",
    "addicon",
    "cookiepath",
    "errordocument",
    "header",
    "logformat",
    "noproxy",
    "proxyblock",
    "proxyhtml",
    "proxypassreverse",
    "proxyremote",
    "proxyset",
    "redirect",
    "requestheader",
    "rewritebase",
    "rewritecond",
    "rewriteoptions",
    "setenv",
    "substitute",
)
_FOR_FASTCGI = "proxyfcgisetenvif"
_FOLDERS = ("DOCUMENT_ROOT", "CONTEXT_DOCUMENT_ROOT")  # variables that tell a program where it is, and nothing to run
_NO_PROGRAM = re.compile(r"(?i)^(?:ssl|auth|load)|log|config$")
_A_URL = re.compile(r"(?i)\bhttps?://[^\s\"'|,;<>$%]+")
_AT_URL = re.compile(r"[\"']?\^?\(?/")


@dataclass(frozen=True)
class Goal:
    """What stands for the closed content of a site: by which paths a file is found, and where which backends listen.

    C(listening): hosts and ports, or the path of a socket alone, each with the path below which the content lies.
    C(root): the site's document root, without links. C(opened): files in it that everybody gets at the site.
    C(named): those of its files that have another name, by device and inode (hard links). C(names): the document root
    by its other names: as a configuration writes it, and where it is mounted.
    """

    domain: str
    files: tuple[str, ...] = ()
    listening: tuple[tuple[str, str], ...] = ()
    root: str = ""
    opened: tuple[str, ...] = ()
    named: Mapping[tuple[int, int], str] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The document root; where that is not known, the folder of the file by the shortest of its paths, if any."""
        return self.root or os.path.dirname(min(self.files, key=len, default=""))

    @property
    def folders(self) -> set[str]:
        """That folder by all its names."""
        return {self.folder, *(os.path.normpath(name) for name in self.names if name)} - {""}


def names_path(each: Directive) -> bool:
    """Whether a directive that httpd itself does not have says something of a URL, by path or pattern, and of more."""
    if not _AT_URL.match(each.arguments) or not _is_of_module(each):
        return False
    return len(each.words) > 1 and (each.words[0] == "/" or not os.path.lexists(each.words[0]))


def names_folder(described: Description, each: Directive, folders: Collection[str]) -> bool:
    """Whether a directive that httpd itself does not have names one of the folders of the sites' files.

    What it is for is the module's to know, such as XSendFilePath, or what a section of Perl says. So is what a program
    does that it names, such as LuaHookTranslateName, and that names one.
    """
    if "/" not in each.arguments or not _is_of_module(each):
        return False
    if each.name.lower() == _FOR_FASTCGI:
        return _has_run(described, each, folders)
    own = (described.real_path(path) for path in rule_files.find_paths(each.arguments))
    # A program may name very many paths, and any: these are compared as they are, and none is looked for on the disk.
    return any(path in folders for path in own) or any(
        not found.isdisjoint(folders) for found in _find_programs(described, each)
    )


def _find_programs(described: Description, each: Directive) -> Iterator[frozenset[str]]:
    """Yield the paths in each file that a directive names, but for keys, users, logs and what is loaded."""
    if not _NO_PROGRAM.search(each.name):
        for word in each.words:
            path = described.path(word)
            if "/" in word and os.path.isfile(path):
                yield rule_files.read_script(path)


def _has_run(described: Description, each: Directive, folders: Collection[str]) -> bool:
    """Whether a directive may have a FastCGI program run a file of a folder: by a variable, or a setting of PHP's."""
    _condition, variable, *value = each.words if len(each.words) > 1 else ("", "")
    own = [described.real_path(path) for path in rule_files.find_paths(" ".join(value))]
    return variable.upper() not in _FOLDERS and any(
        trusted_paths.lies_within(path, folder) for path in own for folder in folders
    )


def _is_of_module(each: Directive) -> bool:
    """Whether a directive, and no section, is none of those of httpd's own that are known here."""
    name = each.name.lower()
    return name not in LEADING and not name.startswith(("<", *_TELLING))


def names_backend_at(each: Directive, place: str) -> bool:
    """Whether a directive has the URL of a backend among its words."""
    return any(backends.same(backends.backend(url)[0], as_backend(place)) for url in _A_URL.findall(each.arguments))


def names_backend(each: Directive, goals: Sequence[Goal]) -> bool:
    """Whether a directive of a module that nobody here knows names a backend of a goal, to which it may lead."""
    return (
        "://" in each.arguments
        and not each.name.lower().startswith(("<", *_TELLING))
        and any(
            names_backend_at(each, place)
            for goal in goals
            for place, _below in goal.listening
            if not place.startswith("/")
        )
    )


def as_backend(place: str) -> str:
    return place if place.startswith("/") else backends.backend(f"http://{place}")[0]
