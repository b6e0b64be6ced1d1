# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages on protocol, revocation, clients, their CA, paths, backends and load balancers show is run."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from backend import Backend, get, send
from balancer import balancing
from cryptography.hazmat.primitives.serialization import Encoding
from demo_material import Authority, write, zipped
from embedded_httpd import free_port
from host import COLLECTION, until

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from conftest import LocalOperator
    from demo_material import Issued
    from playing import Run


def shown(page: str) -> list[Any]:
    """Return what a page shows as YAML."""
    text = (COLLECTION / f"docs/{page}.md").read_text()
    return [
        yaml.safe_load(textwrap.dedent(each))
        for each in re.findall(r"```yaml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    ]


def plays(page: str) -> list[dict[str, Any]]:
    """Return the plays that a page shows."""
    return [play for each in shown(page) for play in each]


def deployed(
    operator: LocalOperator,
    page: str,
    *,
    number: int = 0,
    behind: Sequence[Backend] = (),
    leave: str = "",
    instead: Mapping[str, Any] | None = None,
    **more: Any,
) -> Run:
    """Run a page's playbook for the operator's host, with `more` variables, and return what it said.

    number: which of the page's. behind: the backends at the page's ports 8080 and 8081; else files are served. leave:
    an option that is left out. instead: options whose values on the page are examples.
    """
    material, files = operator.material, operator.folder / "files"
    files.mkdir(exist_ok=True)
    for name in ("crt", "chain.crt", "key"):
        write(files, f"{material.domain}.{name}", (material.folder / f"{material.domain}.{name}").read_bytes())
    write(files, "TencentQQAuthCA.crt", material.chat.pem)
    write(files, "TencentQQAuthCA.crt.zip", zipped("TencentQQAuthCA.crt", material.chat.pem))
    play = plays(page)[number]
    text = json.dumps(play["roles"][0].pop("mutual_tls_sites")[0])
    for port, backend in zip((8080, 8081), behind):
        text = text.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{backend.port}/")
    site = json.loads(text)
    del play["hosts"], play["become"]
    play["roles"][0].update({name: value for name, value in more.items() if name in play["roles"][0]})
    own = {name: operator.site[name] for name in ("port", "listen", "trust_anchors")}
    if not behind:
        del site["proxy_pass"]
        own["document_root"] = operator.site["document_root"]
    site.pop(leave, None)
    return operator.deploy(
        plays=[{"roles": play["roles"]}], mutual_tls_sites=[site | own | dict(instead or {})], **more
    )


@pytest.fixture
def behind() -> Iterator[list[Backend]]:
    """Give two backends, which tell by their answers which they are."""
    with Backend("8080").serving() as first, Backend("8081").serving() as second:
        yield [first, second]


def asked(operator: LocalOperator, path: str, client: Issued | None) -> tuple[int, str]:
    """Return the status, and the backend that answered, where one did."""
    status, rest = get(operator.port, operator.material.domain, path, client)
    return status, rest.rpartition("\r\n")[2] if status == 200 else ""


def test_the_old_caller_of_the_page_on_protocol_is_served_and_warned_of(operator: LocalOperator) -> None:
    run = deployed(operator, "protocol")
    assert "it speaks TLSv1, TLSv1.1, with OpenSSL's security level lowered for it" in run.output
    client = answers.Identity(operator.material.client.full_pem, operator.material.client.key_pem)
    for version, result in (("TLSv1", "accepted"), ("TLSv1.1", "accepted"), ("TLSv1.2", "accepted")):
        question = answers.Question(operator.material.domain, version, "trusted", client)
        answer = ask(answers.Door(operator.address, operator.port), question, timeout=5)
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
    again = deployed(operator, "revocation").output
    assert "changed=0" in again
    assert "is to be renewed at" not in again
    soon = datetime.now(timezone.utc) + timedelta(hours=2)
    write(files, "TencentQQAuthCA.crl", operator.material.chat.crl(client, next_update=soon))
    warned = " ".join(deployed(operator, "revocation").output.split())
    assert f"is to be renewed at {soon:%Y-%m-%dT%H:%M:%SZ}" in warned


def test_clients_of_both_cas_are_let_in_by_the_page_on_the_client_ca(operator: LocalOperator) -> None:
    new, files = Authority("New client CA"), operator.folder / "files"
    files.mkdir()
    write(files, "TencentQQAuthCA-new.crt.zip", zipped("TencentQQAuthCA.crt", new.pem))
    pins = [operator.material.chat.sha256, new.sha256]
    sample = plays("client-ca")[0]["roles"][0]["mutual_tls_sites"][0]["client_ca_sha256"]
    assert [len(pin.replace(":", "")) for pin in sample] == [len(pin) for pin in pins]
    deployed(operator, "client-ca", instead={"client_ca_sha256": pins})
    old_client, new_client = operator.material.client, new.issue(client=True, common_name="Chat")
    assert [operator.ask(client).said for client in (old_client, new_client)] == ["HTTP/1.1 200 OK"] * 2
    assert asked_for(operator) == sorted(ca.name.rfc4514_string() for ca in (operator.material.chat, new))
    left = {"client_ca": ["files/TencentQQAuthCA-new.crt.zip"]}
    run = operator.play(mutual_tls_sites=[operator.site | left | {"client_ca_sha256": pins[:1]}])
    assert "wrong-fingerprint" in run.output
    deployed(operator, "client-ca", instead=left | {"client_ca_sha256": pins[1:]})
    assert [operator.ask(client).said for client in (old_client, new_client)] == [
        "TLSV1_ALERT_UNKNOWN_CA",
        "HTTP/1.1 200 OK",
    ]
    assert asked_for(operator) == [new.name.rfc4514_string()]


def asked_for(operator: LocalOperator) -> list[str]:
    """Return the client CAs that `handshake_info` tells of, sorted."""
    endpoint = {"address": operator.address, "port": operator.port, "server_name": operator.material.domain}
    show = {"ansible.builtin.debug": {"msg": "asked: {{ found.endpoints[0].client_ca_names | sort | to_json }} ."}}
    ask = {"mtls.httpd.handshake_info": endpoint, "register": "found"}
    told = " ".join(operator.deploy(plays=[{"tasks": [ask, show]}]).output.split())
    found = re.search(r"asked: (.*?) \.", told)
    assert found, told
    names: list[str] = json.loads(found[1])
    return names


def test_the_consoles_zip_brings_the_first_callback_as_the_page_on_it_says(
    operator: LocalOperator, behind: list[Backend]
) -> None:
    domain = operator.material.domain
    issued = operator.material.chat.issue(domain)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("www.example.com.crt", issued.pem)
        archive.writestr("www.example.com.key", issued.key_pem)
    (operator.folder / "files").mkdir()
    write(operator.folder / "files", "www.example.com.zip", packed.getvalue())
    operator.site["trust_anchors"] = None
    assert (
        "every client of the client CA may call, not Chat alone" in deployed(operator, "console", behind=behind).output
    )
    chat = operator.material.chat.issue(client=True, common_name="Chat", organization="Tencent")
    assert operator.ask(chat).certificate_sha256 == issued.sha256
    target, body = (
        "/hook?SdkAppid=1400000000&CallbackCommand=State.StateChange",
        b'{"CallbackCommand":"State.StateChange"}',
    )
    head = f"POST {target} HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    assert send(operator.port, domain, head.encode() + body, chat)[0] == 200
    assert behind[0].paths[-1] == target
    pins = shown("console")[1]
    log = operator.httpd.root / "logs/www.example.com-access.log"
    assert until(lambda: f'SUCCESS "{pins["allowed_clients"][0]["subject"]}"' in log.read_text())
    deployed(operator, "console", behind=behind, instead=pins)
    statuses = [asked(operator, target, each)[0] for each in (chat, operator.material.client)]
    assert statuses == [200, 403]


def test_the_tutorials_backend_gets_chats_call_and_nobody_elses(operator: LocalOperator, tmp_path: Path) -> None:
    text = (COLLECTION / "docs/tutorial.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    port = free_port()
    program = tmp_path / "backend.py"
    program.write_text(found[1].replace("8080", str(port)))
    with subprocess.Popen(
        [sys.executable, "-u", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as backend:
        try:
            play = json.dumps(plays("tutorial")[0]["roles"]).replace("127.0.0.1:8080", f"127.0.0.1:{port}")
            (role,) = json.loads(play)
            site = role.pop("mutual_tls_sites")[0]
            assert site.keys() >= {"certificate", "private_key", "chain", "client_ca", "trust_anchors"}
            del operator.site["document_root"]
            own = {name: value for name, value in operator.site.items() if name != "proxy_pass"}
            operator.deploy(plays=[{"roles": [role]}], mutual_tls_sites=[site | own])
            body = b'{"CallbackCommand":"State.StateChange"}'
            head = f"POST /hook HTTP/1.1\r\nHost: {operator.material.domain}\r\nConnection: close\r\n"
            call = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            status, answer = send(operator.port, operator.material.domain, call, operator.material.client)
            assert (status, '"ActionStatus": "OK"' in answer) == (200, True)
            assert operator.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
            assert backend.stdout
            assert backend.stdout.readline() == b"Chat says: State.StateChange\n"
        finally:
            backend.terminate()


def test_the_group_of_the_page_on_options_says_which_httpd_is_meant(operator: LocalOperator) -> None:
    (play,) = plays("options")
    (task,) = play["tasks"]
    show = {"ansible.builtin.debug": {"msg": "config {{ asked.server.config }}."}}
    tasks = [{**task, "register": "asked"}, show]
    wrong = operator.play(plays=[{"module_defaults": play["module_defaults"], "tasks": tasks}])
    assert wrong.status != 0
    assert "/opt/application/bin/httpd" in wrong.output
    own = {"httpd_binary": str(operator.httpd.binary), "httpd_config": str(operator.httpd.conf)}
    right = operator.deploy(plays=[{"module_defaults": dict.fromkeys(play["module_defaults"], own), "tasks": tasks}])
    assert f"config {operator.httpd.conf}." in right.output


BALANCER = "127.0.0.2"


def test_callers_come_through_the_load_balancer_of_the_page_and_are_named_by_their_own_address(
    operator: LocalOperator,
) -> None:
    callers = replace(operator, address=BALANCER)
    _deploy, confirm = plays("load-balancer")
    (task,) = confirm["tasks"]
    task["mtls.httpd.handshake_info"] |= {"address": BALANCER, "port": operator.port}
    del confirm["hosts"]
    with balancing(BALANCER, "127.0.0.1", operator.port, header=True):
        run = deployed(operator, "load-balancer", mutual_tls_confirm_address=BALANCER)
        assert callers.ask(operator.material.client).said == "HTTP/1.1 200 OK"
        assert callers.ask(None).said == "HTTP/1.1 403 Forbidden"  # An open path lets the handshake pass.
        log = operator.httpd.root / "logs/www.example.com-access.log"
        assert until(lambda: log.read_text().count('"GET / ') == 4)  # two of them the confirmation's
        assert {line.split()[0] for line in log.read_text().splitlines()} == {"127.0.0.1"}
        again = deployed(operator, "load-balancer", mutual_tls_confirm_address=BALANCER)
        assert "changed=0" in again.output, run.output
        operator.deploy(plays=[confirm])


def test_a_balancer_that_forgets_the_header_is_found_by_the_confirmation(operator: LocalOperator) -> None:
    site = operator.site | {"proxy_protocol": True}
    with balancing(BALANCER, "127.0.0.1", operator.port, header=False):
        run = operator.play(mutual_tls_sites=[site], mutual_tls_confirm_address=BALANCER)
    assert run.status != 0
    assert f"at {BALANCER}:{operator.port}: mutual TLS is unproven" in run.output


def test_a_balancer_that_ends_tls_itself_is_found_by_the_confirmation(operator: LocalOperator) -> None:
    conf, domain = operator.httpd.conf, operator.material.domain
    served = f"{operator.material.folder}/{domain}"
    conf.write_text(
        f"{conf.read_text()}LoadModule ssl_module modules/mod_ssl.so\n"
        f"LoadModule socache_shmcb_module modules/mod_socache_shmcb.so\nListen {BALANCER}:{operator.port} https\n"
        f"<VirtualHost {BALANCER}:{operator.port}>\nServerName balancer.example.com\nSSLEngine on\n"
        f"SSLCertificateFile {served}.crt\nSSLCertificateKeyFile {served}.key\n</VirtualHost>\n"
    )
    operator.httpd.stop()
    operator.httpd.start()
    run = operator.play(mutual_tls_confirm_address=BALANCER)
    assert run.status != 0
    assert f"at {BALANCER}:{operator.port}: mutual TLS is off, and expected to be enforced" in run.output


def test_chat_is_pinned_by_what_the_access_log_says_as_the_page_on_clients_tells(operator: LocalOperator) -> None:
    chat = operator.material.chat.issue(client=True, common_name="Chat", organization="Tencent")
    customer = operator.material.client
    assert (
        "every client of the client CA may call, not Chat alone"
        in deployed(operator, "clients", leave="allowed_clients").output
    )
    assert {operator.ask(each).said for each in (chat, customer)} == {"HTTP/1.1 200 OK"}
    log = operator.httpd.root / "logs/www.example.com-access.log"
    assert until(lambda: log.read_text().count('"GET / ') == 2)
    pin = plays("clients")[0]["roles"][0]["mutual_tls_sites"][0]["allowed_clients"][0]["subject"]
    assert [f'SUCCESS "{pin}"' in line for line in log.read_text().splitlines() if '"GET / ' in line] == [True, False]
    deployed(operator, "clients")
    assert operator.ask(chat).said == "HTTP/1.1 200 OK"
    assert operator.ask(customer).said == "HTTP/1.1 403 Forbidden"
    assert "changed=0" in deployed(operator, "clients").output


def test_the_health_check_of_the_page_on_paths_is_open_and_nothing_else(
    operator: LocalOperator, behind: list[Backend]
) -> None:
    deployed(operator, "paths", behind=behind)
    assert asked(operator, "/healthz", None) == (200, "8080")
    assert asked(operator, "/healthz/", None) == asked(operator, "/callback", None) == (403, "")
    assert asked(operator, "/callback", operator.material.client) == (200, "8080")


def test_the_webhook_of_the_page_on_paths_is_protected_and_the_rest_is_open(
    operator: LocalOperator, behind: list[Backend]
) -> None:
    deployed(operator, "paths", number=1, behind=behind)
    for path in ("/callback", "/callback/below"):
        assert asked(operator, path, None) == (403, "")
        assert asked(operator, path, operator.material.client) == (200, "8081")
    for path in ("/", "/Callback", "/callback;x", "/a/..;/callback"):
        assert asked(operator, path, None) == (200, "8080")


def test_a_body_without_a_length_gets_411_by_the_page_on_backends(
    operator: LocalOperator, behind: list[Backend]
) -> None:
    deployed(operator, "backend", behind=behind)
    limit = plays("backend")[0]["roles"][0]["mutual_tls_sites"][0]["request_body_limit"]
    head = f"POST / HTTP/1.1\r\nHost: {operator.material.domain}\r\nConnection: close\r\n"
    for header, body, status in (
        ("Content-Length: 1", "x", 200),
        (f"Content-Length: {limit + 1}", "x", 413),
        ("Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n", 411),
    ):
        request = f"{head}{header}\r\n\r\n{body}".encode()
        assert send(operator.port, operator.material.domain, request, operator.material.client)[0] == status
    assert len(behind[0].asked) == 1


def test_the_backend_of_the_page_learns_who_called(operator: LocalOperator, behind: list[Backend]) -> None:
    client = operator.material.client
    deployed(operator, "backend", number=1, behind=behind)
    assert asked(operator, "/", client) == (200, "8080")
    told = dict(behind[0].headers())
    der = base64.b64encode(client.certificate.public_bytes(Encoding.DER)).decode()
    assert {name: value for name, value in told.items() if "Client" in name} == {
        "X-Client-Subject": client.certificate.subject.rfc4514_string(),
        "X-Client-Serial": client.serial,
        "X-Client-Verify": "SUCCESS",
        "X-Client-Certificate": der,
        "Client-Cert": f":{der}:",
    }
