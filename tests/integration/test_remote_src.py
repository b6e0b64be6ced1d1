# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Material that lies on the host already: taken as certbot leaves it, from nobody but the server's own user."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from demo_material import Authority, Issued, write, zipped
from odd_authorities import CHAT, LIMITED, SOUND, client_of, pem
from odd_certificates import PAST, Pair, ca, crl, new_key

if TYPE_CHECKING:
    from conftest import LocalOperator

DOMAIN = "www.example.com"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders in /etc")


@dataclass(frozen=True)
class Certbot:
    """The folders of certbot: archive with numbered files, live with links to the newest."""

    root: Path

    @property
    def live(self) -> Path:
        return self.root / "live" / DOMAIN

    def renew(self, issued: Issued, number: int, key: bytes = b"") -> None:
        """Put a certificate and key where certbot puts them, and lead the links there."""
        archive = self.root / "archive" / DOMAIN
        for name, content in ("fullchain", issued.full_pem), ("privkey", key or issued.key_pem):
            write(archive, f"{name}{number}.pem", content)
            (archive / f"privkey{number}.pem").touch(mode=0o600)
            self.live.mkdir(parents=True, exist_ok=True)
            link = self.live / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../../archive/{DOMAIN}/{name}{number}.pem")

    @property
    def options(self) -> dict[str, Any]:
        """The options of a site that takes them."""
        return {
            "remote_src": True,
            "certificate": f"{self.live}/fullchain.pem",
            "private_key": f"{self.live}/privkey.pem",
            "chain": None,
            "trust_anchors": None,
        }


@pytest.fixture
def certbot(operator: LocalOperator, short_path: Path) -> Certbot:
    """Give the host a certificate of certbot's, and let the operator's site take it."""
    certbot = Certbot(short_path / "letsencrypt")
    certbot.renew(operator.material.server, 1)
    write(operator.folder / "files", "chat.crt", operator.material.chat.pem)
    operator.site.update(certbot.options, client_ca=["files/chat.crt"])
    return certbot


def test_what_certbot_leaves_on_the_host_is_served_and_its_renewal_too(
    operator: LocalOperator, certbot: Certbot
) -> None:
    run = operator.deploy()
    assert "its material lies on the host, so it was judged there" in " ".join(run.output.split())
    assert operator.ask(operator.material.client).certificate_sha256 == operator.material.server.sha256
    assert operator.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert operator.deploy().recap["changed"] == 0

    renewed = operator.material.public.issue(DOMAIN)
    certbot.renew(renewed, 2)
    assert operator.ask(operator.material.client).certificate_sha256 == operator.material.server.sha256
    assert operator.deploy().recap["changed"] == 1
    assert operator.ask(operator.material.client).certificate_sha256 == renewed.sha256
    release = operator.httpd.conf.parent / "mtls" / DOMAIN / "current"
    assert (release / f"{DOMAIN}.crt").read_bytes() == renewed.full_pem
    assert not (release / f"{DOMAIN}.key").is_symlink()
    assert (release / f"{DOMAIN}.key").stat().st_mode & 0o777 == 0o600


def test_a_client_ca_on_the_host_is_taken_where_it_is_the_pinned_one(operator: LocalOperator, certbot: Certbot) -> None:
    write(certbot.root, "chat.crt", operator.material.chat.pem)
    operator.site.update(client_ca=[f"{certbot.root}/chat.crt"], client_ca_sha256=["00" * 32])
    assert "another client CA than 'client_ca_sha256' pins" in operator.refused().output
    operator.site.update(client_ca_sha256=[operator.material.chat.sha256])
    operator.deploy()
    assert operator.ask(operator.material.client).said.startswith("HTTP/1.1 ")


def _spoil_nothing_there(certbot: Certbot) -> None:
    (certbot.live / "privkey.pem").unlink()


def _spoil_text(certbot: Certbot) -> None:
    write(certbot.root / "archive" / DOMAIN, "fullchain1.pem", b"no certificate\n")


