# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What surely closes a virtual host to clients without a certificate, by its text: all else counts as open.

It asks for a certificate itself, sends every request away, or denies every one.
"""

from __future__ import annotations

import fnmatch
import os
import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import Content, has_flag

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

_STATUS = re.compile(r"\d+|permanent|temp|seeother|gone", re.IGNORECASE)
# What matches every path, which begins with a slash, for RewriteRule and RedirectMatch.
_ALL = re.compile(
    r"\^?(/\??)?(\.\*|\(\.\*\))\$?|\^?\(/\??\.\*\)\$?|\^/?|/|\.[?+]?\$?|\^\.[?+]?|\^\.\+\$|\^?\(\.\+\)\$?"
)
# Conditions that hold for every request to a host without TLS: for RewriteCond, and as an expression of <If>.
_WITHOUT_TLS = {
    ("%{HTTPS}", "off"),
    ("%{HTTPS}", "!on"),
    ("%{HTTPS}", "!=on"),
    ("%{HTTPS}", "=off"),
    ("%{HTTPS}", "^off$"),
}
_IF_WITHOUT_TLS = re.compile(
    r"""If\s+"?\s*(%\{HTTPS\}\s*(==?\s*'off'|-eq\s*'off'|!=\s*'on'|-ne\s*'on')|!\s*\(?\s*%\{HTTPS\}\s*==?\s*'on'\s*\)?)\s*"?""",
    re.IGNORECASE,
)
# The same by the scheme, which is that of ServerName, if it names one.
_WITHOUT_SCHEME = {("%{REQUEST_SCHEME}", said) for said in ("http", "=http", "^http$", "!https", "!=https", "!^https$")}
_IF_WITHOUT_SCHEME = re.compile(r"""If\s+"?\s*%\{REQUEST_SCHEME\}\s*(==?\s*'http'|!=\s*'https')\s*"?""", re.IGNORECASE)
# Where a CA looks for its token by plain HTTP (RFC 8555, section 8.3), which is for everybody, and where all is that
# anybody may look for (RFC 8615): as a pattern of a path, and as one for every other (RedirectMatch, RewriteRule).
_KNOWN = r"\\?\.well\\?-known"
_OF_KNOWN = re.compile(rf"\^/{_KNOWN}(?![?*{{])[^|]*")
_OF_ACME = re.compile(rf"\^/{_KNOWN}/acme\\?-challenge(?![?*{{])[^|]*")
_BUT_KNOWN = re.compile(
    rf"\^\(\?!/{_KNOWN}(/acme\\?-challenge)?/?\)(\(?/?\.\*\??\)?\$?)?|"
    rf"\^/\(\?!{_KNOWN}(/acme\\?-challenge)?/?\)(\(?\.\*\??\)?\$?)?"  # a bare "$" would be for "/" alone
)
_EACH_URL = re.compile(r"""(Location\s+"?/"?|If\s+"?\s*true\s*"?)\s*""", re.IGNORECASE)


def _effective_value(without_us: Description, place: str, name: str) -> str:
    """The value of a directive for a whole host, in lower case: its own, or that of the server level."""
    values = {
        where: each.arguments.strip('"').lower()
        for where in ("", place)
        for each in without_us.of_host(where)
        if each.name.lower() == name and len(each.sections) == bool(where)
    }
    return values.get(place, values.get("", ""))


def verifies(without_us: Description, place: str) -> bool:
    return (
        _effective_value(without_us, place, "sslengine") == "on"
        and _effective_value(without_us, place, "sslverifyclient") == "require"
    )


def _direct(without_us: Description, place: str) -> list[Directive]:
    """The directives that hold for all of a host, without those that it inherits."""
    return [each for each in without_us.of_host(place) if len(each.sections) == bool(place)]


def sends_all_away(without_us: Description, place: str) -> bool:
    """Whether a virtual host turns every request away before any of its files or programs is looked for."""
    return rewrites_away(without_us, place) or redirects_away(without_us, place)


def _holds_for_all(without_us: Description, place: str, section: str) -> bool:
    """Whether a section, at server level or in a host, holds for every request to that host."""
    if _EACH_URL.fullmatch(section):
        return True
    name, _space, pattern = section.partition(" ")
    if name.lower() == "locationmatch":
        return bool(_ALL.fullmatch(pattern.strip().strip('"')))
    if not place or _has_tls(without_us, place):
        return False
    by_scheme = not _names_scheme(without_us, place) and _IF_WITHOUT_SCHEME.fullmatch(section)
    return bool(by_scheme or _IF_WITHOUT_TLS.fullmatch(section))


def _names_scheme(without_us: Description, place: str) -> bool:
    """Whether a ServerName says that clients speak TLS, as in front of a proxy that ends it."""
    return any(
        each.name.lower() == "servername" and each.arguments.strip('"').lower().startswith("https:")
        for where in ("", place)
        for each in without_us.of_host(where)
    )


def sends_files_away(without_us: Description, place: str) -> bool:
    """Whether a host sends every request for a file away, or all but those for what anybody may look for."""
    return redirects_away(without_us, place, but_known=True) or rewrites_away(without_us, place, but_known=True)


def spares_known(without_us: Description, place: str) -> bool:
    """Whether what such a host does not send away may be more than requests for a CA's token."""
    patterns = [
        word
        for each in without_us.of_host(place)
        if each.name.lower() in ("rewritecond", "rewriterule", "redirectmatch")
        for word in each.words[:2]
    ]
    return any(
        (_OF_KNOWN.fullmatch(word.lstrip("!")) and not _OF_ACME.fullmatch(word.lstrip("!")))
        or (_BUT_KNOWN.fullmatch(word) and "acme" not in word)
        for word in patterns
    )


