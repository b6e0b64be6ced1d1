# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP/2 is served as it is promised, also where the run brings mod_http2 into a server that runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from demo_material import Authority, write
from embedded_httpd import EmbeddedHttpd, free_port
from host import DOMAIN, Host, children, loads, until
from load import Load

from ansible_collections.mtls.httpd.plugins.module_utils._store.facts import SITE
from ansible_collections.mtls.httpd.plugins.module_utils._transaction import effects, switch
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers

MODULE = "LoadModule http2_module modules/mod_http2.so\n"
VERSIONS = {"TLSv1.2": ("--tls-max", "1.2"), "TLSv1.3": ("--tlsv1.3",)}
OPTIONS: dict[str, dict[str, Any]] = {
    "plainly": {},
    "beside open paths": {"open_paths": ("/healthz",)},
    "for named clients": {"allowed": [{"subject": "CN=Chat"}]},
    "behind a PROXY header": {"proxy_protocol": True},
}


@pytest.fixture
def asks(host: Host, tmp_path: Path) -> Callable[..., set[str]]:
    """Ask by curl, again and again over one version of TLS, as a client of the client CA.

    Return the versions of HTTP and statuses.
    """
    client = host.chat.issue(client=True, common_name="Chat")
    write(tmp_path, "client.crt", client.full_pem)
    write(tmp_path, "client.key", client.key_pem)
    identity = ("--cert", str(tmp_path / "client.crt"), "--key", str(tmp_path / "client.key"))
    command = ["curl", "-sk", "--http2", "--connect-to", f"{DOMAIN}:{host.port}:127.0.0.1:{host.port}", *identity]
    shown = ["-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"https://{DOMAIN}:{host.port}/"]

    def ask(version: str, *options: str, times: int = 20) -> set[str]:
        asked = [*command, *VERSIONS[version], *options, *shown]
        return {
            subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20).stdout
            for _time in range(times)
        }

    return ask


def killed(host: Host) -> list[str]:
    """Return what the log says of children that a signal ended (AH00052, AH00051)."""
    return re.findall("exit signal .*", host.httpd.error_log.read_text())


def wish(host: Host, **options: Any) -> SiteWish:
    return host.wish(document_root=str(host.httpd.root / "site"), http2=True, **options)


def as_by_template(wished: SiteWish, old: bytes, new: bytes) -> SiteWish:
    """Return the wish with another text, as if the operator's own template had made it."""
    assert wished.release
    public = wished.release.public
    assert old in public[SITE]
    text = public[SITE].replace(old, new)
    return replace(wished, release=replace(wished.release, public={**public, SITE: text}))


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_works_over_each_version_of_tls_where_the_run_brings_mod_http2_in(
    host: Host, asks: Callable[..., set[str]], options: dict[str, Any]
) -> None:
    before, wished = loads(host.httpd), wish(host, **options)
    host.apply(wished)
    header = ("--haproxy-protocol",) if "proxy_protocol" in options else ()
    assert {version: asks(version, *header) for version in VERSIONS} == {version: {"2 200"} for version in VERSIONS}
    assert killed(host) == []
    # Without the second one, each child that speaks HTTP/2 over TLS 1.2 is ended by a signal.
    assert loads(host.httpd) == before + 2
    assert not host.apply(wished).changed
    assert loads(host.httpd) == before + 2


@pytest.mark.parametrize("reloaded", [False, True], ids=["not reloaded since", "reloaded once since"])
def test_it_works_where_the_user_has_just_written_mod_http2_into_the_configuration(
    host: Host, asks: Callable[..., set[str]], reloaded: bool
) -> None:
    host.apply(host.wish())
    host.add(MODULE)
    if reloaded:
        known = children(host.httpd.pid or 0)
        os.kill(host.httpd.pid or 0, signal.SIGUSR1)
        assert until(lambda: set(children(host.httpd.pid or 0)) - set(known))
    before = loads(host.httpd)
    host.apply(wish(host))
    assert loads(host.httpd) == before + (1 if reloaded else 2)
    assert asks("TLSv1.2") == {"2 200"}
    assert killed(host) == []


def test_mod_md_has_its_second_pass_too_where_the_user_has_just_written_it_into_the_configuration(host: Host) -> None:
    host.apply(host.wish())
    before = loads(host.httpd)
    host.add("LoadModule md_module modules/mod_md.so\n")
    host.apply(host.wish())
    assert loads(host.httpd) == before + 2


def test_it_works_where_a_rollback_brings_mod_http2_back(host: Host, asks: Callable[..., set[str]]) -> None:
    issued = host.public.issue(DOMAIN)
    host.apply(wish(host, issued=issued))
    host.apply(host.wish(issued=issued))
    host.restart()
    before = loads(host.httpd)
    host.apply(SiteWish(DOMAIN, previous=True))
    assert loads(host.httpd) == before + 2
    assert asks("TLSv1.2") == {"2 200"}
    assert killed(host) == []


def test_a_server_that_has_mod_http2_is_reloaded_once(host: Host, asks: Callable[..., set[str]]) -> None:
    host.add(MODULE)
    host.restart()
    before = loads(host.httpd)
    host.apply(wish(host))
    assert loads(host.httpd) == before + 1
    assert {version: asks(version) for version in VERSIONS} == {version: {"2 200"} for version in VERSIONS}


