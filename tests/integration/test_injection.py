# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No option has an effect outside its value: hostile text under each is refused, or httpd reads just that text.

The action plugin runs as Ansible runs it, but for the trip; httpd is asked what it makes of the virtual host.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import CHAT_CA_NAME, Authority, key_pem, new_key, write
from embedded_httpd import EmbeddedHttpd
from host import DOMAIN, Host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playing import sending

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, FACTS, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects, request
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused, carry_out
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import documented_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release

DOCUMENTED: dict[str, Any] = documented_options("sites")["sites"]["suboptions"]
# With those of an option's members as option.suboption.
OPTIONS: dict[str, Any] = {
    f"{name}.{inner}" if inner else name: found
    for name, option in DOCUMENTED.items()
    for inner, found in option.get("suboptions", {"": option}).items()
}
# Raw text, which handshakes judge (below).
RAW = {"extra_directives", "template"}
# Names of headers, of letters, digits and hyphens alone, which stand in several forms.
NAMES = {name for name in OPTIONS if name.startswith("forward_client_identity.")}
# An honest value of each option. Hostile text stands behind it, and alone.
HONEST: dict[str, Any] = {
    "domain": DOMAIN,
    "aliases": "api.example.com",
    "state": "present",
    "force": "true",
    "release": "3f9c0a6de1b2c4f7",
    "certificate": "site.crt",
    "certificate_content": "",
    "private_key": "site.key",
    "private_key_content": "",
    "private_key_passphrase": "a",
    "chain": "chain.crt",
    "chain_content": "",
    "bundle": "bundle.zip",
    "bundle_content": "",
    "client_ca": "ca.crt",
    "client_ca_content": "",
    "client_ca_sha256": "",
    "crl_content": "",
    "crl": "list.crl",
    "issued_by": "public",
    "trust_anchors": "root.crt",
    "trust_anchors_content": "",
    "port": "4433",
    "listen": "127.0.0.1",
    "document_root": "/srv/www",
    "proxy_pass": "http://127.0.0.1:8080/",
    "verify_client": "require",
    "verify_depth": "97",
    "remote_src": "false",
    "allow_bypass": "",
    "allow_programs": "false",
    "crl_check": "chain",
    "client_ocsp": "leaf",
    "client_ocsp_responder": "http://ocsp.example.com/",
    "client_ocsp_required": "true",
    "client_ocsp_timeout": "59",  # in no other word of a site.conf
    "ocsp_stapling": "false",
    "allowed_clients.subject": "CN=Chat,O=Tencent",
    "allowed_clients.san": "chat.example.com",
    "allowed_clients.certificate": "client.crt",
    "allowed_clients.certificate_content": "",
    "manage": "virtual_host",
    "renewal_hook": "/usr/local/sbin/renewed",
    "open_paths": "/healthz",
    "callback_paths": "/callback",
    "protected_paths.path": "/callback",
    "protected_paths.proxy_pass": "http://127.0.0.1:8081/callback",
    "proxy_ca": "backend.crt",
    "proxy_ca_content": "",
    "proxy_timeout": "87",
    "proxy_websocket": "false",
    "request_body_limit": "1048571",
    "tls_profile": "intermediate",
    "tls_protocols": "TLSv1.2",
    "tls_ciphers": "ECDHE-RSA-AES128-GCM-SHA256",
    "tls_ciphersuites": "TLS_AES_128_GCM_SHA256",
    "tls_curves": "secp521r1",
    "http2": "false",
    "hsts": "86413",
    "proxy_protocol": "false",
    "access_log": "/var/log/called.log",
    "error_log": "/var/log/wrong.log",
}
# fmt: off
HOSTILE = (
    '"', "'", "a b", 'x" "y', "back\\", 'back\\"', "a\nSSLVerifyClient none", "\r\nSSLEngine off", "a\\\nb", "\t", "\0",
    "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\u00fc", "\u212a", "\ud800", "\ufeff", "${PATH}", "%{ENV:PATH}",
    "<VirtualHost *:1>", "</VirtualHost>", ">", "#", " #", "../../etc/passwd", "/../..", "//", "{{ 7 * 7 }}",
    "{% raw %}", "\x1c", "@mtls-httpd-release@", "*", "?", "[a-z]", "|/bin/sh", "~", "!", "-D", "a" * 70000,
)
# fmt: on
# Those whose value stands in the virtual host.
RENDERED = {
    *("domain", "aliases", "port", "listen", "document_root", "proxy_pass", "verify_client", "verify_depth", "hsts"),
    *("allowed_clients.subject", "allowed_clients.san", "access_log", "error_log"),
    *("open_paths", "protected_paths.path", "protected_paths.proxy_pass"),
    *("proxy_timeout", "request_body_limit"),
    *("client_ocsp_responder", "client_ocsp_required", "client_ocsp_timeout"),
    *("tls_profile", "tls_protocols", "tls_ciphers", "tls_ciphersuites", "tls_curves"),
}
CUSTOM = {"tls_profile": "custom", "tls_protocols": ["TLSv1.2", "TLSv1.3"]}
# What else must be given with an option.
BESIDE: dict[str, dict[str, Any]] = {
    "client_ocsp_responder": {"client_ocsp": "leaf"},
    "proxy_timeout": {"proxy_pass": "http://127.0.0.1:8080/"},
    "client_ocsp_required": {"client_ocsp": "leaf"},
    "client_ocsp_timeout": {"client_ocsp": "leaf"},
    "tls_protocols": CUSTOM,
    "tls_ciphers": CUSTOM,
    "tls_ciphersuites": CUSTOM,
    "tls_curves": CUSTOM,
    "protected_paths.path": {"proxy_pass": "http://127.0.0.1:8082/"},
    "protected_paths.proxy_pass": {"path": "/callback"},
}
LONG = "LONG" in os.environ
PATH_MAX = 4096  # httpd itself refuses a longer DocumentRoot


