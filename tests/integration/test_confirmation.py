# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's confirmation neither takes an open door for a closed one, nor fails where all is as wished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from backend import Backend
from demo_material import write

if TYPE_CHECKING:
    from conftest import LocalOperator

FRONT = "127.0.0.2"
OPENING = {"open_paths": ["/healthz"]}
DENIED = "<Location />\nRequire all denied\n</Location>"
DECIDED = "That the status is a refusal, the handshakes on the host have shown."
CLOSED = "Require expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'"

RULE_ON_OPTIONS = f"SSLVerifyClient optional\n<Location />\n<Limit OPTIONS>\n{CLOSED}\n</Limit>\n</Location>"


def client(operator: LocalOperator) -> dict[str, str]:
    """Return the variables that have a client of the client CA confirm."""
    folder = operator.material.folder
    write(folder, "client.crt", operator.material.client.full_pem)
    write(folder, "client.key", operator.material.client.key_pem)
    return {
        "mutual_tls_confirm_certificate": f"{folder}/client.crt",
        "mutual_tls_confirm_key": f"{folder}/client.key",
    }


@pytest.mark.parametrize(
    ("options", "alone", "beside_a_client"),
    [
        ({}, "enforced over", "enforced over"),
        ({"open_paths": ["/healthz"]}, "unproven over", "enforced for OPTIONS / over"),
        ({"verify_client": "optional"}, "optional for OPTIONS / over", "optional for OPTIONS / over"),
        (
            {"verify_client": "optional", "extra_directives": f"<Location />\n{CLOSED}\n</Location>"},
            "unproven over",
            "enforced for OPTIONS / over",
        ),
        (
            {"protected_paths": [{"path": "/callback", "proxy_pass": "http://127.0.0.1:OTHER/callback"}]},
            "unproven over",
            "enforced for OPTIONS /callback over",
        ),
    ],
    ids=["required", "open paths", "optional", "optional and forbidden", "protected paths"],
)
def test_a_sound_site_is_confirmed_with_a_client_and_without_and_no_backend_is_called(
    operator: LocalOperator, options: dict[str, Any], alone: str, beside_a_client: str
) -> None:
    with Backend("site").serving() as site, Backend("webhook").serving() as webhook:
        protected = [
            {**each, "proxy_pass": each["proxy_pass"].replace("OTHER", str(webhook.port))}
            for each in options.get("protected_paths", ())
        ]
        wish = operator.site | options | {"proxy_pass": f"http://127.0.0.1:{site.port}/"}
        del wish["document_root"]
        if protected:
            wish["protected_paths"] = protected
        for variables, verdict in (({}, alone), (client(operator), beside_a_client)):
            words = " ".join(operator.deploy(mutual_tls_sites=[wish], **variables).output.split())
            assert f"mutual TLS is {verdict}" in words
            assert (DECIDED in words) == (verdict == "unproven over")
        assert (site.asked, webhook.asked) == ([], [])


@pytest.mark.parametrize(
    ("front", "found", "options", "with_client"),
    [
        (RULE_ON_OPTIONS, "optional", {}, True),
        (RULE_ON_OPTIONS, "optional", OPENING, False),
        (f"SSLVerifyClient optional_no_ca\n{DENIED}", "unproven", OPENING, False),
        (f"SSLVerifyClient optional_no_ca\n{DENIED}", "unproven", {}, True),
        (DENIED, "unproven", OPENING, False),
    ],
    ids=["rule on OPTIONS", "beside open paths", "403 for everybody beside open paths", "403 for everybody", "unasked"],
)
def test_what_answers_in_the_sites_stead_is_seen_for_what_it_is(
    operator: LocalOperator, options: dict[str, Any], front: str, found: str, with_client: bool
) -> None:
    conf, folder, domain = operator.httpd.conf, operator.material.folder, operator.material.domain
    write(folder, "client-ca.crt", operator.material.chat.pem)
    conf.write_text(
        f"{conf.read_text()}LoadModule ssl_module modules/mod_ssl.so\n"
        f"LoadModule socache_shmcb_module modules/mod_socache_shmcb.so\nListen {FRONT}:{operator.port} https\n"
        f"<VirtualHost {FRONT}:{operator.port}>\nServerName front.example.com\nSSLEngine on\n"
        f"SSLCertificateFile {folder}/{domain}.crt\nSSLCertificateKeyFile {folder}/{domain}.key\n"
        f"SSLCACertificateFile {folder}/client-ca.crt\n{front}\n</VirtualHost>\n"
    )
    operator.httpd.stop()
    operator.httpd.start()
    variables = client(operator) if with_client else {}
    run = operator.play(mutual_tls_sites=[operator.site | options], mutual_tls_confirm_address=FRONT, **variables)
    assert run.status != 0
    assert f"at {FRONT}:{operator.port}: mutual TLS is {found}, and expected to be enforced" in run.output
