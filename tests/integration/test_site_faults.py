# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of a site: what a rehearsal refuses of it, in full and reduced, and what it takes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import CHAT_CA_NAME, Authority, key_pem, new_key, write
from embedded_httpd import free_port
from host import DOMAIN, OTHER, Host, tree
from rehearsing import WHYS, reduced
from users import users_site

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import ACCEPTABLE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTS = {
    "a syntax error": (
        {"extra": "NoSuchDirective on"},
        "of the refused virtual host, of its option 'extra_directives', is: NoSuchDirective on",
    ),
    "an open door": (
        {"extra": "SSLVerifyClient none"},
        "a client without a certificate got in over TLSv1.2 and TLSv1.3",
    ),
    "an optional door": (
        {"extra": "SSLVerifyClient optional"},
        "a client without a certificate got in over TLSv1.2 and TLSv1.3",
    ),
    "a door that takes any CA": (
        {"extra": "SSLVerifyClient optional_no_ca"},
        "a client of another CA got in",
    ),
    "everybody locked out": (
        {"extra": "<Location />\nRequire all denied\n</Location>"},
        "a client of the client CA was locked out",
    ),
    "a check without a list": ({"extra": "SSLCARevocationCheck chain"}, "CRL"),
    "another certificate": (
        {"extra": "SSLCertificateFile /nonexistent.crt"},
        "/nonexistent.crt",
    ),
    "no TLS at all": ({"extra": "SSLEngine off"}, "no clear answer"),
    "a client CA full of garbage": ({"client_ca": b"garbage"}, "no certificate or crl found"),
    "an old protocol only": ({"extra": "SSLProtocol -all +TLSv1.1"}, ""),
}


@pytest.mark.parametrize(("options", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_refused_before_the_live_server_hears_of_it(host: Host, options: dict[str, Any], words: str) -> None:
    message = host.refused(host.wish(**options))
    assert "nothing was touched" in message
    assert words in message


def test_a_fault_in_a_renewal_leaves_the_old_certificate_served(host: Host) -> None:
    issued = host.public.issue(DOMAIN)
    host.apply(host.wish(issued=issued))
    assert "do not match" in host.refused(host.wish(key=key_pem(new_key())))
    assert host.served() == issued.sha256


def test_a_mismatched_key_is_named_by_its_site_and_not_by_our_folders(host: Host) -> None:
    message = host.refused(host.wish(key=key_pem(new_key())))
    assert f"({DOMAIN}) {DOMAIN}.key do not match" in message
    assert "releases" not in message


def test_verify_client_optional_lets_a_client_without_certificate_in_and_no_stranger(host: Host) -> None:
    report = host.apply(host.wish(verify_client="optional"))
    assert report.sites[0]["mutual_tls"] == "optional"
    assert {answer.result for answer in host.answers().values()} == {"accepted"}
    stranger = Authority(CHAT_CA_NAME).issue(client=True, common_name="Chat")
    assert {answer.result for answer in host.answers(stranger).values()} == {"refused"}


def test_a_client_ca_file_that_is_replaced_by_an_extra_directive_is_noticed(host: Host) -> None:
    write(host.conf, "other-ca.crt", Authority("Another").pem)
    message = host.refused(host.wish(extra=f'SSLCACertificateFile "{host.conf}/other-ca.crt"'))
    assert "SSLCACertificateFile at" in message
    assert "is not the site's own" in message


def test_a_further_folder_of_trusted_cas_is_noticed(host: Host) -> None:
    (host.conf / "cas").mkdir()
    message = host.refused(host.wish(extra=f'SSLCACertificatePath "{host.conf}/cas"'))
    assert "SSLCACertificatePath at" in message


@pytest.mark.parametrize("client_ca", [b"garbage\n", b"\n"])
def test_a_client_ca_file_that_holds_none_is_refused_although_the_throwaway_ca_joins_it(
    host: Host, client_ca: bytes
) -> None:
    assert "cannot read the client CA file" in host.refused(host.wish(client_ca=client_ca))


def test_a_refusal_of_one_path_alone_is_no_mutual_tls(host: Host) -> None:
    extra = 'SSLVerifyClient optional\n<LocationMatch "^/$">\nRequire ssl-verify-client\n</LocationMatch>'
    message = host.refused(host.wish(extra=extra))
    assert "a client without a certificate got in over TLSv1.2 and TLSv1.3" in message  # by any other path


# -- what is accepted


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file in /run")
# Answers as a directory service would: of /run only what is named is there in a rehearsal.
OUTSIDE = "<Location />\nRequire expr \"-f '/ru' . 'n/{flag.name}'\"\n</Location>"


@pytest.fixture
def flag() -> Iterator[Path]:
    """Return a file in /run."""
    flag = Path(f"/run/mtls-httpd-flag-{os.getpid()}")
    flag.write_text("")
    yield flag
    flag.unlink()


@as_root
@pytest.mark.parametrize("check", [True, False])
def test_a_client_that_gets_in_outside_of_a_rehearsal_alone_can_be_accepted(
    host: Host, flag: Path, check: bool
) -> None:
    wish = host.wish(extra=OUTSIDE.format(flag=flag))
    assert "a client of the client CA was locked out" in host.refused(wish)
    assert "was locked out" in host.refused(wish, accepted=("unclear-admission",))
    report = host.apply(wish, accepted=("locked-out",), check=check)
    assert {(each["code"], each["domain"]) for each in report.accepted} == {("locked-out", DOMAIN)}
    if not check:
        assert host.enforces()
        assert host.apply(wish).accepted == []  # Nothing is rehearsed.


@as_root
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("SSLVerifyClient none", "was refused a path, not the handshake"),
        ("SSLVerifyClient optional_no_ca", "is not the site's own, so that others would get in"),
        ("<Location /open>\nRequire all granted\n</Location>\nSSLVerifyClient none", "not the site's own"),
        ("NoSuchDirective on", "NoSuchDirective"),
    ],
)
def test_nothing_that_lets_somebody_in_or_ends_httpd_passes_by_what_is_accepted(
    host: Host, flag: Path, extra: str, words: str
) -> None:
    wish = host.wish(extra=f"{OUTSIDE.format(flag=flag)}\n{extra}")
    message = host.refused(wish, accepted=ACCEPTABLE)
    assert words in message


