# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What stands for a site's content in a full rehearsal: a file with a random word, and backends that answer with it.

Only who is answered with that word has reached the site.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import posixpath
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import join_endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine import loopback, private_mounts, trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.stand_ins import Arrival
from ansible_collections.mtls.httpd.plugins.module_utils._site.backends import PORTS
from ansible_collections.mtls.httpd.plugins.module_utils._site.contents import (
    Content,
    find_contents,
    has_flag,
    runs_files,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.folders import (
    Folders,
    are_ruled,
    find_hard_linked,
    names_of_rules,
    tell_unseen,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.token_folders import holds_tokens
from ansible_collections.mtls.httpd.plugins.module_utils._site.user_folders import find_user_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
        Description,
        VirtualHost,
    )
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.mounts import Mounts
    from ansible_collections.mtls.httpd.plugins.module_utils._machine.stand_ins import StandIns
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# Set aside for documentation (RFC 5737, RFC 3849): nobody calls from there.
_NOBODYS = ("192.0.2.", "198.51.100.", "203.0.113.")
_NOBODYS_V6 = "2001:db8:6d74:6c73::"
_WITHIN_ROOT = 64  # folders within a document root into which a file is put, as others lead there
_FEW = 8  # of addresses of IPv6, each of which is added on its own, and of networks that rules name
# The blocks of 2^24 addresses each that are somebody's, and where in each of them is called from: registries give parts
# of one to many countries. Those below the other number are the loopback interface's as a whole by one address.
_BLOCKS = tuple(block for block in range(1, 224) if block not in (10, 127))
_WITHIN = ("45.7.9", "109.7.9", "173.7.9", "237.7.9")
_FIRST_OF_CLASS_B = 128
# The same of IPv6: one in each sixteenth of what each registry has.
_FAR_V6 = tuple(f"{registry}{part:02x}:4e00::7" for registry in ("24", "26", "28", "2a", "2c") for part in range(16))
# Directives whose URLs are said to clients, or to a backend.
_NO_BACKEND = ("proxypassreverse", "<virtualhost", "redirect", "header", "requestheader", "errordocument", "substitute")
# Set aside for tests of networks (RFC 2544): names of backends mean these inside.
_OF_NAMES = ipaddress.ip_network("198.18.0.0/24")
_NO_PAGE = "/mtls-httpd"  # of a backend, which answers for any
_URL = re.compile(
    rf"(?i)(?:unix:(?P<socket>[^|\s\"']+)\||(?P<scheme>{'|'.join(PORTS)})://(?:[^\s/@\"']*@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[^\s/:\"'|$%\[\]]+)(?::(?P<port>\d+))?(?=[/\"'\s|]|$))"
)


class Backend(NamedTuple):
    """Where a backend listens: a host and port, or the path of a Unix socket."""

    host: str
    port: int
    socket: str = ""

    @property
    def place(self) -> str:
        """Host and port as a URL has them, or the socket's path."""
        return self.socket or join_endpoint(self.host, self.port)


def find_backends(texts: Iterable[str]) -> list[Backend]:
    """The backends that texts of a configuration name by URL; none of those that a request fills in."""
    found = []
    for text in texts:
        for each in _URL.finditer(text):
            if each["socket"]:
                found.append(Backend("", 0, each["socket"]))
            else:
                port = int(each["port"] or PORTS[each["scheme"].lower()])
                found.append(Backend(each["host"].strip("[]").lower(), port))
    return list(dict.fromkeys(each for each in found if each.port < 65536))


def find_own_backends(
    described: Description, site: SiteFacts, host: VirtualHost
) -> tuple[list[Backend], list[Backend]]:
    """The backends that a site's virtual host names: for callers without a certificate too, and for others alone."""
    protected = {f'Location "{path}"' for path in site.protected_paths}
    naming: dict[bool, list[str]] = {True: [], False: []}
    for said in described.of_host(host.place):
        # A rule with both flags is a proxy's (mod_rewrite).
        redirects = has_flag(said.words, "R|redirect") and not has_flag(said.words, "P|proxy")
        if not (said.name.lower().startswith(_NO_BACKEND) or redirects):
            is_closed = site.mutual_tls == "enforced" or bool(protected & set(said.sections))
            naming[is_closed].append(said.arguments)
    return find_backends(naming[False]), find_backends(naming[True])


def _find_shared(described: Description, host: VirtualHost) -> set[Backend]:
    """The backends that run files of a virtual host, and of another one too, as a pool of PHP-FPM does for many."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for each in described.named("sethandler", "addhandler", "rewriterule"):
        if runs_files(each):
            found[each.host == host.place].append(each.arguments)
    return set(find_backends(found[True])) & set(find_backends(found[False]))


class Surroundings(NamedTuple):
    """What a private world needs for canaries: addresses of its own, and names for /etc/hosts, by address."""

    addresses: tuple[str, ...]
    names: tuple[tuple[str, str], ...]


def plan_surroundings(
    without_us: Description, texts: Sequence[str], known: Iterable[tuple[str, str]], *, ipv6: bool
) -> Surroundings:
    """The addresses that questions come from, and those of backends. C(known): lines of /etc/hosts, address first.

    C(ipv6): sites are reached by IPv6 too.
    """
    told: dict[str, list[str]] = {}
    for address, name in known:
        told.setdefault(name.lower(), []).append(address)
    hosts = dict.fromkeys(backend.host for backend in find_backends(texts) if backend.host)
    numbers = [host for host in hosts if _is_address(host)]
    names = [host for host in hosts if not _is_address(host)]
    numbers += [address for name in names for address in told.get(name, ())]
    fresh = zip(map(str, _OF_NAMES.hosts()), (name for name in names if name not in told and name != "localhost"))
    given = tuple(fresh)
    # All of them: which one is called from is chosen when the sites' own text is known.
    addresses = [*(address for address, _name in given), *numbers, *(f"{network}1" for network in _NOBODYS)]
    addresses += [address for address in _allowed_callers(without_us) if ipv6 or ":" not in address]
    if ipv6:
        addresses += [f"{_NOBODYS_V6}{number}" for number in range(1, _FEW + 1)]
    usable = [each for each in addresses if not _is_machines_own(each)]
    return Surroundings(tuple(dict.fromkeys(usable)), given)


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(text)
        return True
    return False


def _is_machines_own(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local


def _nobodys(without_us: Description) -> str:
    """The network that nobody calls from, and that no rule names."""
    said = "\n".join(each.arguments for each in without_us.directives)
    return next((network for network in _NOBODYS if network not in said), _NOBODYS[0])


def _allowed_callers(without_us: Description) -> list[str]:
    """An address of each of the first networks that rules name (Require ip)."""
    found: list[str] = []
    for each in without_us.directives:
        words = each.words
        if each.name.lower() == "require" and words[:1] == ["ip"]:
            found += filter(None, map(_address_in, words[1:]))
    return list(dict.fromkeys(found))[:_FEW]


def _address_in(network: str) -> str:
    """An address of a network as Require ip takes it: whole, in part, or with a mask."""
    with suppress(ValueError):
        if re.fullmatch(r"\d+(\.\d+){0,2}\.?", network):
            parts = network.rstrip(".").split(".")
            network = ".".join(parts + ["0"] * (4 - len(parts))) + f"/{8 * len(parts)}"
        parsed = ipaddress.ip_network(network, strict=False)
        return str(parsed.network_address if parsed.num_addresses == 1 else parsed[1])
    return ""


@dataclass
class Canaries:
    """What stands for the content of all sites, for one rehearsal, and who asks for it.

    word: what only the sites' content holds; behind it stands the mark of what holds it. hosts: their virtual hosts, by
    domain. names: how the planted files are called, by domain, which is their mark too; none where none could be
    planted. files: all the paths that lead to these. named: files of sites that have other names (hard links). mounts:
    what was mounted where before any was planted. logs: httpd's error logs. stand_ins: the listeners in the place of
    backends. taken: the backends that are stood in for, each with its mark. replaced: the domains all of whose backends
    these are. missed: those of which not all could be. closed: the marks of what nobody is to reach but who is let in,
    by domain. shared: those that nobody else reaches by the site's own host, as others have the same backend run files
    of theirs. dressed: by domain, the SHA-256 of the page that a site refuses with, where its status says otherwise.
    warnings: what operators are to see to, and what could not be stood in for. let_in: addresses that rules let in
    where they do not let in nobody's.
    """

    described: Description
    word: bytes = field(repr=False)
    stand_ins: StandIns
    mounts: Mounts
    logs: Sequence[str] = ()
    names: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    named: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)
    hosts: dict[str, VirtualHost] = field(default_factory=dict)
    taken: dict[Backend, str] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)
    closed: dict[str, set[str]] = field(default_factory=dict)
    shared: dict[str, set[str]] = field(default_factory=dict)
    dressed: dict[str, str] = field(default_factory=dict)
    warnings: list[Fault] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Count the questions."""
        self._numbers = itertools.count(1)
        self._network = _nobodys(self.described)
        self._far: set[bool] = set()  # whether addresses of IPv6, or others, were added

    def next_source(self, address: str) -> str:
        """An address that is nobody's, another than for the question before, to call C(address) from."""
        number = next(self._numbers)
        if ":" in address:
            return f"{_NOBODYS_V6}{(number - 1) % _FEW + 1}"
        return f"{self._network}{(number - 1) % 254 + 1}"

    def known_sources(self, address: str) -> list[str]:
        """Addresses that rules may let in where they do not let in nobody's: the loopback's, and those that they name.

        The machine's own choice stands for the loopback.
        """
        named = [each for each in _allowed_callers(self.described) if (":" in each) == (":" in address)]
        return ["", *named]

    def find_far_sources(self, address: str) -> Iterator[str]:
        """Yield addresses all over the internet, which a list of networks or countries may let in."""
        is_v6 = ":" in address
        if is_v6 not in self._far:
            self._far.add(is_v6)
            wholes = [f"{block}.0.0.1" for block in _BLOCKS if block < _FIRST_OF_CLASS_B]
            loopback.add_addresses(_FAR_V6 if is_v6 else [*wholes, *_far(_FIRST_OF_CLASS_B)])
        yield from _FAR_V6 if is_v6 else _far(0)

    def choose_source(self, address: str) -> str:
        """An address to call C(address) from, which is one that rules let in, where it has been seen that they do."""
        known = [each for each in self.let_in if not each or (":" in each) == (":" in address)]
        return known[0] if known else self.next_source(address)

    def plant(self, site: SiteFacts, host: VirtualHost) -> None:
        """Put a file with the word into the document root of a site, beside each path that Chat calls."""
        domain = site.domain
        folder = find_jail(self.described) + find_document_root(self.described, host)
        if not folder or not os.path.isdir(folder):
            return
        name = f"mtls-httpd-{secrets.token_hex(8)}"
        content = b"%b-%b \n" % (self.word, name.encode())
        folder = os.path.realpath(folder)
        roots = [folder, *self.mounts.other_paths(folder)]
        parts = [place for place, _original in self.mounts.find_parts(folder) if os.path.isdir(place)]
        self.named[domain] = find_hard_linked(folder)
        within = [
            *self._first(domain, folder, self._ruled_within(folder), _FEW),
            *self._first(domain, folder, self._served_within(roots), _WITHIN_ROOT),
        ]
        files = {f"{folder_of(path)}{name}".lstrip("/"): content for path in site.called}
        inner = {os.path.normpath(os.path.join(each, name)): content for each in within}
        self.roots[domain] = folder
        planted = [*((root, files, inner) for root in roots), *((place, {name: content}, {}) for place in parts)]
        self.files[domain] = tuple(
            os.path.join(root, each) for root, *both in planted for some in both for each in some
        )
        for root, some, more in planted:
            try:
                private_mounts.plant(root, some, more)
            except (OSError, private_mounts.Unavailable) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                self._note(domain, f"no file could be put into {root} for the rehearsal ({reason})")
                if root == folder:
                    return
        self.names[domain] = name
        if site.mutual_tls == "enforced":
            self.closed.setdefault(domain, set()).add(name)

    def _first(self, domain: str, root: str, within: Sequence[str], most: int) -> Sequence[str]:
        """The first of some folders within a document root; that there are more is noted."""
        if len(within) > most:
            words = f"{domain}: {len(within) - most} of {len(within)} folders within {root} that others may be led to"
            told = f"{words}, such as {within[most]}, were not asked for, as there are so many"
            self.warnings.append(Fault("not-tried", domain, told, ""))
        return within[:most]

    def _served_within(self, roots: Sequence[str]) -> list[str]:
        """The folders within a document root that a directive serves on its own, as paths in it."""
        found = [
            os.path.relpath(path, root)
            for path in (*self._served, *self._linked)
            for root in roots
            if trusted_paths.lies_below(path, root) and os.path.isdir(path) and not holds_tokens(path)
        ]
        return list(dict.fromkeys(found))

    def _ruled_within(self, root: str) -> list[str]:
        """The folders within a document root whose .htaccess file may let others in there, as paths in it."""
        if not are_ruled(self.described):
            return []
        ruled = Folders(names_of_rules(self.described)).look_into(root).ruled
        return list(dict.fromkeys(filter(None, map(os.path.dirname, ruled))))

    @cached_property
    def _files_served(self) -> list[Content]:
        found = (content for each in self.described.directives for content in find_contents(self.described, each))
        return [content for content in found if not content.backend]

    @cached_property
    def _served(self) -> list[str]:
        """The folders that directives serve."""
        return list(dict.fromkeys(path for content in self._files_served for path in content.paths))

    @cached_property
    def _linked(self) -> list[str]:
        """The folders that links in these lead to, and those of users."""
        folders = Folders()
        paths = dict.fromkeys(content.path for content in self._files_served if content.path != "/")
        found = [target for path in paths for _link, target in folders.look_into(path).links]
        words = (word for each in self.described.named("userdir") for word in each.words)
        found += [os.path.realpath(path) for word in words for path in find_user_folders(word)]
        if folders.unseen:
            self.warnings.append(Fault("not-tried", "", tell_unseen(folders.unseen), ""))
        return list(dict.fromkeys(found))

    def replace_backends(self, site: SiteFacts, host: VirtualHost) -> None:
        """Stand in for the backends that a site's virtual host names, as far as that can be."""
        domain = site.domain
        opened, closed = find_own_backends(self.described, site, host)
        backends = list(dict.fromkeys([*opened, *closed]))
        missed = [each for each in backends if not self._replace(each)]
        if backends and not missed:
            self.replaced.add(domain)
        shared = _find_shared(self.described, host)
        for each in backends:
            if each in self.taken and each not in opened:
                (self.shared if each in shared else self.closed).setdefault(domain, set()).add(self.taken[each])
        self.closed.setdefault(domain, set())
        for each in missed:
            self.missed.add(domain)
            self._note(domain, f"nothing could stand in for its backend {each.place} in the rehearsal")

    def _replace(self, backend: Backend) -> bool:
        if backend in self.taken:
            return True
        mark = f"backend-{len(self.taken)}."
        done = (
            self.stand_ins.listen_at(backend.socket, mark)
            if backend.socket
            else self.stand_ins.listen(backend.host, backend.port, mark)
        )
        if done:
            self.taken[backend] = mark
        return done

    def find_targets(self, site: SiteFacts) -> list[str]:
        """The paths of a site at which what stands for its closed content is found."""
        name = self.names.get(site.domain)
        if site.mutual_tls != "enforced":
            return list(site.protected_paths)
        files = [folder_of(path) + name for path in site.called] if name in self.closed[site.domain] and name else []
        # Where all that Chat calls is open, everything else is what is closed.
        closed = [path for path in site.called if path not in site.open_paths] or [_NO_PAGE]
        return list(dict.fromkeys(files)) or closed

    def are_closed(self, domain: str, arrivals: Sequence[Arrival]) -> bool:
        """Whether one of the connections that a site's own host made came to what only who is let in may reach."""
        marks = {*self.closed.get(domain, ()), *self.shared.get(domain, ())}
        return any(each.mark in marks for each in arrivals)

    def find_reached(self, received: bytes) -> list[Arrival]:
        """What an answer shows to have been reached, as a cache may answer for a backend. A file has no target."""
        found = re.findall(re.escape(self.word) + rb"-([\w.-]+) (\S*)\n", received)
        return [Arrival(mark.decode(), target.decode("latin-1")) for mark, target in found]

    def _note(self, domain: str, words: str) -> None:
        told = f"{domain}: {words}, so whether Chat reaches what lies there was not tried"
        self.warnings.append(Fault("not-tried", domain, told, ""))


def _far(lowest: int) -> list[str]:
    """Addresses in all blocks of the internet from C(lowest) on: one in each of them, and then another in each."""
    return [f"{block}.{within}" for within in _WITHIN for block in _BLOCKS if block >= lowest]


def find_jail(described: Description) -> str:
    """The folder in which httpd's workers see all paths (ChrootDir); empty where they see those of this machine."""
    named = [described.path(each.words[0]) for each in described.named("chrootdir") if each.words]
    return named[-1].rstrip("/") if named else ""


def find_document_root(described: Description, host: VirtualHost) -> str:
    """The folder of a virtual host's files: its own, or that of the server level."""
    found = ""
    for place in ("", host.place):
        for each in described.of_host(place):
            if each.name.lower() == "documentroot" and each.words:
                found = described.path(each.words[0])
    return found


def folder_of(path: str) -> str:
    """The folder of a URL's path, with a slash at its end."""
    return path if path.endswith("/") else posixpath.dirname(path).rstrip("/") + "/"
