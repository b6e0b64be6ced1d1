# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""An httpd's configuration, as httpd itself tells it (mod_info's dump): nothing here reads a file of it."""

from __future__ import annotations

import fnmatch
import ipaddress
import itertools
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._machine.mounts import Mounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class _Said(NamedTuple):
    name: str
    arguments: str
    file: str
    line: int
    sections: tuple[str, ...]
    host: str


class Directive(_Said):
    """One directive in force: where it stands, and in which sections, outermost first (C(VirtualHost *:443)).

    A section is a directive too, named C(<VirtualHost). C(host) tells the place of the virtual host's section that it
    stands in, empty for the server level. A tuple, as there may be so many that making them is what takes the time.
    """

    @cached_property
    def words(self) -> list[str]:
        """The arguments as httpd splits them (ap_getword_conf)."""
        return split(self.arguments)

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


# A word of a directive's arguments, in quotes or without them.
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+)')


def split(arguments: str) -> list[str]:
    if '"' not in arguments and "'" not in arguments:
        return arguments.split()
    words = []
    for match in WORD.finditer(arguments):
        quoted = match.group(1) if match.group(1) is not None else match.group(2)
        words.append(match.group(3) if quoted is None else re.sub(r'\\(["\'\\])', r"\1", quoted))
    return words


_WILD = re.compile(r"[*?\[]")


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
        wanted = domain.lower()
        names = [name.lower() for name in (self.name, *self.aliases) if name]
        # A pattern is compiled for each name that is asked with, which most names need not be.
        return wanted in names or any(fnmatch.fnmatchcase(wanted, name) for name in names if _WILD.search(name))

    def ports(self) -> set[str]:
        return {endpoint(address)[1] for address in self.addresses}


@lru_cache(maxsize=4096)  # Many virtual hosts have one address.
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


