# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Where a site's logs may lie, and which ones httpd would open for it."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, split
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import HttpdError
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.trusted_paths import (
    Untrusted,
    follow_path,
    lies_within,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

# Where files are read, or run, by root without anybody's asking; by the names that links lead to, and by others.
_CLOSED = ("/etc", "/root", "/usr", "/boot", "/proc", "/sys", "/dev", "/run", "/bin", "/sbin", "/lib", "/lib64")
# Where packages keep what their programs read, and scripts that root runs at an upgrade.
_CLOSED_TOO = ("/var/spool", "/var/lib/dpkg", "/var/lib/rpm", "/var/cache", "/var/backups")
_LOG_NAME = re.compile(r"(?i)(^|[._-])logs?([._-]|$)")


@dataclass(frozen=True)
class LogRules:
    """Where a site's logs may lie. httpd's parent opens them as root, and what clients say stands in them.

    own: the folder of the server's own logs, empty where there is none; what is there is the operator's word. conf: the
    server's configuration folder. folders: all that hold files of its configuration. known: the paths of the logs that
    it writes today. binary: the server's program. served: what it answers requests with, as served_paths tells it.
    """

    own: str
    conf: str
    folders: frozenset[str]
    known: Callable[[], Collection[str]]
    binary: str
    served: Mapping[str, str] = field(default_factory=dict)

    def faults(self, path: str) -> list[Fault]:
        """Why httpd should not open C(path), an absolute one, as a log: one fault, or none."""
        if path == os.devnull:  # Nothing stands in it.
            return []
        try:
            folder = follow_path(os.path.dirname(path), group=True)
            at = os.path.join(folder, os.path.basename(path))
            there = os.path.lexists(at)
            if there:
                at = follow_path(at, group=True)
                # It hangs on a FIFO, or ends, at the reload.
                if not stat.S_ISREG(os.lstat(at).st_mode):
                    words = f"{path} is no plain file, which a log must be"
                    raise Untrusted(Fault("log-refused", "", words, "move it away, or name another"))
            if _everybodys(os.path.dirname(at)):
                reason = "lies in a folder where anybody may put a link or a FIFO"
            else:
                reason = self._published(at) or ("" if self._among_own(at) else self._misplaced(at))
            if not reason and there:
                reason = self._no_log(at)
            if reason:
                remedy = "name a new file in a folder of logs, such as /var/log"
                raise Untrusted(Fault("log-refused", "", f"{path} {reason}", remedy))
        except Untrusted as error:
            way = "set 'access_log' and 'error_log' to 'server'"
            return [
                Fault(
                    "log-refused",
                    "",
                    f"a site's log: {each.message}",
                    f"{each.remedy}; or {way}" if each.remedy else way,
                )
                for each in error.faults
            ]
        return []

    def _among_own(self, at: str) -> bool:
        """Whether it lies among the server's own logs. Beside files of the configuration, by its name too."""
        own = os.path.realpath(self.own) if self.own else ""
        if not own or any(lies_within(folder, own) for folder in self.folders):
            return bool(own) and os.path.dirname(at) == own and at.endswith("log")
        return lies_within(at, own)

    def _misplaced(self, at: str) -> str:
        """Why it may lie neither there nor below; what is so of the configuration folder is the operator's choice."""
        folder = os.path.dirname(at)
        for closed in (*_CLOSED, *_CLOSED_TOO):
            if lies_within(at, closed):
                return f"lies below {closed}, where files are read, or run, by root"
        if folder in self.folders or lies_within(at, os.path.join(self.conf, "mtls")):
            return "lies beside files of httpd's configuration, of which it might become one"
        conf = os.path.realpath(self.conf)
        parents = [at]
        while parents[-1] != "/":
            parents.append(os.path.dirname(parents[-1]))
        for each in (each for each in parents if not lies_within(conf, each)):
            if os.path.basename(each).startswith("."):
                return "is hidden, as files are that programs read at their start"
        for each in (each for each in parents[1:] if not lies_within(conf, each)):
            if _everybodys(each):
                return f"lies below {each}, where anybody may make its folder when that is gone"
        return ""

    def _published(self, at: str) -> str:
        """Why clients would read, or run, what clients say. The server's own logs lie where the operator has them."""
        own = os.path.realpath(self.own) if self.own else ""
        if os.path.dirname(at) == own and at.endswith("log"):
            return ""
        served = next((words for place, words in self.served.items() if _is_of(place, at)), "")
        return f"lies among what httpd serves ({served}), where clients would read it, or have it run" if served else ""

    def _no_log(self, at: str) -> str:
        """Why a file that is there is not taken for a log: clients' words would stand behind what it holds."""
        if self._among_own(at) or at in map(os.path.realpath, self.known()):
            return ""
        if _LOG_NAME.search(os.path.basename(at)) and not os.lstat(at).st_mode & 0o111:
            other = processes.writer(at, self.binary)
            return f"is a log of {other}, which writes to it" if other else ""
        return "is there, and no log of this server's"


def _everybodys(folder: str) -> bool:
    status = os.stat(folder)
    return bool(status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH)


LOG_DIRECTIVES = ("errorlog", "customlog", "transferlog", "globallog", "forensiclog")
# What names a site's log; all but the first take a path or a program alone.
_SITE_LOGS = (*LOG_DIRECTIVES, "scriptlog", "secauditlog", "secauditlog2", "secdebuglog", "jklogfile", "cookielog")
# Known to ErrorLog alone: the others take them for a path below ServerRoot.
_SERVICES = r"(?:syslog|journald)(?=[:\"]|$)"
LOG_LINE = re.compile(
    rf'(?im)^(\s*(?:{"|".join(_SITE_LOGS)})(?<!errorlog)\s+(?!"?\|)|\s*errorlog\s+(?!"?(?:\||{_SERVICES})))'
    r'("[^"\n$]+"|[^\s"$]+)'
)


# What leads to files that httpd answers with; and what in such a path stands for a part of a request, where it may.
_SERVING = re.compile("documentroot|(wsgi)?(script)?alias(match)?|virtual(documentroot|scriptalias)|userdir")
_FILLED = re.compile(r"match$|^virtual|^userdir")
_PARTS = re.compile(r"(\$\d|%(?:p|-?\d+\+?(?:\.-?\d+\+?)?)|\*)")


def served_paths(described: Description) -> dict[str, str]:
    """What httpd answers requests with, each with the words for what says so.

    Each is a folder or file; where a part of it comes from requests, an expression for the whole paths of files, which
    begins with a circumflex. What a rewriting rule makes of a request is not among them.
    """
    found = {}
    for each in described.named(*sorted(filter(_SERVING.fullmatch, described.directive_names))):
        name, words = each.name.lower(), each.words
        if words:
            path = words[1] if "alias" in name and len(words) > 1 else words[0]
            if name != "userdir" or path.startswith("/"):
                place = _as_written(described.path(path), filled=bool(_FILLED.search(name)))
                found[place] = f"{each.name} at {each.place}"
    return found


def _as_written(path: str, *, filled: bool) -> str:
    """A path without links, which may lead a log there, too. C(filled): parts of it come from requests."""
    literal, *parts = _PARTS.split(path) if filled else [path]
    if not parts:
        return os.path.realpath(literal)
    folder, slash, name = literal.rpartition("/")
    literal = os.path.realpath(folder or "/").rstrip("/") + slash + name
    rest = (re.escape(each) if not _PARTS.fullmatch(each) else ".*" if each[0] == "$" else "[^/]*" for each in parts)
    return "^" + re.escape(literal) + "".join(rest) + "(/.*)?"


def _is_of(place: str, path: str) -> bool:
    """Whether a path is one of those that C(place) stands for, as `served_paths` has it, or lies below one."""
    return bool(re.fullmatch(place, path)) if place.startswith("^") else lies_within(path, place)


def log_rules(
    server: Server, store: Store, without_us: Description, served: Mapping[str, str] | None = None
) -> LogRules:
    """Where a site's logs may lie on this server. C(served): what the changed configuration serves besides."""

    def known() -> list[str]:
        with suppress(HttpdError):
            described = server.describe()
            return _logs_of(described, described.directives)
        return []

    folders = {os.path.dirname(os.path.realpath(path)) for path in (server.config, *without_us.files)}
    return LogRules(
        without_us.log_folder,
        store.conf,
        frozenset(folders),
        known,
        server.binary,
        {**served_paths(without_us), **(served or {})},
    )


def named_logs(text: str) -> list[str]:
    """The logs that a virtual host names in its text, as it does; but for those with a variable."""
    return [split(found.group(2))[0] for found in LOG_LINE.finditer(text)]


def opened_logs(described: Description, places: Collection[str]) -> list[str]:
    """The logs that httpd would open for the sites, by the paths of their site.conf.

    Those of extra_directives or a template too.
    """
    files = {each.file for each in described.directives}
    theirs = {file for file in files if any(path in file for path in places)}  # also what uses a macro of it
    hosts = {host.place for host in described.virtual_hosts if host.file in theirs}
    return _logs_of(described, [each for each in described.directives if each.host in hosts or each.file in theirs])


def _logs_of(described: Description, directives: Sequence[Directive]) -> list[str]:
    return list(dict.fromkeys(described.path(log) for log in map(log_of, directives) if log))


def log_of(directive: Directive) -> str:
    """The file that a directive names as a log, as httpd read it; empty for none."""
    name = directive.name.lower()
    named = directive.words[0] if name in _SITE_LOGS and directive.words else ""
    is_elsewhere = named.startswith("|") or (name == "errorlog" and re.match(_SERVICES, named))
    return "" if is_elsewhere else named
