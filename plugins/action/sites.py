# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.sites on the controller.

Finds the material, judges it, renders the virtual hosts, and goes to the target once.

Its documentation is in plugins/modules/sites.py, the target's half in plugins/modules/transaction.py.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import secrets
import ssl
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import is_encrypted
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ansible_collections.mtls.httpd.plugins.module_utils import _python
from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import (
    BACKEND_CA,
    CLIENT_CA,
    CRL,
    FACTS,
    SITE,
    Facts,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, Sources, Wish, packed
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge, report
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.rules import fingerprint
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, checked
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import (
    failure,
    is_loopback,
    look_for_no_garbage,
    pipelined,
    reached_at,
    without_cryptography,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder, wish_from
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import authorities, modules
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import pins_of
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import OPTIONS, find_wrong_options, lowered
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import LEGACY, protocol, unfit
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.remarks import (
    find_idle_pins,
    find_open_doors,
    legacy_tls,
    noteworthy,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.rendering import (
    asked_of_clients,
    crl_check,
    log_files,
    template_variables,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._summary import judged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Verdict

with contextlib.suppress(ImportError):  # The verdict says so where it is missing.
    from cryptography import x509

TEMPLATE = Path(__file__).parents[2] / "roles" / "mutual_tls" / "templates" / "site.conf.j2"
DIRECTIVES = TEMPLATE.with_name("directives.conf.j2")
# For how long a host's own program for renewals can rehearse.
HOOK_DAYS = 3650
_END = "-----END CERTIFICATE-----"
_BY_FILE = (
    "the private keys went through temporary files of Ansible's, on the controller and on the host: this connection, "
    "or how it becomes another user, has no pipelining, or ANSIBLE_KEEP_REMOTE_FILES is set, which leaves them on the "
    "host. Use ssh, as root or with sudo, which sends them through memory alone."
)
_NO_TERMINAL = (
    "sudo on this host wants a terminal (requiretty), by which private keys could be sent in temporary files alone. "
    "Take requiretty out of its sudoers for this user, and run again. Nothing was touched."
)


class ActionModule(ActionBase):
    """Put all sites of a host in place, or take them away, as one transaction."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the transaction did; failed, and nothing sent, where wishes or material are wrong."""
        super().run(tmp, task_vars)
        look_for_no_garbage()
        try:
            return without_cryptography() or self._run(task_vars or {})
        except ArgumentsError as errors:
            return failure(errors.messages)

    def _run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        options = checked(OPTIONS, self._task.args)
        sites: list[dict[str, Any]] = options["sites"]
        for site in sites:
            site["domain"] = lowered(site["domain"])
            site["aliases"] = [lowered(alias) for alias in site["aliases"]]
        wrong = list(find_wrong_options(sites))
        if wrong:
            raise ArgumentsError(wrong)

        verdicts = self._judged([site for site in sites if site["state"] == "present"], options["warn_days"])
        findings = [
            {"domain": domain, **asdict(each)} for domain, verdict in verdicts.items() for each in verdict.findings
        ]
        warnings = [
            f"{each['domain']}: {each['message']} {each['remedy']}"
            for each in findings
            if each["severity"] == "warning"
        ] + [warning for site in sites if site["state"] == "present" for warning in legacy_tls(site)]
        if any(each["severity"] == "error" for each in findings):
            nothing = "Nothing was sent to the host, which serves as before."
            return {**failure([report(verdicts.values()), nothing]), "findings": findings}
        present = [site for site in sites if site["state"] == "present"]
        if options["judge_only"]:
            self._rendered([site for site in present if site["template"]], task_vars)  # The role's own needs no trial.
            said = judged(verdicts, {site["domain"] for site in present if site["remote_src"]})
            shown = {"_ansible_verbose_always": True} if options["summary"] else {"findings": findings}
            return {"changed": False, "msg": said, "warnings": warnings, **shown}

        texts = self._rendered(present, task_vars)
        # What extra_directives do is seen by what the configuration is without them.
        extended = [{**site, "extra_directives": None} for site in present if site["extra_directives"]]
        without_extra = self._rendered(extended, task_vars)
        wishes = [
            replace(
                self._wish(site, verdicts.get(site["domain"]), texts.get(site["domain"], "")),
                allow_bypass=tuple(site["allow_bypass"]),
                allow_programs=site["allow_programs"],
                without_extra=without_extra.get(site["domain"], "").encode(),
            )
            for site in sites
        ]
        request = Request(
            wishes=tuple(wishes),
            probes=make_probes(
                pins=[pin for site in present for pin in site["pins"]],
                days=HOOK_DAYS if any(site["renewal_hook"] for site in present) else 2,
            ),
            binary=options["httpd_binary"],
            config=options["httpd_config"],
            start=options["service_state"] == "started",
            required=options["require_httpd"],
            adopt=options["adopt"],
            clock=time.time(),
        )
        by_file = not pipelined(self._connection) and any(not site["remote_src"] for site in present)
        result: dict[str, Any] = self._execute_module(
            module_name="mtls.httpd.transaction", module_args={"payload": packed(request)}, task_vars=task_vars
        )
        if "SyntaxError" in result.get("module_stderr", ""):  # Older than what Ansible's own wrapper can tell.
            return failure([f"The Python on this host does not understand the module: {_python.NEEDED}."])
        if "you must have a tty" in result.get("module_stderr", ""):
            return failure([_NO_TERMINAL])
        result["findings"] = findings
        result["warnings"] = [
            *result.get("warnings", []),
            *warnings,
            # By the host's name, as Ansible shows but once a warning that several hosts share.
            *(
                f"{task_vars.get('inventory_hostname', 'host')}: {each}"
                for each in (*((_BY_FILE,) if by_file else ()), *noteworthy(result, options["warn_days"]))
            ),
        ]
        if not self._task.diff:
            result.pop("diff", None)
        reached = reached_at(self._connection, self._play_context.remote_addr)
        itself = self._connection.transport == "local"
        result["endpoints"] = [
            {
                "server_name": each["domain"],
                "port": each["port"],
                "certificate_sha256": each["certificate_sha256"],
                "expect": each["mutual_tls"],
                "brief": not each["changed"],
                "proxy_protocol": each["proxy_protocol"],
                **_asked_at(each["listen"], reached, itself=itself),
            }
            for each in result.get("sites", ())
            if each["mutual_tls"] in ("enforced", "optional")
            # handshake_info speaks TLS 1.2 and 1.3 alone.
            and not (each["versions"] and set(each["versions"]) <= set(LEGACY))
        ]
        return result

    def _judged(self, sites: Sequence[Mapping[str, Any]], warn_days: int) -> dict[str, Verdict]:
        """Return the verdict on each domain. No site is left out for another's errors."""
        finder = Finder(self)
        gathered = [wish_from(finder, _here(site)) for site in sites]
        now, warn = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=warn_days)
        for site, (_wish, missing) in zip(sites, gathered, strict=True):
            allowed = site["allowed_clients"] or ()
            site["proxy_ca_pem"] = authorities(finder, site, missing, now, warn)
            site["pins"], site["pinned_files"] = pins_of(finder, allowed, missing, now, warn)
            missing += [*find_open_doors(site), *find_idle_pins(site)]
        verdicts = judge([wish for wish, _missing in gathered], at=now, warn_days=warn_days)
        return {
            site["domain"]: replace(
                verdict,
                findings=(
                    *missing,
                    *(each for each in verdict.findings if each.code != "must-staple" or not site["ocsp_stapling"]),
                    *unfit(site, verdict.deployable.certificate if verdict.deployable else b""),
                ),
            )
            for site, (_wish, missing), verdict in zip(sites, gathered, verdicts, strict=True)
        }

    def _wish(self, site: dict[str, Any], verdict: Verdict | None, text: str) -> Wish:
        domain = site["domain"]
        if verdict is None:
            return Wish(domain, previous=site["state"] == "previous", force=site["force"])
        material, sources = verdict.deployable, _sources(site)
        files, private_key = {SITE: text.encode()}, None
        told = {"certificate_sha256": "", "client_ca_names": (), "begins": "", "ends": ""}
        if material and material.client_ca:
            files[CLIENT_CA] = material.client_ca
        if material and material.crl:
            files[CRL] = material.crl
        if material and not sources and verdict.first_end:
            files[f"{domain}.crt"], private_key = material.certificate, material.private_key
            leaf = ssl.PEM_cert_to_DER_cert(material.certificate.decode().partition(_END)[0] + _END)
            told = {
                "certificate_sha256": hashlib.sha256(leaf).hexdigest(),
                "client_ca_names": tuple(sorted(_subjects(material.client_ca))),
                "begins": max(each["not_before"] for each in verdict.certificates),
                "ends": verdict.first_end["not_after"],
            }
        facts = Facts(
            domain=domain,
            port=site["port"],
            listen=tuple(str(ipaddress.ip_address(address)) for address in site["listen"]),
            aliases=tuple(site["aliases"]),
            modules=modules(site),
            welcome=("http2",) if site["http2"] else (),
            versions=() if site["manage"] == "directives" else protocol(site).versions,
            verify_client=asked_of_clients(site),
            open_paths=tuple(site["open_paths"]),
            protected_paths=tuple(each["path"] for each in site["protected_paths"] or ()),
            pins=site["pins"],
            backend_ca=bool(site["proxy_ca_pem"]),
            included=site["manage"] == "directives",
            **log_files(site),
            crl_check=crl_check(site),
            crl_ends=material.crl_ends if material else "",
            stapling=site["ocsp_stapling"],
            **told,
            renewal_hook=site["renewal_hook"] or "",
        )
        if site["proxy_ca_pem"]:
            files[BACKEND_CA] = site["proxy_ca_pem"]
        public = {**files, **site["pinned_files"], FACTS: facts.content}
        return Wish(domain, Release(domain, public, private_key), sources=sources)

    def _template(self, site: dict[str, Any]) -> str:
        try:
            found: str = self._find_needle("templates", site["template"])
        except AnsibleError:
            message = f"{site['domain']}: the file that the option 'template' names is not found. Give its path."
            raise ArgumentsError([message]) from None
        with contextlib.suppress(OSError), open(found, "rb") as stream:  # What cannot be read is told when it is.
            if is_encrypted(stream.read(64)):
                message = (
                    f"{site['domain']}: the file that the option 'template' names is vaulted, and what it renders to "
                    "would be readable by all users of the host, in diffs, and in httpd's words. Give one that holds "
                    "no secret, and let its directives name a file on the host that does."
                )
                raise ArgumentsError([message])
        return found

    def _rendered(self, sites: Sequence[dict[str, Any]], task_vars: dict[str, Any]) -> dict[str, str]:
        """Return each domain's virtual host.

        As ansible.builtin.template would render it, with RELEASE for its release's folder. Sites that share the role's
        own template are rendered in one pass, as compiling it takes most of the time.
        """
        found: dict[str, str] = {}
        for manage, path in (("virtual_host", TEMPLATE), ("directives", DIRECTIVES)):
            common = [site for site in sites if not site["template"] and site["manage"] == manage]
            texts = self._passed(path, [template_variables(site) for site in common], task_vars)
            found |= {site["domain"]: text for site, text in zip(common, texts, strict=True)}
        wrong: list[str] = []
        for site in sites:
            if site["template"]:
                try:
                    found[site["domain"]] = self._passed(
                        Path(self._template(site)), [template_variables(site)], task_vars
                    )[0]
                except ArgumentsError as error:
                    wrong += error.messages
        if wrong:
            raise ArgumentsError(wrong)
        return found

    def _passed(self, path: Path, sites: Sequence[dict[str, Any]], task_vars: dict[str, Any]) -> list[str]:
        """Return the template's text for each of the sites' variables. Raises ArgumentsError where it cannot be had."""
        if not sites:
            return []
        try:
            text = self._loader.get_text_file_contents(str(path))
            variables = {**task_vars, **sites[0]}
            end = secrets.token_hex()
            if len(sites) > 1:
                differing = [name for name in sites[0] if any(site[name] != sites[0][name] for site in sites)]
                names = ", ".join(f"{name}=mutual_tls_each['{name}']" for name in differing)
                each = f"{{% with {names} %}}{text}{{% endwith %}}{end}"
                text = f"{{% for mutual_tls_each in mutual_tls_all %}}{each}{{% endfor %}}"
                variables["mutual_tls_all"] = sites
            templar = self._templar.copy_with_new_env(searchpath=[str(path.parent)], available_variables=variables)
            rendered: str = templar.template(
                trust_as_template(text),
                escape_backslashes=False,
                overrides={"trim_blocks": True, "lstrip_blocks": False, "keep_trailing_newline": True},
            )
            return str(rendered).removesuffix(end).split(end)
        except AnsibleError as error:
            reason = str(error.message if hasattr(error, "message") else error).splitlines()[0]
            raise ArgumentsError(
                [f"{sites[0]['domain']}: the template {path.name} cannot be rendered: {reason}"]
            ) from None


def _sources(site: Mapping[str, Any]) -> Sources | None:
    """Return where on the host the material of a site with remote_src lies, None for others."""
    if not site["remote_src"]:
        return None
    authorities = tuple(path for path in site["client_ca"] or () if path.startswith("/"))
    pins = tuple(fingerprint(pin) for pin in site["client_ca_sha256"]) if authorities else ()
    return Sources(site["certificate"], site["private_key"], site["chain"], authorities, pins)


def _here(site: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a site without the material that lies on the host."""
    if not site["remote_src"]:
        return dict(site)
    authorities = [path for path in site["client_ca"] or () if not path.startswith("/")]
    pins = site["client_ca_sha256"] if authorities or site["client_ca_content"] else []
    return {
        **site,
        "certificate": None,
        "private_key": None,
        "chain": None,
        "client_ca": authorities,
        "client_ca_sha256": pins,
    }


def _asked_at(listen: Sequence[str], reached: str | None, *, itself: bool) -> dict[str, str]:
    """Return the address at which to confirm a site, and where from.

    Where the controller has no way in over the network, or the site none but the host's loopback, the host asks itself.
    """
    outside = [address for address in listen if not is_loopback(address)]
    address = [*outside, *listen, reached or "127.0.0.1"][0]
    inside = not itself and (reached is None or is_loopback(address))
    return {"address": address, "run_on": "target" if inside else "controller"}


def _subjects(client_ca: bytes) -> set[str]:
    """Return the names that httpd asks clients for, as a handshake shows them."""
    return {wire.rfc4514(each.subject.public_bytes()) for each in x509.load_pem_x509_certificates(client_ca)}
