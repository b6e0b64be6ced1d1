# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers whose unit gives them mounts, a network or rights of their own, as hardened ones have, and a real httpd."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from demo_material import write
from embedded_httpd import free_port
from host import COLLECTION, DOMAIN, Host, fingerprint, in_a_child, until

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import Supervision
from ansible_collections.mtls.httpd.plugins.module_utils._machine import seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.status import tell_status
from ansible_collections.mtls.httpd.plugins.modules.server_info import tell_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may give a process mounts of its own, as make test does"
)


def start_by(host: Host, *words: str, first: str = ":") -> int:
    """Start the stopped server by a command, which runs a script C(first); return its parent process."""
    httpd = host.httpd
    httpd.stop()
    start = shlex.join(map(str, [httpd.binary, "-d", httpd.root, "-f", httpd.conf, "-k", "start"]))
    subprocess.run([*words, "sh", "-ec", f"{first}; exec {start}"], check=True, stdin=subprocess.DEVNULL)
    assert until(httpd.running)
    assert httpd.pid
    return httpd.pid


def start_with_mounts(host: Host, *mounts: str) -> int:
    return start_by(host, "unshare", "--mount", first="; ".join(mounts))


def read_only(folder: Path) -> str:
    return f"mount --bind {folder} {folder}; mount -o remount,ro,bind {folder}"


# -- mounts


@pytest.fixture
def logs(host: Host) -> Path:
    """Give a folder for logs, beside the server's own."""
    folder = host.httpd.root / "site-logs"
    folder.mkdir()
    return folder


def test_a_log_where_the_unit_lets_nothing_be_written_is_named_before_a_reload_ends_httpd(
    host: Host, logs: Path
) -> None:
    start_with_mounts(host, read_only(logs))
    message = host.refused(host.wish(access_log=str(logs / "site.log")))
    assert f"add `ReadWritePaths={logs}` to the unit" in message
    assert "set 'access_log' and 'error_log' to 'server'" in message


def test_a_log_in_a_folder_that_the_unit_hides_is_named(host: Host, logs: Path) -> None:
    start_with_mounts(host, f"mount -t tmpfs tmpfs {host.httpd.root}/htdocs")
    elsewhere = host.httpd.root / "htdocs" / "logs"
    elsewhere.mkdir()
    host.httpd.conf.write_text(host.httpd.conf.read_text().replace(f"{host.httpd.root}/htdocs", str(logs)))
    assert f"write to {elsewhere}" in host.refused(host.wish(access_log=str(elsewhere / "site.log")))


def test_a_log_where_the_unit_lets_it_be_written_is_no_hindrance(host: Host, logs: Path) -> None:
    pid = start_with_mounts(host, read_only(host.httpd.root / "htdocs"))
    assert host.apply(host.wish(access_log=str(logs / "site.log"))).rehearsal == "full"
    assert (host.httpd.pid, host.enforces()) == (pid, True)


def test_a_log_that_the_unit_lets_be_written_in_a_folder_that_it_does_not_is_no_hindrance(
    host: Host, logs: Path
) -> None:
    (logs / "site.log").touch()
    writable = f"mount --bind {logs}/site.log {logs}/site.log; mount -o remount,rw,bind {logs}/site.log"
    pid = start_with_mounts(host, read_only(logs), writable)
    host.apply(host.wish(access_log=str(logs / "site.log")))
    assert (host.httpd.pid, host.enforces()) == (pid, True)
    assert until((logs / "site.log").read_text)
    assert f"add `ReadWritePaths={logs}`" in host.refused(host.wish(access_log=str(logs / "other.log")))


def test_no_log_at_all_is_no_hindrance_where_the_unit_gives_httpd_devices_of_its_own(host: Host) -> None:
    # As PrivateDevices= does.
    mounts = ["mount -t tmpfs tmpfs /mnt", "touch /mnt/null", "mount --bind /dev/null /mnt/null"]
    pid = start_with_mounts(host, *mounts, "mount --move /mnt /dev", "mount -o remount,ro,bind /dev")
    host.apply(host.wish(access_log="/dev/null"))
    assert (host.httpd.pid, host.enforces()) == (pid, True)


def test_the_servers_own_log_is_the_way_where_the_unit_lets_nothing_else_be_written(host: Host, logs: Path) -> None:
    pid = start_with_mounts(host, read_only(logs))
    host.apply(host.wish(access_log="server", error_log="server"))
    assert (host.httpd.pid, host.enforces()) == (pid, True)


