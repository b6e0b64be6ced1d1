# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.deployment import (
    Outcome,
    find_why_not_done,
    tell_rollback,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DOCUMENTATION = r"""
name: gone_back
short_description: Tell what became of a rollback of a fleet
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Tells in a few lines which hosts went back, which failed and why, which were not begun, and how to go on.
options:
  _input:
    description: The hosts.
    type: list
    elements: str
    required: true
  sites:
    description: The C(sites) of the P(mtls.httpd.way_back#filter) filter. A host with an empty list was not to go back.
    type: dict
    required: true
  applied:
    description: What M(mtls.httpd.sites) returned, by host, in their order. Empty text for a host that was not begun.
    type: list
    elements: raw
    required: true
  confirmed:
    description: What M(mtls.httpd.handshake_info) returned when the host was confirmed, in their order.
    type: list
    elements: dict
    required: true
  failed:
    description: Why each host failed, in their order. Empty text for one that did not.
    type: list
    elements: str
    required: true
  lacking:
    description: The C(lacking) of the P(mtls.httpd.way_back#filter) filter. They have no such site.
    type: list
    elements: str
    default: []
  limit:
    description: The limit of the call, for the command that is told.
    type: str
    default: ""
  check:
    description: Whether nothing was changed, as in check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say what became of it
  ansible.builtin.debug:
    msg: "{{ (['web1'] | mtls.httpd.gone_back({'web1': [{}]}, [mutual_tls_applied], [{}], [''])).said }}"
"""

RETURN = r"""
_value:
  description: What is C(said), in lines, and why hosts C(failed), by host.
  type: dict
"""


def gone_back(
    hosts: Sequence[str],
    sites: Mapping[str, Sequence[Mapping[str, Any]]],
    applied: Sequence[Mapping[str, Any] | str],
    confirmed: Sequence[Mapping[str, Any]],
    failed: Sequence[str],
    *,
    lacking: Sequence[str] = (),
    limit: str = "",
    check: bool = False,
) -> dict[str, Any]:
    """Return what is said of a rollback, and who failed."""
    outcomes = [
        Outcome(
            host,
            applied=result if isinstance(result, dict) else None,
            failed=str(why) or find_why_not_done(result, shown, check=check),
        )
        for host, result, shown, why in zip(hosts, applied, confirmed, failed, strict=True)
    ]
    others = [host for host in hosts if host in sites and not sites[host] and host not in lacking]
    return {
        "said": tell_rollback(outcomes, others, lacking, limit=limit, check=check),
        "failed": {each.host: each.reason for each in outcomes if each.reason},
    }


class FilterModule:
    """Ansible asks this class for the filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"gone_back": gone_back}
