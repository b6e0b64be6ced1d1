# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command that somebody typed, told again with what it lacked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        kept = [self.limit] if self.limit else []
        return replace(self, limit=":".join([*kept, *(f"!{host}" for host in hosts)]))

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
