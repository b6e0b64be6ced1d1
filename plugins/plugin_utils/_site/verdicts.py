# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on each site: on its material, and on what its options ask beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge
from ansible_collections.mtls.httpd.plugins.plugin_utils._shares import in_shares
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import unfit
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.remarks import find_nothing_served, find_open_doors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Verdict
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.gathering import Gathered

_WORTH_A_PROCESS = 50  # sites: each is shown in handshakes, of some milliseconds


def judge_sites(gathered: Sequence[Gathered], at: datetime, warn_days: int) -> dict[str, Verdict]:
    """Return the verdict on each domain. No site is left out for another's errors."""

    def judged(share: Sequence[Gathered]) -> list[Verdict]:
        return judge([each.material for each in share], at=at, warn_days=warn_days)

    verdicts = in_shares(judged, gathered, least=_WORTH_A_PROCESS)
    return {each.site.domain: _with_options(each, verdict) for each, verdict in zip(gathered, verdicts, strict=True)}


def _with_options(gathered: Gathered, verdict: Verdict) -> Verdict:
    """Return the verdict with what is to be said of the site's options, before and after its own findings."""
    site = gathered.site
    findings = (
        *gathered.findings,
        *find_open_doors(site, gathered.pins),
        *find_nothing_served(site),
        *(each for each in verdict.findings if each.code != "must-staple" or not site.ocsp_stapling),
        *unfit(site, verdict.deployable.certificate if verdict.deployable else b""),
    )
    return replace(verdict, findings=findings)
