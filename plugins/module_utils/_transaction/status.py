# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a host serves today, on the disk and by handshakes, and whether its httpd would take a reload.

It is looked at as by a run whose wishes are the releases that are there. Nothing is changed.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import wire
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Clients, Examination, Inquiry
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import examine
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.identity import identify
from ansible_collections.mtls.httpd.plugins.module_utils._machine import commands, seclusion
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import (
    Fault,
    list_faults,
    plain,
    tell_faults,
)
from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds
from ansible_collections.mtls.httpd.plugins.module_utils._site import handshakes, misplaced, standing
from ansible_collections.mtls.httpd.plugins.module_utils._site.bypasses import find_bypasses
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import read_callers
from ansible_collections.mtls.httpd.plugins.module_utils._site.conflicts import (
    find_changed_mpm,
    find_taken_names,
    find_upgraded,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.material import find_material_faults
from ansible_collections.mtls.httpd.plugins.module_utils._site.unopened import find_unopened_of_others
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, CRL, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.lock import locked
from ansible_collections.mtls.httpd.plugins.module_utils._store.outline import tell_pin
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import list_blocks
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import HOST_FILE, WATCH, Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.look import (
    describe_without_us,
    find_leftovers,
    in_force,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.plan import Found, Plan, make_plan
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import REASONS, refusal_of
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.server import Server
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.history import Kept
    from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
    from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request

    Value = TypeVar("Value")

LOCK_SECONDS = 10.0
ASKING_SECONDS = 15.0
# How much of the logs is read: enough for a look at who called of late, and no more of a large one.
_DAYS, _BYTES, _READING_SECONDS = 30, 4 << 20, 2.0
_CALLERS = 5  # the last of each site


def tell_status(request: Request, *, rehearse: bool) -> dict[str, Any]:
    """Return what the module C(site_info) documents as its result.

    C(request): its wishes name the sites that the inventory lists, with what may lead past them; its probes ask.
    C(rehearse): whether today's configuration is rehearsed; else the files that it names are loaded.
    Raises OperatorError where the host tells nothing: its httpd is not found, its store is not safe, or another run
    holds the lock.
    """
    server = find.find(request.binary, request.config)
    told: dict[str, Any] = {"found": server is not None, "python": platform.python_version(), "clock": time.time()}
    if server is None:
        return {**told, "faults": []}
    store = Store(server.folder_with(HOST_FILE))
    store.check()
    with locked(store.conf, LOCK_SECONDS):
        server.refresh()
        server.join()
        return {**told, **_Survey(server, store, request).tell(rehearse=rehearse)}


@dataclass
class _Survey:
    """One look at a host.

    faults: what is amiss, of the host and of its sites, in the order in which it was found. facts: of each site, by
    domain, also where its release is damaged, and its facts can be read. callers: who called it of late, the last
    first, where a log tells that.
    """

    server: Server
    store: Store
    request: Request
    faults: list[Fault] = field(default_factory=list)
    facts: dict[str, SiteFacts] = field(default_factory=dict)
    callers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def tell(self, *, rehearse: bool) -> dict[str, Any]:
        if os.path.lexists(self.store.path("journal")):
            words = f"{self.store.path('journal')} tells of a run that was killed"
            self.faults.append(Fault("killed-run", "", words, "deploy again, which first undoes what that run left"))
        wishes = self._served()
        self._look_for_renewed()
        self._look_for_watchman()
        described = self._attempt(lambda: describe_without_us(self.server, self.store), None)
        answers: dict[str, _Met] = {}
        amiss: list[str] = []
        if described:
            without_us, with_ssl = described
            self._look_for_doors(without_us, wishes)
            plan = self._attempt(lambda: self._plan(without_us, with_ssl, wishes), None)
            amiss = self._tell_drift(plan, wishes)
            answers = self._attempt(lambda: self._ask(without_us, wishes), {}) if self.server.running() else {}
        reload = self._tell_reload(described[0] if described else None, wishes, rehearse=rehearse)
        return {
            "server": self._tell_server(),
            "next_reload": reload,
            "amiss": [plain(each) for each in amiss],
            "sites": [self._tell_site(wish, answers.get(wish.domain)) for wish in wishes],
            "faults": list_faults(self.faults),
        }

    # -- what is there

    def _served(self) -> list[SiteWish]:
        """The sites of the store, each as if it were wished for as it is; without a release where that is damaged."""
        listed = {wish.domain: wish for wish in self.request.wishes}
        found = []
        for domain in self.store.domains():
            wish = listed.get(domain, SiteWish(domain))
            found.append(replace(wish, release=self._read(domain), sources=None))
        return found

    def _read(self, domain: str) -> Release | None:
        release = self._attempt(lambda: self.store.read(domain, "current"), None, domain)
        facts = release.facts if release else self._attempt(lambda: self.store.facts(domain), None, domain)
        if facts:
            self.facts[domain] = facts
        return release

    def _look_for_renewed(self) -> None:
        """Which certificates were renewed on the host, as by certbot, and are not served, as where its hook failed."""
        for wish in self.request.wishes:
            facts = self.facts.get(wish.domain)
            if not (facts and wish.sources):
                continue
            from ansible_collections.mtls.httpd.plugins.module_utils._transaction import host_material

            path = wish.sources.certificate
            try:
                offered = host_material.read_certificates(path)
            except host_material.SourceError as error:
                words = f"{wish.domain} could not be renewed: {tell_faults(error.faults)}"
                self.faults.append(Fault("not-renewed", wish.domain, words, ""))
                continue
            found = {wire.sha256(each.certificate) for each in offered}
            # One that a kept release has was in place, and gone back from.
            if facts.certificate_sha256 not in found and found.isdisjoint(self._list_kept(wish.domain)):
                ends = offered[0].told.not_after[:10]
                words = f"{wish.domain}: the certificate in {path}, which ends on {ends}, is not the one that is served"
                hook = facts.renewal_hook
                remedy = f"run {hook} on the host, which puts it in place or says why it cannot" if hook else "deploy"
                self.faults.append(Fault("not-renewed", wish.domain, words, remedy))

    def _look_for_watchman(self) -> None:
        if os.path.lexists(self.store.path(WATCH)):
            from ansible_collections.mtls.httpd.plugins.module_utils._transaction import watchman

            self.faults += self._attempt(lambda: watchman.find_dead(self.store), [])

    def _list_kept(self, domain: str) -> list[str]:
        """The SHA-256 of the certificate of each release that a site keeps."""
        kept: list[Kept] = self._attempt(lambda: self.store.kept(domain), [], domain)
        files = (commands.read(self.store.path(domain, "releases", each.folder, f"{domain}.crt")) for each in kept)
        return [told[0]["sha256"] for told in (_certificates(each.encode(errors="replace")) for each in files) if told]

    def _look_for_doors(self, without_us: Description, wishes: Sequence[SiteWish]) -> None:
        """What leads past a site, and what has its name."""
        releases = {wish.domain: wish.release for wish in wishes if wish.release}
        accepted = {wish.domain: wish.allow_bypass for wish in wishes}
        sites = list(self.facts.values())
        self.faults += self._attempt(lambda: find_bypasses(without_us, self.store, releases, accepted), [])
        self.faults += find_taken_names(without_us, sites)
        live = self._attempt(self.server.describe, None)
        if live:
            shown = [site for site in sites if not site.included or standing.host_of(site, without_us)]
            self.faults += misplaced.find_misplaced(self.store, live, shown)
            self._read_callers(live)

    def _plan(self, without_us: Description, with_ssl: Description, wishes: Sequence[SiteWish]) -> Plan:
        """What a run would do that wishes for what is there."""
        found = Found(self.server, self.store, without_us, with_ssl)
        return make_plan(found, wishes, adopt=False, keep=self.request.keep_releases)

    def _tell_drift(self, plan: Plan | None, wishes: Sequence[SiteWish]) -> list[str]:
        """What is not as an earlier run left it, by path."""
        left = find_leftovers(self.store, wishes)
        return [*(plan.amiss if plan else ()), *(f"{path} is left over" for path in left)]

    def _read_callers(self, live: Description) -> None:
        share = max(1, len(self.facts))
        for domain, site in self.facts.items():
            bounds = Bounds(time.time() - _DAYS * 86400, size=_BYTES // share, seconds=_READING_SECONDS / share)
            found = read_callers(live, self.store, site, bounds)
            if found.access_log and (found.callers or not found.faults):
                last = sorted(found.callers, key=lambda caller: caller.last, reverse=True)[:_CALLERS]
                told = ("subject", "issuer", "last", "calls", "statuses")
                self.callers[domain] = [{name: getattr(caller, name) for name in told} for caller in last]

    # -- what is served

    def _ask(self, without_us: Description, wishes: Sequence[SiteWish]) -> dict[str, _Met]:
        """What handshakes as strangers, at each address, show of each site."""
        described = in_force(self.server, without_us, wishes)
        until = time.monotonic() + ASKING_SECONDS
        dressed = {domain: self.store.refusal(domain) for domain in self.facts}
        occasion = handshakes.Occasion(described, handshakes.Stage.LIVE, until, dressed=dressed)
        answers = {}
        for site in self.facts.values():
            if site.included and not standing.host_of(site, without_us):
                self.faults.append(standing.to_include(self.store, without_us, site))
                continue
            if time.monotonic() > until:
                words = f"{site.domain}: not asked, as {ASKING_SECONDS:.0f} seconds were over"
                self.faults.append(Fault("not-tried", site.domain, words, ""))
                continue
            answers[site.domain] = self._ask_site(occasion, site)
        return answers

    def _ask_site(self, occasion: handshakes.Occasion, site: SiteFacts) -> _Met:
        clients = Clients(untrusted=self.request.probes.stranger)
        inquiry = Inquiry(site.domain, "OPTIONS", (*site.protected_paths, "/")[0])
        met = _Met(site.mutual_tls)
        for address in standing.addresses(site, occasion.described):
            door = standing.find_door(occasion.described, address, site.port)
            found = handshakes.try_site(occasion, site, door, self.request.probes)
            if found:  # Only then is it asked what else is there.
                self.faults += found
                seen = examine(door, inquiry, clients, occasion.seconds_left())
                met = _Met(seen.mutual_tls, seen)
                if seen.mutual_tls != site.mutual_tls:
                    break
        return replace(met, proxied=standing.expects_proxy_header(occasion.described, address, site.port))

    # -- whether it would go on

    def _tell_reload(
        self, without_us: Description | None, wishes: Sequence[SiteWish], *, rehearse: bool
    ) -> dict[str, Any]:
        """Whether httpd would take a reload, as logrotate makes one, by what that is known, and what speaks against."""
        if without_us is None:
            return {"survives": False, "decided_by": "httpd", "message": plain(tell_faults(self.faults[-1:]))}
        against: list[Fault] = []
        if self.server.running():
            against += find_changed_mpm(self.server, without_us) + find_upgraded(self.server)
        decided_by = "files"
        if rehearse:
            # Not compiled for a look that rehearses nothing.
            from ansible_collections.mtls.httpd.plugins.module_utils._transaction import given_sockets

            decided_by, found, came_to_an_end = self._rehearse(without_us, wishes)
            against += [*found, *(find_unopened_of_others(self.server, without_us) if self.server.running() else ())]
            forgotten = given_sockets.find_forgotten_sockets(self.server, without_us)
            untried = [each for each in forgotten if each.code == "rehearsal-failed"]
            against += [each for each in forgotten if each not in untried]
            if not against and (untried or not came_to_an_end):
                words = plain(tell_faults(untried)) or "the rehearsal came to no end, so that it is not known"
                return {"survives": None, "decided_by": decided_by, "message": words}
        else:
            live = self._attempt(self.server.describe, None)
            against += find_unopened_of_others(self.server, live) if live and self.server.running() else ()
            against += find_material_faults(live, strict=False) if live else self.faults[-1:]
            if not against and live and self._may_forget_sockets(live):
                words = "systemd opens the sockets of httpd, and a reload ends an httpd that forgets them; only a look "
                words += "with a rehearsal tells whether this one does"
                return {"survives": None, "decided_by": decided_by, "message": words}
        return {"survives": not against, "decided_by": decided_by, "message": plain(tell_faults(against))}

    def _may_forget_sockets(self, live: Description) -> bool:
        """Whether httpd was given its sockets, so that a trial alone would tell whether it outlives a reload."""
        parent = self.server.parent if self.server.running() else None
        return parent is not None and "systemd_module" in live.modules and seclusion.is_given_sockets(parent.pid)

    def _rehearse(self, without_us: Description, wishes: Sequence[SiteWish]) -> tuple[str, list[Fault], bool]:
        """How today's configuration was rehearsed, why httpd would not start with it, and whether it was tried."""
        from ansible_collections.mtls.httpd.plugins.module_utils._transaction import proof, rehearsal, trial

        sites = [wish.release.facts for wish in wishes if wish.release]
        shown = [site for site in sites if not site.included or standing.host_of(site, without_us)]
        allowed = frozenset(wish.domain for wish in wishes)  # what they start is started today
        accepted = {wish.domain: wish.allow_bypass for wish in wishes}
        draft = trial.Draft(allowed=allowed)
        result = rehearsal.rehearse(
            trial.Trial(self.server, self.store, without_us, draft, shown, self.request.probes, accepted)
        )
        self.server.forget()
        self.faults += result.faults
        words = f"httpd says: {proof.name_site(self.store, result.broken)}"
        against = [Fault("broken-before", "", words, "")] if result.broken else []
        # httpd ends at a CA that is too weak; of the other faults, those are told by who was tried.
        against += [each for each in result.faults if each.code == "client-ca-weak"]
        tried = result.complete and not any(each.code == "rehearsal-failed" for each in result.faults)
        return f"{result.mode} rehearsal", against, tried

    # -- how it is told

    def _tell_server(self) -> dict[str, Any]:
        server = self.server
        return {
            "binary": server.binary,
            "version": server.built.version,
            "openssl": server.openssl(),
            "config": server.config,
            "running": server.running(),
            "supervised_by": server.supervision.kind,
            "unit": server.supervision.unit,
            "enabled": server.supervision.enabled,
            "identity": identify(server),
        }

    def _tell_site(self, wish: SiteWish, met: _Met | None) -> dict[str, Any]:
        """One site of the store; where its facts cannot be read, only its name."""
        told: dict[str, Any] = {
            "domain": wish.domain,
            "release": self.store.current(wish.domain) or None,
            "previous": self.store.current(wish.domain, "previous") or None,
            "since": next((each.since for each in self.store.kept(wish.domain)[-1:]), "") or None,
            "whole": wish.release is not None,
            "known": wish.domain in self.facts,
        }
        if wish.domain not in self.facts:
            return told
        facts = self.facts[wish.domain]

        def content(name: str) -> bytes:
            return commands.read(self.store.path(wish.domain, "current", name)).encode(errors="replace")

        chain = _certificates(content(f"{wish.domain}.crt"))
        return {
            **told,
            "port": facts.port,
            "listen": list(facts.listen),
            "aliases": list(facts.aliases),
            "certificate": chain[0] if chain else None,
            "chain": chain[1:],
            "client_ca": _certificates(content(CLIENT_CA)),
            "crl_ends": facts.crl_ends or None,
            "crls": list(_lists(content(CRL))),
            "ends": facts.ends,
            "verify_client": facts.verify_client,
            "wanted": facts.mutual_tls,
            "mutual_tls": met.mutual_tls if met else "unproven",
            "served": met.served if met else None,
            "pins": [self._tell_pin(facts, pin) for pin in facts.pins],
            "pinned": [one for name in facts.pinned_files.values() for one in _certificates(content(name))],
            "open_paths": list(facts.open_paths),
            "protected_paths": list(facts.protected_paths),
            "callback_paths": list(facts.called),
            "versions": list(facts.versions),
            "proxy_protocol": bool(met and met.proxied),
            "callers": self.callers.get(wish.domain),
            "renewal_hook": facts.renewal_hook or None,
            "include": self.store.path(wish.domain, "current", SITE) if facts.included else None,
        }

    def _tell_pin(self, facts: SiteFacts, pin: str) -> str:
        """A pin as it is compared between hosts; as it is written where its certificate cannot be read."""
        with suppress(OSError, ValueError, StoreError):
            return tell_pin(self.store.path(facts.domain, "current"), pin, facts)
        return pin

    def _attempt(self, act: Callable[[], Value], otherwise: Value, domain: str = "") -> Value:
        """What C(act) returns; where it is refused, the reasons are kept, and it is C(otherwise)."""
        try:
            return act()
        except REASONS as error:
            self.faults += [replace(each, domain=each.domain or domain) for each in refusal_of(error).reasons]
            return otherwise


@dataclass(frozen=True)
class _Met:
    """What strangers met at a site: what it asks of them, and where that was not as wished, what else was seen."""

    mutual_tls: str
    seen: Examination | None = None
    proxied: bool = False

    @property
    def served(self) -> dict[str, str] | None:
        """The certificate that was served in the place of the site's, None where that is its own."""
        certificate = self.seen.certificate if self.seen else None
        return _tell_certificate(certificate) if certificate else None


def _certificates(pem: bytes) -> list[dict[str, str]]:
    """What the certificates of a release's own file say; nothing of a file that is damaged."""
    with suppress(ValueError):
        return [_tell_certificate(one) for one in list_blocks(pem, "CERTIFICATE")]
    return []


def _tell_certificate(certificate: bytes) -> dict[str, str]:
    """What a certificate (DER) says; by its fingerprint alone where that is written oddly."""
    try:
        told = wire.read_certificate(certificate)
    except ValueError:
        return {"subject": "", "issuer": "", "sha256": wire.sha256(certificate), "not_before": "", "not_after": ""}
    return {
        "subject": wire.rfc4514(told.subject),
        "issuer": wire.rfc4514(told.issuer),
        "sha256": wire.sha256(certificate),
        "not_before": told.not_before,
        "not_after": told.not_after,
    }


def _lists(pem: bytes) -> Iterator[dict[str, str]]:
    """Issuer and updates of the revocation lists of a release's own file; nothing of a file that is damaged."""
    with suppress(ValueError):
        for one in list_blocks(pem, "X509 CRL"):
            told = wire.read_list(one)
            dates = {"this_update": told.this_update, "next_update": told.next_update}
            yield {"issuer": wire.rfc4514(told.issuer), **dates}
