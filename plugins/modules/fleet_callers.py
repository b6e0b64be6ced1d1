#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_callers
short_description: A table of what M(mtls.httpd.caller_info) found on the hosts of a fleet
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Puts what was registered on each host together, and prints a table of who called and who was refused, with the
    C(allowed_clients) of each site to paste.
  - Works on the controller, in its process.
attributes:
  check_mode:
    support: full
    description: Only prints.
  diff_mode:
    support: none
    description: Changes nothing.
  platform:
    platforms: posix
    support: full
    description: Works on the controller.
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  hosts:
    description:
      - The hosts that were asked, by their names in the inventory. One for which nothing is registered is reported as
        not asked.
    type: list
    elements: str
    required: true
  variable:
    description:
      - The variable that the result of M(mtls.httpd.caller_info) was registered as, on each host.
    type: str
    default: mutual_tls_callers
  summary:
    description:
      - Whether to return the message alone, for a playbook whose output is read by people.
    type: bool
    default: false
seealso:
  - module: mtls.httpd.caller_info
"""

EXAMPLES = r"""
- name: Ask each host who called
  hosts: webhooks
  gather_facts: false
  become: true
  tasks:
    - name: Ask
      mtls.httpd.caller_info:
      register: mutual_tls_callers

- name: Say who called
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Print the table
      mtls.httpd.fleet_callers:
        hosts: "{{ groups.webhooks }}"
"""

RETURN = r"""
msg:
  description: How many called, and how many were refused.
  returned: always
  type: str
  sample: 1 client made 2,023 calls since 2026-10-30; 3 handshakes refused.
table:
  description: The lines that were printed.
  returned: without O(summary)
  type: list
  elements: str
  sample: ["Who called:"]
"""
