# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watchman of a host without systemd: what it tells of real servers, how it comes, is mended, and goes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from demo_material import Authority
from foreign import promtool
from host import DOMAIN, OTHER, LateDisk, children, loads, until
from identities import identity
from rehearsing import edited

from ansible_collections.mtls.httpd.plugins.module_utils._handshake import answers
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.client import ask
from ansible_collections.mtls.httpd.plugins.module_utils._handshake.probes import make_probes
from ansible_collections.mtls.httpd.plugins.module_utils._httpd import find
from ansible_collections.mtls.httpd.plugins.module_utils._machine.log_files import Bounds
from ansible_collections.mtls.httpd.plugins.module_utils._site.call_logs import NEEDED_FORMAT
from ansible_collections.mtls.httpd.plugins.module_utils._site.callers import read_site
from ansible_collections.mtls.httpd.plugins.module_utils._site.metrics import METRICS
from ansible_collections.mtls.httpd.plugins.module_utils._store.store import Store
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.request import Request, SiteWish
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.run import Refused
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.status import tell_status
from ansible_collections.mtls.httpd.plugins.module_utils._transaction.watch_program import _find_own_address

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LocalOperator
    from host import Host

FILES = ("watchman.py", "watchman.json", "watchman.pem")
ASKED, ENFORCED = "mtls_httpd_client_ca_asked", "mtls_httpd_enforced"
CERTIFICATE_ENDS = "mtls_httpd_certificate_not_after_timestamp_seconds"
FORBIDDEN = "forbidden_calls_total"
REFUSED = "mtls_httpd_refused_calls_total"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder for metrics."""
    made = tmp_path / "textfile"
    made.mkdir(mode=0o755)
    return made


def check(host: Host) -> dict[str, float]:
    """Run the watchman once, as its timer does; return the samples of the file that it wrote, by name and labels."""
    program, wish = host.store / "watchman.py", host.store / "watchman.json"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", program, wish], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return read(written(host))


def written(host: Host) -> Path:
    """Return the path of what the watchman writes."""
    found = re.search(r'"path": "(.*)"', (host.store / "watchman.json").read_text())
    assert found
    return host.store.__class__(found[1])


def read(path: Path) -> dict[str, float]:
    """Return the samples of a file of metrics, without the label of the server."""
    samples = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            name, _blank, value = line.rpartition(" ")
            samples[re.sub(r',?server="[^"]*"', "", name)] = float(value)
    return samples


def call(host: Host, name: str = "Chat") -> int:
    """Call as Chat does, with a certificate of this name; return the status of the answer."""
    chat = identity(host.chat.issue(client=True, common_name=name))
    question = answers.Question(DOMAIN, "TLSv1.3", "trusted", chat, method="POST")
    return ask(answers.Door("127.0.0.1", host.port), question, timeout=5).status


def sample(name: str, site: str = DOMAIN, **labels: str) -> str:
    """Return a sample's name with its labels."""
    told = "".join(f',{label}="{value}"' for label, value in labels.items())
    return f'{name}{{site="{site}"{told}}}'


def test_what_strangers_meet_is_told_in_metrics_that_prometheus_takes(host: Host, folder: Path) -> None:
    host.apply(host.wish(ends="2999-12-31T23:59:59Z"), metrics_folder=str(folder))
    samples = check(host)
    path = written(host)
    assert [each.name for each in folder.iterdir()] == [path.name]
    assert path.name.startswith("mtls-httpd-watch-")
    assert path.stat().st_mode & 0o777 == 0o644
    assert samples[sample("mtls_httpd_answers")] == 1
    assert samples[sample("mtls_httpd_enforced")] == 1
    assert samples["mtls_httpd_last_check_timestamp_seconds{}"] == pytest.approx(time.time(), abs=60)
    assert samples[sample("mtls_httpd_client_ca_not_after_timestamp_seconds")] > time.time()
    assert samples[sample(CERTIFICATE_ENDS)] > time.time()
    assert any(name.startswith('mtls_httpd_release_info{site="www.example.com",release="') for name in samples)
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=path.read_bytes(), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert {name.partition("{")[0] for name in samples} <= METRICS.keys()


def test_no_key_of_a_site_and_no_module_of_this_collection_is_needed(host: Host, folder: Path) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))
    told = "".join((host.store / name).read_text() for name in FILES)
    (key,) = host.store.glob(f"{DOMAIN}/releases/*/{DOMAIN}.key")
    assert key.read_text() not in told
    assert (host.store / "watchman.pem").stat().st_mode & 0o777 == 0o600
    assert "import ansible" not in told
    script = f"strace -f -e trace=open,openat -o {folder.parent}/opened {sys.executable} -I -S -B"
    words = [*script.split(), str(host.store / FILES[0]), str(host.store / FILES[1])]
    if subprocess.run(["sh", "-c", "command -v strace"], check=False, capture_output=True).returncode == 0:
        subprocess.run(words, check=True)
        assert str(key) not in (folder.parent / "opened").read_text()


