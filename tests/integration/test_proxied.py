# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites that expect a PROXY header, as behind a load balancer that sends one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from demo_material import write
from host import DOMAIN, Host, tree
from identities import identity
from rehearsing import PIPED

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers, client
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from conftest import LocalOperator

MODULE = "LoadModule remoteip_module modules/mod_remoteip.so\n"
ON = "RemoteIPProxyProtocol On"
REHEARSALS = pytest.mark.parametrize("rehearsal", ["full", "reduced"])


def prepared(host: Host, rehearsal: str, text: str = MODULE) -> None:
    """Give the host's server `text`, and a reason to rehearse in part where it is to."""
    host.add(text + (PIPED if rehearsal == "reduced" else ""))
    host.restart()


def result(host: Host, *, proxied: bool, port: int = 0, address: str = "127.0.0.1") -> set[str]:
    """Return how clients of the client CA are answered, with a PROXY header or without."""
    chat = host.chat.issue(client=True, common_name="Chat")
    door = answers.Door(address, port or host.port, proxied)
    return {
        client.ask(door, answers.Question(DOMAIN, version, "trusted", identity(chat)), timeout=5).result
        for version in answers.VERSIONS
    }


def refused(host: Host, *wishes: SiteWish) -> str:
    """Return why the wishes are refused, with the host's files the same before and after."""
    before = tree(host.httpd.root)
    with pytest.raises(Refused) as caught:
        host.apply(*wishes)
    assert tree(host.httpd.root) == before
    return str(caught.value)


@REHEARSALS
def test_a_site_that_expects_a_proxy_header_is_tried_with_one(host: Host, rehearsal: str) -> None:
    prepared(host, rehearsal, "")
    before = tree(host.httpd.root)
    wish = host.wish(proxy_protocol=True)
    report = host.apply(wish)
    assert (report.rehearsal, report.sites[0]["proxy_protocol"]) == (rehearsal, True)
    assert (result(host, proxied=True), result(host, proxied=False)) == ({"accepted"}, {"unproven"})
    again = host.apply(wish)
    assert (again.changed, again.sites[0]["proxy_protocol"]) == (False, True)
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


@REHEARSALS
@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("", True),
        ("RemoteIPProxyProtocolExceptions 127.0.0.0/8\n", False),
        ("RemoteIPProxyProtocolExceptions 192.0.2.0/24 ::1\n", True),
    ],
)
def test_what_the_users_own_directives_say_of_the_header_is_minded(
    host: Host, rehearsal: str, text: str, sent: bool
) -> None:
    prepared(host, rehearsal, MODULE + text)
    wish = host.wish(extra=ON)
    report = host.apply(wish)
    assert (report.rehearsal, report.sites[0]["proxy_protocol"]) == (rehearsal, True)
    assert result(host, proxied=sent) == {"accepted"}
    assert not host.apply(wish).changed


def test_a_header_that_the_whole_server_expects_is_sent(host: Host) -> None:
    host.add(MODULE)
    host.restart()
    host.add(ON + "\n")
    host.httpd.stop()
    wish = host.wish()
    assert host.apply(wish).sites[0]["proxy_protocol"] is True
    assert result(host, proxied=True) == {"accepted"}
    assert not host.apply(wish).changed


def own_host(host: Host, name: str, *directives: str, address: str = "*") -> str:
    own = host.public.issue(name)
    write(host.conf, f"{name}.crt", own.full_pem)
    write(host.conf, f"{name}.key", own.key_pem)
    lines = "\n".join(directives)
    return (
        f"<VirtualHost {address}:{host.port}>\nServerName {name}\nSSLEngine on\n{lines}\n"
        f"SSLCertificateFile conf/{name}.crt\nSSLCertificateKeyFile conf/{name}.key\n</VirtualHost>\n"
    )


@REHEARSALS
@pytest.mark.parametrize("how", ["the option", "extra_directives"])
def test_a_header_that_a_neighbour_of_the_users_would_have_to_send_too_is_refused(
    host: Host, rehearsal: str, how: str
) -> None:
    ssl = f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port} https\n"
    prepared(host, rehearsal, MODULE + ssl + own_host(host, "own.example.com"))
    wish = host.wish(proxy_protocol=True) if how == "the option" else host.wish(extra=ON)
    assert "its RemoteIPProxyProtocol would hold for the virtual host at" in refused(host, wish)
    assert host.served("own.example.com") is not None


