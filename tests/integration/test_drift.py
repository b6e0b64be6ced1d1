# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hand changed since the last run: healed by the next."""

from __future__ import annotations

import os
import shutil

from host import DOMAIN, OTHER, Host, fingerprint

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, FACTS, SITE


def test_what_a_hand_changed_is_healed(stopped: Host) -> None:
    host = stopped
    current = host.store / DOMAIN / "current"
    drifts = {
        "an edited site": lambda: (current / SITE).write_text("# nothing\n"),
        "a mode": lambda: (current / f"{DOMAIN}.key").chmod(0o644),
        "another certificate": lambda: (current / f"{DOMAIN}.crt").write_bytes(host.public.issue(DOMAIN).full_pem),
        "a missing file": (current / CLIENT_CA).unlink,
        "a missing link": (host.conf / f"{DOMAIN}.crt").unlink,
        "a missing switch": current.unlink,
        "an edited host level": lambda: (host.store / "host.conf").write_text(""),
    }
    for name, drift in drifts.items():
        wish = host.wish()
        host.apply(wish, start=False)
        drift()
        assert host.apply(wish, start=False).changed, name
        assert not host.apply(wish, start=False).changed, name
    host.httpd.start()
    assert host.enforces()


def test_a_server_that_serves_something_else_than_the_disk_says_is_reloaded(host: Host) -> None:
    first, second = host.wish(), host.wish()
    host.apply(first)
    saved = host.conf.with_name("saved")
    shutil.copytree(host.conf, saved, symlinks=True)
    host.apply(second)
    shutil.rmtree(host.conf)
    shutil.move(saved, host.conf)
    assert host.served() == fingerprint(second)
    report = host.apply(first)
    assert report.reloaded
    assert host.served() == fingerprint(first)


def test_two_drifts_of_one_release_converge(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    for _time in range(2):
        site = host.store / DOMAIN / "current" / SITE
        site.write_text(site.read_text() + "# by hand\n")
        assert host.apply(wish).changed
        assert not host.apply(wish).changed
    facts = host.store / DOMAIN / "current" / FACTS
    facts.write_text("{}")
    assert host.apply(wish).changed
    assert not host.apply(wish).changed


def test_a_folder_that_workers_may_not_enter_is_opened_again(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    host.store.chmod(0o700)
    assert host.apply(wish).changed
    assert host.enforces()


def test_a_link_that_a_hand_wrote_in_another_form_keeps_its_site(host: Host) -> None:
    host.apply(host.wish(), host.wish(OTHER))
    current = host.store / OTHER / "current"
    target = os.readlink(current)
    current.unlink()
    current.symlink_to(target + "/")
    host.apply(host.wish())
    assert current.exists()
    assert host.enforces(OTHER)
