#!/usr/bin/env python3
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure what the playbooks cost the controller of a fleet, beside a ping of it, and write docs/fleet-costs.md.

A host of this fleet is an httpd with a configuration of its own, in one of few containers: each has an SSH connection
of its own, so that the controller cannot tell it from a machine.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "playbooks" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import embedded_httpd
import fleet_costs
from container import Container
from demo_material import CHAT_CA_NAME, Authority, write
from fleet_costs import Cost

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "www.example.com"
HOSTS = int(os.environ.get("HOSTS", "500"))
FEW, SOME = HOSTS // 10, HOSTS * 2 // 5
CONTAINERS = 5
FORKS = 10
_FIRST_PORT = 20000
# Small, so that hundreds fit one machine; a user each, as all containers share a user's limit of processes.
_SMALL = """
User "#{user}"
Group "#{user}"
StartServers 1
ServerLimit 3
ThreadsPerChild 4
ThreadLimit 4
MaxRequestWorkers 12
MinSpareThreads 4
MaxSpareThreads 8
"""
_START = """
import sys
from pathlib import Path
sys.path.insert(0, "/srv")
from embedded_httpd import EmbeddedHttpd
for number, extra in {servers!r}:
    EmbeddedHttpd(Path(f"/srv/{{number}}"), port={plain} + number, extra=extra).start()
"""
_SSHD = "MaxSessions 100\nMaxStartups 1000\n"


@dataclass
class Bench:
    """A scratch folder, and the containers that the hosts are in."""

    scratch: Path
    containers: list[Container] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def boot(self) -> None:
        """Make all hosts anew, with their httpd running, and nothing of ours."""
        for index in range(CONTAINERS):
            container = Container(f"mtls-fleet-{index}", "debian12")
            container.boot("--pids-limit", "-1")
            self.containers.append(container)
            container.let_in((self.scratch / "ssh.pub").read_text())
            container.run("sh", "-c", "cat >/etc/ssh/sshd_config.d/fleet.conf && systemctl reload ssh", text=_SSHD)
            container.run("sh", "-c", "cat >/srv/embedded_httpd.py", text=Path(embedded_httpd.__file__).read_text())
            servers = [(n, _SMALL.format(user=30000 + n)) for n in range(index, HOSTS, CONTAINERS)]
            container.run("python3", "-", text=_START.format(servers=servers, plain=_FIRST_PORT + HOSTS))
            self.addresses.append(container.address)

    def renew(self, issuer: Authority) -> None:
        """Put a certificate and key that nobody serves yet where the inventory says."""
        issued = issuer.issue(DOMAIN)
        write(self.scratch, "site.crt", issued.full_pem)
        write(self.scratch, "site.key", issued.key_pem)

    def call(self, playbook: str, hosts: int, *arguments: str, status: int = 0) -> Cost:
        """Call a playbook for the first so many hosts, over connections of its own; see that it ends as it should."""
        with tempfile.TemporaryDirectory() as sockets:
            inventory = self.scratch / "inventory.json"
            inventory.write_text(json.dumps(self._inventory(hosts, sockets)))
            environment = {
                **os.environ,
                "ANSIBLE_FORKS": str(FORKS),
                "ANSIBLE_HOST_KEY_CHECKING": "false",
                "ANSIBLE_PIPELINING": "true",
                "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=5s -o UserKnownHostsFile=/dev/null",
            }
            environment.pop("PYTHONDONTWRITEBYTECODE", None)  # An operator's Python keeps what it has compiled.
            command = ["ansible-playbook", "-i", str(inventory), *arguments, playbook]
            said = self.scratch / "said"
            start = time.perf_counter()
            with said.open("w") as stream:
                process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
                _pid, ended, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(ended)
            cost = Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        if process.returncode != status:
            sys.exit(f"{playbook} did not end with {status}:\n{said.read_text()[-5000:]}")
        return cost

    def _inventory(self, hosts: int, sockets: str) -> dict[str, object]:
        site = {
            "domain": DOMAIN,
            "certificate": str(self.scratch / "site.crt"),
            "private_key": str(self.scratch / "site.key"),
            "client_ca": str(self.scratch / "chat.crt"),
            "trust_anchors": str(self.scratch / "root.crt"),
            "allowed_clients": [{"subject": "CN=Chat"}],
            "port": "{{ mtls_port }}",
            "document_root": "/srv/{{ number }}/site",
        }
        listed = {
            f"web{number:03}": {
                "number": number,
                "ansible_host": self.addresses[number % CONTAINERS],
                "ansible_control_path": f"{sockets}/{number}",
                "mtls_port": _FIRST_PORT + number,
            }
            for number in range(hosts)
        }
        common = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.scratch / "ssh"),
            "ansible_python_interpreter": "/usr/bin/python3",
            "mutual_tls_httpd_binary": "/usr/sbin/apache2",
            "mutual_tls_httpd_config": "/srv/{{ number }}/conf/httpd.conf",
            "mutual_tls_sites": [site],
        }
        return {"webhooks": {"hosts": listed, "vars": common}}


def measure(bench: Bench) -> dict[str, dict[int, Cost]]:
    """Measure what runs every day for few of the hosts, for some and for all, and the rest for few and for all."""
    root = Authority("Bench Root CA")
    issuer = Authority("Bench Issuing CA", issuer=root, path_length=0)
    write(bench.scratch, "root.crt", root.pem)
    write(bench.scratch, "chat.crt", Authority(CHAT_CA_NAME).pem)
    bench.renew(issuer)
    costs: dict[str, dict[int, Cost]] = {}

    def note(what: str, playbook: str, hosts: int, *arguments: str, status: int = 0) -> None:
        cost = costs.setdefault(what, {})[hosts] = bench.call(playbook, hosts, *arguments, status=status)
        print(
            f"{what}, {hosts} hosts: {cost.wall:.1f} s, processors {cost.cpu:.1f} s, {cost.memory:.0f} MiB", flush=True
        )

    ping = str(Path(__file__).with_name("ping.yml"))
    whole = ("-e", "deploy_serial=100%")
    spoilt = {"mutual_tls_httpd_config": "{{ '/nowhere' if number == 1 else '/srv/%s/conf/httpd.conf' % number }}"}
    note("deploy, first", "mtls.httpd.deploy", HOSTS, *whole)
    for hosts in (FEW, SOME, HOSTS):
        note("ping", ping, hosts)
        note("deploy, converged", "mtls.httpd.deploy", hosts, *whole)
        note("status", "mtls.httpd.status", hosts, "-e", "status_fail_on=never")
    for hosts in (FEW, HOSTS):
        bench.renew(issuer)
        note("deploy, one bad host in the second batch", "mtls.httpd.deploy", hosts, "-e", json.dumps(spoilt), status=2)
        note("deploy, renewal", "mtls.httpd.deploy", hosts, *whole)
    return costs


def main() -> None:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", bench.scratch / "ssh"], check=True)
        try:
            bench.boot()
            costs = measure(bench)
        finally:
            for container in bench.containers:
                container.remove()
    setting = {
        "containers": CONTAINERS,
        "forks": FORKS,
        "processors": os.cpu_count(),
        "core": metadata.version("ansible-core"),
        "python": platform.python_version(),
        "remark": "",
    }
    told = {what: {hosts: asdict(cost) for hosts, cost in by_hosts.items()} for what, by_hosts in costs.items()}
    fleet_costs.MEASURED.write_text(json.dumps({"costs": told, "setting": setting}, indent=2) + "\n")
    fleet_costs.write(ROOT / "docs")
    print(fleet_costs.page(fleet_costs.read()))


if __name__ == "__main__":
    main()
