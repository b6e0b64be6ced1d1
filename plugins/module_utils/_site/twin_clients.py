# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Clients of a site's own client CAs, for a rehearsal: of twins of the CAs, as nobody here has their keys.

A throwaway CA beside Chat's does not show whether Chat's own works as a client CA. A twin does, as the host's OpenSSL
takes it for the CA: only the key is another. Original and twin have one name and key identifier, so that OpenSSL would
pick either; so the twin takes the original's place in the file, and never joins it.
"""

from __future__ import annotations

import re
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import KeyRing
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Parts, is_revoked, make_twins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_BLOCK = re.compile(rb"-----BEGIN (X509 CRL|CERTIFICATE)-----(.*?)-----END \1-----", re.DOTALL)
# More client CAs than anybody has who knows whom they let in; each costs a handshake over each version of TLS.
MAXIMUM = 8
PINS = 3  # of each CA, of those that pin by a name: how httpd takes one, it takes the others
_RING = KeyRing()  # a process's, as keys are made once


@dataclass(frozen=True)
class TwinnedCAs:
    """A site's client CA file and CRL file with each of their members replaced by its twin (PEM), and who calls.

    clients: for each CA that is valid now its subject (RFC 4514), and a client that its twin issued.
    named: such with the name of a pin, each with the subject of its CA and the number of the pin. untried: why there
    are no twins, but the originals; empty where there are.
    """

    authorities: bytes = field(repr=False)
    crls: bytes = field(repr=False)
    clients: tuple[tuple[str, Identity], ...] = ()
    named: tuple[tuple[str, int, Identity], ...] = ()
    untried: str = ""


def twin_client_cas(
    authorities: bytes, crls: bytes = b"", crl_ends: str = "", pinned: Mapping[int, Identity] | None = None
) -> TwinnedCAs:
    """Return the twins of a client CA file and of a CRL file, and clients of theirs (all PEM).

    A CA that is out of date, or revoked, has no client, and none has one where a CRL is out of date: these say what
    is to be said then. crl_ends: when the first of the CRLs is to be renewed, as in a site's facts. pinned: clients
    with the names of pins, by the number of the pin; the twins issue such as the first few of them are, too. Raises
    ValueError where a certificate or CRL cannot be taken apart, a CA has a key that no throwaway can take the place
    of, or there are too many.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    originals = list(_read(b"CERTIFICATE", authorities))
    if not 0 < len(originals) <= MAXIMUM:
        raise ValueError(f"{len(originals)} client CAs, of which up to {MAXIMUM} are tried")
    lists = list(_read(b"X509 CRL", crls))
    try:
        twins = make_twins(originals, lists, ring=_RING)
        clients, named = [], []
        first = list((pinned or {}).items())[:PINS]
        like = {number: Parts.of(next(_read(b"CERTIFICATE", one.certificate))) for number, one in first}
        for twin in twins.certificates:
            told = wire.read_certificate(twin.certificate)
            is_valid = told.not_before <= now < told.not_after and not (crls and "" < crl_ends <= now)
            if is_valid and not is_revoked(twin, lists):
                bearer, name = twins.issue_client(twin, lists), wire.rfc4514(told.subject)
                clients.append((name, Identity(bearer.certificate, bearer.private_key)))
                for number, parts in like.items() if not twins.limit_names else ():
                    bearer = twins.issue_client(twin, lists, like=parts)
                    named.append((name, number, Identity(bearer.certificate, bearer.private_key)))
    except (LookupError, UnicodeError) as error:
        raise ValueError(str(error)) from None
    return TwinnedCAs(
        b"".join(twin.pem for twin in twins.certificates),
        b"".join(der.pem("X509 CRL", one) for one in twins.crls),
        tuple(clients),
        tuple(named),
    )


def _read(label: bytes, content: bytes) -> Iterator[bytes]:
    """Yield the members of a file, of one kind, as DER."""
    for found in _BLOCK.finditer(content):
        if found.group(1) == label:
            text = b"-----BEGIN CERTIFICATE-----" + found.group(2) + b"-----END CERTIFICATE-----"
            yield ssl.PEM_cert_to_DER_cert(text.decode("ascii"))