def redirects_away(without_us: Description, place: str, *, but_known: bool = False) -> bool:
    """Whether a Redirect of a host sends every request away before it looks for files."""
    directives = [
        each
        for each in without_us.of_host(place)
        if all(_holds_for_all(without_us, place, section) for section in each.sections[bool(place) :])
    ]
    for each in directives:
        name, words = each.name.lower(), each.words
        if name in ("redirect", "redirectmatch") and words and _STATUS.fullmatch(words[0]):
            words = words[1:]
        # In a section the path may be left out, as that of the section is meant.
        is_short = len(each.sections) > bool(place) and len(words) == 1
        if name in ("redirect", "redirectpermanent", "redirecttemp") and (words[:1] == ["/"] or is_short):
            return True
        is_whole = name == "redirectmatch" and bool(words)
        if is_whole and (_ALL.fullmatch(words[0]) or (but_known and _BUT_KNOWN.fullmatch(words[0]))):
            return True
    return False


def rewrites_away(without_us: Description, place: str, *, but_known: bool = False) -> bool:
    """Whether a RewriteRule of a host turns every request away before all else: the first that does not do so alone."""
    if [each.arguments.lower() for each in _direct(without_us, place) if each.name.lower() == "rewriteengine"][-1:] != [
        "on"
    ]:
        return False
    always = set() if _has_tls(without_us, place) else _WITHOUT_TLS
    if always and not _names_scheme(without_us, place):
        always = always | _WITHOUT_SCHEME
    names = _only_names(without_us, place)
    conditions: list[list[str]] = []
    for each in _direct(without_us, place):
        name, words = each.name.lower(), each.words
        if name == "rewritecond":
            conditions.append(words)
        elif name == "rewriterule":
            if (
                but_known
                and _OF_KNOWN.fullmatch(words[0])
                and words[1:2] == ["-"]
                and not has_flag(words, "C|chain|S|skip")
            ):
                conditions = []
                continue
            # One that is chained, or skips others, decides about those that come after it.
            if not has_flag(words, "R|redirect|F|forbidden|G|gone") or has_flag(words, "C|chain|S|skip"):
                return False
            # httpd does nothing for "-" with a redirect: it closes nothing, and hides nothing that comes after it.
            idle = words[1:2] == ["-"] and not has_flag(words, "F|forbidden|G|gone")
            others = [words for words in conditions if not (but_known and _is_but_known(words))]
            is_whole = _ALL.fullmatch(words[0]) or (but_known and _BUT_KNOWN.fullmatch(words[0]))
            if is_whole and not idle and _hold_always(others, always, names):
                return True
            conditions = []
    return False


def _has_tls(without_us: Description, place: str) -> bool:
    """Whether a host may speak TLS: by its SSLEngine, or where that is not said by Listen's word (mod_ssl)."""
    engine = _effective_value(without_us, place, "sslengine")
    if engine:
        return engine != "off"
    host = without_us.host_at(place)
    ports = host.ports() if host else set()
    return any(
        {"*", port} & ports and (port == "443" or "https" in map(str.lower, each.words[1:]))
        for each in without_us.listens
        for _address, port in [endpoint(each.words[0])]
    )


def _is_but_known(words: Sequence[str]) -> bool:
    """Whether a RewriteCond holds for all but what anybody may look for, and is no alternative to others."""
    tested, pattern, *flags = words
    return (
        tested == "%{REQUEST_URI}"
        and pattern.startswith("!")
        and bool(_OF_KNOWN.fullmatch(pattern[1:]))
        and not re.search(r"(?i)[\[,]\s*(OR|ornext)\s*[\],]", "".join(flags))
    )


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