def _spoil_damage(certbot: Certbot) -> None:
    write(
        certbot.root / "archive" / DOMAIN,
        "fullchain1.pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )


def _spoil_owner(certbot: Certbot) -> None:
    os.chown(certbot.live / "privkey.pem", 65534, 65534, follow_symlinks=False)


def _spoil_mode(certbot: Certbot) -> None:
    (certbot.root / "archive" / DOMAIN / "privkey1.pem").chmod(0o666)


def _spoil_mode_of_a_file_with_the_sticky_bit(certbot: Certbot) -> None:
    (certbot.root / "archive" / DOMAIN / "privkey1.pem").chmod(0o1666)


def _spoil_folder(certbot: Certbot) -> None:
    (certbot.root / "archive").chmod(0o777)


def _spoil_loop(certbot: Certbot) -> None:
    (certbot.live / "privkey.pem").unlink()
    (certbot.live / "privkey.pem").symlink_to("privkey.pem")


def _spoil_fifo(certbot: Certbot) -> None:
    (certbot.live / "privkey.pem").unlink()
    os.mkfifo(certbot.live / "privkey.pem")


def _spoil_size(certbot: Certbot) -> None:
    write(certbot.root / "archive" / DOMAIN, "fullchain1.pem", b"\n" * 2_000_000)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_spoil_nothing_there, "privkey.pem cannot be used on this host: No such file or directory"),
        (_spoil_text, "fullchain.pem holds no PEM certificate"),
        (_spoil_damage, "fullchain.pem holds a certificate that is damaged"),
        (_spoil_owner, "privkey.pem can be changed by others than the server's user (owner 65534"),
        (_spoil_mode, "privkey1.pem can be changed by others than the server's user (owner 0, mode 0666)"),
        (_spoil_mode_of_a_file_with_the_sticky_bit, "privkey1.pem can be changed by others than the server's user"),
        (_spoil_folder, "archive can be changed by others than the server's user"),
        (_spoil_loop, "privkey.pem leads from link to link without end"),
        (_spoil_fifo, "privkey.pem is no plain file"),
        (_spoil_size, "fullchain.pem has more than 1048576 bytes"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_and_nothing_changes(
    operator: LocalOperator, certbot: Certbot, spoil: Any, says: str
) -> None:
    spoil(certbot)
    output = operator.refused().output
    assert says in " ".join(output.split())
    assert "Traceback" not in output


def _mismatched(material: Any) -> tuple[Issued, bytes]:
    return material.server, material.public.issue(DOMAIN).key_pem


def _of_another_name(material: Any) -> tuple[Issued, bytes]:
    return material.public.issue("other.example.com"), b""


def _encrypted(material: Any) -> tuple[Issued, bytes]:
    text = re.sub(rb"(BEGIN|END) PRIVATE", rb"\1 ENCRYPTED PRIVATE", material.server.key_pem)
    return material.server, text


def _two_keys(material: Any) -> tuple[Issued, bytes]:
    return material.server, material.server.key_pem * 2


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (_mismatched, "the private key does not match the certificate"),
        (_of_another_name, f"certificate is not valid for '{DOMAIN}'"),
        (_encrypted, "the private key has a passphrase"),
        (_two_keys, "holds 2 PEM private keys: one is wanted"),
    ],
)
def test_openssl_judges_the_pair_on_the_host(operator: LocalOperator, certbot: Certbot, pair: Any, says: str) -> None:
    issued, key = pair(operator.material)
    certbot.renew(issued, 1, key)
    output = operator.refused("-vvvv").output
    assert says in " ".join(output.split())
    assert operator.material.server.key_pem.decode().splitlines()[1] not in output


