# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units that a drop-in hardens, as guides have it, where systemd can do what they say."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Remote

pytestmark = pytest.mark.parametrize("machine", ["debian12"], indirect=True, scope="module")

DROP_IN = "/etc/systemd/system/apache2.service.d/hardened.conf"
STRICT = ("ProtectSystem=strict", "ReadWritePaths=/var/log/apache2 /run", "ProtectHome=yes", "NoNewPrivileges=yes")

# Port 443 in /proc/net/tcp, in the state of a socket that listens (proc_pid_net(5)).
_LISTENING = re.compile(r":01BB [0-9A-F]+:0000 0A ")


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    """Return what lets systemd give a service mounts and a network of its own, as it does on a machine."""
    return ("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN")


@contextmanager
def hardened(operator: Remote, *lines: str) -> Iterator[None]:
    """Harden the unit of httpd by lines, and restart it; take them away afterwards."""
    host, text = operator.host, "\n".join(["[Service]", *lines, ""])
    host.run("sh", "-c", 'mkdir -p "${0%/*}" && cat >"$0"', DROP_IN, text=text)
    host.shell("systemctl daemon-reload; systemctl restart apache2")
    try:
        yield
    finally:
        host.shell(f"rm {DROP_IN}; systemctl daemon-reload; systemctl reset-failed apache2; systemctl restart apache2")


def parent(operator: Remote) -> str:
    return operator.host.shell("systemctl show --property MainPID --value apache2")


def test_what_a_hardened_unit_keeps_from_httpd_is_named_and_where_it_is_given_the_site_is_deployed(
    remote: Remote,
) -> None:
    remote.host.shell("mkdir -p /srv/logs /home/webhook; echo hello >/home/webhook/index.html")
    sites = [remote.site | {"access_log": "/srv/logs/a.log", "document_root": "/home/webhook"}]
    with hardened(remote, *STRICT):
        before = parent(remote)
        words = " ".join(remote.refused(mutual_tls_sites=sites).output.split())
        assert "add `ReadWritePaths=/srv/logs` to the unit" in words
        assert "/home/webhook is hidden from httpd by its unit" in words
        assert parent(remote) == before
        remote.host.shell(f"sed -i 's#^ReadWritePaths=.*#& /srv/logs#; s/^ProtectHome.*//' {DROP_IN}")
        remote.host.shell("systemctl daemon-reload; systemctl restart apache2")
        before = parent(remote)
        remote.deploy(mutual_tls_sites=sites)
        assert parent(remote) == before
        assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_a_unit_with_a_network_of_its_own_is_confirmed_there(remote: Remote) -> None:
    with hardened(remote, "PrivateNetwork=yes"):
        before = parent(remote)
        remote.deploy(mutual_tls_confirm=False)
        assert parent(remote) == before
        tables = "cat /proc/net/tcp /proc/net/tcp6"
        assert _LISTENING.search(remote.host.shell(f"nsenter --net=/proc/{before}/ns/net {tables}"))
        assert not _LISTENING.search(remote.host.shell(tables))


@pytest.mark.parametrize("sent", ["HUP", "USR1"])
def test_a_signal_that_httpd_does_not_take_hinders_only_the_unit_that_reloads_by_it(remote: Remote, sent: str) -> None:
    start = "exec /usr/bin/env --block-signal=USR1 /usr/sbin/apache2 -k start"  # a shell would clear the mask
    start = f"ExecStart=/bin/sh -c '. /etc/apache2/envvars; {start}'"
    reload = f"ExecReload=/bin/kill -{sent} $MAINPID"
    with hardened(remote, "ExecStart=", start, "ExecReload=", reload):
        before = parent(remote)
        assert int(remote.host.shell(f"sed -n 's/^SigBlk:\\s*/0x/p' /proc/{before}/status"), 16) >> 9 & 1
        if sent == "USR1":
            words = " ".join(remote.refused().output.split())
            assert "was started with SIGUSR1 blocked" in words
        else:
            remote.deploy()
            assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        assert parent(remote) == before


@pytest.mark.parametrize("network", ["PrivateNetwork=yes", "NetworkNamespacePath=/run/netns/webhooks"])
def test_the_watchman_of_a_unit_with_a_network_of_its_own_looks_there(remote: Remote, network: str) -> None:
    folder = "/var/lib/prometheus/node-exporter"
    remote.host.shell(f"mkdir -p {folder} /run/netns; touch /run/netns/webhooks")
    remote.host.shell("unshare --net=/run/netns/webhooks ip link set lo up || unshare --net=/run/netns/webhooks true")
    with hardened(remote, network):
        remote.deploy(mutual_tls_confirm=False, mutual_tls_metrics_folder=folder)
        for each in ("answers", "enforced"):
            found = remote.host.shell(f"grep '^mtls_httpd_{each}{{' {folder}/*.prom")
            assert found.rstrip().endswith(" 1"), found
        assert remote.deploy(mutual_tls_confirm=False, mutual_tls_metrics_folder=folder).recap["changed"] == 0
    remote.deploy(mutual_tls_metrics_folder="")
    remote.host.shell("umount /run/netns/webhooks")
