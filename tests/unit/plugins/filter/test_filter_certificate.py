# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter certificate gives what the module gives, from text, base64 or a path."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from ansible.errors import AnsibleFilterError
from cryptography.hazmat.primitives.serialization import Encoding
from demo_material import Authority, zipped

from ansible_collections.mtls.httpd.plugins.filter.certificate import certificate

if TYPE_CHECKING:
    from pathlib import Path

ISSUED = Authority("Test CA").issue("www.example.com")


def test_text_base64_and_path_give_the_same_fields(tmp_path: Path) -> None:
    (tmp_path / "site.crt").write_bytes(ISSUED.pem)
    der = ISSUED.certificate.public_bytes(Encoding.DER)
    inputs = [
        ISSUED.pem.decode(),
        base64.b64encode(der).decode(),
        base64.b64encode(zipped("a.crt", ISSUED.pem)).decode(),
        str(tmp_path / "site.crt"),
    ]
    for value in inputs:
        fields = certificate(value)
        assert fields["sha256"] == ISSUED.sha256
        assert fields["names"] == ["www.example.com"]
        assert fields["days_left"] == 89


def test_days_left_are_counted_from_the_moment_given() -> None:
    assert certificate(ISSUED.pem.decode(), at="2000-01-01")["days_left"] > 9000


@pytest.mark.parametrize("value", ["", None, 5, "no such file", "/nonexistent", "a\0b", ISSUED.key_pem.decode()])
def test_what_holds_no_certificate_is_refused_without_repeating_it(value: object) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        certificate(value)
    assert ISSUED.key_pem.decode().splitlines()[1] not in str(caught.value)


def test_a_moment_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="ISO 8601"):
        certificate(ISSUED.pem.decode(), at="tomorrow")
