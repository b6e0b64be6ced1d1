# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Killed anywhere: a run that is killed, or whose host loses power, leaves each site in its old or its new state.

With LONG set, at every action of the run (victim.py says what one is) and at 200 random moments; else at a sample. SEED
repeats the random moments of an earlier run. The figures of a run of the tests stand at its end.
"""

from __future__ import annotations

import difflib
import json
import os
import random
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from container import SYSTEMD, podman
from demo_material import CHAT_CA_NAME, Authority
from host import COLLECTION, VERSIONS, wished

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, SiteWish, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conftest import Layout
    from container import Container

LONG = bool(os.environ.get("LONG"))
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
DOMAIN, GOING, COMING = "www.example.com", "going.example.com", "coming.example.com"
PORT = 443
FOLDER = "/opt/victim"

# What must be as before the run as soon as it is dead: processes, mounts, memory, what a rehearsal could leave.
_LIVING = r"""
ps -eo args= | grep -E '^(/usr/sbin/apache2|/usr/local/apache2/bin/httpd)' | sort -u
ps -eo args= | grep -c '^python3 FOLDER'
awk '{print $2, $3}' /proc/mounts | sort
cat /proc/sysvipc/* | wc -l
ls -A /dev/shm /tmp /var/tmp | grep -v ^systemd-private-
ls -dA /run/*.rehearsal CONF/.mtls-rehearsal 2>/dev/null || true
"""
# What must be as after a run that nobody killed, beside the files.
_LASTING = r"""
find CONF -type d -printf '%p %m\n' | sort
ls -dA /run/mtls* 2>/dev/null || true
ss -Htln | awk '{print $4}' | sort
"""


@dataclass(frozen=True)
class Deployed:
    """A site that is there: with a certificate, a key and a client CA that no other has."""

    wish: SiteWish
    client: answers.Identity

    def fits(self, client: answers.Identity | None, answer: answers.Answer) -> bool:
        """Whether it is this one that answered a client so. The certificate is not seen in every refusal."""
        assert self.wish.release
        wanted = "accepted" if client is self.client else "refused"
        return answer.result == wanted and answer.certificate_sha256 in (None, self.fingerprint)

    @property
    def fingerprint(self) -> str:
        assert self.wish.release
        return self.wish.release.facts.certificate_sha256


Sites = dict[str, "Deployed | None"]


def deployed(domain: str = DOMAIN) -> Deployed:
    # All client CAs have one name, as those of a rollover may.
    chat = Authority(CHAT_CA_NAME)
    client = chat.issue(client=True, common_name="Chat")
    wish = wished(domain, Authority("Test CA").issue(domain), chat.pem, PORT)
    return Deployed(wish, answers.Identity(client.full_pem, client.key_pem))


REDUCED, HEALING = "renewal after a reduced rehearsal", "renewal after a killed one"
CASES: dict[str, Callable[[], tuple[Sites, Sites]]] = {
    "first deployment": lambda: ({DOMAIN: None}, {DOMAIN: deployed()}),
    "renewal of certificate and client CA": lambda: ({DOMAIN: deployed()}, {DOMAIN: deployed()}),
    REDUCED: lambda: ({DOMAIN: deployed()}, {DOMAIN: deployed()}),
    HEALING: lambda: ({DOMAIN: deployed()}, {DOMAIN: deployed()}),
    "removal": lambda: ({DOMAIN: deployed()}, {DOMAIN: None}),
    "several sites": lambda: (
        {DOMAIN: deployed(), GOING: deployed(GOING), COMING: None},
        {DOMAIN: deployed(), GOING: None, COMING: deployed(COMING)},
    ),
}


@dataclass
class Scene:
    """A host that goes from its old sites to its new ones, again and again, and is disturbed at it."""

    host: Container
    layout: Layout
    state: Callable[[], list[str]]
    old: Sites
    new: Sites
    address: str = ""
    actions: int = 0
    seconds: float = 0.0
    living: str = ""
    wanted: list[str] = field(default_factory=list)
    probes: answers.Probes = field(default_factory=make_probes)
    _driver: subprocess.Popen[str] | None = None

    # -- the host

    def shell(self, *scripts: str) -> str:
        """Run a script of sh(1) on the host that must succeed; return what it prints."""
        script = "\n".join(scripts)
        for name, value in {"CONF": self.layout.conf, "LOGS": self.layout.logs, "FOLDER": FOLDER}.items():
            script = script.replace(name, value)
        answer = self.ask(script=script)
        assert answer["status"] == 0, answer
        return str(answer["said"])

    def restart(self, while_stopped: str = "") -> None:
        wait = "while pgrep -x 'apache2|httpd' >/dev/null; do sleep 0.02; done"
        self.shell(self.layout.stop, wait, while_stopped, self.layout.start)
        self.await_users_site()

    def await_users_site(self) -> None:
        until(lambda: users_site_fails(self.address) is None, "httpd was started, and the user's site is not served")

    def save(self, name: str) -> None:
        self.shell(f"rm -rf FOLDER/{name}; cp -a CONF FOLDER/{name}")

    def put_back(self, name: str) -> None:
        self.restart(f"rm -rf CONF; cp -a FOLDER/{name} CONF")

    def cut_off(self) -> None:
        self.host.cut_off()
        self.close()
        self.host.power_on()
        self.open()
        if self.host.image not in SYSTEMD:
            # Whoever starts this httpd at boot has to do so: by now another process may have its number.
            self.shell("rm -f LOGS/httpd.pid", self.layout.start)
        self.await_users_site()

    # -- runs

    def open(self) -> None:
        """Make it ready to be sent runs, after each boot."""
        self.address = self.host.address
        command = ["podman", "exec", "--interactive", "--env", f"PYTHONPATH={FOLDER}", self.host.name]
        command += ["python3", f"{FOLDER}/victim.py"]
        self._driver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        if self._driver:
            self._driver.communicate()

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._driver
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(json.dumps(request) + "\n")
        self._driver.stdin.flush()
        answer: dict[str, Any] = json.loads(self._driver.stdout.readline())
        return answer

    def run(self, sites: Sites, **how: Any) -> dict[str, Any]:
        """Run the target's half for `sites`, disturbed as victim.py's requests say."""
        wishes = tuple(site.wish if site else SiteWish(domain) for domain, site in sites.items())
        request = Request(
            wishes=wishes,
            probes=self.probes,
            binary=None,
            config=None,
            start=True,
            required=True,
            adopt=False,
            clock=time.time(),
        )
        return self.ask(payload=packed(request), **how)

    def carry_out(self, sites: Sites) -> dict[str, Any]:
        answer = self.run(sites)
        assert answer["ended"] == "done", answer
        return answer

    # -- what is to hold

    def serves(self, *states: Sites) -> None:
        """Each site answers each kind of client as it does in one of the states, in each handshake."""
        for domain in self.old:
            known = [site for site in (self.old[domain], self.new[domain]) if site]
            allowed = [state[domain] for state in states]
            for client in (None, *(site.client for site in known)):
                for version in VERSIONS:
                    kind = "trusted" if client else "none"
                    question = answers.Question(domain, version, kind, client)
                    answer = ask(answers.Door(self.address, PORT), question, timeout=20)
                    absent = answer.certificate_sha256 not in {site.fingerprint for site in known}
                    absent = absent and answer.result != "accepted"
                    assert any(site.fits(client, answer) if site else absent for site in allowed), (domain, answer)

    def seen(self) -> list[str]:
        return [*self.state(), *self.shell(_LASTING).splitlines()]

    def left_nothing_living(self) -> None:
        strays: list[str] = []

        def none() -> bool:
            strays[:] = difference(self.living.splitlines(), self.shell(_LIVING).splitlines())
            return not strays

        until(none, strays)

    def is_sound(self) -> None:
        self.shell(f"{self.layout.control} -t")

    def starts_and_serves(self) -> None:
        """The configuration is sound, and httpd, stopped and started, serves each site in its old or its new state."""
        self.is_sound()
        self.restart()
        self.serves(self.old, self.new)

    def converges(self) -> None:
        """One more run brings the new state, whole, and nothing is left over."""
        self.carry_out(self.new)
        self.serves(self.new)
        assert not self.carry_out(self.new)["report"]["changed"]
        assert difference(self.wanted, self.seen()) == []
        self.left_nothing_living()


@pytest.fixture(scope="module", params=list(CASES))
def scene(
    request: pytest.FixtureRequest, machine: Container, layout: Layout, state: Callable[[], list[str]]
) -> Iterator[Scene]:
    """Bring a host into the old state, and let one run go through to see what the new state is."""
    case = str(request.param)
    scene = Scene(machine, layout, state, *CASES[case]())
    package = f"{FOLDER}/ansible_collections/mtls/httpd/plugins"
    machine.shell(f"rm -rf {FOLDER}; mkdir -p {package}")
    podman("cp", f"{COLLECTION}/plugins/module_utils", f"{machine.name}:{package}/")
    podman("cp", str(Path(__file__).with_name("victim.py")), f"{machine.name}:{FOLDER}/")
    if machine.image in SYSTEMD:
        folder = "/etc/systemd/system/apache2.service.d"
        machine.shell(f"mkdir -p {folder}; printf '[Unit]\nStartLimitIntervalSec=0\n' >{folder}/often.conf")
        machine.shell("systemctl daemon-reload")
    scene.open()
    scene.save("bare")
    if case == REDUCED:
        main = "httpd.conf" if machine.image == "source" else "apache2.conf"
        scene.restart(f"""echo 'CustomLog "|$/bin/cat >/dev/null" common' >>CONF/{main}""")
    if any(scene.old.values()):
        scene.carry_out({domain: site for domain, site in scene.old.items() if site})
    if case == HEALING:  # Killed as late as it can be.
        assert scene.run(scene.new, removes=f"{layout.conf}/mtls/journal")["ended"] == "killed"
    scene.save("old")
    scene.living = scene.shell(_LIVING)
    done = scene.carry_out(scene.new)
    assert done["report"]["rehearsal"] == ("reduced" if case == REDUCED else "full"), done
    scene.actions, scene.seconds = done["actions"], done["seconds"]
    scene.wanted = scene.seen()
    scene.left_nothing_living()
    try:
        yield scene
    finally:
        scene.put_back("bare")
        scene.close()


def test_a_run_that_is_killed_at_any_action_hurts_nobody_and_the_next_one_heals(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    points = spread(scene.actions, everywhere=LONG, sample=2)
    killed = 0
    for at in points:
        with told(f"killed at action {at}"):
            scene.put_back("old")
            with users_site_served(scene.address):
                killed += scene.run(scene.new, at=at)["ended"] == "killed"
                scene.serves(scene.old, scene.new)
                scene.left_nothing_living()
            scene.starts_and_serves()
            scene.converges()
    record_property("figures", f"killed at {killed} of {scene.actions} actions")
    assert killed > 0.95 * len(points)


def test_a_host_that_loses_its_power_at_any_action_boots_and_the_next_run_heals(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    points = spread(scene.actions, everywhere=LONG, sample=1)
    cut = 0
    for at in points:
        with told(f"power cut at action {at}"):
            scene.put_back("old")
            cut += scene.run(scene.new, at=at, hold=True)["ended"] == "held"
            scene.cut_off()
            scene.serves(scene.old, scene.new)
            scene.is_sound()
            scene.converges()
    record_property("figures", f"power cut at {cut} of {scene.actions} actions")
    assert cut > 0.95 * len(points)


def test_a_run_that_is_killed_at_a_random_moment_is_healed_beside_the_live_server(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    moments = random.Random(f"{SEED} {scene.host.image} {scene.actions}")
    killed = 0
    for number in range(20 if LONG else 1):
        after = moments.uniform(0, scene.seconds)
        with told(f"random moment {number}, after {after:.4f} s, SEED={SEED}"):
            scene.put_back("old")
            with users_site_served(scene.address):
                killed += scene.run(scene.new, after=after)["ended"] == "killed"
                scene.serves(scene.old, scene.new)
                scene.left_nothing_living()
                scene.converges()
            scene.starts_and_serves()
    record_property("figures", f"killed at {killed} random moments, SEED={SEED}")


def spread(count: int, *, everywhere: bool, sample: int) -> Sequence[int]:
    """Return the numbers from 1 to `count`, or a sample that is spread evenly."""
    return range(1, count + 1) if everywhere else [round((each + 0.5) * count / sample) for each in range(sample)]


def until(condition: Callable[[], bool], failure: object) -> None:
    """Wait until something holds, ten seconds at most, then fail and tell what did not."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.02)


def difference(before: list[str], after: list[str]) -> list[str]:
    """Return the lines that went, with a minus, and those that came, with a plus."""
    return [line for line in difflib.ndiff(before, after) if line[0] in "+-"]


@contextmanager
def told(where: str) -> Iterator[None]:
    """Say of a failure where it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(where)
        raise


def users_site_fails(address: str) -> str | None:
    """Return why the user's own site, on port 80, is not served; None where it is."""
    connection = HTTPConnection(address, 80, timeout=20)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
        return None if status == 200 else f"status {status}"
    except (OSError, HTTPException) as error:
        return repr(error)
    finally:
        connection.close()


@contextmanager
def users_site_served(address: str) -> Iterator[None]:
    """The user's own site answers throughout."""
    ended = threading.Event()
    failures: list[str] = []

    def ask() -> None:
        while not ended.wait(0.02):
            failures.extend(filter(None, [users_site_fails(address)]))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not failures
