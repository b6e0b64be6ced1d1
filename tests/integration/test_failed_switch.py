# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A switch that fails: on a full disk, or with a live server that does not follow. The old state comes back."""

from __future__ import annotations

import errno
import os
import signal

import pytest
from host import DOMAIN, OTHER, Host, fingerprint, tree

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Disk, File
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import FACTS
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import switch
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused


def test_a_reload_that_does_nothing_brings_the_old_state_of_all_sites_back(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes = {domain: host.wish(domain) for domain in (DOMAIN, OTHER)}
    host.apply(*wishes.values())
    before = tree(host.httpd.root)
    monkeypatch.setattr(switch, "CONFIRM_SECONDS", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(Server, "reload", lambda server: None)
        with pytest.raises(
            Refused, match=r"(no new worker process|another certificate is served).*is back and serving"
        ):
            host.apply(host.wish(), host.wish("new.example.com"), SiteWish(OTHER))
    assert tree(host.httpd.root) == before
    assert {domain: host.served(domain) for domain in wishes} == {
        domain: fingerprint(wish) for domain, wish in wishes.items()
    }
    assert not host.apply(*wishes.values()).changed


def test_a_parent_that_dies_at_the_reload_is_started_again_with_the_old_state(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = host.wish()
    host.apply(wish)
    before = tree(host.httpd.root)

    def kill(server: Server) -> None:
        assert server.parent
        os.kill(server.parent.pid, signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(Server, "reload", kill)
        with pytest.raises(Refused, match=r"ended at the reload.*The old state is back and serving"):
            host.apply(host.wish())
    assert tree(host.httpd.root) == before
    assert host.httpd.running()
    assert host.served() == fingerprint(wish)
    assert host.enforces()


def test_a_failed_first_deployment_leaves_nothing_behind(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(host.httpd.root)
    monkeypatch.setattr(switch, "CONFIRM_SECONDS", 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(Server, "reload", lambda server: None)
        with pytest.raises(Refused):
            host.apply(host.wish())
    assert tree(host.httpd.root) == before


def test_a_full_disk_before_the_switch_leaves_nothing_and_the_server_hears_nothing(host: Host) -> None:
    before = host.state(times=False)

    class Full(Disk):
        def write(self, path: str, file: File) -> None:
            if path.endswith(FACTS) and "releases" in path:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            super().write(path, file)

    with pytest.raises(Refused, match=r"No space left on device.*httpd was not reloaded, and nothing of this"):
        host.apply(host.wish(), disk=Full())
    assert host.state(times=False) == before
