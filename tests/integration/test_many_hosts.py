# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers with very many virtual hosts of others: what a run costs beside what httpd itself needs to tell of them."""

from __future__ import annotations

import gc
import os
import subprocess
from typing import TYPE_CHECKING

from others import plain_host

if TYPE_CHECKING:
    from host import Host

HOSTS = 1000
PROXIED = "ProxyPass /api http://127.0.0.1:8082/"


def test_a_run_that_changes_nothing_asks_once_and_reads_in_less_time_than_httpd(host: Host) -> None:
    for module in ("ssl", "proxy", "proxy_http", "rewrite"):
        host.add(f"LoadModule {module}_module modules/mod_{module}.so\n")
    root, port = host.httpd.root / "hosts", host.httpd.port
    hosts = [plain_host(number, port, root, PROXIED) for number in range(HOSTS)]
    for number in range(HOSTS):
        (root / f"n{number}").mkdir(mode=0o755, parents=True)
    host.add("".join(hosts))
    host.restart()
    wish = host.wish()
    host.apply(wish)
    words = [host.httpd.binary, "-f", host.httpd.conf, "-t", "-c", "LoadModule info_module modules/mod_info.so"]
    words += [word for dump in ("RUN_CFG", "MODULES", "INCLUDES", "CONFIG") for word in ("-D", f"DUMP_{dump}")]
    gc.collect()
    gc.disable()  # As in the process that does so on a host.
    try:
        began = os.times()
        told = subprocess.run(words, capture_output=True, check=True).stdout
        asked = os.times()
        report = host.apply(wish)
        ended = os.times()
    finally:
        gc.enable()
    assert not report.changed
    assert told.count(b"ServerAlias") == HOSTS

    def seconds(one: os.times_result, other: os.times_result) -> tuple[float, float]:
        own = other.user + other.system - one.user - one.system
        return own, other.children_user + other.children_system - one.children_user - one.children_system

    httpds = seconds(began, asked)[1]
    own, children = seconds(asked, ended)
    assert children < 1.6 * httpds, (own, children, httpds)
    assert own < 1.2 * httpds, (own, children, httpds)
