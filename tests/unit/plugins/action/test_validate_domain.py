# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""validate_domain as Ansible runs it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path


def play(tmp_path: Path, *tasks: dict[str, Any], arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run the tasks on the controller; return the exit code and all output."""
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]))
    run = subprocess.run(
        ["ansible-playbook", *arguments, str(playbook)], capture_output=True, text=True, check=False, timeout=60
    )
    return run.returncode, run.stdout + run.stderr


def test_good_domains_pass_also_in_check_mode(tmp_path: Path) -> None:
    task = {"mtls.httpd.validate_domain": {"domain": ["www.example.com", "A.example"]}}
    code, output = play(tmp_path, task, arguments=("--check", "--diff"))
    assert code == 0, output


def test_all_broken_rules_of_all_domains_are_in_one_message(tmp_path: Path) -> None:
    code, output = play(
        tmp_path, {"mtls.httpd.validate_domain": {"domain": ["a--b.example", "www.example.com", "-c_d"]}}
    )
    assert code == 2
    for words in ("two hyphens in a row at position 2", "starts with a hyphen at position 1", "'_' at position 3"):
        assert words in output


def test_it_is_found_by_the_ansible_command() -> None:
    arguments = json.dumps({"domain": "www.example.com"})
    run = subprocess.run(
        ["ansible", "localhost", "-m", "mtls.httpd.validate_domain", "-a", arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"mtls.httpd.validate_domain": {"domain": "a"}, "delegate_to": "elsewhere"}, "Take 'delegate_to' away"),
        ({"mtls.httpd.validate_domain": {"domian": "a"}}, "Did you mean 'domain'?"),
        ({"mtls.httpd.validate_domain": {"domain": []}}, "nothing was checked"),
    ],
)
def test_wrong_use_is_refused_with_a_sentence(tmp_path: Path, task: dict[str, Any], words: str) -> None:
    code, output = play(tmp_path, task)
    assert code == 2
    assert words in output
    assert "Traceback" not in output


def test_the_test_plugin_follows_the_same_rules(tmp_path: Path) -> None:
    conditions = ["'www.example.com' is mtls.httpd.domain", "'a--b.example' is not mtls.httpd.domain"]
    code, output = play(tmp_path, {"ansible.builtin.assert": {"that": conditions}})
    assert code == 0, output
