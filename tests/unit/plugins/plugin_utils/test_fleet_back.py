# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a fleet: tables that fit, ways back that are meant, deployments that stopped."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.inventory.manager import split_host_pattern
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mtls.httpd.plugins.filter.deployment import FilterModule
from ansible_collections.mtls.httpd.plugins.filter.gone_back import gone_back
from ansible_collections.mtls.httpd.plugins.filter.way_back import way_back
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.call import Call, leave_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import WIDTH, lay_out
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.deployment import (
    Outcome,
    tell_deployment,
    tell_put_back,
    tell_rollback,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.dry_run import tabulate_dry_run
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.kept import read_answers, tell_pins
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.registered import last_words
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.releases import tabulate_releases
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.way_back import (
    Wanted,
    plan_way_back,
    tabulate_way_back,
    tell_refusal,
)

deployment = FilterModule().filters()["deployment"]

DOMAIN = "www.example.com"
CALL = Call("rollback", ("inventory",), "", (f"rollback_domains={DOMAIN}",))


def digits(letter: str) -> str:
    """Return sixteen digits that begin with one of their own."""
    return letter * 16


def release(content: str, *, name: str = "", current: bool = False, **more: Any) -> dict[str, Any]:
    """Return a release as the module tells it, by a letter for its content."""
    return {
        "name": name or digits(content),
        "current": current,
        "since": f"2026-11-2{ord(content) % 10}T16:39:00Z",
        "content": digits(content),
        "whole": True,
        "damage": None,
        "certificate_sha256": digits(content) * 4,
        "certificate_ends": "2027-02-26T00:00:00Z",
        "ends": "2027-02-26T00:00:00Z",
        "client_cas": [{"subject": "CN=CA", "sha256": "0" * 64}],
        "crl_ends": None,
        "verify_client": "require",
        "pins": [],
        "open_paths": [],
        "protected_paths": [],
        **more,
    }


def host(contents: str, previous: str | None = None, **more: Any) -> dict[str, Any]:
    """Return what a host tells of its site: its releases by their letters, the current one first."""
    releases = [release(letter, current=number == 0, **more) for number, letter in enumerate(contents)]
    previous = contents[1:2] if previous is None else previous
    site = {
        "domain": DOMAIN,
        "current": releases[0]["name"],
        "previous": digits(previous) if previous else None,
        "releases": releases,
    }
    return {"found": True, "sites": [site]}


def planned(answers: dict[str, Any], **wanted: Any) -> tuple[dict[str, str | None], str]:
    """Return the content that each host would go back to, and the refusal."""
    way = plan_way_back(read_answers(answers), Wanted((DOMAIN,), **wanted))
    return {step.host: step.after.content[0] if step.after else None for step in way.steps}, tell_refusal(way, CALL)


# -- tables


@given(st.lists(st.lists(st.text(max_size=90), min_size=3, max_size=3), max_size=5))
def test_a_table_of_any_text_fits_and_has_a_line_for_each_row(rows: list[list[str]]) -> None:
    lines = lay_out(("one", "two", "three"), rows)
    assert len(lines) == 1 + len(rows)
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)


def test_columns_stand_below_each_other_and_a_short_row_ends_as_it_likes() -> None:
    assert lay_out(("host", "is"), [("a", "down"), ("longer", "up"), ("b",)]) == [
        "host    is",
        "a       down",
        "longer  up",
        "b",
    ]


# -- ways back


def test_hosts_that_end_in_the_same_content_go_back_whatever_their_releases_are_called() -> None:
    answers = {"d1": host("ba"), "d2": host("ba")}
    answers["d2"]["sites"][0]["releases"][1]["name"] = digits("9")
    answers["d2"]["sites"][0]["previous"] = digits("9")
    assert planned(answers) == ({"d1": "a", "d2": "a"}, "")


