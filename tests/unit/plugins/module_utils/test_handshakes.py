# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of answers, of a configuration, and of the material that it names."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from demo_material import Authority, key_pem, new_key, write

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Answer, Met
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import tell_fault, tell_faults
from ansible_collections.mtls.httpd.plugins.module_utils._site.handshakes import Stage, judge_answers
from ansible_collections.mtls.httpd.plugins.module_utils._site.material import find_material_faults
from ansible_collections.mtls.httpd.plugins.module_utils._site.misplaced import find_misplaced
from ansible_collections.mtls.httpd.plugins.module_utils._site.standing import addresses
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "www.example.com"
SERVED = b"the site's own certificate"
SITE = SiteFacts(
    domain=DOMAIN,
    port=443,
    listen=(),
    aliases=(),
    modules=(),
    welcome=(),
    versions=("TLSv1.2", "TLSv1.3"),
    certificate_sha256=Answer("", "", "", "", SERVED).certificate_sha256 or "",
    client_ca_names=("CN=Chat",),
    verify_client="require",
    open_paths=(),
    protected_paths=(),
    pins=(),
    backend_ca=False,
    access_log="",
    error_log="",
    included=False,
    begins="2026-01-31T23:59:59Z",
    ends="2030-01-31T23:59:59Z",
)
SOUND = {"none": "refused", "untrusted": "refused", "trusted": "accepted"}


def answers(
    *, served: bytes = SERVED, detail: str = "alert unknown_ca", status: int = 0, **results: str
) -> list[Answer]:
    return [
        Answer(version, client, result, detail, served, status=status)
        for version in ("TLSv1.2", "TLSv1.3")
        for client, result in {**SOUND, **results}.items()
    ]


def faults(given: list[Answer], site: SiteFacts = SITE, stage: Stage = Stage.REHEARSAL) -> str:
    return "; ".join(map(tell_fault, judge_answers(site, given, stage)))


def test_strangers_refused_and_the_client_accepted_is_no_fault() -> None:
    assert faults(answers()) == ""


@pytest.mark.parametrize(
    ("client", "result", "words"),
    [
        ("none", "accepted", "a client without a certificate got in over TLSv1.2 and TLSv1.3"),
        ("untrusted", "accepted", "a client of another CA got in over TLSv1.2 and TLSv1.3"),
        ("trusted", "refused", "a client of the client CA was locked out over TLSv1.2 and TLSv1.3"),
        ("trusted", "unproven", "a client of the client CA got no clear answer over TLSv1.2 and TLSv1.3"),
        ("none", "unproven", "a client without a certificate got no clear answer"),
    ],
)
def test_every_other_answer_is_a_fault(client: str, result: str, words: str) -> None:
    assert words in faults(answers(**{client: result}))


@pytest.mark.parametrize("protocol", ["", "http/1.1", "h2"])
def test_a_fault_over_http2_says_so(protocol: str) -> None:
    given = [replace(answer, protocol=protocol) for answer in answers(none="accepted")]
    over = "TLSv1.2, TLSv1.3 and HTTP/2" if protocol == "h2" else "TLSv1.2 and TLSv1.3"
    assert faults(given).startswith(f"a client without a certificate got in over {over}: ")


def test_a_403_is_no_refusal_of_a_stranger() -> None:
    assert "refused a path, not the handshake" in faults(answers(detail="HTTP/1.1 403 Forbidden", status=403))


def test_a_server_that_nobody_reaches_is_told_once() -> None:
    told = faults(answers(detail="connection refused", **dict.fromkeys(SOUND, "unproven")))
    assert told == "no clear answer to any client: connection refused"


@pytest.mark.parametrize(
    ("asked", "stage", "sound"),
    [
        (None, Stage.LIVE, True),
        (("CN=Chat",), Stage.LIVE, True),
        (("CN=Chat", "CN=probe"), Stage.REHEARSAL, True),
        (("CN=Chat", "CN=another"), Stage.LIVE, False),
        (("CN=another",), Stage.REHEARSAL, False),
        ((), Stage.LIVE, False),
    ],
)
def test_the_sites_own_client_cas_must_be_asked_for(asked: tuple[str, ...] | None, stage: Stage, sound: bool) -> None:
    given = [replace(answer, client_ca_names=asked) for answer in answers()]
    assert ("clients of other CAs" not in faults(given, stage=stage)) == sound


