# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses and ports of a site: its own, the user's, and those that somebody else holds."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from pathlib import Path

import pytest
from embedded_httpd import free_port
from host import DOMAIN, Host


@pytest.mark.parametrize("address", ["::1", "127.0.0.2"])
def test_a_site_can_have_an_address_of_its_own(host: Host, address: str) -> None:
    host.apply(host.wish(listen=(address,)))
    assert host.enforces(address=address)
    assert {answer.detail for answer in host.answers().values()} == {"connection refused"}


def test_a_site_can_have_several_addresses(host: Host) -> None:
    host.apply(host.wish(listen=("::1", "127.0.0.1", "127.0.0.2")))
    for address in ("::1", "127.0.0.1", "127.0.0.2"):
        assert host.enforces(address=address)


def test_a_site_can_move_to_another_port(host: Host) -> None:
    issued = host.public.issue(DOMAIN)
    host.apply(host.wish(issued=issued))
    port = free_port()
    host.apply(host.wish(issued=issued, port=port))
    assert host.enforces(port=port)
    assert host.served() is None


def test_an_address_that_the_host_has_not_is_refused(host: Host) -> None:
    assert "192.0.2.77 is no address of this host (Cannot assign requested address): correct 'listen'" in host.refused(
        host.wish(listen=("192.0.2.77",))
    )


def test_a_change_between_all_addresses_and_one_is_refused_while_httpd_runs(host: Host) -> None:
    issued = host.public.issue(DOMAIN)
    host.apply(host.wish(issued=issued))
    assert "without a stop" in host.refused(host.wish(issued=issued, listen=("127.0.0.1",)))
    host.httpd.stop()
    host.apply(host.wish(issued=issued, listen=("127.0.0.1",)))
    assert host.enforces()
    assert "without a stop" in host.refused(host.wish(issued=issued))


# -- held by another


def test_the_main_servers_plain_port_is_not_taken(host: Host) -> None:
    assert "is the main server's" in host.refused(host.wish(port=host.httpd.port))


def test_a_port_that_another_process_holds_is_refused_with_its_holder(host: Host) -> None:
    with socket.create_server(("127.0.0.1", host.port)):
        message = host.refused(host.wish())
    assert f"port {host.port} is held by" in message
    assert f"(process {os.getpid()})" in message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start httpd as another user")
def test_an_httpd_that_another_user_started_is_named_as_that_and_not_to_be_ended(host: Host) -> None:
    host.httpd.stop()
    nobody = pwd.getpwnam("nobody")
    for path in (host.httpd.root / "logs", *(host.httpd.root / "logs").iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    command = [str(host.httpd.binary), "-d", str(host.httpd.root), "-f", str(host.httpd.conf), "-k", "start"]
    subprocess.run(command, user=nobody.pw_uid, group=nobody.pw_gid, check=True, stdin=subprocess.DEVNULL)
    host.httpd.wait_until_answers()
    try:
        message = host.refused(host.wish())
    finally:
        host.httpd.stop()
    assert f"port {host.httpd.port} is held by httpd itself" in message
    assert "which was started as nobody" in message
    assert "end it" not in message


def test_where_a_listen_for_one_address_is_in_the_way_nobody_is_to_be_ended(host: Host) -> None:
    host.add(f"Listen 127.0.0.1:{host.port} https\n")
    host.restart()
    with socket.create_server(("127.0.0.2", host.port)):
        message = host.refused(host.wish())
        assert "set 'listen' of the site" in message
        assert "end it" not in message
        assert "stop httpd" not in message
        host.apply(host.wish(listen=("127.0.0.1",)))
    assert host.enforces()


def test_a_process_that_names_itself_so_cannot_write_on_the_operators_terminal(host: Host) -> None:
    own = Path("/proc/self/comm")
    name = own.read_bytes()
    own.write_bytes(b"\x1b[2J\nok) S 1")
    try:
        with socket.create_server(("127.0.0.1", host.port)):
            message = host.refused(host.wish())
    finally:
        own.write_bytes(name)
    assert f"is held by ?[2J?ok) S 1 (process {os.getpid()})" in message


def test_a_listen_of_the_users_that_would_fail_at_our_reload_is_named(host: Host) -> None:
    host.apply(host.wish())
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        host.add(f"Listen 127.0.0.1:{port}\n")
        assert f"port {port} is held by" in host.refused(host.wish())


# -- the user's own Listen


def test_a_listen_of_the_users_is_not_repeated(host: Host) -> None:
    host.add(f"Listen 127.0.0.1:{host.port} https\nListen {free_port()}\n")
    host.restart()
    host.apply(host.wish(listen=("127.0.0.1",)))
    assert host.enforces()


def test_modules_and_listen_that_the_user_adds_later_in_front_of_us_do_no_harm(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    text = host.httpd.conf.read_text()
    added = (
        "LoadModule ssl_module modules/mod_ssl.so\n"
        f"<IfModule ssl_module>\nListen 127.0.0.1:{free_port()}\n</IfModule>\n"
    )
    host.httpd.conf.write_text(added + text)
    host.httpd.run("-t")
    host.restart()
    assert host.enforces()
    host.apply(wish)
    assert host.enforces()


def test_a_listen_that_comes_with_the_users_own_mod_ssl_is_used_with_and_without_it(host: Host) -> None:
    ports = host.conf / "ports.conf"
    ports.write_text(f"<IfModule ssl_module>\n    Listen {host.port}\n</IfModule>\n")
    host.add("Include conf/ports.conf\n")
    wish = host.wish()
    host.apply(wish)
    assert host.enforces()
    text = host.httpd.conf.read_text()
    # As a2enmod does it.
    host.httpd.conf.write_text("LoadModule ssl_module modules/mod_ssl.so\n" + text)
    host.httpd.run("-t")
    host.restart()
    assert host.enforces()
    # As a2dismod does it.
    host.httpd.conf.write_text(text)
    host.restart()
    assert host.enforces()
