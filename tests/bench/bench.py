#!/usr/bin/env python3
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure what the role costs beside the same job in stock modules and beside a ping, and write docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "playbooks" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from container import Container, podman
from demo_material import Authority, make, write

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOMAIN = "www.example.com"
FLEET = 5  # hosts of each kind; Ansible's default number of forks
CONVERGED_ROUNDS = 11
FIRST_ROUNDS = 5
CERTIFICATES = 10_000
ONE_BY_ONE = 50
SITES = 200  # on one host
SERVING_ROUNDS = 8
SERVING_SECONDS = 3  # of one measurement
# The reference page's five directives, and nothing else, with the same files.
BARE_PORT = 8443
BARE = f"""
Listen {BARE_PORT} https
<VirtualHost *:{BARE_PORT}>
    ServerName {DOMAIN}
    DocumentRoot /usr/share/apache2/default-site
    SSLEngine on
    SSLCertificateFile /etc/apache2/{DOMAIN}.crt
    SSLCertificateKeyFile /etc/apache2/{DOMAIN}.key
    SSLCACertificateFile /etc/apache2/TencentQQAuthCA.crt
    SSLVerifyClient require
</VirtualHost>
"""


# Written by hand, of profiles of single runs (cProfile, process_time) of Ansible's processes and of the module.
PROFILE = """
## Where a converged run's time goes

Processor time of a converged run on one host, in ms, beside that of a ping. This was measured by hand when the costs
were last reduced, on a busy machine: look at the shares and not at the figures.

| on the controller | ping | role |
| --- | --- | --- |
| Ansible's start, the inventory, the playbook and the role, up to the first task | 542 | 557 |
| import of `sites` by Ansible's parent process | | 97 |
| worker of the task that goes to the target | 140 | 208 |
| - of it Ansible's search for what the module imports | 121 | 103 |
| - of it judging the material, with handshakes in memory | | 25 |
| - of it rendering the virtual host | | 27 |
| worker of the confirmation; 20 of it are keys and handshakes | | 57 |
| workers of the role's other tasks: validate arguments, set a fact, and then also skip an inclusion | | 79 |
| Ansible's parent process between the tasks and after them | 59 | 84 |

| on the target | ping | role |
| --- | --- | --- |
| Python, Ansible's wrapper and its own modules, each of which Python compiles twice out of a zip | 172 | 172 |
| 50 of the collection's modules, 370 KB, compiled and run | | 120 |
| httpd asked (`-V`, then two `-t` with dumps at once) and systemd asked, in processes of their own | | 43 |

What was done to reduce the costs, and what each step saved:

- The collection sends the code for the target itself, so Ansible does not have to find it by its imports: 180 on the
  controller, 45 on the target.
- Bytecode is kept of what the plugins import: 110. No garbage is collected meanwhile: 30.
- The code for the target is packed, and the role's templates are compiled, once for all runs: 22 and 16.
- What installs httpd is left out without a process for the task (`meta: end_role`): some 20.
- The end of httpd's processes is awaited without pauses: some 20 of the wall time.
- Many sites are judged on all processors and asked four at a time on the host, and no variable is made for each site
  that nobody reads: 190 for 200 sites.

A converged run cannot cost much less than an estimated 1.4 pings:

- 25 for each of the three tasks that the role has more than the ping;
- 60 to define what 80 modules hold, which bytecode does not save;
- 50 to judge and render one site, 25 to load `cryptography`;
- 120 on the target for the collection's own code. Code kept on the host would save most of it, but a converged run
  writes nothing there. Bytecode that travels with the code would save 50, for hosts with the controller's version of
  Python alone. It would make a megabyte more to send, which took as long when it was tried.

Each of 200 sites takes 4 to judge, 1.3 to render and 3 to confirm.
"""


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds on the wall, seconds of the controller's processors, trips to the target."""

    wall: float
    cpu: float
    trips: int


@dataclass(frozen=True)
class Judged:
    """Seconds: of many certificates in one task, of one in a loop, and of one that stock's module reads in a loop."""

    together: float
    single: float
    stock: float


