# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a configuration starts, or reaches, as soon as httpd starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._machine.programs import can_confine
from ansible_collections.mtls.httpd.plugins.module_utils._site import standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.logs import LOG_DIRECTIVES

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description, Directive
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# Directives that name a program to start with httpd: how their word for it begins, and what it is.
_LOGGERS = (*LOG_DIRECTIVES, "secauditlog", "secauditlog2", "secdebuglog", "secguardianlog", "jklogfile")
_PROGRAMS: dict[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(_LOGGERS, (("|",), "a piped logger")),
    "rewritemap": (("prg:",), "a rewriting program"),
    "sslpassphrasedialog": (("exec:", "|"), "a program that tells a passphrase"),
    "sslrandomseed": (("exec:",), "a program that makes random numbers"),
}
# Directives by which code of the operator's runs as soon as httpd starts, in httpd's own processes.
_HOSTING = {"wsgidaemonprocess", "wsgiimportscript", "perlrequire", "perlmodule", "perlpostconfigrequire"}
# mod_md's: it writes to its store, asks a CA over the network, and starts programs. Nothing of that is to be had in a
# private world, and its httpd does without.
_MANAGING = ("mdomain", "<mdomainset", "mdmessagecmd", "mdnotifycmd", "mdchallengedns01")
# Directives that start processes, or reach out, as soon as httpd starts.
_EFFECTS = {
    *_HOSTING,
    "passengerroot",
    "fastcgiserver",
    *_MANAGING,
}


def find_effects(binary: str, without_us: Description) -> str:
    """Why the live configuration is not started in full beside the live server; empty where it can be.

    RHEL's ssl.conf names a program that tells passphrases, as it comes. It is called where a key has one, and nowhere
    else: so where C(binary), httpd, can be kept from starting it, that is tried. So is code that httpd's own processes
    run, and so are domains that mod_md manages: in a private world they can change nothing, and reach nobody.
    """
    tried = {"sslpassphrasedialog", *_HOSTING, *_MANAGING} if can_confine(binary) else set()
    effective = (found for found in _effective(without_us) if found[0].name.lower() not in tried)
    return next((f"{words} ({each.place})" for each, words in effective), "")


def find_hosted(described: Description) -> Directive | None:
    """The first directive by which code of the operator's runs as soon as httpd starts; none where there is none."""
    return next(iter(described.named(*_HOSTING)), None)


def _effective(described: Description) -> Iterator[tuple[Directive, str]]:
    """Each directive that has effects as soon as httpd starts, and which."""
    for each in described.directives:
        name = each.name.lower()
        beginnings, words = _PROGRAMS.get(name, ((), ""))
        if any(word.lstrip().lower().startswith(beginnings) for word in each.words):
            yield each, f"{words} would be started"
        elif name in _EFFECTS:
            yield each, f"{each.name.lstrip('<')} has effects as soon as httpd starts"


def find_forbidden(
    server: Server,
    without_us: Description,
    described: Description,
    places: Mapping[str, SiteFacts],
    allowed: Container[str],
) -> list[Fault]:
    """What sites would start and may not, or may, and this host could not keep a rehearsal from it; one fault each.

    C(described): the changed configuration. C(places): the sites by the path of their site.conf in it. C(allowed): the
    domains of sites that may.
    """
    known = {(each.place, each.name, each.arguments) for each in without_us.directives}
    faults = []
    for each, words in _effective(described):
        if (each.place, each.name, each.arguments) in known:
            continue
        for path, site in places.items():
            including = standing.host_of(site, described)
            own = path in each.file  # or in the macro that it is of
            inside = own or path in each.host or (including and each.host == including.place)
            place = f"line {each.line} of its site.conf" if own else each.place
            if inside and site.domain not in allowed:
                remedy = "take it out, or set 'allow_programs' for this site"
                faults.append(Fault("starts-program", site.domain, f"{site.domain}: {words} ({place})", remedy))
            elif inside and not can_confine(server.binary):
                told = f"{site.domain}: {words} ({place}), from which this host could not keep a rehearsal"
                faults.append(Fault("starts-program", site.domain, told, ""))
    return list(dict.fromkeys(faults))
