# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets in at a real httpd, under each of its settings, over TLS 1.2 and 1.3."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from demo_material import Authority, self_signed, write
from embedded_httpd import EmbeddedHttpd, free_port
from identities import identity

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    VERSIONS,
    Answer,
    Clients,
    Door,
    Examination,
    Inquiry,
    Question,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask, examine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import SiteMaterial
    from demo_material import Issued

BOTH = "-all +TLSv1.2 +TLSv1.3"
VIRTUAL_HOST = """
Listen {address}:{port}
<VirtualHost *:{port}>
    ServerName {name}
    SSLEngine on
    SSLProtocol {protocols}
    SSLCertificateFile conf/server.crt
    SSLCertificateKeyFile conf/server.key
    SSLCACertificateFile conf/client-ca.crt
    SSLVerifyClient {verify}
    {extra}
</VirtualHost>
"""
MODULES = """
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
SSLSessionCache none
"""


@dataclass
class Site:
    """A TLS site of an embedded httpd, restarted with each setting."""

    httpd: EmbeddedHttpd
    material: SiteMaterial
    port: int

    def serve(
        self,
        verify: str = "require",
        *,
        protocols: str = BOTH,
        extra: str = "",
        address: str = "127.0.0.1",
        more: str = "",
    ) -> None:
        """Start httpd with these settings."""
        host = VIRTUAL_HOST.format(
            address=address,
            port=self.port,
            name=self.material.domain,
            protocols=protocols,
            verify=verify,
            extra=extra,
        )
        self.httpd.extra = MODULES + host + more
        self.httpd.lay_out()
        write(self.httpd.root / "conf", "server.crt", self.material.server.full_pem)
        write(self.httpd.root / "conf", "server.key", self.material.server.key_pem)
        write(self.httpd.root / "conf", "client-ca.crt", self.material.chat.pem)
        self.httpd.start()

    def examine(self, *, trusted: bool = True, address: str = "127.0.0.1") -> Examination:
        """Examine it."""
        clients = Clients(identity(self.material.stranger), identity(self.material.client) if trusted else None)
        return examine(Door(address, self.port), Inquiry(self.material.domain), clients, timeout=10)

    def ask(self, client: Issued | None, version: str, name: str | None = None) -> Answer:
        """Ask as one client."""
        server_name = self.material.domain if name is None else name
        question = Question(server_name, version, "none", client and identity(client))
        return ask(Door("127.0.0.1", self.port), question, timeout=10)


def results(found: Examination, version: str) -> dict[str, str]:
    """Return what each kind of client met over one version."""
    return {answer.client: answer.result for answer in found.answers if answer.version == version}


@pytest.fixture
def site(short_path: Path, site_material: SiteMaterial) -> Iterator[Site]:
    """Give a site that a test starts as it likes."""
    httpd = EmbeddedHttpd(short_path / "httpd")
    yield Site(httpd, site_material, free_port())
    httpd.stop()


def test_where_certificates_are_required_the_client_ca_decides(site: Site) -> None:
    site.serve()
    found = site.examine()
    assert found.mutual_tls == "enforced"
    for version in VERSIONS:
        assert results(found, version) == {"none": "refused", "untrusted": "refused", "trusted": "accepted"}
    assert found.client_ca_names == [site.material.chat.certificate.subject.rfc4514_string()]
    assert {answer.certificate_sha256 for answer in found.answers} == {site.material.server.sha256}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("nobody", {"TLSv1.2": "alert handshake_failure", "TLSv1.3": "alert certificate_required"}),
        ("stranger", "alert unknown_ca"),
        ("expired", "alert certificate_expired"),
        ("self-signed", "alert unknown_ca"),
        ("trusted", "HTTP/1.1 200 OK"),
    ],
)
def test_each_client_gets_its_own_answer(site: Site, version: str, kind: str, detail: str | dict[str, str]) -> None:
    material = site.material
    clients = {
        "nobody": None,
        "stranger": material.stranger,
        "expired": material.chat.issue(
            client=True, common_name="Chat", not_after=datetime.now(timezone.utc) - timedelta(days=1)
        ),
        "self-signed": self_signed(material.chat.name),
        "trusted": material.client,
    }
    site.serve()
    answer = site.ask(clients[kind], version)
    assert answer.detail == (detail if isinstance(detail, str) else detail[version])
    assert answer.result == ("accepted" if kind == "trusted" else "refused")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "alert"),
    [
        ("revoked", "certificate_revoked"),
        ("list expired", "certificate_unknown"),
        ("by an intermediate", "internal_error"),
        ("for servers", "unsupported_certificate"),
        ("weak", "bad_certificate"),
    ],
)
def test_the_alert_tells_why(site: Site, version: str, kind: str, alert: str) -> None:
    chat = site.material.chat
    clients = {
        "revoked": site.material.client,
        "list expired": site.material.client,
        "by an intermediate": Authority("Below", issuer=chat).issue(client=True, common_name="Chat"),
        "for servers": chat.issue("www.example.com"),
        "weak": chat.issue(client=True, common_name="Chat", key_type="rsa1024"),
    }
    check = "SSLCARevocationFile conf/list.crl\nSSLCARevocationCheck leaf"
    if kind == "revoked":
        write(site.httpd.root / "conf", "list.crl", chat.crl(site.material.client))
    elif kind == "list expired":
        past = datetime.now(timezone.utc) - timedelta(hours=1)
        write(site.httpd.root / "conf", "list.crl", chat.crl(next_update=past))
    site.serve(extra=check if kind in ("revoked", "list expired") else "")
    assert site.ask(clients[kind], version).detail == f"alert {alert}"


