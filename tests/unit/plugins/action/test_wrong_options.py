# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs are told of options that are wrong, as they are told of a host's faults."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

WRONG = {
    "validate_domain": {"domian": "example.com"},
    "validate_certificate": {"warn_days": "soon"},
    "handshake_info": {"port": "https"},
    "release_info": {"httpd_config": "httpd.conf"},
    "server_info": {"httpd_binary": "httpd"},
    "sites": {"sites": []},
}


def test_each_module_returns_wrong_options_as_faults(tmp_path: Path) -> None:
    tasks = []
    for module, options in WRONG.items():
        wrong = {f"mtls.httpd.{module}": options}
        tasks.append({**wrong, "register": module, "ignore_errors": True})  # The failure itself is looked at, below.
        told = f"{module}.faults | map(attribute='code') | unique == ['bad-option']"
        said = f"{module}.msg == {module}.faults | map(attribute='message') | join('\\n')"
        tasks.append({"ansible.builtin.assert": {"that": [f"{module} is failed", told, said]}})
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    run = subprocess.run(
        ["ansible-playbook", tmp_path / "play.yml"], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
