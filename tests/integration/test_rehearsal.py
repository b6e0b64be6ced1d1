# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is caught by which step, with another site of the server asked all the while; and what a rehearsal leaves."""

from __future__ import annotations

import ctypes
import grp
import http.client
import os
import pwd
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from demo_material import Authority, key_pem, new_key, write
from embedded_httpd import free_port
from host import COLLECTION, DOMAIN, Host, LateDisk, in_a_child, processes_in, until
from rehearsing import forbid_namespaces

from ansible_collections.mtls.httpd.plugins.module_utils._machine.processes import inodes, listening
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import lock_path, rehearsal_folder
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects, switch
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The steps, by what a refusal says.
STEPS = {
    "rehearsal": r"the rehearsal failed, nothing was touched|with the configuration as it stands.* Nothing was touched",
    "look": r"This was so before, nothing was touched|Nothing was touched",
    "confirmation": r"^on the live server, .* The old state is back and serving",
    "before the reload": r"The old state is back and serving",
}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can have shared memory of his own")
SERVED, WARNED = "served", "a warning"
SSL = "LoadModule ssl_module modules/mod_ssl.so"


@contextmanager
def asked_all_the_while(host: Host) -> Iterator[None]:
    """Ask the server's other site at a steady rate, on a new connection each time. Not one request may fail."""
    stop, wrong, answered = threading.Event(), [], 0

    def ask() -> None:
        nonlocal answered
        while not stop.wait(0.005):
            connection = http.client.HTTPConnection("127.0.0.1", host.httpd.port, timeout=10)
            try:
                connection.request("GET", "/")
                status = connection.getresponse().status
                answered += 1
                if status != 200:
                    wrong.append(f"answered {status}")
            except OSError as error:
                wrong.append(repr(error))
            finally:
                connection.close()

    threads = [threading.Thread(target=ask) for _number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert answered > 10


# -- what is caught by which step


def without(wish: SiteWish, *directives: str) -> SiteWish:
    """The wish as of a template of the operator's own that leaves some directives out."""
    assert wish.release
    lines = wish.release.public[SITE].decode().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.strip().startswith(directives)).encode()
    return SiteWish(wish.domain, replace(wish.release, public={**wish.release.public, SITE: text}))


def leaking_trust(host: Host) -> None:
    folder = host.conf / "cas"
    write(folder, "ca.pem", Authority("Somebody else's CA").pem)
    subprocess.run(["openssl", "rehash", folder], check=True, capture_output=True)
    host.add(f"{SSL}\nSSLCACertificatePath conf/cas\n")
    host.restart()


def revocation_check(host: Host, crl: bytes) -> None:
    write(host.conf, "server.crl", crl)
    host.add(f"{SSL}\nSSLCARevocationFile conf/server.crl\nSSLCARevocationCheck chain\n")
    host.restart()


def others_list(host: Host) -> None:
    revocation_check(host, Authority("Somebody else's CA").crl())


def expired_list(host: Host) -> None:
    revocation_check(host, host.chat.crl(next_update=datetime.now(timezone.utc) - timedelta(hours=1)))


def broken_neighbour(host: Host) -> None:
    own, port = host.public.issue("own.example.com"), free_port()
    write(host.conf, "own.crt", own.full_pem)
    write(host.conf, "own.key", key_pem(new_key()))
    host.add(
        f"""\
        {SSL}
        Listen 127.0.0.1:{port} https
        <VirtualHost 127.0.0.1:{port}>
            ServerName own.example.com
            SSLEngine on
            SSLCertificateFile conf/own.crt
            SSLCertificateKeyFile conf/own.key
        </VirtualHost>
        """
    )