@pytest.mark.parametrize(
    ("verify", "mutual_tls", "strangers"),
    [
        ("optional", "optional", {"none": "accepted", "untrusted": "refused"}),
        ("optional_no_ca", "optional", {"none": "accepted", "untrusted": "accepted"}),
        ("none", "off", {"none": "accepted", "untrusted": "accepted"}),
    ],
)
def test_where_certificates_are_not_required_that_is_seen(
    site: Site, verify: str, mutual_tls: str, strangers: dict[str, str]
) -> None:
    site.serve(verify)
    found = site.examine(trusted=False)
    assert found.mutual_tls == mutual_tls
    assert results(found, "TLSv1.2") == results(found, "TLSv1.3") == strangers
    assert bool(found.client_ca_names) == (verify != "none")


@pytest.mark.parametrize("spoken", VERSIONS)
@pytest.mark.parametrize(("verify", "mutual_tls"), [("require", "enforced"), ("optional", "optional"), ("none", "off")])
def test_one_version_is_enough_and_the_other_is_said_not_to_be_offered(
    site: Site, spoken: str, verify: str, mutual_tls: str
) -> None:
    site.serve(verify, protocols=f"-all +{spoken}")
    found = site.examine(trusted=False)
    assert found.mutual_tls == mutual_tls
    assert {answer.version for answer in found.answers if answer.offered} == {spoken}
    assert {answer.detail for answer in found.answers if not answer.offered} == {"protocol not offered"}


def test_a_403_by_a_rule_on_the_certificate_is_a_refusal_where_a_client_gets_in(site: Site) -> None:
    rule = "<Location />\nRequire expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'\n</Location>"
    site.serve("optional", extra=rule)
    found = site.examine()
    assert found.mutual_tls == "enforced"
    assert {answer.detail for answer in found.answers if answer.client == "none"} == {"HTTP/1.1 403 Forbidden"}
    assert results(found, "TLSv1.3")["trusted"] == "accepted"
    assert results(site.examine(trusted=False), "TLSv1.3") == {"none": "unproven", "untrusted": "refused"}


def test_a_403_for_everybody_is_not_taken_for_mutual_tls(site: Site) -> None:
    site.serve("none", extra="<Location />\nRequire all denied\n</Location>")
    found = site.examine()
    assert {answer.result for answer in found.answers} == {"unproven"}
    assert found.mutual_tls == "unproven"


def test_a_renegotiation_for_a_location_is_seen_for_what_it_is(site: Site) -> None:
    site.serve("none", extra="<Location />\nSSLVerifyClient require\n</Location>")
    found = site.examine()
    assert results(found, "TLSv1.2") == {"none": "refused", "untrusted": "refused", "trusted": "accepted"}
    assert results(found, "TLSv1.3") == {"none": "unproven", "untrusted": "unproven", "trusted": "unproven"}
    assert found.mutual_tls == "unproven"


def test_a_client_that_httpd_takes_no_algorithm_of_was_not_judged(site: Site) -> None:
    site.serve(extra="SSLOpenSSLConfCmd ClientSignatureAlgorithms RSA+SHA256")
    answer = site.ask(site.material.client, "TLSv1.2")
    assert answer.result == "unproven"
    assert answer.detail.startswith("the client's certificate fits no algorithm")


def test_the_site_is_chosen_by_the_servers_name(site: Site) -> None:
    other = VIRTUAL_HOST.replace("Listen {address}:{port}", "").format(
        port=site.port, name="open.example.com", protocols=BOTH, verify="none", extra=""
    )
    site.serve(more=other)
    assert site.ask(None, "TLSv1.3").result == "refused"
    assert site.ask(None, "TLSv1.3", "open.example.com").result == "accepted"
    assert site.ask(None, "TLSv1.3", "").result == "refused"


def test_a_site_on_ipv6_is_reached(site: Site) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    site.serve(address="[::1]")
    assert site.examine(address="::1").mutual_tls == "enforced"


def test_the_plain_port_proves_nothing(site: Site) -> None:
    site.serve()
    site.port = site.httpd.port
    found = site.examine()
    assert found.mutual_tls == "unproven"
    assert {answer.detail for answer in found.answers} == {"the answer is not TLS"}


def test_no_backend_is_called(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as backend:
        backend.settimeout(0.2)
        proxy = f'ProxyPass "/" "http://127.0.0.1:{backend.getsockname()[1]}/"'
        site.serve(extra=proxy)
        assert site.ask(site.material.client, "TLSv1.3").detail == "HTTP/1.1 200 OK"
        with pytest.raises(TimeoutError):
            backend.accept()
