# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers whose workers see nothing but one folder (ChrootDir), and a real httpd."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from embedded_httpd import free_port
from host import DOMAIN, Host

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) is for root alone, as whom make test runs")


@pytest.fixture
def jail(host: Host) -> Path:
    """Lock the workers up in a folder, with the library loaded that threads need at their end."""
    jail = host.httpd.root / "jail"
    (jail / "tmp").mkdir(parents=True)
    ctypes.CDLL("libgcc_s.so.1")
    library = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libgcc_s" in line)
    host.add(f'LoadFile "{library}"\nChrootDir "{jail}"\n')
    host.restart()
    return jail


@pytest.fixture
def content(jail: Path) -> Iterator[str]:
    """Return a folder in the jail, by the path that the workers see."""
    path = f"/srv/mtls-test-{os.getpid()}"
    (jail / path[1:]).mkdir(parents=True)
    (jail / path[1:] / "index.html").write_text("that of the jail\n")
    yield path
    if os.path.isdir(path):  # One test has that folder beside the jail too.
        shutil.rmtree(path)


@pytest.mark.parametrize("beside", [True, False])
def test_a_site_in_a_jail_is_asked_for_there(host: Host, content: str, *, beside: bool) -> None:
    if beside:
        Path(content).mkdir()
    report = host.apply(host.wish(document_root=content))
    assert report.rehearsal == "full"
    assert not [each for each in report.limits if "did not reach the site's content" in each]
    assert [each for each in report.limits if "files below ChrootDir" in each and f"{host.httpd.conf}:" in each]
    assert host.enforces()


def test_another_way_to_a_site_in_a_jail_is_found(host: Host, jail: Path, content: str) -> None:
    (jail / "pub").mkdir()
    (jail / "pub/link").symlink_to(content)
    port = free_port()
    host.add(
        f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nServerName own.example.com\nDocumentRoot /pub\n"
        "Alias /all /\n<Directory />\nOptions FollowSymLinks\nRequire all granted\n</Directory>\n</VirtualHost>\n"
    )
    host.restart()
    assert "asks for no client certificate" in host.refused(host.wish(document_root=content))


def test_a_document_root_that_is_not_in_the_jail_is_named_with_the_place_for_it(
    host: Host, jail: Path, content: str
) -> None:
    shutil.rmtree(jail / "srv")
    Path(content).mkdir()
    message = host.refused(host.wish(document_root=content))
    assert f"look for {content} below {jail} (ChrootDir at {host.httpd.conf}:" in message
    assert f"put it at {jail}{content}" in message


@pytest.mark.usefixtures("jail")
def test_a_backend_is_reached_from_a_jail(host: Host) -> None:
    host.load("proxy", "proxy_http")
    host.apply(host.wish(document_root=None, proxy_pass=f"http://127.0.0.1:{free_port()}/"))
    assert host.enforces()


def test_a_jail_without_the_library_that_threads_need_is_told_with_the_words_of_httpd(
    host: Host, jail: Path, content: str
) -> None:
    lines = host.httpd.conf.read_text().splitlines(keepends=True)
    host.httpd.conf.write_text("".join(line for line in lines if not line.startswith("LoadFile")))
    message = str(host.refused(host.wish(document_root=content)))
    assert "httpd ended while it was asked, and said last: " in message
    assert "libgcc_s.so.1 must be installed" in message
    assert "LoadFile" in message
    assert str(jail.parent) in message
    assert DOMAIN in message
