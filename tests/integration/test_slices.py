# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory in slices, each run elsewhere as AWX's mesh does it (ansible-runner), and told as one afterwards."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playing import run_playbook
from webhooks import Fleet, running_fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import SiteMaterial

RUNNER = Path(sys.executable).parent / "ansible-runner"


@pytest.fixture
def fleet(tmp_path: Path, collections_path: Path, make_material: Callable[[Path], SiteMaterial]) -> Iterator[Fleet]:
    """Start the webhooks, with nothing deployed to them."""
    with running_fleet(tmp_path, collections_path, make_material) as started:
        yield started


def run_slice(fleet: Fleet, playbook: str, limit: str, *words: str) -> Path:
    """Run a playbook for some hosts by transmit, worker and process; return the folder of what came back."""
    here = fleet.folder.with_name(f"{playbook}-{limit.replace(',', '-')}")
    for name in ("inventory", "project"):
        (here / "sent" / name).mkdir(parents=True)
    (here / "worker").mkdir()
    (here / "sent" / "inventory" / "hosts.yml").write_text((fleet.folder / "inventory.yml").read_text())
    (here / "sent" / "project" / "run.yml").write_text(f"- import_playbook: mtls.httpd.{playbook}\n")
    command = ["--playbook", "run.yml", "--ident", "slice", "--limit", limit, "--cmdline", shlex.join(words)]
    environment = fleet.environment | {"PATH": f"{RUNNER.parent}:{fleet.environment['PATH']}"}

    def carry(*arguments: str | Path, sent: bytes = b"") -> bytes:
        done = subprocess.run([RUNNER, *arguments], input=sent, capture_output=True, env=environment, check=False)
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return done.stdout

    sent = carry("transmit", here / "sent", *command)
    returned = carry("worker", "--private-data-dir", here / "worker", sent=sent)
    carry("process", "--ident", "slice", here / "back", sent=returned)
    came = here / "back" / "artifacts" / "slice"
    assert (came / "rc").read_text() == "0", (came / "stdout").read_text()
    return came


def test_slices_are_deployed_by_runner_and_told_as_one_fleet(fleet: Fleet) -> None:
    slices = ("d1,d2", "d3")
    for limit in slices:
        run_slice(fleet, "deploy", limit, "-e", "deploy_become=false")
    keys = b"PRIVATE KEY"
    assert not [
        path for path in fleet.folder.parent.rglob("*/artifacts/**/*") if path.is_file() and keys in path.read_bytes()
    ]
    reports = fleet.folder / "slices"
    reports.mkdir()
    for limit in slices:
        report = "../artifacts/slice/fleet.json"
        came = run_slice(
            fleet, "status", limit, "-e", f"status_become=false status_fail_on=never status_report={report}"
        )
        shutil.copy(came / "fleet.json", reports / f"{limit.replace(',', '-')}.json")
    found = {"status_reports": f"{{{{ query('ansible.builtin.fileglob', '{reports}/*.json') }}}}"}  # as on AWX's page
    words = ("mtls.httpd.status", "-i", "localhost,", "-e", json.dumps(found))
    done = run_playbook(
        fleet.folder, fleet.environment, *words, "-e", "status_report=all.json", "-e", "status_fail_on=never"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 hosts, 1 site: " in done.stdout
    told = json.loads((fleet.folder / "all.json").read_text())
    assert [(each["host"], each["condition"]) for each in told["hosts"]] == [(f"d{n}", "looked") for n in (1, 2, 3)]


def test_a_report_that_is_none_is_refused_in_a_sentence(fleet: Fleet) -> None:
    (fleet.folder / "odd.json").write_text("{}")
    words = ("mtls.httpd.status", "-i", "inventory.yml", "-e", "status_reports=odd.json")
    done = run_playbook(fleet.folder, fleet.environment, *words)
    assert done.returncode == 2
    assert "odd.json, is no report that status has written (.json)" in " ".join((done.stdout + done.stderr).split())
