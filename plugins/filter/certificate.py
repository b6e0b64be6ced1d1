# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter mtls.httpd.certificate: the fields of a certificate for templates and assertions."""

from __future__ import annotations

import base64
import binascii
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mtls.httpd.plugins.module_utils._verdict.forms import MAXIMUM_SIZE, FormError
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.parsing import read

if TYPE_CHECKING:
    from collections.abc import Callable


def certificate(value: object, at: str | None = None) -> dict[str, Any]:
    """Return the documented fields of the first certificate in a text, or in the file at a path.

    Raises AnsibleFilterError, which does not repeat the value: it may be a key.
    """
    if not HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("The controller lacks the Python library cryptography, 45.0 or newer.")
    if not isinstance(value, str) or not value:
        raise AnsibleFilterError("The filter mtls.httpd.certificate wants the text of a certificate, or a path to one.")
    try:
        moment = datetime.fromisoformat(at) if at else datetime.now(timezone.utc)
    except (TypeError, ValueError):
        raise AnsibleFilterError("'at' must be a moment in ISO 8601, such as 2027-01-31T12:00:00Z.") from None
    data, source = _data(value)
    try:
        found = read(data, source).certificates
    except FormError as fault:
        raise AnsibleFilterError(f"What the filter mtls.httpd.certificate was given ({source}) {fault}") from None
    if not found:
        raise AnsibleFilterError(f"What the filter mtls.httpd.certificate was given ({source}) holds no certificate.")
    return found[0].description(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc), "any")


def _data(value: str) -> tuple[bytes, str]:
    """Return the bytes and what messages call them: of a file where the value is a path to one, else of the text."""
    if "-----BEGIN" in value:
        return value.encode(errors="replace"), "text"
    if len(value) <= 1024 and "\n" not in value and "\0" not in value and os.path.isfile(value):
        with Path(value).open("rb") as file:
            return file.read(MAXIMUM_SIZE + 1), "a file"
    try:
        return base64.b64decode("".join(value.split()), validate=True), "base64"
    except (binascii.Error, ValueError):
        return value.encode(errors="replace"), "no existing file"


class FilterModule:
    """Ansible asks this class for the filters."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"certificate": certificate}