def test_a_server_that_stopped_asking_for_certificates_is_told(host: Host, folder: Path) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))
    assert check(host)[sample("mtls_httpd_enforced")] == 1
    (site,) = host.store.glob(f"{DOMAIN}/current/site.conf")
    text = site.read_text()
    site.write_text(re.sub(r"SSLVerifyClient .*", "SSLVerifyClient none", text))
    host.restart()
    assert check(host)[sample("mtls_httpd_enforced")] == 0
    host.httpd.stop()
    samples = check(host)
    assert samples[sample("mtls_httpd_answers")] == 0
    assert sample("mtls_httpd_enforced") not in samples
    assert sample(CERTIFICATE_ENDS) not in samples
    assert samples[sample("mtls_httpd_client_ca_not_after_timestamp_seconds")] > time.time()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"open_paths": ["/health"]}, id="open path"),
        pytest.param({"protected": {"/callback/": "http://127.0.0.1:9/"}}, id="protected path"),
        pytest.param({"verify_client": "optional"}, id="optional"),
        pytest.param({"verify_client": "optional_no_ca"}, id="optional_no_ca"),
        pytest.param({"tls_profile": "custom", "tls_protocols": ["TLSv1.2"]}, id="TLS 1.2"),
        pytest.param({"aliases": ["api.example.com"]}, id="alias"),
        pytest.param({"proxy_protocol": True}, id="PROXY header"),
        pytest.param({"http2": True}, id="HTTP/2"),
    ],
)
def test_each_healthy_site_is_told_as_enforced_with_what_it_serves(
    host: Host, folder: Path, options: dict[str, Any]
) -> None:
    host.apply(host.wish(**options), metrics_folder=str(folder))
    samples = check(host)
    assert (samples[sample(ENFORCED)], samples[sample("mtls_httpd_answers")], samples[sample(ASKED)]) == (1, 1, 1)
    assert samples[sample(CERTIFICATE_ENDS)] > time.time()


def test_the_begin_and_the_end_of_a_revocation_list_are_told(host: Host, folder: Path) -> None:
    due = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=3)
    crl = host.chat.crl(next_update=due)
    host.apply(host.wish(crl=crl, crl_ends=f"{due:%Y-%m-%dT%H:%M:%SZ}"), metrics_folder=str(folder))
    samples = check(host)
    made = x509.load_pem_x509_crl(crl).last_update_utc
    assert samples[sample("mtls_httpd_crl_next_update_timestamp_seconds")] == due.timestamp()
    assert samples[sample("mtls_httpd_crl_this_update_timestamp_seconds")] == int(made.timestamp())
    assert samples[sample("mtls_httpd_enforced")] == 1


def test_the_end_of_an_intermediate_client_ca_is_told_beside_its_root(host: Host, folder: Path) -> None:
    soon = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=9)
    below = Authority("Below", issuer=host.chat, not_after=soon)
    host.apply(host.wish(client_ca=host.chat.pem + below.pem), metrics_folder=str(folder))
    samples = check(host)
    assert samples[sample("mtls_httpd_client_ca_not_after_timestamp_seconds")] == soon.timestamp()
    root = samples[sample("mtls_httpd_client_ca_root_not_after_timestamp_seconds")]
    assert root == host.chat.certificate.not_valid_after_utc.timestamp()


@pytest.mark.parametrize("level", ["ssl:info", "warn"])
def test_a_site_beside_the_users_own_is_told_with_its_refusals_and_not_with_theirs(
    host: Host, folder: Path, level: str
) -> None:
    own = "own.example.com"
    clients = host.conf / "own-ca.crt"
    clients.write_bytes(host.public.pem)
    issued = host.public.issue(own)
    (host.conf / "own.crt").write_bytes(issued.full_pem)
    (host.conf / "own.key").write_bytes(issued.key_pem)
    host.add(
        f"""
        LoadModule ssl_module modules/mod_ssl.so
        Listen {host.port} https
        <VirtualHost *:{host.port}>
        ServerName {own}
        LogLevel {level}
        SSLEngine on
        SSLCertificateFile conf/own.crt
        SSLCertificateKeyFile conf/own.key
        SSLCACertificateFile {clients}
        SSLVerifyClient require
        </VirtualHost>
        """
    )
    host.restart()
    host.apply(host.wish(), metrics_folder=str(folder))
    before = check(host)
    assert {value for name, value in before.items() if name.startswith(REFUSED)} == {0}
    for _time in range(3):
        assert check(host)[sample(REFUSED, reason="unknown-issuer")] == 0  # its own knocks are counted by nobody
    server, store = find.find(str(host.httpd.binary), str(host.httpd.conf)), Store(str(host.conf))
    assert server
    bounds = Bounds(0, size=1 << 24, seconds=10)
    assert read_site(server.describe(), store, store.facts(DOMAIN), bounds).own_refusals > 0
    stranger = Authority("Somebody").issue(client=True, common_name="Stranger")
    host.answers(stranger)
    host.answers(stranger, domain=own)
    after = check(host)
    name = sample(REFUSED, reason="unknown-issuer")
    assert after[name] == before[name] + 2
    assert after[sample("mtls_httpd_enforced")] == 1


