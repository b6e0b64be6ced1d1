# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The httpd to deal with.

No table of distributions stands here. Where an httpd runs, its process tells how it was called; where none runs, the
usual names are looked for, and the binary tells the rest.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._httpd.parents import (
    Parent,
    ask_build,
    call_of,
    configuration_arguments,
    parent_of,
    running_parents,
    value_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.supervision import (
    NAMES,
    Supervision,
    supervision,
    unit_environment,
    unit_of,
    unit_of_instance,
    would_call,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine import trusted_paths
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import PLAIN_ENVIRONMENT, HttpdError, run
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDERS = ("/usr/local/apache2/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PATH_MAX = 4096  # of Linux


def find(binary: str | None = None, config: str | None = None) -> Server | None:
    """The httpd to deal with: the running one, else one that is installed, else None.

    C(binary) and C(config), paths, say which. Raises HttpdError where several run and neither says which, or where what
    they name is not there.
    """
    for name, path in (("httpd_binary", binary), ("httpd_config", config)):
        # Not shown, as it may be anything.
        if path is not None and not (path.startswith("/") and path.isprintable() and len(path) < _PATH_MAX):
            raise HttpdError(
                Fault(
                    "httpd-not-found",
                    "",
                    f"{name}: what is given is not an absolute path, of printable characters, on this host",
                    "",
                )
            )
    if binary is not None and not os.access(binary, os.X_OK):
        raise HttpdError(
            Fault("httpd-not-found", "", f"httpd_binary: {binary} is not an executable file on this host", "")
        )
    if binary is not None:
        _trusted("httpd_binary: ", binary)
    if config is not None and not os.path.isfile(config):
        words = f"httpd_config: {config} is not a file on this host, or this user may not see it"
        raise HttpdError(Fault("httpd-not-found", "", words, ""))
    servers = []
    for pid, exe in running_parents():
        server = _of_process(pid, exe, binary, config)
        if server is not None:
            servers.append(server)
    if len(servers) > 1:
        told = ", ".join(f"{each.binary} with {each.config}" for each in servers)
        raise HttpdError(
            Fault(
                "httpd-ambiguous", "", f"several httpd run here ({told})", "say which by httpd_binary and httpd_config"
            )
        )
    if servers:
        return servers[0]
    candidates = [binary] if binary else [os.path.join(folder, name) for folder in _FOLDERS for name in NAMES]
    if config is not None:  # The one that an httpd runs with was somebody's choice.
        _trusted("httpd_config: ", config)
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return _of_binary(candidate, config)
    return None


def _trusted(name: str, path: str) -> None:
    """See that nobody but root or this user could change what we are about to run. Raises HttpdError."""
    try:
        trusted_paths.follow_path(path)
    except trusted_paths.Untrusted as reason:
        raise HttpdError(*(replace(each, message=f"{name}{each.message}") for each in reason.faults)) from None


def _of_process(pid: int, exe: str, binary: str | None, config: str | None) -> Server | None:
    """The server that a process is; None where it is none, or not the one that is asked for."""
    call = call_of(pid)
    parent = parent_of(pid)
    if call is None or parent is None or not _is_same(binary, exe):
        return None
    called_with = value_of(call[0], "-f")
    # Whoever was called with a path need not be asked which it reads: many may run here.
    if called_with.startswith("/") and not _is_same(config, called_with):
        return None
    try:
        server = _make_server(exe, *call, parent, supervision(pid))
    except HttpdError:
        return None
    return server if _is_same(config, server.config) else None


def _is_same(asked: str | None, found: str) -> bool:
    """Whether a path is the one that is asked for; any is, where none is."""
    return asked is None or os.path.realpath(asked) == os.path.realpath(found)


def _of_binary(binary: str, config: str | None) -> Server:
    arguments: tuple[str, ...] = ("-f", config) if config else ()
    supervision = unit_of(binary) if config is None else _unit_for(binary, config)
    if supervision.distant:
        found, supervision = _of_distant_program(binary, supervision)
        if found is not None:
            return found
    environment = dict(PLAIN_ENVIRONMENT)
    if config is not None and os.path.isfile(os.path.join(os.path.dirname(config), "envvars")):
        # As Debian's apache2ctl calls an instance of its own folder.
        environment["APACHE_CONFDIR"] = os.path.dirname(config)
        arguments = ("-d", os.path.dirname(config), *arguments)
    if supervision.unit:
        more, words = unit_environment(supervision.unit)
        environment.update(more)
        arguments += _without_foreground(configuration_arguments(words))
    server = _make_server(binary, arguments, environment, None, supervision)
    if supervision.program:
        binary, words, environment = would_call(supervision, binary, os.path.dirname(server.config))
        return _make_server(binary, configuration_arguments(words), environment, None, supervision)
    for folder in dict.fromkeys((os.path.dirname(server.config), os.path.dirname(binary))):
        envvars = os.path.join(folder, "envvars")
        if os.path.isfile(envvars):
            _trusted("", envvars)
            # The control program reads it the same way before it calls httpd.
            outcome = run(["/bin/sh", "-c", '. "$0" >/dev/null && exec env -0', envvars], environment, 10)
            if outcome.code == 0:
                environment = dict(pair.split("=", 1) for pair in outcome.output.split("\0") if "=" in pair)
                return _make_server(binary, arguments, environment, None, supervision)
    return server


def _unit_for(binary: str, config: str) -> Supervision:
    """The systemd unit that would start this binary with this main file: of Debian's instances, RHEL's, or its own."""
    supervision = unit_of_instance(config)
    instance = os.path.splitext(os.path.basename(config))[0]
    for name in () if supervision.unit else (*NAMES, *(f"{name}@{instance}" for name in NAMES)):
        candidate = unit_of(binary, [name])
        if candidate.unit and not candidate.distant:
            environment, words = unit_environment(candidate.unit)
            with suppress(HttpdError):
                asked = (binary, configuration_arguments(words), {**PLAIN_ENVIRONMENT, **environment})
                if os.path.realpath(ask_build(*asked)[1]) == os.path.realpath(config):
                    return candidate
    return supervision


def _without_foreground(arguments: tuple[str, ...]) -> tuple[str, ...]:
    pairs = zip(arguments[::2], arguments[1::2])
    return tuple(word for pair in pairs if pair != ("-D", "FOREGROUND") for word in pair)


def _of_distant_program(binary: str, supervision: Supervision) -> tuple[Server | None, Supervision]:
    """The server that a unit's program starts, which lies elsewhere, and who starts this binary then.

    There is no such server where the program calls httpd's control program, which knows the rest, or another httpd, or
    none: the unit is another's then.
    """
    with suppress(HttpdError):
        _built, config = ask_build(binary, (), PLAIN_ENVIRONMENT)
        called, words, environment = would_call(supervision, binary, os.path.dirname(config))
        if os.path.dirname(os.path.realpath(called)) == os.path.dirname(os.path.realpath(binary)):
            if called.endswith("ctl"):
                return None, replace(supervision, program=(), distant=False)
            return _make_server(called, configuration_arguments(words), environment, None, supervision), supervision
    return None, Supervision("pid-file")


def _make_server(
    binary: str,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    parent: Parent | None,
    supervision: Supervision,
) -> Server:
    built, config = ask_build(binary, arguments, environment)
    return Server(binary, arguments, environment, parent, supervision, built, config)
