#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: The releases of each site that a host keeps
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Tells for each site that M(mtls.httpd.sites) has put on the host which release is current, which one a rollback
    without a name leads to, and which others you can go back to, with what each of them serves and to whom.
  - Changes nothing, and asks neither the running httpd nor anybody on the network.
  - Needs the rights of the server's user, because the private key is compared too. Without them, no release counts as
    whole.
attributes:
  check_mode:
    support: full
    description: Only reads.
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
      - Path of the httpd whose sites are meant. Set it where a host has several.
    type: path
  httpd_config:
    description:
      - Path of the main configuration file of that httpd. Set it where several servers share one binary.
    type: path
seealso:
  - module: mtls.httpd.sites
"""

EXAMPLES = r"""
- name: Ask which releases there are to go back to
  become: true
  mtls.httpd.release_info:
  register: kept

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ kept.sites | map(attribute='releases') | flatten | map(attribute='name') }}"
"""

RETURN = r"""
found:
  description: Whether there is an httpd.
  returned: always
  type: bool
  sample: true
sites:
  description: The sites, by their names. None where there is no httpd.
  returned: always
  type: list
  elements: dict
  contains:
    domain:
      description: The name of the site.
      returned: always
      type: str
      sample: www.example.com
    current:
      description: The name of the release that is current, null where the link leads elsewhere.
      returned: always
      type: str
      sample: 3f9c0a6de1b2c4f7
    previous:
      description:
        - The name of the release that a rollback without a name leads to, null where there is none. After a rollback it
          is the current one.
      returned: always
      type: str
      sample: 81aa57d0c2b94e3f
    releases:
      description: The releases that are kept, the current one first, then by when each was current last.
      returned: always
      type: list
      elements: dict
      contains:
        name:
          description:
            - The hash of all that is in it, which O(mtls.httpd.sites#module:sites[].release) takes. Hosts whose virtual
              host or key is another one have another name for the same RV(sites[].releases[].content).
          returned: always
          type: str
          sample: 3f9c0a6de1b2c4f7
        current:
          description: Whether it is current.
          returned: always
          type: bool
          sample: true
        since:
          description:
            - When it was made current last, by the host's clock, in UTC. Null where it is not known, such as for the
              older of two that an older version of this collection left.
          returned: always
          type: str
          sample: "2026-11-23T16:39:00Z"
        content:
          description:
            - A hash of its certificate with the chain, client CAs, revocation lists and whether they are looked up,
              pins, paths, and C(verify_client) alone, so that it can be compared between hosts.
            - Null where that cannot be read.
          returned: always
          type: str
          sample: c51f0a7be2d93846
        whole:
          description: Whether it is as it was written, so that it can be gone back to.
          returned: always
          type: bool
          sample: true
        damage:
          description: Why it is not whole; null where it is.
          returned: always
          type: str
          sample: null
        certificate_sha256:
          description: SHA-256 fingerprint of its certificate, in lower-case hexadecimal.
          returned: always
          type: str
          sample: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
        certificate_ends:
          description: When its certificate ends, in UTC.
          returned: always
          type: str
          sample: "2027-01-30T23:59:59Z"
        ends:
          description:
            - When the first of certificate, chain and client CAs ends. From then on, going back to it needs
              O(mtls.httpd.sites#module:sites[].force).
          returned: always
          type: str
          sample: "2027-01-30T23:59:59Z"
        client_cas:
          description: The client CAs.
          returned: always
          type: list
          elements: dict
          contains:
            subject:
              description: Its name (RFC 4514).
              returned: always
              type: str
              sample: CN=TencentQQAuthCA,O=Tencent
            sha256:
              description: Its SHA-256 fingerprint, in lower-case hexadecimal.
              returned: always
              type: str
              sample: 5f761e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1
        crl_ends:
          description: When the first of its revocation lists is to be renewed, in UTC, null where it has none.
          returned: always
          type: str
          sample: "2026-12-01T00:00:00Z"
        verify_client:
          description: What it asks of clients, as the option says.
          returned: always
          type: str
          sample: require
        pins:
          description:
            - The clients that may call, as C(subject:…), C(dns:…), C(email:…) or C(certificate:) with a SHA-256
              fingerprint. All clients of the client CAs where there is none.
          returned: always
          type: list
          elements: str
          sample: ["subject:CN=Chat,O=Tencent"]
        open_paths:
          description: The paths that need no client certificate.
          returned: always
          type: list
          elements: str
          sample: [/healthz]
        protected_paths:
          description: The paths that need a client certificate, where the others need none.
          returned: always
          type: list
          elements: str
          sample: []
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
      message: "option 'httpd_config' is not an absolute path on the target."
      remedy: Correct the option that the message names.
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mtls.httpd.plugins.module_utils import _python
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._store.outline import outline_site
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import HOST_FILE, Store

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server


def outline_sites(server: Server) -> list[dict[str, Any]]:
    """Return what RETURN documents under C(sites)."""
    store = Store(server.folder_with(HOST_FILE))
    return [outline_site(store, domain) for domain in store.domains()]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"httpd_binary": {"type": "path"}, "httpd_config": {"type": "path"}}, supports_check_mode=True
    )
    if _python.too_old():
        module.fail_json(msg=_python.too_old())
    try:
        server = find.find(module.params["httpd_binary"], module.params["httpd_config"])
        sites = outline_sites(server) if server else []
    except commands.HttpdError as error:
        module.fail_json(msg=str(error))
    module.exit_json(found=server is not None, sites=sites)


if __name__ == "__main__":
    main()
