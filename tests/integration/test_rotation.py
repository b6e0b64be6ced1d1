# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and client CAs replaced under load: no request is lost, and no stranger gets in."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from demo_material import CHAT_CA_NAME, Authority
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, VERSIONS, Host, children, fingerprint, until
from load import Load

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import switch
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Probes

LONG = bool(os.environ.get("LONG"))
ROTATIONS = 50 if LONG else 6
WARM = 2  # After so many, the server has what it takes for rotations.


@pytest.fixture(params=["event", "prefork"])
def host(
    request: pytest.FixtureRequest, short_path: Path, chat: Authority, probes: Probes, authority: Authority
) -> Iterator[Host]:
    """Give a host of each MPM, since a reload is another thing to each."""
    httpd = EmbeddedHttpd(short_path / "httpd", mpm=request.param)
    try:
        httpd.start()
        yield Host(httpd, authority, chat, free_port(), probes)
    finally:
        httpd.stop()


@dataclass(frozen=True)
class Size:
    """What the server takes: its processes, their proportional memory in KiB (Pss), the parent's open files."""

    processes: int
    memory: int
    files: int

    @classmethod
    def of(cls, parent: int) -> Size:
        family = [parent, *(int(child.split()[0]) for child in children(parent))]
        memory = 0
        for pid in family:
            with suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as stream:
                memory += next(int(line.split()[1]) for line in stream if line.startswith("Pss:"))
        return cls(len(family), memory, len(os.listdir(f"/proc/{parent}/fd")))


def test_no_request_is_lost_and_no_stranger_gets_in_while_certificates_and_cas_are_replaced(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.add(
        "LoadModule socache_shmcb_module modules/mod_socache_shmcb.so\nLoadModule ssl_module modules/mod_ssl.so\n"
        'SSLSessionCache "shmcb:logs/sessions(512000)"\n'
    )
    host.restart()
    root = str(host.httpd.root / "site")
    issued, cas = host.public.issue(DOMAIN), host.chat.pem
    host.apply(host.wish(issued=issued, document_root=root))
    load = Load(host.port, tmp_path)
    load.start(host.chat.issue(client=True, common_name="Chat"))
    try:
        time.sleep(0.5)
        pid = host.httpd.pid
        assert pid
        alone = [settled(pid)]  # what reloads take that replace nothing
        if LONG:
            for _time in range(ROTATIONS):
                old = set(children(pid))
                os.kill(pid, signal.SIGUSR1)
                assert until(lambda old=old: set(children(pid)) - old)
                time.sleep(0.2)
            alone.append(settled(pid))
        for number in range(ROTATIONS):
            # The certificate, then the CAs (the clients' own stays among them), then both.
            if number % 3 != 1:
                issued = host.public.issue(DOMAIN)
            if number % 3 != 0:
                other = Authority("Chat's next CA")
                cas = host.chat.pem + other.pem
            assert host.apply(host.wish(issued=issued, document_root=root, client_ca=cas)).reloaded
            assert host.served() == issued.sha256
            if number % 3 != 0:
                answers = host.answers(other.issue(client=True, common_name="Chat")).values()
                assert {answer.result for answer in answers} == {"accepted"}
            if number == WARM:
                before = settled(pid)
        after = settled(pid)
    finally:
        load.stop()
    with capsys.disabled():
        print(
            f"\n{ROTATIONS} rotations, {host.httpd.mpm}: {load.answered} requests answered, "
            f"{sum(load.resumed.values())} of them on resumed sessions, {len(load.wrong)} failed, {load.turned_away} "
            f"strangers turned away; {before}, {after}; reloads alone: {alone}"
        )
    assert load.wrong == []
    assert load.answered > 20 * ROTATIONS
    assert all(load.resumed[version] > ROTATIONS for version in VERSIONS)
    assert load.turned_away > 10 * ROTATIONS
    assert host.httpd.pid == pid, "the parent is the same process"
    assert after.processes <= before.processes + 4
    assert after.memory < 1.5 * max(size.memory for size in (before, *alone))
    assert after.files <= before.files + 2


def test_another_site_loses_no_request_while_one_goes_back_by_hand_and_by_itself_and_is_taken_away(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, root = "www2.example.com", str(host.httpd.root / "site")
    first, second = host.wish(other), host.wish(other)  # Behind the site that is asked, which is the default one.
    host.apply(host.wish(document_root=root), first)
    host.apply(second)
    load = Load(host.port, tmp_path)
    load.start(host.chat.issue(client=True, common_name="Chat"))
    try:
        host.apply(SiteWish(other, previous=True))
        assert host.served(other) == fingerprint(first)
        with monkeypatch.context() as patch:
            patch.setattr(switch, "CONFIRM_SECONDS", 1.0)
            patch.setattr(Server, "reload", lambda server: None)
            with pytest.raises(Refused, match="The old state is back and serving"):
                host.apply(second)
        assert host.served(other) == fingerprint(first)
        host.apply(SiteWish(other))
        assert host.served(other) not in (fingerprint(first), fingerprint(second))
    finally:
        load.stop()
    assert load.wrong == []
    assert load.answered > 50
    assert load.turned_away > 20


def settled(parent: int) -> Size:
    """Return its size once the workers of the last generation but one have ended."""
    newest = max(int(child.split()[1]) for child in children(parent))
    until(lambda: all(int(child.split()[1]) > newest - 500 for child in children(parent)), 5)
    return Size.of(parent)


def test_a_ca_rollover_serves_the_clients_of_both_and_then_of_the_new_one_alone(host: Host, tmp_path: Path) -> None:
    root = str(host.httpd.root / "site")
    new = Authority(CHAT_CA_NAME + " 2")
    old_client, new_client = (ca.issue(client=True, common_name="Chat") for ca in (host.chat, new))
    issued = host.public.issue(DOMAIN)

    def let_in() -> list[bool]:
        return [
            all(answer.result == "accepted" for answer in host.answers(client).values())
            for client in (old_client, new_client)
        ]

    for cas, wanted in (
        ([host.chat], [True, False]),
        ([host.chat, new], [True, True]),
        ([new], [False, True]),
    ):
        host.apply(host.wish(issued=issued, document_root=root, client_ca=b"".join(ca.pem for ca in cas)))
        assert let_in() == wanted
        names = {ca.name.rfc4514_string() for ca in cas}
        assert [set(answer.client_ca_names or ()) for answer in host.answers(None).values()] == [names, names]
