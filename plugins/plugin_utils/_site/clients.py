# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may call a site: from the option C(allowed_clients) to the expressions that httpd decides by."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import alternative_name
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.subjects import encoded_subject
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import PINNED
from ansible_collections.mtls.httpd.plugins.module_utils._verdict import rules
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.contents import passed_over
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material
from ansible_collections.mtls.httpd.plugins.plugin_utils._material import materials

with contextlib.suppress(ImportError):  # The verdict says so where it is missing.
    from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.certificate import Certificate
    from ansible_collections.mtls.httpd.plugins.plugin_utils._material import Finder
    from ansible_collections.mtls.httpd.plugins.plugin_utils._site.options import AllowedClient

_KEYS = ("subject", "san", "certificate", "certificate_content")
# httpd has a variable for each name, and a list of none: one behind these does not count.
_SAN_VARIABLES = {"dns": "SSL_CLIENT_SAN_DNS_", "email": "SSL_CLIENT_SAN_Email_"}
_SAN_COUNT = 8
_RENEWED = (
    "Give the certificate that the client shows today, as the access log tells ('allowed_clients'); while it changes, "
    "list the next one beside it."
)


def wrong_clients(allowed: Sequence[AllowedClient]) -> Iterator[str]:
    """Yield what is wrong with the option C(allowed_clients) beside its types. No message repeats a value."""
    if not allowed:
        yield "the option 'allowed_clients' is an empty list, so that nobody could call. Leave it out, or fill it."
    for index, client in enumerate(allowed):
        where = f"the option 'allowed_clients[{index}]'"
        given = [key for key in _KEYS if getattr(client, key)]
        if len(given) != 1:
            yield f"{where} names a client by {len(given)} things. Give one of 'subject', 'san', 'certificate'."
        elif client.subject:
            try:
                encoded_subject(client.subject)
                quoting.expression(client.subject)
            except quoting.NotQuotable as error:
                yield f"{where}: the subject cannot be used: {error}."
            except ValueError:
                yield (
                    f"{where}: the subject is no name as RFC 4514 writes it, such as CN=Chat,O=Tencent. Copy it from "
                    "the site's access log, or from: openssl x509 -noout -subject -nameopt RFC2253 (without -nameopt "
                    "it has spaces and the other order, and would match nobody)."
                )
        elif client.san:
            try:
                alternative_name(client.san)
                quoting.expression(client.san)
            except ValueError:
                yield f"{where}: the 'san' is not a DNS name or e-mail address of plain ASCII."
        if any(quoting.RELEASE in (text or "") for text in (client.subject, client.san)):
            yield f"{where} holds {quoting.RELEASE}, which stands for the release's folder."


def pins_of(
    finder: Finder, allowed: Sequence[AllowedClient], findings: list[Finding], at: datetime, warn: timedelta
) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """Return the pins of a site's facts, in the order of the option, and the certificates among them by file name.

    Adds what is wrong with a certificate, C(at) a moment or within C(warn) from then, to C(findings).
    """
    pins: dict[str, bytes] = {}
    known: list[Certificate] = []
    for index, client in enumerate(allowed):
        if client.subject:
            pins[f"subject:{client.subject}"] = b""
        elif client.san:
            kind = "email" if isinstance(alternative_name(client.san), x509.RFC822Name) else "dns"
            pins[f"{kind}:{client.san}"] = b""
        else:
            for material in materials(finder, vars(client), "certificate", findings):
                option = f"allowed_clients[{index}]"
                source = option if client.certificate_content else material.name
                one = _certificate(material, option, source, findings)
                if one is not None and one not in known:
                    known.append(one)
                    pins[f"{PINNED}client-{len(known)}.crt"] = one.pem
    # httpd refuses a certificate out of its time, whatever is allowed.
    needed = len(known) == len(pins) and not any(one.begin <= at <= one.end for one in known)
    findings += rules.times(known, at, warn, _RENEWED, needed=needed)
    return tuple(pins), {pin[len(PINNED) :]: pem for pin, pem in pins.items() if pem}


def rule(pin: str) -> str:
    """Return the expression that holds for a client with the pin, as `Require expr` takes it."""
    kind, _colon, value = pin.partition(":")
    if kind == "subject":
        return f"%{{SSL_CLIENT_S_DN}} == {quoting.expression(value)}"
    if kind in _SAN_VARIABLES:
        names = ", ".join(f"%{{{_SAN_VARIABLES[kind]}{number}}}" for number in range(_SAN_COUNT))
        return f"{quoting.expression(value)} -in {{{names}}}"
    return f"%{{SSL_CLIENT_CERT}} == {quoting.released(value)}"


def _certificate(material: Material, option: str, source: str, findings: list[Finding]) -> Certificate | None:
    try:
        contents = read(material.data, source)
    except FormError as error:
        findings.append(finding(error.code, source, f"'{option}' {error}", "Give the client's certificate."))
        return None
    findings += passed_over(contents, Material(material.data, source), option)
    found = contents.certificates
    if len(found) != 1:
        message = f"'{option}' holds {len(found)} certificates, and is compared with one."
        findings.append(finding("unreadable", source, message, "Give the client's own certificate alone."))
        return None
    return found[0]
