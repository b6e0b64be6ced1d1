# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody with webhooks: hosts that are this machine, each with an embedded httpd of its own, and one that is none."""

from __future__ import annotations

import socket
import ssl
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from embedded_httpd import EmbeddedHttpd, free_port
from playing import prepared, run_playbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import SiteMaterial

WEBHOOKS = ("d1", "d2", "d3")


@dataclass(frozen=True)
class Called:
    """What became of a call: its status, what was printed, and the webhooks that show the call's own certificate.

    touched: the webhooks that show another certificate than before.
    """

    status: int
    output: str = field(repr=False)
    deployed: tuple[str, ...]
    touched: tuple[str, ...]

    @property
    def words(self) -> str:
        """What was printed, with one space between words."""
        return " ".join(self.output.split())


@dataclass
class Fleet:
    """Somebody with three webhooks."""

    folder: Path
    material: SiteMaterial
    ports: dict[str, int]
    environment: dict[str, str] = field(repr=False)

    def call(self, what: str | list[dict[str, Any]], *arguments: str, answers: str = "", **environment: str) -> Called:
        """Call a playbook of the collection, or plays of one's own, with a certificate that nobody serves yet."""
        wanted = self.material.public.issue(self.material.domain)
        self.material.put(wanted)
        if not isinstance(what, str):
            (self.folder / "site.yml").write_text(yaml.safe_dump(what, sort_keys=False))
        playbook = f"mtls.httpd.{what}" if isinstance(what, str) else "site.yml"
        words = ("-i", "inventory.yml", playbook, *arguments)
        before = {host: self.shown(host) for host in WEBHOOKS}
        done = run_playbook(self.folder, self.environment | environment, *words, answers=answers)
        after = {host: self.shown(host) for host in WEBHOOKS}
        return Called(
            done.returncode,
            done.stdout + done.stderr,
            tuple(host for host in WEBHOOKS if after[host] == wanted.sha256),
            tuple(host for host in WEBHOOKS if after[host] != before[host]),
        )

    def shown(self, host: str) -> str | None:
        """Return the fingerprint of what a webhook shows, None where it serves nothing."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with (
                socket.create_connection(("127.0.0.1", self.ports[host]), timeout=10) as connection,
                context.wrap_socket(connection, server_hostname=self.material.domain) as channel,
            ):
                return sha256(channel.getpeercert(binary_form=True) or b"").hexdigest()
        except OSError:
            return None


def unless(spoilt: str, wrong: str, right: str) -> str:
    """Return the template that is `right`, but for hosts that the variable `spoilt` names."""
    return f"{{{{ '{wrong}' if inventory_hostname in {spoilt} | default('') else '{right}' }}}}"


@contextmanager
def running_fleet(base: Path, collections_path: Path, make_material: Callable[[Path], SiteMaterial]) -> Iterator[Fleet]:
    """Start the webhooks, with nothing deployed to them.

    `-e bad=d3` spoils the material of d3, which its verdict shows; `-e broken=d3` its httpd, which applying alone
    shows; `-e down=d3` lets nobody reach it.
    """
    folder = base / "playbooks"
    material = make_material(folder.with_name("files"))
    environment = prepared(folder, collections_path)
    ports = {host: free_port() for host in WEBHOOKS}
    with tempfile.TemporaryDirectory(prefix="m") as short:
        Path(short).chmod(0o755)
        servers = {host: EmbeddedHttpd(Path(short) / host) for host in WEBHOOKS}
        hosts = {
            host: {
                "mutual_tls_httpd_binary": str(httpd.binary),
                "mutual_tls_httpd_config": unless("broken", "/nowhere.conf", str(httpd.conf)),
                "mutual_tls_sites": [
                    material.site
                    | {
                        "certificate": unless("bad", "nowhere.crt", f"{material.folder}/{material.domain}.crt"),
                        "port": ports[host],
                        "document_root": str(httpd.root / "site"),
                    }
                ],
            }
            for host, httpd in servers.items()
        }
        local = {
            "ansible_connection": unless("down", "ssh", "local"),
            "ansible_host": "127.0.0.1",
            "ansible_port": free_port(),
            "ansible_python_interpreter": sys.executable,
        }
        inventory = {"webhooks": {"hosts": hosts}, "all": {"hosts": {"other": {}}, "vars": local}}
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
        try:
            for httpd in servers.values():
                httpd.start()
            yield Fleet(folder, material, ports, environment)
        finally:
            for httpd in servers.values():
                httpd.stop()
