# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts set up as other distributions do, and httpd as process 1: nothing of theirs is changed, all is given back."""

from __future__ import annotations

import json
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from backend import Backend, get, send
from demo_material import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Remote
    from container import Container

# As Docker's httpd:2.4 is: the prefix is the workers', logs are what the container prints, a script is process 1 first.
OFFICIAL = r"""
cd /usr/local/apache2
chown www-data:www-data .
sed -ri -e 's!^(\s*CustomLog)\s+\S+!\1 /proc/self/fd/1!' -e 's!^(\s*ErrorLog)\s+\S+!\1 /proc/self/fd/2!' \
  -e 's/^(User|Group) .*/\1 www-data/' conf/httpd.conf
script=/usr/local/bin/httpd-foreground
printf '%s\n' '#!/bin/sh' 'set -e' 'rm -f /usr/local/apache2/logs/httpd.pid' 'exec httpd -DFOREGROUND "$@"' >$script
chmod 755 $script
exec httpd-foreground
"""
UNIT = "/etc/systemd/system/httpd.service.d/own.conf"
PATH = "/usr/local/apache2/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOSTS = {
    "redhat": ("redhat",),
    "suse": ("suse",),
    "process 1": ("source", "--entrypoint", '["/usr/local/apache2/bin/httpd", "-D", "FOREGROUND"]'),
    "official image": ("source", "--env", f"PATH={PATH}", "--entrypoint", json.dumps(["/bin/sh", "-euc", OFFICIAL])),
}
LONG = bool(os.environ.get("LONG"))
OTHERS = [
    pytest.param(name, marks=pytest.mark.skipif(not LONG, reason="all options are tried there in make test-long"))
    for name in ("redhat", "process 1", "debian12")
]


@pytest.fixture(scope="module", params=HOSTS)
def machine(request: pytest.FixtureRequest, booting: Callable[..., Iterator[Container]]) -> Iterator[Container]:
    """Boot each of the hosts, with httpd running."""
    image, *options = HOSTS.get(request.param, (request.param,))
    yield from booting(image, request.node.name, *options)


@pytest.fixture
def remote(remote: Remote, request: pytest.FixtureRequest) -> Remote:
    """Give an operator the host; the official image has no file for logs, and so has the site none there."""
    official = "official" in request.node.name
    logs = {"access_log": "server", "error_log": "server"} if official else {}
    return replace(remote, site=remote.site | logs)


def by_address(remote: Remote) -> str | None:
    """Return the certificate that clients without SNI are served on port 443, None where nothing is."""
    with suppress(ConnectionRefusedError):
        return ssl.get_server_certificate((remote.address, 443))
    return None


def test_a_host_is_given_back_as_it_was(remote: Remote) -> None:
    domain = remote.material.domain
    before = remote.state(times=False)[0]
    default = by_address(remote)
    remote.deploy()
    # The virtual host of a stock ssl.conf stays the default, and leads to nothing of ours.
    assert default in (None, by_address(remote))
    request = f"GET / HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n".encode()
    answer = send(443, "", request, remote.material.client, address=remote.address)[0]
    assert answer == (421 if default else 403)
    assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"  # An empty folder is served.
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    during = remote.state(times=False)[0]
    # But for the link or the line that includes us, what was there is there, byte for byte.
    changed = [line for line in before if line not in during]
    assert len(changed) <= (0 if remote.layout.conf.startswith("/etc") else 2)
    remote.deploy(mutual_tls_sites=[{"domain": domain, "state": "absent"}])
    assert remote.state(times=False)[0] == before


def test_the_page_of_systems_tells_what_is_found_on_the_host(remote: Remote, find_system: Callable[..., None]) -> None:
    find_system(remote)


