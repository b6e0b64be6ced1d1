# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a site's extra_directives do outside of its one virtual host.

httpd tells, by the configuration that it reads with them and without them. A few directives are looked for in the text
besides: they plainly leave, or httpd would run what they name before it tells anything (_site/includes.py).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.includes import joined_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        Directive,
        VirtualHost,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# They hold for the whole server wherever they stand (EXEC_ON_READ), end the virtual host, or run code as they are read.
# mod_security starts the program of a piped log as it reads the line.
_READ = r"<Perl|Sec(?:Audit|Debug|Guardian)Log2?(?=\s+[\"']?\|)"
_REACHING = re.compile(rf"(?i)\s*(LoadModule|LoadFile|Listen|</?VirtualHost|{_READ})(?![\w-])")
# What holds for all of the server, beside its directives and modules.
_GENERAL = (
    ("server_root", "ServerRoot"),
    ("pid_file", "PidFile"),
    ("error_log", "ErrorLog"),
    ("runtime_folder", "DefaultRuntimeDir"),
    ("user", "User"),
    ("group", "Group"),
)


def reaching(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of each line that is to reach beyond a virtual host, and the name of its directive."""
    for number, line in joined_lines(text):
        found = _REACHING.match(line)
        if found:
            yield number, found.group(1) + (">" if found.group(1).startswith("<") else "")


def find_reaching(described: Description, without: Description, sites: Mapping[str, SiteFacts]) -> list[Fault]:
    """What extra_directives do outside of their sites' virtual hosts: the first of it, or nothing.

    C(described): the configuration with them, C(without) as if there were none. C(sites): those that have some, by the
    path of their site.conf, as httpd names it.
    """
    files = {each.file for description in (described, without) for each in description.directives}
    # The site.conf that each file's directives come from: itself, or what uses a macro of it; empty for other files.
    origins = {file: next((path for path in sites if path in file), "") for file in files}
    found = _directives_outside(described, without, sites, origins)
    known = [Counter(_comparison_key(each, origins) for each in directives) for directives in found]
    domains = [site.domain for site in sites.values()]
    reached, domain = "", ", ".join(domains)
    # What there is with them alone, then what there is without them alone: a definition of theirs may have changed it.
    for directives, differing in zip(found, (known[0] - known[1], known[1] - known[0])):
        for each in directives:
            if not reached and _comparison_key(each, origins) in differing:
                path = origins[each.file]
                domain = sites[path].domain if path else domain
                reached = _quote_line(each) if each.file == path else f"{each.name.lstrip('<')} at {each.place}"
    reached = reached or _general(described, without)
    if not reached:
        return []
    told = f"{domain}: the option 'extra_directives' reaches beyond the site's one virtual host, by {reached}"
    remedy = "say that in the server's own configuration, and leave it out"
    return [Fault("reaches-beyond", domain if domain in domains else "", told, remedy)]


def _general(described: Description, without: Description) -> str:
    """What is another for the whole server, beside its directives; empty for nothing."""
    for name in described.modules:
        if name not in without.modules:
            return f"loading {name}"
    for field, name in _GENERAL:
        if getattr(described, field) != getattr(without, field):
            return f"another {name}"
    for name, value in without.defines.items():
        if described.defines.get(name) != value:
            return f"another definition of {name}"
    return ""


def _directives_outside(
    described: Description, without: Description, sites: Mapping[str, SiteFacts], origins: Mapping[str, str]
) -> list[list[Directive]]:
    """The directives of both that stand in no site's one virtual host.

    It is the one with TLS, of the site's name, without extra_directives; its place among those of its file is the same
    with them.
    """
    secure = {each.host for each in without.directives if each.name.lower() == "sslengine"}
    hosts: tuple[dict[str, list[VirtualHost]], ...] = ({}, {})
    for description, of_files in zip((described, without), hosts):
        for host in description.virtual_hosts:
            of_files.setdefault(origins[host.file], []).append(host)
    places: tuple[set[str], ...] = (set(), set())
    for path, site in sites.items():
        named = [number for number, host in enumerate(hosts[1].get(path, ())) if host.answers(site.domain)]
        own = [number for number in named if hosts[1][path][number].place in secure] or named
        for of_files, known in zip(hosts, places):
            known.update(host.place for number in own[:1] for host in of_files.get(path, [])[number : number + 1])
    return [
        [each for each in description.directives if each.host not in known]
        for description, known in zip((described, without), places)
    ]


def _comparison_key(each: Directive, origins: Mapping[str, str]) -> tuple[object, ...]:
    """What is the same of a directive with and without extra_directives, which move the lines behind them."""
    path = origins[each.file]
    return (each.name, each.arguments, each.sections, *((path,) if path else (each.file, each.line)))


def _quote_line(each: Directive) -> str:
    lines = commands.read(each.file).split("\n")
    return f"line {each.line} of the refused virtual host, which is: {lines[each.line - 1].strip()}"