@pytest.mark.parametrize("hidden", ["the folder above it", "the folder itself, as InaccessiblePaths= does"])
def test_a_document_root_that_the_unit_hides_is_refused_as_callers_would_get_404(host: Host, hidden: str) -> None:
    above = host.httpd.root / "home"
    content = above / "webhook"
    content.mkdir(parents=True)
    over = above if hidden.startswith("the folder above") else content
    start_with_mounts(host, f"mount -t tmpfs -o mode=0 tmpfs {over}")
    message = host.refused(host.wish(document_root=str(content)))
    assert f"{DOMAIN}: {content} is hidden from httpd by its unit" in message


@pytest.mark.parametrize("rest", ["", 'ProxyPass "/static" "!"\n'])
def test_a_document_root_that_the_unit_hides_is_no_hindrance_where_all_goes_to_a_backend(host: Host, rest: str) -> None:
    content = host.httpd.root / "home" / "webhook"
    content.mkdir(parents=True)
    host.load("proxy", "proxy_http")
    pid = start_with_mounts(host, f"mount -t tmpfs -o mode=0 tmpfs {content.parent}")
    text = f'{rest}DocumentRoot "{content}"'
    wish = host.wish(document_root=None, proxy_pass=f"http://127.0.0.1:{free_port()}/", extra=text)
    if rest:
        assert f"{DOMAIN}: {content} is hidden from httpd by its unit" in host.refused(wish)
    else:
        assert "is hidden" not in "\n".join(host.apply(wish).limits)
        assert host.httpd.pid == pid
        assert "is hidden from httpd" in host.refused(host.wish(document_root=str(content)))


def test_a_site_is_renewed_although_the_unit_hides_the_document_root_that_it_has(host: Host) -> None:
    content, other = host.httpd.root / "site", host.httpd.root / "other"
    other.mkdir()
    host.apply(host.wish(document_root=str(content)))
    pid = start_with_mounts(host, *(f"mount -t tmpfs -o mode=0 tmpfs {each}" for each in (content, other)))
    renewed = host.wish(document_root=str(content))
    assert f"{DOMAIN}: {content} is hidden from httpd by its unit" in "\n".join(host.apply(renewed).limits)
    assert (host.httpd.pid, host.served()) == (pid, fingerprint(renewed))
    assert f"{other} is hidden from httpd" in host.refused(host.wish(document_root=str(other)))


def test_a_document_root_that_is_another_folder_for_httpd_is_warned_of(host: Host) -> None:
    content, other = host.httpd.root / "site", host.httpd.root / "other"
    other.mkdir()
    start_with_mounts(host, f"mount --bind {other} {content}")
    limits = "\n".join(host.apply(host.wish(document_root=str(content))).limits)
    assert f"{content} is another folder than the host's" in limits
    assert host.enforces()


def test_a_document_root_that_is_the_same_for_httpd_is_not_warned_of(host: Host) -> None:
    start_with_mounts(host, f"mount -t tmpfs tmpfs {host.httpd.root}/htdocs")
    limits = "\n".join(host.apply(host.wish(document_root=str(host.httpd.root / "site"))).limits)
    assert "another folder" not in limits


@pytest.fixture
def backend(host: Host) -> Iterator[Path]:
    """Give a Unix socket that takes connections, in a folder of its own."""
    folder = host.httpd.root / "sockets"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "app"))
        listener.listen()
        yield folder / "app"


@pytest.mark.parametrize("hidden", [True, False])
def test_a_backends_socket_that_the_unit_hides_is_warned_of(host: Host, backend: Path, hidden: bool) -> None:
    start_with_mounts(host, f"mount -t tmpfs tmpfs {backend.parent if hidden else host.httpd.root / 'htdocs'}")
    wish = host.wish(document_root=None, proxy_pass=f"unix:{backend}|http://localhost/")
    limits = "\n".join(host.apply(wish).limits)
    assert (f"'proxy_pass': {backend} is hidden from httpd by its unit" in limits) == hidden
    assert "nobody listens" not in limits


def test_a_configuration_folder_that_is_another_one_for_httpd_is_refused(host: Host) -> None:
    start_with_mounts(host, f"cp -a {host.conf} {host.conf}.2; mount --bind {host.conf}.2 {host.conf}")
    assert "it would not read what is put there" in host.refused(host.wish())


