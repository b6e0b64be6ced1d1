# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client CA whose encoding DER forbids and OpenSSL reads is deployed as it is, and httpd lets its clients in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from demo_material import Authority, Issued, write
from odd_authorities import LONG, SALTED, client_of, pem
from odd_certificates import ca, crl, distribution
from odd_forms import FALSE, TRUE, TRUE_AS_ONE, apart, armoured, called, changed, of_issuer, of_subject, with_extension
from odd_forms import sequence as der_sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LocalOperator

OK = "HTTP/1.1 200 OK"
ODD: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "critical FALSE written out": with_extension("2.16.840.1.113730.1.13", b"\x16\x01x", FALSE),
    "cA TRUE as 01": with_extension("2.5.29.19", der_sequence(TRUE_AS_ONE), TRUE),
    "a T61String in GBK": of_subject(called(("2.5.4.10", 0x14, "腾讯".encode("gbk"))), root=True),
    "a PrintableString of more": of_subject(called(("2.5.4.3", 0x13, b"A*B@C_D&E")), root=True),
    "an IA5String of more": of_subject(called(("2.5.4.3", 0x16, b"caf\xe9")), root=True),
}


@dataclass(frozen=True)
class OddlyIssued(Issued):
    """A client's certificate that cryptography does not parse, beside the one that it was made of."""

    given: bytes = b""

    @property
    def pem(self) -> bytes:
        return armoured(self.given)


def issued_anew(client: Issued, authority: bytes, signer: object) -> OddlyIssued:
    """Return the client's certificate with its issuer named as the authority's certificate (DER) names itself."""
    subject = next(part for part in reversed(apart(apart(authority)[0])[:6]) if part[0] == 0x30)
    given = changed(client.certificate, signer, of_issuer(subject))
    return OddlyIssued(client.certificate, client.key, given=given)


@pytest.mark.parametrize("case", ODD)
def test_its_clients_are_let_in_and_nobody_else(operator: LocalOperator, case: str) -> None:
    chat = operator.material.chat
    odd = changed(chat.certificate, chat.key, ODD[case])
    write(operator.material.folder, "odd.crt", armoured(odd))
    operator.deploy(mutual_tls_sites=[operator.site | {"client_ca": f"{operator.material.folder}/odd.crt"}])
    deployed = (operator.httpd.conf.parent / "TencentQQAuthCA.crt").read_text()
    assert ssl.PEM_cert_to_DER_cert(deployed) == odd
    assert operator.ask(issued_anew(operator.material.client, odd, chat.key)).said == OK
    assert operator.ask(operator.material.stranger).said == "TLSV1_ALERT_UNKNOWN_CA"
    before = operator.state()
    operator.deploy(mutual_tls_sites=[operator.site | {"client_ca": f"{operator.material.folder}/odd.crt"}])
    assert operator.state() == before


def test_clients_are_let_in_whose_ca_salts_with_all_the_room_of_its_key(operator: LocalOperator) -> None:
    issuing = ca(LONG, **SALTED)
    client = client_of(issuing)
    write(operator.material.folder, "salted.crt", pem(LONG.certificate, issuing.certificate))
    operator.deploy(mutual_tls_sites=[operator.site | {"client_ca": f"{operator.material.folder}/salted.crt"}])
    assert operator.ask(Issued(client.certificate, client.key)).said == OK
    assert operator.ask(operator.material.stranger).said == "TLSV1_ALERT_UNKNOWN_CA"


def test_clients_of_a_ca_with_a_dsa_key_are_let_in_as_openssl_does(operator: LocalOperator) -> None:
    old = ca(key=dsa.generate_private_key(2048))
    client = client_of(old)
    write(operator.material.folder, "dsa.crt", pem(old.certificate))
    operator.deploy(mutual_tls_sites=[operator.site | {"client_ca": f"{operator.material.folder}/dsa.crt"}])
    assert operator.ask(Issued(client.certificate, client.key)).said == OK
    assert operator.ask(operator.material.stranger).said == "TLSV1_ALERT_UNKNOWN_CA"


@pytest.mark.parametrize("on_host", [False, True])
def test_beside_a_client_ca_that_has_ended_clients_of_the_other_are_let_in(
    operator: LocalOperator, on_host: bool
) -> None:
    ended = Authority("Chat's former CA", not_after=datetime.now(timezone.utc) - timedelta(days=1))
    write(operator.material.folder, "both.crt", ended.pem + operator.material.chat.pem)
    site = operator.site | {"client_ca": f"{operator.material.folder}/both.crt"}
    output = operator.deploy(mutual_tls_sites=[site | {"remote_src": True} if on_host else site]).output
    assert "lets none of its clients in any more" in " ".join(output.split())
    assert operator.ask(operator.material.client).said == OK
    assert operator.ask(ended.issue(client=True, common_name="Chat")).said == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    write(operator.material.folder, "both.crt", ended.pem)
    assert "ended at" in operator.refused(mutual_tls_sites=[site]).output


@pytest.mark.parametrize("check", ["chain", "leaf"])
def test_lists_of_a_part_keep_out_whom_they_name_and_nobody_else(operator: LocalOperator, check: str) -> None:
    root = ca()
    good, revoked = client_of(root), client_of(root)
    lists = [crl(root, revoked, place=distribution(only_contains_user_certs=True))]
    lists += [crl(root, place=distribution(only_contains_ca_certs=True))] if check == "chain" else []
    write(operator.material.folder, "chat.crt", pem(root.certificate))
    write(operator.material.folder, "chat.crl", pem(*lists))
    files = {option: f"{operator.material.folder}/chat.{end}" for option, end in (("client_ca", "crt"), ("crl", "crl"))}
    operator.deploy(mutual_tls_sites=[operator.site | files | {"crl_check": check}])
    assert operator.ask(Issued(good.certificate, good.key)).said == OK
    assert operator.ask(Issued(revoked.certificate, revoked.key)).said == "SSLV3_ALERT_CERTIFICATE_REVOKED"
