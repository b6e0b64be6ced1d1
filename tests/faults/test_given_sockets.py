# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An httpd with mod_systemd to which a socket unit gives its sockets, as Red Hat's httpd.socket does."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from container import podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Remote
    from container import Container

SOCKET = "/etc/systemd/system/httpd.socket"
DROP_IN = "/etc/systemd/system/httpd.service.d/sockets.conf"
ASKED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"

# Has httpd keep what tells of its sockets, as releases of mod_systemd behind 2.4.71 do.
KEEPING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
int unsetenv(const char *name) {
  int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unsetenv");
  return strncmp(name, "LISTEN_", 7) ? next(name) : 0;
}
"""
# Ends an httpd that is given one socket alone, as it is in the trial. The unit gives two.
PARTICULAR = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void look(void) {
  const char *given = getenv("LISTEN_FDS");
  if (given && !strcmp(given, "1")) {
    fputs("one socket is too few\\n", stderr);
    _exit(1);
  }
}
"""


@pytest.fixture(scope="module")
def machine(booting: Callable[..., Iterator[Container]]) -> Iterator[Container]:
    """Boot a host whose httpd has mod_systemd."""
    yield from booting("redhat", "given-sockets")


@pytest.fixture
def give(machine: Container) -> Iterator[Callable[..., str]]:
    """Return what has systemd listen on ports for httpd, and tells the process of httpd; take it away afterwards."""

    def listen(*ports: int, starts: bool = True) -> str:
        text = "\n".join(["[Socket]", *(f"ListenStream={port}" for port in ports), ""])
        machine.run("sh", "-c", f"cat >{SOCKET}", text=text)
        machine.shell("systemctl daemon-reload; systemctl stop httpd; systemctl start httpd.socket")
        machine.shell("systemctl start httpd" if starts else "true")
        return parent(machine)

    yield listen
    machine.shell(f"systemctl stop httpd.socket httpd; rm -f {SOCKET} {DROP_IN}; systemctl daemon-reload")
    machine.shell("systemctl reset-failed httpd; systemctl start httpd")


def parent(host: Container) -> str:
    return host.shell("systemctl show --property MainPID --value httpd")


def alter(host: Container, source: str, folder: Path) -> None:
    """Have the unit of httpd load a library, made of C, before all others."""
    if not shutil.which("gcc"):
        pytest.skip("gcc, which make test installs to make the library that httpd is to load, is not there")
    (folder / "source.c").write_text(source)
    words = ["gcc", "-shared", "-fPIC", "-o", str(folder / "made.so"), str(folder / "source.c")]
    subprocess.run(words, check=True)
    podman("cp", str(folder / "made.so"), f"{host.name}:/opt/made.so")
    text = "[Service]\nEnvironment=LD_PRELOAD=/opt/made.so\n"
    host.run("sh", "-c", f'mkdir -p "$(dirname {DROP_IN})" && cat >{DROP_IN}', text=text)


def said(remote: Remote, port: int = 443) -> str:
    """Return why a site on a port is refused."""
    return " ".join(remote.refused(mutual_tls_sites=[remote.site | {"port": port}]).output.split())


def next_reload(remote: Remote, *, rehearse: bool = True) -> dict[str, Any]:
    """Return what a look at the host says of httpd's next reload."""
    told = f"{remote.folder}/told.json"
    look = {"mtls.httpd.site_info": {"rehearse": rehearse}, "register": "told"}
    keep = {"copy": {"content": "{{ told.next_reload }}", "dest": told, "mode": "0600"}, "delegate_to": "localhost"}
    run = remote.play(plays=[{"tasks": [look, keep]}])
    assert run.status == 0, run.output
    reload: dict[str, Any] = json.loads(Path(told).read_text())
    return reload


@pytest.mark.parametrize("port", [443, 8443])
def test_an_httpd_that_forgets_its_sockets_is_not_reloaded_and_the_way_that_is_named_leads_on(
    remote: Remote, give: Callable[..., str], port: int
) -> None:
    pid = give(80, 443)
    words = said(remote, port)
    assert "httpd forgets them at a reload, which would end it" in words
    assert "AH02487" in words
    assert "ListenStream" not in words
    reload = next_reload(remote)
    assert (reload["survives"], "AH02487" in reload["message"]) == (False, True)
    reload = next_reload(remote, rehearse=False)
    assert (reload["survives"], reload["decided_by"]) == (None, "files")
    assert "only a look with a rehearsal tells" in reload["message"]
    assert parent(remote.host) == pid
    way = "systemctl disable --now httpd.socket && systemctl restart httpd.service"
    assert f"`{way}`, then run again" in words
    remote.host.shell(way)
    remote.deploy()
    assert remote.ask(None).said == ASKED
    assert next_reload(remote, rehearse=False)["survives"] is True


def test_an_httpd_that_cannot_be_tried_with_a_socket_is_not_said_to_forget_it(
    remote: Remote, give: Callable[..., str], tmp_path: Path
) -> None:
    alter(remote.host, PARTICULAR, tmp_path)
    pid = give(80, 443)
    words = said(remote)
    untried = "whether this one does could not be tried: one socket is too few"
    assert untried in words
    assert "httpd forgets them at a reload" not in words
    reload = next_reload(remote)
    assert (reload["survives"], untried in reload["message"]) == (None, True)
    assert parent(remote.host) == pid


def test_an_httpd_that_keeps_its_sockets_is_reloaded_where_it_has_one_for_the_port(
    remote: Remote, give: Callable[..., str], tmp_path: Path
) -> None:
    alter(remote.host, KEEPING, tmp_path)
    pid = give(80, 443)
    assert "add `ListenStream=8443` to its socket unit" in said(remote, 8443)
    assert next_reload(remote)["survives"] is True
    remote.deploy()
    assert parent(remote.host) == pid
    assert remote.ask(None).said == ASKED


def test_a_port_that_systemd_holds_for_a_stopped_httpd_is_told_with_its_socket_unit(
    remote: Remote, give: Callable[..., str]
) -> None:
    give(80, 443, starts=False)
    words = said(remote)
    assert "port 80 is held by systemd for httpd.socket" in words
    assert "`systemctl disable --now httpd.socket`" in words
    remote.host.shell("systemctl disable --now httpd.socket")
    remote.deploy()
    assert remote.ask(None).said == ASKED
