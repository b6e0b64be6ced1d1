# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What httpd does not find or may not write although it is there: its unit gives it mounts of its own, or a jail."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import find_jail
from ansible_collections.mtls.httpd.plugins.module_utils._site.unopened import OTHER_LOGS, is_kernels
from ansible_collections.mtls.httpd.plugins.module_utils._site.unread import find_passed_over
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import Seen

_DOCUMENT_ROOT = re.compile(r'(?im)^\s*DocumentRoot\s+"?([^"\n]+)"?')
# That all of a virtual host goes to a backend, and what says that some of it does not.
_PASSES_ALL = re.compile(r'(?im)^\s*ProxyPass\s+"?/"?\s+"?\w|^\s*<Location\s+"?/"?\s*>\s*^\s*ProxyPass\s+"?\w')
_PASSES_NOT = re.compile(r"(?im)^\s*(ProxyPass(Match)?\s[^\n]*!|ProxyPassMatch\s|Alias|RewriteRule)")
_SAME, _REPLACED, _HIDDEN = "same", "replaced", "hidden"
_TLS_FILE = re.compile(r"ssl\w+file")


def find_secluded(seen: Seen, logs: Iterable[str]) -> Iterator[Fault]:
    """Why httpd would not see, or not write, what sites need: its unit may give it mounts of its own."""
    if not _has_own_mounts(seen):
        return
    if _as_httpd_sees(seen, seen.store.conf) != _SAME:
        words = f"{seen.store.conf} is another folder for httpd, whose unit has mounts of its own"
        yield Fault("secluded", "", f"{words}: it would not read what is put there", "take that folder out of these")
    for domain, path in _document_roots(seen):
        if _as_httpd_sees(seen, path) == _HIDDEN and path not in _roots_before(seen, domain):
            yield _hidden_root(domain, path)
    opened = [os.path.realpath(log) for log in logs if not is_kernels(log)]
    for folder in dict.fromkeys(os.path.dirname(log) for log in opened if _is_closed_to_httpd(seen, log)):
        words = f"httpd's unit does not let it write to {folder} (such as by ProtectSystem=)"
        way = f"add `ReadWritePaths={folder}` to the unit (`systemctl edit`) and restart httpd; or {OTHER_LOGS}"
        yield Fault("secluded", "", f"{words}, where a site has a log, so that a reload would end it", way)


def find_beside_jail(seen: Seen) -> Iterator[Fault]:
    """Why workers that ChrootDir locks up would not find a document root that is there for all others."""
    jail = find_jail(seen.without_us)
    for domain, path in _document_roots(seen) if jail else ():
        if os.path.isdir(path) and not os.path.isdir(jail + path) and path not in _roots_before(seen, domain):
            place = seen.without_us.named("chrootdir")[-1].place
            words = (
                f"{domain}: httpd's workers look for {path} below {jail} (ChrootDir at {place}), and it is not there"
            )
            yield Fault("secluded", domain, f"{words}, so that callers get 403 or 404", f"put it at {jail}{path}")


def find_hidden_files(seen: Seen, described: Description) -> Iterator[Fault]:
    """Find what a configuration is made of, or names for TLS, and httpd would not find as it reloads."""
    if not _has_own_mounts(seen):
        return
    hidden, passed_over = _hidden_files(seen, described)
    read = [each for each in described.directives if each.file not in passed_over]
    named = (each for each in read if _TLS_FILE.fullmatch(each.name.lower()) and each.words)
    hidden |= {
        path
        for path in {described.path(each.words[0]) for each in named}
        if path not in hidden and _as_httpd_sees(seen, path) == _HIDDEN
    }
    for path in sorted(hidden - passed_over):
        words = f"{path} is hidden from httpd by its unit (such as ProtectHome= or PrivateTmp=)"
        yield Fault("secluded", "", f"{words}, so that a reload would end it", "put the file elsewhere")


