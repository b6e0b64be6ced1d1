# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mtls.httpd.status tells what a fleet serves, until when, and what is amiss, and changes nothing.

Two webhooks are this machine, each with an embedded httpd of its own; others of the inventory are down, without
Python, or without httpd.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from demo_material import Authority
from embedded_httpd import EmbeddedHttpd, free_port
from foreign import promtool
from playing import prepared, run_playbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import SiteMaterial

WEBHOOKS = ("d1", "d2")


@dataclass
class Fleet:
    """Somebody with two webhooks, and the variables of their inventory."""

    folder: Path
    material: SiteMaterial
    servers: dict[str, EmbeddedHttpd]
    inventory: dict[str, Any]
    environment: dict[str, str] = field(repr=False)

    @property
    def hosts(self) -> dict[str, dict[str, Any]]:
        """The variables of each webhook, to be changed."""
        hosts: dict[str, dict[str, Any]] = self.inventory["webhooks"]["hosts"]
        return hosts

    def call(self, playbook: str, *arguments: str) -> tuple[int, str]:
        """Call a playbook of the collection; return its exit code, and what it printed."""
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(self.inventory, sort_keys=False))
        words = ("-i", "inventory.yml", f"mtls.httpd.{playbook}", *arguments)
        done = run_playbook(self.folder, self.environment, *words)
        return done.returncode, done.stdout + done.stderr

    def status(self, *arguments: str) -> tuple[int, str, dict[str, Any]]:
        """Look at the fleet; return the exit code, what was printed, and the report as data."""
        status, said = self.call("status", "-e", "status_report=fleet.json", *arguments)
        report = self.folder / "fleet.json"
        data = json.loads(report.read_text()) if report.exists() else {}
        report.unlink(missing_ok=True)
        return status, said, data


@contextmanager
def deployed(folder: Path, collections_path: Path, material: SiteMaterial) -> Iterator[Fleet]:
    """Start the webhooks, and deploy to them."""
    environment = prepared(folder, collections_path)
    with tempfile.TemporaryDirectory(prefix="m") as short:
        Path(short).chmod(0o755)
        servers = {host: EmbeddedHttpd(Path(short) / host) for host in WEBHOOKS}
        hosts = {
            host: {
                "mutual_tls_httpd_binary": str(httpd.binary),
                "mutual_tls_httpd_config": str(httpd.conf),
                "mutual_tls_sites": [material.site | {"port": free_port(), "document_root": str(httpd.root / "site")}],
            }
            for host, httpd in servers.items()
        }
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"webhooks": {"hosts": hosts}, "all": {"vars": local | {"status_become": False}}}
        made = Fleet(folder, material, servers, inventory, environment)
        try:
            for httpd in servers.values():
                httpd.start()
            status, said = made.call("deploy", "-e", "deploy_become=false")
            assert status == 0, said
            yield made
        finally:
            for httpd in servers.values():
                httpd.stop()


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, collections_path: Path, make_material: Callable[[Path], SiteMaterial]
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with deployed(folder / "playbooks", collections_path, make_material(folder / "files")) as fleet:
        yield fleet


@pytest.fixture
def asked(standing: Fleet) -> Fleet:
    """Return a fleet whose inventory alone may be changed: hosts and material are those of other tests too."""
    return replace(standing, inventory=deepcopy(standing.inventory))


@pytest.fixture
def fleet(tmp_path: Path, collections_path: Path, make_material: Callable[[Path], SiteMaterial]) -> Iterator[Fleet]:
    """Return a fleet of one's own."""
    with deployed(tmp_path / "playbooks", collections_path, make_material(tmp_path / "files")) as fleet:
        yield fleet


def codes(told: dict[str, Any]) -> set[tuple[str, str]]:
    """Return code and host of all that is amiss."""
    return {(each["code"], each["host"]) for each in told["reasons"]}


