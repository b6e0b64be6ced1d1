# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private key appears nowhere but in its own file: on this machine; tests/faults/test_secrets.py has two."""

from __future__ import annotations

import base64
import itertools
import re
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import key_pem, new_key, write
from searching import Secret, secret_key, secret_text, written_since

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import documented_options

if TYPE_CHECKING:
    from conftest import LocalOperator


@pytest.fixture
def key(operator: LocalOperator) -> Secret:
    """Return the private key of the site, which a run must not betray."""
    server = operator.material.public.issue(operator.material.domain)
    operator.material.put(server)
    key = secret_key("the site's key", server.key)
    assert key.within(Path(operator.site["private_key"]).read_bytes()), "the search finds what it searches for"
    assert key.within(base64.b64encode(b"x" + server.key_pem)), "also in base64"
    assert not key.within(server.full_pem), "and not the certificate"
    return key


def assert_kept(operator: LocalOperator, key: Secret, begin: float, output: str) -> None:
    """Assert that since `begin` the key was shown nowhere, and written only where keys belong."""
    assert not key.within(output.encode()), "in the output"
    given = (operator.material.folder, operator.folder / "site.yml")
    store = operator.httpd.root / "conf" / "mtls"
    places = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/var/log"), operator.folder.parent}
    for path, content in written_since(begin, *places):
        own = path.is_relative_to(store) and path.name == f"{operator.material.domain}.key"
        if not own and not any(path.is_relative_to(place) for place in given):
            assert not key.within(content), path


def test_a_deployment_keeps_the_key(operator: LocalOperator, key: Secret) -> None:
    begin = time.time() - 1
    output = operator.deploy("-vvvv", "--diff").output + operator.deploy("-vvvv", "--check", "--diff").output
    assert_kept(operator, key, begin, output)


def test_a_deployment_without_pipelining_keeps_the_key(operator: LocalOperator, key: Secret) -> None:
    begin = time.time() - 1
    operator.environment["ANSIBLE_PIPELINING"] = "0"
    assert_kept(operator, key, begin, operator.deploy("-vvvv", "--diff").output)


def test_a_key_given_inline_is_kept(operator: LocalOperator, key: Secret) -> None:
    begin = time.time() - 1
    site = operator.site | {"private_key_content": Path(operator.site["private_key"]).read_text()}
    del site["private_key"]
    output = operator.deploy("-vvvv", "--diff", mutual_tls_sites=[site]).output
    assert_kept(operator, key, begin, output)


def test_a_renewal_keeps_the_old_key_and_the_new(operator: LocalOperator, key: Secret) -> None:
    operator.deploy()
    begin = time.time() - 1
    renewed = operator.material.public.issue(operator.material.domain)
    operator.material.put(renewed)
    output = operator.deploy("-vvvv", "--diff").output
    assert_kept(operator, key, begin, output)
    assert_kept(operator, secret_key("the new key", renewed.key), begin, output)


def test_a_module_that_dies_tells_all_that_it_said(operator: LocalOperator, key: Secret) -> None:
    begin = time.time() - 1
    broken = operator.folder / "broken"
    broken.mkdir()
    (broken / "zipfile.py").write_text("raise RuntimeError('no room for it')\n")
    (broken / "python").write_text(f'#!/bin/sh\nPYTHONPATH={broken} exec {sys.executable} "$@"\n')
    (broken / "python").chmod(0o755)
    output = operator.refused("-vvvv", "-e", f"ansible_python_interpreter={broken / 'python'}").output
    assert "Traceback (most recent call last)" in output
    assert "RuntimeError: no room for it" in output
    assert_kept(operator, key, begin, output)


def test_a_host_that_says_again_what_it_was_sent_shows_no_key(operator: LocalOperator, key: Secret) -> None:
    begin = time.time() - 1
    echo = operator.folder / "echo"
    echo.write_text("#!/bin/sh\nhead -c 900000 >&2\nexit 1\n")
    echo.chmod(0o755)
    output = operator.refused("-vvvv", "-e", f"ansible_python_interpreter={echo}").output
    assert "ANSIBLE_MODULE_ARGS" in output
    assert not re.search("[A-Za-z0-9+/=]{100}", output), "what is sent is base64"
    assert_kept(operator, key, begin, output)


def test_a_refused_run_keeps_the_key(operator: LocalOperator, key: Secret) -> None:
    begin = time.time() - 1
    write(operator.material.folder, "other.key", key_pem(new_key()))
    mismatched = operator.site | {"private_key": f"{operator.material.folder}/other.key"}
    opened = operator.site | {"extra_directives": "SSLVerifyClient none"}
    for site in (mismatched, opened):
        assert_kept(operator, key, begin, operator.refused("-vvvv", "--diff", mutual_tls_sites=[site]).output)


OTHER_MODULES = (
    *("handshake_info", "server_info", "validate_domain"),
    *("site_info", "release_info", "caller_info", "fleet_report", "fleet_callers"),
)
SAID = "note"  # the caller's own words, which are to be shown


@pytest.mark.parametrize("module", OTHER_MODULES)
def test_a_secret_under_any_option_of_the_other_modules_is_not_shown(operator: LocalOperator, module: str) -> None:
    pasted, passphrase = new_key(), " ".join(secrets.token_hex(12) for _word in range(3))
    known = secret_key("the key", pasted), secret_text("the passphrase", passphrase)
    key = key_pem(pasted).decode()
    # The last as a password's hash begins, and a path with a variable.
    texts = (key, base64.b64encode(key.encode()).decode(), passphrase, f"$6${passphrase}")
    options = documented_options(module)
    runs = ("controller", "target") if "run_on" in options else ("",)
    within = {f"endpoints.{name}" for name in options.get("endpoints", {}).get("suboptions", ()) if name != SAID}
    cases: list[dict[str, Any]] = []
    for where, name, text in itertools.product(runs, (*options, *within, "optoin"), texts):
        outer, _dot, inner = name.partition(".")
        elsewhere = {"port": 1} if outer != "port" and "port" in options else {}
        shapes = [[{inner: text}]] if inner else [text, [text], {"a": text}, {text: "a"}]
        cases += [elsewhere | ({"run_on": where} if where else {}) | {outer: shape} for shape in shapes]
    given = {name: f"{{{{ cases[item].{name} | default(omit) }}}}" for name in (*options, "optoin")}
    task = {f"mtls.httpd.{module}": given, "loop": f"{{{{ range({len(cases)}) | list }}}}", "ignore_errors": True}
    # Of a task that fails, Ansible shows the lines above it in the operator's file.
    before, after = ({"ansible.builtin.debug": {"msg": text}} for text in ("{{ cases | length }} cases", "{{ tried }}"))
    run = operator.play("-vvvv", plays=[{"tasks": [before, task | {"register": "tried"}, after]}], cases=cases)
    assert f"item={len(cases) - 1})" in run.output
    assert not [secret.name for secret in known if secret.within(run.output.encode())]
