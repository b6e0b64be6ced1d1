# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of `sites` that types alone do not check. No message repeats a value but a domain's."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._site.containment import reaching
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules, printable
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import wrong_behind
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import wrong_clients
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import wrong_protocol
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.url_paths import wrong_backend, wrong_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Read once by Ansible's parent process; its workers inherit it.
OPTIONS = documented_options("sites")
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
# Options whose text goes through the quoting room into the virtual host.
_QUOTED = {"document_root": quoting.path, "client_ocsp_responder": quoting.directive}


def lowered(name: str) -> str:
    """Return a domain in lower case; what is none stays as it is, as the Kelvin sign would become a k."""
    return name.lower() if name.isascii() else name


def find_wrong_options(sites: Sequence[Mapping[str, Any]]) -> Iterator[str]:
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