def test_material_on_the_host_that_cannot_be_used_is_named_for_all_sites_at_once(
    operator: LocalOperator, certbot: Certbot
) -> None:
    issued, key = _mismatched(operator.material)
    certbot.renew(issued, 1, key)
    other = operator.site | {"domain": "shop.example.com", "private_key": f"{certbot.live}/nonesuch.pem"}
    words = " ".join(operator.refused(mutual_tls_sites=[operator.site, other]).output.split())
    assert "the private key does not match the certificate" in words
    assert "nonesuch.pem cannot be used on this host" in words


def test_an_expired_certificate_on_the_host_is_refused(operator: LocalOperator, certbot: Certbot) -> None:
    expired = operator.material.public.issue(DOMAIN, not_after=datetime.now(timezone.utc) - timedelta(days=1))
    certbot.renew(expired, 2)
    assert "certificate has expired" in operator.refused().output


def test_the_end_of_what_lies_on_the_host_is_warned_of_before_in_check_mode_and_by_the_hook(
    operator: LocalOperator, certbot: Certbot
) -> None:
    hook = certbot.root / "hook"
    operator.site.update(renewal_hook=str(hook))
    assert "days." not in operator.deploy().output
    soon = datetime.now(timezone.utc) + timedelta(days=6)
    certbot.renew(operator.material.public.issue(DOMAIN, not_after=soon), 2)
    warning = f"{DOMAIN}: {certbot.live}/fullchain.pem: 'CN={DOMAIN}' ends at {soon:%Y-%m-%dT%H:%M:%SZ}, in 5 days."
    for arguments in (("--check",), (), ()):
        assert warning in " ".join(operator.deploy(*arguments).output.split())
    said = subprocess.run([hook], capture_output=True, text=True, check=True)
    assert f"mtls.httpd: {DOMAIN}: warning expires-soon, {certbot.live}/fullchain.pem: " in said.stdout
    assert f"mtls.httpd: {DOMAIN}: unchanged, ends {soon:%Y-%m-%dT%H:%M:%SZ}" in said.stdout


def test_the_program_stays_as_it_is_where_clients_are_listed(operator: LocalOperator, certbot: Certbot) -> None:
    hook = certbot.root / "hook"
    operator.site.update(renewal_hook=str(hook), allowed_clients=[{"subject": "CN=Chat"}])
    operator.deploy()
    before = hook.read_bytes()
    assert operator.deploy().recap["changed"] == 0
    certbot.renew(operator.material.public.issue(DOMAIN), 2)
    said = subprocess.run([hook], capture_output=True, text=True, check=True)
    assert f"mtls.httpd: {DOMAIN}: renewed, ends " in said.stdout
    assert operator.deploy().recap["changed"] == 0
    assert hook.read_bytes() == before


def test_the_program_renews_early_though_a_run_was_about_what_ends_soon(
    operator: LocalOperator, certbot: Certbot
) -> None:
    hook = certbot.root / "hook"
    operator.site.update(renewal_hook=str(hook))
    operator.deploy(mutual_tls_ending_within=30)
    certbot.renew(operator.material.public.issue(DOMAIN), 2)
    said = subprocess.run([hook], capture_output=True, text=True, check=True)
    assert f"mtls.httpd: {DOMAIN}: renewed, ends " in said.stdout


