# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which TLS a site speaks, shown by handshakes: versions, ciphers, groups, sessions, HTTP/2."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import Authority, Issued, write
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, OTHER, Host, until

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers

VERSIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
RESUMABLE = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@dataclass
class Client:
    """A client that asks by openssl s_client, or with a session that it keeps."""

    host: Host
    folder: Path
    issued: Issued
    session: ssl.SSLSession | None = field(default=None)

    def __post_init__(self) -> None:
        write(self.folder, "client.crt", self.issued.full_pem)
        write(self.folder, "client.key", self.issued.key_pem)

    def gets(self, *options: str, name: str = DOMAIN) -> str:
        """Return the status line that s_client gets with more `options`, empty where the handshake fails."""
        where = ("-connect", f"127.0.0.1:{self.host.port}", "-servername", name, "-quiet", "-no_ign_eof")
        identity = ("-cert", str(self.folder / "client.crt"), "-key", str(self.folder / "client.key"))
        request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
        command = ["openssl", "s_client", *where, *identity, *options, "-ign_eof"]
        said = subprocess.run(command, input=request, capture_output=True, timeout=20, check=False).stdout
        return said.partition(b"\r\n")[0].decode()

    def offered(self, name: str = DOMAIN) -> list[str]:
        """Return the versions of TLS over which it is answered."""
        weak = ("-cipher", "ALL:@SECLEVEL=0")
        return [version for version, option in VERSIONS.items() if self.gets(option, *weak, name=name)]

    def resumes(self, version: ssl.TLSVersion) -> bool | None:
        """Whether it is let in with the session that it got last; None where it is not let in at all."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(self.folder / "client.crt", self.folder / "client.key")
        if self.session:
            context = self._context  # A session belongs to its context.
        self._context = context
        try:
            with (
                socket.create_connection(("127.0.0.1", self.host.port), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname=DOMAIN, session=self.session) as connection,
            ):
                connection.sendall(f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
                if not connection.recv(4096).startswith(b"HTTP/1.1 "):
                    return None
                self.session = connection.session
                return bool(connection.session_reused)
        except OSError:
            return None


@pytest.fixture
def client(host: Host, tmp_path: Path) -> Client:
    """Give a client of the client CA."""
    return Client(host, tmp_path, host.chat.issue(client=True, common_name="Chat"))


# -- versions


WISHES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "modern": ({"tls_profile": "modern"}, ["TLSv1.3"]),
    "intermediate": ({}, ["TLSv1.2", "TLSv1.3"]),
    "TLS 1.2 alone": ({"tls_profile": "custom", "tls_protocols": ["TLSv1.2"]}, ["TLSv1.2"]),
    "all": ({"tls_profile": "custom", "tls_protocols": list(VERSIONS)}, list(VERSIONS)),
    "TLS 1.0 alone": ({"tls_profile": "custom", "tls_protocols": ["TLSv1"]}, ["TLSv1"]),
}


@pytest.mark.parametrize(("wish", "versions"), WISHES.values(), ids=WISHES.keys())
def test_just_the_versions_of_the_profile_are_spoken(
    host: Host, client: Client, wish: dict[str, Any], versions: list[str]
) -> None:
    wished = host.wish(**wish)
    host.apply(wished)
    assert client.offered() == versions
    assert not host.apply(wished).changed


@pytest.mark.parametrize("version", VERSIONS)
def test_a_door_that_is_open_is_seen_over_each_version(host: Host, version: str) -> None:
    door = host.wish(tls_profile="custom", tls_protocols=[version], extra="SSLVerifyClient none")
    assert f"a client without a certificate got in over {version}: " in host.refused(door)


def test_a_version_that_something_else_takes_away_is_missed(host: Host) -> None:
    message = host.refused(host.wish(extra="SSLProtocol -all +TLSv1.2"))
    assert "TLSv1.3 is not offered, although 'tls_profile' asks for it" in message


def beside(host: Host, *directives: str) -> None:
    """Have a virtual host of the user's before ours, on its address and port: what it says comes first to OpenSSL."""
    issued = host.public.issue(OTHER)
    write(host.conf, "other.crt", issued.full_pem)
    write(host.conf, "other.key", issued.key_pem)
    host.add(
        "\n".join(
            (
                "LoadModule ssl_module modules/mod_ssl.so",
                f"Listen {host.port} https",
                f"<VirtualHost *:{host.port}>",
                f"ServerName {OTHER}",
                "SSLEngine on",
                "SSLCertificateFile conf/other.crt",
                "SSLCertificateKeyFile conf/other.key",
                *directives,
                "</VirtualHost>",
                "",
            )
        )
    )
    host.restart()


