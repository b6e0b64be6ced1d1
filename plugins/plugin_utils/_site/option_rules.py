# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the options of `sites` that types alone do not check. No message repeats a value but a domain's.

What one line can say of a site stands in the tables `_RANGES` and `_CONTRADICTIONS`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._site.containment import reaching
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import METRICS_FOLDER, MOST_RELEASES
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.domain import broken_rules, printable
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import documented_options
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.backend import wrong_behind
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.clients import wrong_clients
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import SITE_OPTIONS, Options, Site, read_site
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.protocol import wrong_protocol
from ansible_collections.mtls.httpd.plugins.plugin_utils._site.url_paths import wrong_backend, wrong_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class _Range(NamedTuple):
    """The option holds a number from least to most; the unit ends the sentence that says so."""

    option: str
    least: int
    most: int
    unit: str = ""


class _Contradiction(NamedTuple):
    """Options that do not go together, or one that lacks another: whether a site has them, and what is said then."""

    holds: Callable[[Site], object]
    sentence: str


_RANGES = (
    _Range("port", 1, 65535),
    _Range("verify_depth", 0, 100),
    _Range("proxy_timeout", 1, 86400, " seconds"),
    _Range("request_body_limit", 1, (1 << 31) - 1, " bytes"),
    _Range("client_ocsp_timeout", 1, 60, " seconds"),
)
_URL_OF_HTTP = re.compile(r"http://[^\s/]+(/\S*)?")
_CONTRADICTIONS = (
    _Contradiction(
        lambda site: site.renewal_hook and not site.remote_src,
        "the option 'renewal_hook' goes with 'remote_src' alone, as nothing is renewed on the host without it.",
    ),
    _Contradiction(
        lambda site: not (site.client_ca or site.client_ca_content),
        "the option 'client_ca' is missing: without it httpd could not tell Chat from others. Give "
        "the path of TencentQQAuthCA.crt.zip.",
    ),
    _Contradiction(
        lambda site: site.allowed_clients is not None and site.verify_client != "require",
        "'allowed_clients' is given, and 'verify_client' lets clients in that show none. Leave one of them out.",
    ),
    _Contradiction(
        lambda site: site.document_root and site.proxy_pass,
        "both 'document_root' and 'proxy_pass' are given, and one would hide the other. Give one of them.",
    ),
    _Contradiction(
        lambda site: site.client_ocsp_responder and not _URL_OF_HTTP.fullmatch(site.client_ocsp_responder),
        "the option 'client_ocsp_responder' is not a URL of http, the only scheme that httpd asks responders by.",
    ),
    _Contradiction(lambda site: site.hsts < 0, "the option 'hsts' is negative. Give seconds, or 0 for no header."),
)
_RELEASE = re.compile(r"[0-9a-f]{16}")
# The options that mean something for a virtual host that is the user's own.
_OF_DIRECTIVES = {
    "state",
    "release",
    "force",
    "manage",
    "allow_bypass",
    "allow_programs",
    "port",
    "verify_client",
    "verify_depth",
    "allowed_clients",
    "callback_paths",
}
_OF_DIRECTIVES |= {"remote_src", "renewal_hook"}
_OF_DIRECTIVES |= {"crl_check", "client_ocsp", "client_ocsp_responder", "client_ocsp_required", "client_ocsp_timeout"}
_OF_DIRECTIVES |= documented_options("validate_certificate").keys()
# How the names of variables begin that the collection defines for httpd.
_OWN_VARIABLES = "MTLS_HTTPD_"
# Options whose text goes through the quoting room into the virtual host.
_QUOTED = {"document_root": quoting.path, "client_ocsp_responder": quoting.directive}
# A site with nothing given but its domain.
_UNSET = read_site({"domain": "example.com"})
# With remote_src, absolute paths on the host. The material has twins `…_content` for the controller's.
_MATERIAL_ON_HOST = ("certificate", "private_key", "chain")
_ON_HOST = (*_MATERIAL_ON_HOST, "renewal_hook")


