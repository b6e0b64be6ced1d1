# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role as an operator runs it: ansible-playbook, against a real httpd."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from demo_material import Authority, self_signed, write, zipped
from embedded_httpd import free_port
from host import COLLECTION
from made_by_openssl import issued_for, pss_key

if TYPE_CHECKING:
    from conftest import LocalOperator
    from demo_material import Issued

ROLE = "mtls.httpd.mutual_tls"
DOMAIN = "www.example.com"
OK = "HTTP/1.1 200 OK"
VERSIONS = ("TLSv1_2", "TLSv1_3")


def imported(**keywords: Any) -> list[dict[str, Any]]:
    """Return a play of somebody's own that imports the role, with `keywords` beside the import."""
    return [{"tasks": [{"name": "Before", "ansible.builtin.ping": {}}, {"import_role": {"name": ROLE}} | keywords]}]


def another_site(operator: LocalOperator, **options: Any) -> tuple[dict[str, Any], Issued]:
    """Return the wish for a second site with a certificate of its own, and that certificate."""
    domain = "hooks.example.com"
    server = operator.material.public.issue(domain)
    path = f"{operator.material.folder}/{domain}"
    write(operator.material.folder, f"{domain}.crt", server.pem)
    write(operator.material.folder, f"{domain}.key", server.key_pem)
    named = {"domain": domain, "certificate": f"{path}.crt", "private_key": f"{path}.key"}
    return operator.site | named | options, server


@pytest.mark.parametrize("version", VERSIONS)
def test_a_deployment_lets_in_the_clients_of_the_client_ca_and_nobody_else(
    operator: LocalOperator, version: str
) -> None:
    operator.deploy()
    chat = operator.material.chat
    expired = chat.issue(client=True, common_name="late", not_after=datetime.now(timezone.utc) - timedelta(days=1))
    missing = {"TLSv1_2": "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSv1_3": "TLSV13_ALERT_CERTIFICATE_REQUIRED"}[version]
    assert operator.ask(operator.material.client, version=version).said == OK
    assert operator.ask(None, version=version).said == missing
    assert operator.ask(operator.material.stranger, version=version).said == "TLSV1_ALERT_UNKNOWN_CA"
    assert operator.ask(expired, version=version).said == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    assert operator.ask(self_signed(chat.name), version=version).said == "TLSV1_ALERT_UNKNOWN_CA"


def test_the_reference_pages_own_paths_lead_to_the_material_and_the_key_is_its_owners_alone(
    operator: LocalOperator,
) -> None:
    operator.deploy()
    conf = operator.httpd.conf.parent
    assert (conf / "www.example.com.crt").read_bytes().startswith(operator.material.server.pem)
    assert (conf / "TencentQQAuthCA.crt").read_bytes() == operator.material.chat.pem
    assert stat.S_IMODE((conf / "www.example.com.key").stat().st_mode) == 0o600


def test_a_second_run_changes_nothing_and_goes_to_the_host_once(operator: LocalOperator) -> None:
    operator.deploy()
    before = operator.state()
    run = operator.deploy("-vvv")
    assert run.recap["changed"] == 0
    assert operator.state() == before
    assert run.output.count("EXEC") == 1, "one trip, to apply"


def test_what_the_way_to_a_host_takes_is_no_skew_of_its_clock(operator: LocalOperator) -> None:
    show = {
        "ansible.builtin.debug": {"msg": "skew {{ mutual_tls_applied.clock_skew }}, {{ mutual_tls_applied.keys() }}"}
    }
    play = {"roles": [{"role": "mtls.httpd.mutual_tls"}], "post_tasks": [show]}
    for _run in ("that deploys", "that finds nothing to do"):
        said = operator.deploy(plays=[play]).output
        assert "skew 0.0, " in said
        assert "'clock'" not in said


def test_a_renewed_certificate_is_served_after_the_next_run(operator: LocalOperator) -> None:
    operator.deploy()
    renewed = operator.material.public.issue(operator.material.domain)
    operator.material.put(renewed)
    assert operator.deploy().recap["changed"] == 1
    assert operator.ask(operator.material.client).certificate_sha256 == renewed.sha256


