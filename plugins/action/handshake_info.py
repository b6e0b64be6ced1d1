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

from ansible_collections.mtls.httpd.plugins.plugin_utils._bytecode import kept_bytecode

with kept_bytecode():
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Clients, Identity
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.endpoints import (
        Endpoint,
        examine_endpoints,
        read_endpoints,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import DAMAGED
    from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import (
        ArgumentsError,
        checked,
        documented_options,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import (
        failure,
        reached_at,
        refusal,
        without_cryptography,
    )
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
    from ansible_collections.mtls.httpd.plugins.plugin_utils._probes import shared_probes
    from ansible_collections.mtls.httpd.plugins.plugin_utils._summary import summary

with contextlib.suppress(ImportError):
    from cryptography import x509

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = {name: option for name, option in documented_options("handshake_info").items() if name != "untrusted_client"}
_DELEGATED = (
    "this works on the controller, whatever 'delegate_to' says. Take 'delegate_to' away, or say 'run_on': target to "
    "ask from there, controller to ask from here."
)
_KEY_STAYS = (
    "it is asked on the host itself, and 'client_key' does not leave the controller. Give an address that the "
    "controller reaches (for the role, 'mutual_tls_confirm_address'), or no client."
)


class ActionModule(ActionBase):
    """Find out what TLS servers ask of their clients."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the answers of every endpoint; failed where one is not as expected."""
        super().run(tmp, task_vars)
        lacking = without_cryptography()
        if lacking:
            return lacking
        try:
            result = self._answers(checked(OPTIONS, self._task.args), task_vars)
        except ArgumentsError as error:
            return refusal(error)
        except ValueError as error:
            return failure([str(error)])
        for endpoint in result.get("endpoints", ()):
            if endpoint["certificate"]:
                endpoint["certificate"] |= _describe_certificate(endpoint["certificate"]["pem"])
        sound = "endpoints" in result and not result["failed"]
        if sound and boolean(self._task.args.get("summary"), strict=False):
            said = summary(result["endpoints"], itself=self._connection.transport == "local")
            return {"changed": False, "msg": said, "_ansible_verbose_always": True}
        return result

    def _answers(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Return what the endpoints answered, in their order, from wherever each was to be asked."""
        reached = reached_at(self._connection, self._play_context.remote_addr)
        endpoints = read_endpoints(options, "127.0.0.1" if self._connection.transport == "local" else reached)
        here = [endpoint for endpoint in endpoints if endpoint.run_on == "controller"]
        there = [endpoint for endpoint in endpoints if endpoint.run_on == "target"]
        if here and self._task.delegate_to and not self._is_said_where(options):
            # Ansible would show the answers that the controller got as the other host's.
            raise ArgumentsError([_DELEGATED])
        if there and options["run_on"] == "controller" and options["client_key"]:
            raise ArgumentsError([f"{there[0]}: {_KEY_STAYS}"])
        results = [self._on_controller(options, here)] if here else []
        results += [self._on_target(options, there, task_vars)] if there else []
        return _together(results, endpoints)

    def _is_said_where(self, options: dict[str, Any]) -> bool:
        """Whether the task says of each endpoint where it is to be asked from."""
        return "run_on" in self._task.args or all(each["run_on"] for each in options["endpoints"] or [{"run_on": None}])

    def _on_controller(self, options: dict[str, Any], endpoints: list[Endpoint]) -> dict[str, Any]:
        finder = Finder(self)
        trusted = options["client_key"] and Identity(
            finder.read("client_certificate", options["client_certificate"]),
            finder.read("client_key", options["client_key"]),
        )
        clients = Clients(untrusted=shared_probes().stranger, trusted=trusted or None)
        return examine_endpoints(endpoints, clients, options["timeout"])

    def _on_target(
        self, options: dict[str, Any], endpoints: list[Endpoint], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        stranger = shared_probes().stranger
        arguments = _given(options) | {
            "endpoints": [_given(asdict(endpoint)) for endpoint in endpoints],
            "untrusted_client": base64.b64encode(stranger.certificate + stranger.private_key).decode(),
        }
        result: dict[str, Any] = self._execute_module(
            module_name="mtls.httpd.handshake_info", module_args=arguments, task_vars=task_vars
        )
        return result


def _together(results: list[dict[str, Any]], endpoints: list[Endpoint]) -> dict[str, Any]:
    """Return one result of what was found on the controller and on the target, with the endpoints in their order."""
    broken = [result for result in results if "endpoints" not in result]
    if broken or len(results) == 1:
        return [*broken, *results][0]
    answers = [iter(result["endpoints"]) for result in results]
    bad = [result for result in results if result["failed"]]
    return {
        "changed": False,
        "failed": bool(bad),
        "msg": "\n".join(result["msg"] for result in bad or results),
        "endpoints": [next(answers[endpoint.run_on == "target"]) for endpoint in endpoints],
    }


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are set: Ansible's own validator takes an empty one for a value."""
    return {name: value for name, value in options.items() if value is not None}


def _describe_certificate(pem: str) -> dict[str, Any]:
    """Return what the certificate says of itself; nothing where it cannot be parsed."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        return {
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "names": _alternative_names(certificate),
            "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        }
    except DAMAGED:
        return {}


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
