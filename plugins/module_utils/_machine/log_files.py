# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The lines of a log file and of what a rotation made of it, newest file first, bounded in bytes and in time.

Nothing is written. A link is followed only where nobody but root or this user could have set it.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import stat
import time
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Protocol

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.trusted_paths import Untrusted, follow_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18
# httpd cuts what a client says at 8,190 bytes a field, and escapes each byte by four at most.
_LONGEST_LINE = 1 << 16
# What logrotate(8) puts behind a name: a number or a date. Before its extension it puts a date alone.
_ROTATED = r"[.-]\d[\d._T:-]*"
_DATED = r"[.-]\d{4}[\d._T:-]*"
_PACKED = r"\.(?:gz|bz2|xz|zst|Z)"
_GZIP = ".gz"
_MAGIC = b"\x1f\x8b"
_MORE = "not all of it was read, as there is more than the bounds allow"


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes | None: ...


class Bounds:
    """How far logs are read: lines from C(since) on (seconds since 1970), so many bytes, for so many seconds in all.

    What several logs take of one of these is taken from the others. Packed logs count as unpacked.
    """

    def __init__(self, since: float, *, size: int, seconds: float) -> None:
        self.since, self.left = since, size
        self._deadline = time.monotonic() + seconds

    def are_met(self) -> bool:
        """Return whether nothing more is to be read."""
        return self.left <= 0 or time.monotonic() > self._deadline


class LogFiles:
    """A log by the path that httpd has it under, with the files that it was rotated to.

    faults: why what is there was not read, or not to its beginning; complete once `lines` has ended.
    """

    def __init__(self, path: str, bounds: Bounds) -> None:
        self.path, self._bounds = path, bounds
        self.faults: list[Fault] = []

    def lines(self) -> Iterator[str]:
        """Yield the lines, without their ends; those of one file in their order."""
        with ExitStack() as stack:
            try:
                folder, open_folder = _open_folder(os.path.dirname(self.path))
                stack.callback(os.close, open_folder)
                names = _list_files(open_folder, os.path.basename(self.path))
            except FileNotFoundError:
                names = []
            except (OSError, Untrusted) as error:
                self._note(str(error) if isinstance(error, Untrusted) else error.strerror or "it cannot be read")
                return
            if not names:
                self._note("there is no such file")
            for name in (name for name, changed in names if changed >= self._bounds.since):
                if self._bounds.are_met():
                    self._note(_MORE)
                    return
                yield from self._lines_of(os.path.join(folder, name), name, open_folder)

    def _lines_of(self, path: str, name: str, folder: int) -> Iterator[str]:
        packed = re.search(_PACKED + r"\Z", name)
        if packed and packed.group() != _GZIP:
            self._note(f"{name} is packed in a way that is not read")
            return
        try:
            with _open_file(path, name, folder) as stream:
                if packed:
                    yield from self._split(self._unpacked(stream))
                else:
                    skipped = max(0, os.fstat(stream.fileno()).st_size - self._bounds.left)
                    stream.seek(skipped)
                    # What stands before the first line's end is a part of a line.
                    yield from itertools.islice(self._split(self._chunks(stream)), bool(skipped), None)
                    if skipped:
                        self._note(_MORE)
        except Untrusted as error:
            self._note(str(error))
        except (OSError, EOFError) as error:
            self._note(f"{name}: {error.strerror or 'it is damaged'}" if isinstance(error, OSError) else f"{name}: cut")

    def _unpacked(self, stream: IO[bytes]) -> Iterator[bytes]:
        """Yield what a packed file holds, by bounded reads: what pads one may be long, and packed bytes count too.

        Raises OSError for what is no gzip, and EOFError for what is cut (RFC 1952; a file may have several members).
        """
        import zlib  # Here, as few hosts need it in each run.

        member, packed = zlib.decompressobj(wbits=31), b""
        try:
            while not self._bounds.are_met():
                packed = packed or stream.read(_CHUNK)
                if not packed:
                    raise EOFError
                unpacked = member.decompress(packed, _CHUNK)
                # What is padding costs as much as what is not.
                self._bounds.left -= max(len(unpacked), len(packed) - len(member.unconsumed_tail))
                if unpacked:
                    yield unpacked
                packed = member.unconsumed_tail
                if member.eof:
                    packed = member.unused_data
                    if len(packed) < len(_MAGIC):
                        packed += stream.read(_CHUNK)
                    if not packed.startswith(_MAGIC):  # nothing more, or padding
                        return
                    member = zlib.decompressobj(wbits=31)
            self._note(_MORE)
        except zlib.error:
            raise OSError("damaged") from None

    def _chunks(self, stream: Readable) -> Iterator[bytes]:
        while True:
            if self._bounds.are_met():
                if stream.read(1):
                    self._note(_MORE)
                return
            chunk = stream.read(min(_CHUNK, self._bounds.left))
            if not chunk:
                return
            self._bounds.left -= len(chunk)
            yield chunk

    @staticmethod
    def _split(chunks: Iterator[bytes]) -> Iterator[str]:
        """Yield the lines of a text that comes in chunks; of one that is too long, its beginning."""
        rest = b""
        for chunk in chunks:
            first, *others = chunk.split(b"\n")
            rest = (rest + first)[:_LONGEST_LINE]
            for other in others:
                yield rest.decode("utf-8", "replace")
                rest = other[:_LONGEST_LINE]
        if rest:
            yield rest.decode("utf-8", "replace")

    def _note(self, why: str) -> None:
        fault = Fault("log-unread", "", f"{self.path}: {why}", "")
        if fault not in self.faults:
            self.faults.append(fault)


def _open_folder(path: str) -> tuple[str, int]:
    """Open a folder of logs; return its path, with no link in it, and its descriptor. Raises OSError or Untrusted.

    Another user's folder is opened too, as the server's is on some hosts: then no link in it is followed.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        folder = follow_path(path, group=True)
    except Untrusted:
        folder = os.path.join(follow_path(os.path.dirname(path), group=True), os.path.basename(path))
    return folder, os.open(folder, flags)


def _open_file(path: str, name: str, folder: int) -> IO[bytes]:
    """Open a plain file of an open folder, by a link where that can be trusted. Raises OSError or Untrusted."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        descriptor = os.open(follow_path(path, group=True), flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file")
    return os.fdopen(descriptor, "rb", buffering=0)


def _list_files(folder: int, base: str) -> list[tuple[str, float]]:
    """Return the files of a log in an open folder, each with when it was written to last, the newest first."""
    stem, extension = map(re.escape, os.path.splitext(base))
    named = re.compile(rf"(?:{stem}{extension}(?:{_ROTATED}?)?|{stem}{_DATED}?{extension})(?:{_PACKED})?\Z")
    found = []
    for name in filter(named.match, os.listdir(folder)):
        with suppress(OSError):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            # The time of a link says nothing of what it leads to.
            found.append((name, float("inf") if stat.S_ISLNK(status.st_mode) else status.st_mtime))
    return sorted(found, key=lambda each: (each[0] == base, each[1]), reverse=True)
