# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that does not as it is told: masked, failed, stopped, killed, hung; and a host without what is needed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from container import podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Remote
    from container import Container

# Only a host with systemd has services.
pytestmark = pytest.mark.parametrize("machine", ["debian12"], indirect=True, scope="module")
long = pytest.mark.skipif(not os.environ.get("LONG"), reason="httpd hangs for half a minute: make test-long tries it")

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
DROP_IN = "/etc/systemd/system/apache2.service.d/fault.conf"
PID_FILE = "/var/run/apache2/apache2.pid"
START_FAILS = "ExecStartPre=/bin/false"


def reload_by(command: str) -> str:
    """Return the line of a unit that reloads by `command`."""
    return f"ExecReload=\nExecReload={command}"


@contextmanager
def service(host: Container, *lines: str) -> Iterator[None]:
    """Change the service of httpd by lines of its unit; take them away, and have it run, afterwards."""
    # systemd in a container is not told that a killed service's processes are gone, and waits for so long.
    text = "\n".join(["[Service]", "TimeoutStopSec=3", *lines, ""])
    host.run("sh", "-c", 'mkdir -p "${0%/*}" && cat >"$0" && systemctl daemon-reload', DROP_IN, text=text)
    try:
        yield
    finally:
        host.shell(f"rm {DROP_IN}; systemctl daemon-reload; systemctl reset-failed apache2; systemctl restart apache2")


def said(output: str) -> str:
    """Return the output in one line."""
    assert "Traceback" not in output
    return " ".join(output.split())


INSIDE = """
import subprocess
from ansible_collections.mtls.httpd.plugins.module_utils._machine import sandbox

def command():
    return subprocess.run(["systemd-run", "--quiet", "--wait", "touch", "/srv/started"], capture_output=True).returncode

print("started inside:", sandbox.run(sandbox.World(), command, 30) == 0)
"""


def test_no_unit_can_be_started_from_a_private_world(remote: Remote) -> None:
    shipped = "ansible_collections/mtls/httpd/plugins/module_utils"
    remote.host.shell(f"mkdir -p /opt/inside/{shipped}")
    podman("cp", f"{MODULE_UTILS}/.", f"{remote.host.name}:/opt/inside/{shipped}")
    try:
        said = remote.host.run("env", "PYTHONPATH=/opt/inside", "python3", "-", text=INSIDE)
        assert said.strip() == "started inside: False"
        remote.host.shell("test ! -e /srv/started; systemd-run --quiet --wait touch /srv/started; test -e /srv/started")
    finally:
        remote.host.shell("rm -rf /opt/inside /srv/started")


def renew(remote: Remote) -> str:
    """Make another certificate; return the fingerprint of the one before."""
    old = remote.material.server.sha256
    remote.material.put(remote.material.public.issue(remote.material.domain))
    return old


def test_a_masked_unit_is_said_and_neither_reloaded_nor_started_behind_systemds_back(remote: Remote) -> None:
    remote.host.shell("systemctl mask apache2")
    try:
        assert "apache2.service is masked" in said(remote.refused().output)
        remote.host.shell("systemctl stop apache2")
        words = said(remote.refused().output)
        assert "`systemctl unmask apache2.service`, run again. Nothing was touched" in words
        assert remote.host.shell("pgrep -c apache2 || true") == "0"
    finally:
        remote.host.shell("systemctl unmask apache2")


def test_a_unit_that_does_not_start_is_quoted_and_one_that_has_failed_is_started_by_the_next_run(
    remote: Remote,
) -> None:
    remote.host.shell("systemctl stop apache2")
    with service(remote.host, START_FAILS):
        words = said(remote.refused().output)
        assert "`systemctl start apache2.service` failed" in words
        assert "Control process exited, code=exited, status=1/FAILURE" in words
        assert words.count("The old state is back")
        assert remote.host.shell("systemctl is-failed apache2") == "failed"
        remote.host.shell(f"sed -i /ExecStartPre/d {DROP_IN}; systemctl daemon-reload")
        remote.deploy()
        assert remote.host.shell("systemctl is-active apache2") == "active"


def test_httpd_that_dies_at_the_reload_comes_back_with_the_old_state(remote: Remote) -> None:
    remote.deploy()
    old = renew(remote)
    with service(remote.host, reload_by("/bin/kill -KILL $MAINPID")):
        run = remote.play()
        assert run.status == 2
        assert "The old state is back and serving" in said(run.output)
        assert remote.ask(remote.material.client).certificate_sha256 == old