@REHEARSALS
def test_a_header_that_another_site_would_have_to_send_too_is_refused(host: Host, rehearsal: str) -> None:
    prepared(host, rehearsal, MODULE)
    host.apply(host.wish("shop.example.com"))
    told = f"{DOMAIN}: its RemoteIPProxyProtocol would hold for the site shop.example.com too"
    assert told in refused(host, host.wish(extra=ON))
    assert host.enforces("shop.example.com")
    host.apply(host.wish("shop.example.com", extra=ON), host.wish(extra=ON))
    assert result(host, proxied=True) == {"accepted"}


def test_a_site_beside_neighbours_that_expect_the_header_is_served(host: Host) -> None:
    ssl = f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port} https\n"
    prepared(host, "full", MODULE + ssl + own_host(host, "own.example.com", ON))
    for wish in (host.wish(), host.wish(proxy_protocol=True)):
        assert host.apply(wish).sites[0]["proxy_protocol"] is True
        assert result(host, proxied=True) == {"accepted"}


@REHEARSALS
def test_an_option_that_the_users_own_directive_takes_back_is_refused(host: Host, rehearsal: str) -> None:
    prepared(host, rehearsal, MODULE + "RemoteIPProxyProtocol Off\n")
    assert "takes 'proxy_protocol' back" in refused(host, host.wish(proxy_protocol=True))


def test_sites_that_share_a_port_agree_on_the_header(host: Host) -> None:
    message = host.refused(host.wish(proxy_protocol=True), host.wish("other.example.com"))
    assert "one alone has 'proxy_protocol'" in message
    report = host.apply(host.wish(proxy_protocol=True), host.wish("other.example.com", proxy_protocol=True))
    assert [site["proxy_protocol"] for site in report.sites] == [True, True]


@REHEARSALS
def test_behind_a_header_too_an_open_door_is_found(host: Host, rehearsal: str) -> None:
    prepared(host, rehearsal)
    message = host.refused(host.wish(proxy_protocol=True, extra="SSLVerifyClient none"))
    assert "a client without a certificate got in" in message


def test_behind_a_header_too_a_way_in_by_a_neighbour_is_found(host: Host) -> None:
    ssl = "<IfModule !ssl_module>\nLoadModule ssl_module modules/mod_ssl.so\n</IfModule>\n"
    prepared(host, "full", f"{ssl}SSLVHostSNIPolicy insecure\n")
    message = refused(host, host.wish(proxy_protocol=True), host.wish("other.example.com", proxy_protocol=True))
    assert "got in by its name in a request to the virtual host at" in message


def test_a_site_on_ipv6_is_tried_with_a_header_of_ipv6(host: Host) -> None:
    host.apply(host.wish(listen=("::1",), proxy_protocol=True))
    assert result(host, proxied=True, address="::1") == {"accepted"}


def test_the_old_state_is_seen_to_serve_behind_its_header_when_the_new_one_fails(host: Host) -> None:
    host.apply(host.wish(proxy_protocol=True))
    write(host.conf, "other-ca.pem", host.public.pem)
    # Unseen by the rehearsal, so that the confirmation has to find it.
    odd = "<IfDefine !MTLS_HTTPD_REHEARSAL>\nSSLCADNRequestFile conf/other-ca.pem\n</IfDefine>"
    assert "The old state is back and serving" in refused(host, host.wish(proxy_protocol=True, extra=odd))
    assert result(host, proxied=True) == {"accepted"}


def test_the_role_confirms_directly_with_the_header(operator: LocalOperator) -> None:
    site = operator.site | {"proxy_protocol": True}
    variables = {name: value for name, value in operator.variables.items() if name != "mutual_tls_confirm_address"}
    roles = [{"role": "mtls.httpd.mutual_tls"}]
    place = {"address": "127.0.0.1", "port": operator.port, "server_name": DOMAIN, "expect": "enforced"}
    tasks = [{"mtls.httpd.handshake_info": place | {"proxy_protocol": True, "run_on": "target"}}]
    run = operator.deploy(
        "-v", plays=[{"vars": variables | {"mutual_tls_sites": [site]}, "roles": roles, "tasks": tasks}]
    )
    assert run.output.count(f"{DOMAIN} at 127.0.0.1:{operator.port}: mutual TLS is enforced") == 2
    tasks = [{"mtls.httpd.handshake_info": place}]
    assert "mutual TLS is unproven" in operator.play(plays=[{"tasks": tasks}]).output


def test_a_virtual_host_of_the_users_own_says_itself_that_it_expects_the_header(operator: LocalOperator) -> None:
    keys = ("domain", "certificate", "private_key", "chain", "client_ca", "trust_anchors", "port")
    site = {name: operator.site[name] for name in keys} | {"manage": "directives", "proxy_protocol": True}
    assert "'proxy_protocol' is not for 'manage: directives'" in " ".join(
        operator.refused(mutual_tls_sites=[site]).output.split()
    )
