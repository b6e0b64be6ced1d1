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
import re
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
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._site.containment import reaching
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import (
    BACKEND_CA,
    CLIENT_CA,
    CRL,
    EMPTY,
    FACTS,
    SITE,
    Facts,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, Sources, Wish, packed
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules, printable
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.judge import judge, report
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.rules import fingerprint
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, checked, documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._behind import (
    authorities,
    identity,
    modules,
    speaks_tls,
    wrong_behind,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._clients import pins_of, rule, wrong_clients
from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import (
    failure,
    is_loopback,
    look_for_no_garbage,
    pipelined,
    reached_at,
    without_cryptography,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder, wish_from
from ansible_collections.mtls.httpd.plugins.plugin_utils._paths import wrong_backend, wrong_paths
from ansible_collections.mtls.httpd.plugins.plugin_utils._protocol import (
    LEGACY,
    NEW_CURVES,
    protocol,
    unfit,
    wrong_protocol,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._summary import judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Verdict

with contextlib.suppress(ImportError):  # The verdict says so where it is missing.
    from cryptography import x509

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("sites")
TEMPLATE = Path(__file__).parents[2] / "roles" / "mutual_tls" / "templates" / "site.conf.j2"
DIRECTIVES = TEMPLATE.with_name("directives.conf.j2")
# The options that mean something for a virtual host that is the user's own.
_OF_DIRECTIVES = {
    "state",
    "force",
    "manage",
    "allow_bypass",
    "allow_programs",
    "port",
    "verify_client",
    "verify_depth",
    "allowed_clients",
}
_OF_DIRECTIVES |= {"remote_src", "renewal_hook"}
_OF_DIRECTIVES |= {"crl_check", "client_ocsp", "client_ocsp_responder", "client_ocsp_required", "client_ocsp_timeout"}
_OF_DIRECTIVES |= documented_options("validate_certificate").keys()
# For how long a host's own program for renewals can rehearse.
HOOK_DAYS = 3650
# Options whose text goes through the quoting room into the virtual host.
_QUOTED = {"document_root": quoting.path, "client_ocsp_responder": quoting.directive}
# Options that a template is handed as they are.
_TEMPLATED = (
    "domain",
    "aliases",
    "open_paths",
    "proxy_timeout",
    "proxy_websocket",
    "request_body_limit",
    "port",
    "listen",
    "proxy_pass",
    "verify_client",
    "verify_depth",
    "extra_directives",
    "client_ocsp",
    "client_ocsp_responder",
    "client_ocsp_required",
    "client_ocsp_timeout",
    "ocsp_stapling",
    "http2",
    "hsts",
    "proxy_protocol",
)
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
            site["domain"] = _lower(site["domain"])
            site["aliases"] = [_lower(alias) for alias in site["aliases"]]
        wrong = list(_wrong(sites))
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
        ] + [warning for site in sites if site["state"] == "present" for warning in _weak(site)]
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
                for each in (*((_BY_FILE,) if by_file else ()), *_noteworthy(result, options["warn_days"]))
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
            missing += [*_open_to(site), *_idle(site)]
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
        files = {SITE: text.encode()}
        told = {"certificate_sha256": "", "client_ca_names": (), "begins": "", "ends": ""}
        if material and material.client_ca:
            files[CLIENT_CA] = material.client_ca
        if material and material.crl:
            files[CRL] = material.crl
        if material and not sources and verdict.first_end:
            files |= {f"{domain}.crt": material.certificate, f"{domain}.key": material.private_key}
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
            verify_client=_asked(site),
            open_paths=tuple(site["open_paths"]),
            protected_paths=tuple(each["path"] for each in site["protected_paths"] or ()),
            pins=site["pins"],
            backend_ca=bool(site["proxy_ca_pem"]),
            included=site["manage"] == "directives",
            **_logs(site),
            crl_check=_crl_check(site),
            crl_ends=material.crl_ends if material else "",
            stapling=site["ocsp_stapling"],
            **told,
            renewal_hook=site["renewal_hook"] or "",
        )
        if site["proxy_ca_pem"]:
            files[BACKEND_CA] = site["proxy_ca_pem"]
        return Wish(domain, Release(domain, {**files, **site["pinned_files"], FACTS: facts.content}), sources=sources)

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
            texts = self._passed(path, [_variables(site) for site in common], task_vars)
            found |= {site["domain"]: text for site, text in zip(common, texts, strict=True)}
        wrong: list[str] = []
        for site in sites:
            if site["template"]:
                try:
                    found[site["domain"]] = self._passed(Path(self._template(site)), [_variables(site)], task_vars)[0]
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


def _variables(site: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a template is handed of a site."""
    hosts = [f"[{address}]" if ":" in address else address for address in site["listen"]] or ["*"]
    return {
        **{name: site[name] for name in _TEMPLATED},
        "tls": protocol(site).words,
        "crl_check": _crl_check(site),
        "addresses": [f"{host}:{site['port']}" for host in hosts],
        "document_root": site["document_root"] or f"{quoting.RELEASE}/{EMPTY}",
        "release": quoting.RELEASE,
        **_logs(site),
        "verify_client": _asked(site),
        "backend_ca": speaks_tls(site),
        "identity": identity(site),
        "protected_paths": site["protected_paths"] or [],
        "client_rules": [rule(pin) for pin in site["pins"]],
    }


def _crl_check(site: Mapping[str, Any]) -> str:
    return site["crl_check"] if site["crl"] or site["crl_content"] else "none"


def _weak(site: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a site gives up by its protocol."""
    legacy = ", ".join(protocol(site).legacy)
    if legacy:
        yield (
            f"{site['domain']}: it speaks {legacy}, with OpenSSL's security level lowered for it, and anybody who "
            "reads the wire may break that. Leave them out of 'tls_protocols' as soon as their last client is gone."
        )


def _asked(site: Mapping[str, Any]) -> str:
    """Return the SSLVerifyClient for the site.

    Where paths differ, a rule decides for each of them: to ask anew within a connection (SSLVerifyClient in <Location>)
    fails with TLS 1.3 for clients without post-handshake authentication.
    """
    verify: str = site["verify_client"]
    return "optional" if site["open_paths"] or site["protected_paths"] else verify


def _logs(site: Mapping[str, Any]) -> dict[str, str]:
    """Return the site's own logs by option, as a name in the server's folder or a path; empty for the server's own."""
    if site["manage"] == "directives":
        return {"access_log": "", "error_log": ""}
    logs = {name: site[name] or f"{site['domain']}-{name[:-4]}.log" for name in ("access_log", "error_log")}
    return {name: "" if log == "server" else log for name, log in logs.items()}


def _open_to(site: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield who else than Chat may call the site."""
    subject = site["domain"]
    if site["verify_client"] == "optional_no_ca":
        yield finding(
            "not-enforced",
            subject,
            "clients without a certificate are let in, and those with one that anybody issued: none is verified.",
            "Set 'verify_client' to require, unless the backend decides itself.",
        )
    elif site["verify_client"] == "optional":
        yield finding(
            "not-enforced",
            subject,
            "clients without a certificate are let in, as 'verify_client' is optional.",
            "Set 'verify_client' to require, unless the backend decides itself.",
        )
    elif site["protected_paths"]:
        yield finding(
            "not-enforced",
            subject,
            "clients without a certificate are let in, but for the paths of 'protected_paths'.",
            "Leave 'protected_paths' out, and list in 'open_paths' what is to be open, if nothing else is.",
        )
    if site["verify_client"] == "require" and not site["pins"]:
        yield finding(
            "client-not-pinned",
            subject,
            "every client of the client CA may call, not Chat alone.",
            "Read the subject of Chat's first callback in the site's access log, and set 'allowed_clients'.",
        )


def _idle(site: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield that the site has nothing to answer Chat with."""
    content = ("proxy_pass", "document_root", "protected_paths", "extra_directives", "template")
    if site["manage"] == "virtual_host" and not any(site[name] for name in content):
        yield finding(
            "nothing-served",
            site["domain"],
            "it has nothing to serve, so that callbacks get 404, or 403.",
            "Give the backend's URL as 'proxy_pass', or 'document_root'.",
        )


def _noteworthy(result: Mapping[str, Any], warn_days: int) -> Iterator[str]:
    """Yield what an operator should read of a result without asking for details."""
    if result.get("failed"):
        return
    if result.get("rehearsal_reason"):
        yield f"the rehearsal was {result['rehearsal']}: {result['rehearsal_reason']}."
    for each in result.get("pending", ()):
        yield f"{each}."
    for each in result.get("healed", ()):
        yield f"found amiss: {each}."
    for each in result.get("limits", ()) if result.get("changed") else ():
        if not each.startswith(NEW_CURVES):  # which nobody asked for
            yield f"{each}."
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=warn_days)).isoformat()
    for site in result.get("sites", ()):
        if site["remote_src"] and site["changed"]:
            yield (
                f"{site['domain']}: its material lies on the host, so it was judged there by OpenSSL and by handshakes "
                "alone. Whether public clients trust it was not judged."
            )
        if site["state"] == "absent" and not site["changed"]:
            yield f"{site['domain']}: there is no such site on this host, so none was taken away."
        if site["mutual_tls"] == "optional" and site["previous"]:
            yield f"{site['domain']}: the release gone back to lets clients without a certificate in."
        if site["ends"] and site["ends"] < soon and site["previous"]:
            yield f"{site['domain']}: the release gone back to serves certificates of which one ends at {site['ends']}."


def _asked_at(listen: Sequence[str], reached: str | None, *, itself: bool) -> dict[str, str]:
    """Return the address at which to confirm a site, and where from.

    Where the controller has no way in over the network, or the site none but the host's loopback, the host asks itself.
    """
    outside = [address for address in listen if not is_loopback(address)]
    address = [*outside, *listen, reached or "127.0.0.1"][0]
    inside = not itself and (reached is None or is_loopback(address))
    return {"address": address, "run_on": "target" if inside else "controller"}


def _lower(name: str) -> str:
    """Return a domain in lower case; what is none stays as it is, as the Kelvin sign would become a k."""
    return name.lower() if name.isascii() else name


def _wrong(sites: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the wishes beside the options' types. No message repeats a value but a domain's."""
    if not sites:
        yield (
            "there are no sites, so there is nothing to do: 'sites' (for the role, 'mutual_tls_sites') is empty, or "
            "was never set. List them there."
        )
    domains = [site["domain"] for site in sites]
    for domain in dict.fromkeys(domain for domain in domains if domains.count(domain) > 1):
        yield f"sites: {printable(domain)} is listed {domains.count(domain)} times. List it once, with its 'aliases'."
    for index, site in enumerate(sites):
        where = f"sites[{index}]: " if broken_rules(site["domain"]) else f"{site['domain']}: "
        for name in (site["domain"], *site["aliases"]):
            yield from (f"{where}{problem.message}" for problem in broken_rules(name))
        if site["state"] == "present":
            yield from (where + fault for fault in _wrong_site(site))


def _subjects(client_ca: bytes) -> set[str]:
    """Return the names that httpd asks clients for, as a handshake shows them."""
    return {wire.rfc4514(each.subject.public_bytes()) for each in x509.load_pem_x509_certificates(client_ca)}


def _wrong_site(site: Mapping[str, Any]) -> Iterator[str]:
    if site["manage"] == "directives":
        for name, option in OPTIONS["sites"]["suboptions"].items():
            if name not in _OF_DIRECTIVES and site[name] != option.get("default"):
                yield (
                    f"the option '{name}' is not for 'manage: directives', as the virtual host is your own. Say there "
                    "what it says, and leave it out."
                )
    if site["remote_src"]:
        yield from _wrong_sources(site)
    elif site["renewal_hook"]:
        yield "the option 'renewal_hook' goes with 'remote_src' alone, as nothing is renewed on the host without it."
    has_bundle = any(site[name] for name in ("bundle", "bundle_content"))
    for name, sense in (("certificate", "what the server shows"), ("private_key", "the key of the certificate")):
        if (
            not has_bundle
            and not (site[name] or site[f"{name}_content"])
            and not (name == "private_key" and _may_hold_key(site))
        ):
            yield f"the option '{name}' ({sense}) is missing. Give it, or '{name}_content', or 'bundle'."
    if not (site["client_ca"] or site["client_ca_content"]):
        yield (
            "the option 'client_ca' is missing: without it httpd could not tell Chat from others. Give "
            "the path of TencentQQAuthCA.crt.zip."
        )
    if not 0 < site["port"] < 65536:
        yield "the option 'port' is not between 1 and 65535."
    if not 0 <= site["verify_depth"] <= 100:
        yield "the option 'verify_depth' is not between 0 and 100."
    for index, address in enumerate(site["listen"]):
        try:
            parsed = ipaddress.ip_address(address)
            if parsed.is_unspecified:
                yield f"the option 'listen[{index}]' means all addresses. Leave 'listen' out for that."
            if getattr(parsed, "scope_id", None) is not None:
                yield f"the option 'listen[{index}]' has a scope ('%'), which cannot be used. Give the address alone."
        except ValueError:
            yield (
                f"the option 'listen[{index}]' is not an IP address, which it must be, as names are looked up when "
                "httpd starts."
            )
    for line, name in reaching(site["extra_directives"] or ""):
        yield (
            f"the option 'extra_directives' has {name} in line {line}, which would not stay in the site's one virtual "
            "host. Say it in the server's own configuration, and leave it out."
        )
    for name in ("access_log", "error_log"):
        if site[name] not in (None, "server"):
            try:
                quoting.path(site[name])
            except quoting.NotQuotable as error:
                yield f"the option '{name}' cannot be used: {error}. Give an absolute path on the target, or server."
    yield from wrong_paths(site)
    yield from wrong_behind(site)
    if site["allowed_clients"] is not None:
        yield from wrong_clients(site["allowed_clients"])
        if site["verify_client"] != "require":
            yield (
                "'allowed_clients' is given, and 'verify_client' lets clients in that show none. Leave one of them out."
            )
    if site["document_root"] and site["proxy_pass"]:
        yield "both 'document_root' and 'proxy_pass' are given, and one would hide the other. Give one of them."
    if site["proxy_pass"]:
        wrong = list(wrong_backend("proxy_pass", site["proxy_pass"]))
        yield from wrong
        if not wrong and not site["proxy_pass"].endswith("/"):
            yield "the option 'proxy_pass' does not end in a slash, so that paths would join its last word. Add it."
    yield from wrong_protocol(site)
    if site["client_ocsp_responder"] and not re.fullmatch(r"http://[^\s/]+(/\S*)?", site["client_ocsp_responder"]):
        yield "the option 'client_ocsp_responder' is not a URL of http, the only scheme that httpd asks responders by."
    if not 0 < site["client_ocsp_timeout"] <= 60:
        yield "the option 'client_ocsp_timeout' is not between 1 and 60 seconds."
    if site["hsts"] < 0:
        yield "the option 'hsts' is negative. Give seconds, or 0 for no header."
    for name, quoted in _QUOTED.items():
        try:
            quoted(site[name] or "/")
        except quoting.NotQuotable as error:
            yield f"the option '{name}' cannot be used: {error}."
    for name in (*_QUOTED, "access_log", "error_log", "extra_directives"):
        if quoting.RELEASE in (site[name] or ""):
            yield f"the option '{name}' holds {quoting.RELEASE}, which stands for the release's folder."


def _wrong_sources(site: Mapping[str, Any]) -> Iterator[str]:
    paths = ("certificate", "private_key", "chain")
    for name in (*(f"{path}_content" for path in paths), "private_key_passphrase", "bundle", "bundle_content"):
        if site[name]:
            yield f"the option '{name}' does not go with 'remote_src', which takes PEM files on the host. Give it up."
    for name in (*paths, "renewal_hook"):
        if site[name] and not site[name].startswith("/"):
            yield f"the option '{name}' is not an absolute path on the host, which it must be with 'remote_src'."
    for name in (*paths, "renewal_hook", "client_ca"):
        if any(not path.isprintable() for path in [*(site[name] or [])]):
            yield f"the option '{name}' holds a character that cannot be shown, which no path on the host should have."
    places = {path.startswith("/") for path in site["client_ca"] or ()} | {
        False for _text in site["client_ca_content"] or ()
    }
    if len(places) > 1:
        yield "the option 'client_ca' mixes files on the host (absolute paths) with the controller's. Take one kind."
    if True in places and (site["crl"] or site["crl_content"]):
        yield (
            "the option 'crl' is judged by the client CA, which then has to be the controller's too. Give 'client_ca' "
            "by a path there, one that is not absolute."
        )


def _may_hold_key(site: Mapping[str, Any]) -> bool:
    """Whether the certificate's file may bring the key along, as PKCS#12 does, so that the verdict has to tell."""
    return bool(site["private_key_passphrase"] or str(site["certificate"] or "").lower().endswith((".p12", ".pfx")))
