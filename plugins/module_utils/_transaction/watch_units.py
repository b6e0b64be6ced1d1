# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The units of systemd's by which a server's watchman looks every five minutes (watchman.py)."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import has_systemd, network_of
from ansible_collections.mtls.httpd.plugins.module_utils._machine import seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import PLAIN_ENVIRONMENT, own_words, run
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import Entry, File, Link
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import (
    WATCH,
    WATCH_PROGRAM,
    WATCH_STRANGER,
    Store,
)

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server

UNITS = "/etc/systemd/system"
# What a timer is started with; of these, the first that the host has a folder of.
_STARTS = ("timers.target", "multi-user.target")
# What is not hidden: programs with their libraries, what is the kernel's, and what systemd gives the service anew.
_SEEN = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "proc", "sys", "dev", "tmp")
# What a unit names as it is: without what systemd reads otherwise, such as a blank, a colon, or % (systemd.unit(5)).
_NAMEABLE = re.compile(r"(/[A-Za-z0-9_.@+-]+)+")
_SERVICE = """\
# Made by Ansible (mtls.httpd.sites), and made anew by its next run.
[Unit]
Description=What strangers meet at the mutual TLS sites of {conf}
{joins}
[Service]
Type=oneshot
ExecStart={python} -I -S -B {program} {wish}
TimeoutStartSec=4min
Nice=10
DynamicUser=yes
User={user}
# Reads logs, and writes where root alone may: of what is not hidden.
AmbientCapabilities=CAP_DAC_OVERRIDE
CapabilityBoundingSet=CAP_DAC_OVERRIDE
TemporaryFileSystem={hidden}
BindReadOnlyPaths=-/etc/localtime -/etc/ld.so.cache -/etc/ssl/openssl.cnf {read}
BindPaths={folder}
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0022
{network}"""
_TIMER = """\
# Made by Ansible (mtls.httpd.sites), and made anew by its next run.
[Unit]
Description=Every five minutes, what strangers meet at the mutual TLS sites of {conf}

[Timer]
OnCalendar=*:0/5
RandomizedDelaySec=30

[Install]
WantedBy={start}
"""


def name_units(store: Store) -> str:
    """The name of the units of a server's watchman: by its configuration folder, as systemd-escape(1) writes it."""
    path = os.path.realpath(store.conf).strip("/")
    return "mtls-httpd-watch-" + "".join(
        character if re.match(r"[A-Za-z0-9_.]", character) else "-" if character == "/" else f"_{ord(character):x}_"
        for character in path
    )


def list_units(store: Store) -> list[str]:
    """The paths of a watchman's units, the service first, and of the links that may start its timer."""
    name = name_units(store)
    links = (f"{UNITS}/{start}.wants/{name}.timer" for start in _STARTS)
    return [f"{UNITS}/{name}.service", f"{UNITS}/{name}.timer", *links]


def plan_units(server: Server, store: Store, wish: dict[str, Any], folder: str) -> dict[str, Entry]:
    """What is to be at which path so that systemd runs a watchman of this wish, which writes to C(folder)."""
    service, timer, *links = list_units(store)
    link = next((link for link in links if os.path.isdir(os.path.dirname(link))), links[0])
    service_text, timer_text = _render_units(store, wish, folder, find_network(server))
    return {service: File(service_text.encode()), timer: File(timer_text.encode()), link: Link(timer)}


def has_units() -> bool:
    """Whether systemd runs a watchman here: it does for root alone."""
    return has_systemd() and os.geteuid() == 0


def _list_hidden() -> list[str]:
    """The folders of this machine that the watchman has no business in: all but where programs lie, and the kernel's.

    Not "/" itself, as systemd takes that for what ProtectSystem says of it (seen with 252).
    """
    paths = (f"/{name}" for name in os.listdir("/") if name not in _SEEN)
    return [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]


@dataclass(frozen=True)
class _Network:
    """What a service needs so that it is in httpd's network, in the two sections of its unit. known: it is told."""

    joins: str = ""
    lines: str = ""
    known: bool = True


