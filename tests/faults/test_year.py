# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator of three hosts does and sees in a year, by the playbooks alone, one after the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from container import Container
from demo_material import CHAT_CA_NAME, Authority, write
from playing import run_playbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Remote
    from demo_material import Issued
    from playing import Reply

HOSTS = ("d1", "d2", "d3")
GONE = ["Syntax OK", "ls: cannot access '/etc/apache2/mtls': No such file or directory"]
ROLLBACK = ("rollback", "-e", "rollback_domains=www.example.com")


@dataclass
class Fleet:
    """Three hosts, and their operator."""

    operator: Remote
    hosts: dict[str, Container]
    site: dict[str, Any]
    host_vars: dict[str, dict[str, Any]] = field(default_factory=dict)

    def call(self, playbook: str, *arguments: str, status: int = 0) -> str:
        """Call a playbook; return its words, after it ended with `status`."""
        hosts = {name: {"ansible_host": host.name, **self.host_vars.get(name, {})} for name, host in self.hosts.items()}
        common = {
            "ansible_connection": "containers.podman.podman",
            "ansible_become": False,  # as podman is root there
            "ansible_python_interpreter": "/usr/bin/python3",
            "mutual_tls_sites": [self.site],
        }
        inventory = {"webhooks": {"hosts": hosts, "vars": common}}
        (self.operator.folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
        words = ("-i", "inventory.yml", f"mtls.httpd.{playbook}", *arguments)
        done = run_playbook(self.operator.folder, self.operator.environment, *words)
        said = done.stdout + done.stderr
        assert done.returncode == status, said
        return " ".join(said.split())

    def status(self, *arguments: str, status: int = 0) -> tuple[str, dict[str, Any]]:
        """Look at the fleet; return the words, and the report."""
        said = self.call("status", "-e", "status_report=fleet.json", *arguments, status=status)
        report: dict[str, Any] = json.loads((self.operator.folder / "fleet.json").read_text())
        return said, report

    def codes(self, *, status: int) -> dict[str, set[str]]:
        """Return what the status says of each host, by codes."""
        found: dict[str, set[str]] = {}
        for reason in self.status(status=status)[1]["reasons"]:
            found.setdefault(reason["host"], set()).add(reason["code"])
        return found

    def renew(self, **days: float) -> Issued:
        """Put a new certificate where the inventory says; return it."""
        ends = datetime.now(timezone.utc) + timedelta(days=days.get("days", 90))
        material = self.operator.material
        issued = material.public.issue(material.domain, not_after=ends)
        material.put(issued)
        return issued

    def ask(self, client: Issued | None) -> list[Reply]:
        """Return what a client gets at each host."""
        return [replace(self.operator, address=host.address).ask(client) for host in self.hosts.values()]

    def said(self, client: Issued | None) -> set[str]:
        """Return what a client is told by the hosts."""
        return {reply.said for reply in self.ask(client)}

    def served(self) -> list[str | None]:
        """Return the fingerprints of what the hosts show."""
        return [reply.certificate_sha256 for reply in self.ask(None)]


@pytest.fixture
def fleet(deploying: Callable[..., Remote]) -> Iterator[Fleet]:
    """Boot three hosts with their distribution's httpd running, one of an older release, and nothing deployed."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    old = "debian11" if "IMAGE_DEBIAN11" in os.environ else "debian12"  # whose httpd has a log of another form
    hosts = {name: Container(f"mtls-year-{name}-{worker}", old if name == "d3" else "debian12") for name in HOSTS}
    try:
        for host in hosts.values():
            host.boot()
            host.shell("systemctl start apache2")
        operator = deploying(hosts["d1"])
        yield Fleet(operator, hosts, operator.site | {"document_root": "/usr/share/apache2/default-site"})
    finally:
        for host in hosts.values():
            host.remove()


def test_a_year_of_operations(fleet: Fleet) -> None:
    material = fleet.operator.material
    chat = material.client

    # January: a dry run, the first deployment, and Chat's first callback.
    dry = fleet.call("deploy", "--check")
    assert "d1, d2, d3 full www.example.com put in place, served until" in dry
    assert "Deployed: d1, d2, d3." in fleet.call("deploy")
    assert fleet.said(None) == {"TLSV13_ALERT_CERTIFICATE_REQUIRED"}
    assert fleet.said(chat) == {"HTTP/1.1 200 OK"}
    assert "all is well" in fleet.status("-e", "status_fail_on=critical")[0]
    seen = fleet.call("callers")
    assert "1 client made 3 calls" in seen
    pin = re.findall(r"- subject: (\S+)", seen)
    assert pin == ["CN=Chat"]
    fleet.site["allowed_clients"] = [{"subject": pin[0]}]
    assert "Deployed: d1, d2, d3." in fleet.call("deploy")
    assert fleet.said(chat) == {"HTTP/1.1 200 OK"}
    assert fleet.codes(status=0) == {}

    # March: the renewal reaches the first host alone, and is taken back there, and there alone.
    first = fleet.served()
    renewed = fleet.renew()
    fleet.host_vars["d2"] = {"mutual_tls_httpd_config": "/nowhere.conf"}
    stopped = fleet.call("deploy", status=2)
    assert "Deployed: d1. Failed: d2 (" in stopped
    assert "Not begun: d3. It serves as before." in stopped
    del fleet.host_vars["d2"]
    assert fleet.served() == [renewed.sha256, *first[1:]]
    assert "differs-between-hosts" in set().union(*fleet.codes(status=2).values())
    refused = fleet.call(*ROLLBACK, status=2)
    (undo,) = {*re.findall(r"rollback_from=(\w+)", refused)}
    fleet.call(*ROLLBACK, "-e", f"rollback_from={undo}")
    assert fleet.served() == first
    assert "Deployed: d1, d2, d3." in fleet.call("deploy")
    assert fleet.served() == [renewed.sha256] * 3
    assert "all of its hosts serve the same" in fleet.call("releases")

    # June: Chat's CA changes. Who would be locked out by leaving the old one out is said before, and may be an error.
    new = Authority(CHAT_CA_NAME + " 2")
    write(material.folder, "new-ca.crt", new.pem)
    old_ca = fleet.site["client_ca"]
    fleet.site["client_ca"] = [
        *([old_ca] if isinstance(old_ca, str) else old_ca),
        f"{material.folder}/new-ca.crt",
    ]
    both = fleet.call("deploy")
    assert "client CA +" in both
    coming = new.issue(client=True, common_name="Chat")
    assert fleet.said(coming) == fleet.said(chat) == {"HTTP/1.1 200 OK"}
    fleet.site["client_ca"] = [f"{material.folder}/new-ca.crt"]
    early = fleet.call("deploy", "-e", "mutual_tls_protect_callers=true", status=2)
    assert "would not get in any more: CN=Chat" in early
    assert fleet.said(chat) == {"HTTP/1.1 200 OK"}
    assert "would not get in any more: CN=Chat" in fleet.call("deploy")
    assert fleet.said(chat) == {"TLSV1_ALERT_UNKNOWN_CA"}

    # August: somebody edits a host by hand, and another is down.
    site_conf = "/etc/apache2/mtls/www.example.com/current/site.conf"
    fleet.hosts["d2"].shell(
        f"sed -i 's/SSLVerifyClient require/SSLVerifyClient none/' {site_conf}; apache2ctl graceful"
    )
    fleet.hosts["d3"].cut_off()
    said, report = fleet.status(status=2)
    assert re.search(r"!! d2 www\.example\.com \S+ \d+ (OFF|OPTIONAL|UNPROVEN)", said), said
    assert "!! d3 unreachable" in said
    assert report["severity"] == "critical"
    fleet.hosts["d3"].power_on()
    assert "found amiss: the release of www.example.com was not as it was written" in fleet.call("deploy")
    assert fleet.said(None) == {"TLSV13_ALERT_CERTIFICATE_REQUIRED"}
    assert fleet.codes(status=0) == {}

    # November: a certificate of a few days is told, and replaced by need; nothing else is touched.
    fleet.renew(days=5.5)
    fleet.call("deploy")
    said, _report = fleet.status(status=2)
    assert "First to end: the certificate of www.example.com on d1" in said
    assert "in 5 days" in said
    fleet.renew()
    assert "Deployed: d1, d2, d3." in fleet.call("deploy", "-e", "deploy_ending_within=30")
    late = fleet.renew()
    later = fleet.call("deploy", "-e", "deploy_ending_within=30")
    assert "left alone, as they end later: www.example.com" in later
    assert "Deployed: none. Left alone, as no site of theirs was asked for: d1, d2, d3." in later
    assert late.sha256 not in fleet.served()

    # December: the site is taken away, and the inventory still lists it.
    gone = fleet.call("remove", "-e", "remove_domains=www.example.com")
    assert "www.example.com is no longer served; nobody answers TLS at its port any more. It still stands in" in gone
    assert {"not-deployed"} <= fleet.codes(status=2)["d1"]
    for host in fleet.hosts.values():
        assert host.shell("apache2ctl -t 2>&1; ls -d /etc/apache2/mtls 2>&1 || true").splitlines()[-2:] == GONE


def test_back_over_ssh_to_what_is_named(fleet: Fleet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for name, host in fleet.hosts.items():
        host.let_in(key.with_suffix(".pub").read_text())
        fleet.host_vars[name] = {
            "ansible_connection": "ssh",
            "ansible_host": host.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            "ansible_ssh_args": "-o ControlMaster=no",  # A control socket's path would be too long for the kernel.
        }
    first, second = (fleet.renew(), fleet.call("deploy"))[0].sha256, (fleet.renew(), fleet.call("deploy"))[0].sha256
    third = (fleet.renew(), fleet.call("deploy", "-l", "d1"))[0].sha256
    assert fleet.served() == [third, second, second]
    refused = fleet.call(*ROLLBACK, status=2)
    assert "rollback_differ=true" in refused
    (named,) = {*re.findall(r"rollback_to=(\w+)", refused)}
    assert fleet.served() == [third, second, second]
    fleet.call(*ROLLBACK, "-e", f"rollback_to={named}")
    same = fleet.served()
    assert same in ([first] * 3, [second] * 3)
    assert "all of its hosts serve the same" in fleet.call("releases")
    fleet.call("deploy")
    fourth = (fleet.renew(), fleet.call("deploy", "-l", "d1"))[0].sha256
    assert fleet.served() == [fourth, third, third]
    fleet.call(*ROLLBACK, "-e", "rollback_differ=true")
    assert fleet.served() == [third, same[0], same[0]]
    assert {code for found in fleet.codes(status=2).values() for code in found} == {
        "differs-between-hosts",
        "not-as-listed",
    }
