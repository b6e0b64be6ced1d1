# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module says of itself in the same words."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes that all modules state."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and tell what would change, without changing it.
  diff_mode:
    description: Shows what was changed, or would be.
  platform:
    description: The operating systems that it works on.
"""