def test_what_a_site_must_speak_is_spoken_by_it_alone(host: Host, client: Client) -> None:
    beside(host, "SSLProtocol -all +TLSv1.2 +TLSv1.3")
    host.apply(host.wish(tls_profile="custom", tls_protocols=list(VERSIONS)))
    assert client.offered() == list(VERSIONS)
    assert client.offered(OTHER) == ["TLSv1.2", "TLSv1.3"]


@pytest.mark.parametrize("other", ["aaa.example.com", "zzz.example.com"])  # before the site, and behind it
def test_the_security_level_is_lowered_for_the_site_alone_that_speaks_old_versions(
    host: Host, tmp_path: Path, other: str
) -> None:
    sound, weak = (
        Client(host, tmp_path / kind, host.chat.issue(client=True, common_name="Chat", key_type=kind))
        for kind in ("ec", "rsa1024")
    )
    host.apply(host.wish(tls_profile="custom", tls_protocols=list(VERSIONS)), host.wish(other))
    assert [client.offered() for client in (sound, weak)] == [list(VERSIONS)] * 2
    assert [client.offered(other) for client in (sound, weak)] == [["TLSv1.2", "TLSv1.3"], []]


def test_what_the_default_virtual_host_speaks_a_site_need_not(host: Host, client: Client) -> None:
    beside(host, "SSLProtocol all", "SSLCipherSuite ALL:@SECLEVEL=0")
    host.apply(host.wish(tls_profile="modern"))
    assert client.offered() == ["TLSv1.3"]


# -- ciphers and groups


@pytest.mark.parametrize(("key", "kind"), [("ec", "ECDSA"), ("rsa", "RSA")])
def test_the_ciphers_are_those_of_the_guideline(host: Host, client: Client, key: str, kind: str) -> None:
    host.apply(host.wish(issued=host.public.issue(DOMAIN, key_type=key)))
    # With RSA, those with its key exchange, and DHE's, are offered by the client too.
    known = f"a{kind}:!PSK:!SRP:!ARIA:!CAMELLIA:@SECLEVEL=0"
    printed = subprocess.run(
        ["openssl", "ciphers", "-s", "-tls1_2", known], capture_output=True, text=True, check=True
    ).stdout
    taken = {name for name in printed.strip().split(":") if client.gets("-tls1_2", "-cipher", f"{name}:@SECLEVEL=0")}
    ends = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    assert taken == {f"ECDHE-{kind}-{end}" for end in ends}


SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


@pytest.mark.parametrize("version", RESUMABLE)
def test_the_client_chooses_among_the_ciphers(host: Host, client: Client, version: ssl.TLSVersion) -> None:
    host.apply(host.wish())
    older = version is ssl.TLSVersion.TLSv1_2
    ours = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384") if older else SUITES[:2]
    option = "-cipher" if older else "-ciphersuites"
    for wanted in (ours, ours[::-1]):
        assert client.gets("-tls1_2" if older else "-tls1_3", option, ":".join(wanted))
    log = host.httpd.root / "logs" / f"{DOMAIN}-access.log"
    assert until(lambda: log.read_text().count("GET / ") == 2)
    assert re.findall(r"GET / .* (\S+) SUCCESS ", log.read_text()) == list(ours)


@pytest.mark.parametrize(
    ("wish", "wished"),
    [
        ({}, SUITES),
        ({"tls_profile": "modern"}, SUITES),
        ({"tls_profile": "custom", "tls_protocols": ["TLSv1.3"], "tls_ciphersuites": SUITES[1:2]}, SUITES[1:2]),
    ],
    ids=["intermediate", "modern", "custom"],
)
def test_the_cipher_suites_of_tls_1_3_are_those_wished(
    host: Host, client: Client, wish: dict[str, Any], wished: tuple[str, ...]
) -> None:
    host.apply(host.wish(**wish))
    known = (*SUITES, "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256")
    assert tuple(suite for suite in known if client.gets("-tls1_3", "-ciphersuites", suite)) == wished


@pytest.mark.parametrize(
    ("wish", "groups"),
    [
        ({}, ["X25519", "prime256v1", "secp384r1"]),
        ({"tls_profile": "custom", "tls_protocols": ["TLSv1.3"], "tls_curves": ["secp521r1"]}, ["secp521r1"]),
    ],
    ids=["intermediate", "custom"],
)
def test_the_groups_are_those_wished(host: Host, client: Client, wish: dict[str, Any], groups: list[str]) -> None:
    host.apply(host.wish(**wish))
    known = ("X25519", "prime256v1", "secp384r1", "secp521r1", "X448")
    assert [group for group in known if client.gets("-tls1_3", "-groups", group)] == groups


