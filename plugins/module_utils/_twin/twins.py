# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Twins of certificates and revocation lists: every byte of theirs but the public key, its signature, and any dates.

So what OpenSSL makes of a twin, it makes of the original, whose key nobody has: what is signed by SHA-1 stays so, as do
odd strings, critical extensions, explicit curve parameters, key identifiers and negative serial numbers.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Callable, Optional

from ansible_collections.mtls.httpd.plugins.module_utils._twin import der
from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import is_of_another_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._twin.keys import Key, KeyRing

# Whether the key of the second certificate signed the first, or the list; None where that cannot be known.
Signed = Callable[[bytes, bytes], Optional[bool]]

_AUTHORITY_KEY, _SUBJECT_KEY, _BASIC, _USAGE, _PURPOSES = (f"2.5.29.{number}" for number in (35, 14, 19, 15, 37))
_NAMES = "2.5.29.17"
_PLACE, _PLACES, _LIMITS = "2.5.29.28", "2.5.29.31", "2.5.29.30"
# What strings are compared as: without case, and blanks at the ends or repeated (RFC 5280, 7.1).
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32", 0x1E: "utf-16"}
_WIDE = {0x1C: "utf-32-be", 0x1E: "utf-16-be"}


@dataclass(frozen=True, repr=False)
class Parts:
    """A certificate taken apart; each part is a whole element of DER."""

    head: tuple[bytes, ...]  # the version, unless it is 1, and the serial number
    inner: bytes  # the algorithm of its signature, as in what is signed
    issuer: bytes
    validity: bytes
    subject: bytes
    public: bytes  # SubjectPublicKeyInfo
    tail: tuple[bytes, ...]
    algorithm: bytes  # the algorithm of its signature, beside it
    signature: bytes

    @classmethod
    def of(cls, certificate: bytes) -> Parts:
        """Take a certificate (DER) apart; raises ValueError for what is none."""
        signed, algorithm, signature = der.children(certificate)
        fields = der.children(signed)
        first = 1 if fields[0][:1] == b"\xa0" else 0
        head, tail = tuple(fields[: first + 1]), tuple(fields[first + 6 :])
        inner, issuer, validity, subject, public = fields[first + 1 : first + 6]
        return cls(head, inner, issuer, validity, subject, public, tail, algorithm, signature)

    def extension(self, identifier: str) -> bytes:
        """Return the content of an extension (DER); nothing where it has none, or such as cannot be read."""
        wanted = der.oid(identifier)
        try:
            for one in _extensions(self.tail, 0xA3):
                kind, *_critical, value = der.children(one)
                if kind == wanted:
                    return der.content(value)
        except (ValueError, IndexError):
            pass
        return b""

    def critical(self) -> list[str]:
        """Return the identifiers of its critical extensions."""
        found = []
        for one in _extensions(self.tail, 0xA3):
            kind, *mark, _value = der.children(one)
            if mark and any(der.content(mark[0])):
                found.append(der.oid_text(kind))
        return found

    @property
    def key_identifier(self) -> bytes:
        """Its subject key identifier; nothing where it has none."""
        whole = self.extension(_SUBJECT_KEY)
        try:
            return der.content(whole) if whole else b""
        except ValueError:
            return b""


def _extensions(fields: Iterable[bytes], tag: int) -> Iterator[bytes]:
    """Yield the extensions that are among the fields of what is signed, under a tag."""
    for one in fields:
        if one[0] == tag:
            yield from der.children(der.children(one)[0])


@functools.lru_cache(maxsize=4096)  # Each of many issuers is looked for among all of them.
def comparable(name: bytes) -> object:
    """Return a name (DER) as OpenSSL compares names: two that are equal are one name."""
    try:
        return tuple(
            frozenset((pair[0], _comparable_string(pair[1])) for pair in map(der.children, der.children(part)))
            for part in der.children(name)
        )
    except (ValueError, IndexError):
        return name


def hash_name(name: bytes) -> str:
    """Return how OpenSSL calls a name (DER) in a folder of CAs or of lists (X509_NAME_hash), in hexadecimal digits.

    It is of the name's parts with their strings as UTF-8 and as `comparable` has them. Raises ValueError for no name.
    """
    parts = b""
    for part in der.children(name):
        pairs = []
        for kind, whole in map(der.children, der.children(part)):
            text = _comparable_string(whole)
            pairs.append(der.sequence(kind, der.element(0x0C, text.encode()) if isinstance(text, str) else whole))
        parts += der.element(der.SET, *sorted(pairs))
    return hashlib.sha1(parts, usedforsecurity=False).digest()[3::-1].hex()