def test_hosts_that_would_end_in_different_ones_are_refused_and_the_one_that_came_last_is_offered() -> None:
    answers = {"d1": host("cba"), "d2": host("ba"), "d3": host("ba")}
    _steps, refusal = planned(answers)
    command = "ansible-playbook -i inventory mtls.httpd.rollback -e rollback_domains=www.example.com -e"
    assert f"`{command} rollback_from={digits('c')}` undoes that one alone, which is served by d1" in refusal
    assert f"`{command} rollback_to={digits('b')}` has all serve that one" in refusal
    assert f"`{command} rollback_differ=true`" in refusal
    assert planned(answers, differ=True) == ({"d1": "b", "d2": "a", "d3": "a"}, "")
    assert planned(answers, undone="c" * 8) == ({"d1": "b", "d2": None, "d3": None}, "")
    assert planned(answers, target="b" * 8) == ({"d1": "b", "d2": "b", "d3": "b"}, "")
    assert planned(answers, undone="c" * 8, target="a" * 16) == ({"d1": "a", "d2": None, "d3": None}, "")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"undone": "d" * 16}, "no host serves dddddddddddddddd"),
        ({"target": "d" * 16}, "d1: www.example.com: it has no dddddddddddddddd"),
        ({"target": "dd"}, "rollback_to is no name"),
        ({"undone": "$(reboot)"}, "rollback_from is no name"),
    ],
)
def test_a_name_that_nobody_has_is_refused(wanted: dict[str, str], words: str) -> None:
    refusal = planned({"d1": host("ba")}, **wanted)[1]
    assert words in refusal
    assert refusal.endswith("Nothing went back.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"unreachable": True, "msg": "no\nroute"}, "d2: cannot be reached: no route"),
        ({"failed": True, "msg": "MODULE FAILURE", "module_stderr": "a\nno python3\n"}, "MODULE FAILURE no python3"),
        (
            {
                "failed": True,
                "msg": "MODULE FAILURE",
                "module_stdout": "no python3\r\n",
                "module_stderr": "Shared connection to 10.0.0.1 closed.\r\n",
            },
            "MODULE FAILURE no python3",
        ),
        ({"found": False, "sites": []}, "d2: no httpd is found on it"),
        ({}, "d2: it was not asked"),
    ],
)
def test_a_host_that_tells_nothing_is_named_and_left_out_by_the_command(answer: dict[str, Any], words: str) -> None:
    answers = read_answers({"d1": host("ba"), "d2": answer})
    way = plan_way_back(answers, Wanted((DOMAIN,)))
    assert words in tell_refusal(way, CALL)
    assert "-l '!d2'" in tell_refusal(way, CALL)
    assert "-l 'web:!d2'" in tell_refusal(way, Call("rollback", limit="web"))
    assert words.removeprefix("d2: ") in " ".join(tabulate_way_back(way, answers, Wanted((DOMAIN,))))
    assert words.removeprefix("d2: ") in " ".join(tabulate_releases(answers))


def test_what_ssh_says_of_a_host_that_it_met_anew_is_not_the_hosts_last_word() -> None:
    met = "Warning: Permanently added '192.0.2.1' (ED25519) to the list of known hosts.\n"
    said = "This account is currently not available."
    assert last_words({"module_stdout": f"{said}\n", "module_stderr": met}) == said
    assert not last_words({"module_stdout": "", "module_stderr": met})


def test_a_release_that_is_damaged_is_not_gone_back_to_and_one_without_a_release_before_says_so() -> None:
    damaged = host("ba")
    damaged["sites"][0]["releases"][1] |= {"whole": False, "damage": "site.conf was edited"}
    assert f"the release {digits('a')} cannot be gone back to: site.conf was edited" in planned({"d1": damaged})[1]
    assert "there is no previous release on this host" in planned({"d1": host("a")})[1]
    missing = {"d1": {"found": True, "sites": []}}
    assert "d1: www.example.com: there is no such site on this host, whose sites are: none" in planned(missing)[1]
    assert planned({**missing, "d2": host("ba")}, undone="b" * 8) == ({"d2": "a"}, "")


def test_hosts_that_have_nothing_to_go_back_to_are_left_out_by_the_command_where_others_have() -> None:
    """As a machine that was replaced by an empty one of the same name."""
    edited = host("ba")
    edited["sites"][0]["releases"][1] |= {"whole": False, "damage": "site.conf was edited"}
    unable = {"d1": {"found": True, "sites": []}, "d2": host("a"), "d3": edited}
    refusal = planned({**unable, "d4": host("ba")})[1]
    assert "-l '!d1:!d2:!d3' -e rollback_domains=www.example.com` leaves d1, d2, d3 out" in refusal
    assert "out" not in planned(unable)[1].split(), "nobody would be left"
    assert "leaves" not in planned({"d3": host("cba"), "d4": host("ba")})[1]


