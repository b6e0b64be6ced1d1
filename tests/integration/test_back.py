# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet that goes back as one: what is asked of all hosts first, what is refused, and what is taken back.

The names of releases differ between these hosts, as each has a port and a folder of its own.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from webhooks import WEBHOOKS, Called, Fleet, running_fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import SiteMaterial

WHICH = ("-e", "rollback_domains=www.example.com")
COLUMNS = 120


@pytest.fixture
def fleet(tmp_path: Path, collections_path: Path, make_material: Callable[[Path], SiteMaterial]) -> Iterator[Fleet]:
    """Start the webhooks, with nothing deployed to them."""
    with running_fleet(tmp_path, collections_path, make_material) as started:
        yield started


def deploy(fleet: Fleet, *arguments: str) -> str | None:
    """Deploy a certificate of its own; return its fingerprint."""
    called = fleet.call("deploy", "-e", "deploy_serial=100%", *arguments)
    assert called.status == 0, called.output
    return fleet.shown(called.deployed[0])


def served(fleet: Fleet) -> list[str | None]:
    """Return what each webhook shows."""
    return [fleet.shown(host) for host in WEBHOOKS]


def commands(called: Called) -> list[tuple[str, ...]]:
    """Return what the refusal says to type, each from the playbook on."""
    found = [shlex.split(each) for each in re.findall(r"`(ansible-playbook [^`]+)`", called.words)]
    assert all(words[:4] == ["ansible-playbook", "-i", found[0][2], "mtls.httpd.rollback"] for words in found)
    return [words[4:] for words in dict.fromkeys(map(tuple, found))]


def table(called: Called) -> list[str]:
    """Return the lines of the table that was printed, from its header on, none of them wider than a terminal."""
    lines = called.output.splitlines()
    first = next(number for number, line in enumerate(lines) if re.match(r"\W*hosts?  ", line))
    shown = list(itertools.takewhile(re.compile(r"\s").match, lines[first:]))
    assert max(map(len, shown)) <= COLUMNS
    return shown


def test_a_rollback_after_a_deployment_to_some_is_refused_and_each_command_that_it_tells_does_what_it_says(
    fleet: Fleet,
) -> None:
    first, second = deploy(fleet), deploy(fleet)
    third = deploy(fleet, "-l", "d1")
    refused = fleet.call("rollback", *WHICH)
    assert (refused.status, refused.touched) == (2, ()), refused.output
    assert "the hosts would not end in the same release" in refused.words
    assert "undoes that one alone, which is served by d1" in refused.words
    assert sum(" another " in line for line in table(refused)) == 1
    undoing, having_all, differing = commands(refused)
    assert differing[-1] == "rollback_differ=true"
    assert fleet.call("rollback", *undoing).touched == ("d1",)
    assert served(fleet) == [second] * 3
    # d1 has gone back already, and would stay; the others would go on to the first.
    assert fleet.call("rollback", *WHICH).touched == ()
    gone = fleet.call("rollback", *differing)
    assert (gone.status, gone.touched) == (0, ("d2", "d3")), gone.output
    assert served(fleet) == [second, first, first]
    again = fleet.call("rollback", *having_all)
    assert (again.status, again.touched) == (0, ("d2", "d3")), again.output
    assert served(fleet) == [second] * 3
    assert third not in served(fleet)


def test_a_rollback_of_hosts_that_end_in_the_same_needs_no_more_words(fleet: Fleet) -> None:
    first, second = deploy(fleet), deploy(fleet)
    assert first != second
    checked = fleet.call("rollback", *WHICH, "--check")
    assert (checked.status, checked.touched) == (0, ()), checked.output
    gone = fleet.call("rollback", *WHICH)
    assert (gone.status, gone.touched) == (0, WEBHOOKS), gone.output
    assert served(fleet) == [first] * 3
    assert len([line for line in table(gone) if re.match(r"\W*d\d ", line)]) == len(WEBHOOKS)
    again = fleet.call("rollback", *WHICH)
    assert (again.status, again.touched) == (0, ()), again.output


