# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugins import of the collection, compiled once and not in each run.

Ansible keeps the bytecode of plugins, but its loader of collections keeps none, so that each run compiled 600 KB of
source for C(sites), for half of the time that its import took. Python's own loader keeps it in C(__pycache__) beside
the source, or where PYTHONPYCACHEPREFIX says. Where it cannot be written, or is not to be, all is compiled as before.
What else the plugins make once, such as compiled templates, is kept in the same folder.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

_PLUGINS = __name__.rsplit(".", 2)[0] + "."


@contextlib.contextmanager
def kept_bytecode() -> Iterator[None]:
    """Import what the collection imports of itself within this context by Python's own loader.

    No cyclic garbage is looked for meanwhile: an import makes next to none, and Ansible holds much to walk through.
    """
    collects, finder = gc.isenabled(), _OwnFiles()
    gc.disable()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if collects:
            gc.enable()


def kept_beside(source: str) -> Path | None:
    """Return the folder in which Python keeps the bytecode of a file; None where it cannot, or is not to."""
    if sys.dont_write_bytecode:
        return None
    folder = Path(cache_from_source(source)).parent
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder if os.access(folder, os.W_OK) else None


class _OwnFiles:
    """Finds the files of the collection's plugins, in the folders that Ansible has found for their packages."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of the collection lies; None for its packages, and for everything else."""
        if not fullname.startswith(_PLUGINS):
            return None
        specs = (_finder(folder).find_spec(fullname, target) for folder in path or ())
        return next((spec for spec in specs if spec and spec.loader), None)


@functools.cache
def _finder(folder: str) -> FileFinder:
    return FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES))