def test_a_renewal_is_told_to_the_watchman_and_needs_no_folder_for_metrics(
    operator: LocalOperator, certbot: Certbot, short_path: Path
) -> None:
    hook, folder = certbot.root / "hook", short_path / "textfile"
    folder.mkdir(mode=0o755)
    operator.site.update(renewal_hook=str(hook))
    operator.deploy(mutual_tls_metrics_folder=str(folder))
    wish = operator.httpd.conf.parent / "mtls" / "watchman.json"
    before = wish.read_bytes()
    certbot.renew(operator.material.public.issue(DOMAIN), 2)
    subprocess.run([hook], capture_output=True, text=True, check=True)
    renewed = json.loads(wish.read_bytes())
    assert renewed["sites"][0]["release"] != json.loads(before)["sites"][0]["release"]
    assert renewed["path"] == json.loads(before)["path"]
    assert operator.deploy(mutual_tls_metrics_folder=str(folder)).recap["changed"] == 0
    folder.rmdir()
    last = operator.material.public.issue(DOMAIN)
    certbot.renew(last, 3)
    subprocess.run([hook], capture_output=True, text=True, check=True)
    assert operator.ask(operator.material.client).certificate_sha256 == last.sha256
    program = hook.read_bytes()
    operator.deploy(mutual_tls_metrics_folder="")
    assert hook.read_bytes() == program, "a run for another site would leave it so"
    certbot.renew(operator.material.public.issue(DOMAIN), 4)
    subprocess.run([hook], capture_output=True, text=True, check=True)
    assert not wish.exists()


def test_a_leaf_on_the_host_is_no_client_ca(operator: LocalOperator, certbot: Certbot) -> None:
    write(certbot.root, "chat.crt", operator.material.client.pem)
    operator.site.update(client_ca=[f"{certbot.root}/chat.crt"])
    assert "is no CA by its basic constraints" in " ".join(operator.refused().output.split())


def test_certificates_on_the_host_are_read_by_each_of_openssls_names_and_their_settings_minded(
    operator: LocalOperator, certbot: Certbot
) -> None:
    def trusted(*settings: str) -> bytes:
        command = ["openssl", "x509", "-trustout", *settings]
        return subprocess.run(command, input=operator.material.chat.pem, capture_output=True, check=True).stdout

    other = ca()
    write(certbot.root, "chat.crt", pem(other.certificate) + trusted("-addreject", "clientAuth"))
    operator.site.update(client_ca=[f"{certbot.root}/chat.crt"])
    assert "OpenSSL does not trust it for clients" in " ".join(operator.refused().output.split())
    write(certbot.root, "chat.crt", pem(other.certificate) + trusted("-addtrust", "clientAuth"))
    operator.deploy()
    assert operator.ask(operator.material.client).said.startswith("HTTP/1.1 ")
    old = operator.material.chat.pem.replace(b" CERTIFICATE-", b" X509 CERTIFICATE-")
    write(certbot.root, "chat.crt", pem(other.certificate) + old)
    assert operator.deploy().recap["changed"] == 0


def test_a_client_ca_on_the_host_that_another_key_of_its_issuers_name_signed_is_refused(
    operator: LocalOperator, certbot: Certbot
) -> None:
    root = ca()
    namesake = Pair(root.certificate, new_key())
    write(certbot.root, "chat.crt", pem(root.certificate, ca(namesake).certificate))
    operator.site.update(client_ca=[f"{certbot.root}/chat.crt"])
    assert "httpd would let no client of" in " ".join(operator.refused().output.split())
    write(certbot.root, "chat.crt", pem(root.certificate, ca(root).certificate))
    assert operator.deploy().recap["changed"] == 1


@pytest.mark.parametrize("from_host", [True, False], ids=["on the host", "the controller's"])
def test_a_client_ca_that_limits_names_lets_in_whom_it_may_name(
    operator: LocalOperator, certbot: Certbot, from_host: bool
) -> None:
    limit, within = LIMITED["a directory"]
    authority = ca(nc=limit)
    folder = certbot.root if from_host else operator.folder / "files"
    write(folder, "limited.crt", pem(authority.certificate))
    operator.site.update(client_ca=[f"{folder}/limited.crt" if from_host else "files/limited.crt"])
    operator.deploy()
    client = client_of(authority, **within)
    assert operator.ask(Issued(client.certificate, client.key)).said == "HTTP/1.1 200 OK"
    assert operator.ask(operator.material.client).said == "TLSV1_ALERT_UNKNOWN_CA"


