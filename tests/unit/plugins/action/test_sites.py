# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator is told of a result without asking for details."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mtls.httpd.plugins.plugin_utils._site.remarks import Remark, noteworthy, say_once

SITE = {
    "domain": "www.example.com",
    "mutual_tls": "enforced",
    "previous": False,
    "remote_src": False,
    "changed": True,
    "state": "present",
    "ends": "2999-01-01T00:00:00Z",
    "crl_ends": "",
}
GONE_BACK = {**SITE, "previous": True}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"rehearsal": "reduced", "rehearsal_reason": "no namespaces"}, ["the rehearsal was reduced: no namespaces."]),
        (
            {"changed": True, "rehearsal": "none", "rehearsal_reason": "no httpd"},
            ["nothing was rehearsed: no httpd."],
        ),
        ({"changed": False, "rehearsal": "none", "rehearsal_reason": "no httpd"}, []),
        ({"healed": ["httpd did not run"]}, ["found amiss: httpd did not run."]),
        ({"sites": [{**GONE_BACK, "mutual_tls": "optional"}]}, ["lets clients without a certificate in"]),
        ({"sites": [{**GONE_BACK, "ends": "2001-01-01T00:00:00Z"}]}, ["one ends at 2001-01-01T00:00:00Z"]),
        ({"sites": [SITE]}, []),
        ({"sites": [{**SITE, "state": "absent", "changed": False, "ends": None}]}, ["there is no such site"]),
        ({"sites": [{**SITE, "state": "absent", "ends": None}]}, []),
        ({"changed": True, "limits": ["http2 is not served: no mod_http2"]}, ["http2 is not served: no mod_http2."]),
        ({"changed": True, "limits": ["http2 is not served", "a curve"], "unasked_limits": ["a curve"]}, ["http2"]),
        ({"changed": False, "limits": ["http2 is not served: no mod_http2"]}, []),
        ({"failed": True, "healed": ["httpd did not run"]}, []),
    ],
)
def test_what_is_noteworthy_is_a_warning(result: dict[str, Any], words: list[str]) -> None:
    told = list(noteworthy(result, 30))
    assert len(told) == len(words)
    assert all(word in sentence for word, sentence in zip(words, told, strict=True))


def test_what_holds_of_several_sites_is_said_once() -> None:
    sites = [{**SITE, "domain": f"s{number}.example.com", "remote_src": True} for number in range(30)]
    ends = {**GONE_BACK, "domain": "old.example.com", "ends": "2001-01-01T00:00:00Z"}
    on_the_host, of_one = noteworthy({"changed": True, "sites": [*sites, ends]}, 30)
    assert on_the_host.startswith(
        "s0.example.com, s1.example.com, s2.example.com, s3.example.com, s4.example.com and 25 more: its material lies"
    )
    (on_the_few,) = noteworthy({"changed": True, "sites": sites[:7]}, 30)
    assert on_the_few.startswith(f"{', '.join(site['domain'] for site in sites[:7])}: its material lies")
    assert of_one.startswith("old.example.com: the release gone back to serves certificates")


def ending(number: int, day: int) -> Remark:
    """Return what is said of the certificate of a site that ends soon."""
    domain = f"s{number}.example.com"
    words = f"'{domain}' ends at 2026-12-{day:02}T12:00:00Z, in {day} days. Renew it, and run this again."
    return Remark(domain, words, "expires-soon", f"files/{domain}.crt")


def test_what_is_alike_of_many_sites_is_one_with_each_file_and_the_first_to_end_first() -> None:
    pinned = Remark("s1.example.com", "every client of the client CA may call.", "client-not-pinned")
    told, other = say_once([*(ending(number, 29 - number) for number in range(20)), pinned])
    assert told.startswith("s19.example.com: 's19.example.com' ends at 2026-12-10T12:00:00Z, in 10 days. Renew it,")
    assert "This is of files/s19.example.com.crt (2026-12-10). And 19 more like it: files/s18" in told
    assert all(f"files/s{number}.example.com.crt (2026-12-{29 - number})" in told for number in range(20))
    assert other == "s1.example.com: every client of the client CA may call."


def test_what_is_alike_of_few_sites_and_what_is_not_stays_apart() -> None:
    few = [ending(number, 10 + number) for number in range(5)]
    other = Remark("s9.example.com", "'x' is weak.", "expires-soon", "files/x.crt")
    assert list(say_once([*few, other])) == [f"{each.domain}: {each.said}" for each in [*few, other]]


def test_what_lies_on_the_host_and_ends_soon_is_one_too() -> None:
    found = [
        {"domain": each.domain, "subject": each.subject, "message": each.said, "remedy": "Renew it.", "code": each.code}
        for each in (ending(number, 10 + number) for number in range(9))
    ]
    (told,) = noteworthy({"findings": found}, 30)
    assert told.startswith("s0.example.com: files/s0.example.com.crt: 's0.example.com' ends at 2026-12-10")
    assert "And 8 more like it: files/s1.example.com.crt (2026-12-11), " in told
