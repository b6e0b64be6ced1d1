# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The transaction: all sites of a host go from the old state to the new one, or stay as they were.

    0. look      the server, how it is called, its configuration without us; heal what a killed run left; plan the
                 changes.
                 Nothing to change, and the live server shows it by a handshake: done.
    1. rehearse  the whole configuration with the change in it, in a private world; handshakes decide (_rehearsal).
                 Nothing is on the disk yet. In check mode the run ends here.
    2. stage     the journal, then the new releases, each whole before it has its name.
    3. switch    host-level file, each site's `current`, the page's own paths; one rename each.
    4. reload    `httpd -t`, then gracefully, through the service manager; or start, and enable.
    5. confirm   a new generation of workers; handshakes on the live address until the new certificate is served and
                 strangers are refused.
    6. keep      the journal goes: the new state holds. The previous release stays, older ones go.

Whatever fails from 2 on: back as the journal says, reloaded or started again, and the run fails with the reason. A run
that
was killed leaves the journal, and the next run goes back by it before it begins.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils import _handshake, _httpd, _quoting, _rehearsal
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import (
    Description,
    Directive,
    HttpdError,
    Server,
    endpoint,
)
from ansible_collections.mtls.httpd.plugins.module_utils._release import (
    CLIENT_CA,
    FACTS,
    FOLDER,
    SITE,
    Change,
    Disk,
    Entry,
    File,
    Link,
    Release,
    Store,
    StoreError,
    entry_of,
    locked,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LOCK_SECONDS = 60.0
CONFIRM_SECONDS = 15.0
HOOK = "zz-mtls.conf"


class Refused(Exception):
    """The change is not made. The host is as it was. The message says why, in one line."""


@dataclass(frozen=True)
class Wish:
    """One site as wished: a release for a present one, None for an absent one.

    C(certificate_sha256) is what must be served; C(enforced) whether clients without a certificate must be refused.
    """

    domain: str
    release: Release | None = None
    certificate_sha256: str = ""
    enforced: bool = True


@dataclass(frozen=True)
class Facts:
    """What the host-level file and its neighbours need to know of a site (site.json of its release)."""

    domain: str
    port: int
    listen: tuple[str, ...]
    aliases: tuple[str, ...]
    modules: tuple[str, ...]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Facts:
        return cls(
            str(data["domain"]),
            int(data["port"]),
            tuple(data["listen"]),
            tuple(data["aliases"]),
            tuple(data["modules"]),
        )


@dataclass(frozen=True)
class Plan:
    """What would be done.

    Releases with the folders they get, the switch, which sites change, and a diff for the operator.
    """

    staged: tuple[tuple[Release, str], ...]
    changes: tuple[Change, ...]
    changed: Mapping[str, bool]
    diff: tuple[dict[str, str], ...]


@dataclass
class Report:
    """What was done, for the module's result."""

    changed: bool = False
    httpd_found: bool = True
    sites: list[dict[str, Any]] = field(default_factory=list)
    rehearsal: str = "none"
    rehearsal_reason: str = ""
    reloaded: bool = False
    server: dict[str, Any] = field(default_factory=dict)
    healed: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)


def carry_out(
    wishes: Sequence[Wish],
    probes: _handshake.Probes,
    *,
    binary: str | None = None,
    config: str | None = None,
    start: bool = True,
    required: bool = True,
    check: bool = False,
    disk: Disk | None = None,
) -> Report:
    """Put the wishes in place, as one transaction. Raises Refused; the host is then as it was before.

    C(binary), C(config): paths that say which httpd. C(start): start and enable it where it does not run. C(check):
    change nothing.
    """
    try:
        server = _httpd.find(binary, config)
        if server is None:
            if required and not check:
                raise Refused("no httpd is found on this host: install it, or name it by httpd_binary")
            return _without_httpd(wishes, check)
        store = Store(os.path.dirname(os.path.realpath(server.config)), disk)
        store.check()
        with locked(store.conf, LOCK_SECONDS):
            return _Run(server, store, wishes, probes, start).carry_out(check)
    except (HttpdError, StoreError, _quoting.NotQuotable) as error:
        raise Refused(str(error)) from None


