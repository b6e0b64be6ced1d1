# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands where the transaction puts its own: folders, files and links of others, and folders that are not ours."""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from embedded_httpd import EmbeddedHttpd, free_port
from filling import leave
from host import DOMAIN, Host, fingerprint, in_a_child, tree, until

from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Disk, Entry
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from demo_material import Authority

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.mark.parametrize(
    "path", [f"{DOMAIN}.crt", CLIENT_CA, f"mtls/{DOMAIN}/current", "mtls/host.conf", "mtls/journal"]
)
def test_a_folder_where_a_link_or_file_belongs_is_named(host: Host, path: str) -> None:
    (host.conf / path).mkdir(parents=True)
    message = host.refused(host.wish())
    assert f"{host.conf / path} is neither a file nor a link" in message
    assert message.endswith("move it away. Nothing was touched")


@pytest.mark.parametrize("path", [f"mtls/{DOMAIN}", f"mtls/{DOMAIN}/releases"])
def test_a_file_where_a_folder_belongs_is_named_and_keeps_its_mode(host: Host, path: str) -> None:
    (host.conf / path).parent.mkdir(parents=True)
    (host.conf / path).write_text("mine")
    (host.conf / path).chmod(0o640)
    message = host.refused(host.wish(), times=False)
    assert str(host.conf / path) in message
    assert "Not a directory: move away what stands there, and run again" in message
    assert "othing was touched" in message


@as_root
@pytest.mark.parametrize("path", [f"mtls/{DOMAIN}", f"mtls/{DOMAIN}/releases", f"mtls/{DOMAIN}/current"])
def test_what_another_user_owns_in_the_store_is_refused_with_the_way_to_mend_it(host: Host, path: str) -> None:
    wish = host.wish()
    host.apply(wish)
    os.chown(host.conf / path, NOBODY, NOBODY, follow_symlinks=False)
    message = host.refused(host.wish())
    assert f"{host.conf / path} belongs to user {NOBODY}, who could change what httpd reads" in message
    assert f"`chown -Rh 0 {host.store}`, and run again. Nothing was touched" in message
    for each in (host.store, *host.store.rglob("*")):
        os.chown(each, 0, -1, follow_symlinks=False)
    assert not host.apply(wish).changed


@as_root
def test_files_of_another_owner_and_mode_are_made_anew(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    key = host.store / DOMAIN / "current" / f"{DOMAIN}.key"
    os.chown(key, NOBODY, NOBODY)
    key.chmod(0o666)
    report = host.apply(wish)
    assert report.changed
    status = key.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o600)


@as_root
@pytest.mark.parametrize("path", [f"{DOMAIN}.crt", f"{DOMAIN}.key", "mtls", f"mtls/{DOMAIN}"])
def test_a_link_that_another_user_planted_is_not_followed(host: Host, path: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir(mode=0o700)
    (trap / "precious").write_text("not yours")
    (host.conf / path).parent.mkdir(exist_ok=True)
    (host.conf / path).symlink_to(trap if path.startswith("mtls") else trap / "precious")
    os.chown(host.conf / path, NOBODY, NOBODY, follow_symlinks=False)
    message = host.refused(host.wish())
    assert str(host.conf / path) in message
    assert "Nothing was touched" in message
    assert (trap / "precious").read_text() == "not yours"
    assert trap.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in trap.iterdir()] == ["precious"]
    (host.conf / path).unlink()
    if (host.conf / "mtls").exists():
        shutil.rmtree(host.conf / "mtls")


def _fifo(log: Path) -> None:
    os.mkfifo(log)


def _folder(log: Path) -> None:
    log.mkdir()


def _link_to_nothing(log: Path) -> None:
    log.symlink_to("nothing")


def _link_to_a_folder(log: Path) -> None:
    log.symlink_to(".")


@pytest.mark.parametrize("kind", ["access", "error"])
@pytest.mark.parametrize("put", [_fifo, _folder, _link_to_nothing, _link_to_a_folder])
def test_what_would_end_httpd_or_hang_it_in_the_place_of_a_log_is_refused(host: Host, put: Any, kind: str) -> None:
    put(host.httpd.root / "logs" / f"{DOMAIN}-{kind}.log")
    message = host.refused(host.wish())
    assert f"{DOMAIN}-{kind}.log" in message
    assert message.endswith("Nothing was touched")


@as_root
def test_a_log_in_another_users_folder_is_refused(host: Host, short_path: Path) -> None:
    folder = short_path / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    message = host.refused(host.wish(access_log=f"{folder}/calls.log"))
    assert f"{folder} can be changed by others than the server's user" in message
    folder.chmod(0o755)
    os.chown(folder, 0, 0)
    host.apply(host.wish(access_log=f"{folder}/calls.log"))
    assert (folder / "calls.log").exists()


# -- a disk, or a folder, that takes no more of httpd's own files


