#!/usr/bin/python
# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: caller_info
short_description: Who called, and who was refused and why, from httpd's logs
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Reads on the host, for each site of this collection, who called it, in the site's access log, and who was refused
    the handshake, in the error log where mod_ssl writes that, which is the log of the first virtual host of the
    address and port.
  - Finds the logs by httpd's own configuration, and reads what a rotation made of them too, packed by gzip or not. It
    returns nothing of what was asked for, neither path nor query.
  - Calls and handshakes of this collection are counted apart. Those with a request are known by their User-Agent,
    refused ones by the name of the throwaway authority, or by another refusal of that name beside them. A refusal that
    is logged below the level V(info), and the one question without a certificate that a converged run asks from the
    host itself, cannot be told from others.
  - A client CA of the same name with another key cannot be told from a log.
  - For a virtual host of your own (O(mtls.httpd.sites#module:sites[].manage=directives)), the C(LogFormat) is yours.
    RV(sites[].problems) names what is needed where its lines do not tell who called.
  - Changes nothing, and leaves the running server alone.
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
      - Path of the httpd to ask. Set it where a host has several.
    type: path
  httpd_config:
    description:
      - Path of the main configuration file of the httpd to ask. Set it where several servers share one binary.
    type: path
  domains:
    description:
      - The sites to report on; all sites of the host where none is named.
    type: list
    elements: str
    default: []
  since_days:
    description:
      - How many days back to look.
    type: int
    default: 30
  max_entries:
    description:
      - How many callers, and how many kinds of refusals, to return of each site. The latest come first.
    type: int
    default: 200
  max_megabytes:
    description:
      - How much of the logs to read in all; packed ones count unpacked. If a log is longer, its end is read.
    type: int
    default: 64
  max_seconds:
    description:
      - How long to read.
    type: int
    default: 20
seealso:
  - module: mtls.httpd.sites
"""

EXAMPLES = r"""
- name: See who called in the last week
  become: true
  mtls.httpd.caller_info:
    domains: www.example.com
    since_days: 7
  register: seen

- name: Show what would let just these in
  ansible.builtin.debug:
    msg: "{{ {'allowed_clients': seen.sites[0].allowed_clients} }}"
"""

RETURN = r"""
found:
  description: Whether there is an httpd.
  returned: always
  type: bool
  sample: true
identity:
  description:
    - What tells the httpd from every other as long as it runs, so that its callers are counted once where two names of
      an inventory mean one. Empty where there is none, or that is not to be known.
  returned: success
  type: str
  sample: 9c1185a5c5e9fc54
since:
  description: From when on the logs were read, in UTC.
  returned: always
  type: str
  sample: "2026-10-30T19:45:00Z"
sites:
  description: Who called each site. Empty where there is no httpd, or no site.
  returned: always
  type: list
  elements: dict
  contains:
    domain:
      description: The name of the site.
      returned: always
      type: str
      sample: www.example.com
    callers:
      description: The clients whose requests came through the handshake, by their certificates. The latest comes first.
      returned: always
      type: list
      elements: dict
      contains:
        subject:
          description: The subject, as O(mtls.httpd.sites#module:sites[].allowed_clients[].subject) takes it.
          returned: always
          type: str
          sample: CN=Chat,O=Tencent
        issuer:
          description:
            - Who issued the certificate; null where no line tells it, such as lines from before the log had the issuer.
          returned: always
          type: str
          sample: CN=TencentQQAuthCA
        serial:
          description: The serial number, in hexadecimal.
          returned: always
          type: str
          sample: 262B32F1
        first:
          description: When it called first, in UTC.
          returned: always
          type: str
          sample: "2026-11-01T08:00:00Z"
        last:
          description: When it called last, in UTC.
          returned: always
          type: str
          sample: "2026-11-28T19:45:00Z"
        calls:
          description: How often it called.
          returned: always
          type: int
          sample: 2023
        versions:
          description: The versions of TLS that it spoke.
          returned: always
          type: list
          elements: str
          sample: ["TLSv1.2"]
        statuses:
          description: How often it got each status.
          returned: always
          type: dict
          sample: {"200": 2022, "503": 1}
        admitted:
          description:
            - How often it got a status other than 403. By 403, clients are refused that are not among
              O(mtls.httpd.sites#module:sites[].allowed_clients).
          returned: always
          type: int
          sample: 2023
        last_admitted:
          description: When it got such a status last, in UTC, empty for never.
          returned: always
          type: str
          sample: "2026-11-28T19:45:00Z"
        addresses:
          description: Up to five of the addresses that it called from.
          returned: always
          type: list
          elements: str
          sample: [192.0.2.7]
        verified:
          description:
            - Whether httpd had verified its certificate each time. It can be V(false) with
              O(mtls.httpd.sites#module:sites[].verify_client=optional_no_ca).
          returned: always
          type: bool
          sample: true
    callers_left_out:
      description: How many callers more there are.
      returned: always
      type: int
      sample: 0
    without_certificate:
      description: How often somebody called without a certificate, as open paths allow.
      returned: always
      type: int
      sample: 0
    refusals:
      description: Who was refused the handshake, one entry for each reason, client and address. The latest comes first.
      returned: always
      type: list
      elements: dict
      contains:
        reason:
          description:
            - V(no-certificate), V(unknown-issuer), V(ended), V(not-yet-valid), V(revoked), V(crl-unusable),
              V(chain-too-long), V(wrong-purpose), V(weak), V(protocol), V(no-tls) or V(other).
          returned: always
          type: str
          sample: unknown-issuer
        meaning:
          description: What that means, in a few words.
          returned: always
          type: str
          sample: its certificate is of no client CA
        detail:
          description: OpenSSL's own reason.
          returned: always
          type: str
          sample: unable to get local issuer certificate
        address:
          description: The address that it came from.
          returned: always
          type: str
          sample: 192.0.2.9
        subject:
          description:
            - The subject of the certificate that was refused, or of one above it. Empty where there was none, or where
              the log does not tell it.
          returned: always
          type: str
          sample: CN=Chat,O=Tencent
        issuer:
          description: Who issued that certificate.
          returned: always
          type: str
          sample: CN=Other CA
        serial:
          description: Its serial number, in hexadecimal.
          returned: always
          type: str
          sample: 05C5E46E
        first:
          description: When it was refused first, in UTC.
          returned: always
          type: str
          sample: "2026-11-28T19:40:00Z"
        last:
          description: When it was refused last, in UTC.
          returned: always
          type: str
          sample: "2026-11-28T19:45:00Z"
        count:
          description: How often.
          returned: always
          type: int
          sample: 3
        sure:
          description:
            - Whether it surely came for this site. V(false) if the log is also that of others at the same address and
              port, and does not tell which it was.
          returned: always
          type: bool
          sample: true
    refusals_left_out:
      description: How many entries more there are.
      returned: always
      type: int
      sample: 0
    allowed_clients:
      description:
        - The callers that were let in, as O(mtls.httpd.sites#module:sites[].allowed_clients) takes them. See that each
          is yours, or Chat's, before you set it.
      returned: always
      type: list
      elements: dict
      sample: [{subject: "CN=Chat,O=Tencent"}]
    own_calls:
      description: How many calls of this collection were left out.
      returned: always
      type: int
      sample: 0
    own_refusals:
      description: How many refused handshakes of this collection were left out.
      returned: always
      type: int
      sample: 4
    access_log:
      description: The access log that was read, empty where none tells who called.
      returned: always
      type: str
      sample: /var/log/apache2/www.example.com-access.log
    refusal_logs:
      description: Where refused handshakes are logged.
      returned: always
      type: list
      elements: dict
      contains:
        path:
          description: The error log.
          returned: always
          type: str
          sample: /var/log/apache2/www.example.com-error.log
        host:
          description: The name of the virtual host whose log it is, the first of the site's address and port.
          returned: always
          type: str
          sample: www.example.com
        place:
          description: Where that virtual host stands, by file and line.
          returned: always
          type: str
          sample: /etc/apache2/mtls/www.example.com/current/site.conf:2
        level:
          description: Its C(LogLevel) for C(mod_ssl).
          returned: always
          type: str
          sample: info
        shared:
          description: The other names at the same address and port.
          returned: always
          type: list
          elements: str
          sample: []
        tells:
          description:
            - Whose refusals are logged at that level. V(all); V(some), those of clients with a certificate, without its
              name; or V(none).
          returned: always
          type: str
          sample: all
    problems:
      description:
        - The logs that could not be read, or do not tell who called, in the form of RV(mtls.httpd.sites#module:faults).
      returned: always
      type: list
      elements: dict
      sample: []
faults:
  description:
    - What is wrong with the options, each by itself, with the code V(bad-option), or with what they name on the host.
      The message tells all of it.
    - As in the result of M(mtls.httpd.sites).
  returned: failure
  type: list
  elements: dict
  sample:
    - code: no-such-site
      domain: shop.example.com
      message: "shop.example.com: there is no such site on this host, whose sites are: www.example.com"
      remedy: correct the name, or leave 'domains' out
"""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mtls.httpd.plugins.module_utils import _python
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.identity import identify
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError, list_faults
from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import SiteCalls, read_sites
from ansible_collections.mtls.httpd.plugins.module_utils._site.log_lines import iso
from ansible_collections.mtls.httpd.plugins.module_utils._site.refusal_logs import REASONS
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import HOST_FILE, Store

if TYPE_CHECKING:
    from collections.abc import Collection

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server


def tell_sites(
    server: Server, store: Store, domains: Collection[str], bounds: Bounds, most: int
) -> list[dict[str, Any]]:
    """Return who called each of the sites; all of the host, where none is named. most: entries of a kind and site.

    Raises HttpdError where httpd does not tell its configuration, and OperatorError for a site that is not there.
    """
    known = store.domains()
    missing = sorted(set(domains) - set(known))
    if missing:
        raise OperatorError(*(_missing(domain, known) for domain in missing))
    sites = [store.facts(domain) for domain in known if domain in domains or not domains]
    if not sites:
        return []
    found = read_sites(server.describe(), store, sites, bounds)
    return [_tell_site(domain, calls, most) for domain, calls in found.items()]


def _missing(domain: str, known: Collection[str]) -> Fault:
    few = ", ".join(sorted(known)[:5]) or "none"
    words = f"{domain}: there is no such site on this host, whose sites are: {few}"
    return Fault("no-such-site", domain, words, "correct the name, or leave 'domains' out")


def _tell_site(domain: str, calls: SiteCalls, most: int) -> dict[str, Any]:
    subjects = dict.fromkeys(each.subject for each in calls.callers if each.admitted and each.verified)
    return {
        "domain": domain,
        "callers": [asdict(each) for each in calls.callers[:most]],
        "callers_left_out": max(0, len(calls.callers) - most),
        "without_certificate": calls.without_certificate,
        "refusals": [{**asdict(each), "meaning": REASONS[each.reason]} for each in calls.refusals[:most]],
        "refusals_left_out": max(0, len(calls.refusals) - most),
        "allowed_clients": [{"subject": subject} for subject in list(subjects)[:most]],
        "own_calls": calls.own_calls,
        "own_refusals": calls.own_refusals,
        "access_log": calls.access_log,
        "refusal_logs": [{**asdict(each), "tells": each.tells} for each in calls.refusal_logs],
        "problems": list_faults(calls.faults),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "httpd_binary": {"type": "path"},
            "httpd_config": {"type": "path"},
            "domains": {"type": "list", "elements": "str", "default": []},
            "since_days": {"type": "int", "default": 30},
            "max_entries": {"type": "int", "default": 200},
            "max_megabytes": {"type": "int", "default": 64},
            "max_seconds": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    if _python.too_old():
        module.fail_json(msg=_python.too_old())
    given = module.params
    since = time.time() - given["since_days"] * 86400
    bounds = Bounds(since, size=given["max_megabytes"] << 20, seconds=given["max_seconds"])
    domains = [domain.lower() for domain in given["domains"]]
    sites = []
    try:
        server = find.find(given["httpd_binary"], given["httpd_config"])
        if server:
            store = Store(server.folder_with(HOST_FILE))
            sites = tell_sites(server, store, domains, bounds, given["max_entries"])
    except OperatorError as error:
        module.fail_json(msg=str(error), faults=list_faults(error.faults))
    identity = identify(server) if server else ""
    module.exit_json(found=server is not None, identity=identity, since=iso(since), sites=sites)


if __name__ == "__main__":
    main()
