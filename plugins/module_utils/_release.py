# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The store of releases, the switch and the journal.

The invariant: at every moment each site's C(current) leads to one whole release, and a release never changes once it
has its name. A switch is one rename(2) of a link. The pattern is that of Kubernetes' atomic writer and certbot's live/
and archive/.

    <conf>/mtls/host.conf                       what the server needs for all sites: modules, Listen, Include
    <conf>/mtls/journal                         there only while a switch is under way: how to go back
    <conf>/mtls/www.example.com/current         -> releases/3f9c…
    <conf>/mtls/www.example.com/previous        -> releases/81aa…, the one to roll back to
    <conf>/mtls/www.example.com/releases/3f9c…/ certificate, private key (0600), client CA, site.conf, site.json
"""

from __future__ import annotations

import base64
import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._machine import selinux

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOLDER = "mtls"
SITE = "site.conf"
FACTS = "site.json"
CLIENT_CA = "TencentQQAuthCA.crt"
CRL = "TencentQQAuthCA.crl"
BACKEND_CA = "backend-ca.crt"
EMPTY = "empty"
PINNED = "certificate:"  # before the name of a file, in the pins of a site's facts
_NEW = ".mtls-new"


_FULL = "free space, or inodes (`df`, `df -i`), and run again"
_IN_THE_WAY = "move away what stands there, and run again"
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "the kernel's log says why; mount it writable, and run again",
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.EPERM: "is it immutable (`lsattr`), or does a security module forbid it?",
    errno.EACCES: "run with become, or see whether a security module forbids it",
}


class StoreError(Exception):
    """The store, or a path of ours, is not as it must be. One line, for an operator."""


def why(error: OSError, place: str = "a system call") -> str:
    """What the kernel refused, where, and what to do, in one line. C(place): where the error names no path."""
    advice = _ADVICE.get(error.errno or 0)
    return f"{error.filename2 or error.filename or place}: {error.strerror}" + (f": {advice}" if advice else "")


def unwritable(folder: str, files: int) -> list[str]:
    """Why httpd could not make so many new files of a block each in C(folder), in one line."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        return [f"{why(error)}: httpd makes files there, so make it again, and run again"]
    root = os.geteuid() == 0  # what is kept back for root is ours too
    blocks, inodes = (disk.f_bfree, disk.f_ffree) if root else (disk.f_bavail, disk.f_favail)
    # A small one, such as a tmpfs for a PidFile, need not have more free than half; none in all means no limit.
    full = blocks < min(files, (disk.f_blocks + 1) // 2) or inodes < min(files, (disk.f_files + 1) // 2)
    number = errno.EROFS if disk.f_flag & os.ST_RDONLY else errno.ENOSPC if full else 0
    return [why(OSError(number, os.strerror(number), folder))] if number else []


@dataclass(frozen=True)
class Link:
    """A symbolic link, with its target as written."""

    target: str


@dataclass(frozen=True)
class File:
    """A plain file: its bytes, mode, and owner (-1 leaves owner or group)."""

    content: bytes
    mode: int = 0o644
    uid: int = -1
    gid: int = -1


Entry = Union[Link, File, None]


@dataclass(frozen=True)
class Change:
    """A path that goes from one entry to another; None is nothing there."""

    path: str
    before: Entry
    after: Entry


@dataclass(frozen=True)
class Facts:
    """What a release says of its site, as site.json: for the host-level file, its neighbours, and a later way back.

    port: TCP port. listen: IP addresses, none for all. modules: names of httpd modules that it needs beside mod_ssl.
    welcome: those that it uses where the host has them. versions: of TLS that it speaks, as TLSv1.3.
    certificate_sha256: what is served, lower-case hexadecimal. client_ca_names: their subjects (RFC 4514).
    verify_client: the SSLVerifyClient in force. open_paths: those that need no certificate, where all others do.
    protected_paths: those that need one, where the others do not. pins: the clients of the client CA that may call, as
    C(subject:…), C(dns:…), C(email:…) or C(certificate:client-1.crt), a file of the release; all of them where there
    is none. backend_ca: whether backends show a certificate, of the file BACKEND_CA of the release. access_log,
    error_log: its own, by name in the folder of the server's logs, or by absolute path; empty where the server's take
    its lines. included: whether site.conf holds directives alone, for a virtual host of the user's to include. begins,
    ends: when the last of its certificates becomes valid, and when the first ends, in UTC, as 2026-11-23T16:39:00Z.
    renewal_hook: path of the host's program that takes its material anew, empty for none. crl_check: none, chain or
    leaf. crl_ends: when the first of the client CAs' revocation lists is due to be renewed, empty where none is.
    stapling: whether OCSP answers are sent along.
    """

    domain: str
    port: int
    listen: tuple[str, ...]
    aliases: tuple[str, ...]
    modules: tuple[str, ...]
    welcome: tuple[str, ...]
    versions: tuple[str, ...]
    certificate_sha256: str
    client_ca_names: tuple[str, ...]
    verify_client: str
    open_paths: tuple[str, ...]
    protected_paths: tuple[str, ...]
    pins: tuple[str, ...]
    backend_ca: bool
    access_log: str
    error_log: str
    included: bool
    begins: str
    ends: str
    renewal_hook: str = ""
    crl_check: str = "none"
    crl_ends: str = ""
    stapling: bool = False

    @classmethod
    def read(cls, content: bytes) -> Facts:
        """The facts of the bytes of a site.json. Raises ValueError for anything else."""
        data = json.loads(content)
        try:
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
            }
            facts = cls(**values)
        except (TypeError, AttributeError):
            raise ValueError("other names than those of site.json") from None
        if facts.content != content:
            raise ValueError("not as it is written")
        return facts

    @property
    def mutual_tls(self) -> str:
        """What a client without a certificate meets at `/`: C(enforced), if it gets nothing there, or C(optional)."""
        return "enforced" if self.verify_client == "require" or self.open_paths else "optional"

    @property
    def logs(self) -> list[str]:
        return [log for log in (self.access_log, self.error_log) if log]

    @property
    def pinned_files(self) -> dict[str, str]:
        """The files of the release that hold a client's certificate, by pin."""
        return {pin: pin[len(PINNED) :] for pin in self.pins if pin.startswith(PINNED)}

    @property
    def content(self) -> bytes:
        """The bytes of the site.json."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


@dataclass(frozen=True)
class Release:
    """A site's release to be: its files by name, with RELEASE standing for its folder in site.conf."""

    domain: str
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The hash of all names and contents, so that equal wishes are one release."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            for part in (name.encode(), self.files[name]):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:16]

    @cached_property
    def facts(self) -> Facts:
        return Facts.read(self.files[FACTS])

    def filled(self, folder: str) -> dict[str, bytes]:
        """The files as they lie in C(folder), an absolute path on the host."""
        files = dict(self.files)
        files[SITE] = quoting.filled(files[SITE].decode(), folder).encode()
        return files


