# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code of the target's half of C(sites), packed as C(module_utils/_transaction/sent_code.py) reads it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = Path(__file__).parents[1] / "module_utils"
# Of these rooms, the target may need every file. Of the others, it needs what is named.
_WHOLE_ROOMS = ("_httpd", "_machine", "_site", "_store", "_transaction", "_twin")
_OF_ROOMS = {
    "_handshake": ("answers", "calls", "client", "connecting", "http2", "kept", "transcript", "wire"),
    "_verdict": (
        *("bare_rules", "chain_order", "der", "domain", "findings", "odd_encoding", "public_roots", "refusals"),
        *("secret", "trust_settings", "validity", "verdict"),
    ),
}
# Of zlib: the one takes a third of the time, for each run, the other makes a seventh less to send.
_QUICK, _SMALL = 3, 9


def list_sent() -> list[str]:
    """The modules that are sent, each with its room, such as C(_store.disk)."""
    whole = [f"{room}.{path.stem}" for room in _WHOLE_ROOMS for path in (_FOLDER / room).glob("*.py")]
    return sorted([*whole, *(f"{room}.{name}" for room, names in _OF_ROOMS.items() for name in names)])


def code_to_send() -> str:
    """Return the code as one line of base64, packed once for all runs; anew where a file of it has changed."""
    paths = [_path(name) for name in list_sent()]
    folder = kept_beside(__file__)
    if folder is None:
        return _pack(paths, _QUICK)
    states = [(str(path), state.st_size, state.st_mtime_ns) for path, state in zip(paths, map(os.stat, paths))]
    made_of = hashlib.sha256(repr(states).encode()).hexdigest()
    kept = folder / "code.sent"
    with contextlib.suppress(OSError, ValueError):
        of_kept, code = kept.read_text("ascii").split("\n")
        if of_kept == made_of:
            return code
    code = _pack(paths, _SMALL)
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=folder) as scratch:
        new = Path(scratch) / "new"  # No other run reads half of it.
        new.write_text(f"{made_of}\n{code}", "ascii")
        new.replace(kept)
    return code


def _pack(paths: Sequence[Path], level: int) -> str:
    """Pack the files: a table of their lengths, and their contents behind it, compressed."""
    contents = [path.read_bytes() for path in paths]
    table = json.dumps({f"{path.parent.name}.{path.stem}": len(each) for path, each in zip(paths, contents)})
    return base64.b64encode(zlib.compress(b"\n".join([table.encode(), b"".join(contents)]), level)).decode()


def _path(name: str) -> Path:
    return _FOLDER.joinpath(*name.split(".")).with_suffix(".py")
