# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The verdict on certificate, key, chain, client CA and CRL together. Pure: it knows neither files nor Ansible.

This is the room's door, and the order in which a set of material is judged. Each judge yields its findings, and returns
what the later ones need. What a judge needs and is not given, it leaves out.
"""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import iso
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.client_ca import judge_client_cas, judge_crls
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import collect, has_errors, report_findings
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server import judge_domains, judge_server
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server_path import ServerPath, judge_path
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Deployable, Verdict

if HAS_CRYPTOGRAPHY:
    from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate, RevocationList
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import PrivateKey
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server import ServerMaterial
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet


def judge(
    sets: Iterable[MaterialSet],
    *,
    at: datetime,
    warn_days: int,
    default_anchors: Material | None = None,
    deploy: bool = True,
) -> list[Verdict]:
    """Return the verdict on each set, as of an aware moment; with what to deploy, unless that is not wanted.

    A public path ends at the set's trust anchors, else at `default_anchors`, else at the controller's own store, which
    is read when first needed. What is given in many sets is looked at once.
    """
    shared = Shared(at, timedelta(days=warn_days), default_anchors)
    with warnings.catch_warnings():
        # cryptography warns of odd serial numbers. Those that matter become findings.
        warnings.simplefilter("ignore")
        return [_judge_set(shared, given, deploy=deploy) for given in sets]


def report(verdicts: Iterable[Verdict]) -> str:
    """Return all findings for people: errors before warnings, grouped by site, at most 80 columns wide."""
    ordered = sorted(verdicts, key=lambda verdict: verdict.ok)
    return report_findings((verdict.domain or "", verdict.findings) for verdict in ordered)


def _judge_set(shared: Shared, given: MaterialSet, *, deploy: bool) -> Verdict:
    """Return the verdict on one set: names, server, client CAs, path, revocation lists, in this order."""
    domains, findings = collect(judge_domains(given))
    server, faults = collect(judge_server(shared, given, domains))
    findings += faults
    client_cas, faults = collect(judge_client_cas(shared, given))
    findings += faults
    path = ServerPath()
    if server is not None:
        path, faults = collect(judge_path(shared, given, server, client_cas, findings))
        findings += faults
    crls, faults = collect(judge_crls(shared, given, path.certificates, client_cas))
    findings += faults
    described = [*((one, "server") for one in path.certificates[:1]), *((one, "client_ca") for one in client_cas)]
    described += path.issuers
    return Verdict(
        domain=given.domain,
        findings=tuple(dict.fromkeys(findings)),
        certificates=tuple(shared.description(one, use) for one, use in described),
        notes=path.notes,
        first_end=_first_end([one for one, _use in described], shared.at),
        deployable=None if not deploy or has_errors(findings) else _deployable(server, path, client_cas, crls),
    )


def _first_end(certificates: Sequence[Certificate], at: datetime) -> dict[str, Any] | None:
    """Return when the first of the certificates ends, and which it is; None if there is none."""
    if not certificates:
        return None
    end, subject = min((one.end, f"'{one.label}' in {one.source}") for one in certificates)
    return {"not_after": iso(end), "subject": subject, "days_left": (end - at).days}


def _deployable(
    server: ServerMaterial | None,
    path: ServerPath,
    client_cas: Sequence[Certificate],
    crls: Sequence[RevocationList],
) -> Deployable | None:
    """Return what httpd wants of material without fault; None if its key, or all of it, is not given."""
    if not (client_cas if server is None else server.keys):
        return None
    certificate, private_key = b"", None
    if server is not None:
        issuers = [one for one in path.certificates[1:] if not one.self_signed and one.parsed in server.known]
        certificate = b"".join(one.pem for one in (server.leaf, *issuers))
        private_key = _key_pem(server.keys[0])
    return Deployable(
        certificate=certificate,
        private_key=private_key,
        client_ca=b"".join(one.pem for one in client_cas),
        crl=b"".join(crl.pem for crl in crls) or None,
        crl_ends=min((iso(end) for end in (crl.parsed.next_update_utc for crl in crls) if end), default=""),
    )


def _key_pem(key: PrivateKey) -> Secret:
    """Return the key as PEM of PKCS#8, not encrypted."""
    return Secret(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