def test_of_refusals_without_a_name_no_more_are_left_out_than_the_watchman_can_have_knocked(
    host: Host, folder: Path
) -> None:
    """From its address may come whoever calls through a proxy on the host; from the others of the host, it does not."""
    host.apply(host.wish(), metrics_folder=str(folder))

    def tell(*refused: tuple[str, int]) -> dict[str, int]:
        """Return the refusals that are told, by address, for so many from each within fifty minutes."""
        begun = time.time() - 3600
        log = host.httpd.root / "logs" / f"{DOMAIN}-error.log"
        lines = []
        for address, count in refused:
            for number in range(count):
                moment = time.localtime(begun + 3000 * number / (count - 1))
                at = time.strftime("%a %b %d %H:%M:%S.000000 %Y", moment)
                words = "AH02039: Certificate Verification: Error (20): unable to get local issuer certificate"
                lines.append(f"[{at}] [ssl:error] [pid 7:tid 8] [client {address}:{number + 1}] {words}\n")
        log.write_text("".join(lines))
        server, store = find.find(str(host.httpd.binary), str(host.httpd.conf)), Store(str(host.conf))
        assert server
        calls = read_site(server.describe(), store, store.facts(DOMAIN), Bounds(0, size=1 << 24, seconds=10))
        assert calls.own_refusals == sum(count for _address, count in refused) - sum(
            each.count for each in calls.refusals
        )
        return {each.address: each.count for each in calls.refusals}

    assert tell(("127.0.0.1", 11), ("127.0.0.9", 2)) == {"127.0.0.9": 2}
    assert tell(("127.0.0.1", 40)) == {"127.0.0.1": 28}
    (host.store / "watchman.json").unlink()
    assert tell(("127.0.0.1", 11)) == {"127.0.0.1": 11}


def test_directives_in_a_virtual_host_of_the_users_own_are_told(host: Host, folder: Path) -> None:
    wish = host.wish(manage="directives")
    log_format = NEEDED_FORMAT.replace('\\\\"', '\\"')
    host.httpd.stop()
    host.add(
        f"LoadModule ssl_module modules/mod_ssl.so\nListen {host.port} https\n<VirtualHost *:{host.port}>\n"
        f"ServerName {DOMAIN}\nSSLEngine on\nIncludeOptional {host.store}/{DOMAIN}/current/site.conf\n"
        f'CustomLog logs/hooks.log "{log_format}"\nDocumentRoot {host.httpd.root}/site\n</VirtualHost>\n'
        f"<Directory {host.httpd.root}/site>\nRequire all granted\n</Directory>\n"
    )
    host.apply(wish, metrics_folder=str(folder), start=False)
    host.restart()
    host.apply(wish, metrics_folder=str(folder))  # It is included from now on.
    assert call(host) == 200
    assert until(lambda: "CN=Chat" in (host.httpd.root / "logs/hooks.log").read_text())
    samples = check(host)
    assert samples[sample("mtls_httpd_enforced")] == 1
    assert samples[sample("mtls_httpd_last_accepted_call_timestamp_seconds")] == pytest.approx(time.time(), abs=60)


def test_a_path_that_is_protected_no_more_is_told(host: Host, folder: Path) -> None:
    host.apply(host.wish(open_paths=["/health"]), metrics_folder=str(folder))
    assert check(host)[sample("mtls_httpd_enforced")] == 1
    (site,) = host.store.glob(f"{DOMAIN}/current/site.conf")
    site.write_text(re.sub(r"(?m)^\s*Require .*$", "Require all granted", site.read_text()))
    host.restart()
    assert check(host)[sample("mtls_httpd_enforced")] == 0


@pytest.mark.parametrize(
    ("options", "rule", "opened"),
    [
        pytest.param(
            {"protected": {"/callback/": "http://127.0.0.1:9/", "/hook/": "http://127.0.0.1:9/"}},
            r'(?s)(<Location "/hook/">).*?(</Location>)',
            r"\1\nRequire all granted\n\2",
            id="the second",
        ),
        pytest.param(
            {"open_paths": ["/health"], "callback_paths": ["/callback"]},
            "'/health'",
            "'/health', '/callback'",
            id="where Chat calls",
        ),
    ],
)
def test_each_path_that_is_to_be_closed_is_asked_for(
    options: dict[str, Any], rule: str, opened: str, host: Host, folder: Path
) -> None:
    host.apply(host.wish(**options), metrics_folder=str(folder))
    assert check(host)[sample(ENFORCED)] == 1
    (site,) = host.store.glob(f"{DOMAIN}/current/site.conf")
    site.write_text(re.sub(rule, opened, site.read_text()))
    host.restart()
    assert check(host)[sample(ENFORCED)] == 0


