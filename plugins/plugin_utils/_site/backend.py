# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands behind a site: which modules its backends need, and what these learn of the client."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import rules
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.contents import passed_over
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import materials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import ForwardedIdentity, Site

_VALUES = {"subject": "SSL_CLIENT_S_DN", "serial": "SSL_CLIENT_M_SERIAL", "verification": "SSL_CLIENT_VERIFY"}
# RFC 9440. The chain is not sent, and must not come from a client either (section 2.3).
_RFC9440 = ("Client-Cert", "Client-Cert-Chain")
_HYPHENS = 4
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*")
_RENEWED = "Give the CA certificate by which the backend's is good today ('proxy_ca')."
# What requests are made of, and what mod_proxy sends of its own.
_TAKEN = {
    "host", "connection", "content-length", "content-type", "transfer-encoding", "te", "trailer", "upgrade", "expect",
    "cookie", "authorization", "max-forwards", "keep-alive", "via", "forwarded",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-server",
}  # fmt: skip


def backends(site: Site) -> list[str]:
    """Return the URLs of the site's backends."""
    urls = [site.proxy_pass, *(each.proxy_pass for each in site.protected_paths or ())]
    return [url for url in urls if url]


def modules(site: Site) -> tuple[str, ...]:
    """Return the modules of httpd that the site needs beside mod_ssl."""
    headers = site.hsts or site.forward_client_identity
    proxy = ("proxy", "proxy_http", "alias") if backends(site) else ()
    return (*proxy, *(("headers",) if headers else ()), *(("remoteip",) if site.proxy_protocol else ()))


def speaks_tls(site: Site) -> bool:
    """Whether a backend is to show a certificate."""
    return any("https://" in url for url in backends(site))


def identity(site: Site) -> dict[str, Any]:
    """Return what a template needs to tell a backend of the client.

    removed: the names that no client may send, with hyphens and underscores in each mixture, as CGI and its kin take
    both for one. values: httpd's variable by name. certificates: the names that the certificate goes by, with whether
    it stands between colons.
    """
    wanted = site.forward_client_identity
    certificates = {wanted.certificate: False} if wanted and wanted.certificate else {}
    if wanted and wanted.client_cert:
        certificates[_RFC9440[0]] = True
    values = {name: _VALUES[key] for key, name in _names(wanted).items() if key in _VALUES}
    names = dict.fromkeys((*values, *certificates, *(_RFC9440 if wanted else ())))
    removed = [mixed for name in names for mixed in _mixtures(name)]
    return {"removed": removed, "values": values, "certificates": certificates}


def _names(wanted: ForwardedIdentity | None) -> dict[str, str]:
    """Return the names of headers that the operator chose, by what they tell."""
    chosen = {key: getattr(wanted, key, None) for key in (*_VALUES, "certificate")}
    return {key: name for key, name in chosen.items() if name}


def _mixtures(name: str) -> Iterator[str]:
    first, *words = re.split("[-_]", name)
    for marks in itertools.product("-_", repeat=len(words)):
        yield first + "".join(map("".join, zip(marks, words)))


def authorities(finder: Finder, site: Site, findings: list[Finding], at: datetime, warn: timedelta) -> bytes:
    """Return the CA certificates of the backends as PEM.

    Adds what is wrong with them, C(at) a moment or within C(warn) from then, to C(findings).
    """
    found: list[Certificate] = []
    for material in materials(finder, vars(site), "proxy_ca", findings):
        try:
            contents = read(material.data, material.name)
        except FormError as error:
            findings.append(finding(error.code, material.name, f"'proxy_ca' {error}", "Give the CA's certificate."))
            continue
        findings += passed_over(contents, material, "proxy_ca")
        certificates = contents.certificates
        if not certificates or not all(each.may_issue for each in certificates):
            message = "'proxy_ca' holds no certificate, or one that is no CA."
            findings.append(finding("not-a-ca", material.name, message, "Give the CA's certificate alone."))
        found += certificates
    # A path to a backend ends at a root.
    needed = not any(one.self_issued and one.begin <= at <= one.end for one in found)
    findings += rules.times(list(dict.fromkeys(found)), at, warn, _RENEWED, needed=needed)
    return b"".join(dict.fromkeys(one.pem for one in found))


def wrong_behind(site: Site) -> Iterator[str]:
    """Yield what is wrong with the options for backends beside their types. No message repeats a value."""
    has_ca = bool(site.proxy_ca or site.proxy_ca_content)
    if speaks_tls(site) and not has_ca:
        yield (
            "the option 'proxy_ca' is missing: without it httpd could not tell the backend from others. Give the "
            "CA certificate that the backend's was issued by."
        )
    if has_ca and not speaks_tls(site):
        yield "the option 'proxy_ca' is given, and no backend is spoken to over https. Leave it out."
    if site.forward_client_identity is not None:
        yield from _wrong_identity(site, site.forward_client_identity)


def _wrong_identity(site: Site, wanted: ForwardedIdentity) -> Iterator[str]:
    names = _names(wanted)
    if not names and not wanted.client_cert:
        yield "the option 'forward_client_identity' forwards nothing. Name a header, or leave it out."
    if not backends(site):
        yield "the option 'forward_client_identity' is given, and there is no backend. Leave it out."
    for key, name in names.items():
        if not _NAME.fullmatch(name) or len(re.findall("[-_]", name)) > _HYPHENS:
            yield (
                f"the option 'forward_client_identity.{key}' is no name of a header: letters and digits, with at most "
                f"{_HYPHENS} hyphens between them."
            )
        if _plain(name) in _TAKEN:
            yield f"the option 'forward_client_identity.{key}' is a header with another meaning. Choose another name."
    plain = [_plain(name) for name in (*names.values(), *_RFC9440)]
    if len(set(plain)) < len(plain):
        yield "the option 'forward_client_identity' gives two things one name. Give each its own."
    if site.verify_client == "optional_no_ca" and not wanted.verification:
        yield (
            "the option 'forward_client_identity' lacks 'verification', by which alone the backend could tell a "
            "certificate that anybody made (optional_no_ca) from a good one. Add it."
        )


def _plain(name: str) -> str:
    """Return a header's name as CGI and its kin compare it."""
    return name.lower().replace("_", "-")
