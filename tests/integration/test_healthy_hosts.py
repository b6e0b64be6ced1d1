# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that are sound although they look odd: a run goes through there, and a real httpd shows what it did."""

from __future__ import annotations

import pytest
from demo_material import write
from embedded_httpd import free_port
from host import DOMAIN, Host
from rehearsing import PIPED

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

# -- lines of the operator's that lean on modules which our host-level file alone loads


def own_tls_host(host: Host) -> None:
    """Add a TLS host of the operator's behind a first run, by whose modules it is sound."""
    issued = host.public.issue("own.example.com")
    write(host.conf, "own.crt", issued.full_pem)
    write(host.conf, "own.key", issued.key_pem)
    text = host.httpd.conf.read_text()
    own = (
        f"<VirtualHost *:{host.port}>\nServerName own.example.com\nSSLEngine on\n"
        "SSLCertificateFile conf/own.crt\nSSLCertificateKeyFile conf/own.key\n</VirtualHost>\n"
    )
    host.httpd.conf.write_text(own + text)
    host.restart()


def test_a_tls_host_that_leans_on_our_mod_ssl_does_not_stop_a_renewal(host: Host) -> None:
    host.apply(host.wish())
    own_tls_host(host)
    again = host.wish(issued=host.public.issue(DOMAIN))
    assert host.apply(again).reloaded
    assert host.enforces()
    assert host.served("own.example.com") != host.served()
    assert not host.apply(again).changed


def test_a_proxy_that_leans_on_our_mod_proxy_does_not_stop_a_renewal(host: Host) -> None:
    backend = {"document_root": None, "proxy_pass": "http://127.0.0.1:9/"}
    host.apply(host.wish(**backend))
    host.add('ProxyPass "/app" "http://127.0.0.1:10/"\n')
    host.restart()
    assert host.apply(host.wish(issued=host.public.issue(DOMAIN), **backend)).reloaded


@pytest.mark.parametrize("ours", ["the site goes", "the module is not needed by it any more"])
def test_a_module_that_others_lean_on_is_named_before_it_would_go(host: Host, ours: str) -> None:
    host.apply(host.wish(document_root=None, proxy_pass="http://127.0.0.1:9/"))
    host.add('ProxyPass "/app" "http://127.0.0.1:10/"\n')
    host.restart()
    wish = SiteWish(DOMAIN, None) if ours == "the site goes" else host.wish()
    message = host.refused(wish)
    assert "ProxyPass" in message
    assert "a2enmod" in message
    assert "proxy" in message.split("a2enmod")[1]


def test_a_module_that_nobody_leans_on_goes_with_the_site(host: Host) -> None:
    host.apply(host.wish(document_root=None, proxy_pass="http://127.0.0.1:9/"))
    assert host.apply(SiteWish(DOMAIN, None)).changed


def test_a_configuration_that_no_module_of_ours_makes_sound_is_refused(host: Host) -> None:
    host.apply(host.wish())
    host.add("NoSuchDirective on\n")
    message = host.refused(host.wish(issued=host.public.issue(DOMAIN)))
    assert "NoSuchDirective" in message
    assert "a2enmod" not in message


# -- one socket for both families


def listening_on(host: Host, *addresses: str) -> int:
    """Have the server listen on these addresses at one more port, from a start on."""
    port = free_port()
    host.add("".join(f"Listen {address}:{port} https\n" for address in addresses))
    host.restart()
    return port


@pytest.mark.parametrize("pair", [("0.0.0.0", "[::]"), ("[::]", "0.0.0.0")])
def test_a_pair_of_listen_for_both_families_is_taken_as_it_is(host: Host, pair: tuple[str, str]) -> None:
    port = listening_on(host, *pair)
    for depth in (1, 2):
        assert host.apply(host.wish(port=port, verify_depth=depth)).reloaded
        assert host.enforces(port=port)
        assert host.enforces(port=port, address="::1")


def test_a_listen_for_ipv4_alone_in_the_place_of_one_for_both_needs_a_stop(host: Host) -> None:
    port = listening_on(host, "[::]")
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(text.replace(f"Listen [::]:{port}", f"Listen 0.0.0.0:{port}"))
    assert f"port {port}: httpd listens on :: now" in host.refused(host.wish())


# -- virtual hosts of every sort


def tls_host(host: Host, address: str, *lines: str) -> str:
    """Add a TLS host of the operator's at an address of the sites' port; returns where it stands."""
    issued = host.public.issue("own.example.com")
    write(host.conf, "own.crt", issued.full_pem)
    write(host.conf, "own.key", issued.key_pem)
    own = (*lines, "SSLEngine on", "SSLCertificateFile conf/own.crt", "SSLCertificateKeyFile conf/own.key")
    host.add(f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port}\n")
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add("\n".join([f"<VirtualHost {address}:{host.port}>", *own, "</VirtualHost>", ""]))
    host.restart()
    return f"{host.httpd.conf}:{line}"


def test_a_plain_host_for_all_ports_has_no_sessions_to_get_in_by(host: Host) -> None:
    host.add("<VirtualHost *>\nServerName other.example.net\nDocumentRoot htdocs\n</VirtualHost>\n")
    host.restart()
    assert host.apply(host.wish()).reloaded
    assert host.enforces()


