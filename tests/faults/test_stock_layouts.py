# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts with the files that distributions ship: deployed, unchanged when asked again, renewed, given back as they were.

The files are not part of the project: MTLS_STOCK_LAYOUTS names the folder that has them, in a folder for each.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from container import podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Remote
    from container import Container

STOCK = os.environ.get("MTLS_STOCK_LAYOUTS", "")
SET_UP = Path(__file__).resolve().parents[1] / "support" / "set-up-stock"
# The image that each is put into.
IMAGES = {"rhel9-httpd": "redhat", "opensuse-apache2": "suse", "cpanel-ea4": "redhat"}
PANELS = "cpanel-ea4"
INCLUDES = "/etc/apache2/conf.d/includes"


@pytest.fixture(scope="module", params=IMAGES)
def machine(request: pytest.FixtureRequest, booting: Callable[..., Iterator[Container]]) -> Iterator[Container]:
    """Boot a host with the stock files, and httpd running."""
    folder = Path(STOCK) / request.param
    if not STOCK or not folder.is_dir():
        pytest.skip(f"MTLS_STOCK_LAYOUTS names no folder with {request.param}")
    for host in booting(IMAGES[request.param], f"stock-{request.param}"):
        podman("cp", str(folder), f"{host.name}:/srv/stock")
        if request.param == PANELS:
            put_panel_configuration(host, folder, "/srv/stock/generated.conf")
        podman("cp", str(SET_UP), f"{host.name}:/srv/set-up-stock")
        host.shell(f"/srv/set-up-stock {request.param} /srv/stock")
        yield host


def put_panel_configuration(host: Container, folder: Path, path: str) -> None:
    """Have the panel's templates make its main file, as after each change of a customer, and put it on the host."""
    parts = (
        "account_suspensions",
        "errordocument",
        "pre_main_global",
        "pre_virtualhost_global",
        "post_virtualhost_global",
    )
    there = [*(f"{INCLUDES}/{part}.conf" for part in parts), "/var/cpanel/ssl/cpanel/cpanel.pem"]
    program = SET_UP.with_name("panel-configuration")
    subprocess.run([SET_UP.with_name("packages"), "libtemplate-perl"], check=True)
    command = ["perl", program, folder, host.address, *there]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    host.run("sh", "-c", f"cat >{path}", text=made.stdout)


def contents(host: Container) -> list[str]:
    """Return the sum of each file of the configuration."""
    return host.shell("find /etc/httpd /etc/apache2 -type f -exec sha256sum {} + 2>/dev/null | sort").splitlines()


@pytest.fixture
def remote(remote: Remote, request: pytest.FixtureRequest) -> Remote:
    """Give an operator the host; a panel's virtual hosts are for its address alone, so the site is too."""
    if PANELS not in remote.host.name:
        return remote
    layout = replace(remote.layout, conf="/etc/apache2/conf", logs="/var/log/apache2")
    return replace(remote, layout=layout, site=remote.site | {"listen": [remote.address]})


@pytest.fixture
def instance(machine: Container) -> Iterator[dict[str, str]]:
    """Run httpd@webhooks beside httpd, and return the role's variables that name it."""
    machine.shell("systemctl enable --now httpd@webhooks")
    yield {"mutual_tls_httpd_binary": "/usr/sbin/httpd", "mutual_tls_httpd_config": "/etc/httpd/conf/webhooks.conf"}
    machine.shell("systemctl disable --now httpd@webhooks")


def test_a_stock_host_is_deployed_renewed_and_given_back_as_it_was(remote: Remote) -> None:
    material = remote.material
    before, files = remote.state(times=False)[0], contents(remote.host)
    assert "changed=1" in remote.deploy().output
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert remote.ask(material.client).said.startswith("HTTP/1.1 ")
    # Nothing of the distribution's own is changed, as its includes lead to us; of a panel's, the operator's own file.
    during = contents(remote.host)
    changed = [line.split()[1] for line in files if line not in during]
    assert changed == ([f"{INCLUDES}/post_virtualhost_global.conf"] if PANELS in remote.host.name else [])
    assert "changed=0" in remote.deploy().output
    renewed = material.public.issue(material.domain)
    material.put(renewed)
    assert "changed=1" in remote.deploy().output
    assert remote.ask(material.client).certificate_sha256 == renewed.sha256
    assert "changed=0" in remote.deploy().output
    assert "changed=1" in remote.deploy(mutual_tls_sites=[{"domain": material.domain, "state": "absent"}]).output
    assert set(remote.state(times=False)[0]) ^ set(before) == set()
    assert set(contents(remote.host)) ^ set(files) == set()


