# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One run at a time."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError, explain_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator


def lock_path(conf: str) -> str:
    """Where the lock of a configuration folder lies.

    For root a file in /run that nobody else can open, as whoever can, can hold it; else the folder itself.
    """
    if os.geteuid() != 0 or not os.path.isdir("/run"):
        return conf
    return f"/run/mtls-httpd.{hashlib.sha256(conf.encode()).hexdigest()[:16]}.lock"


def rehearsal_folder(conf: str) -> str:
    """The folder of a reduced rehearsal beside a configuration folder: for root in memory (/run), as keys lie in it."""
    if os.geteuid() == 0 and os.path.isdir("/run"):
        return lock_path(conf).removesuffix(".lock") + ".rehearsal"
    return os.path.join(conf, ".mtls-rehearsal")


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
            fault = explain_os_error(error, path)
            raise StoreError(replace(fault, message=f"the lock cannot be taken: {fault.message}")) from None
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
                raise StoreError(Fault("disk-refuses", "", f"{conf} cannot be locked: {error.strerror}", "")) from None
        if time.monotonic() > deadline:
            words = f"another run holds the lock on {conf} ({_lock_holder(handle)}), waited {seconds:.0f} seconds"
            raise StoreError(Fault("locked", "", words, "run again when it has ended"))
        time.sleep(0.05)


def _lock_holder(handle: int) -> str:
    inode = os.fstat(handle).st_ino
    with open("/proc/locks", encoding="ascii") as stream:
        for line in stream:
            fields = line.split()
            if "->" not in fields and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                return f"process {fields[4]}"
    return "an unknown process"
