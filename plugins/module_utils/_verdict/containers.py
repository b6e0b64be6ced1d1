# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files that hold several things: zip, PKCS#7 and PKCS#12."""

from __future__ import annotations

import hashlib
import hmac
import io
import struct
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import der
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.decryption import not_opened
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import DerError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import (
    MAXIMUM_ENTRIES,
    MAXIMUM_SIZE,
    Contents,
    Form,
    FormError,
    Kind,
    Reading,
    merged,
    or_fault,
    printable,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.keys import usable_key
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.pkcs12_costs import refuse_costly
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.x509_parsing import parse_certificate, parse_crl

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LITTER = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")
# By the number of a digest: its name, and the octets of a block of it (RFC 7292, B.2).
_DIGESTS = {
    "1.2.840.113549.2.5": ("md5", 64),
    "1.3.14.3.2.26": ("sha1", 64),
    "2.16.840.1.101.3.4.2.4": ("sha224", 64),
    "2.16.840.1.101.3.4.2.1": ("sha256", 64),
    "2.16.840.1.101.3.4.2.2": ("sha384", 128),
    "2.16.840.1.101.3.4.2.3": ("sha512", 128),
    "2.16.840.1.101.3.4.2.7": ("sha3_224", 144),
    "2.16.840.1.101.3.4.2.8": ("sha3_256", 136),
    "2.16.840.1.101.3.4.2.9": ("sha3_384", 104),
    "2.16.840.1.101.3.4.2.10": ("sha3_512", 72),
}
_FOR_MAC = 3
MAXIMUM_ROUNDS = 200_000  # of the MAC that are gone through here, to tell a wrong passphrase from another fault


def from_pkcs7(given: bytes, source: str) -> Contents:
    """Return the certificates and CRLs that PKCS#7 carries, each read by itself (RFC 2315, 9.1); raises FormError."""
    try:
        _kind, content = der.first(der.definite(given)).children()[:2]
        carried = [*der.first(content.body).children()]
    except (DerError, ValueError):
        reason = "is PKCS#7 that is cut off or damaged: it is not made as PKCS#7 is."
        raise FormError(reason, form=Form.PKCS7) from None
    # [0] holds the certificates, [1] the CRLs; the signatures behind them are no matter of ours.
    parts = [
        _each(one, lambda raw: Contents(certificates=(parse_certificate(raw, source),)))
        for one in carried
        if one.tag == 0xA0
    ]
    parts += [_each(one, lambda raw: Contents(crls=(parse_crl(raw, source),))) for one in carried if one.tag == 0xA1]
    together = merged([part for several in parts for part in several])
    if together.is_empty() and not together.faults:
        raise FormError("is PKCS#7 without a certificate or CRL in it.", Kind.MISPLACED, Form.PKCS7)
    return or_fault(together)


def _each(several: der.Element, read_one: Callable[[bytes], Contents]) -> list[Contents]:
    """Return what each of the elements in one holds."""
    try:
        return [_or_its_fault(read_one, one.raw) for one in several.children()]
    except DerError as error:
        return [Contents(faults=(FormError(f"is PKCS#7 that is damaged: it {error}.", form=Form.PKCS7),))]


def from_pkcs12(given: bytes, reading: Reading) -> Contents:
    """Return the key and the certificates of a PKCS#12 (RFC 7292), in BER too; raises FormError."""
    passphrase = reading.passphrase
    if not der.is_indefinite(given):
        try:
            given = der.first(given).raw
        except DerError as error:
            reason = f"is PKCS#12 that is cut off or damaged: it {error}."
            raise FormError(reason, form=Form.PKCS12) from None
    refuse_costly(given)
    reading.open_one(Form.PKCS12)
    for attempt in (passphrase,) if passphrase else (None, b""):
        try:
            key, leaf, others = pkcs12.load_key_and_certificates(given, attempt)
            found = [one.public_bytes(serialization.Encoding.DER) for one in (*([leaf] if leaf else []), *others)]
            break
        except DAMAGED:
            continue
    else:
        raise _why_not_opened(given, passphrase)
    read_one = (Contents(certificates=(parse_certificate(one, reading.source),)) for one in found)
    certificates = merged(read_one).certificates
    return Contents(certificates=certificates, keys=(usable_key(key),) if key else ())


def _why_not_opened(given: bytes, passphrase: bytes | None) -> FormError:
    """Return why a PKCS#12 was not opened: its MAC tells whether the passphrase is the right one (RFC 7292, 4)."""
    for attempt in (passphrase,) if passphrase else (b"", None):
        try:
            fits = _mac_fits(given, attempt)
        except (ValueError, LookupError, OverflowError):
            reason = "is PKCS#12 that is damaged, or made in a way that the library here (cryptography) does not know."
            return FormError(reason, Kind.UNKNOWN, Form.PKCS12)
        if fits:
            opened = "the passphrase is right" if passphrase else "it needs no passphrase"
            reason = f"is PKCS#12 that is well ({opened}), and holds what the library here does not know."
            return FormError(reason, Kind.UNKNOWN, Form.PKCS12)
    return not_opened(Form.PKCS12, passphrase)


def _mac_fits(given: bytes, passphrase: bytes | None) -> bool:
    """Return whether the MAC of a PKCS#12 is the one that the passphrase gives; false for one without a MAC."""
    parts = der.first(der.definite(given)).children()
    if len(parts) < 3:
        return False
    safe, mac = parts[1].children(), parts[2].children()
    content = der.first(safe[1].body).body
    (digest, expected), salt = mac[0].children()[:2], mac[1].body
    rounds = int.from_bytes(mac[2].body, "big") if len(mac) > 2 else 1
    if rounds > MAXIMUM_ROUNDS:
        return False
    name, block = _DIGESTS[der.dotted(digest.children()[0].body)]
    text = b"" if passphrase is None else f"{passphrase.decode()}\0".encode("utf-16-be")
    key = _derived(name, block, _repeated(salt, block) + _repeated(text, block), rounds)
    return hmac.compare_digest(hmac.new(key, content, name).digest(), expected.body)


def _derived(name: str, block: int, text: bytes, rounds: int) -> bytes:
    """Return the key of the MAC, which is as long as the digest, so that one round of RFC 7292, B.2 gives it."""
    key = hashlib.new(name, bytes([_FOR_MAC]) * block + text).digest()
    for _round in range(rounds - 1):
        key = hashlib.new(name, key).digest()
    return key


def _repeated(text: bytes, block: int) -> bytes:
    """Return the text again and again, as many whole blocks of it as it takes."""
    length = -(-len(text) // block) * block
    return (text * (length // max(len(text), 1) + 1))[:length]


def from_zip(data: bytes, reading: Reading, read_one: Callable[[bytes], Contents]) -> Contents:
    """Return what the files of a zip hold together; raises FormError.

    Litter is skipped, and so is what is none of our forms. What is, and cannot be read, is among the faults.
    """
    found: list[tuple[str, Contents]] = []
    room = MAXIMUM_SIZE
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in _entries(archive):
                with archive.open(entry) as file:
                    content = file.read(room + 1)
                room -= len(content)
                if room < 0:
                    raise _too_large()
                reading.unpack(len(content))
                name = printable(entry.filename)
                contents = _or_its_fault(read_one, content) if content.strip() else Contents()
                named = tuple(fault.within(name) for fault in contents.faults if fault.kind is not Kind.MISPLACED)
                found.append((name, replace(contents, faults=named)))
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        LookupError,
        OSError,
        RuntimeError,
        ValueError,
        MemoryError,
    ) as error:
        reason = "is a zip that cannot be unpacked: it is damaged, or packed in an uncommon way."
        raise FormError(reason, form=Form.ZIP) from error
    return _together(found)


def _or_its_fault(read_one: Callable[[bytes], Contents], data: bytes) -> Contents:
    """Return what is read, or its fault as the only thing that is there."""
    try:
        return read_one(data)
    except FormError as fault:
        return Contents(faults=(fault,))


def _together(found: Sequence[tuple[str, Contents]]) -> Contents:
    """Return what the files of a zip hold together; raises FormError where none holds anything."""
    together = merged(contents for _name, contents in found)
    if together.is_empty():
        misplaced = FormError("is a zip without a certificate, key or CRL in it.", Kind.MISPLACED, Form.ZIP)
        raise together.faults[0] if together.faults else misplaced
    return replace(together, entries=tuple(name for name, contents in found if contents.certificates or contents.crls))


def _too_large() -> FormError:
    return FormError(f"is a zip that unpacks to more than {MAXIMUM_SIZE} bytes.", form=Form.ZIP)


def _entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the zip's files without litter. Nothing is written to disk, yet a name that climbs out tells of malice."""
    entries = []
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
            raise FormError(f"is a zip whose entry '{printable(name)}' climbs out of its folder.", form=Form.ZIP)
        base = name.rstrip("/").rpartition("/")[2].lower()
        if entry.is_dir() or name.lower().startswith(_LITTER[0]) or base in _LITTER or base.startswith("._"):
            continue
        if entry.flag_bits & 1:
            raise FormError("is a zip that is protected by a password. Unpack it first.", Kind.UNKNOWN, Form.ZIP)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormError("is a zip that is packed in an uncommon way. Unpack it first.", Kind.UNKNOWN, Form.ZIP)
        entries.append(entry)
    if len(entries) > MAXIMUM_ENTRIES:
        raise FormError(f"is a zip of {len(entries)} files; at most {MAXIMUM_ENTRIES} are looked at.", form=Form.ZIP)
    if sum(entry.file_size for entry in entries) > MAXIMUM_SIZE:
        raise _too_large()
    return entries
