# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The alerts and the dashboard that ship, by Prometheus itself: promtool, and a server that scrapes a node_exporter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from embedded_httpd import free_port
from foreign import of_prometheus, promtool
from host import COLLECTION, DOMAIN, until

from ansible_collections.mtls.httpd.plugins.module_utils._site.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from host import Host

ALERTS = COLLECTION / "docs/monitoring/alerts.yml"
DASHBOARD = COLLECTION / "docs/monitoring/dashboard.json"
PAGE = COLLECTION / "docs/monitoring.md"
RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
PANELS = json.loads(DASHBOARD.read_text())["panels"]
DAY = 86400
SITE = 'site="www.example.com",server="/etc/apache2",instance="w1",job="node"'
SCRAPED = 'instance="w1",job="node"'
WATCH = f'server="/etc/apache2",{SCRAPED}'


def test_promtool_takes_the_alerts() -> None:
    done = subprocess.run([promtool(), "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_dashboard_and_page_name_metrics_that_there_are_and_the_page_each_alert() -> None:
    for path in (ALERTS, DASHBOARD, PAGE):
        assert set(re.findall(r"mtls_httpd_\w+", path.read_text())) <= METRICS.keys(), path
    for name in RULES:
        assert f"`{name}`" in PAGE.read_text()


def test_each_panel_asks_what_prometheus_understands(tmp_path: Path) -> None:
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    assert len(asked) == len(PANELS) == len({panel["id"] for panel in PANELS})
    assert all(panel["description"] for panel in PANELS)
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [promtool(), "check", "rules", tmp_path / "panels.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


CRL = ("crl_this_update_timestamp_seconds", "crl_next_update_timestamp_seconds")
CA, ROOT = "client_ca_not_after_timestamp_seconds", "client_ca_root_not_after_timestamp_seconds"
HOUR = 3600
ACCEPTED, FORBIDDEN = "last_accepted_call_timestamp_seconds", "forbidden_calls_total"

# An alert; series, a sample a minute from 1970 on; when it is looked at; whether it fires.
SPANS = [
    ("MutualTlsCertificateEndsSoon", {"certificate_not_after_timestamp_seconds": f"{21 * DAY}x60"}, "11m", True),
    ("MutualTlsCertificateEndsSoon", {"certificate_not_after_timestamp_seconds": f"{22 * DAY}x60"}, "59m", False),
    ("MutualTlsCertificateEndsSoon", {"certificate_not_after_timestamp_seconds": f"{7 * DAY}x60"}, "59m", False),
    ("MutualTlsCertificateEnds", {"certificate_not_after_timestamp_seconds": f"{7 * DAY}x60"}, "11m", True),
    ("MutualTlsCertificateEnds", {"certificate_not_after_timestamp_seconds": "60x60"}, "59m", True),
    ("MutualTlsCertificateEnds", {"certificate_not_after_timestamp_seconds": f"{20 * DAY}x60"}, "59m", False),
    ("MutualTlsClientCaEndsSoon", {"client_ca_not_after_timestamp_seconds": f"{29 * DAY}x60"}, "11m", True),
    ("MutualTlsClientCaEndsSoon", {"client_ca_not_after_timestamp_seconds": f"{31 * DAY}x60"}, "59m", False),
    ("MutualTlsClientCaEndsSoon", {"client_ca_not_after_timestamp_seconds": f"{7 * DAY}x60"}, "59m", False),
    ("MutualTlsClientCaEnds", {"client_ca_not_after_timestamp_seconds": f"{7 * DAY}x60"}, "11m", True),
    ("MutualTlsClientCaEnds", {"client_ca_not_after_timestamp_seconds": f"{29 * DAY}x60"}, "59m", False),
    ("MutualTlsClientCaEndsSoon", {CA: f"{7 * DAY}x60", ROOT: f"{99 * DAY}x60"}, "11m", True),
    ("MutualTlsClientCaEndsSoon", {CA: "60x60", ROOT: f"{99 * DAY}x60"}, "59m", True),
    ("MutualTlsClientCaEndsSoon", {CA: "60x60", ROOT: f"{7 * DAY}x60"}, "59m", False),
    ("MutualTlsClientCaEndsSoon", {CA: f"{31 * DAY}x60", ROOT: f"{99 * DAY}x60"}, "59m", False),
    ("MutualTlsClientCaEnds", {CA: "60x60", ROOT: f"{99 * DAY}x60"}, "59m", False),
    ("MutualTlsClientCaEnds", {CA: "60x60", ROOT: f"{7 * DAY}x60"}, "59m", True),
    ("MutualTlsRevocationListEndsSoon", dict(zip(CRL, (f"{-10 * DAY}x60", f"{2 * DAY}x60"))), "11m", True),
    ("MutualTlsRevocationListEndsSoon", dict(zip(CRL, (f"{-7 * DAY}x60", f"{2 * DAY}x60"))), "59m", False),
    ("MutualTlsRevocationListEndsSoon", dict(zip(CRL, (f"{-10 * DAY}x60", f"{DAY}x60"))), "59m", False),
    ("MutualTlsRevocationListEnds", dict(zip(CRL, (f"{-9 * DAY}x60", f"{DAY}x60"))), "11m", True),
    ("MutualTlsRevocationListEnds", dict(zip(CRL, (f"{-9 * DAY}x60", "60x60"))), "59m", True),
    ("MutualTlsRevocationListEnds", {CRL[1]: f"{DAY}x60"}, "11m", True),  # one that does not tell when it was made
    ("MutualTlsRevocationListEnds", dict(zip(CRL, (f"{-10 * DAY}x60", f"{2 * DAY}x60"))), "59m", False),
    ("MutualTlsRevocationListEnds", dict(zip(CRL, ("0x60", f"{DAY}x60"))), "59m", False),  # issued daily
    ("MutualTlsRevocationListEnds", dict(zip(CRL, ("0x1400", f"{DAY}x1400"))), "18h", False),
    ("MutualTlsRevocationListEnds", dict(zip(CRL, ("0x1400", f"{DAY}x1400"))), "20h", True),
    ("MutualTlsNotEnforced", {"enforced": "1x9 0x10"}, "19m", True),
    ("MutualTlsNotEnforced", {"enforced": "1x9 0x6 1x9"}, "16m", False),  # at one look
    ("MutualTlsNotEnforced", {"enforced": "1x60"}, "59m", False),
    ("MutualTlsEnforcementUnknown", {"answers": "1x60"}, "31m", True),
    ("MutualTlsEnforcementUnknown", {"answers": "1x60", "enforced": "0x60"}, "59m", False),
    ("MutualTlsEnforcementUnknown", {"answers": "0x60"}, "59m", False),
    ("MutualTlsEnforcementUnknown", {"answers": "1x60", "enforced": "1x10 stale _x18 1x30"}, "55m", False),
    ("MutualTlsNotAnswering", {"answers": "1x9 0x20"}, "21m", True),
    ("MutualTlsNotAnswering", {"answers": "1x9 0x3 1x40"}, "20m", False),
    ("MutualTlsWatchmanDead", {"last_check_timestamp_seconds": "0x60"}, "26m", True),
    ("MutualTlsWatchmanDead", {"last_check_timestamp_seconds": "0+60x60"}, "59m", False),
    ("MutualTlsWatchmanDead", {"last_check_timestamp_seconds": "0x1 _x58 0x6 3900x9"}, "64m", False),  # it was down
    ("MutualTlsWatchmanGone", {"last_check_timestamp_seconds": "0x10 _x60"}, "40m", True),
    ("MutualTlsWatchmanGone", {"last_check_timestamp_seconds": "0x10 _x9000"}, "6d", True),
    ("MutualTlsWatchmanGone", {"last_check_timestamp_seconds": "0+60x60"}, "59m", False),
    ("MutualTlsWatchmanGone", {"last_check_timestamp_seconds": "0x10 _x60", "up": "1x10 0x60"}, "40m", True),
    ("MutualTlsWatchmanGone", {"last_check_timestamp_seconds": "0x10 _x60", "up": "1x10 _x60"}, "40m", False),
    ("MutualTlsWatchmanDead", {"last_check_timestamp_seconds": f"{-HOUR}+60x60"}, "59m", False),  # its clock is behind
    ("MutualTlsWatchmanDead", {"last_check_timestamp_seconds": "0+60x20 1200x40"}, "47m", True),
    ("MutualTlsClockWrong", {"last_check_timestamp_seconds": f"{-HOUR}+60x60"}, "30m", True),
    ("MutualTlsClockWrong", {"last_check_timestamp_seconds": f"{HOUR}+60x60"}, "12m", True),
    ("MutualTlsClockWrong", {"last_check_timestamp_seconds": f"{HOUR}x40"}, "12m", True),  # and then it died
    ("MutualTlsClockWrong", {"last_check_timestamp_seconds": "0+60x60"}, "59m", False),
    ("MutualTlsClockWrong", {"last_check_timestamp_seconds": "0x60"}, "59m", False),  # it is dead
    ("MutualTlsClockWrong", {"last_check_timestamp_seconds": "0x1 _x58 0x6 3900x9"}, "70m", False),  # it was down
    ("MutualTlsClockWrong", {"last_check_timestamp_seconds": "0x4 300x4 600x4 900x4 1200x4"}, "24m", False),
    ("MutualTlsLogUnread", {"unread_logs": "0x9 1x40"}, "41m", True),
    ("MutualTlsLogUnread", {"unread_logs": "0x9 1x5 0x40"}, "41m", False),
    ("MutualTlsClientCaNotAsked", {"client_ca_asked": "1x9 0x10"}, "19m", True),
    ("MutualTlsClientCaNotAsked", {"client_ca_asked": "1x9 0x6 1x9"}, "16m", False),  # at one look
    ("MutualTlsClientCaNotAsked", {"client_ca_asked": "1x60"}, "59m", False),
    ("MutualTlsManyRefused", {'refused_calls_total{reason="unknown-issuer"}': "0+1x120"}, "90m", True),
    ("MutualTlsManyRefused", {'refused_calls_total{reason="no-certificate"}': "0+9x120"}, "90m", False),
    ("MutualTlsManyRefused", {'refused_calls_total{reason="unknown-issuer"}': "7x120"}, "90m", False),
    ("MutualTlsForbiddenCalls", {FORBIDDEN: "0x60 1x60"}, "90m", True),  # by one who was never let in
    ("MutualTlsForbiddenCalls", {FORBIDDEN: "0x60 1x60", ACCEPTED: "0x120"}, "90m", True),
    ("MutualTlsForbiddenCalls", {FORBIDDEN: "0x60 1x60", ACCEPTED: "0+60x120"}, "90m", False),  # an application's
    ("MutualTlsForbiddenCalls", {FORBIDDEN: "0+1x120", ACCEPTED: "0+60x120"}, "90m", True),
    ("MutualTlsForbiddenCalls", {FORBIDDEN: "9x120"}, "90m", False),
    ("MutualTlsNoCall", {ACCEPTED: "0x1600"}, "25h", True),
    ("MutualTlsNoCall", {ACCEPTED: "0x600 36000x1000"}, "25h", False),
    ("MutualTlsNoCall", {"answers": "1x1600"}, "25h", False),  # nobody ever called
]
ANSWERS, ENFORCED, RELEASE = "answers", "enforced", "release_info"
TILES = [
    ("Sites told of", {RELEASE: "1"}, 1),
    ("Sites that do not enforce mutual TLS", {ENFORCED: "1"}, 0),
    ("Sites that do not enforce mutual TLS", {ENFORCED: "0"}, 1),
    ("Sites of which enforcement is unknown", {ANSWERS: "1", ENFORCED: "0"}, 0),
    ("Sites of which enforcement is unknown", {ANSWERS: "1"}, 1),
    ("Sites that do not answer", {ANSWERS: "1"}, 0),
    ("Sites that do not answer", {ANSWERS: "0"}, 1),
    ("Sites that do not ask for a client CA", {"client_ca_asked": "1"}, 0),
    ("Sites that do not ask for a client CA", {"client_ca_asked": "0"}, 1),
    ("Logs that cannot be read", {"unread_logs": "2"}, 2),
    ("Watchmen that have not looked for 15 minutes", {"last_check_timestamp_seconds": "3600"}, 0),
    ("Watchmen that have not looked for 15 minutes", {"last_check_timestamp_seconds": "0"}, 1),
]


@pytest.mark.parametrize("named", sorted({title for title, _series, _value in TILES}))
def test_a_tile_shows_no_number_where_nothing_is_known(named: str, tmp_path: Path) -> None:
    look_at_tile(tmp_path, named, {}, [])


@pytest.mark.parametrize(("named", "series", "value"), TILES)
def test_a_tile_counts_what_is_known(named: str, series: dict[str, str], value: int, tmp_path: Path) -> None:
    look_at_tile(tmp_path, named, series, [{"labels": "{}", "value": value}])


def test_a_site_with_differing_releases_stands_out(tmp_path: Path) -> None:
    other = SITE.replace("www", "shop")
    series = {
        f'{RELEASE}{{{SITE},release="a"}}': "1",
        f'{RELEASE}{{{SITE.replace("w1", "w2")},release="b"}}': "1",
        f'{RELEASE}{{{other},release="c"}}': "1",
        f'{RELEASE}{{{other.replace("w1", "w2")},release="c"}}': "1",
    }
    found = [{"labels": '{site="www.example.com"}', "value": 2}]
    look_at_tile(tmp_path, "Sites with differing releases", series, found)


def look_at_tile(folder: Path, named: str, series: dict[str, str], found: list[dict[str, Any]]) -> None:
    """Let promtool see what a panel shows after an hour, for whichever host and site."""
    (expr,) = (panel["targets"][0]["expr"] for panel in PANELS if panel["title"] == named)
    given = []
    for name, value in series.items():
        known = WATCH if "last_check" in name or "unread" in name else SITE
        full = name if "{" in name else f"{name}{{{known}}}"
        given.append({"series": f"mtls_httpd_{full}", "values": f"{value}x60"})
    asked = {"expr": re.sub(r"\$\w+", ".*", expr), "eval_time": "1h", "exp_samples": found}
    run_promtool(folder, {"groups": []}, {"interval": "1m", "input_series": given, "promql_expr_test": [asked]})


# What of a series' labels is left where an alert adds up.
KEPT = {
    "MutualTlsWatchmanGone": ("instance", "job", "server"),
    "MutualTlsManyRefused": ("instance", "server", "site", "reason"),
    "MutualTlsForbiddenCalls": ("instance", "server", "site"),
    "MutualTlsNoCall": ("site",),
}


@pytest.mark.parametrize(("alert", "series", "at", "fires"), SPANS)
def test_each_alert_fires_in_its_time_and_not_on_a_healthy_neighbour(
    alert: str, series: dict[str, str], at: str, fires: bool, tmp_path: Path
) -> None:
    given, labels = [], {}
    for name, values in series.items():
        if name == "up":
            given.append({"series": f"up{{{SCRAPED}}}", "values": values})
            continue
        known = WATCH if "last_check" in name or "unread" in name else SITE
        bare, _brace, more = name.partition("{")
        given.append(
            {"series": f"mtls_httpd_{bare}{{{known}{',' if more else ''}{more.rstrip('}')}}}", "values": values}
        )
        labels = dict(re.findall(r'(\w+)="([^"]*)"', f"{known},{more}"))
    labels = {name: labels[name] for name in KEPT.get(alert, labels)}
    expected = {"exp_labels": {**labels, **RULES[alert]["labels"]}}
    fire(tmp_path, given, {alert: [expected] if fires else []}, at)


def test_a_site_that_is_called_on_one_of_its_hosts_is_not_silent(tmp_path: Path) -> None:
    series = [
        {"series": f"mtls_httpd_{ACCEPTED}{{{SITE}}}", "values": "0x1600"},
        {"series": f"mtls_httpd_{ACCEPTED}{{{SITE.replace('w1', 'w2')}}}", "values": "0+60x1600"},
    ]
    fire(tmp_path, series, {"MutualTlsNoCall": []}, "25h")


def test_one_of_two_watchmen_of_a_host_that_is_gone_is_told(tmp_path: Path) -> None:
    other = WATCH.replace("/etc/apache2", "/opt/httpd/conf")
    name = "mtls_httpd_last_check_timestamp_seconds"
    series = [
        {"series": f"{name}{{{WATCH}}}", "values": "0+60x60"},
        {"series": f"{name}{{{other}}}", "values": "0x10 _x60"},
    ]
    labels = dict(re.findall(r'(\w+)="([^"]*)"', other))
    gone = "MutualTlsWatchmanGone"
    fire(tmp_path, series, {gone: [{"exp_labels": {**labels, **RULES[gone]["labels"]}}]}, "40m")


@pytest.mark.parametrize(
    ("seconds", "words"), [(3 * DAY, "ends in 3d 0h 0m 0s."), (-3 * HOUR, "has ended.")], ids=["to come", "over"]
)
def test_what_is_over_is_not_said_to_end_in_less_than_nothing(seconds: int, words: str, tmp_path: Path) -> None:
    rule = RULES["MutualTlsCertificateEnds"]
    at = 6 * HOUR
    series = f"mtls_httpd_certificate_not_after_timestamp_seconds{{{SITE}}}"
    told = {
        **rule["annotations"],
        "summary": f"The certificate of www.example.com on w1 {words}",
    }
    labels = dict(re.findall(r'(\w+)="([^"]*)"', SITE))
    case = {
        "interval": "1m",
        "input_series": [{"series": series, "values": f"{at + seconds}x600"}],
        "alert_rule_test": [
            {
                "eval_time": "6h",
                "alertname": "MutualTlsCertificateEnds",
                "exp_alerts": [{"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": told}],
            }
        ],
    }
    run_promtool(tmp_path, yaml.safe_load(ALERTS.read_text()), case)


def test_each_description_names_what_to_type() -> None:
    for name, rule in RULES.items():
        words = rule["annotations"]["description"]
        assert re.search(r"ansible-playbook -i inventory mtls\.httpd\.(deploy|status|callers)", words), name


def fire(folder: Path, series: list[dict[str, str]], expected: dict[str, list[Any]], at: str) -> None:
    """Let promtool see that just these alerts fire at a time, of series with a sample a minute."""
    case = {
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": at, "alertname": alert, "exp_alerts": alerts} for alert, alerts in expected.items()
        ],
    }
    rules = yaml.safe_load(ALERTS.read_text())
    for group in rules["groups"]:  # What is said is not compared, but by whoever reads it.
        for rule in group["rules"]:
            del rule["annotations"]
    run_promtool(folder, rules, case)


def run_promtool(folder: Path, rules: Any, case: dict[str, Any]) -> None:
    """Let promtool carry out a test case of rules."""
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    (folder / "test.yml").write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "tests": [case]}))
    done = subprocess.run(
        [promtool(), "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def of_status(**values: str) -> list[dict[str, str]]:
    """Return the series of a report of status on the controller: of a host that is well, but for C(values)."""
    soon = f"{20 * DAY}x1800"  # a warning of status alone
    well = {
        "last_check_timestamp_seconds{": "0x1800",
        'host_looked_at{host="w1"': "1x1800",
        'survives_reload{host="w1"': "1x1800",
        'amiss{host="w1",severity="critical"': "0x1800",
        'amiss{host="w1",severity="warning"': "1x1800",
        'certificate_not_after_timestamp_seconds{host="w1",site="www.example.com"': soon,
        'client_ca_not_after_timestamp_seconds{host="w1",site="www.example.com"': soon,
        'crl_next_update_timestamp_seconds{host="w1",site="www.example.com"': f"{DAY}x1800",
        'last_call_timestamp_seconds{host="w1",site="www.example.com"': "0x1800",
        'enforced{host="w1",site="www.example.com"': "0x1800",
        'release_info{host="w1",site="www.example.com",release="3f9c"': "1x1800",
    }
    return [
        {
            "series": f'mtls_httpd_{name}{"" if name.endswith("{") else ","}job="node",instance="controller"}}',
            "values": values.get(name.partition("{")[0], known),
        }
        for name, known in well.items()
    ]


def test_a_report_of_status_beside_a_watchman_that_is_well_fires_nothing(tmp_path: Path) -> None:
    watchman = {
        "certificate_not_after_timestamp_seconds": f"{90 * DAY}x90",
        "client_ca_not_after_timestamp_seconds": f"{90 * DAY}x90",
        "crl_next_update_timestamp_seconds": f"{9 * DAY}x90",
        "enforced": "1x90",
        "answers": "1x90",
        "client_ca_asked": "1x90",
        "crl_this_update_timestamp_seconds": "0x90",
        ACCEPTED: "0x90",
        FORBIDDEN: "0x90",
    }
    series = [{"series": f"mtls_httpd_{name}{{{SITE}}}", "values": values} for name, values in watchman.items()]
    series.append({"series": f"mtls_httpd_last_check_timestamp_seconds{{{WATCH}}}", "values": "0+60x90"})
    fire(tmp_path, [*series, *of_status()], {name: [] for name in RULES}, "89m")


@pytest.mark.parametrize(
    ("alert", "values", "labels"),
    [
        ("MutualTlsStatusReloadFails", {"survives_reload": "0x1800"}, {"host": "w1", "severity": "critical"}),
        ("MutualTlsStatusHostNotLookedAt", {"host_looked_at": "0x1800"}, {"host": "w1", "severity": "warning"}),
        ("MutualTlsStatusCritical", {"amiss": "2x1800"}, {"host": "w1", "severity": "critical"}),
        ("MutualTlsStatusStale", {}, {"severity": "warning"}),
    ],
)
def test_each_alert_of_a_report_of_status_fires_and_no_other(
    alert: str, values: dict[str, str], labels: dict[str, str], tmp_path: Path
) -> None:
    expected: dict[str, list[Any]] = {name: [] for name in RULES}
    expected[alert] = [{"exp_labels": {"job": "node", "instance": "controller", **labels}}]
    fire(tmp_path, of_status(**values), expected, "27h" if alert == "MutualTlsStatusStale" else "89m")


@pytest.fixture
def firing(tmp_path: Path) -> Iterator[Callable[[], set[str]]]:
    """Run a node_exporter that reads the folder C(textfile), and a Prometheus that scrapes it; tell what fires.

    What lasts minutes in the alerts lasts seconds here.
    """
    (tmp_path / "textfile").mkdir(mode=0o755)
    text = re.sub(r"for: \d+m", "for: 0s", ALERTS.read_text()).replace("> 15 * 60", "> 15").replace("[15m]", "[15s]")
    (tmp_path / "alerts.yml").write_text(text)
    exporter, prometheus = free_port(), free_port()
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    scraped = [{"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}]
    config = {"global": every, "rule_files": ["alerts.yml"], "scrape_configs": scraped}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    commands = (
        [
            of_prometheus("prometheus-node-exporter"),
            f"--web.listen-address=127.0.0.1:{exporter}",
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={tmp_path}/textfile",
        ],
        [
            of_prometheus("prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ],
    )

    def told() -> set[str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{prometheus}/api/v1/alerts", timeout=5) as answer:
                alerts: list[dict[str, Any]] = json.load(answer)["data"]["alerts"]
        except OSError:
            return {"no Prometheus"}
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    with (tmp_path / "output").open("wb") as output:
        running = [subprocess.Popen(command, stdout=output, stderr=output) for command in commands]
    try:
        assert until(lambda: told() == set(), 30), (tmp_path / "output").read_text()
        yield told
    finally:
        for process in running:
            process.terminate()
            process.wait(10)


def test_a_certificate_that_ends_a_server_that_asks_no_more_and_a_dead_watchman_fire_their_alerts(
    host: Host, tmp_path: Path, firing: Callable[[], set[str]]
) -> None:
    folder = tmp_path / "textfile"

    def check() -> None:
        words = [sys.executable, "-I", "-S", "-B", host.store / "watchman.py", host.store / "watchman.json"]
        subprocess.run(words, check=True)

    def becomes(wanted: set[str]) -> bool:
        """Check as often as is needed for the watchman to live, until just these alerts fire."""

        def seen() -> bool:
            check()
            time.sleep(0.5)
            return firing() == wanted

        return until(seen, 40)

    soon = datetime.now(timezone.utc) + timedelta(days=3)
    host.apply(host.wish(), metrics_folder=str(folder))
    for _time in range(6):
        check()
        time.sleep(1)
        assert firing() == set(), "nothing is amiss"
    ends = f"{soon:%Y-%m-%dT%H:%M:%SZ}"
    host.apply(host.wish(issued=host.public.issue(DOMAIN, not_after=soon), ends=ends), metrics_folder=str(folder))
    assert becomes({"MutualTlsCertificateEnds"}), firing()
    host.apply(host.wish(), metrics_folder=str(folder))
    assert becomes(set()), firing()
    (site,) = host.store.glob(f"{DOMAIN}/current/site.conf")
    enforcing = site.read_text()
    site.write_text(re.sub(r"SSLVerifyClient .*", "SSLVerifyClient none", enforcing))
    host.restart()
    assert becomes({"MutualTlsNotEnforced"}), firing()
    site.write_text(enforcing)
    host.restart()
    assert becomes(set()), firing()
    assert until(lambda: firing() == {"MutualTlsWatchmanDead"}, 30), firing()
    for path in folder.iterdir():
        path.unlink()
    assert until(lambda: firing() == {"MutualTlsWatchmanGone"}, 20), firing()
