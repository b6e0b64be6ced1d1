# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that every value of the virtual host goes through."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mtls.httpd.plugins.filter.quoted import FilterModule

quoted = FilterModule().filters()["quoted"]


def test_a_value_is_quoted_as_httpd_reads_it() -> None:
    assert quoted('a "b" \\c') == '"a \\"b\\" \\\\c"'
    assert quoted(443) == '"443"'


@pytest.mark.parametrize("value", ["s3cret\nSSLVerifyClient none", "s3cret${PATH}", "s3cret\x7f"])
def test_what_no_quoting_makes_safe_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        quoted(value)
    assert "s3cret" not in str(caught.value)
    assert "mtls.httpd.quoted" in str(caught.value)
