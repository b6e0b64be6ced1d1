# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of SELinux's tools on a host that has it on: programs of their names, as no kernel here has it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from host import DOMAIN, Host, fingerprint, tree

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find, selinux_ports
from ansible_collections.mtls.httpd.plugins.module_utils._machine import selinux
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused, carry_out

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

# Lines of `semanage port -l -n` with Debian 12's selinux-policy-default.
PORTS = """\
http_cache_port_t              tcp      3128, 8080, 8118, 10001-10010
http_cache_port_t              udp      3130
http_port_t                    tcp      80, 443, 488, 8008, 8009, 8443, 8448
puppet_port_t                  tcp      8140
ssh_port_t                     tcp      22
unreserved_port_t              tcp      1024-65535
unreserved_port_t              udp      1024-65535
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Turn SELinux on, as far as files tell; return the folder of its tools."""
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(selinux, "ENFORCE", str(tmp_path / "enforce"))
    selinux_ports._list_ports.cache_clear()
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def tool(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# -- labels


def test_each_release_is_labelled_before_the_switch_and_each_path_of_ours_after_it(host: Host, tools: Path) -> None:
    conf, log = host.httpd.conf.parent, tools / "log"
    current = conf / "mtls" / DOMAIN / "current"
    tool(tools / "restorecon", f"[ -e '{current}' ] && when=after || when=before; echo \"$when $*\" >>'{log}'")
    host.apply(host.wish())
    store, site, *rest = log.read_text().splitlines()
    assert store == f"before -R {conf}/mtls"
    assert site == f"before -R {conf}/mtls/{DOMAIN}"
    assert len(rest) == 1, "a rehearsal labels nothing"
    labelled = {Path(word) for word in rest[0].removeprefix("after -R ").split()}
    published = {path for path in conf.iterdir() if path.is_symlink()}
    assert published
    assert published | {conf / "mtls" / "host.conf", current} <= labelled


def test_a_path_that_is_put_back_is_labelled_too(host: Host, tools: Path) -> None:
    log = tools / "log"
    host.apply(host.wish())
    tool(tools / "restorecon", f"echo \"$*\" >>'{log}'; ! grep -q current '{log}'")
    with pytest.raises(Refused, match=r"`restorecon -R .* failed: .* mend the policy, .* The old state is back"):
        host.apply(host.wish(), host.wish("www.example.org"))
    assert log.read_text().splitlines()[-1].count("/current") == 1
    assert host.enforces()


def test_a_host_without_selinux_or_without_its_tool_is_deployed_to(host: Host, tools: Path) -> None:
    wish = host.wish()
    host.apply(wish)
    (tools.parent / "enforce").unlink()
    tool(tools / "restorecon", "exit 1")
    again = host.wish()
    host.apply(again)
    assert host.served() == fingerprint(again) != fingerprint(wish)


# -- ports


@pytest.fixture
def labelled(host: Host, tmp_path: Path) -> Server:
    """Describe the stopped server as one whose binary starts in httpd's domain."""
    host.httpd.stop()
    binary = tmp_path / "httpd"
    shutil.copy(host.httpd.binary, binary)
    try:
        os.setxattr(binary, "security.selinux", b"system_u:object_r:httpd_exec_t:s0\0")
    except OSError:
        pytest.skip("labels are set by root, on file systems that have them")
    server = find.find(str(binary), str(host.httpd.conf))
    assert server
    return server


def test_a_port_that_the_policy_forbids_is_said_with_the_command_that_allows_it(labelled: Server, tools: Path) -> None:
    tool(tools / "semanage", f'[ "$*" = "port -l -n" ] && cat <<END\n{PORTS}END')
    told = [
        each.remedy.partition("`")[2].partition("`")[0]
        for each in selinux_ports.find_forbidden_ports(labelled, [443, 8442, 10003, 22])
    ]
    assert told == ["semanage port -a -t http_port_t -p tcp 8442", "semanage port -m -t http_port_t -p tcp 22"]


@pytest.mark.parametrize("script", ["exit 1", None])
def test_no_port_is_refused_where_the_policy_cannot_be_asked(labelled: Server, tools: Path, script: str | None) -> None:
    if script:
        tool(tools / "semanage", script)
    assert selinux_ports.find_forbidden_ports(labelled, [8442]) == []


def test_no_port_is_refused_where_the_policy_does_not_enforce_or_does_not_confine_httpd(
    labelled: Server, tools: Path
) -> None:
    tool(tools / "semanage", f"cat <<END\n{PORTS}END")
    assert selinux_ports.find_forbidden_ports(labelled, [8442])
    (tools.parent / "enforce").write_text("0")
    assert selinux_ports.find_forbidden_ports(labelled, [8442]) == []
    (tools.parent / "enforce").write_text("1")
    os.setxattr(labelled.binary, "security.selinux", b"system_u:object_r:bin_t:s0\0")
    assert selinux_ports.find_forbidden_ports(labelled, [8442]) == []


def test_a_forbidden_port_is_refused_before_anything_is_touched(host: Host, tools: Path, labelled: Server) -> None:
    tool(tools / "semanage", f"cat <<END\n{PORTS}END")
    before = tree(host.httpd.root)
    with pytest.raises(Refused, match=f"semanage port -a -t http_port_t -p tcp {host.port}`.* Nothing was touched"):
        carry_out(Request((host.wish(),), host.probes, labelled.binary, labelled.config, start=True))
    assert tree(host.httpd.root) == before
