# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.site_info on the controller: asks the target once, then the sites themselves, and compares with the wish.

Its documentation, and the target's half, are in plugins/modules/site_info.py.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_bytecode

with kept_bytecode():
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Clients
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.endpoints import (
        AT_ONCE,
        examine_endpoints,
        read_endpoints,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import (
        Request,
        SiteWish,
        Sources,
        packed,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import (
        ArgumentsError,
        checked,
        documented_options,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._code_to_send import code_to_send
    from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import (
        failure,
        find_why_not_started,
        look_for_no_garbage,
        pipelined,
        reached_at,
        refusal,
        tell_skew,
        without_cryptography,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import tell_worse
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
    from ansible_collections.mtls.httpd.plugins.plugin_utils._probes import shared_probes
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.differences import find_differences
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.endpoints import find_endpoints
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.option_rules import find_wrong_options
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import read_options
    from ansible_collections.mtls.httpd.plugins.plugin_utils._target_paths import refuse_no_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site

# Read once by Ansible's parent process; its workers inherit it.
_INTERNAL = ("payload", "code")
OPTIONS = {name: option for name, option in documented_options("site_info").items() if name not in _INTERNAL}
CODE = code_to_send()
_HANDSHAKES = documented_options("handshake_info")
_MOST_PATHS = 16  # of a site's protected paths that are asked for from here; the host asks for more
_PATIENCE = 4  # times the timeout that are waited in vain at a host, at most


class ActionModule(ActionBase):
    """Look at the sites of a host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the sites of the host are; failed where options are wrong, or where the host tells nothing."""
        super().run(tmp, task_vars)
        look_for_no_garbage()
        try:
            return without_cryptography() or self._look(checked(OPTIONS, self._task.args), task_vars)
        except ArgumentsError as error:
            return refusal(error)

    def _look(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        refuse_no_paths({name: options[name] for name in ("httpd_binary", "httpd_config") if options[name]})
        sites = None if options["sites"] is None else _read_sites(options["sites"])
        pipelined(self._connection)
        probes = make_probes() if options["rehearse"] else shared_probes()
        request = Request(
            wishes=tuple(
                SiteWish(
                    site.domain,
                    allow_bypass=site.allow_bypass,
                    allow_programs=site.allow_programs,
                    sources=Sources(site.certificate, site.private_key or "")
                    if site.remote_src and site.is_present and site.certificate
                    else None,
                )
                for site in sites or ()
            ),
            probes=probes,
            binary=options["httpd_binary"],
            config=options["httpd_config"],
        )
        begun = time.time()
        told: dict[str, Any] = self._execute_module(
            module_name="mtls.httpd.site_info",
            module_args={"payload": packed(request), "code": CODE, "rehearse": options["rehearse"]},
            task_vars=task_vars,
        )
        not_started = find_why_not_started(told)
        if not_started:
            return failure([not_started])
        if told.get("failed") or not told.get("found"):
            return told
        told["clock_skew"] = tell_skew(told["clock"] - time.time(), told["clock"] - begun)
        self._ask_from_here(told, Clients(untrusted=probes.stranger), options["timeout"])
        self._compare(told, sites)
        return told

    def _ask_from_here(self, told: dict[str, Any], clients: Clients, timeout: float) -> None:
        """Add what strangers meet who come from the controller; null where it does not reach a site by the network."""
        reached = reached_at(self._connection, self._play_context.remote_addr)
        itself = self._connection.transport == "local"
        whole = [
            each | {"changed": False, "mutual_tls": each["wanted"], "certificate_sha256": None}
            for each in told["sites"]
            if each["known"]
        ]
        endpoints = [
            each for each in find_endpoints({"sites": whole}, reached, itself=itself) if each["run_on"] == "controller"
        ]
        if not told["server"]["running"]:
            endpoints = []
        paths = {each["domain"]: each["protected_paths"][:_MOST_PATHS] for each in whole}
        # The first path of each site, then the second of each that has one, and so on.
        asked = [each | {"path": next(iter(paths[each["server_name"]]), each["path"])} for each in endpoints]
        for number in range(1, _MOST_PATHS):
            further = ((each, paths[each["server_name"]][number : number + 1]) for each in endpoints)
            asked += [each | {"path": path} for each, found in further for path in found]
        found = _examine(asked, clients, timeout)
        for each in told["sites"]:
            each["from_controller"] = tell_worse(found.get(each["domain"], set())) or None

    def _compare(self, told: dict[str, Any], sites: Sequence[Site] | None) -> None:
        """Add where the inventory says otherwise; null where it was not given."""
        there = {each["domain"]: each for each in told["sites"]}
        wished = {site.domain: site for site in sites or ()}
        told["unlisted"] = None if sites is None else [domain for domain in there if domain not in wished]
        present = [site.domain for site in wished.values() if site.state != "absent"]
        told["missing"] = None if sites is None else [domain for domain in present if domain not in there]
        finder = Finder(self)
        for domain, each in there.items():
            site = wished.get(domain)
            compares = site is not None and site.is_present and each["known"]
            each["remote_src"] = site.remote_src if site else None
            each["differs"] = find_differences(finder, site, each) if compares and site else None


def _read_sites(given: Sequence[Any]) -> tuple[Site, ...]:
    """Return the sites that are listed. Raises ArgumentsError with everything that is wrong with their options."""
    sites = read_options({"sites": given}).sites
    wrong = list(find_wrong_options(sites)) if sites else []
    if wrong:
        raise ArgumentsError(wrong)
    return sites


def _examine(asked: Sequence[dict[str, Any]], clients: Clients, timeout: float) -> dict[str, set[str]]:
    """Return what strangers meet at endpoints, by the domain of each.

    Where nothing answers, each would cost its time. So a site that was silent once is asked no more; and once enough
    was waited in vain, none is.
    """
    found: dict[str, set[str]] = defaultdict(set)
    silent: set[str] = set()
    patience = _PATIENCE * timeout
    waiting = list(asked)
    while waiting:
        now, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        begun = time.monotonic()
        in_vain = False
        for answer in _examine_some(now, clients, timeout):
            met = "enforced" if answer["status_sufficed"] else answer["mutual_tls"]
            found[answer["server_name"]].add(met)
            if met == "unproven":
                in_vain = True
                if all(each["status"] is None for each in answer["answers"]):
                    silent.add(answer["server_name"])
        if in_vain:
            patience -= time.monotonic() - begun
        waiting = [each for each in waiting if each["server_name"] not in silent]
        if patience <= 0:
            for each in waiting:
                found[each["server_name"]].add("unproven")
            break
    return found


def _examine_some(asked: Sequence[dict[str, Any]], clients: Clients, timeout: float) -> list[dict[str, Any]]:
    """Return what is told of endpoints that are asked at once."""
    given = {name: option.get("default") for name, option in _HANDSHAKES.items()} | {"endpoints": list(asked)}
    told: list[dict[str, Any]] = examine_endpoints(read_endpoints(given, "127.0.0.1"), clients, timeout)["endpoints"]
    return told
