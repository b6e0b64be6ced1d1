# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.handshake_info: in the controller's process, or through the module on the target."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import asdict
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.mtls.httpd.plugins.module_utils._endpoints import Endpoint, endpoints_of, examined
from ansible_collections.mtls.httpd.plugins.module_utils._forms import DAMAGED
from ansible_collections.mtls.httpd.plugins.module_utils._handshake import Identity
from ansible_collections.mtls.httpd.plugins.module_utils._identity import (
    make_probes,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import (
    ArgumentsError,
    checked,
    documented_options,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import failure, on_controller, without_cryptography
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder, MaterialError
from ansible_collections.mtls.httpd.plugins.plugin_utils._summary import summary

with contextlib.suppress(ImportError):
    from cryptography import x509

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = {name: option for name, option in documented_options("handshake_info").items() if name != "untrusted_client"}


class ActionModule(ActionBase):
    """Find out what TLS servers ask of their clients."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the answers of every endpoint; failed where one is not as expected."""
        lacking = without_cryptography()
        if lacking:
            return lacking
        if self._task.args.get("run_on") == "target":
            result = self._on_target(task_vars)
        else:
            result = self._on_controller(tmp, task_vars)
        for endpoint in result.get("endpoints", ()):
            if endpoint["certificate"]:
                endpoint["certificate"] |= _described(endpoint["certificate"]["pem"])
        sound = "endpoints" in result and not result["failed"]
        if sound and boolean(self._task.args.get("summary"), strict=False):
            return {"changed": False, "msg": summary(result["endpoints"]), "_ansible_verbose_always": True}
        return result

    @on_controller
    def _on_controller(self, tmp: str | None, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        options = checked(OPTIONS, self._task.args)
        local = self._connection.transport == "local"
        endpoints = _endpoints(options, "127.0.0.1" if local else self._play_context.remote_addr)
        finder = Finder(self)
        try:
            trusted = options["client_key"] and Identity(
                finder.read("client_certificate", options["client_certificate"]),
                finder.read("client_key", options["client_key"]),
            )
            return examined(endpoints, untrusted=make_probes().stranger, trusted=trusted, timeout=options["timeout"])
        except (MaterialError, ValueError) as error:
            return failure([str(error)])

    def _on_target(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        try:
            options = checked(OPTIONS, self._task.args)
            endpoints = _endpoints(options, "127.0.0.1")
        except ArgumentsError as errors:
            return failure(errors.messages)
        stranger = make_probes().stranger
        arguments = _given(options) | {
            "endpoints": [_given(asdict(endpoint)) for endpoint in endpoints],
            "untrusted_client": base64.b64encode(stranger.certificate + stranger.private_key).decode(),
        }
        result: dict[str, Any] = self._execute_module(
            module_name="mtls.httpd.handshake_info", module_args=arguments, task_vars=task_vars
        )
        return result


def _endpoints(options: dict[str, Any], default_address: str) -> list[Endpoint]:
    try:
        return endpoints_of(options, default_address)
    except ValueError as error:
        raise ArgumentsError(str(error).splitlines()) from None


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are set: Ansible's own validator takes an empty one for a value."""
    return {name: value for name, value in options.items() if value is not None}


def _described(pem: str) -> dict[str, Any]:
    """Return what the certificate says of itself; nothing where it cannot be parsed."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        return {
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "names": _names(certificate),
            "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        }
    except DAMAGED:
        return {}


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
