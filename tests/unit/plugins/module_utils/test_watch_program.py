# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the watchman makes of what it met, and of the lines of a log that does not name certificates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import tell_rules
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import watch_program

if TYPE_CHECKING:
    from pathlib import Path

LINE = (
    "[Sun Nov 29 17:50:37.123456 2026] [ssl:error] [pid 7:tid 8] [client {client}] AH02039: Certificate Verification: "
    "Error (20): unable to get local issuer certificate\n"
)


@pytest.mark.parametrize(
    ("client", "counted"), [("127.0.0.1:40001", 0), ("127.0.0.1:40002", 1), ("192.0.2.1:40001", 1)]
)
def test_a_knock_of_its_own_is_known_by_where_it_came_from(client: str, counted: int, tmp_path: Path) -> None:
    log = tmp_path / "error_log"
    log.write_text(LINE.format(client=client))
    wanted = {
        "rules": tell_rules(),
        "sites": [{"domain": "www.example.com", "access_log": ""}],
        "error_logs": {str(log): "www.example.com"},
    }
    state = {"logs": {str(log): [log.stat().st_ino, 0]}, "knocks": ["127.0.0.1:40001"]}
    watch_program.read_logs(wanted, state)
    assert state.get("refused") == ({"www.example.com": {"unknown-issuer": 1}} if counted else {})


def test_a_line_that_httpd_has_not_written_stops_nothing(tmp_path: Path) -> None:
    log = tmp_path / "error_log"
    odd = LINE.replace("Nov", "Xxx")
    named = " [subject: CN=x / issuer: CN=mtls.httpd stranger CA / serial: 01 / notbefore: x / notafter: y]\n"
    ours = odd.format(client="192.0.2.9:3").replace("AH02039", "AH02276").replace("\n", named)
    log.write_text(ours + odd.format(client="192.0.2.1:1") + LINE.format(client="192.0.2.1:2"))
    access = tmp_path / "access_log"
    access.write_text("[99/Xxx/0000:99:99:99 +9999] CN=Chat 200\n")
    formats = [[r"\[([^]]+)\] (\S+) (\d+)", ["time", "subject", "status"]]]
    wanted = {
        "rules": tell_rules(),
        "sites": [{"domain": "www.example.com", "access_log": str(access), "formats": formats}],
        "error_logs": {str(log): "www.example.com"},
    }
    places = {str(each): [each.stat().st_ino, 0] for each in (log, access)}
    state: dict[str, object] = {"logs": places, "knocks": []}
    watch_program.read_logs(wanted, state)
    assert state["refused"] == {"www.example.com": {"unknown-issuer": 2}}


@pytest.mark.parametrize("kind", ["handshake", "path", "asked", "unchecked"])
def test_a_door_that_asks_for_no_certificate_is_not_enforced_whatever_it_answers(kind: str) -> None:
    answer = watch_program._Answer()
    assert watch_program._enforces(kind, answer, answer) is None
    answer.served = b"a certificate"
    assert watch_program._enforces(kind, answer, answer) is False


def test_what_is_remembered_of_a_clock_that_was_wrong_ends_now(tmp_path: Path) -> None:
    access = tmp_path / "access_log"
    access.write_text("")
    site = {"domain": "www.example.com", "access_log": str(access), "formats": []}
    wanted = {"rules": tell_rules(), "sites": [site], "error_logs": {}}
    now = int(time.time())
    for remembered, told in ((now + 86400, now), (now - 86400, now - 86400)):
        state: dict[str, Any] = {"accepted": {"www.example.com": remembered}}
        watch_program.read_logs(wanted, state)
        assert state["accepted"]["www.example.com"] == pytest.approx(told, abs=5)


@pytest.mark.parametrize(
    ("message", "names"),
    [
        pytest.param("0d00000d 0140 00020403 0004 0002abcd", {"abcd"}, id="TLS 1.2"),
        pytest.param("0d000007 00 0010 000d0002", None, id="cut off"),
        pytest.param("0d000013 00 0010 000d00020403 002f0006 0004 0002abcd", {"abcd"}, id="TLS 1.3"),
        pytest.param("0d000007 0140 0004 0002abcd", None, id="TLS 1.1"),
        pytest.param("0d000000", None, id="nothing"),
    ],
)
def test_the_authorities_that_are_asked_for_are_read(message: str, names: set[str] | None) -> None:
    assert watch_program._read_names(bytes.fromhex(message.replace(" ", ""))) == names
