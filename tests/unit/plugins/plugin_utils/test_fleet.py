# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is amiss with a fleet, by what its hosts told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fleets import after, caller, certificate, host, judged, site, varied

from ansible_collections.mtls.httpd.plugins.module_utils._machine.fault import CODES as FAULTS
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet import judging, merging, state
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.codes import CODES, MINOR, WORST_FIRST
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.columns import SCREEN
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.formats import FORMATS, as_metrics
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.page import render_page
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Host, days_between
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import sum_up, tabulate_fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet

FAULT = {"code": "bypass", "domain": "www.example.com", "message": "a door", "remedy": "close it"}
DEAD_KEY = {"survives": False, "decided_by": "files", "message": "/etc/x.key: no such file"}
CRL = {"issuer": "CN=Chat CA,O=Tencent", "this_update": after(-9), "next_update": after(1)}
NEAR = {**CRL, "next_update": after(1.01)}
LATE = {**CRL, "next_update": after(0.4)}


def codes(*hosts: Host, **thresholds: int) -> list[tuple[str, str]]:
    """Return severity and code of all that is amiss with these hosts."""
    return [(each.severity, each.code) for each in judged(hosts, **thresholds).reasons]


def test_nothing_is_amiss_with_a_sound_fleet() -> None:
    assert codes(host("d1", site()), host("d2", site())) == []


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        pytest.param({"mutual_tls": "optional"}, ("critical", "not-enforced"), id="optional here"),
        pytest.param({"from_controller": "off"}, ("critical", "not-enforced"), id="off from outside"),
        pytest.param({"from_controller": "unproven"}, ("warning", "not-shown-outside"), id="not to be seen"),
        pytest.param({"differs": ["port"]}, ("warning", "not-as-listed"), id="another port is listed"),
        pytest.param({"certificate": certificate("CN=x", 29.5)}, ("warning", "expires-soon"), id="29 days"),
        pytest.param({"certificate": certificate("CN=x", 6.5)}, ("critical", "expires-soon"), id="6 days"),
        pytest.param({"certificate": certificate("CN=x", -0.1)}, ("critical", "expired"), id="over"),
        pytest.param({"chain": [certificate("CN=x", 3)]}, ("critical", "expires-soon"), id="a chain"),
        pytest.param({"client_ca": [certificate("CN=x", 10)]}, ("warning", "expires-soon"), id="a client CA"),
        pytest.param(
            {"client_ca": [certificate("CN=x", -5), certificate("CN=y", 900)]},
            ("warning", "expired"),
            id="an ended CA beside another's",
        ),
        pytest.param({"client_ca": [certificate("CN=x", -5)]}, ("critical", "expired"), id="an ended CA alone"),
        pytest.param(
            {"pins": ["certificate:ab", "certificate:cd"], "pinned": [certificate("CN=x", 3), certificate("CN=x", -3)]},
            ("critical", "expires-soon"),
            id="the last certificate of a client",
        ),
        pytest.param(
            {"pins": ["certificate:ab"], "pinned": [certificate("CN=x", -3)]},
            ("critical", "expired"),
            id="a client's certificate is over",
        ),
        pytest.param({"crls": [NEAR]}, ("warning", "expires-soon"), id="a tenth of a CRL's time is left"),
        pytest.param({"crls": [CRL]}, ("critical", "expires-soon"), id="a CRL's last day begins"),
        pytest.param({"crls": [LATE]}, ("critical", "expires-soon"), id="a CRL's last hours"),
        pytest.param({"crls": [{**CRL, "next_update": after(-1)}]}, ("critical", "expired"), id="a CRL is over"),
    ],
)
def test_what_is_amiss_with_a_site(told: dict[str, Any], wanted: tuple[str, str]) -> None:
    assert codes(host("d1", site(**told))) == [wanted]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"wanted": "optional", "mutual_tls": "enforced"}, id="more than wanted is asked"),
        pytest.param({"wanted": "optional", "mutual_tls": "optional", "from_controller": "optional"}, id="as wanted"),
        pytest.param({"from_controller": None}, id="no way in over the network"),
        pytest.param({"certificate": certificate("CN=x", 30.5)}, id="30 days"),
        pytest.param(
            {
                "pins": ["certificate:ab", "certificate:cd"],
                "pinned": [certificate("CN=x", -3), certificate("CN=x", 90)],
            },
            id="a client's old certificate beside its new one",
        ),
        pytest.param(
            {"pins": ["certificate:ab", "subject:CN=Chat"], "pinned": [certificate("CN=x", -3)]},
            id="a client's old certificate beside its name",
        ),
        pytest.param({"crls": [{**CRL, "next_update": after(7)}]}, id="a CRL of a fortnight, half of it over"),
        pytest.param({"crls": [{**CRL, "next_update": ""}]}, id="a CRL that names no next update"),
        pytest.param({"crls": [{**CRL, "next_update": after(-1)}, {**CRL, "next_update": after(90)}]}, id="a new CRL"),
        pytest.param(
            {"client_ca": [certificate("CN=x", -5), certificate("CN=x", 900)]}, id="an old CA beside a new one"
        ),
    ],
)
def test_healthy_neighbours_of_what_is_amiss(told: dict[str, Any]) -> None:
    assert codes(host("d1", site(**told))) == []


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        pytest.param({"faults": [FAULT]}, ("critical", "bypass"), id="a door"),
        pytest.param({"faults": [{**FAULT, "code": "killed-run"}]}, ("warning", "killed-run"), id="a killed run"),
        pytest.param({"next_reload": DEAD_KEY}, ("critical", "reload-fails"), id="a missing key"),
        pytest.param({"amiss": ["host.conf was edited"]}, ("warning", "drift"), id="an edited file"),
        pytest.param({"unlisted": ["www.example.com"]}, ("warning", "not-listed"), id="not listed"),
        pytest.param({"missing": ["new.example.com"]}, ("critical", "not-deployed"), id="not deployed"),
    ],
)
def test_what_is_amiss_with_a_host(told: dict[str, Any], wanted: tuple[str, str]) -> None:
    assert codes(host("d1", site(), **told)) == [wanted]


