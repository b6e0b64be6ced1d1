# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.validate_certificate, in the controller's process. Its documentation is in plugins/modules/."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

# Imported here, cryptography is loaded once by Ansible's parent process; its workers inherit it.
from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_bytecode

with kept_bytecode():
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import ERROR, Finding
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge, report
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import HANDSHAKE, RULES
    from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import (
        ArgumentsError,
        checked,
        documented_options,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import (
        look_for_no_garbage,
        on_controller,
        without_cryptography,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder, read_material_set
    from ansible_collections.mtls.httpd.plugins.plugin_utils._shares import in_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Verdict

OPTIONS = documented_options("validate_certificate")
# What stands beside the list form; everything else belongs to a set.
_COMMON = frozenset({"certificates", "at", "warn_days"})


class ActionModule(ActionBase):
    """Judge certificate, private key, chain, client CA and CRL together."""

    _requires_connection = False

    @on_controller
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the verdict; failed where there is an error."""
        lacking = without_cryptography()
        if lacking:
            return lacking
        options = checked(OPTIONS, self._task.args)
        sets = _sets(options, self._task.args)
        look_for_no_garbage()
        if options["certificates"] is not None:
            # Ansible sends a task's options to its parent process: these are the same, and plain.
            self._task.args = {**self._task.args, "certificates": sets}
        at = _moment(options["at"])

        def judged(share: Sequence[Mapping[str, Any]]) -> list[Verdict]:
            return _judged(Finder(self), share, at, options["warn_days"])

        return _result(in_shares(judged, sets), several=options["certificates"] is not None)


def _judged(finder: Finder, sets: Sequence[Mapping[str, Any]], at: datetime, warn_days: int) -> list[Verdict]:
    wishes = [read_material_set(finder, one) for one in sets]
    verdicts = judge([wish for wish, _missing in wishes], at=at, warn_days=warn_days, deploy=False)
    return [
        dataclasses.replace(verdict, findings=(*missing, *verdict.findings)) if missing else verdict
        for verdict, (_wish, missing) in zip(verdicts, wishes)
    ]


def _sets(options: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sets to judge; raises ArgumentsError where both forms are mixed, or nothing is given."""
    own = {name: value for name, value in options.items() if name not in _COMMON}
    beside = sorted(name for name in own if given.get(name) is not None)
    if options["certificates"] is None:
        if not any(name not in ("domain", "aliases", "issued_by") for name in beside):
            raise ArgumentsError(["no material is given, so nothing was judged. Give 'certificate' or 'client_ca'."])
        return [own]
    if beside:
        raise ArgumentsError(
            [f"'certificates' takes the place of {', '.join(beside)}. Move them into each of its members."]
        )
    if not options["certificates"]:
        raise ArgumentsError(["option 'certificates' is an empty list, so nothing was judged. Give at least one set."])
    sets: list[dict[str, Any]] = options["certificates"]
    return sets


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(timezone.utc)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentsError(["option 'at' must be a moment in ISO 8601, such as 2027-01-31T12:00:00Z."]) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _result(verdicts: list[Verdict], *, several: bool) -> dict[str, Any]:
    findings = [_as_data(one, verdict.domain) for verdict in verdicts for one in verdict.findings]
    failed = not all(verdict.ok for verdict in verdicts)
    ends = [verdict.first_end for verdict in verdicts if verdict.first_end]
    result = {
        "changed": False,
        "failed": failed,
        "msg": report(verdicts) or "Everything is in order.",
        "findings": sorted(findings, key=lambda one: one["severity"] != ERROR),
        "certificates": list(
            {(one["sha256"], one["use"]): one for verdict in verdicts for one in verdict.certificates}.values()
        ),
        "notes": list(dict.fromkeys(note for verdict in verdicts for note in verdict.notes)),
        "first_end": min(ends, key=lambda end: str(end["not_after"]), default=None),
        "decided_by": HANDSHAKE if all(verdict.decided_by == HANDSHAKE for verdict in verdicts) else RULES,
    }
    if several:
        result["results"] = [
            {
                "domain": verdict.domain,
                "ok": verdict.ok,
                "findings": [_as_data(one, verdict.domain) for one in verdict.findings],
                "certificates": [one["sha256"] for one in verdict.certificates],
                "first_end": verdict.first_end,
                "decided_by": verdict.decided_by,
            }
            for verdict in verdicts
        ]
    return result


def _as_data(one: Finding, domain: str | None) -> dict[str, Any]:
    return {**one.as_data(), "domain": domain}
