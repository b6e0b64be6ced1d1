# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are not as most are, and a real httpd on each."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import Authority, write
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, Host, fingerprint, in_a_child, tree, until
from rehearsing import PIPED

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import parents, supervision
from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.status import tell_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Probes


def started_by(host: Host, *words: str | Path) -> subprocess.Popen[bytes]:
    """Start the stopped server by a command of the test's own, and wait until it answers."""
    process = subprocess.Popen(
        list(map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    host.httpd.wait_until_answers()
    return process


def in_the_foreground(host: Host) -> list[str]:
    httpd = host.httpd
    return [str(httpd.binary), "-d", str(httpd.root), "-f", str(httpd.conf), "-D", "FOREGROUND"]


# -- processes


def test_a_server_whose_group_has_lost_its_leader_is_found_and_reloaded(host: Host) -> None:
    host.httpd.stop()
    command = " ".join(in_the_foreground(host))
    assert started_by(host, "setsid", "sh", "-c", f"{command} &").wait() == 0
    pid = host.httpd.pid
    assert pid is not None
    assert os.getpgid(pid) not in dict(processes.processes())
    report = host.apply(host.wish())
    assert (report.reloaded, host.httpd.pid) == (True, pid)
    assert host.enforces()


def test_a_server_that_was_started_by_relative_paths_is_found_while_it_works_there(host: Host) -> None:
    host.httpd.stop()
    call = [host.httpd.binary, "-d", ".", "-f", "conf/httpd.conf", "-D", "FOREGROUND"]
    server = subprocess.Popen(call, cwd=host.httpd.root, stdin=subprocess.DEVNULL)
    try:
        assert until((host.httpd.root / "logs" / "httpd.pid").exists)
        assert host.apply(host.wish()).reloaded
        assert host.enforces()
        assert server.poll() is None
    finally:
        server.terminate()
        server.wait()


def test_a_server_that_tells_nothing_of_its_paths_is_not_to_be_ended(host: Host) -> None:
    host.httpd.stop()
    call = [host.httpd.binary, "-d", ".", "-f", "conf/httpd.conf", "-k", "start"]
    subprocess.run(call, cwd=host.httpd.root, check=True, stdin=subprocess.DEVNULL)
    pid_file = host.httpd.root / "logs" / "httpd.pid"
    assert until(pid_file.exists)
    pid = int(pid_file.read_text())
    try:
        with pytest.raises(Refused, match="is held by another httpd") as caught:
            host.apply(host.wish())
        assert f"process {pid}" in str(caught.value)
        assert "end it" not in str(caught.value)
    finally:
        os.kill(pid, signal.SIGTERM)
        assert until(lambda: not pid_file.exists())


def test_a_server_that_takes_no_reload_as_its_signal_is_blocked_is_named_before(host: Host) -> None:
    host.httpd.stop()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        host.httpd.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    assert "was started with SIGUSR1 blocked" in host.refused(host.wish())
    own = f"<VirtualHost 127.0.0.1:{free_port()}>\nServerName {DOMAIN}\n</VirtualHost>\n"
    text = host.httpd.conf.read_text()
    host.add(own)
    assert not host.apply(host.wish(manage="directives")).reloaded
    host.httpd.conf.write_text(text)
    host.restart()
    assert host.apply(host.wish()).reloaded


@pytest.mark.parametrize(
    ("command", "hangs_up"),
    [
        ("/bin/kill -HUP $MAINPID", True),
        ("/bin/kill -s SIGHUP $MAINPID", True),
        ("/usr/bin/kill --signal=HUP $MAINPID", True),
        ("/bin/kill -1 $MAINPID", True),
        ("/bin/sh -c 'kill -HUP $(cat /run/httpd.pid)'", True),
        ("/usr/sbin/apachectl restart", True),
        ("/bin/kill -USR1 $MAINPID", False),
        ("/bin/kill -s USR1 $MAINPID", False),
        ("/usr/sbin/apachectl graceful", False),
        ("/usr/sbin/httpd $OPTIONS -k graceful", False),
    ],
)
def test_the_signal_of_a_reload_is_told_by_what_the_unit_does(command: str, hangs_up: bool) -> None:
    # As `systemctl show --property ExecReload` tells it.
    told = f"{{ path={command.split()[0]} ; argv[]={command} ; ignore_errors=no ; start_time=[n/a] ; pid=0 }}"
    assert supervision.sends_hangup(told) == hangs_up


def test_workers_that_outlived_their_parent_are_no_server(host: Host) -> None:
    pid = host.httpd.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not host.httpd.running())
    assert pid not in dict(parents.running_parents())
    orphans = [each for each, stat in processes.processes() if stat.group == pid]
    assert not {each for each, _exe in parents.running_parents()} & set(orphans)
    for each in orphans:
        os.kill(each, signal.SIGKILL)


def test_workers_that_outlived_their_parent_and_hold_its_port_are_named_and_can_be_ended_so(host: Host) -> None:
    pid = host.httpd.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not host.httpd.running())
    with pytest.raises(Refused, match="is held by workers that an httpd left behind") as caught:
        host.apply(host.wish())
    said = re.search(r"`(kill [-A-Z]*[ \d]+)`", str(caught.value))
    assert said
    left = {each for each, stat in processes.processes() if stat.group == pid and stat.state != "Z"}
    assert left == set(map(int, re.findall(r"\d+", said.group(1))))
    subprocess.run(shlex.split(said.group(1)), check=True)
    assert until(lambda: all(processes.started(each) == -1 for each in left))
    assert host.apply(host.wish()).reloaded
    assert host.enforces()


