# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which directives may answer in the place of a site's content, or keep who is let in from it: by their text.

Handshakes have decided that something does. This only tells where to look.
"""

from __future__ import annotations

import enum
import os
import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site.folders import find_overrides, is_ruled, names_of_rules
from ansible_collections.mtls.httpd.plugins.module_utils._site.patterns import may_match
from ansible_collections.mtls.httpd.plugins.module_utils._site.rule_files import is_for_file, read_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        Directive,
        VirtualHost,
    )

_BY_ADDRESS = re.compile(r"(?i)^(?:not\s+)?(?:ip|host|forward-dns|local)\b")
_PLAIN_RULE = re.compile(r"(?i)^(?:not\s+)?(?:all|ip|host|forward-dns|local|method|ssl)\b")
# What may answer in the place of a site's own content, by what it takes for the path: a prefix or a pattern.
_PREFIXES = {"redirect", "redirectpermanent", "redirecttemp", "proxypass", "alias", "scriptalias", "wsgiscriptalias"}
_PATTERNS = {"redirectmatch", "proxypassmatch", "aliasmatch", "scriptaliasmatch", "wsgiscriptaliasmatch", "rewriterule"}
_HANDLERS = {"sethandler", "forcetype"}
_OF_FILES = ("none", "default-handler")  # by which a file itself is the answer
_RULES = {"require", "deny", "order", "allowmethods", "sslrequire", "sslrequiressl"}
_OPEN = ("all granted", "allow,deny")
# What httpd answers with these statuses by, before it looks for what is asked.
_LIMITS = {405: "allowmethods", 413: "limitrequestbody"}
_STATUS = re.compile(r"\d{3}|permanent|temp|seeother|gone")
# What a request for a path says of itself in an expression; and functions by which one looks at anything else.
_OF_PATH = re.compile(r"(?i)(?:REQUEST_(?:URI|FILENAME|METHOD|SCHEME)|SCRIPT_\w+|(?:CONTEXT_)?DOCUMENT_ROOT|HTTPS)$")
_LOOKS = re.compile(r"(?i)\b(?:req|http|req_novary|reqenv|osenv|env|note|file)\s*\(|(?:^|[\s!(])-[RT]\s")
_SETTERS = ("setenvif", "setenvifnocase", "browsermatch", "browsermatchnocase", "setenvifexpr")
_OF_PATH_TO_SETENVIF = ("request_uri", "request_method", "request_protocol", "server_addr")


class Own(enum.Enum):
    """Which directives of a virtual host's own may be to blame: limits are asked before any program of its own."""

    NONE = enum.auto()
    LIMITS = enum.auto()
    ALL = enum.auto()


def find_address_rules(described: Description, host: VirtualHost, paths: Sequence[str]) -> list[str]:
    """The places of rules by the caller's address that may hold for one of the paths of a virtual host."""
    return [
        each.place
        for each in described.directives
        if each.host in ("", host.place)
        and _is_by_address(each)
        and any(all(_holds(section, path) for section in each.sections if _is_location(section)) for path in paths)
    ]


def find_unsaid_rules(described: Description, host: VirtualHost, path: str, folders: Sequence[str]) -> list[str]:
    """The places of rules that may let in, at a path of a virtual host, who says what is not known here.

    Such as a variable that a field of a request sets, or a password. C(folders): those from which the path is served.
    """
    return [
        each.place
        for each in described.directives
        if each.host in ("", host.place)
        and each.name.lower() == "require"
        and not _PLAIN_RULE.match(each.arguments)
        and all(_holds_within(section, path, folders) for section in each.sections)
    ]


def asks_unsaid(each: Directive, setters: Sequence[Directive]) -> bool:
    """Whether a grant of a .htaccess file asks for more than a path: for what a request says that is not known here.

    C(setters): what may set the variables that it asks for (mod_setenvif).
    """
    if each.arguments.lower().split() == ["all", "denied"]:
        return False
    for section in each.sections:
        name, _space, said = section.partition(" ")
        if name.lower() in ("if", "elseif") and _looks_beyond_path(said):
            return True
    rule = re.match(r"(?i)(?:not\s+)?(?:(expr)\s|(?:from\s+)?env[\s=])(.*)", each.arguments)
    if rule and rule[1]:
        return _looks_beyond_path(rule[2])
    names = rule[2].split() if rule else []
    return any(_is_set_by_more(name, setters) for name in names)


def find_setters(described: Description, more: Sequence[Directive]) -> list[Directive]:
    """The directives of a configuration, and of C(more), that set variables by what a request says."""
    return [*described.named(*_SETTERS), *(each for each in more if each.name.lower() in _SETTERS)]


def _looks_beyond_path(expression: str) -> bool:
    names = re.findall(r"%\{([^{}]*)\}", expression)
    return not all(map(_OF_PATH.match, names)) or bool(_LOOKS.search(expression))


def _is_set_by_more(variable: str, setters: Sequence[Directive]) -> bool:
    """Whether a variable may be set by more than a request's path: one that nothing here sets may be."""
    by_agent = ("browsermatch", "browsermatchnocase")
    setting = []
    for each in setters:
        named = each.words[1:] if each.name.lower() in (*by_agent, "setenvifexpr") else each.words[2:]
        if variable.lower() in [word.partition("=")[0].lower() for word in named]:
            setting.append(each)
    return not setting or any(
        _looks_beyond_path(each.words[0])
        if each.name.lower() == "setenvifexpr"
        else each.name.lower() in by_agent or each.words[0].lower() not in _OF_PATH_TO_SETENVIF
        for each in setting
    )


