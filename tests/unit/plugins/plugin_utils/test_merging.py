# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports of the slices of an inventory, told as one."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from fleets import NOW, after, certificate, host, judged, site, varied

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.formats import FORMATS, as_json
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.judging import judge_fleet
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.merging import read_reports
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Thresholds, moment
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.table import tabulate_fleet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Fleet, Host


def merged(folder: Path, *fleets: Fleet, looked_at: Sequence[Host] = ()) -> Fleet:
    """Return what the reports of fleets come to, written to a folder and read back."""
    paths = []
    for number, fleet in enumerate(fleets):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(as_json(fleet))
    return judge_fleet(looked_at, NOW, Thresholds(30, 7), read_reports([str(path) for path in paths], NOW))


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_that_is_read_back_says_the_same(form: str, tmp_path: Path) -> None:
    fleet = varied()
    assert FORMATS[form](merged(tmp_path, fleet)) == FORMATS[form](fleet)


@pytest.mark.parametrize("form", FORMATS)
def test_slices_say_together_what_the_whole_would(form: str, tmp_path: Path) -> None:
    fleet = varied()
    hosts = fleet.hosts
    slices = [judged(hosts[:2]), judged(hosts[2:5])]
    assert FORMATS[form](merged(tmp_path, *slices, judged(hosts[5:]))) == FORMATS[form](fleet)


def test_a_report_of_a_later_version_may_have_more_keys_and_one_of_an_earlier_fewer(tmp_path: Path) -> None:
    fleet = varied()
    told = json.loads(as_json(fleet))
    sites = [each for one in told["hosts"] for each in one["sites"]]
    for each in (told, *told["reasons"], *told["hosts"], *sites):
        each["later"] = {"more": [1]}
    for each in told["reasons"]:
        del each["kind"]
    (tmp_path / "a.json").write_text(json.dumps(told))
    found = judge_fleet((), NOW, Thresholds(30, 7), read_reports([str(tmp_path / "a.json")], NOW))
    assert [each.message for each in found.reasons] == [each.message for each in fleet.reasons]


def test_hosts_of_two_slices_are_compared(tmp_path: Path) -> None:
    one, other = (
        judged([host("d1", site())]),
        judged([host("d2", site(certificate=certificate("CN=x", 90, "cd" * 32)))]),
    )
    assert one.reasons == other.reasons == ()
    assert [each.code for each in merged(tmp_path, one, other).reasons] == ["differs-between-hosts"]


def test_a_report_of_reports_tells_when_each_host_was_looked_at_and_makes_nothing_newer(tmp_path: Path) -> None:
    slices = [json.loads(as_json(judged([host(name, site())]))) for name in ("d1", "d2")]
    slices[0] |= {"made_at": after(-0.9)}
    for number, told in enumerate(slices):
        (tmp_path / f"slice{number}.json").write_text(json.dumps(told))
    read = read_reports([str(tmp_path / f"slice{number}.json") for number in range(2)], NOW)
    fleet = judge_fleet((), NOW, Thresholds(30, 7), read)
    again = merged(tmp_path, fleet)
    for each in (fleet, again):
        told = json.loads(as_json(each))
        assert told["made_at"] == after(0)
        assert told["looked_at"] == {"oldest": after(-0.9), "newest": after(0)}
        assert {one["host"]: one["looked_at"] for one in told["hosts"]} == {"d1": after(-0.9), "d2": after(0)}
        assert [reason.code for reason in each.reasons] == ["old-report"], "it is as old as before"
    words = "from 2026-11-28, 14:24 to 2026-11-29, 12:00 UTC, in several runs"
    for text in ("\n".join(tabulate_fleet(again)), FORMATS[".md"](again), FORMATS[".html"](again)):
        assert words in " ".join(text.split())
    page = FORMATS[".html"](again)
    assert page.count('<time datetime="2026-11-28T14:24:00Z">') == page.count(f'<time datetime="{after(0)}">') == 1
    rows = csv.DictReader(FORMATS[".csv"](again).splitlines())
    assert {row["host"]: row["looked_at"] for row in rows} == {"d1": after(-0.9), "d2": after(0)}


def test_a_host_counts_as_it_was_looked_at_last_whichever_report_was_put_together_last(tmp_path: Path) -> None:
    old = json.loads(as_json(judged([host("d1", site(days=3))])))
    old["hosts"][0]["looked_at"] = after(-0.4)
    new = json.loads(as_json(judged([host("d1", site(days=80))]))) | {"made_at": after(-0.1)}
    new["hosts"][0]["looked_at"] = after(-0.1)
    for name, told in (("old", old), ("new", new)):
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    (found,) = read_reports([str(tmp_path / f"{name}.json") for name in ("new", "old")], NOW)
    assert (found.reasons, found.at) == ((), moment(after(-0.1)))