@dataclass
class Bench:
    """A scratch folder, and hosts that are reached over SSH with pipelining."""

    scratch: Path
    addresses: dict[str, str] = field(default_factory=dict)

    def boot(self, name: str) -> None:
        """Make the host `name` anew: Debian 12 with its httpd running, and nothing of ours."""
        container = Container(f"mtls-bench-{name}", "debian12")
        container.boot()
        container.let_in((self.scratch / "ssh.pub").read_text())
        self.addresses[name] = container.address

    def play(self, playbook: str, *hosts: str, changes: bool | None = None, sites: int = SITES) -> Cost:
        """Run `playbook` on `hosts` over connections of its own; see that it `changes` them, or does not.

        `sites` is for many.yml: how many of them it takes.
        """
        inventory = self.scratch / "inventory"
        lines = [f"{host} ansible_host={self.addresses[host]}" for host in hosts]
        inventory.write_text("\n".join([*lines, "[webhooks]", *hosts, "[local]", "localhost ansible_connection=local"]))
        with tempfile.TemporaryDirectory() as sockets:
            trips = Path(sockets) / "trips"
            trips.touch()
            environment = {
                **os.environ,
                "ANSIBLE_HOST_KEY_CHECKING": "false",
                "ANSIBLE_PIPELINING": "true",
                "ANSIBLE_PRIVATE_KEY_FILE": str(self.scratch / "ssh"),
                "ANSIBLE_REMOTE_USER": "root",
                "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=5s -o UserKnownHostsFile=/dev/null",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
                "ANSIBLE_SSH_EXECUTABLE": str(HERE / "ssh"),
                "TRIPS": str(trips),
            }
            environment.pop("PYTHONDONTWRITEBYTECODE", None)  # An operator's Python keeps what it has compiled.
            variables = {"domain": DOMAIN, "material": str(self.scratch / "material"), "sites": sites}
            # Found beforehand on all sides, so that nobody pays for its discovery.
            for group, python in ("webhooks", "/usr/bin/python3"), ("local", sys.executable):
                with inventory.open("a") as file:
                    file.write(f"\n[{group}:vars]\nansible_python_interpreter={python}\n")
            command = ["ansible-playbook", "-i", inventory, "-e", json.dumps(variables), HERE / playbook]
            before, start = cpu(), time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            cost = Cost(time.perf_counter() - start, cpu() - before, len(trips.read_text().splitlines()))
        changed = any(int(count) for count in re.findall(r"changed=(\d+)", done.stdout))
        if done.returncode or changes not in (None, changed):
            sys.exit(f"{playbook} did not do what it is measured for:\n{done.stdout}{done.stderr}")
        return cost

    def many(self, host: str) -> None:
        """Deploy many sites to `host`, each with a certificate and key of its own; tests/bench/many.yml takes some."""
        root = Authority("Bench Root CA")
        folder = self.scratch / "sites"
        write(folder, "root.crt", root.pem)
        sites = []
        for number in range(SITES):
            domain = f"site-{number}.example.com"
            issued = root.issue(domain)
            write(folder, f"{domain}.crt", issued.pem)
            write(folder, f"{domain}.key", issued.key_pem)
            site = {"domain": domain, "certificate": f"{folder}/{domain}.crt", "private_key": f"{folder}/{domain}.key"}
            anchors = {
                "client_ca": [f"{self.scratch}/material/TencentQQAuthCA.crt"],
                "trust_anchors": [f"{folder}/root.crt"],
            }
            sites.append(site | anchors)
        write(folder, "sites.json", json.dumps({"many": sites}).encode())
        self.play("many.yml", host, changes=True)

    def serving(self, host: str) -> dict[str, float]:
        """Return what the role's site on `host` serves a second, in what one of the bare directives beside it does.

        New handshakes, resumed ones, and requests on connections that are kept.
        """
        container = Container(f"mtls-bench-{host}", "debian12")
        container.run("sh", "-c", "cat >/etc/apache2/sites-enabled/zz-bare.conf && apache2ctl graceful", text=BARE)
        client = self.scratch / "material" / "clients" / "chat"
        both = self.scratch / "chat.pem"
        both.write_text(client.with_suffix(".crt").read_text() + client.with_suffix(".key").read_text())

        def connections(port: int, *kind: str) -> float:
            command = ["openssl", "s_time", "-connect", f"{self.addresses[host]}:{port}", "-www", "/index.html", *kind]
            command += ["-cert", f"{client}.crt", "-key", f"{client}.key", "-time", str(SERVING_SECONDS)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            return max(int(count) / int(real) for count, real in re.findall(r"(\d+) connections in (\d+) real", said))

        def requests(port: int) -> float:
            command = ["ab", "-q", "-k", "-c", "2", "-t", str(SERVING_SECONDS), "-n", "1000000", "-E", str(both)]
            command += ["-H", f"Host: {DOMAIN}", f"https://{self.addresses[host]}:{port}/index.html"]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            if re.search(r"Non-2xx|Failed requests: +[1-9]", said):
                sys.exit(f"requests to port {port} were not answered:\n{said}")
            return float(re.findall(r"Requests per second: +([\d.]+)", said)[0])

        measures: dict[str, Callable[[int], float]] = {
            "new handshakes": lambda port: connections(port, "-new"),
            "resumed handshakes": lambda port: connections(port, "-reuse"),
            "requests": requests,
        }
        found: dict[str, list[float]] = {}
        for number in range(SERVING_ROUNDS):
            for what, measured in measures.items():
                # In turns the one and the other first, as a machine gets slower under load.
                ports = (BARE_PORT, 443) if number % 2 else (443, BARE_PORT)
                served = {port: measured(port) for port in ports}
                bare, ours = served[BARE_PORT], served[443]
                found.setdefault(what, []).append(ours / bare)
                print(f"{what}: {ours:.0f} a second, of the bare directives {bare:.0f}", flush=True)
        return {what: median(ratios) for what, ratios in found.items()}

    def judge(self, number: int, *, stock: int) -> Judged:
        """Return what it takes to judge certificates, each with its key, its intermediate and the client CA.

        `number` of them in one task; and `stock` of them one by one, by our module and by community.crypto's.
        """
        root = Authority("Bench Root CA", path_length=1)
        issuer = Authority("Bench Issuing CA", issuer=root, path_length=0)
        folder = self.scratch / "many"
        write(folder, "root.crt", root.pem)
        write(folder, "issuer.crt", issuer.pem)
        write(folder, "chat.crt", Authority("Bench Client CA").pem)
        shared = {"chain": "issuer.crt", "client_ca": "chat.crt", "trust_anchors": "root.crt"}
        wishes = []
        for index in range(number):
            domain = f"site-{index}.example.com"
            issued = issuer.issue(domain)
            write(folder, f"{index}.crt", issued.pem)
            write(folder, f"{index}.key", issued.key_pem)
            files = {"certificate": f"{index}.crt", "private_key": f"{index}.key", **shared}
            wishes.append({"domain": domain, **{option: f"{folder}/{name}" for option, name in files.items()}})
        (self.scratch / "wishes.json").write_text(json.dumps({"wishes": wishes, "few": wishes[:stock]}))
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"@{self.scratch}/wishes.json", str(HERE / "judge.yml")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        together, single, stocks = (float(seconds) for seconds in re.findall(r"took ([\d.]+) s", done.stdout))
        return Judged(together, single / stock, stocks / stock)


def cpu() -> float:
    """Return the processor seconds of all our processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(bench: Bench) -> dict[str, list[Cost]]:
    """Measure all; the plays take turns, so that what disturbs one disturbs all."""
    roles = [f"role{number}" for number in range(1, FLEET + 1)]
    stocks = [f"stock{number}" for number in range(1, FLEET + 1)]
    costs: dict[str, list[Cost]] = {}

    def note(what: str, cost: Cost) -> None:
        costs.setdefault(what, []).append(cost)
        print(f"{what}: {cost.wall:.2f} s, processors {cost.cpu:.2f} s, trips {cost.trips}", flush=True)

    for _ in range(FIRST_ROUNDS):
        for kind, host in ("role", roles[0]), ("stock", stocks[0]):
            bench.boot(host)
            note("ping, first", bench.play("ping.yml", host))
            note(f"{kind}, first", bench.play(f"{kind}.yml", host, changes=True))

    with ThreadPoolExecutor() as pool:
        list(pool.map(bench.boot, [*roles[1:], *stocks[1:]]))
    bench.play("role.yml", *roles)
    bench.play("stock.yml", *stocks)
    bench.boot("many")
    bench.many("many")
    for _ in range(CONVERGED_ROUNDS):
        note("ping", bench.play("ping.yml", roles[0]))
        note("role", bench.play("role.yml", roles[0], changes=False))
        note("stock", bench.play("stock.yml", stocks[0], changes=False))
        note("one of many sites", bench.play("many.yml", "many", changes=False, sites=1))
        note("many sites", bench.play("many.yml", "many", changes=False))
    for _ in range(CONVERGED_ROUNDS):
        note("ping, fleet", bench.play("ping.yml", *roles))
        note("role, fleet", bench.play("role.yml", *roles, changes=False))
        note("stock, fleet", bench.play("stock.yml", *stocks, changes=False))
    return costs


def report(costs: dict[str, list[Cost]], judged: Judged, serving: dict[str, float]) -> str:
    """Return docs/performance.md."""

    def wall(what: str) -> float:
        return median(cost.wall for cost in costs[what])

    def processors(what: str) -> float:
        return median(cost.cpu for cost in costs[what])

    def further(what: str) -> float:
        return (processors(f"{what}, fleet") - processors(what)) / (FLEET - 1)

    def trips(what: str) -> int:
        return max(cost.trips for cost in costs[what])

    def in_pings(what: str, *, first: str = "") -> float:
        return wall(what + first) / wall("ping" + first)

    rows = [
        ("converged run, in pings", 1.4, in_pings("role"), f"{in_pings('stock'):.3g}"),
        ("trips to the target in it", 1, trips("role"), f"{trips('stock')}"),
        (
            "first deployment, in pings",
            2,
            in_pings("role", first=", first"),
            f"{in_pings('stock', first=', first'):.3g}",
        ),
        ("a further host, controller's processors, in stock's", 0.07, further("role") / further("stock"), "1"),
        (
            "a further host, controller's processors, in a ping's",
            3,
            further("role") / further("ping"),
            f"{further('stock') / further('ping'):.3g}",
        ),
        (
            f"converged run of {SITES} sites on one host, in runs of one",
            1.5,
            wall("many sites") / wall("one of many sites"),
            "",
        ),
        (
            f"{CERTIFICATES:,} certificates judged in one task, s",
            25,
            judged.together,
            f"{judged.stock * CERTIFICATES:.3g}",
        ),
        ("one certificate judged, ms", 20, judged.single * 1000, f"{judged.stock * 1000:.3g}"),
    ]
    table = "\n".join(
        f"| {what} | {budget} | {role:.3g} | {stock} | {'yes' if role <= budget else 'no'} |"
        for what, budget, role, stock in rows
    )
    served = "\n".join(
        f"| {what} | 0.97 | {ratio:.3g} | {'yes' if ratio >= 0.97 else 'no'} |" for what, ratio in serving.items()
    )
    seconds = "\n".join(f"| {what} | {wall(what):.2f} | {processors(what):.2f} | {trips(what)} |" for what in costs)
    core = metadata.version("ansible-core")
    return f"""# What a run costs

`make bench` measures all of this and writes this page. It runs three plays in turn, in one go on one machine, and takes
medians:

- role: `tests/bench/role.yml`, which uses the role `mtls.httpd.mutual_tls`. It judges, looks, applies and confirms.
- stock: `tests/bench/stock.yml`, which does the same with modules of `ansible.builtin`, `community.crypto` and
  `community.general`, as a careful operator would write it.
- ping: `tests/bench/ping.yml`, which only pings the hosts.

The hosts are containers of Debian 12 with systemd and the distribution's httpd, reached over SSH with pipelining. Each
run makes its own connection. All three plays set the interpreter and gather no facts. A trip is a command that Ansible
has SSH carry out; a program in place of `ssh` counts the trips. A first deployment is one on a newly made host, after a
ping. A converged run is one that finds the host as wished.

## Against the budget

"In pings" is the time of the play divided by that of ping; "in stock's" is its cost divided by that of stock.

| what | at most | role | stock | kept |
| --- | --- | --- | --- | --- |
{table}

## What a site serves

The role's default site is compared with a virtual host that has only the reference page's five directives, beside it
on the same host and with the same files. The figures are what the site serves in a second, divided by what that virtual
host serves. Measured in {SERVING_ROUNDS} rounds of {SERVING_SECONDS} s each, with `openssl s_time` and `ab`.

| what | at least | role | kept |
| --- | --- | --- | --- |
{served}

What is missing goes into the log line: httpd writes the names of the client and of its issuer anew for each request.
Measured by hand, over kept connections of an embedded httpd, beside the five directives with a log of the usual form
(`combined`): 0.89 of its requests with the role's line, 0.96 without the issuer, 1.04 without both names, and 1.03
without a log. Both names are needed to tell who called, and whose client that was; mod_ssl has no variable that tells
them for less. `access_log: server` has the site write to the server's own log alone.

## What was measured

Medians of {CONVERGED_ROUNDS} runs on one host and on {FLEET}, and of {FIRST_ROUNDS} first deployments.
A further host costs the processor time of all hosts, less that of one host, divided by {FLEET - 1}.

| play | wall, s | controller's processors, s | trips |
| --- | --- | --- | --- |
{seconds}

The certificates were judged with their private key, the intermediate and the client CA, for their domain and up to a
root. A task with many certificates shares them among the processors. The figure for one is from a loop of {ONE_BY_ONE}.
Those for stock are from `community.crypto.x509_certificate_info`, which reads the certificate alone, in a loop
of {ONE_BY_ONE} over the same files, multiplied for {CERTIFICATES:,}.
{PROFILE}
Measured with {os.cpu_count()} processors, ansible-core {core}, Python {platform.python_version()}.
"""


def main() -> None:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        bench = Bench(scratch)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", scratch / "ssh"], check=True)
        make(scratch / "material", DOMAIN)
        with zipfile.ZipFile(scratch / "material" / "TencentQQAuthCA.crt.zip") as archive:
            archive.extractall(scratch / "material")
        try:
            costs = measure(bench)
            page = report(costs, bench.judge(CERTIFICATES, stock=ONE_BY_ONE), bench.serving("role1"))
        finally:
            for name in bench.addresses:
                podman("rm", "--force", "--time", "1", f"mtls-bench-{name}")
    (ROOT / "docs" / "performance.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