def find_unlike(seen: Seen) -> list[Fault]:
    """Warn of what httpd, by mounts of its own, has otherwise than it was rehearsed, or not at all.

    That a document root is hidden is no fault of a site that had it before: no reload makes it worse for callers.
    """
    found = []
    for domain, path in _document_roots(seen) if _has_own_mounts(seen) else ():
        is_seen = _as_httpd_sees(seen, path)
        if is_seen == _REPLACED:
            words = f"{domain}: for httpd, whose unit has mounts of its own, {path} is another folder than the host's"
            found.append(Fault("secluded", domain, f"{words}, which is the one that was rehearsed", ""))
        elif is_seen == _HIDDEN:
            found.append(_hidden_root(domain, path))
    for path in sorted(_hidden_files(seen, seen.without_us)[1]) if _has_own_mounts(seen) else ():
        words = f"{path} is not read by httpd, from which its unit hides it (such as by ProtectHome= or PrivateTmp=)"
        found.append(Fault("secluded", "", f"{words}, but was in the rehearsal", "put the file elsewhere"))
    return found


def _is_closed_to_httpd(seen: Seen, log: str) -> bool:
    """Whether httpd's unit does not let it write a log, which may be one that it may in a folder where it may not."""
    folder = os.path.dirname(log)
    for path in (log, folder):
        try:
            return bool(os.statvfs(seclusion.as_seen_by(_parent(seen), path)).f_flag & os.ST_RDONLY)
        except FileNotFoundError:
            continue
        except OSError:  # another user's
            return False
    return os.path.isdir(folder)


def _hidden_files(seen: Seen, described: Description) -> tuple[set[str], set[str]]:
    """The files of a configuration that httpd does not see, and those of all that it passes over therefore."""
    hidden = {path for path in described.files if _as_httpd_sees(seen, path) == _HIDDEN}
    if not hidden:
        return set(), set()

    def is_entry(path: str) -> bool:
        folder, name = os.path.split(path)
        return os.path.lexists(os.path.join(seclusion.as_seen_by(_parent(seen), folder), name))

    return hidden, find_passed_over(described, hidden, is_entry)


def _parent(seen: Seen) -> int:
    return seen.server.parent.pid if seen.server.parent else 0


def _has_own_mounts(seen: Seen) -> bool:
    return seen.was_running and not seen.changes_nothing_that_is_read and seclusion.has_own_mounts(_parent(seen))


def _document_roots(seen: Seen) -> Iterator[tuple[str, str]]:
    """Yield the document roots that sites' texts name, each behind its domain."""
    for release in (wish.release for wish in seen.wishes if wish.release):
        for path in _roots_of(seen, release):
            yield release.domain, path


def _roots_before(seen: Seen, domain: str) -> set[str]:
    """The document roots that a site has on the disk already; all that an earlier release names, which was served."""
    wishes = {wish.domain: wish for wish in seen.wishes}
    try:
        before = wishes[domain].release if wishes[domain].previous else seen.store.read(domain, "current")
    except StoreError:  # none, or a damaged one
        return set()
    return set(_roots_of(seen, before)) if before else set()


def _roots_of(seen: Seen, release: Release) -> Iterator[str]:
    text = release.public[SITE].decode(errors="replace")
    if _PASSES_ALL.search(text) and not _PASSES_NOT.search(text):  # No file of it is asked for.
        return
    for path in dict.fromkeys(_DOCUMENT_ROOT.findall(text)):
        yield seen.without_us.path(path)


def _hidden_root(domain: str, path: str) -> Fault:
    words = f"{domain}: {path} is hidden from httpd by its unit (such as ProtectHome= or PrivateTmp=)"
    return Fault("secluded", domain, f"{words}, so that callers get 403 or 404", "put the content elsewhere")


def _as_httpd_sees(seen: Seen, folder: str) -> str:
    """Whether a folder that is there is the same for httpd, another, or hidden from it."""
    try:
        here = os.stat(folder)
    except OSError:
        return _SAME
    try:
        there = os.stat(seclusion.as_seen_by(_parent(seen), folder))
    except FileNotFoundError:
        return _HIDDEN
    except OSError:  # another user's
        return _SAME
    if os.path.samestat(here, there):
        return _SAME
    return _REPLACED if stat.S_IMODE(there.st_mode) else _HIDDEN