OPEN_ELSEWHERE = {
    "wanted": "optional",
    "mutual_tls": "optional",
    "from_controller": "enforced",
    "protected_paths": ["/callback", "/hooks"],
}
ENFORCED = 'mtls_httpd_enforced{host="d1",site="www.example.com"} '


def test_a_protected_path_that_is_open_is_told_of_a_site_that_is_open_elsewhere_on_purpose() -> None:
    sound = judged([host("d1", site(**OPEN_ELSEWHERE))])
    assert sound.reasons == ()
    assert f"{ENFORCED}1\n" in as_metrics(sound)
    let_in = {**FAULT, "code": "stranger-let-in", "message": "www.example.com at 127.0.0.1:443: got in at /hooks"}
    seen_there = judged([host("d1", site(**OPEN_ELSEWHERE), faults=[let_in])])
    assert [(each.severity, each.code) for each in seen_there.reasons] == [("critical", "stranger-let-in")]
    seen_here = judged([host("d1", site(**{**OPEN_ELSEWHERE, "from_controller": "optional"}))])
    assert [(each.severity, each.code) for each in seen_here.reasons] == [("critical", "not-enforced")]
    assert "lets strangers in at a protected path, seen from the controller." in seen_here.reasons[0].message
    for fleet in (seen_there, seen_here):
        assert f"{ENFORCED}0\n" in as_metrics(fleet)
    # Of a site that is to be closed as a whole, the fault says less than the finding.
    assert codes(host("d1", site(mutual_tls="optional"), faults=[let_in])) == [("critical", "not-enforced")]


@pytest.mark.parametrize(("skew", "found"), [(-3.0, []), (59.0, []), (-61.0, [("warning", "clock-off")])])
def test_a_clock_that_is_off_is_told(skew: float, found: list[tuple[str, str]]) -> None:
    assert codes(host("d1", site(), clock_skew=skew)) == found


