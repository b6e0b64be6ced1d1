# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program for renewals needs nothing but itself and Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = "ansible_collections.mtls.httpd.plugins.module_utils"
OURS = Path(__file__).resolve().parents[4] / "plugins" / "module_utils"
MAKE = f"""
import sys
sys.path.insert(0, sys.argv[1])
from {PACKAGE}._transaction import renewal, request, run
from {PACKAGE}._room.inner import below
from {PACKAGE}._handshake.answers import Identity, Probes
one = Identity(b"certificate", b"key")
wanted = request.Request((), Probes(b"ca", one, one, b"crl", one))
sys.stdout.buffer.write(renewal.program(sys.argv[2], wanted).content)
"""


def test_it_holds_the_modules_of_each_folder_that_run(tmp_path: Path) -> None:
    tree = tmp_path / PACKAGE.replace(".", "/")
    shutil.copytree(OURS, tree, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "_room" / "inner").mkdir(parents=True)
    (tree / "_room" / "inner" / "below.py").write_text('print("below")\n')
    (tree / "_room" / "not_imported.py").touch()

    program = tmp_path / "program"
    made = subprocess.run([sys.executable, "-I", "-c", MAKE, tmp_path, program], capture_output=True, check=True)
    program.write_bytes(made.stdout.partition(b"\n")[2])
    shutil.rmtree(tree)

    look = (
        f"import sys; sys.path.insert(0, sys.argv[1]); from {PACKAGE}._room.inner import below; import {PACKAGE}._room"
    )
    held = subprocess.run([sys.executable, "-I", "-c", look, program], capture_output=True, text=True, check=False)
    assert (held.stdout, held.stderr) == ("below\n", "")
    absent = subprocess.run(
        [sys.executable, "-I", "-c", look.replace("inner import below", "not_imported import x"), program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No module named" in absent.stderr
