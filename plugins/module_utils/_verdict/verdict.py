# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is judged together, what is deployed of it, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, Finding

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret


HANDSHAKE, RULES = "handshake", "rules"


@dataclass(frozen=True)
class Material:
    """The bytes of a file or of inline material, and what messages call it."""

    data: bytes = field(repr=False)
    name: str


@dataclass(frozen=True)
class MaterialSet:
    """What is to be judged together: the material of one site, or any part of it."""

    domain: str | None = None
    aliases: tuple[str, ...] = ()
    certificate: Material | None = None
    private_key: Material | None = None
    chain: Material | None = None
    bundle: Material | None = None
    client_ca: tuple[Material, ...] = ()
    crl: tuple[Material, ...] = ()
    trust_anchors: tuple[Material, ...] = ()
    client_ca_sha256: tuple[str, ...] = ()
    issued_by: str = "public"
    private_key_passphrase: bytes | None = field(default=None, repr=False)
    verify_depth: int | None = None  # how many certificates a client's path may have above its own; None: any number
    crl_check: str = "chain"  # what lists are asked about (SSLCARevocationCheck); leaf: the client's own alone


@dataclass(frozen=True)
class Deployable:
    """What httpd wants: PEM with LF and no text around it. The same material always gives the same bytes.

    Without a certificate given, that is empty, and there is no key.
    """

    certificate: bytes = field(repr=False)  # the server's, then the chain without a root
    private_key: Secret | None  # PKCS#8, not encrypted
    client_ca: bytes = field(repr=False)
    crl: bytes | None = field(repr=False)
    crl_ends: str = ""  # when the first of them is due to be renewed, as in `first_end`


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one set of material."""

    domain: str | None
    findings: tuple[Finding, ...]
    certificates: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()
    first_end: dict[str, Any] | None = None
    deployable: Deployable | None = None
    decided_by: str = RULES  # or HANDSHAKE

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(one.severity != ERROR for one in self.findings)
