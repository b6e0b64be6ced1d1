# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""handshake_info as a playbook calls it, from the controller and on the target."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from demo_material import write
from embedded_httpd import EmbeddedHttpd, free_port
from playing import playbook_environment, run_playbook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import SiteMaterial

MODULE = "mtls.httpd.handshake_info"
BIN = Path(sys.executable).parent
CONFIGURATION = """
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
SSLSessionCache none
SSLCertificateFile conf/server.crt
SSLCertificateKeyFile conf/server.key
SSLCACertificateFile conf/client-ca.crt
Listen 127.0.0.1:{closed}
Listen 127.0.0.1:{open}
Listen 127.0.0.1:{guarded}
<VirtualHost *:{closed}>
    ServerName www.example.com
    SSLEngine on
    SSLVerifyClient require
</VirtualHost>
<VirtualHost *:{open}>
    ServerName www.example.com
    SSLEngine on
</VirtualHost>
<VirtualHost *:{guarded}>
    ServerName www.example.com
    SSLEngine on
    SSLVerifyClient optional
    <Location /callback>
        Require expr %{{SSL_CLIENT_VERIFY}} == 'SUCCESS'
    </Location>
</VirtualHost>
"""
SHOW = """
import json, os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_NAME = "show"
    CALLBACK_TYPE = "notification"
    CALLBACK_NEEDS_ENABLED = False

    def _write(self, result, failed):
        with open(os.environ["SHOWN"], "w") as file:
            json.dump({**result._result, "failed": failed}, file)

    def v2_runner_on_ok(self, result):
        self._write(result, False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result, True)

    v2_runner_on_unreachable = v2_runner_on_failed
"""


@dataclass(frozen=True)
class TaskOperator:
    """Somebody with a playbook of one task, and an httpd with three sites.

    One requires certificates, one is open, and one requires them for a path.
    """

    folder: Path
    material: SiteMaterial
    closed: int
    open: int
    guarded: int
    environment: dict[str, str] = field(repr=False)

    def run(self, options: dict[str, Any], *arguments: str, **keywords: Any) -> dict[str, Any]:
        """Run the task; return its result, and all that was printed as `output`."""
        task = {MODULE: options, **keywords}
        play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        done = run_playbook(self.folder, self.environment, "-i", "inventory.yml", "play.yml", *arguments)
        shown = self.folder / "shown.json"
        assert shown.exists(), done.stdout + done.stderr
        return {**json.loads(shown.read_text()), "output": done.stdout + done.stderr}


def oldest_python() -> str:
    """Return the oldest Python found that a target may have."""
    for version in range(9, 14):
        path = shutil.which(f"python3.{version}")
        if path and not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
            return path
    return sys.executable


@pytest.fixture
def operator(
    short_path: Path, site_material: SiteMaterial, collections_path: Path, tmp_path: Path
) -> Iterator[TaskOperator]:
    """Give an operator the two sites."""
    folder = tmp_path / "playbooks"
    (folder / "callback_plugins").mkdir(parents=True)
    (folder / "callback_plugins" / "show.py").write_text(SHOW)
    host = {"ansible_connection": "local", "ansible_python_interpreter": oldest_python()}
    (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"webhook": host}}}))
    write(folder / "files", "chat.crt", site_material.client.full_pem)
    write(folder / "files", "chat.key", site_material.client.key_pem)
    ports = {"closed": free_port(), "open": free_port(), "guarded": free_port()}
    httpd = EmbeddedHttpd(short_path / "httpd", extra=CONFIGURATION.format(**ports))
    httpd.lay_out()
    write(httpd.root / "conf", "server.crt", site_material.server.full_pem)
    write(httpd.root / "conf", "server.key", site_material.server.key_pem)
    write(httpd.root / "conf", "client-ca.crt", site_material.chat.pem)
    httpd.start()
    environment = playbook_environment(tmp_path, collections_path) | {"SHOWN": str(folder / "shown.json")}
    yield TaskOperator(folder, site_material, environment=environment, **ports)
    httpd.stop()