@pytest.mark.parametrize(
    ("skew", "words"),
    [(-90.0, "Its clock is 90 seconds behind the controller's."), (90.0, "90 seconds ahead of the controller's.")],
)
def test_which_way_a_clock_is_off_is_said(skew: float, words: str) -> None:
    (reason,) = judged([host("d1", site(), clock_skew=skew)]).reasons
    assert reason.message.endswith(words)


def test_a_reload_of_which_nothing_is_known_is_neither_good_nor_bad() -> None:
    unknown = {"survives": None, "decided_by": "full rehearsal", "message": "it came to no end"}
    fleet = judged([host("d1", site(), next_reload=unknown)])
    assert fleet.reasons == ()
    assert "survives_reload" not in as_metrics(fleet)
    assert "not known: it came to no end" in render_page(fleet)


def test_a_stopped_httpd_is_amiss_where_it_has_sites() -> None:
    stopped = host("d1").told["server"] | {"running": False}
    assert codes(host("d1", site(), server=stopped)) == [("critical", "not-running")]
    assert codes(host("d1", server=stopped)) == []


@pytest.mark.parametrize(
    ("condition", "wanted", "in_words"),
    [
        ("unreachable", ("critical", "unreachable"), "unreachable"),
        ("failed", ("critical", "not-looked-at"), "not looked at"),
        ("no-httpd", ("critical", "httpd-not-found"), "no httpd"),
        ("not-asked", ("warning", "not-asked"), "not asked"),
    ],
)
def test_hosts_of_which_nothing_is_known_are_rows(condition: str, wanted: tuple[str, str], in_words: str) -> None:
    fleet = judged([Host("down", condition, "Why.", {})])
    assert [(each.severity, each.code) for each in fleet.reasons] == [wanted]
    assert [(row.host.name, row.domain) for row in fleet.rows] == [("down", "")]
    assert tabulate_fleet(fleet)[1].split(None, 2)[2] == in_words


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"certificate": certificate("CN=x", 90, "cd" * 32)}, "certificates (d1: SHA-256 abababab…"),
        (
            {"client_ca": [certificate("CN=x", 900, "cd" * 32)]},
            "client CAs (d1: SHA-256 abababab…; d2: SHA-256 cdcdcdcd…)",
        ),
        ({"pins": []}, "pins (d1: CN=Chat,O=Tencent; d2: none)"),
        ({"open_paths": ["/healthz"]}, "paths without a certificate"),
        ({"protected_paths": ["/callback"]}, "protected paths"),
    ],
)
def test_hosts_that_serve_a_site_differently_are_told(told: dict[str, Any], what: str) -> None:
    reasons = judged([host("d1", site()), host("d2", site(**told))]).reasons
    assert [each.code for each in reasons] == ["differs-between-hosts"]
    assert f"www.example.com: hosts serve different {what}" in reasons[0].message


def other(name: str, days: float = 90) -> Host:
    """Return a host that serves another certificate than those of `site`."""
    return host(name, site(certificate=certificate("CN=x", days, "cd" * 32)))


def test_a_straggler_alone_is_marked_and_told_once_with_both_groups() -> None:
    fleet = judged([*(host(f"h{number:02}", site()) for number in range(40)), other("late")])
    assert [(each.code, each.hosts) for each in fleet.reasons] == [("differs-between-hosts", ("late",))]
    assert [row.host.name for row in fleet.rows if row.severity == "warning"] == ["late"]
    metrics = as_metrics(fleet)
    assert 'mtls_httpd_amiss{host="late",severity="warning"} 1\n' in metrics
    assert 'mtls_httpd_amiss{host="h00",severity="warning"} 0\n' in metrics
    page = {each.partition('"')[0]: each for each in render_page(fleet).split('<section class="host" id="host-')}
    assert "hosts serve different certificates" in page["late"]
    assert "hosts serve different certificates" not in page["h00"]
    assert "(h00, h01, h02 and 37 more: SHA-256 abababab… until" in fleet.reasons[0].message
    assert "; late: SHA-256 cdcdcdcd… until" in fleet.reasons[0].message
    lines = tabulate_fleet(fleet)
    assert lines[1].split()[1] == "late"
    assert lines[2].startswith("And 40 rows in which all is well")


