# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may call: clients of the client CA that are pinned get in, its others do not, whatever their certificates say."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from backend import get
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from demo_material import Authority, Issued, new_key
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, VERSIONS, Host
from rehearsing import forbid_namespaces

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Identity, Probes, Question
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import renamed
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.subjects import encoded_subject
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from conftest import LocalOperator


def client(host: Host, *names: tuple[x509.ObjectIdentifier, str], san: tuple[x509.GeneralName, ...] = ()) -> Issued:
    """Return a client of the client CA with this subject and these subject alternative names."""
    subject = x509.Name([x509.NameAttribute(kind, text) for kind, text in names])
    return signed(host.chat, subject, san)


def signed(authority: Authority, subject: x509.Name, san: tuple[x509.GeneralName, ...] = ()) -> Issued:
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.certificate.not_valid_before_utc)
        .not_valid_after(authority.certificate.not_valid_after_utc)
    )
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName(san), critical=False)
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def called(authority: Authority, subject: bytes) -> Issued:
    """Return a client of an authority with this subject (DER)."""
    plain = signed(authority, x509.Name([]))
    whole = renamed(plain.certificate.public_bytes(Encoding.DER), subject, authority.key)
    return Issued(x509.load_der_x509_certificate(whole), plain.key)


def named(common_name: str) -> tuple[x509.ObjectIdentifier, str]:
    return NameOID.COMMON_NAME, common_name


def got(host: Host, issued: Issued | None) -> str:
    """Return what a client gets over both versions of TLS, which must be the same: accepted, refused or an alert."""
    answers = host.answers(issued)
    found = {"alert" if each.detail.startswith("alert") else each.result for each in answers.values()}
    assert len(found) == 1, answers
    return found.pop()


# Subjects that a CA could be talked into, as httpd writes them.
SUBJECTS = {
    "plain": "CN=Chat",
    "several attributes": "CN=Chat,OU=Webhooks,O=Tencent,C=CN",
    "a comma": r"CN=Chat,O=Tencent\, Inc.",
    "quotes and an operator": "CN=x' || true || 'y",
    "double quotes": r"CN=x\" || true || \"y",
    "a backslash at the end": "CN=x\\\\",
    "a backslash and a quote": "CN=x\\\\' || true || \\\\'",
    "a variable": "CN=%{SSL_CLIENT_S_DN}",
    "a variable of httpd's configuration": "CN=${PATH}",
    "a back reference": "CN=$0$1",
    "metacharacters": r"CN=.*|^(a\+)\+$",
    "a number after an escape": "CN='1\\\\2$3",
    "other scripts": "CN=Zoë 中文",
    "an e-mail address": "emailAddress=chat@example.com,CN=Chat",
    "several values": "OU=ou+CN=m",
    "a line's end": r"CN=a\0ARequire all granted",
    "an attribute that has no name": "CN=Chat,1.3.6.1.4.1.99999.7=#130178",
    "attributes that have a name for OpenSSL": "description=d,telephoneNumber=1,CN=Chat",
    "a longer name than RFC 5280 allows": f"CN={'腾讯' * 20}",
    "a country of three letters": "CN=Chat,C=CHN",
    "an empty value": "CN=",
}


def test_a_subject_pins_just_itself_whatever_stands_in_it(host: Host) -> None:
    host.apply(host.wish(allowed=[{"subject": subject} for subject in SUBJECTS.values()]))
    clients = {case: called(host.chat, encoded_subject(subject)) for case, subject in SUBJECTS.items()}
    locked_out = [case for case, each in clients.items() if got(host, each) != "accepted"]
    assert locked_out == []
    near = "Chat 2", "chat", "Chat ", "Chat\0", "Chat\0x", "Chat\n", "Chat+OU=x", "CN=Chat", "Chat,O=Tencent"
    for name in (*near, "y", "true", "x", "aa", "ou", "1", "%{SSL_CLIENT_S_DN"):
        assert got(host, client(host, named(name))) == "refused", name
    assert got(host, called(Authority("Another CA"), encoded_subject("CN=Chat"))) == "alert"
    assert got(host, None) == "alert"


