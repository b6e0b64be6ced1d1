# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The httpd that the demo and the other tests stand on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import embedded_httpd
import pytest
from embedded_httpd import EmbeddedHttpd, HttpdError, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import SiteMaterial


def test_a_started_server_answers_and_is_laid_out_like_the_reference_pages(embedded: EmbeddedHttpd) -> None:
    with urlopen(f"http://127.0.0.1:{embedded.port}/") as answer:
        assert b"It works!" in answer.read()
    assert {path.name for path in embedded.root.iterdir()} == {"conf", "htdocs", "logs", "modules", "site"}
    assert "ssl_module" not in embedded.run("-M")


def test_a_start_takes_less_than_a_second_and_a_second_one_changes_nothing(short_path: Path) -> None:
    httpd = EmbeddedHttpd(short_path / "httpd", port=free_port())
    begin = time.monotonic()
    httpd.start()
    try:
        assert time.monotonic() - begin < 1
        pid = httpd.pid
        httpd.start()
        assert httpd.pid == pid
    finally:
        httpd.stop()
    assert not httpd.running()


def test_a_stopped_server_can_be_started_again_at_once(embedded: EmbeddedHttpd) -> None:
    for _attempt in range(3):
        before = embedded.pid
        embedded.stop()
        embedded.start()
        assert embedded.pid not in (None, before)


def test_a_server_that_cannot_start_says_why_in_its_own_words(short_path: Path) -> None:
    with pytest.raises(HttpdError, match="Invalid command 'Nonsense'"):
        EmbeddedHttpd(short_path / "httpd", extra="Nonsense\n").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's httpd has workers of another user")
def test_a_folder_that_keeps_the_workers_out_is_refused(short_path: Path) -> None:
    short_path.chmod(0o700)
    with pytest.raises(HttpdError, match="keeps httpd's workers"):
        EmbeddedHttpd(short_path / "httpd").start()


def test_the_command_line_starts_reports_and_stops(short_path: Path) -> None:
    def call(command: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, embedded_httpd.__file__, command, str(short_path / "httpd")]
        return subprocess.run(program, capture_output=True, text=True, check=False)

    assert call("status").returncode == 3
    assert "runs as process" in call("start").stdout
    assert call("status").returncode == 0
    assert call("stop").stdout.endswith(" is stopped\n")
    assert call("stop").stdout.endswith(" did not run, so there was nothing to stop\n")
    assert call("status").returncode == 3


def test_the_stand_in_client_ca_says_that_it_is_one(site_material: SiteMaterial) -> None:
    assert "stand-in" in site_material.chat.certificate.subject.rfc4514_string()
