# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Material that lies on the host already, such as certbot's: read without trusting others, judged by OpenSSL."""

from __future__ import annotations

import base64
import os
import re
import stat
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, FACTS
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release, list_blocks
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_certificates import (
    HostMaterial,
    Listed,
    Member,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_verdict import as_fault, judge_host_material
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import trust_settings
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, has_errors
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.public_roots import default_store
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Sources
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding

MAXIMUM_SIZE = 1 << 20  # bytes
# To the next line of hyphens at most, as a file may have very many beginnings and no end.
_BODY = rb"([^-]*(?:-(?!----)[^-]*)*)"
_CERTIFICATE = re.compile(
    rb"-----BEGIN ((?:X509 |TRUSTED )?)CERTIFICATE-----" + _BODY + rb"-----END \1CERTIFICATE-----"
)
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )*)PRIVATE KEY-----" + _BODY + rb"-----END \1PRIVATE KEY-----")


class SourceError(OperatorError):
    """Material on the host cannot be used. No content of a file is in it."""


def complete_release(
    release: Release, sources: Sources, warn_days: int, *, alone: bool = False
) -> tuple[Release, tuple[Finding, ...]]:
    """Return the release with the material in it, and what its facts say of that; and the verdict's warnings.

    C(warn_days): how long before its end a certificate is warned of. What came from the controller is judged too, as
    clocks go on; what only is to be warned of there, the controller has said, unless the host does this C(alone).
    Raises SourceError with the verdict's errors.
    """
    facts = release.facts
    paths = filter(None, (sources.certificate, sources.chain))
    # One that is sent twice is an error (RFC 8446, section 4.4.2).
    server = _once([each for path in paths for each in read_certificates(path)])
    private_key = _private_key(sources.private_key)
    given = [each for path in sources.client_ca for each in _pinned(path, sources)]
    files = dict(release.public)
    if given:
        files[CLIENT_CA] = b"".join(each.pem for each in given)
    client_cas = _once(given) or tuple(Member(CLIENT_CA, each) for each in list_blocks(files[CLIENT_CA], "CERTIFICATE"))
    crls = tuple(Listed(CRL, each) for each in list_blocks(files.get(CRL, b""), "X509 CRL"))
    material = HostMaterial(
        names=(facts.domain, *facts.aliases),
        server=server,
        key=private_key,
        key_source=sources.private_key,
        client_cas=client_cas,
        crls=crls if facts.crl_check != "none" else (),
        whole=facts.crl_check != "leaf",
        issued_by=sources.issued_by,
        stapled=facts.stapling,
        # Who pins a root asks for it, and those that came from the controller were looked for there.
        public=default_store() if given and not sources.client_ca_sha256 else None,
        anchors=tuple(
            Member("trust_anchors", each) for each in list_blocks(sources.trust_anchors.encode(), "CERTIFICATE")
        ),
        # Nobody says when the program runs again.
        list_warning=timedelta(days=warn_days if alone else 0),
    )
    verdict = judge_host_material(material, warn_days)
    if has_errors(verdict.findings):
        raise SourceError(*(as_fault(each, facts.domain) for each in verdict.findings if each.severity == ERROR))
    files[f"{facts.domain}.crt"] = b"".join(each.pem for each in verdict.sent)
    now = datetime.now(timezone.utc)
    # Where the verdict has no error, one that is not of its time has another beside it.
    told = [each.told for each in (*verdict.sent, *client_cas) if each.span.holds(now)]
    ends = [each.told.next_update for each in crls if each.told.next_update and each.span.holds(now)]
    facts = replace(
        facts,
        certificate_sha256=wire.sha256(server[0].certificate),
        client_ca_names=tuple(sorted({wire.rfc4514(each.told.subject) for each in client_cas})),
        begins=max((each.not_before for each in told), default=server[0].told.not_before),
        ends=min((each.not_after for each in told), default=server[0].told.not_after),
        crl_ends=min(ends, default=facts.crl_ends),
    )
    of_controller = () if alone else (CLIENT_CA, CRL)
    new = tuple(each for each in verdict.findings if each.subject not in of_controller)
    return Release(release.domain, {**files, FACTS: facts.content}, private_key), new


