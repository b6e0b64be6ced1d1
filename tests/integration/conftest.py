# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with an embedded httpd, as the transaction is tried on, and an operator whose host is this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import CHAT_CA_NAME, Authority
from embedded_httpd import free_port
from host import Host, loads
from playing import Operator, prepared, surroundings

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import SiteMaterial
    from embedded_httpd import EmbeddedHttpd

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers

LOGS = "logs"


@dataclass(frozen=True)
class LocalOperator(Operator):
    """An operator whose host is this machine, with an httpd of its own."""

    httpd: EmbeddedHttpd

    @property
    def variables(self) -> dict[str, Any]:
        return super().variables | {
            "mutual_tls_httpd_binary": str(self.httpd.binary),
            "mutual_tls_httpd_config": str(self.httpd.conf),
        }

    def state(self) -> tuple[dict[str, tuple[object, ...]], int | None, int]:
        """Return all that a run could change: files but for the logs, the server's process, how often it (re)loaded."""
        return tree(self.httpd.root), self.httpd.pid, loads(self.httpd)


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Return type, mode, owner, time and content of every path below `root`, but for the logs."""
    result: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.relative_to(root).parts[0] != LOGS:
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            times = None if path.is_dir() and not path.is_symlink() else status.st_mtime_ns
            result[name] = (status.st_mode, status.st_uid, status.st_gid, times, content)
    return result


@pytest.fixture
def host(embedded: EmbeddedHttpd, authority: Authority, chat: Authority, probes: answers.Probes) -> Host:
    """Give a host with the embedded httpd, whose sites are on a free port. Some files have one of their own."""
    return Host(embedded, authority, chat, free_port(), probes)


@pytest.fixture
def stopped(host: Host) -> Host:
    """Give the host with its httpd stopped."""
    host.httpd.stop()
    return host


@pytest.fixture
def operator(
    embedded: EmbeddedHttpd, site_material: SiteMaterial, collections_path: Path, tmp_path: Path
) -> LocalOperator:
    """Give an operator a host with the embedded httpd, and the wish for one site on a free port."""
    folder = tmp_path / "playbooks"
    environment = prepared(
        folder, collections_path, ansible_connection="local", ansible_python_interpreter=sys.executable
    )
    port = free_port()
    site = site_material.site | {
        "port": port,
        "listen": ["127.0.0.1"],
        "document_root": str(embedded.root / "site"),
    }
    return LocalOperator(folder, site_material, "127.0.0.1", port, site, environment, embedded)


@pytest.fixture
def bare(operator: LocalOperator) -> tuple[str, ...]:
    """Return the command that runs another on a host without httpd."""
    return surroundings(f"mount --bind /dev/null {operator.httpd.binary}", "--map-root-user", "--mount")


@pytest.fixture(scope="session")
def chat() -> Authority:
    return Authority(CHAT_CA_NAME)


@pytest.fixture(scope="session")
def probes() -> answers.Probes:
    return make_probes()
