# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The surroundings of the tests beside this one: a deployment works there, and is seen."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Remote


def test_a_deployment_is_seen_on_the_host_and_its_removal_gives_the_host_back(remote: Remote) -> None:
    before, _starts = remote.state(times=False)
    remote.deploy()
    after, _starts = remote.state(times=False)
    assert after != before
    chat = remote.material.client
    assert remote.ask(chat).said == "HTTP/1.1 403 Forbidden"  # An empty folder is served.
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    remote.deploy(mutual_tls_sites=[{"domain": remote.material.domain, "state": "absent"}])
    assert remote.state(times=False)[0] == before


@pytest.mark.parametrize("machine", ["debian12"], indirect=True)
def test_the_distributions_own_rotation_takes_the_sites_logs_along(remote: Remote) -> None:
    remote.deploy()
    logs = [f"{remote.layout.logs}/{remote.material.domain}-{kind}.log" for kind in ("access", "error")]
    rule = remote.host.shell("cat /etc/logrotate.d/apache2")
    assert all(fnmatch(log, rule.split()[0]) for log in logs)
    if not os.environ.get("LONG"):
        return  # What follows installs a package.
    remote.host.shell("apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y logrotate")
    remote.host.shell("logrotate --force /etc/logrotate.d/apache2")
    assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"
    remote.host.shell(f"grep -q 'GET / .* 403 ' {logs[0]} && test -s {logs[0]}.1")


@pytest.mark.parametrize("machine", ["source"], indirect=True)
def test_an_httpd_without_mod_http2_serves_the_site_without_and_says_so(remote: Remote) -> None:
    site = remote.site | {"http2": True}
    words = " ".join(remote.deploy(mutual_tls_sites=[site]).output.split())
    assert re.search(r"http2 is not served: \S+ has no mod_http2\.so in /usr/local/apache2/modules", words)
    assert remote.ask(remote.material.client).said == "HTTP/1.1 403 Forbidden"
    assert "changed=0" in remote.deploy(mutual_tls_sites=[site]).output
