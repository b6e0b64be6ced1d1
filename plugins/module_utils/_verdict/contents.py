# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the material under an option holds, and whether it belongs there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import finding, in_shell
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import Contents, FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, Judgement
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.shared import Shared
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material


def read_own(material: Material | None, option: str, passphrase: bytes | None) -> Judgement[Contents]:
    """Read material that may hold a private key, and that is one set's alone.

    Yields a finding for what cannot be read, or is not what the option wants. Returns what the material holds: nothing
    after such a finding, or if there is no material.
    """
    if material is None:
        return Contents()
    try:
        contents = read(material.data, material.name, passphrase)
    except FormError as fault:
        yield _unreadable(fault, material, option)
        return Contents()
    return (yield from _fitting(contents, material, option))


def read_shared(shared: Shared, material: Material | None, option: str) -> Judgement[Contents]:
    """Read material that no private key belongs in, and that other sets may name too.

    Yields and returns what `read_own` does, and a finding for a key that lies in it all the same.
    """
    if material is None:
        return Contents()
    try:
        contents = shared.read(material)
    except FormError as fault:
        yield _unreadable(fault, material, option)
        return Contents()
    fitting = yield from _fitting(contents, material, option)
    if fitting.keys:
        message = f"'{option}' holds a private key beside {_wanted(option)}, and would be readable by everybody."
        remedy = f"Keep the key out of it: openssl x509 -in {in_shell(material.name)}"
        yield finding("unreadable", material.name, message, remedy)
    return fitting


def _fitting(contents: Contents, material: Material, option: str) -> Judgement[Contents]:
    """Return the contents if what the option wants is among them; else yield a finding, and return nothing."""
    if {"private_key": contents.keys, "crl": contents.crls}.get(option, contents.certificates):
        return contents
    word = _wanted(option)
    message = f"'{option}' holds {contents}, and {word} belongs there."
    yield finding("unreadable", material.name, message, f"Give the file that holds {word}.")
    return Contents()


def _wanted(option: str) -> str:
    """Return what belongs under the option, as messages call it."""
    return {"private_key": "a private key", "crl": "a CRL"}.get(option, "a certificate")


def _unreadable(fault: FormError, material: Material, option: str) -> Finding:
    """Return the finding for material that cannot be taken."""
    return finding(fault.code, material.name, f"'{option}' {fault}", _remedy(fault, material, option))


def _remedy(fault: FormError, material: Material, option: str) -> str:
    """Return what to do about material that cannot be taken."""
    if fault.code == "encrypted-key":
        if option not in ("certificate", "private_key", "bundle"):
            return f"Give the file that holds {_wanted(option)}. No key belongs there."
        return "Give the right 'private_key_passphrase', vaulted. The key is decrypted in memory, as httpd cannot ask."
    name = in_shell(material.name)
    if not material.data.strip():
        return "Download or copy it again, whole."
    if material.data[:2] == b"PK":
        return f"Test the zip: unzip -t {name}. Where it is damaged, download it again; else give the file itself."
    if option == "private_key":
        return f"Look at it: openssl pkey -in {name} -noout"
    kind, forms = ("crl", "PEM or DER") if option == "crl" else ("x509", "PEM, DER, PKCS#7, PKCS#12 or a zip of these")
    if material.data[:1] == b"<":  # A console that wants a login, or a mirror without the file, answers with a page.
        return f"It looks like a web page. Download the file itself again: {forms}."
    return f"Give {forms}. Look at it: openssl {kind} -in {name} -noout -text"