@pytest.mark.parametrize("run_on", ["controller", "target"])
def test_the_whole_result_is_the_same_from_either_side(operator: TaskOperator, run_on: str) -> None:
    files = operator.folder / "files" if run_on == "target" else Path()
    result = operator.run(
        {
            "port": operator.closed,
            "server_name": "www.example.com",
            "client_certificate": str(files / "chat.crt"),
            "client_key": str(files / "chat.key"),
            "expect": "enforced",
            "certificate_sha256": operator.material.server.sha256.upper(),
            "run_on": run_on,
        }
    )
    assert not result["failed"], result["output"]
    assert result["changed"] is False
    assert result["msg"] == f"www.example.com at 127.0.0.1:{operator.closed}: mutual TLS is enforced."
    (endpoint,) = result["endpoints"]
    assert endpoint["run_on"] == run_on
    assert endpoint["mutual_tls"] == "enforced"
    assert [(answer["version"], answer["client"], answer["result"]) for answer in endpoint["answers"]] == [
        ("TLSv1.2", "none", "refused"),
        ("TLSv1.2", "untrusted", "refused"),
        ("TLSv1.2", "trusted", "accepted"),
        ("TLSv1.3", "none", "refused"),
        ("TLSv1.3", "untrusted", "refused"),
        ("TLSv1.3", "trusted", "accepted"),
    ]
    assert (endpoint["method"], endpoint["path"], endpoint["holds_for"]) == ("GET", "/", "any_request")
    assert (endpoint["certificate_requested"], endpoint["status_sufficed"]) == (True, False)
    assert [(each["method"], each["status"]) for each in endpoint["answers"]] == [
        ("GET", s) for s in [None, None, 200] * 2
    ]
    assert endpoint["client_ca_names"] == [operator.material.chat.certificate.subject.rfc4514_string()]
    served = operator.material.server.certificate
    assert endpoint["certificate"] == {
        "sha256": operator.material.server.sha256,
        "pem": operator.material.server.pem.decode(),
        "subject": "CN=www.example.com",
        "issuer": "CN=Test Issuing CA",
        "names": ["www.example.com"],
        "not_before": served.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": served.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@pytest.mark.parametrize("run_on", ["controller", "target"])
def test_all_endpoints_are_tried_and_every_failure_is_in_one_message(operator: TaskOperator, run_on: str) -> None:
    result = operator.run(
        {
            "address": "127.0.0.1",
            "server_name": "www.example.com",
            "expect": "enforced",
            "run_on": run_on,
            "endpoints": [
                {"port": operator.open},
                {"port": operator.closed},
                {"port": operator.open, "expect": "off", "certificate_sha256": "ab" * 32},
                {"port": 9},
            ],
        }
    )
    assert result["failed"]
    lines = result["msg"].splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        f"www.example.com at 127.0.0.1:{operator.open}: mutual TLS is off, and expected to be enf"
    )
    assert "expected is the certificate with SHA-256 abab" in lines[1]
    assert "127.0.0.1:9: mutual TLS is unproven" in lines[2]
    assert [each["mutual_tls"] for each in result["endpoints"]] == ["off", "enforced", "off", "unproven"]


