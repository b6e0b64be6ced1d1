# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Imports the code of the target's half of C(sites) from memory: it travels as one argument of its module.

Ansible would find and send these files by their imports. It parses each of them for that in every run, and Python
compiles a file twice that it imports from a zip (zipimport compiles it to tell its name, and again to run it). Together
that was a quarter of what a run on a host in the wanted state took beyond a ping.

C(plugin_utils/_code_to_send.py) packs it, with the bytecode of the controller's Python. A target whose Python is of
that version compiles nothing; any other compiles what it imports.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
import zlib
from importlib.abc import SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import cache_from_source, spec_from_file_location
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_ROOMS = __name__.rsplit(".", 2)[0]  # the package that holds them
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def import_sent(code: str, name: str) -> ModuleType:
    """Import a module of what was sent, such as C(_transaction.call), and whatever it imports from there."""
    table, _newline, content = zlib.decompress(base64.b64decode(code)).partition(b"\n")
    tag, lengths = json.loads(table)
    sources, compiled, at = {}, {}, 0
    for each, (of_source, of_compiled) in lengths.items():
        sources[f"{_ROOMS}.{each}"] = content[at : at + of_source]
        at += of_source
        compiled[f"{_ROOMS}.{each}"] = content[at : at + of_compiled]
        at += of_compiled
    # Before Ansible's own, which knows but the files of the module that it sent.
    sys.meta_path.insert(0, _SentCode(sources, compiled if tag and tag == sys.implementation.cache_tag else {}))
    return importlib.import_module(f"{_ROOMS}.{name}")


class _SentCode(SourceLoader):
    """Finds and loads modules that lie in memory, by their full names: sources, and their bytecode where it fits."""

    def __init__(self, sources: Mapping[str, bytes], compiled: Mapping[str, bytes]) -> None:
        self._files = {self.get_filename(name): content for name, content in sources.items()}
        self._files.update({cache_from_source(self.get_filename(name)): content for name, content in compiled.items()})
        self._names = frozenset(sources)
        self._packages = {name.rpartition(".")[0] for name in sources}

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Tell where a module, or the package of a room, comes from."""
        if fullname in self._packages:
            return ModuleSpec(fullname, None, is_package=True)
        if fullname not in self._names:
            return None
        return spec_from_file_location(fullname, self.get_filename(fullname), loader=self)

    def get_filename(self, fullname: str) -> str:
        """Return the path that the module would have beside this one, which a traceback names."""
        return os.path.join(_FOLDER, *fullname[len(_ROOMS) + 1 :].split(".")) + ".py"

    def get_data(self, path: str | bytes) -> bytes:
        """Return what was sent as this file: a source, or its bytecode. Raises OSError for what was not sent."""
        try:
            return self._files[os.fsdecode(path)]
        except KeyError:
            raise FileNotFoundError(path) from None

    def path_stats(self, path: str | bytes) -> Mapping[str, int]:
        """Return what Python wants to know before it looks for bytecode. What was sent is of one time, its source's."""
        return {"mtime": 0, "size": len(self.get_data(path))}