def test_a_certificate_about_to_expire_is_deployed_with_a_warning(operator: LocalOperator) -> None:
    soon = datetime.now(timezone.utc) + timedelta(days=5)
    operator.material.put(operator.material.public.issue(operator.material.domain, not_after=soon))
    assert "in 4 days. Renew it" in operator.deploy().output
    assert "Renew it" not in operator.deploy(mutual_tls_warn_days=3).output


def test_a_site_with_nothing_to_answer_with_is_deployed_with_a_warning(operator: LocalOperator) -> None:
    words = "it has nothing to serve, so that callbacks get 404"
    assert words not in " ".join(operator.deploy().output.split())
    empty = {name: value for name, value in operator.site.items() if name != "document_root"}
    assert words in " ".join(operator.deploy(mutual_tls_sites=[empty]).output.split())
    assert operator.ask(operator.material.client).said == "HTTP/1.1 403 Forbidden"


def test_check_mode_says_what_would_change_and_changes_nothing(operator: LocalOperator) -> None:
    before = operator.state()
    run = operator.deploy("--check", "--diff")
    assert run.recap["changed"] == 1
    assert operator.state() == before
    assert "SSLVerifyClient require" in run.output
    assert "BEGIN" not in run.output
    operator.deploy()
    assert operator.deploy("--check", "--diff").recap["changed"] == 0


@pytest.mark.parametrize(
    "left_out", [("--skip-tags", "install"), ("--tags", "apply,confirm"), ("-e", "mutual_tls_install=no")], ids=str
)
def test_a_host_without_httpd_is_an_error_where_none_is_to_be_installed(
    operator: LocalOperator, bare: tuple[str, ...], left_out: tuple[str, str]
) -> None:
    plays = [{"vars": {"mutual_tls_sites": [operator.site]}, "roles": [{"role": ROLE, "tags": ["web"]}]}]
    run = operator.play(*left_out, within=bare, plays=plays)
    assert run.status != 0
    assert "no httpd is found on this host: install it, or name it by httpd_binary" in " ".join(run.output.split())


@pytest.mark.parametrize("named", [(), ("--tags", "web"), ("--tags", "apply,install"), ("-e", "mutual_tls_install=")])
def test_a_host_without_httpd_is_none_where_one_is_to_be_installed(
    operator: LocalOperator, bare: tuple[str, ...], named: tuple[str, ...]
) -> None:
    plays = [
        {
            "vars": {"mutual_tls_sites": [operator.site], "mutual_tls_packages": "a key, say"},
            "roles": [{"role": ROLE, "tags": ["web"]}],
        }
    ]
    run = operator.play(*named, within=bare, plays=plays)
    assert "mutual_tls_packages holds what is no name, path or URL of a package" in " ".join(run.output.split())


@pytest.mark.parametrize("name", ["mutual_tls_confirm", "mutual_tls_install"])
def test_a_switch_that_is_neither_true_nor_false_ends_the_run_before_anything_is_done(
    operator: LocalOperator, name: str
) -> None:
    for word in ("nein", "2", "{}"):
        run = operator.refused("-e", f"{name}={word}")
        said = " ".join(run.output.split())
        assert f"Must be true or false, and is neither, so that nothing was done: {name}" in said
    for word in ("'No'", "' true'"):
        operator.deploy("-e", f"{name}={word}")
    for value in (False, None, 0):
        operator.deploy("-e", json.dumps({name: value}))


def test_check_mode_on_a_host_without_httpd_predicts_and_fails_nowhere(
    operator: LocalOperator, bare: tuple[str, ...]
) -> None:
    variables = {"mutual_tls_sites": [operator.site]}
    run = operator.deploy("--check", "--diff", within=bare, plays=[{"vars": variables, "roles": [{"role": ROLE}]}])
    assert run.recap["changed"] == 1


def test_the_role_twice_in_one_play_keeps_the_sites_of_both(operator: LocalOperator) -> None:
    other, _served = another_site(operator, port=free_port())
    roles = [{"role": ROLE}, {"role": ROLE, "mutual_tls_sites": [other]}]
    operator.deploy(plays=[{"roles": roles}])
    assert operator.ask(operator.material.client).said == OK
    assert operator.ask(operator.material.client, domain=other["domain"], port=other["port"]).said == OK
    assert operator.deploy(plays=[{"roles": roles}]).recap["changed"] == 0


