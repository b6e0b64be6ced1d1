# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients as the probes take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Identity

if TYPE_CHECKING:
    from demo_material import Issued


def identity(issued: Issued) -> Identity:
    """Return a client's identity as the probes take it."""
    return Identity(issued.full_pem, issued.key_pem)
