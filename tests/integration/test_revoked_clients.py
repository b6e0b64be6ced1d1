# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that were revoked: by a list that lies on the host, and by asking a real OCSP responder."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from demo_material import Authority, Issued, write
from embedded_httpd import free_port
from host import DOMAIN, VERSIONS, Host

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

ACCEPTED = {"accepted"}
REFUSED = {"refused"}


def let_in(host: Host, client: Issued) -> set[str]:
    """Return how a client is answered, over TLS 1.2 and 1.3."""
    return {answer.result for answer in host.answers(client).values()}


# -- revocation lists


@pytest.mark.parametrize("check", ["chain", "leaf"])
def test_a_client_that_the_list_names_is_refused_and_another_is_not(host: Host, check: str) -> None:
    revoked, other = (host.chat.issue(client=True, common_name="Chat") for _number in range(2))
    wish = host.wish(crl=host.chat.crl(revoked), crl_check=check)
    report = host.apply(wish)
    assert (report.rehearsal, report.sites[0]["mutual_tls"]) == ("full", "enforced")
    assert (let_in(host, revoked), let_in(host, other)) == (REFUSED, ACCEPTED)
    assert not host.apply(wish).changed


def test_a_new_list_takes_the_place_of_the_old_by_running_again(host: Host) -> None:
    client = host.chat.issue(client=True, common_name="Chat")
    issued = host.public.issue(DOMAIN)
    for revoked, wanted in (((), ACCEPTED), ((client,), REFUSED), ((), ACCEPTED)):
        host.apply(host.wish(issued=issued, crl=host.chat.crl(*revoked)))
        assert let_in(host, client) == wanted
    host.apply(host.wish(issued=issued))
    assert let_in(host, client) == ACCEPTED


def test_an_issuer_that_was_revoked_counts_for_chain_alone(host: Host) -> None:
    between = Authority("Chat issuing CA", issuer=host.chat)
    client = between.issue(client=True, common_name="Chat")
    crl = host.chat.crl(Issued(between.certificate, between.key)) + between.crl()
    both = host.chat.pem + between.pem
    host.apply(host.wish(client_ca=both, crl=crl, crl_check="leaf"))
    assert let_in(host, client) == ACCEPTED
    host.apply(host.wish(client_ca=both, crl=crl, crl_check="chain"))
    assert let_in(host, client) == REFUSED


LIVE_ALONE = "<IfDefine !MTLS_HTTPD_REHEARSAL>\n{}\n</IfDefine>"


def test_a_list_that_is_not_looked_into_is_refused(host: Host) -> None:
    host.apply(host.wish(crl=host.chat.crl(), extra="SSLCARevocationCheck chain"))
    none = "SSLCARevocationCheck none"
    assert "a client that a CRL names got in" in host.refused(host.wish(crl=host.chat.crl(), extra=none))
    for weaker in (none, "SSLCARevocationCheck leaf", "SSLCARevocationCheck chain no_crl_for_cert_ok"):
        for line in (weaker, LIVE_ALONE.format(weaker)):
            assert "takes 'crl_check' back" in host.refused(host.wish(crl=host.chat.crl(), extra=line))
    write(host.conf, "other.crl", Authority("Another client CA").crl())
    line = LIVE_ALONE.format(f"SSLCARevocationFile {host.conf}/other.crl")
    message = host.refused(host.wish(crl=host.chat.crl(), extra=line))
    assert re.search(r"SSLCARevocationFile at \S+ is not the site's own", message)
    for stricter in ("leaf", "chain"):
        host.apply(host.wish(crl=host.chat.crl(), crl_check="leaf", extra=f"SSLCARevocationCheck {stricter}"))


