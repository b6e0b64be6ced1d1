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


def packed(plugins: Path, **environment: str) -> tuple[str | None, dict[str, tuple[int, int]]]:
    """Return whose bytecode a process of its own packs, and how long each file and its bytecode are."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROGRAM, str(plugins / "plugin_utils" / "_code_to_send.py")]
    done = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    tag, lengths = json.loads(zlib.decompress(base64.b64decode(done.stdout)).partition(b"\n")[0])
    return tag, lengths


def kept(folder: Path) -> Path:
    """Return the only file in which packed code is kept."""
    (found,) = folder.rglob("*.sent")
    return found


def test_bytecode_is_packed_and_kept_for_the_next_run(plugins: Path) -> None:
    tag, lengths = packed(plugins)
    assert tag == sys.implementation.cache_tag
    assert all(of_source > 0 and of_bytecode > 0 for of_source, of_bytecode in lengths.values())
    before = kept(plugins).stat()
    assert packed(plugins) == (tag, lengths)
    assert kept(plugins).stat() == before
    assert {path.suffix for path in kept(plugins).parent.iterdir()} == {".pyc", ".sent"}


def test_what_was_changed_is_packed_anew(plugins: Path) -> None:
    _tag, before = packed(plugins)
    with (plugins / "module_utils" / "_store" / "disk.py").open("a") as file:
        file.write("# longer")
    _tag, after = packed(plugins)
    assert after["_store.disk"][0] == before["_store.disk"][0] + 8
    assert {name for name, lengths in after.items() if lengths != before[name]} == {"_store.disk"}


@pytest.mark.parametrize("content", ["", "cut", "\n", "other\nAAAA", "\udcff"])
def test_what_is_kept_but_is_no_code_of_today_is_made_anew(plugins: Path, content: str) -> None:
    sound = packed(plugins)
    kept(plugins).write_text(content, errors="surrogateescape")
    assert packed(plugins) == sound
    assert kept(plugins).stat().st_size > 100_000


def test_it_lies_where_python_is_told_to_keep_bytecode(plugins: Path, tmp_path: Path) -> None:
    packed(plugins, PYTHONPYCACHEPREFIX=str(tmp_path / "elsewhere"))
    assert kept(tmp_path / "elsewhere")
    assert not list(plugins.rglob("*.sent"))


def test_sources_alone_are_sent_where_nothing_may_be_kept(plugins: Path) -> None:
    tag, lengths = packed(plugins, PYTHONDONTWRITEBYTECODE="1")
    assert tag is None
    assert all(of_source > 0 and of_bytecode == 0 for of_source, of_bytecode in lengths.values())
    assert not list(plugins.rglob("*.sent"))


def test_sources_alone_are_sent_where_nothing_can_be_kept(plugins: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    tag, lengths = packed(plugins, PYTHONPYCACHEPREFIX=str(tmp_path / "file"))
    assert tag is None
    assert lengths == packed(plugins, PYTHONDONTWRITEBYTECODE="1")[1]