def test_where_no_group_is_the_largest_each_host_of_the_site_is_marked_and_no_other() -> None:
    hosts = [host("a", site()), other("b"), host("c", site("b.example.com"))]
    fleet = judged(hosts)
    assert [each.hosts for each in fleet.reasons] == [()]
    assert {row.host.name: row.severity for row in fleet.rows} == {"a": "warning", "b": "warning", "c": "well"}
    three = judged([*hosts, host("d", site()), other("e"), host("f", site(certificate=certificate("CN=y", 90, "ef")))])
    assert {row.host.name for row in three.rows if row.severity == "warning"} == {"a", "b", "d", "e", "f"}


def test_hosts_that_renew_for_themselves_may_serve_certificates_of_their_own() -> None:
    own = site(certificate=certificate("CN=x", 60, "cd" * 32), remote_src=True)
    assert codes(host("d1", site(remote_src=True)), host("d2", own)) == []


def test_who_renews_for_himself_is_told_which_program_deploys_it() -> None:
    ends = {"certificate": certificate("CN=x", 20)}
    (own,) = judged([host("d1", site(**ends, renewal_hook="/etc/hooks/renew"))]).reasons
    (other,) = judged([host("d1", site(**ends))]).reasons
    assert own.remedy == "Renew it on the host, or see why that failed; /etc/hooks/renew then deploys it."
    assert other.remedy == "Renew it, and deploy."


def test_thresholds_are_the_callers() -> None:
    ends = host("d1", site(certificate=certificate("CN=x", 20)))
    assert codes(ends, warn_days=10) == []
    assert codes(ends, warn_days=60, critical_days=30) == [("critical", "expires-soon")]


def test_who_lets_others_in_comes_before_who_will_be_down() -> None:
    ends = host("a", site(certificate=certificate("CN=x", 1)))
    fleet = judged([ends, Host("b", "unreachable", "Why.", {}), host("c", site(mutual_tls="off"))])
    assert [row.host.name for row in fleet.rows] == ["c", "a", "b"]
    assert [each.code for each in fleet.reasons[:3]] == ["not-enforced", "expires-soon", "unreachable"]


def test_of_what_is_equally_bad_the_first_to_end_comes_first() -> None:
    crl = {**CRL, "next_update": after(0.9)}
    hosts = [host("a", site(days=5)), host("b", site(days=2)), host("c", site(crls=[crl])), host("d", site(days=9))]
    fleet = judged(hosts)
    assert [row.host.name for row in fleet.rows] == ["c", "b", "a", "d"]
    assert [each.host for each in fleet.reasons if each.code == "expires-soon"] == ["c", "b", "a", "d"]


def test_what_host_and_controller_saw_alike_is_said_once() -> None:
    fleet = judged([host("d1", site(mutual_tls="optional", from_controller="optional"))])
    assert [each.code for each in fleet.reasons] == ["not-enforced"]
    assert fleet.reasons[0].message == (
        "www.example.com lets strangers in (the client certificate is optional, and must be required)."
    )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"mutual_tls": "off"},
            "lets strangers in, seen from the host (no client certificate is asked for, and must be",
        ),
        ({"from_controller": "optional"}, "lets strangers in, seen from the controller (the client certificate is opt"),
        (
            {"mutual_tls": "off", "from_controller": "off", "wanted": "optional"},
            "asks nobody for a client certificate (",
        ),
    ],
)
def test_who_saw_less_than_is_wanted_is_told_where_not_both_did(told: dict[str, Any], message: str) -> None:
    assert f"www.example.com {message}" in judged([host("d1", site(**told))]).reasons[0].message


