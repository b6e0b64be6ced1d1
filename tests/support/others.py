# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual host of somebody else's, of which a server may have thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PLAIN = """
<VirtualHost *:{port}>
    ServerName n{number}.example.net
    ServerAlias www.n{number}.example.net
    DocumentRoot {root}/n{number}
    <Directory {root}/n{number}>
        Require all granted
        AllowOverride All
    </Directory>
    {more}
    RewriteEngine on
    RewriteRule ^/old/(.*) /new/$1 [R]
</VirtualHost>
"""


def plain_host(number: int, port: int, root: Path, more: str = "") -> str:
    """Return a virtual host without TLS, which serves its folder below `root`, with `more` said in it."""
    return _PLAIN.format(number=number, port=port, root=root, more=more)