@pytest.mark.parametrize("subject", ["CN=m+OU=ou", "CN=Chat\\2c x"])
def test_a_subject_that_httpd_writes_in_another_way_is_found_in_the_rehearsal(host: Host, subject: str) -> None:
    message = host.refused(host.wish(allowed=[{"subject": "CN=Chat"}, {"subject": subject}]))
    assert "a client such as allowed_clients[1] wants it was locked out" in message
    assert "allowed_clients[0]" not in message


def test_an_alternative_name_pins_just_itself(host: Host) -> None:
    host.apply(host.wish(allowed=[{"san": "chat.example.com"}, {"san": "chat@example.com"}]))
    dns, email = x509.DNSName, x509.RFC822Name
    first, last = [dns(f"n{number}.example.com") for number in range(7)], dns("chat.example.com")
    for names in ((last,), (*first, email("a@b.example"), last), (dns("b.example"), email("chat@example.com"))):
        assert got(host, client(host, named("any"), san=names)) == "accepted", names
    others: list[tuple[x509.GeneralName, ...]] = [
        (),
        (dns("chat.example.com.evil.example"),),
        (dns("*.example.com"),),
        (dns("chat.example.com\0.evil.example"),),
        (dns("x, DNS:chat.example.com"),),
        (email("x, DNS:chat.example.com"),),
        (email("chat.example.com"),),
        (dns("chat@example.com"),),
        (x509.UniformResourceIdentifier("chat.example.com"),),
        (x509.DirectoryName(x509.Name([x509.NameAttribute(*named("chat.example.com"))])),),
        (*first, dns("n8.example.com"), last),
    ]
    for names in others:
        assert got(host, client(host, named("chat.example.com"), san=names)) == "refused", names


def test_a_whole_certificate_pins_just_itself(host: Host) -> None:
    old, new = (client(host, named("Chat")) for _number in range(2))
    host.apply(host.wish(allowed=[{"certificate_content": each.pem.decode()} for each in (old, new)]))
    assert [got(host, each) for each in (old, new)] == ["accepted", "accepted"]
    assert got(host, client(host, named("Chat"))) == "refused"
    assert got(host, None) == "alert"


@pytest.mark.parametrize("options", [{}, {"open_paths": ("/healthz",)}], ids=["everything", "all but open paths"])
def test_a_resumed_session_lets_the_same_clients_in(host: Host, options: dict[str, Any]) -> None:
    chat, other = (client(host, named(name)) for name in ("Chat", "Another"))
    pins = [{"subject": "CN=Nobody"}, {"certificate_content": chat.pem.decode()}]
    host.apply(host.wish(allowed=pins, **options))
    for version in VERSIONS:
        for issued, result in ((chat, "accepted"), (other, "refused")):
            question = Question(DOMAIN, version, "trusted", Identity(issued.full_pem, issued.key_pem))
            sessions: list[ssl.SSLSession] = []
            for resumed in (False, True):  # Who resumes is not asked for a certificate again.
                answer = ask(Door("127.0.0.1", host.port), question, timeout=5, sessions=sessions)
                assert (answer.result, answer.asked) == (result, not resumed), answer


def test_who_was_refused_is_told_by_subject_and_serial_number(host: Host) -> None:
    host.apply(host.wish(allowed=[{"subject": "CN=Chat"}]))
    other = client(host, named("Somebody else"))
    assert got(host, other) == "refused"
    for version in VERSIONS:
        line = logged(host.httpd.root / "logs" / f"{DOMAIN}-access.log", f'{version}.* SUCCESS "CN=Somebody else"')
        assert f' "CN=Somebody else" {other.serial} "' in line
        assert '"OPTIONS / HTTP/1.1" 403 ' in line


