# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What handshakes with a site must show, rehearsed or live."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    NO_METHOD,
    VERSIONS,
    Answer,
    Door,
    Identity,
    Probes,
    Question,
    tell_over,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.http2 import ALPN_NAME
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import join_endpoint
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.standing import find_door

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from ansible_collections.mtls.httpd.plugins.module_utils._httpd.description import Description
    from ansible_collections.mtls.httpd.plugins.module_utils._site.admission import Admission
    from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import Canaries
    from ansible_collections.mtls.httpd.plugins.module_utils._site.twin_clients import TwinnedCAs
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

_SECONDS = 5.0
_FEW = 2  # clients that are named beside the first
MOST = 64  # of each option's paths or clients that are asked for
_Known = TypeVar("_Known")
_WHO = {
    "none": "a client without a certificate",
    "untrusted": "a client of another CA",
    "trusted": "a client of the client CA",
    "unlisted": "a client of the client CA that is not among 'allowed_clients'",
    "revoked": "a client that a CRL names",
}


# The kind of a client that a twin of a client CA issued, before the subject of that CA.
_TWIN = "twin of "


class Stage(Enum):
    """Whether a site is rehearsed or live, which decides who is tried, and which CAs it may ask for.

    In a rehearsal the throwaway CA is among the client CAs, so that its clients are tried too.
    """

    REHEARSAL = "rehearsal"
    LIVE = "live"


@dataclass(frozen=True)
class Occasion:
    """On what a site is tried, and until when.

    C(described): what httpd says of the configuration that is served. C(deadline): moment of time.monotonic() after
    which nothing is waited for. C(twins): the twins of the sites' client CAs, by domain, with clients.
    C(canaries): what stands for the content of the sites, in a full rehearsal.
    C(dressed): by domain, the SHA-256 of the page that a site refuses with, where a rehearsal has shown that it is one
    although its status says otherwise.
    """

    described: Description
    stage: Stage
    deadline: float = float("inf")
    twins: Mapping[str, TwinnedCAs] = field(default_factory=dict)
    canaries: Canaries | None = None
    dressed: Mapping[str, str] = field(default_factory=dict)

    def seconds_left(self) -> float:
        """Return the time for one question: a moment at least, so that one more look is taken at the deadline."""
        return max(0.1, min(_SECONDS, self.deadline - time.monotonic()))


@dataclass(frozen=True)
class _Caller:
    """One kind of client, who it is, and the paths that it asks for."""

    kind: str
    identity: Identity | None
    paths: Sequence[str]


def try_site(occasion: Occasion, site: SiteFacts, door: Door, probes: Probes) -> list[Fault]:
    """Shake hands with a site as each kind of client, over each version of TLS. Returns the faults.

    And over HTTP/2, where the site promises it.
    """
    callers = _callers(occasion.stage, site, probes)
    twins = occasion.twins.get(site.domain)
    called = (_shut(site) if site.pins else site.called)[:1]
    for name, one in twins.clients if twins else ():
        callers.append(_Caller(f"{_TWIN}{name}", one, called))
    for name, number, one in twins.named if twins else ():
        kind = f"allowed_clients[{number}], of a twin of the client CA '{name}',"
        callers.append(_Caller(kind, one, site.called[:1]))
    admission = _admission(occasion, site, door, probes)

    def asked(version: str, *, http2: bool) -> list[Answer]:
        questions = [
            Question(site.domain, version, caller.kind, caller.identity, path=path, http2=http2)
            for caller in callers
            for path in caller.paths
        ]
        return [_ask(occasion, admission, site, door, question) for question in questions]

    answers = [answer for version in _versions(site) for answer in asked(version, http2=False)]
    # Over no older TLS (RFC 9113, section 9.2).
    versions = VERSIONS if "http2" in site.welcome and occasion.described.has_http2 else ()
    over_http2 = [answer for version in versions for answer in asked(version, http2=True) if answer.offered]
    explained = admission.explained if admission else ()
    faults = list(judge_answers(site, answers + over_http2, occasion.stage, explained))
    faults += _without_http2(site, over_http2)
    faults += admission.tell() if admission else []
    return [_name_place(site, door.address, fault) for fault in dict.fromkeys(faults)]


def _admission(occasion: Occasion, site: SiteFacts, door: Door, probes: Probes) -> Admission | None:
    """Who asks a site where there are canaries for it."""
    canaries = occasion.canaries
    if not canaries or site.domain not in canaries.hosts:
        return None
    # Of a rehearsal alone, so not compiled elsewhere.
    from ansible_collections.mtls.httpd.plugins.module_utils._site.admission import Admission

    return Admission(canaries, site, door, find_admitted(site, probes))


