# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/beside.md shows is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from embedded_httpd import free_port

if TYPE_CHECKING:
    from conftest import LocalOperator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "beside.md"
NEXT_TO, OWN = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL))
REFUSED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def plays(operator: LocalOperator, playbook: list[dict[str, Any]], **instead: Any) -> list[dict[str, Any]]:
    """Return the page's playbook, with what the scratch server is different in from a host."""
    [play] = playbook
    [role] = play["roles"]
    [site] = role["vars"]["mutual_tls_sites"]
    material = {key: value for key, value in operator.material.site.items() if key in {*site, "trust_anchors"}}
    sites = [site | material | {"port": operator.port} | instead]
    variables = {key: value for key, value in operator.variables.items() if key != "mutual_tls_sites"}
    role = {"role": role["role"], "vars": {"mutual_tls_sites": sites}}
    return [play | {"hosts": "webhook", "become": False, "vars": variables, "roles": [role]}]


def test_the_playbook_for_a_site_next_to_others_accepts_the_way_past_that_it_names(operator: LocalOperator) -> None:
    root, conf = str(operator.httpd.root / "site"), operator.httpd.conf
    port = free_port()
    with conf.open("a") as stream:
        stream.write(f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nDocumentRoot {root}\n")
        stream.write(f"<Directory {root}>\nRequire all granted\n</Directory>\n</VirtualHost>\n")
    operator.httpd.stop()
    operator.httpd.start()
    words = operator.refused(plays=plays(operator, NEXT_TO, document_root=root, listen=["127.0.0.1"])).output
    assert f"accept it by 'allow_bypass: [{conf}]'" in " ".join(words.split())
    accepted = plays(operator, NEXT_TO, document_root=root, listen=["127.0.0.1"], allow_bypass=[str(conf)])
    operator.deploy(plays=accepted)
    assert operator.ask(None).said == REFUSED


def test_the_playbook_for_a_virtual_host_of_ones_own_says_which_line_to_put_where(operator: LocalOperator) -> None:
    material, conf = operator.material, operator.httpd.conf
    for name, content in ("own.crt", material.server.full_pem), ("own.key", material.server.key_pem):
        (conf.parent / name).write_bytes(content)
    old = "SSLCertificateFile conf/own.crt\nSSLCertificateKeyFile conf/own.key"
    with conf.open("a") as stream:
        stream.write(f"LoadModule ssl_module modules/mod_ssl.so\nListen 127.0.0.1:{operator.port} https\n")
        stream.write(f"<VirtualHost *:{operator.port}>\nServerName {material.domain}\n")
        root = operator.httpd.root / "site"
        stream.write(f"DocumentRoot {root}\n<Directory {root}>\nRequire all granted\n</Directory>\n")
        stream.write(f"SSLEngine on\n{old}\n</VirtualHost>\n")
    operator.httpd.stop()
    operator.httpd.start()
    words = " ".join(operator.deploy(plays=plays(operator, OWN)).output.split())
    assert operator.ask(None).said == "HTTP/1.1 200 OK"
    line = re.search(r"put `(Include \S+)` into the virtual host at", words)
    assert line, words
    conf.write_text(conf.read_text().replace(old, line[1]))
    assert "amiss" not in operator.deploy(plays=plays(operator, OWN)).output
    assert operator.ask(None).said == REFUSED
    assert operator.ask(material.client).said == "HTTP/1.1 200 OK"
    assert "changed=0" in operator.deploy(plays=plays(operator, OWN)).output
    included = conf.parent / "mtls" / material.domain / "current/site.conf"
    included.write_text(included.read_text().replace("SSLVerifyClient require", "SSLVerifyClient none"))
    operator.httpd.stop()
    operator.httpd.start()
    drifted = " ".join(operator.deploy(plays=plays(operator, OWN)).output.split())
    assert "site.conf was edited" in drifted
    assert "a client without a certificate got in" in drifted
    assert operator.ask(None).said == REFUSED