def mode_of(name: str) -> int:
    return 0o600 if name.endswith(".key") else 0o644


class Disk:
    """Every write to the disk, one primitive action a method. Each is durable when it returns, and follows no link."""

    def put(self, path: str, entry: Entry) -> None:
        """Make C(path) the entry, by one rename, or remove it."""
        new = self.tidy(path)
        if entry is None:
            try:
                os.unlink(path)
            except FileNotFoundError:
                return
        elif isinstance(entry, Link):
            os.symlink(entry.target, new)
            os.rename(new, path)
        else:
            self.write(new, entry)
            os.rename(new, path)
        self._sync(os.path.dirname(path))

    def write(self, path: str, file: File) -> None:
        """Write a new file. It is 0600 from its first byte until it has its owner and mode."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb", closefd=False) as stream:
                stream.write(file.content)
            if (file.uid, file.gid) != (-1, -1):
                os.fchown(handle, file.uid, file.gid)
            os.fchmod(handle, file.mode)
            os.fsync(handle)
        except OSError as error:
            os.unlink(path)
            error.filename = path  # A write(2) that fails names none.
            raise
        finally:
            os.close(handle)

    def folder(self, path: str) -> None:
        """Make a folder where there is none yet."""
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
            if folder_is_open(path):
                return
        os.chmod(path, 0o755)
        self._sync(os.path.dirname(path))

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)
        self._sync(os.path.dirname(new))

    def label(self, *paths: str) -> None:
        """Give paths, and what is below them, the labels of SELinux's policy, where it is on."""
        failed = selinux.relabel(paths)
        if failed:
            raise StoreError(f"{failed}, so httpd might not read what is there: mend the policy, then run again")

    def remove(self, path: str) -> None:
        """Remove a folder and all in it."""
        shutil.rmtree(path)
        self._sync(os.path.dirname(path))

    @staticmethod
    def tidy(path: str) -> str:
        """The name under which C(path) is made before it is renamed; what a killed run left there is removed."""
        new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{_NEW}")
        with suppress(FileNotFoundError):
            os.unlink(new)
        return new

    @staticmethod
    def _sync(folder: str) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def folder_is_open(path: str) -> bool:
    """Whether a folder of ours lets httpd's workers in: a run that was killed, or a hand, may have left it closed."""
    return stat.S_IMODE(os.lstat(path).st_mode) == 0o755