@pytest.mark.parametrize("machine", ["official image"], indirect=True)
def test_a_log_below_the_official_images_folder_of_its_workers_waits_for_root(remote: Remote) -> None:
    site = {name: value for name, value in remote.site.items() if not name.endswith("_log")}
    said = " ".join(remote.refused(mutual_tls_sites=[site]).output.split())
    assert "/usr/local/apache2 can be changed by others" in said
    remote.host.shell("chown root /usr/local/apache2")
    remote.deploy(mutual_tls_sites=[site])
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert remote.host.shell(f"ls {remote.layout.logs}").split() == [
        "httpd.pid", f"{remote.material.domain}-access.log", f"{remote.material.domain}-error.log",
    ]  # fmt: skip
    remote.deploy(mutual_tls_sites=[{"domain": remote.material.domain, "state": "absent"}])
    remote.host.shell(f"rm {remote.layout.logs}/www*; chown www-data /usr/local/apache2")


@pytest.mark.parametrize("machine", ["official image"], indirect=True)
def test_a_site_in_the_official_image_is_renewed_by_a_reload_of_process_1(remote: Remote) -> None:
    material = remote.material
    remote.deploy()
    assert "changed=0" in remote.deploy().output
    renewed = material.public.issue(material.domain)
    material.put(renewed)
    assert "changed=1" in remote.deploy().output
    assert remote.ask(material.client).certificate_sha256 == renewed.sha256
    assert remote.host.shell("cat /proc/1/cmdline | tr '\\0' ' '").strip() == "httpd -DFOREGROUND"
    assert "changed=0" in remote.deploy().output


@pytest.mark.skipif(not LONG, reason="the stock ssl.conf takes our directives in make test-long")
@pytest.mark.parametrize("machine", ["redhat"], indirect=True)
def test_the_virtual_host_of_the_stock_ssl_conf_takes_the_directives(remote: Remote) -> None:
    domain, stock = remote.material.domain, "/etc/httpd/conf.d/ssl.conf"
    site = remote.site | {"manage": "directives"}
    assert "is not in force: put `Include" in " ".join(remote.deploy(mutual_tls_sites=[site]).output.split())
    line = f"Include {remote.store}/{domain}/current/site.conf"
    remote.host.shell(
        f"mkdir /var/www/webhooks; cp -p {stock} /root/; sed -i -e '/^SSLCertificateKeyFile/d' "
        f"-e 's|^SSLCertificateFile.*|ServerName {domain}|' -e 's|^</VirtualHost>|{line}\\n&|' {stock}"
    )
    try:
        words = " ".join(remote.refused(mutual_tls_sites=[site]).output.split())
        assert "the main server serves its content too" in words  # Both serve /var/www/html.
        remote.host.shell(f"sed -i 's|^ServerName.*|&\\nDocumentRoot /var/www/webhooks|' {stock}")
        remote.deploy(mutual_tls_sites=[site])
        assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"  # An empty folder is served.
        assert "changed=0" in remote.deploy(mutual_tls_sites=[site]).output
    finally:
        remote.host.shell(f"rmdir /var/www/webhooks; mv /root/ssl.conf {stock}; systemctl restart httpd")


@pytest.mark.parametrize("machine", ["redhat"], indirect=True)
def test_a_host_that_was_stopped_is_started_with_its_options(remote: Remote) -> None:
    remote.host.shell(remote.layout.stop)
    remote.deploy()
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize("machine", ["redhat"], indirect=True)
def test_a_host_that_was_stopped_is_started_with_the_words_of_its_unit(remote: Remote) -> None:
    unit = (
        "[Service]\nEnvironment=WHERE=/etc/web\nExecStart=\n"
        "ExecStart=/usr/sbin/httpd -f ${WHERE}/main.conf -D MINE $OPTIONS -DFOREGROUND\n"
        "ExecReload=\nExecReload=/usr/sbin/httpd -f ${WHERE}/main.conf -D MINE $OPTIONS -k graceful\n"
    )
    conf = "{ cat /etc/httpd/conf/httpd.conf; echo '<IfDefine !MINE>\nError without\n</IfDefine>'; }"
    remote.host.run("sh", "-c", "mkdir /etc/systemd/system/httpd.service.d; cat >$0", UNIT, text=unit)
    remote.host.shell(f"systemctl stop httpd; mkdir /etc/web; {conf} >/etc/web/main.conf; systemctl daemon-reload")
    try:
        remote.deploy()
        assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        assert remote.host.shell("ls -d /etc/web/mtls; systemctl is-active httpd").split() == [
            "/etc/web/mtls",
            "active",
        ]
        assert "changed=0" in remote.deploy().output
        remote.deploy(mutual_tls_sites=[{"domain": remote.material.domain, "state": "absent"}])
    finally:
        remote.host.shell(f"rm -r /etc/web {UNIT}; systemctl daemon-reload; systemctl restart httpd")


