# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's own configuration: sites beside it, and what is wrong in it named as the user's."""

from __future__ import annotations

import os
import subprocess

import pytest
from demo_material import Authority, key_pem, new_key, write
from embedded_httpd import free_port
from host import DOMAIN, Host
from users import users_site


def test_a_site_stands_beside_the_users_own(host: Host) -> None:
    issued = host.public.issue("own.example.com")
    users_site(host, issued)
    host.restart()
    host.apply(host.wish())
    assert host.enforces()
    assert host.served("own.example.com") == issued.sha256
    assert "Listen" not in (host.store / "host.conf").read_text().partition("</IfModule>")[2]


def test_a_mismatched_key_of_somebody_elses_is_named_and_the_live_server_never_notices(host: Host) -> None:
    users_site(host, host.public.issue("own.example.com"), key=key_pem(new_key()))
    lines = host.httpd.conf.read_text().splitlines()
    message = host.refused(host.wish())
    assert f"{host.httpd.conf}:{lines.index('SSLCertificateFile conf/own.crt') + 1}" in message
    assert "does not match" in message
    assert "without this change" in message


def test_a_configuration_that_was_broken_before_us_is_named_and_left_alone(host: Host) -> None:
    host.add("NoSuchDirective on\n")
    line = len(host.httpd.conf.read_text().splitlines())
    message = host.refused(host.wish())
    assert f"line {line} of {host.httpd.conf}" in message
    assert "This was so before" in message


def test_a_configuration_that_parses_but_cannot_start_is_named_as_the_users(host: Host) -> None:
    users_site(host, host.public.issue("own.example.com"), names="SSLCipherSuite NO-SUCH-CIPHER")
    message = host.refused(host.wish())
    assert "without this change" in message
    assert "cipher" in message


def test_another_owners_fifo_as_certificate_is_named_and_not_waited_for(host: Host) -> None:
    os.mkfifo(host.conf / "own.crt")
    host.add(
        """
        LoadModule ssl_module modules/mod_ssl.so
        ErrorLog "|$/bin/cat >/dev/null"
        <VirtualHost 127.0.0.1:1>
            SSLEngine on
            SSLCertificateFile conf/own.crt
        </VirtualHost>
        """
    )
    assert "is no plain file" in host.refused(host.wish())


def test_a_server_level_ca_folder_and_revocation_check_do_not_leak_in(host: Host) -> None:
    folder = host.conf / "cas"
    stranger = Authority("Somebody else's CA")
    write(folder, "ca.pem", stranger.pem)
    write(host.conf, "other.crl", stranger.crl())
    subprocess.run(["openssl", "rehash", folder], check=True, capture_output=True)
    host.add(
        """\
        LoadModule ssl_module modules/mod_ssl.so
        SSLCACertificatePath conf/cas
        SSLCARevocationFile conf/other.crl
        SSLCARevocationCheck chain
        """
    )
    host.restart()
    host.apply(host.wish())
    assert host.enforces()
    client = stranger.issue(client=True, common_name="of the leaking CA")
    assert {answer.result for answer in host.answers(client).values()} == {"refused"}


# -- names


@pytest.mark.parametrize("names", [f"ServerAlias {DOMAIN}", "ServerAlias *.example.com", f"ServerName {DOMAIN}"])
def test_a_name_that_another_virtual_host_has_is_refused_with_its_place(host: Host, names: str) -> None:
    place = users_site(host, host.public.issue("own.example.com"), names=names)
    message = host.refused(host.wish())
    assert f"the virtual host at {place} has the name {DOMAIN} on port {host.port} already" in message


def test_so_is_an_alias_that_another_virtual_host_has(host: Host) -> None:
    place = users_site(host, host.public.issue("own.example.com"))
    message = host.refused(host.wish(aliases=("own.example.com",)))
    assert f"the virtual host at {place} has the name own.example.com on port {host.port} already" in message


def test_a_name_of_another_port_is_no_clash(host: Host) -> None:
    users_site(host, host.public.issue("own.example.com"), names=f"ServerAlias {DOMAIN}", port=free_port())
    host.restart()
    host.apply(host.wish())
    assert host.enforces()


@pytest.mark.parametrize("text", ["MDomain {}", "<MDomainSet {}>\n</MDomainSet>"])
def test_a_name_that_mod_md_manages_is_refused_with_its_place(host: Host, text: str) -> None:
    host.add(
        "LoadModule ssl_module modules/mod_ssl.so\n"
        "<IfModule !watchdog_module>\nLoadModule watchdog_module modules/mod_watchdog.so\n</IfModule>\n"
        "LoadModule md_module modules/mod_md.so\n"
    )
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add(text.format(DOMAIN) + "\n")
    message = host.refused(host.wish())
    assert f"mod_md manages a name of it ({host.httpd.conf}:{line})" in message


def test_a_mutex_directive_of_the_users_hides_nothing_behind_it(host: Host) -> None:
    host.add("Mutex file:logs default\n")
    host.add(f"<VirtualHost *:{host.port}>\nServerName {DOMAIN}\n</VirtualHost>\n")
    assert "has the name" in host.refused(host.wish())


# -- the default virtual host


def test_an_address_of_the_users_hosts_for_all_addresses_is_not_taken_from_them(host: Host) -> None:
    own = host.public.issue("own.example.com")
    write(host.conf, "own.crt", own.full_pem)
    write(host.conf, "own.key", own.key_pem)
    host.add(
        f"""
        LoadModule ssl_module modules/mod_ssl.so
        Listen {host.port} https
        <VirtualHost *:{host.port}>
            ServerName own.example.com
            SSLEngine on
            SSLCertificateFile conf/own.crt
            SSLCertificateKeyFile conf/own.key
        </VirtualHost>
        """
    )
    host.restart()
    assert "would stand before the virtual host at" in host.refused(host.wish(listen=("127.0.0.1",)))


def test_a_default_host_is_not_displaced_however_its_address_is_written(host: Host) -> None:
    (host.conf / "conf.d").mkdir()
    host.add(
        f"""
        LoadModule ssl_module modules/mod_ssl.so
        Listen {host.port} https
        IncludeOptional conf/conf.d/*.conf
        """
    )
    host.restart()
    host.apply(host.wish())
    own = host.public.issue("own.example.com")
    write(host.conf, "own.crt", own.full_pem)
    write(host.conf, "own.key", own.key_pem)
    host.add(
        f"""
        <VirtualHost _default_:{host.port}>
            ServerName own.example.com
            SSLEngine on
            SSLCertificateFile conf/own.crt
            SSLCertificateKeyFile conf/own.key
        </VirtualHost>
        """
    )
    assert "would become the default" in host.refused(host.wish())
