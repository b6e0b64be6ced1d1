# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Material that lies on the host already, such as certbot's: read without trusting others, judged by OpenSSL."""

from __future__ import annotations

import os
import re
import ssl
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, FACTS
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.host_verdict import (
    HostMaterial,
    Member,
    as_fault,
    judge_host_material,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, has_errors
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Sources
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding

MAXIMUM_SIZE = 1 << 20  # bytes
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )*)PRIVATE KEY-----(.*?)-----END \1PRIVATE KEY-----", re.DOTALL)


class SourceError(OperatorError):
    """Material on the host cannot be used. No content of a file is in it."""


def complete_release(release: Release, sources: Sources, warn_days: int) -> tuple[Release, tuple[Finding, ...]]:
    """Return the release with the material in it, and what its facts say of that; and the verdict's warnings.

    C(warn_days): how long before its end a certificate is warned of. Raises SourceError with the verdict's errors.
    """
    facts = release.facts
    given = [(sources.certificate, each) for each in _certificates(sources.certificate)]
    given += [(sources.chain, each) for each in _certificates(sources.chain)] if sources.chain else []
    leaf, *others = [each for _path, each in given]
    # A root that is sent is bytes for nothing, and one sent twice is an error (RFC 8446, section 4.4.2).
    sent = list(dict.fromkeys([leaf, *(each for each in others if not _self_issued(each))]))
    certificate, private_key = b"".join(sent), _private_key(sources.private_key)
    client_cas = [(path, each) for path in sources.client_ca for each in _pinned(path, sources)]
    findings = judge_host_material(
        HostMaterial(
            names=(facts.domain, *facts.aliases),
            server=_members(given),
            key=private_key,
            key_source=sources.private_key,
            client_cas=_members(client_cas),
        ),
        warn_days,
    )
    if has_errors(findings):
        raise SourceError(*(as_fault(each, facts.domain) for each in findings if each.severity == ERROR))
    files = {**release.public, f"{facts.domain}.crt": certificate}
    if client_cas:
        files[CLIENT_CA] = b"".join(each for _path, each in client_cas)
    told = [wire.read_certificate(_der(each)) for each in (*sent, *_CERTIFICATE.findall(files[CLIENT_CA]))]
    subjects = {wire.rfc4514(each.subject) for each in told[len(sent) :]}
    facts = replace(
        facts,
        certificate_sha256=wire.sha256(_der(leaf)),
        client_ca_names=tuple(sorted(subjects)),
        begins=max(each.not_before for each in told),
        ends=min(each.not_after for each in told),
    )
    return Release(release.domain, {**files, FACTS: facts.content}, private_key), findings


def _members(given: Sequence[tuple[str, bytes]]) -> tuple[Member, ...]:
    """Return the certificates (PEM), each with the path of its file; one that is there twice, once."""
    found: dict[bytes, str] = {}
    for path, each in given:
        found.setdefault(_der(each), path)
    return tuple(Member(path, certificate) for certificate, path in found.items())


def _certificates(path: str) -> list[bytes]:
    """Return the certificates of a file, each as PEM with LF and no text around it."""
    found = _CERTIFICATE.findall(_read(path))
    if not found:
        raise SourceError(Fault("unusable-source", "", f"{path} holds no PEM certificate", "give one that does"))
    try:
        for each in found:
            wire.read_certificate(_der(each))
        return [ssl.DER_cert_to_PEM_cert(_der(each)).encode() for each in found]
    except ValueError:  # UnicodeError and binascii.Error among them
        words = f"{path} holds a certificate that is damaged"
        raise SourceError(Fault("unusable-source", "", words, "put a good one there")) from None


def _pinned(path: str, sources: Sources) -> list[bytes]:
    """Return the client CAs of a file, each of which must have one of the pinned fingerprints, if any are."""
    found = _certificates(path)
    if sources.client_ca_sha256 and not {wire.sha256(_der(each)) for each in found} <= set(sources.client_ca_sha256):
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


def _der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))


def _self_issued(pem: bytes) -> bool:
    told = wire.read_certificate(_der(pem))
    return told.subject == told.issuer


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
