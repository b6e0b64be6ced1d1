# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Material of a site that is no part of the verdict: the clients' certificates, and the backends' authorities."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from demo_material import Authority
from host import FINDER

from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import authorities
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import pins_of
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import read_site

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding

NOW = datetime.now(timezone.utc)
AUTHORITY = Authority("Test Backend CA")
CLIENT = AUTHORITY.issue(client=True, common_name="Chat")
CUT_OFF = AUTHORITY.pem[:200].decode()


def told(text: str, option: str) -> list[tuple[str, str, str]]:
    """Return what is found of the text in the place of a client's certificate, or of the backend's authority."""
    findings: list[Finding] = []
    given = {"allowed_clients": [{"certificate_content": text}], "proxy_ca_content": [text]}
    site = read_site({"domain": "www.example.com", option: given[option]})
    if option == "allowed_clients":
        pins_of(FINDER, site.allowed_clients or (), findings, NOW, timedelta())
    else:
        authorities(FINDER, site, findings, NOW, timedelta())
    return [(one.code, one.severity, one.subject) for one in findings]


def test_a_member_that_cannot_be_read_is_named_and_the_others_count() -> None:
    for option, sound, subject in (
        ("allowed_clients", CLIENT.pem.decode(), "allowed_clients[0]"),
        ("proxy_ca_content", AUTHORITY.pem.decode(), "proxy_ca_content"),
    ):
        assert told(sound, option) == []
        assert told(sound + CUT_OFF, option) == [("member-unreadable", "warning", subject)]
        assert told(CUT_OFF, option)[0] == ("unreadable", "error", subject)
