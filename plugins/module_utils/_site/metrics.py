# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The names of all metrics, each with its type and what it means: of a host's watchman, and of the status of a fleet.

They stand once, as a node_exporter that reads both must find the same words. Prometheus' conventions: base units, and
moments as seconds since 1970.
"""

from __future__ import annotations

METRICS: dict[str, tuple[str, str]] = {
    "mtls_httpd_host_looked_at": ("gauge", "Whether the host told what it serves."),
    "mtls_httpd_answers": ("gauge", "Whether a site shook hands with the watchman at each of its addresses."),
    "mtls_httpd_certificate_not_after_timestamp_seconds": (
        "gauge",
        "When the first of a site's certificate and chain ends.",
    ),
    "mtls_httpd_client_ca_not_after_timestamp_seconds": ("gauge", "When the last of a site's client CAs ends."),
    "mtls_httpd_client_ca_root_not_after_timestamp_seconds": (
        "gauge",
        "When the last root among a site's client CAs ends that goes on after its intermediates.",
    ),
    "mtls_httpd_crl_this_update_timestamp_seconds": (
        "gauge",
        "When the revocation list that is to be renewed first was made.",
    ),
    "mtls_httpd_crl_next_update_timestamp_seconds": (
        "gauge",
        "When the first of a site's revocation lists is to be renewed.",
    ),
    "mtls_httpd_last_call_timestamp_seconds": ("gauge", "When a client called last, of the last 30 days."),
    "mtls_httpd_last_accepted_call_timestamp_seconds": (
        "gauge",
        "When a client with a certificate got another answer than 403 last.",
    ),
    "mtls_httpd_refused_calls_total": ("counter", "How many handshakes a site refused, by reason."),
    "mtls_httpd_forbidden_calls_total": (
        "counter",
        "How many calls by clients with a certificate a site answered with 403.",
    ),
    "mtls_httpd_enforced": ("gauge", "Whether strangers are asked for at least what the site is to ask for."),
    "mtls_httpd_client_ca_asked": ("gauge", "Whether certificates of each of a site's client CAs are asked for."),
    "mtls_httpd_unread_logs": ("gauge", "How many logs of a server's sites could not be read."),
    "mtls_httpd_survives_reload": ("gauge", "Whether httpd would take its next reload."),
    "mtls_httpd_release_info": ("gauge", "The release that a site serves."),
    "mtls_httpd_amiss": ("gauge", "How many things are amiss with a host, by severity."),
    "mtls_httpd_last_check_timestamp_seconds": ("gauge", "When it was looked at last."),
}
