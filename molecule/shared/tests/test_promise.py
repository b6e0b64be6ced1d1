# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role promises of a host, asked by clients of every kind and by a look at its files."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import socket
import ssl
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testinfra.utils.ansible_runner import AnsibleRunner

if TYPE_CHECKING:
    from testinfra.host import Host

MATERIAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "material"
HOSTS = AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"]).get_hosts()
testinfra_hosts = [f"podman://{name}" for name in HOSTS]

PROXIED = "www.example.com"
FILES = "www.example.org"
SITES = [PROXIED, FILES]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
STRANGERS = ["no certificate", "stranger", "expired", "self-signed"]


@dataclass(frozen=True)
class Layout:
    """Where a host has httpd's configuration, how it is asked, and the link that includes the collection, if any."""

    conf: str
    control: str
    hook: str = ""


DEBIAN = Layout("/etc/apache2", "apache2ctl", "/etc/apache2/sites-enabled/zz-mtls.conf")
UPSTREAM = Layout("/usr/local/apache2/conf", "/usr/local/apache2/bin/apachectl")
LAYOUTS = {
    "/usr/local/apache2/bin": UPSTREAM,
    "/etc/httpd/conf.d": Layout(
        "/etc/httpd/conf", "/usr/sbin/httpd -D FROM_SYSCONFIG", "/etc/httpd/conf.d/zz-mtls.conf"
    ),
    "/etc/apache2/vhosts.d": Layout("/etc/apache2", "/usr/sbin/start_apache2", "/etc/apache2/vhosts.d/zz-mtls.conf"),
}


@pytest.fixture
def layout(host: Host) -> Layout:
    """Return the layout of the host's httpd."""
    return next((layout for folder, layout in LAYOUTS.items() if host.file(folder).exists), DEBIAN)