def test_a_site_that_no_host_has_is_refused_whatever_is_to_be_undone() -> None:
    """As where its name was mistyped, and all hosts would be left alone without a word."""
    answers = read_answers({"d1": host("ba"), "d2": {"found": True, "sites": []}})
    refusal = tell_refusal(plan_way_back(answers, Wanted(("wwww.example.com",), undone="b" * 8)), CALL)
    assert refusal.startswith("wwww.example.com: no host has such a site. Their sites are: www.example.com.")
    silent = read_answers({"d1": {"unreachable": True, "msg": "no route"}})
    assert "no host has such a site" not in tell_refusal(plan_way_back(silent, Wanted((DOMAIN,), undone="b" * 8)), CALL)


def test_hosts_that_went_back_already_stay_and_are_told_as_the_same() -> None:
    answers = read_answers({"d1": host("ab", previous="a"), "d2": host("ba")})
    way = plan_way_back(answers, Wanted((DOMAIN,)))
    assert not way.refusals
    assert "(same)" in tabulate_way_back(way, answers, Wanted((DOMAIN,)))[1]


def test_the_mark_of_a_host_that_would_end_elsewhere_is_told_whole_and_without_a_way_there_is_no_table() -> None:
    fleet = (("d1", "cba"), ("d2", "ba"), ("d3", "ba"))
    answers = read_answers({name: host(contents, pins=["subject:CN=Chat,O=Tencent"]) for name, contents in fleet})
    header, first, *_others = tabulate_way_back(plan_way_back(answers, Wanted((DOMAIN,))), answers, Wanted((DOMAIN,)))
    assert "would go back to" in header
    assert "bbbbbbbb another" in first
    absent = Wanted((DOMAIN,), target="d" * 8)
    assert tabulate_way_back(plan_way_back(answers, absent), answers, absent) == []


def test_hosts_that_cannot_go_back_are_rows_of_the_table_beside_those_that_can() -> None:
    told = {"d1": host("ba"), "d2": host("c"), "d3": {"found": True, "sites": []}}
    answers = read_answers(told)
    rows = tabulate_way_back(plan_way_back(answers, Wanted((DOMAIN,))), answers, Wanted((DOMAIN,)))[1:]
    assert [row.split()[0] for row in rows] == ["d1", "d2", "d3"]
    assert [" nothing" in row for row in rows] == [False, True, True]
    assert rows[1].split()[1] == "c" * 8
    assert "no such site" in rows[2]


def test_the_command_that_is_told_keeps_what_was_asked_for() -> None:
    told = way_back({"d1": host("ba"), "d2": {"unreachable": True, "msg": "no route"}}, [DOMAIN], differ=True)
    assert "-l '!d2' -e rollback_domains=www.example.com -e rollback_differ=true`" in told["refusal"]


# -- releases


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "certificate"),
        ({"client_cas": [{"subject": "CN=CA", "sha256": "1" * 64}]}, "client CA +1 -1"),
        ({"crl_ends": "2027-01-01T00:00:00Z"}, "CRL"),
        ({"pins": ["subject:CN=Chat"]}, "pins (no pin before)"),
        ({"open_paths": ["/healthz"]}, "open paths"),
        ({"protected_paths": ["/callback"]}, "protected paths"),
        ({"verify_client": "optional"}, "verify_client optional"),
    ],
)
def test_what_a_release_has_otherwise_than_the_one_before_it_is_told(change: dict[str, Any], words: str) -> None:
    answer = host("ba")
    if change:
        answer["sites"][0]["releases"][0] |= {"certificate_sha256": digits("a") * 4, **change}
    _header, newest, oldest, *_rest = tabulate_releases(read_answers({"d1": answer}))
    assert newest.endswith(words)
    assert "(the oldest) no pin" in oldest


def test_a_release_that_differs_in_nothing_that_is_compared_says_so() -> None:
    answer = host("ba")
    answer["sites"][0]["releases"][0]["content"] = digits("a")
    answer["sites"][0]["releases"][0]["certificate_sha256"] = digits("a") * 4
    assert "other lines alone" in tabulate_releases(read_answers({"d1": answer}))[1]


def test_pins_are_told_in_a_word_or_two() -> None:
    assert tell_pins([]) == "no pin"
    assert tell_pins(["subject:CN=Chat,O=Tencent"]) == "CN=Chat,O=Tencent"
    assert tell_pins([f"certificate:{'5f' * 32}", "dns:a"]) == "5f5f5f5f +1"