@dataclass(frozen=True)
class Controller:
    """A folder of material, and a httpd that says how it reads a site."""

    plugin: Callable[[dict[str, Any]], dict[str, str]]
    folder: Path
    server: Server
    release: Path

    def wished(self, **options: Any) -> tuple[Release | None, list[str]]:
        """Return the release that would be sent for one site with `options`, or why nothing is."""
        site = {
            "domain": DOMAIN,
            "certificate": f"{self.folder}/site.crt",
            "private_key": f"{self.folder}/site.key",
            "client_ca": f"{self.folder}/ca.crt",
            "trust_anchors": f"{self.folder}/root.crt",
            **options,
        }
        answer = self.plugin({"sites": [site]})
        assert bool(answer["payload"]) != bool(answer["msg"])
        if answer["msg"]:
            return None, answer["msg"].split("\n")
        return request.unpacked(answer["payload"]).wishes[0].release, []

    def read(self, release: Release) -> list[tuple[str, list[str]]]:
        """Return the directives of a site as httpd reads them: name and arguments; none where it refuses to."""
        text = release.filled(str(self.release))[SITE].content
        (self.release / SITE).write_bytes(text)
        self.server.forget()
        try:
            described = self.server.describe()
        except commands.HttpdError:
            return []
        # Of an expression, httpd takes the outer quotes away and nothing else.
        return [
            (each.name, [each.arguments] if each.name == "Require" else each.words)
            for each in described.directives
            if each.file == f"{self.release}/{SITE}"
        ]


@pytest.fixture(scope="module")
def controller(collections_path: Path) -> Iterator[Controller]:
    root = Authority("Test Root CA")
    served = root.issue(DOMAIN, "api.example.com")
    with tempfile.TemporaryDirectory(prefix="m") as name:
        folder, release = Path(name), Path(name) / "release"
        httpd = EmbeddedHttpd(folder / "httpd")
        httpd.lay_out()
        chat = Authority(CHAT_CA_NAME)
        files = {"site.crt": served.pem, "site.key": served.key_pem, "ca.crt": chat.pem, "root.crt": root.pem}
        for file, content in files.items():
            write(folder, file, content)
        (release / "empty").mkdir(parents=True)
        for file, content in {
            f"{DOMAIN}.crt": served.pem,
            f"{DOMAIN}.key": served.key_pem,
            "TencentQQAuthCA.crt": chat.pem,
        }.items():
            write(release, file, content)
        with httpd.conf.open("a") as stream:
            for module in ("ssl", "proxy", "proxy_http"):
                stream.write(f"LoadModule {module}_module modules/mod_{module}.so\n")
            stream.write("Define MTLS_HTTPD_LOGS logs\n")
            stream.write(f'Include "{release}/{SITE}"\n')
        server = find.find(str(httpd.binary), str(httpd.conf))
        assert server
        with sending(collections_path) as plugin:
            yield Controller(plugin, folder, server, release)