def test_a_file_that_a_site_includes_and_the_unit_hides_is_named_before_a_reload_ends_httpd(host: Host) -> None:
    folder = host.httpd.root / "home"
    folder.mkdir()
    write(folder, "more.conf", b"ServerSignature Off\n")
    start_with_mounts(host, f"mount -t tmpfs tmpfs {folder}")
    with pytest.raises(Refused, match="is hidden from httpd by its unit") as caught:
        host.apply(host.wish(extra=f"Include {folder}/more.conf"))
    assert str(folder / "more.conf") in str(caught.value)
    host.apply(host.wish())
    assert host.enforces()


@pytest.mark.parametrize(
    ("include", "ends"),
    [
        ("IncludeOptional {home}/*.conf", False),
        ("IncludeOptional \\\n  {home}/*/vhost.conf", False),
        ("Include {home}/[m]ore.conf", True),
        ("Include {root}/sites/*.conf", False),
        ("Include {root}/links/*.conf", True),
        ("Include {home}/more.conf", True),
    ],
)
def test_a_file_of_others_that_the_unit_hides_and_that_httpd_can_do_without_is_warned_of(
    host: Host, include: str, ends: bool
) -> None:
    root, home = host.httpd.root, host.httpd.root / "home"
    for folder in (home / "one", root / "links", root / "sites"):
        folder.mkdir(parents=True)
    # What a file names that is not read is not read either.
    text = f"Include {home}/own.part\n".encode()
    names = ("home/more.conf", "home/other.conf", "home/one/vhost.conf", "sites/unseen.conf")
    for path in (root / name for name in names):
        write(path.parent, path.name, text)
    write(home, "own.part", b"ServerSignature Off\n")
    for folder in (root / "links", root / "sites"):
        write(folder, "seen.conf", b"ServerSignature Off\n")
    (root / "links" / "unseen.conf").symlink_to(home / "more.conf")
    host.add(include.format(root=root, home=home) + "\n")
    unlike = f"cp {root}/sites/seen.conf {home}; mount --bind {home} {root}/sites"
    mounts = (f"mount -t tmpfs tmpfs {home}", unlike)
    if ends:
        text = host.httpd.conf.read_text()
        host.httpd.conf.write_text(text.replace("Include", "#Include"))
        pid = start_with_mounts(host, *mounts)
        host.httpd.conf.write_text(text)
        assert "is hidden from httpd by its unit" in host.refused(host.wish())
        os.kill(pid, signal.SIGUSR1)
        assert until(lambda: not host.httpd.running())
    else:
        pid = start_with_mounts(host, *mounts)
        limits = "\n".join(host.apply(host.wish()).limits)
        assert "is not read by httpd, from which its unit hides it" in limits
        assert f"{home}/own.part is not read" in limits
        assert (host.httpd.pid, host.enforces()) == (pid, True)


def test_material_of_others_that_the_unit_hides_is_named(host: Host) -> None:
    folder = host.httpd.root / "home"
    folder.mkdir()
    issued = host.public.issue("own.example.com")
    write(folder, "own.pem", issued.full_pem + issued.key_pem)
    pid = start_with_mounts(host, f"mount -t tmpfs tmpfs {folder}")
    host.add(
        f"LoadModule ssl_module modules/mod_ssl.so\nListen 127.0.0.1:{free_port()}\n"
        f"<VirtualHost 127.0.0.9:{host.httpd.port}>\nServerName own.example.com\nSSLEngine on\n"
        f"SSLCertificateFile {folder}/own.pem\n</VirtualHost>\n"
    )
    assert f"{folder}/own.pem is hidden from httpd by its unit" in host.refused(host.wish())
    assert host.httpd.pid == pid


