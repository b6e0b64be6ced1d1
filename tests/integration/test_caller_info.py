# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What caller_info says of a host: who called its sites, who was refused, and what the logs do not tell."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from host import until

if TYPE_CHECKING:
    from conftest import LocalOperator

OPTIONS = {
    "httpd_binary": "{{ mutual_tls_httpd_binary }}",
    "httpd_config": "{{ mutual_tls_httpd_config }}",
}


def ask(operator: LocalOperator, *arguments: str, **options: Any) -> dict[str, Any]:
    """Return the result of the module, run as an operator runs it."""
    tasks = [
        # Its refusals are tested too: each test holds what was registered, a list of sites or a failure.
        {"mtls.httpd.caller_info": OPTIONS | options, "register": "seen", "ignore_errors": True},
        {
            "ansible.builtin.copy": {"content": "{{ seen | to_json }}", "dest": str(operator.folder / "seen.json")},
            "check_mode": False,
        },
    ]
    run = operator.play(*arguments, plays=[{"tasks": tasks}])
    assert run.status == 0, run.output
    result: dict[str, Any] = json.loads((operator.folder / "seen.json").read_text())
    return result


def told(operator: LocalOperator, calls: int, **options: Any) -> dict[str, Any]:
    """Return the result once so many calls are logged."""
    log = operator.httpd.root / "logs" / f"{operator.material.domain}-access.log"
    assert until(lambda: log.read_text().count('HTTP/1.1" 200') >= calls)
    return ask(operator, **options)


def test_who_called_is_told_ready_to_be_allowed_and_nothing_is_changed(operator: LocalOperator) -> None:
    operator.deploy()
    assert operator.ask(operator.material.client).said == "HTTP/1.1 200 OK"
    operator.ask(operator.material.stranger)
    before = operator.state()
    result = told(operator, 1)
    assert operator.state() == before
    assert (result["changed"], result["found"]) == (False, True)
    (site,) = result["sites"]
    (caller,) = site["callers"]
    assert (caller["subject"], caller["statuses"], caller["issuer"].split(" ")[0]) == (
        "CN=Chat",
        {"200": 1},
        "CN=TencentQQAuthCA",
    )
    assert site["allowed_clients"] == [{"subject": "CN=Chat"}]
    assert site["problems"] == []
    assert site["own_calls"] + site["own_refusals"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", caller["last"])
    allowed = operator.site | {"allowed_clients": site["allowed_clients"]}
    operator.deploy(mutual_tls_sites=[allowed])
    assert operator.ask(operator.material.client).said == "HTTP/1.1 200 OK"


def test_a_confirmation_with_a_client_of_the_client_ca_counts_in_no_figure(operator: LocalOperator) -> None:
    client = {
        "mutual_tls_confirm_certificate": str(operator.folder / "chat.crt"),
        "mutual_tls_confirm_key": str(operator.folder / "chat.key"),
    }
    (operator.folder / "chat.crt").write_bytes(operator.material.client.full_pem)
    (operator.folder / "chat.key").write_bytes(operator.material.client.key_pem)
    operator.deploy(**client)
    (site,) = told(operator, 1)["sites"]
    assert (site["callers"], site["refusals"]) == ([], [])
    assert site["own_calls"] >= 1


def test_a_host_without_httpd_or_sites_is_no_error(operator: LocalOperator, bare: tuple[str, ...]) -> None:
    assert ask(operator)["sites"] == []
    tasks = [{"mtls.httpd.caller_info": {}, "register": "seen", "failed_when": "seen.found"}]
    run = operator.play(plays=[{"tasks": tasks}], within=bare)
    assert run.status == 0, run.output


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"domains": ["none.example.com"]}, "no-such-site", "whose sites are: www.example.com"),
        ({"domains": ["-----BEGIN PRIVATE KEY-----"]}, "bad-option", "option 'domains[0]' holds a private key"),
        ({"domains": ["hunter two"]}, "bad-option", "option 'domains' holds what is no name of a site"),
        ({"httpd_config": "hunter2"}, "bad-option", "is not an absolute path on the target"),
        ({"since_days": 0}, "bad-option", "option 'since_days' must be from 1 to 3650"),
        ({"max_seconds": 6000}, "bad-option", "option 'max_seconds' must be from 1 to 600"),
        ({"since": 1}, "bad-option", "there is no option 'since'"),
    ],
)
def test_a_wrong_option_is_named_and_not_repeated(
    operator: LocalOperator, options: dict[str, Any], code: str, words: str
) -> None:
    if code == "no-such-site":
        operator.deploy()
    result = ask(operator, **options)
    assert result["failed"]
    assert result["faults"][0]["code"] == code
    assert words in result["msg"]
    assert "hunter" not in result["msg"]


def test_what_is_too_much_is_counted(operator: LocalOperator) -> None:
    operator.deploy()
    for name in ("Chat", "Another"):
        operator.ask(operator.material.chat.issue(client=True, common_name=name))
    (site,) = told(operator, 2, max_entries=1)["sites"]
    assert (len(site["callers"]), site["callers_left_out"]) == (1, 1)
    assert ask(operator, "--check")["sites"][0]["callers_left_out"] == 0
