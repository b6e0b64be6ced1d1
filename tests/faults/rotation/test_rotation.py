# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role replaces under load, on a host with systemd and one without: no request is lost."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from demo_material import CHAT_CA_FILE, CHAT_CA_NAME, Authority, write, zipped
from load import Load

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Remote

LIFE = 20.0  # seconds of the certificate that ends


def test_a_certificate_that_has_ended_is_replaced_under_load(remote: Remote, tmp_path: Path) -> None:
    material = remote.material
    ends = datetime.now(timezone.utc) + timedelta(seconds=LIFE)
    material.put(material.public.issue(material.domain, not_after=ends))
    remote.deploy()
    time.sleep(max(0.0, (ends - datetime.now(timezone.utc)).total_seconds() + 1))
    load = Load(remote.port, tmp_path, remote.address, status=403)  # An empty folder is served.
    load.start(material.client)
    try:
        assert "CERTIFICATE_VERIFY_FAILED" in remote.ask(material.client).said
        material.put(material.server)
        remote.deploy()
    finally:
        load.stop()
    assert load.wrong == []
    assert load.answered > 50
    assert load.turned_away > 10
    assert remote.ask(material.client).certificate_sha256 == material.server.sha256


def test_a_client_ca_is_rolled_over_with_clients_of_both(remote: Remote, tmp_path: Path) -> None:
    material = remote.material
    new = Authority(CHAT_CA_NAME + " 2")
    write(material.folder, "new.zip", zipped(CHAT_CA_FILE, new.pem))
    old_ca, new_ca = f"{material.folder}/{CHAT_CA_FILE}.zip", f"{material.folder}/new.zip"
    clients = material.client, new.issue(client=True, common_name="Chat")

    def deploy(*client_ca: str) -> None:
        remote.deploy(mutual_tls_sites=[remote.site | {"client_ca": list(client_ca)}])

    def let_in() -> list[bool]:
        return [remote.ask(client).said == "HTTP/1.1 403 Forbidden" for client in clients]

    deploy(old_ca)
    assert let_in() == [True, False]
    for present, client_cas, wanted in ((0, (old_ca, new_ca), [True, True]), (1, (new_ca,), [False, True])):
        load = Load(remote.port, tmp_path, remote.address, status=403)
        load.start(clients[present])
        try:
            deploy(*client_cas)
        finally:
            load.stop()
        assert load.wrong == []
        assert load.answered > 20
        assert let_in() == wanted
