# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real httpd's logs tell who called each of its sites, and who was refused and why."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from demo_material import Authority
from host import COLLECTION, DOMAIN, OTHER, VERSIONS, Host, until
from identities import identity
from users import users_site

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import client_context
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds
from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import NEEDED_FORMAT, Caller
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import (
    SiteCalls,
    read_site,
    read_sites,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import REASONS, Refused
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

if TYPE_CHECKING:
    from demo_material import Issued

OUTSIDE = "127.0.0.2"  # from where strangers knock, so that our own knocks are not beside them


def told(host: Host, domain: str = DOMAIN, *, days: float = 30.0) -> SiteCalls:
    """Return what is told of a site by its logs."""
    server, store = find.find(str(host.httpd.binary), str(host.httpd.conf)), Store(str(host.conf))
    assert server
    bounds = Bounds(time.time() - days * 86400, size=1 << 26, seconds=10)
    return read_site(server.describe(), store, store.facts(domain), bounds)


def call(host: Host, client: Issued | None, domain: str = DOMAIN, *, version: str = "TLSv1.3", path: str = "/") -> str:
    """Call as a client of no kinship with the collection; return the status, or why there was none."""
    context = client_context(identity(client) if client else None, version)
    try:
        with (
            socket.create_connection(("127.0.0.1", host.port), timeout=10, source_address=(OUTSIDE, 0)) as plain,
            context.wrap_socket(plain, server_hostname=domain) as channel,
        ):
            head = f"GET {path} HTTP/1.1\r\nHost: {domain}:{host.port}\r\nUser-Agent: Chat\r\nConnection: close\r\n\r\n"
            channel.sendall(head.encode())
            return channel.recv(100)[9:12].decode()
    except ssl.SSLError as error:
        return error.reason or "refused"


def seen(host: Host, domain: str, calls: int, refusals: int) -> SiteCalls:
    """Return what is told once so many calls and refusals are: lines come after the answers."""

    def are_there() -> bool:
        known = told(host, domain)
        return (
            sum(each.calls for each in known.callers) >= calls
            and sum(each.count for each in known.refusals) >= refusals
        )

    assert until(are_there, 10), told(host, domain)
    return told(host, domain)


def by(callers: tuple[Caller, ...]) -> dict[tuple[str, str | None, str], dict[str, int]]:
    return {(each.subject, each.issuer, each.serial): dict(each.statuses) for each in callers}


def why(refusals: tuple[Refused, ...]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for each in refusals:
        found[each.reason, each.subject] += each.count
    return dict(found)


def test_callers_of_two_authorities_are_told_apart_by_pin_status_and_version(host: Host) -> None:
    new, subject = Authority("New client CA"), {"common_name": "Chat", "organization": "Tencent"}
    pins = [{"subject": "CN=Chat,O=Tencent"}]
    host.apply(host.wish(client_ca=host.chat.pem + new.pem, allowed=pins, document_root=str(host.httpd.root / "site")))
    old_chat, new_chat = (ca.issue(client=True, **subject) for ca in (host.chat, new))
    customer = host.chat.issue(client=True, common_name='cust, "x" Zoë')
    assert [call(host, old_chat, version=version) for version in VERSIONS] == ["200", "200"]
    assert [call(host, new_chat, path="/?Sign=s3cret"), call(host, customer)] == ["200", "403"]
    known = seen(host, DOMAIN, 4, 0)
    (chat_name, new_name) = ("CN=TencentQQAuthCA (stand-in\\, made by the demo)", "CN=New client CA")
    assert by(known.callers) == {
        ("CN=Chat,O=Tencent", chat_name, old_chat.serial): {"200": 2},
        ("CN=Chat,O=Tencent", new_name, new_chat.serial): {"200": 1},
        ('CN=cust\\, \\"x\\" Zoë', chat_name, customer.serial): {"403": 1},
    }
    old = next(each for each in known.callers if each.serial == old_chat.serial)
    assert (old.versions, old.addresses) == (tuple(sorted(VERSIONS)), (OUTSIDE,))
    assert abs(datetime.fromisoformat(old.last.replace("Z", "+00:00")).timestamp() - time.time()) < 60
    assert "s3cret" not in repr(known)
    assert known.faults == ()


def test_our_own_knocks_count_in_no_figure(host: Host) -> None:
    host.apply(host.wish())
    host.answers(host.chat.issue(client=True, common_name="Chat"))
    assert until(lambda: told(host).own_calls == len(VERSIONS))
    known = told(host)
    assert (known.callers, known.refusals) == ((), ())
    assert known.own_refusals > 0


def strangers(host: Host, now: datetime) -> dict[str, Issued | None]:
    """Return who is refused the handshake, by the reason."""
    server = (ExtendedKeyUsageOID.SERVER_AUTH,)
    return {
        "no-certificate": None,
        "unknown-issuer": Authority("Other CA").issue(client=True, common_name="Stranger"),
        "ended": host.chat.issue(client=True, common_name="Ended", not_after=now - timedelta(days=1)),
        "not-yet-valid": host.chat.issue(
            client=True, common_name="Early", not_before=now + timedelta(days=1), not_after=now + timedelta(days=2)
        ),
        "wrong-purpose": host.chat.issue(common_name="Server", usages=server),
        "chain-too-long": Authority("Deep", issuer=host.chat).issue(client=True, common_name="Deep client"),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_each_refusal_is_told_with_its_reason_at_the_site_that_refused(host: Host, version: str) -> None:
    host.apply(host.wish(verify_depth=1), host.wish(OTHER, verify_depth=1))
    now = datetime.now(timezone.utc)
    expected = {
        ("no-certificate", ""): 1,
        ("unknown-issuer", "CN=Stranger"): 1,
        ("ended", "CN=Ended"): 1,
        ("not-yet-valid", "CN=Early"): 1,
        ("wrong-purpose", "CN=Server"): 1,
        ("chain-too-long", ""): 1,
    }
    for domain in (DOMAIN, OTHER):
        for client in strangers(host, now).values():
            assert not call(host, client, domain, version=version).isdigit()
    for domain in (DOMAIN, OTHER):
        known = seen(host, domain, 0, len(expected))
        assert why(known.refusals) == expected
        assert {each.address for each in known.refusals} == {OUTSIDE}
        assert [each for each in known.refusals if not each.sure] == []
    (log,) = known.refusal_logs
    assert (log.host, log.tells) == (OTHER, "all")
    assert DOMAIN not in (host.httpd.root / "logs" / f"{DOMAIN}-access.log").read_text()


def test_a_revoked_client_and_one_that_is_too_old_are_told(host: Host) -> None:
    revoked = host.chat.issue(client=True, common_name="Revoked")
    host.apply(host.wish(crl=host.chat.crl(revoked)))
    assert not call(host, revoked).isdigit()
    with socket.create_connection(("127.0.0.1", host.port), source_address=(OUTSIDE, 0)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.recv(100)
    assert why(seen(host, DOMAIN, 0, 2).refusals) == {("revoked", "CN=Revoked"): 1, ("no-tls", ""): 1}


def first_host(host: Host, level: str, log: str) -> None:
    """Put a virtual host of the user's in front of the sites, on their port."""
    users_site(host, host.public.issue("own.example.com"), names=f"LogLevel {level}\nErrorLog {log}")
    host.restart()


@pytest.mark.parametrize(
    ("level", "tells", "reasons"),
    [
        ("warn ssl:info", "all", {("no-certificate", ""): 1, ("unknown-issuer", "CN=Stranger"): 1}),
        ("warn", "some", {("unknown-issuer", ""): 1}),
        ("crit", "none", {}),
    ],
)
def test_refusals_stand_where_the_first_virtual_host_of_the_port_logs_by_its_level(
    host: Host, level: str, tells: str, reasons: dict[tuple[str, str], int]
) -> None:
    first_host(host, level, "logs/first-error.log")
    host.apply(host.wish())
    for client in (None, Authority("Other CA").issue(client=True, common_name="Stranger")):
        assert not call(host, client).isdigit()
    known = seen(host, DOMAIN, 0, sum(reasons.values()))
    # Below the level info nothing tells our own knocks from others'.
    assert why(tuple(each for each in known.refusals if each.address == OUTSIDE)) == reasons
    assert tells == "some" or {each.address for each in known.refusals} <= {OUTSIDE}
    (log,) = known.refusal_logs
    assert (log.path, log.host, log.tells) == (
        str(host.httpd.root / "logs/first-error.log"),
        "own.example.com",
        tells,
    )


def test_a_refusal_that_a_sites_own_log_claims_is_not_told_of_another_site(host: Host) -> None:
    first_host(host, "warn", "logs/first-error.log")
    host.apply(host.wish(), host.wish(OTHER))
    for domain, times in ((DOMAIN, 1), (OTHER, 2)):
        for _time in range(times):
            assert not call(host, Authority("Other CA").issue(client=True, common_name="Stranger"), domain).isdigit()
    server, store = find.find(str(host.httpd.binary), str(host.httpd.conf)), Store(str(host.conf))
    assert server

    def from_outside() -> dict[str, list[tuple[int, bool]]]:
        bounds = Bounds(time.time() - 86400, size=1 << 26, seconds=10)
        sites = [store.facts(domain) for domain in (DOMAIN, OTHER)]
        found = read_sites(server.describe(), store, sites, bounds)
        return {
            domain: [(each.count, each.sure) for each in calls.refusals if each.address == OUTSIDE]
            for domain, calls in found.items()
        }

    assert until(lambda: from_outside() == {DOMAIN: [(1, True)], OTHER: [(2, True)]}, 10), from_outside()


def test_a_first_virtual_host_that_logs_to_a_program_is_named(host: Host) -> None:
    first_host(host, "info", '"|/bin/cat"')
    host.apply(host.wish())
    known = told(host)
    assert known.refusal_logs == ()
    assert ["logs refused handshakes to a program" in each.message for each in known.faults] == [True]


def test_rotated_and_packed_logs_and_lines_of_the_former_form_are_read(host: Host) -> None:
    host.apply(host.wish(document_root=str(host.httpd.root / "site")))
    assert call(host, host.chat.issue(client=True, common_name="Chat")) == "200"
    log = host.httpd.root / "logs" / f"{DOMAIN}-access.log"
    seen(host, DOMAIN, 1, 0)
    former = re.sub(r' "[^"]*" "[^"]*"$', "", log.read_text(), flags=re.MULTILINE)
    packed = log.with_name(f"{log.name}.2.gz")
    packed.write_bytes(gzip.compress(former.encode()))
    log.rename(log.with_name(f"{log.name}.1"))
    (caller,) = told(host).callers
    assert caller.calls == 2
    assert told(host, days=0.0).callers == ()


@pytest.mark.parametrize("telling", [True, False])
def test_of_a_virtual_host_of_the_users_the_format_that_is_needed_is_named(host: Host, telling: bool) -> None:
    used = f'"{NEEDED_FORMAT}"' if telling else "combined"
    granted = f"<Directory {host.httpd.root}/site>\nRequire all granted\n</Directory>"
    names = f"ServerAlias {DOMAIN}\nDocumentRoot site\nCustomLog logs/own.log {used}\n{granted}"
    host.add('LogFormat "%h %l %u %t \\"%r\\" %>s %b" combined\n')
    users_site(host, host.public.issue(DOMAIN), names=names)
    host.restart()
    wish = host.wish(manage="directives")
    host.apply(wish)
    text = re.sub(r"SSLCertificate(Key)?File .*\n", "", host.httpd.conf.read_text())
    host.httpd.conf.write_text(text.replace("SSLEngine on\n", f"Include conf/mtls/{DOMAIN}/current/site.conf\n"))
    host.apply(wish)
    assert call(host, host.chat.issue(client=True, common_name="Chat")) == "200"
    if telling:
        assert [each.subject for each in seen(host, DOMAIN, 1, 0).callers] == ["CN=Chat"]
    else:
        (fault,) = told(host).faults
        assert (fault.code, fault.domain) == ("log-format", DOMAIN)
        assert NEEDED_FORMAT in fault.remedy


def test_the_page_tells_each_reason_and_the_format_that_is_needed() -> None:
    page = (COLLECTION / "docs" / "callers.md").read_text()
    assert f'CustomLog logs/hooks.log "{NEEDED_FORMAT}"' in page
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", page, re.MULTILINE)) == REASONS
