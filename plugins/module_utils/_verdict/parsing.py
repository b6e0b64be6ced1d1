# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates, keys and revocation lists out of every form that people hold. The content decides, never the name."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der, trust_settings
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.containers import from_pkcs7, from_pkcs12, from_zip
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import (
    ARCHIVES,
    MAXIMUM_SIZE,
    Contents,
    Form,
    FormError,
    Kind,
    Reading,
    merged,
    or_fault,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.keys import key_of_der, key_of_pem
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.pem import (
    Block,
    blocks,
    decoded,
    from_base64,
    plain_text,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.x509_parsing import parse_certificate, parse_crl

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_JAVA = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}
_LFS = b"version https://git-lfs"
_TRUSTED = "TRUSTED CERTIFICATE"
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", _TRUSTED)
_PKCS7 = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS")
_OTHERS = {
    "CERTIFICATE REQUEST": Form.REQUEST,
    "NEW CERTIFICATE REQUEST": Form.REQUEST,
    "OPENSSH PRIVATE KEY": Form.SSH_KEY,
    "PUBLIC KEY": Form.PUBLIC_KEY,
    "RSA PUBLIC KEY": Form.PUBLIC_KEY,
}
MAXIMUM_FAULTS = 64  # that are kept of one file


def read(data: bytes, source: str, passphrase: bytes | None = None) -> Contents:
    """Return what PEM, DER, PKCS#7, PKCS#12 or a zip of these holds. Messages call it by its source.

    Members that cannot be read are among its faults. Raises FormError for what is empty, too large, none of these, or
    of which nothing can be read.
    """
    if len(data) > MAXIMUM_SIZE:
        raise FormError(f"has {len(data)} bytes; at most {MAXIMUM_SIZE} are read.")
    if not data.strip():
        raise FormError("is empty.", form=Form.NOTHING)
    reading = Reading(source, passphrase)
    with warnings.catch_warnings():
        # Such as a negative serial number. What matters of it becomes a finding.
        warnings.simplefilter("ignore")
        if data.startswith(_ZIP):
            return from_zip(data, reading, lambda content: _inside_a_zip(content, reading))
        return _single(data, reading)


def _inside_a_zip(data: bytes, reading: Reading) -> Contents:
    """Return what a file of a zip holds; also one that is a zip itself, as when a download is packed once more."""
    if data.startswith(_ZIP):
        return from_zip(data, reading, lambda content: _single(content, reading))
    return _single(data, reading)


def _single(data: bytes, reading: Reading) -> Contents:
    if _is_der(data):
        return _from_der(data, reading)
    if data[:4] in _JAVA:
        reason = f"is a Java keystore ({_JAVA[data[:4]]}), which httpd and the library here do not read."
        raise FormError(reason, Kind.UNKNOWN, Form.JAVA_KEYSTORE)
    if data.startswith(_ZIP):
        raise FormError("is a zip in a zip in a zip. Unpack it first.", Kind.UNKNOWN, Form.ZIP)
    for magic, (name, _command) in ARCHIVES.items():
        if data.startswith(magic):
            raise FormError(f"is packed ({name}).", Kind.MISPLACED, Form.PACKED)
    text = plain_text(data)
    members = list(_members(text, reading))
    encoded = None if members else from_base64(text)
    if encoded is not None and _is_der(encoded):
        return _from_der(encoded, reading)
    if encoded is not None:  # PEM in base64 once more, as secrets of Kubernetes are
        members = list(_members(plain_text(encoded), reading))
    if members:
        return or_fault(merged(members))
    raise _no_form(text.lstrip())


def read_store(data: bytes, source: str) -> Contents:
    """Return the certificates of a trust store, of any number. As OpenSSL there, it takes blocks of PEM alone."""
    found: list[Certificate] = []
    faults: list[FormError] = []
    for block in blocks(plain_text(data)):
        if isinstance(block, Block) and block.label in _CERTIFICATES:
            try:
                one = _parse_trusted(block.label, decoded(block.body, Form.CERTIFICATE), source)
                if not trust_settings.is_trusted_for(one.trust_settings, trust_settings.FOR_SERVERS):
                    raise FormError(f"says that '{one.label}' is not trusted for servers.", form=Form.CERTIFICATE)
                found.append(one)
            except FormError as fault:
                faults.append(fault)
    return Contents(certificates=tuple(dict.fromkeys(found)), faults=tuple(faults))


def read_whole_store(data: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a trust store in which all is well, at once; nothing where anything is odd in it."""
    try:
        found = tuple(x509.load_pem_x509_certificates(data))
        # What cryptography leaves unread until it is asked for.
        _read = [(one.subject, one.issuer, one.extensions, one.not_valid_after_utc) for one in found]
    except DAMAGED:
        return ()
    return found if len(found) == data.count(b"-----BEGIN ") else ()


def looked_at(parsed: Iterable[x509.Certificate], source: str) -> tuple[Certificate, ...]:
    """Return what is known of certificates that have been parsed, without those of which something cannot be read."""
    found = []
    for one in parsed:
        try:
            found.append(parse_certificate(one.public_bytes(serialization.Encoding.DER), source))
        except FormError:
            continue
    return tuple(found)


def _no_form(text: bytes) -> FormError:
    """Return the fault of what is none of our forms, by how it begins."""
    if text.startswith(_LFS):
        reason = "is a pointer of Git LFS, not the file itself."
        return FormError(reason, Kind.MISPLACED, Form.LFS_POINTER)
    if text.startswith(b"$ANSIBLE_VAULT"):
        return FormError("is vaulted, and was not decrypted.", Kind.MISPLACED, Form.VAULT)
    if text.startswith(b"PuTTY-User-Key-File"):
        return FormError("is a key of PuTTY.", Kind.MISPLACED, Form.PUTTY_KEY)
    if text.startswith(b"<"):  # A console that wants a login, or a mirror without the file, answers with a page.
        return FormError("is a web page.", Kind.MISPLACED, Form.WEB_PAGE)
    return FormError("is neither PEM, DER, PKCS#7, PKCS#12 nor a zip.", Kind.MISPLACED, Form.TEXT)


def _is_der(data: bytes) -> bool:
    """Whether it begins as DER or BER does. The figure 0 begins a text in the same way."""
    if data[:1] != b"\x30":
        return False
    return data[1:2] >= b"\x80" or der.is_whole(data.rstrip(b"\r\n")) or der.is_whole(data)


def _members(text: bytes, reading: Reading) -> Iterator[Contents]:
    """Yield what each block of PEM holds, or its fault."""
    faults = 0
    for block in blocks(text):
        try:
            if isinstance(block, FormError):
                raise block
            yield _from_block(block, reading)
        except FormError as fault:
            faults += 1
            if faults <= MAXIMUM_FAULTS:
                yield Contents(faults=(fault,))


def _from_block(block: Block, reading: Reading) -> Contents:
    label, body, source = block.label, block.body, reading.source
    if label in _OTHERS:
        return Contents(others=(_OTHERS[label],))
    if label.endswith("PRIVATE KEY"):
        if reading.passphrase:
            reading.open_one(Form.KEY)
        return Contents(keys=(key_of_pem(label, body, reading.passphrase),))
    if label in _CERTIFICATES:
        given = decoded(body, Form.CERTIFICATE)
        try:
            return Contents(certificates=(_parse_trusted(label, given, source),))
        except FormError:
            if not _is_der(given) or _form_of(given) is Form.CERTIFICATE:
                raise
            return _misnamed(label, given, reading)
    if label == "X509 CRL":
        return Contents(crls=(parse_crl(decoded(body, Form.CRL), source),))
    if label in _PKCS7:
        given = decoded(body, Form.PKCS7)
        if _is_der(given) and _form_of(given) not in (Form.PKCS7, Form.KEY):
            return _misnamed(label, given, reading)
        return from_pkcs7(given, source)
    if label == "PKCS12":
        return from_pkcs12(decoded(body, Form.PKCS12), reading)
    return Contents(others=(Form.OTHER,))


def _parse_trusted(label: str, given: bytes, source: str) -> Certificate:
    """Return a certificate, with the trust settings that OpenSSL puts behind one that it calls trusted."""
    one = parse_certificate(given, source)
    if label == _TRUSTED:
        one.trust_settings = trust_settings.behind(given)
    return one


def _misnamed(label: str, given: bytes, reading: Reading) -> Contents:
    """Return what stands in a block under another's name; raises FormError for what is of no use here anyway."""
    form = _form_of(given)
    if form in (Form.CERTIFICATE, Form.PKCS7, Form.PKCS12):
        return _from_der(given, reading)
    raise FormError(f"has a block that is named {label}, and a {form.value} is in it.", Kind.MISPLACED, Form.OTHER)


def _from_der(data: bytes, reading: Reading) -> Contents:
    """Return what DER begins with. What stands behind it is passed over, as OpenSSL does, and said."""
    form, source = _form_of(data), reading.source
    if form is Form.KEY:
        if reading.passphrase:
            reading.open_one(form)
        return Contents(keys=(key_of_der(data, reading.passphrase),))
    if form is Form.PKCS7:
        return from_pkcs7(data, source)
    if form is Form.PKCS12:
        return from_pkcs12(data, reading)
    if form is Form.CRL:
        return Contents(crls=(parse_crl(data, source),), faults=_behind(data, form))
    if form is Form.CERTIFICATE:
        return Contents(certificates=(parse_certificate(data, source),), faults=_behind(data, form))
    return Contents(others=(form,))


def _behind(data: bytes, form: Form) -> tuple[FormError, ...]:
    """Return the fault of what stands behind the first element of DER, if more does than the end of a line."""
    if der.is_indefinite(data):  # whose end is met, not announced
        return ()
    rest = data[len(der.first(data).raw) :].strip(b"\r\n\0\x1a ")
    if not rest:
        return ()
    reason = f"has {len(rest)} bytes behind the first {form.value}, which OpenSSL does not read; PEM may hold several."
    return (FormError(reason, form=form),)


def _form_of(data: bytes) -> Form:
    """Tell forms apart by how each is made (RFC 5280, 2986, 2315, 7292, 5958, 5915, 8017)."""
    head = der.opening(data)
    tags = [one.tag for one in head]
    if tags[:1] == [der.OID]:
        return Form.PKCS7
    if tags[:1] == [der.INTEGER]:
        if head[0].body == b"\x03" and tags[1:2] == [der.SEQUENCE]:
            return Form.PKCS12
        return Form.PUBLIC_KEY if tags == [der.INTEGER, der.INTEGER] else Form.KEY
    if tags == [der.SEQUENCE, der.OCTET_STRING]:
        return Form.KEY
    if tags == [der.SEQUENCE, der.BIT_STRING]:
        return Form.PUBLIC_KEY
    return _form_of_signed(head[0]) if tags[:1] == [der.SEQUENCE] else Form.CERTIFICATE


def _form_of_signed(signed: der.Element) -> Form:
    """Tell certificate, request and CRL apart by what of them is signed."""
    try:
        tags = [one.tag for one in signed.children()]
    except DerError:
        return Form.CERTIFICATE
    if tags[:3] == [der.INTEGER, der.SEQUENCE, der.SEQUENCE] and tags[3:4] in ([], [0xA0]):
        return Form.REQUEST
    if tags[:1] == [der.INTEGER]:
        tags = tags[1:]
    is_crl = (
        tags[:2] == [der.SEQUENCE, der.SEQUENCE] and bool(tags[2:3]) and tags[2] in (der.UTC_TIME, der.GENERALIZED_TIME)
    )
    return Form.CRL if is_crl else Form.CERTIFICATE
