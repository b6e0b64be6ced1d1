# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a client that is to be let in reaches a site's content, and nobody else does, asked in a full rehearsal."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import NOT_OFFERED, tell_over
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.http2 import ALPN_NAME
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import digest_page
from ansible_collections.mtls.httpd.plugins.module_utils._httpd.complaints import find_tellers
from ansible_collections.mtls.httpd.plugins.module_utils._machine.commands import Logs
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import (
    Canaries,
    folder_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.in_the_way import (
    Own,
    find_address_rules,
    find_in_the_way,
    find_shortcuts,
    leads_on,
    rules_lead_on,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.standing import find_door

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Answer, Door, Identity, Question
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

_SECONDS = 3.0  # for calls from all over the internet
# A rule, or a handler, that does not take the method: the content is reached by others.
_NO_METHOD = (403, 405, 501)
_BY_ADDRESS = (401, 403, 406, 429, 451)  # how rules turn away who calls from somewhere else, or ask him to log in
_NOT_SERVED = (400, 421)  # what a request gets that another virtual host does not take
# What no file is answered with by POST, where nothing keeps who asks from it.
_SENT_AWAY = (301, 302, 303, 307, 308)
_SURELY = (*_SENT_AWAY, 401, 406, 407, 429, 451)
_KEPT_OUT = (*_SURELY, 400, 402, 405, 409, 410, 413, 415, 418, 422, 444, 500, 501, 502, 503, 504)


class _KeptOut(NamedTuple):
    """A request of who is to be let in that did not reach the content: what is told of it but the version of TLS."""

    asked: str
    detail: str
    why: str
    http2: bool


@dataclass
class Admission:
    """Asks one site's questions from addresses that are nobody's.

    admitted: somebody who is to be let in. source: the address that is called from, once rules by address have shown
    that nobody's is not let in. unanswered: the paths that are not answered in time, although what lies beside them is.
    explained: the requests, by method, path and what was answered, that a directive of others keeps out.
    """

    canaries: Canaries
    site: SiteFacts
    door: Door
    admitted: Identity
    source: str | None = None
    reached: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    explained: set[tuple[str, str, str]] = field(default_factory=set)
    _kept_out: dict[_KeptOut, list[str]] = field(default_factory=dict)
    _shown: dict[str, bool] = field(default_factory=dict)
    _is_shut: bool = False  # whoever calls, from wherever

    @property
    def awaited(self) -> bytes:
        """What is looked for in answers to who is to be refused, if that tells of what is closed to him."""
        return self.canaries.word if self.site.mutual_tls == "enforced" else b""

    def find_target(self) -> tuple[str, str]:
        """A path at which a canary stands for closed content, and the method to ask for it by."""
        name = self.canaries.names.get(self.site.domain) if self.awaited else None
        path = self.site.called[0] if self.awaited else next(iter(self.site.protected_paths), "/")
        return (folder_of(path) + name, "GET") if name else (path, "POST")

    def ask_refused(self, question: Question, seconds: float) -> Answer:
        """Ask as somebody who is to be refused. Accepted is who reached the content, and nobody else, by any status."""
        known, word = len(self.canaries.stand_ins.arrivals), self.awaited
        answer = self.ask(replace(question, awaited=word), seconds)
        if not answer.status:
            return answer
        answers = [answer]
        name = self.canaries.names.get(self.site.domain) if word else None
        if name and not answer.found:
            path = folder_of(question.path) + name
            answers.append(self.ask(replace(question, path=path, method="GET", awaited=word), seconds))
        arrivals = self.canaries.stand_ins.arrivals[known:]
        for each in answers:
            if each.found or self.canaries.are_closed(self.site.domain, arrivals):
                # A canary's own path means nothing to an operator.
                return replace(each, result="accepted", path=answer.path, detail=self._explain(each))
        if answer.result == "accepted" and not self.is_let_in(question, answer, known, seconds):
            if question.client == "none" and not _sends_away(answer):
                self._note_page(question, seconds)
            return replace(answer, result="refused")
        return answer

    def _note_page(self, question: Question, seconds: float) -> None:
        """Note the page that is the refusal of a path, if who is let in gets another one there."""
        asked = replace(question, source=self.canaries.next_source(self.door.address))
        page, content = (
            digest_page(self.door, replace(asked, identity=each), seconds) for each in (asked.identity, self.admitted)
        )
        if page and page != content:
            self.canaries.dressed[self.site.domain] = page

    def is_let_in(self, question: Question, answer: Answer, known: int, seconds: float) -> bool:
        """Whether an answer to who is to be refused shows the content. C(known): how many connections came before.

        Where nobody reaches a canary there, statuses decide, and none that sends away is admission.
        """
        arrivals = self.canaries.stand_ins.arrivals[known:]
        if answer.found or self.canaries.are_closed(self.site.domain, arrivals):
            return True
        is_served = answer.result == "accepted" and answer.status not in _NOT_SERVED and not _sends_away(answer)
        return is_served and not self._is_shown(question, seconds)

    def _is_shown(self, question: Question, seconds: float) -> bool:
        """Whether who is let in reaches a canary by a question, so that who does not is not let in."""
        if question.path not in self._shown:
            known, word = len(self.canaries.stand_ins.arrivals), self.canaries.word
            asked = replace(question, identity=self.admitted, awaited=word, http2=False)
            found = self.ask_admitted(asked, seconds).found or len(self.canaries.stand_ins.arrivals) > known
            # Where only some paths are closed, a file beside them is none of theirs.
            name = self.canaries.names.get(self.site.domain) if self.awaited else None
            if name and not found:
                path = folder_of(question.path) + name
                found = self.ask_admitted(replace(asked, path=path, method="GET"), seconds).found
            self._shown[question.path] = found
        return self._shown[question.path]

    def _explain(self, answer: Answer) -> str:
        """What was answered, with what leads on who was refused."""
        host = self.canaries.hosts[self.site.domain]
        places = find_shortcuts(self.canaries.described, host)
        return answer.detail + (f", perhaps by {', '.join(places[:3])}" if places else "")

    def ask(self, question: Question, seconds: float) -> Answer:
        """Ask from an address that is nobody's."""
        source = self.canaries.next_source(self.door.address) if self.source is None else self.source
        return self._ask(replace(question, source=source), seconds)

    def ask_admitted(self, question: Question, seconds: float) -> Answer:
        """Ask as somebody who is to be let in, from an address that rules let in, if there is one."""
        answer = self.ask(question, seconds)
        if answer.status not in _BY_ADDRESS or answer.found or self.source is not None:
            return answer
        end = time.monotonic() + _SECONDS
        sources = itertools.chain(
            self.canaries.known_sources(self.door.address), self.canaries.find_far_sources(self.door.address)
        )
        for source in () if self._is_shut else sources:
            again = self._ask(replace(question, source=source), seconds)
            if again.status not in (0, *_BY_ADDRESS):
                self.source = source
                self.canaries.let_in.append(source)
                self._warn(question.path, answer.status)
                return again
            if time.monotonic() > end:
                break
        self._is_shut = True
        return answer

    def ask_for_content(self, question: Question, seconds: float) -> Answer:
        """Ask as Chat calls, and note what answers in the place of the site's own content."""
        known, word, heard = len(self.canaries.stand_ins.arrivals), self.canaries.word, Logs(self.canaries.logs)
        beside = self._ask_beside(question, seconds) if question.path in self.unanswered else None
        answer = beside or self.ask_admitted(replace(question, awaited=word), seconds)
        if answer.result == "unproven" and answer.offered:
            answer = self._ask_beside(question, seconds) or answer
        if answer.result != "accepted":
            if not answer.detail.startswith(NOT_OFFERED):  # A version that nobody is offered is kept out by no rule.
                self._blame(question, answer, heard)
            return answer
        if answer.found or len(self.canaries.stand_ins.arrivals) > known:
            return answer
        if self.site.domain in self.canaries.missed and answer.status < 400 and not _sends_away(answer):
            return answer  # by a backend that nothing could stand in for, which is told
        name = self.canaries.names.get(self.site.domain)
        is_certain = self.site.domain in self.canaries.replaced
        if name:
            path = folder_of(question.path) + name
            if path not in self.reached:
                file = self.ask(replace(question, path=path, method="GET", awaited=word), seconds)
                if file.found or file.status in _NO_METHOD:
                    self.reached.add(path)
            is_certain = path not in self.reached or self._is_kept_out(question, path, answer, seconds)
            if not is_certain and not _sends_away(answer):
                return answer
        if _sends_away(answer) or name or is_certain:
            self._blame(question, answer, heard, is_certain=is_certain)
        return answer

    def _ask_beside(self, question: Question, seconds: float) -> Answer | None:
        """Ask for the canary beside a path where nothing is answered in time; None where that is not reached either.

        So it is where a program has to be started for the answer, which a rehearsal does not do: mod_fcgid waits.
        By the same method, as what keeps that from being answered is a lock-out.
        """
        name = self.canaries.names.get(self.site.domain)
        if not name:
            return None
        path = folder_of(question.path) + name
        answer = self.ask_admitted(replace(question, path=path, awaited=self.canaries.word), seconds)
        if not answer.found:
            return None
        self.unanswered.add(question.path)
        words = (
            f"{self.site.domain}: {question.method} {question.path} was not answered in the rehearsal in time, as by"
        )
        words += " a program that it does not start, so whether Chat is answered there was not tried"
        self.canaries.warnings.append(Fault("not-tried", self.site.domain, words, ""))
        return replace(answer, path=question.path)

    def _is_kept_out(self, question: Question, path: str, answer: Answer, seconds: float) -> bool:
        """Whether what Chat calls is answered like a file to which the site alone would say something else by POST.

        So it is no page of the site that answers. C(path): the canary's, which is reached by GET.
        """
        if answer.status not in _KEPT_OUT:
            return False
        return self.ask_admitted(replace(question, path=path), seconds).status == answer.status

    def _ask(self, question: Question, seconds: float) -> Answer:
        door = find_door(self.canaries.described, self.door.address, self.door.port, question.source)
        return ask(door, question, seconds)

    def _warn(self, path: str, status: int) -> None:
        described, host = self.canaries.described, self.canaries.hosts[self.site.domain]
        # Rules by what a module makes of the address, such as a country, are none by their text.
        found = find_address_rules(described, host, self.site.called) or find_in_the_way(described, host, path, 403)
        places = ", ".join(found) or "a rule of the server"
        words = f"{self.site.domain}: who calls from an address that {places} does not let in gets {status}"
        remedy = "nobody knows Chat's addresses, so see that it lets them in"
        self.canaries.warnings.append(Fault("locked-out", self.site.domain, words, remedy))

    def _blame(self, question: Question, answer: Answer, heard: Logs, *, is_certain: bool = False) -> None:
        """Tell what keeps somebody from the content: by a directive that may, else by who speaks of it in httpd's log.

        C(is_certain): something does, whatever it is.
        """
        described, host = self.canaries.described, self.canaries.hosts[self.site.domain]
        own = (Own.LIMITS, Own.ALL) if self.site.included else (Own.NONE, Own.NONE)
        places = find_in_the_way(described, host, question.path, answer.status, own[0])
        why = ""
        is_own = leads_on(described, host, question.path)  # such as a program, which does not run in a rehearsal
        is_sure = is_certain and answer.status in _SURELY and not is_own
        is_kept_out = answer.status in _KEPT_OUT and not (is_own and (answer.status == 405 or answer.status >= 500))
        tellers = [] if places else find_tellers(heard.lines(), described.files)
        if is_sure and not places and not tellers:
            # A login is asked for by a rule, too.
            places = find_in_the_way(described, host, question.path, 403, own[1])
        if places:
            why = f", as before it comes {', '.join(places[:3])}"
        elif tellers and (answer.result != "accepted" or is_kept_out):
            why = f", and httpd's log has why, by {', '.join(tellers[:3])}"
        elif not is_sure:
            if is_certain and not is_own and not self._is_led_on(question):
                self._warn_of_other(question, answer)
            return
        if places:  # A module may speak of a rule of the site's own.
            self.explained.add((question.method, question.path, answer.detail))
        met = _KeptOut(f"{question.method} {question.path}", answer.detail, why, answer.protocol == ALPN_NAME)
        self._kept_out.setdefault(met, []).append(answer.version)

    def _is_led_on(self, question: Question) -> bool:
        """Whether the site's own folder says, by its .htaccess file, that something else answers for its files."""
        root, name = (by_domain.get(self.site.domain, "") for by_domain in (self.canaries.roots, self.canaries.names))
        path = folder_of(question.path) + name
        return bool(name) and rules_lead_on(self.canaries.described, self.canaries.hosts[self.site.domain], root, path)

    def tell(self) -> list[Fault]:
        """Return who did not reach the content, and why: once for all versions of TLS that it is so over."""
        others = "virtual hosts or paths" if self.site.included else "virtual hosts"
        return [
            Fault(
                "locked-out",
                self.site.domain,
                f"a client of the client CA was locked out over {tell_over(versions, http2=each.http2)}: {each.asked} "
                f"did not reach the site's content ({each.detail}){each.why}",
                f"have that hold for other {others} alone",
            )
            for each, versions in self._kept_out.items()
        ]

    def _warn_of_other(self, question: Question, answer: Answer) -> None:
        """Tell that something else answers than what stands for the content, whatever it is, by a status that may do.

        As a map of the server's for all virtual hosts does, of folders (VirtualDocumentRoot) or of backends (JkMount).
        """
        words = f"{self.site.domain}: {question.method} {question.path} of a client of the client CA did not reach the"
        words += f" site's content in the rehearsal ({answer.detail}), and nothing tells what answers in its place"
        remedy = "look for what the server says for all virtual hosts, and have that hold for others alone"
        self.canaries.warnings.append(Fault("locked-out", self.site.domain, words, remedy))


def _sends_away(answer: Answer) -> bool:
    return 300 <= answer.status < 400
