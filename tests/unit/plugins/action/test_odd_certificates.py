# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on hostile and odd certificates is that of the standards, and what it lets pass, OpenSSL accepts."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding
from demo_material import key_pem, pem
from odd_certificates import CASES, NOW, Case, skip_if_judged_anew

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet

if TYPE_CHECKING:
    from pathlib import Path

# What is refused here, though OpenSSL's clients accept it, and why.
_NAME = "a wrong name stays an error (RFC 9525), and Python's ssl says the same"
_AUTHORITY = "no public authority may issue it, and strict clients refuse it"
_KEY = "a weak key, or one of a kind that clients do not know, stays an error"
ACCEPTED_BY_OPENSSL = {
    "names: a wildcard at a label's end": _NAME,
    "names: a wildcard at a label's start": _NAME,
    "names: a common name alone": _NAME,
    "names: an address alone": _NAME,
    "names: an e-mail address alone": _NAME,
    "names: a URI alone": _NAME,
    "server: keyCertSign": _AUTHORITY,
    "server: a CA": _AUTHORITY,
    "serial: 0": _AUTHORITY,
    "serial: 22 octets": _AUTHORITY,
    "serial: negative": _AUTHORITY,
    "key: DSA": _KEY,
    "key: of the root, DSA": _KEY,
    "key: secp256k1": _KEY,
    "key: of the root, secp256k1": _KEY,
    "CRL: a delta": "an older OpenSSL takes it for the whole list, and a newer one lets nobody in",
    "CRL: for users": "httpd asks for its CA's own too (`SSLCARevocationCheck chain`)",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> dict[str, Any]:
    """Judge all of them in one task, and return the verdicts by the name of the case."""
    folder = tmp_path_factory.mktemp("play")
    (folder / "given.json").write_text(json.dumps({"given": [case.options() for case in CASES]}))
    judged = {"certificates": "{{ given }}", "at": NOW.isoformat()}
    copy = {"content": "{{ verdict.results | to_json }}", "dest": f"{folder}/results.json"}
    tasks = [
        {"mtls.httpd.validate_certificate": judged, "register": "verdict", "ignore_errors": True, "no_log": True},
        {"ansible.builtin.copy": copy, "no_log": True},
    ]
    plays = [{"hosts": "localhost", "gather_facts": False, "vars_files": ["given.json"], "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path)}
    command = ["ansible-playbook", "play.yml"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return dict(zip([case.name for case in CASES], json.loads((folder / "results.json").read_text())))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_verdict_is_that_of_the_standard_or_differs_on_purpose(case: Case, results: dict[str, Any]) -> None:
    skip_if_judged_anew(case.name)
    result = results[case.name]
    assert result["ok"] is case.accepted, (case.source, case.differs, result["findings"])
    assert all(finding["remedy"] and "\n" not in finding["remedy"] for finding in result["findings"])


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def accepted_by_openssl(case: Case, sent: bytes, folder: Path) -> str:
    """Return what OpenSSL's clients say against a path of which this is sent; nothing if they accept it."""
    (folder / "sent").write_bytes(sent)
    (folder / "anchors").write_bytes(pem(*(one.certificate for one in case.anchors)))
    command = ["openssl", "verify", "-auth_level", "2", "-purpose", "sslserver", "-attime", str(int(NOW.timestamp()))]
    command += ["-no-CApath", "-no-CAstore", "-CAfile", "anchors", "-untrusted", "sent"]
    command += ["-verify_hostname", case.domain] if case.domain else []
    if case.crls:
        (folder / "crls").write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in case.crls))
        command += ["-crl_check", "-CRLfile", "crls"]
    told = subprocess.run([*command, "sent"], cwd=folder, capture_output=True, text=True, check=False)
    return "" if told.returncode == 0 else told.stderr


@pytest.mark.parametrize("case", [case for case in CASES if case.accepted], ids=lambda case: case.name)
def test_what_would_be_deployed_is_accepted_by_openssl(case: Case, tmp_path: Path) -> None:
    given_set = MaterialSet(
        domain=case.domain,
        certificate=Material(pem(case.server.certificate), "server"),
        private_key=Material(key_pem(case.server.key), "key"),
        chain=Material(pem(*(one.certificate for one in case.chain)), "chain") if case.chain else None,
        trust_anchors=tuple(Material(pem(one.certificate), "anchor") for one in case.anchors),
    )
    verdict = judge([given_set], at=NOW, warn_days=30)[0]
    assert verdict.deployable is not None, verdict.findings
    assert verdict.decided_by == "handshake"
    assert not accepted_by_openssl(case, verdict.deployable.certificate, tmp_path)


@pytest.mark.parametrize("case", [case for case in CASES if not case.accepted], ids=lambda case: case.name)
def test_what_is_refused_is_refused_by_openssl_or_for_a_reason_of_ours(case: Case, tmp_path: Path) -> None:
    skip_if_judged_anew(case.name)
    sent = pem(*(one.certificate for one in (case.server, *case.chain)))
    refused = bool(accepted_by_openssl(case, sent, tmp_path))
    assert refused is (case.name not in ACCEPTED_BY_OPENSSL)
