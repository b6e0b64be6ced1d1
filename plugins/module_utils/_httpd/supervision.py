# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Who starts an httpd: systemd, a container, or its own control program alone."""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import (
    PLAIN_ENVIRONMENT,
    HttpdError,
    own_words,
    read,
    run,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.processes import process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES = ("apache2", "httpd")
# Where httpd lies on most hosts.
_USUAL = ("/usr/sbin", "/usr/local/sbin")
# httpd itself, or its control program.
_HTTPD = re.compile(r"(httpd|apache2)([.-].*)?$|apache2?ctl$")


@dataclass(frozen=True)
class Supervision:
    """Who starts httpd: C(systemd) with its unit, C(container) where it is process 1, else C(pid-file).

    C(masked): systemd was told to do nothing with the unit. C(program): what the unit starts in httpd's place, with its
    arguments, and what alone knows httpd's own (SUSE's start_apache2). C(distant): that lies elsewhere than httpd, as a
    control panel's does, so that it may start another one. C(reloads): systemd knows how to reload it.
    C(hangs_up): it does so by SIGHUP, not by SIGUSR1. C(waited_for): process 1 of its container was told to run httpd
    in the foreground, as tini or a script is, and so ends with it.
    """

    kind: str
    unit: str = ""
    enabled: bool | None = None
    masked: bool = False
    program: tuple[str, ...] = ()
    distant: bool = False
    reloads: bool = True
    hangs_up: bool = False
    waited_for: bool = False


def has_systemd() -> bool:
    """Whether systemd is what starts services on this machine."""
    return os.path.isdir("/run/systemd/system")


def supervision(pid: int) -> Supervision:
    if has_systemd():
        match = re.search(r"/([^/\n]+\.service)(?:/|$)", read(f"/proc/{pid}/cgroup"), re.MULTILINE)
        if match:
            shown = _shown(match.group(1), "MainPID", "UnitFileState", "LoadState", "CanReload", "ExecReload")
            if shown.get("MainPID") == str(pid):
                masked, reloads = shown.get("LoadState") == "masked", shown.get("CanReload") != "no"
                hangs_up = sends_hangup(shown.get("ExecReload", ""))
                return Supervision(
                    "systemd", match.group(1), _enabled(shown), masked, reloads=reloads, hangs_up=hangs_up
                )
    return Supervision("container" if pid == 1 else "pid-file", waited_for=pid != 1 and _is_waited_for(pid))


_FOREGROUND = re.compile(r"(^|\0)-D\0?FOREGROUND\0")
# As a word of a command, or of a shell's script: "/usr/sbin/httpd", ${HTTPD:-httpd}, $(which httpd).
_RUNS_HTTPD = re.compile(r"""(?m)(^|[/\s;&"'(`]|:-)(httpd|apache2?|apache2?ctl)(-foreground)?([\s;&"')`}]|$)""")
_COMMENT = re.compile(r"(?m)(^|\s)#.*")
# As a shell fills it in: $HTTPD, ${HTTPD}, ${HTTPD:-httpd}.
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?[-=?+][^{}]*)?\})")
_SCRIPT = 1 << 16  # bytes


def _is_waited_for(pid: int) -> bool:
    """Whether process 1 was told to run httpd, by its command line or by a script that this names, and waits for it.

    Other programs that are process 1 start httpd anew, as they were told by a file of their own.
    """
    if has_systemd() or not _FOREGROUND.search(read(f"/proc/{pid}/cmdline")):
        return False
    stat = process(pid)
    while stat is not None and stat.parent != 1:
        stat = process(stat.parent) if stat.parent else None
    words = read("/proc/1/cmdline").split("\0") if stat else []
    texts = [*words, *map(_read_script, words)]
    return any(map(_RUNS_HTTPD.search, [*texts, *map(_fill_in, texts)]))


def _fill_in(text: str) -> str:
    """A text with the variables of process 1's environment that it names, as a script may take httpd's path from it."""
    pairs = (pair.partition("=") for pair in read("/proc/1/environ").split("\0")) if "$" in text else ()
    environment = {name: value for name, _equals, value in pairs}
    return _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], found[0]), text)


def _read_script(word: str) -> str:
    """What a word of process 1's command line names, where that is a script; without its comments.

    A shell that was given one needs no right to execute it, and looks for it from the folder of process 1.
    """
    paths = filter(os.path.isfile, (os.path.join("/proc/1/cwd", word), shutil.which(word) or ""))
    text = next((read(path) for path in paths if os.path.getsize(path) < _SCRIPT), "")
    return _COMMENT.sub("", text) if text.startswith("#!") else ""