def _holds_within(section: str, path: str, folders: Sequence[str]) -> bool:
    name, _space, said = section.partition(" ")
    if _is_location(section):
        return _holds(section, path)
    said = said.strip("\"'").rstrip("/") or "/"
    if name.lower() == "directory" and said.startswith("/"):
        return any(trusted_paths.lies_within(*pair) for each in folders for pair in ((each, said), (said, each)))
    return name.lower() not in ("directory", "directorymatch", "files", "filesmatch", "proxy", "proxymatch")


def _is_by_address(each: Directive) -> bool:
    name = each.name.lower()
    if name == "require":
        return bool(_BY_ADDRESS.match(each.arguments))
    return name in ("allow", "deny") and bool(re.match(r"(?i)from\s+(?!all\b|env=)", each.arguments))


def _is_location(section: str) -> bool:
    return section.lower().lstrip("<").startswith("location")


def find_in_the_way(
    described: Description, host: VirtualHost, path: str, status: int, own: Own = Own.NONE
) -> list[str]:
    """Directives that may answer for a site at a path, each as name and place; where with 403, rules too.

    C(own): which of the virtual host's own count beside those of others.
    """
    found = []
    for each in described.directives:
        if each.host not in ("", host.place):
            continue
        is_own = each.host == host.place and each.file == host.file
        name, words = each.name.lower(), each.words
        if not all(_holds(section, path) for section in each.sections):
            continue
        hit = bool(words) and (
            _takes(each, path)
            or (name in _HANDLERS and words[0].lower() != "none")
            or (status == 403 and name in _RULES and " ".join(words).lower() not in _OPEN)
        )
        is_limit = bool(words) and name == _LIMITS.get(status)
        if (hit and (not is_own or own is Own.ALL)) or (is_limit and (not is_own or own is not Own.NONE)):
            found.append(f"{each.name} at {each.place}")
    return found


def find_takers(described: Description, host: VirtualHost, path: str) -> list[Directive]:
    """The aliases, and proxies of a path, by which a virtual host may answer at a path, of its own or inherited."""
    return [
        each
        for each in described.directives
        if each.host in ("", host.place)
        and ("alias" in each.name.lower() or "proxypass" in each.name.lower())
        and all(_holds(section, path) for section in each.sections)
        and _takes(each, path)
    ]


def _takes(each: Directive, path: str) -> bool:
    """Whether a directive is for a path by the prefix or pattern that it names, or that its section does."""
    name, words = each.name.lower(), each.words
    more = words[1:] if words and name.startswith("redirect") and _STATUS.fullmatch(words[0].lower()) else words
    # In a section the path may be left out, as that of the section is meant.
    is_short = len(each.sections) > bool(each.host) and (len(more) == 1 or "://" in "".join(more[:1]))
    return bool(more) and (
        (name in _PREFIXES and (_begins(path, more[0]) or (is_short and more[0] != "!")))
        or (name in _PATTERNS and _matches(path, more[0]))
    )


def leads_on(described: Description, host: VirtualHost, path: str) -> bool:
    """Whether a virtual host may itself have something else than its files or backend answer at a path."""
    return any(
        each.host == host.place
        and each.file == host.file
        and (
            each.name.lower() in _HANDLERS
            or (each.name.lower() in _PATTERNS and _matches(path, (each.words or [""])[0]))
            or ("alias" in each.name.lower() and _begins(path, (each.words or [""])[0]))
        )
        for each in described.directives
    )


def rules_lead_on(described: Description, host: VirtualHost, folder: str, path: str) -> bool:
    """Whether the .htaccess file of a virtual host's own folder may have something else than a file answer at a path.

    As many an application has its one program answer for all, also for files that are there.
    """
    overrides = find_overrides([*described.of_host(""), *described.of_host(host.place)])
    files = (os.path.join(folder, name) for name in names_of_rules(described)) if is_ruled(overrides, folder) else ()
    said = [each for file in files if os.path.lexists(file) for each in read_rules(file, host.place)[0]]
    return any(
        (each.name.lower() in _HANDLERS and each.words[0].lower() not in _OF_FILES)
        or (each.name.lower() in _PATTERNS and each.words[1:2] != ["-"] and _matches(path.lstrip("/"), each.words[0]))
        for each in said
        if each.words and is_for_file(os.path.basename(path), each.sections)
    )


def find_shortcuts(described: Description, host: VirtualHost | None) -> list[str]:
    """Directives by which who is refused may be led on, or answered where no rule is asked, each as name and place.

    ErrorDocument with a path makes a request within httpd for which no rule is asked again, and a cache answers before
    one is.
    """
    return [
        f"{each.name} at {each.place}"
        for each in described.directives
        if each.host in ("", host.place if host else "")
        and (
            each.name.lower() == "cacheenable"
            or (each.name.lower() == "errordocument" and "".join(each.words[1:2]).startswith("/"))
        )
    ]


def _holds(section: str, path: str) -> bool:
    """Whether what stands in a section may hold for a path. Folders and files are left to the site's own."""
    name, _space, said = section.partition(" ")
    name, said = name.lower().lstrip("<"), said.strip("\"'<> ")
    if name == "location":
        return _matches(path, said.lstrip("~ ").strip("\"'")) if said.startswith("~") else _begins(path, said)
    if name == "locationmatch":
        return _matches(path, said)
    return name not in ("directory", "directorymatch", "files", "filesmatch", "proxy", "proxymatch")


def _begins(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def _matches(path: str, pattern: str) -> bool:
    """Whether a pattern may match, or one that is turned round."""
    return may_match(pattern.lstrip("!"), path) or pattern.startswith("!")
