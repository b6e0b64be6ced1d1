# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options are taken as documented, and messages about them never repeat a value."""

from __future__ import annotations

import base64
import time
from typing import Any, Union

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import (
    ArgumentsError,
    checked,
    documented_options,
    holds_key,
)

OPTIONS: dict[str, Any] = {
    "domain": {"type": "str", "required": True, "aliases": ["name"]},
    "port": {"type": "int", "default": 443},
    "enabled": {"type": "bool", "default": True},
    "mode": {"choices": ["require", "optional"], "default": "require"},
    "certificate": {"type": "path"},
    "certificate_content": {"type": "str"},
    "private_key_content": {"type": "str"},
    "client_ca": {"type": "list", "elements": "path"},
    "sites": {
        "type": "list",
        "elements": "dict",
        "suboptions": {"domain": {"required": True}, "port": {"type": "int"}, "private_key_content": {}},
    },
}


def messages(given: dict[Any, Any], where: str = "") -> list[str]:
    with pytest.raises(ArgumentsError) as caught:
        checked(OPTIONS, given, where=where)
    return caught.value.messages


def test_every_documented_option_is_there_with_its_default_or_none() -> None:
    assert checked(OPTIONS, {"domain": "a"}) == {
        "domain": "a",
        "port": 443,
        "enabled": True,
        "mode": "require",
        "certificate": None,
        "certificate_content": None,
        "private_key_content": None,
        "client_ca": None,
        "sites": None,
    }


def test_values_are_turned_into_their_documented_types() -> None:
    given = {"name": "a", "port": "8443", "enabled": "no", "client_ca": "one,and.crt", "sites": [{"domain": 5}]}
    result = checked(OPTIONS, given)
    assert (result["domain"], result["port"], result["enabled"]) == ("a", 8443, False)
    assert result["client_ca"] == ["one,and.crt"]
    assert result["sites"] == [{"domain": "5", "port": None, "private_key_content": None}]


def test_null_means_not_given() -> None:
    assert checked(OPTIONS, {"domain": "a", "port": None})["port"] == 443
    assert messages({"domain": None}) == ["option 'domain' is required. Set it."]


def test_all_faults_are_told_at_once_and_say_where() -> None:
    sites = [{"domain": "a.example", "port": "x"}, {"pot": 2}, "b"]
    told = messages({"prot": 1, "sites": sites}, where="here: ")
    assert told == [
        "here: there is no option 'prot'. Did you mean 'port'?",
        "here: a.example: option 'port' must be a whole number, and is text that is none.",
        "here: sites[1]: there is no option 'pot'. Did you mean 'port'?",
        "here: sites[1]: option 'domain' is required. Set it.",
        "here: option 'sites[2]' must be a dictionary of options, not text.",
        "here: option 'domain' is required. Set it.",
    ]


def test_a_misspelt_option_is_one_fault_with_the_spelling_that_is_right() -> None:
    assert messages({"domian": "a"}) == ["there is no option 'domian'. Did you mean 'domain'?"]
    assert messages({"domain": "a", "sites": [{"domian": "b.example"}]}) == [
        "sites[0]: there is no option 'domian'. Did you mean 'domain'?"
    ]


def test_members_that_share_a_domain_are_told_apart_by_their_place() -> None:
    told = messages({"domain": "a", "sites": [{"domain": "a.example", "pot": 1}] * 2})
    assert [message.partition(":")[0] for message in told] == ["sites[0]", "sites[1]"]


def test_a_long_list_takes_no_more_time_for_each_of_its_members() -> None:
    def seconds(number: int) -> float:
        sites = [{"domain": f"{index}.example"} for index in range(number)]
        began = time.process_time()
        checked(OPTIONS, {"domain": "a", "sites": sites})
        return time.process_time() - began

    assert seconds(10_000) < 30 * min(seconds(number) for number in [1_000] * 3)


def test_a_plain_yes_that_yaml_made_a_boolean_is_answered_with_the_choices() -> None:
    options = {"verify_client": {"choices": ["require", "optional"]}, "client_ocsp": {"choices": ["off", "leaf"]}}
    with pytest.raises(ArgumentsError, match="option 'verify_client' must be one of require, optional"):
        checked(options, {"verify_client": True})
    assert checked(options, {"client_ocsp": False})["client_ocsp"] == "off"


SECRET = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"  # the start that every RSA key of 2048 bits has
PASTED = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("value", [PASTED, [PASTED], {"x": PASTED}, {PASTED: "x"}, [[PASTED]], 10**400, float("nan")])
@pytest.mark.parametrize("option", [*OPTIONS, "no_such_option", PASTED, SECRET, 5, None])
def test_a_key_pasted_under_any_option_is_never_repeated(option: object, value: object) -> None:
    try:
        checked(OPTIONS, {"domain": "a", option: value})
        told = []
    except ArgumentsError as errors:
        told = errors.messages
    assert all(message.isprintable() for message in told)
    assert SECRET not in str(told)
    assert "BEGIN" not in str(told)


@pytest.mark.parametrize("option", ["domain", "certificate", "certificate_content", "client_ca", "mode"])
def test_a_key_under_an_option_that_is_not_for_keys_is_refused(option: str) -> None:
    assert "holds a private key" in messages({"domain": "a", option: PASTED})[0]


Key = Union[rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey]
KEYS: list[Key] = [
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate(),
]


@pytest.mark.parametrize("key", KEYS, ids=["rsa", "ec", "ed25519"])
def test_base64_of_a_key_is_recognised_as_a_key(key: Key) -> None:
    pkcs8 = (PrivateFormat.PKCS8, NoEncryption())
    assert holds_key(base64.b64encode(key.private_bytes(Encoding.DER, *pkcs8)).decode())
    assert holds_key(base64.b64encode(key.private_bytes(Encoding.PEM, *pkcs8)).decode())
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        traditional = (PrivateFormat.TraditionalOpenSSL, NoEncryption())
        assert holds_key(base64.b64encode(key.private_bytes(Encoding.DER, *traditional)).decode())


@pytest.mark.parametrize(
    "text", ["", "www.example.com", "-----BEGIN CERTIFICATE-----", "MIGfw", "LS0tLS1CRUdJTiBDRVJU"]
)
def test_other_texts_are_not_taken_for_keys(text: str) -> None:
    assert not holds_key(text)


@pytest.mark.parametrize("module", ["validate_domain", "sites"])
def test_the_options_of_our_modules_can_be_read(module: str) -> None:
    assert documented_options(module)


@pytest.mark.parametrize("text", ["MI\x85", "MH\u00e4", "MC\u2028"])
def test_text_that_is_not_ascii_is_no_key_and_no_fault(text: str) -> None:
    assert not holds_key(text)


@pytest.mark.parametrize(("value", "number"), [("443\x1c", 443), (" 443\n", 443), (31536000, 31536000)])
def test_a_number_may_stand_among_spaces_and_be_large(value: object, number: int) -> None:
    assert checked({"hsts": {"type": "int"}}, {"hsts": value}) == {"hsts": number}


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(ArgumentsError, match="holds bytes that are no characters"):
        checked({"domain": {"type": "str"}}, {"domain": "\ud800"})


def test_days_are_no_more_than_the_calendar_has() -> None:
    with pytest.raises(ArgumentsError, match="at most 1000000"):
        checked({"warn_days": {"type": "int"}}, {"warn_days": 1000001})
