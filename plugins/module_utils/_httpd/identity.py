# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which httpd it is, whatever an inventory calls its host."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

_BOOT = "/proc/sys/kernel/random/boot_id"  # Machines made of one image have one machine-id, and each a boot of its own.
_DIGITS = 16


def identify(server: Server) -> str:
    """What tells it from every other httpd, as long as it runs; empty where it does not, or that is not to be known.

    By the boot of its kernel, its configuration's file, and its parent process: containers of one kernel have files of
    their own, and where they share one, they are different processes.
    """
    if server.parent is None or not server.running():
        return ""
    boot = commands.read(_BOOT).strip()
    try:
        config = os.stat(server.config)
    except OSError:
        return ""
    told = repr((boot, config.st_dev, config.st_ino, server.parent.pid, server.parent.started))
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGITS] if boot else ""