def _without_httpd(wishes: Sequence[Wish], check: bool) -> Report:
    report = Report(httpd_found=False, rehearsal_reason="no httpd is on this host yet")
    if check:
        report.rehearsal_reason += ", so this is predicted, and unrehearsed"
        report.sites = [_told(wish, wish.release is not None, "unproven") for wish in wishes]
        report.changed = any(wish.release for wish in wishes)
    return report


def _told(wish: Wish, changed: bool, shown: str) -> dict[str, Any]:
    facts = _facts(wish)
    return {
        "domain": wish.domain,
        "port": facts.port if facts else None,
        "state": "present" if wish.release else "absent",
        "changed": changed,
        "release": wish.release.name if wish.release else None,
        "certificate_sha256": wish.certificate_sha256 or None,
        "mutual_tls": shown,
    }


def _facts(wish: Wish) -> Facts | None:
    return Facts.read(json.loads(wish.release.files[FACTS])) if wish.release else None


class _Run:
    def __init__(
        self, server: Server, store: Store, wishes: Sequence[Wish], probes: _handshake.Probes, start: bool
    ) -> None:
        self.server, self.store, self.wishes, self.probes, self.start = server, store, wishes, probes, start
        self.report = Report()
        self.was_running = server.running()
        self.targets = [
            _rehearsal.Target(wish.domain, facts.port, facts.listen, wish.certificate_sha256, wish.enforced)
            for wish in wishes
            for facts in [_facts(wish)]
            if facts
        ]

    def carry_out(self, check: bool) -> Report:
        # 0. look
        interrupted = self._heal(check)
        user, with_ssl = self._described()
        plan = planned(self.server, self.store, user, with_ssl, self.wishes)
        self.report.diff = list(plan.diff)
        starts = self.start and not self.was_running
        enables = self.start and self.server.supervision.enabled is False
        stale = self.was_running and not plan.changes and (interrupted or not self._shown(user))
        acts = bool(plan.changes or starts or stale)
        if acts:
            refusals = self._refusals(user)
            if refusals:
                raise Refused("; ".join(refusals))
            # 1. rehearse
            self._rehearse(user, plan)
        if not check and plan.changes:
            self._switch(user, plan)  # 2. to 6.
        elif not check and acts:
            self._renew(user)
        if not check and enables and self.server.enable():
            self.report.healed.append(f"{self.server.supervision.unit} is enabled")
        if not check and not acts and self.store.leftovers():
            self.store.prune()
        self._tell(plan, acts or enables or bool(self.report.healed), acts and not check)
        return self.report

    # -- 0. look

    def _heal(self, check: bool) -> bool:
        """Go back by the journal of a run that was killed. Returns whether there was one."""
        if not os.path.lexists(self.store.path("journal")):
            return False
        if check:
            raise Refused(
                f"{self.store.path('journal')} tells of a run that was killed: run without check "
                "mode, which goes back by it first"
            )
        self.store.undo()
        self.store.prune()
        self.report.healed.append("a run that was killed was undone by its journal")
        return True

    def _described(self) -> tuple[Description, Description]:
        try:
            return self.server.describe_without_us()
        except HttpdError as error:
            raise Refused(f"{error}. This was so before, nothing was touched: mend it first") from None

    def _shown(self, user: Description) -> bool:
        """Whether the live server shows every wished site, each in one handshake."""
        for target in self.targets:
            address = _rehearsal.addresses(target, user)[0]
            for version in ("TLSv1.2", "TLSv1.3"):
                answer = _handshake.ask(
                    address, target.port, target.domain, version=version, client="none", identity=None, timeout=5
                )
                if answer.offered:
                    break
            if answer.certificate_sha256 != target.certificate_sha256 or (
                target.enforced and answer.result != "refused"
            ):
                return False
        return True

    def _refusals(self, user: Description) -> list[str]:
        """What can be told without trying, all at once: the names and ports of others."""
        found = []
        held = _httpd.listening()
        own = _httpd.inodes(self.server.parent.pid) if self.server.parent and self.was_running else set()
        for wish in self.wishes:
            facts = _facts(wish)
            if facts is None:
                continue
            for host in user.virtual_hosts:
                overlap = {"*", str(facts.port)} & host.ports()
                named = [name for name in (facts.domain, *facts.aliases) if host.answers(name)]
                if overlap and named:
                    found.append(
                        f"{facts.domain}: the virtual host at {host.place} has the name {named[0]} on "
                        f"port {facts.port} already: remove it, or that name from it"
                    )
            for each in user.directives:
                if each.name.lower() in ("mdomain", "<mdomainset") and any(
                    fnmatch.fnmatch(facts.domain, word.lower()) for word in each.words
                ):
                    found.append(
                        f"{facts.domain}: mod_md manages this name ({each.place}), and would put its "
                        "own certificate in place: take it out of MDomain"
                    )
            for address, port, inode in held:
                clash = not facts.listen or address in facts.listen or address in ("0.0.0.0", "::")
                if port == facts.port and clash and inode not in own and (self.was_running or self.start):
                    found.append(
                        f"{facts.domain}: port {port} is held by {_httpd.holder(inode)} ({address}): "
                        "end it, or choose another port"
                    )
        return list(dict.fromkeys(found))

    # -- 1. rehearse

    def _rehearse(self, user: Description, plan: Plan) -> None:
        draft = _rehearsal.Draft(plan.staged, plan.changes)
        result = _rehearsal.rehearse(self.server, self.store, user, draft, self.targets, self.probes)
        self.report.rehearsal, self.report.rehearsal_reason = result.mode, result.reason
        self.server.forget()
        if result.broken:
            already = _rehearsal.material_faults(user)
            before = (
                _rehearsal.rehearse(self.server, self.store, user, _rehearsal.Draft(), [], self.probes)
                if not already
                else None
            )
            self.server.forget()
            if already:
                raise Refused(
                    "httpd would not start again with the configuration as it stands, without this "
                    f"change: {'; '.join(already)}. "
                    f"A reload would end it. Nothing was touched: mend this first. httpd says: {result.broken}"
                )
            if before is not None and before.broken:
                raise Refused(
                    "httpd would not start again with the configuration as it stands, without this "
                    f"change: {before.broken}. Nothing was touched: mend this first"
                )
            raise Refused(f"the rehearsal failed, nothing was touched. httpd says: {self._plain(result.broken)}")
        if result.faults:
            raise Refused(f"the rehearsal failed, nothing was touched: {'; '.join(result.faults)}")

    def _plain(self, words: str) -> str:
        """Httpd's words, with our releases' folders named by what the operator knows: the site."""
        return re.sub(re.escape(self.store.root) + r"/([^/]+)/releases/[0-9a-f.]+/", r"(\1) ", words)

    # -- 2. to 6.

    def _switch(self, user: Description, plan: Plan) -> None:
        log = _Log(user.error_log)
        with _uninterrupted():
            try:
                self.store.note(plan.changes)  # 2. stage
                for release, folder in plan.staged:
                    self.store.stage(release, folder)
                self.store.switch(plan.changes)  # 3. switch
                self.server.forget()
                self._reload(user)  # 4. and 5.
            except (OSError, HttpdError, StoreError, Refused) as error:
                said = log.words()
                self._back(
                    str(error)
                    if not isinstance(error, OSError)
                    else f"{error.filename or self.store.root}: {error.strerror}",
                    said,
                )
            self.store.done()  # 6. keep
            self.store.prune()

    def _renew(self, user: Description) -> None:
        """Reload, or start, with nothing to switch."""
        log = _Log(user.error_log)
        with _uninterrupted():
            try:
                self._reload(user)
            except (HttpdError, Refused) as error:
                raise Refused(f"{error}. httpd says: {log.words() or 'nothing'}") from None

    def _reload(self, user: Description) -> None:
        test = self.server.test()
        if test.code != 0:
            raise Refused(f"`httpd -t` fails: {test.words}")
        if self.was_running:
            before = self.server.workers()
            self.server.reload()
        elif self.start:
            before = set()
            self.server.start()
        else:
            return
        self.report.reloaded = True
        self._confirm(user, before)

    def _confirm(self, user: Description, before: Any) -> None:
        deadline = time.monotonic() + CONFIRM_SECONDS
        while not self.server.workers() - before:
            if not self.server.running():
                raise Refused("httpd's parent process ended at the reload")
            if time.monotonic() > deadline:
                raise Refused(f"no new worker process within {CONFIRM_SECONDS:.0f} seconds of the reload")
            time.sleep(0.005)
        while True:
            faults = [
                fault
                for target in self.targets
                for fault in _rehearsal.try_site(
                    target, _rehearsal.addresses(target, user)[0], self.probes, trusted=False
                )
            ]
            if not faults:
                return
            if not self.server.running() or time.monotonic() > deadline:
                raise Refused("on the live server, " + "; ".join(faults))
            time.sleep(0.05)

    def _back(self, reason: str, said: str) -> None:
        """Go back, and say so. Always raises Refused."""
        words = f". httpd says: {self._plain(said)}" if said else ""
        try:
            self.store.undo()
            self.store.prune()
            self.server.forget()
            before = self.server.workers()
            if self.was_running and self.server.running():
                self.server.reload()
            elif self.was_running:
                self.server.start()
                before = set()
            else:
                self.server.stop()
            deadline = time.monotonic() + CONFIRM_SECONDS
            while self.was_running and not self.server.workers() - before and time.monotonic() < deadline:
                time.sleep(0.01)
            if self.was_running and not self.server.running():
                raise HttpdError("httpd does not run")
        except (OSError, HttpdError, StoreError) as error:
            raise Refused(
                f"{reason}{words}. The files of the old state are back as far as the journal tells, "
                f"but: {error}. Look after this host now"
            ) from None
        raise Refused(f"{reason}{words}. The old state is back{' and serving' if self.was_running else ''}")

    # -- the report

    def _tell(self, plan: Plan, changed: bool, confirmed: bool) -> None:
        running = self.server.running()
        self.report.changed = changed
        for wish in self.wishes:
            shown = "unproven"
            if wish.release is None:
                shown = "absent"
            elif running and (confirmed or not plan.changes):
                shown = "enforced" if wish.enforced else "optional"
            self.report.sites.append(_told(wish, plan.changed.get(wish.domain, False), shown))
        self.report.server = {"binary": self.server.binary, "config": self.server.config, "running": running}


