# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the material under an option holds, and whether it belongs there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict import trust_settings
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import WARNING, command, finding, in_shell
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Contents, Form, FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.remedies import look_at, remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, Judgement
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material

MAXIMUM_TOLD = 5  # members of one file that cannot be read and are named
_KEYS = (Form.KEY, Form.CURVE_IN_NUMBERS, Form.OLD_CIPHER)
_FORMS = {"private_key": (*_KEYS, Form.CUT_OFF), "crl": (Form.CRL, Form.CUT_OFF, Form.NO_BASE64)}
# For what a CA under an option is trusted, by its number and in words.
_TRUSTED_FOR = {
    "client_ca": (trust_settings.FOR_CLIENTS, "clients"),
    "trust_anchors": (trust_settings.FOR_SERVERS, "servers"),
}
_NO_KEYS = tuple(form for form in Form if form not in _KEYS)
_OF_CERTIFICATES = (Form.CERTIFICATE, Form.PKCS7, Form.PKCS12, Form.CUT_OFF, Form.NO_BASE64)


def read_own(
    material: Material | None, option: str, passphrase: bytes | None, *, wants_key: bool = True
) -> Judgement[Contents]:
    """Read material that may hold a private key, and that is one set's alone.

    Yields a finding for what cannot be read, or is not what the option wants; also for a key that cannot be read, if
    it is the one that is wanted. Returns what the material holds: nothing after an error, or if there is no material.
    """
    if material is None:
        return Contents()
    try:
        contents = read(material.data, material.name, passphrase)
    except FormError as fault:
        yield _unreadable(fault, material, option)
        return Contents()
    keys = contents.faults_of(_KEYS)
    if keys and wants_key and not contents.keys:
        # A key that cannot be read is not to be told as a key that is missing.
        yield _unreadable(keys[0], material, option)
        return Contents()
    return (yield from _fitting(contents, material, option))


def read_shared(shared: Shared, material: Material | None, option: str) -> Judgement[Contents]:
    """Read material that no private key belongs in, and that other sets may name too.

    Yields and returns what `read_own` does, and a finding for a key that lies in it all the same. Nothing is returned
    of a client CA's material with a key in it: it is the server's own.
    """
    if material is None:
        return Contents()
    try:
        contents = shared.read(material)
    except FormError as fault:
        yield _unreadable(fault, material, option)
        return Contents()
    keys = contents.faults_of(_KEYS)
    fitting = yield from _fitting(contents, material, option)
    if fitting.keys or (keys and not fitting.is_empty()):
        message = f"'{option}' holds a private key beside {_wanted(option)}, and would be readable by everybody."
        if option == "client_ca":
            message += " It may be the server's own material; the client CA is another, Chat's."
        name = in_shell(material.name)
        look = f"unzip -l {name}" if material.data[:2] == b"PK" else f"openssl x509 -in {name}"
        yield finding("unreadable", material.name, message, f"Keep the key out of it: {look}")
        return Contents() if option == "client_ca" else fitting
    return (yield from _trusted(fitting, material, option))


def _trusted(contents: Contents, material: Material, option: str) -> Judgement[Contents]:
    """Return the contents without CAs of which their own trust settings say that they are not for the option's use.

    Yields a finding for each. What is deployed has no such settings, so that they would be lost.
    """
    purpose, whom = _TRUSTED_FOR.get(option, ("", ""))
    kept = []
    for one in contents.certificates:
        if not purpose or trust_settings.is_trusted_for(one.trust_settings, purpose):
            kept.append(one)
            continue
        message = f"'{option}' holds '{one.label}' with trust settings by which OpenSSL does not trust it for {whom}."
        do = f"Give another, or the same without the settings: {command(material.name, 'x509', '-out new.pem')}"
        yield finding("unreadable", material.name, message, do)
    return replace(contents, certificates=tuple(kept))


def passed_over(contents: Contents, material: Material, option: str) -> Iterator[Finding]:
    """Yield a warning for each member that cannot be read, where others can; not for keys, where others are wanted."""
    faults = contents.faults_of(_NO_KEYS)
    for fault in faults[:MAXIMUM_TOLD]:
        message = f"'{option}' {fault} That member was passed over, and the others count."
        do = remedy(fault, material, option, _wanted(option))
        yield finding("member-unreadable", material.name, message, do, WARNING)
    more = len(faults) - MAXIMUM_TOLD
    if more > 0:
        message = f"'{option}' holds {more} more members that cannot be read, and that were passed over."
        yield finding("member-unreadable", material.name, message, "Copy or download it again, whole.", WARNING)


def _fitting(contents: Contents, material: Material, option: str) -> Judgement[Contents]:
    """Return the contents if what the option wants is among them; else yield a finding, and return nothing."""
    if {"private_key": contents.keys, "crl": contents.crls}.get(option, contents.certificates):
        yield from passed_over(contents, material, option)
        return contents
    faults = contents.faults_of(_FORMS.get(option, _OF_CERTIFICATES))
    if faults:
        yield _unreadable(faults[0], material, option)
        return Contents()
    word = _wanted(option)
    form = contents.others[0] if contents.is_empty() and contents.others else None
    form = form or (Form.CERTIFICATE if contents.certificates else Form.CRL if contents.crls else Form.KEY)
    message = f"'{option}' holds {contents}, and {word} belongs there."
    do = f"Give the file that holds {word}. What is in this one: {look_at(form, material)}"
    if form is Form.SSH_KEY and option == "private_key":
        do = f"Turn it into PEM: {look_at(form, material)}"
    yield finding("unreadable", material.name, message, do)
    return Contents()


def _wanted(option: str) -> str:
    """Return what belongs under the option, as messages call it."""
    return {"private_key": "a private key", "crl": "a CRL"}.get(option, "a certificate")


def _unreadable(fault: FormError, material: Material, option: str) -> Finding:
    """Return the finding for material that cannot be taken."""
    do = remedy(fault, material, option, _wanted(option))
    # Read as line breaks they are; whoever is told that something is cut off may look for that in vain.
    breaks = " Its line breaks are two characters each, a backslash and an n." if b"-----\\n" in material.data else ""
    return finding(fault.code, material.name, f"'{option}' {fault}{breaks}", do)
