# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""validate_certificate as Ansible runs it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from demo_material import Authority, key_pem, new_key, write, zipped

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import documented_options

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "mtls.httpd.validate_certificate"
ROOT = Authority("Test Root CA")
ISSUING = Authority("Test Issuing CA", issuer=ROOT)
CHAT = Authority("Test Chat CA")
SERVER = ISSUING.issue("www.example.com")
FILES = {
    "domain": "www.example.com",
    "certificate": "site.crt",
    "private_key": "site.key",
    "chain": "chain.crt",
    "client_ca": "TencentQQAuthCA.crt.zip",
    "trust_anchors": ["root.crt"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of a playbook with good material in `files`."""
    write(tmp_path / "files", "site.crt", SERVER.pem)
    write(tmp_path / "files", "site.key", SERVER.key_pem)
    write(tmp_path / "files", "chain.crt", SERVER.chain_pem)
    write(tmp_path / "files", "root.crt", ROOT.pem)
    write(tmp_path / "files", "TencentQQAuthCA.crt.zip", zipped("TencentQQAuthCA.crt", CHAT.pem))
    return tmp_path


def play(folder: Path, options: dict[str, Any], *arguments: str, **task: Any) -> tuple[dict[str, Any], str]:
    """Run the module in a playbook of this folder; return its result and all that Ansible printed.

    The values come from variables, as an inventory's do: Ansible itself prints the lines around a task that fails.
    """
    (folder / "variables.json").write_text(json.dumps({"given": list(options.values())}))
    module = {name: f"{{{{ given[{number}] }}}}" for number, name in enumerate(options)}
    copy = {"content": "{{ verdict | to_json }}", "dest": f"{folder}/verdict.json"}
    tasks = [
        {MODULE: module, "register": "verdict", "ignore_errors": True, **task},
        {"ansible.builtin.copy": copy, "check_mode": False, "diff": False, "no_log": True},
    ]
    plays = [{"hosts": "localhost", "gather_facts": False, "vars_files": ["variables.json"], "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
    command = ["ansible-playbook", *arguments, "play.yml"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    assert "Traceback" not in output
    verdict: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return verdict, output


def codes(verdict: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in verdict["findings"]]


def test_good_material_found_as_copy_finds_it_passes_also_in_check_mode(folder: Path) -> None:
    verdict, _output = play(folder, FILES, "--check", "--diff")
    assert (verdict["failed"], verdict["changed"], verdict["findings"]) == (False, False, [])
    assert [one["use"] for one in verdict["certificates"]] == ["server", "client_ca", "chain", "trust_anchor"]
    assert verdict["certificates"][0]["sha256"] == SERVER.sha256
    assert verdict["first_end"]["days_left"] == 89
    assert verdict["notes"] == ["The path was judged to end at root.crt."]


def test_all_errors_are_named_at_once_as_text_and_as_data(folder: Path) -> None:
    write(folder / "files", "site.key", key_pem(new_key()))
    verdict, _output = play(folder, {**FILES, "domain": "www.example.org", "crl": "missing.crl"})
    assert verdict["failed"]
    assert set(codes(verdict)) == {"key-mismatch", "name-mismatch", "unreadable"}
    for finding in verdict["findings"]:
        assert set(finding) == {"code", "severity", "subject", "message", "remedy", "domain"}
        assert f"{finding['code']}, {finding['subject']}" in verdict["msg"].replace("\n    ", " ")


def test_inline_material_is_taken_as_text_and_as_base64(folder: Path) -> None:
    given = {
        "domain": "www.example.com",
        "certificate_content": SERVER.pem.decode(),
        "private_key_content": base64.b64encode(
            SERVER.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        ).decode(),
        "chain_content": base64.b64encode(SERVER.intermediates[0].public_bytes(Encoding.DER)).decode(),
        "client_ca_content": [base64.b64encode(zipped("a.crt", CHAT.pem)).decode()],
        "trust_anchors_content": ROOT.pem.decode(),
    }
    assert play(folder, given)[0]["findings"] == []


def test_vaulted_files_are_decrypted_without_touching_the_disk(folder: Path) -> None:
    (folder / "password").write_text("vault's")
    command = ["ansible-vault", "encrypt", "--vault-password-file", "password", "files/site.key"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    assert (folder / "files" / "site.key").read_bytes().startswith(b"$ANSIBLE_VAULT")
    verdict, _output = play(folder, FILES, "--vault-password-file", "password")
    assert verdict["findings"] == []
    verdict, _output = play(folder, FILES)
    assert codes(verdict) == ["unreadable"]
    assert "vault" in verdict["msg"]
    assert verdict["findings"][0]["remedy"].startswith("Give the secret that opens it: --vault-id")


def test_many_sets_are_judged_in_one_call(folder: Path) -> None:
    bad = {**FILES, "domain": "www.example.org"}
    verdict, _output = play(folder, {"certificates": [FILES, bad]})
    assert [(one["domain"], one["ok"]) for one in verdict["results"]] == [
        ("www.example.com", True),
        ("www.example.org", False),
    ]
    assert verdict["results"][0]["certificates"] == verdict["results"][1]["certificates"]
    assert len(verdict["certificates"]) == 4
    assert [(one["domain"], one["code"]) for one in verdict["findings"]] == [("www.example.org", "name-mismatch")]


def test_hundreds_of_sets_come_back_in_their_order_with_vaulted_keys_too(folder: Path) -> None:
    (folder / "password").write_text("vault's")
    command = ["ansible-vault", "encrypt", "--vault-password-file", "password", "files/site.key"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    domains = ["www.example.org" if number % 7 == 0 else "www.example.com" for number in range(600)]
    sets = [{**FILES, "domain": domain} for domain in domains]
    verdict, _output = play(folder, {"certificates": sets}, "--vault-password-file", "password")
    assert [one["domain"] for one in verdict["results"]] == domains
    assert [one["ok"] for one in verdict["results"]] == [domain == "www.example.com" for domain in domains]
    assert len(verdict["certificates"]) == 4


@pytest.mark.parametrize(("moment", "expected"), [("2099-01-01", "expired"), ("2001-01-01T00:00:00Z", "not-yet-valid")])
def test_at_sets_the_moment_to_judge_by(folder: Path, moment: str, expected: str) -> None:
    verdict, _output = play(folder, {**FILES, "at": moment})
    assert verdict["failed"]
    assert expected in codes(verdict)


WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (FILES, {"delegate_to": "elsewhere"}, "Take 'delegate_to' away"),
    ({"domain": "www.example.com"}, {}, "no material is given"),
    ({"certificates": []}, {}, "is an empty list"),
    ({"certificates": [FILES], "domain": "a.example"}, {}, "takes the place of domain"),
    ({"certificates": "site.crt"}, {}, "must be a list, not text"),
    ({"certificates": ["site.crt"]}, {}, "must be a dictionary of options, not text"),
    ({"certificates": [{"certifcate": "site.crt"}]}, {}, "Did you mean 'certificate'?"),
    ({**FILES, "issued_by": "nobody"}, {}, "must be one of public, chat"),
    ({**FILES, "warn_days": "many"}, {}, "must be a whole number"),
    ({**FILES, "at": "soon"}, {}, "ISO 8601"),
]


def test_wrong_use_is_refused_with_a_sentence(folder: Path) -> None:
    tasks = [
        {MODULE: options, **task, "register": "verdict", "failed_when": [f"{words!r} not in verdict.msg"]}
        for options, task, words in WRONG
    ]
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    run = subprocess.run(["ansible-playbook", "play.yml"], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"ok={len(WRONG)} " in run.stdout


def test_what_is_no_readable_file_is_a_finding(folder: Path) -> None:
    for name in ("directory.d", "directory"):
        (folder / "files" / name).mkdir()
    os.mkfifo(folder / "files" / "a.pipe")
    write(folder / "files", "large.crt", b"x" * (1024 * 1024 + 1))
    odd = ["missing.crt", "directory.d", "directory", "a.pipe", "large.crt", "/nonexistent", f"{'a' * 300}.crt"]
    verdict, _output = play(folder, {"client_ca": odd})
    assert [(one["code"], one["subject"]) for one in verdict["findings"]] == [("unreadable", name) for name in odd]


SECRET_KEY = key_pem(SERVER.key).decode()
SECRETS = {
    "PEM": SECRET_KEY,
    "PEM on one line": SECRET_KEY.replace("\n", " "),
    "base64 of DER": base64.b64encode(
        SERVER.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    ).decode(),
    "base64 of PEM": base64.b64encode(SECRET_KEY.encode()).decode(),
}


def shapes(secret: str) -> list[Any]:
    return [secret, [secret], {"domain": secret}, {secret[:40]: secret}, [{"private_key": secret, "domain": secret}]]


def test_no_key_is_printed_under_any_option_in_any_shape_at_the_highest_verbosity(folder: Path) -> None:
    options = [*map("".join, documented_options("validate_certificate")), "certifcate", "private_key_contents"]
    sets = [
        {**({} if option == "certificates" else {"certificate": "site.crt"}), option: shape}
        for option in options
        for form, secret in SECRETS.items()
        for shape in (shapes(secret) if form == "PEM" else [secret])
    ]
    (folder / "variables.json").write_text(json.dumps({"given": sets}))
    tasks = [
        {
            MODULE: {name: f"{{{{ given[{number}]['{name}'] }}}}" for name in given},
            "ignore_errors": True,
            "register": "verdict",
        }
        for number, given in enumerate(sets)
    ]
    tasks.append({"ansible.builtin.debug": {"var": "verdict"}})
    plays = [{"hosts": "localhost", "gather_facts": False, "vars_files": ["variables.json"], "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
    command = ["ansible-playbook", "-vvvv", "play.yml"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    output = run.stdout + run.stderr
    assert run.returncode == 0, output[-3000:]
    assert output.count("...ignoring") > len(sets) / 2
    printed = "".join(output.split())
    for secret in SECRETS.values():
        body = "".join(secret.replace("-----BEGIN PRIVATE KEY-----", "").split())
        for at in range(0, len(body) - 24, 12):
            assert body[at : at + 24] not in printed
