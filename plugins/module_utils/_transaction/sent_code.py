# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Imports the code of the target's half of C(sites) from memory: it travels as one argument of its module.

Ansible would find and send these files by their imports. It parses each of them for that in every run, and Python
compiles a file twice that it imports from a zip (zipimport compiles it to tell its name, and again to run it). Together
that was a quarter of what a run on a host in the wanted state took beyond a ping.

C(plugin_utils/_code_to_send.py) packs it.
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
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_ROOMS = __name__.rsplit(".", 2)[0]  # the package that holds them
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def import_sent(code: str, name: str) -> ModuleType:
    """Import a module of what was sent, such as C(_transaction.call), and whatever it imports from there."""
    table, _newline, content = zlib.decompress(base64.b64decode(code)).partition(b"\n")
    files, at = {}, 0
    for each, length in json.loads(table).items():
        files[f"{_ROOMS}.{each}"] = content[at : at + length]
        at += length
    # Before Ansible's own, which knows but the files of the module that it sent.
    sys.meta_path.insert(0, _SentCode(files))
    return importlib.import_module(f"{_ROOMS}.{name}")


class _SentCode(SourceLoader):
    """Finds and loads modules whose text lies in memory, by their full names."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {self.get_filename(name): content for name, content in files.items()}
        self._names = frozenset(files)
        self._packages = {name.rpartition(".")[0] for name in files}

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
        """Return the text of a module. Raises OSError for what was not sent, as for compiled code."""
        try:
            return self._files[os.fsdecode(path)]
        except KeyError:
            raise FileNotFoundError(path) from None
