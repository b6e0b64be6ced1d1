# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What action plugins that work in the controller's process have in common."""

from __future__ import annotations

import functools
import gc
import ipaddress
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mtls.httpd.plugins.module_utils import _python
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import list_faults
from ansible_collections.mtls.httpd.plugins.module_utils._verdict.library import CRYPTOGRAPHY_ERROR, HAS_CRYPTOGRAPHY
from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible.plugins.connection import ConnectionBase

_NO_TERMINAL = (
    "sudo on this host wants a terminal (requiretty), and by one all that is sent, such as private keys, would go "
    "through temporary files. Take requiretty out of its sudoers for this user, and run again. Nothing was touched."
)
Run = TypeVar("Run", bound=Callable[..., "dict[str, Any]"])


def failure(messages: list[str]) -> dict[str, Any]:
    """Return the result of a task that failed with these messages, one line each."""
    return {"changed": False, "failed": True, "msg": "\n".join(messages)}


def refusal(error: ArgumentsError) -> dict[str, Any]:
    """Return the result of a task whose options are wrong: for people in its message, for programs as faults."""
    return {**failure(error.messages), "faults": list_faults(error.faults)}


def find_why_not_started(result: Mapping[str, Any]) -> str:
    """Return what kept a module on the target from starting, by what Ansible's wrapper or sudo said; empty for else."""
    # By a terminal (ssh -tt), both are one.
    said = "".join(str(result.get(name) or "") for name in ("module_stderr", "module_stdout"))
    if "SyntaxError" in said:  # Older than what Ansible's own wrapper can tell.
        return f"The Python on this host does not understand the module: {_python.NEEDED}."
    return _NO_TERMINAL if "you must have a tty" in said else ""


def without_cryptography() -> dict[str, Any] | None:
    """Return the result of a task that cannot work without cryptography, None where it is there."""
    if HAS_CRYPTOGRAPHY:
        return None
    reason = f"The controller lacks the Python library cryptography, 45.0 or newer ({CRYPTOGRAPHY_ERROR})."
    return failure([f"{reason} Install it beside Ansible: {sys.executable} -m pip install 'cryptography>=45'"])


def look_for_no_garbage() -> None:
    """Keep Python from looking for cyclic garbage, as this process ends with its task.

    It would walk through all that Ansible holds, again and again: for more than half of the time in which the module
    for the target is put together, and for half a second of 10,000 verdicts.
    """
    gc.disable()


def say(lines: Iterable[str]) -> None:
    """Print lines by themselves, as a result is shown as data, with marks in the place of the ends of its lines.

    Not where all that is printed is data, for programs: they find the lines in the result.
    """
    text = "\n".join(lines)
    if text and not str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")).endswith(("json", "jsonl")):
        Display().display(text)


def pipelined(connection: ConnectionBase) -> bool:
    """Have modules reach the target by stdin, whatever Ansible is set to; return whether that can be.

    Where not, Ansible writes a module, with the keys in its arguments, to its temporary folders here and there.
    """
    if connection.has_pipelining and (not connection.become or connection.become.pipelining):
        connection.always_pipeline_modules = True
    return bool(connection.is_pipelining_enabled())


def tell_skew(at_least: float, at_most: float) -> float:
    """Return by how many seconds the host's clock is surely ahead, negative where it is behind; 0 if neither is sure.

    C(at_least): its clock at the end, less the controller's once the answer had come. C(at_most): its clock at the
    beginning, less the controller's when the question went. What the ways took lies in between, and is no skew.
    """
    return round(max(0.0, at_least) or min(0.0, at_most), 1)


def reached_at(connection: ConnectionBase, remote_addr: str | None) -> str | None:
    """Return the address at which others reach the host as Ansible does; None where that is no address of a network.

    A connection with an option `port` goes to an address and a port (ssh, paramiko, winrm). One without names a
    container, a pod, a folder or an instance, which no other program connects to by that name (podman, docker, kubectl,
    chroot, local), or does not say its port (libssh). An address of the controller's own loopback is a tunnel's end, as
    virtual machines have it: what listens there on another port is not the host.
    """
    if not connection.has_option("port"):
        return None
    return None if is_loopback(remote_addr or "") else remote_addr


def is_loopback(address: str) -> bool:
    """Whether an address means whoever asks there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def on_controller(run: Run) -> Run:
    """Decorate an action's `run`: refuse `delegate_to`, and make a plain failure of ArgumentsError.

    Ansible would run the action on the controller all the same, and show the result as the other host's.
    """

    @functools.wraps(run)
    def guarded(self: ActionBase, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        ActionBase.run(self, tmp, task_vars)
        try:
            if self._task.delegate_to:
                words = "this works on the controller, whatever 'delegate_to' says. Take 'delegate_to' away."
                raise ArgumentsError([words])
            return run(self, tmp, task_vars)
        except ArgumentsError as error:
            return refusal(error)

    return cast("Run", guarded)
