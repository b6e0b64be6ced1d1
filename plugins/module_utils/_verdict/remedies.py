# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What to do about material that cannot be taken: a command that shows it as it is, or mends it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import in_shell
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import ARCHIVES, Form, Kind

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import FormError
    from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material

_PASSPHRASE = "Give the right 'private_key_passphrase', vaulted. The key is decrypted in memory, as httpd cannot ask."
_SSH_TO_PEM = "ssh-keygen -p -m PEM -f new.key"  # which OpenSSL reads; of a key that others may read it takes none
_FORMS = "Give PEM, DER, PKCS#7, PKCS#12 or a zip of these."
# RC2 and RC4 of PKCS#12 (RFC 7292, C), which OpenSSL 3 reads where it is told to alone.
_OLD_PKCS12 = re.compile(rb"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01[\x01\x02\x05\x06]")
# What shows a form, to be read from {name}; on the standard input, where that is empty.
_LOOK = {
    Form.CERTIFICATE: "openssl x509 {name} -noout -text",
    Form.CRL: "openssl crl {name} -noout -text",
    Form.KEY: "openssl pkey {name} -noout",
    Form.REQUEST: "openssl req {name} -noout -text",
    Form.PKCS7: "openssl pkcs7 {name} -print_certs -noout",
    Form.PKCS12: "openssl pkcs12 {name} -noout",
    Form.CUT_OFF: "tail -n 3 {name}",
    Form.PUBLIC_KEY: "openssl pkey -pubin {name} -noout -text",
}
# What shows of what is damaged, and is read no more, how far it goes.
_SHOW = dict.fromkeys((Form.CERTIFICATE, Form.CRL, Form.PKCS7, Form.PKCS12), "openssl asn1parse -i {name}")
_TOLD_ITS_FORM = (Form.PKCS7, Form.REQUEST)  # whose commands do not find out by themselves that it is DER
# What turns something that is well into what can be read here.
_TURN = {
    Form.CERTIFICATE: "openssl x509 {name} -out new.crt",
    Form.CRL: "openssl crl {name} -out new.crl",
    Form.KEY: "openssl pkey {name} -out new.key",
    Form.PKCS7: "openssl pkcs7 {name} -print_certs -out new.pem",
    Form.PKCS12: "openssl pkcs12 {name} -nodes -out new.pem",
    Form.OLD_CIPHER: "openssl pkey {name} -provider legacy -provider default -out new.key",
    Form.CURVE_IN_NUMBERS: "openssl ec {name} -param_enc named_curve -out new.key",
}


def remedy(fault: FormError, material: Material, option: str, wanted: str) -> str:
    """Return what to do about material under an option that wants what `wanted` says."""
    if fault.kind is Kind.LOCKED:
        return _for_locked(fault, material, option, wanted)
    if fault.kind is Kind.UNFIT:
        new = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key"
        return f"Order a certificate for a new key: {new}"
    if fault.form in (Form.ZIP, Form.JAVA_KEYSTORE):
        return _for_container(fault, material)
    return _for_form(fault, material)


def _for_locked(fault: FormError, material: Material, option: str, wanted: str) -> str:
    if option in ("certificate", "private_key", "bundle"):
        return f"{_PASSPHRASE} To try one: {_command(_LOOK, fault, material)}"
    if fault.form is Form.PKCS12:
        # A keystore of Java that holds certificates alone has a passphrase too.
        return f"Take {wanted} out of it: {_command(_TURN, fault, material).replace('-nodes', '-nokeys')}"
    return f"Give the file that holds {wanted}. No key belongs there."


def _for_container(fault: FormError, material: Material) -> str:
    name, entry = in_shell(material.name), shlex.quote(fault.entry)
    if fault.form is Form.JAVA_KEYSTORE:
        unpack, store = (f"unzip {name} {entry} && ", entry) if fault.entry else ("", name)
        kind = " -srcstoretype jceks" if "JCEKS" in str(fault) else ""
        turn = f"keytool -importkeystore -srckeystore {store}{kind} -destkeystore new.p12 -deststoretype pkcs12"
        return f"Turn it into PKCS#12: {unpack}{turn}"
    if fault.kind is Kind.DAMAGED:
        return f"Where it is damaged, download it again; else give the file itself. To test it: unzip -t {name}"
    return f"Unpack it, and give the file itself. To look into it: unzip -l {name}"


