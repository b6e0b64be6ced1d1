# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Entries of the disk as JSON holds them, for the way back."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry, File, Link


def entry_to_json(entry: Entry) -> Any:
    if isinstance(entry, Link):
        return {"link": entry.target}
    if isinstance(entry, File):
        return {
            "content": base64.b64encode(entry.content).decode(),
            "mode": entry.mode,
            "uid": entry.uid,
            "gid": entry.gid,
        }
    return None


def entry_from_json(packed: Any) -> Entry:
    if packed is None:
        return None
    if "link" in packed:
        return Link(packed["link"])
    return File(base64.b64decode(packed["content"]), packed["mode"], packed["uid"], packed["gid"])
