# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Certificates, keys and revocation lists out of every form that people hold. The content decides, never the name."""

from __future__ import annotations

import base64
import binascii
import io
import math
import struct
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate

OLDEST_CRYPTOGRAPHY = 45  # that version brought the policies for extensions that certification_path needs

try:
    import cryptography
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

    CRYPTOGRAPHY_ERROR = ""
    if int(cryptography.__version__.partition(".")[0]) < OLDEST_CRYPTOGRAPHY:
        CRYPTOGRAPHY_ERROR = f"version {cryptography.__version__} is too old"
except ImportError as error:
    CRYPTOGRAPHY_ERROR = str(error)
HAS_CRYPTOGRAPHY = not CRYPTOGRAPHY_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

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
MAXIMUM_ITERATIONS = 2_000_000  # of a key derivation; OWASP's advice of 2023 is 600,000
MAXIMUM_SCRYPT = 2**20  # N * r * p: 128 MiB; OpenSSL writes 2**17
MAXIMUM_ELEMENTS = 20_000  # of DER that is encrypted
MAXIMUM_RSA_BITS = 16384  # OpenSSL takes no longer ones

_INTEGER, _OCTET_STRING, _CONSTRUCTED = 0x02, 0x04, 0x20

_LITTER = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")
DAMAGED = (
    (
        ValueError,
        TypeError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )
    if HAS_CRYPTOGRAPHY
    else ()
)


