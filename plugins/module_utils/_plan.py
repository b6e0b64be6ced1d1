# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is to be done on a host: wishes, disk and the server's own configuration compared. Reads only."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils import _renewal
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import quoting
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import (
    Description,
    Directive,
    covers,
    listened,
)
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.listen import switched, with_ssl_alone
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import OFF
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import (
    Change,
    Entry,
    File,
    Link,
    StoreError,
    change_to,
    difference,
    entry_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import (
    BACKEND_CA,
    CLIENT_CA,
    CRL,
    EMPTY,
    SITE,
    Facts,
)
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import FOLDER, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._payload import Wish
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release

HOOK = "zz-mtls.conf"
# Behind the name of a file that was adopted: what was there before us.
KEPT = ".before-mtls"
# Curves by the OpenSSL that is the first to have them; a virtual host names them under <IfDefine MTLS_HTTPD_…>.
CURVES = {"X25519MLKEM768": (3, 5)}
# Defined while the host-level file includes the sites.
IN_HOST_FILE = "MTLS_HTTPD_HOST_FILE"
_ASKING = re.compile(rb"(?m)^\s*SSLOCSPEnable (on|leaf)\b")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----([A-Za-z0-9+/=\s]*)-----END ")


@dataclass(frozen=True)
class Plan:
    """What would be done.

    staged: releases with the folders they get. changes: the switch. changed: which sites change. diff: for the
    operator. sites: all that will be there, listed or not. listens: addresses (empty for all) and ports that we add.
    amiss: what is not as an earlier run left it, in words. damaged: the sites whose release is not.
    """

    staged: tuple[tuple[Release, str], ...]
    changes: tuple[Change, ...]
    changed: Mapping[str, bool]
    diff: tuple[dict[str, str], ...]
    sites: tuple[Facts, ...]
    listens: tuple[tuple[str, int], ...]
    amiss: tuple[str, ...]
    damaged: frozenset[str]


def planned(
    server: Server,
    store: Store,
    user: Description,
    with_ssl: Description,
    wishes: Sequence[Wish],
    *,
    adopt: bool = False,
) -> Plan:
    """Compare the wishes with the disk, and say what is to be done.

    C(user), C(with_ssl): the server's configuration without us, as it is, and with mod_ssl loaded before it. C(adopt):
    a user's plain files may be moved aside. Raises StoreError where a path is taken.
    """
    listed = {wish.domain for wish in wishes}
    before = {domain: store.facts(domain) for domain in store.domains() if domain not in listed}
    after = dict(before)
    staged: list[tuple[Release, str]] = []
    currents: list[Change] = []
    changed: dict[str, bool] = {}
    diff: list[dict[str, str]] = []
    damages = {wish.domain: damage for wish in wishes for damage in [_damage(store, wish)] if damage}
    for wish in wishes:
        link, text = store.path(wish.domain, "current"), ""
        with suppress(StoreError):  # What says so of the present release may have been damaged.
            before[wish.domain] = store.facts(wish.domain)
        if wish.release is None:
            switch = change_to(link, None)
        else:
            folder = store.place(wish.release)
            after[wish.domain], text = wish.release.facts, wish.release.filled(folder)[SITE].decode()
            switch = change_to(link, Link(f"releases/{os.path.basename(folder)}"))
            if switch:
                staged.append((wish.release, folder))
                switch = _kept(store, wish, wish.release, os.path.basename(folder), wish.domain in damages) + switch
        currents += switch
        changed[wish.domain] = bool(switch)
        if switch:
            diff.append(_diff(os.path.join(link, SITE), text))
            path = store.path(wish.domain, "current", f"{wish.domain}.crt")
            old, new = (_dates(facts.get(wish.domain)) for facts in (before, after))
            if wish.domain in before or wish.release:
                diff.append({"before_header": path, "after_header": path, "before": old, "after": new})
            for name in (CLIENT_CA, CRL, BACKEND_CA):
                path, after_file = os.path.join(link, name), wish.release.files.get(name, b"") if wish.release else b""
                old, new = _fingerprints(commands.read(path)), _fingerprints(after_file.decode(errors="replace"))
                if old != new:
                    diff.append({"before_header": path, "after_header": path, "before": old, "after": new})

    releases = {wish.domain: wish.release for wish in wishes if wish.release}
    published = _published(store, {*before, *after, *listed}, releases, set(after), adopt)
    host, main = store.path("host.conf"), os.path.realpath(server.config)
    hooks = {wish.domain: wish.hook for wish in wishes if wish.hook}
    published += _hooks(before, after, hooks)
    listens, wanted = _host_level(server, store, user, with_ssl, after.values())
    _listens, between = _host_level(server, store, user, with_ssl, [*before.values(), *after.values()])
    if all(site.included for site in after.values()):
        changes = _hook(server, store, user, False) + change_to(host, None) + currents + published
    elif currents and between != wanted:
        # At no moment does a site lack what it needs, so that a start in between reads a sound configuration.
        changes = change_to(host, File(between)) + _hook(server, store, user, True) + currents + published
        changes.append(Change(host, File(between), File(wanted)))
    else:
        changes = change_to(host, File(wanted)) + _hook(server, store, user, True) + currents + published
    for path in (host, main):
        for change in [change for change in changes if change.path == path][-1:]:
            after_text = change.after.content.decode(errors="replace") if isinstance(change.after, File) else ""
            diff.append(_diff(path, after_text))
    for change in changes:
        if change.path not in (host, main) and change not in currents:
            old, new = _outline(change.before), _outline(change.after)
            diff.append({"before_header": change.path, "after_header": change.path, "before": old, "after": new})
    amiss = [f"the release of {domain} was not as it was written: {damage}" for domain, damage in damages.items()]
    drifted = _drifted(server, store, user, with_ssl, before, hooks, adopt)
    if drifted:
        amiss.append(f"not as they were left: {', '.join(drifted)}")
    return Plan(
        tuple(staged),
        tuple(changes),
        changed,
        tuple(diff),
        tuple(after.values()),
        tuple(listens),
        tuple(amiss),
        frozenset(damages),
    )


def _damage(store: Store, wish: Wish) -> str:
    """What was done to the current release of a site that is to stay since it was written; empty for nothing."""
    if wish.release is None:
        return ""
    name, link = store.current(wish.domain), store.path(wish.domain, "current")
    if not name:
        # A first deployment that was killed has made the folder, and its journal is still there.
        if os.path.lexists(store.path("journal")):
            return ""
        if os.path.isdir(store.path(wish.domain, "releases")):
            return f"{link} leads to none"
        published = os.path.join(store.conf, f"{wish.domain}.crt")
        return f"{store.path(wish.domain)} is gone" if _is_ours(entry_of(published)) else ""
    folder = store.path(wish.domain, "releases", name)
    if not os.path.isdir(folder):
        return f"{folder} is gone"
    try:
        same = wish.release.name == name.partition(".")[0]
        faults = store.faults(wish.release if same else store.read(wish.domain, "current"), folder)
    except (OSError, StoreError):  # Not the one wished for, and no longer what its name says.
        faults = [f"{each} was edited" for each in _younger(folder)]
        return f"in {folder}, {', '.join(faults) or 'a file was edited'}"
    return f"in {folder}, {', '.join(faults)}" if faults else ""


def _younger(folder: str) -> list[str]:
    """The files of a release that were written to after the last of it, the empty folder, was made."""
    with suppress(OSError):
        made = os.lstat(os.path.join(folder, EMPTY)).st_mtime
        names = sorted(os.listdir(folder))
        return [name for name in names if os.lstat(os.path.join(folder, name)).st_mtime > made]
    return []


def _drifted(
    server: Server,
    store: Store,
    user: Description,
    with_ssl: Description,
    before: Mapping[str, Facts],
    hooks: Mapping[str, Entry],
    adopt: bool,
) -> list[str]:
    """Paths outside the releases that a run with no other wish than for what is there would change, and why.

    C(hooks): programs for renewals, which are made anew where what they do, or this collection, is another.
    """
    if not before:
        return []
    host, main = store.path("host.conf"), os.path.realpath(server.config)
    needed = not all(site.included for site in before.values())
    drifts: list[Change] = []
    with suppress(StoreError, commands.HttpdError):  # What is in the way is said where it is in the way.
        drifts += _published(store, before, {}, before, adopt)
        content = _host_level(server, store, user, with_ssl, before.values())[1]
        drifts += change_to(host, File(content) if needed else None)
        drifts += _hook(server, store, user, needed)
        known = {domain: hook for domain, hook in hooks.items() if domain in before and before[domain].renewal_hook}
        drifts += [each for each in _hooks({}, before, known) if _is_handled(each)]
    words = {main: "lacks our line" if needed else "has a line of ours"}
    found = entry_of(host)
    if isinstance(found, File) and (found.mode, found.uid) == (0o644, os.geteuid()) and _is_sealed(found.content):
        words[host] = "no longer fits the server's own configuration"
    return [
        f"{change.path} {words.get(change.path) or difference(change.before, change.after)}"
        for change in drifts
        if not change.path.endswith(KEPT)
    ]


def _kept(store: Store, wish: Wish, release: Release, name: str, damaged: bool) -> list[Change]:
    """What C(previous) is to lead to when C(name) becomes current: the one before it, if that is one to go back to.

    C(damaged): the current one is not.
    """
    old, before = store.current(wish.domain), store.current(wish.domain, "previous")
    if wish.previous:
        kept = name  # Gone back to, it is its own previous one, so that going back twice is going back once.
    elif not damaged:
        kept = old
    elif before != old:
        kept = before
    else:
        kept = name if old.partition(".")[0] == release.name else ""
    return change_to(store.path(wish.domain, "previous"), Link(f"releases/{kept}") if kept else None)


def _dates(facts: Facts | None) -> str:
    """What a diff says of a certificate."""
    return f"SHA-256 {facts.certificate_sha256}\nvalid {facts.begins} to {facts.ends}\n" if facts else ""


def _fingerprints(pem: str) -> str:
    """What a diff says of a file of certificates or CRLs: the SHA-256 of each."""
    try:
        blocks = [base64.b64decode(block) for block in _PEM.findall(pem)]
    except ValueError:
        return "damaged\n"
    return "".join(f"SHA-256 {hashlib.sha256(block).hexdigest()}\n" for block in blocks)


def _outline(entry: Entry) -> str:
    """What a diff says of a path beside the files of a site. A plain file there may be a key."""
    if isinstance(entry, Link):
        return f"-> {entry.target}\n"
    return "" if entry is None else "a plain file\n"


def _diff(path: str, after: str) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": commands.read(path), "after": after}


# -- the page's own paths


def _hooks(before: Mapping[str, Facts], after: Mapping[str, Facts], hooks: Mapping[str, Entry]) -> list[Change]:
    """The changes by which the programs for renewals come, and go with their sites."""
    kept = {site.renewal_hook for site in after.values()}
    gone = {site.renewal_hook for site in before.values()} - kept - {""}
    gone = {path for path in gone if _renewal.is_ours(entry_of(path))}  # Another program there is the operator's.
    return [
        change
        for path, entry in [
            *((path, None) for path in sorted(gone)),
            *((after[domain].renewal_hook, entry) for domain, entry in hooks.items()),
        ]
        for change in change_to(path, entry)
    ]


def _is_handled(hook: Change) -> bool:
    """Whether a hand took a program for renewals away, or changed its mode or owner."""
    found, wanted = hook.before, hook.after
    return found is None or (isinstance(found, File) and isinstance(wanted, File) and found.content == wanted.content)


def _published(
    store: Store, domains: Iterable[str], releases: Mapping[str, Release], present: Iterable[str], adopt: bool
) -> list[Change]:
    """The links by which people and tools find the files where the reference page puts them.

    C(domains): all that are, or were, there. C(present): those that will be, C(releases) with a new release.
    """
    changes = []
    present = sorted(present)
    for domain in sorted(domains):
        for kind in ("crt", "key"):
            target = f"{FOLDER}/{domain}/current/{domain}.{kind}" if domain in present else None
            changes += _link(os.path.join(store.conf, f"{domain}.{kind}"), target, adopt)
    cas = {
        releases[domain].files[CLIENT_CA] if domain in releases else _bytes(store.path(domain, "current", CLIENT_CA))
        for domain in present
    }
    shared = f"{FOLDER}/{present[0]}/current/{CLIENT_CA}" if len(cas) == 1 else None
    return changes + _link(os.path.join(store.conf, CLIENT_CA), shared, adopt)


def _link(path: str, target: str | None, adopt: bool) -> list[Change]:
    """The changes that publish C(target) at C(path), or, for None, give back what was there before us.

    A plain file of a manual installation is kept beside, where C(adopt) allows it, and never overwritten.
    """
    found, kept = entry_of(path), path + KEPT
    ours = _is_ours(found)
    if target is None:
        return [Change(path, found, entry_of(kept)), *change_to(kept, None)] if ours else []
    if found is None or ours:
        return change_to(path, Link(target))
    if not adopt or not isinstance(found, File):
        way = ", or set adopt (in the role mutual_tls_adopt), which keeps it beside" if isinstance(found, File) else ""
        raise StoreError(
            f"{path} is not this collection's, and stands where it publishes its own: move it away{way}, then run again"
        )
    if entry_of(kept) is not None:
        raise StoreError(f"{kept} keeps a file that was adopted before: move it away, then run again")
    return [Change(kept, None, found), Change(path, found, Link(target))]


def _is_ours(entry: Entry) -> bool:
    """Whether it is a link by which we publish a file."""
    return isinstance(entry, Link) and entry.target.startswith(FOLDER + "/")


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


# -- the host-level file


def _host_level(
    server: Server, store: Store, user: Description, with_ssl: Description, sites: Iterable[Facts]
) -> tuple[list[tuple[str, int]], bytes]:
    """Addresses and ports that we add to the server's own, and the host-level file.

    It holds the modules that the sites need and the user's configuration does not load, Listen, and the sites. What
    comes with mod_ssl in the user's configuration (Debian's ports.conf) stays inside <IfModule !ssl_module>, so that
    the configuration is sound before and after the operator's own a2enmod or a2dismod.
    """
    everyone = sorted(sites, key=lambda site: site.domain)
    sites = [site for site in everyone if not site.included]
    wanted = sorted({(_usual(address), site.port) for site in sites for address in (site.listen or ("",))})
    always = [each for each in user.listens if not with_ssl_alone(each)]
    missing = [each for each in wanted if not _covered(each, with_ssl.listens)]
    with_us = [each for each in wanted if each not in missing and not _covered(each, always)]
    lines = [
        f"# `httpd -D {OFF}` runs the server without it.",
        f"<IfDefine !{OFF}>",
        "    <IfModule !ssl_module>",
        *_load(server, user, "ssl"),
        *[f"        Listen {_listen(*each)}" for each in with_us],
        "    </IfModule>",
    ]
    for name in dict.fromkeys(name for site in sites for name in (*site.modules, *had(server, user, site))):
        lines += [f"    <IfModule !{name}_module>", *_load(server, user, name), "    </IfModule>"]
    lines += [f"    {line}" for line in defines(server, user)]
    for each in missing:
        # A flag that would bring the user's own Listen takes ours away.
        flags = switched(user, each[1])
        lines += [f"    <IfDefine !{flag}>" for flag in flags]
        lines += [f"    Listen {_listen(*each)}", *["    </IfDefine>" for _flag in flags]]
    if any(not log.startswith("/") for site in sites for log in site.logs):
        lines.append(f"    Define {quoting.LOGS} {quoting.directive(_log_folder(user))}")
    include = [f"    IncludeOptional {quoting.directive(quoting.path(store.root) + '/*/current/' + SITE)}"]
    if len(sites) < len(everyone):
        # What is for a virtual host of the user's is skipped here.
        include = [f"    Define {IN_HOST_FILE}", *include, f"    UnDefine {IN_HOST_FILE}"]
    lines += include
    added = missing if "ssl_module" in user.modules else missing + with_us
    return added, _sealed("\n".join([*lines, "</IfDefine>", ""]))


def _sealed(text: str) -> bytes:
    """A host-level file that tells by itself whether a hand has edited it."""
    seal = hashlib.sha256(text.encode()).hexdigest()
    return f"# Made by Ansible (mtls.httpd.sites), and made anew by its next run. Seal: {seal[:16]}\n{text}".encode()


def _is_sealed(content: bytes) -> bool:
    return content == _sealed(content.decode(errors="replace").partition("\n")[2])


def defines(server: Server, user: Description) -> list[str]:
    """The lines that tell virtual hosts what this host has.

    Caches are the operator's to set: a reload that finds the directive of one no longer ends httpd.
    """
    version = _openssl(server)
    had = [curve for curve, first in CURVES.items() if version >= first]
    given = _given(user)
    # Without a key file, the keys of tickets are made anew by each reload, so that no ticket outlives its client CA.
    if not given & {"sslsessioncache", "sslsessionticketkeyfile"}:
        had.append("TICKETS")
    if "sslstaplingcache" in given:
        had.append("STAPLING")
    return [f"Define MTLS_HTTPD_{name}" for name in had]


def _given(user: Description) -> set[str]:
    return {each.name.lower() for each in user.directives}


def _openssl(server: Server) -> tuple[int, ...]:
    """The version of its OpenSSL as numbers, none where it is another library or cannot be known."""
    found = re.match(r"OpenSSL (\d+)\.(\d+)", server.openssl())
    return tuple(map(int, found.groups())) if found else ()


def had(server: Server, user: Description, site: Facts) -> list[str]:
    """The modules that are welcome to a site and can be had here."""
    return [name for name in site.welcome if not _lacking(server, user, name)]


def _lacking(server: Server, user: Description, name: str) -> str:
    """Why a module cannot be had here; empty where it can."""
    if name == "http2" and "mpm_prefork_module" in user.modules:
        return "mod_http2 does not work with the MPM prefork"
    try:
        _load(server, user, name)
    except commands.HttpdError as error:
        return str(error)
    return ""


def limits(server: Server, user: Description, wishes: Sequence[Wish]) -> list[str]:
    """What is wished for and cannot be had here, one line each; the sites work without it."""
    found = []
    releases = [wish.release for wish in wishes if wish.release]
    for name in dict.fromkeys(name for release in releases for name in release.facts.welcome):
        reason = _lacking(server, user, name)
        if reason:
            found.append(f"{name} is not served: {reason}")
    given = _given(user)
    if "sslsessionticketkeyfile" in given and "sslsessioncache" not in given:
        found.append(
            "sessions are not resumed: tickets would outlive the removal of a client CA, as the server sets "
            "SSLSessionTicketKeyFile, and it has no SSLSessionCache"
        )
    asking = any(_ASKING.search(release.files[SITE]) for release in releases)
    if asking:
        found.append(
            "client_ocsp is in force without having been tried, as a rehearsal reaches no responder: try it with a "
            "client of your own"
        )
    if asking and "sslsessioncache" in given:
        found.append(
            "a client whom the OCSP responder calls revoked can resume a session that it has, until httpd is reloaded, "
            "as the server sets SSLSessionCache"
        )
    if "sslstaplingcache" not in given and any(release.facts.stapling for release in releases):
        found.append("OCSP answers are not stapled: the server has no SSLStaplingCache")
    version = _openssl(server)
    for curve, first in CURVES.items():
        if version < first and any(f"MTLS_HTTPD_{curve}".encode() in release.files[SITE] for release in releases):
            needed = ".".join(map(str, first))
            found.append(
                f"{curve} is not offered: this httpd has {server.openssl() or 'an unknown TLS library'}, and OpenSSL "
                f"{needed} is the first that knows it"
            )
    return found


def _log_folder(user: Description) -> str:
    if not user.log_folder:
        raise StoreError(
            f"no log of this server is a file ({user.error_log}), so that there is no folder for the sites' own: set "
            "their access_log and error_log to server, or to paths"
        )
    return user.log_folder


def _load(server: Server, user: Description, name: str) -> list[str]:
    """The line that loads a module, none where it is linked in. Raises HttpdError where this httpd has none."""
    try:
        return [f"        LoadModule {name}_module {quoting.directive(server.module(f'mod_{name}.so'))}"]
    except commands.HttpdError:
        if f"{name}_module" in user.modules:
            return []
        raise


def _usual(address: str) -> str:
    return str(ipaddress.ip_address(address)) if address else ""


def _listen(address: str, port: int) -> str:
    # Listen takes https for granted on port 443 alone (mpm_common's ap_set_listener); said for all.
    host = f"[{address}]" if ":" in address else address
    return quoting.directive(f"{host}:{port}" if host else port) + " https"


def _covered(wanted: tuple[str, int], listens: Sequence[Directive]) -> bool:
    address, port = wanted
    known = map(listened, listens)
    return any(number == str(port) and covers(listen, address) for listen, number in known)


def _hook(server: Server, store: Store, user: Description, wanted: bool) -> list[Change]:
    """The changes by which the server comes to read host.conf, or no longer does.

    A link in the folder of which its main file includes all of *.conf, the last such, if no virtual host of the user's
    comes after it, whose place we would take; else one line at the end of that file.
    """
    main, host = os.path.realpath(server.config), store.path("host.conf")
    found = entry_of(main)
    if not isinstance(found, File):
        raise StoreError(f"{main} is not a plain file")
    text = found.content.decode(errors="surrogateescape")
    links: list[tuple[str, Link]] = []
    last = 0
    for number, words in enumerate(_outside(text), 1):
        found_glob = re.match(r'(?i)\s*Include(?:Optional)?\s+"?([^"$*?\[]*)/\*\.conf"?\s*$', words)
        folder = os.path.realpath(user.path(found_glob.group(1))) if found_glob else ""
        if folder and os.path.isdir(folder):
            links.insert(0, (os.path.join(folder, HOOK), Link(os.path.relpath(host, folder))))
            last = number
    there = [path for path, link in links if entry_of(path) == link]
    after = any((user.files.get(each.file) or each.line) > last for each in user.virtual_hosts)
    line = f"IncludeOptional {quoting.directive(quoting.path(host))}"
    lined = line in map(str.strip, text.splitlines())
    if not wanted:
        edited = _without(text, line) if lined else text
        gone = [change for path in there for change in change_to(path, None)]
        return gone + ([Change(main, found, _edited(found, edited))] if lined else [])
    if there or lined or host in map(os.path.realpath, user.files):  # A hand may have written the line otherwise.
        return []
    for path, link in [] if after else links[:1]:
        if entry_of(path) is not None:
            raise StoreError(f"{path} is not this collection's, and stands where it puts its own: move it away")
        return change_to(path, link)
    edited = text + f"{line}\n" if not text or text.endswith("\n") else f"{text}\n{line}"
    return [Change(main, found, _edited(found, edited))]


def _outside(text: str) -> list[str]:
    """The lines of C(text), empty where they are of a section: what stands in one is read there, or not at all."""
    lines, depth = [], 0
    for line in text.splitlines():
        bracket = re.match(r"\s*<(/?)[A-Za-z]", line)
        lines.append("" if bracket or depth else line)
        if bracket:
            depth += -1 if bracket.group(1) else 1
    return lines


def _without(text: str, line: str) -> str:
    """C(text) without our line: as it was, also where it had no end of line at its end."""
    if text.endswith("\n" + line):
        return text[: -len(line) - 1]
    return "".join(each for each in text.splitlines(keepends=True) if each.strip() != line)


def _edited(found: File, text: str) -> File:
    return replace(found, content=text.encode(errors="surrogateescape"))