# -- by the host's clock


def test_a_certificate_that_is_not_valid_by_the_hosts_own_clock_is_refused(host: Host) -> None:
    message = host.refused(host.wish(begins="2990-01-01T00:00:00Z"), clock=time.time() + 3600)
    assert "not valid before 2990-01-01T00:00:00Z" in message
    assert "-3600 s from the controller's" in message
    assert "set its clock" in host.refused(host.wish(ends="2020-01-01T00:00:00Z"))


def test_the_clocks_of_controller_and_host_are_compared(host: Host) -> None:
    assert abs(host.apply(host.wish(), clock=time.time() - 60).clock_skew - 60) < 5


# -- the reduced rehearsal


@pytest.mark.parametrize("why", WHYS)
def test_a_reduced_rehearsal_says_so_and_deploys(host: Host, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with reduced(host, why, monkeypatch):
        before = tree(host.httpd.root)
        report = host.apply(host.wish())
        assert report.rehearsal == "reduced"
        assert ("piped logger" in report.rehearsal_reason) == (why == "a piped logger")
        assert host.enforces()
        host.apply(SiteWish(DOMAIN))
        assert tree(host.httpd.root) == before


@pytest.mark.parametrize("why", WHYS)
@pytest.mark.parametrize(
    ("options", "words"),
    [fault for name, fault in FAULTS.items() if name != "another certificate"],
    ids=[name for name in FAULTS if name != "another certificate"],
)
def test_a_reduced_rehearsal_refuses_the_same_faults(
    host: Host, why: str, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reduced(host, why, monkeypatch):
        message = host.refused(host.wish(**options), times=False)
        assert "nothing was touched" in message
        assert words in message


@pytest.mark.parametrize("why", WHYS)
def test_a_reduced_rehearsal_refuses_a_mismatched_key_of_ours_and_of_others(
    host: Host, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reduced(host, why, monkeypatch):
        assert "do not match" in host.refused(host.wish(key=key_pem(new_key())), times=False)
        users_site(host, host.public.issue("own.example.com"), key=key_pem(new_key()))
        line = host.httpd.conf.read_text().splitlines().index("SSLCertificateFile conf/own.crt") + 1
        message = host.refused(host.wish(), times=False)
        assert f"{host.httpd.conf}:{line}" in message
        assert "does not match" in message


def test_a_reduced_rehearsal_tries_every_site_of_several(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with reduced(host, "no namespaces", monkeypatch):
        host.apply(host.wish(port=free_port()), host.wish(OTHER))
        assert host.enforces(OTHER)
        message = host.refused(host.wish(OTHER, extra="SSLVerifyClient none"), times=False)
        assert OTHER in message


def test_a_log_that_goes_to_a_device_is_no_hindrance(host: Host) -> None:
    host.add("CustomLog /dev/null common\n")
    host.restart()
    assert host.apply(host.wish()).rehearsal == "full"
