# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The one room through which a value reaches httpd's configuration, or a path on the host."""

from __future__ import annotations

import posixpath
import re

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError

# Stands for the release's folder in rendered text until the host fills it in, so that a release's name can be the hash
# of its text.
RELEASE = "@mtls-httpd-release@"
# A variable of httpd's configuration, set in the host-level file: the folder of the server's own logs.
LOGS = "MTLS_HTTPD_LOGS"
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_FILE = "file('"  # ap_expr's function that reads a file


class NotQuotable(OperatorError, ValueError):
    """A value that cannot stand in httpd's configuration. The message never holds the value."""

    def __init__(self, message: str) -> None:
        super().__init__(Fault("bad-value", "", message, ""))


def _escaped(value: str) -> str:
    # ap_getword_conf(): within double quotes, a backslash escapes the quote and itself, nothing else.
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _refuse_controls(value: str) -> None:
    """Raises NotQuotable for control characters: what ends a line for httpd, or for a template's filters (`indent`)."""
    found = _CONTROL.search(value)
    if found:
        raise NotQuotable(
            f"character {found.end()} is a control character, which cannot stand in httpd's configuration"
        )


def directive(value: object) -> str:
    """Return C(value) as one argument of a directive, in double quotes.

    Raises NotQuotable for what no quoting can make safe: control characters, as a line's end ends the directive, and
    C(${), which httpd expands inside quotes too (ap_resolve_env, no escape exists).
    """
    text = str(value)
    _refuse_controls(text)
    if "${" in text:
        raise NotQuotable("'${' is expanded by httpd even inside quotes, and cannot be escaped")
    return f'"{_escaped(text)}"'


def expression(value: str) -> str:
    """Return C(value) as a string of an expression (ap_expr), in single quotes.

    It stands in `Require expr "…"`, of which httpd takes the outer quotes away and nothing else.
    A brace is escaped too, as httpd expands C(${) before it reads the expression.

    Raises NotQuotable for control characters, as a line's end ends the directive.
    """
    _refuse_controls(value)
    # An octal escape would swallow the digits behind it.
    return "'" + "".join(f"\\{char}" if char in "\\'\"%${" else char for char in value) + "'"


def released(file: str) -> str:
    """Return the content of a file of the release, as an expression."""
    return f"{_FILE}{RELEASE}/{name(file)}')"


def filled(text: str, folder: str) -> str:
    """Return rendered C(text) with the absolute path C(folder) in the place of RELEASE, which stands inside quotes."""
    text = text.replace(_FILE + RELEASE, _FILE + expression(path(folder))[1:-1])
    return text.replace(RELEASE, _escaped(path(folder)))


def emptied(text: str, folder: str) -> str:
    """Return the text from which ``filled`` made C(text): RELEASE in the place of C(folder)."""
    text = text.replace(_FILE + expression(folder)[1:-1], _FILE + RELEASE)
    return text.replace(_escaped(folder), RELEASE)


def path(value: str) -> str:
    """Return an absolute path on the host, if it can stand in a directive that may expand wildcards (Include).

    Raises NotQuotable for a relative path, one that climbs, or one with characters that httpd would expand.
    """
    directive(value)
    if not value.startswith("/"):
        raise NotQuotable("is not an absolute path")
    if posixpath.normpath(value) != value.rstrip("/") and value != "/":
        raise NotQuotable("holds '.', '..' or empty parts")
    if any(char in value for char in "*?["):
        raise NotQuotable("holds a wildcard character (*, ? or [)")
    return value


def name(value: str) -> str:
    """Return C(value) if it can be the name of a file or folder of ours.

    Letters, digits, dot, hyphen; not leading with a dot.

    Raises NotQuotable otherwise. The target checks every name that travels, as it trusts none.
    """
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
    if not value or value[0] in ".-" or len(value) > 255 or not set(value) <= allowed:
        raise NotQuotable("is not a plain name of letters, digits, dots and hyphens")
    return value