def test_what_nobody_serves_or_keeps_is_refused_by_name_and_with_what_there_is(fleet: Fleet) -> None:
    deploy(fleet)
    for option, words in (
        ("rollback_from=0123456789abcdef", "no host serves 0123456789abcdef, which rollback_from names. Served are"),
        ("rollback_to=01234567", "d1: www.example.com: it has no 01234567, which rollback_to names, but"),
        ("rollback_to=../../etc", "rollback_to is no name of a release or content"),
        ("rollback_differ=true", "there is no previous release on this host: deploy instead"),
    ):
        refused = fleet.call("rollback", *WHICH, "-e", option)
        assert (refused.status, refused.touched) == (2, ()), refused.output
        assert words in refused.words


def test_a_host_that_cannot_be_looked_at_is_named_and_left_out_by_the_command_that_is_told(fleet: Fleet) -> None:
    first = deploy(fleet)
    second = deploy(fleet)
    down = ("-e", "down=d2")
    refused = fleet.call("rollback", *WHICH, *down)
    assert (refused.status, refused.touched) == (2, ()), refused.output
    assert "d2: cannot be reached" in refused.words
    (without,) = commands(refused)
    gone = fleet.call("rollback", *without, *down)
    assert (gone.status, gone.touched) == (0, ("d1", "d3")), gone.output
    assert served(fleet) == [first, second, first]


@pytest.mark.parametrize("result_format", ["json", "yaml"])
def test_the_releases_of_a_fleet_are_a_table_and_nothing_is_changed(fleet: Fleet, result_format: str) -> None:
    environment = {"ANSIBLE_CALLBACK_RESULT_FORMAT": result_format}
    deploy(fleet)
    deploy(fleet)
    deploy(fleet, "-l", "d1")
    asked = fleet.call("releases", "-e", "down=d2", "-e", "broken=d3", **environment)
    assert (asked.status, asked.touched) == (0, ()), asked.output
    lines = table(asked)
    of_d1 = [line for line in lines if re.search(r"\bd1 +www\.example\.com ", line)]
    assert len(of_d1) == 3
    assert " now " in of_d1[0]
    assert " back " in of_d1[1]
    assert "  certificate" in of_d1[0]
    assert "(the oldest)" in of_d1[2]
    assert any(re.search(r"\bd2 +cannot be reached", line) for line in lines)
    assert any(re.search(r"\bd3 .*/nowhere\.conf", line) for line in lines)
    assert "Not known: d2, d3." in asked.words
    whole = fleet.call("releases", "-e", "releases_domains=www.example.com")
    assert "2 different ones are served" in whole.words


STOPPED = "Failed: d2 ("
UNREACHED = "Failed: d2 (it cannot be reached, so what it serves is not known). "
GO_ON = "Not begun: d3. It serves as before. Mend d2 and run the same again; or go on without it: -l '!d2'."


def once_decided(variable: str) -> tuple[str, ...]:
    """Return what spoils d2 so, once all hosts were looked at and before the first goes back."""
    return ("-e", json.dumps({variable: "{{ 'd2' if rollback_decided is defined else '' }}"}))


def test_a_rollback_that_stops_says_who_went_back_and_how_to_go_on(fleet: Fleet) -> None:
    deploy(fleet)
    deploy(fleet)
    stopped = fleet.call("rollback", *WHICH, *once_decided("broken"))
    assert (stopped.status, stopped.touched) == (2, ("d1",)), stopped.output
    assert f"Went back: d1. {STOPPED}" in stopped.words
    assert GO_ON in stopped.words
    down = fleet.call("rollback", *WHICH, *once_decided("down"), "-e", "rollback_serial=1")
    assert (down.status, down.touched) == (2, ()), down.output
    assert "Went back: none. Served that already: d1. " + UNREACHED + GO_ON in down.words
    alone = fleet.call("rollback", *WHICH, *once_decided("down"), "-e", "rollback_serial=1", "--tags", "apply")
    assert (alone.status, alone.touched) == (2, ()), alone.output
    assert UNREACHED + GO_ON in alone.words
    checked = fleet.call("rollback", *WHICH, *once_decided("broken"), "--check", "-l", "!d1")
    assert (checked.status, checked.touched) == (2, ()), checked.output
    assert "Would go back: none. Failed: d2 (" in checked.words
    whole = fleet.call("rollback", *WHICH, *once_decided("broken"), "-l", "!d2")
    assert (whole.status, whole.touched) == (0, ("d3",)), whole.output
    assert "Went back: d3. Served that already: d1." in whole.words
    served_there = next(line for line in table(stopped) if re.match(r"\W*d2 ", line)).split("d2")[1].split()[0]
    undone = fleet.call("rollback", *WHICH, "-e", f"rollback_from={served_there}")
    assert (undone.status, undone.touched) == (0, ("d2",)), undone.output
    assert "Went back: d2. Left alone, as another release is served: d1, d3." in undone.words


