# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a text says that does not stay in a virtual host."""

from __future__ import annotations

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._site.containment import reaching

REACHING = {
    "</VirtualHost>": [(1, "</VirtualHost>")],
    "SetEnv A b\n  <virtualhost *:1>\nListen 8": [(2, "<virtualhost>"), (3, "Listen")],
    "Load\\\nModule a b\nloadfile c": [(1, "LoadModule"), (3, "loadfile")],
    "Load\\\r\nFile a\r\n": [(1, "LoadFile")],
    "\\\n\\\nListen 8": [(1, "Listen")],
    "<Perl>\nunlink '/x';\n</Perl>": [(1, "<Perl>")],
    "<PerlX>\nPerlSetVar a b": [],
    'SecAuditLog "|/bin/a"\nsecauditlog2 |/bin/a': [(1, "SecAuditLog"), (2, "secauditlog2")],
    "SecAuditLog /var/log/audit.log": [],
    "SetEnv A \\\nListen": [],
    "# </VirtualHost>\n# \\\nListen": [],
    'SetEnv A "</VirtualHost>"': [],
    "ListenBackLog 5\nListening on\nLoadModules-x": [],
    "": [],
}


@pytest.mark.parametrize("text", REACHING)
def test_what_reaches_beyond_a_virtual_host_is_told_by_line_as_httpd_reads_lines(text: str) -> None:
    assert list(reaching(text)) == REACHING[text]
