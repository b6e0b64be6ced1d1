# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine that was changed is the one that is confirmed, however Ansible reaches it.

The network has two addresses. Ansible's own ssh connection goes to either, with a program in the place of ssh that runs
the command on this machine, and counts the trips.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from playing import surroundings

if TYPE_CHECKING:
    from conftest import LocalOperator

ROLE = "mtls.httpd.mutual_tls"
NEAR, FAR = "198.51.100.7", "198.51.100.8"
LAN = (
    "ip link set lo up && ip link add lan type veth peer name other && ip link set lan up && ip link set other up"
    f" && ip address add {NEAR}/24 dev lan && ip address add {FAR}/24 dev lan"
)
INSIDE = "Asked on the host itself."
SSH = """\
#!/bin/sh
for command; do :; done
[ "$command" != ControlPersist ] || exit 0
echo trip >>{trips}
exec /bin/sh -c "$command"
"""
# As those of podman, kubectl and the like, which reach a container by its name.
BY_NAME = '''
DOCUMENTATION = """
name: by_name
short_description: Reach a host by a name that is no address
options:
  remote_addr:
    description: The name.
    default: inventory_hostname
    vars: [{name: ansible_host}]
"""
from ansible.plugins.connection.local import Connection as Local

class Connection(Local):
    transport = "by_name"
'''


@dataclass(frozen=True)
class Network:
    """An operator on a network of two addresses, at both of which his httpd answers."""

    operator: LocalOperator
    within: tuple[str, ...]

    def deploy(self, task: dict[str, Any], *, on: str, ok: bool = True, **variables: Any) -> str:
        """Deploy the site with the role by `task`, and return the words."""
        told = {
            "mutual_tls_httpd_binary": str(self.operator.httpd.binary),
            "mutual_tls_httpd_config": str(self.operator.httpd.conf),
            "mutual_tls_sites": [self.operator.site | {"listen": variables.pop("listen", [])}],
        }
        plays = [{"hosts": on, "vars": told | variables, "tasks": [task]}]
        run = self.operator.play(within=self.within, plays=plays)
        assert (run.status == 0) == ok, run.output
        return " ".join(run.output.split())

    @property
    def trips(self) -> int:
        """How often ssh has run a command."""
        return len((self.operator.folder / "trips").read_text().splitlines())


@pytest.fixture
def network(operator: LocalOperator) -> Network:
    """Make the network, on which nothing is served yet."""
    within = surroundings(LAN, "--net")
    operator.httpd.stop()
    ssh = operator.folder / "ssh"
    ssh.write_text(SSH.format(trips=operator.folder / "trips"))
    ssh.chmod(0o755)
    (operator.folder / "connection_plugins").mkdir()
    (operator.folder / "connection_plugins" / "by_name.py").write_text(BY_NAME)
    over_ssh = {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh)}
    hosts = {
        "near": over_ssh | {"ansible_host": NEAR},
        "far": over_ssh | {"ansible_host": FAR},
        "forwarded": over_ssh | {"ansible_host": "127.0.0.1", "ansible_port": 2222},
        "container": {"ansible_connection": "by_name"},
        "localhost": {"ansible_connection": "local"},
    }
    every = {"hosts": hosts, "vars": {"ansible_python_interpreter": sys.executable}}
    (operator.folder / "inventory.yml").write_text(yaml.safe_dump({"all": every}))
    return Network(operator, within)


def role(**keywords: Any) -> dict[str, Any]:
    """Return the task that uses the role."""
    return {"import_role": {"name": ROLE}, **keywords}


def delegated(to: str) -> dict[str, Any]:
    """Return the task that uses the role on another host than the play's."""
    return {"include_role": {"name": ROLE, "apply": {"delegate_to": to}}}


def test_a_host_is_confirmed_where_it_was_reached_without_a_further_trip(network: Network) -> None:
    words = network.deploy(role(), on="near")
    assert f"at {NEAR}:{network.operator.port}: mutual TLS is enforced" in words
    assert INSIDE not in words
    assert network.trips == 1


@pytest.mark.parametrize("task", [delegated("far"), role(delegate_to="far")], ids=["include_role", "import_role"])
@pytest.mark.parametrize("on", ["near", "localhost"])
def test_a_delegated_role_confirms_the_host_that_was_changed(network: Network, task: dict[str, Any], on: str) -> None:
    words = network.deploy(task, on=on)
    assert f"at {FAR}:{network.operator.port}: mutual TLS is enforced" in words
    assert NEAR not in words
    assert INSIDE not in words


def test_a_bastion_confirms_each_host_that_it_changed(network: Network) -> None:
    words = network.deploy(delegated("{{ item }}") | {"loop": ["near", "far"]}, on="localhost")
    for address in (NEAR, FAR):
        assert f"at {address}:{network.operator.port}: mutual TLS is enforced" in words


@pytest.mark.parametrize(("on", "to"), [("container", ""), ("near", "container")])
def test_a_host_without_an_address_of_a_network_confirms_itself(network: Network, on: str, to: str) -> None:
    words = network.deploy(delegated(to) if to else role(), on=on)
    assert f"at 127.0.0.1:{network.operator.port}: mutual TLS is enforced" in words
    assert INSIDE in words


def test_a_host_behind_a_port_of_the_controllers_own_confirms_itself(network: Network) -> None:
    words = network.deploy(role(), on="forwarded")
    assert f"at 127.0.0.1:{network.operator.port}: mutual TLS is enforced" in words
    assert INSIDE in words
    assert network.trips == 2


def test_a_site_on_the_loopback_alone_is_confirmed_there(network: Network) -> None:
    words = network.deploy(role(), on="near", listen=["127.0.0.1"])
    assert f"at 127.0.0.1:{network.operator.port}: mutual TLS is enforced" in words
    assert INSIDE in words


def test_a_site_with_an_address_of_its_own_is_confirmed_there_from_outside(network: Network) -> None:
    words = network.deploy(role(), on="near", listen=["127.0.0.1", FAR])
    assert f"at {FAR}:{network.operator.port}: mutual TLS is enforced" in words
    assert INSIDE not in words


def test_an_address_that_is_given_is_asked_from_the_controller(network: Network) -> None:
    words = network.deploy(role(), on="container", mutual_tls_confirm_address=FAR, **client(network))
    assert f"at {FAR}:{network.operator.port}: mutual TLS is enforced" in words
    assert "Accepted: the client_certificate given" in words
    assert INSIDE not in words


def test_a_host_that_confirms_itself_gets_no_clients_key(network: Network) -> None:
    words = network.deploy(role(), on="container", ok=False, **client(network))
    assert "'client_key' does not leave the controller" in words


def client(network: Network) -> dict[str, str]:
    """Return the variables that have a client of the client CA confirm."""
    material, folder = network.operator.material, network.operator.folder
    (folder / "chat.crt").write_bytes(material.client.full_pem)
    (folder / "chat.key").write_bytes(material.client.key_pem)
    return {"mutual_tls_confirm_certificate": "chat.crt", "mutual_tls_confirm_key": "chat.key"}


def test_a_task_without_an_address_says_what_to_do_where_the_connection_has_none(network: Network) -> None:
    words = network.deploy({"mtls.httpd.handshake_info": {}}, on="container", ok=False)
    assert "option 'address' is missing, and this connection to the host has no address of a network" in words