@pytest.mark.parametrize(("keeps", "connections"), [("On", 1), ("Off", 10)])
def test_ten_paths_are_asked_for_over_one_connection_where_httpd_keeps_it(
    keeps: str, connections: int, host: Host, folder: Path
) -> None:
    host.add(f"KeepAlive {keeps}\n")
    host.restart()
    paths = {f"/hook{number}/": "http://127.0.0.1:9/" for number in range(10)}
    host.apply(host.wish(protected=paths), metrics_folder=str(folder))
    assert check(host)[sample(ENFORCED)] == 1
    first = written(host).read_text().partition("\n")[0]
    knocks = json.loads(first[len("# mtls.httpd remembers ") :])["knocks"]
    doors = [each for each in knocks if each.startswith("127.0.0.1:")]
    assert len(doors) == connections + 1  # The stranger with a certificate is refused in the handshake.
    (site,) = host.store.glob(f"{DOMAIN}/current/site.conf")
    last = r'(?s)(<Location "/hook9/">).*?(</Location>)'
    site.write_text(re.sub(last, r"\1\nRequire all granted\n\2", site.read_text()))
    host.restart()
    assert check(host)[sample(ENFORCED)] == 0


@pytest.mark.parametrize(
    ("kept", "enforced", "asked"),
    [
        pytest.param((), 0, 0, id="swapped"),
        pytest.param(("old", "chat"), 0, 1, id="one more"),
        pytest.param(("old",), 1, 0, id="one gone"),
    ],
)
def test_client_cas_other_than_the_sites_are_told(
    kept: tuple[str, ...], enforced: int, asked: int, host: Host, folder: Path
) -> None:
    old, other = Authority("Chat's old CA"), Authority("Somebody's CA")
    known = {"old": old.pem, "chat": host.chat.pem}
    host.apply(host.wish(client_ca=old.pem + host.chat.pem), metrics_folder=str(folder))
    samples = check(host)
    assert (samples[sample(ENFORCED)], samples[sample(ASKED)]) == (1, 1)
    (path,) = host.store.glob(f"{DOMAIN}/current/TencentQQAuthCA.crt")
    more = b"" if kept == ("old",) else other.pem
    path.write_bytes(b"".join(known[name] for name in kept) + more)
    assert check(host)[sample(ASKED)] == 1, "httpd has not read it yet"
    host.restart()
    samples = check(host)
    assert (samples[sample(ENFORCED)], samples[sample(ASKED)]) == (enforced, asked)


def test_a_virtual_host_of_this_machines_own_address_that_takes_the_name_is_told(host: Host, folder: Path) -> None:
    address = _find_own_address("192.0.2.1")
    if not address:
        pytest.skip("this machine has a loopback alone, and so no address by which it reaches others")
    host.apply(host.wish(), metrics_folder=str(folder))
    assert check(host)[sample(ENFORCED)] == 1
    text = """
        <VirtualHost {address}:{port}>
        ServerName {name}
        SSLEngine on
        SSLCertificateFile {certificate}
        SSLCertificateKeyFile {key}
        </VirtualHost>
        """
    for name, enforced in ((OTHER, 1), (DOMAIN, 0)):  # Another name is nobody's business.
        issued = host.public.issue(name)
        certificate, key = host.conf / f"{name}.own.crt", host.conf / f"{name}.own.key"
        certificate.write_bytes(issued.full_pem)
        key.write_bytes(issued.key_pem)
        config = host.httpd.conf.read_text()
        host.add(text.format(address=address, port=host.port, name=name, certificate=certificate, key=key))
        host.restart()
        samples = check(host)
        assert (samples[sample(ENFORCED)], samples[sample("mtls_httpd_answers")]) == (enforced, 1), name
        host.httpd.conf.write_text(config)


