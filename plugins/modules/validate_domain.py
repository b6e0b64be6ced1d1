# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What runs is plugins/action/validate_domain.py, on the controller.

DOCUMENTATION = r"""
module: validate_domain
short_description: Check domains against the rules of Chat's console
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Names every rule that every given domain breaks, all in one message. Fails when there is any.
  - The rules are those under which Chat registers the domain of a webhook URL. Letters, digits and hyphens only, and
    the dots between names. No space and no special character. No two hyphens in a row, none on its own, none at the
    start or end of a name. At most 63 characters in all, dots included.
  - So internationalised names of the form C(xn--) and wildcards are refused. An IP address is refused as well.
  - Upper and lower case are accepted.
notes:
  - Works in the controller's process. C(become) means nothing to it, and C(delegate_to) is an error.
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
  diff_mode:
    support: none
    description: Changes nothing.
  platform:
    platforms: posix
    support: full
    description: The target is not looked at.
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  domain:
    description:
      - The domains, or a single one. A text is one domain, it is not split at commas.
    type: list
    elements: str
    required: true
    aliases: [domains]
seealso:
  - plugin: mtls.httpd.domain
    plugin_type: test
  - module: mtls.httpd.validate_certificate
"""

EXAMPLES = r"""
- name: Check the domain before anything is ordered for it
  mtls.httpd.validate_domain:
    domain: www.example.com

- name: Check all domains of an inventory in one task
  mtls.httpd.validate_domain:
    domain: "{{ groups['webhooks'] | map('extract', hostvars, 'webhook_domain') | list }}"
  run_once: true
"""

RETURN = r"""
domains:
  description: What was found, for each domain in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    domain:
      description: The domain in lower case, as it is compared. Shortened to a description where it is far too long.
      returned: always
      type: str
      sample: www.example.com
    valid:
      description: Whether it breaks no rule.
      returned: always
      type: bool
      sample: true
    problems:
      description: The rules that it breaks.
      returned: always
      type: list
      elements: dict
      contains:
        rule:
          description:
            - Stable name of the rule. One of V(empty), V(too-long), V(ip-address), V(space), V(special-character),
              V(empty-label), V(lone-hyphen), V(leading-hyphen), V(trailing-hyphen), V(consecutive-hyphens).
          returned: always
          type: str
          sample: consecutive-hyphens
        message:
          description: What is wrong, where, and what to do. Positions count from 1.
          returned: always
          type: str
          sample: "'www--a.example.com': has two hyphens in a row at position 4; leave one."
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
      message: "option 'timeout' must be a number, and is text that is none."
      remedy: Correct the option that the message names.
"""
