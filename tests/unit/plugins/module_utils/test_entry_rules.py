# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who would get in is decided by names and serial numbers; what these do not tell counts as let in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from demo_material import Authority

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import Caller
from ansible_collections.mtls.httpd.plugins.module_utils._site.entry_rules import (
    EntryRules,
    find_locking_out,
    name_key,
)

CALLER = Caller("CN=Chat,O=Tencent", "CN=Old", "0A", "", "", 1, ("TLSv1.3",), {"200": 1}, 1, "", ())
OLD, NEW = name_key("CN=Old"), name_key("CN=New")
OPEN = EntryRules(frozenset(), frozenset(), False, False, frozenset({OLD}), 3, frozenset())
PINNED = replace(OPEN, is_pinned=True, subjects=frozenset({"CN=Nobody"}))


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (OPEN, ""),
        (PINNED, "allowed_clients"),
        (replace(PINNED, subjects=frozenset({"CN=Chat,O=Tencent"})), ""),
        (replace(PINNED, subjects=frozenset({"cn=chat,o=tencent"})), "allowed_clients"),
        (replace(PINNED, certificates=frozenset({10})), ""),
        (replace(PINNED, any_name=True), ""),
        (replace(OPEN, authorities=frozenset({NEW})), "client_ca"),
        (replace(OPEN, authorities=frozenset({OLD, NEW})), ""),
        (replace(OPEN, authorities=frozenset()), ""),
        (replace(OPEN, depth=1), ""),
        (replace(OPEN, revoked=frozenset({10})), "crl"),
        (replace(OPEN, revoked=frozenset({11})), ""),
    ],
)
def test_who_gets_in_today_is_locked_out_by_one_option(after: EntryRules, why: str) -> None:
    assert find_locking_out(OPEN, after, CALLER) == why
    assert find_locking_out(after, after, CALLER) == ""


def test_who_comes_by_way_of_an_intermediate_needs_a_depth_and_no_name() -> None:
    below = replace(CALLER, issuer="CN=Intermediate")
    assert find_locking_out(OPEN, replace(OPEN, depth=1), below) == "verify_depth"
    assert find_locking_out(OPEN, replace(OPEN, depth=None), below) == ""
    assert find_locking_out(OPEN, replace(OPEN, authorities=frozenset({NEW})), below) == ""


def test_without_an_issuer_a_lone_authority_that_goes_is_known() -> None:
    unknown = replace(CALLER, issuer=None)
    gone = replace(OPEN, authorities=frozenset({NEW}))
    assert find_locking_out(OPEN, gone, unknown) == "client_ca"
    assert find_locking_out(replace(OPEN, authorities=frozenset({OLD, NEW})), gone, unknown) == ""


def test_names_are_compared_whatever_their_kinds_are_called() -> None:
    assert name_key("emailAddress=a@b.example,CN=x") == name_key("CN=x,1.2.840.113549.1.9.1=a@b.example")
    assert name_key(r"CN=TencentQQAuthCA (stand-in\, made),O=T") == name_key(
        r"O=T,CN=TencentQQAuthCA (stand-in\, made)"
    )
    assert name_key("CN=Chat,O=Tencent") != name_key("CN=Chat,O=Tencent Inc")
    assert PINNED.find_near("CN=Chat,O=Tencent") == ""
    other = replace(PINNED, subjects=frozenset({"O=Tencent,CN=Chat"}))
    assert other.find_near("CN=Chat,O=Tencent") == "O=Tencent,CN=Chat"


def test_serial_numbers_are_read_of_certificates_and_lists() -> None:
    authority = Authority("A CA")
    clients = [authority.issue(client=True, common_name=f"c{number}") for number in range(3)]
    one = clients[0].certificate
    assert wire.read_serial(one.public_bytes(Encoding.DER)) == one.serial_number
    for revoked in (clients[:2], []):
        crl = x509.load_pem_x509_crl(authority.crl(*revoked)).public_bytes(Encoding.DER)
        assert wire.read_revoked(crl) == {each.certificate.serial_number for each in revoked}
    with pytest.raises(ValueError, match="cut off"):
        wire.read_serial(b"\x30\x00")
