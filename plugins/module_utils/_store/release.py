# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A release: a site's files by name, and the name that they get together."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import File
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import FACTS, SITE, SiteFacts
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping


PRIVATE = 0o600  # the mode of a file that its owner alone may read


@dataclass(frozen=True)
class Release:
    """A site's release to be: its files by name, with RELEASE standing for its folder in site.conf.

    public: those that everybody on the host may read. private_key: what lies in `key_file`, for the server's user
    alone; None until material on the host has been taken in. Raises ValueError where that file is a public one too.
    """

    domain: str
    public: Mapping[str, bytes] = field(repr=False)
    private_key: Secret | None = None

    def __post_init__(self) -> None:
        if self.key_file in self.public:
            raise ValueError("the file of a private key is not a public one")

    @property
    def key_file(self) -> str:
        """The name of the file that holds the private key."""
        return key_file(self.domain)

    @cached_property
    def name(self) -> str:
        """The hash of all names and contents, so that equal wishes are one release."""
        parts = {name: Secret(content) for name, content in self.public.items()}
        if self.private_key is not None:
            parts[self.key_file] = self.private_key
        digest = hashlib.sha256()
        for name in sorted(parts):
            for part in (name.encode(), parts[name].reveal()):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:16]

    @cached_property
    def facts(self) -> SiteFacts:
        return SiteFacts.read(self.public[FACTS])

    def filled(self, folder: str) -> dict[str, File]:
        """The files as they lie in C(folder), an absolute path on the host, with their modes."""
        text = quoting.filled(self.public[SITE].decode(), folder).encode()
        files = {name: File(content) for name, content in {**self.public, SITE: text}.items()}
        if self.private_key is not None:
            files[self.key_file] = File(self.private_key.reveal(), PRIVATE)
        return files


def key_file(domain: str) -> str:
    """The name of the file that holds a site's private key, in its release and where it is published."""
    return f"{domain}.key"


def list_blocks(content: bytes, label: str) -> list[bytes]:
    """The certificates, or the lists, of a release's own file, as DER."""
    mark = re.escape(label.encode())
    found = re.findall(rb"-----BEGIN " + mark + rb"-----(.*?)-----END " + mark + b"-----", content, re.DOTALL)
    return [base64.b64decode(each) for each in found]
