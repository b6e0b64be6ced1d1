# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk that takes no more: full at each write, out of inodes, read-only before a run and in the midst of one."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from container import podman
from embedded_httpd import EmbeddedHttpd
from host import Host, until

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Layout, Remote, SiteMaterial
    from container import Container
    from playing import Run

LONG = bool(os.environ.get("LONG"))  # The sweep of a first deployment too.
COLLECTION = Path(__file__).resolve().parents[2]
ON_HOST = "/opt/tests/ansible_collections/mtls/httpd"


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    return ("--cap-add=SYS_ADMIN",)


@pytest.fixture(scope="module", autouse=True)
def small_disk(machine: Container, layout: Layout) -> None:
    """Make the host's configuration folder a small disk of its own, which a service sees that starts afterwards."""
    machine.shell(layout.stop)
    machine.shell(
        f"cp -a {layout.conf} /root/conf && mount -t tmpfs -o size=4m,nr_inodes=800,mode=755 tmpfs {layout.conf} && "
        f"cp -a /root/conf/. {layout.conf} && rm -r /root/conf && mkdir -p {ON_HOST}/plugins"
    )
    machine.shell(layout.start)
    podman("cp", str(COLLECTION / "plugins/module_utils"), f"{machine.name}:{ON_HOST}/plugins/module_utils")
    for program in (Path(__file__).parent / "on_host/fill.py", COLLECTION / "tests/support/filling.py"):
        podman("cp", str(program), f"{machine.name}:/opt/tests/")


def requested(material: SiteMaterial, folder: Path) -> str:
    """Return what the controller sends to have the site on port 443, each time with another certificate."""
    wishes = Host(EmbeddedHttpd(folder, binary="none"), material.public, material.chat, 443, make_probes())
    wish = wishes.wish(material.domain)
    return request.packed(request.Request((wish,), wishes.probes, None, None, True, True, False, 0.0))


@pytest.mark.parametrize("what", ["blocks", "inodes"])
def test_wherever_the_disk_is_full_the_run_fails_and_the_host_is_as_before(
    remote: Remote, what: str, tmp_path: Path
) -> None:
    conf = remote.layout.conf
    if not LONG:
        remote.deploy()
    for purpose in ("first deployment", "renewal") if LONG else ("renewal",):
        try:
            said = remote.host.run(
                "env", "PYTHONPATH=/opt/tests", "python3", "/opt/tests/fill.py", conf, what,
                text=requested(remote.material, tmp_path),
            )  # fmt: skip
        finally:
            remote.host.shell(f"rm -r {conf}/filler")
        found = json.loads(said)
        assert len(found) >= 5, f"{purpose}: {found}"
        for message, unchanged, shown in found:
            assert ": No space left on device: free space, or inodes (`df`, `df -i`), and run again. " in message
            assert message.startswith(conf)
            assert unchanged, f"{purpose}: {message}"
            assert shown, f"{purpose}: {message}"
            assert message.endswith(
                ("httpd was not reloaded, and nothing of this run is left", "The old state is back and serving")
            ), message
        assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"  # An empty folder is served.


def test_a_disk_that_is_mounted_read_only_is_told_from_a_lack_of_rights(remote: Remote) -> None:
    conf = remote.layout.conf
    remote.host.shell(f"mount -o remount,ro {conf}")
    try:
        output = remote.refused().output
    finally:
        remote.host.shell(f"mount -o remount,rw {conf}")
    words = " ".join(output.split())
    assert f"{conf}: Read-only file system: the kernel's log says why; mount it writable, and run again" in words
    assert "Nothing was touched" in words


def renewed(remote: Remote, meanwhile: Callable[[Container, str, str], None], act: str) -> tuple[Run, str, str]:
    """Renew a deployed site while the host does `act` after the switch; return run, old and new fingerprint."""
    remote.deploy()
    old = remote.material.server.sha256
    new = remote.material.public.issue(remote.material.domain)
    remote.material.put(new)
    current = f"{remote.store}/{remote.material.domain}/current"
    release = remote.host.run("readlink", "-f", current)
    meanwhile(remote.host, f"[ ! {current} -ef {release} ]", act)
    return remote.play(), old, new.sha256


def test_a_disk_that_becomes_read_only_after_the_switch_is_said_and_the_next_run_ends_the_work(
    remote: Remote, meanwhile: Callable[[Container, str, str], None]
) -> None:
    conf = remote.layout.conf
    run, _old, new = renewed(remote, meanwhile, f"mount -o remount,ro {conf}")
    try:
        assert run.status == 2
        words = " ".join(run.output.split())
        assert (
            f"the new state is in place, but could not be kept: {remote.store}/.journal.mtls-new: Read-only file system"
            in words
        )
        assert remote.ask(remote.material.client).certificate_sha256 == new
    finally:
        remote.host.shell(f"mount -o remount,rw {conf}")
    assert "was undone by its journal" in " ".join(remote.deploy().output.split())
    assert remote.ask(remote.material.client).certificate_sha256 == new
    assert remote.deploy().recap["changed"] == 0


def test_a_way_back_that_the_disk_forbids_leaves_a_server_and_the_next_run_heals(
    remote: Remote, meanwhile: Callable[[Container, str, str], None]
) -> None:
    conf = remote.layout.conf
    # The run is held meanwhile: else it may see the one, and end, before the other is done.
    both = f"mount -o remount,ro {conf}; pkill -KILL 'apache2|httpd'"
    run, old, new = renewed(remote, meanwhile, f"pkill -STOP python; {both}; pkill -CONT python")
    try:
        assert run.status == 2
        words = " ".join(run.output.split())
        assert "The way back did not come to its end, which the next run sees to first" in words
        assert "Look after this host now, httpd runs: " in words
        assert "Read-only file system" in words

        def serves() -> bool:
            with suppress(ConnectionRefusedError):  # It is only just starting.
                return remote.ask(remote.material.client).certificate_sha256 in (old, new)
            return False

        assert until(serves)
    finally:
        remote.host.shell(f"mount -o remount,rw {conf}")
    remote.deploy()
    assert remote.ask(remote.material.client).certificate_sha256 == new
    assert remote.deploy().recap["changed"] == 0
