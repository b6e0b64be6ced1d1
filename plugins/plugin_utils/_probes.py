# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The throwaway clients that knock where nothing is rehearsed: one set for a run.

Nobody trusts them there, so all hosts may be asked by the same. Ansible's parent process makes them, and loads their
keys, when it imports the plugins; each of its workers, which asks one host and ends, inherits that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import load_contexts
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import HAS_CRYPTOGRAPHY, make_probes

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Probes


@lru_cache(maxsize=1)
def shared_probes() -> Probes:
    """Return the clients of this run. Wants cryptography."""
    probes = make_probes()
    load_contexts(probes.stranger)
    return probes


if HAS_CRYPTOGRAPHY:  # Without it, an action ends before it asks anybody.
    shared_probes()