@pytest.mark.parametrize("run_on", ["controller", "target"])
def test_a_path_and_a_method_are_asked_for_and_a_status_is_weighed(operator: TaskOperator, run_on: str) -> None:
    files = operator.folder / "files" if run_on == "target" else Path()
    known = {"client_certificate": str(files / "chat.crt"), "client_key": str(files / "chat.key")}
    place = {"port": operator.guarded, "server_name": "www.example.com", "path": "/callback?a=%20b", "run_on": run_on}
    several = [{}, {"path": "/"}, {"method": "HEAD"}]
    with_client = operator.run({**place, **known, "endpoints": several})
    assert [
        (each["mutual_tls"], each["holds_for"], each["method"], each["path"]) for each in with_client["endpoints"]
    ] == [
        ("enforced", "this_request", "GET", "/callback?a=%20b"),
        ("optional", "this_request", "GET", "/"),
        ("enforced", "this_request", "HEAD", "/callback?a=%20b"),
    ]
    first = f"www.example.com at 127.0.0.1:{operator.guarded}: mutual TLS is "
    assert with_client["msg"].splitlines()[0] == f"{first}enforced for GET /callback?a=%20b."
    alone = operator.run(place)
    assert alone["msg"] == f"{first}unproven, as a status (403) alone proves no refusal."
    assert (alone["endpoints"][0]["holds_for"], alone["endpoints"][0]["certificate_requested"]) == (None, True)
    refused = operator.run({**place, "expect": "enforced"})
    assert refused["failed"]
    assert "mutual TLS is unproven, and expected to be enforced" in refused["msg"]
    suffices = operator.run({**place, "expect": "enforced", "status_suffices": True})
    assert not suffices["failed"], suffices["output"]
    assert (suffices["endpoints"][0]["mutual_tls"], suffices["endpoints"][0]["status_sufficed"]) == ("unproven", True)


def test_without_expectations_it_only_reports(operator: TaskOperator) -> None:
    result = operator.run({"endpoints": [{"port": operator.open}, {"port": 9}]}, "--check")
    assert not result["failed"]
    assert [each["mutual_tls"] for each in result["endpoints"]] == ["off", "unproven"]


@pytest.mark.parametrize("run_on", ["controller", "target"])
def test_a_summary_is_a_line_and_the_answers_are_there_where_it_fails(operator: TaskOperator, run_on: str) -> None:
    place = {"port": operator.closed, "server_name": "www.example.com", "run_on": run_on, "summary": True}
    told = operator.run(place)
    assert told["msg"].startswith(
        f"www.example.com at 127.0.0.1:{operator.closed}: mutual TLS is enforced over TLSv1.2"
    )
    assert "endpoints" not in told
    failed = operator.run(place | {"expect": "off"})
    assert failed["failed"]
    assert failed["endpoints"][0]["answers"]


