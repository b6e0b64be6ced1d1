# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A change tried on the host, by its own httpd, before the live server hears of it.

In full: the whole real configuration with the change in it, as the live server would read it, in a private world
(_namespaces), where handshakes decide. Reduced, where the kernel allows no such world or where httpd's start would
have effects
outside it: the sites alone on loopback, and every certificate, key, CA and CRL that the live configuration names is
loaded.
"""

from __future__ import annotations

import ipaddress
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils import _handshake, _namespaces, _quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import (
    Description,
    Directive,
    HttpdError,
    Server,
    endpoint,
    own_words,
)
from ansible_collections.mtls.httpd.plugins.module_utils._release import (
    CLIENT_CA,
    EMPTY,
    SITE,
    Change,
    Disk,
    File,
    Release,
    Store,
    mode_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS = 60.0
_READY = 20.0
_ASK = 5.0

_LOGS = ("errorlog", "customlog", "transferlog", "globallog", "forensiclog")
# Directives that name a file which httpd writes, or a folder for such files.
_STATE = ("scriptlog", "scriptsock", "pidfile", "scoreboardfile", "sslsessioncache", "sslstaplingcache", "cacheroot")
_OTHERS = ("secauditlog", "secdebuglog", "jklogfile", "jkshmfile", "davlockdb", "fcgidipcdir", "wsgisocketprefix")
_WRITTEN = {*_LOGS, *_STATE, *_OTHERS, "fcgidprocesstablefile", "defaultruntimedir"}
# Directives that start processes, or reach out, as soon as httpd starts.
_EFFECTS = {
    "wsgidaemonprocess",
    "passengerroot",
    "perlrequire",
    "perlmodule",
    "perlpostconfigrequire",
    "fastcgiserver",
    "mdomain",
    "<mdomainset",
}
_MATERIAL = (
    "sslcacertificatefile",
    "sslcadnrequestfile",
    "sslcarevocationfile",
    "sslproxycacertificatefile",
    "sslproxycarevocationfile",
    "sslcertificatechainfile",
)


@dataclass(frozen=True)
class Target:
    """A site to be tried: where, by which name, and which certificate must be served there (SHA-256, hexadecimal)."""

    domain: str
    port: int
    listen: tuple[str, ...]
    certificate_sha256: str
    enforced: bool


@dataclass(frozen=True)
class Draft:
    """What is tried: releases with the folders they get, and the switch. Empty for the configuration as it stands."""

    releases: Sequence[tuple[Release, str]] = ()
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Result:
    """How a rehearsal ended.

    C(full) or C(reduced) and why; the faults found, one line each; what httpd said when it did not start.
    """

    mode: str
    reason: str
    faults: tuple[str, ...]
    broken: str


def faults_of(target: Target, place: str, answers: Sequence[_handshake.Answer]) -> list[str]:
    """What is wrong with the answers of one site at one address; nothing where all is as it must be.

    Strangers must be refused, the client of the throwaway CA (where it was tried) accepted, and the site's own
    certificate
    served, in every protocol version that the server offers, which must be one at least.
    """
    faults = []
    who = {
        "none": "a client without a certificate",
        "untrusted": "a client of another CA",
        "trusted": "a client of the client CA",
    }
    offered = [answer for answer in answers if answer.offered]
    if not offered:
        faults.append("neither TLS 1.2 nor TLS 1.3 is offered")
    for answer in offered:
        served = answer.certificate_sha256
        wanted = "accepted" if answer.client == "trusted" else "refused"
        if answer.result == "unproven":
            faults.append(f"{who[answer.client]} got no clear answer over {answer.version}: {answer.detail}")
        elif answer.client == "none" and not target.enforced:
            pass
        elif answer.result != wanted:
            got = "got in" if answer.result == "accepted" else "was locked out"
            faults.append(f"{who[answer.client]} {got} over {answer.version}: {answer.detail}")
        if served is not None and served != target.certificate_sha256:
            faults.append(f"another certificate is served over {answer.version} (SHA-256 {served[:16]}…)")
    return [f"{target.domain} at {place}: {fault}" for fault in dict.fromkeys(faults)]


def try_site(
    target: Target, address: str, probes: _handshake.Probes, *, trusted: bool, seconds: float = _ASK
) -> list[str]:
    """Shake hands with one site at one address as each kind of client, over TLS 1.2 and 1.3. Returns the faults."""
    clients = [("none", None), ("untrusted", probes.stranger)] + ([("trusted", probes.trusted)] if trusted else [])
    answers = [
        _handshake.ask(
            address, target.port, target.domain, version=version, client=kind, identity=identity, timeout=seconds
        )
        for version in ("TLSv1.2", "TLSv1.3")
        for kind, identity in clients
    ]
    return faults_of(target, f"[{address}]:{target.port}" if ":" in address else f"{address}:{target.port}", answers)


def addresses(target: Target, description: Description) -> list[str]:
    """The addresses at which a site is tried.

    Its own, or the loopback, and those that other virtual hosts claim on its port.
    """
    if target.listen:
        return list(target.listen)
    listens = {endpoint(each.words[0]) for each in description.listens}
    ours = {address for address, port in listens if port == str(target.port)}
    local = [_local(address) for address in sorted(ours)] or ["127.0.0.1"]
    claimed = [endpoint(address) for host in description.virtual_hosts for address in host.addresses]
    return list(
        dict.fromkeys(
            local[:1]
            + [
                address
                for address, port in claimed
                if _numeric(address) and port in ("*", str(target.port)) and ("" in ours or address in ours)
            ]
        )
    )


def _local(address: str) -> str:
    return address or "127.0.0.1"


def _numeric(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False


# -- the full rehearsal


def rehearse(
    server: Server, store: Store, user: Description, change: Draft, targets: Sequence[Target], probes: _handshake.Probes
) -> Result:
    """Try the change. C(user) is the configuration without us. Nothing on the disk is touched, and nothing is left."""
    reason = effects(user)
    if not reason:
        try:
            return _full(server, store, user, change, targets, probes)
        except _namespaces.Unavailable as error:
            reason = f"no private namespaces are to be had here ({error})"
    return _reduced(server, store, user, change, targets, probes, reason)


def effects(user: Description) -> str:
    """Why the live configuration is not started in full beside the live server; empty where it can be."""
    for each in user.directives:
        name, words = each.name.lower(), each.words
        if name in _LOGS and words and words[0].lstrip().startswith("|"):
            return f"a piped logger would be started ({each.place})"
        if name == "rewritemap" and len(words) > 1 and words[1].startswith("prg:"):
            return f"a rewriting program would be started ({each.place})"
        if name in _EFFECTS:
            return f"{each.name.lstrip('<')} has effects as soon as httpd starts ({each.place})"
    return ""


def _full(
    server: Server, store: Store, user: Description, change: Draft, targets: Sequence[Target], probes: _handshake.Probes
) -> Result:
    def act() -> dict[str, Any]:
        private = Store(store.conf, _Scratch())
        for release, folder in change.releases:
            private.stage(release, folder)
        private.switch(change.changes)
        for target in targets:
            _trust(private, store.path(target.domain, "current", CLIENT_CA), probes.ca)
        server.forget()
        try:
            described = server.describe()
        except HttpdError as error:
            return {"broken": str(error), "faults": []}
        faults = displaced(store, described, targets) if change.changes else []
        scratch = os.path.join(_namespaces.SCRATCH, "run")
        os.mkdir(scratch, 0o755)
        instead = [
            f'PidFile "{scratch}/pid"',
            f'ErrorLog "{scratch}/error.log"',
            f'Mutex "file:{scratch}" default',
            f'DefaultRuntimeDir "{scratch}"',
        ]
        with _serving(server, [word for each in instead for word in ("-c", each)], scratch) as broken:
            if broken:
                return {"broken": broken, "faults": faults}
            for target in targets:
                for address in addresses(target, described):
                    faults += try_site(target, address, probes, trusted=True)
        return {"broken": "", "faults": faults}

    try:
        value = _namespaces.run(_world(server, store, user, change), act, SECONDS + len(targets))
    except TimeoutError as error:
        return Result("full", "", (str(error),), "")
    except RuntimeError as error:
        raise _namespaces.Unavailable(str(error)) from None
    if "Read-only file system" in value["broken"]:
        raise _namespaces.Unavailable(f"the configuration writes where a rehearsal may not: {value['broken']}")
    return Result("full", "", tuple(value["faults"]), value["broken"])


class _Scratch(Disk):
    """Writes to what is gone when the rehearsal ends."""

    def rename(self, old: str, new: str) -> None:
        # An overlay renames no folder (EXDEV).
        shutil.copytree(old, new)
        shutil.rmtree(old)

    @staticmethod
    def _sync(folder: str) -> None:
        pass


def _trust(store: Store, path: str, ca: bytes) -> None:
    """Append the throwaway CA to a client CA file, by a new file, as one of an unmapped owner cannot be written to."""
    store.disk.put(path, File(_bytes(path) + ca, mode_of(path)))


def displaced(store: Store, described: Description, targets: Sequence[Target]) -> list[str]:
    """Faults in how the sites stand among all virtual hosts.

    Not included, or before another's on the same address and port.
    """
    faults = []
    hosts = described.virtual_hosts
    for target in targets:
        mine = next(
            (
                host
                for host in hosts
                if host.file.startswith(store.path(target.domain) + "/") and host.answers(target.domain)
            ),
            None,
        )
        if mine is None:
            faults.append(
                f"{target.domain}: no virtual host of this name comes from "
                f"{store.path(target.domain, 'current', SITE)}: check the template's ServerName, and "
                f"that {store.path('host.conf')} is included"
            )
            continue
        for address in mine.addresses:
            same = [host for host in hosts if address in host.addresses]
            if same[0].file.startswith(store.root + "/") and any(
                not host.file.startswith(store.root + "/") for host in same
            ):
                other = next(host for host in same if not host.file.startswith(store.root + "/"))
                faults.append(
                    f"{target.domain}: it would become the default of {address} in the place of the "
                    f"virtual host at {other.place}: have the other's file included before it"
                )
    return list(dict.fromkeys(faults))


@contextmanager
def _serving(server: Server, arguments: Sequence[str], scratch: str) -> Iterator[str]:
    """Run httpd as one process, its PidFile being C(scratch)/pid.

    Yields what it said if it does not start, else nothing; ends it afterwards.
    """
    said = os.path.join(scratch, "said")
    with open(said, "wb") as stream:
        process = subprocess.Popen(
            [server.binary, *server.arguments, *arguments, "-X"],
            env=dict(server.environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _READY
        broken = ""
        # Listening comes before keys and certificates are read, the PidFile after it.
        while not os.path.exists(os.path.join(scratch, "pid")):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = [line for name in ("said", "error.log") for line in _lines(os.path.join(scratch, name))]
                broken = own_words(lines) or f"httpd ended with code {process.returncode} and said nothing"
                break
            time.sleep(0.003)
        yield broken
    finally:
        process.kill()
        process.wait()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def _world(server: Server, store: Store, user: Description, change: Draft) -> _namespaces.World:
    folders = {store.conf} | {
        os.path.dirname(each.path)
        for each in change.changes
        if not each.path.startswith(store.conf + "/") or _within(store.root, each.path)
    }
    folders = {folder for folder in folders if folder == store.conf or not _within(store.conf, folder)}
    needed = {server.binary, server.config, user.server_root, *user.files, *server.module_folders()}
    written = {os.path.dirname(user.pid_file), user.runtime_folder, os.path.dirname(user.error_log)}
    for each in user.directives:
        for word in each.words:
            if each.name.lower() in _WRITTEN:
                path = user.path(re.sub(r"\(.*\)$|^\w+:", "", word))
                if not word.startswith(("|", "syslog")) and each.words.index(word) == 0:
                    written.add(path if os.path.isdir(path) else os.path.dirname(path))
            elif word.startswith("/") or "/" in word:
                needed.add(user.path(word))
    written |= {"/tmp", "/var/tmp"}
    hidden: list[str] = []
    overlays = sorted(folders)
    for folder in sorted({os.path.realpath(folder) for folder in written if folder}):
        if not os.path.isdir(folder) or any(_within(folder, known) or folder == known for known in hidden):
            continue
        if any(_within(folder, path) and os.path.lexists(path) for path in needed | folders) or folder in folders:
            if folder not in ("/tmp", "/var/tmp", "/") and folder not in folders:
                overlays.append(folder)
        else:
            hidden.append(folder)
    listens = [endpoint(each.words[0])[0] for each in user.listens] + [
        endpoint(a)[0] for host in user.virtual_hosts for a in host.addresses
    ]
    listens += [address for facts in _listening(change) for address in facts]
    wanted = dict.fromkeys(
        address for address in listens if _numeric(address) and not ipaddress.ip_address(address).is_loopback
    )
    names = dict.fromkeys(address for address in listens if address and not _numeric(address))
    return _namespaces.World(
        overlays=sorted(overlays, key=len),
        hidden=hidden,
        addresses=list(wanted),
        hosts="".join(f"{address} {name}\n" for name in names for address in _resolved(name)),
        covered=[path for path in [os.path.realpath("/dev/log")] if os.path.exists(path)],
        limits=_limits(server),
    )


def _listening(change: Draft) -> Iterator[list[str]]:
    for release, _folder in change.releases:
        yield re.findall(r"<VirtualHost[^>]*?\b(\d+\.\d+\.\d+\.\d+):", release.files[SITE].decode())
        yield re.findall(r"<VirtualHost[^>]*?\[([0-9A-Fa-f:.]+)\]:", release.files[SITE].decode())


def _within(folder: str, path: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _resolved(name: str) -> list[str]:
    try:
        return list(
            dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
        )
    except OSError:
        return []


def _limits(server: Server) -> dict[int, tuple[int, int]]:
    if server.parent is None or not server.running():
        return {}
    numbers = {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    found = {}
    for number in numbers:
        try:
            found[number] = resource.prlimit(server.parent.pid, number)
        except (OSError, ValueError):
            continue
    return found


# -- material that the live configuration names


def material_faults(described: Description) -> list[str]:
    """Each certificate, key, CA and CRL named by the configuration that OpenSSL does not take, with file and line.

    Keys with a passphrase are left out. Several certificates of a virtual host go with the keys in their order
    (SSLCertificateFile).
    """
    faults = []
    pairs: dict[str, dict[str, list[Directive]]] = {}
    for each in described.directives:
        name = each.name.lower()
        if name in ("sslcertificatefile", "sslcertificatekeyfile") and each.words:
            pairs.setdefault(each.host, {}).setdefault(name, []).append(each)
        elif name in _MATERIAL and each.words:
            path = described.path(each.words[0])
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=path)
            except (OSError, ssl.SSLError) as error:
                faults.append(f"{each.place}: {each.name} {path}: {_why(error)}")
    for found in pairs.values():
        certificates, keys = found.get("sslcertificatefile", []), found.get("sslcertificatekeyfile", [])
        for number, certificate in enumerate(certificates):
            key = keys[number] if number < len(keys) else certificate
            paths = described.path(certificate.words[0]), described.path(key.words[0])
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths, password=_never)
            except _HasPassphrase:
                continue
            except (OSError, ssl.SSLError) as error:
                faults.append(
                    f"{certificate.place}: SSLCertificateFile {paths[0]} with {key.place}: {key.name} "
                    f"{paths[1]}: {_why(error)}"
                )
    return faults


class _HasPassphrase(Exception):
    pass


def _never() -> str:
    raise _HasPassphrase


def _why(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the private key does not match the certificate"
    return (reason or error.strerror or "is not readable").replace("_", " ").lower()


# -- the reduced rehearsal


def _reduced(
    server: Server,
    store: Store,
    user: Description,
    change: Draft,
    targets: Sequence[Target],
    probes: _handshake.Probes,
    reason: str,
) -> Result:
    faults = material_faults(user)
    if faults:
        return Result("reduced", reason, (), "; ".join(faults))
    if not targets:
        return Result("reduced", reason, (), "")
    scratch = store.path(".rehearsal")
    disk = store.disk
    made = not os.path.isdir(store.root)
    disk.folder(store.root)
    try:
        if os.path.lexists(scratch):
            shutil.rmtree(scratch)
        disk.folder(scratch)
        ports = _free_ports(len({(target.port) for target in targets}))
        port_of = dict(zip(sorted({target.port for target in targets}), ports))
        planned = {release.domain: release for release, _folder in change.releases}
        sites = []
        for target in targets:
            folder = os.path.join(scratch, target.domain)
            disk.folder(folder)
            disk.folder(os.path.join(folder, EMPTY))
            if target.domain in planned:
                files = planned[target.domain].filled(folder)
            else:
                current = os.path.realpath(store.path(target.domain, "current"))
                files = {name: _bytes(os.path.join(current, name)) for name in os.listdir(current) if name != EMPTY}
                files[SITE] = files[SITE].replace(current.encode(), folder.encode())
            files[CLIENT_CA] += probes.ca
            files[SITE] = _moved(files[SITE].decode(), port_of[target.port]).encode()
            for name, content in files.items():
                disk.write(os.path.join(folder, name), File(content, mode_of(name)))
            sites.append(os.path.join(folder, SITE))
        config = os.path.join(scratch, "httpd.conf")
        disk.write(config, File(_minimal(server, user, scratch, ports, sites).encode()))
        alone = Server(
            server.binary, ("-f", config), server.environment, None, server.supervision, server.built, config
        )
        with _serving(alone, [], scratch) as broken:
            found: list[str] = []
            if not broken:
                for target in targets:
                    moved = Target(target.domain, port_of[target.port], (), target.certificate_sha256, target.enforced)
                    found += try_site(moved, "127.0.0.1", probes, trusted=True)
        return Result("reduced", reason, tuple(found), broken)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if made and not os.listdir(store.root):
            os.rmdir(store.root)


def _moved(text: str, port: int) -> str:
    """A site's text on another port of the loopback."""
    return re.sub(r"(?im)^(\s*<VirtualHost)\s[^>]*>", rf"\1 127.0.0.1:{port}>", text)


