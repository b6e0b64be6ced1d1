# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operators whose hosts are containers with systemd, or with upstream's httpd and no init system."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from container import Container
from playing import Operator, prepared
from systems import find_facts, hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import SiteMaterial

# On the hosts of a molecule scenario, which runs them.
collect_ignore = [] if "MOLECULE_SCENARIO_NAME" in os.environ else ["rotation"]


@dataclass(frozen=True)
class Layout:
    """Where a host's httpd has its configuration and logs, and how it is controlled."""

    conf: str
    logs: str
    control: str
    start: str
    stop: str


DEBIAN = Layout("/etc/apache2", "/var/log/apache2", "apache2ctl", "systemctl start apache2", "systemctl stop apache2")
LAYOUTS = {
    "debian11": DEBIAN,
    "debian12": DEBIAN,
    "testing": Layout("/etc/apache2", "/var/log/apache2", "apache2ctl", "apache2ctl start", "apache2ctl stop"),
    "debian13": Layout(
        "/etc/apache2",
        "/var/log/apache2",
        "apache2ctl",
        # Its image has no httpd, and no program of OpenSSL's.
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y apache2 openssl",
        "systemctl stop apache2",
    ),
    "source": Layout(
        "/usr/local/apache2/conf",
        "/usr/local/apache2/logs",
        "/usr/local/apache2/bin/apachectl",
        "/usr/local/apache2/bin/apachectl start",
        "/usr/local/apache2/bin/apachectl stop",
    ),
}

# Why tests/support/containers may have no image of these. All others are made, or it fails.
PASSING = {
    "debian11": "Debian took it off apt's mirror, as it does with old releases; how making it failed is said above",
    "testing": "its packages change from day to day, so that make test-long alone tries it",
}
# Those that differ from these in where things lie alone: test_layouts.py.
FURTHER = {
    "redhat": Layout(
        "/etc/httpd/conf",
        "/var/log/httpd",
        "/usr/sbin/httpd -D FROM_SYSCONFIG",
        "systemctl start httpd",
        "systemctl stop httpd",
    ),
    "suse": Layout(
        "/etc/apache2",
        "/var/log/apache2",
        "/usr/sbin/start_apache2",
        "systemctl start apache2",
        "systemctl stop apache2",
    ),
}

# Type, mode, owner, size, time, link target and content of all that a run could change, but for logs and what a server
# or systemd keeps while it runs. Of a site's history the order alone, as the moments in it are those of the runs.
_STATE = r"""
for folder in /etc /usr/local/apache2 /var/www /run/mtls* /tmp /var/tmp /root; do
  [ -e "$folder" ] && find "$folder" -xdev -path /usr/local/apache2/logs -prune -o -path '/tmp/systemd-*' -prune \
    -o -path '/var/tmp/systemd-*' -prune -o -path /root/.ansible -prune -o -path /etc/hosts -prune \
    -o ! -type d -printf '%p %y %m %U:%G %s TIME %l\n'
done | sort
find /etc/apache2 /usr/local/apache2/conf -type f ! -path '*/mtls/*/history' -exec sha256sum {} + 2>/dev/null | sort
find /etc/apache2 /usr/local/apache2/conf -path '*/mtls/*/history' 2>/dev/null | sort | xargs -r cut -d' ' -f2
"""


@dataclass(frozen=True)
class Remote(Operator):
    """An operator whose host is a container, with httpd running, reached through podman."""

    host: Container
    layout: Layout

    @property
    def store(self) -> str:
        """The folder of the collection on the host."""
        return f"{self.layout.conf}/mtls"

    def state(self, *, times: bool = True) -> tuple[list[str], str]:
        """Return all that a run could change, a line a path, and how often httpd was reloaded or started."""
        log = f"cat {self.layout.logs}/error[._]log 2>/dev/null | grep -c 'resuming normal operations' || true"
        return state_of(self.host, times=times), self.host.shell(log)


def state_of(host: Container, *, times: bool) -> list[str]:
    """Return all that a run could change on the disk, a line a path."""
    return host.shell(_STATE.replace("TIME", "%T@" if times else "")).splitlines()


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    """Return options of `podman run` for the hosts of a file, which may have more of its own."""
    return ()