@pytest.mark.parametrize("written", ["127.0.0.1", "localhost"])
def test_a_host_for_one_address_is_named_before_it_hides_a_site_and_listen_is_the_way(host: Host, written: str) -> None:
    place = tls_host(host, written, "ServerName own.example.com")
    message = host.refused(host.wish())
    assert f"the virtual host at {place} is for {written} alone" in message
    assert "set 'listen: [\"127.0.0.1\"]'" in message
    assert "got in" not in message
    assert host.apply(host.wish(listen=["127.0.0.1"])).reloaded
    assert host.enforces()


def test_a_host_for_an_address_and_all_others_is_to_leave_that_out_before_it_hides_a_site(host: Host) -> None:
    # As Bitnami writes them.
    place = tls_host(host, f"127.0.0.1:{host.port} _default_", "ServerName own.example.com")
    message = host.refused(host.wish())
    assert f"the virtual host at {place} names 127.0.0.1 beside all addresses" in message
    assert "take 127.0.0.1 out of its <VirtualHost>" in message
    assert "set 'listen" not in message
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(text.replace(f"127.0.0.1:{host.port} _default_", "_default_"))
    host.restart()
    assert host.apply(host.wish()).reloaded
    assert host.enforces()


def test_a_host_for_an_address_that_nobody_listens_at_hides_no_site(host: Host) -> None:
    host.add(
        f"Listen 127.0.0.1:{host.port} https\n"
        f"<VirtualHost 127.0.0.2:{host.port}>\nServerName own.example.com\n</VirtualHost>\n"
    )
    host.restart()
    assert host.apply(host.wish(listen=["127.0.0.1"])).reloaded
    assert host.enforces()


def test_a_nameless_host_that_takes_the_servers_name_is_named_where_that_is_a_sites(host: Host) -> None:
    place = tls_host(host, "*")
    host.add(f"ServerName {DOMAIN}\n")
    host.restart()
    message = host.refused(host.wish())
    assert f"the virtual host at {place} has no ServerName, so it takes the server's" in message
    assert "got in" not in message


def test_a_nameless_host_hides_no_site_of_another_name_than_the_servers(host: Host) -> None:
    tls_host(host, "*")
    assert host.apply(host.wish()).reloaded
    assert host.enforces()


def test_a_wildcard_that_stands_for_a_sites_name_is_said(host: Host) -> None:
    place = tls_host(host, "*", "ServerName example.com", "ServerAlias *.example.com")
    message = host.refused(host.wish())
    assert f"the virtual host at {place} has the name {DOMAIN} on port {host.port} already by *.example.com" in message


def test_a_host_of_the_sites_name_and_folder_is_to_include_the_site_before_anything_is_accepted(host: Host) -> None:
    folder = host.httpd.root / "htdocs"
    tls_host(host, "*", f"ServerName {DOMAIN}", f"DocumentRoot {folder}")
    message = host.refused(host.wish(document_root=str(folder)))
    assert "manage: directives" in message
    assert "allow_bypass" not in message


# -- settings of the live server that its rehearsal, one process alone, could not bear


@pytest.mark.parametrize("line", ["MaxConnectionsPerChild 1", "MaxRequestsPerChild 3"])
def test_children_that_end_soon_are_no_hindrance(host: Host, line: str) -> None:
    host.add(f"{line}\n")
    host.restart()
    report = host.apply(host.wish())
    assert (report.reloaded, report.rehearsal) == (True, "full")
    assert host.enforces()


# -- lines that limit what of TLS is offered


@pytest.mark.parametrize("piped", [False, True])
def test_a_line_that_forbids_a_version_the_site_asks_for_is_named(host: Host, piped: bool) -> None:
    host.add("LoadModule ssl_module modules/mod_ssl.so\n" + (PIPED if piped else ""))
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add("SSLOpenSSLConfCmd MinProtocol TLSv1.3\n")
    host.restart()
    message = host.refused(host.wish())
    assert "TLSv1.2 is not offered" in message
    assert f"SSLOpenSSLConfCmd MinProtocol at {host.httpd.conf}:{line}" in message
    assert host.apply(host.wish(tls_profile="modern")).reloaded


def test_a_line_that_forbids_no_version_the_site_asks_for_is_let_be(host: Host) -> None:
    host.add("LoadModule ssl_module modules/mod_ssl.so\nSSLOpenSSLConfCmd MinProtocol TLSv1.2\n")
    host.restart()
    assert host.apply(host.wish()).reloaded
    assert host.enforces()


@pytest.mark.parametrize("kind", ["none", "nonenotnull", "shmcb", "dbm:logs/cache"])
def test_a_cache_of_sessions_that_is_no_file_has_no_folder_hidden(host: Host, kind: str) -> None:
    host.load("ssl", "socache_shmcb", "socache_dbm")
    host.add(f"SSLSessionCache {kind}\n")
    host.restart()
    issued = host.public.issue(DOMAIN)
    assert host.apply(host.wish(issued=issued)).rehearsal == "full"
    report = host.apply(host.wish(issued=issued, verify_depth=4))
    assert not [each for each in report.limits if "no file could be put into" in each]