def sends_hangup(command: str) -> bool:
    """Whether a unit's ExecReload=, as systemctl tells it, sends httpd SIGHUP: itself, or by httpd's `restart`."""
    return bool(_HANGUP.search(command.partition("argv[]=")[2]))


_HANGUP = re.compile(r"\bkill\b.*\s-(s\s*|-signal[\s=])?(SIG)?(HUP|1)\b|\brestart\b")


def _enabled(shown: Mapping[str, str]) -> bool | None:
    state = shown.get("UnitFileState", "")
    return {"enabled": True, "disabled": False}.get(state)


def unit_of(binary: str, names: Sequence[str] = NAMES) -> Supervision:
    """The systemd unit of one of these names that would start this binary, asked of systemd."""
    distant = Supervision("pid-file")
    for name in names if has_systemd() else ():
        shown = _shown(f"{name}.service", "LoadState", "ExecStart", "UnitFileState")
        masked = shown.get("LoadState") == "masked"
        program = re.search(r"path=(\S+)", shown.get("ExecStart", "")) if not masked else _hidden_program(name)
        if shown.get("LoadState") not in ("loaded", "masked") or not program:
            continue
        words: list[str] = []
        if not _HTTPD.match(os.path.basename(program.group(1))):
            called = re.search(r"argv\[\]=(.*?) ;", shown.get("ExecStart", ""))
            words = called.group(1).split() if called else [program.group(1)]
        unit = Supervision("systemd", f"{name}.service", _enabled(shown), masked, tuple(words))
        if os.path.dirname(os.path.realpath(program.group(1))) == os.path.dirname(os.path.realpath(binary)):
            return unit
        if words and not masked:
            distant = replace(unit, distant=True)
    return distant


def would_call(supervision: Supervision, binary: str, folder: str) -> tuple[str, list[str], dict[str, str]]:
    """How a unit's own program would call httpd: binary, arguments and environment.

    The program is run in a private world, where what stands in httpd's place tells. C(binary) lies beside what it would
    call, C(folder) is httpd's configuration, which it may write to, seen by nobody. Raises HttpdError where nothing is
    told, or where the program would start httpd with another configuration than the one that lies there now.
    """
    # For units with a program of their own alone, so not compiled for others.
    from ansible_collections.mtls.httpd.plugins.module_utils._machine import private_mounts, sandbox

    told = os.path.join(private_mounts.SCRATCH, "called")
    stub = f'#!/bin/sh\n{{ printf "%s\\0" $# "$0" "$@"; env -0; }} >{told}\n'
    environment = {**PLAIN_ENVIRONMENT, **unit_environment(supervision.unit)[0]}
    # One that it starts instead must not start either, so that it need not be waited for.
    usual = [folder for folder in _USUAL if supervision.distant and os.path.isdir(folder)]
    folders = {os.path.dirname(os.path.realpath(binary)), *map(os.path.realpath, usual)}
    found = (os.path.join(folder, name) for folder in folders for name in os.listdir(folder) if _HTTPD.match(name))
    instead = {path for path in map(os.path.realpath, found) if os.path.isfile(path)}

    def act() -> list[str]:
        for path in instead:
            private_mounts.replace(path, stub.encode())
        before = _read_texts(folder)
        words = run(supervision.program, environment, 30).complaint
        changed = {path for path, _text in before.items() ^ _read_texts(folder).items()}
        return [read(told), min(changed, default=""), words]

    text = changed = words = ""
    try:
        text, changed, words = sandbox.run(sandbox.World(overlays=[folder], sealed=True), act, 60)
    except (private_mounts.Unavailable, TimeoutError, RuntimeError) as error:
        words = str(error)
    if changed or not text:
        reason = f"it would change {changed}" if changed else words or "it does not call httpd"
        raise HttpdError(
            Fault(
                "httpd-odd",
                "",
                f"httpd does not run, and {supervision.program[0]} alone knows the arguments that {supervision.unit} "
                f"starts it with ({reason})",
                f"`systemctl start {supervision.unit}`, then run again",
            )
        )
    count, called, *rest = text.split("\0")
    pairs = (pair.partition("=") for pair in rest[int(count) :] if "=" in pair)
    return called, rest[: int(count)], {key: value for key, _equals, value in pairs}


def _read_texts(folder: str) -> dict[str, str]:
    return {
        os.path.join(root, name): read(os.path.join(root, name))
        for root, _dirs, names in os.walk(folder)
        for name in names
    }