def test_httpd_that_does_not_come_back_is_said_to_be_down_and_the_next_run_starts_it(remote: Remote) -> None:
    remote.deploy()
    old = renew(remote)
    with service(remote.host, START_FAILS, reload_by("/bin/kill -KILL $MAINPID")):
        run = remote.play()
        assert run.status == 2
        words = said(run.output)
        assert "Look after this host now, httpd is down: " in words
        assert "`systemctl start apache2.service` failed" in words
    assert remote.ask(remote.material.client).certificate_sha256 == old
    remote.deploy()
    assert remote.ask(remote.material.client).certificate_sha256 != old


def test_a_parent_that_a_signal_stopped_is_named_before_anything_is_touched(remote: Remote) -> None:
    parent = remote.host.shell("systemctl show --property MainPID --value apache2")
    remote.host.shell(f"kill -STOP {parent}")
    try:
        assert f"`kill -CONT {parent}`, run again. Nothing was touched" in said(remote.refused().output)
    finally:
        remote.host.shell(f"kill -CONT {parent}")


# What a unit starts in httpd's place, and the unit that httpd then belongs to.
STARTERS = {
    "/usr/sbin/apachectl start": "apache2.service",
    ". /etc/apache2/envvars; mkdir -p $APACHE_RUN_DIR; exec /usr/sbin/apache2 -D MINE -k start": "apache2.service",
    "exec sleep 1000": "",
}


@pytest.mark.parametrize("starter", STARTERS)
def test_a_stopped_httpd_is_started_by_its_units_program_wherever_that_lies(remote: Remote, starter: str) -> None:
    program = f"#!/bin/sh\n{starter}\n"
    remote.host.run("sh", "-c", "mkdir /opt/panel; cat >/opt/panel/start; chmod 755 /opt/panel/start", text=program)
    try:
        with service(remote.host, "ExecStart=", "ExecStart=/opt/panel/start --quiet"):
            remote.host.shell("systemctl stop apache2")
            remote.deploy()
            assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
            unit = remote.host.shell("grep -o 'apache2.service' /proc/$(cat /run/apache2/apache2.pid)/cgroup || true")
            assert unit == STARTERS[starter]
            assert "changed=0" in remote.deploy().output
            remote.host.shell("pkill -x apache2; while pgrep -x apache2; do sleep 0.1; done")
    finally:
        remote.host.shell("rm -r /opt/panel")


@long
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/bin/sleep infinity", "systemctl gave no answer within 30 seconds. The old state is back and serving"),
        ("/bin/true", "no new worker process within 15 seconds of the reload. The old state is back and serving"),
    ],
)
def test_a_reload_that_hangs_or_does_nothing_is_waited_for_no_longer_than_said(
    remote: Remote, command: str, words: str
) -> None:
    before, _starts = remote.state()
    with service(remote.host, reload_by(command)):
        run = remote.play()
        assert run.status == 2
        assert words in said(run.output)
    assert remote.state()[0] == before


# -- what is not there


def test_a_host_without_mod_ssl_is_told_what_it_lacks(remote: Remote) -> None:
    remote.host.shell("mv /usr/lib/apache2/modules/mod_ssl.so /opt")
    try:
        words = said(remote.refused().output)
        assert "has no mod_ssl.so in /usr/lib/apache2/modules: install the package that brings it" in words
        assert "Nothing was touched" in words
    finally:
        remote.host.shell("mv /opt/mod_ssl.so /usr/lib/apache2/modules")


def test_a_host_without_python_is_told_so_by_ansible(remote: Remote) -> None:
    remote.host.shell("mv /usr/bin/python3 /usr/bin/away")
    try:
        words = said(remote.refused().output)
        assert "The module interpreter '/usr/bin/python3' was not found." in words
    finally:
        remote.host.shell("mv /usr/bin/away /usr/bin/python3")


def test_a_missing_become_is_said_at_once(deploying: Callable[..., Remote], machine: Container) -> None:
    machine.shell("useradd --create-home nobody-special")
    words = said(deploying(machine, ansible_user="nobody-special").refused().output)
    assert "/etc/apache2 cannot be written by user 1000: run with become" in words
    assert "Nothing was touched" in words


# -- a unit that leaves out what most have


def test_a_unit_that_knows_no_reload_is_reloaded_by_a_signal(remote: Remote) -> None:
    with service(remote.host, "ExecReload="):
        parent = remote.host.shell("systemctl show --property MainPID --value apache2")
        assert remote.host.shell("systemctl show --property CanReload --value apache2") == "no"
        renew(remote)
        remote.deploy()
        assert remote.host.shell("systemctl show --property MainPID --value apache2") == parent
        assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