def is_denied(without_us: Description, place: str, content: Content, mine: Content) -> bool:
    """Whether a host surely lets nobody get at C(mine) by way of C(content)."""
    if _hands_on_anywhere(without_us, place):
        return False
    if denies_all(without_us, place, backend=bool(content.backend)):
        return True
    if content.backend:
        return False
    return _denied(without_us, place, content, mine) or _denied_by_order(without_us, place, content, mine)


def _hands_on_anywhere(without_us: Description, place: str) -> bool:
    """Whether who is denied is handed on to a path that he says himself, or to a folder, by an ErrorDocument.

    No rule is asked again there. A path of one file shows that page alone.
    """
    said = (each.words for each in _of_both(without_us, place) if each.name.lower() == "errordocument")
    paths = ("".join(words[1:2]) for words in said if words[:1] in (["401"], ["403"]))
    return any(path.startswith("/") and ("%{" in path or path.endswith("/")) for path in paths)


def denies_all(without_us: Description, place: str, *, backend: bool) -> bool:
    """Whether a host denies every URL, which comes after what it says of folders, and grants none anywhere else.

    C(backend): that it serves one, to which an ErrorDocument with a path hands each request that is denied. No rule is
    asked about that again.
    """
    denied, shown = False, _shown(without_us, place)
    if backend and any(
        each.name.lower() == "errordocument" and "".join(each.words[1:2]).startswith("/")
        for each in _of_both(without_us, place)
    ):
        return False
    for each in _of_both(without_us, place):
        name, arguments = each.name.lower(), each.arguments.lower()
        if (name, arguments) in (("authmerging", "or"), ("satisfy", "any")):
            return False
        if name != "require" or each.sections in shown:
            continue
        sections = _sections(each)
        if len(sections) == 1 and _folder(sections[0]) is not None:
            continue
        if arguments != "all denied":
            return False
        is_whole = len(each.sections) == len(sections) + bool(each.host)  # not one of several in a <RequireAny>
        if is_whole and sections and all(_holds_for_all(without_us, place, section) for section in sections):
            denied = True
    return denied


def _denied_by_order(without_us: Description, place: str, content: Content, mine: Content) -> bool:
    """Whether the older rules of mod_access_compat let nobody get at files: each section that has any denies all.

    A section's rules take the place of those of the sections before it.
    """
    path = _path_by(content, mine)
    said: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for each in _of_both(without_us, place):
        name, arguments = each.name.lower(), " ".join(each.arguments.lower().split())
        if (name, arguments) == ("satisfy", "any"):
            return False
        if name in ("order", "allow", "deny"):
            said.setdefault(each.sections, {}).setdefault(name, []).append(arguments)
    denied = False
    for sections, rules in said.items():
        inner = [each for each in sections if not each.lower().startswith("virtualhost ")]
        folder = _folder(inner[0]) if inner else None
        if folder is not None and not _meets(folder, path):
            continue
        if rules.get("allow") or ["from", "all"] not in map(str.split, rules.get("deny", ())):
            return False
        denied = denied or (len(inner) == 1 and folder is not None and trusted_paths.lies_within(path, folder))
    return denied


def _path_by(content: Content, mine: Content) -> str:
    """The path by which C(content) leads to the files of C(mine)."""
    if not trusted_paths.lies_within(mine.path, content.path):
        return content.written
    return os.path.normpath(os.path.join(content.written, os.path.relpath(mine.path, content.path)))


def _of_both(without_us: Description, place: str) -> list[Directive]:
    return [each for where in dict.fromkeys(("", place)) for each in without_us.of_host(where)]


def _shown(without_us: Description, place: str) -> set[tuple[str, ...]]:
    """The sections of pages that httpd makes itself."""
    return {
        each.sections
        for each in _of_both(without_us, place)
        if each.name.lower() == "sethandler" and each.arguments.lower() in ("server-status", "server-info")
    }


def _sections(each: Directive) -> list[str]:
    """The sections that tell for what a rule holds."""
    return [each for each in each.sections if not each.lower().startswith(("virtualhost ", "require"))]


def _denied(without_us: Description, place: str, content: Content, mine: Content) -> bool:
    """Whether a host surely lets nobody get at the files of C(mine) by way of C(content).

    The longest <Directory> that says so with nothing in between decides; what grants anywhere else opens.
    """
    path = _path_by(content, mine)
    directives, shown = _of_both(without_us, place), _shown(without_us, place)
    best, denied = (-1, False), False
    for each in directives:
        name, arguments = each.name.lower(), each.arguments.lower()
        if (name, arguments) in (("authmerging", "or"), ("satisfy", "any")):
            return False
        if name != "require" or each.sections in shown:
            continue
        denies = arguments == "all denied"
        sections = _sections(each)
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
