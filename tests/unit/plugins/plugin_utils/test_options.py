# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The typed options of `sites` are the documented ones, and cannot be printed where they are secret."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import KEY_OPTIONS, ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import (
    OPTIONS,
    SITE_OPTIONS,
    AllowedClient,
    ForwardedIdentity,
    Options,
    ProtectedPath,
    Site,
    read_options,
    read_site,
)

# The class of each documented dictionary of options.
CLASSES: dict[str, type] = {
    "sites": Site,
    "allowed_clients": AllowedClient,
    "protected_paths": ProtectedPath,
    "forward_client_identity": ForwardedIdentity,
}
DOCUMENTED: dict[type, dict[str, Any]] = {
    Options: OPTIONS,
    Site: SITE_OPTIONS,
    **{CLASSES[name]: SITE_OPTIONS[name]["suboptions"] for name in CLASSES if name != "sites"},
}
PYTHON = {"str": "str", "path": "str", "int": "int", "bool": "bool"}


def type_of(name: str, option: dict[str, Any]) -> str:
    """Return the type that a documented option has in Python."""
    kind = option.get("type", "str")
    inner = option["elements"] if kind == "list" else kind
    found = CLASSES[name].__name__ if inner == "dict" else PYTHON[inner]
    found = f"tuple[{found}, ...]" if kind == "list" else found
    return found if option.get("required") or option.get("default") is not None else f"{found} | None"


@pytest.mark.parametrize("typed", DOCUMENTED, ids=lambda typed: typed.__name__)
def test_the_fields_are_the_documented_options_in_their_types(typed: type) -> None:
    fields = {field.name: field.type for field in dataclasses.fields(typed)}
    assert fields == {name: type_of(name, option) for name, option in DOCUMENTED[typed].items()}


def test_every_dictionary_of_options_has_its_class() -> None:
    assert {name for name, option in SITE_OPTIONS.items() if "suboptions" in option} | {"sites"} == set(CLASSES)


def test_what_is_not_given_has_the_documented_default() -> None:
    site = read_site({"domain": "www.example.com"})
    for name, option in SITE_OPTIONS.items():
        default = option.get("default")
        expected = tuple(default) if isinstance(default, list) else default
        assert getattr(site, name) == ("www.example.com" if name == "domain" else expected)


def test_what_is_given_is_read_into_its_type() -> None:
    given = {
        "domain": "WWW.Example.com",
        "aliases": "API.example.com",
        "port": "8443",
        "protected_paths": [{"path": "/callback", "proxy_pass": "http://127.0.0.1:8081/"}],
        "allowed_clients": [{"subject": "CN=Chat"}],
        "forward_client_identity": {"subject": "X-Client"},
    }
    (site,) = read_options({"sites": [given]}).sites
    assert (site.domain, site.aliases, site.port) == ("www.example.com", ("api.example.com",), 8443)
    assert site.protected_paths == (ProtectedPath("/callback", "http://127.0.0.1:8081/"),)
    assert site.allowed_clients == (AllowedClient("CN=Chat", None, None, None),)
    assert site.forward_client_identity == ForwardedIdentity("X-Client", None, None, None, client_cert=False)


@pytest.mark.parametrize("name", ["allowed_clients", "protected_paths"])
def test_an_empty_list_is_not_taken_for_none(name: str) -> None:
    assert getattr(read_site({"domain": "www.example.com", name: []}), name) == ()
    assert getattr(read_site({"domain": "www.example.com"}), name) is None


def test_a_domain_that_is_not_ascii_stays_as_it_is() -> None:
    assert read_site({"domain": "\u212aELVIN.example"}).domain == "\u212aELVIN.example"


@pytest.mark.parametrize("name", sorted(KEY_OPTIONS & SITE_OPTIONS.keys()))
def test_what_may_hold_a_key_is_not_in_the_text_of_a_site(name: str) -> None:
    site = read_site({"domain": "www.example.com", name: "not to be shown"})
    assert getattr(site, name) == "not to be shown"
    assert (
        "not to be shown" not in f"{site} {site!r} {Options((site,), *[None] * (len(dataclasses.fields(Options)) - 1))}"
    )


def test_a_site_takes_nothing_but_its_options() -> None:
    with pytest.raises(ArgumentsError):
        read_site({"domain": "www.example.com", "pins": []})