def test_an_httpd_that_hangs_is_told_for_many_sites_before_systemd_ends_the_check(host: Host, folder: Path) -> None:
    sites = [f"s{number}.example.com" for number in range(30)]  # 300 seconds, with all the patience for each
    host.apply(host.wish(), metrics_folder=str(folder))
    wish = host.store / "watchman.json"
    known = json.loads(wish.read_text())
    known["sites"] = [{**known["sites"][0], "domain": name} for name in sites]
    wish.write_text(json.dumps(known, indent=1))
    processes = [host.httpd.pid, *(int(each.split()[0]) for each in children(host.httpd.pid or 0))]
    for each in processes:
        os.kill(each or 0, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        samples = check(host)
    finally:
        for each in processes:
            os.kill(each or 0, signal.SIGCONT)
    assert time.monotonic() - begun < 30
    assert [samples[sample("mtls_httpd_answers", name)] for name in sites] == [0] * len(sites)
    samples = check(host)
    assert [samples[sample("mtls_httpd_answers", name)] for name in sites] == [1] * len(sites)


def test_what_a_run_between_its_switch_and_its_reload_seems_to_be_is_not_told(host: Host, folder: Path) -> None:
    """The watchman knows of the wish already, which httpd has not read yet."""
    host.apply(host.wish(verify_client="optional"), metrics_folder=str(folder))
    wish = host.store / "watchman.json"
    wish.write_text(wish.read_text().replace('"by": "asked"', '"by": "handshake"'))
    (site,) = host.store.glob(f"{DOMAIN}/current/site.conf")
    site.write_text(site.read_text().replace("SSLVerifyClient optional", "SSLVerifyClient require"))
    words = [sys.executable, "-I", "-S", "-B", host.store / FILES[0], host.store / FILES[1]]
    with subprocess.Popen(words) as running:
        time.sleep(1)
        host.restart()
        assert running.wait() == 0
    assert read(written(host))[sample(ENFORCED)] == 1


def test_a_log_that_cannot_be_read_is_told(host: Host, folder: Path) -> None:
    host.apply(host.wish(access_log=""), metrics_folder=str(folder))
    assert check(host)["mtls_httpd_unread_logs{}"] == 0
    (host.httpd.root / "logs" / f"{DOMAIN}-access.log").unlink()
    words = [sys.executable, "-I", "-S", "-B", host.store / FILES[0], host.store / FILES[1]]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert "access.log: No such file" in done.stderr
    assert read(written(host))["mtls_httpd_unread_logs{}"] == 1
    host.restart()
    assert check(host)["mtls_httpd_unread_logs{}"] == 0


def test_what_is_served_is_told_and_not_what_lies_on_the_disk(host: Host, folder: Path) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))
    known = check(host)[sample(CERTIFICATE_ENDS)]
    other = host.public.issue(DOMAIN, not_after=datetime.now(timezone.utc) + timedelta(days=3))
    (certificate,) = host.store.glob(f"{DOMAIN}/current/{DOMAIN}.crt")
    (key,) = host.store.glob(f"{DOMAIN}/current/{DOMAIN}.key")
    certificate.write_bytes(other.full_pem)
    key.write_bytes(other.key_pem)
    assert check(host)[sample(CERTIFICATE_ENDS)] == known
    host.restart()
    served = check(host)[sample(CERTIFICATE_ENDS)]
    assert served == other.certificate.not_valid_after_utc.timestamp() < known


def test_calls_and_refusals_are_counted_once_and_never_fewer_and_never_our_own(host: Host, folder: Path) -> None:
    host.apply(host.wish(access_log="", document_root=str(host.httpd.root / "site")), metrics_folder=str(folder))
    time.sleep(1)
    before = check(host)
    assert sample("mtls_httpd_last_accepted_call_timestamp_seconds") not in before
    for _time in range(3):
        again = check(host)  # its own knocks are counted by nobody
    assert {name: value for name, value in again.items() if name.startswith(REFUSED)} == {
        name: value for name, value in before.items() if name.startswith(REFUSED)
    }
    host.answers(Authority("Somebody").issue(client=True, common_name="Stranger"))
    host.answers(host.chat.issue(client=True, common_name="Chat"))  # of our own mark, so nobody's call
    log = host.httpd.root / "logs" / f"{DOMAIN}-access.log"
    assert until(lambda: log.read_text().count("CN=Chat") == 2)
    assert sample("mtls_httpd_last_accepted_call_timestamp_seconds") not in check(host)
    assert call(host) == 200
    assert until(lambda: log.read_text().count("CN=Chat") == 3)
    after = check(host)
    unknown = sample(REFUSED, reason="unknown-issuer")
    assert after[unknown] == before[unknown] + 2
    assert after[sample("mtls_httpd_last_accepted_call_timestamp_seconds")] == pytest.approx(time.time(), abs=60)
    log.rename(f"{log}.1")
    errors = host.httpd.root / "logs" / f"{DOMAIN}-error.log"
    host.answers(Authority("Somebody").issue(client=True, common_name="Stranger"))
    errors.rename(f"{errors}.1")  # what came since the last check is not lost
    host.restart()
    rotated = check(host)
    assert rotated[unknown] == before[unknown] + 4
    last = sample("mtls_httpd_last_accepted_call_timestamp_seconds")
    assert rotated[last] == after[last]


def test_calls_of_a_client_of_the_ca_that_is_not_allowed_are_counted_and_never_fewer(host: Host, folder: Path) -> None:
    name, last = (sample(f"mtls_httpd_{each}") for each in (FORBIDDEN, "last_accepted_call_timestamp_seconds"))
    wish = host.wish(allowed=[{"subject": "CN=Chat"}], document_root=str(host.httpd.root / "site"))
    host.apply(wish, metrics_folder=str(folder))
    log = host.httpd.root / "logs" / f"{DOMAIN}-access.log"
    assert call(host, "Earlier") == 403  # before the watchman looked
    assert until(lambda: "CN=Earlier" in log.read_text())
    assert check(host)[name] == 0
    assert check(host)[name] == 0  # its own knocks are counted by nobody
    assert call(host, "Renamed") == 403
    assert until(lambda: "CN=Renamed" in log.read_text())
    samples = check(host)
    assert samples[name] == 1
    assert last not in samples
    assert call(host) == 200
    assert until(lambda: '"CN=Chat"' in log.read_text())
    samples = check(host)
    assert samples[name] == 1
    assert samples[last] == pytest.approx(time.time(), abs=60)
    host.apply(wish, metrics_folder=str(folder))
    assert check(host)[name] == 1


