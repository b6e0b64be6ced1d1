# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on revocation lists is httpd's: a list without an error lets good clients in, one with an error none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from demo_material import key_pem, pem
from embedded_httpd import EmbeddedHttpd, free_port
from odd_certificates import CRITICAL, DAY, NOW, PLAIN, Pair, ca, crl, distribution, leaf, new_key, usage

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Door, Identity, Question
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT, OTHER = ca(), ca()
MIDDLE = ca(ROOT)
CLIENT_ONLY = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
CLIENT = leaf(ROOT, "client", eku=CLIENT_ONLY)
DEEP = leaf(MIDDLE, "client", eku=CLIENT_ONLY)
PLACE = distribution(full_name=[x509.UniformResourceIdentifier("http://crl.example/")])
NAMED = (x509.CRLDistributionPoints([x509.DistributionPoint(PLACE[0].full_name, None, None, None)]), False)
PLACED, MUTE = ca(places=NAMED), ca(ku=(usage("key_cert_sign"), True))
USERS, AUTHORITIES = distribution(only_contains_user_certs=True), distribution(only_contains_ca_certs=True)
AHEAD = crl(ROOT, begin=NOW + DAY, end=NOW + 9 * DAY, number=(x509.CRLNumber(2), False))
REASONS = frozenset([x509.ReasonFlags.key_compromise])

# Client, client CAs, revocation lists.
CASES: dict[str, tuple[Pair, list[Pair], list[x509.CertificateRevocationList]]] = {
    "sound": (CLIENT, [ROOT], [crl(ROOT)]),
    "another client is revoked": (CLIENT, [ROOT], [crl(ROOT, OTHER)]),
    "of another CA": (CLIENT, [ROOT], [crl(OTHER)]),
    "of both CAs": (CLIENT, [ROOT, OTHER], [crl(ROOT), crl(OTHER)]),
    "of the other of two CAs": (CLIENT, [ROOT, OTHER], [crl(OTHER)]),
    "with a wrong signature": (CLIENT, [ROOT], [crl(ROOT, signer=new_key())]),
    "ended": (CLIENT, [ROOT], [crl(ROOT, begin=NOW - 9 * DAY, end=NOW - DAY)]),
    "not begun": (CLIENT, [ROOT], [crl(ROOT, begin=NOW + DAY)]),
    "a delta": (CLIENT, [ROOT], [crl(ROOT, delta=(x509.DeltaCRLIndicator(1), True))]),
    "indirect": (CLIENT, [ROOT], [crl(ROOT, point=distribution(indirect_crl=True))]),
    "for users": (CLIENT, [ROOT], [crl(ROOT, point=USERS)]),
    "for CAs": (CLIENT, [ROOT], [crl(ROOT, point=AUTHORITIES)]),
    "for users, and for CAs": (CLIENT, [ROOT], [crl(ROOT, point=USERS), crl(ROOT, point=AUTHORITIES)]),
    "indirect, behind the whole one": (CLIENT, [ROOT], [crl(ROOT), crl(ROOT, point=distribution(indirect_crl=True))]),
    "not begun, behind the present one": (CLIENT, [ROOT], [crl(ROOT), AHEAD]),
    "not begun, before the present one": (CLIENT, [ROOT], [AHEAD, crl(ROOT)]),
    "not begun, behind an ended one": (CLIENT, [ROOT], [crl(ROOT, begin=NOW - 9 * DAY, end=NOW - DAY), AHEAD]),
    "for attributes": (CLIENT, [ROOT], [crl(ROOT, point=distribution(only_contains_attribute_certs=True))]),
    "for some reasons": (CLIENT, [ROOT], [crl(ROOT, point=distribution(only_some_reasons=REASONS))]),
    "an unknown extension": (CLIENT, [ROOT], [crl(ROOT, x=PLAIN)]),
    "an unknown critical extension": (CLIENT, [ROOT], [crl(ROOT, x=CRITICAL)]),
    "a critical number": (CLIENT, [ROOT], [crl(ROOT, number=(x509.CRLNumber(1), True))]),
    "of root and intermediate": (DEEP, [ROOT, MIDDLE], [crl(ROOT), crl(MIDDLE)]),
    "of the intermediate alone": (DEEP, [ROOT, MIDDLE], [crl(MIDDLE)]),
    "of the root alone": (DEEP, [ROOT, MIDDLE], [crl(ROOT)]),
    "ended, and a sound one": (CLIENT, [ROOT], [crl(ROOT, begin=NOW - 9 * DAY, end=NOW - DAY), crl(ROOT)]),
    "a place that nobody names": (CLIENT, [ROOT], [crl(ROOT, point=PLACE)]),
    "a place that all name": (
        leaf(PLACED, "client", eku=CLIENT_ONLY, places=NAMED),
        [PLACED],
        [crl(PLACED, point=PLACE)],
    ),
    "of a CA that may not sign lists": (leaf(MUTE, "client", eku=CLIENT_ONLY), [MUTE], [crl(MUTE)]),
}


@pytest.fixture(scope="module")
def httpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start an httpd with a virtual host for each case, and return its port."""
    folder = Path(tmp_path_factory.mktemp("revocation"))
    port = free_port()
    server = leaf(ROOT)
    (folder / "server.crt").write_bytes(pem(server.certificate))
    (folder / "server.key").write_bytes(key_pem(server.key))
    hosts = ["LoadModule ssl_module modules/mod_ssl.so", f"Listen 127.0.0.1:{port}", "SSLSessionCache none"]
    for number, (_client, cas, crls) in enumerate(CASES.values()):
        (folder / f"{number}.ca").write_bytes(pem(*(one.certificate for one in cas)))
        (folder / f"{number}.crl").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in crls))
        hosts.append(f"""<VirtualHost 127.0.0.1:{port}>
            ServerName case-{number}.example
            SSLEngine on
            SSLCertificateFile "{folder}/server.crt"
            SSLCertificateKeyFile "{folder}/server.key"
            SSLVerifyClient require
            SSLVerifyDepth 3
            SSLCACertificateFile "{folder}/{number}.ca"
            SSLCARevocationFile "{folder}/{number}.crl"
            SSLCARevocationCheck chain
        </VirtualHost>""")
    with tempfile.TemporaryDirectory(prefix="m") as root:
        Path(root).chmod(0o755)
        server_process = EmbeddedHttpd(Path(root) / "httpd", extra="\n".join(hosts) + "\n")
        try:
            server_process.start()
            yield port
        finally:
            server_process.stop()


@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_a_list_is_an_error_where_it_locks_clients_out(number: int, httpd: int) -> None:
    case = list(CASES)[number]
    client, cas, crls = CASES[case]
    identity = Identity(pem(client.certificate), key_pem(client.key))
    answers = {
        version: ask(
            Door("127.0.0.1", httpd),
            Question(f"case-{number}.example", version, "trusted", identity),
            timeout=20,
        )
        for version in ("TLSv1.2", "TLSv1.3")
    }
    let_in = {answer.result == "accepted" for answer in answers.values()}
    given_set = MaterialSet(
        client_ca=tuple(Material(pem(one.certificate), "ca") for one in cas),
        crl=tuple(Material(one.public_bytes(Encoding.PEM), "crl") for one in crls),
    )
    verdict = judge([given_set], at=NOW, warn_days=0)[0]
    # An older OpenSSL takes a list of changes for the whole one, so that who was revoked before gets in.
    assert let_in == {verdict.ok} or (case == "a delta" and not verdict.ok), (answers, verdict.findings)