def find_wrong_options(sites: Sequence[Site]) -> Iterator[str]:
    """Yield what is wrong with the wishes beside the options' types. No message repeats a value but a domain's."""
    if not sites:
        yield (
            "there are no sites, so there is nothing to do: 'sites' (for the role, 'mutual_tls_sites') is empty, or "
            "was never set. List them there."
        )
    domains = [site.domain for site in sites]
    for domain in dict.fromkeys(domain for domain in domains if domains.count(domain) > 1):
        yield f"sites: {printable(domain)} is listed {domains.count(domain)} times. List it once, with its 'aliases'."
    for index, site in enumerate(sites):
        where = f"sites[{index}]: " if broken_rules(site.domain) else f"{site.domain}: "
        for name in (site.domain, *site.aliases):
            yield from (f"{where}{problem.message}" for problem in broken_rules(name))
        yield from (where + fault for fault in _wrong_release(site))
        if site.is_present:
            yield from (where + fault for fault in _wrong_site(site))


def find_wrong_of_run(options: Options) -> Iterator[str]:
    """Yield what is wrong with the options of a run beside those of its sites. No message repeats a value."""
    if not 1 <= options.keep_releases <= MOST_RELEASES:
        yield f"the option 'keep_releases' is not between 1 and {MOST_RELEASES}. Correct it."
    if any(broken_rules(domain) for domain in options.only):
        yield "the option 'only' holds what is no name of a site. Correct it."
    if options.ending_within is not None and options.ending_within < 0:
        yield "the option 'ending_within' is negative. Give days from now."
    if options.metrics_folder and not METRICS_FOLDER.fullmatch(options.metrics_folder):
        yield (
            "the option 'metrics_folder' is no absolute path of letters, digits and _.@+- on the host. Name "
            "node_exporter's textfile folder, without a slash at its end."
        )


def _wrong_release(site: Site) -> Iterator[str]:
    if site.release is None:
        return
    if site.state != "previous":
        yield "the option 'release' goes with 'state: previous' alone. Leave it out, or set that."
    if not _RELEASE.fullmatch(site.release):
        yield "the option 'release' is no name of a release, which are 16 hexadecimal digits in lower case. Correct it."


def _wrong_site(site: Site) -> Iterator[str]:
    yield from _wrong_beside_own_host(site)
    if site.remote_src:
        yield from _wrong_sources(site)
    yield from _missing_material(site)
    for option, least, most, unit in _RANGES:
        if not least <= getattr(site, option) <= most:
            yield f"the option '{option}' is not between {least} and {most}{unit}."
    yield from (each.sentence for each in _CONTRADICTIONS if each.holds(site))
    yield from _wrong_addresses(site)
    yield from wrong_paths(site)
    yield from wrong_behind(site)
    if site.allowed_clients is not None:
        yield from wrong_clients(site.allowed_clients)
    yield from _wrong_proxy_pass(site)
    yield from wrong_protocol(site)
    yield from _wrong_text(site)


def _wrong_beside_own_host(site: Site) -> Iterator[str]:
    """Yield the options that say what the operator's own virtual host says."""
    if not site.is_included:
        return
    for name in SITE_OPTIONS:
        if name not in _OF_DIRECTIVES and getattr(site, name) != getattr(_UNSET, name):
            yield (
                f"the option '{name}' is not for 'manage: directives', as the virtual host is your own. Say there "
                "what it says, and leave it out."
            )


def _missing_material(site: Site) -> Iterator[str]:
    if site.bundle or site.bundle_content:
        return
    if not (site.certificate or site.certificate_content):
        yield _missing(site, "certificate", "what the server shows")
    if not (site.private_key or site.private_key_content or _may_hold_key(site)):
        yield _missing(site, "private_key", "the key of the certificate")


def _missing(site: Site, name: str, sense: str) -> str:
    if site.remote_src:
        return f"the option '{name}' ({sense}) is missing. Give the absolute path of a PEM file on the host."
    return f"the option '{name}' ({sense}) is missing. Give it, or '{name}_content', or 'bundle'."


