# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What SELinux wants of files, where it is on.

Labels are what the policy says of a path (restorecon(8)). A rehearsal does not show them, as it does not run in httpd's
domain. AppArmor is left alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ENFORCE = "/sys/fs/selinux/enforce"  # There where SELinux is on; 1 where it enforces.


def relabel(paths: Iterable[str]) -> str:
    """Give paths, and what is below them, the labels of the policy. Returns what failed, in one line, or nothing.

    Without restorecon a file keeps the label of the folder that it was made in.
    """
    program = find_program("restorecon")
    there = [path for path in paths if os.path.lexists(path)]
    if not there or not program or not os.path.exists(ENFORCE):
        return ""
    code, _output, errors = run_program([program, "-R", *there])
    return f"`restorecon -R {' '.join(there)}` failed: {' '.join(errors.split())}" if code else ""


def find_program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def run_program(words: Sequence[str]) -> tuple[int, str, str]:
    try:
        # AnsibleModule.run_command has no timeout, and there is no module here.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, "", str(error)
    return done.returncode, done.stdout, done.stderr
