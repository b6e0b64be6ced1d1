# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The codes of a verdict for what OpenSSL refuses, on the controller as on a host."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import CODES, ERROR, OPENSSL, WARNING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._twin.memory import Refusal
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding

PATH = frozenset(
    [
        "chain-incomplete",
        "untrusted-issuer",
        "wrong-usage",
        "path-refused",
        "name-constraints",
        "bad-form",
        "not-a-ca",
        "client-ca-incomplete",
        "clients-refused",
    ]
)
LISTS = frozenset(["crl-expired", "crl-not-yet-valid", "crl-wrong-issuer", "crl-missing", "crl-unsupported"])
# By OpenSSL's numbers (x509_vfy.h): the code for a server's path, that for a client CA, and which rules explain it.
_CODES: dict[int, tuple[str, str, frozenset[str]]] = {
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 29, 30, 31), ("untrusted-issuer", "client-ca-incomplete", PATH)),
    3: ("path-refused", "crl-missing", LISTS),
    23: ("revoked", "revoked", frozenset({"revoked"})),
    **dict.fromkeys((8, 33, 35), ("path-refused", "crl-wrong-issuer", LISTS)),
    9: ("not-yet-valid", "not-yet-valid", frozenset({"expired", "not-yet-valid"})),
    10: ("expired", "expired", frozenset({"expired", "not-yet-valid"})),
    11: ("path-refused", "crl-not-yet-valid", LISTS),
    12: ("path-refused", "crl-expired", LISTS),
    **dict.fromkeys((36, 44, 54), ("path-refused", "crl-unsupported", LISTS)),
    **dict.fromkeys((24, 32, 37, 79), ("wrong-usage", "not-a-ca", PATH)),
    26: ("wrong-usage", "wrong-usage", PATH),
    **dict.fromkeys((47, 48), ("name-constraints", "clients-refused", PATH)),
    **dict.fromkeys((62, 64), ("name-mismatch", "clients-refused", frozenset({"name-mismatch", "invalid-domain"}))),
    **dict.fromkeys((66, 67, 94), ("weak-key", "weak-key", frozenset({"weak-key"}))),
    68: ("weak-signature", "weak-signature", frozenset({"weak-signature"})),
}
_OTHER = ("path-refused", "clients-refused", PATH)
# What OpenSSL says of material that it does not load: words in it, and the code.
_LOADING = (
    ("key too small", "weak-key"),
    ("md too weak", "weak-signature"),
    ("values mismatch", "key-mismatch"),
    ("type mismatch", "key-mismatch"),
)


def codes_of(refusal: Refusal) -> tuple[str, str, frozenset[str]]:
    """Return the codes, of a server and of a client CA, and the codes of the rules that would explain the refusal."""
    if refusal.number:
        return _CODES.get(refusal.number, _OTHER)
    for words, code in _LOADING:
        if words in refusal.words:
            # Of a certificate whose key nobody can use, it is not told that the private key is another.
            return code, code, frozenset({code, "weak-key"})
    return "path-refused", "clients-refused", frozenset(CODES)


def explained(findings: Sequence[Finding], refusal: Refusal, otherwise: Finding) -> list[Finding]:
    """Return the findings with OpenSSL's words beside the first error that explains them, or with another one."""
    explaining = codes_of(refusal)[2]
    for at, each in enumerate(findings):
        if each.severity == ERROR and each.code in explaining:
            if each.quotes == OPENSSL:
                return list(findings)
            message = f"{each.message.rstrip('.')} (OpenSSL: {refusal.words.rstrip('.')})."
            return [*findings[:at], replace(each, message=message, quotes=OPENSSL), *findings[at + 1 :]]
    return [*findings, otherwise]


def softened(one: Finding, codes: Collection[str]) -> Finding:
    """Return an error of one of the codes as a warning that says who accepts it."""
    if one.severity != ERROR or one.code not in codes:
        return one
    reason = one.message.partition(";")[0].rstrip(".")
    return replace(one, severity=WARNING, message=f"{reason}; OpenSSL accepts it all the same.")


def harmless(one: Finding) -> Finding:
    """Return an error on a list as a warning that says that clients are let in by those that are given."""
    reason = one.message.partition(";")[0].rstrip(".")
    message = f"{reason}; by the lists that are given, OpenSSL lets clients in all the same."
    return replace(one, severity=WARNING, message=message)