@pytest.mark.parametrize("machine", ["suse"], indirect=True)
def test_a_stopped_host_is_started_by_the_program_that_alone_knows_its_arguments(remote: Remote) -> None:
    remote.host.shell(remote.layout.stop)
    before = remote.state()
    assert "changed=1" in remote.deploy("--check").output
    assert remote.state() == before
    remote.refused(mutual_tls_sites=[remote.site | {"extra_directives": "SSLVerifyClient none"}])
    assert remote.host.shell("systemctl is-active apache2 || true") == "inactive"
    remote.deploy()
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert "changed=0" in remote.deploy().output


@pytest.mark.parametrize("machine", ["suse"], indirect=True)
def test_a_stopped_host_whose_start_would_bring_another_configuration_is_left_alone(remote: Remote) -> None:
    remote.host.shell(remote.layout.stop)
    remote.host.shell("cp -p /etc/sysconfig/apache2 /root/; sed -i 's/ status / /' /etc/sysconfig/apache2")
    run = remote.refused()
    assert "it would change /etc/apache2/sysconfig.d/loadmodule.conf" in " ".join(run.output.split())
    remote.host.shell(f"mv /root/apache2 /etc/sysconfig/; {remote.layout.start}")


@pytest.mark.parametrize("machine", ["suse"], indirect=True)
def test_a_flag_that_brings_the_hosts_own_listen_is_no_second_one(remote: Remote) -> None:
    remote.deploy()
    remote.host.shell("sed -i 's/^APACHE_SERVER_FLAGS=.*/APACHE_SERVER_FLAGS=SSL/' /etc/sysconfig/apache2")
    remote.host.shell("systemctl restart apache2")
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    remote.host.shell("sed -i 's/^APACHE_SERVER_FLAGS=.*/APACHE_SERVER_FLAGS=/' /etc/sysconfig/apache2")
    remote.host.shell("systemctl restart apache2")
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize("machine", ["suse", *OTHERS], indirect=True)
def test_sites_with_all_options_are_served_on_each_host(remote: Remote, tmp_path: Path) -> None:
    material, chat = remote.material, remote.material.client
    webhook, shop, legacy = material.domain, "shop.example.com", "legacy.example.com"
    other, revoked = (material.chat.issue(client=True, common_name=name) for name in ("Another customer", "Gone"))
    before = remote.state(times=False)[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        unsent.connect((remote.address, 9))
        here = unsent.getsockname()[0]
    issued = material.root.issue(here)
    write(tmp_path, "backend.pem", issued.full_pem + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "backend.pem")

    def site(domain: str, *aliases: str, **options: Any) -> dict[str, Any]:
        server = material.root.issue(domain, *aliases)
        own = {"certificate_content": server.full_pem.decode(), "private_key_content": server.key_pem.decode()}
        common = {name: remote.site[name] for name in ("client_ca", "trust_anchors")}
        return {"domain": domain, "aliases": list(aliases), **own, **common, **options}

    def backend(name: str, tls: ssl.SSLContext | None = None) -> Backend:
        return Backend(name, socket.create_server((here, 0)), tls=tls)

    with (
        backend("behind", context).serving() as behind,
        backend("open").serving() as open_,
        backend("guarded").serving() as guarded,
    ):
        sites = [
            site(
                webhook,
                "api.example.com",
                client_ca_sha256=[material.chat.sha256],
                crl_content=[material.chat.crl(revoked).decode()],
                crl_check="leaf",
                allowed_clients=[{"subject": "CN=Chat"}, {"san": "chat.example.com"}],
                open_paths=["/healthz"],
                verify_depth=2,
                proxy_pass=f"https://{here}:{behind.port}/",
                proxy_ca_content=[material.root.pem.decode()],
                proxy_timeout=1,
                proxy_websocket=True,
                request_body_limit=10,
                forward_client_identity={"subject": "X-Subject", "verification": "X-Verify", "client_cert": True},
                tls_profile="modern",
                http2=True,
                hsts=63072000,
                ocsp_stapling=True,
            ),
            site(
                shop,
                port=8443,
                proxy_protocol=True,
                proxy_pass=f"http://{here}:{open_.port}/",
                protected_paths=[{"path": "/callback", "proxy_pass": f"http://{here}:{guarded.port}/"}],
                access_log="server",
                error_log="server",
            ),
            site(
                legacy,
                port=9443,
                listen=[remote.address],
                document_root="/srv/legacy",
                verify_client="optional",
                tls_profile="custom",
                tls_protocols=["TLSv1.1", "TLSv1.2"],
                extra_directives='Redirect 204 "/empty"',
            ),
        ]
        remote.host.shell("mkdir -p /srv/legacy && echo the page >/srv/legacy/index.html")
        remote.deploy(mutual_tls_sites=sites, mutual_tls_confirm=False)
        at = {"address": remote.address}
        for client, path, status in (
            (chat, "/", 200), (other, "/", 403), (None, "/", 403), (None, "/healthz", 200), (revoked, "/", 0),
            (material.stranger, "/healthz", 0),
        ):  # fmt: skip
            assert get(443, webhook, path, client, "X_Subject: forged", **at)[0] == status, (client, path)
            assert status != 200 or "forged" not in behind.asked[-1]
        status, said = get(443, "api.example.com", "/", chat, **at)
        assert (status, "max-age=63072000" in said) == (200, True)
        told = dict(behind.headers())
        assert (told["X-Subject"], told["X-Verify"], told["Client-Cert"][:4]) == ("CN=Chat", "SUCCESS", ":MII")
        assert get(443, webhook, "/", chat, version="TLSv1.2", **at)[0] == 0
        long = f"POST / HTTP/1.1\r\nHost: {webhook}\r\nContent-Length: 11\r\nConnection: close\r\n\r\n"
        assert send(443, webhook, long.encode(), chat, **at)[0] == 413
        assert get(443, webhook, "/", chat, "Upgrade: websocket", "Connection: upgrade", **at)[0] == 200
        assert dict(behind.headers())["Upgrade"] == "websocket"
        balanced = at | {"preface": b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n"}
        for version in ("TLSv1.2", "TLSv1.3"):
            for client, path, status in ((None, "/x", 200), (None, "/callback", 403), (chat, "/callback", 200)):
                assert get(8443, shop, path, client, version=version, **balanced)[0] == status
        assert (set(open_.paths), set(guarded.paths)) == ({"/x"}, {"/"})
        assert remote.host.shell(f"grep -ch '192.0.2.7 .*/callback' {remote.layout.logs}/*access[._]log") != "0"
        for version, status in (("TLSv1.1", 200), ("TLSv1.2", 200), ("TLSv1.3", 0)):
            assert get(9443, legacy, "/", None, version=version, **at)[0] == status
        assert get(9443, legacy, "/empty", chat, version="TLSv1.2", **at)[0] == 204
        assert "changed=0" in remote.deploy(mutual_tls_sites=sites, mutual_tls_confirm=False).output
    remote.deploy(mutual_tls_sites=[{"domain": each["domain"], "state": "absent"} for each in sites])
    assert remote.state(times=False)[0] == before