def test_another_certificate_is_a_fault() -> None:
    assert "another certificate is served" in faults(answers(served=b"another"))


def test_a_version_that_is_not_offered_is_a_fault_where_it_was_wished() -> None:
    missing = [Answer("TLSv1.3", client, "unproven", "protocol not offered", offered=False) for client in SOUND]
    sound = [answer for answer in answers() if answer.version == "TLSv1.2"]
    assert faults(sound + missing, replace(SITE, versions=("TLSv1.2",))) == ""
    assert "TLSv1.3 is not offered, although" in faults(sound + missing)
    assert "TLSv1.3 are not offered" in faults(missing)


def test_where_a_certificate_is_optional_only_a_stranger_must_be_refused() -> None:
    optional = replace(SITE, verify_client="optional")
    assert faults(answers(none="accepted"), optional) == ""
    assert "another CA got in" in faults(answers(none="accepted", untrusted="accepted"), optional)


def test_where_any_certificate_will_do_nobody_must_be_refused() -> None:
    anybody = replace(SITE, verify_client="optional_no_ca")
    assert faults(answers(none="accepted", untrusted="accepted"), anybody) == ""
    assert "a client of another CA was locked out" in faults(answers(none="accepted"), anybody)


REFUSED = Met("refused", "HTTP/1.1 403 Forbidden", 403)
LET_IN = Met("accepted", "HTTP/1.1 200 OK", 200)
ALERT = Met("refused", "alert handshake_failure")


def answer(client: str, met: Met, path: str = "/") -> Answer:
    return Answer("TLSv1.3", client, met.result, met.detail, SERVED, path=path, status=met.status)


@pytest.mark.parametrize(
    ("client", "path", "got", "words"),
    [
        ("none", "/", REFUSED, ""),
        ("none", "/", LET_IN, "a client without a certificate got in over TLSv1.3"),
        ("none", "/", ALERT, "was refused the handshake, not a path"),
        ("none", "/healthz", LET_IN, ""),
        ("none", "/healthz", REFUSED, "a client without a certificate was locked out"),
        ("untrusted", "/", REFUSED, "a client of another CA was refused a path"),
        ("untrusted", "/", ALERT, ""),
    ],
)
def test_a_client_without_certificate_gets_the_open_paths_alone(client: str, path: str, got: Met, words: str) -> None:
    site = replace(SITE, verify_client="optional", open_paths=("/healthz",))
    assert (words or "nothing") in (faults([answer(client, got, path)], site) or "nothing")


@pytest.mark.parametrize(
    ("path", "got", "words"),
    [
        ("/", LET_IN, ""),
        ("/", REFUSED, ""),
        ("/callback", REFUSED, ""),
        ("/callback", LET_IN, "a client without a certificate got in at /callback over TLSv1.3"),
    ],
)
def test_a_client_without_certificate_gets_no_protected_path(path: str, got: Met, words: str) -> None:
    site = replace(SITE, verify_client="optional", protected_paths=("/callback",))
    assert (words or "nothing") in (faults([answer("none", got, path)], site) or "nothing")


@pytest.mark.parametrize(
    ("client", "got", "words"),
    [
        ("unlisted", REFUSED, ""),
        ("unlisted", LET_IN, "that is not among 'allowed_clients' got in over TLSv1.3"),
        ("unlisted", ALERT, "was refused the handshake, not a path"),
        ("allowed_clients[0]", LET_IN, ""),
        ("allowed_clients[0]", REFUSED, "a client such as allowed_clients[0] wants it was locked out"),
    ],
)
def test_of_the_client_cas_clients_those_that_are_listed_must_get_in(client: str, got: Met, words: str) -> None:
    site = replace(SITE, pins=("subject:CN=Chat",))
    assert (words or "nothing") in (faults([answer(client, got)], site) or "nothing")


# -- the configuration