def test_a_server_that_is_started_is_not_reloaded(host: Host, asks: Callable[..., set[str]]) -> None:
    host.httpd.stop()
    host.httpd.error_log.unlink()
    host.apply(wish(host))
    assert loads(host.httpd) == 1
    assert asks("TLSv1.2") == {"2 200"}


def test_an_mpm_that_mod_http2_does_not_work_with_is_reloaded_once_and_asked_nothing(
    short_path: Path, authority: Authority, chat: Authority, probes: answers.Probes
) -> None:
    httpd = EmbeddedHttpd(short_path / "httpd", mpm="prefork")
    host = Host(httpd, authority, chat, free_port(), probes)
    httpd.start()
    try:
        host.add(MODULE)
        host.restart()
        before = loads(httpd)
        assert "http2 is not served: mod_http2 does not work with the MPM prefork" in host.apply(wish(host)).limits
        assert loads(httpd) == before + 1
    finally:
        httpd.stop()


def test_no_request_of_others_is_lost_while_mod_http2_comes_in(host: Host, tmp_path: Path) -> None:
    issued = host.public.issue(DOMAIN)
    before = host.wish(issued=issued, document_root=str(host.httpd.root / "site"))
    host.apply(before)
    load = Load(host.port, tmp_path)
    load.start(host.chat.issue(client=True, common_name="Chat"))
    try:
        for wished in (wish(host, issued=issued), before):
            host.apply(wished)
    finally:
        load.stop()
    assert load.wrong == []
    assert load.answered > 20


# -- what is promised is asked


@pytest.mark.parametrize("rehearsed", ["in full", "in part"])
def test_a_site_that_serves_no_http2_although_it_promises_it_is_refused(
    host: Host, rehearsed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rehearsed == "in part":
        monkeypatch.setattr(effects, "find_effects", lambda _binary, _described: "of a test")
    message = host.refused(as_by_template(wish(host), b"Protocols h2 http/1.1", b"Protocols http/1.1"))
    assert "HTTP/2 is not served over TLSv1.2, although 'http2' asks for it" in message
    assert "HTTP/2 is not served over TLSv1.3, although 'http2' asks for it" in message
    assert "the rehearsal failed" in message


def test_a_site_that_locks_its_clients_out_over_http2_alone_is_refused(host: Host) -> None:
    message = host.refused(wish(host, extra="<If \"%{HTTP2} == 'on'\">\nRequire all denied\n</If>"))
    assert "a client of the client CA was locked out over TLSv1.2, TLSv1.3 and HTTP/2" in message
    assert "over TLSv1.2 and TLSv1.3: " not in message


def test_a_site_that_lets_a_stranger_in_over_http2_alone_is_refused(host: Host) -> None:
    opened = b"<RequireAny>\nRequire expr \"%{HTTP2} == 'on'\""
    message = host.refused(as_by_template(wish(host, open_paths=("/healthz",)), b"<RequireAny>", opened))
    assert "a client without a certificate got in over TLSv1.2, TLSv1.3 and HTTP/2: HTTP/2 200" in message
    assert "over TLSv1.2 and TLSv1.3: " not in message


CUSTOM = {"tls_profile": "custom", "tls_protocols": ["TLSv1.2", "TLSv1.3"]}
CBC = ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256"]
GCM = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"]


def test_a_site_that_has_no_cipher_that_http2_may_have_is_refused(host: Host) -> None:
    # curl gets nothing from such a site over TLS 1.2, unless it is told to speak HTTP/1.1.
    message = host.refused(wish(host, **CUSTOM, tls_ciphers=CBC))
    assert "got no clear answer over TLSv1.2 and HTTP/2: HTTP/2 connection ended by error " in message
    assert "HTTP/2 is not served over TLSv1.2, although 'http2' asks for it" in message
    assert "over TLSv1.3" not in message


PROTOCOLS: dict[str, dict[str, Any]] = {
    "TLS 1.3 alone": {"tls_profile": "modern"},
    "ciphers that HTTP/2 may have among others": {**CUSTOM, "tls_ciphers": [*CBC, *GCM]},
    "every TLS": {"tls_profile": "custom", "tls_protocols": ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]},
    "TLS 1.1 alone": {"tls_profile": "custom", "tls_protocols": ["TLSv1.1"]},
}


@pytest.mark.parametrize("options", PROTOCOLS.values(), ids=PROTOCOLS)
def test_it_is_promised_over_the_versions_alone_that_it_may_have(host: Host, options: dict[str, Any]) -> None:
    host.apply(wish(host, **options))
    assert killed(host) == []


def test_a_site_that_promises_no_http2_may_serve_it(host: Host) -> None:
    host.add(MODULE)
    host.restart()
    host.apply(as_by_template(host.wish(), b"Protocols http/1.1", b"Protocols h2 http/1.1"))


def test_what_a_reload_leaves_broken_is_found_by_asking_and_taken_back(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "DRY_AT_FIRST", set())
    monkeypatch.setattr(switch, "CONFIRM_SECONDS", 3.0)
    with pytest.raises(Refused) as caught:
        host.apply(wish(host, open_paths=("/healthz",)))
    assert re.search(r"on the live server, .* got no clear answer (at \S+ )?over TLSv1\.2", str(caught.value))
    assert "The old state is back and serving" in str(caught.value)
    assert not (host.store / DOMAIN).exists()