def test_the_logs_tell_who_called_and_how_and_why_others_did_not_get_as_far(host: Host) -> None:
    host.apply(host.wish())
    assert got(host, client(host, named("Chat"))) == "accepted"
    known = {"TLSv1.2": r"ECDHE-ECDSA-[A-Z0-9-]+", "TLSv1.3": r"TLS_[A-Z0-9_]+"}
    access, error = (host.httpd.root / "logs" / f"{DOMAIN}-{kind}.log" for kind in ("access", "error"))
    for version, cipher in known.items():
        assert logged(
            access,
            rf'" 200 .* {version} {cipher} SUCCESS "CN=Chat" [0-9A-F]+ "CN=TencentQQAuthCA[^"]*" "mtls[.]httpd"$',
        )
    stranger = Authority("Another CA").issue(client=True, common_name="Somebody")
    late = host.chat.issue(client=True, common_name="Late", not_after=datetime.now(timezone.utc) - timedelta(days=1))
    for each, reason in (
        (None, "peer did not return a certificate"),
        (stranger, r"unable to get local issuer certificate \[subject: CN=Somebody / issuer: CN=Another CA"),
        (late, r"certificate has expired \[subject: CN=Late "),
    ):
        assert got(host, each) == "alert"
        assert logged(error, reason)


def logged(log: Path, pattern: str) -> str:
    """Return the last line of a log that the pattern is found in, waiting for it: httpd answers before it writes."""
    deadline = time.monotonic() + 5
    while True:
        found = [line for line in log.read_text().splitlines() if re.search(pattern, line)]
        if found:
            return found[-1]
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


