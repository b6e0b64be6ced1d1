# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The endpoints of handshake_info: which to try, what is returned of each, and where one is not as expected."""

from __future__ import annotations

import re
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    METHODS,
    SERVER_NAME,
    TARGET,
    Answer,
    Clients,
    Door,
    Examination,
    Inquiry,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import examine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST = 3600  # seconds
AT_ONCE = 8
_SHARED = (
    *("address", "port", "server_name", "method", "path", "expect", "status_suffices", "certificate_sha256", "brief"),
    *("proxy_protocol", "run_on"),
)
_TOLD = ("version", "client", "method", "result", "detail")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
_ADDRESS = re.compile(r"[0-9A-Fa-f.]*:[0-9A-Fa-f:.%\w]*\Z|[0-9.]+\Z")
_NAME_OR_ADDRESS = re.compile(r"[\w.:%-]*\Z")
_REMEDIES = {
    "optional": "Set 'SSLVerifyClient require' in the virtual host that answers there.",
    "off": "Set 'SSLVerifyClient require' and the client CA in the virtual host that answers there.",
    "unproven": "See that the server answers at this address, from where the handshakes were made.",
}
_BY_STATUS = (
    "Such a status is a refusal only where a client of the client CA gets another: give 'client_certificate', or a "
    "'path' that the server answers."
)


@dataclass(frozen=True)
class Endpoint:
    """One server to try. ``expect`` and ``certificate_sha256`` are None where nothing is expected.

    ``brief``: half the handshakes. ``proxy_protocol``: it expects a PROXY header. ``run_on``: where the handshakes are
    made from, controller or target. ``method``, ``path``: what is asked for. ``status_suffices``: a status by which a
    client without a certificate may be refused is taken for the refusal that is expected. ``note``: what the caller
    would have said of it in a summary.
    """

    address: str
    port: int
    server_name: str
    expect: str | None
    certificate_sha256: str | None
    brief: bool = False
    proxy_protocol: bool = False
    run_on: str = "controller"
    method: str = "GET"
    path: str = "/"
    status_suffices: bool = False
    note: str = ""

    @property
    def door(self) -> Door:
        """Where it is reached."""
        return Door(self.address, self.port, self.proxy_protocol)

    @property
    def inquiry(self) -> Inquiry:
        """What every client asks there."""
        return Inquiry(self.server_name, self.method, self.path, self.brief)

    def __str__(self) -> str:
        place = f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
        return f"{self.server_name} at {place}" if self.server_name not in ("", self.address) else place


def read_endpoints(options: Mapping[str, Any], default_address: str | None) -> list[Endpoint]:
    """Return the endpoints that the options of handshake_info name.

    ``default_address``: where the controller reaches the target; None where that is no address of a network. What is
    asked on the target is asked at its own loopback.

    Raises ValueError with every fault, one line each.
    """
    shared = {name: options[name] for name in _SHARED}
    endpoints = []
    faults = []
    for index, given in enumerate([{}] if options["endpoints"] is None else options["endpoints"]):
        where = "" if options["endpoints"] is None else f"endpoints[{index}]: "
        values = {**shared, **{name: value for name, value in given.items() if value is not None}}
        if not values["address"]:
            values["address"] = "127.0.0.1" if values["run_on"] == "target" else default_address
        if values["address"] is None:
            faults.append(
                f"{where}option 'address' is missing, and this connection to the host has no address of a network. "
                "Give it, or set 'run_on' to target."
            )
            continue
        if values["server_name"] is None:
            values["server_name"] = "" if _ADDRESS.match(values["address"]) else values["address"]
        if values["certificate_sha256"] is not None:
            values["certificate_sha256"] = values["certificate_sha256"].replace(":", "").lower()
            if not _FINGERPRINT.match(values["certificate_sha256"]):
                faults.append(f"{where}option 'certificate_sha256' must be 64 hexadecimal digits.")
        if not 0 < values["port"] < 65536:
            faults.append(f"{where}option 'port' must be between 1 and 65535.")
        if not _NAME_OR_ADDRESS.match(values["address"]):
            faults.append(f"{where}option 'address' is neither an IP address nor a host's name.")
        elif not SERVER_NAME.match(values["server_name"]):
            faults.append(f"{where}option 'server_name' has a character that no host name has.")
        if values["method"] not in METHODS:
            faults.append(f"{where}option 'method' must be one of {', '.join(METHODS)}.")
        if not TARGET.match(values["path"]):
            faults.append(
                f"{where}option 'path' must begin with / and be what stands in a request: at most 8000 visible ASCII "
                "characters without #, others escaped by %."
            )
        endpoints.append(Endpoint(**values))
    if not endpoints and not faults:
        faults.append("option 'endpoints' is an empty list, so nothing was tried. Give at least one endpoint.")
    if bool(options["client_certificate"]) != bool(options["client_key"]):
        faults.append("options 'client_certificate' and 'client_key' belong together. Give both or neither.")
    if not 0 < options["timeout"] <= _LONGEST:  # not a number is neither
        faults.append(f"option 'timeout' must be more than 0 and at most {_LONGEST} seconds.")
    if faults:
        raise ValueError("\n".join(faults))
    return endpoints


