# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that is to start no other: real processes of this kernel."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._machine import programs
from ansible_collections.mtls.httpd.plugins.module_utils._machine.programs import Solitary

if TYPE_CHECKING:
    from pathlib import Path

if not programs.available():
    pytest.skip("this kernel keeps no program from starting others", allow_module_level=True)


def run(*words: str) -> tuple[int, list[str], str]:
    """Run a program as the only one; return its exit code, what it tried to start, and what it said."""
    alone = Solitary(words, {"PATH": os.environ["PATH"], "TOLD": "by us"})
    process = subprocess.Popen(words, preexec_fn=alone.become, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    tried: list[str] = []
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        tried += alone.tried(0.01)
    said, _errors = process.communicate()
    alone.close()
    return process.returncode, tried, said.decode()


def test_the_program_itself_runs_with_its_arguments_and_environment() -> None:
    assert run("/bin/sh", "-c", 'echo "$TOLD: $1"', "sh", "a b") == (0, [], "by us: a b\n")


def test_what_it_and_its_children_try_to_start_is_refused_and_told(tmp_path: Path) -> None:
    script = f"/bin/touch {tmp_path}/one; (/bin/sh -c 'touch {tmp_path}/two' &) ; wait; exec {tmp_path}/none"
    code, tried, _said = run("/bin/sh", "-c", script)
    assert code == 126
    assert sorted(tried) == sorted(["/bin/touch", "/bin/sh", f"{tmp_path}/none"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["os.execv('/bin/true', ['true'])", "os.execve(os.open('/bin/true', 0), ['x'], {})"])
def test_each_call_that_starts_programs_is_seen(call: str) -> None:
    code, tried, _said = run(sys.executable, "-S", "-c", f"import os; {call}")
    assert code == 1
    assert len(tried) == 1


def test_a_long_path_is_told_whole(tmp_path: Path) -> None:
    path = f"{tmp_path}/{'x' * 200}/{'y' * 200}"
    assert run("/bin/sh", "-c", f"exec {path}")[1] == [path]


def test_once_nobody_listens_a_program_is_refused_without_being_waited_for() -> None:
    words = ("/bin/sh", "-c", "read line; exec /bin/true")
    alone = Solitary(words, os.environ)
    process = subprocess.Popen(words, preexec_fn=alone.become, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert alone.tried(0.01) == []
    alone.close()
    process.communicate(b"\n", timeout=20)
    assert process.returncode not in (0, None)


def test_where_the_kernel_tells_nothing_programs_are_refused_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_NEW_LISTENER", 1 << 20)  # a flag that no kernel has
    assert run("/bin/sh", "-c", "exec /bin/true") == (126, [], "")


def test_the_numbers_of_each_machine_are_those_that_libseccomp_knows() -> None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not installed")
    library.seccomp_syscall_resolve_name_arch.argtypes = (ctypes.c_uint32, ctypes.c_char_p)
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    for machine, (architecture, *numbers) in programs._MACHINES.items():
        assert library.seccomp_arch_resolve_name(machine.encode()) == architecture
        calls = (b"execve", b"execveat", b"seccomp")
        assert [library.seccomp_syscall_resolve_name_arch(architecture, call) for call in calls] == numbers


def test_a_machine_whose_calls_are_not_known_keeps_nothing_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_MACHINES", {})
    assert not programs.available()


def test_the_end_of_a_program_is_waited_for_without_a_pause() -> None:
    paused = []
    sys.setprofile(lambda _frame, event, called: paused.append(called) if event == "c_call" else None)
    try:
        (outcome,) = programs.ask([[sys.executable, "-S", "-c", "import time; time.sleep(0.2); print(7)"]], {}, 20)
    finally:
        sys.setprofile(None)
    assert outcome.output == "7\n"
    assert time.sleep not in paused


def test_a_program_that_does_not_end_is_ended() -> None:
    begun = time.monotonic()
    (outcome,) = programs.ask([[sys.executable, "-S", "-c", "import time; time.sleep(60)"]], {}, 0.2)
    assert outcome.code == 124
    assert time.monotonic() - begun < 30
