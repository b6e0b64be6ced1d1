# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode and diff tell the truth: what they predict, field by field, is what the run then does."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import key_pem, new_key, write
from host import DOMAIN, OTHER, Host
from rehearsing import PIPED

from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find, quoting
from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import CLIENT_CA, FACTS, SITE
from ansible_collections.mtls.httpd.plugins.module_utils._store.release import Release
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish, Sources
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LocalOperator

# What is seen on the live server, and what the clocks say, is no prediction.
SEEN = ("mutual_tls", "running", "clock_skew", "answers_now")


def told(host: Host, wishes: tuple[SiteWish, ...], options: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what a run, or check mode, says: its result, or why it refuses, but for the time of day."""
    try:
        return asdict(host.apply(*wishes, check=check, **options))
    except Refused as refused:
        return {"refused": re.sub(r"\(2\d{3}-[^)]*\)", "(now)", str(refused))}


def without(result: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return a result without the fields of these names, at any depth."""
    text = json.dumps(result)
    return json.loads(text, object_hook=lambda found: {key: found[key] for key in found if key not in names})


def agreed(host: Host, *wishes: SiteWish, **options: Any) -> dict[str, Any]:
    """Return what a run did, which check mode predicted in all fields without a change, as the diff showed it."""
    before = host.state()
    predicted = told(host, wishes, options, check=True)
    assert host.state() == before, "check mode changes nothing"
    done = told(host, wishes, options, check=False)
    assert without(predicted, SEEN) == without(done, SEEN)
    if "refused" in done:
        assert host.state() == before
        return done
    for site, seen in zip(predicted["sites"], done["sites"], strict=True):
        assert site["mutual_tls"] == (
            "unproven" if done["reloaded"] and site["state"] == "present" else seen["mutual_tls"]
        )
    assert {name for name, shown in differences(before, host.state()).items() if shown} <= {
        str(Path(part["after_header"]).relative_to(host.httpd.root)) for part in done["diff"]
    }
    for part in done["diff"]:
        path = Path(part["after_header"])
        if path.is_symlink() and part["after"]:
            assert part["after"] == f"-> {path.readlink()}\n"
        elif path.suffix == ".conf":
            assert part["after"] == (path.read_text() if path.exists() else "")
    assert not told(host, wishes, options, check=False)["changed"], "one run is enough"
    return done


def differences(before: Any, after: Any) -> dict[str, bool]:
    """Return the paths that differ, and whether a diff is to show them: not what is in the store's own folders."""
    (old, _pid, _workers), (new, _newer, _others) = before, after
    changed = {name for name in {*old, *new} if old.get(name, ())[:4] != new.get(name, ())[:4]}
    return {name: not re.match(r"conf/mtls/[^/]*\.|conf/mtls(/\.)?$|.*/\.$|conf$", name) for name in changed}


# -- without a drift


def test_a_first_deployment_is_predicted(host: Host) -> None:
    done = agreed(host, host.wish(), host.wish(OTHER))
    assert (done["changed"], done["reloaded"], done["rehearsal"], done["healed"]) == (True, True, "full", [])


def test_a_converged_host_is_predicted(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    done = agreed(host, wish)
    assert (done["changed"], done["reloaded"], done["diff"], done["healed"]) == (False, False, [], [])
    assert done["sites"][0]["mutual_tls"] == "enforced"


def test_a_stopped_server_is_predicted(host: Host) -> None:
    host.httpd.stop()
    assert not agreed(host, host.wish(), start=False)["reloaded"]
    assert agreed(host, host.wish(), start=True)["reloaded"]


def test_a_renewal_the_way_back_and_a_removal_are_predicted(host: Host) -> None:
    host.apply(host.wish(), host.wish(OTHER))
    assert agreed(host, host.wish())["sites"][0]["changed"]
    assert agreed(host, SiteWish(DOMAIN, previous=True))["sites"][0]["previous"]
    assert agreed(host, SiteWish(DOMAIN), SiteWish(OTHER, previous=False), SiteWish("none.example.com"))["changed"]
    assert "refused" in agreed(host, SiteWish(DOMAIN, previous=True))


def test_what_a_reduced_rehearsal_comes_to_is_predicted(host: Host) -> None:
    host.add(PIPED)
    host.restart()
    assert agreed(host, host.wish())["rehearsal"] == "reduced"
    assert agreed(host, host.wish(), host.wish(OTHER))["changed"]
    assert "got in" in agreed(host, host.wish(extra="SSLVerifyClient none"))["refused"]
    assert agreed(host, SiteWish(DOMAIN, previous=True), SiteWish(OTHER))["changed"]


def test_what_becomes_of_a_virtual_host_of_the_users_own_is_predicted(host: Host) -> None:
    own = host.public.issue(DOMAIN)
    write(host.conf, "own.crt", own.full_pem)
    write(host.conf, "own.key", own.key_pem)
    (host.httpd.root / "own").mkdir()
    pair = "SSLCertificateFile conf/own.crt\nSSLCertificateKeyFile conf/own.key\n"
    host.add(
        f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port} https\n<VirtualHost *:{host.port}>\n"
        f"ServerName {DOMAIN}\nDocumentRoot own\nSSLEngine on\n{pair}</VirtualHost>\n"
        f"<Directory {host.httpd.root}/own>\nRequire all granted\n</Directory>\n"
    )
    host.restart()
    wish = host.wish(manage="directives")
    predicted, done = (told(host, (wish,), {}, check=check) for check in (True, False))
    assert without(predicted, SEEN) == without(done, SEEN)
    assert done["pending"]
    assert "is not in force" in agreed(host, wish)["refused"]
    edited(host.httpd.conf, pair, f'Include "{current(host)}/{SITE}"\n')
    assert agreed(host, wish)["sites"][0]["mutual_tls"] == "enforced"
    edited(current(host) / SITE, "SSLVerifyClient require", "SSLVerifyClient none")
    assert len(agreed(host, host.wish(manage="directives"))["healed"]) == 1


def test_an_adoption_is_predicted_and_its_diff_shows_no_key(host: Host) -> None:
    (host.conf / f"{DOMAIN}.key").write_bytes(key_pem(new_key()))
    (host.conf / CLIENT_CA).symlink_to("elsewhere")
    assert "is not this collection's" in agreed(host, host.wish(), adopt=True)["refused"]
    (host.conf / CLIENT_CA).unlink()
    assert "is not this collection's" in agreed(host, host.wish())["refused"]
    assert "PRIVATE KEY" not in json.dumps(agreed(host, host.wish(), adopt=True)["diff"])


# -- refused


@pytest.mark.parametrize("case", ["a key that does not match", "an open door", "a time that is over", "a port in use"])
def test_a_refusal_is_predicted_with_its_words(host: Host, case: str) -> None:
    host.apply(host.wish(OTHER))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wishes = {
            "a key that does not match": (host.wish(key=key_pem(new_key())), "do not match"),
            "an open door": (host.wish(extra="SSLVerifyClient none"), "got in"),
            "a time that is over": (host.wish(ends="2001-01-01T00:00:00Z"), "ended at 2001"),
            "a port in use": (host.wish(port=taken.getsockname()[1]), str(taken.getsockname()[1])),
        }
        wish, words = wishes[case]
        assert words in agreed(host, wish)["refused"]


# -- drift


@dataclass(frozen=True)
class Drift:
    """What a hand did to a converged host, and the words that name it afterwards."""

    act: Callable[[Host], object]
    named: str
    options: dict[str, Any] = field(default_factory=dict)


def replaced(path: Path, content: str = "by hand\n") -> None:
    path.unlink()
    path.write_text(content)


def relinked(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def given_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("root alone gives files away")
    os.chown(path, 1, -1)


def current(host: Host) -> Path:
    return host.store / DOMAIN / "current"


RELEASE = f"the release of {DOMAIN} was not as it was written: "
DRIFTS = {
    "an edited site": Drift(
        lambda host: edited(current(host) / SITE, "SSLVerifyClient require", ""), f"{SITE} was edited"
    ),
    "a site with more in it": Drift(
        lambda host: (current(host) / "more.conf").write_text(""), "more.conf does not belong there"
    ),
    "the mode of a key": Drift(
        lambda host: (current(host) / f"{DOMAIN}.key").chmod(0o644), f"{DOMAIN}.key has mode 0644"
    ),
    "a file that is gone": Drift(lambda host: (current(host) / CLIENT_CA).unlink(), f"{CLIENT_CA} is gone"),
    "the owner of a file": Drift(lambda host: given_away(current(host) / SITE), f"{SITE} belongs to user 1"),
    "the mode of a folder": Drift(lambda host: current(host).resolve().chmod(0o700), "is no folder of mode 0755"),
    "a release that is gone": Drift(lambda host: shutil.rmtree(current(host).resolve()), "releases/{release} is gone"),
    "all releases gone": Drift(
        lambda host: shutil.rmtree(host.store / DOMAIN / "releases"), "releases/{release} is gone"
    ),
    "a site that is gone": Drift(lambda host: shutil.rmtree(host.store / DOMAIN), f"mtls/{DOMAIN} is gone"),
    "a switch replaced by a file": Drift(lambda host: replaced(current(host)), f"{DOMAIN}/current leads to none"),
    "a switch that is gone": Drift(lambda host: current(host).unlink(), f"{DOMAIN}/current leads to none"),
    "the mode of the host level": Drift(
        lambda host: (host.store / "host.conf").chmod(0o600), "host.conf has mode 0600"
    ),
    "the owner of the host level": Drift(
        lambda host: given_away(host.store / "host.conf"), "host.conf belongs to user 1"
    ),
    "an edited host level": Drift(
        lambda host: (host.store / "host.conf").write_text("# mine\n"), "host.conf was edited"
    ),
    "a host level that is gone": Drift(lambda host: (host.store / "host.conf").unlink(), "host.conf is gone"),
    "a line that is gone": Drift(
        lambda host: edited(host.httpd.conf, f'IncludeOptional "{host.store}/host.conf"\n', ""),
        "httpd.conf lacks our line",
    ),
    "a line without effect": Drift(
        lambda host: edited(host.httpd.conf, f'IncludeOptional "{host.store}/', f'#IncludeOptional "{host.store}/'),
        "httpd.conf lacks our line",
    ),
    "a link that is gone": Drift(lambda host: (host.conf / f"{DOMAIN}.crt").unlink(), f"{DOMAIN}.crt is gone"),
    "a link that leads elsewhere": Drift(
        lambda host: relinked(host.conf / f"{DOMAIN}.crt", "mtls/elsewhere"), f"{DOMAIN}.crt leads elsewhere"
    ),
    "a link replaced by a file": Drift(
        lambda host: replaced(host.conf / f"{DOMAIN}.crt"), f"{DOMAIN}.crt is a plain file", {"adopt": True}
    ),
    "a release of nobody's": Drift(
        lambda host: shutil.copytree(current(host), host.store / DOMAIN / "releases/00"), "left over"
    ),
    "a stopped server": Drift(lambda host: host.httpd.stop(), "httpd did not run"),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_is_predicted_named_and_healed(host: Host, name: str) -> None:
    drift, wish = DRIFTS[name], host.wish()
    host.apply(wish)
    drift.act(host)
    done = agreed(host, wish, **drift.options)
    assert done["changed"]
    assert wish.release
    [words] = done["healed"]
    assert drift.named.replace("{release}", wish.release.name) in words
    host.restart()
    assert host.enforces()


@pytest.mark.parametrize(
    "name",
    ["an edited site", "the mode of a key", "a release that is gone", "an edited host level", "a line that is gone"],
)
def test_a_drift_is_named_at_a_renewal_too(host: Host, name: str) -> None:
    drift, wish = DRIFTS[name], host.wish()
    host.apply(wish)
    drift.act(host)
    assert wish.release
    named = drift.named.replace("{release}", wish.release.name)
    assert [words for words in agreed(host, host.wish())["healed"] if named in words]


def test_a_change_of_the_servers_own_is_not_taken_for_a_hand_in_our_file(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    modules = "LoadModule ssl_module modules/mod_ssl.so\nLoadModule socache_shmcb_module modules/mod_socache_shmcb.so"
    host.add(f"{modules}\nSSLSessionCache shmcb:logs/cache\n")
    words = f"not as they were left: {host.store}/host.conf no longer fits the server's own configuration"
    assert agreed(host, wish)["healed"] == [words]


@pytest.mark.parametrize("renewed", [False, True])
def test_a_drift_that_let_strangers_in_says_so(host: Host, renewed: bool) -> None:
    wish = host.wish()
    host.apply(wish)
    edited(current(host) / SITE, "SSLVerifyClient require", "SSLVerifyClient none")
    host.restart()
    assert not host.enforces()
    release, strangers = agreed(host, host.wish() if renewed else wish)["healed"]
    assert f"/releases/{wish.release.name}, {SITE} was edited" in release
    assert f"until this run, {DOMAIN} at 127.0.0.1:{host.port}: a client without a certificate got in" in strangers
    assert host.enforces()


@pytest.mark.parametrize(
    "name",
    ["an edited site", "a release that is gone", "an edited host level", "a line that is gone", "a link that is gone"],
)
def test_a_drifted_site_is_removed_as_predicted(host: Host, name: str) -> None:
    before = host.state(times=False)[0]
    host.apply(host.wish())
    DRIFTS[name].act(host)
    agreed(host, SiteWish(DOMAIN))
    assert host.state(times=False)[0] == before


HOOKS: dict[str, Callable[[Path], object]] = {
    "is gone": lambda hook: hook.unlink(),
    "has mode 0777": lambda hook: hook.chmod(0o777),
    "belongs to user 1": given_away,
}


@pytest.mark.parametrize("named", HOOKS)
def test_a_program_for_renewals_is_put_right_too(host: Host, named: str) -> None:
    own, hook = host.public.issue(DOMAIN), host.httpd.root / "hook"
    write(host.conf, "own.crt", own.full_pem)
    write(host.conf, "own.key", own.key_pem)
    release = host.wish().release
    assert release
    facts = replace(release.facts, renewal_hook=str(hook))
    files = {CLIENT_CA: host.chat.pem, SITE: release.public[SITE], FACTS: facts.content}
    wish = SiteWish(DOMAIN, Release(DOMAIN, files), sources=Sources(f"{host.conf}/own.crt", f"{host.conf}/own.key"))
    assert agreed(host, wish)["healed"] == []
    HOOKS[named](hook)
    assert agreed(host, wish)["healed"] == [f"not as they were left: {hook} {named}"]
    assert (hook.stat().st_mode & 0o777, hook.stat().st_uid) == (0o700, os.geteuid())


def test_a_link_replaced_by_a_file_is_not_overwritten_unless_that_is_wished(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    replaced(host.conf / f"{DOMAIN}.crt")
    assert f"{DOMAIN}.crt is not this collection's" in agreed(host, wish)["refused"]


def test_a_line_written_otherwise_is_left_as_it_is(host: Host) -> None:
    wish = host.wish()
    host.apply(wish)
    edited(host.httpd.conf, "IncludeOptional", "Include")
    assert not agreed(host, wish)["changed"]


def test_a_server_that_serves_another_release_is_predicted_to_be_reloaded(host: Host) -> None:
    first = host.wish()
    host.apply(first)
    shutil.copytree(host.conf, host.conf.with_name("saved"), symlinks=True)
    host.apply(host.wish())
    shutil.rmtree(host.conf)
    shutil.move(host.conf.with_name("saved"), host.conf)
    done = agreed(host, first)
    assert (done["changed"], done["reloaded"], done["diff"]) == (True, True, [])
    [words] = done["healed"]
    place = f"{DOMAIN} at 127.0.0.1:{host.port}"
    assert words.startswith(f"the live server did not show the sites as they are on the disk: {place}: another cert")


def test_a_killed_run_is_left_to_a_real_one_which_check_mode_says(host: Host) -> None:
    host.apply(host.wish())
    (host.store / "journal").write_text("[]")
    (host.store / "journal").chmod(0o600)
    assert "tells of a run that was killed" in told(host, (host.wish(),), {}, check=True)["refused"]


# -- a bare host


def test_on_a_bare_host_what_would_be_refused_with_httpd_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "find", lambda _binary, _config: None)
    for wish, words in (
        (host.wish(ends="2001-01-01T00:00:00Z"), "ended at"),
        (SiteWish(DOMAIN, previous=True), "no previous"),
    ):
        for check in (True, False):
            assert words in told(host, (wish,), {"required": False}, check=check)["refused"]


# -- as the module tells it


def applied(operator: LocalOperator, *arguments: str, within: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    """Return what the module `sites` returns, and its warnings."""
    named = {"httpd_binary": str(operator.httpd.binary), "httpd_config": str(operator.httpd.conf)} if not within else {}
    keep = {"content": "{{ told | to_json }}", "dest": f"{operator.folder}/told.json"}
    tasks = [
        # Refusals are predicted too, and compared by the caller.
        {"mtls.httpd.sites": {"sites": [operator.site], **named, **options}, "register": "told", "ignore_errors": True},
        {"ansible.builtin.copy": keep, "delegate_to": "localhost", "check_mode": False, "diff": False},
    ]
    operator.deploy(*arguments, within=within, plays=[{"tasks": tasks}])
    result: dict[str, Any] = json.loads((operator.folder / "told.json").read_text())
    return result


def test_what_the_module_returns_is_predicted_and_endpoints_are_those_that_are_served(operator: LocalOperator) -> None:
    endpoint = {
        "server_name": operator.material.domain,
        "address": "127.0.0.1",
        "port": operator.port,
        "certificate_sha256": operator.material.server.sha256,
        "expect": "enforced",
    }
    shown = endpoint.keys()
    for _time in ("first", "converged"):
        served = operator.httpd.root.joinpath("conf/mtls").exists()
        predicted, done = applied(operator, "--check", "--diff"), applied(operator, "--diff")
        assert without(predicted, (*SEEN, "endpoints")) == without(done, (*SEEN, "endpoints"))
        assert [{name: each[name] for name in shown} for each in predicted["endpoints"]] == [endpoint][: int(served)]
        assert [{name: each[name] for name in shown} for each in done["endpoints"]] == [endpoint]
    assert not done["changed"]


def test_a_site_that_the_controller_cannot_speak_to_is_no_endpoint_deployed_or_gone_back_to(
    operator: LocalOperator,
) -> None:
    operator.site.update({"tls_profile": "custom", "tls_protocols": ["TLSv1", "TLSv1.1"]})
    deployed = applied(operator)
    assert (deployed["sites"][0]["mutual_tls"], deployed["endpoints"]) == ("enforced", [])
    operator.site["tls_protocols"] = ["TLSv1.2"]
    assert len(applied(operator)["endpoints"]) == 1
    operator.site.clear()
    operator.site.update({"domain": operator.material.domain, "state": "previous"})
    back = applied(operator)
    assert (back["sites"][0]["previous"], back["sites"][0]["mutual_tls"], back["endpoints"]) == (True, "enforced", [])


def test_bad_material_is_predicted_with_the_same_words(operator: LocalOperator) -> None:
    operator.site["private_key"] = f"{operator.material.folder}/root-ca.crt"
    predicted, done = applied(operator, "--check"), applied(operator)
    assert predicted == done
    assert done["failed"]


def test_on_a_bare_host_a_site_is_predicted_and_marked_unrehearsed(
    operator: LocalOperator, bare: tuple[str, ...]
) -> None:
    predicted = applied(operator, "--check", "--diff", within=bare, require_httpd=False)
    done = applied(operator, "--diff")
    seen = (
        *SEEN,
        "diff",
        "endpoints",
        "httpd_found",
        "limits",
        "rehearsal",
        "rehearsal_reason",
        "server",
        "unasked_limits",
        "warnings",
    )
    assert without(predicted, seen) == without(done, seen)
    assert (predicted["httpd_found"], predicted["rehearsal"], predicted["endpoints"]) == (False, "none", [])
    assert [part["after_header"] for part in predicted["diff"]] == [f"site.conf of {operator.material.domain}"]
    (shown,) = [part["after"] for part in predicted["diff"]]
    assert f'SSLCertificateFile "(the folder of the release)/{operator.material.domain}.crt"' in shown
    assert quoting.RELEASE not in shown
    words = "nothing was rehearsed: no httpd is on this host yet, so this is a prediction."
    assert [warning for warning in predicted["warnings"] if words in warning]


def test_what_becomes_of_the_watchman_is_predicted_and_shows_no_key(host: Host, short_path: Path) -> None:
    folder, other = short_path / "textfile", short_path / "other"
    folder.mkdir(mode=0o755)
    other.mkdir(mode=0o755)
    wish, program = host.wish(), host.store / "watchman.py"
    comes = agreed(host, wish, metrics_folder=str(folder))
    assert comes["changed"]
    assert {each["after_header"] for each in comes["diff"]} >= {str(program), f"{host.store}/watchman.pem"}
    assert "PRIVATE KEY" not in json.dumps(comes)
    assert not agreed(host, wish, metrics_folder=str(folder))["changed"]
    program.write_text(program.read_text() + "# of another version\n")
    assert agreed(host, wish, metrics_folder=str(folder))["changed"]
    program.unlink()
    assert f"{program} is gone" in str(agreed(host, wish, metrics_folder=str(folder))["healed"])
    assert agreed(host, wish, metrics_folder=str(other))["changed"]
    folder.rmdir()
    assert "is not there" in agreed(host, wish, host.wish(OTHER), metrics_folder=str(folder))["refused"]
    assert agreed(host, wish, metrics_folder="")["changed"]
    assert not program.exists()
