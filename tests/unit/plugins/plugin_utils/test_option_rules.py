# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What options of a site do not go together, each beside a neighbour that does."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.plugin_utils._site.option_rules import find_wrong_of_run, find_wrong_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import read_options

GOOD = {"domain": "www.example.com", "certificate": "site.crt", "private_key": "site.key", "client_ca": "ca.crt"}
ON_HOST = {"remote_src": True, "certificate": "/etc/a.crt", "private_key": "/etc/a.key"}
RANGES = {
    "port": (1, 65535, "1 and 65535."),
    "verify_depth": (0, 100, "0 and 100."),
    "proxy_timeout": (1, 86400, "1 and 86400 seconds."),
    "request_body_limit": (1, 2147483647, "1 and 2147483647 bytes."),
    "client_ocsp_timeout": (1, 60, "1 and 60 seconds."),
}
# What is refused, a neighbour that is taken, and words of the refusal.
RULES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a hook without remote_src": (
        {"renewal_hook": "/usr/local/bin/renewed"},
        {"renewal_hook": "/usr/local/bin/renewed", **ON_HOST},
        "the option 'renewal_hook' goes with 'remote_src' alone",
    ),
    "a release without the way back": (
        {"release": "3f9c0a6de1b2c4f7"},
        {"release": "3f9c0a6de1b2c4f7", "state": "previous"},
        "the option 'release' goes with 'state: previous' alone",
    ),
    "a release that is none": (
        {"release": "../../3f9c0a6de1b2c4f7", "state": "previous"},
        {"release": "0000000000000000", "state": "previous"},
        "the option 'release' is no name of a release",
    ),
    "no client CA": ({"client_ca": None}, {"client_ca": None, "client_ca_content": "x"}, "'client_ca' is missing"),
    "no certificate": (
        {"certificate": None},
        {"certificate": None, "certificate_content": "x"},
        "the option 'certificate' (what the server shows) is missing.",
    ),
    "no key": ({"private_key": None}, {"private_key": None, "certificate": "a.P12"}, "'private_key' (the key of"),
    "pinned clients that show nothing": (
        {"allowed_clients": [{"subject": "CN=Chat"}], "verify_client": "optional"},
        {"allowed_clients": [{"subject": "CN=Chat"}]},
        "'allowed_clients' is given, and 'verify_client' lets clients in that show none.",
    ),
    "nobody may call": ({"allowed_clients": []}, {"allowed_clients": None}, "'allowed_clients' is an empty list"),
    "files and a backend": (
        {"document_root": "/srv", "proxy_pass": "http://127.0.0.1:1/"},
        {"document_root": "/srv"},
        "both 'document_root' and 'proxy_pass' are given",
    ),
    "a variable of the collection's": (
        {"extra_directives": "Define MTLS_HTTPD_REHEARSAL"},
        {"extra_directives": "Define MTLS_HTTP_REHEARSAL"},
        "'extra_directives' holds MTLS_HTTPD_,",
    ),
    "a responder over https": (
        {"client_ocsp_responder": "https://ocsp.example.com/"},
        {"client_ocsp_responder": "http://ocsp.example.com"},
        "'client_ocsp_responder' is not a URL of http",
    ),
    "less than no header": ({"hsts": -1}, {"hsts": 0}, "the option 'hsts' is negative."),
    "all addresses": ({"listen": ["::"]}, {"listen": ["::1"]}, "'listen[0]' means all addresses."),
    "a scope": ({"listen": ["::1", "fe80::1%1"]}, {"listen": ["fe80::1"]}, "'listen[1]' has a scope"),
    "a name": ({"listen": ["localhost"]}, {"listen": ["127.0.0.1"]}, "'listen[0]' is not an IP address"),
    "no slash at the end": (
        {"proxy_pass": "http://127.0.0.1:1/a"},
        {"proxy_pass": "http://127.0.0.1:1/a/"},
        "'proxy_pass' does not end in a slash",
    ),
    "a log that is no path": (
        {"access_log": "a.log"},
        {"access_log": "server"},
        "absolute path on the target, or server",
    ),
    "an authority and no backend over https": (
        {"proxy_ca": "ca.crt"},
        {"proxy_ca": "ca.crt", "proxy_pass": "https://10.0.0.9/"},
        "'proxy_ca' is given, and no backend is spoken to over https.",
    ),
    "an identity for nobody": (
        {"forward_client_identity": {"subject": "X-Client"}},
        {"forward_client_identity": {"subject": "X-Client"}, "proxy_pass": "http://127.0.0.1:1/"},
        "'forward_client_identity' is given, and there is no backend.",
    ),
    "what the user's own host says": (
        {"manage": "directives", "document_root": "/srv"},
        {"manage": "directives", "port": 8443},
        "the option 'document_root' is not for 'manage: directives'",
    ),
    "a relative path on the host": (
        {**ON_HOST, "certificate": "a.crt"},
        ON_HOST,
        "'certificate' is not an absolute path on the host",
    ),
    "PKCS#12 on the host, which httpd does not read": (
        {"remote_src": True, "certificate": "/etc/a.p12", "private_key": None},
        {"remote_src": False, "certificate": "/etc/a.p12", "private_key": None},
        "the option 'private_key' (the key of the certificate) is missing. Give the absolute path of a PEM file",
    ),
    "a passphrase on the host": (
        {**ON_HOST, "private_key_passphrase": "x"},
        ON_HOST,
        "'private_key_passphrase' does not go with 'remote_src'",
    ),
    "client CAs here and there": (
        {**ON_HOST, "client_ca": ["ca.crt", "/etc/ca.crt"]},
        {**ON_HOST, "client_ca": ["/etc/ca.crt", "/etc/next.crt"]},
        "'client_ca' mixes files on the host",
    ),
    "a list for a client CA on the host": (
        {**ON_HOST, "client_ca": "/etc/ca.crt", "crl": "ca.crl"},
        {**ON_HOST, "crl": "ca.crl"},
        "the option 'crl' is judged by the client CA",
    ),
}


