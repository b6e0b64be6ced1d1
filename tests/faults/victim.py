# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of the target's half that are killed on the way: what test_killed.py runs on its hosts.

Each line of the standard input is a request, as JSON; each is answered by one line. C(script) is for sh(1), and
answered by its C(status) and what it C(said). A run is asked for by

    payload  what the controller sends
    at       number of the action before which the run stops; 0: it does not
    removes  path before whose removal it stops; empty: none
    hold     true: stopped there, it is left so, for who cuts off the power; else it is killed
    after    kill it after so many seconds; null: not

and answered by C(ended): done, refused, failed, killed or held; C(actions): how many there were; C(report) or C(said):
what the run came to; C(seconds): how long it took.

An action is a change to the file system, a lock, a new process or a signal, of the module's process or of one that it
forked, as Python's audit events tell of it (PEP 578), and the first breath of one that it forked. So nothing in what
ships knows of this.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from typing import Any

from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import unpacked

# What a run imports late is compiled, and so written, by the first alone, which would have more actions than the next.
importlib.import_module(f"{run.__package__}.change")
ACTIONS = {
    "fcntl.flock",
    "open",
    "os.chmod",
    "os.chown",
    "os.fork",
    "os.kill",
    "os.killpg",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "subprocess.Popen",
}
_WRITES = os.O_WRONLY | os.O_RDWR


def is_action(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return isinstance(arguments[2], int) and bool(arguments[2] & _WRITES) and arguments[0] != os.devnull
    return event in ACTIONS


def carried_out(payload: str) -> dict[str, Any]:
    """Carry a payload out as the module does."""
    try:
        request = unpacked(payload)
        report = run.carry_out(request)
        return {"ended": "done", "report": asdict(report)}
    except run.Refused as error:
        return {"ended": "refused", "said": str(error)}
    except Exception:
        return {"ended": "failed", "said": traceback.format_exc()}


def answered(
    payload: str, at: int = 0, removes: str = "", hold: bool = False, after: float | None = None
) -> dict[str, Any]:
    """Start a run in a process of its own, stop it as asked, and say what became of it."""
    count = memoryview(mmap.mmap(-1, 8)).cast("Q")  # shared with all that the run forks
    heard, tell = os.pipe()
    go, let_go = os.pipe()
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        os.close(let_go)

        def act(here: bool = False) -> None:
            count[0] += 1
            if here or count[0] == at:
                os.write(tell, b'{"ended": "held"}\n')
                os.read(go, 1)  # Not the module's process itself? Then it goes on once that is dead.

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if is_action(event, arguments):
                act(event == "os.remove" and arguments[0] == removes)

        sys.addaudithook(hook)
        os.register_at_fork(after_in_child=act)
        os.write(tell, json.dumps(carried_out(payload)).encode() + b"\n")
        os._exit(0)
    os.close(tell)
    os.close(go)
    with open(heard, encoding="utf-8") as stream:
        ready = select.select([stream], [], [], after)[0]
        answer: dict[str, Any] = json.loads(stream.readline()) if ready else {"ended": "killed"}
    answer |= {"actions": count[0], "seconds": time.monotonic() - began}
    if answer["ended"] == "held" and hold:
        return answer
    if answer["ended"] in ("held", "killed"):
        answer["ended"] = "killed"
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(let_go)
    return answer


def shell(script: str) -> dict[str, Any]:
    # Into a file: a server that the script starts keeps its standard output for good.
    with tempfile.TemporaryFile("w+") as stream:
        status = subprocess.call(["sh", "-euc", script], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        stream.seek(0)
        return {"status": status, "said": stream.read()}


if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(shell(**request) if "script" in request else answered(**request)), flush=True)