def for_people(lines: list[str]) -> bool:
    """Whether each line can be read, and steers no terminal."""
    return len("".join(lines)) > 40 and all(line.isprintable() and len(line) < 500 for line in lines)


def assert_harmless(controller: Controller, option: str, texts: Iterable[str], **common: Any) -> None:
    """Assert that each text is refused in plain words, or stands where the honest value stood and nowhere else.

    In a site that has `common` options too.
    """
    honest = HONEST[option]

    def wished(value: str) -> tuple[Release | None, list[str]]:
        name, _dot, inner = option.partition(".")
        beside = BESIDE.get(option, {})
        given: Any = {**beside, inner: value} if inner else value
        listed = DOCUMENTED[name]["type"] == "list"
        return controller.wished(**common, **({} if inner else beside) | {name: [given] if listed else given})

    usual, _refusal = wished(honest) if option in RENDERED else controller.wished(**common)
    assert usual, "an honest value is taken"
    expected = controller.read(usual)
    values = ["true", "false"] if OPTIONS[option]["type"] == "bool" else []
    fair = [usual.public, *(release.public for release, _refusal in map(wished, values) if release)]
    for text in texts:
        for hostile in (text, honest + text):
            release, refusal = wished(hostile)
            if release is None:
                assert for_people(refusal), refusal
            elif release.public not in fair:
                assert {**release.public, SITE: b"", FACTS: b""} == {**usual.public, SITE: b"", FACTS: b""}
                meant = str(int(hostile.strip())) if OPTIONS[option]["type"] == "int" else hostile
                found = controller.read(release)
                if not found:
                    means = ("tls_", "access_log", "error_log")  # A cipher that is none, a folder that is not there.
                    assert len(hostile) > PATH_MAX or option.startswith(means), "httpd refuses it for its form"
                    continue
                assert [name for name, _words in found] == [name for name, _words in expected]
                for (name, words), (_name, usually) in zip(found, expected, strict=True):
                    assert len(words) == len(usually)
                    assert all(map(same(honest, meant), words, usually)), (name, words)


def same(honest: str, meant: str) -> Callable[[str, str], bool]:
    """Return whether a word is the usual one with `meant` in the place of the honest value, also in an expression."""

    def compared(word: str, usual: str) -> bool:
        word = word.replace("SSL_CLIENT_SAN_Email_", "SSL_CLIENT_SAN_DNS_")  # An "@" makes an address of a name.
        before, quoted, after = usual.partition(f"'{honest}'")
        if not quoted:
            return word == usual.replace(honest, meant)
        inside = re.fullmatch(re.escape(before) + r"'((?:[^'\\]|\\.)*)'" + re.escape(after), word)
        return inside is not None and re.sub(r"\\(.)", r"\1", inside[1]) == meant

    return compared


def test_every_option_is_tried() -> None:
    assert set(HONEST) | RAW | NAMES == set(OPTIONS), (
        "a new option needs an honest value here, in front of hostile ones"
    )


@pytest.mark.parametrize("option", HONEST)
def test_hostile_text_is_refused_or_stays_inside_its_value(controller: Controller, option: str) -> None:
    assert_harmless(controller, option, HOSTILE)


@pytest.mark.parametrize("option", sorted(RENDERED))
@settings(max_examples=500 if LONG else 10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.lists(st.one_of(st.sampled_from(HOSTILE[:-1]), st.text(max_size=4)), min_size=1, max_size=4)
        .map("".join)
        .filter(bool),
        max_size=8,
    )
)
def test_so_is_any_other_text(controller: Controller, option: str, texts: list[str]) -> None:
    assert_harmless(controller, option, texts)


