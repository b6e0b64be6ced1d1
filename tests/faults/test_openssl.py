# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose OpenSSL knows more than that of the machine that runs the tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Remote


@pytest.mark.skipif(
    not os.environ.get("LONG"),
    reason="installs Debian 13's httpd from its packages, for a minute: make test-long tries it",
)
@pytest.mark.parametrize("machine", ["debian13"], indirect=True, scope="module")
def test_the_hybrid_group_is_agreed_on_where_openssl_has_it(remote: Remote) -> None:
    remote.deploy()
    ask = (
        f"openssl s_client -connect 127.0.0.1:443 -servername {remote.material.domain} -groups %s </dev/null 2>&1 || :"
    )
    assert "group: X25519MLKEM768" in remote.host.shell(ask % "X25519MLKEM768")
    assert "Temp Key: X25519" in remote.host.shell(ask % "X25519")
    assert "changed=0" in remote.deploy().output
