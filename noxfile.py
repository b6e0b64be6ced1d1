# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions that antsibull-nox.toml names, for `nox`."""

from __future__ import annotations

from antsibull_nox import load_antsibull_nox_toml

load_antsibull_nox_toml()