def test_an_ansible_cfg_by_which_any_error_is_fatal_hides_no_failure_and_makes_none(fleet: Fleet) -> None:
    fatal = {"ANSIBLE_ANY_ERRORS_FATAL": "true"}
    deploy(fleet)
    deploy(fleet)
    down = fleet.call("deploy", "-e", "down=d2", "-e", "deploy_serial=2", **fatal)
    assert (down.status, down.deployed) == (2, ("d1",)), down.output
    assert "Deployed: d1. " + UNREACHED + GO_ON in down.words
    words = ("-e", "rollback_serial=100%", "-e", "rollback_differ=true")
    stopped = fleet.call("rollback", *WHICH, *words, *once_decided("broken"), **fatal)
    assert (stopped.status, stopped.touched) == (2, ("d1", "d3")), stopped.output
    assert f"Went back: d1, d3. {STOPPED}" in stopped.words
    looked = fleet.call("status", "-e", "down=d2", **fatal)
    assert (looked.status, "1 critical finding on 1 row" in looked.words) == (2, True), looked.output


def test_why_no_module_ran_is_told_in_the_end_by_the_last_word_of_the_host(fleet: Fleet) -> None:
    python = fleet.folder / "python"
    python.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    python.chmod(0o755)
    none = fleet.call("deploy", "-e", f"ansible_python_interpreter={python}")
    assert (none.status, none.touched) == (2, ()), none.output
    said = none.words.partition("Failed: d1 (")[2].partition(")")[0]
    assert said.endswith("pyenv: python3.13: command not found")


def test_no_host_goes_back_where_the_look_at_all_was_left_out(fleet: Fleet) -> None:
    deploy(fleet)
    deploy(fleet)
    blind = fleet.call("rollback", *WHICH, "--start-at-task", "Put the previous release of each site back")
    assert (blind.status, blind.touched) == (2, ()), blind.output
    assert "The look at all hosts was left out, and none goes back before" in blind.words
    assert "Failed: " not in blind.words


def test_a_host_that_serves_what_was_asked_for_and_was_not_confirmed_is_not_said_to_serve_something_else(
    fleet: Fleet,
) -> None:
    unconfirmed = ("-e", "mutual_tls_confirm_certificate=/nowhere.crt", "-l", "d1")
    first = deploy(fleet)
    new = fleet.call("deploy", *unconfirmed)
    assert (new.status, new.touched) == (2, ("d1",)), new.output
    assert "Its deployment failed: " in new.words
    gone = fleet.call("rollback", *WHICH, *unconfirmed)
    assert (gone.status, served(fleet)[0]) == (2, first), gone.output
    assert "Its rollback failed: " in gone.words
    assert "; it serves the new state all the same)." in gone.words


def test_a_batch_in_which_one_host_fails_ends_a_rollback_with_all_of_it_told(fleet: Fleet) -> None:
    deploy(fleet)
    deploy(fleet)
    stopped = fleet.call("rollback", *WHICH, *once_decided("broken"), "-e", "rollback_serial=2")
    assert (stopped.status, stopped.touched) == (2, ("d1",)), stopped.output
    assert f"Went back: d1. {STOPPED}" in stopped.words
    assert "www.example.com at 127.0.0.1:" in stopped.words, "it was confirmed, too"
    assert GO_ON in stopped.words