def test_two_sites_of_one_run_are_both_served_on_one_port(operator: LocalOperator) -> None:
    other, served = another_site(operator)
    other |= {"verify_depth": 5}
    operator.deploy(mutual_tls_sites=[operator.site, other])
    assert operator.ask(operator.material.client).certificate_sha256 == operator.material.server.sha256
    assert operator.ask(operator.material.client, domain=other["domain"]).certificate_sha256 == served.sha256
    # Rendered alone or among others, a site is the same.
    for site in (operator.site, other):
        assert operator.deploy(mutual_tls_sites=[site]).recap["changed"] == 0


def test_vaulted_files_are_deployed_without_touching_the_disk_in_clear(operator: LocalOperator) -> None:
    (operator.folder / "password").write_text("secret\n")
    encrypt = [Path(sys.executable).parent / "ansible-vault", "encrypt", "--vault-password-file", "password"]
    names = [operator.site["certificate"], operator.site["private_key"]]
    subprocess.run(encrypt + names, cwd=operator.folder, env=operator.environment, check=True, capture_output=True)
    assert Path(operator.site["private_key"]).read_text().startswith("$ANSIBLE_VAULT")
    operator.deploy("--vault-password-file", "password")
    assert operator.ask(operator.material.client).said == OK


def test_relative_paths_are_found_beside_the_playbook(operator: LocalOperator) -> None:
    for name in ("certificate", "private_key", "chain"):
        path = Path(operator.site[name])
        write(operator.folder / "files", path.name, path.read_bytes())
    named = {name: Path(operator.site[name]).name for name in ("certificate", "chain")}
    key = {"private_key": f"files/{Path(operator.site['private_key']).name}"}
    operator.deploy(mutual_tls_sites=[operator.site | named | key])
    assert operator.ask(operator.material.client).said == OK


def test_a_key_for_rsassa_pss_is_deployed_as_it_was_given(operator: LocalOperator) -> None:
    """As one for RSA of the same numbers, it is none of its certificate's to httpd."""
    server = issued_for(pss_key(), operator.material.public, operator.material.domain)
    for option, content in ("certificate", server.pem), ("private_key", server.key_pem):
        Path(operator.site[option]).write_bytes(content)
    operator.deploy()
    for version in VERSIONS:
        assert operator.ask(operator.material.client, version=version).said == OK
    assert operator.deploy().recap["changed"] == 0


VAULT = """
from __future__ import annotations

import json

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        with open(terms[0]) as stream:
            return [{"secret": json.load(stream)}]
"""


@pytest.mark.parametrize("form", ["PEM", "PKCS#12"])
def test_material_comes_from_a_lookup_as_values_and_no_file(operator: LocalOperator, form: str) -> None:
    material, chat = operator.material, operator.material.chat
    server, between = material.server, list(material.server.intermediates)
    write(operator.folder / "lookup_plugins", "vault_of_ours.py", VAULT.encode())
    secret = {
        "ca": base64.b64encode(zipped("TencentQQAuthCA.crt", chat.pem)).decode(),
        "crl": chat.crl().decode(),
        "root": material.root.pem.decode(),
    }
    if form == "PEM":
        names = {"certificate_content": "certificate", "private_key_content": "key", "chain_content": "chain"}
        # As such values come, without the end of their last line.
        secret |= {"certificate": server.pem.decode().rstrip(), "key": server.key_pem.decode().rstrip()}
        secret["chain"] = server.chain_pem.decode()
    else:
        names = {"bundle_content": "bundle", "private_key_passphrase": "passphrase"}
        sealed = BestAvailableEncryption(b"s3same")
        packed = pkcs12.serialize_key_and_certificates(b"", server.key, server.certificate, between, sealed)
        secret |= {"bundle": base64.b64encode(packed).decode(), "passphrase": "s3same"}
    names |= {"crl_content": "crl"}
    write(operator.folder, "secret.json", json.dumps(secret).encode())
    found = "{{ lookup('vault_of_ours', playbook_dir ~ '/secret.json').secret.%s }}"
    site = {
        name: value for name, value in operator.site.items() if name in ("domain", "port", "listen", "document_root")
    }
    site |= {name: found % value for name, value in names.items()}
    site |= {"client_ca_content": [found % "ca"], "trust_anchors_content": [found % "root"]}
    operator.deploy(mutual_tls_sites=[site])
    answer = operator.ask(material.client)
    assert (answer.said, answer.certificate_sha256) == (OK, server.sha256)
    assert operator.ask(material.stranger).said == "TLSV1_ALERT_UNKNOWN_CA"
    assert operator.deploy(mutual_tls_sites=[site]).recap["changed"] == 0