def test_a_server_that_is_restarted_while_it_is_looked_at_hides_nothing(
    host: Host, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = f"mount -t tmpfs tmpfs {host.httpd.root}/htdocs"
    pids = [start_with_mounts(host, mount)]
    ask = seclusion.has_own_mounts

    def ask_and_restart(pid: int) -> bool:
        answer = ask(pid)
        if len(pids) == 1:
            pids.append(start_with_mounts(host, mount))
        return answer

    monkeypatch.setattr(seclusion, "has_own_mounts", ask_and_restart)
    host.apply(host.wish(access_log=str(logs / "site.log")))
    assert (host.httpd.pid, host.enforces()) == (pids[1], True)
    assert pids[0] != pids[1]


# -- the network


def test_a_server_in_a_network_of_its_own_is_confirmed_there(host: Host) -> None:
    pid = start_by(host, "unshare", "--net", first="ip link set lo up")
    issued = host.public.issue(DOMAIN)

    def deploy() -> None:
        wish = host.wish(issued=issued)
        assert host.apply(wish).reloaded
        assert host.enforces()
        assert not host.apply(wish).changed

    in_a_child(deploy)
    assert host.httpd.pid == pid

    def survey() -> None:
        request = Request((host.wish(issued=issued),), host.probes, str(host.httpd.binary), str(host.httpd.conf))
        told = tell_status(request, rehearse=False)
        assert told["faults"] == []

    in_a_child(survey)


# As systemd does for a socket unit: it opens the socket in its own network, and gives it to a process in another one.
_GIVING = """
import ctypes, os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.set_inheritable(True)
ctypes.CDLL(None).unshare(0x40000000)  # CLONE_NEWNET
os.execvp(sys.argv[2], sys.argv[2:])
"""


def test_a_server_with_a_network_of_its_own_that_is_given_its_sockets_is_asked_where_these_are(host: Host) -> None:
    port = free_port()
    pid = start_by(host, sys.executable, "-c", _GIVING, str(port))

    def look() -> None:
        server = find.find(str(host.httpd.binary), str(host.httpd.conf))
        assert server
        assert server.sockets() == {("127.0.0.1", port)}
        server.join()
        assert server.sockets() == {("127.0.0.1", port)}

    in_a_child(look)
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")


def test_server_info_tells_the_sockets_of_a_server_with_a_network_of_its_own(host: Host) -> None:
    start_by(host, "unshare", "--net", first="ip link set lo up")

    def look() -> None:
        server = find.find(str(host.httpd.binary), str(host.httpd.conf))
        assert server
        assert tell_server(server)["sockets"] == [{"address": "127.0.0.1", "port": host.httpd.port}]

    in_a_child(look)


def test_no_watchman_is_left_outside_the_network_of_a_server_that_has_no_unit(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir(mode=0o755)
    issued = host.public.issue(DOMAIN)
    start_by(host, "unshare", "--net", first="ip link set lo up")

    def deploy() -> None:
        with pytest.raises(Refused, match="httpd has a network of its own, in which nothing starts the watchman"):
            host.apply(host.wish(issued=issued), metrics_folder=str(folder))
        assert host.apply(host.wish(issued=issued)).reloaded

    in_a_child(deploy)
    assert not (host.store / "watchman.py").exists()
    host.restart()
    host.apply(host.wish(issued=issued), metrics_folder=str(folder))
    assert (host.store / "watchman.py").exists()


# -- rights


def start_without(host: Host, *rights: str) -> int:
    taken = ",".join(f"-{each}" for each in rights)
    return start_by(host, "setpriv", f"--inh-caps={taken}", f"--bounding-set={taken}")


def test_a_port_that_httpd_has_no_right_to_listen_on_is_named_before_a_reload_ends_it(host: Host) -> None:
    start_without(host, "net_bind_service")
    message = host.refused(host.wish(port=443))
    assert "port 443: httpd runs without the right to listen on ports below 1024" in message


# The user nobody may listen on port 443 by authbind(1), in a network and with a configuration of authbind's of its own.
HELPED = """
mount -t tmpfs tmpfs /etc/authbind
mkdir /etc/authbind/byport
install -m 755 -o nobody /dev/null /etc/authbind/byport/443
exec setpriv --reuid nobody --regid nogroup --clear-groups authbind --deep "$@"
"""
LOOK = """
import os
from ansible_collections.mtls.httpd.plugins.module_utils._machine import seclusion
pid = os.getpid()
print(seclusion.is_helped_to_ports(pid), seclusion.find_unhelped_ports(pid, [443, 444]))
print(seclusion.find_unhelped_ports(pid, [443, 65536]))  # Nobody can bind the last, so that the trial fails.
"""
# Has the kernel refuse IPv6's sockets, as one without IPv6 does (seccomp(2), linux/filter.h), and goes on as a command.
WITHOUT_IPV6 = """
import ctypes, os, platform, struct, sys
MAKE_SOCKET = {"x86_64": 41}.get(platform.machine(), 198)
LOAD, EQUAL, RETURN, EAFNOSUPPORT, AF_INET6 = 0x20, 0x15, 0x06, 97, 10
steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, MAKE_SOCKET), (LOAD, 0, 0, 16), (EQUAL, 0, 1, AF_INET6)]
steps += [(RETURN, 0, 0, 0x50000 | EAFNOSUPPORT), (RETURN, 0, 0, 0x7FFF0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("H6xP", len(steps), ctypes.addressof(text))
assert ctypes.CDLL(None).prctl(22, 2, program) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("ipv6", [True, False])
def test_a_port_that_authbind_opens_for_httpd_needs_no_right_and_one_that_it_does_not_is_told(
    short_path: Path, ipv6: bool
) -> None:
    if not shutil.which("authbind"):
        pytest.skip("authbind, which make test installs to have ports opened by, is not there")
    utils = "ansible_collections/mtls/httpd/plugins/module_utils"
    shutil.copytree(COLLECTION / "plugins/module_utils", short_path / utils)
    short_path.chmod(0o755)
    kernel = [] if ipv6 else ["/usr/bin/python3", "-c", WITHOUT_IPV6]
    words = [*kernel, "unshare", "--mount", "--net", "sh", "-ec", HELPED, "sh", "/usr/bin/python3", "-c", LOOK]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(short_path), "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run(words, check=True, env=environment, cwd="/", capture_output=True, text=True)
    assert told.stdout == "True [444]\n[443, 65536]\n", told.stderr


def test_a_port_that_needs_no_right_is_no_hindrance(host: Host) -> None:
    pid = start_without(host, "net_bind_service")
    host.apply(host.wish())
    assert (host.httpd.pid, host.enforces()) == (pid, True)


@pytest.mark.parametrize("rights", [("dac_override", "dac_read_search"), ("sys_time",)])
def test_a_rehearsal_has_no_right_that_the_live_server_has_not(host: Host, logs: Path, rights: tuple[str, ...]) -> None:
    logs.chmod(0o500)
    pid = start_without(host, *rights)
    wish = host.wish(access_log=str(logs / "site.log"))
    if "dac_override" in rights:
        assert "Permission denied" in host.refused(wish)
    else:
        host.apply(wish)
    assert host.httpd.pid == pid


# -- signals


@pytest.mark.parametrize("blocked", [True, False])
def test_the_way_back_signals_httpd_by_what_it_takes(host: Host, blocked: bool) -> None:
    start_by(host, "env", *(["--block-signal=USR1"] if blocked else []), first=":")
    server = find.find(str(host.httpd.binary), str(host.httpd.conf))
    assert server
    server.supervision = Supervision("systemd", "some.service", hangs_up=True)
    before = server.workers()
    server.signal()
    assert until(lambda: server.workers() - before, 10)
    assert ("SIGUSR1 received" in host.httpd.error_log.read_text()) is not blocked


# -- sockets


# LISTEN_FDS and LISTEN_PID, as systemd tells of sockets. Debian's httpd knows nothing of these, so one that does is
# stood in for by one whose own sockets have the numbers of those that are given.
_TOLD = """
import os, socket, sys
if sys.argv[1]:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    os.set_inheritable(listener.fileno(), True)
    assert listener.fileno() == 3
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()) if sys.argv[2] == "given" else "1")
os.execv(sys.argv[3], sys.argv[3:])
"""


@pytest.mark.parametrize("told", ["given", "given, and not used", "given to a process that it was before"])
def test_a_port_for_which_systemd_gives_httpd_no_socket_is_named(host: Host, told: str) -> None:
    httpd = host.httpd
    httpd.stop()
    unused = str(free_port()) if told == "given, and not used" else ""
    whose = "another's" if told.startswith("given to") else "given"
    start = [httpd.binary, "-d", httpd.root, "-f", httpd.conf, "-D", "FOREGROUND"]
    words = [sys.executable, "-c", _TOLD, unused, whose, *map(str, start)]
    server = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        httpd.wait_until_answers()
        if told == "given":
            message = host.refused(host.wish())
            assert f"add `ListenStream={host.port}` to its socket unit" in message
        else:
            host.apply(host.wish())
            assert host.enforces()
    finally:
        server.terminate()
        server.wait()