def test_each_of_several_sites_is_told_and_its_refusals_are_its_own(host: Host, folder: Path) -> None:
    host.apply(host.wish(), host.wish(OTHER), metrics_folder=str(folder))
    before = check(host)
    stranger = Authority("Somebody").issue(client=True, common_name="Stranger")
    host.answers(stranger, domain=OTHER)
    after = check(host)
    for site, more in ((DOMAIN, 0), (OTHER, 2)):
        assert after[sample("mtls_httpd_enforced", site)] == 1
        name = sample(REFUSED, site, reason="unknown-issuer")
        assert after[name] == before[name] + more


def test_a_check_costs_less_than_fifty_milliseconds_of_processor_time(host: Host, folder: Path) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))
    words = [sys.executable, "-I", "-S", "-B", *(str(host.store / name) for name in FILES[:2])]
    # Of that, half is Python with the modules that it needs: where they take longer, so does all else.
    bare = processor_time([*words[:4], "-c", "import contextlib, datetime, json, re, socket, ssl"])
    assert processor_time(words) < max(0.05, 2 * bare)


def processor_time(words: list[str]) -> float:
    """Return the least processor time of some runs of a program, in seconds."""
    costs = []
    for _time in range(15):
        process = os.posix_spawn(words[0], words, {})  # a fork of this large process would be counted too
        _process, status, used = os.wait4(process, 0)
        assert status == 0
        costs.append(used.ru_utime + used.ru_stime)
    return min(costs)


# -- as a part of the sites' life


def test_it_comes_with_the_sites_and_goes_with_the_last_without_a_trace(host: Host, folder: Path) -> None:
    host.apply(host.wish(), host.wish(OTHER), metrics_folder=str(folder))
    check(host)
    host.apply(SiteWish(OTHER), metrics_folder=str(folder))
    assert {name.partition("{")[2] for name in check(host) if OTHER in name} == set()
    host.apply(SiteWish(DOMAIN), metrics_folder=str(folder))
    assert not host.store.exists()
    assert list(folder.iterdir()) == []


def test_a_run_without_the_option_keeps_it_and_tells_it_of_changed_sites(host: Host, folder: Path) -> None:
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    check(host)
    assert not host.apply(wish).changed
    host.apply(host.wish(), host.wish(OTHER))
    samples = check(host)
    assert written(host).parent == folder
    assert [samples[sample("mtls_httpd_enforced", site)] for site in (DOMAIN, OTHER)] == [1, 1]
    host.apply(SiteWish(OTHER))
    assert not [name for name in check(host) if OTHER in name]
    back = host.apply(SiteWish(DOMAIN, previous=True))
    assert back.changed
    (release,) = (name for name in check(host) if "release_info" in name)
    assert (host.store / DOMAIN / "current").resolve().name.partition(".")[0] in release
    host.apply(SiteWish(DOMAIN))
    assert not host.store.exists()
    assert list(folder.iterdir()) == []


def test_a_run_without_the_option_brings_none(host: Host) -> None:
    host.apply(host.wish())
    assert not any((host.store / name).exists() for name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_run_without_the_option_mends_what_was_taken_away(host: Host, folder: Path, name: str) -> None:
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    (host.store / name).chmod(0o666)
    assert host.apply(wish).healed
    if name != "watchman.json":  # which says that there is one, and where to
        (host.store / name).unlink()
        host.apply(wish)
    assert check(host)[sample("mtls_httpd_enforced")] == 1


def test_what_no_longer_tells_where_it_writes_is_left_for_a_run_that_does(host: Host, folder: Path) -> None:
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    (host.store / "watchman.json").write_text("{}")
    host.apply(wish)
    assert all((host.store / name).exists() for name in FILES)
    host.apply(wish, metrics_folder=str(folder))
    assert check(host)[sample("mtls_httpd_enforced")] == 1
    (host.store / "watchman.json").write_text("{}")
    host.apply(SiteWish(DOMAIN))
    assert not host.store.exists()


def test_an_empty_text_takes_it_away_and_leaves_the_site(host: Host, folder: Path) -> None:
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    check(host)
    assert host.apply(wish, metrics_folder="").changed
    assert not any((host.store / name).exists() for name in FILES)
    assert list(folder.iterdir()) == []
    assert host.enforces()


def test_the_role_takes_it_away_for_an_empty_variable_and_keeps_it_without_one(
    operator: LocalOperator, folder: Path
) -> None:
    path = operator.httpd.conf.parent / "mtls" / "watchman.json"
    operator.deploy()
    assert not path.exists()
    for value, there in ((str(folder), True), (None, True), ("", False)):
        operator.deploy(mutual_tls_metrics_folder=value)
        assert path.exists() == there
        operator.deploy()
        assert path.exists() == there


@pytest.mark.parametrize("name", FILES[:2])
def test_it_goes_although_somebody_deleted_a_part_of_it(host: Host, folder: Path, name: str) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))
    (host.store / name).unlink()
    host.apply(host.wish(), metrics_folder="")
    assert [each for each in FILES if (host.store / each).exists()] == []