@pytest.fixture
def address(host: Host) -> str:
    """Return the host's address, as clients elsewhere see it."""
    command = ["podman", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", host.backend.name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def ask(
    address: str, domain: str, client: str, version: ssl.TLSVersion, *, of: str = "", request: bytes = b""
) -> bytes:
    """Return the answer to `request` (GET / where there is none) of a client with a certificate made for the site `of`.

    Raises: SSLError where the server refuses the client; also where the server's certificate is not the domain's.
    """
    context = ssl.create_default_context(cafile=str(MATERIAL / domain / "root-ca.crt"))
    context.minimum_version = context.maximum_version = version
    if client != "no certificate":
        own = MATERIAL / (of or domain) / "clients" / client
        context.load_cert_chain(f"{own}.crt", f"{own}.key")
    request = request or f"GET / HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n".encode()
    with (
        socket.create_connection((address, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=domain) as tls,
    ):
        tls.sendall(request)
        return b"".join(iter(lambda: tls.recv(65536), b""))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client", STRANGERS)
@pytest.mark.parametrize("domain", SITES)
def test_refuses_whom_the_client_ca_did_not_certify(
    address: str, domain: str, client: str, version: ssl.TLSVersion
) -> None:
    with pytest.raises(ssl.SSLError, match="alert"):
        ask(address, domain, client, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_refuses_the_client_of_another_site(address: str, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError, match="alert"):
        ask(address, FILES, "chat", version, of=PROXIED)


@pytest.mark.parametrize("version", VERSIONS)
def test_serves_files_to_a_client_of_the_client_ca(address: str, version: ssl.TLSVersion) -> None:
    answer = ask(address, FILES, "chat", version)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"It works" in answer


@pytest.mark.parametrize("version", VERSIONS)
def test_lets_a_webhook_through_to_the_backend_and_its_answer_back(address: str, version: ssl.TLSVersion) -> None:
    path = (
        "/?SdkAppid=1400000000&CallbackCommand=Group.CallbackAfterSendMsg&contenttype=json"
        "&ClientIP=192.0.2.7&OptPlatform=Android"
    )
    body = json.dumps({"CallbackCommand": "Group.CallbackAfterSendMsg", "GroupId": "@TGS#2J4SZEAEL"}).encode()
    headers = f"Host: {PROXIED}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    request = f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body
    head, _, answer = ask(address, PROXIED, "chat", version, request=request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Seen: {path} Group.CallbackAfterSendMsg".encode() in head
    assert answer == b'{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}'


@pytest.mark.parametrize("domain", SITES)
def test_names_each_site_once_by_its_release(host: Host, layout: Layout, domain: str) -> None:
    shown = host.run(f"{layout.control} -S")
    assert shown.rc == 0
    pattern = rf"port 443 namevhost {domain} \({layout.conf}/mtls/{domain}/current/site\.conf:\d+\)"
    assert len(re.findall(pattern, shown.stdout)) == 1


def test_is_included_without_a_changed_line_where_httpd_reads_a_folder_whole(host: Host, layout: Layout) -> None:
    if layout.hook:
        assert host.check_output(f"realpath {layout.hook}") == f"{layout.conf}/mtls/host.conf"
    marked = host.run(f"grep -c mtls {layout.conf}/apache2.conf {layout.conf}/httpd.conf").stdout
    assert sum(int(line.rpartition(":")[2]) for line in marked.splitlines()) == (0 if layout.hook else 1)


def test_listens_once(host: Host) -> None:
    assert len(host.check_output("ss -ltnH 'sport = :443'").splitlines()) == 1


@pytest.mark.parametrize("domain", SITES)
def test_keeps_the_files_for_the_owner_of_httpd(host: Host, layout: Layout, domain: str) -> None:
    for name, mode in (f"{domain}.crt", 0o644), (f"{domain}.key", 0o600), ("TencentQQAuthCA.crt", 0o644):
        file = host.file(f"{layout.conf}/mtls/{domain}/current/{name}")
        assert (name, file.is_file, file.user, file.group, file.mode) == (name, True, "root", "root", mode)
    folders = host.run(f"find -L {layout.conf}/mtls -type d '(' -perm /022 -o ! -user root ')'")
    assert (folders.rc, folders.stdout) == (0, "")


@pytest.mark.parametrize("domain", SITES)
def test_leads_from_the_paths_of_the_reference_page_to_the_current_release(
    host: Host, layout: Layout, domain: str
) -> None:
    for name in f"{domain}.crt", f"{domain}.key":
        link = host.file(f"{layout.conf}/{name}")
        assert link.is_symlink
        assert re.fullmatch(
            rf"{layout.conf}/mtls/{domain}/releases/\w+/{name}", host.check_output(f"realpath {link.path}")
        )


def traces_of(key: Path) -> list[bytes]:
    """Return pieces of the private key by which it is known in PEM, in JSON, and inside base64 wherever that began."""
    pem = key.read_bytes()
    lines = [line for line in pem.splitlines() if not line.startswith(b"-----")]
    return [*lines[:2], *(base64.b64encode(pem[40 + shift : 88 + shift]) for shift in range(3))]


@pytest.mark.parametrize("domain", SITES)
def test_has_the_private_key_in_one_file_and_in_no_log(host: Host, layout: Layout, domain: str) -> None:
    command = ["podman", "exec", host.backend.name]
    folders = ["etc", "home", "opt", "root", "run", "srv", "tmp", "usr/local", "var"]
    packed = subprocess.run([*command, "tar", "-C", "/", "-c", "--ignore-failed-read", *folders], capture_output=True)
    journal = subprocess.run(
        [*command, "sh", "-c", "! command -v journalctl || journalctl -o export"], capture_output=True
    )
    assert b"Invoked with" in packed.stdout + journal.stdout, "modules did not log, so that nothing was shown"

    traces = traces_of(MATERIAL / domain / "first" / f"{domain}.key")
    found = []
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and any(trace in content for content in [file.read()] for trace in traces):
                found.append(f"/{member.name}")
    assert len(found) == 1
    assert re.fullmatch(rf"{layout.conf}/mtls/{domain}/releases/\w+/{domain}\.key", found[0])
    assert not any(trace in journal.stdout for trace in traces)
