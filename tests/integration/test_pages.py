# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages on protocol, revocation and the client CA show is run."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

import yaml
from demo_material import Authority, write, zipped
from host import COLLECTION

from ansible_collections.mtls.httpd.plugins.module_utils import _handshake

if TYPE_CHECKING:
    from conftest import LocalOperator
    from playing import Run


def deployed(operator: LocalOperator, page: str, **more: Any) -> Run:
    """Run the page's playbook for the operator's host, with `more` variables, and return what it said."""
    material, files = operator.material, operator.folder / "files"
    files.mkdir(exist_ok=True)
    for name in ("crt", "chain.crt", "key"):
        write(files, f"{material.domain}.{name}", (material.folder / f"{material.domain}.{name}").read_bytes())
    write(files, "TencentQQAuthCA.crt", material.chat.pem)
    write(files, "TencentQQAuthCA.crt.zip", zipped("TencentQQAuthCA.crt", material.chat.pem))
    found = re.search(r"```yaml\n(.*?)^ *```", (COLLECTION / f"docs/{page}.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    (play,) = yaml.safe_load(textwrap.dedent(found[1]))
    site = play["roles"][0].pop("mutual_tls_sites")[0]
    del site["proxy_pass"], play["hosts"], play["become"]
    own = {name: operator.site[name] for name in ("port", "listen", "document_root", "trust_anchors")}
    return operator.deploy(plays=[{"roles": play["roles"]}], mutual_tls_sites=[site | own], **more)


def test_the_old_caller_of_the_page_on_protocol_is_served_and_warned_of(operator: LocalOperator) -> None:
    run = deployed(operator, "protocol")
    assert "it speaks TLSv1, TLSv1.1, with OpenSSL's security level lowered for it" in run.output
    client = _handshake.Identity(operator.material.client.full_pem, operator.material.client.key_pem)
    for version, result in (("TLSv1", "accepted"), ("TLSv1.1", "accepted"), ("TLSv1.2", "accepted")):
        answer = _handshake.ask(
            operator.address,
            operator.port,
            operator.material.domain,
            version=version,
            client="trusted",
            identity=client,
            timeout=5,
        )
        assert (version, answer.result) == (version, result)
    assert "changed=0" in deployed(operator, "protocol").output


def test_the_revoked_client_of_the_page_on_revocation_is_refused_when_the_list_is_renewed(
    operator: LocalOperator,
) -> None:
    client, files = operator.material.client, operator.folder / "files"
    files.mkdir()
    write(files, "TencentQQAuthCA.crl", operator.material.chat.crl())
    deployed(operator, "revocation")
    assert operator.ask(client).said == "HTTP/1.1 200 OK"
    write(files, "TencentQQAuthCA.crl", operator.material.chat.crl(client))
    deployed(operator, "revocation")
    assert operator.ask(client).said == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    assert "changed=0" in deployed(operator, "revocation").output


def test_clients_of_both_cas_are_let_in_by_the_page_on_the_client_ca(operator: LocalOperator) -> None:
    new, files = Authority("New client CA"), operator.folder / "files"
    files.mkdir()
    write(files, "TencentQQAuthCA-new.crt", new.pem)
    deployed(operator, "client-ca", client_ca_pins=[operator.material.chat.sha256, new.sha256])
    for client in (operator.material.client, new.issue(client=True, common_name="Chat")):
        assert operator.ask(client).said == "HTTP/1.1 200 OK"
