# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of the collection, called by their names."""

from __future__ import annotations

import re
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from embedded_httpd import EmbeddedHttpd
from playing import playbook_environment, run_playbook

if TYPE_CHECKING:
    from conftest import LocalOperator

TABLE = """\
no certificate                             refused   refused
another CA's certificate, same CA name     refused   refused
an expired certificate                     refused   refused
a self-signed one with the CA's name       refused   refused
Chat (stand-in), issued by the client CA   accepted  accepted"""


@pytest.fixture
def environment(collections_path: Path, tmp_path: Path) -> dict[str, str]:
    """Return an environment for ansible-playbook, with a home of its own."""
    return playbook_environment(tmp_path, collections_path) | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}


def run(playbook: str, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the collection."""
    return run_playbook(Path(environment["HOME"]), environment, f"mtls.httpd.{playbook}", *arguments)


def test_the_demo_shows_who_is_let_in_before_and_after_and_removes_what_it_made(
    environment: dict[str, str], short_path: Path
) -> None:
    done = run("demo", environment, "-e", f"demo_folder={short_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.replace("    - ", "").count(TABLE) == 2
    assert "in 5 days" in done.stdout
    assert done.stdout.count("key-mismatch") == 1, "the refusal is shown once"
    assert "fatal:" not in done.stdout
    assert "[ERROR]" not in done.stdout + done.stderr
    assert list(short_path.iterdir()) == []


def test_a_demo_that_fails_removes_what_it_made(environment: dict[str, str], short_path: Path) -> None:
    done = run("demo", environment, "-e", f'{{"demo_folder": "{short_path}", "mutual_tls_warn_days": "none"}}')
    assert done.returncode != 0
    assert list(short_path.iterdir()) == []


def test_a_demo_that_is_kept_says_how_to_call_and_to_stop_the_server(
    environment: dict[str, str], short_path: Path
) -> None:
    done = run("demo", environment | {"KEEP": "1"}, "-e", f"demo_folder={short_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    commands = dict(re.findall(r"(call|stop): +(/[^\s']+)", done.stdout))
    httpd = EmbeddedHttpd(Path(commands["call"]).parent / "httpd")
    try:
        assert httpd.running()
        assert (
            "It works!" in subprocess.run([commands["call"], "-s"], capture_output=True, text=True, check=True).stdout
        )
        stopped = subprocess.run([commands["stop"]], check=True, capture_output=True, text=True).stdout.splitlines()
        folder = Path(commands["stop"]).parent
        assert stopped == [f"httpd in {folder}/httpd is stopped", f"Removed {folder}"]
        assert not httpd.running()
        assert list(short_path.iterdir()) == []
    finally:
        httpd.stop()


def test_deploy_serves_the_sites_of_the_inventory_and_leaves_the_rest_alone_after_a_failure(
    operator: LocalOperator,
) -> None:
    here = yaml.safe_load((operator.folder / "inventory.yml").read_text())["all"]["hosts"]["webhook"]
    spoilt = here | {"mutual_tls_sites": [operator.site | {"domain": "other.example.com"}]}
    variables = operator.variables | {"deploy_become": False}

    def deploy(hosts: dict[str, dict[str, object]]) -> subprocess.CompletedProcess[str]:
        inventory = {"webhooks": {"hosts": hosts, "vars": variables}}
        (operator.folder / "fleet.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
        return run("deploy", operator.environment, "-i", str(operator.folder / "fleet.yml"))

    before = operator.state()
    assert deploy({"first": spoilt, "second": here}).returncode != 0
    assert operator.state() == before, "the first host's failure ends the run"
    done = deploy({"second": here})
    assert done.returncode == 0, done.stdout + done.stderr
    assert operator.ask(operator.material.client).said == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("playbook", ["deploy", "rollback", "remove"])
def test_a_playbook_that_finds_none_of_its_hosts_fails(environment: dict[str, str], playbook: str) -> None:
    done = run(playbook, environment, "-i", "web1,", "-e", f"{playbook}_domains=www.example.com")
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert f"is in 'webhooks', the group or pattern of {playbook}_hosts. No" in said


def test_a_warning_of_one_host_does_not_hide_that_of_another(operator: LocalOperator) -> None:
    here = yaml.safe_load((operator.folder / "inventory.yml").read_text())["all"]["hosts"]["webhook"]
    fleet = {"hosts": {"first": here, "second": here}, "vars": operator.variables | {"remove_become": False}}
    inventory = operator.folder / "fleet.yml"
    inventory.write_text(yaml.safe_dump({"webhooks": fleet}))
    done = run("remove", operator.environment, "-i", str(inventory), "-e", "remove_domains=none.example.com")
    assert done.returncode == 0, done.stdout + done.stderr
    warned = " ".join((done.stdout + done.stderr).split())
    for host in ("first", "second"):
        assert f"[WARNING]: {host}: none.example.com: there is no such site on this host" in warned


def test_rollback_goes_back_and_remove_gives_the_host_back(operator: LocalOperator) -> None:
    untouched = operator.state()[0]
    here = yaml.safe_load((operator.folder / "inventory.yml").read_text())["all"]["hosts"]["webhook"]
    variables = operator.variables | {"rollback_become": False, "remove_become": False}
    inventory = operator.folder / "fleet.yml"
    inventory.write_text(yaml.safe_dump({"webhooks": {"hosts": {"webhook": here}, "vars": variables}}))

    def go(playbook: str) -> str:
        undirected = run(playbook, operator.environment, "-i", str(inventory))
        assert undirected.returncode != 0
        assert "Say which sites" in undirected.stdout
        which = f"{playbook}_domains={operator.material.domain}"
        done = run(playbook, operator.environment, "-i", str(inventory), "-e", which)
        assert done.returncode == 0, done.stdout + done.stderr
        return " ".join(done.stdout.split())

    operator.deploy()
    first = operator.material.server.sha256
    operator.material.put(operator.material.public.issue(operator.material.domain))
    operator.deploy()
    assert operator.ask(operator.material.client).certificate_sha256 != first
    for _time in ("first", "again"):
        assert f"{operator.material.domain} at 127.0.0.1:{operator.port}: mutual TLS is enforced" in go("rollback")
    assert operator.ask(operator.material.client).certificate_sha256 == first
    go("remove")
    assert {name: entry[:3] + entry[4:] for name, entry in operator.state()[0].items()} == {
        name: entry[:3] + entry[4:] for name, entry in untouched.items()
    }


def test_rollback_refuses_a_certificate_that_has_ended_since_unless_it_is_forced(operator: LocalOperator) -> None:
    ends = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=8)
    old = operator.material.public.issue(operator.material.domain, not_after=ends)
    for issued in (old, operator.material.server):
        operator.material.put(issued)
        operator.deploy()
    here = yaml.safe_load((operator.folder / "inventory.yml").read_text())["all"]["hosts"]["webhook"]
    inventory = operator.folder / "fleet.yml"
    variables = operator.variables | {"rollback_become": False}
    inventory.write_text(yaml.safe_dump({"webhooks": {"hosts": {"webhook": here}, "vars": variables}}))
    arguments = ("-i", str(inventory), "-e", f"rollback_domains={operator.material.domain}")
    time.sleep(max(0.0, (ends - datetime.now(timezone.utc)).total_seconds() + 1))
    done = run("rollback", operator.environment, *arguments)
    assert done.returncode != 0
    assert f"a certificate ended at {ends:%Y-%m-%dT%H:%M:%SZ}" in " ".join((done.stdout + done.stderr).split())
    assert operator.ask(operator.material.client).certificate_sha256 == operator.material.server.sha256
    done = run("rollback", operator.environment, *arguments, "-e", "rollback_force=true")
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "the release gone back to serves certificates of which one ends at" in said