def _comparable_string(whole: bytes) -> object:
    encoding = _WIDE.get(whole[0]) or _STRINGS.get(whole[0])
    if encoding is None:
        return whole
    try:
        text = der.content(whole).decode(encoding)
    except UnicodeDecodeError:
        text = der.content(whole).decode("latin-1")
    return " ".join("".join(c.lower() if c.isascii() else c for c in text).split())


@dataclass(frozen=True, repr=False)
class Twin:
    """A twin (DER), its parts, and the key that it has."""

    certificate: bytes
    parts: Parts
    key: Key

    @property
    def pem(self) -> bytes:
        """It as PEM."""
        return der.pem("CERTIFICATE", self.certificate)


def by_name_alone(_signed: bytes, _issuer: bytes) -> bool | None:
    """Say that it is not known who signed what: who has no means to check signatures goes by the names."""
    return None


@dataclass(frozen=True, repr=False)
class _Issuers:
    """Those that may have signed a certificate or a list."""

    originals: Sequence[tuple[bytes, Parts]]
    signed: Signed

    def of(self, whole: bytes, issuer: bytes, link: bytes) -> Parts | None:
        """Return who signed it: of those of the issuer's name, whom its key fits, and else whom its link names."""
        name, algorithm = comparable(issuer), der.children(whole)[1]
        named = [
            (one, parts)
            for one, parts in self.originals
            if comparable(parts.subject) == name and not is_of_another_kind(parts.public, algorithm)
        ]
        told = [(self.signed(whole, one), parts) for one, parts in named]
        sure = [parts for answer, parts in told if answer]
        possible = [parts for answer, parts in told if answer is None]
        possible.sort(key=lambda parts: not (parts.key_identifier and parts.key_identifier in link))
        return next(iter([*sure, *possible]), None)

    def signer(self, whole: bytes, parts: Parts, keys: dict[bytes, Key]) -> Key | None:
        """Return the key that the twin of a certificate is signed by; None for nobody's."""
        own = self.signed(whole, whole) if comparable(parts.issuer) == comparable(parts.subject) else False
        # A CA's certificate for its next key has its own name as issuer, and is signed by the key before.
        issuer = None if own else self.of(whole, parts.issuer, parts.extension(_AUTHORITY_KEY))
        if issuer is None:
            return None if own is False else keys[parts.public]
        return keys[issuer.public]


@dataclass(frozen=True, repr=False)
class Twins:
    """Twins of certificates that belong together, in their order, and of revocation lists (DER)."""

    certificates: tuple[Twin, ...]
    crls: tuple[bytes, ...]
    _issuers: _Issuers
    _keys: dict[bytes, Key]
    _ring: KeyRing
    _later: int

    def join(self, certificate: bytes) -> Twin:
        """Return the twin of one more certificate (DER), signed by the twin of whichever of these signed it.

        Raises ValueError as `make_twins` does.
        """
        parts = Parts.of(certificate)
        own = self._keys.get(parts.public) or self._ring.lend(parts.public, len(self._keys))
        return _twin(
            parts, own, self._issuers.signer(certificate, parts, {**self._keys, parts.public: own}), self._later
        )

    @property
    def limit_names(self) -> bool:
        """Whether one of these certificates limits the names of those below it (RFC 5280, 4.2.1.10)."""
        return any(one.parts.extension(_LIMITS) for one in self.certificates)

    def issue_client(self, issuer: Twin, crls: Sequence[bytes] = (), *, like: Parts | None = None) -> Bearer:
        """Return a client of one of these twins, with the names of C(like), or its own.

        Where there are lists (DER), it names their places.

        A CA may issue for certain names alone (RFC 5280, 4.2.1.10), and which of them its clients have, nobody here
        knows. So where one of these certificates limits names, the client has none: OpenSSL then holds nothing against
        a limit but what is above the client, such as an intermediate's own name, which keeps all clients out.
        """
        places = places_of(crls, issuer)
        names = Names.of(like) if like else _NONE if self.limit_names else _OWN
        return issue(issuer, self._ring, client=True, places=places, names=names)