def described(*lines: str, root: str = "/") -> Description:
    """Describe a configuration of one directive a line, in /c; VIRTUALHOST: opens a virtual host."""
    directives = [Directive("SSLEngine", "on", "/c", 0, (), "")]
    host = ""
    for number, line in enumerate(lines, 1):
        name, _space, arguments = line.partition(" ")
        if name == "<VirtualHost":
            host = f"/c:{number}"
        directives.append(Directive(name, arguments, "/c", number, (), host))
    return Description(root, "", "", "", "", "", (), {}, tuple(directives))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('CustomLog "|/bin/cat" common', "piped logger"),
        ('ErrorLog "|$/bin/cat"', "piped logger"),
        ("RewriteMap x prg:/bin/cat", "rewriting program"),
        ("PassengerRoot /x", "PassengerRoot has effects"),
    ],
)
def test_what_would_have_effects_outside_is_told_with_its_place(line: str, words: str) -> None:
    reason = effects.find_effects(sys.executable, described("Listen 80", line))
    assert words in reason
    assert "/c:2" in reason


def test_an_ordinary_configuration_has_no_effects() -> None:
    found = described("CustomLog logs/x common", "RewriteMap x txt:/x", "ErrorLog syslog")
    assert effects.find_effects(sys.executable, found) == ""


@pytest.mark.parametrize("line", ["WSGIDaemonProcess x", "PerlRequire /x", "PerlModule X"])
def test_code_that_httpds_own_processes_run_is_tried_where_httpd_can_be_kept_from_starting_programs(
    line: str, tmp_path: Path
) -> None:
    found = described("Listen 80", line)
    assert effects.find_effects(sys.executable, found) == ""
    (tmp_path / "httpd").write_text("#!/bin/sh\n")
    assert "has effects as soon as httpd starts (/c:2)" in effects.find_effects(str(tmp_path / "httpd"), found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SSLPassPhraseDialog exec:/usr/libexec/httpd-ssl-pass-dialog", "a program that tells a passphrase would be"),
        ("SSLPassPhraseDialog |/bin/cat", "a program that tells a passphrase would be started"),
        ("MDomain a.example.com", "MDomain has effects"),
        ("<MDomainSet a.example.com>", "MDomainSet has effects"),
        ("MDMessageCmd /bin/cat", "MDMessageCmd has effects"),
    ],
)
def test_what_starts_programs_at_times_is_tried_where_httpd_can_be_kept_from_it(
    line: str, words: str, tmp_path: Path
) -> None:
    found = described("Listen 80", line)
    assert effects.find_effects(sys.executable, found) == ""
    (tmp_path / "httpd").write_text("#!/bin/sh\n")
    reason = effects.find_effects(str(tmp_path / "httpd"), found)
    assert words in reason
    assert "(/c:2)" in reason


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ((), ["127.0.0.1"]),
        (("Listen 443",), ["127.0.0.1"]),
        (("Listen 192.0.2.1:443", "Listen 192.0.2.9:80"), ["192.0.2.1"]),
        (("Listen 443", "<VirtualHost 192.0.2.2:443"), ["127.0.0.1", "192.0.2.2"]),
        (("Listen 443", "<VirtualHost 192.0.2.2:80", "<VirtualHost *:443"), ["127.0.0.1"]),
        (("Listen 443", "<VirtualHost 192.0.2.2:*"), ["127.0.0.1", "192.0.2.2"]),
        (("Listen 192.0.2.1:443", "<VirtualHost 192.0.2.2:443"), ["192.0.2.1"]),
    ],
)
def test_a_site_is_tried_where_others_could_answer_in_its_place(lines: tuple[str, ...], found: list[str]) -> None:
    assert addresses(SITE, described(*lines)) == found


def test_a_site_with_addresses_is_tried_at_all_of_them() -> None:
    own = replace(SITE, listen=("::1", "192.0.2.7"))
    assert addresses(own, described("Listen 443")) == ["::1", "192.0.2.7"]


def host(file: str, name: str, address: str = "*:443") -> list[Directive]:
    place = f"{file}:1"
    section = (f"VirtualHost {address}",)
    return [
        Directive("<VirtualHost", address, file, 1, (), place),
        Directive("ServerName", name, file, 2, section, place),
        Directive("SSLVerifyClient", "require", file, 3, section, place),
    ]


