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
import fnmatch
import glob
import ipaddress
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# Defined in our host-level file's <IfDefine>: `httpd -D MTLS_HTTPD_OFF` is the server without us.
OFF = "MTLS_HTTPD_OFF"

_NAME = re.compile(r"(httpd|apache2)([.-].*)?$")
_FOLDERS = ("/usr/local/apache2/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_NAMES = ("apache2", "httpd")
# What a service manager hands to its child alone.
_PRIVATE_ENVIRONMENT = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC")
RELOAD_SECONDS = 30.0
_PLAIN_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


class HttpdError(Exception):
    """httpd, or the machine, cannot do what is needed. One line, for an operator."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, and what it said on both streams."""

    code: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """Httpd's own words in one line, without its remarks about names and its timestamps."""
        lines = [line.strip() for line in (self.errors + "\n" + self.output).splitlines()]
        return own_words(lines)


# Remarks that accompany every start, what our own probes cause, and levels below a warning.
_NOISE = re.compile(
    r"AH00558|AH00557|AH01906|AH01909|AH00112|AH01873|AH02039|AH02008|AH02261|did not return a certificate"
    r"|:(notice|info|debug)\]|^(Action|The Apache error log)|Syntax OK"
)


def own_words(lines: Iterable[str]) -> str:
    """The lines of a console or error log that say what is wrong, in one line of at most 1,200 characters."""
    plain = (re.sub(r"^\[[^\]]*\d{4}\] |\[pid [^\]]*\] ", "", line.strip()) for line in lines)
    said = dict.fromkeys(line for line in plain if line and not _NOISE.search(line))
    return "; ".join(said).replace(":; ", ": ")[:1200]


class Logs:
    """What is written to log files from now on."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._sizes = {path: self._size(path) for path in paths}

    def lines(self) -> list[str]:
        """The new lines, of at most 64 KiB a file."""
        found = []
        for path, size in self._sizes.items():
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                stream.seek(size)
                found += stream.read(65536).splitlines()
        return found

    def words(self) -> str:
        return own_words(self.lines())

    @staticmethod
    def _size(path: str) -> int:
        with suppress(OSError):
            return os.path.getsize(path)
        return 0


@dataclass(frozen=True)
class Directive:
    """One directive in force: where it stands, and in which sections, outermost first (C(VirtualHost *:443)).

    A section is a directive too, named C(<VirtualHost). C(host) tells the place of the virtual host's section that it
    stands in, empty for the server level.
    """

    name: str
    arguments: str
    file: str
    line: int
    sections: tuple[str, ...]
    host: str

    @property
    def words(self) -> list[str]:
        """The arguments as httpd splits them (ap_getword_conf)."""
        return split(self.arguments)

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def split(arguments: str) -> list[str]:
    words = []
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+)', arguments):
        quoted = match.group(1) if match.group(1) is not None else match.group(2)
        words.append(match.group(3) if quoted is None else re.sub(r'\\(["\'\\])', r"\1", quoted))
    return words


@dataclass(frozen=True)
class VirtualHost:
    """A C(<VirtualHost>) section: its addresses as written, its names, and where it stands."""

    addresses: tuple[str, ...]
    name: str
    aliases: tuple[str, ...]
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def answers(self, domain: str) -> bool:
        """Whether a request for C(domain) would find this host by name (ServerName, ServerAlias with wildcards)."""
        names = [self.name, *self.aliases]
        return any(fnmatch.fnmatchcase(domain.lower(), name.lower()) for name in names if name)

    def ports(self) -> set[str]:
        return {endpoint(address)[1] for address in self.addresses}


def _loaded(text: str, root: str) -> list[str]:
    """The paths of the LoadModule lines in C(text)."""
    found = re.findall(r'^\s*LoadModule\s+\S+\s+"?([^"\n]+?)"?\s*$', text, re.MULTILINE | re.IGNORECASE)
    return [os.path.join(root, each) for each in found]


def endpoint(text: str) -> tuple[str, str]:
    """Split C(address:port) of Listen or <VirtualHost>.

    The address is empty for all addresses, the port C(*) for all ports.
    """
    text = text.strip()
    if text.isdigit():
        return "", text
    if text.startswith("["):
        address, _bracket, port = text[1:].partition("]")
        port = port.lstrip(":") or "*"
    else:
        address, colon, port = text.rpartition(":")
        if not colon:
            address, port = text, "*"
    with suppress(ValueError):
        address = str(ipaddress.ip_address(address))
    return ("" if address in ("*", "_default_", "0.0.0.0", "::") else address), port


def listened(listen: Directive) -> tuple[str, str]:
    """Address and port of a Listen. As `endpoint`, but 0.0.0.0 is not all addresses there: no IPv6 connection comes."""
    address, port = endpoint(listen.words[0])
    return ("0.0.0.0" if listen.words[0].startswith("0.0.0.0") else address), port


def covers(listen: str, address: str) -> bool:
    """Whether who listens on C(listen) is reached at C(address), each as `listened` has it.

    0.0.0.0 stands for all addresses too, as nothing could listen on them beside it.
    """
    return listen in ("", address) or (listen == "0.0.0.0" and ":" not in address)


@dataclass(frozen=True)
class Description:
    """What httpd says of its configuration. Paths are absolute, on this machine.

    files: all that it is read from, each with the line of the main file that leads to it; of the main file itself, 0.
    """

    server_root: str
    pid_file: str
    error_log: str
    runtime_folder: str
    user: str
    group: str
    modules: tuple[str, ...]
    files: Mapping[str, int]
    directives: tuple[Directive, ...]

    @property
    def virtual_hosts(self) -> list[VirtualHost]:
        """In the order of the configuration: the first of an address and port is its default."""
        inside: dict[str, list[Directive]] = {}
        for each in self.directives:
            if each.host:
                inside.setdefault(each.host, []).append(each)
        hosts = []
        for section, *directives in inside.values():
            names = [each.words[0] for each in directives if each.name.lower() == "servername" and each.words]
            aliases = [word for each in directives if each.name.lower() == "serveralias" for word in each.words]
            name = re.sub(r"^\w+://|:\d+$", "", names[-1]) if names else ""
            hosts.append(VirtualHost(tuple(section.words), name, tuple(aliases), section.file, section.line))
        return hosts

    @cached_property
    def proxy_headers(self) -> list[tuple[str, tuple[str, str]]]:
        """Each word of RemoteIPProxyProtocol, C(on) or C(off), with each address and port that it is said for."""
        found = [each for each in self.directives if each.name.lower() == "remoteipproxyprotocol"]
        addresses = {host.place: host.addresses for host in self.virtual_hosts} if found else {}
        return [
            (each.arguments.lower(), endpoint(address))
            for each in found
            for address in (addresses[each.host] if each.host else ("*",))
        ]

    @cached_property
    def proxy_exempt(self) -> list[str]:
        """The networks of RemoteIPProxyProtocolExceptions."""
        name = "remoteipproxyprotocolexceptions"
        return [word for each in self.directives if each.name.lower() == name for word in each.words]

    @property
    def listens(self) -> list[Directive]:
        return [each for each in self.directives if each.name.lower() == "listen" and each.words]

    @property
    def log_folder(self) -> str:
        """Where the first of the server's own logs lies that is a file, else its folder C(logs); empty for neither."""
        kinds = ("errorlog", "customlog", "transferlog", "globallog")
        logs = [self.error_log] + [each.words[0] for each in self.directives if each.name.lower() in kinds]
        paths = [self.path(log) for log in logs if log and not log.startswith(("|", "syslog"))]
        folders = [os.path.dirname(path) for path in paths] + [self.path("logs")]
        plain = [each for each in folders if os.path.isdir(each) and not each.startswith(("/dev", "/proc", "/sys"))]
        return plain[0] if plain else ""

    def path(self, text: str) -> str:
        """C(text) as httpd takes a path: relative to ServerRoot."""
        return os.path.normpath(os.path.join(self.server_root, text))


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
class Supervision:
    """Who starts httpd: C(systemd) with its unit, C(container) where it is process 1, else C(pid-file).

    C(masked): systemd was told to do nothing with the unit.
    """

    kind: str
    unit: str = ""
    enabled: bool | None = None
    masked: bool = False


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
        return _run([self.binary, *self.arguments, *extra], self.environment, timeout)

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
        described = _described(outcome.output, self.built.root)
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

    def mpm(self) -> str:
        """The module of processing that the running parent has loaded, as C(mpm_event_module); empty if linked in."""
        match = re.search(r"/mod_(mpm_\w+)\.so", read(f"/proc/{self.parent.pid}/maps") if self.parent else "")
        return f"{match.group(1)}_module" if match else ""

    def refresh(self) -> None:
        """Find the parent process again, after a start or a restart."""
        found = [each for each in running_parents() if _same(each, self)]
        self.parent = _parent(found[0][0]) if found else None
        if self.parent is not None and self.supervision.kind != "systemd":
            self.supervision = _supervision(self.parent.pid)

    # -- commanding

    def reload(self) -> None:
        """Reload gracefully, through the service manager where there is one. Returns at once; workers change later.

        Never by `httpd -k graceful`, which starts a server that was stopped. Raises HttpdError with the manager's
        words.
        """
        if not self.running() or self.parent is None:
            raise HttpdError("httpd is not running, so it cannot be reloaded")
        if self.supervision.kind == "systemd":
            _systemctl("reload", self.supervision.unit, timeout=RELOAD_SECONDS)
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
            _systemctl("reset-failed", self.supervision.unit, check=False)
            _systemctl("start", self.supervision.unit)
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
            outcome = _run(words, self.environment, 60)
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
        stat = _stat(int(number)) if number.isdigit() else None
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
            _systemctl("stop", self.supervision.unit)
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
        _systemctl("enable", self.supervision.unit)
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
                linked = _run(["ldd", self.module("mod_ssl.so")], self.environment, 10).output
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
    if binary is not None and not os.access(binary, os.X_OK):
        raise HttpdError(f"httpd_binary: {binary} is not an executable file on this host")
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
    candidates = [binary] if binary else [os.path.join(folder, name) for folder in _FOLDERS for name in _NAMES]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return _of_binary(candidate, config)
    return None


def running_parents() -> list[tuple[int, str]]:
    """Process number and binary of each httpd parent of our own user, root folder and process namespace.

    Another user's process is none, whatever it is named: what it names would be run with our rights.
    """
    table = dict(processes())
    with_children = {stat.parent for stat in table.values() if _NAME.match(stat.name)}
    found = {}
    for pid, stat in table.items():
        if not _NAME.match(stat.name) or stat.state == "Z" or _uids(pid) != {os.geteuid()}:
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


def _uids(pid: int) -> set[int]:
    """Real, effective, saved and file system user (proc(5), status)."""
    match = re.search(r"^Uid:((?:\s+\d+){4})", read(f"/proc/{pid}/status"), re.MULTILINE)
    return set(map(int, match.group(1).split())) if match else set()


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
    stat = _stat(pid)
    return None if stat is None else Parent(pid, stat.started, stat.group)


def _wanted(server: Server, binary: str | None, config: str | None) -> bool:
    if binary is not None and os.path.realpath(binary) != os.path.realpath(server.binary):
        return False
    return config is None or os.path.realpath(config) == os.path.realpath(server.config)


def _same(found: tuple[int, str], server: Server) -> bool:
    other = _of_process(*found)
    return other is not None and _wanted(other, server.binary, server.config)


def _of_process(pid: int, exe: str) -> Server | None:
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
    parent = _parent(pid)
    if parent is None:
        return None
    environment = {key: value for key, _equals, value in pairs if key not in _PRIVATE_ENVIRONMENT}
    try:
        return _server(exe, _arguments(words[1:]), environment, parent, _supervision(pid))
    except HttpdError:
        return None


def _of_binary(binary: str, config: str | None) -> Server:
    arguments: tuple[str, ...] = ("-f", config) if config else ()
    supervision = _unit_of(binary) if config is None else _unit_of_instance(config)
    environment = dict(_PLAIN_ENVIRONMENT)
    if config is not None and os.path.isfile(os.path.join(os.path.dirname(config), "envvars")):
        # As Debian's apache2ctl calls an instance of its own folder.
        environment["APACHE_CONFDIR"] = os.path.dirname(config)
        arguments = ("-d", os.path.dirname(config), *arguments)
    if supervision.unit:
        more, options = _unit_environment(supervision.unit)
        environment.update(more)
        arguments += tuple(options)
    server = _server(binary, arguments, environment, None, supervision)
    for folder in dict.fromkeys((os.path.dirname(server.config), os.path.dirname(binary))):
        envvars = os.path.join(folder, "envvars")
        if os.path.isfile(envvars):
            # The control program reads it the same way before it calls httpd.
            outcome = _run(["/bin/sh", "-c", '. "$0" >/dev/null && exec env -0', envvars], environment, 10)
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
    # The quickest way to ask: it would read the whole configuration otherwise.
    outcome = _run([binary, "-f", os.devnull, "-V"], environment, 10)
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
    config = os.path.normpath(os.path.join(root, _option(arguments, "-f") or built.config))
    return Server(binary, arguments, environment, parent, supervision, built, config)


def _option(arguments: Sequence[str], letter: str) -> str:
    values = [value for flag, value in zip(arguments, arguments[1:]) if flag == letter]
    return values[-1] if values else ""


def _arguments(words: Sequence[str]) -> tuple[str, ...]:
    """What of a server's command line says which configuration it reads.

    -d, -f, -D, -C, -c, each apart from its value.
    """
    kept: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if len(word) < 2 or word[0] != "-":
            continue
        if word[1] in "dfDCcekE":
            value = word[2:] or (rest.pop(0) if rest else "")
            if word[1] in "dfDCc":
                kept += [word[:2], value]
    return tuple(kept)


# -- supervision


def _systemd() -> bool:
    return os.path.isdir("/run/systemd/system")


def _supervision(pid: int) -> Supervision:
    if _systemd():
        match = re.search(r"/([^/\n]+\.service)(?:/|$)", read(f"/proc/{pid}/cgroup"), re.MULTILINE)
        if match:
            shown = _shown(match.group(1), "MainPID", "UnitFileState", "LoadState")
            if shown.get("MainPID") == str(pid):
                return Supervision("systemd", match.group(1), _enabled(shown), shown.get("LoadState") == "masked")
    return Supervision("container" if pid == 1 else "pid-file")


def _enabled(shown: Mapping[str, str]) -> bool | None:
    state = shown.get("UnitFileState", "")
    return {"enabled": True, "disabled": False}.get(state)


def _unit_of(binary: str) -> Supervision:
    """The systemd unit that would start this binary, asked of systemd.

    Raises HttpdError where a program of its own would start it, as SUSE's start_apache2 does.
    """
    if _systemd():
        for name in _NAMES:
            shown = _shown(f"{name}.service", "LoadState", "ExecStart", "UnitFileState")
            masked = shown.get("LoadState") == "masked"
            program = re.search(r"path=(\S+)", shown.get("ExecStart", "")) if not masked else _hidden_program(name)
            if (
                shown.get("LoadState") in ("loaded", "masked")
                and program
                and os.path.dirname(os.path.realpath(program.group(1))) == os.path.dirname(os.path.realpath(binary))
            ):
                if not re.match(r"(httpd|apache2)([.-].*)?$|apache2?ctl$", os.path.basename(program.group(1))):
                    raise HttpdError(
                        f"httpd does not run, and {program.group(1)} alone knows the arguments that {name}.service "
                        f"starts it with: `systemctl start {name}`, then run again"
                    )
                return Supervision("systemd", f"{name}.service", _enabled(shown), masked)
    return Supervision("pid-file")


def _hidden_program(name: str) -> re.Match[str] | None:
    """What a masked unit would start: systemd does not tell, the file that is hidden does."""
    texts = (read(f"{folder}/systemd/system/{name}.service") for folder in ("/usr/local/lib", "/usr/lib", "/lib"))
    return next(filter(None, (re.search(r"^ExecStart=[-@:+!]*(\S+)", text, re.MULTILINE) for text in texts)), None)


def _unit_of_instance(config: str) -> Supervision:
    """The systemd unit of Debian's that would start the instance with this main file: apache2@two for apache2-two."""
    folder = os.path.dirname(config)
    name, _dash, suffix = os.path.basename(folder).partition("-")
    if _systemd() and os.path.basename(config) == "apache2.conf":
        unit = f"{name}@{suffix}.service" if suffix else f"{name}.service"
        shown = _shown(unit, "LoadState", "Environment", "UnitFileState")
        told = f"APACHE_CONFDIR={folder}" in shlex.split(shown.get("Environment", ""))
        if shown.get("LoadState") == "loaded" and (told or folder == "/etc/apache2"):
            return Supervision("systemd", unit, _enabled(shown))
    return Supervision("pid-file")


def _unit_environment(unit: str) -> tuple[dict[str, str], list[str]]:
    """What a unit's environment says to httpd, and the OPTIONS that RHEL's unit puts behind the binary."""
    shown = _shown(unit, "Environment", "EnvironmentFiles")
    pairs = shlex.split(shown.get("Environment", ""))
    for path in re.findall(r"(/\S+) \(ignore_errors", shown.get("EnvironmentFiles", "")):
        for each in glob.glob(path):
            pairs += [line for line in read(each).splitlines() if re.match(r"\w+=", line)]
    environment = {}
    for pair in pairs:
        key, _equals, value = pair.partition("=")
        environment[key] = " ".join(shlex.split(value))
    return environment, list(_arguments(shlex.split(environment.get("OPTIONS", ""))))


def _shown(unit: str, *properties: str) -> dict[str, str]:
    words = ["systemctl", "show", unit] + [f"--property={each}" for each in properties]
    output = _run(words, _PLAIN_ENVIRONMENT, 10).output
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


# What systemd tells of every job, and what it does after the failure.
_NARRATION = re.compile(
    r'^(Start|Stopp|Reload)(ing|ed) |^See "systemctl|: (Killing process|Scheduled restart job|Deactivated successfully)'
)


def _systemctl(verb: str, unit: str, *, timeout: float = 120, check: bool = True) -> None:
    begun = time.time()
    outcome = _run(["systemctl", verb, unit], _PLAIN_ENVIRONMENT, timeout)
    if check and outcome.code != 0:
        words = ["journalctl", "--unit", unit, f"--since=@{begun:.3f}", "--output", "cat", "--no-pager"]
        journal = _run(words, _PLAIN_ENVIRONMENT, 10).output.splitlines()
        told = [line for line in outcome.errors.splitlines() + journal if not _NARRATION.search(line)]
        raise HttpdError(f"`systemctl {verb} {unit}` failed: {own_words(told).rstrip('.')}")


# -- parsing what httpd says


def _described(output: str, root: str) -> Description:
    def said(pattern: str) -> str:
        match = re.search(pattern, output, re.MULTILINE)
        return match.group(1) if match else ""

    server_root = said(r'^ServerRoot: "(.*)"') or root
    return Description(
        server_root=server_root,
        pid_file=said(r'^PidFile: "(.*)"'),
        error_log=said(r'^Main ErrorLog: "(.*)"'),
        runtime_folder=said(r'^Mutex default: dir="(.*?)/?"'),
        user=said(r'^User: name="(.*?)"'),
        group=said(r'^Group: name="(.*?)"'),
        modules=tuple(re.findall(r"^ (\w+_module) \((?:static|shared)\)", output, re.MULTILINE)),
        files=dict(_files(output)),
        directives=tuple(_directives(output)),
    )


def _files(output: str) -> Iterator[tuple[str, int]]:
    line = 0
    for indent, number, path in re.findall(r"^( +)\((\*|\d+)\) (/.*)$", output, re.MULTILINE):
        if number == "*" or len(indent) == 4:
            line = 0 if number == "*" else int(number)
        yield path, line


def _directives(output: str) -> Iterator[Directive]:
    """The configuration tree as mod_info dumps it (-D DUMP_CONFIG): comments tell file and line, sections nest."""
    file, line = "", 0
    sections: list[tuple[str, str]] = []

    def read(name: str, arguments: str) -> Directive:
        host = next((place for section, place in sections if section.lower().startswith("virtualhost ")), "")
        return Directive(name, arguments.strip(), file, line, tuple(section for section, _place in sections), host)

    # A line's end is a line feed alone: an argument may hold what else Unicode takes for one.
    for raw in output[max(output.find("# In file: "), 0) :].split("\n"):
        text = raw.strip()
        number = re.match(r"#\s*(\d+):$", text)
        if not text.startswith("#"):
            # By the indent, as a section with nothing in it is not closed.
            del sections[(len(raw) - len(raw.lstrip())) // 2 :]
        if text.startswith("# In file: "):
            file = text[len("# In file: ") :]
        elif number:
            line = int(number.group(1))
        elif re.match(r"<[A-Za-z]", text):
            inside = text[1:].rstrip(">")
            sections.append((inside, f"{file}:{line}"))
            yield read("<" + inside.split(None, 1)[0], inside.partition(" ")[2])
        elif (
            not raw[:1].isspace()
            and not sections
            and re.match(r'ServerRoot: "|Mutex [\w-]+: (dir="|using_defaults)|VirtualHost configuration:$', text)
        ):
            return  # the next dump begins
        elif text and line and not text.startswith("</"):
            yield read(*text.partition(" ")[::2])


# -- /proc


@dataclass(frozen=True)
class Stat:
    name: str
    state: str
    parent: int
    group: int
    started: int


def processes() -> Iterator[tuple[int, Stat]]:
    """Every process that /proc shows (proc(5), stat)."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(int(entry))
            if stat is not None:
                yield int(entry), stat


def _stat(pid: int) -> Stat | None:
    text = read(f"/proc/{pid}/stat")
    left, right = text.find("("), text.rfind(")")
    fields = text[right + 2 :].split()
    if left < 0 or len(fields) < 20:
        return None
    return Stat(text[left + 1 : right], fields[0], int(fields[1]), int(fields[2]), int(fields[19]))


def stopped(pid: int) -> bool:
    """Whether the process was stopped by a signal, and does nothing until it is continued."""
    stat = _stat(pid)
    return stat is not None and stat.state in "Tt"


def started(pid: int) -> int:
    """When the process started, in clock ticks since boot; -1 where it is gone or a zombie."""
    stat = _stat(pid)
    return -1 if stat is None or stat.state in "ZX" else stat.started


def listening() -> list[tuple[str, int, str]]:
    """Address, port and inode of every listening TCP socket of this network namespace."""
    found = []
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in read(f"/proc/net/{name}").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == "0A":
                raw, port = fields[1].split(":")
                packed = b"".join(struct.pack("=I", int(raw[at : at + 8], 16)) for at in range(0, len(raw), 8))
                found.append((socket.inet_ntop(family, packed), int(port, 16), fields[9]))
    return found


def inodes(pid: int) -> set[str]:
    """Inodes of the sockets that a process holds; empty where we may not look."""
    found = set()
    try:
        for entry in os.listdir(f"/proc/{pid}/fd"):
            try:
                match = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{entry}"))
            except OSError:
                continue
            if match:
                found.add(match.group(1))
    except OSError:
        return set()
    return found


def holder(inode: str) -> str:
    """Name and number of the process that holds a socket, for a message."""
    for pid, stat in processes():
        if inode in inodes(pid):
            return f"{stat.name} (process {pid})"
    return "another process"


def read(path: str) -> str:
    """The text of a file, empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def _run(words: Sequence[str], environment: Mapping[str, str], timeout: float) -> Outcome:
    try:
        done = subprocess.run(
            list(words),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            start_new_session=True,  # What ends us at a terminal, such as Ctrl-C, is not for httpd.
        )
    except OSError as error:
        return Outcome(127, "", f"{error.filename or words[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Outcome(124, "", f"{words[0]} gave no answer within {timeout:.0f} seconds")
    return Outcome(
        done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape")
    )
