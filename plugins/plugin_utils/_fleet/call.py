# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command that somebody typed, told again with what it lacked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible.inventory.manager import split_host_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence


def leave_out(limit: str, hosts: Sequence[str]) -> str:
    """Return what stands behind -l for what a limit leaves, empty for all, without some hosts.

    Ansible splits it at commas, and only where it has none at colons, also at those of an IPv6 address.
    """
    parts = [*(split_host_pattern(limit) if limit else []), *(f"!{host}" for host in hosts)]
    if any(":" in host for host in hosts) and len(parts) == 1:
        parts.insert(0, "all")
    return ("," if any("," in limit or ":" in host for host in hosts) else ":").join(parts)


@dataclass(frozen=True)
class Call:
    """A call of a playbook of the collection.

    inventories: what stands behind -i. limit: what stands behind -l; empty for none. extra: variables behind -e.
    """

    playbook: str
    inventories: tuple[str, ...] = ()
    limit: str = ""
    extra: tuple[str, ...] = ()

    def without(self, hosts: Sequence[str]) -> Call:
        """The same call that leaves hosts out."""
        return replace(self, limit=leave_out(self.limit, hosts))

    def tell(self, *extra: str) -> str:
        """The command, with further variables."""
        words = ["ansible-playbook"]
        for inventory in self.inventories:
            words += ["-i", inventory]
        words.append(f"mtls.httpd.{self.playbook}")
        words += ["-l", self.limit] if self.limit else []
        for each in (*self.extra, *extra):
            words += ["-e", each]
        return shlex.join(words)
