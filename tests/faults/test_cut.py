# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Over SSH: a controller that is killed in the midst of a run, a connection that is cut, two runs against one host."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._store import lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Remote
    from container import Container


def is_whole_and_healed_by_the_next_run(remote: Remote) -> None:
    """See that the host serves, that the module ends what it began, and that one more run leaves nothing to do."""
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    deadline = time.monotonic() + 30
    while remote.host.shell(f"ls -d {remote.store}/journal /run/mtls-httpd.* 2>/dev/null || true"):
        assert time.monotonic() < deadline, "the module did not end"
        time.sleep(0.1)
    remote.deploy()
    assert remote.ask(remote.material.client).certificate_sha256 == remote.material.server.sha256
    assert remote.deploy().recap["changed"] == 0


def renew(remote: Remote) -> None:
    """Deploy, and make another certificate."""
    remote.deploy()
    server = remote.material.public.issue(remote.material.domain)
    remote.material.put(server)
    object.__setattr__(remote.material, "server", server)


def test_a_controller_that_is_killed_leaves_the_host_to_the_module_which_ends_its_work(
    remote: Remote, over_ssh: tuple[str, str]
) -> None:
    renew(remote)
    script = f"until [ -e {remote.store}/journal ]; do :; done"
    watcher = subprocess.Popen(["podman", "exec", remote.host.name, "timeout", "60", "sh", "-c", script])

    def kill() -> None:
        watcher.wait()
        for entry in Path("/proc").glob("[0-9]*"):  # Ansible, its worker, and its ssh.
            with suppress(OSError):
                if (entry / "cwd").readlink() == remote.folder:
                    os.kill(int(entry.name), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert remote.play(*over_ssh).status == -signal.SIGKILL
    killer.join()
    is_whole_and_healed_by_the_next_run(remote)


def test_a_connection_that_is_cut_is_said_and_the_module_ends_its_work(
    remote: Remote, over_ssh: tuple[str, str], meanwhile: Callable[[Container, str, str], None]
) -> None:
    renew(remote)
    meanwhile(remote.host, f"[ -e {remote.store}/journal ]", "pkill -KILL -f 'sshd.*[@]notty' || true")
    run = remote.play(*over_ssh)
    assert run.status == 4, run.output  # Ansible's code for a host that it does not reach.
    assert "UNREACHABLE!" in run.output
    is_whole_and_healed_by_the_next_run(remote)


def test_of_two_runs_at_once_one_waits_for_the_other(remote: Remote, over_ssh: tuple[str, str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [run.result() for run in [pool.submit(remote.play, *over_ssh) for _number in range(2)]]
    assert [run.status for run in runs] == [0, 0], runs
    assert sorted(run.recap["changed"] for run in runs) == [0, 1]


@pytest.mark.skipif(
    not os.environ.get("LONG"),
    reason="the lock is waited for as long as it is in earnest, a minute: make test-long tries it",
)
def test_a_run_that_does_not_end_is_named_to_the_one_that_waits(remote: Remote) -> None:
    path = lock.lock_path(remote.layout.conf)
    remote.host.shell(f"setsid flock {path} sleep 90 >/dev/null 2>&1 & sleep 0.2")
    holder = remote.host.shell("pgrep -f '[f]lock /run/mtls' | head -1")
    words = " ".join(remote.play().output.split())
    remote.host.shell(f"kill {holder}; pkill -x sleep; rm -f {path}")
    assert f"another run holds the lock on {remote.layout.conf} (process {holder}), waited 60 seconds" in words
    assert "run again when it has ended. Nothing was touched" in words
