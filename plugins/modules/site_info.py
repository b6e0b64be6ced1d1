#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_info
short_description: What each mutual TLS site of a host is, on the disk and by handshakes
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Looks at the sites that M(mtls.httpd.sites) has put on a host, whether the inventory lists them or not. Tells what
    they are on the disk and until when, what they ask of strangers, what is not as an earlier run left it, what else
    serves their content, and whether httpd would survive a reload.
  - Handshakes of strangers are made on the host itself, and from the controller if it reaches the host over the
    network.
  - Changes nothing, and leaves the running server alone. One trip to the host.
  - The playbook C(mtls.httpd.status) makes a table of it for a fleet.
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
  sites:
    description:
      - The sites that the host is to serve, as in M(mtls.httpd.sites). What the host serves is compared with the name,
        port, addresses, aliases, pins and paths of each and, if it is a PEM file, with its certificate.
      - Nothing of it is sent to the host but names, O(mtls.httpd.sites#module:sites[].allow_bypass) and
        O(mtls.httpd.sites#module:sites[].allow_programs).
      - Without it, nothing is compared.
    type: list
    elements: dict
  rehearse:
    description:
      - Whether to rehearse today's configuration, as M(mtls.httpd.sites) rehearses a change. It shows whether httpd
        would survive its next reload, such as that of C(logrotate) at midnight, and whether anybody would get in who
        must not. It takes a second or more on each host.
      - Without it, the files that the configuration names are loaded, and httpd is asked about the configuration.
    type: bool
    default: false
  timeout:
    description:
      - Seconds for the handshakes from the controller, at each path of a site. A site that does not answer at all is
        asked once. After four times as long without answers, no other site of the host is asked, and what is asked of
        strangers there counts as not seen from the controller.
    type: float
    default: 5
  httpd_binary:
    description:
      - Path of the httpd to ask. Set it where a host has several.
    type: path
  httpd_config:
    description:
      - Path of the main configuration file of the httpd to ask. Set it where several servers share one binary.
    type: path
  payload:
    description:
      - What the controller sends. Set by the action plugin, not by you.
    type: str
  code:
    description:
      - The code that looks. Set by the action plugin, not by you.
    type: str
seealso:
  - module: mtls.httpd.sites
  - module: mtls.httpd.server_info
  - module: mtls.httpd.fleet_report
"""

EXAMPLES = r"""
- name: Look at the sites of this host
  become: true
  mtls.httpd.site_info:
    sites: "{{ mutual_tls_sites }}"
  register: looked

- name: Show until when each is served
  ansible.builtin.debug:
    msg: "{{ looked.sites | items2dict(key_name='domain', value_name='ends') }}"
"""

RETURN = r"""
found:
  description: Whether there is an httpd.
  returned: success
  type: bool
  sample: true
python:
  description: Version of the Python on the host.
  returned: success
  type: str
  sample: 3.11.2
clock:
  description: Seconds since 1970 by the target's clock.
  returned: success
  type: float
  sample: 1795449600.25
clock_skew:
  description: Seconds by which the target's clock is surely ahead of the controller's, negative where it is behind.
  returned: found
  type: float
  sample: 0.0
server:
  description: The httpd that was asked.
  returned: found
  type: dict
  contains:
    binary:
      description: Path of the binary.
      returned: always
      type: str
      sample: /usr/sbin/apache2
    version:
      description: Version of httpd.
      returned: always
      type: str
      sample: 2.4.68
    openssl:
      description: Version of the OpenSSL that mod_ssl is linked with, empty where there is no mod_ssl.
      returned: always
      type: str
      sample: OpenSSL 3.0.17 1 Jul 2025
    config:
      description: Path of the main configuration file.
      returned: always
      type: str
      sample: /etc/apache2/apache2.conf
    running:
      description: Whether it runs.
      returned: always
      type: bool
      sample: true
    supervised_by:
      description: V(systemd), V(pid-file), or V(container) where it is process 1.
      returned: always
      type: str
      sample: systemd
    unit:
      description: The systemd unit, empty where there is none.
      returned: always
      type: str
      sample: apache2.service
    enabled:
      description: Whether the unit is enabled, null where that is not to be told.
      returned: always
      type: bool
      sample: true
    identity:
      description:
        - What tells this httpd from every other as long as it runs, so that two names of an inventory that mean one are
          found. Empty where that is not to be known.
      returned: always
      type: str
      sample: 9c1185a5c5e9fc54
next_reload:
  description: Whether httpd would survive its next reload, or would end at it.
  returned: found
  type: dict
  contains:
    survives:
      description: Whether it would, null where that is not known.
      returned: always
      type: bool
      sample: true
    decided_by:
      description: V(files), V(httpd), V(full rehearsal) or V(reduced rehearsal).
      returned: always
      type: str
      sample: full rehearsal
    message:
      description: Why it would not, with file and line, or why that is not known. Empty otherwise.
      returned: always
      type: str
      sample: ""
amiss:
  description: What is not as an earlier run left it, or is left over from one, by path.
  returned: found
  type: list
  elements: str
  sample: [/etc/apache2/mtls/www.example.com/current leads elsewhere]
faults:
  description:
    - What is wrong with the host and its sites, as in the result of M(mtls.httpd.sites).
    - On failure, what is wrong with the options, or why the host tells nothing.
  returned: always
  type: list
  elements: dict
  sample:
    - code: stranger-let-in
      domain: www.example.com
      message: "www.example.com at 127.0.0.1:443: a client without a certificate got in over TLSv1.3: HTTP/1.1 200 OK"
      remedy: Look for what else decides at that path, such as Require, Satisfy, RewriteRule or ErrorDocument.
unlisted:
  description: Domains that the host serves and O(sites) does not list. Null without O(sites).
  returned: found
  type: list
  elements: str
  sample: [old.example.com]
missing:
  description: Domains that O(sites) lists as present and the host does not have. Null without O(sites).
  returned: found
  type: list
  elements: str
  sample: []
sites:
  description: The sites that are on the host. If the facts of one cannot be read, it has only the first five of these.
  returned: found
  type: list
  elements: dict
  contains:
    domain:
      description: Its domain.
      returned: always
      type: str
      sample: www.example.com
    release:
      description: The name of its current release.
      returned: always
      type: str
      sample: 3f9c54d08a1b77e2
    previous:
      description:
        - The name of the release to roll back to, null where there is none. The current one where the site went back
          already, so that it stays.
      returned: always
      type: str
      sample: 81aa04b7c1d2e3f4
    since:
      description: When the current release last became that, in UTC, null where that is not known.
      returned: always
      type: str
      sample: "2026-11-23T16:39:00Z"
    whole:
      description: Whether the release is as it was written.
      returned: always
      type: bool
      sample: true
    known:
      description: Whether its facts could be read, so that the rest is told. They may be of a release that is damaged.
      returned: always
      type: bool
      sample: true
    port:
      description: Its port.
      returned: known
      type: int
      sample: 443
    listen:
      description: Its addresses; none for all of the host's.
      returned: known
      type: list
      elements: str
      sample: []
    aliases:
      description: Its other names.
      returned: known
      type: list
      elements: str
      sample: []
    certificate:
      description: Its certificate, with subject, issuer (RFC 4514), SHA-256 and dates (UTC).
      returned: known
      type: dict
      sample:
        subject: CN=www.example.com
        issuer: CN=Example CA,O=Example
        sha256: 9f2c0c8a5b7d4e1f9f2c0c8a5b7d4e1f9f2c0c8a5b7d4e1f9f2c0c8a5b7d4e1f
        not_before: "2026-11-23T16:39:00Z"
        not_after: "2027-02-21T16:39:00Z"
    chain:
      description: The certificates that are sent with it, each in the same form.
      returned: known
      type: list
      elements: dict
      sample: []
    client_ca:
      description: Its client CAs, each in the form of RV(sites[].certificate).
      returned: known
      type: list
      elements: dict
      sample: []
    crls:
      description: The revocation lists of its client CAs, with issuer, this and next update.
      returned: known
      type: list
      elements: dict
      sample: []
    crl_ends:
      description: When the first of these is due to be renewed, null where it has none.
      returned: known
      type: str
      sample: "2026-12-23T16:39:00Z"
    ends:
      description: When the first of certificate, chain and client CAs ends.
      returned: known
      type: str
      sample: "2027-02-21T16:39:00Z"
    verify_client:
      description: The SSLVerifyClient of its virtual host.
      returned: known
      type: str
      sample: require
    wanted:
      description: What is to be asked of strangers, V(enforced) or V(optional).
      returned: known
      type: str
      sample: enforced
    mutual_tls:
      description: What is asked of them by handshakes on the host, V(enforced), V(optional), V(off) or V(unproven).
      returned: known
      type: str
      sample: enforced
    from_controller:
      description: The same by handshakes from the controller; null where it does not reach the site over the network.
      returned: known
      type: str
      sample: enforced
    served:
      description: The certificate that is served, if it is not the site's own; in the same form.
      returned: known
      type: dict
      sample:
    pins:
      description: The clients that may call, as C(subject:…), C(dns:…), C(email:…) or C(certificate:) with a SHA-256.
      returned: known
      type: list
      elements: str
      sample: ["subject:CN=Chat,O=Tencent"]
    pinned:
      description: The certificates among RV(sites[].pins), each in the form of RV(sites[].certificate).
      returned: known
      type: list
      elements: dict
      sample: []
    open_paths:
      description: The paths that need no certificate, where all others do.
      returned: known
      type: list
      elements: str
      sample: []
    protected_paths:
      description: The paths that need one, where the others do not.
      returned: known
      type: list
      elements: str
      sample: []
    callback_paths:
      description: Where Chat calls.
      returned: known
      type: list
      elements: str
      sample: [/]
    versions:
      description: The versions of TLS that it is to speak.
      returned: known
      type: list
      elements: str
      sample: [TLSv1.2, TLSv1.3]
    proxy_protocol:
      description: Whether connections begin with a PROXY header.
      returned: known
      type: bool
      sample: false
    callers:
      description:
        - The last five clients that called it within 30 days, the last first, with subject, issuer (null where no line
          tells it), when they called last (UTC), how often, and the statuses that they got. Of a large log, its end is
          read. Null where no log tells who called. M(mtls.httpd.caller_info) tells all.
      returned: known
      type: list
      elements: dict
      sample:
        - subject: CN=Chat,O=Tencent
          issuer: CN=TencentQQAuthCA
          last: "2026-11-28T19:45:00Z"
          calls: 2023
          statuses: {"200": 2022, "503": 1}
    renewal_hook:
      description: The host's program that renews it, null where there is none.
      returned: known
      type: str
      sample:
    include:
      description: The file that a virtual host of your own includes, with C(manage=directives); else null.
      returned: known
      type: str
      sample:
    remote_src:
      description: Whether its material is on the host, as O(sites) says. Null without O(sites).
      returned: known
      type: bool
      sample: false
    differs:
      description: The options of O(sites) that differ from what the host has. Null without O(sites).
      returned: known
      type: list
      elements: str
      sample: [certificate]
"""

import gc

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mtls.httpd.plugins.module_utils import _python


def main() -> None:
    # This process ends with its one call, and what httpd tells may be tens of thousands of objects to look through.
    gc.disable()
    module = AnsibleModule(
        argument_spec={
            "sites": {"type": "list", "elements": "dict"},
            "rehearse": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 5},
            "httpd_binary": {"type": "path"},
            "httpd_config": {"type": "path"},
            "payload": {"type": "str", "no_log": True},
            "code": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    if _python.too_old():
        module.fail_json(msg=_python.too_old())
    # An older Python does not even understand it.
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction import sent_code

    call = sent_code.import_sent(module.params["code"], "_transaction.call")
    answer = call.look(module.params["payload"], rehearse=module.params["rehearse"])
    if answer.failed:
        module.fail_json(**answer.result)
    module.exit_json(**answer.result)


if __name__ == "__main__":
    main()