def test_a_deployment_that_stops_says_who_is_done_and_how_to_go_on(fleet: Fleet) -> None:
    stopped = fleet.call("deploy", "-e", "broken=d2")
    assert (stopped.status, stopped.deployed) == (2, ("d1",)), stopped.output
    assert f"Deployed: d1. {STOPPED}" in stopped.words
    assert GO_ON in stopped.words
    gone_on = fleet.call("deploy", "-e", "broken=d2", "-l", "!d2")
    assert (gone_on.status, gone_on.deployed) == (0, ("d1", "d3")), gone_on.output
    assert "Deployed: d1, d3." in gone_on.words
    within = fleet.call("deploy", "-e", "broken=d2", "-l", "d2,d3")
    assert (within.status, within.deployed) == (2, ()), within.output
    assert "go on without it: -l 'd2,d3,!d2'." in within.words, "d1 is none of it"
    checked = fleet.call("deploy", "-e", "broken=d2", "--check")
    assert (checked.status, checked.touched) == (2, ()), checked.output
    assert f"Would be deployed: d1. {STOPPED}" in checked.words
    down = fleet.call("deploy", "-e", "down=d2")
    assert (down.status, down.deployed) == (2, ("d1",)), down.output
    assert UNREACHED + GO_ON in down.words
    alone = fleet.call("deploy", "-e", "down=d2", "-e", "deploy_serial=1", "--tags", "apply")
    assert (alone.status, alone.deployed) == (2, ("d1",)), alone.output
    assert UNREACHED + GO_ON in alone.words
    going_on = fleet.call("deploy", "-e", "down=d2", "-e", "deploy_serial=2", "-e", "deploy_max_fail_percentage=50")
    assert (going_on.status, going_on.deployed) == (2, ("d1", "d3")), going_on.output
    assert f"Deployed: d1, d3. {UNREACHED}Mend d2" in going_on.words
    bad = fleet.call("deploy", "-e", "bad=d2", "-e", "deploy_max_fail_percentage=50")
    assert (bad.status, bad.deployed) == (2, ("d1", "d3")), bad.output
    assert "Deployed: d1, d3. Failed: d2 (" in bad.words


