# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What SELinux wants of ports, where it is on.

They are looked up in the policy (semanage-port(8)). A rehearsal does not show it, as it does not run in httpd's domain.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import selinux
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import read
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.selinux import find_program, run_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

# What the policies of Fedora, Red Hat and Debian let httpd_t listen on (name_bind).
_TYPES = {"http_port_t", "http_cache_port_t", "jboss_management_port_t", "jboss_messaging_port_t", "ntop_port_t"}
_TYPES |= {"puppet_port_t"}


def find_forbidden_ports(server: Server, ports: Sequence[int]) -> list[Fault]:
    """Why httpd may not listen on ports that it does not listen on yet, one fault each.

    Nothing where the policy does not enforce, does not confine this httpd, or cannot be asked.
    """
    if not ports or read(selinux.ENFORCE).strip("\0\n ") != "1" or not _confined(server):
        return []
    known = _list_ports()
    found = []
    for port in ports:
        types = {kind for kind, first, last in known if first <= port <= last}
        if known and not types & _TYPES:
            # One that is named by itself can only be modified.
            verb = "-m" if any(first == last == port for _kind, first, last in known) else "-a"
            words = f"port {port}: SELinux does not let httpd listen there"
            remedy = f"`semanage port {verb} -t http_port_t -p tcp {port}`, or choose another port"
            found.append(Fault("port-forbidden", "", words, remedy))
    return found


def _confined(server: Server) -> bool:
    """Whether it runs in httpd's domain, or, where it does not run, would be started in it."""
    if server.parent:
        return ":httpd_t" in read(f"/proc/{server.parent.pid}/attr/current")
    try:
        return b":httpd_exec_t" in os.getxattr(server.binary, "security.selinux")
    except OSError:
        return False


@lru_cache
def _list_ports() -> list[tuple[str, int, int]]:
    """The policy's TCP ports: type, first and last of each range. It takes a second; nothing where it cannot be had."""
    program = find_program("semanage")
    _code, output, _errors = run_program([program, "port", "-l", "-n"]) if program else (0, "", "")
    lines = re.findall(r"^(\w+)\s+tcp\s+(.*)$", output, re.MULTILINE)
    return [
        (kind, int(first), int(last or first))
        for kind, ranges in lines
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", ranges)
    ]
