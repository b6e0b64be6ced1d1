# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What action plugins have in common, apart from Ansible."""

from __future__ import annotations

import gc

from ansible_collections.mtls.httpd.plugins.plugin_utils._controller import uncollected


def test_no_garbage_is_looked_for_during_a_task_nor_for_what_it_made_at_its_end() -> None:
    looked: list[str] = []
    gc.callbacks.append(lambda phase, _info: looked.append(phase))
    try:
        with uncollected():
            made = [[number] for number in range(100_000)]
        assert gc.isenabled()
        assert len([[] for _number in range(100)]) == 100  # the next to be made start a search that is due
        assert not looked
    finally:
        gc.callbacks.pop()
    assert len(made) == 100_000


def test_who_looks_for_no_garbage_does_not_begin_with_it_after_a_task() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