def _hidden_program(name: str) -> re.Match[str] | None:
    """What a masked unit would start: systemd does not tell, the file that is hidden does."""
    texts = (read(f"{folder}/systemd/system/{name}.service") for folder in ("/usr/local/lib", "/usr/lib", "/lib"))
    return next(filter(None, (re.search(r"^ExecStart=[-@:+!]*(\S+)", text, re.MULTILINE) for text in texts)), None)


def unit_of_instance(config: str) -> Supervision:
    """The systemd unit of Debian's that would start the instance with this main file: apache2@two for apache2-two."""
    folder = os.path.dirname(config)
    name, _dash, suffix = os.path.basename(folder).partition("-")
    if has_systemd() and os.path.basename(config) == "apache2.conf":
        unit = f"{name}@{suffix}.service" if suffix else f"{name}.service"
        shown = _shown(unit, "LoadState", "Environment", "UnitFileState")
        told = f"APACHE_CONFDIR={folder}" in shlex.split(shown.get("Environment", ""))
        if shown.get("LoadState") == "loaded" and (told or folder == "/etc/apache2"):
            return Supervision("systemd", unit, _enabled(shown))
    return Supervision("pid-file")


def unit_environment(unit: str) -> tuple[dict[str, str], list[str]]:
    """What a unit's environment says to httpd, and the words that the unit puts behind the binary.

    Of a control program these are the OPTIONS alone, which it takes from there.
    """
    shown = _shown(unit, "Environment", "EnvironmentFiles", "ExecStart")
    pairs = shlex.split(shown.get("Environment", ""))
    for path in re.findall(r"(/\S+) \(ignore_errors", shown.get("EnvironmentFiles", "")):
        for each in glob.glob(path):
            pairs += [line for line in read(each).splitlines() if re.match(r"\w+=", line)]
    environment = {}
    for pair in pairs:
        key, _equals, value = pair.partition("=")
        environment[key] = " ".join(shlex.split(value))
    called = re.search(r"argv\[\]=(\S+)(.*?) ;", shown.get("ExecStart", ""))
    if not called or not _HTTPD.match(os.path.basename(called.group(1))) or called.group(1).endswith("ctl"):
        return environment, shlex.split(environment.get("OPTIONS", ""))
    words: list[str] = []
    for word in called.group(2).split():
        # As systemd.service(5) has it: $NAME alone is as many words as it holds, ${NAME} is a part of one.
        alone = re.match(r"\$(\w+)$", word)
        words += shlex.split(environment.get(alone.group(1), "")) if alone else [_filled(word, environment)]
    return environment, words


def network_of(unit: str) -> tuple[str, bool]:
    """The network that a unit gives its service: the path of one, and whether it gives one of the service's own."""
    shown = _shown(unit, "NetworkNamespacePath", "PrivateNetwork")
    return shown.get("NetworkNamespacePath", ""), shown.get("PrivateNetwork") == "yes"


def list_socket_units(unit: str) -> list[str]:
    """The units that listen in the place of a service, and start it (systemd.socket(5))."""
    return [each for each in _shown(unit, "TriggeredBy").get("TriggeredBy", "").split() if each.endswith(".socket")]


def _filled(word: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: environment.get(found.group(1), ""), word)


def _shown(unit: str, *properties: str) -> dict[str, str]:
    words = ["systemctl", "show", unit] + [f"--property={each}" for each in properties]
    output = run(words, PLAIN_ENVIRONMENT, 10).output
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


# What systemd tells of every job, and what it does after the failure.
_NARRATION = re.compile(
    r'^(Start|Stopp|Reload)(ing|ed) |^See "systemctl|: (Killing process|Scheduled restart job|Deactivated successfully)'
)


def systemctl(verb: str, unit: str, *, timeout: float = 120, check: bool = True) -> None:
    begun = time.time()
    outcome = run(["systemctl", verb, unit], PLAIN_ENVIRONMENT, timeout)
    if check and outcome.code != 0:
        words = ["journalctl", "--unit", unit, f"--since=@{begun:.3f}", "--output", "cat", "--no-pager"]
        journal = run(words, PLAIN_ENVIRONMENT, 10).output.splitlines()
        told = [line for line in outcome.errors.splitlines() + journal if not _NARRATION.search(line)]
        said = f"`systemctl {verb} {unit}` failed: {own_words(told).rstrip('.')}"
        raise HttpdError(Fault("service-refuses", "", said, ""))