def anothers_clients(host: Host, authorities: bytes, lists: bytes) -> None:
    """A virtual host of the user's on the site's port, whose files on its own clients are spoiled after the start."""
    own, clients = host.public.issue("own.example.com"), Authority("A neighbour's client CA")
    sound = {"own.crt": own.full_pem, "own.key": own.key_pem, "clients.crt": clients.pem, "clients.crl": clients.crl()}
    for name, content in sound.items():
        write(host.conf, name, content)
    host.add(
        f"""\
        {SSL}
        Listen {host.port} https
        <VirtualHost *:{host.port}>
            ServerName own.example.com
            SSLEngine on
            SSLCertificateFile conf/own.crt
            SSLCertificateKeyFile conf/own.key
            SSLCACertificateFile conf/clients.crt
            SSLCARevocationFile conf/clients.crl
            SSLCARevocationCheck chain
            SSLVerifyClient require
        </VirtualHost>
        """
    )
    host.restart()
    write(host.conf, "clients.crt", authorities or clients.pem)
    write(host.conf, "clients.crl", lists or clients.crl())


def broken_before(host: Host) -> None:
    host.add("NoSuchDirective on\n")


def rule_of_the_server_level(host: Host) -> None:
    host.add(f'<Location "/">\nRequire expr "%{{SERVER_PORT}} != {host.port}"\n</Location>\n')


def page_of_httpds_own(host: Host) -> None:
    host.add('<Location "/server-status">\nSetHandler server-status\nRequire local\n</Location>\n')


def address_of_anothers(host: Host) -> None:
    own = host.public.issue("own.example.com")
    write(host.conf, "own.crt", own.full_pem)
    write(host.conf, "own.key", own.key_pem)
    host.add(
        f"""\
        {SSL}
        Listen {host.port} https
        <VirtualHost 127.0.0.1:{host.port}>
            ServerName own.example.com
            SSLEngine on
            SSLCertificateFile conf/own.crt
            SSLCertificateKeyFile conf/own.key
        </VirtualHost>
        """
    )
    host.restart()


def another_mpm(host: Host) -> None:
    host.httpd.conf.write_text(host.httpd.conf.read_text().replace("mpm_event", "mpm_prefork"))


def names_in_listen(host: Host) -> None:
    host.add(f"Listen localhost:{free_port()}\n")
    host.restart()


def listening_module(host: Host) -> None:
    host.add(
        "<IfModule !slotmem_shm_module>\nLoadModule slotmem_shm_module modules/mod_slotmem_shm.so\n</IfModule>\n"
        "LoadModule heartmonitor_module modules/mod_heartmonitor.so\n"
        f"HeartbeatListen 127.0.0.1:{free_port()}\nHeartbeatStorage logs/heartbeat\n"
    )
    host.restart()


def needs_environment_and_options(host: Host) -> None:
    host.httpd.stop()
    host.add(
        "<IfDefine !WANTED>\nNoSuchDirective on\n</IfDefine>\n"
        "ServerAdmin ${THE_ADMIN}\nErrorLog ${THE_LOGS}/error_log\n"
    )
    start(host, "-D", "WANTED", THE_ADMIN="root@example.com", THE_LOGS=f"{host.httpd.root}/logs")


def few_files(host: Host) -> None:
    host.httpd.stop()
    start(host, files=60)


def openssl_cnf(host: Host) -> None:
    host.httpd.stop()
    sections = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
    write(host.conf, "openssl.cnf", f"{sections}CipherString = DEFAULT@SECLEVEL=3\n".encode())
    start(host, OPENSSL_CONF=f"{host.conf}/openssl.cnf")


def start(host: Host, *arguments: str, files: int = 1024, **environment: str) -> None:
    """Start the server with more arguments and environment, and so many open files at most."""
    command = [host.httpd.binary, *arguments, "-d", host.httpd.root, "-f", host.httpd.conf, "-k", "start"]
    subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **environment},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    host.httpd.wait_until_answers()


@dataclass(frozen=True)
class Case:
    """Something amiss, or odd: what it is made of, the step that catches it in a full and a reduced rehearsal, how."""

    name: str
    full: str
    reduced: str
    words: str
    spoil: Callable[[Host], None] = lambda host: None
    wish: Callable[[Host], SiteWish] = lambda host: host.wish()