def _minimal(server: Server, user: Description, scratch: str, ports: Sequence[int], sites: Sequence[str]) -> str:
    """A configuration with the live server's modules and its server-level SSL directives, and the sites."""

    def quoted(value: object) -> str:
        return _quoting.directive(value)

    lines = [
        f"ServerRoot {quoted(user.server_root)}",
        f"PidFile {quoted(scratch + '/pid')}",
        f"ErrorLog {quoted(scratch + '/error.log')}",
    ]
    lines += [
        f"Mutex {quoted('file:' + scratch)} default",
        f"DefaultRuntimeDir {quoted(scratch)}",
        "ServerName localhost",
    ]
    lines += [f"Listen 127.0.0.1:{port}" for port in ports]
    for path in user.files:
        for name, file in re.findall(
            r'^\s*LoadModule\s+(\w+)\s+"?([^"\n]+?)"?\s*$', "\n".join(_lines(path)), re.MULTILINE | re.IGNORECASE
        ):
            if name in user.modules:
                lines += [f"<IfModule !{name}>", f"LoadModule {name} {quoted(user.path(file))}", "</IfModule>"]
    for name, file in (
        ("ssl_module", "mod_ssl.so"),
        ("proxy_module", "mod_proxy.so"),
        ("proxy_http_module", "mod_proxy_http.so"),
    ):
        lines += [f"<IfModule !{name}>", f"LoadModule {name} {quoted(server.module(file))}", "</IfModule>"]
    lines += ["<IfModule mime_module>", "TypesConfig /dev/null", "</IfModule>"]
    if os.geteuid() == 0:
        lines += [f"User {user.user}", f"Group {user.group}"]
    for each in user.directives:
        if (
            not each.sections
            and each.name.lower().startswith("ssl")
            and each.name.lower() not in ("sslsessioncache", "sslstaplingcache", "sslrandomseed")
        ):
            lines.append(f"{each.name} {each.arguments}")
    lines += [f"Include {quoted(_quoting.path(site))}" for site in sites]
    return "\n".join(lines) + "\n"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _number in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
