# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searches for secrets, in every form that they could have, in output, files and processes."""

from __future__ import annotations

import base64
import os
import re
import stat
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LARGEST = 16 << 20
_KINDS = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
# The lines of the two kinds of PEM in which the number of a P-256 key stands; the public key follows it.
_PRIVATE = {PrivateFormat.PKCS8: (1, 2), PrivateFormat.TraditionalOpenSSL: (1,)}
# What may stand between the characters of one text: folding, quotes, escapes of JSON, YAML, XML and Python.
_BETWEEN = re.compile(rb"(?:\\[nr]|&#1[03];|[\s'\"\\:])+")


def inside_base64(secret: bytes, times: int = 1) -> list[bytes]:
    """Return `secret`, and texts of which a base64 has one that encodes it somewhere, up to so many `times` over."""
    found, forms = [secret], [secret]
    for _time in range(times):
        forms = [base64.b64encode(form[offset:])[:-4] for form in forms for offset in range(3)]
        found += forms
    return found


@dataclass(frozen=True)
class Secret:
    """What must not be shown, and what betrays it. name: for who reads a failure."""

    name: str
    traces: tuple[bytes, ...] = field(repr=False)

    def within(self, where: bytes) -> bool:
        """Return whether `where` has a trace of it, also with its lines cut and quoted in whatever way."""
        joined = _BETWEEN.sub(b"", where)
        return any(trace in where or trace in joined for trace in self.traces)


def secret_key(name: str, key: EllipticCurvePrivateKey) -> Secret:
    """Return what betrays `key`: its number, raw, in hex and in base64, each line of its PEM, and these in base64.

    What travels to a host is PEM, in base64 within JSON within base64.
    """
    number = key.private_numbers().private_value.to_bytes(32, "big")
    pems = {kind: key.private_bytes(Encoding.PEM, kind, NoEncryption()).split(b"\n") for kind in _KINDS}
    lines = [pems[kind][line] for kind in _KINDS for line in _PRIVATE[kind]]
    # What is the same for each key, or public, is cut off.
    parts = [pems[_KINDS[0]][2][:24], pems[_KINDS[1]][1][12:52]]
    forms = [form for part in (number, *parts) for form in inside_base64(part, 2)]
    return Secret(name, (*lines, *forms, *(part.hex().encode() for part in (number, *lines))))


def secret_text(name: str, text: str) -> Secret:
    """Return what betrays a text of several words, or lines: each long one, in lower case too, its hex and base64."""
    words = [word.encode() for word in text.split() if len(word) >= 20 and "-----" not in word]
    forms = (form for word in words for form in (word.lower(), word.hex().encode(), *inside_base64(word, 2)))
    return Secret(name, tuple(forms))


def written_since(moment: float, *roots: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files below `roots` that were written after `moment` (seconds since the epoch), with their content."""
    for root in roots:
        for path in (Path(folder, name) for folder, names in on_one_device(root) for name in names):
            with suppress(OSError):  # other programs' files come and go
                status = path.lstat()
                changed = max(status.st_mtime, status.st_ctime)
                if stat.S_ISREG(status.st_mode) and changed >= moment and status.st_size < LARGEST:
                    yield path, path.read_bytes()


def on_one_device(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Walk the folders below `root`, but for other file systems: a container's /proc never ends."""
    device = root.stat().st_dev
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if _device(folder, name) == device]
        yield folder, names


def _device(folder: str, name: str) -> int:
    with suppress(OSError):
        return Path(folder, name).lstat().st_dev
    return -1


@contextmanager
def processes() -> Iterator[set[bytes]]:
    """Return what stands in the arguments and environments of all processes, containers' too, while it lasts."""
    seen: set[bytes] = set()
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):  # processes come and go
                        seen.add((process / name).read_bytes())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