def entries(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return inode, mode and time of each path below a folder but the logs, which requests write."""
    found = {path: path.lstat() for path in sorted(folder.rglob("*")) if "logs" not in path.parts}
    return {
        str(path): (seen.st_ino, seen.st_mode, seen.st_mtime_ns) for path, seen in found.items() if not path.is_dir()
    }


@pytest.mark.parametrize("rehearse", ["false", "true"])
def test_a_sound_fleet_ends_with_0_and_nothing_is_changed(asked: Fleet, rehearse: str) -> None:
    before = [entries(httpd.root) for httpd in asked.servers.values()]
    generations = [httpd.pid for httpd in asked.servers.values()]
    status, said, told = asked.status("-e", f"status_rehearse={rehearse}")
    assert status == 0, said
    assert told["reasons"] == []
    assert "2 hosts, 1 site: all is well. First to end: the certificate of www.example.com on d1" in " ".join(
        said.split()
    )
    assert {host["next_reload"]["survives"] for host in told["hosts"]} == {True}
    decided = {host["next_reload"]["decided_by"] for host in told["hosts"]}
    assert decided == ({"full rehearsal"} if rehearse == "true" else {"files"})
    sites = [site for host in told["hosts"] for site in host["sites"]]
    assert {(site["mutual_tls"], site["from_controller"]) for site in sites} == {("enforced", "enforced")}
    assert [entries(httpd.root) for httpd in asked.servers.values()] == before
    assert [httpd.pid for httpd in asked.servers.values()] == generations
    assert "PRIVATE KEY" not in said


def test_hosts_of_which_nothing_can_be_known_are_rows(asked: Fleet) -> None:
    asked.hosts["down"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    asked.hosts["snakeless"] = {"ansible_python_interpreter": "/nowhere/python"}
    asked.hosts["lost"] = {"mutual_tls_httpd_binary": "/nowhere/httpd"}
    status, said, told = asked.status()
    assert status == 2, said
    conditions = {host["host"]: host["condition"] for host in told["hosts"]}
    failed = {"down": "unreachable", "snakeless": "failed", "lost": "failed"}
    assert conditions == {"d1": "looked", "d2": "looked", **failed}
    assert codes(told) == {("unreachable", "down"), ("not-looked-at", "snakeless"), ("not-looked-at", "lost")}
    remedies = {each["host"]: each["remedy"] for each in told["reasons"]}
    assert remedies["snakeless"] == "Install Python, or set ansible_python_interpreter."
    assert remedies["lost"] == ""
    assert "lost: httpd_binary: /nowhere/httpd is not an executable file on this host." in " ".join(said.split())
    assert "Traceback" not in said


def test_two_names_of_one_httpd_are_told_and_nothing_there_is_done_or_counted_twice(fleet: Fleet) -> None:
    fleet.hosts["again"] = deepcopy(fleet.hosts["d1"])
    status, said, data = fleet.status()
    assert status == 2, said
    assert codes(data) == {("same-httpd", "")}
    (found,) = data["reasons"]
    assert set(found["hosts"]) == {"d1", "again"}
    assert "d1, again are one httpd" in " ".join(said.split())
    assert fleet.status("-e", "status_fail_on=critical")[0] == 0

    _status, calls = fleet.call("callers", "-e", "callers_become=false")
    assert "d1, again are one httpd" in calls
    knocks = [fleet.call("callers", "-e", "callers_become=false", "-l", names)[1] for names in ("d1,d2", "all")]
    one, both = (re.search(r"Left out: (.*) of this", each) for each in knocks)
    assert one
    assert both
    assert one[1] == both[1]

    for host in fleet.hosts.values():
        host["mutual_tls_sites"][0]["open_paths"] = ["/healthz"]
    everywhere = ("-e", "deploy_become=false", "-e", "deploy_serial=3")
    status, said = fleet.call("deploy", *everywhere)
    assert status == 0, said
    assert "Deployed: d1, d2, again." in said
    before = {each["host"]: each["sites"][0] for each in fleet.status()[2]["hosts"]}
    assert before["d1"]["open_paths"] == ["/healthz"]
    assert before["d1"]["since"] >= data["made_at"]
    back = ("-e", "rollback_become=false", "-e", "rollback_domains=www.example.com", "-e", "rollback_serial=3")
    status, said = fleet.call("rollback", *back)
    assert status == 0, said
    after = {each["host"]: each["sites"][0] for each in fleet.status()[2]["hosts"]}
    assert {each["open_paths"] == [] for each in after.values()} == {True}
    assert {each["release"] for each in after.values()} == {before["d1"]["previous"], before["d2"]["previous"]}


def test_a_site_that_is_listed_otherwise_is_told_by_its_options(asked: Fleet) -> None:
    site = asked.hosts["d1"]["mutual_tls_sites"][0]
    site["open_paths"] = ["/healthz"]
    site["allowed_clients"] = [{"subject": "CN=Chat"}]
    (asked.folder / "next.crt").write_bytes(Authority("Chat's next CA").pem)
    site["client_ca"] = [*site["client_ca"], str(asked.folder / "next.crt")]
    asked.hosts["d2"]["mutual_tls_sites"] = []
    status, said, told = asked.status()
    assert status == 2, said
    assert codes(told) == {("not-as-listed", "d1"), ("not-listed", "d2")}, said
    by_name = {host["host"]: host for host in told["hosts"]}
    assert by_name["d1"]["sites"][0]["differs"] == ["verify_client", "open_paths", "allowed_clients", "client_ca"]


def test_a_certificate_that_was_not_deployed_yet_is_told(fleet: Fleet) -> None:
    fleet.material.put(fleet.material.public.issue(fleet.material.domain))
    status, said, told = fleet.status()
    assert status == 2, said
    assert codes(told) == {("not-as-listed", "d1"), ("not-as-listed", "d2")}
    assert told["hosts"][0]["sites"][0]["differs"] == ["certificate"]


def test_a_certificate_that_was_renewed_on_the_host_and_is_not_served_is_told(fleet: Fleet) -> None:
    material, hook = fleet.material, fleet.folder / "hooks" / "renew"
    hook.parent.mkdir()
    for host in WEBHOOKS:
        (site,) = fleet.hosts[host]["mutual_tls_sites"]
        del site["client_ca"]
        site |= {"remote_src": True, "client_ca_content": material.chat.pem.decode()}
    site = fleet.hosts["d1"]["mutual_tls_sites"][0]
    site["renewal_hook"] = str(hook)
    status, said = fleet.call("deploy", "-e", "deploy_become=false")
    assert status == 0, said
    status, said, told = fleet.status()
    assert (status, codes(told)) == (0, set()), said
    material.put(material.public.issue(material.domain))
    status, said, told = fleet.status()
    assert (status, codes(told)) == (2, {("not-renewed", "d1"), ("not-renewed", "d2")}), said
    assert [each["remedy"].partition(",")[0] for each in told["reasons"]] == [f"Run {hook} on the host", "Deploy."]
    assert f"the certificate in {site['certificate']}, which ends on" in told["reasons"][0]["message"]
    assert fleet.status("-e", "status_fail_on=critical")[0] == 0
    subprocess.run([hook], check=True, capture_output=True)
    assert codes(fleet.status()[2]) == {("not-renewed", "d2")}
    arguments = ("-e", f"rollback_domains={material.domain}", "-e", "rollback_become=false", "-l", "d1")
    status, said = fleet.call("rollback", *arguments)
    assert status == 0, said
    assert codes(fleet.status()[2]) == {("not-renewed", "d2")}, "who went back knows it"
    Path(str(site["certificate"])).unlink()
    status, said, told = fleet.status()
    assert (status, codes(told)) == (2, {("not-renewed", "d1"), ("not-renewed", "d2")}), said
    assert "could not be renewed: " in told["reasons"][0]["message"]


def test_hosts_with_different_certificates_are_told_and_thresholds_decide(fleet: Fleet) -> None:
    fleet.material.put(fleet.material.public.issue(fleet.material.domain))
    status, said = fleet.call("deploy", "-e", "deploy_become=false", "-l", "d1")
    assert status == 0, said
    status, said, told = fleet.status("-e", "status_fail_on=critical")
    assert status == 0, said
    assert codes(told) == {("differs-between-hosts", ""), ("not-as-listed", "d2")}
    assert fleet.status()[0] == 2
    status, said, told = fleet.status("-l", "d1")
    assert status == 0, said
    assert [host["host"] for host in told["hosts"]] == ["d1"]
    status, said, told = fleet.status("-l", "d1", "-e", "status_warn_days=100")
    assert (status, codes(told)) == (2, {("expires-soon", "d1")}), said


def test_no_days_are_a_number_too_as_surveys_give_it(fleet: Fleet) -> None:
    ends = datetime.now(timezone.utc) + timedelta(days=3)
    fleet.material.put(fleet.material.public.issue(fleet.material.domain, not_after=ends))
    status, said = fleet.call("deploy", "-e", "deploy_become=false", "-e", json.dumps({"deploy_ending_within": 0}))
    assert status == 0, said
    assert f"left alone, as they end later: {fleet.material.domain}." in " ".join(said.split())
    status, said = fleet.call("deploy", "-e", "deploy_become=false")
    assert status == 0, said
    assert fleet.status()[0] == 2
    status, said, told = fleet.status("-e", json.dumps({"status_warn_days": 0, "status_critical_days": 0}))
    assert (status, codes(told)) == (0, set()), said


def test_a_listed_site_that_is_not_there_is_told(asked: Fleet) -> None:
    site = asked.hosts["d1"]["mutual_tls_sites"][0]
    asked.hosts["d1"]["mutual_tls_sites"].append({**site, "domain": "new.example.com"})
    status, said, told = asked.status()
    assert (status, codes(told)) == (2, {("not-deployed", "d1")}), said


def test_a_missing_key_of_another_site_is_told_before_the_next_reload(fleet: Fleet) -> None:
    httpd = fleet.servers["d2"]
    material = fleet.material
    with httpd.conf.open("a") as conf:
        conf.write(
            f"<VirtualHost *:{free_port()}>\nServerName other.example.com\nSSLEngine on\n"
            f"SSLCertificateFile {material.folder}/{material.domain}.crt\n"
            f"SSLCertificateKeyFile {httpd.root}/gone.key\n</VirtualHost>\n"
        )
    for more in ("false", "true"):
        status, said, told = fleet.status("-e", f"status_rehearse={more}")
        assert (status, codes(told)) == (2, {("reload-fails", "d2")}), said
        assert "gone.key" in told["reasons"][0]["message"]


def test_a_configuration_that_is_broken_is_told_without_a_word_of_a_run(fleet: Fleet) -> None:
    with fleet.servers["d2"].conf.open("a") as conf:
        conf.write("NoSuchDirective on\n")
    status, said, told = fleet.status()
    assert (status, codes(told)) == (2, {("reload-fails", "d2")}), said
    assert "NoSuchDirective" in told["reasons"][0]["message"]
    assert "before" not in told["reasons"][0]["message"]


def test_a_door_beside_a_site_is_told_and_an_accepted_one_is_none(fleet: Fleet) -> None:
    httpd = fleet.servers["d1"]
    port = free_port()
    with httpd.conf.open("a") as conf:
        conf.write(
            f"Listen {port}\n<VirtualHost *:{port}>\nDocumentRoot {httpd.root}/site\n"
            f"<Directory {httpd.root}/site>\nRequire all granted\n</Directory>\n</VirtualHost>\n"
        )
    status, said, told = fleet.status()
    assert (status, codes(told)) == (2, {("bypass", "d1")}), said
    fleet.hosts["d1"]["mutual_tls_sites"][0]["allow_bypass"] = [str(httpd.conf)]
    status, said, told = fleet.status()
    assert (status, codes(told)) == (0, set()), said


def test_a_server_that_lets_strangers_in_is_told(fleet: Fleet) -> None:
    httpd = fleet.servers["d1"]
    text = httpd.conf.parent / "mtls" / fleet.material.domain / "current" / "site.conf"
    text.write_text(text.read_text().replace("SSLVerifyClient require", "SSLVerifyClient none"))
    httpd.run("-k", "graceful")
    status, said, told = fleet.status()
    assert status == 2, said
    site = told["hosts"][0]["sites"][0]
    assert site["mutual_tls"] != "enforced"
    assert site["from_controller"] != "enforced"
    assert ("not-enforced", "d1") in codes(told)
    assert ("release-damaged", "d1") in codes(told)
    assert told["severity"] == "critical"


def test_any_protected_path_that_was_opened_is_told(fleet: Fleet) -> None:
    """Not the first alone: from here too, where a rule may let in who comes from there."""
    httpd = fleet.servers["d1"]
    paths = ["/callback", "/hooks"]
    protected = [{"path": path, "proxy_pass": f"http://127.0.0.1:{httpd.port}{path}"} for path in paths]
    (site,) = fleet.hosts["d1"]["mutual_tls_sites"]
    site |= {"protected_paths": protected, "callback_paths": ["/callback"]}
    fleet.hosts["d1"]["ansible_host"] = "127.0.0.1"
    status, said = fleet.call("deploy", "-e", "deploy_become=false", "-l", "d1")
    assert status == 0, said
    status, said, told = fleet.status("-l", "d1")
    assert (status, codes(told)) == (0, set()), said
    looked = told["hosts"][0]["sites"][0]
    assert (looked["mutual_tls"], looked["from_controller"]) == ("optional", "enforced")
    text = httpd.conf.parent / "mtls" / fleet.material.domain / "current" / "site.conf"
    closed = text.read_text()
    for path in paths:
        before, location, after = closed.partition(f'<Location "{path}">')
        assert location
        text.write_text(before + location + re.sub(r"Require .*", "Require all granted", after, count=1))
        httpd.run("-k", "graceful")
        status, said, told = fleet.status("-l", "d1")
        assert codes(told) >= {("stranger-let-in", "d1"), ("not-enforced", "d1"), ("release-damaged", "d1")}, said
        assert f"got in at {path} over" in " ".join(each["message"] for each in told["reasons"])
        assert told["hosts"][0]["sites"][0]["from_controller"] == "optional"


def test_the_last_certificate_of_a_client_that_ends_is_told(fleet: Fleet) -> None:
    material, site = fleet.material, fleet.hosts["d1"]["mutual_tls_sites"][0]
    now = datetime.now(timezone.utc)
    old, new = (
        material.chat.issue(client=True, common_name="Chat", not_after=now + timedelta(days=days)) for days in (3, 300)
    )
    status = []
    for clients in ([old], [old, new]):
        site["allowed_clients"] = [{"certificate_content": each.pem.decode()} for each in clients]
        assert fleet.call("deploy", "-e", "deploy_become=false", "-l", "d1")[0] == 0
        status.append(fleet.status("-l", "d1"))
    assert [codes(told) for _status, _said, told in status] == [{("expires-soon", "d1")}, set()], status[0][1]
    assert "the certificate in allowed_clients 'CN=Chat' ends on" in status[0][2]["reasons"][0]["message"]


@pytest.mark.parametrize(
    ("listed", "code", "words"),
    [
        ("{{ nowhere }}", "not-looked-at", "is made of a variable that is not defined"),
        (None, "not-listed", "www.example.com is served, and not listed in the inventory."),
    ],
)
def test_a_list_of_sites_that_holds_nothing_is_not_taken_for_none(
    fleet: Fleet, listed: str | None, code: str, words: str
) -> None:
    """As where a name in it was mistyped, or all that it had is a comment now."""
    fleet.hosts["d1"]["mutual_tls_sites"] = listed
    status, said, told = fleet.status()
    assert (status, codes(told)) == (2, {(code, "d1")}), said
    assert words in told["reasons"][0]["message"]
    del fleet.hosts["d1"]["mutual_tls_sites"]
    status, said, told = fleet.status()
    assert (status, codes(told)) == (0, set()), said


def test_an_edited_file_is_drift(fleet: Fleet) -> None:
    host_file = fleet.servers["d1"].conf.parent / "mtls" / "host.conf"
    host_file.write_text(f"{host_file.read_text()}# by hand\n")
    status, said, told = fleet.status()
    assert (status, codes(told)) == (2, {("drift", "d1")}), said
    assert f"{host_file} was edited" in told["reasons"][0]["message"]


def test_every_form_of_report_is_written(asked: Fleet) -> None:
    names = [f"fleet.{ending}" for ending in ("html", "json", "csv", "md", "prom")]
    status, said = asked.call("status", "-e", json.dumps({"status_report": names}))
    assert status == 0, said
    for name in names:
        written = asked.folder / name
        assert written.stat().st_mode & 0o777 == 0o644
        assert "www.example.com" in written.read_text()
        assert "PRIVATE KEY" not in written.read_text()
    with (asked.folder / "fleet.csv").open(newline="") as lines:
        assert [line["mutual_tls"] for line in csv.DictReader(lines)] == ["enforced", "enforced"]
    checked = subprocess.run(
        [promtool(), "check", "metrics"],
        input=(asked.folder / "fleet.prom").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_a_report_in_the_home_of_who_runs_it_is_written_there_and_told_again_from_there(asked: Fleet) -> None:
    status, said = asked.call("status", "-e", "status_report=~/fleet.json")
    assert status == 0, said
    assert (Path(asked.environment["HOME"]) / "fleet.json").exists()
    status, said = asked.call("status", "-e", "status_reports=~/fleet.json")
    assert status == 0, said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("-e", "status_report=fleet.xls"), "without one of the endings .csv, .html", id="ending"),
        pytest.param(
            ("-e", "status_report=fleet.html,nowhere/fleet.html"),
            "status_report names nowhere/fleet.html, in a folder that is not there, on the controller. Make it, or "
            "name another. Nothing was looked at.",
            id="folder",
        ),
        pytest.param(("-e", "status_fail_on=always"), "must be one of warning, critical, never", id="fail_on"),
        pytest.param(("-e", "status_warn_days=many"), "must be a whole number", id="days"),
        pytest.param(("-e", "status_critical_days=60"), "'critical_days' is more than 'warn_days'", id="thresholds"),
        pytest.param(("-e", "status_hosts=nobody"), "pattern of status_hosts. Nothing was looked at.", id="hosts"),
        pytest.param(("--skip-tags", "always"), "by which it is told how the fleet is", id="nothing to be told"),
    ],
)
def test_bad_input_is_told_in_words(asked: Fleet, arguments: tuple[str, ...], words: str) -> None:
    status, said = asked.call("status", *arguments)
    assert status == 2
    assert words in " ".join(said.split())
    assert "Traceback" not in said


def test_empty_answers_are_the_defaults(asked: Fleet) -> None:
    names = ("hosts", "report", "rehearse", "warn_days", "critical_days", "fail_on", "all", "become")
    empty = {f"status_{name}": "" for name in names} | {"status_become": "no"}
    status, said = asked.call("status", "-e", json.dumps(empty))
    assert status == 0, said
