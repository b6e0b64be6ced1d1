# Copyright (c) 2026, mtls.httpd contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a client that is to be let in reaches a site's content, and nobody else does, asked in a full rehearsal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.kept import digest_page
from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault
from ansible_collections.mtls.httpd.plugins.module_utils._site.canaries import (
    Canaries,
    find_address_rules,
    find_in_the_way,
    find_shortcuts,
    folder_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._site.standing import find_door

if TYPE_CHECKING:
    from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import Answer, Door, Identity, Question
    from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SiteFacts

# A rule, or a handler, that does not take the method: the content is reached by others.
_NO_METHOD = (403, 405, 501)
_NOT_SERVED = (400, 421)  # what a request gets that another virtual host does not take


@dataclass
class Admission:
    """Asks one site's questions from addresses that are nobody's.

    admitted: somebody who is to be let in. faults: who did not reach the content, and why. source: the address that is
    called from, once rules by address have shown that nobody's is not let in. unanswered: the paths that are not
    answered in time, although what lies beside them is.
    """

    canaries: Canaries
    site: SiteFacts
    door: Door
    admitted: Identity
    faults: list[Fault] = field(default_factory=list)
    source: str | None = None
    reached: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    _shown: dict[str, bool] = field(default_factory=dict)

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
        if answer.status != 403 or self.source is not None:
            return answer
        for source in self.canaries.known_sources(self.door.address):
            again = self._ask(replace(question, source=source), seconds)
            if again.status not in (0, 403):
                self.source = source
                self._warn()
                return again
        return answer

    def ask_for_content(self, question: Question, seconds: float) -> Answer:
        """Ask as Chat, and note a fault where something else answers than the site's own content."""
        known, word = len(self.canaries.stand_ins.arrivals), self.canaries.word
        answer = self.ask_admitted(replace(question, awaited=word), seconds)
        if answer.status == 403:
            self._blame(question, answer)
        if answer.result != "accepted" or answer.found or len(self.canaries.stand_ins.arrivals) > known:
            return answer
        moved = _sends_away(answer)
        name = self.canaries.names.get(self.site.domain)
        if name and not moved:
            path = folder_of(question.path) + name
            if path not in self.reached:
                file = self.ask(replace(question, path=path, method="GET", awaited=word), seconds)
                if file.found or file.status in _NO_METHOD:
                    self.reached.add(path)
            if path in self.reached:
                return answer
        if moved or name or self.site.domain in self.canaries.replaced:
            self._blame(question, answer)
        return answer

    def ask_beside(self, question: Question, seconds: float) -> Answer | None:
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

    def _ask(self, question: Question, seconds: float) -> Answer:
        door = find_door(self.canaries.described, self.door.address, self.door.port, question.source)
        return ask(door, question, seconds)

    def _warn(self) -> None:
        host = self.canaries.hosts[self.site.domain]
        places = (
            ", ".join(find_address_rules(self.canaries.described, host, self.site.called)) or "a rule of the server"
        )
        words = f"{self.site.domain}: who calls from an address that {places} does not let in gets 403"
        remedy = "nobody knows Chat's addresses, so see that it lets them in"
        self.canaries.warnings.append(Fault("locked-out", self.site.domain, words, remedy))

    def _blame(self, question: Question, answer: Answer) -> None:
        host = self.canaries.hosts[self.site.domain]
        places = find_in_the_way(self.canaries.described, host, question.path, answer.status)
        if places:
            words = (
                f"a client of the client CA was locked out over {answer.version}: {question.method} {question.path} "
                f"did not reach the site's content ({answer.detail}), as before it comes {', '.join(places[:3])}"
            )
            remedy = "have that hold for other virtual hosts alone"
            self.faults.append(Fault("locked-out", self.site.domain, words, remedy))


def _sends_away(answer: Answer) -> bool:
    return 300 <= answer.status < 400