# -- deployments


def applied(*, changed: bool = True, replaced: str | None = None) -> dict[str, Any]:
    """Return what `sites` returns of a host with one site."""
    site = {
        "domain": DOMAIN,
        "state": "present",
        "changed": changed,
        "replaced": replaced,
        "ends": "2027-05-27T10:00:00Z",
    }
    site["changes"] = ["certificate"] if changed else []
    return {"changed": changed, "httpd_found": True, "rehearsal": "full" if changed else "none", "sites": [site]}


FLEET = [
    Outcome("d1", applied=applied(replaced=digits("a"))),
    Outcome("d2", applied={"failed": True}, failed="no space left on device."),
    Outcome("n1"),
    Outcome("t1"),
]


def test_who_is_done_who_failed_and_who_was_not_begun_is_told_with_how_to_go_on() -> None:
    assert tell_deployment(FLEET, check=False) == [
        "Deployed: d1.",
        "Failed: d2 (no space left on device).",
        "Not begun: n1, t1. They serve as before.",
        "Mend d2 and run the same again; or go on without it: -l '!d2'.",
    ]
    assert tell_deployment(FLEET[:1], check=True) == ["Would be deployed: d1."]
    judged = [Outcome("d1", judged="bad"), Outcome("d2", applied=applied(), failed="not confirmed")]
    assert tell_deployment(judged, check=False) == [
        "Deployed: none.",
        "Failed: d1 (bad), d2 (not confirmed; it serves the new state all the same).",
        "Mend d1, d2 and run the same again.",
    ]


def test_who_has_nobody_left_to_go_on_with_is_not_told_to() -> None:
    """As of `-l down`, of which `-l 'down,!down'` leaves nobody."""
    failed = Outcome("down", failed="it cannot be reached")
    assert tell_deployment([failed], limit="down")[-1] == "Mend down and run the same again."
    done = Outcome("d1", applied=applied(replaced=digits("a")))
    assert tell_deployment([done, failed])[-1] == "Mend down and run the same again."
    assert tell_rollback([done, failed], [], [])[-1] == "Mend down and run the same again."
    for told in (
        tell_deployment([done, failed], check=True),
        tell_deployment([done, failed], {"d1": {"sites": []}}),
        tell_deployment([Outcome("d1"), failed]),
        tell_rollback([done, failed], [], [], check=True),
        tell_rollback([Outcome("d1"), failed], [], []),
    ):
        assert told[-1] == "Mend down and run the same again; or go on without it: -l '!down'."


@pytest.mark.parametrize(
    ("limit", "hosts", "left"),
    [
        ("", ["d1"], ["!d1"]),
        ("", ["d1", "d2"], ["!d1", "!d2"]),
        ("webhooks", ["d1"], ["webhooks", "!d1"]),
        ("eu:&webhooks", ["d1"], ["eu", "&webhooks", "!d1"]),
        ("d1,d2,d3", ["d2"], ["d1", "d2", "d3", "!d2"]),
        ("@deploy.retry", ["d1"], ["@deploy.retry", "!d1"]),
        ("", ["2001:db8::1"], ["all", "!2001:db8::1"]),
        ("webhooks", ["2001:db8::1"], ["webhooks", "!2001:db8::1"]),
        ("web:!db", ["fe80::1"], ["web", "!db", "!fe80::1"]),
    ],
)
def test_hosts_are_left_out_of_what_the_limit_left(limit: str, hosts: list[str], left: list[str]) -> None:
    assert split_host_pattern(leave_out(limit, hosts)) == left
    failed = [Outcome("other"), *(Outcome(each, failed="it failed") for each in hosts)]
    assert tell_deployment(failed, limit=limit)[-1].endswith(f" -l '{leave_out(limit, hosts)}'.")


def test_a_host_of_which_no_site_was_asked_for_is_told_as_left_alone_and_not_as_deployed() -> None:
    nothing = {"changed": False, "httpd_found": True, "rehearsal": "none", "sites": []}
    fleet = [FLEET[0], Outcome("d2", applied=nothing), Outcome("d3", applied=nothing)]
    done, alone = tell_deployment(fleet)
    assert (done, alone) == ("Deployed: d1.", "Left alone, as no site of theirs was asked for: d2, d3.")
    assert tell_deployment(fleet[1:2], check=True)[0] == "Would be deployed: none."
    assert tabulate_dry_run(fleet[1:2])[1].endswith("as it is: no site of it was asked for")
    # What is as wished already is deployed, and so is a host that only lost what was left over.
    assert tell_deployment([Outcome("d1", applied=applied(changed=False))]) == ["Deployed: d1."]
    assert tell_deployment([Outcome("d1", applied=nothing | {"changed": True})]) == ["Deployed: d1."]


