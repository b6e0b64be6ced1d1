# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as files for programs and people."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import jsonschema
import pytest
from fleets import HOSTILE, after, host, judged, site, varied

from ansible_collections.mtls.httpd.plugins.plugin_utils._arguments import ArgumentsError
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.formats import (
    FORMATS,
    SCHEMA,
    as_csv,
    as_json,
    as_markdown,
    as_metrics,
)
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.merging import read_reports
from ansible_collections.mtls.httpd.plugins.plugin_utils._fleet.state import Host, moment

DOCS = Path(__file__).parents[4] / "docs"


def test_the_json_is_as_its_schema_says() -> None:
    schema = json.loads((DOCS / "status.schema.json").read_text())
    told = json.loads(as_json(varied()))
    jsonschema.validate(told, schema, jsonschema.Draft202012Validator)
    assert told["schema"] == SCHEMA == schema["properties"]["schema"]["const"]


def test_the_schema_refuses_what_is_none() -> None:
    schema = json.loads((DOCS / "status.schema.json").read_text())
    told = json.loads(as_json(varied()))
    told["hosts"][0]["sites"][0]["days_left"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, schema, jsonschema.Draft202012Validator)


def test_the_schema_refuses_a_report_without_the_moments_that_its_reader_needs(tmp_path: Path) -> None:
    schema = json.loads((DOCS / "status.schema.json").read_text())
    path = tmp_path / "fleet.json"
    for name in ("made_at", "looked_at"):
        told = json.loads(as_json(varied()))
        of = told if name == "made_at" else told["hosts"][0]
        of[name] = ""
        path.write_text(json.dumps(told))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(told, schema, jsonschema.Draft202012Validator)
        with pytest.raises(ArgumentsError):
            read_reports([str(path)], moment(after(0)))


def test_every_key_of_the_json_stands_in_the_schema() -> None:
    """Whoever adds one to the report has to document it."""
    schema = json.loads((DOCS / "status.schema.json").read_text())
    told = json.loads(as_json(varied()))
    assert told.keys() <= schema["properties"].keys()
    of_reason = schema["$defs"]["reason"]["properties"]
    assert all(each.keys() <= of_reason.keys() for each in told["reasons"])
    of_host = schema["$defs"]["host"]["properties"]
    of_site = schema["$defs"]["site"]["properties"]
    for each in told["hosts"]:
        assert each.keys() <= of_host.keys()
        for one in each["sites"]:
            assert one.keys() <= of_site.keys()


def test_the_csv_has_a_line_for_each_row_and_no_formula() -> None:
    fleet = varied()
    lines = list(csv.DictReader(io.StringIO(as_csv(fleet))))
    assert [(line["host"], line["domain"]) for line in lines] == [(row.host.name, row.domain) for row in fleet.rows]
    assert not [value for line in lines for value in line.values() if value[:1] in ("=", "+", "@")]
    formula = judged([host("d1", site(open_paths=["=1+1"], certificate=None))])
    assert next(csv.DictReader(io.StringIO(as_csv(formula))))["open_paths"] == "'=1+1"


def test_days_that_are_over_stay_numbers_in_the_csv() -> None:
    over = judged([host("d1", site(days=-3.5))])
    assert next(csv.DictReader(io.StringIO(as_csv(over))))["days_left"] == "-3"


def test_markdown_has_no_markup_of_others() -> None:
    text = as_markdown(varied())
    assert "<script>" not in text
    assert HOSTILE not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {12}


def test_metrics_are_gauges_with_help_and_absolute_times() -> None:
    text = as_metrics(judged([host("d1", site(days=90, crl_ends=after(5)))]))
    assert 'mtls_httpd_certificate_not_after_timestamp_seconds{host="d1",site="www.example.com"} 1803729600' in text
    assert 'mtls_httpd_enforced{host="d1",site="www.example.com"} 1' in text
    names = re.findall(r"^(\w+)[ {]", text, re.MULTILINE)
    assert set(names) == set(re.findall(r"# TYPE (\w+) gauge", text)) == set(re.findall(r"# HELP (\w+) ", text))


def test_metrics_tell_when_the_list_was_made_that_is_to_be_renewed_first() -> None:
    lists = [
        {"issuer": "CN=Chat CA", "this_update": after(-2), "next_update": after(5)},
        {"issuer": "CN=Other CA", "this_update": after(-1), "next_update": after(9)},
    ]
    text = as_metrics(judged([host("d1", site(days=90, crls=lists, crl_ends=after(5)))]))
    made = int(moment(after(-2)).timestamp())
    assert f'mtls_httpd_crl_this_update_timestamp_seconds{{host="d1",site="www.example.com"}} {made}' in text
    assert "crl_this_update" not in as_metrics(judged([host("d1", site(days=90))]))


def test_metrics_of_a_fleet_with_nobody_home_tell_that() -> None:
    text = as_metrics(varied())
    assert 'mtls_httpd_host_looked_at{host="down"} 0' in text
    assert 'mtls_httpd_survives_reload{host="n4"} 0' in text
    assert 'mtls_httpd_enforced{host="n1",site="www.example.com"} 0' in text


@pytest.mark.parametrize("ending", FORMATS)
def test_no_form_holds_a_control_character(ending: str) -> None:
    steering = judged([host("d1", site(pins=["subject:CN=\x1b[2J"]))])
    text = FORMATS[ending](steering)
    assert "\x1b" not in text


def test_a_host_that_nobody_looked_at_is_not_said_to_have_been() -> None:
    down = Host("down", "unreachable", "No route to host", {})
    left = Host("left", "not-asked", "It was not asked.", {})
    fleet = judged([host("d1", site(days=90)), down, left])
    page = " ".join(FORMATS[".html"](fleet).split())
    hosts = {
        each: page.partition(f'aria-label="Host {each}"')[2].partition("</section>")[0] for each in fleet.looked_at
    }
    assert "Looked at on <time" in hosts["d1"]
    assert "Asked on <time" in hosts["down"]
    assert "<time" not in hosts["left"]
    rows = csv.DictReader(FORMATS[".csv"](fleet).splitlines())
    assert {row["host"]: row["looked_at"] for row in rows} == {"d1": after(0), "down": after(0), "left": ""}


def test_what_a_row_is_found_by_says_each_thing_once() -> None:
    page = FORMATS[".html"](judged([host("d1", site(mutual_tls="off"))]))
    (words,) = re.findall('data-words="([^"]*)"', page)
    assert words == "d1 www.example.com not enforced"


def test_the_playbook_takes_the_endings_that_there_are_and_names_them() -> None:
    """It refuses others before hosts are looked at, where the module would do so after that."""
    playbook = (DOCS.parent / "playbooks" / "status.yml").read_text()
    (taken,) = re.findall(r"\[\.\]\(([a-z|]+)\)", playbook)
    assert {f".{each}" for each in taken.split("|")} == {*FORMATS}
    *first, last = FORMATS
    assert f"without one of the endings {', '.join(first)} and {last}, by which" in playbook
    (told,) = re.findall(r"by their endings (.*)", playbook)
    assert {*re.findall(r"\.\w+", told)} == {*FORMATS}
