# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role refuses before the live server hears of it, with the reason named and the host as it was."""

from __future__ import annotations

import os
import socket
import subprocess
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo_material import key_pem, new_key, write
from embedded_httpd import EmbeddedHttpd, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LocalOperator, SiteMaterial

OK = "HTTP/1.1 200 OK"


def mismatched_key(material: SiteMaterial) -> None:
    write(material.folder, f"{material.domain}.key", key_pem(new_key()))


def expired_certificate(material: SiteMaterial) -> None:
    ended = datetime.now(timezone.utc) - timedelta(days=1)
    material.put(material.public.issue(material.domain, not_after=ended))


def wrong_name(material: SiteMaterial) -> None:
    material.put(material.public.issue("other.example.com"))


def garbage_ca(material: SiteMaterial) -> None:
    write(material.folder, "TencentQQAuthCA.crt.zip", b"\x00garbage" * 50)


def empty_ca(material: SiteMaterial) -> None:
    write(material.folder, "TencentQQAuthCA.crt.zip", b"")


BAD_MATERIAL = [
    (mismatched_key, "key-mismatch"),
    (expired_certificate, "expired"),
    (wrong_name, "name-mismatch"),
    (garbage_ca, "unreadable"),
    (empty_ca, "unreadable"),
]


@pytest.mark.parametrize(("spoil", "code"), BAD_MATERIAL)
def test_bad_material_is_refused_with_nothing_sent_to_the_host(
    operator: LocalOperator, spoil: Callable[[SiteMaterial], None], code: str
) -> None:
    operator.deploy()
    spoil(operator.material)
    run = operator.refused("-vvv")
    assert code in run.output
    assert "EXEC" not in run.output
    assert operator.ask(operator.material.client).certificate_sha256 == operator.material.server.sha256


def test_all_that_is_wrong_is_named_at_once(operator: LocalOperator) -> None:
    wrong_name(operator.material)
    mismatched_key(operator.material)
    garbage_ca(operator.material)
    output = operator.refused().output
    assert all(code in output for code in ("key-mismatch", "name-mismatch", "unreadable"))


BAD_DIRECTIVES = {
    "a syntax error": ("NoSuchDirective on", "NoSuchDirective"),
    "an open door": ("SSLVerifyClient none", "a client without a certificate got in over TLSv1.2 and TLSv1.3"),
    "an optional door": ("SSLVerifyClient optional", "a client without a certificate got in over TLSv1.2 and TLSv1.3"),
    "a door without a lock": (
        "SSLVerifyClient optional_no_ca",
        "a client of another CA got in over TLSv1.2 and TLSv1.3",
    ),
    "a door that is walled up": (
        '<Location "/">\nRequire all denied\n</Location>',
        "locked out over TLSv1.2 and TLSv1.3",
    ),
    "a file that is not there": ('SSLCARevocationFile "/none"', "SSLCARevocationFile"),
}


@pytest.mark.parametrize("case", BAD_DIRECTIVES)
def test_extra_directives_that_break_or_open_the_site_are_refused(operator: LocalOperator, case: str) -> None:
    text, named = BAD_DIRECTIVES[case]
    run = operator.refused(mutual_tls_sites=[operator.site | {"extra_directives": text}])
    assert named in " ".join(run.output.split())
    assert urllib.request.urlopen(f"http://127.0.0.1:{operator.httpd.port}/").status == 200


@pytest.mark.parametrize("case", BAD_DIRECTIVES)
def test_extra_directives_that_break_or_open_a_served_site_are_refused_too(operator: LocalOperator, case: str) -> None:
    operator.deploy()
    operator.refused(mutual_tls_sites=[operator.site | {"extra_directives": BAD_DIRECTIVES[case][0]}])
    assert operator.ask(operator.material.client).said == OK


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file in /run")
def test_what_is_accepted_is_a_warning_and_what_nobody_may_accept_a_wrong_option(operator: LocalOperator) -> None:
    # Of /run only what is named is there in a rehearsal.
    flag = Path("/run/mtls-httpd-role-flag")
    text = f"<Location />\nRequire expr \"-f '/ru' . 'n/{flag.name}'\"\n</Location>"
    sites = [operator.site | {"extra_directives": text}]
    wrong = " ".join(operator.refused(mutual_tls_sites=sites, mutual_tls_accept=["stranger-let-in"]).output.split())
    assert "accept" in wrong
    assert "locked-out, unclear-admission" in wrong
    flag.write_text("")
    try:
        output = " ".join(operator.deploy(mutual_tls_sites=sites, mutual_tls_accept="locked-out").output.split())
        assert operator.ask(operator.material.client).said == OK
    finally:
        flag.unlink()
    assert "accepted as locked-out, so see whether it is so outside of the rehearsal too" in output
    assert "a client of the client CA was locked out" in output


