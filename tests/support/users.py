# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user put on a host himself: a virtual host, and the files of a manual installation."""

from __future__ import annotations

from demo_material import Issued, write
from host import DOMAIN, Host

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA


def users_site(host: Host, issued: Issued, *, key: bytes | None = None, port: int = 0, names: str = "") -> str:
    """A virtual host of the user's own, with mod_ssl and Listen; returns where it stands."""
    write(host.conf, "own.crt", issued.full_pem)
    write(host.conf, "own.key", key or issued.key_pem)
    port = port or host.port
    line = len(host.httpd.conf.read_text().splitlines()) + 3
    host.add(
        f"""\
        LoadModule ssl_module modules/mod_ssl.so
        Listen {port}
        <VirtualHost *:{port}>
        ServerName own.example.com
        {names}
        SSLEngine on
        SSLCertificateFile conf/own.crt
        SSLCertificateKeyFile conf/own.key
        </VirtualHost>
        """
    )
    return f"{host.httpd.conf}:{line}"


def manual_installation(host: Host) -> dict[str, bytes]:
    """Put the reference page's three files where it says, and return them."""
    own = host.public.issue(DOMAIN)
    files = {f"{DOMAIN}.crt": own.full_pem, f"{DOMAIN}.key": own.key_pem, CLIENT_CA: host.chat.pem}
    for name, content in files.items():
        write(host.conf, name, content)
    return files
