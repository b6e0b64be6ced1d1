# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The material that a live configuration names, loaded as httpd would."""

from __future__ import annotations

import os
import ssl
import stat
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive

_PAIR = ("sslcertificatefile", "sslcertificatekeyfile")
_MATERIAL = (
    "sslcacertificatefile",
    "sslcadnrequestfile",
    "sslcarevocationfile",
    "sslproxycacertificatefile",
    "sslproxycarevocationfile",
    "sslcertificatechainfile",
)
# Those that name CAs to clients: one CRL is enough to be read, and not for that.
_NAMING = ("sslcacertificatefile", "sslcadnrequestfile")


def find_material_faults(described: Description, *, strict: bool = True) -> list[Fault]:
    """Each certificate, key, CA and CRL named by the configuration that OpenSSL does not take, with file and line.

    Keys with a passphrase are left out. Several certificates of a virtual host go with the keys in their order
    (SSLCertificateFile). C(strict): at OpenSSL's usual security level. Without that, what is weak counts as sound, as
    httpd takes it where its SSLCipherSuite lowers the level.
    """
    faults: list[Fault] = []
    sound: set[tuple[str, ...]] = set()  # many virtual hosts may name the same files
    pairs: dict[str, dict[str, list[Directive]]] = {}
    engines = {each.host: each.arguments.lower() for each in described.named("sslengine")}
    general = engines.get("", "off")
    for each in described.named(*_PAIR, *_MATERIAL):
        # What stands under `SSLEngine off` is not read, nor a key that is no file (pkcs11:).
        if engines.get(each.host, general) == "off" or not each.words or ":" in each.words[0]:
            continue
        name = each.name.lower()
        if name in _PAIR:
            pairs.setdefault(each.host, {}).setdefault(name, []).append(each)
            continue
        path = described.path(each.words[0])
        if (name, path) in sound:
            continue
        try:
            read_as(name, path)
            sound.add((name, path))
        except OSError as error:
            words = f"{each.place}: {each.name} {path}: {explain_openssl_error(error)}"
            faults.append(Fault("broken-before", "", words, ""))
    for found in pairs.values():
        certificates, keys = (found.get(name, []) for name in _PAIR)
        for number, certificate in enumerate(certificates):
            key = keys[number] if number < len(keys) else certificate
            written = certificate.words[0], key.words[0]
            if written in sound:
                continue
            paths = described.path(written[0]), described.path(written[1])
            try:
                for path in paths:
                    _refuse_special_file(path)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                if not strict:
                    context.set_ciphers("ALL:@SECLEVEL=0")
                context.load_cert_chain(*paths, password=_never)
                sound.add(written)
            except _HasPassphrase:
                continue
            except (OSError, ssl.SSLError) as error:
                words = f"{certificate.place}: SSLCertificateFile {paths[0]} with {key.place}: {key.name} {paths[1]}"
                faults.append(Fault("broken-before", "", f"{words}: {explain_openssl_error(error)}", ""))
    return faults


def read_as(name: str, path: str) -> None:
    """Read a file of CAs or CRLs as httpd does for the directive C(name), in lower case.

    Raises OSError (ssl.SSLError is one) where httpd would end.
    """
    _refuse_special_file(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cafile=path)
    if name in _NAMING and not context.cert_store_stats()["x509"]:
        raise OSError(0, "holds no certificate", path)


def _refuse_special_file(path: str) -> None:
    """Raises OSError for what is no plain file: another owner's FIFO would be waited for without end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(0, "is no plain file", path)


class _HasPassphrase(Exception):
    pass


def _never() -> str:
    raise _HasPassphrase


def explain_openssl_error(error: OSError) -> str:
    """What OpenSSL, or the system, says against a file, in words."""
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the private key does not match the certificate"
    return (reason or error.strerror or "is not readable").replace("_", " ").lower()
