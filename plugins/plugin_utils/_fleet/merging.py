# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports (JSON) of other runs, such as those of the slices of an inventory, read back to be told as one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.formats import SCHEMA
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Host, Judged, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def read_reports(paths: Sequence[str]) -> list[Judged]:
    """Return the hosts of all reports, each with what was amiss with it; one that is in several, as it was last.

    Raises ArgumentsError, by the option 'reports', for what is no report.
    """
    wrong: list[str] = []
    found: list[dict[str, Any]] = []
    for index, path in enumerate(paths):
        where = f"option 'reports[{index}]'"
        try:
            with open(path, encoding="utf-8") as stream:
                told = json.load(stream)
            if told["schema"] != SCHEMA:
                wrong.append(f"{where}, {path}, is no report of the form {SCHEMA}. Have status write it anew.")
                continue
            found.append({"at": str(told["made_at"]), "hosts": [_read_host(told, each) for each in told["hosts"]]})
        except OSError as error:
            wrong.append(f"{where}, {path}, cannot be read on the controller: {error.strerror}. Correct it.")
        except (ValueError, LookupError, TypeError, AttributeError):
            wrong.append(f"{where}, {path}, is no report that status has written (.json). Name one.")
    if wrong:
        raise ArgumentsError(wrong)
    reports = sorted(found, key=lambda each: each["at"])
    return list({one.host.name: one for report in reports for one in report["hosts"]}.values())


def _read_host(report: dict[str, Any], one: dict[str, Any]) -> Judged:
    host = Host(str(one["host"]), str(one["condition"]), str(one["message"]), {**one, "sites": list(one["sites"])})
    reasons = (Reason(**each) for each in report["reasons"])
    return Judged(host, tuple(each for each in reasons if each.host == host.name))