def join_endpoint(address: str, port: int) -> str:
    """Write an address and a port as one, as C(endpoint) takes them apart."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


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
    defines: the variables that it defines, each with its value, empty for none. inclusions: each of the files but
    the main one, with one that includes it.
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
    defines: Mapping[str, str] = field(default_factory=dict)
    inclusions: tuple[tuple[str, str], ...] = ()

    @cached_property
    def by_host(self) -> Mapping[str, Sequence[Directive]]:
        """The directives of each virtual host by its place, in the order of the configuration, and of none by none."""
        found: dict[str, list[Directive]] = {"": []}
        for each in self.directives:
            found.setdefault(each.host, []).append(each)
        return found

    def of_host(self, place: str) -> Sequence[Directive]:
        """The directives of the virtual host at a place; those of the server level for an empty one."""
        return self.by_host.get(place, ())

    def named(self, *names: str) -> list[Directive]:
        """The directives of these names (lower case), in the order of the configuration."""
        found = [each for name in names for each in self._by_name.get(name, ())]
        return [each for _number, each in sorted(found)]

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[tuple[int, Directive]]]:
        """The directives by their names in lower case, each with its number in the order of the configuration."""
        as_written: dict[str, list[tuple[int, Directive]]] = {}
        for numbered in enumerate(self.directives):
            as_written.setdefault(numbered[1].name, []).append(numbered)
        found: dict[str, list[tuple[int, Directive]]] = {}
        for name, directives in as_written.items():
            found.setdefault(name.lower(), []).extend(directives)
        return found

    @cached_property
    def defaults(self) -> Mapping[tuple[str, str], VirtualHost]:
        """The first virtual host of each address and port, as `endpoint` has them: who is asked by no name gets it."""
        found: dict[tuple[str, str], VirtualHost] = {}
        for host in self.virtual_hosts:
            for address in map(endpoint, host.addresses):
                found.setdefault(address, host)
        return found

    def host_at(self, place: str) -> VirtualHost | None:
        """The virtual host that stands at a place, by file and line; none where there is none."""
        return self._by_place.get(place)

    @cached_property
    def _by_place(self) -> Mapping[str, VirtualHost]:
        return {host.place: host for host in self.virtual_hosts}

    @cached_property
    def virtual_hosts(self) -> list[VirtualHost]:
        """In the order of the configuration: the first of an address and port is its default."""
        names: dict[str, str] = {}
        aliases: dict[str, list[str]] = {}
        for each in self.named("servername", "serveralias"):
            if each.name.lower() == "serveralias":
                aliases.setdefault(each.host, []).extend(each.words)
            elif each.words:
                names[each.host] = re.sub(r"^\w+://|:\d+$", "", each.words[0])
        # One that is read from several places of the same file and line is one.
        sections = {each.host: each for each in reversed(self.named("<virtualhost"))}
        return [
            VirtualHost(tuple(each.words), names.get(place, ""), tuple(aliases.get(place, ())), each.file, each.line)
            for place, each in reversed(sections.items())
        ]

    @property
    def has_http2(self) -> bool:
        """Whether mod_http2 is there, and works."""
        return "http2_module" in self.modules and "mpm_prefork_module" not in self.modules

    @cached_property
    def proxy_headers(self) -> list[tuple[str, tuple[str, str]]]:
        """Each word of RemoteIPProxyProtocol, C(on) or C(off), with each address and port that it is said for."""
        found = self.named("remoteipproxyprotocol")
        addresses = {host.place: host.addresses for host in self.virtual_hosts} if found else {}
        return [
            (each.arguments.lower(), endpoint(address))
            for each in found
            for address in (addresses[each.host] if each.host else ("*",))
        ]

    @cached_property
    def proxy_exempt(self) -> list[str]:
        """The networks of RemoteIPProxyProtocolExceptions."""
        return [word for each in self.named("remoteipproxyprotocolexceptions") for word in each.words]

    @cached_property
    def listens(self) -> list[Directive]:
        return [each for each in self.named("listen") if each.words]

    @cached_property
    def log_folder(self) -> str:
        """Where the first of the server's own logs lies that is a file, else its folder C(logs); empty for neither."""
        return next(filter(os.path.isdir, self._log_folders()), "")

    def _log_folders(self) -> Iterator[str]:
        logs = (each.words[0] for each in self.named("errorlog", "customlog", "transferlog", "globallog") if each.words)
        for log in itertools.chain([self.error_log], logs):
            folder = os.path.dirname(self.path(log)) if log and not log.startswith(("|", "syslog")) else ""
            if folder and not folder.startswith(("/dev", "/proc", "/sys")):
                yield folder
        yield self.path("logs")

    @cached_property
    def directive_names(self) -> frozenset[str]:
        """The names of the directives that are in force anywhere, in lower case."""
        return frozenset(self._by_name)

    def real_path(self, path: str) -> str:
        """C(path), which is absolute and has no dots, without links: those of its folder are followed once for all."""
        folder, name = os.path.split(path)
        if not name:
            return os.path.realpath(path)
        known = self._real_folders.get(folder)
        if known is None:
            known = self._real_folders.setdefault(folder, os.path.realpath(folder))
        path = os.path.join(known, name)
        return os.path.realpath(path) if os.path.islink(path) else path

    @cached_property
    def _real_folders(self) -> dict[str, str]:
        return {}

    @cached_property
    def mounts(self) -> Mounts:
        """What is mounted on this machine, by which one folder has several paths."""
        return Mounts.read()

    def path(self, text: str) -> str:
        """C(text) as httpd takes a path: relative to ServerRoot."""
        return os.path.normpath(os.path.join(self.server_root, text))


