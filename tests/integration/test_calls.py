# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""However the playbooks and the role are called: they do what they were asked for, or fail in words.

Three webhooks are this machine, each with an embedded httpd of its own, and there is a host that is none. Each call has
a certificate of its own, so that what each server shows afterwards tells where it was deployed. `-e bad=d3` spoils the
material of d3, which its verdict shows; `-e broken=d3` its httpd, which applying alone shows.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from webhooks import WEBHOOKS, Called, Fleet, running_fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import SiteMaterial


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, collections_path: Path, make_material: Callable[[Path], SiteMaterial]
) -> Iterator[Fleet]:
    """Start the webhooks, with nothing deployed to them."""
    with running_fleet(tmp_path_factory.mktemp("fleet"), collections_path, make_material) as started:
        yield started


ROLE = "mtls.httpd.mutual_tls"
ENFORCED = "mutual TLS is enforced"
NOT_APPLIED = "The step 'apply' was left out, and what follows it needs what it returns"
NOT_JUDGED = "no host is changed before all have been judged"
BAD = "nowhere.crt: 'certificate' is not on the controller"
BROKEN = "/nowhere.conf"
NO_HOST = "is in 'webhooks', the group or pattern of "
WHICH = "Say which sites"
FREE, PINNED = {"ANSIBLE_STRATEGY": "free"}, {"ANSIBLE_STRATEGY": "host_pinned"}


@dataclass(frozen=True)
class Case:
    """A call, and what must be seen: whether it succeeds, where it is deployed, what is said."""

    arguments: tuple[str, ...]
    ok: bool
    at: tuple[str, ...]
    words: str
    environment: dict[str, str] = field(default_factory=dict)
    answers: str = ""  # to --step


def done(*arguments: str, at: tuple[str, ...] = ("d1",), words: str = ENFORCED, **more: Any) -> Case:
    """Return a call that does what it says."""
    return Case(arguments, True, at, words, **more)


def fails(*arguments: str, words: str, at: tuple[str, ...] = (), **more: Any) -> Case:
    """Return a call that fails in words, after it was deployed `at` some hosts at most."""
    return Case(arguments, False, at, words, **more)


def answers(**given: str) -> tuple[str, str]:
    """Return the arguments that hand on a survey's answers: all of them are texts."""
    return "-e", json.dumps(given)


