# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A release: a site's files by name, and the name that they get together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import FACTS, SITE, Facts

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Release:
    """A site's release to be: its files by name, with RELEASE standing for its folder in site.conf."""

    domain: str
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The hash of all names and contents, so that equal wishes are one release."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            for part in (name.encode(), self.files[name]):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:16]

    @cached_property
    def facts(self) -> Facts:
        return Facts.read(self.files[FACTS])

    def filled(self, folder: str) -> dict[str, bytes]:
        """The files as they lie in C(folder), an absolute path on the host."""
        files = dict(self.files)
        files[SITE] = quoting.filled(files[SITE].decode(), folder).encode()
        return files


def mode_of(name: str) -> int:
    return 0o600 if name.endswith(".key") else 0o644
