#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: handshake_info
short_description: Find out what a TLS server asks of its clients, by trying
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Connects to a server over TLS 1.2 and TLS 1.3, each time as a client without a certificate, as one with a
    certificate of an authority that nobody knows, and, if you give one, as one with a certificate that the server
    should accept. Sends one request each time, and tells how the server answered. It may be any server, not only
    C(httpd).
  - The request is needed. Over TLS 1.3, a client without a certificate sees its handshake succeed, and is refused only
    afterwards. It is C(GET /), unless O(method) and O(path) say otherwise.
  - An alert is a refusal. The statuses 400, 401 and 403 are one only where the client of O(client_certificate) got
    another answer to the same request in the same run. Without that, they are V(unproven).
  - The server's own certificate is not verified. It is returned, and can be compared with O(certificate_sha256).
  - Fails only if O(expect), O(certificate_sha256), or the options of these names in O(endpoints), say what is expected.
    All endpoints are tried first, and every failure is in one message.
  - Nobody but Chat has Chat's private key. No result says that Chat itself is accepted.
notes:
  - With O(run_on=controller), works in the controller's process. C(become) means nothing to it then, and
    C(delegate_to) is an error, unless the task says O(run_on) itself. The default of O(address) is then the other
    host's. With O(run_on=target), both are honoured.
  - The target needs nothing but Python.
requirements:
  - Python library C(cryptography), 45.0 or newer, on the controller
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
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  address:
    description:
      - IP address or name to connect to.
      - The default is the address at which Ansible reaches the host; V(127.0.0.1) with O(run_on=target), or where
        Ansible runs on the host itself.
      - Without it, O(run_on=controller) is an error where Ansible reaches the host without an address of a network,
        such as in a container by its name, or through a port of the controller's own.
    type: str
  port:
    description:
      - TCP port to connect to.
    type: int
    default: 443
  server_name:
    description:
      - Name of the site to ask for, sent as SNI and as C(Host). Set it where the address is not the site's name.
      - The default is O(address) where that is a name. For an IP address, no SNI is sent.
    type: str
  method:
    description:
      - The method of the request. A rule of the server may be about some methods alone, so the result is about this
        one.
      - V(GET) is answered by every server.
      - V(OPTIONS) goes with C(Max-Forwards) 0, which C(mod_proxy) answers itself, so that no backend is called. A
        client without a good certificate that gets 400, 401 or 403 asks again by V(GET), as a rule may refuse
        V(OPTIONS) alone.
      - V(POST) is the whole request that Chat sends when a user comes online. If the client is let in, the request
        reaches the program that handles callbacks.
    type: str
    choices: [GET, HEAD, OPTIONS, POST]
    default: GET
  path:
    description:
      - What to ask for, with its query, escaped as it is to be sent. Set it where the server's rules differ by path.
    type: str
    default: /
  endpoints:
    description:
      - Several servers, or sites of one server, to try in one task. Much faster than a loop.
      - What an endpoint leaves out is taken from the option of the same name beside O(endpoints).
    type: list
    elements: dict
    suboptions:
      address:
        description: See O(address).
        type: str
      port:
        description: See O(port).
        type: int
      server_name:
        description: See O(server_name).
        type: str
      method:
        description: See O(method).
        type: str
        choices: [GET, HEAD, OPTIONS, POST]
      path:
        description: See O(path).
        type: str
      expect:
        description: See O(expect).
        type: str
        choices: [enforced, optional, 'off']
      status_suffices:
        description: See O(status_suffices).
        type: bool
      certificate_sha256:
        description: See O(certificate_sha256).
        type: str
      brief:
        description: See O(brief).
        type: bool
      proxy_protocol:
        description: See O(proxy_protocol).
        type: bool
      run_on:
        description: See O(run_on).
        type: str
        choices: [controller, target]
      note:
        description:
          - What else is known of the endpoint. The line of O(summary) says it after what was found.
        type: str
  client_certificate:
    description:
      - Path of a client certificate that the server should accept, PEM, with its intermediates after it.
      - On the controller, found as M(ansible.builtin.copy) finds its files, and vaulted or not. On the target with
        O(run_on=target).
      - Without it, the kind of client V(trusted) is left out.
      - It is an error if O(endpoints[].run_on) alone sets V(target) for an endpoint, because the key would have to
        leave the controller.
    type: path
  client_key:
    description:
      - Path of the private key of O(client_certificate), PEM, not encrypted. Found in the same way.
      - It stays in memory.
    type: path
  timeout:
    description:
      - Seconds within which an endpoint must have answered. All clients of an endpoint are tried at once, and
        connecting, handshake and answer together take no longer than this.
    type: float
    default: 5
  run_on:
    description:
      - Where the handshakes are made from. Set V(target) for a server that only its own host, or its network,
        reaches.
    type: str
    choices: [controller, target]
    default: controller
  expect:
    description:
      - What RV(endpoints[].mutual_tls) must be. Anything else fails the task.
      - Where a O(client_certificate) is given, it must have been accepted too.
      - Without it, the task only reports.
    type: str
    choices: [enforced, optional, 'off']
  status_suffices:
    description:
      - Let the task succeed, in spite of O(expect), if the result is V(unproven) only because the client without a
        certificate was answered with a status (400, 401 or 403). The client of an unknown authority must still be
        refused by an alert, and RV(endpoints[].mutual_tls) stays V(unproven).
      - Set it if you know from elsewhere that the server refuses by a status, and have no O(client_certificate). The
        role does so for sites with open or protected paths, because the handshakes on the host have shown it before.
    type: bool
    default: false
  certificate_sha256:
    description:
      - SHA-256 fingerprint of the certificate that must be served, hexadecimal, in upper or lower case, with or without
        colons.
    type: str
  brief:
    description:
      - Try each kind of client over one TLS version only, and over the other where that is not offered.
      - This makes half the handshakes. Use it for sites that were tried in full when they were last changed, as the
        role does.
    type: bool
    default: false
  proxy_protocol:
    description:
      - Begin each connection with a header of the PROXY protocol, version 1, as a load balancer does.
      - For a server that expects one, such as httpd with C(RemoteIPProxyProtocol On), when it is asked directly and not
        by way of its load balancer.
    type: bool
    default: false
  summary:
    description:
      - Show in C(msg) what was found, without C(-v) too, a line for each endpoint, or one for all if they are more than
        five. Leave RV(endpoints) out, unless the task fails.
      - For what confirms the sites of many hosts, as the role does.
    type: bool
    default: false
  untrusted_client:
    description:
      - The client of an unknown authority, certificate and key, base64 of PEM.
      - Made anew by the controller for each run, and passed on with O(run_on=target). Not for playbooks.
    type: str