def _for_form(fault: FormError, material: Material) -> str:
    name = in_shell(material.name)
    if fault.form is Form.NOTHING:
        return "Download or copy it again, whole."
    if fault.form is Form.WEB_PAGE:
        return f"It looks like a web page. Download the file itself again. Look at it: head -c 300 {name}"
    if fault.form is Form.VAULT:
        return f"Give the secret that opens it, and material that is vaulted once: ansible-vault view {name}"
    if fault.form is Form.LFS_POINTER:
        return f"Fetch the file that it points at: git lfs pull --include {name}"
    if fault.form is Form.PACKED:
        return f"Unpack it, and give the file itself{_unpacking(material, name)}"
    if fault.form is Form.PUTTY_KEY:
        return f"Give the key in PEM: puttygen {name} -O private-openssh -o new.key && {_SSH_TO_PEM}"
    if fault.kind is Kind.UNKNOWN and fault.form in _TURN:
        return f"Turn it into a form that is read here: {_command(_TURN, fault, material)}"
    if fault.form is Form.NO_BASE64:
        return f"Copy or download it again. To see what is none: grep -nvE '^[A-Za-z0-9+/=]*$' {name}"
    if fault.kind is Kind.DAMAGED and fault.form in _SHOW and not fault.entry:
        der = "-inform DER " if material.data[:1] == b"\x30" else ""
        show = _SHOW[fault.form].format(name=f"{der}-in {name}")
        return f"Copy or download it again. To see how far it goes: {show}"
    if fault.form in _LOOK:
        return f"Copy or download it again. Look at it: {_command(_LOOK, fault, material)}"
    return f"{_FORMS} Look at it: head -c 300 {name} | cat -v"


def _unpacking(material: Material, name: str) -> str:
    """Return the command for a packed file; nothing for one in a zip, which is unpacked first."""
    commands = (command for magic, (_name, command) in ARCHIVES.items() if material.data.startswith(magic))
    return next((f": {command.format(name=name)}" for command in commands), ".")


def _command(commands: dict[Form, str], fault: FormError, material: Material) -> str:
    """Return the command for the material's form, also where that lies in a zip."""
    name = in_shell(material.name)
    command = commands.get(fault.form, _LOOK[Form.CERTIFICATE])
    if fault.entry:
        return _of_input(f"unzip -p {name} {shlex.quote(fault.entry)}", command)
    return _of_file(fault.form, command, material)


def look_at(form: Form, material: Material) -> str:
    """Return a command that shows the material, which is well, as what it is."""
    name = in_shell(material.name)
    if material.data[:2] == b"PK":
        return f"unzip -l {name}"
    if form is Form.SSH_KEY:
        return f"install -m 600 {name} new.key && {_SSH_TO_PEM}"
    return _of_file(form, _LOOK[form], material) if form in _LOOK else f"head -c 300 {name} | cat -v"


def _of_file(form: Form, command: str, material: Material) -> str:
    name = in_shell(material.name)
    if form is Form.CUT_OFF:
        return command.format(name=name)
    if form is Form.PKCS12 and b"-----BEGIN" in material.data:  # which OpenSSL does not read
        return f"sed '/-----/d' {name} | openssl base64 -d -out new.p12 && {command.format(name='-in new.p12')}"
    if form is Form.PKCS12 and _OLD_PKCS12.search(material.data):
        command = command.replace("openssl pkcs12", "openssl pkcs12 -legacy")
    der = " -inform DER" if form in _TOLD_ITS_FORM and material.data[:1] == b"\x30" else ""
    return command.format(name=f"-in {name}{der}")


def _of_input(shown: str, command: str) -> str:
    """Return the command for what another command shows."""
    return f"{shown} | {' '.join(command.format(name='').split())}"