def entry_of(path: str) -> Entry:
    """What lies at C(path), not following a link. Raises StoreError for a folder or device there."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return Link(os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(
            f"{path} is neither a file nor a link, and stands where this collection puts one: move it away"
        )
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        return File(stream.read(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


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
            raise StoreError(
                f"httpd's configuration folder {self.conf} cannot be named in a directive ({error}): move it elsewhere"
            ) from None
        for path in (self.conf, self.root):
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(status.st_mode) and not (path == self.conf and os.path.isdir(path)):
                raise StoreError(f"{path} is not a directory: move it away")
            status = os.stat(path)
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
                raise StoreError(
                    f"{path} can be changed by others than its server's user (owner {status.st_uid}, "
                    f"mode {stat.S_IMODE(status.st_mode):04o}): mend its owner and mode"
                )
            if os.statvfs(path).f_flag & os.ST_RDONLY:
                raise StoreError(why(OSError(errno.EROFS, os.strerror(errno.EROFS), path)))
            if not os.access(path, os.W_OK):
                raise StoreError(
                    f"{path} cannot be written by user {os.geteuid()}: run with become, or as the "
                    "user that the server belongs to"
                )
        for folder, folders, _files in os.walk(self.root):
            for path in (os.path.join(folder, name) for name in folders):
                owner = os.lstat(path).st_uid
                if owner not in (0, os.geteuid()):
                    raise StoreError(
                        f"{path} belongs to user {owner}, who could change what httpd reads: look into it, then "
                        f"`chown -Rh {os.geteuid()} {self.root}`, and run again"
                    )

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

    def facts(self, domain: str) -> Facts:
        """What the current release says of its site."""
        try:
            with open(self.path(domain, "current", FACTS), "rb") as stream:
                return Facts.read(stream.read())
        except (OSError, ValueError):
            raise StoreError(
                f"{self.path(domain, 'current', FACTS)} cannot be read: "
                f"run with {domain} among the sites, or remove that site"
            ) from None

    def read(self, domain: str, link: str) -> Release:
        """The release that a site's link leads to, as it was before its folder was filled in.

        Raises StoreError where there is none, or where it is not as it was written.
        """
        name = self.current(domain, link)
        if not name:
            raise StoreError(f"{domain}: there is no {link} release on this host: deploy instead")
        folder = self.path(domain, "releases", name)
        files = {}
        for each in os.listdir(folder):
            found = entry_of(os.path.join(folder, each)) if each != EMPTY else None
            if isinstance(found, File):
                files[each] = found.content
        text = files.get(SITE, b"").decode(errors="surrogateescape")
        files[SITE] = quoting.emptied(text, folder).encode(errors="surrogateescape")
        release = Release(domain, files)
        if release.name != name.partition(".")[0]:
            raise StoreError(f"{folder} is not as it was written: deploy {domain} with its material")
        return release

    def whole(self, release: Release, folder: str) -> bool:
        """Whether C(folder) holds just this release: names, bytes, modes and owner."""
        return not self.faults(release, folder)

    def faults(self, release: Release, folder: str) -> list[str]:
        """What keeps C(folder) from being just this release: names, bytes, modes and owner."""
        wanted = release.filled(folder)
        try:
            more = sorted(set(os.listdir(folder)) - {*wanted, EMPTY})
            found = [f"{name} does not belong there" for name in more]
            for name, content in wanted.items():
                words = difference(entry_of(os.path.join(folder, name)), File(content, mode_of(name), os.geteuid()))
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
        for name, content in release.filled(folder).items():
            self.disk.write(os.path.join(new, name), File(content, mode_of(name)))
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
            if not _alike(found, change.before) and not _alike(found, change.after):
                raise StoreError(f"{change.path} was changed by somebody while this run was under way: run again")
            self.disk.put(change.path, change.after)
        self.disk.label(*[change.path for change in changes])

    def note(self, changes: Sequence[Change]) -> None:
        """Write the journal: how to go back from C(changes)."""
        self.disk.folder(self.root)
        self.disk.label(self.root)
        text = json.dumps([[change.path, _packed(change.before), _packed(change.after)] for change in changes])
        self.disk.put(self.path("journal"), File(text.encode(), 0o600))

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
            backwards = [Change(path, _unpacked(old), _unpacked(new)) for path, old, new in json.loads(entry.content)]
        except (ValueError, TypeError, KeyError):
            backwards = []  # Cannot be half-written, as it is put by a rename; damaged by others, it tells nothing.
        for change in reversed(backwards):
            if os.path.isdir(os.path.dirname(change.path)):
                self.disk.tidy(change.path)
            # What is neither of both was written by somebody else since, and stays.
            if os.path.isdir(os.path.dirname(change.path)) and _alike(entry_of(change.path), change.after):
                self.disk.put(change.path, change.before)
        # Releases that are whole stay, as the live server may have been told of them.
        for unfinished in glob.glob(os.path.join(glob.escape(self.root), "*", "releases", ".*")):
            self.disk.remove(unfinished)
        with suppress(StoreError):  # What was renamed back has its folder's label at least.
            self.disk.label(*[change.path for change in backwards])
        return True

    def prune(self) -> None:
        """Remove the releases that no link leads to, with their keys, then what is empty."""
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
            if name.endswith(_NEW) or (os.path.isdir(path) and not os.path.lexists(self.path(name, "current"))):
                found.append(path)
            elif self.current(name):  # Another's link is not ours to judge.
                kept = {self.current(name), self.current(name, "previous")}
                releases = self.path(name, "releases")
                if os.path.isdir(releases):  # A hand may have taken it away.
                    found += [os.path.join(releases, each) for each in os.listdir(releases) if each not in kept]
                found += [self.path(name, each) for each in os.listdir(path) if each.endswith(_NEW)]
        return [self.root] if {*map(self.path, names)} <= {*found} else found


def lock_path(conf: str) -> str:
    """Where the lock of a configuration folder lies.

    For root a file in /run that nobody else can open, as whoever can, can hold it; else the folder itself.
    """
    if os.geteuid() != 0 or not os.path.isdir("/run"):
        return conf
    return f"/run/mtls-httpd.{hashlib.sha256(conf.encode()).hexdigest()[:16]}.lock"


@contextmanager
def locked(conf: str, seconds: float) -> Iterator[None]:
    """Hold the lock of a configuration folder (flock(2)). Nothing of it is left afterwards.

    Waits at most C(seconds). Raises StoreError that names the process that holds it.
    """
    path = lock_path(conf)
    flags = os.O_RDONLY | os.O_DIRECTORY if path == conf else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    deadline = time.monotonic() + seconds
    while True:
        try:
            handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise StoreError(f"the lock cannot be taken: {why(error, path)}") from None
        try:
            _lock(handle, conf, deadline, seconds)
            # The one before us may have removed the file that we waited for.
            try:
                if os.stat(path).st_ino != os.fstat(handle).st_ino:
                    continue
            except FileNotFoundError:
                continue
            try:
                yield
            finally:
                if path != conf:
                    os.unlink(path)
            return
        finally:
            os.close(handle)


def _lock(handle: int, conf: str, deadline: float, seconds: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreError(f"{conf} cannot be locked: {error.strerror}") from None
        if time.monotonic() > deadline:
            raise StoreError(
                f"another run holds the lock on {conf} ({_lock_holder(handle)}), "
                f"waited {seconds:.0f} seconds: run again when it has ended"
            )
        time.sleep(0.05)


def _lock_holder(handle: int) -> str:
    inode = os.fstat(handle).st_ino
    with open("/proc/locks", encoding="ascii") as stream:
        for line in stream:
            fields = line.split()
            if "->" not in fields and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                return f"process {fields[4]}"
    return "an unknown process"


def difference(found: Entry, wanted: Entry) -> str:
    """What was done to a path where C(wanted) had been put, as the end of a sentence; empty for nothing."""
    if found is None or wanted is None:
        return "is gone" if wanted else "does not belong there" if found else ""
    if isinstance(found, File) and isinstance(wanted, File):
        if found.content != wanted.content:
            return "was edited"
        if found.mode != wanted.mode:
            return f"has mode {found.mode:04o}"
        owner = os.geteuid() if wanted.uid == -1 else wanted.uid
        return "" if found.uid == owner else f"belongs to user {found.uid}"
    if isinstance(found, Link):
        return "" if found == wanted else "leads elsewhere"
    return "is a plain file"


def _alike(one: Entry, other: Entry) -> bool:
    """Whether two entries are the same to a reader; owners may be left open."""
    if isinstance(one, File) and isinstance(other, File):
        return (one.content, one.mode) == (other.content, other.mode)
    return one == other


def _packed(entry: Entry) -> Any:
    if isinstance(entry, Link):
        return {"link": entry.target}
    if isinstance(entry, File):
        return {
            "content": base64.b64encode(entry.content).decode(),
            "mode": entry.mode,
            "uid": entry.uid,
            "gid": entry.gid,
        }
    return None


def _unpacked(packed: Any) -> Entry:
    if packed is None:
        return None
    if "link" in packed:
        return Link(packed["link"])
    return File(base64.b64decode(packed["content"]), packed["mode"], packed["uid"], packed["gid"])