@pytest.mark.parametrize("from_host", [True, False], ids=["on the host", "the controller's"])
def test_an_ended_client_ca_is_a_warning_beside_one_that_lets_its_own_clients_in_and_else_has_to_go(
    operator: LocalOperator, certbot: Certbot, from_host: bool
) -> None:
    folder = certbot.root if from_host else operator.folder / "files"
    operator.site.update(client_ca=[f"{folder}/both.crt" if from_host else "files/both.crt"])
    write(folder, "both.crt", pem(ca(**CHAT, **PAST).certificate, SOUND.certificate))
    warning = "by which httpd lets its clients in. Take the one that is out of its time out."
    for arguments in (("--check",), (), ()):
        assert warning in " ".join(operator.deploy(*arguments).output.split())
    client = client_of(SOUND)
    assert operator.ask(Issued(client.certificate, client.key)).said == "HTTP/1.1 200 OK"
    write(folder, "both.crt", pem(ca(**PAST).certificate, SOUND.certificate))
    warning = "httpd lets none of its clients in any more, and those of the other client CAs it does. Take it out."
    assert warning in " ".join(operator.deploy().output.split())
    assert operator.ask(Issued(client.certificate, client.key)).said == "HTTP/1.1 200 OK"
    write(folder, "both.crt", pem(ca(SOUND, **PAST).certificate, SOUND.certificate))
    words = " ".join(operator.refused().output.split())
    assert "Take it out, and give the one that Chat publishes now" in words
    assert "Renew it" not in words
    assert "set its clock" not in words


def test_the_path_of_what_lies_on_the_host_must_end_at_the_trust_anchors(
    operator: LocalOperator, certbot: Certbot
) -> None:
    hook = certbot.root / "hook"
    write(operator.folder / "files", "root.crt", operator.material.root.pem)
    write(operator.folder / "files", "another.crt", Authority("Another CA").pem)
    operator.site.update(trust_anchors=["files/another.crt"], renewal_hook=str(hook))
    words = " ".join(operator.refused().output.split())
    assert "which is neither given nor a trust anchor (unable to get local issuer certificate)" in words
    operator.site.update(trust_anchors=["files/root.crt"])
    operator.deploy()
    assert operator.ask(operator.material.client).certificate_sha256 == operator.material.server.sha256

    certbot.renew(Authority("Another CA").issue(DOMAIN), 2)
    before = operator.state()
    refused = subprocess.run([hook], capture_output=True, text=True, check=False)
    assert (refused.returncode, "nor a trust anchor" in refused.stderr) == (1, True)
    assert operator.state() == before
    certbot.renew(operator.material.public.issue(DOMAIN), 3)
    assert ": renewed, ends " in subprocess.run([hook], capture_output=True, text=True, check=True).stdout


def test_trust_anchors_that_cannot_be_read_are_said_before_anything_is_sent(
    operator: LocalOperator, certbot: Certbot
) -> None:
    assert certbot.live.exists()
    write(operator.folder / "files", "root.crt", b"no certificate")
    operator.site.update(trust_anchors=["files/root.crt"])
    words = " ".join(operator.refused().output.split())
    assert "ERROR unreadable," in words
    assert "files/root.crt" in words


def test_the_program_tells_what_of_the_controllers_ends_soon(operator: LocalOperator, certbot: Certbot) -> None:
    hook = certbot.root / "hook"
    soon = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=20)
    authority = ca(end=soon)
    write(operator.folder / "files", "chat.crt", pem(authority.certificate))
    write(operator.folder / "files", "chat.crl", pem(crl(authority, end=soon)))
    operator.site.update(renewal_hook=str(hook), crl=["files/chat.crl"])
    output = " ".join(operator.deploy().output.split())
    assert "in 19 days." in output
    assert "TencentQQAuthCA.crt: '" not in output  # the controller has said it
    said = subprocess.run([hook], capture_output=True, text=True, check=True).stdout
    ends = f"{soon:%Y-%m-%dT%H:%M:%SZ}"
    for code, name in ("expires-soon", "TencentQQAuthCA.crt"), ("crl-expires-soon", "TencentQQAuthCA.crl"):
        (line,) = [each for each in said.splitlines() if f": warning {code}, {name}: " in each]
        assert ends in line