def test_httpd_is_not_reloaded_for_the_watchman_alone(host: Host, folder: Path) -> None:
    wish = host.wish()
    host.apply(wish)
    before = loads(host.httpd)
    report = host.apply(wish, metrics_folder=str(folder))
    assert (report.changed, report.reloaded, loads(host.httpd)) == (True, False, before)
    assert host.apply(host.wish(client_ca=Authority("Another Chat CA").pem), metrics_folder="").reloaded


def test_httpd_is_reloaded_with_the_watchman_where_it_does_not_serve_what_is_on_the_disk(
    host: Host, folder: Path
) -> None:
    wish = host.wish()
    host.apply(wish)
    site = host.store / DOMAIN / "current" / "site.conf"
    text = site.read_text()
    site.write_text(text.replace("SSLVerifyClient require", ""))
    host.restart()
    site.write_text(text)
    assert host.apply(wish, metrics_folder=str(folder)).reloaded
    assert not host.apply(wish, metrics_folder=str(folder)).changed


def test_another_folder_gets_the_metrics_and_the_first_keeps_none(host: Host, folder: Path) -> None:
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    check(host)
    (folder / "other").mkdir()
    host.apply(wish, metrics_folder=str(folder / "other"))
    check(host)
    assert [each.name for each in folder.iterdir()] == ["other"]
    assert written(host).parent == folder / "other"


def test_a_second_run_changes_nothing_and_another_release_is_told_at_once(host: Host, folder: Path) -> None:
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    before = host.state()
    report = replace(host, probes=make_probes()).apply(wish, metrics_folder=str(folder))
    assert (report.changed, report.healed) == (False, [])
    assert host.state() == before
    renewed = host.wish()
    host.apply(renewed, metrics_folder=str(folder))
    assert renewed.release
    assert sample("mtls_httpd_release_info", release=renewed.release.name) in check(host)


def test_the_status_of_the_host_names_what_was_taken_away(host: Host, folder: Path) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))

    def amiss() -> list[str]:
        asked = Request((), host.probes, str(host.httpd.binary), str(host.httpd.conf))
        return list(tell_status(asked, rehearse=False)["amiss"])

    assert amiss() == []
    (host.store / "watchman.py").unlink()
    assert amiss() == [f"not as they were left: {host.store}/watchman.py is gone"]


@pytest.mark.parametrize(
    ("looked", "told", "words"),
    [
        pytest.param(0, 9, "", id="lives"),
        pytest.param(None, 0, "", id="is new"),
        pytest.param(9, 9, "has written nothing to", id="is stopped"),
        pytest.param(None, 9, "has written nothing to", id="never began"),
    ],
)
def test_the_status_of_the_host_names_a_watchman_that_does_not_look(
    looked: int | None, told: int, words: str, host: Host, folder: Path
) -> None:
    """By how many hours ago it looked, and was told what to look at."""
    host.apply(host.wish(), metrics_folder=str(folder))
    check(host)
    for path, hours in ((written(host), looked), (host.store / "watchman.json", told)):
        if hours is None:
            path.unlink()
        else:
            os.utime(path, (time.time() - hours * 3600,) * 2)
    asked = Request((), host.probes, str(host.httpd.binary), str(host.httpd.conf))
    found = [each for each in tell_status(asked, rehearse=False)["faults"] if each["code"] == "watchman-dead"]
    assert [words in each["message"] for each in found] == ([True] if words else [])


@pytest.mark.parametrize("name", FILES)
def test_what_was_taken_away_or_opened_is_mended_and_said(host: Host, folder: Path, name: str) -> None:
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    path = host.store / name
    mode, content = path.stat().st_mode, path.read_bytes()
    path.chmod(0o666)
    report = host.apply(wish, metrics_folder=str(folder))
    assert f"{path} has mode 0666" in report.healed[0]
    assert path.stat().st_mode == mode
    path.unlink()
    report = host.apply(wish, metrics_folder=str(folder))
    assert report.changed
    assert path.stat().st_mode == mode
    if name != "watchman.pem":
        assert path.read_bytes() == content
    assert check(host)[sample("mtls_httpd_enforced")] == 1


def test_a_change_that_fails_leaves_the_watchman_as_it_was(host: Host, folder: Path) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))
    before = {name: (host.store / name).read_bytes() for name in FILES}
    late = host.conf / "late.conf"
    host.add(f"IncludeOptional {late}\n")
    host.restart()
    with pytest.raises(Refused):
        host.apply(host.wish(), metrics_folder=str(folder), disk=LateDisk(late, "NoSuchDirective\n"))
    late.unlink()
    assert {name: (host.store / name).read_bytes() for name in FILES} == before
    assert check(host)[sample("mtls_httpd_enforced")] == 1


def test_a_first_deployment_that_fails_leaves_none(host: Host, folder: Path) -> None:
    late = host.conf / "late.conf"
    host.add(f"IncludeOptional {late}\n")
    host.restart()
    with pytest.raises(Refused):
        host.apply(host.wish(), metrics_folder=str(folder), disk=LateDisk(late, "NoSuchDirective\n"))
    assert not any((host.store / name).exists() for name in FILES)