@pytest.mark.parametrize("option", sorted(NAMES))
def test_the_name_of_a_header_is_one_or_is_refused(controller: Controller, option: str) -> None:
    def wished(name: str) -> tuple[Release | None, list[str]]:
        told = {"subject": "X-Subject", option.partition(".")[2]: name}
        return controller.wished(proxy_pass="http://127.0.0.1:8080/", forward_client_identity=told)

    assert wished("true" if OPTIONS[option]["type"] == "bool" else "X-Client")[0], "an honest value is taken"
    for hostile in (text for each in HOSTILE for text in (each, f"X-Client{each}")):
        release, refusal = wished(hostile)
        assert for_people(refusal) if release is None else re.fullmatch("[A-Za-z0-9-]+", hostile), (hostile, refusal)


@pytest.mark.parametrize("state", ["absent", "previous"])
def test_a_hostile_name_leads_nowhere_in_any_state(controller: Controller, state: str) -> None:
    for hostile in (text for each in HOSTILE if each != "-D" for text in (each, DOMAIN + each)):
        answer = controller.plugin({"sites": [{"domain": hostile, "state": state}]})
        assert not answer["payload"]
        assert for_people(answer["msg"].split("\n")), answer["msg"]


@pytest.mark.parametrize("option", ["allowed_clients.subject", "allowed_clients.san", "client_ocsp_responder"])
def test_it_stays_inside_its_value_in_a_virtual_host_of_the_users_own_too(controller: Controller, option: str) -> None:
    assert_harmless(controller, option, HOSTILE, manage="directives")


@pytest.mark.parametrize("option", ["certificate", "private_key", "chain", "client_ca", "renewal_hook"])
def test_a_path_on_the_host_is_refused_or_is_just_that_path(controller: Controller, option: str) -> None:
    paths = {name: f"/etc/{name}.pem" for name in ("certificate", "private_key", "chain")}
    usual, _refusal = controller.wished(**paths, remote_src=True)
    assert usual
    for hostile in (f"/etc/{text}" for text in HOSTILE):
        given = {**paths, option: [hostile] if option == "client_ca" else hostile}
        release, refusal = controller.wished(**given, remote_src=True)
        if release is None:
            assert for_people(refusal), refusal
        else:
            assert release.public[SITE] == usual.public[SITE]
            assert release.facts.renewal_hook == (given[option] if option == "renewal_hook" else "")


# -- secrets

SECRET = "purplish monkeys dishwasher"
# As `openssl rand -base64` makes passphrases.
GENERATED = "pXk3/Zb9Qm+Tt0vLwR2d/A=="
VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n62313365396662343061393464336163383764373764613633653634306231386433626436623361"


@pytest.mark.parametrize("option", sorted({*OPTIONS} - {"extra_directives", "private_key_passphrase"}))
def test_a_secret_under_any_option_is_not_repeated(controller: Controller, option: str) -> None:
    key = key_pem(new_key()).decode()
    forms = (
        key,
        " " + key,
        "\ufeff" + key,
        key.replace("\n", " "),
        base64.b64encode(key.encode()).decode(),
        SECRET,
        GENERATED,
        VAULTED,
    )
    name, _dot, inner = option.partition(".")
    for secret in forms:
        given: Any = {**BESIDE.get(option, {}), inner: secret} if inner else secret
        for value in ([given], given, {given: given} if isinstance(given, str) else [[given]]):
            release, refusal = controller.wished(**{name: value})
            told = re.sub(r"\s", "", "".join(refusal)).lower()
            held = [*release.public.values(), (release.private_key or Secret(b"")).reveal()] if release else []
            assert secret.encode() not in b"".join(held)
            words = [word.lower() for word in secret.split() if len(word) > 6 and word != "PRIVATE"]
            assert not [word for word in words if word in told], refusal


# -- raw text