def test_a_stock_host_that_was_stopped_is_started(remote: Remote) -> None:
    remote.host.shell(remote.layout.stop)
    remote.deploy()
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_the_page_of_systems_tells_what_is_found_on_the_host(remote: Remote, find_system: Callable[..., None]) -> None:
    find_system(remote)


@pytest.mark.parametrize("machine", ["rhel9-httpd"], indirect=True)
def test_an_instance_beside_the_stock_server_is_deployed_renewed_and_given_back(
    remote: Remote, instance: dict[str, str]
) -> None:
    material, port = remote.material, 8443
    before, files = remote.state(times=False)[0], contents(remote.host)
    mine = remote.host.shell("systemctl show -p MainPID httpd")
    site = remote.site | {"port": port}
    assert "changed=1" in remote.deploy(mutual_tls_sites=[site], **instance).output
    assert remote.ask(None, port=port).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert "changed=0" in remote.deploy(mutual_tls_sites=[site], **instance).output
    renewed = material.public.issue(material.domain)
    material.put(renewed)
    assert "changed=1" in remote.deploy(mutual_tls_sites=[site], **instance).output
    assert remote.ask(material.client, port=port).certificate_sha256 == renewed.sha256
    # httpd itself serves on, and has nothing of the site.
    assert remote.host.shell("systemctl show -p MainPID httpd") == mine
    assert ssl.get_server_certificate((remote.address, 443)).encode() != renewed.pem
    absent = [{"domain": material.domain, "state": "absent"}]
    assert "changed=1" in remote.deploy(mutual_tls_sites=absent, **instance).output
    assert set(remote.state(times=False)[0]) ^ set(before) == set()
    assert set(contents(remote.host)) ^ set(files) == set()


@pytest.mark.parametrize("machine", ["rhel9-httpd"], indirect=True)
def test_a_stopped_instance_is_started_by_its_own_unit(remote: Remote, instance: dict[str, str]) -> None:
    remote.host.shell("systemctl stop httpd@webhooks")
    site = remote.site | {"port": 8443}
    remote.deploy(mutual_tls_sites=[site], **instance)
    assert remote.ask(None, port=8443).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert remote.host.shell("systemctl is-active httpd@webhooks") == "active"
    assert remote.host.shell("cat /run/httpd/instance-webhooks.pid").isdigit()
    assert "changed=0" in remote.deploy(mutual_tls_sites=[site], **instance).output
    remote.deploy(mutual_tls_sites=[{"domain": remote.material.domain, "state": "absent"}], **instance)


@pytest.mark.parametrize("machine", ["rhel9-httpd", "opensuse-apache2"], indirect=True)
def test_a_stopped_host_whose_main_file_is_named_is_started_by_its_unit(remote: Remote) -> None:
    config = {"rhel9-httpd": "/etc/httpd/conf/httpd.conf", "opensuse-apache2": "/etc/apache2/httpd.conf"}
    unit = {"rhel9-httpd": "httpd", "opensuse-apache2": "apache2"}
    name = next(name for name in config if name in remote.host.name)
    remote.host.shell(remote.layout.stop)
    remote.deploy(mutual_tls_httpd_config=config[name], mutual_tls_httpd_binary="/usr/sbin/httpd")
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert remote.host.shell(f"systemctl is-active {unit[name]}") == "active"


@pytest.mark.parametrize("machine", [PANELS], indirect=True)
def test_a_site_outlasts_that_a_panel_makes_its_configuration_anew(remote: Remote) -> None:
    assert "says that it is generated" not in remote.deploy().output
    put_panel_configuration(remote.host, Path(STOCK) / PANELS, "/etc/apache2/conf/httpd.conf")
    remote.host.shell("systemctl reload httpd")
    assert remote.ask(None).said == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert "changed=0" in remote.deploy().output
