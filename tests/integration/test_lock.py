# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a host: one run at a time."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

from demo_material import key_pem, new_key

from ansible_collections.mtls.httpd.plugins.module_utils._store import lock
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run

if TYPE_CHECKING:
    import pytest
    from host import Host


def test_a_lock_that_another_run_holds_is_waited_for_and_its_holder_named(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LOCK_SECONDS", 0.3)
    handle = os.open(lock.lock_path(str(host.conf)), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    message = host.refused(host.wish())
    assert f"process {os.getpid()}" in message
    monkeypatch.setattr(run, "LOCK_SECONDS", 20.0)
    threading.Timer(0.5, os.close, (handle,)).start()
    host.apply(host.wish())
    assert host.enforces()


def test_a_refused_run_leaves_no_lock(host: Host) -> None:
    host.refused(host.wish(key=key_pem(new_key())))
    path = lock.lock_path(str(host.conf))
    assert path == str(host.conf) or not os.path.lexists(path)