def find_admitted(site: SiteFacts, probes: Probes) -> Identity:
    """A client that must be let in: one that fulfils a pin, where the site has pins, else the throwaway CA's."""
    return next((probes.pinned[pin] for pin in site.pins if pin in probes.pinned), probes.trusted)


def _ask(occasion: Occasion, admission: Admission | None, site: SiteFacts, door: Door, question: Question) -> Answer:
    """Ask one question: as Chat asks, where canaries stand for backends, and else so that no backend is called.

    An open path is asked for by GET, as a monitor asks.
    """
    is_open = question.client == "none" and question.path in site.open_paths
    if admission is None:
        return _ask_without_canaries(occasion, site, door, question)
    seconds = occasion.seconds_left()
    if is_open:
        return admission.ask_admitted(replace(question, method="GET"), seconds)
    called = replace(question, method="POST")
    unlisted = question.client == "unlisted" or (site.pins and question.client.startswith(_TWIN))
    if question.client == "untrusted" and site.verify_client == "optional_no_ca":
        return admission.ask(called, seconds)
    if unlisted or question.client in ("none", "untrusted", "revoked"):
        return admission.ask_refused(called, seconds)
    return admission.ask_for_content(called, seconds)


def _see_whether_sent_away(site: SiteFacts, door: Door, question: Question, answer: Answer, seconds: float) -> Answer:
    """Take being sent away for the refusal of a path: a rule's may be, by ErrorDocument with a URL.

    Where no canary shows what lies behind it, and all but some paths are to be closed, a path that nobody has is asked
    for too: who gets another answer there than a refusal was let in.
    """
    if _expected_answer(site, answer) != "403" or not 300 <= answer.status < 400:
        return answer
    if site.mutual_tls == "enforced":
        other = ask(door, replace(question, path=_no_path()), seconds)
        if other.result == "accepted" and not 300 <= other.status < 400:
            return other
    return replace(answer, result="refused")


def _no_path() -> str:
    """A path that nobody has."""
    return f"/mtls-httpd-{secrets.token_hex(8)}"


def _ask_without_canaries(occasion: Occasion, site: SiteFacts, door: Door, question: Question) -> Answer:
    """Ask one question where nothing shows what was reached but the answer itself.

    Where a status says that somebody was let in, the page that was the refusal in the rehearsal is taken for it.
    """
    seconds, dressed = occasion.seconds_left(), occasion.dressed.get(site.domain)
    answer = ask(door, question, seconds)
    if _expected_answer(site, answer) == "403" and (answer.status in NO_METHOD or 200 <= answer.status < 300):
        # The method alone may be what is answered, before the rules are asked: refused (AllowMethods), or as CORS wants
        # it. That says nothing of other requests; whether it leads to content, a full rehearsal has shown.
        answer = ask(door, replace(question, method="GET"), seconds)
    answer = _see_whether_sent_away(site, door, question, answer, seconds)
    if not (dressed and _expected_answer(site, answer) == "403" and answer.result == "accepted"):
        return answer
    # Of sites alone whose refusals look like none, so not compiled elsewhere.
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import digest_page

    # A site that is open may serve that very page, but not where it has none.
    paths = [answer.path, *([_no_path()] if site.mutual_tls == "enforced" else [])]
    pages = {digest_page(door, replace(question, path=path), seconds) for path in paths}
    return replace(answer, result="refused") if pages == {dressed} else answer


def _callers(stage: Stage, site: SiteFacts, probes: Probes) -> list[_Caller]:
    """Who asks: strangers, and in a rehearsal the clients of the throwaway CA."""
    closed = _some(site.protected_paths) or ("/",)
    callers = [
        _Caller("none", None, (*closed, *_some(site.open_paths))),
        _Caller("untrusted", probes.stranger, ("/",)),
    ]
    if stage is Stage.LIVE:
        return callers
    called = _some(site.called)
    callers.append(
        _Caller("unlisted", probes.trusted, _some(_shut(site)))
        if site.pins
        else _Caller("trusted", probes.trusted, called)
    )
    # A release gone back to may hold pins that the controller knows nothing of.
    callers += [
        _Caller(f"allowed_clients[{number}]", probes.pinned[pin], called)
        for number, pin in _some(tuple(enumerate(site.pins)))
        if pin in probes.pinned
    ]
    if site.crl_check != "none":
        callers.append(_Caller("revoked", probes.revoked, closed))
    return callers


