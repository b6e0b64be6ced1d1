# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The surroundings of the tests beside this one: a deployment works there, and is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