@pytest.mark.parametrize(("days", "whole"), [(0.5, 0), (1.5, 1), (-0.5, -1), (-1.5, -1), (-2.5, -2)])
def test_days_are_whole_and_what_is_over_is_negative(days: float, whole: int) -> None:
    assert days_between(judged([]).at, after(days)) == whole


def test_every_code_is_in_the_table_of_which_the_page_is_made() -> None:
    source = "".join(Path(each.__file__).read_text() for each in (judging, merging, state))
    assert [code for code in CODES if f'"{code}"' not in source] == []
    assert {each.code for each in varied().reasons} <= CODES.keys() | FAULTS.keys()
    assert FAULTS.keys() >= MINOR
    assert CODES.keys() | FAULTS.keys() >= set(WORST_FIRST)


def test_a_table_fits_the_screen_with_the_worst_first() -> None:
    lines = tabulate_fleet(varied())
    assert max(map(len, lines)) <= SCREEN
    marks = [line[:2] for line in lines[1 : lines.index("")]]
    assert marks == sorted(marks, key=["!!", "! ", "  "].index)
    assert {"!!", "! ", "  "} == set(marks)
    assert any(line.startswith("9 hosts, 3 sites: ") for line in lines[-2:])


def test_a_table_of_long_names_fits_the_screen() -> None:
    long = [host(f"host-{number}.{'x' * 60}.example.com", site(f"{'y' * 55}.example.com")) for number in range(2)]
    lines = tabulate_fleet(judged(long))
    assert max(map(len, lines[:3])) <= SCREEN
    assert "…" in lines[1]


def test_a_large_fleet_shows_what_is_amiss_and_counts_the_rest() -> None:
    hosts = [host(f"h{number}", site()) for number in range(60)] + [host("bad", site(mutual_tls="off"))]
    lines = tabulate_fleet(judged(hosts))
    assert [line.split()[1] for line in lines[1:2]] == ["bad"]
    assert lines[2].startswith("And 60 rows in which all is well")
    assert len(tabulate_fleet(judged(hosts), everything=True)) > 60


def many_sites(days: Callable[[int], float], **told: Any) -> Fleet:
    """Return a fleet of one host with three hundred sites, and one without any fault."""
    sites = [site(f"s{number}.example.com", days(number)) for number in range(300)]
    return judged([host("large", *sites, **told), host("small", site())])


@pytest.mark.parametrize(
    ("fleet", "row", "said"),
    [
        (
            many_sites(lambda _number: 20),
            ["!", "large", "300:", "2026-12-19", "20", "enforced", "expires", "soon"],
            "And 299 more like it: s1.example.com, s10.example.com,",
        ),
        (
            many_sites(lambda number: 8 + number / 15),
            ["!", "large", "300:", "2026-12-07", "8", "enforced", "expires", "soon"],
            "WARNING large: s0.example.com: the certificate 'CN=s0.example.com' ends on 2026-12-07, in 8 days.",
        ),
        (
            many_sites(lambda number: 100 + number, next_reload=DEAD_KEY),
            ["!!", "large", "300:", "2027-03-09", "100", "enforced", "reload", "fails"],
            "CRITICAL large: httpd would end at its next reload:",
        ),
        (
            judged([Host(f"h{number:03}", "unreachable", "Connection timed out", {}) for number in range(300)]),
            ["!!", "300:", "h000,", "h001,", "unreachable"],
            "CRITICAL h000, h001, h002, h003, h004 and 295 more: Connection timed out",
        ),
        (
            judged([host(f"h{number:03}", site(f"s{number:03}.example.com", 20)) for number in range(300)]),
            ["!", "300:", "h000,", "2026-12-19", "20", "enforced", "expires", "soon"],
            "And 299 more like it: h001 s001.example.com,",
        ),
    ],
    ids=["sites that end together", "sites that end one by one", "a host's own fault", "hosts", "a site a host"],
)
def test_many_findings_of_one_kind_are_one_on_the_screen_and_all_in_the_reports(
    fleet: Fleet, row: list[str], said: str
) -> None:
    lines = tabulate_fleet(fleet)
    assert len(lines) < 20
    assert max(map(len, lines)) <= 120
    shown = lines[1].split()
    assert [each for each in row if each not in shown] == [], lines[1]
    assert "What is alike is one here" in "".join(lines)
    assert said in " ".join(" ".join(lines).split())
    whole = tabulate_fleet(fleet, everything=True)
    assert len(whole) > 300
    assert "is one here" not in "".join(whole)
    assert len(FORMATS[".csv"](fleet).splitlines()) > 300
    assert len(json.loads(FORMATS[".json"](fleet))["reasons"]) == len(fleet.reasons)


