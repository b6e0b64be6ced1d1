# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.sites on the controller.

Finds the material, judges it, renders the virtual hosts, and goes to the target once.

Its documentation is in plugins/modules/sites.py, the target's half in plugins/modules/transaction.py.
"""

from __future__ import annotations

import datetime
import re
import time
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_bytecode

with kept_bytecode():
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import packed
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import WARNING
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import report
    from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
    from ansible_collections.mtls.httpd.plugins.plugin_utils._code_to_send import code_to_send
    from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import (
        failure,
        find_why_not_started,
        look_for_no_garbage,
        pipelined,
        reached_at,
        refusal,
        say,
        tell_skew,
        without_cryptography,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.registered import SAID, last_words
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.endpoints import find_endpoints
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.gathering import gather
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.option_rules import (
        find_wrong_of_run,
        find_wrong_options,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import read_options
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.packing import pack_request
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.remarks import (
        Remark,
        legacy_tls,
        noteworthy,
        say_once,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.rendering import Renderer
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.verdicts import judge_sites
    from ansible_collections.mtls.httpd.plugins.plugin_utils._summary import judged, tell_prediction, tell_removed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Verdict
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Options

# Read once by Ansible's parent process; its workers inherit it.
_CODE = code_to_send()
_BY_FILE = (
    "the private keys went through temporary files of Ansible's, on the controller and on the host: this connection, "
    "or how it becomes another user, has no pipelining, or ANSIBLE_KEEP_REMOTE_FILES is set, which leaves them on the "
    "host. Use ssh, as root or with sudo, which sends them through memory alone."
)

# What is sent, with the keys, is base64; a host that has no Python may say it again.
_ENCODED = re.compile(r"[A-Za-z0-9+/=]{60,}")

_NOTHING = {
    "changed": False,
    "msg": "None of the sites that 'only' names is listed for this host, so nothing was done.",
    "httpd_found": True,
    "sites": [],
    "endpoints": [],
    "unlisted": [],
    "findings": [],
}


class ActionModule(ActionBase):
    """Put all sites of a host in place, or take them away, as one transaction."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the transaction did; failed, and nothing sent, where wishes or material are wrong."""
        super().run(tmp, task_vars)
        look_for_no_garbage()
        try:
            return without_cryptography() or self._run(task_vars or {})
        except ArgumentsError as error:
            return refusal(error)

    def _run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Read the options, gather what they name, judge it, render it, pack it, call the target, tell what it did."""
        options = _read_options(self._task.args)
        if options.only and not options.sites:
            return dict(_NOTHING)
        now = datetime.datetime.now(datetime.timezone.utc)
        gathered = gather(Finder(self), options.present, now, datetime.timedelta(days=options.warn_days))
        verdicts = judge_sites(gathered, now, options.warn_days)
        if not all(verdict.ok for verdict in verdicts.values()):
            return _refuse(verdicts)
        renderer = Renderer(self, task_vars)
        if options.judge_only:
            renderer.render([each for each in gathered if each.site.template])  # The role's own needs no trial.
            return _tell_judged(options, verdicts)
        texts = renderer.render(gathered)
        # What extra_directives do is seen by what the configuration is without them.
        without_extra = renderer.render([each.without_extra for each in gathered if each.site.extra_directives])
        request = pack_request(options, gathered, verdicts, texts, without_extra)
        by_file = not pipelined(self._connection) and any(not site.remote_src for site in options.present)
        result = self._call(request, task_vars)
        not_started = find_why_not_started(result)
        if not_started:
            return failure([not_started])
        if result.get("failed") and last_words(result):
            said = {name: _ENCODED.sub("…", str(result[name])) for name in SAID if name in result}
            # Ansible's words refer to the others.
            return {**result, **said, "msg": f"{result['msg']} {last_words(said)}"}
        anchored = {each.site.domain for each in gathered if each.trust_anchors}
        of_host = [*([_BY_FILE] if by_file else []), *noteworthy(result, options.warn_days, anchored)]
        # By the host's name, as Ansible shows but once a warning that several hosts share.
        host = task_vars.get("inventory_hostname", "host")
        warnings = [*_list_warnings(options, verdicts), *(f"{host}: {each}" for each in of_host)]
        if self._task.check_mode and not result.get("failed"):
            say([f"{host}: {tell_prediction(result)}"])
        if result.get("left_alone"):
            say([f"{host}: left alone, as they end later: {', '.join(result['left_alone'])}."])
        listed = _list_domains(task_vars.get("mutual_tls_sites"))
        say(f"{host}: {line}" for line in tell_removed(result.get("sites", ()), listed))
        result["unlisted"] = [each for each in result.get("unlisted", ()) if each["domain"] not in listed]
        return self._tell(result, _list_findings(verdicts), warnings)

    def _call(self, request: Request, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return what the target's half answers."""
        result: dict[str, Any] = self._execute_module(
            module_name="mtls.httpd.transaction",
            module_args={"payload": packed(request), "code": _CODE},
            task_vars=task_vars,
        )
        if "clock" in result:
            result["clock_skew"] = tell_skew(result.pop("clock") - time.time(), result["clock_skew"])
        return result

    def _tell(self, result: dict[str, Any], findings: list[dict[str, Any]], warnings: list[str]) -> dict[str, Any]:
        """Return the target's result with what was found here, and where the sites are to be confirmed."""
        reached = reached_at(self._connection, self._play_context.remote_addr)
        told = {
            **result,
            "findings": [*findings, *result.get("findings", [])],
            "warnings": [*result.get("warnings", []), *warnings],
            "endpoints": find_endpoints(result, reached, itself=self._connection.transport == "local"),
        }
        if not self._task.diff:
            told.pop("diff", None)
        return told


def _read_options(given: Mapping[str, Any]) -> Options:
    """Return the options of the task. Raises ArgumentsError with everything that is wrong with them."""
    options = read_options(given)
    wrong = list(find_wrong_of_run(options))
    if options.sites or not options.only:
        wrong += find_wrong_options(options.sites)
    if wrong:
        raise ArgumentsError(wrong)
    return options


def _list_findings(verdicts: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    return [{"domain": domain, **each.as_data()} for domain, verdict in verdicts.items() for each in verdict.findings]


def _refuse(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Return the result where material is wrong."""
    nothing = "Nothing was sent to the host, which serves as before."
    return {**failure([report(verdicts.values()), nothing]), "findings": _list_findings(verdicts)}


def _tell_judged(options: Options, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Return the result of a run that judges alone."""
    said = judged(verdicts, {site.domain for site in options.present if site.remote_src})
    shown = {"_ansible_verbose_always": True} if options.summary else {"findings": _list_findings(verdicts)}
    return {"changed": False, "msg": said, "warnings": _list_warnings(options, verdicts), **shown}


def _list_warnings(options: Options, verdicts: Mapping[str, Verdict]) -> list[str]:
    """Return what an operator should know of sites that are put in place all the same."""
    found = [
        Remark(domain, f"{each.message} {each.remedy}", each.code, "" if each.subject == domain else each.subject)
        for domain, verdict in verdicts.items()
        for each in verdict.findings
        if each.severity == WARNING
    ]
    return list(say_once([*found, *(remark for site in options.present for remark in legacy_tls(site))]))


def _list_domains(listed: object) -> set[str]:
    """Return the domains of the role's variable, as far as that is a list of sites."""
    sites = listed if isinstance(listed, list) else []
    return {str(site.get("domain")).lower() for site in sites if isinstance(site, dict)}