def test_a_parent_that_has_ended_and_is_waited_for_by_nobody_is_no_server_and_hinders_no_start(host: Host) -> None:
    host.httpd.stop()
    process = started_by(host, *in_the_foreground(host))
    process.kill()
    assert until(lambda: processes.started(process.pid) == -1)
    os.kill(process.pid, 0)  # A zombie answers.
    assert (host.httpd.root / "logs/httpd.pid").read_text().strip() == str(process.pid)
    for pid, stat in list(processes.processes()):
        if stat.group == os.getpgid(0) and stat.name == host.httpd.binary.name and stat.parent == 1:
            os.kill(pid, signal.SIGKILL)
    assert until(lambda: not host.httpd._listens())
    try:
        assert host.apply(host.wish()).changed
        assert host.httpd.pid not in (None, process.pid)
        assert host.enforces()
    finally:
        process.wait()


def test_a_server_that_we_start_ignores_no_signal_that_we_mind(host: Host) -> None:
    host.httpd.stop()
    host.apply(host.wish())
    assert host.httpd.pid
    (ignored,) = (
        int(line.split()[1], 16)
        for line in Path(f"/proc/{host.httpd.pid}/status").read_text().splitlines()
        if line.startswith("SigIgn:")
    )
    minded = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    assert [number for number in minded if ignored & 1 << (number - 1)] == []


def test_a_pid_file_that_names_somebody_elses_process_hinders_no_start(host: Host) -> None:
    host.httpd.stop()
    (host.httpd.root / "logs/httpd.pid").write_text(f"{os.getpid()}\n")
    host.apply(host.wish())
    assert host.enforces()


