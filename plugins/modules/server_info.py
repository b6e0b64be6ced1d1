#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: What the running httpd, and its binary, say of themselves
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Asks httpd for its layout, user, modules, virtual hosts and files, so that no table of distributions is needed.
  - The httpd that runs is asked as it was called, with its arguments and environment. Where none runs, one that is
    installed is asked.
  - Changes nothing, and leaves the running server alone.
attributes:
  check_mode:
    support: full
    description: Only asks.
  diff_mode:
    support: none
    description: Changes nothing.
  platform:
    platforms: posix
    support: full
    description: Linux, as the running server is found in C(/proc).
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  httpd_binary:
    description:
      - Path of the httpd to ask. Set it where a host has several.
    type: path
  httpd_config:
    description:
      - Path of the main configuration file of the httpd to ask. Set it where several servers share one binary.
    type: path
seealso:
  - module: mtls.httpd.sites
"""

EXAMPLES = r"""
- name: Ask the httpd of this host
  mtls.httpd.server_info:
  register: httpd

- name: Show its virtual hosts
  ansible.builtin.debug:
    msg: "{{ httpd.server.virtual_hosts }}"
"""

RETURN = r"""
found:
  description: Whether there is an httpd.
  returned: always
  type: bool
  sample: true
server:
  description: What it says. Empty where there is none.
  returned: always
  type: dict
  contains:
    binary:
      description: Path of the binary.
      returned: found
      type: str
      sample: /usr/sbin/apache2
    control_program:
      description: Path of C(apachectl), empty where there is none.
      returned: found
      type: str
      sample: /usr/sbin/apachectl
    arguments:
      description: The arguments that say which configuration it reads.
      returned: found
      type: list
      elements: str
      sample: [-d, /etc/apache2]
    version:
      description: Version of httpd.
      returned: found
      type: str
      sample: 2.4.68
    openssl:
      description: Version of the OpenSSL that mod_ssl is linked with, empty where there is no mod_ssl.
      returned: found
      type: str
      sample: OpenSSL 3.0.17 1 Jul 2025
    mpm:
      description: The multi-processing module.
      returned: sound
      type: str
      sample: event
    config:
      description: Path of the main configuration file.
      returned: found
      type: str
      sample: /etc/apache2/apache2.conf
    sound:
      description:
        - Whether the configuration can be read today, as C(httpd -t) tells. It says nothing of keys and certificates.
      returned: found
      type: bool
      sample: true
    problem:
      description: Why it is not sound, in httpd's own words, with file and line. Empty otherwise.
      returned: found
      type: str
      sample: ""
    running:
      description: Whether it runs.
      returned: found
      type: bool
      sample: true
    pid:
      description: Process number of its parent process, null where it does not run.
      returned: found
      type: int
      sample: 4711
    supervised_by:
      description: V(systemd), V(pid-file), or V(container) where it is process 1.
      returned: found
      type: str
      sample: systemd
    unit:
      description: The systemd unit, empty where there is none.
      returned: found
      type: str
      sample: apache2.service
    enabled:
      description: Whether the unit is enabled, null where that is not to be told.
      returned: found
      type: bool
      sample: true
    sockets:
      description: What the running server listens on, as the kernel tells.
      returned: found
      type: list
      elements: dict
      sample: [{address: "::", port: 443}]
    server_root:
      description: ServerRoot.
      returned: sound
      type: str
      sample: /etc/apache2
    pid_file:
      description: Path of the PID file.
      returned: sound
      type: str
      sample: /var/run/apache2/apache2.pid
    error_log:
      description: Path of the main error log.
      returned: sound
      type: str
      sample: /var/log/apache2/error.log
    user:
      description: The user that the workers run as.
      returned: sound
      type: str
      sample: www-data
    group:
      description: The group that the workers run as.
      returned: sound
      type: str
      sample: www-data
    modules:
      description: The modules that are loaded, or linked in.
      returned: sound
      type: list
      elements: str
      sample: [core_module, ssl_module]
    modules_available:
      description: The module files that there are to load.
      returned: sound
      type: list
      elements: str
      sample: [mod_proxy.so, mod_ssl.so]
    files:
      description: The configuration files, in the order in which they are read.
      returned: sound
      type: list
      elements: str
      sample: [/etc/apache2/apache2.conf]
    listen:
      description: The Listen directives.
      returned: sound
      type: list
      elements: dict
      sample: [{arguments: "443", file: /etc/apache2/ports.conf, line: 8}]
    virtual_hosts:
      description: The virtual hosts. The first of an address and port is its default.
      returned: sound
      type: list
      elements: dict
      sample: [{addresses: ["*:443"], name: www.example.com, aliases: [], file: /etc/apache2/sites-enabled/a.conf,
      line: 1}]
clock:
  description: Seconds since 1970 by the target's clock, so that its skew is known.
  returned: always
  type: float
  sample: 1795449600.25
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

import os
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mtls.httpd.plugins.module_utils import _python
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server


def tell_server(server: Server) -> dict[str, Any]:
    """Return what RETURN documents under C(server)."""
    with suppress(commands.HttpdError):  # Where its network cannot be entered, no sockets are told.
        server.join()
    answer: dict[str, Any] = {
        "binary": server.binary,
        "control_program": server.control_program(),
        "arguments": list(server.arguments),
        "version": server.built.version,
        "openssl": server.openssl(),
        "config": server.config,
        "sound": True,
        "problem": "",
        "running": server.running(),
        "pid": server.parent.pid if server.parent else None,
        "supervised_by": server.supervision.kind,
        "unit": server.supervision.unit,
        "enabled": server.supervision.enabled,
        "sockets": [{"address": address, "port": port} for address, port in sorted(server.sockets())],
    }
    try:
        described = server.describe()
    except commands.HttpdError as error:
        return {**answer, "sound": False, "problem": str(error)}
    available = {name for folder in server.module_folders() for name in os.listdir(folder) if name.endswith(".so")}
    return {
        **answer,
        "mpm": next((name[4:-7] for name in described.modules if name.startswith("mpm_")), ""),
        "server_root": described.server_root,
        "pid_file": described.pid_file,
        "error_log": described.error_log,
        "user": described.user,
        "group": described.group,
        "modules": list(described.modules),
        "modules_available": sorted(available),
        "files": list(described.files),
        "listen": [{"arguments": each.arguments, "file": each.file, "line": each.line} for each in described.listens],
        "virtual_hosts": [asdict(host) for host in described.virtual_hosts],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={"httpd_binary": {"type": "path"}, "httpd_config": {"type": "path"}}, supports_check_mode=True
    )
    if _python.too_old():
        module.fail_json(msg=_python.too_old())
    try:
        server = find.find(module.params["httpd_binary"], module.params["httpd_config"])
        answer = tell_server(server) if server else {}
    except commands.HttpdError as error:
        module.fail_json(msg=str(error))
    module.exit_json(found=server is not None, server=answer, clock=time.time())


if __name__ == "__main__":
    main()