@as_root
@pytest.mark.parametrize("what", ["blocks", "inodes"])
def test_httpd_lives_on_however_full_the_one_disk_is_that_its_pid_file_and_logs_share_with_the_sites(
    short_path: Path, authority: Authority, chat: Authority, probes: answers.Probes, what: str
) -> None:
    root = short_path / "httpd"

    def act() -> None:
        mounted(root, "nr_inodes=400")
        httpd = EmbeddedHttpd(root)
        httpd.start()
        try:
            host = Host(httpd, authority, chat, free_port(), probes)
            old = host.wish()
            host.apply(old)
            (root / "filler").mkdir()
            parent = httpd.pid
            for count in itertools.count():
                leave(root / "filler", what, count)
                before = tree(root)
                message = ""
                try:
                    host.apply(host.wish())
                    break
                except Refused as error:
                    message = str(error)
                assert re.match(f"{root}/(logs|conf): No space left on device: free space, or inodes", message)
                assert message.endswith(
                    ("Nothing was touched", "httpd was not reloaded, and nothing of this run is left")
                )
                assert (httpd.pid, host.served()) == (parent, fingerprint(old)), message
                assert tree(root) == before, message
            assert count > 20
            assert httpd.pid == parent
        finally:
            httpd.stop()

    root.mkdir()
    in_a_child(act)


def test_a_pid_file_whose_folder_is_gone_is_said_before_httpd_ends_for_lack_of_it(host: Host) -> None:
    host.httpd.stop()
    folder = host.httpd.root / "logs" / "run"
    folder.mkdir()
    host.add('PidFile "logs/run/httpd.pid"\n')
    host.httpd.run("-k", "start")
    assert until((folder / "httpd.pid").exists)
    parent = int((folder / "httpd.pid").read_text())
    try:
        shutil.rmtree(folder)
        with pytest.raises(
            Refused, match=f"{folder}: No such file or directory: .* make it again.* Nothing was touched"
        ):
            host.apply(host.wish())
    finally:
        os.kill(parent, signal.SIGTERM)
    assert until(lambda: not os.path.exists(f"/proc/{parent}"))


@as_root
def test_a_disk_made_for_a_pid_file_alone_is_not_taken_for_full(
    short_path: Path, authority: Authority, chat: Authority, probes: answers.Probes
) -> None:
    root = short_path / "httpd"

    def act() -> None:
        mounted(root / "run", "size=64k,nr_inodes=16")
        httpd = EmbeddedHttpd(root, extra='PidFile "run/httpd.pid"\n')
        httpd.lay_out()
        httpd.run("-k", "start")
        assert until((root / "run/httpd.pid").exists)
        try:
            host = Host(httpd, authority, chat, free_port(), probes)
            assert host.apply(host.wish()).reloaded
            assert host.enforces()
        finally:
            os.kill(int((root / "run/httpd.pid").read_text()), signal.SIGTERM)
            assert until(lambda: not (root / "run/httpd.pid").exists())

    (root / "run").mkdir(parents=True)
    in_a_child(act)


@as_root
def test_a_disk_that_fills_up_amid_the_switch_ends_no_httpd_whose_pid_file_lies_there(
    short_path: Path, authority: Authority, chat: Authority, probes: answers.Probes
) -> None:
    root = short_path / "httpd"
    run = root / "run"

    class Filling(Disk):
        def put(self, path: str, entry: Entry) -> None:
            super().put(path, entry)
            if path.endswith("current"):
                leave(run, "inodes", 0)

    def act() -> None:
        mounted(run, "nr_inodes=40")
        httpd = EmbeddedHttpd(root, extra='PidFile "run/httpd.pid"\n')
        httpd.lay_out()
        httpd.run("-k", "start")
        assert until((run / "httpd.pid").exists)
        parent = int((run / "httpd.pid").read_text())
        try:
            host = Host(httpd, authority, chat, free_port(), probes)
            old, new = host.wish(), host.wish()
            host.apply(old)
            with pytest.raises(
                Refused, match=f"{run}: No space left .* httpd runs: it was not reloaded, as it would end"
            ):
                host.apply(new, disk=Filling())
            assert host.served() == fingerprint(old)
            for path in run.glob("[0-9]*"):
                path.unlink()
            assert host.apply(new).healed == ["a run that was killed was undone by its journal"]
            assert host.served() == fingerprint(new)
            assert not host.apply(new).changed
            assert int((run / "httpd.pid").read_text()) == parent
        finally:
            os.kill(parent, signal.SIGTERM)
            assert until(lambda: not os.path.exists(f"/proc/{parent}"))

    run.mkdir(parents=True)
    in_a_child(act)


def mounted(folder: Path, options: str) -> None:
    """Give C(folder) a small file system of its own, for this process and its children from now on."""
    assert ctypes.CDLL(None).unshare(0x00020000) == 0  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=4m,mode=755,{options}", "tmpfs", folder], check=True)
