# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watchman under a real systemd: its timer and its rights, drift, ways back, and that nothing of it is left."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Remote
    from container import Container

# Only a host with systemd has timers.
pytestmark = pytest.mark.parametrize("machine", ["debian12"], indirect=True, scope="module")

FOLDER = "/var/lib/prometheus/node-exporter"
NAME = "mtls-httpd-watch-etc-apache2"
WATCH = {"mutual_tls_metrics_folder": FOLDER}
UNITS = "/etc/systemd/system"
ALL = f"{UNITS}/{NAME}.service {UNITS}/{NAME}.timer {UNITS}/timers.target.wants/{NAME}.timer"
FILES = " ".join(f"/etc/apache2/mtls/watchman.{ending}" for ending in ("py", "json", "pem"))

SEEING = """[Service]
ExecStart=
ExecStart=/bin/sh -c "{ id -u; find /etc /root /home /var /srv /opt -type f; touch /etc/x || echo kept; } 2>/dev/null \\
| sed 's/^/seen: /'"
"""
KILLED = "[Service]\nExecReload=\nExecReload=/bin/kill -KILL $MAINPID\n"


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    """Return what lets systemd hide files from a service, as it does on a machine."""
    return ("--cap-add=SYS_ADMIN",)


@pytest.fixture
def remote(remote: Remote) -> Remote:
    """Give an operator a host with a folder for metrics, as node_exporter's package makes one."""
    remote.host.shell(f"mkdir -p {FOLDER}")
    return remote


def metrics(host: Container) -> str:
    """Return what the watchman wrote."""
    return host.shell(f"cat {FOLDER}/{NAME}.prom")


def check(host: Container) -> str:
    """Have systemd run the watchman once, as its timer does; return what it wrote."""
    host.shell(f"rm -f {FOLDER}/*; systemctl start {NAME}.service")
    return metrics(host)


def test_the_timer_runs_it_as_a_user_of_its_own_that_sees_no_key(remote: Remote) -> None:
    remote.deploy(**WATCH)
    assert re.search(r'mtls_httpd_enforced\{site="[^"]+",server="/etc/apache2"\} 1', metrics(remote.host))
    assert remote.host.shell(f"systemctl is-active {NAME}.timer; systemctl is-enabled {NAME}.timer").split() == [
        "active",
        "enabled",
    ]
    assert remote.host.shell(f"stat -c '%a %U' {FOLDER}/{NAME}.prom").split()[0] == "644"
    assert remote.host.shell(f"stat -c %u {FOLDER}/{NAME}.prom") != "0"
    # What its program could see, by another in its place.
    drop_in = f"/run/systemd/system/{NAME}.service.d"
    remote.host.run("sh", "-c", f"mkdir -p {drop_in}; cat >{drop_in}/seen.conf; systemctl daemon-reload", text=SEEING)
    remote.host.shell(f"systemctl start {NAME}.service; rm -r {drop_in}; systemctl daemon-reload")
    seen = remote.host.shell(f"journalctl --unit {NAME}.service --output cat | sed -n 's/^seen: //p'").splitlines()
    assert int(seen[0]) > 1000
    assert seen[-1] == "kept"
    assert [path for path in seen if path.startswith("/etc/apache2/")] == sorted(FILES.split(), key=seen.index)
    assert not [path for path in seen if path.endswith(".key") or "shadow" in path or "/etc/ssh/" in path]


def test_a_second_run_changes_nothing_and_what_was_taken_away_is_mended(remote: Remote) -> None:
    remote.deploy(**WATCH)
    before = remote.state()
    assert remote.deploy(**WATCH).recap["changed"] == 0
    assert remote.deploy().recap["changed"] == 0  # It is kept where nothing is said of it.
    assert remote.state() == before
    for path in (*ALL.split(), FILES.split()[0]):
        remote.host.shell(f"rm {path}; systemctl daemon-reload; systemctl stop {NAME}.timer")
        remote.deploy(**WATCH)
        remote.host.shell(f"test -e {path}; systemctl is-active {NAME}.timer")
        assert "mtls_httpd_enforced" in check(remote.host)
    remote.host.shell(f"rm {FOLDER}/{NAME}.prom")
    assert "mtls_httpd_enforced" in check(remote.host)


def test_with_the_last_site_everything_of_it_is_gone(remote: Remote, state: Callable[[], list[str]]) -> None:
    before = state()
    remote.deploy(**WATCH)
    domain = remote.material.domain
    remote.deploy(mutual_tls_sites=[{"domain": domain, "state": "absent"}], **WATCH)
    assert state() == before
    assert remote.host.shell(f"ls -A {FOLDER}") == ""
    known = remote.host.shell(f"systemctl list-units --all --plain --no-legend '{NAME}*'; ls /var/lib/private || true")
    assert NAME not in known


