# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private world: what is inside changes nothing outside, and all ends with its caller. Real namespaces."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._machine import private_mounts, sandbox
from ansible_collections.mtls.httpd.plugins.module_utils._machine.private_mounts import Unavailable
from ansible_collections.mtls.httpd.plugins.module_utils._machine.sandbox import World

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    sandbox.run(World(), lambda: None, 10)
except Unavailable as reason:
    pytest.skip(f"no private namespaces are to be had here: {reason}", allow_module_level=True)


def inside(act: Callable[[], Any], seconds: float = 10, **world: Any) -> Any:
    return sandbox.run(World(**world), act, seconds)


def test_what_is_returned_inside_comes_out() -> None:
    assert inside(lambda: {"a": [1, "x" * 200000, None]}) == {"a": [1, "x" * 200000, None]}


def test_what_is_raised_inside_is_told() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'x'"):
        inside(lambda: {}["x"])


def test_a_time_that_is_over_ends_it() -> None:
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        inside(lambda: time.sleep(30), seconds=0.3)
    assert time.monotonic() - before < 5


def test_nothing_can_be_changed_inside(tmp_path: Path) -> None:
    def act() -> str:
        try:
            (tmp_path / "new").write_text("")
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "written"

    assert inside(act) == "EROFS"


def test_a_world_that_is_to_be_sealed_is_not_to_be_had_where_the_kernel_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = World(sealed=True)
    assert sandbox.run(sealed, lambda: 7, 10) == 7
    monkeypatch.setattr(private_mounts, "_MOUNT_SETATTR", 1 << 20)  # a system call that no kernel has
    with pytest.raises(Unavailable, match="unwritable"):
        sandbox.run(sealed, lambda: 7, 10)
    assert sandbox.run(World(), lambda: 7, 10) == 7


def test_what_is_changed_in_an_overlay_vanishes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def act() -> list[str]:
        (tmp_path / "file").write_text("new")
        (tmp_path / "other").write_text("")
        return [(tmp_path / "file").read_text(), *sorted(os.listdir(tmp_path))]

    assert inside(act, overlays=[str(tmp_path)]) == ["new", "file", "other"]
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b"])
def test_a_folder_that_no_overlay_takes_is_copied(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "key").write_text("k")
    (folder / "sub" / "key").chmod(0o600)
    (folder / "link").symlink_to("sub/key")

    def act() -> list[Any]:
        mode = (folder / "sub" / "key").stat().st_mode & 0o777
        (folder / "sub" / "key").write_text("new")
        return [mode, (folder / "link").read_text(), os.readlink(folder / "link")]

    assert inside(act, overlays=[str(folder)]) == [0o600, "new", "sub/key"]
    assert (folder / "link").read_text() == "k"


def test_a_hidden_folder_is_empty_but_for_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "sub" / "sub").mkdir(parents=True)
    (tmp_path / "log").write_text("")

    def act() -> list[str]:
        (tmp_path / "sub" / "new").write_text("")
        return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))

    assert inside(act, hidden=[str(tmp_path)]) == ["sub", "sub/new", "sub/sub"]
    assert sorted(os.listdir(tmp_path)) == ["log", "sub"]


