# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backends that nobody listens at, and names of backends that no resolver answers for: a run says so, and goes on."""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from backend import Backend
from host import DOMAIN, Host
from playing import surroundings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LocalOperator

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report


def nobodys_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def unheard(report: Report) -> list[str]:
    """Return what a report says of backends that take no connection."""
    return [each for each in report.limits if "nobody listens at" in each]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_backend_that_nobody_listens_at_is_a_warning_that_names_its_option(host: Host, name: str) -> None:
    port = nobodys_port()
    report = host.apply(host.wish(document_root=None, proxy_pass=f"http://{name}:{port}/"))
    assert report.reloaded
    (warning,) = unheard(report)
    assert f"{DOMAIN}: 'proxy_pass': nobody listens at {name}:{port} (Connection refused)" in warning
    assert not unheard(host.apply(host.wish()))


def test_the_backend_of_a_protected_path_is_named_by_its_path(host: Host) -> None:
    port = nobodys_port()
    (warning,) = unheard(host.apply(host.wish(protected={"/callback": f"http://127.0.0.1:{port}/callback"})))
    assert "'proxy_pass' of 'protected_paths' for /callback: nobody listens" in warning


def test_a_unix_socket_without_a_listener_is_a_warning_until_somebody_listens(host: Host, short_path: Path) -> None:
    path = short_path / "app.sock"
    wish = {"document_root": None, "proxy_pass": f"unix:{path}|http://localhost/"}
    (warning,) = unheard(host.apply(host.wish(**wish)))
    assert f"nobody listens at {path} (No such file or directory)" in warning
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        (warning,) = unheard(host.apply(host.wish(**wish, verify_depth=2)))
        assert "(Connection refused)" in warning
        listener.listen()
        assert not unheard(host.apply(host.wish(**wish, verify_depth=3)))


def test_a_backend_that_listens_is_no_warning_nor_is_where_a_redirect_leads(host: Host) -> None:
    extra = f'RewriteEngine on\nRewriteRule "^/old" "http://127.0.0.1:{nobodys_port()}/" [R]'
    host.load("rewrite")
    with Backend("app").serving() as backend:
        assert not unheard(
            host.apply(host.wish(document_root=None, proxy_pass=f"http://127.0.0.1:{backend.port}/", extra=extra))
        )


@pytest.mark.parametrize("address", ["192.0.2.7", "198.51.100.7", "203.0.113.7"])
def test_a_backend_may_be_in_a_network_that_a_rehearsal_calls_from(host: Host, address: str) -> None:
    report = host.apply(host.wish(document_root=None, proxy_pass=f"http://{address}:8080/"))
    assert report.rehearsal == "full"
    assert report.reloaded


# Addresses to which nothing answers, and a resolver that takes questions and says nothing.
SILENT = (
    "ip link set lo up && ip link add lan type veth peer name other && ip link set lan up && ip link set other up"
    " && ip address add 198.51.100.7/24 dev lan && ip neighbour add 198.51.100.9 lladdr 02:00:00:00:00:09 dev lan"
    " && mount --bind {resolver} /etc/resolv.conf && {{ {python} -c '{sink}' >/dev/null 2>&1 </dev/null & }}"
)
SINK = (
    "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
    's.bind(("127.0.0.1", 53)); time.sleep(60)'
)


@pytest.mark.parametrize("backend", ["127.0.0.1", "dead.internal.example", "198.51.100.9"])
def test_names_without_an_answer_and_silent_addresses_cost_a_bounded_time_in_all(
    operator: LocalOperator, backend: str
) -> None:
    resolver = operator.folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    within = surroundings(SILENT.format(resolver=resolver, python=sys.executable, sink=SINK), "--net", "--mount")
    operator.httpd.stop()
    names = [f"backend{number}.internal.example" for number in range(8)]
    hosts = "".join(
        f"<VirtualHost 127.0.0.1:{operator.httpd.port}>\nServerName n.{name}\nProxyPass / http://{name}:8080/\n"
        "</VirtualHost>\n"
        for name in names
    )
    proxies = "".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in ("proxy", "proxy_http"))
    operator.httpd.conf.write_text(operator.httpd.conf.read_text() + proxies + hosts)
    wish: dict[str, Any] = {name: value for name, value in operator.site.items() if name != "document_root"}
    began = time.monotonic()
    run = operator.deploy(within=within, mutual_tls_sites=[wish | {"proxy_pass": f"http://{backend}:8080/"}])
    assert "mutual TLS is enforced" in run.output
    assert time.monotonic() - began < 15