@pytest.mark.parametrize("full", [True, False])
def test_a_log_can_lie_elsewhere_and_a_rehearsal_writes_nothing_to_it(
    host: Host, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not full:
        forbid_namespaces(monkeypatch)
    log = host.httpd.root / "elsewhere" / "calls.log"
    log.parent.mkdir()
    host.apply(host.wish(access_log=str(log)), check=True)
    assert not log.exists()
    host.apply(host.wish(access_log=str(log)))
    assert got(host, client(host, named("Chat"))) == "accepted"
    assert logged(log, '"CN=Chat"')
    assert not (host.httpd.root / "logs" / f"{DOMAIN}-access.log").exists()


BYPASSES = {
    "another rule for the same place": '<Location "/">\nRequire all granted\n</Location>',
    "a rule for a path": '<Location "/x">\nRequire all granted\n</Location>',
    "any rule is enough": "<Location />\nSatisfy Any\nAllow from all\n</Location>",
    "what is merged last": "<If true>\nAuthMerging Or\nRequire all granted\n</If>",
    "the same for a path": '<If "%{REQUEST_URI} =~ m#^/x#">\nSatisfy Any\nAllow from all\nRequire all granted\n</If>',
    "the same in a section": "<Location /x>\n<If true>\nRequire all granted\n</If>\n</Location>",
    "the same else": "<If false>\n</If>\n<Else>\nRequire all granted\n</Else>",
    "the same in a folder": "<Directory />\n<If true>\nRequire all granted\n</If>\n</Directory>",
    "the same in a file": "<Files *>\n<If true>\nRequire all granted\n</If>\n</Files>",
}


@pytest.mark.parametrize("text", BYPASSES.values(), ids=BYPASSES.keys())
def test_rules_of_the_users_and_extra_directives_open_no_way_around(host: Host, text: str) -> None:
    host.add(f"{text}\n")
    host.restart()
    host.apply(host.wish(allowed=[{"subject": "CN=Chat"}], extra=text))
    for path in ("/", "/x"):
        assert {each.result for each in host.answers(client(host, named("x")), path=path).values()} == {"refused"}
        assert {each.result for each in host.answers(client(host, named("Chat")), path=path).values()} == {"accepted"}


def test_a_rule_of_the_operators_own_holds_besides(host: Host) -> None:
    extra = '<Location "/closed">\nRequire all denied\n</Location>'
    host.apply(host.wish(allowed=[{"subject": "CN=Chat"}], extra=extra))
    answers = host.answers(client(host, named("Chat")), path="/closed")
    assert {each.result for each in answers.values()} == {"refused"}


@pytest.mark.parametrize("full", [True, False])
def test_a_rule_that_lets_all_clients_of_the_ca_in_is_refused(
    host: Host, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not full:
        forbid_namespaces(monkeypatch)
    wish = host.wish(allowed=[{"subject": "CN=Chat"}], extra="Redirect 204 /")
    assert "that is not among 'allowed_clients' got in over TLSv1.2 and TLSv1.3" in host.refused(wish, times=full)


def test_a_rule_in_a_condition_within_another_is_refused_by_its_line(host: Host) -> None:
    host.add('<If false>\n</If>\n<Else>\n<If "%{REQUEST_URI} =~ m#^/x#">\nRequire all granted\n</If>\n</Else>\n')
    host.restart()
    line = host.httpd.conf.read_text().splitlines().index("Require all granted") + 1
    place = f"Require at {host.httpd.conf}:{line} is in an <If> within another"
    assert place in host.refused(host.wish(allowed=[{"subject": "CN=Chat"}]))
    host.apply(host.wish())


def test_a_reduced_rehearsal_proves_each_way_to_pin(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_namespaces(monkeypatch)
    chat = client(host, named("Chat"))
    pins = [{"subject": "CN=Chat 2"}, {"san": "chat.example.com"}, {"certificate_content": chat.pem.decode()}]
    assert host.apply(host.wish(allowed=pins)).rehearsal == "reduced"
    assert got(host, chat) == "accepted"
    assert got(host, client(host, named("x"))) == "refused"
    with pytest.raises(Refused, match=r"allowed_clients\[3\] wants it was locked out"):
        host.apply(host.wish(allowed=[*pins, {"subject": "CN=m+OU=ou"}]))


def test_the_way_back_leads_to_the_clients_of_then(host: Host) -> None:
    old, new = (client(host, named("Chat")) for _number in range(2))
    issued = host.public.issue(DOMAIN)
    for each in (old, new):
        pins = [{"certificate_content": each.pem.decode()}, {"subject": f"CN=of {each.sha256[:8]}"}]
        host.apply(host.wish(issued=issued, allowed=pins))
    host.apply(SiteWish(DOMAIN, previous=True))
    assert [got(host, each) for each in (old, new)] == ["accepted", "refused"]


def test_a_configuration_folder_with_quotes_in_its_name_serves_pinned_certificates(
    short_path: Path, authority: Authority, chat: Authority, probes: Probes
) -> None:
    httpd = EmbeddedHttpd(short_path / "it's 100% \\ $1 {x}")
    try:
        httpd.start()
        host = Host(httpd, authority, chat, free_port(), probes)
        pinned = client(host, named("Chat"))
        wish = host.wish(allowed=[{"certificate_content": pinned.pem.decode()}])
        host.apply(wish)
        assert got(host, pinned) == "accepted"
        assert got(host, client(host, named("Chat"))) == "refused"
        assert not host.apply(wish).changed
        host.apply(host.wish())
        host.apply(SiteWish(DOMAIN, previous=True))
        assert got(host, client(host, named("Chat"))) == "refused"
    finally:
        httpd.stop()


# -- by the role


def test_sites_of_one_run_have_rules_of_their_own(operator: LocalOperator) -> None:
    chat = operator.material.client
    other = "shop.example.com"
    served = operator.material.public.issue(other)
    named = {
        "domain": other,
        "certificate_content": served.full_pem.decode(),
        "private_key_content": served.key_pem.decode(),
    }
    plain = {key: operator.site[key] for key in ("client_ca", "trust_anchors", "port", "listen")} | named
    pinned = operator.site | {
        "open_paths": ["/healthz"],
        "allowed_clients": [{"subject": "CN=Somebody else"}, {"certificate_content": chat.pem.decode()}],
    }
    run = operator.deploy(mutual_tls_sites=[plain, pinned])
    assert f"{other}: every client of the client CA may call" in run.output
    assert f"{operator.material.domain}: every client" not in run.output
    another = operator.material.chat.issue(client=True, common_name="Another")
    answers = [get(operator.port, operator.material.domain, "/", each)[0] for each in (chat, another, None)]
    assert answers == [200, 403, 403]
    assert get(operator.port, operator.material.domain, "/healthz")[0] == 404
    assert [get(operator.port, other, "/", each)[0] for each in (another, None)] == [403, 0]
    assert operator.deploy(mutual_tls_sites=[pinned]).recap["changed"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"allowed_clients": []}, "'allowed_clients' is an empty list"),
        ({"allowed_clients": [{}]}, "'allowed_clients[0]' names a client by 0 things"),
        ({"allowed_clients": [{"subject": "CN=a", "san": "b"}]}, "names a client by 2 things"),
        ({"allowed_clients": [{"subject": "s3cret"}]}, "the subject is no name as RFC 4514 writes it"),
        ({"allowed_clients": [{"subject": "O = Tencent, CN = Chat"}]}, "-nameopt RFC2253 (without -nameopt"),
        ({"allowed_clients": [{"subject": "CN=s3cret\nx"}]}, "'allowed_clients[0]': the subject"),
        ({"allowed_clients": [{"san": "s3cret x"}]}, "the 'san' is not a DNS name or e-mail address"),
        ({"allowed_clients": [{"certificate": "missing.crt"}]}, "is not on the controller"),
        ({"allowed_clients": [{"certificate_content": "s3cret"}]}, "is neither PEM, DER"),
        (
            {"allowed_clients": [{"subject": "CN=a"}], "verify_client": "optional"},
            "clients in that show none",
        ),
        ({"open_paths": ["/"]}, "'open_paths[0]' is no path below /"),
        ({"access_log": "s3cret.log"}, "'access_log' cannot be used: is not an absolute path"),
        ({"proxy_pass": "http://127.0.0.1:1/s3cret", "document_root": None}, "does not end in a slash"),
    ],
)
def test_a_rule_that_is_none_is_refused_in_one_sentence_without_its_value(
    operator: LocalOperator, options: dict[str, object], words: str
) -> None:
    run = operator.refused(mutual_tls_sites=[operator.site | options])
    assert words in " ".join(run.output.split())
    assert "s3cret" not in run.output


