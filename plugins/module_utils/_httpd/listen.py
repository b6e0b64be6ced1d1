# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Where the user's own configuration listens, or would: what the dump of it no longer tells."""

from __future__ import annotations

import re

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive, endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands


def find_listen_flags(without_us: Description, port: int) -> list[str]:
    """The flags that would bring the user's own Listen for a port: <IfDefine SSL> in SUSE's listen.conf."""
    found = []
    for path in without_us.files:
        depth: list[str] = []
        for line in commands.read(path).splitlines():
            opened = re.match(r"\s*<IfDefine\s+([^>]*)>", line, re.IGNORECASE)
            listen = re.match(r"\s*Listen\s+(\S+)", line, re.IGNORECASE)
            if opened:
                depth.append(opened.group(1).strip())
            elif re.match(r"\s*</IfDefine>", line, re.IGNORECASE) and depth:
                depth.pop()
            elif listen and endpoint(listen.group(1))[1] == str(port):
                found += [name for name in depth[:1] if re.fullmatch(r"\w+", name)]
    return list(dict.fromkeys(found))


def with_ssl_alone(listen: Directive) -> bool:
    """Whether a Listen stands within <IfModule …ssl…>.

    As in Debian's ports.conf; the dump of the configuration no longer tells.
    """
    depth: list[str] = []
    for number, line in enumerate(commands.read(listen.file).splitlines(), 1):
        if number == listen.line:
            return any("ssl" in condition for condition in depth)
        opened = re.match(r"\s*<IfModule\s+([^>]*)>", line, re.IGNORECASE)
        if opened:
            depth.append(opened.group(1).lower())
        elif re.match(r"\s*</IfModule>", line, re.IGNORECASE) and depth:
            depth.pop()
    return False