# What would let strangers in: a setting in one form or another, another virtual host, another address, or later.
ATTACKS = {
    "a setting": "SSLVerifyClient none",
    "an optional one": "SSLVerifyClient optional",
    "one without a CA": "SSLVerifyClient optional_no_ca",
    "a section": "<IfModule ssl_module>\nSSLVerifyClient none\n</IfModule>",
    "a continued line": "SSLVerify\\\nClient none",
    "a file": 'Include "{root}/conf/mine.conf"',
    "another CA": 'SSLCACertificateFile "{root}/conf/other.crt"',
    "another CA by OpenSSL's own words": '{beside}File "{root}/conf/other.crt"',
    "one in a folder": '{beside}Path "{root}/conf/cas"',
    "one in a store": '{beside}Store "file:{root}/conf/other.crt"',
    "no TLS": "SSLEngine off",
    "another virtual host": "</VirtualHost>\n<VirtualHost *:{port}>\n{open}",
    "another of an address": "</VirtualHost>\n<VirtualHost 127.0.0.2:{port}>\n{open}",
    "another in front": "ServerName elsewhere.example.com\n</VirtualHost>\n<VirtualHost *:{port}>\n{open}",
    "what the live server alone reads": '<IfFile "{root}/logs/error_log">\nSSLVerifyClient none\n</IfFile>',
    "another CA that it alone reads": '<IfFile "{root}/logs/error_log">\n{beside}Path "{root}/conf/cas"\n</IfFile>',
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("rehearsed", ["in full", "in part"])
def test_extra_directives_let_no_stranger_in(
    host: Host, name: str, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsed == "in part":
        if not LONG and name not in ("a setting", "another of an address", "what the live server alone reads"):
            pytest.skip("of the attacks, three try the reduced rehearsal too: make test-long tries all")
        monkeypatch.setattr(effects, "find_effects", lambda _binary, _described: "of a test")
    first = host.wish(port=host.port)
    host.apply(first)
    (host.conf / "mine.conf").write_text("SSLVerifyClient none\n")
    write(host.conf, "other.crt", host.public.pem)
    write(host.conf / "cas", "other.crt", host.public.pem)
    subprocess.run(["openssl", "rehash", host.conf / "cas"], check=True, capture_output=True)
    release = host.store / DOMAIN / "current"
    door = (
        f"ServerName {DOMAIN}\nSSLEngine on\nSSLCertificateFile {release}/{DOMAIN}.crt\n"
        f"SSLCertificateKeyFile {release}/{DOMAIN}.key\nSSLVerifyClient none"
    )
    # Chat stays welcome, so that nothing is amiss but the others.
    beside = f'SSLOpenSSLConfCmd VerifyCAFile "{host.conf}/{CLIENT_CA}"\nSSLOpenSSLConfCmd VerifyCA'
    text = ATTACKS[name]
    for mark, meant in {"root": host.httpd.root, "port": host.port, "open": door, "beside": beside}.items():
        text = text.replace(f"{{{mark}}}", str(meant))
    with suppress(Refused):  # What is behind our own virtual host is heard by nobody, so that it is no door.
        host.apply(host.wish(extra=text))
    assert host.enforces()
    others = host.public.issue(client=True, common_name="Chat")
    assert {answer.result for answer in host.answers(others).values()} == {"refused"}
    assert {answer.result for answer in host.answers(address="127.0.0.2").values()} <= {"refused", "unproven"}
    host.apply(first)
    assert host.enforces()


def test_a_server_that_names_client_cas_to_openssl_itself_is_refused_by_the_line(host: Host) -> None:
    write(host.conf, "other.crt", host.public.pem)
    host.add(
        "LoadModule ssl_module modules/mod_ssl.so\nLoadModule socache_shmcb_module modules/mod_socache_shmcb.so\n"
        'SSLOpenSSLConfCmd VerifyCAFile "conf/other.crt"\n'
    )
    host.restart()
    line = len(host.httpd.conf.read_text().splitlines())
    message = host.refused(host.wish())
    assert (
        f"SSLOpenSSLConfCmd VerifyCAFile at {host.httpd.conf}:{line} takes the place of the site's client CA" in message
    )


@pytest.mark.parametrize("option", ["binary", "config"])
def test_a_hostile_path_of_httpd_is_refused_in_plain_words(host: Host, option: str) -> None:
    honest = {"binary": str(host.httpd.binary), "config": str(host.httpd.conf)}
    before = host.state()
    for hostile in (text for each in HOSTILE for text in (each, f"/{each}", f"{honest[option]}{each}")):
        with pytest.raises(Refused) as refused:
            carry_out(request.Request((host.wish(),), host.probes, **honest | {option: hostile}))
        assert for_people([str(refused.value)]), str(refused.value)[:1000]
    assert host.state() == before