CASES = [
    Case(
        "a key of another certificate",
        "rehearsal",
        "rehearsal",
        "do not match",
        wish=lambda host: host.wish(key=key_pem(new_key())),
    ),
    Case(
        "a client CA full of garbage",
        "rehearsal",
        "rehearsal",
        "cannot read the client CA file",
        wish=lambda host: host.wish(client_ca=b"garbage"),
    ),
    Case(
        "a client CA that the host's OpenSSL finds too weak",
        "rehearsal",
        "rehearsal",
        "security level (ca key too small)",
        wish=lambda host: host.wish(client_ca=host.chat.pem + Authority("Weak", key_type="rsa1024").pem),
    ),
    Case(
        "a client CA that the server's own openssl.cnf finds too weak",
        "rehearsal",
        "rehearsal",
        "security level (ca key too small)",
        openssl_cnf,
        lambda host: host.wish(client_ca=host.chat.pem + Authority("Fair", key_type="rsa2048").pem),
    ),
    Case(
        "more logs than the server may open files",
        "rehearsal",
        "rehearsal",
        "Too many open files",
        few_files,
        lambda host: host.wish(extra="\n".join(f"CustomLog logs/{number}_log common" for number in range(70))),
    ),
    Case(
        "extra_directives that let clients without a certificate in",
        "rehearsal",
        "rehearsal",
        "a client without a certificate got in over TLSv1.2 and TLSv1.3",
        wish=lambda host: host.wish(extra="SSLVerifyClient none"),
    ),
    Case(
        "extra_directives that let clients of any CA in",
        "rehearsal",
        "rehearsal",
        "a client of another CA got in over TLSv1.2 and TLSv1.3",
        wish=lambda host: host.wish(extra="SSLVerifyClient optional_no_ca"),
    ),
    Case("more CAs trusted by the server level", SERVED, SERVED, "", leaking_trust),
    Case(
        "more CAs trusted by the server level, and a template that does not unset them",
        "rehearsal",
        "before the reload",
        "SSLCACertificatePath at",
        leaking_trust,
        lambda host: without(host.wish(), "SSLCACertificatePath"),
    ),
    Case("a revocation check of the server level that knows no list of Chat's CA", SERVED, SERVED, "", others_list),
    Case(
        "the same check, and a template that does not unset it",
        "rehearsal",
        "rehearsal",
        "a client of the client CA was locked out",
        others_list,
        lambda host: without(host.wish(), "SSLCARevocationCheck"),
    ),
    Case("a revocation list of the server level that has expired", SERVED, SERVED, "", expired_list),
    Case(
        "the same list, and a template that does not unset the check",
        "rehearsal",
        "rehearsal",
        "a client of the client CA was locked out",
        expired_list,
        lambda host: without(host.wish(), "SSLCARevocationCheck"),
    ),
    Case(
        "somebody else's virtual host with a key of another certificate",
        "rehearsal",
        "rehearsal",
        "own.crt",
        broken_neighbour,
    ),
    Case(
        "another virtual host beside the site, whose client CA file holds no certificate",
        "rehearsal",
        "rehearsal",
        "would not start again with the configuration as it stands",
        lambda host: anothers_clients(host, b"cut short", b""),
    ),
    Case(
        "another virtual host beside the site, whose revocation file holds no list",
        "rehearsal",
        "rehearsal",
        "would not start again with the configuration as it stands",
        lambda host: anothers_clients(host, b"", b"cut short"),
    ),
    Case(
        "a revocation list in the place of the client CAs of somebody else's virtual host",
        "rehearsal",
        "rehearsal",
        "holds no certificate",
        lambda host: anothers_clients(host, host.chat.crl(), b""),
    ),
    Case(
        "a rule of the server level that locks everybody out of the site",
        "rehearsal",
        WARNED,
        "a client of the client CA was locked out",
        rule_of_the_server_level,
    ),
    Case(
        "somebody else's virtual host for the one address at which clients come in",
        "look",
        "look",
        "nobody would reach the site",
        address_of_anothers,
    ),
    Case("a syntax error of somebody else's", "look", "look", "NoSuchDirective", broken_before),
    Case("an MPM in the files that the running server does not have", "look", "look", "restart httpd", another_mpm),
    Case("a page of httpd's own, for its own machine alone", SERVED, SERVED, "", page_of_httpds_own),
    Case("a name in Listen", SERVED, SERVED, "", names_in_listen),
    Case("a module that listens itself", SERVED, SERVED, "", listening_module),
    Case("a configuration that needs environment and options", SERVED, SERVED, "", needs_environment_and_options),
]


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_is_caught_by_the_step_that_the_docs_name_and_disturbs_no_other_site(
    host: Host, case: Case, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = case.wish(host)
    case.spoil(host)
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    monkeypatch.setattr(switch, "CONFIRM_SECONDS", 3.0)
    step = case.full if rehearsal == "full" else case.reduced
    with asked_all_the_while(host):
        if step in (SERVED, WARNED):
            report = host.apply(wish)
            assert report.rehearsal == rehearsal
            rule = f"; rules of the server's own .* were not tried, .*: {host.httpd.conf}:[0-9]+$"
            assert bool(re.search(rule, report.rehearsal_reason)) == (step == WARNED)
        elif step in ("look", "rehearsal"):
            message = host.refused(wish, times=rehearsal == "full")
        else:
            before = host.state(times=False)[:2]
            with pytest.raises(Refused) as caught:
                host.apply(wish)
            message = str(caught.value)
            assert host.state(times=False)[:2] == before
    if step in (SERVED, WARNED):
        assert host.enforces() == (step == SERVED)
    else:
        assert next(name for name, words in STEPS.items() if re.search(words, message)) == step, message
        assert case.words in message


def test_the_table_in_the_docs_says_the_same() -> None:
    rows = [f"| {case.name} | {case.full} | {case.reduced} |" for case in CASES]
    text = (COLLECTION / "docs/transaction.md").read_text()
    assert "\n".join(rows) in text


# -- what makes it a reduced one


EFFECTS = {
    "a piped logger": "CustomLog \"|/bin/sh -c 'echo started >>{mark}; exec cat >/dev/null'\" common",
    "a piped error log of a virtual host": (
        "<VirtualHost 127.0.0.1:1>\nErrorLog \"|/bin/sh -c 'echo started >>{mark}; exec cat'\"\n</VirtualHost>"
    ),
    "a rewriting program": (
        "LoadModule rewrite_module modules/mod_rewrite.so\nRewriteEngine on\n"
        'RewriteMap mapped "prg:{program}"\nRewriteRule ^/never$ ${{mapped:x}}'
    ),
}


@pytest.mark.parametrize("case", EFFECTS)
def test_what_would_have_effects_when_started_twice_is_not_started_and_said(host: Host, case: str) -> None:
    mark, program = host.httpd.root / "mark", host.httpd.root / "program"
    program.write_text(f"#!/bin/sh\necho started >>{mark}\nexec cat\n")
    program.chmod(0o755)
    host.add(EFFECTS[case].format(mark=mark, program=program) + "\n")
    host.restart()
    assert until(mark.exists)
    time.sleep(0.5)  # httpd starts some of them twice.
    before = mark.read_text()
    report = host.apply(host.wish(), check=True)
    assert report.rehearsal == "reduced"
    assert "would be started" in report.rehearsal_reason
    assert f"{host.httpd.conf}:" in report.rehearsal_reason
    assert mark.read_text() == before


@pytest.mark.parametrize("encrypted", [False, True], ids=["a plain key", "an encrypted key"])
def test_who_tells_passphrases_as_in_rhels_own_files_makes_it_reduced_where_a_key_has_one(
    host: Host, encrypted: bool
) -> None:
    mark, program = host.httpd.root / "logs/mark", host.httpd.root / "program"
    program.write_text(f"#!/bin/sh\necho started >>{mark}\necho secret\n")
    program.chmod(0o755)
    own = host.public.issue("own.example.com")
    key = serialization.load_pem_private_key(own.key_pem, None)
    cipher = serialization.BestAvailableEncryption(b"secret") if encrypted else serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    write(host.conf, "own.crt", own.full_pem)
    write(host.conf, "own.key", key.private_bytes(*form, cipher))
    host.add(
        f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port} https\nSSLPassPhraseDialog exec:{program}\n"
        f"<VirtualHost *:{host.port}>\nServerName own.example.com\nSSLEngine on\n"
        "SSLCertificateFile conf/own.crt\nSSLCertificateKeyFile conf/own.key\n</VirtualHost>\n"
    )
    host.restart()
    before = mark.read_text() if encrypted else ""
    report = host.apply(host.wish())
    assert report.rehearsal == ("reduced" if encrypted else "full")
    assert (str(program) in report.rehearsal_reason) == encrypted
    assert host.enforces()
    # The live server keeps what it was told, and no rehearsal asks.
    assert (mark.read_text() if encrypted else "") == before
    assert mark.exists() == encrypted