def test_a_host_that_was_put_back_is_not_told_as_deployed() -> None:
    lost = Outcome("d3", applied=applied(replaced=digits("b")), failed="it was not confirmed")
    back: dict[str, dict[str, Any]] = {"d1": {"sites": []}, "d3": {"sites": []}}
    assert tell_deployment([*FLEET[:2], lost], back)[:2] == [
        "Deployed: none.",
        "Failed: d2 (no space left on device), d3 (it was not confirmed).",
    ]
    back["d1"] = back["d3"] = {"failed": True}
    assert tell_deployment([*FLEET[:2], lost], back)[:2] == [
        "Deployed: d1.",
        "Failed: d2 (no space left on device), d3 (it was not confirmed; it serves the new state all the same).",
    ]


def test_a_host_that_was_lost_before_it_was_confirmed_is_one_that_failed() -> None:
    judged, shown = [{}, {"failed": True, "msg": "bad"}], [{"unreachable": True, "msg": "lost"}, {}]
    told = deployment(["d1", "d2"], judged, [applied(replaced=digits("a")), ""], shown, ["", ""])
    assert told["failed"] == {"d1": "it could not be reached any more, so it was not confirmed", "d2": "bad"}
    assert "d1 (it could not be reached any more, so it was not confirmed; it serves the new state" in told["said"][1]
    assert told["way_back"].keys() == {"d1"}
    good = deployment(["d1"], [{}], [applied(replaced=digits("a"))], [{"endpoints": []}], [""], check=True)
    assert (good["failed"], good["way_back"], good["returned"]) == ({}, {}, [])


def test_a_host_without_httpd_on_which_none_was_installed_is_not_deployed_nor_left_alone() -> None:
    without = {"changed": False, "httpd_found": False, "rehearsal": "none", "sites": []}
    told = deployment(["d1"], [{}], [without], [{}], [""])
    assert told["said"][:2] == [
        "Deployed: none.",
        "Failed: d1 (there is no httpd on it, and the tags that were given left its installation out).",
    ]
    checked = deployment(["d1"], [{}], [without], [{}], [""], check=True)
    assert checked["said"] == ["Would be deployed: d1."]
    assert "given an httpd" in checked["table"][1]


def test_a_host_that_has_no_such_site_is_not_said_to_serve_another_release_of_it() -> None:
    without = {"found": True, "sites": []}
    answers = {"d1": host("ba"), "d2": host("ca"), "d3": without, "d4": without}
    decided = way_back(answers, [DOMAIN], digits("b"))
    assert (decided["refusal"], decided["lacking"]) == ("", ["d3", "d4"])
    told = gone_back(
        [*answers],
        decided["sites"],
        [{"changed": True}, "", "", ""],
        [{}] * 4,
        [""] * 4,
        lacking=decided["lacking"],
    )
    left_alone = "Left alone, as another release is served: d2."
    assert told["said"] == ["Went back: d1.", left_alone, "Have no such site: d3, d4."]
    assert way_back({"d1": host("ba"), "d2": host("ca")}, [DOMAIN], digits("b"))["lacking"] == []


def test_what_became_of_a_rollback_names_each_host_once_and_an_unreached_one_as_failed() -> None:
    hosts = ["d1", "d2", "d3", "d4", "d5", "d6"]
    sites = {host: [] if host == "d5" else [{"domain": DOMAIN}] for host in hosts}
    gone, same, lost = {"changed": True}, {"changed": False}, {"unreachable": True, "changed": False}
    told = gone_back(
        hosts, sites, [gone, same, gone, lost, "", ""], [{}] * 6, ["", "", "it is not enforced.", "", "", ""]
    )
    assert told["said"] == [
        "Went back: d1.",
        "Served that already: d2.",
        "Left alone, as another release is served: d5.",
        (
            "Failed: d3 (it is not enforced; it serves the new state all the same), "
            "d4 (it cannot be reached, so what it serves is not known)."
        ),
        "Not begun: d6. It serves as before.",
        "Mend d3, d4 and run the same again; or go on without them: -l '!d3:!d4'.",
    ]
    assert told["failed"] == {"d3": "it is not enforced.", "d4": "it cannot be reached, so what it serves is not known"}
    whole = gone_back(hosts[:1], sites, [gone], [{}], [""], check=True)
    assert whole == {"said": ["Would go back: d1."], "failed": {}}
    lost_later = gone_back(hosts[:1], sites, [gone], [lost], [""])
    assert "could not be reached any more" in lost_later["failed"]["d1"]


