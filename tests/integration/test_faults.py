# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a host was not changed is in the role's result as data, which a playbook can decide by."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any

import yaml
from host import COLLECTION

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import CODES

if TYPE_CHECKING:
    from conftest import LocalOperator

# What a fleet's playbook may do: go on where a port is taken, and tell what failed.
RESCUING = [
    {
        "tasks": [
            {
                "block": [{"ansible.builtin.include_role": {"name": "mtls.httpd.mutual_tls"}}],
                "rescue": [
                    {
                        "name": "Keep the result",
                        "ansible.builtin.copy": {
                            "content": "{{ ansible_failed_result | to_json }}",
                            "dest": "{{ playbook_dir }}/failed.json",
                            "mode": "0600",
                        },
                    }
                ],
            }
        ]
    }
]


def failed(operator: LocalOperator, **variables: Any) -> dict[str, Any]:
    """Return the result of the role's task that fails."""
    operator.deploy(plays=RESCUING, **variables)
    result: dict[str, Any] = json.loads((operator.folder / "failed.json").read_text())
    return result


def test_a_taken_port_is_a_fault_of_the_host_with_its_remedy(operator: LocalOperator) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", operator.port))
        holder.listen()
        result = failed(operator)
    (fault,) = result["faults"]
    assert fault["code"] == "port-taken"
    assert fault["domain"] == ""
    assert fault["message"].startswith(f"port {operator.port} is held by ")
    assert fault["remedy"] == "end it, or choose another port"
    assert result["msg"] == f"{fault['message']}: {fault['remedy']}. Nothing was touched"


def page_play() -> dict[str, Any]:
    """Return the play that the page about messages shows, for the operator's host."""
    page = (COLLECTION / "docs" / "messages.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (play,) = yaml.safe_load(shown)
    return {name: value for name, value in play.items() if name != "hosts"}


def test_the_pages_play_goes_on_where_a_port_is_taken_and_stops_for_any_other_reason(operator: LocalOperator) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", operator.port))
        holder.listen()
        assert operator.deploy(plays=[page_play()]).recap["rescued"] == 1
    broken = {**operator.site, "extra_directives": "NoSuchDirective on"}
    assert operator.play(plays=[page_play()], mutual_tls_sites=[broken]).status != 0
    assert operator.deploy(plays=[page_play()]).recap["rescued"] == 0


def test_each_fault_names_its_site(operator: LocalOperator) -> None:
    one = {**operator.site, "extra_directives": "NoSuchDirective on"}
    result = failed(operator, mutual_tls_sites=[one])
    (fault,) = result["faults"]
    assert (fault["code"], fault["domain"]) == ("unsound", operator.material.domain)
    assert "NoSuchDirective" in fault["message"]
    assert fault["remedy"] == CODES["unsound"][1]
    assert result["msg"].startswith("the rehearsal failed, nothing was touched. httpd says: ")


def test_a_deployment_that_succeeds_has_no_faults(operator: LocalOperator) -> None:
    operator.deploy(plays=RESCUING)
    assert not (operator.folder / "failed.json").exists()
