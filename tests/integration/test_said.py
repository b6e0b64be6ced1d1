# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run says: what was changed to what, what is open, what would be; and which sites it was about."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from embedded_httpd import free_port

if TYPE_CHECKING:
    from conftest import LocalOperator
    from playing import Run


def said(run: Run) -> str:
    """Return what was printed, without its wrapping."""
    return " ".join(run.output.split())


def day(operator: LocalOperator) -> str:
    """Return the day on which the certificate that is served ends."""
    found = re.findall(r"The certificate ends on (\S+)\.", said(operator.deploy()))
    return str(found[-1])


def test_a_change_is_told_by_what_it_makes_of_the_site(operator: LocalOperator) -> None:
    first = said(operator.deploy())
    assert f"Changed: new; certificate until {day(operator)}." in first
    operator.material.put(operator.material.public.issue(operator.material.domain))
    renewed = said(operator.deploy())
    moment = r"\d{4}-\d\d-\d\d(?:T[\d:]+Z)?"  # to the second on one day
    assert re.search(rf"Changed: certificate {moment} -> {moment} \(new key\)\.", renewed), renewed
    pinned = said(operator.deploy(mutual_tls_sites=[operator.site | {"allowed_clients": [{"subject": "CN=Chat"}]}]))
    assert "May call: CN=Chat." in pinned
    assert "Changed: may call now: CN=Chat." in pinned


def test_what_is_open_is_told_also_where_nothing_was_changed(operator: LocalOperator) -> None:
    sites = [operator.site | {"open_paths": ["/healthz"]}]
    assert "Changed: new" in said(operator.deploy(mutual_tls_sites=sites))
    again = said(operator.deploy(mutual_tls_sites=sites))
    assert "Open without a certificate: /healthz." in again
    assert "Changed:" not in again


def test_half_the_handshakes_are_told_as_a_spot_check(operator: LocalOperator) -> None:
    assert "spot check" not in said(operator.deploy())
    assert "Refused (spot check): no certificate, one of an unknown authority." in said(operator.deploy())


def test_a_dry_run_says_what_would_be_and_that_nothing_was_kept(operator: LocalOperator) -> None:
    operator.deploy()
    same = said(operator.deploy("--check"))
    assert "webhook: all is as wished, on the disk and by a handshake with each site. Nothing would be changed." in same
    operator.material.put(operator.material.public.issue(operator.material.domain))
    other = said(operator.deploy("--check"))
    told = (
        r"webhook: rehearsed in full: www\.example\.com would be changed, served until \d{4}-\d\d-\d\d \(certificate "
    )
    assert re.search(told, other), other
    assert "(new key)). Nothing was kept." in other


@pytest.mark.parametrize("arguments", [("--check",), ()])
def test_output_for_programs_stays_data(operator: LocalOperator, arguments: tuple[str, ...]) -> None:
    quiet = operator.environment | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    run = replace(operator, environment=quiet).deploy(*arguments)
    told = json.loads(run.output[run.output.index("{") : run.output.rindex("}") + 1])
    applied: dict[str, Any] = next(
        task["hosts"]["webhook"]
        for task in told["plays"][0]["tasks"]
        if task["task"]["name"].endswith("Apply the sites")
    )
    assert applied["sites"][0]["changes"][0] == "new"


def test_a_removal_says_who_answers_to_the_name_now(operator: LocalOperator) -> None:
    other = operator.material.public.issue("other.example.com")
    for name, content in (("other.crt", other.full_pem), ("other.key", other.key_pem)):
        (operator.folder / name).write_bytes(content)
    sites = [
        operator.site,
        operator.site
        | {
            "domain": "other.example.com",
            "certificate": str(operator.folder / "other.crt"),
            "private_key": str(operator.folder / "other.key"),
        },
    ]
    operator.deploy(mutual_tls_sites=sites)
    absent = {"domain": "other.example.com", "state": "absent"}
    first = said(operator.deploy(mutual_tls_sites=[sites[0], absent]))
    assert (
        f"other.example.com is no longer served; its name gets the certificate of CN={operator.site['domain']} now."
        in first
    )
    gone = said(operator.deploy(mutual_tls_sites=[{"domain": operator.site["domain"], "state": "absent"}]))
    assert f"{operator.site['domain']} is no longer served; nobody answers TLS at its port any more." in gone


def test_the_ended_certificate_of_one_site_does_not_hold_up_another(operator: LocalOperator) -> None:
    bad = operator.site | {"domain": "bad.example.com", "certificate": "nowhere.crt"}
    sites = [operator.site, bad]
    assert "nowhere.crt" in said(operator.refused(mutual_tls_sites=sites))
    run = operator.deploy(mutual_tls_sites=sites, mutual_tls_only=[operator.site["domain"].upper()])
    assert "mutual TLS is enforced" in said(run)
    none = operator.deploy(mutual_tls_sites=sites, mutual_tls_only=["else.example.com"])
    assert none.recap["changed"] == 0
    assert "mutual TLS is enforced" not in said(none)
    wrong = said(operator.refused(mutual_tls_sites=sites, mutual_tls_only=["no name"]))
    assert "the option 'only' holds what is no name of a site" in wrong


def test_only_sites_that_end_soon_are_deployed_where_that_is_asked_for(operator: LocalOperator) -> None:
    operator.deploy()
    operator.material.put(operator.material.public.issue(operator.material.domain))
    later = operator.deploy(mutual_tls_ending_within=30)
    assert f"webhook: left alone, as they end later: {operator.site['domain']}." in said(later)
    assert later.recap["changed"] == 0
    assert operator.deploy(mutual_tls_ending_within=100).recap["changed"] == 1
    assert "the option 'ending_within' is negative" in said(operator.refused(mutual_tls_ending_within=-1))


def test_a_site_that_is_not_there_yet_is_deployed_however_late_it_ends(operator: LocalOperator) -> None:
    assert operator.deploy(mutual_tls_ending_within=1).recap["changed"] == 1


def test_an_older_certificate_than_the_one_that_is_served_is_warned_of(operator: LocalOperator) -> None:
    now, day = datetime.now(timezone.utc), timedelta(days=1)
    old = operator.material.public.issue(operator.material.domain, not_before=now - 20 * day, not_after=now + 60 * day)
    new = operator.material.public.issue(operator.material.domain, not_before=now - 2 * day, not_after=now + 80 * day)
    short = operator.material.public.issue(operator.material.domain, not_before=now - day, not_after=now + 40 * day)
    older = "its certificate is older than the one that is served now"
    operator.material.put(old)
    assert older not in said(operator.deploy())
    operator.material.put(new)
    assert older not in said(operator.deploy())
    operator.material.put(old)
    assert older in said(operator.deploy())
    operator.material.put(short)
    assert older not in said(operator.deploy()), "one of a shorter life is not older"


def test_a_converged_run_warns_of_a_missing_key_of_another_site(operator: LocalOperator) -> None:
    operator.deploy()
    httpd, material = operator.httpd, operator.material
    with httpd.conf.open("a") as conf:
        conf.write(
            f"<VirtualHost *:{free_port()}>\nServerName other.example.com\nSSLEngine on\n"
            f"SSLCertificateFile {material.folder}/{material.domain}.crt\n"
            f"SSLCertificateKeyFile {httpd.root}/gone.key\n</VirtualHost>\n"
        )
    run = operator.deploy()
    assert run.recap["changed"] == 0
    assert "httpd would not start again with the configuration as it stands: " in said(run)
    assert "gone.key" in said(run)
