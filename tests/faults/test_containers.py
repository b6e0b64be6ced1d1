# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""httpd as process 1 of a container, as in httpd's own image: if it ends, so does all else there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from container import Container, podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Remote

HTTPD, CONF = "/usr/local/apache2/bin/httpd", "/usr/local/apache2/conf/httpd.conf"


# Starts anew what its file of services names, as supervisord does.
KEEPER = """#!/usr/bin/python3
# To restart httpd by hand: end it.
import subprocess, sys
while True:
    subprocess.run(open(sys.argv[1]).read().split())
"""
PIPED = f"cp {CONF} /root/saved && echo 'CustomLog \"|/bin/cat\" common' >>{CONF}"


@contextmanager
def running(*command: str, volume: Path | None = None, folder: str = "/") -> Iterator[Container]:
    """Run a container whose process 1 is a command, in a folder."""
    container = Container(f"mtls-process-1-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}", "source")
    container.remove()
    options = [
        "--workdir",
        folder,
        "--env",
        f"SERVER={HTTPD}",
        *(["--volume", f"{volume}:/srv/keeper:ro"] if volume else []),
    ]
    try:
        podman("run", "--detach", "--name", container.name, *options, os.environ["IMAGE_SOURCE"], *command)
        waiting = "timeout 20 sh -c 'until test -s /usr/local/apache2/logs/httpd.pid; do sleep 0.1; done'"
        container.shell(waiting)
        yield container
    finally:
        container.remove()


@pytest.fixture
def alone() -> Iterator[Container]:
    """Run httpd as process 1."""
    with running(HTTPD, "-D", "FOREGROUND") as container:
        yield container


def test_process_1_is_reloaded_after_a_full_rehearsal_alone(alone: Container, deploying: Callable[..., Remote]) -> None:
    remote = deploying(alone)
    assert alone.shell("cat /proc/1/comm") == "httpd"
    alone.shell(PIPED)
    output = " ".join(remote.refused().output.split())
    assert "httpd is process 1 of its container" in output
    assert "a piped logger would be started" in output
    alone.shell(f"cat /root/saved >{CONF} && rm /root/saved")
    remote.deploy()
    assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_an_httpd_that_process_1_waits_for_is_not_reloaded_without_a_full_rehearsal(
    deploying: Callable[..., Remote],
) -> None:
    with running("sh", "-c", f"{HTTPD} -DFOREGROUND; exit 1") as host:
        remote = deploying(host)
        host.shell(PIPED)
        assert "httpd is what process 1 of its container waits for" in " ".join(remote.refused().output.split())
        host.shell(f"cat /root/saved >{CONF}")
        remote.deploy()
        assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("/srv/keeper/start.sh", f"'{HTTPD}'"),
        ("./start.sh", f'"${{EXEC:-{HTTPD}}}"'),
        ("./start.sh", '"$SERVER"'),
        ("./start.sh", "${SERVER:-none}"),
    ],
)
def test_a_script_that_process_1_was_given_is_read_wherever_a_shell_finds_it(
    deploying: Callable[..., Remote], tmp_path: Path, path: str, start: str
) -> None:
    script = tmp_path / "start.sh"
    script.write_text(f"#!/bin/sh\n{start} -DFOREGROUND\nexit 1\n")
    script.chmod(0o644)
    with running("sh", path, volume=tmp_path, folder="/srv/keeper") as host:
        remote = deploying(host)
        host.shell(PIPED)
        assert "httpd is what process 1 of its container waits for" in " ".join(remote.refused().output.split())


def test_an_httpd_that_process_1_starts_anew_is_reloaded_after_a_reduced_rehearsal(
    deploying: Callable[..., Remote], tmp_path: Path
) -> None:
    (tmp_path / "keep.py").write_text(KEEPER)
    (tmp_path / "keep.py").chmod(0o755)  # It is looked into.
    (tmp_path / "services").write_text(f"{HTTPD} -DFOREGROUND")
    with running("python3", "/srv/keeper/keep.py", "/srv/keeper/services", volume=tmp_path) as host:
        host.shell(PIPED)
        remote = deploying(host)
        remote.deploy()
        assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
