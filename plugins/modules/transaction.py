#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: transaction
short_description: The target's half of mtls.httpd.sites
version_added: 0.1.0
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
    description: Linux, as the rehearsal and the dialogue with the running server lean on C(/proc).
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  payload:
    description:
      - Wishes, rendered text, material and probes in one line of base64, as M(mtls.httpd.sites) makes it.
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
faults:
  description: As RV(mtls.httpd.sites#module:faults).
  returned: failure
  type: list
  elements: dict
  sample: []
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mtls.httpd.plugins.module_utils import _python


def main() -> None:
    module = AnsibleModule(
        argument_spec={"payload": {"type": "str", "required": True, "no_log": True}}, supports_check_mode=True
    )
    if _python.too_old():
        module.fail_json(msg=_python.too_old())
    # An older Python does not even understand them.
    from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import OperatorError, list_faults
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import unpacked

    try:
        request = unpacked(module.params["payload"])
        recording = processes.recording() if request.holds_keys else ""
        if recording:
            module.warn(
                f"sudo on this host records what it is sent, and so the private keys, in {recording}: remove that "
                "file, and take log_input and log_stdin out of its sudoers for this user, or connect as root."
            )
        report = run.carry_out(request, check=module.check_mode)
    except OperatorError as error:
        module.fail_json(msg=str(error), faults=list_faults(error.faults))
    module.exit_json(**asdict(report))


if __name__ == "__main__":
    main()
