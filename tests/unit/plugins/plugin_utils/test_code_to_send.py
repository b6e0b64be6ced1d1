# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That the code for the target is packed once, and again when a file of it has changed.

That all of it is sent, and how it is imported there, is tested in tests/unit/plugins/module_utils/test_sent_code.py.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ansible_collections.mtls.httpd.plugins.plugin_utils import _code_to_send

PLUGINS = Path(_code_to_send.__file__).parents[1]
PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("code", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.code_to_send())
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Return a copy of the plugins, without what Python keeps."""
    return Path(shutil.copytree(PLUGINS, tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__")))


def packed(plugins: Path, **environment: str) -> dict[str, int]:
    """Return how long each file is that a process of its own packs."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROGRAM, str(plugins / "plugin_utils" / "_code_to_send.py")]
    done = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lengths: dict[str, int] = json.loads(zlib.decompress(base64.b64decode(done.stdout)).partition(b"\n")[0])
    return lengths


def kept(folder: Path) -> Path:
    """Return the only file in which packed code is kept."""
    (found,) = folder.rglob("*.sent")
    return found


def test_it_is_packed_once_for_all_runs(plugins: Path) -> None:
    lengths = packed(plugins)
    assert lengths == {name: _code_to_send._path(name).stat().st_size for name in _code_to_send.list_sent()}
    before = kept(plugins).stat()
    assert packed(plugins) == lengths
    after = kept(plugins).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert {path.suffix for path in kept(plugins).parent.iterdir()} == {".pyc", ".sent"}


def test_what_was_changed_is_packed_anew(plugins: Path) -> None:
    before = packed(plugins)
    with (plugins / "module_utils" / "_store" / "disk.py").open("a") as file:
        file.write("# longer")
    assert packed(plugins) == before | {"_store.disk": before["_store.disk"] + 8}


@pytest.mark.parametrize("content", ["", "cut", "\n", "other\nAAAA", "\udcff"])
def test_what_is_kept_but_is_no_code_of_today_is_packed_anew(plugins: Path, content: str) -> None:
    sound = packed(plugins)
    kept(plugins).write_text(content, errors="surrogateescape")
    assert packed(plugins) == sound
    assert kept(plugins).stat().st_size > 100_000


def test_it_lies_where_python_is_told_to_keep_bytecode(plugins: Path, tmp_path: Path) -> None:
    packed(plugins, PYTHONPYCACHEPREFIX=str(tmp_path / "elsewhere"))
    assert kept(tmp_path / "elsewhere")
    assert not list(plugins.rglob("*.sent"))


def test_nothing_is_kept_where_it_may_not_be(plugins: Path) -> None:
    assert packed(plugins, PYTHONDONTWRITEBYTECODE="1") == packed(plugins)
    kept(plugins).unlink()
    packed(plugins, PYTHONDONTWRITEBYTECODE="1")
    assert not list(plugins.rglob("*.sent"))


def test_it_is_sent_where_nothing_can_be_kept(plugins: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert packed(plugins, PYTHONPYCACHEPREFIX=str(tmp_path / "file")) == packed(plugins)
