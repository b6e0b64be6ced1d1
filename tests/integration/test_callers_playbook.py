# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.callers puts a fleet's callers in one table, with hosts that are down or without httpd as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from host import until
from playing import run_playbook

if TYPE_CHECKING:
    from conftest import LocalOperator


def callers(operator: LocalOperator, *arguments: str) -> tuple[int, str]:
    """Call the playbook for this machine's httpd, one that does not run, and a host that is down."""
    here = yaml.safe_load((operator.folder / "inventory.yml").read_text())["all"]["hosts"]["webhook"]
    none = here | {"mutual_tls_httpd_config": "/nonexistent/httpd.conf"}
    down = {"ansible_host": "192.0.2.1", "ansible_connection": "ssh", "ansible_ssh_common_args": "-o ConnectTimeout=1"}
    inventory = {
        "webhooks": {
            "hosts": {"d1": here, "e1": none, "t1": down},
            "vars": operator.variables | {"callers_become": False},
        }
    }
    (operator.folder / "fleet.yml").write_text(yaml.safe_dump(inventory))
    done = run_playbook(operator.folder, operator.environment, "mtls.httpd.callers", "-i", "fleet.yml", *arguments)
    return done.returncode, done.stdout + done.stderr


def test_the_fleets_callers_and_refusals_are_one_table_and_nothing_is_changed(operator: LocalOperator) -> None:
    operator.deploy()
    assert operator.ask(operator.material.client).said == "HTTP/1.1 200 OK"
    log = operator.httpd.root / "logs" / f"{operator.material.domain}-access.log"
    assert until(lambda: "CN=Chat" in log.read_text())
    before = operator.state()
    status, said = callers(operator)
    assert operator.state() == before
    lines = [line.split() for line in said.splitlines()]
    assert ["d1", "www.example.com", "CN=Chat"] in [line[:3] for line in lines]
    assert ["e1", "not", "looked", "at"] in lines
    assert ["t1", "unreachable"] in lines
    assert "- subject: CN=Chat" in said
    assert "/nonexistent/httpd.conf is not a file on this host" in " ".join(said.split())
    assert "1 client made 1 call since" in " ".join(said.split())
    assert status in (0, 4), said  # Ansible's own, for a host that is down.


def test_it_tells_of_the_sites_and_days_that_it_is_asked_for(operator: LocalOperator) -> None:
    operator.deploy()
    status, said = callers(operator, "-l", "d1", "-e", "callers_domains=www.example.com", "-e", "callers_days=7")
    assert status == 0, said
    assert ["d1", "www.example.com", "nobody"] in [line.split() for line in said.splitlines()]
    _status, said = callers(operator, "-l", "d1", "-e", "callers_domains=none.example.com")
    assert "there is no such site on this host" in " ".join(said.split())


def test_without_hosts_it_fails_in_a_sentence(operator: LocalOperator) -> None:
    status, said = callers(operator, "-e", "callers_hosts=nobody")
    assert status != 0
    assert "callers_hosts. Nothing was looked at." in " ".join(said.split())


def test_a_rollback_that_would_lock_callers_out_is_refused_where_they_are_protected(operator: LocalOperator) -> None:
    for subject in ("CN=Nobody", "CN=Chat"):
        operator.deploy(mutual_tls_sites=[operator.site | {"allowed_clients": [{"subject": subject}]}])
    assert operator.ask(operator.material.client).said == "HTTP/1.1 200 OK"
    log = operator.httpd.root / "logs" / f"{operator.material.domain}-access.log"
    assert until(lambda: "CN=Chat" in log.read_text())
    here = yaml.safe_load((operator.folder / "inventory.yml").read_text())["all"]["hosts"]["webhook"]
    variables = operator.variables | {"rollback_become": False, "mutual_tls_protect_callers": True}
    (operator.folder / "fleet.yml").write_text(yaml.safe_dump({"webhooks": {"hosts": {"d1": here}, "vars": variables}}))
    before = operator.state()
    words = ("mtls.httpd.rollback", "-i", "fleet.yml", "-e", f"rollback_domains={operator.material.domain}")
    done = run_playbook(operator.folder, operator.environment, *words)
    assert done.returncode != 0
    assert "1 would not get in any more: CN=Chat" in " ".join((done.stdout + done.stderr).split())
    assert operator.state() == before
