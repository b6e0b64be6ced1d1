# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever was done to a host before, in whatever order: it serves what was wished for last, and nothing else.

Runs of every kind follow each other at random, with hands that meddle between them. SEED repeats a walk; with LONG set,
there are many.
"""

from __future__ import annotations

import os
import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from embedded_httpd import EmbeddedHttpd, HttpdError, free_port
from host import Host

from ansible_collections.mtls.httpd.plugins.module_utils._store.history import KEEP_RELEASES
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo_material import Authority, Issued

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Probes

LONG = bool(os.environ.get("LONG"))
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
STEPS = 12
DOMAINS = ("www.example.com", "shop.example.com", "api.example.com")


@dataclass(frozen=True)
class Deployed:
    """What a site was wished to be."""

    issued: Issued
    port: int


@dataclass
class Walk:
    """A host, what it is to serve, what each site was before, and what has happened so far."""

    host: Host
    chance: random.Random
    bare: object
    served: dict[str, list[Issued]]
    ports: tuple[int, int]
    sites: dict[str, Deployed] = field(default_factory=dict)
    before: dict[str, Deployed] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Do one thing of those that can be done, and see that all is as it should be."""
        doings = (
            [self.deploy] * 3 + [self.meddle] * 4 + [self.go_back, self.deploy_what_is_wrong, self.remove, self.restart]
        )
        self.chance.choice(doings if self.sites else [self.deploy])()
        self.serves_what_was_wished_for_last()
        self.leaves_nothing_to_do_and_nothing_over()

    def some(self) -> list[str]:
        return self.chance.sample(DOMAINS, self.chance.randint(1, len(DOMAINS)))

    def wish(self, domain: str, deployed: Deployed, **options: Any) -> SiteWish:
        return self.host.wish(domain, issued=deployed.issued, port=deployed.port, **options)

    def all(self) -> list[SiteWish]:
        return [self.wish(*each) for each in self.sites.items()]

    # -- runs

    def deploy(self) -> None:
        wished = {
            domain: Deployed(self.chance.choice(self.served[domain]), self.chance.choice(self.ports))
            for domain in self.some()
        }
        self.steps.append(f"deploy {[(domain, each.issued.sha256[:4], each.port) for domain, each in wished.items()]}")
        self.host.apply(*(self.wish(*each) for each in wished.items()))
        for domain, deployed in wished.items():
            if self.sites.get(domain, deployed) != deployed:
                self.before[domain] = self.sites[domain]
            self.sites[domain] = deployed

    def remove(self) -> None:
        domains = self.some()
        self.steps.append(f"remove {domains}")
        self.host.apply(*map(SiteWish, domains))
        for domain in domains:
            self.sites.pop(domain, None)
            self.before.pop(domain, None)
        if not self.sites:
            assert self.host.state(times=False)[0] == self.bare

    def go_back(self) -> None:
        domain = self.chance.choice(list(self.sites))
        self.steps.append(f"go back {domain}")
        if domain in self.before:
            # A second time changes nothing.
            assert self.host.apply(SiteWish(domain, previous=True)).changed == (
                self.before[domain] != self.sites[domain]
            )
            self.sites[domain] = self.before[domain]
        else:
            assert domain in self.host.refused(SiteWish(domain, previous=True))

    def deploy_what_is_wrong(self) -> None:
        domain, *others = self.some()
        self.steps.append(f"deploy a wrong key for {domain}, beside {others}")
        one, two, *_more = self.served[domain]
        wishes = [self.host.wish(domain, issued=one, key=two.key_pem), *map(self.host.wish, others)]
        assert domain in self.host.refused(*wishes)

    # -- hands

    def restart(self) -> None:
        self.steps.append("restart")
        self.host.restart()

    def meddle(self) -> None:
        """A hand changes something, and the next run for all sites puts it right, and names it."""
        domain = self.chance.choice(list(self.sites))
        hands: dict[str, Callable[[Path], object]] = {
            "empties site.conf": lambda release: (release / "site.conf").write_text("# nothing\n"),
            "closes a release": lambda release: release.chmod(0o700),
            "opens a key": lambda release: (release / f"{domain}.key").chmod(0o644),
            "loses a certificate": lambda release: (release / f"{domain}.crt").unlink(),
            "loses a link": lambda _release: (self.host.conf / f"{domain}.crt").unlink(),
            "loses host.conf": lambda _release: (self.host.store / "host.conf").unlink(),
            "loses the line in httpd.conf": lambda _release: self.host.httpd.conf.write_text(
                re.sub(".*mtls.*\n", "", self.host.httpd.conf.read_text())
            ),
            "litters": lambda release: (release.parent / "0123456789abcdef").mkdir(),
            "stops httpd": lambda _release: self.host.httpd.stop(),
        }
        hand = self.chance.choice(list(hands))
        reloads = hand != "stops httpd" and self.chance.random() < 0.5
        self.steps.append(f"a hand {hand} of {domain}{', and reloads' * reloads}")
        hands[hand]((self.host.store / domain / "current").resolve())
        if reloads:
            with suppress(HttpdError):  # A configuration that has come to harm is not reloaded, and not started.
                self.host.httpd.run("-t")
                self.host.httpd.run("-k", "graceful")
        assert self.host.apply(*self.all()).healed

    # -- what holds

    def serves_what_was_wished_for_last(self) -> None:
        for domain in DOMAINS:
            deployed = self.sites.get(domain)
            for port in self.ports:
                answers = self.host.answers(domain=domain, port=port).values()
                served = {answer.certificate_sha256 for answer in answers}
                if deployed and deployed.port == port:
                    assert served == {deployed.issued.sha256}, (domain, port)
                    assert self.host.enforces(domain, port=port)
                else:
                    assert not served & {issued.sha256 for issued in self.served[domain]}, (domain, port)

    def leaves_nothing_to_do_and_nothing_over(self) -> None:
        if self.sites:
            again = self.host.apply(*self.all())
            assert (again.changed, again.healed) == (False, [])
        assert {path.parent.name for path in self.host.store.glob("*/releases")} == set(self.sites)
        for domain in self.sites:
            assert len(list((self.host.store / domain / "releases").iterdir())) <= KEEP_RELEASES + 2


@pytest.mark.parametrize("number", range(40 if LONG else 2))
def test_a_host_serves_what_was_wished_for_last_whatever_came_before(
    embedded: EmbeddedHttpd, authority: Authority, chat: Authority, probes: Probes, number: int
) -> None:
    ports = (free_port(), free_port())
    host = Host(embedded, authority, chat, ports[0], probes)
    served = {domain: [authority.issue(domain) for _number in range(3)] for domain in DOMAINS}
    walk = Walk(host, random.Random(SEED + number), host.state(times=False)[0], served, ports)
    try:
        for _step in range(STEPS * (3 if LONG else 1)):
            walk.step()
    except BaseException as error:
        error.add_note(f"SEED={SEED + number}: {'; '.join(walk.steps)}")
        raise