def test_hosts_that_were_put_back_are_told_from_those_that_were_not_and_from_new_sites() -> None:
    new = Outcome("d0", applied=applied())
    more = Outcome("d3", applied=applied(replaced=digits("b")))
    answers: dict[str, dict[str, Any]] = {"d1": {"sites": []}, "d3": {"failed": True, "msg": "no\nway"}}
    assert tell_put_back([new, *FLEET, more], answers) == [
        "Put back to what they served before: d1.",
        "Not put back, so look after them: d3 (no way).",
        "Served for the first time, or taken away, and left so: d0 (www.example.com).",
    ]
    assert FLEET[0].way_back == [{"domain": DOMAIN, "state": "previous", "release": digits("a"), "force": True}]
    assert Outcome("d4", applied=applied(changed=False)).way_back == []
    assert tell_put_back([FLEET[1]], {}) == []
    lost = Outcome("d5", applied={"unreachable": True}, failed="it cannot be reached")
    assert tell_put_back([lost], {}) == ["Not known what they serve, so look after them: d5."]


# -- dry runs


def test_a_dry_run_names_hosts_of_the_same_in_one_line_and_the_worst_first() -> None:
    same = [Outcome(f"web{number}", applied=applied()) for number in range(500)]
    outcomes = [
        Outcome("d1", applied=applied(changed=False)),
        *same,
        Outcome("d2", applied=applied() | {"httpd_found": False}),
        Outcome("d3", failed="/etc/x\nis missing"),
        Outcome("d4"),
    ]
    assert [re.sub(" {2,}", " | ", line) for line in tabulate_dry_run(outcomes)] == [
        "hosts | rehearsed | site | would be",
        "d3 | would fail: /etc/x is missing",
        "d4 | was not begun",
        f"web0, web1, web2 and 497 more | full | {DOMAIN} | changed, served until 2027-05-27 (certificate)",
        "d2 | not | given an httpd, and then the sites",
        "d1 | as it is: all is as wished",
    ]


def test_each_site_of_a_host_that_would_change_has_a_line() -> None:
    two = applied()
    two["sites"] = [*two["sites"], two["sites"][0] | {"domain": "hooks.example.com", "state": "absent"}]
    _header, one, other = tabulate_dry_run([Outcome("d1", applied=two)])
    assert one.startswith("d1 ")
    assert other.startswith("   ")
    assert other.endswith("hooks.example.com  taken away")


def test_a_host_that_would_change_in_no_site_says_what_would_be() -> None:
    rest = applied(changed=False) | {"changed": True}
    assert tabulate_dry_run([Outcome("d1", applied=rest | {"reloaded": True})])[1].endswith("reloaded")
    assert tabulate_dry_run([Outcome("d1", applied=rest | {"reloaded": False})])[1].endswith("rid of what is left over")


def test_who_fails_for_the_same_reason_is_named_together() -> None:
    outcomes = [Outcome("d1", judged="bad"), Outcome("d2", failed="worse"), Outcome("d3", judged="bad")]
    assert tell_deployment(outcomes, check=False)[1] == "Failed: d1, d3 (bad), d2 (worse)."


def test_a_site_that_no_inventory_lists_is_told_once_with_its_first_end() -> None:
    left = [{"domain": "old.example.com", "ends": f"2027-0{month}-27T10:00:00Z"} for month in (5, 3)]
    outcomes = [Outcome(f"d{number}", applied=applied() | {"unlisted": [site]}) for number, site in enumerate(left)]
    done, unlisted = tell_deployment(outcomes, check=False)
    assert done == "Deployed: d0, d1."
    assert unlisted == (
        "Served, and not listed in mutual_tls_sites: old.example.com on d0, d1, until 2027-03-27. "
        "List it, or take it away with mtls.httpd.remove."
    )