def test_what_an_optional_certificate_does_not_enforce_stands_in_the_verdict(operator: LocalOperator) -> None:
    run = operator.deploy("--tags", "judge", mutual_tls_sites=[operator.site | {"verify_client": "optional_no_ca"}])
    assert "with one that anybody issued: none is verified" in " ".join(run.output.split())
    run = operator.deploy("--tags", "judge", mutual_tls_sites=[operator.site | {"verify_client": "optional"}])
    assert "clients without a certificate are let in" in " ".join(run.output.split())


def judged(operator: LocalOperator, **options: object) -> str:
    """Return what the verdict on the site with these options says, in one line."""
    run = operator.play("--tags", "judge", mutual_tls_sites=[operator.site | options])
    assert (run.status == 0) == ("ERROR" not in run.output)
    return " ".join(run.output.split())


def test_a_pinned_certificate_that_has_ended_is_an_error_unless_another_client_may_call(
    operator: LocalOperator,
) -> None:
    now, chat = datetime.now(timezone.utc), operator.material.chat
    ended, ends, good = (
        {"certificate_content": issued.pem.decode()}
        for issued in (
            chat.issue(client=True, common_name="Old Chat", not_after=now - timedelta(days=2)),
            chat.issue(client=True, common_name="Chat of today", not_after=now + timedelta(days=3, hours=1)),
            chat.issue(client=True, common_name="New Chat"),
        )
    )
    alone = judged(operator, allowed_clients=[ended])
    assert "ERROR expired, allowed_clients[0]: 'Old Chat' ended at" in alone
    assert "Give the certificate that the client shows today" in alone
    for others in ([good], [{"subject": "CN=Chat"}]):
        assert "'Old Chat' ended at" in judged(operator, allowed_clients=[ended, *others])
    soon = judged(operator, allowed_clients=[ends])
    assert "'Chat of today' ends at" in soon
    assert "list the next one beside it" in soon
    assert " ends at " not in judged(operator, allowed_clients=[good])


def test_more_clients_than_are_asked_for_work_and_are_told(host: Host) -> None:
    report = host.apply(host.wish(allowed=[{"subject": f"CN=Client {each},O=Bench"} for each in range(2000)]))
    assert report.rehearsal == "full"
    assert f"{DOMAIN}: 1936 of 2000 allowed_clients were not asked for" in report.limits
