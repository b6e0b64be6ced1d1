# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The throwaway clients with which servers are probed."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import VERSIONS
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import client_context
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes

NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize("version", VERSIONS)
def test_both_clients_load_as_they_are(version: str) -> None:
    probes = make_probes()
    assert client_context(probes.trusted, version)
    assert client_context(probes.stranger, version)


def test_the_trusted_client_is_of_the_throwaway_authority_and_the_stranger_is_not() -> None:
    probes = make_probes(NOW)
    trusted = x509.load_pem_x509_certificate(probes.trusted.certificate)
    authority = x509.load_pem_x509_certificate(probes.ca)
    trusted.verify_directly_issued_by(authority)
    with pytest.raises(ValueError, match="ssuer"):
        x509.load_pem_x509_certificate(probes.stranger.certificate).verify_directly_issued_by(authority)


def test_they_are_valid_on_a_host_whose_clock_is_years_off() -> None:
    leaf = x509.load_pem_x509_certificate(make_probes(NOW).trusted.certificate)
    assert leaf.not_valid_before_utc == NOW - datetime.timedelta(days=3650)
    assert leaf.not_valid_after_utc == NOW + datetime.timedelta(days=3650)


def test_every_run_has_its_own() -> None:
    first, second = make_probes(NOW), make_probes(NOW)
    keys = {each.private_key for probes in (first, second) for each in (probes.trusted, probes.stranger)}
    assert len(keys) == 4
    assert first.ca != second.ca


def test_each_pin_has_a_client_that_fulfils_it_and_no_other() -> None:
    pins = ["subject:CN=Chat,O=Tencent", "dns:chat.example.com", "email:chat@example.com", "certificate:client-1.crt"]
    probes = make_probes(NOW, pins)
    assert list(probes.pinned) == pins
    leaves = [x509.load_pem_x509_certificate(each.certificate) for each in probes.pinned.values()]
    assert [leaf.subject.rfc4514_string() for leaf in leaves] == [
        "CN=Chat,O=Tencent",
        *["CN=mtls.httpd probe client"] * 3,
    ]
    names = [x509.DNSName("chat.example.com"), x509.RFC822Name("chat@example.com")]
    for leaf, name in zip(leaves[1:3], names):
        assert list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [name]
    for leaf in leaves:
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(probes.ca))


def test_no_key_is_shown() -> None:
    assert "PRIVATE" not in repr(make_probes(pins=["dns:x"]))