def test_the_groups_are_the_default_virtual_hosts_where_there_is_another(host: Host, client: Client) -> None:
    # OpenSSL takes them before it hears the name. docs/protocol.md says so.
    beside(host, "SSLOpenSSLConfCmd Groups secp521r1:prime256v1")
    host.apply(host.wish())
    known = ("X25519", "secp384r1", "secp521r1")
    assert [group for group in known if client.gets("-tls1_3", "-groups", group)] == ["secp521r1"]


def test_a_group_that_no_openssl_knows_is_refused_before_the_live_server_hears_of_it(host: Host) -> None:
    wish = host.wish(tls_profile="custom", tls_protocols=["TLSv1.3"], tls_curves=["nonesuch"])
    assert "nonesuch" in host.refused(wish)


def test_what_the_hosts_openssl_lacks_is_said_and_the_same_at_every_run(host: Host) -> None:
    wish = host.wish()
    report = host.apply(wish)
    limits = report.limits
    assert report.unasked_limits == limits
    again = host.apply(wish)
    assert (again.changed, again.limits) == (False, limits)
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    assert [limit.partition(" ")[0] for limit in limits] == ([] if numbers >= [3, 5] else ["X25519MLKEM768"])


# -- sessions


@pytest.mark.parametrize("version", RESUMABLE)
@pytest.mark.parametrize("neighbour", [False, True], ids=["alone", "beside another"])
def test_a_session_with_a_client_certificate_is_resumed(
    host: Host, client: Client, version: ssl.TLSVersion, neighbour: bool
) -> None:
    if neighbour:
        beside(host)
    host.apply(host.wish())
    assert [client.resumes(version) for _number in range(3)] == [False, True, True]
    host.apply(host.wish())  # Another certificate, so a reload: it costs a whole handshake, and no more.
    assert [client.resumes(version) for _number in range(2)] == [False, True]


SESSIONS = {
    "nothing of the server's": ("", True),
    "a cache of the server's": ('SSLSessionCache "shmcb:logs/cache(64000)"', True),
    "a cache of the server's in a file": ('SSLSessionCache "dbm:logs/cache"', True),
    "tickets that outlive a reload": ("SSLSessionTicketKeyFile conf/ticket.key", False),
    "such tickets beside a cache": (
        'SSLSessionTicketKeyFile conf/ticket.key\nSSLSessionCache "shmcb:logs/cache(64000)"',
        True,
    ),
}


@pytest.mark.parametrize("version", RESUMABLE)
@pytest.mark.parametrize(("text", "resumed"), SESSIONS.values(), ids=SESSIONS.keys())
def test_a_client_of_a_ca_that_was_removed_is_refused_with_its_session_too(
    host: Host, client: Client, text: str, resumed: bool, version: ssl.TLSVersion
) -> None:
    write(host.conf, "ticket.key", os.urandom(48))
    if text:
        for name in ("shmcb", "dbm"):
            host.add(f"LoadModule socache_{name}_module modules/mod_socache_{name}.so\n")
        host.add(f"LoadModule ssl_module modules/mod_ssl.so\n{text}\n")
        host.restart()
    new = Authority("New client CA")
    issued = host.public.issue(DOMAIN)
    for client_ca in (host.chat.pem, host.chat.pem + new.pem):
        report = host.apply(host.wish(issued=issued, client_ca=client_ca))
        assert any(limit.startswith("sessions are not resumed") for limit in report.limits) is not resumed
        assert [client.resumes(version) for _number in range(2)] == [False, resumed]
    host.apply(host.wish(issued=issued, client_ca=new.pem))
    assert client.resumes(version) is None


def test_tickets_that_would_outlive_a_reload_are_refused_whatever_gives_them(host: Host) -> None:
    write(host.conf, "ticket.key", os.urandom(48))
    keys, given = "SSLSessionTicketKeyFile conf/ticket.key", "SSLOpenSSLConfCmd Options"
    said = "would let clients of a removed client CA in by their sessions"
    for lines in (
        keys,
        f"{keys}\nSSLSessionTickets on",
        f'SSLSessionTickets off\n{keys}\n{given} "-ECDHSingle, SessionTicket"',
    ):
        assert said in host.refused(host.wish(extra=lines))
    host.apply(host.wish(extra=f"{keys}\nSSLSessionTickets off\n{given} -SessionTicket"))
    host.add(f"LoadModule ssl_module modules/mod_ssl.so\n{keys}\n{given} SessionTicket\n")
    host.restart()
    message = host.refused(host.wish())
    assert said in message
    assert f"{host.httpd.conf}:" in message


