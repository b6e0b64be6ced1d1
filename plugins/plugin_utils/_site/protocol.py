# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which TLS a site speaks: the profiles of Mozilla's server-side guideline, version 6.0, or the operator's own."""

from __future__ import annotations

import contextlib
import re
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import parsing
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, finding

with contextlib.suppress(ImportError):  # The verdict says so where it is missing.
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import AuthorityInformationAccessOID, SignatureAlgorithmOID

    _SIGNATURES = (
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    )

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# Given up by RFC 8996. OpenSSL 3 speaks them at security level 0 alone.
LEGACY = ("TLSv1", "TLSv1.1")
CUSTOM = ("tls_protocols", "tls_ciphers", "tls_ciphersuites", "tls_curves")

_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
# What a client of TLS 1.0 can have: the guideline has none for it.
_LEGACY_CIPHERS = (
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-SHA",
    "AES256-SHA",
)
_CURVES = ("X25519", "prime256v1", "secp384r1")
# Of certificates for the profile modern.
_KEY_CURVES = ("secp256r1", "secp384r1")
_MODERN_DAYS = 90
# Of OpenSSL 3.5 and newer; an older one refuses a list that names it.
NEW_CURVES = ("X25519MLKEM768",)


@dataclass(frozen=True)
class Protocol:
    """What a site speaks, in the words of OpenSSL.

    versions: oldest first. ciphers: up to TLS 1.2, none where only TLS 1.3 is spoken. ciphersuites: of TLS 1.3. curves:
    those of every host. new_curves: to stand before them where the host's OpenSSL knows them.
    """

    versions: tuple[str, ...]
    ciphers: tuple[str, ...]
    ciphersuites: tuple[str, ...]
    curves: tuple[str, ...]
    new_curves: tuple[str, ...]

    @property
    def legacy(self) -> tuple[str, ...]:
        """The versions for which OpenSSL's security level is lowered."""
        return tuple(version for version in self.versions if version in LEGACY)

    @property
    def words(self) -> dict[str, list[str]]:
        """What the template is handed as C(tls)."""
        return {name: list(words) for name, words in {**asdict(self), "legacy": self.legacy}.items()}


def protocol(site: Site) -> Protocol:
    """Return what the options of a site ask for."""
    if site.tls_profile == "modern":
        return Protocol(("TLSv1.3",), (), _SUITES, _CURVES, NEW_CURVES)
    if site.tls_profile == "intermediate":
        return Protocol(("TLSv1.2", "TLSv1.3"), _CIPHERS, _SUITES, _CURVES, NEW_CURVES)
    versions = tuple(version for version in VERSIONS if version in site.tls_protocols)
    ciphers = _CIPHERS + (_LEGACY_CIPHERS if versions[0] in LEGACY else ())
    return Protocol(
        versions,
        tuple(site.tls_ciphers or ciphers) if versions != ("TLSv1.3",) else (),
        tuple(site.tls_ciphersuites or _SUITES) if "TLSv1.3" in versions else (),
        tuple(site.tls_curves or _CURVES),
        () if site.tls_curves else NEW_CURVES,
    )


def unfit(site: Site, certificate: bytes) -> Iterator[Finding]:
    """Yield what a site asks of TLS that its own certificate (PEM; empty where it is not at hand) is not made for."""
    if not certificate or not (site.ocsp_stapling or site.tls_profile == "modern"):
        return
    one = parsing.read(certificate, site.domain).certificates[0]
    access = one.extension(x509.AuthorityInformationAccess) or ()
    if site.ocsp_stapling and not any(each.access_method == AuthorityInformationAccessOID.OCSP for each in access):
        message = f"'ocsp_stapling' is set, and '{one.label}' names no OCSP responder, so that nothing can be stapled."
        yield finding("no-responder", site.domain, message, "Leave 'ocsp_stapling' out: many authorities have none.")
    if site.tls_profile != "modern":
        return
    days = (one.end - one.begin + timedelta(seconds=1)) / timedelta(days=1)
    apart = [
        *([] if isinstance(one.key, ec.EllipticCurvePublicKey) and one.key.curve.name in _KEY_CURVES else ["its key"]),
        *([] if one.parsed.signature_algorithm_oid in _SIGNATURES else ["its signature"]),
        *([] if days <= _MODERN_DAYS else [f"its {int(days)} days"]),
    ]
    if apart:
        message = (
            "with 'tls_profile: modern', Mozilla's guideline wants a certificate with a key on P-256 or P-384, signed "
            f"by ECDSA, for {_MODERN_DAYS} days at most. '{one.label}' differs by {' and '.join(apart)}."
        )
        yield finding("outside-guideline", site.domain, message, "Order such a one, or take intermediate.")


def wrong_protocol(site: Site) -> Iterator[str]:
    """Yield what is wrong with the options, without repeating a value."""
    given = [name for name in CUSTOM if getattr(site, name)]
    if site.tls_profile != "custom":
        for name in given:
            yield f"the option '{name}' is given, and used with tls_profile=custom alone. Set that, or leave it out."
    elif not site.tls_protocols:
        yield "the option 'tls_protocols' is missing, which tls_profile=custom needs. Give it, such as [TLSv1.2]."
    elif len(set(site.tls_protocols)) <= VERSIONS.index(max(site.tls_protocols)) - VERSIONS.index(
        min(site.tls_protocols)
    ):
        # mod_ssl drops what is older than a gap (ssl_init_ctx_protocol).
        yield "the option 'tls_protocols' leaves out a version between two others, which httpd cannot. List that too."
    for name in ("tls_ciphers", "tls_ciphersuites", "tls_curves"):
        for index, word in enumerate(getattr(site, name)):
            # Names alone: what else a cipher string can hold ('!', '+', '-', '@SECLEVEL') changes what the others mean.
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", word):
                yield f"the option '{name}[{index}]' is not a name as `openssl ciphers` and its like print it."
