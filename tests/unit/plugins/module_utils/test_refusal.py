# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A refusal is faults, and one line: what an operator reads of them, and of how the host is left."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import Fault, OperatorError
from ansible_collections.mtls.httpd.plugins.module_utils._store.disk import StoreError
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.refusal import (
    UNTOUCHED,
    Circumstances,
    Refused,
    amend,
    change_each,
    refusal_of,
)
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish

LOCKED = Fault("locked", "", "the lock is held", "run again")
BROKEN = Fault("unsound", "www.example.com", "httpd says: no", "")
LET_IN = Fault("stranger-let-in", "www.example.com", "a stranger got in", "")
WISHES = (SiteWish("www.example.com"), SiteWish("hooks.example.com"))


@pytest.mark.parametrize(
    ("reasons", "circumstances", "line"),
    [
        ((LOCKED,), Circumstances(), "the lock is held: run again"),
        ((LOCKED, LET_IN), Circumstances(), "the lock is held: run again; a stranger got in"),
        ((LOCKED, LOCKED), Circumstances(), "the lock is held: run again"),
        ((LOCKED,), Circumstances(state=UNTOUCHED), "the lock is held: run again. Nothing was touched"),
        (
            (LET_IN,),
            Circumstances(stage="the rehearsal failed", state=UNTOUCHED),
            "the rehearsal failed, nothing was touched: a stranger got in",
        ),
        (
            (BROKEN, LET_IN),
            Circumstances(stage="the rehearsal failed", state=UNTOUCHED),
            "the rehearsal failed, nothing was touched. httpd says: no; a stranger got in",
        ),
        (
            (LET_IN,),
            Circumstances(stage="on the live server", said="AH1", state="The old state is back"),
            "on the live server, a stranger got in. httpd says: AH1. The old state is back",
        ),
        (
            (LET_IN,),
            Circumstances(further=Fault("not-running", "", "httpd is down", "look after this host now")),
            "a stranger got in. httpd is down: look after this host now",
        ),
        (
            (LOCKED,),
            Circumstances(state=UNTOUCHED, healed=("one thing", "another")),
            "the lock is held: run again. Nothing was touched. Before that: one thing; another",
        ),
    ],
)
def test_how_the_host_is_left_is_said_once_behind_the_reasons(
    reasons: tuple[Fault, ...], circumstances: Circumstances, line: str
) -> None:
    assert str(Refused(*reasons, circumstances=circumstances)) == line


def test_what_is_wrong_besides_is_a_fault_too() -> None:
    down = Fault("not-running", "", "httpd is down", "look after this host now")
    assert Refused(LET_IN, circumstances=Circumstances(further=down)).faults == (LET_IN, down)


def test_nothing_in_the_line_steers_a_terminal() -> None:
    assert str(Refused(Fault("unsound", "", "a\x1b[2Jb\nc", ""))) == "a?[2Jb?c"


def test_an_error_keeps_its_faults_as_a_refusal() -> None:
    refused = amend(StoreError(LOCKED, LET_IN), state="The old state is back")
    assert refused.reasons == (LOCKED, LET_IN)
    assert amend(refused, said="AH1").circumstances == Circumstances(said="AH1", state="The old state is back")
    (fault,) = refusal_of(OSError(errno.ENOSPC, "No space left on device", "/etc/httpd")).reasons
    assert (fault.code, fault.message) == ("disk-refuses", "/etc/httpd: No space left on device")
    assert fault.remedy


def test_all_that_is_said_against_any_wish_is_told_with_its_site() -> None:
    def act(wish: SiteWish) -> SiteWish:
        raise OperatorError(LOCKED if wish is WISHES[0] else LET_IN)

    with pytest.raises(Refused) as caught:
        change_each(WISHES, act)
    # What names a site already keeps it.
    assert [each.domain for each in caught.value.faults] == ["www.example.com", "www.example.com"]
    assert change_each(WISHES, lambda wish: wish) == list(WISHES)
