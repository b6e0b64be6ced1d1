# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What many sets of material share, looked at once: the moment, files that all name, and trust anchors."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._twin.twins import Parts, comparable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import certification_path
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Contents, FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.handshakes import Handshakes
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import (
    looked_at,
    read,
    read_store,
    read_whole_store,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.public_roots import (
    contents,
    default_store,
    key_content,
)

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from cryptography import x509
    from cryptography.x509 import verification

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.handshakes import Entry
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material


@dataclass(frozen=True)
class Anchors:
    """What a path may end at, and what messages call it."""

    certificates: tuple[x509.Certificate, ...]
    store: verification.Store | None  # of the certificates; None if there are none
    name: str
    known: tuple[Certificate, ...] = ()  # the same, where they have been looked at
    unread: int = 0  # certificates that it holds besides, and that cannot be read

    @functools.cached_property
    def members(self) -> tuple[Certificate, ...]:
        """Each certificate with what is known of it; of a large store, worked out where it is needed alone."""
        return self.known or looked_at(self.certificates, self.name)

    @functools.cached_property
    def _given(self) -> dict[x509.Certificate, Certificate]:
        """The certificates that were looked at already, by their parsed form."""
        return {one.parsed: one for one in self.known}

    @functools.cached_property
    def _by_name(self) -> dict[object, list[tuple[object, x509.Certificate]]]:
        """By subject: each certificate, and the name of its issuer; names as OpenSSL compares them."""
        found: dict[object, list[tuple[object, x509.Certificate]]] = {}
        for one in self.certificates:
            with contextlib.suppress(ValueError):
                known = self._given.get(one)
                parts = Parts.of(known.der if known else one.public_bytes(serialization.Encoding.DER))
                found.setdefault(comparable(parts.subject), []).append((comparable(parts.issuer), one))
        return found

    def above(self, certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
        """Return the anchors that the certificates may lead to by the names of their issuers."""
        names = tuple(one.issuer_compared for one in certificates)
        if names not in self._above:
            wanted = list(names)
            found: dict[x509.Certificate, None] = {}
            for name in wanted:  # which grows
                for issuer, one in self._by_name.get(name, ()):
                    if one not in found:
                        found[one] = None
                        wanted.append(issuer)
            self._above[names] = tuple(self._given.get(one) or Certificate(one, self.name) for one in found)
        return self._above[names]

    @functools.cached_property
    def _above(self) -> dict[tuple[object, ...], tuple[Certificate, ...]]:
        return {}


class Shared:
    """What many sets of material share, each thing looked at once.

    Private keys, and what may hold them, are never given to it. So it keeps nothing that is secret.
    """

    def __init__(self, at: datetime, warn: timedelta, default_anchors: Material | None) -> None:
        self.at = at
        self.warn = warn
        # By the client CAs' material and their pins: what it holds, and what is to be said of it.
        self.client_cas: dict[object, tuple[tuple[Certificate, ...], tuple[Finding, ...]]] = {}
        self.handshakes = Handshakes(at)
        # By client CAs and lists: whether a client of each is let in, and why not; None where none can be tried.
        self.let_in: dict[object, list[Entry] | None] = {}
        self._default = default_anchors
        self._contents: dict[Material, Contents | FormError] = {}
        self._anchors: dict[object, Anchors] = {}
        self._descriptions: dict[tuple[Certificate, str], dict[str, Any]] = {}

    @property
    def default(self) -> Material:
        """The store that a public path ends at where no anchors are given."""
        return self._default or default_store()

    def read(self, material: Material) -> Contents:
        """Return what the material holds; raises FormError if it cannot be taken."""
        if material not in self._contents:
            try:
                self._contents[material] = read(material.data, material.name)
            except FormError as fault:
                self._contents[material] = fault
        found = self._contents[material]
        if isinstance(found, FormError):
            raise found
        return found

    def anchors(self, certificates: Sequence[Certificate], name: str) -> Anchors:
        """Return the certificates as anchors; the same object, with its first name, for the same certificates."""
        key = tuple(certificates)
        if key not in self._anchors:
            parsed = tuple(one.parsed for one in key)
            self._anchors[key] = Anchors(parsed, certification_path.store(parsed), name, key)
        return self._anchors[key]

    @functools.cached_property
    def default_anchors(self) -> Anchors:
        """The default store, parsed."""
        name = self.default.name
        if whole := read_whole_store(self.default.data):
            return Anchors(whole, certification_path.store(whole), name)
        found = read_store(self.default.data, name)
        parsed = tuple(one.parsed for one in found.certificates)
        return Anchors(parsed, certification_path.store(parsed), name, found.certificates, len(found.faults))

    @functools.cached_property
    def _default_bytes(self) -> bytes:
        """What all blocks of the default store hold."""
        return contents(self.default.data)

    def is_public(self, one: Certificate) -> bool:
        """Return whether the key of a CA is that of a root in the default store."""
        return key_content(one.fields.public) in self._default_bytes

    def description(self, one: Certificate, use: str) -> dict[str, Any]:
        """Return the documented fields of the certificate; a server's is not kept, as each set has its own."""
        if use == "server":
            return one.description(self.at, use)
        if (one, use) not in self._descriptions:
            self._descriptions[one, use] = one.description(self.at, use)
        return self._descriptions[one, use]
