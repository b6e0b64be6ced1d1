# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operator with a folder of playbooks and one host to deploy to, and clients that try what became of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from demo_material import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import SiteMaterial
    from demo_material import Issued

HOST = "webhook"


@dataclass(frozen=True)
class Run:
    """What one run of ansible-playbook came to."""

    status: int
    output: str

    @property
    def recap(self) -> dict[str, int]:
        """The counts in the recap's line of the host."""
        line = re.search(rf"^{HOST} +: (.*)$", self.output, re.MULTILINE)
        assert line, self.output
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line[1])}


@contextmanager
def sending(collections_path: Path) -> Iterator[Callable[[dict[str, Any]], dict[str, str]]]:
    """Start what tells, of options for `sites`, what its action plugin would send: see sending.py."""
    program = [sys.executable, Path(__file__).with_name("sending.py")]
    environment = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(collections_path)}
    with subprocess.Popen(
        program, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout

        def asked(options: dict[str, Any]) -> dict[str, str]:
            print(json.dumps(options), file=process.stdin, flush=True)
            answer: dict[str, str] = json.loads(process.stdout.readline())
            return answer

        yield asked


@dataclass(frozen=True)
class Reply:
    """What a client got: a status line, or the name of the alert; and the fingerprint of the certificate, if seen."""

    said: str
    certificate_sha256: str | None = None


@dataclass(frozen=True)
class Operator(ABC):
    """Somebody with a folder of playbooks, and a host.

    variables: the role's, for its one `site`. address, port: where clients find that site.
    """

    folder: Path
    material: SiteMaterial
    address: str
    port: int
    site: dict[str, Any]
    environment: dict[str, str] = field(repr=False)

    @property
    def variables(self) -> dict[str, Any]:
        """The role's variables for the one site."""
        return {"mutual_tls_confirm_address": self.address, "mutual_tls_sites": [self.site]}

    def play(
        self, *arguments: str, plays: list[dict[str, Any]] | None = None, within: tuple[str, ...] = (), **variables: Any
    ) -> Run:
        """Run a playbook: one play with the role, or `plays`, with `variables` over the usual ones.

        `within` is a command that runs the command after it in surroundings of its own.
        """
        default = [{"roles": [{"role": "mtls.httpd.mutual_tls"}]}]
        header = {"hosts": HOST, "gather_facts": False, "vars": self.variables | variables}
        playbook = [header | play for play in plays or default]
        (self.folder / "site.yml").write_text(yaml.safe_dump(playbook, sort_keys=False))
        words = ("-i", "inventory.yml", "site.yml", *arguments)
        done = run_playbook(self.folder, self.environment, *words, within=within)
        return Run(done.returncode, done.stdout + done.stderr)

    def deploy(self, *arguments: str, **options: Any) -> Run:
        """Run a playbook that must succeed."""
        run = self.play(*arguments, **options)
        assert run.status == 0, run.output
        return run

    def refused(self, *arguments: str, **options: Any) -> Run:
        """Run a playbook that must fail, with the host the same before and after, and the server not reloaded."""
        before = self.state()
        run = self.play(*arguments, **options)
        assert run.status != 0, run.output
        assert self.state() == before, run.output
        return run

    @abstractmethod
    def state(self) -> object:
        """Return all that a run could change, and how often the server (re)loaded."""

    def ask(self, client: Issued | None, *, domain: str = "", port: int = 0, version: str = "TLSv1_3") -> Reply:
        """Return what `client` gets from the site; the server's certificate must be sound, or Chat's own."""
        context = self._context(client)
        context.load_verify_locations(cadata=(self.material.root.pem + self.material.chat.pem).decode())
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        name = domain or self.material.domain
        request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
        fingerprint = None
        try:
            with (
                socket.create_connection((self.address, port or self.port), timeout=10) as connection,
                context.wrap_socket(connection, server_hostname=name) as channel,
            ):
                fingerprint = hashlib.sha256(channel.getpeercert(binary_form=True) or b"").hexdigest()
                channel.sendall(request)
                return Reply(channel.recv(200).split(b"\r\n")[0].decode(), fingerprint)
        except ssl.SSLError as error:
            return Reply(error.reason or str(error), fingerprint)

    def post(self, client: Issued, path: str, body: str) -> object:
        """Return the answer, as JSON, to what `client` posts; Chat's own certificates are as good as a root's here."""
        context = self._context(client)
        context.load_verify_locations(cadata=(self.material.root.pem + self.material.chat.pem).decode())
        connection = HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        connection.sock = context.wrap_socket(
            socket.create_connection((self.address, self.port), timeout=10), server_hostname=self.material.domain
        )
        connection.request("POST", path, body, {"Host": self.material.domain})
        answer: object = json.load(connection.getresponse())
        connection.close()
        return answer

    def _context(self, client: Issued | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if client:
            write(self.folder, "client.crt", client.full_pem)
            write(self.folder, "client.key", client.key_pem)
            context.load_cert_chain(self.folder / "client.crt", self.folder / "client.key")
        return context


def surroundings(script: str, *namespaces: str) -> tuple[str, ...]:
    """Return the command that runs another after `script` in new namespaces; skip the test where there are none."""
    within = ("unshare", *namespaces, "sh", "-c", f'{script} && exec "$@"', "sh")
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a host of such a kind is made with a namespace, which this kernel refuses")
    return within


def prepared(folder: Path, collections_path: Path, **host: Any) -> dict[str, str]:
    """Make the operator's folder, with an inventory of `host`; return the environment to run in."""
    home = folder.with_name("home")
    folder.mkdir()
    home.mkdir()
    (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {HOST: host}}}))
    more = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
    return playbook_environment(home, collections_path) | more


def playbook_environment(home: Path, collections_path: Path) -> dict[str, str]:
    """Return an environment for ansible-playbook, with a home of its own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        "ANSIBLE_NOCOLOR": "1",
    }


def run_playbook(
    folder: Path,
    environment: dict[str, str],
    *arguments: str,
    within: tuple[str, ...] = (),
    answers: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook in a folder, with `answers` on its standard input; `within` as of `Operator.play`."""
    return subprocess.run(
        [*within, Path(sys.executable).parent / "ansible-playbook", *arguments],
        cwd=folder,
        env=environment,
        input=answers,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