def test_wrong_options_are_said_before_anything_is_sent(operator: LocalOperator, certbot: Certbot) -> None:
    operator.site.update(
        certificate="live/fullchain.pem", chain_content="x", client_ca=["/etc/ssl/chat.crt", "files/chat.crt"]
    )
    output = " ".join(operator.refused().output.split())
    assert "'certificate' is not an absolute path on the host" in output
    assert "'chain_content' does not go with 'remote_src'" in output
    assert "mixes files on the host" in output


def test_a_root_at_the_end_of_the_chain_is_not_sent(operator: LocalOperator, certbot: Certbot) -> None:
    write(certbot.root, "chain.pem", operator.material.root.pem)
    operator.site.update(chain=f"{certbot.root}/chain.pem")
    operator.deploy()
    release = operator.httpd.conf.parent / "mtls" / DOMAIN / "current"
    assert (release / f"{DOMAIN}.crt").read_bytes() == operator.material.server.full_pem


def test_another_authority_gets_nobody_in(operator: LocalOperator, certbot: Certbot) -> None:
    operator.deploy()
    assert certbot.live.exists()
    stranger = Authority("Another CA").issue(client=True, common_name="Chat")
    assert operator.ask(stranger).said == "TLSV1_ALERT_UNKNOWN_CA"