def test_delegation_is_an_error_on_the_controller_and_honoured_on_the_target(operator: TaskOperator) -> None:
    options = {"port": operator.closed, "expect": "enforced"}
    refused = operator.run(options, delegate_to="localhost")
    assert refused["failed"]
    assert "delegate_to" in refused["msg"]
    honoured = operator.run(
        {**options, "run_on": "target"},
        delegate_to="other",
        vars={"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    )
    assert not honoured["failed"], honoured["output"]
    meant = operator.run({**options, "run_on": "controller"}, delegate_to="localhost")
    assert not meant["failed"], meant["output"]


def test_some_endpoints_are_asked_on_the_target_and_others_from_the_controller(operator: TaskOperator) -> None:
    place = {"address": "127.0.0.1", "server_name": "www.example.com"}
    several = [
        {"port": operator.open, "run_on": "target", "expect": "enforced"},
        {"port": operator.closed},
        {"port": operator.closed, "run_on": "target"},
        {"port": operator.open, "expect": "enforced"},
    ]
    result = operator.run(place | {"endpoints": several})
    assert [(each["port"], each["run_on"], each["mutual_tls"]) for each in result["endpoints"]] == [
        (operator.open, "target", "off"),
        (operator.closed, "controller", "enforced"),
        (operator.closed, "target", "enforced"),
        (operator.open, "controller", "off"),
    ]
    assert result["failed"]
    assert len(result["msg"].splitlines()) == 2
    sound = operator.run(place | {"endpoints": several[1:3]})
    assert not sound["failed"], sound["output"]
    assert all(each["certificate"]["names"] == ["www.example.com"] for each in sound["endpoints"])


def test_a_clients_key_does_not_leave_the_controller_for_an_endpoint_that_is_asked_on_the_target(
    operator: TaskOperator,
) -> None:
    client = {"client_certificate": "chat.crt", "client_key": "chat.key", "expect": "enforced"}
    place = {"port": operator.closed, "server_name": "www.example.com"}
    refused = operator.run(client | {"endpoints": [place | {"run_on": "target"}]})
    assert refused["failed"]
    assert "'client_key' does not leave the controller" in refused["msg"]
    taken = operator.run(client | {"endpoints": [place | {"run_on": "controller"}]})
    assert not taken["failed"], taken["output"]


def test_become_is_ignored_on_the_controller_and_honoured_on_the_target(operator: TaskOperator) -> None:
    options = {"port": operator.closed, "expect": "enforced"}
    become = {"become": True, "become_user": "nobody", "vars": {"ansible_become_exe": "/bin/false"}}
    ignored = operator.run(options, **become)
    assert not ignored["failed"], ignored["output"]
    honoured = operator.run({**options, "run_on": "target"}, **become)
    assert honoured["failed"]


def test_a_vaulted_key_is_opened_in_memory(operator: TaskOperator) -> None:
    (operator.folder / "password").write_text("correct horse")
    vaulted = operator.folder / "files" / "chat.key"
    command = [BIN / "ansible-vault", "encrypt", "--vault-password-file", operator.folder / "password", vaulted]
    subprocess.run(command, env=operator.environment, capture_output=True, check=True)
    options = {
        "port": operator.closed,
        "client_certificate": "chat.crt",
        "client_key": "chat.key",
        "expect": "enforced",
    }
    result = operator.run(options, "--vault-password-file", "password")
    assert not result["failed"], result["output"]
    assert {answer["result"] for answer in result["endpoints"][0]["answers"] if answer["client"] == "trusted"} == {
        "accepted"
    }


@pytest.mark.parametrize("pipelining", ["0", "1"])
@pytest.mark.parametrize("run_on", ["controller", "target"])
def test_no_key_is_printed_however_much_is_asked_for(operator: TaskOperator, run_on: str, pipelining: str) -> None:
    operator.environment["ANSIBLE_PIPELINING"] = pipelining
    files = operator.folder / "files"
    key = operator.material.client.key_pem.decode()
    options = {
        "port": operator.closed,
        "client_certificate": str(files / "chat.crt"),
        "client_key": str(files / "chat.key"),
        "expect": "enforced",
        "run_on": run_on,
    }
    outputs = [
        operator.run(options, "-vvvv")["output"],
        operator.run({**options, "expect": "off"}, "-vvvv")["output"],
        operator.run({**options, "client_key": key}, "-vvvv")["output"],
        operator.run({**options, "client_kee": key}, "-vvvv")["output"],
        operator.run({**options, "server_name": key}, "-vvvv")["output"],
    ]
    secrets = [line for line in key.splitlines() if line]
    for output in outputs:
        assert not [line for line in secrets if line in output]
        assert "PRIVATE KEY" not in output
        assert "LS0tLS1CRUdJTi" not in output, "base64 of a PEM header"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"expect": "sometimes"}, "option 'expect' must be one of enforced, optional, off."),
        ({"port": 0}, "option 'port' must be between 1 and 65535."),
        ({"method": "DELETE"}, "option 'method' must be one of GET, HEAD, OPTIONS, POST."),
        ({"path": "callback"}, "option 'path' must begin with /"),
        ({"endpoints": [{"path": "/a b"}], "run_on": "target"}, "endpoints[0]: option 'path' must begin with /"),
        ({"client_key": "chat.key"}, "options 'client_certificate' and 'client_key' belong together."),
        ({"client_key": "no.key", "client_certificate": "chat.crt"}, "is not on the controller"),
        ({"client_key": "chat.crt", "client_certificate": "chat.crt"}, "client certificate and key do not load"),
        ({"untrusted_client": "LS0t"}, "there is no option 'untrusted_client'."),
        ({"run_on": "target", "client_key": "/no", "client_certificate": "/no"}, "/no on the target, where"),
        ({"run_on": "target", "endpoints": []}, "option 'endpoints' is an empty list"),
    ],
)
def test_what_is_wrong_with_the_options_is_said_in_one_line(
    operator: TaskOperator, options: dict[str, Any], said: str
) -> None:
    result = operator.run(options)
    assert result["failed"]
    assert said in result["msg"]
    assert "\n" not in result["msg"]
