# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A subject as httpd writes it stands for a name that httpd writes so, whatever is in it."""

from __future__ import annotations

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from odd_certificates import ca

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes, renamed
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.subjects import encoded_subject
from ansible_collections.mtls.httpd.plugins.module_utils._twin import der

CN, ORGANIZATION, COUNTRY, UNKNOWN = "2.5.4.3", "2.5.4.10", "2.5.4.6", "1.3.6.1.4.1.99999.7"
BITS, UTF8, PRINTABLE, T61, IA5, UNIVERSAL, BMP = 0x03, 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E
CHAT = (CN, UTF8, b"Chat")
# Each set of a name, with kind, type and content of each value in it.
NAMES: dict[str, list[list[tuple[str, int, bytes]]]] = {
    "plain": [[(COUNTRY, PRINTABLE, b"CN")], [(ORGANIZATION, UTF8, b"Tencent")], [CHAT]],
    "Chinese": [[(ORGANIZATION, UTF8, "腾讯".encode())], [CHAT]],
    "BMPString": [[(ORGANIZATION, BMP, "腾讯".encode("utf-16-be"))], [CHAT]],
    "UniversalString": [[(ORGANIZATION, UNIVERSAL, "腾讯".encode("utf-32-be"))], [CHAT]],
    "T61String": [[(ORGANIZATION, T61, "Müller".encode("latin-1"))], [CHAT]],
    "several values": [[(ORGANIZATION, UTF8, b"T")], [CHAT, ("0.9.2342.19200300.100.1.1", UTF8, b"a,b+c")]],
    "all that is escaped": [[(CN, UTF8, b' #a, "q" ; <x> = \\ + b ')]],
    "a number sign": [[(CN, UTF8, b"#0C0141")]],
    "a line's end": [[(CN, UTF8, b"a\nb")]],
    "an e-mail address": [[("1.2.840.113549.1.9.1", IA5, b"a@b.example")], [CHAT]],
    "a kind without a name": [[(UNKNOWN, PRINTABLE, b"x")], [CHAT]],
    "bits": [[("2.5.4.45", BITS, b"\0\1\2")], [CHAT]],
    "kinds that OpenSSL names": [[("2.5.4.13", UTF8, b"d")], [("2.5.4.20", PRINTABLE, b"1")], [CHAT]],
    "longer than RFC 5280 allows": [[(CN, UTF8, ("腾讯" * 20).encode())]],
    "an empty value": [[(CN, UTF8, b"")]],
    "all that OpenSSL may name": [
        [(f"{arc}.{last}", UTF8, b"x")]
        for arc, most in {
            "2.5.4": 120,
            "0.9.2342.19200300.100.1": 60,
            "1.2.840.113549.1.9": 30,
            "1.3.6.1.4.1.311.60.2.1": 5,
            "1.3.6.1.5.5.7.9": 6,
            "1.2.643.3.131.1": 2,
            "1.2.643.100": 6,
        }.items()
        for last in range(1, most)
        if f"{arc}.{last}" != "1.2.840.113549.1.9.16"  # S/MIME itself, which is no attribute
    ],
    "a country of three letters": [[(COUNTRY, PRINTABLE, b"CHN")]],
}


def written(certificate: bytes) -> str:
    """Return the subject of a certificate (PEM) as httpd writes it: SSL_CLIENT_S_DN."""
    command = ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb"]
    told = subprocess.run(command, input=certificate, capture_output=True, check=True).stdout
    return told.decode().rstrip("\n").removeprefix("subject=")


@pytest.mark.parametrize("name", NAMES)
def test_the_client_of_a_pin_has_the_subject_that_httpd_writes_so(name: str) -> None:
    pairs = [
        [der.sequence(der.oid(kind), der.element(tag, content)) for kind, tag, content in values]
        for values in NAMES[name]
    ]
    subject = der.sequence(*(der.element(der.SET, *sorted(each)) for each in pairs))
    plain = ca()
    assert isinstance(plain.key, ec.EllipticCurvePrivateKey)
    text = written(der.pem("CERTIFICATE", renamed(plain.certificate.public_bytes(Encoding.DER), subject, plain.key)))
    pin = f"subject:{text}"
    assert written(make_probes(pins=[pin]).pinned[pin].certificate) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "Chat", "CN", "=Chat", "O = Tencent, CN = Chat", "CN=Chat, O=Tencent", "CN=Chat;O=Tencent", "CN=Chat,"),
        *("CN=Chat+", "CN= Chat", "CN=Chat ", "CN=#zz", "CN=#0c", "CN=#0C0141x", "CN=a\\", "CN=\\zz", "CN=a\0"),
        *("CN=\\C3\\28", "CN=a,,O=b", "nobody=knows", "/CN=Chat", "commonName=Chat", "cn=Chat", "ISO=x", "ChaCha20=x"),
    ],
)
def test_what_httpd_never_writes_is_no_subject(text: str) -> None:
    with pytest.raises(ValueError, match=r"attribute|value|element|object|codec"):
        encoded_subject(text)
