# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The store of releases, the switch and the journal.

The invariant: at every moment each site's C(current) leads to one whole release, and a release never changes once it
has its name. A switch is one rename(2) of a link. The pattern is that of Kubernetes' atomic writer and certbot's live/
and archive/.

    <conf>/mtls/host.conf                       what the server needs for all sites: modules, Listen, Include
    <conf>/mtls/watchman.json                   where metrics are wanted, with .py and .pem (_transaction/watchman.py)
    <conf>/mtls/journal                         there only while a switch is under way: how to go back
    <conf>/mtls/www.example.com/current         -> releases/3f9c…
    <conf>/mtls/www.example.com/previous        -> releases/81aa…, the one to roll back to
    <conf>/mtls/www.example.com/history         which releases are kept, and when each was last made current
    <conf>/mtls/www.example.com/releases/3f9c…/ certificate, private key (0600), client CA, site.conf, site.json
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import stat
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    NEW_SUFFIX,
    Change,
    Disk,
    File,
    StoreError,
    are_alike,
    describe_difference,
    entry_of,
    explain_os_error,
    folder_is_open,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import EMPTY, FACTS, SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.history import (
    HISTORY,
    Kept,
    read_history,
    write_history,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.journal import entry_from_json, entry_to_json
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import PRIVATE, Release, key_file
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "mtls"
HOST_FILE = f"{FOLDER}/host.conf"  # below the configuration folder: all that the server reads of ours
# The watchman of all sites: what it needs to know, what runs, and who it knocks as.
WATCH, WATCH_PROGRAM, WATCH_STRANGER = "watchman.json", "watchman.py", "watchman.pem"


class Store:
    """The releases of all sites of one server. C(conf) is the folder of its main configuration file."""

    def __init__(self, conf: str, disk: Disk | None = None) -> None:
        self.conf = conf
        self.root = os.path.join(conf, FOLDER)
        self.disk = disk or Disk()

    # -- reading

    def check(self) -> None:
        """Raises StoreError where somebody else could change what we write, or where we could not write or name it."""
        try:
            quoting.path(self.conf)
        except quoting.NotQuotable as error:
            words = f"httpd's configuration folder {self.conf} cannot be named in a directive ({error})"
            raise StoreError(Fault("bad-value", "", words, "move it elsewhere")) from None
        for path in (self.conf, self.root):
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(status.st_mode) and not (path == self.conf and os.path.isdir(path)):
                raise StoreError(Fault("in-the-way", "", f"{path} is not a directory", "move it away"))
            status = os.stat(path)
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
                raise StoreError(
                    Fault(
                        "untrusted-path",
                        "",
                        f"{path} can be changed by others than its server's user (owner {status.st_uid}, "
                        f"mode {stat.S_IMODE(status.st_mode):04o})",
                        "correct its owner and mode",
                    )
                )
            if os.statvfs(path).f_flag & os.ST_RDONLY:
                raise StoreError(explain_os_error(OSError(errno.EROFS, os.strerror(errno.EROFS), path)))
            if not os.access(path, os.W_OK):
                words = f"{path} cannot be written by user {os.geteuid()}"
                remedy = "run with become, or as the user that the server belongs to"
                raise StoreError(Fault("disk-refuses", "", words, remedy))
        for folder, folders, _files in os.walk(self.root):
            for path in (os.path.join(folder, name) for name in folders):
                owner = os.lstat(path).st_uid
                if owner not in (0, os.geteuid()):
                    words = f"{path} belongs to user {owner}, who could change what httpd reads"
                    remedy = f"look into it, then `chown -Rh {os.geteuid()} {self.root}`, and run again"
                    raise StoreError(Fault("untrusted-path", "", words, remedy))

    def domains(self) -> list[str]:
        """The sites that have a current release, sorted."""
        try:
            names = sorted(os.listdir(self.root))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [name for name in names if os.path.islink(self.path(name, "current"))]

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def current(self, domain: str, link: str = "current") -> str:
        """The name of the folder that a site's link leads to, empty where there is none.

        A hand may have written the link in another form (absolute, or with a slash at its end).
        """
        try:
            target = os.readlink(self.path(domain, link))
        except OSError:
            return ""
        target = os.path.relpath(os.path.normpath(os.path.join(self.path(domain), target)), self.path(domain))
        match = re.match(r"releases/([0-9a-f]{16}(?:\.\d+)?)$", target)
        return match.group(1) if match else ""

    def kept(self, domain: str) -> list[Kept]:
        """The releases of a site that are there, in the order in which each was last made current: that one is last.

        A version that wrote no history kept those that the links lead to, and may have switched since one was written.
        """
        current, previous = self.current(domain), self.current(domain, "previous")
        told = self._history(domain)
        moments = {each.folder: each.since for each in told}
        refusals = {each.folder: each.refusal for each in told}
        if current and [each.folder for each in told[-1:]] != [current]:
            made = os.lstat(self.path(domain, "current")).st_mtime  # of the link, which each switch makes anew
            moments[current] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made))
        names = [each.folder for each in told if each.folder != current]
        names += [previous] if previous not in ("", current, *names) else []
        return [
            Kept(name, moments.get(name, ""), refusals.get(name, ""))
            for name in dict.fromkeys([*names, *([current] if current else [])])
            if os.path.isdir(self.path(domain, "releases", name))
        ]

    def refusal(self, domain: str) -> str:
        """The SHA-256 of the page by which a site's current release refuses, empty where a status says so."""
        return next((each.refusal for each in self.kept(domain)[-1:]), "")

    def note_refusal(self, domain: str, digest: str) -> None:
        """Write down by which page a site's current release refuses."""
        kept = self.kept(domain)
        if kept and kept[-1].refusal != digest:
            kept[-1] = replace(kept[-1], refusal=digest)
            self.disk.put(self.path(domain, HISTORY), File(write_history(kept)))

    def _history(self, domain: str) -> list[Kept]:
        with suppress(StoreError, OSError):  # What stands there instead says nothing.
            entry = entry_of(self.path(domain, HISTORY))
            return read_history(entry.content) if isinstance(entry, File) else []
        return []

    def facts(self, domain: str) -> SiteFacts:
        """What the current release says of its site."""
        try:
            with open(self.path(domain, "current", FACTS), "rb") as stream:
                return SiteFacts.read(stream.read())
        except (OSError, ValueError):
            words = f"{self.path(domain, 'current', FACTS)} cannot be read"
            remedy = f"run with {domain} among the sites, or remove that site"
            raise StoreError(Fault("release-damaged", domain, words, remedy)) from None

    def read(self, domain: str, link: str) -> Release:
        """The release that a site's link leads to, as it was before its folder was filled in.

        Raises StoreError where there is none, or where it is not as it was written.
        """
        name = self.current(domain, link)
        if not name:
            words = f"{domain}: there is no {link} release on this host"
            raise StoreError(Fault("no-previous-release", domain, words, "deploy instead"))
        return self.read_folder(domain, name)

    def read_named(self, domain: str, name: str) -> Release:
        """The release of a site that has this name, as it was before its folder was filled in.

        Raises StoreError where none that is kept has it, or where it is not as it was written.
        """
        kept = self.kept(domain)
        for each in reversed(kept):
            if each.name == name:
                return self.read_folder(domain, each.folder)
        current = self.current(domain)
        told = [
            f"{each.name} (current)" if each.folder == current else f"{each.name} (from {each.since or 'before'})"
            for each in reversed(kept)
        ]
        words = f"{domain}: there is no release {name} on this host, whose releases are: {', '.join(told) or 'none'}"
        raise StoreError(Fault("no-such-release", domain, words, "name one of these, or deploy instead"))

    def read_folder(self, domain: str, name: str) -> Release:
        """The release in a folder of a site's releases, as it was before that was filled in.

        Raises StoreError where it is not as it was written.
        """
        folder = self.path(domain, "releases", name)
        public: dict[str, bytes] = {}
        private_key = None
        for each in os.listdir(folder):
            found = entry_of(os.path.join(folder, each)) if each != EMPTY else None
            if isinstance(found, File) and each == key_file(domain):
                private_key = Secret(found.content)
            elif isinstance(found, File):
                public[each] = found.content
        text = public.get(SITE, b"").decode(errors="surrogateescape")
        public[SITE] = quoting.emptied(text, folder).encode(errors="surrogateescape")
        release = Release(domain, public, private_key)
        if release.name != name.partition(".")[0]:
            remedy = f"deploy {domain} with its material"
            raise StoreError(Fault("release-damaged", domain, f"{folder} is not as it was written", remedy))
        return release

    def whole(self, release: Release, folder: str) -> bool:
        """Whether C(folder) holds just this release: names, bytes, modes and owner."""
        return not self.list_damage(release, folder)

    def list_damage(self, release: Release, folder: str) -> list[str]:
        """What keeps C(folder) from being just this release: names, bytes, modes and owner."""
        wanted = release.filled(folder)
        try:
            more = sorted(set(os.listdir(folder)) - {*wanted, EMPTY})
            found = [f"{name} does not belong there" for name in more]
            for name, file in wanted.items():
                words = describe_difference(entry_of(os.path.join(folder, name)), file)
                found += [f"{name} {words}"] if words else []
            empty = os.path.join(folder, EMPTY)
            found += [f"{EMPTY} is not empty"] if os.listdir(empty) else []
            parents = (self.root, self.path(release.domain), os.path.dirname(folder), folder)
            return found + [
                f"{each} is no folder of mode 0755" for each in (*parents, empty) if not folder_is_open(each)
            ]
        except OSError as error:
            return [f"{error.filename}: {error.strerror}"]
        except StoreError as error:
            return [str(error)]

    def place(self, release: Release) -> str:
        """The folder of a release.

        Its name, or with a number behind where that name is taken by one that was damaged.
        """
        now = self.current(release.domain)
        current = self.path(release.domain, "releases", now)
        if now.partition(".")[0] == release.name and self.whole(release, current):
            return current
        number = 0
        while True:
            name = release.name + (f".{number}" if number else "")
            folder = self.path(release.domain, "releases", name)
            # Where the current one is gone, its name stays free: a switch is what puts a release in its place.
            if self.whole(release, folder) or (name != now and not os.path.lexists(folder)):
                return folder
            number += 1

    # -- writing

    def stage(self, release: Release, folder: str) -> None:
        """Write a release whole under a name of its own, then give it its name."""
        for path in (self.root, self.path(release.domain), self.path(release.domain, "releases")):
            self.disk.folder(path)
        if os.path.lexists(folder):
            return
        new = os.path.join(os.path.dirname(folder), "." + os.path.basename(folder))
        if os.path.lexists(new):
            self.disk.remove(new)
        self.disk.folder(new)
        for name, file in release.filled(folder).items():
            self.disk.write(os.path.join(new, name), file)
        # The last one, as making it durable makes all entries of the release so, before it has its name.
        self.disk.folder(os.path.join(new, EMPTY))
        self.disk.rename(new, folder)
        self.disk.label(self.path(release.domain))

    def switch(self, changes: Sequence[Change]) -> None:
        """Make the changes, in their order. Their journal must be written.

        Raises StoreError where somebody changed one of the paths meanwhile: what they wrote is not lost.
        """
        for change in changes:
            found = entry_of(change.path)
            if not are_alike(found, change.before) and not are_alike(found, change.after):
                words = f"{change.path} was changed by somebody while this run was under way"
                raise StoreError(Fault("changed-meanwhile", "", words, "run again"))
            self.disk.put(change.path, change.after)
        self.disk.label(*[change.path for change in changes])

    def note(self, changes: Sequence[Change]) -> None:
        """Write the journal: how to go back from C(changes)."""
        self.disk.folder(self.root)
        self.disk.label(self.root)
        text = json.dumps(
            [[change.path, entry_to_json(change.before), entry_to_json(change.after)] for change in changes]
        )
        self.disk.put(self.path("journal"), File(text.encode(), PRIVATE))

    def done(self) -> None:
        """Remove the journal: the new state holds, or the old one again."""
        self.disk.put(self.path("journal"), None)

    def undo(self) -> bool:
        """Go back as the journal says, if there is one. Returns whether there was one. It stays until it is done()."""
        try:
            entry = entry_of(self.path("journal"))
        except (NotADirectoryError, PermissionError):
            return False
        if not isinstance(entry, File):
            return False
        try:
            backwards = [
                Change(path, entry_from_json(old), entry_from_json(new)) for path, old, new in json.loads(entry.content)
            ]
        except (ValueError, TypeError, KeyError):
            backwards = []  # Cannot be half-written, as it is put by a rename; damaged by others, it tells nothing.
        for change in reversed(backwards):
            if os.path.isdir(os.path.dirname(change.path)):
                self.disk.tidy(change.path)
            # What is neither of both was written by somebody else since, and stays.
            if os.path.isdir(os.path.dirname(change.path)) and are_alike(entry_of(change.path), change.after):
                self.disk.put(change.path, change.before)
        # Releases that are whole stay, as the live server may have been told of them.
        for unfinished in glob.glob(os.path.join(glob.escape(self.root), "*", "releases", ".*")):
            self.disk.remove(unfinished)
        with suppress(StoreError):  # What was renamed back has its folder's label at least.
            self.disk.label(*[change.path for change in backwards])
        return True

    def prune(self) -> None:
        """Remove the releases that are not kept, with their keys, then what is empty."""
        for path in self.leftovers():
            if os.path.isdir(path) and not os.path.islink(path):
                self.disk.remove(path)
            else:
                self.disk.put(path, None)

    def leftovers(self) -> list[str]:
        """What no site needs any more: of a run that was killed, of an older release, of a site that is gone."""
        if not os.path.isdir(self.root):
            return []
        found = []
        names = sorted(os.listdir(self.root))
        for name in names:
            path = self.path(name)
            if name.endswith(NEW_SUFFIX) or (os.path.isdir(path) and not os.path.lexists(self.path(name, "current"))):
                found.append(path)
            elif self.current(name):  # Another's link is not ours to judge.
                kept = {self.current(name), self.current(name, "previous")}
                kept |= {each.folder for each in self._history(name)}
                releases = self.path(name, "releases")
                if os.path.isdir(releases):  # A hand may have taken it away.
                    found += [os.path.join(releases, each) for each in os.listdir(releases) if each not in kept]
                found += [self.path(name, each) for each in os.listdir(path) if each.endswith(NEW_SUFFIX)]
        return [self.root] if {*map(self.path, names)} <= {*found} else found
