# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a client CA itself works as one is tried by a client of its twin, by the host's own httpd and OpenSSL.

No verdict of the controller stands before these: it would refuse most of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from demo_material import Authority, Issued
from host import DOMAIN, Host
from odd_authorities import ABOVE, BELOW, LIMITED, WITHIN, client_of
from odd_certificates import ca, raw, usage
from rehearsing import forbid_namespaces

from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.report import Report

UNKNOWN = x509.ObjectIdentifier("1.2.3.4.5")
LOCKED_OUT = "a client of a twin of the client CA '{name}' was locked out over TLSv1.2 and TLSv1.3"


def pem(pair: Any) -> bytes:
    return bytes(pair.certificate.public_bytes(Encoding.PEM))


def name_of(pair: Any) -> str:
    return str(pair.certificate.subject.rfc4514_string())


def untried(report: Report) -> list[str]:
    return [each for each in report.limits if "was not tried by twins of them: " in each]


BROKEN: dict[str, Callable[[], Any]] = {
    "a critical extension that nobody knows": lambda: ca(more=(raw(UNKNOWN, b"\x05\x00"), True)),
    "a certificate that is no CA's": lambda: ca(bc=(x509.BasicConstraints(ca=False, path_length=None), True)),
    "a key that may sign no certificate": lambda: ca(ku=(usage("digital_signature"), True)),
    "an intermediate without its root": lambda: ca(ca()),
}
SOUND: dict[str, Callable[[], Any]] = {
    "P-256": ca,
    "P-384": lambda: ca(key=ec.generate_private_key(ec.SECP384R1())),
    "RSA": lambda: ca(key=rsa.generate_private_key(65537, 3072)),
    "an extension that nobody knows": lambda: ca(more=(raw(UNKNOWN, b"\x05\x00"), False)),
    "a key usage alone": lambda: ca(bc=None),
    "a path length of none": lambda: ca(path_length=0),
}


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_client_ca_of_which_nobody_would_get_in_is_refused_by_name(
    host: Host, case: str, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    broken = BROKEN[case]()
    message = host.refused(host.wish(client_ca=pem(broken)), times=rehearsal == "full")
    assert LOCKED_OUT.format(name=name_of(broken)) in message
    # Neither does a sound one beside it hide that.
    message = host.refused(host.wish(client_ca=host.chat.pem + pem(broken)), times=rehearsal == "full")
    assert LOCKED_OUT.format(name=name_of(broken)) in message
    assert "Chat" not in message.partition(LOCKED_OUT.format(name=""))[2]


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
@pytest.mark.parametrize("case", SOUND)
def test_a_client_ca_that_works_is_taken(
    host: Host, case: str, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    report = host.apply(host.wish(client_ca=pem(SOUND[case]())), check=True)
    assert (report.rehearsal, untried(report)) == (rehearsal, [])


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
@pytest.mark.parametrize("case", [*LIMITED, "the root's, of an intermediate"])
def test_a_client_ca_that_limits_names_is_taken_and_its_clients_get_in(
    host: Host, case: str, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    limit, within = LIMITED.get(case, (None, WITHIN))
    issuers = [ca(nc=limit)] if limit else [ABOVE, BELOW]
    report = host.apply(host.wish(client_ca=b"".join(map(pem, issuers))))
    assert (report.rehearsal, untried(report)) == (rehearsal, [])
    client, stranger = client_of(issuers[-1], **within), client_of(ca(), **within)
    for one, result in (client, "accepted"), (stranger, "refused"):
        found = host.answers(Issued(one.certificate, one.key))
        assert [each.result for each in found.values()] == [result, result]


def test_an_intermediate_whose_name_its_root_excludes_is_refused_by_name(host: Host) -> None:
    without = ca(ABOVE)
    message = host.refused(host.wish(client_ca=pem(ABOVE) + pem(without)))
    assert LOCKED_OUT.format(name=name_of(without)) in message


def test_a_client_ca_below_its_root_is_taken_with_it(host: Host) -> None:
    root = ca()
    host.apply(host.wish(client_ca=pem(root) + pem(ca(root))), check=True)


def test_a_client_of_a_client_ca_is_refused_where_the_list_of_another_is_given_alone(host: Host) -> None:
    new = Authority("Chat's next CA")
    both = {"client_ca": host.chat.pem + new.pem, "crl_ends": "2999-12-31T23:59:59Z"}
    message = host.refused(host.wish(crl=host.chat.crl(), **both))
    assert LOCKED_OUT.format(name="CN=Chat's next CA") in message
    host.apply(host.wish(crl=host.chat.crl() + new.crl(), **both))
    assert host.enforces()


def test_a_release_that_is_gone_back_to_is_tried_by_twins_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BROKEN["a certificate that is no CA's"]()
    host.apply(host.wish(client_ca=pem(broken)), accepted=("locked-out",))
    host.apply(host.wish())
    message = host.refused(SiteWish(DOMAIN, previous=True))
    assert LOCKED_OUT.format(name=name_of(broken)) in message


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_what_cannot_have_a_twin_is_said_and_its_site_is_served(
    host: Host, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    rare = ca(key=dsa.generate_private_key(2048))
    report = host.apply(host.wish(client_ca=host.chat.pem + pem(rare)))
    assert [each.partition(":")[0] for each in untried(report)] == [DOMAIN]
    assert host.enforces()


def test_a_client_of_a_twin_gets_no_further_than_a_pin_allows(host: Host) -> None:
    host.apply(host.wish(allowed=[{"subject": "CN=Chat"}]))
    assert host.enforces()


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_client_of_a_twin_with_the_name_of_a_pin_is_asked_for_and_gets_in(
    host: Host, rehearsal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsal == "reduced":
        forbid_namespaces(monkeypatch)
    options = {"allowed": [{"subject": "CN=Chat"}, {"san": "chat.example.com"}]}
    assert host.apply(host.wish(**options), check=True).rehearsal == rehearsal
    # What keeps all of the client CA out, whatever their names, is found for them, too.
    broken = BROKEN["a certificate that is no CA's"]()
    message = host.refused(host.wish(client_ca=pem(broken), **options))
    assert f"allowed_clients[0], of a twin of the client CA '{name_of(broken)}'" in message
    assert "allowed_clients[1], of a twin" in message
