# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP/2 is served as it is promised, also where the run brings mod_http2 into a server that runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import Authority, write
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, Host, children, loads, until
from load import Load

from ansible_collections.mtls.httpd.plugins.module_utils._payload import Wish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.module_utils import _handshake

MODULE = "LoadModule http2_module modules/mod_http2.so\n"
VERSIONS = {"TLSv1.2": ("--tls-max", "1.2"), "TLSv1.3": ("--tlsv1.3",)}
OPTIONS: dict[str, dict[str, Any]] = {
    "plainly": {},
    "beside open paths": {"open_paths": ("/healthz",)},
    "for named clients": {"allowed": [{"subject": "CN=Chat"}]},
    "behind a PROXY header": {"proxy_protocol": True},
}


@pytest.fixture
def host(embedded: EmbeddedHttpd, authority: Authority, chat: Authority, probes: _handshake.Probes) -> Host:
    return Host(embedded, authority, chat, free_port(), probes)


@pytest.fixture
def asks(host: Host, tmp_path: Path) -> Callable[..., set[str]]:
    """Ask by curl, again and again over one version of TLS, as a client of the client CA.

    Return the versions of HTTP and statuses.
    """
    client = host.chat.issue(client=True, common_name="Chat")
    write(tmp_path, "client.crt", client.full_pem)
    write(tmp_path, "client.key", client.key_pem)
    identity = ("--cert", str(tmp_path / "client.crt"), "--key", str(tmp_path / "client.key"))
    command = ["curl", "-sk", "--http2", "--connect-to", f"{DOMAIN}:{host.port}:127.0.0.1:{host.port}", *identity]
    shown = ["-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"https://{DOMAIN}:{host.port}/"]

    def ask(version: str, *options: str, times: int = 20) -> set[str]:
        asked = [*command, *VERSIONS[version], *options, *shown]
        return {
            subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20).stdout
            for _time in range(times)
        }

    return ask


def killed(host: Host) -> list[str]:
    """Return what the log says of children that a signal ended (AH00052, AH00051)."""
    return re.findall("exit signal .*", host.httpd.error_log.read_text())


def wish(host: Host, **options: Any) -> Wish:
    return host.wish(document_root=str(host.httpd.root / "site"), http2=True, **options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_works_over_each_version_of_tls_where_the_run_brings_mod_http2_in(
    host: Host, asks: Callable[..., set[str]], options: dict[str, Any]
) -> None:
    before, wished = loads(host.httpd), wish(host, **options)
    host.apply(wished)
    header = ("--haproxy-protocol",) if "proxy_protocol" in options else ()
    assert {version: asks(version, *header) for version in VERSIONS} == {version: {"2 200"} for version in VERSIONS}
    assert killed(host) == []
    # Without the second one, each child that speaks HTTP/2 over TLS 1.2 is ended by a signal.
    assert loads(host.httpd) == before + 2
    assert not host.apply(wished).changed
    assert loads(host.httpd) == before + 2


@pytest.mark.parametrize("reloaded", [False, True], ids=["not reloaded since", "reloaded once since"])
def test_it_works_where_the_user_has_just_written_mod_http2_into_the_configuration(
    host: Host, asks: Callable[..., set[str]], reloaded: bool
) -> None:
    host.apply(host.wish())
    host.add(MODULE)
    if reloaded:
        known = children(host.httpd.pid or 0)
        os.kill(host.httpd.pid or 0, signal.SIGUSR1)
        assert until(lambda: set(children(host.httpd.pid or 0)) - set(known))
    before = loads(host.httpd)
    host.apply(wish(host))
    assert loads(host.httpd) == before + (1 if reloaded else 2)
    assert asks("TLSv1.2") == {"2 200"}
    assert killed(host) == []


def test_mod_md_has_its_second_pass_too_where_the_user_has_just_written_it_into_the_configuration(host: Host) -> None:
    host.apply(host.wish())
    before = loads(host.httpd)
    host.add("LoadModule md_module modules/mod_md.so\n")
    host.apply(host.wish())
    assert loads(host.httpd) == before + 2


def test_it_works_where_a_rollback_brings_mod_http2_back(host: Host, asks: Callable[..., set[str]]) -> None:
    issued = host.public.issue(DOMAIN)
    host.apply(wish(host, issued=issued))
    host.apply(host.wish(issued=issued))
    host.restart()
    before = loads(host.httpd)
    host.apply(Wish(DOMAIN, previous=True))
    assert loads(host.httpd) == before + 2
    assert asks("TLSv1.2") == {"2 200"}
    assert killed(host) == []


def test_a_server_that_has_mod_http2_is_reloaded_once(host: Host, asks: Callable[..., set[str]]) -> None:
    host.add(MODULE)
    host.restart()
    before = loads(host.httpd)
    host.apply(wish(host))
    assert loads(host.httpd) == before + 1
    assert {version: asks(version) for version in VERSIONS} == {version: {"2 200"} for version in VERSIONS}


def test_a_server_that_is_started_is_not_reloaded(host: Host, asks: Callable[..., set[str]]) -> None:
    host.httpd.stop()
    host.httpd.error_log.unlink()
    host.apply(wish(host))
    assert loads(host.httpd) == 1
    assert asks("TLSv1.2") == {"2 200"}


def test_an_mpm_that_mod_http2_does_not_work_with_is_reloaded_once_and_asked_nothing(
    short_path: Path, authority: Authority, chat: Authority, probes: _handshake.Probes
) -> None:
    httpd = EmbeddedHttpd(short_path / "httpd", mpm="prefork")
    host = Host(httpd, authority, chat, free_port(), probes)
    httpd.start()
    try:
        host.add(MODULE)
        host.restart()
        before = loads(httpd)
        assert "http2 is not served: mod_http2 does not work with the MPM prefork" in host.apply(wish(host)).limits
        assert loads(httpd) == before + 1
    finally:
        httpd.stop()


def test_no_request_of_others_is_lost_while_mod_http2_comes_in(host: Host, tmp_path: Path) -> None:
    issued = host.public.issue(DOMAIN)
    before = host.wish(issued=issued, document_root=str(host.httpd.root / "site"))
    host.apply(before)
    load = Load(host.port, tmp_path)
    load.start(host.chat.issue(client=True, common_name="Chat"))
    try:
        for wished in (wish(host, issued=issued), before):
            host.apply(wished)
    finally:
        load.stop()
    assert load.wrong == []
    assert load.answered > 20