class _Log:
    """The part of httpd's main error log that is written from now on."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.size = os.path.getsize(path)
        except OSError:
            self.size = 0

    def words(self) -> str:
        try:
            with open(self.path, encoding="utf-8", errors="replace") as stream:
                stream.seek(self.size)
                return _httpd.own_words(stream.read(65536).splitlines())
        except OSError:
            return ""


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A switch that was begun is ended: a lost connection or a polite end does not cut it."""
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


# -- the plan


def planned(server: Server, store: Store, user: Description, with_ssl: Description, wishes: Sequence[Wish]) -> Plan:
    """Compare the wishes with the disk, and say what is to be done.

    Reads only. Raises StoreError where a path is taken.
    """
    staged: list[tuple[Release, str]] = []
    currents: list[Change] = []
    changed: dict[str, bool] = {}
    diff: list[dict[str, str]] = []
    before = {
        domain: Facts.read(store.facts(domain))
        for domain in store.domains()
        if domain not in {wish.domain for wish in wishes}
    }
    after = dict(before)
    for wish in wishes:
        old = store.current(wish.domain)
        link = store.path(wish.domain, "current")
        facts = _facts(wish)
        if wish.release is not None and facts is not None:
            folder = store.place(wish.release)
            after[wish.domain] = facts
            if old != os.path.basename(folder):
                staged.append((wish.release, folder))
                kept = Link(f"releases/{old}") if old else None
                currents += _changes(store.path(wish.domain, "previous"), kept)
                currents += _changes(link, Link(f"releases/{os.path.basename(folder)}"))
        else:
            currents += _changes(link, None)
        changed[wish.domain] = bool(old or wish.release) and bool(_at(currents, link))
        if old and os.path.exists(os.path.join(link, FACTS)):
            before[wish.domain] = Facts.read(store.facts(wish.domain))
        if changed[wish.domain]:
            new = wish.release.filled(folder)[SITE].decode() if wish.release else ""
            diff.append(
                {
                    "before_header": link + "/" + SITE,
                    "after_header": link + "/" + SITE,
                    "before": _text(os.path.join(link, SITE)),
                    "after": new,
                }
            )

    host = store.path("host.conf")
    wanted = _host_level(server, store, user, with_ssl, after.values()) if after else ""
    between = _host_level(server, store, user, with_ssl, [*before.values(), *after.values()]) if after else ""
    hook = _hook(server, store, user)
    published = _published(store, before, after, {wish.domain: wish.release for wish in wishes if wish.release})
    changes: list[Change] = []
    if after:
        # At no moment does a site lack what it needs, so that a start in between reads a sound configuration.
        if currents and between != wanted:
            changes += _changes(host, File(between.encode(), 0o644))
            changes += hook(True) + currents + published
            changes.append(Change(host, File(between.encode(), 0o644), File(wanted.encode(), 0o644)))
        else:
            changes += _changes(host, File(wanted.encode(), 0o644)) + hook(True) + currents + published
    else:
        changes += hook(False) + _changes(host, None) + currents + published
    for change in [
        *_at(changes, host)[-1:],
        *[each for each in changes if isinstance(each.after or each.before, File) and each.path != host],
    ]:
        diff.append(
            {
                "before_header": change.path,
                "after_header": change.path,
                "before": _text(change.path),
                "after": _shown(change.after),
            }
        )
    return Plan(tuple(staged), tuple(changes), changed, tuple(diff))


