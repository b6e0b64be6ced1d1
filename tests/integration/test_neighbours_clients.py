# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual hosts beside a site that have clients of their own: their sessions are tried, however they name these."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from demo_material import Authority, write
from embedded_httpd import free_port
from host import DOMAIN

if TYPE_CHECKING:
    from host import Host

_FILE, _FOLDER = "SSLCACertificateFile conf/own-ca.crt\n", "SSLCACertificatePath conf/own-cas\n"
_LIST = "SSLCARevocationCheck chain\nSSLCARevocationFile conf/own.crl"
_LISTS = "SSLCARevocationCheck chain\nSSLCARevocationPath conf/own-crls"
NAMED = {
    "a file": _FILE,
    "a folder": _FOLDER,
    "a file, with a file of lists": _FILE + _LIST,
    "a file, with a folder of lists": _FILE + _LISTS,
    "folders": _FOLDER + _LISTS,
    "many": "SSLCACertificateFile conf/many.crt",
}


def neighbour(host: Host, named: str, port: int, server_name: str) -> str:
    """Add a virtual host at a port of its own whose clients are of its own CA; return where it stands."""
    issued, own = host.public.issue(DOMAIN), Authority("A neighbour's client CA")
    write(host.conf, "own.crt", issued.full_pem)
    write(host.conf, "own.key", issued.key_pem)
    write(host.conf, "own-ca.crt", own.pem)
    write(host.conf, "own.crl", own.crl())
    write(host.conf, "many.crt", b"".join(Authority(f"One of many {number}").pem for number in range(30)))
    for folder, file in (("own-cas", "own-ca.crt"), ("own-crls", "own.crl")):
        (host.conf / folder).mkdir(mode=0o755)
        (host.conf / folder / file).write_bytes((host.conf / file).read_bytes())
        subprocess.run(["openssl", "rehash", host.conf / folder], check=True)
    for module in ("socache_shmcb", "ssl"):
        host.add(f"LoadModule {module}_module modules/mod_{module}.so\n")
    line = len(host.httpd.conf.read_text().splitlines()) + 1
    host.add(
        f"<VirtualHost *:{port}>\nServerName {server_name}\nSSLEngine on\nSSLCertificateFile conf/own.crt\n"
        f"SSLCertificateKeyFile conf/own.key\n{named}\nSSLVerifyClient require\n"
        f"</VirtualHost>\nListen {port} https\nSSLSessionTickets off\n"
        f"SSLSessionCache shmcb:{host.httpd.root}/sessions(512000)\n"
    )
    host.restart()
    return f"{host.httpd.conf}:{line}"


@pytest.mark.parametrize("same", [True, False], ids=["the site's name and port", "a port of its own"])
@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_a_session_is_tried_however_a_virtual_host_names_its_clients(host: Host, named: str, *, same: bool) -> None:
    port = free_port()
    place = neighbour(host, named, port, f"{DOMAIN}:{host.port if same else port}")
    pages = host.httpd.root / "pages"
    pages.mkdir(mode=0o755)
    wish = host.wish(document_root=str(pages))
    if same:
        assert f"got in by a TLS session of the virtual host at {place} (" in host.refused(wish)
    else:
        assert host.apply(wish).rehearsal == "full"


UNKNOWABLE = _FILE + "SSLOCSPEnable on"


@pytest.mark.parametrize("same", [True, False], ids=["the site's name", "a name of its own"])
def test_a_session_that_is_not_to_be_had_is_told_where_it_may_be_worth_something(host: Host, *, same: bool) -> None:
    port = free_port()
    place = neighbour(host, UNKNOWABLE, port, f"{DOMAIN if same else 'intra.example.com'}:{host.port}")
    told = [each for each in host.apply(host.wish()).limits if "TLS session" in each]
    assert len(told) == same
    assert all(place in each for each in told)


@pytest.mark.parametrize(
    "named",
    [
        "SSLCACertificatePath conf",
        "SSLCACertificatePath /etc/ssl/certs\nSSLCACertificateFile conf/own-ca.crt",
        f"SSLCACertificateFile conf/mtls/{DOMAIN}/current/TencentQQAuthCA.crt",
    ],
    ids=["the configuration's own folder", "all that the system trusts", "the site's own client CA"],
)
def test_a_healthy_virtual_host_with_clients_of_its_own_is_no_hindrance(host: Host, named: str) -> None:
    if "current" in named:
        host.apply(host.wish())
    port = free_port()
    neighbour(host, named, port, f"intra.example.com:{port}")
    report = host.apply(host.wish(verify_depth=4))
    assert report.rehearsal == "full"
    assert not [each for each in report.limits if "TLS session" in each]
    assert host.enforces()