def _shut(site: SiteFacts) -> tuple[str, ...]:
    """What Chat calls that is not open to everybody, else a path that nobody has, as all others are closed."""
    return tuple(path for path in site.called if path not in site.open_paths) or (_no_path(),)


def _some(known: tuple[_Known, ...]) -> tuple[_Known, ...]:
    """The first and the last of many that are alike, as each costs a question over each version of TLS."""
    half = MOST // 2
    return known if len(known) <= MOST else (*known[:half], *known[-half:])


def list_unasked(sites: Sequence[SiteFacts]) -> tuple[Fault, ...]:
    """Of which options of sites some were not asked for, as there are so many."""
    return tuple(
        Fault("not-tried", site.domain, f"{site.domain}: {number - MOST} of {number} {name} were not asked for", "")
        for site in sites
        for name, number in (
            ("open_paths", len(site.open_paths)),
            ("protected_paths", len(site.protected_paths)),
            ("callback_paths", len(site.called)),
            ("allowed_clients", len(site.pins)),
        )
        if number > MOST
    )


def _without_http2(site: SiteFacts, answers: Sequence[Answer]) -> Iterator[Fault]:
    """Where HTTP/2 was not chosen, although the client offered it, or was chosen, and ended without an answer.

    As where the cipher is one that HTTP/2 may not have: measured on httpd 2.4, mod_http2 chooses it, and ends it then.
    """
    for version in dict.fromkeys(a.version for a in answers if (a.protocol == ALPN_NAME) == (a.result == "unproven")):
        yield Fault(
            "not-offered",
            site.domain,
            f"HTTP/2 is not served over {version}, although 'http2' asks for it",
            "see that Protocols names h2, in your own template too, and that 'tls_ciphers' has some with ECDHE or DHE "
            "and GCM or CHACHA20, or leave 'http2' out",
        )


def _name_place(site: SiteFacts, address: str, fault: Fault) -> Fault:
    """Name where a site was tried in a fault, by its own port, whichever it is tried at."""
    return replace(fault, message=f"{site.domain} at {join_endpoint(address, site.port)}: {fault.message}")


def shows_site(described: Description, site: SiteFacts, address: str, dressed: str = "") -> bool:
    """Whether the live server shows a site as it is wished, in one handshake. C(dressed): as in an `Occasion`."""
    return not differs_from_live(described, site, address, dressed)


def differs_from_live(described: Description, site: SiteFacts, address: str, dressed: str = "") -> list[Fault]:
    """How the live server differs from a site as it is wished, in one handshake. C(dressed): as in an `Occasion`."""
    door = find_door(described, address, site.port)
    occasion = Occasion(described, Stage.LIVE, dressed={site.domain: dressed})
    for version in _versions(site):
        question = Question(site.domain, version, "none")
        answer = _ask_without_canaries(occasion, site, door, question)
        if answer.offered:
            break
    return [_name_place(site, address, fault) for fault in judge_answers(site, [answer], Stage.LIVE)]


def _versions(site: SiteFacts) -> list[str]:
    """The versions of TLS to try: those wished, and the present ones, which a template may have added."""
    return list(dict.fromkeys((*site.versions, *VERSIONS)))


class _Met(NamedTuple):
    """What is wrong with an answer, whoever got it, over whichever version of TLS. The fault tells what happened."""

    fault: Fault
    detail: str
    http2: bool