@pytest.mark.parametrize("kind", ["memcache", "redis"])
def test_a_cache_that_outlives_a_reload_is_refused(host: Host, kind: str) -> None:
    host.add(
        f"""
        LoadModule socache_{kind}_module modules/mod_socache_{kind}.so
        LoadModule ssl_module modules/mod_ssl.so
        SSLSessionCache {kind}:127.0.0.1:11211
        """
    )
    host.restart()
    assert f"{host.httpd.conf}:" in (message := host.refused(host.wish()))
    assert "outlive the removal of a client CA" in message


def test_a_default_virtual_host_with_keys_for_tickets_does_no_harm(host: Host, client: Client) -> None:
    write(host.conf, "ticket.key", os.urandom(48))
    beside(host, "SSLSessionTicketKeyFile conf/ticket.key")
    report = host.apply(host.wish())
    assert client.offered() == ["TLSv1.2", "TLSv1.3"]
    # OpenSSL would open a ticket by the keys of the default virtual host, whichever reload came in between.
    assert any(limit.startswith("sessions are not resumed") for limit in report.limits)
    for version in RESUMABLE:
        client.session = None
        assert [client.resumes(version) for _number in range(2)] == [False, False]


# -- HTTP/2 and HSTS


def curl(host: Host, client: Client, *options: str) -> tuple[str, str]:
    """Return the version of HTTP and the status that curl is answered with, and the header of HSTS."""
    identity = ("--cert", str(client.folder / "client.crt"), "--key", str(client.folder / "client.key"))
    command = ["curl", "--silent", "--insecure", "--connect-to", f"{DOMAIN}:{host.port}:127.0.0.1:{host.port}"]
    shown = ["--output", os.devnull, "--write-out", "%{http_version} %{http_code}\n%header{strict-transport-security}"]
    url = f"https://{DOMAIN}:{host.port}/"
    done = subprocess.run([*command, *identity, *options, *shown, url], capture_output=True, text=True, check=False)
    answer, _end, header = done.stdout.partition("\n")
    return answer, header


@pytest.mark.parametrize("neighbour", [False, True], ids=["alone", "beside another"])
def test_http2_is_served_where_it_is_wished_and_mutual_tls_holds_over_it(
    host: Host, client: Client, neighbour: bool
) -> None:
    if neighbour:
        beside(host)
    htdocs = str(host.httpd.root / "site")
    issued = host.public.issue(DOMAIN)
    host.apply(host.wish(issued=issued, document_root=htdocs))
    assert curl(host, client, "--http2")[0] == "1.1 200"
    wish = host.wish(issued=issued, document_root=htdocs, http2=True)
    host.apply(wish)
    assert curl(host, client, "--http2")[0] == "2 200"
    assert curl(host, client, "--http1.1")[0] == "1.1 200"
    assert host.enforces()
    assert not host.apply(wish).changed


def test_http2_is_left_out_and_said_where_httpd_has_none(
    short_path: Path, authority: Authority, chat: Authority, probes: answers.Probes, tmp_path: Path
) -> None:
    httpd = EmbeddedHttpd(short_path / "httpd", mpm="prefork")
    httpd.start()
    try:
        host = Host(httpd, authority, chat, free_port(), probes)
        report = host.apply(host.wish(document_root=str(httpd.root / "site"), http2=True))
        assert "http2 is not served: mod_http2 does not work with the MPM prefork" in report.limits
        client = Client(host, tmp_path, chat.issue(client=True, common_name="Chat"))
        assert curl(host, client, "--http2")[0] == "1.1 200"
    finally:
        httpd.stop()


def test_browsers_are_told_to_use_https_alone_where_that_is_wished(host: Host, client: Client) -> None:
    host.apply(host.wish(hsts=63072000))
    assert curl(host, client) == ("1.1 403", "max-age=63072000")
    host.apply(host.wish())
    assert curl(host, client) == ("1.1 403", "")


# -- what a reload does not survive


@pytest.mark.parametrize("loaded", [False, True], ids=["mod_ssl of ours", "mod_ssl of the server's"])
def test_httpd_outlives_the_removal_of_all_that_was_deployed(host: Host, loaded: bool) -> None:
    if loaded:
        host.add("LoadModule ssl_module modules/mod_ssl.so\n")
        host.restart()
    parent = host.httpd.pid
    host.apply(host.wish(http2=True, hsts=1, ocsp_stapling=True))
    host.apply(SiteWish(DOMAIN))
    time.sleep(1.5)  # A directive whose cache is gone ends httpd a moment after the reload.
    assert host.httpd.pid == parent
    host.httpd.run("-k", "graceful")
    time.sleep(1)
    assert host.httpd.pid == parent