def parsed(output: str, root: str) -> Description:
    """Read what `httpd -t` prints with all its dumps. C(root): ServerRoot where it does not say one."""
    before = max(output.find(_OF_FILE), 0)
    lines = output[before:].split("\n")
    directives, end = _read_directives(lines)
    rest = "\n".join((output[:before], *lines[end:]))  # A line of the configuration is none of the other dumps.

    def said(pattern: str) -> str:
        match = re.search(pattern, rest, re.MULTILINE)
        return match.group(1) if match else ""

    server_root = said(r'^ServerRoot: "(.*)"') or root
    return Description(
        server_root=server_root,
        pid_file=said(r'^PidFile: "(.*)"'),
        error_log=said(r'^Main ErrorLog: "(.*)"'),
        runtime_folder=said(r'^Mutex default: dir="(.*?)/?"'),
        user=said(r'^User: name="(.*?)"'),
        group=said(r'^Group: name="(.*?)"'),
        modules=tuple(re.findall(r"^ (\w+_module) \((?:static|shared)\)", rest, re.MULTILINE)),
        files=dict(_files(rest)),
        directives=tuple(directives),
        defines=dict(re.findall(r"^Define: ([^=\n]+)=?(.*)$", rest, re.MULTILINE)),
        inclusions=tuple(_read_inclusions(rest)),
    )


def read_listens(output: str) -> tuple[Directive, ...]:
    """Read only the Listen directives of what C(parsed) reads: they stand in no section, which makes them few to find.

    Their lines are not told.
    """
    return tuple(
        Directive("Listen", said.strip(), "", 0, (), "")
        for said in re.findall(r"^Listen (.*)$", output[max(output.find(_OF_FILE), 0) :], re.MULTILINE | re.IGNORECASE)
    )


# As -D DUMP_INCLUDES tells a file: further in than what includes it, behind the number of a line of that.
_FILE = re.compile(r"^( +)\((\*|\d+)\) (/.*)$", re.MULTILINE)


def _files(output: str) -> Iterator[tuple[str, int]]:
    line = 0
    for indent, number, path in _FILE.findall(output):
        if number == "*" or len(indent) == 4:
            line = 0 if number == "*" else int(number)
        yield path, line


def _read_inclusions(output: str) -> Iterator[tuple[str, str]]:
    above: list[tuple[int, str]] = []  # the files around each, with how far they are indented
    for indent, number, path in _FILE.findall(output):
        while above and above[-1][0] >= len(indent):
            above.pop()
        if above and number != "*":
            yield path, above[-1][1]
        above.append((len(indent), path))


_NEXT_DUMP = re.compile(r'ServerRoot: "|Mutex [\w-]+: (dir="|using_defaults)|VirtualHost configuration:$')
_OF_FILE = "# In file: "


def _read_directives(lines: Sequence[str]) -> tuple[list[Directive], int]:
    """Read the configuration tree as mod_info dumps it (-D DUMP_CONFIG). Returns also the number of lines that it has.

    Comments tell file and line, sections nest. A line's end is a line feed alone: an argument may hold what else
    Unicode takes for one.
    """
    found: list[Directive] = []
    file, line = "", 0
    inside: tuple[str, ...] = ()
    host = ""
    above: list[tuple[tuple[str, ...], str]] = []  # the sections around each that is open, and the virtual host
    for count, raw in enumerate(lines):
        text = raw.strip()
        if text[:1] == "#":
            number = text[1:-1].lstrip()
            if text[-1:] == ":" and number.isdecimal():
                line = int(number)
                continue
            if text.startswith(_OF_FILE):
                file = text[len(_OF_FILE) :]
                continue
        elif above:
            # By the indent, as a section with nothing in it is not closed.
            depth = (len(raw) - len(raw.lstrip())) // 2
            if len(above) > depth:
                inside, host = above[depth]
                del above[depth:]
        if text[:1] == "<" and text[1:2].isalpha() and text[1:2].isascii():
            section = text[1:].rstrip(">")
            above.append((inside, host))
            inside = (*inside, section)
            if not host and section[:12].lower() == "virtualhost ":
                host = f"{file}:{line}"
            name, arguments = "<" + section.split(None, 1)[0], section.partition(" ")[2]
            found.append(Directive(name, arguments.strip(), file, line, inside, host))
        elif not above and not raw[:1].isspace() and _NEXT_DUMP.match(text):
            return found, count  # the next dump begins
        elif text and line and text[:2] != "</":
            name, _space, arguments = text.partition(" ")
            found.append(Directive(name, arguments.strip(), file, line, inside, host))
    return found, len(lines)
