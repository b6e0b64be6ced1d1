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

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import pairs
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.client_ca import judge_client_cas, judge_crls
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.decision import (
    too_deep,
    try_client_cas,
    try_server,
    weigh_client_cas,
    weigh_server,
)
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import collect, has_errors, report_findings
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server import judge_domains, judge_server
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server_path import ServerPath, judge_path
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.validity import iso
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import HANDSHAKE, RULES, Deployable, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate, RevocationList
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.secret import Secret
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.server import ServerMaterial
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet


def judge(
    sets: Iterable[MaterialSet],
    *,
    at: datetime,
    warn_days: int,
    default_anchors: Material | None = None,
    deploy: bool = True,
    shake: bool = True,
) -> list[Verdict]:
    """Return the verdict on each set, as of an aware moment; with what to deploy, unless that is not wanted.

    By the rules alone, unless OpenSSL is to `shake` hands on it.

    A public path ends at the set's trust anchors, else at `default_anchors`, else at the controller's own store, which
    is read when first needed. What is given in many sets is looked at once.
    """
    shared = Shared(at, timedelta(days=warn_days), default_anchors)
    with warnings.catch_warnings():
        # cryptography warns of odd serial numbers. Those that matter become findings.
        warnings.simplefilter("ignore")
        return [_judge_set(shared, given, deploy=deploy, shake=shake) for given in sets]


def report(verdicts: Iterable[Verdict]) -> str:
    """Return all findings for people: errors before warnings, grouped by site, at most 80 columns wide."""
    ordered = sorted(verdicts, key=lambda verdict: verdict.ok)
    return report_findings((verdict.domain or "", verdict.findings) for verdict in ordered)


def _judge_set(shared: Shared, given: MaterialSet, *, deploy: bool, shake: bool) -> Verdict:
    """Return the verdict on one set: names, server, client CAs, path, revocation lists, in this order.

    Where it can, OpenSSL has the last word on the two halves of it.
    """
    domains, of_server = collect(judge_domains(given))
    server, faults = collect(judge_server(shared, given, domains))
    of_server += faults
    client_cas, of_clients = collect(judge_client_cas(shared, given))
    path = ServerPath()
    of_path: tuple[Finding, ...] = ()
    if server is not None:
        path, of_path = collect(judge_path(shared, given, server, client_cas, [*of_server, *of_clients]))
    crls, faults = collect(judge_crls(shared, given, path.certificates, client_cas))
    of_clients += faults
    halves = []
    sent = tuple(one for one in path.certificates[1:] if server and not one.self_signed and one.parsed in server.known)
    key = pairs.key_pem(server.keys[0], server.leaf) if server is not None and server.keys else None
    if server is not None:
        tried = try_server(shared, given, server, path, key) if shake else None
        halves.append(tried is not None)
        if tried is None:
            of_server += of_path
        else:
            of_server = tuple(weigh_server(tried, given, path, of_server, of_path))
            sent = tried.issuers
    if given.client_ca:
        whole = given.crl_check != "leaf"
        told = try_client_cas(shared, client_cas, crls, whole=whole) if shake else None
        halves.append(told is not None)
        if told is not None:
            refusals = [one.refusal for one in told]
            of_clients = tuple(weigh_client_cas(refusals, client_cas, of_clients, crls, whole=whole))
            of_clients += tuple(too_deep(client_cas, told, given.verify_depth))
    findings = (*of_server, *of_clients)
    deployable = None
    if deploy and not has_errors(findings):
        deployable = _deployable(server, sent, key, client_cas, crls, shared.at)
    described = [*((one, "server") for one in path.certificates[:1]), *((one, "client_ca") for one in client_cas)]
    described += path.issuers
    return Verdict(
        domain=given.domain,
        findings=tuple(dict.fromkeys(findings)),
        certificates=tuple(shared.description(one, use) for one, use in described),
        notes=path.notes,
        first_end=_first_end([one for one, _use in described], shared.at),
        deployable=deployable,
        decided_by=HANDSHAKE if halves and all(halves) else RULES,
    )


def _first_end(certificates: Sequence[Certificate], at: datetime) -> dict[str, Any] | None:
    """Return when the first of the certificates ends, and which it is; None if there is none."""
    if not certificates:
        return None
    end, subject = min((one.end, f"'{one.label}' in {one.source}") for one in certificates)
    return {"not_after": iso(end), "subject": subject, "days_left": (end - at).days}


def _deployable(
    server: ServerMaterial | None,
    issuers: Sequence[Certificate],
    private_key: Secret | None,
    client_cas: Sequence[Certificate],
    crls: Sequence[RevocationList],
    at: datetime,
) -> Deployable | None:
    """Return what httpd wants of material without fault; None if its key, or all of it, is not given."""
    if not (client_cas if server is None else private_key):
        return None
    return Deployable(
        certificate=b"".join(one.pem for one in (server.leaf, *issuers)) if server is not None else b"",
        private_key=private_key,
        client_ca=b"".join(one.pem for one in client_cas),
        crl=b"".join(crl.pem for crl in crls) or None,
        # One that has ended is of no account here: else this would be material with a fault.
        crl_ends=min((iso(one.end) for one in (crl.span for crl in crls) if one.end and one.end > at), default=""),
    )
