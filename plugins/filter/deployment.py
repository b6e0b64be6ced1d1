# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.deployment import (
    Outcome,
    find_why_not_done,
    tell_deployment,
    tell_put_back,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.dry_run import tabulate_dry_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DOCUMENTATION = r"""
name: deployment
short_description: Tell what became of a deployment to a fleet
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Tells in a few lines which hosts are deployed, which failed and why, which were not begun, and how to go on.
    For a host that was changed, it returns what puts it back to what it served.
options:
  _input:
    description: The hosts.
    type: list
    elements: str
    required: true
  judged:
    description: What judging returned, by host, in their order.
    type: list
    elements: dict
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
  put_back:
    description: What M(mtls.httpd.sites) returned when a host was put back, in their order.
    type: list
    elements: dict
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
    msg: "{{ (['web1'] | mtls.httpd.deployment([{}], [mutual_tls_applied], [{}], [''])).said }}"
"""

RETURN = r"""
_value:
  description:
    - What is C(said), in lines, why hosts C(failed), by host, C(way_back), the sites by which each changed host goes
      back, and C(returned), lines on those that were put back. In check mode, C(table) has the lines of a table of what
      would be done to each host.
  type: dict
"""


def deployment(
    hosts: Sequence[str],
    judged: Sequence[Mapping[str, Any]],
    applied: Sequence[Mapping[str, Any] | str],
    confirmed: Sequence[Mapping[str, Any]],
    failed: Sequence[str],
    put_back: Sequence[Mapping[str, Any]] = (),
    *,
    limit: str = "",
    check: bool = False,
) -> dict[str, Any]:
    """Return what is said of a deployment, and what takes it back."""
    outcomes = [
        Outcome(
            host,
            str(verdict.get("msg", "its material is bad")) if verdict.get("failed") else "",
            result if isinstance(result, dict) else None,
            str(why) or find_why_not_done(result, shown, check=check),
        )
        for host, verdict, result, shown, why in zip(hosts, judged, applied, confirmed, failed, strict=True)
    ]
    answers = dict(zip(hosts, put_back, strict=True)) if put_back else None
    return {
        "said": tell_deployment(outcomes, answers, limit=limit, check=check),
        "table": tabulate_dry_run(outcomes) if check else [],
        "failed": {each.host: each.reason for each in outcomes if each.reason},
        "way_back": {} if check else {each.host: each.way_back for each in outcomes if each.way_back},
        "returned": [] if answers is None else tell_put_back(outcomes, answers),
    }


class FilterModule:
    """Ansible asks this class for the filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"deployment": deployment}