def _changes(path: str, after: Entry) -> list[Change]:
    """The change that makes C(path) the entry, if it is not that already.

    Owner and group of a file of ours are our own.
    """
    before = entry_of(path)
    if isinstance(after, File) and isinstance(before, File):
        if (before.content, before.mode, before.uid) == (after.content, after.mode, os.geteuid()):
            return []
    elif before == after:
        return []
    return [Change(path, before, after)]


def _at(changes: Sequence[Change], path: str) -> list[Change]:
    return [change for change in changes if change.path == path]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def _shown(entry: Entry) -> str:
    return entry.content.decode(errors="replace") if isinstance(entry, File) else ""


# -- the page's own paths


def _published(
    store: Store, before: Mapping[str, Facts], after: Mapping[str, Facts], releases: Mapping[str, Release]
) -> list[Change]:
    """The links by which people and tools find the files where the reference page puts them."""
    changes = []
    for domain in sorted({*before, *after}):
        for kind in ("crt", "key"):
            path = os.path.join(store.conf, f"{domain}.{kind}")
            changes += _link(path, f"{FOLDER}/{domain}/current/{domain}.{kind}" if domain in after else None)
    cas = set()
    for domain in after:
        release = releases.get(domain)
        cas.add(release.files[CLIENT_CA] if release else _bytes(store.path(domain, "current", CLIENT_CA)))
    shared = f"{FOLDER}/{min(after)}/current/{CLIENT_CA}" if len(cas) == 1 else None
    return changes + _link(os.path.join(store.conf, CLIENT_CA), shared)