D1 = ("-l", "d1")
FIFTY = answers(deploy_max_fail_percentage="50")
NUMBER = ("-e", json.dumps({"deploy_max_fail_percentage": 50}))
EMPTY = answers(
    **dict.fromkeys((f"deploy_{name}" for name in ("hosts", "serial", "max_fail_percentage", "become")), ""),
    mutual_tls_confirm="",
    mutual_tls_confirm_address="",
)
DEPLOY = {
    "one site": done("-l", "d1", "-e", "deploy_domains=WWW.example.com"),
    "no site of anybody": fails("-l", "d1", "-e", "deploy_domains=wwww.example.com", words="which no host lists"),
    "bad, tag apply": fails("-e", "bad=d3", "--tags", "apply", words=BAD),
    "bad, tag confirm": fails("-e", "bad=d3", "--tags", "confirm", words=BAD),
    "bad, tag judge": fails("-e", "bad=d2,d3", "--tags", "judge", words=BAD),
    "bad, free": fails("-e", "bad=d2", words=BAD, environment=FREE),
    "bad, host_pinned": fails("-e", "bad=d2", words=BAD, environment=PINNED),
    "bad, 0 as a text": fails("-e", "bad=d2", *answers(deploy_max_fail_percentage="0"), words=BAD),
    "bad, 50 as a text": fails("-e", "bad=d2", *FIFTY, words=BAD, at=("d1", "d3")),
    "bad, 50 as a number": fails("-e", "bad=d1", *NUMBER, words=BAD, at=("d2", "d3")),
    "two of three bad, 50": fails("-e", "bad=d1,d3", *FIFTY, words=BAD),
    "broken": fails("-e", "broken=d2", words=BROKEN, at=("d1",)),
    "broken, free": fails("-e", "broken=d1", words=BROKEN, environment=FREE),
    "broken, one of two, 50": fails(
        "-e", "broken=d1", *FIFTY, *answers(deploy_serial="2"), words=BROKEN, at=("d2", "d3")
    ),
    "broken, one of two, 50%": fails(
        "-e",
        "broken=d1",
        *answers(deploy_max_fail_percentage="50%", deploy_serial="2"),
        words=BROKEN,
        at=("d2", "d3"),
    ),
    "no number": fails(*answers(deploy_max_fail_percentage="many"), words="is a number up to 100"),
    "no serial": fails(*answers(deploy_serial="few"), words="deploy_serial is a number of hosts"),
    "none at a time": fails(*answers(deploy_serial="0"), words="deploy_serial is a number of hosts"),
    "no boolean": fails(*answers(deploy_become="perhaps"), words="could not be converted to 'bool'"),
    "serial as a text": done(*answers(deploy_serial="1, 100%"), "-l", "d1,d2", at=("d1", "d2")),
    "empty answers": done(*EMPTY, at=WEBHOOKS, environment=PINNED),
    "booleans as texts": done(*D1, *answers(deploy_become="no", mutual_tls_confirm="no"), words="skipping: [d1]"),
    "limit to another host": fails("-l", "other", words=NO_HOST),
    "limit to nobody": fails("-l", "nobody", words="leaves us with no hosts"),
    "a group that is none": fails(
        *answers(deploy_hosts="none"), words="is in 'none', the group or pattern of deploy_hosts. Nothing"
    ),
    "tag apply": done(*D1, "--tags", "apply", words="changed: [d1]"),
    "tag confirm": fails("--tags", "confirm", words="left the step 'apply' out"),
    "a tag that is none": fails("--tags", "deploy", words="left the step 'apply' out"),
    "without confirm": done(*D1, "--skip-tags", "confirm", words="changed: [d1]"),
    "without always": fails("--skip-tags", "always", words=NOT_JUDGED),
    "bad, tag judge, without always": fails(
        "-e", "bad=d2,d3", "--tags", "judge", "--skip-tags", "always", words="so nothing was judged"
    ),
    "without judge": fails("--skip-tags", "judge", words=NOT_JUDGED),
    "start at applying": fails("--start-at-task", "Apply the sites", words=NOT_JUDGED),
    "step without judging": fails("--step", words=NOT_JUDGED, answers="y\ny\ny\ny\nn\nc\nc\n"),
    "step through all": done(*D1, "--step", answers="c\nc\nc\nc\n"),
    "check": done(*D1, "--check", at=(), words="changed: [d1]"),
}
ROLE_CALLS = {
    "tag judge": done("--tags", "judge", at=(), words="no error was found in its material"),
    "tag apply, free": done("--tags", "apply", words="changed: [d1]", environment=FREE),
    "tags apply and confirm": done("--tags", "apply,confirm"),
    "tag install": fails("--tags", "install", words=NOT_APPLIED),
    "tag confirm": fails("--tags", "confirm", words=NOT_APPLIED),
    "without confirm": done("--skip-tags", "confirm", words="changed: [d1]"),
    "without install": done("--skip-tags", "install"),
    "without always": done("--skip-tags", "always"),
    "without apply": fails("--skip-tags", "apply", words=NOT_APPLIED),
    "confirm without apply": fails("--skip-tags", "apply", "--tags", "confirm", words=NOT_APPLIED),
    "start at applying": done("--start-at-task", "Apply the sites"),
    "start at installing": fails("--start-at-task", "Install httpd, and apply the sites", words=NOT_APPLIED),
    "start at confirming": fails("--start-at-task", "Confirm from the controller", words=NOT_APPLIED),
    "step without applying": fails("--step", words=NOT_APPLIED, answers="y\ny\nn\nc\n"),
}
OTHERS = {
    "rollback, which": fails("rollback", words=WHICH),
    "rollback, empty answer": fails("rollback", *answers(rollback_domains="", rollback_hosts=""), words=WHICH),
    "rollback, limit to another host": fails("rollback", "-l", "other", words=NO_HOST),
    "rollback, which, late": fails(
        "rollback", "--start-at-task", "Put the previous*", words="look at all hosts was left out"
    ),
    "rollback, tag confirm": fails(
        "rollback", "--tags", "confirm", *answers(rollback_domains="x"), words="left the step 'apply' out"
    ),
    "rollback, start at confirming": fails(
        "rollback", "--start-at-task", "Confirm from the controller", words="look at all hosts was left out"
    ),
    "rollback, no serial": fails("rollback", *answers(rollback_serial="few"), words="rollback_serial is a number"),
    "remove, which": fails("remove", words=WHICH),
    "remove, empty answer": fails("remove", *answers(remove_domains="", remove_serial=""), words=WHICH),
    "remove, limit to another host": fails("remove", "-l", "other", words=NO_HOST),
    "rollback, a tag that is none": fails(
        "rollback", "--tags", "back", *answers(rollback_domains="x"), words="left the step 'apply' out"
    ),
    "remove, a tag that is none": fails(
        "remove", "--tags", "x", *answers(remove_domains="x"), words="the only one that there is"
    ),
    "remove, limit to nobody": fails("remove", "-l", "nobody", words="leaves us with no hosts"),
}