@contextmanager
def heard_at(path: Path) -> Iterator[None]:
    """Listen on a socket, as a service does that obeys whoever connects as root."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        try:
            yield
        finally:
            path.unlink()


def reached(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as calling:
        return calling.connect_ex(str(path)) == 0


@pytest.mark.parametrize("world", [{}, {"overlays": True}], ids=["as it is", "in an overlay"])
def test_no_socket_of_the_machine_is_reached_inside(tmp_path: Path, world: dict[str, Any]) -> None:
    path = tmp_path / "command it.sock"
    with heard_at(path):
        assert reached(path)
        options = {name: [str(tmp_path)] for name in world}
        assert inside(lambda: [reached(path), path.exists()], **options) == [False, True]


# Who bound it works there still, or has left, and who started it is there.
@pytest.mark.parametrize("then", ["", "os.chdir('/')"], ids=["stays", "leaves"])
@pytest.mark.parametrize("name", ["by name.sock", "../command.sock"])
def test_a_socket_that_was_bound_by_a_relative_name_is_not_reached_inside(tmp_path: Path, name: str, then: str) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    listen = f"import os, socket; s = socket.socket(socket.AF_UNIX); s.bind({name!r}); s.listen(); {then}"
    command = ["/bin/sh", "-c", '"$@"; true', "sh", sys.executable, "-c", f"{listen}\nprint(flush=True); input()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=folder) as service:
        assert service.stdout
        assert service.stdout.readline()
        assert reached(folder / name)
        assert not inside(lambda: reached(folder / name))
        assert inside((folder / name).exists)
        service.communicate(b"\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can enter a network namespace alone")
def test_a_socket_of_another_network_namespace_is_not_reached_inside(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.sock"
    bound = f"s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen()"
    listen = f"import socket; {bound}; print(flush=True); input()"
    command = ["unshare", "--net", sys.executable, "-c", listen]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as elsewhere:
        assert elsewhere.stdout
        assert elsewhere.stdout.readline()
        assert reached(path)
        assert not inside(lambda: reached(path))
        elsewhere.communicate(b"\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file in /run")
def test_of_what_lies_in_run_only_folders_are_inside_and_what_is_to_be_kept() -> None:
    with tempfile.TemporaryDirectory(dir="/run") as made:
        folder = Path(made)
        for name in ("kept", "other", "below/kept", "below/other"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(name)
        (folder / "below").chmod(0o710)
        kept = [str(folder / "kept"), str(folder / "below" / "kept"), str(folder / "gone")]

        def act() -> list[Any]:
            found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
            return [found, (folder / "kept").read_text(), (folder / "below").stat().st_mode & 0o777]

        assert inside(act, kept=kept) == [["below", "below/kept", "kept"], "kept", 0o710]

        def change() -> str:
            try:
                (folder / "kept").write_text("")
            except OSError as error:
                return errno.errorcode[error.errno or 0]
            return "written"

        assert inside(change, kept=kept) == "EROFS"


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/fuse"), reason="only root can mount for another")
def test_another_users_mount_below_run_into_which_root_may_not_look_is_no_hindrance() -> None:
    def act() -> None:
        libc = ctypes.CDLL(None)
        assert libc.unshare(0x00020000) == 0  # CLONE_NEWNS
        assert libc.mount(None, b"/", None, 0x44000, None) == 0  # MS_REC | MS_PRIVATE
        with tempfile.TemporaryDirectory(dir="/run") as made:
            theirs = Path(made) / "theirs"
            theirs.mkdir()
            file_system = os.open("/dev/fuse", os.O_RDWR)
            data = f"fd={file_system},rootmode=40000,user_id=12345,group_id=12345"
            assert libc.mount(b"theirs", bytes(theirs), b"fuse", 0, data.encode()) == 0
            with pytest.raises(PermissionError):
                theirs.stat()
            assert inside(lambda: [os.path.isdir(made), os.path.lexists(theirs)]) == [True, False]
            libc.umount2(bytes(theirs), 2)  # MNT_DETACH
            os.close(file_system)

    child = os.fork()  # With a mount namespace of its own.
    if child == 0:
        try:
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the traceback on standard error"


def test_what_is_started_inside_mounts_nothing() -> None:
    script = 'import ctypes; print(ctypes.CDLL(None).mount(b"none", b"/mnt", b"tmpfs", 0, None))'

    def act() -> str:
        return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert inside(act) == "-1\n"


def test_no_network_but_the_loopback_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def act() -> list[Any]:
            with socket.socket() as probe:
                outside = probe.connect_ex(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)) as own, socket.create_connection(own.getsockname()):
                return [outside, [name for _index, name in socket.if_nameindex()]]

        assert inside(act) == [errno.ECONNREFUSED, ["lo"]]


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8::7"])
def test_addresses_of_the_machine_are_had_inside(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def act() -> str:
        deadline = time.monotonic() + 2  # The kernel makes an IPv6 address usable a little later.
        while True:
            try:
                server = socket.create_server((address, 0), family=family)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
        with server, socket.create_connection(server.getsockname()[:2], timeout=5):
            return str(server.getsockname()[0])

    assert inside(act, addresses=["203.0.113.1", address]) == address


def test_names_that_are_told_resolve_inside() -> None:
    added = {"/etc/hosts": "198.51.100.7 a.test\n"}
    assert inside(lambda: socket.gethostbyname("a.test"), added=added) == "198.51.100.7"


def test_limits_are_set_inside() -> None:
    import resource

    name, (soft, hard) = resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)
    assert inside(lambda: resource.getrlimit(name), limits={name: (77, hard)}) == [77, hard]
    resource.setrlimit(name, (hard - 1, hard))
    try:
        for higher in (hard + 1, resource.RLIM_INFINITY):
            assert inside(lambda: resource.getrlimit(name), limits={name: (higher, higher)}) == [hard, hard]
    finally:
        resource.setrlimit(name, (soft, hard))


def test_it_is_process_1_and_its_children_end_with_it() -> None:
    mark = f"{time.time()}"

    def act() -> int:
        subprocess.Popen(["/bin/sh", "-c", f"sleep 100; : {mark}"])
        return os.getpid()

    assert inside(act) == 1
    assert gone(mark)


def test_all_ends_when_the_caller_is_killed() -> None:
    mark = f"mark {time.time()}"
    caller = os.fork()
    if caller == 0:
        try:
            inside(lambda: subprocess.call(["/bin/sh", "-c", f"sleep 100; : {mark}"]), seconds=60)
        finally:
            os._exit(0)
    deadline = time.monotonic() + 5
    while not holders(mark) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert holders(mark)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    assert gone(mark)


def test_nothing_is_done_inside_when_the_caller_is_killed_as_process_1_is_born() -> None:
    born, say_born = os.pipe()
    go, let_go = os.pipe()
    done, say_done = os.pipe()
    caller = os.fork()
    if caller == 0:
        births: list[int] = []

        def child_is_born() -> None:
            births.append(os.getpid())
            if len(births) == 2:  # process 1 inside, after the child that enters the namespaces
                os.write(say_born, str(births[0]).encode())
                os.read(go, 1)

        os.register_at_fork(after_in_child=child_is_born)
        try:
            inside(lambda: os.write(say_done, b"x"), seconds=60)
        finally:
            os._exit(0)
    parent = os.pidfd_open(int(os.read(born, 20)))
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    select.select([parent], [], [])  # until it has ended too
    os.write(let_go, b"x")
    os.close(say_done)
    assert os.read(done, 1) == b""
    for each in (born, say_born, go, let_go, done, parent):
        os.close(each)


def holders(mark: str) -> list[str]:
    """Return the processes that have `mark` on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(mark) in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def gone(mark: str) -> bool:
    deadline = time.monotonic() + 5
    while holders(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_machine_that_allows_no_namespaces_is_not_said_to_have_no_space_left() -> None:
    package = "ansible_collections.mtls.httpd.plugins.module_utils._machine.sandbox"
    tell = f"import {package} as it\ntry:\n    it.run(it.World(), int, 10)\nexcept it.Unavailable as error:\n"
    none = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'  # in a namespace of its own, and so of this alone
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-ec",
        none,
        "sh",
        sys.executable,
        "-c",
        f"{tell}    print(error)",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "allows no more of them (user.max_user_namespaces" in said