def test_findings_that_are_few_or_of_other_kinds_stay_apart_on_the_screen() -> None:
    hosts = [host(f"h{number}", site()) for number in range(60)]
    few = [host(f"late{number}", site(f"s{number}.example.com", 20 + number)) for number in range(5)]
    other = host("other", site(days=2000, client_ca=[certificate("CN=Chat CA,O=Tencent", 22.5)]))
    lines = tabulate_fleet(judged([*hosts, *few, other, host("open", site(mutual_tls="optional"))]))
    assert [line.split()[1] for line in lines[1:8]] == ["open", "late0", "late1", "late2", "other", "late3", "late4"]
    assert sum(line.startswith("WARNING late") for line in lines) == 5
    assert not any("more like it" in line for line in lines)


def test_a_fault_of_its_own_is_not_folded_into_those_of_many_other_hosts() -> None:
    refused = "Failed to connect to the host via ssh: ssh: connect to host {} port 22: Connection timed out"
    hosts = [Host(f"h{number}", "unreachable", refused.format(f"10.0.0.{number}"), {}) for number in range(30)]
    named = [Host(name, "unreachable", refused.format(f"{name}.example.net"), {}) for name in ("fra", "ber", "ham")]
    other = Host("k1", "unreachable", "Failed to connect to the host via ssh: Host key verification failed.", {})
    said = [line for line in tabulate_fleet(judged([*hosts, *named, other])) if line.startswith("CRITICAL")]
    assert [line.split()[1] for line in said] == ["ber:", "k1:"]
    assert "Host key verification failed." in said[1]


def test_in_what_findings_differ_that_are_told_as_one_is_told_too() -> None:
    skewed = [host(f"h{number:02}", site(), clock_skew=61 + number * 10) for number in range(30)]
    edited = [host(f"e{number}", site(), amiss=[f"/etc/a/{number}.conf was edited"]) for number in range(10, 40)]
    said = " ".join(" ".join(tabulate_fleet(judged([*skewed, *edited]))).split())
    assert "Its clock is 61 seconds ahead of the controller's." in said
    assert "And 29 more like it, with 71 to 351 in the place of 61: h01, h02, h03, h04, h05 and 24 more." in said
    others = "/etc/a/11.conf, /etc/a/12.conf, /etc/a/13.conf and 26 more"
    assert f"And 29 more like it, with {others} in the place of /etc/a/10.conf: e11, e12, e13, e14, e15 and" in said


def test_findings_that_differ_by_their_hosts_alone_are_not_said_to_differ_in_more() -> None:
    said = [f"ssh: connect to host h{number}.example.net port 22: Connection timed out" for number in range(30)]
    hosts = [Host(f"h{number}.example.net", "unreachable", words, {}) for number, words in enumerate(said)]
    assert "And 29 more like it: h1.example.net, " in " ".join(" ".join(tabulate_fleet(judged(hosts))).split())


def of(identity: str) -> dict[str, Any]:
    """Return what is told of an httpd by which it is known again."""
    return {**host("any").told["server"], "identity": identity}


