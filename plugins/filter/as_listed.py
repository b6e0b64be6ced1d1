# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DOCUMENTATION = r"""
name: as_listed
short_description: Give sites that go back the ways past them that the inventory accepts
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Adds C(allow_bypass) of the listed site of the same name to each site. A release does not hold it, and a way back
    would be refused by what is accepted.
options:
  _input:
    description: The sites, as M(mtls.httpd.sites) takes them.
    type: list
    elements: dict
    required: true
  listed:
    description: The sites of the inventory, as C(mutual_tls_sites).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Go back with a site that something else leads past, too
  mtls.httpd.sites:
    sites: "{{ [{'domain': 'www.example.com', 'state': 'previous'}] | mtls.httpd.as_listed(mutual_tls_sites) }}"
"""

RETURN = r"""
_value:
  description: The sites.
  type: list
  elements: dict
"""


def as_listed(sites: Sequence[Mapping[str, Any]], listed: object) -> list[dict[str, Any]]:
    """Return the sites with what the inventory accepts past them."""
    known = [site for site in listed if isinstance(site, dict)] if isinstance(listed, (list, tuple)) else []
    accepted = {str(site.get("domain")).lower(): site.get("allow_bypass") for site in known}
    return [
        {**site, **({"allow_bypass": accepted[site["domain"].lower()]} if accepted.get(site["domain"].lower()) else {})}
        for site in sites
    ]


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return it by its name."""
        return {"as_listed": as_listed}