def see(case: Case, called: Called) -> None:
    """Compare what became of a call with what must be seen."""
    assert (called.status == 0, called.deployed, called.touched) == (case.ok, case.at, case.at), called.words
    assert case.words in called.words


@pytest.mark.parametrize("case", DEPLOY.values(), ids=DEPLOY)
def test_deploy_keeps_its_promises_however_it_is_called(fleet: Fleet, case: Case) -> None:
    see(case, fleet.call("deploy", *case.arguments, answers=case.answers, **case.environment))


def test_deploy_with_the_tag_judge_judges_all_hosts_once_and_says_what_is_good(fleet: Fleet) -> None:
    called = fleet.call("deploy", "--tags", "judge")
    assert (called.status, called.touched) == (0, ()), called.words
    assert called.words.count("no error was found in its material. The first to end is") == 3
    assert called.words.count("Nothing was sent to the host.") == 3


def test_a_deployment_says_of_its_material_nothing_where_all_is_well(fleet: Fleet) -> None:
    assert "no error was found" not in fleet.call("deploy", "--check", *D1).words


@pytest.mark.parametrize("case", ROLE_CALLS.values(), ids=ROLE_CALLS)
def test_the_role_does_what_its_tags_say(fleet: Fleet, case: Case) -> None:
    plays = [{"hosts": "d1", "gather_facts": False, "roles": [{"role": ROLE}]}]
    see(case, fleet.call(plays, *case.arguments, answers=case.answers, **case.environment))


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_rollback_and_remove_that_cannot_do_what_they_are_asked_for_say_so(fleet: Fleet, case: Case) -> None:
    see(case, fleet.call(*case.arguments))


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        (("--tags", "confirm"), "left the step 'apply' out"),
        (("--tags", "install"), "left the step 'apply' out"),
        (("--tags", "judge,confirm", "--check"), "left the step 'apply' out"),
        (("--skip-tags", "apply"), "left the step 'apply' out"),
        (("--skip-tags", "judge"), NOT_JUDGED),
        (("--start-at-task", "Confirm from the controller"), NOT_JUDGED),
        (("--start-at-task", "Leave the rest alone after a failure"), NOT_JUDGED),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_deployment_of_which_a_step_was_left_out_blames_no_host(
    fleet: Fleet, left_out: tuple[str, ...], words: str
) -> None:
    called = fleet.call("deploy", *left_out)
    assert (called.status, called.touched) == (2, ()), called.words
    assert words in called.words
    assert not re.search("Failed: |Mend d1|-l '!d1'|Its deployment failed", called.words)


