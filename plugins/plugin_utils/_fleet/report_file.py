# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as a file on the controller, which somebody may be reading."""

from __future__ import annotations

import os
import tempfile


def replace_file(path: str, text: str) -> None:
    """Replace a file at once, so that who reads it has the old one or the new, and keeps the old one on a full disk.

    What is no character, such as a byte of a file's name on a host, is written as an escape of JSON. Raises OSError.
    """
    handle, name = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), prefix=".mtls-")
    try:
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(handle)  # A full disk says so here at the latest.
            os.fchmod(handle, 0o644)  # node_exporter, and a web server, are other users
        os.rename(name, path)
    except OSError:
        os.unlink(name)
        raise
