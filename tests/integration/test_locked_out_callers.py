# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before a change, the callers of late that would not get in any more are named, and nobody else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from backend import get
from demo_material import Authority
from host import DOMAIN, OTHER, Host, until

from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from conftest import LocalOperator
    from demo_material import Issued

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report


def site(host: Host, domain: str = DOMAIN, **options: Any) -> SiteWish:
    """Wish for a site whose content clients get."""
    return host.wish(domain, document_root=str(host.httpd.root / "site"), **options)


def chat(authority: Authority, name: str = "Chat") -> Issued:
    return authority.issue(client=True, common_name=name, organization="Tencent")


def call(host: Host, *clients: Issued, domain: str = DOMAIN) -> list[int]:
    """Call as each client, and wait for the lines of the log."""
    log = host.httpd.root / "logs" / f"{domain}-access.log"
    before = log.read_text().count("\n")
    statuses = [get(host.port, domain, "/", client)[0] for client in clients]
    assert until(lambda: log.read_text().count("\n") >= before + len(clients))
    return statuses


def locked_out(report: Report) -> list[str]:
    """Return what is said of callers that would not get in any more, one message a site."""
    assert {each["code"] for each in report.locked_out} <= {"callers-locked-out"}
    return [each["message"] for each in report.locked_out]


def test_a_pin_in_the_wrong_order_is_named_with_the_caller_and_the_time(host: Host) -> None:
    host.apply(site(host))
    assert call(host, chat(host.chat)) == [200]
    wrong = site(host, allowed=[{"subject": "O=Tencent,CN=Chat"}])
    (message,) = locked_out(host.apply(wrong, check=True))
    assert f"{DOMAIN}: of the one client that got in within the last 30 days, 1 would not get in any more" in message
    assert re.search(r"CN=Chat,O=Tencent of CN=TencentQQAuthCA .* \(last \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: ", message)
    assert "the nearest pin, O=Tencent,CN=Chat, has the same parts otherwise" in message
    assert message in host.refused(wrong, protect_callers=True)
    assert locked_out(host.apply(wrong)) == [message]
    # Who is locked out already is not named again.
    assert locked_out(host.apply(site(host, allowed=[{"subject": "CN=Nobody"}]), protect_callers=True)) == []
    assert locked_out(host.apply(site(host, allowed=[{"subject": "CN=Chat,O=Tencent"}]), protect_callers=True)) == []


def test_a_client_ca_that_is_taken_out_while_its_clients_call_is_named(host: Host) -> None:
    new = Authority("New client CA")
    both = site(host, client_ca=host.chat.pem + new.pem)
    assert locked_out(host.apply(site(host))) == []
    assert locked_out(host.apply(both, protect_callers=True)) == []
    assert call(host, chat(host.chat), chat(new)) == [200, 200]
    message = host.refused(site(host, client_ca=new.pem), protect_callers=True)
    assert "of the 2 clients that got in within the last 30 days, 1 would not get in any more" in message
    assert "its issuer is not among 'client_ca'" in message
    assert "New client CA" not in message
    (message,) = locked_out(host.apply(site(host, client_ca=host.chat.pem)))
    assert "CN=Chat,O=Tencent of CN=New client CA" in message


def test_by_lines_from_before_there_was_an_issuer_a_lone_client_ca_is_known(host: Host) -> None:
    host.apply(site(host))
    assert call(host, chat(host.chat)) == [200]
    log = host.httpd.root / "logs" / f"{DOMAIN}-access.log"
    log.write_text(re.sub(r' "[^"]*" "[^"]*"$', "", log.read_text(), flags=re.MULTILINE))
    new = Authority("New client CA")
    assert locked_out(host.apply(site(host, client_ca=host.chat.pem + new.pem), check=True)) == []
    assert "its issuer is not among 'client_ca'" in locked_out(host.apply(site(host, client_ca=new.pem)))[0]


def test_a_crl_that_names_a_caller_and_a_depth_that_is_too_small_are_named(host: Host) -> None:
    deep = Authority("Deep", issuer=host.chat)
    host.apply(site(host))
    caller, other, below = chat(host.chat), chat(host.chat, "Other"), chat(deep, "Deep client")
    assert call(host, caller, other, below) == [200, 200, 200]
    (message,) = locked_out(host.apply(site(host, crl=host.chat.crl(caller), crl_check="leaf"), check=True))
    assert "CN=Chat,O=Tencent" in message
    assert "its serial number is in 'crl'" in message
    assert "CN=Other" not in message
    (message,) = locked_out(host.apply(site(host, verify_depth=1), check=True))
    assert "CN=Deep client,O=Tencent" in message
    assert "its chain is longer than 'verify_depth' allows" in message
    assert locked_out(host.apply(site(host, verify_depth=2), check=True)) == []