def test_templates_of_ones_own_are_rendered_and_all_that_cannot_be_are_named(operator: LocalOperator) -> None:
    own = (COLLECTION / "roles/mutual_tls/templates/site.conf.j2").read_text() + "# {{ domain }}: mine\n"
    for name in ("callers", "identity", "mutual_tls", "refusals", "revocation", "strict_sni"):
        content = (COLLECTION / f"roles/mutual_tls/templates/{name}.conf.j2").read_bytes()
        write(operator.folder / "templates", f"{name}.conf.j2", content)
    write(operator.folder / "templates", "own.conf.j2", own.encode())
    write(operator.folder / "templates", "odd.conf.j2", b"{{ nonesuch }}\n")
    other, _server = another_site(operator, template="odd.conf.j2")
    output = operator.refused(mutual_tls_sites=[operator.site | {"template": "none.conf.j2"}, other]).output
    words = " ".join(output.split())
    assert f"{DOMAIN}: the file that the option 'template' names is not found" in words
    assert "hooks.example.com: the template odd.conf.j2 cannot be rendered: 'nonesuch' is undefined" in words
    operator.deploy(mutual_tls_sites=[operator.site | {"template": "own.conf.j2"}])
    site = operator.httpd.conf.parent / "mtls" / DOMAIN / "current" / "site.conf"
    assert site.read_text().endswith(f"# {DOMAIN}: mine\n")
    assert operator.ask(operator.material.client).said == OK


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes root without a password")
def test_the_role_works_imported_in_a_play_of_ones_own_with_become(operator: LocalOperator) -> None:
    operator.deploy(plays=imported(become=True), ansible_become_method="ansible.builtin.su")
    assert operator.ask(operator.material.client).said == OK


def test_the_role_delegated_works_on_the_other_host_and_judges_on_the_controller(
    operator: LocalOperator,
) -> None:
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = operator.folder / "inventory.yml"
    hosts = yaml.safe_load(inventory.read_text())["all"]["hosts"]
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts | {"nowhere": nowhere}}}))
    task = {"import_role": {"name": ROLE}, "delegate_to": "webhook"}
    operator.deploy(plays=[{"hosts": "nowhere", "tasks": [task]}])
    assert operator.ask(operator.material.client).said == OK


def test_the_tag_judge_judges_and_goes_no_further(operator: LocalOperator) -> None:
    before = operator.state()
    run = operator.deploy("--tags", "judge", "-vvv")
    assert operator.state() == before
    assert "EXEC" not in run.output
    write(operator.material.folder, f"{operator.material.domain}.key", Authority("other").issue("x").key_pem)
    assert operator.play("--tags", "judge").status != 0


def test_the_tag_apply_deploys_and_the_tag_confirm_beside_it_confirms(operator: LocalOperator) -> None:
    unreachable = {"mutual_tls_confirm_address": "127.0.0.2"}
    assert operator.deploy("--tags", "apply", **unreachable).recap["changed"] == 1
    assert operator.play("--tags", "apply,confirm", **unreachable).status != 0
    assert operator.deploy("--tags", "apply,confirm").recap["changed"] == 0


def test_the_tag_judge_changes_nothing(operator: LocalOperator) -> None:
    before = operator.state()
    assert operator.deploy("--tags", "judge").recap["changed"] == 0
    assert operator.state() == before


def test_an_empty_list_of_sites_is_an_error_that_says_so(operator: LocalOperator) -> None:
    assert "empty" in operator.refused(mutual_tls_sites=[]).output