def _link(path: str, target: str | None) -> list[Change]:
    found = entry_of(path)
    ours = isinstance(found, Link) and found.target.startswith(FOLDER + "/")
    if found is not None and not ours:
        if target is None:
            return []
        raise StoreError(
            f"{path} is not this collection's, and stands where it publishes its own: move it away, then run again"
        )
    return _changes(path, Link(target) if target else None)


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


# -- the host-level file


def _host_level(server: Server, store: Store, user: Description, with_ssl: Description, sites: Iterable[Facts]) -> str:
    """The host-level file.

    Modules that the sites need and the user's configuration does not load, Listen, and the sites.

    What comes with mod_ssl in the user's configuration (Debian's ports.conf) stays inside <IfModule !ssl_module>, so
    that the
    configuration is sound before and after the operator's own a2enmod or a2dismod.
    """
    sites = list(sites)
    always = [each for each in user.listens if not _with_ssl_alone(each)]
    wanted = sorted({(address, site.port) for site in sites for address in (site.listen or ("",))})
    missing = [each for each in wanted if not _covered(each, with_ssl.listens)]
    with_us = [each for each in wanted if each not in missing and not _covered(each, always)]
    lines = [
        "# Made by Ansible (mtls.httpd.sites), and made anew by its next run.",
        f"# `httpd -D {_httpd.OFF}` runs the server without it.",
        f"<IfDefine !{_httpd.OFF}>",
        "    <IfModule !ssl_module>",
        f"        LoadModule ssl_module {_quoting.directive(server.module('mod_ssl.so'))}",
        *[f"        Listen {_listen(*each)}" for each in with_us],
        "    </IfModule>",
    ]
    for name in dict.fromkeys(name for site in sorted(sites, key=lambda site: site.domain) for name in site.modules):
        path = _quoting.directive(server.module(f"mod_{name}.so"))
        lines += [f"    <IfModule !{name}_module>", f"        LoadModule {name}_module {path}", "    </IfModule>"]
    lines += [f"    Listen {_listen(*each)}" for each in missing]
    lines += [
        f"    IncludeOptional {_quoting.directive(_quoting.path(store.root) + '/*/current/' + SITE)}",
        "</IfDefine>",
        "",
    ]
    return "\n".join(lines)


