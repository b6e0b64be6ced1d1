# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What material holds, how much of it is looked at, and why it cannot be taken."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate, RevocationList

    PrivateKey = Union[
        rsa.RSAPrivateKey,
        ec.EllipticCurvePrivateKey,
        ed25519.Ed25519PrivateKey,
        ed448.Ed448PrivateKey,
        dsa.DSAPrivateKey,
    ]

MAXIMUM_SIZE = 1024 * 1024  # bytes of one file, and of all that a zip unpacks to
MAXIMUM_ENTRIES = 64  # files in a zip
MAXIMUM_CERTIFICATES = 512  # in one file; a whole trust store has some 150
MAXIMUM_OPENED = 16  # keys and PKCS#12 in one file that a passphrase is tried on: each may ask for much work


# How what is packed begins: by what, and what shows what is in it.
ARCHIVES = {
    b"\x1f\x8b": ("gzip", "gzip -dc {name} >new"),
    b"BZh": ("bzip2", "bzip2 -dc {name} >new"),
    b"\xfd7zXZ": ("xz", "xz -dc {name} >new"),
    b"7z\xbc\xaf": ("7z", "7z x {name}"),
    b"Rar!": ("RAR", "unrar x {name}"),
}


class Kind(enum.Enum):
    """Why material cannot be taken: different things, each with another way out."""

    DAMAGED = "damaged"  # nobody can read it
    LOCKED = "locked"  # it is encrypted, and no passphrase is given, or another one
    UNKNOWN = "unknown"  # it is well, and the library here does not know its form
    MISPLACED = "misplaced"  # it is well, and not what belongs there
    UNFIT = "unfit"  # it is a key, and of a kind that nobody could use


CODES = {Kind.LOCKED: "encrypted-key", Kind.UNKNOWN: "unknown-form", Kind.UNFIT: "weak-key"}


class Form(enum.Enum):
    """What material is, as far as it can be told: by this a remedy is chosen."""

    NOTHING = "nothing"
    TEXT = "text"
    CERTIFICATE = "certificate"
    CRL = "CRL"
    KEY = "private key"
    REQUEST = "certificate request"
    PKCS7 = "PKCS#7"
    PKCS12 = "PKCS#12"
    ZIP = "zip"
    JAVA_KEYSTORE = "Java keystore"
    WEB_PAGE = "web page"
    LFS_POINTER = "Git LFS pointer"
    VAULT = "vault"
    PUBLIC_KEY = "public key"
    SSH_KEY = "key of SSH"
    PUTTY_KEY = "key of PuTTY"
    PACKED = "archive"
    CURVE_IN_NUMBERS = "private key on a curve in numbers"
    OLD_CIPHER = "private key by an old cipher"  # that OpenSSL itself keeps apart
    NO_BASE64 = "block of other text"
    CUT_OFF = "block without its end"
    OTHER = "block of another kind"


class FormError(Exception):
    """Material, or a member of it, cannot be taken. The text says why, as the end of a sentence about it.

    The kind says which of four things is the matter, the form what it is.
    """

    def __init__(self, message: str, kind: Kind = Kind.DAMAGED, form: Form = Form.TEXT, entry: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.form = form
        self.entry = entry  # of a zip

    @property
    def code(self) -> str:
        """The code of the finding to make of it."""
        return CODES.get(self.kind, "unreadable")

    def within(self, entry: str) -> FormError:
        """Return the same, said of a zip with this entry."""
        return FormError(f"is a zip whose '{entry}' {self}", self.kind, self.form, entry)


@dataclass
class Reading:
    """One reading of material: what messages call it, its passphrase, and what it may still cost."""

    source: str
    passphrase: bytes | None = field(default=None, repr=False)
    bytes_left: int = 2 * MAXIMUM_SIZE  # bytes that all zips in it may still unpack to, one in the other as well
    tries_left: int = MAXIMUM_OPENED  # keys and PKCS#12 that the passphrase may still be tried on

    def unpack(self, size: int) -> None:
        """Note that so many bytes were unpacked; raises FormError where that is too much."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise FormError(f"is a zip that unpacks to more than {MAXIMUM_SIZE} bytes.", form=Form.ZIP)

    def open_one(self, form: Form) -> None:
        """Note that what may be encrypted is about to be opened; raises FormError where that is too many."""
        self.tries_left -= 1
        if self.tries_left < 0:
            raise FormError(f"holds more than {MAXIMUM_OPENED} encrypted keys or PKCS#12.", form=form)


@dataclass(frozen=True)
class Contents:
    """What one piece of material holds, each thing once, in the order found."""

    certificates: tuple[Certificate, ...] = ()
    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    crls: tuple[RevocationList, ...] = ()
    others: tuple[Form, ...] = ()  # that are well, and of no use for a verdict
    entries: tuple[str, ...] = ()  # of a zip: those that certificates or CRLs were found in
    faults: tuple[FormError, ...] = ()  # why some of its members cannot be taken

    def __str__(self) -> str:
        """Say what is in it, as the end of 'holds …'."""
        counted = ((len(self.certificates), "certificate"), (len(self.keys), "private key"), (len(self.crls), "CRL"))
        words = [f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in counted if number]
        return " and ".join([*words, *(f"a {one.value}" for one in self.others)]) or "nothing known"

    def faults_of(self, forms: Sequence[Form]) -> tuple[FormError, ...]:
        """Return why members of these forms cannot be taken."""
        return tuple(fault for fault in self.faults if fault.form in forms)

    def is_empty(self) -> bool:
        """Whether nothing is in it that a verdict can be on."""
        return not (self.certificates or self.keys or self.crls)


def merged(parts: Iterable[Contents]) -> Contents:
    """Return all parts as one, duplicates left out."""
    certificates: dict[Certificate, None] = {}
    keys: dict[bytes, PrivateKey] = {}
    crls: dict[RevocationList, None] = {}
    others: dict[Form, None] = {}
    faults: dict[str, FormError] = {}
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        certificates.update(dict.fromkeys(part.certificates))
        keys.update((public_bytes(key.public_key()), key) for key in part.keys)
        crls.update(dict.fromkeys(part.crls))
        others.update(dict.fromkeys(part.others))
        faults.update((str(fault), fault) for fault in part.faults)
        if len(certificates) > MAXIMUM_CERTIFICATES or len(crls) + len(keys) > MAXIMUM_ENTRIES:
            raise FormError(f"holds more than {MAXIMUM_CERTIFICATES} certificates, or {MAXIMUM_ENTRIES} keys and CRLs.")
    return Contents(
        tuple(certificates), tuple(keys.values()), tuple(crls), tuple(others), faults=tuple(faults.values())
    )


def or_fault(contents: Contents) -> Contents:
    """Return the contents; raises their first fault where there is nothing but faults in them."""
    if contents.is_empty() and contents.faults and not contents.others:
        raise contents.faults[0]
    return contents


def public_bytes(key: PublicKeyTypes) -> bytes:
    """Return a public key as DER (SubjectPublicKeyInfo), by which keys are compared."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def printable(text: str) -> str:
    """Return the text with a mark in the place of each character that does not print."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
