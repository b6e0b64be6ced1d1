# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What handshakes say of other people's servers is what a GET of nobody, a stranger and the right client meets there.

The truth is found by curl, over each version of TLS. What a server's modes are, tests/support/foreign.py says.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from backend import Backend
from demo_material import write
from embedded_httpd import free_port
from foreign import HTTPD_MODES, SERVERS, Missing, Place, serving
from identities import identity

from ansible_collections.mtls.httpd.plugins.module_utils._handshake.answers import (
    Clients,
    Door,
    Examination,
    Inquiry,
)
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import examine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import SiteMaterial

LONG = bool(os.environ.get("LONG"))
SUPPORT = Path(__file__).resolve().parents[1] / "support"
SLOW = ("Caddy", "Java")  # big, or slow to start
# Who gets in.
EVERYBODY, CERTIFIED, NOT_STRANGERS = ("nobody", "stranger", "right"), ("stranger", "right"), ("nobody", "right")
RIGHT, NO_ONE = ("right",), ()
ANY, THIS = "any_request", "this_request"
UNPROVEN = ("unproven", None)
OFF, OPTIONAL = ("off", THIS), ("optional", THIS)


@dataclass(frozen=True)
class Case:
    """Who gets in at a server, and the verdict and what it holds for: with a trusted client at hand, and without.

    C(asks) and C(names): whether the server asks for certificates, and names its client CA.
    """

    gets_in: tuple[str, ...]
    verdict: tuple[str, str | None]
    alone: tuple[str, str | None]
    asks: bool = True
    names: bool = True


REQUIRED = Case(RIGHT, ("enforced", ANY), ("enforced", ANY))
BY_STATUS = Case(RIGHT, ("enforced", THIS), UNPROVEN)
LAX = Case(NOT_STRANGERS, OPTIONAL, OPTIONAL)
UNCHECKED = Case(EVERYBODY, OPTIONAL, OPTIONAL)
ANY_CERTIFICATE = Case(CERTIFIED, OPTIONAL, OPTIONAL)
NOT_ASKED = Case(EVERYBODY, OFF, OFF, asks=False, names=False)
# The connection of a stranger ends without an alert, which may as well be a crash.
RUDE = Case(RIGHT, UNPROVEN, UNPROVEN)
CASES = {
    "httpd": {
        "required": REQUIRED,
        "optional": LAX,
        "unchecked": UNCHECKED,
        "optional, rule on OPTIONS": LAX,
        "per path, by 403": BY_STATUS,
        "per path, by renegotiation": Case(RIGHT, ("enforced", THIS), ("enforced", THIS)),
        "not asked": NOT_ASKED,
    },
    "nginx": {
        "required": BY_STATUS,
        "optional": LAX,
        "unchecked": UNCHECKED,
        "unchecked, rule on other methods": UNCHECKED,
        "per path, by 403": BY_STATUS,
        "per path, by 401": BY_STATUS,
        "per path, and open otherwise": LAX,
        "403 for everybody": Case(NO_ONE, UNPROVEN, UNPROVEN),
        "required, 403 for everybody": Case(NO_ONE, ("enforced", THIS), UNPROVEN),
        "not asked, 403 for everybody": Case(NO_ONE, UNPROVEN, UNPROVEN, asks=False, names=False),
        "not asked": NOT_ASKED,
    },
    "HAProxy": {
        "required": REQUIRED,
        "optional": LAX,
        "unchecked": UNCHECKED,
        "optional, rule on OPTIONS": LAX,
        "per path, by 403": BY_STATUS,
        "per path, by 400": BY_STATUS,
        "optional, rule on POST": LAX,
        "not asked": NOT_ASKED,
    },
    "lighttpd": {
        "required": REQUIRED,
        "unchecked": UNCHECKED,
        "unchecked, rule on OPTIONS": UNCHECKED,
        "not asked": NOT_ASKED,
    },
    "stunnel": {
        "required": REQUIRED,
        "optional": LAX,
        "unchecked": UNCHECKED,
        "required, unchecked": ANY_CERTIFICATE,
        "not asked": NOT_ASKED,
    },
    "Caddy": {
        "required": REQUIRED,
        "optional": LAX,
        "unchecked": Case(EVERYBODY, OPTIONAL, OPTIONAL, names=False),
        "required, unchecked": Case(CERTIFIED, OPTIONAL, OPTIONAL, names=False),
        "per path, by 403": BY_STATUS,
        "not asked": NOT_ASKED,
    },
    "Node": {
        "required": RUDE,
        "unchecked": UNCHECKED,
        "unchecked, rule on other methods": UNCHECKED,
        "per path, by 403": BY_STATUS,
        "not asked": NOT_ASKED,
    },
    "Java": {
        "required": RUDE,
        "optional": LAX,
        "required, unchecked": Case(CERTIFIED, OPTIONAL, OPTIONAL, names=False),
        "per path, by 403": RUDE,
        "not asked": NOT_ASKED,
    },
    "Python": {
        "required": Case(RIGHT, ("enforced", ANY), ("enforced", ANY), names=False),
        "optional": Case(NOT_STRANGERS, OPTIONAL, OPTIONAL, names=False),
        "per path, by 403": Case(RIGHT, ("enforced", THIS), UNPROVEN, names=False),
        "not asked": NOT_ASKED,
    },
    "openssl s_server": {
        "required": REQUIRED,
        "optional": LAX,
        "required, unchecked": ANY_CERTIFICATE,
        "unchecked": UNCHECKED,
        "not asked": NOT_ASKED,
    },
    "gnutls-serv": {
        "required": REQUIRED,
        "optional": LAX,
        "required, unchecked": ANY_CERTIFICATE,
        "unchecked": UNCHECKED,
        "not asked": NOT_ASKED,
    },
}


