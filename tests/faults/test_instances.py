# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two httpd on one host: each is deployed to by its binary and main file, and the other never notices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Remote
    from container import Container

REFUSED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@dataclass(frozen=True)
class Instance:
    """One of a host's httpd: its folder, binary, main file and log, and the commands that start and stop it."""

    folder: str
    binary: str
    config: str
    log: str
    start: str
    stop: str

    @property
    def variables(self) -> dict[str, str]:
        """The role's variables that say it is this one."""
        return {"mutual_tls_httpd_binary": self.binary, "mutual_tls_httpd_config": self.config}


def debian(suffix: str, unit: str) -> Instance:
    folder = f"/etc/apache2{suffix}"
    log = f"/var/log/apache2{suffix}/error.log"
    binary = "/usr/sbin/apache2"
    return Instance(folder, binary, f"{folder}/apache2.conf", log, f"systemctl start {unit}", f"systemctl stop {unit}")


def source(root: str) -> Instance:
    binary, config = f"{root}/bin/httpd", f"{root}/conf/httpd.conf"
    command = f"{binary} -f {config} -k"
    stop = f"{command} stop; while pgrep -f '^{binary}'; do sleep 0.1; done"
    return Instance(root, binary, config, f"{root}/logs/error_log", f"{command} start", stop)


INSTANCES = {
    "debian12": (debian("", "apache2"), debian("-two", "apache2@two")),
    "source": (source("/usr/local/apache2"), source("/opt/two")),
}
SET_UP = {
    "debian12": """
        sh /usr/share/doc/apache2/examples/setup-instance two
        sed -i 's/80$/8080/' /etc/apache2-two/ports.conf
        systemctl start apache2@two""",
    "source": """
        cp -a /usr/local/apache2 /opt/two
        rm /opt/two/logs/*
        sed -i 's#/usr/local/apache2#/opt/two#; s/^Listen 80$/Listen 8080/' /opt/two/conf/httpd.conf
        /opt/two/bin/httpd -f /opt/two/conf/httpd.conf -k start""",
}


@pytest.fixture(scope="module")
def pair(machine: Container) -> tuple[Instance, Instance]:
    """Set up a second httpd beside the machine's own."""
    machine.shell(SET_UP[machine.image])
    return INSTANCES[machine.image]


@pytest.fixture
def operator(machine: Container, deploying: Callable[..., Remote], pair: tuple[Instance, Instance]) -> Iterator[Remote]:
    """Give an operator the host; afterwards both httpd are without sites."""
    operator = deploying(machine)
    yield operator
    for instance in pair:
        gone = [{"domain": operator.material.domain, "state": "absent"}]
        operator.deploy(mutual_tls_sites=gone, **instance.variables)


def seen(host: Container, instance: Instance) -> str:
    """Return what a run could change of an httpd: its files, and how often it was started or reloaded."""
    files = f"find {instance.folder} -path '*/logs' -prune -o ! -type d -printf '%p %y %m %T@ %l\\n' | sort"
    return host.shell(f"{files}; grep -c 'resuming normal operations' {instance.log} || true")


@pytest.mark.parametrize("number", [0, 1])
def test_one_of_two_is_deployed_to_running_or_stopped_and_the_other_never_notices(
    operator: Remote, pair: tuple[Instance, Instance], number: int
) -> None:
    wanted, other = pair[number], pair[1 - number]
    port = 8443 + number
    operator = replace(operator, port=port, site=operator.site | {"port": port})
    before = seen(operator.host, other)
    operator.deploy(**wanted.variables)
    assert operator.ask(operator.material.client).said == "HTTP/1.1 403 Forbidden"  # An empty folder is served.
    operator.host.shell(wanted.stop)
    operator.deploy(**wanted.variables)
    assert operator.ask(None).said == REFUSED
    assert seen(operator.host, other) == before
    operator.host.shell(wanted.stop)  # What stops it has started it.
    with pytest.raises(OSError, match="refused"):
        operator.ask(None)
    operator.host.shell(wanted.start)


def test_a_host_with_two_is_refused_until_one_is_named(operator: Remote, pair: tuple[Instance, Instance]) -> None:
    run = operator.play()
    assert run.status != 0
    assert "several httpd run here" in run.output
    assert all(instance.config in run.output for instance in pair)