def watch(host: Host) -> tuple[Path, Path]:
    """Load mod_security, which starts the program of a piped log as it reads the line; return mark and program."""
    host.load("unique_id", "security2")
    return programs(host)


def test_no_question_starts_what_a_module_starts_as_it_reads_the_servers_own_configuration(host: Host) -> None:
    mark, program = watch(host)
    host.add(f'SecAuditLog "|{program}"\n')
    host.restart()
    assert until(mark.exists)
    time.sleep(0.5)  # Each reading of the configuration starts one.
    before = mark.read_text()
    wish = host.wish()
    assert host.apply(wish, check=True).changed
    assert mark.read_text() == before
    host.apply(wish)
    assert host.enforces()
    assert until(lambda: mark.read_text() != before)  # httpd itself reads it at each reload.
    time.sleep(0.5)
    settled = mark.read_text()
    assert not host.apply(wish).changed
    assert mark.read_text() == settled


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_program_that_a_module_starts_as_it_reads_an_included_file_is_refused_and_not_started(
    host: Host, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, program = watch(host)
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    included = host.conf / "audit.inc"
    included.write_text(f'SecAuditLog "|{program}"\n')
    message = host.refused(host.wish(extra=f"Include {included}"))
    assert f"{DOMAIN}: a piped logger would be started ({included}:1): take it out" in message
    assert not mark.exists()
    included.write_text(f'SecAuditLog "{host.httpd.root}/logs/audit.log"\n')
    host.apply(host.wish(extra=f"Include {included}"))
    assert host.enforces()


STARTING = {
    "a piped logger": "CustomLog \"|/bin/sh -c 'echo started >>{mark}; exec cat >/dev/null'\" common",
    "a piped error log, without a shell": 'ErrorLog "|{program}"',
    "a rewriting program": "RewriteEngine on\nRewriteMap mapped prg:{program}",
}


def programs(host: Host) -> tuple[Path, Path]:
    """Return a program, and the file that it leaves behind."""
    mark, program = host.httpd.root / "logs" / "mark", host.httpd.root / "program"
    program.write_text(f"#!/bin/sh\necho started >>{mark}\nexec cat >/dev/null\n")
    program.chmod(0o755)
    return mark, program


def starting(host: Host, case: str) -> tuple[Path, str]:
    """Return the file that a program leaves behind, and lines for a site that start it. Their module is loaded."""
    mark, program = programs(host)
    host.add("LoadModule rewrite_module modules/mod_rewrite.so\n")
    host.restart()
    return mark, STARTING[case].format(mark=mark, program=program)


@pytest.mark.parametrize("check", [True, False], ids=["check mode", "a run"])
@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
@pytest.mark.parametrize("case", STARTING)
def test_a_site_that_would_start_a_program_is_refused_by_line_and_the_program_is_not_started(
    host: Host, case: str, rehearsal: str, check: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, lines = starting(host, case)
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    wish = host.wish(extra=lines)
    message = host.refused(wish, times=rehearsal == "full", check=check)
    assert wish.release
    text = wish.release.public[SITE].decode().splitlines()
    number = next(number for number, line in enumerate(text, 1) if str(mark) in line or "/program" in line)
    assert f"would be started (line {number} of its site.conf): take it out, or set 'allow_programs'" in message
    assert not mark.exists()


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
@pytest.mark.parametrize("case", STARTING)
def test_a_site_that_may_start_a_program_does_so_when_it_is_served_and_not_when_it_is_rehearsed(
    host: Host, case: str, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, lines = starting(host, case)
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    wish = host.wish(extra=lines, allow_programs=True)
    report = host.apply(wish, check=True)
    assert report.rehearsal == rehearsal
    assert not mark.exists()
    assert any("not started in the rehearsal" in each for each in report.limits)
    host.apply(wish)
    assert until(mark.exists)
    assert host.enforces()


def test_a_program_in_a_file_that_a_site_includes_is_refused_by_its_place(host: Host) -> None:
    mark, program = programs(host)
    (host.httpd.root / "more").write_text(f'CustomLog "|{program}" common\n')
    message = host.refused(host.wish(extra=f"Include {host.httpd.root}/more"))
    assert f"a piped logger would be started ({host.httpd.root}/more:1)" in message
    assert not mark.exists()


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_program_that_no_list_knows_is_seen_as_it_would_start(
    host: Host, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "_PROGRAMS", {})
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    mark, program = programs(host)
    wish = host.wish(extra=f'CustomLog "|{program}" common')
    assert f"httpd would start {program}, " in host.refused(wish, times=rehearsal == "full")
    assert not mark.exists()


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
@pytest.mark.parametrize("another", ["", "program", "another"], ids=["none", "the same", "another"])
def test_the_leave_of_one_site_to_start_programs_is_none_for_another_of_its_run(
    host: Host, another: str, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "_PROGRAMS", {})
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    mark, program = programs(host)
    (host.httpd.root / "another").write_bytes(program.read_bytes())
    (host.httpd.root / "another").chmod(0o755)
    line = f'CustomLog "|{host.httpd.root}/{{}}" common'
    may = host.wish(extra=line.format("program"), allow_programs=True)
    if another:
        wish = host.wish("other.example.com", extra=line.format(another))
        message = host.refused(may, wish, times=rehearsal == "full", check=True)
        assert f"other.example.com: httpd would start {host.httpd.root}/{another} for a site without" in message
        assert f"{DOMAIN}:" not in message
        assert not mark.exists()
    host.apply(may, host.wish("other.example.com", extra="KeepAliveTimeout 4"))
    assert until(mark.exists)
    assert all(host.enforces(domain) for domain in (DOMAIN, "other.example.com"))


def test_programs_that_the_server_starts_already_are_no_fault_of_a_site(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "_PROGRAMS", {})
    mark, program = programs(host)
    host.add(f'CustomLog "|{program}" common\n')
    host.restart()
    assert until(mark.exists)
    time.sleep(0.5)  # httpd starts some of them twice.
    before = mark.read_text()
    report = host.apply(host.wish(), check=True)
    assert report.rehearsal == "full"
    assert mark.read_text() == before


def test_a_server_that_starts_only_with_a_program_that_no_list_knows_is_rehearsed_in_part(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "_PROGRAMS", {})
    own = host.public.issue("own.example.com")
    mark, program = programs(host)
    program.write_text(f"#!/bin/sh\necho started >>{mark}\necho secret\n")
    write(host.conf, "own.crt", own.full_pem)
    encrypted = subprocess.run(
        ["openssl", "pkey", "-aes128", "-passout", "pass:secret"], input=own.key_pem, check=True, capture_output=True
    )
    write(host.conf, "own.key", encrypted.stdout)
    host.add(
        f"""\
        {SSL}
        SSLPassPhraseDialog exec:{program}
        Listen 127.0.0.1:{free_port()} https
        <VirtualHost *:*>
            ServerName own.example.com
            SSLEngine on
            SSLCertificateFile conf/own.crt
            SSLCertificateKeyFile conf/own.key
        </VirtualHost>
        """
    )
    host.restart()
    assert mark.exists()
    before = mark.read_text()
    report = host.apply(host.wish(), check=True)
    assert report.rehearsal == "reduced"
    assert str(program) in report.rehearsal_reason
    assert mark.read_text() == before


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_program_is_known_in_capital_letters_too(host: Host, rehearsal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mark, program = programs(host)
    host.add("LoadModule rewrite_module modules/mod_rewrite.so\n")
    host.restart()
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    wish = host.wish(extra=f"RewriteEngine on\nRewriteMap mapped PRG:{program}")
    assert "a rewriting program would be started" in host.refused(wish, times=rehearsal == "full")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('CustomLog "|{program}" common', "a piped logger would be started"),
        ("Define SOMEWHERE /etc/mtls-httpd-test.sh\nCustomLog ${{SOMEWHERE}} common", "lies below /etc"),
    ],
    ids=["a program", "a log"],
)
def test_what_only_the_live_server_reads_is_seen_before_the_reload(host: Host, line: str, words: str) -> None:
    mark, program = programs(host)
    late = LateDisk(host.conf / "late.inc", line.format(program=program) + "\n")
    (host.conf / "late.inc").write_text("SetEnv A b\n")
    host.add("LoadModule env_module modules/mod_env.so\n")
    host.restart()
    before = host.state(times=False)[:2]
    with pytest.raises(Refused, match=words):
        host.apply(host.wish(extra="Include conf/late.inc"), disk=late)
    (host.conf / "late.inc").write_text("SetEnv A b\n")
    assert host.state(times=False)[:2] == before
    assert not mark.exists()
    assert not os.path.lexists("/etc/mtls-httpd-test.sh")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file in /run")
def test_a_file_below_run_that_a_site_names_is_read_in_a_rehearsal_too(host: Host) -> None:
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        (Path(folder) / "more.conf").write_text('Header set X-More "yes"\n')
        host.add("LoadModule headers_module modules/mod_headers.so\n")
        host.restart()
        wish = host.wish(extra=f"Include {folder}/more.conf")
        assert host.apply(wish).rehearsal == "full"
        assert host.apply(wish, host.wish("other.example.com"), check=True).rehearsal == "full"


def test_what_a_request_starts_needs_no_leave_and_is_not_started_in_a_rehearsal(host: Host) -> None:
    mark, program = programs(host)
    host.add("LoadModule cgi_module modules/mod_cgi.so\n")
    host.restart()
    wish = host.wish(extra=f'ScriptAliasMatch "^/" "{program}"\n<Location "/">\nRequire all granted\n</Location>')
    assert host.apply(wish, check=True).rehearsal == "full"
    assert not mark.exists()


def test_a_socket_of_the_machine_is_not_reached_from_a_rehearsal(host: Host) -> None:
    path = host.httpd.root / "command.sock"
    host.add("LoadModule proxy_module modules/mod_proxy.so\nLoadModule proxy_http_module modules/mod_proxy_http.so\n")
    host.restart()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.setblocking(False)
        host.apply(host.wish(extra=f'ProxyPass "/" "unix:{path}|http://localhost/"'), check=True)
        # Whether somebody listens is asked outside, by a connection without a word.
        calls = [listening.accept()[0]]
        with pytest.raises(BlockingIOError):
            listening.accept()
        for call in calls:
            with call:
                assert call.recv(1) == b""


@contextmanager
def accounts_of_a_service(host: Host) -> Iterator[None]:
    """Have the server run as a user whom a service alone knows, and who is in a group that it alone knows.

    For this process and its children from now on, in whose /run the socket of the service is.
    """
    assert ctypes.CDLL(None).unshare(0x00020000) == 0  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    folder = Path("/run/nscd")
    folder.mkdir()
    worker = pwd.getpwnam("www-data")
    write(folder, "users", f"svc-web:x:{worker.pw_uid}:54320:of a service:/:/bin/false\n".encode())
    write(folder, "groups", b"svc-web:x:54320:\nwebfiles:x:54321:other,svc-web\n")
    script = COLLECTION / "tests" / "support" / "name_service.py"
    command = [sys.executable, script, folder / "socket", folder / "users", folder / "groups"]
    text = host.httpd.conf.read_text()
    host.httpd.conf.write_text(text.replace("User www-data", "User svc-web").replace("Group www-data", "Group svc-web"))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as service:
        try:
            assert service.stdout
            assert service.stdout.readline() == b"ready\n"
            for _number in range(101):  # After it was not there once, the C library asks it again after 100 questions.
                pwd.getpwuid(0)
                grp.getgrgid(0)
            host.restart()
            yield
            host.httpd.stop()
        finally:
            service.kill()


@as_root
@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_user_whom_a_service_alone_knows_is_known_in_a_rehearsal_with_his_groups(
    host: Host, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)

    def act() -> None:
        with accounts_of_a_service(host):
            served = host.httpd.root / "served"
            served.mkdir(mode=0o750)
            (served / "index.html").write_text("It works!")
            os.chown(served, 0, 54321)
            report = host.apply(host.wish(document_root=str(served)))
            assert report.rehearsal == rehearsal
            assert host.enforces()

    in_a_child(act)


# -- what a rehearsal leaves


def remains(host: Host) -> dict[str, object]:
    """Return all that a rehearsal could leave on this machine, by its kind."""
    scratch = rehearsal_folder(str(host.conf))
    processes = processes_in(host.httpd.root, scratch)
    return {
        "files and the server": host.state()[:2],
        "its folder": os.path.lexists(scratch),
        "processes": {pid for pid in processes if b"-X" in words(pid)},
        "ports": {inode for _address, _port, inode in listening()} & set().union(*map(inodes, processes)),
        "shared memory": {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]},
        "semaphores": {line.split()[1] for line in Path("/proc/sysvipc/sem").read_text().splitlines()[1:]},
        "memory files": sorted(os.listdir("/dev/shm")),
        # Those of containers go away here too when their folders do, whoever runs them.
        "mounts": re.sub(r".*/(netns|containers)/.*\n", "", Path("/proc/self/mounts").read_text()),
        "logs": {
            path.name: path.suffix != ".pid" and path.read_bytes() for path in (host.httpd.root / "logs").iterdir()
        },
    }


@contextmanager
def shared_memory_of_its_own(host: Host) -> Iterator[None]:
    """Start the server anew, with all that two servers would quarrel about, and apart from the others' on this machine.

    For this process and its children from now on.
    """
    libc = ctypes.CDLL(None)
    assert libc.unshare(0x08000000 | 0x00020000) == 0  # CLONE_NEWIPC | CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], check=True)
    host.add(
        f"{SSL}\nLoadModule socache_shmcb_module modules/mod_socache_shmcb.so\n"
        "SSLSessionCache shmcb:logs/ssl_scache(512000)\nScoreBoardFile logs/scoreboard\nMutex sysvsem default\n"
    )
    host.restart()
    assert Path("/proc/sysvipc/sem").read_text().count("\n") > 1
    yield
    host.httpd.stop()


@as_root
@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_rehearsal_leaves_nothing(host: Host, rehearsal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)

    def act() -> None:
        with shared_memory_of_its_own(host):
            before = remains(host)
            assert host.apply(host.wish(), check=True).rehearsal == rehearsal
            for bad in (host.wish(extra="SSLVerifyClient none"), host.wish(key=key_pem(new_key()))):
                with pytest.raises(Refused):
                    host.apply(bad)
            assert changed(before, remains(host)) == {}

    in_a_child(act)


@as_root
@pytest.mark.parametrize("moment", ["before httpd is there", "when httpd is there", "amid the handshakes"])
@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_rehearsal_that_is_killed_leaves_nothing(
    host: Host, rehearsal: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)

    def act() -> None:
        with shared_memory_of_its_own(host):
            before, wish = remains(host), host.wish()
            kill_a_rehearsal(host, wish, moment)
            assert until(lambda: not changed(before, remains(host))), changed(before, remains(host))
            host.apply(wish)
            assert not os.path.lexists(lock_path(str(host.conf)))

    in_a_child(act)


def kill_a_rehearsal(host: Host, wish: SiteWish, moment: str) -> None:
    """Begin rehearsals, end their caller by SIGKILL at the moment, and wait until no process that it forked lives."""
    folders = (host.httpd.root, rehearsal_folder(str(host.conf)))
    known = processes_in(*folders)
    lives, held = os.pipe()  # Every process that is forked from here holds an end.
    process = os.fork()
    if process == 0:
        try:
            while True:
                host.apply(wish, check=True)
        finally:
            os._exit(1)
    os.close(held)
    if moment == "before httpd is there":
        time.sleep(0.1)
    else:
        assert until(lambda: any(b"-X" in words(pid) for pid in processes_in(*folders) - known))
        time.sleep(0.08 if moment == "amid the handshakes" else 0)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert select.select([lives], [], [], 5)[0], "a process of the rehearsal lives on"
    assert os.read(lives, 1) == b""
    os.close(lives)


def changed(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    return {kind: (before[kind], found) for kind, found in after.items() if found != before[kind]}


def words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
