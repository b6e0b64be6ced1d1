# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a caller that a log tells of would be let in by a release: by names, and by serial numbers, alone.

What these do not tell counts as let in: a caller by way of an intermediate, a pin of an alternative name, a client CA
of the same name with another key. So nobody is named who would get in.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, PINNED, SITE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import Caller
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END ")
_DEPTH = re.compile(rb"(?im)^\s*SSLVerifyDepth\s+\"?(\d{1,9})")
# An attribute of a name as httpd writes it (RFC 4514), with what is escaped in it.
_PART = re.compile(r"(?:[^,\\]|\\.)+", re.DOTALL)
_SUBJECT = "subject:"
_ALTERNATIVE = ("dns:", "email:")


@dataclass(frozen=True)
class EntryRules:
    """What decides who gets into a site, of a release.

    subjects: those that are pinned. certificates: the serial numbers of those that are. any_name: alternative names are
    pinned too, which no log tells. is_pinned: there are pins. authorities: the names of the client CAs, compared by
    `name_key`. depth: of SSLVerifyDepth, None where the text does not say it. revoked: serial numbers.
    """

    subjects: frozenset[str]
    certificates: frozenset[int]
    any_name: bool
    is_pinned: bool
    authorities: frozenset[tuple[str, ...]]
    depth: int | None
    revoked: frozenset[int]

    def refuse(self, caller: Caller) -> str:
        """Return why a caller would not get in, by the option that refuses it; empty where it would, or may."""
        issuer = None if caller.issuer is None else name_key(caller.issuer)
        serial = int(caller.serial, 16) if re.fullmatch("[0-9A-Fa-f]{1,80}", caller.serial) else -1
        if serial in self.revoked:
            return "crl"
        is_listed = self.any_name or caller.subject in self.subjects or serial in self.certificates
        if self.is_pinned and not is_listed:
            return "allowed_clients"
        if self.depth is not None and self.depth < 2 and issuer is not None and issuer not in self.authorities:
            return "verify_depth"
        return ""

    def find_near(self, subject: str) -> str:
        """Return the pinned subject that has the same parts in another order, or written otherwise; empty for none."""
        return next((each for each in sorted(self.subjects) if name_key(each) == name_key(subject)), "")


def rules_of(facts: SiteFacts, files: Mapping[str, bytes]) -> EntryRules:
    """Return the rules of a release, of its facts and its public files by name. Raises ValueError for damaged ones."""
    subjects = {pin[len(_SUBJECT) :] for pin in facts.pins if pin.startswith(_SUBJECT)}
    pinned = (files.get(pin[len(PINNED) :], b"") for pin in facts.pins if pin.startswith(PINNED))
    lists = _blocks(files.get(CRL, b"")) if facts.crl_check != "none" else ()
    depths = [int(each) for each in _DEPTH.findall(files.get(SITE, b""))]
    return EntryRules(
        subjects=frozenset(subjects),
        certificates=frozenset(wire.read_serial(each) for pem in pinned for each in _blocks(pem)),
        any_name=any(pin.startswith(_ALTERNATIVE) for pin in facts.pins),
        is_pinned=bool(facts.pins),
        authorities=frozenset(map(name_key, facts.client_ca_names)),
        depth=max(depths, default=None),
        revoked=frozenset(serial for each in lists for serial in wire.read_revoked(each)),
    )


def are_alike(one: SiteFacts, files: Mapping[str, bytes], other: SiteFacts, others: Mapping[str, bytes]) -> bool:
    """Return whether two releases let the same clients in, as far as anything here looks at."""
    names = (CLIENT_CA, CRL, *one.pinned_files.values(), *other.pinned_files.values())
    return (
        (one.pins, one.crl_check) == (other.pins, other.crl_check)
        and all(files.get(name) == others.get(name) for name in names)
        and _DEPTH.findall(files.get(SITE, b"")) == _DEPTH.findall(others.get(SITE, b""))
    )


def find_locking_out(before: EntryRules, after: EntryRules, caller: Caller) -> str:
    """Return which option would lock a caller out that gets in now; empty where it would get in, or does not now."""
    if before.refuse(caller):
        return ""
    refused = after.refuse(caller)
    if refused:
        return refused
    if caller.issuer is not None:
        issuer = name_key(caller.issuer)
        gone = issuer in before.authorities and issuer not in after.authorities
    else:  # Of a line from before the log told the issuer.
        gone = len(before.authorities) == 1 and not before.authorities & after.authorities
    return "client_ca" if gone and after.authorities else ""


def name_key(name: str) -> tuple[str, ...]:
    """Return by what two names are compared whose writers have other words for kinds of attributes, or another order.

    OpenSSL writes emailAddress where others write 1.2.840.113549.1.9.1.
    """
    values = (part.partition("=")[2] for part in _PART.findall(name.replace("+", ",")))
    return tuple(sorted(re.sub(r"\s+", " ", value.replace("\\", "")).strip().casefold() for value in values))


def _blocks(pem: bytes) -> Iterator[bytes]:
    for _kind, block in _BLOCK.findall(pem):
        yield base64.b64decode(block)