def find_network(server: Server) -> _Network:
    """The network of httpd, which a run has joined (Server.join), as httpd's unit names it."""
    unit = server.supervision.unit
    is_elsewhere = seclusion.has_changed_network()
    if server.running() and not is_elsewhere:
        return _Network()
    path, is_own = network_of(unit) if unit and has_units() else ("", False)
    if path and _NAMEABLE.fullmatch(path):
        return _Network(lines=f"NetworkNamespacePath={path}\n")
    if is_own and not path:
        # Who joins a unit gets its /tmp too, where both have one of their own; but has no business there.
        lines = "PrivateNetwork=yes\nInaccessiblePaths=-/tmp -/var/tmp\n"
        return _Network(f"JoinsNamespaceOf={unit}\n", lines)
    return _Network(known=not is_elsewhere)


def _render_units(store: Store, wish: dict[str, Any], folder: str, network: _Network) -> tuple[str, str]:
    """Service and timer."""
    logs = {*wish["error_logs"], *(site["access_log"] for site in wish["sites"] if site["access_log"])}
    read = [store.path(each) for each in (WATCH_PROGRAM, WATCH, WATCH_STRANGER)]
    read += [f"-{path}" for path in sorted({os.path.dirname(log) for log in logs}) if _NAMEABLE.fullmatch(path)]
    # Python may be elsewhere than in /usr.
    read += sorted({f"-{each}" for each in (sys.prefix, sys.base_prefix) if not each.startswith("/usr")})
    start = next((each for each in _STARTS if os.path.isdir(f"{UNITS}/{each}.wants")), _STARTS[0])
    known = {
        "conf": store.conf,
        "python": sys.executable,
        "program": store.path(WATCH_PROGRAM),
        "wish": store.path(WATCH),
        "user": "mtls-httpd-watch",
        "hidden": " ".join(f"{path}:ro" for path in sorted({*_list_hidden(), store.conf})),
        "read": " ".join(read),
        "folder": folder,
        "start": start,
        "joins": network.joins,
        "network": network.lines,
    }
    return _SERVICE.format(**known), _TIMER.format(**known)


def find_hindrances(store: Store) -> list[Fault]:
    """Why systemd cannot be told to run a watchman here."""
    odd = next((path for path in (store.conf, sys.executable, *_list_hidden()) if not _NAMEABLE.fullmatch(path)), "")
    if odd:
        words = f"{odd} cannot be named in a unit of systemd"
        return [Fault("metrics-refused", "", words, "make 'metrics_folder' an empty text for this host")]
    if not any(os.path.isdir(f"{UNITS}/{each}.wants") for each in _STARTS):
        words = f"{UNITS}/timers.target.wants is not there"
        return [Fault("metrics-refused", "", words, "make it, as systemd's package does")]
    return []


def is_unit(path: str) -> bool:
    """Whether a path is one of a watchman's units, or the link that starts it."""
    return path.startswith(f"{UNITS}/") and os.path.basename(path).startswith("mtls-httpd-watch-")


def settle(store: Store) -> list[Fault]:
    """Have systemd do what the units on the disk say. Returns why it does not.

    The program is run once, which shows that it can, and has come to its end when this returns.
    """
    name = name_units(store)
    if not has_units():
        return []
    both = (f"{name}.timer", f"{name}.service")
    if not os.path.lexists(f"{UNITS}/{name}.timer"):
        _systemctl("stop", *both)  # while systemd knows them still: else it says that they failed
    _systemctl("daemon-reload")
    if not os.path.lexists(f"{UNITS}/{name}.timer"):
        for each in both:
            _systemctl("reset-failed", each)
        return []
    for words in (("restart", f"{name}.timer"), ("start", f"{name}.service")):
        outcome = _systemctl(*words)
        if outcome:
            journal = ["journalctl", "--unit", f"{name}.service", "--lines", "20", "--output", "cat", "--no-pager"]
            said = own_words(run(journal, PLAIN_ENVIRONMENT, 10).output.splitlines()).rstrip(".")
            words_ = f"the watchman that 'metrics_folder' asks for does not run (`systemctl {' '.join(words)}`): {said}"
            return [
                Fault("metrics-refused", "", words_, "mend that, or make 'metrics_folder' an empty text for this host")
            ]
    return []


def _systemctl(*words: str) -> int:
    return run(["systemctl", *words], PLAIN_ENVIRONMENT, 120).code
