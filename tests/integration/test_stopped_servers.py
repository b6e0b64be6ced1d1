# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that is stopped: started where that is wanted, and judged as strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo_material import key_pem, new_key
from host import DOMAIN, Host

from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Disk
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry


def test_a_stopped_server_is_started_where_that_is_wanted(stopped: Host) -> None:
    report = stopped.apply(stopped.wish())
    assert report.changed
    assert stopped.httpd.running()
    assert stopped.enforces()


def test_a_stopped_server_stays_stopped_where_it_is_to_stay_so(stopped: Host) -> None:
    wish = stopped.wish()
    report = stopped.apply(wish, start=False)
    assert (report.changed, report.reloaded, report.rehearsal) == (True, False, "full")
    assert report.sites[0]["mutual_tls"] == "unproven"
    assert not stopped.httpd.running()
    before = stopped.state()
    assert not stopped.apply(wish, start=False).changed
    assert stopped.state() == before
    stopped.httpd.start()
    assert stopped.enforces()


def test_a_server_that_was_stopped_since_is_started_again(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    host.httpd.stop()
    report = host.apply(wish)
    assert report.changed
    assert host.enforces()


def test_a_stopped_server_is_judged_as_strictly(stopped: Host) -> None:
    for start in (True, False):
        assert "do not match" in stopped.refused(stopped.wish(key=key_pem(new_key())), start=start)
        assert not stopped.httpd.running()


def test_a_stopped_server_is_not_started_to_take_a_site_away(host: Host) -> None:
    host.apply(host.wish())
    host.httpd.stop()
    assert host.apply(SiteWish(DOMAIN)).changed
    assert not host.httpd.running()


def test_a_stopped_server_is_not_started_for_a_site_that_is_absent(host: Host) -> None:
    host.httpd.stop()
    assert not host.apply(SiteWish(DOMAIN)).changed
    assert not host.httpd.running()


class Upgrading(Disk):
    """Has somebody restart httpd, as an upgrade of its package does, as soon as a site is switched."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def put(self, path: str, entry: Entry) -> None:
        """Write as ever, and restart then."""
        super().put(path, entry)
        if path.endswith("/current"):
            self._host.restart()


def test_a_server_that_somebody_restarts_during_a_run_is_reloaded_and_confirmed(host: Host) -> None:
    before = host.httpd.pid
    report = host.apply(host.wish(), disk=Upgrading(host))
    assert report.reloaded
    assert host.httpd.pid != before
    assert host.enforces()
