#!/usr/bin/env python3
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how the costs grow with sites and with virtual hosts of others; write docs/growth.md and its pictures.

The server is an httpd of its own on this machine. Ends with 1 where twice the work takes more than 2.2 times as long.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "playbooks" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import growth_costs
from demo_material import CHAT_CA_NAME, Authority, write
from embedded_httpd import EmbeddedHttpd, free_port
from host import Host
from others import plain_host

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]
SITES = (1, 50, 100, 200)
VIRTUAL_HOSTS = (0, 500, 1000, 2000)
ROUNDS = 3
_PLAY = [{"hosts": "all", "gather_facts": False, "roles": ["mtls.httpd.mutual_tls"]}]
_MODULES = ("ssl", "rewrite", "proxy", "proxy_http")
_TLS = """
<VirtualHost *:{tls}>
    ServerName n{number}.example.net
    DocumentRoot {root}/n{number}
    SSLEngine on
    SSLCertificateFile {conf}/own.crt
    SSLCertificateKeyFile {conf}/own.key
    ProxyPass /api http://127.0.0.1:8082/
    <Directory {root}/n{number}>
        Require all granted
    </Directory>
</VirtualHost>
"""


def timed(act: Callable[..., object], *arguments: Any) -> float:
    """Return how many seconds it takes, without a search for garbage, as in the processes that do so on a host."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        act(*arguments)
        return time.perf_counter() - began
    finally:
        gc.enable()


def call(words: Sequence[str]) -> None:
    """Run a program, which must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])


def grow_sites(scratch: Path) -> dict[str, dict[int, float]]:
    """Return the seconds of a first deployment and of a converged run, by the number of sites."""
    public, chat, port = Authority("Bench Root CA"), Authority(CHAT_CA_NAME), free_port()
    write(scratch, "root.crt", public.pem)
    write(scratch, "chat.crt", chat.pem)
    write(scratch, "play.json", json.dumps(_PLAY).encode())
    names = [f"s{number}.example.com" for number in range(max(SITES))]
    for name in names:
        issued = public.issue(name)
        write(scratch, f"{name}.crt", issued.full_pem)
        write(scratch, f"{name}.key", issued.key_pem)
    costs: dict[str, dict[int, float]] = {"first deployment": {}, "run that changes nothing": {}}
    for sites in SITES:
        httpd = EmbeddedHttpd(scratch / f"sites{sites}", port=free_port())
        httpd.start()
        try:
            listed = [
                {
                    "domain": name,
                    "certificate": str(scratch / f"{name}.crt"),
                    "private_key": str(scratch / f"{name}.key"),
                    "client_ca": str(scratch / "chat.crt"),
                    "trust_anchors": str(scratch / "root.crt"),
                    "port": port,
                    "listen": ["127.0.0.1"],
                    "document_root": str(httpd.root / "site"),
                }
                for name in names[:sites]
            ]
            known = {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "mutual_tls_httpd_binary": str(httpd.binary),
                "mutual_tls_httpd_config": str(httpd.conf),
                "mutual_tls_sites": listed,
            }
            write(scratch, "inventory.json", json.dumps({"all": {"hosts": {"here": known}}}).encode())
            words = ["ansible-playbook", "-i", str(scratch / "inventory.json"), str(scratch / "play.json")]
            costs["first deployment"][sites] = timed(call, words)
            costs["run that changes nothing"][sites] = min(timed(call, words) for _ in range(ROUNDS))
        finally:
            httpd.stop()
        print({what: f"{by_number[sites]:.2f} s" for what, by_number in costs.items()}, sites, "sites", flush=True)
    return costs


def grow_virtual_hosts(scratch: Path) -> dict[str, dict[int, float]]:
    """Return what httpd's own dumps take, and what the host's half of a run takes, by the virtual hosts of others."""
    public, chat = Authority("Bench Root CA"), Authority(CHAT_CA_NAME)
    costs: dict[str, dict[int, float]] = {growth_costs.HTTPD: {}, "run that changes nothing": {}, "deployment": {}}
    for number in VIRTUAL_HOSTS:
        httpd = EmbeddedHttpd(scratch / f"hosts{number}", port=free_port())
        httpd.start()
        host = Host(httpd, public, chat, free_port(), make_probes())
        host.load(*_MODULES)
        issued = public.issue("own.example.com")
        write(host.conf, "own.crt", issued.full_pem)
        write(host.conf, "own.key", issued.key_pem)
        root = httpd.root / "hosts"
        for each in range(number):
            (root / f"n{each}").mkdir(mode=0o755, parents=True)
        # Of two, one speaks TLS, as on a server that serves many names.
        texts = (
            _TLS.format(number=each, tls=host.port, root=root, conf=host.conf)
            if each % 2
            else plain_host(each, httpd.port, root)
            for each in range(number)
        )
        host.add(f"Listen {host.port} https\n" + "".join(texts))
        host.restart()
        try:
            words = [str(httpd.binary), "-f", str(httpd.conf)]
            words += ["-t", "-c", "LoadModule info_module modules/mod_info.so"]
            words += [word for dump in ("RUN_CFG", "MODULES", "INCLUDES", "CONFIG") for word in ("-D", f"DUMP_{dump}")]
            costs[growth_costs.HTTPD][number] = min(timed(call, words) for _ in range(ROUNDS))
            wish = host.wish()
            costs["deployment"][number] = timed(host.apply, wish)
            costs["run that changes nothing"][number] = min(timed(host.apply, wish) for _ in range(ROUNDS))
        finally:
            httpd.stop()
        print({what: f"{by_number[number]:.2f} s" for what, by_number in costs.items()}, number, "others", flush=True)
    return costs


def main() -> int:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # for the server's own user
        costs = {"sites": grow_sites(scratch), "virtual hosts": grow_virtual_hosts(scratch)}
    setting = {
        "processors": os.cpu_count(),
        "core": metadata.version("ansible-core"),
        "python": platform.python_version(),
    }
    growth_costs.MEASURED.write_text(json.dumps({"costs": costs, "setting": setting}, indent=2) + "\n")
    growth_costs.write(ROOT / "docs")
    steep = growth_costs.list_steep(growth_costs.read())
    print("\n".join(steep) or "nothing grows faster than the work")
    return 1 if steep else 0


if __name__ == "__main__":
    sys.exit(main())