def _may_hold_key(site: Site) -> bool:
    """Whether the certificate's file may bring the key along, as PKCS#12 does, so that the verdict has to tell.

    On the host no file does: httpd reads PEM there, and the controller has no verdict on it.
    """
    if site.remote_src:
        return False
    return bool(site.private_key_passphrase or (site.certificate or "").lower().endswith((".p12", ".pfx")))


def _wrong_addresses(site: Site) -> Iterator[str]:
    for index, address in enumerate(site.listen):
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            yield (
                f"the option 'listen[{index}]' is not an IP address, which it must be, as names are looked up when "
                "httpd starts."
            )
            continue
        if parsed.is_unspecified:
            yield f"the option 'listen[{index}]' means all addresses. Leave 'listen' out for that."
        if getattr(parsed, "scope_id", None) is not None:
            yield f"the option 'listen[{index}]' has a scope ('%'), which cannot be used. Give the address alone."


def _wrong_proxy_pass(site: Site) -> Iterator[str]:
    if not site.proxy_pass:
        return
    wrong = list(wrong_backend("proxy_pass", site.proxy_pass))
    yield from wrong
    if not wrong and not site.proxy_pass.endswith("/"):
        yield "the option 'proxy_pass' does not end in a slash, so that paths would join its last word. Add it."


def _wrong_text(site: Site) -> Iterator[str]:
    """Yield what cannot stand in the virtual host, or would not stay in it."""
    for line, name in reaching(site.extra_directives or ""):
        yield (
            f"the option 'extra_directives' has {name} in line {line}, which would not stay in the site's one virtual "
            "host. Say it in the server's own configuration, and leave it out."
        )
    logs = {"access_log": site.access_log, "error_log": site.error_log}
    for name, log in logs.items():
        if log is not None and log != "server":
            try:
                quoting.path(log)
            except quoting.NotQuotable as error:
                yield f"the option '{name}' cannot be used: {error}. Give an absolute path on the target, or server."
    for name, quoted in _QUOTED.items():
        try:
            quoted(getattr(site, name) or "/")
        except quoting.NotQuotable as error:
            yield f"the option '{name}' cannot be used: {error}."
    for name in (*_QUOTED, *logs, "extra_directives"):
        if quoting.RELEASE in (getattr(site, name) or ""):
            yield f"the option '{name}' holds {quoting.RELEASE}, which stands for the release's folder."
    if _OWN_VARIABLES in (site.extra_directives or ""):
        yield (
            f"the option 'extra_directives' holds {_OWN_VARIABLES}, by which the collection tells httpd what to read. "
            "Leave it out."
        )


def _wrong_sources(site: Site) -> Iterator[str]:
    """Yield what is wrong with the options of a site whose material lies on the host."""
    contents = tuple(f"{name}_content" for name in _MATERIAL_ON_HOST)
    for name in (*contents, "private_key_passphrase", "bundle", "bundle_content"):
        if getattr(site, name):
            yield f"the option '{name}' does not go with 'remote_src', which takes PEM files on the host. Give it up."
    given = {name: path for name in _ON_HOST if (path := getattr(site, name))}
    for name, path in given.items():
        if not path.startswith("/"):
            yield f"the option '{name}' is not an absolute path on the host, which it must be with 'remote_src'."
    for name, paths in {**{name: [path] for name, path in given.items()}, "client_ca": site.client_ca or ()}.items():
        if not all(path.isprintable() for path in paths):
            yield f"the option '{name}' holds a character that cannot be shown, which no path on the host should have."
    places = {path.startswith("/") for path in site.client_ca or ()} | {False for _text in site.client_ca_content or ()}
    if len(places) > 1:
        yield "the option 'client_ca' mixes files on the host (absolute paths) with the controller's. Take one kind."
    if True in places and (site.crl or site.crl_content):
        yield (
            "the option 'crl' is judged by the client CA, which then has to be the controller's too. Give 'client_ca' "
            "by a path there, one that is not absolute."
        )