def test_a_report_of_a_report_with_an_early_year_can_be_read_again(tmp_path: Path) -> None:
    told = json.loads(as_json(judged([host("d1", site())])))
    told["hosts"][0]["looked_at"] = "0001-02-03T04:05:06Z"
    (tmp_path / "early.json").write_text(json.dumps(told))
    fleet = judge_fleet((), NOW, Thresholds(30, 7), read_reports([str(tmp_path / "early.json")], NOW))
    again = json.loads(as_json(merged(tmp_path, fleet)))
    assert again["hosts"][0]["looked_at"] == "0001-02-03T04:05:06Z"


def test_of_a_host_in_two_reports_the_later_counts(tmp_path: Path) -> None:
    late = json.loads(as_json(judged([host("d1", site(days=80))])))
    early = json.loads(as_json(judged([host("d1", site(days=3)), host("d2", site())])))
    early["made_at"] = after(-0.1)
    for name, told in ("a", late), ("b", early):
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    for order in ("ab", "ba"):
        found = read_reports([str(tmp_path / f"{name}.json") for name in order], NOW)
        assert {each.host.name: each.reasons for each in found} == {"d1": (), "d2": ()}


@pytest.mark.parametrize(("days", "amiss"), [(-0.4, []), (-1, ["old-report"])])
def test_what_was_looked_at_long_ago_is_not_told_as_of_today(days: float, amiss: list[str], tmp_path: Path) -> None:
    """As where a slice failed, and the report that it wrote yesterday still lies there."""
    told = [json.loads(as_json(judged([host(name, site())]))) for name in ("d1", "d2")]
    told[1]["made_at"] = after(days)
    paths = [tmp_path / f"{number}.json" for number in range(2)]
    for path, each in zip(paths, told):
        path.write_text(json.dumps(each))
    fleet = judge_fleet((), NOW, Thresholds(30, 7), read_reports([str(path) for path in paths], NOW))
    assert [(each.code, each.host) for each in fleet.reasons] == [(code, "d2") for code in amiss]
    assert [row.why != "" for row in fleet.rows if row.host.name == "d2"] == [bool(amiss)]
    looked = int(moment(after(days)).timestamp())
    assert f"mtls_httpd_last_check_timestamp_seconds {looked}\n" in FORMATS[".prom"](fleet), "the alert is about it"
    (tmp_path / "again.json").write_text(as_json(fleet))
    again = judge_fleet((), NOW, Thresholds(30, 7), read_reports([str(tmp_path / "again.json")], NOW))
    assert again.reasons == fleet.reasons


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(schema="mtls.httpd/status/0"),
        lambda told: told.update(hosts=None),
        lambda told: told["hosts"][0].pop("sites"),
        lambda told: told["reasons"].append({"code": "x"}),
        lambda told: told.pop("made_at"),
        lambda told: told.update(made_at="yesterday"),
        lambda told: told["reasons"][0].update(severity="fine"),
        lambda told: told["hosts"][0]["sites"][0].pop("known"),
        lambda told: told["hosts"][0]["sites"][0].update(certificate=7),
        lambda told: told["hosts"][0]["server"].pop("unit"),
        lambda told: told["hosts"][0].update(next_reload=None),
    ],
)
def test_what_is_no_report_is_refused_by_its_name(change: Any, tmp_path: Path) -> None:
    told = json.loads(as_json(varied()))
    change(told)
    (tmp_path / "a.json").write_text(json.dumps(told))
    with pytest.raises(ArgumentsError) as refused:
        read_reports([str(tmp_path / "a.json")], NOW)
    assert str(refused.value).startswith(f"option 'reports[0]', {tmp_path}/a.json, is no report")


def test_a_report_of_the_future_overrules_no_other(tmp_path: Path) -> None:
    told = json.loads(as_json(varied())) | {"made_at": "9999-01-01T00:00:00Z"}
    (tmp_path / "a.json").write_text(json.dumps(told))
    with pytest.raises(ArgumentsError, match="is of the future, 9999-01-01T00:00:00Z"):
        read_reports([str(tmp_path / "a.json")], NOW)


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "is no report"), ("[]", "is no report"), ("nonsense", "is no report"), (None, "cannot be read")],
)
def test_a_file_that_is_none_is_refused(content: str | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(ArgumentsError, match=words):
        read_reports([str(tmp_path / "a.json")], NOW)