def make_twins(
    certificates: Sequence[bytes],
    crls: Sequence[bytes] = (),
    *,
    ring: KeyRing,
    signed: Signed = by_name_alone,
    later: int = 0,
) -> Twins:
    """Return twins of certificates and lists (DER), each signed by the twin of who signed the original.

    What none of them signed keeps its signature, which does not fit. So does a root by an algorithm that is not known
    here, since OpenSSL does not check that. Dates are `later` by so many seconds. Certificates of one key have twins
    of one key. Raises ValueError for what cannot be taken apart, or has a key that none can take the place of.
    """
    originals = list(zip(certificates, map(Parts.of, certificates)))
    keys: dict[bytes, Key] = {}
    for _whole, parts in originals:
        if parts.public not in keys:
            keys[parts.public] = ring.lend(parts.public, len(keys))
    issuers = _Issuers(originals, signed)
    twins = [_twin(parts, keys[parts.public], issuers.signer(whole, parts, keys), later) for whole, parts in originals]
    lists = [_twin_of_list(crl, issuers, keys, later) for crl in crls]
    return Twins(tuple(twins), tuple(lists), issuers, keys, ring, later)


def _twin(parts: Parts, key: Key, signer: Key | None, later: int) -> Twin:
    algorithm, inner = parts.algorithm, parts.inner
    if signer is not None:
        try:
            fitting = signer.fitting(algorithm)
        except ValueError:
            if signer is not key:
                raise
            # A root's own signature is looked at by nobody.
            signer, fitting = None, algorithm
        if fitting != algorithm:
            algorithm = inner = fitting
    validity = der.sequence(*(_later(one, later) for one in der.children(parts.validity))) if later else parts.validity
    body = der.sequence(*parts.head, inner, parts.issuer, validity, parts.subject, key.public, *parts.tail)
    return Twin(_whole(body, algorithm, signer, parts.signature), parts, key)


def _twin_of_list(crl: bytes, issuers: _Issuers, keys: dict[bytes, Key], later: int) -> bytes:
    """Return the twin of a list (RFC 5280, 5.1)."""
    signed, algorithm, signature = der.children(crl)
    fields = der.children(signed)
    first = 1 if fields[0][:1] == bytes([der.INTEGER]) else 0
    extensions = next((one for one in fields[first + 2 :] if one[:1] == b"\xa0"), b"")
    issuer = issuers.of(crl, fields[first + 1], extensions)
    signer = keys[issuer.public] if issuer else None
    fitting = algorithm if signer is None else signer.fitting(algorithm)
    if fitting != algorithm:
        algorithm = fields[first] = fitting
    if later:
        dates = (der.UTC_TIME, der.GENERALIZED_TIME)
        fields = [_later(one, later) if one[0] in dates else one for one in fields]
    body = der.sequence(*fields)
    return _whole(body, algorithm, signer, signature)


def _whole(body: bytes, algorithm: bytes, signer: Key | None, otherwise: bytes) -> bytes:
    """Return what is signed with its signature; without a signer, with another that will not do."""
    return der.sequence(body, algorithm, der.bits(signer.sign(body, algorithm)) if signer else otherwise)


