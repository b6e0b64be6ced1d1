# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One call of the target: the payload of the module C(transaction) or C(site_info) in, what it is to tell out."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.mtls.httpd.plugins.module_utils._machine import processes
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import OperatorError, list_faults
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import unpacked


@dataclass(frozen=True)
class Answer:
    """What the module is to tell: its result, of a failure where it failed, and its warnings."""

    failed: bool
    result: dict[str, Any]
    warnings: tuple[str, ...]


def answer(payload: str, *, check: bool) -> Answer:
    """Carry out what a payload asks for. C(check): change nothing."""
    # Not for a look, so not compiled in it.
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction import run

    warnings: tuple[str, ...] = ()
    try:
        request = unpacked(payload)
        recording = processes.recording() if request.holds_keys else ""
        if recording:
            words = f"sudo on this host records what it is sent, and so the private keys, in {recording}: remove that "
            way = "file, and take log_input and log_stdin out of its sudoers for this user, or connect as root."
            warnings = (words + way,)
        report = asdict(run.carry_out(request, check=check))
        return Answer(False, {**report, "clock": time.time()}, warnings)
    except OperatorError as error:
        return Answer(True, {"msg": str(error), "faults": list_faults(error.faults)}, warnings)


def look(payload: str, *, rehearse: bool) -> Answer:
    """Look at the host, and change nothing. C(rehearse): whether today's configuration is rehearsed."""
    # Not for a run, so not compiled in it.
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.status import tell_status

    try:
        return Answer(False, tell_status(unpacked(payload), rehearse=rehearse), ())
    except OperatorError as error:
        return Answer(True, {"msg": str(error), "faults": list_faults(error.faults)}, ())
