# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The dialogue with an httpd on this machine.

It is asked, and commanded, through its own binary, /proc and its service manager.

No table of distributions stands here. Where an httpd runs, its process tells how it was called; where none runs, the
usual names are looked for, and the binary tells the rest.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._description import Description, parsed
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import (
    PLAIN_ENVIRONMENT,
    HttpdError,
    Outcome,
    own_words,
    read,
    run,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine.processes import (
    inodes,
    listening,
    process,
    processes,
    started,
    uids,
)
from ansible_collections.mtls.httpd.plugins.module_utils._supervision import (
    NAMES,
    Supervision,
    supervision,
    systemctl,
    unit_environment,
    unit_of,
    unit_of_instance,
    would_call,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Defined in our host-level file's <IfDefine>: `httpd -D MTLS_HTTPD_OFF` is the server without us.
OFF = "MTLS_HTTPD_OFF"
# Defined in a rehearsal alone, where nothing outside is reached.
REHEARSAL = "MTLS_HTTPD_REHEARSAL"

_NAME = re.compile(r"(httpd|apache2)([.-].*)?$")
_FOLDERS = ("/usr/local/apache2/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PATH_MAX = 4096  # of Linux
# What a service manager hands to its child alone.
_PRIVATE_ENVIRONMENT = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC")
RELOAD_SECONDS = 30.0


@dataclass(frozen=True)
class Parent:
    """httpd's parent process.

    Its number, and when it started (clock ticks since boot), so that a reused number is told apart. Its process group,
    by which what it leaves behind is known.
    """

    pid: int
    started: int
    group: int


@dataclass(frozen=True)
class Built:
    """What `httpd -V` says."""

    version: str
    root: str
    config: str
    suexec: str


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

    # -- asking

    def run(self, *extra: str, timeout: float = 60) -> Outcome:
        """Call the binary as the server was called, with C(extra) behind. C(timeout) in seconds."""
        return run([self.binary, *self.arguments, *extra], self.environment, timeout)

    def test(self) -> Outcome:
        """`httpd -t`. Says nothing of keys and certificates."""
        return self.run("-t")

    def describe(self, *, without_us: bool = False, with_ssl: bool = False) -> Description:
        """The configuration as httpd reads it now, in one call.

        C(without_us): as if the collection had never been here. C(with_ssl): as if mod_ssl had been loaded before
        everything else.
        Raises HttpdError with httpd's own words, where the configuration is not sound.
        """
        extra = ["-D", OFF] if without_us else []
        if with_ssl:
            extra += ["-C", f'LoadModule ssl_module "{self.module("mod_ssl.so")}"']
        key = tuple(extra)
        if key in self._descriptions:
            return self._descriptions[key]
        with suppress(HttpdError):  # It may be linked in; the dump tells whether it is there.
            extra += ["-c", f'LoadModule info_module "{self.module("mod_info.so")}"']
        dumps = ("DUMP_RUN_CFG", "DUMP_MODULES", "DUMP_INCLUDES", "DUMP_CONFIG")
        outcome = self.run(*extra, "-t", *[word for dump in dumps for word in ("-D", dump)])
        if outcome.code != 0:
            raise HttpdError(f"the configuration {self.config} is not sound: {own_words(outcome.errors.splitlines())}")
        if "# In file: " not in outcome.output:
            raise HttpdError(f"{self.binary} has no mod_info, by which it would tell its configuration: install it")
        described = parsed(outcome.output, self.built.root)
        if "-c" in extra and "info_module is already loaded" not in outcome.errors:
            described = replace(described, modules=tuple(name for name in described.modules if name != "info_module"))
        self._descriptions[key] = described
        return described

    def describe_without_us(self) -> tuple[Description, Description]:
        """The configuration as if the collection had never been here, as it is, and with mod_ssl loaded before it.

        Both are asked at once. Where the second is not sound, the first stands for it. Raises as describe does.
        """
        with ThreadPoolExecutor(2) as pool:
            plain = pool.submit(self.describe, without_us=True)
            with_ssl = pool.submit(self.describe, without_us=True, with_ssl=True)
            try:
                return plain.result(), with_ssl.result()
            except HttpdError:
                return plain.result(), plain.result()

    def forget(self) -> None:
        """Drop what was described, as the configuration has changed."""
        self._descriptions.clear()

    def module_folders(self) -> list[str]:
        """Folders that hold modules.

        Those of the LoadModule lines in the main file, and those that the binary was built with; where there is none,
        those of the files that it includes, or is told to (SUSE's sysconfig).
        """
        folders = []
        text = read(self.config)
        folders += [os.path.dirname(each) for each in _loaded(text, self._root(text))]
        folders.append(os.path.join(self._root(text), "modules"))
        folders.append(os.path.join(self.built.root, "modules"))
        if self.built.suexec:
            folders.append(os.path.join(os.path.dirname(self.built.suexec), "modules"))
        if not any(map(os.path.isdir, folders)):
            included = re.findall(
                r"^\s+\((?:\*|\d+)\) (/.*)$", self.run("-t", "-D", "DUMP_INCLUDES").output, re.MULTILINE
            )
            folders += [os.path.dirname(each) for path in included for each in _loaded(read(path), self._root(text))]
        return [each for each in dict.fromkeys(folders) if os.path.isdir(each)]

    def module(self, file: str) -> str:
        """Path of the module file C(mod_….so). Raises HttpdError where this httpd has none."""
        for folder in self.module_folders():
            if os.path.exists(os.path.join(folder, file)):
                return os.path.join(folder, file)
        raise HttpdError(
            f"{self.binary} has no {file} in "
            f"{', '.join(self.module_folders()) or 'any folder of modules'}: install the package that "
            "brings it"
        )

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
            if stat.parent == self.parent.pid and _NAME.match(stat.name):
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
        self.parent = _parent(found[0]) if found else None
        if self.parent is not None and self.supervision.kind != "systemd":
            self.supervision = supervision(self.parent.pid)

    def _is_called_so(self, pid: int, exe: str) -> bool:
        """Whether a parent process is one of this httpd: of its binary, called with its configuration."""
        call = _call(pid) if os.path.realpath(exe) == os.path.realpath(self.binary) else None
        if call is None:
            return False
        try:
            _said, config = _built(exe, *call)
        except HttpdError:
            return False
        return os.path.realpath(config) == os.path.realpath(self.config)

    # -- commanding

    def reload(self) -> None:
        """Reload gracefully, through the service manager where there is one. Returns at once; workers change later.

        Never by `httpd -k graceful`, which starts a server that was stopped. Raises HttpdError with the manager's
        words.
        """
        if not self.running() or self.parent is None:
            raise HttpdError("httpd is not running, so it cannot be reloaded")
        if self.supervision.kind == "systemd":
            systemctl("reload", self.supervision.unit, timeout=RELOAD_SECONDS)
        else:
            self.signal()

    def signal(self) -> None:
        """Reload gracefully without the service manager (httpd's "Stopping and Restarting": USR1)."""
        if not self.running() or self.parent is None:
            raise HttpdError("httpd is not running, so it cannot be reloaded")
        os.kill(self.parent.pid, signal.SIGUSR1)

    def start(self) -> None:
        """Start httpd, through the service manager where there is one, and find its parent.

        Raises HttpdError with its own words.
        """
        if self.supervision.kind == "systemd":
            systemctl("reset-failed", self.supervision.unit, check=False)
            systemctl("start", self.supervision.unit)
        elif self.supervision.kind == "container":
            raise HttpdError("httpd was process 1 of its container: only the container's manager can start it again")
        else:
            dead = self.parent
            if self._restarted():
                return
            if dead is not None:
                _end_orphans(dead)
            arguments = [word for word in self._words() if word != ("-D", "FOREGROUND")]
            self._without_stale_pid_file()
            words = [self.binary, *[part for word in arguments for part in word], "-k", "start"]
            outcome = run(words, self.environment, 60)
            if outcome.code != 0:
                raise HttpdError(f"httpd does not start: {outcome.words}")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.refresh()
            if self.running() and (self.sockets() or self.workers()):
                return
            time.sleep(0.02)
        raise HttpdError("httpd was started, but no process of it is there after 10 seconds")

    def _without_stale_pid_file(self) -> None:
        """Remove a PidFile that names a zombie, or a process that is no httpd: `-k start` would do nothing."""
        path = self.describe().pid_file
        number = read(path).strip()
        stat = process(int(number)) if number.isdigit() else None
        if stat is not None and (stat.state in "ZX" or not _NAME.match(stat.name)):
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


# -- finding


def find(binary: str | None = None, config: str | None = None) -> Server | None:
    """The httpd to deal with: the running one, else one that is installed, else None.

    C(binary) and C(config), paths, say which. Raises HttpdError where several run and neither says which, or where what
    they name is not there.
    """
    for name, path in (("httpd_binary", binary), ("httpd_config", config)):
        # Not shown, as it may be anything.
        if path is not None and not (path.startswith("/") and path.isprintable() and len(path) < _PATH_MAX):
            raise HttpdError(f"{name}: what is given is not an absolute path, of printable characters, on this host")
    if binary is not None and not os.access(binary, os.X_OK):
        raise HttpdError(f"httpd_binary: {binary} is not an executable file on this host")
    if binary is not None:
        _trusted("httpd_binary: ", binary)
    if config is not None and not os.path.isfile(config):
        raise HttpdError(f"httpd_config: {config} is not a file on this host, or this user may not see it")
    servers = []
    for pid, exe in running_parents():
        server = _of_process(pid, exe)
        if server is not None and _wanted(server, binary, config):
            servers.append(server)
    if len(servers) > 1:
        told = ", ".join(f"{each.binary} with {each.config}" for each in servers)
        raise HttpdError(f"several httpd run here ({told}): say which by httpd_binary and httpd_config")
    if servers:
        return servers[0]
    candidates = [binary] if binary else [os.path.join(folder, name) for folder in _FOLDERS for name in NAMES]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return _of_binary(candidate, config)
    return None


def _trusted(name: str, path: str) -> None:
    """See that nobody but root or this user could change what we are about to run. Raises HttpdError."""
    try:
        trusted_paths.followed(path)
    except trusted_paths.Untrusted as reason:
        raise HttpdError(f"{name}{reason}") from None


def running_parents() -> list[tuple[int, str]]:
    """Process number and binary of each httpd parent of our own user, root folder and process namespace.

    Another user's process is none, whatever it is named: what it names would be run with our rights.
    """
    table = dict(processes())
    with_children = {stat.parent for stat in table.values() if _NAME.match(stat.name)}
    found = {}
    for pid, stat in table.items():
        if not _NAME.match(stat.name) or stat.state == "Z" or uids(pid) != {os.geteuid()}:
            continue
        # Workers outlive a parent that was killed, in its process group. They are no parent, although they have none. A
        # parent that a script left in the foreground has lost the leader of its group too, but has workers.
        if stat.group not in table and pid not in with_children:
            continue
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
            # A service may have mounts of its own (PrivateTmp=); one in a container has another root.
            ours = os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid") and os.path.samefile(
                f"/proc/{pid}/root", "/"
            )
        except OSError:
            continue
        exe = exe.removesuffix(" (deleted)")
        if ours and _NAME.match(os.path.basename(exe)):
            found[pid] = exe
    return [(pid, exe) for pid, exe in sorted(found.items()) if found.get(table[pid].parent) != exe]


def _end_orphans(parent: Parent) -> None:
    """End the workers that a dead parent left behind, as they hold its ports."""
    if started(parent.pid) == parent.started:
        return
    for pid in _orphans(parent.group):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _orphans(parent.group) and time.monotonic() < deadline:
        time.sleep(0.01)


def _orphans(group: int) -> list[int]:
    """The workers of a process group that no httpd is the parent of. Another httpd may be in the same group."""
    table = {pid: stat for pid, stat in processes() if _NAME.match(stat.name)}
    with_children = {stat.parent for stat in table.values()}
    return [
        pid
        for pid, stat in table.items()
        if stat.group == group and stat.state != "Z" and stat.parent not in table and pid not in with_children
    ]


def _parent(pid: int) -> Parent | None:
    stat = process(pid)
    return None if stat is None else Parent(pid, stat.started, stat.group)


def _wanted(server: Server, binary: str | None, config: str | None) -> bool:
    if binary is not None and os.path.realpath(binary) != os.path.realpath(server.binary):
        return False
    return config is None or os.path.realpath(config) == os.path.realpath(server.config)


def _call(pid: int) -> tuple[tuple[str, ...], Mapping[str, str]] | None:
    """Arguments and environment by which a serving parent was called; None for one that is gone, or does not serve."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = [word.decode("utf-8", "surrogateescape") for word in stream.read().split(b"\0")[:-1]]
        with open(f"/proc/{pid}/environ", "rb") as stream:
            pairs = [
                pair.decode("utf-8", "surrogateescape").partition("=")
                for pair in stream.read().split(b"\0")
                if b"=" in pair
            ]
    except OSError:
        return None
    if not _serves(pid, words[1:]):
        return None
    return _arguments(words[1:]), {key: value for key, _equals, value in pairs if key not in _PRIVATE_ENVIRONMENT}


def _of_process(pid: int, exe: str) -> Server | None:
    call = _call(pid)
    parent = _parent(pid)
    if call is None or parent is None:
        return None
    try:
        return _server(exe, *call, parent, supervision(pid))
    except HttpdError:
        return None


def _of_binary(binary: str, config: str | None) -> Server:
    arguments: tuple[str, ...] = ("-f", config) if config else ()
    supervision = unit_of(binary) if config is None else unit_of_instance(config)
    environment = dict(PLAIN_ENVIRONMENT)
    if config is not None and os.path.isfile(os.path.join(os.path.dirname(config), "envvars")):
        # As Debian's apache2ctl calls an instance of its own folder.
        environment["APACHE_CONFDIR"] = os.path.dirname(config)
        arguments = ("-d", os.path.dirname(config), *arguments)
    if supervision.unit:
        more, options = unit_environment(supervision.unit)
        environment.update(more)
        arguments += _arguments(shlex.split(options))
    server = _server(binary, arguments, environment, None, supervision)
    if supervision.program:
        binary, words, environment = would_call(supervision, binary, os.path.dirname(server.config))
        return _server(binary, _arguments(words), environment, None, supervision)
    for folder in dict.fromkeys((os.path.dirname(server.config), os.path.dirname(binary))):
        envvars = os.path.join(folder, "envvars")
        if os.path.isfile(envvars):
            _trusted("", envvars)
            # The control program reads it the same way before it calls httpd.
            outcome = run(["/bin/sh", "-c", '. "$0" >/dev/null && exec env -0', envvars], environment, 10)
            if outcome.code == 0:
                environment = dict(pair.split("=", 1) for pair in outcome.output.split("\0") if "=" in pair)
                return _server(binary, arguments, environment, None, supervision)
    return server


def _server(
    binary: str,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    parent: Parent | None,
    supervision: Supervision,
) -> Server:
    built, config = _built(binary, arguments, environment)
    return Server(binary, arguments, environment, parent, supervision, built, config)


def _built(binary: str, arguments: tuple[str, ...], environment: Mapping[str, str]) -> tuple[Built, str]:
    """What a binary says of itself, and the configuration that it reads when called so. Raises HttpdError."""
    # The quickest way to ask: it would read the whole configuration otherwise.
    outcome = run([binary, "-f", os.devnull, "-V"], environment, 10)
    if "Server version" not in outcome.output:
        raise HttpdError(f"{binary} does not answer `-V` as httpd does: {outcome.words}")

    def said(pattern: str) -> str:
        match = re.search(pattern, outcome.output, re.MULTILINE)
        return match.group(1) if match else ""

    root = _option(arguments, "-d") or said(r'HTTPD_ROOT="([^"]*)"')
    built = Built(
        version=said(r"Server version: \S+?/(\S+)"),
        root=root,
        config=said(r'SERVER_CONFIG_FILE="([^"]*)"'),
        suexec=said(r'SUEXEC_BIN="([^"]*)"'),
    )
    return built, os.path.normpath(os.path.join(root, _option(arguments, "-f") or built.config))


def _option(arguments: Sequence[str], letter: str) -> str:
    values = [value for flag, value in zip(arguments, arguments[1:]) if flag == letter]
    return values[-1] if values else ""


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options of a server's command line, by letter, each with its value if it is one that has a value."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        letters = word[1:] if word.startswith("-") else ""
        while letters:
            letter, letters = letters[0], letters[1:]
            value = ""
            if letter in "dfDCcekE":  # the rest of the word, or the next one
                value, letters = letters or (rest.pop(0) if rest else ""), ""
            yield letter, value


def _arguments(words: Sequence[str]) -> tuple[str, ...]:
    """What of a server's command line says which configuration it reads.

    -d, -f, -D, -C, -c, each apart from its value.
    """
    return tuple(part for letter, value in _options(words) if letter in "dfDCc" for part in (f"-{letter}", value))


def _serves(pid: int, words: Sequence[str]) -> bool:
    """Whether a httpd that was called so serves: it does not just ask (-t, -S), command (-k stop), or rehearse."""
    options = set(_options(words))
    commands = {value for letter, value in options if letter == "k"}
    if {letter for letter, _value in options} & set("tSMvVlLh?") or ("D", REHEARSAL) in options:
        return False
    if commands & {"restart", "graceful"}:
        # httpd sends a signal, or starts where none runs.
        return not inodes(pid).isdisjoint(inode for _address, _port, inode in listening())
    return commands.isdisjoint({"stop", "graceful-stop"})


def _loaded(text: str, root: str) -> list[str]:
    """The paths of the LoadModule lines in C(text)."""
    found = re.findall(r'^\s*LoadModule\s+\S+\s+"?([^"\n]+?)"?\s*$', text, re.MULTILINE | re.IGNORECASE)
    return [os.path.join(root, each) for each in found]
