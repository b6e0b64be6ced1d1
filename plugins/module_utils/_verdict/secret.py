# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Bytes that nobody is to see, such as a private key."""

from __future__ import annotations


class Secret:
    """Bytes that do not print: not by repr(), str() or format(), nor as a part of something else that is printed.

    They have one way out, reveal(), so that each place that lets them out can be found.
    """

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """The bytes, to be written where nobody else can read them, and not to be kept under a name for long."""
        return self._content

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)