@pytest.fixture(scope="module", params=["debian12", "source"])
def machine(request: pytest.FixtureRequest, options: tuple[str, ...]) -> Iterator[Container]:
    """Boot a host of each layout, with httpd running, for the tests of one file."""
    yield from booted(request.param, request.node.name, *options)


@pytest.fixture(scope="module")
def layout(machine: Container) -> Layout:
    """Return how the machine's httpd is laid out."""
    return LAYOUTS[machine.image]


@pytest.fixture(scope="module")
def state(machine: Container) -> Callable[[], list[str]]:
    """Return what tells all that a run could change on the machine's disk, but for times."""
    return lambda: state_of(machine, times=False)


def booted(image: str, purpose: str, *options: str) -> Iterator[Container]:
    """Boot a host with httpd running; take it away at the end."""
    name = "".join(letter if letter.isalnum() else "-" for letter in purpose.rpartition("/")[2])
    if image in PASSING and f"IMAGE_{image.upper()}" not in os.environ:
        pytest.skip(f"no image of {image}: {PASSING[image]}")
    container = Container(f"mtls-{name}-{image}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}", image)
    try:
        container.boot(*options)
        # As process 1, httpd starts by itself; a second one would get in its way until its PidFile is there.
        waiting = "timeout 20 sh -c 'until test -s /usr/local/apache2/logs/httpd.pid; do sleep 0.1; done'"
        container.shell(waiting if "--entrypoint" in options else (LAYOUTS | FURTHER)[image].start)
        yield container
    finally:
        container.remove()


@pytest.fixture(scope="module")
def booting() -> Callable[..., Iterator[Container]]:
    """Return what boots a host, and takes it away at the end, for a fixture of one file's own."""
    return booted


@pytest.fixture
def deploying(site_material: SiteMaterial, collections_path: Path, tmp_path: Path) -> Callable[..., Remote]:
    """Return what makes an operator for a host, whose one site is on port 443."""

    def make(host: Container, **connection: str) -> Remote:
        reached = {
            "ansible_connection": "containers.podman.podman",
            "ansible_host": host.name,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        environment = prepared(tmp_path / "playbooks", collections_path, **(reached | connection))
        environment |= {name: value for name, value in os.environ.items() if name == "CONTAINERS_CONF"}
        layout = (LAYOUTS | FURTHER)[host.image]
        return Remote(
            tmp_path / "playbooks", site_material, host.address, 443, site_material.site, environment, host, layout
        )

    return make


@pytest.fixture
def remote(machine: Container, deploying: Callable[..., Remote]) -> Iterator[Remote]:
    """Give an operator a host of each layout; afterwards the site is taken away again."""
    operator = deploying(machine)
    yield operator
    domain = operator.material.domain
    machine.shell(f"pgrep -x 'apache2|httpd' >/dev/null || {operator.layout.start}")
    operator.deploy(mutual_tls_sites=[{"domain": domain, "state": "absent"}])


@pytest.fixture
def find_system(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return what deploys to an operator's host, and sees that docs/systems.md tells what was found there."""
    name = request.node.callspec.params["machine"]
    return lambda operator, **variables: hold(name, find_facts(operator, **variables))


@pytest.fixture
def over_ssh(remote: Remote, tmp_path: Path) -> tuple[str, str]:
    """Return the arguments with which the operator reaches the host over SSH."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    remote.host.let_in(key.with_suffix(".pub").read_text())
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    connection = {
        "ansible_connection": "ssh",
        "ansible_host": remote.host.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_args": options,  # in the place of Ansible's own, which share a connection
    }
    return "-e", json.dumps(connection)


@pytest.fixture
def meanwhile() -> Iterator[Callable[[Container, str, str], None]]:
    """Return what has a host do something as soon as something is so: both lines of sh(1), tried without a pause."""
    watchers: list[subprocess.Popen[bytes]] = []

    def watch(host: Container, so: str, act: str) -> None:
        script = f"until {so} >/dev/null 2>&1; do :; done; {act}"
        watchers.append(subprocess.Popen(["podman", "exec", host.name, "timeout", "60", "sh", "-c", script]))

    yield watch
    for watcher in watchers:
        assert watcher.wait() == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the figures that tests recorded, where an operator of the suite sees them."""
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.getreports(outcome)]
    for report in reports:
        for name, value in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid.partition('::')[2]}: {value}")
