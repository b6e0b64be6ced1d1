# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts on odd networks, and where the role's confirmation goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playing import surroundings
from rehearsing import PIPED

if TYPE_CHECKING:
    from conftest import LocalOperator

ROLE = "mtls.httpd.mutual_tls"
# Of a new network with nothing but its loopback interface.
NO_ROUTE = "ip link set lo up"
NO_IPV4 = "ip link set lo up && ip -4 address flush dev lo"
LAN = "198.51.100.7"
LAN_ALONE = (
    "ip link set lo up && ip link add lan type veth peer name other && ip link set lan up && ip link set other up"
    f" && ip address add {LAN}/24 dev lan"
)


@pytest.mark.parametrize("network", ["without a default route", "without IPv4"])
@pytest.mark.parametrize(("site", "rehearsal"), [("on one address", "full"), ("on all addresses", "reduced")])
def test_a_host_on_an_odd_network_is_deployed_and_confirmed(
    operator: LocalOperator, network: str, site: str, rehearsal: str
) -> None:
    address, script = ("::1", NO_IPV4) if network == "without IPv4" else ("127.0.0.1", NO_ROUTE)
    within = surroundings(script, "--net")
    operator.httpd.stop()
    text = operator.httpd.conf.read_text() + (PIPED if rehearsal == "reduced" else "")
    listen = f"Listen [{address}]:" if ":" in address else f"Listen {address}:"
    operator.httpd.conf.write_text(text.replace("Listen 127.0.0.1:", listen))
    wish = operator.site | {"listen": [address] if site == "on one address" else []}
    variables: dict[str, Any] = {"mutual_tls_sites": [wish], "mutual_tls_confirm_address": address}
    run = operator.deploy("-v", within=within, **variables)
    assert f"rehearsal: {rehearsal}" in run.output
    assert "mutual TLS is enforced" in run.output


@pytest.mark.parametrize("rehearsal", ["full", "reduced"])
def test_a_server_that_listens_on_one_address_alone_is_tried_and_confirmed_there(
    operator: LocalOperator, rehearsal: str
) -> None:
    within = surroundings(LAN_ALONE, "--net")
    operator.httpd.stop()
    text = operator.httpd.conf.read_text().replace("Listen 127.0.0.1:", f"Listen {LAN}:")
    text += f"LoadModule ssl_module modules/mod_ssl.so\nListen {LAN}:{operator.port} https\n"
    operator.httpd.conf.write_text(text + (PIPED if rehearsal == "reduced" else ""))
    variables = operator.variables | {"mutual_tls_sites": [operator.site | {"listen": [LAN]}]}
    del variables["mutual_tls_confirm_address"]
    run = operator.deploy("-v", within=within, plays=[{"vars": variables, "roles": [{"role": ROLE}]}])
    assert f"rehearsal: {rehearsal}" in run.output
    assert f"{operator.material.domain} at {LAN}:{operator.port}: mutual TLS is enforced" in run.output


def test_the_confirmation_goes_where_ansible_connects_to_and_not_by_the_sites_name(
    operator: LocalOperator,
) -> None:
    hosts = operator.folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.9 {operator.material.domain}\n")
    within = surroundings(f"mount --bind {hosts} /etc/hosts", "--mount")
    variables = {
        "mutual_tls_httpd_binary": str(operator.httpd.binary),
        "mutual_tls_httpd_config": str(operator.httpd.conf),
        "mutual_tls_sites": [operator.site | {"listen": []}],
    }
    run = operator.deploy("-v", within=within, plays=[{"vars": variables, "roles": [{"role": ROLE}]}])
    assert f"{operator.material.domain} at 127.0.0.1:{operator.port}: mutual TLS is enforced" in run.output
