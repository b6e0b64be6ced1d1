# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""httpd as process 1 of a container, as in httpd's own image: if it ends, so does all else there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from container import Container, podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Remote

HTTPD, CONF = "/usr/local/apache2/bin/httpd", "/usr/local/apache2/conf/httpd.conf"


@pytest.fixture
def alone() -> Iterator[Container]:
    container = Container(f"mtls-process-1-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}", "source")
    container.remove()
    try:
        podman("run", "--detach", "--name", container.name, os.environ["IMAGE_SOURCE"], HTTPD, "-D", "FOREGROUND")
        yield container
    finally:
        container.remove()


def test_process_1_is_reloaded_after_a_full_rehearsal_alone(alone: Container, deploying: Callable[..., Remote]) -> None:
    remote = deploying(alone)
    assert alone.shell("cat /proc/1/comm") == "httpd"
    alone.shell(f"cp {CONF} /root/saved && echo 'CustomLog \"|/bin/cat\" common' >>{CONF}")
    output = " ".join(remote.refused().output.split())
    assert "httpd is process 1 of its container" in output
    assert "a piped logger would be started" in output
    alone.shell(f"cat /root/saved >{CONF} && rm /root/saved")
    remote.deploy()
    assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