seealso:
  - module: community.crypto.get_certificate
"""

EXAMPLES = r"""
- name: See what the host's server asks of its clients
  mtls.httpd.handshake_info:
    server_name: www.example.com
  register: seen

- name: Show who was let in
  ansible.builtin.debug:
    msg: "{{ seen.endpoints[0].answers }}"

- name: Fail unless every site refuses strangers, and serves the new certificate
  mtls.httpd.handshake_info:
    address: 192.0.2.10
    expect: enforced
    endpoints:
      - server_name: www.example.com
        certificate_sha256: "{{ lookup('ansible.builtin.file', 'www.example.com.sha256') }}"
      - server_name: callback.example.com
        port: 8443

- name: See whether a path of a server that is not ours is closed to strangers
  mtls.httpd.handshake_info:
    address: www.example.com
    path: /callback
    client_certificate: files/monitor.crt
    client_key: files/monitor.key
    expect: enforced

- name: Try a site that only its host reaches, with a client that it should accept
  mtls.httpd.handshake_info:
    address: 127.0.0.1
    port: 8443
    server_name: www.example.com
    client_certificate: /etc/ssl/monitor.crt
    client_key: /etc/ssl/monitor.key
    expect: enforced
    run_on: target
  become: true
"""

RETURN = r"""
endpoints:
  description: What was found, for each endpoint in the order given.
  returned: when the options are sound, without O(summary)
  type: list
  elements: dict
  contains:
    address:
      description: The address connected to.
      returned: always
      type: str
      sample: 192.0.2.10
    port:
      description: The port connected to.
      returned: always
      type: int
      sample: 443
    server_name:
      description: The name sent as SNI and as C(Host). Empty where none was.
      returned: always
      type: str
      sample: www.example.com
    run_on:
      description: Where the handshakes were made from, V(controller) or V(target).
      returned: always
      type: str
      sample: controller
    method:
      description: The method asked by.
      returned: always
      type: str
      sample: GET
    path:
      description: The path asked for.
      returned: always
      type: str
      sample: /
    brief:
      description: Whether half the handshakes were made, by O(brief).
      returned: always
      type: bool
      sample: false
    note:
      description: What O(endpoints[].note) says, empty if it says nothing.
      returned: always
      type: str
      sample: ""
    mutual_tls:
      description:
        - V(enforced) where, in every version of TLS that the server offers, it asked for a certificate, and refused
          the client without one as well as the client of an unknown authority.
        - V(optional) where it asked for a certificate, and accepted one of these clients all the same.
        - V(off) where it accepted them, and did not ask.
        - V(unproven) in all other cases, as when it could not be reached, or answers strangers with 400, 401 or 403,
          and there was no client that got another answer.
      returned: always
      type: str
      sample: enforced
    holds_for:
      description:
        - V(any_request) where strangers were refused in the handshake, so that it does not matter what they ask for.
        - V(this_request) where the result is only about RV(endpoints[].method) and RV(endpoints[].path).
        - Null where RV(endpoints[].mutual_tls) is V(unproven).
      returned: always
      type: str
      sample: any_request
    status_sufficed:
      description: Whether O(expect) was taken as met by O(status_suffices), though the result is V(unproven).
      returned: always
      type: bool
      sample: false
    certificate_requested:
      description:
        - Whether the server asked for a client certificate. Null where it cannot be known.
        - It may ask without naming an authority. RV(endpoints[].client_ca_names) is empty then.
      returned: always
      type: bool
      sample: true
    answers:
      description: How the server answered each kind of client over each version.
      returned: always
      type: list
      elements: dict
      contains:
        version:
          description: Version of TLS. One of V(TLSv1.2), V(TLSv1.3).
          returned: always
          type: str
          sample: TLSv1.3
        client:
          description:
            - V(none) had no certificate, V(untrusted) one of an unknown authority, V(trusted) the one of
              O(client_certificate).
          returned: always
          type: str
          sample: none
        result:
          description:
            - V(refused) where, after the server had asked for a certificate, an alert came; or where the status was
              400, 401 or 403, and the V(trusted) client got another for the same request.
            - V(accepted) where any other status line came back.
            - V(unproven) in all other cases, such as 400, 401 or 403 where no V(trusted) client got another answer, a
              connection that ended without an answer, no answer in time, or a version that is not offered.
          returned: always
          type: str
          sample: refused
        method:
          description: The method that was answered so, which may be V(GET) with O(method=OPTIONS).
          returned: always
          type: str
          sample: GET
        status:
          description: The status. Null where none came.
          returned: always
          type: int
          sample: 403
        detail:
          description: The status line, the alert, or what happened instead.
          returned: always
          type: str
          sample: alert certificate_required
    certificate:
      description: The certificate served, without its chain. Null where none was seen.
      returned: always
      type: dict
      contains:
        sha256:
          description: SHA-256 fingerprint, lower-case hexadecimal.
          returned: always
          type: str
          sample: 3f9c0c8ab1f6f8f66b3ff05b0d0f4dba3c4a0ce1b6bd6a2e0dbb1c0a0f0e4a11
        pem:
          description: The certificate itself.
          returned: always
          type: str
          sample: "-----BEGIN CERTIFICATE-----\n..."
        subject:
          description: Subject, as RFC 4514 writes it.
          returned: when it can be parsed
          type: str
          sample: CN=www.example.com
        issuer:
          description: Issuer, as RFC 4514 writes it.
          returned: when it can be parsed
          type: str
          sample: CN=Example Issuing CA,O=Example
        names:
          description: DNS names and IP addresses that it is for.
          returned: when it can be parsed
          type: list
          elements: str
          sample: [www.example.com]
        not_before:
          description: First moment of validity, UTC.
          returned: when it can be parsed
          type: str
          sample: "2026-05-01T00:00:00Z"
        not_after:
          description: Last moment of validity, UTC.
          returned: when it can be parsed
          type: str
          sample: "2026-07-30T23:59:59Z"
    client_ca_names:
      description:
        - Authorities whose clients the server asks for, as RFC 4514 writes names. Empty where it does not ask, or
          asks and names none, which RV(endpoints[].certificate_requested) tells apart.
        - Null where it cannot be known.
      returned: always
      type: list
      elements: str
      sample: [CN=TencentQQAuthCA]
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

