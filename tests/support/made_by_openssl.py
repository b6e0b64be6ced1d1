# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys and certificates of kinds that cryptography does not make, such as for RSASSA-PSS."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo_material import key_pem

if TYPE_CHECKING:
    from demo_material import Authority


@dataclass(frozen=True)
class Made:
    """A certificate and its private key, both PEM."""

    pem: bytes
    key_pem: bytes


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    """Return what a command of openssl says."""
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def pss_key(*restrictions: str) -> bytes:
    """Return a key for RSASSA-PSS (PEM); restrictions are options of its making, such as rsa_pss_keygen_md:sha256."""
    options = [word for one in ("rsa_keygen_bits:2048", *restrictions) for word in ("-pkeyopt", one)]
    return openssl("genpkey", "-algorithm", "RSA-PSS", *options)


def explicit_key() -> bytes:
    """Return a key on P-256 (PEM), whose curve is spelled out."""
    return openssl(
        "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"
    )


def issued_for(key: bytes, authority: Authority, domain: str) -> Made:
    """Return the certificate of a server that the authority issues for a key (PEM)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key").write_bytes(key)
        (folder / "ca").write_bytes(authority.pem)
        (folder / "ca.key").write_bytes(key_pem(authority.key))
        (folder / "extensions").write_text(
            "basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n"
            "extendedKeyUsage = serverAuth\n"
            f"subjectAltName = DNS:{domain}\nauthorityKeyIdentifier = keyid\n"
        )
        request = ["-new", "-key", "key", "-subj", f"/CN={domain}", "-out", "request"]
        subprocess.run(["openssl", "req", *request], cwd=folder, check=True, capture_output=True)
        sign = ["-req", "-in", "request", "-CA", "ca", "-CAkey", "ca.key", "-days", "60", "-extfile", "extensions"]
        sign += ["-set_serial", "4711"]
        return Made(subprocess.run(["openssl", "x509", *sign], cwd=folder, check=True, capture_output=True).stdout, key)