class FormError(Exception):
    """Material cannot be taken. The text says why; the code is that of the finding to make of it."""

    def __init__(self, message: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Contents:
    """What one piece of material holds, each thing once, in the order found."""

    certificates: tuple[Certificate, ...] = ()
    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    others: tuple[str, ...] = ()  # such as 'a certificate request'
    entries: tuple[str, ...] = ()  # of a zip: those that something was found in

    def __str__(self) -> str:
        """Say what is in it, as the end of 'holds …'."""
        counted = ((len(self.certificates), "certificate"), (len(self.keys), "private key"), (len(self.crls), "CRL"))
        words = [f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in counted if number]
        return " and ".join([*words, *self.others]) or "nothing known"


def read(data: bytes, source: str, passphrase: bytes | None = None) -> Contents:
    """Return what PEM, DER, PKCS#7, PKCS#12 or a zip of these holds. Messages call it by its source.

    Raises FormError for what is empty, too large, damaged, none of these, or encrypted and not opened.
    """
    if len(data) > MAXIMUM_SIZE:
        raise FormError(f"has {len(data)} bytes; at most {MAXIMUM_SIZE} are read.")
    if not data.strip():
        raise FormError("is empty.")
    with warnings.catch_warnings():
        # Such as a negative serial number. What matters of it becomes a finding.
        warnings.simplefilter("ignore")
        if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return _unzipped(data, source, passphrase)
        return _single(data, source, passphrase)


def _single(data: bytes, source: str, passphrase: bytes | None) -> Contents:
    if data[:1] == b"\x30":
        return _from_der(data, source, passphrase)
    text = _without_mark(data)
    if b"-----BEGIN " in text:
        return _merged(_from_block(label, body, source, passphrase) for label, body in _blocks(text))
    raise FormError("is neither PEM, DER, PKCS#7, PKCS#12 nor a zip.")


def _without_mark(data: bytes) -> bytes:
    """Return text without its byte order mark, and UTF-16 as ASCII: Windows' editors write both."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("ascii", "replace")
    return data[3:] if data[:3] == b"\xef\xbb\xbf" else data


def _blocks(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield label and body of each PEM block (RFC 7468); text around them is skipped. Linear in the size."""
    start = text.find(b"-----BEGIN ")
    while start >= 0:
        label, mark, _rest = text[start + 11 : start + 80].partition(b"-----")
        end = text.find(b"-----END ", start)
        if not mark or not text.startswith(label + b"-----", end + 9) or end < 0:
            raise FormError("is cut off or damaged: a line '-----BEGIN …-----' has no '-----END …-----' of its kind.")
        yield label.decode("ascii", "replace"), text[start + 11 + len(label) + 5 : end]
        start = text.find(b"-----BEGIN ", end)


def _from_block(label: str, body: bytes, source: str, passphrase: bytes | None) -> Contents:
    if label.endswith("PRIVATE KEY"):
        if label == "OPENSSH PRIVATE KEY":
            return Contents(others=("an SSH key",))
        return Contents(keys=(_private_key(label, body, passphrase),))
    if label in ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
        der = _decoded(body)
        # OpenSSL puts its trust settings behind a TRUSTED CERTIFICATE.
        return Contents(
            certificates=(_certificate(_first_element(der) if label.startswith("TRUSTED") else der, source),)
        )
    if label == "X509 CRL":
        return Contents(crls=(_crl(_decoded(body)),))
    if label in ("PKCS7", "CMS"):
        return _pkcs7(_decoded(body), source)
    names = {"CERTIFICATE REQUEST": "a certificate request", "NEW CERTIFICATE REQUEST": "a certificate request"}
    return Contents(others=(names.get(label, "something else in PEM"),))


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise FormError("is damaged: what stands between BEGIN and END is no base64.") from None


def _from_der(data: bytes, source: str, passphrase: bytes | None) -> Contents:
    """Return what is in DER, told apart by how each form starts (RFC 5280, 2315, 7292, 5958, 5915, 8017)."""
    _length, inner = _header(data, 0)
    head = data[inner : inner + 32]
    if head.startswith(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"):
        return _pkcs7(data, source)
    if head.startswith(b"\x02\x01\x03"):
        return _pkcs12(data, source, passphrase)
    if head.startswith((b"\x02\x01\x00", b"\x02\x01\x01")):
        return Contents(keys=(_loaded_key(data, passphrase, pem=False),))
    if b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05" in head[:16] or b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c" in head:
        return Contents(keys=(_loaded_key(data, passphrase, pem=False),))
    try:
        return Contents(certificates=(_certificate(data, source),))
    except FormError as not_a_certificate:
        try:
            return Contents(crls=(_crl(data),))
        except FormError:
            raise not_a_certificate from None


def _certificate(der: bytes, source: str) -> Certificate:
    try:
        return Certificate(x509.load_der_x509_certificate(der), source)
    except DAMAGED as error:
        raise FormError(f"holds a certificate that cannot be parsed ({_words(error)}).") from None


def _crl(der: bytes) -> x509.CertificateRevocationList:
    try:
        crl = x509.load_der_x509_crl(der)
        _read = crl.extensions, crl.issuer, crl.next_update_utc, crl.last_update_utc
    except DAMAGED as error:
        raise FormError(f"holds a CRL that cannot be parsed ({_words(error)}).") from None
    return crl


def _pkcs7(der: bytes, source: str) -> Contents:
    try:
        found = pkcs7.load_der_pkcs7_certificates(der)
        encoded = [certificate.public_bytes(serialization.Encoding.DER) for certificate in found]
    except DAMAGED as error:
        raise FormError(f"is PKCS#7 that cannot be parsed ({_words(error)}).") from None
    return _merged(Contents(certificates=(_certificate(one, source),)) for one in encoded)


def _pkcs12(der: bytes, source: str, passphrase: bytes | None) -> Contents:
    _refuse_costly(der)
    for attempt in (passphrase,) if passphrase else (None, b""):
        try:
            key, leaf, others = pkcs12.load_key_and_certificates(der, attempt)
            found = [one.public_bytes(serialization.Encoding.DER) for one in (*([leaf] if leaf else []), *others)]
            break
        except DAMAGED:
            continue
    else:
        raise _not_opened("PKCS#12", passphrase)
    certificates = _merged(Contents(certificates=(_certificate(one, source),)) for one in found).certificates
    return Contents(certificates=certificates, keys=(_known(key),) if key else ())


def _private_key(label: str, body: bytes, passphrase: bytes | None) -> PrivateKey:
    """Return the key of a PEM block, encrypted or not, in PKCS#8, PKCS#1, SEC1 or the traditional encrypted form."""
    if b"DEK-Info" in body:
        lines = b"\n".join(line.strip() for line in body.replace(b"\r", b"\n").split(b"\n") if line.strip())
        headers, _mark, encoded = lines.rpartition(b"DEK-Info:")
        first, _line, rest = encoded.partition(b"\n")
        armour = b"-----BEGIN %b-----\n%bDEK-Info:%b\n\n%b\n-----END %b-----\n"
        name = label.encode()
        return _loaded_key(armour % (name, headers, first, rest, name), passphrase, pem=True)
    return _loaded_key(_decoded(body), passphrase, pem=False)


def _loaded_key(data: bytes, passphrase: bytes | None, *, pem: bool) -> PrivateKey:
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    encrypted = pem
    if not pem:
        _length, inner = _header(data, 0)
        encrypted = data[inner : inner + 1] == b"\x30"
    if encrypted and not passphrase:
        raise _not_opened("a private key", None)
    if encrypted and not pem:
        _refuse_costly(data)
    try:
        # The test of RSA's primes takes 30 ms. That the numbers fit each other is checked below; of other kinds, here.
        key = load(data, passphrase if encrypted else None, unsafe_skip_rsa_key_validation=True)
    except DAMAGED:
        if encrypted:
            raise _not_opened("a private key", passphrase) from None
        raise FormError("holds a private key that is damaged.") from None
    return _known(key)


def _known(key: object) -> PrivateKey:
    """Return the key if TLS servers can use its kind, and its numbers fit each other."""
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size > MAXIMUM_RSA_BITS:  # their arithmetic takes seconds
            raise FormError(
                f"holds a private key of {key.key_size} bits of RSA; OpenSSL takes {MAXIMUM_RSA_BITS} at most."
            )
        numbers = key.private_numbers()
        p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
        fits = p > 1 and q > 1 and p * q == public.n and d * public.e % (p - 1) == 1 == d * public.e % (q - 1)
        if not (fits and numbers.dmp1 == d % (p - 1) and numbers.dmq1 == d % (q - 1) and numbers.iqmp * q % p == 1):
            raise FormError("holds a private key that is damaged: its numbers do not fit each other.")
        return key
    if isinstance(
        key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey, dsa.DSAPrivateKey)
    ):
        return key
    raise FormError("holds a private key of a kind that no TLS server uses.")


def _not_opened(what: str, passphrase: bytes | None) -> FormError:
    if passphrase:
        return FormError(f"holds {what} that the given passphrase does not open, or that is damaged.", "encrypted-key")
    return FormError(f"holds {what} that is encrypted, and no passphrase is given.", "encrypted-key")


def _unzipped(data: bytes, source: str, passphrase: bytes | None) -> Contents:
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
                    contents = _single(content, source, passphrase) if content.strip() else Contents()
                except FormError as refused:
                    faults.append(FormError(f"is a zip whose '{_printable(entry.filename)}' {refused}", refused.code))
                    continue
                if contents.certificates or contents.keys or contents.crls:
                    found.append((_printable(entry.filename), contents))
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
        raise FormError(f"is a zip that cannot be unpacked ({_words(error)}).") from None
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
    merged = _merged(contents for _name, contents in found)
    for fault in faults:
        # A key that cannot be read is not to be told as a key that is missing.
        if not merged.keys and (fault.code == "encrypted-key" or "private key" in str(fault)):
            raise fault
    return Contents(
        merged.certificates, merged.keys, merged.crls, merged.others, tuple(name for name, _contents in found)
    )


def _entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the zip's files without litter. Nothing is written to disk, yet a name that climbs out tells of malice."""
    entries = []
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
            raise FormError(f"is a zip whose entry '{_printable(name)}' climbs out of its folder.")
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


def _merged(parts: Iterable[Contents]) -> Contents:
    """Return all parts as one, duplicates left out."""
    certificates: dict[Certificate, None] = {}
    keys: dict[bytes, PrivateKey] = {}
    crls: list[x509.CertificateRevocationList] = []
    others: dict[str, None] = {}
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        certificates.update(dict.fromkeys(part.certificates))
        keys.update((public_bytes(key.public_key()), key) for key in part.keys)
        crls += [crl for crl in part.crls if crl not in crls]
        others.update(dict.fromkeys(part.others))
        if len(certificates) > MAXIMUM_CERTIFICATES or len(crls) + len(keys) > MAXIMUM_ENTRIES:
            raise FormError(f"holds more than {MAXIMUM_CERTIFICATES} certificates, or {MAXIMUM_ENTRIES} keys and CRLs.")
    return Contents(tuple(certificates), tuple(keys.values()), tuple(crls), tuple(others))


def public_bytes(key: PublicKeyTypes) -> bytes:
    """Return a public key as DER (SubjectPublicKeyInfo), by which keys are compared."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Return the content's length and offset of the DER element at an offset; raises FormError for none."""
    first = data[at + 1] if at + 1 < len(data) else 0x80
    if first < 0x80:
        return first, at + 2
    size = first & 0x7F
    length = int.from_bytes(data[at + 2 : at + 2 + size], "big")
    if not 1 <= size <= 4 or at + 2 + size + length > len(data):
        raise FormError("is cut off or damaged: it starts as DER does, and has not the length that it says.")
    return length, at + 2 + size


def _first_element(der: bytes) -> bytes:
    length, inner = _header(der, 0)
    return der[: inner + length]


def _refuse_costly(der: bytes) -> None:
    """Refuse key derivations that would take long: a hostile iteration count hangs whoever tries the passphrase.

    PBKDF2, scrypt, PKCS#12's own derivation and its MAC all state their cost in the integers that follow the salt,
    an octet string (RFC 8018, 7914, 7292). PKCS#12 nests them in further octet strings.
    """
    pending = [(0, len(der))]
    elements = 0
    while pending:
        at, end = pending.pop()
        salted = False
        costs: list[int] = []
        while at + 2 <= end:
            try:
                length, inner = _header(der, at)
            except FormError:
                break
            if inner + length > end:
                break
            if salted and der[at] == _INTEGER:
                costs.append(int.from_bytes(der[inner : inner + min(length, 16)], "big"))
            salted = salted or der[at] == _OCTET_STRING
            if der[at] == _OCTET_STRING or der[at] & _CONSTRUCTED:
                pending.append((inner, inner + length))
            at = inner + length
            elements += 1
        scrypt = len(costs) >= 3  # N, r, p; PBKDF2 has iterations and at most the key's length
        if (scrypt and math.prod(costs[:3]) > MAXIMUM_SCRYPT) or (costs and costs[0] > MAXIMUM_ITERATIONS):
            raise FormError("asks for a key derivation of excessive cost.")
        if elements > MAXIMUM_ELEMENTS:
            raise FormError("is DER of too many parts.")


def _words(error: BaseException) -> str:
    """Return what a library said, on one short line."""
    return _printable(" ".join(str(error).split()))[:160] or type(error).__name__


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
