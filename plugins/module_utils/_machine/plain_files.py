# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files that others may put in the place of one that is read: with these, reading neither waits nor does anything."""

from __future__ import annotations

import os
import stat

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths

# Where the kernel makes what is read as it is read, such as /proc/kmsg, which nobody else reads then.
_OF_KERNEL = ("/proc", "/sys")


def read_beginning(path: str, most: int) -> bytes:
    """How a plain file on a disk begins, by C(most) bytes; nothing where there is none, or something else."""
    path = os.path.realpath(path)
    if any(trusted_paths.lies_within(path, each) for each in _OF_KERNEL):
        return b""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):  # To open a device may set it off.
            return b""
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as stream:
            is_plain = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            return (stream.read(most) or b"") if is_plain else b""  # None where it has nothing yet
    except OSError:
        return b""
