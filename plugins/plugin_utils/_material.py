# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the material that options name, as ansible.builtin.copy finds files, and keeps it in memory alone."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError, AnsibleFileNotFound

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.findings import Finding, finding
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import MAXIMUM_SIZE
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.verdict import Material, MaterialSet
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError, holds_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible.plugins.action import ActionBase

_ONE = ("certificate", "private_key", "chain", "bundle")
_SEVERAL = ("client_ca", "crl", "trust_anchors")


class MaterialError(ArgumentsError):
    """Material cannot be had. The text says all; the subject is the path, unless that may be pasted material."""

    def __init__(self, option: str, subject: str, reason: str, remedy: str = "") -> None:
        super().__init__([f"'{option}': {subject} {reason}" if subject != option else f"'{option}' {reason}"])
        self.subject = subject
        self.reason = reason
        self.remedy = remedy or f"Correct '{option}', or put the file there."


class Finder:
    """Reads the files that one task names. Each is read once."""

    def __init__(self, action: ActionBase) -> None:
        self._action = action
        self._read: dict[str, bytes] = {}

    def read(self, option: str, path: str) -> bytes:
        """Return the bytes of the file, decrypted in memory if it is vaulted.

        The path is absolute, or searched for in `files` of the role and the playbook.
        Raises MaterialError, which does not repeat what looks like material pasted in place of a path.
        """
        if path not in self._read:
            self._read[path] = self._contents(option, path)
        return self._read[path]

    def _searched(self, path: str) -> str:
        """Return where the file lies: as `copy` finds it, else beside the inventory (for a collection's playbook)."""
        try:
            found: str = self._action._find_needle("files", path)
            return found
        except AnsibleError:
            beside = os.path.join(self._action._templar.available_variables.get("inventory_dir") or "/", path)
            if os.path.isfile(beside):
                return beside
            raise

    def _contents(self, option: str, path: str) -> bytes:
        if "\n" in path or len(path) > 1024 or "BEGIN " in path or holds_key(path):
            reason = f"wants a path, and got what looks like the material itself. It belongs to '{option}_content'."
            raise MaterialError(option, option, reason)
        try:
            found = path if path.startswith("/") else self._searched(path)
            _refuse_odd_files(os.stat(found), option, path if path.isprintable() else option)
            # Not blocking, as a named pipe would, if one came there just now.
            with open(os.open(found, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                contents = file.read(MAXIMUM_SIZE)
        except (AnsibleError, OSError, ValueError) as error:
            raise MaterialError(option, _named(option, path), _reason(error)) from None
        return self._decrypted(option, path, found) if contents.startswith(b"$ANSIBLE_VAULT") else contents

    def _decrypted(self, option: str, path: str, found: str) -> bytes:
        """Return the bytes of a vaulted file, whatever its loader has against it being that no secret opens it."""
        try:
            # The loader decrypts in memory. Its public methods write what they decrypt to disk, or want text.
            return bytes(self._action._loader._get_file_contents(found)[0])
        except (AnsibleError, ValueError):
            reason = "is vaulted, and no given vault secret opens it."
            remedy = "Give the secret that opens it: --vault-id, or --ask-vault-pass."
            raise MaterialError(option, _named(option, path), reason, remedy) from None


def read_material_set(finder: Finder, options: Mapping[str, Any]) -> tuple[MaterialSet, list[Finding]]:
    """Return the wish that the options describe, and findings for the material that could not be had.

    `options` are those of validate_certificate, or of one site: for each material `x` a path and a twin `x_content`.
    """
    findings: list[Finding] = []
    given = {name: materials(finder, options, name, findings) for name in (*_ONE, *_SEVERAL)}
    single = {name: given[name][0] if given[name] else None for name in _ONE}
    passphrase = options.get("private_key_passphrase")
    wish = MaterialSet(
        domain=options.get("domain"),
        aliases=tuple(options.get("aliases") or ()),
        client_ca_sha256=tuple(options.get("client_ca_sha256") or ()),
        issued_by=options.get("issued_by") or "public",
        private_key_passphrase=passphrase.encode() if passphrase else None,
        verify_depth=options.get("verify_depth"),
        crl_check=options.get("crl_check") or "chain",
        certificate=single["certificate"],
        private_key=single["private_key"],
        chain=single["chain"],
        bundle=single["bundle"],
        client_ca=given["client_ca"],
        crl=given["crl"],
        trust_anchors=given["trust_anchors"],
    )
    return wish, findings


def materials(finder: Finder, options: Mapping[str, Any], name: str, findings: list[Finding]) -> tuple[Material, ...]:
    """Return the material under the option and its twin `…_content`; what cannot be had becomes a finding."""
    paths, texts = _listed(options.get(name)), _listed(options.get(f"{name}_content"))
    if not paths and not texts:
        return ()
    if paths and texts and name in _ONE:
        findings.append(
            finding(
                "ambiguous",
                name,
                f"both '{name}' and '{name}_content' are given, and they may differ.",
                "Give one of them.",
            )
        )
        return ()
    names = [f"{name}_content[{index}]" for index in range(len(texts))] if len(texts) > 1 else [f"{name}_content"]
    files = (_file(finder, name, path, findings) for path in paths)
    inline = (Material(_from_text(text), subject) for text, subject in zip(texts, names))
    return tuple(one for one in (*files, *inline) if one)


def _file(finder: Finder, name: str, path: str, findings: list[Finding]) -> Material | None:
    try:
        return Material(finder.read(name, path), path)
    except MaterialError as error:
        findings.append(finding("unreadable", error.subject, f"'{name}' {error.reason}", error.remedy))
        return None


def _listed(value: object) -> list[str]:
    """Return the texts of an option that takes one or several, as a list."""
    if value is None:
        return []
    return [str(member) for member in (value if isinstance(value, (list, tuple)) else [value])]


def _from_text(text: str) -> bytes:
    """Return the bytes of inline material: those of base64 (of DER, PKCS#12 or a zip), else the text's own."""
    if "-----BEGIN" not in text:
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            pass
    return text.encode(errors="replace")


def _named(option: str, path: str) -> str:
    """Return what messages call a file: its path, or the option where that may be a passphrase, or steer a terminal.

    A passphrase of base64 has slashes, and no dot.
    """
    return path if path.isprintable() and (path.startswith("/") or "." in path) else option


def _refuse_odd_files(found: os.stat_result, option: str, path: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise MaterialError(option, path, "is a directory; a file is wanted.")
    if not stat.S_ISREG(found.st_mode):
        raise MaterialError(option, path, "is not a regular file.")
    if found.st_size > MAXIMUM_SIZE:
        raise MaterialError(option, path, f"has {found.st_size} bytes; at most {MAXIMUM_SIZE} are read.")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist on the controller."
    if isinstance(error, PermissionError):
        return "may not be read by the user that Ansible runs as on the controller."
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}."
    if isinstance(error, AnsibleFileNotFound):
        return "is not on the controller: in no 'files' of role or playbook, nor beside them, nor beside the inventory."
    return "cannot be read."