def judge_answers(
    site: SiteFacts, answers: Sequence[Answer], stage: Stage, explained: Container[tuple[str, str, str]] = ()
) -> Iterator[Fault]:
    """What is wrong with the answers; nothing where all is as it must be.

    Strangers must be refused by an alert: a 403 says something of one path alone, and a redirect nothing.
    Clients of the throwaway CA must be let in, but for one that C(site.pins) leaves out.
    The site's own certificate must be served, and its client CAs be asked for.
    Where some paths want no certificate, a client without one gets just these.
    All that holds for every version of TLS that the server offers; the wished ones must be among them.
    Where it was asked is not in a message. What was met over several versions is said once.
    C(explained): method, path and detail of requests of which it is told elsewhere what keeps them out.
    """

    def fault(code: str, message: str, remedy: str = "") -> Fault:
        return Fault(code, site.domain, message, remedy)

    offered = [answer for answer in answers if answer.offered]
    details = {answer.detail for answer in offered}
    if not offered:
        versions = dict.fromkeys(answer.version for answer in answers)
        yield fault("not-offered", f"{' and '.join(versions)} are not offered")
        return
    if len(details) == 1 and all(answer.result == "unproven" for answer in offered):
        yield fault("no-clear-answer", f"no clear answer to any client: {details.pop()}")
        return
    for version in site.versions:
        if any(answer.version == version for answer in answers) and not any(a.version == version for a in offered):
            yield fault(
                "not-offered",
                f"{version} is not offered, although 'tls_profile' asks for it",
                "look for what else sets the protocol, such as the address's default virtual host",
            )
    met: dict[_Met, dict[str, list[str]]] = {}
    for answer in offered:
        found = _find_wrong(site, answer)
        request = (answer.method, answer.path, answer.detail)
        if found and not (found.code == "locked-out" and request in explained):
            asked_by = f", to the request {answer.method} {answer.path}" if found.code == "locked-out" else ""
            clients = met.setdefault(_Met(found, answer.detail + asked_by, answer.protocol == ALPN_NAME), {})
            clients.setdefault(_tell_client(answer.client), []).append(answer.version)
        served = answer.certificate_sha256
        if served is not None and served != site.certificate_sha256:
            words = f"another certificate is served over {answer.version} (SHA-256 {served[:16]}…)"
            yield fault("wrong-certificate", words)
        if answer.client == "none" and answer.client_ca_names is not None:
            asked, known = set(answer.client_ca_names), set(site.client_ca_names)
            if not (asked == known if stage is Stage.LIVE else asked >= known):
                words = f"clients of other CAs than the site's are asked for over {answer.version}"
                yield fault("wrong-client-ca", words)
    yield from _tell_met(met)


def _find_wrong(site: SiteFacts, answer: Answer) -> Fault | None:
    """Return what happened to the client, where an answer is not as it must be."""
    at = "" if answer.path == "/" else f" at {answer.path}"
    expected = _expected_answer(site, answer)
    if answer.result == "unproven" and expected == "accepted":
        return Fault("unclear-admission", site.domain, f"got no clear answer{at}", "")
    if answer.result == "unproven":
        return Fault("no-clear-answer", site.domain, f"got no clear answer{at}", "")
    if expected == "accepted" and answer.result == "refused":
        return Fault("locked-out", site.domain, "was locked out", "")
    if expected == "alert" and 300 <= answer.status < 400:
        return Fault("refused-otherwise", site.domain, f"was sent elsewhere, not refused the handshake,{at}", "")
    if expected in ("alert", "403") and answer.result == "accepted":
        return Fault("stranger-let-in", site.domain, f"got in{at}", "")
    if expected == "alert" and answer.status:
        return Fault("refused-otherwise", site.domain, f"was refused a path, not the handshake,{at}", "")
    if expected == "403" and not answer.status:
        return Fault("refused-otherwise", site.domain, f"was refused the handshake, not a path,{at}", "")
    return None


def _tell_met(met: Mapping[_Met, Mapping[str, Sequence[str]]]) -> Iterator[Fault]:
    """Yield a fault for each that a client met, over which versions of TLS; one for all that are locked out alike."""
    for each, clients in met.items():
        alike: dict[tuple[str, str], list[str]] = {}
        for who, versions in clients.items():
            apart = "" if each.fault.code == "locked-out" else who
            alike.setdefault((tell_over(versions, http2=each.http2), apart), []).append(who)
        for (over, _apart), (first, *others) in alike.items():
            more = [f"{len(others) - _FEW} more"] if others[_FEW:] else []
            like = f", like {' and '.join([*others[:_FEW], *more])}" if others else ""
            yield replace(each.fault, message=f"{first} {each.fault.message} over {over}{like}: {each.detail}")


def _tell_client(kind: str) -> str:
    if kind.startswith(_TWIN):
        return f"a client of a twin of the client CA '{kind[len(_TWIN) :]}'"
    return _WHO.get(kind, f"a client such as {kind} wants it")


def _expected_answer(site: SiteFacts, answer: Answer) -> str:
    """What a client must be answered: C(alert), C(403), C(accepted), or empty where either will do."""
    if answer.client.startswith(_TWIN):
        return "403" if site.pins else "accepted"
    if answer.client == "untrusted":
        return "accepted" if site.verify_client == "optional_no_ca" else "alert"
    if answer.client == "revoked":
        return "alert"
    if answer.client == "unlisted":
        return "403"
    if answer.client != "none":
        return "accepted"
    if site.verify_client == "require":
        return "alert"
    if answer.path in site.open_paths:
        return "accepted"
    return "403" if site.open_paths or answer.path in site.protected_paths else ""
