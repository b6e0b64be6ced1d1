# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code of the target's half of C(sites), packed as C(module_utils/_transaction/sent_code.py) reads it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import json
import marshal
import os
import sys
import tempfile
import zlib
from pathlib import Path

from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_beside

_FOLDER = Path(__file__).parents[1] / "module_utils"
# Of these rooms, the target may need every file. Of the others, it needs what is named.
_WHOLE_ROOMS = ("_httpd", "_machine", "_site", "_store", "_transaction", "_twin")
_OF_ROOMS = {
    "_handshake": ("answers", "calls", "client", "http2", "kept", "transcript", "wire"),
    "_verdict": (
        *("bare_rules", "chain_order", "der", "domain", "findings", "odd_encoding", "public_roots", "refusals"),
        *("secret", "validity", "verdict"),
    ),
}
_UNCHECKED = (0b01).to_bytes(4, "little")  # PEP 552: never compared with its source, with which it travels


def list_sent() -> list[str]:
    """The modules that are sent, each with its room, such as C(_store.disk)."""
    whole = [f"{room}.{path.stem}" for room in _WHOLE_ROOMS for path in (_FOLDER / room).glob("*.py")]
    return sorted([*whole, *(f"{room}.{name}" for room, names in _OF_ROOMS.items() for name in names)])


def code_to_send() -> str:
    """Return the code as one line of base64, with bytecode where that can be kept for the next run.

    It is made anew when a file of it has changed. To make it in each run would take longer than it saves.
    """
    folder = kept_beside(__file__)
    if folder is None:
        return pack_code()
    paths = [_path(name) for name in list_sent()]
    states = [(str(path), state.st_size, state.st_mtime_ns) for path, state in zip(paths, map(os.stat, paths))]
    made_of = hashlib.sha256(repr((sys.version, states)).encode()).hexdigest()
    kept = folder / f"{sys.implementation.cache_tag}.sent"
    with contextlib.suppress(OSError, ValueError):
        of_kept, code = kept.read_text("ascii").split("\n")
        if of_kept == made_of:
            return code
    code = pack_code(compiled=True)
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=folder) as scratch:
        new = Path(scratch) / "new"  # No other run reads half of it.
        new.write_text(f"{made_of}\n{code}", "ascii")
        new.replace(kept)
    return code


def pack_code(*, compiled: bool = False) -> str:
    """Pack the code: whose bytecode it has, a table of the files' lengths, and the files behind it, compressed."""
    lengths, contents = {}, []
    for name in list_sent():
        source = _path(name).read_bytes()
        bytecode = _compile(source, _path(name)) if compiled else b""
        lengths[name] = len(source), len(bytecode)
        contents += [source, bytecode]
    table = json.dumps([sys.implementation.cache_tag if compiled else None, lengths]).encode()
    # A level that takes half the time of the default, and a tenth more to send, if it is done in each run.
    return base64.b64encode(zlib.compress(b"\n".join([table, b"".join(contents)]), -1 if compiled else 3)).decode()


def _path(name: str) -> Path:
    return _FOLDER.joinpath(*name.split(".")).with_suffix(".py")


def _compile(source: bytes, path: Path) -> bytes:
    """Return the bytecode of a file as Python's own caches hold it."""
    code = compile(source, path, "exec", dont_inherit=True)
    return b"".join([importlib.util.MAGIC_NUMBER, _UNCHECKED, importlib.util.source_hash(source), marshal.dumps(code)])
