# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.kept import read_answers
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.releases import tabulate_releases

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DOCUMENTATION = r"""
name: releases_table
short_description: Lay out what hosts told of their releases as a table
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Returns the lines of a table that fits a terminal of 120 columns. Which releases are on which host, since when each
    was current, until when it can be served, and what differs from the one before.
  - A host that told nothing has a line too, which says why.
options:
  _input:
    description: What M(mtls.httpd.release_info) returned, by host.
    type: dict
    required: true
  domains:
    description: The sites to show. All where nothing is given.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Ask this host
  mtls.httpd.release_info:
  register: kept

- name: Show its releases
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: kept} | mtls.httpd.releases_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


def releases_table(answers: Mapping[str, Any], domains: Sequence[str] = ()) -> list[str]:
    """Return the lines of the table."""
    return tabulate_releases(read_answers(answers), [domain.lower() for domain in domains])


class FilterModule:
    """Ansible asks this class for the filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"releases_table": releases_table}
