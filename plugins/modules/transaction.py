#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: transaction
short_description: The target's half of mtls.httpd.sites
author: mtls.httpd contributors (@mtls)
description:
  - Carries out on the target what M(mtls.httpd.sites) has judged and rendered on the controller.
  - Not for playbooks. Call M(mtls.httpd.sites), which calls this.
attributes:
  check_mode:
    support: full
    description: Rehearses, and changes nothing.
  diff_mode:
    support: full
    description: Shows the virtual hosts and the host-level file. Never shows a private key.
  platform:
    platforms: posix
    support: full
    description: Linux, because the rehearsal and the look at the running server need C(/proc).
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  payload:
    description:
      - Wishes, rendered text, material and probes in one line of base64, as M(mtls.httpd.sites) makes it.
    type: str
    required: true
  code:
    description:
      - The code that carries it out, in one line of base64. So Ansible sends the module alone. To find out what else to
        send would take it longer than all the rest of a run on the controller.
    type: str
    required: true
seealso:
  - module: mtls.httpd.sites
"""

EXAMPLES = r"""
- name: Call the module that judges and renders first
  become: true
  mtls.httpd.sites:
    sites:
      - domain: www.example.com
        certificate: files/www.example.com.crt
        chain: files/www.example.com.chain.crt
        private_key: files/www.example.com.key
        client_ca: files/TencentQQAuthCA.crt.zip
"""

RETURN = r"""
sites:
  description: As RV(mtls.httpd.sites#module:sites).
  returned: success
  type: list
  elements: dict
  sample: []
clock:
  description:
    - Seconds since 1970 by the target's clock at the end. From these the controller knows how long the connection took.
  returned: success
  type: float
  sample: 1796000000.5
faults:
  description: As RV(mtls.httpd.sites#module:faults).
  returned: failure
  type: list
  elements: dict
  sample: []
"""

import gc

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mtls.httpd.plugins.module_utils import _python


def main() -> None:
    # This process ends with its one call, and what httpd tells may be tens of thousands of objects to look through.
    gc.disable()
    text = {"type": "str", "required": True, "no_log": True}
    module = AnsibleModule(argument_spec={"payload": text, "code": text}, supports_check_mode=True)
    if _python.too_old():
        module.fail_json(msg=_python.too_old())
    # An older Python does not even understand it.
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction import sent_code

    call = sent_code.import_sent(module.params["code"], "_transaction.call")
    answer = call.answer(module.params["payload"], check=module.check_mode)
    for warning in answer.warnings:
        module.warn(warning)
    if answer.failed:
        module.fail_json(**answer.result)
    module.exit_json(**answer.result)


if __name__ == "__main__":
    main()
