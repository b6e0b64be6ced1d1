#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_report
short_description: A table, and files, of what M(mtls.httpd.site_info) found on the hosts of a fleet
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Puts what was registered on each host together, says what is amiss, the worst first, prints a table of it, and
    writes it to files.
  - Fails if something is as bad as O(fail_on) says, so that C(cron), a monitor or AWX can call it. Before that,
    everything is printed and written.
  - Works on the controller, in its process.
attributes:
  check_mode:
    support: full
    description: Prints, and writes the files of O(files) too, because these are on the controller, and were asked for.
  diff_mode:
    support: none
    description: Changes nothing on a host.
  platform:
    platforms: posix
    support: full
    description: Works on the controller.
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  hosts:
    description:
      - The hosts that were looked at, by their names in the inventory. One for which nothing is registered is reported
        as not asked. May be empty if there are O(reports).
    type: list
    elements: str
    required: true
  reports:
    description:
      - Files on the controller that other runs have written by O(files) as V(.json), such as runs on slices of an
        inventory. Their hosts are reported as they were then, beside O(hosts), and compared with them. If a host is in
        several, the latest counts.
    type: list
    elements: str
    default: []
  variable:
    description:
      - The variable that the result of M(mtls.httpd.site_info) was registered as, on each host.
    type: str
    default: mutual_tls_status
  files:
    description:
      - Files to write on the controller, by their endings. V(.html) is a page for people, V(.md) for a wiki or a
        ticket, V(.csv) for a spreadsheet, V(.json) for programs, and V(.prom) for node_exporter's textfile folder.
      - Each is replaced at once, by a rename. Its folder must be there. V(~) is the home of who runs Ansible.
    type: list
    elements: str
    default: []
  warn_days:
    description:
      - From how many days before the end of a certificate or client CA there is a warning.
    type: int
    default: 30
  critical_days:
    description:
      - From how many days before the end this is critical.
    type: int
    default: 7
  fail_on:
    description:
      - What is bad enough to fail. V(warning) is everything that is amiss, V(critical) what costs callbacks, or lets
        others in, today or within O(critical_days).
    type: str
    choices: [warning, critical, never]
    default: warning
  everything:
    description:
      - Whether to print each row of a large fleet (more than 40 rows), also where all is well.
    type: bool
    default: false
  summary:
    description:
      - Whether to return the message alone, for a playbook whose output is read by people. A task that fails shows all
        that it returns, and the table was printed before.
    type: bool
    default: false
seealso:
  - module: mtls.httpd.site_info
"""

EXAMPLES = r"""
- name: Look at the sites of each host
  hosts: webhooks
  gather_facts: false
  become: true
  tasks:
    - name: Look
      mtls.httpd.site_info:
        sites: "{{ mutual_tls_sites }}"
      register: mutual_tls_status

- name: Say how the fleet is
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Print the table, and write a page
      mtls.httpd.fleet_report:
        hosts: "{{ groups.webhooks }}"
        files: [fleet.html]
"""

RETURN = r"""
severity:
  description: The worst of what is amiss, V(critical), V(warning), or V(well) where nothing is.
  returned: without O(summary)
  type: str
  sample: warning
table:
  description: The lines that were printed.
  returned: without O(summary)
  type: list
  elements: str
  sample:
    - "2 hosts, 1 site: all is well. First to end: the certificate of www.example.com on d1, 2027-05-27, in 180 days."
reasons:
  description: What is amiss, the worst first.
  returned: without O(summary)
  type: list
  elements: dict
  contains:
    severity:
      description: V(critical) or V(warning).
      returned: always
      type: str
      sample: critical
    code:
      description: A code of C(docs/messages.md).
      returned: always
      type: str
      sample: not-enforced
    host:
      description: The host, empty for what several hosts have together.
      returned: always
      type: str
      sample: n1
    domain:
      description: The site, empty for the host.
      returned: always
      type: str
      sample: www.example.com
    message:
      description: What is wrong.
      returned: always
      type: str
      sample: www.example.com lets strangers in (the client certificate is optional, and must be required).
    remedy:
      description: What to do.
      returned: always
      type: str
      sample: Look for what else answers there, and deploy.
    hosts:
      description:
        - For what several hosts have together, those that differ from what most serve.
        - Empty if no group is the largest, and for all else.
      returned: always
      type: list
      elements: str
      sample: []
    ends:
      description: When the certificate, client CA or list that it is about ends, in UTC; empty for all else.
      returned: always
      type: str
      sample: ""
faults:
  description:
    - What is wrong with the options, each by itself, with the code V(bad-option). The message tells all of it.
    - As in the result of M(mtls.httpd.sites).
  returned: failure, where an option is wrong
  type: list
  elements: dict
  sample:
    - code: bad-option
      domain: ""
      message: "option 'warn_days' must be a whole number, and is text that is none."
      remedy: Correct the option that the message names.
"""
