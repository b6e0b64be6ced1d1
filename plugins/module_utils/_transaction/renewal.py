# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The program that a host runs when certbot has renewed a certificate: the same transaction, with no controller.

A zip that Python runs (PEP 441), made of the modules that are running now. It holds the wish and the probes, and no
private key of a site.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import pkgutil
import re
import sys
import zipfile
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import File, StoreError, entry_of
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import (
    Request,
    request_from_json,
    request_to_json,
)

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry

_PACKAGE = "ansible_collections.mtls.httpd.plugins.module_utils"
_PROBES, _REQUEST = "probes.json", "request.json"
_IDENTITIES = ("probes", "pinned")  # of a request: made anew by each run
_MODE = 0o700
# What lies there means something by its name, whoever made it: to each login (/etc/nologin), to the loader of each
# program (/etc/ld.so.preload), to sudo, which refuses everybody over one file that it cannot read (/etc/sudoers.d).
_MEANT = re.compile(r"/|/etc(/[^/]+\.d)?|/(boot|dev|proc|run|sys)(/.*)?")
_MAIN = f"""\
# Made by Ansible (mtls.httpd.sites), and made anew by its next run.
import sys

from {_PACKAGE}._transaction import renewal, request, run

try:
    report = run.carry_out(renewal.request(sys.path[0]))
except (request.NotARequest, run.Refused) as refusal:
    sys.exit(f"mtls.httpd: {{refusal}}")
for each in report.findings:
    words = f"{{each['severity']}} {{each['code']}}, {{each['subject']}}: {{each['message']}} {{each['remedy']}}"
    print(f"mtls.httpd: {{each['domain']}}: {{words}}")
for site in report.sites:
    print(f"mtls.httpd: {{site['domain']}}: {{'renewed' if site['changed'] else 'unchanged'}}, ends {{site['ends']}}")
"""


def program(path: str, wanted: Request) -> Entry:
    """The entry for C(path): as it is, where that does what is wanted already; else made anew.

    The probes are new in each run, and those of the first do. Raises StoreError for what is not ours there, or for a
    folder whose files mean something by their names, and Untrusted where somebody else could put another program in
    its place, which root would run.
    """
    folder = trusted_paths.follow_path(os.path.dirname(path))
    if _MEANT.fullmatch(folder):
        words = f"{path} lies in {folder}, where the system takes files for its own by their names"
        raise StoreError(Fault("hook-refused", "", words, "name a program in a folder of hooks, or of programs"))
    found = entry_of(path)
    if found is not None and not is_ours(found):
        words = f"{path} is not this collection's, and stands where 'renewal_hook' puts its own"
        raise StoreError(Fault("in-the-way", "", words, "move it away"))
    if isinstance(found, File) and os.path.realpath(sys.argv[0]) == os.path.realpath(path):
        return File(found.content, _MODE)  # It is running, and leaves what it does as it is.
    entries = _entries(wanted)
    if isinstance(found, File) and _held_by(found.content) == {**entries, _PROBES: None}:
        return File(found.content, _MODE)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(entries.items()):
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return File(_shebang() + content.getvalue(), _MODE)


def is_ours(entry: Entry) -> bool:
    """Whether what lies at a path is such a program: by what it holds, as anybody's may begin as it does."""
    held = _held_by(entry.content) if isinstance(entry, File) else {}
    return _REQUEST in held and any(name.startswith(_PACKAGE.replace(".", "/") + "/") for name in held)


def request(path: str) -> Request:
    """What the program at C(path) is to do. Raises NotARequest."""
    with zipfile.ZipFile(path) as archive:
        return request_from_json({**json.loads(archive.read(_REQUEST)), **json.loads(archive.read(_PROBES))})


def _shebang() -> bytes:
    return f"#!{sys.executable} -I\n".encode()


def _entries(wanted: Request) -> dict[str, bytes]:
    data = request_to_json(wanted)
    probes = {name: data.pop(name) for name in _IDENTITIES}
    importlib.import_module(f"{_PACKAGE}._transaction.change")  # What this run may not have needed yet.
    entries = {
        "__main__.py": _MAIN.encode(),
        _REQUEST: json.dumps(data, sort_keys=True).encode(),
        _PROBES: json.dumps(probes).encode(),
    }
    for name, module in sorted(sys.modules.items()):
        if name.startswith(f"{_PACKAGE}.") and not hasattr(module, "__path__"):
            *folders, own = name.split(".")
            for depth in range(1, len(folders) + 1):  # Python imports no folder of a zip that has none.
                entries["/".join([*folders[:depth], "__init__.py"])] = b""
            entries["/".join([*folders, f"{own}.py"])] = pkgutil.get_data(name, f"{own}.py") or b""
    return entries


def _held_by(content: bytes) -> dict[str, bytes | None]:
    """What a program holds, but for its probes."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: None if name == _PROBES else archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile:
        return {}