def test_a_missing_list_of_sites_is_an_error(operator: LocalOperator) -> None:
    play = {"roles": [{"role": ROLE}], "vars": {}}
    assert "mutual_tls_sites" in operator.refused(plays=[play]).output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"domian": DOMAIN, "domain": None}, "sites[0]: there is no option 'domian'. Did you mean 'domain'?"),
        (
            {"domain": f"https://{DOMAIN}/"},
            f"sites[0]: 'https://{DOMAIN}/': is a URL; give the domain in it alone, such as '{DOMAIN}'.",
        ),
        ({"certifcate": "x"}, f"{DOMAIN}: there is no option 'certifcate'. Did you mean 'certificate'?"),
        (
            {"verify_client": True},
            f"{DOMAIN}: option 'verify_client' must be one of require, optional, optional_no_ca.",
        ),
        (
            {"proxy_pass": "http://localhost:1"},
            f"{DOMAIN}: the option 'proxy_pass' has no path. Put a slash at its end.",
        ),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence(
    operator: LocalOperator, options: dict[str, Any], sentence: str
) -> None:
    site = operator.site | {"document_root": None} | options
    output = operator.refused(mutual_tls_sites=[{name: value for name, value in site.items() if value}]).output
    told = textwrap.dedent(output.split("FAILED! =>")[1].split("\nPLAY RECAP")[0])
    shown = yaml.safe_load(told)
    assert [each["message"] for each in shown.pop("faults")] == [sentence]
    assert shown == {"changed": False, "msg": sentence}


def test_a_site_that_is_absent_is_undone_without_a_trace(operator: LocalOperator) -> None:
    before = operator.state()[0]
    operator.deploy()
    operator.deploy(mutual_tls_sites=[{"domain": operator.material.domain, "state": "absent"}])
    assert operator.state()[0].keys() == before.keys()
    assert operator.httpd.conf.read_bytes() == before["conf/httpd.conf"][-1]
    with pytest.raises(ConnectionRefusedError):
        operator.ask(operator.material.client)


def test_a_confirmation_with_a_client_of_the_client_ca_says_that_it_gets_in(operator: LocalOperator) -> None:
    folder = operator.material.folder
    write(folder, "client.crt", operator.material.client.full_pem)
    write(folder, "client.key", operator.material.client.key_pem)
    write(folder, "stranger.crt", operator.material.stranger.full_pem)
    write(folder, "stranger.key", operator.material.stranger.key_pem)

    def confirm(client: str) -> dict[str, str]:
        return {
            "mutual_tls_confirm_certificate": f"{folder}/{client}.crt",
            "mutual_tls_confirm_key": f"{folder}/{client}.key",
        }

    operator.deploy(**confirm("client"))
    assert operator.play(**confirm("stranger")).status != 0
    assert operator.ask(operator.material.client).said == OK, "the new state is kept"


def test_a_run_that_went_well_says_what_was_shown_in_a_line_for_each_site(operator: LocalOperator) -> None:
    other, _issued = another_site(operator)
    end = operator.material.server.certificate.not_valid_after_utc
    asked = (
        "Refused: no certificate, one of an unknown authority.",
        "Refused (spot check): no certificate, one of an unknown authority.",  # after a run that changed nothing
    )
    for refused in asked:
        words = " ".join(operator.deploy().output.split())
        assert f"{DOMAIN} at 127.0.0.1:{operator.port}: mutual TLS is enforced over TLSv1.2 and TLSv1.3. " in words
        assert f"{refused} The certificate ends on {end:%Y-%m-%d}." in words
        assert "BEGIN CERTIFICATE" not in words
    both = operator.deploy(mutual_tls_sites=[operator.site, other]).output
    assert both.count("mutual TLS is enforced over") == 2


def test_a_run_without_confirmation_asks_nothing_from_the_controller(operator: LocalOperator) -> None:
    operator.deploy(mutual_tls_confirm=False, mutual_tls_confirm_address="192.0.2.1")
    assert operator.ask(operator.material.client).said == OK


def test_a_stopped_server_is_started_where_it_is_wanted_running(operator: LocalOperator) -> None:
    operator.httpd.stop()
    operator.deploy()
    assert operator.httpd.running()
    assert operator.ask(operator.material.client).said == OK


def test_a_stopped_server_stays_stopped_where_it_is_not_wanted_running(operator: LocalOperator) -> None:
    operator.httpd.stop()
    operator.deploy(mutual_tls_service_state="unchanged")
    assert not operator.httpd.running()
    operator.httpd.start()
    assert operator.ask(operator.material.client).said == OK
