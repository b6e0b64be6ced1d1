# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate messages of a handshake, and the names in them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.wire import (
    certificate_authorities,
    leaf_certificate,
    rfc4514,
)


def counted(content: bytes, width: int) -> bytes:
    """Return a vector: its length in `width` bytes, then the content."""
    return len(content).to_bytes(width, "big") + content


def name_of(value: str) -> x509.Name:
    """Return a name of one attribute."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value)])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Example CA", "Example CA"),
        ('a,b+c"d<e>f;g\\h', r"a\,b\+c\"d\<e\>f\;g\\h"),
        ("#1", r"\#1"),
        (" both ", r"\ both\ "),
        (" ", r"\ "),
        ("腾讯", "腾讯"),
        ("a\x1b[2Jb", r"a\1B[2Jb"),
        ("a\u202eb", r"a\E2\80\AEb"),
    ],
)
def test_a_value_is_escaped_as_rfc_4514_has_it_and_steers_no_terminal(value: str, written: str) -> None:
    assert rfc4514(name_of(value).public_bytes()) == f"CN={written}"


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=0x2FFF, categories=["L", "N", "P", "S"]), min_size=1, max_size=40
    )
)
def test_a_name_reads_as_cryptography_has_it(value: str) -> None:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, value),
            x509.NameAttribute(NameOID.COMMON_NAME, "CA"),
        ]
    )
    assert rfc4514(name.public_bytes()) == name.rfc4514_string()


def test_other_attributes_stand_under_their_number_and_several_at_once_are_joined() -> None:
    name = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example")]),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "a"),
                    x509.NameAttribute(NameOID.EMAIL_ADDRESS, "b@example.com"),
                ]
            ),
        ]
    )
    assert rfc4514(name.public_bytes()) == "CN=a+1.2.840.113549.1.9.1=b@example.com,DC=example"


@pytest.mark.parametrize(
    "kind",
    ["UTF8String", "NumericString", "PrintableString", "T61String", "IA5String", "VisibleString", "UniversalString"],
)
def test_every_string_type_is_read(kind: str) -> None:
    attribute = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "1234", _ASN1Type[kind])
    assert rfc4514(x509.Name([attribute]).public_bytes()) == "O=1234"


def test_a_value_that_is_no_text_stands_as_its_encoding() -> None:
    unique = x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x01\x02", _ASN1Type.BitString)
    assert rfc4514(x509.Name([unique]).public_bytes()) == "2.5.4.45=#03020102"


def test_authorities_are_read_from_both_forms_of_the_message() -> None:
    names = [name_of("One").public_bytes(), name_of("Two").public_bytes()]
    listed = counted(b"".join(counted(name, 2) for name in names), 2)
    older = counted(b"\x01\x40", 1) + counted(b"\x04\x03", 2) + listed
    signatures = b"\x00\x0d" + counted(counted(b"\x04\x03", 2), 2)
    newer = counted(b"", 1) + counted(signatures + b"\x00\x2f" + counted(listed, 2), 2)
    assert certificate_authorities(b"\x0d" + counted(older, 3), "TLSv1.2") == tuple(names)
    assert certificate_authorities(b"\x0d" + counted(newer, 3), "TLSv1.3") == tuple(names)
    assert certificate_authorities(b"\x0d" + counted(counted(b"", 1) + counted(signatures, 2), 3), "TLSv1.3") == ()


def test_the_leaf_is_the_first_certificate_of_either_form() -> None:
    older = counted(counted(b"leaf", 3) + counted(b"issuer", 3), 3)
    newer = counted(b"", 1) + counted(
        counted(b"leaf", 3) + counted(b"", 2) + counted(b"issuer", 3) + counted(b"", 2), 3
    )
    assert leaf_certificate(b"\x0b" + counted(older, 3), "TLSv1.2") == b"leaf"
    assert leaf_certificate(b"\x0b" + counted(newer, 3), "TLSv1.3") == b"leaf"
    assert leaf_certificate(b"\x0b" + counted(counted(b"", 3), 3), "TLSv1.2") is None


@given(st.binary(max_size=60), st.sampled_from(["TLSv1.2", "TLSv1.3"]))
def test_bytes_of_another_form_raise_value_error_and_nothing_else(data: bytes, version: str) -> None:
    for message in (data, b"\x0d" + counted(data, 3)):
        with suppress(ValueError):
            certificate_authorities(message, version)
    for message in (data, b"\x0b" + counted(data, 3)):
        with suppress(ValueError):
            leaf_certificate(message, version)
    for name in (data, b"\x30" + counted(data, 1)):
        with suppress(ValueError):
            rfc4514(name)


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_name_that_is_cut_off_raises_value_error(cut: int) -> None:
    with pytest.raises(ValueError, match="cut off"):
        rfc4514(name_of("Example Authority").public_bytes()[:cut])


def test_another_kind_of_message_raises_value_error() -> None:
    with pytest.raises(ValueError, match="another kind"):
        leaf_certificate(b"\x0d\x00\x00\x00", "TLSv1.2")