def _later(whole: bytes, seconds: int) -> bytes:
    """Return a date (DER) that is later by so many seconds; raises ValueError for one of another form."""
    text = der.content(whole).decode("ascii")
    year = int(text[:2]) if whole[0] == der.UTC_TIME else int(text[:4])
    if whole[0] == der.UTC_TIME:
        text = f"{year + (1900 if year >= 50 else 2000)}{text[2:]}"
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%SZ") + timedelta(seconds=seconds)
    except OverflowError:
        return whole  # at one end of time, where seconds are of no account
    if whole[0] == der.UTC_TIME and 1950 <= moment.year < 2050:
        return der.element(der.UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return der.element(der.GENERALIZED_TIME, f"{moment.year:04}{moment.strftime('%m%d%H%M%SZ')}".encode())


@dataclass(frozen=True)
class Bearer:
    """A certificate and its key, both PEM, as the `ssl` module loads them."""

    certificate: bytes = field(repr=False)
    private_key: bytes = field(repr=False)


def places_of(crls: Sequence[bytes], issuer: Twin) -> list[bytes]:
    """Return the places that lists of a twin's name are for alone, all DER, as a list writes them (RFC 5280, 5.2.5)."""
    found = []
    for crl in crls:
        fields = der.children(der.children(crl)[0])
        names = [one for one in fields if one[0] == der.SEQUENCE]
        if comparable(names[1]) != comparable(issuer.parts.subject):
            continue
        for extension in _extensions(fields, 0xA0):
            kind, *_critical, value = der.children(extension)
            if kind == der.oid(_PLACE):
                found += [one for one in der.children(der.content(value)) if one[0] == 0xA0]
    return found


def is_revoked(certificate: Twin, crls: Sequence[bytes]) -> bool:
    """Return whether a list (DER) of a twin's issuer names its serial number (RFC 5280, 5.1.2.6)."""
    for crl in crls:
        fields = der.children(der.children(crl)[0])
        sequences = [one for one in fields if one[0] == der.SEQUENCE]  # algorithm, issuer, and who is revoked, if any
        if comparable(sequences[1]) == comparable(certificate.parts.issuer):
            revoked = [entry for named in sequences[2:3] for entry in der.children(named)]
            if certificate.parts.head[-1] in (der.children(entry)[0] for entry in revoked):
                return True
    return False


@dataclass(frozen=True)
class Names:
    """Whose a certificate is: its subject, and its subject alternative names, empty for none (both DER)."""

    subject: bytes = field(repr=False)
    others: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, parts: Parts) -> Names:
        """Return those of a certificate."""
        return cls(parts.subject, parts.extension(_NAMES))


_COMMON = der.sequence(der.oid("2.5.4.3"), der.element(0x0C, b"mtls.httpd twin's client"))
_OWN = Names(der.sequence(der.element(der.SET, _COMMON)))
_NONE = Names(der.sequence())


def issue(
    issuer: Twin | None, ring: KeyRing, *, client: bool, places: Sequence[bytes] = (), names: Names = _OWN
) -> Bearer:
    """Return a sound certificate of a twin's for a client or a server; of nobody's where there is no issuer.

    It names the places where lists are published that are for such certificates alone, and is valid from a day ago for
    a week.
    """
    key, subject = ring.plain, names.subject
    signer, name = (issuer.key, issuer.parts.subject) if issuer else (None, subject)
    algorithm = signer.own if signer else key.own
    now = datetime.now(timezone.utc)
    validity = der.sequence(*(_date(now + timedelta(days=days)) for days in (-1, 7)))
    purpose = der.oid("1.3.6.1.5.5.7.3.2" if client else "1.3.6.1.5.5.7.3.1")
    extensions = [
        extension(_BASIC, der.sequence(), critical=True),
        extension(_USAGE, b"\x03\x02\x07\x80", critical=True),
        extension(_PURPOSES, der.sequence(purpose)),
    ]
    if issuer and issuer.parts.key_identifier:
        link = der.sequence(der.element(0x80, issuer.parts.key_identifier))
        extensions.append(extension(_AUTHORITY_KEY, link))
    if names.others:
        extensions.append(extension(_NAMES, names.others))
    if places:
        extensions.append(extension(_PLACES, der.sequence(*map(der.sequence, places))))
    serial = der.integer(int.from_bytes(secrets.token_bytes(16), "big") >> 1 | 1)
    version = der.element(0xA0, der.integer(2))
    tail = der.element(0xA3, der.sequence(*extensions))
    body = der.sequence(version, serial, algorithm, name, validity, subject, key.public, tail)
    whole = _whole(body, algorithm, signer, der.bits(b""))
    return Bearer(der.pem("CERTIFICATE", whole), key.private)


def extension(identifier: str, value: bytes, *, critical: bool = False) -> bytes:
    """Return an extension (DER) of a content (DER; RFC 5280, 4.1)."""
    mark = [b"\x01\x01\xff"] if critical else []
    return der.sequence(der.oid(identifier), *mark, der.element(der.OCTET_STRING, value))


def _date(moment: datetime) -> bytes:
    return der.element(der.GENERALIZED_TIME if moment.year >= 2050 else der.UTC_TIME, _digits(moment))


def _digits(moment: datetime) -> bytes:
    return moment.strftime("%Y%m%d%H%M%SZ" if moment.year >= 2050 else "%y%m%d%H%M%SZ").encode()
