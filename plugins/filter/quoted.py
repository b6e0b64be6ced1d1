# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting

DOCUMENTATION = r"""
name: quoted
short_description: Quote a value as one argument of an httpd directive
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Returns the value in double quotes, escaped as httpd reads it.
  - Fails for what no quoting can make safe, which is control characters and V(${), as httpd expands that inside quotes
    too.
  - The message never holds the value.
options:
  _input:
    description: The value. Numbers are taken as text.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show a quoted argument
  ansible.builtin.debug:
    msg: ServerName {{ "www.example.com" | mtls.httpd.quoted }}
"""

RETURN = r"""
_value:
  description: The quoted argument.
  type: str
  sample: '"www.example.com"'
"""


def quoted(value: object) -> str:
    try:
        return quoting.directive(value)
    except quoting.NotQuotable as error:
        raise AnsibleFilterError(
            f"mtls.httpd.quoted: the value cannot stand in httpd's configuration: {error}"
        ) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"quoted": quoted}
