# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What travels to the target comes out as it went in, and nothing else comes out."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity, Probes
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, FACTS, SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import (
    NotARequest,
    Request,
    SiteWish,
    packed,
    request_from_json,
    request_to_json,
    unpacked,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

DOMAIN = "www.example.com"
PROBES = Probes(
    b"ca",
    Identity(b"trusted", b"trusted key"),
    Identity(b"stranger", b"stranger key"),
    b"crl",
    Identity(b"revoked", b"revoked key"),
    {"subject:CN=Chat": Identity(b"pinned", b"pinned key")},
)
KEY = b"-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n"


FACTS_OF = SiteFacts(
    domain=DOMAIN,
    port=443,
    listen=("192.0.2.1", "2001:db8::1"),
    aliases=("a.example.com",),
    modules=("proxy",),
    welcome=(),
    versions=("TLSv1.2", "TLSv1.3"),
    certificate_sha256="ab" * 32,
    client_ca_names=("CN=TencentQQAuthCA",),
    verify_client="require",
    open_paths=(),
    protected_paths=(),
    pins=(),
    backend_ca=False,
    access_log=f"{DOMAIN}-access.log",
    error_log="",
    included=False,
    begins="2026-01-31T23:59:59Z",
    ends="2030-01-31T23:59:59Z",
)


def wish(domain: str = DOMAIN, **files: bytes) -> SiteWish:
    content = {
        f"{domain}.crt": b"certificate",
        CLIENT_CA: b"ca",
        SITE: b"site",
        FACTS: replace(FACTS_OF, domain=domain).content,
    }
    content.update({name.replace("_", "."): text for name, text in files.items()})
    return SiteWish(domain, Release(domain, content, Secret(KEY)))


def request(*wishes: SiteWish) -> Request:
    return Request(
        wishes or (wish(), SiteWish("gone.example.com", previous=True)),
        PROBES,
        "/sbin/httpd",
        None,
        False,
        True,
        False,
        1.5,
        ("locked-out",),
    )


def altered(change: Any) -> str:
    """Return a sound payload after `change` of its data."""
    data = json.loads(base64.b64decode(packed(request())))
    change(data)
    return base64.b64encode(json.dumps(data).encode()).decode()


def facts(**changes: Any) -> str:
    return base64.b64encode(replace(FACTS_OF, **changes).content).decode()


def set_file(name: str, text: str) -> Any:
    return lambda data: data["wishes"][0]["public"].__setitem__(name, text)


def test_a_request_comes_out_as_it_went_in() -> None:
    assert unpacked(packed(request())) == request()


def test_a_release_to_go_back_to_and_the_number_to_keep_travel() -> None:
    sent = replace(request(SiteWish(DOMAIN, previous=True, back_to="3f9c0a6de1b2c4f7")), keep_releases=100)
    assert unpacked(packed(sent)) == sent


@pytest.mark.parametrize("folder", ["/var/lib/prometheus/node-exporter", "", None])
def test_the_folder_for_metrics_travels_and_an_older_program_for_renewals_has_none(folder: str | None) -> None:
    sent = replace(request(), metrics_folder=folder)
    assert unpacked(packed(sent)) == sent
    data = json.loads(json.dumps(request_to_json(sent)))
    del data["metrics_folder"]
    assert request_from_json(data).watch.folder is None


def test_a_request_is_one_line() -> None:
    assert set("\n \r") & set(packed(request())) == set()


def test_a_request_knows_whether_a_private_key_travels_in_it() -> None:
    sent = wish()
    assert sent.release
    keyless = replace(sent, release=replace(sent.release, private_key=None))
    assert request(sent).holds_keys
    assert request(keyless, sent).holds_keys
    assert not request(keyless, SiteWish("gone.example.com")).holds_keys


@given(st.binary(), st.binary())
def test_any_bytes_travel(certificate: bytes, site: bytes) -> None:
    if b"PRIVATE KEY" not in certificate + site:
        sent = request(wish(**{DOMAIN.replace(".", "_") + "_crt": certificate, "site_conf": site}))
        assert unpacked(packed(sent)) == sent


BAD = {
    "another domain": lambda data: data["wishes"][0].__setitem__("domain", "../../etc"),
    "a domain with capitals": lambda data: data["wishes"][1].__setitem__("domain", "GONE.example.com"),
    "a domain that is none": lambda data: data["wishes"][1].__setitem__("domain", 7),
    "a file of another name": set_file("../../../etc/cron.d/x", ""),
    "a file less": lambda data: data["wishes"][0]["public"].pop(CLIENT_CA),
    "no private key": lambda data: data["wishes"][0].__setitem__("private_key", None),
    "a private key that is no base64": lambda data: data["wishes"][0].__setitem__("private_key", "s3cret!"),
    "a private key among the public files": set_file(f"{DOMAIN}.key", base64.b64encode(b"s3cret").decode()),
    "a file that is no base64": set_file(SITE, "s3cret!"),
    "facts that are no JSON": set_file(FACTS, base64.b64encode(b"s3cret").decode()),
    "facts in another form": set_file(FACTS, base64.b64encode(b'{"domain": "s3cret"}').decode()),
    "facts with one more": set_file(FACTS, base64.b64encode(b'{"s3cret": 1}').decode()),
    "facts of another domain": set_file(FACTS, facts(domain="other.example.com")),
    "a port beyond": set_file(FACTS, facts(port=65536)),
    "a port of none": set_file(FACTS, facts(port=0)),
    "a port in words": set_file(FACTS, facts(port="443")),
    "an address that is none": set_file(FACTS, facts(listen=["s3cret"])),
    "a module of another's": set_file(FACTS, facts(modules=["../../evil"])),
    "a verification that is none": set_file(FACTS, facts(verify_client="s3cret")),
    "an open path with a line's end": set_file(FACTS, facts(open_paths=["/x\r\ns3cret"])),
    "a protected path that climbs": set_file(FACTS, facts(protected_paths=["/../s3cret"])),
    "a pin of no kind": set_file(FACTS, facts(pins=["s3cret"])),
    "a pinned file elsewhere": set_file(FACTS, facts(pins=["certificate:../../s3cret"])),
    "a pinned file that is missing": set_file(FACTS, facts(pins=["certificate:client-1.crt"])),
    "a log with a wildcard": set_file(FACTS, facts(access_log="/var/log/*s3cret")),
    "a log that climbs": set_file(FACTS, facts(error_log="../s3cret")),
    "a fingerprint that is none": set_file(FACTS, facts(certificate_sha256="s3cret")),
    "an end that is no moment": set_file(FACTS, facts(ends="s3cret")),
    "a key where a certificate belongs": set_file(f"{DOMAIN}.crt", base64.b64encode(KEY).decode()),
    "a key in the site": set_file(SITE, base64.b64encode(KEY).decode()),
    "an accepted fault that nobody may accept": lambda data: data.__setitem__("accepted", ["s3cret"]),
    "a release to go back to elsewhere": lambda data: data["wishes"][1].__setitem__("back_to", "../../s3cret"),
    "a folder for metrics that a unit cannot name": lambda data: data.__setitem__(
        "metrics_folder", "/var/s3cret\nUser=root"
    ),
    "a folder for metrics that is none": lambda data: data.__setitem__("metrics_folder", ["s3cret"]),
    "no release to keep": lambda data: data.__setitem__("keep_releases", 0),
    "a number of releases in words": lambda data: data.__setitem__("keep_releases", "s3cret"),
    "more releases than are kept": lambda data: data.__setitem__("keep_releases", 101),
    "a probe less": lambda data: data["probes"].pop(),
    "nothing": lambda data: data.clear(),
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_what_the_controller_does_not_send_is_refused_without_being_shown(change: Any) -> None:
    with pytest.raises(NotARequest, match=r"call mtls\.httpd\.sites instead") as caught:
        unpacked(altered(change))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("line", ["", "s3cret", "czNjcmV0", "W10=", "bnVsbA==", "\u00fc"])
def test_a_line_that_is_no_payload_is_refused_without_being_shown(line: str) -> None:
    with pytest.raises(NotARequest) as caught:
        unpacked(line)
    assert "s3cret" not in str(caught.value)


@given(st.text())
def test_no_text_raises_anything_else(line: str) -> None:
    with pytest.raises(NotARequest):
        unpacked(line)


def test_facts_of_before_there_were_callback_paths_are_read_and_stay_as_they_are() -> None:
    assert "callback_paths" not in json.loads(FACTS_OF.content)
    assert SiteFacts.read(FACTS_OF.content) == FACTS_OF


def test_callback_paths_that_were_said_are_read_again() -> None:
    said = replace(FACTS_OF, callback_paths=("/", "/callback"))
    assert SiteFacts.read(said.content) == said
    assert said.called == ("/", "/callback")


def test_chat_calls_the_protected_paths_or_the_root_where_nothing_else_was_said() -> None:
    assert FACTS_OF.called == ("/",)
    assert replace(FACTS_OF, protected_paths=("/callback",)).called == ("/callback",)