def examine_endpoints(endpoints: Sequence[Endpoint], clients: Clients, timeout: float) -> dict[str, Any]:
    """Examine all endpoints, several at once, and return the module's result.

    ``timeout``: seconds for each.
    Raises ValueError for an identity that does not load, and for a malformed server name.
    """

    def examination(endpoint: Endpoint) -> Examination:
        return examine(endpoint.door, endpoint.inquiry, clients, timeout)

    with ThreadPoolExecutor(min(len(endpoints), AT_ONCE)) as pool:
        examinations = list(pool.map(examination, endpoints))
    pairs = list(zip(endpoints, examinations))
    failures = [message for endpoint, found in pairs for message in shortfalls(endpoint, found)]
    return {
        "changed": False,
        "failed": bool(failures),
        "msg": "\n".join(failures or [_verdict(endpoint, found) for endpoint, found in pairs]),
        "endpoints": [_endpoint_result(endpoint, found) for endpoint, found in pairs],
    }


def shortfalls(endpoint: Endpoint, found: Examination) -> list[str]:
    """Return where what was found is not what is expected, one line each."""
    messages = []
    tried = [answer for answer in found.answers if answer.client != "trusted"]
    if endpoint.expect and found.mutual_tls != endpoint.expect and not _status_suffices(endpoint, found):
        remedy = _REMEDIES.get(found.mutual_tls, "Correct the server, or what is expected of it.")
        if found.mutual_tls == "unproven" and any(answer.is_open for answer in tried):
            remedy = _BY_STATUS
        messages.append(
            f"{endpoint}: mutual TLS is {found.mutual_tls}, and expected to be {endpoint.expect} "
            f"({_summary(tried)}). {remedy}"
        )
    turned_away = [
        answer
        for answer in found.answers
        if answer.client == "trusted"
        and answer.offered
        and answer.result != "accepted"
        # A 401 that strangers do not get means that the certificate was accepted, and a password is missing.
        and not (answer.status == 401 and all(stranger.status != 401 for stranger in tried))
    ]
    if endpoint.expect and turned_away:
        messages.append(
            f"{endpoint}: the client of 'client_certificate' was not accepted ({_summary(turned_away)}). "
            "See that the server's client CA issued it, that its intermediates follow it, and that it has not expired."
        )
    served = sorted({answer.certificate_sha256 for answer in found.answers if answer.certificate_sha256})
    # That a server does not answer was said above.
    if endpoint.certificate_sha256 and served != [endpoint.certificate_sha256] and (served or not messages):
        messages.append(
            f"{endpoint}: serves {' and '.join(served) or 'no certificate that could be seen'}, and expected is the "
            f"certificate with SHA-256 {endpoint.certificate_sha256}. "
            "See that the server was reloaded, and that nothing else answers there."
        )
    return messages


def _status_suffices(endpoint: Endpoint, found: Examination) -> bool:
    """Whether what is expected is there, if a status that a client without a certificate got is a refusal.

    Where "optional" is expected, a refusal of this one request is enough too.
    """
    assumed = found.if_statuses_refuse
    refused = assumed.mutual_tls == "enforced" and assumed.holds_for == "this_request"
    return endpoint.status_suffices and refused and endpoint.expect in ("enforced", "optional")


def _verdict(endpoint: Endpoint, found: Examination) -> str:
    """Return what was found, in a line."""
    statuses = sorted({answer.status for answer in found.answers if answer.client != "trusted" and answer.is_open})
    by_status = found.mutual_tls == "unproven" and statuses
    why = f", as a status ({' and '.join(map(str, statuses))}) alone proves no refusal" if by_status else ""
    return f"{endpoint}: mutual TLS is {found.mutual_tls}{tell_request(_endpoint_result(endpoint, found))}{why}."


def tell_request(told: Mapping[str, Any]) -> str:
    """Return for what request the verdict of an endpoint's result holds, empty where it holds for any."""
    if told["holds_for"] != "this_request":
        return ""
    strangers = [each for each in told["answers"] if each["client"] != "trusted"]
    accepted = {each["method"] for each in strangers if each["result"] == "accepted"}
    return f" for {' and '.join(sorted(accepted)) or told['method']} {told['path']}"


def _summary(answers: Sequence[Answer]) -> str:
    """Return what was answered, said once where all answers are the same."""
    if len({(answer.result, answer.detail) for answer in answers}) == 1:
        return f"{answers[0].result}: {answers[0].detail}"
    return ", ".join(f"{answer.version} {answer.client} {answer.result}: {answer.detail}" for answer in answers)


def _endpoint_result(endpoint: Endpoint, found: Examination) -> dict[str, Any]:
    """Return what the module returns of one endpoint."""
    certificate = found.certificate and {
        "sha256": found.certificate_sha256,
        "pem": ssl.DER_cert_to_PEM_cert(found.certificate),
    }
    return {
        "address": endpoint.address,
        "port": endpoint.port,
        "server_name": endpoint.server_name,
        "run_on": endpoint.run_on,
        "method": endpoint.method,
        "path": endpoint.path,
        "brief": endpoint.brief,
        "note": endpoint.note,
        "mutual_tls": found.mutual_tls,
        "holds_for": found.holds_for,
        "status_sufficed": found.mutual_tls == "unproven" and _status_suffices(endpoint, found),
        "answers": [
            {**{name: getattr(answer, name) for name in _TOLD}, "status": answer.status or None}
            for answer in found.answers
        ],
        "certificate_requested": found.asked,
        "certificate": certificate,
        "client_ca_names": found.client_ca_names,
    }