def test_before_a_rollback_so_it_is(host: Host) -> None:
    host.apply(site(host, allowed=[{"subject": "CN=Nobody"}]))
    host.apply(site(host, allowed=[{"subject": "CN=Chat,O=Tencent"}]))
    assert call(host, chat(host.chat)) == [200]
    message = host.refused(SiteWish(DOMAIN, previous=True), protect_callers=True)
    assert "CN=Chat,O=Tencent" in message
    (message,) = locked_out(host.apply(SiteWish(DOMAIN, previous=True)))
    assert "it is not among 'allowed_clients'" in message


def test_nobody_is_named_who_did_not_get_in_and_no_knock_of_our_own(host: Host) -> None:
    host.apply(site(host, allowed=[{"subject": "CN=Chat,O=Tencent"}]))
    assert call(host, chat(host.chat, "Customer")) == [403]
    host.answers(chat(host.chat))
    nobody = site(host, allowed=[{"subject": "CN=Nobody"}])
    assert locked_out(host.apply(nobody, protect_callers=True)) == []


def test_nobody_is_named_of_a_site_or_of_a_change_that_lets_the_same_in(host: Host) -> None:
    host.apply(host.wish(), site(host, OTHER))
    assert call(host, chat(host.chat), domain=OTHER) == [200]
    pinned = host.wish(allowed=[{"subject": "CN=Nobody"}])
    assert locked_out(host.apply(pinned, protect_callers=True)) == []
    assert locked_out(host.apply(site(host, OTHER, http2=True), protect_callers=True)) == []
    assert locked_out(host.apply(SiteWish(OTHER), protect_callers=True)) == []


def test_nobody_is_named_whom_a_log_does_not_tell_to_be_refused(host: Host) -> None:
    deep = Authority("Deep", issuer=host.chat)
    host.apply(site(host))
    caller, below = chat(host.chat), chat(deep, "Deep client")
    assert call(host, caller, below) == [200, 200]
    by_name = site(host, allowed=[{"san": "chat.example.com"}])
    assert locked_out(host.apply(by_name, check=True)) == []
    whole = [{"certificate_content": each.pem.decode()} for each in (caller, below)]
    assert locked_out(host.apply(site(host, allowed=whole), check=True)) == []
    (message,) = locked_out(host.apply(site(host, allowed=whole[:1]), check=True))
    assert "of the 2 clients that got in within the last 30 days, 1 would" in message
    again = Authority("TencentQQAuthCA (stand-in, made by the demo)")  # another key
    assert locked_out(host.apply(site(host, client_ca=again.pem), check=True)) == []


def test_a_log_that_does_not_tell_is_said_where_callers_are_to_be_protected(host: Host) -> None:
    host.apply(site(host, access_log="server"))
    pinned = site(host, access_log="server", allowed=[{"subject": "CN=Nobody"}])
    assert not any("callers are not known" in each for each in host.apply(pinned, check=True).limits)
    report = host.apply(pinned, check=True, protect_callers=True)
    assert ["callers are not known" in each for each in report.limits if "access log" in each] == [True]
    assert report.locked_out == []


@pytest.mark.parametrize("damage", ["gone", "edited"])
def test_a_release_that_was_damaged_tells_nothing_and_holds_nothing_up(host: Host, damage: str) -> None:
    host.apply(site(host))
    assert call(host, chat(host.chat)) == [200]
    release = (host.store / DOMAIN / "current").resolve()
    if damage == "gone":
        shutil.rmtree(release)
    else:
        (release / "TencentQQAuthCA.crt").write_text("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
    pinned = site(host, allowed=[{"subject": "CN=Nobody"}])
    assert locked_out(host.apply(pinned, protect_callers=True)) == []


def test_a_run_that_changes_nothing_reads_no_log_and_knows_no_reader() -> None:
    program = f"import sys; import {run.__name__}; print(*sys.modules)"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    known = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert not known & {"callers", "call_logs", "log_lines", "refusal_logs", "log_files", "entry_rules", "locked_out"}
    assert "look" in known


def test_an_operator_is_warned_or_stopped_before_anything_is_changed(operator: LocalOperator) -> None:
    operator.deploy()
    assert operator.ask(operator.material.client).said == "HTTP/1.1 200 OK"
    log = operator.httpd.root / "logs" / f"{operator.material.domain}-access.log"
    assert until(lambda: "CN=Chat" in log.read_text())
    wrong = operator.site | {"allowed_clients": [{"subject": "CN=Another"}]}
    refused = operator.refused(mutual_tls_sites=[wrong], mutual_tls_protect_callers=True)
    assert "1 would not get in any more: CN=Chat" in " ".join(refused.output.split())
    assert "callers-locked-out" in refused.output
    warned = " ".join(operator.deploy(mutual_tls_sites=[wrong]).output.split())
    assert "[WARNING]: webhook: www.example.com: of the one client that got in" in warned
    again = operator.deploy(mutual_tls_sites=[wrong], mutual_tls_protect_callers=True)
    assert (again.recap["changed"], "would not get in" in again.output) == (0, False)
