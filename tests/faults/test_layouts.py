# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts set up as other distributions do, and httpd as process 1: nothing of theirs is changed, all is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Remote
    from container import Container

HOSTS = {
    "redhat": ("redhat",),
    "suse": ("suse",),
    "process 1": ("source", "--entrypoint", '["/usr/local/apache2/bin/httpd", "-D", "FOREGROUND"]'),
}


@pytest.fixture(scope="module", params=HOSTS)
def machine(request: pytest.FixtureRequest, booting: Callable[..., Iterator[Container]]) -> Iterator[Container]:
    """Boot each of the hosts, with httpd running."""
    image, *options = HOSTS[request.param]
    yield from booting(image, request.node.name, *options)


def test_a_host_is_given_back_as_it_was(remote: Remote) -> None:
    domain = remote.material.domain
    before = remote.state(times=False)[0]
    remote.deploy()
    assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"  # An empty folder is served.
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    during = remote.state(times=False)[0]
    # But for the link or the line that includes us, what was there is there, byte for byte.
    changed = [line for line in before if line not in during]
    assert len(changed) <= (0 if remote.layout.conf.startswith("/etc") else 2)
    remote.deploy(mutual_tls_sites=[{"domain": domain, "state": "absent"}])
    assert remote.state(times=False)[0] == before


@pytest.mark.parametrize("machine", ["redhat"], indirect=True)
def test_a_host_that_was_stopped_is_started_with_its_options(remote: Remote) -> None:
    remote.host.shell(remote.layout.stop)
    remote.deploy()
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize("machine", ["suse"], indirect=True)
def test_a_stopped_host_is_started_by_the_program_that_alone_knows_its_arguments(remote: Remote) -> None:
    remote.host.shell(remote.layout.stop)
    before = remote.state()
    assert "changed=1" in remote.deploy("--check").output
    assert remote.state() == before
    remote.refused(mutual_tls_sites=[remote.site | {"extra_directives": "SSLVerifyClient none"}])
    assert remote.host.shell("systemctl is-active apache2 || true") == "inactive"
    remote.deploy()
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert "changed=0" in remote.deploy().output


@pytest.mark.parametrize("machine", ["suse"], indirect=True)
def test_a_stopped_host_whose_start_would_bring_another_configuration_is_left_alone(remote: Remote) -> None:
    remote.host.shell(remote.layout.stop)
    remote.host.shell("cp -p /etc/sysconfig/apache2 /root/; sed -i 's/ status / /' /etc/sysconfig/apache2")
    run = remote.refused()
    assert "it would change /etc/apache2/sysconfig.d/loadmodule.conf" in " ".join(run.output.split())
    remote.host.shell(f"mv /root/apache2 /etc/sysconfig/; {remote.layout.start}")


@pytest.mark.parametrize("machine", ["suse"], indirect=True)
def test_a_flag_that_brings_the_hosts_own_listen_is_no_second_one(remote: Remote) -> None:
    remote.deploy()
    remote.host.shell("sed -i 's/^APACHE_SERVER_FLAGS=.*/APACHE_SERVER_FLAGS=SSL/' /etc/sysconfig/apache2")
    remote.host.shell("systemctl restart apache2")
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    remote.host.shell("sed -i 's/^APACHE_SERVER_FLAGS=.*/APACHE_SERVER_FLAGS=/' /etc/sysconfig/apache2")
    remote.host.shell("systemctl restart apache2")
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
