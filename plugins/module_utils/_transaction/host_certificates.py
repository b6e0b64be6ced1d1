# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates and lists that lie on a host, read by the standard library alone, and what is judged together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import plain
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der
from ansible_collections.mtls.httpd.plugins.module_utils._twin.signers import is_signed
from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Parts, comparable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.validity import Span

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_BASIC_CONSTRAINTS, _NAMES, _KEY_USAGE, _PURPOSES, _AUTHORITY_KEY = (f"2.5.29.{one}" for one in (19, 17, 15, 37, 35))
_TRUE = b"\x01\x01\xff"
_FEATURES, _STATUS_REQUEST = "1.3.6.1.5.5.7.1.24", 5  # RFC 7633, and RFC 6066, 8
DIGITAL_SIGNATURE, KEY_CERT_SIGN, CRL_SIGN = 0, 5, 6  # bits of the key usage (RFC 5280, 4.2.1.3)
_DNS_NAME, _KEY_IDENTIFIER = 0x82, 0x80  # RFC 5280, 4.2.1.6 and 4.2.1.1


@dataclass(frozen=True)
class Member:
    """One certificate (DER) of a file on the host."""

    source: str = field(compare=False)  # the path of the file, or the option
    certificate: bytes = field(repr=False)

    @classmethod
    def read(cls, source: str, certificate: bytes) -> Member:
        """Return the certificate; raises ValueError for what is none that can be judged."""
        found = cls(source, certificate)
        _read_once = found.span, found.version, found.serial
        return found

    @property
    def pem(self) -> bytes:
        """It as PEM, with LF and no text around it."""
        return der.pem("CERTIFICATE", self.certificate)

    @property
    def told(self) -> wire.BareCertificate:
        """What it says of itself."""
        return wire.read_certificate(self.certificate)

    @property
    def label(self) -> str:
        """Its subject, for people."""
        return plain(wire.rfc4514(self.told.subject))

    @property
    def parts(self) -> Parts:
        """It taken apart."""
        return Parts.of(self.certificate)

    @property
    def span(self) -> Span:
        """From when to when it is valid."""
        return Span(self.label, self.source, _moment(self.told.not_before), _moment(self.told.not_after))

    @property
    def version(self) -> int:
        """Its version: 1 where it names none (RFC 5280, 4.1.2.1)."""
        named = self.parts.head[:-1]
        return der.number(der.children(named[0])[0]) + 1 if named else 1

    @property
    def serial(self) -> int:
        """Its serial number."""
        return der.number(self.parts.head[-1])

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same."""
        return comparable(self.told.subject) == comparable(self.told.issuer)

    @property
    def is_root(self) -> bool:
        """Whether it signed itself, as far as that is known. A CA's certificate for its next key did not."""
        if not self.is_self_issued:
            return False
        own = self.parts.key_identifier
        named = [der.content(one) for one in self._elements(_AUTHORITY_KEY) if one[0] == _KEY_IDENTIFIER]
        return not (own and named and own != named[0]) and is_signed(self.certificate, self.certificate) is not False

    @property
    def says_ca(self) -> bool:
        """Whether its basic constraints say that it is a CA."""
        return self.parts.extension(_BASIC_CONSTRAINTS)[2:5] == _TRUE

    @property
    def may_issue(self) -> bool:
        """Whether OpenSSL takes it for a CA (X509_check_ca): also a self-signed one of version 1."""
        if not self.is_used_for(KEY_CERT_SIGN, otherwise=True):
            return False
        if self.parts.extension(_BASIC_CONSTRAINTS):
            return self.says_ca
        return bool(self.parts.extension(_KEY_USAGE)) or (self.version == 1 and self.is_self_issued)

    @property
    def names(self) -> list[str]:
        """The DNS names among its subject alternative names, in lower case."""
        found = self._elements(_NAMES)
        return [der.content(one).decode("latin-1").lower() for one in found if one[0] == _DNS_NAME]

    @property
    def is_for_lists(self) -> bool:
        """Whether its key usage is for lists, and not for certificates."""
        return self.is_used_for(CRL_SIGN, otherwise=False) and not self.is_used_for(KEY_CERT_SIGN, otherwise=True)

    @property
    def has_alternative_names(self) -> bool:
        """Whether it has subject alternative names, of whatever kind."""
        return bool(self.parts.extension(_NAMES))

    @property
    def demands_stapling(self) -> bool:
        """Whether stapled OCSP answers must come with it (RFC 7633)."""
        return der.integer(_STATUS_REQUEST) in self._elements(_FEATURES)

    def is_used_for(self, bit: int, *, otherwise: bool) -> bool:
        """Return whether a bit of its key usage is set (RFC 5280, 4.2.1.3); something else where it has none."""
        usage = self.parts.extension(_KEY_USAGE)
        # The head of the bits, and how many of them are of no account, go before.
        return bool(int.from_bytes(usage[3:5].ljust(2, b"\0"), "big") & 0x8000 >> bit) if usage else otherwise

    def is_for(self, purpose: str) -> bool:
        """Return whether its extended key usage names a purpose, or it has none (RFC 5280, 4.2.1.12)."""
        return not self.parts.extension(_PURPOSES) or der.oid(purpose) in self._elements(_PURPOSES)

    def _elements(self, identifier: str) -> list[bytes]:
        """Return the elements of an extension; none where it has none, or such as cannot be read."""
        whole = self.parts.extension(identifier)
        try:
            return der.children(whole) if whole else []
        except ValueError:
            return []


@dataclass(frozen=True)
class Listed:
    """One revocation list (DER) of a file."""

    source: str
    content: bytes = field(repr=False)

    @property
    def algorithm(self) -> bytes:
        """The algorithm of its signature (DER)."""
        return der.children(self.content)[1]

    @property
    def told(self) -> wire.BareList:
        """What it says of itself."""
        return wire.read_list(self.content)

    @property
    def span(self) -> Span:
        """From when to when it is valid, as of its issuer."""
        told = self.told
        end = _moment(told.next_update) if told.next_update else None
        return Span(plain(wire.rfc4514(told.issuer)), self.source, _moment(told.this_update), end)


@dataclass(frozen=True)
class HostMaterial:
    """What a site takes from its host, and what of the controller's is deployed with it.

    names: those that the site is asked for by. server: the server's certificate, and behind it the others of its files.
    key: the server's, which lies in the file key_source. crls: those of the client CAs, asked about the `whole` path
    of a client or about its own certificate alone. list_warning: how long before its end a list is warned of even where
    more than a fifth of its time is left. anchors: what the server's path must end at, where that is known. issued_by:
    public, or chat. stapled: whether OCSP answers are sent along. public: roots that no client CA may be one of.
    """

    names: tuple[str, ...]
    server: tuple[Member, ...]
    key: Secret
    key_source: str
    client_cas: tuple[Member, ...] = ()
    crls: tuple[Listed, ...] = ()
    whole: bool = True
    list_warning: timedelta = timedelta(0)
    anchors: tuple[Member, ...] = ()
    issued_by: str = "public"
    stapled: bool = False
    public: Material | None = None


def _moment(text: str) -> datetime:
    # A year 0, which DER can write and Python has not, is as long ago as any.
    return datetime.strptime(max(text, "0001-01-01T00:00:00Z"), _MOMENT).replace(tzinfo=timezone.utc)