def _once(given: Sequence[Member]) -> tuple[Member, ...]:
    """Return the certificates without those that are there before, under another path or the same."""
    found: dict[bytes, Member] = {}
    for each in given:
        found.setdefault(each.certificate, each)
    return tuple(found.values())


def read_certificates(path: str) -> list[Member]:
    """Return the certificates of a file. Raises SourceError where it cannot be used."""
    return [one for one, _settings in _read_with_settings(path)]


def _read_with_settings(path: str) -> list[tuple[Member, bytes]]:
    """Return the certificates of a file, each with the trust settings that OpenSSL put behind it."""
    found = _CERTIFICATE.findall(_read(path))
    if not found:
        raise SourceError(Fault("unusable-source", "", f"{path} holds no PEM certificate", "give one that does"))
    try:
        return [_member(path, base64.b64decode(body), trusted=bool(label)) for label, body in found]
    except ValueError:  # binascii.Error among them
        words = f"{path} holds a certificate that is damaged"
        raise SourceError(Fault("unusable-source", "", words, "put a good one there")) from None


def _member(path: str, whole: bytes, *, trusted: bool) -> tuple[Member, bytes]:
    settings = trust_settings.behind(whole) if trusted else b""
    return Member.read(path, whole.removesuffix(settings) if settings else whole), settings


def _pinned(path: str, sources: Sources) -> list[Member]:
    """Return the client CAs of a file, each of which must have one of the pinned fingerprints, if any are."""
    given = _read_with_settings(path)
    for one, settings in given:
        if not trust_settings.is_trusted_for(settings, trust_settings.FOR_CLIENTS):
            words = f"{path} holds '{one.label}' with trust settings by which OpenSSL does not trust it for clients"
            raise SourceError(Fault("unusable-source", "", words, "give another, or the same without the settings"))
    found = [one for one, _settings in given]
    pins = set(sources.client_ca_sha256)
    if pins and not {wire.sha256(each.certificate) for each in found} <= pins:
        words = f"{path} holds another client CA than 'client_ca_sha256' pins"
        raise SourceError(Fault("wrong-client-ca-pin", "", words, "see where it came from"))
    return found


def _private_key(path: str) -> Secret:
    """Return the one private key of a file."""
    found = list(_KEY.finditer(_read(path)))
    if len(found) != 1:
        words = f"{path} holds {len(found) or 'no'} PEM private key{'s' * (len(found) > 1)}"
        raise SourceError(Fault("unusable-source", "", words, "one is wanted"))
    if b"ENCRYPTED" in found[0].group(1) + found[0].group(2):
        words = f"{path}: the private key has a passphrase, for which httpd could not ask"
        raise SourceError(Fault("unusable-source", "", words, "decrypt it"))
    return Secret(found[0].group().replace(b"\r\n", b"\n") + b"\n")


# -- reading


def _read(path: str) -> bytes:
    """Return the bytes of a file that none but the server's user, or root, could have put there. Raises SourceError.

    Links are followed where the same holds of them, as of certbot's own: what is copied is the file they lead to.
    """
    try:
        found = trusted_paths.follow_path(path)
        handle = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(Fault("unusable-source", "", f"{path} is no plain file", "name the file itself"))
            trusted_paths.refuse_unsafe(found, status)
            content = stream.read(MAXIMUM_SIZE + 1)
    except trusted_paths.Untrusted as reason:
        hint = ". With remote_src, absolute paths are the host's"
        raise SourceError(*(_add_hint(each, hint) for each in reason.faults)) from None
    except OSError as error:
        words = f"{path} cannot be read on this host: {error.strerror}"
        raise SourceError(Fault("unusable-source", "", words, "")) from None
    if len(content) > MAXIMUM_SIZE:
        words = f"{path} has more than {MAXIMUM_SIZE} bytes"
        raise SourceError(Fault("unusable-source", "", words, "it cannot be what it should be"))
    return content


def _add_hint(fault: Fault, hint: str) -> Fault:
    """The fault with a hint at its end."""
    return replace(fault, remedy=fault.remedy + hint) if fault.remedy else replace(fault, message=fault.message + hint)