@pytest.mark.parametrize("words", ["-t", "-k graceful", "-k stop", "-X -D MTLS_HTTPD_REHEARSAL"])
def test_a_httpd_that_only_asks_commands_or_rehearses_is_no_second_server(
    host: Host, words: str, tmp_path: Path
) -> None:
    folder = tmp_path / "unread"
    folder.mkdir()
    os.mkfifo(folder / "fifo")
    # It waits for a writer while it reads its configuration.
    other = started_by(host, "setsid", *in_the_foreground(host)[:-2], "-c", f"Include {folder}/fifo", *words.split())
    try:
        assert until(lambda: other.pid in dict(parents.running_parents()))
        assert host.apply(host.wish()).changed
        assert host.enforces()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_server_with_mounts_of_its_own_is_found_as_systemd_gives_them(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a process mounts of its own")
    host.httpd.stop()
    start = ["unshare", "--mount", host.httpd.binary, "-d", host.httpd.root, "-f", host.httpd.conf, "-k", "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host.httpd.wait_until_answers()
    pid = host.httpd.pid
    assert host.apply(host.wish()).rehearsal == "full"
    assert host.httpd.pid == pid
    assert host.enforces()


def test_another_users_process_named_httpd_is_not_run_as_ours(host: Host, short_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run a process as another user")
    evil = short_path / "other" / "httpd"
    evil.parent.mkdir()
    shutil.copy("/bin/sleep", evil)
    evil.chmod(0o755)
    process = subprocess.Popen([evil, "60"], user="nobody")
    try:
        time.sleep(0.2)
        assert evil.name in {stat.name for _pid, stat in processes.processes()}
        assert str(evil) not in {exe for _pid, exe in parents.running_parents()}
        host.apply(host.wish())
    finally:
        process.kill()
        process.wait()


# -- addresses


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_a_listen_on_ipv4_alone_serves_no_ipv6_address(host: Host, listen: str) -> None:
    host.add(f"Listen {listen}:{host.port} https\n")
    host.restart()
    host.apply(host.wish(listen=("127.0.0.1", "::1")))
    assert host.enforces(address="127.0.0.1")
    assert host.enforces(address="::1")


def test_a_listen_on_all_ipv4_addresses_serves_a_site_for_all_addresses(host: Host) -> None:
    host.add(f"Listen 0.0.0.0:{host.port} https\n")
    host.restart()
    before = tree(host.httpd.root)
    assert host.apply(host.wish()).rehearsal == "full"
    assert host.enforces()
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


def test_a_server_that_listens_on_ipv6_alone_is_served(host: Host) -> None:
    text = host.httpd.conf.read_text()
    host.httpd.stop()
    host.add(f"Listen [::1]:{host.port} https\n")
    assert "set 'listen' of the site" in host.refused(host.wish())
    host.apply(host.wish(listen=("::1",)))
    assert host.enforces(address="::1")
    assert text in host.httpd.conf.read_text()


# -- configurations


def tls_host(host: Host, name: str) -> str:
    own = host.public.issue(name)
    write(host.conf, f"{name}.crt", own.full_pem)
    write(host.conf, f"{name}.key", own.key_pem)
    return (
        f"<VirtualHost *:{host.port}>\nServerName {name}\nSSLEngine on\n"
        f"SSLCertificateFile conf/{name}.crt\nSSLCertificateKeyFile conf/{name}.key\n</VirtualHost>\n"
    )


@pytest.mark.parametrize("where", ["in httpd.conf itself", "in a file that it includes later"])
def test_a_virtual_host_behind_the_folder_that_is_included_whole_stays_the_default(host: Host, where: str) -> None:
    (host.conf / "conf.d").mkdir()
    text = tls_host(host, "own.example.com")
    if where != "in httpd.conf itself":
        (host.conf / "own.conf").write_text(text)
        text = "Include conf/own.conf\n"
    ssl = f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port} https\n"
    host.add(f"{ssl}IncludeOptional conf/conf.d/*.conf\n{text}")
    host.restart()
    default = host.served("nobody.example.com")
    before = tree(host.httpd.root)
    host.apply(host.wish())
    assert host.enforces()
    assert host.served("nobody.example.com") == default
    assert list((host.conf / "conf.d").iterdir()) == []
    host.apply(SiteWish(DOMAIN))
    assert tree(host.httpd.root) == before


@contextmanager
def below(folder: Path, authority: Authority, chat: Authority, probes: Any) -> Iterator[Host]:
    """Give a host whose ServerRoot is such a folder."""
    httpd = EmbeddedHttpd(folder)
    try:
        httpd.start()
        yield Host(httpd, authority, chat, free_port(), probes)
    finally:
        httpd.stop()


def test_a_server_root_with_spaces_is_served(
    short_path: Path, authority: Authority, chat: Authority, probes: Probes
) -> None:
    httpd = EmbeddedHttpd(short_path / "an httpd of its own")
    try:
        httpd.start()
        host = Host(httpd, authority, chat, free_port(), probes)
        before = tree(httpd.root)
        assert host.apply(host.wish()).rehearsal == "full"
        assert host.enforces()
        host.apply(SiteWish(DOMAIN))
        assert tree(httpd.root) == before
    finally:
        httpd.stop()


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_server_root_with_spaces_and_signs_is_taken_as_it_is(
    short_path: Path, authority: Authority, chat: Authority, probes: Any, rehearsal: str
) -> None:
    with below(short_path / " two  words # <x>; %{PATH} @mtls-httpd-release@ é ", authority, chat, probes) as host:
        host.add(PIPED if rehearsal == "reduced" else "")
        host.restart()
        before, wish = tree(host.httpd.root), host.wish()
        assert host.apply(wish).rehearsal == rehearsal
        assert host.enforces()
        assert not host.apply(wish).changed
        host.apply(SiteWish(DOMAIN))
        assert tree(host.httpd.root) == before


def test_a_server_root_that_no_directive_can_name_is_said(
    short_path: Path, authority: Authority, chat: Authority, probes: Any
) -> None:
    with below(short_path / "a*b", authority, chat, probes) as host:
        assert f"folder {host.conf} cannot be named in a directive (holds a wildcard" in host.refused(host.wish())


def test_of_two_servers_of_one_binary_the_named_one_alone_is_touched(
    host: Host, short_path: Path, authority: Authority, chat: Authority, probes: Any
) -> None:
    second = EmbeddedHttpd(short_path / "second httpd")
    try:
        second.start()
        other = Host(second, authority, chat, free_port(), probes)
        before = other.state()
        host.apply(host.wish())
        assert other.state()[:2] == before[:2]
        assert other.apply(other.wish()).changed
        assert host.enforces()
        assert other.enforces()
    finally:
        second.stop()


def test_prefork_is_served_alike(short_path: Path, authority: Authority, chat: Authority, probes: Probes) -> None:
    httpd = EmbeddedHttpd(short_path / "httpd", mpm="prefork")
    try:
        httpd.start()
        host = Host(httpd, authority, chat, free_port(), probes)
        for _time in range(2):
            wish = host.wish()
            assert host.apply(wish).rehearsal == "full"
            assert host.served() == fingerprint(wish)
        assert host.enforces()
        assert not host.apply(wish).changed
    finally:
        httpd.stop()


def of_own_binary(host: Host, folder: Path, *, needed: bool) -> Host:
    """Return the host with a copy of its binary that runs, and that an upgrade then replaced.

    C(needed): the copy has not what mod_ssl needs of it, which is loaded by the next reload.
    """
    binary = folder / "bin" / "apache2"
    binary.parent.mkdir()
    text = host.httpd.binary.read_bytes()
    older = text.replace(b"ap_ssl_answer_challenge", b"ap_ssl_answer_of_others") if needed else text
    assert (older != text) == needed
    host.httpd.stop()
    host.httpd.binary, newer = binary, host.httpd.binary
    binary.write_bytes(older)
    binary.chmod(0o755)
    host.httpd.start()
    shutil.copy(newer, folder / "bin" / "new")
    (folder / "bin" / "new").rename(binary)
    return host


def test_a_server_that_was_upgraded_and_does_not_take_what_there_is_now_is_not_reloaded(
    host: Host, short_path: Path
) -> None:
    pid = of_own_binary(host, short_path, needed=True).httpd.pid
    with pytest.raises(Refused, match="was upgraded since it was started") as caught:
        host.apply(host.wish())
    assert "undefined symbol: ap_ssl_answer_challenge" in str(caught.value)
    assert "restart httpd" in str(caught.value)
    assert (host.httpd.pid, host.store.exists()) == (pid, False)
    host.restart()
    host.apply(host.wish())
    assert host.enforces()


def test_a_server_that_was_upgraded_and_would_end_at_any_reload_is_left_alone(host: Host, short_path: Path) -> None:
    of_own_binary(host, short_path, needed=True)
    host.add("LoadModule ssl_module modules/mod_ssl.so\n")
    message = host.refused(host.wish())
    assert "undefined symbol: ap_ssl_answer_challenge" in message
    assert "Nothing was touched" in message


def test_a_server_that_was_upgraded_and_takes_what_there_is_now_is_reloaded(host: Host, short_path: Path) -> None:
    pid = of_own_binary(host, short_path, needed=False).httpd.pid
    assert host.apply(host.wish()).reloaded
    assert (host.httpd.pid, host.enforces()) == (pid, True)


# -- who calls us


@pytest.mark.parametrize("rehearsed", ["full", "reduced"])
@pytest.mark.parametrize("mask", [0o027, 0o077])
def test_a_hardened_mask_of_our_user_is_no_hindrance(host: Host, mask: int, rehearsed: str) -> None:
    if rehearsed == "reduced":
        host.add(PIPED)
        host.restart()

    def deploy() -> None:
        os.umask(mask)
        paths = {"callback_paths": ["/hooks/chat/in"], "open_paths": ["/health/z"]}
        report = host.apply(host.wish(document_root=str(host.httpd.root / "site"), **paths))
        assert report.rehearsal == rehearsed

    in_a_child(deploy)
    assert host.enforces()


@pytest.mark.parametrize("end", ["\\", "\\\n", "\\\r\n", "", "\r\n"])
def test_a_main_file_whose_last_line_goes_on_takes_ours_and_is_given_back(host: Host, end: str) -> None:
    before = host.httpd.conf.read_bytes() + f"# Include a/further/file {end}".encode()
    host.httpd.conf.write_bytes(before)
    host.restart()
    wish = host.wish()
    host.apply(wish)
    assert host.enforces()
    assert not host.apply(wish).changed
    host.apply(SiteWish(DOMAIN, None))
    assert host.httpd.conf.read_bytes() == before


@pytest.mark.parametrize("days", [-400, -10, 10, 400])
def test_a_clock_that_is_far_from_the_controllers_is_no_hindrance_where_certificates_are_valid_by_it(
    host: Host, days: int
) -> None:
    by_controller = datetime.now(timezone.utc) + timedelta(days=days)
    elsewhere = replace(host, probes=make_probes(by_controller))
    assert elsewhere.apply(host.wish(), clock=by_controller.timestamp()).reloaded
    assert host.enforces()


# -- logs


@pytest.fixture
def closed(host: Host) -> Iterator[Path]:
    """Give a folder in which not even root may make a file."""
    folder = host.httpd.root / "site-logs"
    folder.mkdir()
    (folder / "old.log").touch()
    if os.geteuid() != 0 or subprocess.run(["chattr", "+i", folder], check=False).returncode:
        pytest.skip("chattr +i is root's, and tmpfs and others do not know it")
    yield folder
    subprocess.run(["chattr", "-i", folder], check=True)


def test_a_log_that_the_kernel_lets_nobody_make_is_named_before_a_reload_ends_httpd(host: Host, closed: Path) -> None:
    message = host.refused(host.wish(access_log=str(closed / "site.log")))
    assert f"{closed / 'site.log'} could not be written by httpd" in message
    assert "lsattr" in message
    assert "set 'access_log' and 'error_log' to 'server'" in message


def test_a_log_that_only_the_operators_text_names_is_tried_too(host: Host, closed: Path) -> None:
    message = host.refused(host.wish(extra=f"CustomLog {closed}/more.log common"))
    assert f"{closed / 'more.log'} could not be written by httpd" in message


def test_a_log_that_is_there_is_opened_where_none_can_be_made(host: Host, closed: Path) -> None:
    assert host.apply(host.wish(access_log=str(closed / "old.log"))).reloaded
    assert host.enforces()


def survives(host: Host) -> bool:
    request = Request((), host.probes, str(host.httpd.binary), str(host.httpd.conf))
    survives: bool = tell_status(request, rehearse=False)["next_reload"]["survives"]
    return survives


def test_a_log_of_others_that_cannot_be_opened_again_is_named_before_a_reload_ends_httpd(host: Host) -> None:
    other = host.httpd.root / "other.log"
    host.add(
        f"<VirtualHost 127.0.0.9:{host.httpd.port}>\nServerName other.example.com\nErrorLog {other}\n</VirtualHost>\n"
    )
    host.restart()
    if os.geteuid() != 0 or subprocess.run(["chattr", "+i", other], check=False).returncode:
        pytest.skip("chattr +i is root's, and tmpfs and others do not know it")
    try:
        message = host.refused(host.wish())
        assert f"{other} ({host.httpd.conf}:" in message
        assert "could not be opened again by httpd, so that any reload would end it" in message
        assert not survives(host)
    finally:
        subprocess.run(["chattr", "-i", other], check=True)
    assert survives(host)
    host.apply(host.wish())
    assert host.enforces()


def test_a_log_of_others_on_a_disk_that_takes_nothing_any_more_is_named(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount, as make test does")
    folder = host.httpd.root / "other-logs"
    folder.mkdir()
    host.add(f"CustomLog {folder}/access.log common\nErrorLog /dev/null\n")
    host.restart()
    for words in (["--bind", folder, folder], ["-o", "remount,ro,bind", folder]):
        subprocess.run(["mount", *words], check=True)
    try:
        assert f"{folder}/access.log ({host.httpd.conf}:" in host.refused(host.wish())
    finally:
        subprocess.run(["umount", folder], check=True)
    host.apply(host.wish(error_log="server"))
    assert host.enforces()