def faults(**options: Any) -> list[str]:
    return list(find_wrong_options(read_options({"sites": [{**GOOD, **options}]}).sites))


def test_a_site_with_its_material_is_taken() -> None:
    assert faults() == []


@pytest.mark.parametrize("name", RANGES)
def test_a_number_is_taken_up_to_both_ends_and_refused_beyond(name: str) -> None:
    least, most, words = RANGES[name]
    assert [faults(**{name: number}) for number in (least, most)] == [[], []]
    beyond = [least - 1, *([most + 1] if most + 1 < 1 << 31 else [])]
    for number in beyond:
        assert faults(**{name: number}) == [f"www.example.com: the option '{name}' is not between {words}"]


@pytest.mark.parametrize(("refused", "taken", "words"), RULES.values(), ids=RULES.keys())
def test_what_does_not_go_together_is_refused_and_its_neighbour_taken(
    refused: dict[str, Any], taken: dict[str, Any], words: str
) -> None:
    assert faults(**taken) == []
    (fault,) = faults(**refused)
    assert words in fault


def test_a_site_that_is_taken_away_needs_no_material() -> None:
    (site,) = read_options({"sites": [{"domain": "www.example.com", "state": "absent"}]}).sites
    assert list(find_wrong_options([site])) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keep_releases": -1}, "the option 'keep_releases' is not between 1 and 100. Correct it."),
        ({"keep_releases": 0}, "the option 'keep_releases' is not between 1 and 100. Correct it."),
        ({"keep_releases": 101}, "the option 'keep_releases' is not between 1 and 100. Correct it."),
        *(
            (
                {"metrics_folder": folder},
                (
                    "the option 'metrics_folder' is no absolute path of letters, digits and _.@+- on the host. Name "
                    "node_exporter's textfile folder, without a slash at its end."
                ),
            )
            for folder in (
                "textfile",
                "/var/lib/",
                "/var/../etc",
                "/var/lib/a b",
                "/var/%n",
                "/",
                "-----BEGIN KEY-----",
            )
        ),
        ({"only": ["no name"]}, "the option 'only' holds what is no name of a site. Correct it."),
        ({"ending_within": -1}, "the option 'ending_within' is negative. Give days from now."),
    ],
)
def test_an_option_of_a_run_that_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    assert [*find_wrong_of_run(read_options({"sites": [GOOD], **options}))] == [words]


@pytest.mark.parametrize(
    "options",
    [
        {"metrics_folder": "/var/lib/prometheus/node-exporter"},
        {"metrics_folder": "/srv/t_1.2@x+y"},
        {"metrics_folder": ""},
        {},
        {"keep_releases": 1},
        {"keep_releases": 100},
        {"only": ["www.example.com"]},
        {"ending_within": 0},
    ],
)
def test_an_option_of_a_run_that_can_be_is_taken(options: dict[str, Any]) -> None:
    assert not [*find_wrong_of_run(read_options({"sites": [GOOD], **options}))]
