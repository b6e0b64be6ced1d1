# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a change makes of a site, in the words of who deploys: dates, keys, client CAs, who may call, what is open."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, plain
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import key_file, list_blocks
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

_SHOWN = 8  # digits of a fingerprint that tell one CA from another
_MOST = 5  # names in a list
_DAY = 10  # characters of a moment that tell the day


@dataclass(frozen=True)
class State:
    """A site as it is, or is to be: what its release says of it, and the files that are told of."""

    facts: SiteFacts
    files: Mapping[str, bytes] = field(repr=False)
    private_key: Secret = field(repr=False)

    @classmethod
    def of_release(cls, release: Release) -> State:
        """The site as a release has it."""
        return cls(release.facts, release.public, release.private_key or Secret(b""))

    @classmethod
    def on_disk(cls, store: Store, facts: SiteFacts) -> State:
        """The site as its current release has it, whose facts these are."""

        def content(name: str) -> bytes:
            return commands.read(store.path(facts.domain, "current", name)).encode(errors="surrogateescape")

        names = (f"{facts.domain}.crt", CLIENT_CA, CRL, SITE)
        return cls(facts, {name: content(name) for name in names}, Secret(content(key_file(facts.domain))))

    def first_end(self, name: str) -> str:
        """When the first certificate of a file ends; empty where that is not known."""
        with suppress(ValueError, IndexError):
            return wire.read_certificate(_members(self.files.get(name, b""))[0]).not_after
        return ""


def describe_changes(before: State | None, after: State | None) -> tuple[str, ...]:
    """What is other than before, each in a few words. None: there is no such site."""
    if before is None or after is None:
        return ("taken away",) if after is None else ("new", *_describe_new(after))
    found = tuple(map(plain, _compare(before, after)))
    if found:
        return found
    return ("its virtual host",) if before.files.get(SITE) != after.files.get(SITE) else ("what it is made of",)


def find_older(before: State, after: State) -> list[Fault]:
    """What of a change is older than what is served: begun before it, and to end before it, as in an old checkout."""
    domain = after.facts.domain
    found = []
    for name, what in ((f"{domain}.crt", "certificate"), (CLIENT_CA, "client CA")):
        old, new = (_last(each.files.get(name, b""), leaf=name != CLIENT_CA) for each in (before, after))
        if old and new and new.not_before < old.not_before and new.not_after < old.not_after:
            ends, served = _tell_apart(new.not_after, old.not_after)
            words = f"{domain}: its {what} is older than the one that is served now: it ends on {ends}, "
            words += f"and that on {served}"
            found.append(Fault("older-material", domain, words, "see whether it comes from an old checkout"))
    return found


def _last(pem: bytes, *, leaf: bool) -> wire.BareCertificate | None:
    """The first certificate of a file, or of a file of CAs the last to end; None where none can be read."""
    read = []
    for one in _members(pem):
        with suppress(ValueError):
            read.append(wire.read_certificate(one))
    return next(iter(read if leaf else sorted(read, key=lambda each: each.not_after, reverse=True)), None)


def _describe_new(after: State) -> Iterator[str]:
    end = after.first_end(f"{after.facts.domain}.crt")
    if end:
        yield f"certificate until {end[:_DAY]}"


def _compare(before: State, after: State) -> Iterator[str]:
    old, new = before.facts, after.facts
    name = f"{new.domain}.crt"
    if old.certificate_sha256 != new.certificate_sha256:
        same = before.private_key.reveal() == after.private_key.reveal()
        ends, then = _tell_apart(before.first_end(name), after.first_end(name))
        yield f"certificate {ends or 'another'} -> {then or 'another'} ({'the same' if same else 'new'} key)"
    elif before.files.get(name) != after.files.get(name):
        yield "the chain that is sent with its certificate"
    yield from _compare_client_cas(before, after)
    if before.files.get(CRL) != after.files.get(CRL) and new.crl_check != "none":
        yield f"CRL until {new.crl_ends[:10]}" if new.crl_ends else "CRL"
    if old.crl_check != new.crl_check:
        yield f"revocation lists are asked: {new.crl_check}"
    if old.pins != new.pins:
        yield f"may call now: {_some(_tell_pin(pin) for pin in new.pins) or 'any client of the client CA'}"
    if old.open_paths != new.open_paths:
        yield f"open without a certificate now: {_some(new.open_paths) or 'nothing'}"
    if old.protected_paths != new.protected_paths:
        yield f"protected now: {_some(new.protected_paths) or 'all'}"
    for what in ("port", "verify_client"):
        if getattr(old, what) != getattr(new, what):
            yield f"{what} {getattr(old, what)} -> {getattr(new, what)}"
    for what in ("listen", "aliases", "versions"):
        if getattr(old, what) != getattr(new, what):
            yield f"{what} now: {_some(getattr(new, what)) or 'none'}"


def _compare_client_cas(before: State, after: State) -> Iterator[str]:
    old, new = ([wire.sha256(one) for one in _members(each.files.get(CLIENT_CA, b""))] for each in (before, after))
    signs = [f"+ {_tell_fingerprint(one)}" for one in new if one not in old]
    signs += [f"- {_tell_fingerprint(one)}" for one in old if one not in new]
    if signs:
        yield f"client CA {', '.join(signs)}"


def _members(pem: bytes) -> list[bytes]:
    """The certificates of a file, as DER; none where it is damaged."""
    with suppress(ValueError):
        return list_blocks(pem, "CERTIFICATE")
    return []


def _tell_fingerprint(sha256: str) -> str:
    """The beginning of a fingerprint, as `openssl x509 -fingerprint` writes it."""
    return ":".join(re.findall("..", sha256[:_SHOWN].upper())) + ":…"


def _tell_pin(pin: str) -> str:
    return pin.partition(":")[2]


def _tell_apart(one: str, other: str) -> tuple[str, str]:
    """Two moments by their days; to the second where both are of one day."""
    same_day = one[:_DAY] == other[:_DAY]
    return (one, other) if same_day and one != other else (one[:_DAY], other[:_DAY])


def _some(names: Iterator[str] | tuple[str, ...]) -> str:
    """Names in one line, and how many there are more."""
    every = list(names)
    more = f" and {len(every) - _MOST} more" if len(every) > _MOST else ""
    return f"{', '.join(every[:_MOST])}{more}"