@pytest.mark.parametrize("tags", [("--tags", "confirm"), ("--skip-tags", "apply"), ("--tags", "back")], ids=" ".join)
def test_a_rollback_whose_tags_leave_its_step_out_blames_no_host(fleet: Fleet, tags: tuple[str, str]) -> None:
    called = fleet.call("rollback", *tags, *answers(rollback_domains="www.example.com"))
    assert (called.status, called.touched) == (2, ()), called.words
    assert "left the step 'apply' out" in called.words
    assert "Failed: " not in called.words


def test_a_rollback_that_nobody_would_tell_the_end_of_is_refused(fleet: Fleet) -> None:
    called = fleet.call("rollback", "--skip-tags", "always", *answers(rollback_domains="www.example.com"))
    assert (called.status, called.touched) == (2, ()), called.words
    assert "by which it is told what became of each host" in called.words


def test_rollback_and_remove_take_several_domains_as_a_text_and_leave_out_what_they_are_told_to(fleet: Fleet) -> None:
    for _time in ("first", "second"):
        assert fleet.call("deploy", *D1).deployed == ("d1",)
    wrong = fleet.call("rollback", *D1, *answers(rollback_domains="www.example.com,other.example.com"))
    assert (wrong.status, wrong.touched) == (2, ()), wrong.words
    assert "other.example.com: there is no such site on this host" in wrong.words
    lines = {"rollback_domains": "www.example.com\nwww.example.com\n", "rollback_force": "", "rollback_become": ""}
    back = fleet.call("rollback", *D1, *answers(**lines), **FREE)
    assert (back.status, back.touched) == (0, ("d1",)), back.words
    assert ENFORCED in back.words
    again = fleet.call("rollback", *D1, "--skip-tags", "confirm", *answers(rollback_domains="www.example.com"))
    assert (again.status, again.touched) == (0, ()), again.words
    assert ENFORCED not in again.words
    gone = fleet.call("remove", *D1, *answers(remove_domains="www.example.com, none.example.com", remove_become="no"))
    assert (gone.status, gone.touched) == (0, ("d1",)), gone.words
    assert fleet.shown("d1") is None
    assert "none.example.com: there is no such site on this host" in gone.words


def test_deploy_imported_under_a_tag_of_ones_own_is_called_by_it(fleet: Fleet) -> None:
    plays = [{"import_playbook": "mtls.httpd.deploy", "tags": ["web"]}]
    see(done("--tags", "web", *D1), fleet.call(plays, "--tags", "web", *D1))


def test_a_use_of_the_role_confirms_nothing_that_an_earlier_one_has_applied(fleet: Fleet) -> None:
    tasks = [{"import_role": {"name": ROLE}, "tags": ["first"]}, {"import_role": {"name": ROLE}}]
    plays = [{"hosts": "d1", "gather_facts": False, "tasks": tasks}]
    called = fleet.call(plays, "--tags", "first,confirm")
    assert (called.status, called.deployed) == (2, ("d1",)), called.words
    assert called.words.count(ENFORCED) == 1
    assert NOT_APPLIED in called.words


@pytest.mark.parametrize(
    "task",
    [
        {"mtls.httpd.handshake_info": {"port": 1}},
        {"mtls.httpd.validate_domain": {"domain": "www.example.com"}},
        {"mtls.httpd.validate_certificate": {"certificate": "none.crt"}},
        {"mtls.httpd.sites": {"sites": []}},
    ],
    ids=lambda task: next(iter(task)),
)
def test_what_cannot_run_in_the_background_says_so(fleet: Fleet, task: dict[str, Any]) -> None:
    called = fleet.call([{"hosts": "d1", "gather_facts": False, "tasks": [task | {"async": 30, "poll": 1}]}])
    assert (called.status, called.touched) == (2, ()), called.words
    assert "does not support async" in called.words