def test_names_of_one_httpd_are_told_and_mark_each_of_them() -> None:
    hosts = [host(name, site(), server=of(one)) for name, one in (("a", "x"), ("b", "y"), ("c", "x"))]
    fleet = judged(hosts)
    (found,) = fleet.reasons
    assert (found.severity, found.code, found.hosts) == ("warning", "same-httpd", ("a", "c"))
    assert found.message == "a, c are one httpd: the inventory has several names for it."
    assert {row.host.name: row.severity for row in fleet.rows} == {"a": "warning", "b": "well", "c": "warning"}


def test_hosts_whose_httpd_is_another_or_not_known_are_not_taken_for_one() -> None:
    known = [host("a", site(), server=of("x")), host("b", site(), server=of("y"))]
    silent = [host("c", site(), server=of("")), host("d", site(), server=of("")), host("e", site()), host("f", site())]
    assert judged([*known, *silent]).reasons == ()


def test_of_many_groups_that_differ_the_largest_are_told_and_the_others_counted() -> None:
    usual = [host(f"h{number}", site()) for number in range(9)]
    others = [host(f"o{number}", site(pins=[f"subject:CN={number}"])) for number in range(12)]
    (found,) = judged([*usual, *others]).reasons
    assert "h0, h1, h2 and 6 more: CN=Chat,O=Tencent" in found.message
    assert "; and 8 more on 8 hosts)" in found.message


def test_what_is_amiss_with_many_hosts_is_said_once() -> None:
    hosts = [host(f"h{number}", site(), unlisted=["www.example.com"]) for number in range(9)]
    said = [line for line in tabulate_fleet(judged(hosts)) if line.startswith("WARNING")]
    assert len(said) == 1
    assert "h0, h1, h2, h3, h4 and 4 more: " in said[0]


@pytest.mark.parametrize("tell", [tabulate_fleet, *FORMATS.values()])
def test_what_is_told_of_a_fleet_takes_time_by_its_hosts_and_not_by_their_square(tell: Callable[[Any], object]) -> None:
    """Five times the hosts, with five times as much amiss, may take ten times as long."""

    def seconds(hosts: int) -> float:
        told = [host(f"h{number}", site(days=20), amiss=["x"] * 3) for number in range(hosts)]
        begun = time.process_time()
        tell(judged(told))
        return time.process_time() - begun

    few = min(seconds(200) for _time in range(3))
    assert min(seconds(1000) for _time in range(2)) < 10 * few


def test_the_last_line_tells_what_ends_first() -> None:
    fleet = judged([host("d1", site()), host("d2", site(certificate=certificate("CN=x", 40)))])
    assert "First to end: the certificate of www.example.com on d2, 2027-01-08, in 40 days." in sum_up(fleet)


def test_a_row_tells_when_somebody_called_last() -> None:
    called = host("d1", site(callers=[caller("CN=Chat,O=Tencent", 30), caller("CN=Other", 40)]))
    lines = tabulate_fleet(judged([called, host("d2", site()), host("d3", site(callers=None))]))
    assert "  11-28 06:00" in lines[1]
    assert "  none (30 d)" in lines[2]
    assert "none" not in lines[3]
    assert "last call UTC" in lines[0]


def test_where_strangers_get_in_anybody_may_call() -> None:
    lines = tabulate_fleet(judged([host("d1", site(mutual_tls="optional")), host("d2", site())]))
    assert "  anybody  " in lines[1]
    assert "  CN=Chat,O=Tencent  " in lines[2]
    meant = judged([host("d1", site(wanted="optional", mutual_tls="optional", from_controller="optional"))])
    assert "anybody" not in tabulate_fleet(meant)[1]


def test_a_row_tells_why_it_is_one_of_the_worst() -> None:
    lines = tabulate_fleet(judged([host("d1", site(), next_reload=DEAD_KEY), host("d2", site())]))
    assert lines[0].endswith("  why")
    assert lines[1].endswith("  reload fails")
    assert lines[2].endswith("  none (30 d)")


