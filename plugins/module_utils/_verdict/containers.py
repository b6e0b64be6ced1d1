# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files that hold several things: zip, PKCS#7 and PKCS#12."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.der import refuse_costly
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import (
    MAXIMUM_ENTRIES,
    MAXIMUM_SIZE,
    Contents,
    FormError,
    merged,
    printable,
    words,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.keys import not_opened, usable_key
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.x509_parsing import parse_certificate

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LITTER = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")


def from_pkcs7(der: bytes, source: str) -> Contents:
    try:
        found = pkcs7.load_der_pkcs7_certificates(der)
        encoded = [certificate.public_bytes(serialization.Encoding.DER) for certificate in found]
    except DAMAGED as error:
        raise FormError(f"is PKCS#7 that cannot be parsed ({words(error)}).") from None
    return merged(Contents(certificates=(parse_certificate(one, source),)) for one in encoded)


def from_pkcs12(der: bytes, source: str, passphrase: bytes | None) -> Contents:
    refuse_costly(der)
    for attempt in (passphrase,) if passphrase else (None, b""):
        try:
            key, leaf, others = pkcs12.load_key_and_certificates(der, attempt)
            found = [one.public_bytes(serialization.Encoding.DER) for one in (*([leaf] if leaf else []), *others)]
            break
        except DAMAGED:
            continue
    else:
        raise not_opened("PKCS#12", passphrase)
    certificates = merged(Contents(certificates=(parse_certificate(one, source),)) for one in found).certificates
    return Contents(certificates=certificates, keys=(usable_key(key),) if key else ())


def from_zip(data: bytes, read_one: Callable[[bytes], Contents]) -> Contents:
    """Return what the files of a zip hold together. Litter is skipped, and so is what is none of our forms."""
    found: list[tuple[str, Contents]] = []
    faults: list[FormError] = []
    room = MAXIMUM_SIZE
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in _entries(archive):
                with archive.open(entry) as file:
                    content = file.read(room + 1)
                room -= len(content)
                if room < 0:
                    raise FormError(f"is a zip that unpacks to more than {MAXIMUM_SIZE} bytes.")
                try:
                    contents = read_one(content) if content.strip() else Contents()
                except FormError as refused:
                    faults.append(FormError(f"is a zip whose '{printable(entry.filename)}' {refused}", refused.code))
                    continue
                if contents.certificates or contents.keys or contents.crls:
                    found.append((printable(entry.filename), contents))
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        LookupError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise FormError(f"is a zip that cannot be unpacked ({words(error)}).") from None
    except MemoryError:
        raise FormError("is a zip that cannot be unpacked (too large).") from None
    return _together(found, faults)


def _together(found: Sequence[tuple[str, Contents]], faults: Sequence[FormError]) -> Contents:
    """Return what the files of a zip that could be read hold together.

    Raises the fault of one that could not, if nothing was found, or if it may be the key that is missing.
    """
    if not found:
        raise next(
            (fault for fault in faults if "neither PEM" not in str(fault)),
            FormError("is a zip without a certificate, key or CRL in it."),
        )
    all_of_them = merged(contents for _name, contents in found)
    for fault in faults:
        # A key that cannot be read is not to be told as a key that is missing.
        if not all_of_them.keys and (fault.code == "encrypted-key" or "private key" in str(fault)):
            raise fault
    return Contents(
        all_of_them.certificates,
        all_of_them.keys,
        all_of_them.crls,
        all_of_them.others,
        tuple(name for name, _contents in found),
    )


def _entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the zip's files without litter. Nothing is written to disk, yet a name that climbs out tells of malice."""
    entries = []
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
            raise FormError(f"is a zip whose entry '{printable(name)}' climbs out of its folder.")
        base = name.rstrip("/").rpartition("/")[2].lower()
        if entry.is_dir() or name.lower().startswith(_LITTER[0]) or base in _LITTER or base.startswith("._"):
            continue
        if entry.flag_bits & 1:
            raise FormError("is a zip that is protected by a password. Unpack it first.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormError("is a zip that is packed in an uncommon way. Unpack it first.")
        entries.append(entry)
    if len(entries) > MAXIMUM_ENTRIES:
        raise FormError(f"is a zip of {len(entries)} files; at most {MAXIMUM_ENTRIES} are looked at.")
    if sum(entry.file_size for entry in entries) > MAXIMUM_SIZE:
        raise FormError(f"is a zip that unpacks to more than {MAXIMUM_SIZE} bytes.")
    return entries