@dataclass(frozen=True)
class Foreign:
    """Somebody else's server, up."""

    port: int
    folder: Path
    material: SiteMaterial

    def get(self, client: str, version: str, path: str = "/") -> int:
        """Return the status that a client gets over a version of TLS, 0 where there is none."""
        place = f"{self.material.domain}:{self.port}"
        own = [] if client == "nobody" else ["--cert", f"{client}.crt", "--key", f"{client}.key"]
        only = ["--tls-max", version, f"--tlsv{version}", "--resolve", f"{place}:127.0.0.1"]
        command = ["curl", "-sk", "-o", "out", "-w", "%{http_code}", "-m", "9", *only, *own, f"https://{place}{path}"]
        return int(subprocess.run(command, cwd=self.folder, capture_output=True, check=False).stdout)

    def who_gets_in(self, version: str, path: str = "/") -> tuple[str, ...]:
        """Return who gets 200."""
        return tuple(client for client in EVERYBODY if self.get(client, version, path) == 200)

    def examine(self, inquiry: Inquiry | None = None, *, trusted: bool = True) -> Examination:
        """Return what handshake_info finds out."""
        right = identity(self.material.client) if trusted else None
        clients = Clients(identity(self.material.stranger), right)
        return examine(Door("127.0.0.1", self.port), inquiry or Inquiry(self.material.domain), clients, timeout=9)


@pytest.fixture(scope="session")
def unpacked() -> Path:
    """Return where Debian's servers lie unpacked."""
    done = subprocess.run([SUPPORT / "foreign-servers"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"other people's servers are not to be had here: {done.stderr.strip()[-200:]}")
    return Path(done.stdout.strip())


@contextmanager
def up(server: str, mode: str, folder: Path, unpacked: Path, material: SiteMaterial) -> Iterator[Foreign]:
    """Have a server up; skip the test where it is missing."""
    if server in SLOW and not LONG:
        pytest.skip(f"{server} is big or slow: make test-long tries it")
    write(folder, "server.crt", material.server.full_pem)
    write(folder, "server.key", material.server.key_pem)
    write(folder, "client-ca.crt", material.chat.pem)
    for name, client in (("right", material.client), ("stranger", material.stranger)):
        write(folder, f"{name}.crt", client.full_pem)
        write(folder, f"{name}.key", client.key_pem)
    port = free_port()
    try:
        with Backend("in").serving() as plain, serving(server, mode, Place(folder, port, plain.port, unpacked)):
            yield Foreign(port, folder, material)
    except Missing as missing:
        pytest.skip(f"{server} cannot be tried: {missing}")


def test_each_mode_of_each_server_is_tried() -> None:
    modes = {"httpd": HTTPD_MODES, **{name: server.modes for name, server in SERVERS.items()}}
    assert {name: set(cases) for name, cases in CASES.items()} == {name: set(each) for name, each in modes.items()}


@pytest.mark.parametrize(
    ("server", "mode"),
    [pytest.param(server, mode, id=f"{server}, {mode}") for server, modes in CASES.items() for mode in modes],
)
def test_the_verdict_on_anybodys_server_is_the_truth_of_a_get(
    short_path: Path, unpacked: Path, site_material: SiteMaterial, server: str, mode: str
) -> None:
    case = CASES[server][mode]
    with up(server, mode, short_path, unpacked, site_material) as foreign:
        spoken = ("1.2",) if "renegotiation" in mode else ("1.2", "1.3")
        assert {foreign.who_gets_in(version) for version in spoken} == {case.gets_in}
        found, alone = foreign.examine(), foreign.examine(trusted=False)
        by_options = (
            foreign.examine(Inquiry(site_material.domain, "OPTIONS"))
            if server in ("httpd", "HAProxy", "nginx")
            else found
        )
    assert (found.mutual_tls, found.holds_for) == case.verdict
    assert (alone.mutual_tls, alone.holds_for) == case.alone
    assert (found.asked, bool(found.client_ca_names)) == (case.asks, case.names)
    # What lets a stranger in by GET is not called closed, by whatever it was asked.
    assert by_options.mutual_tls == found.mutual_tls
    # The right client is called accepted where it gets in, and nowhere else.
    accepted = {each.result == "accepted" for each in found.answers if each.client == "trusted" and each.offered}
    assert accepted == {"right" in case.gets_in}
    if case.alone == UNPROVEN and case.verdict != UNPROVEN:
        assert {each.status for each in alone.answers if each.result == "unproven"} <= {400, 401, 403}


def test_a_verdict_is_about_the_path_that_was_asked_for(
    short_path: Path, unpacked: Path, site_material: SiteMaterial
) -> None:
    with up("nginx", "per path, and open otherwise", short_path, unpacked, site_material) as foreign:
        assert foreign.who_gets_in("1.3", "/") == NOT_STRANGERS
        assert foreign.who_gets_in("1.3", "/callback/?of=chat") == RIGHT
        found = {
            path: foreign.examine(Inquiry(site_material.domain, "GET", path)) for path in ("/", "/callback/?of=chat")
        }
    assert [(each.mutual_tls, each.holds_for) for each in found.values()] == [OPTIONAL, ("enforced", THIS)]


def test_a_verdict_is_about_the_method_that_was_asked_by(
    short_path: Path, unpacked: Path, site_material: SiteMaterial
) -> None:
    with up("HAProxy", "optional, rule on POST", short_path, unpacked, site_material) as foreign:
        found = {
            method: foreign.examine(Inquiry(foreign.material.domain, method)) for method in ("GET", "HEAD", "POST")
        }
    assert [each.mutual_tls for each in found.values()] == ["optional", "optional", "enforced"]
    assert {each.status for each in found["POST"].answers if each.client == "none"} == {403}