def test_a_host_without_systemd_is_told_what_cron_is_to_run(host: Host, folder: Path) -> None:
    report = host.apply(host.wish(), metrics_folder=str(folder))
    (words,) = [each for each in report.limits if "metrics_folder" in each]
    command = re.search("`(.*)`", words)
    assert command
    subprocess.run(command[1].split(), check=True)
    assert read(written(host))[sample("mtls_httpd_enforced")] == 1
    assert not [each for each in host.apply(host.wish()).limits if "metrics_folder" in each]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda folder: folder.rmdir(), "is not there", id="missing"),
        pytest.param(lambda folder: folder.chmod(0o777), "can be changed by others", id="everybody's"),
        pytest.param(lambda folder: folder.chmod(0o1777), "can be written by everybody", id="as /tmp"),
        pytest.param(lambda folder: os.chown(folder, 65534, 65534), "can be changed by others", id="another user's"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_before_anything_is_changed(
    host: Host, folder: Path, spoil: Any, words: str
) -> None:
    spoil(folder)
    message = host.refused(host.wish(), metrics_folder=str(folder))
    assert words in message
    assert str(folder) in message
    assert "make 'metrics_folder' an empty text" in message or "name another one" in message
    host.apply(host.wish())


def test_a_folder_that_root_alone_may_read_is_warned_of(host: Host, folder: Path) -> None:
    """A node_exporter has a user of its own. One above may be that one's, and a group may have it."""
    for path in (folder, *folder.parents):
        if path.stat().st_uid == 0 and not path.stat().st_mode & 0o011:
            path.chmod(path.stat().st_mode | 0o011)  # of pytest's own
    wish, below = host.wish(), folder / "below"
    below.mkdir()

    def warned() -> list[str]:
        return [each for each in host.apply(wish, metrics_folder=str(below)).limits if "only root gets to" in each]

    for closed in (below, folder):
        for mode, group, owner, words in ((0o755, 0, 0, 0), (0o700, 0, 0, 1), (0o750, 0, 0, 1), (0o750, 65534, 0, 0)):
            closed.chmod(mode)
            os.chown(closed, owner, group)
            found = warned()
            assert len(found) == words, (closed, mode, group)
            assert all(f"chmod o+rx {closed}`" in each for each in found)
        closed.chmod(0o755)


def test_a_certificate_is_renewed_although_the_folder_is_gone(host: Host, folder: Path) -> None:
    host.apply(host.wish(), metrics_folder=str(folder))
    folder.rmdir()
    renewed = host.wish()
    report = host.apply(renewed, metrics_folder=str(folder))
    assert [each for each in report.limits if f"{folder}, is not there" in each]
    assert renewed.release
    assert host.served() == renewed.release.facts.certificate_sha256


def test_a_folder_below_one_of_node_exporters_own_is_taken(host: Host, folder: Path) -> None:
    """As Debian's package has it: /var/lib/prometheus is the exporter's, and node-exporter in it is root's."""
    below = folder / "node-exporter"
    below.mkdir(mode=0o755)
    os.chown(folder, 65534, 65534)
    host.apply(host.wish(), metrics_folder=str(below))
    assert check(host)[sample("mtls_httpd_enforced")] == 1


def test_a_stranger_that_has_ended_is_another_one_after_the_next_run(host: Host, folder: Path) -> None:
    """Of one that has, httpd minds the date, also where it would let any other in."""
    wish = host.wish()
    host.apply(wish, metrics_folder=str(folder))
    pem = host.store / "watchman.pem"
    kept = pem.read_bytes()
    ends = x509.load_pem_x509_certificate(kept).not_valid_after_utc
    assert ends > datetime.now(timezone.utc) + timedelta(days=3000)
    host.apply(wish, metrics_folder=str(folder))
    assert pem.read_bytes() == kept
    over = host.chat.issue(client=True, common_name="over", not_after=datetime.now(timezone.utc) - timedelta(days=1))
    pem.write_bytes(over.pem + over.key_pem)
    host.apply(wish, metrics_folder=str(folder))
    assert pem.read_bytes() == kept, "the stranger of this run"


def test_being_sent_away_is_a_refusal_unless_what_nobody_has_is_not_there(host: Host, folder: Path) -> None:
    host.add("ErrorDocument 403 https://status.example.net/denied\n")
    host.restart()
    wish = edited(host.wish(open_paths=["/health"]), r"^ *ErrorDocument .*\n", "")
    host.apply(wish, metrics_folder=str(folder))
    assert check(host)[sample("mtls_httpd_enforced")] == 1
    (site,) = host.store.glob(f"{DOMAIN}/current/site.conf")
    away = "RedirectMatch ^/$ https://status.example.net/"
    site.write_text(re.sub(r'(?s)<Location "/">.*?</Location>', away, site.read_text()))
    host.restart()
    assert check(host)[sample("mtls_httpd_enforced")] == 0