def test_harmless_extra_directives_are_taken(operator: LocalOperator) -> None:
    operator.deploy(mutual_tls_sites=[operator.site | {"extra_directives": "Header always set X-Robots-Tag none"}])
    assert operator.ask(operator.material.client).said == OK


def test_one_bad_site_keeps_all_as_they_were(operator: LocalOperator) -> None:
    other = operator.site | {"domain": "hooks.example.com"}
    output = operator.refused(mutual_tls_sites=[operator.site, other]).output
    assert "hooks.example.com" in output
    assert "name-mismatch" in output


def tls_host(httpd: EmbeddedHttpd, material: SiteMaterial, port: int) -> str:
    """Return a virtual host of the user's own, with its material in the server's conf folder."""
    conf = httpd.root / "conf"
    write(conf, "own.crt", material.server.full_pem)
    write(conf, "own.key", material.server.key_pem)
    return f"""
LoadModule ssl_module modules/mod_ssl.so
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    ServerName own.example.com
    SSLEngine on
    SSLCertificateFile "{conf}/own.crt"
    SSLCertificateKeyFile "{conf}/own.key"
</VirtualHost>
"""


def restart_with(httpd: EmbeddedHttpd, extra: str) -> None:
    """Start the server again with `extra` at the end of its configuration."""
    httpd.stop()
    httpd.conf.write_text(httpd.conf.read_text() + extra)
    httpd.start()


def test_somebody_elses_virtual_host_with_a_mismatched_key_is_named_and_nothing_is_touched(
    operator: LocalOperator,
) -> None:
    own = free_port()
    restart_with(operator.httpd, tls_host(operator.httpd, operator.material, own))
    mismatch = operator.httpd.conf.parent / "own.key"
    mismatch.write_bytes(key_pem(new_key()))
    assert "Syntax OK" in operator.httpd.run("-t")
    line = 1 + operator.httpd.conf.read_text().split("\n").index(f'    SSLCertificateKeyFile "{mismatch}"')
    output = operator.refused().output
    assert "httpd.conf" in output
    assert any(f"{number}" in output for number in range(line - 5, line + 3)), f"{line} in {output}"
    assert operator.ask(None, port=own, domain=operator.material.domain).said.startswith("HTTP/1.1 ")


def test_a_site_beside_a_virtual_host_of_the_users_own_leaves_it_as_it_is(operator: LocalOperator) -> None:
    own = free_port()
    restart_with(operator.httpd, tls_host(operator.httpd, operator.material, own))
    operator.deploy()
    assert operator.ask(operator.material.client).said == OK
    assert operator.ask(None, port=own).said == OK


def test_a_configuration_that_was_broken_already_is_named_and_nothing_is_touched(operator: LocalOperator) -> None:
    with operator.httpd.conf.open("a") as conf:
        conf.write("NoSuchDirective on\n")
    output = operator.refused().output
    assert "NoSuchDirective" in output
    assert urllib.request.urlopen(f"http://127.0.0.1:{operator.httpd.port}/").status == 200


def test_a_port_that_somebody_else_holds_is_named_and_nothing_is_touched(operator: LocalOperator) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", operator.port))
        holder.listen()
        assert str(operator.port) in operator.refused().output


def test_a_stopped_server_with_bad_material_stays_stopped(operator: LocalOperator) -> None:
    operator.httpd.stop()
    mismatched_key(operator.material)
    operator.refused()


def test_a_deployment_loses_no_request_of_the_plain_site(operator: LocalOperator) -> None:
    url = f"http://127.0.0.1:{operator.httpd.port}/"
    script = f"import urllib.request, sys\nfor _ in range(10**9): urllib.request.urlopen({url!r}).read()"
    load = subprocess.Popen(["python3", "-c", script], stderr=subprocess.PIPE)
    try:
        operator.deploy()
        assert load.poll() is None
    finally:
        load.kill()
        _output, errors = load.communicate()
    assert not errors
