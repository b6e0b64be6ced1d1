# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites beside what a server serves already: no way around the protected one, and what is the user's own stays so."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from demo_material import write
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, VERSIONS, Host

from ansible_collections.mtls.httpd.plugins.module_utils import _handshake

if TYPE_CHECKING:
    from demo_material import Authority

OWN = "own.example.com"
OTHER = "shop.example.com"


@pytest.fixture
def host(embedded: EmbeddedHttpd, authority: Authority, chat: Authority, probes: _handshake.Probes) -> Host:
    return Host(embedded, authority, chat, free_port(), probes)


def users_host(host: Host, *, extra: str = "", port: int = 0, names: str = f"ServerName {OWN}") -> str:
    """Add a TLS virtual host of the user's own, and restart; return where it stands."""
    port = port or host.port
    issued = host.public.issue(OWN)
    write(host.conf, "own.crt", issued.full_pem)
    write(host.conf, "own.key", issued.key_pem)
    if "mod_ssl.so" not in host.httpd.conf.read_text():
        host.add("LoadModule ssl_module modules/mod_ssl.so\n")
    host.add(f"Listen {port} https\n")
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    text = f"{names}\nSSLEngine on\nSSLCertificateFile conf/own.crt\nSSLCertificateKeyFile conf/own.key\n"
    host.add(f"<VirtualHost *:{port}>\n{text}{textwrap.dedent(extra)}\n</VirtualHost>\n")
    host.restart()
    return f"{host.httpd.conf}:{line}"


# -- no way around


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sni", ["", OWN, "nobody.example.com"])
def test_the_host_header_of_a_connection_made_to_another_site_reaches_nothing(
    host: Host, sni: str, version: str
) -> None:
    users_host(host)
    host.apply(host.wish(document_root=f"{host.httpd.root}/htdocs"))
    answer = _handshake.ask("127.0.0.1", host.port, sni, version=version, client="none", timeout=5, host=DOMAIN)
    assert "421" in answer.detail


@pytest.mark.parametrize("version", VERSIONS)
def test_the_session_of_another_site_is_worth_nothing_here(host: Host, version: str) -> None:
    users_host(host)
    host.apply(host.wish(document_root=f"{host.httpd.root}/htdocs"))
    context = _handshake.client_context(None, version)
    asked = {"version": version, "client": "none", "timeout": 5, "context": context}
    first = _handshake.ask("127.0.0.1", host.port, OWN, **asked)
    again = _handshake.ask("127.0.0.1", host.port, OWN, **asked, session=first.session)
    foreign = _handshake.ask("127.0.0.1", host.port, DOMAIN, **asked, session=first.session)
    assert (first.result, again.result, foreign.result) == ("accepted", "accepted", "refused")
    assert foreign.detail.startswith("alert")


def test_a_server_that_lets_requests_cross_from_site_to_site_is_found_in_the_rehearsal(host: Host) -> None:
    host.add(
        "<IfModule !ssl_module>\nLoadModule ssl_module modules/mod_ssl.so\n</IfModule>\nSSLVHostSNIPolicy insecure\n"
    )
    host.restart()
    message = host.refused(host.wish(), host.wish(OTHER))
    assert "got in by its name in a request to the virtual host at" in message
    assert "SSLVHostSNIPolicy" in message


def test_two_sites_beside_the_users_are_rehearsed_together(host: Host) -> None:
    users_host(host)
    host.apply(host.wish(), host.wish(OTHER))
    assert host.enforces()
    assert host.enforces(OTHER)


def test_a_client_without_sni_reaches_a_site_that_is_alone_on_its_port(host: Host) -> None:
    host.apply(host.wish(document_root=f"{host.httpd.root}/htdocs"))
    chat = host.chat.issue(client=True, common_name="Chat")
    identity = _handshake.Identity(chat.full_pem, chat.key_pem)
    for version in VERSIONS:
        answer = _handshake.ask(
            "127.0.0.1", host.port, "", version=version, client="trusted", identity=identity, timeout=5, host=DOMAIN
        )
        assert " 200 " in answer.detail