def test_a_fault_that_hosts_share_is_said_once(fleet: Fleet) -> None:
    inventory = yaml.safe_load((fleet.folder / "inventory.yml").read_text())
    hosts = inventory["webhooks"]["hosts"]
    bad = hosts["d2"]["mutual_tls_sites"][0] | {"certificate": "nowhere.crt"}
    hosts["d2"]["mutual_tls_sites"] = hosts["d3"]["mutual_tls_sites"] = [bad]
    (fleet.folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
    stopped = fleet.call("deploy")
    assert (stopped.status, stopped.touched) == (2, ()), stopped.output
    going_on = fleet.call("deploy", "-e", "deploy_max_fail_percentage=70")
    assert (going_on.status, going_on.deployed) == (2, ("d1",)), going_on.output
    assert going_on.output.count("ERROR unreadable, nowhere.crt: 'certificate'") == 3, "as error, as result, in the end"
    assert "It is to serve the same as d2, whose material is bad. Nothing was sent." in going_on.words
    assert "Deployed: d1. Failed: d2, d3 (" in going_on.words
    assert "Mend d2, d3 and run the same again." in going_on.words


def test_hosts_are_judged_each_where_the_one_they_are_like_is_gone_or_the_sites_stand_in_the_playbook(
    fleet: Fleet,
) -> None:
    inventory = yaml.safe_load((fleet.folder / "inventory.yml").read_text())
    hosts = inventory["webhooks"]["hosts"]
    (bad,) = hosts["d2"]["mutual_tls_sites"]
    hosts["d2"]["mutual_tls_sites"] = hosts["d3"]["mutual_tls_sites"] = [bad | {"certificate": "nowhere.crt"}]
    hosts["d1"]["mutual_tls_sites"] = hosts["d2"]["mutual_tls_sites"]
    (fleet.folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
    broken = {"ansible.builtin.fail": {}, "when": "inventory_hostname == 'd1'"}
    fails = {"hosts": "webhooks", "gather_facts": False, "tasks": [broken]}
    gone = fleet.call([fails, {"import_playbook": "mtls.httpd.deploy"}], "-e", "deploy_max_fail_percentage=90")
    assert (gone.status, gone.touched) == (2, ()), gone.output
    assert "It is to serve the same as d2, whose material is bad." in gone.words
    own = "{{ [] if inventory_hostname == 'd1' else [{'domain': 'x'}] }}"
    imported = {"import_playbook": "mtls.httpd.deploy", "vars": {"mutual_tls_sites": own}}
    each = fleet.call([imported], "-e", "deploy_max_fail_percentage=90")
    assert (each.status, each.touched) == (2, ()), each.output
    assert "whose material is bad" not in each.words


def test_a_dry_run_of_a_fleet_is_a_table_of_what_would_be(fleet: Fleet) -> None:
    deploy(fleet, "-l", "d3")
    dry = fleet.call("deploy", "--check", "-e", "broken=d2", "-e", "deploy_serial=100%", "-l", "!d3")
    assert (dry.status, dry.touched) == (2, ()), dry.output
    failing, new = table(dry)[1:]
    assert re.match(r"\s*d2 +would fail: .*/nowhere\.conf", failing)
    assert re.match(r"\s*d1 +full +www\.example\.com +put in place, served until \d{4}-\d\d-\d\d", new)
    assert "Would be deployed: d1." in dry.words


def test_a_site_that_is_served_and_not_listed_is_told_until_it_is_taken_away(fleet: Fleet) -> None:
    deploy(fleet)
    inventory = yaml.safe_load((fleet.folder / "inventory.yml").read_text())
    (site,) = inventory["webhooks"]["hosts"]["d1"]["mutual_tls_sites"]
    assert "not listed" not in fleet.call("deploy").words
    folder = f"{site['document_root']}/hooks"
    Path(folder).mkdir(parents=True)
    named = {
        "domain": "hooks.example.com",
        "document_root": folder,
        "certificate": "hooks.crt",
        "private_key": "hooks.key",
    }
    issued = fleet.material.public.issue("hooks.example.com")
    (fleet.folder / "hooks.crt").write_bytes(issued.full_pem)
    (fleet.folder / "hooks.key").write_bytes(issued.key_pem)
    inventory["webhooks"]["hosts"]["d1"]["mutual_tls_sites"] = [site | named]
    (fleet.folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
    told = fleet.call("deploy").words
    assert re.search(
        r"Served, and not listed in mutual_tls_sites: www\.example\.com on d1, until \d{4}-\d\d-\d\d\.", told
    ), told


def test_what_follows_in_a_playbook_of_ones_own_is_not_for_hosts_of_a_deployment_that_stopped(fleet: Fleet) -> None:
    after = {"hosts": "webhooks", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "and after"}}]}
    plays: list[dict[str, Any]] = [{"import_playbook": "mtls.httpd.deploy"}, after]
    assert "and after" not in fleet.call(plays, "-e", "broken=d2").words
    whole = fleet.call(plays, "-e", "deploy_serial=100%")
    assert (whole.status, whole.words.count("and after")) == (0, len(WEBHOOKS)), whole.output


def test_a_deployment_that_stops_puts_its_hosts_back_where_it_is_told_to(fleet: Fleet) -> None:
    rescue = ("-e", "deploy_rescue=true", "-e", "broken=d2")
    new = fleet.call("deploy", *rescue)
    assert (new.status, new.deployed) == (2, ("d1",)), new.output
    assert "Served for the first time, or taken away, and left so: d1 (www.example.com)." in new.words
    deploy(fleet)
    before = served(fleet)
    stopped = fleet.call("deploy", *rescue)
    assert (stopped.status, stopped.touched) == (2, ()), stopped.output
    assert "Put back to what they served before: d1." in stopped.words
    assert "Deployed: none." in stopped.words
    assert GO_ON in stopped.words
    assert served(fleet) == before
    kept = fleet.call("deploy", "-e", "broken=d2", "-e", "deploy_rescue=no")
    assert (kept.status, kept.touched) == (2, ("d1",)), kept.output
    assert "Put back" not in kept.words
    whole = fleet.call("deploy", "-e", "deploy_rescue=true")
    assert (whole.status, whole.deployed) == (0, WEBHOOKS), whole.output
    assert "Put back" not in whole.words
