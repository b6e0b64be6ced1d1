# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's template is given, and what it makes of it."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import is_encrypted
from ansible.template import trust_as_template

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import EMPTY
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import identity, speaks_tls
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import rule
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible.plugins.action import ActionBase

    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.gathering import Gathered
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import Site

_TEMPLATES = Path(__file__).parents[3] / "roles" / "mutual_tls" / "templates"
# The role's own template, by the option `manage`.
TEMPLATES = {"virtual_host": _TEMPLATES / "site.conf.j2", "directives": _TEMPLATES / "directives.conf.j2"}


class Renderer:
    """Renders sites as ansible.builtin.template would, with RELEASE for the folder of each one's release."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any]) -> None:
        self._action = action
        self._task_vars = task_vars

    def render(self, sites: Sequence[Gathered]) -> dict[str, str]:
        """Return each domain's virtual host.

        Sites that share the role's own template are rendered in one pass, as compiling it takes most of the time.
        Raises ArgumentsError where a template cannot be had or rendered.
        """
        found: dict[str, str] = {}
        for manage, path in TEMPLATES.items():
            common = [each for each in sites if not each.site.template and each.site.manage == manage]
            texts = self._render_in_one_pass(path, [template_variables(each.site, each.pins) for each in common])
            found |= {each.site.domain: text for each, text in zip(common, texts, strict=True)}
        wrong: list[str] = []
        for site, pins in ((each.site, each.pins) for each in sites):
            if site.template:
                try:
                    path = self._find_template(site.domain, site.template)
                    (found[site.domain],) = self._render_in_one_pass(path, [template_variables(site, pins)])
                except ArgumentsError as error:
                    wrong += error.messages
        if wrong:
            raise ArgumentsError(wrong)
        return found

    def _find_template(self, domain: str, template: str) -> Path:
        """Return where the operator's own template lies. Raises ArgumentsError where that is nowhere, or is vaulted."""
        try:
            found: str = self._action._find_needle("templates", template)
        except AnsibleError:
            message = f"{domain}: the file that the option 'template' names is not found. Give its path."
            raise ArgumentsError([message]) from None
        with contextlib.suppress(OSError), open(found, "rb") as stream:  # What cannot be read is told when it is.
            if is_encrypted(stream.read(64)):
                message = (
                    f"{domain}: the file that the option 'template' names is vaulted, and what it renders to "
                    "would be readable by all users of the host, in diffs, and in httpd's words. Give one that holds "
                    "no secret, and let its directives name a file on the host that does."
                )
                raise ArgumentsError([message])
        return Path(found)

    def _render_in_one_pass(self, path: Path, sites: Sequence[dict[str, Any]]) -> list[str]:
        """Return the template's text for each of the sites' variables. Raises ArgumentsError where it cannot be had."""
        if not sites:
            return []
        try:
            text = self._action._loader.get_text_file_contents(str(path))
            end = secrets.token_hex()
            shared: dict[str, Any] = {}
            if len(sites) > 1:
                text = _for_each(text, sites, end)
                shared["mutual_tls_all"] = sites
            templar = self._action._templar.copy_with_new_env(
                searchpath=[str(path.parent)], available_variables={**self._task_vars, **sites[0], **shared}
            )
            rendered: str = templar.template(
                trust_as_template(text),
                escape_backslashes=False,
                overrides={"trim_blocks": True, "lstrip_blocks": False, "keep_trailing_newline": True},
            )
            return str(rendered).removesuffix(end).split(end)
        except AnsibleError as error:
            reason = str(error.message if hasattr(error, "message") else error).splitlines()[0]
            message = f"{sites[0]['domain']}: the template {path.name} cannot be rendered: {reason}"
            raise ArgumentsError([message]) from None


def _for_each(text: str, sites: Sequence[Mapping[str, Any]], end: str) -> str:
    """Return the template that renders C(text) for each of mutual_tls_all, with C(end) behind each."""
    differing = [name for name in sites[0] if any(site[name] != sites[0][name] for site in sites)]
    names = ", ".join(f"{name}=mutual_tls_each['{name}']" for name in differing)
    each = f"{{% with {names} %}}{text}{{% endwith %}}{end}"
    return f"{{% for mutual_tls_each in mutual_tls_all %}}{each}{{% endfor %}}"


def template_variables(site: Site, pins: Sequence[str]) -> dict[str, Any]:
    """Return what a template is handed of a site whose clients have these pins. Lists are lists, as operators wrote."""
    hosts = [f"[{address}]" if ":" in address else address for address in site.listen] or ["*"]
    protected = [{"path": each.path, "proxy_pass": each.proxy_pass} for each in site.protected_paths or ()]
    return {
        "domain": site.domain,
        "aliases": list(site.aliases),
        "port": site.port,
        "listen": list(site.listen),
        "addresses": [f"{host}:{site.port}" for host in hosts],
        "release": quoting.RELEASE,
        "tls": protocol(site).words,
        "http2": site.http2,
        "hsts": site.hsts,
        "proxy_protocol": site.proxy_protocol,
        "ocsp_stapling": site.ocsp_stapling,
        "verify_client": asked_of_clients(site),
        "verify_depth": site.verify_depth,
        "crl_check": crl_check(site),
        "client_ocsp": site.client_ocsp,
        "client_ocsp_responder": site.client_ocsp_responder,
        "client_ocsp_required": site.client_ocsp_required,
        "client_ocsp_timeout": site.client_ocsp_timeout,
        "client_rules": [rule(pin) for pin in pins],
        "open_paths": list(site.open_paths),
        "protected_paths": protected,
        "document_root": site.document_root or f"{quoting.RELEASE}/{EMPTY}",
        "proxy_pass": site.proxy_pass,
        "proxy_timeout": site.proxy_timeout,
        "proxy_websocket": site.proxy_websocket,
        "request_body_limit": site.request_body_limit,
        "backend_ca": speaks_tls(site),
        "identity": identity(site),
        **log_files(site),
        "extra_directives": site.extra_directives,
    }


def crl_check(site: Site) -> str:
    """Return what of a client's certification path is looked up in revocation lists: none, leaf or chain."""
    return site.crl_check if site.crl or site.crl_content else "none"


def asked_of_clients(site: Site) -> str:
    """Return the SSLVerifyClient for the site.

    Where paths differ, a rule decides for each of them: to ask anew within a connection (SSLVerifyClient in <Location>)
    fails with TLS 1.3 for clients without post-handshake authentication.
    """
    return "optional" if site.open_paths or site.protected_paths else site.verify_client


def log_files(site: Site) -> dict[str, str]:
    """Return the site's own logs by option, as a name in the server's folder or a path; empty for the server's own."""
    if site.is_included:
        return {"access_log": "", "error_log": ""}
    logs = {
        "access_log": site.access_log or f"{site.domain}-access.log",
        "error_log": site.error_log or f"{site.domain}-error.log",
    }
    return {name: "" if log == "server" else log for name, log in logs.items()}