def test_a_change_that_fails_leaves_timer_and_files_as_they_were(
    remote: Remote, state: Callable[[], list[str]]
) -> None:
    drop_in = f"{UNITS}/apache2.service.d/fault.conf"
    put = f"mkdir -p {os.path.dirname(drop_in)}; cat >{drop_in}; systemctl daemon-reload"
    remote.host.run("sh", "-c", put, text=KILLED)
    before = state()
    run = remote.play(**WATCH)
    assert run.status == 2
    assert state() == before
    assert NAME not in remote.host.shell("systemctl list-units --all --plain --no-legend")
    remote.host.shell(f"rm -r {os.path.dirname(drop_in)}; systemctl daemon-reload; systemctl restart apache2")


def test_a_watchman_that_cannot_run_is_said_and_everything_is_as_before(
    remote: Remote, state: Callable[[], list[str]]
) -> None:
    folder = f"{UNITS}/{NAME}.service.d"
    remote.host.shell(f"mkdir -p {folder}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{folder}/spoilt.conf")
    before = state()
    run = remote.play(**WATCH)
    remote.host.shell(f"rm -r {folder}")
    assert run.status == 2
    words = " ".join(run.output.split())
    assert "the watchman that 'metrics_folder' asks for does not run" in words
    assert [each for each in before if "spoilt.conf" not in each] == state()
    remote.deploy(**WATCH)
    assert "mtls_httpd_enforced" in metrics(remote.host)


def test_what_a_killed_run_has_started_is_stopped_by_the_next(
    remote: Remote, state: Callable[[], list[str]], meanwhile: Callable[[Container, str, str], None]
) -> None:
    remote.deploy()
    before = state()
    meanwhile(remote.host, f"systemctl is-active {NAME}.timer", "pkill -KILL -f 'AnsiballZ[_]transaction' || true")
    remote.play(**WATCH)
    remote.deploy()
    remote.host.shell("rm -rf /tmp/ansible_*")  # what Ansible leaves of a module that was killed
    assert state() == before
    assert NAME not in remote.host.shell("systemctl list-units --all --plain --no-legend")
    remote.deploy(**WATCH)
    assert "mtls_httpd_enforced" in check(remote.host)


@pytest.fixture(scope="module")
def confined(booting: Callable[..., Iterator[Container]]) -> Iterator[Container]:
    """Boot a host where systemd may hide nothing from a service, as in a container with few rights."""
    yield from booting("debian12", "confined")


@pytest.mark.usefixtures("machine")
def test_a_host_that_cannot_hide_files_from_the_watchman_has_none(
    confined: Container, deploying: Callable[..., Remote]
) -> None:
    operator = deploying(confined)
    confined.shell(f"mkdir -p {FOLDER}")
    operator.deploy()
    before = operator.state(times=False)[0]
    run = operator.play(**WATCH)
    assert run.status == 2
    assert "the watchman that 'metrics_folder' asks for does not run" in " ".join(run.output.split())
    assert operator.state(times=False)[0] == before
    assert NAME not in confined.shell("systemctl list-units --all --plain --no-legend")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("image", ["redhat", "suse", "source"])
def test_it_works_in_each_layout_where_root_alone_may_read_logs_and_is_gone_with_the_site(
    image: str, booting: Callable[..., Iterator[Container]], deploying: Callable[..., Remote]
) -> None:
    for host in booting(image, "watched", "--cap-add=SYS_ADMIN"):
        operator = deploying(host)
        host.shell(
            f"mkdir -p {FOLDER}; chmod 700 {operator.layout.logs}; mkdir -p /opt/page; echo >/opt/page/index.html"
        )
        operator.site.update(document_root="/opt/page")
        said = " ".join(operator.deploy(**WATCH).output.split())
        assert ("have cron run" in said) == (image == "source")
        if image == "source":
            host.shell(f"python3 -I -S -B {operator.store}/watchman.py {operator.store}/watchman.json")
        else:
            operator.ask(operator.material.client)
            unit = host.shell(f"cd {UNITS}; echo mtls-httpd-watch-*.service")
            assert "Permission" not in host.shell(f"systemctl start {unit}; journalctl --unit {unit} --output cat")
        told = host.shell(f"cat {FOLDER}/*.prom")
        assert ("mtls_httpd_last_accepted_call" in told) == (image != "source"), told
        assert re.search(r"mtls_httpd_enforced\{.*\} 1", told)
        assert re.search(r"mtls_httpd_refused_calls_total\{.*\} 0", told)
        domain = operator.material.domain
        operator.deploy(mutual_tls_sites=[{"domain": domain, "state": "absent"}], **WATCH)
        assert host.shell(f"ls -A {FOLDER}; find / -xdev -name 'mtls-httpd-watch*' -o -name 'watchman.*'") == ""