import base64

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Clients, Identity
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.endpoints import examine_endpoints, read_endpoints


def identity_at(certificate: str, key: str) -> Identity:
    """Return the identity in two files of the target. Raises OSError."""
    with open(certificate, "rb") as certificate_file, open(key, "rb") as key_file:
        return Identity(certificate_file.read(), key_file.read())


def main() -> None:
    expectations = {
        "address": {"type": "str"},
        "server_name": {"type": "str"},
        "expect": {"type": "str", "choices": ["enforced", "optional", "off"]},
        "certificate_sha256": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            **expectations,
            "port": {"type": "int", "default": 443},
            "method": {"type": "str", "choices": ["GET", "HEAD", "OPTIONS", "POST"], "default": "GET"},
            "path": {"type": "str", "default": "/"},
            "status_suffices": {"type": "bool", "default": False},
            "endpoints": {
                "type": "list",
                "elements": "dict",
                "options": {
                    **expectations,
                    "port": {"type": "int"},
                    "method": {"type": "str", "choices": ["GET", "HEAD", "OPTIONS", "POST"]},
                    "path": {"type": "str"},
                    "status_suffices": {"type": "bool"},
                    "brief": {"type": "bool"},
                    "proxy_protocol": {"type": "bool"},
                    "run_on": {"type": "str", "choices": ["controller", "target"]},
                    "note": {"type": "str"},
                },
            },
            "client_certificate": {"type": "path"},
            "client_key": {"type": "path"},
            "timeout": {"type": "float", "default": 5},
            "run_on": {"type": "str", "choices": ["controller", "target"], "default": "controller"},
            "brief": {"type": "bool", "default": False},
            "proxy_protocol": {"type": "bool", "default": False},
            "summary": {"type": "bool", "default": False},
            "untrusted_client": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        endpoints = read_endpoints(options, "127.0.0.1")
        untrusted = base64.b64decode(options["untrusted_client"] or "")
        clients = Clients(
            untrusted=Identity(untrusted, untrusted) if untrusted else None,
            trusted=identity_at(options["client_certificate"], options["client_key"])
            if options["client_key"]
            else None,
        )
        result = examine_endpoints(endpoints, clients, options["timeout"])
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename} on the target, where 'run_on' has it looked for: {error.strerror}. "
            "Correct 'client_certificate' or 'client_key', or put the file there."
        )
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
