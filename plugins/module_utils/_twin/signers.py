# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who signed what, by the standard library alone: OpenSSL checks it, on the way to a handshake that always fails.

The `ssl` module checks no signature that it is shown. But a server that is called goes down from a root to the caller's
certificate, and looks of each certificate at the signature first, and at the dates then. So a server is made that takes
today for a day of 1970, and is called by one who has a certificate of the CA in question, by its name alone: what
OpenSSL complains of tells whether it liked the signature of the CA. Of a revocation list it checks the signature before
those of certificates.

So all kinds of keys and signatures are checked that the OpenSSL at hand knows. What it does not come to, as where it
does not even take the one for the other's issuer, is not known.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der, memory
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import (
    Key,
    KeyRing,
    is_of_another_kind,
    signature_algorithm_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import (
    Bearer,
    Parts,
    Twin,
    comparable,
    extension,
    issue,
    places_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# OpenSSL's flags (x509_vfy.h), for which the `ssl` module has no names. The time that is set is 0, as nobody sets it.
_AT_TIME_SET, _IGNORE_CRITICAL, _CHECK_ROOT, _AT_NO_TIME = 0x2, 0x10, 0x4000, 0x200000
# By OpenSSL's numbers (x509_vfy.h), what they tell: of the CA's certificate, the signature is wrong, or it is right and
# the begin lies ahead, or cannot be read; of a list, the signature is wrong, or it is right and the caller's is wrong.
_OF_CERTIFICATE, _OF_LIST = {7: False, 9: True, 13: True}, {8: False, 7: True}
_LOWEST_LEVEL = 0  # of OpenSSL's security: whether something is too weak is not asked here
_1950, _9999 = der.element(der.UTC_TIME, b"500101000000Z"), der.element(der.GENERALIZED_TIME, b"99991231235959Z")
_TRUE = b"\x01\x01\xff"
_SUBJECT_KEY, _BASIC = "2.5.29.14", "2.5.29.19"
_PLAIN = signature_algorithm_of(der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NOTHING))
_RING = KeyRing()


@functools.lru_cache(maxsize=1024)  # Each of many is looked at beside each other one.
def is_signed(signed: bytes, issuer: bytes) -> bool | None:
    """Return whether the key of a CA signed a certificate or a revocation list (all DER); None if it is not known."""
    try:
        own, parts = Parts.of(issuer), _parts(signed)
        if is_of_another_kind(own.public, der.children(signed)[1]):
            return False
        if parts is None:
            return _is_list_signed(signed, issuer, own)
        if signed == issuer:
            return _is_self_signed(issuer, own)
        return _is_certificate_signed(signed, parts, own)
    except (ValueError, LookupError, memory.RefusedError):
        return None


def _is_certificate_signed(signed: bytes, parts: Parts, issuer: Parts) -> bool | None:
    keys = parts.key_identifier, issuer.key_identifier
    alike = comparable(parts.subject) == comparable(issuer.subject) and (not all(keys) or keys[0] == keys[1])
    if alike or _begins_by_1970(parts):
        return None  # OpenSSL might take the caller for one of the issuer's, or have nothing against the dates
    caller = _call_in_the_name_of(signed, parts)
    caller = Bearer(caller.certificate + der.pem("CERTIFICATE", signed), caller.private_key)
    flags = _AT_TIME_SET | _IGNORE_CRITICAL | memory.PARTIAL
    return _OF_CERTIFICATE.get(_refusal(caller, [_anchor(issuer)], flags))


def _is_self_signed(whole: bytes, parts: Parts) -> bool | None:
    if _begins_by_1970(parts):
        return None
    flags = _AT_TIME_SET | _IGNORE_CRITICAL | _CHECK_ROOT
    return _OF_CERTIFICATE.get(_refusal(_call_in_the_name_of(whole, parts), [whole], flags))


def _is_list_signed(crl: bytes, issuer: bytes, parts: Parts) -> bool | None:
    caller = _call_in_the_name_of(issuer, parts, [crl])
    flags = _AT_NO_TIME | _IGNORE_CRITICAL | memory.PARTIAL
    return _OF_LIST.get(_refusal(caller, [_anchor(parts)], flags, [crl]))


def _parts(signed: bytes) -> Parts | None:
    """Return the parts of a certificate; None for a revocation list, whose times stand there by themselves."""
    fields = der.children(der.children(signed)[0])
    return None if any(one[0] in (der.UTC_TIME, der.GENERALIZED_TIME) for one in fields) else Parts.of(signed)


def _begins_by_1970(parts: Parts) -> bool:
    begin = der.children(parts.validity)[0]
    text = der.content(begin)
    return b"50" <= text[:2] <= b"70" if begin[0] == der.UTC_TIME else text[:4] <= b"1970"


def _anchor(issuer: Parts) -> bytes:
    """Return a certificate with an issuer's name, number, key and its identifier, which is valid in 1970.

    No signature is right that it has, and of what a server trusts none is looked at.
    """
    identifier = issuer.extension(_SUBJECT_KEY)
    extensions = [extension(_BASIC, der.sequence(_TRUE), critical=True)]
    extensions += [extension(_SUBJECT_KEY, identifier)] if identifier else []
    body = der.sequence(
        der.element(0xA0, der.integer(2)),
        issuer.head[-1],
        _PLAIN,
        issuer.issuer,
        der.sequence(_1950, _9999),
        issuer.subject,
        issuer.public,
        der.element(0xA3, der.sequence(*extensions)),
    )
    return der.sequence(body, _PLAIN, der.bits(b"\1"))


class _Nobody(Key):
    """A key that signs by the way of another, and never rightly."""

    def fitting(self, algorithm: bytes) -> bytes:
        """Return the signature algorithm, whatever it is."""
        return algorithm

    def sign(self, data: bytes, algorithm: bytes) -> bytes:
        """Return what is no signature."""
        return b"\1" * 64

    def _public(self) -> bytes:
        return b""

    def _private(self) -> bytes:
        return b""


def _call_in_the_name_of(whole: bytes, parts: Parts, crls: Sequence[bytes] = ()) -> Bearer:
    """Return a caller whose certificate names a CA as its issuer, which signed none; with the places of its lists."""
    ca = Twin(whole, parts, _Nobody(der.children(parts.public)[0]))
    return issue(ca, _RING, client=True, places=places_of(crls, ca))


@functools.lru_cache(maxsize=1)
def _server() -> Bearer:
    return issue(None, _RING, client=False)


def _refusal(caller: Bearer, trusted: Sequence[bytes], flags: int, crls: Sequence[bytes] = ()) -> int:
    """Return the number of what OpenSSL has against the caller; 0 where that is no certificate."""
    server = memory.serving_clients_of(_server(), trusted, crls, whole=False, level=_LOWEST_LEVEL)
    server.verify_flags |= flags
    refusal = memory.meet(server, memory.calling(caller, level=_LOWEST_LEVEL))
    return refusal.number if refusal else 0