def test_a_listed_site_that_is_not_on_the_host_is_a_row() -> None:
    fleet = judged([host("d1", site(), missing=["new.example.com"]), host("d2", missing=["new.example.com"])])
    told = {(row.host.name, row.domain): (row.severity, row.lacks) for row in fleet.rows}
    assert told == {
        ("d1", "www.example.com"): ("well", ""),
        ("d1", "new.example.com"): ("critical", "not deployed"),
        ("d2", "new.example.com"): ("critical", "not deployed"),
    }
    assert tabulate_fleet(fleet)[1].split() == ["!!", "d1", "new.example.com", "not", "deployed"]
    assert "2 hosts, 2 sites: 2 critical findings on 2 rows. " in sum_up(fleet)


def test_what_is_amiss_with_a_site_that_has_no_row_marks_those_of_its_host() -> None:
    fleet = judged([host("d1", site(), faults=[{**FAULT, "domain": "other.example.com"}]), host("d2", site())])
    assert [(row.host.name, row.severity) for row in fleet.rows] == [("d1", "critical"), ("d2", "well")]


def test_the_sum_counts_findings_and_the_rows_that_are_so_bad() -> None:
    gone = {"next_reload": DEAD_KEY, "faults": [FAULT]}
    many = [host("d1", site(), **gone), host("d2", site(differs=["port"]), amiss=["host.conf was edited"])]
    assert "2 critical findings on 1 row and 2 warnings. " in sum_up(judged(many))
    assert "1 site: 2 warnings on 1 row. " in sum_up(judged(many[1:]))


def test_whose_next_reload_fails_is_said_before_what_ends_first() -> None:
    dying = judged([host("d1", site(days=3)), host("d2", site(), next_reload=DEAD_KEY)])
    words = (
        "httpd would end at its next reload, such as logrotate's at midnight, on d2. First to end: the certificate of"
    )
    assert words in sum_up(dying)
    assert "reload" not in sum_up(judged([host("d1", site(days=3))]))


def test_what_ends_first_may_be_a_list_or_a_client_ca() -> None:
    fleet = judged([host("d1", site(days=3)), host("d2", site(crls=[CRL]))])
    assert "First to end: the CRL of www.example.com on d2, 2026-11-30, in 1 day." in sum_up(fleet)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"days": 3}, "expires soon"),
        ({"client_ca": [certificate("CN=x", 3)]}, "CA expires soon"),
        ({"crls": [CRL]}, "CRL expires soon"),
        ({"pins": ["certificate:ab"], "pinned": [certificate("CN=x", 3)]}, "client expires soon"),
        ({"crls": [{**CRL, "next_update": after(-1)}]}, "CRL expired"),
        # Of one CA, all may end in the same second.
        ({"days": 3, "client_ca": [certificate("CN=x", 3)]}, "expires soon"),
    ],
)
def test_beside_the_certificates_days_it_is_said_what_else_ends(told: dict[str, Any], why: str) -> None:
    fleet = judged([host("d1", site(**told))])
    assert [row.why for row in fleet.rows] == [why]
    assert tabulate_fleet(fleet)[1].endswith(why)


def test_what_the_next_reload_would_end_by_is_said_once() -> None:
    words = "the configuration /etc/httpd/conf/httpd.conf is not sound: AH00526: Syntax error"
    broken = {"code": "broken-before", "domain": "", "message": words, "remedy": "mend it first"}
    other = broken | {"code": "killed-run", "message": "/etc/httpd/conf/mtls/journal tells of a run that was killed"}
    reload = {"survives": False, "decided_by": "httpd", "message": f"{words}: mend it first"}
    found = codes(host("d1", site(), next_reload=reload, faults=[broken, other]))
    assert found == [("critical", "reload-fails"), ("warning", "killed-run")]
    of_a_site = broken | {"code": "client-ca-weak", "domain": "www.example.com"}
    assert ("critical", "client-ca-weak") in codes(host("d1", site(), next_reload=reload, faults=[of_a_site]))


def test_no_control_character_of_a_name_reaches_the_screen() -> None:
    steering = site(pins=["subject:CN=\x1b[2J\nO=x"])
    assert not any("\x1b" in line or "\n" in line for line in tabulate_fleet(judged([host("d1", steering)])))
