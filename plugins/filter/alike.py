# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

DOCUMENTATION = r"""
name: alike
short_description: Find the hosts that are to serve the same
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Compares C(mutual_tls_sites) and C(mutual_tls_warn_days) of hosts, so that what many hosts share is judged once.
  - A site with a C(template) may come out otherwise on each host, and a variable that cannot be read is for its own
    host to tell. Such a host is like no other.
options:
  _input:
    description: The hosts.
    type: list
    elements: str
    required: true
  variables:
    description: Their variables, as C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell which host is judged for which
  ansible.builtin.debug:
    msg: "{{ ['web1', 'web2'] | mtls.httpd.alike(hostvars) }}"
"""

RETURN = r"""
_value:
  description: For each host, the first one that is to serve the same; itself where no host before it is.
  type: dict
"""


def alike(hosts: Sequence[str], variables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return for each host the first one that is to serve the same."""
    first: dict[Hashable, str] = {}
    return {host: first.setdefault(_read_wishes(host, variables), host) for host in hosts}


def _read_wishes(host: str, variables: Mapping[str, Mapping[str, Any]]) -> Hashable:
    """Return what a host is to serve, in a form that equals that of another host with the same wishes."""
    try:
        sites = variables[host]["mutual_tls_sites"]
        if any(site.get("template") for site in sites):
            return host
        return _frozen([sites, variables[host].get("mutual_tls_warn_days", "")])
    except Exception:  # a template of the operator's may raise anything; the host's own judging tells it
        return host


def _frozen(value: object) -> Hashable:
    if isinstance(value, Mapping):
        return frozenset((str(name), _frozen(each)) for name, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return tuple(map(_frozen, value))
    return type(value).__name__, str(value)


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return it by its name."""
        return {"alike": alike}
