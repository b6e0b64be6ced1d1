# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What server_info says of a real httpd: one that runs, one that does not, one that cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from embedded_httpd import EmbeddedHttpd, free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ask(collections_path: Path) -> Any:
    """Return a function that runs the module as Ansible does, in a process of its own, and gives back its result."""

    def run(**options: Any) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.mtls.httpd.plugins.modules.server_info"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": {name: str(value) for name, value in options.items()}}),
            env={**os.environ, "PYTHONPATH": str(collections_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


def test_a_running_server_is_described_as_it_runs(embedded: EmbeddedHttpd, ask: Any) -> None:
    before = time.time()
    result = ask(httpd_binary=embedded.binary, httpd_config=embedded.conf)
    assert result["found"] is True
    assert before <= result["clock"] <= time.time()
    assert not result.get("changed")
    server = result["server"]
    wanted = {
        "config": str(embedded.conf),
        "running": True,
        "pid": embedded.pid,
        "sound": True,
        "problem": "",
        "mpm": "event",
        "server_root": str(embedded.root),
        "error_log": str(embedded.error_log),
        "pid_file": str(embedded.root / "logs/httpd.pid"),
        "sockets": [{"address": "127.0.0.1", "port": embedded.port}],
        "files": [str(embedded.conf)],
        "virtual_hosts": [],
    }
    assert {name: server[name] for name in wanted} == wanted
    assert server["listen"] == [{"arguments": f"127.0.0.1:{embedded.port}", "file": str(embedded.conf), "line": 2}]
    assert server["version"].startswith("2.4.")
    assert server["openssl"].startswith("OpenSSL ")
    assert "ssl_module" not in server["modules"]
    assert "info_module" not in server["modules"]
    assert "mod_ssl.so" in server["modules_available"]


def test_asking_leaves_the_server_alone(embedded: EmbeddedHttpd, ask: Any) -> None:
    def state() -> list[tuple[str, int]]:
        # The request that showed the server up is logged after it was answered.
        paths = sorted(path for path in embedded.root.rglob("*") if path.name != "access_log")
        return [(str(path), path.stat().st_mtime_ns) for path in paths]

    before = (state(), embedded.pid)
    ask(httpd_binary=embedded.binary, httpd_config=embedded.conf)
    assert (state(), embedded.pid) == before


def test_a_stopped_server_is_described_by_its_configuration(embedded: EmbeddedHttpd, ask: Any) -> None:
    embedded.stop()
    server = ask(httpd_binary=embedded.binary, httpd_config=embedded.conf)["server"]
    assert (server["running"], server["pid"], server["sockets"]) == (False, None, [])
    assert (server["sound"], server["server_root"]) == (True, str(embedded.root))


def test_a_broken_configuration_is_told_in_httpds_own_words(embedded: EmbeddedHttpd, ask: Any) -> None:
    with embedded.conf.open("a") as stream:
        stream.write("NoSuchDirective on\n")
    line = len(embedded.conf.read_text().splitlines())
    server = ask(httpd_binary=embedded.binary, httpd_config=embedded.conf)["server"]
    assert (server["running"], server["sound"]) == (True, False)
    assert f"line {line} of {embedded.conf}" in server["problem"]
    assert "NoSuchDirective" in server["problem"]
    assert "server_root" not in server


def test_virtual_hosts_are_told_with_their_places(embedded: EmbeddedHttpd, ask: Any) -> None:
    line = len(embedded.conf.read_text().splitlines()) + 1
    with embedded.conf.open("a") as stream:
        stream.write(
            f"<VirtualHost *:{embedded.port}>\n"
            "ServerName a.example.com\nServerAlias b.example.com *.c\n</VirtualHost>\n"
        )
    server = ask(httpd_binary=embedded.binary, httpd_config=embedded.conf)["server"]
    assert server["virtual_hosts"] == [
        {
            "addresses": [f"*:{embedded.port}"],
            "name": "a.example.com",
            "aliases": ["b.example.com", "*.c"],
            "file": str(embedded.conf),
            "line": line,
        }
    ]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("httpd_binary", "/nonexistent/httpd", "/nonexistent/httpd is not an executable file on this host"),
        ("httpd_binary", "/bin/true", "/bin/true does not answer"),
        ("httpd_config", "/nonexistent/httpd.conf", "/nonexistent/httpd.conf is not a file on this host"),
    ],
)
def test_a_wrong_path_is_named(ask: Any, option: str, value: str, words: str) -> None:
    result = ask(**{option: value})
    assert result["failed"]
    assert words in result["msg"]
    assert "\n" not in result["msg"].rstrip()


def test_of_several_servers_one_has_to_be_named(embedded: EmbeddedHttpd, short_path: Path, ask: Any) -> None:
    second = EmbeddedHttpd(short_path / "second", port=free_port())
    second.start()
    try:
        result = ask(httpd_binary=embedded.binary)
        assert result["failed"]
        for httpd in (embedded, second):
            assert str(httpd.conf) in result["msg"]
            assert ask(httpd_binary=httpd.binary, httpd_config=httpd.conf)["server"]["pid"] == httpd.pid
    finally:
        second.stop()


def test_other_httpd_of_the_host_are_not_called(embedded: EmbeddedHttpd, short_path: Path, ask: Any) -> None:
    # Hundreds may run on a host, and each call costs a process.
    binary, called = short_path / "bin" / "httpd", short_path / "called"
    binary.parent.mkdir()
    shutil.copy(embedded.binary, binary)
    second = EmbeddedHttpd(short_path / "second", port=free_port(), binary=binary)
    second.start()
    try:
        upgraded = short_path / "new"
        upgraded.write_text(f'#!/bin/sh\ntouch {called}\nexec {embedded.binary} "$@"\n')
        upgraded.chmod(0o755)
        upgraded.rename(binary)
        assert ask(httpd_config=embedded.conf)["server"]["pid"] == embedded.pid
        assert not called.exists()
        assert ask(httpd_config=second.conf)["server"]["pid"] == second.pid
        assert called.exists()
    finally:
        second.stop()
