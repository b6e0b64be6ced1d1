# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ways to what a site protects by other virtual hosts, on their connections and by their sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Question
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import Way, ask_by_way_of
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.admission import Admission
from ansible_collections.mtls.httpd.plugins.module_utils._site.handshakes import find_admitted
from ansible_collections.mtls.httpd.plugins.module_utils._site.standing import find_door, find_neighbours

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Probes
    from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import Canaries
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts
    from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store

_SECONDS = 5.0
_BY_SESSION = "by a TLS session of"


def try_detours(store: Store, canaries: Canaries, site: SiteFacts, address: str, probes: Probes) -> list[Fault]:
    """Try to reach what a site protects by way of virtual hosts beside it, and elsewhere. Returns the faults.

    By the site's name in a request on their connections, and by resuming their sessions at the site (CVE-2025-23048),
    as the throwaway CA's client, whom `their_clients` lets in there, and as a stranger.
    """
    faults: list[Fault] = []
    described = canaries.described
    admitted = find_admitted(site, probes)
    door = find_door(described, address, site.port)
    admission = Admission(canaries, site, door, admitted)
    path, method = admission.find_target()
    for other in find_neighbours(store, described, site, address):
        way = Way(other.name, find_door(described, other.address, other.port))
        is_beside, shut = (other.address, other.port) == (address, site.port), ""
        for version in ("TLSv1.3", "TLSv1.2"):
            question = Question(
                site.domain, version, "trusted", admitted, path=path, method=method, awaited=admission.awaited
            )
            known, offered, how = len(canaries.stand_ins.arrivals), False, "by its name in a request to"
            # A request on a connection elsewhere is that host's to answer: httpd leads it to none of another port.
            is_led = is_beside
            for answer in ask_by_way_of(way, door, question, probes.stranger, _SECONDS):
                offered = offered or answer.offered
                if is_led and admission.is_let_in(question, answer, known, _SECONDS):
                    faults.append(_tell(site, other.host.place, f"{how} the virtual host", answer.detail))
                shut = (
                    answer.detail if how != _BY_SESSION and answer.result == "refused" and not answer.status else shut
                )
                known, how, is_led = len(canaries.stand_ins.arrivals), _BY_SESSION, True
            if offered:
                break
        # Where they are told apart by name alone, or not at all, a session there may be worth something here.
        if shut and (is_beside or other.host.answers(site.domain)):
            canaries.warnings.append(_tell_untried(site, other.host.place, shut))
    return list(dict.fromkeys(faults))


def _tell_untried(site: SiteFacts, place: str, detail: str) -> Fault:
    words = (
        f"{site.domain}: whether a TLS session of the virtual host at {place} lets in was not tried, as it refuses a "
        f"client of a CA that was put beside its own ({detail})"
    )
    return Fault("not-tried", site.domain, words, "")


def _tell(site: SiteFacts, place: str, way: str, detail: str) -> Fault:
    words = f"{site.domain}: a client whose certificate was not checked for it got in {way} at {place} ({detail})"
    remedy = (
        "update httpd (CVE-2025-23048), and take SSLVHostSNIPolicy out where it is set. httpd tells sessions apart by "
        "the name and port of ServerName, so let that virtual host have others there"
    )
    return Fault("detour", site.domain, words, remedy)