def _listen(address: str, port: int) -> str:
    # Listen takes https for granted on port 443 alone (mpm_common's ap_set_listener); said for all.
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port} https" if host else f"{port} https"


def _covered(wanted: tuple[str, int], listens: Sequence[Directive]) -> bool:
    known = {endpoint(each.words[0]) for each in listens}
    address, port = wanted
    return ("", str(port)) in known or (address, str(port)) in known


def _with_ssl_alone(listen: Directive) -> bool:
    """Whether a Listen stands within <IfModule …ssl…>.

    As in Debian's ports.conf; the dump of the configuration no longer tells.
    """
    depth: list[str] = []
    for number, line in enumerate(_text(listen.file).splitlines(), 1):
        if number == listen.line:
            return any("ssl" in condition for condition in depth)
        opened = re.match(r"\s*<IfModule\s+([^>]*)>", line, re.IGNORECASE)
        if opened:
            depth.append(opened.group(1).lower())
        elif re.match(r"\s*</IfModule>", line, re.IGNORECASE) and depth:
            depth.pop()
    return False


def _hook(server: Server, store: Store, user: Description) -> Any:
    """How the server comes to read host.conf.

    A link in the folder that its main file includes whole, else one line of that file.

    Returns a function of whether it is wanted, which gives the changes.
    """
    main = os.path.realpath(server.config)
    host = store.path("host.conf")
    line = f"IncludeOptional {_quoting.directive(_quoting.path(host))}\n".encode()
    content = _bytes(main)
    globs = re.findall(
        r'^\s*Include(?:Optional)?\s+"?([^"\n$*?\[]*)/\*\.conf"?\s*$',
        content.decode(errors="replace"),
        re.MULTILINE | re.IGNORECASE,
    )
    folders = [user.path(each) for each in globs if os.path.isdir(user.path(each))]

    def edited(wanted: bool) -> list[Change]:
        status = entry_of(main)
        if not isinstance(status, File):
            raise StoreError(f"{main} is not a plain file")
        without = (
            content.replace(b"\n" + line[:-1], b"")
            if content.endswith(b"\n" + line[:-1])
            else content.replace(line, b"")
        )
        added = without + line if not without or without.endswith(b"\n") else without + b"\n" + line[:-1]
        new = File(
            added if wanted and line[:-1] not in content else content if wanted else without,
            status.mode,
            status.uid,
            status.gid,
        )
        return [] if new == status else [Change(main, status, new)]

    def linked(wanted: bool) -> list[Change]:
        path = os.path.join(folders[-1], HOOK)
        found = entry_of(path)
        target = os.path.relpath(host, folders[-1])
        if found is not None and found != Link(target):
            raise StoreError(
                f"{path} is not this collection's, and stands where it puts its own: move it away, then run again"
            )
        return _changes(path, Link(target) if wanted else None)

    return linked if folders and line[:-1] not in content else edited
