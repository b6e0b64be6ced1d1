# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the confirmation goes, with a container's name and real SSH; tests/integration/test_reached.py has it all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Remote

ROLE = "mtls.httpd.mutual_tls"
INSIDE = "Asked on the host itself."


@pytest.mark.parametrize("machine", ["debian12"], indirect=True)
def test_a_container_confirms_itself_by_name_and_is_confirmed_at_its_address_over_ssh(
    remote: Remote, over_ssh: tuple[str, str]
) -> None:
    plays = [{"vars": {"mutual_tls_sites": [remote.site], "mutual_tls_confirm_address": ""}, "roles": [{"role": ROLE}]}]
    for arguments, address, inside in (((), "127.0.0.1", True), (over_ssh, remote.host.address, False)):
        run = remote.deploy(*arguments, plays=plays)
        words = " ".join(run.output.split())
        assert f"{remote.material.domain} at {address}:443: mutual TLS is enforced" in words
        assert (INSIDE in words) == inside


@pytest.mark.parametrize("machine", ["debian12"], indirect=True)
def test_a_role_that_a_bastion_delegates_confirms_the_host_that_was_changed(
    remote: Remote, over_ssh: tuple[str, str]
) -> None:
    (remote.folder / "inventory.yml").write_text(
        yaml.safe_dump(
            {
                "all": {
                    "hosts": {
                        "bastion": {"ansible_connection": "local"},
                        "webhook": json.loads(over_ssh[1]) | {"ansible_python_interpreter": "/usr/bin/python3"},
                    }
                }
            }
        )
    )
    task = {"include_role": {"name": ROLE, "apply": {"delegate_to": "webhook"}}}
    variables = {"mutual_tls_sites": [remote.site], "mutual_tls_confirm_address": ""}
    run = remote.play(plays=[{"hosts": "bastion", "vars": variables, "tasks": [task]}])
    words = " ".join(run.output.split())
    assert run.status == 0, run.output
    assert f"{remote.material.domain} at {remote.host.address}:443: mutual TLS is enforced" in words
    assert INSIDE not in words
