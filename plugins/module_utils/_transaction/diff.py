# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What an operator sees of a change."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry, Link
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----([A-Za-z0-9+/=\s]*)-----END ")


def dates_of(facts: SiteFacts | None) -> str:
    """What a diff says of a certificate, whose site is served as long as all that comes with it is valid too."""
    if facts is None:
        return ""
    return f"SHA-256 {facts.certificate_sha256}\nvalid with its chain and client CA {facts.begins} to {facts.ends}\n"


def fingerprints_of(pem: str) -> str:
    """What a diff says of a file of certificates or CRLs: the SHA-256 of each."""
    try:
        blocks = [base64.b64decode(block) for block in _PEM.findall(pem)]
    except ValueError:
        return "damaged\n"
    return "".join(f"SHA-256 {hashlib.sha256(block).hexdigest()}\n" for block in blocks)


def outline_of(entry: Entry) -> str:
    """What a diff says of a path beside the files of a site. A plain file there may be a key."""
    if isinstance(entry, Link):
        return f"-> {entry.target}\n"
    return "" if entry is None else "a plain file\n"


def diff_of(path: str, after: str) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": commands.read(path), "after": after}


def tell_unplaced(release: Release) -> str:
    """What a diff says of the virtual host of a release where no httpd is yet that says where its folder is to be."""
    return release.public[SITE].decode().replace(quoting.RELEASE, "(the folder of the release)")
