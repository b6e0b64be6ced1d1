# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The dialogue with an httpd on this machine.

It is asked, and commanded, through its own binary, /proc and its service manager.
"""

from __future__ import annotations

import ctypes
import glob
import os
import re
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import complaints
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, parsed, read_listens
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.parents import (
    Built,
    Parent,
    ask_build,
    call_of,
    end_orphans,
    is_httpd,
    parent_of,
    running_parents,
)
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import Supervision, supervision, systemctl
from ansible_collections.mtls.httpd.plugins.module_utils._machine import programs, seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import (
    HttpdError,
    Outcome,
    own_words,
    read,
    run,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.processes import (
    blocks,
    inodes,
    listening,
    process,
    processes,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Defined in our host-level file's <IfDefine>: `httpd -D MTLS_HTTPD_OFF` is the server without us.
OFF = "MTLS_HTTPD_OFF"

RELOAD_SECONDS = 30.0
_NOT_RUNNING = Fault("not-running", "", "httpd is not running, so it cannot be reloaded", "")
_OF_A_CONTAINER = Fault(
    "service-refuses", "", "httpd was process 1 of its container", "only the container's manager can start it again"
)

_LONG = 1 << 16  # bytes of a file that loads modules


@dataclass
class Server:
    """One httpd on this machine: how it is called, and, where it runs, its parent process."""

    binary: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    parent: Parent | None
    supervision: Supervision
    built: Built
    config: str
    _descriptions: dict[tuple[str, ...], Description] = field(default_factory=dict)
    _module_folders: list[str] = field(default_factory=list)
    lent: tuple[str, ...] = ()  # what describe_without_us had to add: LoadModule lines of our host-level file

    def folder_with(self, ours: str) -> str:
        """The folder of its main file, where what we put there lies by the path C(ours) below it. No link.

        A main file that is a link stays one: what it leads to may lie in a folder that is somebody else's, such as
        another server's, or a checkout that is sent elsewhere. Where httpd reads ours there already, there it stays.
        """
        folder, beyond = os.path.realpath(os.path.dirname(self.config)), os.path.dirname(os.path.realpath(self.config))
        there = os.path.join(beyond, ours)
        if folder != beyond and os.path.exists(there) and not os.path.exists(os.path.join(folder, ours)):
            with suppress(HttpdError):  # Its fault is told where it is met.
                return beyond if there in map(os.path.realpath, self.describe().files) else folder
        return folder

    # -- asking

    def ask(self, *questions: Sequence[str]) -> list[Outcome]:
        """Call the binary as the server was called, with a question's words behind; several are asked at once.

        Nothing that the configuration names is started by it (programs.ask).
        """
        return programs.ask([[self.binary, *self.arguments, *each] for each in questions], self.environment, 60)

    def test(self) -> Outcome:
        """`httpd -t`. Says nothing of keys and certificates."""
        return self.ask(["-t"])[0]

    def test_running(self) -> Outcome | None:
        """`httpd -t` by the program that runs, where another lies at its path by now: an upgrade replaced it.

        A reload has that program load what modules there are now. None where it is the one that lies there.
        """
        exe = f"/proc/{self.parent.pid}/exe" if self.parent is not None and self.running() else ""
        try:
            if not exe or os.path.samefile(exe, self.binary):
                return None
        except OSError:  # It has ended, or may not be looked at.
            return None
        return programs.ask([[exe, *self.arguments, "-t"]], self.environment, 60)[0]

    def describe(self, *, without_us: bool = False) -> Description:
        """The configuration as httpd reads it now, in one call.

        C(without_us): as if the collection had never been here.
        Raises HttpdError with httpd's own words, where the configuration is not sound.
        """
        key = self._words_for(without_us=without_us)
        if key not in self._descriptions:
            self._descriptions[key] = self._described(*self.ask([*key, *self._dumps()]), without_us=without_us)
        return self._descriptions[key]

    def describe_without_us(self, loading: Sequence[str] = ()) -> tuple[Description, Description]:
        """The configuration as if the collection had never been here, as it is, and with mod_ssl loaded before it.

        Of the second the Listen directives alone are told. Both are asked at once. Where the second is not sound, the
        first stands for it. Raises as describe does.
        C(loading): the LoadModule lines of our host-level file. Where the configuration is not sound without them, as
        lines of the operator's lean on these modules, it is read with them behind it, and they are no modules of it.
        """
        if loading:
            try:
                return self._asked_without_us()
            except HttpdError:
                self.lent = tuple(loading)
        return self._asked_without_us()

    def _asked_without_us(self) -> tuple[Description, Description]:
        keys = [self._words_for(without_us=True, with_ssl=with_ssl) for with_ssl in (False, True)]
        if self._seems_to_load_ssl():
            # Where that is so, one question is enough, which is half of the time where there are very many lines.
            self._descriptions[keys[0]] = self._described(*self.ask([*keys[0], *self._dumps()]), without_us=True)
            if "ssl_module" in self._descriptions[keys[0]].modules:
                return self._descriptions[keys[0]], self._descriptions[keys[0]]
        plain, with_ssl = self.ask(*([*key, *self._dumps()] for key in keys))
        self._descriptions[keys[0]] = self._described(plain, without_us=True)
        if with_ssl.code == 0 and complaints.has_loaded_already(with_ssl.errors, "ssl_module"):
            # Another order of modules is all that differs: so many lines need not be read twice.
            return self._descriptions[keys[0]], self._descriptions[keys[0]]
        described = self._descriptions[keys[0]]
        # What mod_ssl brings is a Listen: as many lines as there may be need not be read twice for that.
        return described, replace(
            described, directives=read_listens(with_ssl.output)
        ) if with_ssl.code == 0 else described

    def _seems_to_load_ssl(self) -> bool:
        """Whether a file that may be of the configuration loads mod_ssl: a guess, to be proved by httpd."""
        folder = os.path.dirname(os.path.realpath(self.config))
        folders = [f"{glob.escape(folder)}/*", f"{glob.escape(os.path.dirname(folder))}/conf*"]
        around = [path for each in folders for path in glob.glob(f"{each}/*ssl*")]
        files = [self.config, *(each for each in around if os.path.isfile(each) and os.path.getsize(each) < _LONG)]
        return any("ssl_module" in _loading(read(path)) for path in files)

    def _words_for(self, *, without_us: bool, with_ssl: bool = False) -> tuple[str, ...]:
        # Behind the rest, as our file comes behind it: <IfModule> of the operator's does not see what is lent.
        words = ("-D", OFF, *[word for line in self.lent for word in ("-c", line)]) if without_us else ()
        return (*words, "-C", f'LoadModule ssl_module "{self.module("mod_ssl.so")}"') if with_ssl else words

    def _dumps(self) -> list[str]:
        """The words by which httpd tells its configuration, with mod_info for it, where that is not linked in."""
        dumps = ("DUMP_RUN_CFG", "DUMP_MODULES", "DUMP_INCLUDES", "DUMP_CONFIG")
        words = ["-t", *[word for dump in dumps for word in ("-D", dump)]]
        with suppress(HttpdError):  # The dump tells whether it is there.
            words += ["-c", f'LoadModule info_module "{self.module("mod_info.so")}"']
        return words

    def _described(self, outcome: Outcome, *, without_us: bool) -> Description:
        if outcome.code != 0:
            words = own_words(outcome.errors.splitlines())
            raise HttpdError(Fault("unsound", "", f"the configuration {self.config} is not sound: {words}", ""))
        if "# In file: " not in outcome.output:
            words = f"{self.binary} has no mod_info, by which it would tell its configuration"
            raise HttpdError(Fault("module-missing", "", words, "install it"))
        described = parsed(outcome.output, self.built.root)
        added = {"info_module", *(line.split()[1] for line in self.lent if without_us)}
        added = {
            name
            for name in added
            if f"{name} (static)" not in outcome.output and not complaints.has_loaded_already(outcome.errors, name)
        }
        return replace(described, modules=tuple(name for name in described.modules if name not in added))

    def forget(self) -> None:
        """Drop what was described, as the configuration has changed."""
        self._descriptions.clear()
        self._module_folders.clear()

    def module_folders(self) -> list[str]:
        """Folders that hold modules, looked for once until `forget`.

        Those of the LoadModule lines in the main file, and those that the binary was built with; where there is none,
        those of the files that it includes, or is told to (SUSE's sysconfig).
        """
        if not self._module_folders:
            self._module_folders.extend(self._find_module_folders())
        return self._module_folders

    def _find_module_folders(self) -> list[str]:
        folders = []
        text = read(self.config)
        folders += [os.path.dirname(each) for each in _loaded(text, self._root(text))]
        folders.append(os.path.join(self._root(text), "modules"))
        folders.append(os.path.join(self.built.root, "modules"))
        if self.built.suexec:
            folders.append(os.path.join(os.path.dirname(self.built.suexec), "modules"))
        if not any(map(os.path.isdir, folders)):
            included = re.findall(
                r"^\s+\((?:\*|\d+)\) (/.*)$", self.ask(["-t", "-D", "DUMP_INCLUDES"])[0].output, re.MULTILINE
            )
            folders += [os.path.dirname(each) for path in included for each in _loaded(read(path), self._root(text))]
        return [each for each in dict.fromkeys(folders) if os.path.isdir(each)]

    def module(self, file: str) -> str:
        """Path of the module file C(mod_….so). Raises HttpdError where this httpd has none."""
        for folder in self.module_folders():
            if os.path.exists(os.path.join(folder, file)):
                return os.path.join(folder, file)
        folders = ", ".join(self.module_folders()) or "any folder of modules"
        words = f"{self.binary} has no {file} in {folders}"
        raise HttpdError(Fault("module-missing", "", words, "install the package that brings it"))

    def _root(self, text: str) -> str:
        match = re.search(r'^\s*ServerRoot\s+"?([^"\n]+?)"?\s*$', text, re.MULTILINE | re.IGNORECASE)
        return match.group(1) if match and "${" not in match.group(1) else self.built.root

    # -- the running one

    def running(self) -> bool:
        return self.parent is not None and started(self.parent.pid) == self.parent.started

    def workers(self) -> set[tuple[int, int]]:
        """The children of the parent, each with its start time: a new generation is told from the old by it.

        Process 1 of a container takes in orphans of every kind.
        """
        if self.parent is None:
            return set()
        found = set()
        for pid, stat in processes():
            if stat.parent == self.parent.pid and is_httpd(pid, stat):
                found.add((pid, stat.started))
        return found

    def sockets(self) -> set[tuple[str, int]]:
        """Addresses and ports that the running parent listens on."""
        if self.parent is None:
            return set()
        own = inodes(self.parent.pid)
        return {(address, port) for address, port, inode in listening() if inode in own}

    def loaded(self) -> set[str]:
        """The modules that the running parent has loaded from files, by these, such as C(http2_module)."""
        maps = read(f"/proc/{self.parent.pid}/maps") if self.parent else ""
        return {f"{name}_module" for name in re.findall(r"/mod_(\w+)\.so", maps)}

    def mpm(self) -> str:
        """The module of processing that the running parent has loaded, as C(mpm_event_module); empty if linked in."""
        return next((name for name in self.loaded() if name.startswith("mpm_")), "")

    def refresh(self) -> None:
        """Find the parent process again, after a start or a restart."""
        if self.running():
            return
        found = [pid for pid, exe in running_parents() if self._is_called_so(pid, exe)]
        self.parent = parent_of(found[0]) if found else None
        if self.parent is not None and self.supervision.kind != "systemd":
            self.supervision = supervision(self.parent.pid)

    def join(self) -> None:
        """Go on in the network of the running one: where its unit gives it one, this is where it listens.

        But for one that is given sockets: systemd opened them in our network. Raises HttpdError where that cannot be.
        """
        if self.parent is None or not self.running() or self.sockets():
            return
        reason = seclusion.enter_network(self.parent.pid)
        if reason:
            words = f"httpd (process {self.parent.pid}) has a network of its own, which cannot be entered ({reason})"
            raise HttpdError(Fault("secluded", "", words, "run with become, as root"))

    def _is_called_so(self, pid: int, exe: str) -> bool:
        """Whether a parent process is one of this httpd: of its binary, called with its configuration."""
        call = call_of(pid) if os.path.realpath(exe) == os.path.realpath(self.binary) else None
        if call is None:
            return False
        try:
            _said, config = ask_build(exe, *call)
        except HttpdError:
            return False
        return os.path.realpath(config) == os.path.realpath(self.config)

    # -- commanding

    def reload(self) -> None:
        """Reload gracefully, through the service manager where there is one. Returns at once; workers change later.

        By a signal where the unit has no ExecReload=, as one's own for a build of httpd's source often has none. Never
        by `httpd -k graceful`, which starts a server that was stopped. Raises HttpdError with the manager's words.
        """
        if not self.running() or self.parent is None:
            raise HttpdError(_NOT_RUNNING)
        if self.supervision.kind == "systemd" and self.supervision.reloads:
            systemctl("reload", self.supervision.unit, timeout=RELOAD_SECONDS)
        else:
            self.signal()

    def reload_signal(self) -> signal.Signals:
        """The signal that a reload sends to httpd, by whatever way."""
        hangs_up = self.supervision.kind == "systemd" and self.supervision.hangs_up
        return signal.SIGHUP if hangs_up else signal.SIGUSR1

    def signal(self) -> None:
        """Reload gracefully without the service manager (httpd's "Stopping and Restarting": USR1).

        By what its unit sends where httpd was started with that signal blocked, so that it would never come to it.
        """
        if not self.running() or self.parent is None:
            raise HttpdError(_NOT_RUNNING)
        is_blocked = blocks(self.parent.pid, signal.SIGUSR1)
        os.kill(self.parent.pid, self.reload_signal() if is_blocked else signal.SIGUSR1)

    def start(self) -> None:
        """Start httpd, through the service manager where there is one, and find its parent.

        Raises HttpdError with its own words.
        """
        if self.supervision.kind == "systemd":
            systemctl("reset-failed", self.supervision.unit, check=False)
            systemctl("start", self.supervision.unit)
        elif self.supervision.kind == "container":
            raise HttpdError(_OF_A_CONTAINER)
        else:
            dead = self.parent
            if self._restarted():
                return
            if dead is not None:
                end_orphans(dead)
            arguments = [word for word in self._words() if word != ("-D", "FOREGROUND")]
            self._without_stale_pid_file()
            words = [self.binary, *[part for word in arguments for part in word], "-k", "start"]
            outcome = run(words, self.environment, 60)
            if outcome.code != 0:
                raise HttpdError(Fault("unsound", "", f"httpd does not start: {outcome.complaint}", ""))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.refresh()
            if self.running() and (self.sockets() or self.workers()):
                return
            time.sleep(0.02)
        raise HttpdError(
            Fault("not-running", "", "httpd was started, but no process of it is there after 10 seconds", "")
        )

    def _without_stale_pid_file(self) -> None:
        """Remove a PidFile that names a zombie, or a process that is no httpd: `-k start` would do nothing."""
        path = self.describe().pid_file
        number = read(path).strip()
        stat = process(int(number)) if number.isdigit() else None
        if stat is not None and (stat.state in "ZX" or not is_httpd(int(number), stat)):
            os.unlink(path)

    def _words(self) -> list[tuple[str, str]]:
        """The arguments, each with its value."""
        return list(zip(self.arguments[::2], self.arguments[1::2]))

    def _restarted(self) -> bool:
        """Whether one that ran in the foreground was started again by whoever watches it, within five seconds."""
        deadline = time.monotonic() + 5
        while ("-D", "FOREGROUND") in self._words() and time.monotonic() < deadline:
            self.refresh()
            if self.running() and self.workers():
                return True
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        """Stop httpd, as it was found stopped before a run that failed."""
        if not self.running() or self.parent is None:
            return
        if self.supervision.kind == "systemd":
            systemctl("stop", self.supervision.unit)
        else:
            os.kill(self.parent.pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.parent = None

    def enable(self) -> bool:
        """Have the service manager start httpd at boot. Returns whether that was a change."""
        if self.supervision.kind != "systemd" or self.supervision.enabled is not False:
            return False
        systemctl("enable", self.supervision.unit)
        self.supervision = replace(self.supervision, enabled=True)
        return True

    def control_program(self) -> str:
        """Path of apachectl beside the binary, or on the path; empty where there is none."""
        folder = os.path.dirname(self.binary)
        for name in ("apachectl", "apache2ctl"):
            for each in (os.path.join(folder, name), shutil.which(name) or ""):
                if each and os.access(each, os.X_OK):
                    return each
        return ""

    def openssl(self) -> str:
        """The version of the OpenSSL that mod_ssl is linked with; empty where there is no mod_ssl."""
        linked = read(f"/proc/{self.parent.pid}/maps") if self.parent else ""
        match = re.search(r"(/\S*libcrypto\S*)", linked)
        if not match:
            try:
                linked = run(["ldd", self.module("mod_ssl.so")], self.environment, 10).output
            except HttpdError:
                return ""
            match = re.search(r"=> (\S*libcrypto\S*)", linked)
        if not match:
            return ""
        version = ctypes.CDLL(match.group(1)).OpenSSL_version
        version.restype = ctypes.c_char_p
        return str(version(0).decode())


def _loading(text: str) -> list[str]:
    """The names of the modules that are loaded by lines of C(text)."""
    return re.findall(r"^\s*LoadModule\s+(\S+)", text, re.MULTILINE | re.IGNORECASE)


def _loaded(text: str, root: str) -> list[str]:
    """The paths of the LoadModule lines in C(text)."""
    found = re.findall(r'^\s*LoadModule\s+\S+\s+"?([^"\n]+?)"?\s*$', text, re.MULTILINE | re.IGNORECASE)
    return [os.path.join(root, each) for each in found]