def test_a_list_that_is_due_by_the_hosts_clock_is_refused_and_to_go_back_to_it_needs_force(host: Host) -> None:
    soon = (datetime.now(timezone.utc) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    report = host.apply(host.wish(crl=host.chat.crl(), crl_ends=soon))
    assert report.sites[0]["crl_ends"] == soon
    host.apply(host.wish())
    time.sleep(2)
    assert "a CRL was to be renewed at" in host.refused(host.wish(crl=host.chat.crl(), crl_ends=soon))
    assert "set 'force'" in host.refused(SiteWish(DOMAIN, previous=True))
    assert host.apply(SiteWish(DOMAIN, previous=True, force=True)).changed


# -- OCSP of clients


@dataclass
class Responder:
    """`openssl ocsp` for one authority, asked through a door of ours that can be slow."""

    folder: Path
    authority: Authority
    port: int
    delay: float = 0.0
    signer: Authority | None = None  # in the place of the authority

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def serving(self, *known: tuple[Issued, bool]) -> Iterator[None]:
        """Answer for the certificates, each with whether it is revoked."""
        lines = []
        for issued, revoked in known:
            serial = issued.serial
            serial = serial if len(serial) % 2 == 0 else f"0{serial}"
            state = "R\t350101000000Z\t260101000000Z" if revoked else "V\t350101000000Z\t"
            lines.append(f"{state}\t{serial}\tunknown\t/CN=Chat\n")
        write(self.folder, "index", "".join(lines).encode())
        write(self.folder, "ca.crt", self.authority.pem)
        signer = self.signer or self.authority
        write(self.folder, "signer.crt", signer.pem)
        write(self.folder, "signer.key", Issued(signer.certificate, signer.key).key_pem)
        behind = free_port()
        files = ["-index", "index", "-CA", "ca.crt", "-rsigner", "signer.crt", "-rkey", "signer.key", "-nmin", "5"]
        process = subprocess.Popen(
            ["openssl", "ocsp", "-port", str(behind), *files],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        door = socket.create_server(("127.0.0.1", self.port))
        thread = threading.Thread(target=self._relay, args=(door, behind))
        thread.start()
        try:
            yield
        finally:
            door.shutdown(socket.SHUT_RDWR)
            door.close()
            thread.join()
            process.kill()
            process.wait()

    def _relay(self, door: socket.socket, behind: int) -> None:
        with suppress(OSError):
            while True:
                asking, _address = door.accept()
                with asking, suppress(OSError):
                    asking.settimeout(10)
                    question = asking.recv(65536)
                    while b"\r\n\r\n" not in question:
                        question += asking.recv(65536)
                    head, _end, body = question.partition(b"\r\n\r\n")
                    length = next(
                        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line
                    )
                    while len(body) < length:
                        body += asking.recv(65536)
                    time.sleep(self.delay)
                    with _connected(behind) as answering:
                        answering.sendall(head + b"\r\n\r\n" + body)
                        while more := answering.recv(65536):
                            asking.sendall(more)


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.fixture
def responder(host: Host, tmp_path: Path) -> Responder:
    return Responder(tmp_path, host.chat, free_port())


def test_a_client_whom_the_responder_calls_revoked_is_refused_and_a_good_one_is_not(
    host: Host, responder: Responder
) -> None:
    good, revoked, unknown = (host.chat.issue(client=True, common_name="Chat") for _number in range(3))
    wish = host.wish(client_ocsp="leaf", client_ocsp_responder=responder.url)
    with responder.serving((good, False), (revoked, True)):
        assert any(limit.startswith("client_ocsp is in force without having been") for limit in host.apply(wish).limits)
        assert [let_in(host, client) for client in (good, revoked, unknown)] == [ACCEPTED, REFUSED, REFUSED]
        assert not host.apply(wish).changed


def test_the_responder_that_the_certificate_names_is_asked_where_no_other_is_given(
    host: Host, responder: Responder
) -> None:
    good, revoked = (host.chat.issue(client=True, common_name="Chat", ocsp=responder.url) for _number in range(2))
    names_none = host.chat.issue(client=True, common_name="Chat")
    with responder.serving((good, False), (revoked, True)):
        host.apply(host.wish(client_ocsp="leaf"))
        assert [let_in(host, client) for client in (good, revoked, names_none)] == [ACCEPTED, REFUSED, REFUSED]
        host.apply(host.wish(client_ocsp="leaf", client_ocsp_required=False))
        assert [let_in(host, client) for client in (good, revoked, names_none)] == [ACCEPTED, REFUSED, ACCEPTED]


def test_the_responders_of_issuers_are_asked_for_chain_alone(host: Host, responder: Responder) -> None:
    (responder.folder / "root").mkdir()
    roots = Responder(responder.folder / "root", host.chat, free_port())
    between = Authority("Chat issuing CA", issuer=host.chat, ocsp=roots.url)
    issuing = Responder(responder.folder, between, responder.port)
    client = between.issue(client=True, common_name="Chat", ocsp=issuing.url)
    itself = Issued(between.certificate, between.key)
    for check, revoked, wanted in (("leaf", True, ACCEPTED), ("chain", True, REFUSED), ("chain", False, ACCEPTED)):
        with issuing.serving((client, False)), roots.serving((itself, revoked)):
            host.apply(host.wish(client_ocsp=check))
            assert (check, revoked, let_in(host, client)) == (check, revoked, wanted)


def test_a_responder_that_is_dead_or_too_slow_locks_its_clients_out_within_the_time_given(
    host: Host, responder: Responder
) -> None:
    client = host.chat.issue(client=True, common_name="Chat", ocsp=responder.url)
    # Rehearsed and confirmed without it: neither asks a responder.
    report = host.apply(host.wish(client_ocsp="leaf", client_ocsp_required=False))
    assert (report.rehearsal, report.sites[0]["mutual_tls"]) == ("full", "enforced")
    assert let_in(host, client) == REFUSED
    responder.delay = 2.5
    with responder.serving((client, False)):
        begin = time.monotonic()
        assert let_in(host, client) == REFUSED
        assert time.monotonic() - begin < 2 * 1 + 1.5
        responder.delay = 0
        assert let_in(host, client) == ACCEPTED


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cache", [False, True], ids=["no cache of the server's", "a cache of the server's"])
def test_a_session_spares_a_revoked_client_the_responder_only_where_the_server_caches_it_which_is_said(
    host: Host, responder: Responder, version: str, cache: bool
) -> None:
    if cache:
        host.add(
            """
            LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
            LoadModule ssl_module modules/mod_ssl.so
            SSLSessionCache "shmcb:logs/sessions(64000)"
            """
        )
        host.restart()
    client = host.chat.issue(client=True, common_name="Chat")
    report = host.apply(host.wish(client_ocsp="leaf", client_ocsp_responder=responder.url))
    said = "a client whom the OCSP responder calls revoked can resume a session"
    assert any(limit.startswith(said) for limit in report.limits) is cache
    identity = answers.Identity(client.full_pem, client.key_pem)
    sessions: list[ssl.SSLSession] = []
    door, question = answers.Door("127.0.0.1", host.port), answers.Question(DOMAIN, version, "trusted", identity)
    for revoked, wanted in ((False, "accepted"), (True, "accepted" if cache else "refused")):
        with responder.serving((client, revoked)):
            assert ask(door, question, timeout=5, sessions=sessions).result == wanted
    assert not any("OCSP" in limit or "ocsp" in limit for limit in host.apply(host.wish()).limits)


def test_a_line_that_takes_the_question_back_is_refused(host: Host) -> None:
    for weaker in ("Off", "Leaf", "on no_ocsp_for_cert_ok"):
        for line in (f"SSLOCSPEnable {weaker}", LIVE_ALONE.format(f"SSLOCSPEnable {weaker}")):
            assert "takes 'client_ocsp' back" in host.refused(host.wish(extra=line, client_ocsp="chain"))
    host.apply(host.wish(extra="SSLOCSPEnable off"))
    host.apply(host.wish(extra=LIVE_ALONE.format("SSLOCSPEnable on"), client_ocsp="leaf"))


def test_an_answer_that_anybody_signed_lets_no_client_in_whatever_the_server_is_told(
    host: Host, responder: Responder
) -> None:
    line = "SSLOCSPNoverify on"
    assert "lets anybody answer for the CA" in host.refused(host.wish(extra=line, client_ocsp="leaf"))
    host.apply(host.wish(extra=line))
    host.add(f"LoadModule ssl_module modules/mod_ssl.so\n{line}\n")
    host.restart()
    client = host.chat.issue(client=True, common_name="Chat", ocsp=responder.url)
    host.apply(host.wish(client_ocsp="leaf"))
    for signer, wanted in ((Authority("Forger"), REFUSED), (host.chat, ACCEPTED)):
        responder.signer = signer
        with responder.serving((client, False)):
            assert let_in(host, client) == wanted


# -- OCSP answers of the site's own certificate


def stapled(host: Host, folder: Path) -> str:
    """Return what a client of the client CA is told of the certificate's state in the handshake."""
    client = host.chat.issue(client=True, common_name="Chat")
    write(folder, "client.crt", client.full_pem)
    write(folder, "client.key", client.key_pem)
    identity = ("-cert", str(folder / "client.crt"), "-key", str(folder / "client.key"))
    where = ("-connect", f"127.0.0.1:{host.port}", "-servername", DOMAIN, "-status")
    done = subprocess.run(
        ["openssl", "s_client", *where, *identity],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Verify return code" in done.stdout
    none = re.search(r"no responses? sent", done.stdout)  # The plural is OpenSSL 3.6's.
    return "good" if "Cert Status: good" in done.stdout else "none" if none else "odd"


def test_the_responders_answer_is_sent_along_and_a_dead_responder_does_no_harm(host: Host, tmp_path: Path) -> None:
    responder = Responder(tmp_path, host.public, free_port())
    issued = host.public.issue(DOMAIN, ocsp=responder.url)
    issued = Issued(issued.certificate, issued.key, (host.public.certificate,))
    wish = host.wish(issued=issued, ocsp_stapling=True)
    assert "OCSP answers are not stapled: the server has no SSLStaplingCache" in host.apply(wish).limits
    host.add(
        """
        LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
        LoadModule ssl_module modules/mod_ssl.so
        SSLStaplingCache "shmcb:logs/stapling(131072)"
        """
    )
    host.restart()
    report = host.apply(wish)
    assert report.sites[0]["mutual_tls"] == "enforced"
    assert stapled(host, tmp_path) == "none"
    with responder.serving((issued, False)):
        host.restart()  # It asks again only after ten minutes.
        assert stapled(host, tmp_path) == "good"
    assert stapled(host, tmp_path) == "good"
    assert not host.apply(wish).changed
    host.apply(host.wish(issued=issued))
    assert stapled(host, tmp_path) == "none"