def test_a_renewal_is_carried_out_on_the_host_itself(operator: LocalOperator, certbot: Certbot) -> None:
    hook = certbot.root / "renewal-hooks" / "deploy" / f"mtls-{DOMAIN}"
    hook.parent.mkdir(parents=True)
    operator.site.update(renewal_hook=str(hook))
    operator.deploy()
    assert hook.stat().st_mode & 0o777 == 0o700
    first = hook.read_bytes()
    for key in (operator.material.server.key_pem, operator.material.client.key_pem):
        assert key.splitlines()[1] not in first
    assert operator.deploy().recap["changed"] == 0
    assert hook.read_bytes() == first

    renewed = operator.material.public.issue(DOMAIN)
    certbot.renew(renewed, 2)
    said = subprocess.run([hook], capture_output=True, text=True, check=True)
    ends = f"{renewed.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert (said.stdout, said.stderr) == (f"mtls.httpd: {DOMAIN}: renewed, ends {ends}\n", "")
    assert operator.ask(operator.material.client).certificate_sha256 == renewed.sha256
    assert "unchanged" in subprocess.run([hook], capture_output=True, text=True, check=True).stdout
    assert operator.deploy().recap["changed"] == 0

    certbot.renew(renewed, 3, operator.material.server.key_pem)
    before = operator.state()
    refused = subprocess.run([hook], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert re.fullmatch(r"mtls\.httpd: .*: the private key does not match the certificate: .*\n", refused.stderr)
    assert operator.state() == before

    operator.deploy(mutual_tls_sites=[{"domain": DOMAIN, "state": "absent"}])
    assert not hook.exists()


def test_a_program_that_root_runs_is_not_put_where_others_could_replace_it(
    operator: LocalOperator, certbot: Certbot
) -> None:
    folder = certbot.root / "hooks"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    operator.site.update(renewal_hook=str(folder / "mtls"))
    assert "hooks can be changed by others than the server's user" in " ".join(operator.refused().output.split())
    assert not (folder / "mtls").exists()


@as_root
@pytest.mark.parametrize("folder", ["/etc", "/etc/mtls-httpd-hooks-test.d", "/run", "/"])
def test_a_program_is_not_put_where_its_name_means_something_to_the_system(
    operator: LocalOperator, certbot: Certbot, folder: str
) -> None:
    hook = Path(folder, "mtls-httpd-hook-test")
    made = not hook.parent.exists()
    hook.parent.mkdir(exist_ok=True)
    operator.site.update(renewal_hook=str(hook))
    try:
        refused = " ".join(operator.refused().output.split())
        assert f"{hook} lies in {folder}, where the system takes files for its own by their names" in refused
        assert not hook.exists()
    finally:
        if made:
            hook.parent.rmdir()
    root = tempfile.mkdtemp(dir="/etc", prefix="mtls-httpd-")
    own = Path(root, "hooks.d", "mtls")  # as /etc/letsencrypt/renewal-hooks/deploy
    own.parent.mkdir()
    operator.site.update(renewal_hook=str(own))
    try:
        operator.deploy()
        assert own.exists()
        operator.deploy(mutual_tls_sites=[{"domain": DOMAIN, "state": "absent"}])
    finally:
        shutil.rmtree(root)


def test_the_playbook_of_the_documentation_works(operator: LocalOperator, certbot: Certbot) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "renewal.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    [play] = yaml.safe_load(shown.replace("/etc/letsencrypt", str(certbot.root)))
    packed = zipped("TencentQQAuthCA.crt", operator.material.chat.pem)
    write(operator.folder / "files", "TencentQQAuthCA.crt.zip", packed)
    (certbot.root / "renewal-hooks" / "deploy").mkdir(parents=True)
    [role] = play["roles"]
    role["mutual_tls_sites"][0] |= {"port": operator.port, "listen": ["127.0.0.1"]}
    variables = {key: value for key, value in operator.variables.items() if key != "mutual_tls_sites"}
    operator.deploy(plays=[play | {"hosts": "webhook", "become": False, "vars": variables}])
    assert operator.ask(operator.material.client).certificate_sha256 == operator.material.server.sha256
    assert operator.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def zip_of_another() -> bytes:
    content = io.BytesIO(b"")
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("__main__.py", 'print("mine")')
    return f"#!{sys.executable} -I\n".encode() + content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\nreload-something\n",
        f"#!{sys.executable} -I\nprint('mine')\n".encode(),
        zip_of_another(),
        b"",
    ],
    ids=["of a shell", "of the same Python", "zipped for the same Python", "empty"],
)
def test_somebody_elses_program_is_neither_overwritten_nor_taken_away(
    operator: LocalOperator, certbot: Certbot, content: bytes
) -> None:
    hook = certbot.root / "hook"
    operator.site.update(renewal_hook=str(hook))
    hook.write_bytes(content)
    assert f"{hook} is not this collection's" in " ".join(operator.refused().output.split())
    assert hook.read_bytes() == content
    hook.unlink()
    operator.deploy()
    hook.write_bytes(content)
    operator.deploy(mutual_tls_sites=[{"domain": DOMAIN, "state": "absent"}])
    assert hook.read_bytes() == content


def test_a_program_for_renewals_is_of_sites_whose_material_lies_on_the_host(
    operator: LocalOperator, certbot: Certbot
) -> None:
    operator.site.update(renewal_hook=str(certbot.root / "hook"))
    operator.site.update(remote_src=False)
    assert "'renewal_hook' goes with 'remote_src' alone" in " ".join(operator.refused().output.split())


def test_revocation_lists_are_the_controllers_and_judged_there_by_its_client_ca(
    operator: LocalOperator, certbot: Certbot
) -> None:
    client = operator.material.client
    write(certbot.root, "chat.crt", operator.material.chat.pem)
    write(operator.folder / "files", "chat.crl", operator.material.chat.crl(client))
    operator.site.update(crl=["files/chat.crl"])
    output = operator.refused(mutual_tls_sites=[operator.site | {"client_ca": [f"{certbot.root}/chat.crt"]}]).output
    assert "the option 'crl' is judged by the client CA, which then has to be the controller's too" in output
    operator.deploy()
    assert operator.ask(client).said == "SSLV3_ALERT_CERTIFICATE_REVOKED"
