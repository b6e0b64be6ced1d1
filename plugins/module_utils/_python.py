# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The oldest Python on a target. Understood by older ones too, which are to say so."""

from __future__ import annotations

import sys

OLDEST = (3, 9)
NEEDED = (
    f"{OLDEST[0]}.{OLDEST[1]} or newer is needed: install one, and name it by ansible_python_interpreter. "
    "Nothing was touched"
)


def too_old() -> str:
    """Why this Python cannot do the work, in one line; empty where it can."""
    if sys.version_info >= OLDEST:
        return ""
    return f"{sys.executable} on this host is Python {sys.version_info[0]}.{sys.version_info[1]}, and {NEEDED}"
