# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is known of a site that was put in place, and the names of the files of a release."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

SITE = "site.conf"
FACTS = "site.json"
CLIENT_CA = "TencentQQAuthCA.crt"
CRL = "TencentQQAuthCA.crl"
BACKEND_CA = "backend-ca.crt"
EMPTY = "empty"
PINNED = "certificate:"  # before the name of a file, in the pins of a site's facts


@dataclass(frozen=True)
class SiteFacts:
    """What a release says of its site, as site.json: for the host-level file, its neighbours, and a later rollback.

    port: TCP port. listen: IP addresses, none for all. modules: names of httpd modules that it needs beside mod_ssl.
    welcome: those that it uses where the host has them. versions: of TLS that it speaks, as TLSv1.3.
    certificate_sha256: what is served, lower-case hexadecimal. client_ca_names: their subjects (RFC 4514).
    verify_client: the SSLVerifyClient in force. open_paths: those that need no certificate, where all others do.
    protected_paths: those that need one, where the others do not. pins: the clients of the client CA that may call, as
    C(subject:…), C(dns:…), C(email:…) or C(certificate:client-1.crt), a file of the release; all of them where there
    is none. backend_ca: whether backends show a certificate, of the file BACKEND_CA of the release. access_log,
    error_log: its own, by name in the folder of the server's logs, or by absolute path; empty where the server's take
    its lines. included: whether site.conf holds directives alone, for a virtual host of the user's to include. begins,
    ends: when the last of its certificates becomes valid, and when the first ends, in UTC, as 2026-11-23T16:39:00Z.
    renewal_hook: path of the host's program that takes its material anew, empty for none. crl_check: none, chain or
    leaf. crl_ends: when the first of the client CAs' revocation lists is due to be renewed, empty where none is.
    stapling: whether OCSP answers are sent along. callback_paths: where Chat calls, as it was said; see `called`.
    """

    domain: str
    port: int
    listen: tuple[str, ...]
    aliases: tuple[str, ...]
    modules: tuple[str, ...]
    welcome: tuple[str, ...]
    versions: tuple[str, ...]
    certificate_sha256: str
    client_ca_names: tuple[str, ...]
    verify_client: str
    open_paths: tuple[str, ...]
    protected_paths: tuple[str, ...]
    pins: tuple[str, ...]
    backend_ca: bool
    access_log: str
    error_log: str
    included: bool
    begins: str
    ends: str
    renewal_hook: str = ""
    crl_check: str = "none"
    crl_ends: str = ""
    stapling: bool = False
    callback_paths: tuple[str, ...] = ()

    @classmethod
    def read(cls, content: bytes) -> SiteFacts:
        """The facts of the bytes of a site.json. Raises ValueError for anything else."""
        data = json.loads(content)
        try:
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
            }
            facts = cls(**values)
        except (TypeError, AttributeError):
            raise ValueError("other names than those of site.json") from None
        if facts.content != content:
            raise ValueError("not as it is written")
        return facts

    @property
    def mutual_tls(self) -> str:
        """What a client without a certificate meets at `/`: C(enforced), if it gets nothing there, or C(optional)."""
        return "enforced" if self.verify_client == "require" or self.open_paths else "optional"

    @property
    def logs(self) -> list[str]:
        return [log for log in (self.access_log, self.error_log) if log]

    @property
    def pinned_files(self) -> dict[str, str]:
        """The files of the release that hold a client's certificate, by pin."""
        return {pin: pin[len(PINNED) :] for pin in self.pins if pin.startswith(PINNED)}

    @property
    def called(self) -> tuple[str, ...]:
        """The paths that Chat calls."""
        return self.callback_paths or self.protected_paths or ("/",)

    @property
    def content(self) -> bytes:
        """The bytes of the site.json.

        C(callback_paths) is left out where it is empty: a release that was written before there was this option must
        still be read, and be the wished one. So must be each field that is added later.
        """
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        if not self.callback_paths:
            del told["callback_paths"]
        return (json.dumps(told, indent=2, sort_keys=True) + "\n").encode()