def order(*hosts: list[Directive]) -> list[str]:
    store = Store("/conf")
    directives = tuple(each for directives in hosts for each in directives)
    faults = find_misplaced(store, Description("/", "", "", "", "", "", (), {}, directives), [SITE])
    return [tell_fault(each) for each in faults]


OURS = host(f"/conf/mtls/{DOMAIN}/current/site.conf", DOMAIN)


def test_a_site_behind_the_users_own_is_in_its_place() -> None:
    assert order(host("/c", "own.example.com"), OURS) == []


def test_a_site_in_front_of_the_users_own_would_be_the_default() -> None:
    assert "in the place of the virtual host at /c:1" in order(OURS, host("/c", "own"))[0]


def test_sites_of_ours_may_stand_in_any_order() -> None:
    assert order(OURS, host("/conf/mtls/z.example.com/current/site.conf", "z.example.com")) == []


def test_another_virtual_host_of_the_sites_name_must_verify_clients_too() -> None:
    open_one = host(f"/conf/mtls/{DOMAIN}/current/other.conf", DOMAIN, "192.0.2.1:443")[:2]
    assert "has no SSLVerifyClient" in order(OURS, open_one)[0]


def test_a_site_that_is_not_included_is_told() -> None:
    assert "no virtual host of this name" in order(host("/c", DOMAIN))[0]


# -- material


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    issued, other = authority.issue("a.example.com"), authority.issue("b.example.com")
    files = {
        "a.crt": issued.full_pem,
        "a.key": issued.key_pem,
        "b.crt": other.full_pem,
        "b.key": other.key_pem,
        "both.pem": issued.full_pem + issued.key_pem,
        "secret.key": key_pem(issued.key, b"passphrase"),
        "another.key": key_pem(new_key()),
        "ca.crt": authority.pem,
        "crl.pem": authority.crl(),
        "garbage.crt": b"garbage\n",
        "empty.crt": b"",
    }
    for name, content in files.items():
        write(tmp_path, name, content)
    return tmp_path


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("SSLCertificateFile a.crt", "SSLCertificateKeyFile a.key"), ""),
        (("SSLCertificateFile both.pem",), ""),
        (("SSLCertificateFile a.crt", "SSLCertificateKeyFile secret.key"), ""),
        (
            (
                "SSLCertificateFile a.crt",
                "SSLCertificateFile b.crt",
                "SSLCertificateKeyFile a.key",
                "SSLCertificateKeyFile b.key",
            ),
            "",
        ),
        (("SSLCACertificateFile ca.crt", "SSLCARevocationFile crl.pem"), ""),
        (("SSLCertificateFile a.crt", "SSLCertificateKeyFile another.key"), "/c:1: SSLCertificateFile"),
        (("SSLCertificateFile a.crt", "SSLCertificateKeyFile another.key"), "does not match the certificate"),
        (("Listen 1", "SSLCertificateFile missing.crt"), "/c:2: SSLCertificateFile"),
        (("SSLCertificateFile a.crt",), "SSLCertificateFile"),
        (("SSLCACertificateFile garbage.crt",), "/c:1: SSLCACertificateFile"),
        (("SSLCACertificateFile empty.crt",), "/c:1: SSLCACertificateFile"),
        (("SSLCARevocationFile missing.pem",), "no such file"),
    ],
)
def test_material_that_openssl_does_not_take_is_named_with_file_and_line(
    folder: Path, lines: tuple[str, ...], words: str
) -> None:
    told = tell_faults(find_material_faults(described(*lines, root=str(folder))))
    assert words in told
    assert bool(told) == bool(words)
    assert "PRIVATE KEY" not in told


def test_each_virtual_host_has_its_own_pair(folder: Path) -> None:
    lines = (
        "<VirtualHost *:443",
        "SSLCertificateFile a.crt",
        "SSLCertificateKeyFile a.key",
        "<VirtualHost *:444",
        "SSLCertificateFile b.crt",
        "SSLCertificateKeyFile b.key",
    )
    assert find_material_faults(described(*lines, root=str(folder))) == []
