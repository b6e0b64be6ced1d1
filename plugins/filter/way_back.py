# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.call import Call
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.kept import read_answers
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.way_back import (
    Wanted,
    plan_way_back,
    tabulate_way_back,
    tell_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DOCUMENTATION = r"""
name: way_back
short_description: Decide what each host of a fleet goes back to
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Compares what the hosts would serve after a way back. They would end in the same, or somebody has said what is
    meant, or there is a sentence that refuses it and says what to type.
options:
  _input:
    description: What M(mtls.httpd.release_info) returned, by host.
    type: dict
    required: true
  domains:
    description: The sites to go back with.
    type: list
    elements: str
    required: true
  undone:
    description: The release, or the content, to go back from, where it is served. Hosts that serve another one stay.
    type: str
    default: ""
  target:
    description: The release, or the content, to go back to. The one before the current one where nothing is given.
    type: str
    default: ""
  differ:
    description: Whether hosts may end in different ones.
    type: bool
    default: false
  inventories:
    description: The inventories of the call, for the command that is told.
    type: list
    elements: str
    default: []
  limit:
    description: The limit of the call, for the command that is told.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: See what this host would go back to
  ansible.builtin.debug:
    msg: "{{ ({inventory_hostname: kept} | mtls.httpd.way_back(['www.example.com'])).table }}"
"""

RETURN = r"""
_value:
  description:
    - The C(table) as lines, the C(refusal), empty where nothing speaks against it, the C(sites) of each host as
      M(mtls.httpd.sites) takes them, and the hosts that are C(lacking) all of them.
  type: dict
"""


def way_back(
    answers: Mapping[str, Any],
    domains: Sequence[str],
    undone: str = "",
    target: str = "",
    *,
    differ: bool = False,
    inventories: Sequence[str] = (),
    limit: str = "",
) -> dict[str, Any]:
    """Return the table, the refusal, the sites of each host, and the hosts that have none of them."""
    told = read_answers(answers)
    names = tuple(dict.fromkeys(domain.lower() for domain in domains))
    wanted = Wanted(names, str(undone).strip(), str(target).strip(), differ)
    way = plan_way_back(told, wanted)
    said = (
        ("rollback_domains", ",".join(names)),
        ("rollback_from", wanted.undone),
        ("rollback_to", wanted.target),
        ("rollback_differ", "true" if differ else ""),
    )
    extra = tuple(f"{name}={value}" for name, value in said if value)
    sites: dict[str, list[dict[str, str]]] = {host: [] for host in answers}
    for step in way.steps:
        if step.after:
            sites[step.host].append({"domain": step.domain, "state": "previous", "release": step.after.name})
    return {
        "table": tabulate_way_back(way, told, wanted),
        "refusal": tell_refusal(way, Call("rollback", tuple(inventories), limit, extra)),
        "sites": sites,
        "lacking": [host for host in answers if host not in {step.host for step in way.steps}],
    }


class FilterModule:
    """Ansible asks this class for the filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"way_back": way_back}
